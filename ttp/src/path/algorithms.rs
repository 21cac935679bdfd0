//! Which algorithms are accepted until when: a dated table. What is not in it is not accepted.

use std::fmt;

use crate::crypto::{Hash, KeyType, SignatureScheme};
use crate::time::Timestamp;

/// What is signed. A table can accept an algorithm in one place and not in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// The algorithm of a signature as a whole.
    Scheme(SignatureScheme),
    /// A hash: in a signature, of a document, of a timestamp's imprint.
    Hash(Hash),
    /// A key, with its size.
    Key(KeyType),
}

impl fmt::Display for Matter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => write!(f, "{scheme}"),
            Self::Hash(hash) => f.write_str(hash.name()),
            Self::Key(key) => write!(f, "{key}"),
        }
    }
}

/// An algorithm that was not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{matter} {}", match until {
    Some(until) => format!("was accepted until {until}, and is asked about {at}"),
    None => "is not among the accepted algorithms".to_owned(),
})]
pub struct AlgorithmRefusal {
    /// Which.
    pub matter: Matter,
    /// When its acceptance ended; `None` if it never was.
    pub until: Option<Timestamp>,
    /// The moment asked about.
    pub at: Timestamp,
}

/// One line of a table: what is accepted, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// A hash (`sha256`), a scheme without its hash (`rsa-pss`), or a kind of key (`rsa`, `dsa`, `ed25519`, or a curve: `p256`).
    pub name: String,
    /// For `rsa` and `dsa`: the fewest bits.
    pub bits_min: u32,
    /// The first moment at which it is accepted no more; `None` for no end in sight.
    pub until: Option<Timestamp>,
}

/// Which algorithms are accepted until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlgorithmTable {
    /// How reports name it.
    pub name: String,
    /// Its lines. Of several that fit, the one that ends last counts.
    pub accepted: Vec<Accepted>,
}

impl AlgorithmTable {
    /// Whether `matter` was acceptable at `at`.
    ///
    /// # Errors
    /// [`AlgorithmRefusal`].
    pub fn judge(&self, matter: Matter, at: Timestamp) -> Result<(), AlgorithmRefusal> {
        let (name, bits) = match matter {
            Matter::Scheme(scheme) => (scheme.family(), u32::MAX),
            Matter::Hash(hash) => (hash.name(), u32::MAX),
            Matter::Key(KeyType::Ec(curve)) => (curve.name(), u32::MAX),
            Matter::Key(key) => (key.family(), key.bits()),
        };
        let fitting = self.accepted.iter().filter(|line| line.name == name && line.bits_min <= bits);
        let mut last = None;
        for line in fitting {
            match line.until {
                None => return Ok(()),
                Some(until) if at < until => return Ok(()),
                Some(until) => last = last.max(Some(until)),
            }
        }
        Err(AlgorithmRefusal { matter, until: last, at })
    }

    /// Everything that is wrong with a signature by this scheme and key at `at`.
    #[must_use]
    pub fn judge_signature(&self, scheme: SignatureScheme, key: KeyType, at: Timestamp) -> Vec<AlgorithmRefusal> {
        let mut matters = vec![Matter::Scheme(scheme), Matter::Key(key)];
        // Ed25519's hash is a part of it.
        if scheme != SignatureScheme::Ed25519 {
            matters.insert(1, Matter::Hash(scheme.hash()));
        }
        matters.into_iter().filter_map(|matter| self.judge(matter, at).err()).collect()
    }

    /// What ETSI TS 119 312 V1.4.3 and the SOG-IS list V1.3 that it follows accept.
    #[must_use]
    pub fn builtin() -> Self {
        Self { name: "ETSI TS 119 312".to_owned(), accepted: Vec::new() }
    }
}
