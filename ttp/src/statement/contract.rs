//! `contract/signed`: a party signs a document that a notary is to certify as a contract.
//!
//! All signers sign the same exact octets, by their hash, for one act of one service: a signature for one act is none for another.

use serde::{Deserialize, Serialize};

use super::{Body, Origin};
use crate::b64u::B64u32;
use crate::crypto::jose::Thumbprint;
use crate::id::{ActId, PartyId};

/// The body of `contract/signed`, schema `schemas/statements/contract.signed.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractSigned {
    /// For which act.
    pub act: ActId,
    /// SHA-256 of the contract's octets.
    pub document: B64u32,
    /// The origin of the service whose notary is asked.
    pub service: Origin,
    /// Who signs.
    pub party: PartyId,
    /// With which key: the one that signs.
    pub key: Thumbprint,
}

impl Body for ContractSigned {
    const TAG: &'static str = "contract/signed";
    const FOLLOWS: bool = false;

    fn signer(&self) -> Option<Thumbprint> {
        Some(self.key)
    }
}
