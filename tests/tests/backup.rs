//! Backup and restore: a copy under load, what is stored once, what a flipped byte does, and the rules of anchor and witnesses.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use semper_tests::http::{Connection, get};
use semper_tests::server::{Data, Server, run, run_command};
use semper_tests::stamp::{Load, Record, granted_by, load, stamp_many};
use semper_tests::vault::{Vault, anchor_of, args, json};
use semper_tests::witness::{Witness, WitnessData};
use serde_json::Value;

/// Size and root of the checkpoint that a server shows.
fn shown(server: &Server) -> (u64, String) {
    let text = get(server.http(), "/ledger/checkpoint").text();
    let mut lines = text.lines().skip(1).map(str::to_owned);
    (lines.next().expect("a size").parse().expect("a size"), lines.next().expect("a root"))
}

/// Every token that was granted before the backup ended is proven by the restored service, with the same bytes.
#[test]
fn a_backup_under_load_is_a_prefix_and_goes_on() {
    let vault = Vault::new();
    let server = Server::demo();
    let (stop, (send, received)) = (AtomicBool::new(false), channel());
    let (first, second, records) = thread::scope(|scope| {
        let (host, stop) = (server.http(), &stop);
        for name in ["a", "b", "c"] {
            let send = send.clone();
            scope.spawn(move || load(&Load { host, name, proof_every: 7, stop }, &send));
        }
        drop(send);
        let mut records: Vec<Record> = received.iter().take(300).collect();
        let first = vault.backup(&server);
        records.extend(received.iter().take(300));
        let second = vault.backup(&server);
        stop.store(true, Ordering::Relaxed);
        records.extend(received.iter());
        (first, second, records)
    });
    let size = |backup: &Value| backup["size"].as_u64().expect("a size");
    assert!(size(&first) >= 300 && size(&second) > size(&first), "{first} {second}");
    assert_eq!(second["previous"], first["id"]);
    vault.verify(&[]).expect(0);
    let passphrase = server.dir().join("passphrase").to_str().unwrap().to_owned();
    vault.verify(&["--passphrase-file", &passphrase, "--backup", first["id"].as_str().unwrap()]).expect(0);

    // The machine is lost with its disk, but for the anchor on its own volume: the last backup is too old.
    let data = server.stop();
    let refused = vault.restore(&data, "new", &["--anchor", &anchor_of(&data)]);
    refused.expect(1);
    for choice in ["--complete-from", "--read-only", "fork"] {
        assert!(refused.stdout.contains(choice), "{refused:#?}");
    }
    assert!(!vault.path("new").exists(), "what was refused leaves nothing");

    // Backed up once more, without a server: it reaches the anchor, and goes on.
    let third = vault.backup_at_rest(&data);
    json(vault.restore(&data, "new", &["--anchor", &anchor_of(&data)]).expect(0));
    let new = vault.restored(&data, "new");
    new.fsck().expect(0);
    let restored = new.serve();
    assert!(granted_by(restored.http()));
    assert!(shown(&restored).0 > size(&third), "it goes on: {third}");
    let mut connection = Connection::open(restored.http()).expect("the server listens");
    let trust = data.trust();
    assert!(records.len() >= 600);
    for record in &records {
        record.verify(&mut connection, &trust);
    }
    // Of the same history as the one that was backed up first.
    let path = format!("/ledger/proof/consistency?from={}&to={}", size(&first), shown(&restored).0);
    assert_eq!(get(restored.http(), &path).status, 200);
    let again = vault.backup(&restored);
    assert_eq!(again["previous"], Value::Null, "a restored folder begins a list of its own");
    vault.verify(&[]).expect(0);
    restored.stop().fsck().expect(0);
}

