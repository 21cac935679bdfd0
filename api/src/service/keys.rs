//! Service keys with a life: made, certified, put to use, followed by the next, told as ended. The server runs meanwhile.
//!
//! A rotation, and what a crash after each of its steps leaves:
//!
//! | step | what | a crash after it leaves |
//! |---|---|---|
//! | 1 | the key, where the settings say | a key that the ledger does not know: the next start takes it away |
//! | 2 | **one commit**: key made, certificate issued | a key that the ledger knows: the next start goes on with step 3 |
//! | 3 | the certificate, where it is found at a start (of a CA after step 4) | the same; from here on a start uses the new key |
//! | 4 | the new key in use: endpoint, lists, listener; requests that run end with the old one | nothing, it is memory |
//! | 5 | the end of the old key | the daily look finds that the old one has a follower and tells its end |
//!
//! The key of a CA is not told as ended when it has a follower: it goes on signing lists. A responder's key needs no certificate of
//! its own commit; it gets one as it gets every other (`ocsp.rs`). That of notices to holders has none: its public half is published
//! (`/.well-known/semper`), and its life ends when an operator says so.

mod life;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use semper_ledger::sequencer::{Commit, Idempotency, Refused};
use semper_ttp::{
    ca::{
        Authority, CaFact, CaId,
        certificate::Issuer,
        common_name,
        name::{AlternativeNames, Attribute, DistinguishedName, Subject},
        profile::{Profile, ProfileCode},
    },
    crypto::Signer,
    digest::Digest,
    evidence::{Aggregate, Fact, KeyId, KeyPurpose, OpsFact, Recorded, names},
    timestamp::{self, Tsu},
    x509::Certificate,
};

pub use self::life::{KeyStanding, KnownKey};
use super::{
    CredentialFault, Endpoint, Service, ServiceFault, ToIssue,
    act::{ATTEMPTS_MAX, Repetition, read_fact},
    credential::Prepared,
    draft,
    notices::NoticeKey,
};
use crate::{
    authorities::{AuthorityKey, Held},
    tls::{Acceptor, ServerIdentity, TlsFault},
};

/// Where private keys and the certificates of service keys are kept; this crate knows of no files.
pub trait KeyStore: Send + Sync {
    /// Makes a key, which is there for good when this returns.
    ///
    /// # Errors
    /// [`KeyStoreFault`]; there may be one of this name already.
    fn make(&self, key: KeyId, like: &dyn Signer) -> Result<Arc<dyn Signer>, KeyStoreFault>;

    /// Opens a key.
    ///
    /// # Errors
    /// [`KeyStoreFault`].
    fn open(&self, key: KeyId) -> Result<Arc<dyn Signer>, KeyStoreFault>;

    /// Keys of a purpose that are newer than the one in use and have no certificate there: of rotations that did not end.
    ///
    /// # Errors
    /// [`KeyStoreFault`].
    fn unfinished(&self, purpose: KeyPurpose) -> Result<Vec<KeyId>, KeyStoreFault>;

    /// Takes a key away that was never used.
    ///
    /// # Errors
    /// [`KeyStoreFault`].
    fn discard(&self, key: KeyId) -> Result<(), KeyStoreFault>;

    /// Keeps the certificate of a key, by which the next start finds it, and gives it to those who verify.
    ///
    /// # Errors
    /// [`KeyStoreFault`].
    fn keep_certificate(&self, key: KeyId, der: &[u8]) -> Result<(), KeyStoreFault>;

    /// What the HTTPS listener shows with this key and these certificates, its own first.
    ///
    /// # Errors
    /// [`KeyStoreFault`].
    fn server_identity(&self, key: KeyId, chain: &[&[u8]]) -> Result<ServerIdentity, KeyStoreFault>;
}

/// What the store of keys says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct KeyStoreFault {
    /// One sentence, without secrets.
    pub why: String,
}

