//! Everything good is verified; everything changed is refuted, bit by bit.

use std::collections::BTreeSet;

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::{Entry, Tag, Tags};
use semper_ledger::merkle::{Hash, leaf_hash, root_of};
use semper_ledger::note::Note;
use semper_ledger::receipt::tlog_proof::TlogProof;

use rasn::types::SetOf;

use super::*;
use crate::asn1::{TEST_POLICY, TEST_POLICY_WITH_TOKEN, decode_strict};
use crate::crypto::Signer as _;
use crate::notary::dvcs::request::{Asked, Request, build};
use crate::notary::dvcs::testing::{DOCUMENT, NOTARY, accepted, asked, dvc, finding, grant, request, sign, sign_any};
use crate::notary::dvcs::token::CertEtcToken;
use crate::notary::dvcs::types::{Extension, PolicyInformation};
use crate::notary::dvcs::{Dvc, DvcContent, FailInfo, Grant, Refusal, Refused, StatusInfo, notice};
use crate::role::Role as _;
use crate::testing::{self, GEN_TIME, LOG, ORIGIN, PKI, reissue, trust};
use crate::timestamp::{TimestampAuthority, TimestampEffect};
use crate::verify::Verdict;
use crate::x509::encode;

const SERVICES: [u64; 4] = [0, 1, 2, 3];

/// A proof of an entry of this kind at index 1 of three entries.
fn proof(dvc: &[u8], kind: u64) -> String {
    let tag = Signed::parse(dvc).map(|signed| tag_of_dvc(&signed.info.serial));
    tagged_proof(dvc, kind, tag.into_iter().collect())
}

fn tagged_proof(dvc: &[u8], kind: u64, tags: Vec<Tag>) -> String {
    let time_ms = GEN_TIME.millis() + 3;
    let tags = Tags::new(tags).unwrap();
    let bytes = Entry { role: 4, kind, time_ms, digest: Digest::of(dvc).0, tags }.encode();
    let leaves: [Hash; 3] = [[1; 32], leaf_hash(&bytes), [3; 32]];
    let text = Checkpoint { origin: ORIGIN.to_owned(), size: 3, root: root_of(&leaves) }.text();
    let checkpoint = Note { signatures: vec![LOG.line(&LOG.sign(&text).unwrap())], text }.to_string();
    TlogProof { extra: Some(bytes), index: 1, path: vec![leaves[0], leaves[2]], checkpoint }.to_string()
}

struct Case {
    dvc: Vec<u8>,
    request: Vec<u8>,
    asked: Asked,
}

impl Case {
    fn all() -> Vec<Self> {
        let all = asked().into_iter();
        all.map(|asked| Self { dvc: dvc(&request(&asked)).into_der(), request: build(&asked, Some(&[0x85; 8])), asked })
            .collect()
    }

    fn document(&self) -> Option<Document<'static>> {
        (!matches!(self.asked, Asked::Certificates { .. })).then_some(Document::Bytes(DOCUMENT))
    }

    fn verify(&self, dvc: &[u8]) -> DvcReport {
        let evidence = DvcEvidence {
            dvc,
            request: Some(&self.request),
            document: self.document(),
            certificates: None,
            proof: None,
        };
        verify_dvc(&evidence, &trust())
    }
}

fn failed(report: &DvcReport) -> Vec<DvcCheck> {
    report.checks.iter().filter(|r| matches!(r.outcome, Outcome::Failed(_))).map(|r| r.check).collect()
}

/// Another one with its serial number would be a second decision, and the log would have taken it.
#[test]
fn its_entry_bears_its_tag_and_no_other() {
    let case = &Case::all()[0];
    let own = tag_of_dvc(&Signed::parse(&case.dvc).unwrap().info.serial);
    let other = tag_of_dvc(&[1; 20]);
    for (tags, holds) in [(vec![own], true), (vec![], false), (vec![other], false), (vec![own, other], false)] {
        let proof = tagged_proof(&case.dvc, 0, tags);
        let (request, document, proof) = (Some(&case.request[..]), case.document(), Some(proof.as_bytes()));
        let report =
            verify_dvc(&DvcEvidence { dvc: &case.dvc, request, document, certificates: None, proof }, &trust());
        let expected: &[_] = if holds { &[] } else { &[DvcCheck::EntryKind] };
        assert_eq!(failed(&report), expected);
    }
}

