//! The service loop: an event's way from its parsed request to its durable answer.
//!
//! ```text
//! request → (pool of the key) clock → decide → sign → Commit → sequencer → answer      token.rs
//! timer, start, end, clock event                             → Commit → sequencer      upkeep.rs
//! ```
//!
//! A signature that was not committed dies with the memory it lies in.

mod accountability;
mod act;
mod approved;
mod bulk;
mod ceremony;
mod compromised;
mod credential;
mod crl;
mod delivery;
mod desk;
mod dual_control;
mod due;
mod exchange;
mod first_use;
mod keys;
mod known;
mod lost;
mod memo;
mod notary;
mod notices;
mod ocsp;
mod offline;
mod party;
mod payment;
mod person;
mod policies;
mod registration;
mod token;
mod units;
mod upkeep;
mod vault;

use std::sync::{
    Arc, Mutex, OnceLock, RwLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use semper_ledger::{
    ledger::Ledger,
    sequencer::{Draft, Refused},
};
use semper_ttp::{
    asn1::{ObjectIdentifier, PolicyId, TEST_POLICY},
    ca::{Authority, CaId, name::Subject},
    clock::Health,
    crypto::{Entropy, Signer},
    digest::Digest,
    evidence::{Aggregate, Envelope, Fact, KeyId, SERIAL_COUNTER, names},
    id::PartyId,
    role::{Snapshot, decode_snapshot},
    time::Timestamp,
    timestamp::{self, ClockVerdict},
    vault::KeyWrap,
};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

pub(crate) use self::{
    accountability::{AccountFault, RecordedProof},
    delivery::{DeliveryView, SentDelivery, ShownDelivery},
    exchange::{Heard, InlineAnswer, InlineView, Item, Promised, Sent},
    notary::{Came, JournalQuery, OfficersWord, Opened, line as journal_line},
    ocsp::{Answer as OcspAnswer, Answered as OcspAnswered},
    payment::{CALLBACK_TOLERANCE_SECS, KnownPayment, RecordedStatement, RefusedStatement, SentStatement, is_replayed},
    registration::Register,
};
pub use self::{
    act::ActFault,
    bulk::{Preview, carry_out_in_background},
    ceremony::CeremonyFault,
    credential::{CredentialFault, IssuedCertificate, ToIssue, ToRevoke},
    dual_control::RevokeFault,
    exchange::{Decided, ExchangeFault, ExchangeParts, ItemSettings},
    keys::{KeyParts, KeyStanding, KeyStore, KeyStoreFault, KnownKey, Listener, Rotated, RotationCause, RotationFault},
    known::{KnownCertificate, KnownIssue, KnownList},
    notary::{DvcsSettings, KnownAct, NotaryFault, NotaryParts, NotarySettings},
    notices::NoticeParts,
    ocsp::{OCSP_LIFE_SECS, ResponderKey},
    offline::Imported,
    party::{KnownParty, PartyFault},
    payment::{PaymentFault, RailParts, payments_in_background},
    policies::{Policies, PolicyInForce},
    registration::{KnownApplication, RegistrationFault, RegistrationParts},
    vault::{SealFault, Sealed},
};
use self::{
    act::{Turns, folded},
    compromised::CompromisedKeys,
    desk::Desks,
    due::Due,
    exchange::{ItemRoom, Presence},
    keys::Keyring,
    lost::LostRevocations,
    memo::Memo,
    notary::Notary,
    notices::NoticeKey,
    ocsp::Responders,
    payment::Payments,
    token::{FIRST_USE_STEP, FirstUse},
    vault::Vault,
};
use crate::mailbox::Mailbox;
use crate::promises::Promises;
use crate::{
    authorities::Authorities,
    backup::Checkpoints,
    metrics::Metrics,
    pool::Pool,
    quota::{Quota, Windows},
    witnesses::Witnesses,
};

/// The clock as the service asks it: the only one there is.
pub trait TimeSource: Send + Sync {
    /// One reading with the clock component's judgement of it, taken at the moment of a decision.
    fn check(&self) -> (Timestamp, ClockVerdict);

    /// A reading that asserts nothing to anybody.
    fn now(&self) -> Timestamp;

    /// For metrics and readiness.
    fn health(&self) -> Health;

    /// `kernel` or `assumed`.
    fn name(&self) -> &'static str;
}

/// A timestamping endpoint with its key and the key's threads.
pub struct Endpoint {
    /// Unit, policies, accuracy.
    pub endpoint: timestamp::Endpoint,
    /// The unit's key.
    pub signer: Arc<dyn Signer>,
    /// Its threads.
    pub pool: Pool,
    first_use: FirstUse,
    /// The unit's certificate, or its CA's, was revoked or is about to be.
    closed: AtomicBool,
}

impl Endpoint {
    /// An endpoint whose key signs on `pool`.
    pub fn new(endpoint: timestamp::Endpoint, signer: Arc<dyn Signer>, pool: Pool) -> Self {
        Self { endpoint, signer, pool, first_use: FirstUse::default(), closed: AtomicBool::new(false) }
    }
}

/// Signatures that one address may have in a minute about certificates that do not exist: a client that errs asks a few times, one
/// that tries serial numbers gets an unsigned answer from then on.
const UNKNOWN_PER_MINUTE: u32 = 60;

/// Refused calls of one caller that become entries in a minute: what a person tries, and not what a program repeats.
const REFUSED_PER_MINUTE: u32 = 20;

/// Callers that are told apart in this.
const REFUSED_CALLERS_MAX: usize = 10_000;

/// Parties whose runs are counted at a time.
const PARTIES_COUNTED_MAX: usize = 10_000;

/// Applications that one address may send in a minute without a certificate: people's, not a flood's.
const APPLICATIONS_PER_MINUTE: u32 = 20;

/// Everything a service is given.
pub struct ServiceParts {
    /// The ledger.
    pub ledger: Ledger,
    /// `/tsa` first, then `/tsa/rsa`.
    pub endpoints: Vec<Endpoint>,
    /// Our CAs.
    pub authorities: Authorities,
    /// The clock.
    pub time: Arc<dyn TimeSource>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// Requests per address.
    pub quota: Quota,
    /// Who cosigns this ledger's checkpoints, if anybody does.
    pub witnesses: Option<Arc<Witnesses>>,
    /// Copies of the store for backups; `None` for a store that no file holds.
    pub checkpoints: Option<Checkpoints>,
    /// SHA-256 of the policy in force.
    pub policy_hash: Digest,
    /// What `/.well-known/semper` says besides.
    pub description: serde_json::Value,
    /// `http://host[:port]`, as certificates name it.
    pub base_url: String,
    /// Keys that answer OCSP.
    pub responders: Vec<ResponderKey>,
    /// Our organisation, as certificates of our own name it.
    pub subject: Subject,
    /// True if nobody vouches for the clock: certificates then bear the test policy alone.
    pub test: bool,
    /// What applications for certificates rest on.
    pub registration: RegistrationParts,
    /// Where keys are kept; `None` for a service that rotates none.
    pub keys: Option<KeyParts>,
    /// What the operator wants to be in force.
    pub policies: Policies,
    /// What the operator says of its practice.
    pub statements: Statements,
    /// What notices to holders rest on; `None` for a service that sends none.
    pub notices: Option<NoticeParts>,
    /// What the notary rests on; `None` for a service that is none.
    pub notary: Option<NotaryParts>,
    /// What the arbiter rests on; `None` for a service that is none.
    pub exchange: Option<ExchangeParts>,
    /// By what the arbiter holds and moves money; none for one that does not.
    pub rails: Vec<RailParts>,
    /// Wraps the keys of documents that are kept; `None` for a service that keeps none.
    pub key_wrap: Option<Arc<dyn KeyWrap>>,
}

/// What the operator says of its practice, as Markdown.
#[derive(Clone, Debug, Default)]
pub struct Statements {
    /// The certification practice statement.
    pub practice: String,
    /// The PKI disclosure statement.
    pub disclosure: String,
}

/// The running service.
pub struct Service {
    pub(crate) ledger: Ledger,
    /// Each is replaced when its key is.
    pub(crate) endpoints: Vec<ArcSwap<Endpoint>>,
    pub(crate) authorities: Authorities,
    pub(crate) time: Arc<dyn TimeSource>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) quota: Quota,
    pub(crate) witnesses: Option<Arc<Witnesses>>,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) description: serde_json::Value,
    entropy: Arc<dyn Entropy>,
    policy_hash: Digest,
    /// The last serial counter given out.
    serial: AtomicU64,
    /// False while the disk is too full to take anything in.
    disk_open: AtomicBool,
    draining: AtomicBool,
    /// Why nothing may be signed any more.
    halted: OnceLock<String>,
    /// Something was revoked.
    revoked: Notify,
    /// `http://host[:port]` under which lists are served.
    base_url: String,
    responders: Responders,
    compromised: CompromisedKeys,
    turns: Turns,
    /// Signatures about certificates that do not exist, per address.
    unknown_quota: Quota,
    /// Refused calls that become entries, by the caller's certificate.
    refused_quota: Windows<Digest>,
    /// Instead of the policies of profiles.
    test_policy: Option<ObjectIdentifier>,
    pub(crate) register: Register,
    /// Those whose facts were lost.
    lost_revocations: LostRevocations,
    /// What is asked again and again.
    memo: Memo,
    /// Held by whoever closes units for a revocation.
    closing: Mutex<()>,
    /// Held in common from the decision of a revocation until it is durable, and alone for a moment before a list is made.
    deciding: RwLock<()>,
    /// Something is to be done about keys before the next daily look.
    keys_due: Notify,
    /// Held by whoever carries out orders of bulk revocation.
    bulk: Mutex<()>,
    /// Applications of strangers, per address.
    pub(crate) applications_quota: Quota,
    keys: Option<Keyring>,
    policies: Policies,
    pub(crate) statements: Statements,
    pub(crate) notices: Option<NoticeKey>,
    /// Of notary and arbiter.
    desks: Desks,
    /// The arbiter's.
    presence: Presence,
    /// Messages for parties that are not there.
    mailbox: Option<Mailbox>,
    /// Requests that are answered later.
    promises: Option<Promises>,
    /// Where items come and go that are exchanged through the arbiter.
    items: Option<ItemRoom>,
    /// When such exchanges are to be looked at.
    inline_due: Due,
    /// When registered deliveries are.
    delivery_due: Due,
    /// Money that is held for runs.
    payments: Payments,
    /// Runs that the arbiter decides, by the party that asks.
    runs_quota: Windows<PartyId>,
    pub(crate) notary: Option<Notary>,
    vault: Option<Vault>,
    /// True once the ledger says so of all of them.
    policies_in_force: AtomicBool,
}

