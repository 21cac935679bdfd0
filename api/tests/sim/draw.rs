//! What a run draws: all of it follows from its seed, so that a run that failed is had again by its number.

use std::collections::BTreeSet;

use crate::world::office::random;

/// What is in a run and not of its seed: names and keys, by whose order nothing is drawn.
pub(crate) fn random32() -> [u8; 32] {
    [random(), random()].concat().try_into().expect("twice 16")
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and any seed is a good one.
pub(crate) struct Draw {
    state: u64,
    /// What went wrong so far, in a word each.
    pub(crate) faults: BTreeSet<&'static str>,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, faults: BTreeSet::new() }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `bound` - 1, evenly enough.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// The place of something in a list that is not empty.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    pub(crate) fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.place(of.len())]
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Whether something goes wrong, which is counted.
    pub(crate) fn fault(&mut self, percent: u64, what: &'static str) -> bool {
        let goes_wrong = self.percent(percent);
        if goes_wrong {
            self.faults.insert(what);
        }
        goes_wrong
    }

    /// One of these, each as often as its weight says; `None` where all weights are 0.
    pub(crate) fn weighed<T: Copy>(&mut self, of: &[(T, u64)]) -> Option<T> {
        let all: u64 = of.iter().map(|(_, weight)| weight).sum();
        let mut at = self.below(all.max(1));
        of.iter()
            .filter(|(_, weight)| *weight > 0)
            .find(|(_, weight)| {
                let is_here = at < *weight;
                at = at.saturating_sub(*weight);
                is_here
            })
            .map(|(one, _)| *one)
    }
}
