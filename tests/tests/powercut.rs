//! The power cut itself, by example: if it forgot too little, every test that stands on it would prove nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, fcntl_lock, flock};
use rustix::mount::{UnmountFlags, unmount};
use semper_tests::powercut::{CutMode, CutReport, Journal, PowerCut};
use tempfile::TempDir;

const MODES: [CutMode; 3] = [CutMode::LoseAll, CutMode::LoseRandom, CutMode::Torn];
const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// A mounted folder; what lies in it at the cut is looked at in the backing folder.
struct Rig {
    // First, so that the mount ends before its folders go.
    power: PowerCut,
    folder: TempDir,
}

impl Rig {
    /// `None`, said loudly, where FUSE cannot be used. `prepare` fills the backing folder, all of it durable.
    fn new(test: &str, journal: Journal, prepare: impl FnOnce(&Path)) -> Option<Self> {
        let folder = TempDir::with_prefix("powercut-").unwrap();
        let (backing, mountpoint) = (folder.path().join("disk"), folder.path().join("mnt"));
        fs::create_dir(&backing).unwrap();
        fs::create_dir(&mountpoint).unwrap();
        prepare(&backing);
        match PowerCut::mount_with(&backing, &mountpoint, journal) {
            Ok(power) => Some(Self { power, folder }),
            Err(why) => {
                why.report(test);
                None
            }
        }
    }

    /// A path under the mount.
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("mnt").join(name)
    }

    /// The same path as the next boot finds it.
    fn after(&self, name: &str) -> PathBuf {
        self.folder.path().join("disk").join(name)
    }

    fn cut(&self, mode: CutMode) -> CutReport {
        self.power.cut(mode, 0)
    }

    fn sync_folder(&self, name: &str) {
        File::open(self.at(name)).unwrap().sync_all().unwrap();
    }
}

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

