//! A shell between two roles and a rail that fails in every way, and random histories: statements in any order, time, cases, crashes.
//!
//! Properties: a run is decided at most once, whatever comes; the money is never both captured and given back, and never against the decision;
//! nothing is captured without what the decision needs; a receipt that counts was paid; the verdict follows from what it embeds; the fold of the
//! facts is the state; every run comes to an end.
//!
//! [`Shell`] is also the shortest description of what a shell does between the two roles.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::*;
use crate::crypto::{SignatureAlgorithm, SoftKey};
use crate::payment::rail::{PaymentRail as _, RailClass, RailId, RailOp};
use crate::payment::simulator::Simulator;
use crate::payment::{
    Authority, Change, Clocked as PaymentClocked, Order, Payment, PaymentEvent, PaymentFact, PaymentRefusal,
    PaymentState, Terms as PaymentTerms, Told as RailTold,
};
use crate::role::Role as _;

static KEY: LazyLock<Arc<SoftKey>> =
    LazyLock::new(|| Arc::new(SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap()));

struct Shell<'s> {
    script: &'s Script,
    rail: Simulator,
    course: Course,
    money: PaymentState,
    paid: Vec<PaymentFact>,
    /// Facts about the money that the run was not told yet.
    untold: Vec<PaymentFact>,
}

impl<'s> Shell<'s> {
    fn new(script: &'s Script, class: RailClass, seed: [u8; 32], per_mille: u16) -> Self {
        let rail = Simulator::new(RailId::new("sim").unwrap(), class, KEY.clone(), seed, per_mille);
        let mut shell = Self {
            script,
            rail,
            course: Course::new(),
            money: PaymentState::default(),
            paid: Vec::new(),
            untold: Vec::new(),
        };
        shell.rail.advance_to(shell.now());
        shell.event(Open).unwrap();
        shell
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.course.now)
    }

    fn event(&mut self, step: Go) -> Result<(), PaidRefusal> {
        let event = event_of(self.script, &mut self.course, step);
        self.commit(event)
    }

    fn commit(&mut self, event: PaidEvent) -> Result<(), PaidRefusal> {
        let (facts, effects) = self.course.take(event)?;
        assert!(effects.len() <= facts.len() + 1);
        Ok(())
    }

    /// Gives an order to the role payment, by the name that it has.
    fn carry_out(&mut self, order: Move) {
        let terms = &self.script.opened.terms;
        let id = order_id(&terms.x, &order);
        let order_of = Order { id, by: Authority::Exchange };
        let event = match order {
            Move::Hold { until_ms } => PaymentEvent::Hold {
                terms: Box::new(PaymentTerms {
                    x: terms.x,
                    rail: terms.rail.clone(),
                    class: self.rail.class(),
                    payer: terms.payer.0,
                    payee: terms.payee.0,
                    amount: terms.amount,
                    fee_bps: terms.fee_bps,
                    until: Timestamp::from_millis(until_ms),
                }),
                order: order_of,
            },
            Move::Capture { amount } => PaymentEvent::Capture { amount, order: order_of },
            Move::Release => PaymentEvent::Release { order: order_of },
        };
        match self.pay(event) {
            // The rail contradicts itself, or a hold is over, or it comes too late to be asked for.
            Ok(()) | Err(PaymentRefusal::InSuspense | PaymentRefusal::NotAllowedNow { .. } | PaymentRefusal::Ended) => {
            }
            // The rail has declined to hold anything; the run is told so.
            Err(PaymentRefusal::AlreadyHeld) => assert!(matches!(order, Move::Hold { .. })),
            Err(refusal) => panic!("{order:?}: {refusal}"),
        }
    }

    fn pay(&mut self, event: PaymentEvent) -> Result<(), PaymentRefusal> {
        let event = PaymentClocked { event, clock: ClockVerdict::Synced };
        let (facts, _) = Payment::decide(&self.money, &event, self.now())?;
        for fact in facts {
            Payment::apply(&mut self.money, &fact);
            self.paid.push(fact.clone());
            self.untold.push(fact);
        }
        Ok(())
    }

    /// Asks the rail about the call that is under way.
    fn ask(&mut self) {
        if let Some(call) = self.money.pending() {
            let told = RailTold::from(&call.settle(&self.rail));
            self.pay(PaymentEvent::Outcome { key: call.key, told }).unwrap();
        }
    }

    /// Tells the run what became of its money.
    fn report(&mut self) {
        for fact in std::mem::take(&mut self.untold) {
            let what = match &fact.change {
                Change::Held { .. } => Told::Held,
                Change::Declined { op: RailOp::Hold, .. } => Told::HoldDeclined,
                Change::Declined { .. } => Told::Declined,
                Change::Captured { .. } => Told::Captured,
                Change::Released { .. } => Told::Released,
                Change::Expired { .. } => Told::Ended,
                _ => continue,
            };
            let source = Digest::of(format!("{fact:?}").as_bytes());
            self.commit(PaidEvent::Tell(Tell { what, source })).unwrap();
        }
    }

    fn run(&mut self, step: Step) {
        let is_new = self.course.decisions() == 0;
        match step {
            // Refusals change nothing.
            Step::Go(go) => drop(self.event(go)),
            Step::Later(millis) => {
                self.course.now += millis;
                self.rail.advance_to(self.now());
            }
            // First what is known is told, and what is then to be ordered is asked of the state: an order from before, or one more
            // after a rail declined, would move the money against the decision.
            Step::Order => {
                self.report();
                if let Some(order) = self.course.state.pending_move() {
                    self.carry_out(order);
                }
            }
            Step::Ask => self.ask(),
            Step::Report => self.report(),
            Step::Crash => self.crash(),
        }
        self.holds(is_new && self.course.decisions() > 0);
    }

    /// Everything but the facts is lost, and found again.
    fn crash(&mut self) {
        let mut state = PaidState::default();
        self.course.facts.iter().for_each(|fact| Paid::apply(&mut state, fact));
        assert_eq!(state, self.course.state, "the state is the fold of the facts");
        // What was told already is told again, and says nothing.
        self.untold = self.paid.clone();
    }

    /// What is never otherwise.
    fn holds(&self, is_decided_now: bool) {
        assert!(self.course.decisions() <= 1, "decided twice: {:?}", self.course.facts);
        let count = |is: fn(&Change) -> bool| self.paid.iter().filter(|fact| is(&fact.change)).count();
        let captured = count(|change| matches!(change, Change::Captured { .. }));
        let back = count(|change| matches!(change, Change::Released { .. }));
        assert!(captured + back <= 1, "the money went both ways: {:?}", self.paid);
        let state = &self.course.state;
        let outcome = self.course.outcome();
        if captured > 0 {
            // Before a receipt counts it is paid; before goods are paid that is decided.
            let ordered = outcome == Some(Outcome::Captured) || state.stage == Stage::Capturing;
            assert!(ordered, "captured as {outcome:?}: {:?}", self.course.facts);
            let earned = [Shown::Receipt, Shown::Received, Shown::HandedOver, Shown::Delivered, Shown::Released];
            assert!(earned.iter().any(|what| state.find(*what).is_some()));
        }
        if back > 0 {
            assert!(outcome.is_some_and(|outcome| outcome != Outcome::Captured));
        }
        if let Some((_, decision)) = state.decision.as_ref().filter(|_| is_decided_now) {
            let judgement = judged(self.script, &self.course);
            assert_eq!(judgement.findings.len(), 0, "{decision:?}");
            assert!(!judgement.receipt || captured > 0, "a receipt that was not paid");
        }
    }

    /// Whoever waits for the end gets one.
    fn ends(&mut self) {
        drop(self.event(Thawed));
        for _ in 0..40 {
            self.run(Step::Later(T_EXP));
            drop(self.event(Wake));
            for step in [Step::Order, Step::Ask, Step::Report, Step::Order, Step::Ask, Step::Report] {
                self.run(step);
            }
        }
        let state = &self.course.state;
        assert!(state.decision.is_some(), "{:?}", state.stage);
        let is_settled = state.pending_move().is_none() || state.is_unsettled();
        let is_in_suspense = self.money.is_contradicted();
        assert!(is_settled || is_in_suspense, "{:?} {:?}", state, self.money);
        if !is_in_suspense && !state.is_unsettled() {
            assert_ne!(state.holding, Holding::Held, "money is left");
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Go(Go),
    Later(u64),
    Order,
    Ask,
    Report,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => proptest::sample::select(Shown::ALL).prop_map(|what| Step::Go(S(what))),
        1 => Just(Step::Go(Frozen)),
        1 => Just(Step::Go(Thawed)),
        2 => Just(Step::Go(Wake)),
        2 => (0..1_500_u64).prop_map(Step::Later),
        5 => Just(Step::Order),
        5 => Just(Step::Ask),
        5 => Just(Step::Report),
        1 => Just(Step::Crash),
    ]
}

