//! Another key follows one that is in use, while the server runs: asked for by an operator, or because its time has come; and what
//! a crash in the middle leaves.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use openssl::ssl::SslConnector;
use openssl::x509::X509;
use semper_tests::http::{Connection, entries, get};
use semper_tests::realtime::Realtime;
use semper_tests::server::{Data, Finished, Server, run};
use semper_tests::stamp::{Answer, Record, ask, query, verify_all};
use semper_tests::strangers::{judge, run as run_stranger, text};
use semper_tests::tls::{TlsClient, shake_hands};
use semper_ttp::asn1::pem;
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Kind, OpsKind};
use serde_json::Value;

/// `semper keys` as one of the people that `semper init` made.
fn keys(server: &Server, person: &str, words: &[&str]) -> Finished {
    let identity = server.dir().join(format!("people/{person}.p12"));
    let (url, identity) = (format!("https://{}", server.https()), identity.to_str().expect("UTF-8").to_owned());
    run(&[&["keys", "--json"], words, &["--url", &url, "--identity", &identity]].concat())
}

fn rotate(server: &Server, key: &str) -> Value {
    let ended = keys(server, "operator", &["rotate", key]);
    ended.expect(0);
    serde_json::from_str(&ended.stdout).expect("JSON")
}

/// What the ledger tells of a key.
fn told(server: &Server, key: &str) -> Value {
    let ended = keys(server, "operator", &["list"]);
    ended.expect(0);
    let listed: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let found = listed["keys"].as_array().expect("a list").iter().find(|one| one["key"] == key).cloned();
    found.unwrap_or_else(|| panic!("there is no {key} in {listed}"))
}

fn token(connection: &mut Connection, path: &str, document: &str) -> Record {
    match ask(connection, path, &query(document.as_bytes())).expect("an answer") {
        Answer::Granted(token) => Record { document: Digest::of(document.as_bytes()), token, proof: None },
        Answer::Rejected(why) => panic!("a request was refused: {why:?}"),
    }
}

/// What the service says of itself.
fn described(host: SocketAddr) -> Value {
    serde_json::from_slice(&get(host, "/.well-known/semper").body).expect("JSON")
}

fn count(server: &Server, kind: OpsKind) -> usize {
    entries(server.http())
        .iter()
        .filter(|entry| Kind::from_codes(entry.role, entry.kind) == Some(Kind::Ops(kind)))
        .count()
}

#[test]
fn a_unit_is_followed_while_requests_go_on() {
    let server = Server::demo();
    let (host, stop) = (server.http(), AtomicBool::new(false));
    let mut records = Vec::new();
    let (first, second, third) = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let stop = &stop;
                scope.spawn(move || {
                    let mut connection = Connection::open(host).expect("the server listens");
                    let mut records = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let path = if client == 0 { "/tsa/rsa" } else { "/tsa" };
                        // Not one is refused.
                        records.push(token(&mut connection, path, &format!("{client} {}", records.len())));
                    }
                    records
                })
            })
            .collect();
        let rotated = ["tsu-ec", "tsu-rsa", "tsu-ec"].map(|key| rotate(&server, key));
        // Each of the new units has signed.
        let mut connection = Connection::open(host).expect("the server listens");
        records.push(token(&mut connection, "/tsa", "after"));
        records.push(token(&mut connection, "/tsa/rsa", "after, too"));
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            records.extend(client.join().expect("no request was refused"));
        }
        let [first, second, third] = rotated;
        (first, second, third)
    });
    assert_eq!([&first["key"], &second["key"], &third["key"]], ["tsu-ec.2", "tsu-rsa.2", "tsu-ec.3"]);
    assert_eq!([&first["follows"], &third["follows"]], ["tsu-ec.1", "tsu-ec.2"]);

    // What the ledger tells: made, first used, ended; and where the proofs are.
    for entry in [&first["made"], &first["certificate"]["entry"]] {
        assert_eq!(get(host, entry["proof"].as_str().expect("a place")).status, 200);
    }
    for (key, in_use) in [("tsu-ec.1", false), ("tsu-ec.2", false), ("tsu-ec.3", true), ("tsu-rsa.2", true)] {
        let told = told(&server, key);
        assert_eq!((told["ended"].is_null(), &told["in_use"]), (in_use, &Value::from(in_use)), "{told}");
    }
    assert_eq!(count(&server, OpsKind::KeyEnded), 3);
    let units = described(host);
    assert_eq!([&units["timestamping"][0]["key"], &units["timestamping"][1]["key"]], ["tsu-ec.3", "tsu-rsa.2"]);

    // Every token verifies by the anchors of now, those of the units of before as well; and after another start.
    assert!(records.len() > 10, "{}", records.len());
    verify_all(&records, host, &server.data().trust());
    let data = server.stop();
    data.audit().expect(0);
    data.fsck().expect(0);
    let server = data.serve();
    verify_all(&records, server.http(), &server.data().trust());
    assert_eq!(described(server.http())["timestamping"][0]["key"], "tsu-ec.3");
    judge_token(&server, &records[0]);
}

