//! What of the notary is read at the moment of a scrape: acts that are open, room for documents.

use semper_ttp::{
    id::ActId,
    notary::{JournalFact, OpenAct, Stage},
    time::Timestamp,
};

use super::super::{Service, ServiceFault};
use crate::metrics::OpenActs;

impl Service {
    /// Shows what waits, and how much room documents have.
    pub(crate) fn show_notary(&self) {
        let Some(notary) = &self.notary else { return };
        for (name, room) in [("plain", &notary.rooms.plain), ("json", &notary.rooms.json)] {
            let (taken, free) = room.bytes();
            self.metrics.notary().room(name, taken, free);
        }
        match self.acts_that_wait() {
            Ok(acts) => self.metrics.notary().open(&acts),
            Err(fault) => tracing::warn!(%fault, "it cannot be told how many acts are open"),
        }
    }

    fn acts_that_wait(&self) -> Result<OpenActs, ServiceFault> {
        let open = self.open_acts()?;
        let for_officer = || open.iter().filter(|(_, act)| act.stage() != Stage::Collecting);
        let mut oldest: Option<Timestamp> = None;
        // They come in the order in which they were opened, and none waits from before that on.
        for (id, act) in for_officer() {
            if oldest.is_some_and(|oldest| oldest <= act.at) {
                break;
            }
            let since = self.waits_since(*id, act)?;
            oldest = Some(oldest.map_or(since, |oldest| oldest.min(since)));
        }
        let now = self.now();
        Ok(OpenActs {
            stages: open.iter().map(|(_, act)| act.stage()).collect(),
            waiting_secs: oldest.map(|since| now.millis().saturating_sub(since.millis()) as f64 / 1_000.0),
            ends: for_officer().map(|(_, act)| act.expires_at).min(),
        })
    }

    /// From when on an act waits for an officer: its last signature, where there are signers.
    fn waits_since(&self, id: ActId, act: &OpenAct) -> Result<Timestamp, ServiceFault> {
        if act.signers.is_empty() {
            return Ok(act.at);
        }
        let facts = self.find_act(id)?.map(|known| known.facts).unwrap_or_default();
        let signed = facts.iter().rev().find_map(|(_, fact)| match fact {
            JournalFact::Signed { at, .. } => Some(*at),
            _ => None,
        });
        Ok(signed.unwrap_or(act.at))
    }
}
