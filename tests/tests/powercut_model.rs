//! The power cut against tiny models: whatever the operations and the seed, only allowed outcomes are found.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use semper_tests::powercut::{CutMode, CutReport, Journal, PowerCut, Unavailable};
use tempfile::TempDir;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// A fixed seed: the same cases on every machine. Failures are kept by making a test of them in `powercut.rs`.
fn config() -> Config {
    Config { cases: 192, failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..Config::default() }
}

fn modes() -> impl Strategy<Value = CutMode> {
    prop_oneof![Just(CutMode::LoseAll), Just(CutMode::LoseRandom), Just(CutMode::Torn)]
}

/// Mounts, lets `act` work on the mount, cuts, and shows `judge` the backing folder.
fn with_cut<T>(
    journal: Journal,
    (mode, seed): (CutMode, u64),
    prepare: impl FnOnce(&Path),
    act: impl FnOnce(&Path) -> T,
    judge: impl FnOnce(&Path, T, CutReport) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let folder = TempDir::with_prefix("powercut-").unwrap();
    let (backing, mountpoint) = (folder.path().join("disk"), folder.path().join("mnt"));
    fs::create_dir(&backing).unwrap();
    fs::create_dir(&mountpoint).unwrap();
    prepare(&backing);
    let power =
        PowerCut::mount_with(&backing, &mountpoint, journal).map_err(|why| TestCaseError::reject(why.to_string()))?;
    let seen = act(&mountpoint);
    let report = power.cut(mode, seed);
    drop(power);
    judge(&backing, seen, report)
}

/// Whether FUSE can be used; says so where it cannot. (A property that rejects every case would fail.)
fn available(test: &str) -> bool {
    let folder = TempDir::with_prefix("powercut-").unwrap();
    let (backing, mountpoint) = (folder.path().join("disk"), folder.path().join("mnt"));
    fs::create_dir(&backing).unwrap();
    fs::create_dir(&mountpoint).unwrap();
    match PowerCut::mount(&backing, &mountpoint) {
        Ok(_) => true,
        Err(why) => {
            Unavailable::report(&why, test);
            false
        }
    }
}

// --- bytes -----------------------------------------------------------------------------------------------------------

const FILES: usize = 2;

#[derive(Clone, Debug)]
enum Act {
    Write { file: usize, offset: usize, len: usize, synced: bool },
    Resize { file: usize, size: usize },
    Sync { file: usize, data_only: bool },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let write = (0..FILES, 0..24_000_usize, 1..9000_usize, prop::bool::weighted(0.1))
        .prop_map(|(file, offset, len, synced)| Act::Write { file, offset, len, synced });
    let resize = (0..FILES, 0..30_000_usize).prop_map(|(file, size)| Act::Resize { file, size });
    let sync = (0..FILES, any::<bool>()).prop_map(|(file, data_only)| Act::Sync { file, data_only });
    prop::collection::vec(prop_oneof![6 => write, 2 => resize, 2 => sync], 1..24)
}

/// What may be on disk of one file.
#[derive(Clone, Default)]
struct Model {
    now: Vec<u8>,
    /// With everything un-synced lost.
    durable: Vec<u8>,
    /// Truncations that the journal has not committed, each with the number of images before it.
    resizes: Vec<(usize, usize)>,
    /// The file after each operation since the last sync.
    images: Vec<Vec<u8>>,
    /// Written since the last sync and the last commit.
    written: bool,
}

impl Model {
    /// The disk with the first truncations and nothing else.
    fn base(&self, resizes: usize) -> Vec<u8> {
        let mut base = self.durable.clone();
        for (size, _) in &self.resizes[..resizes] {
            base.resize(*size, 0);
        }
        base
    }

    fn commit(&mut self) {
        self.durable = self.base(self.resizes.len());
        if let Some((_, images)) = self.resizes.last() {
            // No older image can come back.
            self.images.drain(..*images);
        }
        self.resizes.clear();
        self.written = false;
    }

    /// Judges what is found when the first `kept` of the pending truncations were kept.
    fn check(&self, found: &[u8], kept: usize, mode: CutMode) -> Result<(), TestCaseError> {
        let base = self.base(kept);
        if mode == CutMode::LoseAll {
            prop_assert!(found == base, "not what was synced");
            return Ok(());
        }
        let lost = &self.resizes[kept..];
        let sizes = if lost.is_empty() { base.len()..=self.now.len() } else { base.len()..=base.len() };
        prop_assert!(sizes.contains(&found.len()), "size {}, not in {sizes:?}", found.len());
        let first = if kept == 0 { 0 } else { self.resizes[kept - 1].1 };
        let step = if mode == CutMode::Torn { SECTOR } else { PAGE };
        for (start, piece) in (0..).step_by(step).zip(found.chunks(step)) {
            // Bytes behind a truncation that is lost are lost with it.
            let page_end = start / PAGE * PAGE + PAGE;
            let last = lost.iter().find(|(size, _)| *size < page_end).map_or(self.images.len(), |(_, images)| *images);
            let images = self.images[first.min(last)..last].iter();
            let allowed = images
                .chain([&base])
                .any(|image| (0..piece.len()).all(|at| image.get(start + at).copied().unwrap_or(0) == piece[at]));
            prop_assert!(allowed, "bytes {start}.. cannot be there");
        }
        Ok(())
    }
}

