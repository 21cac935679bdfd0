//! A request's body within its bounds, the same for everybody who takes one.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::router::BodyLimits;

/// The whole body, at most as long and as late as the limits say.
pub(crate) async fn read(limits: &BodyLimits, request: Request) -> Result<Bytes, Response> {
    let too_large = || closing(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large\n");
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > limits.body_bytes_max as u64) {
        return Err(too_large()); // without waiting for it
    }
    let body = Limited::new(request.into_body(), limits.body_bytes_max);
    match tokio::time::timeout(limits.body_read_timeout, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(closing(StatusCode::BAD_REQUEST, "the request's body broke off\n")),
        Err(_) => Err(closing(StatusCode::REQUEST_TIMEOUT, "the request's body came too slowly\n")),
    }
}

/// Whether the body is of this media type: the type alone counts, without regard to case or parameters.
pub(crate) fn has_media_type(headers: &HeaderMap, media_type: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
}

/// What is left of the body is not read, so the connection cannot go on.
fn closing(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONNECTION, "close")], text).into_response()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_media_type_is_one_word() {
        let is = |value: Option<&'static str>| {
            let value = value.map(|value| (header::CONTENT_TYPE, HeaderValue::from_static(value)));
            has_media_type(&value.into_iter().collect(), "application/json")
        };
        assert!(is(Some("application/json")));
        assert!(is(Some("Application/JSON ; charset=utf-8")));
        assert!(!is(Some("application/json2")));
        assert!(!is(Some("")));
        assert!(!is(None));
    }
}
