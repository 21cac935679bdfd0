//! A service and its witnesses: quorum with one killed, slow, lying or set back; what it does when one knows better.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use semper_ledger::cosignature::Cosigner;
use semper_ledger::note::{Note, VerifierKey};
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_tests::http::{Connection, Response, get};
use semper_tests::liar::{liar, response, silent};
use semper_tests::server::{DEADLINE, Data, Server, copy_folder, run};
use semper_tests::stamp::{self, granted_by};
use semper_tests::witness::{WitnessData, World, kept, monitoring_path, witness_of};
use semper_ttp::asn1::TEST_POLICY;
use semper_ttp::crypto::{LogSigner, LogVerifier, SignatureAlgorithm, SoftKey};

/// Asks for a token's receipt under a witnessed checkpoint.
fn witnessed_receipt(server: &Server, token: &[u8]) -> Response {
    let digest = semper_ttp::digest::Digest::of(token);
    get(server.http(), &format!("/ledger/proof/inclusion?digest={digest}&wait=witnessed"))
}

fn token(server: &Server, document: &[u8]) -> Vec<u8> {
    stamp::token(server.http(), document)
}

/// How many witnesses of the policy cosigned the checkpoint of a receipt; the quorum must be met, and the path hold.
fn quorum(world: &World, receipt: &Response) -> usize {
    assert_eq!(receipt.status, 200, "{receipt:?}");
    let proof = TlogProof::parse(&receipt.text()).expect("a tlog-proof");
    let judged = world.policy().judge(&proof.checkpoint, &LogVerifier).expect("a checkpoint");
    assert!(judged.quorum, "{judged:?}");
    proof.verify(&[world.data.log_key()], &LogVerifier).expect("the path");
    judged.cosigned.len()
}

