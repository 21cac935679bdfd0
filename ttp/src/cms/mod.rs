//! CMS SignedData (RFC 5652), as far as third parties of this suite share it: what they sign, by [`Template`], and what others
//! sent, by [`SignedData`].
//!
//! Both work on octets: a template is filled at the rate of signatures, and what was received is hashed and copied as it came.
//! Nothing here decides whom to believe, so producers and [`crate::verify`] may both read with it.

mod attribute;
mod material;
pub(crate) mod oids;
mod signature;
pub(crate) mod signed_data;
mod template;
#[cfg(test)]
mod tests;

pub use signature::SignatureFault;
pub use signed_data::{SignedData, SignerInfo};
pub use template::{Prepared, Template};

pub(crate) use attribute::{Attributes, EssCert, generalized as attribute_time, time};
pub(crate) use material::{other_revocation, whole_ocsp};
pub(crate) use signed_data::{Algorithm, MATERIAL_MAX, SignerId};

/// id-signedData (RFC 5652 §5.1), in DER.
pub const SIGNED_DATA: [u8; 11] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];

/// AlgorithmIdentifier of SHA-256 without parameters (RFC 5754 §2).
pub const SHA256_IDENTIFIER: [u8; 13] = [0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
