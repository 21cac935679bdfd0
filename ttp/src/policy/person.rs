//! Who is behind a certificate. Where two must act they are two people (EN 319 411-1, GEN-6.5.5; DESIGN §4), and one person may hold
//! several certificates: one for each duty, or the next one before the last has ended.
//!
//! In scope: telling people apart by what this service has certified. Out of scope: somebody who was registered twice under two
//! names; that is for whoever proves identities to see.

use crate::cbor::{self, Reader, Writer};
use crate::digest::Digest;
use crate::id::PartyId;

/// A person, as far as this service can tell. Written as the 16 octets of a party's name, or the 32 of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Person {
    /// Whom an application was approved for: all certificates of one party are one person's.
    Party(PartyId),
    /// The holder of a certificate that no application led to, such as those of `semper init`: SHA-256 of the certificate.
    Certificate(Digest),
}

/// Somebody who acts by a certificate of this service. Written as two items: the certificate, the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Officer {
    /// SHA-256 of the certificate.
    pub certificate: Digest,
    /// Whose it is.
    pub person: Person,
}

impl Officer {
    /// The holder of a certificate that no application led to.
    #[must_use]
    pub const fn itself(certificate: Digest) -> Self {
        Self { certificate, person: Person::Certificate(certificate) }
    }

    /// Whether these two are one person, or one certificate.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.certificate == other.certificate || self.person == other.person
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.bytes(self.certificate.as_bytes());
        match &self.person {
            Person::Party(party) => w.bytes(party.octets()),
            Person::Certificate(digest) => w.bytes(digest.as_bytes()),
        };
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, cbor::Error> {
        let certificate = Digest(r.fixed()?);
        let person = r.bytes()?;
        let party = <[u8; 16]>::try_from(person).map(|octets| Person::Party(octets.into()));
        let digest = || <[u8; 32]>::try_from(person).map(|octets| Person::Certificate(Digest(octets)));
        // Where it stood, the reader no longer says; facts of ours never get here.
        let person = party.or_else(|_| digest()).map_err(|_| cbor::Error::Length { at: 0 })?;
        Ok(Self { certificate, person })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_apart_and_read_as_written() {
        let party = |number: u8| Person::Party([number; 16].into());
        let officer = |certificate: u8, person| Officer { certificate: Digest([certificate; 32]), person };
        let first = officer(1, party(1));
        assert!(first.is(&first) && first.is(&officer(2, party(1))) && first.is(&officer(1, party(2))));
        assert!(!first.is(&officer(2, party(2))) && !first.is(&Officer::itself(Digest([2; 32]))));
        for written in [first, Officer::itself(Digest([3; 32]))] {
            let mut w = Writer::default();
            written.write(&mut w);
            assert_eq!(Officer::read(&mut Reader::new(&w.finish())), Ok(written));
        }
        let mut w = Writer::default();
        w.bytes(&[1; 32]).bytes(&[2; 17]);
        assert!(Officer::read(&mut Reader::new(&w.finish())).is_err());
    }
}
