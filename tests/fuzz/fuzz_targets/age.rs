#![no_main]
//! The beginning of an age file and its chunks, by somebody who has a key; nothing that was not sealed to it opens.
use semper_ttp::crypto::age::{Identity, Opener, parse_identities, parse_recipients};

/// Thirty-two bytes of zero: its public key is nobody's.
const IDENTITY: &str = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ8H00W3";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (parse_recipients(text), parse_identities(text));
    }
    let identities: [Identity; 1] = [IDENTITY.parse().expect("an identity")];
    let Ok((mut opener, length)) = Opener::begin(bytes, &identities) else { return };
    assert!(length <= bytes.len());
    let _ = opener.chunk(&bytes[length..], true);
});
