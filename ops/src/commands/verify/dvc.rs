//! `semper verify` of a data validation certificate (RFC 3029): what a notary certified, of what, and whether it is genuine.

use std::io::Read;
use std::path::PathBuf;

use semper_ttp::digest::ImprintAlgorithm;
use semper_ttp::verify::dvc::{
    DvcCheck, DvcEvidence, DvcReport, DvcSummary, dvc_imprint_algorithm, is_dvc, is_of_certificates, verify_dvc,
};
use semper_ttp::verify::{Document, Outcome, Verdict};
use serde_json::json;

use super::files::{NoJudgement, Promise, beside, if_there, read, read_trust, read_up_to, unreadable};
use super::{checked, exit_of, files_given as files, gap, material, moment, refuted, usual_delay, verified};
use crate::cli::Verify;
use crate::commands::hashing::imprint_of_file;
use crate::commands::say;
use crate::exit::Exit;

/// Longest DVC or request, bytes: lists and responses of many certificates may go along.
pub(super) const DVC_BYTES_MAX: u64 = 16 << 20;

/// The bytes of the file, if it is such a certificate and not a document that has its timestamp.
pub(super) fn claim(args: &Verify) -> Option<Vec<u8>> {
    if args.token.is_some() || args.token_path().exists() {
        return None;
    }
    // Documents may be of any size, so more than the first byte is read only of what might be DER.
    let mut first = [0];
    std::fs::File::open(&args.file).ok()?.read_exact(&mut first).ok()?;
    let bytes = if first == [0x30] { read_up_to(&args.file, DVC_BYTES_MAX).ok()? } else { return None };
    is_dvc(&bytes).then_some(bytes)
}

