//! Exchanges through the arbiter: an honest one's, and one fault at a time.

use super::exchange::{Court, DELTA_MS, VERDICT};
use super::*;
use crate::crypto::OsEntropy;
use crate::evidence::{Envelope, ExchangeKind, OpsFact, Recorded as _};
use crate::exchange::inline::testing::{SIDES, Script, at, goods, honest, millis, policy as inline_policy, proposal};
use crate::exchange::inline::{Clocked, Ends, Inline, InlineEvent, InlineFact, InlineState};
use crate::exchange::policy::ExchangePolicy;
use crate::exchange::tag_of_verdict;
use crate::exchange::testing::PEOPLE;
use crate::role::step;
use crate::statement::Jws;
use crate::statement::exchange::inline::{DepositFault, DepositMode, I1, Refused};
use crate::statement::exchange::item::MatchResult;
use crate::statement::exchange::{Outcome as Decided, Side};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;
use crate::vault::{DataKey, Object, seal};
use MatchResult::{Match, NeedsHuman};
use Side::{Originator, Responder};

fn policy() -> Vec<u8> {
    ExchangePolicy { inline: Some(inline_policy()), ..ExchangePolicy::new(DELTA_MS, 5_000) }.to_bytes()
}

/// An arbiter with its ledger, and one exchange after the other.
struct Desk {
    court: Court,
    script: Script,
    state: InlineState,
    /// Whether its key has signed before.
    was_used: bool,
    /// What a corrupt arbiter changes in what it tells of a decision.
    lie: fn(&mut InlineFact),
    /// What it leaves out of its verdict, or says otherwise.
    forged: fn(&Script, Jws) -> Jws,
    /// What it keeps of so many octets.
    sealed: fn(usize) -> Vec<u8>,
}

fn sealed(size: usize) -> Vec<u8> {
    let key = DataKey::generate(&OsEntropy).unwrap();
    seal(&vec![7; size], &key, Object { id: [1; 32], version: 1 }, &OsEntropy).unwrap()
}

/// Until 600 and 1200 s from now on.
fn script(now: Timestamp, is_of_goods: bool) -> Script {
    let (t_dep, t_exp) = (millis(now.plus_secs(600).millis()), millis(now.plus_secs(1_200).millis()));
    let base = I1 { policy: Digest::of(&policy()).into(), t_dep, t_exp, ..proposal(DepositMode::Content) };
    Script::of(if is_of_goods { honest(I1 { o_item: goods(), ..base }) } else { base })
}

impl Desk {
    fn new() -> Self {
        let court = Court::of(&policy());
        let script = script(court.now, false);
        let state = InlineState::default();
        Self { court, script, state, was_used: false, lie: |_| (), forged: |_, jws| jws, sealed }
    }

    fn next(&mut self, is_of_goods: bool) {
        // Each begins at another moment, so that each has another name.
        self.court.pass(1);
        self.script = script(self.court.now, is_of_goods);
        self.state = InlineState::default();
    }

    fn register(&mut self) {
        let agreement = self.script.proposed.agreement(&self.script.agreed, &inline_policy());
        self.happens(InlineEvent::Register(Box::new(agreement)));
    }

    fn deposit(&mut self, side: Side, found: Result<MatchResult, DepositFault>) {
        let deposited = &self.script.deposits[at(side)];
        let (mut moved, size) = (deposited.moved(), deposited.deposit.size.get());
        if found.is_err() {
            moved.request = Digest::of(b"another statement");
        }
        self.happens(InlineEvent::Deposit { moved, size, found });
    }

    fn waive(&mut self, side: Side) {
        let (request, items) =
            (self.script.waivers[at(side)].x(), SIDES.map(|side| self.script.deposits[at(side)].moved().item));
        self.happens(InlineEvent::Waive { side, request, items });
    }

    fn cancel(&mut self, side: Side) {
        self.happens(InlineEvent::Cancel { side, request: self.script.cancels[at(side)].x() });
    }

