//! Certificates of every kind, ours among them, and octets that are none.

use super::*;
use crate::asn1::der::{sequence, tlv};
use crate::path::testing::{Draft, KEYS, extension, list, name_der, time};
use crate::path::{Crl, OcspResponse};
use crate::testing::{OCSP, OLD_CA, PKI, ec, rsa};

/// rasn-pkix, which reads our own certificates, is the second reader.
#[test]
fn the_second_reader_agrees() {
    let units = [ec().tsu.certificate(), rsa().tsu.certificate()];
    for own in [&PKI.root, &PKI.ca, &OCSP.1, &OLD_CA.issued[0]].into_iter().chain(units) {
        let read = Certificate::from_der(own.der()).unwrap();
        assert_eq!(read.signed().tbs(), crate::x509::encode(&own.decoded().tbs_certificate));
        assert_eq!(read.serial(), own.serial());
        assert_eq!(read.subject().der(), crate::x509::encode(own.subject()));
        assert_eq!(read.issuer().der(), crate::x509::encode(own.issuer()));
        assert_eq!(read.validity(), own.validity());
        assert_eq!((read.spki(), read.key_bits()), (&own.spki_der()[..], own.key_bits()));
        assert_eq!(read.signed().signature(), own.decoded().signature_value.as_raw_slice());
        assert_eq!((read.is_ca(), read.key_usage()), (own.is_ca(), own.key_usage().map(|usage| usage.value)));
        assert_eq!(read.subject_key(), own.subject_key_identifier().as_deref());
        assert_eq!(read.authority_key().key_id.as_deref(), own.authority_key_identifier().as_deref());
        let theirs = own.decoded().tbs_certificate.extensions.as_ref().map_or(0, |list| list.len());
        assert_eq!(read.extensions().iter().count(), theirs);
        assert!(
            read.malformed_extensions().is_empty()
                && read.signed().algorithms_agree()
                && read.signed().scheme().is_some()
        );
        assert_eq!(read.digest(), own.digest());
    }
}

#[test]
fn what_is_odd_and_read_all_the_same() {
    let key = &KEYS[0];
    let draft = |change: fn(&mut Draft<'_>)| {
        let mut draft = Draft::new("Ada", key, "CA", key);
        change(&mut draft);
        Certificate::from_der(&draft.der())
    };
    assert_eq!(draft(|d| d.version = None).unwrap().version(), 1);
    assert_eq!(draft(|d| d.version = Some(1)).unwrap().version(), 2);
    assert_eq!(draft(|d| d.version = Some(3)).unwrap_err(), ReadFault::Version { version: 4 });
    assert_eq!(draft(|d| d.serial = vec![0x7F; 40_000]).unwrap().serial().len(), 40_000);
    assert_eq!(draft(|d| d.serial = vec![0xFF, 0xFF]).unwrap().serial(), [0xFF]);
    assert_eq!(draft(|d| d.serial = vec![0, 0, 0xFF]).unwrap().serial(), [0, 0xFF]);
    assert_eq!(draft(|d| d.serial = vec![]).unwrap_err(), ReadFault::Malformed { what: "serialNumber" });
    assert!(draft(|d| d.subject = "").unwrap().subject().is_empty());
    let too_long = draft(|d| d.serial = vec![0x7F; 70_000]).unwrap_err();
    assert!(matches!(too_long, ReadFault::TooLong { max: CERTIFICATE_BYTES_MAX, .. }));
    // A doubled extension, and one that is no extension.
    let twice = draft(|d| d.extensions = vec![extension(id::SUBJECT_KEY, false, &[4, 1, 7]); 2]).unwrap();
    assert_eq!((twice.extensions().doubled().len(), twice.subject_key()), (1, Some(&[7][..])));
    let bad = draft(|d| d.extensions = vec![extension(id::KEY_USAGE, false, &[4, 1, 7])]).unwrap();
    assert_eq!((bad.malformed_extensions().len(), bad.key_usage()), (1, None));
    let some = draft(|d| d.extensions = vec![sequence(&[&tlv(4, &[])])]).unwrap_err();
    assert_eq!(some, ReadFault::Malformed { what: "extensions" });
}

