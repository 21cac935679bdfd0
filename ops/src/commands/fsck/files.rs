//! The files beside the store, against what the ledger says of them.
//!
//! Genesis names the log's keys and the root, certificates are artefacts, and a fact names the public half of every key.
//! So a damaged file is told as what it is, and what the store is judged by is genesis and not that file. Bytes that no
//! entry tells of cannot be compared: `people/` (passphrases that are not here) and `semper.toml` (the operator's own).

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use semper_api::notices::check_told;
use semper_ledger::entry::Entry;
use semper_ledger::fsck::Grade;
use semper_ledger::merkle::sha256;
use semper_ledger::note::VerifierKey;
use semper_ledger::receipt::LogIdentity;
use semper_ledger::store::{Direction, Fault, Read, Table, keys, read, scan};
use semper_ledger::tile::bundle_entries;
use semper_ttp::asn1::{oid, pem};
use semper_ttp::ca::Authority;
use semper_ttp::crypto::{Passphrase, Signer, open_key_pem, open_secret_pem, p256_point};
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Aggregate, Fact, Genesis, KeyId, KeyPurpose, OpsFact, Recorded};
use semper_ttp::vault::{DataKeyId, KeyWrap as _, SoftKek, WrapFault};
use semper_ttp::verify::LedgerPromise;
use semper_ttp::x509::Certificate;

use crate::config::{Config, Identity};
use crate::data::{DataError, DataFolder, NOTICES, read_genesis};

/// Data keys that do not open of which this many are told.
const SHUT_MAX: usize = 10;

/// PEM label of an encrypted PKCS#8 key (RFC 7468 §11).
const KEY_LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// A file that is not what the ledger says of it, or of which that cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileFinding {
    pub(super) grade: Grade,
    /// In the data folder.
    pub(super) file: String,
    pub(super) what: String,
}

/// What came out.
#[derive(Debug)]
pub(super) struct Files {
    /// What the log's signatures are judged by.
    pub(super) identity: LogIdentity,
    pub(super) findings: Vec<FileFinding>,
    /// What was left out and why; no finding.
    pub(super) not_checked: Vec<String>,
    /// Whether there was a genesis to compare with.
    pub(super) compared: bool,
    /// Whether some private key opened.
    pub(super) keys_opened: bool,
}

/// Compares the files. Private keys are opened with `full` only, since each takes the time that its passphrase's
/// hardening takes.
///
/// # Errors
/// identity.json does not read, or neither genesis nor `trust/` says what the log's keys are.
pub(super) fn check(folder: &DataFolder, config: &Config, store: &dyn Read, full: bool) -> Result<Files, DataError> {
    let stated = folder.identity()?;
    let Some(genesis) = genesis(store) else {
        let why = "trust/, certs/ and identity.json: genesis, which they are compared with, cannot be read".to_owned();
        let identity = folder.log_identity()?;
        let not_checked = vec![why];
        return Ok(Files { identity, findings: Vec::new(), not_checked, compared: false, keys_opened: false });
    };
    let mut check = Check { folder, store, findings: Vec::new(), not_checked: Vec::new() };
    check.trust(&genesis);
    check.certificates();
    check.notices();
    let public_url = check.identity(&stated, &genesis);
    let identity = match from_genesis(&genesis, public_url) {
        Some(identity) => identity,
        None => folder.log_identity()?,
    };
    let keys_opened = full && check.keys(config);
    if !full {
        check.not_checked.push("keys/ (--full opens them)".to_owned());
    }
    check.not_checked.push("people/ and semper.toml: no entry tells what is in them".to_owned());
    let Check { findings, not_checked, .. } = check;
    Ok(Files { identity, findings, not_checked, compared: true, keys_opened })
}

/// Genesis, if it is what entry 0 says; whatever is wrong with these rows is told where rows are walked.
fn genesis(store: &dyn Read) -> Option<Genesis> {
    let genesis = read_genesis(store).ok()?;
    let bundle = read(store, Table::Bundle, &keys::number(0)).ok()??;
    let entry = Entry::decode(bundle_entries(&bundle).next()??).ok()?;
    (entry.digest == sha256(&genesis.encode())).then_some(genesis)
}

