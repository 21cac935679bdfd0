//! Certificates and lists that are not what was decided.

use rasn_pkix::Extension;
use semper_ledger::entry::Tags;

use super::world::signed_list;
use super::*;
use crate::asn1::oid;
use crate::ca::certificate::{Issuer, Template};
use crate::ca::crl::{self, CrlContent};
use crate::ca::profile::{Profile, ProfileCode};
use crate::ca::{Authority, CaFact, Grounds, ListId, lint};
use crate::crypto::{SignatureAlgorithm, Signer, SoftKey};
use crate::testing::{PKI, reissue};
use crate::x509::{Certificate, Period};

fn certified(at: usize) -> usize {
    World::lived().all(Kind::Ca(CaKind::CertificateIssued))[at]
}

#[test]
fn certificates_that_are_not_their_facts() {
    let at = certified(2);
    let world = spoilt(|world| {
        let fact = world.lines[at].fact.clone().unwrap();
        let CaFact::CertificateIssued { issuer, profile, serial, public_key, not_before, not_after, grounds } =
            CaFact::from_fact(&fact).unwrap()
        else {
            panic!("a certificate")
        };
        let not_after = not_after.plus_secs(1);
        world.rewrite(
            at,
            CaFact::CertificateIssued { issuer, profile, serial, public_key, not_before, not_after, grounds },
        );
    });
    finds(&world, &format!("entry {at} (ca.certificate-issued): decided again, its fact has another body"));
    let world = spoilt(|world| world.fact(at).event_digest.0[0] ^= 1);
    finds(&world, &format!("entry {at} (ca.certificate-issued): decided again, its fact has another event"));
    let world = spoilt(|world| world.lines[at].entry.tags = Tags::new(vec![Tag([1; 32])]).unwrap());
    finds(&world, &format!("entry {at} (ca.certificate-issued): its entry does not bear the tag of its certificate"));
}

/// A certificate in the place of the unit's, with fact, tag and digest that fit it.
fn in_its_place(at: usize, der: &[u8]) -> Vec<String> {
    let profile = ProfileCode::Tsu;
    let certificate = Certificate::from_der(der).unwrap();
    let world = spoilt(|world| {
        world.certify(profile, &certificate);
        let mut line = world.lines.pop().unwrap();
        line.entry.time_ms = world.lines[at].entry.time_ms;
        world.lines[at] = line;
    });
    let about = About::Entry { index: at as u64, kind: Some(Kind::Ca(CaKind::CertificateIssued)) };
    let found = world.audit().differences.into_iter().filter(|difference| difference.about == about);
    found.map(|difference| difference.what).collect()
}

#[test]
fn certificates_against_their_profile() {
    let good = testing::ec().tsu.certificate();
    let at = certified(2);
    assert_eq!(in_its_place(at, good.der()), [""; 0]);
    let without = |id: &'static rasn::types::Oid| {
        reissue(good, |tbs| {
            let kept: Vec<Extension> =
                tbs.extensions.as_ref().unwrap().iter().filter(|one| *one.extn_id != *id).cloned().collect();
            tbs.extensions = Some(kept.into());
        })
    };
    let found = in_its_place(at, &without(oid::AUTHORITY_INFO_ACCESS));
    assert_eq!(found, ["the certificate has not the profile of its kind: authorityInfoAccess is missing"]);
    // By a stranger's key.
    let mut forged = good.der().to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let found = in_its_place(at, &forged);
    assert!(found.iter().any(|what| what.starts_with("the certificate does not lead to the root: ")), "{found:?}");
}

#[test]
fn another_root_than_that_of_genesis() {
    let world = spoilt(|world| {
        let mut genesis = Genesis::decode(world.lines[0].artefact.as_ref().unwrap()).unwrap();
        genesis.root_certificate.0[0] ^= 1;
        world.lines[0].artefact = Some(genesis.encode());
        world.reseal(0);
    });
    let root = certified(0);
    finds_all(
        &world,
        &[
            "entry 0 (ledger.genesis): decided again, its fact has another body",
            &format!("entry {root} (ca.certificate-issued): genesis names another root certificate"),
        ],
    );
}

