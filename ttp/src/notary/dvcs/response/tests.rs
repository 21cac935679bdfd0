//! DVCs octet by octet, read again by hand and by rasn, and what is never said.

use rasn::prelude::*;
use rasn_cms::SignedData;
use rasn_pkix::{AlgorithmIdentifier, Certificate};

use super::*;
use crate::asn1::{RawInteger, decode_strict, oid};
use crate::crypto::PublicKey;
use crate::crypto::Verifier as _;
use crate::notary::dvcs::status::FailInfo;
use crate::notary::dvcs::testing::{NOTARY, asked, dvc, finding, grant, request, sign};
use crate::notary::dvcs::types::Response;
use crate::testing::{self, GEN_TIME};
use crate::x509::encode;

fn content(request: &Request) -> DvcContent {
    DvcContent::new(request, &finding(&request.asked, false), &grant()).unwrap()
}

fn cert_info(content: &[u8]) -> crate::notary::dvcs::types::CertInfo {
    match Response::parse(content) {
        Ok(Response::CertInfo(info)) => *info,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_claim_byte_by_byte() {
    let request = request(&asked()[0]);
    let digest = Digest::of(crate::notary::dvcs::testing::DOCUMENT);
    let expected = [
        "3075",                               // DVCSCertInfo
        "300e 0a0104 0209008585858585858585", // dvReqInfo
        &format!("302f 300b0609608648016503040201 0420 {digest}"),
        "0211 07 abababababababababababababababab",
        &format!("1812 {}", hex::encode("20260301120000.25Z")),
        "a10b 0609 2b06010401868d1f03",
    ];
    assert_eq!(hex::encode(content(&request).der()), expected.concat().replace(' ', ""));
}

#[test]
fn what_is_said_is_read_again() {
    for asked in asked() {
        for bad in [false, true] {
            let request = request(&asked);
            let content = DvcContent::new(&request, &finding(&asked, bad), &grant()).unwrap();
            let info = cert_info(content.der());
            assert_eq!(info.request, request.information);
            assert_eq!(info.imprint, asked.imprint(ImprintAlgorithm::Sha256));
            assert_eq!(info.time, DvcsTime::Moment(GEN_TIME));
            assert_eq!(info.policy, Some(grant().policy));
            match &asked {
                Asked::Claim(_) | Asked::Possession(_) => assert!(info.status.is_none() && info.certs.is_empty()),
                Asked::SignedDocument(_) => assert_eq!(info.status.unwrap().is_granted(), !bad),
                Asked::Certificates { targets, .. } => {
                    assert_eq!(info.status.unwrap().is_granted(), !bad);
                    let found: Vec<_> = info.certs.iter().map(|chain| chain.target.clone()).collect();
                    let expected: Vec<_> = targets.iter().map(|chain| chain.target.clone()).collect();
                    assert_eq!(found, expected, "every target, in its order");
                    let statuses: Vec<_> =
                        info.certs.iter().map(|chain| chain.status().unwrap().is_granted()).collect();
                    assert_eq!(statuses, [true, !bad]);
                }
            }
        }
    }
}

// ---- by rasn: a second reading of the module ----------------------------------------------------------------------------

#[derive(AsnType, Decode, Encode)]
struct RasnCertInfo {
    dv_req_info: Any,
    message_imprint: RasnDigestInfo,
    serial_number: RawInteger,
    response_time: GeneralizedTime,
    #[rasn(tag(0))]
    dv_status: Option<RasnStatus>,
    #[rasn(tag(1))]
    policy: Option<rasn_pkix::PolicyInformation>,
    #[rasn(tag(3))]
    certs: Option<SequenceOf<RasnTarget>>,
}

#[derive(AsnType, Decode, Encode)]
struct RasnDigestInfo {
    algorithm: AlgorithmIdentifier,
    digest: OctetString,
}

#[derive(AsnType, Decode, Encode)]
struct RasnStatus {
    status: Integer,
    texts: Option<SequenceOf<Utf8String>>,
    fail_info: Option<BitString>,
}

#[derive(AsnType, Decode, Encode)]
struct RasnTarget {
    target: RasnToken,
    chain: Option<SequenceOf<RasnToken>>,
}

#[derive(AsnType, Decode, Encode)]
#[rasn(choice)]
enum RasnToken {
    #[rasn(tag(0))]
    Certificate(Box<Certificate>),
    #[rasn(tag(2))]
    Status(RasnStatus),
}

#[test]
fn rasn_reads_and_writes_the_same() {
    for asked in asked() {
        let request = request(&asked);
        let content = DvcContent::new(&request, &finding(&asked, true), &grant()).unwrap();
        let read: RasnCertInfo = decode_strict(content.der()).expect("strict");
        assert_eq!(read.dv_req_info.as_bytes(), request.information.der);
        assert_eq!(read.message_imprint.digest[..], asked.imprint(ImprintAlgorithm::Sha256).digest);
        assert_eq!(read.dv_status.is_some(), matches!(asked, Asked::SignedDocument(_) | Asked::Certificates { .. }));
    }
}

/// The envelope: SignedData version 3, both certificates, and the attributes of spec §3.4.
#[test]
fn the_envelope_has_the_profile() {
    let dvc = dvc(&request(&asked()[0]));
    let info: rasn_cms::ContentInfo = decode_strict(dvc.der()).unwrap();
    let signed: SignedData = decode_strict(info.content.as_bytes()).unwrap();
    assert_eq!(signed.version, Integer::from(3));
    assert_eq!(*signed.encap_content_info.content_type, *oid::DVCS_RESPONSE_DATA);
    assert_eq!(signed.certificates.as_ref().unwrap().len(), 2);
    let [signer] = signed.signer_infos.to_vec()[..] else { panic!("one signer") };
    let attributes = signer.signed_attrs.as_ref().unwrap();
    let signing_time = Oid::const_new(&[1, 2, 840, 113549, 1, 9, 5]);
    for id in
        [oid::CONTENT_TYPE, signing_time, oid::MESSAGE_DIGEST, oid::SIGNING_CERTIFICATE_V2, oid::ALGORITHM_PROTECTION]
    {
        assert_eq!(attributes.iter().filter(|attribute| *attribute.r#type == *id).count(), 1, "{id:?}");
    }
    assert_eq!(attributes.len(), 5);
    let key = PublicKey::from_spki_der(&NOTARY.signer.certificate().spki_der()).unwrap();
    assert!(key.verify(&encode(attributes), &signer.signature));
    assert_eq!(signer.signature[..], *dvc.signature());
}

#[test]
fn a_time_stamp_is_added_and_nothing_else_changes() {
    let plain = dvc(&request(&asked()[1]));
    let token = testing::token(testing::ec(), true);
    let stamped = plain.clone().with_time_stamp(&token);
    let signed = |der: &[u8]| -> SignedData {
        let info: rasn_cms::ContentInfo = decode_strict(der).unwrap();
        decode_strict(info.content.as_bytes()).unwrap()
    };
    let mut found = signed(stamped.der());
    let mut infos = found.signer_infos.into_vec();
    let unsigned = infos[0].unsigned_attrs.take().unwrap().into_vec();
    let [attribute] = &unsigned[..] else { panic!("one attribute") };
    assert_eq!(*attribute.r#type, *Oid::const_new(&[1, 2, 840, 113549, 1, 9, 16, 2, 14]));
    assert_eq!(attribute.values.to_vec()[0].as_bytes(), token);
    found.signer_infos = SetOf::from_vec(infos);
    assert_eq!(encode(&found), encode(&signed(plain.der())));
}

#[test]
fn the_rest_of_a_grant() {
    let request = request(&asked()[0]);
    let extension = Extension::read(
        &crate::asn1::read::Reader::new(&hex::decode("300a06032a03040403010203").unwrap()).value().unwrap(),
    )
    .unwrap();
    let token = testing::token(testing::ec(), false);
    let more = Grant {
        time_token: Some(token.clone()),
        nonce: Some(vec![9]),
        extensions: vec![extension.clone()],
        hash: ImprintAlgorithm::Sha512,
        ..grant()
    };
    let info = cert_info(DvcContent::new(&request, &Finding::Received, &more).unwrap().der());
    assert_eq!(info.time, DvcsTime::Token(token));
    assert_eq!(info.extensions, [extension]);
    assert_eq!(info.imprint.algorithm, ImprintAlgorithm::Sha256, "a claim is copied as it was given");
    assert_eq!(request.information.matches(&info.request), Ok(()));
    assert!(info.request.nonce.unwrap().ends_with(&[9]));
}

#[test]
fn what_is_never_said() {
    let [claim, _, document, certificates] = asked().map(|asked| request(&asked));
    let fault = |request: &Request, finding: &Finding| DvcContent::new(request, finding, &grant()).unwrap_err();
    assert_eq!(fault(&document, &Finding::Received), ContentFault::Service(ServiceType::Vsd));
    assert_eq!(fault(&certificates, &Finding::Received), ContentFault::Service(ServiceType::Vpkc));
    assert_eq!(fault(&claim, &finding(&document.asked, false)), ContentFault::Service(ServiceType::Ccpd));
    let answer = |status: StatusInfo| Answer { status, evidence: Vec::new() };
    let (yes, no) = (StatusInfo::granted(), StatusInfo::rejected(Some(FailInfo::BadCertId), "no"));
    let modified = StatusInfo { status: Status::GrantedWithMods, ..StatusInfo::granted() };
    let vpkc = |status: &StatusInfo, answers: &[&StatusInfo]| Finding::Certificates {
        status: status.clone(),
        answers: answers.iter().map(|one| answer((*one).clone())).collect(),
    };
    assert_eq!(fault(&certificates, &vpkc(&yes, &[&yes])), ContentFault::Answers { targets: 2, answers: 1 });
    for (status, answers) in
        [(&yes, [&yes, &no]), (&no, [&yes, &yes]), (&yes, [&yes, &modified]), (&modified, [&yes, &yes])]
    {
        assert_eq!(fault(&certificates, &vpkc(status, &answers)), ContentFault::Status);
    }
    let vsd = |status: &StatusInfo, one: &StatusInfo| Finding::Signatures {
        status: status.clone(),
        certificates: vec![(vec![0x30, 0], answer(one.clone()))],
    };
    assert_eq!(fault(&document, &vsd(&yes, &no)), ContentFault::Status);
    assert_eq!(fault(&document, &vsd(&modified, &yes)), ContentFault::Status);
    let long = Answer { status: yes.clone(), evidence: vec![CertEtcToken::Crl(vec![0x30; EVIDENCE_BYTES_MAX])] };
    let finding = Finding::Certificates { status: yes.clone(), answers: vec![long, answer(yes.clone())] };
    assert!(matches!(fault(&certificates, &finding), ContentFault::Evidence { octets } if octets > EVIDENCE_BYTES_MAX));
    // A document whose signature is wrong, by a certificate that is good.
    assert!(DvcContent::new(&document, &vsd(&no, &yes), &grant()).is_ok());
}

#[test]
fn serials_rise_and_fit() {
    let number = |counter, random| DvcSerial::new(counter, [random; 16]).unwrap().content();
    assert_eq!(hex::encode(number(1, 0xFF)), format!("01{}", "ff".repeat(16)));
    assert_eq!(hex::encode(number(0x80, 0)), format!("0080{}", "00".repeat(16)));
    assert_eq!(number(u32::MAX >> 1, 0xFF).len(), 20);
    for (earlier, later) in [(1, 2), (0x7F, 0x80), (0xFFFF, 0x1_0000)] {
        let padded = |content: Vec<u8>| [vec![0; 20 - content.len()], content].concat();
        assert!(padded(number(earlier, 0xFF)) < padded(number(later, 0)));
    }
    assert_eq!(DvcSerial::new(0, [1; 16]), None);
    assert_eq!(DvcSerial::new(1 << 31, [1; 16]), None);
}

#[test]
fn a_certificate_that_may_not_sign_is_named() {
    use crate::crypto::SignatureAlgorithm;
    use crate::notary::dvcs::{DvcSigner, LoadFault};
    use crate::testing::{PKI, reissue};
    use crate::x509::dvcs::DvcsFault;
    let id = NOTARY.signer.key();
    let load = |certificate: &[u8], spki: &[u8], chain: &[Vec<u8>]| {
        let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
        DvcSigner::load(id, algorithm, spki, certificate, chain, PKI.root.der()).err()
    };
    let good = NOTARY.signer.certificate();
    let (spki, chain) = (good.spki_der(), [PKI.ca.der().to_vec()]);
    assert_eq!(load(good.der(), &spki, &chain), None);
    assert_eq!(
        load(good.der(), testing::ec().tsu.certificate().spki_der().as_slice(), &chain),
        Some(LoadFault::OtherKey)
    );
    assert!(matches!(load(good.der(), &spki, &[]), Some(LoadFault::Chain(_))));
    assert!(matches!(load(&good.der()[1..], &spki, &chain), Some(LoadFault::Certificate { position: 0, .. })));
    let ed25519 = SignatureAlgorithm::Ed25519;
    let other = DvcSigner::load(id, ed25519, &spki, good.der(), &chain, PKI.root.der()).err();
    assert_eq!(other, Some(LoadFault::Algorithm(ed25519)));
    // The key of a timestamping unit may not sign DVCs.
    let unit = testing::ec().tsu.certificate();
    assert_eq!(load(unit.der(), &unit.spki_der(), &chain), Some(LoadFault::Profile(DvcsFault::OtherPurpose)));
    assert_eq!(load(PKI.ca.der(), &spki, &chain), Some(LoadFault::Profile(DvcsFault::IsCa)));
    type Change = fn(&mut Vec<rasn_pkix::Extension>);
    let table: [(DvcsFault, Change); 4] = [
        (DvcsFault::NoExtendedKeyUsage, |all| all.retain(|one| *one.extn_id != *oid::EXTENDED_KEY_USAGE)),
        (DvcsFault::ExtendedKeyUsageNotCritical, |all| {
            all.iter_mut().find(|one| *one.extn_id == *oid::EXTENDED_KEY_USAGE).unwrap().critical = false;
        }),
        (DvcsFault::NoKeyUsage, |all| all.retain(|one| *one.extn_id != *oid::KEY_USAGE)),
        (DvcsFault::OtherKeyUsage, |all| {
            let usage = all.iter_mut().find(|one| *one.extn_id == *oid::KEY_USAGE).unwrap();
            usage.extn_value = encode(&crate::x509::KeyUsage::KEY_ENCIPHERMENT.to_bits()).into();
        }),
    ];
    for (fault, change) in table {
        let bad = reissue(good, |tbs| change(tbs.extensions.as_mut().unwrap()));
        assert_eq!(load(&bad, &spki, &chain), Some(LoadFault::Profile(fault)));
    }
}

#[test]
fn a_signed_dvc_is_the_artefact() {
    let request = request(&asked()[0]);
    let dvc = sign(content(&request));
    assert_eq!(dvc.digest(), Digest::of(dvc.der()));
    assert_eq!(dvc.clone().into_der(), dvc.der());
}
