//! A CA that `openssl ca` ran is taken over, and strangers see no difference: its certificates verify, their status is told, its
//! lists go on behind the last number.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::ssl::SslConnector;
use openssl::x509::{X509, X509Builder, X509Crl, X509NameBuilder};
use semper_tests::http::{Connection, get};
use semper_tests::process::{Finished, run, run_and_kill};
use semper_tests::server::{Data, Server};
use semper_tests::strangers::{self, judge, text};
use semper_tests::tls::TlsClient;
use serde_json::{Value, json};

const SETTINGS: &str = "
[ca]
default_ca = here
[here]
database = index.txt
new_certs_dir = newcerts
serial = serial
crlnumber = crlnumber
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
x509_extensions = holder
[any]
commonName = supplied
[holder]
basicConstraints = CA:FALSE
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
";

/// What others ran until now: an issuing CA with an RSA key below a root of its own.
struct OldCa {
    folder: tempfile::TempDir,
}

impl OldCa {
    fn new() -> Self {
        let ca = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        fs::write(ca.path("openssl.cnf"), SETTINGS).expect("written");
        fs::create_dir(ca.path("newcerts")).expect("made");
        for (name, text) in [("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "0A05\n")] {
            fs::write(ca.path(name), text).expect("written");
        }
        let authority = ["-config", "openssl.cnf", "-extensions", "authority", "-days", "3650"];
        let key = ["-nodes", "-newkey", "rsa:2048"];
        let root = ["req", "-x509", "-subj", "/O=Old/CN=Old Root", "-keyout", "root.key", "-out", "root.pem"];
        ca.openssl(&[&root[..], &key, &authority].concat());
        let request =
            ["req", "-subj", "/O=Old/CN=Old CA", "-keyout", "ca.key", "-out", "ca.csr", "-config", "openssl.cnf"];
        ca.openssl(&[&request[..], &key].concat());
        let signed = ["x509", "-req", "-in", "ca.csr", "-CA", "root.pem", "-CAkey", "root.key", "-out", "ca.pem"];
        ca.openssl(&[&signed[..], &["-days", "3000", "-extfile", "openssl.cnf", "-extensions", "authority"]].concat());
        ca
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, words: &[&str]) {
        judge(Command::new("openssl").current_dir(self.folder.path()).args(words));
    }

    /// `NAME.pem`, with a key that nobody keeps.
    fn issue(&self, name: &str) {
        let (subject, request) = (format!("/CN={name}"), format!("{name}.csr"));
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "any.key"];
        let words = ["req", "-config", "openssl.cnf", "-subj", &subject, "-out", &request];
        self.openssl(&[&words[..], &key].concat());
        let out = format!("{name}.pem");
        self.openssl(&["ca", "-config", "openssl.cnf", "-batch", "-notext", "-in", &request, "-out", &out]);
    }

    fn revoke(&self, name: &str, reason: &str) {
        self.openssl(&["ca", "-config", "openssl.cnf", "-revoke", &format!("{name}.pem"), "-crl_reason", reason]);
    }

    fn list(&self, name: &str) {
        self.openssl(&["ca", "-config", "openssl.cnf", "-gencrl", "-out", name]);
    }

    fn serial(&self, name: &str) -> String {
        let pem = fs::read(self.path(&format!("{name}.pem"))).expect("a certificate");
        let serial = X509::from_pem(&pem).expect("a certificate").serial_number().to_bn().expect("a number");
        hex::encode(serial.to_vec())
    }

