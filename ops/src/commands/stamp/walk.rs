//! Which files are stamped, and where their evidence goes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::atomic;
use crate::cli::with_ending;

/// One file to stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// The file.
    pub(super) file: PathBuf,
    /// Where its token goes.
    pub(super) token: PathBuf,
    /// Where its proof goes.
    pub(super) proof: PathBuf,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// In the order of the command line, folders in the order of names.
    pub(super) jobs: Vec<Job>,
    /// Symbolic links and special files inside walked folders: not followed, for they may lead in circles or out of what
    /// the user named.
    pub(super) skipped: Vec<PathBuf>,
    /// Files named like our evidence, without the file beside them that they would be evidence of: perhaps the user's own.
    pub(super) lone: Vec<PathBuf>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanError {
    /// Not there, or not readable.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Neither file nor folder.
    #[error("{} is neither a file nor a folder", .0.display())]
    Special(PathBuf),
    /// Two files would have the same evidence below `--out`.
    #[error("{} and {} would both have their token in {}; stamp them with separate --out", one.display(), other.display(), token.display())]
    Collision {
        /// A file.
        one: PathBuf,
        /// Another.
        other: PathBuf,
        /// Their token.
        token: PathBuf,
    },
}

/// Finds all files. With `out`, the evidence of `dir/contract.pdf` is `OUT/contract.pdf.tst`, that of the folder `annexes`
/// lies in `OUT/annexes/`. A file named twice is stamped once.
pub(super) fn plan(named: &[PathBuf], out: Option<&Path>) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    for path in named {
        let unreadable = |error| PlanError::Unreadable { path: path.clone(), error };
        // What is named is followed, also through a link.
        let kind = fs::metadata(path).map_err(unreadable)?;
        // `.` and `..` have no name of their own: their files go to OUT itself.
        let below = out.map(|out| path.file_name().map_or_else(|| out.to_owned(), |name| out.join(name)));
        if kind.is_file() {
            plan.add(path.clone(), below);
        } else if kind.is_dir() {
            walk(path, below.as_deref(), &mut plan)?;
        } else {
            return Err(PlanError::Special(path.clone()));
        }
    }
    plan.check_collisions()?;
    Ok(plan)
}

fn walk(folder: &Path, out: Option<&Path>, plan: &mut Plan) -> Result<(), PlanError> {
    let unreadable = |error| PlanError::Unreadable { path: folder.to_owned(), error };
    let mut entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(unreadable)?;
        let below = out.map(|out| out.join(entry.file_name()));
        if kind.is_dir() {
            walk(&path, below.as_deref(), plan)?;
        } else if !kind.is_file() {
            plan.skipped.push(path);
        } else if !is_evidence(&path) {
            plan.add(path, below);
        } else if !is_beside_its_file(&path) {
            plan.lone.push(path);
        }
    }
    Ok(())
}

/// True for what `stamp` itself writes: a walk over a stamped folder does not stamp the stamps.
fn is_evidence(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.extension().is_some_and(|ending| ending == "tst" || ending == "tlog-proof") || atomic::is_part(&name)
}

/// True for evidence whose file is there, and for the parts of evidence that a crash left.
fn is_beside_its_file(evidence: &Path) -> bool {
    let name = evidence.file_name().unwrap_or_default().to_string_lossy();
    atomic::is_part(&name) || evidence.with_extension("").exists()
}

impl Plan {
    fn add(&mut self, file: PathBuf, out: Option<PathBuf>) {
        let base = out.as_ref().unwrap_or(&file);
        let job = Job { token: with_ending(base, "tst"), proof: with_ending(base, "tlog-proof"), file };
        self.jobs.push(job);
    }

