//! A root, a CA and units for the tests of this crate. Keys are made once for each process: RSA-3072 takes a second.

use std::sync::{Arc, LazyLock};

use semper_ledger::note::NoteSigner;

use crate::asn1::pem;
use crate::ca::Authority;
use crate::ca::certificate::{CertificateSerial, Issuer, Template, prepare};
use crate::ca::crl::{CrlContent, Reason, Revoked, prepare as prepare_list};
use crate::ca::name::{AlternativeNames, tests::subject};
use crate::ca::profile::Profile;
use crate::crypto::{LogSigner, SignatureAlgorithm, Signer, SoftKey};
use crate::digest::{Digest, ImprintAlgorithm};
use crate::evidence::{KeyId, KeyPurpose};
use crate::role::Role;
use crate::time::Timestamp;
use crate::timestamp::request::{Imprint, Request};
use crate::timestamp::{
    Accuracy, ClockVerdict, Endpoint, Settings, Stamp, TimestampAuthority, TimestampEffect, TokenSerial, Tsu,
};
use crate::verify::Trust;
use crate::x509::{Certificate, Period};

/// 2026-03-01T12:00:00.250Z.
pub(crate) const GEN_TIME: Timestamp = Timestamp::from_millis(1_772_366_400_250);
pub(crate) const YEAR_SECS: u64 = 365 * 24 * 3600;

pub(crate) struct Pki {
    pub(crate) root_key: SoftKey,
    pub(crate) root: Certificate,
    pub(crate) ca_key: SoftKey,
    pub(crate) ca: Certificate,
}

pub(crate) static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let root_key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let issuer = Issuer::self_signed(&subject("Root"), root_key.spki_der(), root_key.algorithm()).unwrap();
    let root = issue(&template("root", "Root", &root_key, 20), &issuer, &root_key);
    let ca_key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let issuer = Issuer::new(Authority::Root, &root, root_key.algorithm()).unwrap();
    let ca = issue(&template("issuing-ca", "TSU CA", &ca_key, 10), &issuer, &root_key);
    Pki { root_key, root, ca_key, ca }
});

pub(crate) fn start() -> Timestamp {
    GEN_TIME.whole_secs().minus_millis(1000)
}

/// By the profile of this name that comes with the program.
pub(crate) fn template(profile: &str, name: &str, key: &SoftKey, years: u64) -> Template {
    let profile = Profile::named(profile);
    Template {
        policies: profile.policies().to_vec(),
        key_period: profile.key_life_days().map(|_| key_period()),
        profile,
        subject: (&subject(name)).into(),
        alternative_names: AlternativeNames::default(),
        spki_der: key.spki_der().to_vec(),
        serial: CertificateSerial::from_random([name.len() as u8 | 0x80; 16]),
        validity: Period { not_before: start(), not_after: start().plus_secs(years * YEAR_SECS) },
        base_url: "http://pki.example".to_owned(),
        partition: 0,
    }
}

pub(crate) fn issue(template: &Template, issuer: &Issuer, key: &SoftKey) -> Certificate {
    let unsigned = prepare(template, issuer).unwrap();
    let signature = key.sign(unsigned.message()).unwrap();
    unsigned.finish(&signature).unwrap()
}

/// The certificate changed and signed anew by the timestamping CA.
pub(crate) fn reissue(good: &Certificate, change: impl FnOnce(&mut rasn_pkix::TbsCertificate)) -> Vec<u8> {
    let mut tbs = good.decoded().tbs_certificate.clone();
    change(&mut tbs);
    let tbs = crate::x509::encode(&tbs);
    let signature = PKI.ca_key.sign(&tbs).unwrap();
    crate::ca::certificate::signed(&tbs, PKI.ca_key.algorithm(), &signature)
}

/// Who signs OCSP responses for [`PKI`]'s CA: a key with its certificate.
pub(crate) static OCSP: LazyLock<(SoftKey, Certificate)> = LazyLock::new(|| {
    let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let validity = Period { not_before: start(), not_after: start().plus_secs(7 * 24 * 3600) };
    let template = Template { validity, ..template("ocsp-responder", "OCSP", &key, 1) };
    let issuer = Issuer::new(Authority::Tsu, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
    let certificate = issue(&template, &issuer, &PKI.ca_key);
    (key, certificate)
});

pub(crate) fn key_period() -> Period {
    Period { not_before: start(), not_after: start().plus_secs(YEAR_SECS) }
}

pub(crate) struct Unit {
    pub(crate) key: SoftKey,
    pub(crate) tsu: Arc<Tsu>,
}

impl Unit {
    fn new(purpose: KeyPurpose, algorithm: SignatureAlgorithm) -> Self {
        let key = SoftKey::generate(algorithm).unwrap();
        let template = template("tsu", purpose.name(), &key, 4);
        let issuer = Issuer::new(Authority::Tsu, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        let certificate = issue(&template, &issuer, &PKI.ca_key);
        let id = KeyId::new(purpose, 1);
        let chain = [PKI.ca.der().to_vec()];
        let tsu = Tsu::load(id, algorithm, key.spki_der(), certificate.der(), &chain, PKI.root.der()).unwrap();
        Self { key, tsu: Arc::new(tsu) }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let settings = Settings {
            name: "/tsa".to_owned(),
            default_policy: "1.3.6.1.4.1.99999.1".parse().unwrap(),
            accepted_policies: vec!["1.3.6.1.4.1.99999.2".parse().unwrap()],
            hashes: ImprintAlgorithm::ALL.to_vec(),
            accuracy: Accuracy::from_micros(500_000).unwrap(),
            clock_bound_micros: 100_000,
            qualified: false,
            policy_hash: Digest::of(b"policy"),
        };
        Endpoint::new(settings, self.tsu.clone()).unwrap()
    }
}

static EC: LazyLock<Unit> = LazyLock::new(|| Unit::new(KeyPurpose::TsuEc, SignatureAlgorithm::EcdsaP256Sha256));
static RSA: LazyLock<Unit> = LazyLock::new(|| Unit::new(KeyPurpose::TsuRsa, SignatureAlgorithm::RsaPkcs1Sha256));

pub(crate) fn ec() -> &'static Unit {
    &EC
}

pub(crate) fn rsa() -> &'static Unit {
    &RSA
}

