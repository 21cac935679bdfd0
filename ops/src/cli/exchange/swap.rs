//! Items that are swapped through the arbiter.

use std::path::PathBuf;

use clap::Args;
use semper_ttp::digest::Digest;
use semper_ttp::statement::exchange::item::RuleName;
use semper_ttp::time::Timestamp;

use super::super::folder::rfc3339;
use super::{OfKey, OfRun};

/// What is wanted of the other side's item. Each that is given must be promised in these words.
#[derive(Debug, Args)]
#[group(id = "wanted", multiple = true)]
pub(crate) struct OfWanted {
    /// Its SHA-256, hex.
    #[arg(long, value_name = "SHA256", value_parser = digest)]
    pub(crate) want_sha256: Option<Digest>,
    /// Its media type.
    #[arg(long, value_name = "TYPE")]
    pub(crate) want_media: Option<String>,
    /// A rule of the arbiter's policy that it keeps, such as json-object/1 or utf8-text/1.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub(crate) want_rule: Option<RuleName>,
    /// All of that, and more, as a description in JSON, as schemas/statements/inline.m1.json has it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["want_sha256", "want_media", "want_rule"])]
    pub(crate) want: Option<PathBuf>,
}

fn digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|_| "64 hexadecimal digits are awaited".to_owned())
}

fn rule(text: &str) -> Result<RuleName, String> {
    RuleName::try_from(text.to_owned()).map_err(str::to_owned)
}

/// Propose to swap a file for something of the other side, through the arbiter: begins a run, and writes the proposal.
///
/// Both leave their items with the arbiter, which compares them with their descriptions and lets both go at once, or returns each to its
/// owner. Until the other side has agreed (semper exchange join) nobody is bound, and nothing is deposited.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper exchange swap plans.pdf --want-rule utf8-text/1 --to buyer.pem --ends 2026-12-24T12:00:00Z --with me.p12 --trust trust --identity login.p12")]
pub(crate) struct ExchangeSwap {
    /// What you give.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Its media type.
    #[arg(long, value_name = "TYPE", default_value = "application/octet-stream")]
    pub(crate) media_type: String,
    /// Describe what you give by this document instead of by hash, length and media type of the file: JSON, as
    /// schemas/statements/inline.m1.json has it. For what is no file by itself, such as goods.
    #[arg(long, value_name = "FILE")]
    pub(crate) described: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) wanted: OfWanted,
    /// The certificate with which the other side signs, PEM, with that of its CA behind it; such as its party-legal.cer.pem.
    #[arg(long, value_name = "CERTIFICATE")]
    pub(crate) to: PathBuf,
    /// The last moment at which the arbiter lets the items go, such as 2026-03-01T00:00:00Z. After it each is its owner's again.
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub(crate) ends: Timestamp,
    /// The last moment for deposits, if it is an earlier one.
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub(crate) deposits_until: Option<Timestamp>,
    /// Leave ciphertexts with the arbiter, their keys in escrow: it sees the items only while it checks them.
    #[arg(long)]
    pub(crate) sealed: bool,
    /// Propose it though no machine can tell what the items are, and the arbiter can neither make nor annul one: both sides then have to
    /// take them as they are, and what they are worth is for a dispute.
    #[arg(long)]
    pub(crate) weak: bool,
    /// The new folder of the run; without it one in this folder that is called after the run.
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: OfKey,
}

/// Join a swap that was proposed: shows what would be given for what, and with --yes agrees to it.
///
/// Judges the proposal, the other side's certificate and the arbiter first, holds what is promised against what you want, and your own
/// item against what you would promise. Without --yes nothing is signed. Every proposal is answered once.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper exchange join m1.json --give licence.json --yes --with me.p12 --trust trust --identity login.p12")]
pub(crate) struct ExchangeJoin {
    /// The message that came.
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: PathBuf,
    /// Your item.
    #[arg(long, value_name = "FILE", required_if_eq("yes", "true"))]
    pub(crate) give: Option<PathBuf>,
    /// Its media type; without it the one that the proposal names.
    #[arg(long, value_name = "TYPE")]
    pub(crate) media_type: Option<String>,
    #[command(flatten)]
    pub(crate) wanted: OfWanted,
    /// Agree.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Agree though the proposal says that it is worth little, since nobody but people can tell what the items are.
    #[arg(long)]
    pub(crate) weak: bool,
    /// The new folder of the run; without it one in this folder that is called after the run.
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: OfKey,
}

/// Deposit your item of a swap with the arbiter, once both have agreed.
///
/// Shows the arbiter that both have agreed, and leaves the item. The second deposit decides. Done again, the same leaves.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper exchange deposit --run 5d41402abc4b2a76.exchange")]
pub(crate) struct ExchangeDeposit {
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Take both items of a swap as they are, where no machine can tell whether they are what was described.
///
/// Without --item it shows what the other side has deposited, as far as the arbiter tells before it lets it go: hash, length, media type.
/// When both sides have done it for the same two items, the arbiter lets them go. It cannot be taken back.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper exchange waive --run 5d41402abc4b2a76.exchange")]
pub(crate) struct ExchangeWaive {
    /// Take this item of the other side, by its SHA-256, hex.
    #[arg(long, value_name = "SHA256", value_parser = digest)]
    pub(crate) item: Option<Digest>,
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Cancel a swap: your item comes back, unless the other side has deposited its own.
///
/// Then only the end of the run returns both. Before anybody has agreed, the proposal is dropped here, and nobody is asked.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper exchange cancel --run 5d41402abc4b2a76.exchange")]
pub(crate) struct ExchangeCancel {
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Ask the arbiter how far a swap has come, and collect what is due: the other side's item, or your own.
///
/// What comes is held against the verdict and its description before it counts. It lies as received, or as returned, in the run's
/// folder. Ends with 75 while nothing is decided, with 1 if it came to nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper exchange collect --run 5d41402abc4b2a76.exchange")]
pub(crate) struct ExchangeCollect {
    #[command(flatten)]
    pub(crate) of: OfRun,
}
