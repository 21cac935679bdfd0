//! `semper keys import-ca`: an existing CA is taken over.
//!
//! Everything is read and judged before anything is written. Then, in this order: the ledger knows the CA; its key is kept; every
//! certificate is an entry, those that are revoked as such; the last list is one; the certificate lies in `certs/`, by which a start
//! finds the CA. A crash leaves a CA that no start knows yet, and the same command goes on where it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use semper_api::draft;
use semper_ledger::entry::{Tag, TagSpace, Tags};
use semper_ledger::sequencer::{Commit, Draft, RoleRow};
use semper_ttp::ca::credential::{CertificateState, Credential, CredentialEvent, Import, Revocation};
use semper_ttp::ca::crl::Revoked;
use semper_ttp::ca::imported::{LastList, Predecessor};
use semper_ttp::ca::{Authority, CaId, Crl, CrlEvent, CrlState, ListId};
use semper_ttp::crypto::{OsEntropy, Passphrase, Signer as _, SoftKey, read_key_pem};
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Aggregate, OpsFact, names};
use semper_ttp::role::{Role as _, Snapshot, encode_snapshot, step};
use semper_ttp::time::Timestamp;
use semper_ttp::timestamp::ClockVerdict;
use semper_ttp::x509::Certificate;
use serde_json::json;

use super::stopped::Stopped;
use crate::cli;
use crate::commands::pem_file::{bytes_of, certificate_of, certificates_of, decoded, read_certificate, refused};
use crate::commands::running::Failed;
use crate::commands::say;
use crate::config::Keys;
use crate::progress::Progress;

/// Certificates of one commit.
const GROUP: usize = 500;

/// How many certificates are named that cannot be taken over, before the rest is counted.
const SHOWN: usize = 10;

/// The clock was judged when the ledger was opened.
const CLOCK: ClockVerdict = ClockVerdict::Synced;

pub(super) fn run(args: &cli::KeysImportCa, as_json: bool) -> Result<(), Failed> {
    let certificate = certificate_of(&args.certificate)?;
    let key = key(args, &certificate)?;
    let files = files_of(&args.certificates)?;
    let stopped = Stopped::open(&args.data, args.config.as_deref())?;
    let (generation, is_known) = generation_of(&stopped, certificate.der())?;
    let ca = CaId { authority: Authority::Imported, generation };
    if is_known && stopped.folder.certificate_file(&ca.place()).exists() {
        return Err(Failed::usage(&format!("this CA was taken over before, as {}: nothing was changed", ca.place())));
    }
    let judged = Predecessor::judge(certificate, generation);
    let predecessor = judged.map_err(|fault| refused(&args.certificate, &fault))?;
    let last = last_list(&predecessor, &args.crl)?;
    let found = judge_certificates(&predecessor, &files, as_json)?;
    let taking = Taking { stopped, predecessor, last, found };
    taking.judge_list(&args.crl)?;

    taking.make_known(is_known)?;
    taking.keep_key(key.as_ref())?;
    taking.certificates(&files, as_json)?;
    taking.last_list()?;
    let Taking { stopped, predecessor, last, found } = taking;
    stopped.folder.keep_certificate(ca.key(), predecessor.certificate().der())?;

    let unknown = last.revoked.iter().filter(|(serial, _)| !found.contains_key(serial)).count();
    let (all, revoked, number) = (found.len() + unknown, last.revoked.len(), last.listed.number);
    if as_json {
        say::json(&json!({
            "ca": ca.place(),
            "key": ca.key().to_string(),
            "certificate_sha256": predecessor.certificate().digest().to_string(),
            "certificates": all,
            "revoked": revoked,
            "without_certificate": unknown,
            "crl_number": number,
        }));
        return Ok(());
    }
    say::out(format!(
        "{place}: taken over. {all} certificates are in the ledger, {revoked} of them revoked, {unknown} by their serial number alone; \
         the lists go on behind number {number}.\n\
         From the next start on it answers at /ocsp, and its list is at /crl/{place}.crl. Have the names in its certificates lead \
         there. The other CA must not issue or revoke anything more.",
        place = ca.place(),
    ));
    Ok(())
}

