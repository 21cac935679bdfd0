//! Trying it out: figures and the demonstration.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Measure this machine and this build, each figure beside its limit in the same run.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper bench --area tsa --out target/bench.json")]
pub(crate) struct Bench {
    /// Only this area.
    #[arg(long, value_enum)]
    pub(crate) area: Option<BenchArea>,
    /// Also write the figures here.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Keep the stores in this folder; its disk is what is measured. Without it, a temporary one.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Entries of the large ledger.
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    pub(crate) entries: u64,
    /// Revoked certificates of the large service.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) revoked: u64,
    /// Decided runs in the store of the large arbiter.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) exchanges: u64,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchArea {
    Tsa,
    Ledger,
    Trust,
    Ca,
    Notary,
    Exchange,
}

/// Show the main job from beginning to end, on a service of its own, and stop.
///
/// Makes a service, stamps a document, kills the server, starts it again and proves the document offline.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper demo contract.pdf --out demo-evidence")]
pub(crate) struct Demo {
    /// The document; without it, one is written.
    #[arg(value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,
    /// Keep what was made in this folder; without it, in one of its own in the temporary folder, which is kept, too.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
