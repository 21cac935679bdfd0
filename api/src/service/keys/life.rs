//! How long keys live: what the ledger tells of each, which has a follower or is past its period, whose time to be followed has come.

use semper_ledger::sequencer::Commit;
use semper_ttp::{
    ca::{Authority, CaId},
    digest::Digest,
    evidence::{Aggregate, Fact, KeyId, KeyPurpose, OpsFact, Recorded},
    time::Timestamp,
    x509::Period,
};

use super::{
    super::{Service, ServiceFault, desk::keeps_old, draft},
    Keyring, Kind, RotationCause, RotationFault,
};

/// How long before a unit's key ends its operator is told, seconds: time for a new unit and for telling those who pin it.
const KEY_END_NOTICE_SECS: u64 = 60 * 24 * 3600;

/// The key of a responder lives a year, as a unit's does; its certificates live a week.
const RESPONDER_KEY_LIFE_SECS: u64 = 365 * 24 * 3600;

/// What a key is there for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStanding {
    /// It signs.
    InUse,
    /// It certifies nobody: it signs lists, and of a CA that was taken over what OCSP answers.
    SignsLists,
    /// It wraps the keys of documents that are kept.
    WrapsKeys,
    /// It is the root's, and not here.
    Offline,
    /// The certificate of this CA is still to come, from the offline root.
    WaitsForRoot,
    /// Its certificate was revoked, or that of its CA: nothing that is by it counts any more.
    Revoked,
    /// Another one followed it.
    Followed,
    /// The ledger tells its end.
    Ended,
}

impl KeyStanding {
    /// As answers have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::SignsLists => "signs_lists",
            Self::WrapsKeys => "wraps_keys",
            Self::Offline => "offline",
            Self::WaitsForRoot => "waits_for_root",
            Self::Revoked => "revoked",
            Self::Followed => "followed",
            Self::Ended => "ended",
        }
    }

    /// Whether what it signs counts.
    #[must_use]
    pub const fn signs(self) -> bool {
        matches!(self, Self::InUse | Self::SignsLists)
    }
}

/// A key as the ledger tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// Which.
    pub key: KeyId,
    /// SHA-256 of its SubjectPublicKeyInfo; of a symmetric key its check value.
    pub public_key: Digest,
    /// When it was made.
    pub made: Timestamp,
    /// The entry of that.
    pub made_at: u64,
    /// When it first signed for somebody, where that is told.
    pub first_used: Option<Timestamp>,
    /// When it was told as ended.
    pub ended: Option<Timestamp>,
    /// What it is there for now.
    pub standing: KeyStanding,
    /// Until when it may be used, where a certificate or a rule says.
    pub not_after: Option<Timestamp>,
}

