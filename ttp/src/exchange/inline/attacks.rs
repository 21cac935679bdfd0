//! Attacks on the inline exchange: each fails against the rule, and succeeds against a copy of the rule that was weakened, so that the test
//! is known to bite.

use super::ground::ground;
use super::message::RETENTION_MS_MIN;
use super::sealed::{key_hash, open_item};
use super::testing::{
    DELTA, ITEMS, SIDES, Script, T_DEP, T_EXP, at, deposit, goods, honest, millis, person, policy, proposal,
    sealed_item,
};
use super::*;
use crate::exchange::Broken;
use crate::exchange::attacks::bites;
use crate::exchange::judge::inline::{Evidence, Judgement, OtherItem, judge};
use crate::exchange::judge::{Filed, Finding};
use crate::exchange::policy::InlinePolicy;
use crate::exchange::run::Run;
use crate::exchange::testing::{ESCROW, IAT, PEOPLE, keys, participant, secret, twin};
use crate::role::step;
use crate::statement::exchange::inline::{Cancel, Collect, Deposit, DepositFault, DepositMode, I1, I2, Waive};
use crate::statement::exchange::item::{Fairness, ItemDescriptor, ItemKind, MatchResult, RuleName};
use crate::statement::exchange::{Outcome, Side};
use crate::statement::{Count, Jws};
use crate::timestamp::ClockVerdict;
use DepositMode::{Content, Sealed};
use MatchResult::{Match, Mismatch, NeedsHuman};
use Side::{Originator, Responder};

const NOW: Timestamp = Timestamp::from_millis(IAT);

/// Whether a verdict on this basis keeps the rules.
fn rests(script: &Script, outcome: Outcome, basis: &[&Jws]) -> bool {
    let basis: Vec<Jws> = basis.iter().map(|jws| (*jws).clone()).collect();
    ground(&script.x(), outcome, &basis, &keys).is_ok()
}

fn happens(script: &Script, state: &mut InlineState, event: InlineEvent, now: u64) -> Result<Phase, InlineRefusal> {
    let ends = Ends::of(T_DEP, T_EXP, DELTA, &[]);
    let event = Clocked { event, ends, clock: ClockVerdict::Synced };
    step::<Inline>(state, &event, Timestamp::from_millis(now))?;
    assert!(state.agreement.as_ref().is_none_or(|(_, agreement)| agreement.x == script.x()));
    Ok(state.phase())
}

/// What the arbiter does with a side's deposit, as its shell asks it.
fn deposits(script: &Script, side: Side) -> InlineEvent {
    let (deposited, beside) = (&script.deposits[at(side)], &script.beside[at(side)]);
    let found = looked_at(script, deposited, beside);
    InlineEvent::Deposit { moved: deposited.moved(), size: deposited.deposit.size.get(), found }
}

fn looked_at(script: &Script, deposited: &Deposited, beside: &[u8]) -> Result<MatchResult, DepositFault> {
    let rules = policy().predicates;
    let key = script.proposed.escrowed(deposited, &ESCROW[0]);
    let beside = match script.proposed.proposal.mode {
        Content => Beside::Item(beside),
        Sealed => Beside::Sealed { content: beside, key: key.as_ref() },
    };
    script.proposed.looked_at(deposited, &beside, &rules)
}

fn registered(script: &Script) -> InlineState {
    let mut state = InlineState::default();
    let agreement = script.proposed.agreement(&script.agreed, &policy());
    happens(script, &mut state, InlineEvent::Register(Box::new(agreement)), IAT).unwrap();
    state
}

fn waiver(script: &Script, side: Side) -> InlineEvent {
    let (signed, items) = script.proposed.waived(script.waivers[at(side)].clone(), &keys).unwrap();
    InlineEvent::Waive { side: signed.side, request: signed.jws.x(), items }
}

