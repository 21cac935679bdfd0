//! A certificate is revoked by an officer over `/v1`, and strangers see it: `openssl ocsp` before and after, `openssl verify` with
//! the list, and the status of a moment before, proven by entries.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use openssl::ssl::SslConnector;
use semper_tests::http::{Connection, Response, get};
use semper_tests::server::{DEADLINE, Data, Server};
use semper_tests::strangers::{run, text};
use semper_tests::tls::TlsClient;
use semper_tests::vault::{Vault, anchor_of, args, json};
use semper_ttp::x509::Certificate;
use serde_json::Value;

struct World {
    data: Data,
    server: Server,
    officer: SslConnector,
    work: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let data = Data::own();
        data.set("ca.crl_delay_secs", "0");
        let server = data.serve();
        let officer = TlsClient::new(server.trust()).with_person(data.path(), "officer").build();
        let work = tempfile::tempdir().expect("a temporary folder");
        for name in ["root", "ca-party", "operator"] {
            let der = std::fs::read(data.path().join(format!("certs/{name}.cer"))).expect("a certificate");
            let pem = semper_ttp::asn1::pem::encode("CERTIFICATE", &der);
            std::fs::write(work.path().join(format!("{name}.pem")), pem).expect("written");
        }
        Self { data, server, officer, work }
    }

    fn pem(&self, name: &str) -> PathBuf {
        self.work.path().join(format!("{name}.pem"))
    }

    fn operator(&self) -> Certificate {
        let der = std::fs::read(self.data.path().join("certs/operator.cer")).expect("a certificate");
        Certificate::from_der(&der).expect("a certificate")
    }

    fn serial(&self) -> String {
        hex::encode(self.operator().serial())
    }

    fn post(&self, client: &SslConnector, path: &str, key: &str, body: &str) -> Response {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let mut connection = Connection::open_tls(self.server.https(), client).expect("a connection");
        connection.request("POST", path, &headers, body.as_bytes()).expect("an answer")
    }

    fn revoke(&self, client: &SslConnector, key: &str, body: &str) -> (u16, Value) {
        read(&self.post(client, &format!("/v1/certificates/{}/revoke", self.serial()), key, body))
    }

    fn status(&self, query: &str) -> (u16, Value) {
        let client = TlsClient::new(self.server.trust()).build();
        let path = format!("/v1/certificates/{}/status{query}", self.serial());
        read(&Connection::open_tls(self.server.https(), &client).and_then(|mut c| c.get(&path)).expect("an answer"))
    }

    /// What `openssl ocsp` says of the operator's certificate; the response itself must verify.
    fn ocsp(&self, options: &[&str]) -> String {
        let mut command = Command::new("openssl");
        command.arg("ocsp").arg("-issuer").arg(self.pem("ca-party")).arg("-cert").arg(self.pem("operator"));
        command.arg("-CAfile").arg(self.pem("root")).args(options);
        let output = run(command.arg("-url").arg(format!("http://{}/ocsp", self.server.http())));
        let said = text(&output);
        assert!(output.status.success() && said.contains("Response verify OK"), "{said}");
        said.lines().find_map(|line| line.split_once(".pem: ")).map(|(_, status)| status.to_owned()).expect("a status")
    }
}

fn read(response: &Response) -> (u16, Value) {
    (response.status, serde_json::from_slice(&response.body).unwrap_or_else(|error| panic!("{error}: {response:?}")))
}

/// Whether libcrypto takes the operator's certificate with the list in this file.
fn verifies(world: &World, list: &Path) -> bool {
    let mut command = Command::new("openssl");
    command.args(["verify", "-crl_check", "-CAfile"]).arg(world.pem("root"));
    command.arg("-untrusted").arg(world.pem("ca-party")).arg("-CRLfile").arg(list).arg(world.pem("operator"));
    run(&mut command).status.success()
}

