//! Area `ledger`, size: proofs, memory and checks of a large ledger beside a small one.
//!
//! Both are made by `semper init`, filled through the ordinary ledger, and read as `semper serve` reads them.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

use semper_ledger::erasure::MemoryJournal;
use semper_ledger::ledger::{Ledger, Parts};
use semper_ledger::sequencer::{Clock, Commit, Draft, RoleRow};
use semper_ttp::crypto::LogVerifier;
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Aggregate, Fact, Kind, SERIAL_COUNTER, TimestampKind};
use semper_ttp::time::Timestamp;

use super::callers::{ARTEFACT_BYTES, FACT_BYTES, Groups, Noise, WallClock};
use super::http::Client;
use super::place::Server;
use super::sample::rounds;
use super::{Failed, Figure, Goal, Place, check, machine, proof};
use crate::data::DataFolder;
use crate::data::sequencer_settings;
use crate::progress::Progress;

const AREA: &str = "ledger";
/// Entries of the small ledger.
const SMALL: u64 = 10_000;
/// Entries of one commit while filling, and commits that wait: large groups, so that filling takes minutes.
const FILL_DRAFTS: u64 = 1_024;
const FILL_WAITING: usize = 16;
/// Proofs asked of a server before its memory is read, each round.
const REMOTE_PROOFS: usize = 4_000;

/// Every row about a large ledger.
///
/// # Errors
/// The ledger, its disk or a server.
pub(crate) fn measure(place: &Place, entries: u64, json: bool) -> Result<Vec<Figure>, Failed> {
    let (small, large) = (place.init("small")?, place.init("large")?);
    fill(&small, SMALL, &Progress::none())?;
    let progress = Progress::new(json, "filling the large ledger", Some(entries));
    let filled = fill(&large, entries, &progress);
    progress.finish();
    filled?;
    let mut figures = Vec::new();
    figures.extend(proofs(&small, &large, entries, None)?);
    figures.extend(proofs(&small, &large, entries, Some(()))?);
    figures.push(memory(&small, &large, entries)?);
    let hashed = check::Entries::read(open(&large, Some(0))?.reader())?;
    figures.extend(check::measure(&large, entries, &hashed)?);
    place.clear("small")?;
    place.clear("large")?;
    Ok(figures)
}

/// Opens a ledger as `serve` does; `tile_cache_bytes` overrides the settings.
pub(super) fn open(data: &Path, tile_cache_bytes: Option<u64>) -> Result<Ledger, Failed> {
    let folder = DataFolder::open(data)?;
    let mut config = folder.config(None)?;
    if tile_cache_bytes == Some(0) {
        // "Page cache warm": every row of both stores comes from there, none from RocksDB's cache, into which the small one
        // fits.
        config.ledger.block_cache_bytes = 0;
    }
    let loaded = folder.load(&config)?;
    Ok(Ledger::open(Parts {
        store: loaded.store,
        anchor: loaded.anchor,
        journal: Arc::new(MemoryJournal::default()),
        keys: loaded.log_keys,
        verifier: Arc::new(LogVerifier),
        clock: Arc::new(WallClock::new()),
        observer: Arc::new(Groups::default()),
        settings: sequencer_settings(&config.ledger),
        tile_cache_bytes: tile_cache_bytes.unwrap_or(config.ledger.tile_cache_bytes),
    })?)
}

/// Appends until the ledger holds `entries`: what a timestamping authority writes, without its signatures.
pub(super) fn fill(data: &Path, entries: u64, progress: &Progress) -> Result<(), Failed> {
    let ledger = open(data, Some(0))?;
    let (mut noise, clock) = (Noise::new(entries), WallClock::new());
    let (send, receive) = channel();
    let mut serial = ledger.reader().counter(SERIAL_COUNTER)?;
    let (mut left, mut waiting) = (entries.saturating_sub(ledger.reader().size()), 0);
    while left > 0 || waiting > 0 {
        if left > 0 && waiting < FILL_WAITING {
            let (count, now_ms) = (left.min(FILL_DRAFTS), clock.now_ms());
            let drafts = (serial + 1..).take(count as usize).map(|serial| draft(serial, now_ms, &mut noise)).collect();
            serial += count;
            let rows = vec![RoleRow::Counter { name: SERIAL_COUNTER, at_least: serial }];
            let send = send.clone();
            ledger.submit(Commit { idempotency: None, now_ms, drafts, rows }, move |outcome| {
                let _ = send.send(outcome.map(|appended| appended.count)); // nobody listens only after an error
            });
            (left, waiting) = (left - count, waiting + 1);
        } else {
            progress.add(receive.recv()??);
            waiting -= 1;
        }
    }
    Ok(())
}

