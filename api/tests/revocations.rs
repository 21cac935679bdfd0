//! What a revocation does beyond its own entry: to what a CA has issued, to responders and units, and where its fact was lost.

mod world;

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use http::{StatusCode, header};
use semper_api::pool::Pool;
use semper_api::{CredentialFault, Endpoint, Policies, ToIssue, ToRevoke};
use semper_ttp::ca::credential::{CredentialRefusal, IssueRefusal};
use semper_ttp::ca::crl::{self, Reason};
use semper_ttp::ca::ocsp::{HashAlgorithm, response::ReadStatus};
use semper_ttp::ca::{Authority, CaId};
use semper_ttp::crypto::{Entropy, EntropyFault, OsEntropy, Signer};
use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::evidence::{KeyId, KeyPurpose};
use semper_ttp::policy::roles::{TrustedRole, TrustedRoles};
use semper_ttp::timestamp::request::{Imprint, Request as StampRequest};
use semper_ttp::timestamp::{Accuracy, Endpoint as StampingEndpoint, Settings, Tsu};
use semper_ttp::x509::Certificate;
use serde_json::Value;
use world::certified::{World, names};
use world::http::{Asked, ask, json};
use world::{DAY_SECS, Disk, Now, Pki, START, key, wanted};

const ROOT: CaId = CaId::first(Authority::Root);

/// A ledger that was completed from its public half knows by the entry's tag what was revoked, although the fact is lost.
#[tokio::test]
async fn a_revocation_whose_fact_was_lost_still_counts() {
    let world = World::new(0);
    let (lost, good) = (world.issue(), world.issue());
    let (serial, other) = (lost.certificate.serial(), good.certificate.serial());
    let backup = world.disk.backup();
    world.now.pass(60);
    let at = START.plus_secs(60);
    let index = world.revoke(&serial, Reason::KeyCompromise).unwrap();
    world.now.pass(60);
    world.service.renew_crls().unwrap();
    let unknown = world.issue().certificate.serial();
    world.revoke(&unknown, Reason::Superseded).unwrap();
    let world = world.completed(backup);

    for nonce in [None, Some(&[7; 32][..])] {
        let ReadStatus::Revoked { at: said, reason } = world.status(&serial, HashAlgorithm::Sha256, nonce).await else {
            panic!("it was revoked, and all the world may know")
        };
        assert_eq!((said, reason), (at, None));
        assert_eq!(world.status(&other, HashAlgorithm::Sha256, nonce).await, ReadStatus::Good);
        assert_eq!(world.status(&unknown, HashAlgorithm::Sha256, nonce).await, ReadStatus::Unknown);
    }
    let known = world.service.find_certificate(&serial).unwrap().unwrap();
    assert_eq!(known.revoked_at, Some(index));
    let shown = json(
        &ask(&world.service, Asked::secure("GET", &format!("/v1/certificates/{}/status", hex::encode(&serial)))).await,
        StatusCode::OK,
    );
    assert_eq!(
        (&shown["status"], &shown["revoked"]["reason"], &shown["revoked"]["entry"]["index"]),
        (&Value::from("revoked"), &Value::from("unspecified"), &Value::from(index))
    );
    let again = world.revoke(&serial, Reason::Superseded).unwrap_err();
    let refused = CredentialRefusal::AlreadyRevoked { at, reason: Reason::Unspecified };
    assert!(matches!(again, CredentialFault::Refused(found) if found == refused), "{again}");
    // Its holder has no rights again.
    let asked = Asked::secure("GET", "/v1/keys").by(&lost.certificate);
    let denied = json(&ask(&world.service, asked).await, StatusCode::FORBIDDEN);
    assert_eq!(denied["detail"], format!("your certificate was revoked at {at}"));
    // The list that is served lacks it; the next one, due at the start, does not.
    assert!(!names(&world.list("ca-party").await, &serial));
    world.now.pass(1);
    world.service.renew_crls().unwrap();
    let list = world.list("ca-party").await;
    assert!(names(&list, &serial) && !names(&list, &other));
    // Nor is it forgotten by the start after that, or is another list issued.
    let size = world.service.reader().size();
    let world = world.restart(0);
    world.service.renew_crls().unwrap();
    assert_eq!(world.service.reader().size(), size);
    assert!(matches!(world.status(&serial, HashAlgorithm::Sha1, None).await, ReadStatus::Revoked { .. }));
}

