//! What a CRL remembers of itself.

use crate::cbor::{self, Reader, Writer};
use crate::time::Timestamp;

/// The state of one authority's CRL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrlState {
    /// The last list issued, if any.
    pub last: Option<LastCrl>,
}

/// What is known of the last list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastCrl {
    /// Its cRLNumber.
    pub number: u64,
    /// When it was issued, whole seconds.
    pub this_update: Timestamp,
    /// Until when it may be used, whole seconds.
    pub next_update: Timestamp,
}

impl CrlState {
    /// When the next list is due: half way through the life of the last one, at once if there is none.
    #[must_use]
    pub fn due_at(&self) -> Timestamp {
        self.last.map_or(Timestamp::default(), |last| {
            let life = last.next_update.millis().saturating_sub(last.this_update.millis());
            last.this_update.plus_millis(life / 2)
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        match self.last {
            None => writer.array(0),
            Some(LastCrl { number, this_update, next_update }) => {
                writer.array(3).uint(number).uint(this_update.secs()).uint(next_update.secs())
            }
        };
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, cbor::Error> {
        let mut rest = reader.clone();
        let last = match rest.array_len()? {
            0 => None,
            _ => {
                rest = reader.clone();
                rest.array(3)?;
                Some(LastCrl {
                    number: rest.uint()?,
                    this_update: Timestamp::from_secs(rest.uint()?),
                    next_update: Timestamp::from_secs(rest.uint()?),
                })
            }
        };
        *reader = rest;
        Ok(Self { last })
    }
}
