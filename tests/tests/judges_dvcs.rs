//! Data validation (RFC 3029) as programs of others see it: BouncyCastle asks, reads our answers and makes its own,
//! `openssl cms` verifies each DVC. In this process, without a server.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use semper_tests::bouncy::{Bouncy, SERVICES};
use semper_tests::pki::{Holder, Names, Pki, PkiSettings, private_key, subject, write_pem};
use semper_tests::process::command;
use semper_tests::strangers::{run, text};
use semper_ttp::asn1::{Imprint, pem};
use semper_ttp::ca::Authority;
use semper_ttp::ca::profile::Profile;
use semper_ttp::crypto::{KeyKind, Signer as _, SoftKey, imprint_of};
use semper_ttp::digest::ImprintAlgorithm;
use semper_ttp::evidence::{KeyId, KeyPurpose};
use semper_ttp::notary::dvcs::request::RequestSignature;
use semper_ttp::notary::dvcs::types::PolicyInformation;
use semper_ttp::notary::dvcs::{
    Accepted, Answer, Asked, Dvc, DvcContent, DvcSerial, DvcSigner, FailInfo, Finding, Grant, Refusal, Refused,
    Request, StatusInfo, parse, prepare,
};
use semper_ttp::timestamp::{Accuracy, TokenContent, TokenSerial, Tsu, token};
use semper_ttp::verify::dvc::{DvcCheck, DvcEvidence, DvcReport, verify_dvc};
use semper_ttp::verify::{Document, Outcome, Trust};
use semper_ttp::x509::Certificate;
use tempfile::TempDir;

const DOCUMENT: &[u8] = b"a contract";

/// A notary under a CA of its own, and a peer with a requester's certificate of the same CA.
struct World {
    pki: Pki,
    notary: Holder,
    requester: Holder,
    signer: DvcSigner,
    key: SoftKey,
    bouncy: Bouncy,
    work: TempDir,
}

impl World {
    fn new() -> Self {
        let pki = Pki::new(&PkiSettings::default());
        let issue = |profile, name| {
            let (profile, key) = (Profile::named(profile), private_key(KeyKind::EcdsaP256));
            pki.issue(Authority::Party, &profile, key, Names::from(&subject(name)))
        };
        let (notary, requester) = (issue("notary-dvcs", "Notary"), issue("party-legal", "Requester"));
        let key = SoftKey::from_pkcs8_der(&notary.key.private_key_to_pkcs8().expect("a key")).expect("a key");
        let (ca, root) = (pki.ca(Authority::Party), pki.ca(Authority::Root));
        let id = KeyId::new(KeyPurpose::NotaryDvcs, 1);
        let chain = [ca.der().to_vec()];
        let signer = DvcSigner::load(id, key.algorithm(), key.spki_der(), notary.certificate.der(), &chain, root.der());
        let signer = signer.expect("a signer of DVCs");
        let bouncy = Bouncy::new(DOCUMENT, &requester, Some(1_772_366_400));
        let work = tempfile::tempdir().expect("a temporary folder");
        write_pem(work.path(), "root", root);
        Self { pki, notary, requester, signer, key, bouncy, work }
    }

    /// All requests of BouncyCastle: service, whether signed, the octets.
    fn requests(&self) -> Vec<(&'static str, bool, Vec<u8>)> {
        let all = SERVICES.into_iter().flat_map(|service| [(service, false), (service, true)]);
        all.map(|(service, signed)| (service, signed, self.bouncy.request(service, signed))).collect()
    }