/// `openssl ts -verify`.
fn judge_token(server: &Server, record: &Record) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("token.tst");
    fs::write(&file, &record.token).expect("written");
    let mut command = Command::new("openssl");
    command.args(["ts", "-verify", "-token_in", "-digest", &record.document.to_string(), "-in"]).arg(&file);
    command.arg("-CAfile").arg(server.trust().join("root.pem"));
    judge(command.arg("-untrusted").arg(server.trust().join("tsa-chain.pem")));
}

#[test]
fn who_may_and_what_is_asked_twice() {
    let server = Server::demo();
    let refused = keys(&server, "officer", &["rotate", "tsu-ec"]);
    refused.expect(64);
    assert!(refused.stdout.contains("auth.forbidden"), "{refused:#?}");
    keys(&server, "officer", &["list"]).expect(64);
    for key in ["ca-root", "log-note", "notary-act"] {
        let refused = keys(&server, "operator", &["rotate", key]);
        refused.expect(64);
        assert!(refused.stdout.contains("keys.not_rotated"), "{refused:#?}");
    }
    keys(&server, "operator", &["rotate", "tsu-dsa"]).expect(64);
    assert_eq!(count(&server, OpsKind::KeyMade), 13, "nothing of this made a key");

    let once = keys(&server, "operator", &["rotate", "tsu-ec", "--idempotency-key", "a"]);
    let twice = keys(&server, "operator", &["rotate", "tsu-ec", "--idempotency-key", "a"]);
    once.expect(0);
    assert_eq!(once.stdout, twice.stdout);
    let other = keys(&server, "operator", &["rotate", "tls", "--idempotency-key", "a"]);
    other.expect(64);
    assert!(other.stdout.contains("http.idempotency_key"), "{other:#?}");
    assert_eq!(count(&server, OpsKind::KeyMade), 14);

    // The same over HTTP: what does not read, and whoever shows no certificate.
    let post = |client: &SslConnector, path: &str, key: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let mut connection = Connection::open_tls(server.https(), client).expect("a connection");
        connection.request("POST", path, &headers, body.as_bytes()).expect("an answer").status
    };
    let operator = TlsClient::new(server.trust()).with_person(server.dir(), "operator").build();
    let stranger = TlsClient::new(server.trust()).build();
    assert_eq!(post(&stranger, "/v1/keys/tsu-ec/rotate", "b", "{}"), 401);
    for (path, key, body, expected) in [
        ("/v1/keys/tsu-ec/rotate", "b", "", 400),
        ("/v1/keys/tsu-ec/rotate", "b", r#"{"x":1}"#, 400),
        ("/v1/keys/tsu-ec/rotate", "", "{}", 400),
        ("/v1/keys/tsu/rotate", "b", "{}", 404),
    ] {
        assert_eq!(post(&operator, path, key, body), expected, "{path} {key} {body}");
    }
    assert_eq!(count(&server, OpsKind::KeyMade), 14);
}

/// The certificate that the listener shows.
fn shown(server: &Server) -> X509 {
    let client = TlsClient::new(server.trust()).build();
    let stream = TcpStream::connect(server.https()).expect("the server listens");
    let stream = shake_hands(&client, server.https(), stream).expect("it verifies");
    stream.ssl().peer_certificate().expect("a certificate")
}

fn common_name_of_issuer(certificate: &X509) -> String {
    let names = certificate.issuer_name().entries_by_nid(openssl::nid::Nid::COMMONNAME);
    names.map(|name| name.data().to_string().expect("text")).collect()
}

