//! What the verifier trusts. It comes from the verifier's own files, never from the evidence.

use semper_ledger::note::VerifierKey;
use semper_ledger::policy::{BadPolicy, Policy};
use serde::{Deserialize, Serialize};

use crate::asn1::{PolicyId, pem};
use crate::crypto::jose::{Key, Thumbprint};
use crate::crypto::{LogVerifier, p256_point};
use crate::verify::Outcome;
use crate::x509::Certificate;

/// How much later than the decision an entry may be, milliseconds, unless the ledger promised otherwise (DESIGN §4).
pub const MMD_MILLIS: u64 = 5_000;

/// Anchors and limits.
#[derive(Clone, Debug)]
pub struct Trust {
    pub(super) root: Certificate,
    pub(super) chain: Vec<Certificate>,
    pub(super) log_keys: Vec<VerifierKey>,
    /// The uncompressed point.
    pub(super) receipt_key: Option<[u8; 65]>,
    /// Which witnesses must have cosigned.
    pub(super) witnesses: Option<Policy>,
    pub(super) policies: Vec<PolicyId>,
    /// What its ledger promised, if a file says so.
    promise: Option<LedgerPromise>,
    /// Keys that are known to be an arbiter's.
    arbiters: Vec<Thumbprint>,
}

/// `ledger.json` of the trust folder: what the ledger promised in its genesis entry, as far as a verifier must know it.
/// Reaches disk: fields are only added, as `Option`, and unknown ones are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerPromise {
    /// How much later than the decision an entry may be, milliseconds.
    pub mmd_ms: u64,
    /// Of which log; without it, of the one whose key lies beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl LedgerPromise {
    /// The file, to the byte: `init` writes it and `fsck` compares with it.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a number and a text") + "\n"
    }
}

/// Why files are no trust.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustFault {
    /// Not exactly one certificate.
    #[error("root.pem must hold exactly one certificate")]
    Root,
    /// A certificate of the chain does not read.
    #[error("tsa-chain.pem does not read")]
    Chain,
    /// A line is no verifier key.
    #[error("ledger.vkey: {0}")]
    LogKey(String),
    /// Not one P-256 key.
    #[error("receipt.pem must hold exactly one public key, of P-256")]
    ReceiptKey,
    /// Not a policy.
    #[error("witnesses.policy: {0}")]
    Witnesses(#[from] BadPolicy),
    /// Not certificates, or of keys that sign no statements.
    #[error("arbiter.pem must hold the certificates of arbiters")]
    Arbiters,
    /// Not the JSON of [`LedgerPromise`].
    #[error("ledger.json: {0}")]
    Promise(String),
}

/// The keys of `ledger.vkey`, one a line; empty lines and `#` comments are skipped. For who judges a log alone.
///
/// # Errors
/// [`TrustFault::LogKey`].
pub fn log_keys(vkeys: &str) -> Result<Vec<VerifierKey>, TrustFault> {
    let lines = vkeys.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| VerifierKey::parse(line).map_err(|fault| TrustFault::LogKey(fault.to_string()))).collect()
}

impl Trust {
    /// From the texts of `root.pem`, `tsa-chain.pem` (units and issuing CAs, untrusted helpers for tokens without
    /// certificates; may be empty) and `ledger.vkey` (one key a line; empty lines and `#` comments are skipped).
    ///
    /// # Errors
    /// [`TrustFault`].
    pub fn from_texts(root_pem: &str, chain_pem: &str, vkeys: &str) -> Result<Self, TrustFault> {
        let certificates = |text| {
            let blocks = pem::decode("CERTIFICATE", text)?;
            blocks.iter().map(|der| Certificate::from_der(der).ok()).collect::<Option<Vec<_>>>()
        };
        let root = match certificates(root_pem).as_deref() {
            Some([root]) => root.clone(),
            _ => return Err(TrustFault::Root),
        };
        let chain = certificates(chain_pem).ok_or(TrustFault::Chain)?;
        let log_keys = log_keys(vkeys)?;
        let (policies, arbiters) = (Vec::new(), Vec::new());
        Ok(Self { root, chain, log_keys, receipt_key: None, witnesses: None, policies, promise: None, arbiters })
    }

    /// Accepts what was made under these policies only; with none, under every policy but the test policies ([`PolicyId::tests`]), one of
    /// which must be asked for by name. It is then both.
    #[must_use]
    pub fn with_policies(mut self, policies: Vec<PolicyId>) -> Self {
        self.policies = policies;
        self
    }

    /// Whether something that was made under the policies that `is_under` knows is accepted: one rule for tokens, data validation
    /// certificates and acts. `is_test` if it is of a test service, whatever it says of itself.
    pub(super) fn judge_policy(&self, is_test: bool, is_under: impl Fn(&PolicyId) -> bool) -> Outcome {
        match self.policies.as_slice() {
            [] if is_test => Outcome::not_checked(
                "it is of a test service, under whose policy nothing is proven; it was not asked for",
            ),
            [] => Outcome::not_checked("no policy was asked for"),
            some if is_test && !some.iter().any(PolicyId::is_test) => {
                Outcome::Failed("it is of a test service, whose policy is not accepted".to_owned())
            }
            some if is_test || some.iter().any(is_under) => Outcome::Ok,
            _ => Outcome::Failed("it is under none of the policies that are accepted".to_owned()),
        }
    }