    fn collect(&mut self, side: Side) {
        self.happens(InlineEvent::Collect { side, request: self.script.collects[at(side)].x() });
    }

    /// Decides, and records all of it.
    fn happens(&mut self, event: InlineEvent) {
        if !std::mem::replace(&mut self.was_used, true) {
            let first_use = OpsFact::KeyFirstUse { key: VERDICT };
            self.court.world.record(first_use, Aggregate::of_key(VERDICT), 1, &[], self.court.now, None);
        }
        let terms = &self.script.proposed.proposal;
        let ends = Ends::of(terms.t_dep.get(), terms.t_exp.get(), DELTA_MS, &self.court.outages);
        let (now, before) = (self.court.now, self.state.steps);
        let event = Clocked { event, ends, clock: ClockVerdict::Synced };
        let (facts, _) = step::<Inline>(&mut self.state, &event, now).unwrap();
        for (seq, mut fact) in (before..).zip(facts) {
            (self.lie)(&mut fact);
            let artefact = match &fact {
                InlineFact::Kept { size, .. } => Some((self.sealed)(usize::try_from(*size).unwrap())),
                fact => self.artefact(fact).map(|jws| jws.bytes().to_vec()),
            };
            let tags = matches!(fact, InlineFact::Decided(_)).then(|| tag_of_verdict(&self.script.x()));
            let event_digest = match &event.event {
                InlineEvent::Register(agreement) => agreement.request,
                InlineEvent::Deposit { moved, .. } => moved.request,
                InlineEvent::Cancel { request, .. }
                | InlineEvent::Waive { request, .. }
                | InlineEvent::Collect { request, .. } => *request,
                InlineEvent::Wake => Digest::of(b"timer"),
            };
            let aggregate = Inline::aggregate(&self.script.x());
            let policy_hash = Digest::of(b"policy");
            let envelope = Envelope { aggregate, seq, now, salt: [5; 16], policy_hash, event_digest };
            self.court.world.push(fact.into_fact(&envelope), artefact, tags.into_iter().collect());
        }
    }

    fn artefact(&self, fact: &InlineFact) -> Option<Jws> {
        let Script { proposed, agreed, deposits, cancels, waivers, collects, .. } = &self.script;
        let (at_ms, x) = (fact.at().millis(), Some(self.script.x()));
        Some(match fact {
            InlineFact::Registered { .. } => self.script.registered(at_ms),
            InlineFact::Submitted { moved, result, .. } => self.script.nrs(moved.side, *result, at_ms),
            InlineFact::SubmissionRefused { moved, reason, .. } => {
                let at_ms = millis(at_ms);
                let refused = Refused { side: moved.side, req: moved.request.into(), reason: *reason, at_ms };
                PEOPLE.t.sign_at(at_ms, x, refused)
            }
            InlineFact::Waived { side, .. } => waivers[at(*side)].clone(),
            InlineFact::Decided(decision) => {
                let mut basis = vec![&proposed.jws, &agreed.jws];
                let held = SIDES.iter().filter(|side| self.state.deposit(**side).is_some());
                basis.extend(held.map(|side| &deposits[at(*side)].jws));
                match (decision.outcome, decision.by) {
                    (Decided::Released, _) if self.state.waived.iter().all(Option::is_some) => basis.extend(waivers),
                    (Decided::Returned, Some((side, _))) => basis.push(&cancels[at(side)]),
                    _ => {}
                }
                let signed = self.script.verdict_after(&decision.end.outages, decision.outcome, at_ms, &basis);
                (self.forged)(&self.script, signed)
            }
            InlineFact::Collected { moved, .. } => collects[at(moved.side)].clone(),
            InlineFact::Kept { .. } | InlineFact::Erased { .. } => return None,
        })
    }

    /// One that is released.
    fn release(&mut self) {
        self.register();
        self.deposit(Originator, Ok(Match));
        self.deposit(Responder, Ok(Match));
    }
}

