//! `semper audit ca`: every certificate that the ledger has, with its profile and its status, and whichever is missing or is not
//! what it should be (EN 319 411-1 GEN-6.4.5). Ends with 0 (all are in order), 1 (one is not), 2 (one is not there to be judged).
//!
//! Names of people stand in no line: a certificate is told by its digest. Memory: some thousand entries at a time, the profiles,
//! the service's own keys.

use std::path::PathBuf;

use semper_ledger::complete;
use semper_ledger::entry::{Entry, Tag, TagSpace};
use semper_ttp::audit::{CertificateList, ListedCertificate, StatedCertificate};
use semper_ttp::ca::CaFact;
use semper_ttp::ca::crl::Reason;
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{CaKind, Fact, Kind, Recorded};
use semper_ttp::time::Timestamp;
use serde_json::{Value, json};

use super::{Failed, Opened, rows, say};
use crate::clock;
use crate::data::DataError;
use crate::exit::Exit;

/// What came out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    certificates: u64,
    faulty: u64,
    missing: u64,
    revoked: u64,
    /// In the data folder, which the service serves from, and not in the ledger.
    unlogged: u64,
}

impl Sum {
    fn exit(&self) -> Exit {
        match () {
            () if self.faulty + self.unlogged > 0 => Exit::Falsified,
            () if self.missing > 0 => Exit::Undecided,
            () => Exit::Ok,
        }
    }
}

/// What is known of a certificate's status.
enum Status {
    Good,
    Expired,
    Revoked {
        at: Timestamp,
        reason: &'static str,
        index: Option<u64>,
    },
    /// Its fact is not there to say where to look.
    Unknown,
}

/// Lists them; `folder` is the data folder's `certs/`.
///
/// # Errors
/// The store cannot be read to its end, or the folder cannot.
pub(super) fn list(opened: &Opened, folder: &std::path::Path, as_json: bool) -> Result<Exit, Failed> {
    let (reader, store) = (&opened.reader, opened.store());
    let (size, lost) = (reader.size(), complete::lost(store)?);
    let now = clock::now();
    let (mut list, mut sum, mut next) = (CertificateList::default(), Sum::default(), 0);
    if !as_json {
        say::out("entry\tissued\tissuer\tserial number\tprofile\tnot after\tstatus\tcertificate's SHA-256");
    }
    while next < size {
        let chunk = rows::chunk(store, next, size, &lost)?;
        let mut lines = String::new();
        for listed in chunk.rows().filter_map(|(row, _)| list.entry(&row)) {
            let status = status(opened, &listed, now)?;
            sum.certificates += 1;
            sum.faulty += u64::from(!listed.faults.is_empty());
            sum.missing += u64::from(listed.missing.is_some());
            sum.revoked += u64::from(matches!(status, Status::Revoked { .. }));
            lines.push_str(&if as_json { line_json(&listed, &status).to_string() } else { line(&listed, &status) });
            lines.push('\n');
        }
        say::bytes(lines.as_bytes());
        next += chunk.len();
    }
    for (path, digest) in unlogged(opened, folder)? {
        sum.unlogged += 1;
        let path = path.display();
        if as_json {
            say::json(&json!({ "file": path.to_string(), "sha256": digest.to_string(), "faults": [NOT_LOGGED] }));
        } else {
            say::out(format!("{path}: {NOT_LOGGED}\t{digest}"));
        }
    }
    if as_json {
        let Sum { certificates, faulty, missing, revoked, unlogged } = sum;
        say::json(&json!({
            "certificates": certificates, "revoked": revoked, "faulty": faulty, "missing": missing, "not_logged": unlogged,
        }));
    } else {
        say::out(in_words(&sum));
    }
    Ok(sum.exit())
}

const NOT_LOGGED: &str = "it is in the data folder and not in the ledger";

fn in_words(sum: &Sum) -> String {
    let Sum { certificates, faulty, missing, revoked, unlogged } = sum;
    let counted = format!("{certificates} certificates, {revoked} of them revoked");
    match sum.exit() {
        Exit::Ok => format!("{counted}: each is in the ledger, and as its profile has it"),
        _ => {
            format!("{counted}: {faulty} not in order, {missing} not there to be judged, {unlogged} not in the ledger")
        }
    }
}

