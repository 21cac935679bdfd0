//! `--full`: the rows of roles that are not hashes of entries. Folded state, counters, answered requests.

use super::{Fsck, Full, finding::Findings, index::Expected, scan::Outcome, tree::Bits};
use crate::{
    merkle::Hash,
    sequencer::decode_request,
    store::{Table, keys, read, unseal},
};

/// All three tables.
pub(super) fn check(
    fsck: &Fsck<'_>,
    full: &Full<'_>,
    findings: &Findings,
    size: u64,
    ends: &Bits,
    expected: &Expected,
) {
    snapshots(fsck, full, findings);
    counters(fsck, findings, expected);
    requests(fsck, findings, size, ends);
}

/// The facts of one aggregate, while its rows are walked.
struct History {
    aggregate: Hash,
    facts: Vec<Vec<u8>>,
    /// Every fact could be read.
    whole: bool,
}

/// Every aggregate's snapshot row is the fold of its facts, and there is no other snapshot. Holds the facts of one
/// aggregate at a time.
fn snapshots(fsck: &Fsck<'_>, full: &Full<'_>, findings: &Findings) {
    let mut history: Option<History> = None;
    let finish = |history: Option<History>| {
        if let Some(history) = history {
            compare_snapshot(fsck, full, findings, &history);
        }
    };
    let outcome = fsck.rows_silently(Table::Aggregate, |key, value| {
        let Some((aggregate, _)) = keys::parse_hash_number(key) else { return };
        if history.as_ref().is_none_or(|held| held.aggregate != aggregate) {
            finish(history.replace(History { aggregate, facts: Vec::new(), whole: true }));
        }
        let held = history.as_mut().expect("set above");
        match value.map(|value| read(fsck.store, Table::Fact, value)) {
            Some(Ok(Some(fact))) => held.facts.push(fact),
            Some(Ok(None) | Err(_)) | None => held.whole = false, // told where facts and steps were walked
        }
    });
    if outcome == Outcome::Cut {
        // Told where steps were walked. Where the history ends that was being read, nobody knows.
        history = history.map(|history| History { whole: false, ..history });
    }
    finish(history);

    fsck.rows(findings, Table::Snapshot, &[], None, |key, _| {
        let mut has_facts = false;
        let scanned = fsck.store.scan(Table::Aggregate, key, crate::store::Direction::Up, &mut |found, _| {
            has_facts = found.starts_with(key) && key.len() == 32;
            std::ops::ControlFlow::Break(())
        });
        if !has_facts && scanned.is_ok() {
            findings.row(Table::Snapshot, key, "a surplus row: no fact belongs to this aggregate");
        }
    });
}

fn compare_snapshot(fsck: &Fsck<'_>, full: &Full<'_>, findings: &Findings, history: &History) {
    let (key, table) = (&history.aggregate, Table::Snapshot);
    if !history.whole {
        return findings.untold(table, key, "not every fact of this aggregate can be read");
    }
    let stored = match fsck.store.get(table, key) {
        Ok(Some(stored)) => match unseal(table, key, &stored) {
            Ok(row) => Some(row.to_vec()),
            Err(_) => return, // told by the scan
        },
        Ok(None) => None,
        Err(_) => return, // told by the scan
    };
    match (full.facts.fold(&history.facts), stored) {
        (Err(why), _) => findings.row(table, key, format!("the facts of this aggregate do not fold: {why}")),
        (Ok(None), Some(_)) => findings.row(table, key, "a surplus row: this aggregate has no state"),
        (Ok(Some(_)), None) => findings.row(table, key, "the snapshot is missing"),
        (Ok(Some(folded)), Some(stored)) if folded != stored => {
            findings.row(table, key, "the snapshot is not the fold of the facts");
        }
        (Ok(_), _) => {}
    }
}

/// Counters hold a number that is not below what a fact says.
fn counters(fsck: &Fsck<'_>, findings: &Findings, expected: &Expected) {
    let mut least = expected.counters.clone();
    let outcome = fsck.rows(findings, Table::Counter, &[], None, |key, value| {
        let name = std::str::from_utf8(key).unwrap_or_default();
        let Some(value) = keys::parse_number(value) else {
            return findings.row(Table::Counter, key, "not a number");
        };
        match least.remove(name) {
            Some(least) if value < least => {
                findings.row(Table::Counter, key, format!("reads {value}, a fact says at least {least}"));
            }
            Some(_) => {}
            None if !expected.facts_whole => {
                findings.untold(Table::Counter, key, "no fact that can be read counts under this name");
            }
            None => findings.row(Table::Counter, key, "a surplus row: no fact counts under this name"),
        }
    });
    if outcome == Outcome::Whole {
        for (name, least) in least {
            let what = format!("the counter is missing or unreadable, a fact says at least {least}");
            findings.row(Table::Counter, name.as_bytes(), what);
        }
    }
}

/// An answered request names the entries of one commit, which lie in one group and answer no other request.
fn requests(fsck: &Fsck<'_>, findings: &Findings, size: u64, ends: &Bits) {
    let mut answered = Bits::new(size);
    fsck.rows(findings, Table::Dedup, &[], None, |key, row| {
        let tell = |what: String| findings.row(Table::Dedup, key, what);
        let Some((_, first, count)) = decode_request(row).filter(|_| key.len() == 32) else {
            return tell("not an answered request".to_owned());
        };
        let end = first.checked_add(count).filter(|end| count > 0 && *end <= size);
        let Some(end) = end else { return tell(format!("names {count} entries from {first} on, the log has {size}")) };
        if (first + 1..end).any(|at| ends.is_set(at)) {
            return tell(format!("its entries {first} to {} were not committed together", end - 1));
        }
        let mut taken = false;
        for at in first..end {
            taken |= answered.set(at); // every one is marked, also behind the first that was taken
        }
        if taken {
            tell(format!("entries {first} to {} answer another request too", end - 1));
        }
    });
}
