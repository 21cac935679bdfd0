//! Errors as HTTP answers. What a client did wrong is said; what went wrong here is logged and shown as an id only.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// What is said where witnesses were asked for in vain; the client knows it by these words.
pub(crate) const NOT_WITNESSED: &str = "no quorum of witnesses has cosigned it yet";
/// Where there are none to ask.
pub(crate) const NO_WITNESSES: &str = "this ledger has no witnesses";

/// An answer other than the one asked for, on the read side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The request is malformed; the text says how.
    BadRequest(&'static str),
    /// There is no such thing (yet).
    NotFound,
    /// No quorum of witnesses has cosigned it yet.
    NotWitnessed,
    /// A fault of ours; the log has it.
    Fault,
}

impl Problem {
    /// Logs a fault, and forgets it towards the client.
    pub(crate) fn fault(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::Fault
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::BadRequest(text) => (StatusCode::BAD_REQUEST, text),
            Self::NotFound => (StatusCode::NOT_FOUND, "not found"),
            Self::NotWitnessed => (StatusCode::SERVICE_UNAVAILABLE, NOT_WITNESSED),
            Self::Fault => (StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
        };
        // No cache may keep an error: the tile that is missing now is there a moment later.
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut response = (status, headers, format!("{text}\n")).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(1));
        }
        response
    }
}
