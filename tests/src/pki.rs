//! A root and its issuing CAs inside this process, with certificates, lists and OCSP served over HTTP: for certificates of every
//! profile, keys of every kind, shards, and for what a service never does, such as a certificate that stands in no ledger.
//!
//! The ledger is in memory and the clock stands until a test moves it. It begins a minute behind the machine's, by which strangers
//! judge: what is issued some seconds later is not in their future.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use semper_api::metrics::Metrics;
use semper_api::quota::Quota;
use semper_api::router::{self, App, BodyLimits};
use semper_api::server::{self, Limits, Served};
use semper_api::{
    Authorities, AuthorityKey, Policies, RegistrationParts, ResponderKey, Service, ServiceParts, Statements,
    TimeSource, ToIssue, ToRevoke,
};
use semper_ledger::anchor::memory::MemoryAnchor;
use semper_ledger::erasure::MemoryJournal;
use semper_ledger::ledger::{Ledger, Parts, create};
use semper_ledger::note::NoteSigner;
use semper_ledger::sequencer::{Clock, LogKeys, SequencerSettings};
use semper_ledger::store::memory::MemoryStore;
use semper_ttp::asn1::{der, pem};
use semper_ttp::ca::certificate::{CertificateSerial, Issuer, Template, prepare};
use semper_ttp::ca::crl::Reason;
use semper_ttp::ca::name::{AlternativeNames, Attribute, DistinguishedName, Subject};
use semper_ttp::ca::ocsp::{CertId, HashAlgorithm, IssuerHashes};
use semper_ttp::ca::profile::Profile;
use semper_ttp::ca::{Authority, CaId};
use semper_ttp::clock::{Health, State};
use semper_ttp::crypto::{
    Entropy as _, KeyKind, LogSigner, LogVerifier, OsEntropy, SignatureAlgorithm, Signer, SoftKey,
};
use semper_ttp::digest::Digest;
use semper_ttp::evidence::KeyId;
use semper_ttp::time::Timestamp;
use semper_ttp::timestamp::ClockVerdict;
use semper_ttp::x509::{Certificate, Period};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::http::{Connection, get};

/// Seconds of a day.
pub const DAY_SECS: u64 = 24 * 3600;

/// What a hierarchy is like.
pub struct PkiSettings {
    /// How all its CAs sign.
    pub algorithm: SignatureAlgorithm,
    /// Into how many shards each CA's certificates are divided.
    pub shards: u32,
    /// What its certificates name as the place of lists and responders; `None` for the place at which they really are.
    pub base_url: Option<&'static str>,
    /// Profiles besides those that come with the program.
    pub profiles: Vec<Arc<Profile>>,
}

impl Default for PkiSettings {
    fn default() -> Self {
        Self { algorithm: SignatureAlgorithm::EcdsaP256Sha256, shards: 0, base_url: None, profiles: Vec::new() }
    }
}

/// The hierarchy, running. Dropping it ends its server.
pub struct Pki {
    service: Arc<Service>,
    now: Arc<Now>,
    cas: BTreeMap<Authority, Ca>,
    base_url: String,
    http: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

struct Ca {
    certificate: Certificate,
    key: Arc<SoftKey>,
}

/// A certificate with its private key.
pub struct Holder {
    /// The certificate.
    pub certificate: Certificate,
    /// The key.
    pub key: PKey<Private>,
}

impl Pki {
    /// A new one.
    ///
    /// # Panics
    /// Something of it cannot be made.
    #[must_use]
    pub fn new(settings: &PkiSettings) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let http = listener.local_addr().expect("its address");
        let base_url = settings.base_url.map_or_else(|| format!("http://{http}"), str::to_owned);
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let start = since_1970 - Duration::from_secs(60);
        let now = Arc::new(Now(AtomicU64::new(start.as_millis() as u64)));
        let disk = Disk::new();
        let mut cas = BTreeMap::from([(Authority::Root, root(settings.algorithm, &base_url, now.now()))]);
        let first = service(&disk, &now, authorities(&cas, 0), Vec::new(), &base_url, &settings.profiles);
        for authority in Authority::ISSUING {
            let key = Arc::new(SoftKey::generate(settings.algorithm).expect("a key"));
            let subject = subject(authority.name());
            let wanted = wanted(Authority::Root, Profile::named("issuing-ca"), (&subject).into(), key.spki_der());
            let certificate = first.issue(&wanted).expect("a CA's certificate").certificate;
            cas.insert(authority, Ca { certificate, key });
        }
        drop(first);
        let responder = |authority: Authority| {
            let key = KeyId::new(authority.responder_purpose()?, 1);
            let signer = Arc::new(SoftKey::generate(settings.algorithm).expect("a key"));
            Some(ResponderKey { authority, key, signer })
        };
        let responders = Authority::ISSUING.into_iter().filter_map(responder).collect();
        let service =
            service(&disk, &now, authorities(&cas, settings.shards), responders, &base_url, &settings.profiles);
        service.renew_crls().expect("lists");
        service.renew_responders().expect("responders");
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn({
            let service = service.clone();
            move || serve(listener, service, stopped)
        });
        Self { service, now, cas, base_url, http, stop, thread: Some(thread) }
    }

