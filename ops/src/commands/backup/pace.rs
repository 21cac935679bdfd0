//! How fast a backup goes beside a server that answers: not faster than the server can bear.
//!
//! What hurts, most first: the processor, since each byte is hashed three times and encrypted; writes that gather in memory until
//! one sync pushes them all in front of the server's own; reading. A low priority alone does not help against the second, and the
//! schedulers of many disks know no priority. So bytes pass at a steady rate, what was written is sent on its way every few
//! megabytes, and the process runs at the lowest priority as well.

use std::fs::File;
use std::io::{self, Read, Write};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};

/// Beside a server, where nothing else was asked for: 1 GiB in 16 s, and once more for reading it back; a tenth of what one core
/// encrypts and hashes.
pub(crate) const BESIDE_A_SERVER: u64 = 64 << 20;

/// Credit that is kept: after a pause, such as a slow sync, at most so much passes at once.
const BURST: Duration = Duration::from_millis(50);

/// The shortest sleep.
const SLEEP_MIN: Duration = Duration::from_millis(5);

/// Bytes after which what was written is sent to the disk, without waiting for it.
const WRITTEN_BYTES_MAX: u64 = 4 << 20;

/// Lets bytes pass at a rate.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_s: Option<NonZeroU64>,
    begun: Instant,
    /// When, since `begun`, the next byte may pass.
    due: Duration,
}

impl Pace {
    /// 0 is without a bound.
    pub(crate) fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s: NonZeroU64::new(bytes_per_s), begun: Instant::now(), due: Duration::ZERO }
    }

    /// These bytes have passed; waits until more may.
    pub(crate) fn passed(&mut self, bytes: usize) {
        let wait = self.wait(self.begun.elapsed(), bytes);
        // Short ones add up; a thousand wakings a second would be the server's to pay.
        if wait >= SLEEP_MIN {
            std::thread::sleep(wait);
        }
    }

    fn wait(&mut self, now: Duration, bytes: usize) -> Duration {
        let Some(rate) = self.bytes_per_s else { return Duration::ZERO };
        let due = self.due.max(now.saturating_sub(BURST));
        self.due = due + Duration::from_secs_f64(bytes as f64 / rate.get() as f64);
        self.due.saturating_sub(now)
    }
}

/// Reads at the pace.
pub(crate) struct Paced<'p, R> {
    pub(crate) inner: R,
    pub(crate) pace: &'p mut Pace,
}

impl<R: Read> Read for Paced<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.pace.passed(read);
        Ok(read)
    }
}

/// Writes a file of which never much waits in memory.
pub(crate) struct Streamed<'f> {
    file: &'f mut File,
    written: u64,
    sent: u64,
}

impl<'f> Streamed<'f> {
    /// A new file.
    pub(crate) fn new(file: &'f mut File) -> Self {
        Self { file, written: 0, sent: 0 }
    }
}

impl Write for Streamed<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let written = self.file.write(piece)?;
        self.written += written as u64;
        if self.written - self.sent >= WRITTEN_BYTES_MAX {
            // Linux begins to write what it is told to forget, and does not wait for it.
            let _ = fadvise(&*self.file, self.sent, NonZeroU64::new(self.written - self.sent), Advice::DontNeed); // advice
            self.sent = self.written;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_at_the_rate_and_a_pause_is_not_made_up_for() {
        let ms = Duration::from_millis;
        let mut pace = Pace::new(1_000_000);
        for (now_ms, bytes, wait_ms) in [
            (0, 0, 0),
            (0, 100_000, 100),
            (100, 100_000, 100),
            // It came early, and waits for both.
            (110, 100_000, 190),
            (300, 1_000, 1),
            // A second of nothing: 50 ms of it are credit.
            (1_300, 40_000, 0),
            (1_300, 20_000, 10),
            (1_310, 0, 0),
        ] {
            assert_eq!(pace.wait(ms(now_ms), bytes), ms(wait_ms), "{now_ms} {bytes}");
        }
        assert_eq!(Pace::new(0).wait(ms(0), usize::MAX), ms(0));
    }

    #[test]
    fn everything_passes() {
        let bytes: Vec<u8> = (0..10_000_000_u32).map(|n| (n % 251) as u8).collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut file = File::create(&path).unwrap();
        let mut pace = Pace::new(0);
        io::copy(&mut Paced { inner: &*bytes, pace: &mut pace }, &mut Streamed::new(&mut file)).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
    }
}
