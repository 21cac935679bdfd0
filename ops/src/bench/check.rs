//! `semper fsck` of a large ledger beside the hashing that it cannot do without.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use semper_ledger::merkle::{Hash, TILE_WIDTH, leaf_hash, node_hash};
use semper_ledger::reader::Reader;
use semper_ledger::tile::bundle_entries;

use super::sample::{Spread, rounds};
use super::{Failed, Figure, Goal, machine};

/// Bundles of entries that the limit hashes: a million entries, or all.
const BUNDLES_MAX: u64 = 4_096;

/// Entries in memory, one vector for each thread.
pub(crate) struct Entries(Vec<Vec<Vec<u8>>>);

impl Entries {
    /// The first bundles of a log.
    ///
    /// # Errors
    /// A row does not read.
    pub(crate) fn read(reader: &Reader) -> Result<Entries, Failed> {
        let mut shares = vec![Vec::new(); machine::cores()];
        for index in 0..(reader.size() / TILE_WIDTH).min(BUNDLES_MAX) {
            let bundle = reader.bundle(index, TILE_WIDTH as usize)?.unwrap_or_default();
            let share = index as usize % shares.len();
            shares[share].extend(bundle_entries(&bundle).flatten().map(<[u8]>::to_vec));
        }
        Ok(Entries(shares))
    }

    /// Leaves and all nodes above them, hashed on every core: entries a second.
    pub(super) fn hash_rate(&self) -> f64 {
        let count: usize = self.0.iter().map(Vec::len).sum();
        let start = Instant::now();
        std::thread::scope(|scope| {
            for share in &self.0 {
                scope.spawn(move || {
                    let mut level: Vec<Hash> = share.iter().map(|entry| leaf_hash(entry)).collect();
                    while level.len() > 1 {
                        level = level.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
                    }
                    std::hint::black_box(level);
                });
            }
        });
        count as f64 / start.elapsed().as_secs_f64()
    }
}

/// Quick check (rounds beside the limit) and full check (once: it takes minutes).
///
/// # Errors
/// `fsck` does not find the ledger sound.
pub(crate) fn measure(data: &Path, entries: u64, hashed: &Entries) -> Result<[Figure; 2], Failed> {
    let quick = rounds(&mut (), |()| Ok(hashed.hash_rate()), |()| fsck(data, &[]))?;
    let quick = Figure::beside("ledger", format!("fsck of {entries}"), "/s", &quick, Goal::TimesLimitAtLeast(0.3));
    let full = Spread::of(&[fsck(data, &["--full"])?]);
    let full = Figure::alone("ledger", format!("fsck --full of {entries}"), "/s", full, Goal::AtLeast(50_000.0));
    Ok([
        quick
            .against(format!("hashing the entries and the nodes above them, in memory, on {} cores", machine::cores()))
            .under("entries, tiles, roots, times, tags, newest checkpoint, anchor; page cache warm"),
        full.under("also all signatures, facts, artefacts, indexes, state; one run; page cache warm"),
    ])
}

/// Entries a second of a check by the command, as it tells them.
fn fsck(data: &Path, more: &[&str]) -> Result<f64, Failed> {
    let output =
        Command::new(std::env::current_exe()?).args(["fsck", "--json", "--data"]).arg(data).args(more).output()?;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    match (told["size"].as_f64(), told["seconds"].as_f64()) {
        (Some(size), Some(seconds)) if output.status.success() => Ok(size / seconds),
        _ => Err(Failed(format!("semper fsck: {}", told.to_string().chars().take(1000).collect::<String>()))),
    }
}
