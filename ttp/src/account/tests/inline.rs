//! An arbiter that does wrong with what passed through its hands, beside what looks like it and convicts nobody.

use super::arbiter::*;
use super::exchange::{acquits, convicts, files};
use super::*;
use crate::evidence::{ExchangeKind, Kind as EntryKind};
use crate::exchange::inline::testing::{Script, T_DEP, T_EXP, goods, honest, proposal};
use crate::exchange::testing::PEOPLE;
use crate::statement::exchange::cd_r::EscrowArbiter;
use crate::statement::exchange::inline::{DepositMode, I1};
use crate::statement::exchange::item::MatchResult;
use crate::statement::exchange::{Outcome, Side};
use crate::statement::{Jws, Origin};
use MatchResult::{Match, NeedsHuman};
use Side::{Originator, Responder};

fn terms() -> I1 {
    let base = proposal(DepositMode::Content);
    let ttp = EscrowArbiter { id: Origin::new(ORIGIN).unwrap(), ..base.ttp.clone() };
    I1 { policy: Digest::of(&policy()).into(), ttp, ..base }
}

fn papers() -> I1 {
    honest(I1 { o_item: goods(), ..terms() })
}

/// Everything that a side has besides what the arbiter told it.
fn context() -> Vec<Item> {
    vec![key(&PEOPLE.t), key(&PEOPLE.o), key(&PEOPLE.r), Item::Policy(policy())]
}

/// A verdict with its entry, and receipts of deposits.
fn shown(verdict: &Jws, receipts: &[Jws]) -> Vec<Item> {
    let mut t = T::new();
    let index = t.record_verdict(verdict, verdict.common().iat.get() + 1);
    let statements: Vec<_> = std::iter::once(verdict).chain(receipts).map(statement).collect();
    files(&[&context(), &statements, &t.entries([index])])
}

#[test]
fn a_release_that_does_not_follow() {
    let script = Script::of(terms());
    let [i1, i2, o, r] = script.basis()[..] else { unreachable!() };
    let cancel = &script.cancels[0];
    let released = |basis: &[&Jws]| shown(&script.verdict(Outcome::Released, T0 + 5, basis), &[]);
    for (basis, words) in [
        (&[i1][..], "does not rest on an agreement of both"),
        (&[i1, i2], "lets items go that were not both deposited"),
        (&[i1, i2, o], "lets items go that were not both deposited"),
        (&[i1, i2, o, o], "two statements of one kind by one side"),
        (&[i1, i2, o, r, cancel], "lets items go after a cancel"),
        (&[i1, o, r], "of the kind \"inline/deposit\""),
    ] {
        convicts(Kind::BrokenRule, &released(basis), words);
    }
    acquits(Kind::BrokenRule, &released(&[i1, i2, o, r]), Verdict::Unfounded, "follows from what it embeds");
    let other = Script::of(I1 { retention_ms: crate::statement::Count::new(5), ..terms() });
    convicts(Kind::BrokenRule, &released(&[i1, i2, o, &other.deposits[1].jws]), "belongs to another run");
    // Goods that nobody has taken as they are.
    let script = Script::of(papers());
    let [by_o, by_r] = &script.waivers;
    let with =
        |more: &[&Jws]| shown(&script.verdict(Outcome::Released, T0 + 5, &[&script.basis()[..], more].concat()), &[]);
    convicts(Kind::BrokenRule, &with(&[]), "that only people can judge");
    convicts(Kind::BrokenRule, &with(&[by_r]), "that only people can judge");
    acquits(Kind::BrokenRule, &with(&[by_o, by_r]), Verdict::Unfounded, "follows from what it embeds");
}

