//! Building responses (RFC 6960 §4.2.1): `prepare`, sign, `finish`.
//!
//! ```text
//! OCSPResponse      ::= SEQUENCE { successful(0), [0] EXPLICIT SEQUENCE { id-pkix-ocsp-basic, OCTET STRING ⊃ Basic } }
//! BasicOCSPResponse ::= SEQUENCE { tbsResponseData, signatureAlgorithm, signature BIT STRING,
//!                                  certs [0] EXPLICIT SEQUENCE OF Certificate? }
//! ResponseData      ::= SEQUENCE { version [0] DEFAULT v1, responderID [2] EXPLICIT KeyHash, producedAt,
//!                                  responses SEQUENCE OF SingleResponse, responseExtensions [1] EXPLICIT? }
//! ```
//!
//! All times are in whole seconds (spec §10). The tests read each response with rasn and demand that it writes the same
//! bytes.

use std::sync::Arc;

use super::cert_id::{IssuerHashes, key_bits};
use super::request::Nonce;
use super::single::{Single, Status, TIME_BYTES, put_time};
use super::{BASIC, EXTENDED_REVOKE, NONCE, pkix_ocsp};
use crate::asn1::{der, oid};
use crate::crypto::{PublicKey, SignatureAlgorithm, Verifier, sha1};
use crate::time::Timestamp;
use crate::x509::{Certificate, KeyUsage, encode};

/// Who signs the responses about one CA's certificates, and every byte of them that does not change.
#[derive(Clone, Debug)]
pub struct Responder {
    issuer: IssuerHashes,
    algorithm: SignatureAlgorithm,
    certificate: Certificate,
    /// responderID, `[2] EXPLICIT KeyHash`.
    id: [u8; 24],
    /// `certs [0]`: the delegated certificate; empty when the CA signs, since its certificate is known to who asks.
    certs: Arc<[u8]>,
}

/// Why a certificate cannot sign responses; the service does not start then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponderFault {
    /// The one that it would answer for is no CA.
    #[error("the certificate that responses are about is no CA's")]
    NoCa,
    /// The delegated certificate is a CA's itself.
    #[error("the responder's certificate is a CA certificate")]
    DelegatedToCa,
    /// extKeyUsage is missing, or not OCSPSigning alone.
    #[error("the responder's extKeyUsage is not OCSPSigning alone")]
    ExtendedKeyUsage,
    /// keyUsage is missing, lacks digitalSignature, or permits more than signatures.
    #[error("the responder's keyUsage is not that of a key for signatures alone")]
    KeyUsage,
    /// id-pkix-ocsp-nocheck is missing or is not NULL: clients would ask for the status of who answers them.
    #[error("the responder's certificate lacks id-pkix-ocsp-nocheck")]
    NoCheck,
    /// The CA that it would answer for did not issue it: RFC 6960 §4.2.2.2 wants the same CA, signed by the same key.
    #[error("the responder's certificate is not issued by the CA that it would answer for")]
    OtherIssuer,
    /// The key of the certificate does not sign like this.
    #[error("the responder's key does not sign with {}", .0.name())]
    Algorithm(SignatureAlgorithm),
}

impl Responder {
    /// A responder for the certificates of `ca` which signs with `algorithm`: by `delegated`, or by the CA's own key.
    ///
    /// Whether the path is good is [`crate::crypto::verify_chain`]'s affair, and when it ends the caller's: a response
    /// should not outlive [`Responder::certificate`].
    ///
    /// # Errors
    /// [`ResponderFault`].
    pub fn new(
        ca: &Certificate,
        delegated: Option<&Certificate>,
        algorithm: SignatureAlgorithm,
    ) -> Result<Self, ResponderFault> {
        if !ca.is_ca() {
            return Err(ResponderFault::NoCa);
        }
        if let Some(delegated) = delegated {
            check_delegated(ca, delegated)?;
        }
        let certificate = delegated.unwrap_or(ca);
        if PublicKey::from_spki_der(&certificate.spki_der()).map(|key| key.algorithm()) != Ok(algorithm) {
            return Err(ResponderFault::Algorithm(algorithm));
        }
        let mut id = [0; 24];
        id[..4].copy_from_slice(&[0xA2, 22, der::OCTET_STRING, 20]);
        id[4..].copy_from_slice(&sha1(key_bits(certificate)));
        let certs = delegated.map(|one| der::tlv(der::CONTEXT_0, &der::sequence(&[one.der()])));
        Ok(Self {
            issuer: IssuerHashes::of(ca),
            algorithm,
            certificate: certificate.clone(),
            id,
            certs: certs.unwrap_or_default().into(),
        })
    }

