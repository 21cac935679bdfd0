//! Everything that a stranger may send: each gets the right answer, is counted, and leaves a server that still answers
//! and has not grown.
//!
//! Every test has a server of its own, on which it does its worst twice ([`Trial::twice`]). Which failInfo belongs to
//! which malformed request is judged octet by octet in `strangers/tsa_http.py`; here stands what a decent HTTP client
//! cannot send, and what it costs.

use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use semper_tests::http::{Connection, Response, get, is_closed, request};
use semper_tests::server::{DEADLINE, Server};
use semper_tests::stamp::{Answer, QUERY, ask, query, read};
use semper_ttp::timestamp::FailInfo;

/// How much more memory a server may hold after it was abused for the first time than after ordinary use, bytes: buffers
/// of some hundred connections, and a heap for each thread that glibc gives one. 7 MiB were seen.
const GROWTH_MAX: u64 = 24 << 20;

/// How much more it may hold after the same abuse for the second time than after the first, bytes: the heaps are there
/// and are used again, so only a leak grows once more: 16 KiB, one connection's buffer, in each of some hundred attacks
/// would be seen. 3 MiB were seen where thousands of tokens are issued meanwhile, falling to a half in later rounds.
const REGROWTH_MAX: u64 = 8 << 20;

const BODY_MAX: usize = 64 << 10;

/// A server under attack.
struct Trial {
    server: Server,
    resident_before: u64,
}

impl Trial {
    /// A server of its own meets the same abuse twice, and survives.
    fn twice(settings: &[(&str, &str)], abuse: impl Fn(&Self)) {
        let trial = Self::new(settings);
        abuse(&trial);
        let after_one = trial.resident();
        let grown = after_one.saturating_sub(trial.resident_before);
        assert!(grown < GROWTH_MAX, "the server holds {} KiB more than before", grown >> 10);
        abuse(&trial);
        let grown = trial.resident().saturating_sub(after_one);
        assert!(grown < REGROWTH_MAX, "the second time the server grew by {} KiB again", grown >> 10);
        trial.survived();
    }

    fn new(settings: &[(&str, &str)]) -> Self {
        // RocksDB's tables in memory take every token that is issued, 25 MiB in the busiest test, until they are full:
        // bounded, so that they do not hide what abuse leaves.
        let bounded = [("ledger.write_buffer_bytes", "1048576"), ("ledger.block_cache_bytes", "1048576")];
        let server = Server::with(&[&bounded, settings].concat());
        // Ordinary use first: caches, pools and arenas grow once.
        let mut connection = Connection::open(server.http()).expect("the server listens");
        for number in 0..200 {
            let answer = ask(&mut connection, "/tsa", &query(format!("warm {number}").as_bytes())).expect("an answer");
            assert!(matches!(answer, Answer::Granted(_)));
        }
        drop(connection);
        let resident_before = server.resident_bytes();
        Self { server, resident_before }
    }

    /// Memory that is resident when no connection of an attack is left.
    fn resident(&self) -> u64 {
        let deadline = Instant::now() + DEADLINE;
        // The gauge counts the connection that asks, too.
        while self.metric("semper_http_connections ") > 1.0 {
            assert!(Instant::now() < deadline, "connections are left behind");
        }
        self.server.resident_bytes()
    }

    fn open(&self) -> Connection {
        Connection::open(self.server.http()).expect("the server listens")
    }

