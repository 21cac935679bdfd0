//! The first use of the keys of notary and arbiter: its fact stands in front of what the key first signs, in the same commit.
//!
//! Whether it is told already the ledger says, after a start and after a rotation as well.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use semper_ledger::sequencer::Draft;
use semper_ttp::{
    evidence::{Aggregate, OpsFact, Recorded},
    time::Timestamp,
};

use super::{Service, ServiceFault, desk::RoleKey, draft};

/// True once the ledger was seen to tell of a key's first use.
#[derive(Default)]
pub(super) struct FirstUseTold(AtomicBool);

impl Service {
    /// What goes in front of a commit that is signed by these: one fact for each key that signs for the first time.
    pub(super) fn first_uses<'k>(
        &self,
        keys: impl Iterator<Item = &'k Arc<RoleKey>>,
        now: Timestamp,
    ) -> Result<Vec<Draft>, ServiceFault> {
        let mut drafts = Vec::new();
        let mut seen = Vec::new();
        for key in keys {
            if key.first_use.0.load(Ordering::Relaxed) || seen.contains(&key.key) {
                continue;
            }
            seen.push(key.key);
            if self.known_key(key.key)?.is_some_and(|known| known.first_used.is_some()) {
                key.first_use.0.store(true, Ordering::Relaxed);
                continue;
            }
            let history = Aggregate::of_key(key.key);
            let step = self.reader().last_step(&history.0)?.map_or(0, |(step, _)| step + 1);
            let fact = OpsFact::KeyFirstUse { key: key.key }.into_fact(&self.envelope(history, step, now, &[])?);
            drafts.push(draft(&fact, None));
        }
        Ok(drafts)
    }
}
