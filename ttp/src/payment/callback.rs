//! What an outside payment provider tells unasked: a signed callback (Standard Webhooks, standardwebhooks.com, symmetric scheme), read into an
//! event of one run.
//!
//! ```text
//! webhook-id:        <1 to 128 characters, no full stop>     the same for each try of one notice
//! webhook-timestamp: <seconds since 1970>                    of this try
//! webhook-signature: v1,<base64 of HMAC-SHA256 over id "." timestamp "." body> [, more of them, parted by spaces]
//!
//! {"type":"payment.outcome","timestamp":"<RFC 3339>","data":{"x":…,"key":…,"result":"done","amount":{…},"expires_at":null,"evidence":…}}
//! {"type":"payment.outcome",…,"data":{"x":…,"key":…,"result":"declined","code":"funds"}}
//! {"type":"payment.outcome",…,"data":{"x":…,"key":…,"result":"ended","amount":{…},"evidence":…}}
//! {"type":"payment.expired" | "payment.charged-back" | "payment.paid-out",…,"data":{"x":…,"amount":{…},"evidence":…}}
//! {"type":"payment.made-good",…,"data":{"x":…,"item":…,"evidence":…}}
//! ```
//!
//! Hashes and evidence are base64url. The same scheme signs our own notices ([`crate::notice`]), by Ed25519.
//!
//! In order: size, headers, the time of the try, signature, whether its id was taken before, and only then the body. An id is noted after its
//! event was committed ([`Seen::note`]), not before: what is refused because it came too early is sent again under the same id. That a replay
//! does no harm does not rest on ids alone, since every event is decided once by its key or its evidence; they keep noise out.
//!
//! Out of scope: HTTP (`semper-api`), and the forms of other providers, which a proxy in front translates.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::b64u::{self, B64u32};
use crate::crypto::hmac_sha256_is;
use crate::digest::Digest;
use crate::json::{JsonFault, read_object};
use crate::money::Amount;
use crate::notice::message;
use crate::time::Timestamp;

use super::rail::{DeclineCode, EVIDENCE_BYTES_MAX, Evidence};
use super::{PaymentEvent, Told};

/// The most octets of a body: the largest evidence in base64url, and as much as the rest could need.
pub const BODY_BYTES_MAX: usize = EVIDENCE_BYTES_MAX / 3 * 4 + 4 * 1024;

/// The most signatures of one callback: a provider that changes its secret signs with both.
const SIGNATURES_MAX: usize = 8;

/// The most characters of an id.
const ID_CHARS_MAX: usize = 128;

/// The most ids that are remembered.
pub const SEEN_MAX: usize = 100_000;

/// The secret that a provider signs with: `whsec_` and the base64 of 24 to 64 octets.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let octets = Zeroizing::new(STANDARD.decode(text.strip_prefix("whsec_")?).ok()?);
        (24..=64).contains(&octets.len()).then_some(Self(octets))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A callback as it came.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The header `webhook-id`.
    pub id: &'a str,
    /// The header `webhook-timestamp`.
    pub timestamp: &'a str,
    /// The header `webhook-signature`.
    pub signature: &'a str,
    /// The body's octets, unchanged.
    pub body: &'a [u8],
}

/// A callback of who holds the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// Its id.
    pub id: String,
    /// When this try was made.
    pub at: Timestamp,
    /// The run.
    pub x: Digest,
    /// What it tells.
    pub event: PaymentEvent,
    /// What the rail signed, if that came with it.
    pub evidence: Option<Evidence>,
}

