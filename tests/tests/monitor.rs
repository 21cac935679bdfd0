//! `semper monitor`: a ledger that runs, logs that go wrong in every way, and what comes out of it: evidence that `semper
//! verify` accepts, alerts, and nothing where nothing is.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::Entry;
use semper_ledger::note::Note;
use semper_tests::http::{self, get};
use semper_tests::liar::{liar, response, silent};
use semper_tests::monitor::{MonitorState, entries, entry, judge, publish};
use semper_tests::server::{Data, Server};
use semper_tests::stamp::stamp_many;
use semper_tests::witness::{TestLog, WitnessData};
use tempfile::TempDir;

const ORIGIN: &str = "log.example/1";

/// A log as a folder, and somebody who watches it.
struct Watched {
    log: TestLog,
    folder: TempDir,
    state: MonitorState,
}

impl Watched {
    /// A log of these entries that was followed so far.
    fn new(entries: &[Vec<u8>]) -> Self {
        let log = TestLog::new(ORIGIN, "e");
        let watched =
            Self { state: MonitorState::new(log.key()), log, folder: tempfile::tempdir().expect("a temporary folder") };
        if !entries.is_empty() {
            watched.publish(entries);
            let told = watched.state.expect(&watched.place(), &[], 0);
            assert_eq!((told["size"].as_u64(), told["misbehaviour"].is_null()), (Some(entries.len() as u64), true));
        }
        watched
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn place(&self) -> String {
        self.path().display().to_string()
    }

    fn publish(&self, entries: &[Vec<u8>]) {
        publish(&self.path(), &self.log, entries);
    }

    /// The log shows this, and is convicted of it.
    fn convicted(&self, entries: &[Vec<u8>], kind: &str, says: &str) {
        self.publish(entries);
        let told = self.state.expect(&self.place(), &[], 1);
        assert_eq!(told["misbehaviour"]["kind"], kind, "{told}");
        assert_eq!(told["misbehaviour"]["verdict"], "proven", "{told}");
        let judged = self.state.judge();
        let [judged] = &judged[..] else { panic!("{judged:#?}") };
        let said = &judged.expect(0).stdout;
        assert!(said.contains("\nPROVEN: ") && said.contains(says), "{said}");
        // Whatever the log shows from now on.
        self.publish(&entries[..1]);
        let again = self.state.once(&self.place(), &[]);
        assert!(again.expect(1).stdout.contains("convicted before"), "{again:#?}");
    }
}

/// All entries that a service serves.
fn entries_of(host: SocketAddr) -> Vec<Vec<u8>> {
    http::entries(host).iter().map(Entry::encode).collect()
}

#[test]
fn other_histories_convict() {
    let honest = entries(700);
    let mut forked = honest.clone();
    forked[300] = entry(999, 1_300, &[]);
    let longer = [forked.clone(), entries(900)[700..].to_vec()].concat();
    for shown in [&forked[..], &longer, &forked[..400]] {
        Watched::new(&honest).convicted(shown, "split-view", "signed two histories");
    }
    // The part that both have in common is no fork.
    let watched = Watched::new(&honest[..300]);
    watched.publish(&forked);
    assert_eq!(watched.state.expect(&watched.place(), &[], 0)["new"], 400);
}

#[test]
fn entries_convict_a_ledger_of_ours() {
    let mut log = entries(20_000);
    log[3] = entry(3, 1_003, &[7, 8]);
    log[19_000] = entry(19_000, 20_000, &[6, 7]);
    Watched::new(&log[..10]).convicted(&log, "equivocation", "its entries 3 and 19000 bear the same tag");
    let mut log = entries(600);
    log[400] = entry(400, 1_398, &[]);
    Watched::new(&[]).convicted(&log, "time", "400");
    let mut log = entries(600);
    log[400] = b"Dear Sir or Madam".to_vec();
    Watched::new(&[]).convicted(&log, "broken-rule", "400");
}

#[test]
fn a_strangers_log_is_followed_and_held_to_its_tree_alone() {
    let mut lines: Vec<Vec<u8>> = (0..600).map(|n| format!("line {n}").into_bytes()).collect();
    lines[7] = Vec::new();
    lines[8] = vec![b'x'; 65_535];
    lines[9] = entry(9, 5, &[1]);
    lines[10] = entry(10, 4, &[1]);
    let watched = Watched::new(&lines[..300]);
    lines[100] = b"another".to_vec();
    watched.convicted(&lines, "split-view", "signed two histories");
}

#[test]
fn a_log_set_back_is_reported_and_nobody_can_prove_when() {
    let watched = Watched::new(&entries(700));
    watched.publish(&entries(500));
    let told = watched.state.expect(&watched.place(), &["--rollback-secs", "0"], 1);
    assert_eq!((&told["misbehaviour"]["kind"], &told["misbehaviour"]["verdict"]), (&"rollback".into(), &"open".into()));
    watched.state.judge()[0].expect(2);
    // It convicts nobody, so whoever watches goes on: with what is in order again, and with the next one.
    let longer = entries(800);
    watched.publish(&longer);
    assert_eq!(watched.state.expect(&watched.place(), &[], 0)["new"], 100);
    watched.publish(&longer[..500]);
    let told = watched.state.expect(&watched.place(), &["--rollback-secs", "0"], 1);
    assert_eq!(told["misbehaviour"]["kind"], "rollback", "{told}");
    assert_eq!(watched.state.judge().len(), 2);
    // A conviction does end it.
    let mut forked = entries(900);
    forked[7] = entry(8, 1_007, &[]);
    watched.publish(&forked);
    assert_eq!(watched.state.expect(&watched.place(), &[], 1)["misbehaviour"]["kind"], "split-view");
    watched.publish(&longer);
    assert!(watched.state.once(&watched.place(), &[]).expect(1).stdout.contains("convicted before"));
}

#[test]
fn a_monitor_that_runs_tells_a_rollback_once_and_goes_on() {
    let log = entries(700);
    let watched = Watched::new(&log);
    watched.publish(&log[..500]);
    let mut monitor = watched.state.follow(&watched.place(), &["--rollback-secs", "1"]);
    let admin = monitor.admin();
    assert!(monitor.line().contains("following log.example/1 at "));
    let shown = "log.example/1 shows 500 entries, and 700 were verified before";
    assert!(monitor.line().contains(shown));
    let lines = [monitor.line(), monitor.line(), monitor.line(), monitor.line(), monitor.line()];
    assert!(
        lines[1].contains("ALARM: the log is ROLLED BACK, or shows it: 500 entries, and it showed 700 before"),
        "{lines:#?}"
    );
    assert!(lines[2].ends_with("evidence/rollback-700-500.pom.json"), "{lines:#?}");
    assert_eq!(get(admin, "/readyz").status, 503);
    let rung = "kind=\"rollback\",origin=\"log.example/1\"} 1";
    while !get(admin, "/metrics").text().contains(rung) {}
    watched.publish(&entries(800));
    assert!(monitor.line().contains("shows again what it signed"));
    assert!(monitor.line().contains(": 800 entries verified, 100 of them new"));
    while get(admin, "/readyz").status != 200 {}
    // What an alert rings on is over; the file stays.
    assert!(!get(admin, "/metrics").text().contains(rung));
    assert_eq!(watched.state.judge().len(), 1);
    assert_eq!(monitor.stop().code, Some(0));
}

/// A single round waits as long as a cache may be late, and says that once: in words, or not at all in its one document.
#[test]
fn a_single_round_says_once_that_it_waits() {
    let watched = Watched::new(&entries(700));
    watched.publish(&entries(500));
    let told = watched.state.expect(&watched.place(), &["--rollback-secs", "2"], 1);
    assert_eq!((&told["older"], &told["misbehaviour"]["kind"]), (&500.into(), &"rollback".into()), "{told}");
    let said = watched.state.once_in_words(&watched.place(), &["--rollback-secs", "2"]).expect(1).stdout.clone();
    assert_eq!(said.matches("waiting").count(), 1, "{said}");
}

#[test]
fn an_entry_of_a_newer_version_leaves_it_open() {
    let mut log = entries(600);
    log[300] = entry(300, 1_300, &[7]);
    log[400] = entry(400, 1_400, &[7]);
    log[400][1] = 2;
    let watched = Watched::new(&[]);
    watched.publish(&log);
    for _ in 0..2 {
        let told = watched.state.expect(&watched.place(), &[], 2);
        assert!(told["misbehaviour"].is_null(), "{told}");
        assert_eq!((&told["notices"][0]["alert"], &told["notices"][0]["first"]), (&"newer".into(), &400.into()));
    }
    assert!(watched.state.judge().is_empty());
}

#[test]
fn bytes_that_do_not_fit_prove_nothing() {
    let log = entries(70_000);
    let watched = Watched::new(&[]);
    for (file, says) in [
        ("tile/entries/200", "the tile 200 of level 0 does not follow from the entries"),
        ("tile/1/000", "the tile 0 of level 1"),
        ("tile/0/270", "the tile 270 of level 0"),
        ("tile/1/001.p/17", "the tile 1 of level 1"),
        ("tile/2/000.p/1", "the tile 0 of level 2"),
        ("checkpoint", "the log's newest checkpoint is not one"),
    ] {
        watched.publish(&log);
        let path = watched.path().join(file);
        let mut bytes = fs::read(&path).expect(file);
        *bytes.last_mut().expect("not empty") ^= 1;
        fs::write(&path, bytes).expect(file);
        let end = watched.state.once(&watched.place(), &[]);
        assert!(end.expect(2).stdout.contains(says), "{file}: {end:#?}");
        fs::remove_file(&path).expect(file);
        let end = watched.state.once(&watched.place(), &[]);
        assert!(end.expect(2).stdout.contains(file), "{file}: {end:#?}");
    }
    watched.publish(&log);
    assert_eq!(watched.state.expect(&watched.place(), &[], 0)["size"], 70_000);
    // Tiles that are neither of this history nor of another one.
    watched.publish(&entries(70_400));
    let path = watched.path().join("tile/2/000.p/1");
    let mut bytes = fs::read(&path).expect("the tile");
    bytes[0] ^= 1;
    fs::write(&path, bytes).expect("the tile");
    let end = watched.state.once(&watched.place(), &[]);
    assert!(end.expect(2).stdout.contains("neither to its newest checkpoint nor to another history"), "{end:#?}");
    assert!(watched.state.judge().is_empty());
}

#[test]
fn what_is_no_log_and_who_may_not_watch_it() {
    let watched = Watched::new(&entries(10));
    let nobody = "http://127.0.0.1:1";
    watched.state.once(nobody, &[]).expect(69);
    watched.state.once(&format!("http://{}", silent()), &[]).expect(69);
    watched.state.once("http://", &[]).expect(64);
    watched.state.once("/nowhere", &[]).expect(2);
    let elsewhere = liar(|_| response("404 Not Found", "", "nothing here"));
    watched.state.once(&format!("http://{elsewhere}"), &[]).expect(2);
    let endless = liar(|_| response("200 OK", "Content-Encoding: gzip\r\n", "no gzip"));
    watched.state.once(&format!("http://{endless}"), &[]).expect(2);
    // The memory is of one log, and one monitor works on it.
    watched.state.believe(TestLog::new("log.example/2", "e").key());
    let end = watched.state.once(&watched.place(), &[]);
    assert!(end.expect(64).stdout.contains("of another log"), "{end:#?}");
    watched.state.believe(watched.log.key());
    let mut first = watched.state.follow(&watched.place(), &[]);
    let _ = first.admin();
    watched.state.once(&watched.place(), &[]).expect(75);
    assert_eq!(first.stop().code, Some(0));
}

#[test]
fn lists_of_digests() {
    let watched = Watched::new(&[]);
    let log = entries(600);
    watched.publish(&log);
    let digest = |n: u64| hex::encode([&n.to_be_bytes()[..], &[0; 24]].concat());
    let list = |name: &str, lines: Vec<String>| {
        let path = watched.folder.path().join(name);
        fs::write(&path, lines.join("\n")).expect("a list");
        path.display().to_string()
    };
    let all = |but: u64| (1..600).filter(|n| *n != but).map(digest).collect::<Vec<_>>();
    let known = list("known", all(77));
    let interesting = list("watch", vec![format!("{}  my contract.pdf.tst", digest(400))]);
    let told = watched.state.expect(&watched.place(), &["--known", &known, "--watch", &interesting], 1);
    let notices = told["notices"].as_array().expect("a list");
    let told: Vec<_> =
        notices.iter().map(|notice| (notice["alert"].as_str(), notice["entry"]["index"].as_u64())).collect();
    assert_eq!(told, [(Some("watched"), Some(400)), (Some("unknown"), Some(77))]);
    assert_eq!(notices[0]["name"], "my contract.pdf.tst");
    assert_eq!(notices[1]["entry"]["kind"], "timestamp.token");
    // They stand, until the lists say otherwise.
    let count = |told: &serde_json::Value| told["notices"].as_array().map(Vec::len);
    let again = watched.state.expect(&watched.place(), &["--known", &known, "--watch", &interesting], 1);
    assert_eq!(count(&again), Some(2));
    let again = watched.state.expect(&watched.place(), &["--known", &known], 1);
    assert_eq!((count(&again), &again["notices"][0]["entry"]["index"]), (Some(1), &77.into()));
    let whole = list("known", all(0));
    let again = watched.state.expect(&watched.place(), &["--known", &whole], 0);
    assert_eq!(count(&again), Some(0));
    // A list that is new is compared with old entries, in a folder that has not kept them, too.
    let late = list("late", vec![digest(300), digest(555)]);
    fs::remove_file(watched.state.path().join("entries")).expect("what is kept of the entries");
    let again = watched.state.expect(&watched.place(), &["--known", &whole, "--watch", &late], 1);
    let found: Vec<_> = again["notices"].as_array().expect("a list").iter().map(|notice| &notice["entry"]).collect();
    assert_eq!(found.iter().map(|entry| entry["index"].as_u64()).collect::<Vec<_>>(), [Some(300), Some(555)]);
    assert_eq!((&found[0]["kind"], &found[0]["digest"]), (&"timestamp.token".into(), &digest(300).into()));
    // Nor does a disk that forgets hide one.
    let kept = watched.state.path().join("entries");
    let mut bytes = fs::read(&kept).expect("what is kept of the entries");
    let at = bytes.windows(8).position(|window| window == 444_u64.to_be_bytes()).expect("the digest of entry 444");
    bytes[at + 7] ^= 1;
    fs::write(&kept, bytes).expect("the same, damaged");
    let later = list("later", vec![digest(444)]);
    let again = watched.state.expect(&watched.place(), &["--known", &whole, "--watch", &later], 1);
    assert_eq!((count(&again), &again["notices"][0]["entry"]["index"]), (Some(1), &444.into()));
    // Only kinds that were named.
    let other = MonitorState::new(watched.log.key());
    let none = list("none", vec![]);
    let _ = other.expect(&watched.place(), &["--known", &none, "--known-kind", "ca.crl-issued"], 0);
    let bad = list("bad", vec!["0123".to_owned()]);
    assert!(other.once(&watched.place(), &["--watch", &bad]).expect(64).stdout.contains("line 1"));
}

/// A log need not keep what it showed of a bundle before that was full.
#[test]
fn old_entries_are_read_at_the_width_of_now() {
    let watched = Watched::new(&[]);
    watched.publish(&entries(27));
    let _ = watched.state.expect(&watched.place(), &[], 0);
    fs::remove_file(watched.state.path().join("entries")).expect("what is kept of the entries");
    fs::remove_dir_all(watched.path()).expect("the log");
    watched.publish(&entries(31));
    let list = watched.folder.path().join("watch");
    fs::write(&list, hex::encode([&25_u64.to_be_bytes()[..], &[0; 24]].concat())).expect("a list");
    let told = watched.state.expect(&watched.place(), &["--watch", &list.display().to_string()], 1);
    assert_eq!((&told["size"], &told["notices"][0]["entry"]["index"]), (&31.into(), &25.into()), "{told}");
}

/// Their owners add to the lists while a monitor runs.
#[test]
fn lists_that_change_are_read_again() {
    let watched = Watched::new(&entries(600));
    let digest = |n: u64| hex::encode([&n.to_be_bytes()[..], &[0; 24]].concat());
    let path = |name: &str| watched.folder.path().join(name);
    let write = |name: &str, lines: Vec<String>| {
        fs::write(path("new"), lines.join("\n")).expect("a list");
        fs::rename(path("new"), path(name)).expect("a list");
    };
    write("known", (1..599).map(digest).collect());
    write("watch", vec![]);
    let (known, watch) = (path("known").display().to_string(), path("watch").display().to_string());
    let mut monitor =
        watched.state.follow(&watched.place(), &["--known", &known, "--watch", &watch, "--grace-secs", "0"]);
    let _ = monitor.admin();
    let mut next = |what: &str| {
        let line = monitor.line();
        assert!(line.contains(what), "{line}");
    };
    next("following");
    next("ALERT unknown: entry 599 ");
    write("known", (2..600).map(digest).collect());
    next("no longer unknown: entry 599 ");
    next("ALERT unknown: entry 1 ");
    write("watch", vec![format!("{}  mine", digest(300))]);
    next("ALERT watched: entry 300 ");
    // One that is being written is left for the next look.
    fs::write(path("watch"), "0123").expect("a list");
    watched.publish(&entries(601));
    next(": 601 entries verified, 1 of them new");
    next("ALERT unknown: entry 600 ");
    // Nor is one forgotten while the log cannot be read: what was verified before is compared all the same.
    fs::rename(watched.path().join("checkpoint"), path("away")).expect("the checkpoint");
    write("watch", vec![format!("{}  mine", digest(301))]);
    next("no longer watched: entry 300 ");
    next("ALERT watched: entry 301 ");
    // Or while it shows an older checkpoint.
    watched.publish(&entries(590));
    next("shows 590 entries, and 601 were verified before");
    write("watch", vec![format!("{}  mine", digest(302))]);
    next("no longer watched: entry 301 ");
    next("ALERT watched: entry 302 ");
    assert_eq!(monitor.stop().code, Some(0));
}

/// Somebody puts a line into the checkpoint that only looks like a witness's: that hides nothing else.
#[test]
fn a_bad_cosignature_hides_no_alert() {
    let watched = Watched::new(&entries(300));
    let path = |name: &str| watched.folder.path().join(name);
    let witness = WitnessData::new(&[watched.log.key()]);
    fs::write(path("policy"), format!("witness W {}\nquorum W\n", witness.vkey())).expect("the policy");
    fs::write(path("watch"), hex::encode([&7_u64.to_be_bytes()[..], &[0; 24]].concat())).expect("a list");
    let running = witness.serve();
    let checkpoint = watched.path().join("checkpoint");
    let note = fs::read_to_string(&checkpoint).expect("the checkpoint");
    let line = running.post(format!("old 0\n\n{note}").as_bytes()).text();
    // Another signature under its name and key id, in canonical base64 (the last octet is 0 once in sixteen times).
    let (head, signature) = line.trim_end().rsplit_once(' ').expect("a line of a note");
    let other = if signature.ends_with("AA==") { "BA==" } else { "AA==" };
    let bad = format!("{head} {}{other}\n", &signature[..signature.len() - 4]);
    fs::write(&checkpoint, note + &bad).expect("the checkpoint");
    let [policy, watch] = ["policy", "watch"].map(|name| path(name).display().to_string());
    let told = watched.state.expect(&watched.place(), &["--policy", &policy, "--watch", &watch], 1);
    let alerts: Vec<_> = told["notices"].as_array().into_iter().flatten().map(|notice| &notice["alert"]).collect();
    assert_eq!(alerts, ["watched", "unwitnessed"], "{told}");
}

#[test]
fn a_service_is_followed_while_it_runs() {
    let server = Server::demo();
    let key = server.data().log_key();
    let state = MonitorState::new(&key);
    let size = || {
        let note = Note::parse(&get(server.http(), "/ledger/checkpoint").text()).expect("a note");
        Checkpoint::parse(&note.text).expect("a checkpoint").size
    };
    stamp_many(server.http(), 600);
    // By the server's own URL, and by the log's.
    let first = state.expect(server.url(), &[], 0);
    assert_eq!(first["size"], size());
    stamp_many(server.http(), 300);
    let second = state.expect(&format!("{}/ledger", server.url()), &[], 0);
    assert_eq!(second["new"], size() - first["size"].as_u64().expect("a number"));

    let mut monitor = state.follow(server.url(), &[]);
    let admin = monitor.admin();
    stamp_many(server.http(), 300);
    let size = size();
    while !monitor.line().contains(&format!(": {size} entries verified")) {}
    while get(admin, "/readyz").text() != "ready\n" {}
    let metrics = get(admin, "/metrics").text();
    // The service may have recorded something of its own meanwhile.
    let name = format!("semper_monitor_tree_size{{origin=\"{}\"}} ", key.name());
    let shown = metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok());
    assert!(shown.is_some_and(|shown| shown >= size), "{size}: {metrics}");
    assert!(metrics.contains("kind=\"split-view\",origin=\"") && metrics.contains("} 0"), "{metrics}");
    // A server that goes away is waited for.
    let data = server.kill9();
    while !get(admin, "/metrics").text().contains("reason=\"source\"} 1") {}
    let unready = get(admin, "/readyz");
    assert_eq!(unready.status, 503);
    assert!(unready.text().starts_with("the newest round came to nothing: checkpoint: "), "{}", unready.text());
    drop(data);
    assert_eq!(monitor.stop().code, Some(0));
}

