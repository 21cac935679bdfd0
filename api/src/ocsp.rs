//! OCSP over HTTP (RFC 6960 appendix A, RFC 9919 §6): `POST /ocsp`, `GET /ocsp/<base64>`.
//!
//! Every answer of the protocol, errors included, is HTTP 200 with `application/ocsp-response`. Answers to GET that hold for everybody
//! may be cached for an hour, well before their nextUpdate; a revocation is in what is answered here at once.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use semper_ttp::{
    ca::ocsp::{ErrorStatus, OcspRequest},
    time::Timestamp,
};

use crate::{
    body::{self, has_media_type},
    router::App,
    server::{Peer, RequestId},
    service::{OcspAnswer, OcspAnswered},
    well_known::{http_date, names_etag},
};

const REQUEST: &str = "application/ocsp-request";
const RESPONSE: HeaderValue = HeaderValue::from_static("application/ocsp-response");

/// Longest time for which a cache may keep an answer, seconds.
const MAX_AGE_SECS: u64 = 3600;

/// `POST /ocsp`.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Extension((peer, _)): Extension<(Peer, RequestId)>,
    request: Request,
) -> Response {
    if !has_media_type(request.headers(), REQUEST) {
        let text = "OCSP requests have the type application/ocsp-request\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    let bytes = match body::read(&app.limits, request).await {
        Ok(bytes) => bytes,
        Err(response) => return response,
    };
    match answer(&app, peer, &bytes).await {
        OcspAnswered::Cached(answer) => once(answer.der.clone()),
        OcspAnswered::Once(der) => once(der.into()),
        OcspAnswered::Error(status) => error(status),
    }
}

/// `GET /ocsp/<base64 of the request, URL-encoded>`.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension((peer, _)): Extension<(Peer, RequestId)>,
    request: Request,
) -> Response {
    // As it was sent: a slash is a character of base64, and two of them in a row are two.
    let encoded = request.uri().path().strip_prefix("/ocsp/").unwrap_or_default();
    let Some(bytes) = decode(encoded) else { return error(ErrorStatus::MalformedRequest) };
    match answer(&app, peer, &bytes).await {
        OcspAnswered::Cached(answer) => cacheable(&answer, app.service.now(), request.headers()),
        OcspAnswered::Once(der) => once(der.into()),
        OcspAnswered::Error(status) => error(status),
    }
}

async fn answer(app: &Arc<App>, peer: Peer, bytes: &[u8]) -> OcspAnswered {
    let answered = ask(app, peer, bytes).await;
    app.service.metrics().ocsp_answered(match answered {
        OcspAnswered::Cached(_) => "cached",
        OcspAnswered::Once(_) => "signed",
        OcspAnswered::Error(status) => status.name(),
    });
    answered
}

async fn ask(app: &Arc<App>, peer: Peer, bytes: &[u8]) -> OcspAnswered {
    let Ok(request) = OcspRequest::parse(bytes) else {
        return OcspAnswered::Error(ErrorStatus::MalformedRequest);
    };
    let service = &app.service;
    if service.ocsp_is_quick() {
        // A look into the store and a signature of some 30 µs: less than handing it to another thread.
        return service.ocsp(&request, || service.may_say_unknown(peer.0));
    }
    let service = service.clone();
    let blocking = tokio::task::spawn_blocking(move || service.ocsp(&request, || service.may_say_unknown(peer.0)));
    // It panicked, which was printed.
    blocking.await.unwrap_or(OcspAnswered::Error(ErrorStatus::InternalError))
}

/// RFC 6960 appendix A.1: base64, then URL-encoded; clients differ in which characters they encode.
fn decode(encoded: &str) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            text.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        text.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind;
    }
    STANDARD.decode(text).ok()
}

fn cacheable(answer: &OcspAnswer, now: Timestamp, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|tags| names_etag(tags, &answer.etag));
    let mut response = Response::new(if known { Body::empty() } else { Body::from(answer.der.clone()) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let left_secs = answer.next_update.secs().saturating_sub(now.secs());
    let max_age = MAX_AGE_SECS.min(left_secs.saturating_sub(1));
    let values = [
        (header::CACHE_CONTROL, format!("max-age={max_age}, public, no-transform, must-revalidate")),
        (header::ETAG, answer.etag.clone()),
        (header::LAST_MODIFIED, http_date(answer.this_update)),
        (header::EXPIRES, http_date(answer.next_update)),
    ];
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, RESPONSE);
    for (name, value) in values {
        headers.insert(name, HeaderValue::try_from(value).expect("digits, letters and dates are ASCII"));
    }
    response
}

fn once(der: Bytes) -> Response {
    let mut response = Response::new(Body::from(der));
    response.headers_mut().insert(header::CONTENT_TYPE, RESPONSE);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn error(status: ErrorStatus) -> Response {
    once(Bytes::copy_from_slice(&status.der()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_encode_what_they_like() {
        let bytes = [0xFF, 0xEF, 0xFB, 0xBE, 0xFF];
        let text = STANDARD.encode(bytes);
        assert!(text.contains('/') && text.contains('+') && text.ends_with('='));
        let encoded = text.replace('/', "%2F").replace('+', "%2b").replace('=', "%3D");
        assert_eq!(decode(&text), Some(bytes.to_vec()));
        assert_eq!(decode(&encoded), Some(bytes.to_vec()));
        for bad in ["%", "%2", "%+1", "%zz", "a", "MAo=x", "a b=", "-_8="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
