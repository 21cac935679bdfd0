//! `semper serve`: wiring. Opens the data folder, starts clock, ledger and listeners, waits for the signal to stop, and
//! stops in the order in which nothing accepted is lost: intake, answers, ledger.

mod applications;
mod exchange;
mod https;
mod keystore;
mod notary;
mod notices;
mod outside;
mod rails;
mod storage;

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use semper_api::{
    Authorities, Endpoint, KeyParts, Listener, Service, ServiceParts, TimeSource, admin,
    metrics::Metrics,
    payments_in_background,
    pool::Pool,
    quota::Quota,
    router::{self, App},
    server::{self, Served},
    tls::Acceptor,
};
use semper_ledger::{
    ledger::{Ledger, Parts},
    sequencer::{GroupReport, Observer, Refused},
};
use semper_ttp::{
    crypto::{LogVerifier, OsEntropy},
    digest::Digest,
    evidence::OpsFact,
    policy::roles::TrustedRole,
};
use serde_json::json;
use tokio::sync::watch;

use super::running::{
    Failed, Listening, Reserved, address_of, all_the_cores, clock_of, limits_of, reserve, say_listening, signals,
};
pub(super) use outside::read_policy;

use super::say;
use crate::{
    cli, clock,
    config::{ClockSource, Config, ENDPOINTS, endpoint_settings},
    data::{self, BACKUP_INDEX, Custody, DataFolder, ROLES, Trial, keep_promises, read_genesis, sequencer_settings},
    disk,
    exit::Exit,
    logging,
    statements::Known,
    time::{Happening, LedgerTime, ServiceTime, What, append, clock_sink, happenings, record},
};
use keystore::FolderKeys;
use storage::Guard;

/// How often the end of keys is looked at after the start.
const KEYS_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// How soon again if something failed, such as all of it while the clock is in doubt: a few good samples take half a minute.
const KEYS_RETRY: Duration = Duration::from_secs(10);

/// How soon again if it keeps failing.
const KEYS_RETRY_MAX: Duration = Duration::from_secs(600);

/// How often the disk is looked at.
const DISK_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the server until it is told to stop.
pub(crate) fn run(args: cli::Serve, json: bool) -> Exit {
    match serve(&args, json) {
        Ok(exit) => exit,
        Err(Failed(exit, sentence)) => {
            say::trouble(json, format_args!("serve: {sentence}"));
            exit
        }
    }
}

