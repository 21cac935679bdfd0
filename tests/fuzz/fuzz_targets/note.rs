#![no_main]
//! A signed note of anybody; a note that reads is written again as the same note.
use semper_ledger::note::Note;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(note) = Note::parse(text) else { return };
    assert_eq!(Note::parse(&note.to_string()).as_ref(), Ok(&note));
});
