//! Certificates: what their status is or was at any moment, with the entries that prove it; revocation.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use semper_ledger::entry::Entry;
use semper_ttp::{
    ca::{credential::Status, crl::Reason, profile::ProfileCode},
    evidence::names,
    policy::roles::TrustedRole,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Code,
    body::{self, Body},
    principal::Principal,
    problem::Problem,
};
use crate::{
    router::App,
    service::{KnownCertificate, KnownIssue, KnownList, ToRevoke},
};

/// Longest serial number, octets (RFC 5280 §4.1.2.2).
const SERIAL_MAX: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct At {
    at: Option<String>,
    issuer: Option<String>,
}

/// `GET /v1/certificates/{serial}/status?at=TIME&issuer=CA`: open to everybody, as OCSP is: it names nobody.
pub(super) async fn status(
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
    Query(At { at, issuer }): Query<At>,
) -> Result<Response, Problem> {
    let serial = serial_of(&serial)?;
    let now = app.service.now();
    let at = at.map(|text| moment(&text)).transpose()?.unwrap_or(now);
    if at > now {
        return Err(Problem::new(Code::HttpMalformed, "at lies in the future: nobody knows yet"));
    }
    let known = find(&app, &serial, issuer.as_deref())?;
    let status = known.state.issued().ok_or_else(not_issued)?;
    let (before, after) = app.service.lists_around(status.list, at).map_err(|fault| Problem::fault(&fault))?;
    let revoked = status.revoked.filter(|revoked| revoked.at <= at);
    let issued = entry(&app, known.issued_at)?;
    let lists = json!({
        "place": status.list.place(),
        "before": before.map(|list| described(&app, list)).transpose()?,
        "after": after.map(|list| described(&app, list)).transpose()?,
    });
    let word = if at < status.not_before.whole_secs() {
        "not_issued_yet"
    } else if revoked.is_some() {
        "revoked"
    } else if at.whole_secs() > status.not_after {
        "expired"
    } else {
        "good"
    };
    Ok(Json(json!({
        "serial": hex::encode(&serial),
        "issuer": known.ca.place(),
        "at": at.to_string(),
        "status": word,
        "not_before": status.not_before.to_string(),
        "not_after": status.not_after.to_string(),
        "issued": issued,
        // Elsewhere: what happened before this entry is as the CA's former operator said.
        "imported": status.class == ProfileCode::Imported,
        "revoked": revoked.map(|_| revocation(&app, &known, status)).transpose()?,
        // Who is not revoked is in no list around that moment; who is, in every one after it.
        "lists": lists,
    }))
    .into_response())
}

