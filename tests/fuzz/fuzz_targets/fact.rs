#![no_main]
//! A fact, as `fsck` and `audit` read it from a store that somebody may have changed; it has one spelling.
use semper_ttp::evidence::{Fact, OpsFact, Recorded};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(fact) = Fact::decode(bytes) else { return };
    assert_eq!(fact.encode(), bytes);
    let _ = OpsFact::from_fact(&fact);
    let _ = semper_ttp::timestamp::TimestampFact::from_fact(&fact);
});
