//! An honest arbiter, whatever its parties ask and in whatever order, with absences of its own: nothing that it has signed and recorded
//! convicts it, in whatever selection and spelling somebody lays it before a court.

use proptest::prelude::*;

use super::arbiter::{DELTA, MMD, T, T0, context, key, offer, statement};
use super::*;
use crate::exchange::expiry::{End, Outage, end};
use crate::exchange::testing::{PEOPLE, Script, twin};
use crate::exchange::{Ask, Clocked, Demand, Exchange, ExchangeFact, ExchangeState};
use crate::role::step;
use crate::statement::Jws;
use crate::statement::exchange::{Outcome, Protocol, Side};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Abort,
    Resolve(Side),
    Status,
    /// A receipt first, and the answer later.
    Later(Side),
    /// The arbiter takes no requests for so long.
    Away(u64),
}

fn steps() -> impl Strategy<Value = Vec<(Step, u64, u64)>> {
    let side = prop_oneof![Just(Side::Originator), Just(Side::Responder)];
    let step = prop_oneof![
        2 => Just(Step::Abort),
        3 => side.clone().prop_map(Step::Resolve),
        2 => Just(Step::Status),
        1 => side.prop_map(Step::Later),
        3 => (1..3_000_u64).prop_map(Step::Away),
    ];
    // How long after the step before, and how long its commit takes.
    prop::collection::vec((step, 0..2_500_u64, prop_oneof![Just(0), Just(MMD), 0..=MMD]), 1..8)
}

struct Honest {
    t: T,
    script: Script,
    now: u64,
    /// When it last took requests.
    alive: u64,
    outages: Vec<Outage>,
    state: ExchangeState,
    decided: Option<(Outcome, Jws)>,
    told: Vec<Jws>,
    facts: Vec<Item>,
}

impl Honest {
    fn new(t_exp: Option<u64>) -> Self {
        Self {
            t: T::new(),
            script: Script::of(offer(t_exp, 1)),
            now: T0,
            alive: T0,
            outages: Vec::new(),
            state: ExchangeState::default(),
            decided: None,
            told: Vec::new(),
            facts: Vec::new(),
        }
    }

    fn run(t_exp: Option<u64>, steps: &[(Step, u64, u64)]) -> Self {
        let mut honest = Self::new(t_exp);
        for (step, pause, commit) in steps {
            honest.now += pause;
            honest.step(*step, *commit);
        }
        let end = honest.now + MMD + 1;
        honest.t.later(end);
        honest
    }

    fn step(&mut self, step: Step, commit: u64) {
        let x = self.script.x();
        match step {
            Step::Abort => self.ask(Side::Originator, &self.script.abort.clone(), Demand::Abort, commit),
            Step::Resolve(side) => self.resolve(side, commit),
            Step::Status => {
                let decided = self.decided.as_ref().map(|(outcome, verdict)| (*outcome, verdict.digest()));
                let status = self.t.status(x, self.now, self.t.log.size(), decided);
                self.told.push(status);
            }
            Step::Later(side) => {
                if self.decided.is_none() {
                    let request = self.script.resolve(side).x();
                    let receipt = self.t.receipt(x, request, self.now, self.now + 500);
                    let status = self.t.status(x, self.now + 500, self.t.log.size(), None);
                    self.told.extend([receipt, status]);
                    self.now += 500;
                }
                self.resolve(side, commit.min(DELTA));
            }
            Step::Away(for_ms) => {
                let (from, to) = (self.alive, self.now + for_ms);
                let (fact, index) = self.t.outage(from, to);
                self.facts.push(fact);
                self.outages.push(Outage { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to), index });
                (self.now, self.alive) = (to, to);
            }
        }
    }

    fn resolve(&mut self, side: Side, commit: u64) {
        let c_r = self.script.answered.c_r;
        self.ask(side, &self.script.resolve(side), Demand::Resolve { c_r }, commit);
    }

    /// As the service does it: decide, sign, record.
    fn ask(&mut self, side: Side, request: &Jws, demand: Demand, commit: u64) {
        let run = &self.script.offered.run;
        let mut outages = self.outages.clone();
        outages.sort_unstable();
        let end: Option<End> = run.t_exp.map(|t_exp| end(t_exp, DELTA, &outages));
        let event = Ask {
            x: run.x,
            protocol: Protocol::AswR,
            policy: run.policy,
            assurance: self.script.offered.offer.assurance,
            end,
            o: run.o.key,
            r: run.r.key,
            side,
            request: request.x(),
            demand,
        };
        let clocked = Clocked { event, clock: ClockVerdict::Synced };
        let Ok((facts, _)) = step::<Exchange>(&mut self.state, &clocked, Timestamp::from_millis(self.now)) else {
            return;
        };
        self.alive = self.now;
        let at = self.now + commit;
        for fact in facts {
            match fact {
                ExchangeFact::Decided(decision) => {
                    let named = decision.end.map(|end| end.outages).unwrap_or_default();
                    let verdict = self.t.verdict(&self.script, decision.outcome, self.now, &named);
                    self.t.record_verdict(&verdict, at);
                    self.told.push(verdict.clone());
                    self.decided = Some((decision.outcome, verdict));
                }
                ExchangeFact::Answered { to, request, .. } => {
                    let verdict = self.decided.as_ref().unwrap().1.digest();
                    let answer = self.t.answer(self.script.x(), to, request, verdict, self.now);
                    self.t.record_answer(&answer, at);
                    self.told.push(answer);
                }
                ExchangeFact::Anomaly { .. } | ExchangeFact::KeyDeposited(_) | ExchangeFact::KeyCollected(_) => {}
            }
        }
        self.now = at;
    }

    /// All that anybody can lay before a court: each statement in both spellings, the whole log, and what strangers make up.
    fn exhibits(&mut self) -> Vec<Item> {
        let size = self.t.log.size();
        let mut items: Vec<Item> = (0..size).map(|index| Item::Entry(self.t.log.entry(index))).collect();
        items.extend(context(&self.script));
        items.extend([key(&PEOPLE.stranger), statement(&twin(&self.script.offered.jws))]);
        items.extend(self.facts.clone());
        for told in &self.told {
            items.extend([statement(told), statement(&twin(told))]);
        }
        items.extend([0, size / 2].map(|first| Item::Stretch(self.t.log.stretch(first, size - first))));
        items.push(Item::Checkpoint(self.t.log.checkpoint(size)));
        if let Some((_, verdict)) = &self.decided {
            let body = verdict.payload_as::<crate::statement::exchange::verdict::Verdict>().unwrap().body;
            items.push(statement(&PEOPLE.stranger.sign(Some(self.script.x()), body)));
        }
        items
    }
}

