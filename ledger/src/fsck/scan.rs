//! Reading rows in key order, where a bad row is a finding and not an end.

use std::ops::ControlFlow;

use super::{Fsck, finding::Findings};
use crate::store::{Direction, Fault, Table, unseal};

/// Whether a range was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every row was seen.
    Whole,
    /// The database failed on the way; what was not seen is not missing.
    Cut,
}

impl Fsck<'_> {
    /// Visits the rows of `table` from `from` up to, but without, `to`, their seals checked and taken off. Rows with a
    /// bad seal and errors of the database become findings.
    pub(super) fn rows(
        &self,
        findings: &Findings,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Outcome {
        let scanned = self.store.scan(table, from, Direction::Up, &mut |key, stored| {
            if to.is_some_and(|to| key >= to) {
                return ControlFlow::Break(());
            }
            match unseal(table, key, stored) {
                Ok(value) => visit(key, value),
                Err(_) => findings.row(table, key, "the checksum does not fit: a flipped byte, or a row out of place"),
            }
            ControlFlow::Continue(())
        });
        match scanned {
            Ok(()) => Outcome::Whole,
            Err(fault) => {
                findings.storage(table, words(&fault));
                Outcome::Cut
            }
        }
    }

    /// The same over a whole table whose bad rows were told before; they are visited without a value.
    pub(super) fn rows_silently(&self, table: Table, mut visit: impl FnMut(&[u8], Option<&[u8]>)) -> Outcome {
        let scanned = self.store.scan(table, &[], Direction::Up, &mut |key, stored| {
            visit(key, unseal(table, key, stored).ok());
            ControlFlow::Continue(())
        });
        if scanned.is_ok() { Outcome::Whole } else { Outcome::Cut }
    }
}

/// The database's own words: they name the file.
pub(super) fn words(fault: &Fault) -> String {
    match fault {
        Fault::Storage(words) => words.clone(),
        Fault::Corrupt { .. } => fault.to_string(),
    }
}