/// A letter that NFKC makes eighteen of, and as many extensions and names as there is room for.
#[test]
fn what_would_grow_is_bounded() {
    let long = |letters: usize| name_der(&"\u{FDFA}".repeat(letters));
    assert!(Name::from_der(&long(5_000)).is_some() && Name::from_der(&long(6_000)).is_none());
    let many = |count: usize| {
        let mut draft = Draft::new("Ada", &KEYS[0], "CA", &KEYS[0]);
        draft.extensions = vec![extension(&[0x2A, 3], false, &[]); count];
        Certificate::from_der(&draft.der()).map(|read| read.extensions().iter().count())
    };
    assert_eq!((many(128), many(129)), (Ok(128), Err(ReadFault::Malformed { what: "extensions" })));
    let names = |count: usize| GeneralName::read_all(&[0x82, 0].repeat(count)).map(|names| names.len());
    assert_eq!((names(32_768), names(32_769), names(0)), (Some(32_768), None, None));
}

/// Nothing here recurses, so depth costs nothing.
#[test]
fn nesting_is_not_followed() {
    let deep = (0..9_000).fold(Vec::new(), |inner, _| tlv(der::SEQUENCE, &inner));
    let mut draft = Draft::new("Ada", &KEYS[0], "CA", &KEYS[0]);
    for known in [id::NAME_CONSTRAINTS, id::DISTRIBUTION_POINTS] {
        draft.extensions = vec![extension(known, false, &deep)];
        assert_eq!(draft.make().malformed_extensions().len(), 1);
    }
    assert!(Certificate::from_der(&deep).is_err());
}

/// Every octet changed: read or refused, never worse.
#[test]
fn broken_octets() {
    let draft = Draft::new("Ada", &KEYS[0], "CA", &KEYS[0]).with(crate::path::testing::ca(Some(3)));
    let entries: [(&[u8], _, _); 1] = [(&[5], crate::path::testing::NOON, 1)];
    let crl = list("CA", &KEYS[0], crate::path::testing::NOON, None, &entries, &[]);
    let ocsp = sequence(&[&tlv(0x0A, &[1])]);
    assert_eq!(OcspResponse::from_der(&ocsp).unwrap_err(), ReadFault::NoAnswer { code: 1 });
    for der in [draft.der(), crl.der().to_vec(), ocsp] {
        for at in 0..der.len() {
            for flip in [0x01, 0x20, 0x80, 0xFF] {
                let mut changed = der.clone();
                changed[at] ^= flip;
                let read = Certificate::from_der(&changed);
                let shown = read.as_ref().map(|c| (format!("{c:?}"), c.signed().algorithm(), c.key().is_ok()));
                assert!(shown.is_err() || shown.is_ok_and(|(words, ..)| !words.is_empty()));
                let _ = (Crl::from_der(&changed), OcspResponse::from_der(&changed), Certificate::from_der(&der[..at]));
            }
        }
    }
}

#[test]
fn names_are_one_whatever_their_type() {
    let printable =
        sequence(&[&tlv(der::SET, &sequence(&[&tlv(der::OID, &[0x55, 4, 3]), &tlv(0x13, b" ADA  lovelace")]))]);
    let utf8 = name_der("Ada Lovelace");
    let (a, b) = (Name::from_der(&printable).unwrap(), Name::from_der(&utf8).unwrap());
    assert_eq!(a, b);
    assert_ne!(a.der(), b.der());
    assert_eq!(b.to_string(), "CN=Ada Lovelace");
    let turned = Name::from_der(&name_der("a,\u{202E}b")).unwrap();
    assert_eq!(turned.to_string(), "CN=a\\,\\u{202e}b");
    assert!(a.is_below(&Name::from_der(&sequence(&[])).unwrap()) && !a.is_below(&turned));
    assert_eq!(Name::from_der(&time(crate::path::testing::NOON)), None);
}