fn serve(args: &cli::Serve, as_json: bool) -> Result<Exit, Failed> {
    let folder = DataFolder::open(&args.data)?;
    let mut config = folder.config(args.config.as_deref())?;
    config.listen.http = args.http.unwrap_or(config.listen.http);
    config.listen.https = args.https.unwrap_or(config.listen.https);
    config.listen.admin = args.admin.unwrap_or(config.listen.admin);
    config.verify().map_err(|error| Failed::usage(&error))?;
    logging::begin(&config.log).map_err(|error| Failed::usage(&error))?;

    let (happens, happened) = happenings();
    let _ = happens.try_send(Happening::now(What::Started(build(&folder, args)?))); // it is empty
    let clock = clock_of(config.clock.source, config.clock_settings(), clock_sink(happens))?;
    let read_only = folder.read_only()?;
    let policy = outside::read_policy(&config.witnesses)?.filter(|_| read_only.is_none());
    let addresses = match args.check {
        true => None,
        false => Some((reserve(config.listen.http)?, reserve(config.listen.admin)?)),
    };
    let https_address = match addresses.is_some() && https::is_possible(&folder, &config)? {
        true => Some(reserve(config.listen.https)?),
        false => None,
    };
    let custody = Custody::new(&folder, &config.keys)?;
    if read_only.is_none() && !args.check {
        custody.clear()?;
        folder.make_later_keys(&config, &custody, &OsEntropy)?;
        folder.make_terms(&folder.identity()?)?;
    }
    let storage = match &read_only {
        None => storage::open(&folder, &config, &custody, policy.as_ref())?,
        Some(mark) => storage::open_frozen(&folder, &config, &custody, mark)?,
    };
    let genesis = read_genesis(&*storage.store);
    if let Ok(genesis) = &genesis {
        keep_promises(&mut config, genesis)?;
    }
    let loaded = storage.opened;
    let now = clock::now();
    let trial = Trial { authorities: &loaded.authorities, base_url: &loaded.identity.public_url, now };
    let policies = folder.policies(&config, &trial)?;
    let mut doubts = folder.policy_doubts(&policies);
    let statements = Known::of(&folder, &config, &loaded.identity, &policies)?.statements();
    let metrics = Arc::new(Metrics::new(&loaded.identity.origin));
    let (fatal, mut fatally) = watch::channel(false);
    let (verifier, settings) = (Arc::new(LogVerifier), sequencer_settings(&config.ledger));
    let observer = Arc::new(Watcher { metrics: metrics.clone(), fatal });
    let tile_cache_bytes = config.ledger.tile_cache_bytes;
    let (store, keys) = (storage.store.clone(), loaded.log_keys);
    let mut _lock = None; // held to the end
    let ledger = match storage.guard {
        Guard::Anchor(anchor) => {
            let clock = Arc::new(LedgerTime(clock.clone()));
            let journal = Arc::new(folder.journal(&config.ledger, keys.identity().origin()));
            Ledger::open(Parts { store, anchor, journal, keys, verifier, clock, observer, settings, tile_cache_bytes })
        }
        Guard::Lock(lock) => {
            _lock = Some(lock);
            Ledger::open_frozen(store, keys.identity(), &*verifier, observer, settings, tile_cache_bytes)
        }
    }?;
    // Only now: of a damaged store the ledger's own sentence says more.
    genesis.map_err(|fault| Failed::fault(&fault))?;
    let checkpoints = storage::checkpoints(&folder, storage.store)?;

    let policy_hash = data::policy_hash(&config);
    let mut endpoints = Vec::new();
    for ((tsu, signer), name) in loaded.units.into_iter().zip(ENDPOINTS.map(|(_, name)| name)) {
        let pool_name = format!("sign-{}", tsu.key());
        let settings = endpoint_settings(&config, name, policy_hash).map_err(|why| Failed::usage(&why))?;
        let endpoint = semper_ttp::timestamp::Endpoint::new(settings, Arc::new(tsu));
        let pool = Pool::start(
            &pool_name,
            config.tsa.sign_threads_per_key as usize,
            config.tsa.sign_queue_per_key_max as usize,
        );
        let (endpoint, pool) =
            (endpoint.map_err(|error| Failed::usage(&error))?, pool.map_err(|error| Failed::fault(&error))?);
        endpoints.push(Endpoint::new(endpoint, signer, pool));
    }
    let time: Arc<dyn TimeSource> = Arc::new(ServiceTime(clock.clone()));
    let acceptor = loaded.https.as_ref();
    let acceptor =
        acceptor.map(|shown| https::acceptor(&shown.identity, &loaded.authorities, &config, &metrics, time.now()));
    let acceptor = acceptor.transpose()?;
    let listener = loaded.https.and_then(|shown| shown.own).map(|(key, certificate)| {
        let names = config.listen.certificate_names(&loaded.identity.public_url);
        let names = names.map_err(|fault| Failed::usage(&format!("listen.https_names: {fault}")))?;
        Ok::<_, Failed>(Listener { key, names, certificate })
    });
    let keys = KeyParts {
        store: Arc::new(FolderKeys { folder: folder.clone(), custody }),
        acceptor: acceptor.clone(),
        listener: listener.transpose()?,
    };
    let witnesses = policy.map(|policy| outside::witnesses(policy, ledger.reader(), &config.witnesses, &folder));
    let witnesses = witnesses.transpose()?;
    let runtime = all_the_cores().map_err(|error| Failed::fault(&error))?;
    let (rails, simulated) = rails::rails(&config, &time, runtime.handle())?;
    let service = Service::new(ServiceParts {
        ledger,
        witnesses: witnesses.clone(),
        checkpoints: Some(checkpoints),
        endpoints,
        authorities: Authorities::new(loaded.authorities),
        time,
        entropy: Arc::new(OsEntropy),
        metrics: metrics.clone(),
        quota: Quota::new(config.tsa.quota_per_address_per_minute, config.tsa.quota_loopback_exempt),
        policy_hash,
        description: json!({
            "name": loaded.identity.organisation,
            "country": loaded.identity.country,
            "organisation_identifier": loaded.identity.organisation_identifier,
            "public_url": loaded.identity.public_url,
            "utc_laboratories": config.clock.utc_laboratories,
            "version": env!("CARGO_PKG_VERSION"),
        }),
        base_url: loaded.identity.public_url.clone(),
        responders: loaded.responders,
        subject: loaded.identity.subject(""),
        test: config.clock.source == ClockSource::Assumed,
        registration: applications::parts(&folder, &config, read_only.is_none() && !args.check)?,
        keys: Some(keys).filter(|_| read_only.is_none()),
        policies,
        statements,
        notices: notices::parts(loaded.notices, &config),
        key_wrap: loaded.key_wrap,
        exchange: exchange::parts(loaded.arbiter, &config, &folder)?,
        rails,
        notary: notary::parts(loaded.notary, &config, &loaded.identity.public_url)?,
    })
    .map_err(|error| Failed::fault(&error))?;
    exchange::recall(&service, &folder)?;
    rails::recall(simulated, &service)?;
    for (role, digest, why) in service.idle_grants() {
        doubts.push(format!("roles.toml: {} is granted to {digest}: {why}", role.name()));
    }
    if let Some(mark) = &read_only {
        tracing::error!("READ-ONLY: {mark}");
        service.halt(&mark.to_string());
    }
    let Some((http, admin)) = addresses else {
        clock.sample();
        look_at_disk(&service, &args.data, config.storage.disk_free_min_bytes);
        let (sentence, unready) = ("settings, keys, certificates and ledger are in order", service.unready());
        if as_json {
            say::json(&json!({ "ok": sentence, "doubts": doubts, "not_ready": unready }));
        } else {
            say::out(sentence);
            doubts.iter().for_each(|doubt| say::out(format!("is that meant? {doubt}")));
            unready.iter().for_each(|why| say::out(format!("it would not be ready now: {why}")));
        }
        return Ok(if unready.is_empty() { Exit::Ok } else { Exit::Falsified });
    };

    doubts.iter().for_each(|doubt| tracing::warn!("{doubt}"));
    let sampling = clock.start_sampling().map_err(|error| Failed::fault(&error))?;
    if clock.source_name() == "assumed" {
        tracing::warn!("TEST SERVICE: the clock is assumed to be right; its timestamps prove nothing");
    }
    let recorder = {
        let service = if read_only.is_some() { Weak::new() } else { Arc::downgrade(&service) };
        std::thread::Builder::new()
            .name("clock-record".to_owned())
            .spawn(move || record(&happened, |fact| append(&service, fact)))
    }
    .map_err(|error| Failed::fault(&error))?;
    let ready = |at: &Listening| say_listening(at, as_json);
    let reserved = Addresses { http, admin, https: https_address.zip(acceptor) };
    if let Some(witnesses) = witnesses {
        runtime.spawn(witnesses.run(Arc::downgrade(&service)));
    }
    let exit = runtime.block_on(listen(&config, &args.data, service.clone(), &metrics, &mut fatally, reserved, ready));
    // Tasks that still hold the service, such as the renewal of CRLs, end with the runtime.
    runtime.shutdown_timeout(Duration::from_secs(5));
    sampling.stop();
    drop(clock);
    // Closes the ledger, then the clock; with the clock gone the recorder ends.
    drop(service);
    let _ = recorder.join(); // its panic was printed
    exit
}

