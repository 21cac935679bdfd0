//! Runs of exchanges: an honest arbiter's, and one fault at a time.

use std::collections::BTreeMap;

use super::*;
use crate::ca::Authority;
use crate::ca::certificate::Issuer;
use crate::ca::profile::ProfileCode;
use crate::crypto::{SignatureAlgorithm, Signer, SoftKey};
use crate::evidence::{Envelope, ExchangeKind, OpsFact};
use crate::exchange::expiry::{End, Outage, end};
use crate::exchange::policy::ExchangePolicy;
use crate::exchange::testing::{Delivery, PEOPLE, Script, delivery, escrow_of, offer, secret};
use crate::exchange::{
    Ask, Clocked, Demand, Exchange, ExchangeFact, ExchangeState, KeyMoved, run::Run, tag_of_verdict,
};
use crate::policy::PolicyName;
use crate::role::step;
use crate::statement::exchange::asw_r::M1;
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::verdict::{Answer, Verdict};
use crate::statement::exchange::{Outcome as Decided, Side};
use crate::statement::{Count, Jws, Millis};
use crate::testing::PKI;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

pub(super) const VERDICT: KeyId = KeyId::new(KeyPurpose::ArbiterVerdict, 1);
pub(super) const DELTA_MS: u64 = 60_000;

/// An arbiter with its ledger.
pub(super) struct Court {
    pub(super) world: World,
    pub(super) states: BTreeMap<Digest, ExchangeState>,
    pub(super) now: Timestamp,
    pub(super) outages: Vec<Outage>,
}

/// What a side sends.
pub(super) struct Request<'r> {
    run: &'r Run,
    first: &'r Jws,
    second: Option<&'r Jws>,
    request: &'r Jws,
    side: Side,
    demand: Demand,
}

/// What a corrupt arbiter changes in what it says.
pub(super) struct Lie {
    verdict: fn(&mut Verdict),
    answer: fn(&mut Answer),
    fact: fn(&mut ExchangeFact),
    kept: fn(&mut Vec<u8>),
}

pub(super) const HONEST: Lie = Lie { verdict: |_| (), answer: |_| (), fact: |_| (), kept: |_| () };

pub(super) fn policy() -> Vec<u8> {
    ExchangePolicy::new(DELTA_MS, 5_000).to_bytes()
}

fn contract(t_exp: Option<Timestamp>) -> Script {
    Script::of(M1 { policy: Digest::of(&policy()).into(), ..offer(t_exp.map(Timestamp::millis)) })
}

fn posted(t_exp: Option<Timestamp>, opens: bool) -> Delivery {
    let (base, content) = delivery(t_exp.map(Timestamp::millis));
    let mut named = D1 { policy: Digest::of(&policy()).into(), ..base };
    named.esc = escrow_of(&named, &secret(if opens { 9 } else { 66 }));
    Delivery::of(named, content)
}

fn abort(script: &Script) -> Request<'_> {
    let (run, first, request) = (&script.offered.run, &script.offered.jws, &script.abort);
    Request { run, first, second: None, request, side: Side::Originator, demand: Demand::Abort }
}

fn resolve<'r>(script: &'r Script, request: &'r Jws, side: Side) -> Request<'r> {
    let demand = Demand::Resolve { c_r: script.answered.c_r };
    Request { second: Some(&script.answered.jws), request, side, demand, ..abort(script) }
}

pub(super) fn take(run: &Delivery, opens: bool) -> Request<'_> {
    let Delivery { posted, agreed, resolve_r, .. } = run;
    let demand = Demand::Take { opens };
    let (side, second) = (Side::Responder, Some(&agreed.jws));
    Request { run: &posted.run, first: &posted.jws, second, request: resolve_r, side, demand }
}

fn leave(run: &Delivery) -> Request<'_> {
    Request { request: &run.resolve_o, side: Side::Originator, demand: Demand::Deposit, ..take(run, true) }
}

impl Court {
    pub(super) fn new() -> Self {
        Self::of(&policy())
    }

    /// One with this policy for exchanges.
    pub(super) fn of(policy: &[u8]) -> Self {
        let ca_key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let root = Issuer::new(Authority::Root, &PKI.root, PKI.root_key.algorithm()).unwrap();
        let ca = testing::issue(&testing::template("issuing-ca", "Party", &ca_key, 10), &root, &PKI.root_key);
        let issuer = Issuer::new(Authority::Party, &ca, ca_key.algorithm()).unwrap();
        let key = &PEOPLE.t.key;
        let certificate = testing::issue(&testing::template("arbiter-verdict", "Arbiter", key, 3), &issuer, &ca_key);
        let mut world = World::lived();
        let now = GEN_TIME.plus_secs(90_002);
        for (id, spki) in [(KeyId::new(KeyPurpose::CaParty, 1), ca_key.spki_der()), (VERDICT, key.spki_der())] {
            let made = OpsFact::KeyMade { key: id, public_key: Digest::of(spki) };
            world.record(made, Aggregate::of_key(id), 0, b"settings", now, None);
        }
        for (profile, issuer, certificate) in
            [(ProfileCode::IssuingCa, Authority::Root, &ca), (ProfileCode::Role, Authority::Party, &certificate)]
        {
            world.certify_by(issuer, profile, certificate, None, now);
        }
        world.policy(&PolicyName::Exchange, policy, 0, now);
        Self { world, states: BTreeMap::new(), now, outages: Vec::new() }
    }

