//! `semper stamp`: timestamps for files and folders, checked before they are kept.
//!
//! Each file goes through these steps ([`one`]), at most [`IN_FLIGHT`] files at a time:
//!
//! 1. hash it, piece by piece; only the digest leaves this machine;
//! 2. ask for a token with a random nonce and the certificates in it;
//! 3. compare the answer with what was asked (imprint, nonce, policy), and write FILE.tst;
//! 4. fetch the receipt by the token's digest, see that it is of this token, and write FILE.tlog-proof.
//!
//! Evidence is never overwritten, but for a proof with too few cosignatures by one that was judged to have enough. A file whose evidence is there, of its present content, under the policy asked for and
//! from this service's ledger, is done already (exit 0, so that a folder can be stamped again and again); a token without a
//! proof, left by a crash between steps 3 and 4, gets its proof; other evidence is left alone, said, and makes the exit 64.
//! With `--witnessed`, step 4 waits for a quorum of the ledger's witnesses; a file that has its token and no such proof is one
//! that got only as far as step 3 (exit 75), and after the first of these nobody waits for the others.
//! Signatures are judged ([`judge`]) if the caller names his trust anchors by `--trust`, before anything new is kept; otherwise by
//! `semper verify` later.

mod judge;
mod one;
mod walk;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use semper_ttp::asn1::PolicyId;
use semper_ttp::crypto::{Entropy, OsEntropy};
use semper_ttp::digest::ImprintAlgorithm;
use semper_ttp::verify::Trust;
use serde_json::{Value, json};

use self::one::{Done, Failure, Kept, OnTheWire, Service, Wanted, stamp_one};
use self::walk::{Job, Plan, plan};
use super::remote::Remote;
use super::say;
use super::verify::files::read_trust;
use crate::cli::{Stamp, StampHash};
use crate::exit::Exit;
use crate::progress::Progress;

/// Files in work at once: enough to fill a group commit's wait with the next files' hashing, too few to look like an
/// attack.
const IN_FLIGHT: usize = 8;
/// Up to so many files each gets its line; of more, only those with trouble. A longer list helps nobody.
const LINES_MAX: usize = 24;

/// Runs the command.
pub(crate) fn run(args: Stamp, json: bool) -> Exit {
    let policy = match args.policy.as_deref().map(str::parse::<PolicyId>).transpose() {
        Ok(policy) => policy,
        Err(error) => {
            say::trouble(json, format_args!("--policy: {error}"));
            return Exit::Usage;
        }
    };
    let plan = match plan(&args.files, args.out.as_deref()) {
        Ok(plan) => plan,
        Err(error) => {
            say::trouble(json, error);
            return Exit::Usage;
        }
    };
    let remote = match Remote::new(&args.url) {
        Ok(remote) => remote,
        Err(error) => {
            say::trouble(json, &error);
            return error.exit();
        }
    };
    let trust = match args.trust.as_deref().map(read_trust).transpose() {
        Ok(trust) => trust.map(|(trust, _)| trust.with_policies(policy.clone().into_iter().collect())),
        Err(why) => {
            say::trouble(json, format_args!("--trust: {why}"));
            return Exit::Undecided;
        }
    };
    let witnessed = args.witnesses.witnessed || trust.as_ref().is_some_and(Trust::needs_witnesses);
    let wait = match args.witnesses.wait(witnessed) {
        Ok(wait) => wait,
        Err(why) => {
            say::trouble(json, why);
            return Exit::Usage;
        }
    };
    let service = OnTheWire {
        remote: &remote,
        path: if args.rsa { "/tsa/rsa" } else { "/tsa" },
        origin: OnceLock::new(),
        wait,
        gave_up: AtomicBool::new(false),
    };
    let wanted = Wanted { algorithm: algorithm(args.hash), policy, witnessed, trust };
    let progress = Progress::new(json, "stamping", Some(plan.jobs.len() as u64));
    let results = stamp_all(&plan.jobs, &wanted, &service, &OsEntropy, &progress);
    progress.finish();
    let report = Report { plan: &plan, results: &results, wanted: &wanted };
    if json {
        say::json(&report.json());
    } else {
        say::out(report.text());
    }
    report.exit()
}

fn algorithm(hash: StampHash) -> ImprintAlgorithm {
    match hash {
        StampHash::Sha256 => ImprintAlgorithm::Sha256,
        StampHash::Sha384 => ImprintAlgorithm::Sha384,
        StampHash::Sha512 => ImprintAlgorithm::Sha512,
        StampHash::Sha3_256 => ImprintAlgorithm::Sha3_256,
        StampHash::Sha3_384 => ImprintAlgorithm::Sha3_384,
        StampHash::Sha3_512 => ImprintAlgorithm::Sha3_512,
    }
}

