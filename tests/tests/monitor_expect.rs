//! `semper monitor --expect`: timestamps that somebody holds, and a ledger that recorded them late, early, in another way or not
//! at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use semper_ledger::entry::{Entry, Tag, Tags};
use semper_ledger::note::VerifierKey;
use semper_tests::http::{self, Connection};
use semper_tests::monitor::{MonitorState, judge, publish};
use semper_tests::server::{Data, Server};
use semper_tests::stamp::{Answer, ask, query, stamp_many};
use semper_tests::witness::TestLog;
use semper_ttp::account::POM_BYTES_MAX;
use semper_ttp::digest::Digest;
use serde_json::Value;
use tempfile::TempDir;

/// Three timestamps that a service released, and its owner, who may sign whatever he likes.
struct Released {
    folder: TempDir,
    _data: Data,
    owner: TestLog,
    key: VerifierKey,
    /// What it recorded.
    all: Vec<Entry>,
    /// The place of the first token's entry; all before it are earlier than the tokens.
    first: usize,
    /// Of the second's.
    place: usize,
    trust: String,
}

impl Released {
    fn new() -> Self {
        let server = Server::demo();
        stamp_many(server.http(), 300);
        // The clock shows another millisecond than any of those entries bears.
        let stamped = std::time::SystemTime::now() + Duration::from_millis(1);
        while std::time::SystemTime::now() <= stamped {
            std::thread::yield_now();
        }
        let (trust, key) = (server.trust().display().to_string(), server.data().log_key());
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("tokens")).expect("a folder");
        let mut connection = Connection::open(server.http()).expect("the server listens");
        for n in 0..3 {
            let Answer::Granted(token) =
                ask(&mut connection, "/tsa", &query(format!("document {n}").as_bytes())).expect("an answer")
            else {
                panic!("not granted")
            };
            fs::write(folder.path().join(format!("tokens/{n}.tst")), token).expect("a file");
        }
        let all = http::entries(server.http());
        let data = server.kill9();
        let owner = TestLog::of_owner(data.path(), &[all[0].encode()]);
        let place = |n: usize| {
            let token = fs::read(folder.path().join(format!("tokens/{n}.tst"))).expect("a token");
            all.iter().position(|entry| entry.digest == Digest::of(&token).0).expect("it is recorded")
        };
        let (first, place) = (place(0), place(1));
        Self { folder, _data: data, owner, key, all, first, place, trust }
    }

    fn tokens(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    fn log(&self) -> String {
        self.folder.path().join("log").display().to_string()
    }

    fn publish(&self, entries: &[Vec<u8>]) {
        publish(&self.folder.path().join("log"), &self.owner, entries);
    }

    fn state(&self) -> MonitorState {
        MonitorState::new(&self.key)
    }

    /// One round.
    fn look(&self, state: &MonitorState, exit: i32) -> Value {
        state.expect(&self.log(), &["--expect", &self.tokens().display().to_string(), "--trust", &self.trust], exit)
    }

    /// Without the second token's entry.
    fn lacking(&self) -> Vec<Vec<u8>> {
        let all = self.all.iter().enumerate().filter(|(at, _)| *at != self.place);
        all.map(|(_, entry)| entry.encode()).collect()
    }

    /// An entry so much later than the newest, with a digest that nobody knows.
    fn later(&self, ms: u64) -> Entry {
        let newest = self.all.last().expect("entries").clone();
        Entry { time_ms: newest.time_ms + ms, digest: [7; 32], tags: Tags::default(), ..newest }
    }
}

/// Recorded, not there yet, undecided.
fn counts(told: &Value) -> [u64; 3] {
    ["recorded", "waiting", "undecided"].map(|name| told["expected"][name].as_u64().expect("a number"))
}

