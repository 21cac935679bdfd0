//! The old place of an anchor that `semper restore` carried over: it must not start the old folder once more.
//!
//! Two folders with one anchor each would both be believed, and both would sign. So the anchor at the old place gets another
//! name, once the new one is durable and before the new folder can be used: a crash in between leaves an anchor under the telling
//! name, an INCOMPLETE folder, and no folder that starts.

use std::fs;
use std::path::{Path, PathBuf};

use super::{DataError, sync_folder};

/// Ends the name of an anchor that another folder goes on with.
const RETIRED: &str = ".retired";

fn name_beside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(RETIRED);
    if number > 1 {
        name.push(format!("-{number}"));
    }
    path.with_file_name(name)
}

/// A retired anchor in the place of one that is missing: the newest.
pub(crate) fn retired_beside(path: &Path) -> Option<PathBuf> {
    (1..).map(|number| name_beside(path, number)).take_while(|path| path.exists()).last()
}

/// Renames the anchor at `path`; gives its new name.
///
/// # Errors
/// The disk.
pub(crate) fn retire(path: &Path) -> Result<PathBuf, DataError> {
    let to = (1..).map(|number| name_beside(path, number)).find(|path| !path.exists()).expect("names do not run out");
    fs::rename(path, &to).map_err(|error| DataError::Io { action: "rename", path: path.to_owned(), error })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_folder(parent.unwrap_or(Path::new(".")))?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_retired_anchor_keeps_a_name_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        assert_eq!(retired_beside(&path), None);
        for name in ["anchor.retired", "anchor.retired-2", "anchor.retired-3"] {
            fs::write(&path, name).unwrap();
            let retired = retire(&path).unwrap();
            assert_eq!(
                (retired.clone(), fs::read_to_string(&retired).unwrap()),
                (dir.path().join(name), name.to_owned())
            );
            assert_eq!((retired_beside(&path), path.exists()), (Some(retired), false));
        }
    }
}
