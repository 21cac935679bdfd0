//! Anchors that `semper restore` takes over: there may be several, it may be killed, and no second folder starts.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use semper_tests::server::{Data, Finished, command, run_command};
use semper_tests::stamp::stamp_many;
use semper_tests::vault::{Vault, anchor_of, json};
use serde_json::Value;

/// Settings that have the anchor on a volume of its own.
struct Volume {
    settings: String,
    anchor: PathBuf,
}

impl Volume {
    fn new(vault: &Vault, data: &Data) -> Self {
        let anchor = vault.path("volume/anchor");
        fs::create_dir(vault.path("volume")).unwrap();
        Self { settings: settings(vault, data, &anchor), anchor }
    }

    fn options<'a>(&'a self, others: &[&'a str]) -> Vec<&'a str> {
        [&["--config", &*self.settings], others].concat()
    }
}

/// The settings of `data`, with its anchor elsewhere.
fn settings(vault: &Vault, data: &Data, anchor: &Path) -> String {
    let file = vault.path("settings.toml");
    let text = fs::read_to_string(data.path().join("semper.toml")).unwrap();
    let text = text.replace("\"passphrase\"", &format!("{:?}", data.path().join("passphrase")));
    fs::write(&file, format!("{text}\n[ledger]\nanchor_path = {anchor:?}\n")).unwrap();
    file.to_str().unwrap().to_owned()
}

fn stamp(data: &Data, count: usize) {
    let server = data.serve();
    stamp_many(server.http(), count);
    server.stop();
}

/// The sentence of a refusal.
fn refused(end: &Finished, code: i32, words: &[&str]) {
    end.expect(code);
    let said = json(end)["error"].as_str().unwrap_or_default().to_owned();
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}

fn retired(restored: &Value) -> Vec<&str> {
    restored["retired"].as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

fn does_not_start(data: &Data) {
    let end = data.serve_to_the_end(&[]);
    end.expect(70);
    assert!(end.stderr.contains("took it over for another folder"), "{end:#?}");
    let mut remake = command(&["anchor", "remake", "--json", "--unwitnessed", "--data"]);
    remake.arg(data.path());
    refused(&run_command(remake), 1, &["took it over for another folder"]);
}

/// Killed between the copy of the anchor and the end of the old one: two folders would start.
#[test]
fn a_copy_that_was_left_is_no_obstacle() {
    let (vault, data) = (Vault::new(), Data::demo());
    vault.backup_at_rest(&data);
    let (volume, anchor) = (Volume::new(&vault, &data), anchor_of(&data));
    fs::copy(&anchor, &volume.anchor).unwrap();
    let restored = json(vault.restore(&data, "new", &volume.options(&["--anchor", &anchor])).expect(0));
    assert_eq!(retired(&restored), [format!("{anchor}.retired")]);
    assert!(volume.anchor.exists());
    does_not_start(&data);
}

#[test]
fn the_largest_anchor_counts() {
    let (vault, data) = (Vault::new(), Data::demo());
    let first = vault.backup_at_rest(&data);
    let first = first["id"].as_str().expect("an id");
    let (volume, anchor) = (Volume::new(&vault, &data), anchor_of(&data));
    let stale = fs::read(&anchor).unwrap();
    stamp(&data, 5);

    // For reading only: no anchor that would later stand in for the newest.
    let frozen = volume.options(&["--anchor", &anchor, "--backup", first, "--read-only"]);
    let restored = json(vault.restore(&data, "frozen", &frozen).expect(0));
    assert_eq!(retired(&restored), <[&str; 0]>::default());
    assert!(!volume.anchor.exists() && Path::new(&anchor).exists());

    // A stale one where the settings have it does not beat the newer one that is named, nor the other way round.
    fs::write(&volume.anchor, &stale).unwrap();
    let old = volume.options(&["--anchor", &anchor, "--backup", first]);
    refused(&vault.restore(&data, "new", &old), 1, &["the anchor knows", "would be lost"]);
    let kept = vault.path("kept");
    fs::write(&kept, &stale).unwrap();
    let beside = settings(&vault, &data, Path::new(&anchor));
    let old = ["--config", &beside, "--anchor", kept.to_str().unwrap(), "--backup", first];
    refused(&vault.restore(&data, "new", &old), 1, &["the anchor knows", "would be lost"]);
    assert!(kept.exists() && volume.anchor.exists() && Path::new(&anchor).exists(), "nothing was changed");

    vault.backup_at_rest(&data);
    let newest = fs::read(&anchor).unwrap();
    settings(&vault, &data, &volume.anchor);
    let restored = json(vault.restore(&data, "new", &volume.options(&["--anchor", &anchor])).expect(0));
    let names = [format!("{}.retired", volume.anchor.display()), format!("{anchor}.retired")];
    assert_eq!(retired(&restored), names);
    assert!(fs::read(&volume.anchor).unwrap() == newest && fs::read(&names[0]).unwrap() == stale);
    assert!(!vault.path("volume/anchor.part").exists());
    does_not_start(&data);
}

#[test]
fn anchors_that_contradict_each_other_are_a_fork() {
    // Two copies of one folder, and both went on.
    let (vault, data, copy) = (Vault::new(), Data::demo(), Data::demo());
    stamp(&data, 20);
    stamp(&copy, 5);
    vault.backup_at_rest(&data);
    let volume = Volume::new(&vault, &data);
    fs::copy(anchor_of(&copy), &volume.anchor).unwrap();
    let anchor = anchor_of(&data);
    let options = volume.options(&["--anchor", &anchor]);
    refused(&vault.restore(&data, "new", &options), 1, &["another root", "volume/anchor", "fork"]);
    // Another ledger's, where the settings have it.
    fs::copy(anchor_of(&Data::own()), &volume.anchor).unwrap();
    refused(&vault.restore(&data, "new", &options), 1, &["volume/anchor is that of another ledger"]);
    assert!(Path::new(&anchor).exists());
}

#[test]
fn a_link_to_the_anchor_is_not_the_anchor() {
    let (vault, data) = (Vault::new(), Data::demo());
    vault.backup_at_rest(&data);
    let link = vault.path("link");
    symlink(anchor_of(&data), &link).unwrap();
    let restored = json(vault.restore(&data, "new", &["--anchor", link.to_str().unwrap()]).expect(0));
    assert_eq!(retired(&restored), [format!("{}.retired", anchor_of(&data))]);
    assert!(link.is_symlink() && !Path::new(&anchor_of(&data)).exists());
    does_not_start(&data);
}

#[test]
fn a_retired_anchor_is_used_again_only_where_the_restore_was_killed() {
    let (vault, data) = (Vault::new(), Data::demo());
    vault.backup_at_rest(&data);
    let anchor = anchor_of(&data);
    let (old, new) = (format!("{anchor}.retired"), vault.path("new"));
    json(vault.restore(&data, "new", &["--anchor", &anchor]).expect(0));
    let note = format!("{old}.txt");
    let said = fs::read_to_string(&note).unwrap();
    assert!(said.contains(&format!("folder: {}\nfinished: yes\n", new.display())), "{said}");
    let link = vault.path("link");
    symlink(&old, &link).unwrap();
    let all = || [anchor.as_str(), &old, link.to_str().unwrap()];
    for named in all() {
        let words = ["is the service now", new.to_str().unwrap(), "anchor.retired"];
        refused(&vault.restore(&data, "again", &["--anchor", named]), 64, &words);
    }
    // The new folder was moved to where the old one was: its word is gone, that of the note is not.
    fs::rename(&new, vault.path("moved")).unwrap();
    refused(&vault.restore(&data, "again", &["--anchor", &old]), 64, &["is the service now"]);
    fs::remove_file(&note).unwrap();
    refused(&vault.restore(&data, "again", &["--anchor", &old]), 64, &["anchor.retired.txt", "give it its old name"]);

    // Killed after the old anchor had its new name: with the folder as it was left, and after that was deleted.
    fs::write(&note, said.replace("finished: yes", "finished: no")).unwrap();
    fs::rename(vault.path("moved"), &new).unwrap();
    refused(&vault.restore(&data, "again", &["--anchor", &old]), 64, &["is the service now"]);
    fs::write(new.join("INCOMPLETE"), "").unwrap();
    for (at, named) in all().into_iter().enumerate() {
        if at == 1 {
            fs::remove_dir_all(&new).unwrap();
        }
        let to = format!("again-{at}");
        let restored = json(vault.restore(&data, &to, &["--anchor", named]).expect(0));
        assert_eq!(retired(&restored), [&old], "it keeps its name");
        does_not_start(&data);
        // The next of them.
        fs::remove_dir_all(vault.path(&to)).unwrap();
        fs::write(&note, said.replace("finished: yes", "finished: no")).unwrap();
    }
}

/// An anchor that cannot get to its new place stays at the old one.
#[test]
fn a_place_without_room_leaves_the_old_anchor() {
    let (vault, data) = (Vault::new(), Data::demo());
    vault.backup_at_rest(&data);
    let (volume, anchor) = (Volume::new(&vault, &data), anchor_of(&data));
    fs::remove_dir(vault.path("volume")).unwrap();
    vault.restore(&data, "new", &volume.options(&["--anchor", &anchor])).expect(2);
    assert!(Path::new(&anchor).exists() && !vault.path("new").exists());
    fs::create_dir(vault.path("volume")).unwrap();
    fs::create_dir(vault.path("volume/anchor.part")).unwrap(); // no file can be written there
    vault.restore(&data, "new", &volume.options(&["--anchor", &anchor])).expect(70);
    assert!(Path::new(&anchor).exists() && !vault.path("new").exists());
    fs::remove_dir(vault.path("volume/anchor.part")).unwrap();
    // What a crash left there, half written.
    fs::write(vault.path("volume/anchor.part"), b"half").unwrap();
    json(vault.restore(&data, "new", &volume.options(&["--anchor", &anchor])).expect(0));
    assert_eq!(fs::read(&volume.anchor).unwrap(), fs::read(format!("{anchor}.retired")).unwrap());
    assert!(!vault.path("volume/anchor.part").exists());
}

/// An anchor that knows less than its backup was put aside before that was made, whatever it is called.
#[test]
fn an_old_copy_of_the_anchor_is_none() {
    let (vault, data) = (Vault::new(), Data::demo());
    let copy = vault.path("anchor.copy");
    fs::copy(anchor_of(&data), &copy).unwrap();
    stamp(&data, 3);
    vault.backup_at_rest(&data);
    let copy = copy.to_str().unwrap();
    for more in [&[][..], &["--read-only"]] {
        let options = [&["--anchor", copy], more].concat();
        refused(&vault.restore(&data, "new", &options), 1, &["is an old copy", "--new-anchor"]);
    }
    // Nor is the copy that a folder for reading only has, from which the service has gone on.
    stamp(&data, 3);
    json(vault.restore(&data, "frozen", &["--anchor", &anchor_of(&data), "--read-only"]).expect(0));
    let frozen = vault.path("frozen/anchor");
    let options = ["--anchor", frozen.to_str().unwrap()];
    refused(&vault.restore(&data, "new", &options), 64, &["for a folder that is for reading only"]);
    vault.backup_at_rest(&data);
    json(vault.restore(&data, "new", &["--anchor", &anchor_of(&data)]).expect(0));
}

/// A link that is left of an anchor that was taken over, or whose volume is away, is not a lost anchor.
#[test]
fn a_link_is_followed_to_where_it_leads_nowhere() {
    let (vault, data) = (Vault::new(), Data::demo());
    vault.backup_at_rest(&data);
    let (link, target) = (anchor_of(&data), vault.path("volume/anchor"));
    fs::create_dir(vault.path("volume")).unwrap();
    fs::rename(&link, &target).unwrap();
    symlink(&target, &link).unwrap();
    let away = vault.path("away");
    fs::rename(vault.path("volume"), &away).unwrap();
    let remake = || {
        let mut remake = command(&["anchor", "remake", "--json", "--unwitnessed", "--data"]);
        remake.arg(data.path());
        run_command(remake)
    };
    refused(&remake(), 2, &["is its volume mounted"]);
    let settings = settings(&vault, &data, Path::new(&link));
    let options = ["--config", &*settings, "--new-anchor", "--unwitnessed"];
    refused(&vault.restore(&data, "new", &options), 2, &["is its volume mounted"]);
    fs::rename(&away, vault.path("volume")).unwrap();
    json(vault.restore(&data, "new", &["--anchor", &link]).expect(0));
    assert!(vault.path("volume/anchor.retired").exists());
    does_not_start(&data);
    refused(&remake(), 1, &["took it over for another folder"]);
    // One whose restore was killed is found by the link, too.
    let note = vault.path("volume/anchor.retired.txt");
    let said = fs::read_to_string(&note).unwrap();
    fs::write(&note, said.replace("finished: yes", "finished: no")).unwrap();
    fs::remove_dir_all(vault.path("new")).unwrap();
    json(vault.restore(&data, "new", &["--anchor", &link]).expect(0));
}

#[test]
fn the_anchor_of_another_ledger_is_not_taken_for_damaged() {
    let (vault, data, stranger) = (Vault::new(), Data::demo(), Data::own());
    let remake = |options: &[&str]| {
        let mut remake = command(&["anchor", "remake", "--json", "--unwitnessed", "--data"]);
        remake.arg(data.path()).args(options);
        run_command(remake)
    };
    let (ours, theirs) = (data.log_key().name().to_owned(), stranger.log_key().name().to_owned());
    let settings = settings(&vault, &data, Path::new(&anchor_of(&stranger)));
    refused(&remake(&["--config", &settings]), 1, &["that of another ledger", &ours, &theirs]);
    fs::copy(anchor_of(&stranger), anchor_of(&data)).unwrap();
    refused(&remake(&[]), 1, &["that of another ledger", &ours, "SHA-256"]);
    assert!(!data.path().join("anchor.damaged").exists());
}

/// The line to serve with works only with a passphrase, which no backup holds.
#[test]
fn the_end_says_what_is_missing() {
    let (vault, data) = (Vault::new(), Data::demo());
    vault.backup_at_rest(&data);
    let restored = json(vault.restore(&data, "new", &["--new-anchor", "--unwitnessed"]).expect(0));
    let missing = restored["missing"].as_str().expect("a sentence");
    assert!(missing.contains(vault.path("new/passphrase").to_str().unwrap()), "{missing}");
    assert!(missing.contains("--config FILE"), "{missing}");
    let look = restored["look"].as_str().expect("a sentence");
    assert!(look.contains("exports, mirrors and monitors"), "{look}");
    vault.restored(&data, "new").serve().stop();
    let volume = Volume::new(&vault, &data);
    let anchor = anchor_of(&data);
    let options = volume.options(&["--anchor", &anchor]);
    let restored = json(vault.restore(&data, "other", &options).expect(0));
    assert_eq!((&restored["missing"], &restored["look"]), (&Value::Null, &Value::Null));
}
