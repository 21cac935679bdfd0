//! The data folder: where everything lies, and the one way in.
//!
//! ```text
//! DIR/ INCOMPLETE       only while `semper init` or `semper restore` runs, or when it did not finish
//!      identity.json    who this service is, for good
//!      semper.toml      settings that are read when no --config is given
//!      roles.toml, profiles/   policies of the operator's own, and
//!      terms.md         what applicants for certificates accept: see `policies.rs`
//!      access/          who has read documents that name people
//!      store/           the ledger (RocksDB)
//!      anchor           its newest checkpoint (settings may move it to another volume)
//!      anchor.retired   only where a restore took the anchor over for another folder; anchor.retired.txt says for which
//!      erasures         what was erased (beside the anchor, where settings move that)
//!      keys/            <id>.p8      encrypted private keys, 0600 in a folder of 0700; <id>.p11 of those in a token
//!      certs/           <name>.cer   certificates, DER
//!      witnessed        the newest checkpoint that a quorum of witnesses has cosigned
//!      evidence/        checkpoints of ours that a witness showed and that contradict this ledger, and proofs that they do
//!      notices          which holders were told of the end of their certificates
//!      READ-ONLY        only where a restored ledger must not go on: what was lost
//!      checkpoints/     copies of the store while a backup reads them
//!      backup.lock      held by a backup that runs
//!      backup.index     what `semper backup` has stored where, so that it stores it once
//!      people/          <name>.p12   for the operator and the officer to take away
//!      trust/           what a verifier needs: root.pem, tsa-chain.pem, ledger.vkey, ledger.json, receipt.pem
//! ```
//!
//! A folder in which either did not finish is refused by everyone: nobody knows what is missing in it, and nothing of it
//! was ever used, so it is deleted and made anew.

mod files;
mod genesis;
mod keys;
mod loaded;
mod lock;
mod policies;
mod read_only;
mod retired;
mod terms;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use semper_api::hsm::HsmFault;
use semper_ledger::anchor::AnchorError;
use semper_ledger::anchor::file::{FileAnchor, Slot};
use semper_ledger::erasure::FileJournal;
use semper_ledger::ledger;
use semper_ledger::note::{BadKey, VerifierKey};
use semper_ledger::reader::Reader;
use semper_ledger::receipt::LogIdentity;
use semper_ledger::sequencer::SequencerSettings;
use semper_ledger::store::BadFormat;
use semper_ledger::store::rocks::{self, RocksSettings, RocksStore};
use semper_ttp::asn1::pem;
use semper_ttp::crypto::{EntropyFault, KeyFileFault, LogVerifier, p256_point};
use semper_ttp::evidence::{KeyId, KeyPurpose};
use semper_ttp::x509::CertificateFault;

use crate::config::{Config, ConfigError, Identity, Ledger, SecretError};
use crate::exit::Exit;

pub(crate) use files::replace as replace_file;
pub(crate) use files::{make_folder, sync_folder, write_new};
pub(crate) use genesis::{keep_promises, read_genesis};
pub(crate) use keys::{Custody, is_key_file, read_closed};
pub(crate) use loaded::{Loaded, NamedKey, NotaryKeys, Opened, certificate_name};
pub(crate) use lock::StoreLock;
pub(crate) use policies::{PROFILES, ROLES, Trial, policy_hash, settings};
pub(crate) use read_only::ReadOnly;
pub(crate) use retired::{Retired, TakenOver, before_retired, folder_of, is_retired, resolved, retire, retired_beside};
pub(crate) use terms::{TERMS, terms_of};

/// The file that stands in a folder which `init` has not finished.
pub(crate) const INCOMPLETE: &str = "INCOMPLETE";

/// What backups have stored where; written last, so its age is that of the newest backup.
pub(crate) const BACKUP_INDEX: &str = "backup.index";

/// The newest checkpoint that a quorum of witnesses has cosigned.
pub(crate) const WITNESSED: &str = "witnessed";

/// Which holders were told of the end of their certificates.
pub(crate) const NOTICES: &str = "notices";

