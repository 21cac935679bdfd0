//! The only randomness of a cut: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), so that a seed names one outcome.

pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..sides`. The bias of the remainder (below 2^-40 for our sides) does not matter to a test.
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.roll() % sides
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn matches_the_published_sequence() {
        let mut dice = Dice::new(1_234_567);
        assert_eq!(dice.roll(), 6_457_827_717_110_365_317);
        assert_eq!(dice.roll(), 3_203_168_211_198_807_973);
    }
}
