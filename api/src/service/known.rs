//! What the ledger knows of certificates and lists: looked up, never changed.

use std::ops::ControlFlow;

use semper_ttp::{
    ca::{Authority, CaFact, CaId, ListId, credential::CertificateState},
    digest::Digest,
    evidence::names,
    id::RegistrationId,
    time::Timestamp,
};

use super::{Service, ServiceFault, act::read_fact};

/// A certificate as the ledger knows it.
#[derive(Clone, Debug)]
pub struct KnownCertificate {
    /// Who issued it.
    pub ca: CaId,
    /// What is known of it.
    pub state: CertificateState,
    /// The entry of its issue.
    pub issued_at: u64,
    /// The entry of its revocation.
    pub revoked_at: Option<u64>,
}

/// A certificate as its entry tells it.
#[derive(Clone, Debug)]
pub struct KnownIssue {
    /// Who issued it.
    pub ca: CaId,
    /// Content octets of its serial number.
    pub serial: Vec<u8>,
    /// First moment.
    pub not_before: Timestamp,
    /// Last moment.
    pub not_after: Timestamp,
    /// SHA-256 of its profile; none for what a CA issued before it was taken over.
    pub profile: Option<Digest>,
    /// The application that it was issued for; none for the service's own keys.
    pub registration: Option<RegistrationId>,
    /// It was revoked.
    pub is_revoked: bool,
    /// The entry of its issue.
    pub issued_at: u64,
}

/// A list that was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownList {
    /// Its entry.
    pub index: u64,
    /// cRLNumber.
    pub number: u64,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
}

impl Service {
    /// The newest list of this name that was issued at `at` or before, and the first one after. Each revocation is in every list
    /// that is issued later, so the second alone shows that nothing was revoked before it.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn lists_around(
        &self,
        list: ListId,
        at: Timestamp,
    ) -> Result<(Option<KnownList>, Option<KnownList>), ServiceFault> {
        let Some((last, _)) = self.reader().last_step(&list.aggregate().0)? else { return Ok((None, None)) };
        // thisUpdate never falls along the steps: the first one behind `at`.
        let (mut low, mut high) = (0, last + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.list_at(list, middle)? {
                Some(found) if found.this_update > at => high = middle,
                Some(_) => low = middle + 1,
                None => return Err(ServiceFault::Facts(format!("list {middle} of {} is missing", list.place()))),
            }
        }
        let before = low.checked_sub(1).map(|step| self.list_at(list, step)).transpose()?.flatten();
        Ok((before, self.list_at(list, low)?))
    }

    /// A list by its SHA-256, however old: each was made for everybody.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(crate) fn list_of_digest(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ServiceFault> {
        let Some(index) = self.reader().find_digest(&digest.0)? else { return Ok(None) };
        let fact = self.reader().fact(index)?.unwrap_or_default();
        match read_fact::<CaFact>(&fact) {
            Ok(CaFact::CrlIssued { .. }) => Ok(self.reader().artefact(index)?),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    fn list_at(&self, list: ListId, step: u64) -> Result<Option<KnownList>, ServiceFault> {
        let Some(index) = self.reader().step_index(&list.aggregate().0, step)? else { return Ok(None) };
        let Some(fact) = self.reader().fact(index)? else { return Ok(None) };
        let CaFact::CrlIssued { number, this_update, next_update, .. } = read_fact(&fact)? else {
            return Err(ServiceFault::Facts("a fact in the history of a list is of something else".to_owned()));
        };
        Ok(Some(KnownList { index, number, this_update, next_update }))
    }

    /// Certificates that expire from `from` (a name of the ledger's) on and at `until` at the latest, in that order: at most `most`, with
    /// the name to go on from.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn expiring(
        &self,
        from: &[u8],
        until: Timestamp,
        most: usize,
    ) -> Result<(Vec<KnownIssue>, Option<Vec<u8>>), ServiceFault> {
        let (mut indexes, mut next) = (Vec::new(), None);
        self.reader().names_from::<semper_ledger::store::Fault>(&names::CERTIFICATES, from, |name, index| {
            if names::read_expires(name).is_none_or(|(at, _)| at > until) {
                return Ok(ControlFlow::Break(()));
            }
            if indexes.len() == most {
                next = Some(name.to_vec());
                return Ok(ControlFlow::Break(()));
            }
            indexes.push(index);
            Ok(ControlFlow::Continue(()))
        })?;
        let mut found = Vec::new();
        for issued_at in indexes {
            let fact = read_fact(&self.reader().fact(issued_at)?.unwrap_or_default())?;
            found.extend(self.known_issue(&fact, issued_at)?);
        }
        Ok((found, next))
    }

    /// The certificate that this fact of an entry is of, if it is of one.
    pub(super) fn known_issue(&self, fact: &CaFact, issued_at: u64) -> Result<Option<KnownIssue>, ServiceFault> {
        let Some((ca, serial)) = fact.certificate() else { return Ok(None) };
        let (profile, registration, not_before, not_after) = match fact {
            CaFact::CertificateIssued { not_before, not_after, grounds: Some(grounds), .. } => {
                let registration = <[u8; 16]>::try_from(grounds.registration.as_slice()).ok().map(Into::into);
                (Some(grounds.profile), registration, *not_before, *not_after)
            }
            CaFact::CertificateImported { not_before, not_after, .. } => (None, None, *not_before, *not_after),
            _ => return Ok(None),
        };
        let (state, serial) = (self.certificate_state(&ca.certificate(serial))?, serial.to_vec());
        let is_revoked = state.issued().is_some_and(|status| status.revoked.is_some());
        Ok(Some(KnownIssue { ca, serial, not_before, not_after, profile, registration, is_revoked, issued_at }))
    }

    /// The certificate with this serial number by any of our own CAs: their serial numbers are random, so there is one.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn find_certificate(&self, serial: &[u8]) -> Result<Option<KnownCertificate>, ServiceFault> {
        let all = self.find_certificates(serial)?;
        Ok(all.into_iter().find(|known| known.ca.authority != Authority::Imported))
    }

    /// The same by every CA that there is. Those that were taken over have counted as they liked: two may have used one number.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn find_certificates(&self, serial: &[u8]) -> Result<Vec<KnownCertificate>, ServiceFault> {
        let mut found = Vec::new();
        for held in self.authorities.all().iter() {
            let (ca, aggregate) = (held.key.ca, held.key.ca.certificate(serial));
            // Of all CAs one has issued it: where there is no first step, there is no history to be folded.
            if let Some(issued_at) = self.reader().step_index(&aggregate.0, 0)? {
                let state = self.certificate_state(&aggregate)?;
                let revoked_at = match self.reader().step_index(&aggregate.0, 1)? {
                    // It was revoked when it came here, or the fact of it is lost.
                    None if state.issued().is_some_and(|status| status.revoked.is_some()) => {
                        Some(self.lost_revocations.of(&aggregate).map_or(issued_at, |lost| lost.index))
                    }
                    later => later,
                };
                found.push(KnownCertificate { ca, state, issued_at, revoked_at });
            }
        }
        Ok(found)
    }
}
