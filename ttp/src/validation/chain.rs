//! X.509 certificate validation (EN 319 102-1 §5.2.6) with revocation freshness (§5.2.5), as of a moment.
//!
//! At the validation time this is the basic block. At the time of a proof of existence it is what validation with time (§5.5)
//! and past certificate validation (§5.6.2.1) come to: the certificate and all above it were good at that moment, and what
//! tells so could be verified when it is proved to have existed. Where the standard slides a control time back from
//! the present (§5.6.2.2) and then asks whether the signature is older, we ask at once at the signature's own time, which is the earliest
//! that could help: every later moment has worse evidence, and a certificate that was good then.

use std::sync::Arc;

use super::constraint;
use super::context::{Context, Role};
use super::indication::SubIndication;
use super::report::{Answers, CertificateRef, Conclusion, Missing, RevocationUsed};
use crate::path::{
    Certificate, EvidenceKind, Flaw, Looked, ObjectId, Path, Problem, Revocation, Settings, Status, Verdict,
    revocation, validate,
};
use crate::time::Timestamp;
use crate::x509::KeyUsage;

/// id-kp-timeStamping.
const TIME_STAMPING: &[u8] = &[0x2B, 6, 1, 5, 5, 7, 3, 8];

/// The moment for which a certificate is judged, and what is proved around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The moment.
    pub(super) at: Timestamp,
    /// True if a token proves that the signature existed then; false at the validation time.
    pub(super) is_proved: bool,
    /// The signature is proved to be younger than this.
    pub(super) signed_after: Option<Timestamp>,
    /// True if the signature names its certificate by hash, so that a proof for the one is a proof for the other.
    pub(super) binds_certificate: bool,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub(super) struct Evaluation {
    pub(super) subs: Vec<SubIndication>,
    pub(super) answers: Answers,
    pub(super) missing: Vec<Missing>,
    pub(super) chain: Vec<CertificateRef>,
    pub(super) revocation: Vec<RevocationUsed>,
    /// True if it rests on evidence whose signer's certificate has expired by now.
    pub(super) rests_on_past: bool,
}

/// Judges `certificate`, over each path until one is good; of those that are not, the one that is best.
pub(super) fn evaluate(
    context: &mut Context<'_>,
    certificate: &Arc<Certificate>,
    role: Role,
    moment: Moment,
) -> Evaluation {
    let paths = context.paths(certificate, role);
    let mut best: Option<(Conclusion, Evaluation)> = None;
    for path in paths.iter() {
        let found = Evaluation::of_path(context, path, role, moment);
        let conclusion = worst(&found.subs);
        if conclusion == Conclusion::PASSED {
            return found;
        }
        if best.as_ref().is_none_or(|(known, _)| rank_of(&conclusion) < rank_of(known)) {
            best = Some((conclusion, found));
        }
    }
    best.map_or_else(|| Evaluation::without_path(certificate, role, moment), |(_, found)| found)
}

/// The conclusion from everything that is wrong.
pub(super) fn worst(subs: &[SubIndication]) -> Conclusion {
    subs.iter().max_by_key(|sub| rank(sub)).map_or(Conclusion::PASSED, |sub| sub.clone().into())
}

fn rank_of(conclusion: &Conclusion) -> u8 {
    conclusion.sub_indication.as_ref().map_or(0, rank)
}

/// Which of several sub-indications is told: what no further data can mend before what it can, and among those what a reader
/// must know first.
fn rank(sub: &SubIndication) -> u8 {
    match sub {
        SubIndication::FormatFailure { .. } => 26,
        SubIndication::HashFailure { .. } => 25,
        SubIndication::SigCryptoFailure { .. } => 24,
        SubIndication::Revoked { .. } => 23,
        SubIndication::NotYetValid { .. } => 22,
        SubIndication::Expired { .. } => 21,
        SubIndication::NoSigningCertificateFound => 20,
        SubIndication::SignedDataNotFound { .. } => 19,
        SubIndication::PolicyProcessingError { .. } => 18,
        SubIndication::SignaturePolicyNotAvailable { .. } => 17,
        SubIndication::NoCertificateChainFound { .. } => 16,
        SubIndication::NoCertificateChainFoundNoPoe => 15,
        SubIndication::CertificateChainGeneralFailure { .. } => 14,
        SubIndication::RevokedNoPoe { .. } => 13,
        SubIndication::RevokedCaNoPoe { .. } => 12,
        SubIndication::OutOfBoundsNotRevoked { .. } => 11,
        SubIndication::OutOfBoundsNoPoe { .. } => 10,
        SubIndication::ChainConstraintsFailure { .. } => 9,
        SubIndication::SigConstraintsFailure { .. } => 8,
        SubIndication::CryptoConstraintsFailure { .. } => 7,
        SubIndication::CryptoConstraintsFailureNoPoe { .. } => 6,
        SubIndication::TimestampOrderFailure { .. } => 5,
        SubIndication::TryLater { .. } => 4,
        SubIndication::RevocationOutOfBoundsNoPoe { .. } => 3,
        SubIndication::NoPoe { .. } => 2,
        SubIndication::Custom { .. } => 1,
    }
}

