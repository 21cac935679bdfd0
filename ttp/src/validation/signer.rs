//! One signature of a SignedData: whose it is, and whether it verifies (EN 319 102-1 §5.2.3, 5.2.7; RFC 5652 §5.4, 5.6).

use std::borrow::Cow;
use std::sync::Arc;

use super::constraint;
use super::context::Context;
use super::indication::SubIndication;
use super::report::Answers;
use crate::asn1::ber::Reader;
use crate::asn1::der;
use crate::cms::{Algorithm, EssCert, SignedData, SignerId, SignerInfo, oids};
use crate::crypto::{Hash, SignatureScheme, sha1};
use crate::path::{Certificate, Matter, Name};
use crate::time::Timestamp;

/// rsaEncryption, 1.2.840.113549.1.1.1: what many write where the scheme belongs.
const RSA_ENCRYPTION: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1];
/// id-ecPublicKey, 1.2.840.10045.2.1: the same for ECDSA.
const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1];

/// What integrity depends on.
pub(super) struct Signed<'s, 'a> {
    pub(super) data: &'s SignedData<'a>,
    pub(super) signer: &'s SignerInfo<'a>,
    /// What is signed, if it is at hand.
    pub(super) content: Option<Cow<'s, [u8]>>,
    /// True if the format wants a signed reference to the certificate.
    pub(super) needs_reference: bool,
}

/// What was found.
#[derive(Default)]
pub(super) struct Integrity {
    pub(super) certificate: Option<Arc<Certificate>>,
    /// True if the signed attributes name the certificate by its hash.
    pub(super) binds_certificate: bool,
    pub(super) scheme: Option<SignatureScheme>,
    pub(super) answers: Answers,
    pub(super) subs: Vec<SubIndication>,
}

impl Integrity {
    /// Of one signature.
    pub(super) fn of(context: &Context<'_>, signed: &Signed<'_, '_>) -> Self {
        let mut this = Self::default();
        this.identify(context, signed);
        this.attributes(signed);
        this.content(signed);
        this.value(signed);
        this
    }

    fn format(&mut self, name: &'static str, result: Result<(), String>) {
        if let Err(why) = &result {
            self.subs.push(SubIndication::FormatFailure { why: why.clone() });
        }
        self.answers.note(name, None, result);
    }

    /// The signing certificate: named by the signer, and by a signed reference if there is one.
    fn identify(&mut self, context: &Context<'_>, signed: &Signed<'_, '_>) {
        let reference = reference(signed.signer);
        let candidates: Vec<&Arc<Certificate>> = context
            .material
            .certificates()
            .iter()
            .filter(|certificate| names(&signed.signer.sid, certificate))
            .collect();
        let named = |certificate: &Certificate| matches!(&reference, Ok(Some(ess)) if is_of(ess, certificate));
        let found = candidates.iter().find(|certificate| named(certificate)).or_else(|| candidates.first());
        self.certificate = found.map(|certificate| (*certificate).clone());
        if !self.answers.note(constraint::CERTIFICATE, None, found.map(drop).ok_or_else(|| missing(&signed.signer.sid)))
        {
            self.subs.push(SubIndication::NoSigningCertificateFound);
        }
        let result = match (&reference, found) {
            (Err(why), _) => Err(why.clone()),
            (Ok(Some(ess)), Some(certificate)) if !is_of(ess, certificate) => {
                Err("the signed attributes name another certificate by its hash".to_owned())
            }
            (Ok(Some(_)), Some(_)) => {
                self.binds_certificate = true;
                Ok(())
            }
            _ => {
                self.answers.skip(constraint::REFERENCE, None, "there is none, or no certificate to compare");
                Ok(())
            }
        };
        if result.is_err() || self.binds_certificate {
            // §5.2.3: another certificate than the one that was signed is no signing certificate.
            if !self.answers.note(constraint::REFERENCE, None, result) {
                self.subs.push(SubIndication::NoSigningCertificateFound);
            }
        }
        if context.policy.is_off(constraint::REFERENCE_PRESENT) {
            self.answers.skip(constraint::REFERENCE_PRESENT, None, "switched off by the policy");
        } else if signed.needs_reference {
            let present = if matches!(reference, Ok(None)) {
                Err("the format wants signing-certificate or signing-certificate-v2 signed".to_owned())
            } else {
                Ok(())
            };
            if !self.answers.note(constraint::REFERENCE_PRESENT, None, present) {
                let constraints = vec![constraint::REFERENCE_PRESENT];
                self.subs.push(SubIndication::SigConstraintsFailure { constraints });
            }
        }
    }

