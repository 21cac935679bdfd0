//! CD-R: what each message of a certified delivery must hold, and how its content and its key are sealed (exchange-and-disputes §7).
//!
//! ```text
//! P = salt[32] ‖ message      C = 01 ‖ iv[12] ‖ AES-256-GCM(K, iv, P, "semper/cd-r/1/content" ‖ n) ‖ tag[16]
//! hm = h("semper/cd-r/1/msg" ‖ 00 ‖ P)      hk = h("semper/cd-r/1/key" ‖ 00 ‖ K)
//! ctx = h("semper/cd-r/1/escrow" ‖ 00 ‖ o ‖ r ‖ ttp ‖ c_sha256 ‖ hm ‖ hk ‖ n ‖ be64(t_exp or 0)) = apv of the escrow
//! ```
//!
//! The escrow cannot carry `x`, which covers it: `ctx` binds it to the run's parties, arbiter and content instead. The arbiter never has C:
//! whether C opens to what was promised, it cannot know, and [`super::judge::delivery`] convicts whoever sent something else.

use zeroize::Zeroizing;

use crate::crypto::jose::Thumbprint;
use crate::crypto::jwe::{AgreementKey, AgreementPublic, Escrow};
use crate::crypto::{CryptoFault, Entropy, SecretKey};
use crate::digest::Digest;
use crate::statement::exchange::Side;
use crate::statement::exchange::cd_r::{AbortDelivery, D1, D2, D3, D4, ResolveO, ResolveR};
use crate::statement::{Body as _, Jws};

use super::run::{Asked, Keys, Run};
use super::{Broken, Demand, content};

/// Octets by which a sealed content is longer than its message.
pub const CONTENT_OVERHEAD: usize = content::OVERHEAD + SALT_BYTES;

/// Octets of the salt in front of a message: without it, a short one could be guessed from its hash before there is a receipt.
const SALT_BYTES: usize = 32;

/// The hash of a message with its salt.
#[must_use]
pub fn message_hash(salt: &[u8; SALT_BYTES], message: &[u8]) -> Digest {
    Digest::of(&[b"semper/cd-r/1/msg\0", &salt[..], message].concat())
}

/// The hash of a content's key.
#[must_use]
pub fn key_hash(key: &SecretKey) -> Digest {
    Digest::of(&[b"semper/cd-r/1/key\0", &key.expose()[..]].concat())
}

/// What the escrow of a delivery is sealed for.
#[must_use]
pub fn escrow_context(delivery: &D1) -> Digest {
    let D1 { o, r, ttp, c_sha256, hm, hk, n, t_exp, .. } = delivery;
    let t_exp = t_exp.map_or(0, u64::from).to_be_bytes();
    let named = [o.key.0, r.key.0, ttp.key.0, *c_sha256, *hm, *hk, *n].map(|octets| octets.0).concat();
    Digest::of(&[b"semper/cd-r/1/escrow\0", &named[..], &t_exp].concat())
}

/// What the arbiter seals a key for that an originator left with it.
#[must_use]
pub fn deposit_context(x: &Digest) -> Digest {
    Digest::of(&[b"semper/cd-r/1/deposit\0", &x.0[..]].concat())
}

/// Seals a message; gives C.
///
/// # Errors
/// libcrypto, no randomness.
pub fn seal_content(
    key: &SecretKey,
    n: &[u8; 32],
    salt: &[u8; SALT_BYTES],
    message: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoFault> {
    content::seal(key, &associated(n), &[salt, message], entropy)
}

fn associated(n: &[u8; 32]) -> Vec<u8> {
    [b"semper/cd-r/1/content", &n[..]].concat()
}

/// The message that a delivery promised: salt and text.
pub struct Message {
    plain: Zeroizing<Vec<u8>>,
}

impl Message {
    /// What it says.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.plain[SALT_BYTES..]
    }
}

/// Why a key does not open what was delivered. The originator has signed all of it, so it has sent something else than it promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadContent {
    /// The content is not the one of the delivery: that is nobody's fault but of whoever shows it.
    #[error("the content is not the one that the delivery names")]
    OtherContent,
    /// The key is not the one of the delivery.
    #[error("the key is not the one that the delivery names")]
    OtherKey,
    /// The content does not decrypt by the key that was promised for it.
    #[error("the content does not decrypt by its key")]
    Sealed,
    /// It decrypts to something else than was promised.
    #[error("the content is another message than was promised")]
    OtherMessage,
}

impl BadContent {
    /// Whether the originator cheated (PC-4): content and key are what it has signed, and yet they are not the message.
    #[must_use]
    pub const fn is_cheating(self) -> bool {
        matches!(self, Self::Sealed | Self::OtherMessage)
    }
}

/// d1, signed by the key that it names.
#[derive(Clone, Debug, PartialEq)]
pub struct Posted {
    /// What it fixes.
    pub run: Run,
    /// All that it says.
    pub delivery: D1,
    /// As it was received.
    pub jws: Jws,
}

/// d2 to that d1.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreed {
    /// As it was received.
    pub jws: Jws,
}

