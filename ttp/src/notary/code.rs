//! What acts are, how they end, and why. The numbers are stored; the names are those of records, requests and answers.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::evidence::{NotaryKind, codes};

/// In JSON they are their names.
macro_rules! as_names {
    ($($name:ident)+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                Self::ALL.iter().copied().find(|known| known.name() == name).ok_or_else(|| {
                    let names: Vec<_> = Self::ALL.iter().map(|known| known.name()).collect();
                    serde::de::Error::custom(format!("one of {}", names.join(", ")))
                })
            }
        }
    )+};
}

as_names! { ActType Outcome Reason OfficerCheck }

codes! {
    /// The four services of RFC 3029.
    Service {
        /// Certification of a claim of possession: somebody showed this hash.
        Ccpd = 0 "ccpd",
        /// Certification of possession: the service held these octets.
        Cpd = 1 "cpd",
        /// Validation of a signed document.
        Vsd = 2 "vsd",
        /// Validation of public key certificates.
        Vpkc = 3 "vpkc",
    }
}

impl Service {
    /// The kind of its facts and entries.
    #[must_use]
    pub const fn kind(self) -> NotaryKind {
        match self {
            Self::Ccpd => NotaryKind::Ccpd,
            Self::Cpd => NotaryKind::Cpd,
            Self::Vsd => NotaryKind::Vsd,
            Self::Vpkc => NotaryKind::Vpkc,
        }
    }

    /// Whether it certifies what a validation gave.
    #[must_use]
    pub const fn validates(self) -> bool {
        matches!(self, Self::Vsd | Self::Vpkc)
    }

    /// The reverse of [`Service::kind`].
    #[must_use]
    pub const fn of_kind(kind: NotaryKind) -> Option<Self> {
        match kind {
            NotaryKind::Ccpd => Some(Self::Ccpd),
            NotaryKind::Cpd => Some(Self::Cpd),
            NotaryKind::Vsd => Some(Self::Vsd),
            NotaryKind::Vpkc => Some(Self::Vpkc),
            NotaryKind::Act
            | NotaryKind::ActOpened
            | NotaryKind::ActSigned
            | NotaryKind::ActAssigned
            | NotaryKind::ActReport
            | NotaryKind::ActDocument
            | NotaryKind::ActPersonal => None,
        }
    }
}

codes! {
    /// What an act certifies.
    ActType {
        /// That the requester held a document, or claimed so by its hash.
        Possession = 0 "possession",
        /// That a document existed at the time.
        Existence = 1 "existence",
        /// What the validation of the signatures of a document gave.
        SignatureValidation = 2 "signature-validation",
        /// That a copy has the content of its original.
        Copy = 3 "copy",
        /// That parties have signed one and the same document.
        Contract = 4 "contract",
        /// That an extract of the journal says what the journal says.
        JournalExtract = 5 "journal-extract",
    }
}

impl ActType {
    /// Whether it certifies what a validation gave.
    #[must_use]
    pub const fn validates(self) -> bool {
        matches!(self, Self::SignatureValidation)
    }

    /// Those that are asked for by a request; an extract of the journal is ordered otherwise.
    pub fn asked_for() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|act| *act != Self::JournalExtract)
    }

    /// Whether it certifies a document that the service itself makes: the report of a validation, an extract of the journal.
    #[must_use]
    pub const fn has_report(self) -> bool {
        self.validates() || matches!(self, Self::JournalExtract)
    }

    /// What only a person can see, without which the act certifies nothing.
    #[must_use]
    pub const fn needs(self) -> Checks {
        match self {
            Self::Copy => Checks::none().with(OfficerCheck::ComparedWithOriginal),
            Self::Possession | Self::Existence | Self::SignatureValidation | Self::Contract | Self::JournalExtract => {
                Checks::none()
            }
        }
    }
}

codes! {
    /// How an act ended.
    Outcome {
        /// It certifies.
        Performed = 0 "performed",
        /// The notary would not.
        Refused = 1 "refused",
        /// Nobody decided: the requester took it back, or time ran out.
        Aborted = 2 "aborted",
    }
}

