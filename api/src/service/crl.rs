//! Lists of revoked certificates: issued when half their life is over, or when something was revoked that they do not name.
//!
//! What a list names is read from the names that revocations leave in the ledger ([`names`]), shard by shard: no list is rebuilt for
//! another's sake.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use semper_ledger::{
    sequencer::{Commit, RoleRow},
    store::Fault,
};
use semper_ttp::{
    ca::{
        CaFact, Crl, CrlEffect, CrlEvent, CrlRefusal, ListId,
        crl::{self, Revoked},
    },
    evidence::{Recorded, names},
    role::{Role, encode_snapshot},
    time::Timestamp,
};

use super::{Service, ServiceFault, act::read_fact, draft, load};
use crate::authorities::{Held, HeldList, NewestCrl};

/// How long after a failure lists are tried again.
const CRL_RETRY: Duration = Duration::from_secs(60);

/// Entries of the longest list: 10 MB at 49 octets each, the most that clients are known to take (spec §11). A CA with shards and
/// more revocations than this limits the list of all to certificates that name no shard.
const ENTRIES_MAX: usize = 200_000;

impl Service {
    /// Finds the newest of every list, and which of them lack something.
    pub(super) fn load_lists(&self) -> Result<(), ServiceFault> {
        self.authorities.all().iter().try_for_each(|held| self.load_lists_of(held))
    }

    fn load_lists_of(&self, held: &Held) -> Result<(), ServiceFault> {
        // Shards of a time when there were more of them.
        let mut partition = held.key.shards + 1;
        while self.reader().last_step(&ListId { ca: held.key.ca, partition }.aggregate().0)?.is_some() {
            held.add_list(partition);
            partition += 1;
        }
        for list in held.lists() {
            let aggregate = list.id.aggregate();
            let newest = self.reader().last_step(&aggregate.0)?;
            let crl = newest.map(|(_, index)| self.reader().artefact(index)).transpose()?.flatten();
            let last = load::<Crl>(self.reader(), &aggregate)?.state.last;
            let newest_revocation = self.newest_revocation(list.id)?;
            // Within one second nobody can tell which came first: one list too many does no harm. One of an offline root costs people
            // a day, so there it is counted what it names.
            let is_behind = match (last, newest_revocation) {
                (Some(last), Some(at)) if at == last.this_update && held.key.signer.is_none() => {
                    self.entries_in(newest)? < self.revoked(&names::revoked(list.id), usize::MAX)?.len() as u64
                }
                (Some(last), Some(at)) => at >= last.this_update,
                (None, _) | (_, None) => false,
            };
            if is_behind {
                list.mark_stale();
            }
            list.newest.store(crl.zip(last).map(|(der, last)| Arc::new(NewestCrl::new(der, last))));
        }
        Ok(())
    }

    /// How many certificates the list at this step names.
    fn entries_in(&self, newest: Option<(u64, u64)>) -> Result<u64, ServiceFault> {
        let Some((_, index)) = newest else { return Ok(0) };
        match read_fact::<CaFact>(&self.reader().fact(index)?.unwrap_or_default())? {
            CaFact::CrlIssued { entries, .. } => Ok(entries),
            _ => Err(ServiceFault::Facts("a fact in the history of a list is of something else".to_owned())),
        }
    }

    /// The lists of a CA that was just made: there is one of each before it issues anything.
    pub(super) fn first_lists_of(&self, held: &Held) -> Result<(), ServiceFault> {
        self.load_lists_of(held)?;
        held.lists().iter().try_for_each(|list| self.renew_crl(held, list, false).map(drop))
    }

    /// When the newest certificate of a partition was revoked.
    fn newest_revocation(&self, list: ListId) -> Result<Option<Timestamp>, Fault> {
        let last = self.reader().last_name(&names::revoked(list))?;
        Ok(last.and_then(|(name, _)| names::read_revoked(&name)).map(|revoked| revoked.at))
    }