#[test]
fn a_good_one_is_verified() {
    for (case, kind) in Case::all().iter().zip(SERVICES) {
        let proof = proof(&case.dvc, kind);
        let evidence = DvcEvidence {
            dvc: &case.dvc,
            request: Some(&case.request),
            document: case.document(),
            certificates: None,
            proof: Some(proof.as_bytes()),
        };
        let report = verify_dvc(&evidence, &trust());
        assert_eq!(report.verdict, Verdict::Verified, "{}", report.to_json());
        let checks: Vec<_> = report.checks.iter().map(|result| result.check).collect();
        assert_eq!(checks, DvcCheck::ALL, "all of them, in order");
        let summary = report.dvc.unwrap();
        assert_eq!(summary.service, case.asked.service().name());
        assert_eq!((summary.response_time, summary.hash), (GEN_TIME, "sha256"));
        assert_eq!(summary.signer.as_deref(), Some("Notary"));
        assert!(!summary.request_was_signed && summary.time_stamped.is_none());
        assert_eq!(report.entry.unwrap().index, 1);
        assert!(is_dvc(&case.dvc) && !is_dvc(&case.request));
        assert_eq!(dvc_imprint_algorithm(&case.dvc), Some(ImprintAlgorithm::Sha256));
        // Without the document the request is enough, and the other way round.
        for evidence in [
            DvcEvidence { document: None, ..evidence },
            DvcEvidence { request: None, ..evidence },
            DvcEvidence { proof: None, ..evidence },
        ] {
            let report = verify_dvc(&evidence, &trust());
            let whole = evidence.proof.is_some() && (evidence.document.is_some() || evidence.request.is_some());
            assert_eq!(report.verdict == Verdict::Verified, whole, "{}", report.to_json());
            assert_eq!(failed(&report), []);
        }
    }
}

#[test]
fn what_it_says_in_words() {
    let words = |asked: &Asked, bad: bool| {
        let request = request(asked);
        let dvc = sign(DvcContent::new(&request, &finding(asked, bad), &grant()).unwrap());
        let report = verify_dvc(
            &DvcEvidence { dvc: dvc.der(), request: None, document: None, certificates: None, proof: None },
            &trust(),
        );
        assert_eq!(failed(&report), []);
        report.dvc.unwrap()
    };
    let [claim, possession, document, certificates] = asked();
    let time = "1 March 2026 at 12:00:00.250 UTC";
    let imprint = format!("data whose sha256 is {}", Digest::of(DOCUMENT));
    assert_eq!(words(&claim, false).says, format!("On {time} somebody claimed to have {imprint}."));
    assert_eq!(words(&possession, false).says, format!("On {time} the server held {imprint}."));
    assert!(words(&document, false).says.ends_with(&format!("were valid on {time}.")));
    let bad = words(&document, true);
    assert!(
        bad.says.contains("NOT found valid") && bad.says.ends_with("rejection (INDETERMINATE/REVOKED_NO_POE)."),
        "{}",
        bad.says
    );
    assert_eq!((bad.status, bad.fail_info), (Some("rejection"), vec!["badCertId"]));
    assert!(words(&certificates, false).says.contains("all 2 certificates asked about were valid"));
    let bad = words(&certificates, true);
    assert!(bad.says.contains("1 of 2 certificates were NOT found valid"), "{}", bad.says);
    let found: Vec<_> = bad.targets.iter().map(|target| (target.name.as_str(), target.status)).collect();
    assert_eq!(found, [("TSU CA", "granted"), ("Notary", "rejection")]);
    let not_said: BTreeSet<_> = asked().iter().map(|asked| words(asked, false).does_not_say).collect();
    assert_eq!(not_said.len(), 4);
}

#[test]
fn every_changed_bit_is_refuted() {
    let case = &Case::all()[0];
    let stamped = stamped(dvc(&request(&case.asked)));
    let good = stamped.der();
    assert_eq!(failed(&case.verify(good)), []);
    for place in 0..good.len() {
        // One bit of each octet, each bit in its turn.
        let mut bad = good.to_vec();
        bad[place] ^= 1 << (place % 8);
        assert_eq!(case.verify(&bad).verdict, Verdict::Refuted, "octet {place}");
    }
    for cut in [0, 1, good.len() / 2, good.len() - 1] {
        assert_eq!(case.verify(&good[..cut]).verdict, Verdict::Refuted, "{cut}");
    }
}