/// Judges it: 0 genuine, 1 not, 2 could not tell.
pub(super) fn run(args: &Verify, dvc: &[u8], json: bool) -> Exit {
    match judge(args, dvc) {
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

/// The one that was named, or the usual one: `X.tlog-proof` for `X.dvc`.
fn proof_path(args: &Verify) -> PathBuf {
    args.proof.clone().unwrap_or_else(|| beside(&args.file, "dvc", "tlog-proof"))
}

fn judge(args: &Verify, dvc: &[u8]) -> Result<(DvcReport, Promise), NoJudgement> {
    let path = match args.documents.as_slice() {
        [] => None,
        [path] => Some(path),
        [_, second, ..] => return Err(NoJudgement::SecondDocument { path: second.display().to_string() }),
    };
    let (trust, promise) = read_trust(&args.trust)?;
    let trust = trust.with_policies(args.policies.clone());
    let request = args.request.as_ref().map(|path| read_up_to(path, DVC_BYTES_MAX)).transpose()?;
    let proof = read(&proof_path(args));
    // One that nobody named may be missing: judged without.
    let proof = if args.proof.is_none() { if_there(proof)? } else { Some(proof?) };
    // A DVC that does not read is said in the report; then any algorithm serves.
    let algorithm = dvc_imprint_algorithm(dvc).unwrap_or(ImprintAlgorithm::Sha256);
    let of_certificates = is_of_certificates(dvc);
    let certificates = path.filter(|_| of_certificates).map(|path| material::certificates(path)).transpose()?;
    let certificates: Option<Vec<_>> = certificates.map(|all| all.iter().map(|one| one.der().to_vec()).collect());
    let path = path.filter(|_| !of_certificates);
    let digest = path.map(|path| imprint_of_file(path, algorithm).map_err(|error| unreadable(path, error)));
    let digest = digest.transpose()?;
    let document = digest.as_deref().map(|digest| Document::Imprint { algorithm, digest });
    let (request, certificates) = (request.as_deref(), certificates.as_deref());
    let evidence = DvcEvidence { dvc, request, document, certificates, proof: proof.as_deref() };
    Ok((verify_dvc(&evidence, &trust), promise))
}

/// What a check asserts, in plain English.
fn assertion(check: DvcCheck) -> &'static str {
    match check {
        DvcCheck::Form => "the certificate has the form that the standard demands",
        DvcCheck::Signer => "it says who signed it, and the signer's certificate is there",
        DvcCheck::CertificateBinding => "the signature names this certificate and no other",
        DvcCheck::Signature => "the signature is genuine",
        DvcCheck::CertificatePurpose => "the signer's certificate is for data validation and nothing else",
        DvcCheck::CertificateChain => "the signer was certified by the root that you trust",
        DvcCheck::CertificateRevocation => "the signer's certificate was not revoked",
        DvcCheck::TimeStamp => "the time stamp over the signature is genuine",
        DvcCheck::TimeToken => "the token that tells the time is genuine, and of the same data",
        DvcCheck::Answer => "the answer is whole and does not contradict itself",
        DvcCheck::Policy => "it was made under a policy that you accept",
        DvcCheck::Imprint => "it is of exactly this data",
        DvcCheck::Request => "it answers exactly this request",
        DvcCheck::ProofForm => "the ledger proof has the form that the standard demands",
        DvcCheck::EntryDigest => "the ledger entry is for exactly this certificate",
        DvcCheck::EntryKind => "the ledger entry says that it is of this service",
        DvcCheck::ProofCheckpoint => "the ledger's state is signed by the ledger that you trust",
        DvcCheck::ProofWitnesses => "the ledger's state was seen by the witnesses that you ask for",
        DvcCheck::ProofInclusion => "the entry stands in the ledger at the place that the proof says",
        DvcCheck::EntryTime => "the entry was made within the time allowed after the certificate",
    }
}

fn as_text(args: &Verify, report: &DvcReport, promise: Promise) -> String {
    let promise = usual_delay(promise, "certificate");
    let mut lines = vec![
        format!("Certificate  {}", args.file.display()),
        format!("Document     {}", files(&args.documents)),
        format!("Request      {}", files(args.request.as_slice())),
        match report.outcome(DvcCheck::ProofForm) {
            Some(Outcome::NotChecked(_)) => format!("Proof        none: {} is not there", proof_path(args).display()),
            _ => format!("Proof        {}", proof_path(args).display()),
        },
        format!("Trust        {}{promise}", args.trust.display()),
    ];
    lines.extend(checked("The certificate", &report.checks, DvcCheck::is_of_ledger, assertion));
    if let Some(dvc) = report.dvc.as_ref().filter(|_| report.verdict != Verdict::Refuted) {
        lines.push("\nWhat it says".to_owned());
        lines.extend(said(dvc).into_iter().map(|line| format!("  {line}")));
    }
    lines.push(format!("\n{}", sentence(args, report)));
    lines.join("\n")
}

fn said(dvc: &DvcSummary) -> Vec<String> {
    let mut lines = vec![dvc.says.clone()];
    for target in &dvc.targets {
        let serial = target.serial.as_ref().map_or(String::new(), |serial| format!(", serial number {serial}"));
        let text = if target.text.is_empty() { String::new() } else { format!(": {}", target.text) };
        lines.push(format!("- {}{serial}: {}{text}", target.name, target.status));
    }
    lines.push(dvc.does_not_say.to_owned());
    let signed = if dvc.request_was_signed { "The request was signed." } else { "The request was not signed." };
    lines.push(signed.to_owned());
    lines
}

/// The verdict in one sentence. What the certificate says is told only where the checks bear it.
fn sentence(args: &Verify, report: &DvcReport) -> String {
    let file = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy();
    let claim = report.dvc.as_ref().map(|dvc| {
        let who = dvc.signer.as_deref().unwrap_or("an unnamed signer");
        format!("{file} is a certificate by {who} of {}", moment(dvc.response_time))
    });
    match (report.verdict, claim, &report.entry) {
        (Verdict::Verified, Some(claim), Some(entry)) => {
            let says = report.dvc.as_ref().map_or("", |dvc| &dvc.says);
            let word = verified(report.dvc.as_ref().is_some_and(|dvc| dvc.is_test));
            format!("{word}: {claim}, recorded as entry {} of the ledger {}. {says}", entry.index, entry.origin)
        }
        (Verdict::Undecided, Some(claim), _) => {
            let is_test = report.dvc.as_ref().is_some_and(|dvc| dvc.is_test);
            let open = report.checks.iter().find(|result| report.leaves_open(result));
            let gap = gap(open, DvcCheck::Policy, is_test);
            format!("COULD NOT TELL: nothing speaks against it that {claim}, but {gap}.")
        }
        (Verdict::Refuted, ..) => {
            let failed = report.checks.iter().filter(|result| result.outcome.is_failed());
            refuted(failed.map(|result| assertion(result.check)))
        }
        // The other verdicts need a certificate, and verified needs an entry: reached by no report.
        (Verdict::Verified | Verdict::Undecided, ..) => "COULD NOT TELL.".to_owned(),
    }
}

fn as_json(args: &Verify, report: &DvcReport) -> serde_json::Value {
    json!({
        "file": args.file.to_string_lossy(),
        "document_file": args.documents.first().map(|path| path.to_string_lossy()),
        "request_file": args.request.as_ref().map(|path| path.to_string_lossy()),
        "proof_file": proof_path(args).to_string_lossy(),
        "sentence": sentence(args, report),
        "report": report,
    })
}

#[cfg(test)]
mod tests {
    use semper_ttp::digest::Digest;
    use semper_ttp::time::Timestamp;
    use semper_ttp::verify::EntrySummary;
    use semper_ttp::verify::dvc::{DvcCheckResult, TargetSummary};

    use super::*;

    fn args(file: &str) -> Verify {
        Verify { file: file.into(), trust: "trust".into(), ..Verify::default() }
    }

    /// A report in which `failed` failed, `skipped` was not checked, and the answer is no.
    fn report(failed: &[DvcCheck], skipped: &[DvcCheck]) -> DvcReport {
        let outcome = |check| {
            if failed.contains(&check) {
                Outcome::Failed("it is not".into())
            } else if skipped.contains(&check) {
                Outcome::NotChecked("nobody asked".into())
            } else {
                Outcome::Ok
            }
        };
        let time = Timestamp::from_millis(1_795_238_053_120);
        let target = TargetSummary {
            name: "Ada".into(),
            serial: Some("0a".into()),
            status: "rejection",
            text: "TOTAL-FAILED/REVOKED".into(),
        };
        DvcReport {
            verdict: match (failed, skipped) {
                ([], []) => Verdict::Verified,
                ([], _) => Verdict::Undecided,
                _ => Verdict::Refuted,
            },
            checks: DvcCheck::ALL.map(|check| DvcCheckResult { check, outcome: outcome(check) }).into(),
            asked_for_witnesses: false,
            dvc: Some(DvcSummary {
                service: "vpkc",
                response_time: time,
                serial: "01".into(),
                policy: None,
                is_test: false,
                hash: "sha256",
                imprint: "00".into(),
                nonce: None,
                status: Some("rejection"),
                text: String::new(),
                fail_info: Vec::new(),
                targets: vec![target],
                signer: Some("Notary 1".into()),
                request_was_signed: true,
                time_stamped: None,
                says: "It says no.".into(),
                does_not_say: "It does not say more.",
                digest: Digest([0; 32]),
            }),
            entry: skipped.is_empty().then(|| EntrySummary {
                origin: "log.example/1".into(),
                index: 7,
                tree_size: 9,
                time,
            }),
        }
    }

    #[test]
    fn a_verified_one_says_what_it_says() {
        let text = as_text(&args("a/contract.dvc"), &report(&[], &[]), Promise::Given);
        let mut of_trial = report(&[], &[]);
        of_trial.dvc.as_mut().unwrap().is_test = true;
        let said = as_text(&args("a/contract.dvc"), &of_trial, Promise::Given);
        assert!(said.contains("VERIFIED AS A TEST, which proves nothing: contract.dvc is"), "{said}");
        let expected = "VERIFIED: contract.dvc is a certificate by Notary 1 of 21 November 2026 at 05:14:13.120 UTC, \
                        recorded as entry 7 of the ledger log.example/1. It says no.";
        assert_eq!(text.lines().last(), Some(expected));
        assert_eq!(text.matches("  ok           ").count(), DvcCheck::ALL.len());
        assert!(text.starts_with("Certificate  a/contract.dvc\nDocument     none was given\n"), "{text}");
        assert!(text.contains("\nProof        a/contract.tlog-proof\n"), "{text}");
        assert!(text.contains("  - Ada, serial number 0a: rejection: TOTAL-FAILED/REVOKED\n"), "{text}");
        assert!(text.contains("  It does not say more.\n  The request was signed.\n"), "{text}");
    }

    #[test]
    fn a_refuted_one_claims_nothing() {
        let text = as_text(&args("contract.dvc"), &report(&[DvcCheck::Signature], &[]), Promise::Usual);
        assert_eq!(text.lines().last(), Some("NOT VERIFIED: it is not true that the signature is genuine."));
        assert!(!text.contains("What it says") && !text.contains("It says no"), "{text}");
    }

    #[test]
    fn an_undecided_one_says_what_is_missing() {
        let text = as_text(&args("contract.dvc"), &report(&[], &DvcCheck::ALL[12..]), Promise::Given);
        let last = text.lines().last().unwrap();
        assert!(
            last.starts_with("COULD NOT TELL: nothing speaks against it that contract.dvc is a certificate"),
            "{last}"
        );
        assert!(last.ends_with("but nobody asked."), "{last}");
        assert!(text.contains("\nProof        none: contract.tlog-proof is not there\n"), "{text}");
    }

    #[test]
    fn every_check_has_its_own_words() {
        let words: std::collections::HashSet<_> = DvcCheck::ALL.map(assertion).into();
        assert_eq!(words.len(), DvcCheck::ALL.len());
    }

    #[test]
    fn json_carries_verdict_checks_and_sentence() {
        let json = as_json(&args("contract.dvc"), &report(&[DvcCheck::Imprint], &[]));
        assert_eq!(json["report"]["verdict"], "refuted");
        assert_eq!(
            json["report"]["checks"][11],
            json!({"check": "dvc.imprint", "outcome": "failed", "reason": "it is not"})
        );
        assert_eq!(json["proof_file"], "contract.tlog-proof");
        assert!(json["sentence"].as_str().unwrap().starts_with("NOT VERIFIED"));
    }

    #[test]
    fn only_such_certificates_are_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let claimed = |name: &str, bytes: &[u8]| {
            std::fs::write(path(name), bytes).unwrap();
            claim(&Verify { file: path(name), ..Verify::default() }).is_some()
        };
        // An error notice: judged, and found to certify nothing.
        let notice = semper_ttp::notary::dvcs::notice(&semper_ttp::notary::dvcs::StatusInfo::granted(), None);
        assert!(claimed("notice.dvc", &notice));
        assert!(
            !claimed("other.dvc", b"0\x03\x02\x01\x05") && !claimed("empty.dvc", b"") && !claimed("text.dvc", b"text")
        );
        // It is of one document.
        let second = Verify { documents: vec![path("a"), path("b")], trust: path("trust"), ..Verify::default() };
        assert!(judge(&second, &notice).unwrap_err().to_string().contains("of one document"));
        // A document with its timestamp is that, whatever it holds.
        std::fs::write(path("notice.dvc.tst"), b"token").unwrap();
        assert!(!claimed("notice.dvc", &notice));
        // Without trust anchors nothing is told.
        let args = Verify { file: path("empty.dvc"), trust: path("none"), ..Verify::default() };
        assert!(run(&args, &notice, false) == Exit::Undecided);
    }
}