    pub(super) fn pass(&mut self, secs: u64) -> Timestamp {
        self.now = self.now.plus_secs(secs);
        self.now
    }

    pub(super) fn away(&mut self, from: Timestamp) {
        let index = self.world.lines.len() as u64;
        let (from_millis, to_millis) = (from.millis(), self.now.millis());
        self.world.diary(OpsFact::Outage { from_millis, to_millis }, self.now);
        self.outages.push(Outage { from, to: self.now, index });
    }

    /// Decides, and records all of it.
    pub(super) fn ask(&mut self, asked: &Request<'_>, lie: &Lie) {
        let Request { run, first, second, request, side, demand } = asked;
        if self.states.is_empty() {
            let first_use = OpsFact::KeyFirstUse { key: VERDICT };
            self.world.record(first_use, Aggregate::of_key(VERDICT), 1, &[], self.now, None);
        }
        let event = Ask {
            x: run.x,
            protocol: run.protocol,
            policy: run.policy,
            assurance: run.assurance,
            end: run.t_exp.map(|t_exp| end(t_exp, DELTA_MS, &self.outages)),
            o: run.o.key,
            r: run.r.key,
            side: *side,
            request: request.x(),
            demand: *demand,
        };
        let state = self.states.entry(run.x).or_default();
        let before = state.steps;
        let clocked = Clocked { event, clock: ClockVerdict::Synced };
        let (facts, _) = step::<Exchange>(state, &clocked, self.now).unwrap();
        let mut verdict_digest = None;
        for (seq, mut fact) in (before..).zip(facts) {
            (lie.fact)(&mut fact);
            let text = |jws: &Jws| String::from_utf8(jws.bytes().to_vec()).unwrap();
            let artefact = match &fact {
                ExchangeFact::Decided(decision) => {
                    let rests = match decision.outcome {
                        Decided::Aborted => Some(*request),
                        Decided::Expired => None,
                        Decided::Resolved
                        | Decided::Released
                        | Decided::Void
                        | Decided::Returned
                        | Decided::Captured => *second,
                    };
                    let outages = decision.end.iter().flat_map(|end| &end.outages);
                    let mut verdict = Verdict {
                        proto: decision.protocol,
                        outcome: decision.outcome,
                        basis: std::iter::once(*first).chain(rests).map(text).collect(),
                        decided_ms: decision.at.into(),
                        policy: decision.policy.into(),
                        outages: outages.filter_map(|index| Count::new(*index)).collect(),
                        assurance: decision.assurance,
                    };
                    (lie.verdict)(&mut verdict);
                    let signed = PEOPLE.t.sign_at(decision.at.into(), Some(run.x), verdict);
                    verdict_digest = Some(signed.digest());
                    Some(signed.bytes().to_vec())
                }
                ExchangeFact::Answered { to, request, c_r, .. } => {
                    let digest = verdict_digest.unwrap_or_else(|| {
                        let tag = tag_of_verdict(&run.x);
                        let line = self.world.lines.iter().find(|line| line.entry.tags.as_slice() == [tag]);
                        Digest(line.unwrap().entry.digest)
                    });
                    let mut answer =
                        Answer { to: *to, req: (*request).into(), c_r: c_r.map(Into::into), verdict: digest.into() };
                    (lie.answer)(&mut answer);
                    Some(PEOPLE.t.sign_at(self.now.into(), Some(run.x), answer).bytes().to_vec())
                }
                ExchangeFact::Anomaly { .. } => second.map(|second| second.bytes().to_vec()),
                ExchangeFact::KeyDeposited(_) => {
                    Some(posted(None, true).posted.delivery.esc.as_str().as_bytes().to_vec())
                }
                ExchangeFact::KeyCollected(_) => {
                    let mut kept = request.bytes().to_vec();
                    (lie.kept)(&mut kept);
                    Some(kept)
                }
            };
            let tags = matches!(fact, ExchangeFact::Decided(_)).then(|| tag_of_verdict(&run.x));
            let envelope = Envelope {
                aggregate: Exchange::aggregate(&run.x),
                seq,
                now: self.now,
                salt: [5; 16],
                policy_hash: Digest::of(b"policy"),
                event_digest: request.x(),
            };
            self.world.push(fact.into_fact(&envelope), artefact, tags.into_iter().collect());
        }
    }

