//! The keys by which the notary and the arbiter sign what they release, with their certificates. Such a key has no certificate of its own
//! making: the service issues it when it first looks at its keys, and finds it by the key at every later start.
//!
//! What was promised under the arbiter's keys, whoever named them may ask for years later: so each of their generations stays at its desk.

use std::sync::{Arc, RwLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use semper_ttp::{
    ca::{Authority, CaId},
    crypto::{
        Signer,
        jose::{Algorithm, Key, Thumbprint},
        jwe::AgreementKey,
    },
    digest::Digest,
    evidence::{KeyId, KeyPurpose},
    notary::dvcs::DvcSigner,
    x509::Certificate,
};

use super::{RotationFault, Service, first_use::FirstUseTold, keys::Kind};

/// A key of a role, with its certificate.
pub(crate) struct RoleKey {
    pub(crate) key: KeyId,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) certificate: Certificate,
    /// Of the certificate.
    pub(crate) digest: Digest,
    pub(crate) thumbprint: Thumbprint,
    pub(crate) algorithm: Algorithm,
    /// Of the key for data validation certificates.
    pub(crate) dvcs: Option<DvcSigner>,
    /// Of the key that opens escrows, which signs nothing.
    pub(crate) agreement: Option<AgreementKey>,
    pub(super) first_use: FirstUseTold,
}

type NamedKey = (KeyId, Arc<dyn Signer>);

/// The keys of one purpose: the one that is in use, and, once it has a certificate, all of it.
struct Desk {
    purpose: KeyPurpose,
    key: ArcSwap<NamedKey>,
    open: ArcSwapOption<RoleKey>,
    /// Those before it, where they are kept; without certificate until the service has looked.
    before: Vec<NamedKey>,
    older: RwLock<Vec<Arc<RoleKey>>>,
}

