#![no_main]
//! The description of an item, and an item held against it: no description and no item ends in a panic, one description has one spelling,
//! and what is promised is what is expected.
use semper_ttp::{
    digest::Digest,
    exchange::item::{Item, at_best, fairness, is_decidable, matches, promises},
    json::read_object,
    statement::exchange::item::{ItemDescriptor, MatchResult},
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(members) = read_object(bytes) else { return };
    let Ok(item) = serde_json::from_value::<ItemDescriptor>(serde_json::Value::Object(members)) else { return };
    let written = serde_json::to_vec(&item).expect("JSON");
    assert_eq!(serde_json::from_slice::<ItemDescriptor>(&written).ok().as_ref(), Some(&item));
    let rules: Vec<_> = item.predicate.iter().cloned().collect();
    let media = item.media.as_ref().map_or("text/plain", |media| media.as_str());
    let here = Item::of(bytes, media);
    let found = matches(&item, &here, &rules);
    // Nothing is found for certain of which a machine can never be certain.
    assert!(found != MatchResult::Match || is_decidable(&item, &rules));
    let _ = matches(&item, &Item { octets: None, sha256: Digest([0; 32]), len: u64::MAX, media }, &rules);
    let _ = (at_best(&item, &here), fairness(&item, &item, &rules));
    assert_ne!(promises(&item, &item), MatchResult::Mismatch);
});
