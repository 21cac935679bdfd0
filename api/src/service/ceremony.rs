//! Key ceremonies: what an operator and an officer attest of keys that were made under the eyes of both (EN 319 411-1 GEN-6.5.1).
//!
//! The transcript names people, so it is an artefact; the entry has its record's digest, the fact that of the transcript.

use semper_ledger::sequencer::{Commit, Idempotency};
use semper_ttp::{
    ca::profile::ProfileCode,
    digest::Digest,
    evidence::{Aggregate, OpsFact, Recorded},
    statement::{
        Jws,
        ceremony::{ACT_CEREMONY, attested_by, is_signed_by},
    },
    x509::Certificate,
};

use super::{Service, ServiceFault, act::Repetition, draft};

/// Why a ceremony is not recorded.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyFault {
    /// A statement does not read, or is about another transcript or another service.
    #[error("a statement attests another transcript, or that of another service, or does not read")]
    Statement,
    /// Nobody whom this service knows as good has signed it.
    #[error("a statement is not signed by the key of a certificate that is good now")]
    Signer,
    /// It takes an operator and an officer.
    #[error("a ceremony is attested by one operator and one officer, who are two people")]
    People,
    /// The idempotency key belongs to another request.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// The service itself.
    #[error(transparent)]
    Fault(#[from] ServiceFault),
}

impl From<Repetition> for CeremonyFault {
    fn from(repetition: Repetition) -> Self {
        match repetition {
            Repetition::KeyReused => Self::KeyReused,
            Repetition::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<semper_ledger::store::Fault> for CeremonyFault {
    fn from(fault: semper_ledger::store::Fault) -> Self {
        Self::Fault(fault.into())
    }
}

impl Service {
    /// Records a transcript that two people attest; `record` is what is kept of it. Gives the entry. Blocks.
    ///
    /// # Errors
    /// [`CeremonyFault`].
    pub fn record_ceremony(
        &self,
        transcript: &[u8],
        statements: &[Vec<u8>],
        record: Vec<u8>,
        idempotency: Option<Idempotency>,
    ) -> Result<u64, CeremonyFault> {
        if let Some(first) = self.answered(idempotency)? {
            return Ok(first);
        }
        let subject = Digest::of(transcript);
        let (mut classes, mut keys) = (Vec::new(), Vec::new());
        for statement in statements {
            let jws = Jws::parse(statement).map_err(|_| CeremonyFault::Statement)?;
            let service = self.reader().identity().origin();
            let certificate = attested_by(&jws, &subject, service).ok_or(CeremonyFault::Statement)?;
            let (class, certificate) = self.good_certificate(&certificate)?.ok_or(CeremonyFault::Signer)?;
            if !is_signed_by(&jws, &certificate) {
                return Err(CeremonyFault::Signer);
            }
            classes.push(class);
            keys.push(certificate.spki_der());
        }
        let both = [ProfileCode::Operator, ProfileCode::Officer].iter().all(|class| classes.contains(class));
        // One person with two certificates for one key is one person.
        if classes.len() != 2 || !both || keys.first() == keys.last() {
            return Err(CeremonyFault::People);
        }
        let now = self.ledger_now()?;
        let act = OpsFact::OperatorAct { act: ACT_CEREMONY, subject };
        let envelope =
            self.envelope(Aggregate::service(), now.millis(), now, transcript).map_err(ServiceFault::from)?;
        let commit = Commit::one(now.millis(), draft(&act.into_fact(&envelope), Some(record)));
        let appended = self.ledger.append(Commit { idempotency, ..commit }).map_err(ServiceFault::from)?;
        Ok(appended.first)
    }

    /// The certificate with this digest and its class, if this service issued it, has revoked neither it nor its CA, and it is valid now.
    fn good_certificate(&self, digest: &Digest) -> Result<Option<(ProfileCode, Certificate)>, CeremonyFault> {
        let Some(index) = self.reader().find_digest(digest.as_bytes())? else { return Ok(None) };
        let der = self.reader().artefact(index)?.unwrap_or_default();
        let Ok(certificate) = Certificate::from_der(&der) else { return Ok(None) };
        let Some(known) = self.find_certificate(&certificate.serial())? else { return Ok(None) };
        let good = known.state.issued().filter(|status| status.revoked.is_none() && known.issued_at == index);
        let good = good.filter(|_| !self.is_revoked_ca(known.ca));
        let class = good.filter(|_| certificate.validity().contains(self.now())).map(|status| status.class);
        Ok(class.map(|class| (class, certificate)))
    }
}
