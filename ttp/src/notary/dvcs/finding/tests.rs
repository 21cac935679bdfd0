//! Certificates of our own test PKI judged, and what a DVC says of them.

use super::*;
use crate::ca::Authority;
use crate::ca::certificate::Issuer;
use crate::crypto::{SignatureAlgorithm, Signer, SoftKey};
use crate::notary::dvcs::request::Asked;
use crate::notary::dvcs::testing::{NOTARY, grant, request};
use crate::notary::dvcs::types::{CertInfo, Response};
use crate::notary::dvcs::{DvcContent, PolicyInformation};
use crate::path::Anchor;
use crate::testing::{GEN_TIME, PKI, issue, template};
use crate::time::Timestamp;
use crate::validation::{Inputs, Policy, StatusSource, Subject, validate_with_material};

const WITHOUT_REVOCATION: &[u8] = b"name = \"test\"\nchecks_off = [\"certificate.revocation\"]\n";

fn judge(asked: &Asked, at: Timestamp, policy: &[u8], source: Option<&dyn StatusSource>) -> (Report, Finding) {
    let Asked::Certificates { targets: chains, .. } = asked else { panic!("{asked:?}") };
    let mut material = Material::new();
    let root = Arc::new(Certificate::from_der(PKI.root.der()).unwrap());
    for der in [PKI.root.der(), PKI.ca.der()] {
        material.add_certificate(&Arc::new(Certificate::from_der(der).unwrap())).unwrap();
    }
    let anchors = [Arc::new(Anchor::from_certificate(root).unwrap())];
    let asked = targets(chains, &mut material);
    let judged: Vec<_> = asked.iter().flatten().cloned().collect();
    let (report, material) = validate_with_material(&Inputs {
        subject: Subject::Certificates(&judged),
        signer_anchors: &anchors,
        timestamp_anchors: &[],
        material: &material,
        timestamps: &[],
        at,
        now: at.plus_secs(1),
        source,
        policy: &Policy::parse(policy).unwrap(),
    });
    let finding = of_certificates(&asked, &report, &material);
    (report, finding)
}

fn told(finding: &Finding) -> (String, Vec<String>) {
    let Finding::Certificates { status, answers } = finding else { panic!("{finding:?}") };
    let text = |status: &StatusInfo| if status.is_granted() { "granted".to_owned() } else { status.text() };
    (text(status), answers.iter().map(|answer| text(&answer.status)).collect())
}

