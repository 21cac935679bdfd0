//! The anchor and witness rules: what is known of the ledger outside a store, and whether the store reaches it.
//!
//! Known is what the log's own key signed, whoever shows it: the anchor at hand, or the witnesses in its place; a public copy that
//! was named; and what a witness showed earlier, or a quorum cosigned, as the data folder keeps it. The largest of all counts. One
//! that is not of the store's history, or two of one size that differ, are a fork or damage: refused, and shown.

use std::fs;

use semper_api::witnesses::{self, Contradiction};
use semper_ledger::anchor::file::Slot;
use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::ledger::{OpenError, compare_anchor};
use semper_ledger::note::Note;
use semper_ledger::policy::Policy;
use semper_ledger::reader::Reader;
use semper_ttp::time::Timestamp;

use super::at_hand::AtHand;
use super::source::Source;
use super::witnessed::{self, Vouched};
use crate::commands::backup::Manifest;
use crate::commands::running::Failed;
use crate::config::Config;
use crate::data::{DataError, DataFolder, ReadOnly};
use crate::exit::Exit;

/// A state of the log that was answered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Shown {
    pub(super) size: u64,
    /// Hex.
    pub(super) root: String,
    pub(super) time_ms: Option<u64>,
    /// Who shows it.
    pub(super) by: String,
    /// The signed note that says so; the anchor has none.
    pub(super) note: Option<String>,
}

/// The newest known state of a log whose store is older.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Known {
    pub(super) newest: Shown,
    /// Smaller ones, all of them beginnings of it if nobody lies.
    pub(super) also: Vec<Shown>,
    /// The witnesses that were asked, where there is no anchor.
    pub(super) vouched: Vouched,
}

/// What the rules say.
#[derive(Debug)]
pub(in crate::commands) enum Verdict {
    /// The store reaches what is known.
    Reaches {
        /// Entries that the anchor knew, where there is one.
        anchored: Option<u64>,
        /// Who vouched, where a new anchor is made.
        vouched: Vouched,
        /// The public copies that were looked at, and their sizes.
        copies: Vec<(String, u64)>,
    },
    /// More is known.
    Older(Known),
}

impl Verdict {
    /// For people.
    pub(in crate::commands) fn sentence(&self) -> String {
        match self {
            Self::Reaches { anchored, vouched, copies } => {
                let copies = copies.iter().map(|(named, size)| format!("; {named} has {size} entries of it"));
                let copies = copies.collect::<String>();
                match anchored {
                    Some(size) => format!(
                        "it reaches the anchor, which knows {size} entries: nothing that was answered for is lost{copies}"
                    ),
                    None => format!("a new anchor was made, and the ledger says so in an entry: {vouched}{copies}"),
                }
            }
            Self::Older(Known { newest, .. }) => format!(
                "{} knows {} entries{}",
                newest.by,
                newest.size,
                newest.time_ms.map(|ms| format!(", the last of {}", Timestamp::from_millis(ms))).unwrap_or_default()
            ),
        }
    }
}

/// Whom to ask about a store that has no anchor.
pub(in crate::commands) struct Outside<'a> {
    pub(in crate::commands) config: &'a Config,
    pub(in crate::commands) policy: Option<&'a Policy>,
    /// Go on although the witnesses are no quorum.
    pub(in crate::commands) unwitnessed: bool,
}

