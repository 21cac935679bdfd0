//! The checks of a record (notary-and-archive §4).

use std::collections::BTreeSet;

use super::report::{ActCheck, ActReport};
use super::{ActEvidence, ShownDocument, signers, words};
use crate::b64u::B64u32;
use crate::crypto::jose::Key;
use crate::crypto::{Purpose, verify_chain};
use crate::digest::Digest;
use crate::notary::personal::{Committed, Personal};
use crate::notary::request::ActRequest;
use crate::notary::{ActType, Checks, Outcome as Ending};
use crate::statement::act::{ActDocument, ActRecorded, Principal, PrincipalRole};
use crate::statement::{Jws, Millis};
use crate::time::Timestamp;
use crate::verify::report::Lines as _;
use crate::verify::{Outcome, Trust};
use crate::x509::{Certificate, act};

/// Makes all checks of the record; gives it if its form is good.
pub(super) fn record(evidence: &ActEvidence<'_>, trust: &Trust, report: &mut ActReport) -> Option<ActRecorded> {
    let (jws, record) = match read(evidence.act) {
        Ok(read) => read,
        Err(reason) => {
            report.checks.record(ActCheck::Form, Err(reason));
            for check in ActCheck::ALL.into_iter().filter(|check| *check > ActCheck::Form && !check.is_of_ledger()) {
                report.checks.skip(check, "the record does not read");
            }
            return None;
        }
    };
    report.checks.record(ActCheck::Form, Ok(()));
    report.checks.record(ActCheck::Consistency, check_consistency(&record, trust.mmd_millis()).map_err(str::to_owned));
    report.checks.record(ActCheck::Service, check_service(&record, trust));
    let notary = find(evidence.certificates, record.notary.certificate.into());
    check_signer(&jws, &record, notary, evidence, trust, report);
    check_documents(evidence, &record, report);
    match evidence.request {
        None => report.checks.skip(ActCheck::Request, "the request was not given"),
        Some(request) => report.checks.record(ActCheck::Request, check_request(request, &record)),
    }
    report.checks.put(ActCheck::Dvc, check_named("data validation certificate", evidence.dvc, record.dvc));
    let validation = check_named("report of a validation", evidence.report, record.validation_report);
    report.checks.put(ActCheck::Report, validation);
    report.checks.put(ActCheck::Personal, check_personal(evidence.personal, &record));
    signers::check(evidence, &record, trust, report);
    report.act = Some(words::summary(evidence, &record, notary));
    Some(record)
}

fn read(bytes: &[u8]) -> Result<(Jws, ActRecorded), String> {
    let jws = Jws::parse(bytes).map_err(|fault| fault.to_string())?;
    let record = jws.payload_as::<ActRecorded>().map_err(|fault| fault.to_string())?.body;
    if !record.is_sound() {
        return Err("its reason does not fit its outcome, or its fee is no amount of a currency".to_owned());
    }
    Ok((jws, record))
}

/// The certificate with this digest, if it is at hand.
pub(super) fn find(certificates: &[Certificate], digest: Digest) -> Option<&Certificate> {
    certificates.iter().find(|certificate| certificate.digest() == digest)
}

/// The name of the key that a certificate is of, if statements are signed by such keys.
pub(super) fn key_of(certificate: &Certificate) -> Result<Key, String> {
    Key::from_spki_der(&certificate.spki_der()).map_err(|fault| format!("its key signs no statements: {fault}"))
}

/// What is at hand of CAs leads to the root at that moment.
pub(super) fn check_chain(
    certificate: &Certificate,
    evidence: &ActEvidence<'_>,
    trust: &Trust,
    at: Timestamp,
) -> Result<(), String> {
    let helpers = evidence.certificates.iter().chain(&trust.chain).filter(|one| one.is_ca());
    let intermediates: Vec<Vec<u8>> = helpers.map(|one| one.der().to_vec()).collect();
    verify_chain(certificate.der(), &intermediates, trust.root.der(), at, Purpose::Any)
        .map_err(|fault| fault.to_string())
}

