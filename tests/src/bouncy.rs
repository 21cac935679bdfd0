//! BouncyCastle as a peer in data validation (RFC 3029): it makes requests, reads answers, and makes answers of its own.
//!
//! All by `strangers/DvcsCheck.java`, in a folder that goes when the peer is dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::pkcs7::Pkcs7;
use openssl::stack::Stack;
use openssl::x509::X509;
use semper_ttp::asn1::pem;
use semper_ttp::x509::Certificate;
use tempfile::TempDir;

use crate::pki::Holder;
use crate::strangers::{folder, run, text};

/// The services, as RFC 3029 calls them.
pub const SERVICES: [&str; 4] = ["ccpd", "cpd", "vsd", "vpkc"];

/// A peer with its folder.
pub struct Bouncy {
    work: TempDir,
}

impl Bouncy {
    /// Makes requests of all services: about `document`, about the same signed by `requester`, and about the requester's certificate. What
    /// asks for a moment asks about `time`, seconds since 1970, or about none.
    ///
    /// # Panics
    /// BouncyCastle is not there, or makes none.
    #[must_use]
    pub fn new(document: &[u8], requester: &Holder, time: Option<u64>) -> Self {
        let bouncy = Self { work: tempfile::tempdir().expect("a temporary folder") };
        if let Some(time) = time {
            bouncy.write("time", time.to_string().as_bytes());
        }
        bouncy.write("document", document);
        bouncy.write("document.p7s", &signed(document, requester));
        bouncy.write("target.pem", pem::encode("CERTIFICATE", requester.certificate.der()).as_bytes());
        bouncy.write_holder("requester", requester, &[]);
        bouncy.java(&["requests".as_ref(), bouncy.work.path()]);
        bouncy
    }

    /// Its request for a service, bare or signed by the requester.
    #[must_use]
    pub fn request(&self, service: &str, signed: bool) -> Vec<u8> {
        self.read(&request_name(service, signed))
    }

    /// A request for vpkc with a chain and all of PathProcInput.
    #[must_use]
    pub fn whole_request(&self) -> Vec<u8> {
        self.read("whole.req")
    }

    /// The document that its requests for vsd carry: CMS with `document` in it.
    #[must_use]
    pub fn signed_document(&self) -> Vec<u8> {
        self.read("document.p7s")
    }

    /// What it finds in each response to its request: lines of a name and a value.
    ///
    /// # Panics
    /// It cannot read one.
    #[must_use]
    pub fn check(&self, pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<Found> {
        let mut paths = vec![PathBuf::from("check")];
        for (i, (response, request)) in pairs.iter().enumerate() {
            paths.push(self.write(&format!("{i}.dvc"), response));
            paths.push(self.write(&format!("{i}.asked"), request));
        }
        let said = self.java(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>());
        let mut found = Vec::new();
        for line in said.lines() {
            if line.starts_with("response ") {
                found.push(Found(Vec::new()));
            } else {
                found.last_mut().expect("a response").0.push(line.to_owned());
            }
        }
        assert_eq!(found.len(), pairs.len(), "{said}");
        found
    }

    /// Its own DVCs, for the requests that it made: service, whether the request was signed, the DVC. All of them say no where the service
    /// says anything.
    #[must_use]
    pub fn answers(&self, notary: &Holder, chain: &[&Certificate]) -> Vec<(&'static str, bool, Vec<u8>)> {
        self.write_holder("notary", notary, chain);
        self.java(&["answer".as_ref(), self.work.path()]);
        let all = SERVICES.into_iter().flat_map(|service| [(service, false), (service, true)]);
        let name = |service, signed| request_name(service, signed).replace(".req", ".bc.dvc");
        all.map(|(service, signed)| (service, signed, self.read(&name(service, signed)))).collect()
    }

    fn java(&self, arguments: &[&Path]) -> String {
        let jars = ["bcpkix", "bcprov", "bcutil"].map(|name| format!("/usr/share/java/{name}.jar"));
        for jar in &jars {
            assert!(Path::new(jar).exists(), "{jar} is missing: run ops/setup.sh");
        }
        let mut java = Command::new("java");
        java.args(["-cp", &jars.join(":")]).arg(folder().join("DvcsCheck.java")).args(arguments);
        let output = run(&mut java);
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).expect("text")
    }

    fn write_holder(&self, name: &str, holder: &Holder, chain: &[&Certificate]) {
        let certificates = [&holder.certificate].into_iter().chain(chain.iter().copied());
        let text: String = certificates.map(|one| pem::encode("CERTIFICATE", one.der())).collect();
        self.write(&format!("{name}.pem"), text.as_bytes());
        self.write(&format!("{name}.key"), &holder.key.private_key_to_pem_pkcs8().expect("a key"));
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.work.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.work.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn request_name(service: &str, signed: bool) -> String {
    if signed { format!("{service}.signed.req") } else { format!("{service}.req") }
}

fn signed(document: &[u8], signer: &Holder) -> Vec<u8> {
    let certificate = X509::from_der(signer.certificate.der()).expect("a certificate");
    let none = Stack::new().expect("a stack");
    let message = Pkcs7::sign(&certificate, &signer.key, &none, document, openssl::pkcs7::Pkcs7Flags::BINARY);
    message.and_then(|message| message.to_der()).expect("signed")
}

/// What was found in one response.
#[derive(Debug)]
pub struct Found(Vec<String>);

impl Found {
    /// The value behind this name, the first one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    }

    /// How often the name stands there.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|line| line.starts_with(&format!("{name} "))).count()
    }
}
