//! The erasure journal against the lines that the store keeps of it, and both against the keys that are here.

use super::{
    Fsck,
    finding::{Findings, Grade},
};
use crate::{
    erasure::{self, Chain},
    store::{Fault, Table},
};

/// The store's lines follow each other and name entries that are there; the journal is these lines, or lacks the last ones.
pub(super) fn check(fsck: &Fsck<'_>, findings: &Findings, size: u64) {
    let rows = match erasure::rows(fsck.store) {
        Ok(rows) => rows,
        Err(Fault::Corrupt { key, what, .. }) => return findings.row(Table::Meta, &key, what),
        Err(fault) => return findings.storage(Table::Meta, fault.to_string()),
    };
    if Chain::of(&rows, fsck.identity.origin()).is_none() {
        findings.row(Table::Meta, erasure::ROW_PREFIX, "the lines of the erasure journal do not follow each other");
    }
    for (n, line) in (0..).zip(&rows).filter(|(_, line)| line.index >= size) {
        findings.row(Table::Meta, &erasure::row_key(n), format!("tells of entry {}, which is not there", line.index));
    }
    for (line, key) in rows.iter().flat_map(|line| line.keys.iter().map(move |key| (line, key))) {
        // One that does not read is told where keys are walked, and is here all the same.
        if !matches!(fsck.store.get(Table::Key, key), Ok(None)) {
            findings.row(
                Table::Key,
                key,
                format!("entry {} tells that this key was destroyed, and it is here", line.index),
            );
        }
    }
    let journal = match &fsck.erasures {
        None => return,
        Some(Err(words)) => return findings.journal(Grade::False, words.clone()),
        Some(Ok(journal)) => journal,
    };
    match erasure::missing(journal, &rows) {
        Ok([]) => {}
        Ok(missing) => {
            let what =
                format!("it lacks the last {} of {} lines, which the next start appends", missing.len(), rows.len());
            findings.journal(Grade::Torn, what);
        }
        Err(line) => findings.journal(
            Grade::False,
            format!(
                "line {} is not known to the store: an older store was put back, or it is of another history",
                line + 1
            ),
        ),
    }
}
