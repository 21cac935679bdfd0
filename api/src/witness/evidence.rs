//! What a refused request shows against its log: the request as it came, and a proof of misbehaviour where one follows from
//! the request and the witness's record. Everything in such a proof that convicts was signed by the log itself.

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::note::VerifierKey;
use semper_ledger::witness::record::Evidence;
use semper_ledger::witness::{Contradiction, Refusal, Submission};
use semper_ttp::account::{Anchors, Prefix, Proof, Verdict, judge};

use super::Witness;

impl Witness {
    /// Looks at a checkpoint that its log signed and that was not cosigned, because of `refusal`, after `last`. One size with
    /// two roots, or a tree that begins with another one, convicts the log whatever else was wrong; what is not proven to
    /// continue `last` may.
    pub(super) fn look_for_evidence(
        &self,
        submission: &Submission,
        refusal: &Refusal,
        last: Option<&(Checkpoint, String)>,
        request: &[u8],
    ) {
        let checkpoint = submission.checkpoint();
        let (origin, size) = (checkpoint.origin.as_str(), checkpoint.size);
        let contradiction = last.and_then(|(last, _)| submission.contradiction(last));
        // A bad proof for the very checkpoint that was cosigned says nothing about its log.
        let cosigned = last.is_some_and(|(last, _)| last == checkpoint);
        let doubtful = matches!(refusal, Refusal::Unproven(_) | Refusal::EmptyRoot) && !cosigned;
        if contradiction.is_none() && !doubtful {
            return;
        }
        self.keep(submission, if contradiction.is_some() { Evidence::Conviction } else { Evidence::Request }, request);
        let (Some(contradiction), Some((last, note))) = (contradiction, last) else { return };
        self.metrics.contradicted(origin);
        tracing::error!(origin, size, last_size = last.size, "THE LOG SIGNED TWO HISTORIES");
        let keys = self.logs.of(origin).map_or(&[][..], |log| &log.keys);
        match proof(submission, contradiction, last, note, keys) {
            Ok(proof) => self.keep(submission, Evidence::Proof, proof.to_json().as_bytes()),
            // The request is kept; a person may make more of it.
            Err(why) => tracing::warn!(origin, size, why, "no proof of misbehaviour follows from it"),
        }
    }

    fn keep(&self, submission: &Submission, sort: Evidence, bytes: &[u8]) {
        let (origin, size) = (submission.checkpoint().origin.as_str(), submission.checkpoint().size);
        match self.records.keep(submission, sort, bytes) {
            Ok(Some(file)) => tracing::warn!(origin, size, file = %file.display(), "evidence against a log is kept"),
            Ok(None) => {}
            Err(fault) => tracing::error!(%fault, "evidence against a log could not be kept"),
        }
    }
}

/// The proof, if it convicts before somebody who knows the log's `keys` alone; otherwise why it does not, for example because
/// the log has another name than its key, or had another key when its checkpoint was cosigned.
fn proof(
    submission: &Submission,
    contradiction: Contradiction,
    last: &Checkpoint,
    note: &str,
    keys: &[VerifierKey],
) -> Result<Proof, String> {
    let (origin, shown) = (&last.origin, submission.note().to_string());
    let proof = match contradiction {
        Contradiction::TwoRoots => Proof::two_roots(origin, note, &shown),
        Contradiction::Fork { begins, path } => {
            let prefix = Prefix { from: last.size, root: begins, to: submission.checkpoint().size, path };
            Proof::fork(origin, note, &shown, prefix)
        }
    };
    let judgement = judge(&proof, &Anchors { log_keys: keys, trust: None });
    if judgement.verdict == Verdict::Proven { Ok(proof) } else { Err(judgement.reason) }
}
