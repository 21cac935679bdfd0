//! `semper fsck`: is the ledger in this folder sound? Reads everything, writes nothing.
//!
//! All judging is `semper_ledger::fsck`; this file opens the folder, says what facts mean, and tells what came out. It
//! ends with 0 (sound), 1 (something is wrong) or 2 (could not tell: something that the answer needs is missing).
//!
//! The store is opened read-only, so that what a fault left stays as it is. A torn slot of the anchor, or a store one
//! group ahead of it, is what a power cut leaves; the next start of `serve` repairs both, so check after it, not before.
//!
//! Of a folder that is marked read-only, what it holds is checked, and the mark is told. What lies in `evidence/` is judged, too: a
//! store can be sound and its ledger convicted.

mod files;
pub(super) mod outside;

use std::time::Instant;

use semper_ledger::anchor::file::{FileAnchor, Slot};
use semper_ledger::erasure::{Journal as _, KeyRef};
use semper_ledger::fsck::{self, FactView, Facts, Finding, Full, Grade, Place, Report, Work};
use semper_ledger::ledger;
use semper_ledger::store::Fault;
use semper_ledger::store::rocks::{OpenError, RocksStore};
use semper_ttp::crypto::LogVerifier;
use semper_ttp::evidence::{Fact, names};
use semper_ttp::role::fold_snapshot;
use semper_ttp::vault;
use serde_json::{Value, json};

use files::{FileFinding, Files};

use super::running::Failed;
use super::say;
use crate::cli::Fsck;
use crate::config::Config;
use crate::data::{DataError, DataFolder, ReadOnly, StoreLock, keep_promises, read_genesis, rocks_settings};
use crate::exit::Exit;
use crate::progress::Progress;

/// Findings that are shown; all are counted.
const FINDINGS_MAX: usize = 200;

/// Runs the command.
pub(crate) fn run(args: Fsck, json: bool) -> Exit {
    let started = Instant::now();
    match check(&args, json) {
        Ok(checked) => {
            let seconds = started.elapsed().as_secs_f64();
            if json {
                say::json(&as_json(&args, &checked, seconds));
            } else {
                say::out(as_text(&checked, seconds));
            }
            checked.exit()
        }
        Err(why) => {
            let exit = exit_of(&why);
            let what = if exit == Exit::Busy { "not checked" } else { "could not tell" };
            say::trouble(json, format_args!("{what}: {why}"));
            exit
        }
    }
}

