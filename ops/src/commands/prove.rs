//! `semper prove`: fetches the receipt of an entry, as tlog-proof text or COSE Receipt.
//!
//! What comes is checked to be of the entry that was asked for, as far as that can be seen without trust anchors;
//! `semper verify` judges it. An existing file with other bytes is not overwritten (exit 64). Exit 2 means that the
//! server knows no such entry, 75 that no quorum of its witnesses cosigned it in time.

use std::io::{self, IsTerminal};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use semper_api::client::{ClientError, Form, Which};
use semper_ledger::entry::Entry;
use semper_ledger::receipt::cose::claimed_position;
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_ttp::digest::Digest;
use serde_json::{Value, json};

use super::atomic::write_new;
use super::remote::{Remote, exit_of, is_cosigned};
use super::{say, token_of};
use crate::cli::{ProofForm, Prove};
use crate::exit::Exit;

/// Runs the command.
pub(crate) fn run(args: Prove, json: bool) -> Exit {
    let fail = |exit, why: &dyn std::fmt::Display| {
        say::trouble(json, why);
        exit
    };
    let form = match args.form {
        ProofForm::TlogProof => Form::TlogProof,
        ProofForm::Cose => Form::Cose,
    };
    if form == Form::Cose && args.out.is_none() && !json && io::stdout().is_terminal() {
        return fail(Exit::Usage, &"a COSE Receipt is not text: name a file with --out");
    }
    let wait = match args.witnesses.wait(args.witnesses.witnessed) {
        Ok(wait) => wait,
        Err(why) => return fail(Exit::Usage, &why),
    };
    if form == Form::Cose && wait.is_some() {
        return fail(Exit::Usage, &"a COSE Receipt carries no cosignatures: ask for --witnessed without --form cose");
    }
    let which = match which(&args) {
        Ok(which) => which,
        Err(why) => return fail(Exit::Usage, &why),
    };
    let remote = match Remote::new(&args.url) {
        Ok(remote) => remote,
        Err(error) => return fail(error.exit(), &error),
    };
    let proof = match wait {
        None => remote.call(async |client| client.inclusion(which, form).await.map(Vec::from)),
        Some(wait) => remote.witnessed(which, wait, |_| true),
    };
    let proof = match proof {
        Ok(proof) => proof,
        Err(error @ ClientError::NotWitnessed) => {
            let (exit, secs) = (exit_of(&error), wait.unwrap_or_default().as_secs());
            let what = "the entry is in the ledger, and its proof without them can be had without --witnessed";
            return fail(
                exit,
                &format_args!("no quorum of the ledger's witnesses cosigned it within {secs} s; {what}"),
            );
        }
        Err(error) => return fail(exit_of(&error), &error),
    };
    let checked = match form {
        Form::TlogProof => check(&proof, which, wait.is_some()),
        Form::Cose => check_cose(&proof, which),
    };
    if let Err(why) = checked {
        return fail(Exit::Fault, &format_args!("the answer was not kept: {why}"));
    }
    if let Some(path) = &args.out
        && let Err(error) = write_new(path, &proof)
    {
        let path = path.display();
        return match error.kind() {
            io::ErrorKind::AlreadyExists => fail(
                Exit::Usage,
                &format_args!(
                    "{path} is there already and holds something else; nothing was overwritten: move it away"
                ),
            ),
            _ => fail(Exit::Fault, &format_args!("cannot write {path}: {error}")),
        };
    }
    if json {
        say::json(&as_json(which, form, &proof, args.out.as_deref()));
    } else if let Some(path) = &args.out {
        let cosigned = if wait.is_some() { "; whose cosignatures it bears, `semper verify` judges" } else { "" };
        say::out(format!("{}: the proof, {} bytes{cosigned}", path.display(), proof.len()));
    } else {
        say::bytes(&proof);
    }
    Exit::Ok
}

/// The command line has exactly one of digest, index and token.
fn which(args: &Prove) -> Result<Which, String> {
    match (&args.digest, args.index, &args.token) {
        (Some(digest), ..) => digest.parse().map(Which::Digest).map_err(|error| format!("--digest: {error}")),
        (None, Some(index), _) => Ok(Which::Index(index)),
        (None, None, Some(path)) => match std::fs::read(path) {
            Ok(artefact) => Ok(Which::Digest(Digest::of(&token_of(artefact)))),
            Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        },
        (None, None, None) => Err("name the entry by --digest, --index or --token".to_owned()),
    }
}

/// Whether it is a proof of what was asked for, as far as can be seen without trust anchors.
pub(super) fn check(proof: &[u8], which: Which, witnessed: bool) -> Result<(), &'static str> {
    let text = std::str::from_utf8(proof).map_err(|_| "it is not text")?;
    let proof = TlogProof::parse(text).map_err(|_| "it is no tlog-proof")?;
    let entry = proof.extra.as_deref().and_then(|bytes| Entry::decode(bytes).ok()).ok_or("it carries no entry")?;
    let same = match which {
        Which::Digest(digest) => entry.digest == digest.0,
        Which::Index(index) => proof.index == index,
    };
    match same {
        false => Err("it is of another entry"),
        true if witnessed && !is_cosigned(&proof) => Err("it bears no cosignature, and was asked for with some"),
        true => Ok(()),
    }
}

