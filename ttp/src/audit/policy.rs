//! Policies: what comes into force, and what is judged by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Auditor, Case, Given, Outcome, Reason};
use crate::ca::profile::{Profile, builtin};
use crate::digest::Digest;
use crate::evidence::Aggregate;
use crate::policy::roles::TrustedRoles;
use crate::policy::{PolicyName, WITHDRAWN};
use crate::validation::Rules;

/// What is in force at one place of the ledger, and every profile that ever was.
#[derive(Debug)]
pub(super) struct PoliciesInForce {
    /// Profiles that the ledger holds as policies, and those that came with the program.
    profiles: BTreeMap<Digest, Arc<Profile>>,
    /// What the history of each policy ends in.
    newest: BTreeMap<Aggregate, Digest>,
}

impl Default for PoliciesInForce {
    fn default() -> Self {
        let profiles = builtin().iter().map(|profile| (profile.digest(), profile.clone())).collect();
        Self { profiles, newest: BTreeMap::new() }
    }
}

impl PoliciesInForce {
    /// What comes into force in this history. Gives what was before it.
    pub(super) fn change(&mut self, history: Aggregate, document: &[u8]) -> Option<Digest> {
        let text = std::str::from_utf8(document).ok();
        if let Some(profile) = text.and_then(|text| Profile::parse(text).ok()) {
            self.profiles.insert(profile.digest(), Arc::new(profile));
        }
        self.newest.insert(history, Digest::of(document))
    }

    /// The profile with this digest.
    pub(super) fn profile(&self, digest: &Digest) -> Option<&Arc<Profile>> {
        self.profiles.get(digest)
    }

    /// Whether a profile is in force. Of a name under which nothing was recorded yet, the one that came with the program is.
    pub(super) fn is_in_force(&self, profile: &Digest) -> bool {
        let Some(known) = self.profiles.get(profile) else { return false };
        let name = PolicyName::Profile(known.name().to_owned());
        self.newest.get(&name.aggregate()).is_none_or(|newest| newest == profile)
    }
}

impl Auditor {
    /// The document that the fact names lies in the history of its name. Why it was changed lay outside.
    pub(super) fn judge_policy(&mut self, policy: Digest, given: &Given<'_>, case: &mut Case) -> Outcome {
        let history = given.fact.aggregate;
        if policy != Digest(given.entry.digest) {
            case.differs("it names another policy than the one that its entry is of");
        }
        let document = match given.artefact() {
            Ok(document) => document,
            Err(outcome) => return outcome,
        };
        let before = self.policies.change(history, document);
        if before == Some(policy) {
            case.differs("it was in force before");
        }
        if document == WITHDRAWN {
            if before.is_none() {
                case.differs("it takes back what was never in force");
            }
            if history == PolicyName::Roles.aggregate() {
                self.roles = Some(TrustedRoles::default());
            }
            return Outcome::Not(Reason::Outside);
        }
        match PolicyName::of(history, document) {
            None => case.differs("it lies in the history of something else"),
            Some(PolicyName::Roles) => match TrustedRoles::parse(document) {
                Ok(roles) => self.roles = Some(roles),
                Err(fault) => case.differs(format!("it does not say who holds which role: {fault}")),
            },
            Some(PolicyName::Validation) => {
                if let Err(fault) = Rules::parse(document) {
                    case.differs(format!("it does not say by what signatures are judged: {fault}"));
                }
            }
            Some(PolicyName::Exchange) => {
                if !self.exchanges.policy(document) {
                    case.differs("it does not say by what exchanges are decided");
                }
            }
            Some(PolicyName::Settings | PolicyName::Terms | PolicyName::Profile(_)) => {}
        }
        Outcome::Not(Reason::Outside)
    }
}
