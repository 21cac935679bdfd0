//! The anchor against the groups: its newest slot must be a prefix of the log, one group behind it at most.

use super::{
    Fsck,
    finding::{Findings, Grade},
};
use crate::{
    anchor::{Anchored, file::Slot},
    ledger::parse_head,
    merkle::sha256,
    receipt::GroupHead,
    store::{Table, keys, read},
};

/// Checks both slots against the newest group, `newest`.
pub(super) fn check(fsck: &Fsck<'_>, findings: &Findings, newest: Option<&GroupHead>) {
    check_log(fsck, findings, newest);
    let Some(slots) = &fsck.anchor else {
        return findings.anchor(
            Grade::Untold,
            None,
            "there is none here, so nobody knows whether this store is the newest",
        );
    };
    let mut valid: Vec<(u8, &Anchored)> = Vec::new();
    for (i, slot) in (0u8..).zip(slots) {
        match slot {
            Slot::Bad => {
                let grade =
                    if slots.iter().any(|slot| matches!(slot, Slot::Valid(_))) { Grade::Torn } else { Grade::False };
                findings.anchor(grade, Some(i), "its hash does not fit: a flipped byte, or a torn write")
            }
            Slot::Empty => {}
            Slot::Valid(anchored) => valid.push((i, anchored)),
        }
    }
    valid.sort_by_key(|(_, anchored)| anchored.sequence);
    let Some((slot, anchored)) = valid.pop() else {
        return findings.anchor(Grade::False, None, "no slot holds a checkpoint");
    };
    check_slot(fsck, findings, slot, anchored);
    // Slots are written in turn from sequence 0 on, so beside sequence n > 0 there is always n - 1.
    if let Some((other, older)) = valid.pop() {
        check_slot(fsck, findings, other, older);
        if older.sequence + 1 != anchored.sequence {
            let what = format!("it holds sequence {} beside {}", older.sequence, anchored.sequence);
            findings.anchor(Grade::False, Some(other), what);
        }
    } else if anchored.sequence > 0 && slots.contains(&Slot::Empty) {
        let what = format!("it is empty beside sequence {}", anchored.sequence);
        findings.anchor(Grade::False, Some(1 - slot), what);
    }
    let size = newest.map_or(0, |head| head.size);
    let behind = newest.is_some_and(|head| anchored.size < head.first);
    if behind {
        let what = format!(
            "it holds size {}, the log has {size}: more than the one group that a crash may leave between them",
            anchored.size
        );
        findings.anchor(Grade::False, Some(slot), what);
    }
}

/// The write-ahead log may end torn: that is what a power cut leaves of a group that nobody was answered for, and the next
/// start drops it. So a damage to it is a loss only if the anchor has seen more than the store holds.
fn check_log(fsck: &Fsck<'_>, findings: &Findings, newest: Option<&GroupHead>) {
    let Some(words) = fsck.log_damage else { return };
    let sizes = fsck.anchor.iter().flatten().filter_map(|slot| match slot {
        Slot::Valid(anchored) => Some(anchored.size),
        Slot::Empty | Slot::Bad => None,
    });
    let held = newest.map_or(0, |head| head.size);
    match sizes.max() {
        Some(answered) if answered <= held => {}
        Some(answered) => {
            let what = format!("answers were given up to entry {answered}, and it reads up to {held} only: {words}");
            findings.write_ahead_log(Grade::False, what);
        }
        None => findings.write_ahead_log(Grade::Untold, format!("nobody knows what was lost with it: {words}")),
    }
}

fn check_slot(fsck: &Fsck<'_>, findings: &Findings, slot: u8, anchored: &Anchored) {
    let tell = |what: String| findings.anchor(Grade::False, Some(slot), what);
    if u64::from(slot) != anchored.sequence % 2 {
        tell(format!("sequence {} stands in the wrong slot", anchored.sequence));
    }
    if anchored.origin_hash != sha256(fsck.identity.origin().as_bytes()) {
        return tell("it belongs to another log".to_owned());
    }
    if anchored.size == 0 {
        if *anchored != (Anchored { sequence: anchored.sequence, ..Anchored::empty(fsck.identity.origin()) }) {
            tell("it says that the log is empty, and something else".to_owned());
        }
        return;
    }
    let key = keys::number(anchored.size);
    let row = match read(fsck.store, Table::Group, &key) {
        Ok(row) => row,
        Err(_) => {
            let what = format!("the group of size {}, which it holds, cannot be read", anchored.size);
            return findings.anchor(Grade::Untold, Some(slot), what);
        }
    };
    let Some(head) = row.and_then(|row| parse_head(&key, &row).ok()) else {
        return tell(format!(
            "it holds the checkpoint of size {}, which the store has not: the store is older than its anchor, or lost a row",
            anchored.size
        ));
    };
    let text = head.checkpoint(fsck.identity.origin()).text();
    if anchored.root != head.root || anchored.checkpoint_hash != sha256(text.as_bytes()) {
        tell(format!("its root at size {} is not the store's: corruption or a fork", anchored.size));
    }
    if anchored.time_ms != head.time_ms {
        tell(format!("its time {} is not that of the group of size {}", anchored.time_ms, anchored.size));
    }
}
