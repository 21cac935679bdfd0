#![no_main]
//! The documents of a registration; one that reads is written again and reads the same.
use semper_ttp::registration::document::{ApplicationDocument, IdentityRecord};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(application) = ApplicationDocument::parse(bytes) {
        assert!(application.request_digests().is_some_and(|digests| digests.len() == application.requests.len()));
        // What was read may have been spelled with more escapes, never with fewer: it stays within its bounds.
        let again = application.write().expect("what was read");
        assert_eq!(ApplicationDocument::parse(&again), Ok(application));
    }
    if let Ok(record) = IdentityRecord::parse(bytes) {
        let again = record.write().expect("what was read");
        assert_eq!(IdentityRecord::parse(&again), Ok(record));
    }
});
