//! Who may use which route of `/v1`: every route, every role, every class of certificate.

mod world;

use std::sync::Arc;

use http::{Method, StatusCode};
use semper_api::{
    Policies, Service,
    v1::{Admits, Route, all_routes},
};
use semper_ttp::{
    ca::{
        CaId,
        crl::Reason,
        profile::{Profile, ProfileCode},
    },
    digest::Digest,
    evidence::{Fact, OpsFact, Recorded as _},
    policy::roles::{TrustedRole, TrustedRoles},
    x509::Certificate,
};
use world::http::{Answer, Asked, ask, json};
use world::{Disk, Now, Pki, wanted};

/// A profile of each class that the party CA certifies people and programs by.
const HOLDERS: [&str; 4] = ["operator", "officer", "party-legal", "tls-client"];

struct World {
    disk: Disk,
    now: Arc<Now>,
    pki: Pki,
    /// One certificate by each of [`HOLDERS`].
    holders: Vec<(ProfileCode, Certificate)>,
    /// Where the access log is, without which nobody reads what names people.
    place: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let (disk, now, pki) = (Disk::new(), Arc::new(Now::new()), Pki::new());
        let service = pki.service(&disk, &now, 0);
        let issued = |profile: &&str| {
            let certificate = service.issue(&wanted(profile)).unwrap().certificate;
            (Profile::named(profile).code(), certificate)
        };
        let holders = HOLDERS.iter().map(issued).collect();
        Self { disk, now, pki, holders, place: tempfile::tempdir().unwrap() }
    }

    /// A start under which everybody was granted these roles, and no other.
    fn start(&self, granted: &[TrustedRole]) -> Arc<Service> {
        let grants = self.holders.iter().flat_map(|(_, certificate)| {
            let digest = certificate.digest();
            granted.iter().map(move |role| (*role, digest))
        });
        let mut policies = Policies::builtin();
        policies.set_roles(TrustedRoles::file(&grants.collect::<Vec<_>>()).into()).unwrap();
        self.now.pass(1);
        self.pki.service_with(&self.disk, &self.now, world::office::parts(self.place.path()), policies)
    }
}

/// A request that is well formed as far as the path goes, for something that does not exist.
fn request(route: &Route) -> Asked {
    let parts = route.path.split('/').map(|part| if part.starts_with('{') { "4141414141414141" } else { part });
    let asked = Asked::secure(route.method.as_str(), &format!("/v1{}", parts.collect::<Vec<_>>().join("/")));
    if route.method == Method::POST { asked.json("key", "{}") } else { asked }
}

fn is_denied(answer: &Answer) -> bool {
    [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&answer.status)
}

/// What the table promises to the holder of a certificate of this class with this role. The one of a party was never
/// registered as one, so it speaks for nobody.
fn may(admits: Admits, class: ProfileCode, role: Option<TrustedRole>) -> bool {
    match admits {
        Admits::Anyone => class != ProfileCode::Party,
        Admits::Certified => true,
        Admits::Party => false,
        Admits::PartyOr(roles) | Admits::Roles(roles) => {
            role.is_some_and(|role| roles.contains(&role) && role.fits(class))
        }
    }
}

#[tokio::test]
async fn every_route_admits_whom_the_table_says_and_nobody_else() {
    let world = World::new();
    let alone = TrustedRole::ALL.map(Some);
    for role in [None].into_iter().chain(alone) {
        let service = world.start(role.as_slice());
        for route in all_routes() {
            for (class, certificate) in &world.holders {
                let answer = ask(&service, request(&route).by(certificate)).await;
                let expected = may(route.admits, *class, role);
                // What everybody may ask for may tell less to one who shows a key that is nobody's.
                if route.admits == Admits::Anyone && !expected {
                    continue;
                }
                assert_eq!(!is_denied(&answer), expected, "{route:?}, {class:?}, {role:?}: {answer:?}");
                assert!(!answer.status.is_server_error(), "{route:?}: {answer:?}");
                if !expected {
                    assert_eq!(json(&answer, StatusCode::FORBIDDEN)["code"], "auth.forbidden");
                }
            }
            let stranger = ask(&service, request(&route)).await;
            assert_eq!(is_denied(&stranger), route.admits != Admits::Anyone, "{route:?}: {stranger:?}");
            if is_denied(&stranger) {
                assert_eq!(json(&stranger, StatusCode::UNAUTHORIZED)["code"], "auth.required");
            }
        }
    }
}

#[tokio::test]
async fn without_tls_there_is_only_what_is_the_same_for_everybody() {
    let service = World::new().start(&[]);
    for route in all_routes() {
        assert!(!route.is_plain || route.admits == Admits::Anyone, "{route:?}");
        let path = format!("/v1{}", route.path.replace(['{', '}'], ""));
        let answer = ask(&service, Asked::plain("OPTIONS", &path)).await;
        let there = answer.status == StatusCode::METHOD_NOT_ALLOWED;
        assert_eq!(there, route.is_plain, "{route:?}: {answer:?}");
    }
}

