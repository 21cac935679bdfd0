//! What `schemas/` says is what the code does: the vectors are made here and compared, so they cannot drift, and the
//! numbers and pages beside them are those of the code.
//!
//! A vector that was published is never changed, one is added. To write the files anew after adding:
//! `SEMPER_WRITE_VECTORS=1 cargo test --release -p semper-tests --test schemas`.

mod facts;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    fs,
    path::PathBuf,
    sync::Arc,
};

use facts::{facts, genesis};
use semper_api::v1::Code;
use semper_ledger::{
    checkpoint::Checkpoint,
    entry::{Entry, Tag, TagSpace, Tags},
    merkle::{Hash, Tile, TileId, leaf_hash, root_of, sha256},
    note::NoteSigner,
    port::{Signature, Signer},
    proof,
    receipt::{GroupHead, LogIdentity, Receipt, cose, tlog_proof::TlogProof},
};
use semper_ttp::{
    ca::{Authority, profile::ProfileCode},
    crypto::{LogSigner, LogVerifier, SoftKey},
    digest::ImprintAlgorithm,
    evidence::{ArchiveKind, CaKind, Fact, KeyPurpose, Kind, LedgerKind, OpsKind, RoleCode, TimestampKind},
    exchange::paid::{Cause, Shown, Thing, Told},
    notary::{ActType, OfficerCheck, Reason as ActReason, dvcs},
    party::{ReinstatementReason, SuspensionReason, UnbindReason},
    payment::{
        Bearer, Moved, Place,
        rail::{DeclineCode, RailClass, RailOp},
    },
    registration::RefusalReason,
    statement::exchange::{
        Assurance, Protocol, Side,
        erds::{ErdsEvent, ErdsReason},
        inline::{DepositFault, DepositMode},
        item::MatchResult,
    },
    timestamp::{ClockVerdict, Refusal},
};
use serde_json::{Value, json};

const ORIGIN: &str = "vectors.semper.example/log";
const ISSUER: &str = "https://vectors.semper.example";
/// 2026-03-01T12:00:00.250Z.
const TIME_MS: u64 = 1_772_366_400_250;

/// SubjectPublicKeyInfo of P-256 (RFC 5480) in front of the uncompressed point.
const SPKI_P256: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

/// Kinds that have a number but no fact in this build.
const WITHOUT_FACT: [Kind; 1] = [Kind::Archive(ArchiveKind::Erased)];

// ---- vectors/ledger.json ------------------------------------------------------------------------------------------------

#[test]
fn the_vectors_of_the_ledger_are_what_the_code_makes() {
    compare("ledger.json", |stored| {
        let log = SmallLog::new(7, stored["cose"]["signature"].as_str());
        log.vectors()
    });
}

/// The same files read as a verifier would, who has nothing else.
#[test]
fn the_vectors_of_the_ledger_verify() {
    let vectors: Value = serde_json::from_str(&read("vectors/ledger.json")).unwrap();
    let log = SmallLog::new(7, vectors["cose"]["signature"].as_str());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let keys = [semper_ledger::note::VerifierKey::parse(&text(&vectors["note_key"]["vkey"])).unwrap()];
    let checkpoint = Checkpoint::verify(&text(&vectors["checkpoint"]), &keys, &LogVerifier).unwrap();
    assert_eq!((checkpoint.size, checkpoint.origin.as_str()), (7, ORIGIN));
    for receipt in vectors["receipts"].as_array().unwrap() {
        let index = receipt["index"].as_u64().unwrap() as usize;
        let entry = hex::decode(text(&vectors["entries"][index]["bytes"])).unwrap();
        let proof = TlogProof::parse(&text(&receipt["tlog_proof"])).unwrap();
        let proven = proof.verify(&keys, &LogVerifier).unwrap();
        assert_eq!((proven.index as usize, proven.entry.encode()), (index, entry.clone()));
        let cose = hex::decode(text(&receipt["cose"])).unwrap();
        let included = cose::verify_inclusion(&cose, &leaf_hash(&entry), &log.identity, &LogVerifier).unwrap();
        assert_eq!((included.index as usize, included.root), (index, checkpoint.root));
    }
}

/// A log of seven entries that one commit group wrote, signed by keys that anyone can make.
struct SmallLog {
    identity: LogIdentity,
    note: NoteSigner,
    entries: Vec<Entry>,
    head: GroupHead,
}