    /// The CA that it answers for, as requests name it.
    #[must_use]
    pub const fn issuer(&self) -> &IssuerHashes {
        &self.issuer
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The certificate whose key signs: the delegated one, or the CA's.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The bytes to sign for these answers, in this order; `nonce` is that of the request. Fractions of seconds are cut
    /// off.
    ///
    /// # Panics
    /// If the CertIDs together come near 16 MiB; those of a request cannot
    /// ([`REQUEST_BYTES_MAX`](super::request::REQUEST_BYTES_MAX)).
    #[must_use]
    pub fn prepare(&self, singles: &[Single<'_>], produced_at: Timestamp, nonce: Option<&Nonce>) -> Unsigned {
        let not_issued = singles.iter().any(|single| single.status == Status::NotIssued);
        let extensions = extensions(nonce, not_issued);

        // Lengths from the inside outwards.
        let responses = singles.iter().map(|single| der::total_bytes(single.content_bytes())).sum::<usize>();
        let data = self.id.len() + TIME_BYTES + der::total_bytes(responses) + extensions.len();

        let mut message = Vec::with_capacity(der::total_bytes(data));
        der::put_head(&mut message, der::SEQUENCE, data);
        message.extend_from_slice(&self.id);
        put_time(&mut message, produced_at);
        der::put_head(&mut message, der::SEQUENCE, responses);
        for single in singles {
            single.put_der(&mut message);
        }
        message.extend_from_slice(&extensions);
        debug_assert_eq!(message.len(), der::total_bytes(data));
        Unsigned { algorithm: self.algorithm, certs: self.certs.clone(), message }
    }
}

/// A response that lacks its signature.
#[derive(Clone, Debug)]
pub struct Unsigned {
    algorithm: SignatureAlgorithm,
    certs: Arc<[u8]>,
    message: Vec<u8>,
}

impl Unsigned {
    /// The message for the responder's [`crate::crypto::Signer`].
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The OCSPResponse in DER. `signature` is what the signer gave for [`Unsigned::message`].
    #[must_use]
    pub fn finish(&self, signature: &[u8]) -> Vec<u8> {
        const TYPE: [u8; 11] = pkix_ocsp(BASIC);
        let algorithm = self.algorithm.identifier_der();

        // Lengths from the inside outwards. A signature is a whole number of octets: no unused bits.
        let bits = 1 + signature.len();
        let basic = self.message.len() + algorithm.len() + der::total_bytes(bits) + self.certs.len();
        let octets = der::total_bytes(basic);
        let response_bytes = TYPE.len() + der::total_bytes(octets);
        let body = SUCCESSFUL.len() + der::total_bytes(der::total_bytes(response_bytes));

        let mut out = Vec::with_capacity(der::total_bytes(body));
        der::put_head(&mut out, der::SEQUENCE, body);
        out.extend_from_slice(&SUCCESSFUL);
        der::put_head(&mut out, der::CONTEXT_0, der::total_bytes(response_bytes));
        der::put_head(&mut out, der::SEQUENCE, response_bytes);
        out.extend_from_slice(&TYPE);
        der::put_head(&mut out, der::OCTET_STRING, octets);
        der::put_head(&mut out, der::SEQUENCE, basic);
        out.extend_from_slice(&self.message);
        out.extend_from_slice(algorithm);
        der::put_head(&mut out, der::BIT_STRING, bits);
        out.push(0);
        out.extend_from_slice(signature);
        out.extend_from_slice(&self.certs);
        debug_assert_eq!(out.len(), der::total_bytes(body));
        out
    }
}

fn check_delegated(ca: &Certificate, delegated: &Certificate) -> Result<(), ResponderFault> {
    if delegated.is_ca() {
        return Err(ResponderFault::DelegatedToCa);
    }
    let purposes = delegated.extended_key_usage().ok_or(ResponderFault::ExtendedKeyUsage)?.value;
    if purposes.len() != 1 || *purposes[0] != *oid::KP_OCSP_SIGNING {
        return Err(ResponderFault::ExtendedKeyUsage);
    }
    let usage = delegated.key_usage().ok_or(ResponderFault::KeyUsage)?.value;
    let signatures = KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION);
    if !usage.has(KeyUsage::DIGITAL_SIGNATURE) || !usage.within(signatures) {
        return Err(ResponderFault::KeyUsage);
    }
    if delegated.extension(oid::OCSP_NOCHECK).is_none_or(|no_check| no_check.value != [0x05, 0x00]) {
        return Err(ResponderFault::NoCheck);
    }
    let same_name = delegated.issuer() == ca.subject();
    let key_id = delegated.authority_key_identifier();
    if !same_name || key_id.is_none() || key_id != ca.subject_key_identifier() || !is_signed_by(ca, delegated) {
        return Err(ResponderFault::OtherIssuer);
    }
    Ok(())
}

fn is_signed_by(ca: &Certificate, certificate: &Certificate) -> bool {
    let Ok(key) = PublicKey::from_spki_der(&ca.spki_der()) else { return false };
    let signed = certificate.decoded();
    let algorithm = SignatureAlgorithm::from_identifier_der(&encode(&signed.signature_algorithm));
    // The certificate is strict DER, so that this is what was signed.
    let message = encode(&signed.tbs_certificate);
    algorithm == Some(key.algorithm()) && key.verify(&message, signed.signature_value.as_raw_slice())
}

/// responseStatus successful, `ENUMERATED 0`.
const SUCCESSFUL: [u8; 3] = [0x0A, 1, 0];

/// `responseExtensions [1]`, none of them critical; empty when there is none.
fn extensions(nonce: Option<&Nonce>, extended_revoke: bool) -> Vec<u8> {
    let extension = |arc, value: &[u8]| der::sequence(&[&pkix_ocsp(arc), &der::tlv(der::OCTET_STRING, value)]);
    let nonce = nonce.map(|nonce| extension(NONCE, nonce.value())).unwrap_or_default();
    // Its value is NULL (RFC 6960 §4.4.8).
    let extended = if extended_revoke { extension(EXTENDED_REVOKE, &[0x05, 0x00]) } else { vec![] };
    match (nonce.is_empty(), extended.is_empty()) {
        (true, true) => vec![],
        _ => der::tlv(0xA1, &der::sequence(&[&nonce, &extended])),
    }
}

#[cfg(test)]
mod tests {
    use rasn::types::{OctetString, Oid};
    use rasn_ocsp::{BasicOcspResponse, OcspResponse, OcspResponseStatus};
    use rasn_pkix::{Extension, SubjectPublicKeyInfo, TbsCertificate};

