//! A listener that strangers may be rude to: bounded connections, in all and by address, and a bounded time for
//! everything. `axum::serve` has no header timeout, so hyper's connection is driven here. With TLS in front or without, all
//! the rest is the same.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::Router;
use http::HeaderValue;
use hyper::{
    body::Incoming,
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant as TokioInstant, Sleep},
};
use tower::ServiceExt;

use crate::{
    metrics::{ConnectionEnd, HttpMetrics},
    quota::subscriber,
    tls::{Acceptor, ClientCertificate},
};

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the end of one answer to the last byte of the next request's header. Ends slow-loris connections, and kept-alive
    /// ones on which nothing more is asked: hyper has one timer for both.
    pub header_read_timeout: Duration,
    /// A connection on which no byte moves for so long, in either direction, is closed: a client that does not read its
    /// answer.
    pub idle_timeout: Duration,
    /// Open connections.
    pub connections_max: usize,
    /// Open connections of one address.
    pub connections_per_address_max: usize,
}

/// Longest request line with all headers, bytes.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// Most headers of a request.
const HEADERS_MAX: usize = 64;

/// How long a connection that was in the backlog when the server was told to stop has for the first byte of its request.
const FIRST_BYTES_WAIT: Duration = Duration::from_millis(100);

/// How long handshakes have to come to their end when the server was told to stop: some round trips.
const LAST_HANDSHAKES_WAIT: Duration = Duration::from_secs(1);

/// How long the client of a failed TLS handshake has to read the alert, and how much of what it sent meanwhile is read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: u64 = 64 << 10;

/// Who asks; an IPv4 address is one, however the socket shows it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// What a request is called in the log; the client gets it as `x-request-id`. Above the counter stand the low 32 bits of
/// the second in which this process answered its first request, so that no two starts call two requests the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestId(pub u64);

impl RequestId {
    fn next() -> Self {
        static FIRST: LazyLock<u64> = LazyLock::new(|| {
            let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            since_1970.as_secs() << 32
        });
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(*FIRST + NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a listener serves.
#[derive(Clone)]
pub struct Served {
    /// Its routes.
    pub router: Router,
    /// The name under which a path is counted and logged: one of a few, whatever a client asks for.
    pub label: fn(&str) -> &'static str,
    /// Where it is counted.
    pub metrics: Arc<HttpMetrics>,
}

/// Serves on `listener` until `stop` turns true; then takes no new connection, lets every request that has
/// begun finish, and returns when the last connection is gone.
pub async fn serve(listener: TcpListener, served: Served, limits: Limits, stop: watch::Receiver<bool>) {
    run(listener, None, served, limits, stop).await;
}

/// As [`serve`], over TLS: each connection shakes hands first, within the same bounds. The client's certificate, where there
/// is one, is an extension of its requests ([`ClientCertificate`]).
pub async fn serve_tls(
    listener: TcpListener,
    acceptor: Arc<Acceptor>,
    served: Served,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    run(listener, Some(acceptor), served, limits, stop).await;
}

async fn run(
    listener: TcpListener,
    acceptor: Option<Arc<Acceptor>>,
    served: Served,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    let open = Arc::new(Open::new(limits, served.metrics.clone()));
    let take = |stream: TcpStream, address: SocketAddr| {
        let Some(guard) = open.admit(address.ip()) else {
            return open.metrics.connection_ended(ConnectionEnd::Refused);
        };
        tokio::spawn(connection(stream, address, acceptor.clone(), served.clone(), limits, stop.clone(), guard));
    };
    let mut stopping = stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, address)) => take(stream, address),
            Err(error) => {
                // Usually out of file descriptors: existing connections free some; do not spin meanwhile.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    for (stream, address) in close(listener, limits.connections_max) {
        take(stream, address);
    }
    open.closed().await;
}

/// Closes a listener, and gives the connections that wait in its backlog, `max` at most: their clients believe that they
/// are connected, and the kernel would reset them.
fn close(listener: TcpListener, max: usize) -> Vec<(TcpStream, SocketAddr)> {
    let mut waiting = Vec::new();
    // The runtime may not have seen yet that they are there; the kernel is asked itself. The socket does not block.
    let Ok(listener) = listener.into_std() else { return waiting };
    while waiting.len() < max
        && let Ok((stream, address)) = listener.accept()
    {
        if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
            waiting.push((stream, address));
        }
    }
    waiting
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<Arc<Acceptor>>,
    served: Served,
    limits: Limits,
    stop: watch::Receiver<bool>,
    guard: Guard,
) {
    let _ = stream.set_nodelay(true); // only latency is lost without it
    let peer = Peer(address.ip().to_canonical());
    let metrics = guard.open.metrics.clone();
    // Below TLS, so that it is bytes of the connection that must move.
    let io = Watched::new(TokioIo::new(stream), limits.idle_timeout);
    let Some(acceptor) = acceptor else {
        await_first_bytes(io.stream.inner(), &stop).await;
        return http(io, Caller { peer, certificate: None }, served, limits, stop, &metrics).await;
    };
    let mut stopping = stop.clone();
    let too_late = async {
        let _ = stopping.wait_for(|stop| *stop).await;
        tokio::time::sleep(LAST_HANDSHAKES_WAIT).await;
    };
    let shaken = tokio::select! {
        shaken = acceptor.accept(io) => shaken,
        () = too_late => Err(None),
    };
    match shaken {
        Ok((io, certificate)) => {
            await_first_bytes(io.get_ref().stream.inner(), &stop).await;
            http(io, Caller { peer, certificate }, served, limits, stop, &metrics).await;
        }
        Err(failed) => {
            if let Some(mut failed) = failed {
                linger(failed.get_mut().stream.inner_mut()).await;
            }
            metrics.connection_ended(ConnectionEnd::Handshake);
        }
    }
}

