//! `semper witness init`: a key with a name, and a list of logs.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use semper_ledger::cosignature::Cosigner;
use semper_ledger::disk::DiskFault;
use semper_ledger::note::{BadKey, VerifierKey};
use semper_ledger::witness::log_list::{self, ListedLog};
use semper_ledger::witness::record::Records;
use semper_ttp::crypto::{
    CryptoFault, Entropy as _, EntropyFault, KeyFileFault, LogSigner, OsEntropy, Passphrase, SignatureAlgorithm,
    SoftKey, seal_key_pem,
};
use serde_json::json;

use super::{COSIGNED, KEY, LOGS, PASSPHRASE, SETTINGS, VKEY, WitnessFolder};
use crate::cli::WitnessInit;
use crate::commands::init::PASSPHRASE_CHARS_MIN;
use crate::commands::say;
use crate::config::{ConfigError, Secret, SecretError, WitnessConfig};
use crate::data::{DataError, INCOMPLETE, sync_folder, write_new};
use crate::exit::Exit;

/// The settings of a demonstration.
const DEMO_SETTINGS: &str = "\
# Written by `semper witness init --demo`: for a trial.

[clock]
# Nobody vouches for this clock.
source = \"assumed\"

[keys]
# From this folder on.
passphrase_file = \"passphrase\"
";

/// Makes a witness and says what was made.
pub(super) fn run(args: &WitnessInit, json: bool) -> Exit {
    match make(args) {
        Ok(vkey) => {
            let next = format!("semper witness serve --data {}", args.data.display());
            if json {
                say::json(&json!({ "data": args.data, "vkey": vkey.to_string(), "next": next }));
            } else {
                let root = args.data.display();
                say::out(format!("made the witness {} in {root}", vkey.name()));
                say::out(format!("  key             {vkey}"));
                say::out("                  give it to the logs that you cosign, and to whoever verifies them");
                say::out(format!("  logs            {root}/{LOGS}: add those whose checkpoints shall be cosigned"));
                say::out(format!("  memory          {root}/{COSIGNED}: never put back an older copy of it"));
                say::out(format!("next: {next}"));
            }
            Exit::Ok
        }
        Err(error) => {
            say::trouble(json, format_args!("witness init: {error}"));
            error.exit()
        }
    }
}

/// Why there is no witness.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("{} is not empty; semper witness init never overwrites anything: name another folder", .0.display())]
    NotEmpty(PathBuf),
    #[error("--log {text}: {fault}")]
    Log { text: String, fault: BadKey },
    #[error("--log: the log {0} is named twice")]
    LogTwice(String),
    #[error("--name: {0}")]
    Name(BadKey),
    #[error("keys.passphrase_file must be an absolute path: the data folder keeps a copy of this configuration")]
    RelativePath,
    #[error("the passphrase of the key file has fewer than {PASSPHRASE_CHARS_MIN} characters")]
    PassphraseShort,
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Memory(#[from] DiskFault),
    #[error(transparent)]
    Crypto(#[from] CryptoFault),
    #[error(transparent)]
    KeyFile(#[from] KeyFileFault),
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl InitError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotEmpty(_)
            | Self::Log { .. }
            | Self::LogTwice(_)
            | Self::Name(_)
            | Self::RelativePath
            | Self::PassphraseShort
            | Self::Config(_)
            | Self::Secret(_) => Exit::Usage,
            Self::Data(error) => error.exit(),
            Self::Memory(_) | Self::Crypto(_) | Self::KeyFile(_) | Self::Entropy(_) | Self::Io { .. } => Exit::Fault,
        }
    }
}

fn make(args: &WitnessInit) -> Result<VerifierKey, InitError> {
    // All that can be judged before the first byte is written.
    let mut logs: Vec<ListedLog> = Vec::new();
    for text in &args.logs {
        let key = VerifierKey::parse(text.trim()).map_err(|fault| InitError::Log { text: text.clone(), fault })?;
        if logs.iter().any(|log| log.origin == key.name()) {
            return Err(InitError::LogTwice(key.name().to_owned()));
        }
        logs.push(ListedLog::of_key(key));
    }
    let (settings, passphrase) = match &args.config {
        Some(file) => {
            let config = WitnessConfig::load(file)?;
            config.verify()?;
            if config.keys.passphrase_file.as_ref().is_some_and(|path| path.is_relative()) {
                return Err(InitError::RelativePath);
            }
            let settings = fs::read(file).map_err(|error| ConfigError::Unreadable { path: file.clone(), error })?;
            (settings, config.keys.passphrase(|name| std::env::var_os(name))?)
        }
        None => (DEMO_SETTINGS.into(), Secret::from(random_hex::<16>()?)),
    };
    if passphrase.expose().chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(InitError::PassphraseShort);
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None => format!("demo.semper.example/witness/{}", random_hex::<8>()?),
    };
    let key = Arc::new(SoftKey::generate(SignatureAlgorithm::Ed25519)?);
    // An Ed25519 key signs notes.
    let signer = LogSigner::new(key.clone()).ok_or(InitError::Name(BadKey::Type(0)))?;
    let vkey = Cosigner::new(&name, Arc::new(signer)).map_err(InitError::Name)?.verifier_key().clone();

    let folder = WitnessFolder::at(&args.data);
    begin(&folder)?;
    let sealed = seal_key_pem(&key, &Passphrase::new(passphrase.expose().to_owned()), &OsEntropy)?;
    write_new(&folder.path(KEY), 0o600, sealed.as_bytes())?;
    if args.config.is_none() {
        write_new(&folder.path(PASSPHRASE), 0o600, format!("{}\n", passphrase.expose()).as_bytes())?;
    }
    write_new(&folder.path(SETTINGS), 0o644, &settings)?;
    write_new(&folder.path(LOGS), 0o644, log_list::write(&logs).as_bytes())?;
    write_new(&folder.path(VKEY), 0o644, format!("{vkey}\n").as_bytes())?;
    Records::create(&folder.path(COSIGNED))?;
    sync_folder(&folder.0)?;
    let marker = folder.path(INCOMPLETE);
    fs::remove_file(&marker).map_err(|error| InitError::Io { path: marker, error })?;
    sync_folder(&folder.0)?;
    Ok(vkey)
}

/// Makes the folder, or takes an empty one, and marks it.
fn begin(folder: &WitnessFolder) -> Result<(), InitError> {
    let io = |error| InitError::Io { path: folder.0.clone(), error };
    fs::create_dir_all(&folder.0).map_err(io)?;
    if fs::read_dir(&folder.0).map_err(io)?.next().is_some() {
        return Err(InitError::NotEmpty(folder.0.clone()));
    }
    let what = b"semper witness init did not finish here. Delete this folder and run it again.\n";
    write_new(&folder.path(INCOMPLETE), 0o644, what)?;
    sync_folder(&folder.0)?;
    Ok(sync_folder(&folder.path(".."))?)
}

fn random_hex<const N: usize>() -> Result<String, EntropyFault> {
    let mut random = [0; N];
    OsEntropy.fill(&mut random)?;
    Ok(hex::encode(random))
}
