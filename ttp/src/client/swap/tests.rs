use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::super::message::Message;
use super::super::party::tests::{DELTA_MS, Person, Stage, now, proof};
use super::super::party::{House, Stays};
use super::super::verdict::GivenFault;
use super::begin::{Barter, Invitation, Own};
use super::dossier::{Piece, SwapDossier};
use super::given::{Given, Signed};
use super::side::{Asks, Swap};
use super::*;
use crate::crypto::OsEntropy;
use crate::crypto::jose::Key;
use crate::crypto::jwe::AgreementKey;
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, Kind};
use crate::exchange::inline::{
    Agreed, Beside, Clocked, Deposited, Ends, Inline, InlineEffect, InlineEvent, InlineRefusal, InlineState,
};
use crate::exchange::policy::{ExchangePolicy, InlinePolicy};
use crate::exchange::run::Keys;
use crate::exchange::tag_of_verdict;
use crate::role::step;
use crate::statement::exchange::cd_r::{ContentKey, EscrowArbiter};
use crate::statement::exchange::inline::{DepositMode, Nrs, Refused, Registered, Waive};
use crate::statement::exchange::item::{ItemDescriptor, ItemKind, MatchResult, Recovery, RuleName};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Assurance, Line, Outcome, Protocol, Side};
use crate::statement::{Body as _, Count, Jws, Millis};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

const PLANS: &[u8] = b"the plans of the house";
const LICENCE: &[u8] = br#"{"licence":7}"#;
const SIDES: [Side; 2] = [Side::Originator, Side::Responder];

fn t_dep() -> u64 {
    now().millis() + 10 * DELTA_MS
}

fn t_exp() -> u64 {
    t_dep() + 10 * DELTA_MS
}

fn media() -> Line {
    Line::new("text/plain").unwrap()
}

fn file(octets: &[u8]) -> ItemDescriptor {
    ItemDescriptor { sha256: Some(Digest::of(octets).into()), len: Count::new(octets.len() as u64), ..bytes() }
}

fn bytes() -> ItemDescriptor {
    ItemDescriptor {
        kind: ItemKind::Bytes,
        sha256: None,
        len: None,
        media: None,
        amount: None,
        predicate: None,
        verifier: None,
        recovery: Recovery::None,
    }
}

fn goods() -> ItemDescriptor {
    ItemDescriptor { kind: ItemKind::Physical, ..bytes() }
}

fn rule(name: &str) -> RuleName {
    RuleName::new(name).unwrap()
}

