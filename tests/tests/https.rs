//! HTTPS, as clients of several makes meet it: `openssl s_client`, `curl`, and one of our own that can misbehave.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslVersion};
use semper_tests::http::{Connection, Response, get};
use semper_tests::realtime::Realtime;
use semper_tests::server::{DEADLINE, Data, Server};
use semper_tests::stamp::{Answer, QUERY, ask, query, read};
use semper_tests::strangers::{self, text};
use semper_tests::tls::TlsClient;
use semper_ttp::x509::Certificate;
use serde_json::Value;

fn stranger(server: &Server) -> SslConnector {
    TlsClient::new(server.trust()).build()
}

fn officer(server: &Server) -> SslConnector {
    TlsClient::new(server.trust()).with_person(server.dir(), "officer").build()
}

fn over(client: &SslConnector, server: &Server, path: &str) -> io::Result<Response> {
    Connection::open_tls(server.https(), client)?.get(path)
}

fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|error| panic!("{error}: {response:?}"))
}

/// Handshakes that failed for this reason, by the server's own count.
fn failed(server: &Server, reason: &str) -> u64 {
    let line = format!("semper_tls_handshakes_failed_total{{reason=\"{reason}\"}} ");
    let text = get(server.admin(), "/metrics").text();
    text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or_else(|| panic!("{reason}: {text}"))
}

/// Waits until so many have: the server counts when its side is done, which a client cannot see.
fn wait_for_failed(server: &Server, reason: &str, count: u64) {
    let deadline = Instant::now() + DEADLINE;
    while failed(server, reason) < count {
        assert!(Instant::now() < deadline, "{reason}: {} instead of {count}", failed(server, reason));
    }
}

// ---- who is who ---------------------------------------------------------------------------------------------------------

#[test]
fn everything_of_the_plain_listener_answers_here_too() {
    let server = Server::demo();
    let client = stranger(&server);
    for path in ["/ledger/checkpoint", "/ledger/vkey", "/ca/root.cer", "/crl/ca-server.crl", "/.well-known/semper"] {
        let (secure, plain) = (over(&client, &server, path).expect(path), get(server.http(), path));
        assert_eq!((secure.status, secure.body), (200, plain.body), "{path}");
    }
    let mut connection = Connection::open_tls(server.https(), &client).expect("a connection");
    for path in ["/tsa", "/tsa/rsa"] {
        let answer = ask(&mut connection, path, &query(path.as_bytes())).expect("an answer");
        assert!(matches!(answer, Answer::Granted(_)), "{path}: {answer:?}");
    }
    assert_eq!(get(server.http(), "/v1/me").status, 404, "there is no /v1 without TLS");
    let page = over(&client, &server, "/problems/auth.required").expect("a page");
    assert_eq!(page.header("content-type"), Some("text/markdown; charset=utf-8"));
    assert!(page.text().starts_with("# auth.required\n"), "{page:?}");
    assert_eq!(get(server.http(), "/problems/auth.required").body, page.body);
    assert_eq!(get(server.http(), "/problems/none").status, 404);
}

