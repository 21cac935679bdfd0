//! A service on a store in memory, with a clock and CAs of the test's own.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod audit;
pub(crate) mod certified;
pub(crate) mod delivery;
pub(crate) mod exchange;
pub(crate) mod http;
pub(crate) mod inline;
pub(crate) mod notary;
pub(crate) mod office;
pub(crate) mod openapi;
pub(crate) mod payment;
pub(crate) mod provider;
pub(crate) mod registered;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use semper_api::{
    Authorities, AuthorityKey, DvcsSettings, Endpoint, ExchangeParts, ItemSettings, NotaryParts, NotarySettings,
    NoticeParts, Policies, RailParts, RegistrationParts, ResponderKey, Service, ServiceParts, Statements, TimeSource,
    ToIssue,
    mailbox::{Mailbox, MailboxParts},
    metrics::Metrics,
    notices::Networks,
    promises::{Promises, PromisesParts},
    quota::Quota,
};
use semper_ledger::{
    anchor::memory::MemoryAnchor,
    complete::Completion,
    erasure::MemoryJournal,
    ledger::{Ledger, Parts, create},
    note::NoteSigner,
    reader::Reader,
    sequencer::{Clock, LogKeys, SequencerSettings},
    store::memory::MemoryStore,
};
use semper_ttp::{
    asn1::TEST_POLICY,
    ca::{
        Authority, CaId,
        certificate::{CertificateSerial, Issuer, Template, prepare},
        name::{AlternativeNames, Attribute, DistinguishedName, Subject},
        profile::Profile,
    },
    clock::{Health, State},
    crypto::{Entropy, LogSigner, LogVerifier, OsEntropy, SecretKey, SignError, SignatureAlgorithm, Signer, SoftKey},
    digest::{Digest, ImprintAlgorithm},
    evidence::{KeyId, KeyPurpose},
    money::RailId,
    notary::{ActType, dvcs::Accepted},
    payment::{
        callback::Secret,
        rail::{PaymentRail, RailClass},
        simulator::Simulator,
    },
    time::Timestamp,
    timestamp::ClockVerdict,
    vault::{KeyWrap, SoftKek},
    x509::{Certificate, Period},
};

/// 2026-03-01T12:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_772_366_400_000);
pub(crate) const DAY_SECS: u32 = 24 * 3600;
/// Runs of one party that the arbiter decides in a minute.
pub(crate) const RUNS_PER_MINUTE: u32 = 1_200;
/// Within what time the arbiter answers a request that it answers later.
pub(crate) const ANSWER_WITHIN_MS: u64 = 30_000;

/// A clock that stands, unless it is told to go on.
pub(crate) struct Now {
    millis: AtomicU64,
    /// How far it goes with each look at it, ms.
    step: AtomicU64,
}

impl Now {
    pub(crate) fn new() -> Self {
        Self { millis: AtomicU64::new(START.millis()), step: AtomicU64::new(0) }
    }

    /// From now on it goes with each look at it, as a real one does.
    pub(crate) fn go(&self) {
        self.step.store(1, Ordering::Relaxed);
    }

    pub(crate) fn at(&self, time: Timestamp) {
        self.millis.store(time.millis(), Ordering::Relaxed);
    }

    pub(crate) fn pass(&self, secs: u32) {
        self.millis.fetch_add(u64::from(secs) * 1000, Ordering::Relaxed);
    }
}

impl TimeSource for Now {
    fn check(&self) -> (Timestamp, ClockVerdict) {
        (self.now(), ClockVerdict::Synced)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.fetch_add(self.step.load(Ordering::Relaxed), Ordering::Relaxed))
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

    fn wait_ms(&self, ms: u64) {
        self.millis.fetch_add(ms, Ordering::Relaxed);
    }
}

