#![no_main]
//! OCSP responses of strangers, as anybody puts them into a signature.
use semper_ttp::path::OcspResponse;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(response) = OcspResponse::from_der(bytes) else { return };
    let tbs = response.signed().tbs();
    assert!(bytes.windows(tbs.len()).any(|window| window == tbs));
    let found = response.singles().iter().any(|single| single.cert_id.is_of(b"name", b"key", &[1]));
    let _ = (found, response.signed().algorithm(), format!("{response:?}"));
});
