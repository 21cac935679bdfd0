//! A monitor of a log, this or anybody's: reads what is new, round by round, and holds the log to it.
//!
//! In scope: the order in which a log is read, what a round comes to, what its operator is told ([`notice`]). All judging
//! of trees and entries is [`semper_ledger::monitor`]. Out of scope: when the next round begins, and where evidence is
//! written (`ops`).

mod admin;
mod expect;
pub mod notice;
mod past;
pub mod watch;

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use semper_ledger::{
    merkle::{EMPTY_ROOT, Hash, TILE_WIDTH, Tile, TileId, tile_width},
    monitor::{ForkError, JudgeError, Judged, Misbehaviour, Monitor, Seen, Signed, Stopped, Unfit},
    policy::Policy,
    store::Fault,
};
use semper_ttp::{
    account::{Kind, Prefix, Proof},
    crypto::LogVerifier,
};
use tokio::{
    runtime::Handle,
    task::{JoinHandle, block_in_place},
};

use self::{
    notice::{Notice, Over},
    past::{Row, Unshown},
    watch::{Digests, Watch},
};
use crate::log_source::{LogSource, SourceTiles};

pub use self::admin::{Health, admin_routes, label};
pub use self::expect::{Expected, Found};
pub use self::past::Past;
pub use crate::log_source::SourceError;

/// Bundles that are fetched ahead. With the longest entries that the format allows, as many times 16 MiB of memory.
const AHEAD: usize = 16;

/// How a log is read, and what its operator wants to be told.
pub struct Follower {
    source: Arc<LogSource>,
    monitor: Monitor,
    past: Past,
    watch: Watch,
    policy: Option<Policy>,
    settings: Settings,
    /// Entries under the newest checkpoint that the log showed.
    shown: u64,
    /// Since when only older checkpoints are shown, milliseconds.
    older_since: Option<u64>,
    /// That was told as a rollback.
    rolled_back: bool,
    /// Kinds of notices that were told and whose cause lasts: told again only when it has been away.
    standing: HashSet<&'static str>,
}

/// Bounds of patience.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a log may show an older checkpoint, as caches do, before that is a rollback: milliseconds.
    pub rollback_ms: u64,
    /// How far an entry's time may lie ahead of this machine's clock, milliseconds.
    pub ahead_ms: u64,
}

/// What a round came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Entries under the newest checkpoint that was verified.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// How many of them are new.
    pub new: u64,
    /// What the operator is told.
    pub notices: Vec<Notice>,
    /// What the operator was told, and is over.
    pub over: Vec<Over>,
    /// What convicts the log. Nothing further is read of it.
    pub misbehaviour: Option<Proof>,
    /// The log showed an older checkpoint than before; nothing was read.
    pub older: Option<Older>,
    /// After a rollback the log shows again what it signed, or what continues that.
    pub recovered: bool,
}

/// An older checkpoint, as a cache may show it for a while. Nobody can prove when a log showed what, so it convicts nobody, and
/// the log is followed on when it is in order again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Older {
    /// Its size.
    pub size: u64,
    /// It was not shown in the round before.
    pub begins: bool,
    /// It has been shown for too long: what is kept of that, once.
    pub rollback: Option<Proof>,
}

/// Why a round came to nothing. The next one goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The log cannot be reached, or does not have what it must have.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its checkpoint is none.
    #[error(transparent)]
    Checkpoint(JudgeError),
    /// Its bytes do not fit together.
    #[error("the log serves bytes that do not fit together, which proves nothing: {0}")]
    Unfit(#[from] Unfit),
    /// Our own storage. Fatal.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl RoundError {
    /// The label in the metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Checkpoint(_) => "checkpoint",
            Self::Unfit(_) => "data",
            Self::Fault(_) => "storage",
        }
    }
}

impl From<Stopped> for RoundError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Unfit(unfit) => unfit.into(),
            Stopped::Fault(fault) => fault.into(),
        }
    }
}

