#![no_main]
//! The arbiter's policy for exchanges, as a party gets it; one that reads is written again and reads the same.
use semper_ttp::exchange::policy::ExchangePolicy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(policy) = ExchangePolicy::parse(bytes) else { return };
    assert_eq!(ExchangePolicy::parse(&policy.to_bytes()), Ok(policy));
});
