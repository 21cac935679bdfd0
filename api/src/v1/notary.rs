//! Notarial acts: a party asks, signers sign, an officer decides what needs a person, and the record is there for good.
//!
//! What is asked stands in the member `act` of the request's body, whose exact octets the record names by their SHA-256; octets of
//! documents come beside it and are not part of that. A requester sees its own acts, signers those that they are to sign, notary officers
//! and auditors all of them.

pub(super) mod evidence;
pub(super) mod journal;
mod shown;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use semper_ledger::sequencer::Idempotency;
use semper_ttp::digest::Digest;
use semper_ttp::id::ActId;
use semper_ttp::notary::{
    Checks, OfficerCheck, Reason,
    personal::{Committed, Personal},
    request::{ActRequest, DOCUMENTS_MAX, RequestedDocument},
};
use semper_ttp::policy::person::Officer;
use semper_ttp::policy::roles::TrustedRole::{self, Auditor, NotaryOfficer};
use semper_ttp::statement::act::{Fee, Recording};
use semper_ttp::vault::Content;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use self::shown::described;
use super::body::{self, Body, DocumentBody, StatementBody, idempotency};
use super::principal::Principal;
use super::problem::{Code, Problem};
use crate::router::App;
use crate::service::{Came, KnownAct, NotaryFault, OfficersWord, Opened, SealFault};

/// Who sees every act.
pub(super) const READERS: &[TrustedRole] = &[NotaryOfficer, Auditor];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskRequest<'a> {
    #[serde(borrow)]
    act: &'a RawValue,
    /// Octets of the documents in their order.
    #[serde(borrow)]
    contents: Option<Contents<'a>>,
    /// What opens the commitments of the request.
    #[serde(borrow)]
    personal: Option<&'a RawValue>,
}

/// Base64, as it lies in the body where nothing of it is escaped.
#[derive(Deserialize)]
struct Encoded<'a>(#[serde(borrow)] Cow<'a, str>);

/// As many as a request has documents at most: what is more is refused before it is stored.
struct Contents<'a>(Vec<Encoded<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Contents<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Few;

        impl<'de> Visitor<'de> for Few {
            type Value = Contents<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {DOCUMENTS_MAX} documents in base64")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut contents = Vec::new();
                while let Some(one) = seq.next_element()? {
                    if contents.len() == DOCUMENTS_MAX {
                        return Err(A::Error::invalid_length(DOCUMENTS_MAX + 1, &self));
                    }
                    contents.push(one);
                }
                Ok(Contents(contents))
            }
        }

        deserializer.deserialize_seq(Few)
    }
}

/// `POST /v1/notary/acts`.
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    principal: Principal,
    headers: HeaderMap,
    DocumentBody(bytes, held): DocumentBody,
) -> Result<Response, Problem> {
    // Strict to the last octet are the members that are kept or signed, by their own readers and bounds; of the rest serde refuses what is
    // unknown, missing or twice there, and builds no tree of it.
    let AskRequest { act, contents, personal } = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(Code::HttpMalformed, error.to_string().chars().take(200).collect::<String>()))?;
    let wrong = |why: String| Problem::new(Code::NotaryRequest, why);
    let act = act.get().as_bytes();
    let request = ActRequest::parse(act).map_err(|fault| wrong(fault.to_string()))?;
    let personal = personal.map(|personal| personal.get().as_bytes());
    if let Some(bytes) = personal {
        Personal::parse(bytes, &Committed::from(&request)).map_err(|fault| wrong(fault.to_string()))?;
    }
    let contents = contents.map(|contents| shown(&request, contents)).transpose().map_err(wrong)?;
    let repetition =
        idempotency(&headers, &principal.digest(), "act", &[], &all_asked(act, contents.is_some(), personal))?;
    let by = acting(&app, &principal)?;
    let (act, personal) = (act.to_vec(), personal.map(|bytes| Content::new(bytes.to_vec())));
    drop(bytes);
    let act = app.service.ask_for_act(request, act, Came { contents, personal, held }, by, repetition).await?;
    created(&app, act, &principal, &by).await
}

