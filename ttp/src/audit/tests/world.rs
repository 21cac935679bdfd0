//! A small ledger of an honest service, as rows, for tests to spoil.

use std::collections::BTreeMap;

use semper_ledger::entry::{Entry, Tag, TagSpace, Tags};

use super::super::*;
use crate::ca::certificate::Issuer;
use crate::ca::credential::{CertificateState, Credential, CredentialEvent, Revoke};
use crate::ca::crl::{Reason, Revoked};
use crate::ca::profile::ProfileCode;
use crate::ca::{Authority, CaFact, CaId, CrlEffect, CrlEvent, Grounds, ListId, crl};
use crate::crypto::Signer;
use crate::evidence::{Envelope, Formats, LedgerFact, OpsFact, names};
use crate::role::{Role as _, step};
use crate::testing::{self, GEN_TIME, LOG, ORIGIN, PKI, Unit};
use crate::timestamp::token::{TokenContent, prepare};
use crate::timestamp::{
    ClockVerdict, Endpoint, Stamp, TimestampAuthority, TimestampEffect, TimestampFact, TokenSerial,
};
use crate::x509::{Certificate, encode};

/// Two seconds before the first token, and within the units' period.
pub(super) const BEGIN: Timestamp = Timestamp::from_millis(GEN_TIME.millis() - 250);

/// One entry with its fact and artefact.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) entry: Entry,
    pub(super) fact: Option<Fact>,
    pub(super) artefact: Option<Vec<u8>>,
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) lines: Vec<Line>,
    pub(super) snapshots: BTreeMap<Aggregate, Vec<u8>>,
    crl: Snapshot<CrlState>,
    revoked: Vec<Revoked>,
}

pub(super) fn key(purpose: KeyPurpose) -> KeyId {
    KeyId::new(purpose, 1)
}

pub(super) fn endpoint(unit: &Unit) -> Endpoint {
    let name = if unit.tsu.key().purpose == KeyPurpose::TsuEc { "/tsa" } else { "/tsa/rsa" };
    Endpoint::new(Settings { name: name.to_owned(), ..unit.endpoint().settings().clone() }, unit.tsu.clone()).unwrap()
}

pub(super) fn rules() -> Rules {
    let endpoints =
        [testing::ec(), testing::rsa()].map(|unit| (unit.tsu.key().purpose, endpoint(unit).settings().clone()));
    Rules { policy_hash: Digest::of(b"policy"), endpoints: endpoints.into(), stop_millis_min: 20_000 }
}

/// A request for this unit, with all that a client may choose.
pub(super) fn event(counter: u64, change: impl FnOnce(&mut Stamp)) -> Stamp {
    let mut event = testing::event(counter);
    change(&mut event);
    event.request_digest = Digest::of(&event.request.encode());
    event
}

/// What the service does with an event: fact and token.
pub(super) fn stamp(unit: &Unit, event: &Stamp, now: Timestamp) -> (Fact, Vec<u8>) {
    signed_by(&unit.key, unit, event, now, |_| {})
}

/// The same where the content is changed on the way to the signature, or another key signs.
pub(super) fn signed_by(
    signer: &dyn Signer,
    unit: &Unit,
    event: &Stamp,
    now: Timestamp,
    change: impl FnOnce(&mut TokenContent),
) -> (Fact, Vec<u8>) {
    let endpoint = endpoint(unit);
    let (mut facts, mut effects) = TimestampAuthority::decide(&endpoint, event, now).unwrap();
    let TimestampEffect::Sign(mut content) = effects.remove(0);
    change(&mut content);
    let unsigned = prepare(&unit.tsu, &content);
    let signature = signer.sign(unsigned.message()).unwrap();
    let token = unsigned.finish(&signature).token().to_vec();
    (facts.remove(0).into_fact(&endpoint.envelope(event, now)), token)
}

