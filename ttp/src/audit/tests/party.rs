//! Applications and parties: an honest office, and one fault at a time.

use super::*;
use crate::b64u::B64u;
use crate::ca::Grounds;
use crate::ca::name::{Attribute, DistinguishedName};
use crate::ca::profile::{Profile, ProfileCode};
use crate::crypto::jose::Thumbprint;
use crate::crypto::{KeyKind, oracle};
use crate::digest::Digest;
use crate::evidence::Envelope;
use crate::id::{PartyId, RegistrationId};
use crate::party::{
    AcceptTerms, BindKey, PartyEvent, PartyFact, PartyRegistry, Register, Reinstate, ReinstatementReason, Suspend,
    SuspensionReason, UnbindKey, UnbindReason,
};
use crate::policy::person::Officer;
use crate::registration::document::{
    ApplicationDocument, DocumentKind, IdentityRecord, Method, ProfileRequest, SeenDocument,
};
use crate::registration::{
    Apply, Approve, Expire, RecordIdentity, RefusalReason, Refuse, RefusedBy, Registration, RegistrationEvent,
    RegistrationFact, RequestedKey, Withdraw,
};
use crate::role::{Role, fold, step};
use crate::statement::terms::TermsAccepted;
use crate::statement::{Jws, Millis, Salt};
use crate::timestamp::ClockVerdict;

const CLOCK: ClockVerdict = ClockVerdict::Synced;

/// What the shell does around the two roles.
#[derive(Clone)]
pub(super) struct Office {
    pub(super) world: World,
    secs: u64,
}

impl Office {
    /// Nobody has come yet.
    pub(super) fn new() -> Self {
        Self { world: World::lived(), secs: 0 }
    }

    pub(super) fn now(&self) -> Timestamp {
        GEN_TIME.plus_secs(90_010 + self.secs)
    }

    pub(super) fn pass(&mut self, secs: u64) {
        self.secs += secs;
    }

    /// The digest of the application that would have left this fact.
    pub(super) fn digest_again(&self, fact: &RegistrationFact) -> Digest {
        super::super::party::event_of_registration(fact).digest()
    }

    /// Decides one event on the fold of what is stored, and stores its fact.
    fn act<R: Role<State: Default, Fact: Recorded, Refusal: std::fmt::Debug>>(
        &mut self,
        aggregate: Aggregate,
        event: &R::Event,
        event_digest: Digest,
        artefact: Option<Vec<u8>>,
    ) {
        let stored: Vec<_> = self.world.lines.iter().filter_map(|line| line.fact.clone()).collect();
        let history = stored.iter().filter(|fact| fact.aggregate == aggregate);
        let Snapshot { next_seq: seq, mut state } = fold::<R>(Snapshot::default(), history).unwrap();
        self.secs += 1;
        let now = self.now();
        let (facts, _) = step::<R>(&mut state, event, now).unwrap();
        let (salt, policy_hash) = ([5; 16], Digest::of(b"policy"));
        for fact in facts {
            let envelope = Envelope { aggregate, seq, now, salt, policy_hash, event_digest };
            self.world.push(fact.into_fact(&envelope), artefact.clone(), Vec::new());
        }
    }

    pub(super) fn registration(&mut self, id: u8, event: RegistrationEvent, artefact: Option<Vec<u8>>) {
        let id = RegistrationId::from([id; 16]);
        self.act::<Registration>(id.aggregate(), &event, event.digest(), artefact);
    }

    fn party(&mut self, event: PartyEvent, artefact: Option<Vec<u8>>) {
        self.act::<PartyRegistry>(party().aggregate(), &event, event.digest(), artefact);
    }

