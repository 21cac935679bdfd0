//! The load on a timestamping authority: one thread, as cheap as it can be, since it runs on the cores that it measures.
//!
//! A request is a template in which the digest and the nonce are overwritten; an answer is looked at just enough to know
//! that it is a 200 with a granted token. Some answers are kept, to be verified in full when the clock has stopped.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use semper_ttp::digest::ImprintAlgorithm;
use semper_ttp::timestamp::request::{Imprint, Request};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Failed;
use super::http::{self, Answer};

/// Of every so many answers one is kept.
const SAMPLE_EVERY: u64 = 500;
/// Answers are this long at most: a token with its chain is below 3 KiB.
const ANSWER_BYTES_MAX: usize = 16 << 10;
const DIGEST_MARK: [u8; 32] = [0xA5; 32];
/// Its first octet is below 0x80, so that the number has eight octets whatever follows.
const NONCE_MARK: [u8; 8] = [0x5A; 8];

/// What is asked, of whom, for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: u32,
    pub(crate) cert_req: bool,
    /// Before anything is counted.
    pub(crate) warm_up: Duration,
    /// What is counted.
    pub(crate) measured: Duration,
    /// No digest or nonce comes twice in runs of different numbers.
    pub(crate) run: u16,
}

/// An answer that was kept.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) digest: [u8; 32],
    pub(crate) nonce: [u8; 8],
    /// TimeStampResp.
    pub(crate) response: Vec<u8>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Tokens that arrived while it was counted.
    pub(crate) tokens: u64,
    pub(crate) seconds: f64,
    /// From the first byte sent to the last one read, of each of them.
    pub(crate) latencies_micros: Vec<u64>,
    pub(crate) samples: Vec<Sample>,
}

/// Runs a load.
///
/// # Errors
/// Any answer that is not a 200 with a granted token.
pub(crate) fn run(load: Load) -> Result<Outcome, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let start = Instant::now() + load.warm_up;
        let end = start + load.measured;
        let mut tasks = JoinSet::new();
        for connection in 0..load.connections {
            tasks.spawn(ask(load, connection as u16, start, end));
        }
        let mut outcome = Outcome { seconds: load.measured.as_secs_f64(), ..Outcome::default() };
        while let Some(done) = tasks.join_next().await {
            let part = done??;
            outcome.tokens += part.tokens;
            outcome.latencies_micros.extend(part.latencies_micros);
            outcome.samples.extend(part.samples);
        }
        Ok(outcome)
    })
}

async fn ask(load: Load, connection: u16, start: Instant, end: Instant) -> Result<Outcome, Failed> {
    let mut stream = TcpStream::connect(load.address).await?;
    stream.set_nodelay(true)?;
    let mut template = Template::new(load.address, load.cert_req)?;
    let mut outcome = Outcome::default();
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    let mut number = u64::from(load.run) << 48 | u64::from(connection) << 32;
    loop {
        number += 1;
        let (digest, nonce) = template.set(number);
        let sent = Instant::now();
        stream.write_all(&template.bytes).await?;
        let Answer { status, body: response } = http::read(&mut stream, &mut buffer).await?;
        if status != 200 || !is_granted(response) {
            return Err(Failed(format!("not a token: status {status}, {}", hex::encode(response))));
        }
        let arrived = Instant::now();
        if arrived >= end {
            return Ok(outcome);
        }
        if arrived >= start {
            outcome.latencies_micros.push((arrived - sent).as_micros() as u64);
            if outcome.tokens.is_multiple_of(SAMPLE_EVERY) {
                outcome.samples.push(Sample { digest, nonce, response: response.to_vec() });
            }
            outcome.tokens += 1;
        }
    }
}

/// TimeStampResp with PKIStatusInfo { status granted (0) }: SEQUENCE, its length, 30 03 02 01 00.
fn is_granted(body: &[u8]) -> bool {
    let content = match body {
        [0x30, long @ 0x81..=0x84, rest @ ..] => rest.get(usize::from(long & 0x7F)..),
        [0x30, _, rest @ ..] => Some(rest),
        _ => None,
    };
    content.is_some_and(|content| content.starts_with(&[0x30, 0x03, 0x02, 0x01, 0x00]))
}

/// A request whose digest and nonce are overwritten.
struct Template {
    bytes: Vec<u8>,
    digest_at: usize,
    nonce_at: usize,
}

impl Template {
    fn new(host: SocketAddr, cert_req: bool) -> Result<Template, Failed> {
        let unfit = || Failed("the request's template lacks its marks".to_owned());
        let imprint = Imprint::new(ImprintAlgorithm::Sha256, &DIGEST_MARK).ok_or_else(unfit)?;
        let body = Request::new(imprint, None, Some(&NONCE_MARK), cert_req).encode();
        let mut bytes = format!(
            "POST /tsa HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/timestamp-query\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend(body);
        let find = |mark: &[u8]| bytes.windows(mark.len()).position(|window| window == mark).ok_or_else(unfit);
        let (digest_at, nonce_at) = (find(&DIGEST_MARK)?, find(&NONCE_MARK)?);
        Ok(Template { bytes, digest_at, nonce_at })
    }

    /// Puts digest and nonce number `number` in; both are distinct for distinct numbers.
    fn set(&mut self, number: u64) -> ([u8; 32], [u8; 8]) {
        let mut digest = [0x11; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        let nonce = (number | 1 << 62).to_be_bytes();
        self.bytes[self.digest_at..][..32].copy_from_slice(&digest);
        self.bytes[self.nonce_at..][..8].copy_from_slice(&nonce);
        (digest, nonce)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use semper_ttp::timestamp::request;

    use super::*;

    #[test]
    fn granted_and_not() {
        assert!(is_granted(&[0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00]));
        assert!(is_granted(&[0x30, 0x82, 0x01, 0x00, 0x30, 0x03, 0x02, 0x01, 0x00, 0x30]));
        assert!(!is_granted(&[0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02]));
        assert!(!is_granted(&[0x30, 0x84]));
        assert!(!is_granted(&[]));
    }

    #[test]
    fn every_request_is_another_and_one_that_the_server_reads() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let mut template = Template::new(address, true).ok().unwrap();
        let mut seen = HashSet::new();
        for run in 0..3u64 {
            for n in 1..100 {
                let (digest, nonce) = template.set(run << 48 | n);
                let at = template.bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
                let read = request::parse(&template.bytes[at..], &ImprintAlgorithm::ALL).unwrap();
                let imprint = Imprint::new(ImprintAlgorithm::Sha256, &digest).unwrap();
                assert_eq!(read, Request::new(imprint, None, Some(&nonce), true));
                assert!(seen.insert(digest.to_vec()) && seen.insert(nonce.to_vec()));
            }
        }
    }
}
