//! The operator's other machine: who can read the backups, and where they lie.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Finished, command, run, run_command};
use crate::server::{Data, Server};

/// The operator's other machine: an identity, and a place for backups.
pub struct Vault {
    dir: TempDir,
    recipient: String,
}

impl Vault {
    /// A new identity, and no backup yet.
    ///
    /// # Panics
    /// `semper backup keygen` fails.
    #[must_use]
    #[allow(clippy::new_without_default)] // it runs a program
    pub fn new() -> Self {
        let dir = TempDir::with_prefix("semper-vault-").expect("a temporary folder");
        let end = run(&args(&["backup", "keygen", "--to"], &[&dir.path().join("identity")]));
        let recipient = end.expect(0).stdout.trim().to_owned();
        assert!(recipient.starts_with("age1"), "{recipient}");
        Self { dir, recipient }
    }

    /// Another place with the same identity.
    ///
    /// # Panics
    /// The disk.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self::of(&self.path("identity"), self.recipient.clone())
    }

    /// A place with an identity that is there.
    ///
    /// # Panics
    /// The disk.
    #[must_use]
    pub fn of(identity: &Path, recipient: String) -> Self {
        let dir = TempDir::with_prefix("semper-vault-").expect("a temporary folder");
        fs::copy(identity, dir.path().join("identity")).expect("the identity");
        Self { dir, recipient }
    }

    /// Something in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `semper backup run`.
    #[must_use]
    pub fn backup_command(&self, data: &Data, admin: Option<&str>) -> Command {
        let mut command = command(&["backup", "run", "--json", "--recipient", &self.recipient, "--data"]);
        command.arg(data.path()).arg("--to").arg(self.path("place"));
        if let Some(admin) = admin {
            command.args(["--admin", admin]);
        }
        command
    }

    /// `semper backup run` while a server runs.
    ///
    /// # Panics
    /// It fails.
    #[must_use]
    pub fn backup(&self, server: &Server) -> Value {
        let end = run_command(self.backup_command(server.data(), Some(&server.admin().to_string())));
        json(end.expect(0))
    }

    /// `semper backup run` where none does.
    ///
    /// # Panics
    /// It fails.
    pub fn backup_at_rest(&self, data: &Data) -> Value {
        json(run_command(self.backup_command(data, None)).expect(0))
    }

    /// `semper backup verify`.
    #[must_use]
    pub fn verify(&self, options: &[&str]) -> Finished {
        let mut words = args(&["backup", "verify", "--json", "--from"], &[&self.path("place")]);
        words.extend(args(&["--identity"], &[&self.path("identity")]));
        words.extend(args(&["--work"], &[self.dir.path()]));
        words.extend(options.iter().map(OsString::from));
        run(&words)
    }

    /// `semper restore` into `to`, with no more than it cannot do without.
    #[must_use]
    pub fn restore_command(&self, to: &str, options: &[&str]) -> Command {
        let mut words = args(&["restore", "--json", "--from"], &[&self.path("place")]);
        words.extend(args(&["--identity"], &[&self.path("identity")]));
        words.extend(args(&["--data"], &[&self.path(to)]));
        words.extend(options.iter().map(OsString::from));
        command(&words)
    }

    /// `semper restore` into `to`; the demonstration's passphrase lies in its old folder, and nothing was ever erased.
    #[must_use]
    pub fn restore(&self, old: &Data, to: &str, options: &[&str]) -> Finished {
        let mut command = self.restore_command(to, options);
        command.arg("--no-erasures").arg("--passphrase-file").arg(old.path().join("passphrase"));
        run_command(command)
    }

    /// The restored folder, with the passphrase where its settings have it.
    ///
    /// # Panics
    /// The disk.
    #[must_use]
    pub fn restored(&self, old: &Data, to: &str) -> Data {
        fs::copy(old.path().join("passphrase"), self.path(to).join("passphrase")).expect("the passphrase");
        Data::at(&self.path(to))
    }

    /// The files that the place holds.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn stored(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(self.path("place/files")).expect("files").map(|it| it.unwrap().path()).collect();
        files.sort();
        files
    }
}

/// Words, then paths.
#[must_use]
pub fn args(words: &[&str], paths: &[&Path]) -> Vec<OsString> {
    words.iter().map(OsString::from).chain(paths.iter().map(|path| path.as_os_str().to_owned())).collect()
}

/// The one JSON document that a command printed.
///
/// # Panics
/// It printed none.
pub fn json(end: &Finished) -> Value {
    serde_json::from_str(&end.stdout).unwrap_or_else(|error| panic!("{error}: {end:#?}"))
}

/// Where the anchor of a data folder lies by default.
///
/// # Panics
/// The path is not UTF-8.
#[must_use]
pub fn anchor_of(data: &Data) -> String {
    data.path().join("anchor").to_str().expect("UTF-8").to_owned()
}
