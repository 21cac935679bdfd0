//! `semper audit`: was all of this decided by the rules? Reads everything, writes nothing into the folder.
//!
//! All judging is `semper_ttp::audit`; this file opens the folder as `fsck` does, reads entries, facts and artefacts in
//! order, checks signatures on all cores, and tells what came out. It ends with 0 (nothing differs), 1 (something does), 2
//! (could not tell: something is missing or does not read), 75 (a server runs on the folder).
//!
//! The entries are hashed up to the root of the newest checkpoint, whose signature is checked first: what is audited is what
//! was published. A folder that is marked read-only is audited as far as it goes; its anchor, which knows more, is not
//! asked. Whether tiles, indexes and earlier checkpoints are sound, `fsck --full` says.

mod ca;
mod evidence;
mod output;
mod rows;
mod tokens;
mod work;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use semper_ledger::ledger::{self, OpenError};
use semper_ledger::merkle::Hash;
use semper_ledger::reader::Reader;
use semper_ledger::store::rocks::{self, RocksStore};
use semper_ledger::store::{Fault, Store};
use semper_ttp::audit::{Report, Rules};
use semper_ttp::crypto::LogVerifier;
use semper_ttp::digest::Digest;

use super::{fsck, say};
use crate::cli;
use crate::config::{Config, ENDPOINTS, endpoint_settings};
use crate::data::{DataError, DataFolder, Held, ReadOnly, StoreLock, keep_promises, policy_hash, read_genesis};
use crate::exit::Exit;
use crate::progress::Progress;

/// Runs the command.
pub(crate) fn run(args: cli::Audit, json: bool) -> Exit {
    let started = Instant::now();
    let ended = match args {
        cli::Audit { part: Some(cli::AuditPart::Ca(args)), .. } => opened(&args.data, args.config.as_deref())
            .and_then(|opened| ca::list(&opened, &args.data.join("certs"), json)),
        cli::Audit { all: Some(args), .. } => {
            opened(&args.data, args.config.as_deref()).and_then(|opened| all(&opened, &args, json, started))
        }
        // The parser has asked for --data.
        cli::Audit { .. } => Err(Failed::Setting("--data DIR is missing".to_owned())),
    };
    ended.unwrap_or_else(|why| {
        say::trouble(json, format_args!("not audited: {why}"));
        why.exit()
    })
}

fn opened(data: &Path, config: Option<&Path>) -> Result<Opened, Failed> {
    let opened = Opened::open(data, config)?;
    // Decisions may follow the rules in a ledger that was forked.
    opened.convicted.iter().for_each(|what| say::trouble(false, format_args!("WARNING: {what}")));
    Ok(opened)
}

fn all(opened: &Opened, args: &cli::AuditAll, json: bool, started: Instant) -> Result<Exit, Failed> {
    if args.tokens {
        return tokens::list(opened, args, json);
    }
    let audited = audit(opened, args, json)?;
    let seconds = started.elapsed().as_secs_f64();
    if json {
        say::json(&output::as_json(&audited, seconds));
    } else {
        say::out(output::as_text(&audited, seconds));
    }
    Ok(audited.exit())
}

