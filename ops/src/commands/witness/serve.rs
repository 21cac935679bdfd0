//! `semper witness serve`: wiring. Opens key, list and records, starts clock and listeners, and waits for the signal to stop.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use semper_api::TimeSource;
use semper_api::metrics::WitnessMetrics;
use semper_api::server::{self, Served};
use semper_api::witness::{self, Witness};
use semper_ledger::cosignature::Cosigner;
use semper_ledger::note::VerifierKey;
use semper_ledger::witness::log_list::{self, ListedLog};
use semper_ledger::witness::record::{Records, RecordsError};
use semper_ledger::witness::{REQUEST_BYTES_MAX, WitnessedLog};
use semper_ttp::crypto::{LogSigner, LogVerifier, Passphrase, open_key_pem};
use tokio::sync::watch;

use super::{COSIGNED, KEY, LOGS, SETTINGS, VKEY, WitnessFolder};
use crate::cli::WitnessServe;
use crate::commands::running::{
    Failed, Listening, address_of, all_the_cores, clock_of, limits_of, reserve, say_listening, signals,
};
use crate::commands::say;
use crate::config::WitnessConfig;
use crate::data::INCOMPLETE;
use crate::exit::Exit;
use crate::logging;
use crate::time::ServiceTime;

/// Permission bits that the key file may not have: any for group and others.
const OTHERS: u32 = 0o077;

/// Runs the witness until it is told to stop.
pub(super) fn run(args: &WitnessServe, json: bool) -> Exit {
    match serve(args, json) {
        Ok(()) => Exit::Ok,
        Err(Failed(exit, sentence)) => {
            say::trouble(json, format_args!("witness serve: {sentence}"));
            exit
        }
    }
}