/// What outlives a service: its store, anchor and log keys.
pub(crate) struct Disk {
    store: MemoryStore,
    anchor: MemoryAnchor,
    keys: [Arc<SoftKey>; 2],
    /// The notary's: of acts, of data validation certificates.
    notary: [Arc<SoftKey>; 2],
    /// The arbiter's, one for each generation.
    arbiter: Vec<Arc<SoftKey>>,
    /// Opens its escrows.
    escrow: Arc<SoftKey>,
    /// Messages that wait.
    beside: Arc<tempfile::TempDir>,
    /// Holds money, outside, whatever becomes of the service.
    pub(crate) rail: Arc<Simulator>,
    /// What stands in front of it, where the service does not ask it itself.
    pub(crate) provider: Option<Arc<dyn PaymentRail>>,
    /// Further rails.
    pub(crate) others: Vec<Arc<dyn PaymentRail>>,
    /// Wraps the keys of documents.
    key_wrap: Arc<dyn KeyWrap>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let key = |algorithm| Arc::new(SoftKey::generate(algorithm).unwrap());
        let keys = [key(SignatureAlgorithm::Ed25519), key(SignatureAlgorithm::EcdsaP256Sha256)];
        let notary = [(); 2].map(|()| key(SignatureAlgorithm::EcdsaP256Sha256));
        let disk = Self {
            store: MemoryStore::default(),
            anchor: MemoryAnchor::default(),
            keys,
            notary,
            arbiter: vec![key(SignatureAlgorithm::EcdsaP256Sha256)],
            escrow: key(SignatureAlgorithm::EcdsaP256Sha256),
            beside: Arc::new(tempfile::tempdir().unwrap()),
            rail: Arc::new(Simulator::new(
                RailId::new("sim").unwrap(),
                RailClass::Funded,
                key(SignatureAlgorithm::Ed25519),
                [0; 32],
                0,
            )),
            provider: None,
            others: Vec::new(),
            key_wrap: wrapping_key(),
        };
        create(&disk.store, &disk.anchor, disk.log_keys().identity()).unwrap();
        disk
    }

    fn log_keys(&self) -> LogKeys {
        let [note, receipt] = self.keys.each_ref().map(|key| Arc::new(LogSigner::new(key.clone()).unwrap()));
        LogKeys::new(NoteSigner::new("log.example/test", note).unwrap(), receipt, "http://log.example")
    }

    /// Where messages wait.
    pub(crate) fn mail_folder(&self) -> std::path::PathBuf {
        self.beside.path().join("mail")
    }

    /// The arbiter's newest key, for tests of an arbiter that is corrupt.
    pub(crate) fn arbiter_key(&self) -> &SoftKey {
        self.arbiter.last().expect("it has one")
    }

    /// SubjectPublicKeyInfo of the arbiter's newest key.
    pub(crate) fn arbiter_spki(&self) -> Vec<u8> {
        self.arbiter.last().expect("it has one").spki_der().to_vec()
    }

    /// Where a request lies that is answered later.
    pub(crate) fn request_of(&self, x: &Digest) -> std::path::PathBuf {
        self.beside.path().join("requests").join(format!("{x}.json"))
    }

    /// SubjectPublicKeyInfo of the key that opens escrows.
    pub(crate) fn escrow_spki(&self) -> Vec<u8> {
        self.escrow.spki_der().to_vec()
    }

    /// The store as it is now.
    pub(crate) fn backup(&self) -> MemoryStore {
        self.store.copy()
    }

    /// As if the store had been lost: the backup, completed from what the log shows in public.
    pub(crate) fn completed(self, backup: MemoryStore, log: &Reader) -> Self {
        let (size, root) = (log.size(), log.newest().edge().root());
        let completion = Completion {
            store: Arc::new(backup.clone()),
            keys: &self.log_keys(),
            verifier: &LogVerifier,
            signed: &[(size, root)],
            erasures: &[],
            counters: &[],
            bundle: &mut |index, width| Ok(log.bundle(index, width).unwrap().unwrap()),
            progress: &|_, _| (),
        };
        completion.run().unwrap();
        Self { store: backup, ..self }
    }

    /// As if the file of the key that wraps others had been lost, and another one made.
    pub(crate) fn with_another_wrapping_key(&self) -> Self {
        let Self { store, anchor, keys, notary, arbiter, escrow, beside, rail, .. } = self;
        let (store, anchor) = (store.clone(), anchor.clone());
        Self {
            store,
            anchor,
            keys: keys.clone(),
            notary: notary.clone(),
            arbiter: arbiter.clone(),
            escrow: escrow.clone(),
            beside: beside.clone(),
            rail: rail.clone(),
            provider: None,
            others: Vec::new(),
            key_wrap: wrapping_key(),
        }
    }

    pub(crate) fn ledger(&self, now: &Arc<Now>) -> Ledger {
        Ledger::open(Parts {
            store: Arc::new(self.store.clone()),
            anchor: Arc::new(self.anchor.clone()),
            journal: Arc::new(MemoryJournal::default()),
            keys: self.log_keys(),
            verifier: Arc::new(LogVerifier),
            clock: now.clone(),
            observer: Arc::new(()),
            settings: SequencerSettings::default(),
            tile_cache_bytes: 0,
        })
        .unwrap()
    }
}

