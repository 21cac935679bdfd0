//! The load on a notary over TLS: one thread, as cheap as it can be, since it runs on the cores that it measures; what it costs is told.
//!
//! All connections are open before anything is asked. An answer is looked at just enough to know that it is what was asked for; some are
//! kept, to be verified in full when the clock has stopped.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use semper_api::tls::{RawConnector, TlsStream};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::http::{self, Answer};
use super::super::machine::cpu_seconds;
use super::Failed;
use super::template::Template;

/// As many as fill a turn of the journal (256 jobs) while the one before is written.
pub(super) const CONNECTIONS: u16 = 512;
/// Before anything is counted.
pub(super) const WARM_UP: Duration = Duration::from_secs(1);
/// What is counted.
pub(super) const MEASURED: Duration = Duration::from_secs(5);
/// Of every so many answers one is kept.
const SAMPLE_EVERY: u64 = 200;
/// Answers are this long at most.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// What is asked of whom.
pub(super) struct Load<'a> {
    pub(super) address: SocketAddr,
    /// Its process.
    pub(super) server: u32,
    pub(super) connector: &'a RawConnector,
    pub(super) template: Template,
    pub(super) is_good: fn(&Answer<'_>) -> bool,
    /// No request comes twice in runs of different numbers.
    pub(super) run: u16,
}

/// An answer that was kept, and what it is about.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) asked: Vec<u8>,
    pub(super) answer: Vec<u8>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// That arrived while it was counted.
    pub(super) answers: u64,
    pub(super) seconds: f64,
    /// Processor time of the server and of this process in these seconds.
    pub(super) server_cpu: f64,
    pub(super) own_cpu: f64,
    /// From the first byte sent to the last one read, of each of them.
    pub(super) latencies_micros: Vec<u64>,
    pub(super) samples: Vec<Sample>,
}

impl Load<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// Any answer that is not good.
    pub(super) fn run(&self) -> Result<Outcome, Failed> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut streams = Vec::new();
            for _ in 0..CONNECTIONS {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                streams.push(self.connector.connect(stream, &self.address.ip().to_string()).await?);
            }
            let start = Instant::now() + WARM_UP;
            let mut tasks = JoinSet::new();
            for (connection, stream) in streams.into_iter().enumerate() {
                let first = u64::from(self.run) << 48 | (connection as u64) << 32;
                tasks.spawn(ask(stream, self.template.clone(), self.is_good, first, start));
            }
            let cpu =
                async || -> Result<_, Failed> { Ok((cpu_seconds(self.server)?, cpu_seconds(std::process::id())?)) };
            tokio::time::sleep_until(start.into()).await;
            let before = cpu().await?;
            tokio::time::sleep_until((start + MEASURED).into()).await;
            let after = cpu().await?;
            let mut outcome = Outcome {
                seconds: MEASURED.as_secs_f64(),
                server_cpu: after.0 - before.0,
                own_cpu: after.1 - before.1,
                ..Outcome::default()
            };
            while let Some(done) = tasks.join_next().await {
                let part = done??;
                outcome.answers += part.answers;
                outcome.latencies_micros.extend(part.latencies_micros);
                outcome.samples.extend(part.samples);
            }
            Ok(outcome)
        })
    }
}

async fn ask(
    mut stream: TlsStream,
    mut template: Template,
    is_good: fn(&Answer<'_>) -> bool,
    first: u64,
    start: Instant,
) -> Result<Outcome, Failed> {
    let (mut outcome, mut buffer) = (Outcome::default(), vec![0; ANSWER_BYTES_MAX]);
    let end = start + MEASURED;
    for number in first.. {
        let sent = Instant::now();
        stream.write_all(template.numbered(number)).await?;
        let answer = http::read(&mut stream, &mut buffer).await?;
        if !is_good(&answer) {
            let body = String::from_utf8_lossy(answer.body);
            return Err(Failed(format!("not what was asked for: status {}, {body}", answer.status)));
        }
        let arrived = Instant::now();
        if arrived >= end {
            break;
        }
        if arrived >= start {
            outcome.latencies_micros.push((arrived - sent).as_micros() as u64);
            // Not the first of each connection: there are hundreds.
            let connection = first >> 32 & 0xFFFF;
            if (connection + outcome.answers).is_multiple_of(SAMPLE_EVERY) {
                outcome.samples.push(Sample { asked: template.asked().to_vec(), answer: answer.body.to_vec() });
            }
            outcome.answers += 1;
        }
    }
    Ok(outcome)
}
