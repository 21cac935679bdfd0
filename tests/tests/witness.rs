//! `semper witness`: the protocol's table over HTTP, its memory over restarts and kills, evidence against a log that forks.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::merkle::sha256;
use semper_ledger::note::{Note, SignatureLine};
use semper_ledger::policy::Policy;
use semper_ledger::witness::AddCheckpoint;
use semper_tests::http::{Connection, Response, get};
use semper_tests::server::Server;
use semper_tests::stamp::granted_by;
use semper_tests::witness::{TestLog, Witness, WitnessData, judged, monitoring_path};
use semper_ttp::account::Verdict;
use semper_ttp::crypto::LogVerifier;

/// The note with the lines of an answer, judged by a policy that knows one log and one witness.
fn is_cosigned(note: &str, answer: &Response, log: &TestLog, witness: &WitnessData) -> bool {
    assert_eq!(answer.status, 200, "{answer:?}");
    let policy = format!("log {}\nwitness W {}\nquorum W\n", log.key(), witness.vkey());
    let policy = Policy::parse(policy.as_bytes()).expect("a policy");
    policy.judge(&(note.to_owned() + &answer.text()), &LogVerifier).expect("a checkpoint").quorum
}

/// A log of ours: from the ledger's own read side to a cosigned checkpoint.
#[test]
fn a_service_of_ours_is_witnessed() {
    let server = Server::demo();
    let vkey = server.data().log_key();
    let data = WitnessData::new(&[&vkey]);
    let witness = data.serve();
    let mut old = 0;
    for _ in 0..3 {
        assert!(granted_by(server.http()));
        let note = get(server.http(), "/ledger/checkpoint").text();
        let size = Checkpoint::parse(&Note::parse(&note).expect("a note").text).expect("a checkpoint").size;
        let proof = get(server.http(), &format!("/ledger/proof/consistency?from={old}&to={size}")).text();
        let answer = witness.post(format!("old {old}\n{proof}\n{note}").as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        let keys = [vkey.clone(), data.vkey()];
        let signed = Note::parse(&(note.clone() + &answer.text())).expect("a note");
        assert_eq!(signed.verify(&keys, &LogVerifier).expect("good signatures").len(), 2);
        assert_eq!(get(witness.http(), &monitoring_path(vkey.name())).text(), note + &answer.text());
        old = size;
    }
    let metrics = get(witness.admin(), "/metrics").text();
    assert!(metrics.contains(&format!("semper_witness_tree_size{{origin=\"{}\"}} {old}", vkey.name())), "{metrics}");
}

#[test]
fn the_table_of_answers() {
    let (log, other) = (TestLog::new("log.example", "e"), TestLog::new("other.example", "e"));
    let data = WitnessData::new(&[log.key()]);
    let witness = data.serve();
    let ask = |request: &AddCheckpoint| witness.post(request.to_string().as_bytes());
    assert_eq!(get(witness.http(), &monitoring_path("log.example")).status, 404, "nothing is cosigned yet");
    assert_eq!(get(witness.http(), "/vkey").text(), format!("{}\n", data.vkey()));

    let first = log.request(0, 12);
    assert!(is_cosigned(&first.note, &ask(&first), &log, &data));
    let changed = |change: &dyn Fn(&mut AddCheckpoint)| {
        let mut request = log.request(12, 20);
        change(&mut request);
        ask(&request)
    };
    for (answer, status) in [
        (witness.post(b""), 400),
        (witness.post(b"old 12\n\nno note"), 400),
        (witness.post(&[0xff; 100]), 400),
        (ask(&other.request(0, 5)), 404),
        (changed(&|request| request.note = log.sign(&Checkpoint { size: 21, ..log.checkpoint(20) }) + "x"), 400),
        (changed(&|request| request.note = request.note.replacen("\n20\n", "\n21\n", 1)), 403),
        (changed(&|request| request.old = 21), 400),
        (changed(&|request| request.proof.clear()), 422),
        (changed(&|request| request.proof[0][0] ^= 1), 422),
        (
            ask(&AddCheckpoint {
                old: 12,
                proof: vec![],
                note: log.sign(&Checkpoint { root: [1; 32], ..log.checkpoint(12) }),
            }),
            422,
        ),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.text().is_empty(), "it says why");
    }
    for old in [0, 11] {
        let conflict = ask(&log.request(old, 20));
        assert_eq!((conflict.status, conflict.header("content-type")), (409, Some("text/x.tlog.size")));
        assert_eq!(conflict.text(), "12\n");
    }
    assert_eq!(witness.post(&vec![b'x'; 300_000]).status, 413);
    assert_eq!(witness.post(&vec![b'x'; 200_000]).status, 400);
    let mut connection = Connection::open(witness.http()).expect("the witness listens");
    assert_eq!(connection.request("PUT", "/add-checkpoint", &[], b"").expect("an answer").status, 405);
    for path in ["/", "/x/checkpoint", &monitoring_path("log.example").to_uppercase()] {
        assert_eq!(get(witness.http(), path).status, 404, "{path}");
    }

    // None of this has moved it; what continues is cosigned, and the same again, which renews its time.
    let next = log.request(12, 20);
    assert!(is_cosigned(&next.note, &ask(&next), &log, &data));
    let again = log.request(20, 20);
    assert!(is_cosigned(&again.note, &ask(&again), &log, &data));
    let served = get(witness.http(), &monitoring_path("log.example"));
    assert_eq!((served.status, served.header("cache-control")), (200, Some("no-cache")));
    assert!(served.text().starts_with(&again.note));
    let metrics = get(witness.admin(), "/metrics").text();
    for line in ["outcome=\"cosigned\"} 3", "outcome=\"conflict\"} 2", "outcome=\"unknown-origin\"} 1"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert_eq!(get(witness.admin(), "/readyz").text(), "ready\n");
    witness.stop();
}

/// Two histories under one key: nothing of the second is cosigned, the requests that show it are kept, and what follows from
/// them convicts the log before anybody who knows its key.
#[test]
fn a_fork_is_refused_and_kept() {
    let log = TestLog::new("log.example", "e");
    let data = WitnessData::new(&[log.key()]);
    let witness = data.serve();
    assert_eq!(witness.post(log.request(0, 40).to_string().as_bytes()).status, 200);
    // What somebody else made of its public checkpoints convicts nobody.
    let longer = AddCheckpoint { proof: vec![[7; 32]; 4], ..log.request(40, 50) };
    assert_eq!(witness.post(longer.to_string().as_bytes()).status, 422);
    let honest = log.checkpoint(40);
    let log = log.forked(30);
    let longer = log.request(40, 60);
    assert_eq!(witness.post(longer.to_string().as_bytes()).status, 422);
    let equal = AddCheckpoint { old: 40, proof: vec![], note: log.sign(&log.checkpoint(40)) };
    assert_eq!(witness.post(equal.to_string().as_bytes()).status, 422);
    // Also by somebody who does not know what was cosigned last, and who adds lines of his own.
    let unknowing = AddCheckpoint { old: 7, ..log.request(7, 40) };
    assert_eq!(witness.post((unknowing.to_string() + "— x AAAAAAAA\n").as_bytes()).status, 409);
    let kept = data.requests();
    // Each checkpoint once.
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept.contains(&equal.to_string()) && kept.contains(&longer.to_string()));
    assert!(witness.stderr().contains("THE LOG SIGNED TWO HISTORIES"), "{}", witness.stderr());
    let metrics = get(witness.admin(), "/metrics").text();
    assert!(metrics.contains("semper_witness_contradictions_total{origin=\"log.example\"} 3"), "{metrics}");
    assert_eq!(get(witness.http(), &monitoring_path("log.example")).text().split('\n').nth(1), Some("40"));

    let proofs = data.proofs();
    assert_eq!(proofs.len(), 2, "{proofs:?}");
    let stranger = TestLog::new("log.example", "e");
    for proof in &proofs {
        let judgement = judged(proof, std::slice::from_ref(log.key()));
        assert_eq!(judgement.verdict, Verdict::Proven, "{judgement:?}");
        assert!(judgement.reason.contains(&hex::encode(&honest.root[..8])), "{judgement:?}");
        assert_eq!(judged(proof, std::slice::from_ref(stranger.key())).verdict, Verdict::Unfounded);
    }
    let kinds: Vec<_> = proofs.iter().map(|proof| proof.items.len()).collect();
    assert!(kinds.contains(&2) && kinds.contains(&3), "two roots, and a tree that begins otherwise: {kinds:?}");
}

