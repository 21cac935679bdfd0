//! Registered deliveries: an originator submits its delivery, either side shows what it has, and both read the evidence of each step.
//!
//! A statement needs no certificate in the TLS handshake: its own signature says who makes it. Reading needs one, and shows a delivery to its
//! two sides alone; to everybody else there is none.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use semper_ttp::b64u;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::erds::ErdsRefusal;
use semper_ttp::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{self, Body};
use super::exchange::{note_refusal, proven, run_of, text};
use super::payment::{StatementRequest, sent_of};
use super::principal::Principal;
use super::problem::{Code, Problem};
use super::require_quota;
use crate::router::App;
use crate::server::{Peer, RequestId};
use crate::service::{DeliveryView, SentDelivery, Service, ShownDelivery};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmitRequest {
    d1: String,
    submit: String,
    /// Timestamps of this service over `submit`, in base64: they prove when it was there.
    #[serde(default)]
    tokens: Vec<String>,
}

/// `POST /v1/deliveries`: the originator submits its delivery.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    Extension((Peer(address), _)): Extension<(Peer, RequestId)>,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    require_quota(&app, address)?;
    let SubmitRequest { d1, submit, tokens } = body::json(&bytes)?;
    let sent = SentDelivery { first: d1.into_bytes(), submit: sent_of(submit, &tokens)? };
    let said = body::blocking(move || {
        let call = || Digest::of(&sent.submit.statement);
        answered(&app, call, |service| service.submit_delivery(&sent))
    });
    said.await?
}

/// `POST /v1/deliveries/{x}/statements`: d2, d4, or a refusal.
pub(super) async fn say(
    State(app): State<Arc<App>>,
    Path(x): Path<String>,
    Extension((Peer(address), _)): Extension<(Peer, RequestId)>,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let x = run_of(&x)?;
    require_quota(&app, address)?;
    let StatementRequest { statement, tokens } = body::json(&bytes)?;
    let sent = sent_of(statement, &tokens)?;
    let said = body::blocking(move || {
        let call = || Digest::of(&[&x.0[..], &sent.statement].concat());
        answered(&app, call, |service| service.show_in_delivery(&x, &sent))
    });
    said.await?
}

/// What came of a statement.
fn answered(
    app: &App,
    call: impl FnOnce() -> Digest,
    say: impl FnOnce(&Service) -> ShownDelivery,
) -> Result<Response, Problem> {
    match say(&app.service) {
        Ok((view, is_new)) => {
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            Ok((status, Json(shown(app, &view)?)).into_response())
        }
        Err((fault, asker)) => {
            note_refusal(&app.service, &fault, asker, call);
            Err(fault.into())
        }
    }
}

/// `GET /v1/deliveries/{x}/evidence`: for the two sides.
pub(super) async fn evidence(
    State(app): State<Arc<App>>,
    Path(x): Path<String>,
    principal: Principal,
) -> Result<Response, Problem> {
    let x = run_of(&x)?;
    body::blocking(move || {
        let view = app.service.delivery_of(&x, &principal.certificate)?;
        let none = || Problem::new(Code::HttpNotFound, "there is no such delivery");
        Ok(Json(shown(&app, &view.ok_or_else(none)?)?).into_response())
    })
    .await?
}

fn shown(app: &App, view: &DeliveryView) -> Result<Value, Problem> {
    let DeliveryView { x, state, awaited, evidence } = view;
    let submitted = state.submission.as_ref().map(|(at, _)| at.to_string());
    let awaited = awaited.iter().map(|awaited| {
        let until = Timestamp::from_millis(awaited.until.at_ms).to_string();
        json!({ "until": until, "then": awaited.negative.name(), "reason": awaited.reason.name() })
    });
    let evidence = evidence.iter().map(|(event, index, jws)| {
        let (proof, receipt) = proven(app, *index)?;
        Ok(json!({
            "event": event.name(),
            "uri": event.uri(),
            "stands": state.standing(event.stage()) == Some(*event),
            "statement": text(jws.clone()),
            "proof": proof,
            "receipt": receipt,
        }))
    });
    Ok(json!({
        "x": b64u::encode(x.as_bytes()),
        "submitted_at": submitted,
        "awaited": awaited.collect::<Vec<_>>(),
        "evidence": evidence.collect::<Result<Vec<_>, Problem>>()?,
    }))
}

/// The code of a refusal.
pub(super) fn code_of(refusal: &ErdsRefusal) -> Code {
    match refusal {
        ErdsRefusal::NotSubmitted => Code::DeliveryNotSubmitted,
        ErdsRefusal::NotTaken => Code::DeliveryNotTaken,
        ErdsRefusal::Accepted => Code::DeliveryAccepted,
        ErdsRefusal::NothingToRefuse => Code::DeliveryNothingToRefuse,
        ErdsRefusal::Clock { .. } => Code::ServerUnavailable,
        // These the service tells itself, and nobody by a statement.
        ErdsRefusal::NoNotice | ErdsRefusal::NotConsigned | ErdsRefusal::OtherOutcome => Code::ServerFault,
    }
}