/// Why the service itself could not act; its log has the details.
#[derive(Debug, thiserror::Error)]
pub enum ServiceFault {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] semper_ledger::store::Fault),
    /// The ledger took nothing.
    #[error("the ledger refused: {0}")]
    Refused(#[from] Refused),
    /// The clock may assert no time, so nothing is appended: an entry with a wrong time would bind all that follow.
    #[error("the clock is {}", .0.name())]
    Clock(ClockVerdict),
    /// A file beside the ledger.
    #[error(transparent)]
    Disk(#[from] semper_ledger::disk::DiskFault),
    /// Stored facts do not fold.
    #[error("stored facts: {0}")]
    Facts(String),
    /// A CRL could not be made.
    #[error("a CRL could not be made: {0}")]
    Crl(String),
    /// A key did not sign.
    #[error("{0}")]
    Signing(String),
    /// The access log.
    #[error("the access log: {0}")]
    Access(String),
    /// A message could not be left.
    #[error("the mailbox: {0}")]
    Mailbox(semper_ledger::disk::DiskFault),
    /// An OCSP responder could not be set up.
    #[error("OCSP: {0}")]
    Responder(String),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] semper_ttp::crypto::EntropyFault),
    /// A key that another one stands in for.
    #[error(
        "the key {key} is not the one whose making entry {made_at} tells of: bring back its file from a backup of keys/; what is \
         kept sealed opens with no other"
    )]
    OtherKey {
        /// Which.
        key: KeyId,
        /// The entry of its making.
        made_at: u64,
    },
    /// Whoever decided by a policy that the ledger does not know could deny it later.
    #[error("the policies of this start are not in the ledger yet")]
    Policies,
}

