use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::{Entry, Tag, Tags};
use semper_ledger::merkle::{Hash, leaf_hash, root_of};
use semper_ledger::note::Note;
use semper_ledger::receipt::tlog_proof::TlogProof;

mod delivery;

use super::*;
use crate::b64u::B64u;
use crate::ca::Authority;
use crate::ca::certificate::Issuer;
use crate::crypto::{SignatureAlgorithm, SoftKey};
use crate::evidence::{Aggregate, Envelope, ExchangeKind, Kind, OpsFact, OpsKind, Recorded as _};
use crate::exchange::asw_r::commitment_r;
use crate::exchange::policy::ExchangePolicy;
use crate::exchange::tag_of_verdict;
use crate::id::PartyId;
use crate::statement::exchange::asw_r::{M2, M3};
use crate::statement::exchange::verdict::{Answer, Receipt, Verdict};
use crate::statement::exchange::{Assurance, Line, Participant, Protocol, Scheme};
use crate::statement::{Count, Millis, Origin};
use crate::testing::{LOG, ORIGIN, PKI, issue, start, template};

pub(in crate::client) struct Person {
    pub(in crate::client) key: SoftKey,
    pub(in crate::client) chain: Vec<Vec<u8>>,
    id: u8,
}

impl Person {
    pub(in crate::client) fn new(id: u8) -> Self {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let issuer = Issuer::new(Authority::Party, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        let certificate = issue(&template("party-legal", "Somebody", &key, 1), &issuer, &PKI.ca_key);
        Self { key, chain: vec![certificate.der().to_vec(), PKI.ca.der().to_vec()], id }
    }

    pub(in crate::client) fn name(&self) -> Thumbprint {
        Key::from_spki_der(self.key.spki_der()).unwrap().thumbprint()
    }

    pub(in crate::client) fn participant(&self) -> Participant {
        Participant { id: PartyId::from([self.id; 16]), scheme: Scheme::Semper, key: self.name() }
    }

    pub(in crate::client) fn pen(&self, now: Timestamp) -> Pen<'_> {
        Pen { key: &self.key, salt: Salt(B64u([self.id; 16])), now }
    }
}

/// Both sides, their arbiter, and what they know of it.
pub(in crate::client) struct Stage {
    pub(in crate::client) o: Person,
    pub(in crate::client) r: Person,
    pub(in crate::client) t: Person,
    /// The arbiter's key for escrows.
    pub(in crate::client) e: Person,
    pub(in crate::client) house: House,
}

pub(in crate::client) const DELTA_MS: u64 = 60_000;
const PATIENCE_MS: u64 = 10_000;
const TEXT: &[u8] = b"I sell, you buy.";

pub(in crate::client) fn now() -> Timestamp {
    start().plus_secs(3_600)
}

impl Stage {
    pub(in crate::client) fn new() -> Self {
        let (o, r, t, e) = (Person::new(1), Person::new(2), Person::new(3), Person::new(4));
        let house = House {
            root: PKI.root.der().to_vec(),
            logs: vec![LOG.verifier_key().clone()],
            arbiter: t.chain.clone(),
            escrow: e.chain.clone(),
            policy: ExchangePolicy::new(DELTA_MS, 5_000).to_bytes(),
        };
        Self { o, r, t, e, house }
    }

    pub(in crate::client) fn terms(&self, t_exp: Option<u64>) -> Terms {
        Terms {
            o: self.o.participant(),
            r: self.r.participant(),
            ttp: Arbiter {
                id: Origin::new(ORIGIN).unwrap(),
                key: self.t.name(),
                url: Line::new("https://ttp.example").unwrap(),
                log: Line::new(&LOG.verifier_key().to_string()).unwrap(),
            },
            text: TEXT.to_vec(),
            media: Line::new("text/plain").unwrap(),
            t_exp: t_exp.map(|millis| Millis::new(millis).unwrap()),
            assurance: Assurance::NonQualified,
        }
    }

    fn offer(&self, t_exp: Option<u64>) -> Result<Party, Stays> {
        let drawn = Drawn { nonce: [1; 32], terms_salt: [3; 32] };
        let chains = (&self.o.chain[..], &self.r.chain[..]);
        Party::offer(self.terms(t_exp), &self.house, chains, PATIENCE_MS, drawn, &self.o.pen(now()))
    }