fn writable(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

// --- bytes -----------------------------------------------------------------------------------------------------------

#[test]
fn losing_all_leaves_exactly_what_was_synced() {
    let Some(rig) = Rig::new("losing_all", Journal::Ext4, |_| ()) else { return };
    let mut file = File::create(rig.at("wal")).unwrap();
    file.write_all(&[1; 6000]).unwrap();
    file.sync_data().unwrap();
    file.write_all(&[2; 6000]).unwrap();
    file.write_all_at(&[3; 100], 50).unwrap();
    drop(file); // close syncs nothing
    assert_eq!(fs::read(rig.at("wal")).unwrap().len(), 12_000, "readers see it all until the cut");

    let report = rig.cut(CutMode::LoseAll);
    assert_eq!(fs::read(rig.after("wal")).unwrap(), [1; 6000]);
    // Pages 0 (overwritten), 1 (appended to) and 2; no operation is pending, for the sync committed the creation.
    assert_eq!(report, CutReport { pages_unsynced: 3, ..CutReport::default() });
    assert!(report.lost_something());
}

#[test]
fn what_was_synced_survives_every_mode_and_seed() {
    for mode in MODES {
        for seed in 0..8 {
            let Some(rig) = Rig::new("what_was_synced", Journal::Ext4, |_| ()) else { return };
            for (name, flags) in [("dsync", libc::O_DSYNC), ("sync", libc::O_SYNC), ("plain", 0)] {
                let mut options = OpenOptions::new();
                let mut file = options.write(true).create_new(true).custom_flags(flags).open(rig.at(name)).unwrap();
                file.write_all(&[7; 5000]).unwrap();
                file.write_all(&[8; 5000]).unwrap();
                if flags == 0 {
                    file.sync_data().unwrap();
                }
            }
            let report = rig.power.cut(mode, seed);
            assert_eq!(report, CutReport::default(), "nothing was un-synced");
            assert!(!report.lost_something());
            for name in ["dsync", "sync", "plain"] {
                assert_eq!(fs::read(rig.after(name)).unwrap(), [[7; 5000], [8; 5000]].concat(), "{name} {mode:?}");
            }
        }
    }
}

#[test]
fn random_loss_is_by_page_and_by_seed() {
    let pages = 256;
    let mut outcomes = Vec::new();
    for seed in [1, 1, 2] {
        let Some(rig) = Rig::new("random_loss", Journal::Ext4, |disk| {
            fs::write(disk.join("f"), vec![1; pages * PAGE]).unwrap();
        }) else {
            return;
        };
        writable(&rig.at("f")).write_all_at(&vec![2; pages * PAGE], 0).unwrap();
        let report = rig.power.cut(CutMode::LoseRandom, seed);
        let found = fs::read(rig.after("f")).unwrap();
        let kept = found.chunks(PAGE).filter(|page| page.iter().all(|byte| *byte == 2)).count();
        let lost = found.chunks(PAGE).filter(|page| page.iter().all(|byte| *byte == 1)).count();
        assert_eq!(kept + lost, pages, "a page is old or new, never mixed");
        assert!(kept > 64 && lost > 64, "{kept} kept, {lost} lost");
        assert_eq!((report.pages_unsynced, report.pages_kept), (pages as u64, kept as u64));
        outcomes.push(found);
    }
    assert_eq!(outcomes[0], outcomes[1], "a seed names one outcome");
    assert_ne!(outcomes[0], outcomes[2]);
}

/// The anchor file: two slots of 4 KiB, written in turn, in place.
#[test]
fn a_torn_slot_is_mixed_by_sector_and_leaves_the_other_slot_alone() {
    let (mut kept, mut lost, mut torn) = (0, 0, 0);
    for seed in 0..40 {
        let Some(rig) = Rig::new("a_torn_slot", Journal::Ext4, |disk| {
            fs::write(disk.join("anchor"), [[1; PAGE], [2; PAGE]].concat()).unwrap();
        }) else {
            return;
        };
        let anchor = writable(&rig.at("anchor"));
        anchor.write_all_at(&[3; PAGE], 0).unwrap();
        anchor.sync_data().unwrap();
        anchor.write_all_at(&[4; PAGE], PAGE as u64).unwrap();
        let report = rig.power.cut(CutMode::Torn, seed);
        let found = fs::read(rig.after("anchor")).unwrap();
        assert_eq!(found[..PAGE], [3; PAGE], "the synced slot");
        let sectors: Vec<u8> = found[PAGE..].chunks(SECTOR).map(|sector| sector[0]).collect();
        for (sector, value) in found[PAGE..].chunks(SECTOR).zip(&sectors) {
            assert!(*value == 2 || *value == 4);
            assert!(sector.iter().all(|byte| byte == value), "a sector is written whole");
        }
        let new = sectors.iter().filter(|value| **value == 4).count();
        assert_eq!(report.pages_unsynced, 1);
        assert_eq!(report.pages_kept, u64::from(new == 8));
        assert_eq!(report.pages_torn, u64::from((1..8).contains(&new)));
        match new {
            0 => lost += 1,
            8 => kept += 1,
            _ => torn += 1,
        }
    }
    assert!(kept > 3 && lost > 3 && torn > 3, "{kept} kept, {lost} lost, {torn} torn");
}

#[test]
fn an_append_may_end_anywhere_up_to_what_was_written_and_holes_are_zeros() {
    let mut sizes = std::collections::BTreeSet::new();
    let mut zeros = 0;
    for seed in 0..60 {
        let Some(rig) = Rig::new("an_append", Journal::Ext4, |disk| fs::write(disk.join("wal"), [1; 1000]).unwrap())
        else {
            return;
        };
        let mut wal = OpenOptions::new().append(true).open(rig.at("wal")).unwrap();
        for _ in 0..20 {
            wal.write_all(&[2; 1000]).unwrap();
        }
        rig.power.cut(CutMode::Torn, seed);
        let found = fs::read(rig.after("wal")).unwrap();
        assert!((1000..=21_000).contains(&found.len()));
        assert_eq!(found[..1000], [1; 1000], "what was synced");
        assert!(found[1000..].iter().all(|byte| matches!(byte, 0 | 2)));
        zeros += usize::from(found[1000..].contains(&0));
        sizes.insert(found.len());
    }
    assert!(sizes.contains(&1000) && sizes.contains(&21_000) && sizes.len() > 5, "{sizes:?}");
    assert!(zeros > 5, "{zeros}");
}

#[test]
fn a_lost_truncation_gives_the_bytes_back() {
    let Some(rig) = Rig::new("a_lost_truncation", Journal::Ext4, |disk| {
        fs::write(disk.join("f"), [1; 10_000]).unwrap();
    }) else {
        return;
    };
    let file = OpenOptions::new().write(true).truncate(true).open(rig.at("f")).unwrap();
    file.write_all_at(&[2; 3000], 0).unwrap();
    let report = rig.cut(CutMode::LoseAll);
    assert_eq!(fs::read(rig.after("f")).unwrap(), [1; 10_000]);
    assert_eq!((report.ops_unsynced, report.ops_kept), (1, 0));
}

#[test]
fn a_truncation_committed_by_another_file_is_kept_without_the_bytes_behind_it() {
    let Some(rig) = Rig::new("a_truncation_committed", Journal::Ext4, |disk| {
        fs::write(disk.join("f"), [1; 10_000]).unwrap();
    }) else {
        return;
    };
    let file = writable(&rig.at("f"));
    file.set_len(5000).unwrap();
    file.write_all_at(&[2; 3000], 4500).unwrap();
    File::create(rig.at("other")).unwrap().sync_all().unwrap();
    rig.cut(CutMode::LoseAll);
    assert_eq!(fs::read(rig.after("f")).unwrap(), [1; 5000]);
    assert!(rig.after("other").exists());
}

#[test]
fn preallocation_moves_the_end_only_when_asked() {
    let Some(rig) = Rig::new("preallocation", Journal::Ext4, |_| ()) else { return };
    let file = File::create(rig.at("wal")).unwrap();
    fallocate(&file, FallocateFlags::KEEP_SIZE, 0, 1 << 20).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 0);
    file.write_all_at(&[1; 100], 0).unwrap();
    file.sync_all().unwrap();
    fallocate(&file, FallocateFlags::empty(), 0, 10_000).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 10_000);
    let punched = fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, 4096);
    assert_eq!(punched, Err(rustix::io::Errno::OPNOTSUPP));
    file.set_len(10_000).unwrap(); // as RocksDB does when it closes a file: nothing changes
    rig.cut(CutMode::LoseAll);
    assert_eq!(fs::read(rig.after("wal")).unwrap(), [1; 100]);
}