/// All files, and the pending truncations of all of them in order.
#[derive(Clone, Default)]
struct Models {
    files: Vec<Model>,
    pending: Vec<usize>,
}

impl Models {
    fn sync(&mut self, file: usize, data_only: bool) {
        let model = &self.files[file];
        let inode_changed = model.now.len() != model.durable.len() || !model.resizes.is_empty();
        if inode_changed || (!data_only && model.written) {
            self.files.iter_mut().for_each(Model::commit);
            self.pending.clear();
        }
        let model = &mut self.files[file];
        model.durable = model.now.clone();
        model.images.clear();
        model.written = false;
    }
}

fn play(folder: &Path, acts: &[Act], models: &mut Models) {
    for (number, act) in (1_u8..).zip(acts) {
        match *act {
            Act::Write { file, offset, len, synced } => {
                let flags = if synced { libc::O_DSYNC } else { 0 };
                open(folder, file, flags).write_all_at(&vec![number; len], offset as u64).unwrap();
                let model = &mut models.files[file];
                let size = model.now.len().max(offset + len);
                model.now.resize(size, 0);
                model.now[offset..offset + len].fill(number);
                model.images.push(model.now.clone());
                model.written = true;
                if synced {
                    models.sync(file, true);
                }
            }
            Act::Resize { file, size } => {
                open(folder, file, 0).set_len(size as u64).unwrap();
                let model = &mut models.files[file];
                if size != model.now.len() {
                    model.resizes.push((size, model.images.len()));
                    model.now.resize(size, 0);
                    model.images.push(model.now.clone());
                    models.pending.push(file);
                }
            }
            Act::Sync { file, data_only } => {
                let open = open(folder, file, 0);
                if data_only { open.sync_data() } else { open.sync_all() }.unwrap();
                models.sync(file, data_only);
            }
        }
    }
}

fn open(folder: &Path, file: usize, flags: i32) -> File {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(folder.join(file.to_string())).unwrap()
}

#[test]
fn only_bytes_that_were_there_are_found() {
    if !available("only_bytes_that_were_there_are_found") {
        return;
    }
    let lossy = Cell::new(0);
    proptest!(config(), |(acts in acts(), mode in modes(), seed: u64)| {
        let mut models = Models { files: vec![Model::default(); FILES], pending: Vec::new() };
        for (file, model) in models.files.iter_mut().enumerate() {
            model.durable = vec![200; 10_000 * file];
            model.now = model.durable.clone();
        }
        let begin = models.clone();
        with_cut(
            Journal::Ext4,
            (mode, seed),
            |disk| {
                for (file, model) in begin.files.iter().enumerate() {
                    fs::write(disk.join(file.to_string()), &model.durable).unwrap();
                }
            },
            |mnt| {
                play(mnt, &acts, &mut models);
                for (file, model) in models.files.iter().enumerate() {
                    assert_eq!(fs::read(mnt.join(file.to_string())).unwrap(), model.now, "before the cut");
                }
                models
            },
            |disk, models, report| {
                for (file, model) in models.files.iter().enumerate() {
                    let found = fs::read(disk.join(file.to_string())).unwrap();
                    let kept = models.pending.iter().take(report.ops_kept as usize).filter(|of| **of == file).count();
                    model.check(&found, kept, mode)?;
                }
                prop_assert_eq!(report.ops_unsynced, models.pending.len() as u64);
                prop_assert!(report.pages_kept + report.pages_torn <= report.pages_unsynced);
                lossy.set(lossy.get() + usize::from(report.lost_something()));
                Ok(())
            },
        )?;
    });
    assert!(lossy.get() > 80, "only {} of the cuts lost anything", lossy.get());
}

// --- names -----------------------------------------------------------------------------------------------------------

/// The folders in which names change; they themselves stay.
const FOLDERS: [&str; 3] = ["", "a", "b"];

#[derive(Clone, Debug)]
enum Name {
    Rename(String, String),
    Link(String, String),
    Create(String),
    Mkdir(String),
    Remove(String),
    Sync(usize),
}

fn names() -> impl Strategy<Value = Vec<Name>> {
    let name = || (0..FOLDERS.len(), 0..4).prop_map(|(folder, name)| format!("{}/{name}", FOLDERS[folder]));
    let act = prop_oneof![
        4 => (name(), name()).prop_map(|(from, to)| Name::Rename(from, to)),
        1 => (name(), name()).prop_map(|(from, to)| Name::Link(from, to)),
        2 => name().prop_map(Name::Create),
        2 => name().prop_map(Name::Mkdir),
        2 => name().prop_map(Name::Remove),
        1 => (0..FOLDERS.len()).prop_map(Name::Sync),
    ];
    prop::collection::vec(act, 1..30)
}

/// A folder's names, each with the text of the file or the mark of a folder.
type Listing = BTreeMap<String, String>;