impl Desk {
    /// Whether this key has its certificate.
    fn holds(&self, key: KeyId) -> bool {
        let older = || self.older.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.open.load().as_ref().is_some_and(|open| open.key == key) || older().iter().any(|held| held.key == key)
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Desks(Vec<Desk>);

impl Desks {
    /// The newest key of each purpose is in use.
    pub(super) fn new(keys: impl IntoIterator<Item = NamedKey>) -> Self {
        let mut desks = Self::default();
        for (key, signer) in keys {
            match desks.0.iter_mut().find(|desk| desk.purpose == key.purpose) {
                Some(desk) => {
                    let newest = (**desk.key.load()).clone();
                    let (newer, older) = if newest.0 < key { ((key, signer), newest) } else { (newest, (key, signer)) };
                    desk.before.push(older);
                    desk.key.store(Arc::new(newer));
                }
                None => desks.0.push(Desk {
                    purpose: key.purpose,
                    key: ArcSwap::from_pointee((key, signer)),
                    open: ArcSwapOption::empty(),
                    before: Vec::new(),
                    older: RwLock::default(),
                }),
            }
        }
        desks
    }

    fn of(&self, purpose: KeyPurpose) -> Option<&Desk> {
        self.0.iter().find(|desk| desk.purpose == purpose)
    }

    /// The key of this purpose that is in use.
    pub(super) fn current(&self, purpose: KeyPurpose) -> Option<NamedKey> {
        self.of(purpose).map(|desk| (**desk.key.load()).clone())
    }

    /// With its certificate, if it has one.
    pub(super) fn certified(&self, purpose: KeyPurpose) -> Option<Arc<RoleKey>> {
        self.of(purpose).and_then(|desk| desk.open.load_full())
    }

    /// The key of this name, in use or kept from before.
    pub(super) fn named(&self, purpose: KeyPurpose, name: &Thumbprint) -> Option<Arc<RoleKey>> {
        let desk = self.of(purpose)?;
        let current = desk.open.load_full().filter(|open| open.thumbprint == *name);
        current.or_else(|| {
            let older = desk.older.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            older.iter().find(|key| key.thumbprint == *name).cloned()
        })
    }

    /// The names of all keys of this purpose, those in use and those kept from before.
    pub(super) fn thumbprints(&self, purpose: KeyPurpose) -> Vec<Thumbprint> {
        let Some(desk) = self.of(purpose) else { return Vec::new() };
        let older = desk.older.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        older.iter().map(|key| key.thumbprint).chain(desk.open.load_full().map(|open| open.thumbprint)).collect()
    }

    fn put(&self, open: RoleKey) {
        let Some(desk) = self.of(open.key.purpose) else { return };
        let open = Arc::new(open);
        let keep = |key: Arc<RoleKey>| {
            if keeps_old(key.key.purpose) {
                desk.older.write().unwrap_or_else(std::sync::PoisonError::into_inner).push(key);
            }
        };
        if open.key < desk.key.load().0 {
            return keep(open);
        }
        desk.key.store(Arc::new((open.key, open.signer.clone())));
        // Kept first: between the two, a run that names it finds it twice, never not at all.
        if let Some(before) = desk.open.load_full().filter(|before| before.key != open.key) {
            keep(before);
        }
        desk.open.store(Some(open));
    }
}

/// Whether keys of this purpose go on signing what was promised under them.
pub(super) const fn keeps_old(purpose: KeyPurpose) -> bool {
    matches!(purpose, KeyPurpose::ArbiterVerdict | KeyPurpose::ArbiterEscrow)
}

impl Service {
    /// Gives the keys of notary and arbiter their certificates, once: those that the ledger has, else new ones. Blocks.
    ///
    /// # Errors
    /// [`RotationFault`].
    pub fn certify_role_keys(&self) -> Result<(), RotationFault> {
        let mut certified = Ok(());
        for desk in &self.desks.0 {
            let current = (**desk.key.load()).clone();
            // The key in use first: that an old one cannot be had is no reason to sign nothing.
            for (key, signer) in std::iter::once(current).chain(desk.before.iter().cloned()) {
                if desk.holds(key) {
                    continue;
                }
                certified = certified.and(self.certify_role_key(key, signer));
            }
        }
        certified
    }

    fn certify_role_key(&self, key: KeyId, signer: Arc<dyn Signer>) -> Result<(), RotationFault> {
        self.record_key_made(key, Digest::of(signer.spki_der()), self.ledger_now()?)?;
        let certificate = match self.certificate_of(&Digest::of(signer.spki_der()), Kind::Role)? {
            Some(certificate) => certificate,
            None => self.issue(&self.wanted_of_role(key, &*signer)?)?.certificate,
        };
        self.open_role_key(key, signer, &certificate)
    }

    /// Puts a key of a role to use.
    pub(super) fn open_role_key(
        &self,
        key: KeyId,
        signer: Arc<dyn Signer>,
        certificate: &Certificate,
    ) -> Result<(), RotationFault> {
        let unfit = |why: String| RotationFault::Unfit { key, why };
        let thumbprint = Key::from_spki_der(signer.spki_der()).map_err(|fault| unfit(fault.to_string()))?.thumbprint();
        let algorithm = Algorithm::of_signer(signer.algorithm());
        let algorithm = algorithm.ok_or_else(|| unfit("statements are not signed with its algorithm".to_owned()))?;
        let dvcs = match key.purpose {
            KeyPurpose::NotaryDvcs => {
                let issuer = self.issuer_of(Authority::Party, certificate);
                let issuer = issuer.ok_or(RotationFault::NotInUse(KeyPurpose::CaParty))?;
                let root = self.authorities.get(CaId::first(Authority::Root));
                let root = root.ok_or(RotationFault::NotInUse(KeyPurpose::CaRoot))?;
                let chain = [issuer.key.certificate.clone()];
                let (algorithm, spki) = (signer.algorithm(), signer.spki_der());
                let dvcs = DvcSigner::load(key, algorithm, spki, certificate.der(), &chain, &root.key.certificate);
                Some(dvcs.map_err(|fault| unfit(fault.to_string()))?)
            }
            _ => None,
        };
        let agreement = match key.purpose {
            KeyPurpose::ArbiterEscrow => {
                let agreement = signer.to_agreement();
                Some(
                    agreement
                        .ok_or_else(|| unfit("it is no soft key on P-256, which alone opens escrows".to_owned()))?,
                )
            }
            _ => None,
        };
        let (certificate, digest) = (certificate.clone(), certificate.digest());
        let first_use = FirstUseTold::default();
        self.desks.put(RoleKey { key, signer, certificate, digest, thumbprint, algorithm, dvcs, agreement, first_use });
        Ok(())
    }
}
