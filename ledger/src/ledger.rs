//! A ledger that is open: the handle through which roles append and everyone reads.
//!
//! Opening is the recovery: locks → format → newest checkpoint, its own signature, key and origin → right edge rebuilt,
//! root must match → last bundle must hash to its tile → erasure journal → anchor. A store that is older than its anchor, or differs from
//! it, is refused: forking history is worse than standing still.

use std::{sync::Arc, thread::JoinHandle};

use arc_swap::ArcSwap;

use crate::{
    anchor::{Advance, Anchor, AnchorError, Anchored},
    checkpoint::Checkpoint,
    erasure::{self, Chain, Journal, JournalError, Line},
    merkle::{Edge, Hash, TILE_WIDTH, Tile, TileId, leaf_hash, sha256},
    note::BadKey,
    port::Verifier,
    reader::Reader,
    receipt::{GroupHead, LogIdentity},
    sequencer::{
        Appended, Clock, Commit, Group, LogKeys, Observer, Queue, Refused, Sequencer, SequencerSettings, Waiting,
        decode_head,
    },
    store::{BadFormat, Batch, Direction, FORMAT, FORMAT_KEY, Fault, Store, Table, check_format, first, keys, read},
    tile::bundle_entries,
};

/// Key of the origin in [`Table::Meta`].
pub(crate) const ORIGIN_KEY: &[u8] = b"origin";

/// Everything that an open ledger is given.
pub struct Parts {
    /// Where rows are kept.
    pub store: Arc<dyn Store>,
    /// The newest checkpoint, apart from the store.
    pub anchor: Arc<dyn Anchor>,
    /// What was erased, beside the anchor.
    pub journal: Arc<dyn Journal>,
    /// The log's two keys.
    pub keys: LogKeys,
    /// Checks our own signature at the start.
    pub verifier: Arc<dyn Verifier>,
    /// Gives entries their time.
    pub clock: Arc<dyn Clock>,
    /// Is told of every group.
    pub observer: Arc<dyn Observer>,
    /// Bounds.
    pub settings: SequencerSettings,
    /// Memory for full tiles of level 0, in bytes; 0 turns that cache off. The levels above have their own, 1/256 of the
    /// size.
    pub tile_cache_bytes: u64,
}

/// Why a ledger does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its format.
    #[error(transparent)]
    Format(#[from] BadFormat),
    /// Its rows.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Its anchor cannot be read.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// A vkey is malformed.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// Another log's data.
    #[error("the store belongs to the log {found}, the keys to {expected}")]
    Origin {
        /// Origin in the store.
        found: String,
        /// Origin of the keys.
        expected: String,
    },
    /// The newest checkpoint was not signed by this log's key.
    #[error("the newest checkpoint (size {size}) does not bear this log's signature; run semper fsck")]
    Signature {
        /// Its size.
        size: u64,
    },
    /// Tiles and checkpoint differ.
    #[error("the tiles do not give the root of the newest checkpoint (size {size}); run semper fsck")]
    Root {
        /// Its size.
        size: u64,
    },
    /// Entries and tiles differ.
    #[error("the newest entries do not hash to their tile; run semper fsck")]
    Entries,
    /// The anchor was lost.
    #[error(
        "the anchor holds no checkpoint, so nobody knows whether this store is the newest; \
         put the anchor back that was in use (for one that is lost: semper anchor remake)"
    )]
    AnchorEmpty,
    /// The anchor is of another log.
    #[error("the anchor belongs to another log")]
    AnchorOrigin,
    /// The store is older than the anchor: a backup was restored, or storage was rolled back.
    #[error(
        "the store is older than its anchor: it has {store} entries, and answers were given up to {anchor}; \
         restore a newer backup, since going on from here would fork the log"
    )]
    RolledBack {
        /// Entries in the store.
        store: u64,
        /// Entries that the anchor saw.
        anchor: u64,
    },
    /// The store has another history than the anchor.
    #[error(
        "the store's root at size {size} is not the one that was anchored: corruption or a fork; keep both, run semper fsck"
    )]
    Forked {
        /// The anchor's size.
        size: u64,
    },
    /// The erasure journal cannot be read, or not be brought up to the store.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal tells of an erasure that the store does not know.
    #[error(
        "erasure {line} of the journal is not known to the store: an older store was put back, or the journal is of another \
         history; going on from here would bring back what was erased"
    )]
    Erasures {
        /// Which line, counted from 1.
        line: usize,
    },
    /// The anchor could not be brought up to the store.
    #[error("the anchor could not be advanced: {0}")]
    AnchorStuck(String),
    /// The system.
    #[error("the sequencer's thread could not be started: {0}")]
    Thread(std::io::Error),
}

