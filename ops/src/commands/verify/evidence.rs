//! `semper verify` of a piece of evidence of a registered delivery: whether it counts, and what happened by it.
//!
//! What belongs to it lies beside it: `arbiter.pem`, `o.pem` and `r.pem`, `d1.jws`, the policy that this names as `policy.json`, and
//! `verdict.jws`, as far as they are there.

use semper_ttp::statement::STATEMENT_BYTES_MAX;
use semper_ttp::verify::erds::{DeliveryEvidence, ErdsCheck, ErdsReport, verify_delivery};
use semper_ttp::verify::{Outcome, Verdict};
use serde_json::json;

use super::exchange::{certificates_of, companion, proof_path, there};
use super::files::{NoJudgement, Promise, if_there, read, read_trust, read_up_to, unusable};
use super::{checked, exit_of, files_given, missing, refuted, usual_delay};
use crate::cli::Verify;
use crate::commands::say;
use crate::exit::Exit;

/// What such a statement is called.
pub(super) const EVIDENCE: &str = "erds/evidence";

/// Longest policy, octets.
const POLICY_BYTES_MAX: u64 = 64 << 10;

const CERTIFICATES: [&str; 3] = ["arbiter.pem", "o.pem", "r.pem"];
const FIRST: &str = "d1.jws";
const POLICY: &str = "policy.json";
const VERDICT: &str = "verdict.jws";

/// Judges it: 0 it counts, 1 it does not, 2 could not tell.
pub(super) fn run(args: &Verify, evidence: &[u8], json: bool) -> Exit {
    match judge(args, evidence) {
        Ok((report, promise)) => {
            if json {
                say::json(&as_json(args, &report));
            } else {
                say::out(as_text(args, &report, promise));
            }
            exit_of(report.verdict)
        }
        Err(why) => {
            say::trouble(json, format_args!("could not tell: {why}"));
            Exit::Undecided
        }
    }
}

fn judge(args: &Verify, evidence: &[u8]) -> Result<(ErdsReport, Promise), NoJudgement> {
    if let Some(document) = args.documents.first() {
        return Err(unusable(document, "evidence of a delivery is of no document"));
    }
    let (trust, promise) = read_trust(&args.trust)?;
    let mut certificates = Vec::new();
    for name in CERTIFICATES {
        certificates.extend(if_there(certificates_of(&companion(args, name)))?.unwrap_or_default());
    }
    for path in &args.material {
        certificates.extend(certificates_of(path)?);
    }
    let beside = |name: &str, bytes_max| if_there(read_up_to(&companion(args, name), bytes_max));
    let first = beside(FIRST, STATEMENT_BYTES_MAX as u64)?;
    let policy = beside(POLICY, POLICY_BYTES_MAX)?;
    let verdict = beside(VERDICT, STATEMENT_BYTES_MAX as u64)?;
    let proof = read(&proof_path(args));
    // One that nobody named may be missing: judged without.
    let proof = if args.proof.is_none() { if_there(proof)? } else { Some(proof?) };
    let evidence = DeliveryEvidence {
        evidence,
        first: first.as_deref(),
        policy: policy.as_deref(),
        verdict: verdict.as_deref(),
        certificates: &certificates,
        proof: proof.as_deref(),
    };
    Ok((verify_delivery(&evidence, &trust), promise))
}

/// What a check asserts, in plain English.
fn assertion(check: ErdsCheck) -> &'static str {
    match check {
        ErdsCheck::Form => "the evidence has the form that it must have",
        ErdsCheck::Service => "it is of the service whose ledger you trust",
        ErdsCheck::Signature => "the service's signature is genuine",
        ErdsCheck::Delivery => "it is of the delivery that the sender began, and by the key that this names",
        ErdsCheck::Grounds => "what it rests on leads to its event",
        ErdsCheck::Time => "its event is on the right side of what was awaited",
        ErdsCheck::Verdict => "the verdict beside it is of this delivery and by its arbiter",
        ErdsCheck::Chain => "the service and whoever signed what it rests on were certified by the root that you trust",
        ErdsCheck::Revocation => "none of these certificates was revoked",
        ErdsCheck::ProofForm => "the ledger proof has the form that the standard demands",
        ErdsCheck::EntryDigest => "the ledger entry is for exactly this evidence",
        ErdsCheck::EntryKind => "the ledger entry says so",
        ErdsCheck::ProofCheckpoint => "the ledger's state is signed by the ledger of that service",
        ErdsCheck::ProofWitnesses => "the ledger's state was seen by the witnesses that you ask for",
        ErdsCheck::ProofInclusion => "the entry stands in the ledger at the place that the proof says",
        ErdsCheck::EntryTime => "the entry was made within the time allowed after the event was recorded",
    }
}

