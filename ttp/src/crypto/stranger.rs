//! Keys and signatures of strangers: every algorithm that certificates, lists and signatures of others still use, each with
//! a name, so that a policy can refuse it. Nothing here signs.

mod key;
mod scheme;

pub use key::{DsaParameters, EcCurve, KeyFault, KeyType, StrangerKey};
pub use scheme::{Hash, SignatureScheme};
