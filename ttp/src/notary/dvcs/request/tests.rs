//! Requests octet by octet, every refusal, and what BouncyCastle and the RFC's appendix write differently.

use proptest::prelude::*;

use super::*;
use crate::crypto::{SignatureAlgorithm, Signer, SoftKey};
use crate::digest::Digest;
use crate::notary::dvcs::testing::{DOCUMENT, accepted, asked, request};
use crate::notary::dvcs::token::{CertEtcToken, PathProcInput};
use crate::notary::dvcs::types::DvcsTime;
use crate::testing::PKI;
use crate::time::Timestamp;

const REQUEST_OID: &str = "060b2a864886f70d0109100107";
const SHA256: &str = "300b0609608648016503040201";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).unwrap()
}

fn tlv(tag: u8, hex: &str) -> String {
    hex::encode(der::tlv(tag, &bytes(hex)))
}

/// ContentInfo around a DVCSRequest of these parts.
fn bare(information: &str, data: &str, transaction: &str) -> Vec<u8> {
    let request = tlv(0x30, &[&tlv(0x30, information), data, transaction].concat());
    bytes(&tlv(0x30, &[REQUEST_OID, &tlv(0xA0, &request)].concat()))
}

fn imprint(algorithm: &str, octets: usize) -> String {
    tlv(0x30, &[algorithm, &tlv(4, &"5a".repeat(octets))].concat())
}

fn certificate() -> String {
    let der = PKI.ca.der();
    tlv(0xA0, &hex::encode(Reader::new(der).value().unwrap().content))
}

fn refusal(bytes: &[u8]) -> Refusal {
    parse(bytes, &accepted()).unwrap_err().refusal
}

/// Checked by eye against `openssl asn1parse`, and read by BouncyCastle (`tests/strangers/DvcsCheck.java`).
#[test]
fn a_request_byte_by_byte() {
    let digest = Digest::of(DOCUMENT).to_string();
    let expected = [
        "3052",
        REQUEST_OID,
        "a043",
        "3041", // ContentInfo { id, [0] { DVCSRequest
        "300e",
        "0a0104",
        "0209008585858585858585", // requestInformation: service ccpd, nonce
        "302f",
        "300b0609608648016503040201",
        "0420",
        &digest, // messageImprint
    ];
    assert_eq!(hex::encode(build(&asked()[0], Some(&[0x85; 8]))), expected.concat());
}

#[test]
fn each_service_is_read() {
    for asked in asked() {
        let built = build(&asked, Some(&[0x85; 8]));
        let read = parse(&built, &accepted()).unwrap();
        assert_eq!((read.information.service, &read.asked), (asked.service(), &asked));
        assert_eq!(read.information.nonce.as_deref(), Some(&bytes("008585858585858585")[..]));
        assert!(read.signature.is_none() && read.transaction.is_none());
        let inside = Reader::new(&built).value().unwrap();
        let position = inside.der.windows(read.information.der.len()).position(|w| w == read.information.der);
        assert!(position.is_some(), "its own octets are kept");
    }
}

/// Every field of requestInformation, in the order of the module.
#[test]
fn all_fields() {
    let name = "8604 74657374"; // URI
    let directory = tlv(0xA4, &hex::encode(encode(PKI.ca.subject())));
    let extension = "300a 0603 2a0304 0403 010203";
    let information = [
        "020101", // version written out
        "0a0104",
        "020105",
        "180f 3230323630333031 313230303030 5a",
        &tlv(0xA0, &directory),
        "a105 0603 2a0304",
        &tlv(0xA2, name),
        &tlv(0xA3, name),
        &tlv(0xA4, extension),
    ];
    let bytes_of_it = bare(&information.concat(), &imprint(SHA256, 32), "8102 6174");
    let own = Accepted { own_names: Some(vec![bytes(name)]), ..accepted() };
    let read = parse(&bytes_of_it, &own).unwrap();
    let info = &read.information;
    assert_eq!(info.nonce.as_deref(), Some(&[5][..]));
    assert_eq!(info.request_time, Some(DvcsTime::Moment(Timestamp::from_millis(1_772_366_400_000))));
    assert_eq!(info.policy.as_ref().unwrap().id.to_string(), "1.2.3.4");
    assert_eq!(info.requester.as_ref().unwrap().iter().collect::<Vec<_>>(), [bytes(&directory)]);
    assert_eq!(info.extensions.len(), 1);
    assert_eq!(read.transaction.as_deref(), Some(&bytes("81026174")[..]));
    assert_eq!(parse(&bytes_of_it, &accepted()).unwrap_err().refusal, Refusal::OtherServer);
    assert_eq!(parse(&bytes_of_it, &accepted()).unwrap_err().transaction, read.transaction);
}

