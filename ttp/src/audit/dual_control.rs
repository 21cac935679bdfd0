//! What two people must want: the revocation of an issuing CA.

use super::party::compare;
use super::{Auditor, Case, Given, Outcome, recorded};
use crate::ca::CaFact;
use crate::ca::crl::Reason;
use crate::ca::dual_control::{Ask, DualControl, history};
use crate::digest::Digest;
use crate::policy::roles::TrustedRole;
use crate::role::Role;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

impl Auditor {
    pub(super) fn judge_revocation_asked(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<CaFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let CaFact::RevocationAsked { ca, ref serial, reason, certificate, officer, .. } = stated else {
            return case.ends("its fact is not of a revocation that was asked for");
        };
        if fact.aggregate != history(&certificate) {
            return case.ends("its fact lies in the history of another certificate");
        }
        self.judge_role(&officer.certificate, TrustedRole::RevocationOfficer, fact.now, case);
        self.judge_person(&officer, case);
        let event = Ask {
            ca,
            serial: serial.clone(),
            certificate,
            reason,
            officer,
            officer_good: true,
            may_ask: true,
            // If it was not, what came before would have had to be too old, or another's.
            first_revoked: self.asked.get(&fact.aggregate).copied().flatten().is_some(),
            // Whatever let it pass: nothing is decided by a clock in doubt.
            clock: ClockVerdict::Synced,
        };
        let state = self.asked.entry(fact.aggregate).or_default();
        let before = *state;
        DualControl::apply(state, &stated);
        compare::<DualControl>(fact, DualControl::decide(&before, &event, fact.now), event.digest(), case);
        Outcome::Same
    }

    /// The certificate of an issuing CA is revoked by the second of two people.
    pub(super) fn judge_second(
        &self,
        certificate: &Digest,
        officer: &Digest,
        reason: Reason,
        now: Timestamp,
        case: &mut Case,
    ) {
        self.judge_either(officer, [TrustedRole::RevocationOfficer, TrustedRole::Operator], now, case);
        let asked = self.asked.get(&history(certificate)).copied().flatten();
        if !asked.is_some_and(|asked| asked.is_seconded_by(&self.officer(officer), reason, now)) {
            case.differs("nobody else had asked for it within a day, and revoking a CA takes two people");
        }
    }
}
