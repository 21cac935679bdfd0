//! A certificate's life: issued, answered for, revoked, listed; and what a restart knows of it.

mod world;

use axum::{body::Body, extract::Request};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{StatusCode, header};
use semper_api::{CredentialFault, IssuedCertificate, ToIssue};
use semper_ttp::{
    ca::{
        Authority, ListId,
        credential::{CredentialRefusal, IssueRefusal},
        crl::Reason,
        ocsp::{HashAlgorithm, response::ReadStatus},
    },
    digest::Digest,
    evidence::{CaKind, Fact, Kind},
};
use world::certified::{CA, World, names};
use world::{BASE_URL, DAY_SECS, START, wanted};

#[tokio::test]
async fn a_revocation_is_seen_at_once_in_every_form() {
    let world = World::new(0);
    let (first, other) = (world.issue(), world.issue());
    let serial = first.certificate.serial();
    // Also what was cached is forgotten.
    for _ in 0..2 {
        for hash in [HashAlgorithm::Sha1, HashAlgorithm::Sha256] {
            assert_eq!(world.status(&serial, hash, None).await, ReadStatus::Good);
            assert_eq!(world.status(&serial, hash, Some(&[7; 32])).await, ReadStatus::Good);
        }
    }
    let at = START;
    let index = world.revoke(&serial, Reason::KeyCompromise).unwrap();
    for hash in [HashAlgorithm::Sha1, HashAlgorithm::Sha256] {
        for nonce in [None, Some(&[7; 32][..])] {
            let ReadStatus::Revoked { at: said, reason } = world.status(&serial, hash, nonce).await else {
                panic!("revoked")
            };
            assert_eq!((said, reason.map(|reason| reason as u8)), (at, Some(1)));
            assert_eq!(world.status(&other.certificate.serial(), hash, nonce).await, ReadStatus::Good);
        }
    }
    // The list says so once it was renewed, which is due although it is fresh.
    assert!(!names(&world.list("ca-party").await, &serial));
    world.now.pass(1);
    world.service.renew_crls().unwrap();
    let list = world.list("ca-party").await;
    assert!(names(&list, &serial) && !names(&list, &other.certificate.serial()));
    assert_eq!(world.service.reader().fact(index).unwrap().map(|fact| Fact::decode(&fact).unwrap().kind), {
        Some(Kind::Ca(CaKind::CertificateRevoked))
    });
    // Revoked once; an unknown one never.
    let again = world.revoke(&serial, Reason::Superseded).unwrap_err();
    let refused = CredentialRefusal::AlreadyRevoked { at, reason: Reason::KeyCompromise };
    assert!(matches!(again, CredentialFault::Refused(found) if found == refused), "{again}");
    let never = world.revoke(&[0x41; 16], Reason::Superseded).unwrap_err();
    assert!(matches!(never, CredentialFault::Refused(CredentialRefusal::NotIssued)));
}

