//! The old place of an anchor that `semper restore` carried over: it must not start the old folder once more.
//!
//! Two folders with one anchor each would both be believed, and both would sign. So the anchor at the old place gets another
//! name, before the new one gets its own: a crash in between leaves an anchor under the telling name, an INCOMPLETE folder, and no
//! folder that starts.
//!
//! A retired anchor goes stale with the first entry of the folder that took it over. Which folder that is, and whether the restore
//! came to its end, says a small text file beside it, `anchor.retired.txt`, written before the anchor is renamed:
//!
//! ```text
//! semper restore took over what lies beside this file. …
//! folder: /var/lib/semper/data
//! finished: yes
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use semper_ledger::disk;

use super::{DataError, INCOMPLETE, sync_folder};

/// Ends the name of an anchor that another folder goes on with; `-2` and so on follow where there are several.
const RETIRED: &str = ".retired";

/// Ends the name of the file that says which folder.
const NOTE: &str = ".txt";

/// The name that a retired anchor had, and its number.
fn parse(path: &Path) -> Option<(PathBuf, u32)> {
    let name = path.file_name()?.to_str()?;
    let (before, number) = name.rsplit_once(RETIRED)?;
    let number = match number {
        "" => 1,
        number => number.strip_prefix('-')?.parse().ok().filter(|number| *number > 1)?,
    };
    (!before.is_empty()).then(|| (path.with_file_name(before), number))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The retired anchors of one place, each with its number.
fn all_beside(path: &Path) -> impl Iterator<Item = (u32, PathBuf)> {
    let files = fs::read_dir(folder_of(path)).into_iter().flatten().flatten();
    files.filter_map(move |file| {
        let found = path.with_file_name(file.file_name());
        parse(&found).filter(|(before, _)| before == path).map(|(_, number)| (number, found))
    })
}

/// A retired anchor in the place of one that is missing: the newest.
pub(crate) fn retired_beside(path: &Path) -> Option<PathBuf> {
    all_beside(path).max().map(|(_, found)| found)
}

/// What a symbolic link names in the end, also where nothing is there: an anchor that was retired, or whose volume is missing, must not
/// look like one that is lost because a link to it is left.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&path) else { break };
        path = folder_of(&path).join(target);
    }
    path
}

/// As many as Linux follows.
const LINKS_MAX: usize = 40;

/// The path that the anchor had before it was retired; itself, if it was not.
pub(crate) fn before_retired(path: &Path) -> PathBuf {
    parse(path).map_or_else(|| path.to_owned(), |(before, _)| before)
}

/// Its name says that another folder goes on with it.
pub(crate) fn is_retired(path: &Path) -> bool {
    parse(path).is_some()
}

/// Who took a retired anchor over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TakenOver {
    /// The folder, as it was called then.
    pub(crate) folder: PathBuf,
    /// The restore came to its end. The folder may have been moved since.
    finished: bool,
}

impl TakenOver {
    /// What the file beside a retired anchor says; `None` if it is missing or says nothing.
    pub(crate) fn of(retired: &Path) -> Option<Self> {
        let text = fs::read_to_string(with_ending(retired, NOTE)).ok()?;
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        let folder = PathBuf::from(value("folder: ")?);
        Some(Self { folder, finished: value("finished: ") == Some("yes") })
    }

    /// That folder may have gone on: a restore that was killed leaves its marker, or its folder was deleted since.
    pub(crate) fn is_service(&self) -> bool {
        self.finished || self.folder.join("identity.json").exists() && !self.folder.join(INCOMPLETE).exists()
    }
}

/// An anchor that another folder goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retired {
    /// Where it was.
    pub(crate) was: PathBuf,
    /// Where it is; the same, if it was retired before.
    pub(crate) now: PathBuf,
    by: PathBuf,
}

