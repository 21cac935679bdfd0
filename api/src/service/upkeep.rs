//! What the service does unasked: facts about itself, ends of keys that it tells in time. Lists of revoked certificates are in
//! `crl.rs`.

use std::time::Duration;

use semper_ledger::sequencer::Commit;
use semper_ttp::{
    evidence::{Aggregate, Fact, KeyId, OpsFact, Recorded},
    time::Timestamp,
};

use super::{Service, ServiceFault, draft};
use crate::access::Tree;

/// How long before a unit's key ends its operator is told, seconds: time for a new unit and for telling those who pin it.
const KEY_END_NOTICE_SECS: u64 = 60 * 24 * 3600;

impl Service {
    /// A reading that the ledger may be given. Tokens have theirs from their own decision.
    pub(super) fn ledger_now(&self) -> Result<Timestamp, ServiceFault> {
        match self.time.check() {
            (now, verdict) if verdict.may_issue() => Ok(now),
            (_, verdict) => Err(ServiceFault::Clock(verdict)),
        }
    }

    /// Appends a fact about the service itself: a clock event, its start, its end. Not while the clock is in doubt.
    pub fn record(&self, fact: OpsFact) -> Result<(), ServiceFault> {
        let now = self.ledger_now()?;
        let envelope = self.envelope(Aggregate::service(), now.millis(), now, &[])?;
        self.ledger.append(Commit::one(now.millis(), draft(&fact.into_fact(&envelope), None)))?;
        Ok(())
    }

    /// Gives a segment of the access log its entry, once.
    pub(super) fn record_access(&self, from: Timestamp, tree: Tree) -> Result<(), ServiceFault> {
        let Tree { reads, root } = tree;
        // Of a line that was cut nothing was shown.
        if reads == 0 {
            return Ok(());
        }
        let now = self.ledger_now()?;
        let envelope = self.envelope(Aggregate::of_access(from), 0, now, &[])?;
        let fact = OpsFact::Access { from_millis: from.millis(), reads, root };
        self.ledger.append(Commit::one(now.millis(), draft(&fact.into_fact(&envelope), None)))?;
        Ok(())
    }

    /// The units whose key may soon sign no more, with the end of its period: within [`KEY_END_NOTICE_SECS`], or past.
    pub fn keys_ending(&self) -> Vec<(KeyId, Timestamp)> {
        let soon = self.time.now().plus_secs(KEY_END_NOTICE_SECS);
        let units = self.endpoints.iter().map(|endpoint| endpoint.endpoint.tsu());
        units.map(|tsu| (tsu.key(), tsu.key_period().not_after)).filter(|(_, end)| *end <= soon).collect()
    }

    /// Gives the end of each unit's key that is past its entry (EN 319 421 OVR-7.12), once. Blocks on the disk.
    pub fn record_ended_keys(&self) -> Result<(), ServiceFault> {
        let now = self.time.now();
        for tsu in self.endpoints.iter().map(|endpoint| endpoint.endpoint.tsu()) {
            let key = tsu.key();
            let history = Aggregate::of_key(key);
            let facts = self.reader().facts_of(&history.0, 0)?;
            let told = facts.iter().any(|fact| {
                let fact = Fact::decode(fact).ok().and_then(|fact| OpsFact::from_fact(&fact).ok());
                matches!(fact, Some(OpsFact::KeyEnded { .. }))
            });
            if told || now <= tsu.key_period().not_after {
                continue;
            }
            let now = self.ledger_now()?;
            let envelope = self.envelope(history, facts.len() as u64, now, &[])?;
            let ended = OpsFact::KeyEnded { key, destroyed: false };
            self.ledger.append(Commit::one(now.millis(), draft(&ended.into_fact(&envelope), None)))?;
            tracing::warn!(%key, "the key's period of use is over");
        }
        Ok(())
    }

    /// Shows in the metrics how long keys, certificates and CRLs are good.
    pub(crate) fn show_ends(&self) {
        for endpoint in &self.endpoints {
            let tsu = endpoint.endpoint.tsu();
            let (key, certificate) = (tsu.key_period().not_after, tsu.certificate().validity().not_after);
            self.metrics.unit_ends(&endpoint.endpoint.settings().name, key, certificate);
        }
        for held in self.authorities.all() {
            // Of the many lists of a CA the one that is good for the shortest time.
            let ends = held.lists().iter().map(|list| list.next_update()).min().flatten();
            self.metrics.crl_next_update(&held.key.ca.place(), ends);
        }
    }

    /// Waits until `at` by the service's own clock, looking again at least every minute: the clock may be set.
    pub(crate) async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = at.millis().saturating_sub(self.time.now().millis());
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left.min(60_000))).await;
        }
    }
}