/// The folder of copies of the store. On the store's file system, since they link its files.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// A folder on which no server runs.
pub(crate) struct Held {
    /// `None` where the folder is marked.
    pub(crate) anchor: Option<FileAnchor>,
    pub(crate) read_only: Option<ReadOnly>,
    pub(crate) lock: StoreLock,
}

/// The folder of `--data`.
#[derive(Clone, Debug)]
pub(crate) struct DataFolder {
    root: PathBuf,
}

/// Why the data folder cannot be used: one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    /// Nothing is there.
    #[error("there is no service in {}: make one with `semper init --data {} --config FILE`, or --demo for a trial", .0.display(), .0.display())]
    Missing(PathBuf),
    /// It may not be looked into, or is no folder.
    #[error("cannot look into {}: {error}", path.display())]
    Closed {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// `init` did not finish.
    #[error(
        "semper init, or semper restore, did not finish in {}; nothing in it was ever used: delete the folder and run the \
         command again",
        .0.display()
    )]
    Incomplete(PathBuf),
    /// The disk.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried: read, write, make, sync.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// identity.json is not what `init` wrote.
    #[error("{} does not read: {error}", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        error: serde_json::Error,
    },
    /// The configuration is that of another service.
    #[error("{key} is \"{stated}\" in the configuration, but this data folder was made for \"{stored}\"")]
    OtherService {
        /// `section.key`.
        key: &'static str,
        /// In the data folder.
        stored: String,
        /// In the configuration.
        stated: String,
    },
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The passphrase.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Others may read a private key.
    #[error("others may read the key file {} (mode {mode:04o}): chmod 600 it, and ask who read it", path.display())]
    KeyReadable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is no key for this purpose.
    #[error("there is no key {}.N.p8 or .p11 in {}", purpose.name(), folder.display())]
    NoKey {
        /// What for.
        purpose: KeyPurpose,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A key file does not open.
    #[error("key {id}: {fault}")]
    Key {
        /// Which.
        id: KeyId,
        /// Why.
        fault: KeyFileFault,
    },
    /// A key, or a token, does not open.
    #[error("{what}: {fault}")]
    Hsm {
        /// The key's name, or where the settings name the token.
        what: String,
        /// Why.
        fault: HsmFault,
    },
    /// The PIN of a token is not there.
    #[error("the PIN of keys.tokens.{token}: {fault}")]
    Pin {
        /// Its name in the settings.
        token: String,
        /// Why.
        fault: SecretError,
    },
    /// A key lies in a token that the settings do not name.
    #[error("a key lies in the token {0:?}, and the settings have no keys.tokens.{0}")]
    NoToken(String),
    /// A key is of a kind that its purpose does not take.
    #[error("key {0} is not of the kind that its purpose needs")]
    KeyKind(KeyId),
    /// A certificate does not read.
    #[error("{}: {fault}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: CertificateFault,
    },
    /// A certificate is not what it should be.
    #[error("{}: {reason}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A policy that is not taken.
    #[error("{}: {reason}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Certificate or key for HTTPS, where the settings name them.
    #[error("listen.https_certificate_path, listen.https_key_path: {}: {reason}", path.display())]
    Https {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The origin or vkey.
    #[error("the log's key: {0}")]
    LogKey(#[from] BadKey),
    /// The store.
    #[error(transparent)]
    Store(#[from] rocks::OpenError),
    /// There is no anchor where the settings say.
    #[error(
        "there is no anchor at {}, where ledger.anchor_path has it (by default the data folder): without it nobody can tell \
         whether this is an old copy of the ledger. Is its volume mounted, and are these the server's settings? If it is lost for \
         good: semper anchor remake",
        .0.display()
    )]
    AnchorLost(PathBuf),
    /// There is one that another folder goes on with.
    #[error(
        "there is no anchor at {}: semper restore took it over for another folder, and left {} to say so. That folder is the \
         service now; going on from this one, too, would fork the log",
        path.display(),
        retired.display()
    )]
    AnchorRetired {
        /// Where it was.
        path: PathBuf,
        /// What is there now.
        retired: PathBuf,
    },
    /// The anchor.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The witnesses could not be asked.
    #[error("the section witnesses: {0}")]
    Witnesses(String),
    /// A witness knows another history.
    #[error(
        "the witness {name} {what}: this store was rolled back or forked, or its key is in other hands; what the witness \
         shows is kept in {}. Going on from here would fork the log",
        evidence.display()
    )]
    Witnessed {
        /// Which.
        name: String,
        /// What it shows.
        what: String,
        /// Where its checkpoint is kept.
        evidence: PathBuf,
    },
    /// What the store holds, judged before it is opened for writing.
    #[error(transparent)]
    Ledger(#[from] ledger::OpenError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
}

