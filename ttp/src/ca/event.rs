//! What is asked of a CRL.

use super::ListId;
use super::crl::{Listed, Revoked};
use crate::digest::Digest;

/// An event of one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrlEvent {
    /// Issue the next list if it is due. Comes from `semper init` and from the timer.
    Issue {
        /// Which list.
        list: ListId,
        /// From thisUpdate to nextUpdate, seconds. At most 10 days for issuing CAs, 12 months for the root (BR).
        life_secs: u32,
        /// True issues even if the last list is still fresh: something was revoked since.
        force: bool,
        /// Everything that the list may name; what has expired long enough is left out.
        revoked: Vec<Revoked>,
        /// Where it is served, if it is a list of those certificates only that name this place.
        distribution_point: Option<String>,
    },
    /// Take a list that the root has signed offline.
    Import {
        /// Which list.
        list: ListId,
        /// What stands in it.
        listed: Listed,
        /// Everything that it has to name.
        revoked: Vec<Revoked>,
    },
}

impl CrlEvent {
    /// The bytes whose digest stands in the fact as `event_digest`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = crate::cbor::Writer::default();
        let (list, life_secs, force, revoked, distribution_point) = match self {
            Self::Issue { list, life_secs, force, revoked, distribution_point } => {
                (list, life_secs, force, revoked, distribution_point)
            }
            // What it names is in the list itself.
            Self::Import { listed, .. } => {
                writer.array(1).bytes(listed.digest.as_bytes());
                return writer.finish();
            }
        };
        // What an event was before lists had parts and entries is written as it was.
        let is_plain = list.is_first() && revoked.is_empty() && distribution_point.is_none();
        writer.array(if is_plain { 3 } else { 7 });
        writer.uint(list.ca.authority.code()).uint((*life_secs).into()).bool(*force);
        if !is_plain {
            let mut entries = crate::cbor::Writer::with_capacity(48 * revoked.len());
            for Revoked { serial, at, reason, not_after } in revoked {
                entries.bytes(serial).uint(at.secs()).uint(reason.code()).uint(not_after.secs());
            }
            writer.uint(list.ca.generation.into()).uint(list.partition.into());
            writer.bytes(distribution_point.as_deref().unwrap_or_default().as_bytes());
            writer.bytes(Digest::of(&entries.finish()).as_bytes());
        }
        writer.finish()
    }
}
