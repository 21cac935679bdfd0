//! What follows from an approval: certificates, the party, its keys. Several commits, each done once, whoever tries again: a serial
//! number was drawn with the approval, a party is registered by one application, a key is bound once. So
//! [`Service::finish_approved`] can be called at any time: after the approval, at every start, and for what is left every minute.

use std::ops::ControlFlow;

use semper_ttp::{
    ca::{credential::CredentialRefusal, profile::ProfileCode, request::CertificationRequest},
    evidence::names,
    id::RegistrationId,
    party::{BoundKey, PartyEvent, PartyRefusal, Register},
    registration::{RegistrationState, RequestedKey, document::ApplicationDocument},
    x509::Certificate,
};

use super::{
    CredentialFault, RegistrationFault, Service, ServiceFault,
    act::{ActFault, Given},
};

impl Service {
    /// What follows from a full approval: certificates, the party, its keys. What was done before is not done again.
    ///
    /// # Errors
    /// The first thing that stands in the way; all else is tried.
    pub fn finish_approved(&self, id: RegistrationId) -> Result<(), RegistrationFault> {
        let state = self.registration_state(id)?;
        let RegistrationState::Approved(application, approval) = &state else { return Ok(()) };
        let (_, document) = self.application_document(id)?;
        let mut certificates = Vec::new();
        let mut first_fault = None;
        for ((asked, key), serial) in document.requests.iter().zip(&application.keys).zip(&approval.serials) {
            match self.issue_approved(&document, asked.csr.as_str(), id, key, *serial) {
                Ok(certificate) => certificates.push((certificate, key)),
                Err(fault) => {
                    tracing::error!(registration = %id, profile = asked.profile, %fault, "approved, but not issued");
                    first_fault.get_or_insert(fault);
                }
            }
        }
        if !certificates.is_empty() && application.applicant.is_none() {
            let register = |_: &_, clock| {
                let (party, terms) = (approval.party, application.terms);
                Ok(PartyEvent::Register(Register { party, registration: id, terms, clock }))
            };
            match self.act_on_party(approval.party, Given::default(), register) {
                Ok(_) => {}
                Err(ActFault::Refused(PartyRefusal::AlreadyRegistered { registration })) if registration == id => {}
                Err(fault) => return Err(ActFault::other(fault).into()),
            }
        }
        for (certificate, key) in &certificates {
            // Whom a server or an officer speaks for is not said by a party's key.
            if key.class == ProfileCode::Party.code() {
                self.bind_key(approval.party, certificate).map_err(ActFault::other)?;
            }
        }
        first_fault.map_or(Ok(()), Err)
    }

    fn issue_approved(
        &self,
        document: &ApplicationDocument,
        csr: &str,
        id: RegistrationId,
        key: &RequestedKey,
        serial: [u8; 16],
    ) -> Result<Certificate, RegistrationFault> {
        let unfit = |why: String| ServiceFault::Facts(why);
        if let Some(certificate) = self.issued_under(&serial)? {
            return Ok(certificate);
        }
        // Since the approval, by the service itself or with a CA that was taken over.
        if self.reader().last_name(&names::key(&key.public_key))?.is_some() {
            return Err(unfit("another certificate was issued for its key".to_owned()).into());
        }
        let request = CertificationRequest::from_pem(csr).map_err(|fault| unfit(fault.to_string()))?;
        // That of the time of the application, whatever is in force now.
        let profile = self.profile(&key.profile)?;
        let profile = profile.ok_or_else(|| unfit(format!("there never was a profile {}", key.profile)))?;
        let wanted = self.certificate_wanted(document, &profile, &request, id.octets(), Some(serial))?;
        match self.issue(&wanted) {
            Ok(issued) => Ok(issued.certificate),
            Err(CredentialFault::Refused(CredentialRefusal::SerialTaken)) => {
                let issued = self.issued_under(&serial)?;
                Ok(issued.ok_or_else(|| unfit("its serial number is another certificate's".to_owned()))?)
            }
            Err(CredentialFault::Fault(fault)) => Err(fault.into()),
            Err(fault) => Err(unfit(fault.to_string()).into()),
        }
    }

    /// The same, where a fault is told and what is left tried again by [`Service::finish_unfinished`].
    pub(super) fn finish_or_keep(&self, id: RegistrationId) {
        match self.finish_approved(id) {
            Ok(()) => {
                self.register.unfinished().remove(&id);
            }
            Err(fault) => {
                tracing::error!(registration = %id, %fault, "what follows from the approval is not complete");
                self.register.unfinished().insert(id);
            }
        }
    }

    /// Tries again what did not follow from approvals since the start. Blocks on the disk.
    pub fn finish_unfinished(&self) {
        let left: Vec<_> = self.register.unfinished().iter().copied().collect();
        left.into_iter().for_each(|id| self.finish_or_keep(id));
    }

    /// The certificate with this serial number, of whichever of our CAs.
    fn issued_under(&self, serial: &[u8]) -> Result<Option<Certificate>, ServiceFault> {
        let Some(known) = self.find_certificate(serial)? else { return Ok(None) };
        let der = self.reader().artefact(known.issued_at)?.unwrap_or_default();
        Certificate::from_der(&der).map(Some).map_err(|fault| ServiceFault::Facts(fault.to_string()))
    }

    /// Finishes what a crash or a fault has left of approvals. Blocks on the disk for as long as there are applications.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn finish_all_approved(&self) -> Result<(), ServiceFault> {
        let mut decided = Vec::new();
        self.reader().names::<ServiceFault>(&names::DECIDED_APPLICATIONS, |name, _| {
            decided.extend(names::read_decided(name));
            Ok(ControlFlow::Continue(()))
        })?;
        let cas: Vec<_> = self.authorities.all().iter().map(|held| held.key.ca).collect();
        for id in decided {
            let state = self.registration_state(id)?;
            let RegistrationState::Approved(application, approval) = &state else { continue };
            let party = self.party_state(approval.party)?;
            let bound = party.party().map_or(0, |party| {
                let of_application = |key: &&BoundKey| {
                    approval.serials.iter().any(|serial| cas.iter().any(|ca| ca.certificate(serial) == key.history))
                };
                party.keys.values().filter(of_application).count()
            });
            let to_bind = application.keys.iter().filter(|key| key.class == ProfileCode::Party.code()).count();
            if bound < to_bind || self.issued_for(id)?.len() < application.keys.len() {
                self.finish_or_keep(id);
            }
        }
        Ok(())
    }
}
