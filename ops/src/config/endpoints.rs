//! The timestamping endpoints that settings make.

use semper_ttp::asn1::PolicyId;
use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::evidence::KeyPurpose;
use semper_ttp::timestamp::{Accuracy, Settings};

use super::{Config, HashName};

/// Which key signs where. The names stand in the aggregates of facts, so they never change.
pub(crate) const ENDPOINTS: [(KeyPurpose, &str); 2] = [(KeyPurpose::TsuEc, "/tsa"), (KeyPurpose::TsuRsa, "/tsa/rsa")];

/// The settings of the endpoint `name`, under the policy with this hash.
///
/// # Errors
/// The setting that is wrong, as a sentence.
pub(crate) fn endpoint_settings(config: &Config, name: &str, policy_hash: Digest) -> Result<Settings, String> {
    let policy = |text: &str| text.parse::<PolicyId>().map_err(|_| format!("{text} is no object identifier"));
    let default = config.policy_default().ok_or("tsa.policy_default is missing")?;
    let accepted = config.policies_accepted();
    let micros = |ms: u64| u32::try_from(ms.saturating_mul(1000)).unwrap_or(u32::MAX);
    Ok(Settings {
        name: name.to_owned(),
        default_policy: policy(default)?,
        accepted_policies: accepted.iter().map(|text| policy(text)).collect::<Result<_, _>>()?,
        hashes: config.tsa.hashes_accepted.iter().map(|name| hash(*name)).collect(),
        accuracy: Accuracy::from_micros(micros(config.tsa.accuracy_ms))
            .ok_or("tsa.accuracy_ms must be from 1 to 1000")?,
        clock_bound_micros: micros(config.clock.offset_bound_ms),
        qualified: config.tsa.qualified,
        policy_hash,
    })
}

fn hash(name: HashName) -> ImprintAlgorithm {
    match name {
        HashName::Sha256 => ImprintAlgorithm::Sha256,
        HashName::Sha384 => ImprintAlgorithm::Sha384,
        HashName::Sha512 => ImprintAlgorithm::Sha512,
        HashName::Sha3_256 => ImprintAlgorithm::Sha3_256,
        HashName::Sha3_384 => ImprintAlgorithm::Sha3_384,
        HashName::Sha3_512 => ImprintAlgorithm::Sha3_512,
    }
}
