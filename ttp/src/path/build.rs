//! Anchors, and paths from them to a target.

mod search;

pub use search::{build, missing_issuers};

use std::sync::Arc;

use super::certificate::Certificate;
use super::name::Name;
use crate::crypto::{KeyFault, StrangerKey};

/// What is trusted without a reason: a name and its key (RFC 5280 §6.1.1 (d)).
#[derive(Debug)]
pub struct Anchor {
    name: Name,
    spki: Vec<u8>,
    key: Arc<StrangerKey>,
    certificate: Option<Arc<Certificate>>,
}

/// Why something cannot be an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an anchor's key cannot be used: {0}")]
pub struct AnchorFault(#[from] pub KeyFault);

impl Anchor {
    /// Subject and key of a certificate. Its other fields bind nobody (RFC 5280 §6: an anchor is no part of the path).
    ///
    /// # Errors
    /// [`AnchorFault`].
    pub fn from_certificate(certificate: Arc<Certificate>) -> Result<Self, AnchorFault> {
        let key = certificate.key()?;
        let (name, spki) = (certificate.subject().clone(), certificate.spki().to_vec());
        Ok(Self { name, spki, key, certificate: Some(certificate) })
    }

    /// A name and a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`AnchorFault`].
    pub fn from_key(name: Name, spki: &[u8]) -> Result<Self, AnchorFault> {
        let key = Arc::new(StrangerKey::from_spki_der(spki, None)?);
        Ok(Self { name, spki: spki.to_vec(), key, certificate: None })
    }

    /// Who is trusted.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &Arc<StrangerKey> {
        &self.key
    }

    /// The certificate that it came from.
    #[must_use]
    pub const fn certificate(&self) -> Option<&Arc<Certificate>> {
        self.certificate.as_ref()
    }
}

/// An anchor and the certificates that lead from it to a target: at least one, each issued by the one before it.
#[derive(Clone, Debug)]
pub struct Path {
    anchor: Arc<Anchor>,
    certificates: Vec<Arc<Certificate>>,
}

impl Path {
    /// A path that somebody else found; nothing about it is checked. `None` without a certificate.
    #[must_use]
    pub fn new(anchor: Arc<Anchor>, certificates: Vec<Arc<Certificate>>) -> Option<Self> {
        (!certificates.is_empty()).then_some(Self { anchor, certificates })
    }

    /// Where it begins.
    #[must_use]
    pub const fn anchor(&self) -> &Arc<Anchor> {
        &self.anchor
    }

    /// From the one that the anchor issued to the target.
    #[must_use]
    pub fn certificates(&self) -> &[Arc<Certificate>] {
        &self.certificates
    }

    /// The last certificate.
    #[must_use]
    pub fn target(&self) -> &Arc<Certificate> {
        // Every constructor puts one in.
        self.certificates.last().expect("a path has a certificate")
    }

    /// The keys of the certificates, each with what it inherits from the one before it (§6.1.4 (d) to (f)).
    pub(super) fn keys(&self) -> Vec<Result<Arc<StrangerKey>, KeyFault>> {
        let mut keys: Vec<Result<Arc<StrangerKey>, KeyFault>> = Vec::new();
        for certificate in &self.certificates {
            let above = keys.last().map_or(Some(&self.anchor.key), |key| key.as_ref().ok());
            keys.push(key_below(certificate, above));
        }
        keys
    }

    /// True if the target is the anchor's own certificate: it is trusted as it is, and there is nothing to validate.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.certificates.len() == 1 && self.anchor.certificate.as_ref() == self.certificates.first()
    }
}

/// The key of a certificate whose issuer has the key `above`: DSA parameters may be inherited.
fn key_below(certificate: &Certificate, above: Option<&Arc<StrangerKey>>) -> Result<Arc<StrangerKey>, KeyFault> {
    match (certificate.key(), above.and_then(|key| key.dsa_parameters())) {
        (Err(KeyFault::NoParameters), Some(parameters)) => {
            StrangerKey::from_spki_der(certificate.spki(), Some(parameters)).map(Arc::new)
        }
        (key, _) => key,
    }
}
