//! Evidence, judged by the caller's own trust anchors.

use semper_ttp::verify::{
    Check, CheckResult, Document, Evidence, Outcome, Report, TokenReading, Trust, Verdict, verify_timestamp,
};

use super::super::verify::{assertion, gap};

/// What the trust anchors say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// All that they ask for holds.
    Good,
    /// But for cosignatures, which may come yet.
    TooFew,
    /// Something does not hold.
    False(String),
    /// Something could not be checked.
    Open(String),
}

/// Judges a token, of which `reading` says what it is for, and its proof; of a token that has none yet, what there is.
pub(super) fn judge(trust: &Trust, token: &[u8], reading: &TokenReading, proof: Option<&[u8]>) -> Judged {
    let document = Document::Imprint { algorithm: reading.algorithm, digest: &reading.imprint };
    let report = verify_timestamp(&Evidence { document, token, proof }, trust);
    match report.verdict {
        Verdict::Verified => Judged::Good,
        Verdict::Refuted => {
            let failed = |result: &CheckResult| match &result.outcome {
                Outcome::Failed(why) => Some(format!("it is not true that {}: {why}", assertion(result.check))),
                Outcome::Ok | Outcome::NotChecked(_) => None,
            };
            Judged::False(report.checks.iter().find_map(failed).unwrap_or_default())
        }
        Verdict::Undecided => open(&report, proof.is_some()),
    }
}

fn open(report: &Report, with_proof: bool) -> Judged {
    let concerns =
        |result: &&CheckResult| report.leaves_open(result) && (with_proof || result.check < Check::ProofForm);
    let gaps: Vec<_> = report.checks.iter().filter(concerns).collect();
    match gaps.as_slice() {
        [] => Judged::Good,
        [only] if only.check == Check::ProofWitnesses => Judged::TooFew,
        [first, ..] => {
            let is_test = report.token.as_ref().is_some_and(|token| token.is_test);
            Judged::Open(gap(Some(first), Check::TokenPolicy, is_test))
        }
    }
}
