//! Orders of bulk revocation. What they concerned was revoked in facts of its own.

use super::party::{compare, judge_artefact};
use super::{Auditor, Case, Given, Outcome, recorded};
use crate::ca::CaFact;
use crate::ca::bulk::{BulkEvent, BulkRevocation, OrderDocument};
use crate::policy::roles::TrustedRole;
use crate::role::Role;
use crate::timestamp::ClockVerdict;

impl Auditor {
    pub(super) fn judge_bulk(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<CaFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        // Whatever let it pass: nothing is decided by a clock in doubt.
        let clock = ClockVerdict::Synced;
        let (order, event) = match stated {
            CaFact::BulkOrdered { order, document, reason, officer, .. } => {
                self.judge_role(&officer, TrustedRole::RevocationOfficer, fact.now, case);
                (order, BulkEvent::Order { order, document, reason, officer, clock })
            }
            CaFact::BulkDone { order, revoked, .. } => (order, BulkEvent::Finish { revoked, clock }),
            _ => return case.ends("its fact is not of a bulk revocation"),
        };
        if fact.aggregate != order.aggregate() {
            return case.ends("its fact lies in the history of another order");
        }
        let state = self.orders.entry(fact.aggregate).or_default();
        let before = *state;
        BulkRevocation::apply(state, &stated);
        compare::<BulkRevocation>(fact, BulkRevocation::decide(&before, &event, fact.now), event.digest(), case);
        let CaFact::BulkOrdered { document, reason, .. } = stated else { return Outcome::Same };
        judge_artefact(given, document, case, |bytes| {
            let order = OrderDocument::decode(bytes).map_err(|fault| fault.to_string())?;
            if order.reason == reason.name() { Ok(()) } else { Err("it has another reason than its fact".to_owned()) }
        })
    }
}