pub(crate) fn subject(common_name: &str) -> Subject {
    Subject {
        country: "FR".to_owned(),
        organization: "Example".to_owned(),
        organization_identifier: "NTRFR-000000000".to_owned(),
        common_name: common_name.to_owned(),
    }
}

pub(crate) fn authority(authority: Authority, crl_life_secs: u32) -> AuthorityKey {
    let key = key();
    let issuer = Issuer::self_signed(&subject(authority.name()), key.spki_der(), key.algorithm()).unwrap();
    let ca = CaId::first(authority);
    AuthorityKey { ca, certificate: Vec::new(), issuer, signer: Some(Arc::new(key)), crl_life_secs, shards: 0 }
}

/// A key that answers at times.
#[derive(Debug)]
struct Lame {
    key: Arc<SoftKey>,
    is_lame: Arc<AtomicBool>,
}

impl Signer for Lame {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    fn spki_der(&self) -> &[u8] {
        self.key.spki_der()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if self.is_lame.load(Ordering::Relaxed) { Err(SignError { reason: "lame" }) } else { self.key.sign(message) }
    }
}

/// A root and the CA for parties, as certificates.
pub(crate) struct Pki {
    pub(crate) root: Certificate,
    pub(crate) ca: Certificate,
    root_key: Arc<SoftKey>,
    ca_key: Arc<SoftKey>,
    responder_key: Arc<SoftKey>,
}

pub(crate) fn key() -> SoftKey {
    SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap()
}

impl Pki {
    pub(crate) fn new() -> Self {
        let (root_key, ca_key) = (Arc::new(key()), Arc::new(key()));
        let made = |profile: &str, name: &str, key: &SoftKey, by: &Issuer, signer: &SoftKey| {
            let mut random = [0; 16];
            OsEntropy.fill(&mut random).unwrap();
            let profile = Profile::named(profile);
            let template = Template {
                policies: profile.policies().to_vec(),
                validity: Period { not_before: START, not_after: START.plus_secs(9 * 365 * u64::from(DAY_SECS)) },
                profile,
                subject: (&subject(name)).into(),
                alternative_names: AlternativeNames::default(),
                spki_der: key.spki_der().to_vec(),
                serial: CertificateSerial::from_random(random),
                base_url: BASE_URL.to_owned(),
                key_period: None,
                partition: 0,
            };
            let unsigned = prepare(&template, by).unwrap();
            let signature = signer.sign(unsigned.message()).unwrap();
            unsigned.finish(&signature).unwrap()
        };
        let itself = Issuer::self_signed(&subject("Root"), root_key.spki_der(), root_key.algorithm()).unwrap();
        let root = made("root", "Root", &root_key, &itself, &root_key);
        let by_root = Issuer::new(Authority::Root, &root, root_key.algorithm()).unwrap();
        let ca = made("issuing-ca", "Party CA", &ca_key, &by_root, &root_key);
        Self { root, ca, root_key, ca_key, responder_key: Arc::new(key()) }
    }

    fn held(&self, authority: Authority, certificate: &Certificate, key: &Arc<SoftKey>, shards: u32) -> AuthorityKey {
        AuthorityKey {
            ca: CaId::first(authority),
            certificate: certificate.der().to_vec(),
            issuer: Issuer::new(authority, certificate, key.algorithm()).unwrap(),
            signer: Some(key.clone()),
            crl_life_secs: 2 * DAY_SECS,
            shards,
        }
    }

    fn authorities(&self, shards: u32) -> Authorities {
        Authorities::new(vec![
            self.held(Authority::Root, &self.root, &self.root_key, 0),
            self.held(Authority::Party, &self.ca, &self.ca_key, shards),
        ])
    }

    /// A service of these CAs.
    pub(crate) fn service(&self, disk: &Disk, now: &Arc<Now>, shards: u32) -> Arc<Service> {
        self.service_under(disk, now, shards, Policies::builtin())
    }

    /// One under other policies.
    pub(crate) fn service_under(&self, disk: &Disk, now: &Arc<Now>, shards: u32, policies: Policies) -> Arc<Service> {
        recorded(disk, now, self.authorities(shards), self.responders(), RegistrationParts::default(), policies)
    }

