//! Bulk revocation: an order is an entry, then everything that it concerns is revoked, then its end is an entry. Orders without an
//! end are carried out again at a start, from the beginning: what is revoked is passed over.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use semper_ledger::{sequencer::Idempotency, store::Fault};
use semper_ttp::{
    ca::{
        CaFact, CaId,
        bulk::{BulkEvent, BulkRefusal, BulkRevocation, BulkState, Concerned, Filter, OrderDocument, OrderId},
        credential::CredentialRefusal,
        crl::Reason,
    },
    digest::Digest,
    evidence::names,
};

use super::{
    CredentialFault, KnownIssue, Service, ServiceFault, ToRevoke,
    act::{ActFault, Given, read_fact},
};

/// How many certificates are looked up before any of them is revoked, so that an order for a million takes no memory for them.
const PAGE: usize = 1_024;

/// How many revocations wait for the disk at once: they share commit groups.
const AT_ONCE: usize = 16;

/// How many certificates a preview shows.
const SHOWN: usize = 100;

/// A certificate that an order concerns.
#[derive(Clone, Debug)]
struct Found {
    ca: CaId,
    serial: Vec<u8>,
    issued_at: u64,
    fact: CaFact,
}

/// What an order would do.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// How many certificates it would revoke.
    pub certificates: u64,
    /// How many of its certificates were revoked before.
    pub revoked: u64,
    /// How many are like the filter says, and left out: of CAs, officers, operators and the service's own keys.
    pub left_out: u64,
    /// The first of those that it would revoke.
    pub first: Vec<KnownIssue>,
}