/// A COSE Receipt does not carry its entry, so nothing in it can be compared with a digest.
fn check_cose(proof: &[u8], which: Which) -> Result<(), &'static str> {
    let (_, found) = claimed_position(proof).map_err(|_| "it is no COSE Receipt")?;
    match which {
        Which::Index(index) if found != index => Err("it is of another entry"),
        Which::Index(_) | Which::Digest(_) => Ok(()),
    }
}

fn as_json(which: Which, form: Form, proof: &[u8], out: Option<&Path>) -> Value {
    let (name, text) = match form {
        Form::TlogProof => ("tlog-proof", String::from_utf8_lossy(proof).into_owned()),
        Form::Cose => ("cose", BASE64.encode(proof)),
    };
    let (digest, index) = match which {
        Which::Digest(digest) => (Some(digest), None),
        Which::Index(index) => (None, Some(index)),
    };
    let out = out.map(Path::to_string_lossy);
    json!({ "digest": digest, "index": index, "form": name, "proof": text, "written": out })
}

#[cfg(test)]
mod tests {
    use semper_ledger::entry::Tags;

    use crate::cli::Witnesses;

    use super::*;

    fn args(digest: Option<&str>, index: Option<u64>, token: Option<&Path>) -> Prove {
        Prove {
            url: "http://127.0.0.1:1".into(),
            digest: digest.map(Into::into),
            index,
            token: token.map(Into::into),
            form: ProofForm::TlogProof,
            witnesses: Witnesses { witnessed: false, wait_secs: None },
            out: None,
        }
    }

    fn proof(digest: [u8; 32], index: u64) -> String {
        let entry = Entry { role: 2, kind: 0, time_ms: 1, digest, tags: Tags::default() };
        TlogProof { extra: Some(entry.encode()), index, path: vec![], checkpoint: "x\n".into() }.to_string()
    }

    #[test]
    fn three_ways_to_name_an_entry() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("a.tst");
        std::fs::write(&token, b"token").unwrap();
        let digest = Digest::of(b"token");
        assert_eq!(which(&args(Some(&digest.to_string()), None, None)), Ok(Which::Digest(digest)));
        assert_eq!(which(&args(None, Some(3), None)), Ok(Which::Index(3)));
        assert_eq!(which(&args(None, None, Some(&token))), Ok(Which::Digest(digest)));
        assert!(which(&args(None, None, Some(&folder.path().join("b")))).unwrap_err().contains("cannot read"));
        assert!(which(&args(None, None, None)).is_err());
    }

    #[test]
    fn a_proof_of_another_entry_is_not_kept() {
        let digest = Digest([7; 32]);
        let of_seven = proof([7; 32], 5);
        assert_eq!(check(of_seven.as_bytes(), Which::Digest(digest), false), Ok(()));
        assert_eq!(check(of_seven.as_bytes(), Which::Index(5), false), Ok(()));
        assert_eq!(check(of_seven.as_bytes(), Which::Index(6), false), Err("it is of another entry"));
        assert_eq!(check(proof([8; 32], 5).as_bytes(), Which::Digest(digest), false), Err("it is of another entry"));
        assert_eq!(check(b"<html>", Which::Index(5), false), Err("it is no tlog-proof"));
        assert_eq!(check(&[0xFF], Which::Index(5), false), Err("it is not text"));
        let bare = Err("it bears no cosignature, and was asked for with some");
        assert_eq!(check(of_seven.as_bytes(), Which::Index(5), true), bare);
        // d2 84 protected {-70962: 9}, unprotected {396: {-1: [<<[9, 5, [hash]]>>]}}, nil, a signature
        let hash = "00".repeat(32);
        let receipt = format!("d28447a13a0001153109a119018ca120815826830905815820{hash}f65840{hash}{hash}");
        let receipt = hex::decode(receipt).unwrap();
        assert_eq!(check_cose(&receipt, Which::Index(5)), Ok(()));
        assert_eq!(check_cose(&receipt, Which::Digest(digest)), Ok(()));
        assert_eq!(check_cose(&receipt, Which::Index(6)), Err("it is of another entry"));
        for none in [&b"<html>"[..], b"", of_seven.as_bytes(), &receipt[1..], &receipt[..receipt.len() - 1]] {
            assert_eq!(check_cose(none, Which::Digest(digest)), Err("it is no COSE Receipt"));
        }
    }

    #[test]
    fn json_holds_either_form() {
        let text = as_json(Which::Index(5), Form::TlogProof, b"proof\n", None);
        assert_eq!(
            text,
            json!({"digest": null, "index": 5, "form": "tlog-proof", "proof": "proof\n", "written": null})
        );
        let binary = as_json(Which::Digest(Digest([0; 32])), Form::Cose, &[0xD2, 0x84], Some(Path::new("a.cose")));
        assert_eq!((&binary["proof"], &binary["written"]), (&json!("0oQ="), &json!("a.cose")));
    }

    #[test]
    fn a_cose_receipt_bears_no_cosignatures() {
        let mut cose = args(None, Some(0), None);
        (cose.form, cose.witnesses.witnessed) = (ProofForm::Cose, true);
        assert_eq!(run(cose, true), Exit::Usage);
    }

    #[test]
    fn a_wrong_url_is_usage() {
        let mut wrong = args(None, Some(0), None);
        wrong.url = "ftp://tsa.example".into();
        assert_eq!(run(wrong, false), Exit::Usage);
    }
}
