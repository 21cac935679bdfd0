//! When registered deliveries are to be looked at: a moment passes that something was awaited until, a notice is still to be left, the run
//! was decided. A moment counts whether or not anybody looks; this only sees to it that nobody has to ask.
//!
//! What is due lies in memory, and is found again at the start by two names.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use semper_ttp::{
    client::message::Message,
    digest::Digest,
    evidence::{KeyPurpose, names},
    exchange::erds::{ErdsRefusal, NoticeFault, Occurrence, RegisteredDelivery},
    id::PartyId,
    statement::{
        Jws,
        exchange::{Protocol, erds::ErdsEvent},
    },
};

use super::{
    super::{
        Service, ServiceFault,
        due::AGAIN_MS,
        exchange::{ExchangeFault, keys::Signers},
    },
    Happening, RegisteredRun, Turn,
};
use crate::mailbox::MailFault;

/// Who leaves the notice of a delivery: nobody's party, and for each originator another, so that no other's notices fill what room a
/// recipient has for one sender.
fn sender_of(originator: PartyId) -> PartyId {
    let digest = Digest::of(&[b"semper/delivery/notice\0", &originator.octets()[..]].concat());
    let mut octets = [0; 16];
    octets.copy_from_slice(&digest.0[..16]);
    octets.into()
}

impl Turn<'_> {
    /// After which moment it is to be looked at again.
    pub(super) fn next_look(&self) -> Option<u64> {
        let after = self.state.wakes_after(&self.end);
        let again = self.now.millis().saturating_add(AGAIN_MS);
        if self.state.awaits_notice() { after.map(|after| after.min(again)) } else { after }
    }
}

impl Service {
    /// Looks at the deliveries of which something is due, and gives how many of them. Blocks.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn look_at_deliveries(&self) -> Result<usize, ServiceFault> {
        // Before its keys have their certificates the arbiter knows no run as its own.
        if self.desks.certified(KeyPurpose::ArbiterVerdict).is_none() {
            return Ok(0);
        }
        if !self.delivery_due.is_complete() {
            self.find_open_deliveries()?;
            self.delivery_due.completed();
        }
        Ok(self.look_at_due(&self.delivery_due, "a delivery", |x| self.wake_delivery(x)))
    }

    /// The run of a delivery has gone on, of one that was submitted or of another.
    pub(in crate::service) fn delivery_is_due(&self, x: &Digest) {
        self.delivery_due.put(x, Some(self.due_now()));
    }

    /// A moment that has passed.
    fn due_now(&self) -> u64 {
        self.now().millis().saturating_sub(1)
    }

    /// Looks whether anything is to be recorded of a delivery, and does it.
    pub(super) fn wake_delivery(&self, x: &Digest) -> Result<(), ExchangeFault> {
        let Some(run) = self.kept_delivery(x)? else {
            self.delivery_due.put(x, None);
            return Ok(());
        };
        self.delivery_turn(&run, &Happening::told(Occurrence::Wake), &Signers::of(self))?;
        self.leave_notice(&run)
    }

    /// Leaves the notice of a delivery that was just submitted. Where that does not work now, it is tried again.
    pub(super) fn try_notice(&self, run: &RegisteredRun) {
        if let Err(fault) = self.leave_notice(run) {
            tracing::warn!(%fault, "the notice of a delivery could not be left, and is tried again");
        }
    }

    /// Leaves the notice of a delivery, where one is awaited, and tells what came of it. The notice is the evidence that the delivery was
    /// taken, so that it is left once, however often this is done.
    fn leave_notice(&self, run: &RegisteredRun) -> Result<(), ExchangeFault> {
        let aggregate = RegisteredDelivery::aggregate(&run.posted.run.x);
        let state = self.state_of::<RegisteredDelivery>(&aggregate)?.state;
        let Some(taken) = state.events.get(&ErdsEvent::SubmissionAcceptance).filter(|_| state.awaits_notice()) else {
            return Ok(());
        };
        let (now, _) = self.arbiter_time();
        // What could not be recorded is not left either.
        drop(self.pass_door(now)?);
        let evidence = self.reader().artefact_of_step(&aggregate.0, taken.step)?.ok_or(ExchangeFault::Erased)?;
        let message = Message {
            protocol: Protocol::CdR,
            statement: Jws::parse(&evidence)?,
            certificates: vec![run.key.certificate.der().to_vec()],
            beside: None,
        };
        let (o, r) = (run.posted.run.o.id, run.posted.run.r.id);
        let left = match self.mailbox() {
            None => Err(NoticeFault::NoAddress),
            Some(mailbox) => match mailbox.leave(r, sender_of(o), &message.to_bytes(), now) {
                Ok(_) => Ok(now),
                Err(MailFault::Full(_)) => Err(NoticeFault::Failed),
                Err(MailFault::Disk(fault)) => return Err(ServiceFault::Mailbox(fault).into()),
            },
        };
        let told = self.delivery_turn(run, &Happening::told(Occurrence::Notified(left)), &Signers::of(self));
        match told {
            // The recipient has shown itself meanwhile.
            Ok(_) | Err(ExchangeFault::Delivery(ErdsRefusal::NoNotice)) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// Those of which something is awaited. Each is looked at: an earlier process may have decided about its run and told nothing here.
    fn find_open_deliveries(&self) -> Result<(), ServiceFault> {
        let due = self.due_now();
        // By the first octets of their names, so that never all closed ones are in memory at once.
        for part in names::DELIVERY_PARTS {
            for octet in 0..=u8::MAX {
                let mut open = BTreeSet::new();
                let begun = [names::OPEN_DELIVERIES[0], part, octet];
                self.reader().names_from::<ServiceFault>(&begun, &begun, |name, _| {
                    open.extend(names::read_open_delivery(name));
                    Ok(ControlFlow::Continue(()))
                })?;
                for (part, x) in open {
                    if self.reader().last_name(&names::delivery_closed((part, x)))?.is_none() {
                        self.delivery_due.find(&x, due);
                    }
                }
            }
        }
        Ok(())
    }
}