fn second_list() -> usize {
    World::lived().all(Kind::Ca(CaKind::CrlIssued))[1]
}

/// The second list with other numbers, in fact and list or in the list alone.
fn other_list(change: fn(&mut CrlContent), in_fact: bool) -> Vec<String> {
    let at = second_list();
    let world = spoilt(|world| {
        let CaFact::CrlIssued { list, number, this_update, next_update, .. } =
            CaFact::from_fact(world.lines[at].fact.as_ref().unwrap()).unwrap()
        else {
            panic!("a list")
        };
        let mut content =
            CrlContent { number, this_update, next_update, revoked: Vec::new(), distribution_point: None };
        change(&mut content);
        world.lines[at].artefact = Some(signed_list(&content));
        let CrlContent { number, this_update, next_update, revoked, .. } = content;
        if in_fact {
            let entries = revoked.len() as u64;
            world.rewrite(at, CaFact::CrlIssued { list, number, this_update, next_update, entries });
        }
        world.reseal(at);
    });
    let about = About::Entry { index: at as u64, kind: Some(Kind::Ca(CaKind::CrlIssued)) };
    let found = world.audit().differences.into_iter().filter(|difference| difference.about == about);
    found.map(|difference| difference.what).collect()
}

#[test]
fn lists_that_are_not_what_was_decided() {
    assert_eq!(other_list(|_| {}, true), [""; 0]);
    assert_eq!(
        other_list(|content| content.number += 1, true),
        ["decided again, its fact has another body", "decided again, the list has another number"]
    );
    assert_eq!(other_list(|content| content.number += 1, false), ["decided again, the list has another number"]);
    assert_eq!(
        other_list(|content| content.next_update = content.next_update.plus_secs(60), false),
        ["decided again, the list has another nextUpdate"]
    );
    assert_eq!(
        other_list(|content| content.this_update = content.this_update.minus_millis(60_000), false),
        ["decided again, the list has another thisUpdate"]
    );
    let revoke = |content: &mut CrlContent| {
        content.revoked.push(crl::Revoked {
            serial: vec![1],
            at: content.this_update,
            reason: crl::Reason::Superseded,
            not_after: content.next_update,
        });
    };
    assert_eq!(
        other_list(revoke, false),
        ["it names the certificate 01, which was not revoked", "decided again, the list has another number of entries"]
    );
    // A life that no event with this digest asked for.
    let at = second_list();
    let found = other_list(|content| content.next_update = content.next_update.plus_secs(60), true);
    assert_eq!(found, [""; 0], "entry {at} is then not decided again");
}

#[test]
fn a_list_before_its_time() {
    let world = spoilt(|world| {
        let at = second_list();
        let fact = world.lines[at].fact.clone().unwrap();
        // As if the first one had been issued an hour before.
        let CaFact::CrlIssued { list, .. } = CaFact::from_fact(&fact).unwrap() else { panic!("a list") };
        let first = world.all(Kind::Ca(CaKind::CrlIssued))[0];
        let recent = fact.now.whole_secs().minus_millis(3_600_000);
        let number = recent.secs();
        let next_update = recent.plus_secs(2 * 24 * 3600);
        world.rewrite(first, CaFact::CrlIssued { list, number, this_update: recent, next_update, entries: 0 });
    });
    let found = world.audit().differences;
    assert!(
        found.iter().any(|found| found.what.starts_with("decided again, no list is issued: the last list is fresh")),
        "{found:?}"
    );
}

#[test]
fn a_list_by_somebody_else() {
    let at = second_list();
    let world = spoilt(|world| {
        let list = world.lines[at].artefact.as_mut().unwrap();
        let last = list.len() - 1;
        list[last] ^= 1;
        world.reseal(at);
    });
    let found = world.audit().differences;
    assert!(found.iter().any(|found| found.what.starts_with("the list is not by its authority: ")), "{found:?}");
}

