//! The names of exchanges: of every run that was decided, and of those that wait for something.

use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::exchange::ExchangeFact;
use crate::exchange::inline::InlineFact;
use crate::time::Timestamp;

pub(super) const EXCHANGE: u8 = 21;

pub(super) fn of_exchange(fact: &ExchangeFact) -> Vec<Vec<u8>> {
    let ExchangeFact::Decided(decision) = fact else { return Vec::new() };
    of_decision(decision.x, decision.at, [decision.o, decision.r])
}

fn of_decision(x: Digest, at: Timestamp, sides: [Thumbprint; 2]) -> Vec<Vec<u8>> {
    sides.map(|key| [&exchanges_of(key)[..], &at.millis().to_be_bytes(), x.as_bytes()].concat()).into()
}

pub(super) fn of_inline(fact: &InlineFact) -> Vec<Vec<u8>> {
    match fact {
        InlineFact::Registered { agreement, .. } => {
            vec![[&INLINE_REGISTERED[..], agreement.x.as_bytes()].concat()]
        }
        InlineFact::Decided(decision) => {
            let mut names = of_decision(decision.x, decision.at, [decision.o, decision.r]);
            // Where nothing was deposited, nothing is left to do.
            names.extend((decision.deposits == 0).then(|| inline_closed(&decision.x)));
            names
        }
        InlineFact::Erased { x, .. } => vec![inline_closed(x)],
        InlineFact::Submitted { .. }
        | InlineFact::Kept { .. }
        | InlineFact::SubmissionRefused { .. }
        | InlineFact::Waived { .. }
        | InlineFact::Collected { .. } => Vec::new(),
    }
}

/// What the names of all inline exchanges begin with. Those whose `x` is not among the closed ones wait for something: a deposit, an end,
/// the erasure of what was deposited.
pub const INLINE_REGISTERED: [u8; 1] = [25];

/// The name of an inline exchange of which nothing is kept any more.
#[must_use]
pub fn inline_closed(x: &Digest) -> Vec<u8> {
    [&[26][..], x.as_bytes()].concat()
}

/// Reads the name of an inline exchange.
#[must_use]
pub fn read_inline_registered(name: &[u8]) -> Option<Digest> {
    Some(Digest(name.strip_prefix(&INLINE_REGISTERED)?.try_into().ok()?))
}

/// What the names of runs begin with that were decided and in which this key is a side's, in the order in which they were.
#[must_use]
pub fn exchanges_of(key: Thumbprint) -> Vec<u8> {
    [&[EXCHANGE][..], key.0.as_bytes()].concat()
}

/// Reads the name of a run that was decided: when, milliseconds since 1970, and `x`.
#[must_use]
pub fn read_exchange(name: &[u8]) -> Option<(u64, Digest)> {
    let (_, rest) = name.strip_prefix(&[EXCHANGE])?.split_first_chunk::<32>()?;
    let (at, x) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*at), Digest(x.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::super::of;
    use super::*;
    use crate::b64u::B64u;
    use crate::evidence::{Aggregate, Envelope, Fact, Recorded};

    fn stored(fact: impl Recorded) -> Fact {
        fact.into_fact(&Envelope {
            aggregate: Aggregate([7; 32]),
            seq: 0,
            now: Timestamp::from_millis(1_772_366_400_250),
            salt: [0; 16],
            policy_hash: Digest::default(),
            event_digest: Digest::default(),
        })
    }

    fn names_of(fact: impl Recorded) -> Vec<Vec<u8>> {
        of(&stored(fact))
    }

    #[test]
    fn an_inline_exchange_is_open_until_nothing_of_it_is_left() {
        use crate::exchange::expiry::End;
        use crate::exchange::inline::InlineDecision;
        use crate::statement::exchange::{Assurance, Outcome};
        let (x, at) = (Digest([3; 32]), Timestamp::from_millis(5));
        let [o, r] = [1, 2].map(|octet| Thumbprint(B64u([octet; 32])));
        let names_of = |fact: InlineFact| of(&stored(fact));
        let decided = |deposits| {
            names_of(InlineFact::Decided(Box::new(InlineDecision {
                x,
                at,
                outcome: Outcome::Returned,
                policy: Digest([4; 32]),
                assurance: Assurance::NonQualified,
                end: End { at_ms: 4, outages: vec![] },
                o,
                r,
                by: None,
                deposits,
            })))
        };
        assert_eq!(names_of(InlineFact::Erased { x, at }), [inline_closed(&x)]);
        assert!(decided(1).iter().all(|name| read_exchange(name) == Some((5, x))));
        assert_eq!((decided(1).len(), decided(0).last()), (2, Some(&inline_closed(&x))));
        assert_eq!(read_inline_registered(&[&INLINE_REGISTERED[..], x.as_bytes()].concat()), Some(x));
        assert_eq!(read_inline_registered(&inline_closed(&x)), None);
    }

    #[test]
    fn runs_are_found() {
        use crate::exchange::Decision;
        use crate::statement::exchange::{Assurance, Outcome, Protocol, Side};
        let [o, r] = [1, 2].map(|octet| Thumbprint(B64u([octet; 32])));
        let decided = names_of(ExchangeFact::Decided(Box::new(Decision {
            x: Digest([3; 32]),
            at: Timestamp::from_millis(5),
            protocol: Protocol::AswR,
            outcome: Outcome::Aborted,
            policy: Digest([4; 32]),
            assurance: Assurance::NonQualified,
            end: None,
            o,
            r,
            side: Side::Originator,
            request: Digest([6; 32]),
            c_r: None,
        })));
        assert_eq!(decided.len(), 2);
        for (name, key) in decided.iter().zip([o, r]) {
            assert!(name.starts_with(&exchanges_of(key)) && name.len() == 73);
            assert_eq!(read_exchange(name), Some((5, Digest([3; 32]))));
        }
    }
}
