//! The thin shell: HTTP in front, the ledger behind, and between them the service loop.
//!
//! Where to begin: [`router`] (every route on one screen), [`service`] (an event's way from parsing to its answer).
//! Nothing is decided here (`semper-ttp` does) and nothing is ordered or stored (`semper-ledger` does). The system clock,
//! settings and signals belong to `semper-ops`.

pub mod access;
pub mod admin;
mod authorities;
pub mod backup;
mod body;
pub mod client;
mod dvcs;
mod gzip;
pub mod hsm;
mod ledger;
pub mod log_source;
pub mod mailbox;
pub mod messages;
pub mod metrics;
pub mod monitor;
pub mod notices;
mod ocsp;
pub mod pool;
mod problem;
pub mod promises;
pub mod quota;
pub mod rails;
pub mod router;
pub mod server;
pub mod service;
mod timestamp;
pub mod tls;
pub mod v1;
mod well_known;
pub mod witness;
pub mod witnesses;

pub use authorities::{Authorities, AuthorityKey, LIST_OF_ALL_SECS};
pub use service::{
    ActFault, CeremonyFault, CredentialFault, DvcsSettings, Endpoint, ExchangeFault, ExchangeParts, Imported,
    IssuedCertificate, ItemSettings, KeyParts, KeyStanding, KeyStore, KeyStoreFault, KnownApplication,
    KnownCertificate, KnownIssue, KnownKey, KnownList, KnownParty, Listener, NotaryFault, NotaryParts, NotarySettings,
    NoticeParts, OCSP_LIFE_SECS, PartyFault, PaymentFault, Policies, PolicyInForce, Preview, RailParts,
    RegistrationFault, RegistrationParts, ResponderKey, RevokeFault, Rotated, RotationCause, RotationFault, SealFault,
    Sealed, Service, ServiceParts, Statements, TimeSource, ToIssue, ToRevoke, draft, payments_in_background,
};
