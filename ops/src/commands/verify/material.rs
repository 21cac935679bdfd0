//! Certificates, CRLs and OCSP responses of files, PEM or DER.

use std::path::Path;
use std::sync::Arc;

use semper_ttp::asn1::pem;
use semper_ttp::path::{CRL_BYTES_MAX, Certificate, Crl, Material, OcspResponse};

use super::files::{NoJudgement, read, read_up_to, unusable};

/// One that a file holds.
enum Item {
    Certificate(Arc<Certificate>),
    Crl(Arc<Crl>),
    Response(Arc<OcspResponse>),
}

/// What the octets of a file are, at least one thing.
fn items(path: &Path, bytes: &[u8]) -> Result<Vec<Item>, NoJudgement> {
    let found = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN ") => of_pem(text),
        _ => of_der(bytes).map(|item| vec![item]),
    };
    let none = || unusable(path, "it holds no certificate, CRL or OCSP response, or one that does not read");
    found.filter(|items| !items.is_empty()).ok_or_else(none)
}

/// All blocks in the order of their kinds, if each of them reads.
fn of_pem(text: &str) -> Option<Vec<Item>> {
    let of_kind = |label: &str, read: fn(&[u8]) -> Option<Item>| {
        let blocks = pem::decode(label, text)?;
        blocks.iter().map(|der| read(der)).collect::<Option<Vec<_>>>()
    };
    let all = [of_kind("CERTIFICATE", certificate)?, of_kind("X509 CRL", crl)?, of_kind("OCSP RESPONSE", response)?];
    Some(all.into_iter().flatten().collect())
}

fn of_der(bytes: &[u8]) -> Option<Item> {
    certificate(bytes).or_else(|| crl(bytes)).or_else(|| response(bytes))
}

fn certificate(der: &[u8]) -> Option<Item> {
    Certificate::from_der(der).ok().map(|read| Item::Certificate(Arc::new(read)))
}

fn crl(der: &[u8]) -> Option<Item> {
    Crl::from_der(der).ok().map(|read| Item::Crl(Arc::new(read)))
}

fn response(der: &[u8]) -> Option<Item> {
    OcspResponse::from_der(der).ok().map(|read| Item::Response(Arc::new(read)))
}

/// Adds what the files hold; certificates in an OCSP response come along with it.
pub(super) fn gather(paths: &[impl AsRef<Path>], into: &mut Material) -> Result<(), NoJudgement> {
    for path in paths {
        let path = path.as_ref();
        // A CRL is the longest of them.
        for item in items(path, &read_up_to(path, CRL_BYTES_MAX as u64)?)? {
            let added = match item {
                Item::Certificate(certificate) => into.add_certificate(&certificate),
                Item::Crl(crl) => into.add_crl(&crl),
                Item::Response(response) => {
                    let mut signers = response.certificates().iter();
                    signers.try_for_each(|signer| into.add_certificate(signer)).and(into.add_response(&response))
                }
            };
            added.map_err(|full| unusable(path, full))?;
        }
    }
    Ok(())
}

/// The certificates of a file, and nothing else.
pub(super) fn certificates(path: &Path) -> Result<Vec<Arc<Certificate>>, NoJudgement> {
    let only = |item| match item {
        Item::Certificate(certificate) => Ok(certificate),
        Item::Crl(_) | Item::Response(_) => Err(unusable(path, "it holds something else than certificates")),
    };
    items(path, &read(path)?)?.into_iter().map(only).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_nothing_is_no_material() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("material");
        for bytes in [
            &b""[..],
            b"0\x03\x02\x01\x05",
            b"-----BEGIN KEY-----\nAQ==\n-----END KEY-----\n",
            b"-----BEGIN CERTIFICATE-----\nAQ==\n-----END CERTIFICATE-----\n",
            b"-----BEGIN CERTIFICATE-----\nAQ==\n",
        ] {
            std::fs::write(&path, bytes).unwrap();
            let why = gather(&[&path], &mut Material::new()).unwrap_err().to_string();
            assert!(why.contains("holds no certificate, CRL or OCSP response"), "{why}");
            assert!(certificates(&path).is_err());
        }
        assert!(gather(&["/dev/zero"], &mut Material::new()).unwrap_err().to_string().contains("too long"));
    }
}
