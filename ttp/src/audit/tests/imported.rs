//! CAs that were taken over, and what they had issued, against what the ledger says of them.

use semper_ledger::entry::{Tag, TagSpace, Tags};

use super::world::key;
use super::*;
use crate::ca::credential::{Credential, CredentialEvent, Import, Revocation};
use crate::ca::crl::{Reason, Revoked};
use crate::ca::imported::Predecessor;
use crate::ca::{Authority, CaFact, CaId, CrlEvent, ListId};
use crate::evidence::{Envelope, OpsFact};
use crate::role::{Role as _, step};
use crate::testing::{OLD_CA, OldCa};
use crate::timestamp::ClockVerdict;
use crate::x509::Certificate;

const LIST: ListId = ListId { ca: CaId { authority: Authority::Imported, generation: 1 }, partition: 0 };

fn now() -> Timestamp {
    // Behind all that the world has lived through.
    GEN_TIME.plus_secs(90_005)
}

/// What the last list says in these tests: of one certificate that is there, and of one that nobody has.
fn revoked() -> [Revoked; 2] {
    let known = OldCa::revoked(&OLD_CA.issued[0], Reason::KeyCompromise);
    let lost = Revoked { serial: vec![7], not_after: OLD_CA.certificate.validity().not_after, ..known.clone() };
    [known, lost]
}

fn revocation(revoked: &Revoked) -> Revocation {
    Revocation { at: revoked.at.whole_secs(), reason: revoked.reason }
}

fn predecessor() -> Predecessor {
    Predecessor::judge(OLD_CA.certificate.clone(), 1).unwrap()
}

impl World {
    /// The old CA, its two certificates, the one that nobody has, its list: entries one after the other. Gives the first one's index.
    fn take_over(&mut self) -> usize {
        let [known, lost] = revoked();
        let made = OpsFact::KeyMade {
            key: key(KeyPurpose::CaImported),
            public_key: Digest::of(&OLD_CA.certificate.spki_der()),
        };
        self.record(made, Aggregate::of_key(key(KeyPurpose::CaImported)), 0, b"", now(), None);
        let first = self.lines.len();
        self.know(&OLD_CA.certificate);
        let [ada, grace] = &OLD_CA.issued;
        let taken = |certificate, revoked| predecessor().import(certificate, revoked, ClockVerdict::Synced);
        self.import(taken(ada, Some(revocation(&known))), Some(ada));
        self.import(taken(grace, None), Some(grace));
        self.import(predecessor().listed(&lost.serial, revocation(&lost), ClockVerdict::Synced), None);
        self.last_list(revoked().into());
        first
    }

    fn know(&mut self, certificate: &Certificate) {
        let fact = predecessor().fact().into_fact(&Envelope {
            aggregate: predecessor().history(),
            seq: 0,
            now: now(),
            salt: [5; 16],
            policy_hash: Digest::of(b"policy"),
            event_digest: certificate.digest(),
        });
        let tag = Tag::new(TagSpace::Certificate, certificate.digest().as_bytes(), 0);
        self.push(fact, Some(certificate.der().to_vec()), vec![tag]);
    }

    fn import(&mut self, import: Import, certificate: Option<&Certificate>) {
        let (aggregate, revoked) = (import.ca.certificate(&import.serial), import.revoked);
        let event = CredentialEvent::Import(import);
        let mut facts = Credential::decide(&Default::default(), &event, now()).unwrap().0;
        let fact = facts.remove(0).into_fact(&Envelope {
            aggregate,
            seq: 0,
            now: now(),
            salt: [6; 16],
            policy_hash: Digest::of(b"policy"),
            event_digest: event.digest(),
        });
        let tag = |n| certificate.map(|one| Tag::new(TagSpace::Certificate, one.digest().as_bytes(), n));
        let tags = tag(0).into_iter().chain(revoked.and_then(|_| tag(1))).collect();
        self.push(fact, certificate.map(|one| one.der().to_vec()), tags);
    }

    /// A list that says this, taken for one that says what the ledger has.
    fn last_list(&mut self, said: Vec<Revoked>) {
        let der = OLD_CA.list(said, |_| {});
        let listed = predecessor().last_list(&der).unwrap().listed;
        let event = CrlEvent::Import { list: LIST, listed, revoked: revoked().into() };
        let mut snapshot = Snapshot::<CrlState>::default();
        let mut facts = step::<Crl>(&mut snapshot.state, &event, now()).unwrap().0;
        snapshot.next_seq = 1;
        self.record(facts.remove(0), LIST.aggregate(), 0, &event.encode(), now(), Some(der));
        self.snapshots.insert(LIST.aggregate(), encode_snapshot::<Crl>(&snapshot));
    }
}

