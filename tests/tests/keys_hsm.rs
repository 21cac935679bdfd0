//! A service whose keys lie in a PKCS#11 token (SoftHSM, behind a module that fails as the test says).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use semper_tests::http::{Connection, get};
use semper_tests::server::{Finished, Server, command, run, run_command};
use semper_tests::softhsm::{LABEL, PIN, SoftHsm};
use semper_tests::stamp::{Answer, Record, ask, query, verify_all};
use semper_tests::strangers::judge;
use semper_ttp::asn1::pem;
use semper_ttp::digest::Digest;
use semper_ttp::timestamp::FailInfo;

/// Keys of every kind that signs while the server runs.
const IN_TOKEN: [&str; 5] = ["tsu-ec", "tsu-rsa", "ca-tsu", "ocsp-tsu", "log-note"];
const DEVICE_ERROR: u32 = 0x30;

struct House {
    folder: tempfile::TempDir,
    hsm: SoftHsm,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let hsm = SoftHsm::new(folder.path());
        let house = Self { folder, hsm };
        house.secret("passphrase", "correct horse battery staple");
        house.secret("pin", PIN);
        house.write_settings(LABEL);
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn secret(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a secret");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).expect("its permissions");
    }

    fn write_settings(&self, label: &str) {
        let stores: String = IN_TOKEN.iter().map(|key| format!("keys.stores.{key} = \"main\"\n")).collect();
        let text = format!(
            "service.public_url = \"http://127.0.0.1:8080\"\n\
             service.country = \"FR\"\n\
             service.organisation = \"Example\"\n\
             service.organisation_identifier = \"NTRFR-000000000\"\n\
             ledger.origin = \"ledger.example/token\"\n\
             clock.source = \"assumed\"\n\
             storage.disk_free_min_bytes = 16777216\n\
             keys.passphrase_file = {:?}\n{stores}\
             [keys.tokens.main]\nmodule = {:?}\nlabel = \"{label}\"\npin_file = {:?}\nsessions = 3\n",
            self.path("passphrase"),
            self.hsm.module(),
            self.path("pin"),
        );
        fs::write(self.path("semper.toml"), text).expect("the settings");
    }

    fn semper(&self, words: &[&str]) -> Finished {
        let (data, settings) = (self.path("data"), self.path("semper.toml"));
        let mut command = command(words);
        command.arg("--data").arg(data).arg("--config").arg(settings).envs(self.hsm.environment());
        run_command(command)
    }

    fn serve(&self) -> Server {
        let settings = self.path("semper.toml");
        let environment = self.hsm.environment();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Server::start(&self.path("data"), &["--config", settings.to_str().expect("UTF-8")], &environment)
    }
}

fn stamp(server: &Server, path: &str, document: &str) -> Answer {
    let mut connection = Connection::open(server.http()).expect("the server listens");
    ask(&mut connection, path, &query(document.as_bytes())).expect("an answer")
}

fn record(server: &Server, path: &str, document: &str) -> Record {
    match stamp(server, path, document) {
        Answer::Granted(token) => Record { document: Digest::of(document.as_bytes()), token, proof: None },
        Answer::Rejected(why) => panic!("{why:?}\n{}", server.stderr()),
    }
}

fn rotate(server: &Server, key: &str) -> String {
    let identity = server.dir().join("people/operator.p12");
    let (url, identity) = (format!("https://{}", server.https()), identity.to_str().expect("UTF-8").to_owned());
    let ended = run(&["keys", "rotate", key, "--url", &url, "--identity", &identity]);
    ended.expect(0);
    ended.stdout
}

