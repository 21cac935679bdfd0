//! `semper verify` of a notarial act: whether its record is genuine, and what it certifies, or that it certifies nothing.

use std::io::Read;
use std::path::{Path, PathBuf};

use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::notary::ActType;
use semper_ttp::notary::personal::{PERSONAL_BYTES_MAX, Personal};
use semper_ttp::notary::request::REQUEST_BYTES_MAX;
use semper_ttp::statement::STATEMENT_BYTES_MAX;
use semper_ttp::statement::act::{DocumentRole, PrincipalRole};
use semper_ttp::verify::act::{ActCheck, ActEvidence, ActReport, ActSummary, ShownDocument, statement_tag, verify_act};
use semper_ttp::verify::{Outcome, Verdict};
use semper_ttp::x509::Certificate;
use serde_json::json;

use super::files::{NoJudgement, Promise, beside, if_there, read, read_trust, read_up_to, unreadable, unusable};
use super::{checked, exit_of, files_given, gap, material, refuted, usual_delay, verified};
use crate::cli::Verify;
use crate::commands::hashing::imprint_of_file;
use crate::commands::say;
use crate::exit::Exit;

/// What one kind of statement is called.
const ACT: &str = "notary/act";

/// The bytes of the file, if it is a signed statement and not a document that has its timestamp.
pub(super) fn claim(args: &Verify) -> Option<Vec<u8>> {
    if args.token.is_some() || args.token_path().exists() {
        return None;
    }
    // Documents may be of any size, so more than the beginning is read only of what might be a statement. One that was changed is
    // still known by its name.
    let mut first = [0; 3];
    std::fs::File::open(&args.file).ok()?.read_exact(&mut first).ok()?;
    let is_called_one = args.file.extension().is_some_and(|ending| ending == "jws");
    // A header in base64url: `{"`.
    if !is_called_one && first != *b"eyJ" {
        return None;
    }
    let bytes = read_up_to(&args.file, STATEMENT_BYTES_MAX as u64).ok()?;
    let has_three_parts = bytes.iter().filter(|byte| **byte == b'.').count() == 2;
    (is_called_one || has_three_parts).then_some(bytes)
}

/// Judges it: 0 genuine, 1 not, 2 could not tell.
pub(super) fn run(args: &Verify, act: &[u8], json: bool) -> Exit {
    if let Some(other) = statement_tag(act).filter(|tag| tag != ACT) {
        let file = args.file.display();
        say::trouble(
            json,
            format_args!("could not tell: {file} is a statement {other}, whose signature is judged with --signatures"),
        );
        return Exit::Undecided;
    }
    match judge(args, act) {
        Ok((report, opened, promise)) => {
            if json {
                say::json(&as_json(args, &report, opened.as_ref()));
            } else {
                say::out(as_text(args, &report, opened.as_ref(), promise));
            }
            exit_of(report.verdict)
        }
        Err(why) => {
            say::trouble(json, format_args!("could not tell: {why}"));
            Exit::Undecided
        }
    }
}

/// The one that was named, or the usual one: `X.tlog-proof` for `X.jws`.
fn proof_path(args: &Verify) -> PathBuf {
    args.proof.clone().unwrap_or_else(|| beside(&args.file, "jws", "tlog-proof"))
}

/// `X.pem` for `X.jws`.
fn certificates_path(args: &Verify) -> PathBuf {
    beside(&args.file, "jws", "pem")
}