/// Prepares an empty store and an empty anchor for a new log.
pub fn create(store: &dyn Store, anchor: &dyn Anchor, identity: &LogIdentity) -> Result<(), OpenError> {
    let mut batch = Batch::default();
    batch.put(Table::Meta, FORMAT_KEY, &FORMAT.to_be_bytes());
    batch.put(Table::Meta, ORIGIN_KEY, identity.origin().as_bytes());
    store.commit(&batch)?;
    match anchor.advance(None, &Anchored::empty(identity.origin())) {
        Advance::Done => Ok(()),
        Advance::Conflict(_) => Err(OpenError::AnchorStuck("it is not empty".to_owned())),
        Advance::Unknown(why) => Err(OpenError::AnchorStuck(why)),
    }
}

/// An open ledger. Dropping it ends intake, commits what waits and joins the sequencer, unless it is dropped there.
pub struct Ledger {
    reader: Arc<Reader>,
    queue: Arc<Queue>,
    observer: Arc<dyn Observer>,
    mmd_ms: u64,
    thread: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Opens a ledger; see the module for the order and for what is refused.
    pub fn open(parts: Parts) -> Result<Self, OpenError> {
        let Parts { store, anchor, journal, keys, verifier, clock, observer, settings, tile_cache_bytes } = parts;
        let identity = keys.identity().clone();
        let group = recover(&*store, &identity, &*verifier)?;
        let published = Arc::new(ArcSwap::from_pointee(group));
        let reader = Reader::new(store.clone(), published.clone(), identity, tile_cache_bytes);
        let reader = Arc::new(reader);
        // Judged before a byte is written; the journal is settled before the anchor, as it is written.
        judge_anchor(&reader, &*anchor)?;
        let erasures = settle_journal(&*store, &*journal, reader.identity.origin())?;
        let anchored = settle_anchor(&reader, &*anchor)?;

        let queue = Arc::new(Queue::new(settings.queue_commits_max, settings.queue_bytes_max));
        let sequencer = Sequencer {
            store,
            anchor,
            anchored,
            keys,
            clock,
            observer: observer.clone(),
            settings,
            queue: queue.clone(),
            published,
            journal,
            erasures,
            counters: std::collections::HashMap::new(),
        };
        let thread = std::thread::Builder::new().name("sequencer".to_owned()).spawn(move || sequencer.run());
        let thread = Some(thread.map_err(OpenError::Thread)?);
        Ok(Self { reader, queue, observer, mmd_ms: settings.mmd_ms, thread })
    }

    /// Opens a ledger that may only be read: it has no sequencer and no keys, and refuses every commit. For a store that must
    /// not go on, such as one that is older than what was answered. What it holds is judged as by [`judge`]; no anchor is asked.
    pub fn open_frozen(
        store: Arc<dyn Store>,
        identity: &LogIdentity,
        verifier: &dyn Verifier,
        observer: Arc<dyn Observer>,
        settings: SequencerSettings,
        tile_cache_bytes: u64,
    ) -> Result<Self, OpenError> {
        let published = Arc::new(ArcSwap::from_pointee(recover(&*store, identity, verifier)?));
        let reader = Arc::new(Reader::new(store, published, identity.clone(), tile_cache_bytes));
        let queue = Arc::new(Queue::new(settings.queue_commits_max, settings.queue_bytes_max));
        queue.stop();
        Ok(Self { reader, queue, observer, mmd_ms: settings.mmd_ms, thread: None })
    }

