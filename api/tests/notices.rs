//! The key that signs notices to holders: in the ledger once, and published as receivers want it.

mod world;

use std::sync::Arc;

use http::StatusCode;
use semper_api::KeyStanding;
use semper_ttp::evidence::{Fact, KeyId, KeyPurpose, OpsFact, Recorded};
use world::{
    Disk, Now, Pki,
    http::{Asked, ask, json},
};

#[tokio::test]
async fn a_key_that_came_later_gets_its_entry_once() {
    let (disk, now) = (Disk::new(), Arc::new(Now::new()));
    let service = Pki::new().service(&disk, &now, 0);
    let made = || {
        let facts = (0..service.reader().size()).map(|index| service.reader().fact(index).unwrap().unwrap());
        let ops = facts.filter_map(|fact| OpsFact::from_fact(&Fact::decode(&fact).unwrap()).ok());
        ops.filter(|fact| matches!(fact, OpsFact::KeyMade { key, .. } if key.purpose == KeyPurpose::Webhook)).count()
    };
    assert_eq!(made(), 0, "a folder of an earlier version");
    for _ in 0..2 {
        service.record_notice_key().unwrap();
    }
    assert_eq!(made(), 1);
    let known = service.known_keys().unwrap();
    let key = known.iter().find(|known| known.key == KeyId::new(KeyPurpose::Webhook, 1)).unwrap();
    assert!(key.standing == KeyStanding::InUse && key.not_after.is_none(), "it ends when an operator says so: {key:?}");

    let described = json(&ask(&service, Asked::plain("GET", "/.well-known/semper")).await, StatusCode::OK);
    let webhooks = &described["webhooks"];
    assert_eq!((&webhooks["key"], &webhooks["types"][0]), (&"webhook.1".into(), &"certificate.expiring".into()));
    assert!(webhooks["public_key"].as_str().unwrap().starts_with("whpk_"), "{webhooks}");
}
