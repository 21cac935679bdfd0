//! The checks of a token (RFC 3161 §2.4.2, RFC 5652 §5.6, RFC 5035 §5).

use rasn::prelude::*;
use rasn_cms::tsp::{Accuracy, MessageImprint};
use rasn_cms::{CertificateChoices, CmsAlgorithmProtection, ContentInfo, SignedData, SignerIdentifier, SignerInfo};
use rasn_pkix::{Extensions, GeneralName};

use super::report::{Check, Lines, Report, TokenSummary};
use super::{Document, Evidence, Trust};
use crate::asn1::{PolicyId, RawOid, SigningCertificateV2, decode_strict, der, oid};
use crate::crypto::{PublicKey, Purpose, SignatureAlgorithm, Verifier, imprint_of, verify_chain};
use crate::digest::{Digest, ImprintAlgorithm};
use crate::time::Timestamp;
use crate::x509::{Certificate, encode};

/// AlgorithmIdentifier of SHA-256, the only digest in our tokens, without parameters.
const SHA256: [u8; 13] = [0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

/// TSTInfo (RFC 3161 §2.4.2) with its policy as octets: the type of rasn-cms cannot hold arcs of 2^32 and more (2.25.…).
#[derive(AsnType, Decode, Encode)]
struct TstInfo {
    version: Integer,
    policy: RawOid,
    message_imprint: MessageImprint,
    serial_number: Integer,
    gen_time: GeneralizedTime,
    accuracy: Option<Accuracy>,
    #[rasn(default = "unordered")]
    ordering: bool,
    nonce: Option<Integer>,
    #[rasn(tag(explicit(0)))]
    tsa: Option<GeneralName>,
    #[rasn(tag(1))]
    extensions: Option<Extensions>,
}

/// The DEFAULT of `ordering`.
const fn unordered() -> bool {
    false
}

/// A token whose form was accepted.
pub(super) struct Token {
    pub(super) gen_time: Timestamp,
    pub(super) imprint_algorithm: ImprintAlgorithm,
    pub(super) null_parameters: bool,
    pub(super) imprint: Vec<u8>,
    pub(super) serial: Vec<u8>,
    pub(super) policy: PolicyId,
    pub(super) nonce: Option<Vec<u8>>,
    tst_info_der: Vec<u8>,
    pub(super) certificates: Vec<Certificate>,
    signers: Vec<SignerInfo>,
}

impl Token {
    /// Reads a token strictly.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let content_info: ContentInfo = decode_strict(bytes).ok_or("not a ContentInfo in strict DER")?;
        if *content_info.content_type != *oid::SIGNED_DATA {
            return Err("the content is not SignedData");
        }
        let signed: SignedData =
            decode_strict(content_info.content.as_bytes()).ok_or("the SignedData is not strict DER")?;
        let digests: Vec<_> = signed.digest_algorithms.iter().map(encode).collect();
        if signed.version != Integer::from(3) || digests != [SHA256] {
            return Err("the SignedData is not version 3 with SHA-256");
        }
        if signed.crls.is_some() {
            return Err("the SignedData carries revocation lists");
        }
        let certificates = match &signed.certificates {
            None => Vec::new(),
            Some(set) if set.is_empty() => return Err("the certificate set is empty"),
            Some(set) => set.iter().map(certificate).collect::<Option<_>>().ok_or("a certificate is not strict DER")?,
        };
        if *signed.encap_content_info.content_type != *oid::TST_INFO {
            return Err("the signed content is not TSTInfo");
        }
        let tst_info_der = signed.encap_content_info.content.ok_or("the TSTInfo is missing")?.to_vec();
        let tst: TstInfo = decode_strict(&tst_info_der).ok_or("the TSTInfo is not strict DER")?;
        let gen_time = Timestamp::from_chrono(&tst.gen_time)
            .filter(|t| t.to_chrono() == tst.gen_time)
            .ok_or("genTime is not in whole milliseconds between 1970 and 9999")?;
        if tst.version != Integer::from(1) || tst.accuracy.is_none() || tst.ordering {
            return Err("the TSTInfo is not version 1 with an accuracy and without ordering");
        }
        let hash = tst.message_imprint.hash_algorithm;
        let imprint_algorithm = ImprintAlgorithm::from_oid(&content_of(&encode(&hash.algorithm)))
            .ok_or("the imprint's hash is not known")?;
        let policy = PolicyId::from_content(&tst.policy.0).ok_or("the policy does not read")?;
        Ok(Self {
            gen_time,
            imprint_algorithm,
            null_parameters: hash.parameters.is_some(),
            imprint: tst.message_imprint.hashed_message.to_vec(),
            serial: content_of(&encode(&tst.serial_number)),
            policy,
            nonce: tst.nonce.map(|nonce| content_of(&encode(&nonce))),
            tst_info_der,
            certificates,
            signers: signed.signer_infos.into_vec(),
        })
    }

    /// The signature, if there is exactly one.
    pub(super) fn signature(&self) -> Option<&[u8]> {
        let [signer] = self.signers.as_slice() else { return None };
        Some(&signer.signature)
    }
}

