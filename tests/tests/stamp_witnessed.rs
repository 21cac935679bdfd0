//! What a clerk does about witnesses: proofs that bear their cosignatures, judged by his own trust anchors.

use std::fs;
use std::path::PathBuf;

use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_tests::process::Finished;
use semper_tests::server::{Data, Server, copy_folder, run};
use semper_tests::witness::{Witness, WitnessData, World, witness_of};
use semper_ttp::asn1::TEST_POLICY;
use semper_ttp::crypto::LogVerifier;
use tempfile::TempDir;

/// A service with one witness, both running.
fn witnessed_service() -> (World, Server, WitnessData, Witness) {
    let data = Data::demo();
    let (witness, running) = witness_of(&data);
    let world = World::new(data, &[(witness.vkey(), running.http())], 1);
    world.data.set("witnesses.wait_max_ms", "1000");
    let server = world.data.serve();
    (world, server, witness, running)
}

/// The commands wait for the quorum, within bounds, and say when there is none.
#[test]
fn stamp_and_prove_fetch_witnessed_proofs() {
    let (world, server, witness, running) = witnessed_service();
    let address = running.http();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let cosigned = |name: &str| {
        let proof = TlogProof::parse(&fs::read_to_string(path(name)).expect("the proof")).expect("a tlog-proof");
        world.policy().judge(&proof.checkpoint, &LogVerifier).expect("a checkpoint").quorum
    };
    let stamp = |name: &str, more: &[&str]| run(&[&["stamp", &path(name), "--url", server.url()][..], more].concat());
    ["a", "b", "c", "d"].iter().for_each(|name| fs::write(path(name), name).expect("a document"));
    stamp("a", &["--witnessed"]).expect(0);
    assert!(cosigned("a.tlog-proof"));
    assert!(stamp("a", &["--witnessed"]).expect(0).stdout.contains("1 already stamped"));
    stamp("b", &[]).expect(0);
    let bare = stamp("b", &["--witnessed"]);
    assert!(bare.expect(64).stdout.contains("bears no witness's cosignature"), "{bare:#?}");
    let prove = |more: &[&str]| run(&[&["prove", "--url", server.url(), "--token", &path("b.tst")][..], more].concat());
    prove(&["--witnessed", "-o", &path("b.witnessed")]).expect(0);
    assert!(cosigned("b.witnessed"));

    // No quorum: the token is there, and its proof comes when the witness is back.
    running.kill9();
    let late = stamp("c", &["--witnessed", "--wait-secs", "2"]);
    let said = &late.expect(75).stdout;
    assert!(
        said.contains("its timestamp is kept, but no quorum of the ledger's witnesses has cosigned it yet"),
        "{late:#?}"
    );
    assert!(folder.path().join("c.tst").is_file() && !folder.path().join("c.tlog-proof").exists());
    stamp("d", &[]).expect(0);
    let index = TlogProof::parse(&fs::read_to_string(path("d.tlog-proof")).expect("the proof")).expect("a proof").index;
    let prove = |more: &[&str]| {
        run(&[&["prove", "--url", server.url(), "--index", &index.to_string(), "--witnessed"][..], more].concat())
    };
    let end = prove(&["--wait-secs", "2"]);
    assert!(end.expect(75).stderr.contains("witnesses cosigned it within 2 s; the entry is in the ledger"), "{end:#?}");
    prove(&["--form", "cose", "-o", &path("x")]).expect(64);
    let back = witness.serve_at(address);
    assert!(stamp("c", &["--witnessed"]).expect(0).stdout.contains("got the missing proof"));
    assert!(cosigned("c.tlog-proof"));
    drop(back);

    // A ledger without witnesses has none to wait for.
    let alone = Server::demo();
    let end = run(&["stamp", &path("d"), "-o", &path("out"), "--url", alone.url(), "--witnessed"]);
    let said = &end.expect(64).stdout;
    assert!(said.contains("this service has no witnesses") && said.contains("without --witnessed"), "{end:#?}");
}

/// A clerk's folder.
struct Desk(TempDir);

