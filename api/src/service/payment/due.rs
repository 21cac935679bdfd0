//! Which runs are to be looked at when: deadlines, rails whose answer is not known, and what an earlier process has left.
//!
//! All of it is in memory alone, since it follows from the ledger: the first look finds every run that waits for something.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::{Arc, MutexGuard, PoisonError, Weak, atomic::Ordering},
    time::Duration,
};

use semper_ttp::{
    digest::Digest,
    evidence::{KeyPurpose, names},
    payment::{
        Payment, PaymentState,
        rail::{RailCall, RailId},
    },
    role::Role as _,
    time::Timestamp,
};
use tokio::sync::Semaphore;

use super::super::{Service, ServiceFault};

/// How often it is looked for what is due.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs that are looked at at a time: each may wait for a rail.
const AT_ONCE: usize = 32;

/// The longest time until a rail that gave no answer is asked again, milliseconds.
const UNKNOWN_MS_MAX: u64 = 300_000;

/// When a run is to be looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    at_ms: u64,
    /// How often its rail gave no answer.
    unknowns: u32,
}

/// Runs that wait for a moment.
#[derive(Debug, Default)]
pub(super) struct Schedule(BTreeMap<Digest, Waiting>);

/// Runs whose money is being looked after, with whether somebody has wanted that meanwhile: one at a time does it, and nobody's wish is lost.
pub(super) type Settling = BTreeMap<Digest, bool>;

/// When a run is to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// When something comes.
    Nothing,
    /// At this moment, milliseconds since 1970.
    At(u64),
    /// The rail gave no answer: the same call again, a while later; or at this moment, if that comes first.
    Unknown(Option<u64>),
}

impl Service {
    /// Lets the rules and the rails go on with a run as far as they can now. Blocks, also on rails.
    pub fn carry_on(&self, x: &Digest) {
        if !self.begin_settling(x) {
            return;
        }
        let mut guard = AtIt { service: self, x, is_over: false };
        while !guard.is_over {
            let next = self.go_on(x);
            self.look_again(x, next);
            guard.is_over = self.end_settling(x);
        }
    }

    /// Looks at all runs that are due, one after the other. Blocks, also on rails.
    pub fn look_at_payments(&self) {
        for x in self.payments_due() {
            self.carry_on(&x);
        }
    }

    /// The runs that are due; at the first look all that wait for something. Blocks.
    #[must_use]
    pub fn payments_due(&self) -> Vec<Digest> {
        // Before its keys have their certificates the arbiter knows no run as its own.
        if !self.has_rails() || self.desks.certified(KeyPurpose::ArbiterVerdict).is_none() {
            return Vec::new();
        }
        if !self.payments.is_recalled.load(Ordering::Acquire) {
            match self.recall_payments() {
                Ok(()) => self.payments.is_recalled.store(true, Ordering::Release),
                Err(fault) => tracing::error!(%fault, "payments that wait were not found; it is looked again"),
            }
        }
        let now = self.now().millis();
        let mut schedule = self.schedule();
        let unsettled = self.payments.unsettled.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.metrics.exchange().payments(schedule.0.len(), unsettled);
        let due = schedule.0.iter_mut().filter(|(_, waiting)| waiting.at_ms <= now);
        // Whoever looks at it says when it is due next; until then it is nobody else's.
        due.map(|(x, waiting)| {
            waiting.at_ms = now + UNKNOWN_MS_MAX;
            *x
        })
        .collect()
    }

