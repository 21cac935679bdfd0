#![no_main]
//! A list of logs; one that reads is written again as the same list.
use semper_ledger::witness::log_list::{parse, write};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let Ok(logs) = parse(text) else { return };
    assert_eq!(parse(write(&logs).as_bytes()).as_ref(), Ok(&logs));
});
