//! What every listener counts.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use super::register;

/// How a connection ended. What the HTTP library answers or closes by itself, without asking the router, shows here only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// As the protocol has it: by either side, between two requests.
    Closed,
    /// Beyond the limit of connections: closed before a byte was read.
    Refused,
    /// The TLS handshake failed, before any HTTP; [`TlsMetrics`](super::TlsMetrics) tells why.
    Handshake,
    /// No HTTP: answered 400.
    Malformed,
    /// A request line or headers beyond their bounds: answered 414 or 431.
    TooLarge,
    /// The client began with HTTP/2, to which any answer in HTTP/1.1 would be noise.
    Http2,
    /// No whole header in time, or no further request.
    HeaderTimeout,
    /// No byte moved for too long: a client that does not read its answer.
    IdleTimeout,
    /// The client went away in the middle of a request.
    Incomplete,
    /// The connection broke.
    Broken,
}

impl ConnectionEnd {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Closed,
        Self::Refused,
        Self::Handshake,
        Self::Malformed,
        Self::TooLarge,
        Self::Http2,
        Self::HeaderTimeout,
        Self::IdleTimeout,
        Self::Incomplete,
        Self::Broken,
    ];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Handshake => "handshake",
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::Http2 => "http2",
            Self::HeaderTimeout => "header-timeout",
            Self::IdleTimeout => "idle-timeout",
            Self::Incomplete => "incomplete",
            Self::Broken => "broken",
        }
    }
}

/// Requests and connections of a process's listeners.
#[derive(Debug)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    connections: IntGauge,
    connections_ended: IntCounterVec,
}

impl HttpMetrics {
    /// Counts that nobody reads, of a listener without a page of them.
    pub(crate) fn unread() -> Self {
        Self::new(&Registry::new())
    }

    pub(super) fn new(registry: &Registry) -> Self {
        let opts = |name: &str, help: &str| Opts::new(name, help);
        let connections_ended = register(
            registry,
            IntCounterVec::new(
                opts("semper_http_connections_ended_total", "Ended connections, by how they ended"),
                &["outcome"],
            ),
        );
        // From zero on: the first of a kind is a rise that an alert sees.
        for end in ConnectionEnd::ALL {
            connections_ended.with_label_values(&[end.name()]).inc_by(0);
        }
        Self {
            requests: register(
                registry,
                IntCounterVec::new(opts("semper_http_requests_total", "Answered requests"), &["route", "status"]),
            ),
            connections: register(registry, IntGauge::with_opts(opts("semper_http_connections", "Open connections"))),
            connections_ended,
        }
    }

    /// A request was answered.
    pub fn answered(&self, route: &str, status: u16) {
        // Three digits without an allocation for the usual ones.
        let status = match status {
            200 => "200",
            404 => "404",
            other => return self.requests.with_label_values(&[route, &other.to_string()]).inc(),
        };
        self.requests.with_label_values(&[route, status]).inc();
    }

    /// A connection was opened (+1) or closed (−1).
    pub fn connection(&self, change: i64) {
        self.connections.add(change);
    }

    /// A connection ended, or was refused.
    pub fn connection_ended(&self, end: ConnectionEnd) {
        self.connections_ended.with_label_values(&[end.name()]).inc();
    }
}
