//! Proofs of misbehaviour: whoever has one against this service hands it in, and everybody reads what was recorded.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use semper_ttp::digest::Digest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Code,
    body::{self, ProofBody},
    certificates,
    problem::Problem,
    require_quota,
};
use crate::{
    router::App,
    server::{Peer, RequestId},
    service::{AccountFault, RecordedProof, ServiceFault},
};

/// Longest page of a list.
const PAGE_MAX: usize = 100;

/// `POST /v1/accountability/proofs`: judged, and recorded if it convicts; the same file again gets the same entry.
pub(super) async fn accuse(
    State(app): State<Arc<App>>,
    Extension((Peer(address), _)): Extension<(Peer, RequestId)>,
    ProofBody(bytes): ProofBody,
) -> Result<Response, Problem> {
    require_quota(&app, address)?;
    let service = app.service.clone();
    let (recorded, reason) = body::blocking(move || service.accuse(&bytes)).await??;
    let receipt = app.service.reader().receipt(recorded.index).map_err(|fault| Problem::fault(&fault))?;
    let receipt = receipt.ok_or_else(|| Problem::new(Code::ServerUnavailable, "its proof is not there yet"))?;
    let mut answer = described(&app, &recorded)?;
    answer["reason"] = json!(reason);
    answer["proof"] = json!(receipt.tlog_proof(app.service.reader().identity()));
    Ok(Json(answer).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/accountability/proofs`: what was recorded, oldest first.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(Page { after, limit }): Query<Page>,
) -> Result<Response, Problem> {
    let malformed = |_| Problem::new(Code::HttpMalformed, "after is the member next of an earlier answer");
    let after = after.map(hex::decode).transpose().map_err(malformed)?;
    let most = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let service = app.service.clone();
    let found = body::blocking(move || service.recorded_proofs(after.as_deref(), most)).await?;
    let (found, next) = found.map_err(|fault| Problem::fault(&fault))?;
    let proofs: Vec<_> = found.iter().map(|one| described(&app, one)).collect::<Result<_, _>>()?;
    Ok(Json(json!({ "proofs": proofs, "next": next.map(hex::encode) })).into_response())
}

/// `GET /v1/accountability/proofs/{sha256}`: the file, to the octet.
pub(super) async fn file(State(app): State<Arc<App>>, Path(sha256): Path<String>) -> Result<Response, Problem> {
    let none = || Problem::new(Code::HttpNotFound, "no proof with this SHA-256 was recorded here");
    let digest = sha256.parse::<Digest>().ok().filter(|digest| digest.to_string() == sha256).ok_or_else(none)?;
    let service = app.service.clone();
    let found = body::blocking(move || service.proof_file(&digest)).await?.map_err(|fault| Problem::fault(&fault))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, found.ok_or_else(none)?).into_response())
}

fn described(app: &App, recorded: &RecordedProof) -> Result<Value, Problem> {
    let RecordedProof { digest, kind, is_proven, index } = recorded;
    Ok(json!({
        "sha256": digest.to_string(),
        "kind": kind.name(),
        "verdict": if *is_proven { "proven" } else { "open" },
        "file": format!("/v1/accountability/proofs/{digest}"),
        "entry": certificates::entry(app, *index)?,
    }))
}

impl From<AccountFault> for Problem {
    fn from(fault: AccountFault) -> Self {
        match fault {
            AccountFault::NotAProof(why) => Self::new(Code::AccountProof, why.to_string()),
            AccountFault::Unfounded(why) => Self::new(Code::AccountUnfounded, why),
            AccountFault::Undecided(why) => Self::new(Code::AccountUndecided, why),
            AccountFault::Busy => Self::new(Code::ServerBusy, AccountFault::Busy.to_string()),
            AccountFault::Fault(fault) => ServiceFault::into(fault),
        }
    }
}