fn from_genesis(genesis: &Genesis, public_url: String) -> Option<LogIdentity> {
    let spki = hex::decode(&genesis.receipt_key).ok()?;
    Some(LogIdentity {
        note_key: VerifierKey::parse(&genesis.vkey).ok()?,
        issuer: public_url,
        receipt_key: p256_point(&spki)?.to_vec(),
    })
}

struct Check<'a> {
    folder: &'a DataFolder,
    store: &'a dyn Read,
    findings: Vec<FileFinding>,
    not_checked: Vec<String>,
}

impl Check<'_> {
    fn tell(&mut self, grade: Grade, file: &str, what: impl Into<String>) {
        self.findings.push(FileFinding { grade, file: file.to_owned(), what: what.into() });
    }

    fn wrong(&mut self, file: &str, what: impl Into<String>) {
        self.tell(Grade::False, file, what);
    }

    fn bytes(&mut self, file: &str) -> Option<Vec<u8>> {
        match fs::read(self.folder.path(file)) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.wrong(file, format!("it cannot be read: {error}"));
                None
            }
        }
    }

    /// The files of a subfolder whose names end so, in order.
    fn list(&mut self, folder: &str, end: &str) -> Vec<String> {
        let found = fs::read_dir(self.folder.path(folder)).and_then(|entries| {
            let names = entries.map(|entry| entry.map(|entry| PathBuf::from(entry.file_name())));
            names.collect::<Result<Vec<_>, _>>()
        });
        let names = match found {
            Ok(names) => names,
            Err(error) => {
                self.wrong(folder, format!("it cannot be read: {error}"));
                return Vec::new();
            }
        };
        let names = names.iter().filter_map(|name| name.to_str()).filter(|name| name.ends_with(end));
        let mut names: Vec<_> = names.map(|name| format!("{folder}/{name}")).collect();
        names.sort_unstable();
        names
    }

    /// What verifiers are given: what `init` wrote.
    fn trust(&mut self, genesis: &Genesis) {
        let receipt = hex::decode(&genesis.receipt_key).map(|spki| pem::encode("PUBLIC KEY", &spki));
        let due = [("trust/ledger.vkey", Some(format!("{}\n", genesis.vkey))), ("trust/receipt.pem", receipt.ok())];
        for (file, due) in due {
            let Some(bytes) = self.bytes(file) else { continue };
            if due.is_some_and(|due| due.as_bytes() != bytes) {
                self.wrong(file, "it is not the key that genesis names");
            }
        }
        // Without the origin in folders that an earlier program made, of which there may be backups that nobody can change.
        let due = |promise: LedgerPromise| {
            promise.mmd_ms == genesis.mmd_ms && promise.origin.is_none_or(|origin| origin == genesis.origin)
        };
        let promise = self.bytes("trust/ledger.json").map(|bytes| serde_json::from_slice(&bytes).is_ok_and(due));
        if promise == Some(false) {
            self.wrong("trust/ledger.json", "it does not promise what genesis does");
        }
        let digests = self.pem_certificates("trust/root.pem");
        if digests.is_some_and(|digests| digests != [genesis.root_certificate]) {
            self.wrong("trust/root.pem", "it is not the root that genesis names");
        }
        for digest in self.pem_certificates("trust/tsa-chain.pem").unwrap_or_default() {
            self.recorded("trust/tsa-chain.pem", digest);
        }
    }

    /// Digests of the certificates in a PEM file of our own making; told if it is none.
    fn pem_certificates(&mut self, file: &str) -> Option<Vec<Digest>> {
        let bytes = self.bytes(file)?;
        let text = String::from_utf8_lossy(&bytes);
        let certificates = pem::decode("CERTIFICATE", &text).unwrap_or_default();
        let ours: String = certificates.iter().map(|der| pem::encode("CERTIFICATE", der)).collect();
        if certificates.is_empty() || ours.as_bytes() != bytes {
            self.wrong(file, "it does not hold certificates as semper init writes them");
            return None;
        }
        Some(certificates.iter().map(|der| Digest::of(der)).collect())
    }

    fn certificates(&mut self) {
        for file in self.list("certs", ".cer") {
            if let Some(der) = self.bytes(&file) {
                self.recorded(&file, Digest::of(&der));
            }
        }
    }

    /// No entry tells which notices were told; what can be told is whether a server will read it.
    fn notices(&mut self) {
        if !self.folder.path(NOTICES).exists() {
            return;
        }
        if let Some(Err(fault)) = self.bytes(NOTICES).map(|bytes| check_told(&bytes)) {
            self.wrong(NOTICES, format!("{fault}: the next server begins it anew, and some holders are told twice"));
        }
    }

    /// Some entry must have this digest.
    fn recorded(&mut self, file: &str, digest: Digest) {
        match self.is_recorded(&digest) {
            Ok(true) => {}
            Ok(false) => self.wrong(file, "no entry of the ledger is for these bytes"),
            Err(fault) => self.tell(Grade::Untold, file, format!("its entry cannot be looked for: {fault}")),
        }
    }

    fn is_recorded(&self, digest: &Digest) -> Result<bool, Fault> {
        let mut found = false;
        scan(self.store, Table::Digest, &keys::hash_number(&digest.0, 0), Direction::Up, |key, _| {
            found = key.starts_with(&digest.0);
            Ok::<_, Fault>(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// The names that certificates bear, too. Gives the service's address as they have it, for which the log's receipts
    /// were signed.
    fn identity(&mut self, stated: &Identity, genesis: &Genesis) -> String {
        let root = self.recorded_certificate(Authority::Root);
        let name = |id| root.as_ref().and_then(|root| root.subject_attribute(id));
        // The root names no place; the others name one under the address.
        let issuing = [Authority::Tsu, Authority::Server, Authority::Party].into_iter();
        let place = issuing.filter_map(|authority| self.recorded_certificate(authority)?.crl_place()).next();
        let place = place.and_then(|place| Some(place.split_once("/crl/")?.0.to_owned()));
        let fields = [
            ("origin", &stated.origin, Some(genesis.origin.clone())),
            ("public_url", &stated.public_url, place.clone()),
            ("country", &stated.country, name(oid::COUNTRY)),
            ("organisation", &stated.organisation, name(oid::ORGANIZATION)),
            ("organisation_identifier", &stated.organisation_identifier, name(oid::ORGANIZATION_IDENTIFIER)),
        ];
        for (field, stated, recorded) in fields {
            if let Some(recorded) = recorded.filter(|recorded| recorded != stated) {
                self.wrong("identity.json", format!("its {field} is {stated:?}, and {recorded:?} was recorded"));
            }
        }
        place.unwrap_or_else(|| stated.public_url.clone())
    }

    /// A certificate of `certs/`, if the ledger has it, too.
    fn recorded_certificate(&self, authority: Authority) -> Option<Certificate> {
        let certificate = self.folder.certificate(authority.name()).ok()?;
        self.is_recorded(&certificate.digest()).ok()?.then_some(certificate)
    }

    /// Every private key opens, is whole, and has the public half that the fact of its making names. True if one opened.
    fn keys(&mut self, config: &Config) -> bool {
        let passphrase = match config.keys.passphrase(|name| std::env::var_os(name)) {
            Ok(passphrase) => Passphrase::new(passphrase.expose().to_owned()),
            Err(error) => {
                self.not_checked.push(format!("keys/: {error}"));
                return false;
            }
        };
        let (mut opened, mut shut) = (0, Vec::new());
        for file in self.list("keys", ".p8") {
            let name = file.trim_start_matches("keys/").trim_end_matches(".p8");
            let Ok(id) = name.parse::<KeyId>() else {
                self.tell(Grade::Untold, &file, "its name is not that of a key");
                continue;
            };
            let Some(bytes) = self.bytes(&file) else { continue };
            let due = match self.public_half(id) {
                Ok(due) => due,
                Err(why) => {
                    self.tell(Grade::Untold, &file, why);
                    continue;
                }
            };
            let text = String::from_utf8_lossy(&bytes);
            let ours = pem::decode(KEY_LABEL, &text).unwrap_or_default();
            let ours: String = ours.iter().map(|der| pem::encode(KEY_LABEL, der)).collect();
            if ours.as_bytes() != bytes {
                self.wrong(&file, "it is not an encrypted key as semper init writes it");
                continue;
            }
            if id.purpose == KeyPurpose::ArchiveKek {
                let kek = open_secret_pem(&text, &passphrase).and_then(|key| Ok(SoftKek::new(id, key)?));
                match kek {
                    Err(fault) => shut.push((file, fault.to_string())),
                    Ok(kek) => {
                        opened += 1;
                        self.wrapping_key(&file, &kek, due);
                    }
                }
                continue;
            }
            match open_key_pem(&text, &passphrase) {
                Err(fault) => {
                    shut.push((file, fault.to_string()));
                    continue;
                }
                Ok(key) if Digest::of(key.spki_der()) != due => {
                    self.wrong(&file, "it is not the key whose making the ledger records");
                }
                Ok(key) if !key.is_consistent() => self.wrong(&file, "its private half does not fit its public half"),
                Ok(_) => {}
            }
            opened += 1;
        }
        for file in self.list("keys", ".p11") {
            let name = file.trim_start_matches("keys/").trim_end_matches(".p11");
            let id = name.parse::<KeyId>().map_err(|error| error.to_string());
            let told = id.and_then(|id| {
                let (_, spki) = self.folder.place_in_token(id).map_err(|error| error.to_string())?;
                Ok((Digest::of(&spki), self.public_half(id)?))
            });
            match told {
                Err(why) => self.tell(Grade::Untold, &file, why),
                Ok((found, due)) if found != due => {
                    self.wrong(&file, "it is not the key whose making the ledger records");
                }
                Ok(_) => self.not_checked.push(format!("{file}: its private half lies in a PKCS#11 token")),
            }
        }
        // One that does not open beside others that do is damaged; if none does, the passphrase may be another.
        let grade = if opened > 0 { Grade::False } else { Grade::Untold };
        for (file, why) in shut {
            self.tell(grade, &file, why);
        }
        opened > 0
    }

    /// It is the key whose making the ledger records, and every data key that it wrapped opens.
    fn wrapping_key(&mut self, file: &str, kek: &SoftKek, due: Digest) {
        if kek.check_value() != due {
            return self.wrong(file, "it is not the key whose making the ledger records");
        }
        let mut shut = Vec::new();
        // Rows that do not read are told where rows are walked.
        let _ = scan::<_, Fault>(self.store, Table::Key, &[], Direction::Up, |key, row| {
            if let (Ok(id), Some((_, wrapped))) = (key.try_into(), row.split_first_chunk::<8>()) {
                match kek.unwrap(DataKeyId(id), wrapped) {
                    Ok(_) | Err(WrapFault::OtherKey { .. }) => {}
                    Err(fault) => shut.push(format!("the data key {} does not open: {fault}", DataKeyId(id))),
                }
            }
            Ok(if shut.len() < SHUT_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        });
        shut.into_iter().for_each(|what| self.wrong(file, what));
    }

    /// SHA-256 of the public key, as the first fact of the key's history names it.
    fn public_half(&self, id: KeyId) -> Result<Digest, String> {
        let history = Aggregate::of_key(id);
        let row = |table, key: &[u8]| read(self.store, table, key).map_err(|fault| fault.to_string());
        let entry = row(Table::Aggregate, &keys::hash_number(&history.0, 0))?;
        let entry = entry.ok_or_else(|| "the ledger records no making of this key".to_owned())?;
        let fact = row(Table::Fact, &entry)?.ok_or_else(|| "the fact of its making is missing".to_owned())?;
        let fact = Fact::decode(&fact).map_err(|error| error.to_string())?;
        match OpsFact::from_fact(&fact) {
            Ok(OpsFact::KeyMade { key, public_key }) if key == id => Ok(public_key),
            _ => Err("its history does not begin with its making".to_owned()),
        }
    }
}