    fn accept_at(&self, message: &Message, at: Timestamp) -> Result<Party, Stays> {
        let offer = Party::read_offer(message, &self.r.chain, &self.house, at)?;
        let chains = (&self.r.chain[..], &message.certificates[..]);
        Party::accept(&offer, &self.house, chains, PATIENCE_MS, ([2; 32], b"token of m1".to_vec()), &self.r.pen(at))
    }

    /// Both sides once the offer was answered.
    fn answered(&self) -> (Party, Party) {
        let o = self.offer(None).unwrap();
        let r = self.accept_at(&sent(&o, Act::SendOffer), now()).unwrap();
        (o, r)
    }

    /// What an arbiter would give to who asks.
    fn given(&self, asker: &Party, outcome: Outcome, change: impl FnOnce(&mut Verdict)) -> Given {
        let x = asker.course.run().x;
        let request = asker.request().unwrap();
        let mut basis = vec![request.first.clone()];
        match outcome {
            Outcome::Resolved => basis.extend(request.second.clone()),
            Outcome::Aborted => basis.push(request.request.clone()),
            Outcome::Released | Outcome::Void => basis.extend(request.second.clone()),
            Outcome::Expired | Outcome::Returned | Outcome::Captured => {}
        }
        let mut verdict = Verdict {
            proto: asker.dossier.protocol,
            outcome,
            basis,
            decided_ms: now().into(),
            policy: asker.course.run().policy.into(),
            outages: Vec::new(),
            assurance: Assurance::NonQualified,
        };
        change(&mut verdict);
        let verdict = self.t.pen(now()).sign(Some(x), verdict).unwrap();
        let jws = Jws::parse(request.request.as_bytes()).unwrap();
        let c_r = asker.course.c_r().filter(|_| asker.side() == Side::Responder).map(Into::into);
        let answer = Answer { to: jws.key_id(), req: jws.x().into(), c_r, verdict: verdict.digest().into() };
        let answer = self.t.pen(now()).sign(Some(x), answer).unwrap();
        let kind = match outcome {
            Outcome::Aborted => ExchangeKind::Aborted,
            Outcome::Resolved => ExchangeKind::Resolved,
            Outcome::Expired => ExchangeKind::Expired,
            Outcome::Released => ExchangeKind::Released,
            Outcome::Void => ExchangeKind::Void,
            Outcome::Returned => ExchangeKind::Returned,
            Outcome::Captured => ExchangeKind::PaidDecided,
        };
        Given {
            verdict_proof: proof(Kind::Exchange(kind), verdict.digest(), vec![tag_of_verdict(&x)]),
            answer_proof: proof(Kind::Exchange(ExchangeKind::Answer), answer.digest(), Vec::new()),
            verdict,
            answer,
            outages: Vec::new(),
            k: None,
        }
    }
}

/// The proof of an entry, signed by the log of these tests.
pub(in crate::client) fn proof(kind: Kind, digest: Digest, tags: Vec<Tag>) -> String {
    let entry = Entry {
        role: kind.role().code(),
        kind: kind.code(),
        time_ms: now().millis(),
        digest: digest.0,
        tags: Tags::new(tags).unwrap(),
    };
    let bytes = entry.encode();
    let leaves: [Hash; 2] = [[1; 32], leaf_hash(&bytes)];
    let text = Checkpoint { origin: ORIGIN.to_owned(), size: 2, root: root_of(&leaves) }.text();
    let checkpoint = Note { signatures: vec![LOG.line(&LOG.sign(&text).unwrap())], text }.to_string();
    TlogProof { extra: Some(bytes), index: 1, path: vec![leaves[0]], checkpoint }.to_string()
}

fn sent(party: &Party, act: Act) -> Message {
    party.message(act, TEXT).unwrap()
}

/// As it would be read from the disk by the next process.
fn reopened(party: &Party) -> Party {
    let bytes = party.dossier().to_bytes();
    let opened = Party::open(Dossier::parse(&bytes).unwrap()).unwrap();
    assert_eq!(opened.dossier(), party.dossier());
    opened
}

