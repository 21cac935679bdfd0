//! What a backup consists of: the manifest, which only the recipient can read, and its plain header.
//!
//! ```text
//! manifest.age   age( semper-backup-manifest/1 <salt, hex> <MAC, hex> LF body )
//! body           JSON: see [`Manifest`]
//! header.json    JSON: see [`Header`]; ids and sizes, nothing private
//! ```
//!
//! **The seal.** Anybody can encrypt to a recipient, so encryption says nothing of who made a backup. Entries, facts and
//! artefacts are bound to the log's signature; certificates and public keys to entries. The rest (settings, identity.json, key
//! files, witnesses' policy) would be anybody's who holds the place of the backups. So the body carries a MAC under a key that
//! scrypt derives from the passphrase of the key files: the server has that, whoever restores has it, and the place of the
//! backups has not. (A service key of its own, as DESIGN §4 names one, would protect the same bytes: its file lies under that
//! same passphrase. And folders made before it would have none.) Salt and MAC lie inside the encryption, so that nobody without
//! the identity can try passphrases on them.

use std::collections::HashSet;

use semper_ttp::crypto::{CryptoFault, Entropy, EntropyFault, Passphrase, mac_of_passphrase};
use semper_ttp::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::data::{NOTICES, PROFILES, ROLES, TERMS, WITNESSED};

/// The first word of the plain manifest.
const TAG: &str = "semper-backup-manifest/1";
/// What the MAC's key is for.
const MAC_LABEL: &str = "semper backup manifest v1";

/// Everything that a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Always 1.
    pub(crate) version: u32,
    /// Names the backup: when it was made, and how many entries it has.
    pub(crate) id: String,
    /// The backup before it, into the same place.
    pub(crate) previous: Option<String>,
    /// The log's name.
    pub(crate) origin: String,
    /// When the copy of the store was made, ms since 1970.
    pub(crate) made_ms: u64,
    /// Entries in it.
    pub(crate) size: u64,
    /// Their root, hex.
    pub(crate) root: String,
    /// Entries that the anchor knew then: all, but for those of a server that was killed between store and anchor. An anchor that
    /// knows fewer is an old copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) anchored: Option<u64>,
    /// The signed checkpoint over them.
    pub(crate) checkpoint: String,
    /// Every file.
    pub(crate) files: Vec<File>,
}

/// One file of the data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Its path in the data folder, with slashes.
    pub(crate) path: String,
    /// Its permission bits.
    pub(crate) mode: u32,
    /// Its length.
    pub(crate) bytes: u64,
    /// SHA-256 of it, hex.
    pub(crate) sha256: String,
    /// Where its bytes are.
    pub(crate) content: Content,
}

/// Where a file's bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Content {
    /// Here, base64: small ones.
    Inline(String),
    /// In a stored file.
    Stored(Stored),
}

/// A stored file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    /// Its name: SHA-256 of its bytes, which are encrypted and so tell nothing, hex.
    pub(crate) name: String,
    /// Its length.
    pub(crate) bytes: u64,
}

/// What anybody may know of a backup: enough to copy it, to count it, and to see what no backup needs any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// Always 1.
    pub(crate) version: u32,
    /// As in the manifest.
    pub(crate) id: String,
    /// As in the manifest.
    pub(crate) made_ms: u64,
    /// As in the manifest.
    pub(crate) size: u64,
    /// Length of manifest.age.
    pub(crate) manifest_bytes: u64,
    /// SHA-256 of manifest.age, hex: tells one that was damaged from one that is for another identity. Anybody can write this, so
    /// nothing else is believed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) manifest_sha256: Option<String>,
    /// The stored files that it needs.
    pub(crate) stored: Vec<Stored>,
    /// [`Header::sum`] of these, so that a disk that forgets does not make the next run remove what this backup needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stored_sha256: Option<String>,
}

impl Header {
    /// SHA-256 over the names of the stored files, a line each; hex.
    pub(crate) fn sum(stored: &[Stored]) -> String {
        let names: String = stored.iter().flat_map(|stored| [&stored.name, "\n"]).collect();
        Digest::of(names.as_bytes()).to_string()
    }
}

/// The version of both.
pub(crate) const VERSION: u32 = 1;

