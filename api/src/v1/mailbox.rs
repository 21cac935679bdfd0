//! The mailbox: a party leaves messages of exchanges for another one, which fetches them when it is there.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderValue, header};
use semper_ttp::client::message::Message;
use semper_ttp::digest::Digest;
use semper_ttp::id::PartyId;
use serde_json::json;

use super::body::{self, MessageBody};
use super::principal::{Principal, acting_party};
use super::problem::{Code, Problem};
use super::require_quota;
use crate::mailbox::{Mail, MailFault, Mailbox};
use crate::router::App;
use crate::server::{Peer, RequestId};
use crate::service::KnownParty;

fn of(app: &App) -> Result<&Mailbox, Problem> {
    app.service.mailbox().ok_or_else(|| Problem::new(Code::HttpNotFound, "this service keeps no messages"))
}

fn party(app: &App, principal: &Principal) -> Result<KnownParty, Problem> {
    acting_party(app, principal)?.ok_or_else(|| Problem::new(Code::AuthForbidden, "mailboxes are for parties"))
}

/// `POST /v1/mailboxes/{party}`: leaves a message. It is known by its octets, so a repetition is the same.
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    Path(to): Path<String>,
    Extension((Peer(address), _)): Extension<(Peer, RequestId)>,
    principal: Principal,
    MessageBody(bytes): MessageBody,
) -> Result<Response, Problem> {
    require_quota(&app, address)?;
    let message = Message::parse(&bytes).map_err(|fault| Problem::new(Code::HttpMalformed, fault.to_string()))?;
    let digest = body::blocking(move || {
        let sender = party(&app, &principal)?;
        // Nobody leaves what somebody else has signed. Whether it holds, its recipient judges.
        let is_own = |state: &semper_ttp::party::Party| state.keys.contains_key(&message.statement.key_id());
        if !sender.state.party().is_some_and(is_own) {
            return Err(Problem::new(Code::MailboxNotYours, "the key that signed the message is none of yours"));
        }
        let none = || Problem::new(Code::HttpNotFound, "there is no such party");
        let to: PartyId = to.parse().map_err(|_| none())?;
        let known = app.service.find_party(to).map_err(|fault| Problem::fault(&fault))?;
        if known.is_none() {
            return Err(none());
        }
        of(&app)?.leave(to, sender.id, &bytes, app.service.now()).map_err(Problem::from)
    });
    Ok(Json(json!({ "id": digest.await??.to_string() })).into_response())
}

/// `GET /v1/mailbox`: what waits for the party that asks, oldest first.
pub(super) async fn list(State(app): State<Arc<App>>, principal: Principal) -> Result<Response, Problem> {
    let waiting = body::blocking(move || {
        let party = party(&app, &principal)?;
        of(&app)?.waiting(party.id).map_err(|fault| Problem::fault(&fault))
    });
    let shown = |Mail { digest, from, received, octets }| {
        let id = digest.to_string();
        json!({ "id": id, "from": from, "received_at": received.to_string(), "octets": octets })
    };
    let messages: Vec<_> = waiting.await??.into_iter().map(shown).collect();
    Ok(Json(json!({ "messages": messages })).into_response())
}

/// The name of a message.
fn id(path: &str) -> Result<Digest, Problem> {
    path.parse::<Digest>().ok().filter(|digest| digest.to_string() == path).ok_or_else(nothing)
}

fn nothing() -> Problem {
    Problem::new(Code::HttpNotFound, "there is no such message in your mailbox")
}

/// `GET /v1/mailbox/{id}`: a message, to the octet.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    principal: Principal,
) -> Result<Response, Problem> {
    let digest = id(&path)?;
    let found = body::blocking(move || {
        let party = party(&app, &principal)?;
        of(&app)?.read(party.id, &digest).map_err(|fault| Problem::fault(&fault))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, found.await??.ok_or_else(nothing)?).into_response())
}

/// `POST /v1/mailbox/{id}/taken`: its recipient has it, and it is forgotten here. One that is not there any more is, too.
pub(super) async fn taken(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    principal: Principal,
    body::Body(bytes): body::Body,
) -> Result<Response, Problem> {
    let body::Nothing {} = body::json(&bytes)?;
    let digest = id(&path)?;
    let forgotten = body::blocking(move || {
        let party = party(&app, &principal)?;
        of(&app)?.forget(party.id, &digest).map_err(|fault| Problem::fault(&fault))
    });
    Ok(Json(json!({ "forgotten": forgotten.await?? })).into_response())
}

impl From<MailFault> for Problem {
    fn from(fault: MailFault) -> Self {
        match fault {
            MailFault::Full(why) => Self::new(Code::MailboxFull, why),
            MailFault::Disk(fault) => Self::fault(&fault),
        }
    }
}
