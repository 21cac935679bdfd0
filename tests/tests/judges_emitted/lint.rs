//! pkilint reads everything in one Python process: it takes a second to start and milliseconds to judge.

use std::fs;

use semper_tests::strangers::{folder, judge, python};
use serde_json::{Value, json};

use crate::emission::{Artefact, EMITTED, Kind};

#[test]
fn pkilint_finds_nothing() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let written = |(number, Artefact { title, der, kind }): (usize, &Artefact)| -> Value {
        let file = format!("{number}.der");
        fs::write(work.path().join(&file), der).expect("written");
        match kind {
            Kind::Certificate { profile, issuer } => {
                let issuer = hex::encode(issuer);
                json!({ "kind": "certificate", "title": title, "file": file, "profile": profile, "issuer": issuer })
            }
            Kind::List { of_cas, .. } => json!({ "kind": "list", "title": title, "file": file, "of_cas": of_cas }),
            Kind::Status => json!({ "kind": "status", "title": title, "file": file }),
        }
    };
    let manifest: Vec<Value> = EMITTED.iter().enumerate().map(written).collect();
    let manifest = serde_json::to_vec(&manifest).expect("JSON");
    fs::write(work.path().join("manifest.json"), manifest).expect("written");
    judge(python().arg(folder().join("pkilint_folder.py")).arg(work.path()));
}