    /// For one officer or for two, by a profile that asks for as many.
    pub(super) fn applies(&mut self, id: u8, officers_needed: u8) {
        let document = application();
        let profile = Profile::named(if officers_needed == 2 { "officer" } else { "party-natural" });
        let key = RequestedKey {
            profile: profile.digest(),
            class: profile.code().code(),
            request: document.request_digests().unwrap()[0],
            public_key: Digest([id; 32]),
        };
        let bytes = document.write().unwrap();
        let event = Apply {
            id: [id; 16].into(),
            keys: vec![key],
            subject: Digest::of(&bytes),
            applicant: None,
            terms: document.terms_digest(),
            officers_needed,
            applied_by: None,
            key_compromised: false,
            key_taken: false,
            party_taken: false,
            clock: CLOCK,
        };
        self.registration(id, RegistrationEvent::Apply(Box::new(event)), Some(bytes));
    }

    pub(super) fn identifies(&mut self, id: u8) {
        let record = IdentityRecord {
            salt: Salt(B64u([2; 16])),
            method: Method::InPerson,
            documents: vec![SeenDocument {
                kind: DocumentKind::Passport,
                number: Some("12AB34567".to_owned()),
                country: None,
                expires: None,
                sha256: None,
            }],
            checked_at: Millis::from(GEN_TIME),
            notes: None,
        };
        let bytes = record.write().unwrap();
        let event = RecordIdentity {
            record: Digest::of(&bytes),
            officer: Officer::itself(officer(1)),
            officer_good: true,
            clock: CLOCK,
        };
        self.registration(id, RegistrationEvent::RecordIdentity(event), Some(bytes));
    }

    pub(super) fn approves(&mut self, id: u8, by: u8) {
        let event = Approve { serials: vec![[0x41; 16]], ..approval(by) };
        self.registration(id, RegistrationEvent::Approve(Box::new(event)), None);
    }

    /// Three applications, one of them approved, and the life of its party.
    fn lived() -> Self {
        let mut office = Self::new();
        office.applies(1, 2);
        office.identifies(1);
        office.approves(1, 1);
        office.approves(1, 2);
        office.applies(2, 1);
        let refuse = Refuse { officer: officer(1), officer_good: true, reason: RefusalReason::Duplicate, clock: CLOCK };
        office.registration(2, RegistrationEvent::Refuse(refuse), None);
        office.applies(3, 1);
        office.registration(3, RegistrationEvent::Withdraw(Withdraw { clock: CLOCK }), None);
        office.applies(4, 1);
        office.registration(4, RegistrationEvent::Expire(Expire { life_secs: 1, clock: CLOCK }), None);

        let terms = application().terms_digest();
        let register = Register { party: party(), registration: [1; 16].into(), terms, clock: CLOCK };
        office.party(PartyEvent::Register(register), None);
        let thumbprint = Thumbprint(B64u([8; 32]));
        let bind = BindKey {
            thumbprint,
            certificate: Digest([1; 32]),
            history: Aggregate([2; 32]),
            not_after: GEN_TIME.whole_secs().plus_secs(1_000_000),
            clock: CLOCK,
        };
        office.party(PartyEvent::BindKey(bind), None);
        let statement = statement();
        let body = Jws::parse(&statement).unwrap().payload_as::<TermsAccepted>().unwrap().body;
        let accept = AcceptTerms { policy: body.policy.into(), statement: Digest::of(&statement), clock: CLOCK };
        office.party(PartyEvent::AcceptTerms(accept), Some(statement));
        let suspend = Suspend { officer: officer(1), reason: SuspensionReason::KeysInDoubt, clock: CLOCK };
        office.party(PartyEvent::Suspend(suspend), None);
        let unbind = UnbindKey { thumbprint, reason: UnbindReason::Revoked, clock: CLOCK };
        office.party(PartyEvent::UnbindKey(unbind), None);
        let reinstate = Reinstate { officer: officer(2), reason: ReinstatementReason::Settled, clock: CLOCK };
        office.party(PartyEvent::Reinstate(reinstate), None);
        office
    }

