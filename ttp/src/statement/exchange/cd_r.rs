//! CD-R, certified delivery (exchange-and-disputes §7): a message for a receipt.
//!
//! ```text
//! d1 O → R   what is delivered, its key in escrow; the sealed content C comes beside it
//! d2 R → O   "I hold C and will take the key": intent, no receipt
//! d3 O → R   the key                              d4 R → O   the receipt
//! O → T      abort, with d1                       R → T      resolve-r, with d1 and d2
//!                                                 O → T      resolve-o, with d1 and d2, and the key
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use super::super::{Body, Count, Millis, Origin};
use super::{Arbiter, Assurance, Line, Participant};
use crate::b64u::{B64u, B64u32};
use crate::crypto::SecretKey;
use crate::crypto::jose::Thumbprint;
use crate::crypto::jwe::ESCROW_CHARS_MAX;

/// The body of `cd-r/d1`, schema `schemas/statements/cd-r.d1.json`: what the originator delivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct D1 {
    /// The deal that it belongs to, if there is one.
    pub deal: Option<B64u32>,
    /// SHA-256 of the arbiter's policy for exchanges, as it serves it.
    pub policy: B64u32,
    /// Who delivers.
    pub o: Participant,
    /// To whom.
    pub r: Participant,
    /// Who decides if something goes wrong, and opens the escrow.
    pub ttp: EscrowArbiter,
    /// A number used once, which keeps escrow and content of one run from being used in another.
    pub n: B64u32,
    /// SHA-256 of C, the sealed content.
    pub c_sha256: B64u32,
    /// Its length, octets.
    pub c_len: Count,
    /// What the content is, by [`crate::exchange::cd_r::message_hash`].
    pub hm: B64u32,
    /// The key, by [`crate::exchange::cd_r::key_hash`].
    pub hk: B64u32,
    /// The key in escrow, a JWE: inside what the originator signs, so that nobody puts another in its place.
    pub esc: EscrowText,
    /// What the recipient is told of the content before it takes it.
    pub subject: Subject,
    /// Who takes it on the recipient's side.
    pub mode: Mode,
    /// Whether the recipient is told who delivers.
    pub reveal: Reveal,
    /// The last moment at which the arbiter decides anything but EXPIRED; null for never.
    pub t_exp: Option<Millis>,
    /// The payment that it is delivered for, by the hash of its order's payload; null for none.
    pub pay: Option<B64u32>,
    /// What the parties want it to be worth.
    pub assurance: Assurance,
}

/// The arbiter that both have agreed on, with the key to which escrows are sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscrowArbiter {
    /// The origin of its service.
    pub id: Origin,
    /// The key that signs its verdicts.
    pub key: Thumbprint,
    /// The key that opens escrows: never the one that signs.
    pub escrow_key: Thumbprint,
    /// Where it is asked.
    pub url: Line,
    /// The verifier key of its log (C2SP signed-note), in which each verdict has an entry.
    pub log: Line,
}

impl EscrowArbiter {
    /// As it decides.
    #[must_use]
    pub fn arbiter(&self) -> Arbiter {
        let Self { id, key, escrow_key: _, url, log } = self.clone();
        Arbiter { id, key, url, log }
    }
}

/// What a recipient is told of the content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// What kind of message, in words.
    pub class: Line,
    /// Its subject, by [`crate::exchange::terms_hash`]; null for none.
    pub sha256: Option<B64u32>,
}

/// Who takes a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The recipient's program, by itself.
    Basic,
    /// A person is asked first.
    Consent,
}

/// Whether a recipient knows who delivers before it takes the delivery. The word `blind` is kept for later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reveal {
    /// It does.
    Named,
}

/// The text of an escrow: five parts of base64url between points, at most [`ESCROW_CHARS_MAX`] characters. Whether it opens is not known
/// before the arbiter was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EscrowText(String);

impl EscrowText {
    /// `None` for what cannot be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        let is_short = (1..=ESCROW_CHARS_MAX).contains(&text.len());
        (is_short && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<EscrowText> for String {
    fn from(text: EscrowText) -> Self {
        text.0
    }
}

impl TryFrom<String> for EscrowText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::new(&text).ok_or("an escrow is a JWE in compact form, of at most 640 characters")
    }
}

/// The content's key as the statements that hand it over have it. Never shown, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentKey(B64u32);

impl ContentKey {
    /// The key.
    #[must_use]
    pub fn secret(&self) -> SecretKey {
        SecretKey::new(self.0.0.into())
    }
}

impl From<&SecretKey> for ContentKey {
    fn from(key: &SecretKey) -> Self {
        Self(B64u(*key.expose()))
    }
}

impl Drop for ContentKey {
    fn drop(&mut self) {
        self.0.0.zeroize();
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

/// The body of `cd-r/d2`, schema `schemas/statements/cd-r.d2.json`: the recipient has C and will take the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct D2 {}

/// The body of `cd-r/d3`, schema `schemas/statements/cd-r.d3.json`: the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct D3 {
    /// The content's key.
    pub k: ContentKey,
}

/// The body of `cd-r/d4`, schema `schemas/statements/cd-r.d4.json`: the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct D4 {
    /// What was received, as d1 has it.
    pub hm: B64u32,
}

/// The body of `cd-r/abort`, schema `schemas/statements/cd-r.abort.json`: the originator takes its delivery back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortDelivery {}

/// The body of `cd-r/resolve-r`, schema `schemas/statements/cd-r.resolve-r.json`: the recipient wants the key out of the escrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveR {}

/// The body of `cd-r/resolve-o`, schema `schemas/statements/cd-r.resolve-o.json`: the originator hands the key in and wants a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveO {
    /// The content's key.
    pub k: ContentKey,
}

impl Body for D1 {
    const TAG: &'static str = "cd-r/d1";
    const FOLLOWS: bool = false;

    fn signer(&self) -> Option<Thumbprint> {
        Some(self.o.key)
    }
}

/// Every later one bears `x`.
macro_rules! follows {
    ($($body:ty = $tag:literal,)+) => {
        $(impl Body for $body {
            const TAG: &'static str = $tag;
            const FOLLOWS: bool = true;
        })+
    };
}

follows! {
    D2 = "cd-r/d2",
    D3 = "cd-r/d3",
    D4 = "cd-r/d4",
    AbortDelivery = "cd-r/abort",
    ResolveR = "cd-r/resolve-r",
    ResolveO = "cd-r/resolve-o",
}