/// What a repetition has in common with its first: documents are named in `act` by their hashes, so of them it counts whether they came.
fn all_asked(act: &[u8], has_contents: bool, personal: Option<&[u8]>) -> Vec<u8> {
    let mut asked = act.to_vec();
    if has_contents {
        asked.extend(b"\0contents");
    }
    if let Some(personal) = personal {
        asked.extend(b"\0personal");
        asked.extend(Digest::of(personal).as_bytes());
    }
    asked
}

/// Where an act is from now on, and how it stands.
async fn created(app: &App, act: ActId, principal: &Principal, by: &Officer) -> Result<Response, Problem> {
    let place = HeaderValue::try_from(format!("/v1/notary/acts/{act}")).expect("base64url is ASCII");
    let answer = now(app, act, principal, by).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], answer).into_response())
}

/// The octets of the documents, if these are they.
fn shown(request: &ActRequest, Contents(contents): Contents<'_>) -> Result<Vec<Vec<u8>>, String> {
    if contents.len() != request.documents.len() {
        return Err(format!("contents: {} for {} documents", contents.len(), request.documents.len()));
    }
    let of_one = |(place, (document, Encoded(content))): (usize, (&RequestedDocument, Encoded<'_>))| {
        let octets =
            BASE64_STANDARD.decode(content.as_bytes()).map_err(|_| format!("contents: {place} is not base64"))?;
        if Digest::of(&octets) != document.sha256.into() {
            return Err(format!("contents: {place} has another SHA-256 than its document"));
        }
        Ok(octets)
    };
    request.documents.iter().zip(contents).enumerate().map(of_one).collect()
}

/// `GET /v1/notary/acts/{id}`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
) -> Result<Response, Problem> {
    let (known, by) = visible(&app, act, &principal, "").await?;
    Ok(Json(described(&app, act, &known, &principal, &by)?).into_response())
}

/// `GET /v1/notary/acts/{id}/record`: the signed record, as it was released.
pub(super) async fn record(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
) -> Result<Response, Problem> {
    let (known, _) = visible(&app, act, &principal, "/record").await?;
    let (index, _) = known.recorded().ok_or_else(|| Problem::new(Code::HttpNotFound, "the act has not ended yet"))?;
    document(&app, index, "application/jose")
}

/// `GET /v1/notary/acts/{id}/documents/{n}`: a document that came with the request, from 1 on.
pub(super) async fn kept_document(
    State(app): State<Arc<App>>,
    Path((act, number)): Path<(ActId, u64)>,
    principal: Principal,
) -> Result<Response, Problem> {
    visible(&app, act, &principal, &format!("/documents/{number}")).await?;
    let place = number.checked_sub(1).ok_or_else(not_kept)?;
    let service = app.service.clone();
    let kept = body::blocking(move || service.document_of(act, place)).await??;
    opened(kept, "application/octet-stream")
}

/// `GET /v1/notary/acts/{id}/personal`: what opens the commitments of the request, for who asked and who reads the journal.
pub(super) async fn personal(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
) -> Result<Response, Problem> {
    let (known, by) = visible(&app, act, &principal, "/personal").await?;
    if !known.is_by(&by) && !reads_all(&principal) {
        return Err(none());
    }
    let service = app.service.clone();
    let kept = body::blocking(move || service.personal_of(act)).await??;
    opened(kept, "application/json")
}

fn not_kept() -> Problem {
    Problem::new(Code::HttpNotFound, "nothing of it is kept")
}

fn opened(kept: Option<Opened>, media_type: &'static str) -> Result<Response, Problem> {
    // Whatever holds the octets until they are sent holds their room.
    Ok(octets(media_type, Bytes::from_owner(kept.ok_or_else(not_kept)?)))
}

