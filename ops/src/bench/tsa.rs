//! Area `tsa`: tokens over HTTP from a server in a process of its own.

use std::fs;
use std::path::Path;
use std::time::Duration;

use semper_ttp::asn1::TEST_POLICY;
use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::timestamp::response::{self, Response};
use semper_ttp::verify::{Document, Evidence, Trust, Verdict, verify_timestamp};

use super::http::Client;
use super::place::Server;
use super::sample::{Spread, quantile, rounds};
use super::tsa_load::{self, Load, Sample};
use super::{Failed, Figure, Goal, Place, signing};
use crate::progress::Progress;

const AREA: &str = "tsa";
const CONNECTIONS: u32 = 64;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(5);

/// Tokens a second, and how long one takes.
///
/// # Errors
/// Anything that is not a good token.
pub(crate) fn measure(place: &Place, progress: &Progress) -> Result<Vec<Figure>, Failed> {
    let data = place.init("tsa")?;
    let server = Server::start(&data)?;
    let mut figures = Vec::new();
    for (i, cert_req) in [false, true].into_iter().enumerate() {
        figures.extend(tokens(&server, &data, cert_req, i as u16, progress)?);
    }
    server.stop()?;
    place.clear("tsa")?;
    Ok(figures)
}

fn tokens(
    server: &Server,
    data: &Path,
    cert_req: bool,
    series: u16,
    progress: &Progress,
) -> Result<[Figure; 2], Failed> {
    let trust = trust(data)?;
    let before = Groups::read(server)?;
    let (mut p99_millis, mut p50_millis, mut verified) = (Vec::new(), Vec::new(), 0);
    let mut run = series << 8;
    let rounds = rounds(
        &mut (),
        |()| signing::limit(progress),
        |()| {
            run += 1;
            let (address, warm_up, measured) = (server.http, WARM_UP, MEASURED);
            let mut outcome =
                tsa_load::run(Load { address, connections: CONNECTIONS, cert_req, warm_up, measured, run })?;
            for (share, list) in [(0.5, &mut p50_millis), (0.99, &mut p99_millis)] {
                list.push(quantile(&mut outcome.latencies_micros, share) as f64 / 1000.0);
            }
            verified += verify(server, &outcome.samples, &trust)?;
            progress.add(1);
            Ok(outcome.tokens as f64 / outcome.seconds)
        },
    )?;
    let after = Groups::read(server)?;
    let certificates = if cert_req { "with certificates" } else { "without certificates" };
    let conditions = format!(
        "{CONNECTIONS} keep-alive connections, closed loop, load generator on the same cores (1 thread); {} s after {} s \
         of warm-up; distinct digests and nonces; every answer checked for 200 and granted, {verified} verified in full \
         with their proofs; each group synced and anchored, {:.1} entries a group",
        MEASURED.as_secs(),
        WARM_UP.as_secs(),
        after.mean_since(&before),
    );
    let goal = Goal::TimesLimitAtLeast(0.35);
    let rate = signing::figure(AREA, format!("tokens over HTTP, P-256, {certificates}"), &rounds, goal);
    let p99 = Spread::of(&p99_millis);
    let p99 = Figure::alone(AREA, format!("time of a token, {certificates}, p99"), "ms", p99, Goal::AtMost(50.0));
    let p50 = format!("p50 {:.2} ms; the load of the row above", Spread::of(&p50_millis).median);
    Ok([rate.under(conditions), p99.under(p50)])
}

pub(super) fn trust(data: &Path) -> Result<Trust, Failed> {
    let text = |name: &str| fs::read_to_string(data.join("trust").join(name));
    let trust = Trust::from_texts(&text("root.pem")?, &text("tsa-chain.pem")?, &text("ledger.vkey")?)?;
    Ok(trust.with_policies(vec![TEST_POLICY.parse()?]))
}

/// Verifies answers in full: token, its nonce, and the proof that it is in the ledger.
fn verify(server: &Server, samples: &[Sample], trust: &Trust) -> Result<usize, Failed> {
    let mut client = Client::connect(server.http)?;
    for Sample { digest, nonce, response } in samples {
        let Response::Granted(token) = response::parse(response)? else {
            return Err(Failed("an answer that looked granted is not".to_owned()));
        };
        let proof = client.get(&format!("/ledger/proof/inclusion?digest={}", Digest::of(&token)))?;
        let document = Document::Imprint { algorithm: ImprintAlgorithm::Sha256, digest };
        let report = verify_timestamp(&Evidence { document, token: &token, proof: Some(&proof) }, trust);
        let found = report.token.as_ref().and_then(|token| token.nonce.clone());
        if report.verdict != Verdict::Verified || found != Some(hex::encode(nonce)) {
            return Err(Failed(format!("a token does not verify: {}", report.to_json())));
        }
    }
    Ok(samples.len())
}

/// The server's own count of commit groups and the entries in them.
pub(super) struct Groups {
    groups: f64,
    entries: f64,
}

impl Groups {
    pub(super) fn read(server: &Server) -> Result<Groups, Failed> {
        let text = Client::connect(server.admin)?.get("/metrics")?;
        let text = String::from_utf8_lossy(&text);
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            line.rsplit(' ').next()?.parse::<f64>().ok()
        };
        match (value("semper_ledger_group_size_count"), value("semper_ledger_group_size_sum")) {
            (Some(groups), Some(entries)) => Ok(Groups { groups, entries }),
            _ => Err(Failed("the server's metrics do not tell of commit groups".to_owned())),
        }
    }

    pub(super) fn mean_since(&self, before: &Groups) -> f64 {
        (self.entries - before.entries) / (self.groups - before.groups).max(1.0)
    }
}
