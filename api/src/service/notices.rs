//! Which holders are to be told of the end of their certificates, and with which key that is signed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use semper_ttp::{
    crypto::Signer,
    digest::Digest,
    evidence::{Aggregate, KeyId, names},
    id::{PartyId, RegistrationId},
    notice::{self, Expiring, Holding},
    registration::document::ApplicationDocument,
    time::Timestamp,
    x509::Period,
};

use super::{KnownIssue, Service, ServiceFault};
use crate::notices::{Networks, Notice, Webhook, WebhookFault};

const DAY_SECS: u64 = 24 * 3600;

/// Certificates looked at before what was read of them is let go.
const PAGE: usize = 1_000;

/// What notices to holders rest on.
pub struct NoticeParts {
    /// The key that signs them.
    pub key: KeyId,
    /// Its private half.
    pub signer: Arc<dyn Signer>,
    /// Which addresses may be called although they are not public.
    pub networks: Networks,
}

/// The same within the service.
pub(crate) struct NoticeKey {
    current: ArcSwap<(KeyId, Arc<dyn Signer>)>,
    networks: Networks,
}

impl From<NoticeParts> for NoticeKey {
    fn from(NoticeParts { key, signer, networks }: NoticeParts) -> Self {
        Self { current: ArcSwap::from_pointee((key, signer)), networks }
    }
}

impl NoticeKey {
    pub(super) fn current(&self) -> (KeyId, Arc<dyn Signer>) {
        (**self.current.load()).clone()
    }

    /// The key, and its public half as receivers want it.
    pub(crate) fn described(&self) -> (KeyId, Option<String>) {
        let current = self.current.load();
        (current.0, notice::public_key_text(current.1.spki_der()))
    }
}

/// A certificate of which a notice is due, unless its holder has renewed it.
struct Candidate {
    notice: Notice,
    names: Digest,
    is_replaced: bool,
}

/// What an application says of all its certificates.
struct Applied {
    names: Digest,
    webhook: Option<String>,
}

