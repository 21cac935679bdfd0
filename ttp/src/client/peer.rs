//! Whose key a side signs with, as far as certificates tell: a chain to the root that this client trusts, for the key that the run names,
//! permitted to commit its holder. Which party it is of, and whether it was revoked, only the service knows.

use std::sync::Arc;

use crate::crypto::jose::{Key, Thumbprint};
use crate::crypto::{ChainFault, Purpose, verify_chain};
use crate::time::Timestamp;
use crate::x509::{Certificate, CertificateFault};

/// Why a certificate is not good enough to rely on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// There is none.
    #[error("there is no certificate")]
    None,
    /// It does not read.
    #[error("the certificate does not read: {0}")]
    Unreadable(#[from] CertificateFault),
    /// Its key signs no statements.
    #[error("the certificate's key signs no statements: {0}")]
    Key(String),
    /// It is of another key.
    #[error("the certificate is of the key {found}, and the run names {named}")]
    OtherKey {
        /// Whose certificate came.
        found: Thumbprint,
        /// Which key signs.
        named: Thumbprint,
    },
    /// It logs in, and commits to nothing.
    #[error("the certificate does not permit its key to sign what commits its holder (nonRepudiation)")]
    Commits,
    /// It does not lead to the root.
    #[error("the certificate does not lead to the root that you trust: {0}")]
    Chain(#[from] ChainFault),
}

/// A key with its certificate.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The certificate.
    pub certificate: Certificate,
    /// Its key.
    pub key: Arc<Key>,
}

impl Holder {
    /// Reads a chain, the holder's own certificate first, without judging it.
    ///
    /// # Errors
    /// [`PeerFault`].
    pub fn read(chain: &[Vec<u8>]) -> Result<Self, PeerFault> {
        let certificate = Certificate::from_der(chain.first().ok_or(PeerFault::None)?)?;
        let key = Key::from_spki_der(&certificate.spki_der()).map_err(|fault| PeerFault::Key(fault.to_string()))?;
        Ok(Self { certificate, key: Arc::new(key) })
    }

    /// Judges the chain of a side of a run for the key that it signs with: its own certificate first, those above it behind it.
    ///
    /// # Errors
    /// [`PeerFault`].
    pub fn judge(chain: &[Vec<u8>], named: Thumbprint, root: &[u8], at: Timestamp) -> Result<Self, PeerFault> {
        let holder = Self::judge_chain(chain, named, root, at)?;
        if holder.certificate.commits() { Ok(holder) } else { Err(PeerFault::Commits) }
    }

    /// The same whatever its key is permitted to do.
    ///
    /// # Errors
    /// [`PeerFault`].
    pub fn judge_chain(chain: &[Vec<u8>], named: Thumbprint, root: &[u8], at: Timestamp) -> Result<Self, PeerFault> {
        let holder = Self::read(chain)?;
        let found = holder.key.thumbprint();
        if found != named {
            return Err(PeerFault::OtherKey { found, named });
        }
        let (own, above) = chain.split_first().ok_or(PeerFault::None)?;
        verify_chain(own, above, root, at, Purpose::Any)?;
        Ok(holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::Authority;
    use crate::ca::certificate::Issuer;
    use crate::crypto::{SignatureAlgorithm, Signer as _, SoftKey};
    use crate::testing::{PKI, issue, start, template};

    fn certified(profile: &str) -> (Vec<Vec<u8>>, Thumbprint) {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let issuer = Issuer::new(Authority::Party, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        let certificate = issue(&template(profile, "Seller", &key, 1), &issuer, &PKI.ca_key);
        let name = Key::from_spki_der(key.spki_der()).unwrap().thumbprint();
        (vec![certificate.der().to_vec(), PKI.ca.der().to_vec()], name)
    }

    #[test]
    fn only_a_key_that_commits_under_the_own_root_is_good() {
        let (chain, name) = certified("party-legal");
        let at = start().plus_secs(60);
        let root = PKI.root.der();
        assert_eq!(Holder::judge(&chain, name, root, at).unwrap().key.thumbprint(), name);
        assert!(matches!(Holder::judge(&chain, name, PKI.ca.der(), at), Err(PeerFault::Chain(_))));
        assert!(matches!(Holder::judge(&chain[..1], name, root, at), Err(PeerFault::Chain(_))));
        assert!(matches!(Holder::judge(&chain, name, root, at.plus_secs(2 * 366 * 86_400)), Err(PeerFault::Chain(_))));
        assert!(matches!(Holder::judge(&[], name, root, at), Err(PeerFault::None)));
        assert!(matches!(Holder::judge(&[vec![0x30, 0]], name, root, at), Err(PeerFault::Unreadable(_))));
        let (other, other_name) = certified("party-auth");
        assert!(matches!(Holder::judge(&other, name, root, at), Err(PeerFault::OtherKey { .. })));
        assert!(matches!(Holder::judge(&other, other_name, root, at), Err(PeerFault::Commits)));
        assert!(Holder::judge_chain(&other, other_name, root, at).is_ok());
    }
}
