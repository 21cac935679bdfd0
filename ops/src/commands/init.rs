//! `semper init`: a new service, from nothing to a folder that `serve` opens.
//!
//! The order, and what a crash leaves:
//!
//! 1. The folder and the marker `INCOMPLETE`. From here on, until the end, everyone refuses the folder.
//! 2. Identity, settings, keys (encrypted), empty store and anchor.
//! 3. Certificates, CRLs and the facts about them, all signed in memory, then **one** commit: genesis is entry 0, then
//!    every key, policy, certificate and CRL. Nothing made here is in a file before its entry is durable.
//! 4. Certificates, `.p12` files, trust anchors, and who holds which role.
//! 5. Everything synced; the marker is removed.
//!
//! A folder that was left in the middle is deleted and made anew: none of its keys was ever used for anybody. It stays
//! as it was left, for whoever wants to know why. The anchor does not: it may lie elsewhere, and be in the way of the
//! next `init`. A failing `init` takes it away again ([`NewAnchor`]); one that is killed cannot.

mod people;
mod pki;

use std::fs;
use std::io;
use std::mem::take;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use semper_api::Policies;
use semper_ledger::anchor::AnchorError;
use semper_ledger::anchor::file::FileAnchor;
use semper_ledger::ledger::{self, Ledger};
use semper_ledger::note::NoteSigner;
use semper_ledger::sequencer::{Commit, LogKeys, Refused};
use semper_ledger::store::rocks::RocksStore;
use semper_ttp::asn1::pem;
use semper_ttp::ca::Authority;
use semper_ttp::ca::name::{AlternativeNameFault, AlternativeNames, SubjectFault};
use semper_ttp::crypto::{CryptoFault, Entropy, EntropyFault, LogSigner, OsEntropy, Passphrase};
use semper_ttp::evidence::KeyPurpose;
use semper_ttp::policy::Policy;
use semper_ttp::time::Timestamp;
use semper_ttp::verify::LedgerPromise;

use super::{say, stopped};
use crate::cli;
use crate::clock::{Kernel, Readings, Source, SystemReadings};
use crate::config::{ClockSource, Config, ConfigError, Identity, IdentityIncomplete, Secret, SecretError};
use crate::data::{
    Custody, DataError, DataFolder, INCOMPLETE, PROFILES, ROLES, make_folder, policy_hash, rocks_settings, settings,
    sync_folder, terms_of, write_new,
};
use crate::exit::Exit;
use crate::progress::Progress;
use pki::{Keys, Pki, PkiFault};