#[test]
fn an_honest_arbiter_of_exchanges_is_decided_again_and_nothing_differs() {
    let mut desk = Desk::new();
    desk.register();
    desk.deposit(Responder, Err(DepositFault::OtherItem));
    desk.court.pass(1);
    desk.deposit(Originator, Ok(Match));
    desk.deposit(Responder, Ok(Match));
    desk.collect(Originator);
    desk.court.pass(10);
    desk.happens(InlineEvent::Wake);
    desk.next(true);
    desk.register();
    desk.deposit(Responder, Ok(Match));
    desk.deposit(Originator, Ok(NeedsHuman));
    desk.waive(Originator);
    desk.court.pass(700);
    desk.waive(Responder);
    desk.next(false);
    desk.register();
    desk.cancel(Responder);
    desk.next(false);
    desk.register();
    desk.deposit(Originator, Ok(Match));
    desk.cancel(Originator);
    desk.collect(Originator);
    desk.court.pass(1);
    desk.happens(InlineEvent::Wake);
    // Away over the end for deposits: it moved, and is missed by one and kept by another.
    for is_kept in [true, false] {
        desk.next(false);
        desk.register();
        desk.deposit(Originator, Ok(Match));
        let from = desk.court.now;
        desk.court.pass(650);
        desk.court.away(from);
        desk.court.pass(DELTA_MS / 1_000 + u64::from(!is_kept));
        desk.deposit(Responder, Ok(Match));
    }
    // Registered when it is over, and returned at its end with both deposits in.
    desk.next(false);
    desk.court.pass(601);
    desk.register();
    desk.next(true);
    desk.register();
    for side in SIDES {
        desk.deposit(side, Ok(NeedsHuman));
    }
    desk.waive(Responder);
    desk.court.pass(1_201);
    desk.happens(InlineEvent::Wake);
    let report = desk.court.world.audit();
    assert_eq!(report.differences, []);
    let same = |kind| report.kinds[&Some(Kind::Exchange(kind))].same;
    use ExchangeKind::{
        InlineReleased, ItemCollected, ItemKept, ItemsErased, Registered, Returned, SubmissionRefused, Submitted,
        Waived,
    };
    for (kind, count) in [
        (Registered, 8),
        (Submitted, 10),
        (ItemKept, 10),
        (SubmissionRefused, 1),
        (Waived, 3),
        (InlineReleased, 3),
        (Returned, 5),
        (ItemCollected, 2),
        (ItemsErased, 2),
    ] {
        assert_eq!(same(kind), count, "{kind:?}");
    }
}

#[track_caller]
fn lies(lie: fn(&mut InlineFact), expected: &str) {
    let mut desk = Desk { lie, ..Desk::new() };
    desk.release();
    let found = desk.court.differences();
    assert!(found.iter().any(|what| what == expected), "{found:#?}");
}

#[test]
fn a_fact_that_could_not_have_come_about_differs() {
    // Released when one of them was not found to be what was described.
    lies(
        |fact| {
            if let InlineFact::Submitted { moved, result, .. } = fact
                && moved.side == Originator
            {
                *result = NeedsHuman;
            }
        },
        "no event could have led to it",
    );
    lies(
        |fact| {
            if let InlineFact::Decided(decision) = fact {
                decision.outcome = Decided::Returned;
            }
        },
        "the decision in front of it left another fact",
    );
    lies(
        |fact| {
            if let InlineFact::Decided(decision) = fact {
                decision.end.at_ms += 1;
            }
        },
        "the decision in front of it left another fact",
    );
    lies(
        |fact| {
            if let InlineFact::Registered { agreement, .. } = fact {
                agreement.t_dep += 1;
            }
        },
        "what both sides have agreed on is something else than its fact says",
    );
    lies(
        |fact| {
            if let InlineFact::Registered { agreement, .. } = fact {
                agreement.policy = Digest::of(b"another");
            }
        },
        "its policy was never in force",
    );
    lies(
        |fact| {
            if let InlineFact::Submitted { moved, .. } = fact {
                moved.item = Digest::of(b"another");
            }
        },
        "its receipt says something else than its fact",
    );
}

