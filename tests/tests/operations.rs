//! What an operator meets: stopping, limits that are reached, and what the server says of itself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use openssl::pkey::PKey;
use openssl::x509::{X509, X509Crl};
use semper_tests::http::{Connection, entries, get};
use semper_tests::server::{DEADLINE, Data, Server, run};
use semper_tests::stamp::{Answer, Crowd, Load, QUERY, REPLY, Record, ask, granted_by, load, query, read, verify_all};
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Kind, TimestampKind};
use semper_ttp::timestamp::FailInfo;
use semper_ttp::timestamp::response::{self, Response};

// ---- stopping ---------------------------------------------------------------------------------------------------------

/// Every request whose beginning the server took gets its answer, and every token that it logged reached its client.
#[test]
fn sigterm_under_load_loses_no_answer() {
    const CLIENTS: usize = 6;
    let server = Server::demo();
    let (trust, host) = (server.data().trust(), server.http());
    let tokens_before = tokens_logged(&server);
    // These have been taken: the server has asked for their bodies (100 Continue), and waits for them.
    let document = |number: usize| query(format!("half {number}").as_bytes());
    let mut halves: Vec<_> = (0..20)
        .map(|number| {
            let mut connection = Connection::open(host).expect("the server listens");
            let length = document(number).len();
            let head = format!(
                "POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Type: {QUERY}\r\nExpect: 100-continue\r\n\
                 Content-Length: {length}\r\n\r\n"
            );
            connection.send(head.as_bytes()).expect("sent");
            assert_eq!(connection.interim().expect("an interim answer"), 100);
            connection
        })
        .collect();
    let stop = AtomicBool::new(false);
    let (send, received) = channel();
    let (records, data, granted_late) = thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (send, stop) = (send.clone(), &stop);
            scope.spawn(move || {
                let name = format!("drain {client}");
                load(&Load { host, name: &name, proof_every: 0, stop }, &send);
            });
        }
        drop(send);
        let mut records: Vec<Record> = received.iter().take(200).collect();
        server.terminate();
        // Refused connections show that the listener is closed; that it drains, the admin listener says until the end.
        while Connection::open(host).is_ok_and(|mut connection| connection.get("/ledger/checkpoint").is_ok()) {}
        let mut granted_late = 0;
        for (number, connection) in halves.iter_mut().enumerate() {
            connection.send(&document(number)).expect("the connection is still there");
            let answer = connection.response(false).expect("an accepted request is answered");
            assert!(matches!(read(&answer), Answer::Granted(_)), "{answer:?}");
            granted_late += 1;
        }
        drop(halves);
        let (end, data) = server.wait();
        end.expect(0);
        stop.store(true, Ordering::Relaxed);
        records.extend(received);
        (records, data, granted_late)
    });
    data.fsck().expect(0);
    data.audit().expect(0);
    let server = data.serve();
    verify_all(&records, server.http(), &trust);
    let logged = tokens_logged(&server) - tokens_before;
    assert_eq!(logged, records.len() + granted_late, "tokens that were logged but never reached their client");
}

/// How many tokens stand in the ledger, by its public entries.
fn tokens_logged(server: &Server) -> usize {
    let kind = Kind::Timestamp(TimestampKind::Token);
    let entries = entries(server.http());
    entries.iter().filter(|entry| (entry.role, entry.kind) == (kind.role().code(), kind.code())).count()
}

#[test]
fn sigterm_while_idle_ends_at_once_even_with_open_connections() {
    let server = Server::demo();
    let mut idle = Connection::open(server.http()).expect("the server listens");
    assert_eq!(idle.get("/ledger/checkpoint").expect("an answer").status, 200);
    let begun = Instant::now();
    server.terminate();
    let (end, data) = server.wait();
    end.expect(0);
    assert_eq!(end.stdout.lines().count(), 1, "one line says where it listens, nothing else: {}", end.stdout);
    // The drain is for requests, not for connections that ask nothing (drain_secs is 30).
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    data.fsck().expect(0);
}

#[test]
fn a_client_that_never_ends_its_request_does_not_hold_up_the_drain() {
    let server = Server::with(&[("shutdown.drain_secs", "1"), ("limits.body_read_timeout_secs", "3600")]);
    let mut half = Connection::open(server.http()).expect("the server listens");
    let head = format!("POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Type: {QUERY}\r\nContent-Length: 60\r\n\r\n\x30");
    half.send(head.as_bytes()).expect("sent");
    server.terminate();
    let (end, data) = server.wait();
    end.expect(0);
    data.fsck().expect(0);
}