    use super::super::{CertId, HashAlgorithm, OcspRequest};
    use super::*;
    use crate::asn1::decode_strict;
    use crate::ca::crl::Reason;
    use crate::crypto::oracle::{self, OcspFound};
    use crate::crypto::{Signer, SoftKey};
    use crate::testing::{self, GEN_TIME, OCSP, PKI, start};

    const P256: SignatureAlgorithm = SignatureAlgorithm::EcdsaP256Sha256;
    const HOUR_SECS: u64 = 3600;

    /// Delegated, and by the CA itself, each with the key that signs.
    fn responders() -> [(Responder, &'static SoftKey); 2] {
        let delegated = Responder::new(&PKI.ca, Some(&OCSP.1), P256).unwrap();
        [(delegated, &OCSP.0), (Responder::new(&PKI.ca, None, P256).unwrap(), &PKI.ca_key)]
    }

    fn single(cert_id: &CertId, status: Status) -> Single<'_> {
        Single { cert_id, status, this_update: GEN_TIME, next_update: GEN_TIME.plus_secs(8 * HOUR_SECS) }
    }

    fn revoked(reason: Reason) -> Status {
        Status::Revoked { at: GEN_TIME.plus_secs(60), reason }
    }

    #[test]
    fn a_message_byte_by_byte() {
        let (responder, key) = &responders()[0];
        let id = responder.issuer().cert_id(HashAlgorithm::Sha1, &[5]).unwrap();
        let nonce = Nonce::new(&[0x5A; 4]).unwrap();
        let at = |text: &str| format!("180f{}", hex::encode(text));
        let key_hash = format!("a2160414{}", hex::encode(sha1(&key.spki_der()[26..])));
        let answer = |status: &str| {
            // 60 octets of CertID, 2 or 24 of status, 17 and 19 of times.
            let length = if status.len() == 4 { "62" } else { "78" };
            let next = format!("a011{}", at("20260301200000Z"));
            format!("30{length}{}{status}{}{next}", hex::encode(id.der()), at("20260301120000Z"))
        };
        let message = |singles: &[Single<'_>], nonce| {
            hex::encode(responder.prepare(singles, GEN_TIME.plus_secs(1), nonce).message())
        };
        let produced = at("20260301120001Z");

        let good = answer("8000");
        let expected = format!("30818f{key_hash}{produced}3064{good}");
        assert_eq!(message(&[single(&id, Status::Good)], None), expected);

        let extension = "a117 3015 3013 06092b0601050507300102 0406 0404 5a5a5a5a".replace(' ', "");
        let expected = format!("3081a8{key_hash}{produced}3064{good}{extension}");
        assert_eq!(message(&[single(&id, Status::Good)], Some(&nonce)), expected);

        let not_issued = answer(&format!("a116{}a0030a0106", at("19700101000000Z")));
        let extension = "a113 3011 300f 06092b0601050507300109 0402 0500".replace(' ', "");
        let expected = format!("3082011f{key_hash}{produced}3081de{good}{not_issued}{extension}");
        assert_eq!(message(&[single(&id, Status::Good), single(&id, Status::NotIssued)], None), expected);
    }