impl Service {
    /// Every key that the ledger knows, line by line.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn known_keys(&self) -> Result<Vec<KnownKey>, ServiceFault> {
        let mut known = Vec::new();
        for purpose in KeyPurpose::ALL {
            for generation in 1.. {
                let Some(mut found) = self.known_key(KeyId::new(*purpose, generation))? else { break };
                let period = self.period_of(found.key, found.made);
                found.not_after = period.map(|period| period.not_after);
                known.push(found);
            }
            let authority = Authority::ALL.into_iter().find(|authority| authority.key_purpose() == *purpose);
            let newest = known.last().map(|last| last.key.generation);
            let is_closed = |key: KeyId| {
                let mut units = self.endpoints.iter().map(|unit| unit.load_full());
                units.any(|unit| unit.endpoint.tsu().key() == key && unit.is_closed())
            };
            for one in known.iter_mut().filter(|one| one.key.purpose == *purpose) {
                one.standing = match authority {
                    _ if one.ended.is_some() => KeyStanding::Ended,
                    Some(authority) => self.standing_of_authority(CaId { authority, generation: one.key.generation }),
                    None if is_closed(one.key) => KeyStanding::Revoked,
                    None if *purpose == KeyPurpose::ArchiveKek => KeyStanding::WrapsKeys,
                    None if Some(one.key.generation) == newest => KeyStanding::InUse,
                    None => KeyStanding::Followed,
                };
            }
        }
        Ok(known)
    }

    fn standing_of_authority(&self, ca: CaId) -> KeyStanding {
        let newest = self.authorities.newest(ca.authority).map(|newest| newest.key.ca);
        match self.authorities.get(ca) {
            // Of several that wait the root certifies one; those before it are followed.
            None if newest.is_some_and(|newest| newest.generation > ca.generation) => KeyStanding::Followed,
            None => KeyStanding::WaitsForRoot,
            Some(held) if held.is_revoked() => KeyStanding::Revoked,
            Some(held) if held.has_ended(self.now()) => KeyStanding::Ended,
            Some(held) if held.key.signer.is_none() => KeyStanding::Offline,
            // One that was taken over certifies nobody.
            Some(_) if newest == Some(ca) && ca.authority != Authority::Imported => KeyStanding::InUse,
            Some(_) => KeyStanding::SignsLists,
        }
    }

    pub(in super::super) fn known_key(&self, key: KeyId) -> Result<Option<KnownKey>, ServiceFault> {
        let history = Aggregate::of_key(key);
        let Some(made_at) = self.reader().step_index(&history.0, 0)? else { return Ok(None) };
        let mut known = None;
        for fact in self.reader().facts_of(&history.0, 0)? {
            let facts = |error: &dyn std::fmt::Display| ServiceFault::Facts(error.to_string());
            let fact = Fact::decode(&fact).map_err(|error| facts(&error))?;
            match (OpsFact::from_fact(&fact).map_err(|error| facts(&error))?, &mut known) {
                (OpsFact::KeyMade { public_key, .. }, known @ None) => {
                    let (first_used, ended, not_after) = (None, None, None);
                    let made = fact.now;
                    let standing = KeyStanding::Followed;
                    *known = Some(KnownKey { key, public_key, made, made_at, first_used, ended, standing, not_after });
                }
                (OpsFact::KeyFirstUse { .. }, Some(known)) => known.first_used = known.first_used.or(Some(fact.now)),
                (OpsFact::KeyEnded { .. }, Some(known)) => known.ended = known.ended.or(Some(fact.now)),
                (OpsFact::OperatorAct { .. }, Some(_)) => {}
                _ => return Err(facts(&format!("the history of {key} does not begin with its making"))),
            }
        }
        Ok(known)
    }

    /// When a key that is in use may be used.
    fn period_of(&self, key: KeyId, made: Timestamp) -> Option<Period> {
        match Kind::of(key.purpose)? {
            Kind::Unit => self.endpoints.iter().map(|endpoint| endpoint.load()).find_map(|endpoint| {
                let tsu = endpoint.endpoint.tsu();
                (tsu.key() == key).then(|| tsu.key_period())
            }),
            Kind::Authority(authority) => {
                let held = self.authorities.get(CaId { authority, generation: key.generation })?;
                held.certificate.as_ref().map(|certificate| certificate.validity())
            }
            Kind::Listener => {
                let listener = self.keys.as_ref()?.listener();
                listener.as_ref().filter(|listener| listener.key == key).map(|listener| listener.certificate.validity())
            }
            Kind::Responder(_) => Some(Period { not_before: made, not_after: made.plus_secs(RESPONDER_KEY_LIFE_SECS) }),
            Kind::Notices => None,
            Kind::Role => {
                let desk = self.desks.certified(key.purpose)?;
                (desk.key == key).then(|| desk.certificate.validity())
            }
        }
    }

    /// The units whose key may soon sign no more, with the end of its period: within [`KEY_END_NOTICE_SECS`], or past.
    pub fn keys_ending(&self) -> Vec<(KeyId, Timestamp)> {
        let soon = self.time.now().plus_secs(KEY_END_NOTICE_SECS);
        let ends = self.endpoints.iter().map(|endpoint| {
            let endpoint = endpoint.load();
            (endpoint.endpoint.tsu().key(), endpoint.endpoint.tsu().key_period().not_after)
        });
        ends.filter(|(_, end)| *end <= soon).collect()
    }

    /// Gives the end of each key its entry (EN 319 421 OVR-7.12), once: of a unit's that is past its period, and of each that has a
    /// follower, but for those of CAs and for the arbiter's, which go on. Blocks on the disk.
    ///
    /// # Errors
    /// The ledger takes nothing, or the clock is in doubt.
    pub fn record_ended_keys(&self) -> Result<(), ServiceFault> {
        let now = self.time.now();
        for endpoint in &self.endpoints {
            let endpoint = endpoint.load_full();
            let tsu = endpoint.endpoint.tsu();
            if now > tsu.key_period().not_after {
                self.record_end(tsu.key(), "its period of use is over")?;
            }
        }
        for purpose in KeyPurpose::ALL {
            let follows = |kind: &Kind| !matches!(kind, Kind::Authority(_)) && !keeps_old(*purpose);
            let Some(kind) = Kind::of(*purpose).filter(follows) else { continue };
            let Some(current) = self.generation_in_use(*purpose, kind) else { continue };
            for generation in 1..current {
                self.record_end(KeyId::new(*purpose, generation), "another has followed it")?;
            }
        }
        Ok(())
    }

    fn generation_in_use(&self, purpose: KeyPurpose, kind: Kind) -> Option<u32> {
        let key = match kind {
            Kind::Unit => self
                .endpoints
                .iter()
                .map(|endpoint| endpoint.load().endpoint.tsu().key())
                .find(|key| key.purpose == purpose),
            Kind::Responder(authority) => self.responders.key_of(authority).map(|(key, _)| key),
            Kind::Listener => self.keys.as_ref().and_then(|keyring| Some(keyring.listener().as_ref()?.key)),
            Kind::Authority(authority) => self.authorities.newest(authority).map(|held| held.key.ca.key()),
            Kind::Notices => self.notices.as_ref().map(|key| key.current().0),
            Kind::Role => self.desks.current(purpose).map(|(key, _)| key),
        };
        key.map(|key| key.generation)
    }

    fn record_end(&self, key: KeyId, why: &str) -> Result<(), ServiceFault> {
        let Some(known) = self.known_key(key)? else { return Ok(()) };
        if known.ended.is_some() {
            return Ok(());
        }
        let history = Aggregate::of_key(key);
        let step = self.reader().last_step(&history.0)?.map_or(0, |(step, _)| step + 1);
        let now = self.ledger_now()?;
        let envelope = self.envelope(history, step, now, &[])?;
        let ended = OpsFact::KeyEnded { key, destroyed: false };
        self.ledger.append(Commit::one(now.millis(), draft(&ended.into_fact(&envelope), None)))?;
        tracing::warn!(%key, why, "a key is used no more");
        Ok(())
    }

    /// Rotates every key that has lived four fifths of its life; CAs first, so that what follows is by the new ones. What fails is
    /// logged, and tried again at the next look. Gives how many were rotated. Blocks.
    pub fn rotate_due(&self) -> usize {
        let Some(keyring) = &self.keys else { return 0 };
        let mut lines = KeyPurpose::ALL.to_vec();
        lines.sort_by_key(|purpose| !matches!(Kind::of(*purpose), Some(Kind::Authority(_))));
        let mut rotated = 0;
        for purpose in lines {
            match self.is_due(keyring, purpose) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(fault) => {
                    tracing::error!(purpose = purpose.name(), %fault, "it cannot be told whether a key is due");
                    continue;
                }
            }
            match self.rotate(purpose, RotationCause::default()) {
                Ok(_) => rotated += 1,
                Err(fault) if fault.is_of_time() => {
                    tracing::warn!(purpose = purpose.name(), "a key that is due waits for the clock")
                }
                Err(fault) => tracing::error!(purpose = purpose.name(), %fault, "a key that is due was not rotated"),
            }
        }
        rotated
    }

    fn is_due(&self, keyring: &Keyring, purpose: KeyPurpose) -> Result<bool, ServiceFault> {
        let Some(kind) = Kind::of(purpose) else { return Ok(false) };
        let Some(generation) = self.generation_in_use(purpose, kind) else { return Ok(false) };
        let key = KeyId { purpose, generation };
        let Some(known) = self.known_key(key)? else { return Ok(false) };
        let Some(period) = self.period_of(key, known.made) else { return Ok(false) };
        let life = period.not_after.secs().saturating_sub(period.not_before.secs());
        if self.now().secs() < period.not_before.secs() + life / 5 * 4 {
            return Ok(false);
        }
        // The next one would live no longer than this one: its issuer has to be followed first.
        let issuer_end = match kind {
            Kind::Unit => self.newest_end(Authority::Tsu),
            Kind::Listener if keyring.listener().is_some() => self.newest_end(Authority::Server),
            Kind::Authority(_) if !self.root_is_here() => return Ok(false),
            Kind::Authority(_) => self.newest_end(Authority::Root),
            Kind::Role => self.newest_end(Authority::Party),
            Kind::Listener | Kind::Responder(_) | Kind::Notices => None,
        };
        Ok(issuer_end.is_none_or(|end| end > period.not_after))
    }

    fn root_is_here(&self) -> bool {
        self.authorities.newest(Authority::Root).is_some_and(|root| root.key.signer.is_some())
    }

    fn newest_end(&self, authority: Authority) -> Option<Timestamp> {
        let held = self.authorities.newest(authority)?;
        held.certificate.as_ref().map(|certificate| certificate.validity().not_after)
    }
}

impl RotationFault {
    /// True if only the time stands in the way.
    pub fn is_of_time(&self) -> bool {
        match self {
            Self::Fault(fault) | Self::Credential(super::CredentialFault::Fault(fault)) => fault.is_of_time(),
            _ => false,
        }
    }
}