impl From<JudgeError> for RoundError {
    fn from(error: JudgeError) -> Self {
        match error {
            JudgeError::Fault(fault) => fault.into(),
            bad @ JudgeError::Bad(_) => Self::Checkpoint(bad),
        }
    }
}

impl From<ForkError<SourceError>> for RoundError {
    fn from(error: ForkError<SourceError>) -> Self {
        match error {
            ForkError::Tiles(error) => error.into(),
            ForkError::Unfit(unfit) => unfit.into(),
        }
    }
}

impl Follower {
    /// A follower that goes on from the monitor's memory.
    #[must_use]
    pub fn new(
        source: LogSource,
        monitor: Monitor,
        past: Past,
        mut watch: Watch,
        policy: Option<Policy>,
        settings: Settings,
    ) -> Self {
        watch.restore(monitor.notes());
        watch.forget_from(monitor.staged());
        let (shown, older_since, rolled_back, standing) = Default::default();
        let source = Arc::new(source);
        Self { source, monitor, past, watch, policy, settings, shown, older_since, rolled_back, standing }
    }

    /// What it remembers.
    #[must_use]
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// One round: the newest checkpoint, and everything under it that was not read before. `progress` is told of entries read
    /// and entries in all. Needs a runtime with more than one thread.
    ///
    /// # Errors
    /// [`RoundError`].
    pub async fn round(&mut self, now_ms: u64, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Round, RoundError> {
        let before = self.verified_size();
        // Somebody may have been stopped before it was told.
        if let Some(found) = self.monitor.convicted()? {
            return Ok(self.comes_to(before, Some(self.proof_of(found))));
        }
        let note = self.source.checkpoint().await?;
        let target = match self.monitor.judge(&note)? {
            Judged::Same => None,
            Judged::Older(older) => return Ok(self.older(&older, now_ms)),
            Judged::Misbehaved(found) => return Ok(self.comes_to(before, Some(self.proof_of(*found)))),
            Judged::Newer(target) => Some(target),
        };
        self.older_since = None;
        self.shown = target.as_ref().map_or(before, |target| target.checkpoint.size);
        let mut found = None;
        if let Some(target) = &target {
            let tiles = SourceTiles { source: &self.source, size: target.checkpoint.size, runtime: Handle::current() };
            found = block_in_place(|| self.monitor.fork_before(target, &tiles))?;
        }
        if found.is_none() {
            self.recall(progress).await?;
            if let Some(target) = target {
                self.read(&target, progress).await?;
                found = block_in_place(|| self.finish(target))?;
            }
        }
        let recovered = std::mem::take(&mut self.rolled_back) && found.is_none();
        let proof = found.map(|found| self.proof_of(found));
        let mut round = Round { recovered, ..self.comes_to(before, proof) };
        // From here on nothing fails: what is said to have been told must be told.
        round.notices = self.watch.settle(now_ms, round.size);
        round.over = self.watch.over();
        let ahead_ms = self.monitor.last_time_ms().saturating_sub(now_ms);
        let ahead = (ahead_ms > self.settings.ahead_ms).then_some(Notice::Ahead { ahead_ms });
        let unwitnessed = match &self.policy {
            None => None,
            Some(policy) => {
                // The note shown now: of an unchanged tree too, since cosignatures come later. Of one with a line that only looks like
                // a witness's, nobody else is to believe the cosignatures either.
                let judged = policy.judge_of(&[self.monitor.key().clone()], &note, &LogVerifier);
                let quorum = judged.is_ok_and(|judged| judged.quorum);
                (!quorum).then_some(Notice::Unwitnessed { size: self.shown })
            }
        };
        let lasting = [self.watch.newer(), ahead, unwitnessed];
        let kinds = lasting.iter().flatten().map(Notice::kind).collect();
        let before = std::mem::replace(&mut self.standing, kinds);
        let ended = Notice::KINDS.iter().filter(|kind| before.contains(*kind) && !self.standing.contains(*kind));
        round.over.extend(ended.map(|kind| Over { kind, entry: None }));
        round.notices.extend(lasting.into_iter().flatten().filter(|notice| !before.contains(notice.kind())));
        Ok(round)
    }

    /// The notices of the rounds so far have reached the operator. Before that is said, a stop tells them again.
    ///
    /// # Errors
    /// Storage fails.
    pub fn told(&mut self) -> Result<(), Fault> {
        let notes = self.watch.notes();
        if notes == self.monitor.notes() {
            return Ok(());
        }
        block_in_place(|| self.monitor.save(notes))
    }

    /// How many entries must be known and are not in the list, their time of grace over.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.watch.unknown()
    }

