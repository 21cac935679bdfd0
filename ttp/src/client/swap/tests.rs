//! Exchanges through the arbiter from their sides.

mod stage;

use zeroize::Zeroizing;

use super::super::message::Message;
use super::super::party::Stays;
use super::super::party::tests::{DELTA_MS, Person, now, proof};
use super::super::verdict::GivenFault;
use super::begin::{Barter, Own};
use super::dossier::{Piece, SwapDossier};
use super::given::{Given, Signed};
use super::side::Swap;
use super::*;
use crate::crypto::OsEntropy;
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, Kind};
use crate::exchange::inline::InlineRefusal;
use crate::exchange::policy::ExchangePolicy;
use crate::statement::exchange::cd_r::ContentKey;
use crate::statement::exchange::inline::{DepositMode, Nrs, Registered};
use crate::statement::exchange::item::{ItemDescriptor, MatchResult};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Line, Outcome, Side};
use crate::statement::{Body as _, Millis};
use crate::time::Timestamp;
use stage::*;

#[test]
fn both_have_the_others_item_whatever_was_killed_and_lost_between() {
    let place = Place::new();
    for mode in [DepositMode::Content, DepositMode::Sealed] {
        let mut both = place.agreed(place.barter(mode));
        if mode == DepositMode::Sealed {
            assert!(both.beside.iter().all(|octets| ![PLANS, LICENCE].contains(&&octets[..])), "in the clear");
        }
        both.rest();
        assert_eq!(both.stand(), ["swapped", "swapped"], "{mode:?}");
        assert_eq!(both.got.each_ref().map(|got| got.as_deref()), [Some(LICENCE), Some(PLANS)]);
        let [o, r] = &both.swaps;
        assert_eq!(o.dossier().statement(Piece::Verdict), r.dossier().statement(Piece::Verdict));
        assert!(Piece::ALL.iter().all(|piece| {
            let is_kept = o.dossier().statement(*piece).is_some();
            is_kept != matches!(piece, Piece::Waive | Piece::Cancel | Piece::Refused)
        }));
    }
}

#[test]
fn who_withholds_gets_nothing_and_the_deadline_returns_the_item() {
    let place = Place::new();
    let mut both = place.agreed(place.barter(DepositMode::Content));
    both.ask(Side::Originator).unwrap();
    both.ask(Side::Originator).unwrap();
    assert_eq!(both.stand(), ["deposited", "agreed"]);
    let late = Timestamp::from_millis(t_dep() + 1);
    both.ask_at(Side::Originator, Timestamp::from_millis(t_dep())).unwrap();
    assert_eq!(both.stand()[0], "deposited", "not yet");
    both.ask_at(Side::Originator, late).unwrap();
    assert_eq!(both.stand()[0], "returning");
    both.ask_at(Side::Originator, late).unwrap();
    assert_eq!((both.stand()[0], both.got[0].as_deref()), ("returned", Some(PLANS)));
    // Whoever comes now has nothing to deposit, and signs nothing more.
    both.ask_at(Side::Responder, late).unwrap();
    assert_eq!((both.stand()[1], &both.got[1]), ("returned", &None));
    assert!(both.swaps[1].dossier().statement(Piece::Deposit).is_none());
}

/// The simulation's seed 1291: the answer with its own item was lost, and the arbiter has erased what it had handed out.
#[test]
fn who_asks_for_its_own_item_after_that_was_erased_has_an_end() {
    let place = Place::new();
    let mut both = place.agreed(place.barter(DepositMode::Content));
    (0..2).for_each(|_| both.ask(Side::Originator).unwrap());
    both.ask_at(Side::Originator, Timestamp::from_millis(t_dep() + 1)).unwrap();
    let pen = place.person(Side::Originator).pen(now());
    both.swaps[0].nothing_to_collect(&pen).unwrap();
    assert_eq!((both.stand()[0], both.swaps[0].asks().is_none()), ("returned", true));
    reopened(&both.swaps[0]);
    assert!(both.swaps[0].nothing_to_collect(&pen).is_err(), "it is over");
    // Of the other side's item it is no end.
    let mut both = place.agreed(place.barter(DepositMode::Content));
    for side in [Side::Originator, Side::Originator, Side::Responder, Side::Responder, Side::Originator] {
        both.ask(side).unwrap();
    }
    assert_eq!(both.stand()[0], "released");
    assert!(both.swaps[0].nothing_to_collect(&pen).is_err());
    assert_eq!(both.stand()[0], "released", "it asks again");
}

