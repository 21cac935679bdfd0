//! Service keys: what the ledger tells of each, and their rotation, an operator's act.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    digest::Digest,
    evidence::{KeyId, KeyPurpose},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Code,
    body::{self, Body},
    certificates,
    principal::Principal,
    problem::Problem,
};
use crate::{
    router::App,
    service::{KnownKey, Rotated, RotationCause, RotationFault},
};

/// `GET /v1/keys`: every key that this service had or has.
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let service = app.service.clone();
    let known = body::blocking(move || service.known_keys()).await?.map_err(|fault| Problem::fault(&fault))?;
    Ok(Json(json!({ "keys": known.iter().map(described).collect::<Vec<_>>() })).into_response())
}

fn described(known: &KnownKey) -> Value {
    let moment = |at: Option<semper_ttp::time::Timestamp>| at.map(|at| at.to_string());
    json!({
        "key": known.key.to_string(),
        "public_key_sha256": known.public_key.to_string(),
        "made": known.made.to_string(),
        "made_at": known.made_at,
        "first_used": moment(known.first_used),
        "ended": moment(known.ended),
        "in_use": known.in_use,
        "not_after": moment(known.not_after),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateRequest {}

/// `POST /v1/keys/{name}/rotate`: another key follows the one of this name.
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    operator: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let purpose = KeyPurpose::ALL.iter().copied().find(|purpose| purpose.name() == name);
    let purpose = purpose.ok_or_else(|| Problem::new(Code::HttpNotFound, "there is no key of this name"))?;
    let key = body::idempotency_key(&headers, &operator.digest())?;
    let RotateRequest {} = body::json(&bytes)?;
    // What the fact of the new key's making names as its cause: what was asked, and by whom.
    let request = [b"rotate\0", name.as_bytes(), b"\0", &operator.digest().as_bytes()[..], &bytes].concat();
    let idempotency = Some(Idempotency { key, request: Digest::of(&request).0 });
    let service = app.service.clone();
    let rotate = move || service.rotate(purpose, RotationCause { request: &request, idempotency });
    let rotated = body::blocking(rotate).await??;
    Ok(Json(answer(&app, &rotated)?).into_response())
}

fn answer(app: &App, rotated: &Rotated) -> Result<Value, Problem> {
    let Rotated { key, public_key, made_at, certificate } = rotated;
    let certificate = certificate.as_ref().map(|(certificate, issued_at)| {
        Ok::<_, Problem>(json!({
            "serial": hex::encode(certificate.serial()),
            "sha256": certificate.digest().to_string(),
            "not_after": certificate.validity().not_after.to_string(),
            "entry": certificates::entry(app, *issued_at)?,
        }))
    });
    Ok(json!({
        "key": key.to_string(),
        "follows": KeyId { generation: key.generation - 1, ..*key }.to_string(),
        "public_key_sha256": public_key.to_string(),
        "made": certificates::entry(app, *made_at)?,
        "certificate": certificate.transpose()?,
    }))
}

impl From<RotationFault> for Problem {
    fn from(fault: RotationFault) -> Self {
        match fault {
            RotationFault::NoStore
            | RotationFault::NotRotated(_)
            | RotationFault::NotInUse(_)
            | RotationFault::NotOurs => Self::new(Code::KeysNotRotated, fault.to_string()),
            RotationFault::Busy => Self::new(Code::ServerBusy, fault.to_string()),
            RotationFault::KeyReused => {
                Self::new(Code::HttpIdempotencyKey, "this Idempotency-Key belongs to another request")
            }
            RotationFault::Credential(fault) => fault.into(),
            RotationFault::Fault(fault) if fault.is_of_time() => Self::new(Code::ServerUnavailable, fault.to_string()),
            RotationFault::Store(_) | RotationFault::Unfit { .. } | RotationFault::Tls(_) | RotationFault::Fault(_) => {
                Self::fault(&fault)
            }
        }
    }
}
