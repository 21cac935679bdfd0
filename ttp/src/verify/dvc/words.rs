//! What a DVC says, and what it does not say.

use super::check::Signed;
use super::report::{DvcSummary, TargetSummary};
use crate::asn1::oid;
use crate::digest::Digest;
use crate::notary::dvcs::status::{Status, StatusInfo};
use crate::notary::dvcs::token::{CertEtcToken, TargetEtcChain};
use crate::notary::dvcs::types::{DvcsTime, ServiceType};
use crate::verify::TokenReading;
use crate::verify::report::moment;
use crate::x509::Certificate;

/// What the DVC says.
pub(super) fn summary(dvc: &[u8], signed: &Signed<'_>, signer: Option<&Certificate>) -> DvcSummary {
    let info = &signed.info;
    let status = info.status.as_ref();
    DvcSummary {
        service: info.request.service.name(),
        response_time: signed.time,
        serial: hex::encode(&info.serial),
        policy: info.policy.as_ref().map(|policy| policy.id.to_string()),
        is_test: signed.is_test(signer),
        hash: info.imprint.algorithm.name(),
        imprint: hex::encode(&info.imprint.digest),
        nonce: info.request.nonce.as_ref().map(hex::encode),
        status: status.map(|status| name(status.status)),
        text: status.map(StatusInfo::text).unwrap_or_default(),
        fail_info: status.map_or(Vec::new(), |status| status.fail_info.iter().map(|info| info.name()).collect()),
        targets: info.certs.iter().map(target).collect(),
        signer: signer.and_then(|certificate| certificate.subject_attribute(oid::COMMON_NAME)),
        request_was_signed: info.request_signature.is_some(),
        time_stamped: signed.time_stamp().and_then(|token| TokenReading::of(token).ok()).map(|token| token.gen_time),
        says: says(signed),
        does_not_say: does_not_say(info.request.service),
        digest: Digest::of(dvc),
    }
}

const fn name(status: Status) -> &'static str {
    match status {
        Status::Granted => "granted",
        Status::GrantedWithMods => "granted with modifications",
        Status::Rejection => "rejection",
        Status::Waiting => "waiting",
    }
}

fn target(chain: &TargetEtcChain) -> TargetSummary {
    let certificate = match &chain.target {
        CertEtcToken::Certificate(der) => Certificate::from_der(der).ok(),
        _ => None,
    };
    let named = certificate.as_ref().and_then(|certificate| certificate.subject_attribute(oid::COMMON_NAME));
    let kind = match &chain.target {
        CertEtcToken::Certificate(_) => "a certificate without a common name",
        CertEtcToken::EssCertId(_) => "a certificate named by its hash",
        CertEtcToken::OcspCertId(_) => "a certificate named by issuer and serial number",
        CertEtcToken::Extension(_) => "an extension",
        CertEtcToken::Status(_)
        | CertEtcToken::Assertion(_)
        | CertEtcToken::Crl(_)
        | CertEtcToken::OcspCertStatus(_)
        | CertEtcToken::OcspResponse(_)
        | CertEtcToken::Capabilities(_) => "something else than a certificate",
    };
    TargetSummary {
        name: named.unwrap_or_else(|| kind.to_owned()),
        serial: certificate.map(|certificate| hex::encode(certificate.serial())),
        status: chain.status().map_or("no status", |status| name(status.status)),
        text: chain.status().map(StatusInfo::text).unwrap_or_default(),
    }
}

fn says(signed: &Signed<'_>) -> String {
    let info = &signed.info;
    let data = format!("data whose {} is {}", info.imprint.algorithm.name(), hex::encode(&info.imprint.digest));
    let asked_about = match &info.request.request_time {
        Some(DvcsTime::Moment(time)) => *time,
        _ => signed.time,
    };
    let status = match &info.status {
        None => String::new(),
        Some(status) => {
            let text = status.text();
            if text.is_empty() { name(status.status).to_owned() } else { format!("{} ({text})", name(status.status)) }
        }
    };
    let positive = info.status.as_ref().is_none_or(StatusInfo::is_granted);
    let (certificates, about) = (info.certs.len(), moment(asked_about));
    match (info.request.service, positive) {
        (ServiceType::Ccpd, true) => format!("On {} somebody claimed to have {data}.", moment(signed.time)),
        (ServiceType::Cpd, true) => format!("On {} the server held {data}.", moment(signed.time)),
        (ServiceType::Ccpd | ServiceType::Cpd, false) => {
            format!("The server did not certify anything of {data}: {status}.")
        }
        (ServiceType::Vsd, true) => {
            format!("By the rules of the server, the signatures of the {data} were valid on {about}.")
        }
        (ServiceType::Vsd, false) => {
            format!(
                "By the rules of the server, the signatures of the {data} were NOT found valid on {about}: {status}."
            )
        }
        (ServiceType::Vpkc, true) => {
            format!("By the rules of the server, all {certificates} certificates asked about were valid on {about}.")
        }
        (ServiceType::Vpkc, false) => {
            let bad = info.certs.iter().filter(|chain| !chain.status().is_some_and(StatusInfo::is_granted)).count();
            format!(
                "By the rules of the server, {bad} of {certificates} certificates were NOT found valid on {about}: {status}."
            )
        }
    }
}

const fn does_not_say(service: ServiceType) -> &'static str {
    match service {
        ServiceType::Ccpd => "It does not say that anybody really had that data, what is in it, or who asked.",
        ServiceType::Cpd => {
            "It does not say who wrote the data, whether what is in it is true, or who had a right to it."
        }
        ServiceType::Vsd => "It does not say that what was signed is true, or that the signers meant it.",
        ServiceType::Vpkc => "It does not say what the holders of the certificates did with their keys.",
    }
}
