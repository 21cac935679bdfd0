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
    /// All of it, KiB.
    kib: usize,
    /// One permit for each KiB.
    free: Arc<Semaphore>,
}

/// Room that a document has, until whoever reads it drops this.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl Held {
    /// None: what is no longer than any other body needs no room.
    pub(crate) const fn none() -> Self {
        Self { _permit: None }
    }
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

impl Room {
    /// For documents of `bytes_max` octets, and `in_flight` octets of all of them.
    pub(crate) fn new(bytes_max: usize, in_flight: usize) -> Self {
        let kib = in_flight.max(bytes_max).div_ceil(KIB).min(Semaphore::MAX_PERMITS);
        Self { bytes_max, kib, free: Arc::new(Semaphore::new(kib)) }
    }

    /// How many octets are taken now, and how many are free.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        let free = self.free.available_permits();
        (self.kib.saturating_sub(free).saturating_mul(KIB), free.saturating_mul(KIB))
    }

    /// Room for a document that is given out, if there is any now.
    pub(crate) fn hold(&self, bytes: usize) -> Option<Held> {
        self.take(bytes).map(|permit| Held { _permit: Some(Arc::new(permit)) })
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
        return Ok((read(limits, request).await?, Held::none()));
    };
    let declared = declared(&request);
    if declared.is_some_and(|length| length > room.bytes_max as u64) {
        return Err(too_large()); // without waiting for it
    }
    let expected = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(room.bytes_max);
    let (mut body, mut read, mut held) = (request.into_body(), Vec::new(), None);
    // So far there is room, and until then for what comes.
    let (mut granted, mut end) = (limits.body_bytes_max, Instant::now() + limits.body_read_timeout);
    loop {
        let frame = match tokio::time::timeout_at(end, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok((read.into(), Held { _permit: held.map(Arc::new) })),
            Ok(Some(Err(_))) => return Err(broken_off()),
            Err(_) => return Err(too_slow()),
        };
        let Ok(data) = frame.into_data() else { continue };
        let length = read.len() + data.len();
        if length > room.bytes_max {
            return Err(too_large());
        }
        while length > granted {
            // Whoever announces much and sends little holds up nobody: it has the room of what it sent, and each MiB has as long as any
            // other body.
            let step = expected.max(length).saturating_sub(granted).min(MIB);
            let taken = room.take(step).ok_or_else(full)?;
            match &mut held {
                None => held = Some(taken),
                Some(held) => held.merge(taken),
            }
            granted += step;
            end = Instant::now() + limits.body_read_timeout;
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
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use http::HeaderValue;
    use hyper::body::Frame;

    use super::*;

    fn request(length: Option<usize>) -> Request {
        let mut request = Request::builder();
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        request.body(axum::body::Body::from(vec![b'x'; length.unwrap_or(5_000)])).unwrap()
    }

    /// A body that begins and does not go on.
    struct Begun(Option<Bytes>);

    impl hyper::body::Body for Begun {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0.take().map_or(Poll::Pending, |data| Poll::Ready(Some(Ok(Frame::data(data)))))
        }
    }

    /// Whoever announces much and sends little has the room of what was sent, and that not for long.
    #[tokio::test]
    async fn a_slow_document_holds_up_nobody() {
        let limits = BodyLimits { body_bytes_max: 1_000, body_read_timeout: std::time::Duration::from_millis(100) };
        let room = Room::new(8 * MIB, 9 * MIB);
        let slow = async |sent| {
            let body = axum::body::Body::new(Begun(Some(vec![b'x'; sent].into())));
            let request = Request::builder().header(header::CONTENT_LENGTH, 8 * MIB).body(body).unwrap();
            read_document(&limits, Some(&room), request).await.unwrap_err().status().as_u16()
        };
        // Begun in this order.
        let (one, two, whole) =
            tokio::join!(slow(500), slow(2_000), read_document(&limits, Some(&room), request(Some(8 * MIB))));
        assert_eq!((one, two, whole.is_ok()), (408, 408, true));
        drop(whole);
        assert_eq!(room.free.available_permits(), 9 * MIB / KIB);
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
        assert_eq!(room.bytes(), (10 * KIB, 6 * KIB));
        assert_eq!((status(Some(6 * KIB)).await, status(Some(7 * KIB)).await), (200, 503));
        // What does not say how long it is may be as long as any.
        assert_eq!((status(None).await, status(Some(1_000)).await), (503, 200));
        drop(held);
        assert_eq!(room.bytes(), (0, 16 * KIB));
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
