//! Proofs of misbehaviour that somebody hands in, against this service: judged with its own keys, as anybody would, and recorded if they
//! convict. What is held against us is not ours to hide, so whoever asks may read all of them.

use std::ops::ControlFlow;

use semper_ledger::sequencer::{Commit, Refused};
use semper_ttp::{
    account::{AccountFact, Anchors, Judgement, NotAProof, Proof, Verdict, judge},
    asn1::pem,
    ca::{Authority, CaId},
    digest::Digest,
    evidence::{Fact, KeyPurpose, Recorded as _, names},
    verify::{LedgerPromise, Trust},
    x509::Certificate,
};

use super::{Service, ServiceFault, act::ATTEMPTS_MAX, draft};

/// A proof that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordedProof {
    /// SHA-256 of its file.
    pub(crate) digest: Digest,
    /// What it claims.
    pub(crate) kind: semper_ttp::account::Kind,
    /// False for one that is open until it is rebutted.
    pub(crate) is_proven: bool,
    /// Its entry.
    pub(crate) index: u64,
}

/// Why a proof was not recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountFault {
    /// It does not read.
    #[error(transparent)]
    NotAProof(#[from] NotAProof),
    /// It convicts nobody.
    #[error("{0}")]
    Unfounded(String),
    /// Something is missing.
    #[error("{0}")]
    Undecided(String),
    /// Too much waits.
    #[error("too many commits are waiting")]
    Busy,
    /// The service itself.
    #[error(transparent)]
    Fault(#[from] ServiceFault),
}

impl From<semper_ledger::store::Fault> for AccountFault {
    fn from(fault: semper_ledger::store::Fault) -> Self {
        Self::Fault(fault.into())
    }
}

impl Service {
    /// Judges a proof against this service and records it, once; with the reason of the judgement. Blocks.
    ///
    /// # Errors
    /// [`AccountFault`].
    pub(crate) fn accuse(&self, file: &[u8]) -> Result<(RecordedProof, String), AccountFault> {
        let proof = Proof::parse(file)?;
        let Judgement { verdict, reason, is_rebuttable } = self.judge_proof(&proof)?;
        let is_proven = match verdict {
            Verdict::Proven => true,
            Verdict::Open if is_rebuttable => false,
            Verdict::Open => return Err(AccountFault::Undecided(reason)),
            Verdict::Unfounded => return Err(AccountFault::Unfounded(reason)),
        };
        let digest = Digest::of(file);
        let aggregate = AccountFact::aggregate(&digest);
        let _turn = self.turns.wait(&aggregate);
        for _ in 0..ATTEMPTS_MAX {
            if let Some(known) = self.recorded_proof(&digest)? {
                return Ok((known, reason));
            }
            let now = self.ledger_now()?;
            let mut envelope = self.envelope(aggregate, 0, now, &[]).map_err(ServiceFault::from)?;
            envelope.event_digest = digest;
            let fact = AccountFact::Misbehaviour { proof: digest, kind: proof.kind, is_proven }.into_fact(&envelope);
            match self.ledger.append(Commit::one(now.millis(), draft(&fact, Some(file.to_vec())))) {
                Ok(_) | Err(Refused::Stale { .. } | Refused::StepTaken { .. }) => {}
                Err(Refused::Busy) => return Err(AccountFault::Busy),
                Err(refused) => return Err(ServiceFault::from(refused).into()),
            }
        }
        let known = self.recorded_proof(&digest)?;
        known.map(|known| (known, reason)).ok_or(AccountFault::Busy)
    }

    /// With what everybody can have of this service: its root, its log's key and promise, the keys of its arbiter.
    fn judge_proof(&self, proof: &Proof) -> Result<Judgement, ServiceFault> {
        let trust = self.own_trust()?;
        let keys = [self.reader().vkey().clone()];
        Ok(judge(proof, &Anchors { log_keys: &keys, trust: trust.as_ref() }))
    }

    fn own_trust(&self) -> Result<Option<Trust>, ServiceFault> {
        let Some(root) = self.authorities.get(CaId::first(Authority::Root)) else { return Ok(None) };
        let certificates = |ders: Vec<Vec<u8>>| -> String {
            ders.iter().map(|der| pem::encode("CERTIFICATE", der)).collect::<Vec<_>>().concat()
        };
        let mut chain: Vec<Vec<u8>> = self.authorities.all().iter().map(|held| held.key.certificate.clone()).collect();
        let units = self.endpoints.iter().map(arc_swap::ArcSwap::load);
        chain.extend(units.map(|unit| unit.endpoint.tsu().certificate().der().to_vec()));
        // A CA that was taken over may have one that is read for strangers alone; it issues no units.
        chain.retain(|der| Certificate::from_der(der).is_ok());
        let root = certificates(vec![root.key.certificate.clone()]);
        let vkey = self.reader().vkey().to_string();
        let unread = |fault: &dyn std::fmt::Display| ServiceFault::Facts(format!("its own anchors: {fault}"));
        let trust = Trust::from_texts(&root, &certificates(chain), &vkey).map_err(|fault| unread(&fault))?;
        let origin = Some(self.reader().identity().origin().to_owned());
        let promise = LedgerPromise { mmd_ms: self.ledger.mmd_ms(), origin };
        let trust = trust.with_promise(&promise.to_text()).map_err(|fault| unread(&fault))?;
        Ok(Some(trust.with_arbiter_keys(self.desks.thumbprints(KeyPurpose::ArbiterVerdict))))
    }

    /// The proof with this hash, if it was recorded.
    pub(crate) fn recorded_proof(&self, digest: &Digest) -> Result<Option<RecordedProof>, ServiceFault> {
        let Some(index) = self.reader().step_index(&AccountFact::aggregate(digest).0, 0)? else { return Ok(None) };
        let bytes = self.reader().fact(index)?.unwrap_or_default();
        let fact = Fact::decode(&bytes).and_then(|fact| AccountFact::from_fact(&fact));
        let AccountFact::Misbehaviour { proof, kind, is_proven } =
            fact.map_err(|fault| ServiceFault::Facts(fault.to_string()))?;
        Ok(Some(RecordedProof { digest: proof, kind, is_proven, index }))
    }

    /// Recorded proofs from one name on, at most so many, oldest first; with the name at which the next begin.
    pub(crate) fn recorded_proofs(
        &self,
        from: Option<&[u8]>,
        most: usize,
    ) -> Result<(Vec<RecordedProof>, Option<Vec<u8>>), ServiceFault> {
        let (mut found, mut next) = (Vec::new(), None);
        self.reader().names_from::<ServiceFault>(&names::MISBEHAVIOUR, from.unwrap_or_default(), |name, _| {
            if found.len() == most {
                next = Some(name.to_vec());
                return Ok(ControlFlow::Break(()));
            }
            found.extend(names::read_misbehaviour(name).map(|(_, digest)| digest));
            Ok(ControlFlow::Continue(()))
        })?;
        let found = found.iter().map(|digest| self.recorded_proof(digest)).collect::<Result<Vec<_>, _>>()?;
        Ok((found.into_iter().flatten().collect(), next))
    }

    /// The file of a recorded proof.
    pub(crate) fn proof_file(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ServiceFault> {
        let Some(RecordedProof { index, .. }) = self.recorded_proof(digest)? else { return Ok(None) };
        Ok(self.reader().artefact(index)?)
    }
}
