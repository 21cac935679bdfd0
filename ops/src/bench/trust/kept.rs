//! Backups: how much an incremental one costs beside a full one, and what the service notices of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::super::large::fill;
use super::super::place::Server;
use super::super::sample::{Rounds, Spread, rounds};
use super::super::{Failed, Figure, Goal, Place};
use super::{AREA, CONNECTIONS, rate};
use crate::progress::Progress;

/// One in so many entries is new in the incremental backup.
const GROWTH: u64 = 100;

/// Backups until the store has come to rest after it was filled: RocksDB writes each file that reached the lowest level once
/// more. A service that grows for months does that on the way; one that is filled in a minute does it behind.
const RESTS_MAX: u32 = 20;

/// Both rows.
///
/// # Errors
/// The service, or a backup.
pub(super) fn measure(place: &Place, entries: u64, json: bool) -> Result<[Figure; 2], Failed> {
    let data = place.init("kept")?;
    let progress = Progress::new(json, "filling the ledger that is backed up", Some(entries));
    let filled = fill(&data, entries, &progress);
    progress.finish();
    filled?;
    let progress = Progress::new(json, "backing up", None);
    let measured = backups(place, &data, entries, &progress);
    progress.finish();
    for name in ["kept", "backups", "beside"] {
        place.clear(name)?;
    }
    measured
}

fn backups(place: &Place, data: &Path, entries: u64, progress: &Progress) -> Result<[Figure; 2], Failed> {
    let owner = Owner::new(place)?;
    let server = Server::start(data)?;
    let stored = |told: &Value| told["bytes_stored"].as_f64().unwrap_or(f64::NAN);
    let mut rests = 1;
    while stored(&owner.backup(data, &server, "beside")?) > 0.01 * store_bytes(data)? {
        rests += 1;
        if rests > RESTS_MAX {
            return Err(Failed(format!("the store did not come to rest within {RESTS_MAX} backups")));
        }
    }
    let full = owner.backup(data, &server, "backups")?;
    progress.add(1);
    server.stop()?;
    fill(data, entries + entries / GROWTH, &Progress::none())?;
    let server = Server::start(data)?;
    let more = owner.backup(data, &server, "backups")?;
    progress.add(1);

    let mut run = 0x200;
    let serving = rounds(
        &mut run,
        |run| rate(&server, run, progress),
        |run| {
            place.clear("beside")?;
            // A full one, so that it lasts.
            let mut backup = owner.command(data, &server, "beside")?.spawn()?;
            let rate = rate(&server, run, progress);
            let _ = backup.kill(); // it may have ended
            backup.wait()?;
            rate
        },
    )?;
    server.stop()?;

    let seconds = |told: &Value| told["seconds"].as_f64().unwrap_or(f64::NAN);
    let megabytes = |told: &Value| stored(told) / 1e6;
    let ratio = seconds(&more) / seconds(&full);
    let once = Rounds {
        value: Spread::of(&[seconds(&more)]),
        limit: Spread::of(&[seconds(&full)]),
        ratio: Spread::of(&[ratio]),
    };
    // In proportion: the growth, as much again for what RocksDB merged on the way, and what every backup costs.
    let goal = Goal::TimesLimitAtMost(2.0 / GROWTH as f64, 1.0);
    let name = format!("incremental backup of {entries} entries after 1 % growth");
    let incremental = Figure::beside(AREA, name, "s", &once, goal).against("the full backup before it").under(format!(
        "while serving, after {rests} backups in which the store came to rest; encrypted, read back and compared; {:.0} MB \
         stored of {:.0}; one run, page cache warm",
        megabytes(&more),
        megabytes(&full)
    ));
    let serving =
        Figure::beside(AREA, "tokens over HTTP during a backup", "/s", &serving, Goal::TimesLimitAtLeast(0.8))
            .against("the same load without one")
            .under(format!(
                "{CONNECTIONS} keep-alive connections, P-256, without certificates; a full backup of the same ledger all the while, on \
                 the same cores and disk"
            ));
    Ok([incremental, serving])
}

/// Octets of all files of a store.
fn store_bytes(data: &Path) -> Result<f64, Failed> {
    let mut sum = 0;
    for file in std::fs::read_dir(data.join("store"))? {
        sum += file?.metadata()?.len();
    }
    Ok(sum as f64)
}

/// Who can read the backups.
struct Owner {
    recipient: String,
    place: PathBuf,
}

impl Owner {
    fn new(place: &Place) -> Result<Self, Failed> {
        let identity = place.join("identity");
        let made = Command::new(std::env::current_exe()?).args(["backup", "keygen", "--to"]).arg(&identity).output()?;
        let recipient = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        if !made.status.success() {
            return Err(Failed(format!("semper backup keygen: {}", String::from_utf8_lossy(&made.stderr).trim())));
        }
        Ok(Self { recipient, place: place.path().to_owned() })
    }

    fn command(&self, data: &Path, server: &Server, to: &str) -> Result<Command, Failed> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["backup", "run", "--json", "--recipient", &self.recipient, "--data"]).arg(data);
        command.arg("--to").arg(self.place.join(to)).arg("--admin").arg(server.admin.to_string());
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        Ok(command)
    }

    fn backup(&self, data: &Path, server: &Server, to: &str) -> Result<Value, Failed> {
        let output = self.command(data, server, to)?.stdout(std::process::Stdio::piped()).output()?;
        let told: Value = serde_json::from_slice(&output.stdout)?;
        if output.status.success() { Ok(told) } else { Err(Failed(format!("semper backup: {told}"))) }
    }
}
