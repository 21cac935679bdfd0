//! The append-only evidence ledger that every role of Semper shares.
//!
//! Without features this crate is pure: bytes, hashes, proofs and their verification, no thread, no file, no clock. A
//! verifier needs no more. The feature `store` adds the sequencer, which appends, and the storage behind it.
//!
//! Where to begin: [`entry`] (what is public), [`merkle`] (how it is hashed), [`receipt`] (what a client gets).
//! Out of scope: what an entry means (`ttp`), HTTP (`api`), keys (`ttp::crypto`, through [`port`]).

#[cfg(feature = "store")]
pub mod anchor;
pub mod checkpoint;
#[cfg(feature = "store")]
pub mod complete;
pub mod cosignature;
#[cfg(feature = "store")]
pub mod disk;
pub mod entry;
#[cfg(feature = "store")]
pub mod erasure;
#[cfg(feature = "store")]
pub mod export;
#[cfg(feature = "store")]
pub mod fsck;
#[cfg(feature = "store")]
pub mod ledger;
pub mod merkle;
#[cfg(feature = "store")]
pub mod monitor;
pub mod note;
pub mod policy;
pub mod port;
pub mod proof;
#[cfg(feature = "store")]
pub mod reader;
pub mod receipt;
#[cfg(feature = "store")]
pub mod sequencer;
#[cfg(feature = "store")]
mod slots;
#[cfg(feature = "store")]
pub mod store;
#[cfg(test)]
mod testing;
pub mod tile;
pub mod witness;