    /// RFC 5652 §5.3: with signed attributes, contentType and messageDigest are among them; without, the content is plain data.
    fn attributes(&mut self, signed: &Signed<'_, '_>) {
        let result = match &signed.signer.signed {
            None if signed.data.content_type != oids::DATA => {
                Err("there are no signed attributes, and the content is not plain data".to_owned())
            }
            // Who signed attributes can be made to have signed a document of the same octets (RFC 9882 §5, Strenzke 2023).
            None if signed.content.as_deref().is_some_and(is_attributes) => {
                Err("the content is a set of attributes, which somebody may have signed as such".to_owned())
            }
            None => Ok(()),
            Some(attributes) => match attributes.only(oids::CONTENT_TYPE) {
                Err(why) => Err(why),
                Ok(None) => Err("contentType is not signed".to_owned()),
                Ok(Some(value)) if value != signed.data.content_type_value => {
                    Err("the signed contentType is not that of the content".to_owned())
                }
                Ok(Some(_)) => Ok(()),
            },
        };
        self.format(constraint::ATTRIBUTES, result);
        let protection = signed.signer.signed.as_ref().map(|attributes| attributes.only(oids::ALGORITHM_PROTECTION));
        match protection {
            None | Some(Ok(None)) => self.answers.skip(constraint::PROTECTION, None, "there is none"),
            Some(Err(why)) => self.format(constraint::PROTECTION, Err(why)),
            Some(Ok(Some(value))) => {
                let agrees = protects(value, signed.signer);
                let why = || "CMSAlgorithmProtection names other algorithms".to_owned();
                self.format(constraint::PROTECTION, agrees.then_some(()).ok_or_else(why));
            }
        }
    }

    /// messageDigest is that of the content.
    fn content(&mut self, signed: &Signed<'_, '_>) {
        let Some(content) = &signed.content else {
            self.answers.note(constraint::CONTENT, None, Err("the signed content is not at hand".to_owned()));
            self.answers.skip(constraint::DIGEST, None, "the signed content is not at hand");
            let identifier = oids::name(signed.data.content_type);
            self.subs.push(SubIndication::SignedDataNotFound { identifier });
            return;
        };
        self.answers.note(constraint::CONTENT, None, Ok(()));
        let Some(attributes) = &signed.signer.signed else {
            self.answers.skip(constraint::DIGEST, None, "without signed attributes the content is signed directly");
            return;
        };
        let digest = attributes.only(oids::MESSAGE_DIGEST);
        let Ok(Some(digest)) = digest else {
            let why = digest.err().unwrap_or_else(|| "messageDigest is not signed".to_owned());
            self.format(constraint::DIGEST, Err(why));
            return;
        };
        let Some(hash) = Hash::from_oid(signed.signer.digest_algorithm.oid) else {
            let name = oids::name(signed.signer.digest_algorithm.oid);
            self.answers.note(constraint::DIGEST, None, Err(format!("the digest algorithm {name} is not known")));
            let material = format!("messageDigest: {name}");
            self.subs.push(SubIndication::CryptoConstraintsFailure { material, accepted_until: None });
            return;
        };
        let same = Reader::new(digest).take(der::OCTET_STRING).is_some_and(|value| value.content == hash.of(content));
        let why = || "the content is not what was signed".to_owned();
        if !self.answers.note(constraint::DIGEST, None, same.then_some(()).ok_or_else(why)) {
            self.subs.push(SubIndication::HashFailure { element: "the signed content".to_owned() });
        }
    }

