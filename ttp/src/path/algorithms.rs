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

    /// What ETSI TS 119 312 V1.5.1 accepts, which follows the list of SOG-IS; an algorithm that it recommends has no end. Dates that
    /// are past are those of its earlier versions, as validators in Europe carry them on, so that old signatures with a proof of
    /// existence are judged by what was known at their time. It does not name Ed25519; FIPS 186-5 §7 does.
    #[must_use]
    pub fn builtin() -> Self {
        const LINES: [(&str, u32, Option<&str>); 22] = [
            ("sha1", 0, Some("2012-08-01")),
            ("sha224", 0, Some("2029-01-01")),
            ("sha256", 0, None),
            ("sha384", 0, None),
            ("sha512", 0, None),
            ("rsa-pkcs1", 0, Some("2029-01-01")),
            ("rsa-pss", 0, None),
            ("ecdsa", 0, None),
            ("dsa", 0, None),
            ("ed25519", 0, None),
            ("rsa", 1_024, Some("2019-10-01")),
            ("rsa", 1_900, Some("2029-01-01")),
            ("rsa", 3_000, None),
            ("dsa", 1_024, Some("2015-12-01")),
            ("dsa", 1_900, Some("2029-01-01")),
            ("dsa", 3_000, None),
            ("p256", 0, None),
            ("p384", 0, None),
            ("p521", 0, None),
            ("brainpool-p256", 0, None),
            ("brainpool-p384", 0, None),
            ("brainpool-p512", 0, None),
        ];
        let accepted = LINES.map(|(name, bits_min, until)| Accepted {
            name: name.to_owned(),
            bits_min,
            until: until.and_then(|day| Timestamp::from_rfc3339(&format!("{day}T00:00:00Z"))),
        });
        Self { name: "ETSI TS 119 312 V1.5.1".to_owned(), accepted: accepted.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::EcCurve;

    #[test]
    fn what_is_accepted_ends() {
        let table = AlgorithmTable::builtin();
        let day = |day: &str| Timestamp::from_rfc3339(&format!("{day}T00:00:00Z")).unwrap();
        let rsa = |bits| Matter::Key(KeyType::Rsa { bits });
        let pkcs1 = Matter::Scheme(SignatureScheme::RsaPkcs1(Hash::Sha256));
        let rows = [
            (Matter::Hash(Hash::Sha1), "2012-07-31", Ok(())),
            (Matter::Hash(Hash::Sha1), "2012-08-01", Err(Some("2012-08-01"))),
            (Matter::Hash(Hash::Sha256), "2099-01-01", Ok(())),
            (rsa(512), "2000-01-01", Err(None)),
            (rsa(1024), "2019-09-30", Ok(())),
            (rsa(2048), "2028-12-31", Ok(())),
            (rsa(2048), "2029-01-01", Err(Some("2029-01-01"))),
            (rsa(3072), "2040-01-01", Ok(())),
            (pkcs1, "2029-01-01", Err(Some("2029-01-01"))),
            (Matter::Key(KeyType::Ec(EcCurve::P521)), "2040-01-01", Ok(())),
            (Matter::Key(KeyType::Ed25519), "2040-01-01", Ok(())),
        ];
        for (matter, at, expected) in rows {
            let judged = table.judge(matter, day(at)).map_err(|refusal| refusal.until);
            assert_eq!(judged, expected.map_err(|until: Option<&str>| until.map(day)), "{matter} {at}");
        }
        // Everything that is wrong is told.
        let scheme = SignatureScheme::RsaPkcs1(Hash::Sha1);
        let refused = table.judge_signature(scheme, KeyType::Rsa { bits: 1024 }, day("2030-01-01"));
        let words: Vec<_> = refused.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), 3);
        assert!(words[1].starts_with("sha1 was accepted until 2012-08-01"), "{words:?}");
        // What is in no line was never accepted.
        let empty = AlgorithmTable { name: String::new(), accepted: Vec::new() };
        assert_eq!(empty.judge_signature(SignatureScheme::Ed25519, KeyType::Ed25519, day("2026-01-01")).len(), 2);
    }

    #[test]
    fn lines_name_something() {
        let mut known: Vec<String> = Hash::ALL.iter().map(|hash| hash.name().to_owned()).collect();
        known.extend(
            ["rsa-pkcs1", "rsa-pss", "ecdsa", "dsa", "ed25519", "rsa", "p256", "p384", "p521"].map(str::to_owned),
        );
        known.extend(["brainpool-p256", "brainpool-p384", "brainpool-p512"].map(str::to_owned));
        for line in AlgorithmTable::builtin().accepted {
            assert!(known.contains(&line.name), "{}", line.name);
        }
    }
}
