//! A notary's journal: an honest one, and one fault at a time.

use std::collections::BTreeSet;

use super::officer::{NOT_AFTER, appoint, revoked};
use super::*;
use crate::b64u::B64u;
use crate::ca::Authority;
use crate::ca::certificate::Issuer;
use crate::ca::profile::ProfileCode;
use crate::crypto::jose::{Algorithm, Key};
use crate::crypto::{OsEntropy, SignatureAlgorithm, Signer, SoftKey};
use crate::evidence::{Envelope, NotaryKind, OpsFact};
use crate::id::PartyId;
use crate::notary::dvcs::{self, DvcContent, DvcSigner, Finding, Grant};
use crate::notary::{
    ActType, Certify, Clocked, Expire, Journal, JournalEvent, JournalFact, JournalState, Keep, KeepPersonal, Open,
    Reason as Why, RecordedAct, Service, Sign, Validate, Withdraw, dvc_serial,
};
use crate::policy::person::Officer;
use crate::role::{encode_snapshot, step};
use crate::statement::act::ActRecorded;
use crate::statement::act::tests::full;
use crate::statement::{Common, Salt, Statement, Unsigned};
use crate::testing::PKI;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;
use crate::vault::{DataKey, Object, seal};
use crate::x509::Certificate;

const REPORT: &[u8] = b"what was found";
const REQUEST: &[u8] = b"what was asked";

/// A journal, and what it is of.
struct Office {
    world: World,
    state: JournalState,
    seq: u64,
    /// For acts.
    key: SoftKey,
    certificate: Certificate,
    dvcs_key: SoftKey,
    dvcs: DvcSigner,
}

const ACT: KeyId = KeyId::new(KeyPurpose::NotaryAct, 1);
const DVCS: KeyId = KeyId::new(KeyPurpose::NotaryDvcs, 1);

fn somebody() -> Officer {
    Officer::itself(testing::ec().tsu.certificate().digest())
}

fn document() -> Digest {
    Digest::of(b"document")
}

fn sealed() -> Vec<u8> {
    let key = DataKey::generate(&OsEntropy).unwrap();
    seal(b"document", &key, Object { id: [1; 32], version: 1 }, &OsEntropy).unwrap()
}

fn keep(number: u8) -> JournalEvent {
    JournalEvent::Keep(Keep { id: [number; 16].into(), place: 0, document: document(), size: 8 })
}

fn keep_personal(number: u8) -> JournalEvent {
    JournalEvent::KeepPersonal(KeepPersonal { id: [number; 16].into(), of: somebody() })
}

impl Office {
    /// With a CA for parties, which certifies the notary's keys.
    fn new() -> Self {
        let make = || SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let (ca_key, key, dvcs_key) = (make(), make(), make());
        let root = Issuer::new(Authority::Root, &PKI.root, PKI.root_key.algorithm()).unwrap();
        let ca = testing::issue(&testing::template("issuing-ca", "Party", &ca_key, 10), &root, &PKI.root_key);
        let issuer = Issuer::new(Authority::Party, &ca, ca_key.algorithm()).unwrap();
        let certified =
            |profile, name, key| testing::issue(&testing::template(profile, name, key, 3), &issuer, &ca_key);
        let certificate = certified("notary-act", "Notary", &key);
        let of_dvcs = certified("notary-dvcs", "Notary, DVCS", &dvcs_key);
        let (algorithm, chain) = (dvcs_key.algorithm(), [ca.der().to_vec()]);
        let dvcs =
            DvcSigner::load(DVCS, algorithm, dvcs_key.spki_der(), of_dvcs.der(), &chain, PKI.root.der()).unwrap();
        let mut world = World::lived();
        let now = GEN_TIME.plus_secs(90_002);
        for (id, spki) in [
            (KeyId::new(KeyPurpose::CaParty, 1), ca_key.spki_der()),
            (ACT, key.spki_der()),
            (DVCS, dvcs_key.spki_der()),
        ] {
            let made = OpsFact::KeyMade { key: id, public_key: Digest::of(spki) };
            world.record(made, Aggregate::of_key(id), 0, b"settings", now, None);
        }
        for (profile, issuer, certificate) in [
            (ProfileCode::IssuingCa, Authority::Root, &ca),
            (ProfileCode::Role, Authority::Party, &certificate),
            (ProfileCode::Role, Authority::Party, &of_dvcs),
        ] {
            world.certify_by(issuer, profile, certificate, None, now);
        }
        Self { world, state: JournalState::default(), seq: 0, key, certificate, dvcs_key, dvcs }
    }

