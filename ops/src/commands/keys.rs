//! `semper keys`: the keys of a running service, asked for over its HTTPS listener as an operator.

use semper_api::client::ClientError;
use semper_ttp::crypto::{Entropy as _, OsEntropy};
use serde_json::Value;

use super::remote::{Remote, exit_of};
use super::running::Failed;
use super::{identity, say};
use crate::cli::{self, KeysCommand};
use crate::exit::Exit;

/// Runs one of them.
pub(crate) fn run(args: cli::Keys, json: bool) -> Exit {
    let (name, done) = match args.command {
        KeysCommand::List(args) => ("list", list(&args, json)),
        KeysCommand::Rotate(args) => ("rotate", rotate(&args, json)),
    };
    match done {
        Ok(()) => Exit::Ok,
        Err(Failed(exit, sentence)) => {
            say::trouble(json, format_args!("keys {name}: {sentence}"));
            exit
        }
    }
}

fn remote(of: &cli::OfService) -> Result<Remote, Failed> {
    let identity = identity::open(&of.identity, of.identity_passphrase_file.as_deref(), "operator")?;
    Remote::with_identity(&of.url, &identity).map_err(|error| Failed(error.exit(), error.to_string()))
}

fn failed(error: &ClientError) -> Failed {
    Failed(exit_of(error), error.to_string())
}

fn read(answer: Result<impl AsRef<[u8]>, ClientError>) -> Result<Value, Failed> {
    let answer = answer.map_err(|error| failed(&error))?;
    serde_json::from_slice(answer.as_ref()).map_err(|error| Failed::fault(&format!("the server's answer: {error}")))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("-")
}

fn list(args: &cli::KeysList, json: bool) -> Result<(), Failed> {
    let answer = read(remote(&args.of)?.call(async |client| client.get_json("/v1/keys").await))?;
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

fn rotate(args: &cli::KeysRotate, json: bool) -> Result<(), Failed> {
    let key = match &args.idempotency_key {
        Some(key) => key.clone(),
        None => {
            let mut random = [0; 16];
            OsEntropy.fill(&mut random).map_err(|fault| Failed::fault(&fault))?;
            hex::encode(random)
        }
    };
    let path = format!("/v1/keys/{}/rotate", args.key.name());
    let answer = remote(&args.of)?.call(async |client| client.post_json(&path, &key, b"{}".into()).await);
    if let Err(error @ (ClientError::Broken { .. } | ClientError::TimedOut { .. })) = &answer {
        let Failed(exit, why) = failed(error);
        return Err(Failed(
            exit,
            format!("{why}. Ask again with --idempotency-key {key}, so that no second key is made"),
        ));
    }
    let answer = read(answer)?;
    if json {
        say::json(&answer);
        return Ok(());
    }
    say::out(format!("{} follows {}", text(&answer, "key"), text(&answer, "follows")));
    if let Some(certificate) = answer["certificate"].as_object() {
        let certificate = Value::Object(certificate.clone());
        say::out(format!("certificate {} until {}", text(&certificate, "sha256"), text(&certificate, "not_after")));
    }
    Ok(())
}
