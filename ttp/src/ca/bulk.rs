//! Bulk revocation: an officer orders that every certificate of a filter be revoked, and the service does so one by one, each in
//! its own history. The order is an entry before the first of them, and its end is one after the last: a crash in between leaves an
//! order without an end, which is carried out again from the beginning; what was revoked is not revoked twice.
//!
//! Whom it concerns stands in the order's document, an artefact of the private store. A certificate that is issued after the order
//! was given is not concerned.

use serde::{Deserialize, Serialize};

use super::crl::Reason;
use super::profile::ProfileCode;
use super::{CaFact, CaId};
use crate::b64u::B64u;
use crate::cbor::Writer;
use crate::digest::Digest;
use crate::evidence::{Aggregate, codes};
use crate::id::RegistrationId;
use crate::json::{self, JsonFault};
use crate::role::{Decided, Role};
use crate::statement::Salt;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

const TAG: &str = "ca/bulk-revocation";
const VERSION: u64 = 1;

/// The most serial numbers that one order lists.
pub const SERIALS_MAX: usize = 1_000;

/// The name of an order: 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(pub B64u<16>);

impl OrderId {
    /// The history of the order.
    #[must_use]
    pub fn aggregate(self) -> Aggregate {
        Aggregate::of("bulk-revocation", self.octets())
    }

    /// As facts have it.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl From<[u8; 16]> for OrderId {
    fn from(octets: [u8; 16]) -> Self {
        Self(B64u(octets))
    }
}

impl std::fmt::Display for OrderId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Which certificates. All that is stated must hold; at least one thing must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Who issued them, by its place, such as `ca-party`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// SHA-256 of their profile, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_sha256: Option<String>,
    /// The application that they were issued for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<RegistrationId>,
    /// SHA-256 of their key (SubjectPublicKeyInfo), hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key_sha256: Option<String>,
    /// Issued at this moment or later, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_from: Option<String>,
    /// Issued before this moment, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<String>,
    /// Their serial numbers, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serials: Option<Vec<String>>,
}

/// A filter as it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concerned {
    issuer: Option<CaId>,
    profile: Option<Digest>,
    registration: Option<RegistrationId>,
    public_key: Option<Digest>,
    from: Option<Timestamp>,
    before: Option<Timestamp>,
    serials: Option<Vec<Vec<u8>>>,
}

/// Why something is no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderFault {
    /// Not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// Members that are missing, unknown or malformed.
    #[error("{0}")]
    Member(String),
    /// Nothing is stated: that would be every certificate there is.
    #[error("the filter states nothing; an order concerns what one thing at least singles out")]
    Everything,
    /// Too many serial numbers, or none.
    #[error("an order lists 1 to {SERIALS_MAX} serial numbers")]
    Serials,
}

impl Filter {
    /// Reads what it states.
    ///
    /// # Errors
    /// [`OrderFault`].
    pub fn read(&self) -> Result<Concerned, OrderFault> {
        fn member<T>(
            (name, form): (&str, &str),
            text: Option<&String>,
            read: impl Fn(&str) -> Option<T>,
        ) -> Result<Option<T>, OrderFault> {
            let unread = || OrderFault::Member(format!("{name} must be {form}"));
            text.map(|text| read(text).ok_or_else(unread)).transpose()
        }
        const PLACE: &str = "a CA, such as ca-party or ca-party.2";
        const SHA256: &str = "64 hexadecimal digits";
        const TIME: &str = "a time such as 2026-03-01T12:00:00Z (RFC 3339)";
        let digest = |text: &str| Some(Digest(hex::decode(text).ok()?.try_into().ok()?));
        if *self == Self::default() {
            return Err(OrderFault::Everything);
        }
        if self.serials.as_ref().is_some_and(|serials| !(1..=SERIALS_MAX).contains(&serials.len())) {
            return Err(OrderFault::Serials);
        }
        let serial =
            |text: &String| hex::decode(text).map_err(|_| OrderFault::Member("serials must be hexadecimal".to_owned()));
        let serials = self.serials.as_ref().map(|serials| serials.iter().map(serial).collect()).transpose()?;
        Ok(Concerned {
            issuer: member(("issuer", PLACE), self.issuer.as_ref(), CaId::from_place)?,
            profile: member(("profile_sha256", SHA256), self.profile_sha256.as_ref(), digest)?,
            registration: self.registration,
            public_key: member(("public_key_sha256", SHA256), self.public_key_sha256.as_ref(), digest)?,
            from: member(("issued_from", TIME), self.issued_from.as_ref(), Timestamp::from_rfc3339)?,
            before: member(("issued_before", TIME), self.issued_before.as_ref(), Timestamp::from_rfc3339)?,
            serials,
        })
    }
}

