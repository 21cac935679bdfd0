//! The timestamping authority: RFC 3161 and 5816 in the profile of ETSI EN 319 422.
//!
//! Anyone asks, with the digest of a document. Promised: a token that says this digest existed at `genTime`, the
//! decision's own clock reading, made with a key whose certificate permits nothing else, logged before it is released.
//! A client that repeats a request gets a new token. A refusal is a rejection in the protocol, with a reason.
//!
//! ```text
//! bytes ── request::parse ──▶ Request ──▶ decide(Endpoint, Stamp, now) ──▶ TokenIssued + Sign(TokenContent)
//!             │ Refusal                       │ Refusal                                  │
//!             ▼                               ▼                                          ▼
//!        response::rejection            response::rejection      token::prepare → (pool) sign → finish ─▶ response
//! ```
//!
//! The role has no state: an [`Endpoint`] is settings, and the shell draws the serial's counter. Tests: beside each
//! file; the tokens' bytes against the specification in [`token`].
//!
//! Out of scope: HTTP rules and quotas (`semper-api`), the clock (`semper-ops`), the ledger.

mod decide;
mod event;
mod fact;
mod refusal;
pub mod request;
pub mod response;
mod state;
pub mod token;
mod tsu;

pub use event::{ClockVerdict, Stamp, TokenSerial};
pub use fact::TimestampFact;
pub use refusal::{FailInfo, Refusal};
pub use state::{Accuracy, Endpoint, Settings, SettingsFault};
pub use token::{Stamped, ToBeSigned, TokenContent};
pub use tsu::{LoadFault, Tsu};

use crate::role::{Decided, Role};
use crate::time::Timestamp;

/// The role.
#[derive(Clone, Copy, Debug)]
pub struct TimestampAuthority;

/// What the shell must do for an issued token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimestampEffect {
    /// Sign this content with the endpoint's key ([`token::prepare`], [`ToBeSigned::finish`]); the token is the artefact
    /// of the fact.
    Sign(TokenContent),
}

impl Role for TimestampAuthority {
    type State = Endpoint;
    type Event = Stamp;
    type Fact = TimestampFact;
    type Effect = TimestampEffect;
    type Refusal = Refusal;

    fn decide(endpoint: &Endpoint, event: &Stamp, now: Timestamp) -> Result<Decided<Self>, Refusal> {
        decide::stamp(endpoint, event, now)
    }

    /// Nothing: a token changes no later decision. Serials stay unique because the shell never gives a counter twice.
    fn apply(_endpoint: &mut Endpoint, _fact: &TimestampFact) {}
}