impl Posted {
    /// Reads d1.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn read(jws: Jws, keys: Keys<'_>) -> Result<Self, Broken> {
        let x = jws.x();
        let (run, delivery) = Run::first(&jws, keys, |delivery| Run::of_delivery(x, delivery))?;
        // One key that both signs and agrees could be made to do the one by asking for the other.
        if delivery.ttp.escrow_key == delivery.ttp.key {
            return Err(Broken::EscrowKey { key: delivery.ttp.escrow_key.to_string() });
        }
        Ok(Self { run, delivery, jws })
    }

    /// Reads d2.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn agreed(&self, jws: Jws, keys: Keys<'_>) -> Result<Agreed, Broken> {
        let D2 {} = self.run.follows(&jws, Side::Responder, keys)?;
        Ok(Agreed { jws })
    }

    /// Reads d3: the key.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn opened(&self, jws: &Jws, keys: Keys<'_>) -> Result<SecretKey, Broken> {
        let D3 { k } = self.run.follows(jws, Side::Originator, keys)?;
        self.require_key(k.secret(), D3::TAG)
    }

    /// Checks d4: the receipt.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn received(&self, jws: &Jws, keys: Keys<'_>) -> Result<(), Broken> {
        let D4 { hm } = self.run.follows(jws, Side::Responder, keys)?;
        match hm == self.delivery.hm {
            true => Ok(()),
            false => Err(Broken::OtherCommitment { of: D4::TAG }),
        }
    }

    /// Reads an abort: only the originator takes its delivery back.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn abort(&self, jws: Jws, keys: Keys<'_>) -> Result<Asked, Broken> {
        let AbortDelivery {} = self.run.follows(&jws, Side::Originator, keys)?;
        Ok(Asked { side: Side::Originator, demand: Demand::Abort, jws })
    }

    /// Reads resolve-r; `opens` says whether the escrow held the key when the arbiter opened it.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn resolve_r(&self, jws: Jws, opens: bool, keys: Keys<'_>) -> Result<Asked, Broken> {
        let ResolveR {} = self.run.follows(&jws, Side::Responder, keys)?;
        Ok(Asked { side: Side::Responder, demand: Demand::Take { opens }, jws })
    }

    /// Reads resolve-o, and the key in it.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn resolve_o(&self, jws: Jws, keys: Keys<'_>) -> Result<(Asked, SecretKey), Broken> {
        let ResolveO { k } = self.run.follows(&jws, Side::Originator, keys)?;
        let key = self.require_key(k.secret(), ResolveO::TAG)?;
        Ok((Asked { side: Side::Originator, demand: Demand::Deposit, jws }, key))
    }

    fn require_key(&self, key: SecretKey, of: &'static str) -> Result<SecretKey, Broken> {
        match key_hash(&key) == Digest(self.delivery.hk.0) {
            true => Ok(key),
            false => Err(Broken::Opening { of }),
        }
    }

    /// The escrow, if it says that it is one of this run: all that its recipient can see of it without a key. Who takes a delivery looks
    /// before it answers.
    #[must_use]
    pub fn escrow(&self) -> Option<Escrow> {
        let escrow = Escrow::parse(self.delivery.esc.as_str()).ok()?;
        let is_ours = escrow.recipient() == self.delivery.ttp.escrow_key
            && escrow.sender() == &self.run.o.key.0.0
            && escrow.context() == escrow_context(&self.delivery).as_bytes();
        is_ours.then_some(escrow)
    }

    /// The key in the escrow, for the arbiter; `None` if it is none of this run, does not open, or holds another key: the originator has
    /// escrowed rubbish.
    #[must_use]
    pub fn escrowed(&self, key: &AgreementKey) -> Option<SecretKey> {
        self.escrow()?.open(key).filter(|key| key_hash(key) == Digest(self.delivery.hk.0))
    }

    /// The same for whoever shows the ephemeral key: with it an originator refutes a verdict that called its escrow rubbish.
    #[must_use]
    pub fn escrowed_by(&self, ephemeral: &AgreementKey, arbiter: &AgreementPublic) -> Option<SecretKey> {
        let opened = self.escrow()?.open_as_sender(ephemeral, arbiter);
        opened.filter(|key| key_hash(key) == Digest(self.delivery.hk.0))
    }

    /// Whether this is the content that the delivery names: what a recipient holds in its hands, whole, before it answers.
    #[must_use]
    pub fn names(&self, content: &[u8]) -> bool {
        content.len() as u64 == u64::from(self.delivery.c_len)
            && Digest::of(content) == Digest(self.delivery.c_sha256.0)
    }

    /// Opens the content.
    ///
    /// # Errors
    /// [`BadContent`].
    pub fn open(&self, content: &[u8], key: &SecretKey) -> Result<Message, BadContent> {
        if !self.names(content) {
            return Err(BadContent::OtherContent);
        }
        if key_hash(key) != Digest(self.delivery.hk.0) {
            return Err(BadContent::OtherKey);
        }
        let plain = content::open(key, &associated(&self.delivery.n.0), content).ok_or(BadContent::Sealed)?;
        if plain.len() < SALT_BYTES {
            return Err(BadContent::Sealed);
        }
        let promised = Digest::of(&[b"semper/cd-r/1/msg\0", &plain[..]].concat());
        match promised == Digest(self.delivery.hm.0) {
            true => Ok(Message { plain }),
            false => Err(BadContent::OtherMessage),
        }
    }

    /// The key to which its escrow is sealed.
    #[must_use]
    pub const fn escrow_key(&self) -> Thumbprint {
        self.delivery.ttp.escrow_key
    }
}
