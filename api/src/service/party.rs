//! Parties: who is known by which keys, and whether it may act.

use std::ops::ControlFlow;

use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    crypto::jose::{Key, Thumbprint},
    digest::Digest,
    evidence::{Aggregate, names},
    id::PartyId,
    party::{
        AcceptTerms, BindKey, PartyEvent, PartyRefusal, PartyRegistry, PartyState, Reinstate, ReinstatementReason,
        Suspend, SuspensionReason, UnbindKey, UnbindReason,
    },
    statement::{Jws, terms::TermsAccepted},
    time::Timestamp,
    x509::Certificate,
};

use super::{
    Service, ServiceFault,
    act::{ActFault, Given},
};

/// A party as the ledger knows it.
#[derive(Clone, Debug)]
pub struct KnownParty {
    /// Its name.
    pub id: PartyId,
    /// Its state.
    pub state: PartyState,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum PartyFault {
    /// It does not accept these terms of this service in this party's name, or not with a key of the party's.
    #[error("{0}")]
    Statement(String),
    /// The rules, or the service itself.
    #[error(transparent)]
    Act(#[from] ActFault<PartyRefusal>),
}

impl From<ServiceFault> for PartyFault {
    fn from(fault: ServiceFault) -> Self {
        Self::Act(fault.into())
    }
}

impl Service {
    /// The state of a party, as its facts have it.
    pub(super) fn party_state(&self, party: PartyId) -> Result<PartyState, ServiceFault> {
        Ok(self.state_of::<PartyRegistry>(&party.aggregate())?.state)
    }

    /// A party, if there is one. Keys whose certificates are good no longer are taken from it first: the revocation and the end of
    /// the key are two commits, and a crash may lie between.
    ///
    /// # Errors
    /// The ledger.
    pub fn find_party(&self, id: PartyId) -> Result<Option<KnownParty>, ServiceFault> {
        let state = self.party_state(id)?;
        let Some(party) = state.party() else { return Ok(None) };
        let mut ended = Vec::new();
        for (thumbprint, key) in party.keys.iter().filter(|(_, key)| key.unbound.is_none()) {
            let revoked = self.certificate_state(&key.history)?.issued().is_some_and(|status| status.revoked.is_some());
            if revoked {
                ended.push(*thumbprint);
            }
        }
        for thumbprint in &ended {
            self.unbind_key(id, *thumbprint, UnbindReason::Revoked)?;
        }
        let state = if ended.is_empty() { state } else { self.party_state(id)? };
        Ok(Some(KnownParty { id, state }))
    }

    /// The party whose key this certificate is for.
    ///
    /// # Errors
    /// The ledger.
    pub fn party_of_certificate(&self, certificate: &Certificate) -> Result<Option<KnownParty>, ServiceFault> {
        let Ok(key) = Key::from_spki_der(&certificate.spki_der()) else { return Ok(None) };
        self.party_of_key(key.thumbprint())
    }

    /// The party that has, or had, the key of this name.
    ///
    /// # Errors
    /// The ledger.
    pub fn party_of_key(&self, thumbprint: Thumbprint) -> Result<Option<KnownParty>, ServiceFault> {
        self.id_of_key(thumbprint)?.map_or(Ok(None), |party| self.find_party(party))
    }

    /// What the party is called that has, or had, the key of this name.
    pub(super) fn id_of_key(&self, thumbprint: Thumbprint) -> Result<Option<PartyId>, ServiceFault> {
        // A key is certified once, so there is one party at most.
        let found = self.reader().last_name(&names::party_key(thumbprint))?;
        Ok(found.and_then(|(name, _)| names::read_party_key(&name)).map(|(_, party)| party))
    }

    /// The names of parties in the order of their registrations' names, behind `after` (a name of the ledger's), at most `most`;
    /// with the last of those names.
    ///
    /// # Errors
    /// The ledger.
    pub fn parties(&self, after: Option<&[u8]>, most: usize) -> Result<(Vec<PartyId>, Option<Vec<u8>>), ServiceFault> {
        let (mut parties, mut last) = (Vec::new(), None);
        let from = after.unwrap_or(&names::PARTIES);
        self.reader().names_from::<ServiceFault>(&names::PARTIES, from, |name, _| {
            if after == Some(name) {
                return Ok(ControlFlow::Continue(()));
            }
            if parties.len() == most {
                return Ok(ControlFlow::Break(()));
            }
            parties.extend(names::read_registered(name).map(|(_, party)| party));
            last = Some(name.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((parties, last))
    }

    /// A key of the party's from now on. One that is already is no fault.
    pub(super) fn bind_key(&self, party: PartyId, certificate: &Certificate) -> Result<(), ActFault<PartyRefusal>> {
        let unfit = |why: &dyn std::fmt::Display| ServiceFault::Facts(why.to_string());
        let key = Key::from_spki_der(&certificate.spki_der()).map_err(|fault| unfit(&fault))?;
        let known = self.find_certificate(&certificate.serial())?;
        let list = known.as_ref().and_then(|known| Some(known.state.issued()?.list));
        let list = list.ok_or_else(|| unfit(&"the certificate was not issued"))?;
        let bind = |_: &_, clock| {
            Ok(PartyEvent::BindKey(BindKey {
                thumbprint: key.thumbprint(),
                certificate: certificate.digest(),
                history: list.ca.certificate(&certificate.serial()),
                not_after: certificate.validity().not_after,
                clock,
            }))
        };
        match self.act_on_party(party, Given::default(), bind) {
            Ok(_) | Err(ActFault::Refused(PartyRefusal::KeyBound { .. })) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    fn unbind_key(&self, party: PartyId, thumbprint: Thumbprint, reason: UnbindReason) -> Result<(), ServiceFault> {
        let unbind = |_: &_, clock| Ok(PartyEvent::UnbindKey(UnbindKey { thumbprint, reason, clock }));
        match self.act_on_party(party, Given::default(), unbind) {
            Ok(_) | Err(ActFault::Refused(PartyRefusal::KeyUnbound { .. })) => Ok(()),
            Err(ActFault::Fault(fault)) => Err(fault),
            Err(fault) => Err(ServiceFault::Facts(fault.to_string())),
        }
    }

    /// The certificate was revoked: its key is the party's no longer. What fails here is done when the party is looked at.
    pub(super) fn after_revocation_of(&self, certificate: &Certificate) {
        if let Err(fault) = self.party_of_certificate(certificate) {
            tracing::warn!(%fault, "the key of a revoked certificate is still bound");
        }
    }

    /// Whether the party may act now by the key of this certificate.
    #[must_use]
    pub fn may_act(&self, party: &KnownParty, certificate: &Certificate, now: Timestamp) -> bool {
        let Ok(key) = Key::from_spki_der(&certificate.spki_der()) else { return false };
        party.state.may_act_by(key.thumbprint(), now)
    }

    /// An officer suspends a party.
    ///
    /// # Errors
    /// [`PartyFault`].
    pub fn suspend(
        &self,
        party: PartyId,
        reason: SuspensionReason,
        officer: Digest,
        idempotency: Option<Idempotency>,
    ) -> Result<(), PartyFault> {
        let suspend = |_: &_, clock| Ok(PartyEvent::Suspend(Suspend { officer, reason, clock }));
        self.act_on_party(party, Given { idempotency, artefact: None }, suspend)?;
        Ok(())
    }

    /// An officer reinstates a party.
    ///
    /// # Errors
    /// [`PartyFault`].
    pub fn reinstate(
        &self,
        party: PartyId,
        reason: ReinstatementReason,
        officer: Digest,
        idempotency: Option<Idempotency>,
    ) -> Result<(), PartyFault> {
        let reinstate = |_: &_, clock| Ok(PartyEvent::Reinstate(Reinstate { officer, reason, clock }));
        self.act_on_party(party, Given { idempotency, artefact: None }, reinstate)?;
        Ok(())
    }

    /// A party accepts the terms in force, by a statement that one of its keys signed.
    ///
    /// # Errors
    /// [`PartyFault`].
    pub fn accept_terms(
        &self,
        party: &KnownParty,
        statement: &[u8],
        idempotency: Option<Idempotency>,
    ) -> Result<(), PartyFault> {
        let refused = |why: String| PartyFault::Statement(why);
        let jws = Jws::parse(statement).map_err(|fault| refused(fault.to_string()))?;
        let body = jws.payload_as::<TermsAccepted>().map_err(|fault| refused(fault.to_string()))?.body;
        let (policy, due) = (Digest::from(body.policy), self.register.terms_digest);
        if policy != due {
            return Err(refused(format!("{policy} was accepted; in force are {due}")));
        }
        let service = self.reader().identity().origin();
        if body.service.as_str() != service {
            return Err(refused(format!("it is of the service {}; this is {service}", body.service.as_str())));
        }
        if body.party != party.id {
            return Err(refused(format!("it is the party {}'s, and {} sends it", body.party, party.id)));
        }
        let now = self.now();
        let bound = party.state.party().and_then(|party| party.keys.get(&jws.key_id()));
        let bound = bound.filter(|key| key.is_good_at(now));
        let bound = bound.ok_or_else(|| refused(format!("{} is no key of the party's now", jws.key_id())))?;
        let signed_by = self.key_of(bound.certificate, &bound.history)?;
        jws.verify(&signed_by).map_err(|fault| refused(fault.to_string()))?;
        let digest = jws.digest();
        let accept = |_: &_, clock| Ok(PartyEvent::AcceptTerms(AcceptTerms { policy, statement: digest, clock }));
        self.act_on_party(party.id, Given { idempotency, artefact: Some(statement) }, accept)?;
        Ok(())
    }

    /// The key of a certificate that was issued here.
    fn key_of(&self, certificate: Digest, history: &Aggregate) -> Result<Key, ServiceFault> {
        let unread = |why: &dyn std::fmt::Display| ServiceFault::Facts(why.to_string());
        let der = self.reader().artefact_of_step(&history.0, 0)?;
        let der = der.filter(|der| Digest::of(der) == certificate);
        let der = der.ok_or_else(|| unread(&"the certificate of a party's key is missing"))?;
        let read = Certificate::from_der(&der).map_err(|fault| unread(&fault))?;
        Key::from_spki_der(&read.spki_der()).map_err(|fault| unread(&fault))
    }
}