/// The HTTPS listener, where it shows a certificate of our own CA.
pub struct Listener {
    /// Its certificate's key.
    pub key: KeyId,
    /// What its certificate names.
    pub names: AlternativeNames,
    /// That certificate.
    pub certificate: Certificate,
}

/// What a service needs to rotate its keys.
pub struct KeyParts {
    /// Where they are kept.
    pub store: Arc<dyn KeyStore>,
    /// Who shakes hands, if there is HTTPS.
    pub acceptor: Option<Arc<Acceptor>>,
    /// `None` where the listener shows what the settings name.
    pub listener: Option<Listener>,
}

/// The same within the service.
pub(super) struct Keyring {
    pub(super) store: Arc<dyn KeyStore>,
    acceptor: Option<Arc<Acceptor>>,
    listener: Mutex<Option<Listener>>,
    /// One rotation at a time: two of one line would make the same key.
    turn: Mutex<()>,
}

impl From<KeyParts> for Keyring {
    fn from(KeyParts { store, acceptor, listener }: KeyParts) -> Self {
        Self { store, acceptor, listener: Mutex::new(listener), turn: Mutex::default() }
    }
}

impl Keyring {
    pub(super) fn take_turn(&self) -> Result<MutexGuard<'_, ()>, RotationFault> {
        match self.turn.try_lock() {
            Ok(turn) => Ok(turn),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(RotationFault::Busy),
        }
    }

    fn listener(&self) -> MutexGuard<'_, Option<Listener>> {
        // Every change is whole.
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key that follows another.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The new one.
    pub key: KeyId,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub public_key: Digest,
    /// The entry of its making.
    pub made_at: u64,
    /// Its certificate with the entry of its issue; none for the key of a responder, whose certificates come by themselves.
    pub certificate: Option<(Certificate, u64)>,
}

