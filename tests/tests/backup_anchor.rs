//! `semper anchor remake`: the anchor is lost, the data folder is whole.

use std::fs;
use std::path::Path;
use std::process::Command;

use semper_tests::http::get;
use semper_tests::server::{Data, Finished, command, copy_folder, run_command};
use semper_tests::stamp::{granted_by, stamp_many};
use semper_tests::vault::{Vault, anchor_of, json};
use semper_tests::witness::WitnessData;

fn remake_command(data: &Data, options: &[&str]) -> Command {
    let mut command = command(&["anchor", "remake", "--json", "--data"]);
    command.arg(data.path()).args(options);
    command
}

fn remake(data: &Data, options: &[&str]) -> Finished {
    run_command(remake_command(data, options))
}

/// The sentence of a refusal.
fn refused(end: &Finished, code: i32, words: &[&str]) {
    end.expect(code);
    let said = json(end)["error"].as_str().unwrap_or_default().to_owned();
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn a_lost_anchor_is_made_anew_and_is_an_entry() {
    let data = Data::demo();
    let server = data.serve();
    stamp_many(server.http(), 20);
    let data = server.stop();
    let public = data.path().with_file_name("public");
    data.export(&public).expect(0);
    let anchor = anchor_of(&data);
    refused(&remake(&data, &["--unwitnessed"]), 1, &["is not lost"]);
    fs::remove_file(&anchor).unwrap();
    let end = data.serve_to_the_end(&[]);
    end.expect(70);
    assert!(end.stderr.contains("semper anchor remake"), "{end:#?}");

    // Nobody says whether it is the newest.
    refused(&remake(&data, &[]), 2, &["--unwitnessed", "FORKED"]);
    assert!(!Path::new(&anchor).exists());
    // What an interrupted run left is no hindrance.
    fs::write(data.path().join("anchor.part"), b"half").unwrap();
    let public = public.to_str().unwrap();
    let remade = json(remake(&data, &["--unwitnessed", "--compare-with", public]).expect(0));
    assert!(remade["warning"].as_str().is_some_and(|words| words.contains("FORKED")), "{remade}");
    assert!(remade["compared"].as_str().is_some_and(|words| words.contains("entries of it")), "{remade}");
    assert!(!data.path().join("anchor.part").exists());
    data.fsck().expect(0);
    let audited = data.audit();
    audited.expect(0);
    let server = data.serve();
    assert!(granted_by(server.http()));
    let path = format!("/ledger/proof/consistency?from={}&to={}", remade["size"], remade["size"].as_u64().unwrap() + 1);
    assert_eq!(get(server.http(), &path).status, 200);
    refused(&remake(server.data(), &["--unwitnessed"]), 75, &[]);
    // Also while its anchor was taken from under it.
    fs::rename(&anchor, format!("{anchor}.away")).unwrap();
    refused(&remake(server.data(), &["--unwitnessed"]), 75, &[]);
    fs::rename(format!("{anchor}.away"), &anchor).unwrap();
    let data = server.stop();

    // Both slots damaged: kept beside the new one.
    let bytes: Vec<u8> = fs::read(&anchor).unwrap().iter().map(|byte| byte ^ 1).collect();
    fs::write(&anchor, &bytes).unwrap();
    let end = data.serve_to_the_end(&[]);
    end.expect(70);
    assert!(end.stderr.contains("semper anchor remake"), "{end:#?}");
    json(remake(&data, &["--unwitnessed"]).expect(0));
    assert_eq!(fs::read(format!("{anchor}.damaged")).unwrap(), bytes);
    data.fsck().expect(0);
    data.serve().stop();
}

#[test]
fn an_old_folder_gets_no_new_anchor() {
    let data = Data::own();
    let log = data.log_key();
    let witness = WitnessData::new(&[&log]);
    let running = witness.serve();
    let policy = data.path().with_file_name("policy");
    fs::write(&policy, witness.sole_policy(&log, &running)).unwrap();
    let old = data.path().with_file_name("old");
    copy_folder(data.path(), &old);
    let old = Data::at(&old);
    let older = data.path().with_file_name("older");
    copy_folder(data.path(), &older);
    let older = Data::at(&older);
    data.set("witnesses.policy_path", &format!("{policy:?}")).set("witnesses.interval_ms", "50");
    let server = data.serve();
    stamp_many(server.http(), 20);
    // The last of them but one: the old folder has 21 entries itself.
    assert_eq!(get(server.http(), "/ledger/proof/inclusion?index=40&wait=witnessed").status, 200);
    let data = server.stop();
    let public = data.path().with_file_name("public");
    data.export(&public).expect(0);
    let public = public.to_str().unwrap();
    fs::remove_file(anchor_of(&data)).unwrap();
    fs::remove_file(anchor_of(&old)).unwrap();
    fs::remove_file(anchor_of(&older)).unwrap();

    // A public copy knows more; so does the witness, once the settings name it.
    refused(&remake(&old, &["--unwitnessed", "--compare-with", public]), 1, &["this store is old", public, "knows"]);
    refused(&remake(&old, &["--unwitnessed", "--compare-with", "/no/such/copy"]), 69, &["/no/such/copy"]);
    refused(&remake(&old, &["--unwitnessed"]), 1, &["this store is old", "others have seen"]);
    older.set("witnesses.policy_path", &format!("{policy:?}"));
    refused(&remake(&older, &["--unwitnessed"]), 1, &["this store is old", "the witness W knows"]);
    assert!(!Path::new(&anchor_of(&old)).exists());
    // The newest one is vouched for.
    let remade = json(remake(&data, &[]).expect(0));
    assert_eq!(remade["warning"], serde_json::Value::Null, "{remade}");
    assert!(remade["compared"].as_str().is_some_and(|words| words.contains("1 of 1 witnesses")), "{remade}");
    let server = data.serve();
    assert!(granted_by(server.http()));
    let data = server.stop();
    // Nobody answers.
    drop(running);
    fs::remove_file(anchor_of(&data)).unwrap();
    refused(&remake(&data, &[]), 2, &["no quorum"]);
    json(remake(&data, &["--unwitnessed"]).expect(0));
}

#[test]
fn an_anchor_that_is_elsewhere_is_not_lost() {
    let data = Data::demo();
    let settings = data.path().with_file_name("settings.toml");
    let text = fs::read_to_string(data.path().join("semper.toml")).unwrap();
    let text = text.replace("\"passphrase\"", &format!("{:?}", data.path().join("passphrase")));
    let volume = data.path().with_file_name("volume");
    fs::write(&settings, format!("{text}\n[ledger]\nanchor_path = {:?}\n", volume.join("anchor"))).unwrap();
    let config = ["--unwitnessed", "--config", settings.to_str().unwrap()];
    // The settings are new, the anchor lies where it always did.
    refused(&remake(&data, &config), 1, &["is not lost", &anchor_of(&data), "move it there"]);
    // The other way round: the server ran with others than these.
    fs::create_dir(&volume).unwrap();
    fs::rename(anchor_of(&data), volume.join("anchor")).unwrap();
    fs::copy(&settings, data.path().join("settings-in-use.toml")).unwrap();
    refused(&remake(&data, &["--unwitnessed"]), 1, &["is not lost", volume.to_str().unwrap()]);
    // Its volume is gone.
    fs::remove_dir_all(&volume).unwrap();
    refused(&remake(&data, &config), 2, &["is its volume mounted"]);

    // Another folder goes on with it; or this one must not.
    let (vault, data) = (Vault::new(), Data::demo());
    vault.backup_at_rest(&data);
    let server = data.serve();
    let data = server.stop();
    json(vault.restore(&data, "frozen", &["--anchor", &anchor_of(&data), "--read-only"]).expect(0));
    vault.backup_at_rest(&data);
    json(vault.restore(&data, "new", &["--anchor", &anchor_of(&data)]).expect(0));
    refused(&remake(&data, &["--unwitnessed"]), 1, &["took it over for another folder"]);
    let frozen = vault.restored(&data, "frozen");
    fs::remove_file(anchor_of(&frozen)).unwrap();
    refused(&remake(&frozen, &["--unwitnessed"]), 64, &["for reading only"]);
}