fn listing(root: &Path, folder: &str) -> Listing {
    fs::read_dir(root.join(folder))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let is_dir = entry.file_type().unwrap().is_dir();
            let text = if is_dir { "folder".into() } else { fs::read_to_string(entry.path()).unwrap() };
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect()
}

fn listings(root: &Path) -> [Listing; FOLDERS.len()] {
    FOLDERS.map(|folder| listing(root, folder))
}

/// Does one act, which the file system may refuse; gives the folders whose names it changed.
fn rename_one(root: &Path, act: &Name) -> Vec<usize> {
    let at = |name: &str| root.join(name.trim_start_matches('/'));
    let folder = |name: &str| FOLDERS.iter().position(|folder| name.split('/').next() == Some(folder)).unwrap();
    let (done, touched) = match act {
        Name::Rename(from, to) => (fs::rename(at(from), at(to)).is_ok(), vec![folder(from), folder(to)]),
        Name::Link(from, to) => (fs::hard_link(at(from), at(to)).is_ok(), vec![folder(to)]),
        Name::Create(name) => (File::create_new(at(name)).is_ok(), vec![folder(name)]),
        Name::Mkdir(name) => (fs::create_dir(at(name)).is_ok(), vec![folder(name)]),
        Name::Remove(name) => {
            (fs::remove_file(at(name)).is_ok() || fs::remove_dir(at(name)).is_ok(), vec![folder(name)])
        }
        Name::Sync(_) => (false, vec![]),
    };
    if done { touched } else { vec![] }
}

fn fill(disk: &Path) {
    for folder in FOLDERS {
        fs::create_dir_all(disk.join(folder)).unwrap();
        for name in ["0", "1"] {
            fs::write(disk.join(folder).join(name), format!("{folder}{name}")).unwrap();
        }
    }
}

#[test]
fn a_prefix_of_the_operations_is_found() {
    if !available("a_prefix_of_the_operations_is_found") {
        return;
    }
    let lossy = Cell::new(0);
    proptest!(config(), |(acts in names(), mode in modes(), seed: u64)| {
        with_cut(
            Journal::Ext4,
            (mode, seed),
            fill,
            |mnt| {
                // What the tree was since the last commit; a sync commits if its folder changed since then.
                let mut trees = vec![listings(mnt)];
                let mut touched = BTreeSet::new();
                for act in &acts {
                    if let Name::Sync(folder) = act {
                        File::open(mnt.join(FOLDERS[*folder])).unwrap().sync_all().unwrap();
                        if touched.contains(folder) {
                            touched.clear();
                            trees.drain(..trees.len() - 1);
                        }
                        continue;
                    }
                    let changed = rename_one(mnt, act);
                    let now = listings(mnt);
                    // A rename onto itself, or onto another name of the same file, does nothing.
                    if trees.last() != Some(&now) {
                        touched.extend(changed);
                        trees.push(now);
                    }
                }
                trees
            },
            |disk, trees, report| {
                let found = listings(disk);
                lossy.set(lossy.get() + usize::from(report.lost_something()));
                if mode == CutMode::LoseAll {
                    prop_assert_eq!(&found, &trees[0]);
                } else {
                    prop_assert!(trees.contains(&found), "{:#?} is none of {:#?}", found, trees);
                }
                Ok(())
            },
        )?;
    });
    assert!(lossy.get() > 80, "only {} of the cuts lost anything", lossy.get());
}

/// Without a common journal each name is on its own: it is as it was at the last sync of its folder or at some moment
/// since. (A later operation can be on disk without an earlier one on other names, when a sync elsewhere needed it.)
#[test]
fn a_strict_journal_keeps_what_each_folder_synced() {
    if !available("a_strict_journal_keeps_what_each_folder_synced") {
        return;
    }
    let apart = Cell::new(0);
    proptest!(config(), |(acts in names(), mode in modes(), seed: u64)| {
        with_cut(
            Journal::Strict,
            (mode, seed),
            fill,
            |mnt| {
                let mut since = listings(mnt).map(|listing| vec![listing]);
                for act in &acts {
                    if let Name::Sync(folder) = act {
                        File::open(mnt.join(FOLDERS[*folder])).unwrap().sync_all().unwrap();
                        since[*folder] = vec![listing(mnt, FOLDERS[*folder])];
                    } else if !rename_one(mnt, act).is_empty() {
                        for (listings, now) in since.iter_mut().zip(listings(mnt)) {
                            listings.push(now);
                        }
                    }
                }
                since
            },
            |disk, since, report| {
                for (folder, (listings, found)) in FOLDERS.iter().zip(since.iter().zip(listings(disk))) {
                    let names: BTreeSet<&String> = listings.iter().chain([&found]).flat_map(Listing::keys).collect();
                    for name in names {
                        let held = found.get(name);
                        let allowed = listings.iter().any(|listing| listing.get(name) == held);
                        prop_assert!(allowed, "{folder}/{name}: {held:?} is in none of {listings:#?}");
                    }
                }
                apart.set(apart.get() + usize::from(report.lost_something()));
                Ok(())
            },
        )?;
    });
    assert!(apart.get() > 80, "only {} of the cuts lost anything", apart.get());
}
