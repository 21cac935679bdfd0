//! How many OCSP responses a second one thread signs, beside its raw P-256 signatures: `cargo run --release --example
//! ocsp_rate`.
//!
//! The same key signs in both; rounds alternate, so that a busy machine disturbs both alike. Medians of nine rounds. The
//! CA signs by itself; a delegated responder differs by a certificate that is copied.
#![allow(clippy::print_stdout)] // a program for a person

use std::time::Instant;

use semper_ttp::asn1::der;
use semper_ttp::ca::certificate::{self, CertificateSerial, Issuer, Template};
use semper_ttp::ca::name::{AlternativeNames, Subject};
use semper_ttp::ca::ocsp::{HashAlgorithm, Nonce, OcspRequest, Responder, Single, Status};
use semper_ttp::ca::profile::Profile;
use semper_ttp::crypto::{SignatureAlgorithm, Signer, SoftKey};
use semper_ttp::time::Timestamp;
use semper_ttp::x509::Period;

const ROUNDS: usize = 9;
const OPERATIONS: u64 = 4000;
const YEAR_SECS: u64 = 365 * 24 * 3600;
const HOUR_SECS: u64 = 3600;

fn main() {
    let now = Timestamp::from_secs(1_772_366_400);
    let (responder, key) = responder(now);
    for with_nonce in [false, true] {
        let mut rates: Vec<[f64; 4]> = (0..ROUNDS).map(|_| round(&responder, &key, now, with_nonce)).collect();
        let mut median = |which: usize| {
            rates.sort_by(|a, b| a[which].total_cmp(&b[which]));
            rates[ROUNDS / 2][which]
        };
        let (raw, responses, ratio, parsed) = (median(0), median(1), median(2), median(3));
        println!(
            "nonce {with_nonce}: {raw:.0} raw signatures/s, {responses:.0} responses/s, ratio {ratio:.3}; parsing \
             alone {:.2} µs",
            1e6 / parsed
        );
    }
}

/// Raw signatures a second, responses a second, their ratio, and requests parsed a second, one round of each.
fn round(responder: &Responder, key: &SoftKey, now: Timestamp, with_nonce: bool) -> [f64; 4] {
    let message = [7; 300];
    let begin = Instant::now();
    for _ in 0..OPERATIONS {
        std::hint::black_box(key.sign(&message).unwrap());
    }
    let raw = OPERATIONS as f64 / begin.elapsed().as_secs_f64();

    let requests: Vec<Vec<u8>> = (0..OPERATIONS).map(|i| request(responder, i, with_nonce)).collect();
    let begin = Instant::now();
    for bytes in &requests {
        std::hint::black_box(answer(responder, key, bytes, now));
    }
    let responses = OPERATIONS as f64 / begin.elapsed().as_secs_f64();

    let begin = Instant::now();
    for bytes in &requests {
        std::hint::black_box(OcspRequest::parse(bytes).unwrap());
    }
    let parsed = OPERATIONS as f64 / begin.elapsed().as_secs_f64();
    [raw, responses, responses / raw, parsed]
}

/// All that a response costs outside HTTP and the look-up of the status: parse, find the issuer, sign, assemble.
fn answer(responder: &Responder, key: &SoftKey, bytes: &[u8], now: Timestamp) -> Vec<u8> {
    let request = OcspRequest::parse(bytes).unwrap();
    let [cert_id] = request.cert_ids() else { panic!("one certificate was asked about") };
    assert!(responder.issuer().matches(cert_id));
    let single = Single { cert_id, status: Status::Good, this_update: now, next_update: now.plus_secs(8 * HOUR_SECS) };
    let unsigned = responder.prepare(&[single], now, request.nonce());
    unsigned.finish(&key.sign(unsigned.message()).unwrap())
}

/// What openssl and JDK send: one CertID by SHA-1, and a nonce of 32 octets if any.
fn request(responder: &Responder, number: u64, with_nonce: bool) -> Vec<u8> {
    let serial = [&[0x45; 8][..], &number.to_be_bytes()].concat();
    let cert_id = responder.issuer().cert_id(HashAlgorithm::Sha1, &serial).unwrap();
    let list = der::sequence(&[&der::sequence(&[cert_id.der()])]);
    if !with_nonce {
        return der::sequence(&[&der::sequence(&[&list])]);
    }
    let oid = der::tlv(der::OID, &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02]);
    let nonce = Nonce::new(&[number as u8; 32]).unwrap();
    let extension = der::sequence(&[&oid, &der::tlv(der::OCTET_STRING, nonce.value())]);
    let extensions = der::tlv(0xA2, &der::sequence(&[&extension]));
    der::sequence(&[&der::sequence(&[&list, &extensions])])
}

fn responder(start: Timestamp) -> (Responder, SoftKey) {
    let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let subject = Subject {
        country: "FR".to_owned(),
        organization: "Semper".to_owned(),
        organization_identifier: "NTRFR-123456789".to_owned(),
        common_name: "Root".to_owned(),
    };
    let issuer = Issuer::self_signed(&subject, key.spki_der(), key.algorithm()).unwrap();
    let template = Template {
        profile: Profile::named("root"),
        subject: (&subject).into(),
        alternative_names: AlternativeNames::default(),
        spki_der: key.spki_der().to_vec(),
        serial: CertificateSerial::from_random([1; 16]),
        validity: Period { not_before: start, not_after: start.plus_secs(20 * YEAR_SECS) },
        key_period: None,
        base_url: "http://pki.example".to_owned(),
        partition: 0,
        policies: vec![],
    };
    let unsigned = certificate::prepare(&template, &issuer).unwrap();
    let signature = key.sign(unsigned.message()).unwrap();
    let root = unsigned.finish(&signature).unwrap();
    (Responder::new(&root, None, key.algorithm()).unwrap(), key)
}