impl SmallLog {
    /// ES256 draws a random number for each signature, so the one in the file is kept while it verifies.
    fn new(size: u64, stored_signature: Option<&str>) -> Self {
        let note = NoteSigner::new(ORIGIN, Arc::new(ed25519([1; 32]))).unwrap();
        let receipt_key = p256([2; 32]);
        let identity = LogIdentity {
            note_key: note.verifier_key().clone(),
            issuer: ISSUER.to_owned(),
            receipt_key: receipt_key.public_key(),
        };
        let entries: Vec<_> = (0..size).map(entry).collect();
        let root = root_of(&leaves(&entries));
        let mut head =
            GroupHead { first: 0, size, root, time_ms: TIME_MS, note_signature: [0; 64], receipt_signature: [0; 64] };
        head.note_signature = note.sign(&head.checkpoint(ORIGIN).text()).unwrap();
        let mut log = Self { identity, note, entries, head };
        let stored = stored_signature.and_then(|text| Signature::try_from(hex::decode(text).ok()?).ok());
        match stored.filter(|stored| log.accepts(stored)) {
            Some(stored) => log.head.receipt_signature = stored,
            None => log.head.receipt_signature = cose::sign(&log.identity, size, &root, &receipt_key).unwrap(),
        }
        log
    }

    fn accepts(&self, signature: &Signature) -> bool {
        let mut receipt = self.receipt(0);
        receipt.head.receipt_signature = *signature;
        let leaf = leaf_hash(&receipt.entry);
        cose::verify_inclusion(&receipt.cose(&self.identity), &leaf, &self.identity, &LogVerifier).is_ok()
    }

    fn receipt(&self, index: u64) -> Receipt {
        let Ok(path) = proof::inclusion(self, index, self.head.size);
        Receipt { index, entry: self.entries[index as usize].encode(), path, head: self.head.clone() }
    }

    fn vectors(&self) -> Value {
        let entries: Vec<_> = self
            .entries
            .iter()
            .map(|entry| {
                let bytes = entry.encode();
                json!({
                    "role": entry.role,
                    "kind": entry.kind,
                    "name": Kind::from_codes(entry.role, entry.kind).expect("a named kind").to_string(),
                    "time_ms": entry.time_ms,
                    "digest": hex::encode(entry.digest),
                    "tags": entry.tags.as_slice().iter().map(|tag| hex::encode(tag.0)).collect::<Vec<_>>(),
                    "bytes": hex::encode(&bytes),
                    "leaf_hash": hex::encode(leaf_hash(&bytes)),
                })
            })
            .collect();
        let leaves = leaves(&self.entries);
        let roots: Vec<_> = (0..=leaves.len()).map(|size| hex::encode(root_of(&leaves[..size]))).collect();
        let receipts: Vec<_> = [0, 4, 6]
            .map(|index| {
                let receipt = self.receipt(index);
                json!({
                    "index": index,
                    "tlog_proof": receipt.tlog_proof(&self.identity),
                    "cose": hex::encode(receipt.cose(&self.identity)),
                })
            })
            .into();
        let from = 3;
        let Ok(path) = proof::consistency(self, from, self.head.size);
        let consistency = cose::consistency(&self.identity, &self.head, from, &path);
        json!({
            "about": "A log of seven entries, written by one commit group. Octet strings are in hexadecimal.",
            "tags": tags(),
            "entries": entries,
            "roots": roots,
            "note_key": {
                "seed": hex::encode([1; 32]),
                "public_key": hex::encode(self.note.verifier_key().key()),
                "vkey": self.note.verifier_key().to_string(),
            },
            "checkpoint": self.head.note(&self.identity).to_string(),
            "receipts": receipts,
            "consistency": {
                "from": from,
                "to": self.head.size,
                "path": path.iter().map(hex::encode).collect::<Vec<_>>(),
                "cose": hex::encode(consistency),
            },
            "cose": {
                "issuer": ISSUER,
                "origin": ORIGIN,
                "public_key": hex::encode(&self.identity.receipt_key),
                "kid": hex::encode(cose::key_id(&self.identity.receipt_key)),
                "signature": hex::encode(self.head.receipt_signature),
            },
        })
    }
}

impl proof::Tiles for SmallLog {
    type Error = Infallible;

    fn tile(&self, _: TileId, _: usize) -> Result<Arc<Tile>, Infallible> {
        Ok(Arc::new(Tile::new(&leaves(&self.entries)))) // seven entries are one partial tile
    }
}

