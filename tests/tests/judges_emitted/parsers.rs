//! Two other parsers of DER, x509-cert with x509-ocsp and libcrypto, read everything: the same octets come out again, and the fields
//! are what our own reader says.

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::ocsp::OcspResponse as CryptoResponse;
use openssl::pkey::{PKey, Public};
use openssl::sign::Verifier;
use openssl::stack::Stack;
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509Crl, X509NameBuilder, X509ReqBuilder};
use semper_tests::pki::private_key;
use semper_ttp::ca::crl::Reason;
use semper_ttp::ca::ocsp::response::{BasicResponse, ReadResponder, ReadResponse, ReadStatus, read};
use semper_ttp::ca::request::CertificationRequest;
use semper_ttp::crypto::KeyKind;
use semper_ttp::time::Timestamp;
use semper_ttp::x509::{Certificate, KeyUsage};
use x509_cert::crl::CertificateList;
use x509_cert::der::asn1::Null;
use x509_cert::der::{DecodeOwned, Encode};
use x509_cert::ext::pkix::crl::CrlNumber;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{self, CrlReason, IssuingDistributionPoint};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::request::CertReq;
use x509_cert::time::Time;
use x509_ocsp::{BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspResponse, OcspResponseStatus, ResponderId};

use crate::emission::{Artefact, EMITTED, Gone, Kind};

/// Reads octets with the other parser, which must write the same.
fn other<T: DecodeOwned + Encode>(title: &str, der: &[u8]) -> T {
    let read = T::from_der(der).unwrap_or_else(|error| panic!("{title}: {error}"));
    assert_eq!(read.to_der().expect("DER"), der, "{title}: other octets");
    read
}

fn octets(part: &impl Encode) -> Vec<u8> {
    part.to_der().expect("DER")
}

fn secs(time: Time) -> u64 {
    time.to_unix_duration().as_secs()
}

fn ocsp_secs(time: OcspGeneralizedTime) -> u64 {
    time.0.to_unix_duration().as_secs()
}

// ---- certificates -------------------------------------------------------------------------------------------------------

#[test]
fn certificates_read_the_same() {
    let mut count = 0;
    for Artefact { title, der, kind } in EMITTED.iter() {
        let Kind::Certificate { issuer, .. } = kind else { continue };
        certificate(title, der);
        let crypto = X509::from_der(der).unwrap_or_else(|error| panic!("{title}: {error}"));
        assert_eq!(&crypto.to_der().expect("DER"), der, "{title}");
        assert!(crypto.verify(&key_of(issuer)).expect("a verification"), "{title}: its signature");
        count += 1;
    }
    assert!(count > 100, "{count}");
}

fn key_of(certificate: &[u8]) -> PKey<Public> {
    X509::from_der(certificate).and_then(|issuer| issuer.public_key()).expect("an issuer")
}

