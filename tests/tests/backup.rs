//! Backup and restore: a copy under load, what is stored once, what a flipped byte does, and the rules of anchor and witnesses.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use semper_tests::http::{Connection, get};
use semper_tests::server::{Data, Finished, Server, command, run, run_command};
use semper_tests::stamp::{Load, Record, granted_by, load, stamp_many};
use serde_json::Value;
use tempfile::TempDir;

/// The operator's other machine: an identity, and a place for backups.
struct Vault {
    dir: TempDir,
    recipient: String,
}

impl Vault {
    fn new() -> Self {
        let dir = TempDir::with_prefix("semper-vault-").expect("a temporary folder");
        let end = run(&args(&["backup", "keygen", "--to"], &[&dir.path().join("identity")]));
        let recipient = end.expect(0).stdout.trim().to_owned();
        assert!(recipient.starts_with("age1"), "{recipient}");
        Self { dir, recipient }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn backup_command(&self, data: &Data, admin: Option<&str>) -> Command {
        let mut command = command(&["backup", "run", "--json", "--recipient", &self.recipient, "--data"]);
        command.arg(data.path()).arg("--to").arg(self.path("place"));
        if let Some(admin) = admin {
            command.args(["--admin", admin]);
        }
        command
    }

    /// `semper backup run` while a server runs.
    fn backup(&self, server: &Server) -> Value {
        let end = run_command(self.backup_command(server.data(), Some(&server.admin().to_string())));
        json(end.expect(0))
    }

    /// `semper backup run` where none does.
    fn backup_at_rest(&self, data: &Data) -> Value {
        json(run_command(self.backup_command(data, None)).expect(0))
    }

    fn verify(&self, options: &[&str]) -> Finished {
        let mut words = args(&["backup", "verify", "--json", "--from"], &[&self.path("place")]);
        words.extend(args(&["--identity"], &[&self.path("identity")]));
        words.extend(args(&["--work"], &[self.dir.path()]));
        words.extend(options.iter().map(OsString::from));
        run(&words)
    }

    /// `semper restore` into `to`; the demonstration's passphrase lies in its old folder.
    fn restore(&self, old: &Data, to: &str, options: &[&str]) -> Finished {
        let mut words = args(&["restore", "--json", "--from"], &[&self.path("place")]);
        words.extend(args(&["--identity"], &[&self.path("identity")]));
        words.extend(args(&["--data"], &[&self.path(to)]));
        words.extend(args(&["--passphrase-file"], &[&old.path().join("passphrase")]));
        words.extend(args(&["--no-erasures"], &[]));
        words.extend(options.iter().map(OsString::from));
        run(&words)
    }

    /// The restored folder, with the passphrase where its settings have it.
    fn restored(&self, old: &Data, to: &str) -> Data {
        fs::copy(old.path().join("passphrase"), self.path(to).join("passphrase")).expect("the passphrase");
        Data::at(&self.path(to))
    }

    fn stored(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(self.path("place/files")).expect("files").map(|it| it.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn args(words: &[&str], paths: &[&Path]) -> Vec<OsString> {
    words.iter().map(OsString::from).chain(paths.iter().map(|path| path.as_os_str().to_owned())).collect()
}

fn json(end: &Finished) -> Value {
    serde_json::from_str(&end.stdout).unwrap_or_else(|error| panic!("{error}: {end:#?}"))
}

fn anchor_of(data: &Data) -> String {
    data.path().join("anchor").to_str().expect("UTF-8").to_owned()
}

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
    let other = Vault { dir: TempDir::with_prefix("semper-vault-").unwrap(), recipient: vault.recipient.clone() };
    fs::copy(vault.path("identity"), other.path("identity")).unwrap();
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
    refused.expect(1);
    assert!(refused.stdout.contains("--new-anchor"), "{refused:#?}");
    // No witnesses to ask.
    vault.restore(&data, "new", &["--new-anchor"]).expect(2);
    // Another log's anchor.
    let stranger = Data::own();
    vault.restore(&data, "new", &["--anchor", &anchor_of(&stranger)]).expect(1);
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
