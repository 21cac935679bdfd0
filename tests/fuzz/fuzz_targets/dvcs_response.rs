#![no_main]
//! A data validation certificate as evidence, under a root that certified no notary: never verified. And the content that would be signed,
//! without its signature.
use semper_ttp::notary::dvcs::types::Response;
use semper_ttp::verify::dvc::{DvcEvidence, dvc_imprint_algorithm, is_dvc, verify_dvc};
use semper_ttp::verify::{Document, Trust, Verdict};

const ROOT: &str = include_str!("../seeds/pem/root.pem");
const VKEY: &str = include_str!("../seeds/vkey/ledger.vkey");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let trust = Trust::from_texts(ROOT, "", VKEY).expect("trust anchors");
    let document = Some(Document::Bytes(b"a contract"));
    let evidence = DvcEvidence { dvc: bytes, request: Some(bytes), document, certificates: None, proof: None };
    assert_eq!(verify_dvc(&evidence, &trust).verdict, Verdict::Refuted);
    let _ = (is_dvc(bytes), dvc_imprint_algorithm(bytes), Response::parse(bytes));
});
