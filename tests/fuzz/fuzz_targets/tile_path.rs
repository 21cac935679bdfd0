#![no_main]
//! What stands in a path below `/ledger/tile/`; a resource has one spelling.
use semper_ledger::tile::Resource;

libfuzzer_sys::fuzz_target!(|path: &str| {
    let Some(resource) = Resource::parse(path) else { return };
    assert_eq!(resource.to_string(), path);
});
