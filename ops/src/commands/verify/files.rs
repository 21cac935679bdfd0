//! The files of `semper verify`: each is read up to a bound.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use semper_ttp::verify::Trust;

use crate::cli::with_ending;

/// Longest token, proof or trust file, bytes; far above any that is real.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why nothing could be judged.
#[derive(Debug, thiserror::Error)]
pub(in crate::commands) enum NoJudgement {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: String, error: io::Error },
    #[error("the trust anchors are no good: {0}")]
    Trust(#[from] semper_ttp::verify::TrustFault),
    #[error("a data validation certificate is of one document; {path} is a second one")]
    SecondDocument { path: String },
    #[error("{path}: {why}")]
    Unusable { path: String, why: String },
}

/// Where the bound of an entry's delay comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Promise {
    /// `ledger.json` of the trust folder.
    Given,
    /// No such file: [`MMD_MILLIS`](semper_ttp::verify::MMD_MILLIS).
    Usual,
}

pub(in crate::commands) fn read_trust(folder: &Path) -> Result<(Trust, Promise), NoJudgement> {
    // Only tokens without certificates need it.
    let chain = if_there(text(folder, "tsa-chain.pem"))?.unwrap_or_default();
    let mut trust = Trust::from_texts(&text(folder, "root.pem")?, &chain, &text(folder, "ledger.vkey")?)?;
    // Only COSE Receipts need it.
    if let Some(key) = if_there(text(folder, "receipt.pem"))? {
        trust = trust.with_receipt_key(&key)?;
    }
    // Without it, nobody's cosignature is asked for.
    if let Some(policy) = if_there(read(&folder.join("witnesses.policy")))? {
        trust = trust.with_witnesses(&policy)?;
    }
    // Only what convicts an arbiter that has recorded nothing needs it.
    if let Some(arbiters) = if_there(text(folder, "arbiter.pem"))? {
        trust = trust.with_arbiters(&arbiters)?;
    }
    match if_there(text(folder, "ledger.json"))? {
        None => Ok((trust, Promise::Usual)),
        Some(promise) => Ok((trust.with_promise(&promise)?, Promise::Given)),
    }
}

/// One of the texts of the trust folder.
pub(super) fn text(folder: &Path, name: &str) -> Result<String, NoJudgement> {
    read(&folder.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// `None` for a file that is not there.
pub(super) fn if_there<T>(read: Result<T, NoJudgement>) -> Result<Option<T>, NoJudgement> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(NoJudgement::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file of ordinary length.
pub(in crate::commands) fn read(path: &Path) -> Result<Vec<u8>, NoJudgement> {
    read_up_to(path, FILE_BYTES_MAX)
}

/// A file of at most `bytes_max`.
pub(super) fn read_up_to(path: &Path, bytes_max: u64) -> Result<Vec<u8>, NoJudgement> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
    let read = file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
    if read as u64 > bytes_max {
        return Err(unreadable(path, io::Error::other("it is too long to be evidence")));
    }
    Ok(bytes)
}

/// The file beside `X.ending` that is called `X.other`; beside another name, that name with the ending put behind.
pub(in crate::commands) fn beside(file: &Path, ending: &str, other: &str) -> PathBuf {
    match file.extension() {
        Some(found) if found == ending => file.with_extension(other),
        _ => with_ending(file, other),
    }
}

pub(super) fn unusable(path: &Path, why: impl std::fmt::Display) -> NoJudgement {
    NoJudgement::Unusable { path: path.display().to_string(), why: why.to_string() }
}

pub(super) fn unreadable(path: &Path, error: io::Error) -> NoJudgement {
    NoJudgement::Unreadable { path: path.display().to_string(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_file_is_not_read_to_its_end() {
        let error = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.contains("too long"), "{error}");
    }
}
