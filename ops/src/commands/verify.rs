//! `semper verify`: a timestamp, a data validation certificate, a notarial act, an arbiter's verdict, evidence of a registered delivery, the signatures of a document, or a
//! proof of misbehaviour, judged offline and told so that a clerk can read it aloud.
//!
//! All judging is `semper_ttp`'s ([`semper_ttp::verify`], [`semper_ttp::validation`], [`semper_ttp::account`]); this file reads the
//! files, says what came out, and ends with 0 (verified), 1 (something is false) or 2 (could not tell, also when a file is missing).

mod act;
mod dvc;
mod evidence;
mod exchange;
pub(super) mod files;
mod material;
mod misbehaviour;
pub(super) mod signatures;

use std::path::PathBuf;

use semper_ttp::asn1::TEST_POLICY;
use semper_ttp::digest::ImprintAlgorithm;
use semper_ttp::time::Timestamp;
use semper_ttp::verify::act::statement_tag;
use semper_ttp::verify::{
    Check, CheckResult, Document, Evidence, MMD_MILLIS, Outcome, Report, Verdict, imprint_algorithm, verify_timestamp,
};
use serde_json::json;

use self::files::{NoJudgement, Promise, if_there, read, read_trust, unreadable};
use super::hashing::imprint_of_file;
use super::{say, token_of};
use crate::cli::Verify;
use crate::exit::Exit;

/// Runs the command.
pub(crate) fn run(args: Verify, json: bool) -> Exit {
    if args.validation.signatures {
        return signatures::run(&args, json);
    }
    if let Some(claim) = misbehaviour::claim(&args) {
        return misbehaviour::run(&args, &claim, json);
    }
    let of_acts = !args.signers.is_empty() || args.dvc.is_some() || args.report.is_some() || args.personal.is_some();
    if let Some(claim) = dvc::claim(&args) {
        if of_acts {
            let file = args.file.display();
            let why = "is a data validation certificate: --signature, --dvc, --report and --personal are of acts";
            say::trouble(json, format_args!("could not tell: {file} {why}"));
            return Exit::Undecided;
        }
        return dvc::run(&args, &claim, json);
    }
    if let Some(claim) = act::claim(&args) {
        return match statement_tag(&claim).as_deref() {
            Some(exchange::VERDICT) => exchange::run(&args, &claim, json),
            Some(evidence::EVIDENCE) => evidence::run(&args, &claim, json),
            _ => act::run(&args, &claim, json),
        };
    }
    if of_acts || !args.documents.is_empty() || args.request.is_some() {
        let what = if of_acts { "record of an act" } else { "data validation certificate, nor the record of an act" };
        let why = match std::fs::metadata(&args.file) {
            Ok(_) => format!("{} is no {what}", args.file.display()),
            Err(error) => unreadable(&args.file, error).to_string(),
        };
        say::trouble(json, format_args!("could not tell: {why}"));
        return Exit::Undecided;
    }
    match judge(&args) {
        Ok((report, promise)) => {
            if json {
                say::json(&as_json(&args, &report));
            } else {
                say::out(as_text(&args, &report, promise));
            }
            exit_of(report.verdict)
        }
        Err(why) => {
            let token = args.token_path();
            let hint = match args.token.is_none() && !token.exists() && signatures::may_carry_some(&args.file) {
                true => format!("; signatures that {} carries are judged with --signatures", args.file.display()),
                false => String::new(),
            };
            say::trouble(json, format_args!("could not tell: {why}{hint}"));
            Exit::Undecided
        }
    }
}

fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Verified => Exit::Ok,
        Verdict::Refuted => Exit::Falsified,
        Verdict::Undecided => Exit::Undecided,
    }
}

fn judge(args: &Verify) -> Result<(Report, Promise), NoJudgement> {
    // The document first: of a name that was mistyped the token is missing, too.
    std::fs::metadata(&args.file).map_err(|error| unreadable(&args.file, error))?;
    let (trust, promise) = read_trust(&args.trust)?;
    let trust = trust.with_policies(args.policies.clone());
    let token = token_of(read(&args.token_path())?);
    let proof = read(&args.proof_path());
    // One that nobody named may be missing: judged without.
    let proof = if args.proof.is_none() { if_there(proof)? } else { Some(proof?) };
    // An unreadable token is said in the report; then any algorithm serves.
    let algorithm = imprint_algorithm(&token).unwrap_or(ImprintAlgorithm::Sha256);
    let digest = imprint_of_file(&args.file, algorithm).map_err(|error| unreadable(&args.file, error))?;
    let document = Document::Imprint { algorithm, digest: &digest };
    Ok((verify_timestamp(&Evidence { document, token: &token, proof: proof.as_deref() }, &trust), promise))
}

