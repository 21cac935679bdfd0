//! What else facts are found by: names that follow from a fact alone, so that `fsck` can hold each row of the ledger's table
//! `name` against the fact that it points to. Facts are kept for ever, and so are their names: a list of what is still open
//! is the difference of two.
//!
//! ```text
//! name = kind u8 ‖ …                                                          numbers are big endian
//!   1 revoked       authority u8 ‖ generation u32 ‖ partition u32 ‖ at secs u64 ‖ reason u8
//!                   ‖ not_after secs u64 ‖ serial
//!   2 expires       not_after secs u64 ‖ aggregate 32
//!   3 key           SHA-256(SPKI) 32 ‖ aggregate 32
//!   4 compromised   SHA-256(SPKI) 32 ‖ aggregate 32
//! ```

use super::{CaKind, Fact, Kind, Recorded};
use crate::ca::crl::Reason;
use crate::ca::{CaFact, CaId, ListId};
use crate::digest::Digest;
use crate::time::Timestamp;

/// Every name of a fact. What does not read as a fact of its kind has none: whoever walks the facts says so.
#[must_use]
pub fn of(fact: &Fact) -> Vec<Vec<u8>> {
    match fact.kind {
        Kind::Ca(CaKind::CertificateIssued | CaKind::CertificateRevoked) => {
            CaFact::from_fact(fact).map_or(Vec::new(), |ca| of_certificate(fact, &ca))
        }
        Kind::Ledger(_)
        | Kind::Ops(_)
        | Kind::Timestamp(_)
        | Kind::Archive(_)
        | Kind::Ca(CaKind::CrlIssued | CaKind::IssueRefused) => Vec::new(),
    }
}

fn of_certificate(fact: &Fact, ca: &CaFact) -> Vec<Vec<u8>> {
    let aggregate = &fact.aggregate.0[..];
    match ca {
        // Those of the first form had no names when they were written.
        CaFact::CertificateIssued { grounds: Some(_), not_after, public_key, .. } => vec![
            [&[EXPIRES][..], &not_after.secs().to_be_bytes(), aggregate].concat(),
            [&key(public_key)[..], aggregate].concat(),
        ],
        CaFact::CertificateRevoked { list, serial, at, reason, not_after, public_key, .. } => {
            let when = [&at.secs().to_be_bytes()[..], &[reason.code() as u8], &not_after.secs().to_be_bytes()].concat();
            let mut names = vec![[&revoked(*list)[..], &when, serial].concat()];
            if *reason == Reason::KeyCompromise {
                names.push([&compromised(public_key)[..], aggregate].concat());
            }
            names
        }
        CaFact::CertificateIssued { .. } | CaFact::CrlIssued { .. } | CaFact::IssueRefused { .. } => Vec::new(),
    }
}

const REVOKED: u8 = 1;
const EXPIRES: u8 = 2;
const KEY: u8 = 3;
const COMPROMISED: u8 = 4;

/// What the names of everything begin with that one list revokes.
#[must_use]
pub fn revoked(list: ListId) -> Vec<u8> {
    [&revoked_by(list.ca)[..], &list.partition.to_be_bytes()].concat()
}

/// The same for all lists of one CA.
#[must_use]
pub fn revoked_by(ca: CaId) -> Vec<u8> {
    [&[REVOKED, ca.authority as u8][..], &ca.generation.to_be_bytes()].concat()
}

/// What the names of certificates begin with that were issued for this key (SHA-256 of its SubjectPublicKeyInfo).
#[must_use]
pub fn key(public_key: &Digest) -> Vec<u8> {
    [&[KEY][..], public_key.as_bytes()].concat()
}

/// What the names of certificates begin with whose key was compromised.
#[must_use]
pub fn compromised(public_key: &Digest) -> Vec<u8> {
    [&[COMPROMISED][..], public_key.as_bytes()].concat()
}

/// Where the names begin of certificates that expire at `at` or later; all begin with the first octet of this.
#[must_use]
pub fn expires(at: Timestamp) -> Vec<u8> {
    [&[EXPIRES][..], &at.secs().to_be_bytes()].concat()
}

