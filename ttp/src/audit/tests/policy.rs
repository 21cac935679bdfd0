//! Policies that come into force, and what is held against them.

use super::ca::responder;
use super::*;
use crate::ca::Grounds;
use crate::ca::crl;
use crate::ca::profile::{Profile, ProfileCode};
use crate::evidence::OpsFact;
use crate::policy::roles::TrustedRole;
use crate::policy::{Policy, PolicyName, WITHDRAWN};

/// A moment after everything that the world lived.
fn later(secs: u64) -> Timestamp {
    GEN_TIME.plus_secs(90_010 + secs)
}

impl World {
    /// Step `seq` in the history of this name.
    pub(super) fn policy(&mut self, name: &PolicyName, document: &[u8], seq: u64, now: Timestamp) {
        let fact = OpsFact::PolicyChanged { policy: Digest::of(document) };
        self.record(fact, name.aggregate(), seq, document, now, Some(document.to_vec()));
    }

    pub(super) fn grants(&mut self, roles: &[(TrustedRole, Digest)], seq: u64, now: Timestamp) {
        self.policy(&PolicyName::Roles, TrustedRoles::file(roles).as_bytes(), seq, now);
    }
}

fn found(change: impl FnOnce(&mut World)) -> Vec<String> {
    spoilt(change).audit().differences.into_iter().map(|found| found.what).collect()
}

/// The profile of responders with another life, as a later program has it.
fn other_profile() -> Policy {
    let old = Profile::named("ocsp-responder");
    let text = std::str::from_utf8(old.bytes()).unwrap().replace("life_days = 7", "life_days = 8");
    assert_ne!(text.as_bytes(), old.bytes());
    Policy::of_profile(&Profile::parse(&text).unwrap())
}

#[test]
fn an_honest_change_is_folded() {
    let world = spoilt(|world| {
        let other = other_profile();
        let first = Policy::of_profile(&Profile::named("ocsp-responder"));
        world.policy(&first.name, &first.bytes, 0, later(0));
        world.policy(&first.name, &other.bytes, 1, later(1));
        world.policy(&first.name, WITHDRAWN, 2, later(2));
        world.policy(&first.name, &first.bytes, 3, later(3));
        world.policy(&PolicyName::Settings, b"{}", 0, later(4));
        world.policy(&PolicyName::Terms, b"Pay on time.", 0, later(5));
        world.grants(&[], 0, later(6));
    });
    let report = world.audit();
    assert_eq!(report.differences, []);
    let count = &report.kinds[&Some(Kind::Ops(OpsKind::PolicyChanged))];
    assert_eq!((count.same, count.not.clone()), (0, BTreeMap::from([(Reason::Outside, 7)])));
}

#[test]
fn documents_that_are_not_what_their_facts_say() {
    let terms = PolicyName::Terms;
    let differs = found(|world| {
        let fact = OpsFact::PolicyChanged { policy: Digest([1; 32]) };
        world.record(fact, terms.aggregate(), 0, b"terms", later(0), Some(b"terms".to_vec()));
    });
    assert_eq!(differs, ["it names another policy than the one that its entry is of"]);
    let differs = found(|world| {
        let fact = OpsFact::PolicyChanged { policy: Digest::of(b"terms") };
        world.record(fact, terms.aggregate(), 0, b"something else", later(0), Some(b"terms".to_vec()));
    });
    assert_eq!(differs, ["decided again, its fact has another event"]);
    let again = found(|world| (0..2).for_each(|seq| world.policy(&terms, b"terms", seq, later(seq))));
    assert_eq!(again, ["it was in force before"]);
    assert_eq!(found(|world| world.policy(&terms, WITHDRAWN, 0, later(0))), ["it takes back what was never in force"]);
    let roles = found(|world| world.policy(&PolicyName::Roles, b"[roles]\nking = []", 0, later(0)));
    assert!(roles[0].starts_with("it does not say who holds which role: "), "{roles:?}");
    // A profile in the history of another, and a document that is of nothing.
    for document in [&other_profile().bytes[..], b"anything"] {
        let name = PolicyName::Profile("party-legal".to_owned());
        assert_eq!(
            found(|world| world.policy(&name, document, 0, later(0))),
            ["it lies in the history of something else"]
        );
    }
    let missing = spoilt(|world| {
        world.policy(&terms, b"terms", 0, later(0));
        world.lines.last_mut().unwrap().artefact = None;
    });
    assert!(missing.audit().has_losses());
}

#[test]
fn a_certificate_is_held_to_the_profile_in_force() {
    let (certificate, grounds) = responder();
    let issued = |change: &dyn Fn(&mut World)| {
        let grounds: Grounds = grounds.clone();
        found(|world| {
            change(world);
            world.certify_on(ProfileCode::OcspResponder, &certificate, Some(grounds), later(9));
        })
    };
    let first = Policy::of_profile(&Profile::named("ocsp-responder"));
    let other = other_profile();
    let not_in_force = ["its profile ocsp-responder was not in force"];
    assert_eq!(issued(&|world| world.policy(&first.name, &first.bytes, 0, later(0))), [""; 0]);
    assert_eq!(issued(&|world| world.policy(&first.name, &other.bytes, 0, later(0))), not_in_force);
    let replaced = issued(&|world| {
        world.policy(&first.name, &first.bytes, 0, later(0));
        world.policy(&first.name, &other.bytes, 1, later(1));
    });
    assert_eq!(replaced, not_in_force);
    let withdrawn = issued(&|world| {
        world.policy(&first.name, &first.bytes, 0, later(0));
        world.policy(&first.name, WITHDRAWN, 1, later(1));
    });
    assert_eq!(withdrawn, not_in_force);
}

#[test]
fn a_revocation_is_held_to_the_roles_in_force() {
    let (certificate, grounds) = responder();
    let revoked = |roles: &[&[(TrustedRole, Digest)]]| {
        found(|world| {
            super::officer::appoint(world, Digest::of(b"officer"), ProfileCode::Officer, later(1_000), None);
            world.certify_on(ProfileCode::OcspResponder, &certificate, Some(grounds.clone()), later(0));
            (0..).zip(roles).for_each(|(seq, roles)| world.grants(roles, seq, later(seq)));
            world.revoke(&certificate, crl::Reason::Superseded, later(9));
        })
    };
    let officer = Digest::of(b"officer");
    let granted = [(TrustedRole::RevocationOfficer, officer)];
    let not_granted = ["the role revocation-officer was not granted to who decided it"];
    assert_eq!(revoked(&[]), [""; 0], "a ledger from before there were roles");
    assert_eq!(revoked(&[&granted]), [""; 0]);
    assert_eq!(revoked(&[&[(TrustedRole::RegistrationOfficer, officer)]]), not_granted);
    assert_eq!(revoked(&[&granted, &[]]), not_granted);
    assert_eq!(revoked(&[&[(TrustedRole::RevocationOfficer, Digest([7; 32]))]]), not_granted);
}