fn evidence<'e>(script: &Script, receipts: &[Jws], verdicts: &[Jws]) -> Evidence<'e> {
    Evidence {
        first: script.proposed.jws.clone(),
        statements: vec![],
        receipts: receipts.to_vec(),
        verdicts: verdicts.iter().map(|jws| Filed { jws: jws.clone(), is_logged: true }).collect(),
        items: [None, None],
        rules: &[],
    }
}

fn judged(script: &Script, receipts: &[Jws], verdicts: &[Jws]) -> Judgement {
    judge(&evidence(script, receipts, verdicts), &keys).unwrap()
}

/// Another deposit by the same side, of something else.
fn another(script: &Script, side: Side, item: &[u8]) -> Deposited {
    let jws = person(side).sign(Some(script.x()), deposit(&script.proposed, side, item).0);
    script.proposed.deposited(jws, &keys).unwrap()
}

#[test]
fn effective_both_sides_deposit_and_each_has_the_other_item() {
    for mode in [Content, Sealed] {
        for first in SIDES {
            let script = Script::new(mode);
            script.proposed.require_policy(&policy(), NOW).unwrap();
            let mut state = registered(&script);
            assert_eq!(happens(&script, &mut state, deposits(&script, first), IAT + 1), Ok(Phase::Half(first)));
            let second = deposits(&script, first.other());
            assert_eq!(happens(&script, &mut state, second, IAT + 2), Ok(Phase::Released));
            for side in SIDES {
                let held = state.due_to(side).unwrap();
                assert_eq!(held.moved.item, Digest::of(ITEMS[at(side.other())]));
            }
            // Who collects a sealed item gets ciphertext and key.
            if mode == Sealed {
                let [opened, _] = [0, 1].map(|n| open_item(&secret(9), &script.x(), SIDES[n], &script.beside[n]));
                assert_eq!(opened.unwrap()[..], *ITEMS[0]);
            }
            let verdict = script.verdict(Outcome::Released, IAT + 2, &script.basis());
            let judgement = judged(&script, &[], &[verdict]);
            let released = judgement.released.unwrap();
            assert_eq!((released.for_o, released.for_r), (Digest::of(ITEMS[1]), Digest::of(ITEMS[0])));
            assert!(judgement.findings.is_empty() && judgement.is_agreed && !released.is_waived, "{judgement:?}");
        }
    }
}

#[test]
fn inline_early_release() {
    let script = Script::new(Content);
    let [i1, i2, o, r] = script.basis()[..] else { unreachable!() };
    for basis in [&[i1, i2][..], &[i1, i2, o], &[i1, i2, r]] {
        let mut state = registered(&script);
        let found = deposits(&script, Originator);
        let weakened = happens(&script, &mut state, found, IAT + 1) == Ok(Phase::Half(Originator));
        bites(rests(&script, Outcome::Released, basis), weakened && basis.len() < 4);
    }
    // One deposit twice, or two of one side.
    let other = another(&script, Originator, b"the plans of a garden");
    for twice in [o, &other.jws] {
        bites(rests(&script, Outcome::Released, &[i1, i2, o, twice]), [i1, i2, o, twice].len() == 4);
    }
    // Without the responder's agreement there is nothing that it was to give.
    let weakened = script.proposed.deposited(r.clone(), &keys).is_ok();
    bites(rests(&script, Outcome::Released, &[i1, o, r]), weakened);
    assert!(rests(&script, Outcome::Released, &script.basis()));
}