impl Service {
    /// The notices that are due and were not told, at most `most`. Blocks on the disk.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn due_notices(
        &self,
        days_before: &[u16],
        networks: &Networks,
        is_told: impl Fn(&Aggregate, u16) -> bool,
        most: usize,
    ) -> Result<Vec<Notice>, ServiceFault> {
        let Some(longest) = days_before.iter().max() else { return Ok(Vec::new()) };
        let now = self.now();
        let until = now.plus_secs(u64::from(*longest) * DAY_SECS);
        let (mut from, mut due) = (names::expires(now), Vec::new());
        loop {
            // As many at once as are wanted: those that were renewed must not keep the others from being reached.
            let (mut candidates, mut next) = (Vec::new(), Some(from));
            while let Some(from) = next.as_ref().filter(|_| candidates.len() < most) {
                let (page, after) = self.expiring(from, until, PAGE)?;
                for found in page {
                    candidates.extend(self.candidate(&found, days_before, networks, now, &is_told)?);
                }
                next = after;
            }
            self.mark_replaced(&mut candidates)?;
            let left = candidates.into_iter().filter(|candidate| !candidate.is_replaced);
            due.extend(left.map(|candidate| candidate.notice));
            match next.filter(|_| due.len() < most) {
                Some(next) => from = next,
                None => break,
            }
        }
        due.truncate(most);
        Ok(due)
    }

    /// A certificate whose holder is to be told, as far as it itself says.
    fn candidate(
        &self,
        found: &KnownIssue,
        days_before: &[u16],
        networks: &Networks,
        now: Timestamp,
        is_told: &impl Fn(&Aggregate, u16) -> bool,
    ) -> Result<Option<Candidate>, ServiceFault> {
        let validity = Period { not_before: found.not_before, not_after: found.not_after };
        let due = notice::due(validity, days_before, now).filter(|_| !found.is_revoked);
        let Some((due, registration)) = due.zip(found.registration) else { return Ok(None) };
        let (ca, serial, not_after) = (found.ca, found.serial.clone(), found.not_after);
        if is_told(&ca.certificate(&serial), due.days_before) {
            return Ok(None);
        }
        let Some(party) = self.party_of(registration)? else { return Ok(None) };
        let Some(Applied { names, webhook: Some(webhook) }) = self.applied(registration)? else { return Ok(None) };
        let profile = found.profile.and_then(|digest| self.profile_name(&digest)).unwrap_or_default();
        let of = Expiring { ca, serial, profile, party, not_after, due };
        match Webhook::read(&webhook, networks) {
            Ok(webhook) => {
                let id = of.id(self.reader().identity().origin());
                let body = of.body(&self.base_url);
                Ok(Some(Candidate { notice: Notice { id, body, of, webhook }, names, is_replaced: false }))
            }
            // Taken under other settings; the look after the next change of those may see it otherwise.
            Err(fault) => {
                let serial = hex::encode(&of.serial);
                tracing::warn!(serial, %fault, "a holder cannot be told: its webhook is not called");
                Ok(None)
            }
        }
    }

    /// Marks those whose holders have renewed them. What replaces one ends later, so one walk behind the first of them finds all.
    fn mark_replaced(&self, candidates: &mut [Candidate]) -> Result<(), ServiceFault> {
        let Some(first) = candidates.iter().map(|candidate| candidate.notice.of.not_after).min() else { return Ok(()) };
        let profiles: BTreeSet<_> = candidates.iter().map(|candidate| candidate.notice.of.profile.clone()).collect();
        let parties: BTreeSet<_> = candidates.iter().map(|candidate| candidate.notice.of.party).collect();
        let (mut known, mut from) = (BTreeMap::<Digest, String>::new(), names::expires(first));
        loop {
            let (page, next) = self.expiring(&from, Timestamp::MAX, PAGE)?;
            for found in page {
                let applied = found.registration.zip(found.profile).filter(|_| !found.is_revoked);
                let Some((registration, digest)) = applied else { continue };
                let profile = known.entry(digest).or_insert_with(|| self.profile_name(&digest).unwrap_or_default());
                if !profiles.contains(profile) {
                    continue;
                }
                let Some(party) = self.party_of(registration)?.filter(|party| parties.contains(party)) else {
                    continue;
                };
                let Some(Applied { names, .. }) = self.applied(registration)? else { continue };
                let (not_after, is_revoked) = (found.not_after, found.is_revoked);
                let other = Holding { party, profile: profile.as_str(), names, not_after, is_revoked };
                for candidate in candidates.iter_mut() {
                    candidate.is_replaced |= candidate.holding().is_replaced_by(&other);
                }
            }
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    /// Whose the certificates of an application are.
    fn party_of(&self, registration: RegistrationId) -> Result<Option<PartyId>, ServiceFault> {
        Ok(self.registration_state(registration)?.approval().map(|approval| approval.party))
    }

    /// What an application says of its certificates; `None` where it was erased.
    fn applied(&self, registration: RegistrationId) -> Result<Option<Applied>, ServiceFault> {
        let Some(bytes) = self.reader().artefact_of_step(&registration.aggregate().0, 0)? else { return Ok(None) };
        let document = match ApplicationDocument::parse(&bytes) {
            Ok(document) => document,
            // One that no longer reads must not keep the others from being told.
            Err(fault) => {
                tracing::error!(%registration, %fault, "an application does not read; its holder is not told");
                return Ok(None);
            }
        };
        let names = serde_json::to_vec(&(&document.subject, &document.alternative_names));
        let names = Digest::of(&names.map_err(|fault| ServiceFault::Facts(fault.to_string()))?);
        let webhook = document.contact.and_then(|contact| contact.webhook);
        Ok(Some(Applied { names, webhook }))
    }

    /// Signs one try of a notice; `None` if the certificate was revoked meanwhile, or nobody signs here.
    pub(crate) fn sign_notice(&self, notice: &Notice) -> Result<Option<(Timestamp, Vec<u8>)>, ServiceFault> {
        let Some(key) = &self.notices else { return Ok(None) };
        let state = self.certificate_state(&notice.of.ca.certificate(&notice.of.serial))?;
        if state.issued().is_none_or(|status| status.revoked.is_some()) {
            return Ok(None);
        }
        let at = self.now();
        let (_, signer) = key.current();
        let signature = signer.sign(&notice::message(&notice.id, at, &notice.body));
        Ok(Some((at, signature.map_err(|error| ServiceFault::Signing(error.to_string()))?)))
    }

    /// Judges a webhook when it is named, as far as that can be told then.
    pub(super) fn judge_webhook(&self, document: &ApplicationDocument) -> Result<(), WebhookFault> {
        let webhook = document.contact.as_ref().and_then(|contact| contact.webhook.as_deref());
        let networks = self.notices.as_ref().map(|key| key.networks.clone()).unwrap_or_default();
        webhook.map_or(Ok(()), |webhook| Webhook::read(webhook, &networks).map(drop))
    }

    /// Gives the key of notices the entry of its making, if it was made after `semper init`.
    ///
    /// # Errors
    /// The ledger takes nothing, or the clock is in doubt.
    pub fn record_notice_key(&self) -> Result<(), ServiceFault> {
        let Some(key) = &self.notices else { return Ok(()) };
        let (id, signer) = key.current();
        self.record_key_made(id, Digest::of(signer.spki_der()), self.ledger_now()?)
    }

    /// Signs with this key from now on.
    pub(super) fn replace_notice_key(&self, key: KeyId, signer: Arc<dyn Signer>) {
        if let Some(notices) = &self.notices {
            notices.current.store(Arc::new((key, signer)));
        }
    }
}

impl Candidate {
    fn holding(&self) -> Holding<'_> {
        let Expiring { party, ref profile, not_after, .. } = self.notice.of;
        Holding { party, profile, names: self.names, not_after, is_revoked: false }
    }
}
