//! `semper exchange register`, `evidence`, `refuse`: deliveries of which the arbiter signs each step.

use std::fs;
use std::path::PathBuf;

use semper_api::client::ClientError;
use semper_ttp::b64u;
use semper_ttp::client::dossier::{Goal, Piece};
use semper_ttp::client::evidence::{EVIDENCE_BYTES_MAX, Register};
use semper_ttp::client::message::Message;
use semper_ttp::client::party::House;
use semper_ttp::client::peer::Holder;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::run::Run;
use semper_ttp::statement::exchange::Side;
use semper_ttp::statement::exchange::cd_r::D1;
use semper_ttp::statement::exchange::erds::{ErdsEvent, ErdsEvidence, Refuse};
use semper_ttp::statement::{Body as _, Jws};
use serde_json::{Value, json};

use super::begin;
use super::driver::{Driver, failed, pen};
use super::folder::Folder;
use super::settings::Settings;
use super::{service, words};
use crate::cli;
use crate::clock::now;
use crate::commands::remote::Remote;
use crate::commands::running::{Failed, random};
use crate::commands::{atomic, say};
use crate::exit::Exit;

/// What submitted the delivery: signed once, so that whoever is interrupted submits the same again.
const SUBMIT: &str = "submit.jws";

/// The policy that d1 names, for `semper verify`.
const POLICY: &str = "policy.json";

pub(super) fn register(args: &cli::ExchangeRegister, as_json: bool) -> Result<Exit, Failed> {
    let driver = open(&args.of)?;
    if driver.party.side() != Side::Originator {
        return Err(Failed::usage(
            &"only the originator submits a delivery; semper exchange evidence shows what is recorded of it",
        ));
    }
    if driver.party.course().run().t_exp.is_none() {
        return Err(Failed::usage(
            &"this delivery has no end (--ends of semper exchange deliver), and so nothing could be too late",
        ));
    }
    let submit = match driver.folder.read_word(SUBMIT)? {
        Some(submit) => submit,
        None => {
            let (key, _) = driver.settings.signer()?;
            let submit = driver.party.submit(!args.without_notice, &pen(&key)?).map_err(failed)?;
            driver.folder.write(SUBMIT, submit.bytes())?;
            submit
        }
    };
    let remote = driver.settings.remote()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let body = json!({ "d1": text(driver.party.course().first().bytes()), "submit": text(submit.bytes()) });
    let answer = post(&remote, "/v1/deliveries", &body)?;
    let register = driver.party.register(&answer).map_err(failed)?;
    let kept = keep(&driver.folder, &register, as_json)?;
    keep_policy(&driver, &remote)?;
    tell(&driver.x(), &register, &kept, &[], as_json);
    Ok(match register.has(ErdsEvent::SubmissionRejection) {
        true => Exit::Falsified,
        false => Exit::Ok,
    })
}

pub(super) fn evidence(args: &cli::ExchangeEvidence, as_json: bool) -> Result<Exit, Failed> {
    let driver = open(&args.of)?;
    let (remote, x) = (driver.settings.remote()?, driver.x());
    let mut register = driver.party.register(&fetch(&remote, &x)?).map_err(failed)?;
    let mut not_recorded = Vec::new();
    for (piece, event) in
        [(Piece::Second, ErdsEvent::ConsignmentAcceptance), (Piece::Fourth, ErdsEvent::ContentHandover)]
    {
        let Some(statement) = driver.party.dossier().statement(piece).filter(|_| !register.has(event)) else {
            continue;
        };
        let path = format!("/v1/deliveries/{}/statements", b64u::encode(&x.0));
        match send(&remote, &path, &json!({ "statement": statement }))? {
            Ok(answer) => register = driver.party.register(&answer).map_err(failed)?,
            // It is too late for it, or the arbiter knows better.
            Err(refused) => not_recorded.push(format!("{} is not recorded: {refused}", piece.name(Goal::Delivery))),
        }
    }
    let kept = keep(&driver.folder, &register, as_json)?;
    keep_policy(&driver, &remote)?;
    tell(&x, &register, &kept, &not_recorded, as_json);
    Ok(Exit::Ok)
}

