//! `[keys]`: where the passphrase of the key files is, and which keys lie in PKCS#11 tokens. Not the secrets themselves: those
//! have no place in this file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use semper_ttp::evidence::KeyPurpose;
use serde::Deserialize;

use super::Faults;
use super::secret::{Secret, SecretError, find};

/// `[keys]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keys {
    pub(crate) passphrase_file: Option<PathBuf>,
    pub(crate) passphrase_env: Option<String>,
    /// By the key's purpose the token in which the next one is made. All others are encrypted files.
    pub(crate) stores: BTreeMap<String, String>,
    /// By the name that `stores` and the key folder know it by.
    pub(crate) tokens: BTreeMap<String, TokenSection>,
    /// Nothing is rotated but on an operator's word.
    pub(crate) rotate_by_hand: bool,
}

/// A PKCS#11 token.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenSection {
    pub(crate) module: PathBuf,
    pub(crate) label: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) pin_file: Option<PathBuf>,
    pub(crate) pin_env: Option<String>,
    #[serde(default = "sessions_default")]
    pub(crate) sessions: u32,
    #[serde(default)]
    pub(crate) allow_imported: bool,
}

/// A signature of a token takes its time; four at once keep two endpoints, a CA and its responder from waiting for each other.
const fn sessions_default() -> u32 {
    4
}

/// Keys that cannot lie in a token, and why.
fn cannot_be_kept(purpose: KeyPurpose) -> Option<&'static str> {
    match purpose {
        KeyPurpose::ArchiveKek => Some("it is symmetric, and this version asks tokens for signatures only"),
        KeyPurpose::ArbiterEscrow => Some("it agrees on secrets, and this version asks tokens for signatures only"),
        KeyPurpose::Tls => Some("libssl wants the key of the HTTPS listener in memory"),
        KeyPurpose::LogNote
        | KeyPurpose::LogReceipt
        | KeyPurpose::CaRoot
        | KeyPurpose::CaParty
        | KeyPurpose::CaServer
        | KeyPurpose::CaTsu
        | KeyPurpose::OcspParty
        | KeyPurpose::OcspServer
        | KeyPurpose::OcspTsu
        | KeyPurpose::TsuEc
        | KeyPurpose::TsuRsa
        | KeyPurpose::CaImported
        | KeyPurpose::NotaryDvcs
        | KeyPurpose::NotaryAct
        | KeyPurpose::ArbiterVerdict
        | KeyPurpose::Webhook => None,
        KeyPurpose::DisputeVerdict
        | KeyPurpose::ArchiveReport
        | KeyPurpose::BundleSeal
        | KeyPurpose::Backup
        | KeyPurpose::StoreHmac => Some("this version makes no such key"),
    }
}