#[test]
fn snapshots() {
    let aggregate = ListId::first(Authority::Tsu).aggregate();
    let name = format!("the state of aggregate {}…", hex::encode(&aggregate.0[..8]));
    let world = spoilt(|world| *world.snapshots.get_mut(&aggregate).unwrap().last_mut().unwrap() ^= 1);
    finds(&world, &format!("{name}: the snapshot is not the fold of the facts"));
    let world = spoilt(|world| world.snapshots.clear());
    finds(&world, &format!("{name}: the snapshot is missing"));
    let world = spoilt(|world| drop(world.snapshots.insert(Aggregate([7; 32]), vec![0])));
    finds(&world, "the state of aggregate 0707070707070707…: there is a snapshot, and its facts leave no state");
}

#[test]
fn artefacts_and_histories_of_something_else() {
    for (at, due) in [
        (certified(2), "its artefact is no certificate: not a certificate in strict DER"),
        (second_list(), "its artefact is no list in strict DER"),
    ] {
        let world = spoilt(|world| {
            world.lines[at].artefact = Some(vec![0x30, 0x00]);
            world.reseal(at);
        });
        assert_eq!(world.audit().differences.into_iter().map(|found| found.what).collect::<Vec<_>>(), [due]);
    }
    let at = second_list();
    let world = spoilt(|world| world.fact(at).aggregate = ListId::first(Authority::Root).aggregate());
    let found: Vec<_> = world.audit().differences.into_iter().map(|found| found.what).collect();
    assert_eq!(
        found,
        [
            "its fact is step 1 of its aggregate, where step 0 comes next",
            "its fact is of ca-tsu and lies in the history of something else",
            "the snapshot is not the fold of the facts",
        ]
    );
}

/// A responder's certificate, issued on a profile that the program has.
pub(super) fn responder() -> (Certificate, Grounds) {
    let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let template = testing::template("ocsp-responder", "Responder", &key, 1);
    let validity = Period { not_before: testing::start(), not_after: testing::start().plus_secs(7 * 86_400 - 1) };
    let template = Template { validity, ..template };
    let issuer = Issuer::new(Authority::Tsu, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
    let grounds = Grounds {
        generation: 1,
        profile: template.profile.digest(),
        lint_version: lint::LINT_VERSION,
        ..Grounds::default()
    };
    (testing::issue(&template, &issuer, &PKI.ca_key), grounds)
}

const REVOKED: Kind = Kind::Ca(CaKind::CertificateRevoked);

/// Issued, revoked and listed, with something changed before the list.
fn revoked_world(change: impl FnOnce(&mut World, usize)) -> Vec<String> {
    let (certificate, grounds) = responder();
    let mut world = World::lived();
    let at = |secs: u64| testing::GEN_TIME.plus_secs(90_010 + secs);
    world.certify_on(ProfileCode::OcspResponder, &certificate, Some(grounds), at(0));
    world.revoke(&certificate, crl::Reason::KeyCompromise, at(1));
    let revocation = world.lines.len() - 1;
    change(&mut world, revocation);
    world.list(true, at(2));
    world.audit().differences.into_iter().map(|found| found.what).collect()
}

#[test]
fn revocations_are_decided_again() {
    assert_eq!(revoked_world(|_, _| {}), [""; 0]);
    let found = revoked_world(|world, at| world.lines[at].entry.tags = Tags::default());
    assert_eq!(found, ["its entry does not bear the tag of the revoked certificate"]);
    let found = revoked_world(|world, at| {
        let CaFact::CertificateRevoked { list, serial, at: when, not_after, public_key, certificate, officer, .. } =
            CaFact::from_fact(world.lines[at].fact.as_ref().unwrap()).unwrap()
        else {
            panic!("a revocation")
        };
        let (reason, when) = (crl::Reason::Superseded, when.minus_millis(5_000));
        let other =
            CaFact::CertificateRevoked { list, serial, at: when, reason, not_after, public_key, certificate, officer };
        world.rewrite(at, other);
    });
    // The list was made from the revocation as it was.
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0], "decided again, its fact has another event, another body");
    // The list names what nobody revoked.
    let found = revoked_world(|world, at| drop(world.lines.remove(at)));
    assert!(matches!(&found[..], [what] if what.ends_with(", which was not revoked")), "{found:?}");
    let kinds = World::lived().all(REVOKED);
    assert_eq!(kinds, [0; 0]);
}