/// What the name of a certificate that expires says: when, and its aggregate.
#[must_use]
pub fn read_expires(name: &[u8]) -> Option<(Timestamp, [u8; 32])> {
    let (secs, aggregate) = name.strip_prefix(&[EXPIRES])?.split_first_chunk::<8>()?;
    Some((Timestamp::from_secs(u64::from_be_bytes(*secs)), aggregate.try_into().ok()?))
}

/// A revocation as its name tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedName {
    /// The list that its certificate names.
    pub list: ListId,
    /// When, whole seconds.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// When it would have expired, whole seconds.
    pub not_after: Timestamp,
    /// Content octets of the serial number.
    pub serial: Vec<u8>,
}

/// Reads the name of a revocation.
#[must_use]
pub fn read_revoked(name: &[u8]) -> Option<RevokedName> {
    let (authority, rest) = name.strip_prefix(&[REVOKED])?.split_first()?;
    let (generation, rest) = rest.split_first_chunk::<4>()?;
    let (partition, rest) = rest.split_first_chunk::<4>()?;
    let (secs, rest) = rest.split_first_chunk::<8>()?;
    let (reason, rest) = rest.split_first()?;
    let (not_after, serial) = rest.split_first_chunk::<8>()?;
    let ca = CaId {
        authority: crate::ca::Authority::from_code((*authority).into())?,
        generation: u32::from_be_bytes(*generation),
    };
    Some(RevokedName {
        list: ListId { ca, partition: u32::from_be_bytes(*partition) },
        at: Timestamp::from_secs(u64::from_be_bytes(*secs)),
        reason: Reason::from_code((*reason).into())?,
        not_after: Timestamp::from_secs(u64::from_be_bytes(*not_after)),
        serial: serial.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::profile::ProfileCode;
    use crate::ca::{Authority, Grounds};
    use crate::evidence::{Aggregate, Envelope};

    fn stored(fact: CaFact) -> Fact {
        fact.into_fact(&Envelope {
            aggregate: Aggregate([7; 32]),
            seq: 0,
            now: Timestamp::from_millis(1_772_366_400_250),
            salt: [0; 16],
            policy_hash: Digest::default(),
            event_digest: Digest::default(),
        })
    }

    #[test]
    fn names_are_as_drawn_and_read_back() {
        let list = ListId { ca: CaId { authority: Authority::Party, generation: 2 }, partition: 5 };
        let (at, end) = (Timestamp::from_secs(1_772_366_400), Timestamp::from_secs(1_772_366_401));
        let revoked_fact = stored(CaFact::CertificateRevoked {
            list,
            serial: vec![0x41; 16],
            at,
            reason: Reason::KeyCompromise,
            not_after: end,
            public_key: Digest([9; 32]),
            certificate: Digest([8; 32]),
            officer: Digest([6; 32]),
        });
        let names = of(&revoked_fact);
        let drawn = format!("01 01 00000002 00000005 0000000069a42a40 01 0000000069a42a41 {}", "41".repeat(16))
            .replace(' ', "");
        assert_eq!(hex::encode(&names[0]), drawn);
        assert_eq!(hex::encode(&names[1]), format!("04{}{}", "09".repeat(32), "07".repeat(32)));
        assert!(names[0].starts_with(&revoked(list)) && names[0].starts_with(&revoked_by(list.ca)));
        let read = read_revoked(&names[0]).unwrap();
        let reason = Reason::KeyCompromise;
        assert_eq!(read, RevokedName { list, at, reason, not_after: end, serial: vec![0x41; 16] });
        let issued = |grounds| CaFact::CertificateIssued {
            issuer: Authority::Party,
            profile: ProfileCode::Party,
            serial: vec![0x41; 16],
            public_key: Digest([9; 32]),
            not_before: at,
            not_after: at,
            grounds,
        };
        let names = of(&stored(issued(Some(Grounds::default()))));
        assert_eq!(names[0], [&expires(at)[..], &[7; 32]].concat());
        assert_eq!(read_expires(&names[0]), Some((at, [7; 32])));
        assert_eq!(names[1], [&key(&Digest([9; 32]))[..], &[7; 32]].concat());
        // A store of an earlier program has no rows for what it wrote.
        assert_eq!(of(&stored(issued(None))), [[0; 0]; 0]);
        for name in [&[][..], &[1], &[1, 9], &names[0][..]] {
            assert_eq!(read_revoked(name), None);
        }
    }
}
