//! The judgement of one signature: integrity, its timestamps, its certificate now, and if that does not do, as of the time at
//! which it is proved to have existed (EN 319 102-1 §5.3, 5.5, 5.6).

use std::borrow::Cow;

use super::archive;
use super::chain::{Evaluation, Moment, algorithm, evaluate, worst};
use super::constraint;
use super::context::{Context, Role};
use super::indication::{Indication, SubIndication};
use super::report::{Answers, BestTime, Conclusion, Coverage, Kind, Missing, Process, SignatureReport};
use super::signer::{Integrity, Signed};
use super::token::TstInfo;
use crate::asn1::ber::Reader;
use crate::asn1::der;
use crate::cms::{self, SignedData, SignerInfo, oids};
use crate::crypto::Hash;
use crate::digest::Digest;
use crate::path::Matter;
use crate::time::Timestamp;

/// How many timestamps a signature may carry.
const TIMESTAMPS_MAX: usize = 32;

/// A signature to be judged, and what is known of it already.
pub(super) struct Subject<'s, 'a> {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) signed: Signed<'s, 'a>,
    pub(super) coverage: Vec<Coverage>,
    pub(super) claimed_time: Option<Timestamp>,
    /// Constraints of the format around it, and what does not hold of them.
    pub(super) answers: Answers,
    pub(super) subs: Vec<SubIndication>,
}

impl Subject<'_, '_> {
    fn role(&self) -> Role {
        if self.kind == Kind::Signature { Role::Signer } else { Role::Timestamping }
    }
}

/// Puts everything that a SignedData carries among the material: certificates, CRLs, OCSP responses, in itself, in attributes
/// and in the timestamps there.
pub(super) fn gather(context: &mut Context<'_>, data: &SignedData<'_>) {
    each_datum(data, 0, &mut |datum| match datum {
        Datum::Certificate(der) => context.add_certificate(der),
        Datum::Crl(der) => context.add_crl(der),
        Datum::Ocsp(der) => context.add_response(der),
        Datum::Signature(_) => {}
    });
}

/// Notes that everything in `data` existed at `at`.
pub(super) fn prove(context: &mut Context<'_>, data: &SignedData<'_>, at: Timestamp, by: Digest) {
    each_datum(data, 0, &mut |datum| {
        let (Datum::Certificate(octets) | Datum::Crl(octets) | Datum::Ocsp(octets) | Datum::Signature(octets)) = datum;
        context.proofs.add(Digest::of(octets), at, by);
    });
}

