//! A PKI that does what a test says, made octet by octet: certificates, lists and responses with any fault.

use std::sync::{Arc, LazyLock};

use super::certificate::Certificate;
use super::crl::Crl;
use super::extensions::id;
use super::ocsp::OcspResponse;
use super::{Anchor, Checks, Material, Name, Settings};
use crate::asn1::der::{self, sequence, tlv};
use crate::crypto::{SignatureAlgorithm, Signer as _, SoftKey, sha1};
use crate::time::Timestamp;

/// 2026-03-01T12:00:00Z.
pub(super) const NOON: Timestamp = Timestamp::from_secs(1_772_366_400);
pub(super) const DAY_SECS: u64 = 86_400;

pub(super) fn days(count: i64) -> Timestamp {
    match u64::try_from(count) {
        Ok(count) => NOON.plus_secs(count * DAY_SECS),
        Err(_) => NOON.minus_millis(count.unsigned_abs() * DAY_SECS * 1000),
    }
}

/// Keys made once: root, CA, end entity, and others.
pub(super) static KEYS: LazyLock<[SoftKey; 5]> =
    LazyLock::new(|| [(); 5].map(|()| SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap()));

pub(super) fn name_der(common_name: &str) -> Vec<u8> {
    if common_name.is_empty() {
        return sequence(&[]);
    }
    let attribute = sequence(&[&tlv(der::OID, &[0x55, 4, 3]), &tlv(der::UTF8_STRING, common_name.as_bytes())]);
    sequence(&[&tlv(der::SET, &attribute)])
}

pub(super) fn name(common_name: &str) -> Name {
    Name::from_der(&name_der(common_name)).unwrap()
}

pub(super) fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { tlv(1, &[0xFF]) } else { Vec::new() };
    sequence(&[&tlv(der::OID, id), &critical, &tlv(der::OCTET_STRING, value)])
}

pub(super) fn time(at: Timestamp) -> Vec<u8> {
    let mut content = Vec::new();
    der::put_generalized_time(&mut content, at);
    tlv(der::GENERALIZED_TIME, &content)
}

/// basicConstraints of a CA.
pub(super) fn ca(path_length: Option<u8>) -> Vec<u8> {
    let length = path_length.map_or(Vec::new(), |length| tlv(der::INTEGER, &[length]));
    extension(id::BASIC_CONSTRAINTS, true, &sequence(&[&tlv(1, &[0xFF]), &length]))
}

pub(super) fn purpose(id: &[u8]) -> Vec<u8> {
    extension(super::extensions::id::EXTENDED_KEY_USAGE, false, &sequence(&[&tlv(der::OID, id)]))
}

/// A certificate to be made; its parts are changed before.
pub(super) struct Draft<'k> {
    pub(super) subject: &'static str,
    pub(super) issuer: &'static str,
    pub(super) key: &'k SoftKey,
    pub(super) by: &'k SoftKey,
    pub(super) serial: Vec<u8>,
    pub(super) version: Option<u8>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) extensions: Vec<Vec<u8>>,
}

impl<'k> Draft<'k> {
    /// Valid from a year before noon to a year after it.
    pub(super) fn new(subject: &'static str, key: &'k SoftKey, issuer: &'static str, by: &'k SoftKey) -> Self {
        let (from, to) = (days(-365), days(365));
        Self { subject, issuer, key, by, serial: vec![1], version: Some(2), from, to, extensions: Vec::new() }
    }

