#![no_main]
//! Revocation lists of strangers, as anybody puts them into a signature.
use semper_ttp::path::Crl;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = Crl::from_der(bytes) else { return };
    let tbs = list.signed().tbs();
    assert!(bytes.windows(tbs.len()).any(|window| window == tbs));
    let _ = (list.signed().algorithm(), list.find(list.issuer(), &[1]), format!("{list:?}"));
});