#[test]
fn what_is_cancelled_is_returned_unless_the_other_side_has_deposited() {
    let place = Place::new();
    let cancel = |both: &mut Both<'_>, side: Side| {
        both.swaps[at(side)].cancel(&place.person(side).pen(now())).unwrap();
    };
    // Before the arbiter knows of it, and after the own deposit.
    for asked in [0, 1, 2] {
        let mut both = place.agreed(place.barter(DepositMode::Content));
        (0..asked).for_each(|_| both.ask(Side::Originator).unwrap());
        cancel(&mut both, Side::Originator);
        both.rest();
        assert_eq!(both.stand(), ["returned", "returned"], "{asked}");
        assert_eq!(both.got[0].as_deref(), (asked == 2).then_some(PLANS));
    }
    // After the other's.
    let mut both = place.agreed(place.barter(DepositMode::Content));
    (0..2).for_each(|_| both.ask(Side::Responder).unwrap());
    both.ask(Side::Originator).unwrap();
    cancel(&mut both, Side::Originator);
    assert_eq!(both.ask(Side::Originator), Err(Fails::Refused(InlineRefusal::OtherDeposited)));
    assert_eq!(both.stand(), ["cancelling", "deposited"]);
    assert!(both.swaps[0].cancel(&place.0.o.pen(now())).is_err(), "once is enough");
    assert!(both.swaps[0].waive(Digest::of(LICENCE), &place.0.o.pen(now())).is_err());
    let late = Timestamp::from_millis(t_dep() + 1);
    SIDES.into_iter().for_each(|side| both.ask_at(side, late).unwrap());
    assert_eq!(both.stand(), ["returned", "returning"]);
}

#[test]
fn what_only_people_can_judge_needs_both_to_take_it_as_it_is() {
    let place = Place::new();
    let barter = Barter { wants: goods(), ..place.barter(DepositMode::Content) };
    assert_eq!(place.propose(barter.clone(), PLANS, false).err(), Some(Stays::Weak));
    let mut both = place.agreed(barter);
    (0..2).for_each(|_| SIDES.into_iter().for_each(|side| both.ask(side).unwrap()));
    assert_eq!(both.stand(), ["deposited", "deposited"]);
    assert!(both.swaps.iter().all(Swap::is_for_people));
    for (side, other) in [(Side::Originator, LICENCE), (Side::Responder, PLANS)] {
        both.swaps[at(side)].waive(Digest::of(other), &place.person(side).pen(now())).unwrap();
        assert!(both.swaps[at(side)].cancel(&place.person(side).pen(now())).is_err(), "after a waiver");
        both.ask(side).unwrap();
    }
    both.rest();
    assert_eq!(both.stand(), ["swapped", "swapped"]);
}

#[test]
fn a_waiver_is_of_the_items_that_were_deposited() {
    let place = Place::new();
    let mut both = place.agreed(Barter { wants: goods(), ..place.barter(DepositMode::Content) });
    (0..2).for_each(|_| SIDES.into_iter().for_each(|side| both.ask(side).unwrap()));
    both.swaps[0].waive(Digest::of(b"what the arbiter says it is"), &place.0.o.pen(now())).unwrap();
    assert_eq!(both.ask(Side::Originator), Err(Fails::Refused(InlineRefusal::OtherItems)));
    assert_eq!(both.stand()[0], "waiving");
}

#[test]
fn a_deposit_that_was_changed_on_its_way_is_refused_in_writing() {
    let place = Place::new();
    let mut both = place.agreed(place.barter(DepositMode::Content));
    both.beside[0] = b"something else".to_vec();
    (0..2).for_each(|_| both.ask(Side::Originator).unwrap());
    assert_eq!(both.stand()[0], "refused");
    assert!(both.swaps[0].dossier().statement(Piece::Refused).is_some());
    both.swaps[0].cancel(&place.0.o.pen(now())).unwrap();
    both.rest();
    assert_eq!(both.stand(), ["returned", "returned"]);
}

