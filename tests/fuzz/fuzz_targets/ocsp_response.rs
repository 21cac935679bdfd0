#![no_main]
//! Answers of OCSP responders, as whoever verifies one gets them from anybody.
use semper_ttp::ca::ocsp::response::{ReadResponse, read};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(ReadResponse::Basic(found)) = read(bytes) {
        // What was signed stands in what was received.
        assert!(bytes.windows(found.tbs_der.len()).any(|window| window == found.tbs_der));
    }
});
