//! The notary's two keys with their certificates. A key has no certificate of its own making: the service issues it when it first looks
//! at its keys, and finds it by the key at every later start.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use semper_ttp::{
    ca::{Authority, CaId},
    crypto::{
        Signer,
        jose::{Algorithm, Key, Thumbprint},
    },
    digest::Digest,
    evidence::{KeyId, KeyPurpose},
    notary::dvcs::DvcSigner,
    x509::Certificate,
};

use super::{
    super::{RotationFault, Service, keys::Kind},
    first_use::FirstUseTold,
};

/// A key of the notary, with its certificate.
pub(crate) struct NotaryKey {
    pub(crate) key: KeyId,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) certificate: Certificate,
    /// Of the certificate.
    pub(crate) digest: Digest,
    pub(crate) thumbprint: Thumbprint,
    pub(crate) algorithm: Algorithm,
    /// Of the key for data validation certificates.
    pub(crate) dvcs: Option<DvcSigner>,
    pub(super) first_use: FirstUseTold,
}

/// One of the two: the key that is in use, and, once it has a certificate, all of it.
struct Desk {
    key: ArcSwap<(KeyId, Arc<dyn Signer>)>,
    open: ArcSwapOption<NotaryKey>,
}

/// Both.
pub(crate) struct Desks {
    act: Desk,
    dvcs: Desk,
}

impl Desks {
    pub(super) fn new(act: (KeyId, Arc<dyn Signer>), dvcs: (KeyId, Arc<dyn Signer>)) -> Self {
        let desk = |key| Desk { key: ArcSwap::from_pointee(key), open: ArcSwapOption::empty() };
        Self { act: desk(act), dvcs: desk(dvcs) }
    }

    fn of(&self, purpose: KeyPurpose) -> Option<&Desk> {
        match purpose {
            KeyPurpose::NotaryAct => Some(&self.act),
            KeyPurpose::NotaryDvcs => Some(&self.dvcs),
            _ => None,
        }
    }

    /// The key that signs records.
    pub(super) fn act(&self) -> Option<Arc<NotaryKey>> {
        self.act.open.load_full()
    }

    /// The key that signs data validation certificates.
    pub(super) fn dvcs(&self) -> Option<Arc<NotaryKey>> {
        self.dvcs.open.load_full()
    }

    /// The key of this purpose that is in use.
    pub(in super::super) fn current(&self, purpose: KeyPurpose) -> Option<(KeyId, Arc<dyn Signer>)> {
        self.of(purpose).map(|desk| (**desk.key.load()).clone())
    }

    /// With its certificate, if it has one.
    pub(in super::super) fn certified(&self, purpose: KeyPurpose) -> Option<Arc<NotaryKey>> {
        self.of(purpose).and_then(|desk| desk.open.load_full())
    }

    fn put(&self, open: NotaryKey) {
        if let Some(desk) = self.of(open.key.purpose) {
            desk.key.store(Arc::new((open.key, open.signer.clone())));
            desk.open.store(Some(Arc::new(open)));
        }
    }
}

impl Service {
    /// Gives the notary's keys their certificates, once: those that the ledger has, else new ones. Blocks.
    ///
    /// # Errors
    /// [`RotationFault`].
    pub fn certify_notary(&self) -> Result<(), RotationFault> {
        let Some(notary) = &self.notary else { return Ok(()) };
        for purpose in [KeyPurpose::NotaryAct, KeyPurpose::NotaryDvcs] {
            if notary.desks.certified(purpose).is_some() {
                continue;
            }
            let Some((key, signer)) = notary.desks.current(purpose) else { continue };
            self.record_key_made(key, Digest::of(signer.spki_der()), self.ledger_now()?)?;
            let certificate = match self.certificate_of(&Digest::of(signer.spki_der()), Kind::Notary)? {
                Some(certificate) => certificate,
                None => self.issue(&self.wanted_of_notary(key, &*signer)?)?.certificate,
            };
            self.open_notary_key(key, signer, &certificate)?;
        }
        Ok(())
    }

    /// Puts a key of the notary to use.
    pub(in super::super) fn open_notary_key(
        &self,
        key: KeyId,
        signer: Arc<dyn Signer>,
        certificate: &Certificate,
    ) -> Result<(), RotationFault> {
        let Some(notary) = &self.notary else { return Ok(()) };
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
        let (certificate, digest) = (certificate.clone(), certificate.digest());
        let first_use = FirstUseTold::default();
        notary.desks.put(NotaryKey { key, signer, certificate, digest, thumbprint, algorithm, dvcs, first_use });
        Ok(())
    }
}
