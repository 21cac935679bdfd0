//! `semper keys`: the keys of a running service, asked for over its HTTPS listener as an operator; and a root's key that is kept
//! offline, with files that are carried by hand.

mod ceremony;
mod export;
mod import_ca;
mod sign;
mod stopped;

use std::path::Path;

use semper_api::client::ClientError;
use semper_ttp::crypto::{Entropy as _, OsEntropy};
use serde_json::{Value, json};

use super::remote::{as_person, exit_of, json_of, text};
use super::running::Failed;
use super::{atomic, say};
use crate::cli::{self, KeysCommand};
use crate::exit::Exit;

/// Runs one of them.
pub(crate) fn run(args: cli::Keys, json: bool) -> Exit {
    let (name, done) = match args.command {
        KeysCommand::List(args) => ("list", list(&args, json)),
        KeysCommand::Rotate(args) => ("rotate", rotate(&args, json)),
        KeysCommand::Export(args) => ("export", export::run(&args, json)),
        KeysCommand::Request(args) => ("request", request(&args, json)),
        KeysCommand::Sign(args) => ("sign", sign::run(&args, json)),
        KeysCommand::Import(args) => ("import", import(&args, json)),
        KeysCommand::ImportCa(args) => ("import-ca", import_ca::run(&args, json)),
        KeysCommand::Ceremony(args) => ("ceremony", ceremony::run(&args, json)),
    };
    match done {
        Ok(()) => Exit::Ok,
        Err(Failed(exit, sentence)) => {
            say::trouble(json, format_args!("keys {name}: {sentence}"));
            exit
        }
    }
}

const OPERATOR: &str = "operator";

fn list(args: &cli::KeysList, json: bool) -> Result<(), Failed> {
    let answer = json_of(as_person(&args.of, OPERATOR)?.call(async |client| client.get_json("/v1/keys").await))?;
    if json {
        say::json(&answer);
        return Ok(());
    }
    for key in answer["keys"].as_array().into_iter().flatten() {
        let state = match (key["in_use"].as_bool(), key["ended"].as_str()) {
            (_, Some(ended)) => format!("ended {ended}"),
            (Some(true), None) => {
                key["not_after"].as_str().map_or("in use".to_owned(), |end| format!("in use until {end}"))
            }
            _ => "followed".to_owned(),
        };
        say::out(format!("{:<16} made {}  {state}", text(key, "key"), text(key, "made")));
    }
    Ok(())
}

/// Posts something under an idempotency key, which is told where the answer did not come.
fn post(of: &cli::OfService, path: &str, key: Option<&str>, body: &Value) -> Result<Vec<u8>, Failed> {
    let key = match key {
        Some(key) => key.to_owned(),
        None => {
            let mut random = [0; 16];
            OsEntropy.fill(&mut random).map_err(|fault| Failed::fault(&fault))?;
            hex::encode(random)
        }
    };
    let body = body.to_string().into_bytes();
    let answer = as_person(of, OPERATOR)?.call(async |client| client.post_json(path, &key, body).await);
    if let Err(error @ (ClientError::Broken { .. } | ClientError::TimedOut { .. })) = &answer {
        let again = format!("{error}. Ask again with --idempotency-key {key}, so that nothing is done twice");
        return Err(Failed(exit_of(error), again));
    }
    Ok(answer?.into())
}

fn rotate(args: &cli::KeysRotate, json: bool) -> Result<(), Failed> {
    let path = format!("/v1/keys/{}/rotate", args.key.name());
    let answer = json_of(Ok(post(&args.of, &path, args.idempotency_key.as_deref(), &json!({}))?))?;
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
    let path = format!("/v1/keys/{}/request", args.key.name());
    let document = post(&args.of, &path, args.idempotency_key.as_deref(), &json!({}))?;
    write(&args.to, &document)?;
    match json {
        true => say::json(&json!({ "request": args.to })),
        false => say::out(format!("{}: carry it to the root's key, and sign it: semper keys sign", args.to.display())),
    }
    Ok(())
}

fn import(args: &cli::KeysImport, json: bool) -> Result<(), Failed> {
    let pem = std::fs::read_to_string(&args.file);
    let pem = pem.map_err(|error| Failed::usage(&format!("cannot read {}: {error}", args.file.display())))?;
    let answer = post(&args.of, "/v1/keys/import", args.idempotency_key.as_deref(), &json!({ "pem": pem }))?;
    let answer = json_of(Ok(answer))?;
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

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    let written = atomic::write_new(path, bytes);
    written.map_err(|error| Failed::usage(&format!("cannot write {}: {error}", path.display())))
}
