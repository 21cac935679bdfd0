#![no_main]
//! Revocation lists of strangers, as anybody puts them into a signature.
use semper_ttp::path::Crl;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = Crl::from_der(bytes) else { return };
    assert!(bytes.windows(list.tbs().len()).any(|window| window == list.tbs()));
    let _ = (list.signature_algorithm(), list.find(list.issuer(), &[1]), format!("{list:?}"));
});
