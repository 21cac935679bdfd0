//! Exchanges: one side asks the arbiter, both read what it decided.
//!
//! A request to decide needs no certificate in the TLS handshake: its own signature says who asks. Reading needs one, and shows a run to
//! its two sides alone; to everybody else there is none.

pub(super) mod inline;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, StatusCode, header};
use semper_ttp::b64u;
use semper_ttp::crypto::jose::Thumbprint;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::inline::InlineRefusal;
use semper_ttp::exchange::{Broken, ExchangeRefusal};
use semper_ttp::statement::Body as _;
use semper_ttp::statement::exchange::cd_r::ResolveO;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{self, Body};
use super::principal::Principal;
use super::problem::{Code, Problem};
use super::require_quota;
use crate::router::App;
use crate::server::{Peer, RequestId};
use crate::service::{Decided, ExchangeFault, Heard, Promised, Sent, Service, ServiceFault};

/// Tokens that may come with a request: one for each statement.
const TOKENS_MAX: usize = 3;

/// The preference of whoever would rather have an answer later than wait for it (RFC 7240 §4.1).
const RESPOND_ASYNC: &str = "respond-async";

/// When whoever was promised an answer may look for it.
const LOOK_AGAIN_SECS: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskRequest {
    /// The first statement of the run, called as its protocol calls it.
    #[serde(rename = "m1", alias = "d1")]
    first: String,
    /// The responder's answer, where the request is one to resolve.
    #[serde(rename = "m2", alias = "d2", default)]
    second: Option<String>,
    /// The request.
    request: String,
    /// Timestamps of this service over statements, in base64: they prove when those were there.
    #[serde(default)]
    tokens: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusRequest {
    #[serde(rename = "m1", alias = "d1", alias = "i1")]
    first: String,
}

/// The name of a run, in its one spelling.
pub(super) fn run_of(path: &str) -> Result<Digest, Problem> {
    let none = || Problem::new(Code::HttpNotFound, "there is no such run");
    let octets = b64u::decode(path.as_bytes()).and_then(|octets| Digest::from_slice(&octets));
    octets.ok_or_else(none)
}

/// `POST /v1/exchanges/{x}/requests`: abort, or resolve.
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    Path(x): Path<String>,
    Extension((Peer(address), _)): Extension<(Peer, RequestId)>,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let x = run_of(&x)?;
    let may_wait = prefers_later(&headers);
    require_quota(&app, address)?;
    let AskRequest { first, second, request, tokens } = body::json(&bytes)?;
    if tokens.len() > TOKENS_MAX {
        return Err(Problem::new(Code::ExchangeRequest, format!("at most {TOKENS_MAX} tokens")));
    }
    let tokens = tokens.iter().map(|token| BASE64_STANDARD.decode(token)).collect::<Result<Vec<_>, _>>();
    let tokens = tokens.map_err(|_| Problem::new(Code::HttpMalformed, "tokens: not base64"))?;
    let (first, second, request) = (first.into_bytes(), second.map(String::into_bytes), request.into_bytes());
    let sent = Sent { first, second, request, tokens };
    let asked = body::blocking(move || {
        let service = &app.service;
        let asked = service.ask_arbiter(&x, &sent, may_wait);
        if let Err((fault, asker)) = &asked {
            note_refusal(service, fault, *asker, || Digest::of(&[&x.0[..], &sent.request].concat()));
        }
        match asked.map_err(|(fault, _)| Problem::from(fault))? {
            Heard::Now(decided) => shown(&app, &x, decided),
            Heard::Later(promised) => Ok(taken_for_later(&x, promised)),
        }
    });
    asked.await?
}

/// Whether the sender says so.
fn prefers_later(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    preferences.any(|one| one.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(RESPOND_ASYNC)))
}

/// The arbiter has the request, and says so. Whoever asks again gets the answer, or this again.
fn taken_for_later(x: &Digest, promised: Promised) -> Response {
    let x = b64u::encode(x.as_bytes());
    let place = format!("/v1/exchanges/{x}");
    let shown = json!({ "x": x, "receipt": text(promised.receipt), "answer_by": promised.answer_by.to_string() });
    let headers = [
        (header::LOCATION, place),
        (header::RETRY_AFTER, LOOK_AGAIN_SECS.to_string()),
        (HeaderName::from_static("preference-applied"), RESPOND_ASYNC.to_owned()),
    ];
    (StatusCode::ACCEPTED, headers, Json(shown)).into_response()
}

