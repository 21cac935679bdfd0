//! A rail at an outside provider: calls over HTTP, signed both ways by the symmetric scheme of Standard Webhooks.
//!
//! ```text
//! POST <url>
//! idempotency-key: <the call's key, base64url>
//! webhook-id: call_<key> | status_<key>      webhook-timestamp, webhook-signature: as in semper_ttp::payment::callback
//! {"type":"payment.call","timestamp":…,"data":{"op":"hold","key":…,"x":…,"on":null,"amount":{…},"until":…}}
//! {"type":"payment.status","timestamp":…,"data":{"key":…}}
//!
//! 200  the callback about the outcome of this call, signed in the same way    it is done, declined, or the hold had ended
//! 202  nothing is known yet
//! ```
//!
//! **Only what the provider has signed counts as an answer.** A timeout, another status, a body that is too long, does not read, is of another
//! time, about another call or signed by somebody else says nothing ([`RailAnswer::Unknown`]): whoever sits between the two neither declines a
//! payment nor makes one up, and the same is asked again.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode, header};
use http_body_util::Full;
use semper_ttp::{
    b64u,
    digest::Digest,
    money::Amount,
    payment::{
        PaymentEvent, Told,
        callback::{BODY_BYTES_MAX, Callback, Received, Secret, Seen, sign, verify},
        rail::{Done, Ended, Evidence, PaymentRail, RailAnswer, RailClass, RailId, RailOp},
    },
    time::Timestamp,
};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::client::{Client, ClientError};
use crate::service::{CALLBACK_TOLERANCE_SECS, TimeSource};

/// Longest wait for a whole answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The rail.
pub struct WebhookRail {
    id: RailId,
    class: RailClass,
    client: Client,
    /// The first signs what is asked; what is answered is signed by any.
    secrets: Vec<Secret>,
    time: Arc<dyn TimeSource>,
    /// Where the client's connections live.
    runtime: Handle,
}

impl std::fmt::Debug for WebhookRail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookRail")
            .field("id", &self.id)
            .field("server", &self.client.server())
            .finish_non_exhaustive()
    }
}

impl WebhookRail {
    /// A rail whose provider is at `url`. Calls are made on threads other than the runtime's own. Connects to nothing yet.
    ///
    /// # Errors
    /// [`ClientError::Url`], [`ClientError::Tls`].
    pub fn new(
        id: RailId,
        class: RailClass,
        url: &str,
        secrets: Vec<Secret>,
        time: Arc<dyn TimeSource>,
        runtime: Handle,
    ) -> Result<Self, ClientError> {
        let client = Client::new(url)?.with_answer_limit(ANSWER_LIMIT).with_answer_bytes(BODY_BYTES_MAX);
        Ok(Self { id, class, client, secrets, time, runtime })
    }

    /// The same with another limit for a whole answer; 10 s by default.
    #[must_use]
    pub fn with_answer_limit(self, limit: Duration) -> Self {
        Self { client: self.client.with_answer_limit(limit), ..self }
    }

    fn call(&self, op: RailOp, key: &Digest, data: Value) -> RailAnswer {
        let mut data = data;
        data["op"] = json!(op.name());
        self.answer("payment.call", "call", key, data)
    }

    fn answer(&self, kind: &str, prefix: &str, key: &Digest, mut data: Value) -> RailAnswer {
        let now = self.time.now();
        data["key"] = json!(name(key));
        let body = json!({ "type": kind, "timestamp": now.to_string(), "data": data }).to_string().into_bytes();
        let asked = self.runtime.block_on(self.exchange(&format!("{prefix}_{}", name(key)), key, now, body));
        asked.unwrap_or_else(|why| {
            tracing::warn!(rail = %self.id, op = prefix, %why, "a rail's provider gave no answer that counts");
            RailAnswer::Unknown
        })
    }

    async fn exchange(&self, id: &str, key: &Digest, now: Timestamp, body: Vec<u8>) -> Result<RailAnswer, String> {
        let secret = self.secrets.first().ok_or("no secret to sign with")?;
        let signature = sign(secret, id, now, &body).map_err(|fault| fault.to_string())?;
        let request = self.client.request(Method::POST, "").map_err(|fault| fault.to_string())?;
        let request = request
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", name(key))
            .header("webhook-id", id)
            .header("webhook-timestamp", now.secs().to_string())
            .header("webhook-signature", signature)
            .body(Full::from(body));
        let (status, headers, body) = self.client.exchange(request).await.map_err(|fault| fault.to_string())?;
        match status {
            StatusCode::OK => {}
            StatusCode::ACCEPTED => return Ok(RailAnswer::Unknown),
            other => return Err(format!("it answered {}", other.as_u16())),
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (id, timestamp, signature) =
            (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
        let received = Received { id, timestamp, signature, body: &body };
        let (seen, now) = (Seen::default(), self.time.now());
        let told = verify(&received, &self.secrets, CALLBACK_TOLERANCE_SECS, &seen, now);
        answer_in(key, told.map_err(|fault| fault.to_string())?)
    }
}

/// What a callback says of one call.
fn answer_in(key: &Digest, callback: Callback) -> Result<RailAnswer, String> {
    let PaymentEvent::Outcome { key: of, told } = callback.event else {
        return Err("its answer tells of something else than a call".to_owned());
    };
    if of != *key {
        return Err("its answer is about another call".to_owned());
    }
    match (told, callback.evidence) {
        (Told::Done { amount, expires_at, .. }, Some(evidence)) => {
            Ok(RailAnswer::Done(Done { amount, expires_at, evidence }))
        }
        (Told::Ended { amount, .. }, Some(evidence)) => Ok(RailAnswer::Ended(Ended { amount, evidence })),
        (Told::Declined(code), _) => Ok(RailAnswer::Declined(code)),
        _ => Err("its answer lacks the evidence".to_owned()),
    }
}

fn name(digest: &Digest) -> String {
    b64u::encode(digest.as_bytes())
}

impl PaymentRail for WebhookRail {
    fn id(&self) -> &RailId {
        &self.id
    }

    fn class(&self) -> RailClass {
        self.class
    }

    fn hold(&self, key: &Digest, x: &Digest, amount: Amount, until: Timestamp) -> RailAnswer {
        let data = json!({ "x": name(x), "on": null, "amount": amount, "until": until.to_string() });
        self.call(RailOp::Hold, key, data)
    }

    fn capture(&self, key: &Digest, hold: &Digest, amount: Amount) -> RailAnswer {
        self.call(RailOp::Capture, key, json!({ "on": name(hold), "amount": amount }))
    }

    fn release(&self, key: &Digest, hold: &Digest) -> RailAnswer {
        self.call(RailOp::Release, key, json!({ "on": name(hold) }))
    }

    fn refund(&self, key: &Digest, capture: &Digest, amount: Amount) -> RailAnswer {
        self.call(RailOp::Refund, key, json!({ "on": name(capture), "amount": amount }))
    }

    fn status(&self, key: &Digest) -> RailAnswer {
        self.answer("payment.status", "status", key, json!({}))
    }

    fn evidence(&self, key: &Digest) -> Option<Evidence> {
        match self.status(key) {
            RailAnswer::Done(done) => Some(done.evidence),
            RailAnswer::Ended(ended) => Some(ended.evidence),
            RailAnswer::Declined(_) | RailAnswer::Unknown => None,
        }
    }
}