#[test]
fn four_messages_make_a_contract_for_both_whatever_was_killed_between() {
    let stage = Stage::new();
    let (mut o, mut r) = stage.answered();
    (o, r) = (reopened(&o), reopened(&r));
    assert_eq!((o.again(), r.again()), (Some(Act::SendOffer), Some(Act::SendAnswer)));
    let m2 = sent(&r, Act::SendAnswer).statement;
    let act = o.take(&m2, Some(b"token of m2".to_vec()), b"", &stage.o.pen(now())).unwrap();
    assert_eq!(act, Some(Act::SendOpening));
    o = reopened(&o);
    let m3 = sent(&o, Act::SendOpening).statement;
    // The answer comes again: the same octets leave again, though the pen would write others.
    let again = o.take(&m2, None, b"", &stage.o.pen(now().plus_secs(5))).unwrap();
    assert_eq!((again, sent(&o, Act::SendOpening).statement), (Some(Act::SendOpening), m3.clone()));
    assert_eq!(r.take(&m3, None, b"", &stage.r.pen(now())).unwrap(), Some(Act::SendClosing));
    r = reopened(&r);
    assert_eq!((r.end(), r.again()), (Some(End::Standard), Some(Act::SendClosing)));
    let m4 = sent(&r, Act::SendClosing).statement;
    assert_eq!(o.take(&m4, None, b"", &stage.o.pen(now())).unwrap(), None);
    assert_eq!((reopened(&o).end(), o.again(), o.overdue_at()), (Some(End::Standard), None, None));
}

fn contract(message: &mut Message) -> &mut Contract {
    match &mut message.beside {
        Some(Beside::Contract(contract)) => contract,
        other => panic!("no contract: {other:?}"),
    }
}

#[test]
fn a_changed_offer_is_refused() {
    let stage = Stage::new();
    let o = stage.offer(None).unwrap();
    let good = sent(&o, Act::SendOffer);
    let refused = |change: &dyn Fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        stage.accept_at(&message, now()).unwrap_err()
    };
    assert_eq!(refused(&|m| m.beside = None), Stays::NoText);
    assert_eq!(refused(&|m| contract(m).text.push(b'!')), Stays::OtherText);
    assert_eq!(refused(&|m| contract(m).salt[0] ^= 1), Stays::OtherText);
    let stranger = Person::new(9);
    let of_stranger = refused(&|m| m.certificates = stranger.chain.clone());
    assert!(matches!(of_stranger, Stays::Broken(Broken::UnknownKey { .. })), "{of_stranger}");
    let bare = refused(&|m| m.certificates.truncate(1));
    assert!(matches!(bare, Stays::Certificate { of: "originator", .. }), "{bare}");
    let mut house = stage.house.clone();
    let judged = |house: &House| Party::read_offer(&good, &stage.r.chain, house, now()).unwrap_err();
    house.policy = ExchangePolicy::new(DELTA_MS + 1, 5_000).to_bytes();
    assert_eq!(judged(&house), Stays::OtherPolicy);
    let house = House { logs: Vec::new(), ..stage.house.clone() };
    assert!(matches!(judged(&house), Stays::OtherLog(_)));
    let house = House { arbiter: stranger.chain.clone(), ..stage.house.clone() };
    assert!(matches!(judged(&house), Stays::Certificate { of: "arbiter", .. }));
    let house = House { root: PKI.ca.der().to_vec(), ..stage.house.clone() };
    assert!(matches!(judged(&house), Stays::Certificate { of: "originator", .. }));
    // Offered to somebody else.
    let other = Party::read_offer(&good, &stranger.chain, &stage.house, now()).unwrap_err();
    assert!(matches!(other, Stays::Certificate { of: "responder", fault: PeerFault::OtherKey { .. } }), "{other}");
}

#[test]
fn statements_that_come_to_the_wrong_side_or_say_something_else_change_nothing() {
    let stage = Stage::new();
    let (mut o, mut r) = stage.answered();
    let (m1, m2) = (sent(&o, Act::SendOffer).statement, sent(&r, Act::SendAnswer).statement);
    let before = (o.dossier().clone(), r.dossier().clone());
    for (party, jws) in [(&o, &m1), (&r, &m2), (&r, &m1)] {
        let stays = party.clone().take(jws, None, b"", &stage.o.pen(now())).unwrap_err();
        assert!(matches!(stays, Stays::NotNow { .. }), "{stays}");
    }
    // By another key than the run names.
    let stays = o.take(&m2, None, b"", &stage.r.pen(now())).unwrap_err();
    assert!(matches!(stays, Stays::OtherSigner { .. }), "{stays}");
    // m3 of another run, and one that opens nothing.
    let x = o.course.run().x;
    let c_r = r.course.c_r().unwrap();
    for (x, nonce) in [(Digest::of(b"other"), [1; 32]), (x, [7; 32])] {
        let m3 = stage.o.pen(now()).sign(Some(x), M3 { n_o: B64u(nonce), c_r: c_r.into() }).unwrap();
        assert!(matches!(r.take(&m3, None, b"", &stage.r.pen(now())).unwrap_err(), Stays::Broken(_)));
    }
    assert_eq!((o.dossier(), r.dossier()), (&before.0, &before.1));
    // Two answers to one offer.
    o.take(&m2, None, b"", &stage.o.pen(now())).unwrap();
    let second = M2 { m1: m1.digest().into(), c_r: commitment_r(&x, &[8; 32]).into() };
    let second = stage.r.pen(now()).sign(Some(x), second).unwrap();
    assert_eq!(o.take(&second, None, b"", &stage.o.pen(now())).unwrap_err(), Stays::AnsweredTwice);
}