    /// Tells the first use of a key, in front of what it signs at the next moment.
    fn first_use(&mut self, key: KeyId) {
        let now = self.now();
        self.world.record(OpsFact::KeyFirstUse { key }, Aggregate::of_key(key), 1, &[], now, None);
    }

    fn now(&self) -> Timestamp {
        GEN_TIME.plus_secs(90_010 + self.seq)
    }

    /// Decides an event and keeps its facts, each with its artefact.
    fn act(&mut self, event: JournalEvent) {
        self.job(vec![event]);
    }

    /// The same of all that one job asks, at one moment.
    fn job(&mut self, events: Vec<JournalEvent>) {
        let now = self.now();
        events.into_iter().for_each(|event| self.act_at(event, now, |_| ()));
    }

    /// The same, where the record of an act says something else.
    fn act_with(&mut self, event: JournalEvent, change: impl Fn(&mut ActRecorded)) {
        self.act_at(event, self.now(), change);
    }

    fn act_at(&mut self, event: JournalEvent, now: Timestamp, change: impl Fn(&mut ActRecorded)) {
        let (event_digest, salt, policy_hash) = (event.digest(), [5; 16], Digest::of(b"policy"));
        let clocked = Clocked { event, clock: ClockVerdict::Synced };
        let (facts, _) = step::<Journal>(&mut self.state, &clocked, now).unwrap();
        for fact in facts {
            let artefact = match &fact {
                JournalFact::Recorded(recorded) => Some(self.record(recorded, &change)),
                JournalFact::Reported { .. } => Some(REPORT.to_vec()),
                JournalFact::Opened { .. } => Some(REQUEST.to_vec()),
                JournalFact::Validated { number, serial, .. } => Some(self.dvc(*number, *serial)),
                JournalFact::Kept { .. } | JournalFact::Personal { .. } => Some(sealed()),
                JournalFact::Signed { .. } | JournalFact::Assigned { .. } => None,
            };
            let aggregate = Journal::aggregate();
            let envelope = Envelope { aggregate, seq: self.seq, now, salt, policy_hash, event_digest };
            let tags = fact.tag().into_iter().collect();
            self.world.push(fact.into_fact(&envelope), artefact, tags);
            self.seq += 1;
        }
        let snapshot = Snapshot { next_seq: self.seq, state: self.state.clone() };
        self.world.snapshots.insert(Journal::aggregate(), encode_snapshot::<Journal>(&snapshot));
    }

    fn dvc(&self, number: u64, serial: [u8; 16]) -> Vec<u8> {
        let request = dvcs::testing::request(&dvcs::testing::asked()[0]);
        let grant = Grant { serial: dvc_serial(number, serial).unwrap(), ..dvcs::testing::grant() };
        let content = DvcContent::new(&request, &Finding::Received, &grant).unwrap();
        let unsigned = dvcs::prepare(&self.dvcs, content);
        let signature = self.dvcs_key.sign(unsigned.message()).unwrap();
        unsigned.finish(signature).into_der()
    }

    fn record(&self, recorded: &RecordedAct, change: &impl Fn(&mut ActRecorded)) -> Vec<u8> {
        let thumbprint = Key::from_spki_der(self.key.spki_der()).unwrap().thumbprint();
        let mut body = full(thumbprint);
        body.act = recorded.id;
        body.kind = recorded.act;
        body.journal_no = recorded.number;
        body.notary.certificate = self.certificate.digest().into();
        (body.opened_at, body.completed_at) = (recorded.opened_at.into(), recorded.at.into());
        body.principals[0].certificate = recorded.requester.certificate.into();
        body.documents.truncate(1);
        (body.documents[0].sha256, body.documents[0].size) = (recorded.subject.into(), Some(8));
        body.request = recorded.request.into();
        body.validation_report = recorded.report.map(Into::into);
        (body.outcome, body.reason, body.officer) = (recorded.outcome(), recorded.reason, None);
        body.checked = Vec::new();
        body.not_checked = crate::notary::OfficerCheck::ALL.to_vec();
        change(&mut body);
        let common = Common { salt: Salt(B64u([7; 16])), iat: recorded.at.into(), x: None, shown: None };
        let unsigned = Unsigned::new(&Statement { common, body }, Algorithm::Es256, thumbprint).unwrap();
        let signature = self.key.sign_raw(unsigned.message()).unwrap();
        unsigned.finish(&signature).unwrap().bytes().to_vec()
    }