/// Every file that was named, and every file of the folders that were.
fn files_of(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failed> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).map_err(|error| refused(path, &error))?;
        let mut inside = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
        let inside = inside.as_mut().map_err(|error| refused(path, error))?;
        inside.retain(|path| path.is_file());
        inside.sort();
        files.append(inside);
    }
    Ok(files)
}

/// The private key, where a file has it.
fn key(args: &cli::KeysImportCa, certificate: &Certificate) -> Result<Option<SoftKey>, Failed> {
    let Some(path) = &args.key else { return Ok(None) };
    let passphrase = match &args.key_passphrase_file {
        None => None,
        Some(file) => {
            let keys = Keys { passphrase_file: Some(file.clone()), ..Keys::default() };
            let passphrase = keys.passphrase(|_| None).map_err(|error| Failed::usage(&error))?;
            Some(Passphrase::new(passphrase.expose().to_owned()))
        }
    };
    let text = zeroize::Zeroizing::new(String::from_utf8(bytes_of(path)?).map_err(|_| refused(path, &"is no PEM"))?);
    let key = read_key_pem(&text, passphrase.as_ref()).map_err(|fault| refused(path, &fault))?;
    if key.spki_der() != certificate.spki_der() {
        return Err(refused(path, &format!("is not the key of {}", args.certificate.display())));
    }
    Ok(Some(key))
}

/// Which one it is here, and whether the ledger knows it.
fn generation_of(stopped: &Stopped, der: &[u8]) -> Result<(u32, bool), Failed> {
    let reader = stopped.reader();
    let fault = |fault: semper_ledger::store::Fault| Failed::fault(&fault);
    for generation in 1..u32::MAX {
        match reader.step_index(&Predecessor::history_of(generation).0, 0).map_err(fault)? {
            None => return Ok((generation, false)),
            Some(index) if reader.artefact(index).map_err(fault)?.as_deref() == Some(der) => {
                return Ok((generation, true));
            }
            Some(_) => {}
        }
    }
    Err(Failed::usage(&"there are too many CAs that were taken over"))
}

fn last_list(predecessor: &Predecessor, path: &Path) -> Result<LastList, Failed> {
    match decoded(path, "X509 CRL")?.as_slice() {
        [der] => predecessor.last_list(der).map_err(|fault| refused(path, &fault)),
        _ => Err(refused(path, &"must hold exactly one list")),
    }
}

/// A certificate that was handed over.
struct Found {
    digest: Digest,
    not_after: Timestamp,
}

/// By serial number.
type AllFound = BTreeMap<Vec<u8>, Found>;

/// Reads all of them, and says of all that cannot be taken over why.
fn judge_certificates(predecessor: &Predecessor, files: &[PathBuf], as_json: bool) -> Result<AllFound, Failed> {
    let progress = Progress::new(as_json, "judging certificates", Some(files.len() as u64));
    let (mut found, mut faults, mut faulty) = (AllFound::new(), Vec::new(), 0);
    let mut tell = |path: &Path, why: String| {
        faulty += 1;
        if faults.len() < SHOWN {
            faults.push(format!("{}: {why}", path.display()));
        }
    };
    for path in files {
        for der in certificates_of(path)? {
            let certificate = match Certificate::from_der(&der) {
                Ok(certificate) => certificate,
                Err(fault) => {
                    tell(path, fault.to_string());
                    continue;
                }
            };
            // Some keep it beside what it issued.
            if certificate.der() == predecessor.certificate().der() {
                continue;
            }
            if let Err(fault) = predecessor.issued(&certificate, None, CLOCK) {
                tell(path, fault.to_string());
                continue;
            }
            let this = Found { digest: certificate.digest(), not_after: certificate.validity().not_after };
            let digest = this.digest;
            if found.insert(certificate.serial(), this).is_some_and(|other| other.digest != digest) {
                tell(path, format!("another certificate has serial number {}", hex::encode(certificate.serial())));
            }
        }
        progress.add(1);
    }
    if faulty == 0 {
        return Ok(found);
    }
    let more = if faulty > faults.len() { format!("\n  and {} more", faulty - faults.len()) } else { String::new() };
    Err(Failed::usage(&format!(
        "{faulty} certificates cannot be taken over, so nothing was written:\n  {}{more}",
        faults.join("\n  ")
    )))
}