    /// The answer: yes, or where `bad` no for what can be denied.
    fn answer(&self, request: &Request, bad: bool) -> Dvc {
        let status = match bad {
            true => StatusInfo::rejected(Some(FailInfo::BadCertId), "TOTAL-FAILED/REVOKED"),
            false => StatusInfo::granted(),
        };
        let ca = semper_ttp::notary::dvcs::token::CertEtcToken::Certificate(self.ca().der().to_vec());
        let answer = Answer { status: status.clone(), evidence: vec![ca] };
        let finding = match &request.asked {
            Asked::Claim(_) | Asked::Possession(_) => Finding::Received,
            Asked::SignedDocument(_) => {
                let certificates = vec![(self.requester.certificate.der().to_vec(), answer)];
                Finding::Signatures { status, certificates }
            }
            Asked::Certificates { targets, .. } => {
                Finding::Certificates { status, answers: vec![answer; targets.len()] }
            }
        };
        let grant = Grant {
            serial: DvcSerial::new(1, [0xCD; 16]).expect("a serial number"),
            now: self.pki.now(),
            time_token: None,
            hash: ImprintAlgorithm::Sha256,
            policy: PolicyInformation::new("1.3.6.1.4.1.99999.3".parse().expect("a policy")),
            nonce: None,
            extensions: Vec::new(),
        };
        let content = DvcContent::new(request, &finding, &grant).expect("an answer");
        let unsigned = prepare(&self.signer, content);
        let signature = self.key.sign(unsigned.message()).expect("a signature");
        unsigned.finish(signature)
    }

    /// A token over these octets, of a timestamping unit of the same hierarchy.
    fn token(&self, octets: &[u8]) -> Vec<u8> {
        let holder = private_key(KeyKind::EcdsaP256);
        let unit = self.pki.issue(Authority::Tsu, &Profile::named("tsu"), holder, Names::from(&subject("Unit")));
        let key = SoftKey::from_pkcs8_der(&unit.key.private_key_to_pkcs8().expect("a key")).expect("a key");
        let (ca, root) = (self.pki.ca(Authority::Tsu), self.pki.ca(Authority::Root));
        let (id, chain) = (KeyId::new(KeyPurpose::TsuEc, 1), [ca.der().to_vec()]);
        let unit =
            Tsu::load(id, key.algorithm(), key.spki_der(), unit.certificate.der(), &chain, root.der()).expect("a unit");
        let content = TokenContent {
            policy: "1.3.6.1.4.1.99999.1".parse().expect("a policy"),
            imprint: Imprint::new(ImprintAlgorithm::Sha256, &imprint_of(ImprintAlgorithm::Sha256, octets))
                .expect("an imprint"),
            serial: TokenSerial::new(1, [0xAB; 12]).expect("a serial number"),
            gen_time: self.pki.now(),
            accuracy: Accuracy::from_micros(500_000).expect("an accuracy"),
            nonce: None,
            cert_req: true,
            qualified: false,
        };
        let unsigned = token::prepare(&Arc::new(unit), &content);
        let signature = key.sign(unsigned.message()).expect("a signature");
        unsigned.finish(&signature).token().to_vec()
    }

    fn ca(&self) -> &Certificate {
        self.pki.ca(Authority::Party)
    }

    fn verify(&self, dvc: &[u8], request: &[u8], document: Option<&[u8]>) -> DvcReport {
        let root = pem::encode("CERTIFICATE", self.pki.ca(Authority::Root).der());
        let trust = Trust::from_texts(&root, "", "").expect("trust");
        let document = document.map(Document::Bytes);
        verify_dvc(&DvcEvidence { dvc, request: Some(request), document, certificates: None, proof: None }, &trust)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.work.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    }

    fn openssl(&self, dvc: &[u8], arguments: &[&str]) -> Output {
        let path = self.write("it.dvc", dvc);
        let mut openssl = Command::new("openssl");
        openssl.args(arguments).args(["-inform", "DER", "-in"]).arg(path);
        run(&mut openssl)
    }
}

fn accepted() -> Accepted {
    Accepted { bytes_max: 1 << 16, hashes: ImprintAlgorithm::ALL.to_vec(), targets_max: 8, own_names: Some(Vec::new()) }
}