    fn check_collisions(&mut self) -> Result<(), PlanError> {
        let mut seen: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
        let mut collision = None;
        self.jobs.retain(|job| match seen.get(&job.token) {
            None => {
                seen.insert(job.token.clone(), job.file.clone());
                true
            }
            Some(one) => {
                if *one != job.file && collision.is_none() {
                    collision = Some((one.clone(), job.clone()));
                }
                false
            }
        });
        match collision {
            Some((one, Job { file, token, .. })) => Err(PlanError::Collision { one, other: file, token }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, each holding its own name.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    fn tokens(plan: &Plan, root: &Path) -> Vec<String> {
        plan.jobs.iter().map(|job| job.token.strip_prefix(root).unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn evidence_lies_beside_the_file_and_nothing_is_replaced_in_its_name() {
        let root = folder(&["contract.pdf", "contract"]);
        let named = ["contract.pdf", "contract"].map(|name| root.path().join(name));
        let plan = plan(&named, None).unwrap();
        assert_eq!(plan.jobs[0].file, named[0]);
        assert_eq!(plan.jobs[0].proof, root.path().join("contract.pdf.tlog-proof"));
        assert_eq!(tokens(&plan, root.path()), ["contract.pdf.tst", "contract.tst"]);
    }

    #[test]
    fn folders_are_walked_in_order_without_our_own_files() {
        let root = folder(&[
            "d/b",
            "d/a",
            "d/a.tst",
            "d/a.tlog-proof",
            "d/.a.tst.1-0.semper-part",
            "d/.hidden",
            "d/sub/c",
            "d/sub/c.tst",
            "d/tst",
        ]);
        let plan = plan(&[root.path().join("d")], None).unwrap();
        assert_eq!(tokens(&plan, root.path()), ["d/.hidden.tst", "d/a.tst", "d/b.tst", "d/sub/c.tst", "d/tst.tst"]);
        assert!(plan.skipped.is_empty() && plan.lone.is_empty());
    }

    #[test]
    fn files_of_the_user_that_look_like_evidence_are_told() {
        let root = folder(&["d/a", "d/a.tst", "d/notes.tst", "d/sub/old.tlog-proof"]);
        let plan = plan(&[root.path().join("d")], None).unwrap();
        assert_eq!(tokens(&plan, root.path()), ["d/a.tst"]);
        assert_eq!(plan.lone, ["d/notes.tst", "d/sub/old.tlog-proof"].map(|name| root.path().join(name)));
    }

    #[test]
    fn what_is_named_is_stamped_even_if_it_looks_like_evidence() {
        let root = folder(&["a.tst"]);
        let plan = plan(&[root.path().join("a.tst")], None).unwrap();
        assert_eq!(tokens(&plan, root.path()), ["a.tst.tst"]);
    }

    #[test]
    fn links_are_followed_only_when_named() {
        let root = folder(&["d/a", "elsewhere"]);
        let link = |from: &str, to: &Path| std::os::unix::fs::symlink(to, root.path().join(from)).unwrap();
        link("d/circle", &root.path().join("d"));
        link("d/outside", &root.path().join("elsewhere"));
        link("named", &root.path().join("elsewhere"));
        let plan = plan(&["d", "named"].map(|name| root.path().join(name)), None).unwrap();
        assert_eq!(tokens(&plan, root.path()), ["d/a.tst", "named.tst"]);
        assert_eq!(plan.skipped, ["d/circle", "d/outside"].map(|name| root.path().join(name)));
    }

    #[test]
    fn out_keeps_the_shape_of_folders() {
        let root = folder(&["x/contract.pdf", "annexes/1/a", "annexes/b"]);
        let out = root.path().join("evidence");
        let named = ["x/contract.pdf", "annexes", "annexes/."].map(|name| root.path().join(name));
        let found = plan(&named, Some(&out)).unwrap();
        // `annexes/.` is the same folder again, and each file is stamped once.
        assert_eq!(tokens(&found, &out), ["contract.pdf.tst", "annexes/1/a.tst", "annexes/b.tst"]);
        assert!(!out.exists(), "a plan writes nothing");
        let parent = plan(&[root.path().join("x/..")], Some(&out)).unwrap();
        assert_eq!(tokens(&parent, &out), ["annexes/1/a.tst", "annexes/b.tst", "x/contract.pdf.tst"]);
    }

    #[test]
    fn one_file_named_twice_is_one_and_two_of_one_name_are_refused() {
        let root = folder(&["x/a", "y/a"]);
        let [x, y] = ["x/a", "y/a"].map(|name| root.path().join(name));
        assert_eq!(plan(&[x.clone(), x.clone()], None).unwrap().jobs.len(), 1);
        assert_eq!(plan(&[x.clone(), y.clone()], None).unwrap().jobs.len(), 2);
        let refused = plan(&[x, y], Some(root.path())).unwrap_err();
        assert!(matches!(refused, PlanError::Collision { .. }), "{refused}");
    }

    #[test]
    fn what_cannot_be_read_stops_everything_before_anything_is_asked() {
        let root = folder(&["a"]);
        let refused = plan(&[root.path().join("a"), root.path().join("missing")], None).unwrap_err();
        assert!(refused.to_string().contains("missing"), "{refused}");
        assert!(matches!(plan(&["/dev/null".into()], None), Err(PlanError::Special(_))));
    }
}
