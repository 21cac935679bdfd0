//! What one side sends, held against the rules of its run: all that can be said of the statements alone.

use std::sync::Arc;

use semper_ttp::{
    crypto::{SecretKey, jose::Thumbprint, jwe},
    digest::Digest,
    evidence::KeyPurpose,
    exchange::{
        Broken, ExchangeState,
        asw_r::{Answered, Offered},
        cd_r::{Agreed, Posted, deposit_context},
        run::{Asked, Keys, PARTY_STATEMENT_BYTES_MAX, Run},
    },
    statement::{
        Body, Jws, StatementFault,
        exchange::{
            Outcome, Side,
            asw_r::{Abort, M1, M2, Resolve},
            cd_r::{AbortDelivery, ContentKey, D1, D2, ResolveO, ResolveR},
        },
    },
};

use super::super::{Service, ServiceFault, desk::RoleKey};
use super::{ExchangeFault, Sent, keys::Signers};

/// A request that keeps the rules of its run.
pub(super) struct Checked {
    statements: Statements,
    pub(super) asked: Asked,
    /// The key that signs for this run.
    pub(super) key: Arc<RoleKey>,
    pub(super) delta_ms: u64,
}

enum Statements {
    Contract {
        offered: Box<Offered>,
        answered: Option<Answered>,
    },
    Delivery {
        posted: Box<Posted>,
        agreed: Option<Agreed>,
        /// The key to which the run's escrow is sealed.
        escrow: Arc<RoleKey>,
        /// The content's key, where the request or the escrow gives it.
        content_key: Option<SecretKey>,
    },
}

impl Checked {
    pub(super) fn run(&self) -> &Run {
        match &self.statements {
            Statements::Contract { offered, .. } => &offered.run,
            Statements::Delivery { posted, .. } => &posted.run,
        }
    }

    /// The first statement of the run.
    pub(super) fn first(&self) -> &Jws {
        match &self.statements {
            Statements::Contract { offered, .. } => &offered.jws,
            Statements::Delivery { posted, .. } => &posted.jws,
        }
    }

    /// The responder's answer to it, where it came along.
    pub(super) fn second(&self) -> Option<&Jws> {
        match &self.statements {
            Statements::Contract { answered, .. } => answered.as_ref().map(|answered| &answered.jws),
            Statements::Delivery { agreed, .. } => agreed.as_ref().map(|agreed| &agreed.jws),
        }
    }

    /// The payment that a delivery is paid by.
    pub(super) fn pays(&self) -> Option<Digest> {
        match &self.statements {
            Statements::Delivery { posted, .. } => posted.delivery.pay.map(|pay| Digest(pay.0)),
            Statements::Contract { .. } => None,
        }
    }

    /// What a verdict of this outcome rests on.
    pub(super) fn basis(&self, outcome: Outcome) -> Vec<&Jws> {
        let rests_on = match outcome {
            Outcome::Aborted => Some(&self.asked.jws),
            Outcome::Resolved | Outcome::Released | Outcome::Void => self.second(),
            // RETURNED and CAPTURED are of other runs, which do not come this way.
            Outcome::Expired | Outcome::Returned | Outcome::Captured => None,
        };
        std::iter::once(self.first()).chain(rests_on).collect()
    }

    /// The keys of the arbiter that the run's decision takes.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<RoleKey>> {
        let escrow = match &self.statements {
            Statements::Contract { .. } => None,
            // Taken back, it is not opened.
            Statements::Delivery { agreed, escrow, .. } => agreed.is_some().then_some(escrow),
        };
        std::iter::once(&self.key).chain(escrow)
    }
}

/// Reads a statement of a party.
pub(in crate::service) fn read(bytes: &[u8], of: &'static str) -> Result<Jws, ExchangeFault> {
    let broken = |fault| ExchangeFault::Broken(Broken::Statement { of, fault });
    if bytes.len() > PARTY_STATEMENT_BYTES_MAX {
        return Err(broken(StatementFault::TooLong));
    }
    Jws::parse(bytes).map_err(broken)
}

impl Service {
    /// Reads what came, in the order of exchange-and-disputes §5.
    pub(super) fn check(
        &self,
        x: &Digest,
        sent: &Sent,
        request: Jws,
        signers: &Signers<'_>,
    ) -> Result<Checked, ExchangeFault> {
        let keys = |name: &Thumbprint| signers.key(name);
        match request.tag() {
            Abort::TAG | Resolve::TAG => self.check_contract(x, sent, request, &keys),
            AbortDelivery::TAG | ResolveR::TAG | ResolveO::TAG => self.check_delivery(x, sent, request, &keys),
            _ => Err(ExchangeFault::Request("the request is none that a side makes to the arbiter")),
        }
    }

    fn check_contract(&self, x: &Digest, sent: &Sent, request: Jws, keys: Keys<'_>) -> Result<Checked, ExchangeFault> {
        let offered = Offered::read(read(&sent.first, M1::TAG)?, keys)?;
        let (key, delta_ms) = self.require_ours(&offered.run, x, M1::TAG)?;
        let (answered, asked) = match second(sent, request.tag() == Abort::TAG)? {
            None => (None, offered.abort(request, keys)?),
            Some(m2) => {
                let answered = offered.answered(read(m2, M2::TAG)?, keys)?;
                let asked = offered.resolve(&answered, request, keys)?;
                (Some(answered), asked)
            }
        };
        let statements = Statements::Contract { offered: Box::new(offered), answered };
        Ok(Checked { statements, asked, key, delta_ms })
    }