/// The report, and what the record commits to where it was opened.
fn judge(args: &Verify, act: &[u8]) -> Result<(ActReport, Option<Personal>, Promise), NoJudgement> {
    let (trust, promise) = read_trust(&args.trust)?;
    let trust = trust.with_policies(args.policies.clone());
    let mut certificates = if_there(certificates_of(&certificates_path(args)))?.unwrap_or_default();
    for path in &args.material {
        certificates.extend(certificates_of(path)?);
    }
    let documents: Vec<_> = args.documents.iter().map(|path| shown(path)).collect::<Result<_, _>>()?;
    let read_part = |path: &PathBuf, bytes_max| read_up_to(path, bytes_max);
    let request = args.request.as_ref().map(|path| read_part(path, REQUEST_BYTES_MAX as u64)).transpose()?;
    let personal = args.personal.as_ref().map(|path| read_part(path, PERSONAL_BYTES_MAX as u64)).transpose()?;
    let dvc = args.dvc.as_ref().map(|path| read_part(path, super::dvc::DVC_BYTES_MAX)).transpose()?;
    let validation = args.report.as_ref().map(|path| read_part(path, super::dvc::DVC_BYTES_MAX)).transpose()?;
    let signatures = args.signers.iter().map(|path| read_part(path, STATEMENT_BYTES_MAX as u64));
    let signatures: Vec<_> = signatures.collect::<Result<_, _>>()?;
    let proof = read(&proof_path(args));
    // One that nobody named may be missing: judged without.
    let proof = if args.proof.is_none() { if_there(proof)? } else { Some(proof?) };
    let evidence = ActEvidence {
        act,
        certificates: &certificates,
        documents: &documents,
        request: request.as_deref(),
        dvc: dvc.as_deref(),
        report: validation.as_deref(),
        personal: personal.as_deref(),
        signatures: &signatures,
        proof: proof.as_deref(),
    };
    let report = verify_act(&evidence, &trust);
    let opened = personal.filter(|_| report.outcome(ActCheck::Personal) == Some(&Outcome::Ok));
    Ok((report, opened.and_then(|bytes| serde_json::from_slice(&bytes).ok()), promise))
}

fn certificates_of(path: &Path) -> Result<Vec<Certificate>, NoJudgement> {
    let found = material::certificates(path)?;
    let strict = found.iter().map(|certificate| Certificate::from_der(certificate.der()));
    strict.collect::<Result<_, _>>().map_err(|fault| unusable(path, fault))
}

fn shown(path: &Path) -> Result<ShownDocument, NoJudgement> {
    let unreadable = |error| unreadable(path, error);
    let imprint = imprint_of_file(path, ImprintAlgorithm::Sha256).map_err(unreadable)?;
    let sha256 = imprint.try_into().map(Digest).map_err(|_| unusable(path, "it has no SHA-256"))?;
    Ok(ShownDocument { sha256, bytes: std::fs::metadata(path).map_err(unreadable)?.len() })
}

/// What a check asserts, in plain English.
fn assertion(check: ActCheck) -> &'static str {
    match check {
        ActCheck::Form => "the record has the form that it must have",
        ActCheck::Consistency => "the record does not contradict itself",
        ActCheck::Service => "the record is of the service whose ledger you trust",
        ActCheck::Signer => "the notary's certificate is there, and of the key that the record names",
        ActCheck::Signature => "the notary's signature is genuine",
        ActCheck::CertificatePurpose => "the notary's certificate is for signing documents and nothing else",
        ActCheck::CertificatePolicy => "the notary works under a policy that you accept",
        ActCheck::CertificateChain => "the notary was certified by the root that you trust",
        ActCheck::CertificateRevocation => "the notary's certificate was not revoked",
        ActCheck::Document => "the act is about exactly this document",
        ActCheck::FurtherDocuments => "the further documents are those of the act",
        ActCheck::Request => "the act is what exactly this request asked for",
        ActCheck::Dvc => "the act names exactly this data validation certificate",
        ActCheck::Report => "the report of the validation is exactly the one that the record names",
        ActCheck::Personal => "the names, addresses and titles are those that the record commits to",
        ActCheck::Signatures => "the signers' statements are those that the record names, for this act and document",
        ActCheck::SignersCertificates => "the signers' statements are signed by the certificates that the record names",
        ActCheck::ProofForm => "the ledger proof has the form that the standard demands",
        ActCheck::EntryDigest => "the ledger entry is for exactly this record",
        ActCheck::EntryKind => "the ledger entry says that it is this notarial act",
        ActCheck::ProofCheckpoint => "the ledger's state is signed by the ledger of that service",
        ActCheck::ProofWitnesses => "the ledger's state was seen by the witnesses that you ask for",
        ActCheck::ProofInclusion => "the entry stands in the ledger at the place that the proof says",
        ActCheck::EntryTime => "the entry was made within the time allowed after the act",
    }
}

