//! Orders, offers and what follows them, for the tests of this crate: here the recipient of the deliveries in [`super::super::testing`] buys.

use std::sync::{Arc, LazyLock};

use super::super::expiry::Outage;
use super::super::testing::{Delivery, IAT, PEOPLE, Person, arbiter, delivery, offer, participant};
use super::*;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::jose::{Key, Thumbprint};
use crate::evidence::Recorded as _;
use crate::money::{Currency, RailId};
use crate::role::step;
use crate::statement::exchange::asw_r::M1;
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::pg::{Accept, Cancel, Goods, GoodsOrder, HandedOver, Received, Rejected, Shipped};
use crate::statement::exchange::pr::{PaymentOffer, PaymentReceipt};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{FeeBps, Line, Outcome, Protocol};
use crate::statement::{Count, Jws, Millis};
use crate::timestamp::ClockVerdict;

pub(crate) const T_HOLD: u64 = IAT + 1_000;
pub(crate) const T_SHIP: u64 = IAT + 2_000;
pub(crate) const T_EXP: u64 = IAT + 10_000;
pub(crate) const T_ACCEPT: u64 = 500;
pub(crate) const DELTA: u64 = 100;
pub(crate) const CASE: Digest = Digest([70; 32]);
pub(crate) const OTHER_CASE: Digest = Digest([71; 32]);

pub(crate) static CARRIER: LazyLock<Person> = LazyLock::new(|| Person::new(SignatureAlgorithm::Ed25519));

/// Finds the keys of all five.
pub(crate) fn keys(name: &Thumbprint) -> Option<Arc<Key>> {
    if CARRIER.name() == *name { Some(CARRIER.public.clone()) } else { super::super::testing::keys(name) }
}

pub(crate) fn millis(millis: u64) -> Millis {
    Millis::new(millis).unwrap()
}

pub(crate) fn eur(minor: u64) -> Amount {
    Amount::new(minor, Currency::new("EUR").unwrap()).unwrap()
}

pub(crate) fn order(thing: Thing) -> GoodsOrder {
    let M1 { policy, assurance, .. } = offer(None);
    let is_physical = thing == Thing::Physical;
    GoodsOrder {
        deal: None,
        policy,
        buyer: participant(2, &PEOPLE.r),
        seller: participant(1, &PEOPLE.o),
        carrier: is_physical.then(|| participant(3, &CARRIER)),
        ttp: arbiter(),
        terms: super::super::terms_hash(&[3; 32], b"One bicycle, blue.").into(),
        terms_media: Line::new("text/plain").unwrap(),
        goods: if is_physical { Goods::Physical {} } else { Goods::Digital { hm: None } },
        amount: eur(1000),
        fee_bps: FeeBps::new(250).unwrap(),
        rail: RailId::new("sim").unwrap(),
        t_hold: millis(T_HOLD),
        t_ship: is_physical.then(|| millis(T_SHIP)),
        t_accept: is_physical.then(|| Count::new(T_ACCEPT).unwrap()),
        t_exp: millis(T_EXP),
        assurance,
    }
}

pub(crate) fn payment() -> PaymentOffer {
    let GoodsOrder { policy, buyer, seller, ttp, amount, fee_bps, rail, assurance, .. } = order(Thing::Digital);
    PaymentOffer {
        deal: None,
        policy,
        payer: buyer,
        payee: seller,
        ttp,
        receipt: super::super::terms_hash(&[3; 32], b"Paid for March.").into(),
        receipt_media: Line::new("text/plain").unwrap(),
        amount,
        fee_bps,
        rail,
        t_exp: millis(T_EXP),
        assurance,
    }
}

/// A run with everything that anybody may sign in it.
pub(crate) struct Script {
    pub(crate) opened: Opened,
    pub(crate) accept: Jws,
    pub(crate) shipped: Jws,
    pub(crate) handed_over: Jws,
    pub(crate) received: Jws,
    pub(crate) rejected: Jws,
    pub(crate) cancel: [Jws; 2],
    pub(crate) receipt: Jws,
    /// Of digital goods.
    pub(crate) delivery: Option<Delivery>,
}