/// What can be found in a SignedData.
pub(super) enum Datum<'d> {
    Certificate(&'d [u8]),
    Crl(&'d [u8]),
    Ocsp(&'d [u8]),
    Signature(&'d [u8]),
}

/// Goes over all of it; timestamps within timestamps to a small depth.
fn each_datum(data: &SignedData<'_>, depth: usize, found: &mut dyn FnMut(Datum<'_>)) {
    data.certificates().for_each(|der| found(Datum::Certificate(der)));
    data.crls().for_each(|der| found(Datum::Crl(der)));
    data.ocsp_responses().for_each(|der| found(Datum::Ocsp(&der)));
    for signer in &data.signers {
        found(Datum::Signature(&signer.signature));
        for attribute in signer.unsigned.iter().chain(signer.signed.iter().flat_map(cms::Attributes::iter)) {
            for value in &attribute.values {
                each_of_attribute(attribute.oid, value, depth, found);
            }
        }
    }
}

/// What one value of an attribute holds.
pub(super) fn each_of_attribute(oid: &[u8], value: &[u8], depth: usize, found: &mut dyn FnMut(Datum<'_>)) {
    match oid {
        oids::CERTIFICATE_VALUES => {
            each_value(value, &mut |der| found(Datum::Certificate(der)));
        }
        // RevocationValues: [0] CRLs, [1] basic OCSP responses. Adobe's archive: [0] CRLs, [1] whole OCSP responses.
        oids::REVOCATION_VALUES | oids::ADOBE_REVOCATION => {
            let mut fields = Reader::new(value).take(der::SEQUENCE).map_or(Reader::new(&[]), |value| value.inside());
            if let Some(crls) = fields.take(0xA0) {
                each_value(crls.content, &mut |der| found(Datum::Crl(der)));
            }
            if let Some(responses) = fields.take(0xA1) {
                let is_basic = oid == oids::REVOCATION_VALUES;
                each_value(responses.content, &mut |der| {
                    let whole = if is_basic { Cow::Owned(cms::whole_ocsp(der)) } else { Cow::Borrowed(der) };
                    found(Datum::Ocsp(&whole));
                });
            }
        }
        oids::SIGNATURE_TIMESTAMP | oids::CONTENT_TIMESTAMP | oids::ARCHIVE_TIMESTAMP_V3 if depth < 3 => {
            if let Ok(token) = SignedData::from_ber(value) {
                each_datum(&token, depth + 1, found);
            }
        }
        _ => {}
    }
}

/// The values of the SEQUENCE that `bytes` are.
fn each_value(bytes: &[u8], found: &mut dyn FnMut(&[u8])) {
    let Some(list) = Reader::new(bytes).take(der::SEQUENCE) else { return };
    let mut values = list.inside();
    for _ in 0..cms::MATERIAL_MAX {
        let Some(value) = values.value() else { return };
        found(value.whole);
    }
}

/// Judges a signature whose material was gathered.
pub(super) fn judge(context: &mut Context<'_>, subject: Subject<'_, '_>) -> SignatureReport {
    let role = subject.role();
    let Subject { name, kind, signed, coverage, claimed_time, answers: mut found, mut subs } = subject;
    let integrity = Integrity::of(context, &signed);
    found.0.extend(integrity.answers.0.iter().cloned());
    subs.extend(integrity.subs.iter().cloned());

    let mut timestamps = Timestamps::default();
    timestamps.judge(context, &name, &signed);
    policy(&signed, &mut found, &mut subs);

    let best_time = context.proofs.of(Digest::of(&signed.signer.signature));
    let signed_after = timestamps.signed_after;
    order(&timestamps, &best_time, &mut found, &mut subs);

    let mut report = SignatureReport {
        signer: integrity.certificate.as_ref().map(|certificate| (&**certificate).into()),
        coverage,
        claimed_time,
        best_time,
        timestamps: timestamps.reports,
        not_judged: not_judged(&signed),
        ..SignatureReport::new(name, kind, context.now)
    };
    let proof = Proof { signed_after, binds_certificate: integrity.binds_certificate, own_tokens: &timestamps.basic };
    settle(context, &mut report, found, subs, &proof, &mut |context, moment| {
        whole(context, &integrity, signed.signer, role, moment)
    });
    report
}

/// What is proved around a signature.
pub(super) struct Proof<'p> {
    /// It is younger than this.
    pub(super) signed_after: Option<Timestamp>,
    /// It names its certificate by hash.
    pub(super) binds_certificate: bool,
    /// Tokens of its own that passed by the basic process.
    pub(super) own_tokens: &'p [Digest],
}

/// Comes to a conclusion: by the basic process, else as of the time at which the signature is proved to have existed.
/// `evaluate` judges certificate and algorithms for a moment; `answers` and `subs` hold for every moment.
pub(super) fn settle(
    context: &mut Context<'_>,
    report: &mut SignatureReport,
    mut answers: Answers,
    mut subs: Vec<SubIndication>,
    proof: &Proof<'_>,
    evaluate: &mut dyn FnMut(&mut Context<'_>, Moment) -> Evaluation,
) {
    let best = report.best_time.clone();
    let Proof { signed_after, binds_certificate, own_tokens } = *proof;
    // Whether a timestamp can be believed is no question of the past.
    let at = if report.kind == Kind::Signature { context.at } else { context.now };
    let moment = Moment { at, is_proved: false, signed_after, binds_certificate };
    let mut chosen = evaluate(context, moment);
    report.judged_at = at;
    let basic = worst(&chosen.subs);
    // No time helps a signature that is none.
    let is_hopeless = subs.iter().chain(&chosen.subs).any(|sub| sub.indication() == Indication::TotalFailed);
    if basic != Conclusion::PASSED && best.at < at && !is_hopeless {
        chosen = evaluate(context, Moment { at: best.at, is_proved: true, ..moment });
        report.judged_at = best.at;
        report.basic = Some(basic);
        let is_own = best.by.is_some_and(|by| own_tokens.contains(&by));
        report.process = if is_own && !chosen.rests_on_past { Process::WithTime } else { Process::LongTerm };
    }
    // Of a moment in the past it is asked whether the signature was good then: so it must have been there.
    if at < context.now && best.at > at {
        chosen.subs.push(SubIndication::NoPoe { objects: vec![report.name.clone()] });
        chosen.missing.push(Missing {
            what: "proof of existence",
            certificate: None,
            for_time: Some(at),
            note: format!("a timestamp over the signature from {at} or before"),
        });
    }
    report.missing.extend(older(&chosen, report.judged_at));
    report.missing.append(&mut chosen.missing);
    report.missing.dedup();
    subs.append(&mut chosen.subs);
    report.conclusion = worst(&subs);
    answers.0.append(&mut chosen.answers.0);
    report.constraints = answers.0;
    report.chain = chosen.chain;
    report.revocation = chosen.revocation;
}

/// Certificate and algorithms as of a moment.
fn whole(
    context: &mut Context<'_>,
    integrity: &Integrity,
    signer: &SignerInfo<'_>,
    role: Role,
    moment: Moment,
) -> Evaluation {
    let mut found = match &integrity.certificate {
        Some(certificate) => evaluate(context, certificate, role, moment),
        None => {
            let mut found = Evaluation::default();
            for name in [constraint::PATH, constraint::PATH_VALID, constraint::REVOCATION] {
                found.answers.skip(name, None, "the signing certificate is not at hand");
            }
            found
        }
    };
    let (answers, subs) = integrity.algorithms(context, signer, moment.at, moment.signed_after);
    found.answers.0.extend(answers.0);
    found.subs.extend(subs);
    found
}

/// What proof of an earlier existence would help, for which certificate, and until when it would have to be.
fn older(found: &Evaluation, known: Timestamp) -> Option<Missing> {
    let end = found.subs.iter().filter_map(|sub| match sub {
        SubIndication::RevokedNoPoe { certificate, revoked_at, .. }
        | SubIndication::RevokedCaNoPoe { certificate, revoked_at } => Some((*revoked_at, Some(certificate))),
        SubIndication::OutOfBoundsNoPoe { certificate } | SubIndication::OutOfBoundsNotRevoked { certificate } => {
            Some((certificate.not_after, Some(certificate)))
        }
        SubIndication::CryptoConstraintsFailureNoPoe { accepted_until, .. } => accepted_until.map(|end| (end, None)),
        _ => None,
    });
    let (end, certificate) = end.min_by_key(|(end, _)| *end).filter(|(end, _)| *end <= known)?;
    Some(Missing {
        what: "proof of existence",
        certificate: certificate.cloned(),
        for_time: Some(end),
        note: format!("a timestamp over the signature from before {end}"),
    })
}

/// A signature policy that the signature names: none is known here.
fn policy(signed: &Signed<'_, '_>, found: &mut Answers, subs: &mut Vec<SubIndication>) {
    let named = signed.signer.signed.as_ref().and_then(|attributes| attributes.values(oids::SIGNATURE_POLICY).next());
    let Some(value) = named else { return };
    let id = Reader::new(value).take(der::SEQUENCE).and_then(|value| value.inside().take(der::OID));
    // signaturePolicyImplied is NULL and binds nobody.
    if value == [5, 0] {
        return;
    }
    let policy = id.map_or_else(|| "unreadable".to_owned(), |id| oids::dotted(id.content));
    found.note(constraint::SIGNATURE_POLICY, None, Err(format!("the signature policy {policy} is not at hand")));
    subs.push(SubIndication::SignaturePolicyNotAvailable { policy });
}

/// §5.5.4: what was signed after a content timestamp existed before a signature timestamp.
fn order(timestamps: &Timestamps, best: &BestTime, found: &mut Answers, subs: &mut Vec<SubIndication>) {
    let Some(after) = timestamps.signed_after else { return };
    let result = if after > best.at {
        subs.push(SubIndication::TimestampOrderFailure {
            tokens: timestamps.reports.iter().filter_map(|report| report.token).collect(),
        });
        Err(format!("it was made after {after}, and existed at {}", best.at))
    } else {
        Ok(())
    };
    found.note(constraint::ORDER, None, result);
}

fn not_judged(signed: &Signed<'_, '_>) -> Vec<String> {
    let mut told = Vec::new();
    if signed.data.has_other_certificates() {
        told.push("a certificate of another form (RFC 5652 §10.2.2)".to_owned());
    }
    if signed.data.has_other_revocation_data() {
        told.push("revocation data of another form (RFC 5652 §10.2.1)".to_owned());
    }
    let counter =
        signed.signer.unsigned.of(oids::COUNTERSIGNATURE).map(|attribute| attribute.values.len()).sum::<usize>();
    if counter > 0 {
        told.push(format!("{counter} countersignatures"));
    }
    for (oid, what) in [
        (oids::ARCHIVE_TIMESTAMP_V2, "archive timestamps of the old form (archive-time-stamp, id-aa-48)"),
        (oids::ATS_HASH_INDEX, "an index of archive timestamps of the old form (ats-hash-index)"),
    ] {
        if signed.signer.unsigned.of(oid).next().is_some() {
            told.push(what.to_owned());
        }
    }
    told.sort();
    told
}

/// The timestamps that a signature carries.
#[derive(Default)]
struct Timestamps {
    reports: Vec<SignatureReport>,
    /// Tokens that passed by the basic process.
    basic: Vec<Digest>,
    /// The latest of what was stamped before it was signed.
    signed_after: Option<Timestamp>,
}

impl Timestamps {
    /// Judges all of them, the newest first, since each proves those before it.
    fn judge(&mut self, context: &mut Context<'_>, name: &str, signed: &Signed<'_, '_>) {
        let signer = signed.signer;
        let mut archives: Vec<&[u8]> =
            signer.unsigned.values(oids::ARCHIVE_TIMESTAMP_V3).take(TIMESTAMPS_MAX).collect();
        archives.sort_by_key(|token| std::cmp::Reverse(gen_time(token)));
        for (index, value) in archives.iter().enumerate() {
            let name = format!("{name}, archive-time-stamp {}", archives.len() - index);
            if let Some(passed) = self.one(context, name, Kind::ArchiveTimestamp, value, Over::Archive(signed)) {
                archive::prove(context, signed, value, passed);
            }
        }
        for (index, value) in signer.unsigned.values(oids::SIGNATURE_TIMESTAMP).take(TIMESTAMPS_MAX).enumerate() {
            let name = format!("{name}, signature-time-stamp {}", index + 1);
            let over = Over::Message(&signer.signature);
            if let Some((at, by)) = self.one(context, name, Kind::SignatureTimestamp, value, over) {
                context.proofs.add(Digest::of(&signer.signature), at, by);
            }
        }
        let Some(attributes) = &signer.signed else { return };
        for (index, value) in attributes.values(oids::CONTENT_TIMESTAMP).take(TIMESTAMPS_MAX).enumerate() {
            let name = format!("{name}, content-time-stamp {}", index + 1);
            let over = Over::Message(signed.content.as_deref().unwrap_or_default());
            if let Some((at, _)) = self.one(context, name, Kind::ContentTimestamp, value, over) {
                self.signed_after = self.signed_after.max(Some(at));
            }
        }
    }

    /// Judges one; gives its time and digest if it passed.
    fn one(
        &mut self,
        context: &mut Context<'_>,
        name: String,
        kind: Kind,
        value: &[u8],
        over: Over<'_>,
    ) -> Option<(Timestamp, Digest)> {
        let (report, passed) = timestamp(context, name, kind, value, over);
        if report.process == Process::Basic && passed.is_some() {
            self.basic.extend(report.token);
        }
        self.reports.push(report);
        passed
    }
}

/// What a timestamp must be of.
#[derive(Clone, Copy)]
pub(super) enum Over<'o> {
    /// These octets.
    Message(&'o [u8]),
    /// A CAdES signature with what its index names.
    Archive(&'o Signed<'o, 'o>),
}

fn gen_time(token: &[u8]) -> Option<Timestamp> {
    let data = SignedData::from_ber(token).ok()?;
    TstInfo::parse(data.content.as_deref()?).map(|tst| tst.gen_time)
}

/// Judges a timestamp token; gives its time and digest if it passed.
pub(super) fn timestamp(
    context: &mut Context<'_>,
    name: String,
    kind: Kind,
    token: &[u8],
    over: Over<'_>,
) -> (SignatureReport, Option<(Timestamp, Digest)>) {
    let by = Digest::of(token);
    let read = SignedData::from_ber(token).and_then(|data| match data.signers.len() {
        1 => Ok(data),
        _ => Err("a timestamp has exactly one signer (RFC 3161 §2.4.2)".to_owned()),
    });
    let data = match read {
        Ok(data) => data,
        Err(why) => return (SignatureReport::unread(name, kind, context.now, why), None),
    };
    let content = data.content.clone();
    let tst = content.as_deref().filter(|_| data.content_type == oids::TST_INFO).and_then(TstInfo::parse);
    let Some(tst) = tst else {
        return (SignatureReport::unread(name, kind, context.now, "the TSTInfo does not read".to_owned()), None);
    };
    let (mut answers, mut subs) = (Answers::default(), Vec::new());
    imprint(&tst, over, &data, &mut answers, &mut subs);
    if context.policy.timestamp_policies.is_empty() {
        answers.skip(constraint::TIMESTAMP_POLICY, None, "none was asked for");
    } else if context.policy.is_off(constraint::TIMESTAMP_POLICY) {
        answers.skip(constraint::TIMESTAMP_POLICY, None, "switched off by the policy");
    } else {
        let accepted = context.policy.timestamp_policies.contains(&tst.policy);
        let result = accepted.then_some(()).ok_or_else(|| format!("its policy {} is not accepted", tst.policy));
        if !answers.note(constraint::TIMESTAMP_POLICY, None, result) {
            subs.push(SubIndication::SigConstraintsFailure { constraints: vec![constraint::TIMESTAMP_POLICY] });
        }
    }
    let subject = Subject {
        name,
        kind,
        signed: Signed { data: &data, signer: &data.signers[0], content: data.content.clone(), needs_reference: true },
        coverage: vec![match over {
            Over::Message(message) if kind == Kind::ContentTimestamp => {
                Coverage::Detached { digest: Digest::of(message), bytes: message.len() as u64 }
            }
            Over::Message(_) => Coverage::SignatureValue,
            Over::Archive(_) => Coverage::CadesArchive,
        }],
        claimed_time: Some(tst.gen_time),
        answers,
        subs,
    };
    let mut report = judge(context, subject);
    report.token = Some(by);
    plausible(context, &mut report, tst.gen_time);
    imprint_hash(context, &mut report, tst.hash);
    let passed = report.conclusion == Conclusion::PASSED;
    (report, passed.then_some((tst.gen_time, by)))
}

/// The imprint is of what it must be of, by a hash that is accepted when the token was made.
fn imprint(
    tst: &TstInfo<'_>,
    over: Over<'_>,
    token: &SignedData<'_>,
    answers: &mut Answers,
    subs: &mut Vec<SubIndication>,
) {
    let result = match over {
        Over::Message(message) if tst.is_over(message) => Ok(()),
        Over::Message(_) => Err("the timestamp is for something else".to_owned()),
        Over::Archive(signed) => archive::check(tst, signed, token, answers, subs),
    };
    if !answers.note(constraint::IMPRINT, None, result) {
        subs.push(SubIndication::HashFailure { element: "what the timestamp is for".to_owned() });
    }
}

/// genTime lies in the certificate's period and not in the future: a unit whose clock is wrong proves nothing.
pub(super) fn plausible(context: &Context<'_>, report: &mut SignatureReport, gen_time: Timestamp) {
    let mut answers = Answers::default();
    let result = match &report.signer {
        _ if gen_time > context.now => Err(format!("it says {gen_time}, which is still to come")),
        Some(signer) if gen_time < signer.not_before || gen_time > signer.not_after => {
            Err(format!("it says {gen_time}, when its unit's certificate was not valid"))
        }
        _ if gen_time > report.best_time.at => {
            Err(format!("it says {gen_time}, and existed at {}", report.best_time.at))
        }
        _ => Ok(()),
    };
    if !answers.note(constraint::GEN_TIME, None, result) && report.conclusion == Conclusion::PASSED {
        report.conclusion = SubIndication::SigConstraintsFailure { constraints: vec![constraint::GEN_TIME] }.into();
    }
    report.constraints.append(&mut answers.0);
}

/// The imprint's hash is accepted when the token is proved to have existed: whoever finds a second document of the same hash
/// later could have it stamped with the first.
fn imprint_hash(context: &Context<'_>, report: &mut SignatureReport, hash: Option<Hash>) {
    let judged = hash.map(|hash| context.policy.algorithms.judge(Matter::Hash(hash), report.judged_at));
    let Some(Err(refusal)) = judged else { return };
    let mut answers = Answers::default();
    answers.note(constraint::ALGORITHMS, Some("the imprint"), Err(refusal.to_string()));
    report.constraints.append(&mut answers.0);
    if report.conclusion == Conclusion::PASSED {
        report.conclusion = algorithm(format!("the imprint: {}", refusal.matter), refusal.until, None).into();
    }
}

impl SignatureReport {
    /// Of what nothing is known yet.
    pub(super) fn new(name: String, kind: Kind, now: Timestamp) -> Self {
        Self {
            name,
            kind,
            token: None,
            conclusion: Conclusion::PASSED,
            process: Process::Basic,
            signer: None,
            coverage: Vec::new(),
            claimed_time: None,
            best_time: BestTime { at: now, by: None },
            judged_at: now,
            basic: None,
            constraints: Vec::new(),
            missing: Vec::new(),
            chain: Vec::new(),
            revocation: Vec::new(),
            timestamps: Vec::new(),
            not_judged: Vec::new(),
        }
    }

    /// Of what does not read.
    pub(super) fn unread(name: String, kind: Kind, now: Timestamp, why: String) -> Self {
        let mut answers = Answers::default();
        answers.note(constraint::FORMAT, None, Err(why.clone()));
        let conclusion = SubIndication::FormatFailure { why }.into();
        Self { conclusion, constraints: answers.0, ..Self::new(name, kind, now) }
    }
}
