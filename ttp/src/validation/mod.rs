//! Validation of signatures after ETSI EN 319 102-1: CMS and CAdES, PDF (PAdES), and statements of our own.
//!
//! ```text
//!          ┌ crate::cms, pdf.rs ───┐              ┌ signer.rs: whose is it, does it verify (§5.2.3, 5.2.7)
//! Subject ─┤                       ├─▶ judge.rs ──┼ chain.rs: certificates as of a moment (§5.2.5, 5.2.6), by crate::path
//!          └ statement::Jws ───────┘              ├ token.rs, archive.rs: timestamps, each judged like a signature
//!                                                 └ poe.rs: since when what exists is proved (§5.6.2.3)
//!                                                        └──▶ Report: one for each signature, every constraint
//! ```
//!
//! A signature is judged at the validation time (basic process, §5.3). If that does not pass and a timestamp proves it to be
//! older, it is judged as of that time (§5.5, 5.6). The newest timestamps come first: each proves what it covers, and so
//! helps those before it.
//!
//! Nothing stops at the first fault: every constraint is in the report with its result, and the indication is that of the
//! worst. The same inputs give the same report. What differs from the letter of the standard:
//!
//! - A digest or signature value that is wrong is TOTAL-FAILED whatever is known of the certificate, where §5.3.4 would end with a missing
//!   path: no path would mend it.
//! - Past certificate validation asks for the moment of the proof, not for a control time that slides ([`chain`]).
//! - A document that nobody signed is INDETERMINATE: the standard judges signatures, and there is none that failed.
//! - A change after a PDF's signature that is not permitted is SIG_CONSTRAINTS_FAILURE: the standard does not know PDFs.
//! - An expired CA is OUT_OF_BOUNDS_NO_POE and names the CA, so that a proof of existence can help; §5.2.6 has a general failure.
//!
//! Out of scope: fetching what is missing (the shell), signature policies, countersignatures and archive timestamps before v3
//! (told, not judged), trusted lists, any "qualified" status.

mod archive;
mod chain;
mod constraint;
mod context;
mod indication;
mod judge;
mod of_certificates;
mod of_cms;
mod of_jws;
mod of_pdf;
mod pdf;
mod poe;
mod policy;
mod report;
mod rules;
mod signer;
mod source;
#[cfg(test)]
mod tests;
mod token;
mod words;

pub use crate::cms::signed_data::{CMS_BYTES_MAX, MATERIAL_MAX, SIGNERS_MAX};
pub use indication::{Indication, SubIndication};
pub use of_certificates::Target;
pub use pdf::PDF_BYTES_MAX;
pub use policy::{Policy, PolicyFault};
pub use report::{
    BestTime, CertificateRef, Conclusion, Constraint, Coverage, Format, Kind, MaterialUsed, Missing, Outcome,
    PolicyUsed, Process, Report, RevocationUsed, SignatureReport,
};
pub use rules::{Rules, RulesFault};
pub use source::StatusSource;

use std::sync::Arc;

use context::Context;
use judge::{Over, timestamp};
use of_pdf::NotJudged;
use report::Answers;

use crate::cms::SignedData;
use crate::digest::Digest;
use crate::path::{Anchor, Material};
use crate::statement::STATEMENT_BYTES_MAX;
use crate::time::Timestamp;

