//! Timestamps that somebody holds and the ledger must have recorded.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use semper_api::monitor::notice::Notice;
use semper_api::monitor::{Expected, Follower, Found, RoundError};
use semper_ttp::account::{Judgement, Proof, Verdict, owed};
use semper_ttp::digest::Digest;
use semper_ttp::verify::Trust;

use super::lists::{Stamp, stamp};
use crate::commands::running::Failed;
use crate::commands::token_of;
use crate::commands::verify::files::read;

/// The deepest folder that is looked into.
const DEPTH_MAX: usize = 64;

/// The most files that are new or changed and are read before a round; the rest waits for the next one.
const FILES_AT_ONCE: usize = 1_000;

/// Those that are not found yet, and how many are.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    places: Vec<PathBuf>,
    /// Files that were read, as they were then, and the token in each.
    read: HashMap<PathBuf, (Stamp, Option<Digest>)>,
    waiting: Vec<Waiting>,
    recorded: usize,
    /// Those of which it cannot be told, nor will be in this run.
    undecided: usize,
    passed_over: Vec<PassedOver>,
    /// There are files that nobody has read yet.
    more: bool,
}

/// One that is not found yet.
#[derive(Debug)]
struct Waiting {
    expected: Expected,
    name: String,
    /// The operator knows that no proof can hold what stands between.
    stuffed: bool,
}

/// A file that cannot be looked for: it does not read, or is no timestamp of the service that is trusted.
#[derive(Debug)]
pub(super) struct PassedOver {
    pub(super) file: PathBuf,
    pub(super) why: String,
    told: bool,
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) recorded: usize,
    /// Their time is not over.
    pub(super) waiting: usize,
    /// It cannot be told.
    pub(super) undecided: usize,
}

impl Expectations {
    /// The tokens of these files and folders, each judged. One that is none is passed over: the others are looked for all the
    /// same.
    ///
    /// # Errors
    /// A file or folder that was named is not there.
    pub(super) fn read(places: &[PathBuf], trust: &Trust) -> Result<Self, Failed> {
        let mut all = Self { places: places.to_vec(), ..Self::default() };
        let mut files = Vec::new();
        for place in places {
            collect(place, 0, &mut files).map_err(|error| unreadable(place, &error))?;
        }
        all.take_up(files, trust, usize::MAX);
        Ok(all)
    }

    /// Looks into the places again: files that are new or were changed since. What was expected once is expected still, whether
    /// its file is there or not.
    pub(super) fn read_again(&mut self, trust: &Trust) {
        let mut files = Vec::new();
        for place in &self.places {
            if let Err(error) = collect(place, 0, &mut files) {
                tracing::warn!(place = %place.display(), %error, "expected timestamps cannot be looked for there now");
            }
        }
        self.take_up(files, trust, FILES_AT_ONCE);
    }

    fn take_up(&mut self, files: Vec<PathBuf>, trust: &Trust, at_most: usize) {
        // Before a file is read: what changes meanwhile is read again.
        let mut new = files.into_iter().map(|file| (stamp(&file), file)).filter(|(now, file)| {
            // One that went away was read, or is of no use any more.
            now.is_some() && self.read.get(file).is_none_or(|(then, _)| then != now)
        });
        let now: Vec<_> = new.by_ref().take(at_most).collect();
        self.more = new.next().is_some();
        for (stamp, file) in now {
            self.passed_over.retain(|passed| passed.file != file);
            let before = self.read.get(&file).and_then(|(_, token)| *token);
            let token = match expected(&file, trust) {
                Ok((token, _)) if before == Some(token) => before,
                Ok((token, expected)) => {
                    let name = file.display().to_string();
                    self.waiting.push(Waiting { expected, name, stuffed: false });
                    Some(token)
                }
                Err(why) => {
                    self.passed_over.push(PassedOver { file: file.clone(), why, told: false });
                    before
                }
            };
            self.read.insert(file, (stamp, token));
        }
    }

    /// Looks for those that were not found yet; gives what convicts the log, if one is missing and `judge` says so of the
    /// proof. What the operator must know of others is added to `notices`.
    ///
    /// # Errors
    /// The log does not give what it gave before.
    pub(super) async fn look(
        &mut self,
        follower: &Follower,
        judge: &dyn Fn(&Proof) -> Judgement,
        notices: &mut Vec<Notice>,
    ) -> Result<Option<Proof>, RoundError> {
        let mut left = Vec::new();
        let mut all = std::mem::take(&mut self.waiting).into_iter();
        let mut found = Ok(None);
        for mut waiting in all.by_ref() {
            let name = waiting.name.clone();
            let unclear = match follower.look_for(&mut waiting.expected).await {
                Ok(Found::Recorded { .. }) => {
                    self.recorded += 1;
                    None
                }
                Ok(Found::NotYet) => {
                    left.push(waiting);
                    None
                }
                Ok(Found::Convicts(proof)) => {
                    let Judgement { verdict, reason, .. } = judge(&proof);
                    if verdict == Verdict::Proven {
                        left.push(waiting);
                        found = Ok(Some(*proof));
                        break;
                    }
                    // It convicts nobody, so it ends nothing.
                    Some(format!("it is not found as it should be, and a proof of that does not hold: {reason}"))
                }
                Ok(Found::OfAnother) => {
                    let why = "it is not recorded as it should be, nor is the certificate of its unit: another log may owe it";
                    Some(why.to_owned())
                }
                Ok(Found::Newer { index, version }) => Some(format!(
                    "it is not found, and may be in entry {index} or another one of a version that this program does not know \
                     (version {version})"
                )),
                Ok(Found::Stuffed { entries, over }) => {
                    if !waiting.stuffed {
                        notices.push(Notice::Stuffed { name: name.clone(), entries });
                    }
                    waiting.stuffed = true;
                    if over {
                        self.undecided += 1;
                    } else {
                        left.push(waiting);
                    }
                    None
                }
                Err(error) => {
                    left.push(waiting);
                    found = Err(error);
                    break;
                }
            };
            if let Some(why) = unclear {
                notices.push(Notice::Unclear { name, why });
                self.undecided += 1;
            }
        }
        left.extend(all);
        self.waiting = left;
        found
    }

    /// How many there are; `None` if none at all.
    pub(super) fn counts(&self) -> Option<Counts> {
        let stuffed = self.waiting.iter().filter(|waiting| waiting.stuffed).count();
        let (waiting, undecided) = (self.waiting.len() - stuffed, self.undecided + stuffed);
        let counts = Counts { recorded: self.recorded, waiting, undecided };
        let any = self.recorded + waiting + undecided + self.passed_over.len() > 0;
        any.then_some(counts)
    }

    /// What is not looked for.
    pub(super) fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Those of them that were not told yet.
    pub(super) fn newly_passed_over(&mut self) -> impl Iterator<Item = &PassedOver> {
        self.passed_over.iter_mut().filter_map(|passed| {
            let untold = !std::mem::replace(&mut passed.told, true);
            untold.then_some(&*passed)
        })
    }

    /// Each of them is recorded.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.undecided == 0 && self.passed_over.is_empty() && !self.more
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

fn expected(file: &Path, trust: &Trust) -> Result<(Digest, Expected), String> {
    let token = token_of(read(file).map_err(|error| error.to_string())?);
    let owed = owed(&token, trust).map_err(|judgement| judgement.reason)?;
    Ok((Digest::of(&token), Expected::new(token, owed)))
}

fn unreadable(path: &Path, error: &io::Error) -> Failed {
    Failed::usage(&format!("cannot read {}: {error}", path.display()))
}
