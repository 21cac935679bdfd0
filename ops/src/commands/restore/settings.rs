//! By which passphrase and by which settings a restore goes.
//!
//! Anybody can encrypt to a recipient, so **nothing in a backup is believed before its seal is checked**, not even where it says
//! that the passphrase lies which would prove it. The passphrase is named by whoever restores: `--passphrase-file`, the settings
//! of `--config`, or the environment. What the seal covers is believed then: the settings with which the server ran
//! (`settings-in-use.toml`, else the folder's own) say where the anchor is and who the witnesses are.

use std::path::{Path, PathBuf};

use semper_ttp::crypto::Passphrase;

use crate::cli;
use crate::commands::backup::{Backup, SETTINGS_IN_USE, WITNESS_POLICY};
use crate::commands::running::Failed;
use crate::config::{Config, Keys};
use crate::data::DataFolder;

/// Where the passphrase is, by the word of whoever restores.
///
/// # Errors
/// The settings of `--config` do not read.
pub(super) fn keys(args: &cli::Restore) -> Result<Keys, Failed> {
    if let Some(file) = &args.passphrase_file {
        return Ok(Keys { passphrase_file: Some(file.clone()), ..Keys::default() });
    }
    let config = Config::load(args.config.as_deref()).map_err(|error| Failed::usage(&error))?;
    Ok(config.keys)
}

/// The passphrase itself.
///
/// # Errors
/// It is not there.
pub(super) fn passphrase(keys: &Keys) -> Result<Passphrase, Failed> {
    let secret = keys.passphrase(|name| std::env::var_os(name)).map_err(|error| {
        Failed::usage(&format!(
            "{error}; or name the passphrase of the key files with --passphrase-file. (What the backup itself says of it is not \
             asked: until the passphrase has proven it, nothing says whose backup it is)"
        ))
    })?;
    Ok(Passphrase::new(secret.expose().to_owned()))
}

/// The settings to judge by.
pub(super) struct Settings {
    pub(super) config: Config,
    /// Their file, where it is not the folder's own: what `serve` must be given.
    pub(super) file: Option<PathBuf>,
    /// Where the settings have the witnesses' policy, and where the restored one lies, if the former is not there.
    pub(super) policy: Option<(PathBuf, PathBuf)>,
    /// What `serve` will miss: the passphrase where the settings have it, one sentence.
    pub(super) missing: Option<String>,
}

impl Settings {
    /// Those of `--config`, else those with which the server ran, else those of the folder. The seal was checked.
    ///
    /// # Errors
    /// They do not read, or name a path that means nothing any more.
    pub(super) fn of_backup(args: &cli::Restore, backup: &Backup) -> Result<Self, Failed> {
        if let Some(file) = &args.config {
            let config = Config::load(Some(file)).map_err(|error| Failed::usage(&error))?;
            return Ok(Self { config, file: Some(file.clone()), policy: None, missing: None });
        }
        let text = |name| Ok::<_, Failed>(backup.small(name)?.and_then(|bytes| String::from_utf8(bytes).ok()));
        let parse = |name: &str, text: &str| {
            Config::from_toml(text).map_err(|error| Failed::usage(&format!("{name} in the backup: {error}")))
        };
        if let Some(text) = text(SETTINGS_IN_USE)? {
            let config = parse(SETTINGS_IN_USE, &text)?;
            let paths = [&config.ledger.anchor_path, &config.witnesses.policy_path];
            if let Some(path) = paths.into_iter().flatten().find(|path| path.is_relative()) {
                return Err(Failed::usage(&format!(
                    "the settings with which the server ran name {}, from a folder that nobody knows here: name the settings with \
                     --config",
                    path.display()
                )));
            }
            return Ok(Self { config, file: Some(args.data.join(SETTINGS_IN_USE)), policy: None, missing: None });
        }
        let text = text("semper.toml")?;
        let text = text.ok_or_else(|| Failed::usage(&"the backup holds no settings: name them with --config"))?;
        let mut config = parse("semper.toml", &text)?;
        for path in [&mut config.keys.passphrase_file, &mut config.ledger.anchor_path].into_iter().flatten() {
            *path = args.data.join(&*path);
        }
        Ok(Self { config, file: None, policy: None, missing: None })
    }

    /// The same once the folder is there, which must be of the service that they name. The policy of the witnesses is the one
    /// where they have it; on a machine that has none there, the one in the backup.
    ///
    /// # Errors
    /// They are another service's, or do not hold together.
    pub(super) fn in_folder(self, folder: &DataFolder, keys: Keys) -> Result<Self, Failed> {
        let mut config = folder.config(self.file.as_deref())?;
        let missing = unreadable(&config.keys, &folder.config_file(self.file.as_deref()));
        // Where the passphrase is, by the word of whoever restores; where the keys are, by the settings.
        let Keys { passphrase_file, passphrase_env, .. } = keys;
        config.keys = Keys { passphrase_file, passphrase_env, ..config.keys };
        config.verify().map_err(|error| Failed::usage(&error))?;
        let kept = folder.path(WITNESS_POLICY);
        let elsewhere = config.witnesses.policy_path.clone().filter(|named| !named.exists() && kept.exists());
        let policy = elsewhere.map(|named| {
            config.witnesses.policy_path = Some(kept.clone());
            (named, kept)
        });
        Ok(Self { config, policy, missing, ..self })
    }
}

/// What to do where the settings have no passphrase that can be read. No backup holds one.
fn unreadable(keys: &Keys, settings: &Path) -> Option<String> {
    let error = keys.passphrase(|name| std::env::var_os(name)).err()?;
    let mend = match (&keys.passphrase_file, &keys.passphrase_env) {
        (Some(file), _) if file.starts_with("/run/credentials") => {
            "systemd puts it there for the unit: start that, in place of the line below".to_owned()
        }
        (Some(file), _) if !file.exists() => {
            format!("put the passphrase of the key files into {}, mode 0600 (no backup holds it)", file.display())
        }
        (Some(_), _) => "mend that".to_owned(),
        (None, _) => "set it for the server".to_owned(),
    };
    Some(format!(
        "first: {error}: {mend}; or serve with settings that name another passphrase_file, in place of {}: --config FILE",
        settings.display()
    ))
}
