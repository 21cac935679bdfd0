//! A witness over HTTP: c2sp.org/tlog-witness, submission and monitoring prefix in one.
//!
//! ```text
//! POST /add-checkpoint                    a cosignature, or the refusal of `semper_ledger::witness` as a status
//! GET  /<hex SHA-256(origin)>/checkpoint  the newest checkpoint cosigned, with the signatures
//! GET  /vkey                              the witness's key, one line
//! ```
//!
//! All judging is `semper_ledger::witness`, all remembering its `record`. A cosignature asserts a time, so none is made
//! while the clock may assert none: 503, and the log comes again. What a refused request shows against its log is kept
//! (`evidence`).

mod evidence;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use semper_ledger::{
    cosignature::{self, Cosigner},
    merkle::{Hash, sha256},
    note::Note,
    port::SigningFailed,
    witness::{
        AddCheckpoint, Refusal, SIZE_TYPE, WitnessedLogs,
        log_list::ListedLog,
        record::{NotCosigned, Records},
    },
};
use semper_ttp::{crypto::LogVerifier, time::Timestamp};

use crate::{
    body,
    metrics::{self, WitnessMetrics},
    problem::Problem,
    router::BodyLimits,
    service::TimeSource,
};

const DAY_SECS: u64 = 24 * 3600;

/// What a client waits while the clock is in doubt, seconds.
const CLOCK_RETRY_SECS: u32 = 10;

/// A running witness.
pub struct Witness {
    logs: WitnessedLogs,
    /// Requests of the day, by origin, against what was agreed.
    quotas: HashMap<String, Mutex<Quota>>,
    records: Records,
    cosigner: Cosigner,
    time: Arc<dyn TimeSource>,
    metrics: Arc<WitnessMetrics>,
    limits: BodyLimits,
}

/// How often a log's record may grow in a day of UTC.
struct Quota {
    per_day: u32,
    day: u64,
    asked: u32,
}

impl Quota {
    /// One more request at this second; the seconds to wait if it is too much.
    fn take(&mut self, secs: u64) -> Result<(), u64> {
        let day = secs / DAY_SECS;
        if day != self.day {
            (self.day, self.asked) = (day, 0);
        }
        if self.asked >= self.per_day {
            return Err(DAY_SECS - secs % DAY_SECS);
        }
        self.asked += 1;
        Ok(())
    }
}

/// The public listener.
pub fn routes(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/vkey", get(vkey))
        .route("/{origin}/checkpoint", get(checkpoint))
        .fallback(async || Problem::NotFound)
        .with_state(witness)
}

/// The admin listener: metrics and health.
pub fn admin_routes(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .with_state(witness)
}

/// The label under which a path is counted.
pub fn label(path: &str) -> &'static str {
    match path {
        "/add-checkpoint" => "/add-checkpoint",
        "/vkey" => "/vkey",
        "/metrics" => "/metrics",
        "/healthz" => "/healthz",
        "/readyz" => "/readyz",
        _ if path.ends_with("/checkpoint") => "/checkpoint",
        _ => "other",
    }
}

/// How often the copies for readers are brought up to date.
const COPIES_EVERY: Duration = Duration::from_secs(1);

impl Witness {
    /// A witness of `logs` that goes on from `records`.
    pub fn new(
        logs: Vec<ListedLog>,
        records: Records,
        cosigner: Cosigner,
        time: Arc<dyn TimeSource>,
        metrics: Arc<WitnessMetrics>,
        limits: BodyLimits,
    ) -> Self {
        let quota = |log: &ListedLog| Mutex::new(Quota { per_day: log.requests_per_day, day: 0, asked: 0 });
        let quotas = logs.iter().map(|log| (log.origin.clone(), quota(log))).collect();
        let logs: WitnessedLogs = logs.iter().map(ListedLog::witnessed).collect();
        for log in logs.iter() {
            let newest = records.newest(&sha256(log.origin.as_bytes()));
            if let Some((checkpoint, seconds)) = newest.and_then(|(checkpoint, note)| {
                let note = Note::parse(&note).ok()?;
                let own = note.signatures.iter().find(|line| cosigner.verifier_key().made(line))?;
                Some((checkpoint, cosignature::seconds(own)?))
            }) {
                metrics.newest(&log.origin, checkpoint.size, Timestamp::from_secs(seconds));
            }
        }
        Self { logs, quotas, records, cosigner, time, metrics, limits }
    }

    /// Keeps the copies of the records up to date, for as long as it is polled.
    pub async fn keep_copies(self: Arc<Self>) {
        loop {
            tokio::time::sleep(COPIES_EVERY).await;
            let witness = self.clone();
            // A panic was printed.
            if let Ok(Err(fault)) = tokio::task::spawn_blocking(move || witness.records.publish()).await {
                tracing::warn!(%fault, "the copies of the records are not up to date");
            }
        }
    }

    /// Why no cosignature could be made now; empty when one could.
    pub fn unready(&self) -> Vec<String> {
        let health = self.time.health();
        let clock = health.bound.is_none().then(|| format!("clock: {}", health.state.name()));
        clock.into_iter().collect()
    }

