//! What every POST has in common: a body within its bounds, JSON that has one reading, the key under which a repetition is known.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, header};
use semper_ttp::digest::Digest;
use serde::de::DeserializeOwned;

use super::{Code, problem::Problem};
use crate::{router::App, service::CredentialFault};

/// Longest Idempotency-Key, octets.
const KEY_MAX: usize = 128;

/// A JSON body as received.
pub(super) struct Body(pub(super) Bytes);

impl FromRequest<Arc<App>> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let found =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !found.split(';').next().is_some_and(|found| found.trim().eq_ignore_ascii_case("application/json")) {
            return Err(Problem::new(Code::HttpMediaType, "the body is application/json"));
        }
        match crate::body::read(&app.limits, request).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(response) => Err(Problem::of(response.status())),
        }
    }
}

/// Reads JSON: one object without a member twice, and none that is not known.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let malformed = |why: String| Problem::new(Code::HttpMalformed, why);
    semper_ttp::json::read_object(bytes).map_err(|fault| malformed(fault.to_string()))?;
    serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))
}

/// The key of the caller's `Idempotency-Key`, of which nothing can be read back.
pub(super) fn idempotency_key(headers: &HeaderMap, caller: &Digest) -> Result<[u8; 32], Problem> {
    let missing = || Problem::new(Code::HttpMalformed, "Idempotency-Key is needed: 1 to 128 visible ASCII characters");
    let key = headers.get("idempotency-key").map(|value| value.as_bytes()).ok_or_else(missing)?;
    if key.is_empty() || key.len() > KEY_MAX || !key.iter().all(u8::is_ascii_graphic) {
        return Err(missing());
    }
    Ok(Digest::of(&[b"semper/idempotency/v1\0", &caller.as_bytes()[..], key].concat()).0)
}

/// Runs what blocks on the disk on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    // It panicked, which was printed.
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::new(Code::ServerFault, ""))
}

impl From<CredentialFault> for Problem {
    fn from(fault: CredentialFault) -> Self {
        match fault {
            CredentialFault::Refused(refusal) => Self::new(Code::of_credential(&refusal), refusal.to_string()),
            CredentialFault::KeyReused => {
                Self::new(Code::HttpIdempotencyKey, "this Idempotency-Key belongs to another request")
            }
            CredentialFault::Build(fault) => Self::new(Code::CaLint, fault.to_string()),
            CredentialFault::Busy => Self::new(Code::ServerBusy, "too many commits are waiting"),
            CredentialFault::NoCa(_) => Self::new(Code::HttpNotFound, fault.to_string()),
            CredentialFault::Fault(fault) if fault.is_of_time() => {
                Self::new(Code::ServerUnavailable, fault.to_string())
            }
            CredentialFault::Fault(fault) => Self::fault(&fault),
        }
    }
}
