//! Payments for goods and receipts, which the arbiter holds and moves.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use semper_ttp::client::pay::Word;
use semper_ttp::money::{Currency, RailId};
use semper_ttp::time::Timestamp;

use super::exchange::{OfKey, OfRun};
use super::folder::rfc3339;

/// Pay for goods or for a receipt: the arbiter has the money held, and moves it by what was shown.
///
/// The payer signs what it pays for; then each says what is its own to say, and the arbiter decides by that and by the deadlines. All that
/// a side has of a payment lies in a folder of its own.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper payment status --run 5d41402abc4b2a76.exchange")]
pub(crate) struct Payment {
    #[command(subcommand)]
    pub(crate) command: PaymentCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PaymentCommand {
    Order(PaymentOrder),
    Offer(PaymentOffer),
    Take(PaymentTake),
    Say(PaymentSay),
    Show(PaymentShow),
    Status(PaymentStatus),
    Send(PaymentSend),
}

/// How much is paid, to whom, and by which rail.
#[derive(Debug, Args)]
pub(crate) struct OfMoney {
    /// The certificate with which the payee signs, PEM, with that of its CA behind it; such as its party-legal.cer.pem.
    #[arg(long, value_name = "CERTIFICATE")]
    pub(crate) to: PathBuf,
    /// How much, in the currency's smallest unit: 1250 for 12.50 EUR.
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) amount: u64,
    /// The currency, ISO 4217.
    #[arg(long, value_name = "CODE", value_parser = currency)]
    pub(crate) currency: Currency,
    /// The rail that holds it: /.well-known/semper of the service says which there are.
    #[arg(long, value_name = "NAME", value_parser = rail)]
    pub(crate) rail: RailId,
    /// What the service keeps of it, hundredths of a per cent.
    #[arg(long, value_name = "BPS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub(crate) fee_bps: u16,
    /// The last moment by which the goods, or the receipt, are there, such as 2026-03-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub(crate) ends: Timestamp,
    /// The media type of the text.
    #[arg(long, value_name = "TYPE", default_value = "application/octet-stream")]
    pub(crate) media_type: String,
    /// The new folder of the payment; without it one in this folder that is called after it.
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: OfKey,
}

fn currency(text: &str) -> Result<Currency, String> {
    Currency::new(text).ok_or_else(|| "a currency is three capital letters, such as EUR".to_owned())
}

fn rail(text: &str) -> Result<RailId, String> {
    RailId::new(text).ok_or_else(|| "no name of a rail".to_owned())
}

fn word(text: &str) -> Result<Word, String> {
    let words = Word::ALL.map(Word::name).join(", ");
    Word::ALL.into_iter().find(|word| word.name() == text).ok_or_else(|| format!("one of {words} is awaited"))
}

/// Order goods: signs the order, brings it to the arbiter, and writes it for the seller.
///
/// The money is held when the seller has accepted (semper payment say accept). It becomes the seller's when you have received the goods, or
/// have not rejected in time what was handed over; what is not shipped in time is paid back.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper payment order bicycle.txt --to shop.pem --amount 10000 --currency EUR --rail sim --hold-until 2026-12-01T00:00:00Z --ship-until 2026-12-08T00:00:00Z --ends 2026-12-24T00:00:00Z --with me.p12 --trust trust --identity login.p12")]
pub(crate) struct PaymentOrder {
    /// The text of the order.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The last moment by which the seller has accepted and the money is held.
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub(crate) hold_until: Timestamp,
    /// The last moment by which the goods are shipped.
    #[arg(long, value_name = "TIME", value_parser = rfc3339, required_unless_present = "digital", conflicts_with = "digital")]
    pub(crate) ship_until: Option<Timestamp>,
    /// The goods come by a certified delivery of the seller's (semper exchange deliver).
    #[arg(long)]
    pub(crate) digital: bool,
    /// How long you can reject what was handed over, or delivered, seconds. Of digital goods 0 is no time at all.
    #[arg(long, value_name = "SECONDS", default_value_t = 259_200)]
    pub(crate) reject_within_secs: u64,
    /// The certificate of the carrier, whose word counts for shipping and handing over.
    #[arg(long, value_name = "CERTIFICATE", conflicts_with = "digital")]
    pub(crate) carrier: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) of: OfMoney,
}

/// Offer to pay for a receipt: signs the offer, brings it to the arbiter, which has the money held, and writes it for the payee.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper payment offer receipt.txt --to landlord.pem --amount 90000 --currency EUR --rail sim --ends 2026-12-24T00:00:00Z --with me.p12 --trust trust --identity login.p12")]
pub(crate) struct PaymentOffer {
    /// The text of the receipt.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) of: OfMoney,
}

/// Take an order or an offer that came: judges and shows it, and makes a folder for it. Signs nothing.
///
/// What you say to it then is said by semper payment say.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper payment take send-order.json --with me.p12 --trust trust --identity login.p12")]
pub(crate) struct PaymentTake {
    /// The message that came.
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: PathBuf,
    /// The certificate of somebody else who takes part, PEM: the carrier, or the seller for the carrier. May be given more than once.
    #[arg(long, value_name = "CERTIFICATE")]
    pub(crate) certificate: Vec<PathBuf>,
    /// The new folder of the payment; without it one in this folder that is called after it.
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: OfKey,
}

/// Say something in a payment: signs it, once, and brings it to the arbiter.
///
/// accept and receipt are the payee's, received and rejected the payer's, shipped and handed-over the carrier's (shipped the seller's where
/// there is no carrier), cancel either side's. Said again, the same leaves.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper payment say accept --run 5d41402abc4b2a76.exchange")]
pub(crate) struct PaymentSay {
    /// accept, receipt, shipped, handed-over, received, rejected or cancel.
    #[arg(value_name = "WORD", value_parser = word)]
    pub(crate) word: Word,
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Show the arbiter the receipt for a delivery that is paid for: it moves the money.
///
/// Either side can, once the delivery (semper exchange deliver --paid-by) has ended with a receipt. What the arbiter has decided about a
/// delivery it finds by itself.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper payment show --delivery 0a1b2c3d4e5f6071.exchange --run 5d41402abc4b2a76.exchange")]
pub(crate) struct PaymentShow {
    /// The folder of the delivery.
    #[arg(long, value_name = "DIR")]
    pub(crate) delivery: PathBuf,
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Ask the arbiter how far a payment has come, and keep its verdict once there is one.
///
/// Ends with 1 if it was decided that the payee gets nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper payment status --run 5d41402abc4b2a76.exchange")]
pub(crate) struct PaymentStatus {
    #[command(flatten)]
    pub(crate) of: OfRun,
}

/// Leave an order or an offer in the payee's mailbox at the arbiter's service.
///
/// The payee fetches it there (semper exchange fetch). The operator of the service could read its text.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper payment send --run 5d41402abc4b2a76.exchange")]
pub(crate) struct PaymentSend {
    #[command(flatten)]
    pub(crate) of: OfRun,
}