/// Told to stop before it has read anything, hyper closes without an answer. What was sent already is read first.
async fn await_first_bytes(stream: &TcpStream, stop: &watch::Receiver<bool>) {
    if *stop.borrow() {
        let _ = tokio::time::timeout(FIRST_BYTES_WAIT, stream.peek(&mut [0])).await;
    }
}

/// Reads what the client has sent already, until it goes: a socket that is closed with unread bytes resets the connection,
/// and the alert that lies before the client would be lost.
async fn linger(stream: &mut TcpStream) {
    let reading = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LINGER_BYTES_MAX), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(LINGER, reading).await; // whoever is gone needs no alert
}

/// Requests and answers, until one side ends the connection.
async fn http<S: Read + Write + Unpin + Send + 'static>(
    io: S,
    caller: Caller,
    served: Served,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
    metrics: &HttpMetrics,
) {
    let service = service_fn(move |request: http::Request<Incoming>| answer(served.clone(), request, caller.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .writev(false) // answers are small: one buffer and a plain send cost less than two pieces
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return note_end(ended, metrics),
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    note_end(connection.await, metrics);
}

/// Whose requests come on a connection.
#[derive(Clone)]
struct Caller {
    peer: Peer,
    certificate: Option<ClientCertificate>,
}

/// Hyper answers what is no HTTP itself, and tells us only by the error with which its connection ends.
fn note_end(ended: Result<(), hyper::Error>, metrics: &HttpMetrics) {
    let Err(error) = ended else { return metrics.connection_ended(ConnectionEnd::Closed) };
    let end = match &error {
        error if error.is_parse_version_h2() => ConnectionEnd::Http2,
        error if error.is_parse_too_large() => ConnectionEnd::TooLarge,
        error if error.is_parse() => ConnectionEnd::Malformed,
        error if timed_out(error) => ConnectionEnd::IdleTimeout,
        error if error.is_timeout() => ConnectionEnd::HeaderTimeout,
        error if error.is_incomplete_message() => ConnectionEnd::Incomplete,
        _ => ConnectionEnd::Broken,
    };
    metrics.connection_ended(end);
    tracing::debug!(%error, end = end.name(), "a connection ended badly");
}

/// True for the error of [`Watched`].
fn timed_out(error: &hyper::Error) -> bool {
    let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
}

/// One request: counted, and named in the log by an id that the client gets too.
async fn answer(
    Served { router, label, metrics }: Served,
    request: http::Request<Incoming>,
    Caller { peer, certificate }: Caller,
) -> Result<http::Response<axum::body::Body>, std::convert::Infallible> {
    let id = RequestId::next();
    let start = Instant::now();
    let route = label(request.uri().path());
    let span = match route {
        // Most of what is logged of a timestamp is logged by other threads, by its id: a span would cost as much as
        // reading the request.
        "/tsa" | "/tsa/rsa" => tracing::debug_span!("request", request_id = id.0, route),
        // At the highest level, so that a fault is logged with its id whatever the filter.
        _ => tracing::error_span!("request", request_id = id.0, route),
    };
    let mut request = request.map(axum::body::Body::new);
    request.extensions_mut().insert((peer, id));
    if let Some(certificate) = certificate {
        request.extensions_mut().insert(certificate);
    }
    let answered = {
        use tracing::Instrument as _;
        router.oneshot(request).instrument(span.clone())
    };
    let mut response = match answered.await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status();
    metrics.answered(route, status.as_u16());
    response.headers_mut().insert("x-request-id", HeaderValue::from(id.0));
    if status.is_server_error() {
        tracing::warn!(request_id = id.0, route, status = status.as_u16(), "answered with an error");
    } else {
        tracing::debug!(parent: &span, status = status.as_u16(), micros = start.elapsed().as_micros() as u64, "answered");
    }
    Ok(response)
}

/// The connections that are open.
struct Open {
    limits: Limits,
    metrics: Arc<HttpMetrics>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    count: watch::Sender<usize>,
}

impl Open {
    fn new(limits: Limits, metrics: Arc<HttpMetrics>) -> Self {
        Self { limits, metrics, by_address: Mutex::default(), count: watch::Sender::new(0) }
    }

    /// A place for one more connection, or none: then the socket is closed at once.
    fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Guard> {
        let address = subscriber(address);
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = *self.count.borrow();
        let own = by_address.entry(address).or_default();
        if total >= self.limits.connections_max || *own >= self.limits.connections_per_address_max {
            if *own == 0 {
                by_address.remove(&address);
            }
            return None;
        }
        *own += 1;
        drop(by_address);
        self.count.send_modify(|count| *count += 1);
        self.metrics.connection(1);
        Some(Guard { open: self.clone(), address })
    }

    async fn closed(&self) {
        // The sender lives in self, so waiting cannot fail.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

struct Guard {
    open: Arc<Open>,
    address: IpAddr,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut by_address = self.open.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = by_address.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                by_address.remove(&self.address);
            }
        }
        drop(by_address);
        self.open.count.send_modify(|count| *count -= 1);
        self.open.metrics.connection(-1);
    }
}

/// A stream that fails when no byte has moved for a while.
struct Watched<S> {
    stream: S,
    timeout: Duration,
    deadline: Pin<Box<Sleep>>,
    last: TokioInstant,
}

impl<S> Watched<S> {
    fn new(stream: S, timeout: Duration) -> Self {
        Self { stream, timeout, deadline: Box::pin(tokio::time::sleep(timeout)), last: TokioInstant::now() }
    }

    /// What a poll gave: progress is noted, and waiting is allowed until the deadline.
    fn watch<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.last = TokioInstant::now();
            return polled;
        }
        while self.deadline.as_mut().poll(cx).is_ready() {
            // The timer is moved only when it fires: once per timeout, not once per byte.
            let due = self.last + self.timeout;
            if due <= TokioInstant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.deadline.as_mut().reset(due);
        }
        Poll::Pending
    }
}

