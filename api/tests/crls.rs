//! CRLs of several CAs: each is renewed for itself, and one past its end is said.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use semper_api::{
    Authorities, AuthorityKey, Service, ServiceParts, TimeSource, metrics::Metrics, quota::Quota, service::ServiceFault,
};
use semper_ledger::{
    anchor::memory::MemoryAnchor,
    erasure::MemoryJournal,
    ledger::{Ledger, Parts, create},
    note::NoteSigner,
    sequencer::{Clock, LogKeys, SequencerSettings},
    store::memory::MemoryStore,
};
use semper_ttp::{
    ca::{Authority, CaId, certificate::Issuer, name::Subject},
    clock::{Health, State},
    crypto::{LogSigner, LogVerifier, OsEntropy, SignatureAlgorithm, Signer, SoftKey},
    digest::Digest,
    time::Timestamp,
    timestamp::ClockVerdict,
};

/// 2026-03-01T12:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_772_366_400_000);
const DAY_SECS: u32 = 24 * 3600;

struct Now(AtomicU64);

impl Now {
    fn pass(&self, secs: u32) {
        self.0.fetch_add(u64::from(secs) * 1000, Ordering::Relaxed);
    }
}

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

fn log_signer(algorithm: SignatureAlgorithm) -> Arc<LogSigner> {
    Arc::new(LogSigner::new(Arc::new(SoftKey::generate(algorithm).unwrap())).unwrap())
}

fn ledger(now: &Arc<Now>) -> Ledger {
    let note = NoteSigner::new("log.example/crls", log_signer(SignatureAlgorithm::Ed25519)).unwrap();
    let keys = LogKeys::new(note, log_signer(SignatureAlgorithm::EcdsaP256Sha256), "http://log.example");
    let (store, anchor) = (MemoryStore::default(), MemoryAnchor::default());
    create(&store, &anchor, keys.identity()).unwrap();
    Ledger::open(Parts {
        store: Arc::new(store),
        anchor: Arc::new(anchor),
        journal: Arc::new(MemoryJournal::default()),
        keys,
        verifier: Arc::new(LogVerifier),
        clock: now.clone(),
        observer: Arc::new(()),
        settings: SequencerSettings::default(),
        tile_cache_bytes: 0,
    })
    .unwrap()
}

fn subject(common_name: &str) -> Subject {
    Subject {
        country: "FR".to_owned(),
        organization: "Example".to_owned(),
        organization_identifier: "NTRFR-000000000".to_owned(),
        common_name: common_name.to_owned(),
    }
}

fn authority(authority: Authority, crl_life_secs: u32) -> AuthorityKey {
    let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let issuer = Issuer::self_signed(&subject(authority.name()), key.spki_der(), key.algorithm()).unwrap();
    let ca = CaId::first(authority);
    AuthorityKey { ca, certificate: Vec::new(), issuer, signer: Arc::new(key), crl_life_secs, shards: 0 }
}

#[test]
fn a_ca_that_fails_does_not_stop_the_next_and_a_stale_crl_is_said() {
    let now = Arc::new(Now(AtomicU64::new(START.millis())));
    // A list that would be good for no time at all is refused: this CA fails each time.
    let authorities = vec![authority(Authority::Root, 0), authority(Authority::Tsu, 2 * DAY_SECS)];
    let metrics = Arc::new(Metrics::new("log.example/crls"));
    let service = Service::new(ServiceParts {
        ledger: ledger(&now),
        endpoints: Vec::new(),
        authorities: Authorities::new(authorities),
        time: now.clone(),
        entropy: Arc::new(OsEntropy),
        metrics,
        quota: Quota::new(1, true),
        witnesses: None,
        checkpoints: None,
        policy_hash: Digest::of(b"policy"),
        description: serde_json::json!({}),
        base_url: "http://pki.example".to_owned(),
        responders: Vec::new(),
        subject: subject("Example"),
        test: true,
    })
    .unwrap();
    let (root, tsu) = (Authority::Root.name(), Authority::Tsu.name());
    let root_has_none = format!("crl: {root} has none");
    assert_eq!(service.unready(), [root_has_none.clone(), format!("crl: {tsu} has none")]);

    for days in [3, 30] {
        assert!(matches!(service.renew_crls(), Err(ServiceFault::Crl(_))));
        assert_eq!(service.unready(), [root_has_none.as_str()], "the CA behind the failing one has its list");
        let good_until = TimeSource::now(&*now).plus_secs((2 * DAY_SECS).into());
        now.pass(days * DAY_SECS);
        let stale = format!("crl: the newest of {tsu} was good until {good_until}");
        assert_eq!(service.unready(), [root_has_none.clone(), stale]);
    }
}