    /// One that takes applications.
    pub(crate) fn service_with(
        &self,
        disk: &Disk,
        now: &Arc<Now>,
        registration: RegistrationParts,
        policies: Policies,
    ) -> Arc<Service> {
        recorded(disk, now, self.authorities(0), self.responders(), registration, policies)
    }

    /// One that issues nothing to parties while the key of their CA is `lame`.
    pub(crate) fn lamed(
        &self,
        disk: &Disk,
        now: &Arc<Now>,
        registration: RegistrationParts,
        policies: Policies,
        lame: &Arc<AtomicBool>,
    ) -> Arc<Service> {
        let root = self.held(Authority::Root, &self.root, &self.root_key, 0);
        let signer: Arc<dyn Signer> = Arc::new(Lame { key: self.ca_key.clone(), is_lame: lame.clone() });
        let party = AuthorityKey { signer: Some(signer), ..self.held(Authority::Party, &self.ca, &self.ca_key, 0) };
        recorded(disk, now, Authorities::new(vec![root, party]), Vec::new(), registration, policies)
    }

    /// One whose policies the ledger does not know yet, by another clock.
    pub(crate) fn unrecorded(
        &self,
        disk: &Disk,
        now: &Arc<Now>,
        policies: Policies,
        time: Arc<dyn TimeSource>,
    ) -> Arc<Service> {
        made(disk, now, self.authorities(0), self.responders(), RegistrationParts::default(), policies, time)
    }

    /// One that stamps as these units; its other CA is that for units.
    pub(crate) fn stamping(&self, disk: &Disk, now: &Arc<Now>, endpoints: Vec<Endpoint>) -> Arc<Service> {
        let root = self.held(Authority::Root, &self.root, &self.root_key, 0);
        let authorities = Authorities::new(vec![root, self.held(Authority::Tsu, &self.ca, &self.ca_key, 0)]);
        let mut parts = parts(disk, now, authorities, Vec::new(), Policies::builtin());
        parts.endpoints = endpoints;
        let service = Service::new(parts).unwrap();
        service.record_policies().unwrap();
        service
    }

    /// One whose randomness is the test's.
    pub(crate) fn service_of(&self, disk: &Disk, now: &Arc<Now>, entropy: Arc<dyn Entropy>) -> Arc<Service> {
        let mut parts = parts(disk, now, self.authorities(0), self.responders(), Policies::builtin());
        parts.entropy = entropy;
        let service = Service::new(parts).unwrap();
        service.record_policies().unwrap();
        service
    }

    /// Why a service does not start, if it does not.
    pub(crate) fn refusal(&self, disk: &Disk, now: &Arc<Now>) -> Option<String> {
        let parts = parts(disk, now, self.authorities(0), self.responders(), Policies::builtin());
        Service::new(parts).err().map(|fault| fault.to_string())
    }

    fn responders(&self) -> Vec<ResponderKey> {
        let key = KeyId::new(KeyPurpose::OcspParty, 1);
        vec![ResponderKey { authority: Authority::Party, key, signer: self.responder_key.clone() }]
    }
}

pub(crate) const BASE_URL: &str = "http://pki.example";

pub(crate) fn service(
    disk: &Disk,
    now: &Arc<Now>,
    authorities: Authorities,
    responders: Vec<ResponderKey>,
) -> Arc<Service> {
    recorded(disk, now, authorities, responders, RegistrationParts::default(), Policies::builtin())
}

fn recorded(
    disk: &Disk,
    now: &Arc<Now>,
    authorities: Authorities,
    responders: Vec<ResponderKey>,
    registration: RegistrationParts,
    policies: Policies,
) -> Arc<Service> {
    let service = made(disk, now, authorities, responders, registration, policies, now.clone());
    service.record_policies().unwrap();
    service
}

fn made(
    disk: &Disk,
    now: &Arc<Now>,
    authorities: Authorities,
    responders: Vec<ResponderKey>,
    registration: RegistrationParts,
    policies: Policies,
    time: Arc<dyn TimeSource>,
) -> Arc<Service> {
    Service::new(ServiceParts { time, registration, ..parts(disk, now, authorities, responders, policies) }).unwrap()
}

