//! Policies come into force by entries, before anything is decided by them, and stay readable for ever.

mod world;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::StatusCode;
use semper_api::{CredentialFault, Policies, Service, TimeSource, service::ServiceFault};
use semper_ttp::{
    ca::profile::{Profile, builtin},
    clock::Health,
    digest::Digest,
    evidence::{Fact, OpsFact, Recorded},
    policy::{PolicyName, WITHDRAWN},
    time::Timestamp,
    timestamp::ClockVerdict,
};
use serde_json::Value;
use world::http::{Asked, ask, json};
use world::{Disk, Now, Pki, wanted};

struct World {
    disk: Disk,
    now: Arc<Now>,
    pki: Pki,
}

impl World {
    fn new() -> Self {
        Self { disk: Disk::new(), now: Arc::new(Now::new()), pki: Pki::new() }
    }

    /// A start with these policies, a second after the last one.
    fn start(&self, policies: Policies) -> Arc<Service> {
        self.now.pass(1);
        self.pki.service_under(&self.disk, &self.now, 0, policies)
    }
}

/// What the program has, and these terms.
fn with_terms(terms: &str) -> Policies {
    let mut policies = Policies::builtin();
    policies.set_terms(terms.into());
    policies
}

/// Entries, each read as a change of policy.
fn changes(service: &Service) -> Vec<Digest> {
    let facts = (0..service.reader().size()).map(|index| service.reader().fact(index).unwrap().unwrap());
    let facts = facts.map(|bytes| OpsFact::from_fact(&Fact::decode(&bytes).unwrap()).unwrap());
    facts
        .map(|fact| match fact {
            OpsFact::PolicyChanged { policy } => policy,
            other => panic!("nothing else happened: {other:?}"),
        })
        .collect()
}

#[test]
fn each_change_is_an_entry_and_nothing_else_is() {
    let world = World::new();
    let all = builtin().len() + 1;
    let service = world.start(with_terms("one"));
    assert_eq!(changes(&service).len(), all);
    drop(service);
    let service = world.start(with_terms("one"));
    assert_eq!(changes(&service).len(), all, "nothing changed");
    service.record_policies().unwrap();
    assert_eq!(changes(&service).len(), all, "nothing is recorded twice");
    drop(service);
    let service = world.start(with_terms("two"));
    assert_eq!(changes(&service)[all..], [Digest::of(b"two")]);
    drop(service);
    // What is no longer there is taken back, and may come again.
    let service = world.start(Policies::builtin());
    assert_eq!(changes(&service)[all + 1..], [Digest::of(WITHDRAWN)]);
    drop(service);
    let service = world.start(with_terms("one"));
    assert_eq!(changes(&service)[all + 2..], [Digest::of(b"one")]);
    let steps = service.reader().facts_of(&PolicyName::Terms.aggregate().0, 0).unwrap();
    let steps: Vec<_> = steps.iter().map(|fact| Fact::decode(fact).unwrap().seq).collect();
    assert_eq!(steps, [0, 1, 2, 3]);
}

