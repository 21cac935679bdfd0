//! Service keys: what the ledger tells of each, and their rotation, an operator's act.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, header};
use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    asn1::pem,
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
    service::{CeremonyFault, Imported, KnownKey, Rotated, RotationCause, RotationFault},
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
        "in_use": known.standing.signs(),
        "standing": known.standing.name(),
        "not_after": moment(known.not_after),
    })
}

/// Nothing is asked but what the path says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

/// An operator's act on one key: what the fact names as its cause, and how a repetition is known.
struct Act {
    purpose: KeyPurpose,
    request: Vec<u8>,
    idempotency: Option<Idempotency>,
}

fn act(verb: &str, name: &str, operator: &Principal, headers: &HeaderMap, bytes: &[u8]) -> Result<Act, Problem> {
    let purpose = KeyPurpose::ALL.iter().copied().find(|purpose| purpose.name() == name);
    let purpose = purpose.ok_or_else(|| Problem::new(Code::HttpNotFound, "there is no key of this name"))?;
    let caller = operator.digest();
    let of = [name.as_bytes(), b"\0", caller.as_bytes()].concat();
    let idempotency = Some(body::idempotency(headers, &caller, verb, &of, bytes)?);
    let Empty {} = body::json(bytes)?;
    Ok(Act { purpose, request: [verb.as_bytes(), b"\0", &of, bytes].concat(), idempotency })
}

/// `POST /v1/keys/{name}/rotate`: another key follows the one of this name.
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    operator: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let Act { purpose, request, idempotency } = act("rotate", &name, &operator, &headers, &bytes)?;
    let service = app.service.clone();
    let rotate = move || service.rotate(purpose, RotationCause { request: &request, idempotency });
    let rotated = body::blocking(rotate).await??;
    Ok(Json(answer(&app, &rotated)?).into_response())
}

/// `POST /v1/keys/{name}/request`: what the offline root is to sign, as a file to be carried there.
pub(super) async fn request(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    operator: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let Act { purpose, request, idempotency } = act("request", &name, &operator, &headers, &bytes)?;
    let service = app.service.clone();
    let ask = move || service.ask_of_root(purpose, RotationCause { request: &request, idempotency });
    let document = body::blocking(ask).await??;
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((json, document).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportRequest {
    pem: String,
}

/// `POST /v1/keys/import`: what the offline root has signed.
pub(super) async fn import(
    State(app): State<Arc<App>>,
    operator: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let caller = operator.digest();
    let idempotency = Some(body::idempotency(&headers, &caller, "import", caller.as_bytes(), &bytes)?);
    let ImportRequest { pem } = body::json(&bytes)?;
    let one = |label: &str| match pem::decode(label, &pem).as_deref() {
        Some([der]) => Some(der.clone()),
        _ => None,
    };
    let service = app.service.clone();
    let imported = match (one("CERTIFICATE"), one("X509 CRL")) {
        (Some(der), None) => body::blocking(move || service.import_certificate(&der, idempotency)).await??,
        (None, Some(der)) => body::blocking(move || service.import_list(&der, idempotency)).await??,
        _ => {
            let why = "pem is one CERTIFICATE or one X509 CRL in PEM (RFC 7468)";
            return Err(Problem::new(Code::HttpMalformed, why));
        }
    };
    let answer = match imported {
        Imported::Authority { key, certificate, entry } => json!({
            "key": key.to_string(),
            "sha256": certificate.digest().to_string(),
            "not_after": certificate.validity().not_after.to_string(),
            "entry": certificates::entry(&app, entry)?,
        }),
        Imported::List { number, next_update, entry } => json!({
            "list": "root",
            "number": number,
            "next_update": next_update.to_string(),
            "entry": certificates::entry(&app, entry)?,
        }),
    };
    Ok(Json(answer).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CeremonyRequest {
    transcript: String,
    statements: Vec<String>,
}

/// `POST /v1/keys/ceremonies`: what an operator and an officer attest of a ceremony. The whole request is kept.
pub(super) async fn record_ceremony(
    State(app): State<Arc<App>>,
    operator: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let caller = operator.digest();
    let idempotency = Some(body::idempotency(&headers, &caller, "ceremony", caller.as_bytes(), &bytes)?);
    let CeremonyRequest { transcript, statements } = body::json(&bytes)?;
    let (service, digest) = (app.service.clone(), Digest::of(transcript.as_bytes()));
    let record = move || {
        let statements: Vec<_> = statements.into_iter().map(String::into_bytes).collect();
        service.record_ceremony(transcript.as_bytes(), &statements, bytes.to_vec(), idempotency)
    };
    let entry = body::blocking(record).await??;
    let entry = certificates::entry(&app, entry)?;
    Ok(Json(json!({ "transcript_sha256": digest.to_string(), "entry": entry })).into_response())
}

impl From<CeremonyFault> for Problem {
    fn from(fault: CeremonyFault) -> Self {
        match fault {
            CeremonyFault::Statement | CeremonyFault::Signer | CeremonyFault::People | CeremonyFault::Role => {
                Self::new(Code::KeysCeremony, fault.to_string())
            }
            CeremonyFault::KeyReused => Self::key_reused(),
            CeremonyFault::Fault(fault) => fault.into(),
        }
    }
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
            RotationFault::NotTaken(_) => Self::new(Code::KeysNotTaken, fault.to_string()),
            RotationFault::Busy => Self::new(Code::ServerBusy, fault.to_string()),
            RotationFault::KeyReused => Self::key_reused(),
            RotationFault::Credential(fault) => fault.into(),
            RotationFault::Fault(fault) if fault.is_of_time() => Self::new(Code::ServerUnavailable, fault.to_string()),
            RotationFault::Store(_) | RotationFault::Unfit { .. } | RotationFault::Tls(_) | RotationFault::Fault(_) => {
                Self::fault(&fault)
            }
        }
    }
}
