//! One module per command: `run(args, json) -> Exit`; beside them what several commands share.

<<<<<<< HEAD
=======
mod atomic;
mod hashing;
mod remote;
mod say;

pub(crate) mod bench;
pub(crate) mod demo;
>>>>>>> 7dc53a8836c16bcc96395f3d05778743e5949c94
pub(crate) mod fsck;
pub(crate) mod init;
pub(crate) mod prove;
pub(crate) mod serve;
pub(crate) mod stamp;
pub(crate) mod verify;