/// Why a callback is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackFault {
    /// Longer than [`BODY_BYTES_MAX`].
    #[error("the body has more than {BODY_BYTES_MAX} octets")]
    TooLong,
    /// A header that is not of its form.
    #[error("the header {0} is missing or not of its form")]
    Header(&'static str),
    /// The try was made too long ago, or is yet to come.
    #[error("the callback is of {at}, and it is {now}")]
    Time {
        /// When it says that it was made.
        at: Timestamp,
        /// The present moment.
        now: Timestamp,
    },
    /// No signature by a secret of ours.
    #[error("no signature is by the secret of this rail")]
    Signature,
    /// A callback with this id was taken: nothing is left to do, and the answer is yes.
    #[error("a callback with this id was taken before")]
    Replayed,
    /// No JSON as we read it.
    #[error("{0}")]
    Json(#[from] JsonFault),
    /// JSON of another form.
    #[error("the body is no callback: {0}")]
    Form(String),
}

/// Reads and checks a callback. `secrets` are those in force, the old one beside the new for a while.
///
/// # Errors
/// [`CallbackFault`].
pub fn verify(
    received: &Received<'_>,
    secrets: &[Secret],
    tolerance_secs: u64,
    seen: &Seen,
    now: Timestamp,
) -> Result<Callback, CallbackFault> {
    let Received { id, timestamp, signature, body } = *received;
    if body.len() > BODY_BYTES_MAX {
        return Err(CallbackFault::TooLong);
    }
    let is_id = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    if !(1..=ID_CHARS_MAX).contains(&id.len()) || !id.bytes().all(is_id) {
        return Err(CallbackFault::Header("webhook-id"));
    }
    let at = moment(timestamp).ok_or(CallbackFault::Header("webhook-timestamp"))?;
    if at.secs().abs_diff(now.secs()) > tolerance_secs {
        return Err(CallbackFault::Time { at, now });
    }
    let signatures: Vec<_> = signature.split(' ').take(SIGNATURES_MAX + 1).collect();
    if signature.is_empty() || signatures.len() > SIGNATURES_MAX {
        return Err(CallbackFault::Header("webhook-signature"));
    }
    let signed = message(id, at, body);
    // Signatures of other versions are passed over, as the standard wants it.
    let mut macs = signatures.iter().filter_map(|text| STANDARD.decode(text.strip_prefix("v1,")?).ok());
    if !macs.any(|mac| secrets.iter().any(|secret| hmac_sha256_is(&secret.0, &signed, &mac))) {
        return Err(CallbackFault::Signature);
    }
    if seen.knows(id) {
        return Err(CallbackFault::Replayed);
    }
    let (x, event, evidence) = read(body)?;
    Ok(Callback { id: id.to_owned(), at, x, event, evidence })
}

/// Seconds since 1970 in their one spelling.
fn moment(text: &str) -> Option<Timestamp> {
    let secs: u64 = text.parse().ok()?;
    let at = Timestamp::from_secs(secs);
    (secs.to_string() == text && at.secs() == secs).then_some(at)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    r#type: String,
    timestamp: String,
    data: Value,
}

#[derive(Deserialize)]
#[serde(tag = "result", rename_all = "lowercase", deny_unknown_fields)]
enum Outcome {
    Done { x: B64u32, key: B64u32, amount: Amount, expires_at: Option<String>, evidence: String },
    Declined { x: B64u32, key: B64u32, code: String },
    Ended { x: B64u32, key: B64u32, amount: Amount, evidence: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MovedBack {
    x: B64u32,
    amount: Amount,
    evidence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MadeGood {
    x: B64u32,
    item: B64u32,
    evidence: String,
}

type Read = (Digest, PaymentEvent, Option<Evidence>);

fn read(body: &[u8]) -> Result<Read, CallbackFault> {
    let envelope: Envelope = form(Value::Object(read_object(body)?))?;
    if Timestamp::from_rfc3339(&envelope.timestamp).is_none() {
        return Err(CallbackFault::Form("its timestamp is not of RFC 3339".to_owned()));
    }
    match envelope.r#type.as_str() {
        "payment.outcome" => outcome(form(envelope.data)?),
        "payment.expired" => {
            let MovedBack { x, amount, evidence } = form(envelope.data)?;
            let evidence = read_evidence(&evidence)?;
            Ok((Digest(x.0), PaymentEvent::Expire { amount, evidence: evidence.sha256() }, Some(evidence)))
        }
        "payment.charged-back" => {
            let MovedBack { x, amount, evidence } = form(envelope.data)?;
            let evidence = read_evidence(&evidence)?;
            Ok((Digest(x.0), PaymentEvent::ChargeBack { amount, evidence: evidence.sha256() }, Some(evidence)))
        }
        "payment.paid-out" => {
            let MovedBack { x, amount, evidence } = form(envelope.data)?;
            let evidence = read_evidence(&evidence)?;
            Ok((Digest(x.0), PaymentEvent::PayOut { amount, evidence: evidence.sha256() }, Some(evidence)))
        }
        "payment.made-good" => {
            let MadeGood { x, item, evidence } = form(envelope.data)?;
            let evidence = read_evidence(&evidence)?;
            let event = PaymentEvent::MakeGood { item: Digest(item.0), evidence: evidence.sha256() };
            Ok((Digest(x.0), event, Some(evidence)))
        }
        other => Err(CallbackFault::Form(format!("its type {:?} is none of ours", crate::json::shown(other)))),
    }
}

fn outcome(outcome: Outcome) -> Result<Read, CallbackFault> {
    match outcome {
        Outcome::Done { x, key, amount, expires_at, evidence } => {
            let evidence = read_evidence(&evidence)?;
            let expires_at = expires_at.as_deref().map(|text| {
                Timestamp::from_rfc3339(text)
                    .ok_or_else(|| CallbackFault::Form("its expires_at is not of RFC 3339".to_owned()))
            });
            let told = Told::Done { amount, expires_at: expires_at.transpose()?, evidence: evidence.sha256() };
            Ok((Digest(x.0), PaymentEvent::Outcome { key: Digest(key.0), told }, Some(evidence)))
        }
        Outcome::Declined { x, key, code } => {
            let known = DeclineCode::ALL.iter().find(|known| known.name() == code);
            let code = known.ok_or_else(|| CallbackFault::Form("its code is none of ours".to_owned()))?;
            let told = Told::Declined(*code);
            Ok((Digest(x.0), PaymentEvent::Outcome { key: Digest(key.0), told }, None))
        }
        Outcome::Ended { x, key, amount, evidence } => {
            let evidence = read_evidence(&evidence)?;
            let told = Told::Ended { amount, evidence: evidence.sha256() };
            Ok((Digest(x.0), PaymentEvent::Outcome { key: Digest(key.0), told }, Some(evidence)))
        }
    }
}

fn form<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, CallbackFault> {
    serde_json::from_value(value).map_err(|fault| CallbackFault::Form(fault.to_string()))
}

fn read_evidence(text: &str) -> Result<Evidence, CallbackFault> {
    let evidence = b64u::decode(text.as_bytes()).and_then(Evidence::new);
    evidence.ok_or_else(|| {
        CallbackFault::Form(format!("its evidence is not base64url of 1 to {EVIDENCE_BYTES_MAX} octets"))
    })
}

/// Ids of callbacks that were taken, for as long as the time of the try would let one through again.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    ids: BTreeMap<String, Timestamp>,
}

impl Seen {
    /// Whether it was taken.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.ids.contains_key(id)
    }

    /// Its event was committed. Forgets what is older than the tolerance on both sides of `now`, and beyond [`SEEN_MAX`] the oldest.
    pub fn note(&mut self, callback: &Callback, tolerance_secs: u64, now: Timestamp) {
        let kept_secs = tolerance_secs.saturating_mul(2);
        self.ids.insert(callback.id.clone(), callback.at);
        if self.ids.len() > SEEN_MAX {
            let oldest = now.secs().saturating_sub(kept_secs);
            self.ids.retain(|_, at| at.secs() >= oldest);
        }
        if self.ids.len() > SEEN_MAX {
            let oldest = self.ids.iter().min_by_key(|(_, at)| **at).map(|(id, _)| id.clone());
            self.ids.retain(|id, _| Some(id) != oldest.as_ref());
        }
    }
}

/// Signs a callback as a provider does: for simulated providers and tests.
///
/// # Errors
/// libcrypto.
pub fn sign(secret: &Secret, id: &str, at: Timestamp, body: &[u8]) -> Result<String, crate::crypto::CryptoFault> {
    let mac = crate::crypto::hmac_sha256(&secret.0, &message(id, at, body))?;
    Ok(format!("v1,{}", STANDARD.encode(mac)))
}

#[cfg(test)]
mod tests;
