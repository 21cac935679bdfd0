//! `semper verify` of an arbiter's verdict: whether it counts, and who has a contract with whom by it.
//!
//! What belongs to it lies beside it: `arbiter.pem`, `o.pem`, `r.pem` and `carrier.pem`, `answer.jws`, and the messages `m1.jws` to `m4.jws`, as far as
//! they are there.

use std::path::{Path, PathBuf};

use semper_ttp::statement::STATEMENT_BYTES_MAX;
use semper_ttp::verify::exchange::{RunCheck, RunEvidence, RunReport, verify_run};
use semper_ttp::verify::{Outcome, Verdict};
use semper_ttp::x509::Certificate;
use serde_json::json;

use super::files::{NoJudgement, Promise, beside, if_there, read, read_trust, read_up_to, unusable};
use super::{checked, exit_of, files_given, material, missing, refuted, usual_delay};
use crate::cli::{Verify, with_ending};
use crate::commands::say;
use crate::exit::Exit;

/// What such a statement is called.
pub(super) const VERDICT: &str = "verdict";

/// Longest text of a contract, octets: it is hashed as a whole.
const TEXT_BYTES_MAX: u64 = 64 << 20;

const CERTIFICATES: [&str; 4] = ["arbiter.pem", "o.pem", "r.pem", "carrier.pem"];
const MESSAGES: [&str; 4] = ["m1.jws", "m2.jws", "m3.jws", "m4.jws"];
const ANSWER: &str = "answer.jws";

/// Judges it: 0 it counts, 1 it does not, 2 could not tell.
pub(super) fn run(args: &Verify, verdict: &[u8], json: bool) -> Exit {
    match judge(args, verdict) {
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

/// The one that was named, else `X.jws.tlog-proof` or `X.tlog-proof` for `X.jws`.
pub(super) fn proof_path(args: &Verify) -> PathBuf {
    let usual = || {
        let whole = with_ending(&args.file, "tlog-proof");
        if whole.exists() { whole } else { beside(&args.file, "jws", "tlog-proof") }
    };
    args.proof.clone().unwrap_or_else(usual)
}

/// A file that lies beside the verdict.
pub(super) fn companion(args: &Verify, name: &str) -> PathBuf {
    args.file.with_file_name(name)
}

fn judge(args: &Verify, verdict: &[u8]) -> Result<(RunReport, Promise), NoJudgement> {
    let (trust, promise) = read_trust(&args.trust)?;
    let mut certificates = Vec::new();
    for name in CERTIFICATES {
        certificates.extend(if_there(certificates_of(&companion(args, name)))?.unwrap_or_default());
    }
    for path in &args.material {
        certificates.extend(certificates_of(path)?);
    }
    let statement = |name: &str| if_there(read_up_to(&companion(args, name), STATEMENT_BYTES_MAX as u64));
    let statements = MESSAGES.iter().map(|name| statement(name)).collect::<Result<Vec<_>, _>>()?;
    let statements: Vec<_> = statements.into_iter().flatten().collect();
    let answer = statement(ANSWER)?;
    let text = match (args.documents.as_slice(), &args.salt) {
        ([], _) => None,
        ([document], Some(salt)) => Some((salt.0, read_up_to(document, TEXT_BYTES_MAX)?)),
        ([document], None) => {
            return Err(unusable(document, "the parties name a text by a hash with a salt: give it with --salt"));
        }
        ([_, second, ..], _) => return Err(unusable(second, "a run has one text, and this is a second one")),
    };
    let proof = read(&proof_path(args));
    // One that nobody named may be missing: judged without.
    let proof = if args.proof.is_none() { if_there(proof)? } else { Some(proof?) };
    let evidence = RunEvidence {
        verdict,
        certificates: &certificates,
        statements: &statements,
        answer: answer.as_deref(),
        text: text.as_ref().map(|(salt, text)| (salt, text.as_slice())),
        proof: proof.as_deref(),
    };
    Ok((verify_run(&evidence, &trust), promise))
}

pub(super) fn certificates_of(path: &Path) -> Result<Vec<Certificate>, NoJudgement> {
    let found = material::certificates(path)?;
    let strict = found.iter().map(|certificate| Certificate::from_der(certificate.der()));
    strict.collect::<Result<_, _>>().map_err(|fault| unusable(path, fault))
}

/// What a check asserts, in plain English.
fn assertion(check: RunCheck) -> &'static str {
    match check {
        RunCheck::Form => "the verdict has the form that it must have, and embeds the first statement of its run",
        RunCheck::Service => "the parties named the arbiter of the service whose ledger you trust",
        RunCheck::Signature => "the arbiter's signature is genuine, by the key that the parties named",
        RunCheck::Offer => "the originator has signed the first statement",
        RunCheck::Basis => "the verdict follows from the statements that it embeds",
        RunCheck::Time => "it was decided on the right side of the run's end",
        RunCheck::Chain => "the arbiter and both sides were certified by the root that you trust",
        RunCheck::Revocation => "none of these certificates was revoked",
        RunCheck::Answer => "the answer is the arbiter's, to a side of this run, and names this verdict",
        RunCheck::Statements => "the other messages are of this run and keep its rules",
        RunCheck::Text => "the document, with its salt, is the text that the parties named",
        RunCheck::ProofForm => "the ledger proof has the form that the standard demands",
        RunCheck::EntryDigest => "the ledger entry is for exactly this verdict",
        RunCheck::EntryKind => "the ledger entry says so, and bears the one tag of this run",
        RunCheck::ProofCheckpoint => "the ledger's state is signed by the ledger of that service",
        RunCheck::ProofWitnesses => "the ledger's state was seen by the witnesses that you ask for",
        RunCheck::ProofInclusion => "the entry stands in the ledger at the place that the proof says",
        RunCheck::EntryTime => "the entry was made within the time allowed after the decision",
    }
}

/// What of the usual companions is there.
pub(super) fn there(args: &Verify, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| companion(args, name)).filter(|path| path.exists()).collect()
}

