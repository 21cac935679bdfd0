//! TSTInfo of strangers (RFC 3161 §2.4.2): what of it counts for a proof of existence.

use crate::asn1::ber::Reader;
use crate::asn1::{PolicyId, der};
use crate::cms::{Algorithm, attribute_time};
use crate::crypto::Hash;
use crate::time::Timestamp;

/// What a token says.
#[derive(Clone, Debug)]
pub(super) struct TstInfo<'a> {
    pub(super) policy: PolicyId,
    /// Of the imprint; `None` for one that is not known.
    pub(super) hash: Option<Hash>,
    pub(super) imprint: &'a [u8],
    pub(super) gen_time: Timestamp,
}

impl<'a> TstInfo<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes).take(der::SEQUENCE)?.inside();
        if fields.take(der::INTEGER)?.content != [1] {
            return None;
        }
        let policy = PolicyId::from_content(fields.take(der::OID)?.content)?;
        let mut imprint = fields.take(der::SEQUENCE)?.inside();
        let hash = Hash::from_oid(Algorithm::take(&mut imprint)?.oid);
        let imprint = imprint.take(der::OCTET_STRING)?.content;
        fields.take(der::INTEGER)?;
        let gen_time = std::str::from_utf8(fields.take(der::GENERALIZED_TIME)?.content).ok()?;
        Some(Self { policy, hash, imprint, gen_time: attribute_time(gen_time)? })
    }

    /// True if it is over `message`.
    pub(super) fn is_over(&self, message: &[u8]) -> bool {
        self.hash.is_some_and(|hash| hash.of(message) == self.imprint)
    }
}
