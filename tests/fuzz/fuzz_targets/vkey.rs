#![no_main]
//! A verifier key; it has one spelling.
use semper_ledger::note::VerifierKey;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(key) = VerifierKey::parse(text) else { return };
    assert_eq!(VerifierKey::parse(&key.to_string()), Ok(key));
});