/// What no machine can tell is let go by nobody but both.
#[test]
fn inline_needs_human_never_releases_by_itself() {
    let script = Script::of_goods();
    assert_eq!(script.proposed.proposal.fairness, Fairness::Weak);
    let mut state = registered(&script);
    for side in SIDES {
        happens(&script, &mut state, deposits(&script, side), IAT + 1).unwrap();
    }
    assert_eq!(state.phase(), Phase::Both);
    let mut taken_for_a_match = registered(&script);
    for side in SIDES {
        let moved = script.deposits[at(side)].moved();
        let event = InlineEvent::Deposit { moved, size: 1, found: Ok(Match) };
        happens(&script, &mut taken_for_a_match, event, IAT + 1).unwrap();
    }
    bites(state.phase() == Phase::Released, taken_for_a_match.phase() == Phase::Released);
    // Neither one waiver nor the same twice is both.
    let [o, r] = &script.waivers;
    let basis = script.basis();
    let with = |more: &[&Jws]| rests(&script, Outcome::Released, &[&basis[..], more].concat());
    for more in [&[][..], &[o], &[r], &[o, o]] {
        bites(with(more), more.len() < 3);
    }
    assert!(with(&[o, r]));
    for _ in 0..2 {
        assert_eq!(happens(&script, &mut state, waiver(&script, Responder), IAT + 2), Ok(Phase::Both));
    }
    assert_eq!(happens(&script, &mut state, waiver(&script, Originator), IAT + 3), Ok(Phase::Released));
    // A depositor that says itself that a machine cannot tell is believed, one that says that it can is not.
    let script = Script::new(Content);
    let (deposit, _) = deposit(&script.proposed, Originator, ITEMS[0]);
    for (claimed, expected) in [(NeedsHuman, Ok(NeedsHuman)), (Mismatch, Err(DepositFault::Mismatch))] {
        let jws = PEOPLE.o.sign(Some(script.x()), Deposit { result: claimed, ..deposit.clone() });
        let deposited = script.proposed.deposited(jws, &keys).unwrap();
        assert_eq!(looked_at(&script, &deposited, ITEMS[0]), expected);
    }
    let other = another(&script, Originator, b"something else");
    assert_eq!(other.deposit.result, Match, "as it says");
    assert_eq!(looked_at(&script, &other, b"something else"), Err(DepositFault::Mismatch));
}

/// A waiver is of two items: what is deposited in their place was not taken as it is.
#[test]
fn inline_waiver_of_other_items() {
    let script = Script::of_goods();
    let swapped = another(&script, Originator, b"a paper that says other goods");
    let mut state = registered(&script);
    let moved = swapped.moved();
    happens(&script, &mut state, InlineEvent::Deposit { moved, size: 1, found: Ok(NeedsHuman) }, IAT + 1).unwrap();
    happens(&script, &mut state, deposits(&script, Responder), IAT + 1).unwrap();
    let refused = happens(&script, &mut state, waiver(&script, Responder), IAT + 2);
    let whoever_named_no_items = happens(
        &script,
        &mut state.clone(),
        InlineEvent::Waive {
            side: Responder,
            request: Digest([1; 32]),
            items: [moved.item, script.deposits[1].moved().item],
        },
        IAT + 2,
    );
    assert_eq!(refused, Err(InlineRefusal::OtherItems));
    bites(refused.is_ok(), whoever_named_no_items.is_ok());
    let [i1, i2, _, r] = script.basis()[..] else { unreachable!() };
    let [by_o, by_r] = &script.waivers;
    bites(rests(&script, Outcome::Released, &[i1, i2, &swapped.jws, r, by_o, by_r]), moved.side == Originator);
}

#[test]
fn inline_deposit_replaced_after_the_second_came() {
    let script = Script::of_goods();
    let mut state = registered(&script);
    for side in SIDES {
        happens(&script, &mut state, deposits(&script, side), IAT + 1).unwrap();
    }
    let moved = another(&script, Originator, b"a worthless paper").moved();
    let replaced = InlineEvent::Deposit { moved, size: 17, found: Ok(NeedsHuman) };
    let by_the_rule = happens(&script, &mut state.clone(), replaced.clone(), IAT + 2);
    assert_eq!(by_the_rule, Err(InlineRefusal::AlreadyDeposited));
    // A state that forgets who has deposited.
    state.deposits[0] = None;
    let weakened = happens(&script, &mut state, replaced, IAT + 2);
    bites(by_the_rule.is_ok(), weakened == Ok(Phase::Both));
}

