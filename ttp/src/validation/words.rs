//! A report as people read it: line by line, the worst first.

use std::fmt;

use super::indication::SubIndication;
use super::report::{Conclusion, Coverage, Kind, Outcome, Process, Report, SignatureReport};

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.indication.name())?;
        match &self.sub_indication {
            None => Ok(()),
            Some(sub) => write!(f, "/{}: {}", sub.name(), explain(sub)),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.conclusion)?;
        writeln!(f, "  document {}, judged for {}", self.document, self.validation_time)?;
        writeln!(f, "  by the policy {} ({})", self.policy.name, self.policy.hash)?;
        if !self.policy.checks_off.is_empty() {
            writeln!(f, "  which switches off {}", self.policy.checks_off.join(", "))?;
        }
        for constraint in &self.constraints {
            if let Outcome::Failed(why) | Outcome::NotChecked(why) = &constraint.outcome {
                writeln!(f, "  {}: {why}", constraint.name)?;
            }
        }
        self.signatures.iter().try_for_each(|signature| told(signature, f, "  "))
    }
}

/// A signature and what it carries.
fn told(report: &SignatureReport, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
    let kind = match report.kind {
        Kind::Signature => "signature",
        Kind::DocumentTimestamp => "document timestamp",
        Kind::SignatureTimestamp => "signature timestamp",
        Kind::ContentTimestamp => "content timestamp",
        Kind::ArchiveTimestamp => "archive timestamp",
        Kind::Certificate => "certificate",
    };
    writeln!(f, "{indent}{kind} {}: {}", report.name, report.conclusion)?;
    if let Some(signer) = &report.signer {
        writeln!(f, "{indent}  by {} (issued by {}, serial {})", signer.subject, signer.issuer, signer.serial)?;
    }
    if let Some(claimed) = report.claimed_time {
        let whose = if report.kind == Kind::Signature { "the signer says" } else { "the timestamp says" };
        writeln!(f, "{indent}  made {claimed}, as {whose}")?;
    }
    match report.best_time.by {
        Some(by) => writeln!(f, "{indent}  proved to have existed at {} by the timestamp {by}", report.best_time.at)?,
        None => writeln!(f, "{indent}  not proved to be older than the moment of validation")?,
    }
    let process = match report.process {
        Process::Basic => "for the moment of validation",
        Process::WithTime => "for the time of its timestamp",
        Process::LongTerm => "for the time that is proved, with evidence of the past",
    };
    writeln!(f, "{indent}  judged {process}: {}", report.judged_at)?;
    for coverage in &report.coverage {
        if let Coverage::Revision { revision, of, changes, .. } = coverage {
            writeln!(f, "{indent}  covers revision {revision} of {of}")?;
            changes.iter().try_for_each(|change| writeln!(f, "{indent}    afterwards {change}"))?;
        }
    }
    for constraint in &report.constraints {
        let about = constraint.about.as_deref().map(|about| format!(" of {about}")).unwrap_or_default();
        match &constraint.outcome {
            Outcome::Passed => {}
            Outcome::Failed(why) => writeln!(f, "{indent}  FAILED {}{about}: {why}", constraint.name)?,
            Outcome::NotChecked(why) => writeln!(f, "{indent}  not checked: {}{about}: {why}", constraint.name)?,
        }
    }
    for missing in &report.missing {
        let time = missing.for_time.map_or(String::new(), |time| format!(" for {time}"));
        writeln!(f, "{indent}  missing {}{time}: {}", missing.what, missing.note)?;
    }
    for what in &report.not_judged {
        writeln!(f, "{indent}  not judged: {what}")?;
    }
    let deeper = format!("{indent}  ");
    report.timestamps.iter().try_for_each(|timestamp| told(timestamp, f, &deeper))
}

/// What a sub-indication means, in a sentence.
fn explain(sub: &SubIndication) -> String {
    let until = |end: &Option<crate::time::Timestamp>| match end {
        Some(end) => format!("accepted until {end}"),
        None => "not accepted".to_owned(),
    };
    match sub {
        SubIndication::FormatFailure { why } => why.clone(),
        SubIndication::HashFailure { element } => format!("{element} was changed"),
        SubIndication::SigCryptoFailure { certificate } => {
            format!("the signature was not made by the key of {}", certificate.subject)
        }
        SubIndication::Revoked { certificate, revoked_at, signed_after, .. } => {
            format!(
                "{} was revoked at {revoked_at}, and the signature is from after {signed_after}",
                certificate.subject
            )
        }
        SubIndication::Expired { certificate, signed_after } => {
            format!(
                "{} expired at {}, and the signature is from after {signed_after}",
                certificate.subject, certificate.not_after
            )
        }
        SubIndication::NotYetValid { certificate, existed_at } => {
            format!("the signature existed at {existed_at}, before {} was valid", certificate.subject)
        }
        SubIndication::SigConstraintsFailure { constraints }
        | SubIndication::ChainConstraintsFailure { constraints } => {
            format!("not as asked: {}", constraints.join(", "))
        }
        SubIndication::CertificateChainGeneralFailure { why } | SubIndication::PolicyProcessingError { why } => {
            why.clone()
        }
        SubIndication::CryptoConstraintsFailure { material, accepted_until } => {
            format!("{material} ({})", until(accepted_until))
        }
        SubIndication::CryptoConstraintsFailureNoPoe { material, accepted_until } => {
            format!("{material} ({}), and nothing proves that it is older", until(accepted_until))
        }
        SubIndication::SignaturePolicyNotAvailable { policy } => {
            format!("the signature policy {policy} is not at hand")
        }
        SubIndication::TimestampOrderFailure { .. } => "timestamps contradict each other".to_owned(),
        SubIndication::NoSigningCertificateFound => "the signing certificate is not at hand".to_owned(),
        SubIndication::NoCertificateChainFound { why } => why.clone(),
        SubIndication::NoCertificateChainFoundNoPoe => "no path led to an anchor at the time that is proved".to_owned(),
        SubIndication::RevokedNoPoe { certificate, revoked_at, .. } => {
            format!(
                "{} was revoked at {revoked_at}, and nothing proves that the signature is older",
                certificate.subject
            )
        }
        SubIndication::RevokedCaNoPoe { certificate, revoked_at } => {
            format!(
                "the CA {} was revoked at {revoked_at}, and nothing proves that what it issued is older",
                certificate.subject
            )
        }
        SubIndication::OutOfBoundsNotRevoked { certificate } => {
            format!(
                "{} expired unrevoked at {}, and nothing proves that the signature is older",
                certificate.subject, certificate.not_after
            )
        }
        SubIndication::OutOfBoundsNoPoe { certificate } => format!(
            "{} is valid from {} to {}, and nothing proves that the signature is from then",
            certificate.subject, certificate.not_before, certificate.not_after
        ),
        SubIndication::RevocationOutOfBoundsNoPoe { certificate } => {
            format!(
                "what tells the status of {} can no longer be verified, and nothing proves that it is older",
                certificate.subject
            )
        }
        SubIndication::NoPoe { objects } => format!("nothing proves since when these exist: {}", objects.join(", ")),
        SubIndication::TryLater { certificate, at } => match at {
            Some(at) => format!("whether {} is revoked will be known at {at}", certificate.subject),
            None => format!("whether {} is revoked cannot be told", certificate.subject),
        },
        SubIndication::SignedDataNotFound { identifier } => format!("the signed content ({identifier}) is not at hand"),
        SubIndication::Custom { diagnostic } => diagnostic.clone(),
    }
}
