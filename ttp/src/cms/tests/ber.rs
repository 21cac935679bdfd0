//! SignedData that nobody should have written.

use crate::asn1::der::{self, sequence, tlv};
use crate::cms::attribute::ATTRIBUTES_BYTES_MAX;
use crate::cms::signed_data::{CMS_BYTES_MAX, SIGNERS_MAX};
use crate::cms::*;

fn oid(content: &[u8]) -> Vec<u8> {
    tlv(der::OID, content)
}

/// A SignerInfo with these signed and unsigned attributes.
fn signer(signed: &[u8], unsigned: &[u8]) -> Vec<u8> {
    let id = sequence(&[&sequence(&[]), &tlv(der::INTEGER, &[7])]);
    let algorithm = sequence(&[&oid(oids::SHA256)]);
    let signature = tlv(der::OCTET_STRING, &[1, 2, 3]);
    sequence(&[&tlv(der::INTEGER, &[1]), &id, &algorithm, signed, &algorithm, &signature, unsigned])
}

fn signed_data(certificates: &[u8], signers: &[u8]) -> Vec<u8> {
    let content = sequence(&[&oid(oids::DATA), &tlv(der::CONTEXT_0, &tlv(der::OCTET_STRING, b"mule"))]);
    let signed = sequence(&[
        &tlv(der::INTEGER, &[1]),
        &tlv(der::SET, &[]),
        &content,
        &tlv(0xA0, certificates),
        &tlv(der::SET, signers),
    ]);
    sequence(&[&oid(oids::SIGNED_DATA), &tlv(der::CONTEXT_0, &signed)])
}

fn attribute(name: &[u8], values: &[&[u8]]) -> Vec<u8> {
    sequence(&[&oid(name), &tlv(der::SET, &values.concat())])
}

fn check(bytes: &[u8], expected: Result<usize, &str>) {
    let found = SignedData::from_ber(bytes).map(|data| data.signers.len());
    match (&found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(*found, expected),
        (Err(fault), Err(part)) => assert!(fault.contains(part), "{fault:?} has no {part:?}"),
        _ => panic!("found {found:?}, expected {expected:?}"),
    }
}

#[test]
fn what_is_signed_data() {
    check(&signed_data(&[], &signer(&[], &[])), Ok(1));
    check(&signed_data(&[], &[]), Ok(0));
    check(&[], Err("ContentInfo"));
    check(&sequence(&[&oid(oids::DATA)]), Err("it is 1.2.840.113549.1.7.1, not SignedData"));
    check(&signed_data(&[], &signer(&[], &[0x30, 0])), Err("something follows the unsigned attributes"));
    check(&signed_data(&[], &signer(&tlv(0xA0, &[0x30, 0]), &[])), Err("signed attributes: one of them does not read"));
    for cut in 1..60 {
        let whole = signed_data(&[], &signer(&[], &[]));
        assert!(SignedData::from_ber(&whole[..whole.len() - cut]).is_err());
    }
}

#[test]
fn bombs_are_refused() {
    let one = signer(&[], &[]);
    check(&signed_data(&[], &one.repeat(SIGNERS_MAX)), Ok(SIGNERS_MAX));
    check(&signed_data(&[], &one.repeat(SIGNERS_MAX + 1)), Err("more than 32 signers"));
    check(&signed_data(&[0x30, 0].repeat(MATERIAL_MAX + 1), &one), Err("certificates does not read"));
    let many = attribute(oids::DATA, &[&[5, 0]]).repeat(65);
    check(&signed_data(&[], &signer(&tlv(0xA0, &many), &[])), Err("more than 64"));
    let values = attribute(oids::DATA, &[&[5, 0].repeat(65)]);
    check(&signed_data(&[], &signer(&tlv(0xA0, &values), &[])), Err("does not read"));
    let long = attribute(oids::DATA, &[&tlv(der::OCTET_STRING, &vec![0; ATTRIBUTES_BYTES_MAX])]);
    check(&signed_data(&[], &signer(&tlv(0xA0, &long), &[])), Err("octets"));
    check(&vec![0x30; CMS_BYTES_MAX + 1], Err("more than"));
    check(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF], Err("ContentInfo"));
    check(&[0x30, 0x80].repeat(1_000_000), Err("ContentInfo"));
}