#[test]
fn inline_deposit_of_another_run_or_side_or_by_a_stranger() {
    let (script, other) = (Script::new(Content), Script::of(I1 { retention_ms: Count::new(5), ..proposal(Content) }));
    let read = |jws: Jws| script.proposed.deposited(jws, &keys).map(drop);
    let body = &script.deposits[0].deposit;
    let of_other_run = other.deposits[0].jws.clone();
    assert_eq!(other.deposits[0].deposit, *body, "word for word");
    bites(read(of_other_run.clone()).is_ok(), of_other_run.payload_as::<Deposit>().is_ok());
    assert_eq!(read(of_other_run), Err(Broken::OtherRun { of: "inline/deposit" }));
    let x = Some(script.x());
    for (by, side) in [(&PEOPLE.r, Originator), (&PEOPLE.stranger, Originator), (&PEOPLE.t, Responder)] {
        let jws = by.sign(x, Deposit { side, ..body.clone() });
        let refused = read(jws.clone());
        assert!(matches!(refused, Err(Broken::NotAllowed { of: "inline/deposit", .. })), "{refused:?}");
        bites(refused.is_ok(), jws.verify(&by.public).is_ok());
    }
    // The header names the originator, and the stranger signs.
    let forged = PEOPLE.stranger.sign(x, body.clone());
    let parts = |jws: &Jws| String::from_utf8(jws.bytes().to_vec()).unwrap().split('.').map(str::to_owned).collect();
    let [theirs, ours]: [Vec<String>; 2] = [parts(&forged), parts(&script.deposits[0].jws)];
    let forged = Jws::parse([&ours[0][..], &theirs[1], &theirs[2]].join(".").as_bytes()).unwrap();
    bites(read(forged.clone()).is_ok(), forged.key_id() == script.proposed.run.o.key);
}

#[test]
fn inline_waive_or_cancel_of_a_third_party() {
    let script = Script::of_goods();
    let x = Some(script.x());
    let [o_item, r_item] = ITEMS.map(|item| Digest::of(item).into());
    for by in [&PEOPLE.stranger, &PEOPLE.t] {
        let (waive, cancel) = (by.sign(x, Waive { o_item, r_item }), by.sign(x, Cancel {}));
        let [i1, i2, o, r] = script.basis()[..] else { unreachable!() };
        let mine = &script.waivers[0];
        bites(rests(&script, Outcome::Released, &[i1, i2, o, r, mine, &waive]), waive.verify(&by.public).is_ok());
        bites(rests(&script, Outcome::Returned, &[i1, i2, &cancel]), cancel.verify(&by.public).is_ok());
        assert!(matches!(script.proposed.collects(by.sign(x, Collect {}), &keys), Err(Broken::NotAllowed { .. })));
    }
}

/// Who sees that the other has deposited takes nothing back from it.
#[test]
fn inline_cancel_after_the_other_deposited() {
    let script = Script::new(Content);
    let [i1, i2, o, r] = script.basis()[..] else { unreachable!() };
    let cancel = &script.cancels[1];
    let signed = script.proposed.cancelled(cancel.clone(), &keys).unwrap();
    let mut state = registered(&script);
    happens(&script, &mut state, deposits(&script, Originator), IAT + 1).unwrap();
    let event = InlineEvent::Cancel { side: signed.side, request: signed.jws.x() };
    let by_the_rule = happens(&script, &mut state, event.clone(), IAT + 2);
    bites(
        by_the_rule.is_ok(),
        happens(&script, &mut registered(&script), event.clone(), IAT + 2) == Ok(Phase::Returned),
    );
    bites(
        rests(&script, Outcome::Returned, &[i1, i2, o, cancel]),
        rests(&script, Outcome::Returned, &[i1, i2, cancel]),
    );
    bites(rests(&script, Outcome::Returned, &[i1, i2, o, r, cancel]), signed.side == Responder);
    // And after the decision there is nothing to take back: the same verdict.
    happens(&script, &mut state, deposits(&script, Responder), IAT + 3).unwrap();
    assert_eq!(happens(&script, &mut state, event, IAT + 4), Ok(Phase::Released));
    // An arbiter that leaves the deposit out of its verdict is refuted by its own receipt for it.
    let verdict = script.verdict(Outcome::Returned, IAT + 2, &[i1, i2, cancel]);
    assert!(judged(&script, &[], std::slice::from_ref(&verdict)).findings.is_empty());
    for (nrs_ms, is_refuted) in [(IAT + 1, true), (IAT + 3, false)] {
        let nrs = script.nrs(Originator, Match, nrs_ms);
        let judgement = judged(&script, &[nrs], std::slice::from_ref(&verdict));
        assert_eq!(judgement.findings.contains(&Finding::AgainstTheRules), is_refuted);
        assert_eq!(judgement.held, [Some(Digest::of(ITEMS[0])), None]);
    }
}