    fn check_delivery(&self, x: &Digest, sent: &Sent, request: Jws, keys: Keys<'_>) -> Result<Checked, ExchangeFault> {
        let posted = Posted::read(read(&sent.first, D1::TAG)?, keys)?;
        let (key, delta_ms) = self.require_ours(&posted.run, x, D1::TAG)?;
        let escrow = self.desks.named(KeyPurpose::ArbiterEscrow, &posted.escrow_key());
        let escrow = escrow.ok_or_else(|| Broken::EscrowKey { key: posted.escrow_key().to_string() })?;
        let (agreed, asked, content_key) = match second(sent, request.tag() == AbortDelivery::TAG)? {
            None => (None, posted.abort(request, keys)?, None),
            Some(d2) => {
                let agreed = posted.agreed(read(d2, D2::TAG)?, keys)?;
                let (asked, content_key) = if request.tag() == ResolveR::TAG {
                    let opened = escrow.agreement.as_ref().and_then(|key| posted.escrowed(key));
                    (posted.resolve_r(request, opened.is_some(), keys)?, opened)
                } else {
                    let (asked, deposited) = posted.resolve_o(request, keys)?;
                    (asked, Some(deposited))
                };
                (Some(agreed), asked, content_key)
            }
        };
        let statements = Statements::Delivery { posted: Box::new(posted), agreed, escrow, content_key };
        Ok(Checked { statements, asked, key, delta_ms })
    }

    /// The key that is to decide about a run, and δ, if the run is the one that was asked about, and for this arbiter.
    fn require_ours(&self, run: &Run, x: &Digest, of: &'static str) -> Result<(Arc<RoleKey>, u64), ExchangeFault> {
        if run.x != *x {
            return Err(Broken::OtherRun { of }.into());
        }
        let key = self.arbiter_of(run)?;
        let policy = self.exchange_policy(&run.policy)?.ok_or(ExchangeFault::Policy)?;
        Ok((key, policy.delta_ms))
    }

    /// The key that is to decide about a run, if the run is for this arbiter.
    pub(in crate::service) fn arbiter_of(&self, run: &Run) -> Result<Arc<RoleKey>, Broken> {
        let named = &run.ttp;
        let key = self.desks.named(KeyPurpose::ArbiterVerdict, &named.key);
        let key = key.filter(|_| named.id.as_str() == self.reader().identity().origin());
        key.ok_or_else(|| Broken::OtherArbiter { key: named.key.to_string() })
    }

    /// The key that an originator left, sealed so that only the arbiter opens it.
    pub(super) fn seal_key(&self, checked: &Checked) -> Result<Vec<u8>, ServiceFault> {
        let Statements::Delivery { escrow, content_key: Some(content_key), .. } = &checked.statements else {
            return Err(ServiceFault::Facts("a key is to be sealed that nobody left".to_owned()));
        };
        let signing = |fault: &dyn std::fmt::Display| ServiceFault::Signing(fault.to_string());
        let own = escrow.agreement.as_ref().ok_or_else(|| signing(&"the key of escrows is not here"))?.public();
        let run = checked.run();
        let ephemeral = jwe::AgreementKey::generate().map_err(|fault| signing(&fault))?;
        let context = deposit_context(&run.x);
        let sealed = jwe::seal(content_key, own, &run.o.key.0.0, context.as_bytes(), &ephemeral, &*self.entropy);
        Ok(sealed.map_err(|fault| signing(&fault))?.into_bytes())
    }

    /// The key of what was delivered, for its recipient alone: as the originator left it, else out of the run's escrow.
    pub(super) fn key_for_asker(
        &self,
        checked: &Checked,
        state: &ExchangeState,
    ) -> Result<Option<ContentKey>, ExchangeFault> {
        let is_released = state.decision.as_ref().is_some_and(|(_, decision)| decision.outcome == Outcome::Released);
        let Statements::Delivery { escrow, content_key, .. } = &checked.statements else { return Ok(None) };
        if !is_released || checked.asked.side != Side::Responder {
            return Ok(None);
        }
        let Some(step) = state.deposited else {
            // What the run was released for: it opened then.
            return Ok(content_key.as_ref().map(ContentKey::from));
        };
        let aggregate = semper_ttp::exchange::Exchange::aggregate(&checked.run().x).0;
        let sealed = self.reader().artefact_of_step(&aggregate, step)?.ok_or(ExchangeFault::Erased)?;
        let sealed = std::str::from_utf8(&sealed).ok().and_then(|text| jwe::Escrow::parse(text).ok());
        let opened = sealed.zip(escrow.agreement.as_ref()).and_then(|(sealed, key)| sealed.open(key));
        let opened = opened.ok_or_else(|| ServiceFault::Facts("a key that was left does not open".to_owned()))?;
        Ok(Some(ContentKey::from(&opened)))
    }
}

/// The responder's answer, without which nothing is resolved, and which has no part in what is taken back.
fn second(sent: &Sent, is_abort: bool) -> Result<Option<&[u8]>, ExchangeFault> {
    match (&sent.second, is_abort) {
        (None, true) => Ok(None),
        (Some(second), false) => Ok(Some(second)),
        (Some(_), true) => {
            Err(ExchangeFault::Request("a request to abort comes with the first statement of the run alone"))
        }
        (None, false) => {
            Err(ExchangeFault::Request("a request to resolve comes with the first two statements of the run"))
        }
    }
}
