//! The first promise under a power cut: the server's data folder lies on a file system that forgets what was not synced.
//!
//! A killed process loses nothing that it gave to the kernel; a machine without power does. RocksDB's log, its manifest,
//! the anchor and the names of new files must therefore be synced before an answer leaves, in the right order.
//! `semper_tests::powercut` says what is modelled. Where FUSE is missing, each test says loudly that it did not run.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use semper_tests::dice::Dice;
use semper_tests::powercut::{CutMode, PowerCut};
use semper_tests::server::{Data, Server};
use semper_tests::stamp::{Load, Record, granted_by, load, verify_all};
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

    /// `fsck --full` on what survived.
    fn fsck(&self) {
        let Some(power) = self.mount("fsck after a power cut") else { return };
        let path = self.mounted();
        let args = ["fsck", "--full", "--data", path.to_str().expect("a path in UTF-8")];
        semper_tests::server::run(&args).expect(0);
        drop(power);
    }

    fn trust(&self) -> semper_ttp::verify::Trust {
        let text = |name| fs::read_to_string(self.backing().join("trust").join(name)).expect(name);
        let trust =
            semper_ttp::verify::Trust::from_texts(&text("root.pem"), &text("tsa-chain.pem"), &text("ledger.vkey"));
        let test = semper_ttp::asn1::TEST_POLICY.parse().expect("an object identifier");
        trust.expect("trust anchors").with_policies(vec![test])
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
    let (answers, host) = (1 + dice.below(ANSWERS_MAX), server.http());
    let further = Duration::from_micros(dice.below(FURTHER_MICROS_MAX));
    let stop = AtomicBool::new(false);
    let (send, received) = channel();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (send, stop) = (send.clone(), &stop);
            scope.spawn(move || {
                let name = format!("{mode:?} {round} {client}");
                load(&Load { host, name: &name, proof_every: 3, stop }, &send);
            });
        }
        drop(send);
        for _ in 0..answers {
            records
                .push(received.recv().unwrap_or_else(|_| panic!("the server stopped by itself:\n{}", server.stderr())));
        }
        let end = Instant::now() + further;
        while let Ok(record) = received.recv_timeout(end.saturating_duration_since(Instant::now())) {
            records.push(record);
        }
        let report = power.cut(mode, dice.roll());
        stop.store(true, Ordering::Relaxed);
        // A process lives on for a moment on its machine's last charge. It can sync nothing any more, so whatever it
        // still answers must have been durable before; the clients keep that too.
        server.kill9();
        records.extend(received);
        report.lost_something()
    })
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
        let (stop, (send, received)) = (AtomicBool::new(false), channel());
        let host = server.http();
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (send, stop) = (send.clone(), &stop);
                scope.spawn(move || {
                    let name = format!("{test} {round} {client}");
                    load(&Load { host, name: &name, proof_every: 0, stop }, &send);
                });
            }
            drop(send);
            records.extend(received.iter().take(20));
            power.fail_next_sync(errno);
            // The clients run until the server is gone: it ends by itself.
            let (end, _) = server.wait();
            stop.store(true, Ordering::Relaxed);
            records.extend(received);
            end.expect(70);
            assert!(!end.stderr.is_empty(), "it says why");
        });
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