#[test]
fn accountable_returned_though_both_were_in() {
    let script = Script::new(Content);
    let [i1, i2, o, r] = script.basis()[..] else { unreachable!() };
    let late = script.verdict(Outcome::Returned, T_EXP + 1, &[i1, i2]);
    let nrs = SIDES.map(|side| script.nrs(side, Match, IAT + 5));
    bites(
        judged(&script, &nrs, std::slice::from_ref(&late)).findings.is_empty(),
        judged(&script, &[], std::slice::from_ref(&late)).findings.is_empty(),
    );
    // One of them, or one that only people could judge, does not refute it.
    assert!(judged(&script, &nrs[..1], std::slice::from_ref(&late)).findings.is_empty());
    let human = [nrs[0].clone(), script.nrs(Responder, NeedsHuman, IAT + 5)];
    assert!(judged(&script, &human, &[late]).findings.is_empty());
    // With both in the basis, and both named by their hashes, it refutes itself.
    bites(rests(&script, Outcome::Returned, &[i1, i2, o, r]), rests(&script, Outcome::Returned, &[i1, i2, o]));
    let goods = Script::of_goods();
    assert!(rests(&goods, Outcome::Returned, &goods.basis()));
    let [by_o, by_r] = &goods.waivers;
    assert!(!rests(&goods, Outcome::Returned, &[&goods.basis()[..], &[by_o, by_r]].concat()));
}

#[test]
fn inline_expired_but_released() {
    let script = Script::new(Content);
    let at_ms = |at_ms| judged(&script, &[], &[script.verdict(Outcome::Released, at_ms, &script.basis())]).findings;
    let found = at_ms(T_DEP + 1);
    bites(!found.contains(&Finding::OutOfTime), T_DEP < T_EXP);
    assert!(at_ms(T_DEP).is_empty());
    // With waivers until the end of the run.
    let goods = Script::of_goods();
    let [by_o, by_r] = &goods.waivers;
    let basis = [&goods.basis()[..], &[by_o, by_r]].concat();
    let of_goods = |at_ms| judged(&goods, &[], &[goods.verdict(Outcome::Released, at_ms, &basis)]).findings;
    assert!(of_goods(T_EXP).is_empty() && of_goods(T_EXP + 1).contains(&Finding::OutOfTime));
    // And returned before an end has passed, with nobody's cancel.
    let [i1, i2, o, _] = script.basis()[..] else { unreachable!() };
    for (at_ms, is_good) in [(T_DEP, false), (T_DEP + 1, true)] {
        let returned = script.verdict(Outcome::Returned, at_ms, &[i1, i2, o]);
        assert_eq!(judged(&script, &[], &[returned]).findings.contains(&Finding::OutOfTime), !is_good);
    }
    let returned = goods.verdict(Outcome::Returned, T_DEP + 1, &goods.basis());
    assert!(judged(&goods, &[], &[returned]).findings.contains(&Finding::OutOfTime), "the end of the run counts");
}

#[test]
fn inline_double_decision() {
    let script = Script::new(Content);
    let released = script.verdict(Outcome::Released, IAT + 5, &script.basis());
    let [i1, i2, ..] = script.basis()[..] else { unreachable!() };
    let returned = script.verdict(Outcome::Returned, T_DEP + 1, &[i1, i2]);
    let twice = judged(&script, &[], &[released.clone(), returned]);
    bites(!twice.findings.contains(&Finding::DecidedTwice), twice.outcomes.len() == 2);
    assert!(twice.released.is_some(), "what was let go is gone");
    // One decision whose signature somebody turned around is one.
    let turned = twin(&released);
    assert!(judged(&script, &[], &[released, turned]).findings.is_empty());
}

