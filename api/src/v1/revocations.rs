//! Bulk revocation: an officer's order, what it would concern, what became of it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use semper_ttp::ca::{
    bulk::{BulkState, Concerned, Filter, OrderId},
    crl::Reason,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Code,
    body::{self, Body, idempotency},
    certificates::{entry, listed, reason_of},
    principal::Principal,
    problem::Problem,
};
use crate::{
    router::App,
    service::{Preview, carry_out_in_background},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviewRequest {
    filter: Filter,
}

/// `POST /v1/revocations/preview`: which certificates an order would revoke. Changes nothing.
pub(super) async fn preview(State(app): State<Arc<App>>, Body(bytes): Body) -> Result<Response, Problem> {
    let PreviewRequest { filter } = body::json(&bytes)?;
    let concerned = concerned(&filter)?;
    let service = app.service.clone();
    let preview = body::blocking(move || service.preview_revocation(&concerned)).await?.map_err(Problem::from)?;
    let Preview { certificates, revoked, left_out, first } = preview;
    let first: Vec<_> = first.iter().map(|known| listed(&app, known)).collect();
    let answer = json!({ "certificates": certificates, "revoked": revoked, "left_out": left_out, "first": first });
    Ok(Json(answer).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderRequest {
    reason: String,
    filter: Filter,
}

/// `POST /v1/revocations`: an officer's order. Answers at once; the certificates follow.
pub(super) async fn order(
    State(app): State<Arc<App>>,
    officer: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let OrderRequest { reason, filter } = body::json(&bytes)?;
    let reason: Reason = reason_of(&reason)?;
    concerned(&filter)?;
    let by = officer.digest();
    let repetition = idempotency(&headers, &by, "revocations", &[], &bytes)?;
    let service = app.service.clone();
    let order = body::blocking(move || service.order_revocation(reason, filter, by, repetition)).await??;
    carry_out_in_background(&app.service);
    let place = HeaderValue::try_from(format!("/v1/revocations/{order}")).expect("base64url is ASCII");
    let answer = Json(described(&app, order)?);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], answer).into_response())
}

/// `GET /v1/revocations/{order}`.
pub(super) async fn show(State(app): State<Arc<App>>, Path(order): Path<OrderId>) -> Result<Response, Problem> {
    Ok(Json(described(&app, order)?).into_response())
}

fn concerned(filter: &Filter) -> Result<Concerned, Problem> {
    filter.read().map_err(|fault| Problem::new(Code::HttpMalformed, fault.to_string()))
}

fn described(app: &App, order: OrderId) -> Result<Value, Problem> {
    let found = app.service.find_order(order).map_err(|fault| Problem::fault(&fault))?;
    let none = || Problem::new(Code::HttpNotFound, "there is no such order");
    let (state, index) = found.ok_or_else(none)?;
    let (ordered, done) = match state {
        BulkState::None => return Err(none()),
        BulkState::Ordered(ordered) => (ordered, None),
        BulkState::Done(ordered, done) => (ordered, Some(done)),
    };
    Ok(json!({
        "id": order,
        "state": if done.is_some() { "done" } else { "ordered" },
        "ordered": entry(app, index)?,
        "reason": ordered.reason.name(),
        "revoked": done.map(|done| done.revoked),
        "done_at": done.map(|done| done.at.to_string()),
        "allowed_actions": [],
        "waiting_on": if done.is_some() { Value::Null } else { "service".into() },
        "due_by": Value::Null,
    }))
}