fn as_text(args: &Verify, report: &ErdsReport, promise: Promise) -> String {
    let promise = usual_delay(promise, "event");
    let certificates = [there(args, &CERTIFICATES), args.material.clone()].concat();
    let mut lines = vec![
        format!("Evidence      {}", args.file.display()),
        format!("Delivery      {}", files_given(&there(args, &[FIRST, POLICY, VERDICT]))),
        format!("Certificates  {}", files_given(&certificates)),
        match report.outcome(ErdsCheck::ProofForm) {
            Some(Outcome::NotChecked(_)) => format!("Proof         none: {} is not there", proof_path(args).display()),
            _ => format!("Proof         {}", proof_path(args).display()),
        },
        format!("Trust         {}{promise}", args.trust.display()),
    ];
    lines.extend(checked("The evidence", &report.checks, ErdsCheck::is_of_ledger, assertion));
    if let Some(told) = report.evidence.as_ref().filter(|_| report.verdict != Verdict::Refuted) {
        lines.push("\nWhat it says".to_owned());
        lines.extend(std::iter::once(&told.says).chain(&told.further).map(|said| format!("  {said}")));
    }
    lines.push(format!("\n{}", sentence(args, report)));
    lines.join("\n")
}

/// The verdict in one sentence; what it says is told only where the checks bear it.
fn sentence(args: &Verify, report: &ErdsReport) -> String {
    let file = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy();
    match (report.verdict, &report.evidence, &report.entry) {
        (Verdict::Verified, Some(told), Some(entry)) => format!(
            "VERIFIED: {file} is evidence of event {} ({}) by {}, recorded as entry {} of the ledger {}. {}",
            told.letter, told.event, told.service, entry.index, entry.origin, told.says
        ),
        (Verdict::Undecided, Some(told), _) => {
            let open = report.checks.iter().find(|result| report.leaves_open(result));
            format!(
                "COULD NOT TELL: nothing speaks against it that {file} is evidence of event {} ({}) by {}, but {}.",
                told.letter,
                told.event,
                told.service,
                missing(open)
            )
        }
        (Verdict::Refuted, ..) => {
            let failed = report.checks.iter().filter(|result| result.outcome.is_failed());
            refuted(failed.map(|result| assertion(result.check)))
        }
        // The other verdicts need evidence that reads, and verified needs an entry: reached by no report.
        (Verdict::Verified | Verdict::Undecided, ..) => "COULD NOT TELL.".to_owned(),
    }
}

fn as_json(args: &Verify, report: &ErdsReport) -> serde_json::Value {
    json!({
        "file": args.file.to_string_lossy(),
        "proof_file": proof_path(args).to_string_lossy(),
        "sentence": sentence(args, report),
        "report": report,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use semper_ttp::verify::CheckResult;

    use super::*;

    #[test]
    fn every_check_has_its_own_words() {
        let words: std::collections::HashSet<_> = ErdsCheck::ALL.map(assertion).into();
        assert_eq!(words.len(), ErdsCheck::ALL.len());
    }

    #[test]
    fn a_refuted_one_claims_nothing() {
        let failed = CheckResult { check: ErdsCheck::Signature, outcome: Outcome::Failed("it is not".to_owned()) };
        let report = ErdsReport { verdict: Verdict::Refuted, checks: vec![failed], ..ErdsReport::default() };
        let args = Verify { file: "evidence.jws".into(), trust: "trust".into(), ..Verify::default() };
        let text = as_text(&args, &report, Promise::Given);
        let expected = "NOT VERIFIED: it is not true that the service's signature is genuine.";
        assert_eq!(text.lines().last(), Some(expected));
        assert!(!text.contains("What it says"), "{text}");
    }

    #[test]
    fn without_trust_anchors_or_with_a_document_nothing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let args = |documents: Vec<PathBuf>| Verify {
            file: folder.path().join("evidence.jws"),
            trust: folder.path().join("trust"),
            documents,
            ..Verify::default()
        };
        for documents in [vec![], vec![folder.path().join("letter")]] {
            assert!(run(&args(documents), b"a.b.c", false) == Exit::Undecided);
        }
    }
}