fn as_text(args: &Verify, report: &ActReport, opened: Option<&Personal>, promise: Promise) -> String {
    let promise = usual_delay(promise, "act");
    let certificates = certificates_path(args);
    let mut lines = vec![
        format!("Act           {}", args.file.display()),
        format!("Documents     {}", files_given(&args.documents)),
        format!("Request       {}", files_given(args.request.as_slice())),
        format!("Signatures    {}", files_given(&args.signers)),
        match certificates.exists() {
            true => format!("Certificates  {}", certificates.display()),
            false => format!("Certificates  none: {} is not there", certificates.display()),
        },
        match report.outcome(ActCheck::ProofForm) {
            Some(Outcome::NotChecked(_)) => format!("Proof         none: {} is not there", proof_path(args).display()),
            _ => format!("Proof         {}", proof_path(args).display()),
        },
        format!("Trust         {}{promise}", args.trust.display()),
    ];
    lines.extend(checked("The act", &report.checks, ActCheck::is_of_ledger, assertion));
    if let Some(act) = report.act.as_ref().filter(|_| report.verdict != Verdict::Refuted) {
        lines.push("\nWhat it says".to_owned());
        let opened = opened.map(said_of_opened).unwrap_or_default();
        lines.extend(said(act).into_iter().chain(opened).map(|line| format!("  {line}")));
    }
    lines.push(format!("\n{}", sentence(args, report)));
    lines.join("\n")
}

fn said(act: &ActSummary) -> Vec<String> {
    let mut lines = vec![act.says.clone(), act.says_of_checks.clone()];
    for principal in &act.principals {
        let did = match principal.role {
            PrincipalRole::Requester => "asked for it",
            PrincipalRole::Signer => "signed",
        };
        let name = principal.name.as_ref().map_or(String::new(), |name| format!("{name}, "));
        let party = principal.party.as_deref().map_or(String::new(), |party| format!("the party {party}, "));
        let at = principal.signed_at.map_or(String::new(), |at| format!(" at {at}"));
        let revoked = principal.revoked_at.map(|at| match principal.signed_at {
            // Revocations count from their whole second.
            Some(signed) if at <= signed => "; it was revoked in the same second, after that".to_owned(),
            _ => format!("; it was revoked at {at}"),
        });
        let revoked = revoked.unwrap_or_default();
        lines.push(format!("- {name}{party}by the certificate {}: {did}{at}{revoked}", principal.certificate));
    }
    for document in &act.documents {
        let held = if document.held { "the notary held it" } else { "the notary saw its hash alone" };
        let given = if document.given { "you have it" } else { "it was not given to this command" };
        let attached = match (act.kind, document.role) {
            (ActType::Contract, DocumentRole::Attachment) => "an attachment, which no signer has signed; ",
            (_, DocumentRole::Attachment) => "an attachment; ",
            (_, DocumentRole::Original | DocumentRole::Final) => "",
        };
        lines.push(format!("- the document {}: {attached}{held}; {given}", document.sha256));
    }
    if let Some(corrected) = &act.correction_of {
        lines.push(format!("It corrects the act {corrected}."));
    }
    lines.push(act.does_not_say.to_owned());
    lines
}

/// What the record commits to.
fn said_of_opened(opened: &Personal) -> Vec<String> {
    let requester = [("name", &opened.name), ("address", &opened.address)];
    let requester = requester.into_iter().filter_map(|(what, opening)| Some((what, opening.as_ref()?)));
    let requester = requester.map(|(what, opening)| format!("- whoever asked gave as {what}: {}", opening.value));
    let titles = (1..).zip(&opened.titles).filter_map(|(number, opening)| Some((number, opening.as_ref()?)));
    requester.chain(titles.map(|(number, title)| format!("- title of document {number}: {}", title.value))).collect()
}

