//! Dual control over the revocation of an issuing CA, which ends everything below it: one person asks, another one carries it out
//! within a day (DESIGN §4; EN 319 411-1 CSS-6.3.9-12).
//!
//! ```text
//!            Ask by one person                       Ask by another one, for the same reason, within a day
//!   nothing ───────────────────▶ asked ─────────────────────────▶ refused: carry it out
//!                                 ▲  │ Ask after a day, or for another reason
//!                                 └──┘
//! ```
//!
//! A revocation officer asks; another one, or an operator, carries it out: a young service has one officer only.
//!
//! The history is the certificate's, but apart from that of its life: what was only asked for changes nothing about it. The
//! revocation itself is decided by [`super::credential`].

use super::crl::Reason;
use super::{CaFact, CaId};
use crate::cbor::Writer;
use crate::digest::Digest;
use crate::evidence::Aggregate;
use crate::policy::person::Officer;
use crate::role::{Decided, Role};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

/// How long a second person may take, seconds.
pub const SECOND_WITHIN_SECS: u64 = 24 * 3600;

/// What was asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub at: Timestamp,
    /// For which reason.
    pub reason: Reason,
    /// By whom.
    pub officer: Officer,
}

/// The state of one certificate's revocation.
pub type DualControlState = Option<Asked>;

/// Somebody wants the certificate revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who issued it.
    pub ca: CaId,
    /// Content octets of its serial number.
    pub serial: Vec<u8>,
    /// SHA-256 of the certificate.
    pub certificate: Digest,
    /// Why.
    pub reason: Reason,
    /// Who asks.
    pub officer: Officer,
    /// True if the certificate of this officer is good at this moment.
    pub officer_good: bool,
    /// True if the officer may ask; an operator may only be the second.
    pub may_ask: bool,
    /// True if the certificate of whoever asked before was revoked since.
    pub first_revoked: bool,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// Why nothing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DualControlRefusal {
    /// Two people want it: whoever is told so carries it out.
    #[error("another person has asked for it at {at}: it is to be carried out")]
    Due {
        /// When that was.
        at: Timestamp,
    },
    /// The same person has asked, and nobody else yet.
    #[error("it was asked for at {at}; another person has to ask for it until {until}")]
    Waiting {
        /// When that was.
        at: Timestamp,
        /// Until when.
        until: Timestamp,
    },
    /// An operator came first.
    #[error(
        "an operator revokes a CA only within a day after a revocation officer has asked for it for the same reason"
    )]
    NotAsked,
    /// The officer's certificate was revoked or has expired, if only since the request began.
    #[error("the officer's certificate is not good now")]
    OfficerNotGood,
    /// The clock may assert no time.
    #[error("the clock is {}", .verdict.name())]
    Clock {
        /// Its state.
        verdict: ClockVerdict,
    },
}

impl Asked {
    /// Until when another person may carry it out.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.at.plus_secs(SECOND_WITHIN_SECS)
    }

    /// Whether these two are two people who want the same at this moment.
    #[must_use]
    pub fn is_seconded_by(&self, officer: &Officer, reason: Reason, now: Timestamp) -> bool {
        now <= self.until() && self.reason == reason && !self.officer.is(officer)
    }
}

impl Ask {
    /// What stands in the fact as `event_digest`: SHA-256 of what was asked, which an auditor can make again from the fact.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut w = Writer::default();
        w.array(3).bytes(self.certificate.as_bytes()).uint(self.reason.code());
        w.bytes(self.officer.certificate.as_bytes());
        Digest::of(&w.finish())
    }
}

/// The history of what was asked for about a certificate.
#[must_use]
pub fn history(certificate: &Digest) -> Aggregate {
    Aggregate::of("revocation-asked", certificate.as_bytes())
}

/// The role that decides whether one asks alone.
#[derive(Clone, Copy, Debug)]
pub struct DualControl;

impl Role for DualControl {
    type State = DualControlState;
    type Event = Ask;
    type Fact = CaFact;
    type Effect = ();
    type Refusal = DualControlRefusal;

