#![no_main]
//! A signed statement of anybody, and the payload inside a good container; one that reads as a kind can be made again and
//! reads the same. The key of RFC 8037 A.2 signed none of them but the seed.
use semper_ttp::{
    b64u,
    crypto::jose::Key,
    statement::{Jws, Unsigned, terms::TermsAccepted},
};

const JWK: &[u8] = br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const SEED: &[u8] = include_bytes!("../seeds/statement/terms");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Random bytes are no base64url of JSON: here they are the payload under the seed's header.
    let header = SEED.split(|byte| *byte == b'.').next().expect("a header");
    let signature = b64u::encode(&[0; 64]);
    check(&[header, b64u::encode(bytes).as_bytes(), signature.as_bytes()].join(&b'.'));
    let _ = Key::from_jwk_json(bytes);
    let _ = Key::from_spki_der(bytes);
});

fn check(bytes: &[u8]) {
    let Ok(read) = Jws::parse(bytes) else { return };
    assert_eq!(read.bytes(), bytes);
    let key = Key::from_jwk_json(JWK).expect("a key");
    assert!(read.verify(&key).is_err() || bytes == SEED);
    let Ok(terms) = read.payload_as::<TermsAccepted>() else { return };
    let Ok(unsigned) = Unsigned::new(&terms, read.algorithm(), read.key_id()) else { return };
    let length = *read.algorithm().signature_bytes().start();
    let again = unsigned.finish(&vec![0; length]).expect("a length that fits");
    assert_eq!(Jws::parse(again.bytes()).as_ref(), Ok(&again));
    assert_eq!(again.payload_as(), Ok(terms));
}
