//! A run's folder, and the register of runs beside it.
//!
//! ```text
//! exchange-runs                     beside the folders, for each offer that was answered there: x, c_o and the folder's name
//! 5d41402abc4b2a76.exchange/        0700
//!   state.json      0600            all there is of the run; replaced whole, synced, before anything leaves
//!   settings.json                   with which files and at which service it goes on
//!   contract, contract.salt         the contract's text, and what stands in front of it in its hash
//!   content, message                of a delivery: as it travels, sealed; what is in it, once that is known here
//!   lock                            held by the one command that works on the run
//!   m1.jws or d1.jws … verdict.jws, answer.jws       copies of what is in state.json, for whoever judges
//!   verdict.jws.tlog-proof, answer.jws.tlog-proof, outage-1.fact, outage-1.fact.tlog-proof …
//!   m1.jws.tst, m2.jws.tst          when statements of the other side were there
//!   o.pem, r.pem, arbiter.pem, escrow.pem            whose keys these are
//!   send-m1.json …                  messages for the other side
//!   submit.jws, evidence-A.1.jws …  of a registered delivery, with proofs; policy.json, by which they follow
//!   receipt-0c9d….jws, status-5e7a….jws              what the arbiter has promised, and what it said of the run when it was asked
//!   given, received, returned       of a swap through the arbiter: what is left there, and what came back
//! ```
//!
//! What a crash leaves: the old state or the new one, and fewer copies than the state has, which the next command writes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use semper_ledger::disk;
use semper_ttp::asn1::pem;
use semper_ttp::b64u;
use semper_ttp::client::dossier::{Certificates, DOSSIER_BYTES_MAX, Dossier, Goal, Piece};
use semper_ttp::client::message::{CONTENT_BYTES_MAX, Message};
use semper_ttp::client::party::Party;
use semper_ttp::client::pay::dossier::PaymentDossier;
use semper_ttp::client::swap::dossier::SwapDossier;
use semper_ttp::digest::Digest;
use semper_ttp::statement::exchange::Side;
use semper_ttp::statement::{Jws, STATEMENT_BYTES_MAX};

use super::settings::Settings;
use crate::commands::atomic;
use crate::commands::running::Failed;
use crate::exit::Exit;

const STATE: &str = "state.json";
const SETTINGS: &str = "settings.json";
/// What goes with the first message.
const CONTRACT: &str = "contract";
const CONTENT: &str = "content";
const CONTRACT_SALT: &str = "contract.salt";
/// What was delivered.
const MESSAGE: &str = "message";
const LOCK: &str = "lock";
const REGISTER: &str = "exchange-runs";
/// How folders of runs end, and what stands behind that while they are made.
const ENDING: &str = "exchange";
const BEING_MADE: &str = ".new";

/// The longest register, octets: a hundred thousand runs.
const REGISTER_BYTES_MAX: usize = 16 << 20;
const SETTINGS_BYTES_MAX: usize = 64 << 10;

/// The folder of a run, which nobody else works on.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Failed {
    Failed::usage(&format!("{}: {error}", path.display()))
}

/// The folder of a run that is called after it, in `parent`.
pub(super) fn named_after(parent: &Path, x: &Digest) -> PathBuf {
    parent.join(format!("{}.{ENDING}", hex::encode(&x.0[..8])))
}

const fn beside_of(party: &Party) -> &'static str {
    match party.dossier().goal() {
        Goal::Contract => CONTRACT,
        Goal::Delivery => CONTENT,
    }
}

/// Whether there is a run in this folder. One that is still being made, or was when its command was killed, is none.
pub(super) fn is_run(path: &Path) -> bool {
    !path.to_string_lossy().ends_with(BEING_MADE) && path.join(STATE).is_file()
}

/// Whether the run in this folder is one of items through the arbiter.
pub(super) fn is_swap(path: &Path) -> bool {
    is_of_type(path, SwapDossier::TYPE)
}