const fn at(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

fn text(jws: &Jws) -> String {
    String::from_utf8(jws.bytes().to_vec()).unwrap()
}

/// Two parties and what they know of the arbiter.
struct Place(Stage);

impl Place {
    fn new() -> Self {
        let mut stage = Stage::new();
        let predicates = vec![rule("json-object/1"), rule("utf8-text/1")];
        let inline = InlinePolicy { retention_ms: 1_000_000, open_max_ms: 100 * DELTA_MS, predicates };
        let policy = ExchangePolicy { inline: Some(inline), ..ExchangePolicy::new(DELTA_MS, 5_000) };
        stage.house.policy = policy.to_bytes();
        Self(stage)
    }

    fn barter(&self, mode: DepositMode) -> Barter {
        let crate::statement::exchange::Arbiter { id, key, url, log } = self.0.terms(None).ttp;
        Barter {
            o: self.0.o.participant(),
            r: self.0.r.participant(),
            ttp: EscrowArbiter { id, key, escrow_key: self.0.e.name(), url, log },
            gives: file(PLANS),
            wants: ItemDescriptor { predicate: Some(rule("json-object/1")), ..bytes() },
            mode,
            t_dep: Millis::new(t_dep()).unwrap(),
            t_exp: Millis::new(t_exp()).unwrap(),
            retention_ms: None,
            assurance: Assurance::NonQualified,
        }
    }

    fn propose(&self, barter: Barter, item: &[u8], takes_weak: bool) -> Result<(Swap, Vec<u8>), Stays> {
        let own = Own { octets: item, media: &media(), takes_weak };
        let chains = (&self.0.o.chain[..], &self.0.r.chain[..]);
        Swap::propose(barter, &own, &self.0.house, chains, &OsEntropy, &self.0.o.pen(now()))
    }

    fn read(&self, message: &Message, house: &House, at: Timestamp) -> Result<Invitation, Stays> {
        Swap::read(message, &self.0.r.chain, house, at)
    }

    fn join(
        &self,
        invitation: &Invitation,
        (item, expects): (&[u8], &ItemDescriptor),
        takes_weak: bool,
    ) -> Result<(Swap, Vec<u8>), Stays> {
        let own = Own { octets: item, media: &media(), takes_weak };
        let chains = (&self.0.r.chain[..], &self.0.o.chain[..]);
        Swap::join(invitation, (&own, expects), &self.0.house, chains, &OsEntropy, &self.0.r.pen(now()))
    }

    /// Both sides once the responder has agreed, and both know it.
    fn agreed(&self, barter: Barter) -> Both<'_> {
        let expects = barter.gives.clone();
        let (mut o, of_o) = self.propose(barter, PLANS, true).unwrap();
        let invitation = self.read(&o.message().unwrap(), &self.0.house, now()).unwrap();
        let (r, of_r) = self.join(&invitation, (LICENCE, &expects), true).unwrap();
        o.take(&r.message().unwrap().statement, &self.0.o.pen(now())).unwrap();
        Both { place: self, arbiter: Desk::new(self, &o), swaps: [o, r], beside: [of_o, of_r], got: [None, None] }
    }

    fn person(&self, side: Side) -> &Person {
        match side {
            Side::Originator => &self.0.o,
            Side::Responder => &self.0.r,
        }
    }
}

/// Both sides and their arbiter.
struct Both<'p> {
    place: &'p Place,
    swaps: [Swap; 2],
    beside: [Vec<u8>; 2],
    arbiter: Desk<'p>,
    /// What each side has collected.
    got: [Option<Vec<u8>>; 2],
}

/// Why a question led to nothing.
#[derive(Debug, PartialEq)]
enum Fails {
    Refused(InlineRefusal),
    Stays(Stays),
}

impl Both<'_> {
    fn stand(&self) -> [&'static str; 2] {
        self.swaps.each_ref().map(|swap| swap.at().name())
    }

    /// One question of a side, at this moment. Everything is killed between any two writes: the side is read back from its disk before and
    /// after, and asks twice, the first answer being lost.
    fn ask_at(&mut self, side: Side, time: Timestamp) -> Result<(), Fails> {
        let swap = reopened(&self.swaps[at(side)]);
        let lost = self.arbiter.answer(side, swap.asks().unwrap(), &self.beside[at(side)], time);
        let swap = reopened(&swap);
        let given = self.arbiter.answer(side, swap.asks().unwrap(), &self.beside[at(side)], time);
        assert_eq!(lost.is_ok(), given.is_ok());
        let given = given.map_err(Fails::Refused)?;
        let lost = lost.unwrap();
        if given.item.is_none() {
            assert_eq!((&lost.statement, &lost.verdict), (&given.statement, &given.verdict));
        }
        let pen = self.place.person(side).pen(time);
        let mut next = swap.clone();
        if next.act() == Some(Act::Collect) {
            let (item, found) = next.collected(&given).map_err(Fails::Stays)?;
            assert_ne!(found, MatchResult::Mismatch);
            self.got[at(side)] = Some(item.to_vec());
            next.has_collected(&pen).map_err(Fails::Stays)?;
        } else {
            next.answered(&given, &pen).map_err(Fails::Stays)?;
        }
        self.swaps[at(side)] = reopened(&next);
        Ok(())
    }

    fn ask(&mut self, side: Side) -> Result<(), Fails> {
        self.ask_at(side, now())
    }

    /// Goes on until nothing changes any more.
    fn rest(&mut self) {
        for _ in 0..8 {
            for side in SIDES {
                if self.swaps[at(side)].asks().is_some() {
                    self.ask(side).unwrap();
                }
            }
        }
    }
}

