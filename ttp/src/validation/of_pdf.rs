//! Signatures and document timestamps of a PDF.

use std::borrow::Cow;
use std::cmp::Reverse;

use super::chain::worst;
use super::constraint;
use super::context::Context;
use super::indication::{Indication, SubIndication};
use super::judge::{Over, Subject, gather, judge, prove, timestamp};
use super::of_cms::signing_time;
use super::pdf::{Changes, Evidence, Field, File, Signature, SubFilter};
use super::report::{Answers, Coverage, Kind, SignatureReport};
use super::signer::Signed;
use crate::cms::SignedData;
use crate::digest::Digest;

/// Why no signature of a document is judged.
pub(super) enum NotJudged {
    /// It does not read.
    Format(String),
    /// It reads, and nobody signed it: there is nothing that could be valid or not.
    Unsigned(String),
    /// It is encrypted.
    Encrypted(String),
}

impl From<NotJudged> for SubIndication {
    fn from(why: NotJudged) -> Self {
        match why {
            NotJudged::Format(why) => Self::FormatFailure { why },
            NotJudged::Unsigned(diagnostic) | NotJudged::Encrypted(diagnostic) => Self::Custom { diagnostic },
        }
    }
}

/// Judges each signature and document timestamp; constraints of the document itself go to `document`.
pub(super) fn signatures(
    context: &mut Context<'_>,
    bytes: &[u8],
    tokens: &[Vec<u8>],
    document: &mut Answers,
) -> Result<Vec<SignatureReport>, NotJudged> {
    let file = File::parse(bytes).map_err(NotJudged::Format)?;
    if file.is_encrypted() {
        let why = "the document is encrypted, and signatures in encrypted documents are not judged".to_owned();
        document.note(constraint::ENCRYPTION, None, Err(why.clone()));
        return Err(NotJudged::Encrypted(why));
    }
    document.note(constraint::ENCRYPTION, None, Ok(()));
    let fields = file.fields().map_err(NotJudged::Format)?;
    if fields.is_empty() {
        return Err(NotJudged::Unsigned("no field of the document holds a signature".to_owned()));
    }
    let signed: Vec<Result<(&Signature, SignedData<'_>), String>> = fields.iter().map(read).collect();
    for (_, data) in signed.iter().flatten() {
        gather(context, data);
    }
    let dss = file.dss();
    context.is_cut |= dss.is_cut;
    for item in &dss.items {
        match item.kind {
            Evidence::Certificate => context.add_certificate(&item.octets),
            Evidence::Crl => context.add_crl(&item.octets),
            Evidence::Ocsp => context.add_response(&item.octets),
        }
    }
    // All that a timestamp covers which ends here, in the revision that this section closes.
    let prove_until = |context: &mut Context<'_>, end: usize, section: usize, at, by| {
        for (signature, data) in signed.iter().flatten().filter(|(signature, _)| signature.end < end) {
            prove(context, data, at, by);
            debug_assert!(signature.section <= section);
        }
        for item in dss.items.iter().filter(|item| item.section <= section) {
            context.proofs.add(Digest::of(&item.octets), at, by);
        }
    };
    let mut outer = super::outer_timestamps(context, bytes, tokens, |context, at, by| {
        prove_until(context, usize::MAX, usize::MAX, at, by)
    });

    // The newest timestamp first: it proves those before it.
    let mut order: Vec<usize> = (0..fields.len()).collect();
    let is_timestamp = |index: usize| matches!(&signed[index], Ok((it, _)) if it.sub_filter == SubFilter::Rfc3161);
    order.sort_by_key(|&index| (!is_timestamp(index), Reverse(index)));
    let mut reports: Vec<Option<SignatureReport>> = vec![None; fields.len()];
    for index in order {
        let name = fields[index].name.clone();
        let report = match &signed[index] {
            Err(why) => SignatureReport::unread(name, Kind::Signature, context.now, why.clone()),
            Ok((signature, data)) => {
                let content = signature.covered(&file).concat();
                let mut report = if signature.sub_filter == SubFilter::Rfc3161 {
                    let token = &signature.contents[..data.bytes];
                    let over = Over::Message(&content);
                    let (report, passed) = timestamp(context, name, Kind::DocumentTimestamp, token, over);
                    if let Some((at, by)) = passed {
                        prove_until(context, signature.end, signature.section, at, by);
                    }
                    report
                } else {
                    judge(context, subject(name, signature, data, content))
                };
                changes(&file, signature, &mut report);
                report
            }
        };
        reports[index] = Some(report);
    }
    reports.into_iter().flatten().for_each(|report| outer.push(report));
    Ok(outer)
}

/// The SignedData in /Contents; behind it nothing but the padding of §12.8.1.
fn read(field: &Field) -> Result<(&Signature, SignedData<'_>), String> {
    let signature = field.signature.as_ref().map_err(Clone::clone)?;
    let data = SignedData::from_ber(&signature.contents)?;
    if signature.contents[data.bytes..].iter().any(|octet| *octet != 0) {
        return Err("something other than zeros follows the SignedData".to_owned());
    }
    if data.signers.len() != 1 {
        return Err("it does not have exactly one signer".to_owned());
    }
    if signature.sub_filter != SubFilter::Rfc3161 && data.content.is_some() {
        return Err("its content is attached, where a PDF's is not (ISO 32000-2 §12.8.3.3)".to_owned());
    }
    Ok((signature, data))
}

fn subject<'s, 'a>(name: String, signature: &Signature, data: &'s SignedData<'a>, content: Vec<u8>) -> Subject<'s, 'a> {
    let signer = &data.signers[0];
    Subject {
        name,
        kind: Kind::Signature,
        claimed_time: signature.claimed_time.or_else(|| signing_time(signer)),
        signed: Signed {
            data,
            signer,
            content: Some(Cow::Owned(content)),
            // EN 319 142-1 §6.3; what Adobe's older form wants is less.
            needs_reference: signature.sub_filter == SubFilter::CadesDetached,
        },
        coverage: Vec::new(),
        answers: Answers::default(),
        subs: Vec::new(),
    }
}

/// What it covers, and what was done to the document afterwards.
fn changes(file: &File<'_>, signature: &Signature, report: &mut SignatureReport) {
    let changes = Changes::after(file, signature);
    report.coverage = vec![Coverage::Revision {
        revision: file.revision_of(signature.section),
        of: file.revisions(),
        bytes: signature.end as u64,
        changes: changes.told.iter().chain(&changes.refused).cloned().collect(),
    }];
    let mut answers = Answers::default();
    for why in &changes.refused {
        answers.note(constraint::CHANGES, None, Err(why.clone()));
    }
    if changes.refused.is_empty() {
        answers.note(constraint::CHANGES, None, Ok(()));
    } else if report.conclusion.indication != Indication::TotalFailed {
        let changed = SubIndication::SigConstraintsFailure { constraints: vec![constraint::CHANGES] };
        let known = report.conclusion.sub_indication.take();
        report.conclusion = worst(&known.into_iter().chain([changed]).collect::<Vec<_>>());
    }
    report.constraints.append(&mut answers.0);
}