#[tokio::test]
async fn a_revoked_ca_signs_nothing_more_also_after_a_restart() {
    let world = World::with_logged_ca();
    let serial = world.issue().certificate.serial();
    world.revoke_by(ROOT, &world.pki.ca.serial(), Reason::CaCompromise).unwrap();
    let refused = |world: &World| match world.service.issue(&wanted("party-legal")) {
        Err(CredentialFault::Refused(CredentialRefusal::Issue(why))) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&world), IssueRefusal::Issuer);
    let World { disk, now, pki, service } = world;
    drop(service);
    let service = pki.service(&disk, &now, 0);
    let world = World { disk, now, pki, service };
    assert_eq!(refused(&world), IssueRefusal::Issuer);
    // Who answers for it does so to the end of his certificate, and gets no other.
    let size = world.service.reader().size();
    for is_valid in [true, true, false] {
        world.service.renew_responders().unwrap();
        if is_valid {
            assert_eq!(world.status(&serial, HashAlgorithm::Sha256, None).await, ReadStatus::Good);
        } else {
            assert_eq!(answer(&world, &serial, None).await, TRY_LATER);
        }
        world.now.pass(4 * DAY_SECS);
    }
    assert_eq!(world.service.reader().size(), size);
    assert!(!world.service.unready().iter().any(|why| why.starts_with("ocsp")), "nobody is to do anything");
}

#[tokio::test]
async fn certificates_of_a_revoked_ca_open_nothing() {
    let world = World::with_logged_ca();
    let officer = world.service.issue(&wanted("officer")).unwrap().certificate;
    let mut policies = Policies::builtin();
    let granted = TrustedRoles::file(&[(TrustedRole::RevocationOfficer, officer.digest())]);
    policies.set_roles(granted.into_bytes()).unwrap();
    let World { disk, now, pki, service } = world;
    drop(service);
    now.pass(1);
    let service = pki.service_under(&disk, &now, 0, policies);
    let world = World { disk, now, pki, service };
    let asked = || Asked::secure("GET", "/v1/certificates?expires_before=2026-03-02T00:00:00Z").by(&officer);
    json(&ask(&world.service, asked()).await, StatusCode::OK);
    world.revoke_by(ROOT, &world.pki.ca.serial(), Reason::CaCompromise).unwrap();
    let denied = json(&ask(&world.service, asked()).await, StatusCode::FORBIDDEN);
    assert_eq!(denied["detail"], "the CA that issued your certificate was revoked");
    let me = json(&ask(&world.service, Asked::secure("GET", "/v1/me").by(&officer)).await, StatusCode::OK);
    assert_eq!((&me["roles"], &me["is_good"]), (&Value::from(Vec::<Value>::new()), &Value::from(false)));
    assert_eq!(me["detail"], denied["detail"]);
}

/// `/tsa` of a unit with this certificate.
fn endpoint(pki: &Pki, signer: &Arc<dyn Signer>, certificate: &Certificate) -> Endpoint {
    let (id, chain) = (KeyId::new(KeyPurpose::TsuEc, 1), [pki.ca.der().to_vec()]);
    let tsu = Tsu::load(id, signer.algorithm(), signer.spki_der(), certificate.der(), &chain, pki.root.der()).unwrap();
    let settings = Settings {
        name: "/tsa".to_owned(),
        default_policy: "1.3.6.1.4.1.99999.1".parse().unwrap(),
        accepted_policies: Vec::new(),
        hashes: ImprintAlgorithm::ALL.to_vec(),
        accuracy: Accuracy::from_micros(500_000).unwrap(),
        clock_bound_micros: 100_000,
        qualified: false,
        policy_hash: Digest::of(b"policy"),
    };
    let endpoint = StampingEndpoint::new(settings, Arc::new(tsu)).unwrap();
    Endpoint::new(endpoint, signer.clone(), Pool::start("sign", 1, 8).unwrap())
}