/// What the DVC says that is made of it.
fn certified(asked: &Asked, finding: &Finding) -> CertInfo {
    let content = DvcContent::new(&request(asked), finding, &grant()).unwrap();
    match Response::parse(content.der()).unwrap() {
        Response::CertInfo(info) => *info,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_certificate_is_answered() {
    let notary = NOTARY.signer.certificate();
    let asked = Asked::certificates(&[PKI.ca.der(), notary.der()]);
    let (report, finding) = judge(&asked, GEN_TIME, WITHOUT_REVOCATION, None);
    assert_eq!(report.signatures.len(), 2);
    assert_eq!(told(&finding), ("granted".to_owned(), vec!["granted".to_owned(); 2]));
    let Finding::Certificates { answers, .. } = &finding else { panic!() };
    // The path above it, up to the anchor.
    let above = |der: &[&[u8]]| der.iter().map(|der| CertEtcToken::Certificate(der.to_vec())).collect::<Vec<_>>();
    assert_eq!(answers[0].evidence, above(&[PKI.root.der()]));
    assert_eq!(answers[1].evidence, above(&[PKI.ca.der(), PKI.root.der()]));
    let said = certified(&asked, &finding);
    assert_eq!(said.certs.len(), 2);
    assert!(said.certs.iter().all(|chain| chain.status().is_some_and(StatusInfo::is_granted)));
}

/// Nothing says that it was not revoked: which is no yes, and the report says what is missing for when.
#[test]
fn what_is_not_known_is_no_yes() {
    let asked = Asked::certificates(&[NOTARY.signer.certificate().der()]);
    let (report, finding) = judge(&asked, GEN_TIME, b"name = \"test\"", None);
    let text = "INDETERMINATE/TRY_LATER".to_owned();
    assert_eq!(told(&finding), (text.clone(), vec![text]));
    let missing = &report.signatures[0].missing;
    assert!(missing.iter().any(|it| it.what == "revocation status" && it.for_time == Some(GEN_TIME)), "{missing:?}");
    assert!(!certified(&asked, &finding).status.unwrap().is_granted());
}

/// The moment is the asker's, so there is no doubt about what came before it.
#[test]
fn a_moment_outside_its_period_fails() {
    let notary = NOTARY.signer.certificate();
    let asked = Asked::certificates(&[notary.der()]);
    for (at, text) in [
        (notary.validity().not_after.plus_secs(60), "TOTAL-FAILED/EXPIRED"),
        (notary.validity().not_before.minus_millis(60_000), "TOTAL-FAILED/NOT_YET_VALID"),
    ] {
        let (_, finding) = judge(&asked, at, WITHOUT_REVOCATION, None);
        assert_eq!(told(&finding).0, text);
    }
}

#[test]
fn what_is_no_certificate_is_answered_too() {
    let Asked::Certificates { der, mut targets } = Asked::certificates(&[PKI.ca.der(), PKI.ca.der()]) else { panic!() };
    targets[0].target = CertEtcToken::OcspCertId(vec![0x30, 0]);
    let asked = Asked::Certificates { der, targets };
    let (report, finding) = judge(&asked, GEN_TIME, WITHOUT_REVOCATION, None);
    assert_eq!(report.signatures.len(), 1, "the other one was judged");
    let needed = "The certificate itself is needed.".to_owned();
    assert_eq!(told(&finding), (needed.clone(), vec![needed, "granted".to_owned()]));

    let unreadable = Asked::certificates(&[&[0x30, 3, 2, 1, 5]]);
    let (report, finding) = judge(&unreadable, GEN_TIME, WITHOUT_REVOCATION, None);
    assert_eq!(told(&finding).0, "The certificate does not read.");
    assert_eq!(report.conclusion.indication, Indication::Indeterminate, "a report of nothing passes nothing");
}

/// RFC 3029 §7.5: pathProcInput.
#[test]
fn policies_are_demanded_where_asked() {
    let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let issuer = Issuer::new(Authority::Party, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
    let party = issue(&template("party-auth", "Ada", &key, 1), &issuer, &PKI.ca_key);
    for (policy, text) in
        [("0.4.0.2042.1.3", "granted"), ("1.3.6.1.4.1.99999.77", "INDETERMINATE/CHAIN_CONSTRAINTS_FAILURE")]
    {
        let Asked::Certificates { der, mut targets } = Asked::certificates(&[party.der()]) else { panic!() };
        targets[0].path_input = Some(PathProcInput {
            policies: vec![PolicyInformation::new(policy.parse().unwrap())],
            inhibit_policy_mapping: false,
            explicit_policy_required: true,
            inhibit_any_policy: false,
        });
        let (_, finding) = judge(&Asked::Certificates { der, targets }, GEN_TIME, WITHOUT_REVOCATION, None);
        assert_eq!(told(&finding).0, text);
    }
}

/// Who is asked about which certificates: each of a path, once.
#[derive(Debug, Default)]
struct Counting(std::sync::Mutex<Vec<Digest>>);

impl StatusSource for Counting {
    fn responses(&self, certificate: &Certificate) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().push(certificate.digest());
        vec![b"no response".to_vec()]
    }
}

#[test]
fn a_source_is_asked_once_for_each_certificate() {
    let source = Counting::default();
    let notary = NOTARY.signer.certificate();
    let asked = Asked::certificates(&[notary.der(), PKI.ca.der(), notary.der()]);
    let (report, _) = judge(&asked, GEN_TIME, b"name = \"test\"", Some(&source));
    let asked_about = source.0.into_inner().unwrap();
    assert_eq!(asked_about, [PKI.ca.digest(), notary.digest()]);
    // What it said did not read, and that is told.
    assert!(report.constraints.iter().any(|it| it.name == "material.bounds"), "{:?}", report.constraints);
}
