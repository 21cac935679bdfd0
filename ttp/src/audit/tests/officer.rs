//! Who decided: roles, certificates and people, held against what an office has stored.

use super::party::{Office, approval, officer, party};
use super::*;
use crate::b64u::B64u;
use crate::ca::crl::Reason as RevocationReason;
use crate::ca::dual_control::{Ask, DualControl, history};
use crate::ca::profile::ProfileCode;
use crate::ca::{Authority, CaFact, CaId, Grounds, ListId};
use crate::crypto::Signer;
use crate::crypto::jose::{Algorithm, Key};
use crate::evidence::{Envelope, OpsFact};
use crate::id::RegistrationId;
use crate::policy::person::{Officer, Person};
use crate::policy::roles::TrustedRole;
use crate::registration::{RegistrationEvent, RegistrationFact};
use crate::role::Role as _;
use crate::statement::ceremony::{ACT_CEREMONY, CeremonyAttested};
use crate::statement::{Common, Origin, Salt, Statement, Unsigned};
use crate::testing::PKI;
use crate::timestamp::ClockVerdict;

pub(super) const NOT_AFTER: Timestamp = Timestamp::from_secs(GEN_TIME.secs() + 1_000_000);

/// Before the office opens.
fn early(secs: u64) -> Timestamp {
    GEN_TIME.plus_secs(90_002 + secs)
}

fn ca() -> CaId {
    CaId::first(Authority::Party)
}

/// A certificate, named by the digest that officers have here; of the certificate itself nothing is kept.
pub(super) fn appoint(
    world: &mut World,
    digest: Digest,
    class: ProfileCode,
    not_after: Timestamp,
    registration: Option<u8>,
) {
    let serial = digest.0[..16].to_vec();
    let registration = registration.map_or(Vec::new(), |number| vec![number; 16]);
    let fact = CaFact::CertificateIssued {
        issuer: ca().authority,
        profile: class,
        serial: serial.clone(),
        public_key: digest,
        not_before: BEGIN,
        not_after,
        grounds: Some(Grounds { generation: 1, registration, ..Grounds::default() }),
    };
    world.record(fact, ca().certificate(&serial), 0, &[], early(0), None);
    world.lines.last_mut().unwrap().entry.digest = digest.0;
}

pub(super) fn revoked(world: &mut World, digest: Digest, now: Timestamp) {
    let serial = digest.0[..16].to_vec();
    let fact = CaFact::CertificateRevoked {
        list: ListId { ca: ca(), partition: 0 },
        serial: serial.clone(),
        at: now.whole_secs(),
        reason: RevocationReason::KeyCompromise,
        not_after: NOT_AFTER,
        public_key: digest,
        certificate: digest,
        officer: officer(9),
    };
    world.record(fact, ca().certificate(&serial), 1, &[], now, None);
}

/// An office in which one officer identifies and approves, after `change` to what there was before.
fn found(change: impl FnOnce(&mut World)) -> Vec<String> {
    let mut office = Office::new();
    change(&mut office.world);
    office.applies(1, 1);
    office.identifies(1);
    office.approves(1, 1);
    office.world.audit().differences.into_iter().map(|found| found.what).collect()
}

#[test]
fn a_decision_is_held_to_the_certificate_of_who_made_it() {
    let granted = |world: &mut World| world.grants(&[(TrustedRole::RegistrationOfficer, officer(1))], 0, early(1));
    let by = |class, not_after| {
        found(|world| {
            appoint(world, officer(1), class, not_after, None);
            granted(world);
        })
    };
    assert_eq!(by(ProfileCode::Officer, NOT_AFTER), [""; 0]);
    assert_eq!(found(granted), ["the ledger has no certificate of who decided it"; 2]);
    let nobody = found(|world| {
        appoint(world, officer(1), ProfileCode::Officer, NOT_AFTER, None);
        world.grants(&[], 0, early(1));
    });
    assert_eq!(nobody, ["the role registration-officer was not granted to who decided it"; 2]);
    let class = by(ProfileCode::Operator, NOT_AFTER);
    assert_eq!(class, ["the role registration-officer is not for the certificate of who decided it"; 2]);
    assert_eq!(by(ProfileCode::Officer, early(0)), ["the certificate of who decided it was not valid then"; 2]);
}

