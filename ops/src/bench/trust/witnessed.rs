//! What witnesses cost: the time until a receipt is witnessed, and the rate of tokens beside a service that has none.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::timestamp::request::{Imprint, Request};
use semper_ttp::timestamp::response::{self, Response};

use super::super::http::Client;
use super::super::place::Server;
use super::super::sample::{quantile, rounds};
use super::super::{Failed, Figure, Goal, Place, flush_micros};
use super::{AREA, CONNECTIONS, rate};
use crate::progress::Progress;

const WITNESSES: usize = 3;
const QUORUM: usize = 2;
/// Receipts of a round.
const RECEIPTS: usize = 100;

/// Both rows.
///
/// # Errors
/// A service, a witness, or an answer that is none.
pub(super) fn measure(place: &Place, json: bool) -> Result<[Figure; 2], Failed> {
    let progress = Progress::new(json, "measuring with witnesses", None);
    let measured = receipts(place, &progress).and_then(|receipts| Ok([receipts, throughput(place, &progress)?]));
    progress.finish();
    measured
}

/// Three witnesses of one service.
struct Witnesses {
    _running: Vec<Server>,
    policy: String,
}

impl Witnesses {
    /// New ones, of the service in `data`, in folders that begin with `name`.
    fn start(place: &Place, name: &str, data: &Path) -> Result<Self, Failed> {
        let vkey = fs::read_to_string(data.join("trust/ledger.vkey"))?;
        let (mut policy, mut running) = (String::new(), Vec::new());
        for number in 0..WITNESSES {
            let folder = place.join(&format!("{name}-witness-{number}"));
            let made = Command::new(std::env::current_exe()?)
                .args(["witness", "init", "--demo", "--log", vkey.trim(), "--data"])
                .arg(&folder)
                .output()?;
            if !made.status.success() {
                return Err(Failed(format!("semper witness init: {}", String::from_utf8_lossy(&made.stderr).trim())));
            }
            let words = ["witness", "serve", "--data"].map(OsString::from);
            let witness = Server::start_with(words.into_iter().chain([folder.clone().into()]), &folder)?;
            let own = fs::read_to_string(folder.join("vkey"))?;
            policy += &format!("witness w{number} {} http://{}\n", own.trim(), witness.http);
            running.push(witness);
        }
        let names: Vec<_> = (0..WITNESSES).map(|number| format!("w{number}")).collect();
        policy += &format!("group all-of-them {QUORUM} {}\nquorum all-of-them\n", names.join(" "));
        Ok(Self { _running: running, policy })
    }

    /// The service asks them from its next start on.
    fn configure(&self, data: &Path, more: &str) -> Result<(), Failed> {
        let policy = data.join("witnesses.policy");
        fs::write(&policy, &self.policy)?;
        let settings = data.join("semper.toml");
        let text = fs::read_to_string(&settings)?;
        fs::write(settings, format!("{text}\n[witnesses]\npolicy_path = {policy:?}\n{more}"))?;
        Ok(())
    }
}

/// A request for a digest that no other number has.
fn query(number: u64) -> Result<Vec<u8>, Failed> {
    let digest = Digest::of(&number.to_be_bytes());
    let imprint = Imprint::new(ImprintAlgorithm::Sha256, digest.as_bytes());
    let imprint = imprint.ok_or_else(|| Failed("no imprint".to_owned()))?;
    Ok(Request::new(imprint, None, Some(&digest.as_bytes()[..8]), false).encode())
}

/// One caller, who stamps and wants a witnessed receipt.
fn receipts(place: &Place, progress: &Progress) -> Result<Figure, Failed> {
    let data = place.init("witnessed")?;
    let witnesses = Witnesses::start(place, "witnessed", &data)?;
    // A caller who waits is a reason to ask; how often that may be is not what is measured.
    witnesses.configure(&data, "interval_ms = 100\ndemands_max = 86400\n")?;
    let server = Server::start(&data)?;
    let mut number = 0_u64;
    let measured = rounds(
        &mut number,
        |_| Ok(flush_micros(place.path())? / 1000.0),
        |number| {
            let (mut asks, mut reads) = (Client::connect(server.http)?, Client::connect(server.http)?);
            let mut micros = Vec::with_capacity(RECEIPTS);
            for _ in 0..RECEIPTS {
                *number += 1;
                let query = query(*number)?;
                let start = Instant::now();
                let answer = asks.post("/tsa", "application/timestamp-query", &query)?;
                let Response::Granted(token) = response::parse(&answer)? else {
                    return Err(Failed("a timestamp was not granted".to_owned()));
                };
                let path = format!("/ledger/proof/inclusion?digest={}&wait=witnessed", Digest::of(&token));
                let receipt = reads.get(&path)?;
                micros.push(u64::try_from(start.elapsed().as_micros())?);
                let lines = String::from_utf8_lossy(&receipt).lines().filter(|line| line.starts_with('—')).count();
                if lines <= QUORUM {
                    return Err(Failed(format!("a receipt bears {lines} signatures: no quorum")));
                }
            }
            progress.add(1);
            Ok(quantile(&mut micros, 0.5) as f64 / 1000.0)
        },
    );
    server.stop()?;
    let name = format!("witnessed receipt with {WITNESSES} local witnesses, p50");
    Ok(Figure::beside(AREA, name, "ms", &measured?, Goal::TimesLimitAtMost(4.0, 3.0))
        .against("one synced write: an append of 128 bytes and fdatasync")
        .under(format!(
            "from the request for a timestamp to the receipt under {QUORUM} of {WITNESSES} cosignatures, one caller, {RECEIPTS} a \
             round; the token waits for store and anchor, each witness syncs before it cosigns, all on the same disk and cores"
        )))
}

/// The same load on a service with witnesses and on one without.
fn throughput(place: &Place, progress: &Progress) -> Result<Figure, Failed> {
    let (alone, watched) = (place.init("alone")?, place.init("watched")?);
    let witnesses = Witnesses::start(place, "watched", &watched)?;
    witnesses.configure(&watched, "")?;
    let (alone, watched) = (Server::start(&alone)?, Server::start(&watched)?);
    let mut run = 0x100;
    let measured = rounds(&mut run, |run| rate(&alone, run, progress), |run| rate(&watched, run, progress));
    alone.stop()?;
    watched.stop()?;
    for name in ["alone", "watched"] {
        place.clear(name)?;
    }
    Ok(Figure::beside(AREA, "tokens over HTTP with witnesses", "/s", &measured?, Goal::TimesLimitAtLeast(0.9))
        .against("the same load on a service without witnesses")
        .under(format!(
            "{CONNECTIONS} keep-alive connections, P-256, without certificates; {QUORUM} of {WITNESSES} local witnesses, asked every \
             2 s as by default"
        )))
}