/// What is listened at.
struct Addresses {
    http: Reserved,
    admin: Reserved,
    https: Option<(Reserved, Arc<Acceptor>)>,
}

async fn listen(
    config: &Config,
    data: &Path,
    service: Arc<Service>,
    metrics: &Arc<Metrics>,
    fatally: &mut watch::Receiver<bool>,
    Addresses { http, admin, https }: Addresses,
    ready: impl FnOnce(&Listening),
) -> Result<Exit, Failed> {
    let (http, admin) = (http.listen()?, admin.listen()?);
    let https = https.map(|(https, acceptor)| Ok::<_, Failed>((https.listen()?, acceptor))).transpose()?;
    let at = Listening {
        http: address_of(&http)?,
        admin: address_of(&admin)?,
        https: https.as_ref().map(|(https, _)| address_of(https)).transpose()?,
    };

    look_at_disk(&service, data, config.storage.disk_free_min_bytes);
    // A ledger that takes nothing more gets no CRLs and no diary either.
    if !service.is_halted() {
        record_policies(&service).await?;
        let crls = {
            let service = service.clone();
            tokio::task::spawn_blocking(move || service.renew_crls())
        };
        let next_crls = match crls.await.map_err(|error| Failed::fault(&error))? {
            Ok(at) => Some(at),
            // What is there can be served; readiness says what is missing.
            Err(fault) if fault.is_of_time() => None,
            Err(fault) => return Err(Failed::fault(&fault)),
        };
        tokio::spawn(service.clone().keep_crls_fresh(next_crls, config.ca.crl_delay()));
        let by_hand = config.keys.rotate_by_hand;
        let done = look_at_keys(&service, by_hand).await;
        tokio::spawn(watch_keys(service.clone(), by_hand, done));
        tokio::spawn(applications::watch(service.clone()));
        service.begin_journal().map_err(|error| Failed::fault(&error))?;
        if config.notary.enabled {
            tracing::info!(acts = "/v1/notary/acts", dvcs = "/dvcs", "the notary is open");
        }
        tokio::spawn(notary::watch(service.clone()));
        if config.exchange.enabled {
            exchange::begin(&service, data).await;
            tracing::info!(path = "/v1/exchanges/", "the arbiter is open");
            payments_in_background(&service);
        }
        notices::begin(&service, config, data)?;
    }
    tokio::spawn(watch_disk(service.clone(), data.to_owned(), config.storage.disk_free_min_bytes));

    let (limits, body_limits) = limits_of(&config.limits);
    let (stop, stopped) = watch::channel(false);
    let app = Arc::new(App { service: service.clone(), limits: body_limits });
    let served = |router| Served { router, label: router::label, metrics: metrics.http().clone() };
    let https = https.map(|(https, acceptor)| {
        let served = served(router::secure(app.clone()));
        tokio::spawn(server::serve_tls(https, acceptor, served, limits, stopped.clone()))
    });
    let http = tokio::spawn(server::serve(http, served(router::plain(app)), limits, stopped));
    let (stop_admin, admin_stopped) = watch::channel(false);
    let admin = tokio::spawn(server::serve(admin, served(admin::routes(service.clone())), limits, admin_stopped));

    // Before the line: whoever waits for it may send SIGTERM at once, which without a listener kills the process.
    let signalled = signals();
    ready(&at);
    let https_address = at.https.map(tracing::field::display);
    tracing::info!(http = %at.http, admin = %at.admin, https = https_address, "listening");
    service.unready().iter().for_each(|why| tracing::warn!(why, "not ready"));

    let fatal = tokio::select! {
        signal = signalled => { tracing::info!(signal, "stopping"); false }
        _ = fatally.wait_for(|fatal| *fatal) => true,
    };
    service.drain();
    let _ = stop.send(true); // the listeners are there, or gone already
    let ended = async {
        let _ = http.await; // a panic was printed
        if let Some(https) = https {
            let _ = https.await;
        }
    };
    if tokio::time::timeout(config.shutdown.drain(), ended).await.is_err() {
        tracing::warn!("some connections did not end within shutdown.drain_secs");
    }
    let _ = stop_admin.send(true);
    let _ = tokio::time::timeout(Duration::from_secs(1), admin).await; // a scrape may be lost
    if fatal {
        return Err(Failed(Exit::Fault, "the ledger stopped; start again to recover (see the log)".to_owned()));
    }
    if service.is_halted() {
        return Ok(Exit::Ok);
    }
    let last = service.clone();
    let recorded = tokio::task::spawn_blocking(move || last.record(OpsFact::Stopped)).await;
    if let Ok(Err(error)) = recorded {
        tracing::warn!(%error, "the end of the service got no ledger entry");
    }
    if let Some(witnesses) = service.witnesses()
        && !witnesses.show_last().await
    {
        tracing::warn!("no quorum of witnesses cosigned the last checkpoint: only the anchor and exports know of it");
    }
    Ok(Exit::Ok)
}