/// The data of each service, as the imprint of an answer is made from it.
fn data(world: &World, request: &Request) -> Vec<u8> {
    match &request.asked {
        Asked::Claim(_) | Asked::Possession(_) => DOCUMENT.to_vec(),
        Asked::SignedDocument(_) => world.bouncy.signed_document(),
        Asked::Certificates { der, .. } => der.clone(),
    }
}

/// Checks that failed.
fn failed(report: &DvcReport) -> Vec<DvcCheck> {
    let failed = report.checks.iter().filter(|result| matches!(result.outcome, Outcome::Failed(_)));
    failed.map(|result| result.check).collect()
}

#[test]
fn bouncy_castle_asks_and_reads_the_answers() {
    let world = World::new();
    let mut pairs = Vec::new();
    let mut expected = Vec::new();
    for (service, signed, bytes) in world.requests() {
        let request = parse(&bytes, &accepted()).unwrap_or_else(|refused| panic!("{service}: {refused:?}"));
        assert_eq!(request.asked.service().name(), service);
        let signer = request.signature.as_ref().map(|signature: &RequestSignature| &signature.certificate[..]);
        assert_eq!(signer, signed.then(|| world.requester.certificate.der()), "{service}");
        for bad in [false, true] {
            pairs.push((world.answer(&request, bad).into_der(), bytes.clone()));
            expected.push((request.clone(), bad));
        }
    }
    for (found, (request, bad)) in world.bouncy.check(&pairs).iter().zip(&expected) {
        let what = format!("{} {found:?}", request.asked.service().name());
        for (name, value) in [
            ("service", (request.information.service as u8).to_string().as_str()),
            ("validate", "true"),
            ("signature", "true"),
            ("re-encoded", "true"),
            ("nonce", "-12345678901234567890"),
            ("hash", "2.16.840.1.101.3.4.2.1"),
            ("policy", "1.3.6.1.4.1.99999.3"),
            ("imprint", &hex::encode(imprint_of(ImprintAlgorithm::Sha256, &data(&world, request)))),
            ("reqSignature", if request.signature.is_some() { "true" } else { "false" }),
        ] {
            assert_eq!(found.get(name), Some(value), "{name} of {what}");
        }
        assert!(found.get("serial").is_some_and(|serial| serial.len() > 38), "{what}");
        let status = if *bad { "2 bits #03020308 TOTAL-FAILED/REVOKED" } else { "0" };
        let (has_status, targets) = match &request.asked {
            Asked::Claim(_) | Asked::Possession(_) => (None, 0),
            Asked::SignedDocument(_) | Asked::Certificates { .. } => (Some(status), 1),
        };
        assert_eq!(found.get("status"), has_status, "{what}");
        assert_eq!((found.count("target"), found.get("target-status")), (targets, has_status), "{what}");
    }
}

#[test]
fn bouncy_castle_finds_what_differs() {
    let world = World::new();
    let [claim, other] = ["ccpd", "cpd"].map(|service| world.bouncy.request(service, false));
    let dvc = world.answer(&parse(&claim, &accepted()).expect("a request"), false).into_der();
    let mut broken = dvc.clone();
    *broken.last_mut().expect("octets") ^= 1;
    let found = world.bouncy.check(&[(dvc, other), (broken, claim)]);
    assert_eq!((found[0].get("validate"), found[0].get("signature")), (Some("false"), Some("true")));
    assert_eq!((found[1].get("validate"), found[1].get("signature")), (Some("true"), Some("false")));
}