impl ServiceFault {
    /// True if only the time stands in the way, which mends itself or by the operator's setting the clock.
    pub fn is_of_time(&self) -> bool {
        matches!(self, Self::Clock(_) | Self::Policies)
            || matches!(self, Self::Refused(Refused::ClockBehind { .. } | Refused::Stale { .. }))
    }
}

impl Service {
    /// A service on an open ledger. Serves the newest CRLs at once; [`Service::renew_crls`] renews them.
    pub fn new(parts: ServiceParts) -> Result<Arc<Self>, ServiceFault> {
        let ServiceParts { ledger, endpoints, authorities, time, entropy, metrics, quota, .. } = parts;
        let ServiceParts { witnesses, checkpoints, policy_hash, description, base_url, .. } = parts;
        let ServiceParts {
            responders,
            subject,
            test,
            registration,
            keys,
            policies,
            statements,
            notices,
            notary,
            exchange,
            rails,
            key_wrap,
            ..
        } = parts;
        let (notary_keys, notary) = notary.map(|NotaryParts { act, dvcs, settings }| ([act, dvcs], settings)).unzip();
        let (arbiter_keys, runs_per_minute, mailbox, items, promises) = match exchange {
            Some(ExchangeParts { keys, runs_per_party_per_minute, mailbox, items, promises }) => {
                (keys, runs_per_party_per_minute, mailbox, items, promises)
            }
            None => (Vec::new(), 0, None, None, None),
        };
        let role_keys = notary_keys.into_iter().flatten().chain(arbiter_keys);
        let responders = Responders::new(&authorities, responders, subject);
        let test_policy = TEST_POLICY.parse::<PolicyId>().ok().and_then(|policy| policy.to_rasn()).filter(|_| test);
        let serial = AtomicU64::new(ledger.reader().counter(SERIAL_COUNTER)?);
        for endpoint in &endpoints {
            let aggregate = Aggregate::of_key(endpoint.endpoint.tsu().key());
            let last = ledger.reader().last_step(&aggregate.0)?;
            endpoint.first_use.found(last.is_some_and(|(step, _)| step >= FIRST_USE_STEP));
        }
        let own: Vec<_> = authorities.all().iter().map(|held| Digest::of(&held.key.certificate)).collect();
        let units = endpoints.iter().map(|endpoint| endpoint.endpoint.tsu().certificate().digest());
        let lost_revocations = LostRevocations::load(ledger.reader(), own.into_iter().chain(units))?;
        let compromised = CompromisedKeys::load(ledger.reader())?;
        let service = Arc::new(Self {
            ledger,
            compromised,
            turns: Turns::default(),
            endpoints: endpoints.into_iter().map(ArcSwap::from_pointee).collect(),
            authorities,
            time,
            metrics,
            quota,
            witnesses,
            checkpoints,
            description,
            entropy,
            policy_hash,
            serial,
            disk_open: AtomicBool::new(true),
            draining: AtomicBool::new(false),
            halted: OnceLock::new(),
            revoked: Notify::new(),
            base_url,
            responders,
            unknown_quota: Quota::new(UNKNOWN_PER_MINUTE, false),
            refused_quota: Windows::new(REFUSED_PER_MINUTE, REFUSED_CALLERS_MAX),
            test_policy,
            register: Register::new(registration, &policies),
            lost_revocations,
            memo: Memo::default(),
            closing: Mutex::default(),
            deciding: RwLock::default(),
            keys_due: Notify::new(),
            bulk: Mutex::default(),
            applications_quota: Quota::new(APPLICATIONS_PER_MINUTE, false),
            keys: keys.map(Keyring::from),
            policies,
            statements,
            notices: notices.map(NoticeKey::from),
            desks: Desks::new(role_keys),
            presence: Presence::default(),
            mailbox,
            promises,
            items: items.map(ItemRoom::from),
            inline_due: Due::default(),
            delivery_due: Due::default(),
            payments: Payments::from(rails),
            runs_quota: Windows::new(runs_per_minute, PARTIES_COUNTED_MAX),
            notary: notary.map(Notary::from),
            vault: key_wrap.map(Vault::from),
            policies_in_force: AtomicBool::new(false),
        });
        service.load_open_applications()?;
        service.load_lists()?;
        service.load_revoked_cas()?;
        service.load_revoked_units()?;
        service.check_wrapping_key()?;
        Ok(service)
    }

