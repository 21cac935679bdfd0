//! The HTTP client of `semper stamp`, `prove`, of a server towards its witnesses, and of the tests: HTTP with or without
//! TLS, kept-alive connections, bounded answers, one time limit for each request.
//!
//! Strict about what it takes, because its caller writes evidence: a timestamp answer counts only with status 200 and
//! exactly the content type of RFC 3161 §3.4. What an answer says is the caller's to verify; this file knows no ASN.1.
//!
//! Out of scope: retries (the caller knows whether its request may be made twice), redirects (a timestamping service that
//! moved is a matter for people).

mod fault;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_openssl::client::legacy::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use semper_ledger::witness::{AddCheckpoint, SIZE_TYPE};
use semper_ttp::digest::Digest;

pub use self::fault::ClientError;
use crate::{
    log_source::gunzip,
    problem::{NO_WITNESSES, NOT_WITNESSED},
    tls::{self, ClientIdentity, ClientTrust},
};

/// Longest answer, bytes: a token with its chain is below 8 KiB, an entry bundle of 256 entries below 64 KiB.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Longest wait for a connection.
const CONNECT_SECS: u64 = 5;
/// Longest wait for a whole answer, connection included.
const ANSWER_SECS: u64 = 30;
/// How long an unused connection is kept: less than servers keep theirs (ours 10 s: `limits.header_read_timeout_secs`), so
/// that we rarely write into one that is being closed.
const IDLE_SECS: u64 = 5;
/// How much of an error's text is shown.
const TEXT_CHARS_MAX: usize = 300;

const JSON: &str = "application/json";
const JOSE: &str = "application/jose";
/// RFC 9457 §6.1.
const PROBLEM: &str = "application/problem+json";
const TIMESTAMP_QUERY: &str = "application/timestamp-query";
const TIMESTAMP_REPLY: &str = "application/timestamp-reply";

/// How an entry is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// By its digest: SHA-256 of the artefact.
    Digest(Digest),
    /// By its index.
    Index(u64),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::Digest(digest) => write!(f, "digest={digest}"),
            Which::Index(index) => write!(f, "index={index}"),
        }
    }
}

/// The form of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// C2SP tlog-proof, text.
    TlogProof,
    /// COSE Receipt (RFC 9942).
    Cose,
}

impl Form {
    fn media_type(self) -> &'static str {
        match self {
            Form::TlogProof => "text/plain",
            Form::Cose => "application/cose",
        }
    }
}

/// What a witness said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cosigned {
    /// Signature lines, of which nothing is verified.
    Lines(String),
    /// It cosigned another size last.
    Conflict {
        /// That size, which nobody signed.
        size: u64,
    },
}

/// A client of one server. Clones share its connections. Needs a tokio runtime with I/O and time.
#[derive(Clone, Debug)]
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    scheme: Scheme,
    server: http::uri::Authority,
    prefix: String,
    answer_limit: Duration,
    answer_bytes_max: usize,
    prefers_later: bool,
}

impl Client {
    /// A client of the server at `base_url`, `http[s]://HOST[:PORT][/PREFIX]`. Connects to nothing yet.
    ///
    /// # Errors
    /// [`ClientError::Url`], [`ClientError::Tls`].
    pub fn new(base_url: &str) -> Result<Self, ClientError> {
        Self::made(base_url, None, None)
    }

    /// The same for a service that is known by its own root, and by nobody else whom the machine trusts.
    ///
    /// # Errors
    /// [`ClientError::Url`], also for a URL without TLS; [`ClientError::Tls`].
    pub fn with_trust(base_url: &str, trust: &ClientTrust) -> Result<Self, ClientError> {
        Self::over_tls(base_url, Self::made(base_url, Some(trust), None)?)
    }

    /// The same as somebody whom the service knows.
    ///
    /// # Errors
    /// [`ClientError::Url`], also for a URL without TLS; [`ClientError::Tls`].
    pub fn with_identity(base_url: &str, identity: &ClientIdentity) -> Result<Self, ClientError> {
        Self::over_tls(base_url, Self::made(base_url, Some(identity.trust()), Some(identity))?)
    }

    fn over_tls(base_url: &str, client: Self) -> Result<Self, ClientError> {
        if client.scheme == Scheme::HTTPS { Ok(client) } else { Err(ClientError::NoTls { url: base_url.to_owned() }) }
    }