// --- names -----------------------------------------------------------------------------------------------------------

/// The steps by which RocksDB moves CURRENT: write a temporary file, sync it, rename it, sync the folder. Cut after
/// each.
#[test]
fn a_rename_over_is_old_or_new_and_durable_after_the_folder_is_synced() {
    for journal in [Journal::Ext4, Journal::Strict] {
        for steps in 1..=4 {
            for (mode, seed) in MODES.into_iter().flat_map(|mode| (0..6).map(move |seed| (mode, seed))) {
                let Some(rig) = Rig::new("a_rename_over", journal, |disk| {
                    fs::write(disk.join("CURRENT"), "MANIFEST-000001\n").unwrap();
                }) else {
                    return;
                };
                let mut file = File::create(rig.at("000007.dbtmp")).unwrap();
                file.write_all(b"MANIFEST-000007\n").unwrap();
                if steps >= 2 {
                    file.sync_all().unwrap();
                }
                if steps >= 3 {
                    fs::rename(rig.at("000007.dbtmp"), rig.at("CURRENT")).unwrap();
                }
                if steps >= 4 {
                    rig.sync_folder("");
                }
                rig.power.cut(mode, seed);
                let current = fs::read_to_string(rig.after("CURRENT")).unwrap();
                match (steps, mode) {
                    (4, _) => assert_eq!(current, "MANIFEST-000007\n"),
                    (3, CutMode::LoseRandom | CutMode::Torn) => {
                        assert!(["MANIFEST-000001\n", "MANIFEST-000007\n"].contains(&current.as_str()), "{current}");
                    }
                    _ => assert_eq!(current, "MANIFEST-000001\n"),
                }
                let tmp = fs::read(rig.after("000007.dbtmp"));
                match steps {
                    2 => assert_eq!(tmp.unwrap(), b"MANIFEST-000007\n"),
                    3 => assert_eq!(tmp.is_ok(), current == "MANIFEST-000001\n", "one name or the other"),
                    4 => assert_eq!(tmp.unwrap_err().kind(), io::ErrorKind::NotFound),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_rename_without_a_sync_of_the_file_can_leave_it_empty() {
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let Some(rig) = Rig::new("a_rename_without", Journal::Ext4, |disk| fs::write(disk.join("f"), "old").unwrap())
        else {
            return;
        };
        fs::write(rig.at("tmp"), "new").unwrap();
        fs::rename(rig.at("tmp"), rig.at("f")).unwrap();
        rig.power.cut(CutMode::LoseRandom, seed);
        found.insert(fs::read_to_string(rig.after("f")).unwrap());
    }
    for outcome in ["old", "", "\0\0\0", "new"] {
        assert!(found.contains(outcome), "{outcome:?} of {found:?}");
    }
}

#[test]
fn names_that_were_not_synced_are_undone() {
    let Some(rig) = Rig::new("names", Journal::Ext4, |disk| {
        fs::create_dir_all(disk.join("old/empty")).unwrap();
        fs::write(disk.join("old/kept"), "kept").unwrap();
        fs::write(disk.join("linked"), "linked").unwrap();
        fs::hard_link(disk.join("linked"), disk.join("old/linked")).unwrap();
        fs::set_permissions(disk.join("linked"), fs::Permissions::from_mode(0o640)).unwrap();
    }) else {
        return;
    };
    assert_eq!(fs::metadata(rig.at("linked")).unwrap().nlink(), 2);
    fs::write(rig.at("new"), "new").unwrap();
    fs::create_dir(rig.at("made")).unwrap();
    fs::rename(rig.at("old"), rig.at("made/moved")).unwrap();
    fs::remove_dir(rig.at("made/moved/empty")).unwrap();
    fs::write(rig.at("made/moved/kept"), "other").unwrap();
    fs::remove_file(rig.at("made/moved/kept")).unwrap();
    fs::remove_file(rig.at("linked")).unwrap();
    assert_eq!(fs::metadata(rig.at("made/moved/linked")).unwrap().nlink(), 1);
    fs::hard_link(rig.at("made/moved/linked"), rig.at("made/again")).unwrap();
    fs::set_permissions(rig.at("made/again"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(rig.at("made/moved/linked")).unwrap();
    let names = |folder: &Path| {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&rig.at("")), ["made", "new"]);
    assert_eq!(names(&rig.at("made")), ["again", "moved"]);

    let report = rig.cut(CutMode::LoseAll);
    // create, mkdir, rename, rmdir, truncate (write), 2 unlinks, link, chmod, unlink.
    assert_eq!((report.ops_unsynced, report.ops_kept), (10, 0));
    assert_eq!(names(&rig.after("")), ["linked", "old"]);
    assert_eq!(names(&rig.after("old")), ["empty", "kept", "linked"]);
    assert_eq!(fs::read_to_string(rig.after("old/kept")).unwrap(), "kept");
    let linked = fs::metadata(rig.after("linked")).unwrap();
    assert_eq!((linked.nlink(), linked.mode() & 0o7777), (2, 0o640));
    assert_eq!(linked.ino(), fs::metadata(rig.after("old/linked")).unwrap().ino());
}

#[test]
fn which_syncs_commit_what() {
    for journal in [Journal::Ext4, Journal::Strict] {
        let Some(rig) = Rig::new("which_syncs", journal, |disk| fs::write(disk.join("anchor"), [1; 100]).unwrap())
        else {
            return;
        };
        fs::create_dir(rig.at("dir")).unwrap();
        let first = File::create(rig.at("dir/first")).unwrap();
        File::create(rig.at("second")).unwrap();
        // An overwrite in place changes no inode that fdatasync would have to commit.
        let anchor = writable(&rig.at("anchor"));
        anchor.write_all_at(&[2; 100], 0).unwrap();
        anchor.sync_data().unwrap();
        File::create(rig.at("third")).unwrap();
        first.sync_all().unwrap();
        File::create(rig.at("fourth")).unwrap();

        rig.cut(CutMode::LoseAll);
        assert_eq!(fs::read(rig.after("anchor")).unwrap(), [2; 100]);
        assert!(rig.after("dir/first").exists(), "with the folder that it needs");
        for name in ["second", "third"] {
            assert_eq!(rig.after(name).exists(), journal == Journal::Ext4, "{name} {journal:?}");
        }
        assert!(!rig.after("fourth").exists());
    }
}

#[test]
fn an_overwrite_in_place_commits_no_names() {
    let Some(rig) = Rig::new("an_overwrite", Journal::Ext4, |disk| fs::write(disk.join("anchor"), [1; 100]).unwrap())
    else {
        return;
    };
    File::create(rig.at("created")).unwrap();
    let anchor = writable(&rig.at("anchor"));
    anchor.write_all_at(&[2; 100], 0).unwrap();
    anchor.sync_data().unwrap();
    rig.cut(CutMode::LoseAll);
    assert_eq!(fs::read(rig.after("anchor")).unwrap(), [2; 100]);
    assert!(!rig.after("created").exists());
}

#[test]
fn an_open_file_outlives_its_name() {
    let Some(rig) = Rig::new("an_open_file", Journal::Ext4, |_| ()) else { return };
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(rig.at("f")).unwrap();
    file.write_all(b"here").unwrap();
    fs::remove_file(rig.at("f")).unwrap();
    file.sync_all().unwrap();
    file.write_all(b" still").unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "here still");
    drop(file);
    rig.cut(CutMode::LoseAll);
    assert_eq!(fs::read_dir(rig.after("")).unwrap().count(), 0, "the unlink was committed, nothing hidden stays");
}

// --- faults ----------------------------------------------------------------------------------------------------------

#[test]
fn pages_of_a_failed_sync_stay_lost_until_they_are_written_again() {
    let Some(rig) =
        Rig::new("pages_of_a_failed_sync", Journal::Ext4, |disk| fs::write(disk.join("f"), [1; 2 * PAGE]).unwrap())
    else {
        return;
    };
    let file = writable(&rig.at("f"));
    file.write_all_at(&[2; 2 * PAGE], 0).unwrap();
    rig.power.fail_next_sync(libc::EIO);
    assert_eq!(errno(file.sync_data()), Some(libc::EIO));
    file.sync_data().unwrap(); // Linux has forgotten the failure
    file.write_all_at(&[3; PAGE], 0).unwrap();
    file.sync_data().unwrap();
    let report = rig.cut(CutMode::LoseAll);
    assert_eq!(fs::read(rig.after("f")).unwrap(), [[3; PAGE], [1; PAGE]].concat());
    assert_eq!(report.pages_unsynced, 1);
}

#[test]
fn a_full_disk_takes_the_first_part() {
    let Some(rig) = Rig::new("a_full_disk", Journal::Ext4, |_| ()) else { return };
    let mut file = File::create(rig.at("f")).unwrap();
    rig.power.fail_writes_after(150);
    file.write_all(&[1; 100]).unwrap();
    assert_eq!(file.write(&[2; 100]).unwrap(), 50);
    assert_eq!(errno(file.write(&[2; 100])), Some(libc::ENOSPC));
    assert_eq!(fallocate(&file, FallocateFlags::empty(), 0, 4096), Err(rustix::io::Errno::NOSPC));
    rig.power.fail_next_sync(libc::ENOSPC);
    assert_eq!(errno(file.sync_all()), Some(libc::ENOSPC));
    rig.power.fail_next_sync(libc::EIO);
    rig.power.heal();
    file.write_all(&[3; 100]).unwrap();
    file.sync_all().unwrap();
    rig.cut(CutMode::Torn);
    assert_eq!(fs::read(rig.after("f")).unwrap().len(), 250);
}

/// The promise that the server's tests stand on: what a sync acknowledged before the cut is there after it.
#[test]
fn acknowledged_records_survive_a_cut_under_load() {
    const WRITERS: usize = 4;
    for (mode, seed) in MODES.into_iter().zip(7..) {
        let Some(rig) = Rig::new("acknowledged_records", Journal::Ext4, |_| ()) else { return };
        let (acknowledge, acknowledged) = std::sync::mpsc::channel();
        let mut counts = [0_u64; WRITERS];
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (path, acknowledge) = (rig.at(&writer.to_string()), acknowledge.clone());
                scope.spawn(move || -> io::Result<()> {
                    let mut wal = File::create(path)?;
                    wal.sync_all()?;
                    for number in 0_u64.. {
                        wal.write_all(&record(writer, number))?;
                        wal.sync_data()?;
                        acknowledge.send((writer, number + 1)).map_err(io::Error::other)?;
                    }
                    Ok(())
                });
            }
            drop(acknowledge);
            for (writer, count) in acknowledged.iter().take(500) {
                counts[writer] = count;
            }
            rig.power.cut(mode, seed);
            // Until the writers end, as they must, at EIO.
            for (writer, count) in &acknowledged {
                counts[writer] = count;
            }
        });
        assert!(counts.iter().sum::<u64>() >= 500);
        for (writer, count) in counts.into_iter().enumerate() {
            let expected: Vec<u8> = (0..count).flat_map(|number| record(writer, number)).collect();
            let found = fs::read(rig.after(&writer.to_string())).unwrap_or_default();
            assert!(found.len() >= expected.len(), "{mode:?}: {} of {} bytes", found.len(), expected.len());
            assert!(found[..expected.len()] == expected, "{mode:?}: an acknowledged record differs");
            let rest = found.len() - expected.len();
            assert!(rest <= 1000, "{mode:?}: at most the one record in flight");
        }
    }
}

fn record(writer: usize, number: u64) -> Vec<u8> {
    [writer as u64, number].map(u64::to_le_bytes).concat().repeat(1000 / 16 + 1)[..1000].to_vec()
}

#[test]
fn after_the_cut_everything_fails_and_a_new_mount_starts_from_what_is_left() {
    let Some(rig) = Rig::new("after_the_cut", Journal::Ext4, |disk| fs::write(disk.join("old"), "old").unwrap()) else {
        return;
    };
    let mut file = File::create(rig.at("f")).unwrap();
    file.write_all(b"synced").unwrap();
    file.sync_all().unwrap();
    file.write_all(b" lost").unwrap();
    rig.cut(CutMode::LoseAll);
    assert_eq!(rig.cut(CutMode::LoseRandom), CutReport::default(), "the power is off already");
    assert_eq!(errno(file.write(b"x")), Some(libc::EIO));
    assert_eq!(errno(file.sync_all()), Some(libc::EIO));
    assert_eq!(errno(file.sync_data()), Some(libc::EIO));
    assert_eq!(errno(file.set_len(0)), Some(libc::EIO));
    assert_eq!(errno(File::open(rig.at("old"))), Some(libc::EIO));
    assert_eq!(errno(File::create(rig.at("g"))), Some(libc::EIO));
    assert_eq!(errno(fs::create_dir(rig.at("d"))), Some(libc::EIO));
    assert_eq!(errno(fs::rename(rig.at("old"), rig.at("new"))), Some(libc::EIO));
    assert_eq!(errno(fs::remove_file(rig.at("old"))), Some(libc::EIO));
    assert_eq!(errno(fs::read_dir(rig.at(""))), Some(libc::EIO));

    let Rig { power, folder } = rig;
    drop(power); // while `file` is still open
    let power = PowerCut::mount(&folder.path().join("disk"), &folder.path().join("mnt")).unwrap();
    let mnt = folder.path().join("mnt");
    assert_eq!(fs::read_to_string(mnt.join("f")).unwrap(), "synced");
    assert_eq!(errno(file.sync_all()), Some(libc::ENOTCONN), "the old process does not reach the new mount");
    fs::write(mnt.join("f"), "again").unwrap();
    power.cut(CutMode::LoseAll, 0);
    assert_eq!(fs::read_to_string(folder.path().join("disk/f")).unwrap(), "synced");
}

// --- an ordinary file system for the rest ----------------------------------------------------------------------------

#[test]
fn locks_keep_others_out() {
    let Some(rig) = Rig::new("locks", Journal::Ext4, |_| ()) else { return };
    let first = File::create(rig.at("LOCK")).unwrap();
    flock(&first, FlockOperation::NonBlockingLockExclusive).unwrap();
    let second = writable(&rig.at("LOCK"));
    let refused = flock(&second, FlockOperation::NonBlockingLockExclusive);
    assert_eq!(refused, Err(rustix::io::Errno::WOULDBLOCK));
    drop(first);
    flock(&second, FlockOperation::NonBlockingLockExclusive).unwrap();
    // RocksDB's kind. One process does not lock itself out, so here only that it can be had and given back.
    fcntl_lock(&second, FlockOperation::NonBlockingLockExclusive).unwrap();
    fcntl_lock(&second, FlockOperation::NonBlockingUnlock).unwrap();
}

/// The kernel maps a program that it runs: reads through a mapping, without unsafe code of ours.
#[test]
fn a_program_on_the_mount_runs_from_its_mapping() {
    let Some(rig) = Rig::new("a_program", Journal::Ext4, |_| ()) else { return };
    fs::copy("/bin/echo", rig.at("echo")).unwrap();
    let said = Command::new(rig.at("echo")).arg("mapped").output().unwrap();
    assert_eq!(said.stdout, b"mapped\n");
}

#[test]
fn strangers_programs_work_on_it() {
    let Some(rig) = Rig::new("strangers", Journal::Ext4, |_| ()) else { return };
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).current_dir(rig.at("")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run("dd", &["if=/dev/urandom", "of=a", "bs=100000", "count=30", "conv=fsync"]);
    run("dd", &["if=a", "of=direct", "bs=65536", "oflag=direct", "conv=fdatasync"]);
    run("dd", &["if=a", "of=sync", "bs=99999", "oflag=dsync"]);
    run("mkdir", &["-p", "x/y"]);
    run("cp", &["-p", "a", "x/y/b"]);
    run("mv", &["x/y", "z"]);
    run("sync", &["z/b", "z", "."]);
    let sums = run("sha256sum", &["a", "direct", "sync", "z/b"]);
    let digests: Vec<&str> = sums.lines().map(|line| &line[..64]).collect();
    assert_eq!(digests.len(), 4);
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{sums}");
    run("df", &["."]);

    rig.cut(CutMode::LoseAll);
    let output = Command::new("sha256sum").current_dir(rig.after("")).args(["a", "direct", "sync", "z/b"]).output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), sums);
}

