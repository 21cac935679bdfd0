//! The first promise under a power cut: the server's data folder lies on a file system that forgets what was not synced.
//!
//! A killed process loses nothing that it gave to the kernel; a machine without power does. RocksDB's log, its manifest,
//! the anchor and the names of new files must therefore be synced before an answer leaves, in the right order.
//! `semper_tests::powercut` says what is modelled. Where FUSE is missing, each test says loudly that it did not run.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use semper_tests::dice::Dice;
use semper_tests::powercut::{CutMode, PowerCut};
use semper_tests::server::{Data, Server};
use semper_tests::stamp::{Crowd, Record, granted_by, verify_all};
use tempfile::TempDir;

/// In each of the three modes.
const CUTS_PER_MODE: usize = 12;
const CLIENTS: usize = 3;
const ANSWERS_MAX: u64 = 60;
const FURTHER_MICROS_MAX: u64 = 8_000;

/// A disk: the folder that survives, and the place where it is mounted.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// With a service on it.
    fn new() -> Self {
        let folder = TempDir::with_prefix("semper-power-").expect("a temporary folder");
        for name in ["disk", "mnt"] {
            fs::create_dir(folder.path().join(name)).expect("a new folder");
        }
        let disk = Self { folder };
        // Made where it will be served: settings may name its files by their absolute paths.
        drop(Data::demo_at(&disk.mounted()));
        fs::rename(disk.mounted(), disk.backing()).expect("on one file system");
        disk
    }

    /// The service while the disk is mounted.
    fn mounted(&self) -> PathBuf {
        self.folder.path().join("mnt/data")
    }

    /// Its bytes as they survive.
    fn backing(&self) -> PathBuf {
        self.folder.path().join("disk/data")
    }

    /// `None`, said loudly, where there is no FUSE.
    fn mount(&self, test: &str) -> Option<PowerCut> {
        let power = PowerCut::mount(&self.folder.path().join("disk"), &self.folder.path().join("mnt"));
        power.map_err(|why| why.report(test)).ok()
    }

    fn serve(&self) -> Server {
        Server::start(&self.mounted(), &[], &[])
    }

    /// `fsck --full` on what survived. A cut may have torn the slot of the anchor that was being written, which nobody can
    /// tell from a flipped byte; the next start repairs it, and then all must be sound.
    fn fsck(&self) {
        let Some(power) = self.mount("fsck after a power cut") else { return };
        let data = Data::at(&self.mounted());
        let mut end = data.fsck();
        if end.stdout.contains("as a power cut may leave it: 1 finding") {
            assert!(end.expect(1).stdout.contains("  torn     anchor (slot "), "{end:#?}");
            drop(self.serve().stop());
            end = data.fsck();
        }
        end.expect(0);
        drop(power);
    }

    fn trust(&self) -> semper_ttp::verify::Trust {
        Data::at(&self.backing()).trust()
    }
}

#[test]
fn cuts_that_lose_all_lose_no_answer() {
    cuts(CutMode::LoseAll, "cuts_that_lose_all_lose_no_answer");
}

#[test]
fn cuts_that_lose_at_random_lose_no_answer() {
    cuts(CutMode::LoseRandom, "cuts_that_lose_at_random_lose_no_answer");
}

#[test]
fn cuts_that_tear_pages_lose_no_answer() {
    cuts(CutMode::Torn, "cuts_that_tear_pages_lose_no_answer");
}

#[allow(clippy::print_stderr, reason = "how much was really tested belongs beside the result")]
fn cuts(mode: CutMode, test: &str) {
    let disk = Disk::new();
    let trust = disk.trust();
    let mut dice = Dice::from_environment(test);
    let begun = Instant::now();
    let (mut records, mut biting) = (Vec::<Record>::new(), 0);
    for round in 0..CUTS_PER_MODE {
        let Some(power) = disk.mount(test) else { return };
        let server = disk.serve();
        // What the last cut left is complete before anything new is asked.
        let newest = records.len().saturating_sub(2 * ANSWERS_MAX as usize);
        verify_all(&records[newest..], server.http(), &trust);
        let before = records.len();
        let lost = cut_under_load(&power, server, mode, round, &mut dice, &mut records);
        assert!(records.len() > before, "round {round} gave no answer at all");
        biting += usize::from(lost);
        drop(power);
        if round % 4 == 3 {
            disk.fsck();
        }
    }
    disk.fsck();
    let Some(_power) = disk.mount(test) else { return };
    let server = disk.serve();
    verify_all(&records, server.http(), &trust);
    drop(server.stop());
    eprintln!(
        "{mode:?}: {CUTS_PER_MODE} cuts, {biting} of them lost something; {} tokens answered, {:.0} s",
        records.len(),
        begun.elapsed().as_secs_f64()
    );
    assert!(biting > 0, "no cut had anything to lose: this test proves nothing");
}

/// Loads the server, cuts the power at a moment that the dice choose, then kills the process. Says whether the disk forgot
/// anything.
fn cut_under_load(
    power: &PowerCut,
    server: Server,
    mode: CutMode,
    round: usize,
    dice: &mut Dice,
    records: &mut Vec<Record>,
) -> bool {
    let crowd = Crowd {
        name: &format!("{mode:?} {round}"),
        clients: CLIENTS,
        proof_every: 3,
        answers: 1 + dice.below(ANSWERS_MAX),
        further: Duration::from_micros(dice.below(FURTHER_MICROS_MAX)),
    };
    let (answered, lost) = crowd.disturbed(server, |server| {
        let report = power.cut(mode, dice.roll());
        // A process lives on for a moment on its machine's last charge. It can sync nothing any more, so whatever it
        // still answers must have been durable before; the clients keep that too.
        server.kill9();
        report.lost_something()
    });
    records.extend(answered);
    lost
}

#[test]
fn a_sync_that_fails_with_eio_ends_the_server_and_loses_no_answer() {
    failing_sync(libc::EIO, "a_sync_that_fails_with_eio");
}

#[test]
fn a_sync_that_fails_with_enospc_ends_the_server_and_loses_no_answer() {
    failing_sync(libc::ENOSPC, "a_sync_that_fails_with_enospc");
}

/// After a failed sync nobody knows what is on disk: the process must end (70) rather than go on, and answer no commit of
/// that group as done.
fn failing_sync(errno: i32, test: &str) {
    let disk = Disk::new();
    let trust = disk.trust();
    let mut records = Vec::new();
    for round in 0..3 {
        let Some(power) = disk.mount(test) else { return };
        let server = disk.serve();
        verify_all(&records, server.http(), &trust);
        let name = format!("{test} {round}");
        let further = Duration::ZERO;
        let crowd = Crowd { name: &name, clients: CLIENTS, proof_every: 0, answers: 20, further };
        let (answered, (end, _)) = crowd.disturbed(server, |server| {
            power.fail_next_commit(errno);
            // The clients run until the server is gone: it ends by itself.
            server.wait()
        });
        records.extend(answered);
        end.expect(70);
        assert!(!end.stderr.is_empty(), "it says why");
        power.heal();
        // Power goes as well: what the failed sync should have written is not on disk.
        power.cut(CutMode::LoseAll, 0);
    }
    disk.fsck();
    let Some(_power) = disk.mount(test) else { return };
    let server = disk.serve();
    verify_all(&records, server.http(), &trust);
    assert!(granted_by(server.http()));
}
