#![no_main]
//! A request to a witness; one that reads is written again as the same request.
use semper_ledger::witness::AddCheckpoint;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let Ok(request) = AddCheckpoint::parse(body) else { return };
    assert_eq!(AddCheckpoint::parse(request.to_string().as_bytes()).as_ref(), Ok(&request));
    assert!(request.admit(&Default::default(), &semper_ttp::crypto::LogVerifier).is_err(), "no log is known");
});
