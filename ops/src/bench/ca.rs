//! Area `ca`: certificates issued and revoked inside this process, their status over HTTP, lists with many revocations.

mod load;
mod many;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use semper_api::metrics::Metrics;
use semper_api::quota::Quota;
use semper_api::{Authorities, Policies, RegistrationParts, Service, ServiceParts, Statements, TimeSource, ToIssue};
use semper_ledger::erasure::MemoryJournal;
use semper_ledger::ledger::{Ledger, Parts};
use semper_ttp::asn1::der;
use semper_ttp::ca::name::{AlternativeNames, DistinguishedName};
use semper_ttp::ca::ocsp::{HashAlgorithm, IssuerHashes};
use semper_ttp::ca::profile::Profile;
use semper_ttp::ca::request::CertificationRequest;
use semper_ttp::ca::{Authority, CaId};
use semper_ttp::clock::{Health, State};
use semper_ttp::crypto::{LogVerifier, OsEntropy, SignatureAlgorithm, Signer, SoftKey};
use semper_ttp::digest::Digest;
use semper_ttp::time::Timestamp;
use semper_ttp::timestamp::ClockVerdict;
use semper_ttp::x509::Certificate;

use super::callers::{Groups, WallClock};
use super::place::Server;
use super::sample::rounds;
use super::{Failed, Figure, Goal, Place, signing};
use crate::clock::Readings as _;
use crate::clock::SystemReadings;
use crate::data::{DataFolder, sequencer_settings};
use crate::progress::Progress;
use load::Load;

const AREA: &str = "ca";
const PARTY_CA: CaId = CaId::first(Authority::Party);
/// Applicants; each has a key and a certification request that is verified again for every certificate.
const APPLICANTS: usize = 64;
/// Certificates that wait for their commit at once.
const IN_FLIGHT: usize = 1_024;
const CONNECTIONS: u32 = 64;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(4);

/// Everything of the area; `revoked` certificates in the large part.
///
/// # Errors
/// Anything that is not what was asked for.
pub(crate) fn measure(place: &Place, revoked: u64, progress: &Progress) -> Result<Vec<Figure>, Failed> {
    let data = place.init("ca")?;
    let mut figures = vec![issued(&data, progress)?];
    figures.extend(answered(&data, progress)?);
    place.clear("ca")?;
    figures.extend(many::measure(place, revoked, progress)?);
    Ok(figures)
}

/// The system's clock as a service asks it; nobody vouches for it.
struct WallTime(SystemReadings);

impl TimeSource for WallTime {
    fn check(&self) -> (Timestamp, ClockVerdict) {
        (self.now(), ClockVerdict::Assumed)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.read().wall.as_millis() as u64)
    }

    fn health(&self) -> Health {
        let bound = Some(Duration::from_millis(1));
        Health { state: State::Synced, stopped_by: None, observation: None, bound, sample_age: None }
    }

    fn name(&self) -> &'static str {
        "assumed"
    }
}

/// The service of a folder in this process, without its listeners.
fn service_in(data: &Path) -> Result<Arc<Service>, Failed> {
    let folder = DataFolder::open(data)?;
    let config = folder.config(None)?;
    let loaded = folder.load(&config)?;
    let ledger = Ledger::open(Parts {
        store: loaded.store,
        anchor: loaded.anchor,
        journal: Arc::new(MemoryJournal::default()),
        keys: loaded.log_keys,
        verifier: Arc::new(LogVerifier),
        clock: Arc::new(WallClock::new()),
        observer: Arc::new(Groups::default()),
        settings: sequencer_settings(&config.ledger),
        tile_cache_bytes: config.ledger.tile_cache_bytes,
    })?;
    let service = Service::new(ServiceParts {
        ledger,
        endpoints: Vec::new(),
        authorities: Authorities::new(loaded.authorities),
        time: Arc::new(WallTime(SystemReadings::new())),
        entropy: Arc::new(OsEntropy),
        metrics: Arc::new(Metrics::new(&loaded.identity.origin)),
        quota: Quota::new(1, true),
        witnesses: None,
        checkpoints: None,
        policy_hash: crate::data::policy_hash(&config),
        description: serde_json::Value::Null,
        base_url: loaded.identity.public_url.clone(),
        responders: loaded.responders,
        subject: loaded.identity.subject(""),
        test: true,
        registration: RegistrationParts::default(),
        keys: None,
        policies: Policies::builtin(),
        statements: Statements::default(),
        notices: None,
        notary: None,
        exchange: None,
        rails: Vec::new(),
        key_wrap: None,
    })?;
    service.record_policies()?;
    Ok(service)
}

/// A certification request (PKCS #10) by a new key.
fn certification_request() -> Result<Vec<u8>, Failed> {
    let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256)?;
    let version = der::tlv(der::INTEGER, &[0]);
    let info = der::sequence(&[&version, &der::sequence(&[]), key.spki_der(), &der::tlv(der::CONTEXT_0, &[])]);
    let signature = der::tlv(der::BIT_STRING, &[&[0], &key.sign(&info)?[..]].concat());
    Ok(der::sequence(&[&info, key.algorithm().identifier_der(), &signature]))
}

/// What stands in the certificates that are measured.
fn wanted(subject: DistinguishedName, request: &CertificationRequest) -> ToIssue {
    ToIssue {
        ca: PARTY_CA,
        profile: Profile::named("party-legal"),
        subject,
        alternative_names: AlternativeNames::default(),
        spki_der: request.spki_der().to_vec(),
        serial: None,
        registration: vec![0x5A; 16],
        request: request.digest(),
    }
}