/// What is to be validated.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A SignedData, BER or DER, and its content if that is not attached. A timestamp token is one, and its content is what it
    /// is for.
    Cms {
        /// The SignedData.
        bytes: &'a [u8],
        /// The content.
        detached: Option<&'a [u8]>,
    },
    /// A PDF.
    Pdf(&'a [u8]),
    /// A statement. Its signer's certificate is among the material.
    Jws(&'a [u8]),
    /// Certificates: whether each is good at the validation time, whoever may have signed what.
    Certificates(&'a [Target]),
}

impl<'a> Subject<'a> {
    /// What these octets look like: a PDF has its mark near the beginning (ISO 32000-2, annex I), a JWS in compact form is letters, digits
    /// and two dots; anything else is a SignedData, or nothing that is known here. `detached` is the content of a SignedData that has none.
    #[must_use]
    pub fn recognise(bytes: &'a [u8], detached: Option<&'a [u8]>) -> Self {
        const MARK: &[u8] = b"%PDF-";
        let is_pdf = bytes[..bytes.len().min(1024)].windows(MARK.len()).any(|window| window == MARK);
        let is_jws = || {
            let dots = bytes.iter().filter(|byte| **byte == b'.').count();
            let letters = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
            bytes.len() <= STATEMENT_BYTES_MAX && dots == 2 && bytes.iter().all(letters)
        };
        if is_pdf {
            Self::Pdf(bytes)
        } else if is_jws() {
            Self::Jws(bytes)
        } else {
            Self::Cms { bytes, detached }
        }
    }
}

/// All that a result depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// What is to be validated.
    pub subject: Subject<'a>,
    /// Whose signatures are trusted in the end.
    pub signer_anchors: &'a [Arc<Anchor>],
    /// Whose timestamps are.
    pub timestamp_anchors: &'a [Arc<Anchor>],
    /// Certificates, CRLs and OCSP responses besides those in the subject.
    pub material: &'a Material,
    /// RFC 3161 tokens over the whole subject that are kept beside it.
    pub timestamps: &'a [Vec<u8>],
    /// The validation time: the moment for which all is said.
    pub at: Timestamp,
    /// The moment of judging, at or after the validation time: evidence may be as new.
    pub now: Timestamp,
    /// Who is asked for the status of certificates besides what is at hand.
    pub source: Option<&'a dyn StatusSource>,
    /// The rules.
    pub policy: &'a Policy,
}

/// Validates every signature of the subject.
#[must_use]
pub fn validate(inputs: &Inputs<'_>) -> Report {
    validate_with_material(inputs).0
}

/// The same, with everything that was at hand, in which the report's digests are found.
#[must_use]
pub fn validate_with_material(inputs: &Inputs<'_>) -> (Report, Material) {
    let policy = inputs.policy;
    let mut context = Context::new(inputs);
    let mut document = Answers::default();
    let listed: Vec<u8>;
    let (format, bytes, found) = match inputs.subject {
        Subject::Cms { bytes, detached } => {
            (Format::Cms, bytes, of_cms::signatures(&mut context, bytes, detached, inputs.timestamps))
        }
        Subject::Pdf(bytes) => {
            (Format::Pdf, bytes, of_pdf::signatures(&mut context, bytes, inputs.timestamps, &mut document))
        }
        Subject::Jws(bytes) => {
            let found = of_jws::signatures(&mut context, bytes, inputs.timestamps).map_err(NotJudged::Format);
            (Format::Jws, bytes, found)
        }
        Subject::Certificates(targets) => {
            listed = targets.iter().flat_map(|target| *target.certificate.digest().as_bytes()).collect();
            (Format::Certificates, &listed[..], Ok(of_certificates::judged(&mut context, targets)))
        }
    };
    let read = match &found {
        Err(NotJudged::Format(why)) => Err(why.clone()),
        Ok(_) | Err(NotJudged::Unsigned(_) | NotJudged::Encrypted(_)) => Ok(()),
    };
    document.note(constraint::FORMAT, None, read);
    if context.is_cut {
        let why = "there are more certificates, CRLs or OCSP responses than are looked at".to_owned();
        document.note(constraint::MATERIAL, None, Err(why));
    }
    if context.unread > 0 {
        let why = format!("{} certificates, CRLs or OCSP responses do not read", context.unread);
        document.skip(constraint::MATERIAL, None, why);
    }
    let (conclusion, signatures) = match found {
        Err(why) => (SubIndication::from(why).into(), Vec::new()),
        Ok(signatures) => {
            let conclusions = signatures.iter().map(|signature| &signature.conclusion);
            let nothing = || SubIndication::Custom { diagnostic: "there was nothing to judge".to_owned() }.into();
            let conclusion = Report::worst(conclusions).unwrap_or_else(nothing);
            // What was left out could say otherwise.
            let conclusion = match context.is_cut && conclusion == Conclusion::PASSED {
                true => SubIndication::Custom { diagnostic: "not all of the material was looked at".to_owned() }.into(),
                false => conclusion,
            };
            (conclusion, signatures)
        }
    };
    let detached_content = match inputs.subject {
        Subject::Cms { detached, .. } => detached.map(Digest::of),
        Subject::Pdf(_) | Subject::Jws(_) | Subject::Certificates(_) => None,
    };
    let report = Report {
        schema: "semper.validation/1",
        salt: None,
        format,
        document: Digest::of(bytes),
        detached_content,
        validation_time: inputs.at,
        judged_on: inputs.now,
        policy: policy.used(),
        conclusion,
        constraints: document.0,
        signatures,
        material: context.material_used(),
    };
    (report, context.material)
}

/// Judges timestamps over the whole subject, and notes by `prove` what those that pass prove.
fn outer_timestamps(
    context: &mut Context<'_>,
    bytes: &[u8],
    tokens: &[Vec<u8>],
    prove: impl Fn(&mut Context<'_>, Timestamp, Digest),
) -> Vec<SignatureReport> {
    for token in tokens {
        if let Ok(data) = SignedData::from_ber(token) {
            judge::gather(context, &data);
        }
    }
    let mut reports = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let name = format!("timestamp {} of the document", index + 1);
        let (report, passed) = timestamp(context, name, Kind::DocumentTimestamp, token, Over::Message(bytes));
        if let Some((at, by)) = passed {
            prove(context, at, by);
        }
        reports.push(report);
    }
    reports
}