/// Why a key was not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotationFault {
    /// This service was given no place for keys.
    #[error("this service keeps no keys")]
    NoStore,
    /// A key that verifiers were given with the ledger itself, or none of ours.
    #[error("the key {} is not rotated{}", .0.name(), why_not(*.0))]
    NotRotated(KeyPurpose),
    /// There is no key of this purpose to follow.
    #[error("there is no key {} in use", .0.name())]
    NotInUse(KeyPurpose),
    /// The listener shows what the settings name.
    #[error("the HTTPS listener shows the certificate that the settings name: replace that file and start again")]
    NotOurs,
    /// Another rotation runs.
    #[error("another key is being rotated")]
    Busy,
    /// The idempotency key belongs to another request.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// The store of keys.
    #[error(transparent)]
    Store(#[from] KeyStoreFault),
    /// Its certificate.
    #[error(transparent)]
    Credential(#[from] CredentialFault),
    /// The certificate makes no unit or CA.
    #[error("the certificate of {key} is not fit for use: {why}")]
    Unfit {
        /// Which.
        key: KeyId,
        /// Why.
        why: String,
    },
    /// What comes from the offline root is not what was asked for.
    #[error("what was signed is not taken: {0}")]
    NotTaken(String),
    /// The listener.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// The service itself.
    #[error(transparent)]
    Fault(#[from] ServiceFault),
}

const fn why_not(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::ArchiveKek => ": all that it wrapped would have to be wrapped anew, which this version does not do",
        _ => "",
    }
}

impl From<Repetition> for RotationFault {
    fn from(repetition: Repetition) -> Self {
        match repetition {
            Repetition::KeyReused => Self::KeyReused,
            Repetition::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<semper_ledger::store::Fault> for RotationFault {
    fn from(fault: semper_ledger::store::Fault) -> Self {
        Self::Fault(fault.into())
    }
}

impl From<semper_ttp::crypto::EntropyFault> for RotationFault {
    fn from(fault: semper_ttp::crypto::EntropyFault) -> Self {
        Self::Fault(fault.into())
    }
}

/// What a rotation is by.
#[derive(Clone, Copy, Debug, Default)]
pub struct RotationCause<'a> {
    /// What led to it: the operator's request; nothing when its time had come.
    pub request: &'a [u8],
    /// For a request that may be repeated.
    pub idempotency: Option<Idempotency>,
}

impl Service {
    /// Makes the next key of a line, has it certified, puts it to use and tells the end of the one before. Blocks.
    ///
    /// # Errors
    /// [`RotationFault`].
    pub fn rotate(&self, purpose: KeyPurpose, cause: RotationCause<'_>) -> Result<Rotated, RotationFault> {
        let keyring = self.keys.as_ref().ok_or(RotationFault::NoStore)?;
        let _turn = keyring.take_turn()?;
        if let Some(first) = self.answered(cause.idempotency)? {
            return self.rotated_at(first);
        }
        let kind = Kind::of(purpose).ok_or(RotationFault::NotRotated(purpose))?;
        // A rotation that failed half way is settled before the next one.
        self.settle(keyring, purpose, kind)?;
        let (current, like) = self.in_use(keyring, purpose)?;
        // 1.
        let key = self.next_of(current)?;
        let signer = keyring.store.make(key, &*like)?;
        // 2.
        let (made_at, certificate) = match self.record_new_key(keyring, key, kind, &*signer, cause) {
            Ok(recorded) => recorded,
            Err(fault) => {
                // A ledger that stopped may have it, and a start will know.
                if !matches!(&fault, RotationFault::Fault(ServiceFault::Refused(Refused::Stopped))) {
                    keyring.store.discard(key)?;
                }
                return Err(fault);
            }
        };
        // 3 to 5.
        self.take_over(keyring, key, kind, signer.clone(), certificate.as_ref())?;
        tracing::info!(%key, %current, "a key was rotated");
        let certificate = certificate.map(|certificate| (certificate, made_at + 1));
        Ok(Rotated { key, public_key: Digest::of(signer.spki_der()), made_at, certificate })
    }

    /// Finishes or clears what earlier rotations left in the middle: at the start, before requests are taken.
    ///
    /// # Errors
    /// [`RotationFault`].
    pub fn settle_keys(&self) -> Result<(), RotationFault> {
        let Some(keyring) = &self.keys else { return Ok(()) };
        for (purpose, kind) in KeyPurpose::ALL.iter().filter_map(|purpose| Some((*purpose, Kind::of(*purpose)?))) {
            self.settle(keyring, purpose, kind)?;
        }
        Ok(())
    }

    fn settle(&self, keyring: &Keyring, purpose: KeyPurpose, kind: Kind) -> Result<(), RotationFault> {
        // The newest key of a responder, of notices, notary or arbiter is in use from the next start on, and recorded then.
        if matches!(kind, Kind::Responder(_) | Kind::Notices | Kind::Role) {
            return Ok(());
        }
        for key in keyring.store.unfinished(purpose)? {
            let signer = keyring.store.open(key)?;
            match self.certificate_of(&Digest::of(signer.spki_der()), kind)? {
                Some(certificate) => {
                    tracing::warn!(%key, "a rotation that did not end is finished");
                    self.take_over(keyring, key, kind, signer, Some(&certificate))?;
                }
                // Its certificate is to come from an offline root.
                None if self.reader().last_step(&Aggregate::of_key(key).0)?.is_some() => {}
                None => {
                    tracing::warn!(%key, "a key that the ledger does not know, of a rotation that did not end, is taken away");
                    keyring.store.discard(key)?;
                }
            }
        }
        Ok(())
    }

    /// The key of a purpose that is in use.
    pub(super) fn in_use(
        &self,
        keyring: &Keyring,
        purpose: KeyPurpose,
    ) -> Result<(KeyId, Arc<dyn Signer>), RotationFault> {
        let missing = || RotationFault::NotInUse(purpose);
        match Kind::of(purpose).ok_or(RotationFault::NotRotated(purpose))? {
            Kind::Unit => self.endpoints.iter().map(|endpoint| endpoint.load()).find_map(|endpoint| {
                let key = endpoint.endpoint.tsu().key();
                (key.purpose == purpose).then(|| (key, endpoint.signer.clone()))
            }),
            Kind::Responder(authority) => self.responders.key_of(authority),
            Kind::Authority(authority) => {
                self.authorities.newest(authority).and_then(|held| Some((held.key.ca.key(), held.key.signer.clone()?)))
            }
            Kind::Listener => {
                let key = keyring.listener().as_ref().map(|listener| listener.key).ok_or(RotationFault::NotOurs)?;
                return Ok((key, keyring.store.open(key)?));
            }
            Kind::Notices => self.notices.as_ref().map(NoticeKey::current),
            Kind::Role => self.desks.current(purpose),
        }
        .ok_or_else(missing)
    }

    /// The next generation that neither the service nor the ledger knows.
    pub(super) fn next_of(&self, current: KeyId) -> Result<KeyId, RotationFault> {
        let mut generation = current.generation + 1;
        while self.reader().last_step(&Aggregate::of_key(KeyId { generation, ..current }).0)?.is_some() {
            generation += 1;
        }
        Ok(KeyId { generation, ..current })
    }

    /// Key made and certificate issued, in one commit. Gives the entry of the first.
    fn record_new_key(
        &self,
        keyring: &Keyring,
        key: KeyId,
        kind: Kind,
        signer: &dyn Signer,
        RotationCause { request, idempotency }: RotationCause<'_>,
    ) -> Result<(u64, Option<Certificate>), RotationFault> {
        let wanted = self.wanted(keyring, key, kind, signer)?;
        for _ in 0..ATTEMPTS_MAX {
            let (certificate, mut commit) = match &wanted {
                Some(wanted) => {
                    let Prepared { certificate, commit } = self.prepare_certificate(wanted)?;
                    (Some(certificate), commit)
                }
                None => {
                    let now_ms = self.ledger_now()?.millis();
                    (None, Commit { idempotency: None, now_ms, drafts: Vec::new(), rows: Vec::new() })
                }
            };
            let made = OpsFact::KeyMade { key, public_key: Digest::of(signer.spki_der()) };
            let now = semper_ttp::time::Timestamp::from_millis(commit.now_ms);
            let envelope = self.envelope(Aggregate::of_key(key), 0, now, request)?;
            commit.drafts.insert(0, draft(&made.into_fact(&envelope), None));
            commit.idempotency = idempotency;
            match self.ledger.append(commit) {
                Ok(appended) => return Ok((appended.first, certificate)),
                Err(Refused::Stale { .. }) => {}
                Err(refused) => return Err(ServiceFault::from(refused).into()),
            }
        }
        Err(RotationFault::Credential(CredentialFault::Busy))
    }

    /// The certificate that a new key gets; none for a responder's and for that of notices.
    pub(super) fn wanted(
        &self,
        keyring: &Keyring,
        key: KeyId,
        kind: Kind,
        signer: &dyn Signer,
    ) -> Result<Option<ToIssue>, RotationFault> {
        let (by, profile, alternative_names) = match kind {
            Kind::Responder(_) | Kind::Notices => return Ok(None),
            Kind::Role => return self.wanted_of_role(key, signer).map(Some),
            Kind::Unit => (Authority::Tsu, "tsu", AlternativeNames::default()),
            Kind::Authority(_) => (Authority::Root, "issuing-ca", AlternativeNames::default()),
            Kind::Listener => {
                let names = keyring.listener().as_ref().map(|listener| listener.names.clone());
                (Authority::Server, super::policies::LISTENER_PROFILE, names.ok_or(RotationFault::NotOurs)?)
            }
        };
        let issuer = self.authorities.newest(by).ok_or(RotationFault::NotInUse(by.key_purpose()))?;
        let subject = Subject { common_name: common_name(key).unwrap_or_default(), ..self.responders.subject.clone() };
        let mut subject = DistinguishedName::from(&subject);
        if kind == Kind::Listener {
            // Clients know a server by the address that they asked for, so it needs no name of its own (RFC 9525 §2).
            subject.0.remove(&Attribute::CommonName);
        }
        Ok(Some(ToIssue {
            ca: issuer.key.ca,
            profile: self.policies.profile(profile).cloned().unwrap_or_else(|| Profile::named(profile)),
            subject,
            alternative_names,
            spki_der: signer.spki_der().to_vec(),
            serial: None,
            registration: Vec::new(),
            request: Digest::of(b""),
        }))
    }

    /// The certificate of a key of the notary or the arbiter: its profile is called as its purpose is.
    pub(super) fn wanted_of_role(&self, key: KeyId, signer: &dyn Signer) -> Result<ToIssue, RotationFault> {
        let profile = key.purpose.name();
        let issuer = self.authorities.newest(Authority::Party);
        let issuer = issuer.ok_or(RotationFault::NotInUse(KeyPurpose::CaParty))?;
        let subject = Subject { common_name: common_name(key).unwrap_or_default(), ..self.responders.subject.clone() };
        Ok(ToIssue {
            ca: issuer.key.ca,
            profile: self.policies.profile(profile).cloned().unwrap_or_else(|| Profile::named(profile)),
            subject: DistinguishedName::from(&subject),
            alternative_names: AlternativeNames::default(),
            spki_der: signer.spki_der().to_vec(),
            serial: None,
            registration: Vec::new(),
            request: Digest::of(b""),
        })
    }

    /// Puts a key to use that the ledger knows: steps 3 to 5.
    pub(super) fn take_over(
        &self,
        keyring: &Keyring,
        key: KeyId,
        kind: Kind,
        signer: Arc<dyn Signer>,
        certificate: Option<&Certificate>,
    ) -> Result<(), RotationFault> {
        let keep = |certificate: &Certificate| keyring.store.keep_certificate(key, certificate.der());
        match (kind, certificate) {
            (Kind::Responder(authority), _) => {
                self.replace_responder_key(authority, key, &signer)?;
            }
            (Kind::Notices, _) => self.replace_notice_key(key, signer),
            (Kind::Role, Some(certificate)) => self.open_role_key(key, signer, certificate)?,
            (Kind::Unit, Some(certificate)) => {
                keep(certificate)?;
                self.replace_unit(key, signer, certificate)?;
            }
            // Its first lists need the time. A CA that could not be put to use is not found by its certificate either, and so
            // settled later.
            (Kind::Authority(authority), Some(certificate)) => {
                self.add_authority(keyring, CaId { authority, generation: key.generation }, signer, certificate)?;
                keep(certificate)?;
            }
            (Kind::Listener, Some(certificate)) => {
                keep(certificate)?;
                self.replace_listener(keyring, key, certificate)?;
            }
            (Kind::Unit | Kind::Authority(_) | Kind::Listener | Kind::Role, None) => {
                unreachable!("these have a certificate")
            }
        }
        // What follows a failure here is the daily look, which tells it.
        if let Err(fault) = self.record_ended_keys() {
            tracing::warn!(%fault, "the end of the key before {key} is not told yet");
        }
        Ok(())
    }

    fn replace_unit(
        &self,
        key: KeyId,
        signer: Arc<dyn Signer>,
        certificate: &Certificate,
    ) -> Result<(), RotationFault> {
        let unfit = |why: String| RotationFault::Unfit { key, why };
        let root = self.authorities.get(CaId::first(Authority::Root));
        let root = root.ok_or(RotationFault::NotInUse(KeyPurpose::CaRoot))?;
        let chain = self.issuer_of(Authority::Tsu, certificate).ok_or(RotationFault::NotInUse(KeyPurpose::CaTsu))?;
        let chain = [chain.key.certificate.clone()];
        let tsu =
            Tsu::load(key, signer.algorithm(), signer.spki_der(), certificate.der(), &chain, &root.key.certificate);
        let tsu = Arc::new(tsu.map_err(|fault| unfit(fault.to_string()))?);
        let of_purpose = |one: &&arc_swap::ArcSwap<Endpoint>| one.load().endpoint.tsu().key().purpose == key.purpose;
        let slot = self.endpoints.iter().find(of_purpose).ok_or(RotationFault::NotInUse(key.purpose))?;
        let before = slot.load_full();
        let endpoint = timestamp::Endpoint::new(before.endpoint.settings().clone(), tsu);
        let endpoint = endpoint.map_err(|fault| unfit(fault.to_string()))?;
        let pool = before.pool.another(&format!("sign-{key}")).map_err(|error| unfit(error.to_string()))?;
        let next = Endpoint::new(endpoint, signer, pool);
        // A rotation that did not end is finished at the next start, and the certificate may be revoked by then.
        next.close(self.is_revoked_unit(next.endpoint.tsu())?);
        slot.store(Arc::new(next));
        // Whatever the old key signs is in the sequencer's queue when this returns, so its end comes after that.
        before.pool.close();
        Ok(())
    }

    fn add_authority(
        &self,
        keyring: &Keyring,
        ca: CaId,
        signer: Arc<dyn Signer>,
        certificate: &Certificate,
    ) -> Result<(), RotationFault> {
        let unfit = |why: String| RotationFault::Unfit { key: ca.key(), why };
        let before = self.authorities.newest(ca.authority).ok_or(RotationFault::NotInUse(ca.key().purpose))?;
        let issuer = Issuer::new(ca.authority, certificate, signer.algorithm());
        let issuer = issuer.map_err(|fault| unfit(fault.to_string()))?.of_generation(ca.generation);
        let held = Arc::new(Held::new(AuthorityKey {
            ca,
            certificate: certificate.der().to_vec(),
            issuer,
            signer: Some(signer),
            crl_life_secs: before.key.crl_life_secs,
            shards: before.key.shards,
        }));
        // Its lists are there before anything names them. What an earlier try has done is not done again.
        if self.authorities.get(ca).is_none() {
            self.first_lists_of(&held)?;
            self.authorities.add(&held);
        }
        self.add_responder(&held)?;
        match &keyring.acceptor {
            Some(acceptor) if ca.authority == Authority::Party => Ok(acceptor.believe(&self.client_issuers())?),
            _ => Ok(()),
        }
    }

    /// The certificates of all CAs for parties, by which clients are known.
    fn client_issuers(&self) -> Vec<Vec<u8>> {
        let all = self.authorities.all();
        let parties = all.iter().filter(|held| held.key.ca.authority == Authority::Party);
        parties.map(|held| held.key.certificate.clone()).collect()
    }

    fn replace_listener(&self, keyring: &Keyring, key: KeyId, certificate: &Certificate) -> Result<(), RotationFault> {
        let issuer = self.issuer_of(Authority::Server, certificate);
        let issuer = issuer.ok_or(RotationFault::NotInUse(KeyPurpose::CaServer))?;
        let identity = keyring.store.server_identity(key, &[certificate.der(), &issuer.key.certificate])?;
        if let Some(acceptor) = &keyring.acceptor {
            acceptor.replace(&identity)?;
        }
        if let Some(listener) = keyring.listener().as_mut() {
            (listener.key, listener.certificate) = (key, certificate.clone());
        }
        Ok(())
    }

    /// The CA of this line that signed a certificate, told by its key.
    pub(super) fn issuer_of(&self, authority: Authority, certificate: &Certificate) -> Option<Arc<Held>> {
        let wanted = certificate.authority_key_identifier()?;
        let all = self.authorities.all();
        let mut line = all.iter().filter(|held| held.key.ca.authority == authority);
        let id = |held: &Held| held.certificate.as_ref().and_then(Certificate::subject_key_identifier);
        line.find(|held| id(held).as_ref() == Some(&wanted)).cloned()
    }

    /// The certificate of this class for this key that the ledger has.
    pub(super) fn certificate_of(&self, public_key: &Digest, kind: Kind) -> Result<Option<Certificate>, RotationFault> {
        for index in self.reader().indexes(&names::key(public_key))?.into_iter().rev() {
            if let Some(certificate) = self.issued_at(index)?.filter(|(class, _)| Some(*class) == kind.class()) {
                return Ok(Some(certificate.1));
            }
        }
        Ok(None)
    }

    /// The certificate whose issue is this entry, with its class.
    fn issued_at(&self, index: u64) -> Result<Option<(ProfileCode, Certificate)>, RotationFault> {
        let Some(fact) = self.reader().fact(index)? else { return Ok(None) };
        let Ok(fact) = Fact::decode(&fact).and_then(|fact| CaFact::from_fact(&fact)) else { return Ok(None) };
        let CaFact::CertificateIssued { profile, .. } = fact else { return Ok(None) };
        let der = self.reader().artefact(index)?;
        Ok(der.and_then(|der| Certificate::from_der(&der).ok()).map(|certificate| (profile, certificate)))
    }

    /// What a rotation said that was made before under the same idempotency key.
    fn rotated_at(&self, made_at: u64) -> Result<Rotated, RotationFault> {
        let facts = |why: String| RotationFault::Fault(ServiceFault::Facts(why));
        let fact = self.reader().fact(made_at)?.ok_or_else(|| facts(format!("entry {made_at} has no fact")))?;
        let OpsFact::KeyMade { key, public_key } = read_fact(&fact)? else {
            return Err(facts(format!("entry {made_at} is not of the making of a key")));
        };
        let issued = self.issued_at(made_at + 1)?.map(|(_, certificate)| certificate);
        let ours = issued.filter(|certificate| Digest::of(&certificate.spki_der()) == public_key);
        Ok(Rotated { key, public_key, made_at, certificate: ours.map(|certificate| (certificate, made_at + 1)) })
    }
}

/// How a key is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A timestamping unit's.
    Unit,
    /// One that answers OCSP for a line.
    Responder(Authority),
    /// An issuing CA's.
    Authority(Authority),
    /// The HTTPS listener's.
    Listener,
    /// The one that signs notices to holders.
    Notices,
    /// One of the notary's two, or of the arbiter's two.
    Role,
}

impl Kind {
    /// `None` for keys that verifiers were given with the ledger: those of log, receipts and root; and for keys that no role has yet.
    pub(super) fn of(purpose: KeyPurpose) -> Option<Self> {
        let issuing = Authority::ISSUING.into_iter();
        match purpose {
            KeyPurpose::TsuEc | KeyPurpose::TsuRsa => Some(Self::Unit),
            KeyPurpose::Tls => Some(Self::Listener),
            KeyPurpose::Webhook => Some(Self::Notices),
            KeyPurpose::NotaryAct | KeyPurpose::NotaryDvcs | KeyPurpose::ArbiterVerdict | KeyPurpose::ArbiterEscrow => {
                Some(Self::Role)
            }
            _ => issuing.clone().find(|authority| authority.key_purpose() == purpose).map(Self::Authority).or_else(
                || {
                    issuing
                        .clone()
                        .find(|authority| authority.responder_purpose() == Some(purpose))
                        .map(Self::Responder)
                },
            ),
        }
    }

    /// The class of its certificate.
    const fn class(self) -> Option<ProfileCode> {
        match self {
            Self::Unit => Some(ProfileCode::Tsu),
            Self::Authority(_) => Some(ProfileCode::IssuingCa),
            Self::Listener => Some(ProfileCode::Server),
            Self::Role => Some(ProfileCode::Role),
            Self::Responder(_) | Self::Notices => None,
        }
    }
}
