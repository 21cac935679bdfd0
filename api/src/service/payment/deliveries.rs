//! Verdicts about deliveries that are paid for: what this arbiter has decided of one is shown to its payment, out of the ledger, so that nobody
//! has to bring it, and no crash between the two loses it.

use std::{collections::BTreeSet, ops::ControlFlow};

use semper_ttp::{
    crypto::jose::Thumbprint,
    digest::Digest,
    evidence::names,
    exchange::{
        Exchange,
        paid::{PaidEvent, Show, Stage, Thing},
    },
    statement::{Jws, exchange::Protocol},
    time::Timestamp,
};

use super::{
    super::{Service, ServiceFault, exchange::keys::Signers},
    PaymentFault,
    run::RunHere,
};

impl Service {
    /// What was decided about the delivery of a run that waits for one, out of the ledger.
    pub(super) fn delivery_decided(&self, x: &Digest) -> Result<Option<(Show, Jws)>, PaymentFault> {
        let Some(run) = self.paid_run(x)? else { return Ok(None) };
        let waits = matches!(run.state.stage, Stage::Accepted | Stage::Held);
        if run.opened.terms.thing != Thing::Digital || !waits {
            return Ok(None);
        }
        let deliveries = match run.state.delivery {
            Some(bound) => vec![bound],
            None => self.deliveries_between(&run)?,
        };
        let signers = Signers::of(self);
        let keys = |name: &Thumbprint| signers.key(name).or_else(|| self.verdict_key(name));
        for x in deliveries {
            let Some(verdict) = self.verdict_about(&x)? else { continue };
            // One that is for another payment, or for none, is no fault: the same two have others.
            let Ok(show) = run.opened.delivery_decided(&verdict, &keys) else { continue };
            return Ok(Some((show, verdict)));
        }
        Ok(None)
    }

    /// Shows it to the run, once its money is held.
    pub(super) fn show_delivery(&self, run: &mut RunHere, decided: Option<(Show, Jws)>) -> Result<(), PaymentFault> {
        match decided.filter(|_| run.state.stage == Stage::Held) {
            Some((show, verdict)) => self.advance(run, PaidEvent::Show(show), Some(&verdict)),
            None => Ok(()),
        }
    }

    /// Decided runs in which both sides of a payment sign, since it was begun, oldest first.
    fn deliveries_between(&self, run: &RunHere) -> Result<Vec<Digest>, ServiceFault> {
        let from = run.opened_at.unwrap_or(Timestamp::from_millis(0)).millis();
        let since = |key: Thumbprint| -> Result<BTreeSet<(u64, Digest)>, ServiceFault> {
            let mut found = BTreeSet::new();
            let prefix = names::exchanges_of(key);
            let first = [&prefix[..], &from.to_be_bytes()].concat();
            self.reader().names_from::<ServiceFault>(&prefix, &first, |name, _| {
                found.extend(names::read_exchange(name));
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(found)
        };
        let (payer, payee) = (since(run.opened.run.o.key)?, since(run.opened.run.r.key)?);
        Ok(payer.intersection(&payee).map(|(_, x)| *x).collect())
    }

    /// The verdict about a delivery, as the ledger has it; `None` where nothing was decided of one, or what was decided was erased.
    pub(super) fn verdict_about(&self, x: &Digest) -> Result<Option<Jws>, ServiceFault> {
        let aggregate = Exchange::aggregate(x);
        let state = self.state_of::<Exchange>(&aggregate)?.state;
        let Some((step, _)) = state.decision.filter(|(_, decision)| decision.protocol == Protocol::CdR) else {
            return Ok(None);
        };
        let Some(octets) = self.reader().artefact_of_step(&aggregate.0, step)? else { return Ok(None) };
        let verdict = Jws::parse(&octets).map_err(|fault| ServiceFault::Facts(format!("a verdict: {fault}")))?;
        Ok(Some(verdict))
    }
}
