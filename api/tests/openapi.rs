//! The description of `/v1` and the service agree: every route and method is described and the other way round, with who may; the
//! document keeps to its own rules. That answers are as described, every request of these tests checks (`world/openapi.rs`).

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::{Method, StatusCode};
use semper_api::{
    Policies,
    v1::{Admits, Route, all_routes},
};
use semper_ttp::policy::roles::TrustedRole;
use serde_json::Value;
use world::http::{Asked, ask, json};
use world::openapi::{DOCUMENT, resolved};
use world::{Disk, Now, Pki};

type Operations = BTreeMap<(String, Method), &'static Value>;

fn operations() -> Operations {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let of_path = |(path, item): (&'static String, &'static Value)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| ((path.clone(), method.to_ascii_uppercase().parse().unwrap()), operation))
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn every_route_is_described_and_every_description_has_its_route() {
    let routes: BTreeSet<_> =
        all_routes().into_iter().map(|route| (format!("/v1{}", route.path), route.method)).collect();
    let described: BTreeSet<_> = operations().into_keys().collect();
    assert_eq!(described, routes);
}

#[test]
fn who_may_is_described_as_it_is() {
    let operations = operations();
    for Route { method, path, admits, .. } in all_routes() {
        let operation = operations[&(format!("/v1{path}"), method.clone())];
        let security: Vec<_> =
            operation["security"].as_array().unwrap().iter().map(|one| one.as_object().unwrap().len()).collect();
        let roles =
            operation.get("x-roles").map(|roles| serde_json::from_value::<Vec<TrustedRole>>(roles.clone()).unwrap());
        let party = operation.get("x-party") == Some(&Value::Bool(true));
        let said = (roles.as_deref(), party);
        match admits {
            // With a certificate one may be told more.
            Admits::Anyone => assert!(security[0] == 0 && said == (None, false), "{path}"),
            Admits::Certified => assert!(security == [1] && said == (None, false), "{path}"),
            Admits::Party => assert!(security == [1] && said == (None, true), "{path}"),
            Admits::PartyOr(wanted) => assert!(security == [1] && said == (Some(wanted), true), "{path}"),
            Admits::Roles(wanted) => assert!(security == [1] && said == (Some(wanted), false), "{path}: {said:?}"),
        }
    }
}

#[test]
fn the_document_keeps_to_its_own_rules() {
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
    let mut names = BTreeSet::new();
    for ((path, method), operation) in operations() {
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{path}: a name twice");
        let parameters: Vec<_> = operation["parameters"].as_array().into_iter().flatten().map(resolved).collect();
        let in_path = parameters
            .iter()
            .filter(|one| one["in"] == "path")
            .map(|one| format!("{{{}}}", one["name"].as_str().unwrap()));
        let wanted = path.split('/').filter(|part| part.starts_with('{')).map(str::to_owned);
        assert_eq!(in_path.collect::<Vec<_>>(), wanted.collect::<Vec<_>>(), "{path}");
        let keyed = parameters.iter().any(|one| one["name"] == "Idempotency-Key");
        // What changes nothing may be asked again without one, and so may a signed request, which is the same whenever it comes.
        let needs_none = ["x-safe", "x-idempotent"].iter().any(|mark| operation.get(mark).is_some());
        let changes = method == Method::POST && !needs_none;
        assert_eq!((keyed, operation["requestBody"].is_object()), (changes, method == Method::POST), "{path}");
        assert_eq!(operation["responses"]["default"]["$ref"], "#/components/responses/Problem", "{path}");
    }
    // Everything that is referred to is there, and everything that is there is referred to.
    let text = DOCUMENT.to_string();
    for (kind, items) in DOCUMENT["components"].as_object().unwrap() {
        for name in items.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
            assert!(text.contains(&format!("\"#/components/{kind}/{name}\"")), "nobody refers to {kind}/{name}");
        }
    }
    for place in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(DOCUMENT.pointer(place).is_some(), "{place} is not there");
    }
}

/// A member that nobody described is found; else the schemas would describe anything.
#[test]
#[should_panic = "additionalProperties"]
fn what_is_not_described_is_found() {
    let mut headers = http::HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    let body = br#"{ "policies": [], "surprise": 1 }"#;
    world::openapi::judge("GET", "/v1/policies", StatusCode::OK, &headers, body);
}

#[tokio::test]
async fn it_is_served_as_it_is() {
    let (disk, now) = (Disk::new(), Arc::new(Now::new()));
    let service = Pki::new().service_under(&disk, &now, 0, Policies::builtin());
    for asked in [Asked::plain, Asked::secure] {
        let answer = ask(&service, asked("GET", "/v1/openapi.json")).await;
        assert_eq!(json(&answer, StatusCode::OK), *DOCUMENT);
        assert!(answer.header("etag").starts_with('"') && answer.header("cache-control").starts_with("public"));
    }
}
