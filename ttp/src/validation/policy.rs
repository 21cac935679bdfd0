//! After which rules signatures are judged: a file, known by its hash.
//!
//! ```
//! use semper_ttp::validation::Policy;
//!
//! let policy = Policy::parse(b"name = \"example\"\n[signer]\nkey_usages = [\"nonRepudiation\"]\n").unwrap();
//! assert_eq!(policy.name(), "example");
//! ```

use std::collections::BTreeSet;

use serde::Deserialize;

use super::constraint;
use super::report::PolicyUsed;
use crate::digest::Digest;
use crate::path::{Accepted, AlgorithmTable, Freshness, ObjectId};
use crate::time::Timestamp;
use crate::x509::KeyUsage;

/// The longest policy file, bytes.
const POLICY_BYTES_MAX: usize = 64 << 10;

/// The rules.
#[derive(Clone, Debug)]
pub struct Policy {
    name: String,
    hash: Digest,
    checks_off: BTreeSet<&'static str>,
    pub(super) algorithms: AlgorithmTable,
    pub(super) freshness: Freshness,
    /// Of which a signer's certificate must have one; empty for any.
    pub(super) key_usages: Vec<(String, KeyUsage)>,
    /// Extended key usages of which it must have one, if it has any.
    pub(super) purposes: BTreeSet<ObjectId>,
    /// Certificate policies of which its path must be valid for one; empty for any.
    pub(super) certificate_policies: BTreeSet<ObjectId>,
    /// Policies of timestamps; empty for any.
    pub(super) timestamp_policies: BTreeSet<ObjectId>,
}

