//! Payments for goods and receipts: what their sides and carriers say, what became of them, and what providers of rails tell.
//!
//! A statement needs no certificate in the TLS handshake: its own signature says who makes it. Reading needs one, and shows a run to those alone
//! whom it names; to everybody else there is none.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use semper_ttp::b64u;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::paid::PaidRefusal;
use semper_ttp::payment::PaymentRefusal;
use semper_ttp::payment::callback::{CallbackFault, Received};
use semper_ttp::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{self, Body, CallbackBody};
use super::exchange::{proven, recorded, run_of, text};
use super::principal::Principal;
use super::problem::{Code, Problem};
use super::require_quota;
use crate::router::App;
use crate::server::{Peer, RequestId};
use crate::service::{
    KnownPayment, PaymentFault, RecordedStatement, RefusedStatement, SentStatement, Service, is_replayed,
};

/// Tokens that may come with a statement: one for it is enough.
const TOKENS_MAX: usize = 2;

/// A statement, with what proves when it was there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatementRequest {
    pub(super) statement: String,
    /// Timestamps of this service over it, in base64.
    #[serde(default)]
    pub(super) tokens: Vec<String>,
}

fn sent(bytes: &[u8]) -> Result<SentStatement, Problem> {
    let StatementRequest { statement, tokens } = body::json(bytes)?;
    sent_of(statement, &tokens)
}

/// A statement with its tokens, decoded.
pub(super) fn sent_of(statement: String, tokens: &[String]) -> Result<SentStatement, Problem> {
    if tokens.len() > TOKENS_MAX {
        return Err(Problem::new(Code::ExchangeRequest, format!("at most {TOKENS_MAX} tokens")));
    }
    let tokens = tokens.iter().map(|token| BASE64_STANDARD.decode(token)).collect::<Result<Vec<_>, _>>();
    let tokens = tokens.map_err(|_| Problem::new(Code::HttpMalformed, "tokens: not base64"))?;
    Ok(SentStatement { statement: statement.into_bytes(), tokens })
}

/// `POST /v1/payments`: the first statement of a run.
pub(super) async fn open(
    State(app): State<Arc<App>>,
    Extension((Peer(address), _)): Extension<(Peer, RequestId)>,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    require_quota(&app, address)?;
    let sent = sent(&bytes)?;
    let said = body::blocking(move || answered(&app, &sent, b"", |service| service.open_payment(&sent)));
    said.await?
}

/// `POST /v1/payments/{x}/statements`: a later one.
pub(super) async fn say(
    State(app): State<Arc<App>>,
    Path(x): Path<String>,
    Extension((Peer(address), _)): Extension<(Peer, RequestId)>,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let x = run_of(&x)?;
    require_quota(&app, address)?;
    let sent = sent(&bytes)?;
    let said = body::blocking(move || answered(&app, &sent, &x.0, |service| service.show_in_payment(&x, &sent)));
    said.await?
}

/// What came of a statement; a refusal of somebody who is known is recorded before the answer.
fn answered(
    app: &App,
    sent: &SentStatement,
    of: &[u8],
    say: impl FnOnce(&Service) -> Result<KnownPayment, RefusedStatement>,
) -> Result<Response, Problem> {
    match say(&app.service) {
        Ok(known) => shown(app, &known),
        Err((fault, asker)) => {
            if let Some((asker, code)) = asker.zip(recorded_code(&fault)) {
                let call = Digest::of(&[of, &sent.statement].concat());
                app.service.record_refused_call(asker, call, Digest::of(code.name().as_bytes()));
            }
            Err(fault.into())
        }
    }
}

/// `GET /v1/payments/{x}`: a run, for those whom it names.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(x): Path<String>,
    principal: Principal,
) -> Result<Response, Problem> {
    let x = run_of(&x)?;
    let none = || Problem::new(Code::HttpNotFound, "there is no such run");
    body::blocking(move || {
        let known = app.service.payment_for(&x, &principal.certificate)?;
        shown(&app, &known.ok_or_else(none)?)
    })
    .await?
}

fn shown(app: &App, known: &KnownPayment) -> Result<Response, Problem> {
    let KnownPayment { x, state, money, awaited, until, statements, decided } = known;
    // Each has its terms from its first statement on.
    let terms = state.terms.as_ref().ok_or_else(|| Problem::fault(&"a payment without terms"))?;
    let moment = |millis: u64| Timestamp::from_millis(millis).to_string();
    let statements = statements.iter().map(|statement| recorded_statement(app, statement));
    let statements = statements.collect::<Result<Vec<_>, Problem>>()?;
    let decided = match decided {
        None => Value::Null,
        Some((decision, (index, verdict))) => {
            let (proof, receipt) = proven(app, *index)?;
            json!({
                "outcome": decision.outcome,
                "decided_at": decision.at.to_string(),
                "verdict": text(verdict.clone()),
                "proof": proof,
                "receipt": receipt,
                "entry": super::certificates::entry(app, *index)?,
            })
        }
    };
    let captured = money.stage.money().map_or(0, |money| money.captured);
    Ok(Json(json!({
        "x": b64u::encode(x.as_bytes()),
        "protocol": terms.protocol,
        "stage": state.stage.name(),
        "awaited": {
            "statements": awaited.iter().map(|what| what.name()).collect::<Vec<_>>(),
            "until": until.map(|(at_ms, _)| moment(at_ms)),
            "then": until.map(|(_, outcome)| outcome),
        },
        "money": {
            "rail": terms.rail.as_str(),
            "state": money.stage.name(),
            "currency": terms.amount.currency().to_string(),
            "amount": terms.amount.minor().to_string(),
            "held": known.held().to_string(),
            "captured": captured.to_string(),
            "frozen": state.frozen.is_some() || money.frozen.is_some(),
            "hold_expires_at": money.hold_expires_at().map(|at| at.to_string()),
            "unsettled": state.is_unsettled() || money.is_contradicted(),
        },
        "statements": statements,
        "decided": decided,
    }))
    .into_response())
}

