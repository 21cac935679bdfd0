//! The witnesses of our ledger: asking them, believing them, and listening when one knows better.
//!
//! ```text
//! newest checkpoint ──target──▶ a task for each witness: proof, POST, verify the line ──▶ quorum met: published
//!        ▲  every interval, or at once when somebody waits                                     │
//!        └─────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! All idle witnesses work at one target, so that their lines meet on one checkpoint; the next target is set when the quorum
//! is met or [`ROUND`] is over. A witness that is dead, slow or wrong holds up nobody: committing never waits for one.
//!
//! **A witness that knows more than we do** (it shows a checkpoint that our own key signed, larger than our tree or with
//! another root) proves that this store was rolled back or forked, or that the key is in other hands: the ledger halts
//! ([`Told::Ahead`]). A witness that merely says so proves nothing: anybody could stop a service with a number.

mod evidence;
mod start;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

pub use evidence::{Contradiction, compare, keep_evidence};
use semper_ledger::{
    checkpoint::Checkpoint,
    cosignature, disk,
    merkle::{Hash, sha256},
    note::{NOTE_BYTES_MAX, Note, SignatureLine, VerifierKey},
    policy::Policy,
    reader::Reader,
    receipt::GroupHead,
    store::Fault,
    witness::AddCheckpoint,
};
use semper_ttp::{crypto::LogVerifier, time::Timestamp};
pub use start::{Asking, ask_before_start};
use tokio::sync::{Notify, watch};

use crate::{
    client::{Client, ClientError, Cosigned},
    service::Service,
};

/// How long one witness has for an answer, and all of them for a target (ledger.md §6: the peers' default).
pub const ROUND: Duration = Duration::from_secs(1);

/// How long after a failure a witness is left alone: doubled with each failure in a row, up to the most.
const PAUSE_LEAST: Duration = Duration::from_millis(500);
const PAUSE_MOST: Duration = Duration::from_secs(30);

/// The longest that a witness is left alone because it wishes so.
const BUSY_MOST: Duration = Duration::from_secs(3600);

/// How long the end of a service may take until a quorum of witnesses has seen it.
const LAST_SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// How far a cosignature's time may lie from our own, either way, seconds: more, and one of the two clocks is no clock.
const SECONDS_OFF_MAX: u64 = 3600;

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often a new checkpoint is shown to the witnesses when nobody waits for it.
    pub interval: Duration,
    /// How often the newest checkpoint is shown again although it is the same: its cosignatures then state a newer time.
    pub refresh: Duration,
    /// How long a caller may wait for a witnessed receipt.
    pub wait_max: Duration,
    /// Rounds that may be begun at once for callers who wait; one more comes with each interval. So a caller waits for nothing as
    /// a rule, and none of them can make us ask witnesses more often than they allow.
    pub demands_max: u32,
    /// Where a witness shows what it cosigned, by its name in the policy, if that is not where it is asked.
    pub monitoring_urls: BTreeMap<String, String>,
    /// Where the newest witnessed checkpoint is kept over a restart.
    pub kept: PathBuf,
    /// Where evidence against us is kept.
    pub evidence: PathBuf,
}

/// The newest checkpoint that meets the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Its group.
    pub head: GroupHead,
    /// The signed note with the cosignatures.
    pub note: String,
}

/// The witnesses of one ledger.
pub struct Witnesses {
    policy: Policy,
    reader: Arc<Reader>,
    settings: Settings,
    asked: Vec<Asked>,
    round: Mutex<Option<Round>>,
    target: watch::Sender<Option<Arc<GroupHead>>>,
    newest: watch::Sender<Option<Arc<Witnessed>>>,
    demand: Notify,
    /// The last proof between two sizes: most witnesses have cosigned the same, and one serves them all.
    proof: tokio::sync::Mutex<Option<Proved>>,
    /// Held while the newest is written.
    keeping: Mutex<()>,
}

/// A witness that has an address.
struct Asked {
    /// Its place in the policy.
    place: usize,
    name: String,
    key: VerifierKey,
    client: Client,
    /// Its monitoring prefix.
    shows: Client,
}

/// That a tree continues an earlier one.
struct Proved {
    from: u64,
    to: u64,
    path: Vec<Hash>,
}

/// What has come for one target.
struct Round {
    head: Arc<GroupHead>,
    /// By place in the policy; one line for each witness.
    lines: Vec<Option<SignatureLine>>,
}

