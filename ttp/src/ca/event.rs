//! What is asked of a CRL.

use super::Authority;

/// An event of one authority's CRL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlEvent {
    /// Issue the next list if it is due. Comes from `semper init` and from the timer.
    Issue {
        /// Whose list.
        authority: Authority,
        /// From thisUpdate to nextUpdate, seconds. At most 10 days for issuing CAs, 12 months for the root (BR).
        life_secs: u32,
        /// True issues even if the last list is still fresh.
        force: bool,
    },
}

impl CrlEvent {
    /// The bytes whose digest stands in the fact as `event_digest`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self::Issue { authority, life_secs, force } = *self;
        let mut writer = crate::cbor::Writer::default();
        writer.array(3).uint(authority.code()).uint(life_secs.into()).bool(force);
        writer.finish()
    }
}
