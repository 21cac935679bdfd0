//! Random proofs out of an open ledger.

use std::time::Instant;

use semper_ledger::reader::Reader;

use super::Failed;
use super::callers::Noise;
use super::sample::quantile;

/// Proofs of one round.
pub(crate) const PROOFS: usize = 5_000;

/// Median time of an inclusion proof with its receipt, built as tlog-proof text, at random indices, µs.
///
/// # Errors
/// A row does not read, or an entry has no receipt.
pub(crate) fn median_micros(reader: &Reader, noise: &mut Noise) -> Result<f64, Failed> {
    let size = reader.size();
    let mut nanos = Vec::with_capacity(PROOFS);
    for _ in 0..PROOFS {
        let index = noise.next() % size.max(1);
        let start = Instant::now();
        let receipt = reader.receipt(index)?;
        let receipt = receipt.ok_or_else(|| Failed(format!("entry {index} has no receipt")))?;
        std::hint::black_box(receipt.tlog_proof(reader.identity()));
        nanos.push(start.elapsed().as_nanos() as u64);
    }
    Ok(quantile(&mut nanos, 0.5) as f64 / 1000.0)
}
