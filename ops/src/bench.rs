//! Measuring: how each figure is taken, beside its limit in the same run.
//!
//! A limit is what the machine can do without us: raw signing, raw synced writes, raw hashing. On a shared machine it
//! drifts by the minute, so each round of a row stands between two measurements of its limit, and its ratio is that to
//! their mean. What is shown is the median of five rounds with the least and the greatest.
//!
//! Out of scope: judging. A missed goal is shown, never an error; figures are for people (DESIGN §8).

mod append;
mod ca;
mod callers;
mod check;
mod exchange;
mod figure;
mod http;
mod large;
mod machine;
mod notary;
mod place;
mod proof;
mod recorder;
mod sample;
mod signing;
mod trust;
mod tsa;
mod tsa_load;

pub(crate) use append::measure as append;
pub(crate) use ca::measure as ca;
pub(crate) use exchange::measure as exchange;
pub(crate) use figure::{Figure, Goal, json, table};
pub(crate) use large::measure as large;
pub(crate) use machine::{Machine, flush_micros};
pub(crate) use notary::measure as notary;
pub(crate) use place::Place;
pub(crate) use trust::measure as trust;
pub(crate) use tsa::measure as tsa;

/// Rounds of each row.
pub(crate) const ROUNDS: usize = 5;

/// Why a figure cannot be had: one sentence.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Failed {
        Failed(error.to_string())
    }
}