    fn made(
        base_url: &str,
        trust: Option<&ClientTrust>,
        identity: Option<&ClientIdentity>,
    ) -> Result<Self, ClientError> {
        let fault = || ClientError::Url { url: base_url.to_owned() };
        let uri = Uri::from_str(base_url.trim()).map_err(|_| fault())?;
        let scheme = uri.scheme().filter(|scheme| [&Scheme::HTTP, &Scheme::HTTPS].contains(scheme)).cloned();
        let scheme = scheme.ok_or_else(fault)?;
        let server = uri.authority().cloned().filter(|server| !server.as_str().contains('@')).ok_or_else(fault)?;
        if uri.query().is_some() || server.host().is_empty() {
            return Err(fault());
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(CONNECT_SECS)));
        // Requests are one small write each; waiting for more would cost a round trip.
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_SECS))
            .build(
                tls::client::connector(connector, trust, identity)
                    .map_err(|fault| ClientError::Tls { why: fault.to_string() })?,
            );
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let answer_limit = Duration::from_secs(ANSWER_SECS);
        Ok(Self {
            http,
            scheme,
            server,
            prefix,
            answer_limit,
            answer_bytes_max: ANSWER_BYTES_MAX,
            prefers_later: false,
        })
    }

    /// The same server, everything below `path`, which begins with a slash.
    #[must_use]
    pub fn below(mut self, path: &str) -> Self {
        self.prefix.push_str(path);
        self
    }

    /// Another bound for the bytes of an answer; [`ANSWER_BYTES_MAX`] by default.
    #[must_use]
    pub fn with_answer_bytes(mut self, bytes_max: usize) -> Self {
        self.answer_bytes_max = bytes_max;
        self
    }

    /// Another limit for a whole answer; 30 s by default.
    #[must_use]
    pub fn with_answer_limit(mut self, limit: Duration) -> Self {
        self.answer_limit = limit;
        self
    }

    /// Would rather have answers later than wait for them (RFC 7240 §4.1).
    #[must_use]
    pub fn preferring_later(mut self) -> Self {
        self.prefers_later = true;
        self
    }

    /// Host and port.
    #[must_use]
    pub fn server(&self) -> &str {
        self.server.as_str()
    }

    /// Posts a TimeStampReq to `path` (`/tsa`, `/tsa/rsa`); gives the TimeStampResp, of which nothing is verified.
    ///
    /// # Errors
    /// [`ClientError`]; rejections (RFC 3161 §2.4.2) are answers, not errors.
    pub async fn timestamp(&self, path: &str, query: Vec<u8>) -> Result<Bytes, ClientError> {
        let request = self
            .request(Method::POST, path)?
            .header(CONTENT_TYPE, TIMESTAMP_QUERY)
            .header(ACCEPT, TIMESTAMP_REPLY)
            .body(Full::from(query));
        let (headers, body) = self.send(request).await.map_err(|error| match error {
            ClientError::NotFound { .. } => {
                ClientError::NoService { url: format!("{}://{}{}{path}", self.scheme, self.server, self.prefix) }
            }
            error => error,
        })?;
        match content_type(&headers) {
            TIMESTAMP_REPLY => Ok(body),
            found => Err(ClientError::ContentType { expected: TIMESTAMP_REPLY, found: found.to_owned() }),
        }
    }

    /// The receipt of an entry.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::NotFound`] if the ledger has no such entry.
    pub async fn inclusion(&self, which: Which, form: Form) -> Result<Bytes, ClientError> {
        let expected = form.media_type();
        let request = self
            .request(Method::GET, &format!("/ledger/proof/inclusion?{which}"))?
            .header(ACCEPT, expected)
            .body(Full::default());
        let (headers, body) = self.send(request).await?;
        of_type(expected, &headers, body)
    }

    /// The receipt of an entry, a tlog-proof, under a checkpoint that a quorum of the ledger's witnesses has cosigned. The server
    /// waits for one as long as its settings say, and this client for `wait` at most.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::NotWitnessed`], [`ClientError::NoWitnesses`].
    pub async fn witnessed(&self, which: Which, wait: Duration) -> Result<Bytes, ClientError> {
        let expected = Form::TlogProof.media_type();
        let patient = self.clone().with_answer_limit(wait);
        let request = patient
            .request(Method::GET, &format!("/ledger/proof/inclusion?{which}&wait=witnessed"))?
            .header(ACCEPT, expected)
            .body(Full::default());
        let (status, headers, body) = patient.exchange(request).await?;
        match (status, str::from_utf8(&body).map(str::trim)) {
            (StatusCode::SERVICE_UNAVAILABLE, Ok(NOT_WITNESSED)) => return Err(ClientError::NotWitnessed),
            (StatusCode::BAD_REQUEST, Ok(NO_WITNESSES)) => return Err(ClientError::NoWitnesses),
            _ => {}
        }
        let (headers, body) = judge(status, headers, body)?;
        of_type(expected, &headers, body)
    }

    /// The newest checkpoint: a signed note, not verified.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn checkpoint(&self) -> Result<String, ClientError> {
        text(self.get("/ledger/checkpoint").await?)
    }

    /// Anything else: path and query, from the root of the server. A body that comes compressed, which logs may do
    /// unasked (tlog-tiles), is unpacked.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get(&self, path: &str) -> Result<Bytes, ClientError> {
        let request = self.request(Method::GET, path)?.body(Full::default());
        let (headers, body) = self.send(request).await?;
        match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
            None | Some(b"identity") => Ok(body),
            Some(b"gzip") => gunzip(&body, self.answer_bytes_max).ok_or(ClientError::Packed),
            Some(_) => Err(ClientError::Packed),
        }
    }

    /// What a server does when it is asked to, by this method and without a body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn call(&self, method: Method, path: &str) -> Result<Bytes, ClientError> {
        let request = self.request(method, path)?.body(Full::default());
        self.send(request).await.map(|(_, body)| body)
    }

    /// Reads JSON below `/v1`.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Refused`] with the server's reason.
    pub async fn get_json(&self, path: &str) -> Result<Bytes, ClientError> {
        let request = self.request(Method::GET, path)?.header(ACCEPT, JSON).body(Full::default());
        self.exchange_json(request).await
    }

    /// Posts JSON below `/v1`. Whoever repeats it with the same idempotency key gets the same answer, and nothing is done twice.
    ///
    /// # Errors
    /// As [`Self::get_json`].
    pub async fn post_json(&self, path: &str, idempotency_key: &str, body: Vec<u8>) -> Result<Bytes, ClientError> {
        let request = self
            .request(Method::POST, path)?
            .header(CONTENT_TYPE, JSON)
            .header("idempotency-key", idempotency_key)
            .body(Full::from(body));
        self.exchange_json(request).await
    }

    /// Posts a statement (JWS) below `/v1`, as [`Self::post_json`].
    ///
    /// # Errors
    /// As [`Self::get_json`].
    pub async fn post_jose(&self, path: &str, idempotency_key: &str, statement: Vec<u8>) -> Result<Bytes, ClientError> {
        let request = self
            .request(Method::POST, path)?
            .header(CONTENT_TYPE, JOSE)
            .header("idempotency-key", idempotency_key)
            .body(Full::from(statement));
        self.exchange_json(request).await
    }

    /// Reads a document below `/v1` of another type than JSON.
    ///
    /// # Errors
    /// As [`Self::get_json`].
    pub async fn get_of_type(&self, path: &str, media_type: &'static str) -> Result<Bytes, ClientError> {
        let request = self.request(Method::GET, path)?.body(Full::default());
        let (status, headers, body) = self.exchange(request).await?;
        if status.is_success() { of_type(media_type, &headers, body) } else { refused_by(status, headers, body) }
    }

    /// Posts what is neither JSON nor a statement, and reads an answer of the same type: RFC 3029 (§9.3).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post_of_type(
        &self,
        path: &str,
        media_type: &'static str,
        body: Vec<u8>,
    ) -> Result<Bytes, ClientError> {
        let request = self.request(Method::POST, path)?.header(CONTENT_TYPE, media_type).body(Full::from(body));
        let (headers, body) = self.send(request).await?;
        of_type(media_type, &headers, body)
    }

    async fn exchange_json(&self, request: http::Result<Request<Full<Bytes>>>) -> Result<Bytes, ClientError> {
        let (status, headers, body) = self.exchange(request).await?;
        // Also 201, for what was made.
        if status.is_success() { of_type(JSON, &headers, body) } else { refused_by(status, headers, body) }
    }

    /// Asks a witness whose submission prefix is this client's URL for a cosignature.
    ///
    /// # Errors
    /// [`ClientError`], also for every refusal but a conflict.
    pub async fn add_checkpoint(&self, request: &AddCheckpoint) -> Result<Cosigned, ClientError> {
        let body = Full::from(request.to_string());
        let (status, headers, body) = self.exchange(self.request(Method::POST, "/add-checkpoint")?.body(body)).await?;
        if status == StatusCode::CONFLICT && content_type(&headers) == SIZE_TYPE {
            let size = str::from_utf8(&body).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok());
            let size = size.ok_or_else(|| ClientError::Status { status: status.as_u16(), text: shown(&body) })?;
            return Ok(Cosigned::Conflict { size });
        }
        let (_, body) = judge(status, headers, body)?;
        Ok(Cosigned::Lines(text(body)?))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Result<http::request::Builder, ClientError> {
        let path = format!("{}{path}", self.prefix);
        let fault = || ClientError::Url { url: format!("{}://{}{path}", self.scheme, self.server) };
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.server.clone())
            .path_and_query(PathAndQuery::from_str(&path).map_err(|_| fault())?)
            .build()
            .map_err(|_| fault())?;
        let request = Request::builder().method(method).uri(uri);
        Ok(if self.prefers_later { request.header("prefer", "respond-async") } else { request })
    }

    async fn send(&self, request: http::Result<Request<Full<Bytes>>>) -> Result<(HeaderMap, Bytes), ClientError> {
        let (status, headers, body) = self.exchange(request).await?;
        judge(status, headers, body)
    }

    pub(crate) async fn exchange(
        &self,
        request: http::Result<Request<Full<Bytes>>>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), ClientError> {
        // Built from a checked URI and constant header values.
        let request = request.map_err(|_| ClientError::Url { url: self.server.to_string() })?;
        let answer = async {
            let response = self.http.request(request).await.map_err(|error| {
                let (server, why) = (self.server.to_string(), root_cause(&error));
                if error.is_connect() {
                    ClientError::Unreachable { server, why }
                } else {
                    ClientError::Broken { server, why }
                }
            })?;
            let (head, body) = response.into_parts();
            let bytes_max = self.answer_bytes_max;
            let body = Limited::new(body, bytes_max).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    ClientError::TooLong { bytes_max }
                } else {
                    ClientError::Broken { server: self.server.to_string(), why: error.to_string() }
                }
            })?;
            Ok((head.status, head.headers, body.to_bytes()))
        };
        let timed_out =
            |_| ClientError::TimedOut { server: self.server.to_string(), secs: self.answer_limit.as_secs() };
        tokio::time::timeout(self.answer_limit, answer).await.map_err(timed_out)?
    }
}

