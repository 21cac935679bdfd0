//! One file for each event of a CRL.

mod import_crl;
mod issue_crl;

use super::{Crl, CrlEvent, CrlRefusal, CrlState};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn decide(state: &CrlState, event: &CrlEvent, now: Timestamp) -> Result<Decided<Crl>, CrlRefusal> {
    match event {
        CrlEvent::Issue { .. } => issue_crl::issue_crl(state, event, now),
        CrlEvent::Import { list, listed, revoked } => import_crl::import_crl(state, *list, listed, revoked, now),
    }
}