    /// The list of known digests as it is now. It is compared with every entry, those that were read before, too.
    pub fn know(&mut self, list: Digests) {
        self.watch.know(list);
    }

    /// The list of watched digests as it is now; likewise.
    pub fn watch_for(&mut self, list: Digests) {
        self.watch.watch_for(list);
    }

    fn verified_size(&self) -> u64 {
        self.monitor.verified().map_or(0, |seen| seen.checkpoint.size)
    }

    fn comes_to(&self, before: u64, misbehaviour: Option<Proof>) -> Round {
        let size = self.verified_size();
        let root = self.monitor.verified().map_or(EMPTY_ROOT, |seen| seen.checkpoint.root);
        let (notices, over) = Default::default();
        Round { size, root, new: size - before, notices, over, misbehaviour, older: None, recovered: false }
    }

    /// What can be told of what was verified although a round came to nothing, or the log shows an older checkpoint: an entry whose
    /// line does not come.
    ///
    /// # Errors
    /// Storage fails.
    pub fn overdue(&mut self, now_ms: u64) -> Result<Round, Fault> {
        // Lists that are new can be compared as long as nothing is missing.
        if self.past.len() >= self.monitor.staged() {
            self.past.truncate(self.monitor.staged())?;
            self.past.save()?;
            match block_in_place(|| self.watch.look_back(&self.past)) {
                Err(Unshown::Fault(fault)) => return Err(fault),
                // The next round reads it again.
                Ok(()) | Err(Unshown::Damaged(_)) => {}
            }
        }
        let mut round = self.comes_to(self.verified_size(), None);
        if !self.watch.looks_back() {
            round.notices = self.watch.settle(now_ms, round.size);
            round.over = self.watch.over();
        }
        Ok(round)
    }

    fn older(&mut self, older: &Signed, now_ms: u64) -> Round {
        let begins = self.older_since.is_none();
        let since = *self.older_since.get_or_insert(now_ms);
        let for_good = !self.rolled_back && now_ms.saturating_sub(since) >= self.settings.rollback_ms;
        let against = self.monitor.key().name();
        let seen = self.monitor.verified().filter(|_| for_good);
        let rollback = seen.map(|seen| Proof::rollback(against, &seen.note, &older.note));
        self.rolled_back |= rollback.is_some();
        let older = Older { size: older.checkpoint.size, begins, rollback };
        Round { older: Some(older), ..self.comes_to(self.verified_size(), None) }
    }

