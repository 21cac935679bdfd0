//! `semper witness`: a witness of other people's logs (c2sp.org/tlog-witness).
//!
//! ```text
//! DIR/ INCOMPLETE     only while `semper witness init` runs, or when it did not finish
//!      witness.toml   settings that are read when no --config is given
//!      key.p8         the encrypted private key, 0600
//!      vkey           name and public key: what logs and verifiers are given
//!      logs           whose checkpoints are cosigned (c2sp.org/tlog-list)
//!      cosigned/      what was cosigned last, for each origin: the witness's memory
//! ```
//!
//! `cosigned/` is what the witness is for. It is in no backup: put back from an older copy, it would let the witness cosign
//! a second history. Whoever loses it makes a new witness, with a new key.

mod init;
mod serve;

use std::path::{Path, PathBuf};

use crate::cli::{Witness, WitnessCommand};
use crate::exit::Exit;

/// Runs the command.
pub(crate) fn run(args: Witness, json: bool) -> Exit {
    match args.command {
        WitnessCommand::Init(args) => init::run(&args, json),
        WitnessCommand::Serve(args) => serve::run(&args, json),
    }
}

/// The folder of a witness.
#[derive(Clone, Debug)]
struct WitnessFolder(PathBuf);

impl WitnessFolder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn at(root: &Path) -> Self {
        Self(root.to_owned())
    }
}

/// The encrypted key.
const KEY: &str = "key.p8";
/// Name and public key.
const VKEY: &str = "vkey";
/// The list of logs.
const LOGS: &str = "logs";
/// The copy of the settings.
const SETTINGS: &str = "witness.toml";
/// The records.
const COSIGNED: &str = "cosigned";
/// The passphrase of a demonstration.
const PASSPHRASE: &str = "passphrase";
