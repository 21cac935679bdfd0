//! Problem details (RFC 9457): the one form of every error below `/v1`.
//!
//! `type` is the address of a page that explains it, `/problems/<code>`, relative to wherever the service is reached; `code` is the
//! same without the path, for programs; `instance` is the request's id, under which the log has it.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::server::{Peer, RequestId};

/// The form of the body (RFC 9457 §6.1).
const MEDIA_TYPE: &str = "application/problem+json";

/// How to authenticate (RFC 9110 §15.5.2 wants it with every 401). No scheme is registered for a certificate in the TLS
/// handshake; this one says what is meant.
const CHALLENGE: HeaderValue = HeaderValue::from_static("ClientCertificate realm=\"semper\"");

/// Names a problem for good: the page `schemas/problems/<code>.md` belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// There is no such resource.
    HttpNotFound,
    /// Not with this method.
    HttpMethod,
    /// The body is too large.
    HttpTooLarge,
    /// The body came too slowly.
    HttpTimeout,
    /// The body's media type is another than the one expected.
    HttpMediaType,
    /// The request does not read.
    HttpMalformed,
    /// Nobody has said who asks.
    AuthRequired,
    /// Who asks may not.
    AuthForbidden,
    /// Too much to do.
    ServerBusy,
    /// Not now.
    ServerUnavailable,
    /// We are at fault.
    ServerFault,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::HttpNotFound,
        Self::HttpMethod,
        Self::HttpTooLarge,
        Self::HttpTimeout,
        Self::HttpMediaType,
        Self::HttpMalformed,
        Self::AuthRequired,
        Self::AuthForbidden,
        Self::ServerBusy,
        Self::ServerUnavailable,
        Self::ServerFault,
    ];

    /// As clients see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HttpNotFound => "http.not_found",
            Self::HttpMethod => "http.method",
            Self::HttpTooLarge => "http.too_large",
            Self::HttpTimeout => "http.timeout",
            Self::HttpMediaType => "http.media_type",
            Self::HttpMalformed => "http.malformed",
            Self::AuthRequired => "auth.required",
            Self::AuthForbidden => "auth.forbidden",
            Self::ServerBusy => "server.busy",
            Self::ServerUnavailable => "server.unavailable",
            Self::ServerFault => "server.fault",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::HttpNotFound => StatusCode::NOT_FOUND,
            Self::HttpMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::HttpTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HttpTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::HttpMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::HttpMalformed => StatusCode::BAD_REQUEST,
            Self::AuthRequired => StatusCode::UNAUTHORIZED,
            Self::AuthForbidden => StatusCode::FORBIDDEN,
            Self::ServerBusy => StatusCode::TOO_MANY_REQUESTS,
            Self::ServerUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::ServerFault => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What it is, the same every time.
    const fn title(self) -> &'static str {
        match self {
            Self::HttpNotFound => "There is no such resource",
            Self::HttpMethod => "The resource does not have this method",
            Self::HttpTooLarge => "The request is too large",
            Self::HttpTimeout => "The request came too slowly",
            Self::HttpMediaType => "The media type of the request is not the one expected",
            Self::HttpMalformed => "The request cannot be read",
            Self::AuthRequired => "Authentication is required",
            Self::AuthForbidden => "This is not permitted",
            Self::ServerBusy => "Too much is waiting",
            Self::ServerUnavailable => "The service cannot do this now",
            Self::ServerFault => "The service is at fault",
        }
    }

    /// Seconds after which another try makes sense.
    const fn retry_after_secs(self) -> Option<u32> {
        match self {
            Self::ServerBusy | Self::ServerUnavailable => Some(1),
            _ => None,
        }
    }

    /// What an answer means that somebody else has made: the router, an extractor, the body's bounds.
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::HttpNotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::HttpMethod,
            StatusCode::PAYLOAD_TOO_LARGE => Self::HttpTooLarge,
            StatusCode::REQUEST_TIMEOUT => Self::HttpTimeout,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::HttpMediaType,
            StatusCode::UNAUTHORIZED => Self::AuthRequired,
            StatusCode::FORBIDDEN => Self::AuthForbidden,
            StatusCode::TOO_MANY_REQUESTS => Self::ServerBusy,
            StatusCode::SERVICE_UNAVAILABLE => Self::ServerUnavailable,
            status if status.is_client_error() => Self::HttpMalformed,
            _ => Self::ServerFault,
        }
    }
}

