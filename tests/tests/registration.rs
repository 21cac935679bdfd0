//! An applicant and an officer, each with the program and a folder of its own: from the terms to certificates that `openssl`
//! verifies, and to a party that its own certificate opens the door for. Killed in between, nothing is lost.

use std::path::{Path, PathBuf};
use std::process::Command;

use semper_tests::process::{Finished, run};
use semper_tests::server::{Data, Server};
use semper_tests::strangers::{run as judge, text};
use serde_json::Value;

struct World {
    data: Data,
    server: Server,
    work: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let data = Data::own();
        Self { server: data.serve(), data, work: tempfile::tempdir().expect("a temporary folder") }
    }

    fn url(&self) -> String {
        format!("https://{}", self.server.https())
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// A command of somebody without a certificate.
    fn stranger(&self, args: &[&str]) -> Finished {
        let (url, trust) = (self.url(), self.server.trust().display().to_string());
        run(&[&["party"], args, &["--url", &url, "--trust", &trust, "--json"]].concat())
    }

    /// A command of whoever holds this .p12.
    fn person(&self, p12: &Path, args: &[&str]) -> Finished {
        let (url, p12) = (self.url(), p12.display().to_string());
        run(&[&["party"], args, &["--url", &url, "--identity", &p12, "--json"]].concat())
    }

    fn officer(&self, args: &[&str]) -> Finished {
        self.person(&self.data.path().join("people/officer.p12"), args)
    }

    fn terms(&self) -> String {
        let said = json(self.stranger(&["terms"]).expect(0));
        said["sha256"].as_str().expect("a digest").to_owned()
    }

    fn apply(&self, name: &str, profiles: &[&str], terms: &str) -> Finished {
        self.apply_with(name, profiles, terms, &[])
    }

    fn apply_with(&self, name: &str, profiles: &[&str], terms: &str, more: &[&str]) -> Finished {
        let dir = self.dir(name).display().to_string();
        let mut args = vec!["apply", "--dir", &dir, "--accept-terms", terms];
        for attribute in [
            "country=FR",
            "organization=Étude Martin",
            "organization_identifier=NTRFR-123456789",
            "common_name=Étude Martin",
        ] {
            args.extend(["--subject", attribute]);
        }
        profiles.iter().for_each(|profile| args.extend(["--profile", profile]));
        args.extend(more);
        self.stranger(&args)
    }

    fn status(&self, name: &str) -> Finished {
        self.stranger(&["status", "--dir", &self.dir(name).display().to_string()])
    }

    fn identify(&self, id: &str) {
        let document = "register_extract,FR,123 456 789";
        let done = self.officer(&["identify", id, "--method", "register_extract", "--document", document]);
        assert_eq!(json(done.expect(0))["state"], "identified");
    }

    /// As after a power cut.
    fn kill_and_start(self) -> Self {
        let Self { data, server, work } = self;
        drop(server.kill9());
        Self { server: data.serve(), data, work }
    }
}

fn json(done: &Finished) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

fn id_of(application: &Value) -> String {
    application["id"].as_str().unwrap_or_else(|| panic!("no name: {application}")).to_owned()
}