    /// One reading that asserts nothing.
    pub(crate) fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// CAs of ours that were revoked sign nothing.
    fn load_revoked_cas(&self) -> Result<(), ServiceFault> {
        let all = self.authorities.all();
        for held in all.iter().filter(|held| held.key.ca.authority != Authority::Root) {
            let Some(own) = &held.certificate else { continue };
            let state = self.certificate_state(&CaId::first(Authority::Root).certificate(&own.serial()))?;
            if state.issued().is_some_and(|status| status.revoked.is_some()) {
                held.mark_revoked();
            }
        }
        Ok(())
    }

    /// Whether a CA of ours was revoked: what it issued is good for nothing more.
    fn is_revoked_ca(&self, ca: CaId) -> bool {
        self.authorities.get(ca).is_some_and(|held| held.is_revoked())
    }

    /// What is around a fact of the service's own, with a new salt; `event` is what led to it.
    fn envelope(
        &self,
        aggregate: Aggregate,
        seq: u64,
        now: Timestamp,
        event: &[u8],
    ) -> Result<Envelope, semper_ttp::crypto::EntropyFault> {
        let mut salt = [0; 16];
        self.entropy.fill(&mut salt)?;
        Ok(Envelope { event_digest: Digest::of(event), ..self.envelope_with(aggregate, seq, now, salt) })
    }