fn serve(args: &WitnessServe, as_json: bool) -> Result<(), Failed> {
    let folder = open(&args.data)?;
    let mut config = WitnessConfig::load(&args.config.clone().unwrap_or_else(|| folder.path(SETTINGS)))
        .map_err(|error| Failed::usage(&error))?;
    if args.config.is_none() {
        // Paths of the folder's own settings begin at the folder, so that it may be moved.
        config.keys.passphrase_file = config.keys.passphrase_file.map(|path| folder.0.join(path));
    }
    config.listen.http = args.http.unwrap_or(config.listen.http);
    config.listen.admin = args.admin.unwrap_or(config.listen.admin);
    config.verify().map_err(|error| Failed::usage(&error))?;
    logging::begin(&config.log).map_err(|error| Failed::usage(&error))?;

    let cosigner = open_key(&folder, &config)?;
    let logs = read_logs(&folder)?;
    let judged: Vec<WitnessedLog> = logs.iter().map(ListedLog::witnessed).collect();
    let records = Records::open(&folder.path(COSIGNED), cosigner.verifier_key(), &judged, &LogVerifier);
    let records = records.map_err(|error| match error {
        RecordsError::Locked(_) => Failed(Exit::Busy, error.to_string()),
        RecordsError::Unmarked(_) => Failed::usage(&error),
        RecordsError::Disk(_) | RecordsError::Damaged(_) | RecordsError::Lost(_) => Failed::fault(&error),
    })?;
    if logs.is_empty() {
        tracing::warn!(list = %folder.path(LOGS).display(), "the list names no log: nothing will be cosigned");
    }

    // What the clock does is in the log only: a witness has no ledger.
    let clock = clock_of(config.clock.source, config.clock_settings(), Box::new(|_| {}))?;
    let sampling = clock.start_sampling().map_err(|error| Failed::fault(&error))?;
    if clock.source_name() == "assumed" {
        tracing::warn!("the clock is assumed to be right: for a trial, not for a witness that others rely on");
    }
    let time: Arc<dyn TimeSource> = Arc::new(ServiceTime(clock.clone()));
    let (limits, mut body_limits) = limits_of(&config.limits());
    // What every witness must read: a checkpoint may carry many signatures, and long ones.
    body_limits.body_bytes_max = body_limits.body_bytes_max.max(REQUEST_BYTES_MAX);
    let metrics = Arc::new(WitnessMetrics::new(logs.iter().map(|log| log.origin.as_str())));
    let witness = Arc::new(Witness::new(logs, records, cosigner, time, metrics.clone(), body_limits));

    let runtime = all_the_cores().map_err(|error| Failed::fault(&error))?;
    let drain = config.shutdown.drain();
    let ended = runtime.block_on(async {
        let (http, admin) = (reserve(config.listen.http)?.listen()?, reserve(config.listen.admin)?.listen()?);
        let (http_address, admin_address) = (address_of(&http)?, address_of(&admin)?);
        let served = |router| Served { router, label: witness::label, metrics: metrics.http().clone() };
        let (stop, stopped) = watch::channel(false);
        let (stop_admin, admin_stopped) = watch::channel(false);
        let http = tokio::spawn(server::serve(http, served(witness::routes(witness.clone())), limits, stopped));
        let admin_routes = served(witness::admin_routes(witness.clone()));
        let admin = tokio::spawn(server::serve(admin, admin_routes, limits, admin_stopped));
        tokio::spawn(witness.clone().keep_copies());
        // Before the line: whoever waits for it may send SIGTERM at once.
        let signalled = signals();
        say_listening(&Listening { http: http_address, admin: admin_address, https: None }, as_json);
        tracing::info!(http = %http_address, admin = %admin_address, "listening");
        witness.unready().iter().for_each(|why| tracing::warn!(why, "not ready"));
        let signal = signalled.await;
        tracing::info!(signal, "stopping");
        let _ = stop.send(true); // the listener is there, or gone already
        if tokio::time::timeout(drain, http).await.is_err() {
            tracing::warn!("some connections did not end within shutdown.drain_secs");
        }
        let _ = stop_admin.send(true);
        let _ = tokio::time::timeout(Duration::from_secs(1), admin).await; // a scrape may be lost
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    sampling.stop();
    ended
}

fn open(root: &Path) -> Result<WitnessFolder, Failed> {
    let folder = WitnessFolder::at(root);
    let exists = |path: PathBuf| {
        path.try_exists().map_err(|error| Failed::usage(&format!("cannot look into {}: {error}", root.display())))
    };
    let shown = root.display();
    if exists(folder.path(INCOMPLETE))? {
        let text = format!("semper witness init did not finish in {shown}: delete the folder and run it again");
        return Err(Failed::usage(&text));
    }
    if !exists(folder.path(VKEY))? {
        let text = format!("there is no witness in {shown}: make one with `semper witness init --data {shown}`");
        return Err(Failed::usage(&text));
    }
    Ok(folder)
}

fn read(path: &Path) -> Result<Vec<u8>, Failed> {
    fs::read(path).map_err(|error| Failed::fault(&format!("cannot read {}: {error}", path.display())))
}

/// The key, under the name that it was made for.
fn open_key(folder: &WitnessFolder, config: &WitnessConfig) -> Result<Cosigner, Failed> {
    let path = folder.path(VKEY);
    let vkey = VerifierKey::parse(String::from_utf8_lossy(&read(&path)?).trim());
    let vkey = vkey.map_err(|fault| Failed::fault(&format!("{}: {fault}", path.display())))?;
    let path = folder.path(KEY);
    let pem = read(&path)?;
    let mode = fs::metadata(&path).map(|file| file.permissions().mode() & 0o7777).unwrap_or(0);
    if mode & OTHERS != 0 {
        let shown = path.display();
        let text = format!("others may read the key file {shown} (mode {mode:04o}): chmod 600 it, and ask who read it");
        return Err(Failed::usage(&text));
    }
    let passphrase = config.keys.passphrase(|name| std::env::var_os(name)).map_err(|error| Failed::usage(&error))?;
    let passphrase = Passphrase::new(passphrase.expose().to_owned());
    let key = open_key_pem(&String::from_utf8_lossy(&pem), &passphrase);
    let key = key.map_err(|fault| Failed::usage(&format!("{}: {fault}", path.display())))?;
    let cosigner = LogSigner::new(Arc::new(key)).and_then(|key| Cosigner::new(vkey.name(), Arc::new(key)).ok());
    let cosigner = cosigner.filter(|cosigner| *cosigner.verifier_key() == vkey);
    cosigner.ok_or_else(|| Failed::fault(&format!("{} is not the key that {VKEY} names", path.display())))
}

fn read_logs(folder: &WitnessFolder) -> Result<Vec<ListedLog>, Failed> {
    let path = folder.path(LOGS);
    log_list::parse(&read(&path)?).map_err(|fault| Failed::usage(&format!("{}: {fault}", path.display())))
}