#[tokio::test]
async fn a_unit_whose_certificate_is_revoked_stamps_no_more() {
    let (disk, now, pki) = (Disk::new(), Arc::new(Now::new()), Pki::new());
    let signer: Arc<dyn Signer> = Arc::new(key());
    let ca = CaId::first(Authority::Tsu);
    let service = pki.stamping(&disk, &now, Vec::new());
    let spki_der = signer.spki_der().to_vec();
    let unit = ToIssue { ca, spki_der, ..wanted("tsu") };
    let unit = service.issue(&unit).unwrap().certificate;
    drop(service);
    let request = StampRequest {
        imprint: Imprint { algorithm: ImprintAlgorithm::Sha256, null_parameters: false, digest: vec![7; 32] },
        policy: None,
        nonce: None,
        cert_req: false,
    };
    let stamp = async |service: &Arc<semper_api::Service>| {
        let asked = Asked::plain("POST", "/tsa").with("content-type", "application/timestamp-query");
        ask(service, asked.octets(request.encode())).await.body
    };
    // PKIStatus and PKIFailureInfo: rejection, systemFailure (bit 25).
    let is_rejected = |answer: &[u8]| answer.ends_with(&[3, 5, 6, 0, 0, 0, 0x40]);
    let service = pki.stamping(&disk, &now, vec![endpoint(&pki, &signer, &unit)]);
    service.renew_crls().unwrap();
    assert!(!is_rejected(&stamp(&service).await));
    assert_eq!(service.unready(), [""; 0]);
    let (serial, reason, officer) = (unit.serial(), Reason::KeyCompromise, Digest::of(b"officer"));
    service.revoke(&ToRevoke { ca, serial, reason, officer, idempotency: None }).unwrap();
    let size = service.reader().size();
    let why = ["/tsa: the certificate of its unit, or of its CA, was revoked"];
    assert!(is_rejected(&stamp(&service).await));
    assert_eq!((service.unready(), service.reader().size()), (why.map(str::to_owned).into(), size));
    drop(service);
    let service = pki.stamping(&disk, &now, vec![endpoint(&pki, &signer, &unit)]);
    assert!(is_rejected(&stamp(&service).await));
    assert_eq!(service.unready(), why);
}

#[test]
fn without_a_responder_a_service_is_not_ready() {
    let (disk, now, pki) = (Disk::new(), Arc::new(Now::new()), Pki::new());
    let service = pki.unrecorded(&disk, &now, Policies::builtin(), now.clone());
    service.renew_crls().unwrap();
    assert_eq!(service.unready(), [""; 0], "nobody has tried");
    assert!(service.renew_responders().unwrap_err().is_of_time(), "the policies are not in the ledger");
    assert_eq!(service.unready(), ["ocsp: ca-party has no valid responder"]);
    // The clock is good, and that is not enough.
    assert!(!service.look_at_keys(false), "it is to be looked again soon");
    service.record_policies().unwrap();
    assert!(service.look_at_keys(false));
    assert_eq!(service.unready(), [""; 0]);
    // Its certificate lives a week.
    now.pass(8 * DAY_SECS);
    service.renew_crls().unwrap();
    assert_eq!(service.unready(), ["ocsp: ca-party has no valid responder"]);
}

const TRY_LATER: [u8; 5] = [0x30, 3, 0x0A, 1, 3];

/// What OCSP answers about a certificate, by POST.
async fn answer(world: &World, serial: &[u8], nonce: Option<&[u8]>) -> Vec<u8> {
    let request = Request::post("/ocsp").header(header::CONTENT_TYPE, "application/ocsp-request");
    let body = Body::from(world.request(serial, HashAlgorithm::Sha256, nonce));
    world.ask(request.body(body).unwrap()).await.2
}