#[test]
fn strangers_see_a_revocation() {
    let world = World::new();
    for options in [&[][..], &["-no_nonce"], &["-no_nonce"]] {
        assert_eq!(world.ocsp(options), "good");
    }
    let (code, before) = world.status("");
    assert_eq!((code, &before["status"], &before["revoked"]), (200, &"good".into(), &Value::Null), "{before}");
    // A revocation counts from its whole second: of moments within that one it is said, too.
    let at = before["issued"]["time"].as_str().expect("a time").to_owned();

    let (code, revoked) = world.revoke(&world.officer, "first", r#"{"reason":"keyCompromise"}"#);
    assert_eq!((code, &revoked["status"]), (200, &"revoked".into()), "{revoked}");
    assert_eq!(revoked["revoked"]["reason"], "keyCompromise");
    for options in [&[][..], &["-no_nonce"], &["-no_nonce"]] {
        assert_eq!(world.ocsp(options), "revoked", "at once, also where \"good\" was kept");
    }

    // The list follows by itself.
    let list = world.work.path().join("list.pem");
    let deadline = Instant::now() + DEADLINE;
    loop {
        let der = get(world.server.http(), "/crl/ca-party.crl").body;
        std::fs::write(&list, semper_ttp::asn1::pem::encode("X509 CRL", &der)).expect("written");
        if !verifies(&world, &list) {
            break;
        }
        assert!(Instant::now() < deadline, "no list names it");
    }

    // The moment before is what it was, and entries show it: the issue, the revocation, lists around it.
    let (_, then) = world.status(&format!("?at={at}"));
    assert_eq!((&then["status"], &then["revoked"]), (&"good".into(), &Value::Null), "{then}");
    assert_eq!(then["issued"], before["issued"]);
    assert!(then["lists"]["before"]["entry"]["index"].is_u64() && then["lists"]["after"]["entry"]["index"].is_u64());
    let (_, now) = world.status("");
    assert_eq!((&now["status"], &now["revoked"]), (&"revoked".into(), &revoked["revoked"]));
    for entry in [&now["issued"], &now["revoked"]["entry"]] {
        let proof = get(world.server.http(), entry["proof"].as_str().expect("a place"));
        assert!(proof.status == 200 && proof.text().starts_with("c2sp.org/tlog-proof@v1\n"), "{proof:?}");
    }
    assert_eq!(world.status("?at=2999-01-01T00:00:00Z").0, 400);
    assert_eq!(world.status("?at=yesterday").0, 400);

    // Again: the same request has the same answer, another one is told so.
    assert_eq!(world.revoke(&world.officer, "first", r#"{"reason":"keyCompromise"}"#), (200, revoked));
    let (code, other) = world.revoke(&world.officer, "first", r#"{"reason":"superseded"}"#);
    assert_eq!((code, &other["code"]), (409, &"http.idempotency_key".into()), "{other}");
    let (code, again) = world.revoke(&world.officer, "second", r#"{"reason":"superseded"}"#);
    assert_eq!((code, &again["code"]), (409, &"ca.already_revoked".into()), "{again}");

    // Whoever was revoked is let in no more, by the very next request.
    let operator = TlsClient::new(world.server.trust()).with_person(world.data.path(), "operator").build();
    let (code, denied) = world.revoke(&operator, "third", r#"{"reason":"superseded"}"#);
    assert_eq!((code, &denied["code"]), (403, &"auth.forbidden".into()), "{denied}");
    assert!(denied["detail"].as_str().is_some_and(|detail| detail.contains("revoked")), "{denied}");
}

#[test]
fn only_officers_revoke_and_only_what_reads() {
    let world = World::new();
    let stranger = TlsClient::new(world.server.trust()).build();
    let operator = TlsClient::new(world.server.trust()).with_person(world.data.path(), "operator").build();
    let good = r#"{"reason":"superseded"}"#;
    assert_eq!(world.revoke(&stranger, "a", good).0, 401);
    assert_eq!(world.revoke(&operator, "a", good).0, 403);
    let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(70_000));
    for (body, expected) in [
        ("", 400),
        ("[]", 400),
        ("{}", 400),
        (r#"{"reason":"boredom"}"#, 400),
        (r#"{"reason":"superseded","reason":"superseded"}"#, 400),
        (r#"{"reason":"superseded","more":1}"#, 400),
        (r#"{"reason":"cACompromise"}"#, 422),
        (long.as_str(), 413),
    ] {
        let (code, problem) = world.revoke(&world.officer, "b", body);
        assert_eq!(code, expected, "{body}: {problem}");
    }
    let path = |serial: &str| format!("/v1/certificates/{serial}/revoke");
    for (serial, expected) in [("zz", 400), ("41", 404), (&"41".repeat(21), 400)] {
        assert_eq!(world.post(&world.officer, &path(serial), "c", good).status, expected, "{serial}");
    }
    let headers = [("content-type", "application/json")];
    let mut connection = Connection::open_tls(world.server.https(), &world.officer).expect("a connection");
    let without = connection.request("POST", &path(&world.serial()), &headers, good.as_bytes()).expect("an answer");
    assert_eq!(without.status, 400, "without a key nobody could tell a repetition");
    assert_eq!(world.status("").1["status"], "good", "nothing of this revoked it");
}

/// The machine is lost with everything since its backup, and the ledger completed from its public copy. The fact of a revocation went
/// with it, and all the world still knows that there was one.
#[test]
fn what_was_revoked_after_the_backup_stays_revoked() {
    let (world, vault) = (World::new(), Vault::new());
    let _made = vault.backup(&world.server);
    let (code, revoked) = world.revoke(&world.officer, "first", r#"{"reason":"keyCompromise"}"#);
    assert_eq!(code, 200, "{revoked}");
    let World { data: _old, server, officer, work } = world;
    let data = server.stop();
    let public = vault.path("public");
    data.export(&public).expect(0);
    let (anchor, source) = (anchor_of(&data), public.to_str().expect("a path in UTF-8").to_owned());
    let restored = json(vault.restore(&data, "new", &["--anchor", &anchor, "--complete-from", &source]).expect(0));
    let words = restored["completed"].as_str().expect("what was lost");
    assert!(words.contains("What was revoked in them (1) "), "{words}");
    let new = vault.restored(&data, "new");
    let server = new.serve();
    let world = World { data: new, server, officer, work };

    for options in [&[][..], &["-no_nonce"]] {
        assert_eq!(world.ocsp(options), "revoked");
    }
    let (_, now) = world.status("");
    assert_eq!((&now["status"], &now["revoked"]["reason"]), (&"revoked".into(), &"unspecified".into()), "{now}");
    assert_eq!(now["revoked"]["entry"]["index"], revoked["revoked"]["entry"]["index"]);
    let (code, again) = world.revoke(&world.officer, "second", r#"{"reason":"superseded"}"#);
    assert_eq!((code, &again["code"]), (409, &"ca.already_revoked".into()), "{again}");
    let list = world.work.path().join("list.pem");
    let der = get(world.server.http(), "/crl/ca-party.crl").body;
    std::fs::write(&list, semper_ttp::asn1::pem::encode("X509 CRL", &der)).expect("written");
    assert!(!verifies(&world, &list), "the list was issued before anybody could ask for it");
    let data = world.server.stop();
    // What is lost cannot be decided again; nothing else differs, and the lists are those that are due.
    data.audit().expect(2);
    let listed = semper_tests::server::run(&args(&["audit", "ca", "--data"], &[data.path()]));
    assert!(listed.stdout.contains(" unspecified\t"), "{listed:#?}");
}