    /// Reads again what is missing in what is kept of the entries, such as all of them in a folder that an earlier program
    /// made, or what the disk forgot; then compares everything with lists that are new.
    async fn recall(&mut self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<(), RoundError> {
        let mut anew_from = None;
        loop {
            self.complete(progress).await?;
            self.past.save()?;
            match block_in_place(|| self.watch.look_back(&self.past)) {
                Ok(()) => return Ok(()),
                Err(Unshown::Fault(fault)) => return Err(fault.into()),
                // A disk that damages the same again shall not make this read the log for ever.
                Err(Unshown::Damaged(index)) if anew_from.is_some_and(|from| index >= from) => {
                    let what = format!("what is kept of entry {index} was written anew and does not read");
                    return Err(Fault::Storage(what).into());
                }
                Err(Unshown::Damaged(index)) => {
                    tracing::warn!(index, "the file `entries` is damaged; what follows is read from the log again");
                    self.past.truncate(index)?;
                    anew_from = Some(index);
                }
            }
        }
    }

    async fn complete(&mut self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<(), RoundError> {
        self.past.truncate(self.monitor.staged())?;
        if self.past.len() < self.monitor.staged() {
            // What is not verified cannot be compared with anything: it is read anew.
            self.monitor.forget()?;
            self.forget_staged()?;
            let (ours, size) = (self.monitor.is_ours(), self.monitor.staged());
            for bundle in self.past.len() / TILE_WIDTH..size.div_ceil(TILE_WIDTH) {
                let known = (self.past.len() % TILE_WIDTH) as usize;
                let entries = self.entries(bundle).await?;
                entries.iter().skip(known).for_each(|(bytes, _)| self.past.push(&Row::read(bytes, ours)));
                if bundle % TILE_WIDTH == TILE_WIDTH - 1 {
                    block_in_place(|| self.past.save())?;
                }
                progress(self.past.len(), size);
            }
        }
        Ok(())
    }

    /// Everything is read.
    fn finish(&mut self, target: Signed) -> Result<Option<Misbehaviour>, RoundError> {
        self.past.save()?;
        match self.monitor.finish(target, self.watch.notes()) {
            Err(Stopped::Unfit(unfit)) => Err(self.forgotten(unfit)),
            finished => Ok(finished?),
        }
    }

    /// Reads everything up to `target`.
    async fn read(&mut self, target: &Signed, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<(), RoundError> {
        let size = target.checkpoint.size;
        self.monitor.begin(target)?;
        if self.monitor.staged() < self.past.len() {
            self.forget_staged()?;
            self.recall(progress).await?;
        }
        let bundles = self.monitor.staged() / TILE_WIDTH..size.div_ceil(TILE_WIDTH);
        let mut ahead: VecDeque<Fetching> = VecDeque::with_capacity(AHEAD);
        let mut next = bundles.clone();
        for index in bundles {
            while ahead.len() < AHEAD
                && let Some(index) = next.next()
            {
                ahead.push_back(Fetching::begin(self.source.clone(), index, size));
            }
            let fetched = ahead.pop_front().expect("each bundle is fetched before it is taken").end().await?;
            let (monitor, past, watch) = (&mut self.monitor, &mut self.past, &mut self.watch);
            let mut visit = |seen: Seen<'_>| {
                let row = Row::of(&seen);
                past.push(&row);
                watch.see(seen.index, &row);
            };
            let above = block_in_place(|| monitor.take(target, index, &fetched.bundle, &fetched.tile, &mut visit))?;
            // Nothing is waited for between taking and checking: what was taken is not looked at again.
            for (id, ours) in above {
                let theirs = fetched.above.iter().find(|(fetched, _)| *fetched == id);
                self.check(id, &ours, theirs.map_or(&[], |(_, theirs)| theirs))?;
            }
            // Not before: what is saved is not compared again.
            if self.monitor.is_due() {
                block_in_place(|| {
                    self.past.save()?;
                    self.monitor.save(self.watch.notes())
                })?;
            }
            progress(self.monitor.staged(), size);
        }
        let edge: Vec<_> = self.monitor.edge().map(|(id, tile)| (id, tile.clone())).collect();
        for (id, ours) in edge {
            let theirs = self.source.tile(id, ours.width()).await?;
            self.check(id, &ours, &theirs)?;
        }
        Ok(())
    }

    fn check(&mut self, id: TileId, ours: &Tile, theirs: &[Hash]) -> Result<(), RoundError> {
        let Err(unfit) = Monitor::check(id, ours, theirs) else { return Ok(()) };
        self.monitor.forget()?;
        Err(self.forgotten(unfit))
    }

    /// The monitor forgot what was staged.
    fn forgotten(&mut self, unfit: Unfit) -> RoundError {
        self.forget_staged().err().map_or_else(|| unfit.into(), RoundError::Fault)
    }

    /// So do the others.
    fn forget_staged(&mut self) -> Result<(), Fault> {
        self.watch.forget_from(self.monitor.staged());
        self.past.truncate(self.monitor.staged())
    }

    fn proof_of(&self, found: Misbehaviour) -> Proof {
        let against = self.monitor.key().name();
        match found {
            Misbehaviour::TwoRoots { first, other } => Proof::two_roots(against, &first, &other),
            Misbehaviour::Fork { older, newer, from, root, to, path } => {
                Proof::fork(against, &older, &newer, Prefix { from, root, to, path })
            }
            Misbehaviour::TagTwice(genesis, both) => Proof::entries(Kind::Equivocation, against, genesis, both),
            Misbehaviour::TimeFell(genesis, both) => Proof::entries(Kind::Time, against, genesis, both),
            Misbehaviour::NoEntry(genesis, entry) => Proof::entries(Kind::BrokenRule, against, genesis, entry),
        }
    }
}

/// A bundle with the log's own hashes of it, and the tiles above that are complete with it.
struct Fetched {
    bundle: Bytes,
    tile: Vec<Hash>,
    above: Vec<(TileId, Vec<Hash>)>,
}

/// The tiles above level 0 that are full once bundle `index` is: 256 bundles fill one of level 1, and so on.
fn full_with(index: u64, size: u64) -> impl Iterator<Item = TileId> {
    let mut bundles = if size / TILE_WIDTH > index { index + 1 } else { 1 };
    (1..).map_while(move |level| {
        let is_full = bundles.is_multiple_of(TILE_WIDTH);
        bundles /= TILE_WIDTH;
        is_full.then(|| TileId { level, index: bundles - 1 })
    })
}

/// One that is on its way; dropped, it is given up.
struct Fetching(JoinHandle<Result<Fetched, SourceError>>);

impl Fetching {
    fn begin(source: Arc<LogSource>, index: u64, size: u64) -> Self {
        Self(tokio::spawn(async move {
            let id = TileId { level: 0, index };
            let width = tile_width(size, id) as usize;
            let (bundle, tile) = tokio::join!(source.bundle(index, width), source.tile(id, width));
            let mut above = Vec::new();
            for id in full_with(index, size) {
                above.push((id, source.tile(id, TILE_WIDTH as usize).await?));
            }
            Ok(Fetched { bundle: bundle?, tile: tile?, above })
        }))
    }

    async fn end(mut self) -> Result<Fetched, SourceError> {
        (&mut self.0).await.expect("fetching does not panic, and is given up only when nobody waits for it")
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use semper_ledger::merkle::Edge;

    use super::*;

    #[test]
    fn tiles_above_are_those_that_the_edge_hands_out() {
        for size in [255, 256, 65_535, 65_536, 131_100] {
            let mut full = HashSet::new();
            let mut edge = Edge::default();
            (0..size).for_each(|_| {
                edge.push([0; 32], |id, _| {
                    full.insert(id);
                })
            });
            full.retain(|id| id.level > 0);
            let fetched: Vec<_> = (0..u64::div_ceil(size, 256)).flat_map(|index| full_with(index, size)).collect();
            assert_eq!((fetched.len(), fetched.into_iter().collect()), (full.len(), full), "{size}");
        }
        // Level 2 comes with the last of 65,536 bundles.
        let ids: Vec<_> = full_with(65_535, 1 << 24).map(|id| (id.level, id.index)).collect();
        assert_eq!(ids, [(1, 255), (2, 0)]);
        assert_eq!(full_with(65_535, (1 << 24) - 1).count(), 0);
    }
}