fn certificate(title: &str, der: &[u8]) {
    let ours = Certificate::from_der(der).expect("our reader");
    let theirs: x509_cert::Certificate = other(title, der);
    let tbs = &theirs.tbs_certificate;
    assert_eq!(tbs.serial_number.as_bytes(), ours.serial(), "{title}");
    assert_eq!(octets(&tbs.subject), rasn::der::encode(ours.subject()).expect("DER"), "{title}");
    assert_eq!(octets(&tbs.issuer), rasn::der::encode(ours.issuer()).expect("DER"), "{title}");
    let (validity, expected) = (tbs.validity, ours.validity());
    let found = (secs(validity.not_before), secs(validity.not_after));
    assert_eq!(found, (expected.not_before.secs(), expected.not_after.secs()), "{title}");
    assert_eq!(octets(&tbs.subject_public_key_info), ours.spki_der(), "{title}");
    let expected = ours
        .decoded()
        .tbs_certificate
        .extensions
        .iter()
        .flat_map(|all| all.iter())
        .map(|one| (rasn::der::encode(&one.extn_id).expect("DER"), one.critical, one.extn_value.to_vec()));
    let found = tbs.extensions.iter().flatten();
    let found = found.map(|one| (octets(&one.extn_id), one.critical, one.extn_value.as_bytes().to_vec()));
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{title}");
    tbs.extensions.iter().flatten().for_each(|one| extension(title, one));

    // What the extensions say.
    let is_ca = tbs.get::<pkix::BasicConstraints>().expect("one").map(|(_, found)| found.ca);
    assert_eq!(is_ca.unwrap_or(false), ours.is_ca(), "{title}");
    let (_, usage) = tbs.get::<pkix::KeyUsage>().expect("one").expect("a key usage");
    let expected = ours.key_usage().expect("a key usage").value;
    for (found, ours) in [
        (usage.digital_signature(), KeyUsage::DIGITAL_SIGNATURE),
        (usage.non_repudiation(), KeyUsage::NON_REPUDIATION),
        (usage.key_encipherment(), KeyUsage::KEY_ENCIPHERMENT),
        (usage.key_agreement(), KeyUsage::KEY_AGREEMENT),
        (usage.key_cert_sign(), KeyUsage::KEY_CERT_SIGN),
        (usage.crl_sign(), KeyUsage::CRL_SIGN),
    ] {
        assert_eq!(found, expected.has(ours), "{title}: {ours:?}");
    }
    let place = tbs.get::<pkix::CrlDistributionPoints>().expect("one").map(|(_, points)| {
        let [DistributionPoint { distribution_point: Some(point), .. }] = &points.0[..] else { panic!("{title}") };
        uri(point)
    });
    assert_eq!(place, ours.crl_place(), "{title}");
    let id = tbs.get::<pkix::SubjectKeyIdentifier>().expect("one").map(|(_, id)| id.0.into_bytes());
    assert_eq!(id, ours.subject_key_identifier().map(|id| id.to_vec()), "{title}");
    let id = tbs.get::<pkix::AuthorityKeyIdentifier>().expect("one").and_then(|(_, id)| id.key_identifier);
    assert_eq!(id.map(|id| id.into_bytes()), ours.authority_key_identifier().map(|id| id.to_vec()), "{title}");
}

