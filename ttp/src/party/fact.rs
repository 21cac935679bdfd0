//! What was decided about parties.

use crate::b64u::B64u;
use crate::cbor::{Reader, Writer};
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::evidence::{Aggregate, FactError, Kind, PartyKind, Recorded, codes, read_time};
use crate::id::{PartyId, RegistrationId};
use crate::time::Timestamp;

codes! {
    /// Why a key is a party's no longer. The numbers are stored.
    UnbindReason {
        /// Its certificate was revoked.
        Revoked = 0 "revoked",
        /// Another key took its place.
        Superseded = 1 "superseded",
        /// Its certificate expired.
        Expired = 2 "expired",
    }
}

codes! {
    /// Why a party was suspended. The numbers are stored.
    SuspensionReason {
        /// It may be somebody else than was proven.
        IdentityInDoubt = 0 "identity_in_doubt",
        /// Somebody else may have its keys.
        KeysInDoubt = 1 "keys_in_doubt",
        /// It broke the terms.
        TermsBroken = 2 "terms_broken",
        /// A court or an authority ordered it.
        Ordered = 3 "ordered",
        /// It wished so itself.
        RequestedByParty = 4 "requested_by_party",
        /// Anything else.
        Other = 5 "other",
    }
}

codes! {
    /// Why a suspension ended. The numbers are stored.
    ReinstatementReason {
        /// What was in doubt or broken is in order.
        Settled = 0 "settled",
        /// It should not have been suspended.
        Mistake = 1 "mistake",
        /// A court or an authority ordered it.
        Ordered = 2 "ordered",
        /// It wished so itself.
        RequestedByParty = 3 "requested_by_party",
        /// Anything else.
        Other = 4 "other",
    }
}

/// A fact of role 9, of a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyFact {
    /// It was registered. Body `[party, at ms, registration, terms]`.
    Registered {
        /// Its name.
        party: PartyId,
        /// When.
        at: Timestamp,
        /// The application that was approved.
        registration: RegistrationId,
        /// SHA-256 of the statement by which it accepted the terms.
        terms: Digest,
    },
    /// A key became the party's. Body `[party, at ms, thumbprint, SHA-256(certificate), history, not_after secs]`.
    KeyBound {
        /// Whose.
        party: PartyId,
        /// When.
        at: Timestamp,
        /// The key: its RFC 7638 thumbprint.
        thumbprint: Thumbprint,
        /// SHA-256 of the certificate.
        certificate: Digest,
        /// The certificate's history.
        history: Aggregate,
        /// When the certificate expires, whole seconds.
        not_after: Timestamp,
    },
    /// A key is the party's no longer. Body `[party, at ms, thumbprint, reason]`.
    KeyUnbound {
        /// Whose it was.
        party: PartyId,
        /// When.
        at: Timestamp,
        /// The key: its RFC 7638 thumbprint.
        thumbprint: Thumbprint,
        /// Why.
        reason: UnbindReason,
    },
    /// It accepted terms. Body `[party, at ms, policy, statement]`.
    TermsAccepted {
        /// Who.
        party: PartyId,
        /// When.
        at: Timestamp,
        /// SHA-256 of the terms.
        policy: Digest,
        /// SHA-256 of the statement, which is the artefact.
        statement: Digest,
    },
    /// It was suspended. Body `[party, at ms, reason, officer]`.
    Suspended {
        /// Who.
        party: PartyId,
        /// When.
        at: Timestamp,
        /// Why.
        reason: SuspensionReason,
        /// SHA-256 of the officer's certificate.
        officer: Digest,
    },
    /// It was reinstated. Body `[party, at ms, reason, officer]`.
    Reinstated {
        /// Who.
        party: PartyId,
        /// When.
        at: Timestamp,
        /// Why.
        reason: ReinstatementReason,
        /// SHA-256 of the officer's certificate.
        officer: Digest,
    },
}

impl PartyFact {
    /// The party that it is of.
    #[must_use]
    pub const fn party(&self) -> PartyId {
        match self {
            Self::Registered { party, .. }
            | Self::KeyBound { party, .. }
            | Self::KeyUnbound { party, .. }
            | Self::TermsAccepted { party, .. }
            | Self::Suspended { party, .. }
            | Self::Reinstated { party, .. } => *party,
        }
    }

    /// When it was decided.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Registered { at, .. }
            | Self::KeyBound { at, .. }
            | Self::KeyUnbound { at, .. }
            | Self::TermsAccepted { at, .. }
            | Self::Suspended { at, .. }
            | Self::Reinstated { at, .. } => *at,
        }
    }
}

