//! A small HTTP/1.1 client that shows its bytes: for requests that no decent client sends, and for load.
//!
//! Writes what it is given and reads answers one by one, so it can pipeline, stop half-way, or trickle. It judges
//! nothing: what a status should be is the test's matter.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslStream};
use semper_ledger::entry::Entry;
use semper_ledger::receipt::tlog_proof::TlogProof;

use crate::tls;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header that stands there once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let (first, second) = (found.next(), found.next());
        assert!(second.is_none(), "{name} stands twice: {self:?}");
        first
    }

    /// The body as text; bytes that are none are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection.
pub struct Connection {
    stream: BufReader<Line>,
    host: SocketAddr,
}

/// What a connection runs over.
enum Line {
    Plain(TcpStream),
    Tls(Box<SslStream<TcpStream>>),
}

impl Line {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref(),
        }
    }
}

impl io::Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// How long a peer may be silent before a test gives it up: long for two busy cores.
const SILENCE_MAX: Duration = Duration::from_secs(60);

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    pub fn open(host: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: BufReader::new(Line::Plain(connect(host)?)), host })
    }

    /// Opens one over TLS.
    ///
    /// # Errors
    /// As [`TcpStream::connect`], or the handshake failed.
    pub fn open_tls(host: SocketAddr, client: &SslConnector) -> io::Result<Self> {
        let stream = tls::shake_hands(client, host, connect(host)?)?;
        Ok(Self { stream: BufReader::new(Line::Tls(Box::new(stream))), host })
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// As [`io::Write::write_all`].
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// A whole request, and its answer.
    ///
    /// # Errors
    /// As [`Connection::response`].
    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Response> {
        let bytes = request(self.host, method, path, headers, body);
        // A server that has seen enough answers and closes while a long body is still on its way.
        let cut = match self.send(&bytes) {
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                Some(error)
            }
            sent => {
                sent?;
                None
            }
        };
        self.response(method == "HEAD").map_err(|error| cut.unwrap_or(error))
    }

    /// GET.
    ///
    /// # Errors
    /// As [`Connection::response`].
    pub fn get(&mut self, path: &str) -> io::Result<Response> {
        self.request("GET", path, &[], &[])
    }

    /// Reads one answer; interim ones (1xx) are passed over. `head_only`: a body is announced but does not follow.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionAborted`] if the server closed before the first byte of an answer,
    /// [`io::ErrorKind::UnexpectedEof`] if within one, [`io::ErrorKind::InvalidData`] if it is no HTTP.
    pub fn response(&mut self, head_only: bool) -> io::Result<Response> {
        loop {
            let response = self.one_response(head_only)?;
            if response.status >= 200 {
                return Ok(response);
            }
        }
    }

    /// Reads the head of an interim answer, such as 100.
    ///
    /// # Errors
    /// As [`Connection::response`].
    pub fn interim(&mut self) -> io::Result<u16> {
        Ok(self.one_response(true)?.status)
    }

    fn one_response(&mut self, head_only: bool) -> io::Result<Response> {
        let status_line = self.line(true)?;
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status: u16 = status.ok_or_else(|| invalid(&status_line))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line(false)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        if head_only || status < 200 || status == 204 || status == 304 {
            return Ok(response);
        }
        if response.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.line(false)?;
                let size = usize::from_str_radix(&line, 16).map_err(|_| invalid(&line))?;
                self.exactly(size, &mut response.body)?;
                let end = self.line(false)?;
                if !end.is_empty() {
                    return Err(invalid(&end));
                }
                if size == 0 {
                    return Ok(response);
                }
            }
        }
        match response.header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) => self.exactly(length, &mut response.body)?,
            Some(Err(_)) => return Err(invalid("content-length")),
            None => {
                self.stream.read_to_end(&mut response.body)?;
            }
        }
        Ok(response)
    }

    fn exactly(&mut self, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
        let start = body.len();
        body.resize(start + length, 0);
        self.stream.read_exact(&mut body[start..])
    }

    fn line(&mut self, first: bool) -> io::Result<String> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        match read {
            Ok(0) if first => return Err(io::ErrorKind::ConnectionAborted.into()),
            Err(error) if first && line.is_empty() && is_closed(&error) => {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            other => other?,
        };
        let line = line.strip_suffix(b"\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        String::from_utf8(line.to_vec()).map_err(|_| invalid("not text"))
    }

    /// Reads until the server closes; gives what it still said.
    ///
    /// # Errors
    /// It does not close.
    pub fn until_closed(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Err(error) if !is_closed(&error) => Err(error),
            _ => Ok(rest),
        }
    }

    /// Sends `piece` again and again, each after a span in which the server said nothing, until it closes. What it said,
    /// and how long it took; `None` if it still listens after `limit`.
    ///
    /// # Errors
    /// Of the socket, other than its end.
    pub fn trickle_until_closed(&mut self, piece: &[u8], limit: Duration) -> io::Result<Option<(Vec<u8>, Duration)>> {
        let start = Instant::now();
        // The pause between two pieces is the time that we are ready to listen in.
        self.stream.get_ref().socket().set_read_timeout(Some(Duration::from_millis(50)))?;
        let mut said = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(Some((said, start.elapsed()))),
                Ok(n) => {
                    said.extend_from_slice(&buffer[..n]);
                    continue;
                }
                Err(error) if is_closed(&error) => return Ok(Some((said, start.elapsed()))),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
            if start.elapsed() > limit {
                return Ok(None);
            }
            // A refused write will show as an end at the next read.
            let _ = self.send(piece);
        }
    }
}

