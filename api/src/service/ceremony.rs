//! Key ceremonies: what an operator and an officer attest of keys that were made under the eyes of both (EN 319 411-1 GEN-6.5.1).
//!
//! The transcript names people, so it is an artefact; the entry has its record's digest, the fact that of the transcript.

use semper_ledger::sequencer::{Commit, Idempotency};
use semper_ttp::{
    digest::Digest,
    evidence::{Aggregate, OpsFact, Recorded},
    policy::roles::TrustedRole,
    statement::{
        Jws,
        ceremony::{ACT_CEREMONY, attested_by, is_signed_by},
    },
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
    /// Whoever attests holds no role that counts.
    #[error("a statement is signed by somebody who was granted neither the role of an operator nor that of an officer")]
    Role,
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
        let mut people = Vec::new();
        for statement in statements {
            let jws = Jws::parse(statement).map_err(|_| CeremonyFault::Statement)?;
            let service = self.reader().identity().origin();
            let certificate = attested_by(&jws, &subject, service).ok_or(CeremonyFault::Statement)?;
            let (class, certificate) = self.good_certificate(&certificate)?.ok_or(CeremonyFault::Signer)?;
            if !is_signed_by(&jws, &certificate) {
                return Err(CeremonyFault::Signer);
            }
            let digest = certificate.digest();
            let holds = |roles| self.holds_any(&digest, class, roles);
            let is_operator = holds(&[TrustedRole::Operator]);
            if !is_operator && !holds(&[TrustedRole::RegistrationOfficer, TrustedRole::RevocationOfficer]) {
                return Err(CeremonyFault::Role);
            }
            people.push((is_operator, self.officer(digest)?, certificate.spki_der()));
        }
        // One person with two certificates is one person, and so is one with two for one key.
        match &people[..] {
            [(true, one, key), (false, other, others)] | [(false, one, key), (true, other, others)]
                if !one.is(other) && key != others => {}
            _ => return Err(CeremonyFault::People),
        }
        let now = self.ledger_now()?;
        let act = OpsFact::OperatorAct { act: ACT_CEREMONY, subject };
        let envelope =
            self.envelope(Aggregate::service(), now.millis(), now, transcript).map_err(ServiceFault::from)?;
        let commit = Commit::one(now.millis(), draft(&act.into_fact(&envelope), Some(record)));
        let appended = self.ledger.append(Commit { idempotency, ..commit }).map_err(ServiceFault::from)?;
        Ok(appended.first)
    }
}