/// The same with a time stamp over its signature.
fn stamped(dvc: Dvc) -> Dvc {
    let token = token_over(dvc.signature());
    dvc.with_time_stamp(&token)
}

fn token_over(octets: &[u8]) -> Vec<u8> {
    let unit = testing::ec();
    let mut event = testing::event(8);
    event.request.cert_req = true;
    event.request.imprint.digest = Digest::of(octets).0.to_vec();
    let (_, mut effects) = TimestampAuthority::decide(&unit.endpoint(), &event, GEN_TIME).unwrap();
    let TimestampEffect::Sign(content) = effects.remove(0);
    let unsigned = crate::timestamp::token::prepare(&unit.tsu, &content);
    let signature = unit.key.sign(unsigned.message()).unwrap();
    unsigned.finish(&signature).token().to_vec()
}

/// The CMS taken apart by rasn, changed, and put together again.
fn changed(dvc: &[u8], change: impl FnOnce(&mut rasn_cms::SignedData)) -> Vec<u8> {
    let mut info: rasn_cms::ContentInfo = decode_strict(dvc).unwrap();
    let mut signed = decode_strict(info.content.as_bytes()).unwrap();
    change(&mut signed);
    info.content = rasn::types::Any::new(encode(&signed));
    encode(&info)
}

fn with_certificates(dvc: &[u8], certificates: &[&[u8]]) -> Vec<u8> {
    let choice = |der: &&[u8]| rasn_cms::CertificateChoices::Certificate(Box::new(decode_strict(der).unwrap()));
    changed(dvc, |signed| signed.certificates = Some(SetOf::from_vec(certificates.iter().map(choice).collect())))
}

/// A DVC of this content, with its dvStatus replaced by granted.
fn granted_after_all(asked: &Asked) -> Vec<u8> {
    let request = request(asked);
    let finding = finding(asked, true);
    let content = DvcContent::new(&request, &finding, &grant()).unwrap();
    let status = StatusInfo::rejected(Some(FailInfo::BadCertId), "INDETERMINATE/REVOKED_NO_POE").content();
    let old = hex::encode(der::tlv(der::CONTEXT_0, &status));
    let body = hex::encode(Reader::new(content.der()).value().unwrap().content);
    assert_eq!(body.matches(&old).count(), 1);
    sign_any(der::tlv(der::SEQUENCE, &hex::decode(body.replacen(&old, "a003020100", 1)).unwrap()))
}