/// New certificates come from the newest CA; whoever has one of an older CA is known further, by handshake, OCSP and list.
#[test]
fn issuing_cas_are_followed_and_the_old_ones_answer_further() {
    let server = Server::demo();
    let before = shown(&server);
    for ca in ["ca-server", "ca-party", "ca-tsu"] {
        assert_eq!(rotate(&server, ca)["key"], format!("{ca}.2"));
        assert_eq!(told(&server, &format!("{ca}.1"))["in_use"], true, "it signs lists");
    }
    assert_eq!(shown(&server).to_der().expect("DER"), before.to_der().expect("DER"));
    for key in ["tls", "tsu-ec", "ocsp-party"] {
        rotate(&server, key);
    }
    let now = shown(&server);
    assert_eq!([&before, &now].map(common_name_of_issuer), ["Server CA 1", "Server CA 2"]);
    let mut connection = Connection::open(server.http()).expect("the server listens");
    let record = token(&mut connection, "/tsa", "by the unit of the second CA");
    verify_all([&record], server.http(), &server.data().trust());
    judge_token(&server, &record);

    // The operator's certificate is by the first CA: it let him in for all of this, and it is asked about.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, label: &str, der: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, pem::encode(label, der)).expect("written");
        path
    };
    let root = server.trust().join("root.pem");
    let operator = fs::read(server.dir().join("certs/operator.cer")).expect("a certificate");
    let operator = file("operator.pem", "CERTIFICATE", &operator);
    let served = |place: &str| get(server.http(), place).body;
    for (ca, subject) in
        [("ca-party", Some(&operator)), ("ca-server.2", None), ("ca-tsu.2", None), ("ca-party.2", None)]
    {
        let issuer = file("issuer.pem", "CERTIFICATE", &served(&format!("/ca/{ca}.cer")));
        let list = file("list.pem", "X509 CRL", &served(&format!("/crl/{ca}.crl")));
        let arl = file("arl.pem", "X509 CRL", &served("/crl/root.crl"));
        let both = folder.path().join("lists.pem");
        fs::write(&both, [fs::read(&list).expect("read"), fs::read(&arl).expect("read")].concat()).expect("written");
        let own = file("tls.pem", "CERTIFICATE", &now.to_der().expect("DER"));
        let subject = match (subject, ca) {
            (Some(subject), _) => Some(subject.clone()),
            (None, "ca-server.2") => Some(own),
            (None, _) => None,
        };
        verify(&issuer, &root, &both, subject.as_deref());
        if let Some(subject) = subject {
            assert_eq!(ocsp(&server, &issuer, &subject, &root), "good", "{ca}");
        }
    }

    // As before after another start, where all are read from the folder.
    let data = server.stop();
    let server = data.serve();
    assert_eq!(shown(&server).to_der().expect("DER"), now.to_der().expect("DER"));
    assert_eq!(rotate(&server, "ca-party")["key"], "ca-party.3");
    let issuer = file("issuer.pem", "CERTIFICATE", &get(server.http(), "/ca/ca-party.cer").body);
    assert_eq!(ocsp(&server, &issuer, &operator, &root), "good");
    server.stop();
    data.audit().expect(0);
    data.fsck().expect(0);
}

fn verify(issuer: &Path, root: &Path, lists: &Path, subject: Option<&Path>) {
    let mut command = Command::new("openssl");
    command.args(["verify", "-x509_strict", "-crl_check_all", "-CAfile"]).arg(root).arg("-CRLfile").arg(lists);
    match subject {
        Some(subject) => judge(command.arg("-untrusted").arg(issuer).arg(subject)),
        None => judge(command.arg(issuer)),
    };
}

/// What `openssl ocsp` says; the response itself must verify.
fn ocsp(server: &Server, issuer: &Path, certificate: &Path, root: &Path) -> String {
    let mut command = Command::new("openssl");
    command.arg("ocsp").arg("-issuer").arg(issuer).arg("-cert").arg(certificate).arg("-CAfile").arg(root);
    let said = text(&run_stranger(command.arg("-url").arg(format!("http://{}/ocsp", server.http()))));
    assert!(said.contains("Response verify OK"), "{said}");
    said.lines().find_map(|line| line.split_once(".pem: ")).map(|(_, status)| status.to_owned()).expect("a status")
}

