//! The one thread that appends. It decides nothing: facts, artefacts and their signatures come ready in each commit; it
//! orders them, gives them an index and a time, and signs checkpoint and receipt.
//!
//! Idle, it commits at once; while a commit is in flight, whatever arrives gathers and makes the next group. There is no
//! timer anywhere on this path. The order of writes is the design; see [`Sequencer::sequence`].

#[cfg(test)]
mod erasing;
#[cfg(test)]
mod faults;
mod group;
mod queue;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

pub use group::Group;
pub(crate) use group::{decode_head, decode_request, encode_head, parse_key};
pub(crate) use queue::Queue;

use crate::{
    anchor::{Advance, Anchor, Anchored},
    entry::{Tag, Tags},
    erasure::{self, Chain, Journal, KeyRef},
    merkle::{Hash, sha256},
    note::NoteSigner,
    port::{Signer, SigningFailed},
    receipt::{GroupHead, LogIdentity, cose},
    store::{Batch, FORMAT_ERASED, FORMAT_KEY, Fault, Store, Table, keys, read},
};

/// One fact with the entry that makes it public.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Which third party acted (named in `ttp`).
    pub role: u64,
    /// What it did.
    pub kind: u64,
    /// The entry's digest: SHA-256 of the artefact that the fact releases or accepts, else of the fact.
    pub digest: Hash,
    /// What may never stand twice in this log.
    pub tags: Tags,
    /// The fact's bytes, kept for ever.
    pub fact: Vec<u8>,
    /// The artefact's bytes, if they are kept here.
    pub artefact: Option<Vec<u8>>,
    /// The aggregate and the step of its history that this fact is. A step is taken once.
    pub step: Option<(Hash, u64)>,
    /// What else it is found by ([`Table::Name`]); each at most 200 octets, and no other fact has it.
    pub names: Vec<Vec<u8>>,
}

impl Draft {
    /// A fact that releases or accepts `artefact`.
    pub fn with_artefact(role: u64, kind: u64, fact: Vec<u8>, artefact: Vec<u8>) -> Self {
        let digest = sha256(&artefact);
        Self {
            role,
            kind,
            digest,
            tags: Tags::default(),
            fact,
            artefact: Some(artefact),
            step: None,
            names: Vec::new(),
        }
    }

    /// A fact that stands for itself.
    pub fn of_fact(role: u64, kind: u64, fact: Vec<u8>) -> Self {
        let digest = sha256(&fact);
        Self { role, kind, digest, tags: Tags::default(), fact, artefact: None, step: None, names: Vec::new() }
    }
}

/// A row of a role that is written together with its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleRow {
    /// The state of an aggregate as folded so far: a cache.
    Snapshot {
        /// Whose state.
        aggregate: Hash,
        /// Version and state, as `ttp` encodes them.
        bytes: Vec<u8>,
    },
    /// A number that only grows, such as the highest serial drawn: written as a maximum, since commits may overtake each
    /// other on their way here.
    Counter {
        /// Its name.
        name: &'static str,
        /// It is at least this.
        at_least: u64,
    },
    /// Some of the commit's facts answer a request of their own: of a turn that decided several. A key that has answered before
    /// refuses the whole commit ([`Refused::KeyReused`]), whatever the request was: whoever decides looks first.
    Answered {
        /// The request.
        request: Idempotency,
        /// Which of the commit's facts is the first of the answer.
        draft: usize,
        /// How many facts it has.
        count: usize,
    },
    /// A data key under which an artefact of the commit is sealed, and those of later ones may be. It is named by random bits: a
    /// name that is there refuses the whole commit ([`Refused::KeyTaken`]).
    Key {
        /// Which of the commit's facts it comes with: its artefact is sealed under it.
        draft: usize,
        /// Its name.
        id: KeyRef,
        /// The key, wrapped.
        wrapped: Vec<u8>,
    },
    /// Something was erased: a line of the erasure journal, which is on disk before anybody is answered. The rows of its keys go
    /// in the same batch.
    Erased {
        /// Which of the commit's facts tells of it.
        draft: usize,
        /// What was erased.
        object: Hash,
        /// The keys that were destroyed.
        keys: Vec<KeyRef>,
    },
}

