//! A root whose key is kept offline: carried away, asked by files that are carried by hand, and what a server does without it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::x509::X509Crl;
use semper_tests::http::{Connection, get};
use semper_tests::realtime::Realtime;
use semper_tests::server::{Data, Finished, Server, run};
use semper_tests::strangers::judge;
use semper_tests::tls::TlsClient;
use semper_ttp::asn1::pem;
use semper_ttp::x509::Certificate;
use serde_json::Value;

struct House {
    data: Data,
    /// What is carried by hand, and the root's key.
    safe: tempfile::TempDir,
}

impl House {
    /// A service whose root's key was carried away.
    fn new() -> Self {
        let house = Self { data: Data::demo(), safe: tempfile::tempdir().expect("a temporary folder") };
        house.export().expect(0);
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.safe.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    fn export(&self) -> Finished {
        let data = self.data.path().to_str().expect("UTF-8").to_owned();
        run(&["keys", "export", "ca-root", "--data", &data, "--to", &self.text("ca-root.1.p8")])
    }

    fn keys(&self, server: &Server, words: &[&str]) -> Finished {
        let identity = server.dir().join("people/operator.p12");
        let (url, identity) = (format!("https://{}", server.https()), identity.to_str().expect("UTF-8").to_owned());
        run(&[&["keys", "--json"], words, &["--url", &url, "--identity", &identity]].concat())
    }

    fn request(&self, server: &Server, key: &str, name: &str) {
        self.keys(server, &["request", key, "--to", &self.text(name)]).expect(0);
    }

    /// On a machine that has the root's certificate, its key and the passphrase.
    fn sign(&self, request: &str, to: &str, more: &[&str]) -> Finished {
        let root = self.data.trust_folder().join("root.pem");
        let passphrase = self.data.path().join("passphrase");
        let [root, passphrase] = [root, passphrase].map(|path| path.to_str().expect("UTF-8").to_owned());
        let (request, key, to) = (self.text(request), self.text("ca-root.1.p8"), self.text(to));
        let words = ["keys", "sign", "--request", &request, "--root", &root, "--key", &key];
        run(&[&words[..], &["--passphrase-file", &passphrase, "--to", &to], more].concat())
    }

    fn import(&self, server: &Server, name: &str) -> Finished {
        self.keys(server, &["import", &self.text(name)])
    }

    fn file(&self, name: &str, label: &str, der: &[u8]) -> PathBuf {
        fs::write(self.path(name), pem::encode(label, der)).expect("written");
        self.path(name)
    }
}

fn read(ended: &Finished) -> Value {
    ended.expect(0);
    serde_json::from_str(&ended.stdout).expect("JSON")
}

fn refused(ended: &Finished, expected: &str) {
    ended.expect(64);
    assert!(ended.stdout.contains("keys.not_taken") && ended.stdout.contains(expected), "{ended:#?}");
}

fn root_list(server: &Server) -> X509Crl {
    X509Crl::from_der(&get(server.http(), "/crl/root.crl").body).expect("a list")
}

fn ready(server: &Server) -> (u16, String) {
    let answer = get(server.admin(), "/readyz");
    (answer.status, answer.text())
}

#[test]
fn a_root_is_carried_away_and_certifies_from_there() {
    let house = House::new();
    // What was done is done once, and told where it is asked again.
    assert!(!house.data.path().join("keys/ca-root.1.p8").exists());
    let mode = fs::metadata(house.path("ca-root.1.p8")).expect("the key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    house.export().expect(64);

    let server = house.data.serve();
    assert_eq!(ready(&server), (200, "ready\n".to_owned()));
    assert_eq!(get(server.http(), "/ca/root.cer").status, 200);
    // The other keys are followed as ever, and no CA.
    read(&house.keys(&server, &["rotate", "tsu-rsa"]));
    let no = house.keys(&server, &["rotate", "ca-tsu"]);
    no.expect(64);
    assert!(no.stdout.contains("kept offline"), "{no:#?}");
    assert!(!house.data.path().join("keys/ca-tsu.2.p8").exists(), "nothing is left of it");

    // Asked, over a restart; the same request under the same name.
    let once = house.keys(&server, &["request", "ca-tsu", "--to", &house.text("one"), "--idempotency-key", "a"]);
    once.expect(0);
    house.keys(&server, &["request", "ca-tsu", "--to", &house.text("two"), "--idempotency-key", "a"]).expect(0);
    assert_eq!(fs::read(house.path("one")).expect("read"), fs::read(house.path("two")).expect("read"));
    server.stop();
    let server = house.data.serve();
    assert!(house.data.path().join("keys/ca-tsu.2.p8").exists(), "it waits");

    // Beside the root's key: looked at first, then signed; nothing else is.
    let looked = house.sign("one", "nothing", &["--look"]);
    looked.expect(0);
    assert!(looked.stdout.contains("Timestamping CA 2") && !house.path("nothing").exists(), "{looked:#?}");
    house.sign("one", "ca.pem", &[]).expect(0);
    for (what, with) in [("ca-tsu.2", "ca-tsu.2\", \"x\": \"y"), ("\"version\": 1", "\"version\": 2"), ("3082", "3182")]
    {
        let text = fs::read_to_string(house.path("one")).expect("the request");
        fs::write(house.path("bad"), text.replacen(what, with, 1)).expect("written");
        house.sign("bad", "bad.pem", &[]).expect(64);
        assert!(!house.path("bad.pem").exists());
    }

    // Nothing else is taken: another root's certificate, a root's own, one that was not asked for.
    let own = fs::read(server.dir().join("certs/root.cer")).expect("a certificate");
    house.file("root.pem", "CERTIFICATE", &own);
    refused(&house.import(&server, "root.pem"), "no key here waits");
    let unit = fs::read(server.dir().join("certs/tsu-ec.1.cer")).expect("a certificate");
    house.file("unit.pem", "CERTIFICATE", &unit);
    house.import(&server, "unit.pem").expect(64);

    let taken = read(&house.import(&server, "ca.pem"));
    assert_eq!(taken["key"], "ca-tsu.2");
    refused(&house.import(&server, "ca.pem"), "no key here waits");
    let rotated = read(&house.keys(&server, &["rotate", "tsu-ec"]));
    assert_eq!(rotated["key"], "tsu-ec.2");

    // Strangers follow the new unit to the root, with the lists of both.
    let trust = server.trust().join("root.pem");
    let served = |place: &str| get(server.http(), place).body;
    let unit = fs::read(server.dir().join("certs/tsu-ec.2.cer")).expect("a certificate");
    let unit = house.file("unit.pem", "CERTIFICATE", &unit);
    let issuer = house.file("issuer.pem", "CERTIFICATE", &served("/ca/ca-tsu.2.cer"));
    let list = house.file("list.pem", "X509 CRL", &served("/crl/ca-tsu.2.crl"));
    let arl = house.file("arl.pem", "X509 CRL", &served("/crl/root.crl"));
    verify(&trust, &issuer, &[&list, &arl], &unit);
    server.stop();
    house.data.audit().expect(0);
    house.data.fsck().expect(0);
}

fn verify(root: &Path, issuer: &Path, lists: &[&Path], subject: &Path) {
    let mut command = Command::new("openssl");
    command.args(["verify", "-x509_strict", "-crl_check_all", "-CAfile"]).arg(root).arg("-untrusted").arg(issuer);
    for list in lists {
        command.arg("-CRLfile").arg(list);
    }
    judge(command.arg(subject));
}

#[test]
fn a_list_is_signed_offline_names_what_is_revoked_and_is_told_of_before_it_ends() {
    let house = House::new();
    let server = house.data.serve();
    let first = root_list(&server);
    house.request(&server, "ca-root", "one");
    house.sign("one", "one.pem", &["--days", "100"]).expect(0);
    let taken = read(&house.import(&server, "one.pem"));
    assert_eq!(taken["list"], "root");
    let second = root_list(&server);
    assert!(second.last_update() >= first.last_update() && second.next_update() > first.next_update());
    refused(&house.import(&server, "one.pem"), "a number never comes again");

    // A CA is revoked: the list that does not name it is told of, and an old one is not taken.
    house.request(&server, "ca-root", "before");
    let ca = Certificate::from_der(&get(server.http(), "/ca/ca-server.cer").body).expect("a certificate");
    // It takes two people; the first one alone changes nothing.
    let path = format!("/v1/certificates/{}/revoke", hex::encode(ca.serial()));
    let headers = [("content-type", "application/json"), ("idempotency-key", "a")];
    for (person, due) in [("operator", 403), ("officer", 202), ("officer", 202), ("operator", 200)] {
        let client = TlsClient::new(server.trust()).with_person(server.dir(), person).build();
        let mut connection = Connection::open_tls(server.https(), &client).expect("a connection");
        let answer = connection.request("POST", &path, &headers, br#"{"reason":"cACompromise"}"#).expect("an answer");
        assert_eq!(answer.status, due, "{person}: {answer:?}");
        if due != 200 {
            assert_eq!(ready(&server), (200, "ready\n".to_owned()));
        }
    }
    let (status, said) = ready(&server);
    assert!(status == 200 && said.contains("soon: crl: the list of the offline root does not name"), "{said}");
    house.sign("before", "before.pem", &[]).expect(0);
    refused(&house.import(&server, "before.pem"), "are revoked, or they are not the same");
    house.request(&server, "ca-root", "after");
    house.sign("after", "after.pem", &[]).expect(0);
    read(&house.import(&server, "after.pem"));
    assert_eq!(ready(&server), (200, "ready\n".to_owned()));
    let revoked = root_list(&server);
    let named = revoked.get_revoked().and_then(|all| all.iter().next()).expect("one");
    let serial = named.serial_number().to_bn().expect("a number").to_vec();
    assert_eq!(serial, ca.serial());
    server.stop();

    // Its end comes nearer; nobody acts.
    let time = Realtime::new();
    for (days, expected) in [(20, "ready\n"), (40, "soon: crl: the list of the offline root is good until ")] {
        time.set(&format!("+{days}d"));
        let server = time.start(&house.data);
        let (status, said) = ready(&server);
        assert!(status == 200 && said.contains(expected) && (days > 30) == said.contains("soon"), "{days}: {said}");
        server.stop();
    }
    time.set("+61d");
    let server = time.start(&house.data);
    let (status, said) = ready(&server);
    assert!(status == 503 && said.contains("crl: the newest of root was good until"), "{said}");
    server.stop();
    house.data.audit().expect(0);
    house.data.fsck().expect(0);
}