impl Concerned {
    /// Those of them that were issued at this moment or earlier.
    #[must_use]
    pub fn until(self, at: Timestamp) -> Self {
        // Validity begins with a whole second: what is issued within that of the order is concerned.
        let end = at.whole_secs().plus_secs(1);
        Self { before: Some(self.before.map_or(end, |before| before.min(end))), ..self }
    }

    /// Whether somebody was singled out, by a serial number, a key or an application.
    const fn names_some(&self) -> bool {
        self.serials.is_some() || self.registration.is_some() || self.public_key.is_some()
    }

    /// Whether the certificate of this fact is one of them.
    #[must_use]
    pub fn has(&self, fact: &CaFact) -> bool {
        self.is_like(fact) && !self.leaves_out(fact)
    }

    /// Whether it would be, and is left out. Certificates of CAs always are: two people revoke those. Those of officers and operators,
    /// and of the service's own keys, are unless they are singled out: otherwise one slip of one officer would leave nobody who could
    /// mend it.
    #[must_use]
    pub fn leaves_out(&self, fact: &CaFact) -> bool {
        let CaFact::CertificateIssued { profile, grounds: Some(grounds), .. } = fact else { return false };
        let is_of_service = matches!(profile, ProfileCode::Operator | ProfileCode::Officer | ProfileCode::Role)
            || grounds.registration.is_empty();
        profile.is_ca() || is_of_service && !self.names_some()
    }

    /// Whether all that is stated holds.
    #[must_use]
    pub fn is_like(&self, fact: &CaFact) -> bool {
        let (grounds, public_key, not_before) = match fact {
            CaFact::CertificateIssued { public_key, not_before, grounds: Some(grounds), .. } => {
                (Some(grounds), public_key, not_before)
            }
            CaFact::CertificateImported { public_key, not_before, .. } => (None, public_key, not_before),
            _ => return false,
        };
        let Some((ca, serial)) = fact.certificate() else { return false };
        let of_registration =
            |id: &RegistrationId| grounds.is_some_and(|grounds| grounds.registration == id.octets()[..]);
        self.issuer.is_none_or(|wanted| wanted == ca)
            && self.profile.is_none_or(|wanted| grounds.is_some_and(|grounds| wanted == grounds.profile))
            && self.registration.as_ref().is_none_or(of_registration)
            && self.public_key.is_none_or(|wanted| wanted == *public_key)
            && self.from.is_none_or(|from| *not_before >= from)
            && self.before.is_none_or(|before| *not_before < before)
            && self.serials.as_ref().is_none_or(|serials| serials.iter().any(|one| one == serial))
    }
}

/// The order as a document, which is the artefact of its fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderDocument {
    t: String,
    v: u64,
    /// Fresh randomness of the service.
    pub salt: Salt,
    /// Why, by the names of RFC 5280.
    pub reason: String,
    /// Which certificates.
    pub filter: Filter,
}