    fn spoilt(change: impl FnOnce(&mut World)) -> World {
        let mut world = Self::lived().world;
        change(&mut world);
        world
    }
}

pub(super) fn officer(number: u8) -> Digest {
    Digest([number; 32])
}

pub(super) fn approval(by: u8) -> Approve {
    Approve {
        officer: Officer::itself(officer(by)),
        officer_good: true,
        first_revoked: false,
        serials: Vec::new(),
        party: party(),
        key_taken: false,
        party_taken: false,
        applicant_suspended: false,
        clock: CLOCK,
    }
}

fn statement() -> Vec<u8> {
    let vectors = include_str!("../../../../schemas/vectors/statements.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    vectors["statements"][0]["jws"].as_str().unwrap().as_bytes().to_vec()
}

/// The one that made the statement.
pub(super) fn party() -> PartyId {
    Jws::parse(&statement()).unwrap().payload_as::<TermsAccepted>().unwrap().body.party
}

fn application() -> ApplicationDocument {
    static CSR: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let (der, _) = oracle::certification_request(KeyKind::EcdsaP256);
        crate::asn1::pem::encode("CERTIFICATE REQUEST", &der)
    });
    ApplicationDocument {
        salt: Salt(B64u([1; 16])),
        requests: vec![ProfileRequest { profile: "party-natural".to_owned(), csr: CSR.clone() }],
        subject: DistinguishedName([(Attribute::CommonName, "Alice".to_owned())].into()),
        alternative_names: None,
        contact: None,
        terms: String::from_utf8(statement()).unwrap(),
    }
}

/// The place of the `nth` entry of a kind.
fn place(world: &World, kind: PartyKind, nth: usize) -> usize {
    world.all(Kind::Party(kind))[nth]
}

#[test]
fn an_honest_office_is_decided_again_and_nothing_differs() {
    let report = Office::lived().world.audit();
    assert_eq!(report.differences, []);
    let of_parties = report.kinds.into_iter().filter(|(kind, _)| matches!(kind, Some(Kind::Party(_))));
    let found: Vec<_> = of_parties.map(|(kind, count)| (kind.unwrap().to_string(), count)).collect();
    let same = |name: &str, same| (name.to_owned(), Count { same, ..Count::default() });
    assert_eq!(
        found,
        [
            same("party.registration-applied", 4),
            same("party.identity-recorded", 1),
            same("party.registration-approved", 2),
            same("party.registration-refused", 3),
            same("party.registered", 1),
            same("party.key-bound", 1),
            same("party.key-unbound", 1),
            same("party.terms-accepted", 1),
            same("party.suspended", 1),
            same("party.reinstated", 1),
        ]
    );
}

/// One officer for two, in a fact and an event that fit each other.
#[test]
fn a_second_approval_by_the_first_officer() {
    let mut world = Office::lived().world;
    let at = place(&world, PartyKind::RegistrationApproved, 1);
    let RegistrationFact::Approved { id, at: when, serials, public_keys, party, .. } =
        RegistrationFact::from_fact(world.fact(at)).unwrap()
    else {
        panic!("an approval")
    };
    let (first, remaining) = (Officer::itself(officer(1)), 0);
    let lie = RegistrationFact::Approved { id, at: when, officer: first, remaining, serials, public_keys, party };
    world.rewrite(at, lie);
    world.fact(at).event_digest = RegistrationEvent::Approve(Box::new(approval(1))).digest();
    world.reseal(at);
    finds(
        &world,
        &format!(
            "entry {at} (party.registration-approved): decided again, it is refused: this officer has approved already; \
             another one has to"
        ),
    );
}

