//! The command line: every command, its options, its help with an example. Defines and parses; `main.rs` dispatches.
//!
//! No command ever asks a question. What is missing is a usage error that names the option.

mod anchor;
mod backup;
mod evidence;
mod exchange;
mod folder;
mod keys;
mod notary;
mod outside;
mod party;
mod payment;
mod serve;
mod trial;

use std::ffi::OsString;

pub(crate) use anchor::{Anchor, AnchorCommand, AnchorRemake};
pub(crate) use backup::{
    Backup, BackupCommand, BackupJournal, BackupKeygen, BackupList, BackupRun, BackupVerify, Restore,
};
use clap::{Parser, Subcommand};
#[cfg(test)]
pub(crate) use evidence::Witnesses;
pub(crate) use evidence::{ProofForm, Prove, Stamp, StampHash, Verify, with_ending};
pub(crate) use exchange::{
    Exchange, ExchangeAccept, ExchangeAccuse, ExchangeAsk, ExchangeCancel, ExchangeCollect, ExchangeCommand,
    ExchangeDeliver, ExchangeDeposit, ExchangeEvidence, ExchangeFetch, ExchangeJoin, ExchangeListen, ExchangeOffer,
    ExchangeRefuse, ExchangeRegister, ExchangeRun, ExchangeSend, ExchangeStatus, ExchangeSwap, ExchangeTake,
    ExchangeWaive, Instead, OfKey, OfRun, OfSigner, OfWanted,
};
pub(crate) use folder::{Audit, AuditAll, AuditPart, Export, Fsck, Statements};
pub(crate) use keys::{
    Keys, KeysCeremony, KeysCommand, KeysExport, KeysImport, KeysImportCa, KeysList, KeysRequest, KeysRevoke,
    KeysRotate, KeysSign, OfService, Step,
};
pub(crate) use notary::{
    JournalSearch, Notary, NotaryActs, NotaryApprove, NotaryAsk, NotaryCertify, NotaryCommand, NotaryDocument,
    NotaryExtract, NotaryJournal, NotaryRecord, NotaryRefuse, NotaryRelease, NotaryShow, NotarySign, NotaryTake,
    NotaryWithdraw, NotaryWorklist,
};
pub(crate) use outside::{Monitor, Witness, WitnessCommand, WitnessInit, WitnessServe};
pub(crate) use party::{
    Document, OfStranger, Party, PartyApply, PartyApprove, PartyCommand, PartyExpiring, PartyIdentify, PartyPending,
    PartyProof, PartyRead, PartyRefuse, PartyReinstate, PartyRevoke, PartyShow, PartyStatus, PartySuspend, PartyTerms,
    PartyWithdraw,
};
pub(crate) use payment::{
    OfMoney, Payment, PaymentCommand, PaymentOffer, PaymentOrder, PaymentSay, PaymentSend, PaymentShow, PaymentStatus,
    PaymentTake,
};
pub(crate) use serve::{Init, Serve};
pub(crate) use trial::{Bench, BenchArea, Demo};

use crate::commands::say;
use crate::exit::Exit;

/// Trusted third parties that share one Merkle-backed evidence ledger.
#[derive(Debug, Parser)]
#[command(name = "semper", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print one JSON document on standard output instead of text, and no progress bars.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes of every command:
   0  ok                      64  wrong usage or configuration
   1  verified false          69  server not reachable
   2  could not tell          70  our fault
                              75  busy, try again

Example:
  semper demo";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Serve(Serve),
    Stamp(Stamp),
    Verify(Verify),
    Prove(Prove),
    Fsck(Fsck),
    Audit(Audit),
    Statements(Statements),
    Export(Export),
    Backup(Backup),
    Restore(Restore),
    Anchor(Anchor),
    Keys(Keys),
    Party(Party),
    Notary(Notary),
    Exchange(Exchange),
    Payment(Payment),
    Witness(Witness),
    Monitor(Monitor),
    Bench(Bench),
    Demo(Demo),
}

impl Cli {
    /// Parses a command line. Help and version are printed, and so are errors; what is returned then is the exit.
    ///
    /// # Errors
    /// [`Exit::Ok`] after help and version, [`Exit::Usage`] after an error (clap's own code would be 2, which here
    /// means "could not tell").
    pub(crate) fn parse_or_exit<I>(args: I) -> Result<Cli, Exit>
    where
        I: IntoIterator,
        I::Item: Into<OsString> + Clone,
    {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        Cli::try_parse_from(&args).map_err(|error| {
            // The command line did not parse, so the option is looked for as it stands.
            if error.use_stderr() && args.iter().any(|arg| arg == "--json") {
                say::trouble(true, error.render().to_string().trim_end());
            } else {
                // Nothing is left to do when even this cannot be printed.
                let _ = error.print();
            }
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        })
    }
}

#[cfg(test)]
mod tests;