#[test]
fn bouncy_castle_reads_every_error_notice() {
    let world = World::new();
    let transaction = hex::decode("860474657374").expect("a name");
    let refused: Vec<_> = Refusal::one_of_each()
        .into_iter()
        .map(|refusal| Refused { refusal, transaction: Some(transaction.clone()) })
        .collect();
    let pairs: Vec<_> = refused.iter().map(|refused| (refused.notice(), Vec::new())).collect();
    for (found, refused) in world.bouncy.check(&pairs).iter().zip(&refused) {
        let notice = found.get("notice").expect("a notice");
        let bits = 7 - refused.refusal.fail_info() as usize % 8;
        assert!(notice.starts_with(&format!("2 bits #0302{bits:02x}")), "{notice}");
        assert!(notice.ends_with(&refused.refusal.to_string()), "{notice}");
        assert_eq!(found.get("transaction"), Some("true"));
    }
}

#[test]
fn the_whole_of_a_target() {
    let world = World::new();
    let bytes = world.bouncy.whole_request();
    let request = parse(&bytes, &accepted()).expect("a request");
    let Asked::Certificates { targets, .. } = &request.asked else { panic!("{request:?}") };
    let [target] = &targets[..] else { panic!("one target") };
    let input = target.path_input.as_ref().expect("PathProcInput");
    assert_eq!(target.chain.len(), 1);
    assert!(input.inhibit_policy_mapping && input.explicit_policy_required && input.inhibit_any_policy);
    let found = world.bouncy.check(&[(world.answer(&request, false).into_der(), bytes)]);
    assert_eq!((found[0].get("validate"), found[0].get("re-encoded")), (Some("true"), Some("true")));
}

#[test]
fn certificates_of_bouncy_castle_are_verified() {
    let world = World::new();
    for (service, signed, dvc) in world.bouncy.answers(&world.notary, &[world.ca()]) {
        let bytes = world.bouncy.request(service, signed);
        let request = parse(&bytes, &accepted()).expect("a request");
        let document = data(&world, &request);
        let report = world.verify(&dvc, &bytes, (service != "vpkc").then_some(&document));
        assert_eq!(failed(&report), [], "{service} {}", report.to_json());
        let summary = report.dvc.expect("it reads");
        let denied = service == "vsd" || service == "vpkc";
        assert_eq!((summary.service, summary.request_was_signed), (service, signed));
        assert_eq!(summary.status, denied.then_some("rejection"), "{service}");
        assert_eq!(summary.says.contains("NOT"), denied, "{}", summary.says);
        // The same by another's request.
        let other = world.bouncy.request(service, !signed);
        assert_eq!(failed(&world.verify(&dvc, &other, None)), [DvcCheck::Request], "{service}");
    }
}

#[test]
fn openssl_cms_verifies_each() {
    let world = World::new();
    let root = world.work.path().join("root.pem");
    let root = root.to_str().expect("a path");
    let content = world.work.path().join("content");
    let verify = ["cms", "-verify", "-purpose", "any", "-CAfile", root, "-out", content.to_str().expect("a path")];
    for (service, _, bytes) in world.requests() {
        let request = parse(&bytes, &accepted()).expect("a request");
        let dvc = world.answer(&request, false);
        assert_eq!(failed(&world.verify(dvc.der(), &bytes, None)), [], "{service}");
        let output = world.openssl(dvc.der(), &verify);
        assert!(output.status.success(), "{service}: {}", text(&output));
        let read = text(&world.openssl(dvc.der(), &["asn1parse"]));
        assert!(read.contains("id-smime-ct-DVCSResponseData") && !read.contains("Error"), "{read}");
        // What it took out is DVCSCertInfo.
        let inside = run(Command::new("openssl").args(["asn1parse", "-inform", "DER", "-in"]).arg(&content));
        assert!(inside.status.success() && text(&inside).contains("ENUMERATED"), "{}", text(&inside));
        let mut broken = dvc.into_der();
        *broken.last_mut().expect("octets") ^= 1;
        assert!(!world.openssl(&broken, &verify).status.success(), "{service}");
    }
    // Under another root.
    let stranger = Pki::new(&PkiSettings::default());
    let other = write_pem(world.work.path(), "other", stranger.ca(Authority::Root));
    let request = parse(&world.bouncy.request("ccpd", false), &accepted()).expect("a request");
    let under = ["cms", "-verify", "-purpose", "any", "-CAfile", other.to_str().expect("a path")];
    let output = world.openssl(world.answer(&request, false).der(), &under);
    assert!(!output.status.success() && text(&output).contains("Verification failure"), "{}", text(&output));
}