#[test]
fn an_approval_without_a_record_of_identity() {
    let mut office = Office::new();
    office.applies(1, 1);
    let id = RegistrationId::from([1; 16]);
    let now = GEN_TIME.plus_secs(90_020);
    let fact = RegistrationFact::Approved {
        id,
        at: now,
        officer: Officer::itself(officer(1)),
        remaining: 0,
        serials: vec![[0x41; 16]],
        public_keys: vec![Digest([1; 32])],
        party: Some(party()),
    };
    let fact = fact.into_fact(&Envelope {
        aggregate: id.aggregate(),
        seq: 1,
        now,
        salt: [5; 16],
        policy_hash: Digest::of(b"policy"),
        event_digest: RegistrationEvent::Approve(Box::new(approval(1))).digest(),
    });
    office.world.push(fact, None, Vec::new());
    let at = office.world.lines.len() - 1;
    finds(
        &office.world,
        &format!(
            "entry {at} (party.registration-approved): decided again, it is refused: no record says how the applicant's \
             identity was proven"
        ),
    );
}

#[test]
fn facts_that_say_something_else() {
    let world = Office::lived().world;
    let at = place(&world, PartyKind::RegistrationRefused, 2);
    let early = Office::spoilt(|world| {
        let RegistrationFact::Refused { id, at: when, reason, .. } =
            RegistrationFact::from_fact(world.fact(at)).unwrap()
        else {
            panic!("a refusal")
        };
        let by = RefusedBy::Age { life_secs: 3_600 };
        world.rewrite(at, RegistrationFact::Refused { id, at: when, reason, by });
    });
    let found = early.audit().differences;
    assert!(
        found.len() == 1 && found[0].what.starts_with("decided again, it is refused: the application is open until")
    );
    let at = place(&world, PartyKind::Suspended, 0);
    let other_event = Office::spoilt(|world| {
        world.fact(at).event_digest.0[0] ^= 1;
        world.reseal(at);
    });
    finds(&other_event, &format!("entry {at} (party.suspended): decided again, its fact has another event"));
    let at = place(&world, PartyKind::Reinstated, 0);
    let elsewhere = Office::spoilt(|world| {
        let fact = world.fact(at);
        (fact.aggregate, fact.seq) = (PartyId::from([1; 16]).aggregate(), 0);
        world.reseal(at);
    });
    finds(&elsewhere, &format!("entry {at} (party.reinstated): its fact lies in the history of another party"));
}

#[test]
fn a_party_that_nobody_approved() {
    let world = Office::lived().world;
    let at = place(&world, PartyKind::Registered, 0);
    let world = Office::spoilt(|world| {
        let PartyFact::Registered { party, at: when, terms, .. } = PartyFact::from_fact(world.fact(at)).unwrap() else {
            panic!("a party")
        };
        // That application was refused.
        let registration = [2; 16].into();
        world.rewrite(at, PartyFact::Registered { party, at: when, registration, terms });
        let register = Register { party, registration, terms, clock: CLOCK };
        world.fact(at).event_digest = PartyEvent::Register(register).digest();
        world.reseal(at);
    });
    finds(&world, &format!("entry {at} (party.registered): no application was approved that this party is of"));
}

/// The digests fit; what stands in the documents does not.
#[test]
fn documents_that_are_something_else() {
    let world = Office::lived().world;
    let replaced = |kind, what: &str, document: Vec<u8>, due: &str| {
        let at = place(&world, kind, 0);
        let world = Office::spoilt(|world| {
            let line = &mut world.lines[at];
            line.entry.digest = Digest::of(&document).0;
            line.artefact = Some(document);
        });
        let found: Vec<_> = world.audit().differences.iter().map(|found| found.what.clone()).collect();
        let named = "it names another document than the one that its entry is of";
        let due = format!("its document is not what it was accepted as: {due}");
        assert_eq!(found, [named, &due], "{what}");
    };
    let mut other_terms = application();
    other_terms.terms.pop();
    other_terms.terms.push('A');
    replaced(
        PartyKind::RegistrationApplied,
        "other terms",
        other_terms.write().unwrap(),
        "it has another acceptance of the terms than its fact",
    );
    let mut twice = application();
    twice.requests.push(twice.requests[0].clone());
    replaced(
        PartyKind::RegistrationApplied,
        "another request",
        twice.write().unwrap(),
        "it has other certification requests than its fact",
    );
    replaced(
        PartyKind::IdentityRecorded,
        "an application",
        application().write().unwrap(),
        "its member t is not \"registration/identity\"",
    );
    let at = place(&world, PartyKind::IdentityRecorded, 0);
    let report = Office::spoilt(|world| world.lines[at].artefact = None).audit();
    assert_eq!((report.differences_in_all, report.has_losses()), (0, true), "erased or lost: nobody can tell");
}

