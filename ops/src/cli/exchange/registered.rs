//! Registered deliveries: evidence of each step, signed by the arbiter.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use semper_ttp::statement::exchange::erds::RefuseReason;

use super::{OfKey, OfRun};

/// Submit a delivery to the arbiter, so that it signs evidence of each step of it, also of what does not happen in time.
///
/// An originator's, once the delivery is begun; it must have an end. The delivery itself goes on as it would without.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper exchange register --run 5d41402abc4b2a76.exchange")]
pub(crate) struct ExchangeRegister {
    /// Leave no notice in the recipient's mailbox.
    #[arg(long)]
    pub(crate) without_notice: bool,
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Show what the arbiter has recorded of a registered delivery, and keep it in the run's folder, for semper verify.
///
/// Shows the arbiter first what this side has of the other's signatures, so that it is recorded: answer and receipt.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper exchange evidence --run 5d41402abc4b2a76.exchange")]
pub(crate) struct ExchangeEvidence {
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Refuse a registered delivery: the arbiter records that you do not take it.
///
/// A recipient's, before it has answered; afterwards it has taken it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper exchange refuse d1.json --with me.p12 --trust trust --identity login.p12")]
pub(crate) struct ExchangeRefuse {
    /// The message that came.
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: PathBuf,
    /// Why; without it no reason is given.
    #[arg(long, value_enum)]
    pub(crate) reason: Option<WhyRefused>,
    #[command(flatten)]
    pub(crate) key: OfKey,
}

/// Why a recipient does not take a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhyRefused {
    /// It does not want it.
    NotWanted,
    /// It is for somebody else.
    NotForMe,
    /// The content did not come, or is another one.
    ContentMissing,
}

impl From<WhyRefused> for RefuseReason {
    fn from(why: WhyRefused) -> Self {
        match why {
            WhyRefused::NotWanted => Self::NotWanted,
            WhyRefused::NotForMe => Self::NotForMe,
            WhyRefused::ContentMissing => Self::ContentMissing,
        }
    }
}