    /// Every shape is what rasn would write, and the signature fits the certificate that is in it.
    #[test]
    fn rasn_reads_and_writes_the_same_bytes() {
        for (i, (responder, key)) in responders().into_iter().enumerate() {
            let ids = [HashAlgorithm::Sha1, HashAlgorithm::Sha256]
                .map(|hash| responder.issuer().cert_id(hash, &[0x45; 16]).unwrap());
            let all = [Status::Good, Status::Unknown, Status::NotIssued, revoked(Reason::Superseded)];
            let all: Vec<_> = all.iter().flat_map(|status| ids.iter().map(|id| single(id, *status))).collect();
            for (singles, nonce) in [(&all[..1], None), (&all[2..4], Nonce::new(&[7; 128])), (&all, Nonce::new(&[1]))] {
                let unsigned = responder.prepare(singles, GEN_TIME, nonce.as_ref());
                let der = unsigned.finish(&key.sign(unsigned.message()).unwrap());
                let outer: OcspResponse = decode_strict(&der).unwrap();
                assert_eq!(outer.status, OcspResponseStatus::Successful);
                let basic: BasicOcspResponse = decode_strict(&outer.bytes.unwrap().response).unwrap();
                assert_eq!(encode(&basic.tbs_response_data), unsigned.message());
                assert_eq!(encode(&basic.signature_algorithm), P256.identifier_der());
                let expected = if i == 0 { vec![OCSP.1.der().to_vec()] } else { vec![] };
                assert_eq!(basic.certs.is_some(), i == 0, "absent, not empty");
                assert_eq!(basic.certs.unwrap_or_default().iter().map(encode).collect::<Vec<_>>(), expected);
                let public = PublicKey::from_spki_der(key.spki_der()).unwrap();
                assert!(public.verify(unsigned.message(), basic.signature.as_raw_slice()));
            }
        }
    }

    /// libcrypto verifies what we answer to its requests, and finds what we said.
    #[test]
    fn strangers_believe_it() {
        let unit = testing::ec().tsu.certificate();
        let time = |text: &str| Some(text.to_owned());
        let statuses = [
            (Status::Good, 0, -1, None),
            (revoked(Reason::KeyCompromise), 1, 1, time("Mar  1 12:01:00 2026 GMT")),
            (revoked(Reason::Unspecified), 1, -1, time("Mar  1 12:01:00 2026 GMT")),
            (Status::NotIssued, 1, 6, time("Jan  1 00:00:00 1970 GMT")),
            (Status::Unknown, 2, -1, None),
        ];
        for (responder, key) in responders() {
            for sha256 in [false, true] {
                let asked = oracle::ocsp_request(&[unit.der()], PKI.ca.der(), sha256);
                let asked = OcspRequest::parse(&asked).unwrap();
                let id = &asked.cert_ids()[0];
                assert!(responder.issuer().matches(id));
                for (status, code, reason, revoked_at) in &statuses {
                    for nonce in [None, Nonce::new(&[0x80; 32])] {
                        let unsigned = responder.prepare(&[single(id, *status)], GEN_TIME, nonce.as_ref());
                        let der = unsigned.finish(&key.sign(unsigned.message()).unwrap());
                        let find = |der: &[u8], root: &Certificate, sha256| {
                            oracle::ocsp_find(der, unit.der(), PKI.ca.der(), sha256, root.der(), start())
                        };
                        let [this, next] = ["Mar  1 12:00:00 2026 GMT", "Mar  1 20:00:00 2026 GMT"].map(time);
                        let times = [revoked_at.clone(), this, next];
                        let expected = OcspFound { status: *code, reason: *reason, times };
                        assert_eq!(find(&der, &PKI.root, sha256), Some(expected));
                        assert_eq!(find(&der, &PKI.root, !sha256), None, "the other hash was not asked");
                        // Under another root, and with a signature for something else.
                        assert_eq!(find(&der, &OCSP.1, sha256), None);
                        let other = unsigned.finish(&key.sign(b"something else").unwrap());
                        assert_eq!(find(&other, &PKI.root, sha256), None);
                    }
                }
            }
        }
    }

