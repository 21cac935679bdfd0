//! Fair exchange: two parties sign a contract, or deliver for a receipt, among themselves, and ask the arbiter where one of them goes silent;
//! or they swap items through it.

mod registered;
mod swap;

use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) use self::registered::{ExchangeEvidence, ExchangeRefuse, ExchangeRegister};
pub(crate) use self::swap::{
    ExchangeCancel, ExchangeCollect, ExchangeDeposit, ExchangeJoin, ExchangeSwap, ExchangeWaive, OfWanted,
};
use clap::{Args, Subcommand};
use semper_ttp::time::Timestamp;

use super::folder::rfc3339;
use super::keys::OfService;

/// Sign a contract with another party, deliver something for a receipt, or swap items: both get what was agreed, or neither does.
///
/// For a contract or a delivery four messages go between the two sides, as files or over HTTP; the arbiter is asked only where one of them goes silent. Items are swapped through
/// the arbiter (semper exchange swap, join), which lets both go or neither. All that a side
/// has of a run lies in a folder of its own; whoever was interrupted goes on with the same command. Never copy such a folder to go on in
/// two places.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper exchange status --run 5d41402abc4b2a76.exchange")]
pub(crate) struct Exchange {
    #[command(subcommand)]
    pub(crate) command: ExchangeCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExchangeCommand {
    Offer(ExchangeOffer),
    Deliver(ExchangeDeliver),
    Accept(ExchangeAccept),
    Take(ExchangeTake),
    Ask(ExchangeAsk),
    Status(ExchangeStatus),
    Send(ExchangeSend),
    Fetch(ExchangeFetch),
    Run(ExchangeRun),
    Listen(ExchangeListen),
    Swap(ExchangeSwap),
    Join(ExchangeJoin),
    Deposit(ExchangeDeposit),
    Waive(ExchangeWaive),
    Cancel(ExchangeCancel),
    Collect(ExchangeCollect),
    Register(ExchangeRegister),
    Evidence(ExchangeEvidence),
    Refuse(ExchangeRefuse),
    Accuse(ExchangeAccuse),
}

/// With which key somebody signs, whom it trusts, and which arbiter it asks. Kept in the run's folder, but for passphrases, which lie
/// in files of their own.
#[derive(Debug, Args)]
pub(crate) struct OfKey {
    /// The .p12 of the certificate to sign with; its passphrase lies beside it.
    #[arg(long, value_name = "FILE")]
    pub(crate) with: PathBuf,
    /// The passphrase of that .p12.
    #[arg(long, value_name = "FILE")]
    pub(crate) with_passphrase_file: Option<PathBuf>,
    /// The folder of trust anchors: by the root.pem in it the other side and the arbiter are known, by ledger.vkey its log.
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: PathBuf,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// The same, with patience.
#[derive(Debug, Args)]
pub(crate) struct OfSigner {
    /// How long to wait for each message of the other side before the arbiter is to be asked, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 259_200, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub(crate) patience_secs: u64,
    #[command(flatten)]
    pub(crate) key: OfKey,
}

/// What an originator says of a run that it begins.
#[derive(Debug, Args)]
pub(crate) struct OfOpening {
    /// The certificate with which the other side signs, PEM, with that of its CA behind it; such as its party-legal.cer.pem.
    #[arg(long, value_name = "CERTIFICATE")]
    pub(crate) to: PathBuf,
    /// The last moment at which the arbiter makes a contract of it, or hands out key or receipt, such as 2026-03-01T00:00:00Z. Without it
    /// there is no end, which is fair in every case; an end must leave both sides the time that the arbiter's policy names.
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub(crate) ends: Option<Timestamp>,
    /// The new folder of the run; without it one in this folder that is called after the run.
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) signer: OfSigner,
}

/// The folder of a run that was begun.
#[derive(Debug, Args)]
pub(crate) struct OfRun {
    /// The run's folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) instead: Instead,
}

/// What is taken instead of what the run's folder remembers.
#[derive(Debug, Default, Args)]
pub(crate) struct Instead {
    /// The HTTPS listener of the arbiter, where it moved.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The .p12 to log in with, where it moved or another came.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Its passphrase.
    #[arg(long, value_name = "FILE", requires = "identity")]
    pub(crate) identity_passphrase_file: Option<PathBuf>,
    /// The .p12 to sign with, where it moved; it must be of the same key.
    #[arg(long, value_name = "FILE")]
    pub(crate) with: Option<PathBuf>,
    /// Its passphrase.
    #[arg(long, value_name = "FILE", requires = "with")]
    pub(crate) with_passphrase_file: Option<PathBuf>,
}

/// Offer a contract: begins a run, and writes the first message.
///
/// Both sides and their arbiter are fixed by it. Until the other side has answered and you have taken that answer, nobody is bound.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper exchange offer deed.pdf --to buyer.pem --with me.p12 --trust trust --identity login.p12")]
pub(crate) struct ExchangeOffer {
    /// The contract.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The media type of the contract.
    #[arg(long, value_name = "TYPE", default_value = "application/octet-stream")]
    pub(crate) media_type: String,
    #[command(flatten)]
    pub(crate) of: OfOpening,
}

/// Deliver a file for a receipt: begins a run, and writes the first message.
///
/// The recipient gets the content sealed, and says that it will take the key; then it gets the key, and gives a receipt. The key lies in
/// escrow at the arbiter, which never sees the content. Until the recipient has answered and you have taken that answer, it can be taken
/// back. What somebody has ordered by semper payment order --digital is delivered with --paid-by; without --ends it then ends as late as
/// the payment allows.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper exchange deliver notice.pdf --to buyer.pem --with me.p12 --trust trust --identity login.p12")]
pub(crate) struct ExchangeDeliver {
    /// What is delivered.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the recipient is told of it before it takes it. The arbiter sees it, too, if it is asked.
    #[arg(long, value_name = "TEXT", default_value = "message")]
    pub(crate) about: String,
    /// Let the recipient's program take it by itself. Without this a person is asked there.
    #[arg(long, conflicts_with = "paid_by")]
    pub(crate) basic: bool,
    /// The folder of the payment whose money the recipient's receipt moves to you: an order of digital goods, whose money is held.
    #[arg(long, value_name = "DIR")]
    pub(crate) paid_by: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) of: OfOpening,
}