impl Evaluation {
    fn without_path(certificate: &Certificate, role: Role, moment: Moment) -> Self {
        let mut this = Self { chain: vec![certificate.into()], ..Self::default() };
        let whom = match role {
            Role::Signer => "signers",
            Role::Timestamping => "timestamps",
            Role::Holder => "signers or timestamps",
        };
        let why = format!("no certificate at hand leads from {} to an anchor for {whom}", certificate.issuer());
        this.answers.note(constraint::PATH, None, Err(why.clone()));
        for name in [constraint::PATH_VALID, constraint::REVOCATION] {
            this.answers.skip(name, None, "there is no path");
        }
        this.subs.push(SubIndication::NoCertificateChainFound { why });
        this.missing.push(Missing {
            what: "issuer's certificate",
            certificate: Some(certificate.into()),
            for_time: Some(moment.at),
            note: format!("a certificate of {}, or an anchor of that name", certificate.issuer()),
        });
        this.period(certificate, moment);
        this
    }

    fn of_path(context: &mut Context<'_>, path: &Path, role: Role, moment: Moment) -> Self {
        let mut this = Self::default();
        let certificates = path.certificates();
        this.chain = certificates.iter().rev().map(|certificate| (&**certificate).into()).collect();
        let anchor = path.anchor().certificate().filter(|anchor| certificates.first() != Some(anchor));
        this.chain.extend(anchor.map(|anchor| CertificateRef::from(&**anchor)));
        this.answers.note(constraint::PATH, None, Ok(()));

        let settings = context.settings(role);
        let problems = validate(path, moment.at, &settings, &mut context.checks).problems;
        this.problems(path, &problems, moment);
        let mut known_good = context.now;
        for index in 0..certificates.len() {
            known_good = this.status(context, path, index, &settings, moment, known_good);
        }
        if role != Role::Holder {
            this.usage(context, path.target(), role);
        }
        this
    }

    /// A certificate whose path is not known has a period all the same.
    fn period(&mut self, certificate: &Certificate, moment: Moment) {
        let period = certificate.validity();
        let result = if moment.at < period.not_before {
            Err(format!("not valid before {}, and asked about {}", period.not_before, moment.at))
        } else if moment.at > period.not_after {
            Err(format!("expired at {}, and asked about {}", period.not_after, moment.at))
        } else {
            Ok(())
        };
        self.answers.note(constraint::PERIOD, Some(&certificate.subject().to_string()), result);
    }

    /// What RFC 5280 §6.1 has to say, sorted by what each thing means here.
    fn problems(&mut self, path: &Path, problems: &[Problem], moment: Moment) {
        let certificates = path.certificates();
        for (index, certificate) in certificates.iter().enumerate() {
            let subject = certificate.subject().to_string();
            let is_target = index + 1 == certificates.len();
            let mut answered = [false; 3];
            for problem in problems.iter().filter(|problem| problem.certificate == index) {
                let (name, slot, sub) = Self::sort(certificate, is_target, &problem.flaw, moment);
                answered[slot] = true;
                self.answers.note(name, Some(&subject), Err(problem.flaw.to_string()));
                self.subs.push(sub);
            }
            for (_, name) in NAMES.into_iter().enumerate().filter(|(slot, _)| !answered[*slot]) {
                self.answers.note(name, Some(&subject), Ok(()));
            }
        }
    }

