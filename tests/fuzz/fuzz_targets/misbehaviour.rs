#![no_main]
//! A proof of misbehaviour; one that reads is written again as the same, and convicts nobody before somebody without keys.
use semper_ttp::account::{Anchors, Proof, Verdict, judge};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(proof) = Proof::parse(bytes) else { return };
    assert!(Proof::is_one(bytes));
    let again = Proof::parse(proof.to_json().as_bytes());
    assert_eq!(again.as_ref(), Ok(&proof), "what was read can be written");
    let judgement = judge(&proof, &Anchors { log_keys: &[], trust: None });
    assert_ne!(judgement.verdict, Verdict::Proven, "{}", judgement.reason);
});