    /// One of each kind that needs nobody else.
    fn lived() -> Self {
        let mut office = Self::new();
        office.first_use(DVCS);
        office.act(validate(1, Service::Ccpd));
        office.act(validate(2, Service::Vsd));
        office.first_use(ACT);
        office.job(vec![certify(3, ActType::Existence, None), keep(3), keep_personal(3)]);
        office.act(certify(4, ActType::SignatureValidation, Some(Why::SignatureNotValid)));
        office.act(open(5));
        office.act(JournalEvent::Withdraw(Withdraw { id: [5; 16].into(), by: somebody() }));
        office
    }

    /// The place of the first fact of a kind.
    fn place(&self, kind: NotaryKind) -> usize {
        let is = |line: &world::Line| line.fact.as_ref().is_some_and(|fact| fact.kind == Kind::Notary(kind));
        self.world.lines.iter().position(is).unwrap()
    }
}

fn validate(number: u8, service: Service) -> JournalEvent {
    JournalEvent::Validate(Box::new(Validate {
        id: [number; 16].into(),
        service,
        request: Digest::of(REQUEST),
        requester: Some(somebody()),
        subject: document(),
        serial: [number; 16],
        granted: true,
        report: service.validates().then(|| Digest::of(REPORT)),
    }))
}

fn certify(number: u8, act: ActType, failed: Option<Why>) -> JournalEvent {
    JournalEvent::Certify(Box::new(Certify {
        id: [number; 16].into(),
        act,
        request: Digest::of(REQUEST),
        requester: somebody(),
        subject: document(),
        failed,
        report: act.has_report().then(|| Digest::of(REPORT)),
    }))
}

/// One that waits for these alone.
fn open_contract(number: u8, signers: BTreeSet<PartyId>) -> JournalEvent {
    let JournalEvent::Open(open) = open(number) else { unreachable!("it opens") };
    JournalEvent::Open(Box::new(Open { act: ActType::Contract, signers, needs_person: false, ..*open }))
}

fn open(number: u8) -> JournalEvent {
    JournalEvent::Open(Box::new(Open {
        id: [number; 16].into(),
        act: ActType::Copy,
        request: Digest::of(REQUEST),
        requester: somebody(),
        subject: document(),
        held: false,
        signers: Default::default(),
        needs_person: true,
        life_secs: 86_400,
        report: None,
    }))
}

#[test]
fn an_honest_journal_is_decided_again_and_nothing_differs() {
    let report = Office::lived().world.audit();
    assert_eq!(report.differences, []);
    let of_notary = |kind| report.kinds.get(&Some(Kind::Notary(kind))).map(|count| count.same);
    for (kind, due) in [
        (NotaryKind::Ccpd, 1),
        (NotaryKind::Vsd, 1),
        (NotaryKind::Act, 3),
        (NotaryKind::ActOpened, 1),
        (NotaryKind::ActReport, 2),
        (NotaryKind::ActDocument, 1),
        (NotaryKind::ActPersonal, 1),
    ] {
        assert_eq!(of_notary(kind), Some(due), "{kind:?}");
    }
}

/// A record that tells another story than its fact.
#[test]
fn a_record_that_says_something_else() {
    type Change = fn(&mut ActRecorded);
    let table: [(Change, &str); 6] = [
        (|record| record.journal_no += 1, "it has another number"),
        (|record| record.kind = ActType::Possession, "it is of another act"),
        (|record| record.validation_report = None, "it names another validation report"),
        (|record| record.documents.clear(), "it is of another document"),
        (|record| record.not_checked.clear(), "it leaves out what was not checked"),
        (
            |record| (record.outcome, record.reason) = (crate::notary::Outcome::Performed, None),
            "it tells another outcome",
        ),
    ];
    for (change, why) in table {
        let mut office = Office::new();
        office.first_use(ACT);
        office.act_with(certify(1, ActType::SignatureValidation, Some(Why::SignatureNotValid)), change);
        let found = office.world.audit().differences;
        let due = format!("its record is not what was decided: {why}");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().contains(&due), "{} instead of {due}", found[0]);
    }
}