    /// Whether policies were asked for.
    pub(super) fn asks_for_policies(&self) -> bool {
        !self.policies.is_empty()
    }

    /// The same trust, whatever the policy.
    pub(super) fn whatever_policy(&self) -> Self {
        Self { policies: Vec::new(), ..self.clone() }
    }

    /// With the text of `receipt.pem`, the P-256 key of COSE Receipts; without it none of them is judged.
    ///
    /// # Errors
    /// [`TrustFault::ReceiptKey`].
    pub fn with_receipt_key(mut self, text: &str) -> Result<Self, TrustFault> {
        let blocks = pem::decode("PUBLIC KEY", text).and_then(|blocks| <[_; 1]>::try_from(blocks).ok());
        let point = blocks.and_then(|[spki]| p256_point(&spki).copied());
        self.receipt_key = Some(point.ok_or(TrustFault::ReceiptKey)?);
        Ok(self)
    }

    /// With the text of `witnesses.policy` (c2sp.org/tlog-policy): only a checkpoint that its quorum has cosigned is then
    /// enough. The logs that it names are accepted beside those of `ledger.vkey`.
    ///
    /// # Errors
    /// [`TrustFault::Witnesses`].
    pub fn with_witnesses(mut self, text: &[u8]) -> Result<Self, TrustFault> {
        let policy = Policy::parse(text)?;
        let further = policy.logs().iter().map(|log| log.key.clone());
        let further: Vec<_> = further.filter(|key| !self.log_keys.contains(key)).collect();
        self.log_keys.extend(further);
        self.witnesses = Some(policy);
        Ok(self)
    }

    /// With the text of `arbiter.pem`: certificates of keys that the verifier knows to be an arbiter's. Only what convicts an arbiter that
    /// has recorded nothing under such a key needs it.
    ///
    /// # Errors
    /// [`TrustFault::Arbiters`].
    pub fn with_arbiters(mut self, text: &str) -> Result<Self, TrustFault> {
        let name = |der: &Vec<u8>| {
            let certificate = Certificate::from_der(der).ok()?;
            Key::from_spki_der(&certificate.spki_der()).ok().map(|key| key.thumbprint())
        };
        let blocks =
            pem::decode("CERTIFICATE", text).filter(|blocks| !blocks.is_empty()).ok_or(TrustFault::Arbiters)?;
        self.arbiters = blocks.iter().map(name).collect::<Option<_>>().ok_or(TrustFault::Arbiters)?;
        Ok(self)
    }

    /// The same for whoever has the names of the keys.
    #[must_use]
    pub fn with_arbiter_keys(self, arbiters: Vec<Thumbprint>) -> Self {
        Self { arbiters, ..self }
    }

    /// Whether a key is known to be an arbiter's.
    #[must_use]
    pub fn is_arbiter(&self, key: &Thumbprint) -> bool {
        self.arbiters.contains(key)
    }

    /// When a checkpoint was last seen by one of the witnesses that are known, seconds since 1970; `None` if none of them has signed it.
    #[must_use]
    pub fn cosigned_at(&self, checkpoint: &str) -> Option<u64> {
        let judged = self.witnesses.as_ref()?.judge_of(&self.log_keys, checkpoint, &LogVerifier).ok()?;
        judged.cosigned.into_iter().map(|(_, seconds)| seconds).max()
    }

    /// With the text of `ledger.json`. A folder without that file is of a ledger that promised [`MMD_MILLIS`].
    ///
    /// # Errors
    /// [`TrustFault::Promise`].
    pub fn with_promise(self, json: &str) -> Result<Self, TrustFault> {
        let promise: LedgerPromise =
            serde_json::from_str(json).map_err(|error| TrustFault::Promise(error.to_string()))?;
        Ok(Self { promise: Some(promise), ..self })
    }

    /// The largest span between decision and entry, milliseconds.
    #[must_use]
    pub fn mmd_millis(&self) -> u64 {
        self.promise.as_ref().map_or(MMD_MILLIS, |promise| promise.mmd_ms)
    }

    /// The same if it is known to be what the log of this origin promised: to convict it, neither what is usual nor another log's
    /// promise is enough.
    #[must_use]
    pub fn promised_millis(&self, origin: &str) -> Option<u64> {
        let promise = self.promise.as_ref()?;
        let of = match (&promise.origin, self.log_keys.as_slice()) {
            (Some(of), _) => of,
            (None, [key]) => key.name(),
            (None, _) => return None,
        };
        (of == origin).then_some(promise.mmd_ms)
    }

    /// Whether a checkpoint needs cosignatures to be enough.
    #[must_use]
    pub fn needs_witnesses(&self) -> bool {
        self.witnesses.as_ref().is_some_and(Policy::needs_witnesses)
    }

    /// The keys of the logs that are accepted.
    #[must_use]
    pub fn log_keys(&self) -> &[VerifierKey] {
        &self.log_keys
    }

    /// Another largest span between decision and entry, milliseconds.
    #[must_use]
    pub fn with_mmd_millis(self, mmd_millis: u64) -> Self {
        Self { promise: Some(LedgerPromise { mmd_ms: mmd_millis, origin: None }), ..self }
    }
}
