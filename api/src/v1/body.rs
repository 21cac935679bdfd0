//! What every POST has in common: a body within its bounds, JSON that has one reading, the key under which a repetition is known.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    ca::dual_control::DualControlRefusal, client::message::MESSAGE_BYTES_MAX, digest::Digest,
    payment::callback::BODY_BYTES_MAX as CALLBACK_BYTES_MAX,
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Semaphore;

use super::{Code, problem::Problem, route::Admission};
use crate::{
    body::Held,
    router::App,
    service::{ActFault, CredentialFault, PartyFault, RegistrationFault, RevokeFault, ServiceFault},
};

/// Longest Idempotency-Key, octets.
const KEY_MAX: usize = 128;

/// A JSON body as received.
pub(super) struct Body(pub(super) Bytes);

impl FromRequest<Arc<App>> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        of_type(request, app, "application/json").await.map(Self)
    }
}

/// A JSON body that may hold documents, with the room that it has.
pub(super) struct DocumentBody(pub(super) Bytes, pub(super) Held);

impl FromRequest<Arc<App>> for DocumentBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let room = app.service.rooms().map(|rooms| &rooms.json);
        let read = async |request| crate::body::read_document(&app.limits, room, request).await;
        of_type_by(request, app, "application/json", read).await.map(|(bytes, held)| Self(bytes, held))
    }
}

/// The same of an item that is deposited.
pub(super) struct ItemBody(pub(super) Bytes, pub(super) Held);

impl FromRequest<Arc<App>> for ItemBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let room = app.service.item_room().map(|room| &room.json);
        let read = async |request| crate::body::read_document(&app.limits, room, request).await;
        of_type_by(request, app, "application/json", read).await.map(|(bytes, held)| Self(bytes, held))
    }
}

/// The longest proof of misbehaviour that is taken over HTTP, octets: two verdicts of the greatest length with all their proofs, or the
/// entries of a window at some thousand a second. The file itself may be longer ([`semper_ttp::account::POM_BYTES_MAX`]).
pub(super) const PROOF_BYTES_MAX: usize = 1 << 20;

/// The file of a proof of misbehaviour.
pub(super) struct ProofBody(pub(super) Bytes);

impl FromRequest<Arc<App>> for ProofBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let limits = crate::router::BodyLimits { body_bytes_max: PROOF_BYTES_MAX, ..app.limits };
        let read = async |request| crate::body::read(&limits, request).await;
        of_type_by(request, app, "application/json", read).await.map(Self)
    }
}

/// What a provider of a rail tells, as it came: over these octets its signature is.
pub(super) struct CallbackBody(pub(super) Bytes);

impl FromRequest<Arc<App>> for CallbackBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let limits = crate::router::BodyLimits { body_bytes_max: CALLBACK_BYTES_MAX, ..app.limits };
        let read = async |request| crate::body::read(&limits, request).await;
        of_type_by(request, app, "application/json", read).await.map(Self)
    }
}

/// Messages that are read at once: each may be of six mebibytes.
static MESSAGES: Semaphore = Semaphore::const_new(16);

/// A message of an exchange.
pub(super) struct MessageBody(pub(super) Bytes);

impl FromRequest<Arc<App>> for MessageBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let _turn =
            MESSAGES.try_acquire().map_err(|_| Problem::new(Code::ServerBusy, "too many messages come at once"))?;
        let limits = crate::router::BodyLimits { body_bytes_max: MESSAGE_BYTES_MAX, ..app.limits };
        let read = async |request| crate::body::read(&limits, request).await;
        of_type_by(request, app, "application/json", read).await.map(Self)
    }
}

/// A body that says nothing: `{}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A statement as received: a JWS in compact form.
pub(super) struct StatementBody(pub(super) Bytes);

impl FromRequest<Arc<App>> for StatementBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        of_type(request, app, "application/jose").await.map(Self)
    }
}

async fn of_type(request: Request, app: &Arc<App>, media_type: &'static str) -> Result<Bytes, Problem> {
    of_type_by(request, app, media_type, async |request| crate::body::read(&app.limits, request).await).await
}