    fn decide(state: &DualControlState, event: &Ask, now: Timestamp) -> Result<Decided<Self>, DualControlRefusal> {
        let Ask { ca, serial, certificate, reason, officer, .. } = event;
        if !event.clock.may_issue() {
            return Err(DualControlRefusal::Clock { verdict: event.clock });
        }
        if !event.officer_good {
            return Err(DualControlRefusal::OfficerNotGood);
        }
        // What somebody asked for whose key may be in other hands counts no more.
        if let Some(asked) = state.filter(|_| !event.first_revoked) {
            if asked.is_seconded_by(officer, *reason, now) {
                return Err(DualControlRefusal::Due { at: asked.at });
            }
            if asked.reason == *reason && now <= asked.until() {
                return Err(DualControlRefusal::Waiting { at: asked.at, until: asked.until() });
            }
        }
        if !event.may_ask {
            return Err(DualControlRefusal::NotAsked);
        }
        let fact = CaFact::RevocationAsked {
            ca: *ca,
            serial: serial.clone(),
            at: now,
            reason: *reason,
            certificate: *certificate,
            officer: *officer,
        };
        Ok((vec![fact], Vec::new()))
    }

    fn apply(state: &mut DualControlState, fact: &CaFact) {
        if let CaFact::RevocationAsked { at, reason, officer, .. } = fact {
            *state = Some(Asked { at: *at, reason: *reason, officer: *officer });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::Authority;
    use crate::policy::person::Person;
    use crate::role::step;

    fn ask(by: u8, person: u8, reason: Reason) -> Ask {
        Ask {
            ca: CaId::first(Authority::Root),
            serial: vec![0x41; 16],
            certificate: Digest([1; 32]),
            reason,
            officer: Officer { certificate: Digest([by; 32]), person: Person::Party([person; 16].into()) },
            officer_good: true,
            may_ask: true,
            first_revoked: false,
            clock: ClockVerdict::Synced,
        }
    }

    #[test]
    fn it_takes_two_people_within_a_day() {
        const REASON: Reason = Reason::CaCompromise;
        let at = |secs: u64| Timestamp::from_secs(1_000 + secs);
        let mut state = None;
        let (facts, _) = step::<DualControl>(&mut state, &ask(1, 1, REASON), at(0)).unwrap();
        assert!(matches!(facts[..], [CaFact::RevocationAsked { .. }]));
        let decided = |event: &Ask, secs| DualControl::decide(&state, event, at(secs)).map(|(facts, _)| facts.len());
        let (due, until) = (Err(DualControlRefusal::Due { at: at(0) }), at(SECOND_WITHIN_SECS));
        let waiting = Err(DualControlRefusal::Waiting { at: at(0), until });
        assert_eq!(decided(&ask(2, 2, REASON), SECOND_WITHIN_SECS), due);
        assert_eq!(decided(&ask(1, 1, REASON), 1), waiting);
        assert_eq!(decided(&ask(2, 1, REASON), 1), waiting, "another certificate of the same person");
        assert_eq!(decided(&ask(2, 2, REASON), SECOND_WITHIN_SECS + 1), Ok(1), "too late: asked anew");
        assert_eq!(decided(&ask(2, 2, Reason::Superseded), 1), Ok(1), "something else: asked anew");
        let not_good = Ask { officer_good: false, ..ask(2, 2, REASON) };
        assert_eq!(decided(&not_good, 1), Err(DualControlRefusal::OfficerNotGood));
        assert_eq!(decided(&Ask { first_revoked: true, ..ask(2, 2, REASON) }, 1), Ok(1));
        let operator = Ask { may_ask: false, ..ask(2, 2, REASON) };
        assert_eq!(decided(&operator, 1), due);
        assert_eq!(DualControl::decide(&None, &operator, at(1)), Err(DualControlRefusal::NotAsked));
        let verdict = ClockVerdict::Unsynced;
        let late = Ask { clock: verdict, ..ask(2, 2, REASON) };
        assert_eq!(decided(&late, 1), Err(DualControlRefusal::Clock { verdict }));
        assert_ne!(ask(1, 1, REASON).digest(), ask(2, 1, REASON).digest());
        assert_eq!(ask(1, 1, REASON).digest(), ask(1, 2, REASON).digest(), "who is behind it was looked up");
    }
}
