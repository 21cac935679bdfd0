//! What those see of a run whom it names.

use semper_ttp::{
    digest::Digest,
    evidence::{Fact, Recorded as _},
    exchange::paid::{Clocked, Paid, PaidDecision, PaidEvent, PaidFact, PaidState, Show, Shown},
    payment::{PaymentState, Stage as MoneyStage},
    role::Role as _,
    statement::{Jws, exchange::Outcome},
    timestamp::ClockVerdict,
    x509::Certificate,
};

use super::{
    super::{Service, ServiceFault, exchange::ExchangeFault},
    PaymentFault, carrier_of,
    run::RunHere,
};

/// A run as it is now.
pub(crate) struct KnownPayment {
    pub(crate) x: Digest,
    pub(crate) state: PaidState,
    pub(crate) money: PaymentState,
    /// The statements that would move it on.
    pub(crate) awaited: Vec<Shown>,
    /// When time decides, with what the arbiter's absences add, milliseconds since 1970, and what.
    pub(crate) until: Option<(u64, Outcome)>,
    /// Its statements, the first one in front.
    pub(crate) statements: Vec<Recorded>,
    /// What was decided, and the verdict with its entry.
    pub(crate) decided: Option<(PaidDecision, (u64, Vec<u8>))>,
}

/// A statement of the run's history.
pub(crate) struct Recorded {
    /// Its entry.
    pub(crate) index: u64,
    pub(crate) jws: Vec<u8>,
    /// What it says to the run; `None` for the first one.
    pub(crate) what: Option<Shown>,
    pub(crate) counts: bool,
}

impl Service {
    /// A run, for a party that it names; `None` for one that is none, or somebody else's. Blocks.
    ///
    /// # Errors
    /// [`PaymentFault`].
    pub(crate) fn payment_for(&self, x: &Digest, by: &Certificate) -> Result<Option<KnownPayment>, PaymentFault> {
        let Some(run) = self.paid_run(x)? else { return Ok(None) };
        let Some(party) = self.party_of_certificate(by)? else { return Ok(None) };
        let (payer, payee) = (run.opened.terms.payer.0, run.opened.terms.payee.0);
        let carrier = carrier_of(&run.opened).map(|carrier| carrier.id);
        if ![Some(payer), Some(payee), carrier].contains(&Some(party.id)) {
            return Ok(None);
        }
        self.known_run(run).map(Some)
    }

    /// A run, for whoever has just said something in it.
    pub(super) fn known_payment(&self, x: &Digest) -> Result<Option<KnownPayment>, PaymentFault> {
        self.paid_run(x)?.map(|run| self.known_run(run)).transpose()
    }

    fn known_run(&self, run: RunHere) -> Result<KnownPayment, PaymentFault> {
        let x = run.opened.run.x;
        let (_, money) = self.money_of(&x)?;
        let until = self.end_of_stage(&run)?.zip(run.state.due().map(|due| due.outcome));
        let mut decided = None;
        if let Some((step, decision)) = &run.state.decision {
            decided = Some((decision.clone(), self.kept_at(&run, *step)?));
        }
        let mut statements = Vec::new();
        for (step, octets) in (0..).zip(self.reader().facts_of(&run.aggregate.0, 0)?) {
            let unread = |error: semper_ttp::evidence::FactError| ServiceFault::Facts(error.to_string());
            let fact = Fact::decode(&octets).and_then(|fact| PaidFact::from_fact(&fact)).map_err(unread)?;
            let (what, counts) = match fact {
                PaidFact::Opened { .. } => (None, true),
                PaidFact::Shown { what, counts, .. } => (Some(what), counts),
                _ => continue,
            };
            let (index, jws) = self.kept_at(&run, step)?;
            statements.push(Recorded { index, jws, what, counts });
        }
        let awaited = self.awaited(&run)?;
        Ok(KnownPayment { x, state: run.state, money, awaited, until, statements, decided })
    }

    fn kept_at(&self, run: &RunHere, step: u64) -> Result<(u64, Vec<u8>), PaymentFault> {
        let index = self.reader().step_index(&run.aggregate.0, step)?.ok_or(ExchangeFault::Erased)?;
        Ok((index, self.reader().artefact(index)?.ok_or(ExchangeFault::Erased)?))
    }

    /// The statements that would count now, as the decision itself says it.
    fn awaited(&self, run: &RunHere) -> Result<Vec<Shown>, PaymentFault> {
        let now = self.now();
        let (delta_ms, outages) = (run.delta_ms, self.outages_for(run, now)?);
        let counts = |what: Shown| {
            let show = Show {
                what,
                statement: Digest::of(what.name().as_bytes()),
                by: run.opened.run.o.key,
                delivery: run.state.delivery,
            };
            let event = PaidEvent::Show(show);
            let clocked = Clocked { event, delta_ms, outages: outages.clone(), clock: ClockVerdict::Synced };
            let would = Paid::decide(&run.state, &clocked, now).map(|(facts, _)| facts).unwrap_or_default();
            would.iter().any(|fact| matches!(fact, PaidFact::Shown { counts: true, .. }))
        };
        let has_carrier = carrier_of(&run.opened).is_some();
        let may = |what: &Shown| *what != Shown::HandedOver || has_carrier;
        Ok(Shown::ALL.iter().copied().filter(may).filter(|what| counts(*what)).collect())
    }
}

impl KnownPayment {
    /// What is held, in minor units.
    pub(crate) fn held(&self) -> u64 {
        match &self.money.stage {
            MoneyStage::None | MoneyStage::Requested(..) | MoneyStage::Declined(..) => 0,
            stage => stage.money().map_or(0, |money| match stage {
                MoneyStage::Released(_) | MoneyStage::Expired(_) => 0,
                _ => money.rest(),
            }),
        }
    }

    /// A statement's type tag, for whoever reads it.
    pub(crate) fn tag_of(recorded: &Recorded) -> String {
        Jws::parse(&recorded.jws).map_or(String::new(), |jws| jws.tag().to_owned())
    }
}
