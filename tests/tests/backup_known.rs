//! What a restore must know before it lets a ledger go on, and whom it must not believe.

use std::fs;
use std::path::{Path, PathBuf};

use semper_tests::http::get;
use semper_tests::server::{Data, Server, run, run_command};
use semper_tests::stamp::{granted_by, stamp_many};
use semper_tests::vault::{Vault, anchor_of, args, json};
use semper_tests::witness::{TestLog, WitnessData};
use serde_json::Value;

/// A service that was backed up, has gone on since, and has a public copy that is as new as it was.
struct Older {
    vault: Vault,
    data: Data,
    backup: Value,
    public: PathBuf,
}

impl Older {
    fn new() -> Self {
        let vault = Vault::new();
        let server = Server::demo();
        stamp_many(server.http(), 30);
        let backup = vault.backup(&server);
        stamp_many(server.http(), 30);
        let data = server.stop();
        let public = vault.path("public");
        data.export(&public).expect(0);
        Self { vault, data, backup, public }
    }

    fn public(&self) -> &str {
        self.public.to_str().expect("UTF-8")
    }
}

fn size(of: &Value) -> u64 {
    of["size"].as_u64().unwrap_or_else(|| panic!("{of}"))
}

/// Size and root of the checkpoint in a folder of public files.
fn shown_in(public: &Path) -> (u64, String) {
    let text = fs::read_to_string(public.join("checkpoint")).expect("a checkpoint");
    let mut lines = text.lines().skip(1);
    (lines.next().unwrap().parse().expect("a size"), lines.next().unwrap().to_owned())
}

/// The folder at `to` holds nothing but a checkpoint that the owner of `data`'s key signed over other entries.
fn forked_copy(data: &Data, to: &Path, size: u64) {
    let entries: Vec<Vec<u8>> = (0..size).map(|n| format!("another entry {n}").into_bytes()).collect();
    let log = TestLog::of_owner(data.path(), &entries);
    fs::create_dir(to).unwrap();
    fs::write(to.join("checkpoint"), log.sign(&log.checkpoint(size))).unwrap();
}

/// The anchor is lost, nobody witnesses: what the mirror shows is what is known, also where the backup reaches all else.
#[test]
fn a_mirror_that_is_ahead_is_not_forked_over() {
    let Older { vault, data, backup, public } = &Older::new();
    let given = |source: &Path| {
        let source = source.to_str().unwrap().to_owned();
        vault.restore(data, "new", &["--new-anchor", "--unwitnessed", "--complete-from", &source])
    };
    given(&vault.path("nowhere")).expect(69);
    // Another history, at the backup's own size and below it: shown, and refused.
    for at in [size(backup), size(backup) - 5] {
        let forked = vault.path(&format!("forked-{at}"));
        forked_copy(data, &forked, at);
        let refused = given(&forked);
        refused.expect(1);
        let root = shown_in(&forked).1;
        assert!(refused.stdout.contains("fork") && refused.stdout.contains(&root), "{refused:#?}");
    }
    assert!(!vault.path("new").exists());
    let restored = json(given(public).expect(0));
    assert!(restored["completed"].as_str().is_some_and(|words| words.contains("signed anew")), "{restored}");
    assert!(restored["warning"].as_str().is_some_and(|words| words.contains("FORKED")), "{restored}");
    assert_eq!(size(&restored), shown_in(public).0 + 1, "all that was public, and the entry of the new anchor");
    let new = vault.restored(data, "new");
    new.fsck().expect(0);
    new.export(public).expect(0); // it continues the copy, or this would be refused
}

/// The same where the witnesses answer and have not seen the last of it.
#[test]
fn a_mirror_that_is_ahead_of_the_witnesses_is_not_forked_over() {
    let vault = Vault::new();
    let data = Data::own();
    let log = data.log_key();
    let witness = WitnessData::new(&[&log]);
    let running = witness.serve();
    let policy = vault.path("policy");
    fs::write(&policy, witness.sole_policy(&log, &running)).unwrap();
    data.set("witnesses.policy_path", &format!("{policy:?}")).set("witnesses.interval_ms", "50");
    let server = data.serve();
    stamp_many(server.http(), 10);
    let backup = vault.backup(&server);
    let path = format!("/ledger/proof/inclusion?index={}&wait=witnessed", size(&backup) - 1);
    assert_eq!(get(server.http(), &path).status, 200);
    // The witness goes, and comes back with what it had cosigned by then.
    let at = running.http();
    running.kill9();
    stamp_many(server.http(), 20);
    let data = server.stop();
    let _running = witness.serve_at(at);
    let public = vault.path("public");
    data.export(&public).expect(0);
    let given = ["--new-anchor", "--complete-from", public.to_str().unwrap()];
    let restored = json(vault.restore(&data, "new", &given).expect(0));
    assert!(restored["completed"].is_string(), "{restored}");
    assert!(size(&restored) > shown_in(&public).0, "{restored}");
}

