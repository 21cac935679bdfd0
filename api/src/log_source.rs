//! A log as others read it (C2SP tlog-tiles): over HTTP, or a folder with the same paths, such as `semper export` writes.
//!
//! What comes back is bytes of the right length and nothing more: the caller verifies them.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use semper_ledger::{
    merkle::{Hash, TILE_WIDTH, Tile, TileId, tile_width},
    note::NOTE_BYTES_MAX,
    proof::Tiles,
    tile::Resource,
};
use tokio::runtime::Handle;

use crate::client::{Client, ClientError};

/// The longest entry bundle: 256 entries of 65,535 bytes, each with its length before it.
pub const BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (2 + u16::MAX as usize);

/// Where a log is read.
#[derive(Clone, Debug)]
pub enum LogSource {
    /// A prefix of URLs.
    Http(Box<Client>),
    /// A folder.
    Folder(PathBuf),
}

/// Why something of a log cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Over HTTP.
    #[error("{what}: {error}")]
    Http {
        /// Its path in the log.
        what: String,
        /// What happened.
        error: ClientError,
    },
    /// In a folder.
    #[error("cannot read {}: {why}", path.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// The kind of the error, by which a missing file is told.
        kind: io::ErrorKind,
        /// What the system said.
        why: String,
    },
    /// Bytes that are not what was asked for.
    #[error("{what} is {why}")]
    Malformed {
        /// Its path in the log.
        what: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl SourceError {
    /// The log does not have it.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Http { error, .. } => matches!(error, ClientError::NotFound { .. }),
            Self::Folder { kind, .. } => *kind == io::ErrorKind::NotFound,
            Self::Malformed { .. } => false,
        }
    }
}

impl LogSource {
    /// The log at `place`: a URL that begins with `http://` or `https://`, else a folder. A server of ours may be named by
    /// its own URL, without `/ledger`. Reads the checkpoint to find out.
    ///
    /// # Errors
    /// There is no log, or it cannot be reached.
    pub async fn find(place: &str) -> Result<Self, SourceError> {
        let is_url = place.split_once("://").is_some_and(|(scheme, _)| ["http", "https"].contains(&scheme));
        let source = if is_url {
            let client = Client::new(place).map_err(|error| SourceError::Http { what: place.to_owned(), error })?;
            Self::Http(Box::new(client.with_answer_bytes(BUNDLE_BYTES_MAX)))
        } else {
            Self::Folder(place.into())
        };
        match (source.checkpoint().await, &source) {
            (Err(missing), Self::Http(client)) if missing.is_missing() => {
                let ours = Self::Http(Box::new(Client::clone(client).below("/ledger")));
                // If it is not there either, what was named is what is missing.
                ours.checkpoint().await.map(|_| ours).map_err(|error| if error.is_missing() { missing } else { error })
            }
            (Err(error), _) => Err(error),
            (Ok(_), _) => Ok(source),
        }
    }

    /// The newest checkpoint, a signed note.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn checkpoint(&self) -> Result<String, SourceError> {
        let bytes = self.get("checkpoint", NOTE_BYTES_MAX).await?;
        let malformed = |_| SourceError::Malformed { what: "checkpoint".to_owned(), why: "not text" };
        String::from_utf8(bytes.into()).map_err(malformed)
    }

    /// The first `width` hashes of a tile.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn tile(&self, id: TileId, width: usize) -> Result<Vec<Hash>, SourceError> {
        let bytes = self.resource(|width| Resource::Tile { id, width }, width).await?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        match hashes.get(..width) {
            Some(hashes) if rest.is_empty() => Ok(hashes.to_vec()),
            _ => Err(SourceError::Malformed {
                what: format!("tile/{}", Resource::Tile { id, width }),
                why: "not as many hashes as its name says",
            }),
        }
    }

    /// An entry bundle with at least `width` entries, by its name; what is in it is not looked at.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn bundle(&self, index: u64, width: usize) -> Result<Bytes, SourceError> {
        self.resource(|width| Resource::Entries { index, width }, width).await
    }

    /// A partial resource, or the full one: a log may stop serving partial ones once it has the full one.
    async fn resource(&self, name: impl Fn(usize) -> Resource, width: usize) -> Result<Bytes, SourceError> {
        let full = TILE_WIDTH as usize;
        match self.get(&format!("tile/{}", name(width)), BUNDLE_BYTES_MAX).await {
            Err(error) if error.is_missing() && width < full => {
                let whole = self.get(&format!("tile/{}", name(full)), BUNDLE_BYTES_MAX).await;
                whole.map_err(|_| error)
            }
            answer => answer,
        }
    }

    async fn get(&self, path: &str, bytes_max: usize) -> Result<Bytes, SourceError> {
        match self {
            Self::Http(client) => {
                let got = client.get(&format!("/{path}")).await;
                got.map_err(|error| SourceError::Http { what: path.to_owned(), error })
            }
            Self::Folder(root) => {
                let file = root.join(path);
                let read = tokio::task::spawn_blocking(move || read_file(&file, bytes_max));
                read.await.expect("reading a file does not panic")
            }
        }
    }
}

