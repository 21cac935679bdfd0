//! How messages travel to the other side by themselves. Files are carried by people and need nothing here; a further way, such as a mailbox,
//! is another [`Transport`].

use semper_api::messages;
use semper_ttp::client::message::Message;

use crate::commands::remote::Remote;
use crate::commands::running::Failed;

/// A way to the other side.
pub(super) trait Transport {
    /// Brings a message there; gives one that waits for this side, if there is one. May be asked again with the same message.
    ///
    /// # Errors
    /// Nothing is known of the message then: it may have come.
    fn deliver(&self, message: &Message) -> Result<Option<Message>, Failed>;
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
}