/// Names a request for ever: the same key with the same request gets the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// HMAC of role, party and the caller's key (never of the artefact: its salt makes each retry new).
    pub key: Hash,
    /// Hash of the request's bytes.
    pub request: Hash,
}

/// All or nothing: the facts of one turn with everything that belongs to them.
#[derive(Clone, Debug)]
pub struct Commit {
    /// For a request that may be repeated.
    pub idempotency: Option<Idempotency>,
    /// The clock reading that the decision was given, ms since 1970.
    pub now_ms: u64,
    /// At least one.
    pub drafts: Vec<Draft>,
    /// Snapshots and counters.
    pub rows: Vec<RoleRow>,
}

impl Commit {
    /// A commit of one fact that will not be repeated.
    pub fn one(now_ms: u64, draft: Draft) -> Self {
        Self { idempotency: None, now_ms, drafts: vec![draft], rows: Vec::new() }
    }

    pub(crate) fn bytes(&self) -> usize {
        let names = |draft: &Draft| draft.names.iter().map(|name| name.len() + 16).sum::<usize>();
        let draft = |draft: &Draft| draft.fact.len() + draft.artefact.as_ref().map_or(0, Vec::len) + names(draft) + 256;
        let row = |row: &RoleRow| match row {
            RoleRow::Snapshot { bytes, .. } => bytes.len() + 64,
            RoleRow::Counter { .. } => 64,
            RoleRow::Answered { .. } => 96,
            RoleRow::Key { wrapped, .. } => wrapped.len() + 96,
            RoleRow::Erased { keys, .. } => 256 + 33 * keys.len(),
        };
        self.drafts.iter().map(draft).sum::<usize>() + self.rows.iter().map(row).sum::<usize>()
    }
}

/// Why a commit was not taken. Nothing of it is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue is full; try again.
    #[error("too many commits are waiting")]
    Busy,
    /// Intake has ended; the process is about to.
    #[error("the ledger takes no more commits")]
    Draining,
    /// Decided too long before, or after, the time its entry would get: decide anew.
    #[error("decided at {now_ms}, but the entry's time would be {entry_ms}")]
    Stale {
        /// The decision's reading.
        now_ms: u64,
        /// The group's reading.
        entry_ms: u64,
    },
    /// The clock stands behind the newest entry by more than is waited for.
    #[error("the clock reads {clock_ms}, behind the newest entry at {newest_ms}")]
    ClockBehind {
        /// The clock's reading.
        clock_ms: u64,
        /// Time of the newest entry.
        newest_ms: u64,
    },
    /// A tag of this commit stands in the log already: the question was decided.
    #[error("a tag of this commit is that of entry {index}")]
    TagSeen {
        /// The tag.
        tag: Tag,
        /// Where it stands.
        index: u64,
    },
    /// This step of the aggregate's history was taken already.
    #[error("step {step} of its aggregate is entry {index}")]
    StepTaken {
        /// The step.
        step: u64,
        /// Where it stands.
        index: u64,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key belongs to another request, answered by entry {index}")]
    KeyReused {
        /// The entry of the other request.
        index: u64,
    },
    /// A data key of this name is there.
    #[error("the data key {} came with entry {index}", hex::encode(key))]
    KeyTaken {
        /// Its name.
        key: KeyRef,
        /// The entry that it came with.
        index: u64,
    },
    /// The group could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// Nobody knows what is on disk; the process must end and reopen the ledger.
    #[error("the ledger has stopped")]
    Stopped,
}

/// Entries that are durable in the log.
#[derive(Clone, Debug)]
pub struct Appended {
    /// Index of the first.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// True for the answer of an earlier, equal request.
    pub replayed: bool,
    /// The group they were committed in, unless that was before this process or long ago.
    pub group: Option<Arc<Group>>,
}

/// What the sequencer tells whoever watches it.
pub trait Observer: Send + Sync {
    /// A group is durable.
    fn committed(&self, _report: &GroupReport) {}
    /// A commit was refused.
    fn refused(&self, _refused: &Refused) {}
    /// The ledger has stopped: the process must end.
    fn stopped(&self, _why: &str) {}
}