#[test]
fn after_an_abort_an_answer_gets_no_opening() {
    let stage = Stage::new();
    let (mut o, r) = stage.answered();
    assert_eq!(o.overdue(&stage.o.pen(now())).unwrap(), Some(Act::AskAbort));
    o = reopened(&o);
    let request = o.request().unwrap();
    assert!(request.second.is_none() && request.tokens.is_empty());
    let m2 = sent(&r, Act::SendAnswer).statement;
    assert_eq!(o.take(&m2, None, b"", &stage.o.pen(now())).unwrap(), None);
    assert!(o.dossier().statement(Piece::Third).is_none());
    assert_eq!(o.request().unwrap(), request);
    let given = stage.given(&o, Outcome::Aborted, |_| ());
    assert_eq!(o.decided(&given, now()).unwrap(), Outcome::Aborted);
    assert_eq!((reopened(&o).end(), o.again()), (Some(End::Aborted), None));
}

#[test]
fn after_an_opening_nobody_aborts() {
    let stage = Stage::new();
    let (mut o, r) = stage.answered();
    o.take(&sent(&r, Act::SendAnswer).statement, Some(b"token".to_vec()), b"", &stage.o.pen(now())).unwrap();
    assert_eq!(o.overdue(&stage.o.pen(now())).unwrap(), Some(Act::AskResolve));
    assert!(o.dossier().statement(Piece::Abort).is_none());
    let request = o.request().unwrap();
    assert!(request.second.is_some() && request.tokens == [b"token".to_vec()]);
    // Asked again after a crash: the same octets.
    assert_eq!(o.overdue(&stage.o.pen(now().plus_secs(1))).unwrap(), Some(Act::AskResolve));
    assert_eq!(reopened(&o).request().unwrap(), request);
    o.decided(&stage.given(&o, Outcome::Resolved, |_| ()), now()).unwrap();
    assert_eq!(o.end(), Some(End::Replacement));
}

