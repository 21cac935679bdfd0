//! `semper notary`: asking for acts, signing, and deciding about them, at a running service.

mod certify;
mod evidence;
mod journal;
mod officer;
mod party;

use semper_ttp::id::ActId;
use serde_json::Value;

use super::remote::{Remote, as_person, json_of, text};
use super::running::{Failed, random};
use super::say;
use crate::cli::{self, NotaryCommand};
use crate::exit::Exit;

/// The longest document that a server takes, and gives back.
const DOCUMENT_BYTES_MAX: usize = 15 << 20;

/// Reports are bounded by less, and extracts of the journal by about as much.
const ANSWER_BYTES_MAX: usize = DOCUMENT_BYTES_MAX;

/// Runs one of them.
pub(crate) fn run(args: cli::Notary, json: bool) -> Exit {
    let (name, done) = match args.command {
        NotaryCommand::Ask(args) => ("ask", party::ask(&args, json)),
        NotaryCommand::Certify(args) => ("certify", certify::certify(&args, json)),
        NotaryCommand::Show(args) => ("show", party::show(&args, json)),
        NotaryCommand::Sign(args) => ("sign", party::sign(&args, json)),
        NotaryCommand::Record(args) => ("record", party::record(&args, json)),
        NotaryCommand::Document(args) => ("document", party::document(&args, json)),
        NotaryCommand::Withdraw(args) => ("withdraw", party::withdraw(&args, json)),
        NotaryCommand::Worklist(args) => ("worklist", officer::worklist(&args, json)),
        NotaryCommand::Take(args) => ("take", officer::take(&args, json)),
        NotaryCommand::Release(args) => ("release", officer::release(&args, json)),
        NotaryCommand::Approve(args) => ("approve", officer::approve(&args, json)),
        NotaryCommand::Refuse(args) => ("refuse", officer::refuse(&args, json)),
        NotaryCommand::Journal(args) => ("journal", journal::journal(&args, json)),
        NotaryCommand::Extract(args) => ("extract", journal::extract(&args, json)),
    };
    done.unwrap_or_else(|Failed(exit, sentence)| {
        say::trouble(json, format_args!("notary {name}: {sentence}"));
        exit
    })
}

/// Where an act is, or something of it.
fn place(act: ActId, what: &str) -> String {
    format!("/v1/notary/acts/{act}{what}")
}

/// Does something as whoever the identity is of, who is an `officer` or a party in a folder.
fn post(remote: &Remote, path: &str, body: &Value) -> Result<Value, Failed> {
    let key = hex::encode(random()?);
    json_of(remote.call(async |client| client.post_json(path, &key, body.to_string().into_bytes()).await))
}

fn remote(of: &cli::OfService, person: &str) -> Result<Remote, Failed> {
    Ok(as_person(of, person)?.with_answer_bytes(ANSWER_BYTES_MAX))
}

/// Tells how an act stands. One that has not ended is no failure.
fn told(act: &Value, as_json: bool) -> Exit {
    if as_json {
        say::json(act);
    } else {
        say::out(line_of(act));
    }
    match text(act, "state") {
        "refused" | "aborted" => Exit::Falsified,
        _ => Exit::Ok,
    }
}

/// One line for an act, or for a line of the journal.
fn line_of(act: &Value) -> String {
    let reason = act["reason"].as_str().map(|reason| format!(" ({})", reason.replace('_', " ")));
    let signers = act["waiting_on"]["signers"].as_array().map(|signers| {
        let names: Vec<_> = signers.iter().filter_map(Value::as_str).collect();
        format!(", waits for the signature of {}", names.join(", "))
    });
    let officer = act["waiting_on"].get("officer").map(|officer| match officer.as_str() {
        Some(certificate) => format!(", taken by the officer {}…", certificate.get(..12).unwrap_or(certificate)),
        None => ", waits for an officer".to_owned(),
    });
    let due = act["due_by"].as_str().map(|due| format!(", until {due}"));
    let at = act["completed_at"].as_str().or(act["opened_at"].as_str()).unwrap_or("-");
    format!(
        "No. {}  {}  {at}  {}  {}{}{}{}{}",
        act["journal_no"],
        text(act, "act"),
        text(act, "kind"),
        text(act, "state"),
        reason.unwrap_or_default(),
        signers.unwrap_or_default(),
        officer.unwrap_or_default(),
        due.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_tells_what_is_waited_for() {
        let act = |more: Value| {
            let mut act = json!({
                "act": "AAECAwQFBgcICQoLDA0ODw", "kind": "contract", "journal_no": 7, "opened_at": "2026-03-01T12:00:00Z",
            });
            act.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            line_of(&act)
        };
        let head = "No. 7  AAECAwQFBgcICQoLDA0ODw  2026-03-01T12:00:00Z  contract  ";
        for (more, tail) in [
            (
                json!({ "state": "collecting", "waiting_on": { "signers": ["a", "b"] } }),
                "collecting, waits for the signature of a, b",
            ),
            (json!({ "state": "waiting", "waiting_on": { "officer": null } }), "waiting, waits for an officer"),
            (json!({ "state": "refused", "reason": "will_in_doubt" }), "refused (will in doubt)"),
        ] {
            assert_eq!(act(more), format!("{head}{tail}"));
        }
    }
}
