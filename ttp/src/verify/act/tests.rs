//! Acts of every kind and ending are verified; whatever is changed or exchanged fails the check that is for it.

use std::sync::LazyLock;

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::{Entry, Tags};
use semper_ledger::merkle::{Hash, leaf_hash, root_of};
use semper_ledger::note::Note;
use semper_ledger::receipt::tlog_proof::TlogProof;

use super::*;
use crate::asn1::{PolicyId, TEST_POLICY, decode_strict, pem};
use crate::b64u::{B64u, B64u32};
use crate::ca::Authority;
use crate::ca::certificate::{Issuer, Template};
use crate::crypto::jose::{Algorithm, Key};
use crate::crypto::{SignatureAlgorithm, Signer as _, SoftKey};
use crate::id::{ActId, PartyId};
use crate::notary::request::{ActRequest, RequestedDocument, Tag, Version};
use crate::notary::{ActType, OfficerCheck, Outcome as Ending, Reason};
use crate::statement::act::{
    ActDocument, ActEvent, Assurance, DocumentRole, EventType, Identified, IdentityMethod, NotaryNamed, Principal,
    PrincipalRole, commitment,
};
use crate::statement::contract::ContractSigned;
use crate::statement::{Body, Common, Millis, Origin, Salt, Statement, Unsigned};
use crate::testing::{GEN_TIME, LOG, OLD_CA, ORIGIN, PKI, issue, reissue, template, trust};
use crate::verify::Verdict;
use crate::x509::encode;

const DOCUMENT: &[u8] = b"a contract";
const ANNEX: &[u8] = b"an annex";
const DVC: &[u8] = b"a data validation certificate";
const NAME: &str = "Ada Lovelace";
const TITLE: &str = "Deed of sale";
const ACT: ActId = ActId(B64u([8; 16]));

/// A key with its certificate.
struct Holder {
    key: SoftKey,
    certificate: Certificate,
}