/// Why a manifest is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestFault {
    /// Not one of ours.
    #[error("it is no manifest of semper backup")]
    Format,
    /// A later program's.
    #[error("it is of version {0}, this program reads {VERSION}: use a newer semper")]
    Version(u32),
    /// A path that leads out of the data folder.
    #[error("it names the file {0:?}, which no data folder has")]
    Path(String),
    /// libcrypto.
    #[error(transparent)]
    Crypto(#[from] CryptoFault),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
}

/// A manifest as read, with its seal.
pub(crate) struct Read {
    pub(crate) manifest: Manifest,
    salt: [u8; 16],
    mac: [u8; 32],
    body: Vec<u8>,
}

impl Manifest {
    /// The plain bytes of manifest.age.
    ///
    /// # Errors
    /// [`ManifestFault`].
    pub(crate) fn encode(&self, passphrase: &Passphrase, entropy: &dyn Entropy) -> Result<Vec<u8>, ManifestFault> {
        let body = serde_json::to_vec(self).expect("strings and numbers");
        let mut salt = [0; 16];
        entropy.fill(&mut salt)?;
        let mac = mac_of_passphrase(passphrase, &salt, MAC_LABEL, &body)?;
        let mut bytes = format!("{TAG} {} {}\n", hex::encode(salt), hex::encode(mac)).into_bytes();
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// Reads them; whose they are, [`Read::is_sealed_by`] says.
    ///
    /// # Errors
    /// [`ManifestFault`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Read, ManifestFault> {
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(ManifestFault::Format)?;
        let (line, body) = (str::from_utf8(&bytes[..end]).map_err(|_| ManifestFault::Format)?, &bytes[end + 1..]);
        let [TAG, salt, mac] = line.split(' ').collect::<Vec<_>>()[..] else { return Err(ManifestFault::Format) };
        let (mut read_salt, mut read_mac) = ([0; 16], [0; 32]);
        let hex = |text: &str, into: &mut [u8]| hex::decode_to_slice(text, into).map_err(|_| ManifestFault::Format);
        hex(salt, &mut read_salt)?;
        hex(mac, &mut read_mac)?;
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let versioned: Versioned = serde_json::from_slice(body).map_err(|_| ManifestFault::Format)?;
        if versioned.version != VERSION {
            return Err(ManifestFault::Version(versioned.version));
        }
        let manifest: Manifest = serde_json::from_slice(body).map_err(|_| ManifestFault::Format)?;
        let mut seen = HashSet::new();
        if let Some(file) = manifest.files.iter().find(|file| !is_ours(&file.path) || !seen.insert(&file.path)) {
            return Err(ManifestFault::Path(file.path.clone()));
        }
        Ok(Read { manifest, salt: read_salt, mac: read_mac, body: body.to_vec() })
    }

    /// Its plain header; `sealed` is manifest.age.
    pub(crate) fn header(&self, sealed: &[u8]) -> Header {
        let stored = self.stored();
        Header {
            version: VERSION,
            id: self.id.clone(),
            made_ms: self.made_ms,
            size: self.size,
            manifest_bytes: sealed.len() as u64,
            manifest_sha256: Some(Digest::of(sealed).to_string()),
            stored_sha256: Some(Header::sum(&stored)),
            stored,
        }
    }

    /// The stored files that it needs.
    pub(crate) fn stored(&self) -> Vec<Stored> {
        let stored = self.files.iter().filter_map(|file| match &file.content {
            Content::Stored(stored) => Some(stored.clone()),
            Content::Inline(_) => None,
        });
        stored.collect()
    }
}

impl Read {
    /// True if a holder of the passphrase made it.
    ///
    /// # Errors
    /// libcrypto.
    pub(crate) fn is_sealed_by(&self, passphrase: &Passphrase) -> Result<bool, CryptoFault> {
        let mac = mac_of_passphrase(passphrase, &self.salt, MAC_LABEL, &self.body)?;
        // Not in constant time: who restores is no oracle.
        Ok(mac == self.mac)
    }
}

/// Folders of the data folder that are backed up, whole.
pub(crate) const FOLDERS: [(&str, u32); 8] = [
    ("store", 0o700),
    ("keys", 0o700),
    ("certs", 0o755),
    ("people", 0o700),
    ("trust", 0o755),
    ("evidence", 0o755),
    ("access", 0o700),
    (PROFILES, 0o755),
];