    /// What a rail was ever asked, as the ledger has it, oldest first. Blocks.
    ///
    /// # Errors
    /// The ledger.
    pub fn calls_of_rail(&self, rail: &RailId) -> Result<Vec<(Timestamp, RailCall)>, ServiceFault> {
        let mut runs = BTreeSet::new();
        let mut asked = BTreeMap::new();
        self.reader().names::<ServiceFault>(&names::RAIL_ASKED, |name, index| {
            if let Some((key, x)) = names::read_rail_asked(name) {
                runs.insert(x);
                asked.insert(key, index);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut calls = Vec::new();
        for x in runs {
            let (facts, _) = self.money_of(&x)?;
            let mut state = PaymentState::default();
            for (_, fact) in facts {
                Payment::apply(&mut state, &fact);
                let call = state.pending().filter(|call| fact.asks() == Some(call.key) && call.rail == *rail);
                calls.extend(call.map(|call| (asked.get(&call.key).copied(), fact.at, call)));
            }
        }
        calls.sort_by_key(|(index, ..)| *index);
        Ok(calls.into_iter().map(|(_, at, call)| (at, call)).collect())
    }

    /// Something has come that concerns a run.
    pub(in crate::service) fn payment_is_due(&self, x: &Digest) {
        if !self.has_rails() {
            return;
        }
        self.schedule().0.entry(*x).or_default().at_ms = 0;
        // Who is at it may have looked already, and would put it off.
        if let Some(again) = self.settling().get_mut(x) {
            *again = true;
        }
    }

    /// What an earlier process has left: runs that are not decided, decided ones whose money is still to move, calls without an answer.
    fn recall_payments(&self) -> Result<(), ServiceFault> {
        let (mut all, mut decided) = (BTreeSet::new(), BTreeSet::new());
        for (prefix, runs) in [(names::PAID_RUNS, &mut all), (names::DECIDED_PAID_RUNS, &mut decided)] {
            self.reader().names::<ServiceFault>(&prefix, |name, _| {
                runs.extend(names::read_paid_run(name));
                Ok(ControlFlow::Continue(()))
            })?;
        }
        let mut asked = BTreeMap::new();
        self.reader().names::<ServiceFault>(&names::RAIL_ASKED, |name, _| {
            asked.extend(names::read_rail_asked(name));
            Ok(ControlFlow::Continue(()))
        })?;
        for (key, x) in asked {
            if self.reader().last_name(&names::rail_answered(&key))?.is_none() {
                self.recall_payment(&x);
            }
        }
        for x in &all {
            let is_open = !decided.contains(x);
            // One run that does not read keeps no other from its money.
            let is_due = is_open
                || match self.paid_run(x) {
                    // What people must settle is told of until they have.
                    Ok(run) => run.is_some_and(|run| run.state.pending_move().is_some() || run.state.is_unsettled()),
                    Err(fault) => {
                        tracing::error!(%x, %fault, "a payment does not read");
                        false
                    }
                };
            if is_due {
                self.recall_payment(x);
            }
        }
        Ok(())
    }

    /// What this process knows to wait for something goes on waiting.
    fn recall_payment(&self, x: &Digest) {
        self.schedule().0.entry(*x).or_default();
    }

    /// Remembers whether people must settle a payment, which it gives.
    pub(super) fn note_unsettled(&self, x: &Digest, is_unsettled: bool) -> bool {
        let mut unsettled = self.payments.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        if is_unsettled {
            unsettled.insert(*x);
        } else {
            unsettled.remove(x);
        }
        is_unsettled
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // It guards what the next look finds again.
        self.payments.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settling(&self) -> MutexGuard<'_, Settling> {
        self.payments.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False where somebody is at it, who will look once more.
    fn begin_settling(&self, x: &Digest) -> bool {
        let mut settling = self.settling();
        if let Some(again) = settling.get_mut(x) {
            *again = true;
            return false;
        }
        settling.insert(*x, false);
        true
    }

    /// False where something has come meanwhile.
    fn end_settling(&self, x: &Digest) -> bool {
        let mut settling = self.settling();
        match settling.get_mut(x) {
            Some(again) if *again => {
                *again = false;
                false
            }
            _ => {
                settling.remove(x);
                true
            }
        }
    }

    fn look_again(&self, x: &Digest, next: Next) {
        let now = self.now().millis();
        let mut schedule = self.schedule();
        let waiting = match next {
            Next::Nothing => {
                schedule.0.remove(x);
                return;
            }
            Next::At(at_ms) => Waiting { at_ms, unknowns: 0 },
            Next::Unknown(due) => {
                let unknowns = schedule.0.get(x).map_or(0, |waiting| waiting.unknowns);
                let wait = 1_000_u64.checked_shl(unknowns).unwrap_or(UNKNOWN_MS_MAX).min(UNKNOWN_MS_MAX);
                let at_ms = due.map_or(now + wait, |due| due.min(now + wait));
                Waiting { at_ms, unknowns: (unknowns + 1).min(16) }
            }
        };
        schedule.0.insert(*x, waiting);
    }
}

/// Somebody looks after a run: also if that panics, somebody else can afterwards.
struct AtIt<'s> {
    service: &'s Service,
    x: &'s Digest,
    is_over: bool,
}

impl Drop for AtIt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.service.settling().remove(self.x);
        }
    }
}

/// Looks after payments in the background, until the service is gone. Needs a tokio runtime.
pub fn payments_in_background(service: &Arc<Service>) {
    if !service.has_rails() {
        return;
    }
    service.rails().for_each(|(rail, ..)| service.metrics.exchange().rail(rail));
    let service: Weak<Service> = Arc::downgrade(service);
    tokio::spawn(async move {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            let Some(service) = service.upgrade() else { return };
            let asked = service.clone();
            // A panic was printed.
            let Ok(due) = tokio::task::spawn_blocking(move || asked.payments_due()).await else { continue };
            for x in due {
                let Ok(permit) = permits.clone().acquire_owned().await else { return };
                let service = service.clone();
                tokio::task::spawn_blocking(move || {
                    service.carry_on(&x);
                    drop(permit);
                });
            }
        }
    });
}
