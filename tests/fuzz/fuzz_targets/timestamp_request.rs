#![no_main]
//! What anyone may post to `/tsa`: what is read and written again is read again as the same.
use semper_ttp::{digest::ImprintAlgorithm, timestamp::request};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = request::parse(bytes, &ImprintAlgorithm::ALL) else { return };
    assert_eq!(request::parse(&request.encode(), &ImprintAlgorithm::ALL), Ok(request));
});