/// Counts a refusal, and records that of somebody who is known, before it is told.
pub(super) fn note_refusal(
    service: &Service,
    fault: &ExchangeFault,
    asker: Option<Digest>,
    call: impl FnOnce() -> Digest,
) {
    service.metrics.exchange().refused(Problem::code_of(fault).name());
    if let (Some(asker), Some(code)) = (asker, recorded(fault)) {
        service.record_refused_call(asker, call(), Digest::of(code.name().as_bytes()));
    }
}

/// The code of a refusal that is recorded: not of what may be asked again in a moment.
pub(super) fn recorded(fault: &ExchangeFault) -> Option<Code> {
    match Problem::code_of(fault) {
        Code::ServerBusy | Code::ServerUnavailable | Code::ServerFault | Code::HttpNotFound => None,
        code => Some(code),
    }
}

fn shown(app: &App, x: &Digest, decided: Decided) -> Result<Response, Problem> {
    let Decided { outcome, verdict, answer, outages, content_key } = decided;
    let fault = |error: &dyn std::fmt::Display| Problem::fault(&error);
    let (mut proofs, mut receipts) = (Vec::new(), Vec::new());
    for (index, _) in [&verdict, &answer] {
        let (proof, receipt) = proven(app, *index)?;
        proofs.push(proof);
        receipts.push(receipt);
    }
    let outages = outages.into_iter().map(|index| {
        let fact = app.service.reader().fact(index).map_err(|error| fault(&error))?.unwrap_or_default();
        Ok(json!({ "fact": b64u::encode(&fact), "proof": proven(app, index)?.0 }))
    });
    let mut shown = json!({
        "x": b64u::encode(x.as_bytes()),
        "outcome": outcome,
        "verdict": text(verdict.1),
        "answer": text(answer.1),
        "proofs": proofs,
        "receipts": receipts,
        "outages": outages.collect::<Result<Vec<Value>, Problem>>()?,
    });
    if let Some(key) = content_key {
        shown["k"] = json!(key);
    }
    Ok(Json(shown).into_response())
}

/// A statement is ASCII.
pub(super) fn text(jws: Vec<u8>) -> String {
    String::from_utf8(jws).unwrap_or_default()
}

/// An entry's tlog-proof, and its COSE Receipt in base64url.
pub(super) fn proven(app: &App, index: u64) -> Result<(String, String), Problem> {
    let reader = app.service.reader();
    let receipt = reader.receipt(index).map_err(|fault| Problem::fault(&fault))?;
    let receipt = receipt.ok_or_else(|| Problem::new(Code::ServerUnavailable, "its proof is not there yet"))?;
    Ok((receipt.tlog_proof(reader.identity()), b64u::encode(&receipt.cose(reader.identity()))))
}

/// `POST /v1/exchanges/{x}/status`: what was decided, or that nothing was, signed; for a side of the run that `m1` begins.
pub(super) async fn status(
    State(app): State<Arc<App>>,
    Path(x): Path<String>,
    principal: Principal,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let x = run_of(&x)?;
    let StatusRequest { first } = body::json(&bytes)?;
    let service = app.service.clone();
    let status = body::blocking(move || service.status_of_run(&x, first.as_bytes(), &principal.certificate)).await??;
    Ok((StatusCode::OK, Json(json!({ "status": text(status) }))).into_response())
}

/// `GET /v1/exchanges/keys/{key}`: whose key it is, if it may commit that party now; for parties, who ask it before they rely on a
/// statement by it. Neither names nor certificates are told: who knows the key has its certificate.
pub(super) async fn key(State(app): State<Arc<App>>, Path(key): Path<String>) -> Result<Response, Problem> {
    let key: Thumbprint = key.parse().map_err(|_| Problem::new(Code::HttpNotFound, "there is no such key"))?;
    let service = app.service.clone();
    let (party, certificate, at) = body::blocking(move || service.committing_key(key)).await??;
    Ok(Json(json!({ "key": key, "party": party, "certificate": certificate, "good_at": at.to_string() }))
        .into_response())
}

