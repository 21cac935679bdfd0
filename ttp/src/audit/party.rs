//! Applications and parties: their facts say all that their decisions rested on, so each is decided again.

use super::ca::envelope_of;
use super::{Auditor, Case, Given, Outcome, difference_of, recorded};
use crate::digest::Digest;
use crate::evidence::{Envelope, Fact, Recorded};
use crate::party::{
    AcceptTerms, BindKey, PartyEvent, PartyFact, PartyRegistry, Register, Reinstate, Suspend, UnbindKey,
};
use crate::policy::roles::TrustedRole;
use crate::registration::document::{ApplicationDocument, IdentityRecord};
use crate::registration::{
    Application, Apply, Approve, Expire, RecordIdentity, Refuse, RefusedBy, Registration, RegistrationEvent,
    RegistrationFact, RegistrationState, Withdraw,
};
use crate::role::{Decided, Role};
use crate::statement::Jws;
use crate::statement::terms::TermsAccepted;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

/// Whatever let it pass: nothing is decided by a clock in doubt.
const CLOCK: ClockVerdict = ClockVerdict::Synced;

impl Auditor {
    pub(super) fn judge_registration(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<RegistrationFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        if fact.aggregate != stated.id().aggregate() {
            return case.ends("its fact lies in the history of another application");
        }
        let state = self.registrations.entry(fact.aggregate).or_default();
        let before = state.clone();
        // The state is the fold of what is stored, whatever is found to be wrong with it.
        Registration::apply(state, &stated);
        self.judge_registration_policies(&before, &stated, fact.now, case);
        let event = event_of_registration(&stated);
        compare::<Registration>(fact, Registration::decide(&before, &event, fact.now), event.digest(), case);
        match stated {
            RegistrationFact::Applied { keys, subject, terms, .. } => judge_artefact(given, subject, case, |bytes| {
                let document = ApplicationDocument::parse(bytes).map_err(|fault| fault.to_string())?;
                let requests: Vec<_> = keys.iter().map(|key| key.request).collect();
                if document.request_digests() != Some(requests) {
                    return Err("it has other certification requests than its fact".to_owned());
                }
                if document.terms_digest() != terms {
                    return Err("it has another acceptance of the terms than its fact".to_owned());
                }
                Ok(())
            }),
            RegistrationFact::IdentityRecorded { record, .. } => judge_artefact(given, record, case, |bytes| {
                IdentityRecord::parse(bytes).map(drop).map_err(|fault| fault.to_string())
            }),
            RegistrationFact::Approved { .. } | RegistrationFact::Refused { .. } => Outcome::Same,
        }
    }

    /// What is asked for is in force, and who decides holds the role.
    fn judge_registration_policies(
        &self,
        before: &RegistrationState,
        stated: &RegistrationFact,
        now: Timestamp,
        case: &mut Case,
    ) {
        match stated {
            RegistrationFact::Applied { keys, officers_needed, applied_by, .. } => {
                if !keys.iter().all(|key| self.policies.is_in_force(&key.profile)) {
                    case.differs("it asks for a profile that was not in force");
                }
                let profiles = keys.iter().filter_map(|key| self.policies.profile(&key.profile));
                let needed = profiles.map(|profile| profile.officers()).max();
                if needed.is_some_and(|needed| needed != *officers_needed) {
                    case.differs("it needs another number of officers than its profiles ask for");
                }
                applied_by.iter().for_each(|by| self.judge_person(by, case));
            }
            RegistrationFact::Approved { officer, .. } => {
                let (officer_role, operator) = (TrustedRole::RegistrationOfficer, TrustedRole::Operator);
                // Of their own kind operators approve as well.
                if before.application().is_some_and(Application::is_of_staff) {
                    self.judge_either(&officer.certificate, [officer_role, operator], now, case);
                } else {
                    self.judge_role(&officer.certificate, officer_role, now, case);
                }
                self.judge_person(officer, case);
                if let RegistrationState::ApprovedByOne { officer: first, .. } = before
                    && self.was_revoked(&first.certificate, now)
                {
                    case.differs("the certificate of the officer who approved first had been revoked");
                }
            }
            RegistrationFact::IdentityRecorded { officer, .. } => {
                self.judge_role(&officer.certificate, TrustedRole::RegistrationOfficer, now, case);
                self.judge_person(officer, case);
            }
            RegistrationFact::Refused { by: RefusedBy::Officer(officer), .. } => {
                self.judge_role(officer, TrustedRole::RegistrationOfficer, now, case);
            }
            RegistrationFact::Refused { by: RefusedBy::Applicant | RefusedBy::Age { .. }, .. } => {}
        }
    }