#[test]
fn keys_in_a_token_stamp_and_issue_lists_and_survive_dead_sessions() {
    let house = House::new();
    house.semper(&["init"]).expect(0);
    let keys = house.path("data/keys");
    for key in IN_TOKEN {
        assert!(keys.join(format!("{key}.1.p11")).exists() && !keys.join(format!("{key}.1.p8")).exists(), "{key}");
    }
    assert!(fs::read_dir(&keys).expect("keys").flatten().all(|file| !file.path().ends_with(".making")));

    let server = house.serve();
    let mut records = vec![record(&server, "/tsa", "one"), record(&server, "/tsa/rsa", "two")];

    // Every session dies: the first signature that notices opens them anew by one login, and nobody is refused.
    let logins = house.hsm.calls("C_Login");
    house.hsm.set("C_SignInit.once", DEVICE_ERROR);
    records.push(record(&server, "/tsa", "three"));
    assert!(house.hsm.calls("C_Login") > logins);

    // The token stays away: refused as a fault of ours that may pass; when it is back, so is the service.
    house.hsm.set("C_SignInit", DEVICE_ERROR);
    let refused = match stamp(&server, "/tsa", "four") {
        Answer::Rejected(why) => why,
        Answer::Granted(_) => panic!("signed by a token that is away"),
    };
    assert_eq!(refused, [FailInfo::SystemFailure]);
    house.hsm.unset("C_SignInit");
    records.push(record(&server, "/tsa", "five"));

    // The next keys are made in the token, too: of unit, CA and responder. The CA's key signs lists and certificates there.
    assert!(rotate(&server, "ca-tsu").starts_with("ca-tsu.2 follows ca-tsu.1"));
    assert!(rotate(&server, "tsu-ec").starts_with("tsu-ec.2 follows tsu-ec.1"));
    assert!(rotate(&server, "ocsp-tsu").starts_with("ocsp-tsu.2 follows ocsp-tsu.1"));
    assert!(keys.join("tsu-ec.2.p11").exists() && keys.join("ca-tsu.2.p11").exists());
    records.push(record(&server, "/tsa", "six"));
    verify_all(&records, server.http(), &server.data().trust());

    // Strangers: tokens of the old and the new unit, certificates with lists by the old and the new CA.
    let trust = server.trust().to_owned();
    for record in [&records[0], records.last().expect("one")] {
        let file = house.path("token.tst");
        fs::write(&file, &record.token).expect("written");
        let mut command = Command::new("openssl");
        command.args(["ts", "-verify", "-token_in", "-digest", &record.document.to_string(), "-in"]).arg(&file);
        command.arg("-CAfile").arg(trust.join("root.pem")).arg("-untrusted").arg(trust.join("tsa-chain.pem"));
        judge(&mut command);
    }
    for (unit, ca) in [("tsu-ec.1", "ca-tsu"), ("tsu-ec.2", "ca-tsu.2")] {
        let write = |name: &str, label: &str, der: &[u8]| {
            let path = house.path(name);
            fs::write(&path, pem::encode(label, der)).expect("written");
            path
        };
        let unit = fs::read(house.path("data/certs").join(format!("{unit}.cer"))).expect("a certificate");
        let unit = write("unit.pem", "CERTIFICATE", &unit);
        let issuer = write("issuer.pem", "CERTIFICATE", &get(server.http(), &format!("/ca/{ca}.cer")).body);
        let list = write("list.pem", "X509 CRL", &get(server.http(), &format!("/crl/{ca}.crl")).body);
        let mut command = Command::new("openssl");
        command.args(["verify", "-x509_strict", "-crl_check", "-CAfile"]).arg(trust.join("root.pem"));
        judge(command.arg("-CRLfile").arg(list).arg("-untrusted").arg(issuer).arg(unit));
    }
    server.stop();

    let server = house.serve();
    verify_all(&records, server.http(), &server.data().trust());
    record(&server, "/tsa", "seven");
    let data = server.stop();
    data.audit().expect(0);
    let sound = house.semper(&["fsck", "--full"]);
    sound.expect(0);
    assert!(sound.stdout.contains("keys/tsu-ec.2.p11: its private half lies in a PKCS#11 token"), "{sound:#?}");
}

/// `serve --check` says what is wrong with a token, and the PIN is nowhere in it.
#[test]
fn faults_of_tokens_are_named_before_the_start() {
    let house = House::new();
    house.semper(&["init"]).expect(0);
    house.semper(&["serve", "--check"]).expect(0);

    let refused = |expected: &str| {
        let end = house.semper(&["serve", "--check"]);
        end.expect(64);
        assert!(end.stderr.contains(expected), "{end:#?}");
        assert!(!format!("{end:?}").contains(PIN), "{end:#?}");
    };
    house.write_settings("another");
    refused("there is no PKCS#11 token labelled \"another\"");
    house.write_settings(LABEL);
    house.secret("pin", "0000-mule");
    refused("refuses the PIN");
    fs::remove_file(house.path("pin")).expect("removed");
    refused("the PIN of keys.tokens.main: cannot read");
    house.secret("pin", PIN);

    // Settings that forgot the token of a key that lies there.
    let text = fs::read_to_string(house.path("semper.toml")).expect("the settings");
    let (without, _) = text.split_once("keys.stores").expect("the tokens stand last");
    fs::write(house.path("semper.toml"), without).expect("written");
    refused("the settings have no keys.tokens.main");
    house.write_settings(LABEL);

    // The making of a key that did not end: what may lie in the token is looked for and the note of it goes.
    let note = house.path("data/keys/tsu-ec.2.making");
    fs::write(&note, r#"{"token":"main","id":"00112233445566778899aabbccddeeff"}"#).expect("written");
    house.serve().stop();
    assert!(!note.exists());
}
