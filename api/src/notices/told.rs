//! Which notices were told: over a restart, too. A small file beside the store, which is nobody's evidence: if it is lost, some
//! notices come again under the ids that they had.
//!
//! ```text
//! semper notices v1
//! <last second of the certificate> <days before> <history of the certificate, 64 hexadecimal digits>
//! ```
//!
//! A line is appended and synced when a notice was told; of a certificate the line nearest to its end counts. A line that a crash has
//! cut was not told for sure, and is passed over. Lines of certificates that have ended go when the file is written anew, which is when
//! it has twice as many lines as count: so it stays in proportion to the certificates whose end is near.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use semper_ledger::disk::{self, DiskFault};
use semper_ttp::evidence::Aggregate;
use semper_ttp::time::Timestamp;

/// The first line.
const HEAD: &str = "semper notices v1";

/// Longest file that is read, bytes: half a million certificates that end within the same few weeks.
const BYTES_MAX: usize = 64 << 20;

/// Lines that a file may have more than twice those that count.
const SPARE_LINES: usize = 64;

/// Not such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToldFault {
    /// Its first line is another.
    #[error("it does not begin with the line {HEAD:?}")]
    Head,
    /// Longer than a service of ours writes it.
    #[error("it is longer than {BYTES_MAX} bytes")]
    TooLong,
    /// A line that does not read.
    #[error("line {0} does not read")]
    Line(usize),
}

/// What was told of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    not_after: Timestamp,
    days_before: u16,
}

/// The file and what it says.
#[derive(Debug)]
pub(super) struct Told {
    path: PathBuf,
    of: BTreeMap<[u8; 32], Line>,
    /// In the file.
    lines: usize,
    /// `None` while nobody knows what the file holds: then it is written anew.
    file: Option<File>,
}

/// Counts the certificates of whose notices a file tells.
///
/// # Errors
/// [`ToldFault`].
pub fn check_told(bytes: &[u8]) -> Result<usize, ToldFault> {
    parse(bytes).map(|(of, _)| of.len())
}

fn parse(bytes: &[u8]) -> Result<(BTreeMap<[u8; 32], Line>, usize), ToldFault> {
    if bytes.len() > BYTES_MAX {
        return Err(ToldFault::TooLong);
    }
    // What follows the last line's end was cut.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &bytes[..end]);
    let mut lines = whole.split(|byte| *byte == b'\n').enumerate();
    if lines.next().is_none_or(|(_, head)| head != HEAD.as_bytes()) {
        return Err(ToldFault::Head);
    }
    let (mut of, mut count) = (BTreeMap::new(), 0);
    for (number, line) in lines {
        let (history, line) = read_line(line).ok_or(ToldFault::Line(number + 1))?;
        keep(&mut of, history, line);
        count += 1;
    }
    Ok((of, count))
}

fn keep(of: &mut BTreeMap<[u8; 32], Line>, history: [u8; 32], line: Line) {
    let known = of.entry(history).or_insert(line);
    known.days_before = known.days_before.min(line.days_before);
}

fn read_line(line: &[u8]) -> Option<([u8; 32], Line)> {
    let mut words = str::from_utf8(line).ok()?.split(' ');
    let mut word = || words.next();
    let (secs, days_before, history) = (word()?.parse().ok()?, word()?.parse().ok()?, word()?);
    let history = hex::decode(history).ok()?.try_into().ok()?;
    let line = Line { not_after: Timestamp::from_secs(secs), days_before };
    word().is_none().then_some((history, line))
}

fn write_line(history: &[u8; 32], line: Line) -> String {
    format!("{} {} {}\n", line.not_after.secs(), line.days_before, hex::encode(history))
}

impl Told {
    /// Reads the file. One that does not read is begun anew: a notice twice is better than none.
    ///
    /// # Errors
    /// [`DiskFault`].
    pub(super) fn open(path: &Path) -> Result<Self, DiskFault> {
        let bytes = disk::read_at_most(path, BYTES_MAX)?.unwrap_or_else(|| format!("{HEAD}\n").into_bytes());
        let (of, lines) = parse(&bytes).unwrap_or_else(|fault| {
            tracing::error!(file = %path.display(), %fault, "which notices were told is not known; some may come again");
            Default::default()
        });
        Ok(Self { path: path.to_owned(), of, lines, file: None })
    }

    /// Whether this notice, or one nearer to the end, was told.
    pub(super) fn is_told(&self, history: &Aggregate, days_before: u16) -> bool {
        self.of.get(&history.0).is_some_and(|line| line.days_before <= days_before)
    }