/// What a list leaves out is told, whatever set of entries its event names.
#[test]
fn a_list_that_hides_a_revocation() {
    let (certificate, grounds) = responder();
    let listed_after = |secs: u64| {
        let mut world = World::lived();
        let at = |secs: u64| testing::GEN_TIME.plus_secs(90_010 + secs);
        world.certify_on(ProfileCode::OcspResponder, &certificate, Some(grounds.clone()), at(0));
        world.revoke(&certificate, crl::Reason::KeyCompromise, at(1));
        world.hide_revocations();
        world.list(true, at(1 + secs));
        world.audit()
    };
    // One that was decided before it may have become durable after it, for as long as a commit may wait.
    for secs in [0, 5] {
        let report = listed_after(secs);
        assert_eq!((report.differences.len(), report.not_decided().get(&Reason::Request)), (0, None), "{secs}");
    }
    let serial = hex::encode(certificate.serial());
    let at = testing::GEN_TIME.plus_secs(90_011).whole_secs();
    let found: Vec<_> = listed_after(7).differences.into_iter().map(|found| found.what).collect();
    assert_eq!(found, [format!("it does not name the certificate {serial}, which was revoked at {at}")]);
}

/// A list that was issued after a completion names what the entry's tag says was revoked.
#[test]
fn a_revocation_whose_fact_was_lost() {
    let (certificate, grounds) = responder();
    let mut world = World::lived();
    let at = |secs: u64| testing::GEN_TIME.plus_secs(90_010 + secs);
    world.certify_on(ProfileCode::OcspResponder, &certificate, Some(grounds), at(0));
    world.revoke(&certificate, crl::Reason::KeyCompromise, at(1));
    let lost = world.lines.len() - 1;
    let entry = Timestamp::from_millis(world.lines[lost].entry.time_ms);
    world.forget_reason(entry);
    world.list(true, at(60));
    let report = world.audit_without(rules(), &[lost]);
    assert_eq!((&report.differences[..], report.not_decided().get(&Reason::Request)), (&[][..], None));
    // And one that does not name it hides it.
    world.hide_revocations();
    world.list(true, at(120));
    let found: Vec<_> = world.audit_without(rules(), &[lost]).differences.into_iter().map(|found| found.what).collect();
    let serial = hex::encode(certificate.serial());
    let due = format!("it does not name the certificate {serial}, which was revoked at {}", entry.whole_secs());
    assert_eq!(found, [due]);
}

#[test]
fn grounds_are_judged() {
    let (certificate, good) = responder();
    let found = |grounds: Grounds| -> Vec<String> {
        let world = spoilt(|world| {
            let now = testing::GEN_TIME.plus_secs(90_010);
            world.certify_on(ProfileCode::OcspResponder, &certificate, Some(grounds), now);
        });
        world.audit().differences.into_iter().map(|found| found.what).collect()
    };
    assert_eq!(found(good.clone()), [""; 0]);
    let unknown = found(Grounds { profile: Digest([7; 32]), ..good.clone() });
    assert_eq!(unknown, ["its profile is none that this ledger or this program has"]);
    let other = found(Grounds { profile: Profile::named("party-legal").digest(), ..good.clone() });
    assert_eq!(other[0], "its profile party-legal is for certificates of another class");
    assert!(other[1].starts_with("the lint would have stopped it: key_usage"), "{other:?}");
    let findings = found(Grounds { findings: vec![40], ..good.clone() });
    assert_eq!(findings, ["the lint finds something else than was recorded: nothing found"]);
    assert_eq!(found(Grounds { findings: vec![40], lint_version: 0, ..good }), [""; 0]);
}