#[test]
fn inline_sig_malleability() {
    let script = Script::new(Content);
    let turned = Proposed::read(twin(&script.proposed.jws), &keys).unwrap();
    assert_eq!(turned.run.x, script.x());
    assert!(turned.agreed(script.agreed.jws.clone(), &keys).is_ok(), "it names either form");
    let deposited = &script.deposits[0];
    let again = script.proposed.deposited(twin(&deposited.jws), &keys).unwrap();
    assert_eq!(again.moved(), deposited.moved(), "one request");
}

/// An escrow of one deposit in another: of another run, another side, another item.
#[test]
fn inline_escrow_replay() {
    let script = Script::new(Sealed);
    let other = Script::of(I1 { retention_ms: Count::new(5), ..proposal(Sealed) });
    let sealed = |script: &Script, n: usize| script.deposits[n].deposit.sealed.clone().unwrap();
    let theirs = sealed_item(&other.proposed, Originator, ITEMS[0], 9);
    let item = Digest::of(ITEMS[0]).into();
    let replays = [
        ("of another run", Originator, theirs.0.clone(), ITEMS[0]),
        ("of the other side", Responder, sealed(&script, 0), ITEMS[0]),
        ("of another item", Originator, sealed(&script, 0), ITEMS[1]),
    ];
    for (what, side, sealed, named) in replays {
        let body = Deposit { sealed: Some(sealed), ..deposit(&script.proposed, side, named).0 };
        let jws = person(side).sign(Some(script.x()), body);
        let deposited = script.proposed.deposited(jws, &keys).unwrap();
        let alone = crate::crypto::jwe::Escrow::parse(deposited.deposit.sealed.as_ref().unwrap().esc.as_str()).unwrap();
        let hk = Digest(deposited.deposit.sealed.as_ref().unwrap().hk.0);
        // The key inside is the right one: only the context tells.
        let weakened = alone.open(&ESCROW[0]).is_some_and(|key| key_hash(&key) == hk);
        bites(script.proposed.escrowed(&deposited, &ESCROW[0]).is_some(), weakened);
        assert!(looked_at(&script, &deposited, &theirs.1).is_err(), "{what}");
    }
    // Nor does the ciphertext of one open in another, by the same key.
    assert!(open_item(&secret(9), &other.x(), Originator, &theirs.1).is_some());
    assert!(open_item(&secret(9), &script.x(), Originator, &theirs.1).is_none());
    assert!(open_item(&secret(9), &other.x(), Responder, &theirs.1).is_none());
    assert_eq!(script.deposits[0].deposit.item_sha256, item);
}