impl OrderDocument {
    /// A document for an order that reads.
    #[must_use]
    pub fn new(salt: [u8; 16], reason: Reason, filter: Filter) -> Self {
        Self { t: TAG.to_owned(), v: VERSION, salt: Salt(B64u(salt)), reason: reason.name().to_owned(), filter }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`OrderFault`].
    pub fn decode(bytes: &[u8]) -> Result<Self, OrderFault> {
        json::read_object(bytes)?;
        let document: Self = serde_json::from_slice(bytes).map_err(|error| OrderFault::Member(error.to_string()))?;
        if document.t != TAG || document.v != VERSION || Reason::from_name(&document.reason).is_none() {
            return Err(OrderFault::Member("no order of bulk revocation".to_owned()));
        }
        document.filter.read()?;
        Ok(document)
    }
}

codes! {
    /// What may be done with an order. The numbers stand in digests of events.
    Action {
        /// Give it.
        Order = 0 "order",
        /// Say that it was carried out.
        Finish = 1 "finish",
    }
}

/// An event of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkEvent {
    /// Give it.
    Order {
        /// Its name, drawn at random.
        order: OrderId,
        /// SHA-256 of its document.
        document: Digest,
        /// Why.
        reason: Reason,
        /// SHA-256 of the officer's certificate.
        officer: Digest,
        /// What the clock component says of the reading that is given as `now`.
        clock: ClockVerdict,
    },
    /// Everything that it concerns was revoked.
    Finish {
        /// How many certificates of it are revoked now.
        revoked: u64,
        /// What the clock component says of the reading that is given as `now`.
        clock: ClockVerdict,
    },
}

impl BulkEvent {
    /// What stands in the fact as `event_digest`.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut w = Writer::default();
        match self {
            Self::Order { order, document, reason, officer, .. } => {
                w.array(5).uint(Action::Order.code()).bytes(order.octets()).bytes(document.as_bytes());
                w.uint(reason.code()).bytes(officer.as_bytes());
            }
            Self::Finish { revoked, .. } => {
                w.array(2).uint(Action::Finish.code()).uint(*revoked);
            }
        }
        Digest::of(&w.finish())
    }
}

/// The state of one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BulkState {
    /// Nobody gave one.
    #[default]
    None,
    /// It is being carried out.
    Ordered(Ordered),
    /// It was carried out.
    Done(Ordered, Done),
}

/// An order that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// Its name.
    pub order: OrderId,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// SHA-256 of the officer's certificate.
    pub officer: Digest,
}

/// Its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// When.
    pub at: Timestamp,
    /// How many certificates of it are revoked.
    pub revoked: u64,
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BulkRefusal {
    /// There is no such order.
    #[error("there is no such order")]
    NotOrdered,
    /// There is one of this name.
    #[error("the order was given before")]
    AlreadyOrdered,
    /// It was carried out before.
    #[error("the order was carried out at {at}")]
    AlreadyDone {
        /// When.
        at: Timestamp,
    },
    /// The clock may assert no time.
    #[error("the clock is {}", .verdict.name())]
    Clock {
        /// Its state.
        verdict: ClockVerdict,
    },
}

/// The role that decides about one order.
#[derive(Clone, Copy, Debug)]
pub struct BulkRevocation;

impl Role for BulkRevocation {
    type State = BulkState;
    type Event = BulkEvent;
    type Fact = CaFact;
    type Effect = ();
    type Refusal = BulkRefusal;

    fn decide(state: &BulkState, event: &BulkEvent, now: Timestamp) -> Result<Decided<Self>, BulkRefusal> {
        let (BulkEvent::Order { clock, .. } | BulkEvent::Finish { clock, .. }) = *event;
        if !clock.may_issue() {
            return Err(BulkRefusal::Clock { verdict: clock });
        }
        let fact = match (state, *event) {
            (BulkState::None, BulkEvent::Order { order, document, reason, officer, .. }) => {
                CaFact::BulkOrdered { order, at: now, document, reason, officer }
            }
            (BulkState::Ordered(Ordered { order, .. }), BulkEvent::Finish { revoked, .. }) => {
                CaFact::BulkDone { order: *order, at: now, revoked }
            }
            (BulkState::None, BulkEvent::Finish { .. }) => return Err(BulkRefusal::NotOrdered),
            (BulkState::Done(_, done), BulkEvent::Finish { .. }) => {
                return Err(BulkRefusal::AlreadyDone { at: done.at });
            }
            (BulkState::Ordered(_) | BulkState::Done(..), BulkEvent::Order { .. }) => {
                return Err(BulkRefusal::AlreadyOrdered);
            }
        };
        Ok((vec![fact], Vec::new()))
    }

