//! The checks of a DVC (RFC 3029 §9.1, RFC 5652 §5.6, RFC 5035 §5).

use rasn_pkix::GeneralName;

use super::report::{DvcCheck, DvcCheckResult, DvcReport};
use super::{DvcEvidence, request_of, words};
use crate::asn1::{SigningCertificateV2, decode_strict};
use crate::cms::{SignedData, SignerId, SignerInfo, oids};
use crate::crypto::{Purpose, foreign_hash, imprint_of, verify_chain};
use crate::notary::dvcs::request::{Asked, Request};
use crate::notary::dvcs::status::{Status, StatusInfo};
use crate::notary::dvcs::token::CertEtcToken;
use crate::notary::dvcs::types::{CertInfo, DvcsTime, RESPONSE_DATA, Response, ServiceType};
use crate::time::Timestamp;
use crate::verify::report::Lines;
use crate::verify::{Check, Document, Evidence, Outcome, TokenReading, Trust, verify_timestamp};
use crate::x509::{Certificate, dvcs};

/// A DVC whose form was accepted.
pub(super) struct Signed<'a> {
    pub(super) info: CertInfo,
    /// responseTime.
    pub(super) time: Timestamp,
    content: &'a [u8],
    certificates: Vec<Certificate>,
    signers: Vec<SignerInfo<'a>>,
}

impl<'a> Signed<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if let Some(Response::ErrorNote { status, .. }) = Response::bare(bytes) {
            return Err(error_notice(&status));
        }
        let signed = SignedData::from_der(bytes).ok_or("not SignedData in DER")?;
        if signed.content_type != RESPONSE_DATA {
            return Err("the signed content is not DVCSResponseData".to_owned());
        }
        if signed.version != [3] || signed.has_crls || signed.has_other_certificates() {
            return Err("the SignedData is not version 3 with certificates alone".to_owned());
        }
        let certificates = signed.certificates().map(Certificate::from_der).collect::<Result<_, _>>();
        let certificates = certificates.map_err(|fault| format!("a certificate: {fault}"))?;
        let content = signed.attached().ok_or("the content is missing")?;
        let info = match Response::parse(content).map_err(|fault| fault.to_string())? {
            Response::CertInfo(info) => *info,
            Response::ErrorNote { status, .. } => return Err(error_notice(&status)),
        };
        let time = match &info.time {
            DvcsTime::Moment(time) => *time,
            DvcsTime::Token(token) => TokenReading::of(token)?.gen_time,
        };
        for signer in &signed.signers {
            check_form(&signed, signer)?;
        }
        Ok(Self { info, time, content, certificates, signers: signed.signers })
    }

    /// The one signature, and the certificate that it names.
    fn signer(&self) -> Result<(&SignerInfo<'a>, &Certificate), &'static str> {
        let [info] = self.signers.as_slice() else { return Err("there is not exactly one signer") };
        let found = self.certificates.iter().find(|one| info.sid.names(one));
        found.map(|certificate| (info, certificate)).ok_or("the signer's certificate did not come along")
    }

    /// Whether it is of a test service: it says so itself, or its signer's certificate, or the token that tells its time.
    pub(super) fn is_test(&self, signer: Option<&Certificate>) -> bool {
        let of_token = match &self.info.time {
            DvcsTime::Moment(_) => false,
            DvcsTime::Token(token) => TokenReading::of(token).is_ok_and(|token| token.policy.is_test()),
        };
        let policy = self.info.policy.as_ref();
        of_token || policy.is_some_and(|policy| policy.id.is_test()) || signer.is_some_and(Certificate::is_of_test)
    }

    /// The token over the signature.
    pub(super) fn time_stamp(&self) -> Option<&'a [u8]> {
        self.signers.first()?.unsigned_attribute(oids::SIGNATURE_TIMESTAMP)
    }
}

fn error_notice(status: &StatusInfo) -> String {
    format!("it is an error notice and certifies nothing: {}", status.text())
}