/// What a lying arbiter changes in an honest answer.
type Lie<'l> = &'l dyn Fn(&mut Given, &Both<'_>);

/// Refused, with this fault, and nothing has changed.
fn check_lie(what: &str, both: &mut Both<'_>, side: Side, lie: Lie<'_>, expected: &str) {
    let mut swap = reopened(&both.swaps[at(side)]);
    let beside = both.beside[at(side)].clone();
    let mut given = both.arbiter.answer(side, swap.asks().unwrap(), &beside, now()).unwrap();
    lie(&mut given, both);
    let before = swap.dossier().clone();
    let pen = both.place.person(side).pen(now());
    let refused = match swap.act() {
        Some(Act::Collect) => swap.collected(&given).map(drop),
        _ => swap.answered(&given, &pen),
    };
    let why = refused.expect_err(what).to_string();
    assert!(why.contains(expected), "{what}: {why}");
    assert_eq!(swap.dossier(), &before, "{what}");
}

fn other_key(signed: &mut Option<Signed>, place: &Place) {
    let jws = signed.as_ref().unwrap().jws.clone();
    let x = jws.common().x.map(Digest::from);
    let forged = match jws.tag() {
        Registered::TAG => place.0.r.pen(now()).sign(x, jws.payload_as::<Registered>().unwrap().body),
        Nrs::TAG => place.0.r.pen(now()).sign(x, jws.payload_as::<Nrs>().unwrap().body),
        _ => place.0.r.pen(now()).sign(x, jws.payload_as::<Verdict>().unwrap().body),
    };
    signed.as_mut().unwrap().jws = forged.unwrap();
}

#[test]
fn a_lying_arbiter_moves_nobody() {
    let place = Place::new();
    let later = Millis::new(t_exp() + 1).unwrap();
    let another = place.agreed(Barter { t_exp: later, ..place.barter(DepositMode::Content) });
    let [o, r] = SIDES;
    let mut both = place.agreed(place.barter(DepositMode::Content));
    // Of the registration.
    check_lie("by another key", &mut both, o, &|given, both| other_key(&mut given.statement, both.place), "arbiter");
    let other_proof = |kind| proof(Kind::Exchange(kind), Digest::of(b"another"), Vec::new());
    let lie: Lie<'_> = &|given, _| given.statement.as_mut().unwrap().proof = other_proof(ExchangeKind::Registered);
    check_lie("not in the log", &mut both, o, lie, "another entry");
    let other = another.swaps[0].dossier();
    let lie: Lie<'_> = &|given, both| {
        let basis = [Piece::I1, Piece::I2].map(|piece| other.statement(piece).unwrap().to_owned()).into();
        let x = both.swaps[0].proposed().run.x;
        let body = Registered { basis, at_ms: now().into() };
        given.statement = Some(both.place.signed(ExchangeKind::Registered, body, now(), &x));
    };
    check_lie("another agreement", &mut both, o, lie, "other statements");
    both.ask(o).unwrap();
    // Of the deposit.
    let lie: Lie<'_> = &|given, both| {
        let x = both.swaps[0].proposed().run.x;
        let deposit =
            text(&both.place.0.o.pen(now()).sign(Some(x), crate::statement::exchange::inline::Cancel {}).unwrap());
        let body = Nrs { deposit, result: MatchResult::Match, at_ms: now().into() };
        given.statement = Some(both.place.signed(ExchangeKind::Submitted, body, now(), &x));
    };
    check_lie("a receipt for something else", &mut both, o, lie, "another deposit");
    let lie: Lie<'_> = &|given, _| given.statement.as_mut().unwrap().proof = other_proof(ExchangeKind::Submitted);
    check_lie("a receipt that is not in the log", &mut both, o, lie, "another entry");
    both.ask(o).unwrap();
    // Of the verdict.
    let basis = |both: &Both<'_>, pieces: &[(usize, Piece)]| -> Vec<String> {
        let of = |(side, piece): &(usize, Piece)| both.swaps[*side].dossier().statement(*piece).unwrap().to_owned();
        pieces.iter().map(of).collect()
    };
    let agreed = [(0, Piece::I1), (0, Piece::I2)];
    let with_own = [agreed[0], agreed[1], (0, Piece::Deposit)];
    let decide = |given: &mut Given, both: &Both<'_>, outcome, pieces: &[(usize, Piece)], at_ms: u64| {
        let time = Timestamp::from_millis(at_ms);
        given.verdict = Some(both.place.verdict(&both.swaps[0], outcome, time, basis(both, pieces)));
    };
    let soon = now().millis() + 5;
    let lie: Lie<'_> = &|given, both| decide(given, both, Outcome::Released, &with_own, soon);
    check_lie("released though one deposited", &mut both, o, lie, "arbiter's own rules");
    let lie: Lie<'_> = &|given, both| decide(given, both, Outcome::Returned, &with_own, soon);
    check_lie("returned before the end", &mut both, o, lie, "arbiter's own rules");
    let lie: Lie<'_> = &|given, both| decide(given, both, Outcome::Returned, &agreed, t_dep() + 5);
    check_lie("returned, and the item stays there", &mut both, o, lie, "leaves out a deposit");
    let lie: Lie<'_> = &|given, both| decide(given, both, Outcome::Resolved, &with_own, soon);
    check_lie("another kind of verdict", &mut both, o, lie, "released or returned");
    let lie: Lie<'_> = &|given, both| {
        decide(given, both, Outcome::Returned, &with_own, t_dep() + 5);
        given.verdict.as_mut().unwrap().proof = other_proof(ExchangeKind::Returned);
    };
    check_lie("a verdict that is not in the log", &mut both, o, lie, "another entry");
    let lie: Lie<'_> = &|given, both| {
        decide(given, both, Outcome::Returned, &with_own, t_dep() + 5);
        other_key(&mut given.verdict, both.place);
    };
    check_lie("a verdict by somebody else", &mut both, o, lie, "arbiter");
    // Of the items.
    both.ask(r).unwrap();
    both.ask(r).unwrap();
    both.ask(o).unwrap();
    assert_eq!(both.stand(), ["released", "released"]);
    let lie: Lie<'_> = &|given, _| given.item = Some((Zeroizing::new(b"something else".to_vec()), None));
    check_lie("another item", &mut both, o, lie, "other-item");
    check_lie("no item", &mut both, o, &|given, _| given.item = None, "lacks the item");
    both.rest();
    assert_eq!(both.stand(), ["swapped", "swapped"]);
}