/// Renames the anchor at `path`, which the folder `by` takes over. One that is called so already keeps its name.
///
/// # Errors
/// The disk.
pub(crate) fn retire(path: &Path, by: &Path) -> Result<Retired, DataError> {
    let number = all_beside(path).map(|(number, _)| number).max().unwrap_or(0) + 1;
    let now = match (is_retired(path), number) {
        (true, _) => path.to_owned(),
        (false, 1) => with_ending(path, RETIRED),
        (false, number) => with_ending(path, &format!("{RETIRED}-{number}")),
    };
    let retired = Retired { was: path.to_owned(), now, by: by.to_owned() };
    // Before the name: what is called retired always says by whom.
    retired.note(false)?;
    if retired.was != retired.now {
        fs::rename(path, &retired.now).map_err(|error| DataError::Io {
            action: "rename",
            path: path.to_owned(),
            error,
        })?;
        sync_folder(folder_of(path))?;
    }
    Ok(retired)
}

impl Retired {
    /// The folder that took it over can be used from now on.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn finished(&self) -> Result<(), DataError> {
        self.note(true)
    }

    fn note(&self, finished: bool) -> Result<(), DataError> {
        let words = format!(
            "semper restore took over what lies beside this file, the anchor {}, and it is stale since: the anchor of the folder \
             that is named here counts. Do not start the old folder, and do not restore with the old anchor.\nfolder: {}\n\
             finished: {}\n",
            self.was.display(),
            self.by.display(),
            if finished { "yes" } else { "no" },
        );
        let path = with_ending(&self.now, NOTE);
        let failed = |fault: disk::DiskFault| DataError::Io { action: "write", path: fault.path, error: fault.error };
        disk::replace(&path, words.as_bytes()).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_retired_anchor_keeps_a_name_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (path, new) = (dir.path().join("anchor"), dir.path().join("new"));
        assert_eq!(retired_beside(&path), None);
        for name in ["anchor.retired", "anchor.retired-2", "anchor.retired-3"] {
            fs::write(&path, name).unwrap();
            let retired = retire(&path, &new).unwrap();
            assert_eq!((&retired.was, &retired.now), (&path, &dir.path().join(name)));
            assert_eq!(fs::read_to_string(&retired.now).unwrap(), name);
            assert_eq!((retired_beside(&path), path.exists()), (Some(retired.now.clone()), false));
            assert_eq!((before_retired(&retired.now), before_retired(&path)), (path.clone(), path.clone()));
            // Once more: it stays as it is, and is found.
            let again = retire(&retired.now, &new).unwrap();
            assert_eq!((&again.now, retired_beside(&path)), (&retired.now, Some(retired.now.clone())));
        }
        // Also where one in between is gone.
        fs::remove_file(dir.path().join("anchor.retired")).unwrap();
        fs::remove_file(dir.path().join("anchor.retired-2")).unwrap();
        assert_eq!(retired_beside(&path), Some(dir.path().join("anchor.retired-3")));
        fs::write(&path, "4").unwrap();
        assert_eq!(retire(&path, &new).unwrap().now, dir.path().join("anchor.retired-4"));
        for other in ["anchor", "anchor.retired.txt", "anchor.retired-1", "anchor.retired-x", ".retired"] {
            assert!(!is_retired(&dir.path().join(other)), "{other}");
        }
    }

    #[test]
    fn it_says_who_took_it_over() {
        let dir = tempfile::tempdir().unwrap();
        let (path, new) = (dir.path().join("anchor"), dir.path().join("new"));
        fs::create_dir(&new).unwrap();
        fs::write(new.join(INCOMPLETE), "").unwrap();
        fs::write(new.join("identity.json"), "").unwrap();
        fs::write(&path, "").unwrap();
        let retired = retire(&path, &new).unwrap();
        let said = || TakenOver::of(&retired.now).unwrap();
        assert_eq!((said().folder, said().is_service()), (new.clone(), false), "killed");
        fs::remove_file(new.join(INCOMPLETE)).unwrap();
        assert!(said().is_service(), "killed after the marker was gone");
        fs::remove_dir_all(&new).unwrap();
        assert!(!said().is_service(), "deleted");
        retired.finished().unwrap();
        assert!(said().is_service(), "moved");
        assert_eq!(TakenOver::of(&path), None);
    }
}