/// What is taken over, once it is judged.
struct Taking {
    stopped: Stopped,
    predecessor: Predecessor,
    last: LastList,
    found: AllFound,
}

impl Taking {
    const fn list(&self) -> ListId {
        ListId { ca: self.predecessor.ca(), partition: 0 }
    }

    fn revoked(&self) -> BTreeMap<&[u8], Revocation> {
        self.last.revoked.iter().map(|(serial, revoked)| (serial.as_slice(), *revoked)).collect()
    }

    /// That the list will be taken, before anything is written.
    fn judge_list(&self, path: &Path) -> Result<(), Failed> {
        let end = self.predecessor.certificate().validity().not_after;
        let revoked = self.last.revoked.iter().map(|(serial, Revocation { at, reason })| Revoked {
            serial: serial.clone(),
            at: *at,
            reason: *reason,
            not_after: self.found.get(serial).map_or(end, |found| found.not_after),
        });
        let event =
            CrlEvent::Import { list: self.list(), listed: self.last.listed.clone(), revoked: revoked.collect() };
        let decided = Crl::decide(&CrlState::default(), &event, self.stopped.now());
        decided.map(drop).map_err(|refusal| refused(path, &refusal))
    }

    fn tags(digest: &Digest, is_revoked: bool) -> Tags {
        let tags = (0..=u64::from(is_revoked)).map(|n| Tag::new(TagSpace::Certificate, digest.as_bytes(), n));
        Tags::new(tags.collect()).expect("two different tags are not too many")
    }

    /// Key and CA become entries.
    fn make_known(&self, is_known: bool) -> Result<(), Failed> {
        if is_known {
            return Ok(());
        }
        let (now, key) = (self.stopped.now(), self.predecessor.ca().key());
        let certificate = self.predecessor.certificate();
        let made = OpsFact::KeyMade { key, public_key: Digest::of(&certificate.spki_der()) };
        let made = self.stopped.fact(made, (Aggregate::of_key(key), 0), Digest::of(b""), now)?;
        let known = (self.predecessor.history(), 0);
        let known = self.stopped.fact(self.predecessor.fact(), known, certificate.digest(), now)?;
        let tags = Self::tags(&certificate.digest(), false);
        let known = Draft { tags, ..draft(&known, Some(certificate.der().to_vec())) };
        let drafts = vec![draft(&made, None), known];
        self.stopped.append(Commit { idempotency: None, now_ms: now.millis(), drafts, rows: Vec::new() })?;
        Ok(())
    }

    fn keep_key(&self, key: Option<&SoftKey>) -> Result<(), Failed> {
        let id = self.predecessor.ca().key();
        if self.stopped.folder.has_key(id) {
            return Ok(());
        }
        match key {
            Some(key) => self.stopped.custody.seal(id, key, &OsEntropy)?,
            None => self.stopped.custody.adopt(id, &self.predecessor.certificate().spki_der())?,
        }
        Ok(())
    }

