//! Area `trust`: what it costs that nobody has to trust the operator. Witnesses, a monitor and backups beside the service
//! that they watch, all as processes of their own on the same cores.

mod kept;
mod witnessed;

use std::process::Command;
use std::time::{Duration, Instant};

use super::check::Entries;
use super::large::{fill, open};
use super::place::Server;
use super::sample::rounds;
use super::tsa_load::{self, Load};
use super::{Failed, Figure, Goal, Place, machine};
use crate::progress::Progress;

pub(super) const AREA: &str = "trust";

/// Entries that the monitor catches up with.
const WATCHED: u64 = 1_000_000;

/// The load on a service: connections, and how long before and while it is counted.
const CONNECTIONS: u32 = 64;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(5);

/// Every row.
///
/// # Errors
/// The services, their disks, or an answer that is none.
pub(crate) fn measure(place: &Place, entries: u64, json: bool) -> Result<Vec<Figure>, Failed> {
    let mut figures = Vec::from(witnessed::measure(place, json)?);
    figures.push(catching_up(place, json)?);
    figures.extend(kept::measure(place, entries, json)?);
    Ok(figures)
}

/// Tokens a second of a service under the load.
fn rate(server: &Server, run: &mut u16, progress: &Progress) -> Result<f64, Failed> {
    *run += 1;
    let (address, connections) = (server.http, CONNECTIONS);
    let load = Load { address, connections, cert_req: false, warm_up: WARM_UP, measured: MEASURED, run: *run };
    let outcome = tsa_load::run(load)?;
    progress.add(1);
    Ok(outcome.tokens as f64 / outcome.seconds)
}

/// A monitor that has seen nothing yet and reads a long ledger.
fn catching_up(place: &Place, json: bool) -> Result<Figure, Failed> {
    let data = place.init("watched")?;
    let progress = Progress::new(json, "filling the ledger that is watched", Some(WATCHED));
    let filled = fill(&data, WATCHED, &progress);
    progress.finish();
    filled?;
    let hashed = Entries::read(open(&data, Some(0))?.reader())?;
    let server = Server::start(&data)?;
    let url = format!("http://{}", server.http);
    let progress = Progress::new(json, "a monitor catches up", None);
    let measured = rounds(
        &mut (),
        |()| Ok(hashed.hash_rate()),
        |()| {
            place.clear("monitor")?;
            let start = Instant::now();
            let output = Command::new(std::env::current_exe()?)
                .args(["monitor", &url, "--once", "--json", "--vkey"])
                .arg(data.join("trust/ledger.vkey"))
                .arg("--state")
                .arg(place.join("monitor"))
                .output()?;
            let seconds = start.elapsed().as_secs_f64();
            progress.add(1);
            let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
            match told["size"].as_f64() {
                Some(size) if output.status.success() => Ok(size / seconds),
                _ => Err(Failed(format!("semper monitor: {told}"))),
            }
        },
    );
    progress.finish();
    server.stop()?;
    place.clear("monitor")?;
    place.clear("watched")?;
    let name = format!("monitor, catching up with {WATCHED} entries");
    Ok(Figure::beside(AREA, name, "/s", &measured?, Goal::TimesLimitAtLeast(0.2))
        .against(format!("hashing the entries and the nodes above them, in memory, on {} cores", machine::cores()))
        .under("semper monitor --once from its start to its end: every entry and every tile over HTTP from a server on the same cores, an empty memory each time, page cache warm"))
}