    /// Constraint, its place in [`NAMES`], and what it means that it does not hold.
    fn sort(
        certificate: &Certificate,
        is_target: bool,
        flaw: &Flaw,
        moment: Moment,
    ) -> (&'static str, usize, SubIndication) {
        let named = || CertificateRef::from(certificate);
        match flaw {
            Flaw::NotYetValid { .. } | Flaw::Expired { .. } => {
                let is_early = matches!(flaw, Flaw::NotYetValid { .. });
                let after = moment.signed_after.filter(|after| *after > certificate.validity().not_after);
                let sub = match after {
                    Some(signed_after) if is_target && !is_early => {
                        SubIndication::Expired { certificate: named(), signed_after }
                    }
                    _ if is_target && is_early && moment.is_proved => {
                        SubIndication::NotYetValid { certificate: named(), existed_at: moment.at }
                    }
                    _ => SubIndication::OutOfBoundsNoPoe { certificate: named() },
                };
                (constraint::PERIOD, 0, sub)
            }
            Flaw::Algorithm(refusal) => {
                let material = format!("the certificate of {}: {}", certificate.subject(), refusal.matter);
                (constraint::CERTIFICATE_ALGORITHMS, 1, algorithm(material, refusal.until, moment.signed_after))
            }
            Flaw::NoPolicy | Flaw::Purpose { .. } | Flaw::NotPermitted { .. } | Flaw::Excluded { .. } => {
                let sub = SubIndication::ChainConstraintsFailure { constraints: vec![constraint::PATH_VALID] };
                (constraint::PATH_VALID, 2, sub)
            }
            other => {
                let why = format!("the certificate of {}: {other}", certificate.subject());
                (constraint::PATH_VALID, 2, SubIndication::CertificateChainGeneralFailure { why })
            }
        }
    }

    /// The revocation status of certificate `index`. Those above it are known to be good until `known_good`; gives until when
    /// this one is.
    fn status(
        &mut self,
        context: &mut Context<'_>,
        path: &Path,
        index: usize,
        settings: &Settings,
        moment: Moment,
        known_good: Timestamp,
    ) -> Timestamp {
        let certificate = &path.certificates()[index];
        let subject = certificate.subject().to_string();
        if context.policy.is_off(constraint::REVOCATION) {
            self.answers.skip(constraint::REVOCATION, Some(&subject), "switched off by the policy");
            return known_good;
        }
        // An expired certificate's status is that of its last moment: CAs forget afterwards.
        let at = moment.at.min(certificate.validity().not_after);
        let status = revocation(path, index, at, &context.material, settings, &mut context.checks);
        let is_target = index + 1 == path.certificates().len();
        match &status.verdict {
            Verdict::NotAsked(why) => {
                self.answers.skip(constraint::REVOCATION, Some(&subject), format!("not asked: {why:?}"));
            }
            Verdict::Good { later } => {
                self.answers.note(constraint::REVOCATION, Some(&subject), Ok(()));
                self.used(certificate, &status, later.as_ref());
                self.evidence(context, path, index, &status, known_good);
                let has_expired = moment.at > certificate.validity().not_after;
                let not_revoked = self.subs.iter_mut().find(|sub| {
                    let is_this = |out: &CertificateRef| out.digest == certificate.digest();
                    is_target
                        && has_expired
                        && matches!(sub, SubIndication::OutOfBoundsNoPoe { certificate } if is_this(certificate))
                });
                if let Some(sub) = not_revoked {
                    *sub = SubIndication::OutOfBoundsNotRevoked { certificate: (&**certificate).into() };
                }
                // A CA whose key was lost later could have made certificates for the time before: those below it must be
                // proved to be older.
                if let Some(later) = later.as_ref().filter(|_| !is_target) {
                    let below = context.proofs.of(path.target().digest()).at;
                    if below > later.at && !moment.binds_certificate {
                        self.subs.push(SubIndication::RevokedCaNoPoe {
                            certificate: (&**certificate).into(),
                            revoked_at: later.at,
                        });
                    }
                }
                // Until the last of it stops being fresh; nobody tells of what happened to the key afterwards.
                let until = status.looked_at.iter().filter(|looked| looked.was_used());
                let until = until.map(|looked| looked.next_update.unwrap_or(looked.issued_at)).max();
                let until = later.as_ref().map(|later| later.at).into_iter().chain(until).min();
                return known_good.min(until.unwrap_or(known_good));
            }
            Verdict::Revoked(revoked) => {
                let why = format!("revoked since {} ({})", revoked.at, revoked.reason_name());
                self.answers.note(constraint::REVOCATION, Some(&subject), Err(why));
                self.used(certificate, &status, Some(revoked));
                self.subs.push(revoked_sub(certificate, is_target, revoked, &status, moment));
            }
            Verdict::Undetermined => self.undetermined(context, certificate, &status),
        }
        known_good
    }