#[test]
fn each_check_fails_for_its_own_reason() {
    let cases = Case::all();
    let [claim, _, document, certificates] = &cases[..] else { panic!("four services") };
    let check = |case: &Case, dvc: &[u8], expected: &[DvcCheck]| {
        let report = case.verify(dvc);
        assert_eq!(failed(&report), expected, "{}", report.to_json());
    };
    let good = dvc(&request(&claim.asked));
    check(claim, good.der(), &[]);

    // The form.
    for bad in [
        b"".to_vec(),
        Refused { refusal: Refusal::Empty, transaction: None }.notice(),
        notice(&StatusInfo::rejected(None, "busy"), None),
        testing::token(testing::ec(), true),
        claim.request.clone(),
        sign_any(vec![0x30, 0]),
        changed(good.der(), |signed| signed.certificates = None),
    ] {
        let report = claim.verify(&bad);
        assert!(matches!(failed(&report)[0], DvcCheck::Form | DvcCheck::Signer), "{}", report.to_json());
        assert_eq!((report.verdict, report.checks.len()), (Verdict::Refuted, DvcCheck::ALL.len()));
    }
    let told = claim.verify(&notice(&StatusInfo::rejected(None, "busy"), None)).checks.remove(0).outcome;
    assert_eq!(told, Outcome::Failed("it is an error notice and certifies nothing: busy".to_owned()));
    let added = changed(good.der(), |signed| {
        let mut infos = signed.signer_infos.clone().into_vec();
        infos[0].unsigned_attrs = infos[0].signed_attrs.clone();
        signed.signer_infos = SetOf::from_vec(infos);
    });
    check(claim, &added, &[DvcCheck::Form]);

    // The certificate: another one of the same issuer and serial number, which the CA signed as well.
    let notary = NOTARY.signer.certificate();
    let twin = reissue(notary, |tbs| tbs.subject = PKI.ca.subject().clone());
    check(claim, &with_certificates(good.der(), &[&twin, PKI.ca.der()]), &[DvcCheck::CertificateBinding]);
    // One that may not sign DVCs, by the right hand.
    let timestamping = reissue(notary, |tbs| {
        let purposes = vec![rasn::types::ObjectIdentifier::from(crate::asn1::oid::KP_TIME_STAMPING)];
        let extensions = tbs.extensions.as_mut().unwrap();
        let found = extensions.iter_mut().find(|one| *one.extn_id == *crate::asn1::oid::EXTENDED_KEY_USAGE).unwrap();
        found.extn_value = encode(&purposes).into();
    });
    let expected = [DvcCheck::CertificateBinding, DvcCheck::CertificatePurpose];
    check(claim, &with_certificates(good.der(), &[&timestamping, PKI.ca.der()]), &expected);
    // A chain that ends nowhere, and a stranger among the certificates.
    let stranger = testing::OLD_CA.certificate.der();
    check(
        claim,
        &with_certificates(good.der(), &[notary.der(), PKI.ca.der(), stranger]),
        &[DvcCheck::CertificateChain],
    );
    let other_root = crate::asn1::pem::encode("CERTIFICATE", stranger);
    let nobody = Trust::from_texts(&other_root, "", "").unwrap();
    let evidence =
        DvcEvidence { dvc: good.der(), request: None, document: claim.document(), certificates: None, proof: None };
    assert_eq!(failed(&verify_dvc(&evidence, &nobody)), [DvcCheck::CertificateChain]);

    // The signature's time stamp: of another signature.
    let token = token_over(b"another signature");
    check(claim, good.clone().with_time_stamp(&token).der(), &[DvcCheck::TimeStamp]);
    check(claim, stamped(good.clone()).der(), &[]);

    // The answer.
    check(certificates, &granted_after_all(&certificates.asked), &[DvcCheck::Answer]);
    check(document, &granted_after_all(&document.asked), &[DvcCheck::Answer]);

    let critical = |der: &str| {
        let der = hex::decode(der).unwrap();
        let extension = Extension { id: vec![0x2A, 3, 4], critical: true, der };
        let grant = Grant { extensions: vec![extension], ..grant() };
        let request = request(&claim.asked);
        sign(DvcContent::new(&request, &finding(&claim.asked, false), &grant).unwrap()).into_der()
    };
    check(claim, &critical("300d06032a03040101ff0403010203"), &[DvcCheck::Answer]);
    check(claim, &critical("300a06032a03040403010203"), &[]);

    // Document and request.
    let other = build(&claim.asked, Some(&[0x86; 8]));
    let with = |request: &[u8], document: &'static [u8]| {
        let document = Some(Document::Bytes(document));
        failed(&verify_dvc(
            &DvcEvidence { dvc: good.der(), request: Some(request), document, certificates: None, proof: None },
            &trust(),
        ))
    };
    assert_eq!(with(&claim.request, b"another contract"), [DvcCheck::Imprint]);
    assert_eq!(with(&other, DOCUMENT), [DvcCheck::Request]);
    assert_eq!(with(&document.request, DOCUMENT), [DvcCheck::Request]);
    assert_eq!(with(b"no request", DOCUMENT), [DvcCheck::Request]);
    let fewer = Asked::certificates(&[PKI.ca.der()]);
    let fewer = Case { request: build(&fewer, Some(&[0x85; 8])), ..Case::all().remove(3) };
    check(&fewer, &certificates.dvc, &[DvcCheck::Imprint, DvcCheck::Request]);

    // The ledger.
    for (proof, expected) in [
        (proof(good.der(), 1), DvcCheck::EntryKind),
        // Another DVC with the same serial number, so with the same tag.
        (proof(&document.dvc, 0), DvcCheck::EntryDigest),
        ("no proof".to_owned(), DvcCheck::ProofForm),
    ] {
        let evidence = DvcEvidence { proof: Some(proof.as_bytes()), ..evidence };
        assert_eq!(failed(&verify_dvc(&evidence, &trust())), [expected]);
    }
}

