//! One module per command: `run(args, json) -> Exit`; beside them what several commands share.

mod atomic;
mod hashing;
mod remote;
mod say;

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod export;
pub(crate) mod fsck;
pub(crate) mod init;
pub(crate) mod prove;
pub(crate) mod serve;
pub(crate) mod stamp;
pub(crate) mod verify;
