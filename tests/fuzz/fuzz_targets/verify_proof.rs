#![no_main]
//! A proof as evidence for a token that is none: never verified.
use semper_ttp::verify::{Document, Evidence, Trust, Verdict, verify_timestamp};

const ROOT: &str = include_str!("../seeds/pem/root.pem");
const VKEY: &str = include_str!("../seeds/vkey/ledger.vkey");

libfuzzer_sys::fuzz_target!(|proof: &[u8]| {
    let trust = Trust::from_texts(ROOT, "", VKEY).expect("trust anchors");
    let evidence = Evidence { document: Document::Bytes(b""), token: b"", proof: Some(proof) };
    assert_eq!(verify_timestamp(&evidence, &trust).verdict, Verdict::Refuted);
});
