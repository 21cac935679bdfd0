//! What the service does unasked: facts about itself, ends that it shows in time. Lists of revoked certificates are in `crl.rs`,
//! ends of keys in `keys/life.rs`.

use std::time::{Duration, Instant};

use semper_ledger::sequencer::Commit;
use semper_ttp::{
    digest::Digest,
    evidence::{Aggregate, OpsFact, Recorded},
    time::Timestamp,
};

use super::{RotationCause, RotationFault, Service, ServiceFault, draft};
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

    /// Looks at keys: the certificates of OCSP responders are renewed, which have lived half their life days before they end; what did
    /// not end when a key was last followed is settled; whatever is due is followed, unless that is done `by_hand`; an end that has come
    /// gets its entry. False if something of it is still to be done, such as all of it while the clock is in doubt or the policies of
    /// this start are not in the ledger: then it is to be looked again soon. Blocks on the disk.
    pub fn look_at_keys(&self, by_hand: bool) -> bool {
        let mut done = self.has_time() && self.require_policies().is_ok();
        let compromised = self.compromised_responders().inspect_err(|fault| {
            tracing::error!(%fault, "it cannot be told whether the key of a responder was compromised");
        });
        done &= compromised.is_ok();
        for key in compromised.unwrap_or_default().into_iter().filter(|_| !by_hand) {
            if let Err(fault) = self.rotate(key.purpose, RotationCause::default()) {
                tracing::error!(%key, %fault, "a key that was compromised is not followed by another yet");
                done = false;
            }
        }
        done &= self.renew_responders().is_ok(); // logged where it failed
        for ca in self.without_responder() {
            tracing::warn!(ca = ca.place(), "nobody answers OCSP for this CA");
        }
        done &= told(self.record_notice_key(), ServiceFault::is_of_time, "the making of a key got no ledger entry");
        done &= told(self.record_wrapping_key(), ServiceFault::is_of_time, "the making of a key got no ledger entry");
        done &= told(
            self.certify_role_keys(),
            RotationFault::is_of_time,
            "a key of notary or arbiter has no certificate yet",
        );
        done &= told(self.settle_keys(), RotationFault::is_of_time, "a rotation that did not end is not settled");
        if !by_hand {
            self.rotate_due();
        }
        done &= told(self.record_ended_keys(), ServiceFault::is_of_time, "the end of a key got no ledger entry");
        // After it every request is refused, so it must not come as a surprise.
        for (key, end) in self.keys_ending() {
            tracing::warn!(%key, %end, "the period of use of a timestamping key ends; after it no token is issued");
        }
        done
    }

    /// Ends when keys are to be looked at before their time.
    pub async fn keys_due(&self) {
        self.keys_due.notified().await;
    }

    /// Appends a fact about the service itself: a clock event, its start, its end. Not while the clock is in doubt.
    pub fn record(&self, fact: OpsFact) -> Result<(), ServiceFault> {
        self.record_at(self.ledger_now()?, fact)
    }

    fn record_at(&self, now: Timestamp, fact: OpsFact) -> Result<(), ServiceFault> {
        let envelope = self.envelope(Aggregate::service(), now.millis(), now, &[])?;
        self.ledger.append(Commit::one(now.millis(), draft(&fact.into_fact(&envelope), None)))?;
        Ok(())
    }

    /// Says that the arbiter took no requests since `from_millis`, or since now if the clock is behind that; from now on it does. Gives
    /// the moment.
    ///
    /// # Errors
    /// The clock is in doubt, or the ledger takes nothing.
    pub(super) fn record_outage(&self, from_millis: u64) -> Result<Timestamp, ServiceFault> {
        let now = self.ledger_now()?;
        self.record_at(now, OpsFact::Outage { from_millis: from_millis.min(now.millis()), to_millis: now.millis() })?;
        Ok(now)
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

/// Whether it succeeded. A fault is logged, unless it is one that time alone mends.
fn told<F: std::fmt::Display>(outcome: Result<(), F>, is_of_time: impl Fn(&F) -> bool, what: &str) -> bool {
    match outcome {
        Ok(()) => return true,
        Err(fault) if is_of_time(&fault) => {}
        Err(fault) => tracing::error!(%fault, "{what}"),
    }
    false
}