/// What comes beside a deposit is what was signed, or nothing.
#[test]
fn inline_other_content_than_was_signed() {
    let script = Script::new(Content);
    let [o, _] = &script.deposits;
    assert_eq!(looked_at(&script, o, ITEMS[0]), Ok(Match));
    for other in [&ITEMS[0][1..], b"", b"the plans of the mouse"] {
        bites(looked_at(&script, o, other).is_ok(), o.deposit.result == Match);
        assert_eq!(looked_at(&script, o, other), Err(DepositFault::OtherItem));
    }
    let script = Script::new(Sealed);
    let x = Some(script.x());
    let ([o, _], [beside, _]) = (&script.deposits, &script.beside);
    assert_eq!(looked_at(&script, o, beside), Ok(Match));
    assert_eq!(looked_at(&script, o, &beside[1..]), Err(DepositFault::OtherItem));
    let unopened = Beside::Sealed { content: beside, key: None };
    assert_eq!(script.proposed.looked_at(o, &unopened, &[]), Err(DepositFault::Escrow));
    let wrong = secret(8);
    let other_key = Beside::Sealed { content: beside, key: Some(&wrong) };
    assert_eq!(script.proposed.looked_at(o, &other_key, &[]), Err(DepositFault::Escrow));
    assert_eq!(script.proposed.looked_at(o, &Beside::Item(ITEMS[0]), &[]), Err(DepositFault::OtherItem));
    // The ciphertext is the one that was signed, and holds something else than was promised.
    let (sealed, content) = sealed_item(&script.proposed, Originator, b"a worthless paper", 9);
    let item = Digest::of(ITEMS[0]);
    let (c, hk) = (Digest(sealed.c_sha256.0), Digest(sealed.hk.0));
    let context = super::sealed::escrow_context(&script.x(), Originator, &c, &item, &hk).0;
    let apu = &PEOPLE.o.name().0.0;
    let esc = crate::crypto::jwe::seal(
        &secret(9),
        ESCROW[0].public(),
        apu,
        &context,
        &ESCROW[1],
        &crate::crypto::SeededEntropy::new(8),
    );
    let esc = crate::statement::exchange::cd_r::EscrowText::new(&esc.unwrap()).unwrap();
    let sealed = crate::statement::exchange::inline::SealedItem { esc, ..sealed };
    let lying = Deposit { sealed: Some(sealed), ..o.deposit.clone() };
    let lying = script.proposed.deposited(PEOPLE.o.sign(x, lying), &keys).unwrap();
    bites(looked_at(&script, &lying, &content).is_ok(), script.proposed.escrowed(&lying, &ESCROW[0]).is_some());
    assert_eq!(looked_at(&script, &lying, &content), Err(DepositFault::Sealed));
}

/// An arbiter that lets go what is not what was described is convicted by the item.
#[test]
fn accountable_released_though_it_is_not_what_was_described() {
    let described =
        ItemDescriptor { predicate: RuleName::new("json-object/1"), ..super::testing::file(b"", "text/plain") };
    let described = ItemDescriptor { sha256: None, len: None, ..described };
    // The originator's item is text, and was to be JSON: only its octets show that.
    let script = Script::of(honest(I1 { o_item: described, ..proposal(Content) }));
    assert_eq!(looked_at(&script, &script.deposits[0], ITEMS[0]), Err(DepositFault::Mismatch));
    let verdict = script.verdict(Outcome::Released, IAT + 5, &script.basis());
    let unseen = evidence(&script, &[], &[verdict]);
    let rules = policy().predicates;
    let with = |items| judge(&Evidence { items, rules: &rules, ..unseen.clone() }, &keys).unwrap();
    let seen = with([Some(ITEMS[0]), None]);
    bites(seen.findings.is_empty(), judge(&unseen, &keys).unwrap().findings.is_empty());
    assert_eq!(seen.items, [Some(Ok(Mismatch)), None]);
    // Something else proves nothing.
    let other = with([Some(b"other"), None]);
    assert_eq!((other.items, other.findings.len()), ([Some(Err(OtherItem)), None], 0));
    // By hash, length or media type its deposit says it itself.
    let script = Script::new(Content);
    let [i1, i2, _, r] = script.basis()[..] else { unreachable!() };
    let other = another(&script, Originator, b"something else");
    bites(rests(&script, Outcome::Released, &[i1, i2, &other.jws, r]), other.deposit.result == Match);
}

