//! Keys in a PKCS#11 token (OASIS PKCS#11 v2.40): a [`Signer`] whose private key never enters this process.
//!
//! ```text
//! Token ── one module per process ── N sessions, one operation on each at a time
//!   ├─ generate(algorithm, label, id) ─▶ SubjectPublicKeyInfo      ceremony: the key is made in the token and stays there
//!   └─ signer(spki) ─▶ HsmSigner: Signer                           service: the key is known by its public half
//! ```
//!
//! A key is found **by its public key** and shown by a signature to be the one. Labels and ids are for people: two keys can have the
//! same, and a certificate whose key is another fails at its first reader, not here.
//!
//! Every call blocks, and waits while all sessions are busy. The callers are jobs of that key's [`crate::pool`], whose threads and
//! queue bound how many wait.
//!
//! Out of scope: where the PIN comes from (the caller's settings), initialising tokens and PINs (the vendor's program), and making
//! backups of keys.

mod fault;
mod key;
mod module;
mod sessions;

use std::{fmt, path::PathBuf, sync::Arc};

use cryptoki::object::ObjectHandle;
pub use fault::{Call, HsmFault, KeyTrouble};
use semper_ttp::{
    crypto::{Passphrase, PublicKey, SignError, SignatureAlgorithm, Signer, Verifier as _},
    digest::Digest,
};

/// Where a token is and how it is opened.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// The shared library that speaks for the token. A process can have one.
    pub module: PathBuf,
    /// Which of the module's tokens.
    pub name: TokenName,
    /// The user's PIN.
    pub pin: Passphrase,
    /// Signatures at the same time: from 1 to what the token allows, less one for [`Token::generate`].
    pub sessions: usize,
    /// Takes keys that were made elsewhere, so that one can move into a token. Nobody can know who else has them:
    /// EN 319 421 TIS-7.6.2-03 wants keys made in the device.
    pub allow_imported: bool,
}

/// How a token is named. Slot numbers are not offered: they change with every restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenName {
    /// By its label, if no other token has the same.
    Label(String),
    /// By its serial number.
    Serial(String),
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(f, "labelled {label:?}"),
            Self::Serial(serial) => write!(f, "with serial number {serial:?}"),
        }
    }
}

/// An open token, logged in.
pub struct Token {
    sessions: sessions::Sessions,
}

impl Token {
    /// Loads the module, finds the token, opens the sessions and logs in, once.
    ///
    /// # Errors
    /// [`HsmFault`]; a wrong PIN was sent to the token once, and must not be sent again by the caller.
    pub fn open(settings: TokenSettings) -> Result<Arc<Self>, HsmFault> {
        Ok(Arc::new(Self { sessions: sessions::Sessions::open(settings)? }))
    }

    /// The key with this public half, a SubjectPublicKeyInfo in DER. It has signed a challenge by then.
    ///
    /// # Errors
    /// [`HsmFault`]: no such key, or one that is not kept as a key of ours must be.
    pub fn signer(self: &Arc<Self>, spki_der: &[u8]) -> Result<HsmSigner, HsmFault> {
        let public = PublicKey::from_spki_der(spki_der)?;
        let key = HsmSigner { token: self.clone(), digest: Digest::of(spki_der), public };
        self.sessions.run(|session| key.look_up(session).map(drop))?;
        Ok(key)
    }

    /// Makes a key pair in the token, from which the private half cannot be read, and gives the SubjectPublicKeyInfo in DER. P-256,
    /// RSA with 3072 bits, or Ed25519 where the token can. `label` and `id` are for people and other programs.
    ///
    /// # Errors
    /// [`HsmFault`]; a pair that does not become as ordered is destroyed again.
    pub fn generate(&self, algorithm: SignatureAlgorithm, label: &str, id: &[u8]) -> Result<Vec<u8>, HsmFault> {
        self.sessions.run(|session| key::id_is_free(session.raw(), id))?;
        // Once: what is sent twice may be two keys.
        self.sessions.run_once(|session| {
            let writing = self.sessions.open_for_writing(session)?;
            key::generate(&writing, algorithm, label, id)
        })
    }

    /// Destroys what is in the token under this CKA_ID, for a key whose making did not end; gives how many objects that were.
    ///
    /// # Errors
    /// [`HsmFault`].
    pub fn destroy(&self, id: &[u8]) -> Result<usize, HsmFault> {
        self.sessions.run_once(|session| key::destroy(&self.sessions.open_for_writing(session)?, id))
    }

    /// Destroys the key with this public half, a SubjectPublicKeyInfo in DER: it signs never again.
    ///
    /// # Errors
    /// [`HsmFault`]: no such key, or the token refuses.
    pub fn destroy_key(&self, spki_der: &[u8]) -> Result<(), HsmFault> {
        let public = PublicKey::from_spki_der(spki_der)?;
        let allow_imported = self.sessions.settings().allow_imported;
        self.sessions
            .run_once(|session| key::destroy_key(&self.sessions.open_for_writing(session)?, &public, allow_imported))
    }

    /// How often it logged in since it was opened, tries that failed included: more than 1 tells of sessions that died.
    #[must_use]
    pub fn logins(&self) -> u64 {
        self.sessions.logins()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.sessions.settings().name)
    }
}

/// A private key in a token.
pub struct HsmSigner {
    token: Arc<Token>,
    public: PublicKey,
    digest: Digest,
}

impl HsmSigner {
    /// The key's handle in this session, looked up when the session first needs it.
    fn handle(&self, session: &mut sessions::Pooled) -> Result<ObjectHandle, HsmFault> {
        session.handle_of(&self.digest).map_or_else(|| self.look_up(session), Ok)
    }

    fn look_up(&self, session: &mut sessions::Pooled) -> Result<ObjectHandle, HsmFault> {
        let handle = key::find(session.raw(), &self.public, self.token.sessions.settings().allow_imported)?;
        session.remember(self.digest, handle);
        Ok(handle)
    }
}

impl fmt::Debug for HsmSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HsmSigner({:?} in {:?})", self.public, self.token)
    }
}

impl Signer for HsmSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.public.algorithm()
    }

    fn spki_der(&self) -> &[u8] {
        self.public.spki_der()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signed = self.token.sessions.run(|session| {
            let handle = self.handle(session)?;
            key::sign(session.raw(), handle, self.algorithm(), message)
        });
        signed.map_err(|fault| {
            tracing::error!(key = %self.digest, "a key in the PKCS#11 token did not sign: {fault}");
            SignError { reason: fault.in_short() }
        })
    }
}
