#![no_main]
//! A token as evidence, with a document that nobody stamped: never verified.
use semper_ttp::verify::{Document, Evidence, Trust, Verdict, imprint_algorithm, verify_timestamp};

const ROOT: &str = include_str!("../seeds/pem/root.pem");
const CHAIN: &str = include_str!("../seeds/pem/tsa-chain.pem");
const VKEY: &str = include_str!("../seeds/vkey/ledger.vkey");

libfuzzer_sys::fuzz_target!(|token: &[u8]| {
    let trust = Trust::from_texts(ROOT, CHAIN, VKEY).expect("trust anchors");
    let evidence = Evidence { document: Document::Bytes(b"never stamped"), token, proof: None };
    assert_eq!(verify_timestamp(&evidence, &trust).verdict, Verdict::Refuted);
    let _ = imprint_algorithm(token);
});