    /// The same with a salt that was drawn already, and no event yet.
    fn envelope_with(&self, aggregate: Aggregate, seq: u64, now: Timestamp, salt: [u8; 16]) -> Envelope {
        let Self { policy_hash, .. } = *self;
        Envelope { aggregate, seq, now, salt, policy_hash, event_digest: Digest::default() }
    }

    /// True while there is room to write.
    fn disk_is_open(&self) -> bool {
        self.disk_open.load(Ordering::Relaxed)
    }

    /// Tells the service how much disk is free; below `min` it takes nothing in, while reads go on.
    pub fn disk_free(&self, bytes: u64, min: u64) {
        self.metrics.disk_free(bytes);
        let open = bytes >= min;
        if self.disk_open.swap(open, Ordering::Relaxed) != open {
            match open {
                true => tracing::info!(free = bytes, min, "enough disk is free again: intake resumes"),
                false => tracing::error!(free = bytes, min, "the disk is nearly full: intake stops, reads go on"),
            }
        }
    }

    /// Ends all signing for good: it was shown that this ledger must not go on. Reading does.
    pub fn halt(&self, why: &str) {
        self.halted.get_or_init(|| why.to_owned());
        self.metrics.halted();
        self.ledger.halt();
    }

    /// True once [`Self::halt`] was called.
    pub fn is_halted(&self) -> bool {
        self.halted.get().is_some()
    }

