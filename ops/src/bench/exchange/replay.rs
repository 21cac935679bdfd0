//! Answers that are given again out of a large store and a small one, and the memory of both servers.

use std::path::PathBuf;

use super::super::place::Server;
use super::super::sample::{quantile, rounds};
use super::super::{Failed, Figure, Goal, Place, machine};
use super::parties::Parties;
use super::{AREA, arbiter, load};
use crate::progress::Progress;

/// Runs of the small store.
const SMALL: u64 = 1_000;
/// Runs that are made, and decided, together.
const TOGETHER: u64 = 10_000;
const CONNECTIONS: usize = 64;
/// Requests that are repeated, in both.
const REPEATED: usize = 1_000;

/// A store that is full of runs, its server, and some requests that were answered.
struct Filled {
    server: Server,
    parties: Parties,
    asked: Vec<Vec<u8>>,
    places: [PathBuf; 2],
}

impl Filled {
    fn new(place: &Place, name: &str, runs: u64, progress: &Progress) -> Result<Self, Failed> {
        let (data, people) = (arbiter(place, name)?, place.join(&format!("{name}-parties")));
        let server = Server::start(&data)?;
        let https = server.https.ok_or_else(|| Failed("the server does not tell where it speaks TLS".to_owned()))?;
        let parties = Parties::register(&data, https, &people)?;
        let (mut asked, mut left) = (Vec::new(), runs);
        while left > 0 {
            let count = left.min(TOGETHER);
            let requests = (0..count).map(|_| load::resolve(&parties, https)).collect::<Result<Vec<_>, _>>()?;
            // Some of each part of the store.
            let every = usize::try_from(runs).unwrap_or(usize::MAX).div_ceil(REPEATED).max(1);
            asked.extend(requests.iter().step_by(every).cloned());
            load::run(https, &parties.o.login, CONNECTIONS, requests)?;
            left -= count;
            progress.add(count);
        }
        Ok(Self { server, parties, asked, places: [data, people] })
    }

    /// Median time of an answer that was given before, ms.
    fn again(&self) -> Result<f64, Failed> {
        let https = self.server.https.ok_or_else(|| Failed("the server is gone".to_owned()))?;
        let mut outcome = load::run(https, &self.parties.o.login, 1, self.asked.clone())?;
        Ok(quantile(&mut outcome.latencies_micros, 0.5) as f64 / 1000.0)
    }

    fn megabytes(&self) -> Result<f64, Failed> {
        Ok(machine::resident_megabytes(self.server.pid())?.0)
    }

    fn stop(self) -> Result<(), Failed> {
        self.server.stop()?;
        for place in self.places {
            std::fs::remove_dir_all(place)?;
        }
        Ok(())
    }
}

pub(super) fn measure(place: &Place, runs: u64, progress: &Progress) -> Result<Vec<Figure>, Failed> {
    let small = Filled::new(place, "exchange-small", SMALL, progress)?;
    let large = Filled::new(place, "exchange-large", runs, progress)?;
    let again = rounds(&mut (), |()| small.again(), |()| large.again())?;
    let memory = rounds(&mut (), |()| small.megabytes(), |()| large.megabytes())?;
    small.stop()?;
    large.stop()?;
    let beside = format!("the same at {SMALL} runs");
    Ok(vec![
        Figure::beside(
            AREA,
            format!("an answer again at {runs} runs, p50"),
            "ms",
            &again,
            Goal::TimesLimitAtMost(1.2, 0.0),
        )
        .against(beside.clone())
        .under(format!("the same octets over one connection, at most {REPEATED} requests from all over the store")),
        Figure::beside(AREA, format!("resident memory after {runs} runs"), "MB", &memory, Goal::AtMost(600.0))
            .against(beside)
            .under("VmRSS of semper serve with its default settings, which has decided all of them since its start"),
    ])
}