/// A certificate under the name of an application: that one, approved in full, asked for it.
#[test]
fn certificates_that_nobody_approved() {
    let (certificate, good) = super::ca::responder();
    let grounds = Grounds { registration: vec![1; 16], request: Digest([7; 32]), ..good };
    let key = RequestedKey {
        profile: grounds.profile,
        class: ProfileCode::OcspResponder.code(),
        request: grounds.request,
        public_key: Digest::of(&certificate.spki_der()),
    };
    let serial: [u8; 16] = certificate.serial().try_into().unwrap();
    let found = |keys: Vec<RequestedKey>, officers_needed, serials, grounds: &Grounds| -> Vec<String> {
        let mut office = Office::new();
        let apply = Apply {
            id: [1; 16].into(),
            keys,
            subject: Digest::of(b"erased"),
            applicant: None,
            terms: Digest([2; 32]),
            officers_needed,
            applied_by: None,
            key_compromised: false,
            key_taken: false,
            party_taken: false,
            clock: CLOCK,
        };
        office.registration(1, RegistrationEvent::Apply(Box::new(apply)), None);
        office.world.lines.last_mut().unwrap().entry.digest = Digest::of(b"erased").0;
        office.identifies(1);
        let approve = Approve { serials, ..approval(1) };
        office.registration(1, RegistrationEvent::Approve(Box::new(approve)), None);
        let now = GEN_TIME.plus_secs(90_100);
        office.world.certify_on(ProfileCode::OcspResponder, &certificate, Some(grounds.clone()), now);
        office.world.audit().differences.into_iter().map(|found| found.what).collect()
    };
    assert_eq!(found(vec![key], 1, vec![serial], &grounds), [""; 0]);
    let nobody = ["no application was approved that asked for it"];
    let other = [9; 32];
    for (what, key) in [
        ("profile", RequestedKey { profile: Profile::named("party-legal").digest(), ..key }),
        ("class", RequestedKey { class: 6, ..key }),
        ("request", RequestedKey { request: Digest(other), ..key }),
        ("key", RequestedKey { public_key: Digest(other), ..key }),
    ] {
        assert_eq!(found(vec![key], 1, vec![serial], &grounds), nobody, "another {what}");
    }
    let unknown = RequestedKey { profile: Digest(other), ..key };
    let not_in_force = ["it asks for a profile that was not in force", nobody[0]];
    assert_eq!(found(vec![unknown], 1, vec![serial], &grounds), not_in_force);
    assert_eq!(found(vec![key], 1, vec![[0x41; 16]], &grounds), nobody, "another serial number");
    let second = RequestedKey { public_key: Digest(other), ..key };
    assert_eq!(found(vec![second, key], 1, vec![serial, [0x41; 16]], &grounds), nobody, "that of another key");
    let two = ["it needs another number of officers than its profiles ask for", nobody[0]];
    assert_eq!(found(vec![key], 2, vec![serial], &grounds), two, "one of two officers");
    let unknown = Grounds { registration: vec![2; 16], ..grounds.clone() };
    assert_eq!(found(vec![key], 1, vec![serial], &unknown), nobody, "another application");
    let short = Grounds { registration: vec![1; 15], ..grounds };
    assert_eq!(found(vec![key], 1, vec![serial], &short), nobody, "no name of one");
}