/// As it would be read from the disk by the next process.
fn reopened(swap: &Swap) -> Swap {
    let opened = Swap::open(SwapDossier::parse(&swap.dossier().to_bytes()).unwrap()).unwrap();
    assert_eq!(opened.dossier(), swap.dossier());
    opened
}

/// The arbiter of one run: its own `decide`, and a signature for each effect.
struct Desk<'p> {
    place: &'p Place,
    state: InlineState,
    first: Swap,
    agreed: Option<Agreed>,
    deposited: [Option<(Deposited, Vec<u8>)>; 2],
    statements: BTreeMap<Digest, Jws>,
    signed: BTreeMap<Digest, Signed>,
    verdict: Option<Signed>,
}

impl<'p> Desk<'p> {
    fn new(place: &'p Place, first: &Swap) -> Self {
        let (state, first) = (InlineState::default(), first.clone());
        let (statements, signed) = (BTreeMap::new(), BTreeMap::new());
        Self { place, state, first, agreed: None, deposited: [None, None], statements, signed, verdict: None }
    }

    fn keys(&self) -> impl Fn(&crate::crypto::jose::Thumbprint) -> Option<std::sync::Arc<Key>> + use<> {
        let Stage { o, r, t, .. } = &self.place.0;
        let keys = [o, r, t].map(|person| {
            std::sync::Arc::new(Key::from_spki_der(crate::crypto::Signer::spki_der(&person.key)).unwrap())
        });
        move |name| keys.iter().find(|key| key.thumbprint() == *name).cloned()
    }

    /// What it answers to what a side asks.
    fn answer(&mut self, side: Side, asks: Asks<'_>, beside: &[u8], time: Timestamp) -> Result<Given, InlineRefusal> {
        let policy = ExchangePolicy::parse(&self.place.0.house.policy).unwrap().inline.unwrap();
        let keys = self.keys();
        let keys: Keys<'_> = &keys;
        let read = |text: &str| Jws::parse(text.as_bytes()).unwrap();
        let proposed = self.first.proposed().clone();
        let mut deposited = None;
        let (request, event) = match asks {
            Asks::Register { i1, i2 } => {
                assert_eq!(read(i1), proposed.jws);
                let agreed = proposed.agreed(read(i2), keys).unwrap();
                let agreement = proposed.agreement(&agreed, &policy);
                self.agreed.get_or_insert(agreed);
                (read(i1).x(), InlineEvent::Register(Box::new(agreement)))
            }
            Asks::Deposit(text) => {
                let one = proposed.deposited(read(text), keys).unwrap();
                let opens = AgreementKey::from_soft(&self.place.0.e.key).unwrap();
                let key = proposed.escrowed(&one, &opens);
                let looked = match one.deposit.sealed.is_some() {
                    true => Beside::Sealed { content: beside, key: key.as_ref() },
                    false => Beside::Item(beside),
                };
                let found = proposed.looked_at(&one, &looked, &policy.predicates);
                let (request, moved, size) = (one.jws.x(), one.moved(), one.deposit.size.get());
                deposited = Some((one, beside.to_vec()));
                (request, InlineEvent::Deposit { moved, size, found })
            }
            Asks::State(text) => {
                let jws = read(text);
                let request = jws.x();
                self.statements.insert(request, jws.clone());
                let event = match jws.tag() {
                    Waive::TAG => {
                        let (_, items) = proposed.waived(jws, keys).unwrap();
                        InlineEvent::Waive { side, request, items }
                    }
                    "inline/cancel" => {
                        proposed.cancelled(jws, keys).unwrap();
                        InlineEvent::Cancel { side, request }
                    }
                    _ => {
                        proposed.collects(jws, keys).unwrap();
                        InlineEvent::Collect { side, request }
                    }
                };
                (request, event)
            }
        };
        let ends = Ends::of(t_dep(), t_exp(), DELTA_MS, &[]);
        let is_collect = matches!(event, InlineEvent::Collect { .. });
        let clocked = Clocked { event, ends, clock: ClockVerdict::Synced };
        let (_, effects) = step::<Inline>(&mut self.state, &clocked, time)?;
        for effect in effects {
            match effect {
                InlineEffect::SignRegistered => {
                    let basis = vec![text(&proposed.jws), text(&self.agreed.as_ref().unwrap().jws)];
                    let body = Registered { basis, at_ms: time.into() };
                    self.signed
                        .insert(request, self.place.signed(ExchangeKind::Registered, body, time, &proposed.run.x));
                }
                InlineEffect::SignSubmitted => {
                    let (one, octets) = deposited.take().unwrap();
                    let result = self.state.deposit(side).unwrap().result;
                    let body = Nrs { deposit: text(&one.jws), result, at_ms: time.into() };
                    self.signed
                        .insert(request, self.place.signed(ExchangeKind::Submitted, body, time, &proposed.run.x));
                    self.deposited[at(side)] = Some((one, octets));
                }
                InlineEffect::SignRefused => {
                    let body = Refused {
                        side,
                        req: request.into(),
                        reason: crate::statement::exchange::inline::DepositFault::OtherItem,
                        at_ms: time.into(),
                    };
                    let kind = ExchangeKind::SubmissionRefused;
                    self.signed.insert(request, self.place.signed(kind, body, time, &proposed.run.x));
                }
                InlineEffect::SignVerdict => self.decide(time),
                InlineEffect::KeepItem
                | InlineEffect::KeepStatement
                | InlineEffect::HandItem
                | InlineEffect::EraseItems => {}
            }
        }
        let item = self.state.due_to(side).filter(|_| is_collect).map(|held| {
            let (one, octets) = self.deposited[at(held.moved.side)].as_ref().unwrap();
            let opens = AgreementKey::from_soft(&self.place.0.e.key).unwrap();
            let key = proposed.escrowed(one, &opens).map(|key| ContentKey::from(&key));
            (Zeroizing::new(octets.clone()), key)
        });
        let statement = self.signed.get(&request).cloned();
        Ok(Given { phase: String::new(), statement, verdict: self.verdict.clone(), outages: Vec::new(), item })
    }

