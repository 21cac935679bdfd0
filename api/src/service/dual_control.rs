//! Revoking what takes two people: the certificate of an issuing CA.

use semper_ttp::{
    ca::{
        CaFact, CaId,
        credential::{Credential, CredentialEvent, Revoke},
        dual_control::{Ask, Asked, DualControl, DualControlRefusal, history},
        profile::ProfileCode,
    },
    digest::Digest,
    role::Role,
};

use super::{
    CredentialFault, Service, ServiceFault, ToRevoke,
    act::{ActFault, Given, read_fact},
};

/// Why nothing was revoked, nor asked for.
#[derive(Debug, thiserror::Error)]
pub enum RevokeFault {
    /// Whoever asks may not.
    #[error("{0}")]
    Refused(DualControlRefusal),
    /// The certificate, or the service itself.
    #[error(transparent)]
    Credential(#[from] CredentialFault),
}

impl From<ServiceFault> for RevokeFault {
    fn from(fault: ServiceFault) -> Self {
        Self::Credential(fault.into())
    }
}

impl From<semper_ledger::store::Fault> for RevokeFault {
    fn from(fault: semper_ledger::store::Fault) -> Self {
        Self::Credential(fault.into())
    }
}

impl From<ActFault<DualControlRefusal>> for RevokeFault {
    fn from(fault: ActFault<DualControlRefusal>) -> Self {
        match fault {
            ActFault::Refused(refusal) => Self::Refused(refusal),
            ActFault::KeyReused => CredentialFault::KeyReused.into(),
            ActFault::Busy => CredentialFault::Busy.into(),
            ActFault::Fault(fault) => fault.into(),
        }
    }
}

/// What somebody asked for, and its entry.
pub(crate) type KnownRequest = (Asked, u64);

impl Service {
    /// Revokes a certificate. That of an issuing CA is revoked by the second person who asks for it within a day; for the first one
    /// it is recorded that this was asked. A revocation officer comes first (`may_ask`), an operator may come second.
    ///
    /// # Errors
    /// [`RevokeFault`].
    pub fn revoke_or_ask(&self, wanted: &ToRevoke, may_ask: bool) -> Result<(), RevokeFault> {
        let ToRevoke { ca, ref serial, reason, officer: by, idempotency } = *wanted;
        let state = self.certificate_state(&ca.certificate(serial))?;
        if state.issued().is_none_or(|status| status.class != ProfileCode::IssuingCa) {
            self.revoke(wanted)?;
            return Ok(());
        }
        if self.answered(idempotency).map_err(CredentialFault::from)?.is_some() {
            return Ok(());
        }
        let certificate = self.digest_of_issued(ca, serial)?;
        let officer = self.officer(by)?;
        // What could not be revoked is not asked for.
        let (now, clock) = self.time.check();
        let revoke = CredentialEvent::Revoke(Revoke { reason, certificate, officer: by, clock });
        Credential::decide(&state, &revoke, now).map_err(CredentialFault::from)?;
        let event = |asked: &Option<Asked>, clock| {
            Ok(Ask {
                ca,
                serial: serial.clone(),
                certificate,
                reason,
                officer,
                officer_good: self.is_good(&by)?,
                may_ask,
                first_revoked: asked.map_or(Ok(false), |asked| self.is_revoked(&asked.officer.certificate))?,
                clock,
            })
        };
        let given = Given { idempotency, artefact: None };
        match self.act::<DualControl>(history(&certificate), given, Ask::digest, event) {
            Ok(_) | Err(ActFault::Refused(DualControlRefusal::Waiting { .. })) => Ok(()),
            Err(ActFault::Refused(DualControlRefusal::Due { .. })) => {
                self.revoke(wanted)?;
                Ok(())
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// What was asked for about this certificate last.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(crate) fn revocation_asked(&self, ca: CaId, serial: &[u8]) -> Result<Option<KnownRequest>, ServiceFault> {
        let history = history(&self.digest_of_issued(ca, serial)?);
        let Some((_, index)) = self.reader().last_step(&history.0)? else { return Ok(None) };
        match read_fact(&self.reader().fact(index)?.unwrap_or_default())? {
            CaFact::RevocationAsked { at, reason, officer, .. } => Ok(Some((Asked { at, reason, officer }, index))),
            _ => Err(ServiceFault::Facts("a revocation that was asked for is another fact".to_owned())),
        }
    }

    /// SHA-256 of a certificate that was issued here.
    fn digest_of_issued(&self, ca: CaId, serial: &[u8]) -> Result<Digest, ServiceFault> {
        let der = self.reader().artefact_of_step(&ca.certificate(serial).0, 0)?;
        Ok(Digest::of(der.as_deref().unwrap_or_default()))
    }
}
