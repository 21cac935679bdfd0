//! A folder that ends before its ledger did, as `semper restore --read-only` leaves it, before every command that looks at it; and a
//! folder with evidence against its ledger in it.

use std::fs;
use std::path::Path;

use semper_ledger::checkpoint::Checkpoint;
use semper_tests::http::get;
use semper_tests::server::{Data, Finished, command, copy_folder, run, run_command};
use semper_tests::stamp::stamp_many;
use semper_tests::vault::Vault;
use semper_tests::witness::TestLog;
use semper_ttp::account::Proof;
use serde_json::{Value, json};
use tempfile::TempDir;

fn json_of(end: &Finished, exit: i32) -> Value {
    serde_json::from_str(&end.expect(exit).stdout).unwrap_or_else(|error| panic!("{error}: {end:#?}"))
}

fn fsck(data: &Data) -> Finished {
    run(&["fsck", "--json", "--full", "--data", text(data.path())])
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// An older copy of a service with the newer one's anchor, marked.
fn marked() -> (TempDir, Data, Value, u64) {
    let data = Data::demo();
    let server = data.serve();
    stamp_many(server.http(), 20);
    let data = server.stop();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("old");
    copy_folder(data.path(), &path);
    let old = Data::at(&path);
    let held = json_of(&fsck(&old), 0);
    let server = data.serve();
    stamp_many(server.http(), 20);
    let data = server.stop();
    let known = json_of(&fsck(&data), 0);
    fs::copy(data.path().join("anchor"), path.join("anchor")).expect("the anchor");
    let known_size = known["size"].as_u64().expect("a number");
    let mark = json!({
        "size": held["size"], "root": held["root"], "last_ms": 1_772_366_400_250_u64,
        "known_size": known_size, "known_root": known["root"], "known_ms": null, "known_by": "the anchor",
    });
    fs::write(path.join("READ-ONLY"), mark.to_string()).expect("the mark");
    (folder, old, held, known_size)
}

#[test]
fn a_read_only_folder_is_sound_for_what_it_holds() {
    let (folder, old, held, known_size) = marked();
    let checked = json_of(&fsck(&old), 0);
    assert_eq!((&checked["verdict"], &checked["read_only"]["known_size"]), (&"sound".into(), &known_size.into()));
    assert_eq!(checked["root"], held["root"]);
    let said = old.fsck();
    let said = &said.expect(0).stdout;
    assert!(said.starts_with("READ-ONLY: this ledger ends at entry "), "{said}");
    assert!(said.ends_with("sound, for what it holds\n"), "{said}");
    let audited = json_of(&run(&["audit", "--json", "--data", text(old.path())]), 0);
    assert_eq!((&audited["size"], &audited["read_only"]["known_size"]), (&held["size"], &known_size.into()));
    assert!(old.audit().expect(0).stdout.starts_with("READ-ONLY: "));
    let out = folder.path().join("out");
    let exported = json_of(&old.export(&out), 0);
    assert_eq!((&exported["root"], &exported["read_only"]["known_by"]), (&held["root"], &"the anchor".into()));

    // A server on it is in order and not ready, and says to whoever wants a timestamp that it is of no use to try again.
    let end = old.serve_to_the_end(&["--check"]);
    assert!(end.expect(1).stdout.contains("halted for good"), "{end:#?}");
    let server = old.serve();
    let document = folder.path().join("contract.txt");
    fs::write(&document, "a contract").expect("the document");
    let end = run(&["stamp", text(&document), "--url", server.url()]);
    assert!(end.expect(69).stdout.contains("issues no time-stamps any more"), "{end:#?}");
    assert_eq!(get(server.http(), "/ledger/checkpoint").status, 200);
    // It is looked at when it has stopped.
    json_of(&fsck(server.data()), 75);
    server.stop();

    // Without its anchor, too; a mark of another store is wrong, and so is one that says less than is known.
    fs::rename(old.path().join("anchor"), folder.path().join("anchor")).expect("the anchor");
    assert_eq!(json_of(&fsck(&old), 0)["read_only"]["known_size"], known_size);
    old.export(&folder.path().join("other")).expect(0);
    old.audit().expect(0);
    fs::rename(folder.path().join("anchor"), old.path().join("anchor")).expect("the anchor");
    let path = old.path().join("READ-ONLY");
    let mark: Value = serde_json::from_slice(&fs::read(&path).expect("the mark")).expect("JSON");
    let write = |key: &str, value: Value| {
        let mut mark = mark.clone();
        mark[key] = value;
        fs::write(&path, mark.to_string()).expect("the mark");
    };
    write("root", "00".repeat(32).into());
    json_of(&fsck(&old), 1);
    old.audit().expect(2);
    old.export(&folder.path().join("third")).expect(70);
    write("known_size", (known_size - 1).into());
    let wrong = json_of(&fsck(&old), 1);
    assert_eq!(wrong["files"][0]["file"], "READ-ONLY", "{wrong}");
    // Without the mark it is what it was: older than its anchor.
    fs::remove_file(&path).expect("the mark");
    json_of(&fsck(&old), 1);
}

#[test]
fn a_sound_store_beside_a_proof_against_its_ledger() {
    let data = Data::demo();
    let server = data.serve();
    stamp_many(server.http(), 20);
    let data = server.stop();
    let exported = tempfile::tempdir().expect("a temporary folder");
    data.export(&exported.path().join("out")).expect(0);
    let note = fs::read_to_string(exported.path().join("out/checkpoint")).expect("the checkpoint");
    let owner = TestLog::of_owner(data.path(), &[]);
    let size = note.lines().nth(1).and_then(|size| size.parse().ok()).expect("a size");
    let forked = owner.sign(&Checkpoint { origin: owner.origin().to_owned(), size, root: [7; 32] });
    let evidence = data.path().join("evidence");
    fs::create_dir_all(&evidence).expect("the folder");
    let proof = Proof::two_roots(owner.origin(), &note, &forked).to_json();
    fs::write(evidence.join("a.pom.json"), &proof).expect("the proof");
    let told = json_of(&fsck(&data), 1);
    assert_eq!(
        (&told["verdict"], &told["files"][0]["file"]),
        (&"wrong".into(), &"evidence/a.pom.json".into()),
        "{told}"
    );
    let said = data.fsck();
    let said = &said.expect(1).stdout;
    assert!(
        said.contains("PROVEN: the log") && said.contains("The store is sound, and what lies in evidence/"),
        "{said}"
    );
    // No other command passes over it, and none publishes this history.
    let refused = data.export(&exported.path().join("again"));
    assert!(refused.expect(1).stdout.contains("evidence/a.pom.json: PROVEN"), "{refused:#?}");
    assert!(!exported.path().join("again/checkpoint").exists());
    let mut export = command(&["export", "--as-evidence", "--data"]);
    let kept = run_command({
        export.arg(data.path()).arg("--out").arg(exported.path().join("kept"));
        export
    });
    assert!(kept.expect(0).stderr.contains("WARNING: what lies in evidence/"), "{kept:#?}");
    let audited = data.audit();
    assert!(audited.expect(0).stderr.contains("WARNING: what lies in evidence/"), "{audited:#?}");
    let backup = run_command(Vault::new().backup_command(&data, None));
    assert!(backup.expect(0).stderr.contains("WARNING: what lies in evidence/"), "{backup:#?}");
    // The checkpoint alone, as a witness showed it.
    fs::rename(evidence.join("a.pom.json"), exported.path().join("a.pom.json")).expect("the proof");
    fs::write(evidence.join("b.checkpoint"), &forked).expect("the checkpoint");
    let told = json_of(&fsck(&data), 1);
    let what = told["files"][0]["what"].as_str().expect("a sentence");
    assert!(what.contains("with another root, signed by this ledger's own key"), "{told}");
    // What is no evidence convicts nobody.
    fs::write(evidence.join("b.checkpoint"), &note).expect("the checkpoint");
    fs::write(evidence.join("c.pom.json"), "{}").expect("a file");
    fs::write(evidence.join("d.pom.json"), Proof::two_roots(owner.origin(), &note, &note).to_json()).expect("a file");
    data.export(&exported.path().join("again")).expect(0);
    let told = json_of(&fsck(&data), 0);
    let not_checked = told["not_checked"].to_string();
    assert!(not_checked.contains("c.pom.json") && not_checked.contains("d.pom.json"), "{told}");
}