/// Whether it is a payment.
pub(super) fn is_payment(path: &Path) -> bool {
    is_of_type(path, PaymentDossier::TYPE)
}

fn is_of_type(path: &Path, type_of: &str) -> bool {
    let state = disk::read_at_most(&path.join(STATE), DOSSIER_BYTES_MAX).ok().flatten();
    let state = state.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    state.is_some_and(|state| state["t"] == type_of)
}

/// Where a folder lies.
pub(super) fn parent_of(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// Whether a new folder can be made there.
pub(super) fn require_free(path: &Path) -> Result<(), Failed> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(failed(path, &"it is there already: name another folder with --run")),
        Err(_) => Ok(()),
    }
}

impl Folder {
    /// A new one, with everything in it before it has this name.
    pub(super) fn create(path: &Path, party: &Party, settings: &Settings, beside: &[u8]) -> Result<Self, Failed> {
        Self::make(path, settings, (beside_of(party), beside), |folder| folder.store(party))
    }

    /// The same of any run, with what goes beside it, and whatever `fill` puts there.
    pub(super) fn make(
        path: &Path,
        settings: &Settings,
        (name, beside): (&str, &[u8]),
        fill: impl FnOnce(&Self) -> Result<(), Failed>,
    ) -> Result<Self, Failed> {
        let io = |error: std::io::Error| failed(path, &error);
        require_free(path)?;
        let mut part = path.file_name().unwrap_or_default().to_owned();
        part.push(BEING_MADE);
        let part = path.with_file_name(part);
        if part.exists() {
            // Left behind by a command that was killed, unless that one still works on it: nothing of it has left.
            let left = Self::lock(&part)?;
            fs::remove_dir_all(&part).map_err(|error| failed(&part, &error))?;
            drop(left);
        }
        crate::data::make_folder(&part, 0o700).map_err(|error| Failed::usage(&error))?;
        let folder = Self::lock(&part)?;
        atomic::write_new(&part.join(name), beside).map_err(io)?;
        let text = serde_json::to_vec_pretty(settings).map_err(|error| Failed::fault(&error))?;
        atomic::write_new(&part.join(SETTINGS), &text).map_err(io)?;
        fill(&folder)?;
        rustix::fs::renameat_with(rustix::fs::CWD, &part, rustix::fs::CWD, path, rustix::fs::RenameFlags::NOREPLACE)
            .map_err(|error| failed(path, &error))?;
        disk::sync_folder(&parent_of(path)).map_err(|error| Failed::fault(&error))?;
        Ok(Self { path: path.to_owned(), ..folder })
    }