#[test]
fn an_officer_is_known_by_the_certificate() {
    let server = Server::demo();
    let answer = over(&officer(&server), &server, "/v1/me").expect("an answer");
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    let der = fs::read(server.dir().join("certs/officer.cer")).expect("the certificate");
    let certificate = Certificate::from_der(&der).expect("a certificate");
    let shown = &json(&answer)["certificate"];
    assert_eq!(shown["serial"], hex::encode(certificate.serial()));
    assert_eq!(shown["sha256"], certificate.digest().to_string());
    assert_eq!(shown["not_after"], certificate.validity().not_after.to_string());
    assert_eq!(shown["subject"]["common_name"], "First Officer");
    assert_eq!(shown["subject"]["country"], "FR");

    // Without one: problem details, whatever is asked.
    let client = stranger(&server);
    let mut connection = Connection::open_tls(server.https(), &client).expect("a connection");
    for (method, path, status, code) in [
        ("GET", "/v1/me", 401, "auth.required"),
        ("DELETE", "/v1/me", 405, "http.method"),
        ("GET", "/v1/none", 404, "http.not_found"),
        ("GET", "/v1", 404, "http.not_found"),
        ("GET", "/v1/", 404, "http.not_found"),
        ("GET", "/v1/me/", 404, "http.not_found"),
        ("GET", "/v1//me", 404, "http.not_found"),
    ] {
        let answer = connection.request(method, path, &[], &[]).expect("an answer");
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json")),
            "{path}"
        );
        let problem = json(&answer);
        assert_eq!((&problem["code"], &problem["status"]), (&Value::from(code), &Value::from(status)), "{path}");
        assert_eq!(problem["instance"].as_str(), answer.header("x-request-id"), "{path}");
        let page = over(&client, &server, problem["type"].as_str().expect("a type")).expect("a page");
        assert_eq!(page.status, 200, "{path}");
    }
    // HEAD has no body to be in any form.
    let head = connection.request("HEAD", "/v1/me", &[], &[]);
    assert_eq!(head.expect("an answer").status, 401);
}

#[test]
fn a_certificate_that_does_not_verify_fails_the_handshake() {
    let server = Server::demo();
    let other = Data::own();
    for (number, version) in [SslVersion::TLS1_2, SslVersion::TLS1_3].into_iter().enumerate() {
        let client = TlsClient::new(server.trust()).with_person(other.path(), "officer").only(version).build();
        // In TLS 1.3 the client learns it when it reads.
        let refused = over(&client, &server, "/v1/me").expect_err("another root's officer").to_string();
        assert!(refused.contains("alert unknown ca"), "{refused}");
        wait_for_failed(&server, "certificate", number as u64 + 1);
    }
    assert_eq!(over(&officer(&server), &server, "/v1/me").expect("an answer").status, 200);
}

/// A TLS server's certificate, and one that a timestamping unit has, lead to the same root and are no client's.
#[test]
fn what_another_authority_of_ours_has_issued_is_no_clients() {
    let server = Server::demo();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let passphrase = format!("file:{}", server.dir().join("passphrase").display());
    for name in ["tls.1", "tsu-ec.1"] {
        strangers::judge(pkey(&passphrase, server.dir(), name).args(["-out", &path("key")]));
        let certificate = server.dir().join(format!("certs/{name}.cer"));
        strangers::judge(Command::new("openssl").args(["x509", "-out", &path("pem"), "-in"]).arg(certificate));
        let said = s_client(&server, &["-cert", &path("pem"), "-key", &path("key")]);
        assert!(said.contains(" alert "), "{name}: {said}");
    }
    wait_for_failed(&server, "certificate", 2);
}

#[test]
fn a_certificate_that_has_ended_fails_the_handshake() {
    let (realtime, data) = (Realtime::new(), Data::demo());
    let client = TlsClient::new(&data.trust_folder()).with_person(data.path(), "officer");
    let client = client.believing_anybody().build(); // the listener's own has ended, too
    realtime.set("+729d");
    let server = realtime.start(&data);
    assert_eq!(over(&client, &server, "/v1/me").expect("an answer").status, 200);
    assert!(server.stderr().contains("the certificate of the HTTPS listener has ended"), "{}", server.stderr());
    realtime.set("+731d");
    let refused = over(&client, &server, "/v1/me").expect_err("it has ended").to_string();
    assert!(refused.contains("alert certificate expired"), "{refused}");
    wait_for_failed(&server, "certificate", 1);
}

// ---- strangers ----------------------------------------------------------------------------------------------------------

