//! Runs that are resolved, many at once and one alone; and a contract without the arbiter, between the same two parties.

use semper_ttp::verify::exchange::{RunEvidence, verify_run};
use semper_ttp::verify::{Trust, Verdict};
use semper_ttp::x509::Certificate;

use super::super::place::Server;
use super::super::sample::{Spread, quantile, rounds};
use super::super::tsa::{Groups, trust};
use super::super::{Failed, Figure, Goal, Place, machine, signing};
use super::parties::Parties;
use super::{AREA, arbiter, contract, load};
use crate::progress::Progress;

/// As the issue has it.
const CONNECTIONS: usize = 64;
/// Runs of one round, and those before it that nobody counts.
const RUNS: usize = 6_000;
const WARM_UP: usize = 640;
/// Runs of one round that are asked one after the other.
const ALONE: usize = 300;

pub(super) fn measure(place: &Place, progress: &Progress) -> Result<Vec<Figure>, Failed> {
    let data = arbiter(place, AREA)?;
    let server = Server::start(&data)?;
    let https = server.https.ok_or_else(|| Failed("the server does not tell where it speaks TLS".to_owned()))?;
    let parties = Parties::register(&data, https, &place.join("exchange-parties"))?;
    let judge = Judge { trust: trust(&data)?, certificates: certificates(&parties)? };
    let made = |count: usize| (0..count).map(|_| load::resolve(&parties, https)).collect::<Result<Vec<_>, _>>();

    let before = Groups::read(&server)?;
    let (mut verified, mut p50, mut p99) = (0, Vec::new(), Vec::new());
    let many = rounds(
        &mut (),
        |()| signing::verifications(progress).map(|rate| rate / 3.0),
        |()| {
            load::run(https, &parties.o.login, CONNECTIONS, made(WARM_UP)?)?;
            let mut outcome = load::run(https, &parties.o.login, CONNECTIONS, made(RUNS)?)?;
            for (share, list) in [(0.5, &mut p50), (0.99, &mut p99)] {
                list.push(quantile(&mut outcome.latencies_micros, share) as f64 / 1000.0);
            }
            for sample in &outcome.samples {
                judge.verified(sample)?;
                verified += 1;
            }
            progress.add(1);
            Ok(RUNS as f64 / outcome.seconds)
        },
    )?;
    let group = Groups::read(&server)?.mean_since(&before);
    let median = |list: &[f64]| Spread::of(list).median;
    let conditions = format!(
        "POST /v1/exchanges/{{x}}/requests of a party over TLS, m1 and m2 with it, each another run, made before; {CONNECTIONS} keep-alive \
         connections, closed loop, {RUNS} runs a round; every answer a contract, {verified} verdicts verified in full with their proofs; \
         each commit synced and anchored, {group:.0} entries a group; p50 {:.1} ms, p99 {:.1} ms; the load generator is on the same {} cores",
        median(&p50),
        median(&p99),
        machine::cores(),
    );
    let name = "runs resolved over HTTPS, 64 connections";
    let figure = signing::verified_figure(AREA, name, &many, Goal::TimesLimitAtLeast(0.3)).under(conditions);
    let mut figures = vec![figure];

    let alone = rounds(
        &mut (),
        |()| Ok(machine::flush_micros(place.path())? / 1000.0),
        |()| {
            let mut outcome = load::run(https, &parties.o.login, 1, made(ALONE)?)?;
            progress.add(1);
            Ok(quantile(&mut outcome.latencies_micros, 0.5) as f64 / 1000.0)
        },
    )?;
    let goal = Goal::TimesLimitAtMost(2.0, 2.0);
    figures.push(
        Figure::beside(AREA, "a run resolved alone, p50", "ms", &alone, goal)
            .against("one flush (append of 128 bytes, fdatasync)")
            .under(format!("the same over one connection, {ALONE} runs a round")),
    );
    figures.extend(contract::measure(&parties, progress)?);
    server.stop()?;
    place.clear(AREA)?;
    place.clear("exchange-parties")?;
    Ok(figures)
}

fn certificates(parties: &Parties) -> Result<Vec<Certificate>, Failed> {
    let all = [&parties.o.chain, &parties.r.chain, &parties.house.arbiter].into_iter().flatten();
    Ok(all.map(|der| Certificate::from_der(der)).collect::<Result<_, _>>()?)
}

/// Verifies answers as a stranger would.
struct Judge {
    trust: Trust,
    certificates: Vec<Certificate>,
}

impl Judge {
    fn verified(&self, answer: &[u8]) -> Result<(), Failed> {
        let told: serde_json::Value = serde_json::from_slice(answer)?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned().into_bytes();
        let (verdict, answer, proof) = (text(&told["verdict"]), text(&told["answer"]), text(&told["proofs"][0]));
        let evidence = RunEvidence {
            verdict: &verdict,
            certificates: &self.certificates,
            statements: &[],
            answer: Some(&answer),
            text: None,
            proof: Some(&proof),
        };
        let report = verify_run(&evidence, &self.trust);
        match report.verdict {
            Verdict::Verified => Ok(()),
            Verdict::Refuted | Verdict::Undecided => Err(Failed(format!("a verdict does not verify: {report:?}"))),
        }
    }
}
