//! Folding facts into the state of a CRL.

use super::CaFact;
use super::state::{CrlState, LastCrl};

pub(super) fn apply(state: &mut CrlState, fact: &CaFact) {
    match fact {
        CaFact::CrlIssued { number, this_update, next_update, .. } => {
            state.last = Some(LastCrl { number: *number, this_update: *this_update, next_update: *next_update });
        }
        // Certificates have histories of their own.
        CaFact::CertificateIssued { .. }
        | CaFact::CertificateRevoked { .. }
        | CaFact::IssueRefused { .. }
        | CaFact::BulkOrdered { .. }
        | CaFact::BulkDone { .. }
        | CaFact::RevocationAsked { .. }
        | CaFact::AuthorityImported { .. }
        | CaFact::CertificateImported { .. } => {}
    }
}
