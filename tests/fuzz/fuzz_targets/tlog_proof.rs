#![no_main]
//! The text of a proof; reading and writing it again gives a proof that reads the same.
use semper_ledger::receipt::tlog_proof::TlogProof;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(proof) = TlogProof::parse(text) else { return };
    let again = TlogProof::parse(&proof.to_string()).expect("what was read can be written");
    assert_eq!(again, proof);
});
