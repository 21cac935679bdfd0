//! A registered delivery with all its messages, for the tests of this crate.

use crate::digest::Digest;
use crate::exchange::policy::DeliveryPolicy;
use crate::exchange::testing::{Delivery, IAT, PEOPLE, delivery, keys};
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::erds::{ErdsEvent, ErdsEvidence, ErdsStage, Refuse, RefuseReason, Submit};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Outcome, Protocol};
use crate::statement::{Jws, Millis};
use crate::time::Timestamp;

use super::{Clocked, ErdsFact, ErdsState, Occurrence, Posting, Recording, RegisteredDelivery, Signed, Submitted};
use super::{end_of, evidence_of};
use crate::role::{Role as _, step};
use crate::timestamp::ClockVerdict;

/// When deliveries are submitted here.
pub(crate) const START: u64 = IAT;
pub(crate) const T_EXP: u64 = IAT + 1_000;
pub(crate) const NOTICE: u64 = 100;
pub(crate) const RETENTION: u64 = 5_000;
pub(crate) const OPEN_MAX: u64 = 2_000_000;
pub(crate) const DELTA: u64 = 10;

pub(crate) const RULES: DeliveryPolicy =
    DeliveryPolicy { retention_ms: RETENTION, open_max_ms: OPEN_MAX, notice_ms: NOTICE, late_counts: false };

pub(crate) fn millis(millis: u64) -> Millis {
    Millis::new(millis).unwrap()
}

/// A delivery, submitted with a notice, and the recipient's refusal.
pub(crate) struct Script {
    pub(crate) delivery: Delivery,
    pub(crate) submit: Jws,
    pub(crate) refuse: Jws,
}

impl Script {
    pub(crate) fn new(t_exp: Option<u64>) -> Self {
        let (d1, content) = delivery(t_exp);
        Self::of(d1, content)
    }

    pub(crate) fn of(d1: D1, content: Vec<u8>) -> Self {
        let delivery = Delivery::of(d1, content);
        let x = Some(delivery.x());
        let submit = PEOPLE.o.sign(x, Submit { notice: true });
        let refuse = PEOPLE.r.sign(x, Refuse { reason: Some(RefuseReason::NotWanted) });
        Self { delivery, submit, refuse }
    }

    pub(crate) fn x(&self) -> Digest {
        self.delivery.x()
    }

    pub(crate) fn posting(&self) -> Posting {
        Submitted::read(&self.delivery.posted, self.submit.clone(), RULES, &keys).unwrap().posting
    }

    /// The statement that an event rests on.
    pub(crate) fn basis(&self, recording: &Recording) -> Option<&Jws> {
        let Delivery { agreed, d4, resolve_r, .. } = &self.delivery;
        let all = [&self.submit, &self.refuse, &agreed.jws, d4, resolve_r];
        recording.statement.and_then(|statement| all.into_iter().find(|jws| jws.x() == statement))
    }

    /// What the arbiter says of an event.
    pub(crate) fn body(&self, submitted_at: Timestamp, recording: &Recording) -> ErdsEvidence {
        evidence_of(&self.delivery.posted.delivery, submitted_at, recording, self.basis(recording))
    }

    pub(crate) fn sign(&self, body: ErdsEvidence) -> Jws {
        PEOPLE.t.sign_at(body.at_ms, Some(self.x()), body)
    }

    /// A verdict of the arbiter about the run.
    pub(crate) fn verdict(&self, outcome: Outcome, at_ms: u64) -> Jws {
        let Delivery { posted, agreed, abort, .. } = &self.delivery;
        let basis = match outcome {
            Outcome::Expired => vec![&posted.jws],
            Outcome::Aborted => vec![&posted.jws, abort],
            _ => vec![&posted.jws, &agreed.jws],
        };
        let body = Verdict {
            proto: Protocol::CdR,
            outcome,
            basis: basis.into_iter().map(|jws| String::from_utf8(jws.bytes().to_vec()).unwrap()).collect(),
            decided_ms: millis(at_ms),
            policy: posted.delivery.policy,
            outages: vec![],
            assurance: posted.delivery.assurance,
        };
        PEOPLE.t.sign_at(millis(at_ms), Some(self.x()), body)
    }
}

/// A delivery, its evidence so far, and verdicts.
pub(crate) struct Case {
    pub(crate) script: Script,
    pub(crate) state: ErdsState,
    pub(crate) bodies: Vec<ErdsEvidence>,
    pub(crate) verdicts: Vec<Jws>,
    pub(crate) rules: DeliveryPolicy,
}

impl Case {
    /// One that was submitted.
    pub(crate) fn new() -> Self {
        Self::of(Script::new(Some(T_EXP)), true)
    }

    pub(crate) fn of(script: Script, knows_recipient: bool) -> Self {
        let (state, bodies, verdicts) = (ErdsState::default(), vec![], vec![]);
        let mut case = Self { script, state, bodies, verdicts, rules: RULES };
        let posting = Box::new(case.script.posting());
        case.at(START, Occurrence::Submit { posting, knows_recipient });
        case
    }

    pub(crate) fn at(&mut self, now: u64, occurrence: Occurrence) {
        let now = Timestamp::from_millis(now);
        let end = end_of(self.script.posting().t_exp, 10, &[]);
        let event = Clocked { occurrence, end, clock: ClockVerdict::Synced };
        let (facts, _) = step::<RegisteredDelivery>(&mut self.state, &event, now).unwrap();
        let submitted_at = self.state.submission.as_ref().map(|(at, _)| *at).unwrap();
        let recordings = facts.iter().filter_map(|fact| match fact {
            ErdsFact::Submitted { .. } => None,
            ErdsFact::Recorded(recording) => Some(self.script.body(submitted_at, recording)),
        });
        self.bodies.extend(recordings);
    }

    pub(crate) fn decided(&mut self, outcome: Outcome, at: u64) -> Digest {
        let jws = self.script.verdict(outcome, at);
        let verdict = jws.digest();
        self.verdicts.push(jws);
        let embeds = matches!(outcome, Outcome::Released | Outcome::Void);
        let d2 = embeds.then(|| Signed::from(&self.script.delivery.agreed.jws));
        self.at(at, Occurrence::Decided { outcome, at: Timestamp::from_millis(at), verdict, d2 });
        verdict
    }

    pub(crate) fn collected(&mut self, verdict: Digest, at: u64) {
        let signed = Signed::from(&self.script.delivery.resolve_r);
        self.at(at, Occurrence::Collected { at: Timestamp::from_millis(at), verdict, signed });
    }

    pub(crate) fn accept(&mut self, at: u64) {
        let signed = Signed::from(&self.script.delivery.agreed.jws);
        self.at(at, Occurrence::Accept(signed));
    }

    pub(crate) fn body(&self, event: ErdsEvent) -> ErdsEvidence {
        self.bodies.iter().find(|body| body.event == event).unwrap().clone()
    }
}

/// What stands of each stage.
pub(crate) fn standing(state: &ErdsState) -> Vec<Option<ErdsEvent>> {
    ErdsStage::ALL.iter().map(|stage| state.standing(*stage)).collect()
}

/// Folds facts.
pub(crate) fn folded<'f>(facts: impl IntoIterator<Item = &'f ErdsFact>) -> ErdsState {
    facts.into_iter().fold(ErdsState::default(), |mut state, fact| {
        RegisteredDelivery::apply(&mut state, fact);
        state
    })
}