    /// Queues `commit`; `done` is called once, on the sequencer's thread, and must be quick.
    pub fn submit(&self, commit: Commit, done: impl FnOnce(Result<Appended, Refused>) + Send + 'static) {
        if let Err(back) = self.queue.push(Waiting { commit, done: Box::new(done) }) {
            let (waiting, refused) = *back;
            self.observer.refused(&refused);
            (waiting.done)(Err(refused));
        }
    }

    /// Appends and waits until it is durable.
    pub fn append(&self, commit: Commit) -> Result<Appended, Refused> {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        self.submit(commit, move |outcome| {
            let _ = send.send(outcome); // the receiver waits below
        });
        receive.recv().unwrap_or(Err(Refused::Stopped))
    }

    /// The reading half, to be shared.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// Commits that wait.
    pub fn queue_depth(&self) -> usize {
        self.queue.depth()
    }

    /// Maximum merge delay: how much older than its entry a decision may be, and how far the clock may stand behind the
    /// newest entry for the sequencer to wait, ms.
    pub fn mmd_ms(&self) -> u64 {
        self.mmd_ms
    }

    /// False once draining or stopped.
    pub fn takes_commits(&self) -> bool {
        self.queue.is_open()
    }

    /// Ends intake and refuses what waits: the log signs no more. For when it was shown that it must not, such as a
    /// checkpoint of a later state than this one. Reading goes on; a group that is being written is finished.
    pub fn halt(&self) {
        for waiting in self.queue.stop() {
            self.observer.refused(&Refused::Stopped);
            (waiting.done)(Err(Refused::Stopped));
        }
    }

    /// Ends intake; what waits is still committed and answered. Returns at once.
    pub fn close(&self) {
        self.queue.close();
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.queue.close();
        // The last reference may be dropped by an answer, on the sequencer's own thread: it ends by itself then.
        if let Some(thread) = self.thread.take_if(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join(); // a panic was reported by the thread's own guard
        }
    }
}

/// Judges a store as [`Ledger::open`] would, and changes neither it nor the anchor. For a store that is open for reading
/// only: opening one for writing replays its log into table files, and whatever lay behind a damaged record is then gone.
/// So whoever has files asks here first, and a refusal leaves them as they were found. Gives what it read, for further
/// judgements.
///
/// # Errors
/// Whatever [`Ledger::open`] would refuse.
pub fn inspect(
    store: Arc<dyn Store>,
    anchor: &dyn Anchor,
    journal: &dyn Journal,
    identity: &LogIdentity,
    verifier: &dyn Verifier,
) -> Result<Reader, OpenError> {
    let reader = judge(store.clone(), identity, verifier)?;
    judge_anchor(&reader, anchor)?;
    judge_journal(&*store, journal, identity.origin())?;
    Ok(reader)
}

/// As [`inspect`], for a store whose anchor is not here, such as a copy of one. Whether it is the newest, it cannot say.
///
/// # Errors
/// Whatever [`Ledger::open`] would refuse before it asks the anchor.
pub fn judge(store: Arc<dyn Store>, identity: &LogIdentity, verifier: &dyn Verifier) -> Result<Reader, OpenError> {
    let published = Arc::new(ArcSwap::from_pointee(recover(&*store, identity, verifier)?));
    Ok(Reader::new(store, published, identity.clone(), 0))
}

/// The store is of a format that this program knows, and belongs to this log.
pub(crate) fn check_owner(store: &dyn Store, identity: &LogIdentity) -> Result<(), OpenError> {
    check_format(store)?;
    let origin = read(store, Table::Meta, ORIGIN_KEY)?.unwrap_or_default();
    if origin != identity.origin().as_bytes() {
        let found = String::from_utf8_lossy(&origin).into_owned();
        return Err(OpenError::Origin { found, expected: identity.origin().to_owned() });
    }
    Ok(())
}