impl DataError {
    /// What it means for a command: 64 where the operator named or set something wrong, 75 where another process has the
    /// folder, 70 where what `init` and `serve` wrote is lost or damaged.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Store(rocks::OpenError::Locked(_)) | Self::Anchor(AnchorError::Locked(_)) => Exit::Busy,
            Self::Ledger(error) => exit_of_ledger(error),
            Self::Missing(_)
            | Self::Closed { .. }
            | Self::Incomplete(_)
            | Self::OtherService { .. }
            | Self::Config(_)
            | Self::Secret(_)
            | Self::KeyReadable { .. }
            | Self::Witnesses(_)
            | Self::Https { .. }
            | Self::Policy { .. }
            | Self::Pin { .. }
            | Self::NoToken(_)
            // By far the most often the settings: module, label, PIN.
            | Self::Hsm { .. }
            // By far the most often a wrong passphrase; a damaged file cannot be told from it.
            | Self::Key { fault: KeyFileFault::NotOpened, .. }
            // This program is too old for the folder.
            | Self::Store(rocks::OpenError::UnknownTables { .. }) => Exit::Usage,
            Self::Io { .. }
            | Self::Identity { .. }
            | Self::NoKey { .. }
            | Self::Key { fault: KeyFileFault::Crypto(_) | KeyFileFault::Entropy(_), .. }
            | Self::KeyKind(_)
            | Self::Certificate { .. }
            | Self::Unfit { .. }
            | Self::LogKey(_)
            | Self::Store(
                rocks::OpenError::Missing(_) | rocks::OpenError::LostTables { .. } | rocks::OpenError::Failed { .. },
            )
            | Self::AnchorLost(_)
            | Self::AnchorRetired { .. }
            | Self::Witnessed { .. }
            | Self::Anchor(AnchorError::Missing(_) | AnchorError::Io { .. })
            | Self::Entropy(_) => Exit::Fault,
        }
    }
}

/// A ledger that is lost, damaged, rolled back or forked is nobody's slip: only a program that is too old for its store
/// is.
fn exit_of_ledger(error: &ledger::OpenError) -> Exit {
    use ledger::OpenError;
    match error {
        OpenError::Format(BadFormat::Newer { .. } | BadFormat::Older { .. }) => Exit::Usage,
        OpenError::Anchor(AnchorError::Locked(_)) => Exit::Busy,
        OpenError::Format(BadFormat::Missing | BadFormat::Fault(_))
        | OpenError::Fault(_)
        | OpenError::Anchor(AnchorError::Missing(_) | AnchorError::Io { .. })
        | OpenError::Key(_)
        | OpenError::Origin { .. }
        | OpenError::Signature { .. }
        | OpenError::Root { .. }
        | OpenError::Entries
        | OpenError::AnchorEmpty
        | OpenError::AnchorOrigin
        | OpenError::RolledBack { .. }
        | OpenError::Journal(_)
        | OpenError::Erasures { .. }
        | OpenError::Forked { .. }
        | OpenError::AnchorStuck(_)
        | OpenError::Thread(_) => Exit::Fault,
    }
}

impl DataFolder {
    /// Names the folder, without looking at it.
    pub(crate) fn at(root: &Path) -> DataFolder {
        DataFolder { root: root.to_owned() }
    }