/// A world that took a CA over, spoilt; and the index of that.
fn taken_over(change: impl FnOnce(&mut World, usize)) -> (World, usize) {
    let mut first = 0;
    let world = spoilt(|world| {
        first = world.take_over();
        change(world, first);
    });
    (world, first)
}

#[test]
fn what_was_taken_over_honestly_is_decided_again() {
    let (world, _) = taken_over(|_, _| {});
    let report = world.audit();
    assert_eq!(report.differences, []);
    let count = |kind| {
        let count = &report.kinds[&Some(Kind::Ca(kind))];
        (count.same, count.not.values().sum::<u64>())
    };
    assert_eq!((count(CaKind::AuthorityImported), count(CaKind::CertificateImported)), ((1, 0), (3, 0)));
}

#[test]
fn a_predecessor_that_is_not_its_fact() {
    let (world, at) = taken_over(|world, at| {
        let CaFact::AuthorityImported { ca, public_key, not_before, not_after } = predecessor().fact() else {
            panic!()
        };
        let not_after = not_after.plus_secs(1);
        world.rewrite(at, CaFact::AuthorityImported { ca, public_key, not_before, not_after });
    });
    finds(&world, &format!("entry {at} (ca.authority-imported): decided again, its fact has another body"));
    let (world, at) = taken_over(|world, at| world.lines[at].entry.tags = Tags::default());
    finds(&world, &format!("entry {at} (ca.authority-imported): its entry does not bear the tag of its certificate"));
    // Its key was never told of: then nothing that it signed counts either.
    let (world, at) = taken_over(|world, at| {
        let key = key(KeyPurpose::CaImported);
        world.rewrite(at - 1, OpsFact::KeyMade { key, public_key: Digest::of(b"another") });
    });
    let found: Vec<_> = world.audit().differences.iter().map(ToString::to_string).collect();
    let first = format!("entry {at} (ca.authority-imported): it is for a key whose making is not recorded");
    assert_eq!(found.first(), Some(&first), "{found:?}");
    assert!(
        found
            .contains(&format!("entry {} (ca.certificate-imported): ca-imported was not taken over before it", at + 1))
    );
}

#[test]
fn certificates_that_the_old_ca_never_issued_or_revoked_so() {
    // Its own certificate is by its root.
    let (world, at) = taken_over(|world, at| {
        world.lines[at + 2].artefact = Some(OLD_CA.certificate.der().to_vec());
        world.reseal(at + 2);
    });
    let found: Vec<_> = world.audit().differences.iter().map(ToString::to_string).collect();
    let due = "its document is not what it was accepted as: it is not by this CA: the certificate names another issuer";
    assert!(found.iter().any(|one| one.starts_with(&format!("entry {}", at + 2)) && one.contains(due)), "{found:?}");

    // The key that it is for is another.
    let rewritten = |at: usize, change: fn(&mut CaFact)| {
        taken_over(|world, first| {
            let mut fact = CaFact::from_fact(world.lines[first + at].fact.as_ref().unwrap()).unwrap();
            change(&mut fact);
            world.rewrite(first + at, fact);
        })
    };
    let (world, at) = rewritten(2, |fact| {
        let CaFact::CertificateImported { public_key, .. } = fact else { panic!() };
        *public_key = Digest::of(b"another key");
    });
    finds(&world, &format!("entry {} (ca.certificate-imported): decided again, its fact has another body", at + 2));

    // Revoked earlier than the list says: the list tells.
    let (world, at) = rewritten(1, |fact| {
        let CaFact::CertificateImported { revoked: Some(revoked), .. } = fact else { panic!() };
        revoked.at = revoked.at.minus_millis(1000);
    });
    let due = "what was taken over as revoked is not what it names";
    finds(&world, &format!("entry {} (ca.crl-issued): {due}", at + 4));

    // One that nobody has, and that no list names.
    let (world, at) = rewritten(3, |fact| {
        let CaFact::CertificateImported { revoked, .. } = fact else { panic!() };
        *revoked = None;
    });
    let found: Vec<_> = world.audit().differences.iter().map(ToString::to_string).collect();
    let first = format!("entry {} (ca.certificate-imported): nobody has the certificate, and no list names it", at + 3);
    assert_eq!(found.first(), Some(&first), "{found:?}");
}

#[test]
fn a_last_list_of_something_else() {
    let (mut world, at) = taken_over(|_, _| {});
    world.lines.truncate(at + 4);
    let other = revoked().map(|revoked| Revoked { reason: Reason::Superseded, ..revoked });
    world.last_list(other.into());
    finds(&world, &format!("entry {} (ca.crl-issued): what was taken over as revoked is not what it names", at + 4));
}