    /// Sends raw bytes on a new connection and reads what comes until the server closes.
    fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut connection = self.open();
        // The server may answer and close before it has read everything; what it says counts.
        let _ = connection.send(bytes);
        connection.until_closed().expect("the server ends a connection that it cannot understand")
    }

    /// As [`Trial::raw`]: the one answer must have one of these statuses.
    fn refused(&self, what: &str, bytes: &[u8], statuses: &[u16]) {
        let said = self.raw(bytes);
        let statuses_found = statuses_in(&said);
        assert!(
            matches!(statuses_found[..], [one] if statuses.contains(&one)),
            "{what}: {statuses_found:?} instead of one of {statuses:?}:\n{}",
            String::from_utf8_lossy(&said)
        );
    }

    /// As [`Trial::refused`] for what the server does not read to its end: its close may then overtake its answer.
    fn cut_short(&self, what: &str, bytes: &[u8], statuses: &[u16]) {
        let found = statuses_in(&self.raw(bytes));
        assert!(found.iter().all(|one| statuses.contains(one)) && found.len() <= 1, "{what}: {found:?}");
    }

    fn metric(&self, line_start: &str) -> f64 {
        metric(&get(self.server.admin(), "/metrics").text(), line_start)
    }

    /// Connections that ended so, by the server's own count.
    fn ended(&self, outcome: &str) -> f64 {
        self.metric(&format!("semper_http_connections_ended_total{{outcome=\"{outcome}\"}}"))
    }

    /// Waits until so many connections have ended so: the server counts when its side is done, which a client cannot see.
    fn counts(&self, outcome: &str, count: f64) {
        let deadline = Instant::now() + DEADLINE;
        while self.ended(outcome) < count {
            assert!(Instant::now() < deadline, "{outcome}: {} instead of {count}", self.ended(outcome));
        }
    }

    /// The server answers, and says that it is well.
    fn survived(self) {
        let mut connection = self.open();
        let answer = ask(&mut connection, "/tsa", &query(b"after it all")).expect("an answer");
        assert!(matches!(answer, Answer::Granted(_)), "{answer:?}");
        assert_eq!(get(self.server.admin(), "/healthz").status, 200);
        let ready = get(self.server.admin(), "/readyz");
        assert_eq!(ready.status, 200, "{}", ready.text());
        let log = self.server.stderr();
        assert!(!log.contains("panicked"), "{log}");
        self.server.stop().fsck().expect(0);
    }
}

/// Sends `block` again and again until the server closes, which it must long before `mebibytes` are through.
fn push_until_closed(connection: &mut Connection, block: &[u8], mebibytes: usize) {
    for _ in 0..(mebibytes << 20) / block.len() {
        match connection.send(block) {
            Ok(()) => {}
            Err(error) if is_closed(&error) => return,
            Err(error) => panic!("the server neither reads nor closes: {error}"),
        }
    }
    panic!("the server has read {mebibytes} MiB and wants more");
}

/// The statuses of all answers in what a server said.
fn statuses_in(said: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(said);
    text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}

/// The sum of all samples whose line begins so.
fn metric(text: &str, line_start: &str) -> f64 {
    let lines = text.lines().filter(|line| line.starts_with(line_start));
    lines.map(|line| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect("a number")).sum()
}

fn post(trial: &Trial, path: &str, content_type: Option<&str>, body: &[u8]) -> Response {
    let headers: Vec<_> = content_type.map(|value| ("Content-Type", value)).into_iter().collect();
    trial.open().request("POST", path, &headers, body).expect("an answer")
}