#[test]
fn every_refusal() {
    let good = imprint(SHA256, 32);
    let sha1 = imprint("300906052b0e03021a0500", 20);
    let odd = imprint("300e06096086480165030402010c0161", 32);
    let critical = tlv(0xA4, "300d 0603 2a0304 0101ff 0403 010203");
    let targets = |count: usize| tlv(0xA0, &tlv(0x30, &certificate()).repeat(count));
    let status = tlv(0xA0, &tlv(0x30, "a203020100"));
    let length = |expected, found| Refusal::ImprintLength { expected, found };
    let choice = |service| Refusal::DataChoice { service };
    let long_nonce = tlv(2, &"55".repeat(129));
    let table: Vec<(&str, Vec<u8>, Refusal)> = vec![
        ("empty", vec![], Refusal::NotARequest),
        ("a SEQUENCE", bytes("3000"), Refusal::NotARequest),
        ("something behind", [bare("0a0104", &good, ""), vec![0]].concat(), Refusal::NotARequest),
        ("another content type", bytes(&tlv(0x30, "06032a0304a0023000")), Refusal::NotARequest),
        ("enveloped", bytes("300f 0609 2a864886f70d010703 a002 3000"), Refusal::Encrypted),
        ("too long", vec![0x30; (1 << 20) + 1], Refusal::TooLong { bytes_max: 1 << 20 }),
        ("version 2", bare("0201020a0104", &good, ""), Refusal::Version),
        ("version 256", bare("020201000a0104", &good, ""), Refusal::Version),
        ("service 0", bare("0a0100", &good, ""), Refusal::UnknownService),
        ("service 5", bare("0a0105", &good, ""), Refusal::UnknownService),
        ("service 300", bare("0a02012c", &good, ""), Refusal::UnknownService),
        ("no service", bare("020101", &good, ""), Refusal::NotARequest),
        ("service as INTEGER", bare("020104", &good, ""), Refusal::Version),
        ("ccpd with a message", bare("0a0104", "040161", ""), choice(ServiceType::Ccpd)),
        ("ccpd with certs", bare("0a0104", &targets(1), ""), choice(ServiceType::Ccpd)),
        ("cpd with an imprint", bare("0a0101", &good, ""), choice(ServiceType::Cpd)),
        ("cpd with a weak imprint", bare("0a0101", &sha1, ""), choice(ServiceType::Cpd)),
        ("vsd with certs", bare("0a0102", &targets(1), ""), choice(ServiceType::Vsd)),
        ("vpkc with a message", bare("0a0103", "040161", ""), choice(ServiceType::Vpkc)),
        ("SHA-1", bare("0a0104", &sha1, ""), Refusal::HashAlgorithm),
        ("parameters", bare("0a0104", &odd, ""), Refusal::HashParameters),
        ("a short digest", bare("0a0104", &imprint(SHA256, 31), ""), length(32, 31)),
        ("no octets", bare("0a0101", "0400", ""), Refusal::Empty),
        ("no certificate", bare("0a0103", "a000", ""), Refusal::Empty),
        ("too many", bare("0a0103", &targets(5), ""), Refusal::TooManyTargets { max: 4 }),
        (
            "far too many",
            bare("0a0103", &tlv(0xA0, &tlv(0x30, "a60430020500").repeat(257)), ""),
            Refusal::TooManyTargets { max: 4 },
        ),
        ("a status as target", bare("0a0103", &status, ""), Refusal::TargetKind),
        ("a long nonce", bare(&["0a0104", &long_nonce].concat(), &good, ""), Refusal::NonceLength { octets: 129 }),
        ("a nonce of two spellings", bare("0a010402020005", &good, ""), Refusal::NotARequest),
        ("critical", bare(&["0a0104", &critical].concat(), &good, ""), Refusal::CriticalExtension),
        ("fields out of order", bare("0a0104a2068604746573 74a0068604 74657374", &good, ""), Refusal::NotARequest),
        ("no names", bare("0a0104a000", &good, ""), Refusal::NotARequest),
        ("a name of no kind", bare("0a0104a0038f0161", &good, ""), Refusal::NotARequest),
        ("a transaction of no kind", bare("0a0104", &good, "8f0161"), Refusal::NotARequest),
        ("a fourth element", bare("0a0104", &good, "810261740500"), Refusal::NotARequest),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(refusal(&bytes), expected, "{what}");
    }
    let only_512 = Accepted { hashes: vec![ImprintAlgorithm::Sha512], ..accepted() };
    assert_eq!(parse(&bare("0a0104", &good, ""), &only_512).unwrap_err().refusal, Refusal::HashAlgorithm);
}