/// What no signature covers has one form.
fn check_form(signed: &SignedData<'_>, signer: &SignerInfo<'_>) -> Result<(), String> {
    let version = if matches!(signer.sid, SignerId::IssuerAndSerial { .. }) { [1] } else { [3] };
    // With or without NULL, which some write once and leave out once.
    let same_hash = foreign_hash(signed.digest_algorithms) == foreign_hash(signer.digest_algorithm.whole);
    if signer.version != version || !same_hash {
        return Err("version or digest algorithm of the signature are not as the standard has them".to_owned());
    }
    let unsigned = signer.unsigned.content();
    if !unsigned.is_empty() {
        let token =
            signer.unsigned_attribute(oids::SIGNATURE_TIMESTAMP).ok_or("something else than a time stamp was added")?;
        let head = crate::asn1::der::tlv(crate::asn1::der::OID, oids::SIGNATURE_TIMESTAMP);
        let alone = crate::asn1::der::sequence(&[&head, &crate::asn1::der::tlv(crate::asn1::der::SET, token)]);
        if unsigned != alone {
            return Err("something besides a time stamp was added".to_owned());
        }
    }
    Ok(())
}

/// Makes all checks of the DVC; gives it if its form is good.
pub(super) fn dvc<'a>(evidence: &DvcEvidence<'a>, trust: &Trust, report: &mut DvcReport) -> Option<Signed<'a>> {
    let checks = &mut report.checks;
    let signed = match Signed::parse(evidence.dvc) {
        Ok(signed) => signed,
        Err(reason) => {
            checks.record(DvcCheck::Form, Err(reason));
            for check in DvcCheck::ALL.into_iter().filter(|check| *check > DvcCheck::Form && !check.is_of_ledger()) {
                checks.skip(check, "the DVC does not read");
            }
            return None;
        }
    };
    checks.record(DvcCheck::Form, Ok(()));
    let signer = signed.signer();
    match signer {
        Err(reason) => {
            checks.record(DvcCheck::Signer, Err(reason.to_owned()));
            let rest = |check: &DvcCheck| (DvcCheck::CertificateBinding..=DvcCheck::TimeStamp).contains(check);
            for check in DvcCheck::ALL.into_iter().filter(rest) {
                checks.skip(check, "the signer is not known");
            }
        }
        Ok((info, certificate)) => {
            checks.record(DvcCheck::Signer, Ok(()));
            checks.record(DvcCheck::CertificateBinding, check_binding(info, certificate).map_err(str::to_owned));
            let verified = info.verify(&RESPONSE_DATA, signed.content, &certificate.spki_der());
            checks.record(DvcCheck::Signature, verified.map_err(|fault| fault.to_string()));
            checks.record(DvcCheck::CertificatePurpose, dvcs::check(certificate).map_err(|fault| fault.to_string()));
            checks.record(DvcCheck::CertificateChain, check_chain(&signed, certificate, trust));
            checks.skip(DvcCheck::CertificateRevocation, "this version looks at no revocation list");
            match signed.time_stamp() {
                None => checks.skip(DvcCheck::TimeStamp, "the signature has no time stamp"),
                Some(token) => {
                    let outcome = check_token(token, Document::Bytes(&info.signature), trust);
                    checks.put(DvcCheck::TimeStamp, outcome);
                }
            }
        }
    }
    match &signed.info.time {
        DvcsTime::Moment(_) => checks.skip(DvcCheck::TimeToken, "responseTime is a moment, not a token"),
        DvcsTime::Token(token) => {
            let imprint = &signed.info.imprint;
            let document = Document::Imprint { algorithm: imprint.algorithm, digest: &imprint.digest };
            checks.put(DvcCheck::TimeToken, check_token(token, document, trust));
        }
    }
    checks.record(DvcCheck::Answer, check_answer(&signed.info).map_err(str::to_owned));
    let signer = signer.ok().map(|(_, certificate)| certificate);
    let (policy, is_test) = (signed.info.policy.as_ref().map(|policy| &policy.id), signed.is_test(signer));
    checks.put(DvcCheck::Policy, trust.judge_policy(is_test, |accepted| policy == Some(accepted)));
    against_request(evidence, &signed.info, checks);
    report.dvc = Some(words::summary(evidence.dvc, &signed, signer));
    Some(signed)
}

