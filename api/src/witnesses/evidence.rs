//! What somebody shows against this ledger: a checkpoint that our own key signed and that is not of our history. It is kept
//! as it came, and with it, where one follows from it and from what the ledger itself has signed, the proof of misbehaviour
//! that it is. That convicts the ledger whose key this is, which may be us: what it says is true whoever keeps it.

use std::path::{Path, PathBuf};

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::disk;
use semper_ledger::merkle::sha256;
use semper_ledger::note::NOTE_BYTES_MAX;
use semper_ledger::reader::Reader;
use semper_ledger::store::Fault;
use semper_ttp::account::{Anchors, Prefix, Proof, Verdict, judge};
use semper_ttp::crypto::LogVerifier;

/// A checkpoint that contradicts this ledger.
#[derive(Clone, Debug)]
pub struct Contradiction {
    /// The signed note, as it was shown.
    pub note: String,
    /// In what, as the rest of a sentence.
    pub what: String,
    /// What convicts this ledger's key. There is none against a checkpoint larger than the ledger: what was rolled back cannot
    /// be compared any more.
    pub proof: Option<Proof>,
}

/// Compares a checkpoint that somebody shows with this ledger; `Some` if our own key signed what contradicts it.
///
/// # Errors
/// It is no checkpoint of ours, or the ledger cannot be read.
pub fn compare(reader: &Reader, note: &[u8]) -> Result<Option<Contradiction>, String> {
    let note = str::from_utf8(note).ok().filter(|note| note.len() <= NOTE_BYTES_MAX).ok_or("no note")?;
    let own = std::slice::from_ref(reader.vkey());
    let found = Checkpoint::verify(note, own, &LogVerifier).map_err(|fault| fault.to_string())?;
    let (size, ours) = (found.size, reader.size());
    let contradiction = |what, proof| Ok(Some(Contradiction { note: note.to_owned(), what, proof }));
    if size > ours {
        return contradiction(format!("has a checkpoint of size {size}, this ledger has {ours} entries"), None);
    }
    if reader.root(size).map_err(|fault| fault.to_string())? == found.root {
        return Ok(None);
    }
    let proof = proof(reader, &found, note).unwrap_or_else(|fault| {
        tracing::error!(%fault, "the ledger cannot be read to prove what a witness showed");
        None
    });
    contradiction(format!("has a checkpoint of size {size} with another root"), proof)
}

/// Two roots for the size that `found` has, or the tree with which our newest checkpoint begins instead of it; if that convicts
/// before somebody who knows our key.
fn proof(reader: &Reader, found: &Checkpoint, note: &str) -> Result<Option<Proof>, Fault> {
    let Some(newest) = reader.newest().head().cloned() else { return Ok(None) };
    let (size, to) = (found.size, newest.size);
    let ours = newest.note(reader.identity()).to_string();
    let proof = if size == to {
        Proof::two_roots(&found.origin, &ours, note)
    } else {
        let Some(path) = reader.consistency(size, to)? else { return Ok(None) };
        Proof::fork(&found.origin, note, &ours, Prefix { from: size, root: reader.root(size)?, to, path })
    };
    let anchors = Anchors { log_keys: std::slice::from_ref(reader.vkey()), trust: None };
    Ok(Some(proof).filter(|proof| judge(proof, &anchors).verdict == Verdict::Proven))
}

/// Keeps what contradicts this ledger; gives the checkpoint's file, beside which the proof lies.
pub fn keep_evidence(folder: &Path, found: &Contradiction) -> PathBuf {
    let name = hex::encode(&sha256(found.note.as_bytes())[..8]);
    let file = folder.join(format!("{name}.checkpoint"));
    let keep = || {
        disk::make_folder(folder)?;
        // The proof last: a start looks for checkpoints.
        disk::replace(&file, found.note.as_bytes())?;
        let proof = found.proof.as_ref().map(Proof::to_json);
        proof.map_or(Ok(()), |proof| disk::replace(&folder.join(format!("{name}.pom.json")), proof.as_bytes()))
    };
    if let Err(fault) = keep() {
        tracing::error!(%fault, note = found.note, "the evidence could not be kept; here it is");
    }
    file
}