/// What runs here: version and configuration, as the fact of the start names it.
fn build(folder: &DataFolder, args: &cli::Serve) -> Result<Digest, Failed> {
    let file = folder.config_file(args.config.as_deref());
    let configuration = std::fs::read(&file);
    let configuration =
        configuration.map_err(|error| Failed::usage(&format!("cannot read {}: {error}", file.display())))?;
    Ok(Digest::of(&[env!("CARGO_PKG_VERSION").as_bytes(), &[0], &configuration].concat()))
}

fn look_at_disk(service: &Service, data: &Path, min: u64) {
    // Written when a backup is finished, by another process.
    if let Ok(index) = std::fs::metadata(data.join(BACKUP_INDEX)) {
        service.metrics().backup_finished(index.mtime());
    }
    match disk::free_bytes(data) {
        Ok(free) => service.disk_free(free, min),
        Err(error) => {
            tracing::error!(%error, "the free space cannot be read; it counts as none");
            service.disk_free(0, min);
        }
    }
}

/// Brings the policies of this start into force, before anything is decided by them.
async fn record_policies(service: &Arc<Service>) -> Result<(), Failed> {
    let recording = {
        let service = service.clone();
        tokio::task::spawn_blocking(move || service.record_policies())
    };
    match recording.await.map_err(|error| Failed::fault(&error))? {
        Ok(()) => {}
        Err(fault) if fault.is_of_time() => drop(tokio::spawn(service.clone().keep_recording_policies())),
        Err(fault) => return Err(Failed::fault(&fault)),
    }
    if TrustedRole::ALL.iter().all(|role| service.policies().roles().holders(*role) == 0) {
        tracing::warn!("nobody holds a trusted role, so nobody can revoke: grant some in {ROLES} of the data folder");
    }
    Ok(())
}

