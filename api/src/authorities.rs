//! Our own CAs as the shell sees them: certificates and newest CRLs to serve, keys to renew the CRLs with.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use semper_ttp::{
    ca::{Authority, LastCrl, certificate::Issuer},
    crypto::Signer,
    time::Timestamp,
};

/// One CA whose key this process holds.
pub struct AuthorityKey {
    /// Which.
    pub authority: Authority,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// Name, key identifier and algorithm, for what it signs.
    pub issuer: Issuer,
    /// Its key.
    pub signer: Arc<dyn Signer>,
    /// From thisUpdate to nextUpdate of its CRLs, seconds.
    pub crl_life_secs: u32,
}

/// All CAs.
pub struct Authorities(Vec<Held>);

pub(crate) struct Held {
    pub(crate) key: AuthorityKey,
    pub(crate) crl: ArcSwapOption<NewestCrl>,
}

/// The CRL that is served.
pub(crate) struct NewestCrl {
    pub(crate) der: Bytes,
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Timestamp,
}

impl NewestCrl {
    pub(crate) fn new(der: Vec<u8>, LastCrl { this_update, next_update, .. }: LastCrl) -> Self {
        Self { der: der.into(), this_update, next_update }
    }
}

impl Held {
    /// Until when the newest CRL is good.
    pub(crate) fn crl_next_update(&self) -> Option<Timestamp> {
        self.crl.load().as_ref().map(|crl| crl.next_update)
    }
}

impl Authorities {
    /// The CAs of this service.
    pub fn new(keys: Vec<AuthorityKey>) -> Self {
        Self(keys.into_iter().map(|key| Held { key, crl: ArcSwapOption::empty() }).collect())
    }

    pub(crate) fn all(&self) -> &[Held] {
        &self.0
    }

    fn by_name(&self, name: &str) -> Option<&Held> {
        let authority = Authority::from_name(name)?;
        self.0.iter().find(|held| held.key.authority == authority)
    }

    /// The certificate at `/ca/<name>.cer`.
    pub(crate) fn certificate(&self, name: &str) -> Option<Bytes> {
        self.by_name(name).map(|held| Bytes::copy_from_slice(&held.key.certificate))
    }

    /// The newest CRL at `/crl/<name>.crl`, and when it was issued.
    pub(crate) fn crl(&self, name: &str) -> Option<(Bytes, Timestamp)> {
        self.by_name(name)?.crl.load_full().map(|crl| (crl.der.clone(), crl.this_update))
    }
}
