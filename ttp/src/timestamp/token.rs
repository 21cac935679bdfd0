//! Timestamp tokens (RFC 3161 §2.4.2, RFC 5652, spec §6), in two steps around the signature.
//!
//! ```text
//! prepare(tsu, content) ─▶ TSTInfo, signed attributes ─▶ message ── sign (pool) ──▶ finish ─▶ TimeStampResp ⊃ token
//! ```
//!
//! A token is a template of the unit ([`crate::cms`]) filled with TSTInfo, its digest and the signature, so that it costs little
//! more than its signature. The tests encode the same token wholly with rasn and demand the same bytes.

use std::sync::Arc;

use super::request::Imprint;
use super::response::STATUS_GRANTED;
use super::{Accuracy, TokenSerial, Tsu};
use crate::asn1::{PolicyId, der};
use crate::cms::Prepared;
use crate::digest::Digest;
use crate::time::Timestamp;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenContent {
    /// Under which policy.
    pub policy: PolicyId,
    /// The request's imprint.
    pub imprint: Imprint,
    /// Its serial number.
    pub serial: TokenSerial,
    /// The `now` of the decision.
    pub gen_time: Timestamp,
    /// How exact that is.
    pub accuracy: Accuracy,
    /// The request's nonce.
    pub nonce: Option<Vec<u8>>,
    /// True puts the certificates in.
    pub cert_req: bool,
    /// True states by an extension that it is a qualified electronic timestamp.
    pub qualified: bool,
}

/// extensions `[1]`: one qcStatements (1.3.6.1.5.5.7.1.3), not critical, with esi4-qtstStatement-1 (0.4.0.19422.1.1) and
/// no information (EN 319 422 §9.1).
const QUALIFIED_EXTENSIONS: [u8; 29] = [
    0xA1, 0x1B, 0x30, 0x19, // [1] { Extension {
    0x06, 0x08, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x03, // qcStatements
    0x04, 0x0D, 0x30, 0x0B, 0x30, 0x09, // OCTET STRING { QCStatements { QCStatement {
    0x06, 0x07, 0x04, 0x00, 0x81, 0x97, 0x5E, 0x01, 0x01, // esi4-qtstStatement-1
];

impl TokenContent {
    /// TSTInfo in DER. ordering is FALSE and so absent; tsa is absent.
    #[must_use]
    pub fn tst_info(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(192 + self.nonce.as_ref().map_or(0, Vec::len));
        body.extend_from_slice(&[der::INTEGER, 1, 1]);
        put(&mut body, der::OID, self.policy.content());
        self.imprint.put_der(&mut body);
        put(&mut body, der::INTEGER, &self.serial.content());
        let time_at = body.len();
        der::put_head(&mut body, der::GENERALIZED_TIME, 0);
        der::put_generalized_time(&mut body, self.gen_time);
        // 15 to 19 octets, so the length is one octet.
        body[time_at + 1] = (body.len() - time_at - 2) as u8;
        body.extend_from_slice(&self.accuracy.der());
        if let Some(nonce) = &self.nonce {
            put(&mut body, der::INTEGER, nonce);
        }
        if self.qualified {
            body.extend_from_slice(&QUALIFIED_EXTENSIONS);
        }
        der::tlv(der::SEQUENCE, &body)
    }
}

fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    der::put_head(out, tag, content.len());
    out.extend_from_slice(content);
}

/// A token that lacks its signature.
#[derive(Clone, Debug)]
pub struct ToBeSigned {
    prepared: Prepared,
    cert_req: bool,
}

/// Builds everything but the signature.
#[must_use]
pub fn prepare(tsu: &Arc<Tsu>, content: &TokenContent) -> ToBeSigned {
    let prepared = Prepared::new(tsu.template.clone(), content.tst_info(), content.gen_time);
    ToBeSigned { prepared, cert_req: content.cert_req }
}

impl ToBeSigned {
    /// The message for the unit's [`crate::crypto::Signer`].
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.prepared.message()
    }

    /// The answer with the token in it. `signature` is what the signer gave for [`ToBeSigned::message`].
    #[must_use]
    pub fn finish(self, signature: &[u8]) -> Stamped {
        let Self { prepared, cert_req } = self;
        let body = STATUS_GRANTED.len() + prepared.total_bytes(signature, cert_req, &[]);
        let mut out = Vec::with_capacity(der::total_bytes(body));
        der::put_head(&mut out, der::SEQUENCE, body);
        out.extend_from_slice(&STATUS_GRANTED);
        let token_at = out.len();
        prepared.put(&mut out, signature, cert_req, &[]);
        Stamped { response: out, token_at }
    }
}

/// An answer that grants: the TimeStampResp, and in it the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped {
    response: Vec<u8>,
    token_at: usize,
}

impl Stamped {
    /// The TimeStampResp in DER.
    #[must_use]
    pub fn response(&self) -> &[u8] {
        &self.response
    }

