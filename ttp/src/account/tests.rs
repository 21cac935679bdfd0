//! Each kind convicts whoever did it, and nobody else: every proof is shown beside an honest log's.

use std::convert::Infallible;
use std::sync::Arc;

use rasn::types::{Any, SetOf};
use rasn_cms::{ContentInfo, SignedData};
use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::{Entry, Tag, Tags};
use semper_ledger::merkle::{Hash, Tile, TileId, leaf_hash, root_of};
use semper_ledger::note::Note;
use semper_ledger::proof::{self, Tiles};
use semper_ledger::receipt::tlog_proof::TlogProof;

use super::*;
use crate::asn1::decode_strict;
use crate::crypto::{LogSigner, SignatureAlgorithm, SoftKey, der_to_raw, negate_s, raw_to_der};
use crate::digest::Digest;
use crate::testing::{self, GEN_TIME, LOG, ORIGIN, token, trust};
use crate::verify::LedgerPromise;
use crate::x509::encode;

mod arbiter;
mod delivery;
mod exchange;
mod honest;
mod inline;
mod released;

/// A log of up to 256 entries that signs whatever it likes.
#[derive(Clone)]
struct Log(Vec<Vec<u8>>);

impl Tiles for Log {
    type Error = Infallible;

    fn tile(&self, _: TileId, _: usize) -> Result<Arc<Tile>, Infallible> {
        Ok(Arc::new(Tile::new(&self.leaves())))
    }
}

impl Log {
    /// Genesis, then entries of these times and digests.
    fn new(entries: &[(u64, Hash)]) -> Self {
        let genesis = Entry { role: 0, kind: 0, time_ms: 1, digest: [0; 32], tags: Tags::default() };
        let entry = |(time_ms, digest): &(u64, Hash)| {
            Entry { role: 2, kind: 0, time_ms: *time_ms, digest: *digest, tags: Tags::default() }.encode()
        };
        Self([genesis.encode()].into_iter().chain(entries.iter().map(entry)).collect())
    }