/// What a check asserts, in plain English.
pub(super) fn assertion(check: Check) -> &'static str {
    match check {
        Check::TokenForm => "the timestamp has the form that the standard demands",
        Check::TokenImprint => "the timestamp is for exactly this document",
        Check::TokenSigner => "the timestamp says who signed it, and the signer's certificate is there",
        Check::TokenAttributes => "the signature covers what the timestamp says",
        Check::TokenCertificateBinding => "the signature names this certificate and no other",
        Check::TokenSignature => "the signature is genuine",
        Check::CertificateChain => "the signer was certified for timestamping by the root that you trust",
        Check::CertificateKeyPeriod => "the signing key was in its period of use at that time",
        Check::CertificateRevocation => "the signer's certificate was not revoked",
        Check::TokenPolicy => "the timestamp was made under a policy that you accept",
        Check::ProofForm => "the ledger proof has the form that the standard demands",
        Check::EntryDigest => "the ledger entry is for exactly this timestamp",
        Check::EntryKind => "the ledger entry says that it is a timestamp",
        Check::ProofCheckpoint => "the ledger's state is signed by the ledger that you trust",
        Check::ProofWitnesses => "the ledger's state was seen by the witnesses that you ask for",
        Check::ProofInclusion => "the entry stands in the ledger at the place that the proof says",
        Check::EntryTime => "the entry was made within the time allowed after the timestamp",
    }
}

/// The checks of the ledger, which come after those of the timestamp.
fn is_of_ledger(check: Check) -> bool {
    check >= Check::ProofForm
}

fn as_text(args: &Verify, report: &Report, promise: Promise) -> String {
    let promise = usual_delay(promise, "timestamp");
    let mut lines = vec![
        format!("Document   {}", args.file.display()),
        format!("Timestamp  {}", args.token_path().display()),
        match report.outcome(Check::ProofForm) {
            Some(Outcome::NotChecked(_)) => format!("Proof      none: {} is not there", args.proof_path().display()),
            _ => format!("Proof      {}", args.proof_path().display()),
        },
        format!("Trust      {}{promise}", args.trust.display()),
    ];
    lines.extend(checked("The timestamp", &report.checks, is_of_ledger, assertion));
    lines.push(format!("\n{}", sentence(args, report)));
    lines.join("\n")
}

/// Files as they were named.
fn files_given(paths: &[PathBuf]) -> String {
    match paths {
        [] => "none was given".to_owned(),
        some => some.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
    }
}

/// What came out of one check.
fn line(assertion: &str, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok => format!("  ok           {assertion}"),
        Outcome::Failed(why) => format!("  FAILED       {assertion}: {why}"),
        Outcome::NotChecked(why) => format!("  not checked  {assertion} ({why})"),
    }
}

/// What came out of all checks: first those of what was given, then those of the ledger.
fn checked<C: Copy>(
    title: &str,
    checks: &[CheckResult<C>],
    is_of_ledger: impl Fn(C) -> bool,
    assertion: impl Fn(C) -> &'static str,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (title, of_ledger) in [(title, false), ("The ledger", true)] {
        lines.push(format!("\n{title}"));
        let of_part = checks.iter().filter(|result| is_of_ledger(result.check) == of_ledger);
        lines.extend(of_part.map(|result| line(assertion(result.check), &result.outcome)));
    }
    lines
}

/// Why it could not be told.
fn missing<C>(open: Option<&CheckResult<C>>) -> String {
    match open.map(|result| &result.outcome) {
        Some(Outcome::NotChecked(why)) => why.clone(),
        Some(Outcome::Ok | Outcome::Failed(_)) | None => "not every check could be made".to_owned(),
    }
}

fn refuted<'a>(failed: impl Iterator<Item = &'a str>) -> String {
    format!("NOT VERIFIED: it is not true that {}.", failed.collect::<Vec<_>>().join(", nor that "))
}

/// Where the bound of an entry's delay comes from, if not from the trust anchors.
fn usual_delay(promise: Promise, than: &str) -> String {
    match promise {
        Promise::Given => String::new(),
        Promise::Usual => {
            format!(" (no ledger.json: an entry may be {} s later than its {than})", MMD_MILLIS / 1000)
        }
    }
}

