//! When a run ends, and the rule δ that makes an end fair (exchange-and-disputes §5).
//!
//! An end bounds for how long the arbiter owes anybody a decision, and by itself it is unfair to the originator: a responder who has m3
//! and is silent until the end holds a contract, since it can make m4 itself, while the originator gets EXPIRED. So:
//!
//! 1. the originator sends m3 no later than t_exp − δ, so that δ is left for asking;
//! 2. whoever may still need the arbiter has asked by t_exp − δ;
//! 3. the responder sends m2 no later than t_exp − 2δ;
//! 4. the arbiter gives no grace, **but for its own absence**: one that touches the last δ moves the end, for all alike.

use crate::time::Timestamp;

/// The arbiter took no requests from one moment to another, as an entry of its ledger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outage {
    /// When it was last known to take them.
    pub from: Timestamp,
    /// From when on it took them again.
    pub to: Timestamp,
    /// The entry that says so.
    pub index: u64,
}

/// The end of a run, and what moved it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct End {
    /// The last moment at which anything but EXPIRED is decided, milliseconds since 1970.
    pub at_ms: u64,
    /// The entries of the outages that moved it, ascending.
    pub outages: Vec<u64>,
}

impl End {
    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(&self, now: Timestamp) -> bool {
        now.millis() > self.at_ms
    }
}

/// Moves the end `t_exp` by each outage that touches the δ before it; one of the time that was added counts, too, since whoever waited
/// for it finds the door shut a second time. `outages` in the order in which they began.
#[must_use]
pub fn end(t_exp: u64, delta_ms: u64, outages: &[Outage]) -> End {
    let mut end = End { at_ms: t_exp, outages: Vec::new() };
    for outage in outages {
        let touches = outage.from.millis() <= end.at_ms && outage.to.millis() >= end.at_ms.saturating_sub(delta_ms);
        let moved = outage.to.millis().saturating_add(delta_ms);
        if touches && moved > end.at_ms {
            end.at_ms = moved;
            end.outages.push(outage.index);
        }
    }
    end
}

/// The last moment at which the originator opens its commitment, or shows its key (rule 1), and at which a side asks (rule 2).
#[must_use]
pub const fn last_to_open(t_exp: u64, delta_ms: u64) -> u64 {
    t_exp.saturating_sub(delta_ms)
}

/// The last moment at which the responder answers an offer (rule 3).
#[must_use]
pub const fn last_to_answer(t_exp: u64, delta_ms: u64) -> u64 {
    t_exp.saturating_sub(delta_ms).saturating_sub(delta_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outage(from: u64, to: u64, index: u64) -> Outage {
        Outage { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to), index }
    }

    /// t_exp 1,000 and δ 100: what touches [900, 1000] counts, with both ends.
    #[test]
    fn an_absence_in_the_last_delta_moves_the_end() {
        check(&[], 1000, &[]);
        check(&[(100, 899)], 1000, &[]);
        check(&[(100, 900)], 1000, &[]); // touches, and nothing is lost: 900 + δ is the end
        check(&[(100, 901)], 1001, &[0]);
        check(&[(950, 960)], 1060, &[0]);
        check(&[(1000, 1500)], 1600, &[0]);
        check(&[(1001, 1500)], 1000, &[]);
        check(&[(950, 1500), (1599, 1700)], 1800, &[0, 1]);
        check(&[(950, 1500), (1601, 1700)], 1600, &[0]);
        check(&[(100, 200), (950, 1500), (2000, 3000)], 1600, &[1]);
    }

    #[track_caller]
    fn check(outages: &[(u64, u64)], at_ms: u64, moved_by: &[u64]) {
        let outages: Vec<_> = (0..).zip(outages).map(|(index, (from, to))| outage(*from, *to, index)).collect();
        assert_eq!(end(1000, 100, &outages), End { at_ms, outages: moved_by.to_vec() }, "{outages:?}");
    }

    #[test]
    fn the_end_itself_is_in_time() {
        let end = end(1000, 100, &[]);
        assert!(!end.has_passed(Timestamp::from_millis(1000)) && end.has_passed(Timestamp::from_millis(1001)));
        assert_eq!((last_to_open(1000, 100), last_to_answer(1000, 100), last_to_answer(150, 100)), (900, 800, 0));
        assert_eq!(super::end(u64::MAX, 100, &[outage(5, u64::MAX, 0)]).at_ms, u64::MAX);
    }
}
