//! Lists of revoked certificates: issued when half their life is over, or when something was revoked that they do not name.
//!
//! What a list names is read from the names that revocations leave in the ledger ([`names`]), shard by shard: no list is rebuilt for
//! another's sake.

use std::{
    ops::ControlFlow,
    sync::{Arc, PoisonError},
    time::Duration,
};

use semper_ledger::{
    sequencer::{Commit, RoleRow},
    store::Fault,
};
use semper_ttp::{
    ca::{
        Authority, Crl, CrlEffect, CrlEvent, CrlRefusal, LastCrl, ListId,
        crl::{self, Revoked},
    },
    evidence::{Recorded, names},
    role::{Role, encode_snapshot},
    time::Timestamp,
};

use super::{Service, ServiceFault, draft, load};
use crate::authorities::{Held, HeldList, NewestCrl};

/// How long after a failure lists are tried again.
const CRL_RETRY: Duration = Duration::from_secs(60);

/// Entries of the longest list: 10 MB at 49 octets each, the most that clients are known to take (spec §11). A CA with shards and
/// more revocations than this limits the list of all to certificates that name no shard.
const ENTRIES_MAX: usize = 200_000;

/// What became of a list.
struct Renewed {
    issued: bool,
    /// When it is due next.
    wake_at: Timestamp,
}

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
            // The last list of others is followed by ours at once: it may be over, and from now on we are asked.
            if held.key.ca.authority == Authority::Imported && newest.is_some_and(|(step, _)| step == 0) {
                list.mark_stale();
            }
            if let Some(last) = last {
                self.mark_what_it_lacks(held, &list, last, crl.as_deref().unwrap_or_default())?;
            }
            list.newest.store(crl.zip(last).map(|(der, last)| Arc::new(NewestCrl::new(der, last))));
        }
        Ok(())
    }

    /// Finds whether the newest list lacks a revocation: one that was decided after it, or that became durable after it, which is at
    /// most the maximum merge delay later. Everything older stands in it (see [`Self::renew_crl`]).
    fn mark_what_it_lacks(&self, held: &Held, list: &HeldList, last: LastCrl, der: &[u8]) -> Result<(), ServiceFault> {
        let from = last.this_update.minus_millis(self.ledger.mmd_ms() + 1_000);
        let named = crl::named(der).unwrap_or_default();
        let lacks = |id: ListId| -> Result<bool, ServiceFault> {
            let recent = self.revoked_from(&names::revoked(id), &names::revoked_from(id, from), usize::MAX)?;
            Ok(recent.iter().any(|one| !named.serials.contains(&one.serial)))
        };
        if lacks(list.id)? {
            list.mark_stale();
        }
        let shards = held.lists().into_iter().filter(|_| list.id.partition == 0 && !named.is_scoped).skip(1);
        for shard in shards {
            if lacks(shard.id)? {
                list.mark_behind();
            }
        }
        Ok(())
    }

    /// The lists of a CA that was just made: there is one of each before it issues anything.
    pub(super) fn first_lists_of(&self, held: &Held) -> Result<(), ServiceFault> {
        self.load_lists_of(held)?;
        held.lists().iter().try_for_each(|list| self.renew_crl(held, list, false).map(drop))
    }

    /// What a list names, at most `max` entries and those whose facts are lost: those of its partition, or of all of its CA.
    fn revoked(&self, prefix: &[u8], max: usize) -> Result<Vec<Revoked>, Fault> {
        self.revoked_from(prefix, prefix, max)
    }

    fn revoked_from(&self, prefix: &[u8], from: &[u8], max: usize) -> Result<Vec<Revoked>, Fault> {
        let mut found = Vec::new();
        let mut add = |name: &[u8]| {
            found.extend(names::read_revoked(name).map(Revoked::from));
            found.len()
        };
        // In the order of names, as whoever decides the list again has them.
        let mut lost = self.lost_revocations.names_from(prefix, from).peekable();
        self.reader().names_from::<Fault>(prefix, from, |name, _| {
            while let Some(before) = lost.next_if(|lost| *lost < name) {
                add(before);
            }
            Ok(if add(name) > max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        for name in lost {
            add(name);
        }
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
                let (stale, follows_at) = (list.take_stale(), list.take_behind());
                let force = stale || follows_at.is_some_and(|at| at <= now);
                match self.renew_crl(held, &list, force) {
                    Ok(Renewed { issued, wake_at }) => {
                        let follows_at = follows_at.filter(|_| !issued);
                        if follows_at.is_some() {
                            list.mark_behind();
                        }
                        let wake_at = follows_at.map_or(wake_at, |at| at.min(wake_at));
                        next = Some(next.map_or(wake_at, |next| next.min(wake_at)));
                    }
                    Err(fault) => {
                        if force {
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

    /// Issues a list that is due, or is to be issued before its time. thisUpdate is read while no revocation is on its way: whatever was
    /// decided before is durable then, and stands in the list. So whoever has a list of T knows of everything that was revoked
    /// before T, and that the status answer says (`v1/certificates.rs`).
    fn renew_crl(&self, held: &Held, list: &HeldList, stale: bool) -> Result<Renewed, ServiceFault> {
        let (id, life_secs) = (list.id, held.key.crl_life_secs);
        let aggregate = id.aggregate();
        let mut snapshot = load::<Crl>(self.reader(), &aggregate)?;
        // Before what is revoked is waited for and read, which may be much.
        let due_at = snapshot.state.due_at();
        if !stale && self.ledger_now()? < due_at {
            return Ok(Renewed { issued: false, wake_at: due_at });
        }
        let now = {
            let _alone = self.deciding.write().unwrap_or_else(PoisonError::into_inner);
            self.ledger_now()?
        };
        let (revoked, is_scoped) = self.entries_of(held, id)?;
        let distribution_point = is_scoped.then(|| format!("{}/crl/{}.crl", self.base_url, id.place()));
        let event = CrlEvent::Issue { list: id, life_secs, force: stale, revoked, distribution_point };
        let (facts, effects) = match Crl::decide(&snapshot.state, &event, now) {
            Ok(decided) => decided,
            Err(CrlRefusal::NotDue { due_at }) => return Ok(Renewed { issued: false, wake_at: due_at }),
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
        Ok(Renewed { issued: true, wake_at })
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