#[test]
fn a_return_that_its_own_receipts_refute() {
    let script = Script::of(terms());
    let [i1, i2, o, r] = script.basis()[..] else { unreachable!() };
    let late = script.verdict(Outcome::Returned, T_EXP + 5, &[i1, i2, o]);
    let [of_o, of_r] = [Originator, Responder].map(|side| script.nrs(side, Match, T0 + 3));
    let refuted = "had taken the deposits by which it was to decide otherwise";
    convicts(Kind::BrokenRule, &shown(&late, &[of_o.clone(), of_r.clone()]), refuted);
    let human = script.nrs(Responder, NeedsHuman, T0 + 3);
    for receipts in [&[][..], std::slice::from_ref(&of_o), &[of_o.clone(), human]] {
        acquits(Kind::BrokenRule, &shown(&late, receipts), Verdict::Unfounded, "");
    }
    let cancelled = script.verdict(Outcome::Returned, T0 + 5, &[i1, i2, &script.cancels[1]]);
    convicts(Kind::BrokenRule, &shown(&cancelled, std::slice::from_ref(&of_o)), refuted);
    acquits(Kind::BrokenRule, &shown(&cancelled, &[of_r]), Verdict::Unfounded, "");
    let after = script.nrs(Originator, Match, T0 + 6);
    acquits(Kind::BrokenRule, &shown(&cancelled, &[after]), Verdict::Unfounded, "");
    // With both deposits in it, it refutes itself.
    let itself = script.verdict(Outcome::Returned, T_EXP + 5, &[i1, i2, o, r]);
    convicts(Kind::BrokenRule, &shown(&itself, &[]), "returns items that were to be released");
}

#[test]
fn an_exchange_decided_on_the_wrong_side_of_its_end() {
    let script = Script::of(terms());
    let [i1, i2, o, _] = script.basis()[..] else { unreachable!() };
    let released = |at_ms| shown(&script.verdict(Outcome::Released, at_ms, &script.basis()), &[]);
    convicts(Kind::Time, &released(T_DEP + 1), "the run ended with");
    acquits(Kind::Time, &released(T_DEP), Verdict::Unfounded, "");
    let returned = |at_ms| shown(&script.verdict(Outcome::Returned, at_ms, &[i1, i2, o]), &[]);
    convicts(Kind::Time, &returned(T_DEP), "the run ended with");
    acquits(Kind::Time, &returned(T_DEP + 1), Verdict::Unfounded, "");
    let cancelled = |at_ms| shown(&script.verdict(Outcome::Returned, at_ms, &[i1, i2, &script.cancels[0]]), &[]);
    acquits(Kind::Time, &cancelled(T_DEP), Verdict::Unfounded, "");
    convicts(Kind::Time, &cancelled(T_DEP + 1), "the run ended with");
    // With both in, and only people to judge, the end of the run counts.
    let script = Script::of(papers());
    let returned = |at_ms| shown(&script.verdict(Outcome::Returned, at_ms, &script.basis()), &[]);
    convicts(Kind::Time, &returned(T_DEP + 1), "the run ended with");
    acquits(Kind::Time, &returned(T_EXP + 1), Verdict::Unfounded, "");
}

/// The receipt of a deposit is recorded like a verdict.
#[test]
fn a_receipt_of_a_deposit_that_is_not_recorded() {
    let script = Script::of(terms());
    let nrs = script.nrs(Originator, Match, T0 + 3);
    let mut t = T::new();
    let known = t.known();
    t.later(T0 + 3);
    t.later(T0 + 3 + MMD);
    t.later(T0 + 4 + MMD);
    let first = statement(&script.proposed.jws);
    let items = files(&[&context(), &known, &[statement(&nrs), first.clone(), t.whole()], &t.entries([])]);
    convicts(Kind::Omission, &items, "receipt of a deposit");
    let mut honest = T::new();
    let known = honest.known();
    let index = honest.record(EntryKind::Exchange(ExchangeKind::Submitted), T0 + 4, nrs.digest(), None);
    honest.later(T0 + 3 + MMD + 1);
    let items = files(&[&context(), &known, &[statement(&nrs), first, honest.whole()], &honest.entries([index])]);
    acquits(Kind::Omission, &items, Verdict::Unfounded, "");
}