/// The verdict in one sentence: what, when, who, where in the ledger. Time and names are told only where the checks bear
/// them.
fn sentence(args: &Verify, report: &Report) -> String {
    let file = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy();
    let claim = report.token.as_ref().map(|token| {
        let who = token.signer.as_deref().unwrap_or("an unnamed signer");
        format!("{file} existed in exactly this form on {}, attested by {who}", moment(token.gen_time))
    });
    match (report.verdict, claim, &report.entry) {
        (Verdict::Verified, Some(claim), Some(entry)) => {
            let word = verified(report.token.as_ref().is_some_and(|token| token.is_test));
            format!("{word}: {claim} and recorded as entry {} of the ledger {}.", entry.index, entry.origin)
        }
        (Verdict::Undecided, Some(claim), _) => {
            let is_test = report.token.as_ref().is_some_and(|token| token.is_test);
            let open = report.checks.iter().find(|result| report.leaves_open(result));
            let gap = gap(open, Check::TokenPolicy, is_test);
            format!("COULD NOT TELL: nothing speaks against it that {claim}, but {gap}.")
        }
        (Verdict::Refuted, ..) => {
            let failed = report.checks.iter().filter(|result| result.outcome.is_failed());
            refuted(failed.map(|result| assertion(result.check)))
        }
        // The other verdicts need a token, and verified needs an entry: reached by no report.
        (Verdict::Verified | Verdict::Undecided, ..) => "COULD NOT TELL.".to_owned(),
    }
}

/// The first word of what holds: of a trial service's, nobody vouches for the clock.
pub(super) const fn verified(is_test: bool) -> &'static str {
    if is_test { "VERIFIED AS A TEST, which proves nothing" } else { "VERIFIED" }
}

/// What is missing, and of a test service how to go on: `policy` is the check of the policy.
pub(super) fn gap<C: PartialEq>(open: Option<&CheckResult<C>>, policy: C, is_test: bool) -> String {
    match open.map(|result| (&result.outcome, is_test && result.check == policy)) {
        Some((Outcome::NotChecked(why), true)) => format!("{why} (for a trial: --policy {TEST_POLICY})"),
        Some((Outcome::NotChecked(why), false)) => why.clone(),
        Some((Outcome::Ok | Outcome::Failed(_), _)) | None => "not every check could be made".to_owned(),
    }
}

/// "21 November 2026 at 05:14:13.123 UTC".
fn moment(time: Timestamp) -> String {
    time.to_chrono().format("%-d %B %Y at %H:%M:%S%.3f UTC").to_string()
}

fn as_json(args: &Verify, report: &Report) -> serde_json::Value {
    json!({
        "file": args.file.to_string_lossy(),
        "token_file": args.token_path().to_string_lossy(),
        "proof_file": args.proof_path().to_string_lossy(),
        "sentence": sentence(args, report),
        "report": report,
    })
}

#[cfg(test)]
mod tests {
    use semper_ttp::digest::Digest;
    use semper_ttp::verify::{EntrySummary, TokenSummary};

    use super::*;

    fn args(file: &str) -> Verify {
        Verify { file: file.into(), trust: "trust".into(), ..Verify::default() }
    }