fn judge(status: StatusCode, headers: HeaderMap, body: Bytes) -> Result<(HeaderMap, Bytes), ClientError> {
    match status {
        StatusCode::OK => Ok((headers, body)),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            // The other form of Retry-After, a date, would need a clock; none of our servers sends it.
            let retry_after_secs = headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
            Err(ClientError::Busy { retry_after_secs })
        }
        StatusCode::NOT_FOUND => Err(ClientError::NotFound { text: shown(&body) }),
        other => Err(ClientError::Status { status: other.as_u16(), text: shown(&body) }),
    }
}

/// Why there is no document: in the words of problem details where the answer is that.
fn refused_by(status: StatusCode, headers: HeaderMap, body: Bytes) -> Result<Bytes, ClientError> {
    if content_type(&headers) == PROBLEM {
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| shown(problem[name].as_str().unwrap_or_default().as_bytes());
        let refused = ClientError::Refused { status: status.as_u16(), code: text("code"), detail: text("detail") };
        return Err(judge(status, headers, body).err().filter(is_busy).unwrap_or(refused));
    }
    judge(status, headers, body).map(|(_, body)| body)
}

fn is_busy(error: &ClientError) -> bool {
    matches!(error, ClientError::Busy { .. })
}

/// A body of the content type that was asked for. Unlike a timestamp answer, text may say its character set.
fn of_type(expected: &'static str, headers: &HeaderMap, body: Bytes) -> Result<Bytes, ClientError> {
    let found = content_type(headers);
    match found.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected) {
        true => Ok(body),
        false => Err(ClientError::ContentType { expected, found: found.to_owned() }),
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Text of a stranger for a terminal: short, without control characters.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.trim().chars().take(TEXT_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn text(body: Bytes) -> Result<String, ClientError> {
    String::from_utf8(body.into()).map_err(|_| ClientError::NotText)
}

/// The innermost message: "Connection refused" says more than "client error (Connect)".
pub(crate) fn root_cause(error: &legacy::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn urls() {
        for (url, server, prefix) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", ""),
            ("http://tsa.example/", "tsa.example", ""),
            ("http://[::1]:80/a/b/", "[::1]:80", "/a/b"),
            (" http://localhost:1\n", "localhost:1", ""),
        ] {
            let client = Client::new(url).unwrap();
            assert_eq!((client.server(), client.prefix.as_str()), (server, prefix), "{url}");
        }
        for url in [
            "",
            "localhost:8080",
            "ftp://h",
            "http://",
            "http:///x",
            "http://u:p@h",
            "http://h?q",
            "/tsa",
            "http://a b",
        ] {
            assert_eq!(Client::new(url).unwrap_err(), ClientError::Url { url: url.into() }, "{url}");
        }
        let client = Client::new("https://tsa.example/x").unwrap();
        assert_eq!((&client.scheme, client.server(), &*client.prefix), (&Scheme::HTTPS, "tsa.example", "/x"));
    }

    /// Reads one request with a body of `Content-Length`; gives head and body, or `None` at the end.
    async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        while bytes.len() < end + length {
            assert_ne!(stream.read_buf(&mut bytes).await.ok()?, 0);
        }
        Some((head, bytes[end..].to_vec()))
    }

    /// A server that gives `answer` to every request; and what it was asked, one string for each connection.
    async fn server(answer: Vec<u8>) -> (Client, tokio::sync::mpsc::UnboundedReceiver<(u64, String, Vec<u8>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, seen) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                connection += 1;
                let (asked, answer) = (asked.clone(), answer.clone());
                tokio::spawn(async move {
                    while let Some((head, body)) = read_request(&mut stream).await {
                        let _ = asked.send((connection, head, body));
                        let _ = stream.write_all(&answer).await;
                        if answer.is_empty() {
                            return;
                        }
                    }
                });
            }
        });
        (Client::new(&format!("http://{address}/base")).unwrap(), seen)
    }

    fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    const REPLY: &str = "content-type: application/timestamp-reply\r\n";

    #[tokio::test]
    async fn a_timestamp_is_posted_as_rfc_3161_says_and_connections_are_reused() {
        let (client, mut seen) = server(http("200 OK", REPLY, b"answer")).await;
        for _ in 0..3 {
            assert_eq!(client.timestamp("/tsa/rsa", b"query".to_vec()).await.unwrap(), "answer");
            let (connection, head, body) = seen.recv().await.unwrap();
            assert_eq!((connection, body), (1, b"query".to_vec()));
            assert!(head.starts_with("post /base/tsa/rsa http/1.1\r\n"), "{head}");
            assert!(head.contains("\r\ncontent-type: application/timestamp-query\r\n"), "{head}");
            assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
        }
    }

    #[tokio::test]
    async fn only_200_with_exactly_the_right_type_is_a_timestamp() {
        let status = |status, text: &str| ClientError::Status { status, text: text.into() };
        let busy = |retry_after_secs| ClientError::Busy { retry_after_secs };
        let typed = |found: &str| ClientError::ContentType { expected: TIMESTAMP_REPLY, found: found.into() };
        let endless = [&b"HTTP/1.1 200 OK\r\ncontent-length: 1048577\r\n\r\n"[..], &vec![b'x'; 1_048_577]].concat();
        for (answer, expected) in [
            (http("201 Created", REPLY, b""), status(201, "")),
            (http("415 No", "", b"wrong\x1b[31m type"), status(415, "wrong [31m type")),
            (http("302 Found", "location: /x\r\n", b""), status(302, "")),
            (http("429 Slow", &format!("retry-after: 7\r\n{REPLY}"), b"body"), busy(Some(7))),
            (http("503 Stop", "", b""), busy(None)),
            (http("503 Stop", "retry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n", b""), busy(None)),
            (http("200 OK", "", b"x"), typed("")),
            (
                http("200 OK", "content-type: application/timestamp-reply; charset=utf-8\r\n", b"x"),
                typed("application/timestamp-reply; charset=utf-8"),
            ),
            (endless, ClientError::TooLong { bytes_max: ANSWER_BYTES_MAX }),
        ] {
            let (client, _seen) = server(answer).await;
            assert_eq!(client.timestamp("/tsa", vec![1]).await.unwrap_err(), expected);
        }
        let (client, _seen) = server(http("404 No", "", b"nothing")).await;
        let url = format!("http://{}/base/tsa", client.server());
        assert_eq!(client.timestamp("/tsa", vec![1]).await.unwrap_err(), ClientError::NoService { url });
        let not_found = ClientError::NotFound { text: "nothing".into() };
        assert_eq!(client.checkpoint().await.unwrap_err(), not_found);
    }

    #[tokio::test]
    async fn proofs_are_asked_for_in_the_form_wanted() {
        let digest = Digest([0xAB; 32]);
        let hex = "ab".repeat(32);
        for (which, form, line, header, accept) in [
            (
                Which::Digest(digest),
                Form::TlogProof,
                format!("digest={hex}"),
                "text/plain; charset=utf-8",
                "text/plain",
            ),
            (Which::Index(7), Form::Cose, "index=7".into(), "application/cose", "application/cose"),
        ] {
            let (client, mut seen) = server(http("200 OK", &format!("content-type: {header}\r\n"), b"proof")).await;
            assert_eq!(client.inclusion(which, form).await.unwrap(), "proof");
            let (_, head, _) = seen.recv().await.unwrap();
            assert!(head.starts_with(&format!("get /base/ledger/proof/inclusion?{line} http/1.1")), "{head}");
            assert!(head.contains(&format!("\r\naccept: {accept}\r\n")), "{head}");
            let other = if form == Form::Cose { Form::TlogProof } else { Form::Cose };
            let refused = client.inclusion(which, other).await.unwrap_err();
            assert!(matches!(refused, ClientError::ContentType { .. }), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_checkpoint_is_text() {
        let (client, mut seen) = server(http("200 OK", "", "böse\n".as_bytes())).await;
        assert_eq!(client.checkpoint().await.unwrap(), "böse\n");
        assert!(seen.recv().await.unwrap().1.starts_with("get /base/ledger/checkpoint "));
        let (client, _seen) = server(http("200 OK", "", &[0xFF])).await;
        assert_eq!(client.checkpoint().await.unwrap_err(), ClientError::NotText);
        assert_eq!(client.get("/x").await.unwrap(), &[0xFF][..]);
    }

    #[tokio::test]
    async fn unreachable_broken_and_late_are_told_apart() {
        // A port that was ours a moment ago and that nobody listens on.
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let refused = Client::new(&format!("http://{port}")).unwrap().get("/").await.unwrap_err();
        assert!(matches!(refused, ClientError::Unreachable { .. }), "{refused}");

        let (client, _seen) = server(Vec::new()).await;
        let broken = client.get("/").await.unwrap_err();
        assert!(matches!(broken, ClientError::Broken { .. }), "{broken}");
        let (client, _seen) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec()).await;
        let late = client.with_answer_limit(Duration::from_millis(20)).get("/").await.unwrap_err();
        assert!(matches!(late, ClientError::TimedOut { .. }), "{late}");
    }

    #[tokio::test]
    async fn a_witness_answers_with_lines_or_a_size() {
        let request = AddCheckpoint { old: 7, proof: vec![[0; 32]], note: "a note".into() };
        let ask = async |answer: Vec<u8>| server(answer).await.0.add_checkpoint(&request).await;
        assert_eq!(ask(http("200 OK", "", b"lines")).await, Ok(Cosigned::Lines("lines".into())));
        let sized = "content-type: text/x.tlog.size\r\n";
        assert_eq!(ask(http("409 No", sized, b"12\n")).await, Ok(Cosigned::Conflict { size: 12 }));
        for (answer, status) in [
            (http("409 No", sized, b"12"), 409),
            (http("409 No", "", b"12\n"), 409),
            (http("409 No", sized, b"-1\n"), 409),
            (http("422 No", "", b"x"), 422),
            (http("403 No", "", b"x"), 403),
        ] {
            let refused = ask(answer).await.unwrap_err();
            assert!(matches!(refused, ClientError::Status { status: found, .. } if found == status), "{refused}");
        }
        let (client, mut seen) = server(http("200 OK", "", b"")).await;
        client.add_checkpoint(&request).await.unwrap();
        let (_, head, body) = seen.recv().await.unwrap();
        assert!(head.starts_with("post /base/add-checkpoint http/1.1\r\n"), "{head}");
        assert_eq!(AddCheckpoint::parse(&body).unwrap(), request);
    }
}
