//! The moment: UTC in whole milliseconds since 1970-01-01, and the clock as a port.
//!
//! Every time that enters a decision, a fact or an entry has this form, so that no comparison ever mixes resolutions.
//! Leap seconds do not exist in it (POSIX time); what the timestamping authority does around one is its clock's affair.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

/// A moment, UTC, in whole milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// 9999-12-31T23:59:59.999Z, the last moment that GeneralizedTime and RFC 3339 can write.
const MILLIS_MAX: u64 = 253_402_300_799_999;

impl Timestamp {
    /// The last moment that can be written, 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(MILLIS_MAX);

    /// From milliseconds since 1970; later than the year 9999 becomes [`Timestamp::MAX`], because no format of ours
    /// could write it.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis > MILLIS_MAX { MILLIS_MAX } else { millis })
    }

    /// From whole seconds since 1970.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970; the fraction is cut off, as certificates and CRLs need it.
    #[must_use]
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// The same moment without its fraction of a second.
    #[must_use]
    pub const fn whole_secs(self) -> Self {
        Self(self.0 - self.0 % 1000)
    }

    /// This moment plus `millis`, at most [`Timestamp::MAX`].
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This moment plus `secs` seconds, at most [`Timestamp::MAX`].
    #[must_use]
    pub const fn plus_secs(self, secs: u64) -> Self {
        self.plus_millis(secs.saturating_mul(1000))
    }

    /// This moment minus `millis`, not before 1970.
    #[must_use]
    pub const fn minus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// As chrono's type.
    #[must_use]
    pub fn to_chrono(self) -> DateTime<Utc> {
        // `MILLIS_MAX` keeps the value far inside chrono's range, and it fits in i64.
        DateTime::from_timestamp_millis(self.0 as i64).expect("every Timestamp lies in chrono's range")
    }

    /// From RFC 3339 with any offset, cut to milliseconds; `None` for anything else, and before 1970 or after the year 9999.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        Self::from_chrono(&DateTime::parse_from_rfc3339(text).ok()?)
    }

    /// From chrono's type, cut to milliseconds; `None` before 1970 or after the year 9999.
    #[must_use]
    pub fn from_chrono<Z: chrono::TimeZone>(time: &DateTime<Z>) -> Option<Self> {
        u64::try_from(time.timestamp_millis()).ok().filter(|m| *m <= MILLIS_MAX).map(Self)
    }
}

/// RFC 3339 with three digits of fraction and `Z`, for example `2026-03-01T12:00:00.250Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_chrono().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads the time. Only the shell holds one; roles get the reading as an argument.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// A clock that moves only when told, for tests and the simulator.
#[cfg(any(test, feature = "test-util"))]
#[derive(Debug, Default)]
pub struct ManualClock(std::sync::atomic::AtomicU64);

#[cfg(any(test, feature = "test-util"))]
impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(start.millis().into())
    }

    /// Puts the clock to `to`, backwards too.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.millis(), std::sync::atomic::Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance_millis(&self, millis: u64) {
        self.0.fetch_add(millis, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(1_772_366_400_250).to_string(), "2026-03-01T12:00:00.250Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(u64::MAX), Timestamp::MAX);
    }

    #[test]
    fn goes_through_chrono_and_back() {
        for millis in [0, 1, 999, 1_772_366_400_250, MILLIS_MAX] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(Timestamp::from_chrono(&time.to_chrono()), Some(time));
        }
        let before = DateTime::parse_from_rfc3339("1969-12-31T23:59:59.999Z").unwrap();
        assert_eq!(Timestamp::from_chrono(&before), None);
    }

    #[test]
    fn manual_clock_moves_only_when_told() {
        let clock = ManualClock::new(Timestamp::from_millis(5));
        assert_eq!(clock.now(), clock.now());
        clock.advance_millis(7);
        assert_eq!(clock.now().millis(), 12);
        clock.set(Timestamp::from_millis(3));
        assert_eq!(clock.now().millis(), 3);
    }
}