fn check_binding(info: &SignerInfo<'_>, certificate: &Certificate) -> Result<(), &'static str> {
    let value = info.signed_attribute(oids::SIGNING_CERTIFICATE_V2);
    let value = value.ok_or("signingCertificateV2 is not there exactly once")?;
    let ess: SigningCertificateV2 = decode_strict(value).ok_or("signingCertificateV2 is not strict DER")?;
    // The signer's comes first (RFC 5035 §3).
    let id = ess.certs.first().ok_or("signingCertificateV2 names no certificate")?;
    // Absent means SHA-256; DER forbids to write the default.
    if id.hash_algorithm.is_some() || id.cert_hash[..] != certificate.digest().0 {
        return Err("signingCertificateV2 has the hash of another certificate");
    }
    let named = id.issuer_serial.as_ref().is_none_or(|both| {
        both.issuer == [GeneralName::DirectoryName(certificate.issuer().clone())]
            && both.serial_number.0[..] == certificate.serial()
    });
    if named { Ok(()) } else { Err("signingCertificateV2 names another certificate") }
}

fn check_chain(signed: &Signed<'_>, signer: &Certificate, trust: &Trust) -> Result<(), String> {
    let others: Vec<&Certificate> = signed.certificates.iter().filter(|one| one.der() != signer.der()).collect();
    let helpers = others.iter().copied().chain(&trust.chain).filter(|one| one.is_ca());
    let intermediates: Vec<Vec<u8>> = helpers.map(|one| one.der().to_vec()).collect();
    let root = trust.root.der();
    verify_chain(signer.der(), &intermediates, root, signed.time, Purpose::Any).map_err(|fault| fault.to_string())?;
    for other in others {
        verify_chain(other.der(), &intermediates, root, signed.time, Purpose::Any)
            .map_err(|fault| format!("another certificate in the DVC: {fault}"))?;
    }
    Ok(())
}

/// A token as RFC 3161 has it. Of what responseTime's token must be, RFC 3029 does not say (§7.3): ours are of messageImprint.
fn check_token(token: &[u8], document: Document<'_>, trust: &Trust) -> Outcome {
    // Under which policies tokens are good enough for it, the DVC's own policy says.
    let report = verify_timestamp(&Evidence { document, token, proof: None }, &trust.whatever_policy());
    let failed = report.checks.iter().filter_map(|result| match &result.outcome {
        Outcome::Failed(reason) => Some((result.check, reason)),
        Outcome::Ok | Outcome::NotChecked(_) => None,
    });
    let failed: Vec<_> = failed.collect();
    match failed.as_slice() {
        [] => Outcome::Ok,
        [(Check::TokenImprint, _)] if matches!(document, Document::Imprint { .. }) => Outcome::NotChecked(
            "the token is not of the imprint, and the standard does not say of what it must be".to_owned(),
        ),
        [(_, reason), ..] => Outcome::Failed((*reason).clone()),
    }
}

fn check_answer(info: &CertInfo) -> Result<(), &'static str> {
    let status = info.status.as_ref();
    let success = status.is_none_or(|status| matches!(status.status, Status::Granted | Status::GrantedWithMods));
    let granted = |chain: &crate::notary::dvcs::token::TargetEtcChain| {
        chain.status().is_some_and(|status| matches!(status.status, Status::Granted | Status::GrantedWithMods))
    };
    if info.extensions.iter().any(|extension| extension.critical) {
        return Err("it has a critical extension, and none is known here");
    }
    match info.request.service {
        ServiceType::Ccpd | ServiceType::Cpd => Ok(()),
        ServiceType::Vsd | ServiceType::Vpkc if status.is_none() => Err("it has no status"),
        ServiceType::Vpkc if info.certs.is_empty() => Err("it answers about no certificate"),
        ServiceType::Vpkc if info.certs.iter().any(|chain| chain.status().is_none()) => {
            Err("a certificate has no status of its own")
        }
        ServiceType::Vsd | ServiceType::Vpkc if success && !info.certs.iter().all(granted) => {
            Err("it says yes, and no of one of its certificates")
        }
        ServiceType::Vpkc if !success && info.certs.iter().all(granted) => {
            Err("it says no, and yes of each certificate")
        }
        ServiceType::Vsd | ServiceType::Vpkc => Ok(()),
    }
}