/// Why nothing was audited to its end.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// The data folder or the settings.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A setting by which decisions are made.
    #[error("{0}")]
    Setting(String),
    /// The ledger, as the next start of the server would judge it.
    #[error("{0} (semper fsck says more)")]
    Ledger(OpenError),
    /// A row that cannot be read.
    #[error("{0} (semper fsck says more)")]
    Fault(#[from] Fault),
    /// Where evidence is to be written.
    #[error("cannot write {}: {error}", path.display())]
    Evidence {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Failed {
    fn exit(&self) -> Exit {
        match self {
            Self::Data(DataError::Store(rocks::OpenError::LostTables { .. })) => Exit::Falsified,
            Self::Data(DataError::Store(rocks::OpenError::Failed { message, .. })) if fsck::is_damage(message) => {
                Exit::Falsified
            }
            // What is lost outside the ledger leaves the answer open.
            Self::Data(error) => match error.exit() {
                Exit::Fault => Exit::Undecided,
                other => other,
            },
            Self::Setting(_) => Exit::Usage,
            Self::Ledger(error) if fsck::is_falsity(error) => Exit::Falsified,
            Self::Ledger(_) | Self::Fault(_) => Exit::Undecided,
            Self::Evidence { .. } => Exit::Fault,
        }
    }
}

/// A ledger that was opened for reading only, and the rules to judge it by.
struct Opened {
    store: Arc<RocksStore>,
    reader: Reader,
    config: Config,
    read_only: Option<ReadOnly>,
    /// What others have shown of it.
    convicted: Option<String>,
    _lock: StoreLock,
}

impl Opened {
    fn open(data: &Path, config: Option<&Path>) -> Result<Self, Failed> {
        let folder = DataFolder::open(data)?;
        let mut config = folder.config(config)?;
        config.verify().map_err(DataError::from)?;
        let identity = folder.log_identity()?;
        let Held { anchor, read_only, lock } = folder.hold(&config.ledger)?;
        let store = Arc::new(fsck::open_store(&folder, &config).map_err(DataError::from)?);
        let journal = folder.journal(&config.ledger, identity.origin());
        let reader = match &anchor {
            Some(anchor) => ledger::inspect(store.clone(), anchor, &journal, &identity, &LogVerifier),
            None => ledger::judge(store.clone(), &identity, &LogVerifier),
        };
        let reader = reader.map_err(Failed::Ledger)?;
        if let Some(mark) = &read_only {
            mark.check(&folder.path("store"), &reader)?;
        }
        let again = || ledger::judge(store.clone(), &identity, &LogVerifier).map_err(|error| error.to_string());
        let convicted = fsck::outside::against(&folder, &identity, read_only.as_ref(), again);
        // Without genesis, which is then a difference, decisions are held to the usual delay.
        if let Ok(genesis) = read_genesis(&*store) {
            keep_promises(&mut config, &genesis)?;
        }
        Ok(Self { store, reader, config, read_only, convicted, _lock: lock })
    }

    fn store(&self) -> &dyn Store {
        &*self.store
    }
}

/// What came out.
struct Audited {
    origin: String,
    root: Hash,
    policy: Digest,
    report: Report,
    evidence: Vec<evidence::Written>,
    read_only: Option<ReadOnly>,
}

impl Audited {
    fn exit(&self) -> Exit {
        match (self.report.differences_in_all, self.report.has_losses()) {
            (0, false) => Exit::Ok,
            (0, true) => Exit::Undecided,
            _ => Exit::Falsified,
        }
    }
}

fn audit(opened: &Opened, args: &cli::AuditAll, json: bool) -> Result<Audited, Failed> {
    let rules = rules(&opened.config)?;
    let policy = rules.policy_hash;
    let progress = Progress::new(json, "auditing", Some(opened.reader.size()));
    let report = work::audit(opened, rules, &progress)?;
    progress.finish();
    let evidence = match &args.evidence {
        Some(folder) => evidence::write(folder, &opened.reader, &report)?,
        None => Vec::new(),
    };
    let root = opened.reader.newest().edge().root();
    let (origin, read_only) = (opened.reader.identity().origin().to_owned(), opened.read_only.clone());
    Ok(Audited { origin, root, policy, report, evidence, read_only })
}

/// Decisions are made again by the settings that are given, if they are those that were in force.
fn rules(config: &Config) -> Result<Rules, Failed> {
    let policy_hash = policy_hash(config);
    let endpoint = |(purpose, name)| Ok((purpose, endpoint_settings(config, name, policy_hash)?));
    let endpoints = ENDPOINTS.into_iter().map(endpoint).collect::<Result<_, String>>().map_err(Failed::Setting)?;
    let clock = config.clock_settings();
    let between = u64::from(clock.good_samples_needed).saturating_sub(1);
    Ok(Rules { policy_hash, endpoints, stop_millis_min: between.saturating_mul(clock.sample_interval_ms) })
}

#[cfg(test)]
mod tests;