/// What may stand as the name of an environment variable. A value pasted in its place would otherwise be looked up, not found, and
/// printed by the error.
fn is_variable(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_uppercase() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

impl Keys {
    pub(super) fn verify(&self, faults: &mut Faults) {
        if self.passphrase_file.is_some() && self.passphrase_env.is_some() {
            faults.add("keys.passphrase_env", "must be left out when keys.passphrase_file is set".into());
        }
        if self.passphrase_env.as_deref().is_some_and(|name| !is_variable(name)) {
            faults
                .add("keys.passphrase_env", "must be the name of an environment variable: capitals, digits, _".into());
        }
        for (name, token) in &self.stores {
            match KeyPurpose::ALL.iter().find(|purpose| purpose.name() == name) {
                None => faults.add("keys.stores", format!("\"{name}\" is no key; one is for example \"tsu-ec\"")),
                Some(purpose) => {
                    if let Some(why) = cannot_be_kept(*purpose) {
                        faults.add("keys.stores", format!("{name} cannot lie in a token: {why}"));
                    }
                }
            }
            if !self.tokens.contains_key(token) {
                faults.add("keys.stores", format!("{name}: there is no keys.tokens.{token}"));
            }
        }
        for (name, token) in &self.tokens {
            token.verify(name, faults);
        }
        let mut modules: Vec<_> = self.tokens.values().map(|token| &token.module).collect();
        modules.dedup();
        if modules.len() > 1 {
            faults.add("keys.tokens", "all tokens must be of one module: a process can load one only".into());
        }
    }

    /// A witness has one key, in a file.
    pub(super) fn verify_without_tokens(&self, faults: &mut Faults) {
        self.verify(faults);
        if !self.stores.is_empty() || !self.tokens.is_empty() {
            faults.add("keys.stores", "a witness keeps its key in a file".into());
        }
        if self.rotate_by_hand {
            faults.add("keys.rotate_by_hand", "has no place here: a witness keeps one key for good".into());
        }
    }

    /// The name of the token in which the next key of this purpose is made; `None` for an encrypted file.
    pub(crate) fn token_of(&self, purpose: KeyPurpose) -> Option<&str> {
        self.stores.get(purpose.name()).map(String::as_str)
    }
}

impl TokenSection {
    fn verify(&self, name: &str, faults: &mut Faults) {
        let mut add = |text: &str| faults.add("keys.tokens", format!("{name}: {text}"));
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            add("a token is named by letters, digits and hyphens");
        }
        if !self.module.is_absolute() {
            add("module must be an absolute path");
        }
        if self.label.is_some() == self.serial.is_some() {
            add("either label or serial must name the token");
        }
        if self.pin_file.is_some() == self.pin_env.is_some() {
            add("either pin_file or pin_env must say where the PIN is");
        }
        if self.pin_env.as_deref().is_some_and(|name| !is_variable(name)) {
            add("pin_env must be the name of an environment variable: capitals, digits, _");
        }
        if self.sessions == 0 || self.sessions > 256 {
            add("sessions must be from 1 to 256");
        }
    }

    /// The user's PIN.
    ///
    /// # Errors
    /// [`SecretError`]: it is missing or empty.
    pub(crate) fn pin(&self, name: &str, env: impl Fn(&str) -> Option<OsString>) -> Result<Secret, SecretError> {
        let variable = self.pin_env.as_deref().unwrap_or_default();
        find(self.pin_file.as_deref(), variable, &format!("keys.tokens.{name}.pin_file"), env)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn refused(keys: &str) -> String {
        let text = format!("[clock]\nsource = \"assumed\"\n[keys]\n{keys}");
        match Config::from_toml(&text).and_then(|config| config.verify()) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    const TOKEN: &str = "[keys.tokens.main]\nmodule = \"/usr/lib/module.so\"\n";

    #[test]
    fn keys_lie_in_tokens_that_are_there() {
        let good = format!("[keys.stores]\ntsu-ec = \"main\"\n{TOKEN}label = \"semper\"\npin_env = \"SEMPER_PIN\"");
        assert_eq!(refused(&good), "");
        for (keys, expected) in [
            ("stores = { tsu-ec = \"main\" }".to_owned(), "there is no keys.tokens.main"),
            (good.replace("tsu-ec", "tsu-dsa"), "\"tsu-dsa\" is no key"),
            (good.replace("tsu-ec", "tls"), "tls cannot lie in a token: libssl"),
            (good.replace("tsu-ec", "bundle-seal"), "this version makes no such key"),
            (good.replace("tsu-ec", "archive-kek"), "archive-kek cannot lie in a token: it is symmetric"),
            (good.replace("label = \"semper\"\n", ""), "either label or serial"),
            (good.replace("label", "serial = \"1\"\nlabel"), "either label or serial"),
            (good.replace("pin_env = \"SEMPER_PIN\"", ""), "either pin_file or pin_env"),
            (good.replace("SEMPER_PIN", "1234"), "pin_env must be the name"),
            (good.replace("/usr/lib/", ""), "absolute path"),
            (good.clone() + "\nsessions = 0", "sessions must be from 1 to 256"),
            (good.clone() + "\npin = \"1234\"", "unknown field `pin`"),
            (
                format!("{good}\n{}", good.split_once("[keys.tokens").map_or("", |(_, rest)| rest))
                    .replace("\n.main]\nmodule = \"/usr", "\n[keys.tokens.other]\nmodule = \"/opt"),
                "of one module",
            ),
        ] {
            let said = refused(&keys);
            assert!(said.contains(expected), "{keys}\n{said}");
            assert!(!said.contains("1234"), "what may be a secret is not shown: {said}");
        }
    }
}
