//! The command around the audit: a folder, its exit, its words; and the proofs, made from a ledger that its own keys signed
//! into misbehaviour. What an audit finds is `semper_ttp::audit`'s matter.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use semper_ledger::entry::{Tag, TagSpace, Tags};
use semper_ledger::erasure::MemoryJournal;
use semper_ledger::ledger::{Ledger, Parts};
use semper_ledger::sequencer::{Clock, Commit, Draft};
use semper_ledger::store::{Batch, Direction, Table, first, keys};
use semper_ttp::account::{Anchors, Proof, Verdict, judge};
use semper_ttp::crypto::jose::{Algorithm, Key};
use semper_ttp::crypto::{SignatureAlgorithm, Signer, SoftKey};
use semper_ttp::digest::ImprintAlgorithm;
use semper_ttp::evidence::{Aggregate, Envelope, Fact, OpsFact, Recorded};
use semper_ttp::notary::{ActType, Checks, Journal, JournalFact, RecordedAct};
use semper_ttp::policy::person::Officer;
use semper_ttp::role::Role;
use semper_ttp::statement::act::ActRecorded;
use semper_ttp::statement::{Jws, Origin, Statement, Unsigned};
use semper_ttp::time::Timestamp;
use semper_ttp::timestamp::request::{Imprint, Request};
use semper_ttp::timestamp::token::prepare;
use semper_ttp::timestamp::{ClockVerdict, Endpoint, Stamp, TimestampAuthority, TimestampEffect, TokenSerial, Tsu};
use semper_ttp::verify::Trust;
use tempfile::TempDir;

use super::*;
use crate::data::testing::demonstration;
use crate::data::{rocks_settings, sequencer_settings};

fn args(data: &Path) -> cli::AuditAll {
    cli::AuditAll {
        data: data.to_owned(),
        config: None,
        evidence: None,
        tokens: false,
        unit: None,
        from: None,
        to: None,
    }
}

/// The exit, and what is told.
fn told(args: &cli::AuditAll) -> (Exit, String) {
    match Opened::open(&args.data, args.config.as_deref()).and_then(|opened| audit(&opened, args, true)) {
        Ok(audited) => (audited.exit(), output::as_text(&audited, 0.0)),
        Err(why) => (why.exit(), why.to_string()),
    }
}

/// A clock that the test sets.
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn wait_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

/// A service whose owner writes into its ledger whatever he likes.
struct House {
    dir: TempDir,
    ledger: Ledger,
    store: Arc<RocksStore>,
    clock: Arc<Hand>,
    endpoint: Endpoint,
    signer: Arc<dyn Signer>,
}

