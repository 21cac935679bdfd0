#![no_main]
//! What an applicant sends to have its key certified: whatever is taken has its key in one spelling, and is the same as PEM.
use semper_ttp::asn1::pem;
use semper_ttp::ca::request::CertificationRequest;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = CertificationRequest::from_der(bytes) {
        assert!(bytes.windows(request.spki_der().len()).any(|window| window == request.spki_der()));
        let text = pem::encode("CERTIFICATE REQUEST", bytes);
        assert_eq!(CertificationRequest::from_pem(&text), Ok(request));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = CertificationRequest::from_pem(text);
    }
});
