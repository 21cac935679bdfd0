//! Applications for certificates: an applicant sends one, officers decide, and the applicant collects what was issued.
//!
//! A first applicant has no certificate yet. Its application's name, 128 random bits that are told to it and to officers, is what it
//! reads by; what is answered then names nobody but in the certificates. It withdraws by a statement. A registered party applies with its own certificate
//! and reads with it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Extension, Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    asn1::pem,
    digest::Digest,
    id::RegistrationId,
    policy::roles::TrustedRole,
    registration::{Action, RefusalReason, RefusedBy, RegistrationState, document::ApplicationDocument},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Code, STAFF,
    body::{self, Body, idempotency},
    certificates::entry,
    principal::{MaybePrincipal, Principal, acting_party},
    problem::Problem,
};
use crate::{
    router::App,
    server::{Peer, RequestId},
    service::KnownApplication,
};

/// Longest page of a list.
const PAGE_MAX: usize = 100;

/// `GET /v1/terms`: the terms in force, whose SHA-256 a statement of acceptance names.
pub(super) async fn terms(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let terms = app.service.register.terms.clone();
    crate::well_known::cached(terms, "text/markdown; charset=utf-8", "public, max-age=300", None, &headers)
}

/// `POST /v1/registrations`: open to everybody, within bounds.
pub(super) async fn apply(
    State(app): State<Arc<App>>,
    Extension((Peer(address), _)): Extension<(Peer, RequestId)>,
    MaybePrincipal(principal): MaybePrincipal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let applicant = principal.as_ref().map(|principal| acting_party(&app, principal)).transpose()?.flatten();
    if principal.is_none() {
        let taken = app.service.applications_quota.take(address, std::time::Instant::now());
        taken.map_err(|over| Problem::new(Code::ServerBusy, format!("{} applications a minute", over.limit)))?;
    }
    let applicant = applicant.map(|party| party.id);
    // Before anything is read of the document; whose key it is says the caller's certificate, else the document's salt.
    let by = principal.as_ref().map(Principal::digest);
    let key = body::idempotency_key(&headers, &by.unwrap_or_default())?;
    let request = Digest::of(&[b"apply\0", &bytes[..]].concat());
    let known_by = move |document: &ApplicationDocument| {
        let of_stranger = || Digest::of(&[&key[..], document.salt.0.as_bytes()].concat()).0;
        Idempotency { key: if by.is_some() { key } else { of_stranger() }, request: request.0 }
    };
    let service = app.service.clone();
    let id = body::blocking(move || service.apply(&bytes, applicant, by, known_by)).await??;
    let known = find(&app, id)?;
    let place = HeaderValue::try_from(format!("/v1/registrations/{id}")).expect("base64url is ASCII");
    let answer = Json(described(&app, &known, Who::Applicant)?);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], answer).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    after: Option<RegistrationId>,
    limit: Option<usize>,
}

/// `GET /v1/registrations`: those that wait for a decision, for officers.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(Page { after, limit }): Query<Page>,
) -> Result<Response, Problem> {
    let most = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let service = app.service.clone();
    let ids = service.open_applications(after, most);
    // By the names alone: what one of them became meanwhile ends no page.
    let next = (ids.len() == most).then(|| ids.last().copied()).flatten();
    let found =
        body::blocking(move || ids.iter().map(|id| service.find_application(*id)).collect::<Result<Vec<_>, _>>());
    let found: Vec<_> = found.await?.map_err(|fault| Problem::fault(&fault))?.into_iter().flatten().collect();
    let registrations =
        found.iter().map(|known| described(&app, known, Who::Officer)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({ "registrations": registrations, "next": next })).into_response())
}

/// `GET /v1/registrations/{id}`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<RegistrationId>,
    MaybePrincipal(principal): MaybePrincipal,
) -> Result<Response, Problem> {
    let known = find(&app, id)?;
    let who = reader(&app, &known, principal.as_ref())?;
    Ok(Json(described(&app, &known, who)?).into_response())
}

/// `GET /v1/registrations/{id}/application`: what the applicant wrote. The read is logged.
pub(super) async fn read_application(
    State(app): State<Arc<App>>,
    Path(id): Path<RegistrationId>,
    officer: Principal,
) -> Result<Response, Problem> {
    let (service, reader) = (app.service.clone(), officer.digest());
    document(body::blocking(move || service.read_application(id, reader)).await??)
}

/// `GET /v1/registrations/{id}/identity`: the newest record of identity. The read is logged.
pub(super) async fn read_identity(
    State(app): State<Arc<App>>,
    Path(id): Path<RegistrationId>,
    officer: Principal,
) -> Result<Response, Problem> {
    let (service, reader) = (app.service.clone(), officer.digest());
    document(body::blocking(move || service.read_identity(id, reader)).await??)
}

