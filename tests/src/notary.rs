//! A running server with a notary, and registered parties: they and the officer ask, sign and decide by the program itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::pkcs12::Pkcs12;
use semper_ttp::x509::Certificate;
use serde_json::Value;

use crate::pki::Holder;
use crate::process::{Finished, run};
use crate::server::{Data, Server};
use crate::strangers::{run as judge, text};

/// The server, and a folder for what its users keep.
pub struct World {
    /// Its data folder.
    pub data: Data,
    /// The server.
    pub server: Server,
    /// Whatever its users keep.
    pub work: tempfile::TempDir,
}

/// Whoever was registered, with a folder of its own.
pub struct Member {
    dir: PathBuf,
    /// The party's name.
    pub id: String,
}

impl Member {
    /// The file of one of its keys.
    #[must_use]
    pub fn p12(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.p12"))
    }

    /// Its signing key and certificate, for programs of others.
    ///
    /// # Panics
    /// The file does not open.
    #[must_use]
    pub fn holder(&self) -> Holder {
        self.holder_of("party-legal")
    }

    /// One of its keys with the certificate, for programs of others.
    ///
    /// # Panics
    /// The file does not open.
    #[must_use]
    pub fn holder_of(&self, name: &str) -> Holder {
        let p12 = fs::read(self.p12(name)).expect("a .p12");
        let passphrase = fs::read_to_string(self.p12(name).with_extension("passphrase")).expect("its passphrase");
        let parsed = Pkcs12::from_der(&p12).and_then(|p12| p12.parse2(passphrase.trim_end()));
        let parsed = parsed.expect("a .p12 that opens");
        let certificate = parsed.cert.expect("a certificate").to_der().expect("DER");
        let certificate = Certificate::from_der(&certificate).expect("a certificate that reads");
        Holder { key: parsed.pkey.expect("a key"), certificate }
    }
}

/// What a command said.
///
/// # Panics
/// It is no JSON.
#[must_use]
pub fn json(done: &Finished) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

/// A member that is a text.
///
/// # Panics
/// It is none.
#[must_use]
pub fn of<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

impl World {
    /// A new one, whose officer decides about copies.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn new() -> Self {
        Self::with(&[("notary.enabled", "true"), ("notary.officer_decides", "[\"copy\"]")])
    }

    /// One whose settings have these.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let data = Data::own();
        for (key, value) in settings {
            data.set(key, value);
        }
        Self { server: data.serve(), data, work: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The path of a file in the folder of its users.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.work.path().join(name).display().to_string()
    }

    /// Writes such a file; gives its path.
    ///
    /// # Panics
    /// It cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).expect("written");
        self.path(name)
    }

    /// The folder of the trust anchors.
    #[must_use]
    pub fn trust(&self) -> String {
        self.server.trust().display().to_string()
    }

    /// Runs the program as the holder of a key.
    #[must_use]
    pub fn run(&self, args: &[&str], who: &Path) -> Finished {
        let (url, who) = (format!("https://{}", self.server.https()), who.display().to_string());
        run(&[args, &["--url", &url, "--identity", &who, "--json"]].concat())
    }

    /// As the officer.
    #[must_use]
    pub fn officer(&self, args: &[&str]) -> Finished {
        self.run(args, &self.data.path().join("people/officer.p12"))
    }

    /// As a party.
    #[must_use]
    pub fn member(&self, member: &Member, args: &[&str]) -> Finished {
        self.run(args, &member.p12("party-auth"))
    }

    /// The answer to a request of RFC 3029.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn dvcs(&self, request: &[u8]) -> Vec<u8> {
        let (asked, answer) = (self.file("request", request), self.path("answer"));
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "--cacert"]).arg(self.server.trust().join("root.pem"));
        curl.args(["-H", "content-type: application/dvcs", "--data-binary", &format!("@{asked}"), "-o"]).arg(&answer);
        let output = judge(curl.arg(format!("https://{}/dvcs", self.server.https())));
        assert!(output.status.success(), "{}", text(&output));
        fs::read(answer).expect("an answer")
    }

    /// A party that was registered, with a key to sign and one to log in.
    ///
    /// # Panics
    /// It was not.
    #[must_use]
    pub fn registered(&self, name: &str) -> Member {
        let dir = self.work.path().join(name);
        let (url, trust) = (format!("https://{}", self.server.https()), self.trust());
        let stranger = |args: &[&str]| run(&[&["party"], args, &["--url", &url, "--trust", &trust, "--json"]].concat());
        let terms = of(&json(stranger(&["terms"]).expect(0)), "sha256").to_owned();
        let place = dir.display().to_string();
        let mut apply = vec!["apply", "--dir", &place, "--accept-terms", &terms];
        apply.extend(["--profile", "party-legal", "--profile", "party-auth"]);
        let common_name = format!("common_name={name}");
        for attribute in ["country=FR", "organization=Étude", "organization_identifier=NTRFR-123456789", &common_name]
        {
            apply.extend(["--subject", attribute]);
        }
        let id = of(&json(stranger(&apply).expect(0)), "id").to_owned();
        let identify =
            ["party", "identify", &id, "--method", "register_extract", "--document", "register_extract,FR,1"];
        self.officer(&identify).expect(0);
        self.officer(&["party", "approve", &id]).expect(0);
        let collected = json(stranger(&["status", "--dir", &place]).expect(0));
        Member { dir, id: of(&collected, "party").to_owned() }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
