#![no_main]
//! A COSE receipt of inclusion and of consistency. Nobody can sign for this log, whose key is the number zero.
use semper_ledger::{
    note::VerifierKey,
    receipt::{LogIdentity, cose},
};
use semper_ttp::crypto::LogVerifier;

const VKEY: &str = include_str!("../seeds/vkey/ledger.vkey");

libfuzzer_sys::fuzz_target!(|receipt: &[u8]| {
    let note_key = VerifierKey::parse(VKEY.trim()).expect("a key");
    let identity = LogIdentity { note_key, issuer: String::new(), receipt_key: vec![4; 65] };
    assert!(cose::verify_inclusion(receipt, &[0; 32], &identity, &LogVerifier).is_err());
    assert!(cose::verify_consistency(receipt, (1, &[0; 32]), &identity, &LogVerifier).is_err());
});