    /// One that is there.
    pub(super) fn open(path: &Path) -> Result<Self, Failed> {
        if !is_run(path) {
            return Err(failed(path, &"there is no run in this folder (no state.json)"));
        }
        Self::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, Failed> {
        let name = path.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&name);
        let file = file.map_err(|error| failed(&name, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: file }),
            Err(TryLockError::WouldBlock) => {
                Err(Failed(Exit::Busy, format!("{}: another command works on this run", path.display())))
            }
            Err(TryLockError::Error(error)) => Err(failed(&name, &error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The party as it stands on the disk.
    pub(super) fn load(&self) -> Result<Party, Failed> {
        let path = self.path.join(STATE);
        let bytes = self.read(STATE, DOSSIER_BYTES_MAX)?;
        let dossier = Dossier::parse(&bytes).map_err(|fault| failed(&path, &fault))?;
        let party = Party::open(dossier).map_err(|stays| failed(&path, &stays))?;
        // Copies that a crash has kept from being written.
        self.copy(&party)?;
        Ok(party)
    }

    pub(super) fn settings(&self) -> Result<Settings, Failed> {
        let bytes = self.read(SETTINGS, SETTINGS_BYTES_MAX)?;
        serde_json::from_slice(&bytes).map_err(|error| failed(&self.path.join(SETTINGS), &error))
    }

    /// What goes with the first message: the contract's text, or the sealed content of a delivery.
    pub(super) fn beside(&self, party: &Party) -> Result<Vec<u8>, Failed> {
        self.read(beside_of(party), CONTENT_BYTES_MAX)
    }

    /// Where what was delivered lies, once it does.
    pub(super) fn delivered(&self) -> Option<PathBuf> {
        Some(self.path.join(MESSAGE)).filter(|path| path.is_file())
    }

    /// Keeps what an originator delivers.
    pub(super) fn keep_message(&self, message: &[u8]) -> Result<(), Failed> {
        self.write(MESSAGE, message)
    }

    pub(super) fn read(&self, name: &str, bytes_max: usize) -> Result<Vec<u8>, Failed> {
        let path = self.path.join(name);
        match disk::read_at_most(&path, bytes_max).map_err(|error| Failed::usage(&error))? {
            None => Err(failed(&path, &"it is not there")),
            Some(bytes) if bytes.len() > bytes_max => Err(failed(&path, &"it is too long")),
            Some(bytes) => Ok(bytes),
        }
    }

    /// A statement that was kept beside the state, if it was.
    pub(super) fn read_word(&self, name: &str) -> Result<Option<Jws>, Failed> {
        let path = self.path.join(name);
        let Some(bytes) = disk::read_at_most(&path, STATEMENT_BYTES_MAX).map_err(|error| Failed::usage(&error))? else {
            return Ok(None);
        };
        Jws::parse(&bytes).map(Some).map_err(|fault| failed(&path, &fault))
    }

    /// Puts something in the place of what an earlier command left there.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        let path = self.path.join(name);
        atomic::replace(&path, bytes).map_err(|error| failed(&path, &error))
    }

    /// The step: on return the new state is on the disk, and what follows from it may leave.
    pub(super) fn store(&self, party: &Party) -> Result<(), Failed> {
        self.replace_state(&party.dossier().to_bytes())?;
        self.copy(party)
    }

    pub(super) fn replace_state(&self, bytes: &[u8]) -> Result<(), Failed> {
        let path = self.path.join(STATE);
        atomic::replace_closed(&path, bytes).map_err(|error| Failed::fault(&format!("{}: {error}", path.display())))
    }

    /// What is kept of the run, as it lies there.
    pub(super) fn state(&self, bytes_max: usize) -> Result<Vec<u8>, Failed> {
        self.read(STATE, bytes_max)
    }

    /// Files for people and judges; what is right is in the state.
    fn copy(&self, party: &Party) -> Result<(), Failed> {
        let dossier = party.dossier();
        for piece in Piece::ALL {
            let Some(statement) = dossier.statement(piece) else { continue };
            self.write(&format!("{}.jws", piece.name(dossier.goal())), statement.as_bytes())?;
            if let Some(token) = dossier.token(piece) {
                self.write(&format!("{}.jws.tst", piece.name(dossier.goal())), token)?;
            }
        }
        self.copy_certificates(&dossier.certificates)?;
        if party.side() == Side::Responder
            && dossier.goal() == Goal::Delivery
            && let Some(Ok(message)) = party.delivered(&self.beside(party)?)
        {
            self.write(MESSAGE, message.text())?;
        }
        if let Some(salt) = dossier.terms_salt() {
            self.write(CONTRACT_SALT, b64u::encode(&salt).as_bytes())?;
        }
        let Some(proofs) = &dossier.proofs else { return Ok(()) };
        self.write("verdict.jws.tlog-proof", proofs.verdict.as_bytes())?;
        self.write("answer.jws.tlog-proof", proofs.answer.as_bytes())?;
        for (number, (fact, proof)) in (1..).zip(&proofs.outages) {
            self.write(&format!("outage-{number}.fact"), &fact.0)?;
            self.write(&format!("outage-{number}.fact.tlog-proof"), proof.as_bytes())?;
        }
        Ok(())
    }

    pub(super) fn copy_certificates(&self, certificates: &Certificates) -> Result<(), Failed> {
        let Certificates { o, r, arbiter, escrow } = certificates;
        for (name, chain) in [("o", o), ("r", r), ("arbiter", arbiter), ("escrow", escrow)] {
            if chain.is_empty() {
                continue;
            }
            let text: String = chain.iter().map(|der| pem::encode("CERTIFICATE", &der.0)).collect();
            self.write(&format!("{name}.pem"), text.as_bytes())?;
        }
        Ok(())
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        let path = self.path.join(name);
        // Most of them were written by an earlier command.
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        atomic::write_new(&path, bytes).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => failed(&path, &"it is not what state.json says: move it away"),
            _ => failed(&path, &error),
        })
    }

