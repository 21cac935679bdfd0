//! The journal: what waits, what was done, found by period, document or party; extracts of it that are certified.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use semper_ttp::digest::Digest;
use semper_ttp::id::PartyId;
use semper_ttp::notary::Stage;
use semper_ttp::policy::person::Person;
use semper_ttp::policy::roles::TrustedRole::NotaryOfficer;
use semper_ttp::time::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::super::body::{self, Body, idempotency};
use super::super::principal::Principal;
use super::super::problem::{Code, Problem};
use super::shown::of_open;
use super::{acting, created};
use crate::router::App;
use crate::service::{JournalQuery, NotaryFault, journal_line::of_fact};

/// Most numbers of a page.
const PAGE_MAX: usize = 100;

/// `GET /v1/notary/worklist`: the acts that wait for a person, oldest first. The read is logged.
pub(crate) async fn worklist(State(app): State<Arc<App>>, principal: Principal) -> Result<Response, Problem> {
    let (service, reader) = (app.service.clone(), principal.digest());
    let by = acting(&app, &principal)?;
    let is_notary = principal.has(NotaryOfficer);
    let acts = body::blocking(move || -> Result<Vec<_>, NotaryFault> {
        let open = service.read_worklist(reader)?;
        let waiting = open.iter().filter(|(_, act)| act.needs_person && act.stage() != Stage::Collecting);
        let mut shown = Vec::new();
        for (id, act) in waiting {
            // It may have ended meanwhile.
            if let Some(known) = service.find_act(*id)?.filter(|known| known.recorded().is_none()) {
                shown.push(of_open(&service, (*id, act), &known, (&by, is_notary), true)?);
            }
        }
        Ok(shown)
    });
    Ok(Json(json!({ "acts": acts.await?? })).into_response())
}

/// What is looked for, and from which number on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    from: Option<u64>,
    limit: Option<usize>,
    /// RFC 3339: opened then or later.
    since: Option<String>,
    /// RFC 3339: opened before then.
    until: Option<String>,
    /// SHA-256 of a document, hexadecimal.
    document: Option<String>,
    /// Who asked, or is to sign.
    party: Option<PartyId>,
}

impl Search {
    fn read(self) -> Result<JournalQuery, Problem> {
        let malformed = |what: &str| Problem::new(Code::HttpMalformed, what);
        let moment = |text: Option<String>, what| {
            text.map(|text| Timestamp::from_rfc3339(&text).ok_or_else(|| malformed(what))).transpose()
        };
        let document = self.document.map(|text| {
            let octets = hex::decode(text).ok().and_then(|octets| <[u8; 32]>::try_from(octets).ok());
            octets.map(Digest).ok_or_else(|| malformed("document: a SHA-256 in hexadecimal"))
        });
        Ok(JournalQuery {
            from: self.from.unwrap_or(1),
            most: self.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX),
            since: moment(self.since, "since: a moment of RFC 3339")?,
            until: moment(self.until, "until: a moment of RFC 3339")?,
            document: document.transpose()?,
            person: self.party.map(Person::Party),
        })
    }
}

/// `GET /v1/notary/journal`: by number. What it tells names nobody but parties and certificates; the read is logged all the same.
pub(crate) async fn journal(
    State(app): State<Arc<App>>,
    principal: Principal,
    Query(search): Query<Search>,
) -> Result<Response, Problem> {
    let (query, reader) = (search.read()?, principal.digest());
    let service = app.service.clone();
    let (page, next) = body::blocking(move || service.read_journal(&query, reader)).await??;
    let lines: Vec<_> = page.iter().map(|(index, fact)| of_fact(*index, fact)).collect();
    Ok(Json(json!({ "journal": lines, "next": next })).into_response())
}

/// `GET /v1/notary/acts`: what the caller itself has asked for, or is to sign.
pub(crate) async fn own(
    State(app): State<Arc<App>>,
    principal: Principal,
    Query(search): Query<Search>,
) -> Result<Response, Problem> {
    let by = acting(&app, &principal)?;
    let query = JournalQuery { person: Some(by.person), ..search.read()? };
    let service = app.service.clone();
    let (page, next) = body::blocking(move || service.journal_page(&query)).await??;
    let lines: Vec<_> = page.iter().map(|(index, fact)| of_fact(*index, fact)).collect();
    Ok(Json(json!({ "acts": lines, "next": next })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtractRequest {
    from: u64,
    to: u64,
}

/// `POST /v1/notary/journal/extracts`: a certified extract, which is an act of its own.
pub(crate) async fn extract(
    State(app): State<Arc<App>>,
    principal: Principal,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let ExtractRequest { from, to } = body::json(&bytes)?;
    let repetition = idempotency(&headers, &principal.digest(), "extract", &[], &bytes)?;
    let by = acting(&app, &principal)?;
    let act = app.service.extract_journal((from, to), Digest::of(&bytes), by, repetition).await?;
    created(&app, act, &principal, &by).await
}
