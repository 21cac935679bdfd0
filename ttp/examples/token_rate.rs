//! How many tokens and data validation certificates a second one thread makes, beside its raw P-256 signatures:
//! `cargo run --release --example token_rate`.
//!
//! The same key signs in both; rounds alternate, so that a busy machine disturbs both alike. Medians of nine rounds.
#![allow(clippy::print_stdout)] // a program for a person

use std::sync::Arc;
use std::time::Instant;

use semper_ttp::ca::Authority;
use semper_ttp::ca::certificate::{self, CertificateSerial, Issuer, Template};
use semper_ttp::ca::name::{AlternativeNames, Subject};
use semper_ttp::ca::profile::Profile;
use semper_ttp::crypto::{Entropy, OsEntropy, SignatureAlgorithm, Signer, SoftKey};
use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::evidence::{KeyId, KeyPurpose, Recorded};
use semper_ttp::notary::dvcs::types::PolicyInformation;
use semper_ttp::notary::dvcs::{self, Accepted, Asked, DvcContent, DvcSerial, DvcSigner, Finding, Grant};
use semper_ttp::role::Role;
use semper_ttp::time::Timestamp;
use semper_ttp::timestamp::request::{self, Imprint, Request};
use semper_ttp::timestamp::token::prepare;
use semper_ttp::timestamp::{
    Accuracy, ClockVerdict, Endpoint, Settings, Stamp, TimestampAuthority, TimestampEffect, TokenSerial, Tsu,
};
use semper_ttp::x509::{Certificate, Period};

const ROUNDS: usize = 9;
const OPERATIONS: u64 = 4000;
const YEAR_SECS: u64 = 365 * 24 * 3600;

fn main() {
    let start = Timestamp::from_secs(1_772_366_400);
    let (endpoint, key, notary, notary_key) = signers(start);
    for cert_req in [false, true] {
        tell(&format!("tokens, certificates {cert_req}"), || round(&endpoint, &key, start, cert_req));
    }
    tell("ccpd certificates", || round_of_claims(&notary, &notary_key, start));
}

fn tell(what: &str, round: impl Fn() -> [f64; 2]) {
    let mut rates: Vec<[f64; 2]> = (0..ROUNDS).map(|_| round()).collect();
    let mut median = |of: fn(&[f64; 2]) -> f64| {
        rates.sort_by(|a, b| of(a).total_cmp(&of(b)));
        of(&rates[ROUNDS / 2])
    };
    let (raw, made, ratio) = (median(|rate| rate[0]), median(|rate| rate[1]), median(|rate| rate[1] / rate[0]));
    let beside = 1e6 / made - 1e6 / raw;
    println!(
        "{what}: {raw:.0} raw signatures/s, {made:.0} made/s, ratio {ratio:.3}, {beside:.1} us beside the signature"
    );
}

fn raw(key: &SoftKey) -> f64 {
    let message = [7; 300];
    let begin = Instant::now();
    for _ in 0..OPERATIONS {
        std::hint::black_box(key.sign(&message).unwrap());
    }
    OPERATIONS as f64 / begin.elapsed().as_secs_f64()
}

fn imprint(i: u64) -> Imprint {
    Imprint::new(ImprintAlgorithm::Sha256, &Digest::of(&i.to_be_bytes()).0).unwrap()
}

/// Raw signatures a second and data validation certificates a second, one round of each: parse, draw, build, sign, digest.
fn round_of_claims(notary: &DvcSigner, key: &SoftKey, now: Timestamp) -> [f64; 2] {
    let raw = raw(key);
    let requests: Vec<_> =
        (0..OPERATIONS).map(|i| dvcs::request::build(&Asked::Claim(imprint(i)), Some(&i.to_be_bytes()))).collect();
    let accepted = Accepted { own_names: Some(Vec::new()), ..Accepted::everything() };
    let begin = Instant::now();
    for (i, bytes) in requests.iter().enumerate() {
        let request = dvcs::parse(bytes, &accepted).unwrap();
        let mut random = [0; 16];
        OsEntropy.fill(&mut random).unwrap();
        let grant = Grant {
            serial: DvcSerial::new(i as u32 + 1, random).unwrap(),
            now,
            time_token: None,
            hash: ImprintAlgorithm::Sha256,
            policy: PolicyInformation::new("1.3.6.1.4.1.99999.3".parse().unwrap()),
            nonce: None,
            extensions: Vec::new(),
        };
        let content = DvcContent::new(&request, &Finding::Received, &grant).unwrap();
        let unsigned = dvcs::prepare(notary, content);
        let signature = key.sign(unsigned.message()).unwrap();
        std::hint::black_box(unsigned.finish(signature).digest());
    }
    [raw, OPERATIONS as f64 / begin.elapsed().as_secs_f64()]
}

