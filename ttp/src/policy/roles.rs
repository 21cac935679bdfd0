//! Who holds which trusted role (ETSI EN 319 401, 7.2): an operator's file that grants roles to certificates by their SHA-256.
//! What it does not grant, nobody may: deny by default.
//!
//! ```toml
//! [roles]
//! operator = ["3f5c…"]                       # SHA-256 of a certificate, 64 hexadecimal digits
//! registration-officer = ["90ab…", "77de…"]
//! ```
//!
//! The file is a policy that anybody may read, so it names nobody: whose certificate that is, the registration knows. What the
//! class of a certificate forbids, no grant permits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use crate::ca::profile::ProfileCode;
use crate::digest::Digest;

/// Longest file, octets: some ten thousand grants.
const BYTES_MAX: usize = 1 << 20;

/// A trusted role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustedRole {
    /// Runs the service, and approves applications of officers and operators.
    Operator,
    /// Records identities, decides applications, suspends parties and reinstates them.
    RegistrationOfficer,
    /// Revokes certificates, and suspends parties.
    RevocationOfficer,
    /// Decides about notarial acts, and reads the journal.
    NotaryOfficer,
    /// Sees what the others did and changes nothing.
    Auditor,
}

impl TrustedRole {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Operator, Self::RegistrationOfficer, Self::RevocationOfficer, Self::NotaryOfficer, Self::Auditor];

    /// As the file has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::RegistrationOfficer => "registration-officer",
            Self::RevocationOfficer => "revocation-officer",
            Self::NotaryOfficer => "notary-officer",
            Self::Auditor => "auditor",
        }
    }

    /// Whether the holder of a certificate of this class may have the role: what an officer does, no operator does
    /// (EN 319 401, REQ-7.2-14, conflicting duties), and no party either.
    #[must_use]
    pub const fn fits(self, class: ProfileCode) -> bool {
        match self {
            Self::Operator => matches!(class, ProfileCode::Operator),
            Self::RegistrationOfficer | Self::RevocationOfficer | Self::NotaryOfficer => {
                matches!(class, ProfileCode::Officer)
            }
            Self::Auditor => matches!(class, ProfileCode::Operator | ProfileCode::Officer),
        }
    }
}

/// Who holds which role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedRoles(BTreeMap<Digest, BTreeSet<TrustedRole>>);

/// Why a file grants nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolesFault {
    /// Longer than 1 MiB.
    TooLong,
    /// Not UTF-8, or not the TOML that is wanted; the parser's words.
    Toml(String),
    /// The same certificate twice under one role: one of them was meant to be another.
    Twice(TrustedRole, Digest),
}

impl fmt::Display for RolesFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the file is longer than {BYTES_MAX} octets"),
            Self::Toml(words) => f.write_str(words.trim_end()),
            Self::Twice(role, certificate) => write!(f, "{} is granted to {certificate} twice", role.name()),
        }
    }
}

impl std::error::Error for RolesFault {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RolesFile {
    roles: BTreeMap<TrustedRole, Vec<Digest>>,
}

impl TrustedRoles {
    /// Reads the file.
    ///
    /// # Errors
    /// [`RolesFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RolesFault> {
        if bytes.len() > BYTES_MAX {
            return Err(RolesFault::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|error| RolesFault::Toml(error.to_string()))?;
        let file: RolesFile = toml::from_str(text).map_err(|error| RolesFault::Toml(error.to_string()))?;
        let mut granted = BTreeMap::<_, BTreeSet<_>>::new();
        for (role, certificates) in file.roles {
            for certificate in certificates {
                if !granted.entry(certificate).or_default().insert(role) {
                    return Err(RolesFault::Twice(role, certificate));
                }
            }
        }
        Ok(Self(granted))
    }

    /// Whether this certificate was granted the role, whatever its class.
    #[must_use]
    pub fn grants(&self, certificate: &Digest, role: TrustedRole) -> bool {
        self.0.get(certificate).is_some_and(|roles| roles.contains(&role))
    }