impl Holder {
    fn new(profile: &str, name: &str) -> Self {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let issuer = Issuer::new(Authority::Party, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        let certificate = issue(&template(profile, name, &key, 1), &issuer, &PKI.ca_key);
        Self { key, certificate }
    }

    fn thumbprint(&self) -> crate::crypto::jose::Thumbprint {
        Key::from_spki_der(self.key.spki_der()).unwrap().thumbprint()
    }

    fn digest(&self) -> B64u32 {
        self.certificate.digest().into()
    }

    /// A statement signed by its key.
    fn sign<B: Body>(&self, body: B) -> Vec<u8> {
        let common = Common { salt: Salt(B64u([7; 16])), iat: GEN_TIME.into(), x: None, shown: None };
        let unsigned =
            Unsigned::new(&Statement { common, body }, Algorithm::Es256, self.thumbprint()).expect("a statement");
        let signature = self.key.sign_raw(unsigned.message()).unwrap();
        unsigned.finish(&signature).unwrap().bytes().to_vec()
    }
}

static NOTARY: LazyLock<Holder> = LazyLock::new(|| Holder::new("notary-act", "Notary 1"));
static ADA: LazyLock<Holder> = LazyLock::new(|| Holder::new("party-legal", "Ada"));
static BOB: LazyLock<Holder> = LazyLock::new(|| Holder::new("party-legal", "Bob"));

fn hash(bytes: &[u8]) -> B64u32 {
    Digest::of(bytes).into()
}

fn party(holder: &Holder) -> PartyId {
    // Of one octet alone, two of them would be one party now and then.
    PartyId(B64u(*holder.digest().0.first_chunk().expect("32 octets")))
}

fn signed_by(holder: &Holder, change: impl FnOnce(&mut ContractSigned)) -> Vec<u8> {
    let mut body = ContractSigned {
        act: ACT,
        document: hash(DOCUMENT),
        service: Origin::new(ORIGIN).unwrap(),
        party: party(holder),
        key: holder.thumbprint(),
    };
    change(&mut body);
    holder.sign(body)
}

fn committed(salt: u8, value: &str) -> Option<B64u32> {
    commitment(&Salt(B64u([salt; 16])), value).ok()
}

/// What opens what a request commits to.
fn personal(name: &str) -> Vec<u8> {
    let opening = |salt, value| serde_json::json!({ "salt": B64u([salt; 16]), "value": value });
    serde_json::json!({ "name": opening(2, name), "titles": [opening(3, TITLE)] }).to_string().into_bytes()
}

fn request(kind: ActType, signers: Vec<PartyId>) -> ActRequest {
    let document = |bytes, role| RequestedDocument {
        sha256: hash(bytes),
        role,
        title: committed(3, TITLE).filter(|_| role == DocumentRole::Original),
        media_type: None,
    };
    ActRequest {
        t: Tag::Request,
        v: Version,
        salt: Salt(B64u([1; 16])),
        kind,
        documents: vec![document(DOCUMENT, DocumentRole::Original), document(ANNEX, DocumentRole::Attachment)],
        signers,
        name: committed(2, NAME),
        address: None,
        dvc: Some(hash(DVC)),
        correction_of: None,
    }
}

fn principal(role: PrincipalRole, holder: &Holder, signature: Option<&[u8]>) -> Principal {
    let identity = Identified { method: IdentityMethod::Certificate, checked_at: GEN_TIME.into(), evidence: None };
    Principal {
        role,
        party: Some(party(holder)),
        certificate: holder.digest(),
        name: committed(2, NAME).filter(|_| role == PrincipalRole::Requester),
        address: None,
        identity: vec![identity],
        signature: signature.map(hash),
        signed_at: signature.map(|_| GEN_TIME.into()),
        revoked_at: None,
    }
}

fn documents() -> Vec<ShownDocument> {
    [DOCUMENT, ANNEX].map(|bytes| ShownDocument { sha256: Digest::of(bytes), bytes: bytes.len() as u64 }).to_vec()
}

/// All that a verifier of an act has.
#[derive(Clone)]
struct Case {
    record: ActRecorded,
    certificates: Vec<Certificate>,
    documents: Vec<ShownDocument>,
    request: Vec<u8>,
    personal: Option<Vec<u8>>,
    signatures: Vec<Vec<u8>>,
    report: Option<&'static [u8]>,
}

impl Case {
    fn new(kind: ActType) -> Self {
        let holders: [&Holder; 2] = [&ADA, &BOB];
        let signers = if kind == ActType::Contract { &holders[..] } else { &[] };
        let signatures: Vec<_> = signers.iter().map(|holder| signed_by(holder, |_| ())).collect();
        let request = request(kind, signers.iter().map(|holder| party(holder)).collect());
        let request = serde_json::to_vec(&request).unwrap();
        let document = |bytes: &[u8], role| ActDocument {
            title: committed(3, TITLE).filter(|_| role == DocumentRole::Original),
            media_type: None,
            size: Some(bytes.len() as u64),
            sha256: hash(bytes),
            role,
            held: true,
        };
        let signed = signers.iter().zip(&signatures);
        let signed = signed.map(|(holder, bytes)| principal(PrincipalRole::Signer, holder, Some(bytes)));
        let (event, at) = (EventType::Requested, Millis::from(GEN_TIME));
        let checked: Vec<_> = kind.needs().iter().collect();
        let record = ActRecorded {
            act: ACT,
            kind,
            journal_no: 17,
            notary: NotaryNamed {
                service: Origin::new(ORIGIN).unwrap(),
                key: NOTARY.thumbprint(),
                certificate: NOTARY.digest(),
                policy: hash(b"policy"),
            },
            opened_at: at,
            completed_at: at,
            principals: std::iter::once(principal(PrincipalRole::Requester, &ADA, None)).chain(signed).collect(),
            documents: vec![document(DOCUMENT, DocumentRole::Original), document(ANNEX, DocumentRole::Attachment)],
            request: hash(&request),
            dvc: Some(hash(DVC)),
            validation_report: None,
            events: vec![ActEvent { at, kind: event, actor: Some(ADA.digest()) }],
            outcome: Ending::Performed,
            reason: None,
            officer: (!checked.is_empty()).then(|| hash(b"an officer")),
            not_checked: OfficerCheck::ALL.iter().copied().filter(|check| !checked.contains(check)).collect(),
            checked,
            fee: None,
            recording: None,
            assurance: Assurance::NonQualified,
            correction_of: None,
        };
        let certificates = [&NOTARY, &ADA, &BOB].map(|holder| holder.certificate.clone());
        let certificates = certificates.into_iter().chain([PKI.ca.clone()]).collect();
        let personal = Some(personal(NAME));
        Self { record, certificates, documents: documents(), request, personal, signatures, report: None }
    }

