//! `semper verify` of a proof of misbehaviour: what a monitor, a witness, an auditor or a party holds against a ledger.

use std::io::Read;

use semper_ttp::account::{Anchors, Judgement, Kind, POM_BYTES_MAX, Proof, Verdict, judge};
use semper_ttp::verify::log_keys;
use serde_json::json;

use super::files::{NoJudgement, if_there, read_trust, read_up_to, text};
use crate::cli::Verify;
use crate::commands::say;
use crate::exit::Exit;

/// The bytes of the file, if it is such a proof and not a document that has its timestamp.
pub(super) fn claim(args: &Verify) -> Option<Vec<u8>> {
    if args.token.is_some() || args.token_path().exists() {
        return None;
    }
    // Documents may be of any size, so more than the first byte is read only of what might be JSON.
    let mut first = [0];
    std::fs::File::open(&args.file).ok()?.read_exact(&mut first).ok()?;
    if first != *b"{" {
        return None;
    }
    let Ok(bytes) = read_up_to(&args.file, POM_BYTES_MAX as u64) else {
        // One that is too long is none, and whoever made it is told so. No other JSON begins as this program writes them.
        let mut bytes = Vec::new();
        std::fs::File::open(&args.file).ok()?.take(POM_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
        return (bytes.len() > POM_BYTES_MAX && bytes.starts_with(br#"{"t":"pom","#)).then_some(bytes);
    };
    Proof::is_one(&bytes).then_some(bytes)
}

/// Judges it: 0 proven, 1 not what it claims, 2 could not tell.
pub(super) fn run(args: &Verify, bytes: &[u8], json: bool) -> Exit {
    let proof = match Proof::parse(bytes) {
        Ok(proof) => proof,
        Err(why) => {
            say::trouble(json, format_args!("could not tell: {}: {why}", args.file.display()));
            return Exit::Undecided;
        }
    };
    match judged(args, &proof) {
        Ok(judgement) => {
            if json {
                say::json(&as_json(args, &proof, &judgement));
            } else {
                say::out(as_text(args, &proof, &judgement));
            }
            exit_of(judgement.verdict)
        }
        Err(why) => {
            say::trouble(json, format_args!("could not tell: {why}"));
            Exit::Undecided
        }
    }
}

fn judged(args: &Verify, proof: &Proof) -> Result<Judgement, NoJudgement> {
    // Who watches a log may have nothing of its TSA; only proofs with a timestamp in ask for its root.
    if if_there(text(&args.trust, "root.pem"))?.is_none() {
        let keys = log_keys(&text(&args.trust, "ledger.vkey")?)?;
        return Ok(judge(proof, &Anchors { log_keys: &keys, trust: None }));
    }
    let (trust, _) = read_trust(&args.trust)?;
    let trust = trust.with_policies(args.policies.clone());
    Ok(judge(proof, &Anchors { log_keys: trust.log_keys(), trust: Some(&trust) }))
}

fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Proven => Exit::Ok,
        Verdict::Unfounded => Exit::Falsified,
        Verdict::Open => Exit::Undecided,
    }
}

/// What is claimed, in plain English.
fn claimed(kind: Kind) -> &'static str {
    match kind {
        Kind::Equivocation => "one question was decided twice",
        Kind::Omission => "what was released was not recorded in the ledger",
        Kind::SplitView => "the ledger was signed in two histories that contradict each other",
        Kind::BrokenRule => "something was recorded or decided that the rules forbid",
        Kind::Time => "times were stated that cannot be true",
        Kind::NoAnswer => "a request was taken and not answered",
        Kind::Rollback => "an older state of the ledger was shown after a newer one",
    }
}

fn sentence(judgement: &Judgement) -> String {
    let word = match judgement.verdict {
        Verdict::Proven => "PROVEN",
        Verdict::Unfounded => "NOT PROVEN",
        Verdict::Open if judgement.is_rebuttable => "OPEN UNTIL REBUTTED",
        Verdict::Open => "COULD NOT TELL",
    };
    format!("{word}: {}.", judgement.reason)
}

fn as_text(args: &Verify, proof: &Proof, judgement: &Judgement) -> String {
    format!(
        "Evidence   {}\nAgainst    the ledger {}\nClaim      {}: {}\nTrust      {}\n\n{}",
        args.file.display(),
        proof.against,
        proof.kind.name(),
        claimed(proof.kind),
        args.trust.display(),
        sentence(judgement)
    )
}

fn as_json(args: &Verify, proof: &Proof, judgement: &Judgement) -> serde_json::Value {
    json!({
        "file": args.file.to_string_lossy(),
        "against": proof.against,
        "kind": proof.kind.name(),
        "verdict": judgement.verdict.name(),
        "sentence": sentence(judgement),
    })
}