#[test]
fn malformed_requests_are_answered_in_the_protocol_and_counted() {
    Trial::twice(&[], |trial| {
        let good = query(b"document");
        let unknown_hash = {
            // The last arc of SHA-256's number, made one that nobody has given.
            let mut bytes = good.clone();
            let oid = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
            let at = bytes.windows(9).position(|window| window == oid).expect("the hash's number");
            bytes[at + 8] = 0x7F;
            bytes
        };
        let wrong_length = {
            // SHA-512's number over 32 octets.
            let mut bytes = good.clone();
            let oid = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
            let at = bytes.windows(9).position(|window| window == oid).expect("the hash's number");
            bytes[at + 8] = 0x03;
            bytes
        };
        // Sixty thousand times the head of a SEQUENCE: a parser that recurses without a bound would overflow its stack.
        let nested = [0x30, 0x80].repeat(30_000);
        let nested_definite = [0x30, 0x84, 0x00, 0x00, 0xF0, 0x00].repeat(10_000);
        let garbage: Vec<u8> = (0..BODY_MAX).map(|i| (i * 31 % 251) as u8).collect();
        let cases: Vec<(&str, Vec<u8>, FailInfo)> = vec![
            ("empty", vec![], FailInfo::BadDataFormat),
            ("truncated", good[..good.len() - 1].to_vec(), FailInfo::BadDataFormat),
            ("half", good[..good.len() / 2].to_vec(), FailInfo::BadDataFormat),
            ("trailing byte", [&good[..], &[0]].concat(), FailInfo::BadDataFormat),
            ("twice", [&good[..], &good].concat(), FailInfo::BadDataFormat),
            ("garbage", garbage, FailInfo::BadDataFormat),
            ("nested without end", nested, FailInfo::BadDataFormat),
            ("nested with lengths", nested_definite, FailInfo::BadDataFormat),
            ("unknown hash", unknown_hash, FailInfo::BadAlg),
            ("wrong digest length", wrong_length, FailInfo::BadDataFormat),
        ];
        for path in ["/tsa", "/tsa/rsa"] {
            let counted = || {
                let text = get(trial.server.admin(), "/metrics").text();
                let endpoint = format!("endpoint=\"{path}\"");
                let lines: Vec<&str> = text.lines().filter(|line| line.contains(&endpoint)).collect();
                metric(&lines.join("\n"), "semper_tsa_tokens_total{")
            };
            let before = counted();
            for (what, body, wanted) in &cases {
                let answer = read(&post(trial, path, Some(QUERY), body));
                assert_eq!(answer, Answer::Rejected(vec![*wanted]), "{path} {what}");
            }
            // Every single octet of a request changed, all in one connection: answered, whatever it became.
            let mut connection = trial.open();
            for at in 0..good.len() {
                for flip in [0x01, 0x80] {
                    let mut bytes = good.clone();
                    bytes[at] ^= flip;
                    ask(&mut connection, path, &bytes).expect("an answer");
                }
            }
            let asked = cases.len() + 2 * good.len();
            assert_eq!((counted() - before) as usize, asked, "every request on {path} is counted");
            let text = get(trial.server.admin(), "/metrics").text();
            let bad_alg = text.lines().find(|line| {
                line.starts_with("semper_tsa_tokens_total{")
                    && line.contains(&format!("endpoint=\"{path}\""))
                    && line.contains("outcome=\"badAlg\"")
            });
            assert!(bad_alg.is_some(), "{text}");
        }
    });
}

#[test]
fn http_faults_have_http_answers() {
    Trial::twice(&[], |trial| {
        let good = query(b"document");
        for path in ["/tsa", "/tsa/rsa"] {
            for wrong in [None, Some(""), Some("text/plain"), Some("application/timestamp-reply"), Some("\u{7f}")] {
                // A DEL octet is not even a header value: that is 400 before anybody looks at the type.
                let wanted: &[u16] = if wrong == Some("\u{7f}") { &[400] } else { &[415] };
                let headers: Vec<_> = wrong.map(|value| ("Content-Type", value)).into_iter().collect();
                let bytes = request(trial.server.http(), "POST", path, &headers, &good);
                let mut connection = trial.open();
                connection.send(&bytes).expect("sent");
                let answer = connection.response(false).expect("an answer");
                assert!(wanted.contains(&answer.status), "{path} {wrong:?}: {answer:?}");
            }
            for method in ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"] {
                let answer = trial.open().request(method, path, &[], &[]).expect("an answer");
                assert_eq!(answer.status, 405, "{method} {path}");
                assert_eq!(answer.header("allow"), Some("POST"), "{method} {path}");
            }
        }
        // Too large: by what it declares, before a byte of it is sent…
        for declared in [BODY_MAX + 1, 1 << 30, usize::MAX] {
            let head =
                format!("POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Type: {QUERY}\r\nContent-Length: {declared}\r\n\r\n");
            let mut connection = trial.open();
            connection.send(head.as_bytes()).expect("sent");
            match connection.response(false) {
                // The largest numbers are reserved in hyper for lengths that are not known.
                Ok(answer) => {
                    assert!(answer.status == 413 || (declared == usize::MAX && answer.status == 431), "{answer:?}")
                }
                Err(error) => panic!("{declared}: {error}"),
            }
        }
        // … and by what comes, without reading it all: the server closes on a client that would send for ever.
        let mut connection = trial.open();
        let head =
            format!("POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Type: {QUERY}\r\nTransfer-Encoding: chunked\r\n\r\n");
        connection.send(head.as_bytes()).expect("sent");
        let chunk = [&b"1000\r\n"[..], &[0x30; 4096], b"\r\n"].concat();
        // A thousand times the cap: no socket buffer holds that.
        push_until_closed(&mut connection, &chunk, 64);
    });
}

