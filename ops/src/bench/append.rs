//! Area `ledger`, writing: appends with receipts beside raw synced writes.

use std::sync::Arc;
use std::time::Instant;

use semper_ledger::anchor::file::FileAnchor;
use semper_ledger::ledger::Ledger;
use semper_ledger::sequencer::{Clock, GroupReport};
use semper_ledger::store::rocks::RocksStore;
use semper_ledger::store::{Batch, Store, Table};

use super::callers::{self, ARTEFACT_BYTES, FACT_BYTES, Groups, Noise, WallClock};
use super::recorder::Recorder;
use super::sample::{quantile, rounds};
use super::{Failed, Figure, Goal, Place};
use crate::config;
use crate::data::rocks_settings;
use crate::progress::Progress;

const AREA: &str = "ledger";
const CALLERS: usize = 512;
/// Appends of one round: some seconds, and enough for memtables to be flushed and merged within them.
const APPENDS: u64 = 300_000;
/// Lone appends of one round.
const LONE_APPENDS: u64 = 500;
/// Bytes of the lone raw write: a fact and an artefact.
const LONE_BYTES: usize = FACT_BYTES + ARTEFACT_BYTES;

/// Both rows about writing.
///
/// # Errors
/// The ledger or its disk.
pub(crate) fn measure(place: &Place, progress: &Progress) -> Result<Vec<Figure>, Failed> {
    Ok(vec![throughput(place, progress)?, latency(place, progress)?])
}

/// A new ledger in `name` with its reports.
fn ledger(place: &Place, name: &str) -> Result<(Ledger, Arc<Groups>, Arc<Recorder>), Failed> {
    let store: Arc<dyn Store> = Arc::new(store(place, name)?);
    let recorder = Arc::new(Recorder::new(store));
    let groups = Arc::new(Groups::default());
    let anchor = Arc::new(FileAnchor::create(&place.join(name).join("anchor"))?);
    Ok((callers::new_ledger(recorder.clone(), anchor, groups.clone())?, groups, recorder))
}

fn plain_ledger(place: &Place, name: &str) -> Result<(Ledger, Arc<Groups>), Failed> {
    let store = Arc::new(store(place, name)?);
    let groups = Arc::new(Groups::default());
    let anchor = Arc::new(FileAnchor::create(&place.join(name).join("anchor"))?);
    Ok((callers::new_ledger(store, anchor, groups.clone())?, groups))
}

fn store(place: &Place, name: &str) -> Result<RocksStore, Failed> {
    place.clear(name)?;
    std::fs::create_dir(place.join(name))?;
    Ok(RocksStore::create(&place.join(name).join("store"), &rocks_settings(&config::Ledger::default()))?)
}