/// Files of the data folder that are backed up, where they are there.
pub(crate) const FILES: [&str; 6] = ["identity.json", "semper.toml", ROLES, TERMS, WITNESSED, NOTICES];

/// The settings that the server runs with, if they lie elsewhere: under this name in the backup and in a restored folder.
pub(crate) const SETTINGS_IN_USE: &str = "settings-in-use.toml";

/// The policy of the witnesses, which the settings name by a path outside the data folder: under this name in the backup and in a
/// restored folder.
pub(crate) const WITNESS_POLICY: &str = "witnesses.policy";

/// A path that a backup may write: one of the files, or one name in one of the folders.
fn is_ours(path: &str) -> bool {
    let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
    match path.split_once('/') {
        None => FILES.contains(&path) || [SETTINGS_IN_USE, WITNESS_POLICY].contains(&path),
        Some((folder, name)) => FOLDERS.iter().any(|(known, _)| *known == folder) && plain(name),
    }
}

#[cfg(test)]
mod tests {
    use semper_ttp::crypto::OsEntropy;

    use super::*;

    fn manifest() -> Manifest {
        let file = |path: &str, content| File {
            path: path.to_owned(),
            mode: 0o600,
            bytes: 3,
            sha256: "ab".repeat(32),
            content,
        };
        Manifest {
            version: VERSION,
            id: "20261121T101112003Z-7".to_owned(),
            previous: None,
            origin: "log.example".to_owned(),
            made_ms: 5,
            size: 7,
            root: "cd".repeat(32),
            anchored: Some(7),
            checkpoint: "log.example\n7\n…".to_owned(),
            files: vec![
                file("identity.json", Content::Inline("e30=".to_owned())),
                file("store/000012.sst", Content::Stored(Stored { name: "ef".repeat(32), bytes: 203 })),
            ],
        }
    }

    #[test]
    fn it_is_read_as_written_and_its_seal_is_the_passphrases() {
        let (right, wrong) = (Passphrase::new("right".to_owned()), Passphrase::new("wrong".to_owned()));
        let bytes = manifest().encode(&right, &OsEntropy).unwrap();
        let read = Manifest::decode(&bytes).unwrap();
        assert_eq!(read.manifest, manifest());
        assert!(read.is_sealed_by(&right).unwrap() && !read.is_sealed_by(&wrong).unwrap());
        let other = String::from_utf8(bytes.clone()).unwrap().replace("\"size\":7", "\"size\":8");
        assert!(!Manifest::decode(other.as_bytes()).unwrap().is_sealed_by(&right).unwrap());
        assert_eq!(manifest().header(b"sealed").stored, [Stored { name: "ef".repeat(32), bytes: 203 }]);
        for bad in [&b""[..], b"x\n{}", &bytes[1..], &bytes[..bytes.len() - 1]] {
            assert!(matches!(Manifest::decode(bad), Err(ManifestFault::Format)));
        }
        let later = String::from_utf8(bytes).unwrap().replace("\"version\":1", "\"version\":2,\"x\":0");
        assert!(matches!(Manifest::decode(later.as_bytes()), Err(ManifestFault::Version(2))));
    }

    #[test]
    fn no_path_leads_out() {
        for path in ["identity.json", "witnessed", "store/CURRENT", "keys/tsu-ec.1.p8", SETTINGS_IN_USE, WITNESS_POLICY]
        {
            assert!(is_ours(path), "{path}");
        }
        for path in [
            "",
            "anchor",
            "erasures",
            "passphrase",
            "/etc/x",
            "../x",
            "store/",
            "store/../x",
            "store/a/b",
            "store/.x",
            "keys",
        ] {
            assert!(!is_ours(path), "{path}");
            let mut evil = manifest();
            evil.files[0].path = path.to_owned();
            let bytes = evil.encode(&Passphrase::new("p".to_owned()), &OsEntropy).unwrap();
            assert!(matches!(Manifest::decode(&bytes), Err(ManifestFault::Path(_))), "{path}");
        }
        let mut twice = manifest();
        twice.files.push(twice.files[0].clone());
        let bytes = twice.encode(&Passphrase::new("p".to_owned()), &OsEntropy).unwrap();
        assert!(matches!(Manifest::decode(&bytes), Err(ManifestFault::Path(_))));
    }
}