    /// What a list names, at most `max` entries and one: those of its partition, or of all of its CA.
    fn revoked(&self, prefix: &[u8], max: usize) -> Result<Vec<Revoked>, Fault> {
        let mut found = Vec::new();
        self.reader().names::<Fault>(prefix, |name, _| {
            found.extend(names::read_revoked(name).map(Revoked::from));
            Ok(if found.len() > max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// Issues every list that is due; gives the moment at which the next one will be. Blocks on the disk.
    ///
    /// # Errors
    /// What failed, once every other list had its turn; of several faults one that time alone does not mend. Each that time
    /// does not mend is logged.
    pub fn renew_crls(&self) -> Result<Timestamp, ServiceFault> {
        let (mut next, mut failed) = (None::<Timestamp>, None::<ServiceFault>);
        let now = self.time.now();
        let all = self.authorities.all();
        // The list of a root whose key is offline is signed there (`offline.rs`).
        for held in all.iter().filter(|held| held.key.signer.is_some() && !held.has_ended(now)) {
            for list in held.lists() {
                let stale = list.take_stale();
                match self.renew_crl(held, &list, stale) {
                    Ok(wake_at) => next = Some(next.map_or(wake_at, |next| next.min(wake_at))),
                    Err(fault) => {
                        if stale {
                            list.mark_stale();
                        }
                        if !fault.is_of_time() {
                            tracing::error!(list = list.id.place(), %fault, "a CRL was not renewed");
                        }
                        if failed.as_ref().is_none_or(ServiceFault::is_of_time) {
                            failed = Some(fault);
                        }
                    }
                }
            }
        }
        match failed {
            Some(fault) => Err(fault),
            None => Ok(next.unwrap_or_else(|| self.time.now().plus_secs(3600))),
        }
    }

    fn renew_crl(&self, held: &Held, list: &HeldList, stale: bool) -> Result<Timestamp, ServiceFault> {
        let (id, life_secs) = (list.id, held.key.crl_life_secs);
        let aggregate = id.aggregate();
        let mut snapshot = load::<Crl>(self.reader(), &aggregate)?;
        let now = self.ledger_now()?;
        // Before what is revoked is read, which may be much.
        if !stale && now < snapshot.state.due_at() {
            return Ok(snapshot.state.due_at());
        }
        let (revoked, is_scoped) = self.entries_of(held, id)?;
        let distribution_point = is_scoped.then(|| format!("{}/crl/{}.crl", self.base_url, id.place()));
        let event = CrlEvent::Issue { list: id, life_secs, force: stale, revoked, distribution_point };
        let (facts, effects) = match Crl::decide(&snapshot.state, &event, now) {
            Ok(decided) => decided,
            Err(CrlRefusal::NotDue { due_at }) => return Ok(due_at),
            Err(refusal) => return Err(ServiceFault::Crl(refusal.to_string())),
        };
        let fault = |error: &dyn std::fmt::Display| ServiceFault::Crl(error.to_string());
        let (mut der, mut wake_at) = (None, now);
        for effect in effects {
            match effect {
                CrlEffect::Sign(content) => {
                    let unsigned = crl::prepare(&content, &held.key.issuer).map_err(|e| fault(&e))?;
                    let signer = held.key.signer.as_ref().ok_or_else(|| fault(&"its key is offline"))?;
                    let signature = signer.sign(unsigned.message()).map_err(|e| fault(&e))?;
                    der = Some(unsigned.finish(&signature).map_err(|e| fault(&e))?);
                }
                CrlEffect::WakeAt(at) => wake_at = at,
            }
        }
        let (Some(der), [fact]) = (der, facts.as_slice()) else {
            unreachable!("an issued CRL is one fact and one signature");
        };
        let envelope = self.envelope(aggregate, snapshot.next_seq, now, &event.encode())?;
        Crl::apply(&mut snapshot.state, fact);
        snapshot.next_seq += 1;
        let last = snapshot.state.last;
        let draft = draft(&fact.clone().into_fact(&envelope), Some(der.clone()));
        let mut commit = Commit::one(now.millis(), draft);
        commit.rows.push(RoleRow::Snapshot { aggregate: aggregate.0, bytes: encode_snapshot::<Crl>(&snapshot) });
        self.ledger.append(commit)?;
        list.newest.store(last.map(|last| Arc::new(NewestCrl::new(der, last))));
        tracing::info!(list = id.place(), "issued a CRL");
        Ok(wake_at)
    }

    /// The entries of a list, and whether it is limited to the certificates that name it.
    pub(super) fn entries_of(&self, held: &Held, id: ListId) -> Result<(Vec<Revoked>, bool), Fault> {
        let of_partition = |max| self.revoked(&names::revoked(id), max);
        if id.partition > 0 {
            return Ok((of_partition(usize::MAX)?, true));
        }
        if held.lists().len() == 1 {
            return Ok((of_partition(usize::MAX)?, false));
        }
        let all = self.revoked(&names::revoked_by(id.ca), ENTRIES_MAX)?;
        if all.len() > ENTRIES_MAX { Ok((of_partition(usize::MAX)?, true)) } else { Ok((all, false)) }
    }

    /// Renews CRLs for as long as it is polled: first at `next`, [`CRL_RETRY`] after a failure (`None`), and `delay` after a
    /// revocation.
    pub async fn keep_crls_fresh(self: Arc<Self>, mut next: Option<Timestamp>, delay: Duration) {
        loop {
            let due = async {
                match next {
                    Some(at) => self.sleep_until(at).await,
                    // Not until some time of day: what failed may be the clock.
                    None => tokio::time::sleep(CRL_RETRY).await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.revoked.notified() => tokio::time::sleep(delay).await,
            }
            let service = self.clone();
            next = match tokio::task::spawn_blocking(move || service.renew_crls()).await {
                Ok(Ok(at)) => Some(at),
                Ok(Err(fault)) => {
                    if fault.is_of_time() {
                        tracing::warn!(%fault, "CRLs that are due wait for the clock");
                    }
                    None
                }
                Err(_) => None, // it panicked, which was printed
            };
        }
    }
}
