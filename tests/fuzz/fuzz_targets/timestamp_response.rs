#![no_main]
//! What a server may answer to our client.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = semper_ttp::timestamp::response::parse(bytes);
});