impl World {
    /// Genesis, keys, certificates, the first list.
    pub(super) fn new() -> Self {
        let (lines, snapshots, revoked) = (Vec::new(), BTreeMap::new(), Vec::new());
        let mut world = Self { lines, snapshots, crl: Snapshot::default(), revoked };
        let note = PublicKey::from_ed25519(LOG.verifier_key().key().try_into().unwrap()).unwrap();
        let receipt = testing::p256_spki(&[4; 65]);
        let (ec, rsa) = (testing::ec(), testing::rsa());
        let keys: Vec<(KeyId, Digest)> = [
            (KeyPurpose::LogNote, note.spki_der().to_vec()),
            (KeyPurpose::LogReceipt, receipt.clone()),
            (KeyPurpose::CaRoot, PKI.root.spki_der()),
            (KeyPurpose::CaTsu, PKI.ca.spki_der()),
            (KeyPurpose::TsuEc, ec.key.spki_der().to_vec()),
            (KeyPurpose::TsuRsa, rsa.key.spki_der().to_vec()),
        ]
        .map(|(purpose, spki)| (key(purpose), Digest::of(&spki)))
        .into();
        let formats = Formats { entry: 1, fact: 1, store: 1 };
        let document = Genesis {
            r#type: Genesis::TYPE.to_owned(),
            version: Genesis::VERSION,
            origin: ORIGIN.to_owned(),
            vkey: LOG.verifier_key().to_string(),
            receipt_key: hex::encode(&receipt),
            root_certificate: PKI.root.digest(),
            keys: keys.iter().map(|(key, digest)| (key.to_string(), *digest)).collect(),
            policy: Digest::of(b"policy"),
            mmd_ms: 5_000,
            formats,
        };
        let fact = LedgerFact::Genesis {
            origin_hash: Digest::of(ORIGIN.as_bytes()),
            log_note: keys[0].1,
            log_receipt: keys[1].1,
            root_certificate: PKI.root.digest(),
            mmd_ms: 5_000,
            formats,
        };
        world.record(fact, Aggregate::of("ledger", ORIGIN.as_bytes()), 0, b"settings", BEGIN, Some(document.encode()));
        for (key, public_key) in keys {
            let fact = OpsFact::KeyMade { key, public_key };
            world.record(fact, Aggregate::of_key(key), 0, b"settings", BEGIN, None);
        }
        for (profile, certificate) in [
            (ProfileCode::Root, &PKI.root),
            (ProfileCode::IssuingCa, &PKI.ca),
            (ProfileCode::Tsu, ec.tsu.certificate()),
            (ProfileCode::Tsu, rsa.tsu.certificate()),
        ] {
            world.certify(profile, certificate);
        }
        world.list(true, BEGIN);
        world
    }

    /// Starts, stamps for both units in every shape, renews its list, ends.
    pub(super) fn lived() -> Self {
        let mut world = Self::new();
        let at = |secs| GEN_TIME.plus_secs(secs);
        world.diary(OpsFact::Started { build: Digest::of(b"build"), ago_millis: 3 }, at(0));
        world.diary(OpsFact::ClockSynchronised { error_micros: 12 }, at(0));
        let (ec, rsa) = (testing::ec(), testing::rsa());
        world.token(ec, &event(1, |_| {}), at(1));
        world.first_use(ec, at(1));
        world.token(rsa, &event(2, |e| e.request.cert_req = true), at(2));
        world.first_use(rsa, at(2));
        world.token(ec, &event(3, |e| e.request.nonce = None), at(3));
        world.token(ec, &event(4, |e| e.request.policy = Some("1.3.6.1.4.1.99999.2".parse().unwrap())), at(4));
        world.token(ec, &event(5, |e| e.request.imprint.null_parameters = true), at(5));
        world.list(false, at(90_000));
        world.diary(OpsFact::Stopped, at(90_001));
        world
    }

    pub(super) fn push(&mut self, fact: Fact, artefact: Option<Vec<u8>>, tags: Vec<Tag>) {
        let digest = artefact.as_ref().map_or_else(|| Digest::of(&fact.encode()), |artefact| Digest::of(artefact)).0;
        let (role, kind, time_ms) = (fact.kind.role().code(), fact.kind.code(), fact.now.millis() + 3);
        let entry = Entry { role, kind, time_ms, digest, tags: Tags::new(tags).unwrap() };
        self.lines.push(Line { entry, fact: Some(fact), artefact });
    }

    pub(super) fn record(
        &mut self,
        fact: impl Recorded,
        aggregate: Aggregate,
        seq: u64,
        event: &[u8],
        now: Timestamp,
        artefact: Option<Vec<u8>>,
    ) {
        let (policy_hash, event_digest) = (Digest::of(b"policy"), Digest::of(event));
        let fact = fact.into_fact(&Envelope { aggregate, seq, now, salt: [2; 16], policy_hash, event_digest });
        self.push(fact, artefact, Vec::new());
    }

    pub(super) fn diary(&mut self, fact: OpsFact, now: Timestamp) {
        self.record(fact, Aggregate::service(), now.millis(), &[], now, None);
    }

    pub(super) fn first_use(&mut self, unit: &Unit, now: Timestamp) {
        let key = unit.tsu.key();
        self.record(OpsFact::KeyFirstUse { key }, Aggregate::of_key(key), 1, &[], now, None);
    }

