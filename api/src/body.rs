//! A request's body within its bounds, the same for everybody who takes one.

use std::sync::Arc;

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::router::BodyLimits;

/// Where documents are taken, which are longer than other bodies: how long one may be, and how many octets of them there are at once.
#[derive(Debug)]
pub(crate) struct Room {
    bytes_max: usize,
    /// One permit for each KiB.
    free: Arc<Semaphore>,
}

/// Room that a document has, until whoever reads it drops this.
#[derive(Debug)]
pub(crate) struct Held {
    _permit: Option<OwnedSemaphorePermit>,
}

const KIB: usize = 1 << 10;
const MIB: u32 = 1 << 20;

impl Room {
    /// For documents of `bytes_max` octets, and `in_flight` octets of all of them.
    pub(crate) fn new(bytes_max: usize, in_flight: usize) -> Self {
        let permits = in_flight.max(bytes_max).div_ceil(KIB).min(Semaphore::MAX_PERMITS);
        Self { bytes_max, free: Arc::new(Semaphore::new(permits)) }
    }

    /// Room for so many octets, if there is any now.
    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes.div_ceil(KIB)).ok()?;
        self.free.clone().try_acquire_many_owned(permits).ok()
    }
}

/// The whole body of a request that may be a document. One that is no longer than any other body needs no room.
pub(crate) async fn read_document(
    limits: &BodyLimits,
    room: Option<&Room>,
    request: Request,
) -> Result<(Bytes, Held), Response> {
    let Some(room) = room.filter(|room| room.bytes_max > limits.body_bytes_max) else {
        return Ok((read(limits, request).await?, Held { _permit: None }));
    };
    let declared = declared(&request);
    if declared.is_some_and(|length| length > room.bytes_max as u64) {
        return Err(too_large()); // without waiting for it
    }
    let (mut body, mut read, mut held) = (request.into_body(), Vec::new(), None);
    let begun = Instant::now();
    let mut end = begun + limits.body_read_timeout;
    loop {
        let frame = match tokio::time::timeout_at(end, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok((read.into(), Held { _permit: held })),
            Ok(Some(Err(_))) => return Err(broken_off()),
            Err(_) => return Err(too_slow()),
        };
        let Ok(data) = frame.into_data() else { continue };
        let length = read.len() + data.len();
        if length > room.bytes_max {
            return Err(too_large());
        }
        // What does not say how long it is may be as long as any.
        if length > limits.body_bytes_max && held.is_none() {
            let expected = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(room.bytes_max);
            held = Some(room.take(expected).ok_or_else(full)?);
            read.reserve_exact(declared.map_or(0, |_| expected.saturating_sub(read.len())));
            // Each MiB has as long as any other body.
            let times = 1 + u32::try_from(expected).unwrap_or(u32::MAX) / MIB;
            end = begun + limits.body_read_timeout.saturating_mul(times);
        }
        read.extend_from_slice(&data);
    }
}

fn full() -> Response {
    let headers = [(header::CONNECTION, "close"), (header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, "too many documents are being read\n").into_response()
}

fn broken_off() -> Response {
    closing(StatusCode::BAD_REQUEST, "the request's body broke off\n")
}

fn too_slow() -> Response {
    closing(StatusCode::REQUEST_TIMEOUT, "the request's body came too slowly\n")
}

fn declared(request: &Request) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Response {
    closing(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large\n")
}

/// The whole body, at most as long and as late as the limits say.
pub(crate) async fn read(limits: &BodyLimits, request: Request) -> Result<Bytes, Response> {
    if declared(&request).is_some_and(|length| length > limits.body_bytes_max as u64) {
        return Err(too_large()); // without waiting for it
    }
    let body = Limited::new(request.into_body(), limits.body_bytes_max);
    match tokio::time::timeout(limits.body_read_timeout, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(broken_off()),
        Err(_) => Err(too_slow()),
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

    fn request(length: Option<usize>) -> Request {
        let mut request = Request::builder();
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        request.body(axum::body::Body::from(vec![b'x'; length.unwrap_or(5_000)])).unwrap()
    }

    /// Small ones always come through; of large ones so many octets as there is room for.
    #[tokio::test]
    async fn documents_have_their_room() {
        let limits = BodyLimits { body_bytes_max: 1_000, body_read_timeout: std::time::Duration::from_secs(10) };
        let room = Room::new(10 * KIB, 16 * KIB);
        let status = async |length| match read_document(&limits, Some(&room), request(length)).await {
            Ok(_) => 200,
            Err(response) => response.status().as_u16(),
        };
        assert_eq!(status(Some(10 * KIB)).await, 200);
        assert_eq!(status(Some(10 * KIB + 1)).await, 413);
        let (bytes, held) = read_document(&limits, Some(&room), request(Some(10 * KIB))).await.unwrap();
        assert_eq!(bytes.len(), 10 * KIB);
        assert_eq!((status(Some(6 * KIB)).await, status(Some(6 * KIB + 1)).await), (200, 503));
        // What does not say how long it is may be as long as any.
        assert_eq!((status(None).await, status(Some(1_000)).await), (503, 200));
        drop(held);
        assert_eq!(status(None).await, 200);
        // Where no documents are taken, the one bound holds.
        assert_eq!(read_document(&limits, None, request(Some(1_001))).await.unwrap_err().status(), 413);
    }

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
