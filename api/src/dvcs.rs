//! RFC 3029 over HTTP (§9.3): every protocol answer, error notices included, is 200 with the bare content type; HTTP errors are for HTTP
//! faults only.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Request as HttpRequest, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

use crate::{
    body::{self, has_media_type},
    router::App,
    server::{Peer, RequestId},
    tls::ClientCertificate,
};

const MEDIA_TYPE: &str = "application/dvcs";

/// `POST /dvcs`.
pub(crate) async fn post(State(app): State<Arc<App>>, request: HttpRequest) -> Response {
    if !has_media_type(request.headers(), MEDIA_TYPE) {
        let text = "the content type must be application/dvcs\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    let service = &app.service;
    if service.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "the service is stopping\n")
            .into_response();
    }
    let who = request.extensions().get::<(Peer, RequestId)>().copied();
    let id = who.map_or(RequestId::default(), |(_, id)| id);
    if let Some(Err(exceeded)) = who.map(|(Peer(ip), _)| service.quota.take(ip, Instant::now())) {
        let headers = [(header::RETRY_AFTER, HeaderValue::from(exceeded.retry_after_secs))];
        return (StatusCode::TOO_MANY_REQUESTS, headers, "too many requests from this address\n").into_response();
    }
    let caller = request.extensions().get::<ClientCertificate>().map(|ClientCertificate(shown)| shown.clone());
    let room = service.rooms().map(|rooms| &rooms.plain);
    let (body, held) = match body::read_document(&app.limits, room, request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let answer = service.validate_data(&body, caller.as_deref(), id, held).await.unwrap_or_else(|refused| {
        tracing::debug!(code = refused.refusal.code(), "a request of RFC 3029 was not taken up");
        refused.notice()
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Body::from(answer)).into_response()
}
