//! The anchor and witness rules: what is known of the ledger outside the backup, and whether the backup reaches it.

use std::path::PathBuf;

use semper_ledger::anchor::Anchor as _;
use semper_ledger::anchor::file::FileAnchor;
use semper_ledger::ledger::{OpenError, compare_anchor};
use semper_ledger::reader::Reader;
use semper_ttp::time::Timestamp;

use super::witnessed;
use crate::cli;
use crate::commands::backup::Manifest;
use crate::commands::running::Failed;
use crate::config::Config;
use crate::data::{DataError, ReadOnly};
use crate::exit::Exit;

/// The anchor that is at hand, locked: no server runs on the ledger while it is restored.
pub(super) struct AtHand {
    pub(super) path: PathBuf,
    pub(super) anchor: FileAnchor,
}

/// A state of the log that was answered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) size: u64,
    /// Hex.
    pub(super) root: String,
    pub(super) time_ms: Option<u64>,
    /// Who knows it.
    pub(super) by: String,
    /// Other states that were shown, all of them beginnings of this one if nobody lies: sizes and roots, hex.
    pub(super) also: Vec<(u64, String)>,
    /// The witnesses that were asked, where there is no anchor.
    pub(super) vouched: Vouched,
}

/// Who was asked for a new anchor, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Vouched {
    pub(super) asked: u64,
    pub(super) names: Vec<String>,
    pub(super) quorum: bool,
}

/// What the rules say.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The backup reaches what is known.
    Reaches {
        /// Entries that were known.
        size: u64,
        /// Who vouched, where a new anchor is made.
        vouched: Vouched,
    },
    /// More is known.
    Older(Known),
}

impl Verdict {
    /// For people.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Reaches { size, vouched } if vouched == &Vouched::default() && *size > 0 => {
                format!("it reaches the anchor, which knows {size} entries: nothing that was answered for is lost")
            }
            Self::Reaches { vouched: Vouched { asked: 0, .. }, .. } => {
                "a new anchor was made, and nobody was asked whether this is the newest state; the ledger says so in an entry"
                    .to_owned()
            }
            Self::Reaches { vouched, .. } => format!(
                "a new anchor was made: {} of {} witnesses have seen nothing newer ({}){}; the ledger says so in an entry",
                vouched.names.len(),
                vouched.asked,
                if vouched.names.is_empty() { "none".to_owned() } else { vouched.names.join(", ") },
                if vouched.quorum { ", a quorum" } else { ", which is no quorum" },
            ),
            Self::Older(known) => format!(
                "{} knows {} entries{}",
                known.by,
                known.size,
                known.time_ms.map(|ms| format!(", the last of {}", Timestamp::from_millis(ms))).unwrap_or_default()
            ),
        }
    }
}

/// The anchor that was named, else the one where the settings have it; `None` if a new one is to be made.
///
/// # Errors
/// There is none and none was asked for; there is one and a new one was asked for; a server has it.
pub(super) fn anchor_at_hand(args: &cli::Restore, config: &Config) -> Result<Option<AtHand>, Failed> {
    let of_settings = config.ledger.anchor_path.clone().filter(|path| path.exists());
    if args.new_anchor {
        return match of_settings {
            Some(path) => Err(Failed(
                Exit::Falsified,
                format!(
                    "there is an anchor at {}, so it is not lost, and it may know more than the witnesses: restore without \
                     --new-anchor. (If an earlier restore was killed just when it had made that one, the folder that it left says \
                     INCOMPLETE: delete both.)",
                    path.display()
                ),
            )),
            None => Ok(None),
        };
    }
    // Two that differ: the one that the server was given counts, and an older one that somebody kept must not stand in for it.
    if let (Some(named), Some(used)) = (&args.anchor, &of_settings)
        && named.canonicalize().ok() != used.canonicalize().ok()
    {
        let (named, used) = (named.display(), used.display());
        let why = format!("there is an anchor at {used}, where the settings have it: that one counts, and not {named}");
        return Err(Failed(Exit::Falsified, why));
    }
    let path = args.anchor.clone().or(of_settings).ok_or_else(|| {
        Failed(
            Exit::Falsified,
            "there is no anchor at hand, so nobody here knows whether this backup is the newest state. Name it with --anchor \
             (on the same machine it lies in the old data folder, or where ledger.anchor_path has it); if it is lost, ask the \
             witnesses and make a new one: --new-anchor"
                .to_owned(),
        )
    })?;
    let anchor = FileAnchor::open(&path).map_err(DataError::from)?;
    Ok(Some(AtHand { path, anchor }))
}

/// Applies the rules.
///
/// # Errors
/// What is known contradicts the backup; or too few were there to say.
pub(super) fn judge(
    args: &cli::Restore,
    config: &Config,
    anchor: Option<&AtHand>,
    reader: &Reader,
) -> Result<Verdict, Failed> {
    let Some(AtHand { path, anchor }) = anchor else {
        return witnessed::judge(args, config, reader);
    };
    match compare_anchor(reader, anchor) {
        Ok(anchored) => Ok(Verdict::Reaches { size: anchored.size, vouched: Vouched::default() }),
        Err(OpenError::RolledBack { .. }) => {
            let anchored = anchor.load().map_err(DataError::from)?.ok_or(OpenError::AnchorEmpty)?;
            Ok(Verdict::Older(Known {
                size: anchored.size,
                root: hex::encode(anchored.root),
                time_ms: Some(anchored.time_ms),
                by: "the anchor".to_owned(),
                also: Vec::new(),
                vouched: Vouched::default(),
            }))
        }
        Err(OpenError::Forked { size }) => Err(Failed(
            Exit::Falsified,
            format!(
                "the backup has another root at size {size} than the anchor {}: corruption or a fork. Keep both, they are the \
                 evidence",
                path.display()
            ),
        )),
        Err(error @ OpenError::AnchorOrigin) => Err(Failed(Exit::Falsified, error.to_string())),
        Err(error) => Err(error.into()),
    }
}

impl Known {
    /// The mark of a folder that ends at `manifest`, its last entry at `last_ms`.
    pub(super) fn mark(&self, manifest: &Manifest, last_ms: u64) -> ReadOnly {
        ReadOnly {
            size: manifest.size,
            root: manifest.root.clone(),
            last_ms,
            known_size: self.size,
            known_root: self.root.clone(),
            known_ms: self.time_ms,
            known_by: self.by.clone(),
        }
    }
}