    /// The token (ContentInfo) in DER: the artefact, whose SHA-256 is the entry's digest.
    #[must_use]
    pub fn token(&self) -> &[u8] {
        &self.response[self.token_at..]
    }

    /// The TimeStampResp, without a copy.
    #[must_use]
    pub fn into_response(self) -> Vec<u8> {
        self.response
    }

    /// SHA-256 of the token.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.token())
    }
}

/// The answer for a token that was stored: the same bytes as when it was released.
#[must_use]
pub fn response_for(token: &[u8]) -> Vec<u8> {
    der::sequence(&[&STATUS_GRANTED, token])
}

#[cfg(test)]
mod tests {
    use rasn::types::{Any, Integer, OctetString, SetOf};
    use rasn_cms::tsp::{TimeStampResp, TstInfo};
    use rasn_cms::{CertificateChoices, SignedData};
    use rasn_pkix::GeneralName;

    use super::*;
    use crate::asn1::{SigningCertificateV2, decode_strict, oid};
    use crate::cms::SHA256_IDENTIFIER;
    use crate::crypto::{PublicKey, Signer, Verifier};
    use crate::digest::ImprintAlgorithm;
    use crate::role::Role;
    use crate::testing::{self, GEN_TIME, PKI, Unit};
    use crate::timestamp::{Stamp, TimestampAuthority, TimestampEffect};
    use crate::x509::encode;

    fn content(unit: &Unit, event: &Stamp) -> TokenContent {
        let (_, mut effects) = TimestampAuthority::decide(&unit.endpoint(), event, GEN_TIME).unwrap();
        let TimestampEffect::Sign(content) = effects.remove(0);
        content
    }

    fn stamp(unit: &Unit, content: &TokenContent) -> Stamped {
        let tbs = prepare(&unit.tsu, content);
        let signature = unit.key.sign(tbs.message()).unwrap();
        tbs.finish(&signature)
    }

    fn signed_data(token: &[u8]) -> SignedData {
        let content_info: rasn_cms::ContentInfo = decode_strict(token).unwrap();
        decode_strict(content_info.content.as_bytes()).unwrap()
    }

    /// TSTInfo byte by byte after the table of spec §6.
    #[test]
    fn tst_info_byte_by_byte() {
        let mut content = content(testing::ec(), &testing::event(1));
        let imprint = format!("3031300d060960864801650304020105000420{}", Digest::of(b"document"));
        content.imprint.null_parameters = true;
        let serial = format!("020d01{}", "ab".repeat(12));
        let time = format!("1812{}", hex::encode("20260301120000.25Z"));
        let expected = [
            "3075",
            "020101",
            "06092b06010401868d1f01",
            &imprint,
            &serial,
            &time,
            "3004800201f4",
            "0209008585858585858585",
        ]
        .concat();
        assert_eq!(hex::encode(content.tst_info()), expected);

        content.nonce = None;
        content.imprint.null_parameters = false;
        content.qualified = true;
        let imprint = format!("302f300b06096086480165030402010420{}", Digest::of(b"document"));
        let statement = "a11b301906082b06010505070103040d300b300906070400 81975e0101".replace(' ', "");
        let expected =
            ["308185", "020101", "06092b06010401868d1f01", &imprint, &serial, &time, "3004800201f4", &statement]
                .concat();
        assert_eq!(hex::encode(content.tst_info()), expected);
    }

    /// The template says what rasn would write, for every shape of request and for both kinds of key.
    #[test]
    fn rasn_reads_and_writes_the_same_bytes() {
        for unit in [testing::ec(), testing::rsa()] {
            for (i, algorithm) in ImprintAlgorithm::ALL.into_iter().enumerate() {
                for (cert_req, nonce, qualified) in
                    [(false, None, false), (true, Some(vec![0x80; 128]), false), (true, Some(vec![0]), true)]
                {
                    let mut content = content(unit, &testing::event(i as u64 + 1));
                    content.imprint = Imprint::new(algorithm, &vec![9; algorithm.output_bytes()]).unwrap();
                    content.imprint.null_parameters = qualified;
                    (content.cert_req, content.nonce, content.qualified) = (cert_req, nonce, qualified);
                    let stamped = stamp(unit, &content);

                    let response: TimeStampResp = decode_strict(stamped.response()).unwrap();
                    assert_eq!(encode(&response.time_stamp_token.unwrap()), stamped.token());
                    assert_eq!(response_for(stamped.token()), stamped.response());
                    let signed = signed_data(stamped.token());
                    let tst: TstInfo = decode_strict(&signed.encap_content_info.content.unwrap()).unwrap();
                    assert_eq!(tst.version, Integer::from(1));
                    assert_eq!(tst.gen_time.timestamp_millis() as u64, GEN_TIME.millis());
                    assert!(!tst.ordering && tst.tsa.is_none());
                    assert_eq!(tst.extensions.is_some(), qualified);
                    assert_eq!(tst.nonce.is_some(), content.nonce.is_some());
                    assert_eq!(&tst.message_imprint.hashed_message[..], content.imprint.digest);
                    assert_eq!(signed.certificates.map_or(0, |set| set.len()), if cert_req { 2 } else { 0 });
                }
            }
        }
    }