/// With a time stamp over its signature: BouncyCastle and `openssl cms` still verify it, and `openssl ts` finds the token of the signature.
#[test]
fn a_time_stamp_over_the_signature() {
    let world = World::new();
    let bytes = world.bouncy.request("ccpd", false);
    let dvc = world.answer(&parse(&bytes, &accepted()).expect("a request"), false);
    let (signature, token) = (dvc.signature().to_vec(), world.token(dvc.signature()));
    let stamped = dvc.with_time_stamp(&token).into_der();

    let report = world.verify(&stamped, &bytes, Some(DOCUMENT));
    assert_eq!(
        (failed(&report), report.outcome(DvcCheck::TimeStamp)),
        (vec![], Some(&Outcome::Ok)),
        "{}",
        report.to_json()
    );
    assert_eq!(report.dvc.and_then(|dvc| dvc.time_stamped), Some(world.pki.now()));
    let root = world.work.path().join("root.pem");
    let root = root.to_str().expect("a path");
    let output = world.openssl(&stamped, &["cms", "-verify", "-purpose", "any", "-CAfile", root, "-out", "/dev/null"]);
    assert!(output.status.success(), "{}", text(&output));
    let found = world.bouncy.check(&[(stamped, bytes)]);
    assert_eq!((found[0].get("signature"), found[0].get("re-encoded")), (Some("true"), Some("true")));

    let (token, signature) = (world.write("it.tst", &token), world.write("it.sig", &signature));
    let ca = write_pem(world.work.path(), "ca-tsu", world.pki.ca(Authority::Tsu));
    let verify = |data: &PathBuf| {
        let mut openssl = Command::new("openssl");
        openssl.args(["ts", "-verify", "-token_in", "-CAfile", root, "-untrusted"]).arg(&ca);
        run(openssl.arg("-in").arg(&token).arg("-data").arg(data))
    };
    let output = verify(&signature);
    assert!(output.status.success(), "{}", text(&output));
    assert!(!verify(&token).status.success(), "it is of the signature alone");
}

/// `semper verify` of files: genuine as far as can be told without a receipt, and what is said; changed; an error notice.
#[test]
fn the_program_judges_files() {
    let world = World::new();
    let bytes = world.bouncy.request("vpkc", false);
    let request = parse(&bytes, &accepted()).expect("a request");
    let good = world.answer(&request, true).into_der();
    let mut changed = good.clone();
    *changed.last_mut().expect("octets") ^= 1;
    let notice = Refused { refusal: Refusal::Empty, transaction: None }.notice();
    world.write("ledger.vkey", b"");
    let asked = world.write("it.req", &bytes);
    let judged = |dvc: &[u8]| {
        let dvc = world.write("it.dvc", dvc);
        let trust = world.work.path();
        let arguments: [&OsStr; 6] =
            ["verify".as_ref(), dvc.as_ref(), "--request".as_ref(), asked.as_ref(), "--trust".as_ref(), trust.as_ref()];
        run(&mut command(&arguments))
    };
    for (dvc, code, words) in [
        (
            &good,
            2,
            ["were NOT found valid on", "rejection: TOTAL-FAILED/REVOKED", "COULD NOT TELL: nothing speaks against it"],
        ),
        (
            &changed,
            1,
            ["FAILED", "the signature is genuine: the signature is wrong", "NOT VERIFIED: it is not true that"],
        ),
        (&notice, 1, ["FAILED", "it is an error notice and certifies nothing: The data is empty.", "NOT VERIFIED"]),
    ] {
        let output = judged(dvc);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        for words in words {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
}
