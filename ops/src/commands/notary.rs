//! `semper notary`: asking for acts, signing, and deciding about them, at a running service.

mod certify;
mod evidence;
mod journal;
mod known;
mod officer;
mod party;
mod words;

use semper_ttp::id::ActId;
use serde_json::Value;

use super::remote::{Remote, as_person, json_of, text};
use super::running::{Failed, random};
use super::say;
use crate::cli::{self, NotaryCommand};
use crate::exit::Exit;

/// What a server gives at most: a document, a report, an extract of the journal.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Runs one of them.
pub(crate) fn run(args: cli::Notary, json: bool) -> Exit {
    let (name, done) = match args.command {
        NotaryCommand::Ask(args) => ("ask", party::ask(&args, json)),
        NotaryCommand::Certify(args) => ("certify", certify::certify(&args, json)),
        NotaryCommand::Acts(args) => ("acts", journal::acts(&args, json)),
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

/// Tells how an act stands, and what comes next. One that has not ended is no failure.
fn told(act: &Value, as_json: bool) -> Exit {
    if as_json {
        say::json(act);
    } else {
        say::out(words::line_of(act));
        words::next(act).into_iter().for_each(say::out);
    }
    match text(act, "state") {
        "refused" | "aborted" => Exit::Falsified,
        _ => Exit::Ok,
    }
}