#[test]
fn a_monitor_that_stays_shows_the_conviction() {
    let watched = Watched::new(&entries(300));
    let mut forked = entries(300);
    forked[7] = entry(8, 1_007, &[]);
    let mut monitor = watched.state.follow(&watched.place(), &["--stay"]);
    let admin = monitor.admin();
    watched.publish(&forked);
    while !monitor.line().contains("  CONVICTED: ") {}
    let file = monitor.line();
    assert!(Path::new(file.strip_prefix("Evidence   ").expect("the file")).is_file(), "{file}");
    let judge_it = monitor.line();
    assert!(judge_it.starts_with("Judge it   semper verify "), "{judge_it}");
    let shown = "kind=\"split-view\",origin=\"log.example/1\"} 1";
    while !get(admin, "/metrics").text().contains(shown) {}
    assert_eq!(monitor.stop().code, Some(1));
    // Without --stay it ends by itself.
    let watched = Watched::new(&entries(300));
    let monitor = watched.state.follow(&watched.place(), &[]);
    watched.publish(&forked);
    monitor.end().expect(1);
}

#[test]
fn a_monitor_that_is_killed_goes_on() {
    let log = entries(100_000);
    let watched = Watched::new(&[]);
    watched.publish(&log);
    // Somewhere in the first reading: after it has begun to write, and again, and again.
    for _ in 0..3 {
        let mut monitor = watched.state.follow(&watched.place(), &[]);
        let _ = monitor.admin();
        monitor.kill9();
    }
    let told = watched.state.expect(&watched.place(), &[], 0);
    assert_eq!(told["size"], 100_000);
    assert!(told["misbehaviour"].is_null());
}

