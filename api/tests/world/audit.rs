//! The audit of a world's ledger: every decision made again from what the ledger tells.

use semper_ledger::entry::{Entry, Tag};
use semper_ledger::reader::Reader;
use semper_ttp::{
    audit::{About, Auditor, Index, Row, Rules, Stored},
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

/// What differs about the entries of one role.
pub(crate) fn differences(world: &World, role: RoleCode) -> Vec<String> {
    let reader = world.service.reader();
    let rules = Rules { policy_hash: Digest::of(b"policy"), endpoints: Vec::new(), stop_millis_min: 0 };
    let mut auditor = Auditor::new(rules);
    let mut of_role = Vec::new();
    for index in 0..reader.size() {
        let entry = reader.entry(index).unwrap().unwrap();
        let (fact, artefact) = (reader.fact(index).unwrap(), reader.artefact(index).unwrap());
        let [fact, artefact] = [&fact, &artefact].map(|row| row.as_deref().map_or(Stored::Absent, Stored::Kept));
        let check = auditor.entry(&Row { index, entry: &entry, fact, artefact }, &Tags(reader));
        if let Some(check) = check.filter(|check| !check.holds()) {
            auditor.signature(&check, false);
        }
        of_role.push(Entry::decode(&entry).unwrap().role == role.code());
    }
    let differences = auditor.finish().differences.into_iter();
    let is_of_role = |about: &About| match about {
        About::Entry { index, .. } => of_role[usize::try_from(*index).unwrap()],
        _ => false,
    };
    differences
        .filter(|found| is_of_role(&found.about))
        .map(|found| format!("{:?}: {}", found.about, found.what))
        .collect()
}
