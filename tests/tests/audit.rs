//! `semper audit` on a folder that a real server filled: every token in every shape is decided again, and what an operator
//! changes on the disk afterwards is found. Each fault by itself is in `ttp/src/audit/tests/`, the proofs in
//! `ops/src/commands/audit/tests.rs`.

use std::path::Path;

use semper_ledger::entry::Entry;
use semper_ledger::store::rocks::{RocksSettings, RocksStore};
use semper_ledger::store::{Batch, Store as _, Table, keys, read as read_row};
use semper_ledger::tile::bundle_entries;
use semper_tests::http::Connection;
use semper_tests::server::{Data, Finished, run};
use semper_tests::stamp::{Answer, ask};
use semper_ttp::asn1::TEST_POLICY;
use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::evidence::{Fact, Kind, Recorded, TimestampKind};
use semper_ttp::timestamp::request::{Imprint, Request};
use semper_ttp::timestamp::{FailInfo, TimestampFact};
use semper_ttp::verify::TokenReading;
use serde_json::Value;

fn audit(data: &Path, args: &[&str]) -> Finished {
    let path = data.to_str().expect("a path in UTF-8");
    run(&[&["audit", "--json", "--data", path], args].concat())
}

fn told(end: &Finished) -> Value {
    serde_json::from_str(&end.stdout).unwrap_or_else(|error| panic!("{error}: {end:#?}"))
}

/// `(decided again, different, not)` of a kind.
fn count(document: &Value, kind: &str) -> (u64, u64, u64) {
    let kinds = document["kinds"].as_array().expect("kinds");
    let found = kinds.iter().find(|found| found["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {document}"));
    let not = found["not_redecided"].as_array().expect("a list").iter();
    let not: u64 = not.map(|reason| reason["count"].as_u64().expect("a number")).sum();
    (found["same"].as_u64().expect("a number"), found["different"].as_u64().expect("a number"), not)
}

/// Every shape of request that is granted: two endpoints, six hashes, parameters, nonces, policies, certificates.
fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    let policy = || TEST_POLICY.parse().expect("an object identifier");
    for (i, algorithm) in (0_u8..).zip(ImprintAlgorithm::ALL) {
        for nonce in [None, Some(vec![1]), Some(vec![0x85; 8]), Some(vec![0x7F; 100])] {
            for (cert_req, with_policy, null_parameters) in
                [(false, false, false), (true, false, true), (false, true, false), (true, true, false)]
            {
                let mut imprint = Imprint::new(algorithm, &vec![i; algorithm.output_bytes()]).expect("its length");
                imprint.null_parameters = null_parameters;
                let policy = with_policy.then(policy);
                let request = Request::new(imprint, policy, nonce.as_deref(), cert_req).encode();
                // RSA takes a hundred times as long.
                all.push((if nonce == Some(vec![1]) { "/tsa/rsa" } else { "/tsa" }, request));
            }
        }
    }
    all
}

/// The SHA-256 request with other octets behind its imprint.
fn spelt(rest: &[u8]) -> Vec<u8> {
    let imprint = Imprint::new(ImprintAlgorithm::Sha256, &[3; 32]).expect("32 octets");
    let plain = Request::new(imprint, None, None, false).encode();
    let body = [&plain[2..], rest].concat();
    [&[0x30, u8::try_from(body.len()).expect("a short request")], &body[..]].concat()
}

/// A folder in which a server granted all of [`requests`], refused some others, and was started twice.
fn filled() -> (Data, u64) {
    let data = Data::demo();
    let mut granted = 0;
    let all = requests();
    for half in all.chunks(all.len().div_ceil(2)) {
        let server = data.serve();
        let mut connection = Connection::open(server.http()).expect("the server listens");
        for (path, request) in half {
            let answer = ask(&mut connection, path, request).expect("an answer");
            assert!(matches!(answer, Answer::Granted(_)), "{answer:?}");
            granted += 1;
        }
        let other = "1.2.3.4".parse().expect("an object identifier");
        let imprint = Imprint::new(ImprintAlgorithm::Sha256, &[9; 32]).expect("32 octets");
        for (refused, why) in [
            (Request::new(imprint, Some(other), None, false).encode(), FailInfo::UnacceptedPolicy),
            (b"no request".to_vec(), FailInfo::BadDataFormat),
        ] {
            let answer = ask(&mut connection, "/tsa", &refused).expect("an answer");
            assert_eq!(answer, Answer::Rejected(vec![why]));
        }
        drop(connection);
        let _ = server.stop();
    }
    (data, granted)
}