fn certificate(choice: &CertificateChoices) -> Option<Certificate> {
    match choice {
        CertificateChoices::Certificate(certificate) => Certificate::from_der(&encode(&**certificate)).ok(),
        CertificateChoices::ExtendedCertificate(_)
        | CertificateChoices::V2AttributeCertificate(_)
        | CertificateChoices::Other(_) => None,
    }
}

/// The content octets of a value.
fn content_of(value: &[u8]) -> Vec<u8> {
    let skip = match value.get(1) {
        Some(short) if *short < 0x80 => 2,
        Some(long) => 2 + usize::from(*long & 0x7F),
        None => 0,
    };
    value.get(skip..).unwrap_or_default().to_vec()
}

/// Makes all checks of the token; gives it if its form is good.
pub(super) fn check(evidence: &Evidence<'_>, trust: &Trust, report: &mut Report) -> Option<Token> {
    let checks = &mut report.checks;
    let token = match Token::parse(evidence.token) {
        Ok(token) => token,
        Err(reason) => {
            checks.record(Check::TokenForm, Err(reason.to_owned()));
            for check in Check::TokenForm.following(Check::TokenPolicy) {
                checks.skip(check, "the token does not read");
            }
            return None;
        }
    };
    checks.record(Check::TokenForm, Ok(()));
    checks.record(Check::TokenImprint, check_imprint(&token, evidence.document));

    let signer = find_signer(&token, trust);
    let summary_signer = signer.as_ref().ok().and_then(|(_, c)| c.subject_attribute(oid::COMMON_NAME));
    match &signer {
        Err(reason) => {
            checks.record(Check::TokenSigner, Err((*reason).to_owned()));
            for check in Check::TokenSigner.following(Check::CertificateRevocation) {
                checks.skip(check, "the signer is not known");
            }
        }
        Ok((info, certificate)) => {
            checks.record(Check::TokenSigner, Ok(()));
            let said = |result: Result<(), &'static str>| result.map_err(str::to_owned);
            checks.record(Check::TokenAttributes, said(check_attributes(&token, info)));
            checks.record(Check::TokenCertificateBinding, said(check_binding(info, certificate)));
            checks.record(Check::TokenSignature, said(check_signature(info, certificate)));
            checks.record(Check::CertificateChain, check_chain(&token, certificate, trust));
            checks.record(Check::CertificateKeyPeriod, check_key_period(&token, certificate));
            checks.skip(Check::CertificateRevocation, "this version looks at no revocation list");
        }
    }
    checks.put(Check::TokenPolicy, trust.judge_policy(token.policy.is_test(), |policy| *policy == token.policy));
    report.token = Some(TokenSummary {
        gen_time: token.gen_time,
        serial: hex::encode(&token.serial),
        policy: token.policy.to_string(),
        is_test: token.policy.is_test(),
        hash: token.imprint_algorithm.name(),
        nonce: token.nonce.as_ref().map(hex::encode),
        signer: summary_signer,
        digest: Digest::of(evidence.token),
    });
    Some(token)
}

fn check_imprint(token: &Token, document: Document<'_>) -> Result<(), String> {
    let same = match document {
        Document::Bytes(bytes) => imprint_of(token.imprint_algorithm, bytes) == token.imprint,
        Document::Imprint { algorithm, .. } if algorithm != token.imprint_algorithm => {
            return Err(format!(
                "the token was made over {}, not {}",
                token.imprint_algorithm.name(),
                algorithm.name()
            ));
        }
        Document::Imprint { digest, .. } => digest == token.imprint,
    };
    if same { Ok(()) } else { Err("the token is for another document".to_owned()) }
}

/// The one SignerInfo and the certificate that it names, out of the token if it carries any, else out of the chain file.
pub(super) fn find_signer<'a>(
    token: &'a Token,
    trust: &'a Trust,
) -> Result<(&'a SignerInfo, &'a Certificate), &'static str> {
    let [info] = token.signers.as_slice() else { return Err("there is not exactly one signer") };
    let SignerIdentifier::IssuerAndSerialNumber(sid) = &info.sid else {
        return Err("the signer is not named by issuer and serial number");
    };
    let candidates = if token.certificates.is_empty() { &trust.chain } else { &token.certificates };
    let named = |certificate: &&Certificate| {
        *certificate.issuer() == sid.issuer && certificate.decoded().tbs_certificate.serial_number == sid.serial_number
    };
    candidates.iter().find(named).map(|certificate| (info, certificate)).ok_or("the signer's certificate is not known")
}

/// The one value of the signed attribute `id`.
fn attribute<'a>(info: &'a SignerInfo, id: &Oid) -> Option<&'a [u8]> {
    let mut found = info.signed_attrs.as_ref()?.iter().filter(|attribute| *attribute.r#type == *id);
    let (one, None) = (found.next()?, found.next()) else { return None };
    let [value] = one.values.to_vec()[..] else { return None };
    Some(value.as_bytes())
}

