//! Two that a notary released under one number, beside everything that looks like it and convicts nobody.

use super::*;
use crate::b64u::B64u;
use crate::ca::Authority;
use crate::ca::certificate::Issuer;
use crate::crypto::Signer as _;
use crate::crypto::jose::{Algorithm, Key};
use crate::evidence::{Kind as EntryKind, NotaryKind};
use crate::notary::dvcs::testing::{NOTARY, asked, finding, grant, request, sign};
use crate::notary::dvcs::{DvcContent, Grant, Refusal, Refused};
use crate::notary::{dvc_serial, number_of_dvc};
use crate::statement::act::tests::full;
use crate::statement::{Common, Origin, Salt, Statement, Unsigned};
use crate::testing::PKI;
use crate::x509::Certificate;

/// A key that signs records, with its certificate: the notary's, or a party's, which is of the same form.
struct Desk {
    key: SoftKey,
    certificate: Certificate,
}

impl Desk {
    fn new() -> Self {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let issuer = Issuer::new(Authority::Party, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        let certificate = testing::issue(&testing::template("notary-act", "Notary", &key, 3), &issuer, &PKI.ca_key);
        Self { key, certificate }
    }

    /// The record of an act, in the journal of a service.
    fn record_of(&self, service: &str, act: u8, journal_no: u64, salt: u8) -> Vec<u8> {
        let thumbprint = Key::from_spki_der(self.key.spki_der()).unwrap().thumbprint();
        let mut body = full(thumbprint);
        (body.act, body.journal_no) = ([act; 16].into(), journal_no);
        body.notary.service = Origin::new(service).unwrap();
        let common = Common { salt: Salt(B64u([salt; 16])), iat: body.completed_at, x: None, shown: None };
        let unsigned = Unsigned::new(&Statement { common, body }, Algorithm::Es256, thumbprint).unwrap();
        let signature = self.key.sign_raw(unsigned.message()).unwrap();
        unsigned.finish(&signature).unwrap().bytes().to_vec()
    }

    fn record(&self, act: u8, journal_no: u64) -> Item {
        Item::Act(self.record_of(ORIGIN, act, journal_no, act))
    }
}

/// A data validation certificate about the document, by the notary's key for them.
fn dvc(number: u64, random: u8, nonce: Option<u8>) -> Item {
    let (request, nonce) = (request(&asked()[0]), nonce.map(|octet| vec![octet; 8]));
    let grant = Grant { serial: dvc_serial(number, [random; 16]).unwrap(), nonce, ..grant() };
    Item::Dvc(sign(DvcContent::new(&request, &finding(&request.asked, false), &grant).unwrap()).into_der())
}

fn bytes(item: &Item) -> &[u8] {
    match item {
        Item::Act(bytes) | Item::Dvc(bytes) | Item::Certificate(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

/// A log of ours with these entries behind genesis.
fn log(entries: &[(NotaryKind, &Item)]) -> Log {
    let mut log = Log::new(&[]);
    log.0.extend(entries.iter().map(|(kind, item)| {
        let kind = EntryKind::Notary(*kind);
        let digest = Digest::of(bytes(item)).0;
        Entry { role: kind.role().code(), kind: kind.code(), time_ms: 5, digest, tags: Tags::default() }.encode()
    }));
    log
}

/// Both recorded.
fn recorded(log: &Log, one: &Item, other: &Item) -> Proof {
    Proof::recorded_twice(ORIGIN, log.entry(0), [(log.entry(1), one.clone()), (log.entry(2), other.clone())])
}

/// The first recorded, and both by the key of this certificate.
fn signed(log: &Log, one: &Item, certificate: &Certificate, other: &Item) -> Proof {
    Proof::signed_twice(ORIGIN, log.entry(0), (log.entry(1), one.clone()), certificate.der(), other.clone())
}

#[test]
fn one_number_twice() {
    let (notary, next) = (Desk::new(), Desk::new());
    let (act, ccpd) = (NotaryKind::Act, NotaryKind::Ccpd);
    let of_dvcs = NOTARY.signer.certificate();
    let table = [
        (act, notary.record(1, 7), act, notary.record(2, 7), Some(&notary.certificate), "gave the number 7"),
        // Also by the key that followed.
        (act, notary.record(1, 7), act, next.record(2, 7), None, "gave the number 7 of its journal twice"),
        (act, notary.record(1, 7), ccpd, dvc(7, 1, None), None, "and to the data validation certificate 07010101"),
        (ccpd, dvc(7, 1, None), ccpd, dvc(7, 2, None), Some(of_dvcs), "gave the number 7 of its journal twice"),
        // One serial number.
        (ccpd, dvc(300, 1, None), ccpd, dvc(300, 1, Some(9)), Some(of_dvcs), "gave the number 300 of its journal"),
        (act, notary.record(1, 7), act, notary.record(1, 8), Some(&notary.certificate), "ended one act twice"),
    ];
    for (kind, one, other_kind, other, certificate, due) in &table {
        let log = log(&[(*kind, one), (*other_kind, other)]);
        let reason = proven(&recorded(&log, one, other));
        assert!(reason.contains(due) && reason.ends_with(", its entries 1 and 2"), "{reason}");
        if let Some(certificate) = certificate {
            let reason = proven(&signed(&log, one, certificate, other));
            assert!(reason.contains(due) && reason.ends_with("one key signed both"), "{reason}");
        }
    }
    // Without the root, too: who is accused has signed the entries.
    let [(_, one, _, other, ..), ..] = &table;
    let proof = recorded(&log(&[(act, one), (act, other)]), one, other);
    let bare = judge(&proof, &Anchors { log_keys: trust().log_keys(), trust: None });
    assert_eq!(bare.verdict, Verdict::Proven, "{}", bare.reason);
}

#[test]
fn what_is_no_contradiction() {
    let notary = Desk::new();
    let (one, other, of_dvc) = (notary.record(1, 7), notary.record(2, 8), dvc(9, 1, None));
    let (act, ccpd) = (NotaryKind::Act, NotaryKind::Ccpd);
    let both = log(&[(act, &one), (act, &other)]);
    let reason = unfounded(&recorded(&both, &one, &other));
    assert!(reason.ends_with("have different numbers"), "{reason}");
    unfounded(&signed(&both, &one, &notary.certificate, &other));
    unfounded(&recorded(&log(&[(act, &one), (ccpd, &of_dvc)]), &one, &of_dvc));
    // One and the same, recorded once or twice, and under the other signature that verifies.
    let twice = log(&[(act, &one), (act, &one)]);
    unfounded(&recorded(&twice, &one, &one));
    let text = String::from_utf8(bytes(&one).to_vec()).unwrap();
    let (signed_text, signature) = text.rsplit_once('.').unwrap();
    let mut raw: [u8; 64] = crate::b64u::decode(signature.as_bytes()).unwrap().try_into().unwrap();
    negate_s(&mut raw);
    let flipped = Item::Act(format!("{signed_text}.{}", crate::b64u::encode(&raw)).into_bytes());
    assert_ne!(flipped, one);
    for proof in [recorded(&twice, &one, &flipped), signed(&twice, &one, &notary.certificate, &flipped)] {
        let reason = unfounded(&proof);
        assert!(reason.contains("not of") || reason.ends_with("with one and the same content"), "{reason}");
    }
}

/// Whoever has a certificate of the same form writes what he likes in the notary's name.
#[test]
fn what_others_have_signed() {
    let (notary, party) = (Desk::new(), Desk::new());
    let (one, forged) = (notary.record(1, 7), party.record(2, 7));
    let act = NotaryKind::Act;
    let recorded_one = log(&[(act, &one), (NotaryKind::ActSigned, &forged)]);
    for certificate in [&notary.certificate, &party.certificate] {
        let reason = unfounded(&signed(&recorded_one, &one, certificate, &forged));
        assert!(reason.contains("is not signed by the certificate's key"), "{reason}");
    }
    // Recorded, as something that was received.
    let reason = unfounded(&recorded(&recorded_one, &one, &forged));
    assert!(reason.starts_with("entry 2 is not of the record of the act"), "{reason}");
    let second = recorded(&log(&[(NotaryKind::ActOpened, &forged), (act, &one)]), &forged, &one);
    unfounded(&second);
    unfounded(&signed(&log(&[(NotaryKind::ActSigned, &forged)]), &forged, &party.certificate, &party.record(3, 7)));
    // Of another service's journal, though by one key.
    let elsewhere = Item::Act(notary.record_of("log.example/2", 2, 7, 2));
    unfounded(&recorded(&log(&[(act, &one), (act, &elsewhere)]), &one, &elsewhere));
    unfounded(&signed(&recorded_one, &one, &notary.certificate, &elsewhere));
    // In a log that is none of ours.
    let mut foreign = log(&[(act, &one), (act, &notary.record(2, 7))]);
    foreign.0[0] = b"first".to_vec();
    unfounded(&recorded(&foreign, &one, &notary.record(2, 7)));
    // By another key of the same notary.
    let dvcs = dvc(7, 1, None);
    unfounded(&signed(&recorded_one, &one, &notary.certificate, &dvcs));
    unfounded(&signed(&log(&[(NotaryKind::Ccpd, &dvcs)]), &dvcs, &notary.certificate, &dvc(7, 2, None)));
}

#[test]
fn what_does_not_read() {
    let notary = Desk::new();
    let (one, other) = (notary.record(1, 7), notary.record(2, 7));
    let act = NotaryKind::Act;
    let both = log(&[(act, &one), (act, &other)]);
    let refused = Item::Dvc(Refused { refusal: Refusal::Unavailable, transaction: None }.notice());
    for bad in [Item::Act(b"a.b.c".to_vec()), Item::Dvc(vec![0x30, 0]), Item::Token(Vec::new()), refused] {
        unfounded(&recorded(&both, &one, &bad));
        unfounded(&recorded(&both, &bad, &other));
        unfounded(&signed(&both, &one, &notary.certificate, &bad));
    }
    let none = Proof::signed_twice(ORIGIN, both.entry(0), (both.entry(1), one.clone()), &[0x30, 0], other.clone());
    unfounded(&none);
    // One that was taken for the other kind.
    unfounded(&recorded(&both, &Item::Dvc(bytes(&one).to_vec()), &other));
}

/// A certificate's serial number begins with its number in the journal, however many octets that takes.
#[test]
fn numbers_of_certificates() {
    for number in [1, 0x7F, 0x80, 0xFF, 0x8000, 0x00FF_FFFF, (1 << 31) - 1] {
        for random in [[0; 16], [0xFF; 16]] {
            assert_eq!(number_of_dvc(&dvc_serial(number, random).unwrap().content()), Some(number));
        }
    }
    for other in [&[1; 16][..], &[0; 17], &[0x80; 17], &[1; 21], &[]] {
        assert_eq!(number_of_dvc(other), None, "{other:?}");
    }
}