/// The appendix' `certs` without a tag is no DigestInfo; its imprint is over the octets as they were sent.
#[test]
fn certs_without_their_tag() {
    let target = tlv(0x30, &certificate());
    let extension = tlv(0x30, "300a 0603 2a0304 0403 010203");
    for chain in [&target, &extension] {
        let [tagged, untagged] =
            [0xA0, 0x30].map(|tag| parse(&bare("0a0103", &tlv(tag, chain), ""), &accepted()).unwrap());
        let targets = |request: &Request| match &request.asked {
            Asked::Certificates { targets, .. } => targets.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(targets(&tagged), targets(&untagged));
        for (request, tag) in [(tagged, 0xA0), (untagged, 0x30)] {
            let imprint = request.asked.imprint(ImprintAlgorithm::Sha256);
            assert_eq!(imprint.digest, Digest::of(&bytes(&tlv(tag, chain))).0);
        }
    }
}

/// Both codings of the choices that BouncyCastle tags EXPLICIT, and the one coding of the others.
#[test]
fn tokens_in_both_codings() {
    let check = |hex: &str, expected: Option<CertEtcToken>| {
        let chain = bytes(&tlv(0x30, hex));
        let read = TargetEtcChain::read(&Reader::new(&chain).value().unwrap());
        assert_eq!(read.ok().map(|chain| chain.target), expected, "{hex}");
    };
    let sequence = |content: &str| bytes(&tlv(0x30, content));
    let ess = "0401aa";
    check(&tlv(0xA1, ess), Some(CertEtcToken::EssCertId(sequence(ess))));
    check(&tlv(0xA1, &tlv(0x30, ess)), Some(CertEtcToken::EssCertId(sequence(ess))));
    let info = "06032a0304 a0020500";
    check(&tlv(0xA3, info), Some(CertEtcToken::Assertion(sequence(info))));
    check(&tlv(0xA3, &tlv(0x30, info)), Some(CertEtcToken::Assertion(sequence(info))));
    for status in ["8000", "a1023000", "8200"] {
        check(&tlv(0xA5, status), Some(CertEtcToken::OcspCertStatus(bytes(status))));
    }
    let capability = "3005 06032a0304";
    check(&tlv(0xA8, capability), Some(CertEtcToken::Capabilities(sequence(capability))));
    check(&tlv(0xA8, &tlv(0x30, capability)), Some(CertEtcToken::Capabilities(sequence(capability))));
    check(&tlv(0xA6, "0500"), Some(CertEtcToken::OcspCertId(sequence("0500"))));
    for bad in ["a1020500", "a103300005", "a30230000500", "a5028300", "a500", "a900", "0500", "a800"] {
        check(bad, None);
    }
    // Each that is written reads back.
    let tokens = [
        CertEtcToken::Certificate(PKI.ca.der().to_vec()),
        CertEtcToken::EssCertId(sequence(ess)),
        CertEtcToken::Status(crate::notary::dvcs::StatusInfo::granted()),
        CertEtcToken::Assertion(sequence(info)),
        CertEtcToken::Crl(sequence("0500")),
        CertEtcToken::OcspCertStatus(bytes("8000")),
        CertEtcToken::OcspCertId(sequence("0500")),
        CertEtcToken::OcspResponse(sequence("0a0100")),
        CertEtcToken::Capabilities(sequence(capability)),
    ];
    for token in &tokens {
        let mut out = Vec::new();
        token.put(&mut out);
        check(&hex::encode(out), Some(token.clone()));
    }
    let whole = TargetEtcChain { target: tokens[0].clone(), chain: tokens.to_vec(), path_input: None };
    let mut out = Vec::new();
    whole.put(&mut out);
    assert_eq!(TargetEtcChain::read(&Reader::new(&out).value().unwrap()), Ok(whole));
}

#[test]
fn booleans_with_and_without_tags() {
    let policies = "3007 3005 06032a0304";
    let check = |flags: &str, expected: Option<[bool; 3]>| {
        let chain = bytes(&tlv(0x30, &[&certificate(), tlv(0xA0, &[policies, flags].concat()).as_str()].concat()));
        let read = TargetEtcChain::read(&Reader::new(&chain).value().unwrap()).ok();
        let found = read.clone().and_then(|chain| chain.path_input).map(|input: PathProcInput| {
            assert_eq!(input.policies[0].id.to_string(), "1.2.3.4");
            [input.inhibit_policy_mapping, input.explicit_policy_required, input.inhibit_any_policy]
        });
        assert_eq!(found, expected, "{flags}");
        if let Some(chain) = read {
            let mut out = Vec::new();
            chain.put(&mut out);
            assert_eq!(TargetEtcChain::read(&Reader::new(&out).value().unwrap()), Ok(chain), "{flags}");
        }
    };
    check("", Some([false, false, false]));
    check("0101ff", Some([true, false, false]));
    check("8001ff", Some([false, true, false]));
    check("8101ff", Some([false, false, true]));
    check("0101ff 8001ff 8101ff", Some([true, true, true]));
    check("010100 0101ff 0101ff", Some([false, true, true]));
    check("010100 010100 0101ff", Some([false, false, true]));
    for bad in ["010101", "8101ff8001ff", "0500", "0101ff0101ff0101ff0101ff", "8201ff"] {
        check(bad, None);
    }
}

// ---- signed -------------------------------------------------------------------------------------------------------------

/// The request signed by the CA's key, as `openssl cms` would.
fn signed(request: &[u8], change: impl FnOnce(&mut rasn_cms::SignedData)) -> Vec<u8> {
    let content = Reader::new(Reader::new(request).value().unwrap().content);
    let content = {
        let mut c = content;
        c.value();
        c.value().unwrap().content.to_vec()
    };
    let template = crate::cms::Template::new(
        rasn::types::Oid::const_new(&[1, 2, 840, 113549, 1, 9, 16, 1, 7]),
        SignatureAlgorithm::EcdsaP256Sha256,
        &PKI.ca,
        &[],
    );
    let prepared = crate::cms::Prepared::new(std::sync::Arc::new(template), content, Timestamp::from_millis(0));
    let signature = PKI.ca_key.sign(prepared.message()).unwrap();
    let mut out = Vec::new();
    prepared.put(&mut out, &signature, true, &[]);
    let mut info: rasn_cms::ContentInfo = rasn::der::decode(&out).unwrap();
    let mut signed = rasn::der::decode(info.content.as_bytes()).unwrap();
    change(&mut signed);
    info.content = rasn::types::Any::new(encode(&signed));
    encode(&info)
}

fn first_signer(signed: &mut rasn_cms::SignedData, change: impl FnOnce(&mut rasn_cms::SignerInfo)) {
    let mut infos = signed.signer_infos.clone().into_vec();
    change(&mut infos[0]);
    signed.signer_infos = rasn::types::SetOf::from_vec(infos);
}

#[test]
fn a_signed_request() {
    for asked in asked() {
        let message = signed(&build(&asked, None), |_| {});
        let read = parse(&message, &accepted()).unwrap();
        let signature = read.signature.unwrap();
        assert_eq!((read.asked, &signature.certificate[..]), (asked, PKI.ca.der()));
        assert!(signature.others.is_empty());
        let infos: rasn_cms::SignerInfos = rasn::der::decode(&der::tlv(der::SET, &signature.signer_infos)).unwrap();
        assert_eq!(infos.len(), 1);
    }
}

#[test]
fn a_bad_signature_is_refused() {
    let good = build(&asked()[0], None);
    let check = |expected: Refusal, change: fn(&mut rasn_cms::SignedData)| {
        assert_eq!(refusal(&signed(&good, change)), expected);
    };
    check(Refusal::Signature, |signed| {
        first_signer(signed, |info| {
            let mut signature = info.signature.to_vec();
            *signature.last_mut().unwrap() ^= 1;
            info.signature = signature.into();
        })
    });
    check(Refusal::Signature, |signed| {
        // Another service of the same content type.
        let other = build(&asked()[1], None);
        signed.encap_content_info.content = Some(open(&other).unwrap().0.to_vec().into());
    });
    check(Refusal::Signature, |signed| first_signer(signed, |info| info.signed_attrs = None));
    check(Refusal::SignatureAlgorithm, |signed| {
        first_signer(signed, |info| {
            info.digest_algorithm = rasn::der::decode(&bytes("300906052b0e03021a0500")).unwrap();
        })
    });
    check(Refusal::SignatureAlgorithm, |signed| {
        first_signer(signed, |info| {
            info.signature_algorithm = rasn::der::decode(SignatureAlgorithm::RsaPkcs1Sha256.identifier_der()).unwrap();
        })
    });
    check(Refusal::NoSignerCertificate, |signed| signed.certificates = None);
    check(Refusal::Signers, |signed| signed.signer_infos = rasn::types::SetOf::from_vec(vec![]));
    check(Refusal::NotARequest, |signed| signed.encap_content_info.content = None);
    check(Refusal::NotARequest, |signed| signed.encap_content_info.content_type = oid::TST_INFO.into());
    // Of another type of content altogether, which the signature covers.
    check(Refusal::Signature, |signed| {
        first_signer(signed, |info| {
            let attributes = info.signed_attrs.clone().unwrap().into_vec();
            let rest = attributes.into_iter().filter(|one| *one.r#type != *oid::CONTENT_TYPE).collect();
            info.signed_attrs = Some(rasn::types::SetOf::from_vec(rest));
        })
    });
}

#[test]
fn the_requester_of_a_signed_request_is_its_signer() {
    let subject = tlv(0xA4, &hex::encode(encode(PKI.ca.subject())));
    let other = tlv(0xA4, &hex::encode(encode(PKI.root.subject())));
    let request = |names: &str| bare(&["0a0104", &tlv(0xA0, names)].concat(), &imprint(SHA256, 32), "");
    assert!(parse(&signed(&request(&subject), |_| {}), &accepted()).is_ok());
    assert_eq!(refusal(&signed(&request(&other), |_| {})), Refusal::Requester);
    assert_eq!(refusal(&signed(&request(&[subject, other.clone()].concat()), |_| {})), Refusal::Requester);
    // Whoever did not sign may call himself as he likes.
    assert!(parse(&request(&other), &accepted()).is_ok());
}

/// Indefinite lengths and an octet string in pieces around the same request, as BouncyCastle writes them.
#[test]
fn an_envelope_in_ber() {
    let good = build(&asked()[0], None);
    let content = hex::encode(open(&good).unwrap().0);
    let bare = bytes(&format!("3080 {REQUEST_OID} a080 {content} 0000 0000"));
    let read = parse(&bare, &accepted()).unwrap();
    assert_eq!(read, parse(&good, &accepted()).unwrap());
    // In an octet string, as it lies inside SignedData.
    let wrapped = bytes(&tlv(0x30, &[REQUEST_OID, &tlv(0xA0, &tlv(4, &content))].concat()));
    assert_eq!(parse(&wrapped, &accepted()), Ok(read));
    let message = signed(&good, |_| {});
    let signed = SignedData::from_der(&message).unwrap();
    let rest = hex::encode(&message);
    let (_, rest) = rest.split_once(&content).unwrap();
    let head = "3080 06092a864886f70d010702 a080 3080 020103 310d300b0609608648016503040201 3080";
    let pieces = format!("2480 {} {} 0000", tlv(4, &content[..20]), tlv(4, &content[20..]));
    let ber = bytes(&format!("{head} {REQUEST_OID} a080 {pieces} 0000 0000 {rest} 0000 0000 0000"));
    let read = parse(&ber, &accepted()).unwrap();
    assert_eq!(read, parse(&message, &accepted()).unwrap());
    assert_eq!(read.signature.unwrap().signer_infos, signed.signer_infos);
}

#[test]
fn a_key_that_does_not_belong_to_the_certificate() {
    let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let message = signed(&build(&asked()[0], None), |_| {});
    let signed = SignedData::from_der(&message).unwrap();
    let [info] = &signed.signers[..] else { panic!("one signer") };
    let verify = |spki: &[u8]| info.verify(signed.content_type, signed.attached().unwrap(), spki);
    assert_eq!(verify(PKI.ca_key.spki_der()), Ok(()));
    assert_eq!(verify(key.spki_der()), Err(SignatureFault::Wrong));
    assert_eq!(verify(b"no key"), Err(SignatureFault::Algorithm(ForeignFault::Algorithm)));
}

#[test]
fn a_nonce_is_made_longer_at_its_right_end() {
    let with = request(&asked()[0]);
    let longer = with.information.with_longer_nonce(&[1, 2]);
    let read = |der: &[u8]| RequestInformation::read(&Reader::new(der).value().unwrap()).unwrap();
    assert_eq!(read(&longer).nonce.unwrap(), bytes("0085858585858585850102"));
    assert_eq!(with.information.matches(&read(&longer)), Ok(()));
    let without = parse(&build(&asked()[0], None), &accepted()).unwrap();
    let added = without.information.with_longer_nonce(&[0x80]);
    assert_eq!(read(&added).nonce.unwrap(), [0, 0x80]);
    assert_eq!(without.information.matches(&read(&added)), Ok(()));
    assert_eq!(with.information.matches(&without.information), Err("nonce"));
    assert_eq!(with.information.matches(&read(&added)), Err("nonce"));
    let other = request(&asked()[1]);
    assert_eq!(with.information.matches(&other.information), Err("service"));
}

proptest! {
    #[test]
    fn parse_never_panics(bytes: Vec<u8>) {
        let _ = parse(&bytes, &accepted());
    }

    /// One octet of a good request changed: read or refused, but what is kept of it is what was sent.
    #[test]
    fn a_changed_octet(which in 0_usize..4, place: prop::sample::Index, to: u8) {
        let mut bytes = build(&asked()[which], Some(&[1; 8]));
        let place = place.index(bytes.len());
        bytes[place] = to;
        if let Ok(read) = parse(&bytes, &accepted()) {
            prop_assert!(bytes.windows(read.information.der.len()).any(|window| window == read.information.der));
        }
    }
}