fn connect(host: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&host, SILENCE_MAX)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The bytes of a request.
#[must_use]
pub fn request(host: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        bytes += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
        bytes += &format!("Content-Length: {}\r\n", body.len());
    }
    bytes += "\r\n";
    [bytes.as_bytes(), body].concat()
}

/// Every entry of a server's log, each by the proof that it gives of it.
///
/// # Panics
/// The log does not answer as it should.
#[must_use]
pub fn entries(host: SocketAddr) -> Vec<Entry> {
    let mut connection = Connection::open(host).expect("the server listens");
    let note = connection.get("/ledger/checkpoint").expect("the checkpoint").text();
    let size: u64 = note.lines().nth(1).and_then(|line| line.parse().ok()).expect("the size");
    let mut entry = |index| {
        let answer = connection.get(&format!("/ledger/proof/inclusion?index={index}")).expect("a proof");
        let proof = TlogProof::parse(&answer.text()).expect("a tlog-proof");
        Entry::decode(&proof.extra.expect("with its entry")).expect("an entry")
    };
    (0..size).map(&mut entry).collect()
}

/// One request on a connection of its own.
///
/// # Panics
/// There is no answer.
#[must_use]
pub fn get(host: SocketAddr, path: &str) -> Response {
    let answer = Connection::open(host).and_then(|mut connection| connection.get(path));
    answer.unwrap_or_else(|error| panic!("GET {path}: {error}"))
}

/// The server, or its kernel, has ended the connection.
#[must_use]
pub fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::NotConnected
    )
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what:?}"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What the client reads when a server sends exactly this and closes.
    fn read(answer: &'static [u8]) -> io::Result<Response> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            peer.write_all(answer).unwrap();
        });
        let outcome = Connection::open(host).unwrap().response(false);
        server.join().unwrap();
        outcome
    }

    #[test]
    fn answers_are_read_and_half_ones_are_not() {
        let whole =
            read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\nabc").unwrap();
        assert_eq!((whole.status, whole.header("x"), &*whole.body), (200, Some("y"), &b"ab"[..]));
        let chunked =
            read(b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n").unwrap();
        assert_eq!(chunked.text(), "abcd");
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n\r\nall").unwrap().text(), "all");
        for (bytes, kind) in [
            (&b""[..], io::ErrorKind::ConnectionAborted),
            (b"HTTP/1.1 200 OK\r\nContent-Le", io::ErrorKind::UnexpectedEof),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", io::ErrorKind::UnexpectedEof),
            (b"HELLO\r\n", io::ErrorKind::InvalidData),
        ] {
            assert_eq!(read(bytes).unwrap_err().kind(), kind, "{bytes:?}");
        }
    }
}