    /// The signature value.
    fn value(&mut self, signed: &Signed<'_, '_>) {
        let signer = signed.signer;
        self.scheme = scheme(signer);
        let Some(certificate) = self.certificate.clone() else {
            self.answers.skip(constraint::VALUE, None, "the signing certificate is not at hand");
            return;
        };
        let Some(scheme) = self.scheme else {
            let name = oids::name(signer.signature_algorithm.oid);
            self.answers.note(constraint::VALUE, None, Err(format!("{name} is not verified here")));
            let material = format!("the signature: {name}");
            self.subs.push(SubIndication::CryptoConstraintsFailure { material, accepted_until: None });
            return;
        };
        let key = match certificate.key() {
            Ok(key) => key,
            Err(fault) => {
                self.answers.note(constraint::VALUE, None, Err(format!("the signer's key: {fault}")));
                let material = format!("the signer's key: {fault}");
                self.subs.push(SubIndication::CryptoConstraintsFailure { material, accepted_until: None });
                return;
            }
        };
        let verified = match (&signer.signed, &signed.content) {
            (Some(attributes), _) => {
                let (received, sorted) = attributes.signed_forms();
                let by = |message: &[u8]| key.verify(scheme, message, &signer.signature);
                by(&received) || sorted.is_some_and(|sorted| by(&sorted))
            }
            (None, Some(content)) => key.verify(scheme, content, &signer.signature),
            (None, None) => {
                self.answers.skip(constraint::VALUE, None, "the signed content is not at hand");
                return;
            }
        };
        let why = || format!("the key of {} did not make it ({scheme})", certificate.subject());
        if !self.answers.note(constraint::VALUE, None, verified.then_some(()).ok_or_else(why)) {
            // Without signed attributes a changed document and a changed signature look the same; §5.2.7 names the value.
            self.subs.push(SubIndication::SigCryptoFailure { certificate: (&*certificate).into() });
        }
    }

    /// Whether hash, scheme and key are accepted at `at` (§5.2.8).
    pub(super) fn algorithms(
        &self,
        context: &Context<'_>,
        signer: &SignerInfo<'_>,
        at: Timestamp,
        signed_after: Option<Timestamp>,
    ) -> (Answers, Vec<SubIndication>) {
        let (mut answers, mut subs) = (Answers::default(), Vec::new());
        let table = &context.policy.algorithms;
        let mut refusals = Vec::new();
        if let (Some(scheme), Some(key)) = (self.scheme, self.certificate.as_ref().and_then(|it| it.key().ok())) {
            refusals = table.judge_signature(scheme, key.kind(), at);
        }
        let digest = Hash::from_oid(signer.digest_algorithm.oid);
        if let Some(Err(refusal)) = digest.map(|hash| table.judge(Matter::Hash(hash), at))
            && !refusals.contains(&refusal)
        {
            refusals.push(refusal);
        }
        for refusal in &refusals {
            answers.note(constraint::ALGORITHMS, None, Err(refusal.to_string()));
            let material = format!("the signature: {}", refusal.matter);
            subs.push(super::chain::algorithm(material, refusal.until, signed_after));
        }
        // RFC 5652 §5.6: the digest that is signed is by the algorithm that is named; Ed25519 brings its own.
        let agrees = match (self.scheme, digest) {
            (Some(SignatureScheme::Ed25519), _) | (None, _) | (_, None) => true,
            (Some(scheme), Some(hash)) => scheme.hash() == hash,
        };
        if !agrees {
            let why = "digestAlgorithm and signatureAlgorithm name different hashes".to_owned();
            answers.note(constraint::ALGORITHMS, None, Err(why));
            subs.push(SubIndication::SigConstraintsFailure { constraints: vec![constraint::ALGORITHMS] });
        }
        if subs.is_empty() {
            answers.note(constraint::ALGORITHMS, None, Ok(()));
        }
        (answers, subs)
    }
}