/// Accept an offer or a delivery: shows what would be signed, and with --yes answers it.
///
/// Judges the offer, the other side's certificate and the arbiter first. Without --yes nothing is signed: a contract is written
/// beside the message, to be read. Every offer is answered once: what was answered stands in the file exchange-runs beside the folders of
/// runs, so keep the runs of a key in one place.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper exchange accept m1.json --yes --with me.p12 --trust trust --identity login.p12")]
pub(crate) struct ExchangeAccept {
    /// The message that came.
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: PathBuf,
    /// Sign.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The folder of the payment whose money your receipt moves to the other side, if the delivery names one.
    #[arg(long, value_name = "DIR")]
    pub(crate) pays: Option<PathBuf>,
    /// Where the contract is written to be read, without --yes.
    #[arg(long, value_name = "FILE", conflicts_with = "yes")]
    pub(crate) contract_out: Option<PathBuf>,
    /// The new folder of the run; without it one in this folder that is called after the run.
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) signer: OfSigner,
}

/// Take a message of the other side, and write the next one.
///
/// Before an originator opens its commitment, it has the answer stamped and the responder's key looked up at the arbiter's service, so
/// that a key that is revoked later keeps nobody from the contract. Ends with 1 if the message breaks a rule: then nothing has changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper exchange take m2.json --run 5d41402abc4b2a76.exchange")]
pub(crate) struct ExchangeTake {
    /// The message that came.
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: PathBuf,
    /// The run's folder; without it the one in this folder that is called after the message's run.
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) instead: Instead,
}