fn leaves(entries: &[Entry]) -> Vec<Hash> {
    entries.iter().map(|entry| leaf_hash(&entry.encode())).collect()
}

/// Entry `i`: the kinds of a young log, with zero to four tags.
fn entry(i: u64) -> Entry {
    let kinds = [
        Kind::Ledger(LedgerKind::Genesis),
        Kind::Ops(OpsKind::KeyMade),
        Kind::Ca(CaKind::CertificateIssued),
        Kind::Ca(CaKind::CrlIssued),
        Kind::Timestamp(TimestampKind::Token),
    ];
    let kind = kinds[i as usize % kinds.len()];
    let tags = (0..i.saturating_sub(1) % 5).map(|n| Tag::new(TagSpace::Step, &sha256(&[i as u8]), n)).collect();
    Entry {
        role: kind.role().code(),
        kind: kind.code(),
        time_ms: TIME_MS,
        digest: sha256(format!("artefact {i}").as_bytes()),
        tags: Tags::new(tags).unwrap(),
    }
}

fn tags() -> Value {
    let spaces = [("decision", TagSpace::Decision), ("step", TagSpace::Step), ("certificate", TagSpace::Certificate)];
    let subject = sha256(b"exchange 0");
    let tags = spaces.into_iter().flat_map(|(name, space)| {
        [0, 1, u64::MAX].map(|n| {
            json!({
                "space": name,
                "space_code": space as u8,
                "subject": hex::encode(subject),
                "n": n.to_string(),
                "tag": hex::encode(Tag::new(space, &subject, n).0),
            })
        })
    });
    tags.collect()
}

/// PKCS#8 of RFC 8410 around a seed.
fn ed25519(seed: [u8; 32]) -> LogSigner {
    let der = [&hex::decode("302e020100300506032b657004220420").unwrap()[..], &seed].concat();
    LogSigner::new(Arc::new(SoftKey::from_pkcs8_der(&der).unwrap())).unwrap()
}

fn p256(scalar: [u8; 32]) -> LogSigner {
    use openssl::{bn, ec, nid::Nid, pkey::PKey};
    let group = ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let scalar = bn::BigNum::from_slice(&scalar).unwrap();
    let mut point = ec::EcPoint::new(&group).unwrap();
    point.mul_generator2(&group, &scalar, &mut bn::BigNumContext::new().unwrap()).unwrap();
    let key = PKey::from_ec_key(ec::EcKey::from_private_components(&group, &scalar, &point).unwrap()).unwrap();
    let key = SoftKey::from_pkcs8_der(&key.private_key_to_pkcs8().unwrap()).unwrap();
    LogSigner::new(Arc::new(key)).unwrap()
}

// ---- vectors/facts.json -------------------------------------------------------------------------------------------------

#[test]
fn the_vectors_of_facts_are_what_the_code_makes() {
    let facts = facts();
    compare("facts.json", |_| {
        let facts: Vec<_> = facts
            .iter()
            .map(|fact| {
                json!({
                    "name": fact.kind.to_string(),
                    "packed": fact.kind.packed(),
                    "rules": fact.rules,
                    "aggregate": hex::encode(fact.aggregate.0),
                    "seq": fact.seq,
                    "now_ms": fact.now.millis(),
                    "salt": hex::encode(fact.salt),
                    "policy_hash": fact.policy_hash,
                    "event_digest": fact.event_digest,
                    "body": diagnostic(&fact.body),
                    "bytes": hex::encode(fact.encode()),
                })
            })
            .collect();
        json!({
            "about": "One fact of each kind. Octet strings are in hexadecimal, bodies in diagnostic notation.",
            "facts": facts,
            "genesis": String::from_utf8(genesis().encode()).unwrap(),
        })
    });
    for fact in &facts {
        assert_eq!(Fact::decode(&fact.encode()).as_ref(), Ok(fact));
    }
}

#[test]
fn every_kind_has_a_vector() {
    let found: BTreeSet<Kind> = facts().iter().map(|fact| fact.kind).chain(WITHOUT_FACT).collect();
    let missing: Vec<_> = all_kinds().into_iter().filter(|kind| !found.contains(kind)).collect();
    assert!(missing.is_empty(), "kinds without a vector: {missing:?}");
}

