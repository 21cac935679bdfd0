//! `semper exchange`: a side of a fair exchange, on this machine.
//!
//! ```text
//! folder.rs    a run's folder: the one document that is replaced whole, copies of what is in it, the lock; the register of runs
//! settings.rs  with which files and at which service a run goes on
//! service.rs   what is asked of the arbiter's service
//! driver.rs    joins a party (`semper_ttp::client`), its folder and the service: nothing leaves before it is on the disk
//! begin.rs     offer, deliver, accept proceed.rs  take, ask, status
//! run.rs       over HTTP, as the one who calls      listen.rs  as the one who is called
//! mail.rs      by mailboxes at the service: send, fetch
//! transport.rs how messages travel by themselves
//! words.rs     what is told, and which command comes next
//! pay.rs       payments for goods and receipts: semper payment
//! swap.rs      items through the arbiter: swap, join, deposit, waive, cancel, collect
//! registered.rs  deliveries of which the arbiter signs each step: register, evidence, refuse
//! accuse.rs    what convicts the arbiter, out of what a side holds
//! ```

mod accuse;
mod begin;
mod driver;
mod folder;
mod listen;
mod mail;
mod pay;
mod proceed;
mod registered;
mod run;
mod service;
mod settings;
mod swap;
mod transport;
mod words;

use std::path::Path;

pub(crate) use self::pay::run as run_payment;

use semper_api::tls::ClientIdentity;
use semper_ttp::client::party::House;
use semper_ttp::crypto::SoftKey;
use semper_ttp::statement::exchange::Arbiter;

use super::remote::Remote;
use super::running::Failed;
use super::say;
use crate::cli::{self, ExchangeCommand};
use crate::exit::Exit;

/// What a service says of its arbiter, beside what somebody trusts; else what is wrong with it.
pub(crate) fn arbiter_of(url: &str, login: &ClientIdentity, trust: &Path) -> Result<(House, Arbiter), String> {
    let remote = Remote::with_identity(url, login).map_err(|error| error.to_string())?;
    service::house(&remote, trust).map_err(|Failed(_, why)| why)
}

/// The key that signs in a folder of `semper party`, and the certificates that go with it; else what is wrong with it.
pub(crate) fn signer_of(dir: &Path) -> Result<(SoftKey, Vec<Vec<u8>>), String> {
    settings::signer_of(dir).map_err(|Failed(_, why)| why)
}

/// Runs one of them.
pub(crate) fn run(args: cli::Exchange, json: bool) -> Exit {
    let (name, done) = match args.command {
        ExchangeCommand::Offer(args) => ("offer", begin::offer(&args, json)),
        ExchangeCommand::Deliver(args) => ("deliver", begin::deliver(&args, json)),
        ExchangeCommand::Accept(args) => ("accept", begin::accept(&args, json)),
        ExchangeCommand::Take(args) => ("take", proceed::take(&args, json)),
        ExchangeCommand::Ask(args) => ("ask", proceed::ask(&args, json)),
        ExchangeCommand::Status(args) => ("status", proceed::status(&args, json)),
        ExchangeCommand::Send(args) => ("send", mail::send(&args, json)),
        ExchangeCommand::Fetch(args) => ("fetch", mail::fetch(&args, json)),
        ExchangeCommand::Run(args) => ("run", run::run(&args, json)),
        ExchangeCommand::Listen(args) => ("listen", listen::listen(&args, json)),
        ExchangeCommand::Swap(args) => ("swap", swap::swap(&args, json)),
        ExchangeCommand::Join(args) => ("join", swap::join(&args, json)),
        ExchangeCommand::Deposit(args) => ("deposit", swap::deposit(&args, json)),
        ExchangeCommand::Waive(args) => ("waive", swap::waive(&args, json)),
        ExchangeCommand::Cancel(args) => ("cancel", swap::cancel(&args, json)),
        ExchangeCommand::Collect(args) => ("collect", swap::collect(&args, json)),
        ExchangeCommand::Register(args) => ("register", registered::register(&args, json)),
        ExchangeCommand::Evidence(args) => ("evidence", registered::evidence(&args, json)),
        ExchangeCommand::Refuse(args) => ("refuse", registered::refuse(&args, json)),
        ExchangeCommand::Accuse(args) => ("accuse", accuse::accuse(&args, json)),
    };
    done.unwrap_or_else(|Failed(exit, sentence)| {
        say::trouble(json, format_args!("exchange {name}: {sentence}"));
        exit
    })
}
