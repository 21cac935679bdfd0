//! How messages travel to the other side by themselves. Files are carried by people and need nothing here.

use std::cell::RefCell;

use semper_api::messages;
use semper_ttp::client::message::Message;
use semper_ttp::digest::Digest;
use semper_ttp::id::PartyId;

use super::service;
use crate::commands::remote::Remote;
use crate::commands::running::Failed;

/// A way to the other side.
pub(super) trait Transport {
    /// Brings a message there; gives one that waits for this side, if there is one. May be asked again with the same message.
    ///
    /// # Errors
    /// Nothing is known of the message then: it may have come.
    fn deliver(&self, message: &Message) -> Result<Option<Message>, Failed>;

    /// What `deliver` gave last is on this side's disk, or is of no use: it need not wait any more.
    ///
    /// # Errors
    /// It goes on waiting, and comes again.
    fn done(&self) -> Result<(), Failed>;
}

/// The other side listens (`semper exchange listen`).
pub(super) struct Listening(Remote);

impl Listening {
    /// At this URL.
    pub(super) fn at(url: &str) -> Result<Self, Failed> {
        Remote::new(url).map(Self).map_err(|error| Failed(error.exit(), format!("--peer: {error}")))
    }
}

impl Transport for Listening {
    fn deliver(&self, message: &Message) -> Result<Option<Message>, Failed> {
        Ok(self.0.call(async |client| messages::send(client, message).await)?)
    }

    fn done(&self) -> Result<(), Failed> {
        Ok(())
    }
}

/// Messages wait at the arbiter's service for whoever is not there.
pub(super) struct Mailbox {
    remote: Remote,
    peer: PartyId,
    x: Digest,
    /// What was left last: once is enough.
    left: RefCell<Option<Digest>>,
    /// What was fetched last.
    fetched: RefCell<Option<String>>,
}

impl Mailbox {
    /// For a run with this party.
    pub(super) const fn of(remote: Remote, peer: PartyId, x: Digest) -> Self {
        Self { remote, peer, x, left: RefCell::new(None), fetched: RefCell::new(None) }
    }
}

impl Transport for Mailbox {
    fn deliver(&self, message: &Message) -> Result<Option<Message>, Failed> {
        let bytes = message.to_bytes();
        let digest = Some(Digest::of(&bytes));
        if *self.left.borrow() != digest {
            service::leave(&self.remote, self.peer, bytes)?;
            *self.left.borrow_mut() = digest;
        }
        for mail in service::waiting(&self.remote)? {
            if mail.from != self.peer {
                continue;
            }
            let fetched = service::fetch(&self.remote, &mail.id)?;
            if let Ok(next) = Message::parse(&fetched)
                && next.x() == self.x
            {
                *self.fetched.borrow_mut() = Some(mail.id);
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    fn done(&self) -> Result<(), Failed> {
        match self.fetched.take() {
            Some(id) => service::forget(&self.remote, &id),
            None => Ok(()),
        }
    }
}