#[test]
fn what_is_kept_is_sealed_and_whole() {
    let of = |sealed: fn(usize) -> Vec<u8>| {
        let mut desk = Desk { sealed, ..Desk::new() };
        desk.release();
        desk.court.differences()
    };
    assert_eq!(of(sealed), [""; 0]);
    let needs = ["what is kept is not sealed, or not as much as was deposited"; 2];
    assert_eq!(of(|size| vec![7; size]), needs);
    assert_eq!(of(|size| sealed(size - 1)), needs);
}

#[test]
fn a_verdict_that_embeds_something_else_differs() {
    let of = |forged: fn(&Script, Jws) -> Jws| {
        let mut desk = Desk { forged, ..Desk::new() };
        desk.release();
        desk.court.differences()
    };
    assert_eq!(of(|_, jws| jws), [""; 0]);
    let needs = ["its verdict does not embed what its outcome needs"];
    // On one deposit, on one twice, in another order, with a cancel.
    assert_eq!(
        of(|script, jws| script.verdict(Decided::Released, jws.common().iat.get(), &script.basis()[..3])),
        needs
    );
    let twice = |script: &Script, jws: Jws| {
        let [i1, i2, o, _] = script.basis()[..] else { unreachable!() };
        script.verdict(Decided::Released, jws.common().iat.get(), &[i1, i2, o, o])
    };
    assert_eq!(of(twice), needs);
    let with_cancel = |script: &Script, jws: Jws| {
        let basis = [&script.basis()[..], &[&script.cancels[0]]].concat();
        script.verdict(Decided::Released, jws.common().iat.get(), &basis)
    };
    assert_eq!(of(with_cancel), needs);
    let says = ["its verdict says something else than its fact"];
    let other_outcome =
        |script: &Script, jws: Jws| script.verdict(Decided::Returned, jws.common().iat.get(), &script.basis());
    assert_eq!(of(other_outcome), says);
    let moved = |script: &Script, jws: Jws| {
        script.verdict_after(&[7], Decided::Released, jws.common().iat.get(), &script.basis())
    };
    assert_eq!(of(moved), says);
    let later =
        |script: &Script, jws: Jws| script.verdict(Decided::Released, jws.common().iat.get() + 1, &script.basis());
    assert_eq!(of(later), ["its artefact is of another moment"]);
}

/// What only the octets can show is believed; what the hash shows is not.
#[test]
fn a_deposit_that_is_told_to_be_more_than_it_can_be_differs() {
    let mut desk = Desk::new();
    desk.next(true);
    desk.register();
    // Goods: no machine can have found that these papers are they.
    desk.deposit(Originator, Ok(Match));
    let found = desk.court.differences();
    assert_eq!(found, ["its deposit is told to be more of what was described than it can be"]);
}

/// A run that was decided is decided once, and nobody who has deposited nothing collects.
#[test]
fn a_fact_out_of_its_order_differs() {
    let mut desk = Desk::new();
    desk.release();
    let decided = desk.state.clone();
    // The arbiter forgets, and decides again.
    desk.state.decision = None;
    desk.court.pass(1_201);
    desk.happens(InlineEvent::Wake);
    let found = desk.court.differences();
    assert!(found.iter().any(|what| what == "decided again, it is another"), "{found:?}");
    assert_eq!(decided.phase(), crate::exchange::inline::Phase::Released);
    let mut desk = Desk::new();
    desk.happens_unregistered();
    let found = desk.court.differences();
    assert!(found.iter().any(|what| what == "it is of an exchange that was not registered"), "{found:?}");
}

impl Desk {
    /// A deposit of an exchange whose registration is not told.
    fn happens_unregistered(&mut self) {
        let agreement = self.script.proposed.agreement(&self.script.agreed, &inline_policy());
        let fact = InlineFact::Registered { at: self.court.now, agreement: Box::new(agreement) };
        <Inline as crate::role::Role>::apply(&mut self.state, &fact);
        self.state.steps = 0;
        self.deposit(Originator, Ok(Match));
    }
}