    /// Whether the holder of this certificate, which is of this class, may do what the role does.
    #[must_use]
    pub fn allows(&self, certificate: &Digest, class: ProfileCode, role: TrustedRole) -> bool {
        role.fits(class) && self.grants(certificate, role)
    }

    /// The roles of one certificate, in the order of their declaration.
    pub fn of(&self, certificate: &Digest, class: ProfileCode) -> impl Iterator<Item = TrustedRole> + use<'_> {
        let granted = self.0.get(certificate).into_iter().flatten();
        granted.copied().filter(move |role| role.fits(class))
    }

    /// Every grant.
    pub fn grants_all(&self) -> impl Iterator<Item = (&Digest, TrustedRole)> {
        self.0.iter().flat_map(|(certificate, roles)| roles.iter().map(move |role| (certificate, *role)))
    }

    /// How many certificates hold a role.
    #[must_use]
    pub fn holders(&self, role: TrustedRole) -> usize {
        self.0.values().filter(|roles| roles.contains(&role)).count()
    }

    /// The file that grants these, for a service that has none yet.
    #[must_use]
    pub fn file(grants: &[(TrustedRole, Digest)]) -> String {
        let mut text = String::from(
            "# Who holds which trusted role: SHA-256 of certificates that this service issued (openssl x509 -fingerprint -sha256,\n\
             # without colons). Anybody may read this file: write no names into it. A change counts from the next start on.\n\
             [roles]\n",
        );
        for role in TrustedRole::ALL {
            let holders = grants.iter().filter(|(granted, _)| *granted == role);
            let holders: Vec<_> = holders.map(|(_, certificate)| format!("\"{certificate}\"")).collect();
            text.push_str(&format!("{} = [{}]\n", role.name(), holders.join(", ")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_granted_is_denied() {
        let [officer, operator] = [1, 2].map(|octet| Digest([octet; 32]));
        let file = TrustedRoles::file(&[
            (TrustedRole::Operator, operator),
            (TrustedRole::Auditor, operator),
            (TrustedRole::RevocationOfficer, officer),
        ]);
        let roles = TrustedRoles::parse(file.as_bytes()).unwrap();
        for class in ProfileCode::ALL {
            for role in TrustedRole::ALL {
                let may = |certificate| roles.allows(&certificate, class, role);
                let expected = (role, class) == (TrustedRole::RevocationOfficer, ProfileCode::Officer);
                assert_eq!(may(officer), expected, "{role:?} {class:?}");
                assert!(!may(Digest([3; 32])) && !TrustedRoles::default().allows(&officer, class, role));
            }
        }
        let of = |certificate, class| roles.of(&certificate, class).collect::<Vec<_>>();
        assert_eq!(of(operator, ProfileCode::Operator), [TrustedRole::Operator, TrustedRole::Auditor]);
        assert_eq!(of(operator, ProfileCode::Officer), [TrustedRole::Auditor]);
        assert_eq!(of(operator, ProfileCode::Party), []);
        assert_eq!((roles.holders(TrustedRole::Operator), roles.holders(TrustedRole::RegistrationOfficer)), (1, 0));
    }

    #[test]
    fn a_file_that_is_not_meant_so_is_refused() {
        let digest = "3f".repeat(32);
        for (text, expected) in [
            (String::new(), "missing field `roles`"),
            ("[roles]\nking = []".to_owned(), "unknown variant `king`"),
            ("[roles]\n[other]".to_owned(), "unknown field `other`"),
            ("[roles]\noperator = [\"3f\"]".to_owned(), "64 hex digits"),
            (format!("[roles]\noperator = [\"{digest}\", \"{}\"]", digest.to_uppercase()), "twice"),
            (format!("[roles]\noperator = []\noperator = [\"{digest}\"]"), "duplicate key"),
            (" ".repeat(BYTES_MAX + 1), "longer than"),
        ] {
            let said = TrustedRoles::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        }
        assert!(TrustedRoles::parse(&[0xFF]).is_err());
    }
}
