//! The names of exchanges: of every run that was decided, and of those that wait for something.

use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::exchange::ExchangeFact;
use crate::exchange::erds::ErdsFact;
use crate::exchange::inline::InlineFact;
use crate::statement::exchange::erds::ErdsEvent;
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

/// What the names begin with of everything that is awaited of registered deliveries. Those whose part is not among the closed ones wait.
pub const OPEN_DELIVERIES: [u8; 1] = [35];

/// Until the key is there for the recipient, or will not be.
const UNTIL_CONSIGNED: u8 = 0;
/// Until the recipient has it, or retention is over. It may begin after the first part came to its end, and has an end of its own.
const UNTIL_COLLECTED: u8 = 1;

/// The parts of a registered delivery: the octet behind that with which their names begin.
pub const DELIVERY_PARTS: [u8; 2] = [UNTIL_CONSIGNED, UNTIL_COLLECTED];

/// What the names begin with by which a part of a registered delivery is one of which nothing is awaited any more, from what
/// [`read_open_delivery`] gives. The event that says so follows: more than one may, and each name stands for one entry.
#[must_use]
pub fn delivery_closed((part, x): (u8, Digest)) -> Vec<u8> {
    [&[36, part][..], x.as_bytes()].concat()
}

fn open_delivery(part: u8, x: &Digest) -> Vec<u8> {
    [&OPEN_DELIVERIES[..], &[part], x.as_bytes()].concat()
}

/// Reads the name of a part of a registered delivery that was begun: which, and of which.
#[must_use]
pub fn read_open_delivery(name: &[u8]) -> Option<(u8, Digest)> {
    let (part, x) = name.strip_prefix(&OPEN_DELIVERIES)?.split_first()?;
    Some((*part, Digest::from_slice(x)?))
}

pub(super) fn of_delivery(fact: &ErdsFact) -> Vec<Vec<u8>> {
    let recording = match fact {
        ErdsFact::Submitted { posting, .. } => return vec![open_delivery(UNTIL_CONSIGNED, &posting.x)],
        ErdsFact::Recorded(recording) => recording,
    };
    let event = recording.event as u8;
    let closed = |part| [&delivery_closed((part, recording.x))[..], &[event]].concat();
    match recording.event {
        ErdsEvent::SubmissionRejection
        | ErdsEvent::AcceptanceRejectionExpiry
        | ErdsEvent::ContentConsignmentFailure => vec![closed(UNTIL_CONSIGNED)],
        ErdsEvent::ContentConsignment => vec![closed(UNTIL_CONSIGNED), open_delivery(UNTIL_COLLECTED, &recording.x)],
        ErdsEvent::ContentHandover => vec![closed(UNTIL_CONSIGNED), closed(UNTIL_COLLECTED)],
        ErdsEvent::ContentHandoverFailure => vec![closed(UNTIL_COLLECTED)],
        // After a refusal it is still awaited whether the key goes to the recipient all the same.
        ErdsEvent::SubmissionAcceptance
        | ErdsEvent::NotificationForAcceptance
        | ErdsEvent::NotificationForAcceptanceFailure
        | ErdsEvent::ConsignmentAcceptance
        | ErdsEvent::ConsignmentRejection => Vec::new(),
    }
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
    fn what_is_awaited_of_a_delivery_is_open_until_it_came_or_did_not() {
        use crate::exchange::erds::Recording;
        let x = Digest([3; 32]);
        let names = |event| {
            let (at, reason) = (Timestamp::from_millis(5), None);
            let recording =
                Recording { x, at, event, event_ms: 5, reason, statement: None, verdict: None, outages: vec![] };
            of_delivery(&ErdsFact::Recorded(Box::new(recording))).iter().map(hex::encode).collect::<Vec<_>>()
        };
        let named = |kind: &str, event: &str| format!("{kind}{}{event}", "03".repeat(32));
        assert_eq!(names(ErdsEvent::SubmissionRejection), [named("2400", "01")]);
        assert_eq!(names(ErdsEvent::ContentConsignment), [named("2400", "07"), named("2301", "")]);
        assert_eq!(names(ErdsEvent::ContentHandover), [named("2400", "09"), named("2401", "09")]);
        assert_eq!(names(ErdsEvent::ContentHandoverFailure), [named("2401", "0a")]);
        assert_eq!(names(ErdsEvent::ConsignmentRejection), [""; 0], "it may still be consigned");
        assert_eq!(read_open_delivery(&open_delivery(1, &x)), Some((1, x)));
        assert_eq!(read_open_delivery(&delivery_closed((1, x))), None);
        assert_eq!(read_open_delivery(&OPEN_DELIVERIES), None);
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