#[test]
fn attributes_are_there_once() {
    let digest = attribute(oids::MESSAGE_DIGEST, &[&[4, 1, 9]]);
    let only = |attributes: &[u8]| {
        let whole = signed_data(&[], &signer(&tlv(0xA0, attributes), &[]));
        let data = SignedData::from_ber(&whole).unwrap();
        let only = data.signers[0].signed.as_ref().unwrap().only(oids::MESSAGE_DIGEST);
        only.map(|value| value.map(<[u8]>::to_vec))
    };
    assert_eq!(only(&digest), Ok(Some(vec![4, 1, 9])));
    assert_eq!(only(&attribute(oids::DATA, &[])), Ok(None));
    assert_eq!(only(&digest.repeat(2)), Err("messageDigest is there twice".to_owned()));
    let twice = attribute(oids::MESSAGE_DIGEST, &[&[4, 1, 9], &[4, 1, 8]]);
    assert_eq!(only(&twice), Err("messageDigest has not exactly one value".to_owned()));
}

/// RFC 5652 §5.4: the DER of the SET is signed, in whatever order it was sent; programs that do not sort sign what they send.
#[test]
fn signed_attributes_have_two_forms() {
    let (small, large) = (attribute(oids::DATA, &[&[5, 0]]), attribute(oids::MESSAGE_DIGEST, &[&[4, 1, 9]]));
    let forms = |attributes: &[Vec<u8>]| {
        let whole = signed_data(&[], &signer(&tlv(0xA0, &attributes.concat()), &[]));
        SignedData::from_ber(&whole).unwrap().signers[0].signed.as_ref().unwrap().signed_forms()
    };
    let sorted = tlv(der::SET, &[small.clone(), large.clone()].concat());
    assert_eq!(forms(&[small.clone(), large.clone()]), (sorted.clone(), None));
    let received = tlv(der::SET, &[large.clone(), small.clone()].concat());
    assert_eq!(forms(&[large, small]), (received, Some(sorted)));
}

#[test]
fn moments() {
    let read = |tag: u8, text: &str| time(&tlv(tag, text.as_bytes())).map(|time| time.to_string());
    assert_eq!(read(0x17, "250301120000Z").as_deref(), Some("2025-03-01T12:00:00.000Z"));
    assert_eq!(read(0x17, "990301120000Z").as_deref(), Some("1999-03-01T12:00:00.000Z"));
    assert_eq!(read(der::GENERALIZED_TIME, "20250301120000.25Z").as_deref(), Some("2025-03-01T12:00:00.250Z"));
    for bad in ["", "Z", "2503011200Z", "250301120000", "250301120000+0100", "25030112000éZ", "251301120000Z"] {
        assert_eq!(read(0x17, bad), None, "{bad}");
    }
}

#[test]
fn references_to_certificates() {
    let hash = tlv(der::OCTET_STRING, &[9; 32]);
    let name = tlv(0xA4, &sequence(&[]));
    let serial = sequence(&[&sequence(&[&name]), &tlv(der::INTEGER, &[7])]);
    let value = |fields: &[&[u8]]| sequence(&[&sequence(&[&sequence(fields)])]);
    let plain = value(&[&hash]);
    let read = EssCert::parse(&plain, true).unwrap();
    assert_eq!((read.hash, read.digest, read.issuer_serial), (oids::SHA256, &[9; 32][..], None));
    assert_eq!(EssCert::parse(&plain, false).unwrap().hash, oids::SHA1);
    let full = value(&[&sequence(&[&oid(oids::SHA1)]), &hash, &serial]);
    let read = EssCert::parse(&full, true).unwrap();
    assert_eq!((read.hash, read.issuer_serial), (oids::SHA1, Some((&[0x30, 0][..], &[7][..]))));
    assert_eq!(EssCert::parse(&sequence(&[]), true), None);
}