/// Whether the certificate's history goes on, or would if the fact of it were not lost.
fn status(opened: &Opened, listed: &ListedCertificate, now: Timestamp) -> Result<Status, Failed> {
    let Some(stated) = &listed.stated else { return Ok(Status::Unknown) };
    let history = &stated.history.0;
    for (step, bytes) in opened.reader.facts_of(history, 0)?.iter().enumerate() {
        let (at, reason) = match Fact::decode(bytes).and_then(|fact| CaFact::from_fact(&fact)) {
            Ok(CaFact::CertificateRevoked { at, reason, .. }) => (at, reason),
            // It was revoked before its CA was taken over.
            Ok(CaFact::CertificateImported { revoked: Some(revoked), .. }) => (revoked.at, revoked.reason),
            _ => continue,
        };
        let index = opened.reader.step_index(history, step as u64)?;
        return Ok(Status::Revoked { at, reason: reason.name(), index });
    }
    let revoked = Tag::new(TagSpace::Certificate, listed.digest.as_bytes(), 1);
    if let Some(index) = opened.reader.find_tag(&revoked)? {
        let entry = Entry::decode(&opened.reader.entry(index)?.unwrap_or_default());
        let at = entry.map_or(Timestamp::default(), |entry| Timestamp::from_millis(entry.time_ms).whole_secs());
        return Ok(Status::Revoked { at, reason: Reason::Unspecified.name(), index: Some(index) });
    }
    Ok(if stated.not_after < now.whole_secs() { Status::Expired } else { Status::Good })
}

impl Status {
    fn words(&self) -> String {
        match self {
            Self::Good => "good".to_owned(),
            Self::Expired => "expired".to_owned(),
            Self::Revoked { at, reason, .. } => format!("revoked {at} {reason}"),
            Self::Unknown => "unknown".to_owned(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Good => json!({ "status": "good" }),
            Self::Expired => json!({ "status": "expired" }),
            Self::Revoked { at, reason, index } => {
                json!({ "status": "revoked", "at": at, "reason": reason, "entry": index })
            }
            Self::Unknown => json!({ "status": "unknown" }),
        }
    }
}

fn profile_of(stated: &StatedCertificate) -> String {
    match (&stated.profile_name, stated.profile) {
        (Some(name), _) => name.clone(),
        (None, Some(digest)) => digest.to_string(),
        (None, None) => "-".to_owned(),
    }
}

fn line(listed: &ListedCertificate, status: &Status) -> String {
    let mut line = match &listed.stated {
        Some(stated) => {
            let StatedCertificate { at, issuer, serial, not_after, .. } = stated;
            let (issuer, serial, profile) = (issuer.place(), hex::encode(serial), profile_of(stated));
            format!("{}\t{at}\t{issuer}\t{serial}\t{profile}\t{not_after}\t{}", listed.index, status.words())
        }
        None => format!("{}\t-\t-\t-\t-\t-\t{}", listed.index, status.words()),
    };
    line.push_str(&format!("\t{}", listed.digest));
    for what in listed.faults.iter().map(String::as_str).chain(listed.missing) {
        line.push_str(&format!("\n  ! {what}"));
    }
    line
}

fn line_json(listed: &ListedCertificate, status: &Status) -> Value {
    let stated = listed.stated.as_ref();
    json!({
        "index": listed.index,
        "sha256": listed.digest.to_string(),
        "issued": stated.map(|stated| stated.at),
        "issuer": stated.map(|stated| stated.issuer.place()),
        "serial": stated.map(|stated| hex::encode(&stated.serial)),
        "profile": stated.and_then(|stated| stated.profile_name.clone()),
        "profile_sha256": stated.and_then(|stated| stated.profile).map(|digest| digest.to_string()),
        "not_before": stated.map(|stated| stated.not_before),
        "not_after": stated.map(|stated| stated.not_after),
        "revocation": status.json(),
        "faults": listed.faults,
        "missing": listed.missing,
    })
}

/// The certificates of the folder, from which the service serves them, that no entry is of.
fn unlogged(opened: &Opened, folder: &std::path::Path) -> Result<Vec<(PathBuf, Digest)>, Failed> {
    let io = |error| Failed::Data(DataError::Io { action: "read", path: folder.to_owned(), error });
    let paths = std::fs::read_dir(folder).map_err(io)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(io)?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "cer"));
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let der = std::fs::read(&path)
            .map_err(|error| Failed::Data(DataError::Io { action: "read", path: path.clone(), error }))?;
        let digest = Digest::of(&der);
        if !is_logged(opened, &digest)? {
            found.push((path, digest));
        }
    }
    Ok(found)
}

fn is_logged(opened: &Opened, digest: &Digest) -> Result<bool, Failed> {
    let Some(index) = opened.reader.find_digest(&digest.0)? else { return Ok(false) };
    let entry = opened.reader.entry(index)?.unwrap_or_default();
    let kind = Entry::decode(&entry).ok().and_then(|entry| Kind::from_codes(entry.role, entry.kind));
    Ok(matches!(kind, Some(Kind::Ca(CaKind::CertificateIssued | CaKind::AuthorityImported))))
}
