//! By what a notary judges signatures: the rules, and whose signatures are trusted besides those under its own root. One document,
//! recorded like every policy.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::policy::{Policy, PolicyFault};
use crate::path::{Anchor, AnchorFault, Certificate, ReadFault};

/// The most anchors of each kind.
const ANCHORS_MAX: usize = 256;

/// The rules and anchors of an operator.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The rules.
    pub policy: Policy,
    /// Whose signatures are trusted in the end.
    pub signers: Vec<Arc<Anchor>>,
    /// Whose timestamps are.
    pub timestamps: Vec<Arc<Anchor>>,
    document: Vec<u8>,
}

/// Why nobody can judge by this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesFault {
    /// Not such a document.
    #[error("the rules do not read: {0}")]
    Form(String),
    /// The policy.
    #[error(transparent)]
    Policy(#[from] PolicyFault),
    /// A certificate.
    #[error("an anchor's certificate: {0}")]
    Certificate(#[from] ReadFault),
    /// A key.
    #[error(transparent)]
    Anchor(#[from] AnchorFault),
    /// More than are looked at.
    #[error("more than {ANCHORS_MAX} anchors of one kind")]
    TooMany,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// The file, as it is.
    policy: String,
    /// Certificates, DER in base64.
    signers: Vec<String>,
    timestamps: Vec<String>,
}

impl Rules {
    /// From a policy's file (the built-in one if there is none) and certificates in DER.
    ///
    /// # Errors
    /// [`RulesFault`].
    pub fn new(policy: Option<&[u8]>, signers: &[Vec<u8>], timestamps: &[Vec<u8>]) -> Result<Self, RulesFault> {
        let file = policy.unwrap_or(Policy::BUILTIN.as_bytes());
        let policy = Policy::parse(file)?;
        let anchors = |ders: &[Vec<u8>]| -> Result<Vec<_>, RulesFault> {
            if ders.len() > ANCHORS_MAX {
                return Err(RulesFault::TooMany);
            }
            let read = |der: &Vec<u8>| Ok(Arc::new(Anchor::from_certificate(Arc::new(Certificate::from_der(der)?))?));
            ders.iter().map(read).collect()
        };
        let encoded = |ders: &[Vec<u8>]| ders.iter().map(|der| BASE64_STANDARD.encode(der)).collect();
        let file = String::from_utf8_lossy(file).into_owned();
        let document = Document { policy: file, signers: encoded(signers), timestamps: encoded(timestamps) };
        // Strings and lists of them.
        let document = serde_json::to_vec(&document).expect("the rules are plain data");
        Ok(Self { policy, signers: anchors(signers)?, timestamps: anchors(timestamps)?, document })
    }

    /// Reads [`Rules::document`].
    ///
    /// # Errors
    /// [`RulesFault`].
    pub fn parse(document: &[u8]) -> Result<Self, RulesFault> {
        let Document { policy, signers, timestamps } =
            serde_json::from_slice(document).map_err(|fault| RulesFault::Form(fault.to_string()))?;
        let decoded = |texts: Vec<String>| -> Result<Vec<_>, RulesFault> {
            let read = |text| BASE64_STANDARD.decode(text).map_err(|fault| RulesFault::Form(fault.to_string()));
            texts.into_iter().map(read).collect()
        };
        Self::new(Some(policy.as_bytes()), &decoded(signers)?, &decoded(timestamps)?)
    }

    /// What is recorded: `{"policy": the file, "signers": [base64 DER…], "timestamps": […]}`.
    #[must_use]
    pub fn document(&self) -> &[u8] {
        &self.document
    }
}

impl Default for Rules {
    /// The built-in policy, and no anchors.
    fn default() -> Self {
        // A test reads it.
        Self::new(None, &[], &[]).expect("the built-in policy reads")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::PKI;

    #[test]
    fn the_document_holds_all_of_it() {
        let own = b"name = \"ours\"\n";
        let rules = Rules::new(Some(own), &[PKI.root.der().to_vec()], &[]).unwrap();
        assert_eq!((rules.policy.name(), rules.signers.len(), rules.timestamps.len()), ("ours", 1, 0));
        let document: Value = serde_json::from_slice(rules.document()).unwrap();
        let root = BASE64_STANDARD.encode(PKI.root.der());
        assert_eq!(document, json!({ "policy": "name = \"ours\"\n", "signers": [root], "timestamps": [] }));
        assert_eq!(Rules::parse(rules.document()).unwrap().document(), rules.document());
        assert_eq!(Rules::default().policy.hash(), Policy::builtin().hash());
    }

    #[test]
    fn what_does_not_read_is_named() {
        let wrong = |policy: &[u8], der: &[u8]| Rules::new(Some(policy), &[], &[der.to_vec()]).err();
        assert!(matches!(wrong(b"nam = 1", PKI.root.der()), Some(RulesFault::Policy(_))));
        assert!(matches!(wrong(b"name = \"a\"", b"no DER"), Some(RulesFault::Certificate(_))));
        assert!(matches!(Rules::parse(b"{}"), Err(RulesFault::Form(_))));
        let many = vec![PKI.root.der().to_vec(); ANCHORS_MAX + 1];
        assert_eq!(Rules::new(None, &many, &[]).err(), Some(RulesFault::TooMany));
    }
}
