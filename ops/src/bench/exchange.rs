//! Area `exchange`: runs that the arbiter resolves over HTTPS, from a server in a process of its own, and what a contract costs two sides who
//! do without it.

mod contract;
mod decisions;
mod load;
mod parties;
mod replay;

use std::path::{Path, PathBuf};

use super::{Failed, Figure, Place};
use crate::progress::Progress;

const AREA: &str = "exchange";

/// Everything of the area; `runs` are in the large store.
///
/// # Errors
/// Anything that is not what was asked for.
pub(crate) fn measure(place: &Place, runs: u64, progress: &Progress) -> Result<Vec<Figure>, Failed> {
    let mut figures = decisions::measure(place, progress)?;
    figures.extend(replay::measure(place, runs, progress)?);
    Ok(figures)
}

/// A demonstration service that is an arbiter.
fn arbiter(place: &Place, name: &str) -> Result<PathBuf, Failed> {
    let data = place.init(name)?;
    let settings = data.join("semper.toml");
    let more = "\n[exchange]\nenabled = true\nruns_per_party_per_minute = 1000000\n";
    std::fs::write(&settings, std::fs::read_to_string(&settings)? + more)?;
    Ok(data)
}

/// The trust anchors that a party of it has.
fn anchors(data: &Path) -> PathBuf {
    data.join("trust")
}
