//! Signatures made by pyHanko and openssl, judged by pyHanko, by openssl and by us, row by row. Where we differ from pyHanko, the row
//! stands in [`DIFFERENT`] with the reason; a row there on which we agree fails the test too.

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
const DIFFERENT: &[(&str, &str, &str, &str)] = &[
    (
        "pdf-not-yet-valid/Sig1",
        "CERTIFICATE_CHAIN_GENERAL_FAILURE",
        "OUT_OF_BOUNDS_NO_POE",
        "EN 319 102-1 table 6: it is not yet valid at the validation time; the general failure is for what has no name",
    ),
    (
        "pdf-no-revocation-data/Sig1",
        "CERTIFICATE_CHAIN_GENERAL_FAILURE",
        "TRY_LATER",
        "§5.2.6.4: without acceptable revocation status information, TRY_LATER, and what is missing",
    ),
    (
        "pdf-timestamped-after-expiry/Sig1",
        "OK",
        "OUT_OF_BOUNDS_NOT_REVOKED",
        "§5.5.4: the time that is proved lies behind the certificate's end; pyHanko compares it with the beginning alone",
    ),
    (
        "pdf-revoked-before-timestamp/Sig1",
        "NO_POE",
        "REVOKED_NO_POE",
        "§5.5.4: the basic result stays when the proved time is later than the revocation; pyHanko tells what it met last",
    ),
    (
        "pdf-lta-expired/Sig1",
        "REVOCATION_OUT_OF_BOUNDS_NO_POE",
        "OK",
        "§5.6.2.4: the CRL in the DSS is stamped while the CA is good; pyHanko finds no CRL when it looks below the CA alone",
    ),
    (
        "pdf-lta-twice-unit-expired/Sig1",
        "NO_POE",
        "OK",
        "§5.6.3: the first unit's status is in the DSS that the second stamped; pyHanko finds it no more than in the row above",
    ),
    (
        "pdf-lta-unit-expired/Sig1",
        "NO_POE",
        "OUT_OF_BOUNDS_NO_POE",
        "no timestamp can be verified any more, so the basic result stays (§5.6.3); pyHanko tells what its past validation met last",
    ),
    (
        "cms-cades-lta/signer 1",
        "CERTIFICATE_CHAIN_GENERAL_FAILURE",
        "OK",
        "EN 319 122-1 §5.5.3: archive-time-stamp-v3 proves that certificates and CRLs are from then; pyHanko does not look at it",
    ),
    (
        "cms-cades-lta-cut/signer 1",
        "CERTIFICATE_CHAIN_GENERAL_FAILURE",
        "OUT_OF_BOUNDS_NO_POE",
        "§5.5.2: what the index names was taken away, so the archive timestamp proves nothing and the basic result stays",
    ),
    (
        "cms-content-timestamp-contradicts/signer 1",
        "OK",
        "TIMESTAMP_ORDER_FAILURE",
        "§5.5.4: the content was stamped a month after the signature, which is over that stamp; pyHanko does not compare them",
    ),
    ("cms-openssl-two-signers/signer 1", "EXCEPTION CMSExtractionError", "OK", "pyHanko takes one signer"),
    ("cms-cut/", "EXCEPTION ValueError", "FORMAT_FAILURE", "§5.2.2: what does not read has an indication, too"),
];

/// Algorithms as pyHanko takes them by default.
fn policy() -> Policy {
    let accepted = [
        "rsa-pkcs1",
        "rsa-pss",
        "ecdsa",
        "ed25519",
        "sha256",
        "sha384",
        "sha512",
        "rsa",
        "p256",
        "p384",
        "p521",
        "ed25519",
    ];
    let lines: String = accepted.iter().map(|name| format!("[[algorithms]]\nname = \"{name}\"\n")).collect();
    let file =
        format!("name = \"as pyHanko\"\n{lines}[signer]\nkey_usages = [\"digitalSignature\", \"nonRepudiation\"]\n");
    Policy::parse(file.as_bytes()).unwrap()
}

/// Rows that openssl refuses and we take.
const REFUSED_BY_OPENSSL: [(&str, &str); 3] = [
    ("cms-cades-t-expired", "it does not look at timestamps"),
    ("cms-cades-lta", "it does not look at timestamps"),
    ("cms-ed25519", "openssl 3.0 knows no CMS with Ed25519"),
];

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
        let at = Timestamp::from_rfc3339(text("at")).unwrap();
        let inputs = Inputs {
            subject,
            signer_anchors: &self.signers,
            timestamp_anchors: &self.timestamps,
            material: &material,
            timestamps: &[],
            at,
            now: at,
            source: None,
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
            let ours = ours.map_or_else(
                || report.conclusion.sub_indication.as_ref().map_or("OK", |sub| sub.name()).to_owned(),
                said,
            );
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
        // openssl looks neither at revocation nor at algorithms: it takes what we take.
        let refused = row["openssl"] == false && report.conclusion.sub_indication.is_none();
        if refused != REFUSED_BY_OPENSSL.iter().any(|(row, _)| *row == name) {
            complaints.push(format!("{name}: openssl takes it: {}, {report}", row["openssl"]));
        }
        if name == "cms-countersigned" {
            assert_eq!(report.signatures[0].not_judged, ["1 countersignatures"]);
        }
    }
    complaints.extend(different.keys().map(|(row, theirs)| format!("{row}: pyHanko does not say {theirs}")));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}