    /// A folder that `init` finished.
    ///
    /// # Errors
    /// [`DataError::Missing`], [`DataError::Closed`], [`DataError::Incomplete`].
    pub(crate) fn open(root: &Path) -> Result<DataFolder, DataError> {
        let folder = DataFolder::at(root);
        // One that may not be looked into is not missing.
        let exists =
            |path: PathBuf| path.try_exists().map_err(|error| DataError::Closed { path: root.to_owned(), error });
        if exists(folder.path(INCOMPLETE))? {
            return Err(DataError::Incomplete(root.to_owned()));
        }
        if !exists(folder.path("identity.json"))? {
            return Err(DataError::Missing(root.to_owned()));
        }
        Ok(folder)
    }

    /// Something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The file of a private key.
    pub(crate) fn key_file(&self, id: KeyId) -> PathBuf {
        self.path("keys").join(format!("{id}.p8"))
    }

    /// The file of a certificate.
    pub(crate) fn certificate_file(&self, name: &str) -> PathBuf {
        self.path("certs").join(format!("{name}.cer"))
    }

    /// The anchor's file: where the settings say, else in the folder. Not a link to it.
    pub(crate) fn anchor_file(&self, settings: &Ledger) -> PathBuf {
        resolved(&settings.anchor_path.clone().unwrap_or_else(|| self.path("anchor")))
    }

