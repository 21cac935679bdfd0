//! An arbiter that signs and records whatever a test likes.

use super::*;
use crate::b64u::{B64u, B64u32};
use crate::crypto::Signer as _;
use crate::crypto::jose::{Algorithm, Thumbprint};
use crate::evidence::{Aggregate, Envelope, ExchangeKind, Kind as EntryKind, OpsFact, OpsKind, Recorded as _};
use crate::exchange::policy::ExchangePolicy;
use crate::exchange::testing::{self as play, IAT, PEOPLE, Person, Script, arbiter};
use crate::exchange::{kind_of_verdict, tag_of_verdict};
use crate::statement::exchange::asw_r::M1;
use crate::statement::exchange::verdict::{Answer, Receipt, Status, Verdict as Decided};
use crate::statement::exchange::{Arbiter, Assurance, Outcome, Protocol};
use crate::statement::{Body, Common, Count, Jws, Millis, Origin, Salt, Statement, Unsigned};
use crate::time::Timestamp;

pub(super) const DELTA: u64 = 1_000;
pub(super) const MMD: u64 = 5_000;
/// When the runs here begin.
pub(super) const T0: u64 = IAT;

pub(super) fn policy() -> Vec<u8> {
    ExchangePolicy::new(DELTA, MMD).to_bytes()
}

pub(super) fn offer(t_exp: Option<u64>, deal: u8) -> M1 {
    M1 {
        deal: Some(B64u([deal; 32])),
        policy: Digest::of(&policy()).into(),
        ttp: Arbiter { id: Origin::new(ORIGIN).unwrap(), ..arbiter() },
        ..play::offer(t_exp)
    }
}

pub(super) fn script(t_exp: Option<u64>) -> Script {
    Script::of(offer(t_exp, 1))
}

pub(super) fn statement(jws: &Jws) -> Item {
    Item::Statement(jws.bytes().to_vec())
}

pub(super) fn key(person: &Person) -> Item {
    Item::Key(person.public.to_jwk_json().as_bytes().to_vec())
}

pub(super) fn millis(millis: u64) -> Millis {
    Millis::new(millis).unwrap()
}

fn texts(basis: &[&Jws]) -> Vec<String> {
    basis.iter().map(|jws| String::from_utf8(jws.bytes().to_vec()).unwrap()).collect()
}

/// An arbiter that signs and records whatever a test likes.
pub(super) struct T {
    pub(super) log: Log,
    pub(super) by: &'static Person,
    pub(super) salt: u8,
}

impl T {
    pub(super) fn new() -> Self {
        Self { log: Log::new(&[(T0 - 9_000, [1; 32])]), by: &PEOPLE.t, salt: 0 }
    }

    pub(super) fn sign<B: Body>(&mut self, x: Digest, at_ms: u64, body: B) -> Jws {
        self.salt += 1;
        let salt = Salt(B64u([self.salt; 16]));
        let common = Common { salt, iat: millis(at_ms), x: Some(x.into()), shown: None };
        let algorithm = Algorithm::of_signer(self.by.key.algorithm()).unwrap();
        let unsigned = Unsigned::new(&Statement { common, body }, algorithm, self.by.name()).unwrap();
        let signature = self.by.key.sign_raw(unsigned.message()).unwrap();
        unsigned.finish(&signature).unwrap()
    }

    pub(super) fn verdict(&mut self, script: &Script, outcome: Outcome, at_ms: u64, outages: &[u64]) -> Jws {
        let basis: &[&Jws] = match outcome {
            Outcome::Aborted => &[&script.offered.jws, &script.abort],
            Outcome::Resolved => &[&script.offered.jws, &script.answered.jws],
            Outcome::Expired => &[&script.offered.jws],
            Outcome::Released | Outcome::Void | Outcome::Returned | Outcome::Captured => {
                unreachable!("not of a contract")
            }
        };
        self.verdict_on(script, outcome, basis, at_ms, outages)
    }

    pub(super) fn verdict_on(
        &mut self,
        script: &Script,
        outcome: Outcome,
        basis: &[&Jws],
        at_ms: u64,
        outages: &[u64],
    ) -> Jws {
        let body = Decided {
            proto: Protocol::AswR,
            outcome,
            basis: texts(basis),
            decided_ms: millis(at_ms),
            policy: script.offered.offer.policy,
            outages: outages.iter().map(|index| Count::new(*index).unwrap()).collect(),
            assurance: Assurance::NonQualified,
        };
        self.sign(script.x(), at_ms, body)
    }

