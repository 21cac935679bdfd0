//! `semper keys`: the keys of a running service, asked for over its HTTPS listener as an operator; and a root's key that is kept
//! offline, with files that are carried by hand.

mod ceremony;
mod export;
mod import_ca;
mod sign;
mod stopped;

use std::path::Path;

use semper_api::client::ClientError;
use semper_ttp::asn1::oid;
use semper_ttp::x509::Certificate;
use serde_json::{Value, json};

use super::remote::{Remote, as_person, exit_of, json_of, text};
use super::running::{Failed, random};
use super::{atomic, say};
use crate::cli::{self, KeysCommand};
use crate::exit::Exit;

/// Runs one of them.
pub(crate) fn run(args: cli::Keys, json: bool) -> Exit {
    let done = |()| Exit::Ok;
    let (name, done) = match args.command {
        KeysCommand::List(args) => ("list", list(&args, json).map(done)),
        KeysCommand::Rotate(args) => ("rotate", rotate(&args, json).map(done)),
        KeysCommand::Export(args) => ("export", export::run(&args, json).map(done)),
        KeysCommand::Request(args) => ("request", request(&args, json).map(done)),
        KeysCommand::Sign(args) => ("sign", sign::run(&args, json).map(done)),
        KeysCommand::Import(args) => ("import", import(&args, json).map(done)),
        KeysCommand::ImportCa(args) => ("import-ca", import_ca::run(&args, json).map(done)),
        KeysCommand::Ceremony(args) => ("ceremony", ceremony::run(&args, json).map(done)),
        KeysCommand::Revoke(args) => ("revoke", revoke(&args, json)),
    };
    done.unwrap_or_else(|Failed(exit, sentence)| {
        say::trouble(json, format_args!("keys {name}: {sentence}"));
        exit
    })
}

const OPERATOR: &str = "operator";
const OFFICER: &str = "officer";

fn list(args: &cli::KeysList, json: bool) -> Result<(), Failed> {
    let answer = json_of(as_person(&args.of, OPERATOR)?.call(async |client| client.get_json("/v1/keys").await))?;
    if json {
        say::json(&answer);
        return Ok(());
    }
    for key in answer["keys"].as_array().into_iter().flatten() {
        let until = key["not_after"].as_str().map(|end| format!(" until {end}")).unwrap_or_default();
        let state = match text(key, "standing") {
            "ended" => format!("ended {}", key["ended"].as_str().unwrap_or(text(key, "not_after"))),
            "in_use" => format!("in use{until}"),
            "signs_lists" => format!("signs lists{until}"),
            "wraps_keys" => "wraps the keys of the documents that are kept sealed".to_owned(),
            "offline" => "kept offline".to_owned(),
            "waits_for_root" => "waits for the root: semper keys request, sign, import".to_owned(),
            other => other.to_owned(),
        };
        say::out(format!("{:<16} made {}  {state}", text(key, "key"), text(key, "made")));
    }
    Ok(())
}

/// Posts something under an idempotency key, which is told where the answer did not come.
fn post(remote: &Remote, path: &str, key: Option<&str>, body: &Value) -> Result<Vec<u8>, Failed> {
    let key = match key {
        Some(key) => key.to_owned(),
        None => hex::encode(random()?),
    };
    let body = body.to_string().into_bytes();
    let answer = remote.call(async |client| client.post_json(path, &key, body).await);
    if let Err(error @ (ClientError::Broken { .. } | ClientError::TimedOut { .. })) = &answer {
        let again = format!("{error}. Ask again with --idempotency-key {key}, so that nothing is done twice");
        return Err(Failed(exit_of(error), again));
    }
    Ok(answer?.into())
}

/// The same, where the answer is JSON.
fn ask(remote: &Remote, path: &str, key: Option<&str>, body: &Value) -> Result<Value, Failed> {
    json_of(Ok(post(remote, path, key, body)?))
}

