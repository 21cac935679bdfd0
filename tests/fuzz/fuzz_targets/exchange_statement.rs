#![no_main]
//! What parties sign and send in exchanges through the arbiter and in payments: each kind as the payload of a good container, so that all
//! of its members are reached. One that reads is written again and reads the same; what is computed from a first statement ends in no panic,
//! and none is taken for signed.
use semper_ttp::{
    b64u::{self, B64u},
    crypto::jose::{Key, Thumbprint},
    exchange::{inline, paid, run::Run},
    statement::{
        Body, Jws, Unsigned,
        exchange::{inline as i, pg, pr},
    },
    time::Timestamp,
};
use std::sync::{Arc, LazyLock};

const JWK: &[u8] = br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
static KEY: LazyLock<Arc<Key>> = LazyLock::new(|| Arc::new(Key::from_jwk_json(JWK).expect("a key")));
/// The thumbprint of that key, or any other: nothing here was signed.
const KID: Thumbprint = Thumbprint(B64u([7; 32]));

const READERS: [fn(&[u8]); 18] = [
    read::<i::I1>,
    read::<i::I2>,
    read::<i::Deposit>,
    read::<i::Cancel>,
    read::<i::Waive>,
    read::<i::Collect>,
    read::<i::Registered>,
    read::<i::Nrs>,
    read::<i::Refused>,
    read::<pg::GoodsOrder>,
    read::<pg::Accept>,
    read::<pg::Shipped>,
    read::<pg::HandedOver>,
    read::<pg::Received>,
    read::<pg::Rejected>,
    read::<pg::Cancel>,
    read::<pr::PaymentOffer>,
    read::<pr::PaymentReceipt>,
];

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    for read in READERS {
        read(payload);
    }
});

fn read<B: Body + PartialEq + std::fmt::Debug>(payload: &[u8]) {
    let typ = B::TAG.replace('/', ".");
    let header = format!(r#"{{"alg":"EdDSA","kid":"{KID}","typ":"semper.{typ}+jws"}}"#);
    let parts = [header.as_bytes(), payload, &[0; 64]].map(b64u::encode).join(".");
    let Ok(jws) = Jws::parse(parts.as_bytes()) else { return };
    let keys = |_: &Thumbprint| Some(KEY.clone());
    assert!(inline::Proposed::read(jws.clone(), &keys).is_err());
    assert!(paid::Opened::read(jws.clone(), &keys).is_err());
    if let Ok(opened) = paid::Opened::claimed(&jws) {
        assert_eq!(opened.run, Run::claimed(&jws).expect("as before"));
        assert!(opened.shown(&jws, &keys).is_err());
    }
    proposed(&jws);
    let Ok(statement) = jws.payload_as::<B>() else { return };
    let Ok(unsigned) = Unsigned::new(&statement, jws.algorithm(), jws.key_id()) else { return };
    let again = unsigned.finish(&[0; 64]).expect("a length that fits");
    assert_eq!(Jws::parse(again.bytes()).as_ref(), Ok(&again));
    assert_eq!(again.payload_as(), Ok(statement));
}

fn proposed(jws: &Jws) {
    let (Ok(run), Ok(proposal)) = (Run::claimed(jws), jws.payload_as::<i::I1>()) else { return };
    let proposed = inline::Proposed { run, proposal: proposal.body, jws: jws.clone() };
    let policy = semper_ttp::exchange::policy::InlinePolicy {
        retention_ms: 1_000,
        open_max_ms: u64::MAX,
        predicates: Vec::new(),
    };
    let _ = proposed.require_policy(&policy, Timestamp::from_millis(0));
    let agreement = proposed.agreement(&inline::Agreed { jws: jws.clone() }, &policy);
    assert_eq!(agreement.x, jws.x());
}