/// The scheme that the signer names, put together where only the key's kind is named.
fn scheme(signer: &SignerInfo<'_>) -> Option<SignatureScheme> {
    let hash = || Hash::from_oid(signer.digest_algorithm.oid);
    match signer.signature_algorithm.oid {
        RSA_ENCRYPTION => hash().map(SignatureScheme::RsaPkcs1),
        EC_PUBLIC_KEY => hash().map(SignatureScheme::Ecdsa),
        _ => SignatureScheme::from_identifier_der(signer.signature_algorithm.whole),
    }
}

/// True if the signer's identifier fits this certificate.
fn names(id: &SignerId<'_>, certificate: &Certificate) -> bool {
    match id {
        SignerId::IssuerAndSerial { issuer, serial } => {
            der::minimal_signed(serial) == certificate.serial()
                && Name::from_der(issuer).is_some_and(|issuer| issuer == *certificate.issuer())
        }
        SignerId::KeyIdentifier(key_id) => {
            // RFC 5652 §5.3 points at the extension; a certificate without one is known by the usual hash.
            certificate.subject_key().map_or(certificate.key_sha1() == key_id, |own| own == *key_id)
        }
    }
}

fn missing(id: &SignerId<'_>) -> String {
    match id {
        SignerId::IssuerAndSerial { issuer, serial } => {
            let issuer =
                Name::from_der(issuer).map_or_else(|| "an unreadable name".to_owned(), |name| name.to_string());
            format!("the certificate {} of {issuer} is not at hand", hex::encode(serial))
        }
        SignerId::KeyIdentifier(key_id) => {
            format!("no certificate with the key identifier {} is at hand", hex::encode(key_id))
        }
    }
}

/// The signed reference to the certificate; of both kinds the newer.
fn reference<'a>(signer: &SignerInfo<'a>) -> Result<Option<EssCert<'a>>, String> {
    let Some(attributes) = &signer.signed else { return Ok(None) };
    for (oid, v2) in [(oids::SIGNING_CERTIFICATE_V2, true), (oids::SIGNING_CERTIFICATE, false)] {
        if let Some(value) = attributes.only(oid)? {
            let fault = || format!("{} does not read", oids::name(oid));
            return EssCert::parse(value, v2).map(Some).ok_or_else(fault);
        }
    }
    Ok(None)
}

/// True if `ess` names this certificate: by its hash, and by issuer and serial number if told.
fn is_of(ess: &EssCert<'_>, certificate: &Certificate) -> bool {
    let digest = if ess.hash == oids::SHA1 {
        Some(sha1(certificate.der()).to_vec())
    } else {
        Hash::from_oid(ess.hash).map(|hash| hash.of(certificate.der()))
    };
    let same_name = ess
        .issuer_serial
        .is_none_or(|(issuer, serial)| names(&SignerId::IssuerAndSerial { issuer, serial }, certificate));
    digest.as_deref() == Some(ess.digest) && same_name
}

/// RFC 6211 §2: `{ digestAlgorithm, [1] signatureAlgorithm }`.
fn protects(value: &[u8], signer: &SignerInfo<'_>) -> bool {
    let compare = || {
        let mut fields = Reader::new(value).take(der::SEQUENCE)?.inside();
        let digest = Algorithm::take(&mut fields)?;
        let signature = Algorithm::parse(fields.take(0xA1)?)?;
        // The tag of the second is another; NULL and absent parameters are confused by many.
        let same = |a: &Algorithm<'_>, b: &Algorithm<'_>| {
            let plain = |parameters: Option<&[u8]>| parameters.filter(|it| *it != [5, 0]).map(<[u8]>::to_vec);
            a.oid == b.oid && plain(a.parameters) == plain(b.parameters)
        };
        let agrees = same(&digest, &signer.digest_algorithm) && same(&signature, &signer.signature_algorithm);
        Some(agrees && fields.is_at_end())
    };
    compare().unwrap_or(false)
}

/// True for the DER of a SET OF Attribute.
fn is_attributes(content: &[u8]) -> bool {
    let mut reader = Reader::new(content);
    let Some(set) = reader.take(der::SET) else { return false };
    let is_attribute = set.inside().take(der::SEQUENCE).is_some_and(|attribute| attribute.inside().next_is(der::OID));
    reader.is_at_end() && is_attribute
}
