//! When the server does not start, or says no before it does anything: folders, locks, stores and files that are not as they
//! must be. Nothing is changed by being refused.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use semper_tests::server::{Data, Server, copy_folder, run};
use semper_tests::stamp::granted_by;

#[test]
fn data_in_use_is_refused_and_the_first_server_goes_on() {
    let server = Server::demo();
    for command in ["serve", "fsck"] {
        let path = server.dir().to_str().expect("a path in UTF-8");
        let mut args = vec![command, "--data", path];
        if command == "serve" {
            args.extend(["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        }
        let end = run(&args);
        end.expect(75);
        assert!(end.stderr.contains("open in another process"), "{end:#?}");
        assert!(!end.stdout.contains("listening"), "{end:#?}");
    }
    // For a program, as JSON.
    let end = server.data().serve_to_the_end(&["--json"]);
    end.expect(75);
    let said: serde_json::Value = serde_json::from_str(&end.stdout).expect("one JSON document");
    assert!(said["error"].as_str().is_some_and(|error| error.contains("open in another process")), "{said}");
    assert!(granted_by(server.http()));
}

#[test]
fn a_folder_whose_making_broke_off_is_refused() {
    let data = Data::demo();
    fs::write(data.path().join("INCOMPLETE"), "").expect("a file");
    for end in [data.serve_to_the_end(&[]), data.fsck()] {
        end.expect(64);
        assert!(end.stderr.contains("init"), "it says what broke off: {end:#?}");
    }
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    for folder in [empty.path().to_owned(), empty.path().join("missing")] {
        let path = folder.to_str().expect("a path in UTF-8");
        for args in [&["serve", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"][..], &["fsck"]] {
            let end = run(&[args, &["--data", path]].concat());
            end.expect(64);
            assert!(end.stderr.contains(path), "it names the folder: {end:#?}");
        }
    }
    assert_eq!(fs::read_dir(empty.path()).expect("still there").count(), 0, "and leaves it as it was");
    // One that cannot be looked into is not missing.
    let file = empty.path().join("file");
    fs::write(&file, "").expect("a file");
    let end = run(&["fsck", "--data", file.to_str().expect("a path in UTF-8")]);
    assert!(end.expect(64).stderr.contains("cannot look into"), "{end:#?}");
}

/// An old backup put back under a newer anchor: going on would fork the log.
#[test]
fn a_rolled_back_store_is_refused() {
    let data = Data::demo();
    let server = data.serve();
    assert!(granted_by(server.http()));
    server.stop();
    let (store, backup) = (data.path().join("store"), data.path().join("../backup"));
    copy_folder(&store, &backup);
    let server = data.serve();
    for _ in 0..3 {
        assert!(granted_by(server.http()));
    }
    server.stop();
    let newer = data.path().join("../newer");
    fs::rename(&store, &newer).expect("one file system");
    copy_folder(&backup, &store);
    let refused = Server::try_start(data.path(), &[], &[]);
    let end = refused.err().expect("a rolled-back store was opened");
    end.expect(70);
    assert!(end.stderr.contains("older than its anchor"), "{end:#?}");
    data.fsck().expect(1);
    // Nothing was spoilt by the attempt: with its own store back, it goes on.
    fs::remove_dir_all(&store).expect("the copy");
    fs::rename(&newer, &store).expect("one file system");
    assert!(granted_by(data.serve().http()));
}

/// The files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries
        .map(|file| (file.file_name().to_string_lossy().into_owned(), fs::read(file.path()).expect("a file")))
        .collect()
}

/// A byte flips in the log of a killed server. RocksDB would read up to it, write that into a table file and delete the log
/// with all the sound groups behind; they are evidence, so a start that is refused must leave every byte as it was.
#[test]
fn a_refused_start_changes_no_byte_of_the_store() {
    let data = Data::demo();
    let server = data.serve();
    for _ in 0..20 {
        assert!(granted_by(server.http()));
    }
    server.kill9();
    let store = data.path().join("store");
    let log = files(&store).into_iter().filter(|(name, _)| name.ends_with(".log")).max_by_key(|(_, bytes)| bytes.len());
    let (name, sound) = log.expect("a write-ahead log");
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    fs::write(store.join(&name), flipped).expect("the log");
    let before = files(&store);
    for check in [&["--check"][..], &[], &[]] {
        let end = data.serve_to_the_end(check);
        assert!(matches!(end.code, Some(64 | 70)), "{end:#?}");
        assert!(end.stderr.contains("older than its anchor"), "{end:#?}");
        let after = files(&store);
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "files came or went");
        assert!(after == before, "a file was rewritten");
    }
    let end = data.fsck();
    end.expect(1);
    assert!(end.stdout.contains(&name), "fsck names the file: {end:#?}");
    assert!(files(&store) == before, "fsck changed a file");
    // With the byte put right, everything that was answered is there.
    fs::write(store.join(&name), sound).expect("the log");
    assert!(granted_by(data.serve().http()));
    data.fsck().expect(0);
}

/// `fsck` holds the anchor; a start that meets it must not have touched the store by then.
#[test]
fn a_start_that_finds_the_anchor_in_use_changes_no_byte_of_the_store() {
    let data = Data::demo();
    let anchor = fs::File::open(data.path().join("anchor")).expect("the anchor");
    anchor.try_lock().expect("nobody else has it");
    let store = data.path().join("store");
    let before = files(&store);
    let end = data.serve_to_the_end(&[]);
    assert!(end.stderr.contains("open in another process"), "{end:#?}");
    assert!(files(&store) == before, "the store was opened");
    drop(anchor);
    assert!(granted_by(data.serve().http()));
}

/// A start at an address where somebody listens leaves nothing behind, not even the entry that tells of a start.
#[test]
fn a_start_that_finds_its_address_taken_changes_no_byte_of_the_store() {
    let data = Data::demo();
    let (free, taken) = ("127.0.0.1:0", TcpListener::bind("127.0.0.1:0").expect("a port"));
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).expect("its address");
    let before = files(&data.path().join("store"));
    for (http, https, admin) in [(&*taken.1, free, free), (free, &*taken.1, free), (free, free, &*taken.1)] {
        let folder = data.path().to_str().expect("a path in UTF-8");
        let end = run(&["serve", "--data", folder, "--http", http, "--https", https, "--admin", admin]);
        assert!(end.expect(75).stderr.contains(&format!("cannot listen on {}", taken.1)), "{end:#?}");
        assert!(files(&data.path().join("store")) == before, "the store was opened");
    }
}

/// Settings that name another anchor do not open the store of a running server.
#[test]
fn another_anchor_is_no_way_around_the_lock() {
    let server = Server::demo();
    let data = server.data();
    data.set("ledger.anchor_path", "\"other\"");
    data.fsck().expect(75);
    let out = tempfile::tempdir().expect("a temporary folder");
    // An anchor that is there and free is none, either.
    fs::copy(data.path().join("anchor"), data.path().join("other")).expect("a copy of the anchor");
    let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let export = ["export", "--data", &path(data.path()), "--out", &path(out.path())].map(str::to_owned);
    for end in [data.fsck(), run(&export), data.serve_to_the_end(&[])] {
        assert!(end.code == Some(75) && end.stderr.contains("open in another process"), "{end:#?}");
    }
    assert!(granted_by(server.http()));
    data.set("ledger.anchor_path", "\"anchor\"");
    server.stop().fsck().expect(0);
}

#[test]
fn a_lost_anchor_is_refused() {
    let data = Data::demo();
    let server = data.serve();
    assert!(granted_by(server.http()));
    server.stop();
    fs::rename(data.path().join("anchor"), data.path().join("anchor.away")).expect("the anchor lies beside the store");
    let end = Server::try_start(data.path(), &[], &[]).err().expect("a store without its anchor was opened");
    end.expect(70);
    assert!(end.stderr.contains("no anchor at ") && end.stderr.contains("ledger.anchor_path"), "{end:#?}");
    let end = data.fsck();
    assert!(!end.expect(2).stdout.contains(", anchor,"), "what was not looked at is not told as checked: {end:#?}");
}

/// What is lost or damaged is no slip of the operator's: 70, and a sentence that says what.
#[test]
fn a_damaged_folder_is_our_fault() {
    let other = Data::own();
    let foreign = fs::read(other.path().join("anchor")).expect("an anchor");
    type Damage<'a> = &'a dyn Fn(&std::path::Path);
    let write = |name: &'static str, bytes: Vec<u8>| {
        move |data: &std::path::Path| fs::write(data.join(name), &bytes).expect("a file of the service")
    };
    let cases: [(&str, Damage<'_>, &str, i32); 6] = [
        ("a torn anchor", &write("anchor", vec![0xA5; 8192]), "the anchor holds no checkpoint", 1),
        ("an anchor cut short", &write("anchor", vec![]), "the anchor holds no checkpoint", 1),
        ("another log's anchor", &write("anchor", foreign), "the anchor belongs to another log", 1),
        ("a store that is no store", &write("store/CURRENT", b"nonsense\n".to_vec()), "does not open", 1),
        (
            "no store",
            &|data| fs::remove_dir_all(data.join("store")).expect("the store's folder"),
            "there is no store",
            2,
        ),
        ("another identity", &write("identity.json", b"{}".to_vec()), "identity.json does not read", 2),
    ];
    for (what, damage, sentence, fsck) in cases {
        let data = Data::demo();
        damage(data.path());
        for args in [&[][..], &["--check"]] {
            let end = data.serve_to_the_end(args);
            assert_eq!(end.code, Some(70), "{what}: {end:#?}");
            assert!(end.stderr.contains(sentence), "{what}: {end:#?}");
        }
        let end = data.fsck();
        assert_eq!(end.code, Some(fsck), "{what}: {end:#?}");
    }
}

#[test]
fn a_wrong_configuration_is_usage_and_names_the_key() {
    let data = Data::demo();
    for (key, value, wanted) in [
        ("limits.body_bytes_maximum", "1", "body_bytes_maximum"),
        ("limits.body_bytes_max", "0", "limits.body_bytes_max"),
        ("tsa.accuracy_ms", "\"soon\"", "line"),
        ("nonsense.key", "1", "nonsense"),
    ] {
        let path = data.path().join("semper.toml");
        let before = fs::read(&path).expect("semper.toml");
        data.set(key, value);
        for check in [&["--check"][..], &[]] {
            let end = data.serve_to_the_end(check);
            end.expect(64);
            assert!(end.stderr.contains(wanted), "{key}: {end:#?}");
        }
        fs::write(&path, before).expect("semper.toml");
    }
}

#[test]
fn check_says_ok_and_starts_nothing() {
    let data = Data::demo();
    let end = data.serve_to_the_end(&["--check"]);
    end.expect(0);
    assert!(!end.stdout.contains("listening") && !end.stdout.contains("ready"), "{end:#?}");
    // In order, and yet no token would be issued.
    data.set("storage.disk_free_min_bytes", "1125899906842624");
    let end = data.serve_to_the_end(&["--check"]);
    assert!(end.expect(1).stdout.contains("it would not be ready now: disk: "), "{end:#?}");
    // While a server runs as well: nothing is locked for a check, or it says clearly that the data is in use.
    let key = fs::read_dir(data.path().join("keys")).expect("keys").flatten().map(|entry| entry.path());
    let key = key.into_iter().find(|path| path.to_string_lossy().contains("tsu-ec")).expect("the unit's key");
    fs::write(&key, b"no key").expect("the key file");
    let end = data.serve_to_the_end(&["--check"]);
    // It may as well be the passphrase that is wrong, which the operator sets.
    end.expect(64);
    assert!(end.stderr.contains("tsu-ec"), "{end:#?}");
}

/// A folder that an earlier program made does not say of which log its promise is; nor can a backup of it be changed.
#[test]
fn an_older_promise_is_sound() {
    let data = Data::demo();
    let file = data.trust_folder().join("ledger.json");
    for (text, code) in [
        ("{\"mmd_ms\":5000}\n", 0),
        ("{\"mmd_ms\":4999}\n", 1),
        ("{\"mmd_ms\":5000,\"origin\":\"another.example\"}\n", 1),
        ("{\n", 1),
    ] {
        fs::write(&file, text).expect("trust/ledger.json");
        let _ = data.fsck().expect(code);
    }
}

#[test]
fn init_overwrites_nothing() {
    let data = Data::demo();
    let path = data.path().to_str().expect("a path in UTF-8");
    let before = fs::read(data.trust_folder().join("root.pem")).expect("root.pem");
    run(&["init", "--demo", "--data", path]).expect(64);
    assert_eq!(fs::read(data.trust_folder().join("root.pem")).expect("root.pem"), before);
    data.fsck().expect(0);
}

/// What a power cut leaves of the anchor, or a flipped byte: told as what it is, and mended by the next start.
#[test]
fn a_torn_slot_of_the_anchor_is_told_and_mended() {
    let server = Server::demo();
    assert!(granted_by(server.http()));
    let data = server.stop();
    for slot in [0, 1] {
        let mut anchor = fs::read(data.path().join("anchor")).expect("the anchor");
        anchor[slot * 4096 + 100] ^= 1;
        fs::write(data.path().join("anchor"), anchor).expect("the anchor");
        let end = data.fsck();
        let said = &end.expect(1).stdout;
        assert!(said.contains(&format!("  torn     anchor (slot {slot}): ")), "{end:#?}");
        assert!(said.contains("as a power cut may leave it: 1 finding. The next start"), "{end:#?}");
        let server = data.serve();
        assert!(granted_by(server.http()));
        assert!(server.stderr().contains("a slot of the anchor is torn"), "{}", server.stderr());
        server.stop().fsck().expect(0);
    }
}

/// What lies beside the store is compared with what the ledger says of it, and a damaged file is told as what it is: it
/// makes no row a suspect.
#[test]
fn fsck_locates_a_flipped_byte_in_the_files_beside_the_store() {
    let data = Data::demo();
    let path = |file: &str| data.path().join(file);
    let quick = || run(&["fsck", "--json", "--data", data.path().to_str().expect("a path in UTF-8")]);
    // Runs fsck with one octet of a file changed; gives what it says of files.
    let found = |file: &str, at: usize, mask: u8| -> Vec<String> {
        let good = fs::read(path(file)).expect("a file");
        let mut bad = good.clone();
        bad[at] ^= mask;
        fs::write(path(file), bad).expect("a file");
        let end = quick();
        fs::write(path(file), good).expect("a file");
        end.expect(1);
        let said: serde_json::Value = serde_json::from_str(&end.stdout).expect("JSON");
        assert_eq!(said["findings"], serde_json::json!([]), "{file} byte {at}: rows are accused");
        let files = said["files"].as_array().expect("a list").iter();
        files.map(|finding| finding["file"].as_str().expect("a name").to_owned()).collect()
    };
    let mut files: Vec<_> =
        ["root.pem", "tsa-chain.pem", "ledger.vkey", "ledger.json", "receipt.pem"].map(|n| format!("trust/{n}")).into();
    let certificates = fs::read_dir(path("certs")).expect("certs").flatten();
    files.extend(certificates.map(|entry| format!("certs/{}", entry.file_name().to_string_lossy())));
    assert!(files.len() > 8, "{files:?}");
    for (number, file) in files.iter().enumerate() {
        let length = fs::metadata(path(file)).expect("a file").len() as usize;
        for (at, mask) in [(0, 1), (number * 97 % length, 2), (length / 2, 64), (length - 1, 1)] {
            let found = found(file, at, mask);
            assert!(found.contains(file), "byte {at} of {file}: {found:?}");
        }
    }
    let identity = fs::read_to_string(path("identity.json")).expect("identity.json");
    for value in ["public_url", "country", "organisation", "organisation_identifier"] {
        let at = identity.find(&format!("\"{value}\":\"")).expect("a member") + value.len() + 5;
        assert_eq!(found("identity.json", at, 2), ["identity.json"], "{value}");
    }
    // Every key at once: each takes its time.
    let keys: Vec<_> = fs::read_dir(path("keys")).expect("keys").flatten().map(|entry| entry.path()).collect();
    let good: Vec<_> = keys.iter().map(|key| fs::read(key).expect("a key")).collect();
    let end = data.fsck();
    end.expect(0);
    assert!(!end.stdout.contains("not checked: keys"), "{end:#?}");
    for place in [2, 3] {
        // One stays as it is: if none opened, the passphrase would be in doubt and not the files.
        for (key, good) in keys.iter().zip(&good).skip(1) {
            let mut bad = good.clone();
            // The middle, and the last block, of the sealed octets.
            let at = if place == 2 { good.len() / 2 } else { good.len() - 60 };
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            fs::write(key, bad).expect("a key");
        }
        let end = data.fsck();
        end.expect(1);
        for key in &keys[1..] {
            let name = key.file_name().expect("a name").to_string_lossy();
            assert!(end.stdout.contains(&format!("keys/{name}: ")), "{name}: {end:#?}");
        }
    }
    for (key, good) in keys.iter().zip(&good) {
        fs::write(key, good).expect("a key");
    }
    let other = data.path().join("other");
    fs::write(&other, "another passphrase").expect("a file");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).expect("its mode");
    data.set("keys.passphrase_file", &format!("{:?}", other.to_str().expect("UTF-8")));
    data.fsck().expect(2);
    fs::remove_file(other).expect("a file");
    // Without the passphrase they are left out, and that is said.
    data.set("keys.passphrase_file", "\"nowhere\"");
    let end = data.fsck();
    assert!(end.code == Some(0) && end.stdout.contains("not checked: keys/: "), "{end:#?}");
}
