//! Folding facts into the state of a certificate.

use super::state::{CertificateState, Revocation, Status};
use crate::ca::profile::ProfileCode;
use crate::ca::{CaFact, CaId, ListId};

pub(super) fn apply(state: &mut CertificateState, fact: &CaFact) {
    match fact {
        CaFact::CertificateIssued { issuer, profile, serial, public_key, not_before, not_after, grounds } => {
            let (generation, partition) = grounds.as_ref().map_or((1, 0), |g| (g.generation, g.partition));
            *state = CertificateState::Issued(Status {
                class: *profile,
                list: ListId { ca: CaId { authority: *issuer, generation }, partition },
                serial: serial.clone(),
                public_key: *public_key,
                not_before: *not_before,
                not_after: *not_after,
                revoked: None,
            });
        }
        CaFact::CertificateImported { ca, serial, public_key, not_before, not_after, revoked } => {
            *state = CertificateState::Issued(Status {
                class: ProfileCode::Imported,
                list: ListId { ca: *ca, partition: 0 },
                serial: serial.clone(),
                public_key: *public_key,
                not_before: *not_before,
                not_after: *not_after,
                revoked: *revoked,
            });
        }
        CaFact::CertificateRevoked { at, reason, .. } => {
            if let CertificateState::Issued(status) = state {
                status.revoked = Some(Revocation { at: *at, reason: *reason });
            }
        }
        // Others' histories.
        CaFact::CrlIssued { .. }
        | CaFact::IssueRefused { .. }
        | CaFact::BulkOrdered { .. }
        | CaFact::BulkDone { .. }
        | CaFact::RevocationAsked { .. }
        | CaFact::AuthorityImported { .. } => {}
    }
}
