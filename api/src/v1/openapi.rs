//! `GET /v1/openapi.json`: what there is below `/v1`, as `schemas/openapi.json` describes it. A test compares it with the table of
//! routes and with what is answered.

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;

/// The document.
pub const OPENAPI: &str = include_str!("../../../schemas/openapi.json");

pub(super) async fn document(headers: HeaderMap) -> Response {
    let document = Bytes::from_static(OPENAPI.as_bytes());
    crate::well_known::cached(document, "application/json", "public, max-age=300", None, &headers)
}