    /// Facts that `decide` would not have made in this state change nothing.
    fn apply(state: &mut BulkState, fact: &CaFact) {
        *state = match (*state, fact) {
            (BulkState::None, CaFact::BulkOrdered { order, at, reason, officer, .. }) => {
                BulkState::Ordered(Ordered { order: *order, at: *at, reason: *reason, officer: *officer })
            }
            (BulkState::Ordered(ordered), CaFact::BulkDone { at, revoked, .. }) => {
                BulkState::Done(ordered, Done { at: *at, revoked: *revoked })
            }
            (other, _) => other,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::{Authority, Grounds};
    use crate::role::step;

    const CLOCK: ClockVerdict = ClockVerdict::Synced;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn order() -> BulkEvent {
        let (document, officer) = (Digest([1; 32]), Digest([2; 32]));
        BulkEvent::Order { order: [7; 16].into(), document, reason: Reason::Superseded, officer, clock: CLOCK }
    }

    #[test]
    fn every_event_in_every_state() {
        let finish = BulkEvent::Finish { revoked: 3, clock: CLOCK };
        let mut state = BulkState::None;
        assert_eq!(BulkRevocation::decide(&state, &finish, at(1)), Err(BulkRefusal::NotOrdered));
        step::<BulkRevocation>(&mut state, &order(), at(1)).unwrap();
        assert_eq!(BulkRevocation::decide(&state, &order(), at(2)), Err(BulkRefusal::AlreadyOrdered));
        step::<BulkRevocation>(&mut state, &finish, at(3)).unwrap();
        let BulkState::Done(ordered, done) = state else { panic!("{state:?}") };
        assert_eq!((ordered.at, ordered.reason, done), (at(1), Reason::Superseded, Done { at: at(3), revoked: 3 }));
        assert_eq!(BulkRevocation::decide(&state, &finish, at(4)), Err(BulkRefusal::AlreadyDone { at: at(3) }));
        assert_eq!(BulkRevocation::decide(&state, &order(), at(4)), Err(BulkRefusal::AlreadyOrdered));
        let verdict = ClockVerdict::Unsynced;
        let doubtful = BulkEvent::Finish { revoked: 3, clock: verdict };
        assert_eq!(BulkRevocation::decide(&state, &doubtful, at(4)), Err(BulkRefusal::Clock { verdict }));
        assert_ne!(order().digest(), finish.digest());
    }

    #[test]
    fn all_that_is_stated_must_hold() {
        let issued = |class, serial: u8, secs| CaFact::CertificateIssued {
            issuer: Authority::Party,
            profile: class,
            serial: vec![serial; 16],
            public_key: Digest([9; 32]),
            not_before: at(secs),
            not_after: at(secs + 100),
            grounds: Some(Grounds { profile: Digest([3; 32]), registration: vec![5; 16], ..Grounds::default() }),
        };
        let generation = |fact| match fact {
            CaFact::CertificateIssued { issuer, profile, serial, public_key, not_before, not_after, grounds } => {
                let grounds = grounds.map(|grounds| Grounds { generation: 1, ..grounds });
                CaFact::CertificateIssued { issuer, profile, serial, public_key, not_before, not_after, grounds }
            }
            other => other,
        };
        let party = generation(issued(ProfileCode::Party, 0x41, 1_772_366_400));
        let has = |filter: Filter| filter.read().unwrap().has(&party);
        let hexed = |byte: u8| Some(hex::encode([byte; 32]));
        let none = Filter::default;
        for (filter, due) in [
            (Filter { issuer: Some("ca-party".into()), ..none() }, true),
            (Filter { issuer: Some("ca-server".into()), ..none() }, false),
            (Filter { issuer: Some("ca-party.2".into()), ..none() }, false),
            (Filter { profile_sha256: hexed(3), ..none() }, true),
            (Filter { profile_sha256: hexed(4), ..none() }, false),
            (Filter { registration: Some([5; 16].into()), ..none() }, true),
            (Filter { registration: Some([6; 16].into()), ..none() }, false),
            (Filter { public_key_sha256: hexed(9), ..none() }, true),
            (Filter { public_key_sha256: hexed(8), ..none() }, false),
            (Filter { issued_from: Some("2026-03-01T12:00:00Z".into()), ..none() }, true),
            (Filter { issued_from: Some("2026-03-01T12:00:01Z".into()), ..none() }, false),
            (Filter { issued_before: Some("2026-03-01T12:00:01Z".into()), ..none() }, true),
            (Filter { issued_before: Some("2026-03-01T12:00:00Z".into()), ..none() }, false),
            (Filter { serials: Some(vec!["41".repeat(16)]), ..none() }, true),
            (Filter { serials: Some(vec!["42".repeat(16)]), ..none() }, false),
            (Filter { profile_sha256: hexed(3), serials: Some(vec!["42".repeat(16)]), ..none() }, false),
        ] {
            assert_eq!(has(filter.clone()), due, "{filter:?}");
        }
        let mut own = generation(issued(ProfileCode::OcspResponder, 0x41, 1_772_366_400));
        let all = Filter { issued_from: Some("2020-01-01T00:00:00Z".into()), ..none() }.read().unwrap();
        let named = Filter { serials: Some(vec!["41".repeat(16)]), ..none() }.read().unwrap();
        for (class, swept, singled_out) in [
            (ProfileCode::Party, true, true),
            (ProfileCode::Server, true, true),
            (ProfileCode::Client, true, true),
            (ProfileCode::Officer, false, true),
            (ProfileCode::Operator, false, true),
            (ProfileCode::Role, false, true),
            // Two people revoke a CA.
            (ProfileCode::IssuingCa, false, false),
        ] {
            let fact = generation(issued(class, 0x41, 1_772_366_400));
            assert_eq!((all.has(&fact), named.has(&fact)), (swept, singled_out), "{class:?}");
        }
        let CaFact::CertificateIssued { grounds: Some(grounds), .. } = &mut own else { unreachable!() };
        grounds.registration.clear();
        assert_eq!((all.has(&own), named.has(&own)), (false, true), "a responder of the service's own");
    }

    #[test]
    fn what_is_no_order_is_refused() {
        assert_eq!(Filter::default().read(), Err(OrderFault::Everything));
        let serials = |serials| Filter { serials: Some(serials), ..Filter::default() }.read();
        assert_eq!(serials(Vec::new()), Err(OrderFault::Serials));
        assert_eq!(serials(vec!["41".to_owned(); SERIALS_MAX + 1]), Err(OrderFault::Serials));
        assert!(matches!(serials(vec!["x".to_owned()]), Err(OrderFault::Member(_))));
        for filter in [
            Filter { issuer: Some("ca-nobody".into()), ..Filter::default() },
            Filter { profile_sha256: Some("00".into()), ..Filter::default() },
            Filter { issued_from: Some("yesterday".into()), ..Filter::default() },
        ] {
            assert!(matches!(filter.read(), Err(OrderFault::Member(_))), "{filter:?}");
        }
        let filter = Filter { issuer: Some("ca-party".into()), ..Filter::default() };
        let document = OrderDocument::new([1; 16], Reason::Superseded, filter);
        assert_eq!(OrderDocument::decode(&document.encode()), Ok(document.clone()));
        let text = String::from_utf8(document.encode()).unwrap();
        for (from, to) in
            [("superseded", "boredom"), ("ca/bulk", "ca/bunk"), ("\"v\":1", "\"v\":2"), ("issuer", "issuers")]
        {
            assert!(OrderDocument::decode(text.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }
}
