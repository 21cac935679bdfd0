//! Requests that are answered later: taken, promised by a signed receipt, decided when nobody waits for it (exchange-and-disputes §5).
//!
//! Whatever could refuse a request is asked before it is taken, for the moment at which it came; what remains is to decide and to sign.
//! The receipt binds the arbiter: if it says after that time that it has decided nothing, the two statements convict it (PoM-6). So it
//! keeps a promise before it says anything else about the run, and promises nothing near a run's end.

use std::sync::MutexGuard;

use semper_ledger::sequencer::Commit;
use semper_ttp::{
    digest::Digest,
    evidence::Aggregate,
    exchange::{Clocked, Exchange, ExchangeState, tag_of_verdict},
    role::{Role, Snapshot},
    statement::{Millis, exchange::verdict::Receipt},
    time::Timestamp,
};

use super::{
    super::{Service, ServiceFault, act::ATTEMPTS_MAX},
    ExchangeFault, NOT_READY, Sent,
    check::{Checked, read},
    keys::Signers,
};
use crate::promises::{Kept, LostPromise, Promise, Promises};

/// What a side gets whose request is answered later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Promised {
    /// The receipt, signed by the key that the run names.
    pub(crate) receipt: Vec<u8>,
    pub(crate) answer_by: Timestamp,
}

impl From<Promise> for Promised {
    fn from(promise: Promise) -> Self {
        Self { receipt: promise.receipt, answer_by: promise.answer_by }
    }
}

impl Service {
    /// Requests that were taken and are not answered yet; `None` where nothing is promised.
    #[must_use]
    pub fn promises(&self) -> Option<&Promises> {
        self.promises.as_ref()
    }

    /// Answers what was promised, and gives how much of it. Blocks.
    pub fn keep_promises(&self) -> usize {
        let runs = self.promises().map(Promises::runs).unwrap_or_default();
        let faults: Vec<_> = runs.iter().filter_map(|x| self.keep_promise(x).err()).collect();
        if let Some(fault) = faults.first() {
            tracing::warn!(%fault, runs = faults.len(), "a request that was taken is not answered yet");
        }
        runs.len() - faults.len()
    }

    /// Answers what was promised in a run, if anything was.
    pub(super) fn keep_promise(&self, x: &Digest) -> Result<(), ExchangeFault> {
        let Some(promises) = self.promises() else { return Ok(()) };
        let Some(kept) = promises.read(x)? else { return Ok(()) };
        let Kept { first, second, request, req, .. } = kept;
        let (first, second, request) = (first.into_bytes(), second.map(String::into_bytes), request.into_bytes());
        let sent = Sent { first, second, request, tokens: Vec::new() };
        let signers = Signers::of(self);
        let checked = self.check(x, &sent, read(&sent.request, "the request")?, &signers)?;
        // The sides' keys were judged when it came.
        self.decide_run(&checked, &signers, None)?;
        Ok(promises.forget(x, &req).map_err(ServiceFault::from)?)
    }

    fn promised(&self, x: &Digest) -> Result<Option<Promise>, LostPromise> {
        self.promises().map_or(Ok(None), |promises| promises.of(x))
    }

    /// The turn of a run in which nothing waits any more but `request`, with what was promised to that.
    pub(super) fn turn_without_promise(
        &self,
        x: &Digest,
        aggregate: &Aggregate,
        request: Option<&Digest>,
    ) -> Result<(MutexGuard<'_, ()>, Option<Promise>), ExchangeFault> {
        for _ in 0..ATTEMPTS_MAX {
            let turn = self.turns.wait(aggregate);
            let promised = self.promised(x)?;
            if promised.as_ref().is_none_or(|promise| Some(&promise.request) == request) {
                return Ok((turn, promised));
            }
            drop(turn);
            self.keep_promise(x)?;
        }
        Err(ExchangeFault::Busy)
    }

    /// Takes a request for later; `None` where it is to be answered at once: it has its answer, another request of the run waits, the run
    /// ends too soon, or too much waits.
    pub(super) fn promise(
        &self,
        checked: &Checked,
        signers: &Signers<'_>,
        sent: &Sent,
    ) -> Result<Option<Promised>, ExchangeFault> {
        let Some(promises) = self.promises() else { return Ok(None) };
        let (asked, x) = (&checked.asked, checked.run().x);
        self.look_up_sides(checked, signers);
        let aggregate = Exchange::aggregate(&x);
        let _turn = self.turns.wait(&aggregate);
        if let Some(there) = promises.of(&x)? {
            return Ok((there.request == asked.jws.x()).then(|| there.into()));
        }
        let before: Snapshot<ExchangeState> = self.state_of::<Exchange>(&aggregate)?;
        let is_decided = before.state.decision.is_some();
        let is_erased = || self.reader().find_tag(&tag_of_verdict(&x)).map(|found| found.is_some());
        if before.state.answer_to(&asked.jws.key_id(), &asked.jws.x()).is_some()
            || !promises.has_room()
            || !is_decided && is_erased()?
        {
            return Ok(None);
        }
        let (now, clock) = self.arbiter_time();
        let event = self.event(checked)?;
        let answer_by = Timestamp::from_millis(now.millis().saturating_add(promises.within_ms()));
        if !is_decided && event.end.as_ref().is_some_and(|end| end.at_ms <= answer_by.millis()) {
            return Ok(None);
        }
        self.require_own_keys(checked)?;
        self.require_good_keys(checked, is_decided, signers, &sent.tokens)?;
        let _inside = self.pass_door(now)?;
        Exchange::decide(&before.state, &Clocked { event, clock }, now)?;
        let drafts = self.first_uses(std::iter::once(&checked.key), now)?;
        if !drafts.is_empty() {
            let commit = Commit { idempotency: None, now_ms: now.millis(), drafts, rows: Vec::new() };
            self.ledger.append(commit).map_err(ServiceFault::from)?;
        }
        let (received_ms, answer_by_ms) = (Millis::from(now), Millis::from(answer_by));
        let receipt = Receipt { req: asked.jws.x().into(), received_ms, answer_by_ms };
        let receipt = self.sign_of_run(&checked.key, &x, now, receipt)?;
        let promise = Promise { request: asked.jws.x(), received: now, answer_by, receipt };
        let kept = Kept::of([&sent.first, &sent.request], sent.second.as_deref(), &promise);
        let is_kept = promises.keep(&x, &kept).map_err(ServiceFault::from)?;
        Ok(is_kept.then(|| promise.into()))
    }
}

impl From<LostPromise> for ExchangeFault {
    fn from(lost: LostPromise) -> Self {
        tracing::error!(%lost, "a request that was taken is not there any more: nothing is said of its run");
        NOT_READY
    }
}