/// What became of a job; `None` if it was not tried, as the server failed an earlier one in a way that would repeat.
type Outcome = Option<Result<Kept, Failure>>;

fn stamp_all(
    jobs: &[Job],
    wanted: &Wanted,
    service: &dyn Service,
    entropy: &dyn Entropy,
    progress: &Progress,
) -> Vec<Outcome> {
    let results: Vec<Mutex<Outcome>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..IN_FLIGHT.min(jobs.len()) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(job), Some(result)) = (jobs.get(at), results.get(at)) else { return };
                    let outcome = stamp_one(job, wanted, service, entropy);
                    if outcome.as_ref().is_err_and(Failure::repeats) {
                        stop.store(true, Ordering::Relaxed);
                    }
                    *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
                    progress.add(1);
                }
            });
        }
    });
    results.into_iter().map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// What is told at the end.
struct Report<'a> {
    plan: &'a Plan,
    results: &'a [Outcome],
    wanted: &'a Wanted,
}

impl Report<'_> {
    fn exit(&self) -> Exit {
        self.results.iter().fold(Exit::Ok, |exit, outcome| match outcome {
            Some(Ok(_)) | None => exit,
            Some(Err(failure)) => exit.and(failure.exit()),
        })
    }

    fn count(&self, wanted: impl Fn(&Outcome) -> bool) -> usize {
        self.results.iter().filter(|outcome| wanted(outcome)).count()
    }

    fn done(&self, done: Done) -> usize {
        self.count(|outcome| matches!(outcome, Some(Ok(kept)) if kept.done == done))
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        let all = self.results.len() <= LINES_MAX;
        for (job, outcome) in self.plan.jobs.iter().zip(self.results) {
            let file = job.file.display();
            match outcome {
                Some(Ok(kept)) if all => {
                    let done = kept.done.words();
                    lines.push(format!("{file}: {done}, {}, entry {} of the ledger", kept.time, kept.index));
                }
                Some(Err(failure)) => lines.push(format!("{file}: FAILED: {failure}")),
                Some(Ok(_)) | None => {}
            }
        }
        for path in &self.plan.skipped {
            lines.push(format!("{}: passed over, it is a link or a special file", path.display()));
        }
        for path in &self.plan.lone {
            let why = "its name is that of evidence, and no file of that evidence is beside it: name it to stamp it";
            lines.push(format!("{}: passed over, {why}", path.display()));
        }
        let counts = [
            (self.done(Done::Stamped), "stamped"),
            (self.done(Done::Completed), "had a token and got the missing proof"),
            (self.done(Done::Renewed), "had a proof without the cosignatures that you ask for and got one with them"),
            (self.done(Done::Already), "already stamped"),
            (self.count(|outcome| matches!(outcome, Some(Err(_)))), "failed"),
            (self.count(Option::is_none), "not tried"),
            (self.plan.skipped.len() + self.plan.lone.len(), "passed over"),
        ];
        let told: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        lines.push(if told.is_empty() { "no files".to_owned() } else { told.join(", ") });
        if self.wanted.witnessed
            && self.wanted.trust.is_none()
            && self.count(|outcome| matches!(outcome, Some(Ok(_)))) > 0
        {
            lines.push(
                "whose cosignatures these are was not judged: --trust DIR does that here, or `semper verify`"
                    .to_owned(),
            );
        }
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let files: Vec<Value> = self
            .plan
            .jobs
            .iter()
            .zip(self.results)
            .map(|(job, outcome)| match outcome {
                Some(Ok(kept)) => json!({
                    "file": path(&job.file),
                    "outcome": kept.done.code(),
                    "token": path(&job.token),
                    "proof": path(&job.proof),
                    "time": kept.time,
                    "digest": kept.digest,
                    "index": kept.index,
                }),
                Some(Err(failure)) => json!({
                    "file": path(&job.file),
                    "outcome": "failed",
                    "error": failure.to_string(),
                    "exit": failure.exit().code(),
                }),
                None => json!({ "file": path(&job.file), "outcome": "not-tried" }),
            })
            .collect();
        json!({
            "files": files,
            "judged": self.wanted.trust.is_some(),
            "passed_over": self.plan.skipped.iter().chain(&self.plan.lone).map(|skipped| path(skipped)).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests;
