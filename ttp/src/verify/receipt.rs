//! The checks of a tlog-proof: that the token is logged, where, and when.

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::Entry;
use semper_ledger::merkle::leaf_hash;
use semper_ledger::proof::verify_inclusion;
use semper_ledger::receipt::tlog_proof::TlogProof;

use super::report::{Check, EntrySummary, Report};
use super::token::Token;
use super::{Evidence, Trust};
use crate::crypto::LogVerifier;
use crate::digest::Digest;
use crate::evidence::{Kind, TimestampKind};
use crate::time::Timestamp;

/// Makes all checks of the proof.
pub(super) fn check(evidence: &Evidence<'_>, trust: &Trust, token: Option<&Token>, report: &mut Report) {
    let after_form = Check::ProofForm.following(Check::EntryTime);
    let Some(text) = evidence.proof else {
        for check in [Check::ProofForm].into_iter().chain(after_form) {
            report.skip(check, "no proof was given");
        }
        return;
    };
    let (proof, bytes, entry) = match read(text) {
        Ok(read) => read,
        Err(reason) => {
            report.record(Check::ProofForm, Err(reason));
            for check in after_form {
                report.skip(check, "the proof does not read");
            }
            return;
        }
    };
    report.record(Check::ProofForm, Ok(()));

    let same = entry.digest == Digest::of(evidence.token).0;
    report.record(Check::EntryDigest, same.then_some(()).ok_or_else(|| "the entry is of another artefact".to_owned()));
    report.record(Check::EntryKind, check_kind(&entry));

    // Size and root are taken from a checkpoint whose signature is good, from nowhere else.
    match Checkpoint::verify(&proof.checkpoint, &trust.log_keys, &LogVerifier) {
        Err(fault) => {
            report.record(Check::ProofCheckpoint, Err(fault.to_string()));
            report.skip(Check::ProofInclusion, "the checkpoint is not trusted");
            report.skip(Check::EntryTime, "the checkpoint is not trusted");
        }
        Ok(checkpoint) => {
            report.record(Check::ProofCheckpoint, Ok(()));
            let leaf = leaf_hash(&bytes);
            let included = verify_inclusion(&leaf, proof.index, checkpoint.size, &checkpoint.root, &proof.path);
            let included = included.map_err(|fault| fault.to_string());
            let stands = included.is_ok();
            report.record(Check::ProofInclusion, included);
            match token {
                None => report.skip(Check::EntryTime, "the token does not read"),
                Some(token) => report.record(Check::EntryTime, check_time(token.gen_time, &entry, trust.mmd_millis)),
            }
            // An entry that does not stand in this tree has no place in it to tell of.
            report.entry = stands.then(|| EntrySummary {
                origin: checkpoint.origin,
                index: proof.index,
                tree_size: checkpoint.size,
                time: Timestamp::from_millis(entry.time_ms),
            });
        }
    }
}

fn read(text: &str) -> Result<(TlogProof, Vec<u8>, Entry), String> {
    let proof = TlogProof::parse(text).map_err(|fault| fault.to_string())?;
    if proof.to_string() != text {
        return Err("the proof is not in its one spelling".to_owned());
    }
    let bytes = proof.extra.clone().ok_or("the proof carries no entry")?;
    let entry = Entry::decode(&bytes).map_err(|fault| fault.to_string())?;
    Ok((proof, bytes, entry))
}

fn check_kind(entry: &Entry) -> Result<(), String> {
    match Kind::from_codes(entry.role, entry.kind) {
        Some(Kind::Timestamp(TimestampKind::Token)) if entry.tags.as_slice().is_empty() => Ok(()),
        Some(Kind::Timestamp(TimestampKind::Token)) => Err("a token's entry has no tags".to_owned()),
        Some(kind) => Err(format!("the entry is of kind {kind}")),
        None => Err(format!("the entry is of unknown role {} and kind {}", entry.role, entry.kind)),
    }
}

fn check_time(gen_time: Timestamp, entry: &Entry, mmd_millis: u64) -> Result<(), String> {
    let (made, logged) = (gen_time.millis(), entry.time_ms);
    if made > logged {
        return Err(format!("genTime is {} ms after the entry's time", made - logged));
    }
    if logged - made > mmd_millis {
        return Err(format!("the entry was made {} ms after genTime, above {mmd_millis} ms", logged - made));
    }
    Ok(())
}