    pub(super) fn with(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    pub(super) fn der(&self) -> Vec<u8> {
        let version = self.version.map_or(Vec::new(), |v| tlv(der::CONTEXT_0, &tlv(der::INTEGER, &[v])));
        let extensions = match self.extensions.is_empty() {
            true => Vec::new(),
            false => tlv(0xA3, &sequence(&[&self.extensions.concat()])),
        };
        let tbs = sequence(&[
            &version,
            &tlv(der::INTEGER, &self.serial),
            self.by.algorithm().identifier_der(),
            &name_der(self.issuer),
            &sequence(&[&time(self.from), &time(self.to)]),
            &name_der(self.subject),
            self.key.spki_der(),
            &extensions,
        ]);
        signed(&tbs, self.by, &[])
    }

    pub(super) fn make(&self) -> Arc<Certificate> {
        Arc::new(Certificate::from_der(&self.der()).unwrap())
    }
}

/// SEQUENCE { tbs, algorithm, signature, behind }.
pub(super) fn signed(tbs: &[u8], by: &SoftKey, behind: &[u8]) -> Vec<u8> {
    let signature = [&[0], &by.sign(tbs).unwrap()[..]].concat();
    sequence(&[tbs, by.algorithm().identifier_der(), &tlv(der::BIT_STRING, &signature), behind])
}

/// A list by `issuer`: serial number, moment and reason of each entry.
pub(super) fn list(
    issuer: &str,
    by: &SoftKey,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    entries: &[(&[u8], Timestamp, u8)],
    extensions: &[Vec<u8>],
) -> Arc<Crl> {
    let entry = |(serial, at, reason): &(&[u8], Timestamp, u8)| {
        let reason = extension(id::REASON, false, &tlv(0x0A, &[*reason]));
        sequence(&[&tlv(der::INTEGER, serial), &time(*at), &sequence(&[&reason])])
    };
    let entries = entries.iter().map(entry).collect::<Vec<_>>().concat();
    let tbs = sequence(&[
        &tlv(der::INTEGER, &[1]),
        by.algorithm().identifier_der(),
        &name_der(issuer),
        &time(this_update),
        &next_update.map_or(Vec::new(), time),
        &if entries.is_empty() { Vec::new() } else { sequence(&[&entries]) },
        &if extensions.is_empty() { Vec::new() } else { tlv(0xA0, &sequence(&[&extensions.concat()])) },
    ]);
    let der = signed(&tbs, by, &[]);
    let read = Crl::from_der(&der).unwrap();
    // The second reader, which wants a nextUpdate.
    if next_update.is_some() {
        let theirs: rasn_pkix::CertificateList = crate::asn1::decode_strict(&der).unwrap();
        assert_eq!(read.signed().tbs(), crate::x509::encode(&theirs.tbs_cert_list));
        assert_eq!(read.issuer().der(), crate::x509::encode(&theirs.tbs_cert_list.issuer));
        assert_eq!(Some(read.this_update()), crate::x509::from_time(&theirs.tbs_cert_list.this_update));
    }
    Arc::new(read)
}

pub(super) fn good() -> Vec<u8> {
    tlv(0x80, &[])
}

pub(super) fn revoked(at: Timestamp, reason: u8) -> Vec<u8> {
    tlv(0xA1, &[time(at), tlv(0xA0, &tlv(0x0A, &[reason]))].concat())
}

pub(super) fn unknown() -> Vec<u8> {
    tlv(0x82, &[])
}

/// An OCSP response to be made.
pub(super) struct Answer<'k> {
    pub(super) issuer: &'static str,
    pub(super) issuer_key: &'k SoftKey,
    pub(super) serial: Vec<u8>,
    /// certStatus: [`good`], [`revoked`], [`unknown`].
    pub(super) status: Vec<u8>,
    pub(super) this_update: Timestamp,
    pub(super) next_update: Option<Timestamp>,
    pub(super) by: &'k SoftKey,
    pub(super) certificates: Vec<Arc<Certificate>>,
    /// Of the answer.
    pub(super) extensions: Vec<Vec<u8>>,
}

impl Answer<'_> {
    pub(super) fn make(&self) -> Arc<OcspResponse> {
        let sha1_identifier = sequence(&[&tlv(der::OID, crate::crypto::Hash::Sha1.oid())]);
        let cert_id = sequence(&[
            &sha1_identifier,
            &tlv(der::OCTET_STRING, &sha1(&name_der(self.issuer))),
            &tlv(der::OCTET_STRING, &sha1(super::certificate::key_bits(self.issuer_key.spki_der()))),
            &tlv(der::INTEGER, &self.serial),
        ]);
        let extensions = match self.extensions.is_empty() {
            true => Vec::new(),
            false => tlv(0xA1, &sequence(&[&self.extensions.concat()])),
        };
        let next_update = self.next_update.map_or(Vec::new(), |at| tlv(0xA0, &time(at)));
        let single = sequence(&[&cert_id, &self.status, &time(self.this_update), &next_update, &extensions]);
        let key_hash = sha1(super::certificate::key_bits(self.by.spki_der()));
        let responder = tlv(0xA2, &tlv(der::OCTET_STRING, &key_hash));
        let tbs = sequence(&[&responder, &time(self.this_update), &sequence(&[&single])]);
        let certificates = self.certificates.iter().map(|certificate| certificate.der()).collect::<Vec<_>>().concat();
        let basic = signed(&tbs, self.by, &tlv(0xA0, &sequence(&[&certificates])));
        // Both forms in which they are found.
        let whole = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
        let body = sequence(&[&tlv(der::OID, &whole), &tlv(der::OCTET_STRING, &basic)]);
        let response = sequence(&[&tlv(0x0A, &[0]), &tlv(0xA0, &body)]);
        let read = OcspResponse::from_der(&response).unwrap();
        // The second reader.
        let theirs: rasn_ocsp::BasicOcspResponse = crate::asn1::decode_strict(&basic).unwrap();
        assert_eq!(read.signed().tbs(), crate::x509::encode(&theirs.tbs_response_data));
        assert_eq!(read.certificates().len(), theirs.certs.map_or(0, |certificates| certificates.len()));
        assert_eq!(OcspResponse::from_der(&basic).unwrap().signed().tbs(), read.signed().tbs());
        Arc::new(read)
    }
}

/// Root with its key as the anchor.
pub(super) fn anchor() -> Arc<Anchor> {
    Arc::new(Anchor::from_key(name("Root"), KEYS[0].spki_der()).unwrap())
}

pub(super) fn material(certificates: &[Arc<Certificate>]) -> Material {
    let mut material = Material::new();
    certificates.iter().for_each(|certificate| material.add_certificate(certificate).unwrap());
    material
}

pub(super) fn settings() -> Settings {
    Settings::new(days(300))
}

pub(super) fn checks() -> Checks {
    Checks::default()
}