/// A tile that cannot be had for a while is looked at when it can.
#[test]
fn a_tile_that_comes_late_is_checked() {
    let watched = Watched::new(&[]);
    watched.publish(&entries(66_000));
    let path = watched.path().join("tile/1/000");
    let tile = fs::read(&path).expect("the tile");
    fs::remove_file(&path).expect("the tile");
    let mut monitor = watched.state.follow(&watched.place(), &[]);
    let admin = monitor.admin();
    assert!(monitor.line().contains("following"));
    let failed = |reason: &str| {
        while get(admin, "/metrics").text().contains(&format!("reason=\"{reason}\"}} 0")) {}
    };
    failed("source");
    let mut garbage = tile.clone();
    garbage[77] ^= 1;
    fs::write(&path, garbage).expect("the tile");
    failed("data");
    while !get(admin, "/readyz").text().contains("the tile 0 of level 1") {}
    fs::write(&path, tile).expect("the tile");
    assert!(monitor.line().contains(": 66000 entries verified, 66000 of them new"));
    assert_eq!(monitor.stop().code, Some(0));
}

/// Killed at any moment of its first start, too.
#[test]
fn a_folder_that_is_half_made_is_made_anew() {
    let watched = Watched::new(&[]);
    watched.publish(&entries(10));
    for wait_ms in (0..120).step_by(6) {
        let state = MonitorState::new(watched.log.key());
        let monitor = state.follow(&watched.place(), &[]);
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        monitor.kill9();
        assert_eq!(state.expect(&watched.place(), &[], 0)["size"], 10, "{wait_ms} ms");
    }
}

