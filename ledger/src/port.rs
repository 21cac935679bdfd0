//! The two ports through which the pure half signs and verifies; `api` fills them from `ttp::crypto`.

/// The algorithms that the ledger's own signatures use. Both give 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032); public key: 32 bytes.
    Ed25519,
    /// ECDSA with P-256 and SHA-256, the signature as r ‖ s (COSE ES256); public key: the uncompressed point, 65 bytes.
    Es256,
}

/// A signature of the ledger: Ed25519, or r ‖ s.
pub type Signature = [u8; 64];

/// The key store could not sign. Says nothing that an outsider should not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signing failed: {0}")]
pub struct SigningFailed(pub String);

/// One private key with its algorithm.
pub trait Signer: Send + Sync {
    /// The algorithm of this key.
    fn algorithm(&self) -> Algorithm;

    /// The public key in the form that [`Algorithm`] names.
    fn public_key(&self) -> Vec<u8>;

    /// Signs `message` itself (the algorithm hashes it).
    fn sign(&self, message: &[u8]) -> Result<Signature, SigningFailed>;
}

/// Verifies signatures of any key.
pub trait Verifier: Send + Sync {
    /// False for a wrong signature and for a key that is none.
    fn verify(&self, algorithm: Algorithm, public_key: &[u8], message: &[u8], signature: &Signature) -> bool;
}