/// The verdict, and where the checks bear it what was certified or refused, when, under which number, by whom, and who checked what.
fn sentence(args: &Verify, report: &ActReport) -> String {
    let file = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy();
    let claim = report.act.as_ref().map(|act| {
        let who = act.notary.as_deref().unwrap_or("a notary whose certificate is not at hand");
        format!("{file} is the record of act No. {} in the journal of {}, signed by {who}", act.journal_no, act.service)
    });
    match (report.verdict, claim, &report.act, &report.entry) {
        (Verdict::Verified, Some(claim), Some(act), Some(entry)) => format!(
            "{}: {claim} and recorded as entry {} of the ledger {}. {} {}",
            verified(act.is_test),
            entry.index,
            entry.origin,
            act.says,
            act.says_of_checks
        ),
        (Verdict::Undecided, Some(claim), ..) => {
            let is_test = report.act.as_ref().is_some_and(|act| act.is_test);
            let open = report.checks.iter().find(|result| report.leaves_open(result));
            let gap = gap(open, ActCheck::CertificatePolicy, is_test);
            format!("COULD NOT TELL: nothing speaks against it that {claim}, but {gap}.")
        }
        (Verdict::Refuted, ..) => {
            let failed = report.checks.iter().filter(|result| result.outcome.is_failed());
            refuted(failed.map(|result| assertion(result.check)))
        }
        // The other verdicts need a record, and verified needs an entry: reached by no report.
        (Verdict::Verified | Verdict::Undecided, ..) => "COULD NOT TELL.".to_owned(),
    }
}

fn as_json(args: &Verify, report: &ActReport, opened: Option<&Personal>) -> serde_json::Value {
    let names = |paths: &[PathBuf]| paths.iter().map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>();
    json!({
        "file": args.file.to_string_lossy(),
        "document_files": names(&args.documents),
        "request_file": args.request.as_ref().map(|path| path.to_string_lossy()),
        "signature_files": names(&args.signers),
        "certificates_file": certificates_path(args).to_string_lossy(),
        "proof_file": proof_path(args).to_string_lossy(),
        "sentence": sentence(args, report),
        "report": report,
        "opened": opened,
    })
}

#[cfg(test)]
mod tests {
    use semper_ttp::notary::{OfficerCheck, Outcome as Ending};
    use semper_ttp::time::Timestamp;
    use semper_ttp::verify::EntrySummary;
    use semper_ttp::verify::act::{ActCheckResult, DocumentSummary, PrincipalSummary};

    use super::*;

    fn args(file: &str) -> Verify {
        Verify { file: file.into(), trust: "trust".into(), ..Verify::default() }
    }

