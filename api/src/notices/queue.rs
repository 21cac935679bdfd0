//! Which notice is tried next: without clock, disk or socket. Times are milliseconds since the queue was made.
//!
//! At most one try at a time goes to one host, so whoever is slow keeps only itself waiting; the others share what is left of
//! the tries that may run at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long after a try that failed the next one comes: doubled with each failure in a row, up to the most. A receiver that was
/// restarted has its notice in seconds; one that is gone is asked four times a day until the certificate ends.
const PAUSE_LEAST_MS: u64 = 2_000;
const PAUSE_MOST_MS: u64 = 6 * 3_600_000;

/// Most notices that wait. What is due beyond is taken up when some of these are done.
pub(super) const WAITING_MAX: usize = 10_000;

/// What a queue must know of a notice.
pub(super) trait Queued {
    /// What tells it from every other.
    fn id(&self) -> &str;
    /// Where it goes: host and port.
    fn host(&self) -> &str;
}

#[derive(Debug)]
pub(super) struct Queue<N> {
    waiting: BTreeMap<String, Waiting<N>>,
    /// Hosts to which a try is under way.
    busy: BTreeSet<String>,
    /// How many tries may be under way.
    at_once_max: usize,
}

#[derive(Debug)]
struct Waiting<N> {
    notice: Arc<N>,
    failures: u32,
    next_ms: u64,
    under_way: bool,
}

/// How long to wait after so many failures in a row: between half and all of the pause, so that those who failed together do not
/// come again together.
pub(super) fn pause_ms(failures: u32, random: u64) -> u64 {
    let doubled = PAUSE_LEAST_MS.saturating_mul(1 << failures.saturating_sub(1).min(40));
    let half = doubled.min(PAUSE_MOST_MS) / 2;
    half + random % (half + 1)
}

impl<N: Queued> Queue<N> {
    pub(super) fn new(at_once_max: usize) -> Self {
        Self { waiting: BTreeMap::new(), busy: BTreeSet::new(), at_once_max }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What is due now. What waits and is due no more is forgotten; what waits and still is keeps its pause.
    pub(super) fn set(&mut self, due: Vec<N>, now_ms: u64) {
        let ids: BTreeSet<_> = due.iter().map(|notice| notice.id().to_owned()).collect();
        self.waiting.retain(|id, waiting| waiting.under_way || ids.contains(id));
        for notice in due {
            if self.waiting.len() >= WAITING_MAX {
                break;
            }
            let id = notice.id().to_owned();
            let new = || Waiting { notice: Arc::new(notice), failures: 0, next_ms: now_ms, under_way: false };
            self.waiting.entry(id).or_insert_with(new);
        }
    }

    /// The next to be tried, which is under way from now on.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<Arc<N>> {
        if self.busy.len() >= self.at_once_max {
            return None;
        }
        let may = |waiting: &&mut Waiting<N>| waiting.next_ms <= now_ms && !self.busy.contains(waiting.notice.host());
        let next = self.waiting.values_mut().filter(may).min_by_key(|waiting| waiting.next_ms)?;
        next.under_way = true;
        self.busy.insert(next.notice.host().to_owned());
        Some(next.notice.clone())
    }

    /// When the next may be tried, if no try under way ends before; `None` if there is nothing to wait for.
    pub(super) fn next_ms(&self) -> Option<u64> {
        if self.busy.len() >= self.at_once_max {
            return None;
        }
        let may = |waiting: &&Waiting<N>| !self.busy.contains(waiting.notice.host());
        self.waiting.values().filter(may).map(|waiting| waiting.next_ms).min()
    }

    /// A try has ended, and another one is not wanted.
    pub(super) fn done(&mut self, notice: &N) {
        self.busy.remove(notice.host());
        self.waiting.remove(notice.id());
    }