/// Lets so many through at once. Whoever waits is woken when half of them have left, not by each: to wake somebody costs as much as
/// what is measured.
struct Gate {
    inside: Mutex<usize>,
    left: Condvar,
}

impl Gate {
    fn enter(&self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        while *inside >= IN_FLIGHT {
            inside = self.left.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        *inside += 1;
    }

    fn leave(&self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        *inside -= 1;
        if *inside == IN_FLIGHT / 2 {
            self.left.notify_all();
        }
    }
}

/// Certificates a second: proof of possession verified, built, linted, signed, committed and synced.
fn issued(data: &Path, progress: &Progress) -> Result<Figure, Failed> {
    let service = service_in(data)?;
    let requests = (0..APPLICANTS).map(|_| certification_request()).collect::<Result<Vec<_>, _>>()?;
    let subject: DistinguishedName = (&DataFolder::open(data)?.identity()?.subject("Applicant")).into();
    let before = service.reader().size();
    let rounds = rounds(
        &mut (),
        |()| signing::limit(progress),
        |()| {
            progress.add(1);
            issue_for(MEASURED, &service, &requests, &subject)
        },
    )?;
    let entries = service.reader().size() - before;
    Ok(signing::figure(AREA, "certificates issued", &rounds, Goal::TimesLimitAtLeast(0.12)).under(
        format!(
            "in this process, {} threads, {IN_FLIGHT} waiting for their commit at most; each request's signature verified, \
             certificate linted, signed with P-256, synced and anchored; {entries} entries written; at least 4,000/s is asked, too",
            signing::PROCESSES,
        ),
    ))
}

fn issue_for(
    time: Duration,
    service: &Arc<Service>,
    requests: &[Vec<u8>],
    subject: &DistinguishedName,
) -> Result<f64, Failed> {
    let gate = Arc::new(Gate { inside: Mutex::new(0), left: Condvar::new() });
    let outcome = Arc::new(Mutex::new((0_u64, None::<String>)));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..signing::PROCESSES as usize {
            let (gate, outcome) = (&gate, &outcome);
            scope.spawn(move || {
                let mut at = thread;
                while start.elapsed() < time {
                    at += 1;
                    gate.enter();
                    let Ok(request) = CertificationRequest::from_der(&requests[at % requests.len()]) else {
                        return gate.leave();
                    };
                    let (gate, outcome) = (gate.clone(), outcome.clone());
                    service.issue_then(&wanted(subject.clone(), &request), move |issued| {
                        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                        match issued {
                            Ok(_) => outcome.0 += 1,
                            Err(fault) => outcome.1 = Some(fault.to_string()),
                        }
                        gate.leave();
                    });
                }
            });
        }
    });
    // What still waits for its commit is counted, and its time too.
    while *gate.inside.lock().unwrap_or_else(PoisonError::into_inner) > 0 {
        std::thread::yield_now();
    }
    let seconds = start.elapsed().as_secs_f64();
    let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    match &outcome.1 {
        Some(why) => Err(Failed(format!("a certificate was not issued: {why}"))),
        None => Ok(outcome.0 as f64 / seconds),
    }
}

/// OCSP over HTTP from a server in a process of its own: GET out of the cache, POST with a nonce.
fn answered(data: &Path, progress: &Progress) -> Result<[Figure; 2], Failed> {
    let certificate = |name: &str| -> Result<Certificate, Failed> { Ok(DataFolder::open(data)?.certificate(name)?) };
    let (ca, leaf) = (certificate("ca-party")?, certificate("officer")?);
    let id = IssuerHashes::of(&ca).cert_id(HashAlgorithm::Sha1, &leaf.serial());
    let id = id.ok_or_else(|| Failed("the officer's certificate has no serial number".to_owned()))?;
    let server = Server::start(data)?;
    let get = load::get(&id);
    let length = load::body_of(server.http, &get)?.len();
    let bare = load::Bare::start(length)?;
    let run = |address, request: &load::Request| {
        load::run(Load { address, connections: CONNECTIONS, warm_up: WARM_UP, measured: MEASURED }, request)
    };
    let cached = rounds(
        &mut (),
        |()| {
            progress.add(1);
            run(bare.address, &load::bare(&get))
        },
        |()| {
            progress.add(1);
            run(server.http, &get)
        },
    )?;
    drop(bare);
    let post = load::post(&id);
    let signed = rounds(
        &mut (),
        |()| signing::limit(progress),
        |()| {
            progress.add(1);
            run(server.http, &post)
        },
    )?;
    server.stop()?;
    let conditions = format!(
        "{CONNECTIONS} keep-alive connections, closed loop, load generator on the same cores (1 thread); {} s after {} s of \
         warm-up; every answer checked for 200 and successful; {length} octets",
        MEASURED.as_secs(),
        WARM_UP.as_secs(),
    );
    let cached = Figure::beside(AREA, "OCSP by GET, cached", "/s", &cached, Goal::TimesLimitAtLeast(0.7))
        .against("a bare axum handler that returns as many octets, on the same server loop and as many threads")
        .under(conditions.clone());
    let signed = signing::figure(AREA, "OCSP by POST with a nonce", &signed, Goal::TimesLimitAtLeast(0.35))
        .under(format!("{conditions}; a nonce of 32 octets, another in each request"));
    Ok([cached, signed])
}

/// SHA-256 of nothing: what stands where no officer's certificate is.
fn nobody() -> Digest {
    Digest::of(b"")
}