/// `GET /v1/exchanges/{x}`: what was decided, for the two sides.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(x): Path<String>,
    principal: Principal,
) -> Result<Response, Problem> {
    let x = run_of(&x)?;
    let service = app.service.clone();
    let known = body::blocking(move || {
        let by = &principal.certificate;
        Ok::<_, ExchangeFault>(match service.decided_run(&x, by)? {
            Some(decided) => Ok(decided),
            None => Err(service.exchange_of(&x, by)?),
        })
    });
    let none = || Problem::new(Code::HttpNotFound, "there is no such run");
    let (decision, (index, verdict)) = match known.await?? {
        Ok(decided) => decided,
        Err(Some(exchange)) => return inline::shown(&app, &x, &exchange),
        Err(None) => return Err(none()),
    };
    let (proof, receipt) = proven(&app, index)?;
    Ok(Json(json!({
        "x": b64u::encode(x.as_bytes()),
        "protocol": decision.protocol,
        "outcome": decision.outcome,
        "decided_at": decision.at.to_string(),
        "verdict": text(verdict),
        "proof": proof,
        "receipt": receipt,
        "entry": super::certificates::entry(&app, index)?,
    }))
    .into_response())
}

impl Problem {
    fn code_of(fault: &ExchangeFault) -> Code {
        match fault {
            ExchangeFault::Broken(broken) => match broken {
                Broken::Statement { .. } if broken.code() == "exchange.signature" => Code::ExchangeSignature,
                Broken::Opening { of: ResolveO::TAG } => Code::ExchangeOpening,
                Broken::Terms { .. } => Code::ExchangeTerms,
                // The last three nobody tells the arbiter.
                Broken::Statement { .. }
                | Broken::Opening { .. }
                | Broken::OtherCommitment { .. }
                | Broken::NotLogged => Code::ExchangeStatement,
                Broken::UnknownKey { .. } => Code::ExchangeUnknownKey,
                Broken::OtherRun { .. } => Code::ExchangeOtherRun,
                Broken::OtherCopy { .. } => Code::ExchangeOtherCopy,
                Broken::OtherArbiter { .. } => Code::ExchangeOtherArbiter,
                Broken::EscrowKey { .. } => Code::ExchangeEscrowKey,
                Broken::OneParty => Code::ExchangeOneParty,
                Broken::NotAllowed { .. } => Code::ExchangeNotAllowed,
            },
            ExchangeFault::Key(_) => Code::ExchangeKey,
            ExchangeFault::Policy => Code::ExchangePolicy,
            ExchangeFault::Request(_) => Code::ExchangeRequest,
            ExchangeFault::Refused(ExchangeRefusal::TooManyAnswers) => Code::ExchangeTooManyAnswers,
            ExchangeFault::Refused(ExchangeRefusal::Clock { .. }) | ExchangeFault::NotReady(_) => {
                Code::ServerUnavailable
            }
            ExchangeFault::NoArbiter | ExchangeFault::NoInline => Code::HttpNotFound,
            ExchangeFault::Inline(refusal) => match refusal {
                InlineRefusal::NotRegistered => Code::ExchangeNotRegistered,
                InlineRefusal::AlreadyDeposited => Code::ExchangeAlreadyDeposited,
                InlineRefusal::TooManyRefused => Code::ExchangeTooManyRefused,
                InlineRefusal::OtherDeposited => Code::ExchangeOtherDeposited,
                InlineRefusal::NothingToWaive => Code::ExchangeNothingToWaive,
                InlineRefusal::OtherItems => Code::ExchangeOtherItems,
                InlineRefusal::NotDecided => Code::ExchangeNotDecided,
                InlineRefusal::NothingToCollect => Code::ExchangeNothingToCollect,
                InlineRefusal::Clock { .. } => Code::ServerUnavailable,
            },
            ExchangeFault::Delivery(refusal) => super::delivery::code_of(refusal),
            ExchangeFault::Erased => Code::ExchangeErased,
            ExchangeFault::ArbiterRevoked(_) => Code::ExchangeArbiterRevoked,
            ExchangeFault::Busy | ExchangeFault::TooMany(_) => Code::ServerBusy,
            ExchangeFault::Fault(fault) if fault.is_of_time() => Code::ServerUnavailable,
            ExchangeFault::Fault(_) => Code::ServerFault,
        }
    }
}

impl From<ExchangeFault> for Problem {
    fn from(fault: ExchangeFault) -> Self {
        match fault {
            ExchangeFault::Fault(fault) => ServiceFault::into(fault),
            fault => Self::new(Self::code_of(&fault), fault.to_string()),
        }
    }
}