/// `openssl s_client` that asks for `/v1/me`: everything that it says.
fn s_client(server: &Server, args: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &server.https().to_string(), "-ign_eof", "-CAfile"]);
    command.arg(server.trust().join("root.pem")).args(["-verify_ip", "127.0.0.1", "-verify_return_error"]).args(args);
    text(&strangers::run_with(&mut command, b"GET /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}

#[test]
fn openssl_finds_what_it_should_and_nothing_older() {
    let server = Server::demo();
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = s_client(&server, &[version, "-alpn", "h2,http/1.1", "-status"]);
        assert!(said.contains("HTTP/1.1 401 Unauthorized") && said.contains("application/problem+json"), "{said}");
        assert!(said.contains(name) && said.contains("ALPN protocol: http/1.1"), "{said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
        // Whom it lets in is told to the client.
        assert!(said.contains("Acceptable client certificate CA names") && said.contains("Party CA 1"), "{said}");
        assert!(!said.contains("TLS session ticket:") && !said.contains("Post-Handshake New Session Ticket"), "{said}");
    }
    for version in ["-tls1", "-tls1_1"] {
        let said = s_client(&server, &[version, "-cipher", "ALL:@SECLEVEL=0"]);
        assert!(said.contains("alert protocol version") && !said.contains("HTTP/1.1"), "{said}");
    }
    wait_for_failed(&server, "version", 2);
    let said = s_client(&server, &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"]);
    assert!(said.contains("alert handshake failure"), "{said}");
    let said = s_client(&server, &["-alpn", "h2"]);
    assert!(said.contains("alert no application protocol"), "{said}");
    wait_for_failed(&server, "algorithms", 2);
    // With the officer's .p12, as a person would who opens it.
    let person = |ending: &str| server.dir().join(format!("people/officer.{ending}")).display().to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pem = folder.path().join("officer.pem").display().to_string();
    let passphrase = format!("file:{}", person("passphrase"));
    let mut pkcs12 = Command::new("openssl");
    pkcs12.args(["pkcs12", "-nodes", "-passin", &passphrase, "-in", &person("p12"), "-out", &pem]);
    strangers::judge(&mut pkcs12);
    let said = s_client(&server, &["-cert", &pem, "-key", &pem]);
    assert!(said.contains("HTTP/1.1 200 OK") && said.contains("First Officer"), "{said}");
    // A client that does not know our root goes.
    let said = text(&strangers::run_with(
        Command::new("openssl").args(["s_client", "-verify_return_error", "-connect", &server.https().to_string()]),
        b"",
    ));
    assert!(said.contains("verify error"), "{said}");
    wait_for_failed(&server, "alert", 1);
}

/// As the README has it.
#[test]
fn curl_opens_the_officers_file_itself() {
    let server = Server::demo();
    let person = |ending: &str| server.dir().join(format!("people/officer.{ending}"));
    let passphrase = fs::read_to_string(person("passphrase")).expect("the passphrase");
    let ask = |more: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--cacert"]).arg(server.trust().join("root.pem")).args(more);
        text(&strangers::run(curl.arg(format!("https://{}/v1/me", server.https()))))
    };
    let file = format!("{}:{}", person("p12").display(), passphrase.trim());
    let said = ask(&["--cert-type", "P12", "--cert", &file]);
    assert!(said.contains("\"common_name\":\"First Officer\""), "{said}");
    assert!(ask(&[]).contains("\"code\":\"auth.required\""));
}

/// A client cannot shake hands anew within a connection.
#[test]
fn nothing_is_negotiated_twice() {
    let server = Server::demo();
    let mut command = Command::new("openssl");
    command.args(["s_client", "-tls1_2", "-connect", &server.https().to_string(), "-CAfile"]);
    // A line that is one R asks for it.
    let said = text(&strangers::run_with(command.arg(server.trust().join("root.pem")), b"R\nGET / HTTP/1.1\n\n"));
    assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
}

// ---- rudeness -----------------------------------------------------------------------------------------------------------

#[test]
fn half_open_handshakes_hold_their_places_only_so_long() {
    let server = Server::with(&[
        ("limits.tls_handshake_timeout_secs", "1"),
        ("limits.idle_timeout_secs", "3600"),
        ("limits.header_read_timeout_secs", "3600"),
        ("limits.connections_per_address_max", "4"),
    ]);
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC];
    let mut silent: Vec<_> = (0..3).map(|_| Connection::open(server.https()).expect("it listens")).collect();
    let mut slow = Connection::open(server.https()).expect("it listens");
    slow.send(&hello).expect("sent");
    // All places are taken.
    let refused = Connection::open(server.https()).and_then(|mut fifth| fifth.until_closed());
    assert!(refused.is_ok_and(|said| said.is_empty()), "the fifth is closed at once");
    let ended = slow.trickle_until_closed(&[0], Duration::from_secs(60)).expect("a socket");
    let (said, after) = ended.expect("its time is bounded, though bytes move");
    assert!(said.is_empty() && after < Duration::from_secs(30), "{said:?} {after:?}");
    for connection in &mut silent {
        assert_eq!(connection.until_closed().expect("it closes"), b"");
    }
    wait_for_failed(&server, "timeout", 4);
    let ended = "semper_http_connections_ended_total{outcome=\"handshake\"} 4";
    let deadline = Instant::now() + DEADLINE;
    while !get(server.admin(), "/metrics").text().contains(ended) {
        assert!(Instant::now() < deadline, "they end as handshakes");
    }
    assert_eq!(over(&officer(&server), &server, "/v1/me").expect("a place is free").status, 200);
}

#[test]
fn what_is_no_tls_is_closed() {
    let server = Server::demo();
    let rude = |bytes: &[u8]| {
        let mut connection = Connection::open(server.https()).expect("it listens");
        connection.send(bytes).expect("sent");
        connection.until_closed().expect("it closes")
    };
    let said = rude(b"GET /ledger/checkpoint HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(!String::from_utf8_lossy(&said).contains("HTTP"), "{said:?}");
    wait_for_failed(&server, "plain-http", 1);
    let said = rude(&[b'x'; 4096]);
    assert!(said.len() < 16, "an alert at most: {said:?}");
    wait_for_failed(&server, "malformed", 1);
    // Gone before it began: closing is no failure of anybody's, but counted.
    drop(TcpStream::connect(server.https()).expect("it listens"));
    wait_for_failed(&server, "closed", 1);
    assert_eq!(over(&stranger(&server), &server, "/ledger/vkey").expect("an answer").status, 200);
}

#[test]
fn limits_hold_behind_tls() {
    let server = Server::with(&[("limits.header_read_timeout_secs", "1"), ("limits.body_bytes_max", "1024")]);
    let client = stranger(&server);
    let mut silent = Connection::open_tls(server.https(), &client).expect("a connection");
    assert_eq!(silent.until_closed().expect("it closes"), b"");
    let mut large = Connection::open_tls(server.https(), &client).expect("a connection");
    let answer = large.request("POST", "/tsa", &[("Content-Type", QUERY)], &[0; 1025]).expect("an answer");
    assert_eq!(answer.status, 413);
}

// ---- the end ------------------------------------------------------------------------------------------------------------

#[test]
fn a_request_that_has_begun_is_answered_when_the_server_stops() {
    let server = Server::demo();
    let client = stranger(&server);
    let mut connection = Connection::open_tls(server.https(), &client).expect("a connection");
    let body = query(b"the last one");
    let head = format!(
        "POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Type: {QUERY}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.send(head.as_bytes()).expect("sent");
    assert_eq!(connection.interim().expect("an interim answer"), 100);
    let mut idle = Connection::open_tls(server.https(), &client).expect("a connection");
    assert_eq!(idle.get("/ledger/vkey").expect("an answer").status, 200);
    server.terminate();
    // Refused connections show that the listener is closed.
    while TcpStream::connect(server.https()).is_ok() {}
    assert_eq!(idle.until_closed().expect("nothing is asked on it"), b"");
    connection.send(&body).expect("the connection is still there");
    let answer = connection.response(false).expect("an accepted request is answered");
    assert!(matches!(read(&answer), Answer::Granted(_)), "{answer:?}");
    let (end, data) = server.wait();
    end.expect(0);
    data.fsck().expect(0);
}

/// Half of a handshake is no request: it gets a moment, not the time that handshakes have.
#[test]
fn a_half_open_handshake_does_not_hold_up_the_end() {
    let server = Server::with(&[("limits.tls_handshake_timeout_secs", "3600"), ("shutdown.drain_secs", "3600")]);
    let mut half = Connection::open(server.https()).expect("it listens");
    half.send(&[0x16, 3, 1]).expect("sent");
    // It was taken before the end began: connections are taken in order.
    assert_eq!(over(&stranger(&server), &server, "/ledger/vkey").expect("an answer").status, 200);
    server.terminate();
    assert_eq!(half.until_closed().expect("it closes"), b"");
    let (end, _data) = server.wait();
    end.expect(0);
}

// ---- certificates -------------------------------------------------------------------------------------------------------

/// A data folder that was made before there was a key for HTTPS.
#[test]
fn a_folder_without_the_key_is_served_without_https() {
    let data = Data::demo();
    fs::remove_file(data.path().join("keys/tls.1.p8")).expect("the key");
    let server = data.serve();
    assert!(!server.has_https());
    assert!(server.stderr().contains("HTTPS is off"), "{}", server.stderr());
    assert_eq!(get(server.http(), "/ledger/vkey").status, 200);
    server.stop();
}

#[test]
fn the_certificate_of_another_authority_may_be_named() {
    let (data, other) = (Data::demo(), Data::own());
    fs::remove_file(data.path().join("keys/tls.1.p8")).expect("the key");
    let path = |name: &str| data.path().join(name);
    let passphrase = format!("file:{}", other.path().join("passphrase").display());
    let write_key = |name| strangers::judge(pkey(&passphrase, other.path(), name).arg("-out").arg(path("https.key")));
    write_key("tls.1");
    let pem = |name: &str| {
        let certificate = other.path().join(format!("certs/{name}.cer"));
        text(&strangers::run(Command::new("openssl").args(["x509", "-in"]).arg(certificate)))
    };
    fs::write(path("https.pem"), format!("{}\n{}\n", pem("tls.1"), pem("ca-server"))).expect("the chain");
    data.set("listen.https_certificate_path", "\"https.pem\"").set("listen.https_key_path", "\"https.key\"");
    let mode =
        |bits| fs::set_permissions(path("https.key"), fs::Permissions::from_mode(bits)).expect("its permissions");
    mode(0o644);
    let end = data.serve_to_the_end(&[]);
    assert!(end.expect(64).stderr.contains("https.key"), "{end:#?}");
    mode(0o600);
    let server = data.serve();
    let client = TlsClient::new(&other.trust_folder()).with_person(data.path(), "officer").build();
    assert_eq!(over(&client, &server, "/v1/me").expect("an answer").status, 200);
    assert!(over(&stranger(&server), &server, "/v1/me").is_err(), "our own root does not vouch for it");
    server.stop();

    // A key that is not the certificate's, and one under a passphrase that nobody can be asked for.
    fs::copy(other.path().join("keys/tsu-ec.1.p8"), path("https.key")).expect("a copy");
    let end = data.serve_to_the_end(&[]);
    assert!(end.expect(64).stderr.contains("no private key in it that reads without a passphrase"), "{end:#?}");
    fs::write(path("https.pem"), pem("tsu-ec.1")).expect("the chain");
    write_key("tls.1");
    let end = data.serve_to_the_end(&[]);
    assert!(end.expect(64).stderr.contains("the key is not that of the first certificate"), "{end:#?}");
}

/// `openssl pkey` of a service's key.
fn pkey(passphrase: &str, data: &Path, name: &str) -> Command {
    let mut pkey = Command::new("openssl");
    pkey.args(["pkey", "-passin", passphrase, "-in"]).arg(data.join(format!("keys/{name}.p8")));
    pkey
}