    /// The verdict that follows from its state.
    fn decide(&mut self, time: Timestamp) {
        let (_, decision) = self.state.decision.clone().unwrap();
        let mut basis = vec![text(&self.first.proposed().jws), text(&self.agreed.as_ref().unwrap().jws)];
        basis.extend(self.deposited.iter().flatten().map(|(one, _)| text(&one.jws)));
        let waived = self.state.waived.iter().flatten().map(|(request, _)| request);
        basis.extend(waived.map(|request| text(&self.statements[request])));
        if let (Outcome::Returned, Some((_, request))) = (decision.outcome, decision.by) {
            basis.push(text(&self.statements[&request]));
        }
        self.verdict = Some(self.place.verdict(&self.first, decision.outcome, time, basis));
    }
}

impl Place {
    fn signed<B: crate::statement::Body>(&self, kind: ExchangeKind, body: B, time: Timestamp, x: &Digest) -> Signed {
        let jws = self.0.t.pen(time).sign(Some(*x), body).unwrap();
        Signed { proof: proof(Kind::Exchange(kind), jws.digest(), Vec::new()), jws }
    }

    fn verdict(&self, first: &Swap, outcome: Outcome, time: Timestamp, basis: Vec<String>) -> Signed {
        let run = &first.proposed().run;
        let body = Verdict {
            proto: Protocol::Inline,
            outcome,
            basis,
            decided_ms: time.into(),
            policy: run.policy.into(),
            outages: Vec::new(),
            assurance: run.assurance,
        };
        let kind = if outcome == Outcome::Released { ExchangeKind::InlineReleased } else { ExchangeKind::Returned };
        let jws = self.0.t.pen(time).sign(Some(run.x), body).unwrap();
        Signed { proof: proof(Kind::Exchange(kind), jws.digest(), vec![tag_of_verdict(&run.x)]), jws }
    }
}

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
