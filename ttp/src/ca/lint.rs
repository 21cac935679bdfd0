//! The lint of a certificate before it is signed (spec §12): every rule, by its number, over the octets that will be signed.
//!
//! It reads what was built as a stranger would, and compares it with the profile and with RFC 5280, ETSI EN 319 412 and the
//! CA/Browser Forum's Baseline Requirements (BR). An error stops the issue; warnings do not. Findings are recorded with the
//! certificate, or with the refusal, by their numbers, which are never given to another rule.

mod names;
mod public;
mod rules;

use std::fmt;

use super::certificate::{Issuer, signed};
use super::profile::Profile;
use crate::x509::Certificate;
use rules::{RULES, Subject};

/// Raised whenever a rule is added or changed: it stands beside the findings.
pub const LINT_VERSION: u64 = 3;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is issued, and its operator should know.
    Warning,
    /// It is not issued.
    Error,
}

/// One rule that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's number, stored.
    pub number: u8,
    /// Its name.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where it comes from.
    pub source: &'static str,
}

/// What the lint found, in the order of the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lint(Vec<Finding>);

impl Lint {
    /// Everything found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }

    /// True if an error is among them.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The numbers, as facts hold them.
    #[must_use]
    pub fn numbers(&self) -> Vec<u8> {
        self.0.iter().map(|finding| finding.number).collect()
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, finding) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{} ({})", finding.rule, finding.source)?;
        }
        if self.0.is_empty() { write!(f, "nothing found") } else { Ok(()) }
    }
}

/// Judges the octets that will be signed by `issuer`.
#[must_use]
pub fn lint(tbs_der: &[u8], profile: &Profile, issuer: &Issuer) -> Lint {
    read(tbs_der, profile, issuer).0
}

/// The same, and what was read, whose signature is still to come.
pub(super) fn read(tbs_der: &[u8], profile: &Profile, issuer: &Issuer) -> (Lint, Option<Certificate>) {
    // A signature of no octets: what is read is the whole rest, and it verifies nowhere.
    let unsigned = signed(tbs_der, issuer.algorithm(), &[]);
    let Ok(certificate) = Certificate::from_der(&unsigned) else {
        let finding = Finding { number: 0, rule: "readable", severity: Severity::Error, source: "X.690" };
        return (Lint(vec![finding]), None);
    };
    (judge(&certificate, profile, issuer), Some(certificate))
}

/// Judges a certificate as [`lint`] judged it before it was signed.
#[must_use]
pub fn judge(certificate: &Certificate, profile: &Profile, issuer: &Issuer) -> Lint {
    let subject = Subject::new(certificate, profile, issuer);
    let broken = RULES.iter().filter(|rule| !(rule.holds)(&subject));
    Lint(
        broken
            .map(|rule| Finding { number: rule.number, rule: rule.name, severity: rule.severity, source: rule.source })
            .collect(),
    )
}

#[cfg(test)]
mod tests;