    /// A report in which `failed` failed and `skipped` was not checked.
    fn report(failed: &[ActCheck], skipped: &[ActCheck]) -> ActReport {
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
        let principal = PrincipalSummary {
            role: PrincipalRole::Signer,
            party: Some("AAAA".into()),
            certificate: Digest([1; 32]),
            name: Some("Ada".into()),
            identity: Vec::new(),
            signed_at: Some(time),
            revoked_at: None,
        };
        let document = DocumentSummary {
            sha256: Digest([2; 32]),
            size: None,
            role: semper_ttp::statement::act::DocumentRole::Original,
            held: false,
            given: true,
        };
        ActReport {
            verdict: match (failed, skipped) {
                ([], []) => Verdict::Verified,
                ([], _) => Verdict::Undecided,
                _ => Verdict::Refuted,
            },
            checks: ActCheck::ALL.map(|check| ActCheckResult { check, outcome: outcome(check) }).into(),
            asked_for_policies: false,
            asked_for_witnesses: false,
            asked_for_signers: false,
            act: Some(ActSummary {
                act: "CAgI".into(),
                kind: ActType::Contract,
                journal_no: 17,
                service: "log.example/1".into(),
                notary: Some("Notary 1".into()),
                is_test: false,
                opened_at: time,
                completed_at: time,
                outcome: Ending::Performed,
                reason: None,
                validation: None,
                documents: vec![document],
                principals: vec![principal],
                officer: None,
                checked: vec![],
                not_checked: vec![OfficerCheck::Will],
                fee: None,
                correction_of: Some("CQkJ".into()),
                says: "It certified something.".into(),
                says_of_checks: "Nobody checked anything.".into(),
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
    fn a_verified_one_says_what_it_certifies() {
        let text = as_text(&args("a/contract.jws"), &report(&[], &[]), None, Promise::Given);
        let mut of_trial = report(&[], &[]);
        of_trial.act.as_mut().unwrap().is_test = true;
        let said = as_text(&args("a/contract.jws"), &of_trial, None, Promise::Given);
        assert!(said.contains("VERIFIED AS A TEST, which proves nothing: contract.jws is"), "{said}");
        let expected = "VERIFIED: contract.jws is the record of act No. 17 in the journal of log.example/1, signed by Notary 1 and \
                        recorded as entry 7 of the ledger log.example/1. It certified something. Nobody checked anything.";
        assert_eq!(text.lines().last(), Some(expected));
        assert_eq!(text.matches("  ok           ").count(), ActCheck::ALL.len());
        assert!(text.starts_with("Act           a/contract.jws\nDocuments     none was given\n"), "{text}");
        assert!(text.contains("\nCertificates  none: a/contract.pem is not there\n"), "{text}");
        assert!(text.contains("\nProof         a/contract.tlog-proof\n"), "{text}");
        assert!(text.contains("\n  - Ada, the party AAAA, by the certificate 0101"), "{text}");
        assert!(text.contains(": the notary saw its hash alone; you have it\n  It corrects the act CQkJ.\n"), "{text}");
    }

    #[test]
    fn a_refuted_one_claims_nothing() {
        let text = as_text(&args("contract.jws"), &report(&[ActCheck::Signature], &[]), None, Promise::Usual);
        assert_eq!(text.lines().last(), Some("NOT VERIFIED: it is not true that the notary's signature is genuine."));
        assert!(!text.contains("What it says") && !text.contains("certified something"), "{text}");
    }

    #[test]
    fn an_undecided_one_says_what_is_missing() {
        let text = as_text(&args("contract.jws"), &report(&[], &ActCheck::ALL[17..]), None, Promise::Given);
        let last = text.lines().last().unwrap();
        assert!(
            last.starts_with("COULD NOT TELL: nothing speaks against it that contract.jws is the record"),
            "{last}"
        );
        assert!(last.ends_with("but nobody asked."), "{last}");
        assert!(text.contains("\nProof         none: contract.tlog-proof is not there\n"), "{text}");
    }

    #[test]
    fn every_check_has_its_own_words() {
        let words: std::collections::HashSet<_> = ActCheck::ALL.map(assertion).into();
        assert_eq!(words.len(), ActCheck::ALL.len());
    }

    #[test]
    fn json_carries_verdict_checks_and_sentence() {
        let json = as_json(&args("contract.jws"), &report(&[ActCheck::Document], &[]), None);
        assert_eq!(json["report"]["verdict"], "refuted");
        assert_eq!(
            json["report"]["checks"][9],
            json!({"check": "act.document", "outcome": "failed", "reason": "it is not"})
        );
        assert_eq!(json["certificates_file"], "contract.pem");
        assert!(json["sentence"].as_str().unwrap().starts_with("NOT VERIFIED"));
    }

    #[test]
    fn only_statements_are_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let claimed = |name: &str, bytes: &[u8]| {
            std::fs::write(path(name), bytes).unwrap();
            claim(&Verify { file: path(name), ..Verify::default() }).is_some()
        };
        assert!(claimed("act", b"eyJ.e30.AA") && claimed("changed.jws", b"fyJ.e30.AA"));
        assert!(!claimed("other", b"eyJ no statement") && !claimed("text.txt", b"text") && !claimed("empty.jws", b""));
        assert!(!claimed("long.jws", &[b'a'; STATEMENT_BYTES_MAX + 1]));
        // A document with its timestamp is that, whatever it holds.
        std::fs::write(path("act.tst"), b"token").unwrap();
        assert!(!claimed("act", b"eyJ.e30.AA"));
        // Without trust anchors nothing is told.
        let args = Verify { file: path("changed.jws"), trust: path("none"), ..Verify::default() };
        assert!(run(&args, b"fyJ.e30.AA", false) == Exit::Undecided);
    }
}
