//! `semper monitor`: somebody outside who reads all of a log, and remembers.
//!
//! All reading and judging is `semper_api::monitor`; this file keeps the folder, goes round after round, tells people and
//! machines what came out, and ends with 0 (told to stop; with `--once`: all is well), 1 (the log is convicted, or with
//! `--once` it was rolled back, or an entry is unknown or watched for), 2 (could not tell), 69 (the log cannot be reached,
//! `--once`), 75 (another monitor works on the folder).
//!
//! A round that fails is tried again for ever; only a conviction, our own storage, and what a person must mend end a monitor.

mod admin;
mod expected;
mod folder;
mod lists;
mod telling;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use semper_api::client::ClientError;
use semper_api::log_source::{LogSource, SourceError};
use semper_api::metrics::MonitorMetrics;
use semper_api::monitor::notice::Notice;
use semper_api::monitor::watch::{Digests, Known, Watch};
use semper_api::monitor::{Follower, Health, Round, RoundError, Settings};
use semper_ledger::monitor::{Genesis, MemoryError, Monitor};
use semper_ledger::note::VerifierKey;
use semper_ledger::policy::Policy;
use semper_ttp::account::{self, Anchors, Verdict};
use semper_ttp::crypto::LogVerifier;
use semper_ttp::evidence::{Kind, LedgerKind};
use semper_ttp::time::Timestamp;
use semper_ttp::verify::log_keys;