/// Ask the arbiter, because the other side is silent: to take the offer back, or for the contract.
///
/// Which of the two follows from where the run stands: after the answer was opened nobody can take it back. Ends with 0 if there is now
/// what was asked for, with 1 if the arbiter has decided otherwise. Asked again, the same request leaves.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper exchange ask --run 5d41402abc4b2a76.exchange")]
pub(crate) struct ExchangeAsk {
    /// Take the offer back, also before the other side is overdue. An originator's, until it has opened its commitment.
    #[arg(long)]
    pub(crate) abort: bool,
    /// Leave the request, and take the arbiter's receipt: it says by when there is an answer, and convicts an arbiter that has none then.
    /// Ends with 2; the next semper exchange ask fetches the answer.
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Say where a run stands, what is missing, and which command comes next.
///
/// Ends with 1 if the run is over without a contract.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper exchange status --run 5d41402abc4b2a76.exchange")]
pub(crate) struct ExchangeStatus {
    /// Ask the arbiter, too, what it has decided, which it signs.
    #[arg(long)]
    pub(crate) ask: bool,
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Leave the message of a run that is to be sent in the other side's mailbox at the arbiter's service.
///
/// The other side fetches it there (semper exchange fetch). The operator of the service could read a contract's text, not what is
/// delivered.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper exchange send --run 5d41402abc4b2a76.exchange")]
pub(crate) struct ExchangeSend {
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Fetch the messages that wait in your mailbox at the arbiter's service, as files.
///
/// Each is forgotten there once its file is on the disk; what to do with it, semper exchange accept or take, is said beside it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper exchange fetch --into mail --identity login.p12")]
pub(crate) struct ExchangeFetch {
    /// The folder for the files; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) into: PathBuf,
    /// The folder of trust anchors, by whose root.pem the arbiter is known that leaves notices of deliveries; without it these are not verified.
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Bring a run to its end over HTTP: sends, waits, takes, and asks the arbiter when the other side is overdue.
///
/// The other side listens (semper exchange listen), or both leave their messages at the arbiter's service (--mailbox), so that they need
/// not be there at the same time. May be killed and started again at any moment.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper exchange run --run 5d41402abc4b2a76.exchange --peer http://127.0.0.1:8090")]
pub(crate) struct ExchangeRun {
    /// Where the other side listens.
    #[arg(long, value_name = "URL", required_unless_present = "mailbox", conflicts_with = "mailbox")]
    pub(crate) peer: Option<String>,
    /// By mailboxes at the arbiter's service.
    #[arg(long)]
    pub(crate) mailbox: bool,
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Listen for messages over HTTP, or look for them in your mailbox, and ask the arbiter when the other side of a run is overdue.
///
/// Takes messages of the runs whose folders lie in --runs, and nothing else; with --accept-from also offers, which are kept to be
/// accepted by a person, or with --yes are answered at once: whatever their text says is signed then. Runs of items through the arbiter
/// go on by themselves once both have agreed: the item is deposited, what is due is collected. Messages are signed, and not
/// secret on their way: put a proxy with TLS in front of it where others can listen.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper exchange listen --runs . --with me.p12 --trust trust --identity login.p12")]
pub(crate) struct ExchangeListen {
    /// Take messages out of your mailbox at the arbiter's service, and leave the answers there, instead of listening.
    #[arg(long, conflicts_with_all = ["bind", "without_tls"])]
    pub(crate) mailbox: bool,
    /// The address. Others than this machine's own need --without-tls.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    pub(crate) bind: SocketAddr,
    /// Listen on the network, though whoever is in between can read the contracts.
    #[arg(long)]
    pub(crate) without_tls: bool,
    /// The folder in which the folders of runs lie.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) runs: PathBuf,
    /// Take offers of this party, or of this key. May be given more than once.
    #[arg(long, value_name = "PARTY|KEY", allow_hyphen_values = true)]
    pub(crate) accept_from: Vec<String>,
    /// Sign what they offer.
    #[arg(long, requires = "accept_from")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) signer: OfSigner,
}

/// Look for what convicts the arbiter in what you hold of runs, and write each proof into a file.
///
/// Reads folders of runs and files: verdicts, answers, statuses and receipts, first statements, certificates, proofs of the ledger, policies.
/// Two verdicts of one run, an answer that names another verdict, a verdict that breaks the rules or came out of time: each becomes a file
/// that anybody judges with semper verify. Asks nobody. Ends with 1 if nothing of it convicts.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper exchange accuse 5d41402abc4b2a76.exchange --trust trust --out proofs")]
pub(crate) struct ExchangeAccuse {
    /// Folders of runs, and files.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The folder of trust anchors: by ledger.vkey in it the ledger is known, by arbiter.pem the arbiter's keys.
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: PathBuf,
    /// The folder for the proofs; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
}