    /// Every certificate becomes an entry that is none yet.
    fn certificates(&self, files: &[PathBuf], as_json: bool) -> Result<(), Failed> {
        let revoked = self.revoked();
        let unknown = revoked.iter().filter(|(serial, _)| !self.found.contains_key(**serial));
        let unknown: Vec<_> =
            unknown.map(|(serial, revoked)| (self.predecessor.listed(serial, *revoked, CLOCK), None)).collect();
        let total = (self.found.len() + unknown.len()) as u64;
        let progress = Progress::new(as_json, "taking over", Some(total));
        let mut group = Vec::with_capacity(GROUP);
        for path in files {
            for der in certificates_of(path)? {
                let certificate = read_certificate(path, &der)?;
                let serial = certificate.serial();
                // What was judged, and nothing that came into the folder since.
                let is_judged = self.found.get(&serial).is_some_and(|found| found.digest == certificate.digest());
                if !is_judged {
                    continue;
                }
                let revoked = revoked.get(serial.as_slice()).copied();
                group.push((self.predecessor.import(&certificate, revoked, CLOCK), Some(der)));
                if group.len() >= GROUP {
                    self.append(std::mem::take(&mut group), &progress)?;
                }
            }
        }
        for one in unknown {
            group.push(one);
            if group.len() >= GROUP {
                self.append(std::mem::take(&mut group), &progress)?;
            }
        }
        self.append(group, &progress)
    }

    fn append(&self, group: Vec<(Import, Option<Vec<u8>>)>, progress: &Progress) -> Result<(), Failed> {
        let (now, mut drafts) = (self.stopped.now(), Vec::new());
        let mut taken = std::collections::BTreeSet::new();
        for (import, der) in group {
            progress.add(1);
            let history = import.ca.certificate(&import.serial);
            let there = self.stopped.reader().last_step(&history.0).map_err(|fault| Failed::fault(&fault))?;
            if there.is_some() || !taken.insert(history) {
                continue;
            }
            let (certificate, is_revoked) = (import.certificate, import.revoked.is_some());
            let event = CredentialEvent::Import(import);
            let mut state = CertificateState::None;
            let (facts, _) = step::<Credential>(&mut state, &event, now).map_err(|refusal| Failed::fault(&refusal))?;
            for fact in facts {
                let fact = self.stopped.fact(fact, (history, 0), event.digest(), now)?;
                let tags = certificate.map_or_else(Tags::default, |digest| Self::tags(&digest, is_revoked));
                drafts.push(Draft { tags, ..draft(&fact, der.clone()) });
            }
        }
        if !drafts.is_empty() {
            self.stopped.append(Commit { idempotency: None, now_ms: now.millis(), drafts, rows: Vec::new() })?;
        }
        Ok(())
    }

    /// The last list becomes the first one here, once the ledger has all that it names.
    fn last_list(&self) -> Result<(), Failed> {
        let history = self.list().aggregate();
        let fault = |fault: semper_ledger::store::Fault| Failed::fault(&fault);
        if self.stopped.reader().last_step(&history.0).map_err(fault)?.is_some() {
            return Ok(());
        }
        let mut revoked = Vec::new();
        self.stopped
            .reader()
            .names(&names::revoked(self.list()), |name, _| {
                revoked.extend(names::read_revoked(name).map(Revoked::from));
                Ok(std::ops::ControlFlow::Continue(()))
            })
            .map_err(fault)?;
        let (now, listed) = (self.stopped.now(), self.last.listed.clone());
        let event = CrlEvent::Import { list: self.list(), listed, revoked };
        let mut snapshot = Snapshot::<CrlState>::default();
        let (facts, _) = step::<Crl>(&mut snapshot.state, &event, now).map_err(|refusal| Failed::fault(&refusal))?;
        snapshot.next_seq = 1;
        let mut drafts = Vec::new();
        for fact in facts {
            let fact = self.stopped.fact(fact, (history, 0), Digest::of(&event.encode()), now)?;
            drafts.push(draft(&fact, Some(self.last.der.clone())));
        }
        let rows = vec![RoleRow::Snapshot { aggregate: history.0, bytes: encode_snapshot::<Crl>(&snapshot) }];
        self.stopped.append(Commit { idempotency: None, now_ms: now.millis(), drafts, rows })?;
        Ok(())
    }
}