/// Why there are no witnesses.
#[derive(Debug, thiserror::Error)]
pub enum WitnessesError {
    /// Somebody else's policy.
    #[error("the policy names no log with this ledger's key {0}")]
    OtherLog(VerifierKey),
    /// A quorum that can never be met.
    #[error("the witnesses of the policy that have an address are no quorum")]
    Unreachable,
    /// An address is none.
    #[error("witness {name}: {fault}")]
    Url {
        /// The witness.
        name: String,
        /// Why.
        fault: ClientError,
    },
    /// The kept checkpoint cannot be read.
    #[error(transparent)]
    Disk(#[from] disk::DiskFault),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
}

/// What a witness told.
#[derive(Debug)]
enum Told {
    /// It cosigned the target.
    Cosigned,
    /// Somebody else has shown it another checkpoint of ours meanwhile; no fault of its own.
    Later,
    /// It wants to be left alone for so many seconds.
    Busy(u64),
    /// No answer, or none of use.
    Fault(String),
    /// It shows a checkpoint of ours that contradicts this ledger.
    Ahead(Box<Contradiction>),
}

impl Witnesses {
    /// The witnesses that `policy` names, for the ledger behind `reader`. Asks nobody yet.
    ///
    /// # Errors
    /// [`WitnessesError`].
    pub fn new(policy: Policy, reader: Arc<Reader>, settings: Settings) -> Result<Arc<Self>, WitnessesError> {
        let own = reader.vkey();
        if !policy.logs().is_empty() && !policy.logs().iter().any(|log| log.key == *own) {
            return Err(WitnessesError::OtherLog(own.clone()));
        }
        let mut asked = Vec::new();
        for (place, witness) in policy.witnesses().iter().enumerate() {
            let Some(url) = &witness.url else { continue };
            let (name, key) = (witness.name.clone(), witness.key.clone());
            let client = client_of(&name, url)?;
            let shows = client_of(&name, settings.monitoring_urls.get(&name).unwrap_or(url))?;
            asked.push(Asked { place, name, key, client, shows });
        }
        if !policy.is_met(|place| asked.iter().any(|asked| asked.place == place)) {
            return Err(WitnessesError::Unreachable);
        }
        let kept = kept(&policy, &reader, &settings)?;
        Ok(Arc::new(Self {
            policy,
            reader,
            settings,
            asked,
            round: Mutex::new(None),
            target: watch::Sender::new(None),
            newest: watch::Sender::new(kept.map(Arc::new)),
            demand: Notify::new(),
            proof: tokio::sync::Mutex::new(None),
            keeping: Mutex::new(()),
        }))
    }

    /// True if readers are given witnessed checkpoints only.
    pub fn needed(&self) -> bool {
        self.policy.needs_witnesses()
    }

    /// The newest checkpoint that meets the quorum.
    pub fn newest(&self) -> Option<Arc<Witnessed>> {
        self.newest.borrow().clone()
    }

    /// Waits until entry `index` stands under a witnessed checkpoint; `None` when that takes too long.
    pub async fn wait_for(&self, index: u64) -> Option<Arc<Witnessed>> {
        let mut newest = self.newest.subscribe();
        self.demand.notify_one();
        let covers = |witnessed: &Option<Arc<Witnessed>>| witnessed.as_ref().is_some_and(|it| it.head.size > index);
        let wait = async {
            loop {
                if let Some(witnessed) = newest.borrow_and_update().clone().filter(|it| it.head.size > index) {
                    return Some(witnessed);
                }
                // The round that is under way may be for an older checkpoint: the next one begins at once.
                self.demand.notify_one();
                newest.wait_for(covers).await.ok()?;
            }
        };
        tokio::time::timeout(self.settings.wait_max, wait).await.ok().flatten()
    }