fn uri(point: &DistributionPointName) -> String {
    match point {
        DistributionPointName::FullName(names) => match &names[..] {
            [GeneralName::UniformResourceIdentifier(uri)] => uri.to_string(),
            names => panic!("{names:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Each value reads, too, but that of qcStatements, which x509-cert does not know.
fn extension(title: &str, one: &Extension) {
    let value = one.extn_value.as_bytes();
    match one.extn_id.to_string().as_str() {
        "2.5.29.14" => drop(other::<pkix::SubjectKeyIdentifier>(title, value)),
        "2.5.29.15" => drop(other::<pkix::KeyUsage>(title, value)),
        "2.5.29.16" => drop(other::<pkix::PrivateKeyUsagePeriod>(title, value)),
        "2.5.29.17" => drop(other::<pkix::SubjectAltName>(title, value)),
        "2.5.29.19" => drop(other::<pkix::BasicConstraints>(title, value)),
        "2.5.29.20" => drop(other::<CrlNumber>(title, value)),
        "2.5.29.28" => drop(other::<IssuingDistributionPoint>(title, value)),
        "2.5.29.31" => drop(other::<pkix::CrlDistributionPoints>(title, value)),
        "2.5.29.32" => drop(other::<pkix::CertificatePolicies>(title, value)),
        "2.5.29.35" => drop(other::<pkix::AuthorityKeyIdentifier>(title, value)),
        "2.5.29.37" => drop(other::<pkix::ExtendedKeyUsage>(title, value)),
        "1.3.6.1.5.5.7.1.1" => drop(other::<pkix::AuthorityInfoAccessSyntax>(title, value)),
        "1.3.6.1.5.5.7.48.1.5" => drop(other::<Null>(title, value)),
        "1.3.6.1.5.5.7.1.3" => {}
        id => panic!("{title}: what is {id}?"),
    }
}

// ---- lists --------------------------------------------------------------------------------------------------------------

#[test]
fn lists_name_what_was_revoked() {
    let (mut count, mut shards_with_entries) = (0, 0);
    for Artefact { title, der, kind } in EMITTED.iter() {
        let Kind::List { issuer, shard, names, .. } = kind else { continue };
        list(title, der, issuer, shard.as_deref(), names);
        let crypto = X509Crl::from_der(der).unwrap_or_else(|error| panic!("{title}: {error}"));
        assert_eq!(&crypto.to_der().expect("DER"), der, "{title}");
        assert!(crypto.verify(&key_of(issuer)).expect("a verification"), "{title}: its signature");
        assert_eq!(crypto.get_revoked().map_or(0, |all| all.len()), names.len(), "{title}");
        count += 1;
        shards_with_entries += u32::from(shard.is_some() && !names.is_empty());
    }
    assert!(count == 28 && shards_with_entries > 0, "{count}, {shards_with_entries}");
}

fn list(title: &str, der: &[u8], issuer: &[u8], shard: Option<&str>, names: &[Gone]) {
    let theirs: CertificateList = other(title, der);
    let tbs = &theirs.tbs_cert_list;
    let issuer = Certificate::from_der(issuer).expect("an issuer");
    assert_eq!(octets(&tbs.issuer), rasn::der::encode(issuer.subject()).expect("DER"), "{title}");
    assert!(secs(tbs.this_update) < secs(tbs.next_update.expect("nextUpdate")), "{title}");
    let extensions = tbs.crl_extensions.as_ref().expect("extensions");
    extensions.iter().for_each(|one| extension(title, one));
    let number: CrlNumber = value(extensions, "2.5.29.20").expect("a number");
    assert!(number.0.as_bytes().len() <= 8, "{title}");
    let point: Option<IssuingDistributionPoint> = value(extensions, "2.5.29.28");
    assert_eq!(point.is_some(), shard.is_some(), "{title}");
    if let Some(point) = point {
        assert_eq!(point.distribution_point.as_ref().map(uri).as_deref(), shard, "{title}");
        assert!(point.only_contains_user_certs && !point.only_contains_ca_certs && !point.indirect_crl, "{title}");
    }
    // The field is absent, not empty.
    assert_eq!(tbs.revoked_certificates.is_none(), names.is_empty(), "{title}");
    let found = tbs.revoked_certificates.iter().flatten().map(|one| {
        let reason: Option<CrlReason> = one.crl_entry_extensions.as_ref().and_then(|all| value(all, "2.5.29.21"));
        (one.serial_number.as_bytes().to_vec(), secs(one.revocation_date), reason.map(|reason| reason as u64))
    });
    let expected = names.iter().map(|one| {
        let reason = Some(one.reason.code()).filter(|code| *code != Reason::Unspecified.code());
        (one.serial.clone(), one.at.secs(), reason)
    });
    let (mut found, mut expected) = (found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{title}");
}

/// The value of an extension. By its identifier in so many words: x509-cert 0.2.5 gives that of another one to
/// issuingDistributionPoint.
fn value<T: DecodeOwned>(extensions: &Extensions, id: &str) -> Option<T> {
    let found = extensions.iter().find(|one| one.extn_id.to_string() == id)?;
    Some(T::from_der(found.extn_value.as_bytes()).expect("its value"))
}

// ---- OCSP ---------------------------------------------------------------------------------------------------------------

#[test]
fn statuses_read_the_same() {
    let (mut answers, mut errors) = (0, 0);
    for Artefact { title, der, kind } in EMITTED.iter() {
        let Kind::Status = kind else { continue };
        let theirs: OcspResponse = other(title, der);
        let crypto = CryptoResponse::from_der(der).unwrap_or_else(|error| panic!("{title}: {error}"));
        assert_eq!(&crypto.to_der().expect("DER"), der, "{title}");
        match read(der).unwrap_or_else(|fault| panic!("{title}: {fault}")) {
            ReadResponse::Basic(ours) => {
                assert_eq!(theirs.response_status, OcspResponseStatus::Successful, "{title}");
                let body = theirs.response_bytes.expect("a body");
                assert_eq!(body.response_type.to_string(), "1.3.6.1.5.5.7.48.1.1", "{title}");
                status(title, &ours, &other(title, body.response.as_bytes()));
                answers += 1;
            }
            ReadResponse::Error(ours) => {
                assert_eq!((theirs.response_status as u32, theirs.response_bytes), (ours as u32, None), "{title}");
                assert_eq!(crypto.status().as_raw(), ours as i32, "{title}");
                errors += 1;
            }
        }
    }
    assert!(answers > 100 && errors == 5, "{answers}, {errors}");
}

fn status(title: &str, ours: &BasicResponse, theirs: &BasicOcspResponse) {
    let data = &theirs.tbs_response_data;
    assert_eq!(octets(data), ours.tbs_der, "{title}");
    let ReadResponder::KeyHash(expected) = &ours.responder else { panic!("{title}: by name") };
    assert!(matches!(&data.responder_id, ResponderId::ByKey(found) if found.as_bytes() == expected), "{title}");
    assert_eq!(ocsp_secs(data.produced_at), ours.produced_at.secs(), "{title}");
    assert_eq!(data.nonce().as_ref().map(octets), ours.nonce.as_ref().map(|nonce| nonce.value().to_vec()), "{title}");
    let found = data.responses.iter().map(|one| {
        let status = match one.cert_status {
            CertStatus::Good(_) => (0, None, None),
            CertStatus::Revoked(found) => {
                let reason = found.revocation_reason.map(|reason| reason as u64);
                (1, Some(ocsp_secs(found.revocation_time)), reason)
            }
            CertStatus::Unknown(_) => (2, None, None),
        };
        let times = (ocsp_secs(one.this_update), one.next_update.map(ocsp_secs));
        (octets(&one.cert_id), one.cert_id.serial_number.as_bytes().to_vec(), status, times)
    });
    let expected = ours.singles.iter().map(|one| {
        let status = match one.status {
            ReadStatus::Good => (0, None, None),
            ReadStatus::Revoked { at, reason } => (1, Some(at.secs()), reason.map(|reason| reason as u64)),
            ReadStatus::Unknown => (2, None, None),
        };
        let times = (one.this_update.secs(), one.next_update.map(Timestamp::secs));
        (one.cert_id.der().to_vec(), one.cert_id.serial().to_vec(), status, times)
    });
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{title}");
    let certs: Vec<Vec<u8>> = theirs.certs.iter().flatten().map(octets).collect();
    assert_eq!(certs, ours.certificates.iter().map(|one| one.der().to_vec()).collect::<Vec<_>>(), "{title}");
    assert_eq!(theirs.signature.as_bytes(), Some(&ours.signature[..]), "{title}");
    let key = key_of(&certs[0]);
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).expect("a verifier");
    assert!(verifier.verify_oneshot(&ours.signature, &ours.tbs_der).expect("a verification"), "{title}");
}

// ---- certification requests ---------------------------------------------------------------------------------------------

/// Requests of libcrypto, with names and attributes that we pass over.
#[test]
fn certification_requests_read_the_same() {
    for kind in [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::Rsa3072, KeyKind::Ed25519] {
        for with_attributes in [false, true] {
            let key = private_key(kind);
            let mut request = X509ReqBuilder::new().expect("a request");
            request.set_pubkey(&key).expect("a key");
            if with_attributes {
                let mut name = X509NameBuilder::new().expect("a name");
                name.append_entry_by_nid(Nid::COMMONNAME, "shop.example.com").expect("a name");
                request.set_subject_name(&name.build()).expect("a name");
                let mut names = SubjectAlternativeName::new();
                let names = names.dns("shop.example.com").build(&request.x509v3_context(None)).expect("names");
                let mut extensions = Stack::new().expect("a stack");
                extensions.push(names).expect("pushed");
                request.add_extensions(&extensions).expect("extensions");
            }
            let digest = if kind == KeyKind::Ed25519 { MessageDigest::null() } else { MessageDigest::sha384() };
            request.sign(&key, digest).expect("a signature");
            let der = request.build().to_der().expect("DER");
            let ours = CertificationRequest::from_der(&der).unwrap_or_else(|fault| panic!("{kind:?}: {fault}"));
            let theirs: CertReq = other("a request", &der);
            assert_eq!(octets(&theirs.info.public_key), ours.spki_der(), "{kind:?}");
            assert_eq!(ours.kind(), kind);
            assert_eq!(theirs.info.attributes.len(), usize::from(with_attributes));
        }
    }
}
