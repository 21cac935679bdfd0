//! `semper monitor`: somebody outside who reads all of a log, and remembers.
//!
//! All reading and judging is `semper_api::monitor`; this file keeps the folder, goes round after round, tells people and
//! machines what came out, and ends with 0 (told to stop; with `--once`: all is well), 1 (the log is convicted, or with
//! `--once` an entry is unknown), 2 (could not tell), 69 (the log cannot be reached, `--once`), 75 (another monitor works on
//! the folder).
//!
//! A round that fails is tried again for ever; only our own storage, and what a person must mend, end a monitor.

mod expected;
mod folder;
mod telling;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use semper_api::client::ClientError;
use semper_api::log_source::{LogSource, SourceError};
use semper_api::metrics::MonitorMetrics;
use semper_api::monitor::notice::{Digests, Known, Notice, Watch, parse_digests};
use semper_api::monitor::{self, Follower, Round, RoundError, Settings};
use semper_api::server::{self, Limits, Served};
use semper_ledger::monitor::{Genesis, MemoryError, Monitor};
use semper_ledger::note::VerifierKey;
use semper_ledger::policy::Policy;
use semper_ttp::crypto::LogVerifier;
use semper_ttp::evidence::{Kind, LedgerKind};
use semper_ttp::time::Timestamp;
use semper_ttp::verify::log_keys;
use tokio::sync::watch;

use self::expected::Expectations;
use self::folder::StateFolder;
use self::telling::Teller;
use super::remote::exit_of;
use super::running::{Failed, address_of, bind, half_of_the_cores, signals};
use super::say;
use super::verify::files::read_trust;
use crate::cli;
use crate::clock::wall_ms;
use crate::config::Log;
use crate::exit::Exit;
use crate::logging;
use crate::progress::Progress;

/// How far an entry's time may lie ahead of this machine's clock before that is told, milliseconds: machines that nobody
/// synchronises are seconds off.
const AHEAD_MS: u64 = 60_000;

/// The admin listener is for a scraper or two.
const ADMIN: Limits = Limits {
    header_read_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(30),
    connections_max: 64,
    connections_per_address_max: 64,
};

/// The longest list or policy that is read, bytes: a million lines.
const LIST_BYTES_MAX: u64 = 128 << 20;

/// Runs the command.
pub(crate) fn run(args: cli::Monitor, json: bool) -> Exit {
    let ended = if args.once { Ok(()) } else { logging::begin(&Log::default()).map_err(|error| Failed::usage(&error)) };
    match ended.and_then(|()| follow(&args, json)) {
        Ok(exit) => exit,
        Err(Failed(exit, sentence)) => {
            say::trouble(json, format_args!("monitor: {sentence}"));
            exit
        }
    }
}

fn follow(args: &cli::Monitor, json: bool) -> Result<Exit, Failed> {
    let key = read_key(&args.vkey)?;
    let watched = args.watch.as_deref().map(read_list).transpose()?.unwrap_or_default();
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    let mut known = args.known.clone().map(KnownList::new);
    let must_be_known = args.known.is_some().then(|| Known {
        kinds: args.known_kind.iter().copied().collect(),
        grace_ms: if args.once { 0 } else { u64::from(args.grace_secs) * 1000 },
    });

    let trust = args.trust.as_deref().map(|folder| match read_trust(folder) {
        Ok((trust, _)) => Ok((trust, folder.to_owned())),
        Err(error) => Err(Failed::usage(&error)),
    });
    let trust = trust.transpose()?;
    let mut expected = match &trust {
        Some((trust, _)) => Expectations::read(&args.expect, trust)?,
        None => Expectations::default(),
    };

    let folder = StateFolder::at(&args.state);
    if let Some(evidence) = folder.evidence()? {
        let text = format!(
            "the log was convicted before: {}. A monitor that goes on needs a new folder; keep this one as evidence",
            evidence.display()
        );
        return Err(Failed(Exit::Falsified, text));
    }
    let store = folder.open(&key)?;
    let genesis = Kind::Ledger(LedgerKind::Genesis);
    let genesis = Genesis { role: genesis.role().code(), kind: genesis.code() };
    let monitor = Monitor::open(Box::new(store), key.clone(), Arc::new(LogVerifier), genesis);
    let monitor = monitor.map_err(|error| match error {
        MemoryError::OtherLog { .. } => Failed::usage(&error),
        MemoryError::Fault(_) | MemoryError::Damaged(_) => {
            let text = format!("{}: {error}; begin anew in another folder, and keep this one", args.state.display());
            Failed::fault(&text)
        }
    })?;
    let settings = Settings { rollback_ms: u64::from(args.rollback_secs) * 1000, ahead_ms: AHEAD_MS };
    let teller = Teller::new(json, args.once, &key, folder, trust);
    let metrics = Arc::new(MonitorMetrics::new(key.name()));
    half_of_the_cores()?.block_on(async {
        let mut stop = std::pin::pin!(signals());
        let _admin = match args.admin {
            Some(address) => Some(Admin::begin(address, metrics.clone(), json).await?),
            None => None,
        };
        let running = async {
            let source = find(args, &metrics).await?;
            let watch = Watch::new(watched, must_be_known);
            let mut follower = Follower::new(source, monitor, watch, policy, settings);
            let outlets = Outlets { teller, metrics: &metrics, json };
            rounds(&mut follower, args, &mut known, &mut expected, &outlets).await
        };
        // Whatever is interrupted is read again.
        let exit = tokio::select! {
            ended = running => ended?,
            _ = &mut stop => return Ok(Exit::Ok),
        };
        if args.stay {
            let _ = stop.await; // whichever signal it is
        }
        Ok(exit)
    })
}