impl Script {
    pub(crate) fn new(thing: Thing) -> Self {
        match thing {
            Thing::Receipt => Self::of(PEOPLE.r.sign(None, payment())),
            _ => Self::of(PEOPLE.r.sign(None, order(thing))),
        }
    }

    pub(crate) fn of(first: Jws) -> Self {
        let (buyer, seller) = (&PEOPLE.r, &PEOPLE.o);
        let opened = Opened::read(first, &keys).unwrap();
        let (x, copy) = (Some(opened.run.x), opened.jws.digest().into());
        let delivery = (opened.terms.thing == Thing::Digital).then(|| {
            let (base, content) = delivery(Some(T_EXP - DELTA));
            Delivery::of(D1 { pay: x.map(Into::into), ..base }, content)
        });
        Self {
            accept: seller.sign(x, Accept { order: copy }),
            shipped: CARRIER.sign(x, Shipped {}),
            handed_over: CARRIER.sign(x, HandedOver {}),
            received: buyer.sign(x, Received {}),
            rejected: buyer.sign(x, Rejected {}),
            cancel: [buyer.sign(x, Cancel {}), seller.sign(x, Cancel {})],
            receipt: seller.sign(x, PaymentReceipt { offer: copy, receipt: opened.text.into() }),
            delivery,
            opened,
        }
    }

    pub(crate) fn x(&self) -> Digest {
        self.opened.run.x
    }

    /// The statement behind what is shown.
    pub(crate) fn jws(&self, what: Shown) -> Jws {
        let delivery = || self.delivery.as_ref().unwrap();
        match what {
            Shown::Accepted => self.accept.clone(),
            Shown::Shipped => self.shipped.clone(),
            Shown::HandedOver => self.handed_over.clone(),
            Shown::Received => self.received.clone(),
            Shown::Rejected => self.rejected.clone(),
            Shown::CancelledByPayer => self.cancel[0].clone(),
            Shown::CancelledByPayee => self.cancel[1].clone(),
            Shown::Receipt => self.receipt.clone(),
            Shown::Posted => delivery().posted.jws.clone(),
            Shown::Delivered => delivery().d4.clone(),
            Shown::Released => self.of_delivery(Outcome::Released, IAT + 5),
            Shown::Returned => self.of_delivery(Outcome::Aborted, IAT + 5),
        }
    }

    /// The arbiter's verdict about the delivery.
    pub(crate) fn of_delivery(&self, outcome: Outcome, decided_ms: u64) -> Jws {
        let delivery = self.delivery.as_ref().unwrap();
        let with = match outcome {
            Outcome::Aborted => &delivery.abort,
            _ => &delivery.agreed.jws,
        };
        verdict(Protocol::CdR, delivery.x(), outcome, &[&delivery.posted.jws, with], decided_ms)
    }

    /// Whatever is shown, as it is read; of a kind that the run does not have, as if it had been read.
    pub(crate) fn show(&self, what: Shown) -> Show {
        let made_up = Show { what, statement: Digest([what as u8 + 100; 32]), by: PEOPLE.r.name(), delivery: None };
        let is_of_delivery = matches!(what, Shown::Posted | Shown::Delivered | Shown::Released | Shown::Returned);
        match (self.opened.terms.thing, is_of_delivery) {
            (Thing::Digital, true) => {
                let (posted, jws) = (&self.delivery.as_ref().unwrap().posted, self.jws(what));
                match what {
                    Shown::Posted => self.opened.posted(jws, &keys).unwrap().0,
                    Shown::Delivered => self.opened.delivered(posted, &jws, &keys).unwrap(),
                    _ => self.opened.delivery_decided(&jws, &keys).unwrap(),
                }
            }
            (_, true) => made_up,
            _ => self.opened.shown(&self.jws(what), &keys).unwrap_or(made_up),
        }
    }

    /// The verdict that a decision leads to, as the shell makes it: from the statements that were kept.
    pub(crate) fn verdict_of(&self, state: &PaidState) -> Jws {
        let (_, decision) = state.decision.as_ref().unwrap();
        let mut basis = vec![self.opened.jws.clone()];
        for step in &decision.basis {
            let shelved = state.shown.iter().find(|shelved| shelved.step == *step).unwrap();
            basis.push(self.jws(shelved.what));
        }
        let basis: Vec<_> = basis.iter().collect();
        verdict(decision.protocol, self.x(), decision.outcome, &basis, decision.at.millis())
    }
}

