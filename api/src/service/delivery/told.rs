//! What the history of a run tells its registered delivery: how it was decided, and that its recipient was given the key.
//!
//! It is read, not sent: a process that is killed between the verdict and its evidence finds it the next time that somebody looks.

use semper_ttp::{
    digest::Digest,
    exchange::{
        Exchange, ExchangeFact,
        erds::{Occurrence, Signed},
    },
    statement::{
        Body as _, Jws,
        exchange::{cd_r::D2, verdict::Verdict},
    },
    time::Timestamp,
};

use super::{
    super::{Service, act::read_fact, exchange::ExchangeFault},
    Happening,
};

/// What is told of a run.
pub(super) struct Told {
    /// Whatever was decided at this moment or before is in it.
    pub(super) until: Timestamp,
    pub(super) happenings: Vec<Happening>,
}

impl Service {
    /// What was decided about a run, and to whom its key went. Waits for whoever decides about it now.
    pub(super) fn told_of(&self, x: &Digest) -> Result<Told, ExchangeFault> {
        let aggregate = Exchange::aggregate(x);
        let (until, _) = self.arbiter_time();
        let facts = {
            // Who decides takes its moment within this turn: what is not in the ledger when it is ours has a later one.
            let _turn = self.turns.wait(&aggregate);
            self.reader().facts_of(&aggregate.0, 0)?
        };
        let mut happenings = Vec::new();
        let mut decided = None;
        for (step, octets) in (0..).zip(&facts) {
            match read_fact::<ExchangeFact>(octets)? {
                ExchangeFact::Decided(decision) => {
                    let octets = self.kept_of_run(x, step)?;
                    let verdict = Digest::of(&octets);
                    decided = Some(verdict);
                    let stated = Jws::parse(&octets)?.payload_as::<Verdict>()?.body;
                    let embedded = stated.basis.iter().filter_map(|text| Jws::parse(text.as_bytes()).ok());
                    let basis: Vec<_> = embedded.filter(|jws| jws.tag() == D2::TAG).collect();
                    let (outcome, at, d2) = (decision.outcome, decision.at, basis.first().map(Signed::from));
                    let occurrence = Occurrence::Decided { outcome, at, verdict, d2 };
                    happenings.push(Happening { basis, request: verdict, ..Happening::told(occurrence) });
                }
                ExchangeFact::KeyCollected(moved) => {
                    let Some(verdict) = decided else { continue };
                    let jws = Jws::parse(&self.kept_of_run(x, step)?)?;
                    let occurrence = Occurrence::Collected { at: moved.at, verdict, signed: Signed::from(&jws) };
                    let request = moved.request;
                    happenings.push(Happening { basis: vec![jws], request, ..Happening::told(occurrence) });
                }
                ExchangeFact::Answered { .. } | ExchangeFact::Anomaly { .. } | ExchangeFact::KeyDeposited(_) => {}
            }
        }
        Ok(Told { until, happenings })
    }

    fn kept_of_run(&self, x: &Digest, step: u64) -> Result<Vec<u8>, ExchangeFault> {
        self.reader().artefact_of_step(&Exchange::aggregate(x).0, step)?.ok_or(ExchangeFault::Erased)
    }
}
