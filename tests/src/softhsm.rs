//! A PKCS#11 token of a test's own: SoftHSM, behind a module that fails as the test says (`shims/pkcs11.c`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::source_folder;
use crate::strangers::judge;

/// The user's PIN.
pub const PIN: &str = "7291-horse";
const SO_PIN: &str = "so-5538-staple";
/// The token's label.
pub const LABEL: &str = "semper";

/// A folder with a token in it, which is of use to processes with its [`SoftHsm::environment`].
#[derive(Clone, Debug)]
pub struct SoftHsm {
    /// The folder.
    pub folder: PathBuf,
}

impl SoftHsm {
    /// The token in a folder where there is one.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// A new token.
    ///
    /// # Panics
    /// SoftHSM or a compiler is missing.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let hsm = Self::at(folder);
        let tokens = hsm.folder.join("tokens");
        fs::create_dir(&tokens).expect("a folder");
        hsm.write("softhsm2.conf", &format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()));
        hsm.init_token();
        let source = source_folder().join("shims/pkcs11.c");
        judge(Command::new("cc").args(["-shared", "-fPIC", "-O1", "-Wall", "-o"]).args([&hsm.module(), &source]));
        hsm
    }

    /// Another token of the same label.
    ///
    /// # Panics
    /// SoftHSM refuses.
    pub fn init_token(&self) {
        let mut command = Command::new("softhsm2-util");
        command.args(["--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", SO_PIN]);
        judge(command.env("SOFTHSM2_CONF", self.folder.join("softhsm2.conf")));
    }

    /// The module to load.
    #[must_use]
    pub fn module(&self) -> PathBuf {
        self.folder.join("module.so")
    }

    /// What a process needs to find the token.
    ///
    /// # Panics
    /// SoftHSM is missing, or a path is not UTF-8.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 3] {
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        [
            ("SEMPER_TEST_PKCS11", text(&self.folder)),
            ("SEMPER_TEST_PKCS11_MODULE", text(&library())),
            ("SOFTHSM2_CONF", text(&self.folder.join("softhsm2.conf"))),
        ]
    }

    /// Writes a file of the folder.
    ///
    /// # Panics
    /// It cannot.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).expect("a file");
    }

    /// Reads one; empty if there is none.
    #[must_use]
    pub fn written(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// A number for the module that fails.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn set(&self, name: &str, number: u32) {
        // Whole at once: the module may look at any time.
        self.write("number", &format!("{number:#x}"));
        fs::rename(self.folder.join("number"), self.folder.join(name)).expect("one file system");
    }

    /// Takes it back.
    ///
    /// # Panics
    /// It was not set.
    pub fn unset(&self, name: &str) {
        fs::remove_file(self.folder.join(name)).expect("a number that was set");
    }

    /// How often a function was called.
    #[must_use]
    pub fn calls(&self, function: &str) -> usize {
        self.written("calls").lines().filter(|line| *line == function).count()
    }
}

/// SoftHSM's module.
///
/// # Panics
/// It is missing.
#[must_use]
pub fn library() -> PathBuf {
    let mut places = vec![PathBuf::from("/usr/lib/softhsm"), PathBuf::from("/usr/local/lib/softhsm")];
    for folder in fs::read_dir("/usr/lib").expect("/usr/lib").flatten() {
        places.push(folder.path().join("softhsm"));
    }
    let found = places.into_iter().map(|folder| folder.join("libsofthsm2.so")).find(|path| Path::exists(path));
    found.expect("SoftHSM's libsofthsm2.so is missing: run ops/setup.sh")
}
