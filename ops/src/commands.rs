//! One module per command: `run(args, json) -> Exit`; beside them what several commands share.

mod atomic;
mod hashing;
mod identity;
mod pem_file;
mod remote;
pub(crate) mod running;
pub(crate) mod say;
mod stopped;

pub(crate) mod anchor;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod exchange;
pub(crate) mod export;
pub(crate) mod fsck;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod monitor;
pub(crate) mod notary;
pub(crate) mod party;
pub(crate) mod prove;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod stamp;
pub(crate) mod statements;
pub(crate) mod verify;
pub(crate) mod witness;

use semper_ttp::timestamp::response::{self, Response};

/// The token of a TimeStampResp, which is what other clients keep; anything else as it is.
fn token_of(bytes: Vec<u8>) -> Vec<u8> {
    match response::parse(&bytes) {
        Ok(Response::Granted(token)) => token,
        Ok(Response::Rejected { .. }) | Err(_) => bytes,
    }
}
