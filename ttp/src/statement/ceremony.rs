//! `keys/ceremony`: one of the two people under whose eyes keys were made says what happened (EN 319 411-1 GEN-6.5.1).
//!
//! Both sign the hash of one transcript, each with the key of the certificate that the service gave to them. Whether those certificates
//! were good, and of an operator and an officer, is for the service to say that records it.

use serde::{Deserialize, Serialize};

use super::{Body, Common, Jws, Origin, Salt, Statement, StatementFault, Unsigned};
use crate::b64u::{B64u, B64u32};
use crate::crypto::jose::{Algorithm, Key, Thumbprint};
use crate::crypto::{SignError, Signer};
use crate::digest::Digest;
use crate::time::Timestamp;
use crate::x509::Certificate;

/// The number of an operator's act, as it stands in facts: a ceremony was recorded. The subject is SHA-256 of its transcript.
pub const ACT_CEREMONY: u64 = 3;

/// The body of `keys/ceremony`, schema `schemas/statements/keys.ceremony.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CeremonyAttested {
    /// SHA-256 of the transcript.
    pub transcript: B64u32,
    /// The origin of the service whose keys they are.
    pub service: Origin,
    /// SHA-256 of the certificate of who attests.
    pub certificate: B64u32,
    /// With which key: that of the certificate.
    pub key: Thumbprint,
}

impl Body for CeremonyAttested {
    const TAG: &'static str = "keys/ceremony";
    const FOLLOWS: bool = false;

    fn signer(&self) -> Option<Thumbprint> {
        Some(self.key)
    }
}

/// Why nothing is attested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestFault {
    /// The service's name cannot stand in a statement.
    #[error("the service has no origin that a statement can name")]
    Origin,
    /// The key signs no statements.
    #[error("statements are signed with P-256, RSA or Ed25519 keys")]
    Key,
    /// The statement.
    #[error(transparent)]
    Statement(#[from] StatementFault),
    /// The key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Attests a transcript as the holder of `certificate`, whose key is `key`.
///
/// # Errors
/// [`AttestFault`].
pub fn attest(
    transcript: &Digest,
    service: &str,
    certificate: &Certificate,
    key: &dyn Signer,
    now: Timestamp,
    salt: [u8; 16],
) -> Result<Jws, AttestFault> {
    let thumbprint = Key::from_spki_der(key.spki_der()).map_err(|_| AttestFault::Key)?.thumbprint();
    let algorithm = Algorithm::of_signer(key.algorithm()).ok_or(AttestFault::Key)?;
    let body = CeremonyAttested {
        transcript: (*transcript).into(),
        service: Origin::new(service).ok_or(AttestFault::Origin)?,
        certificate: certificate.digest().into(),
        key: thumbprint,
    };
    let common = Common { salt: Salt(B64u(salt)), iat: now.into(), x: None, shown: None };
    let unsigned = Unsigned::new(&Statement { common, body }, algorithm, thumbprint)?;
    let signature = key.sign_raw(unsigned.message())?;
    Ok(unsigned.finish(&signature)?)
}

/// Whose certificate a statement names, if it attests this transcript of this service.
#[must_use]
pub fn attested_by(jws: &Jws, transcript: &Digest, service: &str) -> Option<Digest> {
    let body = jws.payload_as::<CeremonyAttested>().ok()?.body;
    let about_this = Digest::from(body.transcript) == *transcript && body.service.as_str() == service;
    about_this.then(|| body.certificate.into())
}

/// Whether the statement is signed by the key of this certificate.
#[must_use]
pub fn is_signed_by(jws: &Jws, certificate: &Certificate) -> bool {
    Key::from_spki_der(&certificate.spki_der()).is_ok_and(|key| jws.verify(&key).is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testing::{PKI, start};

    #[test]
    fn what_was_attested_is_known_again_and_nothing_else() {
        let transcript = Digest::of(b"transcript");
        let attested = attest(&transcript, "log.example", &PKI.ca, &PKI.ca_key, start(), [7; 16]).unwrap();
        let jws = Jws::parse(attested.bytes()).unwrap();
        assert_eq!(attested_by(&jws, &transcript, "log.example"), Some(PKI.ca.digest()));
        assert_eq!(attested_by(&jws, &Digest::of(b"another"), "log.example"), None);
        assert_eq!(attested_by(&jws, &transcript, "other.example"), None);
        assert!(is_signed_by(&jws, &PKI.ca) && !is_signed_by(&jws, &PKI.root));
        // The signature of somebody else under the same name.
        let forged = attest(&transcript, "log.example", &PKI.ca, &PKI.root_key, start(), [7; 16]).unwrap();
        assert!(!is_signed_by(&forged, &PKI.ca));
        let no = attest(&transcript, "", &PKI.ca, &PKI.ca_key, start(), [7; 16]);
        assert_eq!(no.map(drop), Err(AttestFault::Origin));
    }

    #[test]
    fn the_schema_has_the_members_of_the_code() {
        let schema: Value =
            serde_json::from_str(include_str!("../../../schemas/statements/keys.ceremony.json")).unwrap();
        let attested = attest(&Digest::of(b""), "log.example", &PKI.ca, &PKI.ca_key, start(), [7; 16]).unwrap();
        let written: Value = serde_json::from_slice(attested.payload()).unwrap();
        let mut required: Vec<_> = schema["required"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        required.sort_unstable();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&written), required);
        assert_eq!(names(&schema["properties"]), required);
        assert_eq!(schema["properties"]["t"]["const"], CeremonyAttested::TAG);
    }
}
