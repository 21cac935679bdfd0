//! The certificate authority: certificates and CRLs (RFC 5280, ETSI EN 319 412).
//!
//! Who asks: operators at `semper init`, the timer that renews CRLs, officers who approved an application or revoke. What is
//! promised: a certificate has the profile of its kind and nothing else; a CRL number never falls; both are ledger
//! entries before anyone sees them.
//!
//! ```text
//! root ── ca-party ── operator, officer (client certificates)
//!      ├─ ca-server          (TLS, later)
//!      └─ ca-tsu ── tsu-ec, tsu-rsa
//! ```
//!
//! [`certificate`], [`crl`] and their neighbours build and judge artefacts and decide nothing; the role [`Crl`] decides when a list
//! is issued and under which number, the role [`credential`] about each certificate. Each artefact is made in two steps, `prepare` (the bytes to be signed) and `finish`
//! (with the signature), so that signing runs where the shell wants it.
//!
//! Out of scope here: applications and who decides them, ACME (later issues), and which key signs (the shell).

mod apply;
pub mod bulk;
pub mod certificate;
pub mod credential;
pub mod crl;
mod decide;
pub mod dual_control;
mod event;
mod fact;
pub mod imported;
pub mod key;
pub mod lint;
pub mod name;
pub mod ocsp;
pub mod offline;
mod place;
pub mod profile;
mod refusal;
pub mod request;
mod state;

pub use event::CrlEvent;
pub use fact::{CaFact, Grounds};
pub use place::{CaId, ListId, common_name};
pub use refusal::CrlRefusal;
pub use state::{CrlState, LastCrl};

use crate::cbor::{self, Reader, Writer};
use crate::digest::Digest;
use crate::evidence::KeyPurpose;
use crate::role::{Decided, Folded, Role};
use crate::time::Timestamp;
use crate::x509::Certificate;

/// One of our certificate authorities. The codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Authority {
    /// Signs the issuing CAs and the list of revoked ones (ARL).
    Root = 0,
    /// Issues for people: parties, operators, officers.
    Party = 1,
    /// Issues for servers.
    Server = 2,
    /// Issues for timestamping units.
    Tsu = 3,
    /// Issued elsewhere until it was taken over: it tells the status of what it issued, and issues nothing more. Each that is taken
    /// over is one of this line, and none follows another.
    Imported = 4,
}

impl Authority {
    /// All of them, root first.
    pub const ALL: [Self; 5] = [Self::Root, Self::Party, Self::Server, Self::Tsu, Self::Imported];

    /// Those that every service has from its beginning.
    pub const OWN: [Self; 4] = [Self::Root, Self::Party, Self::Server, Self::Tsu];

    /// The issuing CAs.
    pub const ISSUING: [Self; 3] = [Self::Party, Self::Server, Self::Tsu];

    /// The stored number.
    #[must_use]
    pub const fn code(self) -> u64 {
        self as u64
    }

    /// The authority with this number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.code() == code)
    }

    /// The name in URLs and files: `/crl/<name>.crl`, `/ca/<name>.cer`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Party => "ca-party",
            Self::Server => "ca-server",
            Self::Tsu => "ca-tsu",
            Self::Imported => "ca-imported",
        }
    }

    /// The authority with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }

    /// The name in URLs of one of its line: the first has the bare one, `ca-party`, the second is `ca-party.2`.
    #[must_use]
    pub fn place(self, generation: u32) -> String {
        if generation == 1 { self.name().to_owned() } else { format!("{}.{generation}", self.name()) }
    }

    /// What the key is for that it signs with.
    #[must_use]
    pub const fn key_purpose(self) -> KeyPurpose {
        match self {
            Self::Root => KeyPurpose::CaRoot,
            Self::Party => KeyPurpose::CaParty,
            Self::Server => KeyPurpose::CaServer,
            Self::Tsu => KeyPurpose::CaTsu,
            Self::Imported => KeyPurpose::CaImported,
        }
    }

    /// What the key is for that answers OCSP for it. The root's few certificates are in its list alone; what was taken over
    /// answers itself, since it certifies no responder.
    #[must_use]
    pub const fn responder_purpose(self) -> Option<KeyPurpose> {
        match self {
            Self::Root | Self::Imported => None,
            Self::Party => Some(KeyPurpose::OcspParty),
            Self::Server => Some(KeyPurpose::OcspServer),
            Self::Tsu => Some(KeyPurpose::OcspTsu),
        }
    }

    /// From thisUpdate to nextUpdate of its lists, seconds; the next is issued at half of it. Two days give a new list
    /// every 24 hours (EN 319 411-1 CSS-6.3.9-05). The root's list changes only when an issuing CA is revoked, and may
    /// live for 12 months (BR 4.9.7): 60 days leave a month to bring an ailing root key back.
    #[must_use]
    pub const fn crl_life_secs(self) -> u32 {
        const DAY: u32 = 24 * 3600;
        match self {
            Self::Root => 60 * DAY,
            Self::Party | Self::Server | Self::Tsu | Self::Imported => 2 * DAY,
        }
    }
}

/// What is recorded of a certificate. All but the grounds stands in the certificate itself.
#[must_use]
pub fn issued(
    issuer: Authority,
    profile: profile::ProfileCode,
    certificate: &Certificate,
    grounds: Option<Grounds>,
) -> CaFact {
    CaFact::CertificateIssued {
        issuer,
        profile,
        serial: certificate.serial(),
        public_key: Digest::of(&certificate.spki_der()),
        not_before: certificate.validity().not_before,
        not_after: certificate.validity().not_after,
        grounds,
    }
}

/// The role that issues one authority's CRLs; one aggregate for each authority.
#[derive(Clone, Copy, Debug)]
pub struct Crl;

/// What the shell must do for a CRL fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrlEffect {
    /// Build ([`crl::prepare`]) and sign this list; its DER is the artefact of the fact.
    Sign(crl::CrlContent),
    /// Come back with [`CrlEvent::Issue`] at this moment: half the list's life is then left.
    WakeAt(Timestamp),
}

impl Role for Crl {
    type State = CrlState;
    type Event = CrlEvent;
    type Fact = CaFact;
    type Effect = CrlEffect;
    type Refusal = CrlRefusal;

    fn decide(state: &CrlState, event: &CrlEvent, now: Timestamp) -> Result<Decided<Self>, CrlRefusal> {
        decide::decide(state, event, now)
    }

    fn apply(state: &mut CrlState, fact: &CaFact) {
        apply::apply(state, fact);
    }
}

impl Folded for Crl {
    const STATE_VERSION: u64 = 1;

    fn write_state(state: &CrlState, writer: &mut Writer) {
        state.write(writer);
    }

    fn read_state(reader: &mut Reader<'_>) -> Result<CrlState, cbor::Error> {
        CrlState::read(reader)
    }
}
