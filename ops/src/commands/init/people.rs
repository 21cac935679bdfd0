//! The first operator and the first officer: a `.p12` each, under a passphrase of its own.

use std::path::PathBuf;

use semper_ttp::ca::Authority;
use semper_ttp::crypto::{Entropy, EntropyFault, Passphrase, build_pkcs12};

use super::InitError;
use super::pki::Pki;
use crate::data::{DataFolder, write_new};

/// One person's files.
#[derive(Debug)]
pub(crate) struct Person {
    /// `operator` or `officer`.
    pub(crate) name: &'static str,
    /// Certificate, key and issuers, encrypted.
    pub(crate) p12: PathBuf,
    /// What opens it.
    pub(crate) passphrase_file: PathBuf,
}

/// A passphrase of 128 random bits in hex, so that no guessing ever opens what it protects, whatever the format's rounds.
pub(super) fn passphrase(entropy: &dyn Entropy) -> Result<String, EntropyFault> {
    let mut random = [0; 16];
    entropy.fill(&mut random)?;
    Ok(hex::encode(random))
}

/// Writes both people's files. The passphrases go into files of their own and not to the terminal, whose lines end up in
/// logs and scrollback.
pub(super) fn write(folder: &DataFolder, pki: &Pki, entropy: &dyn Entropy) -> Result<Vec<Person>, InitError> {
    let chain = [Authority::Party, Authority::Root].map(|issuer| pki.certificate(issuer.name()).der().to_vec());
    let people = folder.path("people");
    let mut written = Vec::new();
    for (name, key) in &pki.people {
        let secret = Passphrase::new(passphrase(entropy)?);
        let bytes = build_pkcs12(&format!("Semper {name}"), key, pki.certificate(name).der(), &chain, &secret)?;
        let p12 = people.join(format!("{name}.p12"));
        let passphrase_file = people.join(format!("{name}.passphrase"));
        write_new(&p12, 0o600, &bytes)?;
        write_new(&passphrase_file, 0o600, format!("{}\n", secret.expose()).as_bytes())?;
        written.push(Person { name, p12, passphrase_file });
    }
    Ok(written)
}
