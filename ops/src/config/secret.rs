//! A secret that is given by file or environment and never shown.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Keys;

/// A passphrase. Neither `Debug` nor an error shows it; its memory is cleared when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// The passphrase itself: name this call where it is used, so that a search finds every place.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The file cannot be read, or is no UTF-8.
    #[error("cannot read the passphrase file {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Anybody on the machine may read it.
    #[error(
        "anybody may read the passphrase file {} (mode {mode:04o}): chmod 600 it, and ask who read it", path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The environment variable is not set, or is no UTF-8.
    #[error("the environment variable {variable} is not set; set it, or name a file in {setting}")]
    Unset {
        /// Its name.
        variable: String,
        /// The setting that names a file instead.
        setting: String,
    },
    /// An empty passphrase protects nothing.
    #[error("the passphrase in {0} is empty")]
    Empty(String),
}

impl Keys {
    /// Where the passphrase is looked for when the configuration names neither file nor variable.
    pub(crate) const ENV_DEFAULT: &str = "SEMPER_PASSPHRASE";

    /// The passphrase of the key files: from the file if one is named, else from the environment. One line feed at the
    /// end of a file is not part of it, since every editor adds one.
    ///
    /// # Errors
    /// [`SecretError`]: it is missing or empty.
    pub(crate) fn passphrase(&self, env: impl Fn(&str) -> Option<OsString>) -> Result<Secret, SecretError> {
        let name = self.passphrase_env.as_deref().unwrap_or(Self::ENV_DEFAULT);
        find(self.passphrase_file.as_deref(), name, "keys.passphrase_file", env)
    }
}

/// A secret: from the file if one is named, else from the environment. `setting` is where a file would be named.
///
/// # Errors
/// [`SecretError`]: it is missing or empty.
pub(super) fn find(
    file: Option<&Path>,
    variable: &str,
    setting: &str,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Secret, SecretError> {
    if let Some(path) = file {
        return from_file(path);
    }
    let unset = || SecretError::Unset { variable: variable.to_owned(), setting: setting.to_owned() };
    let text = env(variable).and_then(|text| text.into_string().ok()).ok_or_else(unset)?;
    not_empty(text, || variable.to_owned())
}

/// Permission bits that the file may not have. The group is let through, unlike with key files: systemd gives a credential
/// to a service's user by an access control list, whose mask shows in the bits of the group.
const ANYBODY: u32 = 0o007;

/// A secret out of a file that not everybody may read.
///
/// # Errors
/// [`SecretError`].
pub(crate) fn from_file(path: &Path) -> Result<Secret, SecretError> {
    let unreadable = |error| SecretError::Unreadable { path: path.to_owned(), error };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & ANYBODY != 0 {
        return Err(SecretError::Open { path: path.to_owned(), mode });
    }
    let mut text = std::fs::read_to_string(path).map_err(unreadable)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    not_empty(text, || path.display().to_string())
}

fn not_empty(text: String, place: impl FnOnce() -> String) -> Result<Secret, SecretError> {
    if text.is_empty() { Err(SecretError::Empty(place())) } else { Ok(Secret::from(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(file: Option<&Path>, env: Option<&str>) -> Keys {
        let (passphrase_file, passphrase_env) = (file.map(Path::to_owned), env.map(str::to_owned));
        Keys { passphrase_file, passphrase_env, ..Keys::default() }
    }

    fn env(name: &str) -> Option<OsString> {
        match name {
            "SEMPER_PASSPHRASE" => Some("from the default".into()),
            "OTHER" => Some("from another".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        }
    }

    fn write(file: &Path, bytes: &[u8], mode: u32) {
        std::fs::write(file, bytes).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_anybody_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        for mode in [0o604, 0o644, 0o602] {
            write(&file, b"s3 cret", mode);
            let refused = keys(Some(&file), None).passphrase(env).unwrap_err().to_string();
            assert!(refused.contains(&format!("(mode {mode:04o})")) && !refused.contains("s3 cret"), "{refused}");
        }
        for mode in [0o400, 0o440, 0o600] {
            write(&file, b"s3 cret", mode);
            assert!(keys(Some(&file), None).passphrase(env).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn file_before_environment_before_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        for (bytes, expected) in [
            (&b"s3 cret\n"[..], "s3 cret"),
            (b"s3 cret\r\n", "s3 cret"),
            (b"s3 cret", "s3 cret"),
            (b"two\n\n", "two\n"),
        ] {
            write(&file, bytes, 0o600);
            assert_eq!(keys(Some(&file), None).passphrase(env).unwrap().expose(), expected);
        }
        assert_eq!(keys(None, Some("OTHER")).passphrase(env).unwrap().expose(), "from another");
        assert_eq!(keys(None, None).passphrase(env).unwrap().expose(), "from the default");
    }

    #[test]
    fn missing_and_empty_secrets_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        assert!(matches!(keys(Some(&file), None).passphrase(env), Err(SecretError::Unreadable { .. })));
        write(&file, b"\n", 0o600);
        assert!(matches!(keys(Some(&file), None).passphrase(env), Err(SecretError::Empty(_))));
        assert!(matches!(keys(None, Some("EMPTY")).passphrase(env), Err(SecretError::Empty(_))));
        assert!(
            matches!(keys(None, Some("NOWHERE")).passphrase(env), Err(SecretError::Unset { variable, .. }) if variable == "NOWHERE")
        );
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[redacted] Some([redacted])");
    }
}