    /// Where it is served.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// `http://HOST:PORT` as certificates name it.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The service's own time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now.now()
    }

    /// Moves the clock on.
    pub fn pass(&self, secs: u64) {
        self.now.0.fetch_add(secs * 1000, Ordering::Relaxed);
    }

    /// The certificate of a CA.
    #[must_use]
    pub fn ca(&self, authority: Authority) -> &Certificate {
        &self.cas[&authority].certificate
    }

    /// Issues a certificate.
    ///
    /// # Panics
    /// It is refused.
    #[must_use]
    pub fn issue(&self, authority: Authority, profile: &Arc<Profile>, key: PKey<Private>, names: Names) -> Holder {
        let spki_der = key.public_key_to_der().expect("a public key");
        let wanted = wanted(authority, profile.clone(), names.0, &spki_der);
        let issued = self.service.issue(&ToIssue { alternative_names: names.1, ..wanted });
        let certificate = issued.unwrap_or_else(|fault| panic!("{}: {fault}", profile.name())).certificate;
        Holder { certificate, key }
    }

    /// Issues one for a legal person.
    #[must_use]
    pub fn issue_party(&self) -> Holder {
        let names = Names::from(&subject("Example"));
        self.issue(Authority::Party, &Profile::named("party-legal"), private_key(KeyKind::EcdsaP256), names)
    }

    /// A certificate for a legal person that the CA's key has signed and that stands in no ledger.
    ///
    /// # Panics
    /// It cannot be built.
    #[must_use]
    pub fn never_issued(&self) -> Holder {
        let (ca, key) = (&self.cas[&Authority::Party], private_key(KeyKind::EcdsaP256));
        let issuer = Issuer::new(Authority::Party, &ca.certificate, ca.key.algorithm()).expect("an issuer");
        let spki_der = key.public_key_to_der().expect("a public key");
        let template =
            template(Profile::named("party-legal"), &subject("Example"), &spki_der, &self.base_url, self.now());
        let unsigned = prepare(&template, &issuer).expect("octets to be signed");
        let signature = ca.key.sign(unsigned.message()).expect("a signature");
        Holder { certificate: unsigned.finish(&signature).expect("a certificate"), key }
    }

    /// Revokes a certificate. Its list follows with [`Self::renew_lists`].
    ///
    /// # Panics
    /// It is refused.
    pub fn revoke(&self, authority: Authority, certificate: &Certificate, reason: Reason) {
        let (ca, serial, officer) = (CaId::first(authority), certificate.serial(), Digest::of(b"officer"));
        self.service.revoke(&ToRevoke { ca, serial, reason, officer, idempotency: None }).expect("a revocation");
    }

    /// Issues every list that lacks something or has lived half its life.
    ///
    /// # Panics
    /// One cannot be issued.
    pub fn renew_lists(&self) {
        self.service.renew_crls().expect("lists");
    }

    /// The newest list of a place such as `ca-party` or `ca-party/2`, over HTTP.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn list(&self, place: &str) -> Vec<u8> {
        let response = get(self.http, &format!("/crl/{place}.crl"));
        assert_eq!(response.status, 200, "{place}");
        response.body
    }

    /// The name of one certificate in OCSP.
    ///
    /// # Panics
    /// The serial number is none.
    #[must_use]
    pub fn cert_id(&self, authority: Authority, hash: HashAlgorithm, serial: &[u8]) -> CertId {
        IssuerHashes::of(self.ca(authority)).cert_id(hash, serial).expect("a serial number")
    }

    /// What the responder answers to these octets, over HTTP.
    ///
    /// # Panics
    /// Nothing.
    #[must_use]
    pub fn ask(&self, request: &[u8]) -> Vec<u8> {
        let mut connection = Connection::open(self.http).expect("a connection");
        let headers = [("content-type", "application/ocsp-request")];
        let response = connection.request("POST", "/ocsp", &headers, request).expect("an answer");
        assert_eq!(response.status, 200, "{response:?}");
        response.body
    }

    /// Writes the certificates of all CAs into a folder: `root.pem`, `ca-party.pem` and so on.
    ///
    /// # Panics
    /// The folder cannot be written.
    pub fn write_cas(&self, folder: &Path) {
        for (authority, ca) in &self.cas {
            write_pem(folder, authority.name(), &ca.certificate);
        }
    }
}

