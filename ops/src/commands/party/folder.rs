//! The folder of an applicant: keys, the application as it was sent, its name, certificates.
//!
//! ```text
//! DIR/ passphrase            opens the keys, 0600
//!      <profile>.p8          encrypted private keys, 0600
//!      terms.md              what was accepted
//!      application.json      exactly what was sent
//!      applicant             the .p12 of who applied with a certificate, and the file of its passphrase
//!      registration          the application's name: whoever has it reads the application, 0600
//!      <profile>.cer.pem     the certificate and the CA above it
//!      <profile>.p12         the certificate with its key, under the passphrase in <profile>.passphrase
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use semper_ttp::crypto::{OsEntropy, Passphrase, SignatureAlgorithm, SoftKey, open_key_pem, seal_key_pem};
use semper_ttp::id::RegistrationId;

use crate::commands::atomic;
use crate::commands::running::{Failed, random};
use crate::data::{make_folder, sync_folder, write_new};

/// What was sent.
pub(super) const APPLICATION: &str = "application.json";
/// What was accepted.
pub(super) const TERMS: &str = "terms.md";
const PASSPHRASE: &str = "passphrase";
const REGISTRATION: &str = "registration";
const APPLICANT: &str = "applicant";

/// Who applies with a certificate that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Applicant {
    pub(super) p12: PathBuf,
    pub(super) passphrase_file: Option<PathBuf>,
}

/// One applicant's folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes it if it is not there.
    pub(super) fn make(path: &Path) -> Result<Self, Failed> {
        if !path.is_dir() {
            make_folder(path, 0o700).map_err(|error| Failed::usage(&error))?;
        }
        Ok(Self(path.to_owned()))
    }

    pub(super) fn open(path: &Path) -> Result<Self, Failed> {
        match path.join(APPLICATION).is_file() {
            true => Ok(Self(path.to_owned())),
            false => Err(Failed::usage(&format!(
                "there is no application in {}: begin with semper party apply",
                path.display()
            ))),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, Failed> {
        let path = self.path(name);
        fs::read(&path).map_err(|error| Failed::usage(&format!("{}: {error}", path.display())))
    }

    /// Public files: the same bytes again are no fault.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        let path = self.path(name);
        atomic::write_new(&path, bytes).map_err(|error| Failed::usage(&format!("{}: {error}", path.display())))
    }

    /// Files for nobody else, which must not be there yet.
    pub(super) fn write_closed(&self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        write_new(&self.path(name), 0o600, bytes).map_err(|error| Failed::usage(&error))?;
        sync_folder(&self.0).map_err(|error| Failed::usage(&error))
    }

    /// The application that was written goes, with the terms that it was written for and who applied; the keys stay.
    pub(super) fn forget_application(&self) -> Result<(), Failed> {
        for name in [APPLICATION, TERMS, APPLICANT] {
            let path = self.path(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Failed::usage(&format!("{}: {error}", path.display())));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Keeps with whose certificate the application is made; before it is written, so that there is none of another.
    pub(super) fn keep_applicant(&self, applicant: &Applicant, is_party: bool) -> Result<(), Failed> {
        let Applicant { p12, passphrase_file } = applicant;
        let text = serde_json::json!({
            "identity": p12,
            "identity_passphrase_file": passphrase_file,
            "is_party": is_party,
        });
        self.write(APPLICANT, format!("{text}\n").as_bytes())
    }

    /// With whose certificate the application was made, and whether that is a party's, to whom alone the application is shown then;
    /// `None` for somebody who had none.
    pub(super) fn applicant(&self) -> Result<Option<(Applicant, bool)>, Failed> {
        if !self.path(APPLICANT).exists() {
            return Ok(None);
        }
        let unfit = || Failed::usage(&format!("{} does not read", self.path(APPLICANT).display()));
        let kept: serde_json::Value = serde_json::from_slice(&self.read(APPLICANT)?).map_err(|_| unfit())?;
        let p12 = kept["identity"].as_str().ok_or_else(unfit)?.into();
        let passphrase_file = kept["identity_passphrase_file"].as_str().map(PathBuf::from);
        Ok(Some((Applicant { p12, passphrase_file }, kept["is_party"] == true)))
    }

    /// What opens the keys; made at the first call.
    fn passphrase(&self) -> Result<Passphrase, Failed> {
        if !self.path(PASSPHRASE).exists() {
            self.write_closed(PASSPHRASE, format!("{}\n", hex::encode(random()?)).as_bytes())?;
        }
        let text = String::from_utf8(self.read(PASSPHRASE)?).map_err(|error| Failed::usage(&error))?;
        Ok(Passphrase::new(text.trim_end().to_owned()))
    }

    /// The key for a certificate of this profile; made at the first call, so that an application that did not get through is sent for
    /// the same keys.
    pub(super) fn key(&self, profile: &str) -> Result<SoftKey, Failed> {
        let (name, passphrase) = (format!("{profile}.p8"), self.passphrase()?);
        if !self.path(&name).exists() {
            let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).map_err(|fault| Failed::fault(&fault))?;
            let pem = seal_key_pem(&key, &passphrase, &OsEntropy).map_err(|fault| Failed::fault(&fault))?;
            self.write_closed(&name, pem.as_bytes())?;
        }
        let pem = String::from_utf8(self.read(&name)?).map_err(|error| Failed::usage(&error))?;
        open_key_pem(&pem, &passphrase)
            .map_err(|fault| Failed::usage(&format!("{}: {fault}", self.path(&name).display())))
    }

    pub(super) fn keep_registration(&self, id: RegistrationId) -> Result<(), Failed> {
        match self.registration()? {
            Some(known) if known == id => Ok(()),
            Some(known) => {
                Err(Failed::fault(&format!("the server calls this application {id}, and called it {known} before")))
            }
            None => self.write_closed(REGISTRATION, format!("{id}\n").as_bytes()),
        }
    }

    /// The application's name, once the server has given it.
    pub(super) fn registration(&self) -> Result<Option<RegistrationId>, Failed> {
        if !self.path(REGISTRATION).exists() {
            return Ok(None);
        }
        let text = String::from_utf8(self.read(REGISTRATION)?).unwrap_or_default();
        let unfit = || Failed::usage(&format!("{} holds no name of an application", self.path(REGISTRATION).display()));
        text.trim_end().parse().map(Some).map_err(|_| unfit())
    }
}
