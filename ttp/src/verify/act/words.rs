//! What a record says, and what it does not say.

use super::ActEvidence;
use super::check::find;
use super::report::{ActSummary, DocumentSummary, PrincipalSummary};
use crate::asn1::oid;
use crate::digest::Digest;
use crate::notary::{ActType, OfficerCheck, Outcome, Reason};
use crate::path::Escaped;
use crate::statement::act::{ActRecorded, PrincipalRole};
use crate::time::Timestamp;
use crate::verify::report::moment;
use crate::x509::Certificate;

/// What the record says.
pub(super) fn summary(evidence: &ActEvidence<'_>, record: &ActRecorded, notary: Option<&Certificate>) -> ActSummary {
    let time = |millis: crate::statement::Millis| Timestamp::from_millis(millis.get());
    let documents = record.documents.iter().map(|document| DocumentSummary {
        sha256: document.sha256.into(),
        size: document.size,
        role: document.role,
        held: document.held,
        given: evidence.documents.iter().any(|shown| shown.sha256 == document.sha256.into()),
    });
    let principals = record.principals.iter().map(|principal| PrincipalSummary {
        role: principal.role,
        party: principal.party.map(|party| party.to_string()),
        certificate: principal.certificate.into(),
        name: name_of(evidence, principal.certificate.into()),
        identity: principal.identity.iter().map(|identified| identified.method).collect(),
        signed_at: principal.signed_at.map(time),
        revoked_at: principal.revoked_at.map(time),
    });
    let is_named = |report: &&[u8]| record.validation_report.is_some_and(|named| Digest::of(report) == named.into());
    let mut summary = ActSummary {
        validation: evidence.report.filter(is_named).and_then(concluded),
        act: record.act.to_string(),
        kind: record.kind,
        journal_no: record.journal_no,
        service: record.notary.service.as_str().to_owned(),
        notary: notary.and_then(name_in),
        is_test: notary.is_some_and(Certificate::is_of_test),
        opened_at: time(record.opened_at),
        completed_at: time(record.completed_at),
        outcome: record.outcome,
        reason: record.reason,
        documents: documents.collect(),
        principals: principals.collect(),
        officer: record.officer.map(Digest::from),
        checked: record.checked.clone(),
        not_checked: record.not_checked.clone(),
        fee: record.fee.clone(),
        correction_of: record.correction_of.map(|act| act.to_string()),
        says: String::new(),
        says_of_checks: says_of_checks(record, record.officer.and_then(|officer| name_of(evidence, officer.into()))),
        does_not_say: does_not_say(record.kind, record.outcome),
        digest: Digest::of(evidence.act),
    };
    summary.says = says(&summary);
    summary
}

/// What somebody is called whose certificate is at hand.
fn name_of(evidence: &ActEvidence<'_>, certificate: Digest) -> Option<String> {
    find(evidence.certificates, certificate).and_then(name_in)
}

/// What a report concludes: `TOTAL-FAILED/HASH_FAILURE`.
fn concluded(report: &[u8]) -> Option<String> {
    let report: serde_json::Value = serde_json::from_slice(report).ok()?;
    let (indication, sub) = (&report["conclusion"]["indication"], &report["conclusion"]["sub_indication"]["name"]);
    let sub = sub.as_str().map_or(String::new(), |sub| format!("/{sub}"));
    Some(Escaped(&format!("{}{sub}", indication.as_str()?)).to_string())
}

/// The commonName, so that it can pass for nothing more than a name where it is shown.
fn name_in(certificate: &Certificate) -> Option<String> {
    const CHARS_MAX: usize = 64;
    let name: String = certificate.subject_attribute(oid::COMMON_NAME)?.chars().take(CHARS_MAX).collect();
    Some(Escaped(&name).to_string())
}

fn says(act: &ActSummary) -> String {
    let at = moment(act.completed_at);
    let document = match act.documents.first() {
        None => "no document".to_owned(),
        Some(document) => format!("the document whose SHA-256 is {}", document.sha256),
    };
    let of = match act.kind {
        ActType::Possession => "possession",
        ActType::Existence => "existence",
        ActType::SignatureValidation => "the validation of the signatures",
        ActType::Copy => "the copying",
        ActType::Contract => "the signing",
        ActType::JournalExtract => "the extraction from the journal",
    };
    match (act.outcome, act.reason) {
        (Outcome::Performed, _) => format!("On {at} it certified that {}.", certified(act, &document)),
        (Outcome::Refused, reason) => format!(
            "It certifies NOTHING: on {at} the notary refused to certify {of} of {document}, for the reason {}.",
            reason.map_or("that it does not tell", why)
        ),
        (Outcome::Aborted, Some(Reason::Withdrawn)) => {
            format!("It certifies NOTHING: on {at} whoever had asked about {of} of {document} took that back.")
        }
        (Outcome::Aborted, _) => {
            format!("It certifies NOTHING: on {at} the time ran out in which {of} of {document} was to be certified.")
        }
    }
}

