//! Documents that are kept sealed: in the commit of their fact, for one object only, and gone with their key.

mod world;

use std::sync::Arc;

use http::StatusCode;
use semper_api::{KeyStanding, RotationFault, SealFault, Sealed, Service};
use semper_ledger::sequencer::{Commit, Draft, RoleRow};
use semper_ttp::{
    evidence::{Fact, KeyId, KeyPurpose, OpsFact, Recorded},
    vault::{DataKeyId, Object, VaultFault},
};
use world::{
    Disk, Now, Pki, START,
    http::{Asked, ask, json},
};

const OBJECT: Object = Object { id: [3; 32], version: 1 };

fn now() -> Arc<Now> {
    Arc::new(Now::new())
}

/// Whatever a fact says here, its artefact is `artefact`.
fn commit(salt: u8, artefact: Vec<u8>, rows: Vec<RoleRow>) -> Commit {
    let draft = Draft::with_artefact(9, 9, vec![salt; 40], artefact);
    Commit { rows, ..Commit::one(START.millis(), draft) }
}

fn keep(disk: &Disk, sealed: Sealed) -> DataKeyId {
    let (key, artefact) = (sealed.key, sealed.artefact.clone());
    disk.ledger(&now()).append(commit(1, artefact, vec![sealed.row(0)])).unwrap();
    key
}

fn kept(service: &Service) -> Vec<u8> {
    service.reader().artefact(service.reader().size() - 1).unwrap().unwrap()
}

#[test]
fn a_document_is_kept_until_its_key_is_destroyed() {
    let (disk, now, pki) = (Disk::new(), now(), Pki::new());
    let service = pki.service(&disk, &now, 0);
    let content = vec![7; 3 << 20];
    assert!(matches!(service.seal(OBJECT, &content), Err(SealFault::NotReady)), "the key's making is no entry yet");
    for _ in 0..2 {
        service.record_wrapping_key().unwrap();
    }
    let sealed = service.seal(OBJECT, &content).unwrap();
    assert!(
        matches!(service.unseal(sealed.artefact.clone(), OBJECT), Err(SealFault::Destroyed(key)) if key == sealed.key)
    );
    drop(service);
    let key = keep(&disk, sealed);

    let service = pki.service(&disk, &now, 0);
    assert!(*service.unseal(kept(&service), OBJECT).unwrap() == content);
    let other = Object { version: 2, ..OBJECT };
    assert!(matches!(service.unseal(kept(&service), other), Err(SealFault::Document(VaultFault::Damaged))));
    assert!(matches!(service.unseal(b"{}".to_vec(), OBJECT), Err(SealFault::Document(VaultFault::NotSealed))));
    // More under the same key.
    let more = service.seal_under(key, other, b"more").unwrap();
    assert_eq!(*service.unseal(more.clone(), other).unwrap(), b"more");
    drop(service);
    let erased = RoleRow::Erased { draft: 0, object: OBJECT.id, keys: vec![key.0] };
    disk.ledger(&now).append(commit(2, more, vec![erased])).unwrap();

    let service = pki.service(&disk, &now, 0);
    assert!(matches!(service.unseal(kept(&service), other), Err(SealFault::Destroyed(found)) if found == key));
    assert!(matches!(service.seal_under(key, OBJECT, b"late"), Err(SealFault::Destroyed(_))));
}

/// Of several services that keep the same documents each has the same key, or none.
#[test]
fn another_wrapping_key_refuses_the_start() {
    let (disk, now, pki) = (Disk::new(), now(), Pki::new());
    pki.service(&disk, &now, 0).record_wrapping_key().unwrap();
    assert_eq!(pki.refusal(&disk, &now), None);
    let said = pki.refusal(&disk.with_another_wrapping_key(), &now).unwrap_or_default();
    assert!(said.contains("archive-kek.1 is not the one whose making entry"), "{said}");
}

#[tokio::test]
async fn its_making_is_told_once_and_it_is_not_rotated() {
    let (disk, now) = (Disk::new(), now());
    let service = Pki::new().service(&disk, &now, 0);
    for _ in 0..2 {
        service.record_wrapping_key().unwrap();
    }
    let key = KeyId::new(KeyPurpose::ArchiveKek, 1);
    let facts = (0..service.reader().size()).map(|index| service.reader().fact(index).unwrap().unwrap());
    let ops = facts.filter_map(|fact| OpsFact::from_fact(&Fact::decode(&fact).unwrap()).ok());
    assert_eq!(ops.filter(|fact| matches!(fact, OpsFact::KeyMade { key: made, .. } if *made == key)).count(), 1);
    let known = service.known_keys().unwrap();
    let known = known.iter().find(|known| known.key == key).unwrap();
    assert_eq!((known.standing, known.not_after), (KeyStanding::WrapsKeys, None));
    let refused = RotationFault::NotRotated(KeyPurpose::ArchiveKek).to_string();
    assert!(refused.starts_with("the key archive-kek is not rotated: all that it wrapped"), "{refused}");
    let described = json(&ask(&service, Asked::plain("GET", "/.well-known/semper")).await, StatusCode::OK);
    assert!(!described.to_string().contains("archive-kek"), "nobody outside needs to know of it");
}
