//! What a record names by its hash and a verifier needs besides: certificates, the request, the signers' statements. Who may read the
//! record may read these.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use semper_ttp::asn1::pem;
use semper_ttp::id::ActId;
use semper_ttp::notary::JournalFact;

use super::super::principal::Principal;
use super::super::problem::{Code, Problem};
use super::{document, octets, visible};
use crate::router::App;

/// `GET /v1/notary/acts/{id}/certificates`: the notary's and its issuer's, then those of the signers; each once.
pub(in super::super) async fn certificates(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
) -> Result<Response, Problem> {
    let (known, _) = visible(&app, act, &principal, "/certificates").await?;
    let (index, _) = known.recorded().ok_or_else(|| Problem::new(Code::HttpNotFound, "the act has not ended yet"))?;
    let found = app.service.certificates_of_record(index).map_err(|fault| Problem::fault(&fault))?;
    let found = found.ok_or_else(|| Problem::new(Code::RegistrationErased, "the record was erased"))?;
    let chain: String = found.iter().map(|certificate| pem::encode("CERTIFICATE", certificate.der())).collect();
    Ok(octets("application/pem-certificate-chain", chain))
}

/// `GET /v1/notary/acts/{id}/request`: what was asked, to the octet. Of an act that was certified at once, only whoever asked has it.
pub(in super::super) async fn request(
    State(app): State<Arc<App>>,
    Path(act): Path<ActId>,
    principal: Principal,
) -> Result<Response, Problem> {
    let (known, _) = visible(&app, act, &principal, "/request").await?;
    let opened = known.facts.iter().find(|(_, fact)| matches!(fact, JournalFact::Opened { .. }));
    let not_kept = || Problem::new(Code::HttpNotFound, "the act was certified at once: whoever asked has the request");
    document(&app, opened.ok_or_else(not_kept)?.0, "application/json")
}

/// `GET /v1/notary/acts/{id}/signatures/{n}`: the statement of the n-th signer, from 1 on, in the order of the record.
pub(in super::super) async fn signature(
    State(app): State<Arc<App>>,
    Path((act, number)): Path<(ActId, usize)>,
    principal: Principal,
) -> Result<Response, Problem> {
    let (known, _) = visible(&app, act, &principal, &format!("/signatures/{number}")).await?;
    let mut signed = known.facts.iter().filter(|(_, fact)| matches!(fact, JournalFact::Signed { .. }));
    let found = number.checked_sub(1).and_then(|place| signed.nth(place));
    let none = || Problem::new(Code::HttpNotFound, "the act has no such signature");
    document(&app, found.ok_or_else(none)?.0, "application/jose")
}
