//! Both sides of an exchange, and an arbiter that is the arbiter's own `decide`.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::super::super::message::Message;
use super::super::super::party::tests::{DELTA_MS, Person, Stage, now, proof};
use super::super::super::party::{House, Stays};
use super::super::begin::{Barter, Invitation, Own};
use super::super::dossier::SwapDossier;
use super::super::given::{Given, Signed};
use super::super::side::{Asks, Swap};
use super::super::*;
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

pub(super) const PLANS: &[u8] = b"the plans of the house";
pub(super) const LICENCE: &[u8] = br#"{"licence":7}"#;
pub(super) const SIDES: [Side; 2] = [Side::Originator, Side::Responder];

pub(super) fn t_dep() -> u64 {
    now().millis() + 10 * DELTA_MS
}

pub(super) fn t_exp() -> u64 {
    t_dep() + 10 * DELTA_MS
}

pub(super) fn media() -> Line {
    Line::new("text/plain").unwrap()
}

pub(super) fn file(octets: &[u8]) -> ItemDescriptor {
    ItemDescriptor { sha256: Some(Digest::of(octets).into()), len: Count::new(octets.len() as u64), ..bytes() }
}

pub(super) fn bytes() -> ItemDescriptor {
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

pub(super) fn goods() -> ItemDescriptor {
    ItemDescriptor { kind: ItemKind::Physical, ..bytes() }
}

pub(super) fn rule(name: &str) -> RuleName {
    RuleName::new(name).unwrap()
}

pub(super) const fn at(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

pub(super) fn text(jws: &Jws) -> String {
    String::from_utf8(jws.bytes().to_vec()).unwrap()
}

/// Two parties and what they know of the arbiter.
pub(super) struct Place(pub(super) Stage);

impl Place {
    pub(super) fn new() -> Self {
        let mut stage = Stage::new();
        let predicates = vec![rule("json-object/1"), rule("utf8-text/1")];
        let inline = InlinePolicy { retention_ms: 1_000_000, open_max_ms: 100 * DELTA_MS, predicates };
        let policy = ExchangePolicy { inline: Some(inline), ..ExchangePolicy::new(DELTA_MS, 5_000) };
        stage.house.policy = policy.to_bytes();
        Self(stage)
    }

    pub(super) fn barter(&self, mode: DepositMode) -> Barter {
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

    pub(super) fn propose(&self, barter: Barter, item: &[u8], takes_weak: bool) -> Result<(Swap, Vec<u8>), Stays> {
        let own = Own { octets: item, media: &media(), takes_weak };
        let chains = (&self.0.o.chain[..], &self.0.r.chain[..]);
        Swap::propose(barter, &own, &self.0.house, chains, &OsEntropy, &self.0.o.pen(now()))
    }

    pub(super) fn read(&self, message: &Message, house: &House, at: Timestamp) -> Result<Invitation, Stays> {
        Swap::read(message, &self.0.r.chain, house, at)
    }

    pub(super) fn join(
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
    pub(super) fn agreed(&self, barter: Barter) -> Both<'_> {
        let expects = barter.gives.clone();
        let (mut o, of_o) = self.propose(barter, PLANS, true).unwrap();
        let invitation = self.read(&o.message().unwrap(), &self.0.house, now()).unwrap();
        let (r, of_r) = self.join(&invitation, (LICENCE, &expects), true).unwrap();
        o.take(&r.message().unwrap().statement, &self.0.o.pen(now())).unwrap();
        Both { place: self, arbiter: Desk::new(self, &o), swaps: [o, r], beside: [of_o, of_r], got: [None, None] }
    }

    pub(super) fn person(&self, side: Side) -> &Person {
        match side {
            Side::Originator => &self.0.o,
            Side::Responder => &self.0.r,
        }
    }
}

/// Both sides and their arbiter.
pub(super) struct Both<'p> {
    pub(super) place: &'p Place,
    pub(super) swaps: [Swap; 2],
    pub(super) beside: [Vec<u8>; 2],
    pub(super) arbiter: Desk<'p>,
    /// What each side has collected.
    pub(super) got: [Option<Vec<u8>>; 2],
}

/// Why a question led to nothing.
#[derive(Debug, PartialEq)]
pub(super) enum Fails {
    Refused(InlineRefusal),
    Stays(Stays),
}

impl Both<'_> {
    pub(super) fn stand(&self) -> [&'static str; 2] {
        self.swaps.each_ref().map(|swap| swap.at().name())
    }

    /// One question of a side, at this moment. Everything is killed between any two writes: the side is read back from its disk before and
    /// after, and asks twice, the first answer being lost.
    pub(super) fn ask_at(&mut self, side: Side, time: Timestamp) -> Result<(), Fails> {
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

    pub(super) fn ask(&mut self, side: Side) -> Result<(), Fails> {
        self.ask_at(side, now())
    }

    /// Goes on until nothing changes any more.
    pub(super) fn rest(&mut self) {
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
pub(super) fn reopened(swap: &Swap) -> Swap {
    let opened = Swap::open(SwapDossier::parse(&swap.dossier().to_bytes()).unwrap()).unwrap();
    assert_eq!(opened.dossier(), swap.dossier());
    opened
}

/// The arbiter of one run: its own `decide`, and a signature for each effect.
pub(super) struct Desk<'p> {
    pub(super) place: &'p Place,
    pub(super) state: InlineState,
    pub(super) first: Swap,
    pub(super) agreed: Option<Agreed>,
    pub(super) deposited: [Option<(Deposited, Vec<u8>)>; 2],
    pub(super) statements: BTreeMap<Digest, Jws>,
    pub(super) signed: BTreeMap<Digest, Signed>,
    pub(super) verdict: Option<Signed>,
}

impl<'p> Desk<'p> {
    pub(super) fn new(place: &'p Place, first: &Swap) -> Self {
        let (state, first) = (InlineState::default(), first.clone());
        let (statements, signed) = (BTreeMap::new(), BTreeMap::new());
        Self { place, state, first, agreed: None, deposited: [None, None], statements, signed, verdict: None }
    }

    pub(super) fn keys(&self) -> impl Fn(&crate::crypto::jose::Thumbprint) -> Option<std::sync::Arc<Key>> + use<> {
        let Stage { o, r, t, .. } = &self.place.0;
        let keys = [o, r, t].map(|person| {
            std::sync::Arc::new(Key::from_spki_der(crate::crypto::Signer::spki_der(&person.key)).unwrap())
        });
        move |name| keys.iter().find(|key| key.thumbprint() == *name).cloned()
    }

    /// What it answers to what a side asks.
    pub(super) fn answer(
        &mut self,
        side: Side,
        asks: Asks<'_>,
        beside: &[u8],
        time: Timestamp,
    ) -> Result<Given, InlineRefusal> {
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
    pub(super) fn decide(&mut self, time: Timestamp) {
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
    pub(super) fn signed<B: crate::statement::Body>(
        &self,
        kind: ExchangeKind,
        body: B,
        time: Timestamp,
        x: &Digest,
    ) -> Signed {
        let jws = self.0.t.pen(time).sign(Some(*x), body).unwrap();
        Signed { proof: proof(Kind::Exchange(kind), jws.digest(), Vec::new()), jws }
    }

    pub(super) fn verdict(&self, first: &Swap, outcome: Outcome, time: Timestamp, basis: Vec<String>) -> Signed {
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