/// Facts that no decision would have left: a number left out, a report that is another's, one that nothing rests on.
#[test]
fn facts_that_nobody_decided() {
    let differs = |change: &dyn Fn(&mut Office), due: &str| {
        let mut office = Office::lived();
        change(&mut office);
        let found: Vec<_> = office.world.audit().differences.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|difference| difference.contains(due)), "{found:?} without {due}");
    };
    let rewritten = |office: &mut Office, kind, change: &dyn Fn(&mut JournalFact)| {
        let place = office.place(kind);
        let line = &mut office.world.lines[place];
        let stored = line.fact.as_ref().unwrap();
        let mut fact = JournalFact::from_fact(stored).unwrap();
        change(&mut fact);
        let envelope = Envelope {
            aggregate: stored.aggregate,
            seq: stored.seq,
            now: stored.now,
            salt: stored.salt,
            policy_hash: stored.policy_hash,
            event_digest: stored.event_digest,
        };
        line.fact = Some(fact.into_fact(&envelope));
    };
    differs(
        &|office| {
            rewritten(office, NotaryKind::Ccpd, &|fact| {
                if let JournalFact::Validated { number, .. } = fact {
                    *number = 9;
                }
            });
        },
        "notary.ccpd",
    );
    differs(
        &|office| {
            rewritten(office, NotaryKind::Vsd, &|fact| {
                if let JournalFact::Validated { number, .. } = fact {
                    *number = 1;
                }
            });
        },
        "the journal gave its number 1 before",
    );
    differs(
        &|office| {
            rewritten(office, NotaryKind::ActReport, &|fact| {
                if let JournalFact::Reported { report, .. } = fact {
                    *report = Digest([9; 32]);
                }
            });
        },
        "it names another report than the one that its entry is of",
    );
    differs(
        &|office| {
            let id = [5; 16].into();
            let now = GEN_TIME.plus_secs(91_000);
            let event_digest = JournalEvent::Expire(Expire { id }).digest();
            let (aggregate, seq, salt) = (Journal::aggregate(), office.seq, [5; 16]);
            let envelope = Envelope { aggregate, seq, now, salt, policy_hash: Digest::of(b"policy"), event_digest };
            let fact = JournalFact::Reported { id, at: now, report: Digest::of(REPORT) };
            office.world.push(fact.into_fact(&envelope), Some(REPORT.to_vec()), Vec::new());
        },
        "decided again, it is refused",
    );
}

/// What is kept comes with a request, is of it, and is sealed.
#[test]
fn what_is_kept_with_nothing_or_of_something_else() {
    let none = "it is kept with no request";
    let of_other = "it is none of the documents of its act, or not in their order";
    let of_nobody = "it is not about whoever asked, or there are two of it";
    let document_of = |place, document, size| JournalEvent::Keep(Keep { id: [1; 16].into(), place, document, size });
    let about = |of| JournalEvent::KeepPersonal(KeepPersonal { id: [1; 16].into(), of });
    for (events, due) in [
        (vec![keep(1)], None),
        (vec![keep_personal(1)], None),
        (vec![keep(2)], Some(none)),
        (vec![keep_personal(2)], Some(none)),
        (vec![document_of(0, Digest::of(b"other"), 8)], Some(of_other)),
        (vec![document_of(0, document(), 9)], Some(of_other)),
        (vec![document_of(1, document(), 8)], Some(of_other)),
        (vec![document_of(u64::MAX, document(), 8)], Some(of_other)),
        (vec![keep(1), keep(1)], Some(of_other)),
        (vec![keep_personal(1), keep(1)], Some(of_other)),
        (vec![about(Officer::itself(Digest([9; 32])))], Some(of_nobody)),
        (vec![keep_personal(1), keep_personal(1)], Some(of_nobody)),
    ] {
        let mut office = Office::new();
        let said = format!("{events:?}");
        office.first_use(ACT);
        office.job([vec![certify(1, ActType::Existence, None)], events].concat());
        found(&office, due, &said);
    }
    // Later, or of a deposit.
    let mut office = Office::new();
    office.first_use(ACT);
    office.act(certify(1, ActType::Existence, None));
    office.act(keep(1));
    found(&office, Some(none), "later");
    for (document, due) in [(Digest::of(b"imprint"), None), (Digest::of(b"other"), Some(of_other))] {
        let JournalEvent::Validate(mut deposit) = validate(1, Service::Cpd) else { unreachable!() };
        deposit.subject = Digest::of(Digest::of(b"imprint").as_bytes());
        let mut office = Office::new();
        office.first_use(DVCS);
        office.job(vec![JournalEvent::Validate(deposit), document_of(0, document, 8)]);
        found(&office, due, "a deposit");
    }
    let mut office = Office::new();
    office.first_use(ACT);
    office.job(vec![certify(1, ActType::Existence, None), keep(1)]);
    office.world.lines.last_mut().unwrap().artefact = Some(b"document".to_vec());
    let found = office.world.audit().differences;
    assert!(found.iter().any(|one| one.to_string().contains("what is kept is not sealed")), "{found:?}");
}