pub(super) fn refuse(args: &cli::ExchangeRefuse, as_json: bool) -> Result<Exit, Failed> {
    let message = begin::message(&args.message)?;
    let false_ = |why: String| Failed(Exit::Falsified, why);
    if message.statement.tag() != D1::TAG {
        return Err(Failed::usage(&"this message begins no delivery"));
    }
    let run = Run::claimed(&message.statement).map_err(|fault| false_(fault.to_string()))?;
    let settings = Settings::of(&args.key)?;
    let remote = settings.remote()?;
    let (house, arbiter) = service::house(&remote, &args.key.trust)?;
    if run.ttp.key != arbiter.key || run.ttp.log != arbiter.log {
        return Err(Failed::usage(&"the delivery names another arbiter than this service is"));
    }
    let (key, _) = settings.signer()?;
    let signer = pen(&key)?;
    if signer.name().map_err(failed)? != run.r.key {
        return Err(Failed::usage(&"the delivery is for another key than the one that you sign with (--with)"));
    }
    let refused = signer.sign(Some(run.x), Refuse { reason: args.reason.map(Into::into) }).map_err(failed)?;
    let path = format!("/v1/deliveries/{}/statements", b64u::encode(&run.x.0));
    let answer = post(&remote, &path, &json!({ "statement": String::from_utf8_lossy(refused.bytes()) }))?;
    let holder = Holder::read(&house.arbiter).map_err(|fault| false_(fault.to_string()))?;
    let log = house.logs.iter().find(|log| log.to_string() == run.ttp.log.as_str());
    let log = log.ok_or_else(|| false_("the arbiter's log is none that you trust".to_owned()))?;
    let register = Register::read(&answer, &run.x, &holder.key, log).map_err(|fault| false_(fault.to_string()))?;
    let refusal = register.evidence.iter().find(|shown| shown.says.event == ErdsEvent::ConsignmentRejection);
    let kept = refusal.map(|shown| {
        let file = args.message.with_extension("refused.jws");
        let written = atomic::write_new(&file, shown.jws.bytes());
        let proof = PathBuf::from(format!("{}.tlog-proof", file.display()));
        let written = written.and_then(|()| atomic::write_new(&proof, shown.proof.as_bytes()));
        written.map_err(|error| Failed::usage(&format!("{}: {error}", file.display())))?;
        Ok::<_, Failed>((shown.jws.digest(), file))
    });
    tell(&run.x, &register, &kept.transpose()?.into_iter().collect::<Vec<_>>(), &[], as_json);
    Ok(if refusal.is_some() { Exit::Ok } else { Exit::Falsified })
}

/// What a notice says that a delivery was submitted, which came by way of a mailbox: anybody may have left it there, so it counts if the
/// arbiter of this service has signed it. d1 comes from its sender.
///
/// # Errors
/// Why it does not count.
pub(super) fn notice(message: &Message, house: &House) -> Result<ErdsEvidence, String> {
    let jws = &message.statement;
    let told = jws.payload_as::<ErdsEvidence>().map_err(|fault| fault.to_string())?.body;
    let (named, own) = (jws.key_id(), Holder::read(&house.arbiter).map_err(|fault| fault.to_string())?);
    if named != own.key.thumbprint() {
        return Err(format!("the key {named}, which is to have signed it, is not the arbiter's present one"));
    }
    let arbiter = Holder::judge_chain(&house.arbiter, named, &house.root, now()).map_err(|fault| fault.to_string())?;
    jws.verify(&arbiter.key).map_err(|fault| fault.to_string())?;
    Ok(told)
}

fn open(of: &cli::OfRun) -> Result<Driver, Failed> {
    let driver = Driver::open(&of.run, &of.instead)?;
    match driver.party.dossier().goal() {
        Goal::Delivery => Ok(driver),
        Goal::Contract => Err(Failed::usage(&"this run is a contract; only deliveries are registered")),
    }
}

/// Posts; a refusal of the server's for itself.
fn send(remote: &Remote, path: &str, body: &Value) -> Result<Result<Vec<u8>, ClientError>, Failed> {
    let (once, body) = (hex::encode(random()?), body.to_string().into_bytes());
    let answer = remote.call(async |client| {
        client.clone().with_answer_bytes(EVIDENCE_BYTES_MAX).post_json(path, &once, body.clone()).await
    });
    match answer {
        Ok(answer) => Ok(Ok(Vec::from(answer))),
        Err(refused @ ClientError::Refused { .. }) => Ok(Err(refused)),
        Err(error) => Err(error.into()),
    }
}