/// An answer other than the one asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
}

impl Problem {
    /// A problem, with what is special about it this time. Of a fault of ours the detail says nothing.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    /// Without a body: [`finish`] writes it, who knows the request.
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The last who sees an answer: gives each error its body, whoever has raised it.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<(Peer, RequestId)>().map(|(_, id)| *id).unwrap_or_default();
    let mut response = next.run(request).await;
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if status.is_client_error() || status.is_server_error() => {
            let code = Code::of(status);
            Problem::new(code, code.title())
        }
        None => {
            response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            return response;
        }
    };
    let Problem { code, detail } = problem;
    let body = json!({
        "type": format!("/problems/{}", code.name()),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": detail,
        "code": code.name(),
        "instance": id.0.to_string(),
    });
    let mut answer = (code.status(), body.to_string()).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Which methods there are, and that a connection ends whose request was not read to its end.
    for name in [header::ALLOW, header::CONNECTION] {
        if let Some(value) = response.headers_mut().remove(&name) {
            headers.insert(name, value);
        }
    }
    if code == Code::AuthRequired {
        headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
    }
    if let Some(secs) = code.retry_after_secs() {
        headers.insert(header::RETRY_AFTER, secs.into());
    }
    answer
}

/// The page of a code, in Markdown; also of those that timestamping answers with in its own protocol.
pub(super) fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(name, _)| *name == code).map(|(_, page)| *page)
}

macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        &[$(($code, include_str!(concat!("../../../schemas/problems/", $code, ".md")))),*]
    };
}

/// Every page of `schemas/problems/`.
const PAGES: &[(&str, &str)] = pages![
    "auth.forbidden",
    "auth.required",
    "http.malformed",
    "http.media_type",
    "http.method",
    "http.not_found",
    "http.timeout",
    "http.too_large",
    "server.busy",
    "server.fault",
    "server.unavailable",
    "timestamp.busy",
    "timestamp.clock",
    "timestamp.extension",
    "timestamp.halted",
    "timestamp.hash_algorithm",
    "timestamp.hash_parameters",
    "timestamp.imprint_length",
    "timestamp.key_period",
    "timestamp.nonce_length",
    "timestamp.not_a_request",
    "timestamp.policy",
    "timestamp.rate_limited",
    "timestamp.unavailable",
    "timestamp.version",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_page_is_served_and_every_code_has_one() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/problems");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let served: BTreeSet<_> = PAGES.iter().map(|(code, _)| format!("{code}.md")).collect();
        assert_eq!(files.collect::<BTreeSet<_>>(), served);
        for code in Code::ALL {
            let page = page(code.name()).unwrap_or_else(|| panic!("{} has no page", code.name()));
            assert!(page.contains(&format!("| {} |", code.status().as_u16())), "{}: another status", code.name());
        }
        let own = PAGES.iter().filter(|(code, _)| !code.starts_with("timestamp."));
        assert!(own.clone().all(|(code, _)| Code::ALL.iter().any(|known| known.name() == *code)));
        assert_eq!(own.count(), Code::ALL.len());
    }

    #[test]
    fn the_answers_of_others_are_named_by_their_status() {
        for code in Code::ALL {
            assert_eq!(Code::of(code.status()), code);
        }
        assert_eq!(Code::of(StatusCode::UNPROCESSABLE_ENTITY), Code::HttpMalformed);
        assert_eq!(Code::of(StatusCode::BAD_GATEWAY), Code::ServerFault);
    }
}