    pub(super) fn differences(&self) -> Vec<String> {
        self.world.audit().differences.into_iter().map(|found| found.what).collect()
    }
}

/// What an audit finds where the arbiter lies about one contract that it resolves for the originator.
fn lies(lie: &Lie) -> Vec<String> {
    let mut court = Court::new();
    let script = contract(None);
    let request = script.resolve(Side::Originator);
    court.ask(&resolve(&script, &request, Side::Originator), lie);
    court.differences()
}

#[test]
fn an_honest_arbiter_is_decided_again_and_nothing_differs() {
    let mut court = Court::new();
    let t_exp = court.now.plus_secs(600);
    let scripts = [contract(None), contract(Some(t_exp))];
    let (by_o, by_r) = (scripts[0].resolve(Side::Originator), scripts[0].resolve(Side::Responder));
    court.ask(&resolve(&scripts[0], &by_o, Side::Originator), &HONEST);
    court.pass(1);
    court.ask(&resolve(&scripts[0], &by_r, Side::Responder), &HONEST);
    court.ask(&abort(&scripts[0]), &HONEST);
    let deliveries = [posted(None, true), posted(Some(t_exp), true), posted(Some(t_exp.plus_secs(1)), false)];
    court.ask(&leave(&deliveries[0]), &HONEST);
    court.pass(1);
    court.ask(&take(&deliveries[0], true), &HONEST);
    // Away over the end of two of them: it moved.
    let from = court.now;
    court.pass(700);
    court.away(from);
    court.pass(DELTA_MS / 1_000);
    court.ask(&take(&deliveries[1], true), &HONEST);
    court.ask(&take(&deliveries[2], false), &HONEST);
    court.pass(1);
    court.ask(&abort(&scripts[1]), &HONEST);
    let report = court.world.audit();
    assert_eq!(report.differences, []);
    let same = |kind| report.kinds[&Some(Kind::Exchange(kind))].same;
    use ExchangeKind::{Answer, Expired, KeyCollected, KeyDeposited, Released, Resolved, Void};
    for (kind, count) in
        [(Resolved, 1), (Released, 2), (Void, 1), (Expired, 1), (Answer, 8), (KeyDeposited, 1), (KeyCollected, 2)]
    {
        assert_eq!(same(kind), count, "{kind:?}");
    }
}

/// The key for escrows signs nothing: its first use stands in front of what is decided by what it opened.
#[test]
fn the_first_use_of_the_key_for_escrows_goes_with_a_decision() {
    const ESCROW: KeyId = KeyId::new(KeyPurpose::ArbiterEscrow, 1);
    let used = |waits_secs: u64, is_decided: bool| {
        let mut court = Court::new();
        let made = OpsFact::KeyMade { key: ESCROW, public_key: Digest::of(b"escrow") };
        court.world.record(made, Aggregate::of_key(ESCROW), 0, b"settings", court.now, None);
        let script = contract(None);
        court.ask(&abort(&script), &HONEST);
        court.world.record(OpsFact::KeyFirstUse { key: ESCROW }, Aggregate::of_key(ESCROW), 1, &[], court.now, None);
        court.pass(waits_secs);
        if is_decided {
            court.ask(&take(&posted(None, true), true), &HONEST);
        }
        court.differences().len()
    };
    assert_eq!((used(0, true), used(1, true), used(0, false)), (0, 1, 1));
}

#[test]
fn a_verdict_that_says_something_else_differs() {
    let says = ["its verdict says something else than its fact"];
    assert_eq!(lies(&Lie { verdict: |verdict| verdict.outcome = Decided::Aborted, ..HONEST }), says);
    assert_eq!(lies(&Lie { verdict: |verdict| verdict.decided_ms = Millis::new(7).unwrap(), ..HONEST }), says);
    assert_eq!(lies(&Lie { verdict: |verdict| verdict.outages.push(Count::new(7).unwrap()), ..HONEST }), says);
    let needs = ["its verdict does not embed what its outcome needs"];
    assert_eq!(lies(&Lie { verdict: |verdict| verdict.basis.truncate(1), ..HONEST }), needs);
    let swapped = |verdict: &mut Verdict| {
        let other = contract(Some(GEN_TIME));
        verdict.basis[0] = String::from_utf8(other.offered.jws.bytes().to_vec()).unwrap();
    };
    assert_eq!(lies(&Lie { verdict: swapped, ..HONEST }), ["its verdict embeds no first statement of the run"]);
    let of_stranger = Lie { answer: |answer| answer.to = PEOPLE.stranger.name(), ..HONEST };
    assert_eq!(lies(&of_stranger), ["its answer says something else than its fact"]);
    let of_another = Lie { answer: |answer| answer.verdict = Digest::of(b"another").into(), ..HONEST };
    assert_eq!(lies(&of_another), ["its answer says something else than its fact"]);
}

