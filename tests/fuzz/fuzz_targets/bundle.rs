#![no_main]
//! An entry bundle of another log; what was cut out is a prefix.
use semper_ledger::tile::{bundle_cut, bundle_entries};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let whole = bundle_entries(bytes).take_while(Option::is_some).count();
    for width in [0, whole / 2, whole] {
        assert!(bundle_cut(bytes, width).is_some_and(|cut| bytes.starts_with(cut)));
    }
    assert!(bundle_cut(bytes, whole + 1).is_none());
});