/// Watches nothing.
impl Observer for () {}

/// Figures of one group.
#[derive(Clone, Copy, Debug)]
pub struct GroupReport {
    /// Commits written.
    pub commits: usize,
    /// Entries written.
    pub entries: usize,
    /// Answers of earlier requests given again.
    pub replayed: usize,
    /// Entries in the log now.
    pub size: u64,
    /// Seconds from taking the group to answering it.
    pub seconds: f64,
    /// Seconds of the store's synced write.
    pub store_seconds: f64,
    /// Seconds of the anchor's synced write.
    pub anchor_seconds: f64,
}

/// The clock of the ledger: UTC in ms since 1970.
pub trait Clock: Send + Sync {
    /// Reads the clock.
    fn now_ms(&self) -> u64;
    /// Waits; called only when the clock stands behind the newest entry by less than the maximum merge delay.
    fn wait_ms(&self, ms: u64);
}

/// What keeps the log's promises in time and memory.
#[derive(Clone, Copy, Debug)]
pub struct SequencerSettings {
    /// Commits that may wait.
    pub queue_commits_max: usize,
    /// Bytes that may wait.
    pub queue_bytes_max: usize,
    /// Commits in one group.
    pub group_commits_max: usize,
    /// Bytes in one group.
    pub group_bytes_max: usize,
    /// Maximum merge delay: how much older than its entry a decision may be, ms.
    pub mmd_ms: u64,
}

impl Default for SequencerSettings {
    fn default() -> Self {
        Self {
            queue_commits_max: 4096,
            queue_bytes_max: 64 << 20,
            group_commits_max: 1024,
            group_bytes_max: 8 << 20,
            mmd_ms: 5000,
        }
    }
}

/// The two keys of a log.
pub struct LogKeys {
    note: NoteSigner,
    receipt: Arc<dyn Signer>,
    identity: LogIdentity,
}

impl LogKeys {
    /// `note` signs checkpoints, `receipt` (ES256) COSE receipts; `issuer` is the service's public URL.
    pub fn new(note: NoteSigner, receipt: Arc<dyn Signer>, issuer: &str) -> Self {
        let identity = LogIdentity {
            note_key: note.verifier_key().clone(),
            issuer: issuer.to_owned(),
            receipt_key: receipt.public_key(),
        };
        Self { note, receipt, identity }
    }

    /// What verifies their signatures.
    pub fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    pub(crate) fn sign(&self, head: &mut GroupHead) -> Result<(), SigningFailed> {
        head.note_signature = self.note.sign(&head.checkpoint(self.identity.origin()).text())?;
        head.receipt_signature = cose::sign(&self.identity, head.size, &head.root, &*self.receipt)?;
        Ok(())
    }
}

/// Called once with the outcome of a commit; must be quick, since the sequencer waits for it.
pub(crate) type Done = Box<dyn FnOnce(Result<Appended, Refused>) + Send>;

/// A commit that waits.
pub(crate) struct Waiting {
    pub(crate) commit: Commit,
    pub(crate) done: Done,
}

/// The state of the thread.
pub(crate) struct Sequencer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) anchor: Arc<dyn Anchor>,
    pub(crate) anchored: Anchored,
    pub(crate) keys: LogKeys,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) settings: SequencerSettings,
    pub(crate) queue: Arc<Queue>,
    pub(crate) published: Arc<ArcSwap<Group>>,
    /// Where erasures are told before anybody is answered.
    pub(crate) journal: Arc<dyn Journal>,
    /// The end of the journal.
    pub(crate) erasures: Chain,
    /// Counters as far as they are on disk.
    pub(crate) counters: std::collections::HashMap<&'static str, u64>,
}

/// The sequencer cannot go on.
enum Halt {
    /// Nothing was written: this group fails, the next may do better.
    Group(Refused),
    /// Nobody knows what is on disk.
    Fatal(String),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        // Reading failed: nothing was written, but what cannot be read cannot be built upon.
        Self::Fatal(fault.to_string())
    }
}

