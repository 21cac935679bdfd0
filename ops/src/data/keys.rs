//! Private keys: in files, encrypted and closed to everybody else, or in a PKCS#11 token.
//!
//! ```text
//! keys/ <id>.p8      a private key, encrypted; of archive-kek a symmetric one
//!       <id>.p11     a key in a token: which token, by its name in the settings, and the public half by which it is found
//!       <id>.making  only while a key is made in a token, or when that did not end: the CKA_ID that it would have
//! ```
//!
//! A file of these names has all its bytes: it is written under another name, synced and renamed. A token knows no such step, so
//! what is made there is written down first, and destroyed by [`Custody::clear`] if no `.p11` followed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use semper_api::hsm::{HsmFault, Token, TokenName, TokenSettings};
use semper_ttp::crypto::{
    Entropy, KeyFileFault, Passphrase, SecretKey, SignatureAlgorithm, Signer, SoftKey, open_key_pem, open_secret_pem,
    seal_key_pem, seal_secret_pem,
};
use semper_ttp::evidence::{KeyId, KeyPurpose};
use semper_ttp::vault::{KeyWrap, SoftKek};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{DataError, DataFolder, files};
use crate::config::{Keys, SecretError};

/// Permission bits that a key file may not have: any for group and others.
const OTHERS: u32 = 0o077;

const IN_FILE: &str = ".p8";
const IN_TOKEN: &str = ".p11";
const MAKING: &str = ".making";

/// A key that lies in a token.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InToken {
    token: String,
    /// SubjectPublicKeyInfo, DER in hexadecimal.
    public_key: String,
}

/// A key that may lie in a token.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Making {
    token: String,
    /// CKA_ID in hexadecimal.
    id: String,
}

/// The one way to a folder's private keys. Tokens are opened when a key in them is first wanted, and once.
pub(crate) struct Custody {
    folder: DataFolder,
    passphrase: Passphrase,
    settings: Keys,
    tokens: Mutex<BTreeMap<String, Arc<Token>>>,
}

impl Custody {
    /// With the passphrase of the files where the settings have it.
    ///
    /// # Errors
    /// [`DataError::Secret`].
    pub(crate) fn new(folder: &DataFolder, settings: &Keys) -> Result<Custody, DataError> {
        let passphrase = settings.passphrase(|name| std::env::var_os(name))?;
        Ok(Custody::with(folder, settings, Passphrase::new(passphrase.expose().to_owned())))
    }

    /// With a passphrase that the caller has.
    pub(crate) fn with(folder: &DataFolder, settings: &Keys, passphrase: Passphrase) -> Custody {
        Custody { folder: folder.clone(), passphrase, settings: settings.clone(), tokens: Mutex::default() }
    }

    /// Opens the newest key of a purpose.
    ///
    /// # Errors
    /// [`DataError::NoKey`], and as [`Custody::open`].
    pub(crate) fn newest(&self, purpose: KeyPurpose) -> Result<(KeyId, Arc<dyn Signer>), DataError> {
        let id = self.folder.key_ids(purpose)?.pop();
        let id = id.ok_or_else(|| DataError::NoKey { purpose, folder: self.folder.path("keys") })?;
        Ok((id, self.open(id)?))
    }

    /// Opens a key, wherever it is kept. A file that others may read is refused, always: encrypted as it is, its passphrase can be
    /// guessed at leisure by whoever copied it.
    ///
    /// # Errors
    /// [`DataError::KeyReadable`], [`DataError::Key`], [`DataError::Hsm`].
    pub(crate) fn open(&self, id: KeyId) -> Result<Arc<dyn Signer>, DataError> {
        if !self.folder.key_in_token(id).exists() {
            return Ok(Arc::new(self.open_soft(id)?));
        }
        let (token, spki) = self.folder.place_in_token(id)?;
        let signer = self.token(&token)?.signer(&spki);
        Ok(Arc::new(signer.map_err(|fault| DataError::Hsm { what: id.to_string(), fault })?))
    }

    /// Opens a key that must be in a file: libssl wants it in memory.
    ///
    /// # Errors
    /// [`DataError::KeyReadable`], [`DataError::Key`].
    pub(crate) fn open_soft(&self, id: KeyId) -> Result<SoftKey, DataError> {
        let pem = read_closed(&self.folder.key_file(id))?;
        open_key_pem(&String::from_utf8_lossy(&pem), &self.passphrase).map_err(|fault| DataError::Key { id, fault })
    }