codes! {
    /// Why an act does not certify.
    Reason {
        /// The validation of a signature failed.
        SignatureNotValid = 0 "signature_not_valid",
        /// The documents are not those that they should be.
        DocumentDiffers = 1 "document_differs",
        /// What was handed in cannot be read.
        DocumentUnreadable = 2 "document_unreadable",
        /// A person is not shown to be who it says.
        IdentityNotProven = 3 "identity_not_proven",
        /// What was handed in does not show enough.
        EvidenceInsufficient = 4 "evidence_insufficient",
        /// No business of this notary's.
        NotWithinOffice = 5 "not_within_office",
        /// What the act is for is unlawful.
        UnlawfulPurpose = 6 "unlawful_purpose",
        /// A person does not act of its own will, or does not understand.
        WillInDoubt = 7 "will_in_doubt",
        /// A person may not act for whom it acts.
        CapacityInDoubt = 8 "capacity_in_doubt",
        /// The notary has an interest in it.
        ConflictOfInterest = 9 "conflict_of_interest",
        /// Anything else.
        Other = 10 "other",
        /// The requester no longer wants it.
        Withdrawn = 11 "withdrawn",
        /// Nobody decided, or signed, in time.
        Expired = 12 "expired",
        /// Whether a signature is valid could not be told: something is missing.
        SignatureUndetermined = 13 "signature_undetermined",
        /// There is no signature, or none that can be read.
        SignatureMissing = 14 "signature_missing",
    }
}

impl Reason {
    /// How an act ends for this reason.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Withdrawn | Self::Expired => Outcome::Aborted,
            _ => Outcome::Refused,
        }
    }

    /// True for reasons that an officer may give.
    #[must_use]
    pub const fn is_officers(self) -> bool {
        !matches!(self, Self::Withdrawn | Self::Expired)
    }
}

codes! {
    /// What an officer says to have checked. The numbers are bits of a stored number.
    OfficerCheck {
        /// The persons, by documents or other than by their certificates.
        Identity = 0 "identity",
        /// That they act of their own will and understand.
        Will = 1 "will",
        /// That they may act for whom they act.
        Capacity = 2 "capacity",
        /// The copy with the original, which the officer saw.
        ComparedWithOriginal = 3 "compared-with-original",
        /// The content, as far as the law asks it of the notary.
        Content = 4 "content",
    }
}

/// A set of checks, stored as one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks(u64);

impl Checks {
    /// No check.
    #[must_use]
    pub const fn none() -> Self {
        Self(0)
    }

    /// This one, too.
    #[must_use]
    pub const fn with(self, check: OfficerCheck) -> Self {
        Self(self.0 | 1 << check.code())
    }

    /// Whether all of `others` are among them.
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Those of `self` that `others` lack.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// One by one, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = OfficerCheck> {
        OfficerCheck::ALL.iter().copied().filter(move |check| self.has(Self::none().with(*check)))
    }

    /// The stored number.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Reads [`Checks::bits`]; `None` for a check that nobody knows.
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<Self> {
        let all: Self = OfficerCheck::ALL.iter().copied().collect();
        all.has(Self(bits)).then_some(Self(bits))
    }
}

impl FromIterator<OfficerCheck> for Checks {
    fn from_iter<I: IntoIterator<Item = OfficerCheck>>(checks: I) -> Self {
        checks.into_iter().fold(Self::none(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They stand in facts for ever.
    #[test]
    fn numbers_are_frozen() {
        let named = |all: &[&'static str]| all.join(" ");
        assert_eq!(
            named(&ActType::ALL.iter().map(|act| act.name()).collect::<Vec<_>>()),
            "possession existence signature-validation copy contract journal-extract"
        );
        assert_eq!(named(&Outcome::ALL.iter().map(|o| o.name()).collect::<Vec<_>>()), "performed refused aborted");
        assert_eq!(
            named(&OfficerCheck::ALL.iter().map(|check| check.name()).collect::<Vec<_>>()),
            "identity will capacity compared-with-original content"
        );
        assert_eq!(
            (Reason::SignatureNotValid.code(), Reason::Expired.code(), Reason::SignatureMissing.code()),
            (0, 12, 14)
        );
        for service in Service::ALL {
            assert_eq!(Service::of_kind(service.kind()), Some(*service));
            assert_eq!(service.kind().code(), service.code());
        }
    }

    #[test]
    fn checks_are_a_set() {
        let some = Checks::none().with(OfficerCheck::Content).with(OfficerCheck::Identity);
        assert_eq!(some.bits(), 0b1_0001);
        assert_eq!(some.iter().collect::<Vec<_>>(), [OfficerCheck::Identity, OfficerCheck::Content]);
        assert_eq!(some.iter().collect::<Checks>(), some);
        assert_eq!(Checks::from_bits(some.bits()), Some(some));
        assert_eq!(Checks::from_bits(1 << 5), None);
        assert!(!some.has(ActType::Copy.needs()) && some.has(ActType::Contract.needs()));
        assert_eq!(ActType::Copy.needs().without(some), ActType::Copy.needs());
    }
}
