//! Seeded randomness for tests: a failure is repeated with the seed that it printed.

/// SplitMix64: small, and good enough to choose moments and pages. No secret hangs on it.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The seed in `SEMPER_TEST_SEED`, else one drawn from the process's hasher, which differs from run to run: over
    /// time the tests see many moments. Printed, so that the harness shows it when the test fails.
    ///
    /// # Panics
    /// The variable is no number.
    #[must_use]
    #[allow(clippy::print_stderr, reason = "whoever reads a failure needs the seed")]
    pub fn from_environment(test: &str) -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        let seed = match std::env::var("SEMPER_TEST_SEED") {
            Ok(text) => text.parse().expect("SEMPER_TEST_SEED is a number"),
            Err(_) => RandomState::new().hash_one(test),
        };
        eprintln!("{test}: SEMPER_TEST_SEED={seed}");
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}
