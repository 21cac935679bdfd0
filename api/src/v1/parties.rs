//! The party registry: who a party is known by, its terms, its suspension. Names of people stand nowhere here.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use semper_ttp::{
    crypto::jose::Thumbprint,
    id::PartyId,
    party::{Action, PartyState, ReinstatementReason, SuspensionReason},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Code,
    body::{self, Body, StatementBody, idempotency},
    principal::{Principal, acting_party},
    problem::Problem,
};
use crate::{router::App, service::KnownParty};

/// Longest page of a list.
const PAGE_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    key: Option<Thumbprint>,
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/parties`: all of them, or the one that has or had a key; for officers.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(Asked { key, after, limit }): Query<Asked>,
) -> Result<Response, Problem> {
    let malformed = |_| Problem::new(Code::HttpMalformed, "after is the member next of an earlier answer");
    let after = after.map(hex::decode).transpose().map_err(malformed)?;
    let most = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let service = app.service.clone();
    let (found, next) = body::blocking(move || match key {
        Some(key) => service.party_of_key(key).map(|party| (Vec::from_iter(party), None)),
        None => {
            let (ids, next) = service.parties(after.as_deref(), most)?;
            let next = next.filter(|_| ids.len() == most).map(hex::encode);
            let parties = ids.into_iter().map(|id| service.find_party(id)).collect::<Result<Vec<_>, _>>()?;
            Ok((parties.into_iter().flatten().collect(), next))
        }
    })
    .await?
    .map_err(Problem::from)?;
    let parties: Vec<_> = found.iter().filter_map(|party| described(party, Who::Officer)).collect();
    Ok(Json(json!({ "parties": parties, "next": next })).into_response())
}

/// `GET /v1/parties/{id}`: for officers, and for the party itself.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<PartyId>,
    principal: Principal,
) -> Result<Response, Problem> {
    let who = match acting_party(&app, &principal)? {
        Some(party) if party.id == id => Who::Party,
        Some(_) => return Err(Problem::new(Code::AuthForbidden, "a party is shown to itself and to officers")),
        None => Who::Officer,
    };
    answer(&app, id, who).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonRequest {
    reason: String,
}

/// `POST /v1/parties/{id}/suspend`: an officer's act.
pub(super) async fn suspend(
    State(app): State<Arc<App>>,
    Path(id): Path<PartyId>,
    officer: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let ReasonRequest { reason } = body::json(&bytes)?;
    let names = SuspensionReason::ALL.iter().map(|reason| reason.name());
    let reason = SuspensionReason::ALL.iter().copied().find(|known| known.name() == reason);
    let reason = reason.ok_or_else(|| one_of(names))?;
    let (service, by) = (app.service.clone(), officer.digest());
    let repetition = Some(idempotency(&headers, &by, "suspend", id.octets(), &bytes)?);
    body::blocking(move || service.suspend(id, reason, by, repetition)).await??;
    answer(&app, id, Who::Officer).await
}

/// `POST /v1/parties/{id}/reinstate`: an officer's act.
pub(super) async fn reinstate(
    State(app): State<Arc<App>>,
    Path(id): Path<PartyId>,
    officer: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let ReasonRequest { reason } = body::json(&bytes)?;
    let names = ReinstatementReason::ALL.iter().map(|reason| reason.name());
    let reason = ReinstatementReason::ALL.iter().copied().find(|known| known.name() == reason);
    let reason = reason.ok_or_else(|| one_of(names))?;
    let (service, by) = (app.service.clone(), officer.digest());
    let repetition = Some(idempotency(&headers, &by, "reinstate", id.octets(), &bytes)?);
    body::blocking(move || service.reinstate(id, reason, by, repetition)).await??;
    answer(&app, id, Who::Officer).await
}

/// `POST /v1/parties/{id}/terms`: the party accepts the terms in force, by a statement of its own.
pub(super) async fn accept_terms(
    State(app): State<Arc<App>>,
    Path(id): Path<PartyId>,
    principal: Principal,
    headers: HeaderMap,
    StatementBody(bytes): StatementBody,
) -> Result<Response, Problem> {
    let party = acting_party(&app, &principal)?.filter(|party| party.id == id);
    let party = party.ok_or_else(|| Problem::new(Code::AuthForbidden, "a party accepts terms for itself"))?;
    let repetition = Some(idempotency(&headers, &principal.digest(), "terms", id.octets(), &bytes)?);
    let service = app.service.clone();
    body::blocking(move || service.accept_terms(&party, &bytes, repetition)).await??;
    answer(&app, id, Who::Party).await
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> Problem {
    Problem::new(Code::HttpMalformed, format!("reason is one of {}", names.collect::<Vec<_>>().join(", ")))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Party,
    Officer,
}

async fn answer(app: &Arc<App>, id: PartyId, who: Who) -> Result<Response, Problem> {
    let service = app.service.clone();
    let found = body::blocking(move || service.find_party(id)).await?.map_err(|fault| Problem::fault(&fault))?;
    let party = found.as_ref().and_then(|party| described(party, who));
    let party = party.ok_or_else(|| Problem::new(Code::PartyNotRegistered, "there is no such party"))?;
    Ok(Json(party).into_response())
}

fn described(known: &KnownParty, who: Who) -> Option<Value> {
    let party = known.state.party()?;
    let keys = party.keys.iter().map(|(thumbprint, key)| {
        json!({
            "thumbprint": thumbprint,
            "certificate_sha256": key.certificate.to_string(),
            "not_after": key.not_after.to_string(),
            "bound_at": key.bound_at.to_string(),
            "unbound": key.unbound.map(|end| json!({ "at": end.at.to_string(), "reason": end.reason.name() })),
        })
    });
    let accepted = party.accepted.iter().map(|(policy, acceptance)| {
        json!({
            "policy": policy.to_string(),
            "at": acceptance.at.to_string(),
            "statement_sha256": acceptance.statement.to_string(),
        })
    });
    let suspended = match &known.state {
        PartyState::Suspended(_, suspension) => {
            json!({ "at": suspension.at.to_string(), "reason": suspension.reason.name() })
        }
        PartyState::None | PartyState::Active(_) => Value::Null,
    };
    // Keys are bound by what is issued and revoked.
    let allowed = known.state.allowed().into_iter().filter(|action| match action {
        Action::Register | Action::BindKey | Action::UnbindKey => false,
        Action::AcceptTerms => who == Who::Party,
        Action::Suspend | Action::Reinstate => who == Who::Officer,
    });
    Some(json!({
        "id": party.id,
        "state": if suspended.is_null() { "active" } else { "suspended" },
        "registered_at": party.registered_at.to_string(),
        "registration": party.registration,
        "keys": keys.collect::<Vec<_>>(),
        "terms": { "statement_sha256": party.terms.to_string(), "accepted": accepted.collect::<Vec<_>>() },
        "suspended": suspended,
        "allowed_actions": allowed.map(|action| action.name()).collect::<Vec<_>>(),
        "waiting_on": Value::Null,
        "due_by": Value::Null,
    }))
}