/// `POST /v1/registrations/{id}/identity`: how the identity was proven.
pub(super) async fn record_identity(
    State(app): State<Arc<App>>,
    Path(id): Path<RegistrationId>,
    officer: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let (service, by) = (app.service.clone(), officer.digest());
    let repetition = Some(idempotency(&headers, &by, "identity", id.octets(), &bytes)?);
    body::blocking(move || service.record_identity(id, &bytes, by, repetition)).await??;
    Ok(Json(described(&app, &find(&app, id)?, Who::Officer)?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `POST /v1/registrations/{id}/approve`.
pub(super) async fn approve(
    State(app): State<Arc<App>>,
    Path(id): Path<RegistrationId>,
    principal: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let Nothing {} = body::json(&bytes)?;
    may_approve(&find(&app, id)?, &principal)?;
    let (service, by) = (app.service.clone(), principal.digest());
    let repetition = Some(idempotency(&headers, &by, "approve", id.octets(), &bytes)?);
    body::blocking(move || service.approve(id, by, repetition)).await??;
    Ok(Json(described(&app, &find(&app, id)?, Who::Officer)?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefuseRequest {
    reason: String,
}

/// `POST /v1/registrations/{id}/refuse`.
pub(super) async fn refuse(
    State(app): State<Arc<App>>,
    Path(id): Path<RegistrationId>,
    officer: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let RefuseRequest { reason } = body::json(&bytes)?;
    let of_officers = || RefusalReason::ALL.iter().filter(|reason| reason.is_officers());
    let reason = RefusalReason::ALL.iter().copied().find(|known| known.name() == reason).ok_or_else(|| {
        let names: Vec<_> = of_officers().map(|reason| reason.name()).collect();
        Problem::new(Code::HttpMalformed, format!("reason is one of {}", names.join(", ")))
    })?;
    let (service, by) = (app.service.clone(), officer.digest());
    let repetition = Some(idempotency(&headers, &by, "refuse", id.octets(), &bytes)?);
    body::blocking(move || service.refuse(id, reason, by, repetition)).await??;
    Ok(Json(described(&app, &find(&app, id)?, Who::Officer)?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithdrawRequest {
    statement: Option<String>,
}

/// `POST /v1/registrations/{id}/withdraw`: by whoever applied. A party shows its certificate; of all others a statement is wanted
/// that a key of the application signed, since officers know its name, too.
pub(super) async fn withdraw(
    State(app): State<Arc<App>>,
    Path(id): Path<RegistrationId>,
    MaybePrincipal(principal): MaybePrincipal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let WithdrawRequest { statement } = body::json(&bytes)?;
    // Strangers are told apart by the name that each was told.
    let stranger = || Digest::of(&[b"stranger\0", &id.octets()[..]].concat());
    let by = principal.as_ref().map_or_else(stranger, Principal::digest);
    let repetition = Some(idempotency(&headers, &by, "withdraw", id.octets(), &bytes)?);
    let known = find(&app, id)?;
    let as_officer = reader(&app, &known, principal.as_ref())? == Who::Officer;
    let is_of_party = known.state.application().is_some_and(|application| application.applicant.is_some());
    let statement = match statement {
        _ if as_officer => {
            return Err(Problem::new(Code::AuthForbidden, "the applicant withdraws; an officer refuses"));
        }
        None if !is_of_party => {
            let why = "this needs a statement registration/withdrawn, signed by a key of the application";
            return Err(Problem::new(Code::AuthForbidden, why));
        }
        statement => statement.filter(|_| !is_of_party),
    };
    let service = app.service.clone();
    let withdrawn = body::blocking(move || {
        if let Some(statement) = statement {
            service.prove_withdrawal(id, statement.as_bytes())?;
        }
        service.withdraw(id, repetition)
    });
    withdrawn.await??;
    Ok(Json(described(&app, &find(&app, id)?, Who::Applicant)?).into_response())
}

/// As whom the caller reads an application.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Applicant,
    Officer,
}

/// Whoever knows the name of a stranger's application is the applicant; a party's is shown to it alone. To others there is none.
fn reader(app: &App, known: &KnownApplication, principal: Option<&Principal>) -> Result<Who, Problem> {
    if principal.is_some_and(is_staff) {
        return Ok(Who::Officer);
    }
    let applicant = known.state.application().and_then(|application| application.applicant);
    let Some(applicant) = applicant else { return Ok(Who::Applicant) };
    let party = principal.map(|principal| acting_party(app, principal)).transpose()?.flatten();
    if party.is_some_and(|party| party.id == applicant) { Ok(Who::Applicant) } else { Err(none()) }
}

fn is_staff(principal: &Principal) -> bool {
    STAFF.iter().any(|role| principal.has(*role))
}

/// Officers approve. Of their own kind an operator approves as well: the first officer could not be joined by a second one else.
fn may_approve(known: &KnownApplication, principal: &Principal) -> Result<(), Problem> {
    let asked = known.state.application().ok_or_else(none)?;
    if principal.has(TrustedRole::RegistrationOfficer) || asked.is_of_staff() { Ok(()) } else { Err(forbidden()) }
}

fn forbidden() -> Problem {
    Problem::new(Code::AuthForbidden, "an operator approves applications of officers and operators only")
}

fn none() -> Problem {
    Problem::new(Code::RegistrationNotApplied, "there is no such application, or not for you")
}

fn find(app: &App, id: RegistrationId) -> Result<KnownApplication, Problem> {
    app.service.find_application(id).map_err(|fault| Problem::fault(&fault))?.ok_or_else(none)
}

/// A document of the private store, exactly as it was received.
fn document(bytes: Vec<u8>) -> Result<Response, Problem> {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, bytes).into_response())
}

fn described(app: &App, known: &KnownApplication, who: Who) -> Result<Value, Problem> {
    let application = known.state.application().ok_or_else(none)?;
    let (state, waiting_on) = match &known.state {
        RegistrationState::None => return Err(none()),
        RegistrationState::Applied(_) | RegistrationState::Identified(..) => (name_of(&known.state), Some("officer")),
        RegistrationState::ApprovedByOne { .. } => (name_of(&known.state), Some("another_officer")),
        RegistrationState::Approved(asked, _) if known.certificates.len() < asked.keys.len() => {
            (name_of(&known.state), Some("service"))
        }
        RegistrationState::Approved(..) | RegistrationState::Refused(..) => (name_of(&known.state), None),
    };
    let open = matches!(waiting_on, Some("officer" | "another_officer"));
    let allowed = known.state.allowed().into_iter().filter(|action| match action {
        Action::Apply | Action::Expire => false,
        Action::Withdraw => who == Who::Applicant,
        Action::RecordIdentity | Action::Approve | Action::Refuse => who == Who::Officer,
    });
    let keys = application.keys.iter().map(|key| {
        json!({
            "profile": app.service.profile_name(&key.profile),
            "profile_sha256": key.profile.to_string(),
            "request_sha256": key.request.to_string(),
            "public_key_sha256": key.public_key.to_string(),
        })
    });
    let certificates = known.certificates.iter().map(|certificate| {
        json!({
            "serial": hex::encode(certificate.serial()),
            "sha256": certificate.digest().to_string(),
            "not_after": certificate.validity().not_after.to_string(),
            "pem": pem::encode("CERTIFICATE", certificate.der()),
        })
    });
    let refused = match &known.state {
        RegistrationState::Refused(_, end) => json!({
            "at": end.at.to_string(),
            "reason": end.reason.name(),
            "by": match end.by {
                RefusedBy::Officer(_) => "officer",
                RefusedBy::Applicant => "applicant",
                RefusedBy::Age { .. } => "age",
            },
        }),
        _ => Value::Null,
    };
    Ok(json!({
        "id": application.id,
        "state": state,
        "applied": entry(app, known.applied_at)?,
        "document_sha256": application.subject.to_string(),
        "officers_needed": application.officers_needed,
        "keys": keys.collect::<Vec<_>>(),
        "applicant": application.applicant,
        "party": known.state.approval().map(|approval| approval.party),
        "refused": refused,
        "certificates": certificates.collect::<Vec<_>>(),
        "chain": chain(app, known),
        "allowed_actions": allowed.map(|action| action.name()).collect::<Vec<_>>(),
        "waiting_on": waiting_on,
        "due_by": open.then(|| application.at.plus_secs(app.service.register.life_secs).to_string()),
    }))
}

/// The CAs above the certificates, the root left out: whoever trusts it has it.
fn chain(app: &App, known: &KnownApplication) -> Vec<String> {
    let mut chain = Vec::new();
    for held in app.service.authorities.all().iter() {
        let Some(own) = &held.certificate else { continue };
        let key = own.subject_key_identifier();
        if known.certificates.iter().any(|certificate| certificate.authority_key_identifier() == key) {
            chain.push(pem::encode("CERTIFICATE", own.der()));
        }
    }
    chain
}

const fn name_of(state: &RegistrationState) -> &'static str {
    match state {
        RegistrationState::None => "none",
        RegistrationState::Applied(_) => "applied",
        RegistrationState::Identified(..) => "identified",
        RegistrationState::ApprovedByOne { .. } => "approved_by_one",
        RegistrationState::Approved(..) => "approved",
        RegistrationState::Refused(..) => "refused",
    }
}