/// Diagnostic notation (RFC 8949 §8) of one item of the forms that facts use.
fn diagnostic(bytes: &[u8]) -> String {
    fn item(bytes: &mut &[u8]) -> String {
        let head = bytes[0];
        let (extra, value) = match head & 0x1f {
            small @ 0..=23 => (0, u64::from(small)),
            minor => {
                let extra = 1_usize << (minor - 24);
                (extra, bytes[1..=extra].iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
            }
        };
        *bytes = &bytes[1 + extra..];
        match head >> 5 {
            0 => value.to_string(),
            2 => {
                let (text, rest) = bytes.split_at(value as usize);
                *bytes = rest;
                format!("h'{}'", hex::encode(text))
            }
            4 => format!("[{}]", (0..value).map(|_| item(bytes)).collect::<Vec<_>>().join(", ")),
            7 if value == 20 => "false".to_owned(),
            7 if value == 21 => "true".to_owned(),
            7 if value == 22 => "null".to_owned(),
            other => panic!("facts hold no item of major type {other}"),
        }
    }
    let mut rest = bytes;
    let text = item(&mut rest);
    assert!(rest.is_empty());
    text
}

fn all_kinds() -> Vec<Kind> {
    let roles = RoleCode::ALL.iter();
    roles.flat_map(|role| (0..256).filter_map(|kind| Kind::from_codes(role.code(), kind))).collect()
}

// ---- the CDDL files -----------------------------------------------------------------------------------------------------

#[test]
fn the_numbers_in_the_cddl_are_those_of_the_code() {
    let (entry, fact) = (read("entry.cddl"), read("fact.cddl"));
    let of = |pairs: Vec<(&str, u64)>| pairs.into_iter().map(|(name, code)| (name.to_owned(), code)).collect();
    let roles: BTreeMap<_, _> = of(RoleCode::ALL.iter().map(|role| (role.name(), role.code())).collect());
    assert_eq!(choices(&entry, "role"), roles);
    for role in RoleCode::ALL {
        let kinds: Vec<_> = all_kinds().into_iter().filter(|kind| kind.role() == *role).collect();
        if !kinds.is_empty() {
            let name = |kind: &Kind| kind.to_string().split_once('.').unwrap().1.to_owned();
            let kinds: BTreeMap<_, _> = kinds.iter().map(|kind| (name(kind), kind.code())).collect();
            assert_eq!(choices(&entry, &format!("{}-kind", role.name())), kinds);
        }
    }
    let purposes = of(KeyPurpose::ALL.iter().map(|purpose| (purpose.name(), purpose.code())).collect());
    assert_eq!(choices(&fact, "key-purpose"), purposes);
    let hashes = of(ImprintAlgorithm::ALL.iter().map(|hash| (hash.name(), hash.code())).collect());
    assert_eq!(choices(&fact, "imprint-algorithm"), hashes);
    let authorities = of(Authority::ALL.iter().map(|authority| (authority.name(), authority.code())).collect());
    assert_eq!(choices(&fact, "authority"), authorities);
    let codes = |text, rule| choices(text, rule).into_values().collect::<BTreeSet<_>>();
    assert_eq!(codes(&fact, "clock-verdict"), ClockVerdict::ALL.iter().map(|verdict| verdict.code()).collect());
    assert_eq!(codes(&fact, "certificate-profile"), ProfileCode::ALL.iter().map(|profile| profile.code()).collect());
    let named = |pairs: Vec<(&'static str, u64)>| -> BTreeMap<_, _> {
        pairs.into_iter().map(|(name, code)| (name.replace('_', "-"), code)).collect()
    };
    let refusals = RefusalReason::ALL.iter().map(|reason| (reason.name(), reason.code()));
    assert_eq!(choices(&fact, "refusal-reason"), named(refusals.collect()));
    let unbound = UnbindReason::ALL.iter().map(|reason| (reason.name(), reason.code()));
    assert_eq!(choices(&fact, "unbind-reason"), named(unbound.collect()));
    let suspensions = SuspensionReason::ALL.iter().map(|reason| (reason.name(), reason.code()));
    assert_eq!(choices(&fact, "suspension-reason"), named(suspensions.collect()));
    let reinstatements = ReinstatementReason::ALL.iter().map(|reason| (reason.name(), reason.code()));
    assert_eq!(choices(&fact, "reinstatement-reason"), named(reinstatements.collect()));
    let acts = ActType::ALL.iter().map(|act| (act.name(), act.code()));
    assert_eq!(choices(&fact, "act-type"), named(acts.collect()));
    let reasons = ActReason::ALL.iter().map(|reason| (reason.name(), reason.code()));
    assert_eq!(choices(&fact, "act-reason"), named(reasons.collect()));
    let checks = OfficerCheck::ALL.iter().map(|check| (check.name(), check.code()));
    assert_eq!(choices(&fact, "officer-check"), named(checks.collect()));
    let sides = [Side::Originator, Side::Responder].map(|side| (side.name(), side.code()));
    assert_eq!(choices(&fact, "exchange-side"), named(sides.to_vec()));
    let protocols = Protocol::ALL.iter().map(|protocol| (protocol.name(), protocol.code()));
    assert_eq!(choices(&fact, "protocol"), named(protocols.collect()));
    let things = Thing::ALL.iter().map(|thing| (thing.name(), thing.code()));
    assert_eq!(choices(&fact, "paid-thing"), named(things.collect()));
    let shown = Shown::ALL.iter().map(|what| (what.name(), what.code()));
    assert_eq!(choices(&fact, "paid-statement"), named(shown.collect()));
    let told = Told::ALL.iter().map(|what| (what.name(), what.code()));
    assert_eq!(choices(&fact, "paid-money"), named(told.collect()));
    let causes = Cause::ALL.iter().map(|cause| (cause.name(), cause.code()));
    assert_eq!(choices(&fact, "paid-cause"), named(causes.collect()));
    let assurances = Assurance::ALL.iter().map(|assurance| (assurance.name(), assurance.code()));
    assert_eq!(choices(&fact, "assurance"), named(assurances.collect()));
    let modes = [("content", DepositMode::Content.code()), ("sealed", DepositMode::Sealed.code())];
    assert_eq!(choices(&fact, "deposit-mode"), named(modes.to_vec()));
    let results = MatchResult::ALL.iter().map(|result| (result.name().replace('_', "-").to_lowercase(), result.code()));
    assert_eq!(choices(&fact, "match-result"), results.collect());
    let faults = DepositFault::ALL.iter().map(|fault| (fault.name(), fault.code()));
    assert_eq!(choices(&fact, "deposit-fault"), named(faults.collect()));
    let events = ErdsEvent::ALL.iter().map(|event| (event.name(), event.code()));
    assert_eq!(choices(&fact, "erds-event"), named(events.collect()));
    let reasons = ErdsReason::ALL.iter().map(|reason| (reason.name(), reason.code()));
    assert_eq!(choices(&fact, "erds-reason"), named(reasons.collect()));
    let classes = RailClass::ALL.iter().map(|class| (class.name(), class.code()));
    assert_eq!(choices(&fact, "rail-class"), named(classes.collect()));
    let ops = RailOp::ALL.iter().map(|op| (op.name(), op.code()));
    assert_eq!(choices(&fact, "rail-op"), named(ops.collect()));
    let places = Place::ALL.iter().map(|place| (place.name(), place.code()));
    assert_eq!(choices(&fact, "place"), named(places.collect()));
    let declined = DeclineCode::ALL.iter().map(|code| (code.name(), code.code()));
    assert_eq!(choices(&fact, "decline-code"), named(declined.collect()));
    let moved = Moved::ALL.iter().map(|moved| (moved.name(), moved.code()));
    assert_eq!(choices(&fact, "moved"), named(moved.collect()));
    let bearers = Bearer::ALL.iter().map(|bearer| (bearer.name(), bearer.code()));
    assert_eq!(choices(&fact, "bearer"), named(bearers.collect()));
    for space in [TagSpace::Decision, TagSpace::Step, TagSpace::Certificate] {
        assert!(codes(&entry, "tag-space").contains(&(space as u64)));
    }
}

/// Every kind of fact has a rule with its packed number, and the rule stands among `any-fact`.
#[test]
fn every_kind_has_a_rule_for_its_fact() {
    let text = stripped(&read("fact.cddl"));
    let (_, rest) = text.split_once("any-fact =").unwrap();
    let any: Vec<_> = rest.split("\nhead =").next().unwrap().split(['/', ' ', '\n']).collect();
    for kind in all_kinds().into_iter().filter(|kind| !WITHOUT_FACT.contains(kind)) {
        let name = kind.to_string().replace('.', "-");
        let rule = format!("\n{name} = [head, kind: {}, tail,", kind.packed());
        assert!(text.contains(&rule), "fact.cddl lacks a rule that begins {rule:?}");
        assert!(any.contains(&name.as_str()), "any-fact lacks {name}");
    }
}

/// A simple reading: brackets pair, a rule is defined once, and every name that is used is defined.
#[test]
fn the_cddl_files_hang_together() {
    // The prelude of RFC 8610 (appendix D), as far as we use it, and the control operators.
    let known = ["uint", "bstr", "tstr", "bool", "nil", "size", "cbor"];
    for name in ["entry.cddl", "fact.cddl", "receipt.cddl"] {
        let text = stripped(&read(name));
        let mut open = Vec::new();
        for c in text.chars() {
            match c {
                '(' | '[' | '{' => open.push(c),
                ')' | ']' | '}' => assert_eq!(
                    open.pop(),
                    Some(if c == ')' {
                        '('
                    } else if c == ']' {
                        '['
                    } else {
                        '{'
                    })
                ),
                _ => {}
            }
        }
        assert!(open.is_empty(), "{name}: not closed: {open:?}");
        let mut defined = BTreeSet::from(known);
        let mut used = BTreeSet::new();
        for line in text.lines() {
            let (head, _) = line.split_once(" = ").unwrap_or(("", line));
            let indented = line.starts_with(' ');
            if !head.is_empty() && !indented {
                assert!(defined.insert(head), "{name}: {head} is defined twice");
            }
            // What stands before a colon is a label.
            let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "-_:".contains(c)));
            used.extend(
                words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()) && !word.ends_with(':')),
            );
        }
        let unknown: Vec<_> = used.difference(&defined).collect();
        assert!(unknown.is_empty(), "{name}: used and not defined: {unknown:?}");
    }
}