#[test]
fn what_two_servers_could_read_differently_is_refused() {
    Trial::twice(&[], |trial| {
        let good = query(b"document");
        let n = good.len();
        let with = |head: &str, body: &[u8]| {
            [format!("POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Type: {QUERY}\r\n{head}\r\n").as_bytes(), body].concat()
        };
        let bad = &[400][..];
        trial.refused("two lengths", &with(&format!("Content-Length: {n}\r\nContent-Length: 3\r\n"), &good), bad);
        trial.refused("two lengths in one line", &with(&format!("Content-Length: {n}, 3\r\n"), &good), bad);
        for length in ["-1", "+5", "0x10", "1 2", "five", "18446744073709551616", "", "1e3"] {
            trial.refused(length, &with(&format!("Content-Length: {length}\r\n"), &good), bad);
        }
        for coding in ["gzip", "chunked, gzip", "chunked, identity", "xchunked", "chunked\u{b}", "\"chunked\""] {
            trial.refused(coding, &with(&format!("Transfer-Encoding: {coding}\r\n"), b"0\r\n\r\n"), &[400, 501]);
        }
        for size in ["zz", "-1", "+1", "0x1", "1 1", "FFFFFFFFFFFFFFFFF", "10000000000000000", "", ";x"] {
            let body = [size.as_bytes(), b"\r\n\x30\r\n0\r\n\r\n"].concat();
            trial.refused(&format!("chunk size {size:?}"), &with("Transfer-Encoding: chunked\r\n", &body), bad);
        }
        // A chunk that does not end where it says.
        trial.refused("chunk end", &with("Transfer-Encoding: chunked\r\n", b"1\r\n\x30\x31\x32\r\n0\r\n\r\n"), bad);
        let endless_extension = [b"1;".to_vec(), vec![b'x'; 200_000]].concat();
        trial.cut_short("chunk extension", &with("Transfer-Encoding: chunked\r\n", &endless_extension), bad);
        for (what, head) in [
            ("a space before the colon", "Content-Length : 5\r\n"),
            ("a folded line", "X: a\r\n b\r\n"),
            ("a name with a space", "Content Length: 5\r\n"),
            ("a NUL", "X: a\0b\r\n"),
            ("a bare CR", "X: a\rb\r\n"),
            ("no colon", "Nonsense\r\n"),
        ] {
            trial.refused(what, &with(head, &good), bad);
        }
        for (what, bytes) in [
            ("HTTP/9", &b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"[..]),
            ("no version", b"GET /\r\n\r\n"),
            ("two spaces", b"GET  /  HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no plain text\r\n\r\n"),
            ("control octets", b"\x00\x01\x02\x03\x04\r\n\r\n"),
            ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
            ("SMTP", b"EHLO example.org\r\nMAIL FROM:<a@example.org>\r\n\r\n"),
        ] {
            trial.refused(what, bytes, bad);
        }
        // To a client that speaks HTTP/2 an answer in HTTP/1.1 would be noise: closed without a word.
        assert_eq!(trial.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), b"");
        // Both framings at once (RFC 9112 §6.3): refused, or read by Transfer-Encoding alone; never by Content-Length, in
        // whose reading the second request below would be a body.
        for head in [
            "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: {}\r\n",
        ] {
            let hidden = b"0\r\n\r\nGET /no/such HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            let said = trial.raw(&with(&head.replace("{}", &hidden.len().to_string()), hidden));
            let statuses = statuses_in(&said);
            assert!(statuses == [400] || statuses == [200, 404] || statuses == [200], "{head:?}: {statuses:?}");
        }
        // One length twice is one length (RFC 9110 §8.6), if it is taken at all.
        let twice = with(&format!("Content-Length: {n}\r\nContent-Length: {n}\r\nConnection: close\r\n"), &good);
        assert!(matches!(statuses_in(&trial.raw(&twice))[..], [200 | 400]));
    });
}