    fn undetermined(&mut self, context: &Context<'_>, certificate: &Certificate, status: &Status) {
        let subject = certificate.subject().to_string();
        let mut doubts: Vec<String> = status.looked_at.iter().take(DOUBTS_MAX).map(|it| cut(looked(it))).collect();
        if let Some(more) = status.looked_at.len().checked_sub(DOUBTS_MAX).filter(|more| *more > 0) {
            doubts.push(format!("and {more} more"));
        }
        let why = if doubts.is_empty() { "nothing at hand tells".to_owned() } else { doubts.join("; ") };
        self.answers.note(constraint::REVOCATION, Some(&subject), Err(why));
        self.missing.extend(status.missing.iter().map(|missing| Missing {
            what: "revocation status",
            certificate: Some(certificate.into()),
            for_time: Some(missing.needed_for),
            note: cut(missing.to_string()),
        }));
        let next =
            status.looked_at.iter().filter_map(|looked| looked.next_update).filter(|next| *next > context.now).min();
        self.subs.push(SubIndication::TryLater { certificate: certificate.into(), at: next });
    }

    /// Notes what told the status.
    fn used(&mut self, certificate: &Certificate, status: &Status, revoked: Option<&Revocation>) {
        let used = status.looked_at.iter().filter(|looked| looked.was_used()).map(|looked| RevocationUsed {
            certificate: certificate.digest(),
            status: if matches!(status.verdict, Verdict::Revoked(_)) { "revoked" } else { "good" },
            revoked_at: revoked.map(|revoked| revoked.at),
            by: match looked.kind {
                EvidenceKind::Crl | EvidenceKind::DeltaCrl => "crl",
                EvidenceKind::Ocsp => "ocsp",
            },
            evidence: looked.digest,
            issued_at: looked.issued_at,
        });
        self.revocation.extend(used);
    }

    /// Evidence must be proved to have existed while its signer's certificate had not expired (past revocation data, §5.6.2.1)
    /// and that and those above it were known to be good (§5.6.2.2): later, whoever came by a key could have dated it back.
    fn evidence(&mut self, context: &Context<'_>, path: &Path, index: usize, status: &Status, known_good: Timestamp) {
        let certificate = &path.certificates()[index];
        for looked in status.looked_at.iter().filter(|looked| looked.was_used()) {
            let issuer = index.checked_sub(1).map(|above| &path.certificates()[above]);
            let signer = looked.signer.as_ref().map_or(issuer, |path| Some(path.target()));
            // What an anchor signed needs no proof: an anchor is trusted now.
            let Some(signer) = signer else { continue };
            let (known, expiry) = (context.proofs.of(looked.digest).at, signer.validity().not_after);
            let end = expiry.min(known_good);
            self.rests_on_past |= end < context.now;
            let subject = certificate.subject().to_string();
            if known <= end {
                self.answers.note(constraint::EVIDENCE, Some(&subject), Ok(()));
                continue;
            }
            let why = format!(
                "{} signed it, who is known to be good until {end}, and it is not proved to be older",
                signer.subject()
            );
            self.answers.note(constraint::EVIDENCE, Some(&subject), Err(why));
            self.missing.push(Missing {
                what: "proof of existence",
                certificate: Some((&**certificate).into()),
                for_time: Some(end),
                note: format!("a timestamp from before {end} over the evidence {}", looked.digest),
            });
            self.subs.push(if end == expiry {
                SubIndication::RevocationOutOfBoundsNoPoe { certificate: (&**certificate).into() }
            } else {
                SubIndication::NoPoe { objects: vec![looked.digest.to_string()] }
            });
        }
    }

    /// keyUsage and extended key usage of the signer.
    fn usage(&mut self, context: &Context<'_>, target: &Certificate, role: Role) {
        let off = "switched off by the policy";
        let mut failed = Vec::new();
        if context.policy.is_off(constraint::KEY_USAGE) {
            self.answers.skip(constraint::KEY_USAGE, None, off);
        } else if !self.answers.note(constraint::KEY_USAGE, None, key_usage(context, target, role)) {
            failed.push(constraint::KEY_USAGE);
        }
        if role == Role::Signer && context.policy.is_off(constraint::PURPOSE) {
            self.answers.skip(constraint::PURPOSE, None, off);
        } else if !self.answers.note(constraint::PURPOSE, None, purpose(context, target, role)) {
            failed.push(constraint::PURPOSE);
        }
        if !failed.is_empty() {
            self.subs.push(SubIndication::ChainConstraintsFailure { constraints: failed });
        }
    }
}

