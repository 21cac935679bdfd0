//! Our own CAs as the shell sees them: certificates and newest lists to serve, keys to issue and to renew the lists with.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use semper_ttp::{
    ca::{Authority, CaId, LastCrl, ListId, certificate::Issuer},
    crypto::Signer,
    time::Timestamp,
    x509::Certificate,
};

/// Where a CA has shards, its list of all follows a revocation in one of them at the latest so long after the list of all before it:
/// it may have 200,000 entries, and each issue of it is kept.
pub const LIST_OF_ALL_SECS: u64 = 3600;

/// One CA whose key this process holds.
pub struct AuthorityKey {
    /// Which.
    pub ca: CaId,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// Name, key identifier and algorithm, for what it signs.
    pub issuer: Issuer,
    /// Its key; `None` for a root whose key is kept offline.
    pub signer: Option<Arc<dyn Signer>>,
    /// From thisUpdate to nextUpdate of its lists, seconds.
    pub crl_life_secs: u32,
    /// Into how many shards what it issues from now on is divided; 0 for the one list of all.
    pub shards: u32,
}

/// All CAs. A rollover adds one; none ever goes.
pub struct Authorities(ArcSwap<Vec<Arc<Held>>>);

/// One of them.
pub(crate) struct Held {
    pub(crate) key: AuthorityKey,
    /// Its certificate as read; `None` only for what is no certificate.
    pub(crate) certificate: Option<Certificate>,
    /// It was revoked: it signs no certificate more.
    revoked: AtomicBool,
    /// By partition: the list of all, and every shard that there is or was.
    lists: RwLock<BTreeMap<u32, Arc<HeldList>>>,
}

/// One of a CA's lists.
pub(crate) struct HeldList {
    pub(crate) id: ListId,
    pub(crate) newest: ArcSwapOption<NewestCrl>,
    /// Something was revoked that the newest does not name.
    stale: AtomicBool,
    /// A shard names something that this list of all does not.
    behind: AtomicBool,
}

/// The list that is served.
pub(crate) struct NewestCrl {
    pub(crate) der: Bytes,
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Timestamp,
}

impl NewestCrl {
    pub(crate) fn new(der: Vec<u8>, LastCrl { this_update, next_update, .. }: LastCrl) -> Self {
        Self { der: der.into(), this_update, next_update }
    }
}

impl HeldList {
    fn new(id: ListId) -> Arc<Self> {
        Arc::new(Self {
            id,
            newest: ArcSwapOption::empty(),
            stale: AtomicBool::new(false),
            behind: AtomicBool::new(false),
        })
    }

    /// Until when the newest is good.
    pub(crate) fn next_update(&self) -> Option<Timestamp> {
        self.newest.load().as_ref().map(|crl| crl.next_update)
    }

    /// From now on the newest is not enough.
    pub(crate) fn mark_stale(&self) {
        self.stale.store(true, Ordering::Release);
    }

    /// Whether it is to be issued before its time. Asked before what is revoked is read, so that a revocation between the two is
    /// never forgotten.
    pub(crate) fn take_stale(&self) -> bool {
        self.stale.swap(false, Ordering::AcqRel)
    }

    /// From now on the list of all is to follow its shards.
    pub(crate) fn mark_behind(&self) {
        self.behind.store(true, Ordering::Release);
    }

    /// When a list of all that is behind its shards is to follow them. To be asked as [`Self::take_stale`] is.
    pub(crate) fn take_behind(&self) -> Option<Timestamp> {
        let follows_at = |crl: &Arc<NewestCrl>| crl.this_update.plus_secs(LIST_OF_ALL_SECS);
        let behind = self.behind.swap(false, Ordering::AcqRel);
        behind.then(|| self.newest.load().as_ref().map_or(Timestamp::default(), follows_at))
    }

    /// Whether the newest is not enough.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire)
    }
}

impl Held {
    pub(crate) fn new(key: AuthorityKey) -> Self {
        let lists = (0..=key.shards).map(|partition| (partition, HeldList::new(ListId { ca: key.ca, partition })));
        let certificate = Certificate::from_der(&key.certificate).ok();
        Self { lists: RwLock::new(lists.collect()), certificate, revoked: AtomicBool::new(false), key }
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    pub(crate) fn mark_revoked(&self) {
        self.revoked.store(true, Ordering::Release);
    }

    /// Whether its own certificate has ended, and with it every one that it issued: nothing is asked of it any more.
    pub(crate) fn has_ended(&self, now: Timestamp) -> bool {
        self.certificate.as_ref().is_some_and(|own| own.validity().not_after < now)
    }

    /// Whether its own certificate is this one of this CA.
    pub(crate) fn is_certified_by(&self, ca: CaId, serial: &[u8]) -> bool {
        let is_below = !matches!(self.key.ca.authority, Authority::Root | Authority::Imported);
        let by_root = ca.authority == Authority::Root && is_below;
        by_root && self.certificate.as_ref().is_some_and(|own| own.serial() == serial)
    }

    /// Its lists, that of all first.
    pub(crate) fn lists(&self) -> Vec<Arc<HeldList>> {
        self.lists.read().expect("no panic holds this lock").values().cloned().collect()
    }

    /// One of them.
    pub(crate) fn list(&self, partition: u32) -> Option<Arc<HeldList>> {
        self.lists.read().expect("no panic holds this lock").get(&partition).cloned()
    }

    /// A shard of a time when there were more of them: it is renewed for as long as anybody may ask.
    pub(crate) fn add_list(&self, partition: u32) -> Arc<HeldList> {
        let id = ListId { ca: self.key.ca, partition };
        let mut lists = self.lists.write().expect("no panic holds this lock");
        lists.entry(partition).or_insert_with(|| HeldList::new(id)).clone()
    }
}

impl Authorities {
    /// The CAs of this service.
    pub fn new(keys: Vec<AuthorityKey>) -> Self {
        Self(ArcSwap::from_pointee(keys.into_iter().map(|key| Arc::new(Held::new(key))).collect()))
    }

    pub(crate) fn all(&self) -> Arc<Vec<Arc<Held>>> {
        self.0.load_full()
    }

    pub(crate) fn get(&self, ca: CaId) -> Option<Arc<Held>> {
        self.0.load().iter().find(|held| held.key.ca == ca).cloned()
    }

    /// The newest of a line: what is issued from now on is by this one.
    pub(crate) fn newest(&self, authority: Authority) -> Option<Arc<Held>> {
        let all = self.0.load();
        let line = all.iter().filter(|held| held.key.ca.authority == authority);
        line.max_by_key(|held| held.key.ca.generation).cloned()
    }

    /// Adds one that is not there yet.
    pub(crate) fn add(&self, held: &Arc<Held>) {
        self.0.rcu(|all| [&all[..], std::slice::from_ref(held)].concat());
    }

    /// The certificate at `/ca/<place>.cer`.
    pub(crate) fn certificate(&self, place: &str) -> Option<Bytes> {
        self.get(CaId::from_place(place)?).map(|held| Bytes::copy_from_slice(&held.key.certificate))
    }

    /// The newest list at `/crl/<place>.crl`, and when it was issued.
    pub(crate) fn crl(&self, place: &str) -> Option<(Bytes, Timestamp)> {
        let id = ListId::from_place(place)?;
        let list = self.get(id.ca)?.list(id.partition)?;
        list.newest.load_full().map(|crl| (crl.der.clone(), crl.this_update))
    }
}
