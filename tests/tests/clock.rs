//! What a server does when its clock is wrong: before it starts, while it runs, and when it is right again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use semper_tests::http::{Connection, entries, get};
use semper_tests::realtime::Realtime;
use semper_tests::server::{DEADLINE, Data, Finished, Server, command, run, run_command};
use semper_tests::source_folder;
use semper_tests::stamp::{Answer, ask, granted_by, query};
use semper_ttp::evidence::{Kind, OpsKind};
use semper_ttp::timestamp::FailInfo;

/// A service of source `kernel` that is not made yet.
struct Kernel {
    folder: tempfile::TempDir,
}

impl Kernel {
    fn new() -> Self {
        let kernel = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let passphrase = kernel.path("passphrase");
        fs::write(&passphrase, "correct horse battery staple").expect("the passphrase");
        fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).expect("its permissions");
        let text = format!(
            "service.public_url = \"http://127.0.0.1:8080\"\n\
             service.country = \"FR\"\n\
             service.organisation = \"Example\"\n\
             service.organisation_identifier = \"NTRFR-000000000\"\n\
             ledger.origin = \"ledger.example/kernel\"\n\
             tsa.policy_default = \"1.3.6.1.4.1.99999.1.1\"\n\
             storage.disk_free_min_bytes = 16777216\n\
             keys.passphrase_file = {passphrase:?}\n"
        );
        fs::write(kernel.path("semper.toml"), text).expect("the settings");
        kernel
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn init(&self, further: &[&str], environment: &[(&str, &str)]) -> Finished {
        let (data, settings) = (self.path("data"), self.path("semper.toml"));
        let args = ["init".as_ref(), "--data".as_ref(), data.as_os_str(), "--config".as_ref(), settings.as_os_str()];
        let mut command = command(&args);
        command.args(further).envs(environment.iter().copied());
        run_command(command)
    }
}

/// With source `kernel` the machine decides; what the server says of itself and what it does must agree. Which of the two
/// this machine shows is printed; the shim below shows both on every machine.
#[test]
#[allow(clippy::print_stderr, reason = "which of the two was tested belongs beside the result")]
fn the_kernels_clock_is_believed_as_far_as_the_kernel_believes_it() {
    let kernel = Kernel::new();
    match kernel.init(&[], &[]) {
        Finished { code: Some(0), .. } => eprintln!("this machine's kernel vouches for its clock"),
        refused => {
            eprintln!("this machine's kernel does not vouch for its clock");
            assert!(refused.expect(75).stderr.contains("--believe-clock"), "{refused:#?}");
            assert!(!kernel.path("data").exists());
            kernel.init(&["--believe-clock"], &[]).expect(0);
        }
    }
    let server = Server::start(&kernel.path("data"), &[], &[]);
    let mut connection = Connection::open(server.http()).expect("the server listens");
    let ready = get(server.admin(), "/readyz");
    let answer = ask(&mut connection, "/tsa", &query(b"kernel")).expect("an answer");
    match ready.status {
        200 => assert!(matches!(answer, Answer::Granted(_))),
        _ => {
            assert!(ready.text().contains("clock"), "{}", ready.text());
            assert_eq!(answer, Answer::Rejected(vec![FailInfo::TimeNotAvailable]));
        }
    }
    let described: serde_json::Value =
        serde_json::from_slice(&get(server.http(), "/.well-known/semper").body).expect("JSON");
    assert_eq!(described["clock"]["source"], "kernel");
    assert_eq!(described["clock"]["traceable"], false, "no laboratory is named");
}