async fn of_type_by<T>(
    request: Request,
    app: &Arc<App>,
    media_type: &'static str,
    read: impl AsyncFnOnce(Request) -> Result<T, Response>,
) -> Result<T, Problem> {
    if !crate::body::has_media_type(request.headers(), media_type) {
        return Err(Problem::new(Code::HttpMediaType, format!("the body is {media_type}")));
    }
    // A certificate may be revoked between the headers and the last octet of a slow body: nothing is done for it then.
    let admission = request.extensions().get::<Admission>().map(|admission| (*admission, request.extensions().clone()));
    let body = read(request).await.map_err(|response| Problem::of(response.status()))?;
    if let Some((admission, extensions)) = admission {
        admission.again(app, &extensions)?;
    }
    Ok(body)
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

/// The idempotency of a request that asks `what` of one thing.
pub(super) fn idempotency(
    headers: &HeaderMap,
    caller: &Digest,
    what: &str,
    of: &[u8],
    bytes: &[u8],
) -> Result<Idempotency, Problem> {
    let key = idempotency_key(headers, caller)?;
    Ok(Idempotency { key, request: Digest::of(&[what.as_bytes(), b"\0", of, bytes].concat()).0 })
}

impl<N: std::fmt::Display + std::fmt::Debug> From<ActFault<N>> for Problem
where
    Code: From<N>,
{
    fn from(fault: ActFault<N>) -> Self {
        match fault {
            ActFault::Refused(refusal) => {
                let detail = refusal.to_string();
                match Code::from(refusal) {
                    Code::ServerFault => Self::fault(&detail),
                    code => Self::new(code, detail),
                }
            }
            ActFault::KeyReused => Self::key_reused(),
            ActFault::Busy => Self::new(Code::ServerBusy, "too many commits are waiting"),
            ActFault::Fault(fault) => fault.into(),
        }
    }
}

impl From<ServiceFault> for Problem {
    fn from(fault: ServiceFault) -> Self {
        if fault.is_of_time() { Self::new(Code::ServerUnavailable, fault.to_string()) } else { Self::fault(&fault) }
    }
}

impl From<RegistrationFault> for Problem {
    fn from(fault: RegistrationFault) -> Self {
        let code = match fault {
            RegistrationFault::Act(fault) => return fault.into(),
            RegistrationFault::Document(_) => Code::RegistrationDocument,
            RegistrationFault::Proof(_) => Code::RegistrationProof,
            RegistrationFault::Profile(_) => Code::RegistrationProfile,
            RegistrationFault::Webhook(_) => Code::RegistrationWebhook,
            RegistrationFault::OtherParty { .. } => Code::AuthForbidden,
            RegistrationFault::Lint { .. } => Code::CaLint,
            RegistrationFault::Full { .. } => Code::ServerBusy,
            RegistrationFault::Erased => Code::RegistrationErased,
        };
        Self::new(code, fault.to_string())
    }
}

impl From<PartyFault> for Problem {
    fn from(fault: PartyFault) -> Self {
        match fault {
            PartyFault::Act(fault) => fault.into(),
            PartyFault::Statement(why) => Self::new(Code::PartyStatement, why),
        }
    }
}

impl From<RevokeFault> for Problem {
    fn from(fault: RevokeFault) -> Self {
        let refusal = match fault {
            RevokeFault::Credential(fault) => return fault.into(),
            RevokeFault::Refused(refusal) => refusal,
        };
        let code = match refusal {
            DualControlRefusal::NotAsked | DualControlRefusal::OfficerNotGood => Code::AuthForbidden,
            DualControlRefusal::Clock { .. } => Code::CaClock,
            // These are answers of the service, and no refusals.
            DualControlRefusal::Due { .. } | DualControlRefusal::Waiting { .. } => return Self::fault(&refusal),
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<CredentialFault> for Problem {
    fn from(fault: CredentialFault) -> Self {
        match fault {
            CredentialFault::Refused(refusal) => Self::new(Code::of_credential(&refusal), refusal.to_string()),
            CredentialFault::KeyReused => Self::key_reused(),
            CredentialFault::Build(fault) => Self::new(Code::CaLint, fault.to_string()),
            CredentialFault::Busy => Self::new(Code::ServerBusy, "too many commits are waiting"),
            CredentialFault::KeyOffline(_) => Self::new(Code::KeysNotRotated, fault.to_string()),
            CredentialFault::NoCa(_) | CredentialFault::NoProfile(_) => {
                Self::new(Code::HttpNotFound, fault.to_string())
            }
            CredentialFault::Fault(fault) => fault.into(),
        }
    }
}