impl House {
    fn open(dir: TempDir) -> House {
        let folder = DataFolder::open(dir.path()).unwrap();
        let mut config = folder.config(None).unwrap();
        let loaded = folder.load(&config).unwrap();
        keep_promises(&mut config, &read_genesis(&*loaded.store).unwrap()).unwrap();
        let (tsu, signer): (Tsu, Arc<dyn Signer>) = loaded.units.into_iter().next().unwrap();
        let settings = endpoint_settings(&config, ENDPOINTS[0].1, policy_hash(&config)).unwrap();
        let endpoint = Endpoint::new(settings, Arc::new(tsu)).unwrap();
        let clock = Arc::new(Hand(AtomicU64::new(0)));
        let store = loaded.store.clone();
        let ledger = Ledger::open(Parts {
            store: loaded.store,
            anchor: loaded.anchor,
            journal: Arc::new(MemoryJournal::default()),
            keys: loaded.log_keys,
            verifier: Arc::new(LogVerifier),
            clock: clock.clone(),
            observer: Arc::new(()),
            settings: sequencer_settings(&config.ledger),
            tile_cache_bytes: 0,
        })
        .unwrap();
        let newest = ledger.reader().newest().head().unwrap().time_ms;
        clock.0.store(newest + 1_000, Ordering::Relaxed);
        House { dir, ledger, store, clock, endpoint, signer }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now_ms())
    }

    fn later(&self, ms: u64) {
        self.clock.wait_ms(ms);
    }

    /// Fact and token of a request at `now`.
    fn stamp(&self, counter: u64, now: Timestamp) -> (Fact, Vec<u8>) {
        let imprint = Imprint::new(ImprintAlgorithm::Sha256, &[counter as u8; 32]).unwrap();
        let request = Request::new(imprint, None, None, false);
        let stamp = Stamp {
            request_digest: Digest::of(&request.encode()),
            request,
            serial: TokenSerial::new(counter, [7; 12]).unwrap(),
            salt: [1; 16],
            clock: ClockVerdict::Assumed,
        };
        let (mut facts, mut effects) = TimestampAuthority::decide(&self.endpoint, &stamp, now).unwrap();
        let TimestampEffect::Sign(content) = effects.remove(0);
        let unsigned = prepare(self.endpoint.tsu(), &content);
        let signature = self.signer.sign(unsigned.message()).unwrap();
        let token = unsigned.finish(&signature).token().to_vec();
        (facts.remove(0).into_fact(&self.endpoint.envelope(&stamp, now)), token)
    }

    /// Appends a fact as if it had been decided just now; gives its index.
    fn append(&self, fact: &Fact, artefact: Option<Vec<u8>>, tags: Tags) -> u64 {
        let (role, kind, bytes) = (fact.kind.role().code(), fact.kind.code(), fact.encode());
        let draft = match artefact {
            Some(artefact) => Draft::with_artefact(role, kind, bytes, artefact),
            None => Draft::of_fact(role, kind, bytes),
        };
        let step = fact.step().map(|(aggregate, seq)| (aggregate.0, seq));
        self.ledger.append(Commit::one(self.clock.now_ms(), Draft { tags, step, ..draft })).unwrap().first
    }

    fn token(&self, counter: u64) -> u64 {
        let (fact, token) = self.stamp(counter, self.now());
        let index = self.append(&fact, Some(token), Tags::default());
        if counter == 1 {
            let key = self.endpoint.tsu().key();
            let used = OpsFact::KeyFirstUse { key };
            self.append(&self.fact(used, Aggregate::of_key(key), 1), None, Tags::default());
        }
        index
    }

    /// The record of an act with this number, at this step of the journal; gives its index. Who signed it, its entry says.
    fn record(&self, number: u64, seq: u64) -> u64 {
        let (id, at, digest) = ([seq as u8; 16].into(), self.now(), Digest::of(b"digest"));
        let recorded = RecordedAct {
            id,
            number,
            at,
            opened_at: at,
            act: ActType::Existence,
            request: digest,
            requester: Officer::itself(digest),
            subject: digest,
            reason: None,
            officer: None,
            checks: Checks::none(),
            report: None,
        };
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let thumbprint = Key::from_spki_der(key.spki_der()).unwrap().thumbprint();
        let mut record = vector();
        (record.body.act, record.body.journal_no, record.body.notary.key) = (id, number, thumbprint);
        record.body.notary.service = Origin::new(self.ledger.reader().identity().origin()).unwrap();
        let unsigned = Unsigned::new(&record, Algorithm::Es256, thumbprint).unwrap();
        let signature = key.sign_raw(unsigned.message()).unwrap();
        let record = unsigned.finish(&signature).unwrap().bytes().to_vec();
        let fact = JournalFact::Recorded(Box::new(recorded));
        let tags = Tags::new(fact.tag().into_iter().collect()).unwrap();
        self.append(&self.fact(fact, Journal::aggregate(), seq), Some(record), tags)
    }

    fn fact(&self, fact: impl Recorded, aggregate: Aggregate, seq: u64) -> Fact {
        let policy_hash = self.endpoint.settings().policy_hash;
        let event_digest = Digest::of(&[]);
        fact.into_fact(&Envelope { aggregate, seq, now: self.now(), salt: [2; 16], policy_hash, event_digest })
    }

    fn diary(&self, tags: Tags) -> u64 {
        let fact = self.fact(OpsFact::Stopped, Aggregate::service(), self.now().millis());
        self.append(&fact, None, tags)
    }

    fn put(&self, change: impl FnOnce(&mut Batch)) {
        let mut batch = Batch::default();
        change(&mut batch);
        self.store.commit(&batch).unwrap();
    }

    /// Closes it and audits with evidence: exit, words, and each proof by its file name with its verdict for an outsider who
    /// has the trust folder alone.
    fn audited(self) -> (Exit, String, Vec<(String, Verdict)>) {
        let House { dir, ledger, store, .. } = self;
        ledger.close();
        drop((ledger, store));
        let evidence = dir.path().join("proofs");
        let (exit, text) = told(&cli::AuditAll { evidence: Some(evidence.clone()), ..args(dir.path()) });
        let trust = trust_of(dir.path());
        let mut proofs = Vec::new();
        for file in fs::read_dir(&evidence).into_iter().flatten() {
            let path = file.unwrap().path();
            let proof = Proof::parse(&fs::read(&path).unwrap()).unwrap();
            let judged = judge(&proof, &Anchors { log_keys: trust.log_keys(), trust: Some(&trust) });
            proofs.push((path.file_name().unwrap().to_string_lossy().into_owned(), judged.verdict));
        }
        proofs.sort_by(|a, b| a.0.cmp(&b.0));
        (exit, text, proofs)
    }
}