/// Constraints of each certificate that path validation answers.
const NAMES: [&str; 3] = [constraint::PERIOD, constraint::CERTIFICATE_ALGORITHMS, constraint::PATH_VALID];

/// An algorithm that is not accepted at the moment asked about.
pub(super) fn algorithm(material: String, until: Option<Timestamp>, signed_after: Option<Timestamp>) -> SubIndication {
    match until {
        // No earlier time would help.
        None => SubIndication::CryptoConstraintsFailure { material, accepted_until: None },
        Some(end) if signed_after.is_some_and(|after| after >= end) => {
            SubIndication::CryptoConstraintsFailure { material, accepted_until: until }
        }
        Some(_) => SubIndication::CryptoConstraintsFailureNoPoe { material, accepted_until: until },
    }
}

fn revoked_sub(
    certificate: &Certificate,
    is_target: bool,
    revoked: &Revocation,
    status: &Status,
    moment: Moment,
) -> SubIndication {
    let (named, revoked_at) = (CertificateRef::from(certificate), revoked.at);
    if revoked.is_hold() {
        // §5.2.6: a suspension may end.
        let at =
            status.looked_at.iter().filter(|looked| looked.was_used()).filter_map(|looked| looked.next_update).max();
        return SubIndication::TryLater { certificate: named, at };
    }
    let reason = Some(revoked.reason_name());
    match moment.signed_after.filter(|after| *after >= revoked_at) {
        _ if !is_target => SubIndication::RevokedCaNoPoe { certificate: named, revoked_at },
        Some(signed_after) => SubIndication::Revoked { certificate: named, revoked_at, reason, signed_after },
        None => SubIndication::RevokedNoPoe { certificate: named, revoked_at, reason },
    }
}

/// How many pieces of evidence that did not do are told of one certificate.
const DOUBTS_MAX: usize = 8;

/// The most octets of what is told of one: names of strangers are as long as they like.
const WORDS_MAX: usize = 400;

fn cut(mut text: String) -> String {
    if text.len() > WORDS_MAX {
        let end = (0..=WORDS_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn looked(looked: &Looked) -> String {
    let kind = match looked.kind {
        EvidenceKind::Crl => "CRL",
        EvidenceKind::DeltaCrl => "delta CRL",
        EvidenceKind::Ocsp => "OCSP response",
    };
    let doubts: Vec<String> = looked.doubts.iter().map(ToString::to_string).collect();
    format!("{kind} by {} of {}: {}", looked.issuer, looked.issued_at, doubts.join(", "))
}

fn key_usage(context: &Context<'_>, target: &Certificate, role: Role) -> Result<(), String> {
    let signs = [
        ("digitalSignature".to_owned(), KeyUsage::DIGITAL_SIGNATURE),
        ("nonRepudiation".to_owned(), KeyUsage::NON_REPUDIATION),
    ];
    let wanted = if role == Role::Signer { context.policy.key_usages.as_slice() } else { &signs };
    if wanted.is_empty() || wanted.iter().any(|(_, usage)| target.may(*usage)) {
        return Ok(());
    }
    let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    Err(format!("its keyUsage permits none of {}", names.join(", ")))
}

fn purpose(context: &Context<'_>, target: &Certificate, role: Role) -> Result<(), String> {
    if role == Role::Timestamping {
        // RFC 3161 §2.3: the extension is there, critical, and names nothing else.
        let alone =
            target.extended_key_usage().is_some_and(|usages| usages.len() == 1 && usages[0].content() == TIME_STAMPING);
        let critical = target
            .extensions()
            .iter()
            .any(|extension| extension.id.content() == [0x55, 0x1D, 37] && extension.critical);
        return if alone && critical {
            Ok(())
        } else {
            Err("its extended key usage is not timeStamping alone and critical".to_owned())
        };
    }
    let wanted = &context.policy.purposes;
    if wanted.is_empty() || wanted.iter().any(|purpose| target.may_serve(purpose.content())) {
        return Ok(());
    }
    let names: Vec<String> = wanted.iter().map(ObjectId::to_string).collect();
    Err(format!("its extended key usage has none of {}", names.join(", ")))
}
