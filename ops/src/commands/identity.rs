//! As whom a command asks: the `.p12` of `--identity`, and the passphrase that lies beside it.

use std::path::{Path, PathBuf};

use semper_api::tls::ClientIdentity;
use semper_ttp::asn1::oid;
use semper_ttp::crypto::{Passphrase, SoftKey, open_pkcs12, pkcs12_issuers};
use semper_ttp::x509::Certificate;

use super::running::Failed;
use crate::config::Keys;

/// Opens it. Of a folder, the file of `person`.
///
/// # Errors
/// It is not there, or does not open.
pub(super) fn open(place: &Path, passphrase_file: Option<&Path>, person: &str) -> Result<ClientIdentity, Failed> {
    let (file, bytes, passphrase) = read(place, passphrase_file, person)?;
    // Else the server's TLS would break off, and nobody would know why. Keys that are none of ours are for the server to judge.
    let signs_only = |certificate: &Certificate| {
        let purposes = certificate.extended_key_usage();
        purposes.is_some_and(|purposes| !purposes.value.iter().any(|one| **one == *oid::KP_CLIENT_AUTH))
    };
    if opened(&file, &bytes, &passphrase).is_ok_and(|(_, certificate)| signs_only(&certificate)) {
        let why = "this certificate signs and logs in nowhere: name one that logs in, such as party-auth.p12";
        return Err(refused(&file, &why));
    }
    ClientIdentity::from_p12(&bytes, &passphrase).map_err(|fault| refused(&file, &format!("{fault}{IS_IT_RIGHT}")))
}

/// Of a file that does not open nobody can tell more.
const IS_IT_RIGHT: &str = ": is its passphrase the right one?";

fn opened(file: &Path, bytes: &[u8], passphrase: &Passphrase) -> Result<(SoftKey, Certificate), Failed> {
    let opened = open_pkcs12(bytes, passphrase);
    let (key, certificate) = opened.map_err(|fault| refused(file, &format!("{fault}{IS_IT_RIGHT}")))?;
    Ok((key, Certificate::from_der(&certificate).map_err(|fault| refused(file, &fault))?))
}

/// The same to sign with: the key and its certificate.
///
/// # Errors
/// As [`open`].
pub(super) fn signer(
    place: &Path,
    passphrase_file: Option<&Path>,
    person: &str,
) -> Result<(SoftKey, Certificate), Failed> {
    let (file, bytes, passphrase) = read(place, passphrase_file, person)?;
    opened(&file, &bytes, &passphrase)
}

/// That certificate and those above it but the root, DER, in their order.
///
/// # Errors
/// As [`open`].
pub(super) fn chain(place: &Path, passphrase_file: Option<&Path>, person: &str) -> Result<Vec<Vec<u8>>, Failed> {
    let (file, bytes, passphrase) = read(place, passphrase_file, person)?;
    let (_, certificate) = opened(&file, &bytes, &passphrase)?;
    let issuers = pkcs12_issuers(&bytes, &passphrase).map_err(|fault| refused(&file, &fault))?;
    let issuers = issuers.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>();
    let issuers = issuers.map_err(|fault| refused(&file, &fault))?;
    let mut chain = vec![certificate];
    // As many as there are at most, so that two that name each other end.
    for _ in 0..issuers.len() {
        let above = chain.last().and_then(|last| issuers.iter().find(|one| one.subject() == last.issuer()));
        match above {
            Some(above) if above.subject() != above.issuer() => chain.push(above.clone()),
            _ => break,
        }
    }
    Ok(chain.iter().map(|certificate| certificate.der().to_vec()).collect())
}

fn refused(file: &Path, why: &dyn std::fmt::Display) -> Failed {
    Failed::usage(&format!("{}: {why}", file.display()))
}

fn read(place: &Path, passphrase_file: Option<&Path>, person: &str) -> Result<(PathBuf, Vec<u8>, Passphrase), Failed> {
    let file = if place.is_dir() { place.join(format!("{person}.p12")) } else { place.to_owned() };
    let bytes = std::fs::read(&file).map_err(|error| refused(&file, &error))?;
    let beside: PathBuf = passphrase_file.map_or_else(|| file.with_extension("passphrase"), Path::to_owned);
    // The same rules as for the passphrase of key files: nobody else may read it.
    let secret = Keys { passphrase_file: Some(beside), ..Keys::default() }.passphrase(|_| None);
    let secret = secret.map_err(|error| refused(&file, &error))?;
    let passphrase = Passphrase::new(secret.expose().to_owned());
    Ok((file, bytes, passphrase))
}