/// `asw_r_responder_abort_binding`: the responder takes the answer for its own run alone.
#[test]
fn what_does_not_hold_of_the_arbiters_answer_ends_nothing() {
    let stage = Stage::new();
    let (_, mut r) = stage.answered();
    r.overdue(&stage.r.pen(now())).unwrap();
    let good = stage.given(&r, Outcome::Resolved, |_| ());
    let x = r.course.run().x;
    let refused = |given: Given| {
        let mut asker = r.clone();
        let stays = asker.decided(&given, now()).unwrap_err();
        assert_eq!(asker.dossier(), r.dossier());
        stays
    };
    let kind = Kind::Exchange(ExchangeKind::Resolved);
    let digest = good.verdict.digest();
    for (what, proof) in [
        ("no tag", proof(kind, digest, Vec::new())),
        ("another run's tag", proof(kind, digest, vec![tag_of_verdict(&Digest::of(b"other"))])),
        ("another entry", proof(kind, Digest::of(b"other"), vec![tag_of_verdict(&x)])),
        ("another kind", proof(Kind::Exchange(ExchangeKind::Answer), digest, vec![tag_of_verdict(&x)])),
        ("another index", good.verdict_proof.replace("index 1", "index 0")),
        ("none", String::new()),
    ] {
        let stays = refused(Given { verdict_proof: proof, ..good.clone() });
        assert!(matches!(stays, Stays::Given(GivenFault::Proof { of: "verdict", .. })), "{what}: {stays}");
    }
    // By another key than the offer names.
    let body = good.verdict.payload_as::<Verdict>().unwrap().body;
    let verdict = stage.o.pen(now()).sign(Some(x), body.clone()).unwrap();
    let verdict_proof = proof(kind, verdict.digest(), vec![tag_of_verdict(&x)]);
    let stays = refused(Given { verdict, verdict_proof, ..good.clone() });
    assert!(matches!(stays, Stays::Given(GivenFault::Broken(Broken::OtherArbiter { .. }))), "{stays}");
    // Against the rules of the arbiter itself.
    for change in [
        (|v: &mut Verdict| v.basis.truncate(1)) as fn(&mut Verdict),
        |v| v.outages = vec![Count::new(5).unwrap()],
        |v| v.policy = Digest::of(b"other").into(),
    ] {
        let given = stage.given(&r, Outcome::Resolved, change);
        // Without an end no outage moves it, and none is looked at.
        let judged = r.clone().decided(&given, now());
        let of_outage = given.verdict.payload_as::<Verdict>().unwrap().body.outages.len() == 1;
        assert!(of_outage && judged.is_ok() || matches!(judged, Err(Stays::Given(GivenFault::Rules(_)))), "{judged:?}");
    }
    assert!(matches!(refused(stage.given(&r, Outcome::Expired, |_| ())), Stays::Given(GivenFault::Rules(_))));
    // The answer to somebody else, to another request, about another verdict, for another commitment, by somebody else, without an entry.
    let answer = good.answer.payload_as::<Answer>().unwrap().body;
    for (what, by, changed) in [
        ("another key", &stage.t, Answer { to: stage.o.name(), ..answer }),
        ("another request", &stage.t, Answer { req: Digest::of(b"other").into(), ..answer }),
        ("another verdict", &stage.t, Answer { verdict: Digest::of(b"other").into(), ..answer }),
        ("another commitment", &stage.t, Answer { c_r: None, ..answer }),
        ("another signer", &stage.o, answer),
    ] {
        let answer = by.pen(now()).sign(Some(x), changed).unwrap();
        let answer_proof = proof(Kind::Exchange(ExchangeKind::Answer), answer.digest(), Vec::new());
        let stays = refused(Given { answer, answer_proof, ..good.clone() });
        assert!(matches!(stays, Stays::Given(_)), "{what}: {stays}");
    }
    let stays = refused(Given { answer_proof: good.verdict_proof.clone(), ..good.clone() });
    assert!(matches!(stays, Stays::Given(GivenFault::Proof { of: "answer", .. })), "{stays}");
    assert_eq!(r.decided(&good, now()).unwrap(), Outcome::Resolved);
    assert_eq!(reopened(&r).end(), Some(End::Replacement));
}

#[test]
fn the_end_counts_with_the_outages_that_moved_it() {
    let stage = Stage::new();
    let t_exp = now().millis() + 3 * DELTA_MS;
    let o = stage.offer(Some(t_exp)).unwrap();
    let mut r = stage.accept_at(&sent(&o, Act::SendOffer), now()).unwrap();
    r.overdue(&stage.r.pen(now())).unwrap();
    let fact = OpsFact::Outage { from_millis: t_exp - 1, to_millis: t_exp + 500 };
    let envelope = Envelope {
        aggregate: Aggregate::of("service", b"x"),
        seq: 0,
        now: now(),
        salt: [0; 16],
        policy_hash: Digest::of(b""),
        event_digest: Digest::of(b""),
    };
    let fact = fact.into_fact(&envelope).encode();
    let outage = (fact.clone(), proof(Kind::Ops(OpsKind::Outage), Digest::of(&fact), Vec::new()));
    let given = |outcome, at: u64, outages: &[(Vec<u8>, String)], named: &[u64]| {
        let change = |verdict: &mut Verdict| {
            verdict.decided_ms = Millis::new(at).unwrap();
            verdict.outages = named.iter().map(|index| Count::new(*index).unwrap()).collect();
        };
        Given { outages: outages.to_vec(), ..stage.given(&r, outcome, change) }
    };
    let check = |given: &Given, is_good: bool| {
        let judged = r.clone().decided(given, now());
        assert_eq!(judged.is_ok(), is_good, "{judged:?}");
    };
    check(&given(Outcome::Resolved, t_exp, &[], &[]), true);
    check(&given(Outcome::Resolved, t_exp + 1, &[], &[]), false);
    check(&given(Outcome::Expired, t_exp + 1, &[], &[]), true);
    check(&given(Outcome::Expired, t_exp, &[], &[]), false);
    let moved = t_exp + 500 + DELTA_MS;
    check(&given(Outcome::Resolved, moved, std::slice::from_ref(&outage), &[1]), true);
    check(&given(Outcome::Resolved, moved + 1, std::slice::from_ref(&outage), &[1]), false);
    check(&given(Outcome::Expired, moved, std::slice::from_ref(&outage), &[1]), false);
    check(&given(Outcome::Resolved, moved, std::slice::from_ref(&outage), &[]), false);
    check(&given(Outcome::Resolved, moved, &[], &[1]), false);
    check(&given(Outcome::Resolved, moved, &[(fact[1..].to_vec(), outage.1.clone())], &[1]), false);
}