// ---- limits that are reached ------------------------------------------------------------------------------------------

#[test]
fn a_full_disk_stops_intake_while_reads_go_on() {
    let data = Data::demo();
    let crowd = Crowd { name: "before", clients: 1, proof_every: 1, answers: 1, further: Duration::ZERO };
    let (records, server) = crowd.disturbed(data.serve(), |server| server);
    server.stop();
    data.set("storage.disk_free_min_bytes", "1125899906842624");
    let server = data.serve();
    let mut connection = Connection::open(server.http()).expect("the server listens");
    for path in ["/tsa", "/tsa/rsa"] {
        let answer = ask(&mut connection, path, &query(b"no room")).expect("an answer");
        assert_eq!(answer, Answer::Rejected(vec![FailInfo::SystemFailure]));
    }
    records[0].verify(&mut connection, &data.trust());
    let ready = get(server.admin(), "/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("disk"), "{}", ready.text());
    assert_eq!(get(server.admin(), "/healthz").status, 200);
    server.stop();
    // Raising it was a setting, nothing more.
    data.set("storage.disk_free_min_bytes", "16777216");
    assert!(granted_by(data.serve().http()));
}

#[test]
fn the_quota_answers_429_with_the_wait_in_header_and_body() {
    let server = Server::with(&[("tsa.quota_per_address_per_minute", "5"), ("tsa.quota_loopback_exempt", "false")]);
    let mut connection = Connection::open(server.http()).expect("the server listens");
    let mut refused = None;
    // The window may turn over once in between; eleven requests exceed two windows of five.
    for number in 0..11 {
        let body = query(format!("quota {number}").as_bytes());
        let answer = connection.request("POST", "/tsa", &[("Content-Type", QUERY)], &body).expect("an answer");
        match answer.status {
            200 => {}
            429 => refused = Some(answer),
            other => panic!("{other}"),
        }
    }
    let refused = refused.expect("more than the quota was granted");
    let wait: u64 = refused.header("retry-after").and_then(|secs| secs.parse().ok()).expect("Retry-After");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.header("content-type"), Some(REPLY));
    match response::parse(&refused.body) {
        Ok(Response::Rejected { status: 2, fail_info, text }) => {
            assert_eq!(fail_info, [FailInfo::SystemFailure]);
            assert!(text.contains(&wait.to_string()), "{text}");
        }
        other => panic!("{other:?}"),
    }
    // Reading is not counted.
    assert_eq!(connection.get("/ledger/checkpoint").expect("an answer").status, 200);
}

#[test]
fn loopback_is_exempt_from_the_quota_by_default() {
    let server = Server::with(&[("tsa.quota_per_address_per_minute", "1")]);
    let mut connection = Connection::open(server.http()).expect("the server listens");
    for number in 0..10 {
        let answer = ask(&mut connection, "/tsa", &query(format!("own {number}").as_bytes())).expect("an answer");
        assert!(matches!(answer, Answer::Granted(_)));
    }
}