fn rotate(args: &cli::KeysRotate, json: bool) -> Result<(), Failed> {
    let path = format!("/v1/keys/{}/rotate", args.key.name());
    let answer = ask(&as_person(&args.of, OPERATOR)?, &path, args.idempotency_key.as_deref(), &json!({}))?;
    if json {
        say::json(&answer);
        return Ok(());
    }
    say::out(format!("{} follows {}", text(&answer, "key"), text(&answer, "follows")));
    if answer["certificate"].is_object() {
        let certificate = &answer["certificate"];
        say::out(format!("certificate {} until {}", text(certificate, "sha256"), text(certificate, "not_after")));
    }
    Ok(())
}

fn request(args: &cli::KeysRequest, json: bool) -> Result<(), Failed> {
    require_new(&args.to)?;
    let path = format!("/v1/keys/{}/request", args.key.name());
    let document = post(&as_person(&args.of, OPERATOR)?, &path, args.idempotency_key.as_deref(), &json!({}))?;
    write(&args.to, &document)?;
    match json {
        true => say::json(&json!({ "request": args.to })),
        false => say::out(format!("{}: carry it to the root's key, and sign it: semper keys sign", args.to.display())),
    }
    Ok(())
}

fn import(args: &cli::KeysImport, json: bool) -> Result<(), Failed> {
    let pem = read_pem(&args.file)?;
    let (remote, body) = (as_person(&args.of, OPERATOR)?, json!({ "pem": pem }));
    let answer = ask(&remote, "/v1/keys/import", args.idempotency_key.as_deref(), &body)?;
    if json {
        say::json(&answer);
        return Ok(());
    }
    match answer["key"].as_str() {
        Some(key) => {
            say::out(format!("{key} is certified until {}, and issues from now on", text(&answer, "not_after")))
        }
        None => {
            say::out(format!("list {} is served, and good until {}", answer["number"], text(&answer, "next_update")))
        }
    }
    Ok(())
}

fn revoke(args: &cli::KeysRevoke, json: bool) -> Result<Exit, Failed> {
    let place = args.ca.place();
    if args.of.identity.is_dir() {
        return Err(Failed::usage(&"--identity names the .p12 of the officer, or of the operator who is the second"));
    }
    let remote = as_person(&args.of, OFFICER)?;
    let der = match remote.call(async |client| client.get(&format!("/ca/{place}.cer")).await) {
        Err(ClientError::NotFound { .. }) => return Err(Failed::usage(&format!("this service has no CA {place}"))),
        found => found?,
    };
    let certificate = Certificate::from_der(&der).map_err(|fault| Failed::fault(&format!("{place}.cer: {fault}")))?;
    let path = format!("/v1/certificates/{}/revoke", hex::encode(certificate.serial()));
    let body = json!({ "reason": args.reason.name() });
    let answer = ask(&remote, &path, args.idempotency_key.as_deref(), &body)?;
    let name = certificate.subject_attribute(oid::COMMON_NAME).unwrap_or_default();
    let is_revoked = text(&answer, "status") == "revoked";
    if json {
        say::json(&answer);
    } else if is_revoked {
        say::out(format!(
            "{} ({name}) is revoked since {}: nothing that it issued is good any more, be it a party's, an officer's, a server's or a \
             timestamping unit's. The root's list tells it, which has to be carried where that key is offline: semper keys request ca-root",
            args.ca.key(),
            text(&answer["revoked"], "at")
        ));
    } else {
        let (asked, until) = (&answer["asked"], text(&answer, "due_by"));
        say::out(format!(
            "{} ({name}): asked for at {}, and nothing is revoked yet: another revocation officer, or an operator, types the same with \
             --reason {} until {until}",
            args.ca.key(),
            text(asked, "at"),
            text(asked, "reason"),
        ));
    }
    Ok(if is_revoked { Exit::Ok } else { Exit::Busy })
}

fn read_pem(path: &Path) -> Result<String, Failed> {
    let pem = std::fs::read_to_string(path);
    pem.map_err(|error| Failed::usage(&format!("cannot read {}: {error}", path.display())))
}

/// Before the server does anything: what it answers is to be written there.
pub(super) fn require_new(path: &Path) -> Result<(), Failed> {
    let why = |error| {
        Failed::usage(&format!("cannot write {}: {error}; name a new file in a folder that there is", path.display()))
    };
    atomic::require_new(path).map_err(why)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    let written = atomic::write_new(path, bytes);
    written.map_err(|error| Failed::usage(&format!("cannot write {}: {error}", path.display())))
}
