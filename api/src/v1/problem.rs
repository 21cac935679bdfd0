//! Problem details (RFC 9457): the one form of every error below `/v1`.
//!
//! `type` is the address of a page that explains it, `/problems/<code>`, relative to wherever the service is reached; `code` is the
//! same without the path, for programs; `instance` is the request's id, under which the log has it.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use semper_ttp::ca::credential::{CredentialRefusal, IssueRefusal};
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
    /// The key under which a repetition is known belongs to another request.
    HttpIdempotencyKey,
    /// The lint of the certificate has an error.
    CaLint,
    /// A certificate for this key was revoked because the key was compromised.
    CaKeyCompromised,
    /// The issuing CA is not valid.
    CaIssuer,
    /// A certificate with this serial number was issued.
    CaSerialTaken,
    /// No such certificate was issued.
    CaNotIssued,
    /// The certificate was revoked before.
    CaAlreadyRevoked,
    /// The certificate has expired.
    CaExpired,
    /// The root is not revoked.
    CaRoot,
    /// The reason is not for certificates of this class.
    CaReason,
    /// The clock may assert no time.
    CaClock,
    /// This key is not rotated.
    KeysNotRotated,
    /// Too much to do.
    ServerBusy,
    /// Not now.
    ServerUnavailable,
    /// We are at fault.
    ServerFault,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::HttpNotFound,
        Self::HttpMethod,
        Self::HttpTooLarge,
        Self::HttpTimeout,
        Self::HttpMediaType,
        Self::HttpMalformed,
        Self::AuthRequired,
        Self::AuthForbidden,
        Self::HttpIdempotencyKey,
        Self::CaLint,
        Self::CaKeyCompromised,
        Self::CaIssuer,
        Self::CaSerialTaken,
        Self::CaNotIssued,
        Self::CaAlreadyRevoked,
        Self::CaExpired,
        Self::CaRoot,
        Self::CaReason,
        Self::CaClock,
        Self::KeysNotRotated,
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
            Self::HttpIdempotencyKey => "http.idempotency_key",
            Self::CaLint => "ca.lint",
            Self::CaKeyCompromised => "ca.key_compromised",
            Self::CaIssuer => "ca.issuer",
            Self::CaSerialTaken => "ca.serial_taken",
            Self::CaNotIssued => "ca.not_issued",
            Self::CaAlreadyRevoked => "ca.already_revoked",
            Self::CaExpired => "ca.expired",
            Self::CaRoot => "ca.root",
            Self::CaReason => "ca.reason",
            Self::CaClock => "ca.clock",
            Self::KeysNotRotated => "keys.not_rotated",
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
            Self::HttpIdempotencyKey => StatusCode::CONFLICT,
            Self::CaLint => StatusCode::UNPROCESSABLE_ENTITY,
            Self::CaKeyCompromised => StatusCode::UNPROCESSABLE_ENTITY,
            Self::CaIssuer => StatusCode::SERVICE_UNAVAILABLE,
            Self::CaSerialTaken => StatusCode::CONFLICT,
            Self::CaNotIssued => StatusCode::NOT_FOUND,
            Self::CaAlreadyRevoked => StatusCode::CONFLICT,
            Self::CaExpired => StatusCode::CONFLICT,
            Self::CaRoot => StatusCode::UNPROCESSABLE_ENTITY,
            Self::CaReason => StatusCode::UNPROCESSABLE_ENTITY,
            Self::CaClock => StatusCode::SERVICE_UNAVAILABLE,
            Self::KeysNotRotated => StatusCode::UNPROCESSABLE_ENTITY,
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
            Self::HttpIdempotencyKey => "The Idempotency-Key was used for another request",
            Self::CaLint => "The lint stops this certificate",
            Self::CaKeyCompromised => "This key was compromised",
            Self::CaIssuer => "The issuing CA does not sign",
            Self::CaSerialTaken => "This certificate was issued already",
            Self::CaNotIssued => "No such certificate was issued",
            Self::CaAlreadyRevoked => "The certificate was revoked before",
            Self::CaExpired => "The certificate has expired",
            Self::CaRoot => "The root is not revoked",
            Self::CaReason => "The reason is not for this certificate",
            Self::CaClock => "The clock may assert no time",
            Self::KeysNotRotated => "This key is not rotated",
            Self::ServerBusy => "Too much is waiting",
            Self::ServerUnavailable => "The service cannot do this now",
            Self::ServerFault => "The service is at fault",
        }
    }

    /// Seconds after which another try makes sense.
    const fn retry_after_secs(self) -> Option<u32> {
        match self {
            Self::ServerBusy | Self::ServerUnavailable | Self::CaClock => Some(1),
            _ => None,
        }
    }

    /// That of a role's refusal.
    pub(super) const fn of_credential(refusal: &CredentialRefusal) -> Self {
        match refusal {
            CredentialRefusal::Issue(IssueRefusal::Lint) => Self::CaLint,
            CredentialRefusal::Issue(IssueRefusal::KeyCompromised) => Self::CaKeyCompromised,
            CredentialRefusal::Issue(IssueRefusal::Issuer) => Self::CaIssuer,
            CredentialRefusal::SerialTaken => Self::CaSerialTaken,
            CredentialRefusal::NotIssued => Self::CaNotIssued,
            CredentialRefusal::AlreadyRevoked { .. } => Self::CaAlreadyRevoked,
            CredentialRefusal::Expired { .. } => Self::CaExpired,
            CredentialRefusal::Root => Self::CaRoot,
            CredentialRefusal::Reason { .. } => Self::CaReason,
            CredentialRefusal::Clock { .. } => Self::CaClock,
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

    /// Logs a fault of ours, and forgets it towards the client.
    pub(crate) fn fault(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(Code::ServerFault, Code::ServerFault.title())
    }

    /// What an answer means that somebody else has made.
    pub(super) fn of(status: StatusCode) -> Self {
        let code = Code::of(status);
        Self::new(code, code.title())
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
    "ca.already_revoked",
    "ca.clock",
    "ca.expired",
    "ca.issuer",
    "ca.key_compromised",
    "ca.lint",
    "ca.not_issued",
    "ca.reason",
    "ca.root",
    "ca.serial_taken",
    "http.idempotency_key",
    "http.malformed",
    "http.media_type",
    "http.method",
    "http.not_found",
    "http.timeout",
    "http.too_large",
    "keys.not_rotated",
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
        let of_roles = |code: &Code| ["ca.", "keys."].iter().any(|role| code.name().starts_with(role));
        for code in Code::ALL.into_iter().filter(|code| !of_roles(code)) {
            let by_status = Code::of(code.status());
            assert!(by_status == code || code == Code::HttpIdempotencyKey && by_status == Code::HttpMalformed);
        }
        assert_eq!(Code::of(StatusCode::UNPROCESSABLE_ENTITY), Code::HttpMalformed);
        assert_eq!(Code::of(StatusCode::BAD_GATEWAY), Code::ServerFault);
    }
}
