//! The harness of the tests that need the whole house: a server as a process, and clients that are less than decent.
//!
//! | module | what |
//! |---|---|
//! | [`process`] | the program as a process: its lines, its end |
//! | [`server`] | a service: data folder, the running server |
//! | [`pki`] | a root and its issuing CAs in this process, served over HTTP |
//! | [`witness`] | a witness, and a log of the test's own that it cosigns |
//! | [`monitor`] | a monitor of a log, and logs as folders |
//! | [`liar`] | servers that do not do what they should |
//! | [`http`] | an HTTP client that shows and sends raw bytes |
//! | [`stamp`] | a client that keeps every token and proof, and judges them offline |
//! | [`strangers`] | programs of others, and how they are run |
//! | [`notary`] | a server with a notary, its parties and its officer |
//! | [`exchange`] | a side of an exchange that listens |
//! | [`bouncy`] | BouncyCastle as a peer in data validation |
//! | [`vault`] | where backups lie, and who can read them |
//! | [`tls`] | a client's half of TLS, with and without a certificate |
//! | [`receiver`] | a holder's webhook receiver |
//! | [`realtime`] | servers in another time than ours |
//! | [`softhsm`] | a PKCS#11 token, behind a module that fails as a test says |
//! | [`dice`] | seeded randomness |
//! | [`powercut`] | a file system that forgets what was not synced |
//!
//! The tests are in `tests/`, the programs of strangers in `strangers/`, the fuzz targets in `fuzz/` (a workspace of its
//! own).

pub mod arbiter;
pub mod bouncy;
pub mod dice;
pub mod exchange;
pub mod http;
pub mod liar;
pub mod monitor;
pub mod notary;
pub mod pki;
pub mod powercut;
pub mod process;
pub mod realtime;
pub mod receiver;
pub mod server;
pub mod softhsm;
pub mod stamp;
pub mod strangers;
pub mod tls;
pub mod vault;
pub mod witness;

use std::path::PathBuf;

/// The folder `tests/` of the checkout that runs, as cargo tells it now: the one at compile time may have been another's,
/// since checkouts share a target folder.
#[must_use]
pub fn source_folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("tests are run by cargo").into()
}