#[test]
fn who_was_revoked_decides_nothing_more() {
    let (first, second) = (officer(1), officer(2));
    let approved = |revoked_at: Option<(usize, Digest)>| -> Vec<String> {
        let mut office = Office::new();
        let roles = [(TrustedRole::RegistrationOfficer, first), (TrustedRole::RegistrationOfficer, second)];
        roles.iter().for_each(|(_, digest)| {
            appoint(&mut office.world, *digest, ProfileCode::Officer, NOT_AFTER, None);
        });
        office.world.grants(&[&roles[..], &[(TrustedRole::RevocationOfficer, officer(9))]].concat(), 0, early(1));
        appoint(&mut office.world, officer(9), ProfileCode::Officer, NOT_AFTER, None);
        office.applies(1, 2);
        office.identifies(1);
        office.approves(1, 1);
        if let Some((wait_secs, digest)) = revoked_at {
            let now = office.now();
            revoked(&mut office.world, digest, now);
            office.pass(wait_secs as u64);
        }
        office.approves(1, 2);
        let differences = office.world.audit().differences.into_iter().map(|found| found.what);
        // How a revocation is decided is another test's affair.
        differences.filter(|what| what.contains("certificate of")).collect()
    };
    assert_eq!(approved(None), [""; 0]);
    assert_eq!(approved(Some((60, second))), ["the certificate of who decided it had been revoked"]);
    assert_eq!(approved(Some((60, first))), ["the certificate of the officer who approved first had been revoked"]);
    assert_eq!(approved(Some((1, second))), [""; 0], "what was decided at the same moments may stand in either order");
}

#[test]
fn people_are_those_behind_the_certificates() {
    let mut office = Office::new();
    office.applies(1, 1);
    office.identifies(1);
    office.approves(1, 1);
    // The first officer's certificate was issued for that application, so it is the party's.
    appoint(&mut office.world, officer(2), ProfileCode::Officer, NOT_AFTER, Some(1));
    let now = office.now();
    let line = office.world.lines.last_mut().unwrap();
    line.fact.as_mut().unwrap().now = now;
    line.entry.time_ms = now.millis() + 3;
    office.applies(2, 1);
    office.identifies(2);
    let honest = Officer { certificate: officer(2), person: Person::Party(party()) };
    let approves = |person: Officer| {
        let mut office = office.clone();
        let event = crate::registration::Approve { officer: person, serials: vec![[0x43; 16]], ..approval(2) };
        office.registration(2, RegistrationEvent::Approve(Box::new(event)), None);
        let report = office.world.audit();
        report.differences.into_iter().map(|found| found.what).collect::<Vec<_>>()
    };
    assert_eq!(approves(honest), [""; 0]);
    let lie = ["it names another person than the one behind the certificate"];
    assert_eq!(approves(Officer::itself(officer(2))), lie);
    assert_eq!(approves(Officer { person: Person::Party([1; 16].into()), ..honest }), lie);
}

/// The number is that of the profiles, whatever the fact says.
#[test]
fn fewer_officers_than_the_profile_wants() {
    let mut office = Office::new();
    office.applies(1, 2);
    let at = office.world.lines.len() - 1;
    let RegistrationFact::Applied { id, at: when, keys, subject, applicant, terms, applied_by, .. } =
        RegistrationFact::from_fact(office.world.fact(at)).unwrap()
    else {
        panic!("an application")
    };
    assert_eq!(id, RegistrationId::from([1; 16]));
    let lie =
        RegistrationFact::Applied { id, at: when, keys, subject, applicant, terms, officers_needed: 1, applied_by };
    let digest = office.digest_again(&lie);
    office.world.rewrite(at, lie);
    office.world.fact(at).event_digest = digest;
    office.world.reseal(at);
    finds(
        &office.world,
        &format!(
            "entry {at} (party.registration-applied): it needs another number of officers than its profiles ask for"
        ),
    );
}