impl Sequencer {
    /// Runs until the queue is closed and empty, or certainty about the disk is lost.
    pub(crate) fn run(mut self) {
        let mut guard = StopGuard { queue: self.queue.clone(), observer: self.observer.clone(), armed: true };
        loop {
            let group = self.queue.take(self.settings.group_commits_max, self.settings.group_bytes_max);
            if group.is_empty() {
                break; // closed and empty
            }
            if let Err(why) = self.sequence(group) {
                guard.armed = false;
                guard.stop(&why);
                return;
            }
        }
        guard.armed = false;
    }

    /// One group, in crash-safe order. `Err` means that certainty about the disk is lost.
    ///
    /// 1. Take the waiting commits (the caller has).
    /// 2. Answer what is a repetition, whatever the clock says and whatever fails later; refuse what was decided too early,
    ///    or carries a tag or a step that is taken.
    ///    The group before this one is durable, so the committed rows and this group are all there is to compare with.
    /// 3. Number the rest, give them the group's time, and grow a *copy* of the right edge.
    /// 4. Sign checkpoint and receipt. Nothing has left and nothing is written: a failure fails what would be new.
    /// 5. One synced batch with everything in it.
    ///    A crash during it leaves all or nothing; neither was seen outside.
    /// 6. Append the group's erasures to their journal, if it has any. Advance the anchor.
    ///    A crash before the journal leaves lines that the store has and the journal lacks: the next start appends them.
    ///    A crash before or during it leaves the store one group ahead: the next start sees that the anchor is a prefix
    ///    and advances it. An anchor ahead of its store would look like a rollback, so this comes after 5, never before.
    /// 7. Swap in the new edge and checkpoint.
    /// 8. Answer. A crash before the last answer costs a caller its answer, not its entry: a retry under the same
    ///    idempotency key gets the stored one.
    fn sequence(&mut self, group: Vec<Waiting>) -> Result<(), String> {
        let started = Instant::now();
        let before = self.published.load_full();
        let mut time_ms = self.clock.now_ms();
        let newest_ms = before.head().map_or(0, |head| head.time_ms);
        if time_ms < newest_ms && newest_ms - time_ms <= self.settings.mmd_ms {
            self.clock.wait_ms(newest_ms - time_ms);
            time_ms = self.clock.now_ms();
        }
        let time = match time_ms < newest_ms {
            true => Err(Refused::ClockBehind { clock_ms: time_ms, newest_ms }),
            false => Ok(time_ms),
        };
        let mut building = group::Building::new(&before, time, self.settings.mmd_ms);
        for (i, waiting) in group.iter().enumerate() {
            if let Err(fault) = building.consider(i, &waiting.commit, &*self.store) {
                self.refuse_all(group, &Refused::Stopped);
                return Err(fault.to_string());
            }
        }
        let group::Built { mut outcomes, accepted, tiles, bundles, edge } = building.build(&group);

        let mut report = GroupReport {
            commits: accepted.len(),
            entries: (edge.size() - before.edge().size()) as usize,
            replayed: outcomes.iter().filter(|outcome| matches!(outcome, Ok(a) if a.replayed)).count(),
            size: edge.size(),
            seconds: 0.0,
            store_seconds: 0.0,
            anchor_seconds: 0.0,
        };
        let mut published = before.clone();
        if !accepted.is_empty() {
            let mut head = GroupHead {
                first: before.edge().size(),
                size: edge.size(),
                root: edge.root(),
                time_ms,
                note_signature: [0; 64],
                receipt_signature: [0; 64],
            };
            let next = Anchored {
                sequence: self.anchored.sequence + 1,
                size: head.size,
                root: head.root,
                checkpoint_hash: sha256(head.checkpoint(self.keys.identity.origin()).text().as_bytes()),
                time_ms,
                ..self.anchored.clone()
            };
            match self.write(&group, &accepted, &tiles, &bundles, &edge, &mut head, &next, &mut report) {
                Ok(()) => {}
                Err(Halt::Group(refused)) => {
                    group::withdraw(&mut outcomes, head.first, &refused);
                    self.answer(group, outcomes, &before);
                    return Ok(());
                }
                Err(Halt::Fatal(why)) => {
                    self.refuse_all(group, &Refused::Stopped);
                    return Err(why);
                }
            }
            self.anchored = next;
            published = Arc::new(Group::new(head, edge, tiles, bundles));
            self.published.store(published.clone());
        }

        report.seconds = started.elapsed().as_secs_f64();
        self.observer.committed(&report);
        self.answer(group, outcomes, &published);
        Ok(())
    }