/// Of many requests at once from one size, one wins; nobody rolls the record back.
#[test]
fn a_race_has_one_winner() {
    let log = TestLog::new("log.example", "e");
    let data = WitnessData::new(&[log.key()]);
    let witness = data.serve();
    let mut size = 0;
    for _ in 0..5 {
        let requests: Vec<_> = (size + 1..size + 13).map(|next| (next, log.request(size, next).to_string())).collect();
        let won: Vec<u64> = thread::scope(|scope| {
            let ask =
                |(next, request): &(u64, String)| (witness.post(request.as_bytes()).status == 200).then_some(*next);
            let threads: Vec<_> = requests.iter().map(|request| scope.spawn(move || ask(request))).collect();
            threads.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect()
        });
        let [winner] = won[..] else { panic!("{won:?}") };
        size = winner;
    }
    assert_eq!(
        get(witness.http(), &monitoring_path("log.example")).text().split('\n').nth(1),
        Some(&*size.to_string())
    );
}

/// Asks for one size after another until it is told to stop or the witness is gone; gives every size that was cosigned.
fn climb(witness: &Witness, log: &TestLog, from: u64, stop: &AtomicBool, cosigned: impl Fn(u64)) {
    let Ok(mut connection) = Connection::open(witness.http()) else { return };
    for size in from + 1..=256 {
        let request = log.request(size - 1, size).to_string();
        match connection.request("POST", "/add-checkpoint", &[], request.as_bytes()) {
            Ok(answer) if answer.status == 200 => cosigned(size),
            _ => return,
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Whatever was answered is remembered, whenever the witness is killed.
#[test]
fn a_killed_witness_remembers_every_answer() {
    let log = TestLog::new("log.example", "e");
    let data = WitnessData::new(&[log.key()]);
    let mut newest = 0;
    for kill in 1..=20 {
        let witness = data.serve();
        let served = get(witness.http(), &monitoring_path("log.example"));
        let size = if newest == 0 && served.status == 404 {
            0
        } else {
            served.text().split('\n').nth(1).expect("a size").parse::<u64>().expect("a size")
        };
        // One more than was answered: the record was written and the answer lost.
        assert!(size == newest || size == newest + 1, "cosigned {newest}, remembered {size}");
        let (send, received) = channel();
        let stop = AtomicBool::new(false);
        let answered = thread::scope(|scope| {
            let (witness, log, stop) = (&witness, &log, &stop);
            let asking = scope.spawn(move || climb(witness, log, size, stop, |size| send.send(size).expect("heard")));
            let mut last = size;
            for size in received.iter().take(kill % 7 + 1) {
                last = size;
            }
            stop.store(true, Ordering::Relaxed);
            asking.join().expect("no panic");
            received.iter().last().unwrap_or(last)
        });
        witness.kill9();
        newest = answered;
    }
    assert!(newest > 20);
}

#[test]
fn a_damaged_memory_is_not_used() {
    let log = TestLog::new("log.example", "e");
    let data = WitnessData::new(&[log.key()]);
    let witness = data.serve();
    assert_eq!(witness.post(log.request(0, 5).to_string().as_bytes()).status, 200);
    let twice = data.try_serve().err().expect("two witnesses on one memory");
    assert!(twice.expect(75).stderr.contains("in use by another process"), "{twice:#?}");
    witness.stop();
    let record = data.path().join("cosigned").join(hex::encode(sha256(b"log.example"))).join("record");
    let memory = fs::read(&record).expect("the record");
    let at = memory.windows(12).position(|octets| octets == b"log.example\n").expect("the note");
    let mut damaged = memory.clone();
    damaged[at] ^= 1;
    fs::write(&record, damaged).expect("the record");
    let end = data.try_serve().err().expect("a witness without memory");
    assert!(end.expect(70).stderr.contains("give up the key"), "{end:#?}");
    fs::write(&record, memory).expect("the record");
    // A name and a key that do not belong together.
    let vkey = fs::read_to_string(data.path().join("vkey")).expect("the key");
    fs::write(data.path().join("vkey"), WitnessData::new(&[]).vkey().to_string()).expect("the key");
    let end = data.try_serve().err().expect("a witness under another's name");
    assert!(end.expect(70).stderr.contains("not the key that vkey names"), "{end:#?}");
    fs::write(data.path().join("vkey"), vkey).expect("the key");
    fs::write(data.path().join("logs"), "logs/v1\n").expect("the list");
    let end = data.try_serve().err().expect("a list of another version");
    assert!(end.expect(64).stderr.contains("logs: line 1: "), "{end:#?}");
}

#[test]
fn lines_of_strangers_are_not_served() {
    let log = TestLog::new("log.example", "e");
    let data = WitnessData::new(&[log.key()]);
    let witness = data.serve();
    let line = SignatureLine { name: "grease.example".into(), id: [1; 4], signature: vec![7; 64] };
    let mut request = log.request(0, 5);
    let bare = request.note.clone();
    request.note += &line.to_string();
    let answer = witness.post(request.to_string().as_bytes());
    assert_eq!(answer.status, 200);
    assert_eq!(get(witness.http(), &monitoring_path("log.example")).text(), bare + &answer.text());
}
