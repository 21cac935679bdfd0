//! Randomness as a port: only the shell draws, and puts what it drew into the event.

use std::cell::RefCell;

/// The random source did not answer; nothing may be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the random source failed")]
pub struct EntropyFault;

/// Gives random octets.
pub trait Entropy: Send + Sync {
    /// Fills `out`.
    ///
    /// # Errors
    /// [`EntropyFault`]; `out` must not be used then.
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFault>;
}

/// libcrypto's generator, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

/// Octets drawn at once: a call of libcrypto's generator costs as much for these as for a few.
const DRAWN: usize = 1024;

/// What a thread has drawn and not yet given out.
struct Drawn {
    octets: [u8; DRAWN],
    given: usize,
}

thread_local! {
    static AHEAD: RefCell<Drawn> = const { RefCell::new(Drawn { octets: [0; DRAWN], given: DRAWN }) };
}

impl Entropy for OsEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFault> {
        if out.len() > DRAWN / 4 {
            return openssl::rand::rand_bytes(out).map_err(|_| EntropyFault);
        }
        AHEAD.with_borrow_mut(|ahead| {
            if DRAWN - ahead.given < out.len() {
                openssl::rand::rand_bytes(&mut ahead.octets).map_err(|_| EntropyFault)?;
                ahead.given = 0;
            }
            let next = &mut ahead.octets[ahead.given..][..out.len()];
            out.copy_from_slice(next);
            next.fill(0); // given out once, and not lying about
            ahead.given += out.len();
            Ok(())
        })
    }
}

/// The same octets for the same seed: SHA-256 of seed and counter. For tests and the simulator.
#[cfg(any(test, feature = "test-util"))]
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    drawn: std::sync::atomic::AtomicU64,
}

#[cfg(any(test, feature = "test-util"))]
impl SeededEntropy {
    /// A source that depends on `seed` only.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0.into() }
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFault> {
        for chunk in out.chunks_mut(32) {
            let count = self.drawn.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut input = [0; 16];
            input[..8].copy_from_slice(&self.seed.to_be_bytes());
            input[8..].copy_from_slice(&count.to_be_bytes());
            chunk.copy_from_slice(&crate::digest::Digest::of(&input).0[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_is_repeatable_and_os_is_not() {
        let draw = |source: &dyn Entropy| {
            let mut out = [0; 40];
            source.fill(&mut out).unwrap();
            out
        };
        assert_eq!(draw(&SeededEntropy::new(1)), draw(&SeededEntropy::new(1)));
        assert_ne!(draw(&SeededEntropy::new(1)), draw(&SeededEntropy::new(2)));
        assert_ne!(draw(&OsEntropy), draw(&OsEntropy));
    }

    /// What is drawn ahead is given out once, over its end too, and never as the zeros that take its place.
    #[test]
    fn no_octets_are_given_twice() {
        let mut seen = std::collections::HashSet::new();
        for len in (16..=DRAWN).chain([28; 1000]) {
            let mut out = vec![0; len];
            OsEntropy.fill(&mut out).unwrap();
            // 16 equal octets in two places are no accident (2^-128).
            assert!(out.chunks_exact(16).all(|chunk| seen.insert(chunk.to_vec())), "{len}");
        }
    }
}
