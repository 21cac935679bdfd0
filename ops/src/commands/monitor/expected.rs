//! Timestamps that somebody holds and the ledger must have recorded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use semper_api::monitor::{Expected, Follower, Found, RoundError};
use semper_ttp::account::{Proof, owed};
use semper_ttp::digest::Digest;
use semper_ttp::verify::Trust;

use crate::commands::running::Failed;
use crate::commands::token_of;
use crate::commands::verify::files::read;

/// The deepest folder that is looked into.
const DEPTH_MAX: usize = 64;

/// Those that are not found yet, and how many are.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    waiting: Vec<Expected>,
    recorded: usize,
    /// Those that this log does not have and perhaps never owed.
    of_others: usize,
    passed_over: Vec<PassedOver>,
}

/// A file that cannot be looked for: it does not read, or is no timestamp of the service that is trusted.
#[derive(Debug)]
pub(super) struct PassedOver {
    pub(super) file: PathBuf,
    pub(super) why: String,
}

impl Expectations {
    /// The tokens of these files and folders, each judged. One that is none is passed over: the others are looked for all the
    /// same.
    ///
    /// # Errors
    /// A file or folder that was named is not there.
    pub(super) fn read(places: &[PathBuf], trust: &Trust) -> Result<Self, Failed> {
        let mut files = Vec::new();
        for place in places {
            collect(place, 0, &mut files).map_err(|error| unreadable(place, &error))?;
        }
        let mut all = Self::default();
        for file in files {
            match expected(&file, trust) {
                Ok(expected) => all.waiting.push(expected),
                Err(why) => all.passed_over.push(PassedOver { file, why }),
            }
        }
        Ok(all)
    }

    /// Looks for those that were not found yet; gives what convicts the log, if one is missing.
    ///
    /// # Errors
    /// The log does not give what it gave before.
    pub(super) async fn look(&mut self, follower: &Follower) -> Result<Option<Proof>, RoundError> {
        let mut waiting = Vec::new();
        let mut all = std::mem::take(&mut self.waiting).into_iter();
        let mut found = Ok(None);
        for expected in all.by_ref() {
            match follower.look_for(&expected).await {
                Ok(Found::Recorded { .. }) => self.recorded += 1,
                Ok(Found::NotYet) => waiting.push(expected),
                Ok(Found::Missing(proof)) => found = Ok(Some(*proof)),
                Ok(Found::OfAnother) => {
                    tracing::warn!(
                        digest = hex::encode(Digest::of(&expected.token).0),
                        "an expected timestamp is not recorded, nor is the certificate of its unit: another log may owe it"
                    );
                    self.of_others += 1;
                }
                Err(error) => {
                    waiting.push(expected);
                    found = Err(error);
                }
            }
            if !matches!(found, Ok(None)) {
                break;
            }
        }
        waiting.extend(all);
        self.waiting = waiting;
        found
    }

    /// How many are recorded, and how many are not found yet; `None` if there are none at all.
    pub(super) fn counts(&self) -> Option<(usize, usize)> {
        let counts = (self.recorded, self.waiting.len() + self.of_others);
        (counts != (0, 0) || !self.passed_over.is_empty()).then_some(counts)
    }

    /// What is not looked for.
    pub(super) fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Each of them is recorded.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.of_others == 0 && self.passed_over.is_empty()
    }
}

/// Files with tokens: what was named, and in folders those with the usual endings.
fn collect(place: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !fs::metadata(place)?.is_dir() {
        files.push(place.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(place)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        // Links are not followed: they may lead in circles.
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && depth < DEPTH_MAX {
            collect(&path, depth + 1, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "tst" || ending == "tsr") {
            files.push(path);
        }
    }
    Ok(())
}

fn expected(file: &Path, trust: &Trust) -> Result<Expected, String> {
    let token = token_of(read(file).map_err(|error| error.to_string())?);
    let owed = owed(&token, trust).map_err(|judgement| judgement.reason)?;
    Ok(Expected { token, owed })
}

fn unreadable(path: &Path, error: &io::Error) -> Failed {
    Failed::usage(&format!("cannot read {}: {error}", path.display()))
}
