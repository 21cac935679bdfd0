//! What was erased stays erased: the erasure journal against the ledger that is restored.
//!
//! Entries hold only digests, so a backup that is older than an erasure brings the object back. The journal, which no backup
//! holds, says which. It may not be older than the backup, and it may not lack a line: each entry of the ledger that tells of an
//! erasure ([`Kind::is_erasure`]) is one of its lines, or several. (The archive itself is not there yet, and so nothing to take away either: this is its place.)
//!
//! A store that holds everything that was answered for also holds every line, and a journal that lies beside the anchor is the
//! newest. Only where neither is so must somebody bring the journal, or say that there is none.

use std::fs;
use std::path::Path;

use semper_ledger::disk;
use semper_ledger::entry::Entry;
use semper_ledger::erasure::{self, Line, heading};
use semper_ledger::merkle::{TileId, tile_width};
use semper_ledger::reader::Reader;
use semper_ledger::store::Read;
use semper_ledger::tile::bundle_entries;
use semper_ttp::evidence::Kind;

use crate::cli;
use crate::commands::running::Failed;
use crate::data::before_retired;
use crate::exit::Exit;

fn refused(what: impl std::fmt::Display) -> Failed {
    Failed(Exit::Falsified, what.to_string())
}

/// What is known of erasures.
pub(super) struct Journal {
    pub(super) lines: Vec<Line>,
    /// It was brought, or found beside the anchor, or it was said that there is none.
    pub(super) known: bool,
}

/// The journal that was named; else the one beside the anchor at hand, if there is one.
///
/// # Errors
/// It does not read, or is of another log.
pub(super) fn read(args: &cli::Restore, origin: &str, anchor: Option<&Path>) -> Result<Journal, Failed> {
    let parse = |what: String, path: &Path, torn_is_fine: bool| {
        let bytes = fs::read(path).map_err(|error| Failed::usage(&format!("{what}: {error}")))?;
        match erasure::parse(&bytes, origin) {
            Ok((lines, whole)) if torn_is_fine || whole == bytes.len() && whole > 0 => {
                Ok(Journal { lines, known: true })
            }
            Ok(_) => Err(refused(format!("{what}: it was cut short"))),
            Err(bad) => Err(refused(format!("{what}: {bad}"))),
        }
    };
    if let Some(path) = &args.journal {
        return parse(format!("--journal {}", path.display()), path, false);
    }
    let beside = anchor.into_iter().flat_map(|anchor| {
        // The journal keeps its name.
        let anchor = before_retired(anchor);
        let mut name = anchor.as_os_str().to_owned();
        name.push(".erasures");
        [anchor.with_file_name("erasures"), name.into()]
    });
    match beside.filter(|_| !args.no_erasures).find(|path| path.is_file()) {
        Some(path) => parse(format!("the erasure journal {} beside the anchor", path.display()), &path, true),
        None => Ok(Journal { lines: Vec::new(), known: args.no_erasures }),
    }
}

impl Journal {
    /// Where nobody brought one: the store's own lines, if it is known to hold all.
    ///
    /// # Errors
    /// It is not known, and nobody said that there is none.
    pub(super) fn settle<R: Read + ?Sized>(self, store: &R, holds_all: bool) -> Result<Self, Failed> {
        if self.known {
            return Ok(self);
        }
        if !holds_all {
            return Err(Failed::usage(
                &"what was erased after this backup was made would come back: bring the newest erasure journal, which semper backup \
                  journal ships, with --journal FILE; or, if nothing was ever erased, say so with --no-erasures",
            ));
        }
        let lines = erasure::rows(store).map_err(|fault| Failed::fault(&fault))?;
        Ok(Self { lines, known: true })
    }
}

/// The journal begins with every erasure that the store knows, and goes on, if at all, with entries that the store has not.
///
/// # Errors
/// It is older than the backup, or of another history.
pub(super) fn compare<R: Read + ?Sized>(journal: &[Line], store: &R, size: u64) -> Result<(), Failed> {
    let rows = erasure::rows(store).map_err(|fault| Failed::fault(&fault))?;
    match erasure::missing(&rows, journal) {
        Ok(later) if later.iter().all(|line| line.index >= size) => Ok(()),
        Ok(_) => Err(refused("the erasure journal tells of erasures that the ledger should know and does not")),
        Err(at) if at == journal.len() => Err(refused(format!(
            "the erasure journal is older than the backup, which knows {} erasures where the journal has {at}: bring the newest",
            rows.len()
        ))),
        Err(at) => Err(refused(format!("line {} of the erasure journal is another than the ledger's", at + 1))),
    }
}

/// Every entry that tells of an erasure is a line, one for each thing that was erased, and every line is of such an entry.
///
/// # Errors
/// A line is missing or stray; or the journal goes on behind a ledger that is to go on, too.
pub(super) fn count(journal: &[Line], reader: &Reader, goes_on: bool) -> Result<(), Failed> {
    let size = reader.size();
    if let Some(line) = journal.iter().find(|line| goes_on && line.index >= size) {
        return Err(refused(format!(
            "the erasure journal names entry {}, and the ledger ends at {size}: it is older than its journal",
            line.index
        )));
    }
    let mut lines = journal.iter().map(|line| line.index).filter(|index| *index < size).peekable();
    for bundle in 0..size.div_ceil(256) {
        let width = tile_width(size, TileId { level: 0, index: bundle }) as usize; // at most 256
        let bytes = reader.bundle(bundle, width).map_err(|fault| Failed::fault(&fault))?.unwrap_or_default();
        for (index, entry) in (bundle * 256..).zip(bundle_entries(&bytes).flatten()) {
            let kind = Entry::decode(entry).ok().and_then(|entry| Kind::from_codes(entry.role, entry.kind));
            let is_erasure = kind.is_some_and(Kind::is_erasure);
            let mut told = false;
            while lines.next_if_eq(&index).is_some() {
                told = true;
            }
            if is_erasure != told {
                return Err(refused(match is_erasure {
                    true => format!(
                        "entry {index} tells of an erasure that the journal lacks: without it, what was erased would come back. \
                         Bring the newest journal"
                    ),
                    false => format!("the erasure journal names entry {index}, which tells of no erasure"),
                }));
            }
        }
    }
    Ok(())
}

/// Puts the journal beside the anchor, unless the same is there.
///
/// # Errors
/// Another one is there, or the disk.
pub(super) fn carry(journal: &[Line], origin: &str, to: &Path) -> Result<(), Failed> {
    let found = match fs::read(to) {
        Ok(bytes) => erasure::parse(&bytes, origin).map(|(lines, _)| lines).ok(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(Vec::new()),
        Err(error) => return Err(Failed::fault(&format!("cannot read {}: {error}", to.display()))),
    };
    match found {
        Some(found) if found == journal => Ok(()),
        Some(found) if journal.starts_with(&found) => {
            let lines: String = std::iter::once(heading(origin)).chain(journal.iter().map(Line::encode)).collect();
            disk::replace(to, lines.as_bytes()).map_err(|fault| Failed::fault(&fault))
        }
        _ => Err(refused(format!(
            "there is another erasure journal at {}, which knows what this one does not: name that one with --journal",
            to.display()
        ))),
    }
}