    /// Step 8.
    fn answer(&self, group: Vec<Waiting>, outcomes: Vec<Result<Appended, Refused>>, published: &Arc<Group>) {
        for (waiting, outcome) in group.into_iter().zip(outcomes) {
            let outcome = outcome.map(|mut appended| {
                if published.head().is_some_and(|head| (head.first..head.size).contains(&appended.first)) {
                    appended.group = Some(published.clone());
                }
                appended
            });
            if let Err(refused) = &outcome {
                self.observer.refused(refused);
            }
            (waiting.done)(outcome);
        }
    }

    /// Steps 4 to 6.
    #[allow(clippy::too_many_arguments, reason = "the parts of one group, written in one place")]
    fn write(
        &mut self,
        group: &[Waiting],
        accepted: &[(usize, u64)],
        tiles: &group::Tiles,
        bundles: &group::Bundles,
        edge: &crate::merkle::Edge,
        head: &mut GroupHead,
        next: &Anchored,
        report: &mut GroupReport,
    ) -> Result<(), Halt> {
        self.keys.sign(head).map_err(|failed| Halt::Group(failed.into()))?; // 4

        // Once in 256 entries: what was committed is a prefix of what becomes full, or something is very wrong.
        for (id, tile) in tiles {
            check_prefix(&*self.store, Table::Tile, &keys::tile(*id), tile.hashes().as_flattened())?;
        }
        for (index, bundle) in bundles.range(..edge.size() / crate::merkle::TILE_WIDTH) {
            check_prefix(&*self.store, Table::Bundle, &keys::number(*index), bundle)?;
        }
        let mut batch = Batch::default();
        for (index, bundle) in bundles {
            batch.put(Table::Bundle, &keys::number(*index), bundle);
        }
        let mut grown = true; // level 0 always grows; the next one when a tile below it has become full
        for (id, tile) in tiles {
            batch.put_parts(Table::Tile, &keys::tile(*id), &tile.row());
        }
        for (id, tile) in edge.tiles() {
            grown &= id.level == 0 || tiles.keys().any(|full| full.level + 1 == id.level);
            if grown {
                batch.put_parts(Table::Tile, &keys::tile(id), &tile.row());
            }
        }
        let mut counters = self.counters.clone();
        let (mut erasures, mut erased) = (self.erasures.clone(), Vec::new());
        for (i, first) in accepted {
            let commit = &group[*i].commit;
            for (index, draft) in (*first..).zip(&commit.drafts) {
                write_draft(&mut batch, index, draft);
            }
            if let Some(Idempotency { key, request }) = &commit.idempotency {
                let count = commit.drafts.len() as u64;
                batch.put_parts(Table::Dedup, key, &[&first.to_be_bytes(), &count.to_be_bytes(), request]);
            }
            for row in &commit.rows {
                match row {
                    RoleRow::Snapshot { aggregate, bytes } => batch.put(Table::Snapshot, aggregate, bytes),
                    RoleRow::Counter { name, at_least } => {
                        let held = match counters.get(name) {
                            Some(held) => *held,
                            None => read_counter(&*self.store, name)?,
                        };
                        counters.insert(name, held.max(*at_least));
                    }
                    RoleRow::Answered { request: Idempotency { key, request }, draft, count } => {
                        let (first, count) = (first + *draft as u64, *count as u64);
                        batch.put_parts(Table::Dedup, key, &[&first.to_be_bytes(), &count.to_be_bytes(), request]);
                    }
                    RoleRow::Key { draft, id, wrapped } => {
                        batch.put_parts(Table::Key, id, &[&(first + *draft as u64).to_be_bytes(), wrapped]);
                    }
                    RoleRow::Erased { draft, object, keys } => {
                        keys.iter().for_each(|key| batch.delete(Table::Key, key));
                        let number = erasures.count;
                        let line = erasures.next(first + *draft as u64, *object, keys.clone());
                        batch.put(Table::Meta, &erasure::row_key(number), line.encode().as_bytes());
                        erased.push(line);
                    }
                }
            }
        }
        for (name, value) in &counters {
            if self.counters.get(name) != Some(value) {
                batch.put(Table::Counter, name.as_bytes(), &value.to_be_bytes());
            }
        }
        if self.erasures.count == 0 && !erased.is_empty() {
            batch.put(Table::Meta, FORMAT_KEY, &FORMAT_ERASED.to_be_bytes());
        }
        batch.put(Table::Group, &keys::number(head.size), &group::encode_head(head));

        let start = Instant::now();
        self.store.commit(&batch)?; // 5
        report.store_seconds = start.elapsed().as_secs_f64();
        if !erased.is_empty() {
            self.journal.append(&erased).map_err(|error| Halt::Fatal(error.to_string()))?; // 6
            self.erasures = erasures;
        }
        let start = Instant::now();
        match self.anchor.advance(Some(&self.anchored), next) {
            Advance::Done => {} // 6
            Advance::Conflict(found) => return Err(Halt::Fatal(format!("the anchor was moved by another: {found:?}"))),
            Advance::Unknown(why) => return Err(Halt::Fatal(why)),
        }
        report.anchor_seconds = start.elapsed().as_secs_f64();
        self.counters = counters;
        Ok(())
    }

