//! `terms/accepted`: a party accepts the terms of a service. It precedes every account and every deal.
//!
//! The party signs which document it accepts, by hash, from which service, as whom and with which key. Whether that is
//! the document in force, the party's key and this service is for the role to say that asked for it.

use serde::{Deserialize, Serialize};

use super::{Body, Origin};
use crate::b64u::B64u32;
use crate::crypto::jose::Thumbprint;
use crate::id::PartyId;

/// The body of `terms/accepted`, schema `schemas/statements/terms.accepted.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsAccepted {
    /// SHA-256 of the terms as served. Public text, so nothing is to be guessed from the bare hash.
    pub policy: B64u32,
    /// The origin of the service whose terms they are.
    pub service: Origin,
    /// Who accepts.
    pub party: PartyId,
    /// With which key: the one that signs.
    pub key: Thumbprint,
}

impl Body for TermsAccepted {
    const TAG: &'static str = "terms/accepted";
    const FOLLOWS: bool = false;

    fn signer(&self) -> Option<Thumbprint> {
        Some(self.key)
    }
}
