//! Certificates, CRLs and OCSP responses of files, PEM or DER.

use std::path::Path;
use std::sync::Arc;

use semper_ttp::asn1::pem;
use semper_ttp::path::{CRL_BYTES_MAX, Certificate, Crl, Material, OcspResponse};

use super::files::{NoJudgement, read_up_to, unusable};

/// One that a file holds.
enum Item {
    Certificate(Certificate),
    Crl(Crl),
    Response(OcspResponse),
}

/// What the file holds, at least one thing. A CRL is the longest of them.
fn items(path: &Path) -> Result<Vec<Item>, NoJudgement> {
    let bytes = read_up_to(path, CRL_BYTES_MAX as u64)?;
    let found = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN ") => of_pem(text),
        _ => of_der(&bytes).map(|item| vec![item]),
    };
    let none = || unusable(path, "it holds no certificate, CRL or OCSP response, or one that does not read");
    found.filter(|items| !items.is_empty()).ok_or_else(none)
}

/// All blocks in the order of their kinds, if each of them reads.
fn of_pem(text: &str) -> Option<Vec<Item>> {
    let certificates = pem::decode("CERTIFICATE", text)?.into_iter();
    let certificates = certificates.map(|der| Certificate::from_der(&der).ok().map(Item::Certificate));
    let crls = pem::decode("X509 CRL", text)?.into_iter().map(|der| Crl::from_der(&der).ok().map(Item::Crl));
    let responses = pem::decode("OCSP RESPONSE", text)?.into_iter();
    let responses = responses.map(|der| OcspResponse::from_der(&der).ok().map(Item::Response));
    certificates.chain(crls).chain(responses).collect()
}

fn of_der(bytes: &[u8]) -> Option<Item> {
    let certificate = || Certificate::from_der(bytes).ok().map(Item::Certificate);
    let crl = || Crl::from_der(bytes).ok().map(Item::Crl);
    let response = || OcspResponse::from_der(bytes).ok().map(Item::Response);
    certificate().or_else(crl).or_else(response)
}

/// Adds what the files hold; certificates in an OCSP response come along with it.
pub(super) fn gather(paths: &[impl AsRef<Path>], into: &mut Material) -> Result<(), NoJudgement> {
    for path in paths {
        let path = path.as_ref();
        for item in items(path)? {
            let added = match item {
                Item::Certificate(certificate) => into.add_certificate(&Arc::new(certificate)),
                Item::Crl(crl) => into.add_crl(&Arc::new(crl)),
                Item::Response(response) => {
                    let signers = response.certificates().to_vec();
                    let added = into.add_response(&Arc::new(response));
                    signers.iter().try_fold((), |(), signer| into.add_certificate(signer)).and(added)
                }
            };
            added.map_err(|full| unusable(path, full))?;
        }
    }
    Ok(())
}

/// The certificates of a file, and nothing else.
pub(super) fn certificates(path: &Path) -> Result<Vec<Certificate>, NoJudgement> {
    let only = |item| match item {
        Item::Certificate(certificate) => Ok(certificate),
        Item::Crl(_) | Item::Response(_) => Err(unusable(path, "it holds something else than certificates")),
    };
    items(path)?.into_iter().map(only).collect()
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
