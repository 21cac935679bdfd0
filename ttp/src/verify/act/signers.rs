//! The statements by which the parties of a contract signed it.

use super::ActEvidence;
use super::check::{check_chain, find, key_of};
use super::report::{ActCheck, ActReport};
use crate::digest::Digest;
use crate::statement::Jws;
use crate::statement::act::{ActRecorded, Principal, PrincipalRole};
use crate::statement::contract::ContractSigned;
use crate::time::Timestamp;
use crate::verify::report::Lines as _;
use crate::verify::{Outcome, Trust};

/// Both checks: what the statements say, and whose certificates they verify by.
pub(super) fn check(evidence: &ActEvidence<'_>, record: &ActRecorded, trust: &Trust, report: &mut ActReport) {
    let named = record.principals.iter().filter(|principal| principal.signature.is_some());
    let (all, given) = (named.count(), evidence.signatures.len());
    if given == 0 {
        let why = if all == 0 { "nobody signed" } else { "no statement of a signer was given" };
        report.checks.skip(ActCheck::Signatures, why);
        report.checks.skip(ActCheck::SignersCertificates, why);
        return;
    }
    let statements: Result<Vec<_>, String> = evidence.signatures.iter().map(|bytes| statement(bytes, record)).collect();
    match statements {
        Err(reason) => {
            report.checks.record(ActCheck::Signatures, Err(reason));
            report.checks.skip(ActCheck::SignersCertificates, "a statement is not of this act");
        }
        Ok(statements) => {
            let shown = |principal: &&Principal| statements.iter().any(|(_, of)| std::ptr::eq(*of, *principal));
            let missing = record.principals.iter().filter(|one| one.signature.is_some() && !shown(one)).count();
            match missing {
                0 => report.checks.record(ActCheck::Signatures, Ok(())),
                _ => report.checks.skip(ActCheck::Signatures, &format!("{missing} of {all} statements were not given")),
            }
            report.checks.put(ActCheck::SignersCertificates, certificates(&statements, evidence, record, trust));
        }
    }
}

/// A statement, and whom the record says to have made it.
fn statement<'r>(bytes: &[u8], record: &'r ActRecorded) -> Result<(Jws, &'r Principal), String> {
    let digest = Digest::of(bytes);
    let made_it =
        |one: &&Principal| one.role == PrincipalRole::Signer && one.signature.map(Digest::from) == Some(digest);
    let principal = record.principals.iter().find(made_it);
    let principal = principal.ok_or_else(|| format!("the record names no signature whose SHA-256 is {digest}"))?;
    let jws = Jws::parse(bytes).map_err(|fault| fault.to_string())?;
    let body = jws.payload_as::<ContractSigned>().map_err(|fault| fault.to_string())?.body;
    let same = [
        ("act", body.act == record.act),
        ("service", body.service == record.notary.service),
        ("document", record.documents.first().is_some_and(|document| document.sha256 == body.document)),
        ("party", principal.party == Some(body.party)),
    ];
    match same.into_iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(format!("a signer's statement names another {what}")),
        None => Ok((jws, principal)),
    }
}

fn certificates(
    statements: &[(Jws, &Principal)],
    evidence: &ActEvidence<'_>,
    record: &ActRecorded,
    trust: &Trust,
) -> Outcome {
    let mut missing = None;
    for (jws, principal) in statements {
        let digest = Digest::from(principal.certificate);
        let Some(certificate) = find(evidence.certificates, digest) else {
            missing = missing.or(Some(digest));
            continue;
        };
        let at = Timestamp::from_millis(principal.signed_at.unwrap_or(record.completed_at).get());
        let good = key_of(certificate)
            .and_then(|key| jws.verify(&key).map_err(|fault| fault.to_string()))
            .and_then(|()| match (certificate.is_ca(), certificate.commits()) {
                (true, _) => Err("it is a CA's".to_owned()),
                (false, false) => Err("its key logs in, and commits to nothing that it signs".to_owned()),
                (false, true) => Ok(()),
            })
            .and_then(|()| check_chain(certificate, evidence, trust, at));
        if let Err(reason) = good {
            return Outcome::Failed(format!("by the certificate {digest}: {reason}"));
        }
    }
    match missing {
        None => Outcome::Ok,
        Some(digest) => Outcome::NotChecked(format!("a signer's certificate is not at hand; its SHA-256 is {digest}")),
    }
}