#[tokio::test]
async fn what_is_in_force_is_listed_and_what_ever_was_is_served() {
    let world = World::new();
    drop(world.start(with_terms("one")));
    let service = world.start(with_terms("two"));
    for listener in [Asked::plain, Asked::secure] {
        let listed = json(&ask(&service, listener("GET", "/v1/policies")).await, StatusCode::OK);
        let listed = listed["policies"].as_array().unwrap().clone();
        assert_eq!(listed.len(), builtin().len() + 1);
        let terms = listed.iter().find(|policy| policy["name"] == "terms").unwrap();
        assert_eq!(terms["sha256"], Digest::of(b"two").to_string());
        assert_eq!(terms["since"], world.now.now().to_string());
        assert_eq!(terms["entry"]["digest"], terms["sha256"]);
        for (document, media_type) in [("one", "text/markdown; charset=utf-8"), ("two", "text/markdown; charset=utf-8")]
        {
            let path = format!("/v1/policies/{}", Digest::of(document.as_bytes()));
            let answer = ask(&service, listener("GET", &path)).await;
            assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, document.as_bytes()));
            assert_eq!(answer.header("content-type"), media_type);
            assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
            let tag = answer.header("etag");
            let again = ask(&service, listener("GET", &path).with("if-none-match", &tag)).await;
            assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
        }
        let profile = Profile::named("party-legal");
        let answer = ask(&service, listener("GET", &format!("/v1/policies/{}", profile.digest()))).await;
        assert_eq!((&answer.body[..], answer.header("content-type").as_str()), (profile.bytes(), "application/toml"));
        for path in [
            Digest::of(b"none").to_string(),
            Digest::of(WITHDRAWN).to_string(),
            Digest::of(b"two").to_string().to_uppercase(),
            "two".to_owned(),
        ] {
            let answer = ask(&service, listener("GET", &format!("/v1/policies/{path}"))).await;
            assert_eq!(json(&answer, StatusCode::NOT_FOUND)["code"], Value::from("http.not_found"), "{path}");
        }
    }
}

#[test]
fn a_certificate_needs_a_profile_in_force() {
    let world = World::new();
    let text =
        std::str::from_utf8(Profile::named("party-legal").bytes()).unwrap().replace("life_days = ", "life_days = 1");
    let other = Arc::new(Profile::parse(&text).unwrap());
    let issue = |service: &Service, profile: &Arc<Profile>, registration: Vec<u8>| {
        let wanted = semper_api::ToIssue { profile: profile.clone(), registration, ..wanted("party-legal") };
        service.issue(&wanted).map(drop)
    };
    let service = world.start(Policies::builtin());
    let first = Profile::named("party-legal");
    issue(&service, &first, Vec::new()).unwrap();
    assert!(matches!(issue(&service, &other, Vec::new()), Err(CredentialFault::NoProfile(_))));
    assert!(matches!(issue(&service, &other, vec![5; 16]), Err(CredentialFault::NoProfile(_))));
    drop(service);
    let mut policies = Policies::builtin();
    policies.set_profile(other.clone());
    let service = world.start(policies);
    issue(&service, &other, Vec::new()).unwrap();
    assert!(matches!(issue(&service, &first, Vec::new()), Err(CredentialFault::NoProfile(_))));
    issue(&service, &first, vec![5; 16]).expect("an application keeps the profile that it asked for");
    assert_eq!(service.policies().profile("party-legal"), Some(&other));
    assert_eq!(service.profile(&first.digest()).unwrap(), Some(first));
    assert_eq!(service.profile(&Digest([1; 32])).unwrap(), None);
}

/// A clock that may be in doubt.
struct Doubted(Arc<Now>, AtomicBool);

impl TimeSource for Doubted {
    fn check(&self) -> (Timestamp, ClockVerdict) {
        let verdict = if self.1.load(Ordering::Relaxed) { ClockVerdict::Stopped } else { ClockVerdict::Synced };
        (self.0.now(), verdict)
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn health(&self) -> Health {
        self.0.health()
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }
}

#[test]
fn nothing_is_decided_before_the_ledger_knows_by_what() {
    let world = World::new();
    let clock = Arc::new(Doubted(world.now.clone(), AtomicBool::new(true)));
    let service = world.pki.unrecorded(&world.disk, &world.now, with_terms("one"), clock.clone());
    let fault = service.record_policies().unwrap_err();
    assert!(fault.is_of_time(), "{fault}");
    clock.1.store(false, Ordering::Relaxed);
    let refused = service.issue(&wanted("party-legal"));
    assert!(matches!(refused, Err(CredentialFault::Fault(ServiceFault::Policies))));
    assert_eq!(service.policies_in_force().unwrap(), []);
    service.record_policies().unwrap();
    service.issue(&wanted("party-legal")).unwrap();
    assert_eq!(service.policies_in_force().unwrap().len(), builtin().len() + 1);
}