    #[test]
    fn who_cannot_answer_is_refused() {
        let (key, good) = &*OCSP;
        let changed = |change: &dyn Fn(&mut TbsCertificate)| {
            Certificate::from_der(&testing::reissue(good, |tbs| change(tbs))).unwrap()
        };
        let with = |change: &dyn Fn(&mut Vec<Extension>)| {
            changed(&|tbs| {
                let mut extensions = tbs.extensions.take().unwrap().to_vec();
                change(&mut extensions);
                tbs.extensions = Some(extensions.into());
            })
        };
        let without = |id: &Oid| with(&|list| list.retain(|extension| *extension.extn_id != *id));
        let value = |id: &Oid, value: &str| {
            with(&|list| {
                let extension = list.iter_mut().find(|extension| *extension.extn_id == *id).unwrap();
                extension.extn_value = OctetString::from(hex::decode(value).unwrap());
            })
        };
        let other_key = SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap();
        let other_key: SubjectPublicKeyInfo = rasn::der::decode(other_key.spki_der()).unwrap();
        let forged = {
            // As good as the good one, but for who signed it.
            let tbs = encode(&good.decoded().tbs_certificate);
            let der = crate::ca::certificate::signed(&tbs, P256, &key.sign(&tbs).unwrap());
            Certificate::from_der(&der).unwrap()
        };
        let two_purposes = "301406082b0601050507030906082b06010505070303";
        let table = [
            (good.clone(), None),
            (without(oid::EXTENDED_KEY_USAGE), Some(ResponderFault::ExtendedKeyUsage)),
            (value(oid::EXTENDED_KEY_USAGE, two_purposes), Some(ResponderFault::ExtendedKeyUsage)),
            (testing::ec().tsu.certificate().clone(), Some(ResponderFault::ExtendedKeyUsage)),
            (without(oid::KEY_USAGE), Some(ResponderFault::KeyUsage)),
            (value(oid::KEY_USAGE, "03020640"), Some(ResponderFault::KeyUsage)),
            (value(oid::KEY_USAGE, "030205a0"), Some(ResponderFault::KeyUsage)),
            (value(oid::KEY_USAGE, "030206c0"), None),
            (without(oid::OCSP_NOCHECK), Some(ResponderFault::NoCheck)),
            (value(oid::OCSP_NOCHECK, "0400"), Some(ResponderFault::NoCheck)),
            (value(oid::BASIC_CONSTRAINTS, "30030101ff"), Some(ResponderFault::DelegatedToCa)),
            (without(oid::AUTHORITY_KEY_IDENTIFIER), Some(ResponderFault::OtherIssuer)),
            (value(oid::AUTHORITY_KEY_IDENTIFIER, "3006800401020304"), Some(ResponderFault::OtherIssuer)),
            (changed(&|tbs| tbs.issuer = PKI.root.subject().clone()), Some(ResponderFault::OtherIssuer)),
            (forged, Some(ResponderFault::OtherIssuer)),
            (changed(&|tbs| tbs.subject_public_key_info = other_key.clone()), Some(ResponderFault::Algorithm(P256))),
        ];
        for (i, (certificate, fault)) in table.into_iter().enumerate() {
            assert_eq!(Responder::new(&PKI.ca, Some(&certificate), P256).err(), fault, "row {i}");
        }
        assert_eq!(Responder::new(&PKI.root, Some(good), P256).err(), Some(ResponderFault::OtherIssuer));
        assert_eq!(Responder::new(good, None, P256).err(), Some(ResponderFault::NoCa));
        let rsa = SignatureAlgorithm::RsaPkcs1Sha256;
        assert_eq!(Responder::new(&PKI.ca, None, rsa).err(), Some(ResponderFault::Algorithm(rsa)));
    }
}