fn found(office: &Office, due: Option<&str>, said: &str) {
    let found: Vec<_> = office.world.audit().differences.iter().map(ToString::to_string).collect();
    match due {
        None => assert_eq!(found, Vec::<String>::new(), "{said}"),
        Some(due) => assert!(found.iter().any(|one| one.contains(due)), "{said}: {found:?}"),
    }
}

/// Its first use stands in front of what a key first signs, of the same moment; and only keys for it sign.
#[test]
fn first_uses() {
    let found = |act: &dyn Fn(&mut Office)| -> Vec<String> {
        let mut office = Office::new();
        act(&mut office);
        office.world.audit().differences.iter().map(ToString::to_string).collect()
    };
    let certified = |office: &mut Office, number| office.act(certify(number, ActType::Existence, None));
    let told = |office: &mut Office| {
        office.first_use(ACT);
        certified(office, 1);
        certified(office, 2);
    };
    assert_eq!(found(&told), Vec::<String>::new());
    type Told<'a> = (&'a dyn Fn(&mut Office), &'a str);
    let table: [Told<'_>; 6] = [
        (
            &|office| (1..4).for_each(|number| certified(office, number)),
            "the key notary-act.1: it signed what entry 29 is of, and its first use is not recorded in front of that",
        ),
        (
            &|office| office.act(validate(1, Service::Ccpd)),
            "the key notary-dvcs.1: it signed what entry 29 is of, and its first use is not recorded in front of that",
        ),
        (&|office| office.first_use(ACT), "its first use is recorded in entry 29, and nothing that it signed then"),
        (
            &|office| {
                office.first_use(ACT);
                office.act(open(1));
                office.act(JournalEvent::Withdraw(Withdraw { id: [1; 16].into(), by: somebody() }));
            },
            "tells the first use of notary-act.1 at",
        ),
        (
            &|office| {
                told(office);
                office.first_use(ACT);
                certified(office, 3);
            },
            "the key's first use was recorded before",
        ),
        (
            &|office| {
                office.certificate = office.dvcs.certificate().clone();
                office.first_use(ACT);
                certified(office, 1);
            },
            "it is signed by notary-dvcs.1, which is for something else",
        ),
    ];
    for (act, due) in table {
        let found = found(act);
        assert!(found.iter().any(|difference| difference.contains(due)), "{found:?} without {due}");
    }
}

/// Who signed a contract is who the certificate says, by one that was good; what became of it since stands in the record.
#[test]
fn signers_and_what_became_of_their_certificates() {
    let (signer, party) = (Digest([0x51; 32]), PartyId::from([0x52; 16]));
    let found = |revoked_secs_after: Option<i64>, told: Option<u64>| {
        let mut office = Office::new();
        appoint(&mut office.world, signer, ProfileCode::Party, NOT_AFTER, None);
        office.act(open_contract(1, [party].into()));
        let signed_at = office.now().secs();
        let revoked_at = revoked_secs_after.map(|after| Timestamp::from_secs(signed_at.saturating_add_signed(after)));
        if let Some(at) = revoked_at {
            revoked(&mut office.world, signer, at);
        }
        office.seq += 100;
        office.first_use(ACT);
        let signature = Digest::of(b"a signature");
        let sign = JournalEvent::Sign(Sign { id: [1; 16].into(), signer: party, certificate: signer, signature });
        office.act_with(sign, |record| {
            record.principals[0].certificate = signer.into();
            record.principals[0].revoked_at = told.map(|secs| Timestamp::from_secs(signed_at + secs).into());
        });
        office.world.audit().differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let (another, left_out, other_time) = (
        "another person than the one behind the certificate",
        "it leaves out that a signer's",
        "it tells another time",
    );
    let had_been = "the certificate of who signed had been revoked";
    // Nobody was registered by that certificate.
    let never = found(None, None);
    assert!(
        never.contains(another) && ![left_out, other_time, had_been].iter().any(|what| never.contains(what)),
        "{never}"
    );
    let silent = found(Some(10), None);
    assert!(silent.contains(left_out) && silent.contains(had_been), "{silent}");
    assert!(found(Some(10), Some(20)).contains(other_time));
    let told = found(Some(10), Some(10));
    assert!(!told.contains(left_out) && !told.contains(other_time), "{told}");
}
