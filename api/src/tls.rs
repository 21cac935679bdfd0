//! TLS by libcrypto's libssl: of the HTTP client, and of the listener for HTTPS.

pub(crate) mod client;
mod server;

pub use client::{ClientIdentity, ClientTrust, IdentityFault, RawConnector, TlsStream};
pub use server::{Acceptor, ClientCertificate, HandshakeFailure, ServerIdentity, TlsFault};