/// What came out.
enum Checked {
    /// The store was read.
    Report { files: Files, report: Box<Report>, checked: Vec<&'static str>, read_only: Option<Box<ReadOnly>> },
    /// The database says that it is damaged: its words, which name the file.
    Damaged(String),
}

impl Checked {
    fn exit(&self) -> Exit {
        match self {
            Self::Damaged(_) => Exit::Falsified,
            Self::Report { files, report, .. } => match counts(files, report) {
                (0, 0) => Exit::Ok,
                (0, _) => Exit::Undecided,
                _ => Exit::Falsified,
            },
        }
    }
}

/// Findings of rows and of files: what is wrong, what could not be told.
fn counts(files: &Files, report: &Report) -> (u64, u64) {
    let of = |grade| files.findings.iter().filter(|finding| finding.grade == grade).count() as u64;
    (report.falsehoods + of(Grade::False), report.untold + of(Grade::Untold))
}

/// What is lost or damaged outside the ledger leaves its soundness untold.
fn exit_of(why: &DataError) -> Exit {
    match why.exit() {
        Exit::Fault => Exit::Undecided,
        other => other,
    }
}

fn check(args: &Fsck, json: bool) -> Result<Checked, DataError> {
    let folder = DataFolder::open(&args.data)?;
    let mut config = folder.config(args.config.as_deref())?;
    // The anchor's lock first: a server that runs holds it, and its store must not be read under it.
    let anchor = match folder.open_anchor(&config.ledger) {
        Ok(anchor) => Some(anchor),
        // The rest can still be checked.
        Err(DataError::AnchorLost(_) | DataError::AnchorRetired { .. }) => None,
        Err(error) => return Err(error),
    };
    let slots = anchor.as_ref().map(FileAnchor::slots).transpose()?;
    // Then the store's, in case that these settings name another anchor than the server's.
    let _lock = StoreLock::take(&folder.path("store"))?;
    let mark = folder.read_only()?;
    // An anchor that knows more than there is here is what the mark is about.
    let beyond = mark.as_ref().and_then(|mark| outside::beyond(mark, slots.as_ref()));
    let slots = slots.filter(|_| beyond.is_none());
    let mut checked = check_store(&folder, &mut config, slots, args.full, json)?;
    if let Checked::Report { files, report, read_only, .. } = &mut checked {
        if let Some(mark) = &mark {
            if beyond.is_some() {
                leave_out_anchor(report);
                files
                    .not_checked
                    .push("the anchor and the erasure journal: they go on where this folder ends".to_owned());
            }
            outside::mark(mark, beyond.flatten(), files, report);
        }
        outside::evidence(&folder, &config, mark.as_ref(), files);
        *read_only = mark.map(Box::new);
    }
    Ok(checked)
}

/// Checks the store and the files beside it; the caller holds the locks.
fn check_store(
    folder: &DataFolder,
    config: &mut Config,
    slots: Option<[Slot; 2]>,
    full: bool,
    json: bool,
) -> Result<Checked, DataError> {
    let anchored = slots.is_some();
    let store = match open_store(folder, config) {
        Ok(store) => store,
        Err(OpenError::Failed { message, .. }) if is_damage(&message) => return Ok(Checked::Damaged(message)),
        Err(error @ OpenError::LostTables { .. }) => return Ok(Checked::Damaged(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    // Without a genesis that reads, which is a finding of its own, decisions are held to the usual delay.
    if let Ok(genesis) = read_genesis(&store) {
        keep_promises(config, &genesis)?;
    }
    let files = files::check(folder, config, &store, full)?;
    let log_damage = RocksStore::log_damage(&folder.path("store"), &rocks_settings(&config.ledger));
    let progress = Progress::new(json, "checking", Some(0));
    let advance = |done, total| {
        progress.set_total(total);
        progress.set(done);
    };
    let journal = folder.journal(&config.ledger, files.identity.origin());
    let slots_asked = anchored; // they lie beside each other, and neither is in a copy
    let facts = Full { facts: &StoredFacts, mmd_ms: config.ledger.mmd_ms() };
    let report = fsck::Fsck {
        store: &store,
        identity: &files.identity,
        verifier: &LogVerifier,
        anchor: slots,
        erasures: slots_asked.then(|| journal.load().map_err(|error| error.to_string())),
        log_damage: log_damage.as_deref(),
        full: full.then_some(facts),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        findings_max: FINDINGS_MAX,
        progress: &advance,
        work: Work::default(),
    }
    .run();
    progress.finish();
    let checked = scope(full, &files, anchored);
    Ok(Checked::Report { files, report: Box::new(report), checked, read_only: None })
}

/// What a copy turned out to be: a sound ledger.
pub(super) struct Sound {
    size: u64,
    root: String,
    /// What was left out, and why.
    pub(super) not_checked: Vec<String>,
}

impl Sound {
    /// # Errors
    /// It is not the ledger that was expected.
    pub(super) fn matches(&self, size: u64, root: &str) -> Result<(), Failed> {
        if (self.size, self.root.as_str()) == (size, root) {
            return Ok(());
        }
        let what = format!("the store has {} entries and root {}, and not {size} and {root}", self.size, self.root);
        Err(Failed(Exit::Falsified, what))
    }
}

/// Checks a copy of a data folder as `--full` does; its anchor is not in it, so whether it is the newest is nobody's question
/// here.
///
/// # Errors
/// It is not sound, or that could not be told: what was found, at most ten things of it.
pub(super) fn check_copy(folder: &DataFolder, config: &Config, json: bool) -> Result<Sound, Failed> {
    let mut config = config.clone();
    let checked = check_store(folder, &mut config, None, true, json)?;
    let (files, report) = match checked {
        Checked::Damaged(words) => {
            return Err(Failed(Exit::Falsified, format!("the store does not open: {words}")));
        }
        Checked::Report { files, mut report, .. } => {
            leave_out_anchor(&mut report);
            (files, report)
        }
    };
    let exit = match counts(&files, &report) {
        (0, 0) => {
            let (size, root) = (report.size, hex::encode(report.root));
            return Ok(Sound { size, root, not_checked: files.not_checked });
        }
        (0, _) => Exit::Undecided,
        _ => Exit::Falsified,
    };
    let mut found: Vec<_> =
        files.findings.iter().map(|finding| format!("{}: {}", finding.file, finding.what)).collect();
    found.extend(report.findings.iter().map(ToString::to_string));
    found.truncate(10);
    Err(Failed(exit, format!("the ledger is not sound: {}", found.join("; "))))
}

/// Where the anchor was not asked, that there is none is the one thing that is said of it.
fn leave_out_anchor(report: &mut Report) {
    let about_anchor = |finding: &Finding| finding.place == Place::Anchor;
    report.untold -= report.findings.iter().filter(|finding| about_anchor(finding)).count() as u64;
    report.findings.retain(|finding| !about_anchor(finding));
}

/// Opens the store without changing a byte of it; the caller holds the anchor's lock.
pub(super) fn open_store(folder: &DataFolder, config: &Config) -> Result<RocksStore, OpenError> {
    RocksStore::open_read_only(&folder.path("store"), &rocks_settings(&config.ledger))
}

/// Whether a ledger that does not open is false, and not merely out of reach.
pub(super) fn is_falsity(error: &ledger::OpenError) -> bool {
    use ledger::OpenError;
    matches!(
        error,
        OpenError::Origin { .. }
            | OpenError::Signature { .. }
            | OpenError::Root { .. }
            | OpenError::Entries
            | OpenError::AnchorOrigin
            | OpenError::RolledBack { .. }
            | OpenError::Forked { .. }
            | OpenError::Fault(Fault::Corrupt { .. })
    )
}

/// RocksDB has one error type; its first word tells damage from trouble with the machine.
pub(super) fn is_damage(message: &str) -> bool {
    message.starts_with("Corruption") || message.contains("No such file")
}

/// Facts as `ttp` writes them.
struct StoredFacts;

impl Facts for StoredFacts {
    fn read(&self, fact: &[u8]) -> Result<FactView, String> {
        let fact = Fact::decode(fact).map_err(|error| error.to_string())?;
        Ok(FactView {
            role: fact.kind.role().code(),
            kind: fact.kind.code(),
            now_ms: fact.now.millis(),
            step: fact.step().map(|(aggregate, seq)| (aggregate.0, seq)),
            counter: fact.counter(),
            names: names::of(&fact),
        })
    }

    fn fold(&self, facts: &[Vec<u8>]) -> Result<Option<Vec<u8>>, String> {
        let facts: Result<Vec<_>, _> = facts.iter().map(|fact| Fact::decode(fact)).collect();
        fold_snapshot(&facts.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
    }

    fn sealed_under(&self, artefact: &[u8]) -> Option<KeyRef> {
        vault::key_of(artefact).map(|key| key.0)
    }
}

/// What was looked at, whatever came out.
fn scope(full: bool, files: &Files, anchored: bool) -> Vec<&'static str> {
    let mut looked = vec!["entries", "tiles", "roots", "times", "tags"];
    looked.push(if full { "all signatures" } else { "newest checkpoint" });
    if full {
        looked.extend(["facts", "artefacts", "indexes", "state", "data keys"]);
    }
    let rest = [(anchored, "anchor"), (files.compared, "files"), (files.keys_opened, "keys")];
    looked.extend(rest.iter().filter(|(was, _)| *was).map(|(_, what)| *what));
    looked
}

fn as_text(checked: &Checked, seconds: f64) -> String {
    let (files, report, looked, read_only) = match checked {
        Checked::Damaged(words) => return format!("damaged: the store does not open: {words}"),
        Checked::Report { files, report, checked, read_only } => (files, report, checked, read_only),
    };
    let mark = read_only.as_ref().map(|mark| format!("READ-ONLY: {mark}\n")).unwrap_or_default();
    let mut text = format!(
        "{mark}{}: {} entries in {} groups, root {}\nchecked in {seconds:.1} s: {}\n",
        files.identity.origin(),
        report.size,
        report.groups,
        hex::encode(report.root),
        looked.join(", ")
    );
    files.not_checked.iter().for_each(|what| text.push_str(&format!("not checked: {what}\n")));
    for (first, end) in &report.lost {
        text.push_str(&format!(
            "note: the facts and artefacts of entries {first} to {} are lost since a restore, which is known\n",
            end - 1
        ));
    }
    for finding in &files.findings {
        text.push_str(&format!("  {:<8} {}: {}\n", grade(finding.grade), finding.file, finding.what));
    }
    for finding in &report.findings {
        text.push_str(&format!("  {:<8} {finding}\n", grade(finding.grade)));
    }
    let all = report.falsehoods + report.untold;
    if all > report.findings.len() as u64 {
        text.push_str(&format!("  … and {} more\n", all - report.findings.len() as u64));
    }
    text.push_str(&match counts(files, report) {
        (0, 0) if read_only.is_some() => "sound, for what it holds".to_owned(),
        (0, 0) => "sound".to_owned(),
        (0, untold) => format!("nothing is wrong, but {untold} could not be told"),
        (falsehoods, 0) if falsehoods == outside::count(files) => format!(
            "The store is sound, and what lies in evidence/ says that its ledger is not: {}. Keep both as they are; do not start \
             the server on them.",
            plural(falsehoods)
        ),
        (falsehoods, _) if torn_only(files, report) => format!(
            "NOT SOUND, as a power cut may leave it: {}. The next start of the server writes it anew; check again then.",
            plural(falsehoods)
        ),
        (falsehoods, _) => {
            let count = plural(falsehoods);
            format!("NOT SOUND: {count}. Keep the folder as it is; do not start the server on it.")
        }
    });
    text
}

fn plural(findings: u64) -> String {
    if findings == 1 { "1 finding".to_owned() } else { format!("{findings} findings") }
}

/// Nothing is wrong but what the next start mends.
fn torn_only(files: &Files, report: &Report) -> bool {
    let torn = report.findings.iter().filter(|finding| finding.grade == Grade::Torn).count() as u64;
    torn == counts(files, report).0
}

fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::False => "wrong",
        Grade::Torn => "torn",
        Grade::Untold => "unknown",
    }
}

fn as_json(args: &Fsck, checked: &Checked, seconds: f64) -> Value {
    let verdict = match checked.exit() {
        Exit::Ok => "sound",
        Exit::Falsified => "wrong",
        _ => "unknown",
    };
    match checked {
        Checked::Damaged(words) => json!({ "verdict": verdict, "full": args.full, "damaged": words }),
        Checked::Report { files, report, checked, read_only } => json!({
            "verdict": verdict,
            "full": args.full,
            "origin": files.identity.origin(),
            "size": report.size,
            "groups": report.groups,
            "lost": report.lost,
            "root": hex::encode(report.root),
            "wrong": counts(files, report).0,
            "unknown": counts(files, report).1,
            "seconds": seconds,
            "checked": checked,
            "not_checked": files.not_checked,
            "read_only": read_only,
            "files": files.findings.iter().map(file_json).collect::<Vec<_>>(),
            "findings": report.findings.iter().map(finding_json).collect::<Vec<_>>(),
        }),
    }
}

fn file_json(finding: &FileFinding) -> Value {
    json!({ "grade": grade(finding.grade), "file": finding.file, "what": finding.what })
}

fn finding_json(finding: &Finding) -> Value {
    let place = match finding.place {
        Place::Row(table) | Place::Storage(table) => table.name(),
        Place::Journal => "erasure journal",
        Place::WriteAheadLog => "write-ahead log",
        Place::Anchor => "anchor",
    };
    json!({
        "grade": grade(finding.grade),
        "table": place,
        "key": hex::encode(&finding.key),
        "meaning": finding.meaning(),
        "what": finding.what,
    })
}

#[cfg(test)]
mod tests;