    /// A try has failed. Gives when the next one comes.
    pub(super) fn failed(&mut self, notice: &N, now_ms: u64, random: u64) -> Option<u64> {
        self.busy.remove(notice.host());
        let waiting = self.waiting.get_mut(notice.id())?;
        waiting.failures = waiting.failures.saturating_add(1);
        waiting.next_ms = now_ms.saturating_add(pause_ms(waiting.failures, random));
        waiting.under_way = false;
        Some(waiting.next_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct To(&'static str, &'static str);

    impl Queued for To {
        fn id(&self) -> &str {
            self.0
        }

        fn host(&self) -> &str {
            self.1
        }
    }

    fn taken(queue: &mut Queue<To>, now_ms: u64) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.take(now_ms)).map(|notice| notice.0).collect()
    }

    #[test]
    fn pauses_double_up_to_the_most_and_are_never_all_the_same() {
        for (failures, least, most) in [
            (1, 1_000, 2_000),
            (2, 2_000, 4_000),
            (5, 16_000, 32_000),
            (14, 8_192_000, 16_384_000),
            (15, PAUSE_MOST_MS / 2, PAUSE_MOST_MS),
            (u32::MAX, PAUSE_MOST_MS / 2, PAUSE_MOST_MS),
        ] {
            assert_eq!(pause_ms(failures, 0), least, "{failures}");
            assert_eq!(pause_ms(failures, most - least), most, "{failures}");
            assert_eq!(pause_ms(failures, most - least + 1), least, "{failures}");
        }
    }

    #[test]
    fn a_slow_host_keeps_itself_waiting_and_nobody_else() {
        let mut queue = Queue::new(2);
        let due = vec![To("1", "a"), To("2", "a"), To("3", "b"), To("4", "c")];
        queue.set(due.clone(), 0);
        assert_eq!(taken(&mut queue, 0), ["1", "3"], "one to each host, and two at once");
        assert_eq!(queue.next_ms(), None, "whoever ends first makes room");
        queue.done(&due[2]);
        assert_eq!(taken(&mut queue, 0), ["4"]);
        queue.done(&due[3]);
        assert_eq!((taken(&mut queue, 9_999), queue.next_ms(), queue.len()), (vec![], None, 2), "a is still busy");
        queue.done(&due[0]);
        assert_eq!((queue.next_ms(), taken(&mut queue, 9_999)), (Some(0), vec!["2"]));
    }

    #[test]
    fn what_failed_comes_again_after_its_pause() {
        let mut queue = Queue::new(8);
        let (one, other) = (To("1", "a"), To("2", "a"));
        queue.set(vec![one.clone(), other.clone()], 5);
        assert_eq!(taken(&mut queue, 4), [""; 0], "not before it was set");
        assert_eq!(taken(&mut queue, 5), ["1"]);
        assert_eq!(queue.failed(&one, 5, 0), Some(1_005));
        // Another notice to the same host does not wait for it.
        assert_eq!(taken(&mut queue, 5), ["2"]);
        queue.done(&other);
        assert_eq!((taken(&mut queue, 1_004), queue.next_ms()), (vec![], Some(1_005)));
        // Found due again, it goes on waiting.
        queue.set(vec![one.clone()], 100);
        assert_eq!(taken(&mut queue, 1_005), ["1"]);
        assert_eq!(queue.failed(&one, 1_005, 0), Some(3_005), "twice as long");
    }

    #[test]
    fn what_is_due_no_more_is_forgotten() {
        let mut queue = Queue::new(1);
        let (one, other) = (To("1", "a"), To("2", "b"));
        queue.set(vec![one.clone(), other], 0);
        assert_eq!(taken(&mut queue, 0), ["1"]);
        queue.set(Vec::new(), 0);
        assert_eq!(queue.len(), 1, "the one that is under way");
        // Its end is the end of it.
        queue.set(Vec::new(), 0);
        assert!(queue.failed(&one, 0, 0).is_some());
        queue.set(Vec::new(), 0);
        assert_eq!(queue.len(), 0);
        assert_eq!(queue.failed(&one, 0, 0), None);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut queue = Queue::new(1);
        let ids: Vec<&'static str> = (0..WAITING_MAX + 2).map(|i| &*format!("{i:05}").leak()).collect();
        queue.set(ids.iter().map(|id| To(id, "a")).collect(), 0);
        assert_eq!(queue.len(), WAITING_MAX);
    }
}