#[test]
fn unmounting_leaves_no_mount_behind_even_with_files_open() {
    let Some(rig) = Rig::new("unmounting", Journal::Ext4, |_| ()) else { return };
    let mountpoint = rig.at("").canonicalize().unwrap();
    let needle = format!(" {} ", mountpoint.display());
    let mounted = || fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&needle);
    assert!(mounted());
    let file = File::create(rig.at("f")).unwrap();
    let Rig { power, folder } = rig;
    drop(power);
    assert!(!mounted());
    assert_eq!(errno(file.sync_all()), Some(libc::ENOTCONN));
    assert_eq!(fs::read_dir(folder.path().join("mnt")).unwrap().count(), 0, "the bare folder again");
    // Without a cut all is as callers saw it, and nothing of ours stays.
    let left: Vec<_> =
        fs::read_dir(folder.path().join("disk")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["f"]);
}

/// A process that dies with a file open on its own mount must not hang in its exit: it would never be reaped, and would
/// hold the pipes of whoever started it.
#[test]
fn a_process_killed_over_its_own_mount_ends() {
    let Some(rig) = Rig::new("a_process_killed", Journal::Ext4, |_| ()) else { return };
    drop(rig);
    let folder = TempDir::with_prefix("powercut-").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "mount_and_wait", "--ignored", "--nocapture"])
        .env(CHILD_FOLDER, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap().contains("mounted")));
    child.kill().unwrap();
    let (end, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || end.send(child.wait().map(|status| status.success())));
    let outcome = ended.recv_timeout(Duration::from_secs(10));
    // Before any assertion: where the process hangs, only this sets it free.
    unmount(folder.path().join("mnt"), UnmountFlags::FORCE | UnmountFlags::DETACH).unwrap();
    assert!(!outcome.expect("the killed process ends").unwrap());
}

const CHILD_FOLDER: &str = "POWERCUT_CHILD_FOLDER";

#[test]
#[ignore = "the child of a_process_killed_over_its_own_mount_ends"]
fn mount_and_wait() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER).map(PathBuf::from) else { return };
    fs::create_dir(folder.join("disk")).unwrap();
    fs::create_dir(folder.join("mnt")).unwrap();
    let _power = PowerCut::mount(&folder.join("disk"), &folder.join("mnt")).unwrap();
    let _file = File::create(folder.join("mnt/f")).unwrap();
    writeln!(io::stdout(), "mounted").unwrap();
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