/// What nobody stores on the way.
fn octets(media_type: &'static str, body: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}

/// `GET /v1/notary/acts/{id}/dvc`: the data validation certificate, as it was released.
pub(super) async fn dvc(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
) -> Result<Response, Problem> {
    let (known, _) = visible(&app, act, &principal, "/dvc").await?;
    let (index, _) =
        known.validated().ok_or_else(|| Problem::new(Code::HttpNotFound, "the act is none of RFC 3029"))?;
    document(&app, *index, "application/dvcs")
}

/// `GET /v1/notary/acts/{id}/report`: what the validation gave, as it is kept.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
) -> Result<Response, Problem> {
    let (known, _) = visible(&app, act, &principal, "/report").await?;
    let index = known.report().ok_or_else(|| Problem::new(Code::HttpNotFound, "nothing was validated for the act"))?;
    document(&app, index, "application/json")
}

/// `POST /v1/notary/acts/{id}/signatures`: a statement `contract/signed`.
pub(super) async fn sign(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
    headers: HeaderMap,
    StatementBody(bytes): StatementBody,
) -> Result<Response, Problem> {
    let repetition = idempotency(&headers, &principal.digest(), "signature", act.octets(), &bytes)?;
    let by = acting(&app, &principal)?;
    app.service.sign_act(act, bytes.to_vec(), by, repetition).await?;
    now(&app, act, &principal, &by).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `POST /v1/notary/acts/{id}/take`.
pub(super) async fn take(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let Nothing {} = body::json(&bytes)?;
    let repetition = idempotency(&headers, &principal.digest(), "take", act.octets(), &bytes)?;
    let by = acting(&app, &principal)?;
    app.service.take_act(act, by, repetition).await?;
    now(&app, act, &principal, &by).await
}

/// `POST /v1/notary/acts/{id}/release`.
pub(super) async fn release(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let Nothing {} = body::json(&bytes)?;
    let repetition = idempotency(&headers, &principal.digest(), "release", act.octets(), &bytes)?;
    let by = acting(&app, &principal)?;
    app.service.release_act(act, by, repetition).await?;
    now(&app, act, &principal, &by).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApproveRequest {
    checked: Vec<OfficerCheck>,
    fee: Option<Fee>,
    recording: Option<Recording>,
}

/// `POST /v1/notary/acts/{id}/approve`.
pub(super) async fn approve(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let ApproveRequest { checked, fee, recording } = body::json(&bytes)?;
    if fee.as_ref().is_some_and(|fee| !fee.is_sound()) {
        return Err(Problem::new(Code::HttpMalformed, "fee: minor units as a decimal number, and an ISO 4217 code"));
    }
    let repetition = idempotency(&headers, &principal.digest(), "approve", act.octets(), &bytes)?;
    let checks: Checks = checked.into_iter().collect();
    let by = acting(&app, &principal)?;
    app.service.approve_act(act, by, checks, OfficersWord { fee, recording }, repetition).await?;
    now(&app, act, &principal, &by).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefuseRequest {
    reason: Reason,
}

/// `POST /v1/notary/acts/{id}/refuse`.
pub(super) async fn refuse(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let RefuseRequest { reason } = body::json(&bytes)?;
    let repetition = idempotency(&headers, &principal.digest(), "refuse", act.octets(), &bytes)?;
    let by = acting(&app, &principal)?;
    app.service.refuse_act(act, by, reason, repetition).await?;
    now(&app, act, &principal, &by).await
}

/// `POST /v1/notary/acts/{id}/withdraw`.
pub(super) async fn withdraw(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let Nothing {} = body::json(&bytes)?;
    let repetition: Idempotency = idempotency(&headers, &principal.digest(), "withdraw", act.octets(), &bytes)?;
    let (_, by) = visible(&app, act, &principal, "").await?;
    app.service.withdraw_act(act, by, repetition).await?;
    now(&app, act, &principal, &by).await
}

/// The person behind a certificate that the route has admitted.
fn acting(app: &App, principal: &Principal) -> Result<Officer, Problem> {
    Ok(app.service.acting(principal.digest())?)
}

fn none() -> Problem {
    Problem::new(Code::NotaryNotOpen, "there is no such act, or not for you")
}

fn find(app: &App, act: ActId) -> Result<KnownAct, Problem> {
    app.service.find_act(act).map_err(|fault| Problem::fault(&fault))?.ok_or_else(none)
}

/// An act and who asks, if the caller may see it; to others there is none. Whoever has no part in it leaves a line in the access log.
async fn visible(app: &App, act: ActId, principal: &Principal, what: &str) -> Result<(KnownAct, Officer), Problem> {
    let by = acting(app, principal)?;
    Ok((visible_to(&by, app, act, principal, what).await?, by))
}

/// The same for whoever `by` is known to be.
async fn visible_to(
    by: &Officer,
    app: &App,
    act: ActId,
    principal: &Principal,
    what: &str,
) -> Result<KnownAct, Problem> {
    let known = find(app, act)?;
    let signs = known.is_of(by);
    if known.is_by(by) || signs && !what.starts_with("/documents/") {
        return Ok(known);
    }
    if !signs && !reads_all(principal) {
        return Err(none());
    }
    let (service, reader, what) = (app.service.clone(), principal.digest(), what.to_owned());
    body::blocking(move || service.log_act_access(act, &what, reader)).await??;
    Ok(known)
}

fn reads_all(principal: &Principal) -> bool {
    READERS.iter().any(|role| principal.has(*role))
}

/// An act as it stands after what was asked.
async fn now(app: &App, act: ActId, principal: &Principal, by: &Officer) -> Result<Response, Problem> {
    let known = visible_to(by, app, act, principal, "").await?;
    Ok(Json(described(app, act, &known, principal, by)?).into_response())
}

fn document(app: &App, index: u64, media_type: &'static str) -> Result<Response, Problem> {
    let artefact = app.service.artefact_of(index).map_err(|fault| Problem::fault(&fault))?;
    let bytes = artefact.ok_or_else(|| Problem::new(Code::RegistrationErased, "the record was erased"))?;
    Ok(octets(media_type, bytes))
}

impl From<NotaryFault> for Problem {
    fn from(fault: NotaryFault) -> Self {
        match fault {
            NotaryFault::Refused(refusal) => match Code::from(refusal.clone()) {
                Code::ServerFault => Self::fault(&refusal),
                code => Self::new(code, refusal.to_string()),
            },
            NotaryFault::Ended { .. } => Self::new(Code::NotaryNotOpen, fault.to_string()),
            NotaryFault::NoNotary => Self::new(Code::HttpNotFound, fault.to_string()),
            NotaryFault::NotReady => Self::new(Code::ServerUnavailable, fault.to_string()),
            NotaryFault::KeyReused => Self::key_reused(),
            NotaryFault::Busy => Self::new(Code::ServerBusy, fault.to_string()),
            NotaryFault::Record(_) | NotaryFault::Request(_) | NotaryFault::NotGiven { .. } => {
                Self::new(Code::NotaryRequest, fault.to_string())
            }
            NotaryFault::Signature(why) => Self::new(Code::NotarySignature, why),
            NotaryFault::Signer(why) => Self::new(Code::NotarySigners, why),
            NotaryFault::Erased | NotaryFault::Seal(SealFault::Destroyed(_)) => {
                Self::new(Code::RegistrationErased, "it was erased")
            }
            NotaryFault::Seal(SealFault::NotReady | SealFault::NoKey) => {
                Self::new(Code::ServerUnavailable, "nothing can be kept now")
            }
            NotaryFault::Seal(fault) => Self::fault(&fault),
            NotaryFault::Fault(fault) => fault.into(),
        }
    }
}
