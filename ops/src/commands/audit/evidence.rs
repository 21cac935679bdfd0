//! `--evidence`: what an outsider can be shown of the differences, as proofs of misbehaviour.
//!
//! A proof is made of what the log signed, and judged as the outsider would, by the keys that the ledger itself names; only
//! what convicts is written. A difference between a fact and its token, say, is in private rows that nobody signed: it stays a
//! finding.

use std::fs;
use std::path::{Path, PathBuf};

use semper_ledger::entry::Entry;
use semper_ledger::merkle::Hash;
use semper_ledger::proof;
use semper_ledger::reader::Reader;
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_ledger::store::Fault;
use semper_ttp::account::{Anchors, Item, Kind, Proof, Service, Stretch, Verdict, judge, owed};
use semper_ttp::audit::{About, Difference, Lead, Report};
use semper_ttp::evidence::{Fact, Kind as EntryKind, NotaryKind, Recorded};
use semper_ttp::notary::JournalFact;
use semper_ttp::verify::Trust;

use super::Failed;
use crate::commands::atomic;

/// A proof that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) path: PathBuf,
    /// What it proves.
    pub(super) reason: String,
}

/// Entries that a proof of omission may hold; the file is bounded, and so is whoever judges it.
const STRETCH_MAX: u64 = 200_000;

/// Entries among which the other one of a number is looked for, some seconds' worth.
const SEARCHED_MAX: u64 = 1_000_000;

/// Writes a proof of each difference that can be proven.
///
/// # Errors
/// The folder cannot be written, or the store not read.
pub(super) fn write(folder: &Path, reader: &Reader, report: &Report) -> Result<Vec<Written>, Failed> {
    let failed = |path: &Path, error| Failed::Evidence { path: path.to_owned(), error };
    let mut written: Vec<Written> = Vec::new();
    for difference in &report.differences {
        let Some((index, proof)) = prove(reader, report.trust.as_ref(), difference)? else { continue };
        let keys = std::slice::from_ref(reader.vkey());
        let judged = judge(&proof, &Anchors { log_keys: keys, trust: report.trust.as_ref() });
        if judged.verdict != Verdict::Proven {
            continue;
        }
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        let path = folder.join(format!("{}-{index}.pom.json", proof.kind.name()));
        if written.iter().any(|before| before.path == path) {
            continue; // the same entries, told of the other one or of another tag
        }
        atomic::write_new(&path, proof.to_json().as_bytes()).map_err(|error| failed(&path, error))?;
        written.push(Written { path, reason: judged.reason });
    }
    Ok(written)
}

/// What might convict, with the index by which it is named.
fn prove(reader: &Reader, trust: Option<&Trust>, difference: &Difference) -> Result<Option<(u64, Proof)>, Fault> {
    let (About::Entry { index, .. }, Some(lead)) = (difference.about, difference.lead) else { return Ok(None) };
    let origin = reader.identity().origin();
    let two = |kind, other: u64| -> Result<_, Fault> {
        let places = (place(reader, 0)?, place(reader, other)?, place(reader, index)?);
        let (Some(genesis), Some(one), Some(other)) = places else { return Ok(None) };
        Ok(Some(Proof::entries(kind, origin, genesis, [one, other])))
    };
    let proof = match lead {
        // It may be told of both entries: the file is named after the later one.
        Lead::SameTag { other } => return Ok(two(Kind::Equivocation, other)?.map(|proof| (index.max(other), proof))),
        Lead::TimeFell { other } => two(Kind::Time, other)?,
        Lead::NoEntry => {
            let (Some(genesis), Some(entry)) = (place(reader, 0)?, place(reader, index)?) else { return Ok(None) };
            Some(Proof::entries(Kind::BrokenRule, origin, genesis, [entry]))
        }
        Lead::NumberTwice { number } => {
            let Some(other) = numbered_before(reader, number, index)? else { return Ok(None) };
            let (one, other) = (released(reader, other)?, released(reader, index)?);
            let both = place(reader, 0)?.zip(one.zip(other));
            both.map(|(genesis, (one, other))| Proof::recorded_twice(origin, genesis, [one, other]))
        }
        Lead::OutOfTime | Lead::Omitted => {
            let (Some(token), Some(trust)) = (reader.artefact(index)?, trust) else { return Ok(None) };
            let Ok(owed) = owed(&token, trust) else { return Ok(None) };
            let Some(service) = service(reader, &owed.unit)? else { return Ok(None) };
            if lead == Lead::OutOfTime {
                place(reader, index)?.map(|entry| Proof::out_of_time(origin, service, &token, entry))
            } else {
                let stretch = stretch(reader, owed.from_ms, owed.until_ms)?;
                stretch.map(|stretch| Proof::omission(origin, service, &token, stretch))
            }
        }
    };
    Ok(proof.map(|proof| (index, proof)))
}

