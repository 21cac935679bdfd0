//! The imprint of a file that need not fit into memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use semper_ttp::crypto::ImprintHasher;
use semper_ttp::digest::ImprintAlgorithm;

/// Bytes read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Hashes the file at `path` piece by piece.
///
/// # Errors
/// What the system said.
pub(crate) fn imprint_of_file(path: &Path, algorithm: ImprintAlgorithm) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut hasher = ImprintHasher::new(algorithm);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => hasher.update(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use semper_ttp::crypto::imprint_of;

    use super::*;

    #[test]
    fn pieces_make_the_same_imprint_as_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES + 3] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            for algorithm in ImprintAlgorithm::ALL {
                assert_eq!(imprint_of_file(&path, algorithm).unwrap(), imprint_of(algorithm, &bytes), "{length}");
            }
        }
        assert!(imprint_of_file(&folder.path().join("missing"), ImprintAlgorithm::Sha256).is_err());
        assert!(imprint_of_file(folder.path(), ImprintAlgorithm::Sha256).is_err(), "a folder");
    }
}
