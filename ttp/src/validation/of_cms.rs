//! CMS and CAdES signatures, and timestamp tokens by themselves.

use std::borrow::Cow;

use super::constraint;
use super::context::Context;
use super::indication::SubIndication;
use super::judge::{Over, Subject, gather, judge, prove, timestamp};
use super::of_pdf::NotJudged;
use super::report::{Answers, Coverage, Kind, SignatureReport};
use super::signer::Signed;
use crate::cms::{self, SignedData, oids};
use crate::digest::Digest;
use crate::time::Timestamp;

/// Judges each signer.
pub(super) fn signatures(
    context: &mut Context<'_>,
    bytes: &[u8],
    detached: Option<&[u8]>,
    tokens: &[Vec<u8>],
) -> Result<Vec<SignatureReport>, NotJudged> {
    let data = SignedData::from_ber(bytes).map_err(NotJudged::Format)?;
    if data.bytes != bytes.len() {
        return Err(NotJudged::Format("something follows the SignedData".to_owned()));
    }
    if data.signers.is_empty() {
        return Err(NotJudged::Unsigned("it has no signer".to_owned()));
    }
    gather(context, &data);
    let mut reports = super::outer_timestamps(context, bytes, tokens, |context, at, by| prove(context, &data, at, by));
    if data.content_type == oids::TST_INFO
        && let Some(content) = detached
    {
        let over = Over::Message(content);
        reports.push(timestamp(context, "timestamp".to_owned(), Kind::ContentTimestamp, bytes, over).0);
        return Ok(reports);
    }
    for (index, signer) in data.signers.iter().enumerate() {
        let content = data.content.as_deref().map(Cow::Borrowed).or(detached.map(Cow::Borrowed));
        let coverage = content.as_deref().map(|content| {
            let (digest, bytes) = (Digest::of(content), content.len() as u64);
            if data.content.is_some() {
                Coverage::Attached { digest, bytes }
            } else {
                Coverage::Detached { digest, bytes }
            }
        });
        let (mut answers, mut subs) = (Answers::default(), Vec::new());
        if let (Some(own), Some(given)) = (data.content.as_deref(), detached)
            && own != given
        {
            let why = "the signature has content of its own, and what was given beside it is something else";
            answers.note(constraint::DIGEST, Some("the content given"), Err(why.to_owned()));
            subs.push(SubIndication::HashFailure { element: "the content given beside the signature".to_owned() });
        }
        let subject = Subject {
            name: format!("signer {}", index + 1),
            kind: if data.content_type == oids::TST_INFO { Kind::ContentTimestamp } else { Kind::Signature },
            claimed_time: signing_time(signer),
            // Any SignedData comes this way, and only CAdES wants the reference: who has a policy for it says so.
            signed: Signed { data: &data, signer, content, needs_reference: false },
            coverage: coverage.into_iter().collect(),
            answers,
            subs,
        };
        reports.push(judge(context, subject));
    }
    Ok(reports)
}

/// signingTime, if it is there and reads.
pub(super) fn signing_time(signer: &cms::SignerInfo<'_>) -> Option<Timestamp> {
    let value = signer.signed.as_ref()?.only(oids::SIGNING_TIME).ok()??;
    cms::time(value)
}
