//! One file for each event of a CRL.

mod issue_crl;

use super::{Crl, CrlEvent, CrlRefusal, CrlState};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn decide(state: &CrlState, event: &CrlEvent, now: Timestamp) -> Result<Decided<Crl>, CrlRefusal> {
    issue_crl::issue_crl(state, event, now)
}
