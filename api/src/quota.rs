//! Requests per address in a fixed window of a minute. Bounded: what it remembers never exceeds [`ADDRESSES_MAX`].

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Length of the window, seconds.
pub const WINDOW_SECS: u32 = 60;

/// Addresses remembered at a time; beyond, a new address gets its own window only when old ones have run out.
const ADDRESSES_MAX: usize = 100_000;

/// How often a full table is searched for windows that have run out: that takes about a millisecond, with all others
/// waiting, so it must not be done for every request of a flood.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Counts requests per address.
pub struct Quota {
    loopback_exempt: bool,
    windows: Windows<IpAddr>,
}

/// Counts per whoever is told apart by `K`.
pub(crate) struct Windows<K> {
    limit: u32,
    keys_max: usize,
    table: Mutex<Table<K>>,
}

struct Table<K> {
    windows: HashMap<K, Window>,
    swept: Option<Instant>,
}

struct Window {
    began: Instant,
    count: u32,
}

/// Over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Requests permitted in a window.
    pub limit: u32,
    /// When to come again, seconds, at least 1.
    pub retry_after_secs: u32,
}

impl Quota {
    /// `limit` requests a minute for each address; for IPv6 each /64, which is what one subscriber has.
    pub fn new(limit: u32, loopback_exempt: bool) -> Self {
        Self { loopback_exempt, windows: Windows::new(limit, ADDRESSES_MAX) }
    }

    /// Counts one request of `peer` at the monotonic moment `now`.
    pub fn take(&self, peer: IpAddr, now: Instant) -> Result<(), Exceeded> {
        if self.loopback_exempt && peer.to_canonical().is_loopback() {
            return Ok(());
        }
        self.windows.take(subscriber(peer), now)
    }
}

impl<K: Eq + Hash> Windows<K> {
    /// `limit` a minute for each of at most `keys_max` that are remembered at a time.
    pub(crate) fn new(limit: u32, keys_max: usize) -> Self {
        Self { limit, keys_max, table: Mutex::new(Table { windows: HashMap::new(), swept: None }) }
    }

    /// Counts one of `key` at the monotonic moment `now`.
    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), Exceeded> {
        let window_length = Duration::from_secs(WINDOW_SECS.into());
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let Table { windows, swept } = &mut *table;
        // Who is known has its window, however full the table is.
        if windows.len() >= self.keys_max && !windows.contains_key(&key) {
            if swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP_EVERY) {
                windows.retain(|_, window| now.duration_since(window.began) < window_length);
                *swept = Some(now);
            }
            if windows.len() >= self.keys_max {
                return Err(Exceeded { limit: self.limit, retry_after_secs: WINDOW_SECS });
            }
        }
        let window = windows.entry(key).or_insert(Window { began: now, count: 0 });
        let age = now.duration_since(window.began);
        if age >= window_length {
            *window = Window { began: now, count: 0 };
        }
        if window.count >= self.limit {
            let rest = window_length.saturating_sub(age).as_secs_f64().ceil();
            return Err(Exceeded { limit: self.limit, retry_after_secs: (rest as u32).max(1) });
        }
        window.count += 1;
        Ok(())
    }
}

/// The address that limits count: for IPv6 its /64, which is what one subscriber has.
pub(crate) fn subscriber(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_per_address_and_window() {
        let (quota, start) = (Quota::new(2, true), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        let (a, b) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert_eq!([quota.take(a, at(0)), quota.take(a, at(10))], [Ok(()), Ok(())]);
        assert_eq!(quota.take(a, at(20)), Err(Exceeded { limit: 2, retry_after_secs: 40 }));
        assert_eq!(quota.take(b, at(20)), Ok(()));
        assert_eq!(quota.take(a, at(60)), Ok(()));
        for _ in 0..9 {
            assert_eq!(quota.take("127.0.0.1".parse().unwrap(), at(0)), Ok(()));
            assert_eq!(quota.take("::ffff:127.0.0.1".parse().unwrap(), at(0)), Ok(()));
        }
    }

    #[test]
    fn a_full_table_keeps_whom_it_knows_and_is_swept_once_a_second() {
        let (quota, start) = (Windows::new(2, 2), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let [a, b, c] = [1, 2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
        let full = Err(Exceeded { limit: 2, retry_after_secs: 60 });
        assert_eq!([quota.take(a, at(0)), quota.take(b, at(30_000))], [Ok(()), Ok(())]);
        assert_eq!(quota.take(c, at(59_500)), full, "swept, and nothing had run out");
        assert_eq!(quota.take(a, at(59_600)), Ok(()), "its own window is there");
        assert_eq!(
            quota.take(c, at(60_100)),
            full,
            "the window of a has run out, but the sweep was less than a second ago"
        );
        assert_eq!(quota.take(c, at(60_500)), Ok(()), "swept again: a is forgotten");
        assert_eq!(quota.take(a, at(60_600)), full);
        assert_eq!(quota.take(b, at(60_600)), Ok(()));
    }

    #[test]
    fn an_ipv6_subscriber_is_a_64() {
        let (quota, now) = (Quota::new(1, false), Instant::now());
        assert!(quota.take("2001:db8::1".parse().unwrap(), now).is_ok());
        assert!(quota.take("2001:db8::2".parse().unwrap(), now).is_err());
        assert!(quota.take("2001:db8:0:1::1".parse().unwrap(), now).is_ok());
        assert!(quota.take("::1".parse().unwrap(), now).is_ok());
        assert!(quota.take("::1".parse().unwrap(), now).is_err(), "loopback counts when it is not exempt");
    }
}