/// At four fifths of its life a key is followed, without anybody's asking; what lives longer stays.
#[test]
fn keys_whose_time_has_come_are_followed_by_themselves() {
    let time = Realtime::new();
    let data = Data::demo();
    let server = data.serve();
    let mut connection = Connection::open(server.http()).expect("the server listens");
    let early = token(&mut connection, "/tsa", "early");
    server.stop();

    // A day before four fifths of a year, and a day after.
    for (days, generation) in [(291, 1), (293, 2)] {
        time.set(&format!("+{days}d"));
        let server = time.start(&data);
        let told = described(server.http());
        assert_eq!(told["timestamping"][0]["key"], format!("tsu-ec.{generation}"));
        assert_eq!(told["timestamping"][1]["key"], format!("tsu-rsa.{generation}"));
        // The listener's certificate lives 90 days, and is the second one both times.
        let name = |purpose: &str, n: u32| server.dir().join(format!("keys/{purpose}.{n}.p8")).exists();
        assert!(name("tls", 2) && name("ocsp-tsu", generation) && !name("ca-tsu", 2), "{days}");
        let mut connection = Connection::open(server.http()).expect("the server listens");
        let late = token(&mut connection, "/tsa", &format!("after {days} days"));
        verify_all([&early, &late], server.http(), &server.data().trust());
        server.stop();
    }
    data.audit().expect(0);
}

fn key_file(data: &Data, key: &str) -> PathBuf {
    data.path().join(format!("keys/{key}.p8"))
}

/// Each state that a crash may leave between the steps of a rotation is settled by the next start.
#[test]
fn a_rotation_that_did_not_end_is_finished_or_cleared() {
    let data = Data::demo();
    // A key that the ledger does not know: the crash came before the commit.
    fs::copy(key_file(&data, "ocsp-tsu.1"), key_file(&data, "tsu-ec.2")).expect("a key");
    fs::copy(key_file(&data, "ocsp-tsu.1"), key_file(&data, "ca-tsu.2")).expect("a key");
    let server = data.serve();
    let key_in_use = |server: &Server| described(server.http())["timestamping"][0]["key"].clone();
    assert_eq!(key_in_use(&server), "tsu-ec.1");
    assert!(!key_file(&data, "tsu-ec.2").exists() && !key_file(&data, "ca-tsu.2").exists(), "they are taken away");
    assert_eq!(rotate(&server, "tsu-ec")["key"], "tsu-ec.2");
    assert_eq!(rotate(&server, "ca-tsu")["key"], "ca-tsu.2");
    assert_eq!(rotate(&server, "tls")["key"], "tls.2");
    server.stop();

    // Keys that the ledger knows and no file: the crash came after the commit. Also of the anchors that verifiers get.
    let chain = data.trust_folder().join("tsa-chain.pem");
    let whole = fs::read_to_string(&chain).expect("the anchors");
    let certificates: Vec<_> =
        ["tsu-ec.2", "ca-tsu.2", "tls.2"].map(|name| data.path().join(format!("certs/{name}.cer"))).into();
    let bytes: Vec<_> = certificates.iter().map(|path| fs::read(path).expect("a certificate")).collect();
    for path in &certificates {
        fs::remove_file(path).expect("removed");
    }
    let cut = bytes[..2].iter().fold(whole.clone(), |text, der| text.replace(&pem::encode("CERTIFICATE", der), ""));
    fs::write(&chain, cut).expect("written");
    let server = data.serve();
    assert_eq!(key_in_use(&server), "tsu-ec.2");
    for (path, bytes) in certificates.iter().zip(&bytes) {
        assert_eq!(&fs::read(path).expect("it is there again"), bytes);
    }
    assert_eq!(shown(&server).to_der().expect("DER"), bytes[2]);
    assert_eq!(get(server.http(), "/ca/ca-tsu.2.cer").body, bytes[1]);
    let mut connection = Connection::open(server.http()).expect("the server listens");
    let record = token(&mut connection, "/tsa", "after");
    verify_all([&record], server.http(), &server.data().trust());
    assert_eq!(count(&server, OpsKind::KeyEnded), 2, "tsu-ec.1 and tls.1, once");
    let again = fs::read_to_string(&chain).expect("the anchors");
    assert_eq!(again.len(), whole.len());
    server.stop();
    data.audit().expect(0);
    data.fsck().expect(0);
}