    /// From now on answers say that the service is stopping.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on it is decided by them.
    fn policies_are_in_force(&self) {
        self.policies_in_force.store(true, Ordering::Release);
    }

    /// Refuses to decide before the ledger knows by what.
    pub(crate) fn require_policies(&self) -> Result<(), ServiceFault> {
        if self.policies_in_force.load(Ordering::Acquire) { Ok(()) } else { Err(ServiceFault::Policies) }
    }

    /// Why the service is not ready; empty when it is.
    pub fn unready(&self) -> Vec<String> {
        let mut why = Vec::new();
        if self.is_draining() {
            why.push("draining".to_owned());
        }
        if !self.disk_is_open() {
            why.push("disk: less than storage.disk_free_min_bytes is free".to_owned());
        }
        match self.halted.get() {
            Some(halted) => why.push(format!("ledger: halted for good: {halted}")),
            None if !self.ledger.takes_commits() => why.push("ledger: takes no commits".to_owned()),
            None => {}
        }
        let clock = self.time.health();
        if clock.bound.is_none() {
            why.push(format!("clock: {}", clock.state.name()));
        }
        let now = self.time.now();
        let newest = self.ledger.reader().newest().head().map_or(0, |head| head.time_ms);
        let behind_ms = newest.saturating_sub(now.millis());
        if behind_ms > self.ledger.mmd_ms() {
            why.push(format!("clock: {} s behind the newest entry of the ledger", behind_ms / 1000));
        }
        for endpoint in self.endpoints.iter().map(ArcSwap::load) {
            if !endpoint.endpoint.tsu().key_period().contains(now) {
                why.push(format!("{}: its key is not in its period of use", endpoint.endpoint.settings().name));
            }
            if endpoint.is_closed() {
                let name = &endpoint.endpoint.settings().name;
                why.push(format!("{name}: the certificate of its unit, or of its CA, was revoked"));
            }
        }
        why.extend(self.without_responder().iter().map(|ca| format!("ocsp: {} has no valid responder", ca.place())));
        let all = self.authorities.all();
        for held in all.iter().filter(|held| !held.has_ended(now)) {
            for list in held.lists() {
                let name = list.id.place();
                match list.next_update() {
                    None => why.push(format!("crl: {name} has none")),
                    Some(next_update) if next_update < now => {
                        why.push(format!("crl: the newest of {name} was good until {next_update}"));
                    }
                    Some(_) => {}
                }
            }
        }
        why
    }

    /// The witnesses of the ledger, if there are any.
    pub fn witnesses(&self) -> Option<&Arc<Witnesses>> {
        self.witnesses.as_ref()
    }

    /// The reading half of the ledger.
    pub fn reader(&self) -> &Arc<semper_ledger::reader::Reader> {
        self.ledger.reader()
    }

    /// The metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}

/// A fact with the entry that makes it public, at the step that it takes.
#[must_use]
pub fn draft(fact: &Fact, artefact: Option<Vec<u8>>) -> Draft {
    let (role, kind, bytes) = (fact.kind.role().code(), fact.kind.code(), fact.encode());
    let draft = match artefact {
        Some(artefact) => Draft::with_artefact(role, kind, bytes, artefact),
        None => Draft::of_fact(role, kind, bytes),
    };
    let step = fact.step().map(|(aggregate, seq)| (aggregate.0, seq));
    Draft { step, names: names::of(fact), ..draft }
}

/// The state of an aggregate: its snapshot row, or the fold of its facts where that row is of another version.
fn load<R: semper_ttp::role::Folded>(
    reader: &semper_ledger::reader::Reader,
    aggregate: &Aggregate,
) -> Result<Snapshot<R::State>, ServiceFault> {
    if let Some(snapshot) = reader.snapshot(&aggregate.0)?.and_then(|row| decode_snapshot::<R>(&row)) {
        return Ok(snapshot);
    }
    folded::<R>(&reader.facts_of(&aggregate.0, 0)?)
}
