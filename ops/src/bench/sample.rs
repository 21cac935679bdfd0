//! Medians, spreads and quantiles.

use super::{Failed, ROUNDS};

/// The median of some values, with the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(values: &[f64]) -> Spread {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        Spread { median: at(sorted.len() / 2), least: at(0), greatest: at(sorted.len().saturating_sub(1)) }
    }
}

/// What the rounds of one row gave.
pub(crate) struct Rounds {
    /// The figure.
    pub(crate) value: Spread,
    /// Its limit.
    pub(crate) limit: Spread,
    /// Figure ÷ limit of the same round.
    pub(crate) ratio: Spread,
}

/// Measures `limit` and `value` by turns, beginning and ending with `limit`. Both get `state`.
///
/// # Errors
/// The first that fails.
pub(crate) fn rounds<S>(
    state: &mut S,
    mut limit: impl FnMut(&mut S) -> Result<f64, Failed>,
    mut value: impl FnMut(&mut S) -> Result<f64, Failed>,
) -> Result<Rounds, Failed> {
    let mut limits = vec![limit(state)?];
    let mut values = Vec::new();
    for _ in 0..ROUNDS {
        values.push(value(state)?);
        limits.push(limit(state)?);
    }
    let around = limits.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
    let ratios: Vec<f64> = values.iter().zip(around).map(|(value, limit)| value / limit).collect();
    Ok(Rounds { value: Spread::of(&values), limit: Spread::of(&limits), ratio: Spread::of(&ratios) })
}

/// The value below which `share` of `values` lie (nearest rank); 0 of none.
pub(crate) fn quantile(values: &mut [u64], share: f64) -> u64 {
    let rank = (values.len() as f64 * share).ceil() as usize;
    match rank.checked_sub(1).filter(|_| !values.is_empty()) {
        Some(rank) => *values.select_nth_unstable(rank).1,
        None => values.iter().copied().min().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_both_ends() {
        let spread = Spread::of(&[5.0, 1.0, 9.0, 3.0, 7.0]);
        assert_eq!(spread, Spread { median: 5.0, least: 1.0, greatest: 9.0 });
    }

    #[test]
    fn nearest_rank() {
        let mut values: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(quantile(&mut values, 0.5), 50);
        assert_eq!(quantile(&mut values, 0.99), 99);
        assert_eq!(quantile(&mut values, 1.0), 100);
        assert_eq!(quantile(&mut values, 0.0), 1);
        assert_eq!(quantile(&mut [], 0.5), 0);
    }

    /// The machine becomes twice as fast in the middle; the ratio does not move.
    #[test]
    fn a_ratio_is_to_the_limits_around_its_own_round() {
        let mut turns = Vec::new();
        let speeds = [10.0, 10.0, 10.0, 20.0, 20.0, 20.0];
        let mut limit = speeds.into_iter();
        let mut value = [5.0, 5.0, 7.5, 10.0, 10.0].into_iter();
        let rounds = rounds(
            &mut turns,
            |turns| {
                turns.push('L');
                Ok(limit.next().unwrap())
            },
            |turns| {
                turns.push('V');
                Ok(value.next().unwrap())
            },
        );
        let rounds = rounds.ok().unwrap();
        assert_eq!(turns.into_iter().collect::<String>(), "LVLVLVLVLVL");
        assert_eq!(rounds.ratio, Spread { median: 0.5, least: 0.5, greatest: 0.5 });
        assert_eq!(rounds.value.median, 7.5);
    }
}