impl<S: Read + Unpin> Read for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.watch(polled, cx)
    }
}

impl<S: Write + Unpin> Write for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(polled, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(polled, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::metrics::Metrics;

    const LIMITS: Limits = Limits {
        header_read_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(10),
        connections_max: 100,
        connections_per_address_max: 100,
    };

    #[test]
    fn addresses_are_counted_as_the_quota_counts_them() {
        let limits = Limits { connections_per_address_max: 1, ..LIMITS };
        let open = Arc::new(Open::new(limits, Metrics::new("log").http().clone()));
        let admit = |address: &str| open.admit(address.parse().unwrap());
        let first = admit("2001:db8::1").unwrap();
        assert!(admit("2001:db8::2").is_none(), "the same subscriber");
        let other = admit("2001:db8:0:1::1").unwrap();
        drop(first);
        assert!(admit("2001:db8::2").is_some());
        let v4 = admit("192.0.2.1").unwrap();
        assert!(admit("::ffff:192.0.2.1").is_none());
        assert_eq!(*open.count.borrow(), 2);
        drop((other, v4));
        assert!(open.by_address.lock().unwrap().is_empty());
    }

    /// Whoever is connected when the server is told to stop gets an answer, although nobody had accepted yet.
    #[tokio::test]
    async fn the_backlog_is_answered_when_the_server_stops() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        for _ in 0..16 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            clients.push(client);
        }
        let (_stop, stopped) = watch::channel(true);
        let router = Router::new().route("/x", axum::routing::get(async || "answer"));
        let served = Served { router, label: |_| "/x", metrics: Metrics::new("log").http().clone() };
        serve(listener, served, LIMITS, stopped).await;
        for mut client in clients {
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("answer"), "{answer:?}");
        }
        assert!(TcpStream::connect(address).await.is_err());
    }
}
