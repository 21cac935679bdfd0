//! A contract between two sides without the arbiter: what each computes, from the text to the whole evidence. Their automata, as the program
//! runs them; disk and network are not in it.

use std::time::{Duration, Instant};

use semper_ttp::b64u::B64u;
use semper_ttp::client::automaton::{Act, End};
use semper_ttp::client::message::Message;
use semper_ttp::client::party::{Drawn, Party, Pen, Stays, Terms};
use semper_ttp::statement::Salt;
use semper_ttp::statement::exchange::{Assurance, Line};

use super::super::sample::{Spread, quantile};
use super::super::{Failed, Figure, Goal, ROUNDS};
use super::AREA;
use super::parties::{Parties, Side, random};
use crate::clock::now;
use crate::progress::Progress;

/// Contracts of one round.
const CONTRACTS: usize = 200;
const TEXT: &[u8] = b"The seller sells, and the buyer buys.";
const PATIENCE_MS: u64 = 60_000;

/// The dearer side's median.
pub(super) fn measure(parties: &Parties, progress: &Progress) -> Result<Vec<Figure>, Failed> {
    let mut names = Vec::new();
    for (at, side) in ["originator", "responder"].into_iter().enumerate() {
        let mut medians = Vec::new();
        for _ in 0..ROUNDS {
            let mut micros = Vec::with_capacity(CONTRACTS);
            for _ in 0..CONTRACTS {
                let spent = signed(parties)?[at];
                micros.push(u64::try_from(spent.as_micros()).unwrap_or(u64::MAX));
            }
            medians.push(quantile(&mut micros, 0.5) as f64 / 1000.0);
            progress.add(1);
        }
        let name = format!("a contract without the arbiter, what the {side} computes");
        let conditions = format!(
            "{CONTRACTS} contracts a round, p50: four messages made, read and judged with their certificates, the state written as it lies on \
             the disk after each; without disk and network"
        );
        names.push(Figure::alone(AREA, name, "ms", Spread::of(&medians), Goal::AtMost(5.0)).under(conditions));
    }
    Ok(names)
}

fn stays(stays: Stays) -> Failed {
    Failed(stays.to_string())
}

fn pen(side: &Side) -> Result<Pen<'_>, Failed> {
    Ok(Pen { key: &side.key, salt: Salt(B64u(random()?)), now: now() })
}

/// What each side spends on one contract.
fn signed(parties: &Parties) -> Result<[Duration; 2], Failed> {
    let Parties { o, r, house, arbiter } = parties;
    let mut spent = [Duration::ZERO; 2];
    let mut turn = |side: usize, begun: Instant| spent[side] += begun.elapsed();
    let kept = |party: &Party| {
        std::hint::black_box(party.dossier().to_bytes());
    };
    let of = |party: &Party, act: Act| -> Result<Vec<u8>, Failed> {
        Ok(party.message(act, TEXT).ok_or_else(|| Failed("a message is missing".to_owned()))?.to_bytes())
    };
    let read = |bytes: &[u8]| Message::parse(bytes).map_err(|fault| Failed(fault.to_string()));

    let begun = Instant::now();
    let terms = Terms {
        o: o.participant,
        r: r.participant,
        ttp: arbiter.clone(),
        text: TEXT.to_vec(),
        media: Line::new("text/plain").ok_or_else(|| Failed("a media type".to_owned()))?,
        t_exp: None,
        assurance: Assurance::NonQualified,
    };
    let drawn = Drawn { nonce: random()?, terms_salt: random()? };
    let chains = (&o.chain[..], &r.chain[..]);
    let mut originator = Party::offer(terms, house, chains, PATIENCE_MS, drawn, &pen(o)?).map_err(stays)?;
    kept(&originator);
    let first = of(&originator, Act::SendOffer)?;
    turn(0, begun);

    let begun = Instant::now();
    let message = read(&first)?;
    let offer = Party::read_offer(&message, &r.chain, house, now()).map_err(stays)?;
    let chains = (&r.chain[..], &message.certificates[..]);
    let accepted = Party::accept(&offer, house, chains, PATIENCE_MS, (random()?, Vec::new()), &pen(r)?);
    let mut responder = accepted.map_err(stays)?;
    kept(&responder);
    let second = of(&responder, Act::SendAnswer)?;
    turn(1, begun);

    let begun = Instant::now();
    let act = originator.take(&read(&second)?.statement, Some(Vec::new()), TEXT, &pen(o)?).map_err(stays)?;
    kept(&originator);
    let third = of(&originator, act.ok_or_else(|| Failed("the originator does not go on".to_owned()))?)?;
    turn(0, begun);

    let begun = Instant::now();
    let act = responder.take(&read(&third)?.statement, None, TEXT, &pen(r)?).map_err(stays)?;
    kept(&responder);
    let fourth = of(&responder, act.ok_or_else(|| Failed("the responder does not go on".to_owned()))?)?;
    turn(1, begun);

    let begun = Instant::now();
    originator.take(&read(&fourth)?.statement, None, TEXT, &pen(o)?).map_err(stays)?;
    kept(&originator);
    turn(0, begun);
    for party in [&originator, &responder] {
        if !matches!(party.end(), Some(End::Standard)) {
            return Err(Failed("a contract was not signed".to_owned()));
        }
    }
    Ok(spent)
}