/// Longest page of a list.
const PAGE_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Until {
    expires_before: String,
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/certificates?expires_before=TIME`: what has not expired yet and will have by then, by the date of its end.
pub(super) async fn expiring(
    State(app): State<Arc<App>>,
    Query(Until { expires_before, after, limit }): Query<Until>,
) -> Result<Response, Problem> {
    let malformed = |_| Problem::new(Code::HttpMalformed, "after is the member next of an earlier answer");
    let after = after.map(hex::decode).transpose().map_err(malformed)?;
    let from = after.unwrap_or_else(|| names::expires(app.service.now()));
    let (until, most) = (moment(&expires_before)?, limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX));
    let service = app.service.clone();
    let found = body::blocking(move || service.expiring(&from, until, most)).await?;
    let (found, next) = found.map_err(|fault| Problem::fault(&fault))?;
    let certificates: Vec<_> = found.iter().map(|found| listed(&app, found)).collect();
    Ok(Json(json!({ "certificates": certificates, "next": next.map(hex::encode) })).into_response())
}

/// A certificate in a list of many.
pub(super) fn listed(app: &App, known: &KnownIssue) -> Value {
    json!({
        "serial": hex::encode(&known.serial),
        "issuer": known.ca.place(),
        "profile": known.profile.and_then(|profile| app.service.profile_name(&profile)),
        "profile_sha256": known.profile.map(|profile| profile.to_string()),
        "registration": known.registration,
        "not_after": known.not_after.to_string(),
        "revoked": known.is_revoked,
        "issued_index": known.issued_at,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeRequest {
    reason: String,
    issuer: Option<String>,
}

/// `POST /v1/certificates/{serial}/revoke`: an officer's act; of two people, where it ends a CA, and there an operator may be the
/// second.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
    officer: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let serial = serial_of(&serial)?;
    let idempotency = Some(body::idempotency(&headers, &officer.digest(), "revoke", &serial, &bytes)?);
    let RevokeRequest { reason, issuer } = body::json(&bytes)?;
    let reason = reason_of(&reason)?;
    let known = find(&app, &serial, issuer.as_deref())?;
    let is_officer = officer.has(TrustedRole::RevocationOfficer);
    let is_of_ca = known.state.issued().is_some_and(|status| status.class == ProfileCode::IssuingCa);
    if !is_officer && !is_of_ca {
        let why = "this needs the role revocation-officer; an operator revokes CAs alone, as the second of two people";
        return Err(Problem::new(Code::AuthForbidden, why));
    }
    let (service, ca, asked) = (app.service.clone(), known.ca, serial.clone());
    let revoke = ToRevoke { ca, serial: asked, reason, officer: officer.digest(), idempotency };
    body::blocking(move || service.revoke_or_ask(&revoke, is_officer)).await??;
    let known = find(&app, &serial, Some(&known.ca.place()))?;
    let status = known.state.issued().ok_or_else(not_issued)?;
    if status.revoked.is_none() {
        return waiting(&app, &known, &serial);
    }
    Ok(Json(json!({
        "serial": hex::encode(&serial),
        "issuer": known.ca.place(),
        "status": "revoked",
        "revoked": revocation(&app, &known, status)?,
    }))
    .into_response())
}

/// Somebody wants it revoked, and somebody else has to want it too.
fn waiting(app: &App, known: &KnownCertificate, serial: &[u8]) -> Result<Response, Problem> {
    let found = app.service.revocation_asked(known.ca, serial).map_err(|fault| Problem::fault(&fault))?;
    let (asked, index) = found.ok_or_else(|| Problem::fault(&"a revocation was neither made nor asked for"))?;
    let answer = Json(json!({
        "serial": hex::encode(serial),
        "issuer": known.ca.place(),
        "status": "good",
        "asked": { "at": asked.at.to_string(), "reason": asked.reason.name(), "entry": entry(app, index)? },
        "allowed_actions": [],
        "waiting_on": "another_person",
        "due_by": asked.until().to_string(),
    }));
    Ok((StatusCode::ACCEPTED, answer).into_response())
}

/// Why, by the names of RFC 5280.
pub(super) fn reason_of(name: &str) -> Result<Reason, Problem> {
    Reason::from_name(name).ok_or_else(|| {
        let names = Reason::ALL.map(Reason::name).join(", ");
        Problem::new(Code::HttpMalformed, format!("reason is one of {names}"))
    })
}

fn not_issued() -> Problem {
    Problem::new(Code::HttpNotFound, "no certificate with this serial number was issued here")
}

/// The one with this serial number, by this CA if one is named.
fn find(app: &App, serial: &[u8], issuer: Option<&str>) -> Result<KnownCertificate, Problem> {
    let mut found = app.service.find_certificates(serial).map_err(|fault| Problem::fault(&fault))?;
    found.retain(|known| issuer.is_none_or(|issuer| known.ca.place() == issuer));
    if found.len() > 1 {
        let places: Vec<_> = found.iter().map(|known| known.ca.place()).collect();
        let why = format!("issuer is needed: {} each issued a certificate with this serial number", places.join(", "));
        return Err(Problem::new(Code::HttpMalformed, why));
    }
    found.pop().ok_or_else(not_issued)
}

/// The content octets of a serial number, in hexadecimal.
fn serial_of(text: &str) -> Result<Vec<u8>, Problem> {
    let malformed = || Problem::new(Code::HttpMalformed, "a serial number is 2 to 40 hexadecimal digits");
    let serial = hex::decode(text).map_err(|_| malformed())?;
    if serial.is_empty() || serial.len() > SERIAL_MAX { Err(malformed()) } else { Ok(serial) }
}

/// RFC 3339.
fn moment(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::from_rfc3339(text)
        .ok_or_else(|| Problem::new(Code::HttpMalformed, "a moment is a time such as 2026-03-01T12:00:00Z (RFC 3339)"))
}

/// An entry, and where its proof is.
pub(super) fn entry(app: &App, index: u64) -> Result<Value, Problem> {
    let bytes = app.service.reader().entry(index).map_err(|fault| Problem::fault(&fault))?.unwrap_or_default();
    let entry = Entry::decode(&bytes).map_err(|fault| Problem::fault(&fault))?;
    Ok(json!({
        "index": index,
        "time": Timestamp::from_millis(entry.time_ms).to_string(),
        "digest": hex::encode(entry.digest),
        "proof": format!("/ledger/proof/inclusion?index={index}"),
    }))
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn described(app: &App, list: KnownList) -> Result<Value, Problem> {
    let entry = entry(app, list.index)?;
    Ok(json!({
        "number": list.number,
        "this_update": list.this_update.to_string(),
        "next_update": list.next_update.to_string(),
        "crl": format!("/crl/sha256/{}.crl", text_of(&entry["digest"])),
        "entry": entry,
    }))
}

fn revocation(app: &App, known: &KnownCertificate, status: &Status) -> Result<Value, Problem> {
    let Some(revoked) = status.revoked else { return Ok(Value::Null) };
    let entry = known.revoked_at.map(|index| entry(app, index)).transpose()?;
    Ok(json!({ "at": revoked.at.to_string(), "reason": revoked.reason.name(), "entry": entry }))
}