#[test]
fn a_key_that_opens_something_else_is_no_item() {
    let place = Place::new();
    let mut both = place.agreed(place.barter(DepositMode::Sealed));
    for side in [Side::Originator, Side::Originator, Side::Responder, Side::Responder] {
        both.ask(side).unwrap();
    }
    assert_eq!(both.stand()[1], "released");
    let other = ContentKey::from(&crate::crypto::SecretKey::new(Zeroizing::new([9; 32])));
    let lie: Lie<'_> = &|given, _| given.item.as_mut().unwrap().1 = Some(other.clone());
    check_lie("another key", &mut both, Side::Responder, lie, "escrow");
    check_lie("no key", &mut both, Side::Responder, &|given, _| given.item.as_mut().unwrap().1 = None, "escrow");
}

#[test]
fn nothing_is_signed_before_it_was_held_against_what_is_expected() {
    let place = Place::new();
    let barter = || place.barter(DepositMode::Content);
    let early = |change: &dyn Fn(&mut Barter), item: &[u8]| {
        let mut barter = barter();
        change(&mut barter);
        place.propose(barter, item, false).map(drop)
    };
    let past = Millis::new(now().millis()).unwrap();
    let far = Millis::new(now().millis() + 1_000 * DELTA_MS).unwrap();
    assert_eq!(early(&|_| {}, b"another file"), Err(Stays::NotDescribed));
    assert_eq!(early(&|barter| barter.t_dep = past, PLANS), Err(Stays::TooLate));
    assert!(matches!(early(&|barter| barter.t_exp = far, PLANS), Err(Stays::Broken(_))));
    assert!(matches!(early(&|barter| barter.t_exp = past, PLANS), Err(Stays::Broken(_))), "ends before deposits do");
    assert!(matches!(early(&|barter| barter.o = place.0.r.participant(), PLANS), Err(Stays::Certificate { .. })));
    let stranger = Person::new(9).name();
    assert!(matches!(early(&|barter| barter.ttp.escrow_key = stranger, PLANS), Err(Stays::Certificate { .. })));
    assert!(matches!(early(&|barter| barter.ttp.key = stranger, PLANS), Err(Stays::Certificate { .. })));

    let (o, _) = place.propose(barter(), PLANS, false).unwrap();
    let message = o.message().unwrap();
    let mut without = place.0.house.clone();
    without.policy = ExchangePolicy::new(DELTA_MS, 5_000).to_bytes();
    assert_eq!(place.read(&message, &without, now()).err(), Some(Stays::OtherPolicy));
    let mut untrusted = place.0.house.clone();
    untrusted.logs.clear();
    assert!(matches!(place.read(&message, &untrusted, now()), Err(Stays::OtherLog(_))));
    let other = Message { certificates: place.0.r.chain.clone(), ..message.clone() };
    assert!(place.read(&other, &place.0.house, now()).is_err());

    let invitation = place.read(&message, &place.0.house, now()).unwrap();
    let expects = |expected: &ItemDescriptor, item: &[u8]| place.join(&invitation, (item, expected), false).map(drop);
    assert_eq!(expects(&file(PLANS), LICENCE), Ok(()));
    assert_eq!(expects(&bytes(), LICENCE), Ok(()));
    assert_eq!(expects(&file(b"other plans"), LICENCE), Err(Stays::OtherPromise(MatchResult::Mismatch)));
    let silent = ItemDescriptor { media: Line::new("text/plain"), ..bytes() };
    assert_eq!(expects(&silent, LICENCE), Err(Stays::OtherPromise(MatchResult::NeedsHuman)));
    assert_eq!(expects(&bytes(), b"no JSON"), Err(Stays::NotDescribed));
    let late = Swap::join(
        &invitation,
        (&Own { octets: LICENCE, media: &media(), takes_weak: false }, &bytes()),
        &place.0.house,
        (&place.0.r.chain, &place.0.o.chain),
        &OsEntropy,
        &place.0.r.pen(Timestamp::from_millis(t_dep())),
    );
    assert_eq!(late.err(), Some(Stays::TooLate));
}