/// Raw signatures a second and tokens a second, one round of each.
fn round(endpoint: &Endpoint, key: &SoftKey, now: Timestamp, cert_req: bool) -> [f64; 2] {
    let raw = raw(key);

    let requests: Vec<Vec<u8>> =
        (0..OPERATIONS).map(|i| Request::new(imprint(i), None, Some(&i.to_be_bytes()), cert_req).encode()).collect();
    let begin = Instant::now();
    for (i, bytes) in requests.iter().enumerate() {
        std::hint::black_box(stamp(endpoint, key, bytes, i as u64 + 1, now));
    }
    [raw, OPERATIONS as f64 / begin.elapsed().as_secs_f64()]
}

/// All that a token costs outside HTTP and the ledger: parse, draw, decide, the fact's bytes, sign, assemble, digest.
fn stamp(endpoint: &Endpoint, key: &SoftKey, bytes: &[u8], counter: u64, now: Timestamp) -> (Vec<u8>, Vec<u8>, Digest) {
    let request = request::parse(bytes, &endpoint.settings().hashes).unwrap();
    let mut random = [0; 28];
    OsEntropy.fill(&mut random).unwrap();
    let event = Stamp {
        request,
        request_digest: Digest::of(bytes),
        serial: TokenSerial::new(counter, random[..12].try_into().unwrap()).unwrap(),
        salt: random[12..].try_into().unwrap(),
        clock: ClockVerdict::Synced,
    };
    let (mut facts, mut effects) = TimestampAuthority::decide(endpoint, &event, now).unwrap();
    let TimestampEffect::Sign(content) = effects.remove(0);
    let fact = facts.remove(0).into_fact(&endpoint.envelope(&event, now)).encode();
    let tbs = prepare(endpoint.tsu(), &content);
    let signature = key.sign(tbs.message()).unwrap();
    let stamped = tbs.finish(&signature);
    let digest = stamped.digest();
    (fact, stamped.into_response(), digest)
}

fn signers(start: Timestamp) -> (Endpoint, SoftKey, DvcSigner, SoftKey) {
    let key = || SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let (root_key, ca_key, tsu_key, notary_key) = (key(), key(), key(), key());
    let subject = |common_name: &str| Subject {
        country: "FR".to_owned(),
        organization: "Semper".to_owned(),
        organization_identifier: "NTRFR-123456789".to_owned(),
        common_name: common_name.to_owned(),
    };
    let key_period = Period { not_before: start, not_after: start.plus_secs(YEAR_SECS) };
    let issue = |profile, name, key: &SoftKey, years, issuer: &Issuer, signer: &SoftKey| -> Certificate {
        let mut random = [0; 16];
        OsEntropy.fill(&mut random).unwrap();
        let profile = Profile::named(profile);
        let template = Template {
            policies: profile.policies().to_vec(),
            key_period: profile.key_life_days().map(|_| key_period),
            profile,
            subject: (&subject(name)).into(),
            alternative_names: AlternativeNames::default(),
            spki_der: key.spki_der().to_vec(),
            serial: CertificateSerial::from_random(random),
            validity: Period { not_before: start, not_after: start.plus_secs(years * YEAR_SECS) },
            base_url: "http://pki.example".to_owned(),
            partition: 0,
        };
        let unsigned = certificate::prepare(&template, issuer).unwrap();
        let signature = signer.sign(unsigned.message()).unwrap();
        unsigned.finish(&signature).unwrap()
    };
    let itself = Issuer::self_signed(&subject("Root"), root_key.spki_der(), root_key.algorithm()).unwrap();
    let root = issue("root", "Root", &root_key, 20, &itself, &root_key);
    let by_root = Issuer::new(Authority::Root, &root, root_key.algorithm()).unwrap();
    let ca = issue("issuing-ca", "TSU CA", &ca_key, 10, &by_root, &root_key);
    let by_ca = Issuer::new(Authority::Tsu, &ca, ca_key.algorithm()).unwrap();
    let tsu = issue("tsu", "TSU 1", &tsu_key, 4, &by_ca, &ca_key);

    let id = KeyId::new(KeyPurpose::TsuEc, 1);
    let chain = [ca.der().to_vec()];
    let tsu = Tsu::load(id, tsu_key.algorithm(), tsu_key.spki_der(), tsu.der(), &chain, root.der()).unwrap();
    let settings = Settings {
        name: "/tsa".to_owned(),
        default_policy: "1.3.6.1.4.1.99999.1".parse().unwrap(),
        accepted_policies: vec![],
        hashes: ImprintAlgorithm::ALL.to_vec(),
        accuracy: Accuracy::from_micros(500_000).unwrap(),
        clock_bound_micros: 100_000,
        qualified: false,
        policy_hash: Digest::of(b"policy"),
    };
    let by_ca = Issuer::new(Authority::Party, &ca, ca_key.algorithm()).unwrap();
    let notary = issue("notary-dvcs", "Notary 1", &notary_key, 3, &by_ca, &ca_key);
    let (id, spki) = (KeyId::new(KeyPurpose::NotaryDvcs, 1), notary_key.spki_der());
    let notary = DvcSigner::load(id, notary_key.algorithm(), spki, notary.der(), &chain, root.der()).unwrap();
    (Endpoint::new(settings, Arc::new(tsu)).unwrap(), tsu_key, notary, notary_key)
}