fn throughput(place: &Place, progress: &Progress) -> Result<Figure, Failed> {
    // The same load once with a copy of every batch: what the raw writes will be.
    let (recorded, _, recorder) = ledger(place, "recorded")?;
    callers::run(&recorded, CALLERS, APPENDS, 1)?;
    drop(recorded);
    let batches: Vec<Batch> = recorder.take().into_iter().filter(|batch| !batch.is_empty()).collect();
    drop(recorder);
    place.clear("recorded")?;
    let (rows, bytes) = batches.iter().fold((0, 0), |(rows, bytes), b| (rows + b.len(), bytes + b.bytes()));
    progress.add(1);

    let mut seed = 1;
    let mut reports: Vec<GroupReport> = Vec::new();
    let rounds = rounds(
        &mut (),
        |()| {
            let store = store(place, "raw")?;
            let start = Instant::now();
            batches.iter().try_for_each(|batch| store.commit(batch))?;
            let rate = APPENDS as f64 / start.elapsed().as_secs_f64();
            drop(store);
            place.clear("raw")?;
            progress.add(1);
            Ok(rate)
        },
        |()| {
            let (ledger, groups) = plain_ledger(place, "appends")?;
            seed += 1;
            let seconds = callers::run(&ledger, CALLERS, APPENDS, seed)?;
            drop(ledger);
            place.clear("appends")?;
            reports.extend(groups.take());
            progress.add(1);
            Ok(APPENDS as f64 / seconds)
        },
    )?;
    let entries: usize = reports.iter().map(|report| report.entries).sum();
    let total = |of: fn(&GroupReport) -> f64| reports.iter().map(of).sum::<f64>();
    let share = |part: f64| 100.0 * part / total(|report| report.seconds);
    let mut sizes: Vec<u64> = reports.iter().map(|report| report.entries as u64).collect();
    let conditions = format!(
        "{CALLERS} callers in a closed loop on {} threads of this process, each builds its tlog-proof; fact {FACT_BYTES} \
         and artefact {ARTEFACT_BYTES} bytes, idempotency key; each group synced, signed twice and anchored; {:.0} \
         entries a group (median {}); of the sequencer's time {:.0} % store write, {:.0} % anchor; aim 100,000/s: {}",
        super::machine::cores(),
        entries as f64 / reports.len().max(1) as f64,
        quantile(&mut sizes, 0.5),
        share(total(|report| report.store_seconds)),
        share(total(|report| report.anchor_seconds)),
        if rounds.value.median >= 100_000.0 { "reached" } else { "not reached" },
    );
    let limit = format!(
        "the batches that the sequencer wrote under this load, written again raw and synced on a fresh store: {} batches \
         of {:.0} entries, {:.1} rows and {:.0} bytes an entry",
        batches.len(),
        APPENDS as f64 / batches.len().max(1) as f64,
        rows as f64 / APPENDS as f64,
        bytes as f64 / APPENDS as f64,
    );
    let name = format!("appends with receipts, {CALLERS} callers");
    Ok(Figure::beside(AREA, name, "/s", &rounds, Goal::TimesLimitAtLeast(0.5)).against(limit).under(conditions))
}

fn latency(place: &Place, progress: &Progress) -> Result<Figure, Failed> {
    let (ledger, _) = plain_ledger(place, "lone")?;
    let raw = store(place, "raw")?;
    let clock = WallClock::new();
    let mut noise = Noise::new(7);
    let rounds = rounds(
        &mut noise,
        |noise| {
            let mut nanos = Vec::new();
            for _ in 0..LONE_APPENDS {
                let mut batch = Batch::default();
                batch.put(Table::Fact, &noise.next().to_be_bytes(), &noise.bytes(LONE_BYTES));
                let start = Instant::now();
                raw.commit(&batch)?;
                nanos.push(start.elapsed().as_nanos() as u64);
            }
            progress.add(1);
            Ok(quantile(&mut nanos, 0.5) as f64 / 1000.0)
        },
        |noise| {
            let mut nanos = Vec::new();
            for _ in 0..LONE_APPENDS {
                let commit = callers::commit(noise, clock.now_ms());
                let start = Instant::now();
                let appended = ledger.append(commit)?;
                let receipt = ledger.reader().receipt_of(&appended, 0)?;
                nanos.push(start.elapsed().as_nanos() as u64);
                if receipt.is_none() {
                    return Err(Failed("an entry without a receipt".to_owned()));
                }
            }
            progress.add(1);
            Ok(quantile(&mut nanos, 0.5) as f64 / 1000.0)
        },
    )?;
    drop((ledger, raw));
    place.clear("lone")?;
    place.clear("raw")?;
    let goal = Goal::TimesLimitAtMost(3.0, 500.0);
    Ok(Figure::beside(AREA, "one lone append with its receipt, p50", "µs", &rounds, goal)
        .against(format!("one raw synced RocksDB write of one row of {LONE_BYTES} bytes, p50"))
        .under(format!(
            "1 caller, {LONE_APPENDS} appends a round, group size 1; synced, checkpoint and COSE receipt signed, anchor \
             written and synced"
        )))
}
