//! The cut itself: from what callers saw to what the disk holds.
//!
//! 1. Choose how many of the pending operations the journal had carried: a prefix.
//! 2. Undo the names and owners of all others, the latest first.
//! 3. Per file that then still has a name: choose its size and, page by page, what the disk took of it.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::disk::{Answer, Disk, errno};
use super::file::Resize;
use super::journal::Change;
use super::namespace::Ino;
use super::{CutMode, CutReport};

impl Disk {
    /// Cuts the power; a second cut finds nothing more to lose.
    pub(super) fn cut(&mut self, mode: CutMode, seed: u64) -> Answer<CutReport> {
        let mut report = CutReport::default();
        if self.dead {
            return Ok(report);
        }
        self.dead = true;
        let mut dice = Dice::new(seed);

        // 1
        let ops = self.pending.take_all();
        report.ops_unsynced = ops.len() as u64;
        report.ops_kept = if mode == CutMode::LoseAll { 0 } else { dice.below(report.ops_unsynced + 1) };
        let (kept, lost) = ops.split_at(usize::try_from(report.ops_kept).unwrap_or(ops.len()));
        let mut resizes: BTreeMap<Ino, Vec<Resize>> = BTreeMap::new();
        for (op, kept) in kept.iter().map(|op| (op, true)).chain(lost.iter().map(|op| (op, false))) {
            if let Change::Resize { ino, size } = op.change {
                resizes.entry(ino).or_default().push(Resize { seq: op.seq, size, kept });
            }
        }

        // 2
        let linked_before: Vec<Ino> = self.files.keys().copied().filter(|ino| self.names.is_linked(*ino)).collect();
        for op in lost.iter().rev() {
            match &op.change {
                Change::Names { edits, .. } => {
                    for edit in edits.iter().rev() {
                        self.names.apply(&edit.inverse()).map_err(errno)?;
                    }
                }
                Change::Owner { ino, before } => self.set_owner(*ino, *before)?,
                // Sizes belong to the bytes: step 3.
                Change::Resize { .. } => {}
            }
        }

        // 3
        for (ino, bytes) in &self.files {
            let resizes = resizes.remove(ino).unwrap_or_default();
            let changed = bytes.has_unsynced_pages() || bytes.has_unsynced_size() || !resizes.is_empty();
            if changed && self.names.is_linked(*ino) {
                let file = self.backing_file(*ino)?;
                let tally = bytes.settle(&file, &resizes, mode, &mut dice).map_err(errno)?;
                report.pages_unsynced += tally.unsynced;
                report.pages_kept += tally.kept;
                report.pages_torn += tally.torn;
            } else if changed && linked_before.contains(ino) {
                // Gone with its name.
                report.pages_unsynced += bytes.unsynced_pages();
            }
        }
        self.names.close_grave().map_err(errno)?;
        Ok(report)
    }
}