/// A request for the SHA-256 of `document`, with a nonce, without certificates.
pub(crate) fn event(counter: u64) -> Stamp {
    let imprint = Imprint::new(ImprintAlgorithm::Sha256, &Digest::of(b"document").0).unwrap();
    let request = Request::new(imprint, None, Some(&[0x85; 8]), false);
    Stamp {
        request_digest: Digest::of(&request.encode()),
        request,
        serial: TokenSerial::new(counter, [0xAB; 12]).unwrap(),
        salt: [1; 16],
        clock: ClockVerdict::Synced,
    }
}

/// SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480 §2).
pub(crate) fn p256_spki(point: &[u8]) -> Vec<u8> {
    [&hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap()[..], point].concat()
}

pub(crate) const ORIGIN: &str = "log.example/1";

/// Signs the checkpoints of the log [`ORIGIN`].
pub(crate) static LOG: LazyLock<NoteSigner> = LazyLock::new(|| {
    let key = Arc::new(SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap());
    NoteSigner::new(ORIGIN, Arc::new(LogSigner::new(key).unwrap())).unwrap()
});

/// In the root, both units and the log.
pub(crate) fn trust() -> Trust {
    let chain = [ec(), rsa()].map(|unit| pem::encode("CERTIFICATE", unit.tsu.certificate().der()));
    let chain = [&chain[..], &[pem::encode("CERTIFICATE", PKI.ca.der())]].concat().concat();
    let root = pem::encode("CERTIFICATE", PKI.root.der());
    let trust = Trust::from_texts(&root, &chain, &format!("# log\n\n{}\n", LOG.verifier_key())).unwrap();
    trust.with_mmd_millis(5_000)
}

/// A token for `document`, made at this moment.
pub(crate) fn token_at(unit: &Unit, cert_req: bool, now: Timestamp) -> Vec<u8> {
    let mut event = event(5);
    event.request.cert_req = cert_req;
    let (_, mut effects) = TimestampAuthority::decide(&unit.endpoint(), &event, now).unwrap();
    let TimestampEffect::Sign(content) = effects.remove(0);
    let tbs = crate::timestamp::token::prepare(&unit.tsu, &content);
    let signature = unit.key.sign(tbs.message()).unwrap();
    tbs.finish(&signature).token().to_vec()
}

/// As [`token_at`], at [`GEN_TIME`].
pub(crate) fn token(unit: &Unit, cert_req: bool) -> Vec<u8> {
    token_at(unit, cert_req, GEN_TIME)
}

/// A CA that others ran, with two certificates of its making.
pub(crate) struct OldCa {
    pub(crate) key: SoftKey,
    pub(crate) certificate: Certificate,
    pub(crate) issued: [Certificate; 2],
}

pub(crate) static OLD_CA: LazyLock<OldCa> = LazyLock::new(|| {
    let [root_key, key, holder] = [(); 3].map(|()| SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap());
    let itself = Issuer::self_signed(&subject("Old Root"), root_key.spki_der(), root_key.algorithm()).unwrap();
    let root = issue(&template("root", "Old Root", &root_key, 20), &itself, &root_key);
    let above = Issuer::new(Authority::Root, &root, root_key.algorithm()).unwrap();
    let certificate = issue(&template("issuing-ca", "Old CA of others", &key, 10), &above, &root_key);
    let issuer = Issuer::new(Authority::Party, &certificate, key.algorithm()).unwrap();
    let issued = ["Ada", "Grace"].map(|name| issue(&template("officer", name, &holder, 2), &issuer, &key));
    OldCa { key, certificate, issued }
});

impl OldCa {
    /// A list by it that names `revoked`, changed before it is signed.
    pub(crate) fn list(&self, revoked: Vec<Revoked>, change: impl FnOnce(&mut rasn_pkix::TbsCertList)) -> Vec<u8> {
        let content = CrlContent {
            number: 5,
            this_update: start(),
            next_update: start().plus_secs(86_400),
            revoked,
            distribution_point: None,
        };
        let issuer = Issuer::new(Authority::Imported, &self.certificate, self.key.algorithm()).unwrap();
        let built = prepare_list(&content, &issuer).unwrap();
        let mut tbs = crate::asn1::decode_strict(built.message()).unwrap();
        change(&mut tbs);
        let tbs = crate::x509::encode(&tbs);
        crate::ca::certificate::signed(&tbs, self.key.algorithm(), &self.key.sign(&tbs).unwrap())
    }

    /// What a list says of one of its certificates.
    pub(crate) fn revoked(certificate: &Certificate, reason: Reason) -> Revoked {
        Revoked {
            serial: certificate.serial(),
            at: start().minus_millis(90_000),
            reason,
            not_after: certificate.validity().not_after,
        }
    }
}