    /// A report in which the policy was not asked for and revocation not looked at, `failed` failed and `skipped` was not checked.
    fn report(failed: &[Check], skipped: &[Check]) -> Report {
        let outcome = |check| {
            if failed.contains(&check) {
                Outcome::Failed("it is not".into())
            } else if skipped.contains(&check)
                || [Check::CertificateRevocation, Check::TokenPolicy, Check::ProofWitnesses].contains(&check)
            {
                Outcome::NotChecked("nobody asked".into())
            } else {
                Outcome::Ok
            }
        };
        let time = Timestamp::from_millis(1_795_238_053_120);
        Report {
            verdict: match (failed, skipped) {
                ([], []) => Verdict::Verified,
                ([], _) => Verdict::Undecided,
                _ => Verdict::Refuted,
            },
            checks: Check::ALL.map(|check| CheckResult { check, outcome: outcome(check) }).into(),
            asked_for_witnesses: false,
            token: Some(TokenSummary {
                gen_time: time,
                serial: "01".into(),
                policy: "1.2.3".into(),
                is_test: false,
                hash: "sha256",
                nonce: None,
                signer: Some("Unit 1".into()),
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
    fn a_verified_document_reads_like_a_sentence() {
        let text = as_text(&args("a/contract.pdf"), &report(&[], &[]), Promise::Given);
        let expected = "VERIFIED: contract.pdf existed in exactly this form on 21 November 2026 at 05:14:13.120 UTC, \
                        attested by Unit 1 and recorded as entry 7 of the ledger log.example/1.";
        assert_eq!(text.lines().last(), Some(expected));
        assert_eq!(text.matches("  ok           ").count(), 14);
        assert!(text.contains("  not checked  the timestamp was made under a policy that you accept (nobody asked)"));
        assert!(text.starts_with("Document   a/contract.pdf\nTimestamp  a/contract.pdf.tst\n"));
    }

    #[test]
    fn a_refuted_one_says_what_is_false_and_claims_nothing() {
        let text =
            as_text(&args("contract.pdf"), &report(&[Check::TokenImprint, Check::EntryDigest], &[]), Promise::Given);
        let expected = "NOT VERIFIED: it is not true that the timestamp is for exactly this document, nor that the \
                        ledger entry is for exactly this timestamp.";
        assert_eq!(text.lines().last(), Some(expected));
        assert_eq!(text.matches("FAILED").count(), 2);
        assert!(text.contains("  FAILED       the timestamp is for exactly this document: it is not\n"));
    }

    #[test]
    fn an_undecided_one_says_what_is_missing() {
        let text = as_text(&args("contract.pdf"), &report(&[], &Check::ALL[10..]), Promise::Given);
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("COULD NOT TELL: nothing speaks against it that contract.pdf existed"), "{last}");
        assert!(last.ends_with("but nobody asked."), "{last}");
        assert!(text.contains("\nProof      none: contract.pdf.tlog-proof is not there\n"), "{text}");
        assert!(text.contains("\nTrust      trust\n"), "{text}");
        let text = as_text(&args("contract.pdf"), &report(&[], &[]), Promise::Usual);
        assert!(text.contains("\nTrust      trust (no ledger.json: an entry may be 5 s later than its timestamp)\n"));
    }

    #[test]
    fn a_trial_is_called_one() {
        let mut asked = report(&[], &[]);
        asked.token.as_mut().unwrap().is_test = true;
        let said = sentence(&args("contract.pdf"), &asked);
        assert!(said.starts_with("VERIFIED AS A TEST, which proves nothing: contract.pdf existed"), "{said}");
        let unasked = Report { verdict: Verdict::Undecided, ..asked };
        let said = sentence(&args("contract.pdf"), &unasked);
        assert!(said.starts_with("COULD NOT TELL: ") && said.contains("--policy 1.3.6"), "{said}");
    }

    /// Only of a test service it helps to name its policy.
    #[test]
    fn a_gap_says_what_is_missing() {
        let open = CheckResult { check: Check::TokenPolicy, outcome: Outcome::NotChecked("it names none".into()) };
        assert_eq!(gap(Some(&open), Check::TokenPolicy, false), "it names none");
        assert_eq!(
            gap(Some(&open), Check::TokenPolicy, true),
            format!("it names none (for a trial: --policy {TEST_POLICY})")
        );
        assert_eq!(gap(Some(&open), Check::ProofForm, true), "it names none");
    }

    #[test]
    fn every_check_has_its_own_words_and_its_section() {
        let words: std::collections::HashSet<_> = Check::ALL.map(assertion).into();
        assert_eq!(words.len(), Check::ALL.len());
        assert_eq!(Check::ALL.iter().filter(|check| is_of_ledger(**check)).count(), 7);
    }

    #[test]
    fn json_carries_verdict_checks_and_sentence() {
        let json = as_json(&args("contract.pdf"), &report(&[Check::TokenImprint], &[]));
        assert_eq!(json["report"]["verdict"], "refuted");
        assert_eq!(json["report"]["checks"][1]["outcome"], "failed");
        assert_eq!(json["report"]["checks"].as_array().unwrap().len(), Check::ALL.len());
        assert_eq!(json["token_file"], "contract.pdf.tst");
        assert!(json["sentence"].as_str().unwrap().starts_with("NOT VERIFIED"));
    }

    #[test]
    fn exits() {
        let exits = [Verdict::Verified, Verdict::Refuted, Verdict::Undecided].map(|verdict| exit_of(verdict).code());
        assert_eq!(exits, [0, 1, 2]);
    }

    #[test]
    fn what_is_missing_leaves_it_undecided_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let args = Verify { file: path("doc"), trust: path("trust"), ..Verify::default() };
        let said = || judge(&args).unwrap_err().to_string();
        assert!(said().contains("/doc: "), "{}", said());
        std::fs::write(path("doc"), "").unwrap();
        assert!(said().contains("root.pem"), "{}", said());
        std::fs::create_dir(path("trust")).unwrap();
        std::fs::write(path("trust/root.pem"), "").unwrap();
        assert!(said().contains("ledger.vkey"), "{}", said());
        std::fs::write(path("trust/ledger.vkey"), "").unwrap();
        assert!(said().contains("trust anchors"), "{}", said());
        assert!(run(args, false) == Exit::Undecided);
    }
}
