//! `semper exchange send`, `fetch`: messages by way of mailboxes at the arbiter's service.

use std::path::Path;

use semper_ttp::client::message::Message;
use semper_ttp::client::party::House;
use semper_ttp::statement::Body as _;
use semper_ttp::statement::exchange::erds::ErdsEvidence;
use serde_json::{Value, json};

use super::driver::Driver;
use super::folder::is_swap;
use super::registered::notice;
use super::settings::login;
use super::swap::Swapper;
use super::{service, words};
use crate::cli;
use crate::commands::running::Failed;
use crate::commands::{atomic, say};
use crate::exit::Exit;

pub(super) fn send(args: &cli::ExchangeSend, as_json: bool) -> Result<Exit, Failed> {
    let (message, to, settings) = if is_swap(&args.of.run) {
        let swapper = Swapper::open(&args.of.run, &args.of.instead)?;
        (swapper.to_send(), swapper.peer(), swapper.settings)
    } else {
        let driver = Driver::open(&args.of.run, &args.of.instead)?;
        let message = driver.party.again().map(|act| driver.message(act)).transpose()?.flatten();
        let run = driver.party.course().run();
        (message, run.participant(driver.party.side().other()).id, driver.settings)
    };
    let message =
        message.ok_or_else(|| Failed::usage(&"this run has no message to send: see semper exchange status"))?;
    service::leave(&settings.remote()?, to, message.to_bytes())?;
    let tag = message.statement.tag();
    match as_json {
        true => say::json(&json!({ "run": args.of.run, "sent": tag, "to": to })),
        false => say::out(format!("{tag} waits in the mailbox of the party {to}")),
    }
    Ok(Exit::Ok)
}

pub(super) fn fetch(args: &cli::ExchangeFetch, as_json: bool) -> Result<Exit, Failed> {
    let remote = login(&args.of)?;
    std::fs::create_dir_all(&args.into).map_err(|error| Failed::usage(&format!("{}: {error}", args.into.display())))?;
    // Before anything is taken out of the mailbox.
    let house = args.trust.as_deref().map(|trust| service::house(&remote, trust)).transpose()?.map(|(house, _)| house);
    let mut fetched = Vec::new();
    for mail in service::waiting(&remote)? {
        let bytes = service::fetch(&remote, &mail.id)?;
        let Ok(message) = Message::parse(&bytes) else {
            // The service keeps messages alone; a later version may keep others.
            say::trouble(as_json, format_args!("exchange fetch: {} is no message that this program reads", mail.id));
            continue;
        };
        let tag = message.statement.tag();
        let short = tag.rsplit('/').next().unwrap_or(tag);
        let file = args.into.join(format!("{}-{short}-{}.json", hex::encode(&message.x().0[..8]), &mail.id[..8]));
        atomic::write_new_closed(&file, &bytes)
            .map_err(|error| Failed::fault(&format!("{}: {error}", file.display())))?;
        service::forget(&remote, &mail.id)?;
        if message.statement.tag() == ErdsEvidence::TAG {
            fetched.extend(tell_notice(&message, &file, house.as_ref(), as_json));
            continue;
        }
        let next = format!("{} {}", words::command(&message), file.display());
        match as_json {
            true => fetched.push(json!({ "file": file, "statement": tag, "from": mail.from, "next": next })),
            false => say::out(format!("{tag} of the party {}\n  next        {next}", mail.from)),
        }
    }
    if as_json {
        say::json(&json!({ "messages": fetched }));
    }
    Ok(Exit::Ok)
}

/// Tells of a notice that a delivery was submitted, and what it is worth: its sender follows with d1.
fn tell_notice(message: &Message, file: &Path, house: Option<&House>, as_json: bool) -> Option<Value> {
    let tag = message.statement.tag();
    let verified = match house {
        Some(house) => notice(message, house).map(|told| Some(told.sender.id)),
        // Whom it names is no more than its own word.
        None => Ok(None),
    };
    if as_json {
        let (from, is_verified, why) = match verified {
            Ok(from) => (from, from.is_some(), None),
            Err(why) => (None, false, Some(why)),
        };
        return Some(json!({
            "file": file, "statement": tag, "from": from, "verified": is_verified, "why_not": why, "next": null
        }));
    }
    say::out(match verified {
        Ok(Some(from)) => format!(
            "{tag}: a notice, by the arbiter's signature, that the party {from} has submitted a delivery to you"
        ),
        Ok(None) => format!(
            "{tag}: a notice that a delivery was submitted to you, not verified: give --trust, and the arbiter's signature is"
        ),
        Err(why) => format!("{tag}: a notice that does NOT count: {why}"),
    });
    say::out(format!("  file        {}", file.display()));
    None
}