#[test]
fn only_the_responders_word_goes_on_and_a_dropped_proposal_stays_dropped() {
    let place = Place::new();
    let barter = place.barter(DepositMode::Content);
    let (mut o, _) = place.propose(barter, PLANS, false).unwrap();
    let invitation = place.read(&o.message().unwrap(), &place.0.house, now()).unwrap();
    let (mut r, _) = place.join(&invitation, (LICENCE, &bytes()), false).unwrap();
    let i2 = r.message().unwrap().statement;
    let pen = place.0.o.pen(now());
    assert!(o.take(&o.message().unwrap().statement, &pen).is_err());
    let of_another = place.agreed(place.barter(DepositMode::Content)).swaps[1].message().unwrap().statement;
    assert!(o.take(&of_another, &pen).is_err());
    assert!(r.take(&i2, &place.0.r.pen(now())).is_err(), "it made it itself");
    assert!(
        o.answered(
            &Given { phase: String::new(), statement: None, verdict: None, outages: Vec::new(), item: None },
            &pen
        )
        .is_err()
    );
    let mut dropped = o.clone();
    assert!(!dropped.is_overdue(now()) && dropped.is_overdue(Timestamp::from_millis(t_dep() + 1)));
    dropped.cancel(&pen).unwrap();
    assert_eq!(dropped.end(), Some(End::Dropped));
    assert!(matches!(dropped.take(&i2, &pen), Err(Stays::NotNow { .. })));
    o.take(&i2, &pen).unwrap();
    let taken = o.dossier().clone();
    o.take(&i2, &pen).unwrap();
    assert_eq!(o.dossier(), &taken, "twice is once");
    assert!(matches!(o.waive(Digest::of(LICENCE), &pen), Err(Stays::NotNow { .. })), "nothing is deposited");
}

