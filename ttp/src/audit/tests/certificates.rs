//! The list of certificates: an honest one, and one fault at a time.

use super::ca::responder;
use super::*;
use crate::ca::profile::{Profile, ProfileCode};
use crate::ca::{Authority, CaId, Grounds};
use crate::policy::Policy;
use crate::x509::Certificate;

fn listed(world: &World) -> Vec<ListedCertificate> {
    let mut list = CertificateList::default();
    let mut found = Vec::new();
    for (index, line) in (0..).zip(&world.lines) {
        let (entry, fact) = (line.entry.encode(), line.fact.as_ref().map(Fact::encode));
        let row = Row {
            index,
            entry: &entry,
            fact: fact.as_deref().map_or(Stored::Absent, Stored::Kept),
            artefact: line.artefact.as_deref().map_or(Stored::Absent, Stored::Kept),
        };
        found.extend(list.entry(&row));
    }
    found
}

/// The world with a responder's certificate behind all else, and where that stands.
fn with_responder(grounds: impl FnOnce(Grounds) -> Grounds) -> (World, Certificate, usize) {
    let (certificate, good) = responder();
    let mut world = World::lived();
    world.certify_on(ProfileCode::OcspResponder, &certificate, Some(grounds(good)), GEN_TIME.plus_secs(90_010));
    let at = world.lines.len() - 1;
    (world, certificate, at)
}

/// What is said of the last certificate.
fn last(world: &World) -> (Vec<String>, Option<&'static str>) {
    let last = listed(world).pop().unwrap();
    (last.faults, last.missing)
}

#[test]
fn every_certificate_is_listed_with_what_it_is() {
    let (world, certificate, at) = with_responder(|good| good);
    let all = listed(&world);
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|one| one.faults.is_empty() && one.missing.is_none()), "{all:?}");
    let one = all.last().unwrap();
    assert_eq!((one.index, one.digest), (at as u64, certificate.digest()));
    let stated = one.stated.as_ref().unwrap();
    assert_eq!((stated.issuer, stated.class), (CaId::first(Authority::Tsu), ProfileCode::OcspResponder));
    assert_eq!(stated.profile_name.as_deref(), Some("ocsp-responder"));
    assert_eq!(stated.serial, certificate.serial());
    assert_eq!(stated.not_after, certificate.validity().not_after);
    assert_eq!(stated.history, CaId::first(Authority::Tsu).certificate(&certificate.serial()));
    // Those of the first form name no profile.
    assert_eq!(all[0].stated.as_ref().unwrap().profile, None);
}

#[test]
fn what_is_missing_is_said_and_what_differs() {
    let spoilt = |change: &dyn Fn(&mut World, usize)| {
        let (mut world, _, at) = with_responder(|good| good);
        change(&mut world, at);
        last(&world)
    };
    let missing = |what| (Vec::new(), Some(what));
    assert_eq!(
        spoilt(&|world, at| world.lines[at].artefact = None),
        missing("the certificate itself is not in the store, or does not read")
    );
    assert_eq!(
        spoilt(&|world, at| world.lines[at].fact = None),
        missing("its fact is not in the store, or does not read")
    );
    let faults = |(faults, missing): (Vec<String>, Option<&str>)| {
        assert_eq!(missing, None);
        faults
    };
    let other = testing::ec().tsu.certificate().der().to_vec();
    let found = faults(spoilt(&|world, at| world.lines[at].artefact = Some(other.clone())));
    assert_eq!(found[..2], ["its entry is of another certificate", "it is not the certificate that its fact tells of"]);
    let found = faults(spoilt(&|world, at| world.lines[at].artefact = Some(vec![0x30, 0])));
    assert_eq!(found[1], "it is no certificate: not a certificate in strict DER");
    // By another key.
    let found = faults(spoilt(&|world, at| {
        let der = world.lines[at].artefact.as_mut().unwrap();
        *der.last_mut().unwrap() ^= 1;
        world.reseal(at);
    }));
    assert!(found.len() == 1 && found[0].starts_with("it does not lead to the root: "), "{found:?}");
    // Without the CA's own certificate in front of it.
    let found = faults(spoilt(&|world, _| {
        let ca = world.all(Kind::Ca(CaKind::CertificateIssued))[1];
        world.lines.remove(ca);
    }));
    assert_eq!(found, ["it does not lead to the root: its issuers do not stand in the ledger before it"]);
}

#[test]
fn a_certificate_that_contradicts_its_profile_is_shown() {
    let (world, _, _) = with_responder(|good| Grounds { profile: Digest([7; 32]), ..good });
    assert_eq!(last(&world).0, ["its profile is none that this ledger or this program has"]);
    let (world, _, _) = with_responder(|good| Grounds { profile: Profile::named("party-legal").digest(), ..good });
    let found = last(&world).0;
    assert_eq!(found[0], "its profile party-legal is for certificates of another class");
    assert!(found[1].starts_with("it contradicts its profile party-legal: key_usage"), "{found:?}");
    // A profile of a week in force, and a certificate by the one of before.
    let text = std::str::from_utf8(Profile::named("ocsp-responder").bytes())
        .unwrap()
        .replace("life_days = 7", "life_days = 6");
    let other = Profile::parse(&text).unwrap();
    let (mut world, _, at) = with_responder(|good| good);
    let policy = Policy::of_profile(&other);
    world.policy(&policy.name, &policy.bytes, 0, GEN_TIME.plus_secs(90_005));
    world.lines.swap(at, at + 1);
    assert_eq!(last(&world).0, ["its profile ocsp-responder was not in force"]);
    // By that one it would have been too long.
    let (mut world, certificate, at) = with_responder(|good| good);
    world.lines.truncate(at);
    world.policy(&policy.name, &policy.bytes, 0, GEN_TIME.plus_secs(90_005));
    let (_, good) = responder();
    let grounds = Grounds { profile: other.digest(), ..good };
    world.certify_on(ProfileCode::OcspResponder, &certificate, Some(grounds), GEN_TIME.plus_secs(90_010));
    assert_eq!(last(&world).0, ["it contradicts its profile ocsp-responder: life (profile)"]);
}