#[tokio::test]
async fn a_responder_that_has_ended_says_nothing() {
    let world = World::new(0);
    let serial = world.issue().certificate.serial();
    // An hour before its end, answers are good until then and no longer.
    world.now.pass(7 * DAY_SECS - 3_600);
    assert_eq!(world.status(&serial, HashAlgorithm::Sha256, None).await, ReadStatus::Good);
    world.now.pass(3_600);
    for nonce in [None, Some(&[7; 32][..])] {
        assert_eq!(answer(&world, &serial, nonce).await, TRY_LATER);
    }
    world.service.renew_responders().unwrap();
    assert_eq!(world.status(&serial, HashAlgorithm::Sha256, None).await, ReadStatus::Good);
}

#[tokio::test]
async fn a_responder_that_was_revoked_has_another_certificate_or_says_nothing() {
    let world = World::new(0);
    let serial = world.issue().certificate.serial();
    let responder = async || {
        let response = world.verified(&answer(&world, &serial, None).await);
        response.certificates[0].clone()
    };
    let first = responder().await;
    world.revoke(&first.serial(), Reason::Superseded).unwrap();
    let second = responder().await;
    assert_ne!(first.serial(), second.serial(), "it got another at once");
    // This service has no place for another key, and the old one is no longer certified.
    let size = world.service.reader().size();
    world.revoke(&second.serial(), Reason::KeyCompromise).unwrap();
    for nonce in [None, Some(&[7; 32][..])] {
        assert_eq!(answer(&world, &serial, nonce).await, TRY_LATER);
    }
    assert_eq!(world.service.unready(), ["ocsp: ca-party has no valid responder"]);
    world.service.renew_responders().unwrap_err();
    assert_eq!(world.service.reader().size(), size + 1, "a look that comes often leaves no refusals behind");
}

/// Randomness that does something else first, once.
struct Hook(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Entropy for Hook {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFault> {
        if let Some(first) = self.0.lock().unwrap().take() {
            first();
        }
        OsEntropy.fill(bytes)
    }
}

/// Whoever reads a list of T learns of every revocation that was decided before T, also of one that waits for the disk.
#[test]
fn a_list_lacks_nothing_that_was_decided_before_it() {
    let (disk, now, pki) = (Disk::new(), Arc::new(Now::new()), Pki::new());
    let hook = Arc::new(Hook(Mutex::new(None)));
    let service = pki.service_of(&disk, &now, hook.clone());
    service.renew_crls().unwrap();
    let [first, second] = [(); 2].map(|()| service.issue(&wanted("party-legal")).unwrap().certificate);
    let revoke = |certificate: &Certificate| {
        let (ca, serial) = (CaId::first(Authority::Party), certificate.serial());
        let (reason, officer) = (Reason::Superseded, Digest::of(b"officer"));
        service.revoke(&ToRevoke { ca, serial, reason, officer, idempotency: None }).unwrap()
    };
    revoke(&first);
    // The second is decided, and its salt drawn: two seconds pass, and a list is issued.
    let (renewed, was_renewed) = mpsc::channel();
    let (renewing, clock) = (service.clone(), now.clone());
    *hook.0.lock().unwrap() = Some(Box::new(move || {
        clock.pass(2);
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || {
            renewing.renew_crls().unwrap();
            let _ = done.send(());
            renewed.send(()).unwrap();
        });
        // A list that waits for this very revocation is not done by then; one that does not, is.
        let _ = is_done.recv_timeout(Duration::from_millis(300));
    }));
    let index = revoke(&second);
    was_renewed.recv().unwrap();
    let list = service.reader().artefact(index + 1).unwrap().expect("the list comes behind what it names");
    let listed = crl::read(&list).unwrap();
    assert_eq!((listed.this_update, listed.serials.len()), (START.plus_secs(2), 2));
}