    pub(super) fn answer(&mut self, x: Digest, to: Thumbprint, req: Digest, verdict: Digest, at_ms: u64) -> Jws {
        self.sign(x, at_ms, Answer { to, req: req.into(), c_r: None, verdict: verdict.into() })
    }

    pub(super) fn status(&mut self, x: Digest, at_ms: u64, size: u64, decided: Option<(Outcome, Digest)>) -> Jws {
        let (outcome, verdict) = decided.unzip();
        let size = Count::new(size).unwrap();
        let verdict: Option<B64u32> = verdict.map(Into::into);
        self.sign(x, at_ms, Status { at_ms: millis(at_ms), size, outcome, verdict })
    }

    pub(super) fn receipt(&mut self, x: Digest, req: Digest, received_ms: u64, answer_by_ms: u64) -> Jws {
        let body = Receipt { req: req.into(), received_ms: millis(received_ms), answer_by_ms: millis(answer_by_ms) };
        self.sign(x, received_ms, body)
    }

    /// Gives an entry; its index.
    pub(super) fn record(&mut self, kind: EntryKind, time_ms: u64, digest: Digest, tag: Option<Tag>) -> u64 {
        let tags = Tags::new(tag.into_iter().collect()).unwrap();
        let entry = Entry { role: kind.role().code(), kind: kind.code(), time_ms, digest: digest.0, tags };
        self.log.0.push(entry.encode());
        self.log.size() - 1
    }

    pub(super) fn record_verdict(&mut self, jws: &Jws, time_ms: u64) -> u64 {
        let Decided { proto, outcome, .. } = jws.payload_as::<Decided>().unwrap().body;
        let kind = kind_of_verdict(proto, outcome);
        let x = Digest(jws.common().x.unwrap().0);
        self.record(EntryKind::Exchange(kind), time_ms, jws.digest(), Some(tag_of_verdict(&x)))
    }

    pub(super) fn record_answer(&mut self, jws: &Jws, time_ms: u64) -> u64 {
        self.record(EntryKind::Exchange(ExchangeKind::Answer), time_ms, jws.digest(), None)
    }

    /// Says that it was away; the fact and its entry.
    pub(super) fn outage(&mut self, from_millis: u64, to_millis: u64) -> (Item, u64) {
        let envelope = Envelope {
            aggregate: Aggregate::service(),
            seq: self.log.size(),
            now: Timestamp::from_millis(to_millis),
            salt: [7; 16],
            policy_hash: Digest([1; 32]),
            event_digest: Digest([2; 32]),
        };
        let fact = OpsFact::Outage { from_millis, to_millis }.into_fact(&envelope).encode();
        let index = self.record(EntryKind::Ops(OpsKind::Outage), to_millis, Digest::of(&fact), None);
        (Item::Fact(fact), index)
    }

    /// Another run that it decided and recorded as it should: by that its key is known.
    pub(super) fn known(&mut self) -> [Item; 2] {
        let other = Script::of(offer(None, 99));
        let verdict = self.verdict(&other, Outcome::Resolved, T0 - 8_000, &[]);
        let index = self.record_verdict(&verdict, T0 - 8_000);
        [statement(&verdict), Item::Entry(self.log.entry(index))]
    }

    /// Time goes by.
    pub(super) fn later(&mut self, time_ms: u64) {
        self.record(EntryKind::Ops(OpsKind::Started), time_ms, Digest([3; 32]), None);
    }

    /// Its log as a victim has it: genesis, and these entries.
    pub(super) fn entries<const N: usize>(&self, indices: [u64; N]) -> Vec<Item> {
        [0].into_iter().chain(indices).map(|index| Item::Entry(self.log.entry(index))).collect()
    }

    pub(super) fn whole(&self) -> Item {
        Item::Stretch(self.log.stretch(0, self.log.size()))
    }
}

/// Everything that a side has besides what the arbiter told it.
pub(super) fn context(script: &Script) -> Vec<Item> {
    vec![key(&PEOPLE.t), key(&PEOPLE.o), key(&PEOPLE.r), Item::Policy(policy()), statement(&script.offered.jws)]
}