    /// Asks the witnesses for as long as it is polled; ends when the service is gone. `halted` is called once, when a
    /// witness has shown that this ledger must not go on.
    pub async fn run(self: Arc<Self>, service: Weak<Service>) {
        tokio::spawn(self.clone().keep_newest());
        for at in 0..self.asked.len() {
            tokio::spawn(self.clone().keep_asking(at, service.clone()));
        }
        let mut shown = tokio::time::Instant::now();
        let demands_max = self.settings.demands_max;
        let (mut demands, mut tick) = (demands_max, tokio::time::interval(self.settings.interval));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = self.demand.notified(), if demands > 0 => demands -= 1,
                _ = tick.tick() => demands = demands.saturating_add(1).min(demands_max),
            }
            if service.strong_count() == 0 {
                return;
            }
            let Some(head) = self.reader.newest().head().cloned() else { continue };
            let last = self.target.borrow().as_ref().map(|head| head.size);
            if last == Some(head.size) && shown.elapsed() < self.settings.refresh && self.is_witnessed(head.size) {
                continue;
            }
            shown = tokio::time::Instant::now();
            let head = Arc::new(head);
            self.begin(&head);
            let mut newest = self.newest.subscribe();
            let met = newest.wait_for(|it| it.as_ref().is_some_and(|it| it.head.size >= head.size));
            // A quorum, or the end of the round: the next one may begin.
            let _ = tokio::time::timeout(ROUND, met).await;
        }
    }

    fn is_witnessed(&self, size: u64) -> bool {
        self.newest.borrow().as_ref().is_some_and(|it| it.head.size >= size)
    }

    fn begin(&self, head: &Arc<GroupHead>) {
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        *round = Some(Round { head: head.clone(), lines: vec![None; self.policy.witnesses().len()] });
        drop(round);
        self.target.send_replace(Some(head.clone()));
    }

    /// One witness, one request in flight, always the newest target.
    async fn keep_asking(self: Arc<Self>, at: usize, service: Weak<Service>) {
        let asked = &self.asked[at];
        if let Some(service) = service.upgrade() {
            service.metrics.witness(&asked.name);
        }
        let (mut targets, mut last, mut failures) = (self.target.subscribe(), 0, 0_u32);
        let mut last_why = String::new();
        while targets.changed().await.is_ok() {
            let Some(head) = targets.borrow_and_update().clone() else { continue };
            let Some(now) = service.upgrade().map(|service| service.time.now()) else { return };
            // Before its line is shown to anybody: whoever sees the receipt may look at the figures next.
            let forgot = || {
                if let Some(service) = service.upgrade() {
                    service.metrics.witness_told(&asked.name, "forgotten");
                }
            };
            let told = self.ask(asked, &head, &mut last, now, &forgot).await;
            let Some(service) = service.upgrade() else { return };
            let outcome = match &told {
                Told::Cosigned => "cosigned",
                Told::Later => "later",
                Told::Busy(_) => "busy",
                Told::Fault(_) => "fault",
                Told::Ahead(_) => "ahead",
            };
            service.metrics.witness_told(&asked.name, outcome);
            match told {
                Told::Cosigned | Told::Later => {
                    if failures > 0 {
                        tracing::info!(witness = asked.name, failures, "the witness answers again");
                    }
                    failures = 0;
                }
                Told::Busy(secs) => {
                    tracing::debug!(witness = asked.name, secs, "the witness wants to be left alone");
                    drop(service);
                    tokio::time::sleep(Duration::from_secs(secs).min(BUSY_MOST)).await;
                }
                Told::Fault(why) => {
                    // The first of a row, and whatever is new in it: a claim to know more must not drown in timeouts.
                    if failures == 0 || why != last_why {
                        tracing::warn!(witness = asked.name, why, "the witness gave no cosignature");
                        last_why = why;
                    }
                    let pause = PAUSE_LEAST.saturating_mul(1 << failures.min(6)).min(PAUSE_MOST);
                    failures = failures.saturating_add(1);
                    drop(service);
                    tokio::time::sleep(pause).await;
                }
                Told::Ahead(found) => {
                    let file = tokio::task::block_in_place(|| keep_evidence(&self.settings.evidence, &found));
                    let what = &found.what;
                    tracing::error!(
                        witness = asked.name, what, evidence = %file.display(),
                        "A WITNESS KNOWS ANOTHER HISTORY OF THIS LEDGER: nothing is signed any more"
                    );
                    service.halt(&format!("witness {} {what}; see {}", asked.name, file.display()));
                    return;
                }
            }
        }
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, String> {
        let mut last = self.proof.lock().await;
        if let Some(proved) = last.as_ref().filter(|proved| (proved.from, proved.to) == (from, to)) {
            return Ok(proved.path.clone());
        }
        let reader = self.reader.clone();
        let path = match tokio::task::spawn_blocking(move || reader.consistency(from, to)).await {
            Ok(Ok(path)) => path.ok_or("the ledger is smaller than what the witness cosigned")?,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(panic) => return Err(panic.to_string()),
        };
        *last = Some(Proved { from, to, path: path.clone() });
        Ok(path)
    }

    /// Shows `head` to a witness; `last` is the size that it gave last.
    async fn ask(
        &self,
        asked: &Asked,
        head: &GroupHead,
        last: &mut u64,
        now: Timestamp,
        forgot: &(impl Fn() + Sync),
    ) -> Told {
        let fault = |why: &dyn std::fmt::Display| Told::Fault(why.to_string());
        let note = head.note(self.reader.identity());
        for _ in 0..2 {
            if *last > head.size {
                return self.adopt(asked, last, now, "has been shown a later checkpoint").await;
            }
            let proof = match self.consistency(*last, head.size).await {
                Ok(proof) => proof,
                Err(why) => return fault(&why),
            };
            let old = *last;
            let request = AddCheckpoint { old, proof, note: note.to_string() };
            match asked.client.add_checkpoint(&request).await {
                Ok(Cosigned::Lines(lines)) => {
                    return match verified(&note, &lines, &asked.key, now) {
                        Ok(line) => {
                            *last = head.size;
                            self.merge(asked.place, head, line);
                            Told::Cosigned
                        }
                        Err(why) => fault(&why),
                    };
                }
                // What it says may be a lie: only a checkpoint that we signed counts.
                Ok(Cosigned::Conflict { size }) if size > self.reader.size() || size == *last => {
                    let claim = format!("claims to have cosigned size {size}");
                    *last = 0;
                    return self.adopt(asked, last, now, &claim).await;
                }
                Ok(Cosigned::Conflict { size }) => {
                    if size < *last {
                        forgot();
                        tracing::error!(
                            witness = asked.name,
                            cosigned = *last,
                            remembers = size,
                            "THE WITNESS HAS FORGOTTEN what it cosigned: it may cosign a second history of any log, and its operator \
                             must give up its key"
                        );
                    }
                    *last = size;
                }
                Err(ClientError::Status { status: 422, text }) => {
                    *last = 0;
                    return self.adopt(asked, last, now, &format!("refuses the proof from size {old}: {text}")).await;
                }
                Err(ClientError::Busy { retry_after_secs }) => return Told::Busy(retry_after_secs.unwrap_or(1)),
                Err(error) => return fault(&error),
            }
        }
        self.adopt(asked, last, now, "named one size after another").await
    }

    /// Reads the newest checkpoint that a witness cosigned. Somebody else may have shown it one: our checkpoints are public. Then
    /// its line is as good as if we had asked, and the others are asked for the same one. Or it contradicts this ledger.
    async fn adopt(&self, asked: &Asked, last: &mut u64, now: Timestamp, claim: &str) -> Told {
        let note = match asked.shows.get(&monitoring_path(self.reader.vkey().name())).await {
            Ok(note) => note,
            Err(error) => return Told::Fault(format!("it {claim}, and shows nothing: {error}")),
        };
        let (reader, shown) = (self.reader.clone(), note.clone());
        let judged = tokio::task::spawn_blocking(move || -> Result<_, String> {
            let contradiction = compare(&reader, &shown)?;
            let note = str::from_utf8(&shown).map_err(|_| "no note")?;
            let note = Note::parse(note).map_err(|fault| fault.to_string())?;
            let size = Checkpoint::parse(&note.text).map_err(|fault| fault.to_string())?.size;
            let head = if contradiction.is_some() { None } else { reader.head_of(size).map_err(|e| e.to_string())? };
            Ok((contradiction, note, head))
        });
        let (contradiction, shown, head) = match judged.await {
            Ok(Ok(judged)) => judged,
            Ok(Err(why)) => return Told::Fault(format!("it {claim}, and shows {why}")),
            Err(panic) => return Told::Fault(panic.to_string()),
        };
        if let Some(found) = contradiction {
            return Told::Ahead(Box::new(found));
        }
        let Some(head) = head else {
            return Told::Fault(format!("it {claim}, and shows a checkpoint of a size that was never signed"));
        };
        let lines: String = shown.signatures.iter().map(ToString::to_string).collect();
        match verified(&head.note(self.reader.identity()), &lines, &asked.key, now) {
            Ok(line) => {
                *last = head.size;
                let target = self.round.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|it| it.head.size);
                if target.is_none_or(|target| target < head.size) {
                    self.begin(&Arc::new(head.clone()));
                }
                self.merge(asked.place, &head, line);
                Told::Later
            }
            Err(why) => Told::Fault(format!("it {claim}; of the checkpoint that it shows, {why}")),
        }
    }

    /// Adds a line that was verified to what has come for its target, or to the newest that was published.
    fn merge(&self, place: usize, head: &GroupHead, line: SignatureLine) {
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(round) = round.as_mut().filter(|round| round.head.size == head.size) else { return };
        round.lines[place] = Some(line);
        if !self.policy.is_met(|place| round.lines[place].is_some()) {
            return;
        }
        let mut note = head.note(self.reader.identity());
        note.signatures.extend(round.lines.iter().flatten().cloned());
        // Every line was verified over this very text when it came: once more would cost whoever waits as much as a witness does.
        self.newest.send_replace(Some(Arc::new(Witnessed { head: head.clone(), note: note.to_string() })));
    }

    /// Shows the newest checkpoint of a ledger that ends, and keeps what comes of it: whoever restores it without its anchor asks the
    /// witnesses what was newest, and its export bears their cosignatures. `false` if a quorum is wanted and none came in time.
    pub async fn show_last(&self) -> bool {
        let Some(last) = self.reader.size().checked_sub(1).filter(|_| !self.asked.is_empty()) else { return true };
        // Where no quorum is wanted, as long as one request may take: nobody misses a witness that does not answer.
        let within = if self.needed() { LAST_SHOWN_WITHIN } else { ROUND };
        let shown = tokio::time::timeout(within, self.wait_for(last)).await.ok().flatten();
        if shown.is_some() {
            // On a thread that has nothing else to do any more.
            tokio::task::block_in_place(|| self.keep());
        }
        shown.is_some() || !self.needed()
    }

    /// Writes the newest witnessed checkpoint.
    fn keep(&self) {
        let _one_at_a_time = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(witnessed) = self.newest() else { return };
        if let Err(fault) = disk::replace(&self.settings.kept, witnessed.note.as_bytes()) {
            tracing::warn!(%fault, "the witnessed checkpoint was not kept");
        }
    }

    /// Keeps the newest witnessed checkpoint over a restart: one write at a time, always the newest, and no more often than
    /// witnesses are asked without need. Whoever waits for a witnessed proof has the disk for itself.
    async fn keep_newest(self: Arc<Self>) {
        let mut newest = self.newest.subscribe();
        while newest.changed().await.is_ok() {
            let witnesses = self.clone();
            let _ = tokio::task::spawn_blocking(move || witnesses.keep()).await; // a panic was printed
            tokio::time::sleep(self.settings.interval).await;
        }
    }
}