/// Two decisions may be apart by this much the wrong way round: within it, the ledger takes them.
fn check_consistency(record: &ActRecorded, mmd_millis: u64) -> Result<(), &'static str> {
    let follows = |earlier: u64, later: u64| earlier <= later.saturating_add(mmd_millis);
    let (opened, completed) = (record.opened_at.get(), record.completed_at.get());
    let within = |at: u64| follows(opened, at) && follows(at, completed);
    let signers = || record.principals.iter().filter(|principal| principal.role == PrincipalRole::Signer);
    let signed = |principal: &Principal| principal.signature.is_some() && principal.signed_at.is_some();
    let checked: Checks = record.checked.iter().copied().collect();
    let made: BTreeSet<_> = record.checked.iter().map(|check| check.code()).collect();
    let not_made: BTreeSet<_> = record.not_checked.iter().map(|check| check.code()).collect();
    let performed = record.outcome == Ending::Performed;
    if !within(opened) || !within(completed) {
        return Err("it was completed before it was opened");
    }
    if !record.events.iter().map(|event| event.at.get()).all(within)
        || !record.principals.iter().filter_map(|principal| principal.signed_at).all(|at| within(at.get()))
        || !record.principals.iter().all(|principal| is_revoked_later(principal, completed, follows))
    {
        return Err("something happened before it was opened or after it was completed");
    }
    if record.journal_no == 0 || record.documents.is_empty() || record.principals.is_empty() {
        return Err("it has no number, is about no document, or nobody asked for it");
    }
    if !made.is_disjoint(&not_made) {
        return Err("it says of a check that it was made and that it was not");
    }
    if !made.is_empty() && record.officer.is_none() {
        return Err("checks of a person were made by nobody");
    }
    if performed && !checked.has(record.kind.needs()) {
        return Err("it certifies what nobody has checked");
    }
    if performed && record.kind == ActType::Contract && !(signers().all(signed) && signers().next().is_some()) {
        return Err("it certifies a contract that was not signed by each of its signers");
    }
    if record.kind != ActType::Contract && signers().next().is_some() {
        return Err("it has signers and is no contract");
    }
    Ok(())
}

/// A certificate that was revoked was that of a signer who had signed, and after it had, by the second in which revocations count; not
/// after the act ended.
fn is_revoked_later(principal: &Principal, completed: u64, follows: impl Fn(u64, u64) -> bool) -> bool {
    match (principal.revoked_at.map(Millis::get), principal.signed_at.map(Millis::get)) {
        (None, _) => true,
        (Some(revoked), Some(signed)) => follows(signed - signed % 1_000, revoked) && follows(revoked, completed),
        (Some(_), None) => false,
    }
}

fn check_service(record: &ActRecorded, trust: &Trust) -> Result<(), String> {
    let service = record.notary.service.as_str();
    if trust.log_keys.iter().any(|key| key.name() == service) {
        return Ok(());
    }
    Err(format!("it is of the service {service}, whose ledger is not among those that you trust"))
}

fn check_signer(
    jws: &Jws,
    record: &ActRecorded,
    notary: Option<&Certificate>,
    evidence: &ActEvidence<'_>,
    trust: &Trust,
    report: &mut ActReport,
) {
    // Also by another certificate of the same key: whoever did not sign is found out without the one that is missing.
    let key = notary.map(key_of).or_else(|| {
        let keys = evidence.certificates.iter().filter_map(|one| key_of(one).ok());
        keys.into_iter().find(|key| key.thumbprint() == record.notary.key).map(Ok)
    });
    let named = Digest::from(record.notary.certificate);
    match (&key, notary) {
        (_, None) => report
            .checks
            .skip(ActCheck::Signer, &format!("the notary's certificate is not at hand; its SHA-256 is {named}")),
        (Some(Ok(key)), _) if key.thumbprint() == record.notary.key => report.checks.record(ActCheck::Signer, Ok(())),
        (Some(Err(reason)), _) => report.checks.record(ActCheck::Signer, Err(reason.clone())),
        _ => report
            .checks
            .record(ActCheck::Signer, Err("the certificate is of another key than the record names".to_owned())),
    }
    match &key {
        Some(Ok(key)) => report.checks.record(ActCheck::Signature, jws.verify(key).map_err(|fault| fault.to_string())),
        _ => report.checks.skip(ActCheck::Signature, "the notary's key is not known"),
    }
    let Some(certificate) = notary else {
        for check in [ActCheck::CertificatePurpose, ActCheck::CertificatePolicy, ActCheck::CertificateChain] {
            report.checks.skip(check, "the notary's certificate is not at hand");
        }
        report.checks.skip(ActCheck::CertificateRevocation, REVOCATION);
        return;
    };
    report.checks.record(ActCheck::CertificatePurpose, act::check(certificate).map_err(|fault| fault.to_string()));
    report.checks.put(ActCheck::CertificatePolicy, check_policy(certificate, trust));
    let completed_at = Timestamp::from_millis(record.completed_at.get());
    report.checks.record(ActCheck::CertificateChain, check_chain(certificate, evidence, trust, completed_at));
    report.checks.skip(ActCheck::CertificateRevocation, REVOCATION);
}

/// A certificate under anyPolicy names none, so that nobody can tell whether it is one of those that are accepted.
fn check_policy(certificate: &Certificate, trust: &Trust) -> Outcome {
    let is_test = certificate.is_of_test();
    match trust.judge_policy(is_test, |policy| certificate.has_policy(policy)) {
        Outcome::Failed(_) if certificate.has_any_policy() && !is_test => {
            Outcome::not_checked("it is under any policy, and names none of those that are accepted")
        }
        judged => judged,
    }
}