/// A backup must not say where the passphrase lies that proves it.
#[test]
fn a_backup_does_not_vouch_for_itself() {
    let (vault, stranger) = (Vault::new(), Data::own());
    let secret = fs::read_to_string(stranger.path().join("passphrase")).unwrap().trim_end().to_owned();
    let settings = stranger.path().join("semper.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("passphrase_file")).map(|line| match line {
        "[keys]" => "[keys]\npassphrase_env = \"KNOWN_TO_ALL\"",
        line => line,
    });
    fs::write(&settings, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let mut backup = vault.backup_command(&stranger, None);
    json(
        run_command({
            backup.env("KNOWN_TO_ALL", &secret);
            backup
        })
        .expect(0),
    );
    let restore = |name: &str, value: &str| {
        let mut command = vault.restore_command("new", &["--no-erasures", "--anchor", &anchor_of(&stranger)]);
        command.env("KNOWN_TO_ALL", &secret).env(name, value);
        run_command(command)
    };
    let refused = restore("SEMPER_JSON", "");
    refused.expect(64);
    assert!(refused.stdout.contains("--passphrase-file"), "{refused:#?}");
    let refused = restore("SEMPER_PASSPHRASE", "what the operator has");
    refused.expect(1);
    assert!(refused.stdout.contains("not sealed by this passphrase"), "{refused:#?}");
    assert!(!vault.path("new").exists());
    restore("SEMPER_PASSPHRASE", &secret).expect(0);
}

/// The settings with which the server ran say where its anchor is and who its witnesses are, not those that `init` was given.
#[test]
fn the_settings_in_use_are_the_ones_that_count() {
    let vault = Vault::new();
    let data = Data::own();
    let volume = vault.path("volume");
    fs::create_dir(&volume).unwrap();
    fs::rename(data.path().join("anchor"), volume.join("anchor")).unwrap();
    let log = data.log_key();
    let witness = WitnessData::new(&[&log]);
    let running = witness.serve();
    let policy = vault.path("policy");
    fs::write(&policy, witness.sole_policy(&log, &running)).unwrap();
    // `--config` in place of the folder's own, whose passphrase is a path in that folder.
    let settings = vault.path("settings.toml");
    let text = fs::read_to_string(data.path().join("semper.toml")).unwrap();
    let lines = text.lines().map(|line| match line.starts_with("passphrase_file") {
        true => format!("passphrase_file = {:?}", data.path().join("passphrase")),
        false => line.to_owned(),
    });
    let further = format!(
        "\n[ledger]\nanchor_path = {:?}\n[witnesses]\npolicy_path = {policy:?}\ninterval_ms = 50\n",
        volume.join("anchor")
    );
    fs::write(&settings, lines.collect::<Vec<_>>().join("\n") + &further).unwrap();
    let settings = settings.to_str().unwrap();
    let server = Server::start(data.path(), &["--config", settings], &[]);
    stamp_many(server.http(), 10);
    let mut first = vault.backup_command(&data, Some(&server.admin().to_string()));
    first.args(["--config", settings]);
    let first = json(run_command(first).expect(0));
    stamp_many(server.http(), 10);
    let path = format!("/ledger/proof/inclusion?index={}&wait=witnessed", size(&first) + 5);
    assert_eq!(get(server.http(), &path).status, 200);
    let data = server.stop();

    // The machine is another one: neither settings nor policy, but the anchor's volume.
    fs::remove_file(settings).unwrap();
    fs::remove_file(&policy).unwrap();
    let refused = vault.restore(&data, "new", &[]);
    refused.expect(1);
    assert!(refused.stdout.contains("the anchor knows"), "{refused:#?}");
    vault.restore(&data, "new", &["--new-anchor", "--unwitnessed"]).expect(1);
    // Nor that: then the witnesses, by the policy in the backup.
    fs::rename(&volume, vault.path("lost")).unwrap();
    let refused = vault.restore(&data, "new", &["--new-anchor", "--unwitnessed"]);
    refused.expect(1);
    assert!(refused.stdout.contains("the witness W knows"), "{refused:#?}");
    let restored = vault.restore(&data, "frozen", &["--new-anchor", "--unwitnessed", "--read-only"]);
    let restored = json(restored.expect(0));
    let kept = restored["witness_policy"].as_str().expect("where the policy lies");
    assert!(fs::read_to_string(kept).unwrap().contains("quorum W"), "{restored}");
    assert!(restored["settings"].as_str().is_some_and(|file| file.ends_with("/settings-in-use.toml")), "{restored}");
}