fn store(data: &Path) -> RocksStore {
    let settings = RocksSettings { block_cache_bytes: 1 << 20, write_buffer_bytes: 4 << 20 };
    RocksStore::open(&data.join("store"), &settings).expect("nobody has the store open")
}

/// The indexes of all tokens, in order.
fn tokens(store: &RocksStore) -> Vec<u64> {
    let kind = Kind::Timestamp(TimestampKind::Token);
    let mut found = Vec::new();
    for number in 0.. {
        let bundle = read_row(store, Table::Bundle, &keys::number(number)).expect("a sound row");
        let Some(bundle) = bundle else { break };
        for (i, entry) in (number * 256..).zip(bundle_entries(&bundle)) {
            let entry = Entry::decode(entry.expect("a whole bundle")).expect("an entry");
            if Kind::from_codes(entry.role, entry.kind) == Some(kind) {
                found.push(i);
            }
        }
    }
    found
}

#[test]
fn all_that_a_server_did_is_decided_again() {
    let (data, granted) = filled();
    let end = audit(data.path(), &[]);
    end.expect(0);
    let document = told(&end);
    assert_eq!((&document["verdict"], &document["different"]), (&"same".into(), &0.into()), "{document}");
    assert_eq!(count(&document, "timestamp.token"), (granted, 0, 0));
    assert_eq!(count(&document, "ledger.genesis"), (1, 0, 0));
    assert_eq!(count(&document, "ops.key-made"), (13, 0, 0));
    assert_eq!(count(&document, "ops.key-first-use"), (2, 0, 0));
    assert_eq!(count(&document, "ca.certificate-issued"), (12, 0, 0)); // with those of three OCSP responders
    assert_eq!(count(&document, "ca.crl-issued"), (4, 0, 0));
    assert_eq!(count(&document, "ops.started"), (0, 0, 2));
    assert_eq!(count(&document, "ops.stopped"), (0, 0, 2));
    data.fsck().expect(0);

    // A server that runs on it is not disturbed.
    let server = data.serve();
    audit(data.path(), &[]).expect(75);
    drop(server.stop());
}

/// Clients spell requests as DER forbids; what cannot be found again is not called good.
#[test]
fn odd_spellings_are_found_again_or_named() {
    let data = Data::demo();
    let server = data.serve();
    let mut connection = Connection::open(server.http()).expect("the server listens");
    let explicit_false = spelt(&[0x01, 0x01, 0x00]);
    let needless_zeros = spelt(&[0x02, 0x03, 0x00, 0x00, 0x01]);
    for request in [&explicit_false, &needless_zeros] {
        assert!(matches!(ask(&mut connection, "/tsa", request).expect("an answer"), Answer::Granted(_)));
    }
    drop(connection);
    let data = server.stop();
    let end = audit(data.path(), &[]);
    end.expect(0);
    let document = told(&end);
    assert_eq!(count(&document, "timestamp.token"), (1, 0, 1));
    assert!(end.stdout.contains("\"reason\":\"request\""), "{document}");
}