/// With room for one, some of many requests at once are told that the server is busy, and the others are served.
#[test]
fn a_full_queue_says_so_in_the_protocol() {
    let server = Server::with(&[("tsa.sign_threads_per_key", "1"), ("tsa.sign_queue_per_key_max", "1")]);
    let host = server.http();
    let answers: Vec<Answer> = thread::scope(|scope| {
        let clients: Vec<_> = (0..32)
            .map(|client| {
                scope.spawn(move || {
                    let mut connection = Connection::open(host).expect("the server listens");
                    let ask = |number| {
                        let body = query(format!("crowd {client} {number}").as_bytes());
                        ask(&mut connection, "/tsa/rsa", &body).expect("an answer")
                    };
                    (0..20).map(ask).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    let granted = answers.iter().filter(|answer| matches!(answer, Answer::Granted(_))).count();
    assert!(granted > 0, "nobody was served");
    assert!(granted < answers.len(), "32 clients and a queue of one, but nobody had to wait");
    for answer in answers {
        if let Answer::Rejected(why) = answer {
            assert_eq!(why, [FailInfo::SystemFailure]);
        }
    }
    // RSA's crowd does not touch the other key, and is over when it is over.
    assert!(granted_by(host));
    assert_eq!(get(server.admin(), "/readyz").status, 200);
}

// ---- what the server says of itself -----------------------------------------------------------------------------------

#[test]
fn metrics_are_exactly_those_of_the_list() {
    const LIST: &str = include_str!("../../ops/deploy/metrics.txt");
    // What witnesses told is shown where there are witnesses (witnessed.rs), what rails answered where there are rails (api/tests/payments.rs).
    let elsewhere = ["semper_ledger_witness_answers", "semper_rail_calls"];
    let is_here = |line: &&str| !line.starts_with('#') && !elsewhere.iter().any(|name| line.starts_with(name));
    let lines = LIST.lines().filter(is_here);
    let listed: BTreeMap<&str, (&str, Vec<&str>)> = lines
        .map(|line| {
            let mut columns = line.split_whitespace();
            let [name, kind, labels] = std::array::from_fn(|_| columns.next().expect("three columns"));
            (name, (kind, labels.split(',').filter(|label| *label != "-").collect()))
        })
        .collect();
    let server = Server::demo();
    let mut connection = Connection::open(server.http()).expect("the server listens");
    for path in ["/tsa", "/tsa/rsa"] {
        // One good and one bad: every family of the list then has a sample.
        ask(&mut connection, path, &query(b"counted")).expect("an answer");
        ask(&mut connection, path, b"").expect("an answer");
    }
    let answer = get(server.admin(), "/metrics");
    let text = answer.text();
    let served: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert_eq!(served.keys().collect::<Vec<_>>(), listed.keys().collect::<Vec<_>>());
    for (name, kind) in &served {
        assert_eq!(*kind, listed[name].0, "{name}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (full_name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| full_name.strip_suffix(end));
        let name = name.filter(|name| served.get(name) == Some(&"histogram")).unwrap_or(full_name);
        let mut found: Vec<&str> =
            labels.split("\",").filter_map(|label| label.split_once('=')).map(|pair| pair.0).collect();
        found.retain(|label| *label != "le");
        let mut wanted = listed[name].1.clone();
        wanted.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, wanted, "{line}");
    }
    // What was just done is there.
    let value = |start: &str| -> f64 {
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(start)).collect();
        lines.iter().filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    assert_eq!(value("semper_tsa_tokens_total"), 4.0);
    assert!(value("semper_ledger_appends_total") >= 2.0);
    assert!(value("semper_ledger_tree_size") >= 2.0);
    assert!(value("semper_disk_free_bytes") > 0.0);
    assert_eq!(value("semper_clock_state"), 1.0, "the clock is in one state");
}

#[test]
fn the_service_describes_itself_truly() {
    let server = Server::demo();
    let answer = get(server.http(), "/.well-known/semper");
    assert_eq!(answer.status, 200);
    let described: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    let vkey = fs::read_to_string(server.trust().join("ledger.vkey")).expect("ledger.vkey");
    assert_eq!(described["ledger"]["vkey"], vkey.trim());
    let receipt = fs::read(server.trust().join("receipt.pem")).expect("receipt.pem");
    let receipt = PKey::public_key_from_pem(&receipt).and_then(|key| key.public_key_to_der()).expect("a public key");
    assert_eq!(described["ledger"]["receipt_key"], hex::encode(receipt));
    let checkpoint = get(server.http(), "/ledger/checkpoint").text();
    assert_eq!(described["ledger"]["origin"].as_str(), checkpoint.lines().next());
    // A demonstration says that it is one.
    assert_eq!(described["clock"]["source"], "assumed");
    assert_eq!(described["clock"]["traceable"], false);
    assert!(described["clock"]["notice"].as_str().is_some_and(|notice| notice.contains("TEST")));
    assert!(server.stderr().contains("assumed"), "the log says so too: {}", server.stderr());
    let endpoints = described["timestamping"].as_array().expect("a list");
    let paths: Vec<_> = endpoints.iter().filter_map(|endpoint| endpoint["path"].as_str()).collect();
    assert_eq!(paths, ["/tsa", "/tsa/rsa"]);
    for endpoint in endpoints {
        assert_eq!(endpoint["default_policy"], "1.3.6.1.5.5.7.13.1");
        assert_eq!(endpoint["qualified"], false);
    }
    assert_eq!(get(server.admin(), "/healthz").status, 200);
    let ready = get(server.admin(), "/readyz");
    assert_eq!((ready.status, ready.text().as_str()), (200, "ready\n"));
}

/// Certificates name where their issuer's certificate and CRL are; both are served, and the CRL is the issuer's own.
#[test]
fn authorities_and_their_crls_are_served_and_verify() {
    let server = Server::demo();
    let mut connection = Connection::open(server.http()).expect("the server listens");
    let described: serde_json::Value =
        serde_json::from_slice(&get(server.http(), "/.well-known/semper").body).expect("JSON");
    let authorities = described["authorities"].as_array().expect("a list");
    let names: Vec<_> = authorities.iter().filter_map(|authority| authority["name"].as_str()).collect();
    for wanted in ["root", "ca-party", "ca-server", "ca-tsu"] {
        assert!(names.contains(&wanted), "{names:?}");
    }
    let root = fs::read(server.trust().join("root.pem")).expect("root.pem");
    let root = X509::from_pem(&root).expect("a certificate");
    for authority in authorities {
        let path = |key: &str| authority[key].as_str().expect("a path").to_owned();
        let certificate = connection.get(&path("certificate")).expect("an answer");
        assert_eq!((certificate.status, certificate.header("content-type")), (200, Some("application/pkix-cert")));
        let certificate = X509::from_der(&certificate.body).expect("a certificate");
        assert!(certificate.verify(&root.public_key().expect("its key")).expect("a check"), "{authority}");
        let answer = connection.get(&path("crl")).expect("an answer");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/pkix-crl")));
        let crl = X509Crl::from_der(&answer.body).expect("a CRL");
        assert!(crl.verify(&certificate.public_key().expect("its key")).expect("a check"), "{authority}");
        let same_name = crl.issuer_name().try_cmp(certificate.subject_name()).expect("names").is_eq();
        assert!(same_name, "{authority}");
        let now = openssl::asn1::Asn1Time::days_from_now(0).expect("now");
        assert!(crl.last_update() <= now && crl.next_update().is_some_and(|next| next > now), "{authority}");
        // The tag of what we have saves the second transfer.
        let tag = answer.header("etag").expect("an ETag").to_owned();
        let again = connection.request("GET", &path("crl"), &[("If-None-Match", &tag)], &[]).expect("an answer");
        assert_eq!((again.status, again.body.len()), (304, 0));
        let date = answer.header("last-modified").expect("a date").to_owned();
        // "Nov  1 13:00:00 2026 GMT" and "Sun, 01 Nov 2026 13:00:00 GMT".
        let issued = crl.last_update().to_string();
        let mut parts = issued.split_whitespace().filter(|part| part.len() > 2);
        assert!(parts.all(|part| date.contains(part)), "{issued}: {date}");
        let again = connection.request("GET", &path("crl"), &[("If-Modified-Since", &date)], &[]).expect("an answer");
        assert_eq!(again.status, 304);
    }
    // What the timestamping units' certificates point to is really there.
    let chain = fs::read(server.trust().join("tsa-chain.pem")).expect("tsa-chain.pem");
    for certificate in X509::stack_from_pem(&chain).expect("certificates") {
        let points = certificate.crl_distribution_points().expect("a CRL distribution point");
        let urls: Vec<String> = points
            .iter()
            .filter_map(|point| point.distpoint()?.fullname())
            .flat_map(|names| names.iter().filter_map(|name| name.uri().map(str::to_owned)).collect::<Vec<_>>())
            .collect();
        assert!(!urls.is_empty());
        for url in urls {
            let path = url.splitn(4, '/').nth(3).expect("a path");
            assert_eq!(connection.get(&format!("/{path}")).expect("an answer").status, 200, "{url}");
        }
    }
}

/// Settings may be lowered on data that was made under higher ones.
#[test]
fn lower_settings_serve_the_same_data() {
    let data = Data::demo();
    let server = data.serve();
    let crowd = Crowd { name: "before", clients: 1, proof_every: 1, answers: 300, further: Duration::ZERO };
    let (records, server) = crowd.disturbed(server, |server| server);
    server.stop();
    for (key, value) in [
        ("ledger.tile_cache_bytes", "0"),
        ("ledger.block_cache_bytes", "1048576"),
        ("ledger.write_buffer_bytes", "1048576"),
        ("ledger.queue_commits_max", "16"),
        ("ledger.group_commits_max", "1"),
        ("ledger.group_bytes_max", "1048576"),
        ("limits.connections_max", "2"),
        ("tsa.sign_threads_per_key", "1"),
    ] {
        data.set(key, value);
    }
    let server = data.serve();
    verify_all(&records, server.http(), &data.trust());
    assert!(granted_by(server.http()));
    server.stop();
    data.fsck().expect(0);
}

/// The least value of every setting that has one.
const LEAST: [(&str, u64); 24] = [
    ("limits.body_bytes_max", 1024),
    ("limits.header_read_timeout_secs", 1),
    ("limits.body_read_timeout_secs", 1),
    ("limits.idle_timeout_secs", 1),
    ("limits.connections_max", 1),
    ("limits.connections_per_address_max", 1),
    ("ledger.queue_commits_max", 16),
    ("ledger.group_commits_max", 1),
    ("ledger.group_bytes_max", 1 << 20),
    ("ledger.mmd_ms", 1000),
    ("ledger.tile_cache_bytes", 0),
    ("ledger.block_cache_bytes", 1 << 20),
    ("ledger.write_buffer_bytes", 1 << 20),
    ("tsa.accuracy_ms", 2),
    ("tsa.quota_per_address_per_minute", 1),
    ("tsa.sign_threads_per_key", 1),
    ("tsa.sign_queue_per_key_max", 1),
    ("clock.offset_bound_ms", 1),
    ("clock.drift_ppm", 0),
    ("clock.sample_interval_ms", 1000),
    ("clock.sample_age_max_ms", 2000),
    ("clock.good_samples_needed", 1),
    ("storage.disk_free_min_bytes", 16 << 20),
    ("shutdown.drain_secs", 0),
];

/// Made, served, stamped, stopped and checked with every setting at its least, all at once. One less is refused.
#[test]
fn every_setting_at_its_least_still_serves() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let passphrase = folder.path().join("passphrase");
    fs::write(&passphrase, "no secret at all\n").expect("a file");
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).expect("its mode");
    let file = folder.path().join("semper.toml");
    let write = |least: &[(&str, u64)]| {
        let settings: String = least.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let text = format!(
            "service.public_url = \"http://127.0.0.1:8080\"\nservice.country = \"FR\"\n\
             service.organisation = \"Least\"\nservice.organisation_identifier = \"NTRFR-1\"\n\
             ledger.origin = \"least.semper.example\"\nclock.source = \"assumed\"\n\
             keys.passphrase_file = {passphrase:?}\n{settings}"
        );
        fs::write(&file, text).expect("the settings");
    };
    let path = |path: &std::path::Path| path.to_str().expect("a path in UTF-8").to_owned();
    let data = folder.path().join("data");
    for (i, (key, value)) in LEAST.iter().enumerate().filter(|(_, (_, value))| *value > 0) {
        let mut below = LEAST;
        below[i].1 = value - 1;
        write(&below);
        let end = run(&["init", "--data", &path(&data), "--config", &path(&file)]);
        end.expect(64);
        // What several settings decide together is said of the clock.
        let name = key.rsplit('.').next().expect("section.key");
        assert!(end.stderr.contains(key) || (end.stderr.contains("clock: ") && end.stderr.contains(name)), "{end:#?}");
        assert!(!data.exists(), "{key}");
    }
    write(&LEAST);
    run(&["init", "--data", &path(&data), "--config", &path(&file)]).expect(0);
    let server = Server::start(&data, &[], &[]);
    let host = server.http();
    // There is room for one connection, and a second of silence ends it: whoever is too slow asks again.
    let deadline = Instant::now() + DEADLINE;
    let mut records: Vec<Record> = Vec::new();
    while records.len() < 20 {
        assert!(Instant::now() < deadline, "{} tokens: {}", records.len(), server.stderr());
        let Ok(mut connection) = Connection::open(host) else { continue };
        for number in records.len()..20 {
            let document = format!("least {number}");
            let path = if number % 2 == 0 { "/tsa" } else { "/tsa/rsa" };
            let Ok(Answer::Granted(token)) = ask(&mut connection, path, &query(document.as_bytes())) else { break };
            records.push(Record { document: Digest::of(document.as_bytes()), token, proof: None });
        }
    }
    server.stop();
    // Entries are there now, so the second start appends after others; and then settings are raised again, but for the
    // one that genesis promised.
    Server::start(&data, &[], &[]).stop();
    write(&[("storage.disk_free_min_bytes", 16 << 20), ("ledger.mmd_ms", 5000)]);
    for args in [&["serve", "--check"][..], &["fsck"]] {
        let end = run(&[args, &["--data", &path(&data), "--config", &path(&file)]].concat());
        end.expect(64);
        assert!(end.stderr.contains("ledger.mmd_ms is \"5000\""), "{end:#?}");
    }
    write(&[("storage.disk_free_min_bytes", 16 << 20)]);
    let server = Server::start(&data, &["--config", &path(&file)], &[]);
    verify_all(&records, server.http(), &server.data().trust());
    server.stop().fsck().expect(0);
}
