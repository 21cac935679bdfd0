//! Names of service keys: purpose and generation, `tsu-ec.3`. One key, one purpose; none signs for two (DESIGN §4).

use std::fmt;
use std::str::FromStr;

use super::kind::codes;
use crate::cbor::{Reader, Writer};

codes! {
    /// What a service key is for.
    KeyPurpose {
        /// Signs checkpoints (Ed25519).
        LogNote = 0 "log-note",
        /// Signs COSE receipts (ES256).
        LogReceipt = 1 "log-receipt",
        /// Signs the issuing CAs and the ARL.
        CaRoot = 2 "ca-root",
        /// Issues certificates of parties, operators and officers.
        CaParty = 3 "ca-party",
        /// Issues certificates of servers.
        CaServer = 4 "ca-server",
        /// Issues certificates of timestamping units.
        CaTsu = 5 "ca-tsu",
        /// Answers OCSP for ca-party.
        OcspParty = 6 "ocsp-party",
        /// Answers OCSP for ca-server.
        OcspServer = 7 "ocsp-server",
        /// Answers OCSP for ca-tsu.
        OcspTsu = 8 "ocsp-tsu",
        /// The P-256 timestamping unit.
        TsuEc = 9 "tsu-ec",
        /// The RSA timestamping unit.
        TsuRsa = 10 "tsu-rsa",
        /// Signs data validation certificates.
        NotaryDvcs = 11 "notary-dvcs",
        /// Signs notarial acts.
        NotaryAct = 12 "notary-act",
        /// Signs the arbiter's verdicts.
        ArbiterVerdict = 13 "arbiter-verdict",
        /// Opens escrows (ECDH only).
        ArbiterEscrow = 14 "arbiter-escrow",
        /// Signs rulings.
        DisputeVerdict = 15 "dispute-verdict",
        /// Signs archive reports.
        ArchiveReport = 16 "archive-report",
        /// Seals court bundles.
        BundleSeal = 17 "bundle-seal",
        /// Wraps the keys of what is kept sealed.
        ArchiveKek = 18 "archive-kek",
        /// Encrypts backups.
        Backup = 19 "backup",
        /// Signs webhooks.
        Webhook = 20 "webhook",
        /// Blinds idempotency keys.
        StoreHmac = 21 "store-hmac",
        /// The HTTPS listener.
        Tls = 22 "tls",
        /// Signs the status of what a CA issued that was taken over.
        CaImported = 23 "ca-imported",
    }
}

/// A service key: what for, and which one of its line, counted from 1. Written `tsu-ec.3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// 1 for the first.
    pub generation: u32,
}

impl KeyId {
    /// The key of this purpose and generation.
    #[must_use]
    pub const fn new(purpose: KeyPurpose, generation: u32) -> Self {
        Self { purpose, generation }
    }

    /// Writes it into a body as two numbers.
    pub fn write(self, writer: &mut Writer) {
        writer.uint(self.purpose.code()).uint(self.generation.into());
    }

    /// Reads what [`KeyId::write`] wrote.
    ///
    /// # Errors
    /// Any CBOR error, `Range` for a purpose that this build does not know.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, crate::cbor::Error> {
        let purpose = reader.code(KeyPurpose::from_code)?;
        let generation = reader.code(|n| u32::try_from(n).ok())?;
        Ok(Self { purpose, generation })
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.purpose.name(), self.generation)
    }
}

/// Not the name of a service key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is named <purpose>.<generation>, for example tsu-ec.1")]
pub struct ParseKeyIdError;

impl FromStr for KeyId {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, ParseKeyIdError> {
        let (purpose, generation) = text.rsplit_once('.').ok_or(ParseKeyIdError)?;
        let purpose = *KeyPurpose::ALL.iter().find(|p| p.name() == purpose).ok_or(ParseKeyIdError)?;
        let key = Self { purpose, generation: generation.parse().map_err(|_| ParseKeyIdError)? };
        // One spelling only: no leading zero, no plus sign, no generation 0.
        if key.generation > 0 && key.to_string() == text { Ok(key) } else { Err(ParseKeyIdError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_spelling() {
        for purpose in KeyPurpose::ALL {
            let key = KeyId::new(*purpose, 3);
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for bad in ["tsu-ec", "tsu-ec.", "tsu-ec.0", "tsu-ec.01", "tsu-ec.+1", "tsu.1", ".1", "tsu-ec.4294967296"] {
            assert_eq!(bad.parse::<KeyId>(), Err(ParseKeyIdError), "{bad}");
        }
    }
}
