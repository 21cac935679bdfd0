//! Notices to holders: whoever named a webhook in its application is told before its certificate ends (Standard Webhooks).
//!
//! ```text
//! every hour: the ledger, the clock, what was told ──▶ what is due ──▶ queue ──▶ a task for each try: sign, connect, POST
//!                                                                       ▲                              │
//!                                  a longer pause after each failure ◀──┴──── 2xx: told, on the disk ◀─┘
//! ```
//!
//! At least once: a crash between a receiver's answer and the line in the file brings the notice again, under the same id. What is due
//! is found anew at every look, so a certificate that is revoked or renewed meanwhile, and one that has ended, is tried no more; so is
//! a notice that the next one overtakes.
//!
//! What is due and how a notice is signed is decided in `semper_ttp::notice`; which certificates there are, in
//! `service/notices.rs`.

mod address;
mod delivery;
mod queue;
mod told;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

pub use address::{Network, Networks, NotANetwork, NotPublic};
pub(crate) use delivery::Resolver;
pub use delivery::{DeliveryFault, Webhook, WebhookFault};
use semper_ledger::disk::DiskFault;
use semper_ttp::{
    crypto::Entropy,
    notice::{self, Expiring},
};
use tokio::{task::JoinSet, time::Instant};
pub use told::{ToldFault, check_told};

use self::{
    delivery::{Caller, Signed},
    queue::{Queue, Queued, WAITING_MAX},
    told::Told,
};
use crate::service::{Service, ServiceFault};

/// How often the ledger is looked at: notices are a matter of days.
const LOOK: Duration = Duration::from_secs(3600);

/// How soon again while the clock is in doubt: a few good samples take half a minute.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many days before the end of a certificate its holder is told.
    pub days_before: Vec<u16>,
    /// How many tries may be under way.
    pub at_once_max: usize,
    /// Which addresses may be called although they are not public.
    pub networks: Networks,
    /// Where it is kept what was told.
    pub told: PathBuf,
}