#[test]
fn a_ca_takes_two_people() {
    const REASON: RevocationReason = RevocationReason::CaCompromise;
    let (certificate, root) = (PKI.ca.digest(), CaId::first(Authority::Root));
    let ask = |by: u8| Ask {
        ca: root,
        serial: PKI.ca.serial(),
        certificate,
        reason: REASON,
        officer: Officer::itself(officer(by)),
        officer_good: true,
        may_ask: true,
        first_revoked: false,
        clock: ClockVerdict::Synced,
    };
    let found = |asked: Option<(u8, u64)>, by: u8| -> Vec<String> {
        let mut world = World::lived();
        if let Some((asker, ago_secs)) = asked {
            let now = early(100_000 - ago_secs);
            let (facts, _) = DualControl::decide(&None, &ask(asker), now).unwrap();
            let envelope = Envelope {
                aggregate: history(&certificate),
                seq: 0,
                now,
                salt: [6; 16],
                policy_hash: Digest::of(b"policy"),
                event_digest: ask(asker).digest(),
            };
            world.push(facts[0].clone().into_fact(&envelope), None, Vec::new());
        }
        world.revoke_of(root, &PKI.ca, REASON, officer(by), early(100_000));
        world.audit().differences.into_iter().map(|found| found.what).collect()
    };
    let alone = ["nobody else had asked for it within a day, and revoking a CA takes two people"];
    assert_eq!(found(None, 1), alone);
    assert_eq!(found(Some((1, 60)), 1), alone);
    assert_eq!(found(Some((1, 60)), 2), [""; 0]);
    assert_eq!(found(Some((1, 24 * 3600)), 2), [""; 0]);
    assert_eq!(found(Some((1, 24 * 3600 + 1)), 2), alone);
}

#[test]
fn a_ceremony_takes_two_people_who_hold_the_roles() {
    let (first, second) = (officer(1), officer(2));
    let found = |people: [Digest; 2], roles: &[(TrustedRole, Digest)]| -> Vec<String> {
        let mut world = World::lived();
        appoint(&mut world, first, ProfileCode::Operator, NOT_AFTER, None);
        appoint(&mut world, second, ProfileCode::Officer, NOT_AFTER, None);
        world.grants(roles, 0, early(1));
        let transcript = "what happened";
        let statement = |certificate: Digest| {
            let key = &testing::ec().key;
            let thumbprint = Key::from_spki_der(key.spki_der()).unwrap().thumbprint();
            let body = CeremonyAttested {
                transcript: Digest::of(transcript.as_bytes()).into(),
                service: Origin::new(testing::ORIGIN).unwrap(),
                certificate: certificate.into(),
                key: thumbprint,
            };
            let common = Common { salt: Salt(B64u([1; 16])), iat: early(2).into(), x: None, shown: None };
            let algorithm = Algorithm::of_signer(key.algorithm()).unwrap();
            let unsigned = Unsigned::new(&Statement { common, body }, algorithm, thumbprint).unwrap();
            let signature = key.sign_raw(unsigned.message()).unwrap();
            let jws = unsigned.finish(&signature).unwrap();
            String::from_utf8(jws.bytes().to_vec()).unwrap()
        };
        let record = serde_json::json!({ "transcript": transcript, "statements": people.map(statement) });
        let act = OpsFact::OperatorAct { act: ACT_CEREMONY, subject: Digest::of(transcript.as_bytes()) };
        let now = early(3);
        world.record(act, Aggregate::service(), now.millis(), &[], now, Some(record.to_string().into_bytes()));
        world.audit().differences.into_iter().map(|found| found.what).collect()
    };
    let roles = [(TrustedRole::Operator, first), (TrustedRole::RevocationOfficer, second)];
    assert_eq!(found([first, second], &roles), [""; 0]);
    assert_eq!(found([second, first], &roles), [""; 0]);
    assert_eq!(found([first, second], &roles[..1]), ["the role revocation-officer was not granted to who decided it"]);
    let twice = found([first, first], &roles);
    assert_eq!(twice[0], "one person has attested it twice");
}