impl Desk {
    fn new(documents: &[&str]) -> Self {
        let desk = Self(tempfile::tempdir().expect("a temporary folder"));
        documents.iter().for_each(|name| fs::write(desk.path(name), name).expect("a document"));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Stamps under the test policy.
    fn stamp(&self, name: &str, server: &Server, trust: &str, more: &[&str]) -> Finished {
        let (file, trust) = (self.path(name), self.path(trust));
        let paths = [&file, &trust].map(|path| path.to_str().expect("a path in UTF-8"));
        let all = ["stamp", paths[0], "--trust", paths[1], "--url", server.url(), "--policy", TEST_POLICY];
        run(&[&all[..], more].concat())
    }

    /// The trust folder of a service, here; its clerk may change it.
    fn trust(&self, name: &str, server: &Server) -> PathBuf {
        copy_folder(server.trust(), &self.path(name));
        self.path(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect(name)
    }
}

/// What comes from a service that is not the trusted one is not kept, and what is there from it is told.
#[test]
fn stamps_are_judged_before_they_are_kept() {
    let (server, theirs) = (Server::demo(), Data::own());
    let other = theirs.serve();
    let desk = Desk::new(&["a", "b", "c"]);
    desk.trust("trust", &server);
    desk.trust("others", &other);
    assert!(desk.stamp("a", &server, "trust", &[]).expect(0).stdout.contains("1 stamped"));
    assert!(desk.stamp("a", &server, "trust", &[]).expect(0).stdout.contains("1 already stamped"));
    let left = desk.stamp("a", &server, "others", &[]);
    assert!(left.expect(1).stdout.contains("a.tst was left as it is"), "{left:#?}");
    let refused = desk.stamp("b", &other, "trust", &[]);
    assert!(refused.expect(1).stdout.contains("the timestamp that came was not kept"), "{refused:#?}");
    assert!(!desk.path("b.tst").exists() && !desk.path("b.tlog-proof").exists());
    // The right authority, another ledger.
    let mixed = desk.trust("mixed", &server);
    fs::copy(other.trust().join("ledger.vkey"), mixed.join("ledger.vkey")).expect("the other's key");
    let refused = desk.stamp("b", &server, "mixed", &[]);
    assert!(refused.expect(1).stdout.contains("the proof that came was not kept"), "{refused:#?}");
    assert!(desk.path("b.tst").exists() && !desk.path("b.tlog-proof").exists());
    let fetched = desk.stamp("b", &server, "trust", &[]);
    assert!(fetched.expect(0).stdout.contains("got the missing proof"), "{fetched:#?}");

    // Of tokens under the test policy nothing is said unless it is named; the evidence is kept.
    let (file, trust) = (desk.path("c"), desk.path("trust"));
    let paths = [&file, &trust].map(|path| path.to_str().expect("a path in UTF-8"));
    let unnamed = run(&["stamp", paths[0], "--trust", paths[1], "--url", server.url()]);
    assert!(unnamed.expect(2).stdout.contains("it cannot be told: it is of a test service"), "{unnamed:#?}");
    assert!(desk.path("c.tlog-proof").exists());
    run(&["stamp", paths[0], "--trust", "/nowhere", "--url", server.url()]).expect(2);
}

/// A policy among the trust anchors asks for witnesses by itself; a proof without them is replaced once there is a good one,
/// and never by a worse.
#[test]
fn a_proof_gets_the_cosignatures_that_the_policy_wants() {
    let (world, server, _witness, running) = witnessed_service();
    let desk = Desk::new(&["a", "b"]);
    desk.trust("plain", &server);
    let trust = desk.trust("trust", &server);
    fs::write(trust.join("witnesses.policy"), &world.policy).expect("the policy");
    // Somebody who trusts another witness, whom this ledger does not ask.
    let strict = desk.trust("strict", &server);
    let stranger = WitnessData::new(&[&world.data.log_key()]);
    let words = format!("log {}\nwitness S {}\nquorum S\n", world.data.log_key(), stranger.vkey());
    fs::write(strict.join("witnesses.policy"), words).expect("the policy");

    desk.stamp("a", &server, "plain", &[]).expect(0);
    let before = desk.read("a.tlog-proof");
    let none = desk.stamp("a", &server, "strict", &["--witnessed", "--wait-secs", "2"]);
    assert!(none.expect(75).stdout.contains("too few of the witnesses that you ask for"), "{none:#?}");
    assert_eq!(desk.read("a.tlog-proof"), before, "replaced by one that is not enough");
    let renewed = desk.stamp("a", &server, "trust", &[]);
    let said = &renewed.expect(0).stdout;
    assert!(said.contains("1 had a proof without the cosignatures that you ask for"), "{renewed:#?}");
    assert!(!said.contains("was not judged"), "{said}");
    let proof = TlogProof::parse(str::from_utf8(&desk.read("a.tlog-proof")).expect("text")).expect("a tlog-proof");
    assert!(world.policy().judge(&proof.checkpoint, &LogVerifier).expect("a checkpoint").quorum);
    assert!(desk.stamp("a", &server, "trust", &[]).expect(0).stdout.contains("1 already stamped"));
    assert!(desk.stamp("b", &server, "trust", &[]).expect(0).stdout.contains("1 stamped"));
    drop(running);
}