/// responseTime as a token: over the imprint, over something else, and false.
#[test]
fn a_token_in_place_of_the_time() {
    let case = &Case::all()[0];
    let verify = |token: Vec<u8>| {
        let request = request(&case.asked);
        let grant = Grant { time_token: Some(token), ..grant() };
        let content = DvcContent::new(&request, &finding(&case.asked, false), &grant).unwrap();
        let report = case.verify(sign(content).der());
        assert!(report.dvc.as_ref().is_none_or(|dvc| dvc.response_time == GEN_TIME));
        (failed(&report), report.outcome(DvcCheck::TimeToken).cloned())
    };
    assert_eq!(verify(token_over(DOCUMENT)), (vec![], Some(Outcome::Ok)));
    let (failures, outcome) = verify(token_over(b"something else"));
    assert_eq!(failures, []);
    assert!(matches!(outcome, Some(Outcome::NotChecked(reason)) if reason.contains("does not say of what")));
    let mut bad = token_over(DOCUMENT);
    *bad.last_mut().unwrap() ^= 1;
    assert_eq!(verify(bad).0, [DvcCheck::TimeToken]);
    assert_eq!(verify(vec![0x30, 0]).0, [DvcCheck::Form]);
}

#[test]
fn a_request_of_any_form_is_compared() {
    // What no server of ours takes: many certificates, names of other servers.
    let many: Vec<&[u8]> = std::iter::repeat_n(PKI.ca.der(), 9).collect();
    let asked = Asked::certificates(&many);
    let bytes = build(&asked, None);
    assert!(crate::notary::dvcs::parse(&bytes, &accepted()).is_err());
    let request: Request = request_of(&bytes).unwrap();
    let dvc = dvc(&request);
    let evidence =
        DvcEvidence { dvc: dvc.der(), request: Some(&bytes), document: None, certificates: None, proof: None };
    assert_eq!(failed(&verify_dvc(&evidence, &trust())), []);
}

/// As a timestamp is: one rule for all that a test service makes.
#[test]
fn a_test_service_is_to_be_asked_for() {
    let case = &Case::all()[0];
    let of_policy = |policy: &str| {
        let grant = Grant { policy: PolicyInformation::new(policy.parse().unwrap()), ..grant() };
        sign(DvcContent::new(&request(&case.asked), &finding(&case.asked, false), &grant).unwrap()).into_der()
    };
    let verdict = |dvc: &[u8], accepted: &[&str]| {
        let proof = proof(dvc, 0);
        let (document, proof) = (case.document(), Some(proof.as_bytes()));
        let evidence = DvcEvidence { dvc, request: None, document, certificates: None, proof };
        let trust = trust().with_policies(accepted.iter().map(|policy| policy.parse().unwrap()).collect());
        verify_dvc(&evidence, &trust).verdict
    };
    for trial in [TEST_POLICY, TEST_POLICY_WITH_TOKEN] {
        let dvc = of_policy(trial);
        assert_eq!(verdict(&dvc, &[]), Verdict::Undecided);
        assert_eq!(verdict(&dvc, &["1.2.3"]), Verdict::Refuted);
        // Who takes one of them takes both.
        assert_eq!(verdict(&dvc, &["1.2.3", TEST_POLICY]), Verdict::Verified);
    }
    // anyPolicy is one that a certificate may be under, and no DVC.
    assert_eq!(verdict(&of_policy("2.5.29.32.0"), &["1.2.3"]), Verdict::Refuted);
    let dvc = of_policy("1.2.3");
    assert_eq!(verdict(&dvc, &[]), Verdict::Verified);
    assert_eq!(verdict(&dvc, &[TEST_POLICY]), Verdict::Refuted);
}

/// What the service vpkc answers about stands in the place of a document.
#[test]
fn certificates_are_those_that_were_asked_about() {
    let case = Case::all().into_iter().find(|case| case.document().is_none()).expect("vpkc");
    let targets = Signed::parse(&case.dvc).unwrap().info.certs;
    let certificates = targets.iter().map(|chain| match &chain.target {
        CertEtcToken::Certificate(der) => der.to_vec(),
        other => panic!("{other:?}"),
    });
    let certificates: Vec<Vec<u8>> = certificates.collect();
    let imprint = |certificates: &[Vec<u8>]| {
        let evidence = DvcEvidence {
            dvc: &case.dvc,
            request: None,
            document: None,
            certificates: Some(certificates),
            proof: None,
        };
        verify_dvc(&evidence, &trust()).outcome(DvcCheck::Imprint).cloned()
    };
    assert_eq!(imprint(&certificates), Some(Outcome::Ok));
    assert!(imprint(&[PKI.root.der().to_vec()]).is_some_and(|outcome| outcome.is_failed()));
    assert!(imprint(&[]).is_some_and(|outcome| outcome.is_failed()));
}