/// `rule = &( name: number, … )` as a map.
fn choices(text: &str, rule: &str) -> BTreeMap<String, u64> {
    let text = stripped(text);
    let (_, rest) = text.split_once(&format!("\n{rule} = &(")).unwrap_or_else(|| panic!("no rule {rule}"));
    let body = rest.split(')').next().unwrap();
    let pairs = body.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, number) = pair.split_once(": ").unwrap_or_else(|| panic!("{rule}: {pair}"));
            (name.to_owned(), number.parse().unwrap())
        })
        .collect()
}

/// Without comments.
fn stripped(text: &str) -> String {
    text.lines().map(|line| line.split(';').next().unwrap().trim_end().to_owned() + "\n").collect()
}

// ---- problem pages ------------------------------------------------------------------------------------------------------

#[test]
fn every_refusal_has_its_page_and_no_page_is_left_over() {
    let mut refusals: Vec<_> =
        Refusal::one_of_each().iter().map(|refusal| (refusal.code(), refusal.fail_info().name())).collect();
    refusals.extend(dvcs::Refusal::one_of_each().iter().map(|refusal| (refusal.code(), refusal.fail_info().name())));
    let pages: BTreeSet<_> = fs::read_dir(schemas().join("problems"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let codes = refusals.iter().map(|(code, _)| *code).chain(Code::ALL.iter().map(|code| code.name()));
    assert_eq!(pages, codes.clone().map(|code| format!("{code}.md")).collect::<BTreeSet<_>>());
    for code in codes {
        let page = read(&format!("problems/{code}.md"));
        assert!(page.starts_with(&format!("# {code}\n")), "{code}");
        for part in ["## What happened", "## What to do"] {
            assert!(page.contains(part), "{code}: lacks {part:?}");
        }
    }
    for (code, fail_info) in refusals {
        let page = read(&format!("problems/{code}.md"));
        assert!(page.contains(&format!("| {fail_info} |")), "{code}: names no failInfo");
    }
}

// ---- files --------------------------------------------------------------------------------------------------------------

fn schemas() -> PathBuf {
    semper_tests::source_folder().join("../schemas")
}

fn read(name: &str) -> String {
    let path = schemas().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares a file of vectors with what `make` gives when shown the file as it is; writes it first when asked to.
fn compare(name: &str, make: impl Fn(&Value) -> Value) {
    let path = schemas().join("vectors").join(name);
    let stored =
        fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
    let made = make(&stored);
    if std::env::var_os("SEMPER_WRITE_VECTORS").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    } else {
        assert!(made == stored, "schemas/vectors/{name} is not what the code makes; is a published format changed?");
    }
}