/// Makes a service and says what was made.
pub(crate) fn run(args: cli::Init, json: bool) -> Exit {
    let progress = Progress::new(json, "making keys", Some(Keys::PURPOSES.len() as u64));
    let made = Plan::new(&args, &OsEntropy)
        .and_then(|plan| plan.judge_clock(args.believe_clock, &mut Kernel).map(|()| plan))
        .and_then(|plan| plan.carry_out(&args.data, Arc::new(SystemReadings::new()), &OsEntropy, &progress));
    progress.finish();
    match made {
        Ok(made) => {
            say::out(if json { made.json() } else { made.text() });
            Exit::Ok
        }
        Err(error) => {
            say::trouble(json, format_args!("init: {error}"));
            error.exit()
        }
    }
}

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    /// Something is in the folder.
    #[error("{} is not empty; semper init never overwrites anything: name another folder", .0.display())]
    NotEmpty(PathBuf),
    /// The folder of an earlier, unfinished `init`, or of the data folder.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It does not say who this is.
    #[error(transparent)]
    Identity(#[from] IdentityIncomplete),
    /// Certificates name CRLs over plain HTTP, so that no certificate is needed to check one (RFC 5280 §8).
    #[error("service.public_url must begin with http:// since certificates name their CRLs below it")]
    PublicUrl,
    /// What the certificate of the HTTPS listener would name.
    #[error("listen.https_names: {0}: state there what clients reach the HTTPS listener by")]
    HttpsNames(#[from] AlternativeNameFault),
    /// A path that would mean another file when read from the data folder.
    #[error("{key} must be an absolute path: the data folder keeps a copy of this configuration")]
    RelativePath {
        /// `section.key`.
        key: &'static str,
    },
    /// The passphrase.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A name that cannot stand in a certificate.
    #[error(transparent)]
    Subject(#[from] SubjectFault),
    /// Something lies where the anchor is to be.
    #[error(
        "there is a file {} already, where the anchor is to be, and semper init never overwrites anything: is it the \
         anchor of another service? If an earlier semper init was killed and left it, delete it",
        .0.display()
    )]
    AnchorTaken(PathBuf),
    /// The folder of the anchor is missing or closed.
    #[error("ledger.anchor_path: no file can be made at {}: {error}", path.display())]
    AnchorPlace {
        /// Where the anchor is to be.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Nobody vouches for the clock that the first entries, certificates and CRLs would be bound by for good.
    #[error(
        "the kernel does not vouch for the clock ({0}), and the ledger's first entries are bound by it for good: try again \
         when the time service has set it, or, if you know that it is right, add --believe-clock"
    )]
    Clock(String),
    /// It would be guessed.
    #[error("the passphrase of the key files has fewer than {PASSPHRASE_CHARS_MIN} characters")]
    PassphraseShort,
    /// Certificates, CRLs, facts.
    #[error(transparent)]
    Pki(#[from] PkiFault),
    /// libcrypto.
    #[error(transparent)]
    Crypto(#[from] CryptoFault),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
    /// The ledger does not open.
    #[error(transparent)]
    Ledger(#[from] ledger::OpenError),
    /// The ledger took nothing.
    #[error("the ledger refused the first entries: {0}")]
    Refused(#[from] Refused),
    /// The disk.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl InitError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotEmpty(_)
            | Self::AnchorTaken(_)
            | Self::AnchorPlace { .. }
            | Self::PassphraseShort
            | Self::Config(_)
            | Self::Identity(_)
            | Self::PublicUrl
            | Self::HttpsNames(_)
            | Self::RelativePath { .. }
            | Self::Secret(_)
            | Self::Subject(_) => Exit::Usage,
            Self::Data(error) => error.exit(),
            Self::Clock(_) => Exit::Busy,
            Self::Pki(_)
            | Self::Crypto(_)
            | Self::Entropy(_)
            | Self::Ledger(_)
            | Self::Refused(_)
            | Self::Io { .. } => Exit::Fault,
        }
    }
}

/// Shortest passphrase of the key files, characters (NIST SP 800-63B §5.1.1.2 has the same for a chosen secret).
pub(super) const PASSPHRASE_CHARS_MIN: usize = 8;

/// Says before any key is made that the anchor cannot be.
fn check_anchor_place(path: &Path) -> Result<(), InitError> {
    let place = |error| InitError::AnchorPlace { path: path.to_owned(), error };
    if path.try_exists().map_err(place)? {
        return Err(InitError::AnchorTaken(path.to_owned()));
    }
    let parent = path.parent().ok_or_else(|| place(io::ErrorKind::InvalidInput.into()))?;
    rustix::fs::access(parent, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
        .map_err(|error| place(error.into()))
}

/// Everything that is known before the first byte is written.
pub(crate) struct Plan {
    identity: Identity,
    config: Config,
    /// The bytes of `semper.toml`.
    settings: Vec<u8>,
    passphrase: Secret,
    /// What the certificate of the HTTPS listener names.
    https_names: AlternativeNames,
    /// Where the settings were read, unless it is a demonstration.
    file: Option<PathBuf>,
}

/// The settings of a demonstration. The passphrase lies beside the keys that it protects: nothing here is worth keeping.
const DEMO_SETTINGS: &str = "\
# Written by `semper init --demo`: for a trial, never for evidence.

[clock]
# Nobody vouches for this clock; tokens carry the test policy 1.3.6.1.5.5.7.13.1.
source = \"assumed\"

[keys]
# From this folder on.
passphrase_file = \"passphrase\"
";

/// What is in force before the first certificate is issued.
fn first_policies(config: &Config, identity: &Identity) -> Vec<Policy> {
    let mut policies = Policies::builtin();
    policies.set_settings(settings(config));
    policies.set_terms(terms_of(identity).into());
    policies.all().cloned().collect()
}

/// The file of a demonstration's passphrase.
const DEMO_PASSPHRASE: &str = "passphrase";

impl Plan {
    /// Reads and judges what the command line names.
    ///
    /// # Errors
    /// The configuration is not taken.
    pub(crate) fn new(args: &cli::Init, entropy: &dyn Entropy) -> Result<Plan, InitError> {
        match &args.config {
            Some(file) => Plan::from_file(file),
            None => Plan::demo(entropy),
        }
    }

    fn from_file(file: &Path) -> Result<Plan, InitError> {
        let settings = fs::read(file).map_err(|error| ConfigError::Unreadable { path: file.to_owned(), error })?;
        let config = Config::load(Some(file))?;
        config.verify()?;
        let identity = Identity::from_config(&config)?;
        if !identity.public_url.starts_with("http://") {
            return Err(InitError::PublicUrl);
        }
        pki::check_names(&identity, &config.init)?;
        for (key, path) in [
            ("keys.passphrase_file", &config.keys.passphrase_file),
            ("ledger.anchor_path", &config.ledger.anchor_path),
            ("listen.https_certificate_path", &config.listen.https_certificate_path),
            ("listen.https_key_path", &config.listen.https_key_path),
        ] {
            if path.as_ref().is_some_and(|path| path.is_relative()) {
                return Err(InitError::RelativePath { key });
            }
        }
        if config.keys.tokens.values().any(|token| token.pin_file.as_ref().is_some_and(|path| path.is_relative())) {
            return Err(InitError::RelativePath { key: "pin_file in keys.tokens" });
        }
        let passphrase = config.keys.passphrase(|name| std::env::var_os(name))?;
        if passphrase.expose().chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(InitError::PassphraseShort);
        }
        if let Some(anchor) = &config.ledger.anchor_path {
            check_anchor_place(anchor)?;
        }
        let https_names = config.listen.certificate_names(&identity.public_url)?;
        Ok(Plan { identity, config, settings, passphrase, https_names, file: Some(file.to_owned()) })
    }

    fn demo(entropy: &dyn Entropy) -> Result<Plan, InitError> {
        let mut name = [0; 8];
        entropy.fill(&mut name)?;
        let config = Config::from_toml(DEMO_SETTINGS)?;
        config.verify()?;
        let identity = Identity::demo(&hex::encode(name));
        Ok(Plan {
            https_names: config.listen.certificate_names(&identity.public_url)?,
            identity,
            config,
            settings: DEMO_SETTINGS.into(),
            passphrase: Secret::from(people::passphrase(entropy)?),
            file: None,
        })
    }

    /// Whether the clock may bind the ledger.
    ///
    /// # Errors
    /// [`InitError::Clock`], unless `believed`.
    fn judge_clock(&self, believed: bool, kernel: &mut dyn Source) -> Result<(), InitError> {
        if believed { Ok(()) } else { stopped::judge_clock(&self.config, kernel).map_err(InitError::Clock) }
    }

    /// Makes the service in `root`. `readings` is the clock of its first entries.
    ///
    /// # Errors
    /// [`InitError`]; what was made so far stays in the folder, with its marker, and nothing stays outside.
    pub(crate) fn carry_out(
        &self,
        root: &Path,
        readings: Arc<dyn Readings>,
        entropy: &dyn Entropy,
        progress: &Progress,
    ) -> Result<Made, InitError> {
        // 1. From here on the folder is refused by everyone.
        let folder = begin(root)?;

        // 2. Who and how; keys; an empty ledger.
        let identity = serde_json::to_vec(&self.identity).expect("an identity is five strings");
        write_new(&folder.path("identity.json"), 0o644, &identity)?;
        write_new(&folder.path("semper.toml"), 0o644, &self.settings)?;
        if self.file.is_none() {
            write_new(&folder.path(DEMO_PASSPHRASE), 0o600, format!("{}\n", self.passphrase.expose()).as_bytes())?;
        }
        folder.make_terms(&self.identity)?;
        let passphrase = Passphrase::new(self.passphrase.expose().to_owned());
        let keys = Keys::make(&Custody::with(&folder, &self.config.keys, passphrase), entropy, progress)?;
        let log_keys = self.log_keys(&keys)?;
        let log_identity = log_keys.identity().clone();
        let (ledger, anchor) = self.make_ledger(&folder, log_keys, readings.clone())?;

        // 3. One commit, so that either all of it is in the ledger or nothing.
        let now = Timestamp::from_millis(readings.read().wall_ms());
        let mut pki = Pki::make(&pki::Setting {
            identity: &self.identity,
            log: &log_identity,
            init: &self.config.init,
            https_names: &self.https_names,
            keys: &keys,
            test: self.config.clock.source == ClockSource::Assumed,
            policy_hash: policy_hash(&self.config),
            policies: &first_policies(&self.config, &self.identity),
            mmd_ms: self.config.ledger.mmd_ms(),
            request: &self.settings,
            now,
            entropy,
        })?;
        let (drafts, rows) = (take(&mut pki.drafts), take(&mut pki.rows));
        let entries = drafts.len() as u64;
        let commit = Commit { idempotency: None, now_ms: now.millis(), drafts, rows };
        ledger.append(commit)?;
        drop(ledger);

        // 4. What was logged may now be released.
        for (name, certificate) in &pki.certificates {
            write_new(&folder.certificate_file(name), 0o644, certificate.der())?;
        }
        write_new(&folder.path(ROLES), 0o644, pki.roles.as_bytes())?;
        let people = people::write(&folder, &pki, entropy)?;
        let certificate_pem = |name: &str| pem::encode("CERTIFICATE", pki.certificate(name).der());
        let trust = folder.path("trust");
        let chain = ["tsu-ec.1", "tsu-rsa.1", Authority::Tsu.name()].map(certificate_pem).concat();
        let vkey = log_identity.note_key.to_string();
        let receipt = pem::encode("PUBLIC KEY", keys.get(KeyPurpose::LogReceipt).spki_der());
        write_new(&trust.join("root.pem"), 0o644, certificate_pem(Authority::Root.name()).as_bytes())?;
        write_new(&trust.join("tsa-chain.pem"), 0o644, chain.as_bytes())?;
        write_new(&trust.join("ledger.vkey"), 0o644, format!("{vkey}\n").as_bytes())?;
        let origin = Some(log_identity.origin().to_owned());
        let promise = LedgerPromise { mmd_ms: self.config.ledger.mmd_ms(), origin };
        write_new(&trust.join("ledger.json"), 0o644, promise.to_text().as_bytes())?;
        write_new(&trust.join("receipt.pem"), 0o644, receipt.as_bytes())?;

        // 5. Every name durable, then the marker goes.
        for name in FOLDERS.map(|(name, _)| name) {
            sync_folder(&folder.path(name))?;
        }
        sync_folder(root)?;
        let marker = folder.path(INCOMPLETE);
        fs::remove_file(&marker).map_err(|error| InitError::Io { path: marker, error })?;
        let anchor = anchor.keep();
        sync_folder(root)?;
        Ok(Made {
            root: root.to_owned(),
            origin: self.identity.origin.clone(),
            vkey,
            root_certificate: pki.certificate(Authority::Root.name()).digest().to_string(),
            anchor,
            people,
            entries,
            config: self.file.clone(),
        })
    }

    fn log_keys(&self, keys: &Keys) -> Result<LogKeys, DataError> {
        let signer = |purpose| {
            let (id, key) = keys.shared(purpose);
            LogSigner::new(key).map(Arc::new).ok_or(DataError::KeyKind(id))
        };
        let note = NoteSigner::new(&self.identity.origin, signer(KeyPurpose::LogNote)?)?;
        Ok(LogKeys::new(note, signer(KeyPurpose::LogReceipt)?, &self.identity.public_url))
    }

    fn make_ledger(
        &self,
        folder: &DataFolder,
        keys: LogKeys,
        readings: Arc<dyn Readings>,
    ) -> Result<(Ledger, NewAnchor), InitError> {
        let settings = &self.config.ledger;
        let store = RocksStore::create(&folder.path("store"), &rocks_settings(settings)).map_err(DataError::from)?;
        let (new_anchor, anchor) = NewAnchor::create(folder.anchor_file(settings))?;
        ledger::create(&store, &anchor, keys.identity())?;
        let place = (Arc::new(store) as _, Arc::new(anchor));
        let ledger = stopped::open(folder, &self.config, place, keys, readings)?;
        Ok((ledger, new_anchor))
    }
}

/// The anchor file that this run made: gone again when this is dropped, unless it is kept.
struct NewAnchor(Option<PathBuf>);

impl NewAnchor {
    fn create(path: PathBuf) -> Result<(NewAnchor, FileAnchor), InitError> {
        match FileAnchor::create(&path) {
            Ok(anchor) => Ok((NewAnchor(Some(path)), anchor)),
            Err(AnchorError::Io { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(InitError::AnchorTaken(path))
            }
            Err(error) => Err(DataError::from(error).into()),
        }
    }

    /// From here on it belongs to the service.
    fn keep(mut self) -> PathBuf {
        self.0.take().unwrap_or_default()
    }
}

impl Drop for NewAnchor {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path); // what is told is why init failed
        }
    }
}

