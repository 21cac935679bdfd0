//! Servers that do not do what they should: nothing of HTTP is theirs but the bytes that a test gives them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

/// A server that never answers.
///
/// # Panics
/// There is no port.
#[must_use]
pub fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // Accepted and kept open until the tests end.
    thread::spawn(move || listener.incoming().flatten().collect::<Vec<_>>());
    address
}

/// A server that answers everything with `answer` of the request.
///
/// # Panics
/// There is no port.
#[must_use]
pub fn liar(answer: impl Fn(&str) -> String + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 65536];
            let read = stream.read(&mut request).unwrap_or(0);
            let _ = stream.write_all(answer(&String::from_utf8_lossy(&request[..read])).as_bytes());
        }
    });
    address
}

/// An answer in full; the headers end with their line ends.
#[must_use]
pub fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}