/// A kernel that vouches for its clock, and then no more: a real service from `init` to a verified token, and its end.
#[test]
fn a_clock_that_the_kernel_vouches_for() {
    let kernel = Kernel::new();
    let (library, lost) = (kernel.path("adjtimex.so"), kernel.path("lost"));
    let source = source_folder().join("shims/adjtimex.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).status();
    assert!(built.expect("a C compiler, which RocksDB needs, too").success());
    let utf8 = |path: &PathBuf| path.to_str().expect("a path in UTF-8").to_owned();
    let (library, lost_file) = (utf8(&library), utf8(&lost));
    let environment = [("LD_PRELOAD", library.as_str()), ("SEMPER_TEST_ADJTIMEX", lost_file.as_str())];

    fs::write(&lost, "").expect("a file");
    assert!(kernel.init(&[], &environment).expect(75).stderr.contains("not synchronised"));
    fs::remove_file(&lost).expect("the file");
    kernel.init(&[], &environment).expect(0);

    let data = Data::at(&kernel.path("data"));
    data.set("clock.sample_interval_ms", "1000").set("clock.sample_age_max_ms", "2000");
    let server = Server::start(data.path(), &[], &environment);
    assert_eq!(get(server.admin(), "/readyz").text(), "ready\n");
    let metrics = get(server.admin(), "/metrics").text();
    for line in ["semper_clock_offset_seconds -0.00025", "semper_clock_estimated_error_seconds 0.0005"] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
    // A service's own policy: no test, and so verified without being asked for.
    let document = utf8(&kernel.path("contract.txt"));
    fs::write(&document, "a contract").expect("the document");
    run(&["stamp", &document, "--url", server.url()]).expect(0);
    let verified = run(&["verify", &document, "--trust", &utf8(&server.trust().to_owned())]);
    assert!(verified.expect(0).stdout.contains("\nVERIFIED: contract.txt existed"), "{verified:#?}");

    // The last good sample carries for as long as it may, then no more.
    fs::write(&lost, "").expect("a file");
    let mut connection = Connection::open(server.http()).expect("the server listens");
    let deadline = Instant::now() + DEADLINE;
    let mut asked = 0;
    while let Answer::Granted(_) =
        ask(&mut connection, "/tsa", &query(format!("{asked}").as_bytes())).expect("an answer")
    {
        asked += 1;
        assert!(Instant::now() < deadline, "issued for ever on a lost clock");
    }
    assert!(get(server.admin(), "/readyz").text().contains("clock: "));
    fs::remove_file(&lost).expect("the file");
    wait_until_ready(&server);
    assert!(granted_by(server.http()));
}

/// Asks again until the server says that it is ready.
fn wait_until_ready(server: &Server) {
    let deadline = Instant::now() + DEADLINE;
    while get(server.admin(), "/readyz").status != 200 {
        assert!(Instant::now() < deadline, "{}", get(server.admin(), "/readyz").text());
    }
}

/// A trial whose realtime has just jumped. Samples are far apart: what stops the authority is the comparison at each token,
/// not the next sample.
fn jumped(realtime: &Realtime, data: &Data, jump: &str) -> Server {
    data.set("clock.sample_interval_ms", "60000").set("clock.sample_age_max_ms", "180000");
    realtime.set("+0");
    let server = realtime.start(data);
    assert!(granted_by(server.http()), "{jump}: before");
    realtime.set(jump);
    server
}

fn refused_for_time(server: &Server) -> bool {
    let mut connection = Connection::open(server.http()).expect("the server listens");
    let answer = ask(&mut connection, "/tsa", &query(b"what time?")).expect("an answer");
    answer == Answer::Rejected(vec![FailInfo::TimeNotAvailable])
}

/// The kinds of the log's `ops` entries, in their order.
fn ops_kinds(server: &Server) -> Vec<OpsKind> {
    let entries = entries(server.http());
    let kinds = entries.iter().filter_map(|entry| Kind::from_codes(entry.role, entry.kind));
    kinds.filter_map(|kind| if let Kind::Ops(ops) = kind { Some(ops) } else { None }).collect()
}

/// A jump in either direction stops the authority before the next token.
#[test]
fn a_clock_that_jumps_stops_the_authority() {
    let realtime = Realtime::new();
    for jump in ["+60", "-60", "+2", "-2"] {
        let data = Data::demo();
        let server = jumped(&realtime, &data, jump);
        let mut connection = Connection::open(server.http()).expect("the server listens");
        for path in ["/tsa", "/tsa/rsa", "/tsa"] {
            let answer = ask(&mut connection, path, &query(b"jumped")).expect("an answer");
            assert_eq!(answer, Answer::Rejected(vec![FailInfo::TimeNotAvailable]), "{jump} {path}");
        }
        let ready = get(server.admin(), "/readyz");
        assert_eq!(ready.status, 503, "{jump}");
        assert!(ready.text().contains("clock"), "{jump}: {}", ready.text());
        let metrics = get(server.admin(), "/metrics").text();
        let stopped = metrics.lines().any(|line| line == "semper_clock_state{state=\"stopped\"} 1");
        assert!(stopped, "{jump}: {metrics}");
        // Reading goes on.
        assert_eq!(connection.get("/ledger/checkpoint").expect("an answer").status, 200);
        let data = server.stop();
        data.fsck().expect(0);
        data.audit().expect(0);
    }
}

/// Nothing enters the ledger with the time of a clock that is not trusted, or no true time could follow it.
#[test]
fn a_jump_leaves_no_mark_on_the_ledgers_time() {
    let realtime = Realtime::new();
    for jump in ["+86400", "-86400"] {
        let data = Data::demo();
        let server = jumped(&realtime, &data, jump);
        assert!(refused_for_time(&server), "{jump}");
        let data = server.stop();

        realtime.set("+0");
        let server = realtime.start(&data);
        assert!(granted_by(server.http()), "{jump}: after");
        let data = server.stop();
        data.fsck().expect(0);
        data.audit().expect(0);
    }
}

/// The clock comes back by itself, and then its loss and its return are in the ledger.
#[test]
fn a_clock_that_was_lost_is_on_record_when_it_is_back() {
    let realtime = Realtime::new();
    let data = Data::demo();
    data.set("clock.sample_interval_ms", "1000").set("clock.sample_age_max_ms", "60000");
    let server = realtime.start(&data);
    assert!(granted_by(server.http()));
    realtime.set("+60");
    assert!(refused_for_time(&server));
    // The machine takes the new time for the right one once it has been steady for some samples.
    wait_until_ready(&server);
    assert!(granted_by(server.http()));
    let deadline = Instant::now() + DEADLINE;
    let wanted = [OpsKind::ClockSynchronised, OpsKind::ClockLost, OpsKind::ClockSynchronised];
    loop {
        let kinds = ops_kinds(&server);
        let clock: Vec<_> =
            kinds.into_iter().filter(|kind| [OpsKind::ClockSynchronised, OpsKind::ClockLost].contains(kind)).collect();
        if clock == wanted {
            break;
        }
        assert!(wanted.starts_with(&clock) && Instant::now() < deadline, "{clock:?}");
    }
    let data = server.stop();
    data.fsck().expect(0);
    data.audit().expect(0);
}

/// A unit's key signs for a year. Where nothing follows it by itself, its end is told two months ahead, and readiness says when it has come.
#[test]
fn the_end_of_a_key_is_told_in_time() {
    const DAY_SECS: u64 = 24 * 3600;
    let realtime = Realtime::new();
    let told = |server: &Server| server.stderr().contains("the period of use of a timestamping key ends");
    for (days, warned, ready) in [(300, false, true), (310, true, true), (370, true, false)] {
        realtime.set(&format!("+{}", days * DAY_SECS));
        let data = Data::demo();
        data.set("keys.rotate_by_hand", "true");
        let server = realtime.start(&data);
        assert_eq!(told(&server), warned, "{days}: {}", server.stderr());
        assert_eq!(granted_by(server.http()), ready, "{days}");
        let why = get(server.admin(), "/readyz").text();
        assert_eq!(why.contains("its key is not in its period of use"), !ready, "{days}: {why}");
        let metrics = get(server.admin(), "/metrics").text();
        let line = metrics.lines().find(|line| line.starts_with("semper_tsa_key_end_timestamp_seconds"));
        assert!(line.is_some_and(|line| line.contains("endpoint=\"/tsa")), "{metrics}");
    }
}

/// A ledger that is ahead of the clock, whoever is wrong, can be read; nothing is appended until time has caught up.
#[test]
fn a_ledger_ahead_of_the_clock_is_served_for_reading() {
    let realtime = Realtime::new();
    let data = Data::demo();
    data.set("clock.sample_interval_ms", "1000").set("clock.sample_age_max_ms", "60000");
    realtime.set("+3600");
    let server = realtime.start(&data);
    assert!(granted_by(server.http()));
    let data = server.stop();

    realtime.set("+0");
    let server = realtime.start(&data);
    assert!(refused_for_time(&server));
    let ready = get(server.admin(), "/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("behind the newest entry"), "{}", ready.text());
    assert_eq!(get(server.http(), "/ledger/checkpoint").status, 200);
    realtime.set("+3610");
    wait_until_ready(&server);
    assert!(granted_by(server.http()), "{}", server.stderr());
    let data = server.stop();
    data.fsck().expect(0);
    data.audit().expect(0);
}

/// A unit's key may sign for a year. Its end is refused, told, and an entry of its own, once.
#[test]
fn the_end_of_a_key_is_an_entry() {
    let (realtime, data) = (Realtime::new(), Data::demo());
    data.set("keys.rotate_by_hand", "true");
    let ends = |server: &Server| ops_kinds(server).into_iter().filter(|kind| *kind == OpsKind::KeyEnded).count();
    let server = realtime.start(&data);
    assert!(granted_by(server.http()));
    assert_eq!(ends(&server), 0);
    let data = server.stop();
    realtime.set("+400d");
    for _ in 0..2 {
        let server = realtime.start(&data);
        assert!(!granted_by(server.http()));
        assert!(get(server.admin(), "/readyz").text().contains("/tsa: its key is not in its period of use"));
        let deadline = Instant::now() + DEADLINE;
        while ends(&server) < 2 {
            assert!(Instant::now() < deadline, "the ends have no entries");
        }
        assert_eq!(ends(&server), 2);
        let data = server.stop();
        data.fsck().expect(0);
        data.audit().expect(0);
    }
}
