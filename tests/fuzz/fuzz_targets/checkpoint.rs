#![no_main]
//! The text of a checkpoint, and a whole one whose signature nobody made.
use semper_ledger::{checkpoint::Checkpoint, note::VerifierKey};
use semper_ttp::crypto::LogVerifier;

const VKEY: &str = include_str!("../seeds/vkey/ledger.vkey");

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(Checkpoint::parse(&checkpoint.text()).as_ref(), Ok(&checkpoint));
    }
    let key = VerifierKey::parse(VKEY.trim()).expect("a key");
    let _ = Checkpoint::verify(text, &[key], &LogVerifier);
});