#[test]
fn inline_terms_that_contradict_themselves() {
    let read = |proposal: I1| Proposed::read(PEOPLE.o.sign(None, proposal), &keys);
    let good = proposal(Content);
    assert!(read(good.clone()).is_ok_and(|proposed| proposed.require_policy(&policy(), NOW).is_ok()));
    let ttp = crate::statement::exchange::cd_r::EscrowArbiter { escrow_key: good.ttp.key, ..good.ttp.clone() };
    let bad = [
        I1 { t_dep: millis(T_EXP + 1), ..good.clone() },
        I1 { ttp, ..good.clone() },
        I1 { r: good.o, ..good.clone() },
        I1 { r: participant(2, &PEOPLE.t), ..good.clone() },
    ];
    for proposal in bad {
        assert!(read(proposal.clone()).is_err(), "{proposal:?}");
    }
    // Nobody is told that it is strong where it is weak, nor kept longer than anybody keeps it, or not long enough (inline_short_retention).
    for proposal in [
        I1 { o_item: goods(), ..good.clone() },
        I1 { fairness: Fairness::Weak, ..good.clone() },
        I1 { retention_ms: Count::new(policy().retention_ms + 1), ..good.clone() },
        // Who deposits last has its item in the same moment, and the other side none when it asks.
        I1 { retention_ms: Count::new(0), ..good.clone() },
        I1 { retention_ms: Count::new(policy().retention_ms - 1), ..good.clone() },
        I1 { t_exp: millis(IAT + policy().open_max_ms + 1), ..good.clone() },
    ] {
        let proposed = read(proposal.clone()).unwrap();
        bites(proposed.require_policy(&policy(), NOW).is_ok(), proposed.run == Run::claimed(&proposed.jws).unwrap());
    }
    // Of a policy that keeps items for a month, a day is enough.
    let month = InlinePolicy { retention_ms: 30 * RETENTION_MS_MIN, ..policy() };
    for (asked, is_enough) in [(RETENTION_MS_MIN, true), (RETENTION_MS_MIN - 1, false)] {
        let shorter = read(I1 { retention_ms: Count::new(asked), ..good.clone() }).unwrap();
        assert_eq!(shorter.require_policy(&month, NOW).is_ok(), is_enough, "{asked}");
        let agreed = shorter.agreed(PEOPLE.r.sign(Some(shorter.run.x), I2 { m1: shorter.jws.digest().into() }), &keys);
        assert_eq!(shorter.agreement(&agreed.unwrap(), &month).retention_ms, asked);
    }
    // A promise of money is one that only people can judge, whatever its papers hash to.
    let money = ItemDescriptor { kind: ItemKind::Payment, ..good.o_item.clone() };
    assert_eq!(honest(I1 { o_item: money, ..good }).fairness, Fairness::Weak);
}

#[test]
fn inline_type_confusion() {
    let script = Script::new(Content);
    let Script { proposed, agreed, deposits, cancels, waivers, collects, .. } = &script;
    let other_mode = Script::new(Sealed);
    let x = Some(script.x());
    let sealed = PEOPLE.o.sign(x, other_mode.deposits[0].deposit.clone());
    let faults = [
        ("i2 as cancel", proposed.cancelled(agreed.jws.clone(), &keys).err()),
        ("cancel as i2", proposed.agreed(cancels[1].clone(), &keys).err()),
        ("deposit as waiver", proposed.waived(deposits[0].jws.clone(), &keys).map(drop).err()),
        ("waiver as cancel", proposed.cancelled(waivers[0].clone(), &keys).err()),
        ("collect as cancel", proposed.cancelled(collects[0].clone(), &keys).err()),
        ("i1 as deposit", proposed.deposited(proposed.jws.clone(), &keys).map(drop).err()),
        ("deposit as i1", Proposed::read(deposits[0].jws.clone(), &keys).err()),
        (
            "i2 by the originator",
            proposed.agreed(PEOPLE.o.sign(x, I2 { m1: proposed.jws.digest().into() }), &keys).err(),
        ),
        ("i2 to another copy", proposed.agreed(PEOPLE.r.sign(x, I2 { m1: Digest([1; 32]).into() }), &keys).err()),
        ("a sealed item in the clear", proposed.deposited(sealed, &keys).map(drop).err()),
        ("i1 as a contract", crate::exchange::asw_r::Offered::read(proposed.jws.clone(), &keys).map(drop).err()),
    ];
    for (what, fault) in faults {
        assert!(fault.is_some(), "{what}");
    }
    assert!(crate::exchange::run_of(proposed.jws.clone(), &keys).is_ok_and(|run| run == proposed.run));
}
