#![no_main]
//! A trust policy; whoever has all witnesses has a quorum.
use semper_ledger::policy::Policy;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let Ok(policy) = Policy::parse(text) else { return };
    assert!(policy.is_met(|_| true));
    assert_eq!(policy.is_met(|_| false), !policy.needs_witnesses());
});