/// Applies the rules, with the anchors that are at hand. With `completes`, the store is to be completed up to what is known, and then go on.
///
/// # Errors
/// What is known contradicts the store; or too few were there to say.
pub(in crate::commands) fn judge(
    outside: &Outside<'_>,
    anchors: &[AtHand],
    sources: &[Source],
    completes: bool,
    folder: &DataFolder,
    reader: &Reader,
) -> Result<Verdict, Failed> {
    let mut known = Vec::new();
    for source in sources {
        known.extend(ahead(reader, source.named.clone(), &source.note)?);
    }
    known.extend(kept_in(folder, reader)?);
    let (mut anchored, mut vouched) = (None, Vouched::default());
    for (at, AtHand { path, anchor, .. }) in anchors.iter().enumerate() {
        let by = if at == 0 { "the anchor".to_owned() } else { format!("the anchor at {}", path.display()) };
        match compare_anchor(reader, anchor) {
            Ok(found) => anchored = anchored.max(Some(found.size)),
            Err(OpenError::RolledBack { .. }) => {
                // Both slots: a store that goes on with this anchor must have what both hold.
                for slot in anchor.slots().map_err(DataError::from)? {
                    let Slot::Valid(held) = slot else { continue };
                    if held.size > reader.size() {
                        let (size, root, time_ms) = (held.size, hex::encode(held.root), Some(held.time_ms));
                        known.push(Shown { size, root, time_ms, by: by.clone(), note: None });
                    }
                }
            }
            Err(OpenError::Forked { size }) => {
                let what = format!(
                    "the ledger has another root at size {size} than its anchor {}: corruption or a fork. Keep both, they are the \
                     evidence",
                    path.display()
                );
                return Err(Failed(Exit::Falsified, what));
            }
            Err(error @ OpenError::AnchorOrigin) => return Err(Failed(Exit::Falsified, error.to_string())),
            Err(error) => {
                let Failed(exit, why) = Failed::from(error);
                return Err(Failed(exit, format!("the anchor {}: {why}", path.display())));
            }
        }
    }
    if anchors.is_empty() {
        let (shown, who) = witnessed::ask(outside, reader)?;
        known.extend(shown);
        vouched = who;
        if known.is_empty() || completes {
            vouched.suffices(outside)?;
        }
    }
    known.sort_by_key(|shown| shown.size);
    if let Some([one, two]) = known.array_windows().find(|[one, two]| one.size == two.size && one.root != two.root) {
        let what = format!(
            "{} and {} show two roots for size {}, both signed by this log: {} and {}. It was forked: keep everything",
            one.by, two.by, one.size, one.root, two.root
        );
        return Err(Failed(Exit::Falsified, what));
    }
    Ok(match known.pop() {
        Some(newest) => Verdict::Older(Known { newest, also: known, vouched }),
        None => {
            let copies = sources.iter().map(|source| (source.named.clone(), source.shown.size)).collect();
            Verdict::Reaches { anchored, vouched, copies }
        }
    })
}

/// What a signed note shows that the store lacks.
///
/// # Errors
/// It contradicts the store. A note that is none of this log's shows nothing.
pub(super) fn ahead(reader: &Reader, by: String, note: &str) -> Result<Option<Shown>, Failed> {
    let Ok(Some(found)) = witnesses::compare(reader, note.as_bytes()) else { return Ok(None) };
    let shown = Note::parse(&found.note).ok().and_then(|note| Checkpoint::parse(&note.text).ok());
    match shown.filter(|shown| shown.size > reader.size()) {
        Some(shown) => {
            let (size, root, note) = (shown.size, hex::encode(shown.root), Some(found.note));
            Ok(Some(Shown { size, root, time_ms: None, by, note }))
        }
        None => Err(Failed(
            Exit::Falsified,
            format!("{by} {}: corruption or a fork. Keep both. It shows:\n{}", found.what, found.note),
        )),
    }
}

/// What the folder itself keeps of what others have seen: checkpoints that a witness showed against it, and the newest one that a
/// quorum cosigned, which the server may have written after the copy of its store.
fn kept_in(folder: &DataFolder, reader: &Reader) -> Result<Vec<Shown>, Failed> {
    let mut files: Vec<_> = match fs::read_dir(folder.path("evidence")) {
        Ok(found) => found.flatten().map(|file| file.path()).collect(),
        Err(_) => Vec::new(), // there is no such folder
    };
    files.retain(|path| path.extension().is_some_and(|ending| ending == "checkpoint"));
    files.sort();
    files.push(folder.path("witnessed"));
    let shown = files.into_iter().filter_map(|path| {
        let note = fs::read_to_string(&path).ok()?;
        let name = path.file_name().map_or("witnessed".into(), |name| name.to_string_lossy().into_owned());
        ahead(reader, format!("a checkpoint that others have seen, kept in the data folder ({name}),"), &note)
            .transpose()
    });
    shown.collect()
}

impl Known {
    /// Keeps what was shown in a folder that must not go on, also when nobody answers any more.
    pub(in crate::commands) fn keep(&self, folder: &DataFolder) {
        for note in self.also.iter().chain([&self.newest]).filter_map(|shown| shown.note.clone()) {
            let found = Contradiction { note, what: String::new(), proof: None };
            let _ = witnesses::keep_evidence(&folder.path("evidence"), &found); // it says in the log why it could not
        }
    }

    /// The mark of a folder that ends at `manifest`, its last entry at `last_ms`.
    pub(super) fn mark(&self, manifest: &Manifest, last_ms: u64) -> ReadOnly {
        ReadOnly {
            size: manifest.size,
            root: manifest.root.clone(),
            last_ms,
            known_size: self.newest.size,
            known_root: self.newest.root.clone(),
            known_ms: self.newest.time_ms,
            known_by: self.newest.by.clone(),
        }
    }
}