/// The passphrase of the server and that of the backup's own unit lie where each of them can read it, and in no backup.
#[test]
fn no_passphrase_gets_into_a_backup() {
    let (vault, data) = (Vault::new(), Data::demo());
    let text = fs::read_to_string(data.path().join("passphrase")).unwrap();
    for name in ["certs/server-secret", "trust/unit-secret"] {
        let path = data.path().join(name);
        fs::write(&path, &text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    data.set("keys.passphrase_file", "\"certs/server-secret\"");
    let mut backup = vault.backup_command(&data, None);
    backup.arg("--passphrase-file").arg(data.path().join("trust/unit-secret"));
    run_command(backup).expect(0);
    vault.restore(&data, "new", &["--anchor", &anchor_of(&data)]).expect(0);
    let new = vault.path("new");
    assert!(new.join("certs").is_dir() && !new.join("certs/server-secret").exists());
    assert!(!new.join("trust/unit-secret").exists() && !new.join("passphrase").exists());
}

/// Two folders with an anchor each would both start, and both sign.
#[test]
fn the_old_folder_does_not_start_again() {
    let (vault, data) = (Vault::new(), Data::demo());
    vault.backup_at_rest(&data);
    let anchor = anchor_of(&data);
    // For reading only, the old one stays what it was.
    let restored = json(vault.restore(&data, "new", &["--anchor", &anchor]).expect(0));
    let retired = restored["retired"][0].as_str().expect("the old anchor's new name");
    assert!(!Path::new(&anchor).exists() && Path::new(retired).exists(), "{restored}");
    assert!(retired.ends_with("/anchor.retired"), "{retired}");
    let refused = data.serve_to_the_end(&[]);
    refused.expect(70);
    assert!(refused.stderr.contains("anchor.retired"), "{refused:#?}");
    let new = vault.restored(&data, "new");
    let server = new.serve();
    assert!(granted_by(server.http()));
    server.stop();
    // Named again: it says where it went.
    let refused = vault.restore(&data, "again", &["--anchor", &anchor]);
    refused.expect(64);
    assert!(refused.stdout.contains("anchor.retired"), "{refused:#?}");
}

/// What the data folder kept of what others had seen is in its backup, and counts.
#[test]
fn what_others_have_seen_counts_though_nobody_is_asked() {
    let Older { vault: _, data, public, .. } = &Older::new();
    // The checkpoint that the public saw, in a copy of the folder that is older.
    for name in ["witnessed", "evidence/0011223344556677.checkpoint"] {
        let vault = Vault::new();
        let old = Data::demo();
        assert!(size(&vault.backup_at_rest(&old)) < shown_in(public).0);
        assert_eq!(old.log_key(), data.log_key());
        let file = old.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::copy(public.join("checkpoint"), file).unwrap();
        vault.backup_at_rest(&old);
        let refused = vault.restore(&old, "new", &["--new-anchor", "--unwitnessed"]);
        refused.expect(1);
        assert!(refused.stdout.contains("others have seen"), "{refused:#?}");
    }
}

/// The journal is wanted where the ledger cannot say itself what was erased.
#[test]
fn an_older_backup_wants_the_journal() {
    let older = Older::new();
    let (vault, data) = (&older.vault, &older.data);
    let passphrase = data.path().join("passphrase");
    let restore = |to: &str, options: &[&str]| {
        let mut command = vault.restore_command(to, options);
        command.arg("--passphrase-file").arg(&passphrase);
        run_command(command)
    };
    let anchor = anchor_of(data);
    for options in [&["--anchor", &*anchor, "--read-only"][..], &["--new-anchor", "--unwitnessed"]] {
        let refused = restore("new", options);
        refused.expect(64);
        assert!(refused.stdout.contains("--journal") && refused.stdout.contains("--no-erasures"), "{refused:#?}");
    }
    // The refusal of what is older says so before it is asked for: what is read wants it, what is completed does not.
    let refused = restore("new", &["--anchor", &anchor]);
    refused.expect(1);
    let said = json(&refused)["error"].as_str().unwrap_or_default().to_owned();
    assert!(said.contains(" --journal FILE|--no-erasures --read-only"), "{said}");
    assert!(!said.contains("--no-erasures --complete-from"), "{said}");
    // One that lies beside the anchor is the newest there is, and is looked for: this one tells of what never was.
    let beside = data.path().join("erasures");
    let origin = data.log_key().name().to_owned();
    let line = semper_ledger::erasure::Chain::new(&origin).next(3, [7; 32], Vec::new());
    fs::write(&beside, semper_ledger::erasure::heading(&origin) + &line.encode()).unwrap();
    let refused = restore("new", &["--anchor", &anchor, "--read-only"]);
    refused.expect(1);
    assert!(refused.stdout.contains("erasure journal"), "{refused:#?}");
    fs::remove_file(&beside).unwrap();
    restore("frozen", &["--anchor", &anchor, "--read-only", "--no-erasures"]).expect(0);
    assert!(Path::new(&anchor).exists(), "it goes on elsewhere, if anywhere");
    // Completed, or reached: the ledger itself says that nothing was erased.
    restore("new", &["--anchor", &anchor, "--complete-from", older.public()]).expect(0);
}

/// Each way on is a command line that works.
#[test]
fn the_refusal_of_an_older_backup_says_what_to_type() {
    let older = Older::new();
    let (vault, data) = (&older.vault, &older.data);
    let mut command = vault.restore_command("new", &["--anchor", &anchor_of(data), "--no-erasures"]);
    let refused = run_command({
        command.arg("--passphrase-file").arg(data.path().join("passphrase"));
        command
    });
    refused.expect(1);
    let said = json(&refused)["error"].as_str().unwrap().to_owned();
    let missing = shown_in(&older.public).0 - size(&older.backup);
    assert!(said.contains(&format!("so {missing} would be lost")) && said.contains("Each stop"), "{said}");
    let line = |with: &str| {
        let line = said.lines().find(|line| line.contains(with)).unwrap_or_else(|| panic!("{with}: {said}"));
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    run(&line("semper backup run")).expect(0);
    let mut words = line("--complete-from");
    *words.last_mut().unwrap() = older.public().to_owned();
    run(&line("--read-only")).expect(0); // by now the newest backup reaches the anchor
    fs::remove_dir_all(vault.path("new")).unwrap();
    let (to, anchor) = (anchor_of(data), data.path().join("anchor.retired"));
    fs::rename(anchor, to).unwrap();
    run(&words).expect(0);
}

/// Whoever holds the place writes headers as he likes.
#[test]
fn the_newest_backup_is_the_one_that_proves_it() {
    let vault = Vault::new();
    let server = Server::demo();
    let first = vault.backup(&server);
    stamp_many(server.http(), 30);
    let second = vault.backup(&server);
    let data = server.stop();
    let third = vault.backup_at_rest(&data);
    let folder = |backup: &Value| vault.path("place/backups").join(backup["id"].as_str().unwrap());
    let set_size = |backup: &Value, size: u64| {
        let file = folder(backup).join("header.json");
        let mut header: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        header["size"] = size.into();
        fs::write(file, header.to_string()).unwrap();
    };
    set_size(&first, 1_000_000);
    assert_eq!(json(vault.verify(&[]).expect(0))["id"], third["id"]);
    json(vault.restore(&data, "new", &["--anchor", &anchor_of(&data)]).expect(0));
    // One that does not read may be the newest, unless it says itself that it is not.
    let manifest = folder(&third).join("manifest.age");
    let good = fs::read(&manifest).unwrap();
    fs::write(&manifest, b"nothing").unwrap();
    for header in [size(&third), 1_000_000] {
        set_size(&third, header);
        let refused = vault.verify(&[]);
        refused.expect(1);
        assert!(refused.stdout.contains(&format!("--backup {}", second["id"].as_str().unwrap())), "{refused:#?}");
    }
    vault.verify(&["--backup", second["id"].as_str().unwrap()]).expect(0);
    set_size(&third, 1);
    assert_eq!(json(vault.verify(&[]).expect(0))["id"], second["id"]);
    fs::write(&manifest, good).unwrap();
    // Somebody else's, to the same recipient.
    let other = Data::own();
    let theirs = vault.backup_at_rest(&other);
    let refused = vault.verify(&[]);
    refused.expect(64);
    assert!(refused.stdout.contains("several ledgers"), "{refused:#?}");
    vault.restore(&data, "newer", &["--new-anchor", "--unwitnessed"]).expect(64);
    vault.verify(&["--backup", theirs["id"].as_str().unwrap()]).expect(0);
}

/// 64 is the caller's slip, 1 is a falsehood, 70 is ours.
#[test]
fn slips_are_told_from_faults() {
    let (vault, data) = (Vault::new(), Data::demo());
    vault.backup_at_rest(&data);
    let other = Vault::new();
    let wrong = other.path("identity");
    let mut words = args(&["backup", "verify", "--from"], &[&vault.path("place"), Path::new("--identity"), &wrong]);
    let refused = run(&words);
    refused.expect(64);
    assert!(refused.stderr.contains("not encrypted to this identity"), "{refused:#?}");
    words.extend(args(&["--backup", "no-such"], &[]));
    run(&words).expect(64);
    let nowhere = vault.path("nowhere/erasures");
    run(&args(&["backup", "journal", "--data"], &[data.path(), Path::new("--to"), &nowhere])).expect(64);
    vault.restore(&data, "new", &["--anchor", vault.path("no-anchor").to_str().unwrap()]).expect(64);
    // A folder that is for reading only has its backup.
    let server = data.serve();
    let data = server.stop();
    vault.restore(&data, "frozen", &["--anchor", &anchor_of(&data), "--read-only"]).expect(0);
    let frozen = vault.restored(&data, "frozen");
    let refused = run_command(other.backup_command(&frozen, None));
    refused.expect(64);
    assert!(refused.stdout.contains("for reading only"), "{refused:#?}");
    // Its settings name witnesses whose policy is gone.
    let settings = data.path().join("semper.toml");
    let kept = fs::read(&settings).unwrap();
    data.set("witnesses.policy_path", "\"/no/such/policy\"");
    let refused = run_command(vault.backup_command(&data, None));
    refused.expect(64);
    assert!(refused.stdout.contains("/no/such/policy"), "{refused:#?}");
    fs::write(&settings, kept).unwrap();
}

/// What a place says of itself, where that is missing, empty or damaged.
#[test]
fn a_place_without_what_it_should_have() {
    let (vault, data) = (Vault::new(), Data::demo());
    let list = |place: &Path| run(&args(&["backup", "list", "--from"], &[place]));
    let place = vault.path("place");
    for made in [false, true] {
        if made {
            fs::create_dir(&place).unwrap();
            fs::write(place.join("backups.json"), r#"{"version":1,"id":"00"}"#).unwrap();
        }
        let none = list(&place);
        assert!(none.expect(2).stderr.contains(place.to_str().unwrap()), "{none:#?}");
    }
    fs::remove_dir_all(&place).unwrap();
    let made = vault.backup_at_rest(&data);
    list(&place).expect(0);
    // A header is for whoever copies the place: the backup is whole without it, and says so.
    let header = place.join("backups").join(made["id"].as_str().unwrap()).join("header.json");
    let text = fs::read_to_string(&header).unwrap();
    let name = &vault.stored()[0].file_name().unwrap().to_str().unwrap().to_owned();
    let damaged = [text.replace(name.as_str(), &"0".repeat(64)), "{".to_owned()];
    for text in damaged {
        fs::write(&header, text).unwrap();
        let told = vault.verify(&[]);
        assert_eq!((&json(told.expect(1))["verdict"], &json(&told)["header"]), (&"whole".into(), &false.into()));
        assert!(list(&place).expect(1).stdout.contains("no header that reads"));
    }
    // Nor is anything removed from such a place.
    let before = vault.stored().len();
    vault.backup_at_rest(&data);
    assert!(vault.stored().len() >= before);
    vault.verify(&["--backup", made["id"].as_str().unwrap()]).expect(1);
    fs::write(&header, text).unwrap();
    vault.verify(&["--backup", made["id"].as_str().unwrap()]).expect(0);

    // Another service's admin listener: it has no such store.
    let server = data.serve();
    let other = Data::own();
    let asked = WitnessData::new(&[&other.log_key()]);
    let running = asked.serve();
    let refused = run_command(vault.backup_command(server.data(), Some(&running.http().to_string())));
    assert!(refused.expect(69).stdout.contains("what listens there knows no backups"), "{refused:#?}");
}
