//! What the service does unasked: facts about itself, CRLs that must not lapse, ends of keys that it tells in time.

use std::{sync::Arc, time::Duration};

use semper_ledger::sequencer::{Commit, RoleRow};
use semper_ttp::{
    ca::{Crl, CrlEffect, CrlEvent, CrlRefusal, crl},
    evidence::{Aggregate, Fact, KeyId, OpsFact, Recorded},
    role::{Role, encode_snapshot},
    time::Timestamp,
};

use super::{Service, ServiceFault, draft, load};
use crate::authorities::{Held, NewestCrl};

/// How long after a failure CRLs are tried again.
const CRL_RETRY: Duration = Duration::from_secs(60);

/// How long before a unit's key ends its operator is told, seconds: time for a new unit and for telling those who pin it.
const KEY_END_NOTICE_SECS: u64 = 60 * 24 * 3600;

impl Service {
    /// A reading that the ledger may be given. Tokens have theirs from their own decision.
    fn ledger_now(&self) -> Result<Timestamp, ServiceFault> {
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

    /// Issues every CRL that is due; gives the moment at which the next one will be. Blocks on the disk.
    ///
    /// # Errors
    /// What failed, once every other CRL had its turn; of several faults one that time alone does not mend. Each that time
    /// does not mend is logged.
    pub fn renew_crls(&self) -> Result<Timestamp, ServiceFault> {
        let (mut next, mut failed) = (None::<Timestamp>, None::<ServiceFault>);
        for held in self.authorities.all() {
            match self.renew_crl(held) {
                Ok(wake_at) => next = Some(next.map_or(wake_at, |next| next.min(wake_at))),
                Err(fault) => {
                    if !fault.is_of_time() {
                        tracing::error!(authority = held.key.authority.name(), %fault, "a CRL was not renewed");
                    }
                    if failed.as_ref().is_none_or(ServiceFault::is_of_time) {
                        failed = Some(fault);
                    }
                }
            }
        }
        match failed {
            Some(fault) => Err(fault),
            None => Ok(next.unwrap_or_else(|| self.time.now().plus_secs(3600))),
        }
    }

    fn renew_crl(&self, held: &Held) -> Result<Timestamp, ServiceFault> {
        let aggregate = held.key.authority.crl_aggregate();
        let mut snapshot = load::<Crl>(self.reader(), &aggregate)?;
        let now = self.ledger_now()?;
        let event = CrlEvent::Issue { authority: held.key.authority, life_secs: held.key.crl_life_secs, force: false };
        let (facts, effects) = match Crl::decide(&snapshot.state, &event, now) {
            Ok(decided) => decided,
            Err(CrlRefusal::NotDue { due_at }) => return Ok(due_at),
            Err(refusal) => return Err(ServiceFault::Crl(refusal.to_string())),
        };
        let fault = |error: &dyn std::fmt::Display| ServiceFault::Crl(error.to_string());
        let (mut der, mut wake_at) = (None, now);
        for effect in effects {
            match effect {
                CrlEffect::Sign(content) => {
                    let unsigned = crl::prepare(&content, &held.key.issuer).map_err(|e| fault(&e))?;
                    let signature = held.key.signer.sign(unsigned.message()).map_err(|e| fault(&e))?;
                    der = Some(unsigned.finish(&signature).map_err(|e| fault(&e))?);
                }
                CrlEffect::WakeAt(at) => wake_at = at,
            }
        }
        let (Some(der), [fact]) = (der, facts.as_slice()) else {
            unreachable!("an issued CRL is one fact and one signature");
        };
        let envelope = self.envelope(aggregate, snapshot.next_seq, now, &event.encode())?;
        Crl::apply(&mut snapshot.state, fact);
        snapshot.next_seq += 1;
        let last = snapshot.state.last;
        let draft = draft(&fact.clone().into_fact(&envelope), Some(der.clone()));
        let mut commit = Commit::one(now.millis(), draft);
        commit.rows.push(RoleRow::Snapshot { aggregate: aggregate.0, bytes: encode_snapshot::<Crl>(&snapshot) });
        self.ledger.append(commit)?;
        held.crl.store(last.map(|last| Arc::new(NewestCrl::new(der, last))));
        tracing::info!(authority = held.key.authority.name(), "issued a CRL");
        Ok(wake_at)
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
            self.metrics.crl_next_update(held.key.authority.name(), held.crl_next_update());
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

    /// Renews CRLs for as long as it is polled, first at `next`, and [`CRL_RETRY`] after a failure (`None`).
    pub async fn keep_crls_fresh(self: Arc<Self>, mut next: Option<Timestamp>) {
        loop {
            match next {
                Some(at) => self.sleep_until(at).await,
                // Not until some time of day: what failed may be the clock.
                None => tokio::time::sleep(CRL_RETRY).await,
            }
            let service = self.clone();
            next = match tokio::task::spawn_blocking(move || service.renew_crls()).await {
                Ok(Ok(at)) => Some(at),
                Ok(Err(fault)) => {
                    if fault.is_of_time() {
                        tracing::warn!(%fault, "CRLs that are due wait for the clock");
                    }
                    None
                }
                Err(_) => None, // it panicked, which was printed
            };
        }
    }
}
