//! Area `notary`: acts and data validation certificates over HTTPS from a server in a process of its own, and a PDF validated in this one.

mod act;
mod dvc;
mod load;
mod party;
mod pdf;
mod template;

use std::net::SocketAddr;

use semper_api::tls::{ClientIdentity, ClientTrust, RawConnector};
use semper_ttp::asn1::pem;
use semper_ttp::digest::Digest;
use semper_ttp::verify::{Trust, Verdict};

use self::load::{CONNECTIONS, Load, MEASURED, Sample, WARM_UP};
pub(super) use self::party::registered;
use self::template::Template;
use super::http::{Answer, Client};
use super::place::Server;
use super::sample::{Spread, quantile, rounds};
use super::tsa::{Groups, trust};
use super::{Failed, Figure, Goal, Place, machine, signing};
use crate::progress::Progress;

const AREA: &str = "notary";

/// Everything of the area.
///
/// # Errors
/// Anything that is not what was asked for.
pub(crate) fn measure(place: &Place, progress: &Progress) -> Result<Vec<Figure>, Failed> {
    let mut figures = vec![pdf::measure(progress)?];
    let data = place.init(AREA)?;
    let settings = data.join("semper.toml");
    let more = "\n[notary]\nenabled = true\n\n[limits]\nconnections_per_address_max = 1024\n";
    std::fs::write(&settings, std::fs::read_to_string(&settings)? + more)?;
    let server = Server::start(&data)?;
    let https = server.https.ok_or_else(|| Failed("the server does not tell where it speaks TLS".to_owned()))?;
    let party = registered(&data, https, &place.join("notary-party"), &["party-auth"])?;
    let root = pem::decode("CERTIFICATE", &std::fs::read_to_string(data.join("trust/root.pem"))?).unwrap_or_default();
    let root = ClientTrust::from_der(root.first().map_or(&[][..], Vec::as_slice))?;
    let bench = Bench { server, https, party, root, trust: trust(&data)? };
    figures.push(bench.row(
        "acts over HTTPS, hash only, one journal",
        &act::ASKED,
        Goal::AtLeast(2_000.0),
        progress,
    )?);
    figures.push(bench.row("DVCs (ccpd) over HTTPS, P-256", &dvc::ASKED, Goal::TimesLimitAtLeast(0.2), progress)?);
    bench.server.stop()?;
    place.clear(AREA)?;
    place.clear("notary-party")?;
    Ok(figures)
}

/// A kind of question.
struct Asked {
    /// A request of it.
    template: fn(SocketAddr) -> Result<Template, Failed>,
    /// Whether an answer is what was asked for, as far as can be told at no cost.
    is_good: fn(&Answer<'_>) -> bool,
    /// Verifies an answer in full, with its proof.
    verify: fn(&Bench, &Sample) -> Result<(), Failed>,
    /// Who asks: the party with its certificate, or anybody without one.
    is_by_party: bool,
    /// What is special about it, for the reader of the table.
    conditions: &'static str,
    /// Of which number the requests are, so that none comes twice.
    series: u16,
}

/// A notary and somebody whom it knows.
struct Bench {
    server: Server,
    https: SocketAddr,
    party: ClientIdentity,
    root: ClientTrust,
    trust: Trust,
}

impl Bench {
    fn row(&self, name: &str, asked: &Asked, goal: Goal, progress: &Progress) -> Result<Figure, Failed> {
        let connector = match asked.is_by_party {
            true => RawConnector::with_identity(&self.party)?,
            false => RawConnector::with_trust(&self.root)?,
        };
        let before = Groups::read(&self.server)?;
        let (mut p50_millis, mut p99_millis) = (Vec::new(), Vec::new());
        let (mut server_millis, mut own_millis) = (Vec::new(), Vec::new());
        let (mut run, mut verified) = (asked.series << 8, 0);
        let rounds = rounds(
            &mut (),
            |()| signing::limit(progress),
            |()| {
                run += 1;
                let load = Load {
                    address: self.https,
                    server: self.server.pid(),
                    connector: &connector,
                    template: (asked.template)(self.https)?,
                    is_good: asked.is_good,
                    run,
                };
                let mut outcome = load.run()?;
                for (share, list) in [(0.5, &mut p50_millis), (0.99, &mut p99_millis)] {
                    list.push(quantile(&mut outcome.latencies_micros, share) as f64 / 1000.0);
                }
                for (seconds, list) in [(outcome.server_cpu, &mut server_millis), (outcome.own_cpu, &mut own_millis)] {
                    list.push(seconds * 1000.0 / outcome.answers as f64);
                }
                for sample in &outcome.samples {
                    (asked.verify)(self, sample)?;
                    verified += 1;
                }
                progress.add(1);
                Ok(outcome.answers as f64 / outcome.seconds)
            },
        )?;
        let group = Groups::read(&self.server)?.mean_since(&before);
        let median = |list: &[f64]| Spread::of(list).median;
        let conditions = format!(
            "{}; {CONNECTIONS} keep-alive connections, closed loop; {} s after {} s of warm-up; every \
             answer checked, {verified} verified in full with their proofs; each commit synced and anchored, {group:.0} entries a group; \
             p50 {:.1} ms, p99 {:.1} ms; the load generator (1 thread) is on the same {} cores: of their time each answer took {:.3} ms \
             in the server and {:.3} ms in the load generator",
            asked.conditions,
            MEASURED.as_secs(),
            WARM_UP.as_secs(),
            median(&p50_millis),
            median(&p99_millis),
            machine::cores(),
            median(&server_millis),
            median(&own_millis),
        );
        Ok(signing::figure(AREA, name, &rounds, goal).under(conditions))
    }

    /// The receipt of what has this SHA-256.
    fn proof(&self, bytes: &[u8]) -> Result<Vec<u8>, Failed> {
        let digest = Digest::of(bytes);
        Client::connect(self.server.http)?.get(&format!("/ledger/proof/inclusion?digest={digest}"))
    }
}

/// Fails with the report of `what` does not verify.
fn verified(what: &str, verdict: Verdict, report: impl FnOnce() -> String) -> Result<(), Failed> {
    match verdict {
        Verdict::Verified => Ok(()),
        Verdict::Refuted | Verdict::Undecided => Err(Failed(format!("{what} does not verify: {}", report()))),
    }
}
