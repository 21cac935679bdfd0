//! The load on a responder: one thread, as cheap as it can be, since it runs on the cores that it measures; and the bare handler
//! that answers beside it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use semper_api::router;
use semper_api::server::{self, Limits, Served};
use semper_ttp::asn1::der;
use semper_ttp::ca::ocsp::CertId;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::{Failed, http};
use crate::commands::running::all_the_cores;

/// Answers are this long at most.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// Where a nonce is put.
const NONCE_MARK: [u8; 32] = [0xA5; 32];

/// Of whom, for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) address: SocketAddr,
    pub(super) connections: u32,
    /// Before anything is counted.
    pub(super) warm_up: Duration,
    /// What is counted.
    pub(super) measured: Duration,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
    nonce_at: Option<usize>,
    /// Whether the answer must be an OCSPResponse that is successful.
    is_ocsp: bool,
}

fn request(id: &CertId, extensions: &[u8]) -> Vec<u8> {
    let list = der::sequence(&[&der::sequence(&[id.der()])]);
    der::sequence(&[&der::sequence(&[&list, extensions])])
}

/// By GET, without a nonce.
pub(super) fn get(id: &CertId) -> Request {
    let encoded = STANDARD.encode(request(id, &[])).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let bytes = format!("GET /ocsp/{encoded} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes();
    Request { bytes, nonce_at: None, is_ocsp: true }
}

/// The same request, to somebody whose answer is no OCSPResponse.
pub(super) fn bare(request: &Request) -> Request {
    Request { is_ocsp: false, ..request.clone() }
}

/// By POST, with a nonce that is another each time.
pub(super) fn post(id: &CertId) -> Request {
    let value = der::tlv(der::OCTET_STRING, &der::tlv(der::OCTET_STRING, &NONCE_MARK));
    let nonce = [6, 9, 0x2B, 6, 1, 5, 5, 7, 0x30, 1, 2];
    let extensions = der::tlv(0xA2, &der::sequence(&[&der::sequence(&[&nonce, &value])]));
    let body = request(id, &extensions);
    let head = "POST /ocsp HTTP/1.1\r\nhost: bench\r\ncontent-type: application/ocsp-request\r\ncontent-length: ";
    let bytes = [format!("{head}{}\r\n\r\n", body.len()).as_bytes(), &body].concat();
    let nonce_at = bytes.windows(NONCE_MARK.len()).position(|window| window == NONCE_MARK);
    Request { bytes, nonce_at, is_ocsp: true }
}

/// One answer's body.
///
/// # Errors
/// No good answer.
pub(super) fn body_of(address: SocketAddr, request: &Request) -> Result<Vec<u8>, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stream = TcpStream::connect(address).await?;
        let mut buffer = vec![0; ANSWER_BYTES_MAX];
        stream.write_all(&request.bytes).await?;
        Ok(read(&mut stream, &mut buffer, request).await?.to_vec())
    })
}

async fn read<'b>(stream: &mut TcpStream, buffer: &'b mut [u8], request: &Request) -> Result<&'b [u8], Failed> {
    let answer = http::read(stream, buffer).await?;
    // OCSPResponse: SEQUENCE, a length of two octets, ENUMERATED successful (0).
    let is_good = answer.status == 200 && (!request.is_ocsp || answer.body.get(4..7) == Some(&[0x0A, 1, 0][..]));
    if is_good {
        Ok(answer.body)
    } else {
        Err(Failed(format!("not an answer: {}, {}", answer.status, hex::encode(answer.body))))
    }
}

/// Answers a second.
///
/// # Errors
/// Any answer that is not a good one.
pub(super) fn run(load: Load, request: &Request) -> Result<f64, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let start = Instant::now() + load.warm_up;
        let end = start + load.measured;
        let mut tasks = JoinSet::new();
        for connection in 0..load.connections {
            tasks.spawn(ask(load, connection, request.clone(), start, end));
        }
        let mut answers = 0;
        while let Some(done) = tasks.join_next().await {
            answers += done??;
        }
        Ok(answers as f64 / load.measured.as_secs_f64())
    })
}

async fn ask(load: Load, connection: u32, mut request: Request, start: Instant, end: Instant) -> Result<u64, Failed> {
    let mut stream = TcpStream::connect(load.address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    let (mut answers, mut number) = (0, u64::from(connection) << 32);
    loop {
        number += 1;
        if let Some(at) = request.nonce_at {
            request.bytes[at..at + 8].copy_from_slice(&number.to_be_bytes());
        }
        stream.write_all(&request.bytes).await?;
        read(&mut stream, &mut buffer, &request).await?;
        let arrived = Instant::now();
        if arrived >= end {
            return Ok(answers);
        }
        answers += u64::from(arrived >= start);
    }
}

/// A handler that returns so many octets and does nothing else, behind the same server loop.
pub(super) struct Bare {
    pub(super) address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Bare {
    pub(super) fn start(length: usize) -> Result<Bare, Failed> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let runtime = all_the_cores()?; // as the server has

        let thread = std::thread::Builder::new().name("bare".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                let metrics = Arc::new(semper_api::metrics::Metrics::new("bench"));
                let served =
                    Served { router: router::bare(length), label: |_| "other", metrics: metrics.http().clone() };
                let hour = Duration::from_secs(3600);
                let limits = Limits {
                    header_read_timeout: hour,
                    idle_timeout: hour,
                    connections_max: 1_000,
                    connections_per_address_max: 1_000,
                };
                server::serve(listener, served, limits, stopped).await;
            });
        })?;
        Ok(Bare { address, stop, thread: Some(thread) })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.stop.send(true); // it may have ended by itself
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use semper_ttp::ca::ocsp::OcspRequest;

    use super::*;

    #[test]
    fn requests_are_those_that_the_server_reads() {
        let hash = der::tlv(der::OCTET_STRING, &[7; 20]);
        let sha1 = hex::decode("300906052b0e03021a0500").unwrap();
        let serial = der::tlv(der::INTEGER, &[0x41; 16]);
        let id = CertId::from_der(&der::sequence(&[&sha1, &hash, &hash, &serial])).unwrap();
        assert_eq!(OcspRequest::parse(&request(&id, &[])).unwrap().cert_ids()[0], id);
        let post = post(&id);
        let at = post.bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let read = OcspRequest::parse(&post.bytes[at..]).unwrap();
        assert_eq!((read.cert_ids().len(), read.nonce().is_some()), (1, true));
        assert!(post.nonce_at.is_some_and(|nonce_at| nonce_at > at) && get(&id).nonce_at.is_none());
    }
}
