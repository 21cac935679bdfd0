//! Whoever decided: whether that certificate held the role then, and who is behind it.

use super::{Auditor, Case};
use crate::ca::credential::{CertificateState, Status};
use crate::ca::profile::ProfileCode;
use crate::digest::Digest;
use crate::evidence::Aggregate;
use crate::id::RegistrationId;
use crate::policy::person::{Officer, Person};
use crate::policy::roles::TrustedRole;
use crate::time::Timestamp;

/// A certificate by which somebody may act.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certified {
    history: Aggregate,
    /// The application that it was issued for.
    registration: Option<RegistrationId>,
}

impl Auditor {
    /// A certificate was issued.
    pub(super) fn certified(&mut self, digest: Digest, history: Aggregate, registration: &[u8]) {
        let registration = <[u8; 16]>::try_from(registration).ok().map(Into::into);
        self.certified.insert(digest, Certified { history, registration });
    }

    fn status_of(&self, certificate: &Digest) -> Option<&Status> {
        let certified = self.certified.get(certificate)?;
        self.credentials.get(&certified.history).and_then(CertificateState::issued)
    }

    /// Who is behind a certificate: whoever applied for it with another one is the person of that.
    pub(super) fn officer(&self, certificate: &Digest) -> Officer {
        let registration = self.certified.get(certificate).and_then(|certified| certified.registration);
        let state = registration.and_then(|registration| self.registrations.get(&registration.aggregate()));
        let by = state.and_then(|state| state.application()).and_then(|application| application.applied_by);
        let party = state.and_then(|state| state.approval()).map(|approval| Person::Party(approval.party));
        let person = by.map(|by| by.person).or(party).unwrap_or(Person::Certificate(*certificate));
        Officer { certificate: *certificate, person }
    }

    /// The person that a fact names is the one behind the certificate.
    pub(super) fn judge_person(&self, officer: &Officer, case: &mut Case) {
        if self.officer(&officer.certificate) != *officer {
            case.differs("it names another person than the one behind the certificate");
        }
    }

    /// When a certificate was revoked, as far as was told until now.
    pub(super) fn revoked_at(&self, certificate: &Digest) -> Option<Timestamp> {
        self.status_of(certificate).and_then(|status| status.revoked).map(|revoked| revoked.at)
    }

    /// What was decided at the same moments may stand in either order.
    pub(super) fn is_about(&self, one: Timestamp, other: Timestamp) -> bool {
        one.millis().abs_diff(other.millis()) <= self.mmd_millis
    }

    /// Whether a certificate was revoked before `now`.
    pub(super) fn was_revoked(&self, certificate: &Digest, now: Timestamp) -> bool {
        self.revoked_at(certificate).is_some_and(|revoked| revoked < now && !self.is_about(revoked, now))
    }

    /// Whether whoever decided was granted the role.
    pub(super) fn is_granted(&self, certificate: &Digest, role: TrustedRole) -> bool {
        self.roles.as_ref().is_none_or(|roles| roles.grants(certificate, role))
    }

    /// Whoever decided held the role by the policy in force, with a certificate of the class that the role is for, which was good
    /// then. A ledger from before there was such a policy is not held to it.
    pub(super) fn judge_role(&self, certificate: &Digest, role: TrustedRole, now: Timestamp, case: &mut Case) {
        if self.roles.is_none() {
            return;
        }
        if !self.is_granted(certificate, role) {
            return case.differs(format!("the role {} was not granted to who decided it", role.name()));
        }
        let Some(status) = self.status_of(certificate) else {
            return case.differs("the ledger has no certificate of who decided it");
        };
        if !role.fits(status.class) {
            case.differs(format!("the role {} is not for the certificate of who decided it", role.name()));
        }
        if !(status.not_before..=status.not_after).contains(&now.whole_secs()) {
            case.differs("the certificate of who decided it was not valid then");
        }
        if self.was_revoked(certificate, now) {
            case.differs("the certificate of who decided it had been revoked");
        }
    }

    /// The same for two roles, of which one is enough.
    pub(super) fn judge_either(&self, certificate: &Digest, roles: [TrustedRole; 2], now: Timestamp, case: &mut Case) {
        let [first, other] = roles;
        let role = if self.is_granted(certificate, first) { first } else { other };
        self.judge_role(certificate, role, now, case);
    }
}

/// Whether somebody may act by certificates of this class.
pub(super) const fn acts(class: ProfileCode) -> bool {
    match class {
        ProfileCode::Operator
        | ProfileCode::Officer
        | ProfileCode::Party
        | ProfileCode::Server
        | ProfileCode::Client
        | ProfileCode::Role => true,
        ProfileCode::Root
        | ProfileCode::IssuingCa
        | ProfileCode::Tsu
        | ProfileCode::OcspResponder
        | ProfileCode::Imported => false,
    }
}
