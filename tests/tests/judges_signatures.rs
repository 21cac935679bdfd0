//! Signatures made by pyHanko and openssl, judged by pyHanko, by openssl and by us, row by row. Where we differ from pyHanko, the row stands in
//! [`DIFFERENT`] with the reason; a row there on which we agree fails the test too.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use semper_tests::strangers::{folder, judge, python};
use semper_ttp::path::{Anchor, Certificate, Crl, Material};
use semper_ttp::time::Timestamp;
use semper_ttp::validation::{Inputs, Policy, Report, SignatureReport, Subject, validate};
use serde_json::Value;

/// Row and signature, what pyHanko says, what we say, and why.
const DIFFERENT: &[(&str, &str, &str, &str)] = &[];

/// Algorithms as pyHanko takes them by default.
fn policy() -> Policy {
    let accepted = [
        "rsa-pkcs1", "rsa-pss", "ecdsa", "ed25519", "sha256", "sha384", "sha512", "rsa", "p256", "p384", "p521", "ed25519",
    ];
    let lines: String = accepted.iter().map(|name| format!("[[algorithms]]\nname = \"{name}\"\n")).collect();
    let file = format!("name = \"as pyHanko\"\n{lines}[signer]\nkey_usages = [\"digitalSignature\", \"nonRepudiation\"]\n");
    Policy::parse(file.as_bytes()).unwrap()
}

struct World {
    folder: std::path::PathBuf,
    signers: Vec<Arc<Anchor>>,
    timestamps: Vec<Arc<Anchor>>,
    policy: Policy,
}

impl World {
    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Our report on a row.
    fn report(&self, row: &Value) -> Report {
        let text = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{name} in {row}"));
        let mut material = Material::new();
        let ca = Certificate::from_der(&self.read("ca.der")).unwrap();
        material.add_certificate(&Arc::new(ca)).unwrap();
        for crl in row["crls"].as_array().unwrap() {
            let crl = Crl::from_der(&self.read(crl.as_str().unwrap())).unwrap();
            material.add_crl(&Arc::new(crl)).unwrap();
        }
        let bytes = self.read(text("file"));
        let detached = row["detached"].as_str().map(|name| self.read(name));
        let subject = match text("kind") {
            "pdf" => Subject::Pdf(&bytes),
            _ => Subject::Cms { bytes: &bytes, detached: detached.as_deref() },
        };
        let inputs = Inputs {
            subject,
            signer_anchors: &self.signers,
            timestamp_anchors: &self.timestamps,
            material: &material,
            timestamps: &[],
            at: Timestamp::from_rfc3339(text("at")).unwrap(),
            policy: &self.policy,
        };
        let report = validate(&inputs);
        assert_eq!(report, validate(&inputs), "the same inputs give the same report");
        report
    }
}

fn anchor(folder: &Path, name: &str) -> Vec<Arc<Anchor>> {
    let certificate = Certificate::from_der(&fs::read(folder.join(name)).unwrap()).unwrap();
    vec![Arc::new(Anchor::from_certificate(Arc::new(certificate)).unwrap())]
}

/// `OK`, or the sub-indication.
fn said(signature: &SignatureReport) -> String {
    signature.conclusion.sub_indication.as_ref().map_or("OK", |sub| sub.name()).to_owned()
}

#[test]
fn pyhanko_and_openssl_judge_as_we_do() {
    let work = tempfile::tempdir().expect("a temporary folder");
    judge(python().arg(folder().join("signatures.py")).arg("--work").arg(work.path()));
    let world = World {
        signers: anchor(work.path(), "root.der"),
        timestamps: anchor(work.path(), "tsa-root.der"),
        folder: work.path().to_owned(),
        policy: policy(),
    };
    let table: Vec<Value> = serde_json::from_slice(&world.read("table.json")).unwrap();
    assert!(table.len() > 50, "only {} rows", table.len());
    let mut different: BTreeMap<(String, &str), &str> =
        DIFFERENT.iter().map(|(row, theirs, ours, _)| (((*row).to_owned(), *theirs), *ours)).collect();
    let mut complaints = Vec::new();
    for row in &table {
        let report = world.report(row);
        let name = row["name"].as_str().unwrap();
        for theirs in row["signatures"].as_array().unwrap() {
            let field = theirs["name"].as_str().unwrap();
            let ours = report.signatures.iter().find(|signature| signature.name == field);
            let ours = ours.map_or_else(|| format!("{}", report.conclusion.sub_indication.as_ref().map_or("OK", |sub| sub.name())), said);
            // What pyHanko's own validation of PDFs refuses beside the indication.
            let theirs = match theirs["ades"].as_str().unwrap() {
                "OK" if theirs["modified"] == true => "MODIFIED",
                said => said.split(':').next().unwrap(),
            };
            let agree = theirs == ours || theirs == "MODIFIED" && ours == "SIG_CONSTRAINTS_FAILURE";
            let known = different.remove(&(format!("{name}/{field}"), theirs));
            if agree == known.is_some() || known.is_some_and(|known| known != ours) {
                complaints.push(format!("{name}/{field}: theirs {theirs}, ours {ours}\n{report}"));
            }
        }
        // openssl looks neither at revocation nor at timestamps, and never at algorithms: it takes what we take.
        if let Some(false) = row["openssl"].as_bool()
            && report.conclusion.sub_indication.is_none()
        {
            complaints.push(format!("{name}: openssl refuses what we take"));
        }
    }
    complaints.extend(different.keys().map(|(row, theirs)| format!("{row}: pyHanko does not say {theirs}")));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}
