//! The metadata operations that are not yet durable, in the order in which they were done.

use super::namespace::{Edit, Ino, Slot};

/// Owner and permission bits before a change of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

#[derive(Debug)]
pub(super) enum Change {
    /// create, mkdir, link, unlink, rmdir, rename; `created` names the inode that came to be.
    Names { edits: Vec<Edit>, created: Option<Ino> },
    /// truncate, or an allocation that moves the end. A write that moves it is no operation here: its size reaches the
    /// disk with its data, whenever that is.
    Resize { ino: Ino, size: u64 },
    /// chmod, chown.
    Owner { ino: Ino, before: Owner },
}

#[derive(Debug)]
pub(super) struct Op {
    /// Position in the history of the mount; pages compare their last change with it.
    pub(super) seq: u64,
    pub(super) change: Change,
}

impl Op {
    /// Whether the inode itself is the subject. `data_only` leaves out what fdatasync(2) may leave out: what is not
    /// needed to read the data back.
    pub(super) fn concerns(&self, wanted: Ino, data_only: bool) -> bool {
        match &self.change {
            Change::Names { created, .. } if data_only => *created == Some(wanted),
            Change::Names { edits, .. } => edits.iter().any(|edit| edit.ino() == wanted),
            Change::Resize { ino, .. } => *ino == wanted,
            Change::Owner { ino, .. } => *ino == wanted && !data_only,
        }
    }

    /// Whether a name in this directory changed.
    pub(super) fn changes_names_in(&self, dir: Ino) -> bool {
        self.slots().any(|slot| slot.dir == dir)
    }

    /// Whether `self` can only be on disk if `earlier` is: it uses the same name, acts inside a directory that
    /// `earlier` made or moved, moves or removes a directory in which `earlier` acted, or continues a change of the
    /// same inode.
    fn depends_on(&self, earlier: &Op) -> bool {
        match (&self.change, &earlier.change) {
            (Change::Names { edits: mine, .. }, Change::Names { edits: theirs, created }) => mine.iter().any(|m| {
                theirs.iter().any(|t| m.slot() == t.slot() || m.slot().dir == t.ino() || m.ino() == t.slot().dir)
                    || Some(m.ino()) == *created
            }),
            (Change::Resize { ino, .. } | Change::Owner { ino, .. }, Change::Names { created, .. }) => {
                Some(*ino) == *created
            }
            (Change::Resize { ino: a, .. }, Change::Resize { ino: b, .. }) => a == b,
            (Change::Owner { ino: a, .. }, Change::Owner { ino: b, .. }) => a == b,
            (Change::Names { .. } | Change::Owner { .. }, Change::Resize { .. })
            | (Change::Names { .. } | Change::Resize { .. }, Change::Owner { .. }) => false,
        }
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        let edits: &[Edit] = match &self.change {
            Change::Names { edits, .. } => edits,
            Change::Resize { .. } | Change::Owner { .. } => &[],
        };
        edits.iter().map(Edit::slot)
    }
}

/// Where in the journal's history something happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The number that the next operation will get: what is changed now comes after all operations below it.
    pub(super) seq: u64,
    /// How many times the whole journal has been committed.
    pub(super) transaction: u64,
}

#[derive(Default)]
pub(super) struct Pending {
    ops: Vec<Op>,
    next: u64,
    commits: u64,
}

impl Pending {
    pub(super) fn now(&self) -> Moment {
        Moment { seq: self.next, transaction: self.commits }
    }

    pub(super) fn push(&mut self, change: Change) {
        self.ops.push(Op { seq: self.next, change });
        self.next += 1;
    }

    pub(super) fn ops(&self) -> &[Op] {
        &self.ops
    }

    pub(super) fn take_all(&mut self) -> Vec<Op> {
        self.commits += 1;
        std::mem::take(&mut self.ops)
    }

    /// Takes the wanted operations and, before them, everything that they depend on, in order. What stays shares no
    /// name with what was taken later than it, so its edits can still be undone one by one.
    pub(super) fn take_with_causes(&mut self, wanted: impl Fn(&Op) -> bool) -> Vec<Op> {
        let mut taken: Vec<Op> = Vec::new();
        let mut kept = Vec::new();
        for op in std::mem::take(&mut self.ops).into_iter().rev() {
            if wanted(&op) || taken.iter().any(|later| later.depends_on(&op)) {
                taken.push(op);
            } else {
                kept.push(op);
            }
        }
        kept.reverse();
        taken.reverse();
        self.ops = kept;
        taken
    }
}