    /// Keeps what the arbiter or the other side sent and what counts for nothing in the run: it may convict its sender. Gives its name.
    pub(super) fn keep_evidence(&self, what: &str, bytes: &[u8]) -> Result<PathBuf, Failed> {
        let path = self.path.join(format!("refused-{what}-{}", &Digest::of(bytes).to_string()[..16]));
        atomic::write_new(&path, bytes).map_err(|error| failed(&path, &error))?;
        Ok(path)
    }

    /// Keeps what the arbiter has signed about the run beside its verdict: a receipt, a status. Gives its name.
    pub(super) fn keep_word(&self, what: &str, word: &Jws) -> Result<PathBuf, Failed> {
        let name = format!("{what}-{}.jws", &word.digest().to_string()[..16]);
        self.write(&name, word.bytes())?;
        Ok(self.path.join(name))
    }

    /// Writes a message for the other side; gives the file.
    pub(super) fn put_message(&self, message: &Message) -> Result<PathBuf, Failed> {
        let tag = message.statement.tag();
        let name = format!("send-{}.json", tag.rsplit('/').next().unwrap_or(tag));
        self.write(&name, &message.to_bytes())?;
        Ok(self.path.join(name))
    }
}

/// The register of runs in a folder: what was answered once is never answered again, whatever becomes of the run's own folder.
///
/// `begin x c_o name` stands in it before the run's folder is made, `run x c_o name` after that and before the answer leaves. So an offer
/// with the first line alone was never answered, as far as anybody outside knows: its folder is adopted, or it is begun anew.
pub(super) struct Register {
    path: PathBuf,
    file: File,
    lines: Vec<[String; 4]>,
}

const BEGIN: &str = "begin";
const RUN: &str = "run";

/// What is known of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing of it has left; its folder may be there.
    Begun(String),
    /// It was answered.
    Answered(String),
}