    /// Makes a key where the settings say. It is there for good when this returns.
    ///
    /// # Errors
    /// The disk, libcrypto, the token; there is a key of this name.
    pub(crate) fn make(
        &self,
        id: KeyId,
        algorithm: SignatureAlgorithm,
        entropy: &dyn Entropy,
    ) -> Result<Arc<dyn Signer>, DataError> {
        if self.folder.has_key(id) {
            return Err(DataError::Unfit { path: self.folder.key_file(id), reason: "is there already".to_owned() });
        }
        let Some(token) = self.settings.token_of(id.purpose) else {
            let key = SoftKey::generate(algorithm);
            let key = key.map_err(|fault| DataError::Key { id, fault: KeyFileFault::from(fault) })?;
            self.seal(id, &key, entropy)?;
            return Ok(Arc::new(key));
        };
        let mut cka_id = [0; 16];
        entropy.fill(&mut cka_id)?;
        let making = Making { token: token.to_owned(), id: hex::encode(cka_id) };
        files::replace(&self.folder.key_being_made(id), 0o600, &json(&making))?;
        let fault = |fault| DataError::Hsm { what: id.to_string(), fault };
        let opened = self.token(token)?;
        let spki = opened.generate(algorithm, &id.to_string(), &cka_id).map_err(fault)?;
        let signer = opened.signer(&spki).map_err(fault)?;
        let held = InToken { token: token.to_owned(), public_key: hex::encode(&spki) };
        files::replace(&self.folder.key_in_token(id), 0o600, &json(&held))?;
        files::remove(&self.folder.key_being_made(id))?;
        Ok(Arc::new(signer))
    }

    /// Makes a symmetric key, always in a file. It is there for good when this returns.
    ///
    /// # Errors
    /// The disk, libcrypto; there is a key of this name.
    pub(crate) fn make_secret(&self, id: KeyId, entropy: &dyn Entropy) -> Result<(), DataError> {
        if self.folder.has_key(id) {
            return Err(DataError::Unfit { path: self.folder.key_file(id), reason: "is there already".to_owned() });
        }
        let key = SecretKey::generate(entropy)?;
        let pem = seal_secret_pem(&key, &self.passphrase, entropy).map_err(|fault| DataError::Key { id, fault })?;
        files::replace(&self.folder.key_file(id), 0o600, pem.as_bytes())
    }

    /// The newest key that wraps others, if there is one.
    ///
    /// # Errors
    /// [`DataError::KeyReadable`], [`DataError::Key`].
    pub(crate) fn newest_wrapping(&self) -> Result<Option<Arc<dyn KeyWrap>>, DataError> {
        let Some(id) = self.folder.key_ids(KeyPurpose::ArchiveKek)?.pop() else { return Ok(None) };
        let pem = read_closed(&self.folder.key_file(id))?;
        let opened = open_secret_pem(&String::from_utf8_lossy(&pem), &self.passphrase);
        let kek = opened.and_then(|key| Ok(SoftKek::new(id, key)?)).map_err(|fault| DataError::Key { id, fault })?;
        Ok(Some(Arc::new(kek)))
    }

    /// Writes a key into its file, encrypted.
    ///
    /// # Errors
    /// The disk, libcrypto.
    pub(crate) fn seal(&self, id: KeyId, key: &SoftKey, entropy: &dyn Entropy) -> Result<(), DataError> {
        let pem = seal_key_pem(key, &self.passphrase, entropy).map_err(|fault| DataError::Key { id, fault })?;
        files::replace(&self.folder.key_file(id), 0o600, pem.as_bytes())
    }

    /// Has a key that lies in a token already, where the settings say that those of its purpose lie, found there from now on.
    ///
    /// # Errors
    /// The settings name no token for it; the token has no such key; the disk.
    pub(crate) fn adopt(&self, id: KeyId, spki: &[u8]) -> Result<(), DataError> {
        let token = self.settings.token_of(id.purpose);
        let token = token.ok_or_else(|| DataError::NoToken(format!("of keys.stores.{}", id.purpose.name())))?;
        let found = self.token(token)?.signer(spki);
        found.map_err(|fault| DataError::Hsm { what: id.to_string(), fault })?;
        let held = InToken { token: token.to_owned(), public_key: hex::encode(spki) };
        files::replace(&self.folder.key_in_token(id), 0o600, &json(&held))
    }

    /// Takes a key away that was never used, wherever it is kept.
    ///
    /// # Errors
    /// The disk, the token.
    pub(crate) fn discard(&self, id: KeyId) -> Result<(), DataError> {
        let path = self.folder.key_in_token(id);
        if path.exists() {
            let (token, spki) = self.folder.place_in_token(id)?;
            let destroyed = self.token(&token)?.destroy_key(&spki);
            destroyed.map_err(|fault| DataError::Hsm { what: id.to_string(), fault })?;
            files::remove(&path)?;
        }
        files::remove(&self.folder.key_file(id))
    }

