//! Why a request has no answer that its caller can use.

/// Why there is no answer to use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The URL is not one that this client can use.
    #[error("{url}: the server's URL must look like http://HOST:PORT or https://HOST")]
    Url {
        /// As given.
        url: String,
    },
    /// A client with a certificate can show it over TLS only.
    #[error("{url}: this is asked over TLS: the server's URL must look like https://HOST:PORT")]
    NoTls {
        /// As given.
        url: String,
    },
    /// The server says no, and why (RFC 9457).
    #[error("the server refuses ({code}): {detail}")]
    Refused {
        /// The status.
        status: u16,
        /// Its page is `/problems/<code>`.
        code: String,
        /// What is special about it this time.
        detail: String,
    },
    /// libcrypto gives no TLS.
    #[error("no TLS: {why}")]
    Tls {
        /// What it said.
        why: String,
    },
    /// No connection: refused, no such host, no route, or not in time.
    #[error("cannot reach {server}: {why}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// What the system said.
        why: String,
    },
    /// A connection that ended before the whole answer was there. Whether the request was carried out is not known.
    #[error("the connection to {server} broke before the answer was complete: {why}")]
    Broken {
        /// Host and port.
        server: String,
        /// What the system said.
        why: String,
    },
    /// No whole answer in time. Whether the request was carried out is not known.
    #[error("{server} did not answer within {secs} s")]
    TimedOut {
        /// Host and port.
        server: String,
        /// The limit, seconds.
        secs: u64,
    },
    /// Status 429 or 503.
    #[error("the server is busy{}", retry_text(.retry_after_secs))]
    Busy {
        /// Its Retry-After, seconds, if it gave a number.
        retry_after_secs: Option<u64>,
    },
    /// Witnesses were asked for, and no quorum of them has cosigned yet.
    #[error("no quorum of the ledger's witnesses has cosigned it yet")]
    NotWitnessed,
    /// Witnesses were asked for, and the ledger has none.
    #[error("this service has no witnesses whose cosignatures could be had (nor has one for reading only)")]
    NoWitnesses,
    /// Status 404: the server does not have it.
    #[error("the server does not have it, or its URL is another: {text}")]
    NotFound {
        /// The answer's text.
        text: String,
    },
    /// Status 404 for what every server of ours has.
    #[error("there is no timestamping service at {url}: is the server's URL right?")]
    NoService {
        /// Where it was looked for.
        url: String,
    },
    /// Any other status than 200.
    #[error("the server answered {status}: {text}")]
    Status {
        /// The status.
        status: u16,
        /// The answer's text.
        text: String,
    },
    /// Status 200 with another content type than the request's answer has.
    #[error("the server answered with content type {found:?} instead of {expected}")]
    ContentType {
        /// What it should be.
        expected: &'static str,
        /// What it is; empty if there is none.
        found: String,
    },
    /// More than the client takes.
    #[error("the answer is longer than {bytes_max} bytes")]
    TooLong {
        /// What it takes.
        bytes_max: usize,
    },
    /// Compressed in a way that was not asked for, broken, or too long once it is unpacked.
    #[error("the answer is compressed and does not unpack, or not within bounds")]
    Packed,
    /// Text was expected.
    #[error("the answer is not UTF-8")]
    NotText,
}

fn retry_text(secs: &Option<u64>) -> String {
    secs.map_or_else(String::new, |secs| format!("; it asks to try again in {secs} s"))
}