impl Register {
    /// Opens it, alone.
    pub(super) fn open(parent: &Path) -> Result<Self, Failed> {
        let path = parent.join(REGISTER);
        let io = |error: std::io::Error| failed(&path, &error);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(io)?;
        file.lock().map_err(io)?;
        disk::sync_folder(parent).map_err(|error| Failed::usage(&error))?;
        let bytes = disk::read_at_most(&path, REGISTER_BYTES_MAX).map_err(|error| Failed::usage(&error))?;
        let bytes = bytes.filter(|bytes| bytes.len() <= REGISTER_BYTES_MAX);
        let bytes = bytes.ok_or_else(|| failed(&path, &"it is too long"))?;
        let text = String::from_utf8(bytes).map_err(|_| failed(&path, &"it is not text"))?;
        // A line that a crash has cut off: what it was to tell of has not happened.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let words = |line: &str| -> Option<[String; 4]> {
            let words: Vec<_> = line.splitn(4, ' ').map(str::to_owned).collect();
            words.try_into().ok()
        };
        let lines = whole.lines().filter_map(words).collect();
        let is_cut = !text.is_empty() && !text.ends_with('\n');
        let mut register = Self { path, file, lines };
        if is_cut {
            register.append(b"\n")?;
        }
        Ok(register)
    }

    /// What is known of a run of this name, or of one with this commitment of its originator.
    pub(super) fn find(&self, x: &Digest, c_o: &Digest) -> Option<Known> {
        let (x, c_o) = (b64u::encode(&x.0), b64u::encode(&c_o.0));
        let of = |kind: &str| {
            let mut lines = self.lines.iter().rev();
            lines.find(|[is, known, commitment, _]| is == kind && (*known == x || *commitment == c_o))
        };
        let answered = of(RUN).map(|[.., name]| Known::Answered(name.clone()));
        answered.or_else(|| of(BEGIN).map(|[.., name]| Known::Begun(name.clone())))
    }

    /// Tells that a run is about to begin; durable on return.
    pub(super) fn begin(&mut self, x: &Digest, c_o: &Digest, folder: &Path) -> Result<(), Failed> {
        self.add(BEGIN, x, c_o, folder)
    }

    /// Tells that its folder is there, so that the answer may leave; durable on return.
    pub(super) fn answered(&mut self, x: &Digest, c_o: &Digest, folder: &Path) -> Result<(), Failed> {
        self.add(RUN, x, c_o, folder)
    }

    fn add(&mut self, kind: &str, x: &Digest, c_o: &Digest, folder: &Path) -> Result<(), Failed> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().replace(['\n', '\r'], " ");
        let line = [kind.to_owned(), b64u::encode(&x.0), b64u::encode(&c_o.0), name];
        self.append(format!("{}\n", line.join(" ")).as_bytes())?;
        self.lines.push(line);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let done = self.file.write_all(bytes).and_then(|()| self.file.sync_all());
        done.map_err(|error| failed(&self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(octet: u8) -> Digest {
        Digest([octet; 32])
    }

    #[test]
    fn what_was_answered_is_known_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let mut register = Register::open(dir.path()).unwrap();
        assert_eq!(register.find(&digest(1), &digest(2)), None);
        register.begin(&digest(1), &digest(2), Path::new("a/run one")).unwrap();
        drop(register);
        let mut register = Register::open(dir.path()).unwrap();
        assert_eq!(register.find(&digest(1), &digest(9)), Some(Known::Begun("run one".to_owned())));
        register.answered(&digest(1), &digest(2), Path::new("run one")).unwrap();
        register.begin(&digest(1), &digest(2), Path::new("run two")).unwrap();
        drop(register);
        let register = Register::open(dir.path()).unwrap();
        for (x, c_o) in [(1, 2), (1, 9), (9, 2)] {
            assert_eq!(register.find(&digest(x), &digest(c_o)), Some(Known::Answered("run one".to_owned())));
        }
        assert_eq!(register.find(&digest(2), &digest(1)), None);
    }

    #[test]
    fn a_line_that_was_cut_off_spoils_no_other() {
        let dir = tempfile::tempdir().unwrap();
        Register::open(dir.path()).unwrap().answered(&digest(1), &digest(2), Path::new("one")).unwrap();
        let path = dir.path().join(REGISTER);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}run AAAA BB")).unwrap();
        let mut register = Register::open(dir.path()).unwrap();
        assert!(register.find(&digest(1), &digest(9)).is_some());
        register.answered(&digest(3), &digest(4), Path::new("three")).unwrap();
        drop(register);
        let register = Register::open(dir.path()).unwrap();
        assert_eq!(register.find(&digest(3), &digest(9)), Some(Known::Answered("three".to_owned())));
    }

    #[test]
    fn one_command_at_a_time_works_on_a_run() {
        let dir = tempfile::tempdir().unwrap();
        let held = Folder::lock(dir.path()).unwrap();
        assert_eq!(Folder::lock(dir.path()).unwrap_err().0, Exit::Busy);
        drop(held);
        assert!(Folder::lock(dir.path()).is_ok());
        assert_eq!(Folder::open(dir.path()).unwrap_err().0, Exit::Usage, "no run in it");
    }
}