/// The log as the store's rows have it, judged as at every start.
pub(crate) fn open_group(
    store: &dyn Store,
    identity: &LogIdentity,
    verifier: &dyn Verifier,
) -> Result<Group, OpenError> {
    recover(store, identity, verifier)
}

fn recover(store: &dyn Store, identity: &LogIdentity, verifier: &dyn Verifier) -> Result<Group, OpenError> {
    check_owner(store, identity)?;
    match newest_head(store)? {
        None => Ok(Group::empty()),
        Some(head) => reopen(store, head, identity, verifier),
    }
}

/// The newest group row.
pub(crate) fn newest_head(store: &dyn Store) -> Result<Option<GroupHead>, Fault> {
    let row = first(store, Table::Group, &keys::number(u64::MAX), Direction::Down)?;
    row.map(|(key, row)| parse_head(&key, &row)).transpose()
}

pub(crate) fn parse_head(key: &[u8], row: &[u8]) -> Result<GroupHead, Fault> {
    decode_head(row)
        .filter(|head| keys::number(head.size) == key && head.first < head.size)
        .ok_or_else(|| Fault::corrupt(Table::Group, key, "not a group's head"))
}

/// The right edge at `head`, whose checkpoint must bear the log's signature, and whose root must be that of the tiles.
pub(crate) fn signed_edge(
    store: &dyn Store,
    head: &GroupHead,
    identity: &LogIdentity,
    verifier: &dyn Verifier,
) -> Result<Edge, OpenError> {
    let size = head.size;
    let own = std::slice::from_ref(&identity.note_key);
    if Checkpoint::verify(&head.note(identity).to_string(), own, verifier).is_err() {
        return Err(OpenError::Signature { size });
    }
    let edge = Edge::rebuild(size, |id, width| read_tile(store, id, width))?;
    edge.filter(|edge| edge.root() == head.root).ok_or(OpenError::Root { size })
}

fn reopen(
    store: &dyn Store,
    head: GroupHead,
    identity: &LogIdentity,
    verifier: &dyn Verifier,
) -> Result<Group, OpenError> {
    let size = head.size;
    let edge = signed_edge(store, &head, identity, verifier)?;
    let id = TileId { level: 0, index: (size - 1) / TILE_WIDTH };
    let bundle = read(store, Table::Bundle, &keys::number(id.index))?.ok_or(OpenError::Entries)?;
    let leaves: Option<Vec<Hash>> = bundle_entries(&bundle).map(|entry| entry.map(leaf_hash)).collect();
    // The edge holds the last tile as long as it is partial; of a full one, it holds the root.
    let full = if size.is_multiple_of(TILE_WIDTH) { read_tile(store, id, TILE_WIDTH as usize)? } else { None };
    let tile = full.as_ref().or(edge.tile(id).map(|tile| &**tile));
    if leaves.is_none() || leaves.as_deref() != tile.map(|tile| tile.hashes()) {
        return Err(OpenError::Entries);
    }
    Ok(Group::reopened(head, edge, full.is_none().then_some(bundle)))
}

/// Reads the hashes of a tile row, cut to `width`, and computes what is above them. A stored tile may be wider than an older size needs, never narrower.
pub(crate) fn read_tile(store: &dyn Store, id: TileId, width: usize) -> Result<Option<Tile>, Fault> {
    let key = keys::tile(id);
    let Some(row) = read(store, Table::Tile, &key)? else { return Ok(None) };
    match Tile::split_row(&row) {
        Some((hashes, _)) if hashes.len() >= width => Ok(Some(Tile::new(&hashes[..width]))),
        _ => Err(Fault::corrupt(Table::Tile, &key, "too few hashes, too many, not whole ones, or no kept nodes")),
    }
}