/// Who is told.
struct Outlets<'a> {
    teller: Teller,
    metrics: &'a MonitorMetrics,
    json: bool,
}

/// Between two tries.
fn pause(args: &cli::Monitor) -> Duration {
    Duration::from_secs(if args.once { 1 } else { args.interval_secs.into() })
}

/// The log, as soon as it can be reached.
async fn find(args: &cli::Monitor, metrics: &MonitorMetrics) -> Result<LogSource, Failed> {
    loop {
        match LogSource::find(&args.log).await {
            Ok(source) => return Ok(source),
            // A URL that can never be one is the user's to mend.
            Err(SourceError::Http { error: error @ (ClientError::Url { .. } | ClientError::Tls { .. }), .. }) => {
                return Err(Failed(exit_of(&error), error.to_string()));
            }
            Err(error) if args.once => return Err(Failed(exit_of_source(&error), error.to_string())),
            Err(error) => failed(metrics, &error.into()),
        }
        tokio::time::sleep(pause(args)).await;
    }
}

/// Round after round, until one of them is the last.
async fn rounds(
    follower: &mut Follower,
    args: &cli::Monitor,
    known: &mut Option<KnownList>,
    expected: &mut Expectations,
    outlets: &Outlets<'_>,
) -> Result<Exit, Failed> {
    loop {
        if let Some(list) = known.as_mut().and_then(KnownList::newer) {
            follower.know(list?);
        }
        match one_round(follower, expected, outlets.json).await {
            Ok(round) => {
                let exit = told(follower, expected, outlets, &round)?;
                if round.misbehaviour.is_some() || (args.once && !round.older) {
                    return Ok(exit);
                }
            }
            Err(RoundError::Fault(fault)) => return Err(Failed::fault(&fault)),
            Err(error) if args.once => return Err(Failed(exit_of_round(&error), error.to_string())),
            Err(error) => failed(outlets.metrics, &error),
        }
        tokio::time::sleep(pause(args)).await;
    }
}

async fn one_round(follower: &mut Follower, expected: &mut Expectations, json: bool) -> Result<Round, RoundError> {
    let progress = Progress::new(json, "reading entries", Some(0));
    let advance = |done, total| {
        progress.set_total(total);
        progress.set(done);
    };
    let ended = follower.round(wall_ms(), &advance).await;
    progress.finish();
    let mut round = ended?;
    if round.misbehaviour.is_none() && !round.older {
        round.misbehaviour = expected.look(follower).await?;
    }
    Ok(round)
}

/// The operator is told; the exit code if this is all.
fn told(
    follower: &mut Follower,
    expected: &Expectations,
    outlets: &Outlets<'_>,
    round: &Round,
) -> Result<Exit, Failed> {
    let Outlets { teller, metrics, .. } = outlets;
    if round.misbehaviour.is_none() && !round.older {
        metrics.checked(round.size, Timestamp::from_millis(wall_ms()));
    }
    round.notices.iter().for_each(|notice| metrics.alert(notice.kind()));
    let owed = expected.counts();
    teller.round(round, owed)?;
    follower.told().map_err(|fault| Failed::fault(&fault))?;
    if let Some(proof) = &round.misbehaviour {
        metrics.convicted(proof.kind);
        return Ok(Exit::Falsified);
    }
    let exit = round.notices.iter().map(|notice| match notice {
        Notice::Unknown(_) => Exit::Falsified,
        Notice::Unwitnessed { .. } => Exit::Undecided,
        Notice::Watched { .. } | Notice::Ahead { .. } => Exit::Ok,
    });
    // One that is not found yet leaves a single round undecided.
    let owed = if owed.is_some_and(|(_, waiting)| waiting > 0) { Exit::Undecided } else { Exit::Ok };
    Ok(exit.fold(owed, Exit::and))
}