    fn words(&self, data: &Path, certificates: &str, list: &str) -> Vec<String> {
        let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let (of_ca, key) = (path(&self.path("ca.pem")), path(&self.path("ca.key")));
        let (certificates, list) = (path(&self.path(certificates)), path(&self.path(list)));
        let words = ["keys", "import-ca", "--json", "--data", &path(data), "--certificate", &of_ca, "--key", &key];
        let words = [&words[..], &["--certificates", &certificates, "--crl", &list]].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    fn import(&self, data: &Data, certificates: &str, list: &str) -> Finished {
        run(&self.words(data.path(), certificates, list))
    }

    fn ocsp(&self, server: &Server, name: &str) -> String {
        let mut command = Command::new("openssl");
        command.current_dir(self.folder.path()).args(["ocsp", "-issuer", "ca.pem", "-CAfile", "root.pem"]);
        command.arg("-cert").arg(format!("{name}.pem")).arg("-url").arg(format!("{}/ocsp", server.url()));
        text(&strangers::run(&mut command))
    }

    /// Whether `openssl verify` takes a certificate, with the list that the server has now.
    fn is_good(&self, server: &Server, name: &str) -> bool {
        let list = X509Crl::from_der(&get(server.http(), "/crl/ca-imported.crl").body).expect("a list");
        fs::write(self.path("now.crl"), list.to_pem().expect("PEM")).expect("written");
        let chain = [self.path("root.pem"), self.path("ca.pem")].map(|path| fs::read(path).expect("read")).concat();
        fs::write(self.path("chain.pem"), chain).expect("written");
        let mut command = Command::new("openssl");
        command.current_dir(self.folder.path()).args(["verify", "-crl_check", "-CAfile", "chain.pem"]);
        command.args(["-CRLfile", "now.crl", &format!("{name}.pem")]);
        strangers::run(&mut command).status.success()
    }
}

fn answer(ended: &Finished) -> Value {
    ended.expect(0);
    serde_json::from_str(&ended.stdout).expect("JSON")
}

fn number_of(server: &Server) -> BigNum {
    let list = get(server.http(), "/crl/ca-imported.crl");
    let listed = semper_ttp::ca::crl::read(&list.body).expect("a list of all");
    BigNum::from_slice(&listed.number.to_be_bytes()).expect("a number")
}

fn call(server: &Server, client: &SslConnector, path: &str, body: Option<&Value>) -> (u16, Value) {
    let mut connection = Connection::open_tls(server.https(), client).expect("a connection");
    let answer = match body {
        None => connection.get(path).expect("an answer"),
        Some(body) => {
            let headers = [("content-type", "application/json"), ("idempotency-key", path)];
            connection.request("POST", path, &headers, body.to_string().as_bytes()).expect("an answer")
        }
    };
    (answer.status, serde_json::from_str(&answer.text()).expect("JSON"))
}

#[test]
fn an_existing_ca_is_taken_over() {
    let old = OldCa::new();
    for name in ["ada", "grace", "lost", "edsger"] {
        old.issue(name);
    }
    old.revoke("grace", "keyCompromise");
    old.revoke("lost", "unspecified");
    old.list("ca.crl");
    fs::remove_file(old.path("newcerts/1002.pem")).expect("it is there");
    let data = Data::demo();
    data.set("ca.crl_delay_secs", "0");
    let taken = answer(&old.import(&data, "newcerts", "ca.crl"));
    let due =
        [("ca", json!("ca-imported")), ("certificates", json!(4)), ("revoked", json!(2)), ("crl_number", json!(2565))];
    for (name, due) in due {
        assert_eq!(taken[name], due, "{taken}");
    }
    assert_eq!(taken["without_certificate"], 1);
    // Again: told, and nothing done.
    let again = old.import(&data, "newcerts", "ca.crl");
    again.expect(64);
    assert!(again.stdout.contains("taken over before"), "{again:#?}");

    let server = data.serve();
    let client = TlsClient::new(server.trust()).build();
    let officer = TlsClient::new(server.trust()).with_person(data.path(), "officer").build();
    for (name, due) in [("ada", "good"), ("grace", "revoked"), ("lost", "revoked"), ("edsger", "good")] {
        let said = old.ocsp(&server, name);
        assert!(said.contains("Response verify OK") && said.contains(&format!("{name}.pem: {due}")), "{said}");
        assert_eq!(old.is_good(&server, name), due == "good", "{name}");
        let (code, status) = call(&server, &client, &format!("/v1/certificates/{}/status", old.serial(name)), None);
        assert_eq!((code, &status["status"], &status["imported"]), (200, &json!(due), &json!(true)), "{status}");
    }
    assert!(old.ocsp(&server, "grace").contains("Reason: keyCompromise"));
    assert!(number_of(&server) > BigNum::from_u32(2565).expect("a number"), "it goes on");
    // Of what it issued after its last list nobody here knows.
    old.issue("late");
    assert!(old.ocsp(&server, "late").contains("late.pem: unknown"));

    // An officer revokes as ever, and everybody sees it.
    let revoke = format!("/v1/certificates/{}/revoke", old.serial("ada"));
    let (code, revoked) =
        call(&server, &officer, &revoke, Some(&json!({ "reason": "superseded", "issuer": "ca-imported" })));
    assert_eq!((code, &revoked["status"]), (200, &json!("revoked")), "{revoked}");
    let (code, problem) =
        call(&server, &officer, &revoke, Some(&json!({ "reason": "superseded", "issuer": "ca-party" })));
    assert_eq!((code, &problem["code"]), (404, &json!("http.not_found")), "{problem}");
    assert!(old.ocsp(&server, "ada").contains("ada.pem: revoked"));
    let deadline = std::time::Instant::now() + semper_tests::process::DEADLINE;
    while old.is_good(&server, "ada") {
        assert!(std::time::Instant::now() < deadline, "the list never named it");
    }
    assert!(old.is_good(&server, "edsger"));
    // By filter, too.
    let filter = json!({ "filter": { "issuer": "ca-imported" }, "reason": "cessationOfOperation" });
    let (code, order) = call(&server, &officer, "/v1/revocations", Some(&filter));
    assert_eq!(code, 202, "{order}");
    while !old.ocsp(&server, "edsger").contains("edsger.pem: revoked") {
        assert!(std::time::Instant::now() < deadline, "it was never revoked");
    }
    let data = server.stop();
    data.audit().expect(0);
    data.fsck().expect(0);
    let path = data.path().to_str().expect("UTF-8").to_owned();
    let listed = run(&["audit", "ca", "--data", &path]);
    listed.expect(0);
    assert_eq!(listed.stdout.lines().filter(|line| line.contains("\tca-imported\t")).count(), 4, "{listed:#?}");
}

/// Everything is judged before anything is written.
#[test]
fn what_cannot_be_taken_over_leaves_nothing_behind() {
    let (old, other, data) = (OldCa::new(), OldCa::new(), Data::demo());
    old.issue("ada");
    other.issue("stranger");
    old.list("good.crl");
    other.list("other.crl");
    fs::copy(other.path("other.crl"), old.path("other.crl")).expect("copied");
    old.issue("held");
    old.revoke("held", "certificateHold");
    old.list("held.crl");
    fs::write(old.path("broken.crl"), "-----BEGIN X509 CRL-----\nAAAA\n").expect("written");
    fs::create_dir(old.path("mixed")).expect("made");
    fs::copy(old.path("ada.pem"), old.path("mixed/ada.pem")).expect("copied");
    fs::copy(other.path("stranger.pem"), old.path("mixed/stranger.pem")).expect("copied");
    let refused = |certificates, list, why: &str| {
        let ended = old.import(&data, certificates, list);
        ended.expect(64);
        assert!(ended.stdout.contains(why), "{why}: {ended:#?}");
    };
    refused("mixed", "good.crl", "stranger.pem: it is not by this CA");
    refused("newcerts", "other.crl", "it is not by this CA");
    refused("newcerts", "held.crl", "is on hold");
    refused("newcerts", "broken.crl", "no whole X509 CRL");
    refused("newcerts", "ada.pem", "no whole X509 CRL");
    refused("nowhere", "good.crl", "nowhere");
    let mut words = old.words(data.path(), "newcerts", "good.crl");
    let at = words.iter().position(|word| word == "--key").expect("it is there") + 1;
    words[at] = other.path("ca.key").to_str().expect("UTF-8").to_owned();
    let ended = run(&words);
    ended.expect(64);
    assert!(ended.stdout.contains("is not the key of"), "{ended:#?}");
    // A server that runs has the store.
    let server = data.serve();
    let ended = old.import(&data, "newcerts", "good.crl");
    assert!(ended.code != Some(0) && !ended.stdout.contains("certificates"), "{ended:#?}");
    let data = server.stop();
    let names = fs::read_dir(data.path().join("keys"))
        .expect("the keys")
        .chain(fs::read_dir(data.path().join("certs")).expect("certs"));
    let names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    assert!(!names.iter().any(|name| name.contains("imported")), "{names:?}");
    // An encrypted key, and its passphrase.
    let encrypt = ["pkcs8", "-topk8", "-in", "ca.key", "-out", "sealed.key", "-passout", "pass:horse"];
    old.openssl(&encrypt);
    for (name, passphrase) in [("wrong", "cow\n"), ("right", "horse\n")] {
        fs::write(old.path(name), passphrase).expect("written");
        fs::set_permissions(old.path(name), fs::Permissions::from_mode(0o600)).expect("closed");
    }
    words[at] = old.path("sealed.key").to_str().expect("UTF-8").to_owned();
    run(&words).expect(64);
    let with = |file: &str| {
        let file = old.path(file).to_str().expect("UTF-8").to_owned();
        run(&[&words[..], &["--key-passphrase-file".to_owned(), file]].concat())
    };
    with("wrong").expect(64);
    with("right").expect(0);
}

/// Two old CAs with the same counting, and one of them interrupted over and over.
#[test]
fn an_interrupted_import_goes_on_and_doubles_nothing() {
    let (old, data) = (OldCa::new(), Data::demo());
    old.issue("ada");
    old.list("ca.crl");
    many(&old, 700);
    let words = old.words(data.path(), "newcerts", "ca.crl");
    let mut interrupted = 0;
    for millis in [40, 80, 120, 160, 200, 240, 280, 320, 360, 400] {
        interrupted += u32::from(run_and_kill(&words, Duration::from_millis(millis)));
    }
    assert!(interrupted > 0, "no run was interrupted");
    let ended = run(&words);
    let finished_before = ended.code == Some(64) && ended.stdout.contains("taken over before");
    assert!(finished_before || answer(&ended)["certificates"] == 701, "{ended:#?}");
    data.audit().expect(0);
    data.fsck().expect(0);
    let path = data.path().to_str().expect("UTF-8").to_owned();
    let listed = run(&["audit", "ca", "--data", &path]);
    listed.expect(0);
    assert_eq!(listed.stdout.lines().filter(|line| line.contains("\tca-imported\t")).count(), 701);

    // Another with the same serial numbers: who asks says which.
    let second = OldCa::new();
    second.issue("grace");
    second.revoke("grace", "superseded");
    second.list("ca.crl");
    assert_eq!(answer(&second.import(&data, "newcerts", "ca.crl"))["ca"], "ca-imported.2");
    let server = data.serve();
    let client = TlsClient::new(server.trust()).build();
    let status = |query: &str| call(&server, &client, &format!("/v1/certificates/1000/status{query}"), None);
    let (code, problem) = status("");
    assert_eq!((code, &problem["code"]), (400, &json!("http.malformed")), "{problem}");
    assert_eq!(status("?issuer=ca-imported").1["status"], "good");
    assert_eq!(status("?issuer=ca-imported.2").1["status"], "revoked");
    assert!(old.ocsp(&server, "ada").contains("ada.pem: good"));
    assert!(second.ocsp(&server, "grace").contains("grace.pem: revoked"));
}

/// More certificates than fit into one commit, in one file.
fn many(old: &OldCa, count: u32) {
    let read = |name| fs::read(old.path(name)).expect("read");
    let key: PKey<Private> = PKey::private_key_from_pem(&read("ca.key")).expect("a key");
    let issuer = X509::from_pem(&read("ca.pem")).expect("a certificate");
    let mut pem = Vec::new();
    for number in 0..count {
        let mut name = X509NameBuilder::new().expect("a name");
        name.append_entry_by_text("CN", &format!("holder {number}")).expect("an entry");
        let mut builder = X509Builder::new().expect("a builder");
        builder.set_version(2).expect("v3");
        let serial = BigNum::from_u32(0x20_0000 + number).expect("a number");
        builder.set_serial_number(&Asn1Integer::from_bn(&serial).expect("an integer")).expect("set");
        builder.set_issuer_name(issuer.subject_name()).expect("set");
        builder.set_subject_name(&name.build()).expect("set");
        builder.set_pubkey(&key).expect("set");
        builder.set_not_before(&Asn1Time::days_from_now(0).expect("a time")).expect("set");
        builder.set_not_after(&Asn1Time::days_from_now(9).expect("a time")).expect("set");
        builder.sign(&key, MessageDigest::sha256()).expect("signed");
        pem.extend(builder.build().to_pem().expect("PEM"));
    }
    fs::write(old.path("newcerts/many.pem"), pem).expect("written");
}