#[test]
fn nobody_begins_what_it_has_no_time_to_end() {
    let stage = Stage::new();
    let t_exp = |deltas: u64| now().millis() + deltas * DELTA_MS;
    assert_eq!(stage.offer(Some(t_exp(1))).unwrap_err(), Stays::TooLate);
    let o = stage.offer(Some(t_exp(2))).unwrap();
    let m1 = sent(&o, Act::SendOffer);
    assert_eq!(stage.accept_at(&m1, now().plus_millis(1)).unwrap_err(), Stays::TooLate);
    let r = stage.accept_at(&m1, now()).unwrap();
    // Rule 1: the answer is good, and too late to open for.
    let mut o = o;
    let late = now().plus_millis(DELTA_MS + 1);
    let act = o.take(&sent(&r, Act::SendAnswer).statement, None, b"", &stage.o.pen(late)).unwrap();
    assert_eq!((act, o.dossier().statement(Piece::Third)), (Some(Act::AskAbort), None));
    // Rule 2.
    assert_eq!(r.overdue_at(), Some(now().millis() + PATIENCE_MS));
}

#[test]
fn what_lies_on_the_disk_is_held_against_itself_and_shown_to_nobody() {
    let stage = Stage::new();
    let (o, _) = stage.answered();
    let bytes = o.dossier().to_bytes();
    let text = String::from_utf8(bytes).unwrap();
    let nonce = B64u([1; 32]).to_string();
    assert!(text.contains(&nonce) && !format!("{:?}", o.dossier()).contains(&nonce));
    for (from, to) in [
        ("\"exchange-run\"", "\"run\""),
        ("\"v\": 1", "\"v\": 2"),
        ("\"asw-r\"", "\"asw\""),
        ("\"offered\"", "\"answered\""),
        ("\"since_ms\"", "\"since\""),
        ("{\n", "{\n  \"more\": 1,\n"),
    ] {
        let fault = Dossier::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(!fault.to_string().contains(&nonce));
    }
    let opened = |text: String| Party::open(Dossier::parse(text.as_bytes()).unwrap());
    assert_eq!(opened(text.replacen("\"offered\"", "\"opened\"", 1)).unwrap_err(), Stays::Lacks("m2"));
    assert!(matches!(opened(text.replacen("\"first\"", "\"third\"", 1)), Err(Stays::Lacks("its first statement"))));
}

/// 202: a receipt is worth something to whom it was given for, and ends nothing.
#[test]
fn a_promise_counts_for_its_request_alone() {
    let stage = Stage::new();
    let (mut o, mut r) = stage.answered();
    o.overdue(&stage.o.pen(now().plus_secs(60))).unwrap();
    r.overdue(&stage.r.pen(now().plus_secs(60))).unwrap();
    let by = now().plus_secs(120);
    let promise_until = |by_whom: &Person, x, asker: &Party, by: Timestamp| {
        let req = Jws::parse(asker.request().unwrap().request.as_bytes()).unwrap().x().into();
        let receipt = Receipt { req, received_ms: now().into(), answer_by_ms: by.into() };
        let receipt = by_whom.pen(now()).sign(Some(x), receipt).unwrap();
        serde_json::json!({ "x": "passed over", "receipt": text(&receipt) }).to_string().into_bytes()
    };
    let promise = |by_whom, x, asker| promise_until(by_whom, x, asker, by);
    let x = o.course.run().x;
    let good = promise(&stage.t, x, &r);
    let before = r.clone();
    assert_eq!(r.promised(&good).unwrap().map(|promised| promised.answer_by), Some(by));
    assert_eq!((r.request(), r.overdue_at()), (before.request(), before.overdue_at()), "nothing has ended");
    for bad in [
        promise(&stage.o, x, &r),
        promise(&stage.t, Digest([9; 32]), &r),
        promise(&stage.t, x, &o),
        promise_until(&stage.t, x, &r, now().plus_secs(3_601)),
        b"{\"receipt\":1}".to_vec(),
        b"no JSON".to_vec(),
    ] {
        assert!(matches!(r.promised(&bad), Err(Stays::Given(_))), "{}", String::from_utf8_lossy(&bad));
    }
    assert_eq!(r.promised(b"{\"verdict\":1,\"receipt\":1}").unwrap(), None, "an answer is judged as one");
}
