//! `semper bench`: measures this machine and this build, each figure beside its limit in the same run.

use std::io::Write as _;
use std::path::Path;

use super::say;
use crate::bench::{self, Failed, Figure, Machine, Place};
use crate::cli::{self, BenchArea};
use crate::exit::Exit;
use crate::progress::Progress;

/// Measures, prints, writes.
pub(crate) fn run(args: cli::Bench, json: bool) -> Exit {
    match measure(&args, json) {
        Ok(()) => Exit::Ok,
        Err(Failed(sentence)) => {
            say::trouble(json, format_args!("bench: {sentence}"));
            Exit::Fault
        }
    }
}

fn measure(args: &cli::Bench, json: bool) -> Result<(), Failed> {
    let place = Place::new(args.data.as_deref())?;
    let machine = Machine::read();
    let mut flushes = vec![bench::flush_micros(place.path())?];
    let mut figures = Vec::new();
    for area in
        [BenchArea::Tsa, BenchArea::Ledger, BenchArea::Trust, BenchArea::Ca, BenchArea::Notary, BenchArea::Exchange]
    {
        if args.area.is_some_and(|only| only != area) {
            continue;
        }
        figures.extend(match area {
            BenchArea::Tsa => with_progress(json, "measuring tokens", |progress| bench::tsa(&place, progress))?,
            BenchArea::Ledger => {
                let mut figures = with_progress(json, "measuring appends", |progress| bench::append(&place, progress))?;
                figures.extend(bench::large(&place, args.entries, json)?);
                figures
            }
            BenchArea::Trust => bench::trust(&place, args.entries, json)?,
            BenchArea::Ca => {
                with_progress(json, "measuring certificates", |progress| bench::ca(&place, args.revoked, progress))?
            }
            BenchArea::Exchange => with_progress(json, "measuring exchanges", |progress| {
                bench::exchange(&place, args.exchanges, progress)
            })?,
            BenchArea::Notary => with_progress(json, "measuring acts", |progress| bench::notary(&place, progress))?,
        });
        flushes.push(bench::flush_micros(place.path())?);
    }
    let conditions = machine.describe(place.path(), &flushes);
    for figure in &mut figures {
        figure.machine.clone_from(&conditions);
    }
    if let Some(out) = &args.out {
        write(out, &figures)?;
    }
    let text = if json { bench::json(&figures) } else { format!("{conditions}\n\n{}", bench::table(&figures)) };
    Ok(writeln!(std::io::stdout(), "{}", text.trim_end())?)
}

fn with_progress<T>(json: bool, label: &'static str, measure: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress::new(json, label, None);
    let measured = measure(&progress);
    progress.finish();
    measured
}

fn write(path: &Path, figures: &[Figure]) -> Result<(), Failed> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, bench::json(figures)).map_err(|error| Failed(format!("{}: {error}", path.display())))
}