/// A fact of [`FACT_BYTES`] as `fsck` knows it, and noise for its artefact.
fn draft(serial: u64, now_ms: u64, noise: &mut Noise) -> Draft {
    let kind = Kind::Timestamp(TimestampKind::Token);
    let mut fact = Fact {
        rules: 1,
        aggregate: Aggregate::of("tsa", b"bench"),
        seq: serial,
        now: Timestamp::from_millis(now_ms),
        kind,
        salt: [0; 16],
        policy_hash: Digest(noise.hash()),
        event_digest: Digest(noise.hash()),
        body: Vec::new(),
    };
    noise.fill(&mut fact.salt);
    // A CBOR byte string with a length in one octet fills up what is missing.
    let padding = FACT_BYTES.saturating_sub(fact.encode().len() + 2).clamp(24, 255);
    fact.body = [vec![0x58, padding as u8], noise.bytes(padding)].concat();
    Draft::with_artefact(kind.role().code(), kind.code(), fact.encode(), noise.bytes(ARTEFACT_BYTES))
}

fn proofs(small: &Path, large: &Path, entries: u64, cached: Option<()>) -> Result<Vec<Figure>, Failed> {
    let tile_cache_bytes = if cached.is_some() { None } else { Some(0) };
    let (small, large) = (open(small, tile_cache_bytes)?, open(large, tile_cache_bytes)?);
    let mut noise = Noise::new(11);
    // What was just written is in the page cache; these turns bring in RocksDB's own caches, and that of tiles.
    for ledger in [&small, &large, &large] {
        proof::median_micros(ledger.reader(), &mut noise)?;
    }
    let rounds = rounds(
        &mut noise,
        |noise| proof::median_micros(small.reader(), noise),
        |noise| proof::median_micros(large.reader(), noise),
    )?;
    let (cache, goal) = match cached {
        None => ("tile cache off", Goal::AtMostAnd(150.0, 2.0)),
        Some(()) => ("tile cache on", Goal::AtMost(50.0)),
    };
    let caches = match cached {
        None => "full tiles above level 0 in memory, RocksDB's block cache off",
        Some(()) => "all caches as by default",
    };
    let figure =
        Figure::beside(AREA, format!("inclusion proof + receipt at {entries}, {cache}, p50"), "µs", &rounds, goal);
    Ok(vec![figure.against(format!("the same at {SMALL} entries")).under(format!(
        "{} random indices a round, tlog-proof text built, 1 thread, page cache warm, {caches}; filled in groups of up \
         to {}",
        proof::PROOFS,
        FILL_DRAFTS as usize * FILL_WAITING,
    ))])
}

fn memory(small: &Path, large: &Path, entries: u64) -> Result<Figure, Failed> {
    let servers = (Server::start(small)?, Server::start(large)?);
    let mut noise = Noise::new(13);
    let mut most: f64 = 0.0;
    let rounds = rounds(
        &mut noise,
        |noise| Ok(read(&servers.0, SMALL, noise)?.0),
        |noise| {
            let (now, high) = read(&servers.1, entries, noise)?;
            most = most.max(high);
            Ok(now)
        },
    )?;
    servers.0.stop()?;
    servers.1.stop()?;
    Ok(Figure::beside(AREA, format!("resident memory at {entries}"), "MB", &rounds, Goal::AtMost(600.0))
        .against(format!("the same at {SMALL} entries"))
        .under(format!(
            "semper serve with its default settings, reopened; VmRSS after {REMOTE_PROOFS} proofs at random indices over \
             HTTP each round; at most {most:.0} MB (VmHWM)"
        )))
}

/// Asks a server for random proofs, then reads its memory.
fn read(server: &Server, size: u64, noise: &mut Noise) -> Result<(f64, f64), Failed> {
    let mut client = Client::connect(server.http)?;
    for _ in 0..REMOTE_PROOFS {
        client.get(&format!("/ledger/proof/inclusion?index={}", noise.next() % size))?;
    }
    machine::resident_megabytes(server.pid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_the_size_that_is_told_and_read_back() {
        let mut noise = Noise::new(1);
        for serial in [1, 300, 70_000, 10_000_000] {
            let draft = draft(serial, 1_800_000_000_000, &mut noise);
            assert_eq!(draft.fact.len(), FACT_BYTES);
            assert_eq!(Fact::decode(&draft.fact).unwrap().seq, serial);
        }
    }
}
