#![no_main]
//! Trust anchors in files.
use semper_ttp::{asn1::pem, verify::Trust, x509::Certificate};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Trust::from_texts(text, text, text);
    for der in pem::decode("CERTIFICATE", text).unwrap_or_default() {
        let _ = Certificate::from_der(&der);
    }
});