/// What the HTTP library answers or closes by itself never becomes a request; it is counted by how its connection ended.
#[test]
fn what_never_becomes_a_request_is_counted_too() {
    let second = ("limits.header_read_timeout_secs", "1");
    Trial::twice(&[second, ("limits.idle_timeout_secs", "2")], |trial| {
        let long = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(40_000));
        let cases: [(&str, &[u8], &[u16]); 6] = [
            ("malformed", b"\x16\x03\x01\x02\x00 no HTTP at all\r\n\r\n", &[400]),
            ("malformed", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", &[400]),
            ("too-large", long.as_bytes(), &[431]),
            ("http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[]),
            ("header-timeout", b"", &[]),
            ("header-timeout", b"GET / HTTP/1.1\r\nX: never ended", &[]),
        ];
        for (outcome, bytes, statuses) in cases {
            let before = trial.ended(outcome);
            // The rest of a header that is too long is not read, and the close may overtake the answer.
            let said = statuses_in(&trial.raw(bytes));
            assert!(said == statuses || (outcome == "too-large" && said.is_empty()), "{outcome}: {said:?}");
            trial.counts(outcome, before + 1.0);
        }
        // A client that goes away in the middle of its header.
        let before = trial.ended("incomplete");
        trial.open().send(b"GET / HTTP/1.1\r\nHost: x\r\n").expect("sent");
        trial.counts("incomplete", before + 1.0);
    });
}

#[test]
fn header_floods_are_cut_short() {
    Trial::twice(&[], |trial| {
        let head = "GET /ledger/checkpoint HTTP/1.1\r\nHost: x\r\n";
        let many: String = (0..10_000).map(|i| format!("X-{i}: y\r\n")).collect();
        let too_large = &[400, 414, 431][..];
        trial.cut_short("many headers", format!("{head}{many}\r\n").as_bytes(), too_large);
        trial.cut_short("one long header", format!("{head}X: {}\r\n\r\n", "y".repeat(1 << 20)).as_bytes(), too_large);
        trial.cut_short("a long name", format!("{head}{}: y\r\n\r\n", "X".repeat(1 << 20)).as_bytes(), too_large);
        let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "p".repeat(1 << 20));
        trial.cut_short("a long path", long_path.as_bytes(), too_large);
        // Headers without end: the server stops reading, whatever the client still has.
        let mut connection = trial.open();
        connection.send(head.as_bytes()).expect("sent");
        let block = "X-Y: z\r\n".repeat(512);
        push_until_closed(&mut connection, block.as_bytes(), 64);
    });
}

#[test]
fn many_requests_in_one_write_are_answered_in_order() {
    Trial::twice(&[], |trial| {
        let host = trial.server.http();
        let mut connection = trial.open();
        let mut bytes = Vec::new();
        for turn in 0..50 {
            bytes.extend(request(
                host,
                "POST",
                "/tsa",
                &[("Content-Type", QUERY)],
                &query(format!("p{turn}").as_bytes()),
            ));
            bytes.extend(request(host, "GET", "/no/such", &[], &[]));
            bytes.extend(request(host, "GET", "/ledger/checkpoint", &[], &[]));
        }
        connection.send(&bytes).expect("sent");
        for turn in 0..50 {
            assert!(matches!(read(&connection.response(false).expect("the token")), Answer::Granted(_)), "turn {turn}");
            assert_eq!(connection.response(false).expect("not found").status, 404);
            assert!(connection.response(false).expect("the checkpoint").text().contains("\n\n— "));
        }
    });
}