    fn leaves(&self) -> Vec<Hash> {
        self.0.iter().map(|bytes| leaf_hash(bytes)).collect()
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn checkpoint(&self, size: u64) -> String {
        let root = root_of(&self.leaves()[..size as usize]);
        let text = Checkpoint { origin: ORIGIN.to_owned(), size, root }.text();
        Note { signatures: vec![LOG.line(&LOG.sign(&text).unwrap())], text }.to_string()
    }

    fn entry(&self, index: u64) -> TlogProof {
        let Ok(path) = proof::inclusion(self, index, self.size());
        let (extra, checkpoint) = (Some(self.0[index as usize].clone()), self.checkpoint(self.size()));
        TlogProof { extra, index, path, checkpoint }
    }

    fn prefix(&self, from: u64) -> Prefix {
        let (Ok(path), Ok(root)) = (proof::consistency(self, from, self.size()), proof::root(self, from));
        Prefix { from, root, to: self.size(), path }
    }

    fn stretch(&self, first: u64, count: u64) -> Stretch {
        let Ok(path) = proof::range(self, first, count, self.size());
        let entries = self.0[first as usize..(first + count) as usize].to_vec();
        Stretch { first, entries, path, checkpoint: self.checkpoint(self.size()) }
    }
}

fn tagged(time_ms: u64, tag: u8) -> Vec<u8> {
    let tags = Tags::new(vec![Tag([tag; 32]), Tag([9; 32])]).unwrap();
    Entry { role: 3, kind: 0, time_ms, digest: [tag; 32], tags }.encode()
}

/// The verdict, over the file and back.
#[track_caller]
fn judged(proof: &Proof) -> (Verdict, String) {
    let file = proof.to_json();
    assert!(Proof::is_one(file.as_bytes()));
    assert_eq!(Proof::parse(file.as_bytes()).as_ref(), Ok(proof));
    let trust = trust();
    let found = judge(proof, &Anchors { log_keys: trust.log_keys(), trust: Some(&trust) });
    (found.verdict, found.reason)
}

#[track_caller]
fn proven(proof: &Proof) -> String {
    let (verdict, reason) = judged(proof);
    assert_eq!(verdict, Verdict::Proven, "{reason}");
    reason
}

#[track_caller]
fn unfounded(proof: &Proof) -> String {
    let (verdict, reason) = judged(proof);
    assert_eq!(verdict, Verdict::Unfounded, "{reason}");
    reason
}

#[test]
fn one_size_with_two_roots() {
    let log = Log::new(&[(5, [1; 32]), (6, [2; 32])]);
    let other = Log::new(&[(5, [1; 32]), (6, [3; 32])]);
    let proof = Proof::two_roots(ORIGIN, &log.checkpoint(3), &other.checkpoint(3));
    assert!(proven(&proof).starts_with("the log log.example/1 signed two histories: "));
    unfounded(&Proof::two_roots(ORIGIN, &log.checkpoint(3), &log.checkpoint(3)));
    unfounded(&Proof::two_roots(ORIGIN, &log.checkpoint(2), &other.checkpoint(3)));
    // The name of the accused is part of the claim.
    unfounded(&Proof::two_roots("log.example/2", &log.checkpoint(3), &other.checkpoint(3)));
    // What another key signed convicts nobody.
    let stranger = Arc::new(SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap());
    let stranger = semper_ledger::note::NoteSigner::new(ORIGIN, Arc::new(LogSigner::new(stranger).unwrap())).unwrap();
    let text = Note::parse(&other.checkpoint(3)).unwrap().text;
    let forged = Note { signatures: vec![stranger.line(&stranger.sign(&text).unwrap())], text }.to_string();
    unfounded(&Proof::two_roots(ORIGIN, &log.checkpoint(3), &forged));
}

/// Every pair of sizes of small logs, forked at every place, at powers of two as well.
#[test]
fn a_tree_that_begins_otherwise() {
    let entries: Vec<_> = (0..12).map(|i| (5 + i, [i as u8; 32])).collect();
    let log = Log::new(&entries);
    for fork in 0..entries.len() {
        let mut rewritten = entries.clone();
        rewritten[fork].1 = [77; 32];
        let forked = Log::new(&rewritten);
        for size in 1..log.size() {
            let proof = Proof::fork(ORIGIN, &log.checkpoint(size), &forked.checkpoint(13), forked.prefix(size));
            let (verdict, reason) = judged(&proof);
            // Entry 0 is genesis, so the one that is rewritten stands at fork + 1.
            let due = if size > fork as u64 + 1 { Verdict::Proven } else { Verdict::Unfounded };
            assert_eq!(verdict, due, "rewritten at {}, size {size}: {reason}", fork + 1);
            // A prefix that is only claimed.
            let mut lie = log.prefix(size);
            lie.root[0] ^= 1;
            unfounded(&Proof::fork(ORIGIN, &log.checkpoint(size), &log.checkpoint(13), lie));
            let mut sizes = forked.prefix(size);
            sizes.to = 12;
            unfounded(&Proof::fork(ORIGIN, &log.checkpoint(size), &forked.checkpoint(13), sizes));
        }
    }
}

#[test]
fn one_place_with_two_entries() {
    let (log, other) = (Log::new(&[(5, [1; 32]), (6, [2; 32])]), Log::new(&[(5, [7; 32])]));
    proven(&Proof::one_place(ORIGIN, log.entry(1), other.entry(1)));
    unfounded(&Proof::one_place(ORIGIN, log.entry(1), log.entry(1)));
    unfounded(&Proof::one_place(ORIGIN, log.entry(1), other.entry(0)));
    let mut elsewhere = other.entry(1);
    elsewhere.index = 0;
    unfounded(&Proof::one_place(ORIGIN, log.entry(0), elsewhere));
}

#[test]
fn one_tag_twice() {
    let mut log = Log::new(&[]);
    log.0.extend([tagged(5, 1), tagged(6, 2)]);
    let twice = |one, other| Proof::entries(Kind::Equivocation, ORIGIN, log.entry(0), [one, other]);
    let reason = proven(&twice(log.entry(1), log.entry(2)));
    assert!(reason.contains("entries 1 and 2 bear the same tag 0909090909090909"), "{reason}");
    unfounded(&twice(log.entry(1), log.entry(1)));
    unfounded(&twice(log.entry(0), log.entry(1)));
    // The bytes of an entry that is not there.
    let mut put_in = log.entry(0);
    put_in.extra = Some(tagged(5, 1));
    unfounded(&twice(put_in, log.entry(1)));
    let mut bare = log.entry(1);
    bare.extra = None;
    unfounded(&twice(bare, log.entry(2)));
    // Tags mean nothing in a log that is none of ours: whoever likes may put such bytes into it.
    let foreign = Log([b"first".to_vec()].into_iter().chain(log.0[1..].iter().cloned()).collect());
    let entries = || [foreign.entry(1), foreign.entry(2)];
    unfounded(&Proof::entries(Kind::Equivocation, ORIGIN, foreign.entry(0), entries()));
    unfounded(&Proof::entries(Kind::Equivocation, ORIGIN, foreign.entry(1), entries()));
    unfounded(&Proof { kind: Kind::Equivocation, ..Proof::one_place(ORIGIN, foreign.entry(1), foreign.entry(2)) });
}

#[test]
fn time_that_runs_backwards() {
    let log = Log::new(&[(9, [1; 32]), (9, [2; 32]), (8, [3; 32])]);
    let fell = |one, other| Proof::entries(Kind::Time, ORIGIN, log.entry(0), [log.entry(one), log.entry(other)]);
    for (one, other) in [(2, 3), (3, 2), (1, 3)] {
        proven(&fell(one, other));
    }
    for (one, other) in [(1, 2), (0, 3), (3, 3)] {
        unfounded(&fell(one, other));
    }
    let mut foreign = log.clone();
    foreign.0[0] = b"first".to_vec();
    let entries = [foreign.entry(2), foreign.entry(3)];
    unfounded(&Proof::entries(Kind::Time, ORIGIN, foreign.entry(0), entries));
}

#[test]
fn an_entry_that_is_none() {
    let mut log = Log::new(&[(5, [1; 32])]);
    log.0.push(b"anything".to_vec());
    let broken = |log: &Log, index| Proof::entries(Kind::BrokenRule, ORIGIN, log.entry(0), [log.entry(index)]);
    proven(&broken(&log, 2));
    unfounded(&broken(&log, 1));
    // A later program's entries are not for this one to judge.
    let mut later = log.0[1].clone();
    later[1] = 2;
    log.0.push(later);
    assert_eq!(judged(&broken(&log, 3)).0, Verdict::Open);
    // A log of others may hold whatever it likes.
    let foreign = Log(vec![b"first".to_vec(), b"second".to_vec()]);
    unfounded(&broken(&foreign, 1));
}

#[test]
fn what_was_shown_when_is_a_matter_of_trust() {
    let log = Log::new(&[(5, [1; 32]), (6, [2; 32])]);
    assert_eq!(judged(&Proof::rollback(ORIGIN, &log.checkpoint(3), &log.checkpoint(2))).0, Verdict::Open);
    unfounded(&Proof::rollback(ORIGIN, &log.checkpoint(2), &log.checkpoint(3)));
}

const MADE: u64 = GEN_TIME.millis();

/// A log of ours that recorded the issue of this unit's certificate.
fn service(unit: &testing::Unit) -> Service {
    let digest = unit.tsu.certificate().digest().0;
    let mut log = Log::new(&[]);
    log.0.push(Entry { role: 3, kind: 0, time_ms: 1, digest, tags: Tags::default() }.encode());
    Service { genesis: log.entry(0), issue: log.entry(1) }
}

/// Entries around a token that was never logged: the last before its time, two within it, the first after.
fn around(more: &[(u64, Hash)]) -> Log {
    let mut entries = vec![(MADE - 7, [1; 32]), (MADE, [2; 32]), (MADE + 5_000, [3; 32]), (MADE + 5_001, [4; 32])];
    entries.extend(more);
    entries.sort_by_key(|entry| entry.0);
    Log::new(&entries)
}

#[test]
fn a_token_that_was_not_recorded() {
    for unit in [testing::ec(), testing::rsa()] {
        for cert_req in [false, true] {
            let token = token(unit, cert_req);
            let log = around(&[]);
            let reason = proven(&Proof::omission(ORIGIN, service(unit), &token, log.stretch(1, 4)));
            assert!(reason.contains("was released and is not recorded"), "{reason}");
            // An honest log, and every stretch of it.
            let honest = around(&[(MADE + 3, Digest::of(&token).0)]);
            for first in 0..honest.size() {
                for count in 1..=honest.size() - first {
                    let (verdict, reason) =
                        judged(&Proof::omission(ORIGIN, service(unit), &token, honest.stretch(first, count)));
                    assert_ne!(verdict, Verdict::Proven, "{first}+{count}: {reason}");
                }
            }
            // What is missing at either end is not assumed.
            unfounded(&Proof::omission(ORIGIN, service(unit), &token, log.stretch(2, 3)));
            assert_eq!(judged(&Proof::omission(ORIGIN, service(unit), &token, log.stretch(1, 3))).0, Verdict::Open);
            // Nor what is left out in between.
            let mut gap = log.stretch(1, 4);
            gap.entries.remove(1);
            unfounded(&Proof::omission(ORIGIN, service(unit), &token, gap));
            // Its digest under another kind: nobody gets a receipt of a timestamp from that.
            let mut other = around(&[(MADE + 3, Digest::of(&token).0)]);
            let mut entry = Entry::decode(&other.0[3]).unwrap();
            (entry.role, entry.kind) = (6, 1);
            other.0[3] = entry.encode();
            proven(&Proof::omission(ORIGIN, service(unit), &token, other.stretch(1, 5)));
            // Recorded, but too late: that is an omission too.
            proven(&Proof::omission(
                ORIGIN,
                service(unit),
                &token,
                around(&[(MADE + 5_001, Digest::of(&token).0)]).stretch(1, 4),
            ));
        }
    }
}

/// An entry of a later program's may be that of the token: a log that is run by one is not convicted by an older verifier.
#[test]
fn an_entry_of_a_newer_version_may_be_the_tokens() {
    let token = token(testing::ec(), true);
    for at in 1..=4 {
        let mut log = around(&[]);
        log.0[at][1] = 2;
        let (verdict, reason) = judged(&Proof::omission(ORIGIN, service(testing::ec()), &token, log.stretch(1, 4)));
        assert_eq!(verdict, Verdict::Open, "{reason}");
        assert!(reason.contains(&format!("entry {at} is of a version")), "{reason}");
    }
    let mut log = around(&[(MADE + 3, Digest::of(&token).0)]);
    log.0[2][1] = 2;
    unfounded(&Proof::omission(ORIGIN, service(testing::ec()), &token, log.stretch(1, 5)));
    // What is no entry of any version is no excuse, and no proof of this kind.
    let mut log = around(&[]);
    log.0[2] = b"anything".to_vec();
    unfounded(&Proof::omission(ORIGIN, service(testing::ec()), &token, log.stretch(1, 4)));
}

/// Whoever holds an honest token cannot convict its service by writing it in another way.
#[test]
fn an_honest_token_in_another_dress() {
    for unit in [testing::ec(), testing::rsa()] {
        let with = token(unit, true);
        let log = |released: &[u8]| around(&[(MADE + 3, Digest::of(released).0)]);
        let changed = |change: &dyn Fn(&mut SignedData)| {
            let mut content: ContentInfo = decode_strict(&with).unwrap();
            let mut signed: SignedData = decode_strict(content.content.as_bytes()).unwrap();
            change(&mut signed);
            content.content = Any::new(encode(&signed));
            encode(&content)
        };
        let bare = changed(&|signed| signed.certificates = None);
        // The certificates taken out, or put in.
        unfounded(&Proof::omission(ORIGIN, service(unit), &bare, log(&with).stretch(1, 5)));
        unfounded(&Proof::omission(ORIGIN, service(unit), &with, log(&bare).stretch(1, 5)));
        // Only some of them.
        let some = changed(&|signed| {
            let all = signed.certificates.take().unwrap();
            let unit = all.to_vec().into_iter().filter(|one| encode(one) == unit.tsu.certificate().der()).cloned();
            signed.certificates = Some(SetOf::from_vec(unit.collect()));
        });
        assert_ne!(some, with);
        assert_ne!(judged(&Proof::omission(ORIGIN, service(unit), &some, log(&with).stretch(1, 5))).0, Verdict::Proven);
        // The other signature that verifies, (r, n − s): mutant `pom2_flipped_s`.
        let flipped = changed(&|signed| {
            let mut infos = signed.signer_infos.to_vec().into_iter().cloned().collect::<Vec<_>>();
            if let Some(mut raw) = der_to_raw(&infos[0].signature) {
                negate_s(&mut raw);
                infos[0].signature = raw_to_der(&raw).into();
            }
            signed.signer_infos = SetOf::from_vec(infos);
        });
        let is_ec = unit.tsu.algorithm() == SignatureAlgorithm::EcdsaP256Sha256;
        assert_eq!(flipped != with, is_ec, "RSA has one signature for each message");
        let (verdict, reason) = judged(&Proof::omission(ORIGIN, service(unit), &flipped, log(&with).stretch(1, 5)));
        assert_eq!(verdict, Verdict::Unfounded, "{reason}");
    }
}

#[test]
fn without_what_is_needed_to_judge_a_token_nothing_is_proven() {
    let proof = Proof::omission(ORIGIN, service(testing::ec()), &token(testing::ec(), true), around(&[]).stretch(1, 4));
    let full = trust();
    let bare = judge(&proof, &Anchors { log_keys: full.log_keys(), trust: None });
    assert_eq!(bare.verdict, Verdict::Open, "{}", bare.reason);
    // What is usual is not what this ledger promised.
    let pem = |der| crate::asn1::pem::encode("CERTIFICATE", der);
    let (root, unit) = (pem(testing::PKI.root.der()), pem(testing::ec().tsu.certificate().der()));
    let chain = unit.clone() + &pem(testing::PKI.ca.der());
    let trust = crate::verify::Trust::from_texts(&root, &chain, &LOG.verifier_key().to_string()).unwrap();
    let found = judge(&proof, &Anchors { log_keys: trust.log_keys(), trust: Some(&trust) });
    assert_eq!(found.verdict, Verdict::Open, "{}", found.reason);
    assert!(found.reason.contains("ledger.json"), "{}", found.reason);
    // Nor is what another one promised.
    for (origin, verdict) in [("log.example/2", Verdict::Open), (ORIGIN, Verdict::Proven)] {
        let promise = LedgerPromise { mmd_ms: 5_000, origin: Some(origin.to_owned()) };
        let trust = trust.clone().with_promise(&promise.to_text()).unwrap();
        let found = judge(&proof, &Anchors { log_keys: trust.log_keys(), trust: Some(&trust) });
        assert_eq!(found.verdict, verdict, "{}", found.reason);
    }
    // Without the chain the form with certificates cannot be made from a token that has none.
    let trust = crate::verify::Trust::from_texts(&root, &unit, &LOG.verifier_key().to_string()).unwrap();
    let trust = trust.with_mmd_millis(5_000);
    let proof =
        Proof::omission(ORIGIN, service(testing::ec()), &token(testing::ec(), false), around(&[]).stretch(1, 4));
    let found = judge(&proof, &Anchors { log_keys: trust.log_keys(), trust: Some(&trust) });
    assert_ne!(found.verdict, Verdict::Proven, "{}", found.reason);
}

/// Two services under one root, each with its own log, and a verifier who trusts the keys of both: the one owes nothing for
/// what the other's unit issued.
#[test]
fn a_token_of_another_service() {
    let (unit, other) = (testing::ec(), testing::rsa());
    let token = token(unit, true);
    let log = around(&[]);
    let accuse = |service| Proof::omission(ORIGIN, service, &token, log.stretch(1, 4));
    proven(&accuse(service(unit)));
    let reason = unfounded(&accuse(service(other)));
    assert!(reason.contains("entry 1 is not the issue of the certificate"), "{reason}");
    // Another kind of entry of the same certificate: a stranger had it timestamped, say.
    let genesis = log.entry(0);
    let stamped = Log::new(&[(MADE, unit.tsu.certificate().digest().0)]).entry(1);
    unfounded(&accuse(Service { genesis: genesis.clone(), issue: stamped.clone() }));
    unfounded(&accuse(Service { genesis: log.entry(1), ..service(unit) }));
    let late = Log::new(&[(MADE + 9_000, Digest::of(&token).0)]).entry(1);
    proven(&Proof::out_of_time(ORIGIN, service(unit), &token, late.clone()));
    for service in [service(other), Service { genesis, issue: stamped }] {
        unfounded(&Proof::out_of_time(ORIGIN, service, &token, late.clone()));
    }
}

#[test]
fn a_token_recorded_at_the_wrong_time() {
    let token = token(testing::ec(), true);
    let entry_at = |time_ms| Log::new(&[(time_ms, Digest::of(&token).0)]).entry(1);
    for time_ms in [MADE - 1, MADE + 5_001] {
        proven(&Proof::out_of_time(ORIGIN, service(testing::ec()), &token, entry_at(time_ms)));
    }
    for time_ms in [MADE, MADE + 5_000] {
        unfounded(&Proof::out_of_time(ORIGIN, service(testing::ec()), &token, entry_at(time_ms)));
    }
    let other = Log::new(&[(MADE + 9_000, [1; 32])]).entry(1);
    unfounded(&Proof::out_of_time(ORIGIN, service(testing::ec()), &token, other));
}

#[test]
fn what_is_owed_to_a_token() {
    for unit in [testing::ec(), testing::rsa()] {
        let (with, without) = (token(unit, true), token(unit, false));
        let owed_to = |token: &[u8]| owed(token, &trust()).unwrap();
        let digests = [Digest::of(&without).0, Digest::of(&with).0];
        // The two were signed apart, so only the own form is among each one's.
        assert!(owed_to(&with).digests.contains(&digests[1]) && owed_to(&without).digests.contains(&digests[0]));
        assert_eq!((owed_to(&with).from_ms, owed_to(&with).until_ms), (MADE, MADE + 5_000));
    }
    assert_eq!(owed(b"no token", &trust()).unwrap_err().verdict, Verdict::Unfounded);
}

#[test]
fn the_items_must_be_those_of_the_kind() {
    let log = Log::new(&[(5, [1; 32])]);
    for kind in Kind::ALL {
        unfounded(&Proof { kind, against: ORIGIN.to_owned(), items: vec![] });
        let items = vec![Item::Prefix(log.prefix(1)), Item::Stretch(log.stretch(0, 1))];
        unfounded(&Proof { kind, against: ORIGIN.to_owned(), items });
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
    }
}

#[test]
fn files_that_are_none() {
    let good = Proof::rollback(ORIGIN, "a", "b").to_json();
    for (file, is_one) in [
        (String::new(), false),
        ("{}".to_owned(), false),
        (good.replace("pom", "poem"), false),
        (good.replace("\"v\":1", "\"v\":2"), true),
        (good.replace("rollback", "rolled back"), true),
        (good.replace("\"v\":1", "\"v\":1,\"w\":1"), true),
        (good.replace("checkpoint", "checkbook"), true),
        (good.replacen("YQ", "YR", 1), true),
        (good.replacen("YQ", "YQ==", 1), true),
    ] {
        assert!(Proof::parse(file.as_bytes()).is_err(), "{file}");
        assert_eq!(Proof::is_one(file.as_bytes()), is_one, "{file}");
    }
    let many = Proof { items: vec![Item::Checkpoint(String::new()); 65], ..Proof::rollback(ORIGIN, "a", "b") };
    assert_eq!(Proof::parse(many.to_json().as_bytes()), Err(NotAProof::Items));
}
