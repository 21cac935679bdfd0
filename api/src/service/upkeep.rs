//! What the service does unasked: facts about itself, ends that it shows in time. Lists of revoked certificates are in `crl.rs`,
//! ends of keys in `keys/life.rs`.

use std::time::{Duration, Instant};

use semper_ledger::sequencer::Commit;
use semper_ttp::{
    digest::Digest,
    evidence::{Aggregate, OpsFact, Recorded},
    time::Timestamp,
};

use super::{Service, ServiceFault, draft};
use crate::access::Tree;

impl Service {
    /// A reading that the ledger may be given. Tokens have theirs from their own decision.
    pub(super) fn ledger_now(&self) -> Result<Timestamp, ServiceFault> {
        match self.time.check() {
            (now, verdict) if verdict.may_issue() => Ok(now),
            (_, verdict) => Err(ServiceFault::Clock(verdict)),
        }
    }

    /// Whether the ledger may be given a time now.
    pub fn has_time(&self) -> bool {
        self.time.check().1.may_issue()
    }

    /// Appends a fact about the service itself: a clock event, its start, its end. Not while the clock is in doubt.
    pub fn record(&self, fact: OpsFact) -> Result<(), ServiceFault> {
        let now = self.ledger_now()?;
        let envelope = self.envelope(Aggregate::service(), now.millis(), now, &[])?;
        self.ledger.append(Commit::one(now.millis(), draft(&fact.into_fact(&envelope), None)))?;
        Ok(())
    }

    /// A refused call of a known caller becomes an entry, so many of one caller in a minute. Without a clock there is none.
    pub(crate) fn record_refused_call(&self, caller: Digest, call: Digest, problem: Digest) {
        if self.refused_quota.take(caller, Instant::now()).is_err() {
            return;
        }
        match self.record(OpsFact::CallRefused { caller, call, problem }) {
            Err(fault) if !fault.is_of_time() => tracing::error!(%fault, "a refused call was not recorded"),
            _ => {}
        }
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

    /// Shows in the metrics how long keys, certificates and CRLs are good.
    pub(crate) fn show_ends(&self) {
        for endpoint in self.endpoints.iter().map(arc_swap::ArcSwap::load) {
            let tsu = endpoint.endpoint.tsu();
            let (key, certificate) = (tsu.key_period().not_after, tsu.certificate().validity().not_after);
            self.metrics.unit_ends(&endpoint.endpoint.settings().name, key, certificate);
        }
        for held in self.authorities.all().iter() {
            // Of the many lists of a CA the one that is good for the shortest time.
            let ends = held.lists().iter().map(|list| list.next_update()).min().flatten();
            self.metrics.crl_next_update(&held.key.ca.place(), ends);
        }
        for (ca, not_after) in self.responders.ends() {
            self.metrics.responder_ends(&ca.place(), not_after);
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
