//! Signatures of strangers.
mod ber;
pub mod cms;
pub mod indication;
mod oids;
pub mod pdf;
pub mod report;