    /// The lock of backups of this folder, which a backup holds for as long as it runs; `None` while another has it.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn lock_backups(&self) -> Result<Option<File>, DataError> {
        let path = self.path("backup.lock");
        let io = |error| DataError::Io { action: "lock", path: path.clone(), error };
        let file = File::options().create(true).write(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// The file of the erasure journal, beside the anchor: `erasures` in the folder, or the anchor's path with `.erasures`.
    pub(crate) fn journal_file(&self, settings: &Ledger) -> PathBuf {
        match &settings.anchor_path {
            None => self.path("erasures"),
            Some(anchor) => {
                let mut name = anchor.clone().into_os_string();
                name.push(".erasures");
                name.into()
            }
        }
    }

    /// The erasure journal; whoever writes into it holds the anchor.
    pub(crate) fn journal(&self, settings: &Ledger, origin: &str) -> FileJournal {
        FileJournal::at(&self.journal_file(settings), origin)
    }

    /// Opens and locks the anchor.
    ///
    /// # Errors
    /// [`DataError::AnchorLost`], [`DataError::AnchorRetired`], [`DataError::Anchor`].
    pub(crate) fn open_anchor(&self, settings: &Ledger) -> Result<FileAnchor, DataError> {
        FileAnchor::open(&self.anchor_file(settings)).map_err(|error| match error {
            AnchorError::Missing(path) => match retired_beside(&path) {
                Some(retired) => DataError::AnchorRetired { path, retired },
                None => DataError::AnchorLost(path),
            },
            error => error.into(),
        })
    }

    /// Takes the locks under which the store may be read, by whoever is no server. The anchor's first: a server that runs holds it,
    /// and its store must not be read under it. One that serves a folder that is marked read-only holds the store's alone.
    ///
    /// # Errors
    /// As [`DataFolder::open_anchor`]; a server runs; the mark does not read.
    pub(crate) fn hold(&self, settings: &Ledger) -> Result<Held, DataError> {
        let read_only = self.read_only()?;
        let anchor = match &read_only {
            None => Some(self.open_anchor(settings)?),
            Some(_) => None,
        };
        Ok(Held { anchor, read_only, lock: StoreLock::take(&self.path("store"))? })
    }

    /// Who this service is.
    ///
    /// # Errors
    /// The file does not read.
    pub(crate) fn identity(&self) -> Result<Identity, DataError> {
        let path = self.path("identity.json");
        let bytes = files::read(&path)?;
        serde_json::from_slice(&bytes).map_err(|error| DataError::Identity { path, error })
    }

    /// The file of the settings: that of `--config`, else the folder's own.
    pub(crate) fn config_file(&self, file: Option<&Path>) -> PathBuf {
        file.map_or_else(|| self.path("semper.toml"), Path::to_owned)
    }

    /// The settings: those of `--config`, else the folder's own, whose relative paths start at the folder, so that it
    /// may be moved. Not yet verified: the command line may still override. A file that states another identity than the
    /// folder's is refused.
    ///
    /// # Errors
    /// [`DataError::Config`], [`DataError::OtherService`].
    pub(crate) fn config(&self, file: Option<&Path>) -> Result<Config, DataError> {
        let mut config = Config::load(Some(&self.config_file(file)))?;
        if file.is_none() {
            let listen = &mut config.listen;
            let paths = [
                &mut config.keys.passphrase_file,
                &mut config.ledger.anchor_path,
                &mut listen.https_certificate_path,
                &mut listen.https_key_path,
            ];
            let pins = config.keys.tokens.values_mut().filter_map(|token| token.pin_file.as_mut());
            for path in paths.into_iter().flatten().chain(pins) {
                *path = self.root.join(&*path);
            }
        }
        match self.identity()?.differences(&config).into_iter().next() {
            Some((key, stored, stated)) => Err(DataError::OtherService { key, stored, stated }),
            None => Ok(config),
        }
    }

    /// What verifies the log's signatures, from `trust/`: for those who need no private key.
    ///
    /// # Errors
    /// A file does not read.
    pub(crate) fn log_identity(&self) -> Result<LogIdentity, DataError> {
        let trust = |name: &str| self.path("trust").join(name);
        let text = |path: &Path| files::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let note_key = VerifierKey::parse(text(&trust("ledger.vkey"))?.trim())?;
        let path = trust("receipt.pem");
        let spki = match pem::decode("PUBLIC KEY", &text(&path)?).as_deref() {
            Some([spki]) => spki.clone(),
            _ => return Err(DataError::Unfit { path, reason: "must hold exactly one public key".to_owned() }),
        };
        let Some(point) = p256_point(&spki) else {
            return Err(DataError::Unfit { path, reason: "is no P-256 key".to_owned() });
        };
        Ok(LogIdentity { note_key, issuer: self.identity()?.public_url, receipt_key: point.to_vec() })
    }

    /// Opens and locks anchor and store. To open a store for writing is to change its files, so they are read and judged
    /// first, under the anchor's lock, in the end by `further`: what is refused stays as it was found.
    ///
    /// # Errors
    /// [`DataError::Store`], [`DataError::Anchor`], [`DataError::Ledger`].
    pub(crate) fn open_storage(
        &self,
        settings: &Ledger,
        identity: &LogIdentity,
        further: impl FnOnce(&Reader) -> Result<(), DataError>,
    ) -> Result<(Arc<RocksStore>, Arc<FileAnchor>), DataError> {
        let anchor = self.open_anchor(settings)?;
        if anchor.slots()?.contains(&Slot::Bad) {
            // The next group is written there. With the other slot bad, too, the ledger does not open.
            tracing::warn!("a slot of the anchor is torn, as a power cut leaves it, or damaged; the other one counts");
        }
        let journal = self.journal(settings, identity.origin());
        let (path, settings) = (self.path("store"), rocks_settings(settings));
        let lock = StoreLock::take(&path)?;
        let found = RocksStore::open_read_only(&path, &settings)?;
        further(&ledger::inspect(Arc::new(found), &anchor, &journal, identity, &LogVerifier)?)?;
        drop(lock); // RocksDB takes it now, and to give it up later would give up RocksDB's, too
        let store = RocksStore::open(&path, &settings)?;
        Ok((Arc::new(store), Arc::new(anchor)))
    }
}

/// The settings of RocksDB.
pub(crate) fn rocks_settings(settings: &Ledger) -> RocksSettings {
    RocksSettings {
        block_cache_bytes: to_usize(settings.block_cache_bytes),
        write_buffer_bytes: to_usize(settings.write_buffer_bytes),
    }
}

/// The bounds of the sequencer.
pub(crate) fn sequencer_settings(settings: &Ledger) -> SequencerSettings {
    SequencerSettings {
        queue_commits_max: settings.queue_commits_max as usize,
        group_commits_max: settings.group_commits_max as usize,
        group_bytes_max: to_usize(settings.group_bytes_max),
        mmd_ms: settings.mmd_ms(),
        ..SequencerSettings::default()
    }
}

/// On a machine that cannot address so much, all that it can.
fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