#[tokio::test]
async fn what_was_never_issued_is_never_good() {
    let world = World::new(0);
    let serial = [0x41; 16];
    for _ in 0..60 {
        assert_eq!(world.status(&serial, HashAlgorithm::Sha256, None).await, ReadStatus::Unknown);
    }
    // From here on unsigned: 60 a minute are enough for whoever errs.
    let unsigned = |body: Vec<u8>| assert_eq!(body, [0x30, 3, 0x0A, 1, 6]);
    let post = |body: Vec<u8>| {
        let request = Request::post("/ocsp").header(header::CONTENT_TYPE, "application/ocsp-request; a=b");
        request.body(Body::from(body)).unwrap()
    };
    unsigned(world.ask(post(world.request(&serial, HashAlgorithm::Sha256, None))).await.2);
    // Of an issuer that is none of ours, always.
    let mut foreign = world.request(&serial, HashAlgorithm::Sha256, None);
    let at = foreign.len() - 40;
    foreign[at] ^= 1;
    unsigned(world.ask(post(foreign)).await.2);
    for bad in [vec![], vec![0x30], vec![0xFF; 300]] {
        assert_eq!(world.ask(post(bad)).await.2, [0x30, 3, 0x0A, 1, 1]);
    }
    let (status, _, _) = world.ask(Request::post("/ocsp").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn get_is_for_caches() {
    let world = World::new(0);
    let issued = world.issue();
    let encoded = STANDARD.encode(world.request(&issued.certificate.serial(), HashAlgorithm::Sha1, None));
    let escaped = encoded.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let get = |path: &str, etag: Option<&str>| {
        let request = Request::get(format!("/ocsp/{path}"));
        let request = etag.into_iter().fold(request, |request, etag| request.header(header::IF_NONE_MATCH, etag));
        request.body(Body::empty()).unwrap()
    };
    let (status, headers, body) = world.ask(get(&encoded, None)).await;
    assert_eq!((status, world.verified(&body).singles[0].status), (StatusCode::OK, ReadStatus::Good));
    assert_eq!(headers[header::CACHE_CONTROL], "max-age=3600, public, no-transform, must-revalidate");
    assert_eq!(headers[header::LAST_MODIFIED], "Sun, 01 Mar 2026 12:00:00 GMT");
    assert_eq!(headers[header::EXPIRES], "Mon, 02 Mar 2026 12:00:00 GMT");
    let etag = headers[header::ETAG].to_str().unwrap();
    assert_eq!(etag, format!("\"{}\"", Digest::of(&body)));
    // The same octets in either spelling, and none for whoever has them.
    assert_eq!(world.ask(get(&escaped, None)).await.2, body);
    let (status, _, nothing) = world.ask(get(&escaped, Some(etag))).await;
    assert_eq!((status, nothing.len()), (StatusCode::NOT_MODIFIED, 0));
    let (_, headers, nonce) = world.ask(get("MAA=", None)).await;
    assert_eq!((nonce, &headers[header::CACHE_CONTROL]), (vec![0x30, 3, 0x0A, 1, 1], &"no-store".parse().unwrap()));
    // After half its life another one is made.
    world.now.pass(DAY_SECS / 2);
    let later = world.ask(get(&encoded, None)).await.2;
    assert_ne!(later, body);
    assert_eq!(world.verified(&later).singles[0].this_update, START.plus_secs(u64::from(DAY_SECS / 2)));
}

#[tokio::test]
async fn shards_are_lists_of_their_own() {
    let world = World::new(4);
    let issued: Vec<_> = (0..12).map(|_| world.issue()).collect();
    let list_of = |issued: &IssuedCertificate| {
        let url = issued.certificate.crl_place().unwrap();
        let place = url.strip_prefix(&format!("{BASE_URL}/crl/")).and_then(|rest| rest.strip_suffix(".crl")).unwrap();
        (place.to_owned(), ListId::from_place(place).unwrap().partition)
    };
    assert!(issued.iter().all(|issued| (1..=4).contains(&list_of(issued).1)));
    let revoked = &issued[0];
    let serial = revoked.certificate.serial();
    let before = world.service.reader().size();
    world.revoke(&serial, Reason::Superseded).unwrap();
    world.now.pass(1);
    world.service.renew_crls().unwrap();
    assert_eq!(world.service.reader().size(), before + 2, "one list for one revocation");
    let (own, partition) = list_of(revoked);
    for shard in 1..=4 {
        let list = world.list(&format!("ca-party/{shard}")).await;
        assert_eq!(names(&list, &serial), shard == partition);
        // issuingDistributionPoint, critical, with the very place that certificates name.
        let point = [&[0x55, 0x1D, 0x1C, 1, 1, 0xFF][..]].concat();
        assert!(names(&list, &point) && names(&list, format!("{BASE_URL}/crl/ca-party/{shard}.crl").as_bytes()));
    }
    // The list of all has no such limit, and follows within the hour, also over a restart.
    assert!(!names(&world.list("ca-party").await, &serial));
    let world = world.restart(4);
    let next = world.service.renew_crls().unwrap();
    assert_eq!((next, world.service.reader().size()), (START.plus_secs(3_600), before + 2));
    world.now.pass(3_599);
    world.service.renew_crls().unwrap();
    assert_eq!(world.service.reader().size(), before + 3, "the shards are not touched");
    let all = world.list("ca-party").await;
    assert!(names(&all, &serial) && !names(&all, &[0x55, 0x1D, 0x1C]));

    // With fewer shards the old ones go on: certificates name them for as long as they live.
    let world = world.restart(0);
    assert!(names(&world.list(&own).await, &serial));
    world.now.pass(DAY_SECS);
    world.service.renew_crls().unwrap();
    assert!(names(&world.list(&own).await, &serial));
    let another = issued.iter().find(|issued| list_of(issued).0 == own && issued.certificate.serial() != serial);
    if let Some(another) = another {
        world.revoke(&another.certificate.serial(), Reason::Superseded).unwrap();
        world.now.pass(1);
        world.service.renew_crls().unwrap();
        assert!(names(&world.list(&own).await, &another.certificate.serial()));
    }
    assert_eq!(list_of(&world.issue()).0, "ca-party");
}

/// A process that ends between a revocation and its list finds at its start that the list lacks something.
#[tokio::test]
async fn a_restart_forgets_no_revocation() {
    let world = World::new(0);
    let issued = world.issue();
    let serial = issued.certificate.serial();
    world.now.pass(5);
    world.revoke(&serial, Reason::CessationOfOperation).unwrap();
    let responders = |world: &World| world.service.reader().size();
    let size = responders(&world);
    let world = world.restart(0);
    assert_eq!(responders(&world), size, "a responder's certificate that is good is found again");
    assert!(matches!(world.status(&serial, HashAlgorithm::Sha256, None).await, ReadStatus::Revoked { .. }));
    world.service.renew_crls().unwrap();
    assert!(names(&world.list("ca-party").await, &serial));
    // Half way through its life it gets another one.
    world.now.pass(4 * DAY_SECS);
    world.service.renew_responders().unwrap();
    assert_eq!(responders(&world), size + 2, "a list and a certificate");
    assert!(matches!(world.status(&serial, HashAlgorithm::Sha256, None).await, ReadStatus::Revoked { .. }));
}

#[test]
fn what_may_not_be_issued_is_recorded() {
    let world = World::new(0);
    let refused = |wanted: &ToIssue| match world.service.issue(wanted) {
        Err(CredentialFault::Refused(CredentialRefusal::Issue(why))) => {
            let newest = world.service.reader().size() - 1;
            let fact = Fact::decode(&world.service.reader().fact(newest).unwrap().unwrap()).unwrap();
            assert_eq!(fact.kind, Kind::Ca(CaKind::IssueRefused));
            why
        }
        other => panic!("{other:?}"),
    };
    // A natural person without a name of his own.
    assert_eq!(refused(&wanted("party-natural")), IssueRefusal::Lint);
    let stolen = wanted("party-legal");
    let issued = world.service.issue(&stolen).unwrap();
    world.revoke(&issued.certificate.serial(), Reason::KeyCompromise).unwrap();
    assert_eq!(refused(&stolen), IssueRefusal::KeyCompromised);
    // Nor after a start.
    let world = world.restart(0);
    let again = world.service.issue(&stolen).unwrap_err();
    let due = CredentialRefusal::Issue(IssueRefusal::KeyCompromised);
    assert!(matches!(again, CredentialFault::Refused(found) if found == due), "{again}");
    // A serial number that an approval drew is given once.
    let once = ToIssue { serial: Some([9; 16]), ..wanted("party-legal") };
    let issued = world.service.issue(&once).unwrap();
    assert_eq!(issued.certificate.serial()[1..], [9; 15]);
    let twice = world.service.issue(&once).unwrap_err();
    assert!(matches!(twice, CredentialFault::Refused(CredentialRefusal::SerialTaken)), "{twice}");
    let known = world.service.find_certificate(&issued.certificate.serial()).unwrap().unwrap();
    assert_eq!((known.ca, known.issued_at, known.revoked_at), (CA, issued.index, None));
    assert!(world.service.find_certificate(&[1; 16]).unwrap().is_none());
}

#[test]
fn lists_around_a_moment() {
    let world = World::new(0);
    let list = ListId::first(Authority::Party);
    for _ in 0..5 {
        world.now.pass(DAY_SECS);
        world.service.renew_crls().unwrap();
    }
    let day = |days: u64| START.plus_secs(days * u64::from(DAY_SECS));
    let around = |at| {
        let (before, after) = world.service.lists_around(list, at).unwrap();
        (before.map(|list| list.this_update), after.map(|list| list.this_update))
    };
    assert_eq!(around(START.minus_millis(1)), (None, Some(START)));
    assert_eq!(around(START), (Some(START), Some(day(1))));
    assert_eq!(around(day(2).plus_secs(1)), (Some(day(2)), Some(day(3))));
    assert_eq!(around(day(9)), (Some(day(5)), None));
    let none = world.service.lists_around(ListId { partition: 3, ..list }, START).unwrap();
    assert_eq!(none, (None, None));
}