/// Why nobody is told anything.
#[derive(Debug, thiserror::Error)]
pub enum NoticesError {
    /// What was told does not read.
    #[error(transparent)]
    Disk(#[from] DiskFault),
    /// No HTTP client.
    #[error("notices: {0}")]
    Client(#[from] DeliveryFault),
}

/// A notice that is due, and where it goes.
#[derive(Debug)]
pub struct Notice {
    /// By what a receiver tells a repetition.
    pub id: String,
    /// What is posted.
    pub body: Vec<u8>,
    /// What it is about.
    pub of: Expiring,
    /// Where it goes.
    pub webhook: Webhook,
}

impl Queued for Notice {
    fn id(&self) -> &str {
        &self.id
    }

    fn host(&self) -> &str {
        self.webhook.host()
    }
}

/// How a try ended.
enum Tried {
    Told,
    /// The certificate was revoked since the look, or the service is ending.
    Dropped,
    Failed(DeliveryFault),
    /// A fault of ours: key or ledger.
    Fault(ServiceFault),
}

/// Tells holders for as long as it runs.
pub struct Notices {
    settings: Settings,
    caller: Caller,
    entropy: Arc<dyn Entropy>,
    told: Arc<Mutex<Told>>,
}

impl Notices {
    /// # Errors
    /// [`NoticesError`].
    pub fn new(settings: Settings, entropy: Arc<dyn Entropy>) -> Result<Self, NoticesError> {
        let told = Arc::new(Mutex::new(Told::open(&settings.told)?));
        Ok(Self { caller: Caller::new(settings.networks.clone())?, settings, entropy, told })
    }

    /// Runs for as long as it is polled; ends when the service is gone.
    pub async fn run(self, service: Weak<Service>) {
        let began = Instant::now();
        let now_ms = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut queue: Queue<Notice> = Queue::new(self.settings.at_once_max);
        let (mut tries, mut under_way) = (JoinSet::new(), BTreeMap::new());
        let mut next_look = began;
        loop {
            while let Some(notice) = queue.take(now_ms()) {
                let task = tries.spawn(try_once(self.caller.clone(), service.clone(), notice.clone()));
                under_way.insert(task.id(), notice);
            }
            match service.upgrade() {
                Some(service) => service.metrics.notices_pending(queue.len()),
                None => return,
            }
            let next_try = queue.next_ms().map(|ms| began + Duration::from_millis(ms));
            tokio::select! {
                Some(ended) = tries.join_next_with_id() => {
                    let (task, tried) = match ended {
                        Ok((task, tried)) => (task, tried),
                        // A panic, which was printed.
                        Err(error) => (error.id(), Tried::Fault(ServiceFault::Signing(error.to_string()))),
                    };
                    if let Some(notice) = under_way.remove(&task) {
                        self.settle(&mut queue, &notice, tried, now_ms(), &service).await;
                    }
                }
                () = sleep_until(next_try) => {}
                () = tokio::time::sleep_until(next_look) => {
                    let looked = self.look(service.clone()).await;
                    next_look = Instant::now() + if looked.is_some() { LOOK } else { LOOK_AGAIN };
                    if let Some(due) = looked {
                        queue.set(due, now_ms());
                    }
                }
            }
        }
    }

    /// What is due; `None` where that cannot be told now.
    async fn look(&self, service: Weak<Service>) -> Option<Vec<Notice>> {
        let (told, days, networks) =
            (self.told.clone(), self.settings.days_before.clone(), self.settings.networks.clone());
        let look = move || {
            let service = service.upgrade()?;
            // Whoever verifies a notice can know of its key from the ledger.
            if let Err(fault) = service.record_notice_key() {
                // With the clock in doubt, at the next look.
                if !fault.is_of_time() {
                    tracing::error!(%fault, "the key of notices got no ledger entry");
                }
                return None;
            }
            if !service.has_time() {
                return None;
            }
            lock(&told).forget_ended(service.now());
            let is_told = |history: &_, days_before| lock(&told).is_told(history, days_before);
            let due = service.due_notices(&days, &networks, is_told, WAITING_MAX);
            due.inspect_err(|fault| tracing::error!(%fault, "whom to tell of the end of certificates is not known"))
                .ok()
        };
        tokio::task::spawn_blocking(look).await.ok().flatten() // its panic was printed
    }

    /// Takes note of how a try ended.
    async fn settle(&self, queue: &mut Queue<Notice>, notice: &Notice, tried: Tried, now_ms: u64, to: &Weak<Service>) {
        let Some(service) = to.upgrade() else { return };
        let (host, serial) = (notice.webhook.host(), hex::encode(&notice.of.serial));
        match tried {
            Tried::Dropped => queue.done(notice),
            Tried::Told => {
                // Counted when it is kept: whoever sees the count finds it so after a crash.
                self.tell(notice).await;
                service.metrics.notice_tried("told");
                tracing::info!(id = notice.id, host, serial, days = notice.of.due.days_before, "a holder was told");
                queue.done(notice);
            }
            Tried::Failed(fault) if fault.is_final() => {
                service.metrics.notice_tried("gone");
                tracing::warn!(id = notice.id, host, serial, "a holder wants no more notices");
                self.tell(notice).await;
                queue.done(notice);
            }
            Tried::Failed(fault) => {
                service.metrics.notice_tried("failed");
                self.fail(queue, notice, now_ms, &fault);
            }
            Tried::Fault(fault) => {
                service.metrics.notice_tried("fault");
                self.fail(queue, notice, now_ms, &fault);
            }
        }
    }

    fn fail(&self, queue: &mut Queue<Notice>, notice: &Notice, now_ms: u64, why: &dyn std::fmt::Display) {
        let mut random = [0; 8];
        // Without randomness everybody waits for half of the pause: no reason to tell nobody.
        let _ = self.entropy.fill(&mut random);
        let again_ms = queue.failed(notice, now_ms, u64::from_le_bytes(random));
        let again_secs = again_ms.map(|at| at.saturating_sub(now_ms) / 1_000);
        let (host, serial) = (notice.webhook.host(), hex::encode(&notice.of.serial));
        tracing::warn!(id = notice.id, host, serial, %why, again_secs, "a holder was not told");
    }

    /// Keeps it that a holder was told.
    async fn tell(&self, notice: &Notice) {
        let (told, of) = (self.told.clone(), notice.of.clone());
        let tell = move || lock(&told).tell(&of.ca.certificate(&of.serial), of.not_after, of.due.days_before);
        if let Ok(Err(fault)) = tokio::task::spawn_blocking(tell).await {
            tracing::error!(%fault, "that a holder was told is not kept; after a restart the notice comes again");
        }
    }
}

fn lock(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    // Every change is whole in memory, and a file in doubt is written anew.
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Signs and posts once.
async fn try_once(caller: Caller, service: Weak<Service>, notice: Arc<Notice>) -> Tried {
    let of = notice.clone();
    let sign = move || {
        let service = service.upgrade()?;
        match service.sign_notice(&of) {
            Ok(signed) => signed.map(Ok),
            Err(fault) => Some(Err(fault)),
        }
    };
    match tokio::task::spawn_blocking(sign).await {
        Err(_) | Ok(None) => Tried::Dropped,
        Ok(Some(Err(fault))) => Tried::Fault(fault),
        Ok(Some(Ok((at, signature)))) => {
            let (secs, body) = (at.secs(), bytes::Bytes::copy_from_slice(&notice.body));
            let signature = notice::signature_text(&signature);
            let signed = Signed { id: &notice.id, secs, signature: &signature, body };
            match caller.post(&notice.webhook, signed).await {
                Ok(()) => Tried::Told,
                Err(fault) => Tried::Failed(fault),
            }
        }
    }
}