#[test]
fn whatever_happens_a_cancel_is_followed_by_no_deposit_and_an_end_by_nothing() {
    let places: Vec<At> = [
        At::Proposed,
        At::Agreed,
        At::Depositing,
        At::Deposited,
        At::Refused,
        At::Waiving,
        At::Cancelling,
        At::Collecting(Decided::Released),
        At::Collecting(Decided::Returned),
        At::Done(End::Swapped),
        At::Done(End::Returned),
        At::Done(End::Dropped),
    ]
    .into();
    let mut events = vec![
        Happened::Agreed,
        Happened::Registered,
        Happened::Taken,
        Happened::NotTaken,
        Happened::Waives,
        Happened::Cancels,
        Happened::Collected,
    ];
    for decided in [Decided::Released, Decided::Returned] {
        events.extend([true, false].map(|is_due| Happened::Decided(decided, is_due)));
    }
    for at in places {
        assert_eq!(at.act().is_none(), at.end().is_some(), "{at:?}: it goes on to an end");
        for happened in &events {
            let next = at.next(*happened);
            if at.end().is_some() {
                assert_eq!(next, at, "{happened:?}");
            }
            if matches!(at, At::Cancelling | At::Collecting(_)) {
                assert!(!matches!(next, At::Depositing | At::Deposited | At::Waiving), "{at:?} {happened:?}");
            }
            if matches!(at, At::Deposited | At::Refused | At::Waiving) {
                assert_ne!(next, At::Depositing, "one deposit, once");
            }
            if next == At::Done(End::Swapped) && at != next {
                assert_eq!((at, *happened), (At::Collecting(Decided::Released), Happened::Collected));
            }
        }
        // Every state that the arbiter knows of ends by its verdict.
        if at.end().is_none() && !matches!(at, At::Proposed | At::Collecting(_)) {
            assert_eq!(at.next(Happened::Decided(Decided::Returned, false)), At::Done(End::Returned));
        }
    }
}

#[test]
fn a_document_that_was_changed_is_not_read() {
    let place = Place::new();
    let both = place.agreed(place.barter(DepositMode::Content));
    let check = |what: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let mut document: serde_json::Value = serde_json::from_slice(&both.swaps[0].dossier().to_bytes()).unwrap();
        change(&mut document);
        let read = SwapDossier::parse(document.to_string().as_bytes());
        assert!(read.is_err() || Swap::open(read.unwrap()).is_err(), "{what}");
    };
    let json = |value: &str| serde_json::from_str::<serde_json::Value>(value).unwrap();
    check("an unknown member", &|d| d["more"] = json("1"));
    check("another type", &|d| d["t"] = json("\"exchange-run\""));
    check("another version", &|d| d["v"] = json("2"));
    check("a state that it cannot be in", &|d| d["at"] = json("\"depositing\""));
    check("no proposal", &|d| drop(d["statements"].as_object_mut().unwrap().remove("i1")));
    check("another answer", &|d| d["statements"]["i2"] = d["statements"]["i1"].clone());
    check("the other side", &|d| d["side"] = json("\"r\""));
    check("another policy", &|d| d["policy"] = json("\"e30\""));
    check("no certificates", &|d| d["certificates"]["o"] = json("[]"));
    assert!(SwapDossier::parse(&vec![b' '; super::dossier::SWAP_BYTES_MAX + 1]).is_err());
}

#[test]
fn what_the_service_sends_reads_or_is_refused() {
    let read = |text: &str| Given::parse(text.as_bytes());
    let bare = r#"{"x":"A","phase":"agreed","taken":false,"statement":null,"verdict":null,"outages":[],"item":null}"#;
    assert_eq!(read(bare).unwrap().phase, "agreed");
    assert_eq!(read(r#"{"phase":"agreed"}"#).unwrap().phase, "agreed");
    for bad in [
        "",
        "[]",
        r#"{"phase":1}"#,
        r#"{"phase":"a","statement":{"jws":"a.b"}}"#,
        r#"{"phase":"a","statement":{"jws":"a.b.c","proof":""}}"#,
        r#"{"phase":"a","verdict":{"jws":1,"proof":""}}"#,
        r#"{"phase":"a","outages":[{"fact":"?","proof":""}]}"#,
        r#"{"phase":"a","item":{"octets":"?"}}"#,
        r#"{"phase":"a","phase":"b"}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    let cut = GivenFault::Lacks("an end");
    assert_eq!(Given::parse(&vec![b' '; super::given::ITEM_ANSWER_BYTES_MAX + 1]).err(), Some(cut));
}
