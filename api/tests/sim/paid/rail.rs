//! A rail that fails as a run has drawn it, and no other run: the simulator, asked by way of a script.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use semper_ttp::{
    crypto::{SignatureAlgorithm, SoftKey},
    digest::Digest,
    money::{Amount, Currency},
    payment::{
        rail::{Evidence, PaymentRail, RailAnswer, RailClass, RailId, RailOp},
        simulator::{Notice, Simulator, StatementLine, Trick},
    },
    time::Timestamp,
};

#[derive(Debug, Default)]
struct Script {
    tricks: BTreeMap<RailOp, Vec<Trick>>,
    seen: BTreeSet<Digest>,
    /// How often a call was begun anew, where each try is another one to the rail.
    tries: Option<BTreeMap<Digest, u32>>,
}

#[derive(Debug)]
pub(crate) struct PlayedRail {
    simulator: Simulator,
    script: Mutex<Script>,
}

impl PlayedRail {
    pub(crate) fn new(name: &str, class: RailClass) -> Arc<Self> {
        let signer = Arc::new(SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap());
        let simulator = Simulator::new(RailId::new(name).unwrap(), class, signer, [0; 32], 0);
        Arc::new(Self { simulator, script: Mutex::default() })
    }

    /// From now on it goes wrong in these ways, in their order; what is left of those before is forgotten. Where a try is not known again,
    /// each is another call to it, as to a rail that is asked under a new key whenever it gave no answer.
    pub(crate) fn play(&self, tricks: BTreeMap<RailOp, Vec<Trick>>, knows_again: bool) {
        let mut script = self.script.lock().unwrap();
        script.tricks = tricks;
        script.tries = (!knows_again).then(BTreeMap::new);
    }

    pub(crate) fn advance_to(&self, now: Timestamp) {
        self.simulator.advance_to(now);
    }

    pub(crate) fn take_notices(&self) -> Vec<Notice> {
        self.simulator.take_notices()
    }

    pub(crate) fn kept(&self, currency: Currency) -> i128 {
        self.simulator.kept(currency)
    }

    pub(crate) fn statement(&self) -> Vec<StatementLine> {
        self.simulator.statement()
    }

    fn asked(&self, op: RailOp, key: &Digest, ask: impl FnOnce(&Digest) -> RailAnswer) -> RailAnswer {
        let mut script = self.script.lock().unwrap();
        let name = script.name(key);
        if script.seen.insert(name)
            && let Some(tricks) = script.tricks.get_mut(&op)
            && !tricks.is_empty()
        {
            let trick = tricks.remove(0);
            self.simulator.script(op, trick);
        }
        let answer = ask(&name);
        if let (Some(tries), RailAnswer::Unknown) = (&mut script.tries, &answer) {
            *tries.entry(*key).or_default() += 1;
        }
        answer
    }

    fn named(&self, key: &Digest) -> Digest {
        self.script.lock().unwrap().name(key)
    }
}

impl Script {
    fn name(&self, key: &Digest) -> Digest {
        match self.tries.as_ref().and_then(|tries| tries.get(key)) {
            Some(tries) => Digest::of(&[&key.0[..], &tries.to_be_bytes()].concat()),
            None => *key,
        }
    }
}

impl PaymentRail for PlayedRail {
    fn id(&self) -> &RailId {
        self.simulator.id()
    }

    fn class(&self) -> RailClass {
        self.simulator.class()
    }

    fn hold(&self, key: &Digest, x: &Digest, amount: Amount, until: Timestamp) -> RailAnswer {
        self.asked(RailOp::Hold, key, |key| self.simulator.hold(key, x, amount, until))
    }

    fn capture(&self, key: &Digest, hold: &Digest, amount: Amount) -> RailAnswer {
        let hold = self.named(hold);
        self.asked(RailOp::Capture, key, |key| self.simulator.capture(key, &hold, amount))
    }

    fn release(&self, key: &Digest, hold: &Digest) -> RailAnswer {
        let hold = self.named(hold);
        self.asked(RailOp::Release, key, |key| self.simulator.release(key, &hold))
    }

    fn refund(&self, key: &Digest, capture: &Digest, amount: Amount) -> RailAnswer {
        let capture = self.named(capture);
        self.asked(RailOp::Refund, key, |key| self.simulator.refund(key, &capture, amount))
    }

    fn status(&self, key: &Digest) -> RailAnswer {
        self.simulator.status(&self.named(key))
    }

    fn evidence(&self, key: &Digest) -> Option<Evidence> {
        self.simulator.evidence(&self.named(key))
    }
}