    fn contract() -> Self {
        Self::new(ActType::Contract)
    }

    /// Changed before it is signed.
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn act(&self) -> Vec<u8> {
        NOTARY.sign(self.record.clone())
    }

    /// The record's bytes judged with all the rest.
    fn judge(&self, act: &[u8], proof: Option<&[u8]>, dvc: Option<&[u8]>, trust: &Trust) -> ActReport {
        let evidence = ActEvidence {
            report: self.report,
            act,
            certificates: &self.certificates,
            documents: &self.documents,
            request: Some(&self.request).filter(|request| !request.is_empty()).map(Vec::as_slice),
            dvc,
            personal: self.personal.as_deref(),
            signatures: &self.signatures,
            proof,
        };
        verify_act(&evidence, trust)
    }

    fn verify(&self) -> ActReport {
        let act = self.act();
        let proof = proof(&act, |_| ());
        self.judge(&act, Some(proof.as_bytes()), Some(DVC), &trust())
    }
}

/// A proof of the entry of a record at index 1 of three entries.
fn proof(act: &[u8], change: impl FnOnce(&mut Entry)) -> String {
    let tags = Tags::new(vec![tag_of_act(ACT)]).unwrap();
    let (kind, time_ms) = (Kind::Notary(NotaryKind::Act), GEN_TIME.millis() + 3);
    let mut entry = Entry { role: kind.role().code(), kind: kind.code(), time_ms, digest: Digest::of(act).0, tags };
    change(&mut entry);
    let bytes = entry.encode();
    let leaves: [Hash; 3] = [[1; 32], leaf_hash(&bytes), [3; 32]];
    let text = Checkpoint { origin: ORIGIN.to_owned(), size: 3, root: root_of(&leaves) }.text();
    let checkpoint = Note { signatures: vec![LOG.line(&LOG.sign(&text).unwrap())], text }.to_string();
    TlogProof { extra: Some(bytes), index: 1, path: vec![leaves[0], leaves[2]], checkpoint }.to_string()
}

fn failed(report: &ActReport) -> Vec<ActCheck> {
    report.checks.iter().filter(|result| result.outcome.is_failed()).map(|result| result.check).collect()
}

/// The one check that fails.
fn check(case: &Case, expected: &[ActCheck]) {
    let report = case.verify();
    assert_eq!(failed(&report), expected, "{}", report.to_json());
    let checks: Vec<_> = report.checks.iter().map(|result| result.check).collect();
    assert_eq!(checks, ActCheck::ALL, "all of them, in order");
}

#[test]
fn good_ones_are_verified() {
    for kind in ActType::ALL {
        let case = Case::new(*kind);
        let report = case.verify();
        assert_eq!(report.verdict, Verdict::Verified, "{}", report.to_json());
        let skipped: Vec<_> =
            report.checks.iter().filter(|one| one.outcome != Outcome::Ok).map(|one| one.check).collect();
        let signers = [ActCheck::Signatures, ActCheck::SignersCertificates];
        let without: &[_] = if *kind == ActType::Contract { &[] } else { &signers };
        let never = [ActCheck::CertificatePolicy, ActCheck::CertificateRevocation, ActCheck::Report];
        assert_eq!(skipped, [&never[..], without, &[ActCheck::ProofWitnesses]].concat(), "{}", report.to_json());
        let summary = report.act.unwrap();
        assert_eq!((summary.kind, summary.journal_no, summary.notary.as_deref()), (*kind, 17, Some("Notary 1")));
        assert!(summary.documents.iter().all(|document| document.given));
        assert_eq!(report.entry.unwrap().index, 1);
        assert_eq!(statement_tag(&case.act()).as_deref(), Some("notary/act"));
    }
    assert_eq!(statement_tag(&signed_by(&ADA, |_| ())).as_deref(), Some("contract/signed"));
    assert_eq!(statement_tag(DOCUMENT), None);
}

#[test]
fn what_is_not_there_is_not_checked() {
    let undecided = |change: &dyn Fn(&mut Case), gaps: &[ActCheck]| {
        let report = Case::contract().with(change).verify();
        let open: Vec<_> = report.checks.iter().filter(|one| report.leaves_open(one)).map(|one| one.check).collect();
        assert_eq!(open, gaps, "{}", report.to_json());
        assert_eq!(report.verdict == Verdict::Verified, gaps.is_empty());
    };
    undecided(&|_| (), &[]);
    undecided(&|case| case.documents.truncate(1), &[]);
    undecided(&|case| case.documents = documents().split_off(1), &[ActCheck::Document]);
    undecided(&|case| case.request.clear(), &[]);
    undecided(&|case| drop(case.signatures.pop()), &[]);
    undecided(&|case| case.signatures.clear(), &[]);
    undecided(&|case| drop(case.certificates.remove(1)), &[ActCheck::SignersCertificates]);
    let of_certificate = [ActCheck::CertificatePurpose, ActCheck::CertificatePolicy, ActCheck::CertificateChain];
    let of_notary = [&[ActCheck::Signer, ActCheck::Signature], &of_certificate[..]].concat();
    undecided(&|case| drop(case.certificates.remove(0)), &of_notary);
    // Without a proof, and without the DVC.
    let case = Case::contract();
    let report = case.judge(&case.act(), None, None, &trust());
    assert_eq!((report.verdict, failed(&report)), (Verdict::Undecided, vec![]));
    let why = |check| report.outcome(check).cloned();
    let skipped = |why: &str| Some(Outcome::not_checked(why));
    assert_eq!(why(ActCheck::Dvc), skipped("the data validation certificate was not given"));
    assert_eq!(why(ActCheck::ProofForm), skipped("no proof was given"));
    // Nor is what opens the commitments needed.
    let report = Case::contract().with(|case| case.personal = None).verify();
    assert_eq!(report.verdict, Verdict::Verified);
    let due = skipped("what opens the record's commitments was not given");
    assert_eq!(report.outcome(ActCheck::Personal).cloned(), due);
}

#[test]
fn each_check_fails_for_its_own_reason() {
    type Change = fn(&mut Case);
    let table: &[(Change, &[ActCheck])] = &[
        // What the record says of itself.
        (
            |case| case.record.completed_at = Millis::new(GEN_TIME.millis() - 6_000).unwrap(),
            &[ActCheck::Consistency, ActCheck::CertificateChain, ActCheck::EntryTime],
        ),
        (|case| case.record.events[0].at = Millis::new(0).unwrap(), &[ActCheck::Consistency]),
        (|case| case.record.principals[1].signed_at = Some(GEN_TIME.plus_secs(60).into()), &[ActCheck::Consistency]),
        (|case| case.record.journal_no = 0, &[ActCheck::Consistency]),
        (|case| case.record.checked.push(OfficerCheck::Will), &[ActCheck::Consistency]),
        (
            |case| (case.record.checked, case.record.not_checked) = (vec![OfficerCheck::Will], vec![]),
            &[ActCheck::Consistency],
        ),
        (|case| case.record.kind = ActType::Copy, &[ActCheck::Consistency, ActCheck::Request]),
        (|case| case.record.kind = ActType::Existence, &[ActCheck::Consistency, ActCheck::Request]),
        (|case| case.record.principals[1].signed_at = None, &[ActCheck::Consistency]),
        (|case| case.record.principals.truncate(1), &[ActCheck::Consistency, ActCheck::Request, ActCheck::Signatures]),
        // Whose it is.
        (
            |case| case.record.notary.service = Origin::new("log.example/2").unwrap(),
            &[ActCheck::Service, ActCheck::Signatures, ActCheck::ProofCheckpoint],
        ),
        // The documents.
        (|case| case.documents[0].sha256 = Digest::of(b"another"), &[ActCheck::Document]),
        (|case| case.documents[1].sha256 = Digest::of(b"another"), &[ActCheck::Document]),
        (|case| case.documents[1].bytes += 1, &[ActCheck::Document]),
        // The request.
        (|case| *case.request.last_mut().unwrap() = b' ', &[ActCheck::Request]),
        (|case| (case.request, case.record.request) = (b"{}".to_vec(), hash(b"{}")), &[ActCheck::Request]),
        (|case| case.record.documents[1].role = DocumentRole::Original, &[ActCheck::Request]),
        (|case| drop(case.record.documents.pop()), &[ActCheck::Document, ActCheck::Request]),
        (|case| case.record.principals[0].name = Some(hash(b"name")), &[ActCheck::Request, ActCheck::Personal]),
        (|case| case.personal = Some(personal("Bob")), &[ActCheck::Personal]),
        (|case| case.personal = Some(b"{}".to_vec()), &[ActCheck::Personal]),
        (|case| drop((case.record.principals.pop(), case.signatures.pop())), &[ActCheck::Request]),
        (|case| case.record.correction_of = Some(ACT), &[ActCheck::Request]),
        // The DVC, which the request names as well.
        (|case| case.record.dvc = Some(hash(b"another")), &[ActCheck::Request, ActCheck::Dvc]),
        (|case| case.record.dvc = None, &[ActCheck::Request, ActCheck::Dvc]),
        // The signers.
        (|case| *case.signatures[0].last_mut().unwrap() ^= 1, &[ActCheck::Signatures]),
        (|case| case.record.principals[1].role = PrincipalRole::Requester, &[ActCheck::Request, ActCheck::Signatures]),
        (|case| case.record.principals[1].party = Some(party(&BOB)), &[ActCheck::Request, ActCheck::Signatures]),
        (|case| case.record.principals[1].certificate = BOB.digest(), &[ActCheck::SignersCertificates]),
        (|case| case.record.principals[1].certificate = PKI.ca.digest().into(), &[ActCheck::SignersCertificates]),
    ];
    for (place, (change, expected)) in table.iter().enumerate() {
        let report = Case::contract().with(*change).verify();
        assert_eq!(failed(&report), *expected, "case {place}: {}", report.to_json());
        assert_eq!(report.verdict, Verdict::Refuted);
    }
    // Statements for something else.
    let changes: [fn(&mut ContractSigned); 3] = [
        |body| body.act = ActId(B64u([9; 16])),
        |body| body.document = hash(ANNEX),
        |body| body.service = Origin::new("log.example/2").unwrap(),
    ];
    for change in changes {
        let case = Case::contract().with(|case| {
            case.signatures[0] = signed_by(&ADA, change);
            case.record.principals[1].signature = Some(hash(&case.signatures[0]));
        });
        check(&case, &[ActCheck::Signatures]);
    }
    // What the record names is no such statement.
    let other = |bytes: Vec<u8>| {
        Case::contract().with(|case| {
            case.record.principals[1].signature = Some(hash(&bytes));
            case.signatures[0] = bytes;
        })
    };
    check(&other(DOCUMENT.to_vec()), &[ActCheck::Signatures]);
    check(&other(Case::contract().act()), &[ActCheck::Signatures]);
}

/// Certificates that are as the record names them, and not as they should be.
#[test]
fn who_signs_must_be_a_notary_of_the_trusted_root() {
    let signed = |holder: &Holder, certificate: &Certificate| {
        let case = Case::contract().with(|case| {
            case.record.notary.key = holder.thumbprint();
            case.record.notary.certificate = certificate.digest().into();
            case.certificates.push(certificate.clone());
        });
        let act = holder.sign(case.record.clone());
        let proof = proof(&act, |_| ());
        failed(&case.judge(&act, Some(proof.as_bytes()), Some(DVC), &trust()))
    };
    assert_eq!(signed(&NOTARY, &NOTARY.certificate), []);
    let login = Holder::new("party-auth", "Mallory");
    assert_eq!(signed(&login, &login.certificate), [ActCheck::CertificatePurpose]);
    assert_eq!(signed(&NOTARY, &ADA.certificate), [ActCheck::Signer, ActCheck::Signature]);
    // Of another root, and not yet valid.
    let issuer = Issuer::new(Authority::Party, &OLD_CA.certificate, OLD_CA.key.algorithm()).unwrap();
    let stranger = issue(&template("notary-act", "Notary 2", &NOTARY.key, 3), &issuer, &OLD_CA.key);
    assert_eq!(signed(&NOTARY, &stranger), [ActCheck::CertificateChain]);
    let issuer = Issuer::new(Authority::Party, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
    let mut early = template("notary-act", "Notary 3", &NOTARY.key, 1);
    early.validity.not_before = GEN_TIME.whole_secs().plus_secs(1);
    let early = issue(&early, &issuer, &PKI.ca_key);
    assert_eq!(signed(&NOTARY, &early), [ActCheck::CertificateChain]);
    // The right certificate, and another hand.
    let case = Case::contract();
    let (act, other) = (case.act(), Case::contract().act());
    let signature_chars = 86;
    let act = [&act[..act.len() - signature_chars], &other[other.len() - signature_chars..]].concat();
    assert_eq!(failed(&case.judge(&act, None, None, &trust())), [ActCheck::Signature]);
    // A root that is not trusted.
    let other = pem::encode("CERTIFICATE", OLD_CA.certificate.der());
    let nobody = Trust::from_texts(&other, "", LOG.verifier_key().to_string().as_str()).unwrap();
    let report = case.judge(&case.act(), None, None, &nobody);
    assert_eq!(failed(&report), [ActCheck::CertificateChain, ActCheck::SignersCertificates]);
}

#[test]
fn its_entry_is_of_this_act_and_no_other() {
    type Change = fn(&mut Entry);
    let table: [(Change, &[ActCheck]); 6] = [
        (|_| (), &[]),
        (|entry| entry.digest = [1; 32], &[ActCheck::EntryDigest]),
        (|entry| entry.kind = Kind::Notary(NotaryKind::ActOpened).code(), &[ActCheck::EntryKind]),
        (|entry| entry.tags = Tags::default(), &[ActCheck::EntryKind]),
        (|entry| entry.tags = Tags::new(vec![tag_of_act(ActId(B64u([9; 16])))]).unwrap(), &[ActCheck::EntryKind]),
        (|entry| entry.time_ms += 10_000, &[ActCheck::EntryTime]),
    ];
    let case = Case::contract();
    let act = case.act();
    for (change, expected) in table {
        let proof = proof(&act, change);
        let report = case.judge(&act, Some(proof.as_bytes()), Some(DVC), &trust());
        assert_eq!(failed(&report), expected, "{}", report.to_json());
    }
    let report = case.judge(&act, Some(b"no proof"), Some(DVC), &trust());
    assert_eq!(failed(&report), [ActCheck::ProofForm]);
    // A checkpoint of which a path leads to another leaf.
    let moved = proof(&act, |_| ()).replacen("index 1", "index 0", 1);
    let report = case.judge(&act, Some(moved.as_bytes()), Some(DVC), &trust());
    assert_eq!(failed(&report), [ActCheck::ProofInclusion]);
    let forged = proof(&act, |_| ()).replacen(ORIGIN, "log.example/2", 1);
    let report = case.judge(&act, Some(forged.as_bytes()), Some(DVC), &trust());
    assert_eq!(failed(&report), [ActCheck::ProofCheckpoint]);
}

#[test]
fn every_changed_octet_is_refuted() {
    let case = Case::new(ActType::Existence);
    let good = case.act();
    for place in 0..good.len() {
        // One bit of each octet, each bit in its turn.
        let mut bad = good.clone();
        bad[place] ^= 1 << (place % 8);
        assert_eq!(case.judge(&bad, None, None, &trust()).verdict, Verdict::Refuted, "octet {place}");
    }
    for cut in [0, 1, good.len() / 2, good.len() - 1] {
        let report = case.judge(&good[..cut], None, None, &trust());
        assert_eq!((report.verdict, report.checks.len()), (Verdict::Refuted, ActCheck::ALL.len()), "{cut}");
    }
    let other_kind = case.judge(&signed_by(&ADA, |_| ()), None, None, &trust());
    assert_eq!(failed(&other_kind), [ActCheck::Form]);
    let unsound = Case::contract().with(|case| case.record.reason = Some(Reason::Other));
    assert_eq!(failed(&unsound.verify())[0], ActCheck::Form);
}

#[test]
fn what_it_says_in_words() {
    let words = |case: Case| {
        let report = case.verify();
        assert_eq!(report.verdict, Verdict::Verified, "{}", report.to_json());
        report.act.unwrap()
    };
    let time = "1 March 2026 at 12:00:00.250 UTC";
    let document = format!("the document whose SHA-256 is {}", Digest::of(DOCUMENT));
    let contract = words(Case::contract());
    assert_eq!(contract.says, format!("On {time} it certified that {document} was signed by Ada and Bob."));
    assert!(contract.says_of_checks.starts_with("No person took part in the decision"), "{}", contract.says_of_checks);
    let nobody = "nobody checked who the persons are, beyond their certificates, that they act of their own will";
    assert!(contract.says_of_checks.contains(nobody), "{}", contract.says_of_checks);
    let unnamed = words(Case::contract().with(|case| {
        case.signatures.clear();
        case.certificates.retain(|one| [NOTARY.certificate.der(), PKI.ca.der()].contains(&one.der()));
    }));
    assert!(unnamed.says.ends_with(&format!("by the party {} and the party {}.", party(&ADA), party(&BOB))));
    // A name is nothing more than that, whatever is in it.
    let broken = reissue(&ADA.certificate, |tbs| {
        let mut subject = encode(&tbs.subject);
        let place = subject.windows(3).position(|three| three == b"Ada").unwrap();
        subject[place + 1] = b'\n';
        tbs.subject = decode_strict(&subject).unwrap();
    });
    let broken = Certificate::from_der(&broken).unwrap();
    let shown = words(Case::contract().with(|case| {
        case.record.principals[1].certificate = broken.digest().into();
        case.certificates.push(broken);
    }));
    assert!(shown.says.ends_with(r"was signed by A\u{a}a and Bob."), "{}", shown.says);
    let copy = words(Case::new(ActType::Copy));
    assert_eq!(
        copy.says,
        format!("On {time} it certified that {document} is a copy with the content of its original.")
    );
    let officer = Digest::of(b"an officer");
    let checked = format!(
        "The officer with the certificate {officer} says to have checked the copy against its original; nobody"
    );
    assert!(copy.says_of_checks.starts_with(&checked), "{}", copy.says_of_checks);
    // Shown, and claimed by the hash alone.
    let claimed = |case: &mut Case| {
        for document in &mut case.record.documents {
            (document.held, document.size) = (false, None);
        }
    };
    for (kind, held, not_held) in [
        (ActType::Possession, "was shown its octets", "claimed, by its hash alone, to have"),
        (ActType::Existence, "was shown it", "as its hash shows"),
    ] {
        assert!(words(Case::new(kind)).says.contains(held));
        assert!(words(Case::new(kind).with(claimed)).says.contains(not_held));
    }
    // What certifies nothing is genuine all the same, and says so.
    for reason in Reason::ALL {
        let ended = words(Case::new(ActType::Existence).with(|case| {
            (case.record.outcome, case.record.reason) = (reason.outcome(), Some(*reason));
        }));
        assert!(ended.says.starts_with("It certifies NOTHING: on 1 March 2026"), "{}", ended.says);
        assert_eq!((ended.outcome, ended.reason), (reason.outcome(), Some(*reason)));
    }
    let not_said: std::collections::BTreeSet<_> =
        ActType::ALL.iter().map(|kind| words(Case::new(*kind)).does_not_say).collect();
    assert_eq!(not_said.len(), ActType::ALL.len());
}

/// What was made under a test policy is judged where that was asked for by name, as a timestamp is.
#[test]
fn a_test_service_is_to_be_asked_for() {
    let test: PolicyId = TEST_POLICY.parse().unwrap();
    let template = Template {
        policies: test.to_rasn().into_iter().collect(),
        ..template("notary-act", "Notary 1", &NOTARY.key, 1)
    };
    let issuer = Issuer::new(Authority::Party, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
    let of_trial = issue(&template, &issuer, &PKI.ca_key);
    let case = Case::new(ActType::Existence).with(|case| {
        case.record.notary.certificate = of_trial.digest().into();
        case.certificates[0] = of_trial.clone();
    });
    let act = case.act();
    let proof = proof(&act, |_| ());
    let verdict = |policies: Vec<PolicyId>| {
        let report = case.judge(&act, Some(proof.as_bytes()), Some(DVC), &trust().with_policies(policies));
        (report.verdict, report.act.map(|act| act.is_test))
    };
    assert_eq!(verdict(vec![]), (Verdict::Undecided, Some(true)));
    assert_eq!(verdict(vec![test]), (Verdict::Verified, Some(true)));
    assert_eq!(verdict(vec!["1.2.3".parse().unwrap()]), (Verdict::Refuted, Some(true)));
    // A real one is under any policy: it cannot be told whether that is the one.
    let real = Case::new(ActType::Existence);
    for (policy, due) in [("1.2.3", Verdict::Undecided), ("2.5.29.32.0", Verdict::Verified)] {
        let (act, trust) = (real.act(), trust().with_policies(vec![policy.parse().unwrap()]));
        let proof = super::tests::proof(&act, |_| ());
        assert_eq!(real.judge(&act, Some(proof.as_bytes()), Some(DVC), &trust).verdict, due, "{policy}");
    }
}

/// The report of a validation is the one that the record names; what it concludes is told.
#[test]
fn the_report_is_the_one_that_it_names() {
    const REPORT: &[u8] = br#"{"conclusion":{"indication":"TOTAL-PASSED"}}"#;
    let case = Case::new(ActType::SignatureValidation).with(|case| {
        case.record.validation_report = Some(hash(REPORT));
        case.report = Some(REPORT);
    });
    let report = case.verify();
    assert_eq!((report.verdict, report.outcome(ActCheck::Report)), (Verdict::Verified, Some(&Outcome::Ok)));
    assert!(report.act.unwrap().says.contains("with the result TOTAL-PASSED"));
    let other = case.clone().with(|case| case.report = Some(b"{}"));
    check(&other, &[ActCheck::Report]);
    check(&Case::new(ActType::Existence).with(|case| case.report = Some(REPORT)), &[ActCheck::Report]);
    let none = case.with(|case| case.report = None).verify();
    assert_eq!(none.verdict, Verdict::Verified);
    assert!(none.act.unwrap().says.contains("with the result that its report has"));
}

/// A key that was revoked after it had signed: the contract is signed, and whoever reads it knows.
#[test]
fn a_signers_key_that_was_revoked_since_is_told() {
    let at = Millis::from(GEN_TIME);
    let case = Case::contract().with(|case| case.record.principals[1].revoked_at = Some(at));
    let report = case.verify();
    assert_eq!(report.verdict, Verdict::Verified);
    let act = report.act.unwrap();
    assert_eq!(act.principals[1].revoked_at, Some(GEN_TIME));
    assert!(act.says.contains("of whose certificates 1 had been revoked since"), "{}", act.says);
    // Not after the act ended, not before the signature, and nobody's who did not sign.
    let [late, early] =
        [3_600_000_i64, -3_600_000].map(|by| Millis::new(GEN_TIME.millis().saturating_add_signed(by)).unwrap());
    for (place, wrong) in [(1, late), (1, early), (0, at)] {
        let case = Case::contract().with(|case| case.record.principals[place].revoked_at = Some(wrong));
        check(&case, &[ActCheck::Consistency]);
    }
}