impl Service {
    /// Which certificates that have not expired a filter concerns.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn preview_revocation(&self, concerned: &Concerned) -> Result<Preview, ServiceFault> {
        let (mut from, mut preview) = (names::expires(self.now()), Preview::default());
        loop {
            let (found, last) = self.page_of(|fact| concerned.is_like(fact), &from)?;
            for Found { fact, issued_at, .. } in found {
                let Some(known) = self.known_issue(&fact, issued_at)? else { continue };
                match (concerned.leaves_out(&fact), known.is_revoked) {
                    (true, is_revoked) => preview.left_out += u64::from(!is_revoked),
                    (false, true) => preview.revoked += 1,
                    (false, false) => {
                        preview.certificates += 1;
                        preview.first.extend(Some(known).filter(|_| preview.first.len() < SHOWN));
                    }
                }
            }
            match last {
                Some(last) => from = last,
                None => return Ok(preview),
            }
        }
    }

    /// Takes an order. It is carried out by [`Service::carry_out_orders`].
    ///
    /// # Errors
    /// [`ActFault`].
    pub fn order_revocation(
        &self,
        reason: Reason,
        filter: Filter,
        officer: Digest,
        idempotency: Idempotency,
    ) -> Result<OrderId, ActFault<BulkRefusal>> {
        if let Some(index) = self.answered(Some(idempotency))? {
            return Ok(self.order_of(index)?);
        }
        let (order, salt) = (OrderId::from(self.random()?), self.random()?);
        let document = OrderDocument::new(salt, reason, filter).encode();
        let digest = Digest::of(&document);
        let given = Given { idempotency: Some(idempotency), artefact: Some(&document) };
        let event = |_: &_, clock| Ok(BulkEvent::Order { order, document: digest, reason, officer, clock });
        let acted = self.act::<BulkRevocation>(order.aggregate(), given, BulkEvent::digest, event)?;
        Ok(self.order_of(acted.index)?)
    }

    fn order_of(&self, index: u64) -> Result<OrderId, ServiceFault> {
        match read_fact(&self.reader().fact(index)?.unwrap_or_default())? {
            CaFact::BulkOrdered { order, .. } => Ok(order),
            _ => Err(ServiceFault::Facts("the answer to an order is another fact".to_owned())),
        }
    }

    /// An order, and its entry.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn find_order(&self, order: OrderId) -> Result<Option<(BulkState, u64)>, ServiceFault> {
        let aggregate = order.aggregate();
        let Some(index) = self.reader().step_index(&aggregate.0, 0)? else { return Ok(None) };
        Ok(Some((self.state_of::<BulkRevocation>(&aggregate)?.state, index)))
    }

    /// Carries out every order that has no end. Blocks for as long as that takes; whoever calls meanwhile waits.
    ///
    /// # Errors
    /// The ledger, the clock, a document that is gone: then the order is left without an end.
    pub fn carry_out_orders(&self) -> Result<(), ServiceFault> {
        let _one_at_a_time = self.bulk.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = Vec::new();
        self.reader().names::<ServiceFault>(&names::BULK_ORDERS, |name, _| {
            if let Some(order) = names::read_bulk_ordered(name)
                && self.reader().last_name(&names::bulk_done(order))?.is_none()
            {
                open.push(order);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for order in open {
            let Some((BulkState::Ordered(ordered), index)) = self.find_order(order)? else { continue };
            let document = self.reader().artefact(index)?.unwrap_or_default();
            let unread = |fault: &dyn std::fmt::Display| ServiceFault::Facts(format!("order {order}: {fault}"));
            let document = OrderDocument::decode(&document).map_err(|fault| unread(&fault))?;
            let concerned = document.filter.read().map_err(|fault| unread(&fault))?.until(ordered.at);
            let revoked = self.revoke_all(&concerned, ordered.reason, ordered.officer)?;
            let finish = |_: &_, clock| Ok(BulkEvent::Finish { revoked, clock });
            let done = self.act::<BulkRevocation>(order.aggregate(), Given::default(), BulkEvent::digest, finish);
            match done {
                Ok(_) | Err(ActFault::Refused(BulkRefusal::AlreadyDone { .. })) => {
                    tracing::warn!(%order, revoked, "a bulk revocation is complete");
                }
                Err(ActFault::Fault(fault)) => return Err(fault),
                Err(fault) => return Err(unread(&fault)),
            }
        }
        Ok(())
    }

    /// Gives how many of them are revoked now.
    fn revoke_all(&self, concerned: &Concerned, reason: Reason, officer: Digest) -> Result<u64, ServiceFault> {
        let (mut from, mut revoked) = (names::expires(self.now()), 0);
        loop {
            let (found, last) = self.page_of(|fact| concerned.has(fact), &from)?;
            let (queue, outcome) = (Mutex::new(found.into_iter()), Mutex::new(Ok(0_u64)));
            std::thread::scope(|scope| {
                for _ in 0..AT_ONCE {
                    scope.spawn(|| {
                        loop {
                            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                            let Some(found) = next else { return };
                            let done = self.revoke_one(found, reason, officer);
                            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                            match (&mut *outcome, done) {
                                (Err(_), _) => return,
                                (Ok(count), Ok(is_revoked)) => *count += u64::from(is_revoked),
                                (_, Err(fault)) => {
                                    *outcome = Err(fault);
                                    return;
                                }
                            }
                        }
                    });
                }
            });
            revoked += outcome.into_inner().unwrap_or_else(PoisonError::into_inner)?;
            match last {
                Some(last) => from = last,
                None => return Ok(revoked),
            }
        }
    }

    /// True if it is revoked now, by this or before.
    fn revoke_one(
        &self,
        Found { ca, serial, .. }: Found,
        reason: Reason,
        officer: Digest,
    ) -> Result<bool, ServiceFault> {
        let shown = hex::encode(&serial);
        let revoke = ToRevoke { ca, serial, reason, officer, idempotency: None };
        loop {
            return match self.revoke(&revoke) {
                Ok(_) | Err(CredentialFault::Refused(CredentialRefusal::AlreadyRevoked { .. })) => Ok(true),
                // It expired meanwhile, or the reason is not for its class.
                Err(CredentialFault::Refused(CredentialRefusal::Clock { verdict })) => {
                    Err(ServiceFault::Clock(verdict))
                }
                Err(CredentialFault::Refused(refusal)) => {
                    tracing::warn!(serial = shown, %refusal, "passed over by a bulk revocation");
                    Ok(false)
                }
                Err(CredentialFault::Fault(fault)) => Err(fault),
                Err(CredentialFault::Busy) => {
                    // Requests of others come first.
                    std::thread::sleep(std::time::Duration::from_millis(10));
                    continue;
                }
                Err(fault) => Err(ServiceFault::Facts(fault.to_string())),
            };
        }
    }

    /// The certificates of the next names behind `from`, and the name to go on from.
    fn page_of(
        &self,
        is_meant: impl Fn(&CaFact) -> bool,
        from: &[u8],
    ) -> Result<(Vec<Found>, Option<Vec<u8>>), ServiceFault> {
        let (mut found, mut last) = (Vec::new(), None);
        let mut indexes = Vec::new();
        self.reader().names_from::<Fault>(&names::CERTIFICATES, from, |name, index| {
            if indexes.len() == PAGE {
                last = Some(name.to_vec());
                return Ok(ControlFlow::Break(()));
            }
            indexes.push(index);
            Ok(ControlFlow::Continue(()))
        })?;
        for index in indexes {
            let fact = read_fact::<CaFact>(&self.reader().fact(index)?.unwrap_or_default())?;
            if is_meant(&fact)
                && let Some((ca, serial)) = fact.certificate()
            {
                found.push(Found { ca, serial: serial.to_vec(), issued_at: index, fact });
            }
        }
        Ok((found, last))
    }
}

/// Carries orders out in the background, until the service is gone.
pub fn carry_out_in_background(service: &Arc<Service>) {
    let service = service.clone();
    let started = std::thread::Builder::new().name("bulk-revoke".to_owned()).spawn(move || {
        if let Err(fault) = service.carry_out_orders() {
            tracing::error!(%fault, "a bulk revocation is not complete; it goes on at the next look");
        }
    });
    if let Err(error) = started {
        tracing::error!(%error, "no thread for a bulk revocation; it goes on at the next look");
    }
}