/// An entry with its place, under the checkpoint of its own group.
fn place(reader: &Reader, index: u64) -> Result<Option<TlogProof>, Fault> {
    let receipt = reader.receipt(index)?;
    Ok(receipt.and_then(|receipt| TlogProof::parse(&receipt.tlog_proof(reader.identity())).ok()))
}

/// What a notary released with an entry, and the entry's place; `None` of any other entry.
fn released(reader: &Reader, index: u64) -> Result<Option<(TlogProof, Item)>, Fault> {
    let (entry, artefact) = (reader.entry(index)?, reader.artefact(index)?);
    let entry = entry.and_then(|bytes| Entry::decode(&bytes).ok());
    let of = |make: fn(Vec<u8>) -> Item| artefact.map(make);
    let item = match entry.and_then(|entry| EntryKind::from_codes(entry.role, entry.kind)) {
        Some(EntryKind::Notary(NotaryKind::Act)) => of(Item::Act),
        Some(EntryKind::Notary(NotaryKind::Ccpd | NotaryKind::Cpd | NotaryKind::Vsd | NotaryKind::Vpkc)) => {
            of(Item::Dvc)
        }
        _ => None,
    };
    Ok(place(reader, index)?.zip(item))
}

/// The last entry before `index` of what the journal released under this number, among [`SEARCHED_MAX`].
fn numbered_before(reader: &Reader, number: u64, index: u64) -> Result<Option<u64>, Fault> {
    for other in (index.saturating_sub(SEARCHED_MAX)..index).rev() {
        let fact = reader.fact(other)?.and_then(|bytes| Fact::decode(&bytes).ok());
        let fact = fact.filter(|fact| matches!(fact.kind, EntryKind::Notary(_)));
        let fact = fact.and_then(|fact| JournalFact::from_fact(&fact).ok());
        let was_released = |fact: &JournalFact| !matches!(fact, JournalFact::Opened { .. });
        if fact.is_some_and(|fact| was_released(&fact) && fact.number() == Some(number)) {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// What shows that the unit with this certificate is the ledger's own.
fn service(reader: &Reader, unit: &Hash) -> Result<Option<Service>, Fault> {
    let issue = reader.find_digest(unit)?.map_or(Ok(None), |index| place(reader, index))?;
    Ok(place(reader, 0)?.zip(issue).map(|(genesis, issue)| Service { genesis, issue }))
}

/// All entries of the times from `from` to `to`, ms, and one on either side, under the newest checkpoint. `None` if they are
/// too many for a file.
fn stretch(reader: &Reader, from: u64, to: u64) -> Result<Option<Stretch>, Fault> {
    let size = reader.size();
    let first = first_at(reader, from)?.saturating_sub(1);
    let end = (first_at(reader, to.saturating_add(1))? + 1).min(size);
    let (Some(checkpoint), true) = (reader.checkpoint(), first < end && end - first <= STRETCH_MAX) else {
        return Ok(None);
    };
    let entries: Result<Vec<_>, Fault> =
        (first..end).map(|index| Ok(reader.entry(index)?.unwrap_or_default())).collect();
    let path = proof::range(reader, first, end - first, size)?;
    Ok(Some(Stretch { first, entries: entries?, path, checkpoint }))
}

/// The first entry whose time is `time_ms` or later; the log's size if there is none. Times never fall along a log; where
/// they do, what is made of this convicts nobody, and they themselves do.
pub(super) fn first_at(reader: &Reader, time_ms: u64) -> Result<u64, Fault> {
    let (mut low, mut high) = (0, reader.size());
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = reader.entry(middle)?.and_then(|bytes| Entry::decode(&bytes).ok());
        match entry {
            Some(entry) if entry.time_ms >= time_ms => high = middle,
            Some(_) | None => low = middle + 1,
        }
    }
    Ok(low)
}