/// The worst that comes of these items and of selections among them, in any kind.
pub(super) fn worst(items: &[Item], seed: u64) -> Option<String> {
    let trust = trust().with_arbiter_keys(vec![PEOPLE.t.name()]);
    let anchors = Anchors { log_keys: trust.log_keys(), trust: Some(&trust) };
    let mut seed = seed | 1;
    let mut drawn = || {
        // Knuth's multiplier; nobody's secret hangs on it.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    for selection in 0..3 {
        let kept = items.iter().filter(|_| selection == 0 || drawn() % 4 != 0);
        let mut items: Vec<Item> = kept.cloned().collect();
        if !matches!(items.first(), Some(Item::Entry(proof)) if proof.index == 0) {
            items.retain(|item| !matches!(item, Item::Entry(_) | Item::Stretch(_) | Item::Fact(_)));
        }
        for kind in Kind::ALL {
            let judgement = judge(&Proof::of_arbiter(kind, ORIGIN, items.clone()), &anchors);
            if judgement.verdict == Verdict::Proven || judgement.is_rebuttable {
                return Some(format!("{}: {}", kind.name(), judgement.reason));
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nothing_honest_convicts(
        steps in steps(),
        ends_after in prop::option::of(0..9_000_u64),
        seed: u64,
    ) {
        let mut honest = Honest::run(ends_after.map(|after| T0 + after), &steps);
        let found = worst(&honest.exhibits(), seed);
        prop_assert_eq!(found, None);
    }
}

/// Each outcome of the table of exchange-and-disputes §5, first and second request, in time and late, with an absence at the end or none.
#[test]
fn nothing_of_the_table_convicts() {
    let requests = [Step::Abort, Step::Resolve(Side::Originator), Step::Resolve(Side::Responder)];
    let mut outcomes = std::collections::BTreeSet::new();
    for first in requests {
        for second in requests {
            for away in [None, Some(900)] {
                for pause in [1_000, 1_001] {
                    let away = away.map(|for_ms| (Step::Away(for_ms), 500, 0));
                    let asked = [(first, pause, 3), (Step::Status, 1, 0), (second, 7, 0), (Step::Status, 1, 0)];
                    let steps: Vec<_> = away.into_iter().chain(asked).collect();
                    let mut honest = Honest::run(Some(T0 + 1_000), &steps);
                    assert_eq!(worst(&honest.exhibits(), 7), None, "{steps:?}");
                    outcomes.extend(honest.decided.map(|(outcome, _)| outcome));
                }
            }
        }
    }
    assert_eq!(outcomes.len(), 3);
}

/// The same search finds what an arbiter does wrong.
#[test]
fn the_search_bites() {
    let steps = [(Step::Abort, 5, 0), (Step::Away(100), 5, 0)];
    type Wrong<'w> = (&'static str, &'w dyn Fn(&mut Honest));
    let wrongs: [Wrong<'_>; 5] = [
        ("equivocation", &|honest| {
            let second = honest.t.verdict(&honest.script, Outcome::Resolved, honest.now, &[]);
            honest.told.push(second);
        }),
        ("omission", &|honest| {
            let (x, abort) = (honest.script.x(), honest.script.abort.x());
            let answer = honest.t.answer(x, PEOPLE.o.name(), abort, honest.told[0].digest(), T0 + 5);
            honest.told.push(answer);
        }),
        ("time", &|honest| {
            let (fact, _) = honest.t.outage(T0 + 4, T0 + 6);
            honest.facts.push(fact);
        }),
        ("equivocation", &|honest| {
            let status = honest.t.status(honest.script.x(), honest.now, honest.t.log.size(), None);
            honest.told.push(status);
        }),
        ("time", &|honest| {
            let receipt = honest.t.receipt(honest.script.x(), honest.script.abort.x(), T0 + 6, T0 + 7);
            honest.told.push(receipt);
        }),
    ];
    for (kind, wrong) in wrongs {
        let mut honest = Honest::run(None, &steps);
        assert_eq!(worst(&honest.exhibits(), 7), None);
        wrong(&mut honest);
        let found = worst(&honest.exhibits(), 7);
        assert!(found.as_ref().is_some_and(|found| found.starts_with(kind)), "{kind}: {found:?}");
    }
}
