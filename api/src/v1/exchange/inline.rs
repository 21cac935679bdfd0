//! Exchanges through the arbiter: both sides' agreement is shown, each leaves its item, and each collects what is due to it.
//!
//! Whoever leaves an item shows a certificate, since items take room; all else is known by its own signature, as everywhere at the arbiter.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use semper_ttp::b64u;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::inline::Phase;
use semper_ttp::statement::exchange::Side;
use semper_ttp::statement::exchange::inline::Nrs;
use semper_ttp::statement::{Body as _, Jws};
use semper_ttp::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{note_refusal, proven, run_of, text};
use crate::body::Held;
use crate::router::App;
use crate::server::{Peer, RequestId};
use crate::service::{ExchangeFault, InlineAnswer, InlineView, Item};
use crate::v1::body::{self, Body, ItemBody};
use crate::v1::problem::{Code, Problem};
use crate::v1::require_quota;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterRequest {
    i1: String,
    i2: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DepositRequest<'a> {
    deposit: String,
    /// The item, or its ciphertext, in base64.
    #[serde(borrow)]
    item: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementRequest {
    statement: String,
}

/// `POST /v1/exchanges`: both sides have agreed.
pub(in crate::v1) async fn register(
    State(app): State<Arc<App>>,
    Extension((Peer(address), _)): Extension<(Peer, RequestId)>,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    require_quota(&app, address)?;
    let RegisterRequest { i1, i2 } = body::json(&bytes)?;
    let registered = body::blocking(move || {
        let answer = app.service.register_exchange(i1.as_bytes(), i2.as_bytes());
        let answer = told(&app, answer, i2.as_bytes())?;
        let place = HeaderValue::try_from(format!("/v1/exchanges/{}", b64u::encode(answer.x.as_bytes())));
        let status = if answer.is_new { StatusCode::CREATED } else { StatusCode::OK };
        let headers = place.ok().map(|place| [(header::LOCATION, place)]);
        let (shown, _) = answered(&app, answer)?;
        Ok::<_, Problem>(match headers {
            Some(headers) => (status, headers, Json(shown)).into_response(),
            None => (status, Json(shown)).into_response(),
        })
    });
    registered.await?
}

/// `POST /v1/exchanges/{x}/deposits`: one side's item, with its statement about it.
pub(in crate::v1) async fn deposit(
    State(app): State<Arc<App>>,
    Path(x): Path<String>,
    ItemBody(bytes, held): ItemBody,
) -> Result<Response, Problem> {
    let x = run_of(&x)?;
    let deposited = body::blocking(move || {
        // Of so long a body no tree is built: serde refuses what is unknown, missing or twice there.
        let (deposit, octets) = {
            let DepositRequest { deposit, item } = serde_json::from_slice(&bytes).map_err(malformed)?;
            let octets = BASE64_STANDARD.decode(item.as_bytes());
            (deposit, octets.map_err(|_| Problem::new(Code::HttpMalformed, "item: not base64"))?)
        };
        drop(bytes);
        let is_too_long = app.service.item_room().is_some_and(|room| octets.len() > room.bytes_max);
        if is_too_long {
            return Err(Problem::new(Code::HttpTooLarge, "the item is longer than items may be here"));
        }
        let answer = app.service.deposit_item(&x, deposit.as_bytes(), &octets);
        drop((octets, held));
        let answer = told(&app, answer, deposit.as_bytes())?;
        Ok(Json(answered(&app, answer)?.0).into_response())
    });
    deposited.await?
}

fn malformed(error: serde_json::Error) -> Problem {
    Problem::new(Code::HttpMalformed, error.to_string().chars().take(200).collect::<String>())
}

/// `POST /v1/exchanges/{x}/statements`: one side cancels, takes both items as they are, or collects.
pub(in crate::v1) async fn state(
    State(app): State<Arc<App>>,
    Path(x): Path<String>,
    Extension((Peer(address), _)): Extension<(Peer, RequestId)>,
    Body(bytes): Body,
) -> Result<Response, Problem> {
    let x = run_of(&x)?;
    require_quota(&app, address)?;
    let StatementRequest { statement } = body::json(&bytes)?;
    let shown = body::blocking(move || {
        let answer = told(&app, app.service.show_statement(&x, statement.as_bytes()), statement.as_bytes())?;
        let (shown, held) = answered(&app, answer)?;
        Ok::<_, Problem>(with_room(&shown, held))
    });
    shown.await?
}

/// JSON that has its room until it is sent.
fn with_room(shown: &Value, held: Option<Held>) -> Response {
    struct Kept(Vec<u8>, #[allow(dead_code, reason = "held for its end")] Option<Held>);

    impl AsRef<[u8]> for Kept {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    let bytes = Bytes::from_owner(Kept(shown.to_string().into_bytes(), held));
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response()
}

/// Records the refusal of somebody who is known, before it is told.
fn told(
    app: &App,
    answer: Result<InlineAnswer, (ExchangeFault, Option<Digest>)>,
    statement: &[u8],
) -> Result<InlineAnswer, Problem> {
    if let Err((fault, asker)) = &answer {
        note_refusal(&app.service, fault, *asker, || Digest::of(statement));
    }
    answer.map_err(|(fault, _)| Problem::from(fault))
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Open => "open",
        Phase::Agreed => "agreed",
        Phase::Half(_) => "half",
        Phase::Both => "both",
        Phase::Released => "released",
        Phase::Returned => "returned",
    }
}

/// A statement of the arbiter's with what proves that it is in the log.
fn signed(app: &App, statement: Option<(u64, Vec<u8>)>) -> Result<Value, Problem> {
    let Some((index, jws)) = statement else { return Ok(Value::Null) };
    let (proof, receipt) = proven(app, index)?;
    Ok(json!({ "jws": text(jws), "proof": proof, "receipt": receipt }))
}

fn outages(app: &App, indexes: &[u64]) -> Result<Vec<Value>, Problem> {
    let outage = |index: &u64| {
        let fact = app.service.reader().fact(*index).map_err(|fault| Problem::fault(&fault))?.unwrap_or_default();
        Ok(json!({ "fact": b64u::encode(&fact), "proof": proven(app, *index)?.0 }))
    };
    indexes.iter().map(outage).collect()
}

fn answered(app: &App, answer: InlineAnswer) -> Result<(Value, Option<Held>), Problem> {
    let InlineAnswer { x, phase, is_new: _, statement, verdict, outages: moved, item } = answer;
    // Of a deposit: whether it was taken, so that nobody has to look into the statement for it.
    let tag = statement.as_ref().and_then(|(_, jws)| Jws::parse(jws).ok()).map(|jws| jws.tag().to_owned());
    let (item, held) = item.map_or((Value::Null, None), |item| {
        let (item, held) = item_shown(item);
        (item, Some(held))
    });
    let shown = json!({
        "x": b64u::encode(x.as_bytes()),
        "phase": phase_name(phase),
        "taken": tag.is_some_and(|tag| tag == Nrs::TAG),
        "statement": signed(app, statement)?,
        "verdict": signed(app, verdict)?,
        "outages": outages(app, &moved)?,
        "item": item,
    });
    Ok((shown, held))
}

fn item_shown(item: Item) -> (Value, Held) {
    let Item { deposited, octets, key, room } = item;
    let shown = json!({
        "deposit": text(deposited.jws.bytes().to_vec()),
        "media": deposited.deposit.media,
        "octets": BASE64_STANDARD.encode(&octets[..]),
        "k": key,
    });
    (shown, room)
}

/// An exchange as one of its sides sees it.
pub(super) fn shown(app: &App, x: &Digest, view: &InlineView) -> Result<Response, Problem> {
    let InlineView { proposal, state, ends, deposited, verdict } = view;
    let phase = state.phase();
    let sides = [Side::Originator, Side::Responder];
    let deposits = sides.iter().zip(deposited).filter_map(|(side, deposited)| {
        let (held, deposited) = (state.deposit(*side)?, deposited.as_ref()?);
        Some(json!({
            "side": side,
            "item_sha256": deposited.deposit.item_sha256,
            "size": deposited.deposit.size,
            "media": deposited.deposit.media,
            "result": held.result,
        }))
    });
    let deposits: Vec<_> = deposits.collect();
    let waits = |side: &&Side| match phase {
        Phase::Open | Phase::Agreed => true,
        Phase::Half(has) => **side != has,
        Phase::Both => state.waived[at(**side)].is_none(),
        Phase::Released | Phase::Returned => state.due_to(**side).is_some() && !state.collected[at(**side)],
    };
    let moment = |ms: u64| Timestamp::from_millis(ms).to_string();
    let next_if_silent = match phase {
        Phase::Open | Phase::Agreed | Phase::Half(_) | Phase::Both => Some("returned"),
        Phase::Released | Phase::Returned => state.erased_from().map(|_| "erased"),
    };
    let decision = state.decision.as_ref().map(|(_, decision)| decision);
    Ok(Json(json!({
        "x": b64u::encode(x.as_bytes()),
        "protocol": "inline",
        "deal": proposal.deal,
        "phase": phase_name(phase),
        "fairness": proposal.fairness,
        "mode": proposal.mode,
        "o": proposal.o.id,
        "r": proposal.r.id,
        "o_item": proposal.o_item,
        "r_item": proposal.r_item,
        "deposits": deposits,
        "waiting_on": sides.iter().filter(waits).collect::<Vec<_>>(),
        "due_by": state.wakes_after(ends).map(moment),
        "next_if_silent": next_if_silent,
        "outcome": decision.map(|decision| decision.outcome),
        "decided_at": decision.map(|decision| decision.at.to_string()),
        "erased": state.is_erased,
        "verdict": signed(app, verdict.clone())?,
    }))
    .into_response())
}

const fn at(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}