/// The owner releases a timestamp and leaves it out of the ledger. Whoever holds the timestamp convicts him.
#[test]
fn a_timestamp_that_is_not_recorded_convicts() {
    let released = Released::new();
    // All are there, whether their time is over or not.
    let state = released.state();
    let all: Vec<_> = released.all.iter().map(Entry::encode).collect();
    released.publish(&all);
    assert_eq!(counts(&released.look(&state, 0)), [3, 0, 0]);
    // What is no timestamp is passed over; that leaves it open whether all are there.
    let bad = released.tokens().join("0-bad.tst");
    fs::write(&bad, "no token").expect("a file");
    let told = released.look(&state, 2);
    assert_eq!(counts(&told), [3, 0, 0]);
    assert!(told["expected"]["passed_over"][0]["file"].as_str().expect("a file").ends_with("0-bad.tst"), "{told}");
    fs::remove_file(bad).expect("the file");
    // One is not, and its time is not over; then it is.
    let state = released.state();
    let mut lacking = released.lacking();
    lacking.push(released.later(4_000).encode());
    released.publish(&lacking);
    assert_eq!(counts(&released.look(&state, 2)), [2, 1, 0]);
    lacking.push(released.later(10_000).encode());
    released.publish(&lacking);
    let told = released.look(&state, 1);
    assert_eq!(
        (&told["misbehaviour"]["kind"], &told["misbehaviour"]["verdict"]),
        (&"omission".into(), &"proven".into())
    );
    let file = told["misbehaviour"]["file"].as_str().expect("a file");
    let judged = judge(Path::new(file), Path::new(&released.trust));
    assert!(judged.expect(0).stdout.contains("was released and is not recorded in the ledger"), "{judged:#?}");
    // Without the service's root nobody can say whether it was released; the folder is shut all the same.
    judge(Path::new(file), &state.path().join("trust")).expect(2);
    assert!(state.once(&released.log(), &[]).expect(1).stdout.contains("convicted before"));
}

/// What a round found is told, although the expected timestamps could not be looked for in it.
#[test]
fn a_round_that_is_half_done_is_told() {
    let released = Released::new();
    let state = released.state();
    let all: Vec<_> = released.all.iter().map(Entry::encode).collect();
    released.publish(&all);
    assert_eq!(counts(&released.look(&state, 0)), [3, 0, 0]);
    fs::remove_dir_all(Path::new(&released.log()).join("tile/entries")).expect("the bundles");
    let watch = released.folder.path().join("watch");
    fs::write(&watch, format!("{}  mine\n", hex::encode(released.all[7].digest))).expect("a list");
    let (watch, tokens) = (watch.display().to_string(), released.tokens().display().to_string());
    let options = ["--expect", &*tokens, "--trust", &released.trust, "--watch", &watch];
    let mut monitor = state.follow(&released.log(), &options);
    let _ = monitor.admin();
    assert!(monitor.line().contains("following"));
    while !monitor.line().contains("ALERT watched: entry 7 ") {}
    assert_eq!(monitor.stop().code, Some(0));
}

/// An entry that comes too late, or bears an earlier time than the token, is not what was promised.
#[test]
fn a_timestamp_that_is_recorded_out_of_time_convicts() {
    let released = Released::new();
    let own = &released.all[released.place];
    let late = Entry { time_ms: released.later(10_000).time_ms, ..own.clone() };
    let mut too_late = released.lacking();
    too_late.push(late.encode());
    let before = &released.all[released.first - 1];
    let mut too_early = released.lacking();
    too_early.insert(released.first, Entry { time_ms: before.time_ms, ..own.clone() }.encode());
    for entries in [too_late, too_early] {
        released.publish(&entries);
        let state = released.state();
        let told = released.look(&state, 1);
        assert_eq!(told["misbehaviour"]["kind"], "time", "{told}");
        let judged =
            judge(Path::new(told["misbehaviour"]["file"].as_str().expect("a file")), Path::new(&released.trust));
        assert!(judged.expect(0).stdout.contains("outside of the"), "{judged:#?}");
    }
}