/// Why a file is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// Longer than 64 KiB.
    #[error("a policy has at most {POLICY_BYTES_MAX} bytes")]
    TooLong,
    /// Not TOML of this form.
    #[error("the policy does not read: {0}")]
    Form(String),
    /// A key usage or an object identifier that is none.
    #[error("{0:?} is no {1}")]
    Name(String, &'static str),
    /// A moment that is not RFC 3339.
    #[error("{0:?} is no moment of RFC 3339")]
    Time(String),
    /// A constraint that is not known, or that must not be switched off.
    #[error("the check {0:?} cannot be switched off: only {list} can", list = constraint::MAY_BE_OFF.join(", "))]
    CannotBeOff(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    checks_off: Vec<String>,
    /// How old revocation data may be; until its nextUpdate if absent.
    freshness_secs: Option<u64>,
    /// The built-in table if absent.
    algorithms: Option<Vec<Algorithm>>,
    #[serde(default)]
    signer: Signer,
    #[serde(default)]
    timestamp: Policies,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Algorithm {
    name: String,
    #[serde(default)]
    bits_min: u32,
    until: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signer {
    #[serde(default)]
    key_usages: Vec<String>,
    #[serde(default)]
    purposes: Vec<String>,
    #[serde(default)]
    policies: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policies {
    #[serde(default)]
    policies: Vec<String>,
}

impl Policy {
    /// The file of the one that is built in.
    pub(super) const BUILTIN: &str = include_str!("../../../schemas/validation-policy.toml");

    /// The one that is built in: `schemas/validation-policy.toml`.
    #[must_use]
    pub fn builtin() -> Self {
        // A test reads it.
        Self::parse(Self::BUILTIN.as_bytes()).expect("the built-in policy reads")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`PolicyFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyFault> {
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(PolicyFault::TooLong);
        }
        let file: File = toml::from_slice(bytes).map_err(|fault| PolicyFault::Form(fault.message().to_owned()))?;
        let algorithms = match file.algorithms {
            None => AlgorithmTable::builtin(),
            Some(lines) => {
                let accepted = lines.into_iter().map(Algorithm::accepted).collect::<Result<_, _>>()?;
                AlgorithmTable { name: file.name.clone(), accepted }
            }
        };
        Ok(Self {
            hash: Digest::of(bytes),
            checks_off: file.checks_off.into_iter().map(may_be_off).collect::<Result<_, _>>()?,
            algorithms,
            freshness: file.freshness_secs.map_or(Freshness::NextUpdate, |secs| Freshness::Within { secs }),
            key_usages: file.signer.key_usages.into_iter().map(key_usage).collect::<Result<_, _>>()?,
            purposes: object_ids(file.signer.purposes)?,
            certificate_policies: object_ids(file.signer.policies)?,
            timestamp_policies: object_ids(file.timestamp.policies)?,
            name: file.name,
        })
    }

    /// As it names itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its file.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    pub(super) fn is_off(&self, check: &str) -> bool {
        self.checks_off.contains(check)
    }

    pub(super) fn used(&self) -> PolicyUsed {
        let checks_off = self.checks_off.iter().copied().collect();
        PolicyUsed { name: self.name.clone(), hash: self.hash, checks_off }
    }
}

impl Algorithm {
    fn accepted(self) -> Result<Accepted, PolicyFault> {
        let time = |text: String| Timestamp::from_rfc3339(&text).ok_or(PolicyFault::Time(text));
        Ok(Accepted { name: self.name, bits_min: self.bits_min, until: self.until.map(time).transpose()? })
    }
}

fn may_be_off(name: String) -> Result<&'static str, PolicyFault> {
    constraint::MAY_BE_OFF.into_iter().find(|known| *known == name).ok_or(PolicyFault::CannotBeOff(name))
}

fn key_usage(name: String) -> Result<(String, KeyUsage), PolicyFault> {
    let usage = match name.as_str() {
        "digitalSignature" => KeyUsage::DIGITAL_SIGNATURE,
        "nonRepudiation" => KeyUsage::NON_REPUDIATION,
        _ => return Err(PolicyFault::Name(name, "key usage of a signer")),
    };
    Ok((name, usage))
}

fn object_ids(texts: Vec<String>) -> Result<BTreeSet<ObjectId>, PolicyFault> {
    let read = |text: String| text.parse().map_err(|_| PolicyFault::Name(text, "object identifier"));
    texts.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, expected: Result<(), PolicyFault>) {
        assert_eq!(Policy::parse(file.as_bytes()).map(drop), expected);
    }

    #[test]
    fn what_is_a_policy() {
        check("name = \"a\"", Ok(()));
        check("name = \"a\"\nchecks_off = [\"certificate.revocation\"]", Ok(()));
        check("name = \"a\"\n[timestamp]\npolicies = [\"2.25.1\"]", Ok(()));
        check("name = \"a\"\n[[algorithms]]\nname = \"sha256\"\nuntil = \"2030-01-01T00:00:00Z\"", Ok(()));
        let until = "name = \"a\"\n[[algorithms]]\nname = \"sha256\"\nuntil = \"soon\"";
        check(until, Err(PolicyFault::Time("soon".to_owned())));
        let usage = "name = \"a\"\n[signer]\nkey_usages = [\"keyCertSign\"]";
        check(usage, Err(PolicyFault::Name("keyCertSign".to_owned(), "key usage of a signer")));
        let purpose = "name = \"a\"\n[signer]\npurposes = [\"email\"]";
        check(purpose, Err(PolicyFault::Name("email".to_owned(), "object identifier")));
        // What a valid signature is, no policy can say.
        for never in [constraint::DIGEST, constraint::VALUE, constraint::FORMAT, "anything"] {
            let file = format!("name = \"a\"\nchecks_off = [\"{never}\"]");
            check(&file, Err(PolicyFault::CannotBeOff(never.to_owned())));
        }
        assert!(matches!(Policy::parse(b"nam = 1"), Err(PolicyFault::Form(_))));
        assert_eq!(Policy::parse(&vec![b' '; POLICY_BYTES_MAX + 1]).err(), Some(PolicyFault::TooLong));
    }

    #[test]
    fn the_built_in_one_reads() {
        let policy = Policy::builtin();
        assert!(!policy.is_off(constraint::REVOCATION));
        assert_eq!(policy.used().checks_off, Vec::<&str>::new());
    }
}
