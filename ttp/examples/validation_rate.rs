//! How long one thread takes to validate a PDF with three signatures and full revocation data, and how much of that is the signatures'
//! verification: `cargo run --release --example validation_rate -- FOLDER [ROW]`, where FOLDER is what
//! `tests/strangers/signatures.py --work FOLDER` made. Medians of 101 rounds.
#![allow(clippy::print_stdout)] // a program for a person

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs};

use semper_ttp::crypto::{Hash, SignatureScheme};
use semper_ttp::path::{Anchor, Certificate, Material};
use semper_ttp::time::Timestamp;
use semper_ttp::validation::{Inputs, Policy, Subject, validate};
use serde_json::Value;

const ROUNDS: usize = 101;

fn main() {
    let mut arguments = env::args().skip(1);
    let folder = arguments.next().expect("usage: validation_rate FOLDER [ROW]");
    let name = arguments.next().unwrap_or_else(|| "pdf-three-signers-lta".to_owned());
    let folder = Path::new(&folder);
    let table: Vec<Value> = serde_json::from_slice(&fs::read(folder.join("table.json")).unwrap()).unwrap();
    let row = table.iter().find(|row| row["name"] == name.as_str()).expect("no such row");
    let bytes = fs::read(folder.join(row["file"].as_str().unwrap())).unwrap();
    let at = Timestamp::from_rfc3339(row["at"].as_str().unwrap()).unwrap();
    let (signers, timestamps) = (anchor(folder, "root.der"), anchor(folder, "tsa-root.der"));
    let (material, policy) = (Material::new(), Policy::builtin());
    let inputs = Inputs {
        subject: Subject::Pdf(&bytes),
        signer_anchors: &signers,
        timestamp_anchors: &timestamps,
        material: &material,
        timestamps: &[],
        at,
        now: at,
        source: None,
        policy: &policy,
    };
    let report = validate(&inputs);
    println!("{}: {} signatures, {} octets, {}", name, report.signatures.len(), bytes.len(), report.conclusion);
    let whole = median(|| drop(std::hint::black_box(validate(&inputs))));
    let verify = median(|| verify_once(folder));
    // Each signature of a certificate but the anchors', of each list, of each signer and of each token, once.
    let anchors = signers.len() + timestamps.len();
    let inner: usize = report.signatures.iter().map(|it| it.timestamps.len()).sum();
    let count = report.material.len() - anchors + report.signatures.len() + inner;
    let (whole, verify) = (millis(whole), millis(verify));
    let share = 100.0 * verify * count as f64 / whole;
    println!("{whole:.2} ms; {count} signatures verified at {verify:.3} ms (P-256) are {share:.0} % of it");
}

fn anchor(folder: &Path, name: &str) -> Vec<Arc<Anchor>> {
    let certificate = Certificate::from_der(&fs::read(folder.join(name)).unwrap()).unwrap();
    vec![Arc::new(Anchor::from_certificate(Arc::new(certificate)).unwrap())]
}

/// One verification of a certificate's signature: the unit in which the whole is counted.
fn verify_once(folder: &Path) {
    let ca = Certificate::from_der(&fs::read(folder.join("ca.der")).unwrap()).unwrap();
    let root = Certificate::from_der(&fs::read(folder.join("root.der")).unwrap()).unwrap();
    let key = root.key().unwrap();
    assert!(key.verify(SignatureScheme::Ecdsa(Hash::Sha256), ca.signed().tbs(), ca.signed().signature()));
}

fn median(mut round: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            round();
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