    pub(super) fn token(&mut self, unit: &Unit, event: &Stamp, now: Timestamp) {
        let (fact, token) = stamp(unit, event, now);
        self.push(fact, Some(token), Vec::new());
    }

    pub(super) fn certify(&mut self, profile: ProfileCode, certificate: &Certificate) {
        self.certify_on(profile, certificate, None, BEGIN);
    }

    /// With what it was issued on.
    pub(super) fn certify_on(
        &mut self,
        profile: ProfileCode,
        certificate: &Certificate,
        grounds: Option<Grounds>,
        now: Timestamp,
    ) {
        let issuer = match profile {
            ProfileCode::Root | ProfileCode::IssuingCa => Authority::Root,
            ProfileCode::Tsu | ProfileCode::OcspResponder => Authority::Tsu,
            other => unreachable!("nothing of the class {other:?} is in this world"),
        };
        self.certify_by(issuer, profile, certificate, grounds, now);
    }

    /// The same of any issuer.
    pub(super) fn certify_by(
        &mut self,
        issuer: Authority,
        profile: ProfileCode,
        certificate: &Certificate,
        grounds: Option<Grounds>,
        now: Timestamp,
    ) {
        let fact = CaFact::CertificateIssued {
            issuer,
            profile,
            serial: certificate.serial(),
            public_key: Digest::of(&certificate.spki_der()),
            not_before: certificate.validity().not_before,
            not_after: certificate.validity().not_after,
            grounds,
        };
        let fact = fact.into_fact(&Envelope {
            aggregate: CaId::first(issuer).certificate(&certificate.serial()),
            seq: 0,
            now,
            salt: [3; 16],
            policy_hash: Digest::of(b"policy"),
            event_digest: Digest::of(&encode(&certificate.decoded().tbs_certificate)),
        });
        let tag = Tag::new(TagSpace::Certificate, certificate.digest().as_bytes(), 0);
        self.push(fact, Some(certificate.der().to_vec()), vec![tag]);
    }

    /// A certificate of the timestamping CA, revoked in its next list.
    pub(super) fn revoke(&mut self, certificate: &Certificate, reason: Reason, now: Timestamp) {
        self.revoke_of(CaId::first(Authority::Tsu), certificate, reason, Digest::of(b"officer"), now);
    }

    /// The same of any CA.
    pub(super) fn revoke_of(
        &mut self,
        ca: CaId,
        certificate: &Certificate,
        reason: Reason,
        officer: Digest,
        now: Timestamp,
    ) {
        let aggregate = ca.certificate(&certificate.serial());
        let event = Revoke { reason, certificate: certificate.digest(), officer, clock: ClockVerdict::Synced };
        let event = CredentialEvent::Revoke(event);
        let mut state = CertificateState::None;
        let history =
            self.lines.iter().filter_map(|line| line.fact.as_ref()).filter(|fact| fact.aggregate == aggregate);
        for fact in history {
            Credential::apply(&mut state, &CaFact::from_fact(fact).unwrap());
        }
        let (mut facts, _) = step::<Credential>(&mut state, &event, now).unwrap();
        let fact = facts.remove(0).into_fact(&Envelope {
            aggregate,
            seq: 1,
            now,
            salt: [4; 16],
            policy_hash: Digest::of(b"policy"),
            event_digest: event.digest(),
        });
        self.revoked.extend(names::of(&fact).iter().filter_map(|name| names::read_revoked(name)).map(Revoked::from));
        let tag = Tag::new(TagSpace::Certificate, certificate.digest().as_bytes(), 1);
        self.push(fact, None, vec![tag]);
    }

    /// From here on lists are made as if nothing had been revoked.
    pub(super) fn hide_revocations(&mut self) {
        self.revoked.clear();
    }

    /// Others are made as if this had been revoked for a reason that nobody knows any more.
    pub(super) fn forget_reason(&mut self, at: Timestamp) {
        for revoked in &mut self.revoked {
            (revoked.at, revoked.reason) = (at.whole_secs(), Reason::Unspecified);
        }
    }

    /// The timestamping CA's next list.
    pub(super) fn list(&mut self, force: bool, now: Timestamp) {
        let (id, revoked) = (ListId::first(Authority::Tsu), self.revoked.clone());
        let event = CrlEvent::Issue { list: id, life_secs: 2 * 24 * 3600, force, revoked, distribution_point: None };
        let (mut facts, mut effects) = step::<Crl>(&mut self.crl.state, &event, now).unwrap();
        let CrlEffect::Sign(content) = effects.remove(0) else { panic!("the first effect") };
        let list = signed_list(&content);
        let aggregate = id.aggregate();
        self.record(facts.remove(0), aggregate, self.crl.next_seq, &event.encode(), now, Some(list));
        self.crl.next_seq += 1;
        self.snapshots.insert(aggregate, encode_snapshot::<Crl>(&self.crl));
    }

