//! The first use of the notary's keys: its fact stands in front of what the key first signs, in the same commit.
//!
//! Whether it is told already the ledger says, after a start and after a rotation as well.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use semper_ledger::sequencer::Draft;
use semper_ttp::{
    evidence::{Aggregate, OpsFact, Recorded},
    notary::JournalEffect,
    time::Timestamp,
};

use super::{
    super::{Service, ServiceFault, draft},
    NotaryKey,
    desk::Desks,
};

/// The keys that sign in one turn, whatever follows them meanwhile.
#[derive(Default)]
pub(super) struct TurnKeys {
    pub(super) act: Option<Arc<NotaryKey>>,
    pub(super) dvcs: Option<Arc<NotaryKey>>,
}

impl From<&Desks> for TurnKeys {
    fn from(desks: &Desks) -> Self {
        Self { act: desks.act(), dvcs: desks.dvcs() }
    }
}

impl TurnKeys {
    /// By which of them the artefact that an effect asks for is signed.
    fn signer_of(&self, effect: JournalEffect) -> Option<&Arc<NotaryKey>> {
        match effect {
            JournalEffect::SignRecord => self.act.as_ref(),
            JournalEffect::SignDvc => self.dvcs.as_ref(),
            JournalEffect::Keep | JournalEffect::KeepReport | JournalEffect::Seal => None,
        }
    }
}

/// True once the ledger was seen to tell of a key's first use.
#[derive(Default)]
pub(super) struct FirstUseTold(AtomicBool);

impl Service {
    /// What goes in front of a turn with these effects: one fact for each key that signs for the first time.
    pub(super) fn first_uses(
        &self,
        keys: &TurnKeys,
        effects: impl Iterator<Item = JournalEffect>,
        now: Timestamp,
    ) -> Result<Vec<Draft>, ServiceFault> {
        let mut drafts = Vec::new();
        let mut seen = Vec::new();
        for key in effects.filter_map(|effect| keys.signer_of(effect)) {
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