use self::admin::Admin;
use self::expected::Expectations;
use self::folder::StateFolder;
use self::lists::{Lists, read_text};
use self::telling::Teller;
use super::remote::exit_of;
use super::running::{Failed, all_the_cores, signals};
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
    let mut lists = Lists::read(args)?;
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
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
    let anchors = Anchors { log_keys: std::slice::from_ref(&key), trust: trust.as_ref().map(|(trust, _)| trust) };
    if let Some(evidence) = folder.evidence(&anchors)? {
        let text = format!(
            "the log was convicted before: {}. A monitor that goes on needs a new folder; keep this one as evidence",
            evidence.display()
        );
        return Err(Failed(Exit::Falsified, text));
    }
    let (store, past) = folder.open(&key)?;
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
    let (metrics, health) = (Arc::new(MonitorMetrics::new(key.name())), Arc::new(Health::default()));
    all_the_cores().map_err(|error| Failed::fault(&error))?.block_on(async {
        let mut stop = std::pin::pin!(signals());
        let _admin = match args.admin {
            Some(address) => Some(Admin::begin(address, metrics.clone(), health.clone(), json).await?),
            None => None,
        };
        let running = async {
            let outlets = Outlets { teller, metrics: &metrics, health: &health, json };
            let source = find(args, &outlets).await?;
            let watch = Watch::new(Digests::default(), must_be_known);
            let mut follower = Follower::new(source, monitor, past, watch, policy, settings);
            let verified = follower.monitor().verified().map_or(0, |seen| seen.checkpoint.size);
            outlets.teller.begins(&args.log, verified, args.interval_secs);
            rounds(&mut follower, args, &mut lists, &mut expected, &outlets).await
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
    health: &'a Health,
    json: bool,
}

impl Outlets<'_> {
    /// A round came to nothing.
    fn failed(&self, error: &RoundError) {
        self.metrics.failed(error.reason());
        self.health.set(vec![format!("the newest round came to nothing: {error}")]);
        tracing::warn!(reason = error.reason(), %error, "the round came to nothing");
    }
}

/// Between two tries.
fn pause(args: &cli::Monitor) -> Duration {
    Duration::from_secs(if args.once { 1 } else { args.interval_secs.into() })
}

/// The log, as soon as it can be reached.
async fn find(args: &cli::Monitor, outlets: &Outlets<'_>) -> Result<LogSource, Failed> {
    loop {
        match LogSource::find(&args.log).await {
            Ok(source) => return Ok(source),
            // A URL that can never be one is the user's to mend.
            Err(SourceError::Http { error: error @ (ClientError::Url { .. } | ClientError::Tls { .. }), .. }) => {
                return Err(error.into());
            }
            Err(error) if args.once => return Err(Failed(exit_of_source(&error), error.to_string())),
            Err(error) => outlets.failed(&error.into()),
        }
        tokio::time::sleep(pause(args)).await;
    }
}

/// Round after round, until one of them is the last.
async fn rounds(
    follower: &mut Follower,
    args: &cli::Monitor,
    lists: &mut Lists,
    expected: &mut Expectations,
    outlets: &Outlets<'_>,
) -> Result<Exit, Failed> {
    loop {
        lists.hand_over(follower);
        if let Some(trust) = outlets.teller.trust() {
            expected.read_again(trust);
            outlets.teller.passed_over(expected);
        }
        match one_round(follower, expected, outlets).await {
            Ok((_, Some(error))) if args.once => return Err(Failed(exit_of_round(&error), error.to_string())),
            Ok((round, failed)) => {
                let (exit, convicted) = told(follower, expected, outlets, &round)?;
                failed.iter().for_each(|error| outlets.failed(error));
                // An older checkpoint may come from a cache, for a while.
                let last = round.older.as_ref().is_none_or(|older| older.rollback.is_some());
                if convicted || (args.once && last) {
                    return Ok(exit);
                }
                if round.older.is_some() && !args.once {
                    overdue(follower, expected, outlets)?;
                }
            }
            Err(RoundError::Fault(fault)) => return Err(Failed::fault(&fault)),
            Err(error) if args.once => return Err(Failed(exit_of_round(&error), error.to_string())),
            Err(error) => {
                outlets.failed(&error);
                overdue(follower, expected, outlets)?;
            }
        }
        tokio::time::sleep(pause(args)).await;
    }
}

/// The operator is told of what was verified before, in a round that found nothing.
fn overdue(follower: &mut Follower, expected: &Expectations, outlets: &Outlets<'_>) -> Result<(), Failed> {
    let round = follower.overdue(wall_ms()).map_err(|fault| Failed::fault(&fault))?;
    outlets.metrics.unknown(follower.unknown());
    if round.notices.is_empty() && round.over.is_empty() {
        return Ok(());
    }
    round.notices.iter().for_each(|notice| outlets.metrics.alert(notice.kind()));
    outlets.teller.round(&round, expected)?;
    follower.told().map_err(|fault| Failed::fault(&fault))
}

/// A round, and why the expected timestamps could not be looked for in it.
async fn one_round(
    follower: &mut Follower,
    expected: &mut Expectations,
    outlets: &Outlets<'_>,
) -> Result<(Round, Option<RoundError>), RoundError> {
    // Only where there is something to read: most rounds find nothing new.
    let (progress, json) = (OnceLock::new(), outlets.json);
    let advance = |done, total| {
        let progress = progress.get_or_init(|| Progress::new(json, "reading entries", Some(total)));
        progress.set_total(total);
        progress.set(done);
    };
    let ended = follower.round(wall_ms(), &advance).await;
    if let Some(progress) = progress.get() {
        progress.finish();
    }
    let mut round = ended?;
    if round.misbehaviour.is_none() && round.older.is_none() {
        let judge = |proof: &account::Proof| outlets.teller.judge(proof);
        match expected.look(follower, &judge, &mut round.notices).await {
            Ok(misbehaviour) => round.misbehaviour = misbehaviour,
            Err(RoundError::Fault(fault)) => return Err(fault.into()),
            // What the round found has been found, and is told.
            Err(error) => return Ok((round, Some(error))),
        }
    }
    Ok((round, None))
}

/// The operator is told; the exit code if this is all, and whether the log is convicted.
fn told(
    follower: &mut Follower,
    expected: &Expectations,
    outlets: &Outlets<'_>,
    round: &Round,
) -> Result<(Exit, bool), Failed> {
    let Outlets { teller, metrics, health, .. } = outlets;
    round.notices.iter().for_each(|notice| metrics.alert(notice.kind()));
    metrics.unknown(follower.unknown());
    let verdict = teller.round(round, expected)?;
    let convicted = round.misbehaviour.is_some() && verdict == Some(Verdict::Proven);
    if round.recovered {
        metrics.recovered();
    }
    let mut unready = Vec::new();
    match (&round.misbehaviour, &round.older) {
        (Some(proof), _) if convicted => unready.push(format!("the log is convicted: {}", proof.kind.name())),
        (Some(_), _) => {
            unready.push("what is held against the log does not convict it: a fault of this program".to_owned())
        }
        (None, Some(_)) => unready.push("the log shows an older checkpoint than before".to_owned()),
        (None, None) => metrics.checked(round.size, Timestamp::from_millis(wall_ms())),
    }
    health.set(unready);
    follower.told().map_err(|fault| Failed::fault(&fault))?;
    if let Some(proof) = &round.misbehaviour {
        if convicted {
            metrics.convicted(proof.kind);
        }
        return Ok((if convicted { Exit::Falsified } else { Exit::Undecided }, convicted));
    }
    if round.older.as_ref().is_some_and(|older| older.rollback.is_some()) {
        // Until it is in order again.
        metrics.convicted(account::Kind::Rollback);
        return Ok((Exit::Falsified, false));
    }
    let exit = round.notices.iter().map(|notice| match notice {
        Notice::Watched { .. } | Notice::WatchedMore { .. } | Notice::Unknown(_) | Notice::UnknownMore { .. } => {
            Exit::Falsified
        }
        Notice::Unwitnessed { .. } | Notice::Newer { .. } | Notice::Stuffed { .. } | Notice::Unclear { .. } => {
            Exit::Undecided
        }
        Notice::Ahead { .. } => Exit::Ok,
    });
    // One that is not found yet, or does not read, leaves a single round undecided.
    let owed = if expected.is_settled() { Exit::Ok } else { Exit::Undecided };
    Ok((exit.fold(owed, Exit::and), false))
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