/// What an honest run does, with anything in between: else few histories come far.
fn steps(thing: Thing) -> Vec<Step> {
    let goes: &[Go] = match thing {
        Thing::Receipt => &[S(Shown::Receipt)],
        Thing::Physical => &[S(Shown::Accepted), S(Shown::Shipped), S(Shown::HandedOver), S(Shown::Received)],
        Thing::Digital => &[S(Shown::Accepted), S(Shown::Posted), S(Shown::Delivered)],
    };
    let settle = [Step::Order, Step::Ask, Step::Report];
    settle.into_iter().chain(goes.iter().flat_map(|go| [Step::Go(*go)].into_iter().chain(settle))).collect()
}

static SCRIPTS: LazyLock<[Script; 3]> =
    LazyLock::new(|| [Thing::Digital, Thing::Physical, Thing::Receipt].map(Script::new));

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn a_run_is_decided_once_and_money_moves_once(
        which in 0..3_usize,
        is_auth: bool,
        seed: [u8; 32],
        per_mille in prop_oneof![Just(0_u16), Just(300), Just(900)],
        honest in 0..20_usize,
        noise in proptest::collection::vec((any::<prop::sample::Index>(), step()), 0..25),
    ) {
        let script = &SCRIPTS[which];
        let class = if is_auth { RailClass::Auth } else { RailClass::Funded };
        let mut shell = Shell::new(script, class, seed, per_mille);
        let mut story = steps(script.opened.terms.thing);
        story.truncate(honest);
        for (at, step) in noise {
            let at = at.index(story.len() + 1);
            story.insert(at, step);
        }
        story.into_iter().for_each(|step| shell.run(step));
        shell.ends();
        shell.crash();
    }
}
