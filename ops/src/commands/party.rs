//! `semper party`: applying for certificates, and deciding about applications, at a running service.

mod applicant;
mod folder;
mod officer;
mod proof;

use serde_json::Value;

use super::remote::text;
use super::running::Failed;
use super::say;
use crate::cli::{self, PartyCommand};
use crate::exit::Exit;

/// Runs one of them.
pub(crate) fn run(args: cli::Party, json: bool) -> Exit {
    let (name, done) = match args.command {
        PartyCommand::Terms(args) => ("terms", applicant::terms(&args, json)),
        PartyCommand::Apply(args) => ("apply", applicant::apply(&args, json)),
        PartyCommand::Status(args) => ("status", applicant::status(&args, json)),
        PartyCommand::Withdraw(args) => ("withdraw", applicant::withdraw(&args, json)),
        PartyCommand::Proof(args) => ("proof", proof::proof(&args, json)),
        PartyCommand::Pending(args) => ("pending", officer::pending(&args, json)),
        PartyCommand::Read(args) => ("read", officer::read(&args, json)),
        PartyCommand::Identify(args) => ("identify", officer::identify(&args, json)),
        PartyCommand::Approve(args) => ("approve", officer::approve(&args, json)),
        PartyCommand::Refuse(args) => ("refuse", officer::refuse(&args, json)),
        PartyCommand::Revoke(args) => ("revoke", officer::revoke(&args, json)),
        PartyCommand::Expiring(args) => ("expiring", officer::expiring(&args, json)),
        PartyCommand::Show(args) => ("show", officer::show(&args, json)),
        PartyCommand::Suspend(args) => ("suspend", officer::suspend(&args, json)),
        PartyCommand::Reinstate(args) => ("reinstate", officer::reinstate(&args, json)),
    };
    done.unwrap_or_else(|Failed(exit, sentence)| {
        say::trouble(json, format_args!("party {name}: {sentence}"));
        exit
    })
}

/// One line for an application.
fn line_of(registration: &Value) -> String {
    let profiles: Vec<_> =
        registration["keys"].as_array().into_iter().flatten().map(|key| text(key, "profile")).collect();
    let refused = registration["refused"]["reason"].as_str().map(|reason| format!(" ({reason})"));
    let waiting = registration["waiting_on"].as_str().map(|who| format!(", waits for {}", who.replace('_', " ")));
    let due = registration["due_by"].as_str().map(|due| format!(", until {due}"));
    let party = registration["applicant"].as_str().map(|party| format!(", applied for by the party {party}"));
    format!(
        "{}  {}{}  {}{}{}{}",
        text(registration, "id"),
        text(registration, "state").replace('_', " "),
        refused.unwrap_or_default(),
        profiles.join(", "),
        waiting.unwrap_or_default(),
        due.unwrap_or_default(),
        party.unwrap_or_default(),
    )
}