/// The owner of the database and of the log's key rewrites one old entry and signs again. He can make everything new but what
/// somebody outside remembers.
#[test]
fn the_owner_of_database_and_key_is_convicted() {
    let data = Data::demo();
    let server = data.serve();
    stamp_many(server.http(), 300);
    let key = server.data().log_key();
    let state = MonitorState::new(&key);
    let followed = state.expect(server.url(), &[], 0)["size"].as_u64().expect("a number");
    let all = entries_of(server.http());
    let data = server.kill9();

    let out = tempfile::tempdir().expect("a temporary folder");
    let place = out.path().join("ledger");
    let mut forged = all;
    forged.truncate(followed as usize);
    let byte = forged[40].len() - 2; // of the digest
    forged[40][byte] ^= 1;
    // The true key, as he has it.
    publish(&place, &TestLog::of_owner(data.path(), &forged[..1]), &forged);
    let told = state.expect(&place.display().to_string(), &[], 1);
    assert_eq!(told["misbehaviour"]["verdict"], "proven", "{told}");
    // Before a court that has the service's own trust anchors, and nothing of the monitor's but the file.
    let file = told["misbehaviour"]["file"].as_str().expect("a file");
    let judged = judge(Path::new(file), &data.trust_folder());
    assert!(judged.expect(0).stdout.contains("PROVEN: the log"), "{judged:#?}");
}