fn read_file(path: &Path, bytes_max: usize) -> Result<Bytes, SourceError> {
    let failed =
        |error: io::Error| SourceError::Folder { path: path.to_owned(), kind: error.kind(), why: error.to_string() };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(failed(io::Error::other("it is too long")));
    }
    Ok(bytes.into())
}

/// A body that was sent compressed, at most `bytes_max` long when it is unpacked; `None` if it is longer or broken.
pub(crate) fn gunzip(body: &[u8], bytes_max: usize) -> Option<Bytes> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(body).take(bytes_max as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= bytes_max).then(|| bytes.into())
}

/// The tiles of a log of `size` entries, for the functions of [`semper_ledger::proof`]. Waits for the log, so it is for
/// threads that may wait.
#[derive(Debug)]
pub struct SourceTiles<'a> {
    /// The log.
    pub source: &'a LogSource,
    /// Its size, by a checkpoint.
    pub size: u64,
    /// The runtime that reads.
    pub runtime: Handle,
}

impl Tiles for SourceTiles<'_> {
    type Error = SourceError;

    fn tile(&self, id: TileId, _: usize) -> Result<Arc<Tile>, SourceError> {
        // The width that the size gives, since that is what the log serves.
        let width = tile_width(self.size, id) as usize;
        let hashes = self.runtime.block_on(self.source.tile(id, width))?;
        Ok(Arc::new(Tile::new(&hashes)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use semper_ledger::proof;

    use super::*;

    fn zip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        assert_eq!(gunzip(&zip(b"abc"), 3).as_deref(), Some(b"abc".as_slice()));
        assert_eq!(gunzip(&zip(b"abcd"), 3), None);
        assert_eq!(gunzip(&zip(&vec![0; 10_000_000]), 1 << 20), None);
        assert_eq!(gunzip(b"no gzip", 100), None);
        assert_eq!(gunzip(&zip(b"abc")[..10], 100), None);
    }

    fn folder(size: u64) -> (tempfile::TempDir, Vec<Hash>) {
        let folder = tempfile::tempdir().unwrap();
        let leaves: Vec<Hash> = (0..size).map(|n| semper_ledger::merkle::sha256(&n.to_be_bytes())).collect();
        for (n, leaves) in leaves.chunks(256).enumerate() {
            let id = TileId { level: 0, index: n as u64 };
            let path = folder.path().join(format!("tile/{}", Resource::Tile { id, width: leaves.len() }));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, leaves.concat()).unwrap();
        }
        std::fs::write(folder.path().join("checkpoint"), "note").unwrap();
        (folder, leaves)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_folder_is_read_by_name() {
        let (folder, leaves) = folder(300);
        let place = folder.path().to_str().unwrap();
        let source = LogSource::find(place).await.unwrap();
        assert_eq!(source.checkpoint().await.unwrap(), "note");
        let id = |index| TileId { level: 0, index };
        assert_eq!(source.tile(id(0), 256).await.unwrap(), leaves[..256]);
        assert_eq!(source.tile(id(1), 44).await.unwrap(), leaves[256..]);
        // The partial tile is gone, the full one serves.
        assert_eq!(source.tile(id(0), 7).await.unwrap(), leaves[..7]);
        let missing = source.tile(id(1), 45).await.unwrap_err();
        assert!(missing.is_missing() && missing.to_string().contains("001.p/45"), "{missing}");
        std::fs::write(folder.path().join("tile/0/001.p/43"), [0; 43 * 32 + 1]).unwrap();
        let malformed = source.tile(id(1), 43).await.unwrap_err();
        assert!(!malformed.is_missing() && malformed.to_string().contains("hashes"), "{malformed}");
        let source = &source;
        let root = tokio::task::block_in_place(|| {
            let small = SourceTiles { source, size: 300, runtime: Handle::current() };
            proof::root(&small, 256).unwrap_err()
        });
        assert!(root.is_missing(), "level 1 was never written: {root}");
    }

    #[tokio::test]
    async fn a_place_without_a_log_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = LogSource::find(folder.path().to_str().unwrap()).await.unwrap_err();
        assert!(error.is_missing() && error.to_string().contains("checkpoint"), "{error}");
        let error = LogSource::find("http://").await.unwrap_err();
        assert!(error.to_string().contains("must look like"), "{error}");
    }
}