/// The anchor rule: the anchored checkpoint, which is returned, must be a prefix of the store.
fn judge_anchor(reader: &Reader, anchor: &dyn Anchor) -> Result<Anchored, OpenError> {
    let anchored = anchor.load()?.ok_or(OpenError::AnchorEmpty)?;
    if anchored.origin_hash != sha256(reader.identity.origin().as_bytes()) {
        return Err(OpenError::AnchorOrigin);
    }
    let size = reader.published.load().edge().size();
    if anchored.size > size {
        return Err(OpenError::RolledBack { store: size, anchor: anchored.size });
    }
    if reader.root(anchored.size)? != anchored.root {
        return Err(OpenError::Forked { size: anchored.size });
    }
    Ok(anchored)
}

/// The anchor rule for a store as it was read: the anchored checkpoint must be a prefix of it.
///
/// # Errors
/// As [`inspect`].
pub fn compare_anchor(reader: &Reader, anchor: &dyn Anchor) -> Result<Anchored, OpenError> {
    judge_anchor(reader, anchor)
}

/// Gives a store a new anchor in place of a lost one, at its newest checkpoint. **Whoever calls this must have asked
/// everybody who may know a newer one**: from here on this store is what the log is, and if it is not the newest, the log forks.
///
/// # Errors
/// The anchor is not empty, or cannot be written.
pub fn remake_anchor(reader: &Reader, anchor: &dyn Anchor) -> Result<Anchored, OpenError> {
    let origin = reader.identity.origin();
    let group = reader.published.load_full();
    let anchored = group.head().map_or_else(|| Anchored::empty(origin), |head| anchored_at(head, origin, 0));
    match anchor.advance(None, &anchored) {
        Advance::Done => Ok(anchored),
        Advance::Conflict(_) => Err(OpenError::AnchorStuck("it is not empty".to_owned())),
        Advance::Unknown(why) => Err(OpenError::AnchorStuck(why)),
    }
}

fn anchored_at(head: &GroupHead, origin: &str, sequence: u64) -> Anchored {
    Anchored {
        sequence,
        origin_hash: sha256(origin.as_bytes()),
        size: head.size,
        root: head.root,
        checkpoint_hash: sha256(head.checkpoint(origin).text().as_bytes()),
        time_ms: head.time_ms,
    }
}

/// The erasures that the store knows and the journal lacks, and the end of the store's. The journal may lack what a crash kept
/// from it, and never holds more.
fn judge_journal(store: &dyn Store, journal: &dyn Journal, origin: &str) -> Result<(Vec<Line>, Chain), OpenError> {
    let rows = erasure::rows(store)?;
    let broken = || {
        Fault::corrupt(Table::Meta, erasure::ROW_PREFIX, "the lines of the erasure journal do not follow each other")
    };
    let chain = Chain::of(&rows, origin).ok_or_else(broken)?;
    match erasure::missing(&journal.load()?, &rows) {
        Ok(missing) => Ok((missing.to_vec(), chain)),
        Err(line) => Err(OpenError::Erasures { line: line + 1 }),
    }
}

fn settle_journal(store: &dyn Store, journal: &dyn Journal, origin: &str) -> Result<Chain, OpenError> {
    let (missing, chain) = judge_journal(store, journal, origin)?;
    if !missing.is_empty() {
        journal.append(&missing)?;
    }
    Ok(chain)
}

/// Applies the anchor rule and brings the anchor up to the store.
fn settle_anchor(reader: &Reader, anchor: &dyn Anchor) -> Result<Anchored, OpenError> {
    let anchored = judge_anchor(reader, anchor)?;
    let group = reader.published.load_full();
    let size = group.edge().size();
    let Some(head) = group.head().filter(|_| anchored.size < size) else { return Ok(anchored) };
    let next = anchored_at(head, reader.identity.origin(), anchored.sequence + 1);
    match anchor.advance(Some(&anchored), &next) {
        Advance::Done => Ok(next),
        Advance::Conflict(found) => Err(OpenError::AnchorStuck(format!("it was moved to {found:?}"))),
        Advance::Unknown(why) => Err(OpenError::AnchorStuck(why)),
    }
}

#[cfg(test)]
mod tests;