/// The folders inside, with their permissions: what is private is closed to everybody else.
const FOLDERS: [(&str, u32); 6] =
    [("store", 0o700), ("keys", 0o700), ("certs", 0o755), ("people", 0o700), ("trust", 0o755), (PROFILES, 0o755)];

/// Makes the folder, or takes an empty one, and marks it.
fn begin(root: &Path) -> Result<DataFolder, InitError> {
    let io = |error| InitError::Io { path: root.to_owned(), error };
    // What is made, from the folder upwards; its names are made durable below.
    let made: Vec<_> =
        root.ancestors().filter(|path| !path.as_os_str().is_empty()).take_while(|path| !path.exists()).collect();
    fs::create_dir_all(root).map_err(io)?;
    let folder = DataFolder::at(root);
    let marker = folder.path(INCOMPLETE);
    if marker.exists() {
        return Err(DataError::Incomplete(root.to_owned()).into());
    }
    if fs::read_dir(root).map_err(io)?.next().is_some() {
        return Err(InitError::NotEmpty(root.to_owned()));
    }
    // Two at once: the second finds the marker here.
    write_new(&marker, 0o644, b"semper init did not finish here. Delete this folder and run semper init again.\n")?;
    sync_folder(root)?;
    // The folder's own name, which may be new too, and those of new folders above it.
    sync_folder(&root.join(".."))?;
    for path in made {
        sync_folder(&path.join(".."))?;
    }
    for (name, mode) in FOLDERS {
        make_folder(&folder.path(name), mode)?;
    }
    Ok(folder)
}

