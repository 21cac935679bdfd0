//! A set of numbers that lie close together, one bit for each.

use std::collections::BTreeMap;
use std::ops::Range;

/// Numbers of a page: 4 KiB of bits.
const PAGE: u64 = 1 << 15;

/// Memory is one bit for each number between neighbours, and a page for each that lies alone: a year of seconds takes 4 MB,
/// and so do the serial numbers of 32 million tokens.
#[derive(Debug, Default)]
pub(super) struct Marks(BTreeMap<u64, Box<[u64; (PAGE / 64) as usize]>>);

impl Marks {
    /// Marks `n`; false if it was marked before.
    pub(super) fn set(&mut self, n: u64) -> bool {
        let page = self.0.entry(n / PAGE).or_insert_with(|| Box::new([0; (PAGE / 64) as usize]));
        let (word, bit) = (&mut page[(n % PAGE / 64) as usize], 1 << (n % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// The smallest marked number in `range`.
    pub(super) fn first_in(&self, range: Range<u64>) -> Option<u64> {
        if range.is_empty() {
            return None;
        }
        let pages = self.0.range(range.start / PAGE..=(range.end - 1) / PAGE);
        pages
            .flat_map(|(page, words)| {
                words.iter().enumerate().map(move |(i, word)| (page * PAGE + i as u64 * 64, *word))
            })
            .filter(|(first, word)| *word != 0 && first.saturating_add(64) > range.start)
            .flat_map(|(first, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first + bit))
            .find(|n| range.contains(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_a_set_of_numbers(numbers in proptest::collection::vec(0_u64..200_000, 0..60), from in 0_u64..200_000, to in 0_u64..200_000) {
            let (mut marks, mut set) = (Marks::default(), std::collections::BTreeSet::new());
            for n in numbers {
                prop_assert_eq!(marks.set(n), set.insert(n));
            }
            let due = if from < to { set.range(from..to).next().copied() } else { None };
            prop_assert_eq!(marks.first_in(from..to), due);
        }
    }

    #[test]
    fn the_largest_numbers_too() {
        let mut marks = Marks::default();
        assert!(marks.set(u64::MAX) && !marks.set(u64::MAX) && marks.set(0));
        assert_eq!(marks.first_in(1..u64::MAX), None);
        assert_eq!(marks.first_in(0..1), Some(0));
    }
}
