//! A service for tests of this package.

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use semper_ttp::crypto::OsEntropy;
use tempfile::TempDir;

use crate::cli;
use crate::clock::SystemReadings;
use crate::commands::init::Plan;
use crate::progress::Progress;

/// Made once, since keys and their files take seconds.
static MADE: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let args = cli::Init { data: dir.path().to_owned(), config: None, demo: true, believe_clock: false };
    let plan = Plan::new(&args, &OsEntropy).unwrap();
    plan.carry_out(dir.path(), Arc::new(SystemReadings::new()), &OsEntropy, &Progress::none()).unwrap();
    dir
});

/// The data folder of a demonstration, for one test alone.
pub(crate) fn demonstration() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(MADE.path(), dir.path());
    dir
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}
