//! RFC 3161 over HTTP (§3.4), with the rules that real clients need: every protocol answer, rejections included, is 200
//! with the bare content type; HTTP errors are for HTTP faults only.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Request as HttpRequest, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use semper_ttp::{
    digest::Digest,
    timestamp::{Refusal, request, response},
};

use crate::{
    body::{self, has_media_type},
    quota::{Exceeded, WINDOW_SECS},
    router::App,
    server::{Peer, RequestId},
};

const QUERY: &str = "application/timestamp-query";

/// `POST /tsa`.
pub(crate) async fn ec(State(app): State<Arc<App>>, request: HttpRequest) -> Response {
    stamp(app, 0, request).await
}

/// `POST /tsa/rsa`.
pub(crate) async fn rsa(State(app): State<Arc<App>>, request: HttpRequest) -> Response {
    stamp(app, 1, request).await
}

async fn stamp(app: Arc<App>, endpoint: usize, request: HttpRequest) -> Response {
    let service = &app.service;
    let unit = service.endpoints[endpoint].load_full();
    let settings = unit.endpoint.settings();
    if !has_media_type(request.headers(), QUERY) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be application/timestamp-query\n")
            .into_response();
    }
    if service.is_draining() {
        return rejected(StatusCode::SERVICE_UNAVAILABLE, &Refusal::Unavailable, Some(1));
    }
    let (peer, id) = request.extensions().get::<(Peer, RequestId)>().copied().unzip();
    let quota = peer.map(|Peer(ip)| service.quota.take(ip, Instant::now()));
    if let Some(Err(Exceeded { limit, retry_after_secs })) = quota {
        let refusal = Refusal::RateLimited { limit, window_secs: WINDOW_SECS, retry_after_secs };
        service.metrics.rate_limited(&settings.name);
        return rejected(StatusCode::TOO_MANY_REQUESTS, &refusal, Some(retry_after_secs));
    }
    let body = match body::read(&app.limits, request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let start = Instant::now();
    let answer = match request::parse(&body, &settings.hashes) {
        Ok(request) => service.timestamp(endpoint, request, Digest::of(&body), id.unwrap_or_default()).await,
        Err(refusal) => Err(refusal),
    };
    let outcome = answer.as_ref().map_or_else(|refusal| refusal.fail_info().name(), |_| "granted");
    service.metrics.timestamped(&settings.name, outcome, start.elapsed().as_secs_f64());
    match answer {
        Ok(response) => reply(StatusCode::OK, response, None),
        Err(refusal) => {
            tracing::debug!(code = refusal.code(), endpoint = settings.name, "rejected");
            rejected(StatusCode::OK, &refusal, None)
        }
    }
}

fn rejected(status: StatusCode, refusal: &Refusal, retry_after_secs: Option<u32>) -> Response {
    reply(status, response::rejection(refusal), retry_after_secs)
}

fn reply(status: StatusCode, body: Vec<u8>, retry_after_secs: Option<u32>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/timestamp-reply"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(secs) = retry_after_secs {
        headers.insert(header::RETRY_AFTER, secs.into());
    }
    response
}
