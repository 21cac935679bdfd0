//! Names of paid runs: by the keys of their sides, and those that wait for something.

use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::exchange::paid::PaidFact;

/// What the names of all paid runs begin with. Those that are not among the decided ones wait for a party, a rail or a moment, or were closed
/// by a case; of the decided ones, those whose money is still to move are known by their state.
pub const PAID_RUNS: [u8; 1] = [33];

/// What the names of all decided paid runs begin with.
pub const DECIDED_PAID_RUNS: [u8; 1] = [34];

/// What the names of the paid runs begin with in which this key signs, oldest first.
#[must_use]
pub fn paid_of(key: Thumbprint) -> Vec<u8> {
    [&[32][..], key.0.as_bytes()].concat()
}

/// What such a name says: when the run was begun, milliseconds since 1970, and its x.
#[must_use]
pub fn read_paid(name: &[u8]) -> Option<(u64, Digest)> {
    let (_, rest) = name.strip_prefix(&[32])?.split_first_chunk::<32>()?;
    let (at, x) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*at), Digest::from_slice(x)?))
}

/// The run that the name of one, or of a decided one, says.
#[must_use]
pub fn read_paid_run(name: &[u8]) -> Option<Digest> {
    let x = name.strip_prefix(&PAID_RUNS).or_else(|| name.strip_prefix(&DECIDED_PAID_RUNS))?;
    Digest::from_slice(x)
}

pub(super) fn of_paid(fact: &PaidFact) -> Vec<Vec<u8>> {
    match fact {
        PaidFact::Opened { at, terms } => {
            let of = |key| [&paid_of(key)[..], &at.millis().to_be_bytes(), terms.x.as_bytes()].concat();
            vec![of(terms.payer.1), of(terms.payee.1), [&PAID_RUNS[..], terms.x.as_bytes()].concat()]
        }
        PaidFact::Decided(decision) => vec![[&DECIDED_PAID_RUNS[..], decision.x.as_bytes()].concat()],
        PaidFact::Shown { .. } | PaidFact::Told { .. } | PaidFact::Frozen { .. } | PaidFact::Thawed { .. } => {
            Vec::new()
        }
    }
}