    /// Destroys what an unfinished [`Custody::make`] left in a token.
    ///
    /// # Errors
    /// The disk, the token.
    pub(crate) fn clear(&self) -> Result<(), DataError> {
        for id in self.folder.keys_ending(MAKING)? {
            let path = self.folder.key_being_made(id);
            if !self.folder.key_in_token(id).exists() {
                let making: Making = read_json(&path)?;
                let cka_id = octets(&path, &making.id)?;
                let destroyed = self.token(&making.token)?.destroy(&cka_id);
                let destroyed = destroyed.map_err(|fault| DataError::Hsm { what: id.to_string(), fault })?;
                tracing::warn!(key = %id, destroyed, "the making of a key did not end; what was in the token is destroyed");
            }
            files::remove(&path)?;
        }
        Ok(())
    }

    /// Opens a token by its name in the settings, once.
    fn token(&self, name: &str) -> Result<Arc<Token>, DataError> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = tokens.get(name) {
            return Ok(token.clone());
        }
        let section = self.settings.tokens.get(name).ok_or_else(|| DataError::NoToken(name.to_owned()))?;
        let pin = section.pin(name, |variable| std::env::var_os(variable));
        let pin = pin.map_err(|fault: SecretError| DataError::Pin { token: name.to_owned(), fault })?;
        let token = Token::open(TokenSettings {
            module: section.module.clone(),
            name: match (&section.label, &section.serial) {
                (Some(label), _) => TokenName::Label(label.clone()),
                (None, serial) => TokenName::Serial(serial.clone().unwrap_or_default()),
            },
            pin: Passphrase::new(pin.expose().to_owned()),
            sessions: section.sessions as usize,
            allow_imported: section.allow_imported,
        });
        let token = token.map_err(|fault: HsmFault| DataError::Hsm { what: format!("keys.tokens.{name}"), fault })?;
        tokens.insert(name.to_owned(), token.clone());
        Ok(token)
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("two strings")
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, DataError> {
    let unfit = |error: serde_json::Error| DataError::Unfit { path: path.to_owned(), reason: error.to_string() };
    serde_json::from_slice(&files::read(path)?).map_err(unfit)
}

fn octets(path: &Path, hexadecimal: &str) -> Result<Vec<u8>, DataError> {
    let unfit = |error: hex::FromHexError| DataError::Unfit { path: path.to_owned(), reason: error.to_string() };
    hex::decode(hexadecimal).map_err(unfit)
}

impl DataFolder {
    /// The token of a key, by its name in the settings, and the public half by which it is found there.
    ///
    /// # Errors
    /// The file does not read.
    pub(crate) fn place_in_token(&self, id: KeyId) -> Result<(String, Vec<u8>), DataError> {
        let path = self.key_in_token(id);
        let held: InToken = read_json(&path)?;
        Ok((held.token, octets(&path, &held.public_key)?))
    }

    fn key_in_token(&self, id: KeyId) -> PathBuf {
        self.path("keys").join(format!("{id}{IN_TOKEN}"))
    }

    fn key_being_made(&self, id: KeyId) -> PathBuf {
        self.path("keys").join(format!("{id}{MAKING}"))
    }

    /// Whether a key of this name is kept, in a file or in a token.
    pub(crate) fn has_key(&self, id: KeyId) -> bool {
        self.key_file(id).exists() || self.key_in_token(id).exists()
    }

    /// The keys of a purpose, by their generations; none in folders of versions that knew none.
    ///
    /// # Errors
    /// The folder of keys does not read.
    pub(crate) fn key_ids(&self, purpose: KeyPurpose) -> Result<Vec<KeyId>, DataError> {
        let mut ids = [self.keys_ending(IN_FILE)?, self.keys_ending(IN_TOKEN)?].concat();
        ids.retain(|id| id.purpose == purpose);
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    fn keys_ending(&self, end: &str) -> Result<Vec<KeyId>, DataError> {
        let keys = self.path("keys");
        let read = |error| DataError::Io { action: "read", path: keys.clone(), error };
        let mut ids = Vec::new();
        for file in fs::read_dir(&keys).map_err(read)? {
            let name = file.map_err(read)?.file_name();
            ids.extend(name.to_str().and_then(|name| name.strip_suffix(end)?.parse::<KeyId>().ok()));
        }
        Ok(ids)
    }
}

/// True for the name of a file of `keys/` that belongs to a key.
pub(crate) fn is_key_file(name: &str) -> bool {
    [IN_FILE, IN_TOKEN].iter().any(|end| name.ends_with(end))
}

/// Reads a key file, closed to everybody else.
///
/// # Errors
/// [`DataError::KeyReadable`], [`DataError::Io`].
pub(crate) fn read_closed(path: &Path) -> Result<Vec<u8>, DataError> {
    let path = path.to_owned();
    let metadata = fs::metadata(&path).map_err(|error| DataError::Io { action: "read", path: path.clone(), error })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(DataError::KeyReadable { path, mode });
    }
    files::read(&path)
}