    /// The indexes of all entries of this kind.
    pub(super) fn all(&self, kind: Kind) -> Vec<usize> {
        let is = |line: &Line| Kind::from_codes(line.entry.role, line.entry.kind) == Some(kind);
        (0..self.lines.len()).filter(|i| is(&self.lines[*i])).collect()
    }

    pub(super) fn tokens(&self) -> Vec<usize> {
        self.all(Kind::Timestamp(TimestampKind::Token))
    }

    pub(super) fn fact(&mut self, index: usize) -> &mut Fact {
        self.lines[index].fact.as_mut().unwrap()
    }

    pub(super) fn token_fact(&self, index: usize) -> TimestampFact {
        TimestampFact::from_fact(self.lines[index].fact.as_ref().unwrap()).unwrap()
    }

    /// Another body for a fact, as if it had been decided so.
    pub(super) fn rewrite(&mut self, index: usize, body: impl Recorded) {
        let old = self.fact(index).clone();
        let Fact { aggregate, seq, now, salt, policy_hash, event_digest, .. } = old;
        *self.fact(index) = body.into_fact(&Envelope { aggregate, seq, now, salt, policy_hash, event_digest });
        self.reseal(index);
    }

    /// The entry's digest made to fit again: what a liar does who can still write the entry.
    pub(super) fn reseal(&mut self, index: usize) {
        let line = &mut self.lines[index];
        let fact = line.fact.as_ref().unwrap().encode();
        line.entry.digest = Digest::of(line.artefact.as_ref().unwrap_or(&fact)).0;
    }

    pub(super) fn audit(&self) -> Report {
        self.audit_by(rules())
    }

    pub(super) fn audit_by(&self, rules: Rules) -> Report {
        self.audit_without(rules, &[])
    }

    /// The facts and artefacts of these entries were lost, and the store says so.
    pub(super) fn audit_without(&self, rules: Rules, lost: &[usize]) -> Report {
        let rows: Vec<_> = self
            .lines
            .iter()
            .map(|line| (line.entry.encode(), line.fact.as_ref().map(Fact::encode), line.artefact.clone()))
            .collect();
        audit_rows_without(&rows, &self.snapshots, rules, lost)
    }
}

pub(super) type Bytes = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

struct Tagged<'a>(&'a [Bytes]);

impl Index for Tagged<'_> {
    fn other_with_tag(&self, tag: &Tag, index: u64) -> Option<u64> {
        let bears = |bytes: &[u8]| Entry::decode(bytes).is_ok_and(|entry| entry.tags.as_slice().contains(tag));
        (0..self.0.len() as u64).find(|other| *other != index && bears(&self.0[*other as usize].0))
    }
}

pub(super) fn audit_rows(rows: &[Bytes], snapshots: &BTreeMap<Aggregate, Vec<u8>>, rules: Rules) -> Report {
    audit_rows_without(rows, snapshots, rules, &[])
}

fn audit_rows_without(
    rows: &[Bytes],
    snapshots: &BTreeMap<Aggregate, Vec<u8>>,
    rules: Rules,
    lost: &[usize],
) -> Report {
    let mut auditor = Auditor::new(rules);
    for (index, (entry, fact, artefact)) in (0..).zip(rows) {
        let stored = |row| match row {
            _ if lost.contains(&(index as usize)) => Stored::Lost,
            Some(row) => Stored::Kept(row),
            None => Stored::Absent,
        };
        let (fact, artefact) = (stored(fact.as_deref()), stored(artefact.as_deref()));
        let row = Row { index, entry, fact, artefact };
        if let Some(check) = auditor.entry(&row, &Tagged(rows)) {
            let holds = check.holds();
            auditor.signature(&check, holds);
        }
    }
    for (aggregate, row) in snapshots {
        auditor.snapshot(*aggregate, Stored::Kept(row));
    }
    auditor.finish()
}

/// The list with this content, by the timestamping CA.
pub(super) fn signed_list(content: &crl::CrlContent) -> Vec<u8> {
    let issuer = Issuer::new(Authority::Tsu, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
    let unsigned = crl::prepare(content, &issuer).unwrap();
    unsigned.finish(&PKI.ca_key.sign(unsigned.message()).unwrap()).unwrap()
}

/// A serial number with this counter.
pub(super) fn serial(counter: u64) -> TokenSerial {
    TokenSerial::new(counter, [0xAB; 12]).unwrap()
}