/// Clients that send an octet now and then, in the header and in the body, and clients that are silent: all are cut off.
#[test]
fn slow_connections_are_cut_off() {
    Trial::twice(
        &[
            ("limits.header_read_timeout_secs", "1"),
            ("limits.body_read_timeout_secs", "1"),
            ("limits.idle_timeout_secs", "2"),
        ],
        |trial| {
            // Ten times the longest setting, for busy machines.
            let limit = Duration::from_secs(20);
            let whole = query(b"slow");
            let head = format!(
                "POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Type: {QUERY}\r\nContent-Length: {}\r\n\r\n",
                whole.len()
            );
            let chunked =
                format!("POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Type: {QUERY}\r\nTransfer-Encoding: chunked\r\n\r\n");
            let cases: [(&str, Vec<u8>, &[u8]); 6] = [
                ("silent from the start", vec![], b""),
                ("half a request line", b"POST /t".to_vec(), b"s"),
                ("header lines one by one", b"GET / HTTP/1.1\r\n".to_vec(), b"X: y\r\n"),
                ("an octet of the body", head.clone().into_bytes(), b"0"),
                ("no octet of the body", head.into_bytes(), b""),
                ("chunks of one octet", chunked.into_bytes(), b"1\r\n0\r\n"),
            ];
            std::thread::scope(|scope| {
                for (what, start, piece) in &cases {
                    for _ in 0..20 {
                        scope.spawn(move || {
                            let mut connection = trial.open();
                            connection.send(start).expect("sent");
                            let end = connection.trickle_until_closed(piece, limit).expect("a socket");
                            let Some((said, _)) = end else { panic!("{what}: still open after {limit:?}") };
                            // Closed without a word, or with 408; never with an answer to what was not asked in full.
                            let statuses = statuses_in(&said);
                            assert!(matches!(statuses[..], [] | [408]), "{what}: {statuses:?}");
                        });
                    }
                }
                // A kept-alive connection without a further request.
                scope.spawn(move || {
                    let mut connection = trial.open();
                    assert_eq!(connection.get("/ledger/checkpoint").expect("an answer").status, 200);
                    let end = connection.trickle_until_closed(b"", limit).expect("a socket");
                    assert!(end.is_some(), "an idle connection is kept for ever");
                });
                // Meanwhile others are served.
                scope.spawn(move || {
                    let begun = Instant::now();
                    while begun.elapsed() < Duration::from_secs(2) {
                        let mut connection = trial.open();
                        assert!(matches!(ask(&mut connection, "/tsa", &query(b"fast")), Ok(Answer::Granted(_))));
                    }
                });
            });
        },
    );
}

/// A client that asks and never reads must not hold its connection for ever either.
#[test]
fn a_client_that_never_reads_is_cut_off() {
    Trial::twice(&[("limits.idle_timeout_secs", "1"), ("limits.header_read_timeout_secs", "1")], |trial| {
        let mut connection = trial.open();
        let ask = request(trial.server.http(), "GET", "/ledger/tile/0/000.p/200", &[], &[]).repeat(100);
        // The answers fill both sockets' buffers; then the server stops reading, and our write waits until it gives up.
        push_until_closed(&mut connection, &ask, 256);
    });
}

