//! The owner of the database and of the log's key rewrites one old entry and signs again: whoever was shown both histories
//! holds a file that convicts him, and needs nobody's word for it.

use std::fs;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::Entry;
use semper_ledger::note::Note;
use semper_ledger::tile::bundle_entries;
use semper_ledger::witness::AddCheckpoint;
use semper_tests::http::get;
use semper_tests::liar::{liar, response};
use semper_tests::server::{DEADLINE, Data};
use semper_tests::stamp::{granted_by, stamp_many};
use semper_tests::witness::{TestLog, WitnessData, judged, kept, monitoring_path, verify_proofs};
use semper_ttp::account::{Proof, Verdict};

/// The entry that the owner would rather have had otherwise.
const OLD: usize = 11;

/// The entries of a service that does not run, up to 255 of them, as `semper export` writes them.
fn entries_of(data: &Data) -> Vec<Vec<u8>> {
    let out = tempfile::tempdir().expect("a temporary folder");
    data.export(&out.path().join("ledger")).expect(0);
    let bundles = fs::read_dir(out.path().join("ledger/tile/entries/000.p")).expect("the bundle");
    let bundle = fs::read(bundles.last().expect("one").expect("a file").path()).expect("the bundle");
    bundle_entries(&bundle).map(|entry| entry.expect("a whole entry").to_vec()).collect()
}

#[test]
fn a_rewritten_entry_is_convicted_by_the_witness() {
    let data = Data::demo();
    let vkey = data.log_key();
    let witness_data = WitnessData::new(&[&vkey]);
    let witness = witness_data.serve();
    let policy = format!("witness W {} http://{}\nquorum W\n", witness_data.vkey(), witness.http());
    let file = data.path().join("witnesses.policy");
    fs::write(&file, policy).expect("the policy");
    data.set("witnesses.policy_path", &format!("{file:?}")).set("witnesses.interval_ms", "50");
    let server = data.serve();
    stamp_many(server.http(), 20);
    let shown = || {
        let note = get(witness.http(), &monitoring_path(vkey.name()));
        let note = (note.status == 200).then(|| Note::parse(&note.text()).expect("a note"))?;
        Some(Checkpoint::parse(&note.text).expect("a checkpoint").size)
    };
    // A consistency proof from a power of two does not name the tree from which it comes.
    while shown().is_none_or(|size| size <= OLD as u64 || size.is_power_of_two()) {
        stamp_many(server.http(), 1);
    }
    let data = server.kill9();
    let (mut honest, size) = (entries_of(&data), shown().expect("it was cosigned"));
    honest.truncate(size as usize);

    let mut forged = honest.clone();
    let mut entry = Entry::decode(&forged[OLD]).expect("an entry");
    entry.digest[0] ^= 1;
    forged[OLD] = entry.encode();
    forged.extend([honest[OLD].clone(), honest[OLD].clone()]); // history goes on
    let log = TestLog::of_owner(data.path(), &forged);

    // The same size: whatever old size comes with it.
    let equal = AddCheckpoint { old: size, proof: vec![], note: log.sign(&log.checkpoint(size)) };
    assert_eq!(witness.post(equal.to_string().as_bytes()).status, 422);
    let unknowing = log.request(3, size);
    assert_eq!(witness.post(unknowing.to_string().as_bytes()).status, 409);
    // A larger one, with the proof that it continues the forged tree.
    let larger = log.request(size, size + 2);
    assert_eq!(witness.post(larger.to_string().as_bytes()).status, 422);
    let unknowing = log.request(3, size + 2);
    assert_eq!(witness.post(unknowing.to_string().as_bytes()).status, 409);
    assert_eq!(shown(), Some(size), "nothing of it is cosigned");

    assert_eq!(witness_data.requests().len(), 2);
    let proofs = witness_data.proofs();
    assert_eq!(proofs.len(), 2, "{proofs:?}");
    for proof in &proofs {
        assert_eq!(proof.against, vkey.name());
        let judgement = judged(proof, std::slice::from_ref(&vkey));
        assert_eq!(judgement.verdict, Verdict::Proven, "{judgement:?}");
        assert!(judgement.reason.contains("signed two histories"), "{judgement:?}");
    }
    // By the program itself, offline; under another service's anchors they say nothing.
    let evidence = witness_data.path().join("cosigned/evidence");
    drop(witness);
    assert_eq!(verify_proofs(&evidence, &data.trust_folder(), 0), 2);
    assert_eq!(verify_proofs(&evidence, &Data::own().trust_folder(), 1), 2);
}

