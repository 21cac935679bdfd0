//! Certificates and lists in files: PEM or DER, as other programs write them.

use std::fs;
use std::path::Path;

use semper_ttp::asn1::pem;
use semper_ttp::x509::Certificate;

use super::running::Failed;

/// Longest file that is read, bytes: a list of a million certificates has 40 MB.
const FILE_MAX: u64 = 256 << 20;

/// What is wrong with a file that the caller named.
pub(super) fn refused(path: &Path, why: &dyn std::fmt::Display) -> Failed {
    Failed::usage(&format!("{}: {why}", path.display()))
}

/// All of a file, if that is not too much.
///
/// # Errors
/// It is not there, or too long.
pub(super) fn bytes_of(path: &Path) -> Result<Vec<u8>, Failed> {
    let length = fs::metadata(path).map_err(|error| refused(path, &error))?.len();
    if length > FILE_MAX {
        return Err(refused(path, &format!("has {length} bytes; at most {FILE_MAX} are read")));
    }
    fs::read(path).map_err(|error| refused(path, &error))
}

/// What a file holds under this label in PEM, or as a whole in DER.
///
/// # Errors
/// As [`bytes_of`]; it is PEM without such a block.
pub(super) fn decoded(path: &Path, label: &str) -> Result<Vec<Vec<u8>>, Failed> {
    let bytes = bytes_of(path)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN ") => {
            let blocks = pem::decode(label, text).filter(|blocks| !blocks.is_empty());
            blocks.ok_or_else(|| refused(path, &format!("has no whole {label} in PEM")))
        }
        _ => Ok(vec![bytes]),
    }
}

/// The certificates of a file, DER.
///
/// # Errors
/// As [`decoded`].
pub(super) fn certificates_of(path: &Path) -> Result<Vec<Vec<u8>>, Failed> {
    decoded(path, "CERTIFICATE")
}

/// The one certificate of a file.
///
/// # Errors
/// As [`decoded`]; there are several, or it does not read.
pub(super) fn certificate_of(path: &Path) -> Result<Certificate, Failed> {
    match certificates_of(path)?.as_slice() {
        [der] => read_certificate(path, der),
        _ => Err(refused(path, &"must hold exactly one certificate")),
    }
}

/// A certificate of a file.
///
/// # Errors
/// It does not read.
pub(super) fn read_certificate(path: &Path, der: &[u8]) -> Result<Certificate, Failed> {
    Certificate::from_der(der).map_err(|fault| refused(path, &fault))
}