impl Drop for Pki {
    fn drop(&mut self) {
        // The server has gone only if it panicked, which was printed.
        let _ = self.stop.send(true);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Writes a certificate as PEM and gives its place.
///
/// # Panics
/// The folder cannot be written.
pub fn write_pem(folder: &Path, name: &str, certificate: &Certificate) -> PathBuf {
    let path = folder.join(format!("{name}.pem"));
    fs::write(&path, pem::encode("CERTIFICATE", certificate.der())).expect("written");
    path
}

/// An OCSP request about these certificates (RFC 6960 §4.1.1).
#[must_use]
pub fn ocsp_request(about: &[CertId], nonce: Option<&[u8]>) -> Vec<u8> {
    let list: Vec<u8> = about.iter().flat_map(|id| der::sequence(&[id.der()])).collect();
    let extensions = nonce.map_or(Vec::new(), |nonce| {
        let value = der::tlv(der::OCTET_STRING, &der::tlv(der::OCTET_STRING, nonce));
        let id = [6, 9, 0x2B, 6, 1, 5, 5, 7, 0x30, 1, 2];
        der::tlv(0xA2, &der::sequence(&[&der::sequence(&[&id, &value])]))
    });
    der::sequence(&[&der::sequence(&[&der::tlv(der::SEQUENCE, &list), &extensions])])
}

/// Whom a certificate names.
pub struct Names(pub DistinguishedName, pub AlternativeNames);

impl From<&Subject> for Names {
    fn from(subject: &Subject) -> Self {
        Self(subject.into(), AlternativeNames::default())
    }
}

impl Names {
    /// A distinguished name alone.
    #[must_use]
    pub fn of(attributes: &[(Attribute, &str)]) -> Self {
        let name = attributes.iter().map(|(attribute, text)| (*attribute, (*text).to_owned())).collect();
        Self(DistinguishedName(name), AlternativeNames::default())
    }

    /// Names of a server besides.
    #[must_use]
    pub fn with_dns(mut self, names: &[&str]) -> Self {
        self.1.dns = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }
}

/// An organisation and what it calls its holder.
#[must_use]
pub fn subject(common_name: &str) -> Subject {
    Subject {
        country: "FR".to_owned(),
        organization: "Étude Exemple".to_owned(),
        organization_identifier: "NTRFR-123456789".to_owned(),
        common_name: common_name.to_owned(),
    }
}

/// A new key.
///
/// # Panics
/// libcrypto cannot make one.
#[must_use]
pub fn private_key(kind: KeyKind) -> PKey<Private> {
    let on_curve =
        |curve| EcGroup::from_curve_name(curve).and_then(|group| EcKey::generate(&group)).and_then(PKey::from_ec_key);
    let made = match kind {
        KeyKind::EcdsaP256 => on_curve(Nid::X9_62_PRIME256V1),
        KeyKind::EcdsaP384 => on_curve(Nid::SECP384R1),
        KeyKind::Rsa3072 => Rsa::generate(3072).and_then(PKey::from_rsa),
        KeyKind::Ed25519 => PKey::generate_ed25519(),
    };
    made.expect("a key")
}

// ---- the service --------------------------------------------------------------------------------------------------------

/// Stands until a test moves it.
struct Now(AtomicU64);

impl TimeSource for Now {
    fn check(&self) -> (Timestamp, ClockVerdict) {
        (self.now(), ClockVerdict::Synced)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn health(&self) -> Health {
        let bound = Some(Duration::from_millis(1));
        Health { state: State::Synced, stopped_by: None, observation: None, bound, sample_age: None }
    }

    fn name(&self) -> &'static str {
        "kernel"
    }
}

impl Clock for Now {
    fn now_ms(&self) -> u64 {
        self.now().millis()
    }

    fn wait_ms(&self, _: u64) {}
}

/// What outlives a service: its store, anchor and log keys.
struct Disk {
    store: MemoryStore,
    anchor: MemoryAnchor,
    keys: [Arc<SoftKey>; 2],
}

impl Disk {
    fn new() -> Self {
        let keys = [SignatureAlgorithm::Ed25519, SignatureAlgorithm::EcdsaP256Sha256];
        let keys = keys.map(|algorithm| Arc::new(SoftKey::generate(algorithm).expect("a key")));
        let disk = Self { store: MemoryStore::default(), anchor: MemoryAnchor::default(), keys };
        create(&disk.store, &disk.anchor, disk.log_keys().identity()).expect("a ledger");
        disk
    }

    fn log_keys(&self) -> LogKeys {
        let [note, receipt] =
            self.keys.each_ref().map(|key| Arc::new(LogSigner::new(key.clone()).expect("a log's key")));
        LogKeys::new(NoteSigner::new("log.example/test", note).expect("a signer"), receipt, "http://log.example")
    }
}

fn service(
    disk: &Disk,
    now: &Arc<Now>,
    authorities: Authorities,
    responders: Vec<ResponderKey>,
    base_url: &str,
    profiles: &[Arc<Profile>],
) -> Arc<Service> {
    let mut policies = Policies::builtin();
    profiles.iter().for_each(|profile| policies.set_profile(profile.clone()));
    let ledger = Ledger::open(Parts {
        store: Arc::new(disk.store.clone()),
        anchor: Arc::new(disk.anchor.clone()),
        journal: Arc::new(MemoryJournal::default()),
        keys: disk.log_keys(),
        verifier: Arc::new(LogVerifier),
        clock: now.clone(),
        observer: Arc::new(()),
        settings: SequencerSettings::default(),
        tile_cache_bytes: 0,
    });
    let service = Service::new(ServiceParts {
        ledger: ledger.expect("a ledger"),
        endpoints: Vec::new(),
        authorities,
        time: now.clone(),
        entropy: Arc::new(OsEntropy),
        metrics: Arc::new(Metrics::new("log.example/test")),
        quota: Quota::new(1, true),
        witnesses: None,
        checkpoints: None,
        policy_hash: Digest::of(b"policy"),
        description: serde_json::json!({}),
        base_url: base_url.to_owned(),
        responders,
        subject: subject("Service"),
        // The policies of the profiles are what a real service writes, and what a linter goes by.
        test: false,
        keys: None,
        policies,
        statements: Statements::default(),
        notices: None,
        notary: None,
        exchange: None,
        rails: Vec::new(),
        key_wrap: None,
        registration: RegistrationParts::default(),
    });
    let service = service.expect("a service");
    service.record_policies().expect("policies in force");
    service
}

fn authorities(cas: &BTreeMap<Authority, Ca>, shards: u32) -> Authorities {
    let held = |(authority, ca): (&Authority, &Ca)| AuthorityKey {
        ca: CaId::first(*authority),
        certificate: ca.certificate.der().to_vec(),
        issuer: Issuer::new(*authority, &ca.certificate, ca.key.algorithm()).expect("an issuer"),
        signer: Some(ca.key.clone()),
        crl_life_secs: authority.crl_life_secs(),
        shards: if *authority == Authority::Root { 0 } else { shards },
    };
    Authorities::new(cas.iter().map(held).collect())
}

fn root(algorithm: SignatureAlgorithm, base_url: &str, now: Timestamp) -> Ca {
    let key = Arc::new(SoftKey::generate(algorithm).expect("a key"));
    let subject = subject("root");
    let itself = Issuer::self_signed(&subject, key.spki_der(), algorithm).expect("an issuer");
    let template = template(Profile::named("root"), &subject, key.spki_der(), base_url, now);
    let unsigned = prepare(&template, &itself).expect("octets to be signed");
    let signature = key.sign(unsigned.message()).expect("a signature");
    Ca { certificate: unsigned.finish(&signature).expect("a root"), key }
}

fn template(profile: Arc<Profile>, subject: &Subject, spki_der: &[u8], base_url: &str, now: Timestamp) -> Template {
    let mut random = [0; 16];
    OsEntropy.fill(&mut random).expect("randomness");
    let not_after = now.plus_secs(u64::from(profile.life_days()) * DAY_SECS - 1);
    Template {
        policies: profile.policies().to_vec(),
        validity: Period { not_before: now, not_after },
        profile,
        subject: subject.into(),
        alternative_names: AlternativeNames::default(),
        spki_der: spki_der.to_vec(),
        serial: CertificateSerial::from_random(random),
        base_url: base_url.to_owned(),
        key_period: None,
        partition: 0,
    }
}

fn wanted(authority: Authority, profile: Arc<Profile>, subject: DistinguishedName, spki_der: &[u8]) -> ToIssue {
    ToIssue {
        ca: CaId::first(authority),
        profile,
        subject,
        alternative_names: AlternativeNames::default(),
        spki_der: spki_der.to_vec(),
        serial: None,
        registration: vec![5; 16],
        request: Digest::of(b"request"),
    }
}

fn serve(listener: std::net::TcpListener, service: Arc<Service>, stopped: watch::Receiver<bool>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("a listener");
        let metrics = service.metrics().http().clone();
        let limits = BodyLimits { body_bytes_max: 1 << 16, body_read_timeout: Duration::from_secs(10) };
        let router = router::plain(Arc::new(App { service, limits }));
        let limits = Limits {
            header_read_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            connections_max: 256,
            connections_per_address_max: 256,
        };
        server::serve(listener, Served { router, label: router::label, metrics }, limits, stopped).await;
    });
}