    /// The table of CMS elements in spec §6.
    #[test]
    fn signed_data_has_the_profile() {
        for (unit, algorithm_der, protection) in [
            (testing::ec(), "300a06082a8648ce3d040302", "3019300b0609608648016503040201a10a06082a8648ce3d040302"),
            (
                testing::rsa(),
                "300d06092a864886f70d01010b0500",
                "301c300b0609608648016503040201a10d06092a864886f70d01010b0500",
            ),
        ] {
            let mut event = testing::event(3);
            event.request.cert_req = true;
            let signed = signed_data(stamp(unit, &content(unit, &event)).token());
            assert_eq!(signed.version, Integer::from(3));
            assert_eq!(hex::encode(encode(&signed.digest_algorithms)), "310d300b0609608648016503040201");
            assert_eq!(*signed.encap_content_info.content_type, *oid::TST_INFO);
            assert!(signed.crls.is_none());
            let found: Vec<Vec<u8>> = signed
                .certificates
                .unwrap()
                .iter()
                .map(|choice| match choice {
                    CertificateChoices::Certificate(certificate) => encode(&**certificate),
                    other => panic!("{other:?}"),
                })
                .collect();
            let mut expected = vec![unit.tsu.certificate().der().to_vec(), PKI.ca.der().to_vec()];
            expected.sort();
            assert_eq!(found, expected, "sorted, without the root");

            let [signer] = signed.signer_infos.to_vec()[..] else { panic!("one signer") };
            assert_eq!(signer.version, Integer::from(1));
            assert!(signer.unsigned_attrs.is_none());
            assert_eq!(hex::encode(encode(&signer.signature_algorithm)), algorithm_der);
            let attributes = signer.signed_attrs.as_ref().unwrap();
            let value = |id: &rasn::types::Oid| {
                let found: Vec<_> = attributes.iter().filter(|a| *a.r#type == *id).collect();
                let [one] = found[..] else { panic!("{id:?} {} times", found.len()) };
                let [value] = one.values.to_vec()[..] else { panic!("one value") };
                value.as_bytes().to_vec()
            };
            assert_eq!(attributes.len(), 4, "no signingTime");
            assert_eq!(hex::encode(value(oid::CONTENT_TYPE)), "060b2a864886f70d0109100104");
            let tst_info = signed.encap_content_info.content.as_ref().unwrap();
            assert_eq!(value(oid::MESSAGE_DIGEST)[2..], Digest::of(tst_info).0);
            assert_eq!(hex::encode(value(oid::ALGORITHM_PROTECTION)), protection);
            let ess: SigningCertificateV2 = decode_strict(&value(oid::SIGNING_CERTIFICATE_V2)).unwrap();
            let [id] = ess.certs.as_slice() else { panic!("the signer alone") };
            assert_eq!(&id.cert_hash[..], unit.tsu.certificate().digest().0);
            assert!(id.hash_algorithm.is_none() && ess.policies.is_none());
            let issuer_serial = id.issuer_serial.as_ref().unwrap();
            assert_eq!(issuer_serial.issuer, [GeneralName::DirectoryName(PKI.ca.subject().clone())]);
            assert_eq!(issuer_serial.serial_number.0[..], unit.tsu.certificate().serial());

            // The signature is over the SET OF, tag 31.
            let message = encode(attributes);
            assert_eq!(message[0], 0x31);
            let key = PublicKey::from_spki_der(unit.key.spki_der()).unwrap();
            assert!(key.verify(&message, &signer.signature));
        }
    }

    /// The same token wholly by rasn, from the same parts.
    #[test]
    fn the_template_is_what_rasn_builds() {
        let unit = testing::ec();
        let content = content(unit, &testing::event(9));
        let stamped = stamp(unit, &content);
        let signed = signed_data(stamped.token());
        let rebuilt = SignedData {
            version: Integer::from(3),
            digest_algorithms: SetOf::from_vec(vec![rasn::der::decode(&SHA256_IDENTIFIER).unwrap()]),
            encap_content_info: rasn_cms::EncapsulatedContentInfo {
                content_type: oid::TST_INFO.into(),
                content: Some(OctetString::from(content.tst_info())),
            },
            certificates: None,
            crls: None,
            signer_infos: signed.signer_infos.clone(),
        };
        let content_info =
            rasn_cms::ContentInfo { content_type: oid::SIGNED_DATA.into(), content: Any::new(encode(&rebuilt)) };
        assert_eq!(encode(&content_info), stamped.token());
        assert_eq!(stamped.digest(), Digest::of(stamped.token()));
    }
}
