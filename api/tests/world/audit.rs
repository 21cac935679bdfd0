//! The audit of a world's ledger: every decision made again from what the ledger tells.

use semper_ledger::{
    entry::{Entry, Tag},
    reader::Reader,
};
use semper_ttp::{
    audit::{About, Auditor, Difference, Index, Row, Rules, Stored},
    digest::Digest,
    evidence::RoleCode,
};

use super::office::World;

struct Tags<'r>(&'r Reader);

impl Index for Tags<'_> {
    fn other_with_tag(&self, tag: &Tag, index: u64) -> Option<u64> {
        self.0.find_tag(tag).unwrap().filter(|other| *other != index)
    }
}

/// The entry that a difference is about; `None` where it is about something else.
pub(crate) const fn entry_of(difference: &Difference) -> Option<u64> {
    match difference.about {
        About::Entry { index, .. } => Some(index),
        About::State(_) | About::Key(_) | About::Ledger => None,
    }
}

/// All that differs. A world has no genesis, and that does.
pub(crate) fn audited(world: &World) -> Vec<Difference> {
    let reader = world.service.reader();
    let rules = Rules { policy_hash: Digest::of(b"policy"), endpoints: Vec::new(), stop_millis_min: 0 };
    let mut auditor = Auditor::new(rules);
    for index in 0..reader.size() {
        let entry = reader.entry(index).unwrap().unwrap();
        let (fact, artefact) = (reader.fact(index).unwrap(), reader.artefact(index).unwrap());
        let [fact, artefact] = [&fact, &artefact].map(|row| row.as_deref().map_or(Stored::Absent, Stored::Kept));
        let check = auditor.entry(&Row { index, entry: &entry, fact, artefact }, &Tags(reader));
        if let Some(check) = check.filter(|check| !check.holds()) {
            auditor.signature(&check, false);
        }
    }
    auditor.finish().differences
}

/// What differs about the entries of one role.
pub(crate) fn differences(world: &World, role: RoleCode) -> Vec<String> {
    let is_of_role = |index: u64| {
        let entry = world.service.reader().entry(index).unwrap().unwrap();
        Entry::decode(&entry).unwrap().role == role.code()
    };
    let found = audited(world).into_iter().filter(|found| entry_of(found).is_some_and(is_of_role));
    found.map(|found| found.to_string()).collect()
}