#[test]
fn a_fact_that_says_something_else_differs() {
    let change = |change: fn(&mut crate::exchange::Decision)| {
        let mut court = Court::new();
        let script = contract(None);
        let request = script.resolve(Side::Originator);
        court.ask(&resolve(&script, &request, Side::Originator), &HONEST);
        let index = court.world.all(Kind::Exchange(ExchangeKind::Resolved))[0];
        let stated = ExchangeFact::from_fact(court.world.fact(index)).unwrap();
        let ExchangeFact::Decided(mut decision) = stated else { unreachable!("it was decided") };
        change(&mut decision);
        court.world.rewrite(index, ExchangeFact::Decided(decision));
        court.differences()
    };
    assert!(!change(|decision| decision.policy = Digest::of(b"another")).is_empty());
    assert!(!change(|decision| decision.end = Some(End { at_ms: 7, outages: vec![] })).is_empty());
    assert!(!change(|decision| decision.o = PEOPLE.stranger.name()).is_empty());
    assert!(!change(|decision| decision.c_r = Some(Digest::of(b"another"))).is_empty());
    assert!(!change(|decision| decision.at = decision.at.plus_secs(1)).is_empty());
    assert!(change(|_| ()).is_empty());
}

/// Whoever says that it was away has decided nothing meanwhile.
#[test]
fn an_absence_in_which_it_decided_differs() {
    let away = |since: u64| {
        let mut court = Court::new();
        let before = court.now;
        let script = contract(None);
        court.pass(100);
        court.ask(&abort(&script), &HONEST);
        court.pass(100);
        court.away(before.plus_secs(since));
        court.differences()
    };
    assert_eq!(away(100), [""; 0], "from its last decision on");
    assert_eq!(away(99), ["the arbiter decided within the time in which it says that it was away"]);
}

#[test]
fn a_key_that_nobody_left_or_took_differs() {
    let moved = |kind: fn(KeyMoved) -> ExchangeFact, by: Side| {
        let mut court = Court::new();
        let script = contract(None);
        let request = script.resolve(Side::Originator);
        court.ask(&resolve(&script, &request, Side::Originator), &HONEST);
        let run = &script.offered.run;
        let moved = KeyMoved { x: run.x, at: court.now, by: run.participant(by).key, request: request.x() };
        let fact = kind(moved);
        let artefact = Some(b"no JWE".to_vec());
        let envelope = Envelope {
            aggregate: Exchange::aggregate(&run.x),
            seq: court.states[&run.x].steps,
            now: court.now,
            salt: [5; 16],
            policy_hash: Digest::of(b"policy"),
            event_digest: request.x(),
        };
        court.world.push(fact.into_fact(&envelope), artefact, Vec::new());
        court.differences()
    };
    let left = moved(ExchangeFact::KeyDeposited, Side::Originator);
    assert!(left.contains(&"nobody left a key with the request that decided".to_owned()), "{left:?}");
    let taken = moved(ExchangeFact::KeyCollected, Side::Responder);
    assert!(taken.contains(&"no answer in front of it hands the key out".to_owned()), "{taken:?}");
}

/// Who says that it has handed a key out shows the request for it.
#[test]
fn a_key_that_was_taken_by_another_request_differs() {
    let of = |kept: fn(&mut Vec<u8>)| {
        let mut court = Court::new();
        court.ask(&take(&posted(None, true), true), &Lie { kept, ..HONEST });
        court.differences()
    };
    assert_eq!(of(|_| ()), [""; 0]);
    let other = ["its artefact is not the request by which the key was collected"];
    assert_eq!(of(|kept| *kept = posted(None, true).agreed.jws.bytes().to_vec()), other);
    let found = of(|kept| *kept = posted(Some(GEN_TIME), true).resolve_r.bytes().to_vec());
    assert_eq!(found, ["its artefact is of another run", other[0]]);
    assert_eq!(of(|kept| kept.clear()), ["its artefact is no statement"]);
}

/// An arbiter that starts twice within a millisecond tells of two absences by one name, and finds the later of them.
#[test]
fn of_two_absences_of_one_name_the_later_counts() {
    let mut told = crate::audit::exchange::AuditedExchanges::default();
    for index in [3, 9] {
        assert!(told.outage((1_000, 2_000), index));
    }
    assert!(told.outage((1_000, 2_001), 12));
    assert_eq!(told.outages().iter().map(|outage| outage.index).collect::<Vec<_>>(), [9, 12]);
}