/// The refused calls that the ledger has, with what each was about.
fn refused_calls(service: &Service) -> Vec<OpsFact> {
    let reader = service.reader();
    let facts = (0..reader.size()).filter_map(|index| Fact::decode(&reader.fact(index).unwrap()?).ok());
    let facts = facts.filter_map(|fact| OpsFact::from_fact(&fact).ok());
    facts.filter(|fact| matches!(fact, OpsFact::CallRefused { .. })).collect()
}

#[tokio::test]
async fn a_refused_call_of_a_known_caller_is_an_entry_within_a_quota() {
    let world = World::new();
    let service = world.start(&[]);
    let (_, officer) = &world.holders[1];
    let digest = |text: &str| Digest::of(text.as_bytes());
    let refused =
        |call, problem| OpsFact::CallRefused { caller: officer.digest(), call: digest(call), problem: digest(problem) };
    let mut due = Vec::new();
    let rotate = || Asked::secure("POST", "/v1/keys/tls/rotate").json("key", "{}");
    assert_eq!(ask(&service, rotate().by(officer)).await.status, StatusCode::FORBIDDEN);
    due.push(refused("POST /v1/keys/tls/rotate", "auth.forbidden"));
    // One that nobody needs a role for, and that does not read.
    let apply = Asked::secure("POST", "/v1/registrations?").json("key", "[").by(officer);
    assert_eq!(ask(&service, apply).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    due.push(refused("POST /v1/registrations?", "registration.document"));
    assert_eq!(refused_calls(&service), due);

    // Nothing of a stranger's, and nothing of what is not there to be read; what is read without leave is.
    assert_eq!(ask(&service, rotate()).await.status, StatusCode::UNAUTHORIZED);
    let missing = Asked::secure("GET", "/v1/certificates/4141/status").by(officer);
    assert_eq!(ask(&service, missing).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask(&service, Asked::secure("GET", "/v1/me").by(officer)).await.status, StatusCode::OK);
    assert_eq!(refused_calls(&service), due);
    let (_, operator) = &world.holders[0];
    let parties = Asked::secure("GET", "/v1/parties?limit=1").by(operator);
    assert_eq!(ask(&service, parties).await.status, StatusCode::FORBIDDEN);
    let read = OpsFact::CallRefused {
        caller: operator.digest(),
        call: digest("GET /v1/parties?limit=1"),
        problem: digest("auth.forbidden"),
    };
    due.push(read);
    assert_eq!(refused_calls(&service), due);

    // A program that goes on trying is answered, and no longer written down.
    for _ in 0..30 {
        assert_eq!(ask(&service, rotate().by(officer)).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(refused_calls(&service).len(), 21);
}

#[tokio::test]
async fn what_was_revoked_or_issued_elsewhere_holds_no_role() {
    let world = World::new();
    let service = world.start(&TrustedRole::ALL);
    let (_, officer) = &world.holders[1];
    let me = |answer: &Answer| json(answer, StatusCode::OK)["roles"].clone();
    let ask_me = Asked::secure("GET", "/v1/me");
    let roles = me(&ask(&service, ask_me.by(officer)).await);
    assert_eq!(roles, serde_json::json!(["registration-officer", "revocation-officer", "notary-officer", "auditor"]));
    let path = format!("/v1/certificates/{}/revoke", hex::encode(officer.serial()));
    let revoke = || Asked::secure("POST", &path).json("first", r#"{"reason":"superseded"}"#);

    // The same holder by another CA of the same name, whose certificates TLS would not even take.
    let elsewhere = World::new();
    let (_, other) = &elsewhere.holders[1];
    let denied = ask(&service, revoke().by(other)).await;
    assert_eq!(json(&denied, StatusCode::FORBIDDEN)["code"], "auth.forbidden");

    assert_eq!(ask(&service, revoke().by(officer)).await.status, StatusCode::OK);
    let denied = json(&ask(&service, revoke().by(officer)).await, StatusCode::FORBIDDEN);
    assert!(denied["detail"].as_str().unwrap().contains("was revoked"), "{denied}");
    let roles = me(&ask(&service, Asked::secure("GET", "/v1/me").by(officer)).await);
    assert_eq!(roles, serde_json::json!([]));

    // Past its end.
    let (_, operator) = &world.holders[0];
    let serial = operator.serial();
    world.now.pass(800 * world::DAY_SECS);
    let roles = me(&ask(&service, Asked::secure("GET", "/v1/me").by(operator)).await);
    assert_eq!(roles, serde_json::json!([]));
    let ca = CaId::first(semper_ttp::ca::Authority::Party);
    let late = semper_api::ToRevoke {
        ca,
        serial,
        reason: Reason::Superseded,
        officer: Digest::of(b"officer"),
        idempotency: None,
    };
    service.revoke(&late).unwrap_err();
}