#[test]
fn connections_beyond_the_limit_are_closed_and_make_room_again() {
    const LIMIT: usize = 100;
    const WAVES: usize = 12;
    const PER_WAVE: usize = 400;
    Trial::twice(
        &[
            ("limits.connections_max", "100"),
            ("limits.connections_per_address_max", "100"),
            ("limits.header_read_timeout_secs", "3"),
        ],
        |trial| {
            let mut descriptors = getrlimit(Resource::Nofile);
            descriptors.current = descriptors.maximum;
            setrlimit(Resource::Nofile, descriptors).expect("the soft limit may be raised to the hard one");
            let mut refused = 0;
            for _ in 0..WAVES {
                let connections: Vec<_> =
                    (0..PER_WAVE).filter_map(|_| Connection::open(trial.server.http()).ok()).collect();
                // The first ones hold their places; all beyond are closed without waiting for anything.
                let mut open = 0;
                for mut connection in connections {
                    let answer = connection.get("/ledger/checkpoint");
                    match answer {
                        Ok(answer) => {
                            assert_eq!(answer.status, 200);
                            open += 1;
                        }
                        Err(error) => {
                            assert!(is_closed(&error), "{error}");
                            refused += 1;
                        }
                    }
                }
                assert!(open >= 1, "those within the limit are served");
            }
            let least = WAVES * (PER_WAVE - 3 * LIMIT);
            assert!(refused > least, "{refused} refused");
            assert!(trial.ended("refused") > least as f64, "{} counted", trial.ended("refused"));
            // Places come back when connections go, at the latest when the header timeout ends them.
            let deadline = Instant::now() + Duration::from_secs(20);
            while !matches!(
                Connection::open(trial.server.http()).and_then(|mut connection| connection.get("/ledger/checkpoint")),
                Ok(answer) if answer.status == 200
            ) {
                assert!(Instant::now() < deadline, "no place became free");
            }
        },
    );
}

#[test]
fn garbage_on_the_admin_port() {
    Trial::twice(&[], |trial| {
        let admin = trial.server.admin();
        let raw = |bytes: &[u8]| {
            let mut connection = Connection::open(admin).expect("the admin listener");
            let _ = connection.send(bytes);
            statuses_in(&connection.until_closed().expect("it closes"))
        };
        assert_eq!(raw(b"\x16\x03\x01\x02\x00garbage\r\n\r\n"), [400]);
        // What is not read to its end may be closed before its answer arrives.
        assert!(matches!(raw(&[0xFF; 100_000])[..], [] | [400 | 431]));
        let flood = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(1 << 20));
        assert!(matches!(raw(flood.as_bytes())[..], [] | [400 | 431]));
        let mut connection = Connection::open(admin).expect("the admin listener");
        for path in
            ["/", "/metrics/", "/metrics/../healthz", "//metrics", "/tsa", "/debug/pprof", "/%00", "/metrics%2f"]
        {
            assert_eq!(connection.get(path).expect("an answer").status, 404, "{path}");
        }
        for (method, path) in [("POST", "/metrics"), ("DELETE", "/healthz"), ("PUT", "/readyz")] {
            assert_eq!(connection.request(method, path, &[], b"").expect("an answer").status, 405, "{method} {path}");
        }
        // The other way round: operators' pages are not for the public.
        for path in ["/metrics", "/healthz", "/readyz", "/backup"] {
            assert_eq!(get(trial.server.http(), path).status, 404, "{path}");
        }
    });
}