    pub(super) fn judge_party(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<PartyFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        if fact.aggregate != stated.party().aggregate() {
            return case.ends("its fact lies in the history of another party");
        }
        let state = self.parties.entry(fact.aggregate).or_default();
        let before = state.clone();
        PartyRegistry::apply(state, &stated);
        let event = event_of_party(&stated);
        compare::<PartyRegistry>(fact, PartyRegistry::decide(&before, &event, fact.now), event.digest(), case);
        match stated {
            PartyFact::Registered { party, registration, .. } => {
                let approved = self.registrations.get(&registration.aggregate()).and_then(|state| state.approval());
                if approved.is_none_or(|approval| approval.party != party) {
                    case.differs("no application was approved that this party is of");
                }
                Outcome::Same
            }
            PartyFact::TermsAccepted { party, policy, statement, .. } => {
                judge_artefact(given, statement, case, |bytes| {
                    let statement = Jws::parse(bytes).and_then(|jws| jws.payload_as::<TermsAccepted>());
                    let body = statement.map_err(|fault| fault.to_string())?.body;
                    if body.party != party || Digest::from(body.policy) != policy {
                        return Err("it is of another party or of other terms than its fact".to_owned());
                    }
                    Ok(())
                })
            }
            PartyFact::KeyBound { .. }
            | PartyFact::KeyUnbound { .. }
            | PartyFact::Suspended { .. }
            | PartyFact::Reinstated { .. } => Outcome::Same,
        }
    }
}

/// The fact that is stored, and the decision made again.
pub(super) fn compare<R>(stored: &Fact, decided: Result<Decided<R>, R::Refusal>, event_digest: Digest, case: &mut Case)
where
    R: Role<Fact: Recorded, Refusal: std::fmt::Display>,
{
    match decided {
        Err(refusal) => case.differs(format!("decided again, it is refused: {refusal}")),
        Ok((facts, _)) => {
            let envelope = Envelope { event_digest, ..envelope_of(stored) };
            let again = facts.into_iter().next().map(|again| again.into_fact(&envelope));
            if let Some(what) = again.and_then(|again| difference_of(stored, &again)) {
                case.differs(what);
            }
        }
    }
}

/// What the fact says of its artefact: which it is, and, while it is kept, what stands in it.
pub(super) fn judge_artefact(
    given: &Given<'_>,
    named: Digest,
    case: &mut Case,
    judge: impl FnOnce(&[u8]) -> Result<(), String>,
) -> Outcome {
    if named != Digest(given.entry.digest) {
        case.differs("it names another document than the one that its entry is of");
    }
    match given.artefact() {
        Ok(bytes) => {
            if let Err(fault) = judge(bytes) {
                case.differs(format!("its document is not what it was accepted as: {fault}"));
            }
            Outcome::Same
        }
        Err(outcome) => outcome,
    }
}

/// What was asked, as far as it is decided by: of the look-ups all that lets an application pass, and of what was drawn all that
/// the fact took.
pub(super) fn event_of_registration(fact: &RegistrationFact) -> RegistrationEvent {
    match fact {
        RegistrationFact::Applied { id, keys, subject, applicant, terms, officers_needed, applied_by, .. } => {
            RegistrationEvent::Apply(Box::new(Apply {
                id: *id,
                keys: keys.clone(),
                subject: *subject,
                applicant: *applicant,
                terms: *terms,
                officers_needed: *officers_needed,
                applied_by: *applied_by,
                key_compromised: false,
                key_taken: false,
                party_taken: false,
                clock: CLOCK,
            }))
        }
        RegistrationFact::IdentityRecorded { record, officer, .. } => {
            let (record, officer, officer_good) = (*record, *officer, true);
            RegistrationEvent::RecordIdentity(RecordIdentity { record, officer, officer_good, clock: CLOCK })
        }
        RegistrationFact::Approved { officer, serials, party, .. } => RegistrationEvent::Approve(Box::new(Approve {
            officer: *officer,
            officer_good: true,
            first_revoked: false,
            serials: serials.clone(),
            party: party.unwrap_or([0; 16].into()),
            key_taken: false,
            party_taken: false,
            applicant_suspended: false,
            clock: CLOCK,
        })),
        RegistrationFact::Refused { reason, by, .. } => match *by {
            RefusedBy::Officer(officer) => {
                RegistrationEvent::Refuse(Refuse { officer, officer_good: true, reason: *reason, clock: CLOCK })
            }
            RefusedBy::Applicant => RegistrationEvent::Withdraw(Withdraw { clock: CLOCK }),
            RefusedBy::Age { life_secs } => RegistrationEvent::Expire(Expire { life_secs, clock: CLOCK }),
        },
    }
}

fn event_of_party(fact: &PartyFact) -> PartyEvent {
    match *fact {
        PartyFact::Registered { party, registration, terms, .. } => {
            PartyEvent::Register(Register { party, registration, terms, clock: CLOCK })
        }
        PartyFact::KeyBound { thumbprint, certificate, history, not_after, .. } => {
            PartyEvent::BindKey(BindKey { thumbprint, certificate, history, not_after, clock: CLOCK })
        }
        PartyFact::KeyUnbound { thumbprint, reason, .. } => {
            PartyEvent::UnbindKey(UnbindKey { thumbprint, reason, clock: CLOCK })
        }
        PartyFact::TermsAccepted { policy, statement, .. } => {
            PartyEvent::AcceptTerms(AcceptTerms { policy, statement, clock: CLOCK })
        }
        PartyFact::Suspended { reason, officer, .. } => PartyEvent::Suspend(Suspend { officer, reason, clock: CLOCK }),
        PartyFact::Reinstated { reason, officer, .. } => {
            PartyEvent::Reinstate(Reinstate { officer, reason, clock: CLOCK })
        }
    }
}