/// A log that is run by a later program is not convicted for what an older monitor cannot read.
#[test]
fn an_entry_of_a_newer_version_leaves_it_open() {
    let released = Released::new();
    let mut entries = released.lacking();
    let mut newer = released.all[released.place].encode();
    newer[1] = 2;
    entries.insert(released.place, newer);
    entries.push(released.later(10_000).encode());
    released.publish(&entries);
    let state = released.state();
    for _ in 0..2 {
        let told = released.look(&state, 2);
        assert!(told["misbehaviour"].is_null(), "{told}");
        assert_eq!(counts(&told), [2, 0, 1]);
        let alerts = told["notices"].as_array().expect("a list").iter().map(|notice| notice["alert"].as_str());
        assert_eq!(alerts.collect::<Vec<_>>(), [Some("newer"), Some("unclear")]);
    }
    assert!(state.judge().is_empty());
    // Whoever has what shows the others looks on.
    let told = state.expect(&released.log(), &[], 2);
    assert_eq!(told["new"], 0);
}

/// A log may put so much between that no file can hold it; that is told as what it is.
#[test]
fn a_window_that_is_stuffed_is_told() {
    let released = Released::new();
    let mut entries = released.lacking();
    for n in 0..200_000_u64 {
        let tags = (0..4_u8).map(|at| Tag([&n.to_be_bytes()[..], &[at; 24]].concat().try_into().expect("32 bytes")));
        let tags = Tags::new(tags.collect()).expect("four");
        entries.push(Entry { tags, ..released.later(1) }.encode());
    }
    released.publish(&entries);
    let state = released.state();
    let stuffed = |told: &Value| {
        assert!(told["misbehaviour"].is_null(), "{told}");
        assert_eq!(counts(told), [2, 0, 1]);
        assert_eq!(told["notices"][0]["alert"], "stuffed", "{told}");
        assert!(told["notices"][0]["name"].as_str().expect("a file").ends_with("1.tst"), "{told}");
    };
    // Over or not.
    stuffed(&released.look(&state, 2));
    entries.push(released.later(10_000).encode());
    released.publish(&entries);
    stuffed(&released.look(&state, 2));
    // One that is recorded behind all that is there.
    let own = &released.all[released.place];
    entries.pop();
    entries.push(Entry { time_ms: released.later(1).time_ms, ..own.clone() }.encode());
    released.publish(&entries);
    assert_eq!(counts(&released.look(&released.state(), 0)), [3, 0, 0]);
}

/// What is put into the folder while a monitor runs is expected, too.
#[test]
fn a_folder_of_tokens_is_looked_into_again() {
    let released = Released::new();
    let all: Vec<_> = released.all.iter().map(Entry::encode).collect();
    released.publish(&all);
    let (away, back) = (released.folder.path().join("2.tst"), released.tokens().join("2.tst"));
    fs::rename(&back, &away).expect("a token");
    let tokens = released.tokens().display().to_string();
    let state = released.state();
    let mut monitor = state.follow(&released.log(), &["--expect", &tokens, "--trust", &released.trust]);
    let _ = monitor.admin();
    while !monitor.line().ends_with("expected timestamps: 2 recorded, 0 not there yet") {}
    fs::rename(&away, &back).expect("a token");
    assert!(monitor.line().ends_with("expected timestamps: 3 recorded, 0 not there yet"));
    assert_eq!(monitor.stop().code, Some(0));
}

#[test]
fn a_proof_that_is_too_long_is_called_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("long.pom.json");
    fs::write(&file, br#"{"t":"pom","v":1,"kind":"omission","#).expect("a file");
    fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .and_then(|file| file.set_len(POM_BYTES_MAX as u64 + 1))
        .expect("long");
    let judged = judge(&file, folder.path());
    assert!(format!("{judged:?}").contains("it is longer than 67108864 bytes"), "{judged:#?}");
    assert_eq!(judged.code, Some(2));
}
