//! Bulk revocation: what an order concerns is revoked, once, whatever happens in between.

mod world;

use std::{collections::BTreeSet, sync::Arc};

use semper_api::{ActFault, Preview, Service, ToIssue};
use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    ca::{
        Authority, CaId,
        bulk::{BulkState, Filter, OrderId},
        credential::Status,
        crl::Reason,
        profile::Profile,
    },
    digest::Digest,
    evidence::{CaKind, Fact, Kind, names},
};
use world::{Disk, Now, Pki, START, wanted};

struct World {
    disk: Disk,
    now: Arc<Now>,
    pki: Pki,
    service: Arc<Service>,
}

impl World {
    fn new() -> Self {
        let (disk, now, pki) = (Disk::new(), Arc::new(Now::new()), Pki::new());
        let service = pki.service(&disk, &now, 0);
        Self { disk, now, pki, service }
    }

    fn restart(self) -> Self {
        let Self { disk, now, pki, service } = self;
        drop(service);
        let service = pki.service(&disk, &now, 0);
        Self { disk, now, pki, service }
    }

    /// So many certificates of a profile: their serial numbers.
    fn issue(&self, profile: &str, count: usize) -> Vec<Vec<u8>> {
        let wanted = ToIssue { registration: vec![5; 16], ..wanted(profile) };
        (0..count).map(|_| self.service.issue(&wanted).unwrap().certificate.serial()).collect()
    }

    fn order(&self, filter: Filter, number: u8) -> OrderId {
        let idempotency = Idempotency { key: [number; 32], request: [number; 32] };
        self.service.order_revocation(Reason::Superseded, filter, Digest::of(b"officer"), idempotency).unwrap()
    }

    fn status(&self, serial: &[u8]) -> Status {
        self.service.find_certificate(serial).unwrap().unwrap().state.issued().unwrap().clone()
    }

    fn revoked(&self, serials: &[Vec<u8>]) -> usize {
        serials.iter().filter(|serial| self.status(serial).revoked.is_some()).count()
    }

    fn done(&self, order: OrderId) -> Option<u64> {
        match self.service.find_order(order).unwrap() {
            Some((BulkState::Done(_, done), _)) => Some(done.revoked),
            _ => None,
        }
    }

    fn kinds(&self, wanted: CaKind) -> usize {
        let facts = (0..self.service.reader().size()).map(|index| self.service.reader().fact(index).unwrap().unwrap());
        facts.filter(|fact| Fact::decode(fact).unwrap().kind == Kind::Ca(wanted)).count()
    }
}

fn of_profile(name: &str) -> Filter {
    Filter { profile_sha256: Some(Profile::named(name).digest().to_string()), ..Filter::default() }
}

#[test]
fn what_an_order_concerns_is_revoked_and_nothing_else() {
    let world = World::new();
    let (legal, auth) = (world.issue("party-legal", 1_100), world.issue("party-auth", 3));
    let filter = of_profile("party-legal");
    let preview = || world.service.preview_revocation(&filter.read().unwrap()).unwrap();
    let Preview { certificates, revoked, first, .. } = preview();
    assert_eq!((certificates, revoked, first.len()), (1_100, 0, 100), "more than a page");
    assert!(first.iter().all(|known| legal.contains(&known.serial) && !known.is_revoked));
    let order = world.order(filter.clone(), 1);
    assert_eq!((world.revoked(&legal), world.done(order)), (0, None), "an order is given before anything is done");
    world.service.carry_out_orders().unwrap();
    assert_eq!((world.revoked(&legal), world.revoked(&auth), world.done(order)), (1_100, 0, Some(1_100)));
    assert_eq!(world.status(&legal[7]).revoked.unwrap().reason, Reason::Superseded);
    let Preview { certificates, revoked, first, .. } = preview();
    assert_eq!((certificates, revoked, first.len()), (0, 1_100, 0));
    // What comes later is not concerned, and what is done is not done again.
    world.now.pass(1);
    let later = world.issue("party-legal", 2);
    world.service.carry_out_orders().unwrap();
    assert_eq!((world.revoked(&later), world.kinds(CaKind::CertificateRevoked)), (0, 1_100));
}

/// A crash between an order and its end, before the first revocation and in the midst of them.
#[test]
fn an_order_outlives_the_process() {
    let world = World::new();
    let serials = world.issue("party-legal", 40);
    let order = world.order(of_profile("party-legal"), 1);
    let first = semper_api::ToRevoke {
        ca: CaId::first(Authority::Party),
        serial: serials[3].clone(),
        reason: Reason::Superseded,
        officer: Digest::of(b"officer"),
        idempotency: None,
    };
    world.service.revoke(&first).unwrap();
    world.now.pass(60);
    let world = world.restart();
    let late = world.issue("party-legal", 1);
    world.service.carry_out_orders().unwrap();
    assert_eq!((world.revoked(&serials), world.revoked(&late), world.done(order)), (40, 0, Some(40)));
    assert_eq!((world.kinds(CaKind::CertificateRevoked), world.kinds(CaKind::BulkDone)), (40, 1), "each once");
}

#[test]
fn a_repetition_is_the_same_order() {
    let world = World::new();
    let serials = world.issue("party-legal", 1);
    let filter = Filter { serials: Some(serials.iter().map(hex::encode).collect()), ..Filter::default() };
    let order = world.order(filter.clone(), 1);
    assert_eq!(world.order(filter.clone(), 1), order);
    assert_ne!(world.order(filter.clone(), 2), order);
    let other = Idempotency { key: [1; 32], request: [9; 32] };
    let refused = world.service.order_revocation(Reason::Superseded, filter, Digest::of(b"officer"), other);
    assert!(matches!(refused, Err(ActFault::KeyReused)));
}

/// A reason that is not for a class of certificates passes those over, and the order ends all the same.
#[test]
fn what_cannot_be_revoked_is_passed_over() {
    let world = World::new();
    let serials = world.issue("party-legal", 2);
    let idempotency = Idempotency { key: [1; 32], request: [1; 32] };
    let filter = of_profile("party-legal");
    let order = world.service.order_revocation(Reason::CaCompromise, filter, Digest::of(b"officer"), idempotency);
    world.service.carry_out_orders().unwrap();
    assert_eq!((world.revoked(&serials), world.done(order.unwrap())), (0, Some(0)));
}

#[test]
fn what_ends_is_listed_by_its_date() {
    let world = World::new();
    let later = world.issue("party-legal", 2);
    world.now.pass(3_600);
    let last = world.issue("party-legal", 1);
    let end = world.status(&later[0]).not_after;
    let from = names::expires(START);
    let (found, next) = world.service.expiring(&from, end, 10).unwrap();
    let serials: BTreeSet<_> = found.iter().map(|found| found.serial.clone()).collect();
    assert_eq!((serials, next), (later.iter().cloned().collect(), None), "those that end later are not among them");
    assert_eq!((found[0].not_after, found[0].registration, found[0].is_revoked), (end, Some([5; 16].into()), false));
    // Page by page, and each once.
    let until = world.status(&last[0]).not_after;
    let (mut from, mut seen) = (from, Vec::new());
    loop {
        let (found, next) = world.service.expiring(&from, until, 1).unwrap();
        seen.extend(found.into_iter().map(|found| found.serial));
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!((seen.len(), seen.last()), (3, last.last()));
    world.order(Filter { serials: Some(vec![hex::encode(&last[0])]), ..Filter::default() }, 1);
    world.service.carry_out_orders().unwrap();
    let (found, _) = world.service.expiring(&names::expires(until), until, 10).unwrap();
    assert!(found[0].is_revoked);
}