pub(crate) fn verdict(protocol: Protocol, x: Digest, outcome: Outcome, basis: &[&Jws], decided_ms: u64) -> Jws {
    let M1 { policy, assurance, .. } = offer(None);
    let basis = basis.iter().map(|jws| String::from_utf8(jws.bytes().to_vec()).unwrap()).collect();
    let decided_ms = millis(decided_ms);
    let body = Verdict { proto: protocol, outcome, basis, decided_ms, policy, outages: vec![], assurance };
    PEOPLE.t.sign_at(decided_ms, Some(x), body)
}

/// A run as it goes on.
#[derive(Clone)]
pub(crate) struct Course {
    pub(crate) state: PaidState,
    pub(crate) facts: Vec<PaidFact>,
    pub(crate) now: u64,
    pub(crate) outages: Vec<Outage>,
    pub(crate) told: u8,
}

impl Course {
    pub(crate) fn new() -> Self {
        Self { state: PaidState::default(), facts: Vec::new(), now: IAT + 10, outages: Vec::new(), told: 0 }
    }

    pub(crate) fn take(&mut self, event: PaidEvent) -> Result<(Vec<PaidFact>, Vec<PaidEffect>), PaidRefusal> {
        let outages = self.outages.clone();
        let event = Clocked { event, delta_ms: DELTA, outages, clock: ClockVerdict::Synced };
        let done = step::<Paid>(&mut self.state, &event, Timestamp::from_millis(self.now))?;
        self.facts.extend(done.0.iter().cloned());
        Ok(done)
    }

    pub(crate) fn tell(&mut self, what: Told) -> PaidEvent {
        self.told += 1;
        PaidEvent::Tell(Tell { what, source: Digest([self.told; 32]) })
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.state.decision.as_ref().map(|(_, decision)| decision.outcome)
    }

    /// Every decision that was ever made.
    pub(crate) fn decisions(&self) -> usize {
        self.facts.iter().filter(|fact| matches!(fact, PaidFact::Decided(_))).count()
    }
}

/// A step of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    Open,
    Show(Shown),
    Told(Told),
    Freeze,
    Thaw,
    /// The clock moves there.
    At(u64),
    Wake,
}

/// What has come after these steps, none of which is refused.
pub(crate) fn after(script: &Script, steps: &[Go]) -> Course {
    let mut course = Course::new();
    for step in steps {
        if let Go::At(now) = step {
            course.now = *now;
        } else {
            let event = event_of(script, &mut course, *step);
            course.take(event).unwrap_or_else(|refusal| panic!("{step:?} of {steps:?}: {refusal}"));
        }
    }
    course
}

pub(crate) fn event_of(script: &Script, course: &mut Course, step: Go) -> PaidEvent {
    match step {
        Go::Open => PaidEvent::Open(Box::new(script.opened.terms.clone())),
        Go::Show(what) => PaidEvent::Show(script.show(what)),
        Go::Told(what) => course.tell(what),
        Go::Freeze => PaidEvent::Freeze(Freeze { case: CASE }),
        Go::Thaw => PaidEvent::Thaw(Thaw { case: CASE }),
        Go::At(_) | Go::Wake => PaidEvent::Wake,
    }
}

/// Facts in short: what they say, without whose.
pub(crate) fn short(facts: &[PaidFact]) -> String {
    let one = |fact: &PaidFact| match fact {
        PaidFact::Shown { what, counts, .. } => format!("{}{}", what.name(), if *counts { "" } else { " (late)" }),
        PaidFact::Told { what, .. } => format!("told {}", what.name()),
        PaidFact::Decided(decision) => format!("{} by {}", decision.outcome.name(), decision.cause.name()),
        other => other.kind().to_string().replace("exchange.paid-", ""),
    };
    facts.iter().map(one).collect::<Vec<_>>().join(" + ")
}