/// Looks at keys once. False if it is to be looked again soon.
async fn look_at_keys(service: &Arc<Service>, by_hand: bool) -> bool {
    let service = service.clone();
    tokio::task::spawn_blocking(move || service.look_at_keys(by_hand)).await.unwrap_or(false) // its panic was printed
}

/// Looks at keys every day; after what failed soon again, and at longer and longer intervals if the time was not the reason.
async fn watch_keys(service: Arc<Service>, by_hand: bool, mut done: bool) {
    let mut retry = KEYS_RETRY;
    loop {
        tokio::select! {
            () = tokio::time::sleep(if done { KEYS_INTERVAL } else { retry }) => {}
            () = service.keys_due() => {}
        }
        done = look_at_keys(&service, by_hand).await;
        retry = if done || !service.has_time() { KEYS_RETRY } else { (retry * 2).min(KEYS_RETRY_MAX) };
    }
}

async fn watch_disk(service: Arc<Service>, data: std::path::PathBuf, min: u64) {
    let mut interval = tokio::time::interval(DISK_INTERVAL);
    loop {
        interval.tick().await;
        let (service, data) = (service.clone(), data.clone());
        // A hanging disk must hang this thread and no other.
        let _ = tokio::task::spawn_blocking(move || look_at_disk(&service, &data, min)).await;
    }
}

/// Counts what the sequencer does, and ends the process when it stops.
struct Watcher {
    metrics: Arc<Metrics>,
    fatal: watch::Sender<bool>,
}

impl Observer for Watcher {
    fn committed(&self, report: &GroupReport) {
        self.metrics.committed(report);
    }

    fn refused(&self, refused: &Refused) {
        self.metrics.refused(refused);
        match refused {
            Refused::TagSeen { .. }
            | Refused::StepTaken { .. }
            | Refused::KeyTaken { .. }
            | Refused::ClockBehind { .. } => {
                tracing::error!(%refused, "the ledger refused a commit");
            }
            Refused::Signing(_) => tracing::error!(%refused, "a commit group could not be signed"),
            Refused::Busy
            | Refused::Draining
            | Refused::Stale { .. }
            | Refused::KeyReused { .. }
            | Refused::Stopped => {}
        }
    }

    fn stopped(&self, why: &str) {
        tracing::error!(why, "the ledger has lost certainty about what is on disk; the process ends");
        let _ = self.fatal.send(true); // nobody listens only when the process is ending anyway
    }
}
