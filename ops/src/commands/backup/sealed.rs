//! Files as they are stored: encrypted on the way out, decrypted on the way in, hashed on both sides.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::{Advice, fadvise};
use semper_ttp::crypto::age::{
    AgeFault, CHUNK_BYTES, HEADER_BYTES_MAX, Identity, Opener, Recipient, Sealer, TAG_BYTES,
};
use semper_ttp::crypto::{Entropy, ImprintHasher};
use semper_ttp::digest::ImprintAlgorithm;

use super::pace::{Pace, Paced};

/// Length and SHA-256 (hex) of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Why bytes did not get from one side to the other.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealFault {
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What is read is not what was written, or is for somebody else.
    #[error(transparent)]
    Age(#[from] AgeFault),
}

/// Hashes what passes by.
struct Summing<T> {
    inner: T,
    hasher: ImprintHasher,
    bytes: u64,
}

impl<T> Summing<T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: ImprintHasher::new(ImprintAlgorithm::Sha256), bytes: 0 }
    }

    fn take(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
        self.bytes += piece.len() as u64;
    }

    fn sum(self) -> Sum {
        Sum { bytes: self.bytes, sha256: hex::encode(self.hasher.finish()) }
    }
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.take(&into[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.inner.write_all(piece)?;
        self.take(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads until `into` is full or the end is reached.
fn fill(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match from.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Pieces of `size` bytes, and whether each is the last one. There is always one.
fn pieces(
    from: &mut impl Read,
    size: usize,
    mut each: impl FnMut(&[u8], bool) -> Result<(), SealFault>,
) -> Result<(), SealFault> {
    let (mut piece, mut next) = (vec![0; size], vec![0; size]);
    let mut length = fill(from, &mut piece)?;
    loop {
        let ahead = if length == size { fill(from, &mut next)? } else { 0 };
        each(&piece[..length], ahead == 0)?;
        if ahead == 0 {
            return Ok(());
        }
        std::mem::swap(&mut piece, &mut next);
        length = ahead;
    }
}

/// Encrypts all of `plain` into `out`; gives the sums of both.
pub(crate) fn seal(
    plain: impl Read,
    out: impl Write,
    recipients: &[Recipient],
    entropy: &dyn Entropy,
) -> Result<(Sum, Sum), SealFault> {
    let (mut plain, mut out) = (Summing::new(plain), Summing::new(out));
    let (mut sealer, start) = Sealer::begin(recipients, entropy)?;
    out.write_all(&start)?;
    pieces(&mut plain, CHUNK_BYTES, |piece, last| Ok(out.write_all(&sealer.chunk(piece, last)?)?))?;
    Ok((plain.sum(), out.sum()))
}

/// Decrypts all of `sealed` into `out`; gives the sums of both, plain first.
pub(crate) fn open(sealed: impl Read, out: impl Write, identities: &[Identity]) -> Result<(Sum, Sum), SealFault> {
    let (mut sealed, mut out) = (Summing::new(sealed), Summing::new(out));
    let mut start = vec![0; HEADER_BYTES_MAX];
    let length = fill(&mut sealed, &mut start)?;
    let (mut opener, begin) = Opener::begin(&start[..length], identities)?;
    let mut rest = start[begin..length].chain(&mut sealed);
    pieces(&mut rest, CHUNK_BYTES + TAG_BYTES, |piece, last| Ok(out.write_all(&opener.chunk(piece, last)?)?))?;
    Ok((out.sum(), sealed.sum()))
}

/// The sum of a file.
pub(crate) fn sum_of(path: &Path) -> io::Result<Sum> {
    sum_at(path, &mut Pace::new(0))
}

/// As [`sum_of`], at a pace; read from the disk as far as the system lets us: what was just written is in memory, and would be read
/// from there.
pub(crate) fn sum_at(path: &Path, pace: &mut Pace) -> io::Result<Sum> {
    let file = File::open(path)?;
    let _ = fadvise(&file, 0, None, Advice::DontNeed); // advice
    let sum = sum_of_pages(&file, pace)?;
    // Nobody reads it again soon, and the server's pages are worth more.
    let _ = fadvise(&file, 0, None, Advice::DontNeed); // advice
    Ok(sum)
}

/// The sum of a file from wherever its bytes are, such as the server's own, which are to stay in memory.
pub(crate) fn sum_of_pages(file: &File, pace: &mut Pace) -> io::Result<Sum> {
    let mut from = Summing::new(Paced { inner: file, pace });
    let mut piece = vec![0; 256 << 10];
    while fill(&mut from, &mut piece)? > 0 {}
    Ok(from.sum())
}

#[cfg(test)]
mod tests {
    use semper_ttp::crypto::OsEntropy;

    use super::*;

    #[test]
    fn every_length_comes_back_with_its_sums() {
        let identity = Identity::generate(&OsEntropy).unwrap();
        let recipients = [identity.recipient().unwrap()];
        for length in [0, 1, HEADER_BYTES_MAX, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let plain: Vec<u8> = (0..length).map(|i| (i % 253) as u8).collect();
            let mut sealed = Vec::new();
            let sums = seal(&*plain, &mut sealed, &recipients, &OsEntropy).unwrap();
            assert_eq!((sums.0.bytes, sums.1.bytes), (length as u64, sealed.len() as u64));
            let mut back = Vec::new();
            assert_eq!(open(&*sealed, &mut back, std::slice::from_ref(&identity)).unwrap(), sums);
            assert!(back == plain, "{length}");
            for at in [0, sealed.len() / 2, sealed.len() - 1] {
                let mut bytes = sealed.clone();
                bytes[at] ^= 1;
                assert!(open(&*bytes, io::sink(), std::slice::from_ref(&identity)).is_err(), "{length} {at}");
            }
            assert!(
                open(&sealed[..sealed.len() - 1], io::sink(), std::slice::from_ref(&identity)).is_err(),
                "{length}"
            );
        }
    }
}
