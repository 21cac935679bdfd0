#![no_main]
//! A fact, as `fsck` and `audit` read it from a store that somebody may have changed; it has one spelling, and so has the body of
//! an application's and of a party's.
use semper_ttp::cbor::Writer;
use semper_ttp::evidence::{Fact, OpsFact, Recorded, names};
use semper_ttp::party::PartyFact;
use semper_ttp::registration::RegistrationFact;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(fact) = Fact::decode(bytes) else { return };
    assert_eq!(fact.encode(), bytes);
    let _ = OpsFact::from_fact(&fact);
    let _ = semper_ttp::timestamp::TimestampFact::from_fact(&fact);
    let _ = names::of(&fact);
    one_spelling::<RegistrationFact>(&fact);
    one_spelling::<PartyFact>(&fact);
});

fn one_spelling<R: Recorded>(fact: &Fact) {
    let Ok(read) = R::from_fact(fact) else { return };
    let mut body = Writer::default();
    read.write_body(&mut body);
    assert_eq!(body.finish(), fact.body);
    assert_eq!(read.kind(), fact.kind);
}
