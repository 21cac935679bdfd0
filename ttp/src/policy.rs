//! Policies: documents by which the service decides. Each is named by its SHA-256 and never edited; which one is in force under
//! a name is the newest `ops.policy-change` fact in that name's history, with the document as its artefact (DESIGN §4).
//!
//! In scope: names and their histories, who holds which trusted role ([`roles`]), who is behind a certificate ([`person`]). What a
//! certificate profile or the settings say is read where they are used.

pub mod person;
pub mod roles;

use std::fmt;

use crate::ca::profile::Profile;
use crate::digest::Digest;
use crate::evidence::Aggregate;

/// The document of a policy that is in force no more: no octets. Nothing else is, so that no policy can be mistaken for it.
pub const WITHDRAWN: &[u8] = &[];

/// Under which name a policy is in force.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyName {
    /// The settings that decisions depend on; this one's digest stands in every fact.
    Settings,
    /// The terms that an applicant accepts.
    Terms,
    /// Who holds which trusted role.
    Roles,
    /// By what signatures are judged, and whose are trusted.
    Validation,
    /// By what the arbiter decides about exchanges.
    Exchange,
    /// A certificate profile, by its own name.
    Profile(String),
}

impl PolicyName {
    /// The history of what was in force under this name.
    #[must_use]
    pub fn aggregate(&self) -> Aggregate {
        Aggregate::of("policy", self.to_string().as_bytes())
    }

    /// In which form its documents are.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        match self {
            Self::Settings | Self::Validation | Self::Exchange => "application/json",
            Self::Terms => "text/markdown; charset=utf-8",
            Self::Roles | Self::Profile(_) => "application/toml",
        }
    }

    /// The name whose history has `document` in it: histories tell their names to nobody.
    #[must_use]
    pub fn of(history: Aggregate, document: &[u8]) -> Option<Self> {
        let fixed = [Self::Settings, Self::Terms, Self::Roles, Self::Validation, Self::Exchange].into_iter();
        fixed.chain(profile_name(document)).find(|name| name.aggregate() == history)
    }
}

/// `settings`, `terms`, `roles`, `validation`, `exchange`, `profile/NAME`.
impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("settings"),
            Self::Terms => f.write_str("terms"),
            Self::Roles => f.write_str("roles"),
            Self::Validation => f.write_str("validation"),
            Self::Exchange => f.write_str("exchange"),
            Self::Profile(name) => write!(f, "profile/{name}"),
        }
    }
}

fn profile_name(document: &[u8]) -> Option<PolicyName> {
    let profile = Profile::parse(std::str::from_utf8(document).ok()?).ok()?;
    Some(PolicyName::Profile(profile.name().to_owned()))
}

/// A policy with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Under which it is in force.
    pub name: PolicyName,
    /// The document.
    pub bytes: Vec<u8>,
}

impl Policy {
    /// A certificate profile.
    #[must_use]
    pub fn of_profile(profile: &Profile) -> Self {
        Self { name: PolicyName::Profile(profile.name().to_owned()), bytes: profile.bytes().to_vec() }
    }

    /// What names the document for good.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_known_by_what_is_in_it() {
        let profile = Policy::of_profile(&Profile::named("party-legal"));
        assert_eq!(profile.name.to_string(), "profile/party-legal");
        assert_eq!(profile.digest(), Profile::named("party-legal").digest());
        let terms = Policy { name: PolicyName::Terms, bytes: b"Pay on time.".to_vec() };
        for policy in [&profile, &terms] {
            assert_eq!(PolicyName::of(policy.name.aggregate(), &policy.bytes).as_ref(), Some(&policy.name));
        }
        assert_eq!(PolicyName::of(PolicyName::Roles.aggregate(), &profile.bytes), Some(PolicyName::Roles));
        let other = Profile::named("party-natural");
        assert_eq!(PolicyName::of(profile.name.aggregate(), other.bytes()), None, "another profile's history");
        assert_eq!(PolicyName::of(profile.name.aggregate(), WITHDRAWN), None, "what is withdrawn has no name in it");
    }
}