fn certified(act: &ActSummary, document: &str) -> String {
    let held = act.documents.first().is_some_and(|document| document.held);
    match act.kind {
        ActType::Possession if held => format!("whoever asked had {document}, and the notary was shown its octets"),
        ActType::Possession => format!("whoever asked claimed, by its hash alone, to have {document}"),
        ActType::Existence if held => format!("{document} existed in exactly this form, and the notary was shown it"),
        ActType::Existence => format!("{document} existed in exactly this form, as its hash shows"),
        ActType::SignatureValidation => {
            let result = act.validation.as_deref().unwrap_or("that its report has");
            format!("it had validated the signatures of {document} with the result {result}")
        }
        ActType::Copy => format!("{document} is a copy with the content of its original"),
        ActType::Contract => {
            let signers: Vec<_> = act.principals.iter().filter(|one| one.role == PrincipalRole::Signer).collect();
            let named = signers.iter().map(|signer| match (&signer.name, &signer.party) {
                (Some(name), _) => name.clone(),
                (None, Some(party)) => format!("the party {party}"),
                (None, None) => format!("the holder of the certificate {}", signer.certificate),
            });
            let revoked = signers.iter().filter(|one| one.revoked_at.is_some()).count();
            let since = match revoked {
                0 => String::new(),
                some => format!(", of whose certificates {some} had been revoked since"),
            };
            format!("{document} was signed by {}{since}", listed(named.collect()))
        }
        ActType::JournalExtract => format!("{document} says what the journal says"),
    }
}

const fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::SignatureNotValid => "that a signature is not valid",
        Reason::SignatureUndetermined => "that it could not be told whether a signature is valid",
        Reason::SignatureMissing => "that there is no signature that can be read",
        Reason::DocumentDiffers => "that the documents are not those that they should be",
        Reason::DocumentUnreadable => "that what was handed in cannot be read",
        Reason::IdentityNotProven => "that somebody was not shown to be who it says",
        Reason::EvidenceInsufficient => "that what was handed in does not show enough",
        Reason::NotWithinOffice => "that it is no business of this notary's",
        Reason::UnlawfulPurpose => "that it is for something unlawful",
        Reason::WillInDoubt => "that somebody may not act of its own will, or not understand",
        Reason::CapacityInDoubt => "that somebody may not act for whom it acts",
        Reason::ConflictOfInterest => "that the notary has an interest in it",
        Reason::Other => "that it calls other",
        Reason::Withdrawn => "that it was taken back",
        Reason::Expired => "that time ran out",
    }
}

fn says_of_checks(record: &ActRecorded, officer: Option<String>) -> String {
    let named = |certificate: Digest| match &officer {
        Some(name) => format!("The officer {name}, with the certificate {certificate},"),
        None => format!("The officer with the certificate {certificate}"),
    };
    let words = |checks: &[OfficerCheck]| listed(checks.iter().map(|check| of_check(*check).to_owned()).collect());
    let made = match (record.officer.map(Digest::from), record.checked.as_slice()) {
        (None, _) if record.kind == ActType::JournalExtract => {
            "It was made for an officer or auditor, by the service itself".to_owned()
        }
        (None, _) => "No person took part in the decision: the service checked what it can by itself".to_owned(),
        (Some(officer), []) => {
            format!("{} decided, and says of no check", named(officer))
        }
        (Some(officer), some) => {
            format!("{} says to have checked {}", named(officer), words(some))
        }
    };
    match record.not_checked.as_slice() {
        [] => format!("{made}."),
        some => format!("{made}; nobody checked {}.", words(some)),
    }
}

const fn of_check(check: OfficerCheck) -> &'static str {
    match check {
        OfficerCheck::Identity => "who the persons are, beyond their certificates",
        OfficerCheck::Will => "that they act of their own will and understand",
        OfficerCheck::Capacity => "that they may act for whom they act",
        OfficerCheck::ComparedWithOriginal => "the copy against its original",
        OfficerCheck::Content => "the content, as far as the law asks it of a notary",
    }
}

/// "a", "a and b", "a, b and c".
fn listed(all: Vec<String>) -> String {
    match all.split_last() {
        None => "nobody".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

const fn does_not_say(kind: ActType, outcome: Outcome) -> &'static str {
    match (outcome, kind) {
        (Outcome::Refused | Outcome::Aborted, _) => {
            "It does not say that the document is bad, or that anybody did wrong."
        }
        (_, ActType::Possession) => "It does not say who wrote the document, or that what is in it is true.",
        (_, ActType::Existence) => "It does not say who wrote the document, or when, or that what is in it is true.",
        (_, ActType::SignatureValidation) => {
            "It does not say that what was signed is true, or that the signers meant it."
        }
        (_, ActType::Copy) => "It does not say that the original is genuine, or that what is in it is true.",
        (_, ActType::Contract) => {
            "It does not say that the contract is good or binding, that nobody else had to sign it, or that anybody signed an attachment."
        }
        (_, ActType::JournalExtract) => "It does not say anything of the acts that the extract leaves out.",
    }
}