fn post(remote: &Remote, path: &str, body: &Value) -> Result<Vec<u8>, Failed> {
    Ok(send(remote, path, body)??)
}

fn fetch(remote: &Remote, x: &Digest) -> Result<Vec<u8>, Failed> {
    let path = format!("/v1/deliveries/{}/evidence", b64u::encode(&x.0));
    let answer = remote.call(async |client| client.clone().with_answer_bytes(EVIDENCE_BYTES_MAX).get_json(&path).await);
    match answer {
        Err(ClientError::NotFound { .. } | ClientError::Refused { status: 404, .. }) => Err(Failed(
            Exit::Undecided,
            "the arbiter knows of no such registered delivery: its originator submits it (semper exchange register)"
                .to_owned(),
        )),
        answer => Ok(answer.map(Vec::from)?),
    }
}

/// Keeps each piece with its proof; gives the files. Where another one of the same event was kept before, both stay: together they may
/// convict the arbiter.
fn keep(folder: &Folder, register: &Register, as_json: bool) -> Result<Vec<(Digest, PathBuf)>, Failed> {
    let mut kept = Vec::new();
    for shown in &register.evidence {
        let (letter, bytes) = (shown.says.event.letter(), shown.jws.bytes());
        let mut name = format!("evidence-{letter}.jws");
        if fs::read(folder.path().join(&name)).is_ok_and(|there| there != bytes) {
            name = format!("evidence-{letter}-{}.jws", &shown.jws.digest().to_string()[..16]);
            let why = "the arbiter shows other evidence of this event too";
            say::trouble(as_json, format_args!("{name}: {why}: semper exchange accuse looks whether that convicts it"));
        }
        folder.write(&name, bytes)?;
        // The log has grown: the proof is another one, of the same.
        folder.replace(&format!("{name}.tlog-proof"), shown.proof.as_bytes())?;
        kept.push((shown.jws.digest(), folder.path().join(name)));
    }
    Ok(kept)
}

fn keep_policy(driver: &Driver, remote: &Remote) -> Result<(), Failed> {
    let policy = driver.party.course().run().policy;
    if driver.folder.path().join(POLICY).is_file() {
        return Ok(());
    }
    driver.folder.write(POLICY, &service::policy(remote, &policy)?)
}

fn tell(x: &Digest, register: &Register, kept: &[(Digest, PathBuf)], not_recorded: &[String], as_json: bool) {
    let file = |jws: &Jws| kept.iter().find(|(of, _)| *of == jws.digest()).map(|(_, file)| file);
    if as_json {
        let evidence = register.evidence.iter().map(|shown| {
            let says = &shown.says;
            json!({
                "event": says.event.name(),
                "letter": says.event.letter(),
                "event_at": words::time(says.event_ms.get()),
                "recorded_at": words::time(says.at_ms.get()),
                "reasons": says.codes().iter().map(|reason| reason.name()).collect::<Vec<_>>(),
                "entry": shown.index,
                "file": file(&shown.jws),
            })
        });
        let awaited = register.awaited.iter().map(|word| json!({ "until": word.until, "then": word.then }));
        return say::json(&json!({
            "x": b64u::encode(&x.0),
            "evidence": evidence.collect::<Vec<_>>(),
            "awaited": awaited.collect::<Vec<_>>(),
            "not_recorded": not_recorded,
        }));
    }
    for shown in &register.evidence {
        let says = &shown.says;
        let reasons: Vec<_> = says.reasons.iter().map(|reason| reason.text.as_str()).collect();
        let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
        let at = words::time(says.event_ms.get());
        say::out(format!("{}  {at}  {}{why} (entry {})", says.event.letter(), says.event.name(), shown.index));
    }
    not_recorded.iter().for_each(say::out);
    for word in &register.awaited {
        say::out(format!("  awaited     until {}; then {} is recorded", word.until, word.then));
    }
    if let Some((_, last)) = kept.last() {
        say::out(format!("  next        semper verify {} --trust TRUST", last.display()));
    }
}