fn check_attributes(token: &Token, info: &SignerInfo) -> Result<(), &'static str> {
    if info.version != Integer::from(1) || encode(&info.digest_algorithm) != SHA256 {
        return Err("the SignerInfo is not version 1 with SHA-256");
    }
    if info.unsigned_attrs.is_some() {
        return Err("unsigned attributes were added");
    }
    let content_type = attribute(info, oid::CONTENT_TYPE).ok_or("contentType is not there exactly once")?;
    if content_type != encode(&ObjectIdentifier::from(oid::TST_INFO)) {
        return Err("contentType is not TSTInfo");
    }
    let digest = attribute(info, oid::MESSAGE_DIGEST).ok_or("messageDigest is not there exactly once")?;
    if digest != der::tlv(der::OCTET_STRING, Digest::of(&token.tst_info_der).as_bytes()) {
        return Err("messageDigest is not that of the TSTInfo");
    }
    let protection = attribute(info, oid::ALGORITHM_PROTECTION).ok_or("CMSAlgorithmProtection is not there once")?;
    let protection: CmsAlgorithmProtection =
        decode_strict(protection).ok_or("CMSAlgorithmProtection is not strict DER")?;
    let protected = protection.digest_algorithm == info.digest_algorithm
        && protection.signature_algorithm.as_ref() == Some(&info.signature_algorithm)
        && protection.mac_algorithm.is_none();
    if protected { Ok(()) } else { Err("CMSAlgorithmProtection names other algorithms") }
}

fn check_binding(info: &SignerInfo, certificate: &Certificate) -> Result<(), &'static str> {
    let value = attribute(info, oid::SIGNING_CERTIFICATE_V2).ok_or("signingCertificateV2 is not there exactly once")?;
    let ess: SigningCertificateV2 = decode_strict(value).ok_or("signingCertificateV2 is not strict DER")?;
    let [id] = ess.certs.as_slice() else { return Err("signingCertificateV2 does not name the signer alone") };
    // Absent means SHA-256; DER forbids to write the default.
    if id.hash_algorithm.is_some() || id.cert_hash[..] != certificate.digest().0 {
        return Err("signingCertificateV2 has the hash of another certificate");
    }
    let issuer_serial = id.issuer_serial.as_ref().ok_or("signingCertificateV2 lacks issuer and serial number")?;
    let named = issuer_serial.issuer == [GeneralName::DirectoryName(certificate.issuer().clone())]
        && issuer_serial.serial_number.0[..] == certificate.serial();
    if named { Ok(()) } else { Err("signingCertificateV2 names another certificate") }
}

fn check_signature(info: &SignerInfo, certificate: &Certificate) -> Result<(), &'static str> {
    let key = PublicKey::from_spki_der(&certificate.spki_der()).map_err(|_| "the signer's key is of no known kind")?;
    let algorithm = SignatureAlgorithm::from_identifier_der(&encode(&info.signature_algorithm));
    if algorithm != Some(key.algorithm()) {
        return Err("the signature algorithm is not that of the key");
    }
    // Signed as SET OF (RFC 5652 §5.4); the strict form check made sure that this is the order received.
    let attributes = info.signed_attrs.as_ref().ok_or("there are no signed attributes")?;
    if key.verify(&encode(attributes), &info.signature) { Ok(()) } else { Err("the signature is wrong") }
}

fn check_chain(token: &Token, signer: &Certificate, trust: &Trust) -> Result<(), String> {
    // A token that brings certificates is judged by these alone: every octet of it counts.
    let helpers = if token.certificates.is_empty() { &trust.chain } else { &token.certificates };
    let others: Vec<&Certificate> = helpers.iter().filter(|c| c.der() != signer.der()).collect();
    let intermediates: Vec<Vec<u8>> = others.iter().filter(|c| c.is_ca()).map(|c| c.der().to_vec()).collect();
    let root = trust.root.der();
    verify_chain(signer.der(), &intermediates, root, token.gen_time, Purpose::Timestamping)
        .map_err(|fault| fault.to_string())?;
    for other in others.into_iter().filter(|_| !token.certificates.is_empty()) {
        verify_chain(other.der(), &intermediates, root, token.gen_time, Purpose::Any)
            .map_err(|fault| format!("another certificate in the token: {fault}"))?;
    }
    Ok(())
}

fn check_key_period(token: &Token, signer: &Certificate) -> Result<(), String> {
    match signer.private_key_usage_period() {
        None => Err("the certificate has no privateKeyUsagePeriod".to_owned()),
        Some(period) if period.contains(token.gen_time) => Ok(()),
        Some(period) => Err(format!(
            "genTime {} is outside the key's period {} to {}",
            token.gen_time, period.not_before, period.not_after
        )),
    }
}