impl Recorded for PartyFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        Kind::Party(match self {
            Self::Registered { .. } => PartyKind::Registered,
            Self::KeyBound { .. } => PartyKind::KeyBound,
            Self::KeyUnbound { .. } => PartyKind::KeyUnbound,
            Self::TermsAccepted { .. } => PartyKind::TermsAccepted,
            Self::Suspended { .. } => PartyKind::Suspended,
            Self::Reinstated { .. } => PartyKind::Reinstated,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        w.array(if matches!(self, Self::KeyBound { .. }) { 6 } else { 4 });
        w.bytes(self.party().octets()).uint(self.at().millis());
        match self {
            Self::Registered { registration, terms, .. } => {
                w.bytes(registration.octets()).bytes(terms.as_bytes());
            }
            Self::KeyBound { thumbprint, certificate, history, not_after, .. } => {
                w.bytes(thumbprint.0.as_bytes()).bytes(certificate.as_bytes());
                w.bytes(&history.0).uint(not_after.secs());
            }
            Self::KeyUnbound { thumbprint, reason, .. } => {
                w.bytes(thumbprint.0.as_bytes()).uint(reason.code());
            }
            Self::TermsAccepted { policy, statement, .. } => {
                w.bytes(policy.as_bytes()).bytes(statement.as_bytes());
            }
            Self::Suspended { reason, officer, .. } => {
                w.uint(reason.code()).bytes(officer.as_bytes());
            }
            Self::Reinstated { reason, officer, .. } => {
                w.uint(reason.code()).bytes(officer.as_bytes());
            }
        }
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        let Kind::Party(party_kind) = kind else { return Err(FactError::OtherKind { found: kind }) };
        let mut head = |items| -> Result<(PartyId, Timestamp), FactError> {
            r.array(items)?;
            Ok((r.fixed()?.into(), read_time(r)?))
        };
        match party_kind {
            PartyKind::Registered => {
                let (party, at) = head(4)?;
                Ok(Self::Registered { party, at, registration: r.fixed()?.into(), terms: Digest(r.fixed()?) })
            }
            PartyKind::KeyBound => {
                let (party, at) = head(6)?;
                Ok(Self::KeyBound {
                    party,
                    at,
                    thumbprint: Thumbprint(B64u(r.fixed()?)),
                    certificate: Digest(r.fixed()?),
                    history: Aggregate(r.fixed()?),
                    not_after: r.code(|secs| Some(Timestamp::from_secs(secs)).filter(|time| time.secs() == secs))?,
                })
            }
            PartyKind::KeyUnbound => {
                let (party, at) = head(4)?;
                let thumbprint = Thumbprint(B64u(r.fixed()?));
                Ok(Self::KeyUnbound { party, at, thumbprint, reason: r.code(UnbindReason::from_code)? })
            }
            PartyKind::TermsAccepted => {
                let (party, at) = head(4)?;
                Ok(Self::TermsAccepted { party, at, policy: Digest(r.fixed()?), statement: Digest(r.fixed()?) })
            }
            PartyKind::Suspended => {
                let (party, at) = head(4)?;
                let reason = r.code(SuspensionReason::from_code)?;
                Ok(Self::Suspended { party, at, reason, officer: Digest(r.fixed()?) })
            }
            PartyKind::Reinstated => {
                let (party, at) = head(4)?;
                let reason = r.code(ReinstatementReason::from_code)?;
                Ok(Self::Reinstated { party, at, reason, officer: Digest(r.fixed()?) })
            }
            PartyKind::RegistrationApplied
            | PartyKind::IdentityRecorded
            | PartyKind::RegistrationApproved
            | PartyKind::RegistrationRefused => Err(FactError::OtherKind { found: kind }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Envelope, Fact};

    #[test]
    fn each_is_read_as_written() {
        let (party, at, officer) = (PartyId::from([7; 16]), Timestamp::from_millis(1_772_366_400_250), Digest([3; 32]));
        let thumbprint = Thumbprint(B64u([4; 32]));
        let mut all = vec![
            PartyFact::Registered { party, at, registration: [8; 16].into(), terms: Digest([5; 32]) },
            PartyFact::KeyBound {
                party,
                at,
                thumbprint,
                certificate: Digest([1; 32]),
                history: Aggregate([2; 32]),
                not_after: Timestamp::from_secs(1_835_438_399),
            },
            PartyFact::TermsAccepted { party, at, policy: Digest([1; 32]), statement: Digest([2; 32]) },
        ];
        let (unbound, suspended) = (UnbindReason::ALL.iter(), SuspensionReason::ALL.iter());
        all.extend(unbound.map(|reason| PartyFact::KeyUnbound { party, at, thumbprint, reason: *reason }));
        all.extend(suspended.map(|reason| PartyFact::Suspended { party, at, reason: *reason, officer }));
        let reinstated = ReinstatementReason::ALL.iter();
        all.extend(reinstated.map(|reason| PartyFact::Reinstated { party, at, reason: *reason, officer }));
        let envelope = Envelope {
            aggregate: party.aggregate(),
            seq: 0,
            now: at,
            salt: [0; 16],
            policy_hash: Digest::default(),
            event_digest: Digest::default(),
        };
        for fact in all {
            let stored = Fact::decode(&fact.into_fact(&envelope).encode()).unwrap();
            assert_eq!(PartyFact::from_fact(&stored), Ok(fact));
            let other = Fact { kind: Kind::Party(PartyKind::IdentityRecorded), ..stored };
            assert_eq!(PartyFact::from_fact(&other), Err(FactError::OtherKind { found: other.kind }));
        }
    }

    /// These numbers and names are stored and shown: one may be added.
    #[test]
    fn reasons_are_frozen() {
        let unbound: Vec<_> = UnbindReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(unbound, ["revoked", "superseded", "expired"]);
        let suspended: Vec<_> = SuspensionReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(
            suspended,
            ["identity_in_doubt", "keys_in_doubt", "terms_broken", "ordered", "requested_by_party", "other"]
        );
        let reinstated: Vec<_> = ReinstatementReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(reinstated, ["settled", "mistake", "ordered", "requested_by_party", "other"]);
    }
}