#[test]
fn what_is_changed_on_the_disk_afterwards_is_found() {
    let (data, granted) = filled();
    let path = data.path();
    let opened = store(path);
    let all = tokens(&opened);
    assert_eq!(all.len() as u64, granted);
    let row = |table, index| read_row(&opened, table, &keys::number(index)).expect("a sound row").expect("a row");
    let fact = |index| Fact::decode(&row(Table::Fact, index)).expect("a fact");
    let mut batch = Batch::default();

    // A fact that says another unit's clock was good, one of another serial number, an artefact that is its neighbour's,
    // one that is gone, and the state of a list. All with good checksums, as whoever owns the database can make them.
    let (a, b, c, d) = (all[0], all[5], all[7], all[9]);
    let suspect = {
        let stored = fact(a);
        let TimestampFact::TokenIssued { serial, algorithm, imprint, policy, key, accuracy_micros, .. } =
            TimestampFact::from_fact(&stored).expect("a token's");
        let clock = semper_ttp::timestamp::ClockVerdict::Stopped;
        let body = TimestampFact::TokenIssued { serial, algorithm, imprint, policy, clock, key, accuracy_micros };
        let mut writer = semper_ttp::cbor::Writer::default();
        body.write_body(&mut writer);
        Fact { body: writer.finish(), ..stored }
    };
    batch.put(Table::Fact, &keys::number(a), &suspect.encode());
    let later = fact(b);
    batch.put(Table::Fact, &keys::number(b), &Fact { event_digest: Digest::of(b"another"), ..later }.encode());
    batch.put(Table::Artefact, &keys::number(c), &row(Table::Artefact, c + 1));
    batch.delete(Table::Fact, &keys::number(d));
    let list = semper_ttp::ca::ListId::first(semper_ttp::ca::Authority::Root).aggregate();
    batch.put(Table::Snapshot, &list.0, &[0x80]);
    opened.commit(&batch).expect("written");
    drop(opened);

    let end = audit(path, &[]);
    end.expect(1);
    let document = told(&end);
    assert_eq!(document["verdict"], "different");
    let differences: Vec<(Option<u64>, String)> = document["differences"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|found| (found["index"].as_u64(), found["what"].as_str().expect("a sentence").to_owned()))
        .collect();
    let of =
        |index| differences.iter().filter(|(at, _)| *at == index).map(|(_, what)| what.as_str()).collect::<Vec<_>>();
    assert_eq!(
        of(Some(a)),
        ["it was issued while the clock was stopped", "decided again, it is refused (timestamp.clock)"]
    );
    assert_eq!(of(Some(b)), [""; 0], "its event is only unknown then");
    assert_eq!(of(Some(c))[0], "its digest is not that of its artefact");
    assert_eq!(of(Some(d)), ["its fact is missing"]);
    assert_eq!(of(None), ["the snapshot is not the fold of the facts"]);
    assert_eq!(count(&document, "timestamp.token"), (granted - 4, 3, 1), "{document}");

    let text = run(&["audit", "--data", path.to_str().expect("a path in UTF-8")]);
    text.expect(1);
    assert!(text.stdout.contains(&format!("entry {d} (timestamp.token): its fact is missing")), "{}", text.stdout);
    assert!(text.stdout.ends_with("Keep the folder as it is.\n"), "{}", text.stdout);
}

#[test]
fn tokens_are_listed_by_unit_and_time() {
    let (data, granted) = filled();
    let list = |args: &[&str]| -> Vec<Value> {
        let end = audit(data.path(), &[&["--tokens"], args].concat());
        end.expect(0);
        end.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let all = list(&[]);
    assert_eq!(all.len() as u64, granted);
    let opened = store(data.path());
    for (line, index) in all.iter().zip(tokens(&opened)) {
        assert_eq!(line["index"], index);
        let token = read_row(&opened, Table::Artefact, &keys::number(index)).expect("a sound row").expect("a token");
        let reading = TokenReading::of(&token).expect("a token");
        assert_eq!(line["imprint"], hex::encode(&reading.imprint));
        assert_eq!(line["serial"], hex::encode(&reading.serial));
        assert_eq!(line["gen_time"], reading.gen_time.to_string());
        assert_eq!(line["digest"], Digest::of(&token).to_string());
        assert_eq!(line["hash"], reading.algorithm.name());
        assert_eq!((&line["policy"], &line["clock"]), (&TEST_POLICY.into(), &"assumed".into()));
    }
    drop(opened);

    let of = |unit: &str| all.iter().filter(|line| line["unit"] == unit).cloned().collect::<Vec<_>>();
    assert_eq!(list(&["--unit", "tsu-rsa.1"]), of("tsu-rsa.1"));
    assert_eq!(list(&["--unit", "tsu-ec.1"]), of("tsu-ec.1"));
    assert_eq!(of("tsu-rsa.1").len() + of("tsu-ec.1").len(), all.len());
    assert_eq!(list(&["--unit", "tsu-ec.2"]), [Value::Null; 0]);

    // From a moment on, and up to it: together all of them, none twice.
    let moment = all[all.len() / 2]["gen_time"].as_str().expect("a time");
    let (before, after) = (list(&["--to", moment]), list(&["--from", moment]));
    assert!(!before.is_empty() && !after.is_empty());
    assert!(before.iter().all(|line| line["gen_time"].as_str() < Some(moment)));
    assert!(after.iter().all(|line| line["gen_time"].as_str() >= Some(moment)));
    assert_eq!(before.len() + after.len(), all.len());
    assert_eq!(list(&["--from", "2100-01-01T00:00:00Z"]), [Value::Null; 0]);
    assert_eq!(list(&["--to", "2000-01-01T00:00:00Z"]), [Value::Null; 0]);

    let text = run(&["audit", "--tokens", "--data", data.path().to_str().expect("a path in UTF-8")]);
    text.expect(0);
    assert_eq!(text.stdout.lines().count() as u64, granted + 1, "a line of headings");
}