#[test]
fn an_applicant_gets_certificates_and_is_known_by_them() {
    let world = World::new();
    let terms = world.terms();
    let profiles = ["party-legal", "party-auth"];
    world.apply("martin", &profiles, &"0".repeat(64)).expect(64);
    let applied = json(world.apply("martin", &profiles, &terms).expect(0));
    let id = id_of(&applied);
    assert_eq!(applied["state"], "applied");
    // Not sure whether it got through? The same again is the same application, also after a crash.
    let world = world.kill_and_start();
    assert_eq!(id_of(&json(world.apply("martin", &profiles, &terms).expect(0))), id);
    assert_eq!(json(world.status("martin").expect(75))["waiting_on"], "officer");

    let pending = json(world.officer(&["pending"]).expect(0));
    assert_eq!(
        (pending["registrations"].as_array().map(Vec::len), id_of(&pending["registrations"][0])),
        (Some(1), id.clone())
    );
    let read = json(world.officer(&["read", &id]).expect(0));
    assert_eq!(read["subject"]["organization"], "Étude Martin");
    world.officer(&["approve", &id]).expect(64);
    world.identify(&id);
    let world = world.kill_and_start();
    let approved = json(world.officer(&["approve", &id]).expect(0));
    assert_eq!((&approved["state"], &approved["waiting_on"]), (&"approved".into(), &Value::Null), "{approved}");
    let world = world.kill_and_start();
    let collected = json(world.status("martin").expect(0));
    assert_eq!(collected["certificates"].as_array().map(Vec::len), Some(2));

    // A stranger's verdict, from the files alone.
    let martin = world.dir("martin");
    for profile in profiles {
        let file = martin.join(format!("{profile}.cer.pem"));
        let mut verify = Command::new("openssl");
        verify.args(["verify", "-x509_strict", "-CAfile"]).arg(world.server.trust().join("root.pem"));
        let verified = judge(verify.arg("-untrusted").arg(&file).arg(&file));
        assert!(verified.status.success(), "{}", text(&verified));
        let mut show = Command::new("openssl");
        let shown = text(&judge(
            show.args(["x509", "-noout", "-subject", "-nameopt", "utf8,sep_comma_plus", "-in"]).arg(&file),
        ));
        assert!(shown.contains("O=Étude Martin") && shown.contains("NTRFR-123456789"), "{shown}");
    }

    // The key that logs in opens the door for itself, and for no officer's acts.
    let login = martin.join("party-auth.p12");
    let party = collected["party"].as_str().expect("a party").to_owned();
    let itself = json(world.person(&login, &["show", &party]).expect(0));
    assert_eq!((&itself["state"], itself["keys"].as_array().map(Vec::len)), (&"active".into(), Some(2)));
    world.person(&login, &["pending"]).expect(64);
    world.officer(&["suspend", &party, "--reason", "keys_in_doubt"]).expect(0);
    world.person(&login, &["show", &party]).expect(64);
    world.officer(&["reinstate", &party, "--reason", "settled"]).expect(0);
    assert_eq!(json(world.officer(&["show"]).expect(0))["parties"][0]["id"], party.as_str());

    // Before its certificates end the party applies for the next ones: it is the same party.
    let login = login.display().to_string();
    let next = json(world.apply_with("next", &["party-auth"], &terms, &["--identity", &login]).expect(0));
    let next = id_of(&next);
    world.identify(&next);
    assert_eq!(json(world.officer(&["approve", &next]).expect(0))["party"], party.as_str());
    world.status("next").expect(0);
    let renewed = world.dir("next").join("party-auth.p12");
    let itself = json(world.person(&renewed, &["show", &party]).expect(0));
    assert_eq!(itself["keys"].as_array().map(Vec::len), Some(3));

    // The folder keeps who applied: nobody else sends it, and it is taken back as the same.
    world.apply_with("third", &["party-auth"], &terms, &["--identity", &login]).expect(0);
    world.apply("third", &["party-auth"], &terms).expect(64);
    let third = world.dir("third").display().to_string();
    let done = json(world.stranger(&["withdraw", "--dir", &third]).expect(0));
    assert_eq!(done["refused"]["reason"], "withdrawn_by_applicant");
    let staff = world.data.path().join("people/officer.p12").display().to_string();
    world.apply_with("staff", &["officer"], &terms, &["--identity", &staff]).expect(0);
    world.status("staff").expect(75);
    let staff = world.dir("staff").display().to_string();
    world.stranger(&["withdraw", "--dir", &staff]).expect(0);

    // Everything of it is decided again, and every byte of the store is in order.
    let World { data, server, .. } = world;
    drop(server.stop());
    data.fsck().expect(0);
    data.audit().expect(0);
    let names = ["Martin", "123 456 789"];
    let public = tempfile::tempdir().expect("a folder");
    data.export(&public.path().join("log")).expect(0);
    let mut files = vec![public.path().to_owned()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            let seen = names.iter().find(|name| bytes.windows(name.len()).any(|window| window == name.as_bytes()));
            assert_eq!(seen, None, "{}: a name is public", path.display());
        }
    }
}

#[test]
fn an_application_ends_in_other_ways_too() {
    let world = World::new();
    let terms = world.terms();
    let refused = id_of(&json(world.apply("refused", &["party-legal"], &terms).expect(0)));
    let done = json(world.officer(&["refuse", &refused, "--reason", "identity_not_proven"]).expect(0));
    assert_eq!(done["refused"]["reason"], "identity_not_proven");
    assert_eq!(json(world.status("refused").expect(1))["refused"]["by"], "officer");
    world.apply("withdrawn", &["party-legal"], &terms).expect(0);
    let dir = world.dir("withdrawn").display().to_string();
    for _ in 0..2 {
        let done = json(world.stranger(&["withdraw", "--dir", &dir]).expect(0));
        assert_eq!(done["refused"]["reason"], "withdrawn_by_applicant");
    }
    // The lint says at once what would stop the certificate.
    let misnamed = world.apply("misnamed", &["party-natural"], &terms);
    let why = &misnamed.expect(64).stdout;
    assert!(why.contains("ca.lint") && why.contains("its subject: serial_number is missing; "), "{why}");
    // What was refused is forgotten; what was taken is not followed by anything else in its folder.
    world.apply("misnamed", &["party-legal"], &terms).expect(0);
    let other = world.apply("misnamed", &["party-auth"], &terms);
    assert!(other.expect(64).stdout.contains("needs another --dir"), "{other:?}");
    let World { data, server, .. } = world;
    drop(server.stop());
    data.audit().expect(0);
}
