//! Which CA of its line, and which of its lists.

use super::Authority;
use super::certificate::list_place;
use crate::evidence::{Aggregate, KeyId, KeyPurpose};

/// One CA: an authority, and which of its line. The next takes over at a rollover; the others go on to sign lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaId {
    /// Whose line.
    pub authority: Authority,
    /// 1 for the first.
    pub generation: u32,
}

impl CaId {
    /// The first of its line.
    #[must_use]
    pub const fn first(authority: Authority) -> Self {
        Self { authority, generation: 1 }
    }

    /// Its name in URLs and files: `ca-party`, `ca-party.2`.
    #[must_use]
    pub fn place(self) -> String {
        self.authority.place(self.generation)
    }

    /// The one with this name.
    #[must_use]
    pub fn from_place(place: &str) -> Option<Self> {
        let ca = match place.split_once('.') {
            None => Self::first(Authority::from_name(place)?),
            Some((name, generation)) => {
                Self { authority: Authority::from_name(name)?, generation: generation.parse().ok()? }
            }
        };
        // One spelling only.
        (ca.generation > 0 && ca.place() == place).then_some(ca)
    }

    /// The key that it signs with.
    #[must_use]
    pub const fn key(self) -> KeyId {
        KeyId::new(self.authority.key_purpose(), self.generation)
    }

    /// The aggregate of a certificate that it issued: its serial number's content octets.
    #[must_use]
    pub fn certificate(self, serial: &[u8]) -> Aggregate {
        // The first ones were there before there were lines.
        match self.generation {
            1 => Aggregate::of("certificate", &[&[self.authority as u8], serial].concat()),
            generation => {
                let name = [&[self.authority as u8][..], &generation.to_be_bytes(), serial].concat();
                Aggregate::of("certificate-of-line", &name)
            }
        }
    }
}

/// One of a CA's lists of revoked certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListId {
    /// Whose.
    pub ca: CaId,
    /// 0 is the one of all, the others are shards.
    pub partition: u32,
}

impl ListId {
    /// The one list that a first CA has from its beginning.
    #[must_use]
    pub const fn first(authority: Authority) -> Self {
        Self { ca: CaId::first(authority), partition: 0 }
    }

    /// True for those.
    #[must_use]
    pub const fn is_first(self) -> bool {
        self.ca.generation == 1 && self.partition == 0
    }

    /// Its name in URLs: `/crl/<place>.crl`, for example `ca-party` or `ca-party.2/7`.
    #[must_use]
    pub fn place(self) -> String {
        list_place(&self.ca.place(), self.partition)
    }

    /// The one with this name.
    #[must_use]
    pub fn from_place(place: &str) -> Option<Self> {
        let (ca, partition) = match place.split_once('/') {
            None => (place, 0),
            Some((ca, partition)) => (ca, partition.parse().ok()?),
        };
        let list = Self { ca: CaId::from_place(ca)?, partition };
        (list.place() == place).then_some(list)
    }

    /// Its history.
    #[must_use]
    pub fn aggregate(self) -> Aggregate {
        Aggregate::of("crl", self.place().as_bytes())
    }
}

/// The common name in the certificate of a service key; none for keys without, or whose certificate names no person or thing.
#[must_use]
pub fn common_name(key: KeyId) -> Option<String> {
    let name = match key.purpose {
        KeyPurpose::CaRoot => "Root CA",
        KeyPurpose::CaParty => "Party CA",
        KeyPurpose::CaServer => "Server CA",
        KeyPurpose::CaTsu => "Timestamping CA",
        KeyPurpose::TsuEc => "Timestamping Unit EC",
        KeyPurpose::TsuRsa => "Timestamping Unit RSA",
        KeyPurpose::NotaryDvcs => "Notary Data Validation",
        KeyPurpose::NotaryAct => "Notary Acts",
        KeyPurpose::ArbiterVerdict => "Arbiter Verdicts",
        KeyPurpose::ArbiterEscrow => "Arbiter Escrows",
        _ => return None,
    };
    Some(format!("{name} {}", key.generation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_one_spelling() {
        for (place, generation, partition) in
            [("ca-party", 1, 0), ("ca-party.2", 2, 0), ("ca-party/7", 1, 7), ("ca-party.12/300", 12, 300)]
        {
            let list = ListId { ca: CaId { authority: Authority::Party, generation }, partition };
            assert_eq!(list.place(), place);
            assert_eq!(ListId::from_place(place), Some(list));
        }
        for bad in
            ["", "ca-party.1", "ca-party.0", "ca-party.02", "ca-party/0", "ca-party/+1", "ca-other", "ca-party/1/2"]
        {
            assert_eq!(ListId::from_place(bad), None, "{bad}");
        }
        assert_eq!(ListId::first(Authority::Tsu).aggregate(), Aggregate::of("crl", b"ca-tsu"));
        let first = CaId::first(Authority::Tsu).certificate(&[0x41, 0x42]);
        assert_eq!(first, Aggregate::of("certificate", &[3, 0x41, 0x42]));
    }
}
