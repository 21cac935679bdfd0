//! One module per command: `run(args, json) -> Exit`.

pub(crate) mod init;
pub(crate) mod serve;
