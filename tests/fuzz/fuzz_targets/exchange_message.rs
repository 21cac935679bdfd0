#![no_main]
//! What one side of an exchange sends the other, and what the arbiter answers; a message that reads is written again and reads the same.
use semper_ttp::client::dossier::Dossier;
use semper_ttp::client::message::Message;
use semper_ttp::client::verdict::Given;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::parse(bytes) {
        assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
    }
    if let Ok(dossier) = Dossier::parse(bytes) {
        assert_eq!(Dossier::parse(&dossier.to_bytes()), Ok(dossier));
    }
    let _ = Given::parse(bytes);
});