#[test]
fn odd_paths_are_not_found_or_refused_and_never_a_fault() {
    Trial::twice(&[], |trial| {
        let mut connection = trial.open();
        let long_group = "x000/".repeat(1_000) + "000";
        let paths = [
            "/ledger/tile/",
            "/ledger/tile/0",
            "/ledger/tile/0/",
            "/ledger/tile/0/0",
            "/ledger/tile/0/00",
            "/ledger/tile/0/0000",
            "/ledger/tile/0/x000",
            "/ledger/tile/0/x000/000",
            "/ledger/tile/0/001",
            "/ledger/tile/0/999",
            "/ledger/tile/0/x999/x999/x999/x999/x999/x999/999",
            "/ledger/tile/0/000.p",
            "/ledger/tile/0/000.p/",
            "/ledger/tile/0/000.p/0",
            "/ledger/tile/0/000.p/256",
            "/ledger/tile/0/000.p/999999999999999999999",
            "/ledger/tile/0/000.p/-1",
            "/ledger/tile/0/000.p/1/",
            "/ledger/tile/00/000.p/1",
            "/ledger/tile/64/000",
            "/ledger/tile/-1/000",
            "/ledger/tile/255/000",
            "/ledger/tile/256/000",
            "/ledger/tile/63/000.p/1",
            "/ledger/tile/data/000",
            "/ledger/tile/entries",
            "/ledger/tile/entries/999",
            "/ledger/tile/entries/000.p/0",
            "/ledger/tile/entries/%30%30%30.p",
            // Other spellings of what is there.
            "/ledger/tile/0/%30%30%30.p/5",
            "/ledger/tile/0%2F000.p/5",
            "/ledger/tile/0/000%2ep/5",
            "/ledger/tile/0/000.p/%35",
            "/ledger/tile/%65ntries/000.p/5",
            "/ledger/tile/0/%00",
            "/ledger/tile/0/%FF%FE",
            "/ledger/tile/../checkpoint",
            "/ledger/tile/..%2f..%2fsemper.toml",
            "/ledger/tile/%2e%2e/%2e%2e/passphrase",
            "/ledger/../semper.toml",
            "/ca/../keys/log-note.1.p8",
            "/ca/..%2fkeys%2flog-note.1.p8",
            "/ca/root",
            "/ca/root.pem",
            "/ca/.cer",
            "/ca/nobody.cer",
            "/crl/nobody.crl",
            "/crl/%00.crl",
            "/ledger/proof/inclusion",
            "/ledger/proof/inclusion?",
            "/ledger/proof/inclusion?digest=",
            "/ledger/proof/inclusion?digest=zz",
            "/ledger/proof/inclusion?digest=%00",
            "/ledger/proof/inclusion?index=",
            "/ledger/proof/inclusion?index=0001",
            "/ledger/proof/inclusion?index=1&index=1",
            "/ledger/proof/consistency?from=1&to=2&from=1",
            "/ca/%FF%FE.cer",
            "/crl/%FF%FE.crl",
            "/ledger/proof/inclusion?index=-1",
            "/ledger/proof/inclusion?index=18446744073709551615",
            "/ledger/proof/inclusion?index=18446744073709551616",
            "/ledger/proof/inclusion?index=0&index=0",
            "/ledger/proof/inclusion?index=0&digest=00",
            "/ledger/proof/consistency",
            "/ledger/proof/consistency?from=1",
            "/ledger/proof/consistency?from=2&to=1",
            "/ledger/proof/consistency?from=0&to=18446744073709551615",
            "/ledger/proof/consistency?from=18446744073709551615&to=18446744073709551615",
            "/ledger/proof/consistency?from=a&to=b",
            &format!("/ledger/tile/0/{long_group}"),
            &format!("/ledger/proof/inclusion?digest={}", "0".repeat(10_000)),
        ];
        for path in paths {
            let answer = connection.get(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
            assert!(!answer.text().contains("-----BEGIN"), "{path}");
        }
        // The same, well-formed.
        for path in ["/ledger/tile/0/000.p/1", "/ledger/tile/entries/000.p/1", "/ledger/proof/inclusion?index=0"] {
            assert_eq!(connection.get(path).expect("an answer").status, 200, "{path}");
        }
        let found = trial.metric("semper_http_requests_total{");
        assert!(found >= paths.len() as f64, "{found} requests counted");
        // What is counted by path has few names, however many paths there are.
        let metrics = get(trial.server.admin(), "/metrics").text();
        let lines = metrics.lines().filter(|line| line.starts_with("semper_http_requests_total{")).count();
        assert!(lines < 40, "{lines} series from strangers' paths");
    });
}