fn parts(
    disk: &Disk,
    now: &Arc<Now>,
    authorities: Authorities,
    responders: Vec<ResponderKey>,
    policies: Policies,
) -> ServiceParts {
    ServiceParts {
        ledger: disk.ledger(now),
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
        base_url: BASE_URL.to_owned(),
        responders,
        subject: subject("Example"),
        test: true,
        registration: RegistrationParts::default(),
        keys: None,
        policies,
        statements: Statements::default(),
        notices: Some(NoticeParts {
            key: KeyId::new(KeyPurpose::Webhook, 1),
            signer: Arc::new(SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap()),
            networks: Networks::default(),
        }),
        notary: Some(notary(disk)),
        exchange: Some(ExchangeParts {
            keys: (1..)
                .zip(&disk.arbiter)
                .map(|(generation, key)| (KeyId::new(KeyPurpose::ArbiterVerdict, generation), key))
                .chain([(KeyId::new(KeyPurpose::ArbiterEscrow, 1), &disk.escrow)])
                .map(|(id, key)| -> (KeyId, Arc<dyn Signer>) { (id, key.clone()) })
                .collect(),
            runs_per_party_per_minute: RUNS_PER_MINUTE,
            mailbox: Some(mailbox(disk)),
            items: Some(ItemSettings { bytes_max: 1 << 20, in_flight_bytes: 4 << 20 }),
            promises: Some(promises(disk)),
        }),
        rails: std::iter::once(disk.provider.clone().unwrap_or_else(|| disk.rail.clone()))
            .chain(disk.others.iter().cloned())
            .map(|rail| RailParts { rail, secrets: vec![rail_secret()], is_simulated: true })
            .collect(),
        key_wrap: Some(disk.key_wrap.clone()),
    }
}

/// With what the provider of the rail signs.
pub(crate) fn rail_secret() -> Secret {
    Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("24 octets")
}

fn mailbox(disk: &Disk) -> Mailbox {
    let (folder, keep_ms) = (disk.mail_folder(), 1_000 * u64::from(DAY_SECS));
    Mailbox::open(MailboxParts { folder, bytes_max: 1 << 20, keep_ms }).unwrap()
}

fn promises(disk: &Disk) -> Promises {
    let folder = disk.beside.path().join("requests");
    Promises::open(PromisesParts { folder, waiting_max: 4, within_ms: ANSWER_WITHIN_MS }).unwrap()
}

fn wrapping_key() -> Arc<dyn KeyWrap> {
    let key = SecretKey::generate(&OsEntropy).unwrap();
    Arc::new(SoftKek::new(KeyId::new(KeyPurpose::ArchiveKek, 1), key).unwrap())
}

fn notary(disk: &Disk) -> NotaryParts {
    let [act, dvcs] = disk.notary.each_ref().map(|key| -> Arc<dyn Signer> { key.clone() });
    let accepted =
        Accepted { bytes_max: 1 << 18, hashes: ImprintAlgorithm::ALL.to_vec(), targets_max: 4, own_names: None };
    let dvcs_settings =
        DvcsSettings { accepted, policy: TEST_POLICY.parse().unwrap(), policy_with_token: None, signed_only: false };
    NotaryParts {
        act: (KeyId::new(KeyPurpose::NotaryAct, 1), act),
        dvcs: (KeyId::new(KeyPurpose::NotaryDvcs, 1), dvcs),
        settings: NotarySettings {
            needs_person: [ActType::Copy].into(),
            dvcs: dvcs_settings,
            life_secs: u64::from(30 * DAY_SECS),
            queue_max: 1_000,
            document_bytes_max: 1 << 18,
            documents_in_flight_bytes: 1 << 20,
        },
    }
}

/// A certificate for a new key, by the profile of the program that has this name.
pub(crate) fn wanted(profile: &str) -> ToIssue {
    let subject = [
        (Attribute::Country, "FR"),
        (Attribute::Organization, "Example"),
        (Attribute::OrganizationIdentifier, "NTRFR-000000000"),
        (Attribute::CommonName, "Example"),
    ];
    ToIssue {
        ca: CaId::first(Authority::Party),
        profile: Profile::named(profile),
        subject: DistinguishedName(subject.map(|(attribute, text)| (attribute, text.to_owned())).into()),
        alternative_names: AlternativeNames::default(),
        spki_der: key().spki_der().to_vec(),
        serial: None,
        registration: Vec::new(),
        request: Digest::of(b"request"),
    }
}
