#![no_main]
//! What a payment provider tells: the body, signed as the provider signs, so that it is read; and the octets as each of the headers. What is
//! read is taken once.
use semper_ttp::{
    payment::callback::{CallbackFault, Received, Secret, Seen, sign, verify},
    time::Timestamp,
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let secret = Secret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX").expect("24 octets");
    let now = Timestamp::from_secs(1_772_366_400);
    let (secrets, mut seen) = ([secret], Seen::default());
    let signature = sign(&secrets[0], "msg_1", now, bytes).expect("a MAC");
    let good = Received { id: "msg_1", timestamp: "1772366400", signature: &signature, body: bytes };
    match verify(&good, &secrets, 300, &seen, now) {
        Ok(callback) => {
            seen.note(&callback, 300, now);
            assert_eq!(verify(&good, &secrets, 300, &seen, now), Err(CallbackFault::Replayed));
        }
        Err(fault) => {
            let is_of_body = matches!(fault, CallbackFault::Json(_) | CallbackFault::Form(_) | CallbackFault::TooLong);
            assert!(is_of_body, "{fault}");
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = Secret::parse(text);
    let seen = Seen::default();
    for strange in
        [Received { id: text, ..good }, Received { timestamp: text, ..good }, Received { signature: text, ..good }]
    {
        let is_same =
            (strange.id, strange.timestamp) == (good.id, good.timestamp) && text.split(' ').any(|one| one == signature);
        assert!(verify(&strange, &secrets, 300, &seen, now).is_err() || is_same);
    }
});