/// The same from the other side: a witness shows us a checkpoint that our key signed over another history. Nothing is signed
/// any more, and what is kept convicts, whoever rewrote what.
#[test]
fn a_service_that_is_shown_another_history_keeps_the_proof() {
    let data = Data::demo();
    let vkey = data.log_key();
    let server = data.serve();
    stamp_many(server.http(), 20);
    let data = server.kill9();
    let mut forged = entries_of(&data);
    let size = forged.len() as u64;
    forged[OLD][4] ^= 1;
    let log = TestLog::of_owner(data.path(), &forged);

    // It is asked for cosignatures in one place and shows what it has in another.
    let shows = Arc::new(Mutex::new(None::<String>));
    let shown = shows.clone();
    let monitoring = liar(move |_| match &*shown.lock().expect("no panic") {
        Some(note) => response("200 OK", "", note),
        None => response("404 Not Found", "", ""),
    });
    let conflict = "Content-Type: text/x.tlog.size\r\n";
    let submission = liar(move |request| match request.starts_with("POST") {
        true => response("409 Conflict", conflict, "999999\n"),
        false => response("404 Not Found", "", ""),
    });
    let policy = format!("witness W {} http://{submission}\nquorum none\n", WitnessData::new(&[]).vkey());
    let file = data.path().join("witnesses.policy");
    fs::write(&file, policy).expect("the policy");
    data.set("witnesses.policy_path", &format!("{file:?}"))
        .set("witnesses.interval_ms", "50")
        .set("witnesses.monitoring_urls", &format!("{{ W = \"http://{monitoring}\" }}"));
    let evidence = data.path().join("evidence");
    let convicted = |items: usize| {
        let [proof] = &kept(&evidence, ".pom.json")[..] else { panic!("not one proof") };
        let proof = Proof::parse(proof).expect("a proof");
        let judgement = judged(&proof, std::slice::from_ref(&vkey));
        assert_eq!((judgement.verdict, proof.items.len()), (Verdict::Proven, items), "{judgement:?}");
        assert_eq!(kept(&evidence, ".checkpoint").len(), 1);
        assert_eq!(verify_proofs(&evidence, &data.trust_folder(), 0), 1);
    };

    // At a start: of our size, two roots; of a smaller one, what our tree begins with. A larger one convicts nobody yet.
    for (at, items) in [(size, 2), (OLD as u64 + 2, 3)] {
        *shows.lock().expect("no panic") = Some(log.sign(&log.checkpoint(at)));
        let end = data.serve_to_the_end(&[]);
        assert!(end.expect(70).stderr.contains("with another root"), "{end:#?}");
        convicted(items);
        // Also without asking again.
        *shows.lock().expect("no panic") = None;
        let end = data.serve_to_the_end(&[]);
        assert!(end.expect(70).stderr.contains("that was asked before"), "{end:#?}");
        fs::remove_dir_all(&evidence).expect("the evidence");
    }
    let larger = Checkpoint { size: size + 1000, ..log.checkpoint(size) };
    *shows.lock().expect("no panic") = Some(log.sign(&larger));
    data.serve_to_the_end(&[]).expect(70);
    assert_eq!((kept(&evidence, ".pom.json").len(), kept(&evidence, ".checkpoint").len()), (0, 1));
    fs::remove_dir_all(&evidence).expect("the evidence");

    // And while it runs: the witness claims a larger size, is asked what it has, and shows it.
    *shows.lock().expect("no panic") = None;
    let server = data.serve();
    assert!(granted_by(server.http()));
    *shows.lock().expect("no panic") = Some(log.sign(&log.checkpoint(size)));
    let deadline = Instant::now() + DEADLINE;
    while !get(server.admin(), "/readyz").text().contains("halted for good") {
        assert!(Instant::now() < deadline, "{}", server.stderr());
        thread::yield_now();
    }
    assert!(!granted_by(server.http()));
    convicted(3);
}
