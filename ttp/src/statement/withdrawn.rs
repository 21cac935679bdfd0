//! `registration/withdrawn`: an applicant takes an application back. It has no certificate yet, and officers know the application's
//! name as it does: what nobody else has are the keys that were to be certified.

use serde::{Deserialize, Serialize};

use super::{Body, Origin};
use crate::crypto::jose::Thumbprint;
use crate::id::RegistrationId;

/// The body of `registration/withdrawn`, schema `schemas/statements/registration.withdrawn.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationWithdrawn {
    /// Which application.
    pub registration: RegistrationId,
    /// The origin of the service that it was sent to.
    pub service: Origin,
    /// With which key: one that the application is for.
    pub key: Thumbprint,
}

impl Body for RegistrationWithdrawn {
    const TAG: &'static str = "registration/withdrawn";
    const FOLLOWS: bool = false;

    fn signer(&self) -> Option<Thumbprint> {
        Some(self.key)
    }
}
