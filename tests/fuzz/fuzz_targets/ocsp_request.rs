#![no_main]
//! What anyone may send to `/ocsp`: a request that is read can be answered, and the answer is read again as what was asked.
use std::sync::LazyLock;

use semper_ttp::asn1::pem;
use semper_ttp::ca::ocsp::response::{ReadResponse, read};
use semper_ttp::ca::ocsp::{OcspRequest, Responder, Single, Status};
use semper_ttp::crypto::SignatureAlgorithm;
use semper_ttp::time::Timestamp;
use semper_ttp::x509::Certificate;

static RESPONDER: LazyLock<Responder> = LazyLock::new(|| {
    let root = pem::decode("CERTIFICATE", include_str!("../seeds/pem/root.pem")).unwrap().remove(0);
    let root = Certificate::from_der(&root).unwrap();
    Responder::new(&root, None, SignatureAlgorithm::EcdsaP256Sha256).unwrap()
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = OcspRequest::parse(bytes) else { return };
    let now = Timestamp::from_secs(1_772_366_400);
    let answer = |cert_id| Single { cert_id, status: Status::NotIssued, this_update: now, next_update: now };
    let singles: Vec<_> = request.cert_ids().iter().map(answer).collect();
    let response = RESPONDER.prepare(&singles, now, request.nonce()).finish(&[7; 70]);
    let Ok(ReadResponse::Basic(found)) = read(&response) else { panic!("the answer does not read") };
    assert!(found.singles.iter().map(|single| &single.cert_id).eq(request.cert_ids()));
    assert_eq!(found.nonce.as_ref(), request.nonce());
});
