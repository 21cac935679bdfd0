//! Requests to the arbiter over TLS: made before, each sent once, by one thread, as cheaply as it can be, since it runs on the cores that it
//! measures.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use semper_api::tls::{ClientIdentity, RawConnector};
use semper_ttp::b64u;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::asw_r::commitment_r;
use semper_ttp::statement::Jws;
use semper_ttp::statement::exchange::asw_r::{M1, M2, Resolve};
use semper_ttp::statement::exchange::{Assurance, Line, Side};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::Failed;
use super::super::http;
use super::parties::{Parties, random};

/// Of every so many answers of a connection one is kept.
const SAMPLE_EVERY: usize = 40;
/// Answers are this long at most.
const ANSWER_BYTES_MAX: usize = 32 << 10;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) seconds: f64,
    pub(super) latencies_micros: Vec<u64>,
    /// Bodies of answers.
    pub(super) samples: Vec<Vec<u8>>,
}

/// The first two statements of a run and the originator's request to resolve it, as an HTTP request.
///
/// # Errors
/// A key, or no random octets.
pub(super) fn resolve(parties: &Parties, host: SocketAddr) -> Result<Vec<u8>, Failed> {
    let Parties { o, r, house, arbiter } = parties;
    let offer = M1 {
        deal: None,
        policy: Digest::of(&house.policy).into(),
        o: o.participant,
        r: r.participant,
        ttp: arbiter.clone(),
        terms: Digest(random()?).into(),
        terms_media: Line::new("text/plain").ok_or_else(|| Failed("a media type".to_owned()))?,
        t_exp: None,
        c_o: Digest(random()?).into(),
        assurance: Assurance::NonQualified,
    };
    let m1 = o.sign(None, offer)?;
    let x = m1.x();
    let c_r = commitment_r(&x, &random()?).into();
    let m2 = r.sign(Some(x), M2 { m1: m1.digest().into(), c_r })?;
    let request = o.sign(Some(x), Resolve { side: Side::Originator, m2: m2.digest().into() })?;
    let text = |jws: &Jws| String::from_utf8_lossy(jws.bytes()).into_owned();
    let body = json!({ "m1": text(&m1), "m2": text(&m2), "request": text(&request) }).to_string();
    let head = format!(
        "POST /v1/exchanges/{}/requests HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        b64u::encode(x.as_bytes()),
        body.len()
    );
    Ok((head + &body).into_bytes())
}

/// Sends all of them over so many connections, which are open before anything is asked; each answer must be a contract.
///
/// # Errors
/// Any other answer.
pub(super) fn run(
    address: SocketAddr,
    identity: &ClientIdentity,
    connections: usize,
    requests: Vec<Vec<u8>>,
) -> Result<Outcome, Failed> {
    let connector = RawConnector::with_identity(identity)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut parts = vec![VecDeque::new(); connections];
        for (at, request) in requests.into_iter().enumerate() {
            parts[at % connections].push_back(request);
        }
        let mut streams = Vec::new();
        for part in parts {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            streams.push((connector.connect(stream, &address.ip().to_string()).await?, part));
        }
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for (mut stream, part) in streams {
            tasks.spawn(async move {
                let (mut outcome, mut buffer) = (Outcome::default(), vec![0; ANSWER_BYTES_MAX]);
                for (number, request) in part.into_iter().enumerate() {
                    let sent = Instant::now();
                    stream.write_all(&request).await?;
                    let answer = http::read(&mut stream, &mut buffer).await?;
                    if !is_contract(&answer) {
                        let body = String::from_utf8_lossy(answer.body);
                        return Err(Failed(format!("not what was asked for: status {}, {body}", answer.status)));
                    }
                    outcome.latencies_micros.push(micros(sent.elapsed()));
                    if number % SAMPLE_EVERY == SAMPLE_EVERY / 2 {
                        outcome.samples.push(answer.body.to_vec());
                    }
                }
                Ok(outcome)
            });
        }
        let mut outcome = Outcome::default();
        while let Some(done) = tasks.join_next().await {
            let part = done??;
            outcome.latencies_micros.extend(part.latencies_micros);
            outcome.samples.extend(part.samples);
        }
        outcome.seconds = start.elapsed().as_secs_f64();
        Ok(outcome)
    })
}

fn micros(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

fn is_contract(answer: &http::Answer<'_>) -> bool {
    let says = |text: &str| text.contains("\"outcome\":\"RESOLVED\"");
    answer.status == 200 && std::str::from_utf8(answer.body).is_ok_and(says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_contract_is_good() {
        for (status, body, good) in [
            (200, "{\"outcome\":\"RESOLVED\"}", true),
            (200, "{\"outcome\":\"ABORTED\"}", false),
            (429, "{\"outcome\":\"RESOLVED\"}", false),
            (503, "", false),
        ] {
            assert_eq!(is_contract(&http::Answer { status, body: body.as_bytes() }), good, "{status} {body}");
        }
    }
}
