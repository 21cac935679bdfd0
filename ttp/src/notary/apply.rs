//! Folds facts into the state of a journal.

use super::{JournalFact, JournalState, OpenAct};

pub(super) fn apply(state: &mut JournalState, fact: &JournalFact) {
    match fact {
        JournalFact::Validated { number, .. } => state.last = *number,
        JournalFact::Recorded(recorded) => {
            // One that was open got its number then.
            if state.open.remove(&recorded.id).is_none() {
                state.last = recorded.number;
            }
        }
        JournalFact::Opened {
            id,
            number,
            at,
            act,
            request,
            requester,
            subject,
            signers,
            needs_person,
            expires_at,
            report,
            held: _,
        } => {
            state.last = *number;
            let open = OpenAct {
                number: *number,
                at: *at,
                expires_at: *expires_at,
                act: *act,
                requester: *requester,
                request: *request,
                subject: *subject,
                signers: signers.clone(),
                missing: signers.clone(),
                needs_person: *needs_person,
                report: *report,
                taken: None,
            };
            state.open.insert(*id, open);
        }
        JournalFact::Signed { id, signer, .. } => {
            if let Some(act) = state.open.get_mut(id) {
                act.missing.remove(signer);
            }
        }
        JournalFact::Assigned { id, at, officer } => {
            if let Some(act) = state.open.get_mut(id) {
                act.taken = officer.map(|officer| (officer, *at));
            }
        }
        JournalFact::Reported { .. } | JournalFact::Kept { .. } | JournalFact::Personal { .. } => {}
    }
}