#[test]
fn what_is_stored_is_not_stored_again() {
    let vault = Vault::new();
    let server = Server::demo();
    stamp_many(server.http(), 400);
    let first = vault.backup(&server);
    let before = vault.stored();
    let second = vault.backup(&server);
    assert_eq!(second["files_found"].as_u64(), first["files_stored"].as_u64(), "{first} {second}");
    assert_eq!(second["bytes_stored"].as_u64(), Some(0), "{second}");
    assert!(before.iter().all(|file| file.exists()));
    // What is gone from the place is stored again, also where only a byte of it is wrong and somebody looks.
    fs::remove_file(&before[0]).unwrap();
    let mut bytes = fs::read(&before[1]).unwrap();
    bytes[300] ^= 1;
    fs::write(&before[1], &bytes).unwrap();
    assert_eq!(run(&args(&["backup", "list", "--from"], &[&vault.path("place")])).code, Some(1), "a file is missing");
    let mut thorough = vault.backup_command(server.data(), Some(&server.admin().to_string()));
    thorough.arg("--thorough");
    json(run_command(thorough).expect(0));
    vault.verify(&[]).expect(0);
    // A backup that is not wanted any more is a folder that is removed; its own files go with the next run.
    let kept = json(run_command(vault.backup_command(server.data(), Some(&server.admin().to_string()))).expect(0));
    for entry in fs::read_dir(vault.path("place/backups")).unwrap().flatten() {
        if entry.file_name().to_str() != kept["id"].as_str() {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    let swept = vault.backup(&server);
    assert!(swept["files_removed"].as_u64() > Some(0), "{swept}");
    vault.verify(&[]).expect(0);
    // Nobody else may ask for a copy, and a copy is not left behind.
    let answer = get(server.admin(), "/backup");
    assert_eq!(answer.status, 404, "{answer:?}");
    assert!(fs::read_dir(server.dir().join("checkpoints")).is_ok_and(|found| found.count() == 0));
}

/// One flipped byte, in any file and at any place: neither `verify` nor `restore` takes the backup.
#[test]
fn a_flipped_byte_is_refused() {
    let vault = Vault::new();
    let data = Data::demo();
    let made = vault.backup_at_rest(&data);
    let manifest = vault.path("place/backups").join(made["id"].as_str().unwrap()).join("manifest.age");
    let mut files = vault.stored();
    files.push(manifest);
    let mut tried = 0;
    for (n, file) in files.iter().enumerate() {
        let good = fs::read(file).unwrap();
        // Header, its end, the first chunk, the last byte: one of them in each file, all of them in the manifest.
        let places = [30, 150, 240, good.len() - 1];
        for at in if n + 1 == files.len() { &places[..] } else { &places[n % 4..][..1] } {
            let mut bytes = good.clone();
            bytes[*at] ^= 0x10;
            fs::write(file, &bytes).unwrap();
            let refused = vault.verify(&[]);
            assert_eq!(refused.code, Some(1), "{} {at}: {refused:#?}", file.display());
            if tried % 4 == 0 {
                let refused = vault.restore(&data, "new", &["--anchor", &anchor_of(&data)]);
                assert_eq!(refused.code, Some(1), "{} {at}: {refused:#?}", file.display());
                assert!(!vault.path("new").exists());
            }
            tried += 1;
        }
        fs::write(file, &good).unwrap();
    }
    assert!(tried > 8, "{tried}");
    vault.verify(&[]).expect(0);
    // Somebody else's backup, to the same recipient, is not ours: its seal is of another passphrase.
    let other = vault.beside();
    let stranger = Data::own();
    other.backup_at_rest(&stranger);
    let refused = other.restore(&data, "new", &["--anchor", &anchor_of(&stranger)]);
    refused.expect(1);
    assert!(refused.stdout.contains("is not sealed by this passphrase"), "{refused:#?}");
}

/// A backup that is killed leaves the place as it was, and the next one goes through.
#[test]
fn a_killed_backup_leaves_the_place_usable() {
    let vault = Vault::new();
    let server = Server::demo();
    stamp_many(server.http(), 300);
    let first = vault.backup(&server);
    let admin = server.admin().to_string();
    for micros in [2_000, 20_000, 40_000, 60_000, 80_000, 120_000] {
        let mut child =
            vault.backup_command(server.data(), Some(&admin)).stdout(std::process::Stdio::null()).spawn().unwrap();
        // A moment by the clock, since nothing tells how far it is; wherever it falls, the place must be whole.
        thread::sleep(std::time::Duration::from_micros(micros));
        let _ = child.kill();
        let _ = child.wait();
        let listed = run(&args(&["backup", "list", "--json", "--from"], &[&vault.path("place")]));
        let listed = json(listed.expect(0));
        assert_eq!(listed["backups"][0]["id"], first["id"], "{listed}");
    }
    vault.verify(&[]).expect(0);
    let last = vault.backup(&server);
    vault.verify(&["--backup", last["id"].as_str().unwrap()]).expect(0);
    let parts = |folder: &str| {
        let names = fs::read_dir(vault.path(folder)).unwrap().map(|it| it.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".part")).count()
    };
    assert_eq!((parts("place/files"), parts("place/backups")), (0, 0));
}

/// The anchor's rules, each with its exit code.
#[test]
fn without_the_newest_state_nothing_goes_on() {
    let vault = Vault::new();
    let data = Data::demo();
    vault.backup_at_rest(&data);
    // Nobody knows whether it is the newest.
    let refused = vault.restore(&data, "new", &[]);
    refused.expect(2);
    assert!(refused.stdout.contains("--new-anchor"), "{refused:#?}");
    // No witnesses to ask.
    vault.restore(&data, "new", &["--new-anchor"]).expect(2);
    // Another log's anchor.
    let stranger = Data::own();
    vault.restore(&data, "new", &["--anchor", &anchor_of(&stranger)]).expect(1);
    // It is where the settings have it.
    let settings = vault.path("settings.toml");
    let text = fs::read_to_string(data.path().join("semper.toml")).unwrap();
    fs::write(&settings, format!("{text}\n[ledger]\nanchor_path = {:?}\n", data.path().join("anchor"))).unwrap();
    let settings = settings.to_str().unwrap();
    vault.restore(&data, "new", &["--config", settings, "--new-anchor", "--unwitnessed"]).expect(1);
    // A volume that is not mounted may have one.
    let elsewhere = vault.path("elsewhere.toml");
    let away = vault.path("volume").join("anchor");
    fs::write(&elsewhere, format!("{text}\n[ledger]\nanchor_path = {away:?}\n")).unwrap();
    let options = ["--config", elsewhere.to_str().unwrap(), "--new-anchor", "--unwitnessed"];
    let refused = vault.restore(&data, "new", &options);
    assert!(refused.expect(2).stdout.contains("is its volume mounted"), "{refused:#?}");
    // A folder with something in it.
    vault.restore(&data, ".", &["--anchor", &anchor_of(&data)]).expect(64);
    // The wrong passphrase, and none at all.
    fs::write(vault.path("guess"), "a wrong guess\n").unwrap();
    fs::set_permissions(vault.path("guess"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let guess = vault.path("guess");
    let mut words =
        args(&["restore", "--no-erasures", "--anchor", &anchor_of(&data), "--from"], &[&vault.path("place")]);
    words.extend(args(&["--identity"], &[&vault.path("identity")]));
    words.extend(args(&["--data"], &[&vault.path("new")]));
    run(&words).expect(64);
    words.extend(args(&["--passphrase-file"], &[&guess]));
    run(&words).expect(1);
    // A server that still runs holds the anchor.
    let server = data.serve();
    let anchor = server.dir().join("anchor").to_str().unwrap().to_owned();
    vault.restore(server.data(), "new", &["--anchor", &anchor]).expect(75);
    server.stop();

    // The server has appended since: older now, so refused, or for reading only.
    vault.restore(&data, "new", &["--anchor", &anchor]).expect(1);
    let restored = json(vault.restore(&data, "new", &["--anchor", &anchor, "--read-only"]).expect(0));
    assert!(restored["read_only"]["known_size"].as_u64() > restored["size"].as_u64(), "{restored}");
    let new = vault.restored(&data, "new");
    let server = new.serve();
    let ready = get(server.admin(), "/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("a new origin must follow"), "{ready:?}");
    assert!(!granted_by_or_refused(server.http()), "nothing is signed");
    assert_eq!(Some(shown(&server).0), restored["size"].as_u64());
    assert_eq!(get(server.http(), "/ledger/tile/entries/000.p/1").status, 200);
    server.stop();
    // Without the mark the anchor refuses.
    fs::remove_file(vault.path("new/READ-ONLY")).unwrap();
    new.serve_to_the_end(&[]).expect(70);
}

fn granted_by_or_refused(host: std::net::SocketAddr) -> bool {
    let mut connection = Connection::open(host).expect("the server listens");
    let query = semper_tests::stamp::query(b"a document");
    let answer = connection.request("POST", "/tsa", &[("Content-Type", semper_tests::stamp::QUERY)], &query);
    match answer {
        Ok(answer) if answer.status == 200 => {
            matches!(semper_tests::stamp::read(&answer), semper_tests::stamp::Answer::Granted(_))
        }
        _ => false,
    }
}

/// The anchor is lost with the machine: a new one is an entry of the ledger, and the service goes on.
#[test]
fn a_new_anchor_is_an_entry() {
    let vault = Vault::new();
    let server = Server::demo();
    stamp_many(server.http(), 20);
    let data = server.stop();
    let made = vault.backup_at_rest(&data);
    let restored = json(vault.restore(&data, "new", &["--new-anchor", "--unwitnessed"]).expect(0));
    assert_eq!(restored["size"].as_u64(), made["size"].as_u64().map(|size| size + 1), "{restored}");
    let new = vault.restored(&data, "new");
    new.fsck().expect(0);
    let server = new.serve();
    assert!(granted_by(server.http()));
    server.stop().fsck().expect(0);
}

/// A stranger's tool reads what is stored: the manifest, and through it every file.
#[test]
fn debians_age_reads_a_backup() {
    let vault = Vault::new();
    let data = Data::demo();
    let made = vault.backup_at_rest(&data);
    let age = |file: &Path| {
        let mut command = Command::new("age");
        let out = command.args(["-d", "-i"]).arg(vault.path("identity")).arg(file).output();
        let out = out.expect("age is installed: ops/setup.sh test");
        assert!(out.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&out.stderr));
        out.stdout
    };
    let manifest = age(&vault.path("place/backups").join(made["id"].as_str().unwrap()).join("manifest.age"));
    let end = manifest.iter().position(|byte| *byte == b'\n').unwrap();
    let manifest: Value = serde_json::from_slice(&manifest[end + 1..]).unwrap();
    let files = manifest["files"].as_array().unwrap();
    let sha256 = |bytes: &[u8]| semper_ttp::digest::Digest::of(bytes).to_string();
    let mut read = 0;
    for file in files {
        if let Some(stored) = file["content"]["stored"]["name"].as_str() {
            let path = vault.path("place/files").join(stored);
            assert_eq!(sha256(&fs::read(&path).unwrap()), stored, "named by what it is");
            let plain = age(&path);
            assert_eq!(Some(sha256(&plain).as_str()), file["sha256"].as_str());
            assert_eq!(Some(plain.len() as u64), file["bytes"].as_u64());
            read += 1;
        }
        // Nothing that opens the keys, no anchor, no journal.
        let path = file["path"].as_str().unwrap();
        assert!(!path.contains("passphrase") && !path.contains("anchor") && !path.contains("erasures"), "{path}");
    }
    assert!(read > 5 && files.len() > 30, "{read} of {}", files.len());
    // And the other way round: an identity of age-keygen serves.
    let theirs = vault.path("theirs");
    assert!(Command::new("age-keygen").arg("-o").arg(&theirs).output().expect("age-keygen").status.success());
    let text = fs::read_to_string(&theirs).unwrap();
    let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    let other = Vault::of(&theirs, recipient);
    other.backup_at_rest(&data);
    other.verify(&[]).expect(0);
}

/// An older backup is completed from a static export: the ledger is whole, the tokens in between are lost and said to be.
#[test]
fn an_older_backup_is_completed_from_the_public_copy() {
    let vault = Vault::new();
    let server = Server::demo();
    stamp_many(server.http(), 300);
    let made = vault.backup(&server);
    stamp_many(server.http(), 500);
    let data = server.stop();
    let public = vault.path("public");
    data.export(&public).expect(0);
    let anchor = anchor_of(&data);
    let (source, missing) = (public.to_str().unwrap().to_owned(), vault.path("nowhere").to_str().unwrap().to_owned());
    vault.restore(&data, "new", &["--anchor", &anchor, "--complete-from", &missing]).expect(69);

    // Not with a byte of an entry changed, nor from another log.
    let tile = public.join("tile/entries/002");
    let good = fs::read(&tile).unwrap();
    let mut bytes = good.clone();
    bytes[45] ^= 1;
    fs::write(&tile, &bytes).unwrap();
    vault.restore(&data, "new", &["--anchor", &anchor, "--complete-from", &source]).expect(1);
    fs::write(&tile, &good).unwrap();
    let stranger = Data::own();
    let other = vault.path("other");
    stranger.export(&other).expect(0);
    vault.restore(&data, "new", &["--anchor", &anchor, "--complete-from", other.to_str().unwrap()]).expect(1);
    assert!(!vault.path("new").exists());

    let restored = json(vault.restore(&data, "new", &["--anchor", &anchor, "--complete-from", &source]).expect(0));
    assert!(restored["size"].as_u64() > made["size"].as_u64(), "{restored}");
    let words = restored["completed"].as_str().expect("what was lost");
    assert!(words.contains("timestamp.token between") && words.contains("can still prove it"), "{words}");
    let new = vault.restored(&data, "new");
    let checked = run(&args(&["fsck", "--full", "--data"], &[new.path()]));
    checked.expect(0);
    assert!(checked.stdout.contains("are lost since a restore, which is known"), "{checked:#?}");
    // Each by its digest, under which its holder can prove it.
    let listed = run(&args(&["audit", "--json", "--tokens", "--data"], &[new.path()]));
    let listed: Vec<Value> =
        listed.expect(2).stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let lost: Vec<_> = listed.iter().filter(|line| line["lost"] == true).collect();
    assert!(lost.len() >= 500 && listed.len() - lost.len() >= 300, "{} of {}", lost.len(), listed.len());
    assert!(lost.iter().all(|line| line["index"].as_u64() >= made["size"].as_u64()), "{lost:#?}");
    let digest = lost.first().and_then(|line| line["digest"].as_str()).expect("a digest");
    let server = new.serve();
    assert_eq!(get(server.http(), &format!("/ledger/proof/inclusion?digest={digest}")).status, 200);
    assert!(granted_by(server.http()));
    let path = format!("/ledger/proof/consistency?from={}&to={}", restored["size"], shown(&server).0);
    assert_eq!(get(server.http(), &path).status, 200);
    let new = server.stop();
    new.fsck().expect(0);
    // The new export continues the old one.
    new.export(&public).expect(0);
}

/// No anchor any more: the witnesses stand in for it.
#[test]
fn a_witness_that_has_seen_more_refuses_a_new_anchor() {
    let vault = Vault::new();
    let data = Data::own();
    let log = data.log_key();
    let remembers = WitnessData::new(&[&log]);
    let witness: Witness = remembers.serve();
    let policy = vault.path("policy");
    fs::write(&policy, remembers.sole_policy(&log, &witness)).unwrap();
    data.set("witnesses.policy_path", &format!("{policy:?}")).set("witnesses.interval_ms", "50");
    let server = data.serve();
    stamp_many(server.http(), 30);
    let first = vault.backup(&server);
    stamp_many(server.http(), 30);
    let path = format!("/ledger/proof/inclusion?index={}&wait=witnessed", first["size"].as_u64().unwrap() + 5);
    assert_eq!(get(server.http(), &path).status, 200);
    let data = server.stop();
    let public = vault.path("public");
    data.export(&public).expect(0);
    let old = first["id"].as_str().unwrap();

    let refused = vault.restore(&data, "new", &["--new-anchor", "--unwitnessed", "--backup", old]);
    refused.expect(1);
    assert!(refused.stdout.contains("the witness W knows"), "{refused:#?}");
    // For reading only, without any anchor: nobody can make it go on.
    json(vault.restore(&data, "old", &["--new-anchor", "--unwitnessed", "--backup", old, "--read-only"]).expect(0));
    let frozen = vault.restored(&data, "old");
    let server = frozen.serve();
    assert_eq!(Some(shown(&server).0), first["size"].as_u64());
    assert!(get(server.admin(), "/readyz").text().contains("the witness W knows"));
    server.stop();
    fs::remove_file(vault.path("old/READ-ONLY")).unwrap();
    assert_ne!(frozen.serve_to_the_end(&[]).code, Some(0));
    let source = public.to_str().unwrap();
    let restored =
        json(vault.restore(&data, "new", &["--new-anchor", "--backup", old, "--complete-from", source]).expect(0));
    assert!(restored["completed"].is_string(), "{restored}");
    vault.restored(&data, "new").fsck().expect(0);
    // The newest backup reaches what the witness has seen: it vouches.
    vault.backup_at_rest(&data);
    let restored = json(vault.restore(&data, "newest", &["--new-anchor"]).expect(0));
    assert!(restored["compared"].as_str().unwrap().contains("1 of 1 witnesses"), "{restored}");
    let server = vault.restored(&data, "newest").serve();
    assert!(granted_by(server.http()));
    drop(server);
    // Nobody answers.
    drop(witness);
    // Not even then does the old one go on: what the witness showed was kept in it.
    let remake = run(&args(&["anchor", "remake", "--unwitnessed", "--data"], &[frozen.path()]));
    assert!(remake.expect(1).stderr.contains("others have seen"), "{remake:#?}");
    vault.restore(&data, "third", &["--new-anchor"]).expect(2);
    json(vault.restore(&data, "third", &["--new-anchor", "--unwitnessed"]).expect(0));
}

/// The erasure journal is shipped by itself, and a restore wants it.
#[test]
fn the_erasure_journal_goes_its_own_way() {
    let vault = Vault::new();
    let server = Server::demo();
    let to = vault.path("erasures");
    let ship = |data: &Path| run(&args(&["backup", "journal", "--json", "--data"], &[data, Path::new("--to"), &to]));
    assert_eq!(json(ship(server.dir()).expect(0))["erasures"].as_u64(), Some(0));
    let data = server.stop();
    vault.backup_at_rest(&data);
    let words = |journal: &Path| {
        let mut words = args(&["restore", "--json", "--from"], &[&vault.path("place"), Path::new("--identity")]);
        words.extend(args(&[], &[&vault.path("identity"), Path::new("--data"), &vault.path("new")]));
        words.extend(args(&["--passphrase-file"], &[&data.path().join("passphrase"), Path::new("--journal"), journal]));
        words.extend(args(&["--anchor", &anchor_of(&data)], &[]));
        words
    };
    // Another log's, a cut one, one that names an entry that erased nothing.
    let good = fs::read_to_string(&to).unwrap();
    for bad in [good.replace("semper-erasures/1 ", "semper-erasures/1 0"), good[..20].to_owned(), String::new()] {
        fs::write(&to, bad).unwrap();
        run(&words(&to)).expect(1);
    }
    let origin =
        json(&run(&args(&["fsck", "--json", "--data"], &[data.path()])))["origin"].as_str().unwrap().to_owned();
    let line = semper_ledger::erasure::Chain::new(&origin).next(3, [7; 32], Vec::new());
    fs::write(&to, format!("{good}{}", line.encode())).unwrap();
    run(&words(&to)).expect(1);
    assert!(!ship(data.path()).stdout.is_empty());
    ship(data.path()).expect(1); // longer than the service's own: that one was put back
    fs::write(&to, &good).unwrap();
    json(run(&words(&to)).expect(0));
}
