//! `[statements]`: what the practice and disclosure statements cannot know from any other setting.

use serde::Deserialize;

use super::Faults;

/// Longest text, characters: a paragraph.
const CHARS_MAX: usize = 2_000;

/// `[statements]`. What is not said here, the statements say to be not said.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Statements {
    pub(crate) contact: Option<String>,
    pub(crate) revocation_contact: Option<String>,
    pub(crate) liability: Option<String>,
    pub(crate) law: Option<String>,
    pub(crate) audits: Option<String>,
}

impl Statements {
    pub(super) fn verify(&self, faults: &mut Faults) {
        for (key, text) in [
            ("statements.contact", &self.contact),
            ("statements.revocation_contact", &self.revocation_contact),
            ("statements.liability", &self.liability),
            ("statements.law", &self.law),
            ("statements.audits", &self.audits),
        ] {
            let Some(text) = text else { continue };
            let plain = !text.chars().any(|c| c.is_control() && c != '\n');
            if text.trim().is_empty() || text.chars().count() > CHARS_MAX || !plain {
                faults.add(key, format!("is to be a text of at most {CHARS_MAX} characters, or left out"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn texts_are_bounded() {
        let judge = |text: &str| {
            let trial = format!("[clock]\nsource = \"assumed\"\n[statements]\nlaw = \"\"\"{text}\"\"\"");
            Config::from_toml(&trial).unwrap().verify().map_err(|error| error.to_string())
        };
        judge("That of France.\nIn Paris.").unwrap();
        for text in ["", " ", "\\u0007", &"x".repeat(2_001)] {
            assert!(judge(text).unwrap_err().starts_with("statements.law: "), "{text}");
        }
    }
}