/// The record of an act that `schemas/vectors/` has.
fn vector() -> Statement<ActRecorded> {
    let vectors = include_str!("../../../../schemas/vectors/statements.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let all = vectors["others"].as_array().unwrap().iter();
    let mut all = all.map(|one| Jws::parse(one["jws"].as_str().unwrap().as_bytes()).unwrap());
    all.find_map(|jws| jws.payload_as().ok()).unwrap()
}

fn trust_of(data: &Path) -> Trust {
    let text = |name| fs::read_to_string(data.join("trust").join(name)).unwrap();
    let trust = Trust::from_texts(&text("root.pem"), &text("tsa-chain.pem"), &text("ledger.vkey")).unwrap();
    trust.with_promise(&text("ledger.json")).unwrap()
}

#[test]
fn a_new_service_is_decided_again() {
    let dir = demonstration();
    let (exit, text) = told(&args(dir.path()));
    assert_eq!(exit, Exit::Ok, "{text}");
    assert!(text.contains("\nnothing differs: 27 of 49 entries were decided again"), "{text}");
    let opened = Opened::open(dir.path(), None).unwrap();
    let document = output::as_json(&audit(&opened, &args(dir.path()), true).unwrap(), 1.5);
    assert_eq!((&document["verdict"], &document["different"]), (&"same".into(), &0.into()));
    let kinds: Vec<_> = document["kinds"].as_array().unwrap().iter().map(|kind| kind["kind"].clone()).collect();
    let due = ["ledger.genesis", "ops.key-made", "ops.policy-change", "ca.certificate-issued", "ca.crl-issued"];
    assert_eq!(kinds, due);
}

#[test]
fn what_keeps_the_audit_from_beginning_has_its_exit() {
    let dir = demonstration();
    let good = args(dir.path());
    assert_eq!(told(&args(&dir.path().join("nowhere"))).0, Exit::Usage);
    let file = dir.path().join("other.toml");
    fs::write(&file, "service.country = \"SE\"").unwrap();
    assert_eq!(told(&cli::AuditAll { config: Some(file.clone()), ..args(dir.path()) }).0, Exit::Usage);
    fs::write(&file, "clock.source = \"assumed\"\ntsa.policies_accepted = [\"1.2\", \"x\"]\n").unwrap();
    assert_eq!(told(&cli::AuditAll { config: Some(file), ..args(dir.path()) }).0, Exit::Usage);
    let house = House::open(dir);
    assert_eq!(told(&good).0, Exit::Busy);
    drop(house.ledger);
    drop(house.store);
    assert_eq!(told(&good).0, Exit::Ok);
    fs::remove_file(house.dir.path().join("anchor")).unwrap();
    assert_eq!(told(&good).0, Exit::Undecided);
}

#[test]
fn what_was_lost_leaves_it_open_and_what_was_changed_does_not() {
    let house = House::open(demonstration());
    let (lost, changed) = (house.token(1), house.token(2));
    house.put(|batch| batch.delete(Table::Artefact, &keys::number(lost)));
    let dir = house.dir;
    let ledger = house.ledger;
    ledger.close();
    drop((ledger, house.store));
    let (exit, text) = told(&args(dir.path()));
    assert_eq!(exit, Exit::Undecided, "{text}");
    assert!(text.contains("1 × timestamp.token: its artefact is not in the store"), "{text}");

    let house = House::open(dir);
    house.put(|batch| batch.put(Table::Artefact, &keys::number(changed), b"something else"));
    let (exit, text, proofs) = house.audited();
    assert_eq!((exit, proofs), (Exit::Falsified, vec![]), "{text}");
    assert!(
        text.contains(&format!("entry {changed} (timestamp.token): its digest is not that of its artefact")),
        "{text}"
    );
    assert!(text.ends_with("DIFFERENT: 2 differences. Keep the folder as it is."), "{text}");
}

/// Settings that were changed since are not those that decided.
#[test]
fn decisions_under_other_settings_are_told_apart() {
    let house = House::open(demonstration());
    house.token(1);
    let dir = house.dir;
    house.ledger.close();
    drop((house.ledger, house.store));
    let file = dir.path().join("other.toml");
    fs::write(&file, "clock.source = \"assumed\"\ntsa.accuracy_ms = 900\n").unwrap();
    let (exit, text) = told(&cli::AuditAll { config: Some(file), ..args(dir.path()) });
    assert_eq!(exit, Exit::Ok, "{text}");
    assert!(text.contains("1 × timestamp.token: it was decided under the policy "), "{text}");
}

/// A token that was released, and in its place in the ledger stands another.
#[test]
fn an_omission_is_proven() {
    let house = House::open(demonstration());
    house.token(1);
    house.later(10);
    let (_, released) = house.stamp(2, house.now());
    let index = house.token(2);
    house.later(6_000);
    house.diary(Tags::default());
    house.put(|batch| batch.put(Table::Artefact, &keys::number(index), &released));
    let (exit, text, proofs) = house.audited();
    assert_eq!(exit, Exit::Falsified, "{text}");
    assert_eq!(proofs, [(format!("omission-{index}.pom.json"), Verdict::Proven)], "{text}");
    assert!(text.contains(&format!("omission-{index}.pom.json\n  the timestamp of ")), "{text}");
}

/// The same while the ledger still has time to record it: nothing that could be taken back is written.
#[test]
fn an_omission_is_not_claimed_before_its_time_is_over() {
    let house = House::open(demonstration());
    let (_, released) = house.stamp(1, house.now());
    let index = house.token(1);
    house.put(|batch| batch.put(Table::Artefact, &keys::number(index), &released));
    let (exit, text, proofs) = house.audited();
    assert_eq!((exit, proofs), (Exit::Falsified, vec![]), "{text}");
}

#[test]
fn a_token_out_of_time_is_proven() {
    let house = House::open(demonstration());
    house.token(1);
    let (fact, token) = house.stamp(2, house.now());
    house.later(5_001);
    let index = house.append(&fact, Some(token), Tags::default());
    let (exit, text, proofs) = house.audited();
    assert_eq!(exit, Exit::Falsified, "{text}");
    assert!(text.contains(", more than 5000 ms later"), "{text}");
    assert_eq!(proofs, [(format!("time-{index}.pom.json"), Verdict::Proven)], "{text}");
}

#[test]
fn a_tag_twice_is_proven() {
    let house = House::open(demonstration());
    let tag = Tag::new(TagSpace::Decision, &[9; 32], 0);
    let tags = || Tags::new(vec![tag]).unwrap();
    let first = house.diary(tags());
    house.later(10);
    // The sequencer refuses a second one, unless somebody makes it forget.
    house.put(|batch| batch.delete(Table::Tag, &tag.0));
    let second = house.diary(tags());
    let (exit, text, proofs) = house.audited();
    assert_eq!(exit, Exit::Falsified, "{text}");
    assert!(text.contains(&format!("entry {first} (ops.stopped): it bears the tag ")), "{text}");
    // The index names the second; the first is told by it, and the proof named after the later one.
    assert_eq!(proofs, [(format!("equivocation-{second}.pom.json"), Verdict::Proven)], "{text}");
}

/// Two records with one number, in the ledger of their notary; and one more, which is as it should be.
#[test]
fn a_number_twice_is_proven() {
    let house = House::open(demonstration());
    let records: Vec<_> = [1, 2, 1].into_iter().zip(0..).map(|(number, seq)| house.record(number, seq)).collect();
    let (exit, text, proofs) = house.audited();
    assert_eq!(exit, Exit::Falsified, "{text}");
    assert!(
        text.contains(&format!("entry {} (notary.act): the journal gave its number 1 before", records[2])),
        "{text}"
    );
    assert_eq!(proofs, [(format!("equivocation-{}.pom.json", records[2]), Verdict::Proven)], "{text}");
    assert!(text.contains(&format!("its entries {} and {}", records[0], records[2])), "{text}");
}

#[test]
fn entries_that_are_not_those_of_the_checkpoint() {
    let house = House::open(demonstration());
    let index = house.diary(Tags::default());
    house.later(10);
    // Enough that the bundle is not looked at when the ledger is opened.
    for _ in 0..300 {
        house.diary(Tags::default());
        house.later(1);
    }
    let key = keys::number(0);
    let mut bundle = semper_ledger::store::read(&*house.store, Table::Bundle, &key).unwrap().unwrap();
    let entry = house.ledger.reader().entry(index).unwrap().unwrap();
    let at = bundle.windows(entry.len()).position(|window| window == entry).unwrap();
    // Its time, one millisecond less: whatever else is looked at still fits.
    let time = entry.windows(8).position(|eight| eight == house_time(&entry)).unwrap();
    bundle[at + time + 7] ^= 1;
    house.put(|batch| batch.put(Table::Bundle, &key, &bundle));
    let (exit, text, proofs) = house.audited();
    assert_eq!((exit, proofs), (Exit::Falsified, vec![]), "{text}");
    assert!(text.contains("the ledger: its entries are not those of its newest checkpoint"), "{text}");
}

/// The eight octets of an entry's time.
fn house_time(entry: &[u8]) -> [u8; 8] {
    semper_ledger::entry::Entry::decode(entry).unwrap().time_ms.to_be_bytes()
}

/// `audit ca` on a new service, then with something foreign in the folder, then without one of its artefacts.
#[test]
fn certificates_are_listed_and_what_is_wrong_ends_it_otherwise() {
    let dir = demonstration();
    let listed = || {
        let opened = Opened::open(dir.path(), None).unwrap();
        ca::list(&opened, &dir.path().join("certs"), true).unwrap()
    };
    assert_eq!(listed(), Exit::Ok);
    let foreign = dir.path().join("certs/foreign.cer");
    fs::write(&foreign, b"anything").unwrap();
    assert_eq!(listed(), Exit::Falsified);
    fs::remove_file(foreign).unwrap();
    let folder = DataFolder::open(dir.path()).unwrap();
    let officer = folder.certificate("officer").unwrap().digest();
    {
        let settings = rocks_settings(&folder.config(None).unwrap().ledger);
        let store = RocksStore::open(&dir.path().join("store"), &settings).unwrap();
        let (row, _) = first(&store, Table::Digest, &keys::hash_number(&officer.0, 0), Direction::Up).unwrap().unwrap();
        let (_, index) = keys::parse_hash_number(&row).unwrap();
        let mut batch = Batch::default();
        batch.delete(Table::Artefact, &keys::number(index));
        store.commit(&batch).unwrap();
    }
    assert_eq!(listed(), Exit::Undecided);
}