#[test]
fn checkpoints_that_no_quorum_has_seen_are_told() {
    let watched = Watched::new(&[]);
    watched.publish(&entries(300));
    let witness = WitnessData::new(&[watched.log.key()]);
    let policy = watched.folder.path().join("policy");
    fs::write(&policy, format!("witness W {}\nquorum W\n", witness.vkey())).expect("the policy");
    let policy = policy.display().to_string();
    let told = watched.state.expect(&watched.place(), &["--policy", &policy], 2);
    assert_eq!(told["notices"][0]["alert"], "unwitnessed");
    // What lasts is told once.
    let mut following = watched.state.follow(&watched.place(), &["--policy", &policy]);
    let _ = following.admin();
    assert!(following.line().contains(": 300 entries were verified before; then a look every 1 s"));
    assert!(following.line().contains("ALERT unwitnessed: "));
    watched.publish(&entries(301));
    assert!(following.line().contains(": 301 entries verified, 1 of them new"));
    watched.publish(&entries(302));
    assert!(following.line().contains(": 302 entries verified, 1 of them new"));
    assert_eq!(following.stop().code, Some(0));

    let running = witness.serve();
    let note = fs::read_to_string(watched.path().join("checkpoint")).expect("the checkpoint");
    let answer = running.post(format!("old 0\n\n{note}").as_bytes());
    fs::write(watched.path().join("checkpoint"), note + &answer.text()).expect("the checkpoint");
    let told = watched.state.expect(&watched.place(), &["--policy", &policy], 0);
    assert_eq!(told["notices"].as_array().map(Vec::len), Some(0));
}