/// The imprint, and the request.
fn against_request(evidence: &DvcEvidence<'_>, info: &CertInfo, checks: &mut Vec<DvcCheckResult>) {
    let request = evidence.request.map(request_of);
    let read = request.as_ref().and_then(|read| read.as_ref().ok());
    checks.put(DvcCheck::Imprint, check_imprint(evidence, read, info));
    match request {
        None => checks.skip(DvcCheck::Request, "the request was not given"),
        Some(Err(reason)) => checks.record(DvcCheck::Request, Err(format!("the request does not read: {reason}"))),
        Some(Ok(request)) => checks.record(DvcCheck::Request, check_request(&request, info)),
    }
}

/// The digest of a document is that of its octets; of certificates that of what is asked about them, which may be more than they.
fn check_imprint(evidence: &DvcEvidence<'_>, request: Option<&Request>, info: &CertInfo) -> Outcome {
    let (algorithm, found) = (info.imprint.algorithm, &info.imprint.digest);
    let is_of_certificates = info.request.service == ServiceType::Vpkc;
    let of_document = evidence.document.filter(|_| !is_of_certificates).map(|document| match document {
        Document::Bytes(bytes) => imprint_of(algorithm, bytes) == *found,
        Document::Imprint { algorithm: other, digest } => other == algorithm && digest == found,
    });
    if of_document == Some(false) {
        return Outcome::Failed("the DVC is for another document".to_owned());
    }
    let of_request = request.map(|request| request.asked.imprint(algorithm).digest == *found);
    if of_request == Some(false) {
        return Outcome::Failed("the DVC is for other data than the request's".to_owned());
    }
    let certificates = evidence.certificates.filter(|_| is_of_certificates);
    let of_certificates = certificates.map(|given| {
        let answered = info.certs.iter().map(|chain| match &chain.target {
            CertEtcToken::Certificate(der) => Some(&der[..]),
            _ => None,
        });
        let given: Vec<_> = given.iter().map(|der| &der[..]).collect();
        (answered.eq(given.iter().copied().map(Some)), Asked::certificates(&given).imprint(algorithm).digest == *found)
    });
    match (of_document.or(of_request), of_certificates) {
        (_, Some((false, _))) => Outcome::Failed("the DVC is about other certificates".to_owned()),
        (Some(_), _) | (None, Some((true, true))) => Outcome::Ok,
        (None, Some((true, false))) => {
            Outcome::not_checked("it is about these certificates, and was asked with more than them: give the request")
        }
        (None, None) => Outcome::not_checked("neither the document nor the request was given"),
    }
}

fn check_request(request: &Request, info: &CertInfo) -> Result<(), String> {
    request.information.matches(&info.request).map_err(|field| format!("{field} is not that of the request"))?;
    let signature = request.signature.as_ref().map(|signature| &signature.signer_infos);
    if signature != info.request_signature.as_ref() {
        return Err("reqSignature is not the signature of the request".to_owned());
    }
    match &request.asked {
        Asked::Certificates { targets, .. } => {
            let same = targets.len() == info.certs.len()
                && targets.iter().zip(&info.certs).all(|(asked, answered)| asked.target == answered.target);
            same.then_some(()).ok_or_else(|| "it does not answer about each certificate of the request".to_owned())
        }
        Asked::Claim(imprint) if *imprint != info.imprint => {
            Err("the imprint is not the request's to the octet".to_owned())
        }
        Asked::Claim(_) | Asked::Possession(_) | Asked::SignedDocument(_) => Ok(()),
    }
}