/// Size of the checkpoint that everybody is given; `None` before the first quorum.
fn served_size(server: &Server) -> Option<u64> {
    let answer = get(server.http(), "/ledger/checkpoint");
    match answer.status {
        200 => Some(checkpoint_size(&answer.text())),
        503 => None,
        _ => panic!("{answer:?}"),
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

/// A witness that signs, but over more than it was shown: it puts a line of its own between the text and its signature.
fn liar_with_a_key() -> (VerifierKey, SocketAddr) {
    let key = Arc::new(SoftKey::generate(SignatureAlgorithm::Ed25519).expect("a key"));
    let cosigner =
        Cosigner::new("evil.example/w", Arc::new(LogSigner::new(key).expect("an Ed25519 key"))).expect("a name");
    let vkey = cosigner.verifier_key().clone();
    let address = liar(move |request| {
        let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let note = body.split_once("\n\n").map_or("", |(_, note)| note);
        let Ok(note) = Note::parse(note) else { return response("404 No", "", "") };
        let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
        let line = cosigner.cosign(&format!("{}\njunk\n", note.text), now).expect("a signature");
        response("200 OK", "", &format!("junk\n\n{line}"))
    });
    (vkey, address)
}

/// Two of three, while the third is killed, comes back, is slow, or lies: nobody waits for it, and nothing is believed
/// that it does not sign.
#[test]
fn two_of_three_with_one_killed_and_back() {
    let data = Data::demo();
    let witnesses: Vec<_> = (0..3).map(|_| witness_of(&data)).collect();
    let keys: Vec<_> = witnesses.iter().map(|(data, running)| (data.vkey(), running.http())).collect();
    let world = World::new(data, &keys, 2);
    let server = world.data.serve();
    assert!(quorum(&world, &witnessed_receipt(&server, &token(&server, b"all"))) >= 2);
    let mut witnesses = witnesses.into_iter();
    let ((_zero, w0), (one, w1), (two, w2)) =
        (witnesses.next().unwrap(), witnesses.next().unwrap(), witnesses.next().unwrap());
    w2.kill9();
    assert_eq!(quorum(&world, &witnessed_receipt(&server, &token(&server, b"one is dead"))), 2);

    // With two dead there is no quorum: tokens are issued as before, readers stay at the last checkpoint that has one.
    w1.kill9();
    let before = served_size(&server);
    let late = token(&server, b"two are dead");
    let refused = witnessed_receipt(&server, &late);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert_eq!(served_size(&server), before);
    assert_eq!(get(server.admin(), "/readyz").text(), "ready\n", "the service itself lacks nothing");

    // One comes back, with its memory, and catches up; what was kept is served over a restart.
    let w1 = one.serve_at(keys[1].1);
    wait_until("the witness is asked again", || served_size(&server) > before);
    assert_eq!(quorum(&world, &witnessed_receipt(&server, &late)), 2);
    let newest = get(server.http(), "/ledger/checkpoint").text();
    wait_until("it is kept", || {
        fs::read_to_string(world.data.path().join("witnessed")).is_ok_and(|kept| kept == newest)
    });
    server.stop();
    drop((w0, w1));
    // The end of the service was shown, too; with all of them gone, that is what readers get.
    let kept = fs::read_to_string(world.data.path().join("witnessed")).expect("it is kept");
    assert!(checkpoint_size(&kept) > checkpoint_size(&newest));
    let server = world.data.serve();
    assert_eq!(get(server.http(), "/ledger/checkpoint").text(), kept);
    let w2 = two.serve_at(keys[2].1);
    drop(w2);
    server.stop().fsck().expect(0);
}

/// One killed, one slow and one lying at the same time, all three real: too few are left for a quorum, which holds up nobody
/// but who asks for one; the slow one and the one that comes back are a quorum again, and the liar never counts.
#[test]
fn one_killed_one_slow_and_one_lying_at_once() {
    let data = Data::demo();
    let [(zero, w0), (one, w1), (two, w2)] = [(); 3].map(|()| witness_of(&data));
    let keys = [(zero.vkey(), w0.http()), (one.vkey(), w1.http()), (two.vkey(), w2.http())];
    let world = World::new(data, &keys, 2);
    world.data.set("witnesses.wait_max_ms", "2000");
    let server = world.data.serve();
    assert!(quorum(&world, &witnessed_receipt(&server, &token(&server, b"all are well"))) >= 2);

    w0.kill9();
    w1.pause();
    // Somebody else where the third was, with a key of his own: what he signs is good, and not what was asked for.
    let address = w2.http();
    w2.kill9();
    let impostor = WitnessData::new(&[&world.data.log_key()]);
    let lying = impostor.serve_at(address);
    let before = served_size(&server);
    let late = token(&server, b"nobody is left");
    let refused = witnessed_receipt(&server, &late);
    assert_eq!((refused.status, served_size(&server)), (503, before), "{refused:?}");
    assert_eq!(get(server.admin(), "/readyz").text(), "ready\n");
    wait_until("the liar is asked", || !get(lying.admin(), "/metrics").text().contains("outcome=\"cosigned\"} 0"));

    w1.resume();
    let w0 = zero.serve_at(keys[0].1);
    wait_until("both are asked again", || served_size(&server) > before);
    assert_eq!(quorum(&world, &witnessed_receipt(&server, &late)), 2);
    assert_eq!(quorum(&world, &witnessed_receipt(&server, &token(&server, b"two are back"))), 2);
    let metrics = get(server.admin(), "/metrics").text();
    let lies = metrics.lines().any(|line| line.contains("outcome=\"fault\"") && line.contains("witness=\"W2\""));
    assert!(lies, "{metrics}");
    drop((w0, w1, lying));
    server.stop().fsck().expect(0);
}

/// Two submit for one origin at once: the service itself, and somebody who shows the witness whatever checkpoint of ours he
/// has got. Neither rolls it back, and nobody waits in vain for a cosignature.
#[test]
fn others_may_show_our_checkpoints_too() {
    let data = Data::demo();
    let (witness, running) = witness_of(&data);
    let world = World::new(data, &[(witness.vkey(), running.http())], 1);
    let server = world.data.serve();
    let (over, won) = (AtomicBool::new(false), AtomicUsize::new(0));
    let path = monitoring_path(world.data.log_key().name());
    let shown = || match get(running.http(), &path) {
        answer if answer.status == 200 => checkpoint_size(&answer.text()),
        _ => 0,
    };
    let outsider = || {
        let mut newest = 0;
        while !over.load(Ordering::Relaxed) {
            // A committed receipt bears a checkpoint that no witness may have seen yet.
            let digest = semper_ttp::digest::Digest::of(&token(&server, b"an outsider's"));
            let receipt = get(server.http(), &format!("/ledger/proof/inclusion?digest={digest}")).text();
            let note = TlogProof::parse(&receipt).expect("a tlog-proof").checkpoint;
            let (old, size) = (shown(), checkpoint_size(&note));
            assert!(old >= newest, "the witness went from {newest} back to {old}");
            newest = old;
            if old < size {
                let proof = get(server.http(), &format!("/ledger/proof/consistency?from={old}&to={size}")).text();
                let status = running.post(format!("old {old}\n{proof}\n{note}").as_bytes()).status;
                assert!(status == 200 || status == 409, "{status}");
                won.fetch_add(usize::from(status == 200), Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        let outsider = scope.spawn(outsider);
        let mut rounds = 0;
        wait_until("either is first now and then", || {
            let receipt = witnessed_receipt(&server, &token(&server, format!("{rounds}").as_bytes()));
            assert_eq!(quorum(&world, &receipt), 1);
            rounds += 1;
            outsider.is_finished() || rounds >= 40 && won.load(Ordering::Relaxed) >= 3
        });
        over.store(true, Ordering::Relaxed);
        outsider.join().expect("no panic");
    });
    let metrics = get(server.admin(), "/metrics").text();
    assert!(
        !metrics.lines().any(|line| line.starts_with("semper_ledger_halted{") && line.ends_with(" 1")),
        "{metrics}"
    );
    assert!(!running.stderr().contains("evidence"), "{}", running.stderr());
}

fn checkpoint_size(note: &str) -> u64 {
    note.split('\n').nth(1).and_then(|size| size.parse().ok()).expect("a size")
}

#[test]
fn slow_and_lying_witnesses_hold_up_nobody() {
    let stranger = WitnessData::new(&[]).vkey();
    let size = "Content-Type: text/x.tlog.size\r\n";
    let evil = liar_with_a_key();
    let refuses = |request: &str| match request.starts_with("POST") {
        true => response("422 No", "", "no\n"),
        false => response("404 No", "", ""),
    };
    let liars: [(&str, SocketAddr, VerifierKey); 5] = [
        ("signs another text", evil.1, evil.0),
        ("silent", silent(), stranger.clone()),
        ("garbage", liar(|_| response("200 OK", "", "no line at all\n")), stranger.clone()),
        ("claims more than there is", liar(move |_| response("409 Conflict", size, "999999\n")), stranger.clone()),
        ("refuses every proof", liar(refuses), stranger),
    ];
    for (what, address, key) in liars {
        let data = Data::demo();
        let ((a, wa), (b, wb)) = (witness_of(&data), witness_of(&data));
        let world = World::new(data, &[(a.vkey(), wa.http()), (key, address), (b.vkey(), wb.http())], 2);
        let server = world.data.serve();
        for n in 0..3 {
            let receipt = witnessed_receipt(&server, &token(&server, format!("{what} {n}").as_bytes()));
            assert_eq!(quorum(&world, &receipt), 2, "{what}");
            let served = get(server.http(), "/ledger/checkpoint").text();
            assert!(world.policy().judge(&served, &LogVerifier).expect("a checkpoint").quorum, "{what}");
        }
        assert_eq!(get(server.admin(), "/readyz").text(), "ready\n", "{what}");
        let metrics = get(server.admin(), "/metrics").text();
        let faults = metrics.lines().any(|line| line.contains("outcome=\"fault\"") && line.contains("witness=\"W1\""));
        assert!(faults || what == "silent", "{what}: {metrics}");
        assert!(metrics.contains("semper_ledger_halted{origin="), "{metrics}");
        assert!(
            !metrics.lines().any(|line| line.starts_with("semper_ledger_halted{") && line.ends_with(" 1")),
            "{what}"
        );
    }
}

/// Whoever restores a ledger without its anchor asks the witnesses what was newest: they have seen its very end, and its export
/// says so.
#[test]
fn the_end_of_a_service_is_shown_to_its_witnesses() {
    let data = Data::own();
    let (_witness, running) = witness_of(&data);
    let world = World::new(data, &[(_witness.vkey(), running.http())], 1);
    // Asked once an hour: at the end it is because of the end.
    world.data.set("witnesses.interval_ms", "3600000");
    let server = world.data.serve();
    token(&server, b"the last");
    server.stop();
    let out = world.data.path().with_file_name("public");
    world.data.export(&out).expect(0);
    let note = fs::read_to_string(out.join("checkpoint")).expect("a checkpoint");
    let judged = world.policy().judge(&note, &LogVerifier).expect("a checkpoint");
    assert!(judged.quorum, "{note}");
    let shown = get(running.http(), &monitoring_path(world.data.log_key().name())).text();
    assert_eq!(checkpoint_size(&shown), judged.checkpoint.size);
}

/// A witness whose memory was put back from a copy is shown the way from there; it cannot make us fork.
/// Where no quorum is wanted, none is missed.
#[test]
fn the_end_of_a_service_waits_for_nobody_whom_it_does_not_need() {
    let data = Data::demo();
    let (witness, running) = witness_of(&data);
    let policy = data.path().join("witnesses.policy");
    let words = format!("log {}\nwitness W {} http://{}\n", data.log_key(), witness.vkey(), running.http());
    running.kill9();
    for asked in [words, format!("log {}\n", data.log_key())] {
        fs::write(&policy, asked + "quorum none\n").expect("the policy");
        data.set("witnesses.policy_path", &format!("{policy:?}"));
        let server = data.serve();
        server.terminate();
        let (end, _) = server.wait();
        assert!(!end.expect(0).stderr.contains("no quorum of witnesses"), "{end:#?}");
    }
}

#[test]
fn a_witness_that_was_set_back_catches_up() {
    let data = Data::demo();
    let (witness, running) = witness_of(&data);
    let world = World::new(data, &[(witness.vkey(), running.http())], 1);
    let server = world.data.serve();
    quorum(&world, &witnessed_receipt(&server, &token(&server, b"first")));
    let address = running.http();
    running.stop();
    let (memory, copy) = (witness.path().join("cosigned"), witness.path().join("copy"));
    copy_folder(&memory, &copy);
    let running = witness.serve_at(address);
    quorum(&world, &witnessed_receipt(&server, &token(&server, b"second")));
    running.stop();
    fs::remove_dir_all(&memory).expect("the memory");
    fs::rename(&copy, &memory).expect("one file system");
    let running = witness.serve_at(address);
    quorum(&world, &witnessed_receipt(&server, &token(&server, b"third")));
    // It is told, and counted: a witness without its memory is none.
    let metrics = get(server.admin(), "/metrics").text();
    let counted =
        metrics.lines().find(|line| line.contains("outcome=\"forgotten\"") && line.contains("witness=\"W0\""));
    assert!(counted.is_some_and(|line| line.ends_with(" 1")), "{counted:?}");
    assert!(server.stderr().contains("THE WITNESS HAS FORGOTTEN"));
    let shown = get(running.http(), &monitoring_path(world.data.log_key().name()));
    assert!(shown.status == 200 && world.policy().judge(&shown.text(), &LogVerifier).expect("a checkpoint").quorum);
}

/// Store and anchor put back together: only somebody outside can know. The start is refused, and a running server that
/// learns it later signs nothing more.
#[test]
fn a_machine_set_back_is_refused_because_of_a_witness() {
    let data = Data::demo();
    let (witness, running) = witness_of(&data);
    let address = running.http();
    let world = World::new(data, &[(witness.vkey(), address)], 1);
    let server = world.data.serve();
    quorum(&world, &witnessed_receipt(&server, &token(&server, b"before the image")));
    server.stop();
    let image = world.data.path().parent().expect("a folder above").join("image");
    copy_folder(world.data.path(), &image);
    let server = world.data.serve();
    for n in 0..3 {
        quorum(&world, &witnessed_receipt(&server, &token(&server, format!("{n}").as_bytes())));
    }
    server.stop();
    fs::remove_dir_all(world.data.path()).expect("the data");
    fs::rename(&image, world.data.path()).expect("one file system");

    let before = fs::read(world.data.path().join("anchor")).expect("the anchor");
    let end = world.data.serve_to_the_end(&[]);
    assert!(end.expect(70).stderr.contains("the witness W0 has a checkpoint of size"), "{end:#?}");
    assert_eq!(fs::read(world.data.path().join("anchor")).expect("the anchor"), before);
    let evidence = kept_evidence(world.data.path());
    let judged = world.policy().judge(&evidence, &LogVerifier).expect("a checkpoint that the log signed");
    assert!(judged.quorum);
    // Without the witness, too: what it showed is not forgotten.
    running.stop();
    let end = world.data.serve_to_the_end(&[]);
    assert!(end.expect(70).stderr.contains("has a checkpoint of size"), "{end:#?}");

    // Had it shown nothing, the start would go on: it must not hang on one that is dead.
    fs::remove_dir_all(world.data.path().join("evidence")).expect("the evidence");
    let server = world.data.serve();
    assert!(server.stderr().contains("a witness did not say what it has cosigned"), "{}", server.stderr());
    assert!(granted_by(server.http()));
    let running = witness.serve_at(address);
    wait_until("it learns of the other history", || get(server.admin(), "/readyz").text().contains("halted for good"));
    assert!(!granted_by(server.http()));
    assert_eq!(get(server.http(), "/ledger/tile/entries/000.p/21").status, 200, "reading goes on");
    assert_eq!(kept_evidence(world.data.path()), evidence);
    let metrics = get(server.admin(), "/metrics").text();
    assert!(metrics.lines().any(|line| line.starts_with("semper_ledger_halted{") && line.ends_with(" 1")), "{metrics}");
    assert!(server.stderr().contains("A WITNESS KNOWS ANOTHER HISTORY"), "{}", server.stderr());
    drop(running);
    server.stop();
    let end = world.data.serve_to_the_end(&[]);
    assert!(end.expect(70).stderr.contains("has a checkpoint of size"), "{end:#?}");
}

fn kept_evidence(data: &Path) -> String {
    let mut files = kept(&data.join("evidence"), ".checkpoint").into_iter();
    let (Some(checkpoint), None) = (files.next(), files.next()) else { panic!("not one checkpoint") };
    String::from_utf8(checkpoint).expect("a checkpoint")
}

/// What a clerk keeps: a proof under a witnessed checkpoint verifies as any other.
#[test]
fn a_witnessed_proof_verifies() {
    let data = Data::demo();
    let (witness, running) = witness_of(&data);
    let world = World::new(data, &[(witness.vkey(), running.http())], 1);
    let server = world.data.serve();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    fs::write(path("contract.txt"), "a contract").expect("the document");
    run(&["stamp", &path("contract.txt"), "--url", server.url()]).expect(0);
    let token = fs::read(path("contract.txt.tst")).expect("the token");
    let receipt = witnessed_receipt(&server, &token);
    quorum(&world, &receipt);
    fs::write(path("witnessed"), &receipt.body).expect("the proof");
    let trust = server.trust().to_str().expect("a path in UTF-8").to_owned();
    let (document, proof) = (path("contract.txt"), path("witnessed"));
    let verified = run(&["verify", &document, "--proof", &proof, "--trust", &trust, "--policy", TEST_POLICY]);
    assert!(verified.expect(0).stdout.contains("and recorded as entry "), "{verified:#?}");
    // Whoever asks for the witness is content with this proof, and not with the one that has its checkpoint alone.
    let asking = folder.path().join("trust");
    copy_folder(server.trust(), &asking);
    fs::write(asking.join("witnesses.policy"), &world.policy).expect("the policy");
    let asking = asking.to_str().expect("a path in UTF-8").to_owned();
    let verify =
        |proof: &str| run(&["verify", &document, "--proof", proof, "--trust", &asking, "--policy", TEST_POLICY]);
    assert!(verify(&proof).expect(0).stdout.contains("  ok           the ledger's state was seen by the witnesses"));
    let bare = verify(&path("contract.txt.tlog-proof"));
    assert!(bare.expect(2).stdout.contains("too few of the witnesses that you ask for"), "{bare:#?}");
    for (path, status) in [("index=0&wait=soon", 400), ("index=999999&wait=witnessed", 404)] {
        assert_eq!(get(server.http(), &format!("/ledger/proof/inclusion?{path}")).status, status, "{path}");
    }
    let mut connection = Connection::open(server.http()).expect("the server listens");
    let cose = connection
        .request("GET", "/ledger/proof/inclusion?index=0&wait=witnessed", &[("Accept", "application/cose")], &[])
        .expect("an answer");
    assert_eq!(cose.status, 400);
}

#[test]
fn a_policy_that_cannot_be_is_refused() {
    let data = Data::demo();
    let file = data.path().join("witnesses.policy");
    data.set("witnesses.policy_path", &format!("{file:?}"));
    let witness = WitnessData::new(&[]).vkey();
    let foreign = Data::own().log_key();
    for (policy, sentence) in [
        ("quorum W\n".to_owned(), "line 1: no line above defines W"),
        (format!("witness W {witness}\nquorum W\n"), "are no quorum"),
        (format!("witness W {witness} ftp://x\nquorum W\n"), "witness W: "),
        (format!("log {foreign}\nquorum none\n"), "names no log with this ledger's key"),
    ] {
        fs::write(&file, policy).expect("the policy");
        let end = data.serve_to_the_end(&["--check"]);
        assert!(end.expect(64).stderr.contains(sentence), "{sentence}: {end:#?}");
    }
    fs::write(&file, "quorum none\n").expect("the policy");
    data.set("witnesses.monitoring_urls", "{ W = \"http://127.0.0.1:9\" }");
    let end = data.serve_to_the_end(&["--check"]);
    assert!(end.expect(64).stderr.contains("there is no witness W, which witnesses.monitoring_urls names"), "{end:#?}");
}