fn as_text(args: &Verify, report: &RunReport, promise: Promise) -> String {
    let promise = usual_delay(promise, "decision");
    let certificates = [there(args, &CERTIFICATES), args.material.clone()].concat();
    let messages = there(args, &[&MESSAGES[..], &[ANSWER]].concat());
    let mut lines = vec![
        format!("Verdict       {}", args.file.display()),
        format!("Text          {}", files_given(&args.documents)),
        format!("Messages      {}", files_given(&messages)),
        format!("Certificates  {}", files_given(&certificates)),
        match report.outcome(RunCheck::ProofForm) {
            Some(Outcome::NotChecked(_)) => format!("Proof         none: {} is not there", proof_path(args).display()),
            _ => format!("Proof         {}", proof_path(args).display()),
        },
        format!("Trust         {}{promise}", args.trust.display()),
    ];
    lines.extend(checked("The verdict", &report.checks, RunCheck::is_of_ledger, assertion));
    if let Some(run) = report.run.as_ref().filter(|_| report.verdict != Verdict::Refuted) {
        lines.push("\nWhat it says".to_owned());
        lines.extend(std::iter::once(&run.says).chain(&run.further).map(|said| format!("  {said}")));
    }
    lines.push(format!("\n{}", sentence(args, report)));
    lines.join("\n")
}

/// The verdict in one sentence; what it says is told only where the checks bear it.
fn sentence(args: &Verify, report: &RunReport) -> String {
    let file = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy();
    let text = match report.outcome(RunCheck::Text) {
        Some(Outcome::Ok) => format!(" {} is that text.", files_given(&args.documents)),
        _ => String::new(),
    };
    match (report.verdict, &report.run, &report.entry) {
        (Verdict::Verified, Some(run), Some(entry)) => format!(
            "VERIFIED: {file} is the verdict {} of the arbiter of {}, recorded as entry {} of the ledger {}. {}{text}",
            run.outcome.name(),
            run.service,
            entry.index,
            entry.origin,
            run.says
        ),
        (Verdict::Undecided, Some(run), _) => {
            let open = report.checks.iter().find(|result| report.leaves_open(result));
            format!(
                "COULD NOT TELL: nothing speaks against it that {file} is the verdict {} of the arbiter of {}, but {}.",
                run.outcome.name(),
                run.service,
                missing(open)
            )
        }
        (Verdict::Refuted, ..) => {
            let failed = report.checks.iter().filter(|result| result.outcome.is_failed());
            refuted(failed.map(|result| assertion(result.check)))
        }
        // The other verdicts need a run, and verified needs an entry: reached by no report.
        (Verdict::Verified | Verdict::Undecided, ..) => "COULD NOT TELL.".to_owned(),
    }
}

fn as_json(args: &Verify, report: &RunReport) -> serde_json::Value {
    json!({
        "file": args.file.to_string_lossy(),
        "proof_file": proof_path(args).to_string_lossy(),
        "sentence": sentence(args, report),
        "report": report,
    })
}

#[cfg(test)]
mod tests {
    use semper_ttp::verify::CheckResult;

    use super::*;

    #[test]
    fn every_check_has_its_own_words() {
        let words: std::collections::HashSet<_> = RunCheck::ALL.map(assertion).into();
        assert_eq!(words.len(), RunCheck::ALL.len());
    }

    #[test]
    fn what_lies_beside_is_found_and_what_is_wanted_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("verdict.jws");
        let args = |documents: &[&str], salt| Verify {
            file: file.clone(),
            trust: folder.path().join("trust"),
            documents: documents.iter().map(|name| folder.path().join(name)).collect(),
            salt,
            ..Verify::default()
        };
        assert_eq!(proof_path(&args(&[], None)), folder.path().join("verdict.tlog-proof"));
        std::fs::write(folder.path().join("verdict.jws.tlog-proof"), b"proof").unwrap();
        assert_eq!(proof_path(&args(&[], None)), folder.path().join("verdict.jws.tlog-proof"));
        assert_eq!(there(&args(&[], None), &CERTIFICATES), Vec::<PathBuf>::new());
        std::fs::write(folder.path().join("o.pem"), b"").unwrap();
        assert_eq!(there(&args(&[], None), &CERTIFICATES), [folder.path().join("o.pem")]);
        // Without trust anchors nothing is told.
        assert!(run(&args(&[], None), b"a.b.c", false) == Exit::Undecided);
    }

    #[test]
    fn a_refuted_one_claims_nothing() {
        let failed = CheckResult { check: RunCheck::Signature, outcome: Outcome::Failed("it is not".to_owned()) };
        let report = RunReport { verdict: Verdict::Refuted, checks: vec![failed], ..RunReport::default() };
        let args = Verify { file: "verdict.jws".into(), trust: "trust".into(), ..Verify::default() };
        let text = as_text(&args, &report, Promise::Given);
        let expected =
            "NOT VERIFIED: it is not true that the arbiter's signature is genuine, by the key that the parties named.";
        assert_eq!(text.lines().last(), Some(expected));
        assert!(!text.contains("What it says"), "{text}");
    }
}