    fn refuse_all(&self, group: Vec<Waiting>, refused: &Refused) {
        for waiting in group {
            self.observer.refused(refused);
            (waiting.done)(Err(refused.clone()));
        }
    }
}

/// The stored row, if there is one, may only grow: a full tile or an entry is never overwritten with other bytes.
fn check_prefix(store: &dyn Store, table: Table, key: &[u8], grown: &[u8]) -> Result<(), Fault> {
    match read(store, table, key)? {
        Some(row) if !grown.starts_with(&row) => {
            Err(Fault::corrupt(table, key, "it would be overwritten with other bytes"))
        }
        _ => Ok(()),
    }
}

fn write_draft(batch: &mut Batch, index: u64, draft: &Draft) {
    let key = keys::number(index);
    batch.put(Table::Fact, &key, &draft.fact);
    if let Some(artefact) = &draft.artefact {
        batch.put(Table::Artefact, &key, artefact);
    }
    batch.put(Table::Digest, &keys::hash_number(&draft.digest, index), &[]);
    for tag in draft.tags.as_slice() {
        batch.put(Table::Tag, &tag.0, &key);
    }
    if let Some((aggregate, step)) = &draft.step {
        batch.put(Table::Aggregate, &keys::hash_number(aggregate, *step), &key);
    }
    for name in &draft.names {
        batch.put(Table::Name, name, &key);
    }
}

/// The stored value of a counter; 0 before its first use.
pub(crate) fn read_counter(store: &dyn Store, name: &str) -> Result<u64, Fault> {
    let Some(row) = read(store, Table::Counter, name.as_bytes())? else { return Ok(0) };
    keys::parse_number(&row).ok_or_else(|| Fault::corrupt(Table::Counter, name.as_bytes(), "not a number"))
}

/// Whatever ends the thread, a panic included, ends intake: nobody waits for ever.
struct StopGuard {
    queue: Arc<Queue>,
    observer: Arc<dyn Observer>,
    armed: bool,
}

impl StopGuard {
    fn stop(&self, why: &str) {
        for waiting in self.queue.stop() {
            (waiting.done)(Err(Refused::Stopped));
        }
        self.observer.stopped(why);
    }
}

impl Drop for StopGuard {
    fn drop(&mut self) {
        if self.armed {
            self.stop("the sequencer panicked");
        }
    }
}
