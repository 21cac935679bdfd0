//! What a validation gave, as a DVC says it: each status with what it rests on (RFC 3029 §7.5, §9.1).

use std::sync::Arc;

use super::response::{Answer, Finding};
use super::status::{FailInfo, StatusInfo};
use super::token::{CertEtcToken, PathProcInput, TargetEtcChain};
use crate::digest::Digest;
use crate::path::{Certificate, Crl, InitialPolicies, Material, OcspResponse};
use crate::validation::{Conclusion, Indication, Report, SignatureReport, Target};

/// The most octets of certificates, lists and responses that go into one DVC; the report names all of them.
const EVIDENCE_BYTES: usize = 1 << 20;

/// The most of them behind one certificate.
const EVIDENCE_MAX: usize = 32;

/// The most certificates, lists and responses of a request that are looked at.
const MATERIAL_MAX: usize = 256;

/// A certificate that vpkc asks about, or why it cannot be judged.
pub type AskedTarget = Result<Target, StatusInfo>;

/// What is to be judged of each target, in their order; what came along with them goes among the material.
#[must_use]
pub fn targets(chains: &[TargetEtcChain], material: &mut Material) -> Vec<AskedTarget> {
    for token in chains.iter().flat_map(|chain| &chain.chain).take(MATERIAL_MAX) {
        // What does not read serves nobody, and a request has no room for more than fits.
        let _ = match token {
            CertEtcToken::Certificate(der) => {
                Certificate::from_der(der).map(|certificate| material.add_certificate(&Arc::new(certificate)))
            }
            CertEtcToken::Crl(der) => Crl::from_der(der).map(|crl| material.add_crl(&Arc::new(crl))),
            CertEtcToken::OcspResponse(der) => {
                OcspResponse::from_der(der).map(|response| material.add_response(&Arc::new(response)))
            }
            _ => continue,
        };
    }
    chains.iter().map(target).collect()
}

fn target(chain: &TargetEtcChain) -> AskedTarget {
    let CertEtcToken::Certificate(der) = &chain.target else {
        return Err(StatusInfo::rejected(Some(FailInfo::BadCertId), "The certificate itself is needed."));
    };
    let unreadable = |_| StatusInfo::rejected(Some(FailInfo::BadDataFormat), "The certificate does not read.");
    let certificate = Arc::new(Certificate::from_der(der).map_err(unreadable)?);
    Ok(Target { certificate, policies: chain.path_input.as_ref().map(policies).unwrap_or_default() })
}

fn policies(input: &PathProcInput) -> InitialPolicies {
    let acceptable = input.policies.iter().map(|policy| policy.id.clone()).collect();
    InitialPolicies {
        acceptable,
        inhibit_mapping: input.inhibit_policy_mapping,
        require_explicit: input.explicit_policy_required,
        inhibit_any: input.inhibit_any_policy,
    }
}

/// Of a signed document: the collective status, and that of each signer's certificate.
#[must_use]
pub fn of_signatures(report: &Report, material: &Material) -> Finding {
    let mut room = EVIDENCE_BYTES;
    let certificates = report.signatures.iter().filter_map(|signature| {
        let signer = der_of(material, signature.signer.as_ref()?.digest)?;
        let CertEtcToken::Certificate(der) = signer else { return None };
        Some((der, answer(signature, material, &mut room)))
    });
    Finding::Signatures { certificates: certificates.collect(), status: status(&report.conclusion) }
}

/// Of certificates: `report` is about those of `asked` that could be judged.
#[must_use]
pub fn of_certificates(asked: &[AskedTarget], report: &Report, material: &Material) -> Finding {
    let (mut room, mut judged) = (EVIDENCE_BYTES, report.signatures.iter());
    let answers: Vec<_> = asked
        .iter()
        .map(|target| match target {
            Ok(_) => judged.next().map_or_else(
                || Answer { status: StatusInfo::rejected(None, "It was not judged."), evidence: Vec::new() },
                |found| answer(found, material, &mut room),
            ),
            Err(status) => Answer { status: status.clone(), evidence: Vec::new() },
        })
        .collect();
    let rejected = answers.iter().find(|answer| !answer.status.is_granted());
    let status = match (report.conclusion.indication, rejected) {
        (_, None) => StatusInfo::granted(),
        // What was judged passed, or nothing was.
        (indication, Some(answer)) if indication == Indication::TotalPassed || report.signatures.is_empty() => {
            answer.status.clone()
        }
        (_, Some(_)) => status(&report.conclusion),
    };
    Finding::Certificates { status, answers }
}

/// Granted if everything holds; what is doubtful is a rejection that says so.
fn status(Conclusion { indication, sub_indication }: &Conclusion) -> StatusInfo {
    match (indication, sub_indication) {
        (Indication::TotalPassed, _) => StatusInfo::granted(),
        (indication, None) => StatusInfo::rejected(None, indication.name()),
        (indication, Some(sub)) => StatusInfo::rejected(None, &format!("{}/{}", indication.name(), sub.name())),
    }
}

fn answer(found: &SignatureReport, material: &Material, room: &mut usize) -> Answer {
    let above = found.chain.iter().skip(1).map(|certificate| certificate.digest);
    let told = found.revocation.iter().map(|used| used.evidence);
    let mut evidence: Vec<CertEtcToken> = Vec::new();
    for token in above.chain(told).filter_map(|digest| der_of(material, digest)).take(EVIDENCE_MAX) {
        // The same list tells of several certificates of one path.
        if token.octets() <= *room && !evidence.contains(&token) {
            *room -= token.octets();
            evidence.push(token);
        }
    }
    Answer { status: status(&found.conclusion), evidence }
}

/// What has this digest, if it was at hand.
fn der_of(material: &Material, digest: Digest) -> Option<CertEtcToken> {
    let certificate = material.certificates().iter().find(|it| it.digest() == digest);
    let crl = || material.crls().iter().find(|it| it.digest() == digest);
    let response = || material.responses().iter().find(|it| it.digest() == digest);
    certificate
        .map(|it| CertEtcToken::Certificate(it.der().to_vec()))
        .or_else(|| crl().map(|it| CertEtcToken::Crl(it.der().to_vec())))
        .or_else(|| response().map(|it| CertEtcToken::OcspResponse(it.der().to_vec())))
}

#[cfg(test)]
mod tests;
