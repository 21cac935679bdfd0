//! `semper exchange send`, `fetch`: messages by way of mailboxes at the arbiter's service.

use semper_ttp::client::message::Message;
use semper_ttp::statement::exchange::erds::ErdsEvidence;
use serde_json::json;

use super::driver::Driver;
use super::folder::is_swap;
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
        if let Ok(told) = message.statement.payload_as::<ErdsEvidence>() {
            // Of the service, as it says: its sender follows with d1, and whoever doubts it reads it.
            let sender = told.body.sender.id;
            match as_json {
                true => fetched.push(json!({ "file": file, "statement": tag, "from": sender, "next": null })),
                false => say::out(format!(
                    "{tag}: a notice that the party {sender} has submitted a delivery to you; it counts once semper verify has judged it\n  file        {}",
                    file.display()
                )),
            }
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