const REVOCATION: &str = "this version looks at no revocation list";

fn check_documents(evidence: &ActEvidence<'_>, record: &ActRecorded, report: &mut ActReport) {
    let is = |document: &ActDocument, shown: &ShownDocument| Digest::from(document.sha256) == shown.sha256;
    let given = |document| evidence.documents.iter().any(|shown| is(document, shown));
    let wrong = evidence.documents.iter().find_map(|shown| {
        match record.documents.iter().find(|document| is(document, shown)) {
            None => Some(format!("the act is not about the document whose SHA-256 is {}", shown.sha256)),
            Some(document) => document.size.filter(|size| *size != shown.bytes).map(|size| {
                format!("the record says that the document {} has {size} octets; it has {}", shown.sha256, shown.bytes)
            }),
        }
    });
    let Some((subject, further)) = record.documents.split_first() else {
        report.checks.record(ActCheck::Document, Err("the act is about no document".to_owned()));
        report.checks.skip(ActCheck::FurtherDocuments, "there are none");
        return;
    };
    match wrong {
        Some(reason) => report.checks.record(ActCheck::Document, Err(reason)),
        None if given(subject) => report.checks.record(ActCheck::Document, Ok(())),
        None => report.checks.skip(
            ActCheck::Document,
            &format!("the document was not given; its SHA-256 is {}", Digest::from(subject.sha256)),
        ),
    }
    let missing: Vec<_> = further.iter().filter(|document| !given(document)).collect();
    match missing.first() {
        None if further.is_empty() => report.checks.skip(ActCheck::FurtherDocuments, "there are none"),
        None => report.checks.record(ActCheck::FurtherDocuments, Ok(())),
        Some(first) => {
            let (count, all) = (missing.len(), further.len());
            let first = Digest::from(first.sha256);
            report
                .checks
                .skip(ActCheck::FurtherDocuments, &format!("{count} of {all} were not given, one of them {first}"));
        }
    }
}

/// What was asked is what the record tells of.
fn check_request(bytes: &[u8], record: &ActRecorded) -> Result<(), String> {
    if Digest::of(bytes) != record.request.into() {
        return Err("the record names another request".to_owned());
    }
    // One for an extract of the journal has a form of its own.
    if record.kind == ActType::JournalExtract {
        return Ok(());
    }
    let request = ActRequest::parse(bytes).map_err(|fault| format!("the request does not read: {fault}"))?;
    let other = |what: &str| Err(format!("{what} of the record is not that of the request"));
    if request.kind != record.kind {
        return other("the kind");
    }
    let asked = request.documents.iter().map(|one| (one.sha256, one.role, one.title, one.media_type.as_deref()));
    // What came of them may follow.
    let told = record.documents.iter().take(request.documents.len());
    if !asked.eq(told.map(|one| (one.sha256, one.role, one.title, one.media_type.as_deref()))) {
        return other("a document");
    }
    let requester = record.principals.first();
    if requester.is_none_or(|one| (one.name, one.address) != (request.name, request.address)) {
        return other("who asks");
    }
    let parties = |role| record.principals.iter().filter(move |one| one.role == role).filter_map(|one| one.party);
    let signed: BTreeSet<_> = parties(PrincipalRole::Signer).collect();
    let to_sign: BTreeSet<_> = request.signers.iter().copied().collect();
    let all = record.outcome == Ending::Performed && record.kind == ActType::Contract;
    if !signed.is_subset(&to_sign) || all && signed != to_sign {
        return other("who signs");
    }
    if request.dvc != record.dvc {
        return other("the data validation certificate");
    }
    if request.correction_of != record.correction_of {
        return other("the corrected act");
    }
    Ok(())
}

/// Names and titles are shown by whoever has them: the record commits to them.
fn check_personal(personal: Option<&[u8]>, record: &ActRecorded) -> Outcome {
    let committed = Committed::from(record);
    match personal {
        None if committed.is_empty() => Outcome::not_checked("the record commits to no name, address or title"),
        None => Outcome::not_checked("what opens the record's commitments was not given"),
        Some(bytes) => match Personal::parse(bytes, &committed) {
            Ok(_) => Outcome::Ok,
            Err(fault) => Outcome::Failed(fault.to_string()),
        },
    }
}

/// What the record may name by its hash, and is at hand or not.
fn check_named(what: &str, given: Option<&[u8]>, named: Option<B64u32>) -> Outcome {
    match (given, named) {
        (None, None) => Outcome::not_checked(&format!("the record names no {what}")),
        (None, Some(_)) => Outcome::not_checked(&format!("the {what} was not given")),
        (Some(_), None) => Outcome::Failed(format!("the record names no {what}")),
        (Some(given), Some(named)) if Digest::of(given) == named.into() => Outcome::Ok,
        (Some(_), Some(_)) => Outcome::Failed(format!("the record names another {what}")),
    }
}