fn recorded_statement(app: &App, statement: &RecordedStatement) -> Result<Value, Problem> {
    let (proof, receipt) = proven(app, statement.index)?;
    Ok(json!({
        "t": KnownPayment::tag_of(statement),
        "says": statement.what.map(|what| what.name()),
        "counts": statement.counts,
        "statement": text(statement.jws.clone()),
        "proof": proof,
        "receipt": receipt,
    }))
}

/// `POST /v1/rails/{rail}/callbacks`: a provider tells something, signed by the scheme of Standard Webhooks.
pub(super) async fn callback(
    State(app): State<Arc<App>>,
    Path(rail): Path<String>,
    Extension((Peer(address), _)): Extension<(Peer, RequestId)>,
    headers: HeaderMap,
    CallbackBody(bytes): CallbackBody,
) -> Result<Response, Problem> {
    require_quota(&app, address)?;
    let taken = body::blocking(move || {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        let received = Received { id, timestamp, signature: header("webhook-signature"), body: &bytes };
        app.service.take_callback(&rail, &received)
    });
    let taken = match taken.await? {
        Ok(()) => true,
        // It was taken, and its answer was lost.
        Err(fault) if is_replayed(&fault) => false,
        Err(PaymentFault::None | PaymentFault::NoRail(_)) => {
            return Err(Problem::new(Code::HttpNotFound, "there is no such rail, or it has no such payment"));
        }
        Err(fault) => return Err(fault.into()),
    };
    Ok(Json(json!({ "taken": taken })).into_response())
}

/// The code of a refusal that is recorded: not of what may be asked again in a moment.
fn recorded_code(fault: &PaymentFault) -> Option<Code> {
    if let PaymentFault::Exchange(fault) = fault {
        return recorded(fault);
    }
    match code_of(fault) {
        Code::ServerBusy | Code::ServerUnavailable | Code::ServerFault | Code::HttpNotFound => None,
        code => Some(code),
    }
}

/// Of what is not as in any run.
fn code_of(fault: &PaymentFault) -> Code {
    match fault {
        PaymentFault::Exchange(_) => Code::ServerFault,
        PaymentFault::None => Code::HttpNotFound,
        PaymentFault::NoRail(_) => Code::PaidRail,
        PaymentFault::Paid(refusal) => match refusal {
            PaidRefusal::NotOpen => Code::HttpNotFound,
            PaidRefusal::NotAllowedNow { .. } => Code::PaidNotAllowedNow,
            PaidRefusal::OtherDelivery { .. } => Code::PaidOtherDelivery,
            PaidRefusal::TooManyLate => Code::PaidTooManyLate,
            PaidRefusal::Clock { .. } => Code::ServerUnavailable,
            // Nobody freezes by a statement.
            PaidRefusal::Frozen { .. } | PaidRefusal::NotFrozen => Code::ServerFault,
        },
        PaymentFault::Money(refusal) => match refusal {
            PaymentRefusal::TooEarly { .. } => Code::CallbackTooEarly,
            PaymentRefusal::Clock { .. } => Code::ServerUnavailable,
            PaymentRefusal::NoHold
            | PaymentRefusal::AlreadyHeld
            | PaymentRefusal::NothingAsked
            | PaymentRefusal::Fee
            | PaymentRefusal::SameParty
            | PaymentRefusal::Ended
            | PaymentRefusal::OtherCurrency
            | PaymentRefusal::TooMuch { .. }
            | PaymentRefusal::Frozen { .. }
            | PaymentRefusal::NotFrozen
            | PaymentRefusal::NotAllowedNow { .. }
            | PaymentRefusal::TooManyAttempts
            | PaymentRefusal::TooManyReports
            | PaymentRefusal::UnknownKey
            | PaymentRefusal::TakenBack
            | PaymentRefusal::InSuspense
            | PaymentRefusal::NeedsVerdict
            | PaymentRefusal::UnknownItem
            | PaymentRefusal::AlreadyCleared
            | PaymentRefusal::NothingCameIn => Code::CallbackRefused,
        },
        PaymentFault::Callback(fault) => match fault {
            CallbackFault::TooLong => Code::HttpTooLarge,
            CallbackFault::Header(_) | CallbackFault::Json(_) | CallbackFault::Form(_) => Code::CallbackForm,
            CallbackFault::Time { .. } => Code::CallbackTime,
            CallbackFault::Signature => Code::CallbackSignature,
            // It is answered with yes.
            CallbackFault::Replayed => Code::ServerFault,
        },
    }
}

impl From<PaymentFault> for Problem {
    fn from(fault: PaymentFault) -> Self {
        match fault {
            PaymentFault::Exchange(fault) => fault.into(),
            fault => match code_of(&fault) {
                Code::ServerFault => Self::fault(&fault),
                code => Self::new(code, fault.to_string()),
            },
        }
    }
}