fn client_of(name: &str, url: &str) -> Result<Client, WitnessesError> {
    let client = Client::new(url).map_err(|fault| WitnessesError::Url { name: name.to_owned(), fault })?;
    Ok(client.with_answer_limit(ROUND))
}

/// Where a witness shows what it cosigned for an origin.
fn monitoring_path(origin: &str) -> String {
    format!("/{}/checkpoint", hex::encode(sha256(origin.as_bytes())))
}

/// The newest line of an answer that `key` made for this note. Lines of others are passed over.
fn verified(note: &Note, lines: &str, key: &VerifierKey, now: Timestamp) -> Result<SignatureLine, String> {
    let signed = Note::parse(&format!("{}\n{lines}", note.text)).map_err(|fault| fault.to_string())?;
    // An empty line among its lines would make another text of ours, over which the signature may be good.
    if signed.text != note.text {
        return Err("its answer is more than signature lines".to_owned());
    }
    signed.verify(std::slice::from_ref(key), &LogVerifier).map_err(|fault| fault.to_string())?;
    let own = signed.signatures.into_iter().filter(|line| key.made(line));
    let line = own.max_by_key(cosignature::seconds).ok_or("it signed nothing")?;
    let seconds = cosignature::seconds(&line).unwrap_or_default();
    match seconds.abs_diff(now.secs()) {
        0..=SECONDS_OFF_MAX => Ok(line),
        off => Err(format!("its cosignature states a time {off} s from ours")),
    }
}

/// The witnessed checkpoint that was kept, if it is still one by this policy and of this ledger.
fn kept(policy: &Policy, reader: &Reader, settings: &Settings) -> Result<Option<Witnessed>, WitnessesError> {
    let Some(bytes) = disk::read_at_most(&settings.kept, NOTE_BYTES_MAX)? else { return Ok(None) };
    let Ok(note) = String::from_utf8(bytes) else { return Ok(None) };
    let Ok(checkpoint) = Checkpoint::verify(&note, std::slice::from_ref(reader.vkey()), &LogVerifier) else {
        return Ok(None);
    };
    let keys: Vec<_> = policy.witnesses().iter().map(|witness| witness.key.clone()).collect();
    let signed = Note::parse(&note).ok().and_then(|note| {
        let signed = note.verify(&keys, &LogVerifier).ok()?;
        Some(policy.is_met(|place| signed.contains(&&keys[place])))
    });
    let head = reader.head_of(checkpoint.size)?.filter(|head| head.root == checkpoint.root);
    Ok(head.filter(|_| signed == Some(true)).map(|head| Witnessed { head, note }))
}