/// What was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) root: PathBuf,
    pub(crate) origin: String,
    pub(crate) vkey: String,
    /// SHA-256 of the root certificate, hex.
    pub(crate) root_certificate: String,
    pub(crate) anchor: PathBuf,
    pub(crate) people: Vec<people::Person>,
    /// Entries in the ledger.
    pub(crate) entries: u64,
    /// The settings' own file, unless it is a demonstration.
    config: Option<PathBuf>,
}

impl Made {
    fn next(&self) -> String {
        let config = self.config.as_ref().map(|file| format!(" --config {}", file.display()));
        format!("semper serve --data {}{}", self.root.display(), config.unwrap_or_default())
    }

    fn json(&self) -> String {
        let people = self.people.iter().map(|person| {
            serde_json::json!({ "name": person.name, "p12": person.p12, "passphrase_file": person.passphrase_file })
        });
        serde_json::json!({
            "data": self.root,
            "origin": self.origin,
            "vkey": self.vkey,
            "root_certificate_sha256": self.root_certificate,
            "trust": self.root.join("trust"),
            "settings": self.root.join("semper.toml"),
            "anchor": self.anchor,
            "people": people.collect::<Vec<_>>(),
            "entries": self.entries,
            "next": self.next(),
        })
        .to_string()
    }

    fn text(&self) -> String {
        let root = self.root.display();
        let mut text = format!(
            "made the service {} in {root}\n\
             \x20 trust anchors   {root}/trust (give these to whoever verifies)\n\
             \x20 log key         {}\n\
             \x20 root, SHA-256   {}\n\
             \x20 anchor          {} (keep it out of every backup)\n\
             \x20 entries         {}\n",
            self.origin,
            self.vkey,
            self.root_certificate,
            self.anchor.display(),
            self.entries,
        );
        for person in &self.people {
            text.push_str(&format!(
                "  {:<15} {}, its passphrase in {}: hand over both, by separate ways, and delete them here\n",
                person.name,
                person.p12.display(),
                person.passphrase_file.display(),
            ));
        }
        if self.config.is_none() {
            text.push_str(
                "  A DEMONSTRATION: the clock is believed and the passphrase lies beside the keys. Not for evidence.\n",
            );
        }
        text.push_str(&format!("next: {}", self.next()));
        text
    }
}

#[cfg(test)]
mod tests;