fn failed(metrics: &MonitorMetrics, error: &RoundError) {
    metrics.failed(error.reason());
    tracing::warn!(reason = error.reason(), %error, "the round came to nothing");
}

fn exit_of_round(error: &RoundError) -> Exit {
    match error {
        RoundError::Source(error) => exit_of_source(error),
        // Nothing was proven, and nothing was found in order.
        RoundError::Checkpoint(_) | RoundError::Unfit(_) => Exit::Undecided,
        RoundError::Fault(_) => Exit::Fault,
    }
}

fn exit_of_source(error: &SourceError) -> Exit {
    match error {
        SourceError::Http { error, .. } => match exit_of(error) {
            // A log's server that answers nonsense is not our fault.
            Exit::Fault => Exit::Undecided,
            exit => exit,
        },
        SourceError::Folder { .. } | SourceError::Malformed { .. } => Exit::Undecided,
    }
}

fn read_text(path: &Path) -> Result<String, Failed> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| Failed::usage(&format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(LIST_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > LIST_BYTES_MAX {
        return Err(failed(std::io::Error::other("it is too long")));
    }
    String::from_utf8(bytes).map_err(|_| failed(std::io::Error::other("it is not text")))
}

/// The one key of the file.
fn read_key(path: &Path) -> Result<VerifierKey, Failed> {
    let keys = log_keys(&read_text(path)?).map_err(|fault| Failed::usage(&format!("{}: {fault}", path.display())))?;
    match <[VerifierKey; 1]>::try_from(keys) {
        Ok([key]) => Ok(key),
        Err(keys) => {
            let (count, path) = (keys.len(), path.display());
            Err(Failed::usage(&format!("{path} holds {count} keys; a monitor follows one log, by one key")))
        }
    }
}

fn read_policy(path: &Path) -> Result<Policy, Failed> {
    let text = read_text(path)?;
    Policy::parse(text.as_bytes()).map_err(|fault| Failed::usage(&format!("{}: {fault}", path.display())))
}

fn read_list(path: &Path) -> Result<Digests, Failed> {
    let text = read_text(path)?;
    parse_digests(&text).map_err(|fault| Failed::usage(&format!("{}: {fault}", path.display())))
}

/// The list of known digests, which its owner adds to.
struct KnownList {
    path: PathBuf,
    /// When it was read: its length and time of change then.
    read: Option<(u64, std::time::SystemTime)>,
}

impl KnownList {
    fn new(path: PathBuf) -> Self {
        Self { path, read: None }
    }

    /// What is in it, if it has changed since it was read last. One that was there and cannot be read now is left for the next
    /// round: its owner may be about to put a new one in its place.
    fn newer(&mut self) -> Option<Result<Digests, Failed>> {
        let now = fs::metadata(&self.path).and_then(|file| Ok((file.len(), file.modified()?))).ok();
        if now.is_some() && now == self.read {
            return None;
        }
        match (read_list(&self.path), self.read) {
            (Ok(list), _) => {
                self.read = now;
                Some(Ok(list))
            }
            (Err(failed), None) => Some(Err(failed)),
            (Err(Failed(_, why)), Some(_)) => {
                tracing::warn!(why, "the list of known digests is kept as it was");
                None
            }
        }
    }
}

/// The admin listener; ends with the runtime.
struct Admin {
    /// Nobody tells it to stop, and a sender that is gone would.
    _stop: watch::Sender<bool>,
}

impl Admin {
    async fn begin(address: SocketAddr, metrics: Arc<MonitorMetrics>, json: bool) -> Result<Self, Failed> {
        let listener = bind(address).await?;
        let at = address_of(&listener)?;
        let router = monitor::admin_routes(metrics.clone());
        let served = Served { router, label: monitor::label, metrics: metrics.http().clone() };
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(server::serve(listener, served, ADMIN, stopped));
        if json {
            say::json(&serde_json::json!({ "listening": { "admin": at } }));
        } else {
            say::out(format!("listening admin={at}"));
        }
        Ok(Self { _stop: stop })
    }
}