    /// On a thread that may wait for the disk.
    fn answer(&self, request: &[u8]) -> Response {
        let admitted = AddCheckpoint::parse(request).and_then(|request| request.admit(&self.logs, &LogVerifier));
        let submission = match admitted {
            Ok(submission) => submission,
            Err(refusal) => return self.refused(&refusal),
        };
        let (now, verdict) = self.time.check();
        if !verdict.may_issue() {
            self.metrics.ended("clock");
            let wait = [(header::RETRY_AFTER, HeaderValue::from(CLOCK_RETRY_SECS))];
            let text = "the witness's clock is in doubt, and a cosignature states a time\n";
            return (StatusCode::SERVICE_UNAVAILABLE, wait, text).into_response();
        }
        // Counted is what grows the record: whatever else is sent under the log's name, anybody can send, for its checkpoints
        // are public.
        let last = self.records.newest(&sha256(submission.checkpoint().origin.as_bytes()));
        let grows = last.is_none_or(|(last, _)| submission.checkpoint().size > last.size);
        let quota = self.quotas.get(&submission.checkpoint().origin).filter(|_| grows);
        let taken = quota.map_or(Ok(()), |quota| quota.lock().unwrap_or_else(PoisonError::into_inner).take(now.secs()));
        if let Err(wait_secs) = taken {
            self.metrics.ended("quota");
            let wait = [(header::RETRY_AFTER, HeaderValue::from(wait_secs))];
            let text = "the log's checkpoints have been cosigned as often today as was agreed\n";
            return (StatusCode::TOO_MANY_REQUESTS, wait, text).into_response();
        }
        // Others may have had their turn before: the time is that of the signature.
        let cosign = |text: &str| match self.time.check() {
            (now, verdict) if verdict.may_issue() => self.cosigner.cosign(text, now.secs()),
            (_, verdict) => Err(SigningFailed(format!("the clock is {}", verdict.name()))),
        };
        match self.records.submit(&submission, cosign) {
            Ok(line) => {
                self.metrics.ended("cosigned");
                self.metrics.newest(&submission.checkpoint().origin, submission.checkpoint().size, now);
                ([(header::CONTENT_TYPE, HeaderValue::from_static(TEXT))], line.to_string()).into_response()
            }
            Err(NotCosigned::Refused { refusal, last }) => {
                self.look_for_evidence(&submission, &refusal, last.as_deref(), request);
                self.refused(&refusal)
            }
            Err(fault @ (NotCosigned::Signing(_) | NotCosigned::Disk(_) | NotCosigned::InDoubt)) => {
                self.metrics.ended("fault");
                Problem::fault(&fault).into_response()
            }
        }
    }

    fn refused(&self, refusal: &Refusal) -> Response {
        let (outcome, status) = match refusal {
            Refusal::Malformed(_) => ("malformed", StatusCode::BAD_REQUEST),
            Refusal::Origin => ("unknown-origin", StatusCode::NOT_FOUND),
            Refusal::Signature => ("signature", StatusCode::FORBIDDEN),
            Refusal::OldSize => ("old-size", StatusCode::BAD_REQUEST),
            Refusal::Conflict { .. } => ("conflict", StatusCode::CONFLICT),
            Refusal::EmptyRoot => ("empty-root", StatusCode::UNPROCESSABLE_ENTITY),
            Refusal::Unproven(_) => ("unproven", StatusCode::UNPROCESSABLE_ENTITY),
        };
        self.metrics.ended(outcome);
        let (content_type, text) = match refusal {
            Refusal::Conflict { size } => (SIZE_TYPE, format!("{size}\n")),
            refusal => (TEXT, format!("{refusal}\n")),
        };
        (status, [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], text).into_response()
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

async fn add_checkpoint(State(witness): State<Arc<Witness>>, request: Request) -> Response {
    let request: Bytes = match body::read(&witness.limits, request).await {
        Ok(request) => request,
        Err(response) => return response,
    };
    let answered = tokio::task::spawn_blocking(move || witness.answer(&request)).await;
    answered.unwrap_or_else(|panic| Problem::fault(&panic).into_response())
}

async fn checkpoint(State(witness): State<Arc<Witness>>, Path(origin): Path<String>) -> Result<Response, Problem> {
    // One spelling: 64 lower-case digits.
    let hash = hex::decode(&origin).ok().and_then(|hash| Hash::try_from(hash).ok());
    let hash = hash.filter(|hash| hex::encode(hash) == origin).ok_or(Problem::NotFound)?;
    let (_, note) = witness.records.newest(&hash).ok_or(Problem::NotFound)?;
    Ok(fresh(note))
}

async fn vkey(State(witness): State<Arc<Witness>>) -> Response {
    fresh(format!("{}\n", witness.cosigner.verifier_key()))
}

fn fresh(text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(TEXT)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}

async fn metrics(State(witness): State<Arc<Witness>>) -> Response {
    metrics::page(witness.metrics.render(&*witness.time))
}

async fn readyz(State(witness): State<Arc<Witness>>) -> Response {
    let why = witness.unready();
    match why.is_empty() {
        true => (StatusCode::OK, "ready\n".to_owned()).into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, why.join("\n") + "\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_of_a_day() {
        let mut quota = Quota { per_day: 2, day: 0, asked: 0 };
        let noon = 20_000 * DAY_SECS + 43_200;
        assert_eq!([quota.take(noon), quota.take(noon + 1)], [Ok(()), Ok(())]);
        assert_eq!(quota.take(noon + 2), Err(43_198));
        assert_eq!(quota.take(noon + 43_200), Ok(()));
    }
}
