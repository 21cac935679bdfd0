//! Who signs DVCs: a key with its certificate, and every byte around a DVC that does not change, made once.

use std::fmt;
use std::sync::Arc;

use crate::asn1::oid;
use crate::cms::Template;
use crate::crypto::{ChainFault, Purpose, SignatureAlgorithm, verify_chain};
use crate::evidence::KeyId;
use crate::x509::dvcs::{self, DvcsFault};
use crate::x509::{Certificate, CertificateFault};

/// A signer of DVCs.
pub struct DvcSigner {
    key: KeyId,
    certificate: Certificate,
    pub(super) template: Arc<Template>,
}

/// Why a key cannot sign DVCs; the service does not start then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadFault {
    /// A certificate does not read.
    #[error("certificate {position} of the notary's chain: {fault}")]
    Certificate {
        /// 0 for the notary's own.
        position: usize,
        /// Why.
        fault: CertificateFault,
    },
    /// The certificate has not the profile.
    #[error("the notary's certificate: {0}")]
    Profile(#[from] DvcsFault),
    /// The certificate is for another key.
    #[error("the notary's certificate is for another key")]
    OtherKey,
    /// DVCs are signed with ECDSA P-256 or RSA.
    #[error("a notary signs with P-256 or RSA, not {}", .0.name())]
    Algorithm(SignatureAlgorithm),
    /// The chain does not lead to the root.
    #[error("the notary's chain: {0}")]
    Chain(#[from] ChainFault),
}

impl DvcSigner {
    /// Checks the certificate's profile, key and chain, and prepares all constant bytes.
    ///
    /// `spki_der` is the signer's public key; `chain_der` the issuing CAs from the notary's issuer upwards, without the root; the path is
    /// judged at the begin of the certificate's validity.
    ///
    /// # Errors
    /// [`LoadFault`].
    pub fn load(
        key: KeyId,
        algorithm: SignatureAlgorithm,
        spki_der: &[u8],
        certificate_der: &[u8],
        chain_der: &[Vec<u8>],
        root_der: &[u8],
    ) -> Result<Self, LoadFault> {
        let read = |position, der: &[u8]| {
            Certificate::from_der(der).map_err(|fault| LoadFault::Certificate { position, fault })
        };
        let certificate = read(0, certificate_der)?;
        dvcs::check(&certificate)?;
        if certificate.spki_der() != spki_der {
            return Err(LoadFault::OtherKey);
        }
        if algorithm == SignatureAlgorithm::Ed25519 {
            return Err(LoadFault::Algorithm(algorithm));
        }
        let chain = chain_der.iter().enumerate().map(|(i, der)| read(i + 1, der)).collect::<Result<Vec<_>, _>>()?;
        verify_chain(certificate_der, chain_der, root_der, certificate.validity().not_before, Purpose::Any)?;
        let template = Template::new(oid::DVCS_RESPONSE_DATA, algorithm, &certificate, &chain);
        Ok(Self { key, certificate, template: Arc::new(template.with_signing_time()) })
    }

    /// The service name of its key.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// Its certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

impl fmt::Debug for DvcSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DvcSigner({}, certificate {})", self.key, self.certificate.digest())
    }
}
