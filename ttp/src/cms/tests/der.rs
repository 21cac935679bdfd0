//! SignedData that has one form to the octet.

use proptest::prelude::*;

use crate::asn1::der;
use crate::asn1::read::Reader;
use crate::cms::attribute::ATTRIBUTES_MAX;
use crate::cms::signed_data::{DER_CERTIFICATES_MAX, DER_SIGNERS_MAX};
use crate::cms::*;
use crate::crypto::Signer as _;
use crate::testing;

/// SignedData of these parts, in DER.
fn message(certificates: &[u8], signer_infos: &[u8]) -> Vec<u8> {
    let content = der::sequence(&[&der::tlv(der::OID, &[0x2A, 3])]);
    let signed = [
        &[der::INTEGER, 1, 3][..],
        &der::tlv(der::SET, &[]),
        &content,
        &der::tlv(der::CONTEXT_0, certificates),
        &der::tlv(der::SET, signer_infos),
    ];
    der::sequence(&[&SIGNED_DATA, &der::tlv(der::CONTEXT_0, &der::sequence(&signed))])
}

fn signer(attributes: &[u8]) -> Vec<u8> {
    let attributes = if attributes.is_empty() { Vec::new() } else { der::tlv(der::CONTEXT_0, attributes) };
    let key_identifier = [0x80, 1, 7];
    let algorithm = der::sequence(&[&der::tlv(der::OID, &[0x2A, 3])]);
    der::sequence(&[
        &[der::INTEGER, 1, 3],
        &key_identifier,
        &algorithm,
        &attributes,
        &algorithm,
        &[der::OCTET_STRING, 0],
    ])
}

fn attribute(id: u8, values: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::tlv(der::OID, &[0x2A, id]), &der::tlv(der::SET, values)])
}

#[test]
fn bounds() {
    let certificate = [0x30, 0];
    let good = |bytes: &[u8]| SignedData::from_der(bytes).is_some();
    assert!(good(&message(&certificate.repeat(DER_CERTIFICATES_MAX), &signer(&[]).repeat(DER_SIGNERS_MAX))));
    assert!(!good(&message(&certificate.repeat(DER_CERTIFICATES_MAX + 1), &[])));
    assert!(!good(&message(&[], &signer(&[]).repeat(DER_SIGNERS_MAX + 1))));
    let attributes = |count: usize| signer(&attribute(5, &[5, 0]).repeat(count));
    assert!(good(&message(&[], &attributes(ATTRIBUTES_MAX))));
    assert!(!good(&message(&[], &attributes(ATTRIBUTES_MAX + 1))));
}

#[test]
fn what_stands_once_is_found() {
    let bytes = message(
        &[],
        &signer(
            &[
                attribute(1, &[5, 0]),
                attribute(2, &[5, 0]),
                attribute(2, &[5, 0]),
                attribute(3, &[5, 0, 5, 0]),
                attribute(4, &[]),
            ]
            .concat(),
        ),
    );
    let signed = SignedData::from_der(&bytes).unwrap();
    let [info] = &signed.signers[..] else { panic!("one signer") };
    assert_eq!(info.sid, SignerId::KeyIdentifier(&[7]));
    assert_eq!(info.signed_attribute(&[0x2A, 1]), Some(&[5, 0][..]));
    // Doubled, with two values, with none, absent.
    for id in 2..6 {
        assert_eq!(info.signed_attribute(&[0x2A, id]), None, "{id}");
    }
    assert_eq!(info.unsigned_attribute(&[0x2A, 1]), None);
}

/// What strangers may leave as they like has one form here; what nobody who asks for DER looks at is not looked at.
#[test]
fn what_ber_leaves_open() {
    let check = |bytes: &[u8], in_der: bool, in_ber: bool| {
        let found = (SignedData::from_der(bytes).is_some(), SignedData::from_ber(bytes).is_ok());
        assert_eq!(found, (in_der, in_ber), "{}", hex::encode(bytes));
    };
    let good = message(&[], &signer(&[]));
    check(&good, true, true);
    check(&[&good[..], &[0]].concat(), false, true);
    let outer = Reader::new(&good).value().unwrap().content;
    check(&der::sequence(&[outer, &[5, 0]]), false, true);
    check(&[&[0x30, 0x80][..], outer, &[0, 0]].concat(), false, true);
    let id = der::sequence(&[&der::sequence(&[]), &[der::INTEGER, 1, 7], &[5, 0]]);
    let (algorithm, rest) = (der::sequence(&[&der::tlv(der::OID, &[0x2A, 3])]), [der::OCTET_STRING, 0]);
    let fields = |id: &[u8], algorithm: &[u8], attributes: &[u8]| {
        message(&[], &der::sequence(&[&[der::INTEGER, 1, 1], id, algorithm, attributes, algorithm, &rest]))
    };
    check(&fields(&id, &algorithm, &[]), false, true);
    check(&fields(&[0x80, 1, 7], &algorithm, &[der::CONTEXT_0, 0]), false, true);
    // An algorithm that does not read; a value that does not.
    check(&fields(&[0x80, 1, 7], &[der::SEQUENCE, 0], &[]), true, false);
    let with_value = |value: &[u8]| message(&[], &signer(&attribute(1, value)));
    check(&with_value(&[5]), true, false);
    check(&with_value(&[5, 0x81, 0]), true, true);
    let found = |value: &[u8]| {
        SignedData::from_der(&with_value(value)).unwrap().signers[0].signed_attribute(&[0x2A, 1]).is_some()
    };
    assert!(found(&[5, 0]) && !found(&[5, 0x81, 0]) && !found(&[5]));
}

#[test]
fn certificates_of_another_kind_are_told() {
    let signed = |certificates: &[u8]| {
        let bytes = message(certificates, &[]);
        let signed = SignedData::from_der(&bytes).unwrap();
        (signed.certificates().count(), signed.has_other_certificates())
    };
    assert_eq!(signed(&[0x30, 0]), (1, false));
    assert_eq!(signed(&[0x30, 0, 0xA1, 0]), (1, true));
}

#[test]
fn a_token_of_ours_by_its_key_and_by_no_other() {
    for unit in [testing::ec(), testing::rsa()] {
        let token = testing::token(unit, true);
        let signed = SignedData::from_der(&token).unwrap();
        let [info] = &signed.signers[..] else { panic!("one signer") };
        assert!(info.sid.names(unit.tsu.certificate()) && !info.sid.names(&testing::PKI.ca));
        let content = signed.attached().unwrap();
        assert_eq!(info.verify(signed.content_type, content, unit.key.spki_der()), Ok(()));
        assert_eq!(info.verify(&[0x2A], content, unit.key.spki_der()), Err(SignatureFault::ContentType));
        assert_eq!(info.verify(signed.content_type, b"", unit.key.spki_der()), Err(SignatureFault::MessageDigest));
    }
}

proptest! {
    #[test]
    fn parse_never_panics(bytes: Vec<u8>) {
        let _ = SignedData::from_der(&bytes);
    }

    #[test]
    fn nor_does_a_changed_token(place: prop::sample::Index, to: u8) {
        let mut token = testing::token(testing::ec(), true);
        let place = place.index(token.len());
        token[place] = to;
        let _ = SignedData::from_der(&token);
    }
}