    /// A notice was told; that is on the disk when this returns.
    ///
    /// # Errors
    /// [`DiskFault`]; it is known until the process ends all the same.
    pub(super) fn tell(
        &mut self,
        history: &Aggregate,
        not_after: Timestamp,
        days_before: u16,
    ) -> Result<(), DiskFault> {
        let line = Line { not_after, days_before };
        keep(&mut self.of, history.0, line);
        match self.file.take().filter(|_| self.lines < 2 * self.of.len() + SPARE_LINES) {
            None => self.write_anew(),
            Some(mut file) => {
                let append = file.write_all(write_line(&history.0, line).as_bytes()).and_then(|()| file.sync_data());
                // After a fault the file is not kept: nobody knows what is in it.
                append.map_err(disk::fault("append to", &self.path))?;
                (self.file, self.lines) = (Some(file), self.lines + 1);
                Ok(())
            }
        }
    }

    /// Forgets certificates that have ended.
    pub(super) fn forget_ended(&mut self, now: Timestamp) {
        self.of.retain(|_, line| line.not_after >= now.whole_secs());
    }

    /// With the lines that count.
    fn write_anew(&mut self) -> Result<(), DiskFault> {
        let mut text = format!("{HEAD}\n");
        text.extend(self.of.iter().map(|(history, line)| write_line(history, *line)));
        disk::replace(&self.path, text.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&self.path).map_err(disk::fault("open", &self.path))?;
        (self.file, self.lines) = (Some(file), self.of.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_772_366_400_000);
    const END: Timestamp = NOW.plus_secs(100);

    fn history(number: u64) -> Aggregate {
        Aggregate::of("test", &number.to_be_bytes())
    }

    #[test]
    fn what_was_told_is_known_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notices");
        let mut told = Told::open(&path).unwrap();
        assert!(!told.is_told(&history(1), 30));
        told.tell(&history(1), END, 30).unwrap();
        told.tell(&history(2), END, 30).unwrap();
        told.tell(&history(2), END, 7).unwrap();
        for told in [&told, &Told::open(&path).unwrap()] {
            let found = [30, 7, 1].map(|days| (told.is_told(&history(1), days), told.is_told(&history(2), days)));
            assert_eq!(found, [(true, true), (false, true), (false, false)]);
            assert!(!told.is_told(&history(3), 30));
        }
        // A line that was cut in the middle was not told.
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let mut told = Told::open(&path).unwrap();
        assert!(told.is_told(&history(2), 30) && !told.is_told(&history(2), 7));
        // What is told next does not grow together with it.
        told.tell(&history(4), END, 1).unwrap();
        let told = Told::open(&path).unwrap();
        assert!(told.is_told(&history(4), 1) && told.is_told(&history(2), 30));
    }

    #[test]
    fn the_file_is_bounded_by_the_certificates_that_end_soon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notices");
        let mut told = Told::open(&path).unwrap();
        for round in 0..50 {
            let now = NOW.plus_secs(round * 1_000);
            told.forget_ended(now);
            for number in 0..10 {
                told.tell(&history(round * 10 + number), now.plus_secs(10), 1).unwrap();
            }
        }
        let bytes = std::fs::read(&path).unwrap();
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        assert!(lines <= 3 * SPARE_LINES, "{lines}");
        assert!(told.is_told(&history(499), 1), "what counts is there");
    }

    #[test]
    fn a_file_that_does_not_read_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notices");
        let good = write_line(&history(1).0, Line { not_after: END, days_before: 7 });
        for (text, fault) in [
            ("", ToldFault::Head),
            (HEAD, ToldFault::Head),
            ("semper notices v2\n", ToldFault::Head),
            (&format!("{HEAD}\n{good}x\n"), ToldFault::Line(3)),
            (&format!("{HEAD}\n{}", good.replace(' ', "  ")), ToldFault::Line(2)),
            (&format!("{HEAD}\n{}", good.replace('\n', "0\n")), ToldFault::Line(2)),
            (&format!("{HEAD}\n{}", good.replace(" 7 ", " 65536 ")), ToldFault::Line(2)),
        ] {
            assert_eq!(check_told(text.as_bytes()), Err(fault), "{text:?}");
            std::fs::write(&path, text).unwrap();
            let mut told = Told::open(&path).unwrap();
            assert!(!told.is_told(&history(1), 7));
            told.tell(&history(1), END, 7).unwrap();
            assert_eq!(check_told(&std::fs::read(&path).unwrap()), Ok(1));
        }
        assert_eq!(check_told(&vec![b'\n'; BYTES_MAX + 1]), Err(ToldFault::TooLong));
    }
}
