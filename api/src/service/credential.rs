//! Certificates: issued and revoked. Each has a history of its own, so all of this runs in parallel.

use std::sync::{Arc, PoisonError};

use semper_ledger::{
    entry::{Tag, TagSpace, Tags},
    sequencer::{Appended, Commit, Draft, Idempotency, Refused},
};
use semper_ttp::{
    ca::{
        CaFact, CaId, Grounds, ListId,
        certificate::{self, BuildFault, CertificateSerial, Template},
        credential::{CertificateState, Credential, CredentialEvent, CredentialRefusal, Issue, IssueRefusal, Revoke},
        crl::Reason,
        lint::{LINT_VERSION, Lint},
        name::{AlternativeNames, DistinguishedName},
        profile::Profile,
    },
    digest::Digest,
    evidence::{Aggregate, Recorded},
    role::Role,
    time::Timestamp,
    x509::{Certificate, Period},
};

use super::{
    Service, ServiceFault,
    act::{ATTEMPTS_MAX, Repetition},
    draft,
};
use crate::authorities::Held;

const DAY_SECS: u64 = 24 * 3600;

/// A certificate to be issued. What stands in it was approved, or is the service's own.
#[derive(Clone, Debug)]
pub struct ToIssue {
    /// By whom.
    pub ca: CaId,
    /// By which profile.
    pub profile: Arc<Profile>,
    /// For whom.
    pub subject: DistinguishedName,
    /// What else it names.
    pub alternative_names: AlternativeNames,
    /// The key, SubjectPublicKeyInfo DER.
    pub spki_der: Vec<u8>,
    /// Drawn when the application was approved; `None` draws one now.
    pub serial: Option<[u8; 16]>,
    /// The approved application; empty for the service's own keys.
    pub registration: Vec<u8>,
    /// SHA-256 of the certification request.
    pub request: Digest,
}

/// A certificate to be revoked.
#[derive(Clone, Debug)]
pub struct ToRevoke {
    /// Who issued it.
    pub ca: CaId,
    /// Content octets of its serial number.
    pub serial: Vec<u8>,
    /// Why.
    pub reason: Reason,
    /// SHA-256 of the certificate of who asks.
    pub officer: Digest,
    /// For a request that may be repeated.
    pub idempotency: Option<Idempotency>,
}

/// A certificate that was issued, and stands in the ledger.
#[derive(Clone, Debug)]
pub struct IssuedCertificate {
    /// The certificate.
    pub certificate: Certificate,
    /// Its entry.
    pub index: u64,
}

/// Why a certificate was not issued or revoked.
#[derive(Debug, thiserror::Error)]
pub enum CredentialFault {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] CredentialRefusal),
    /// It cannot be built.
    #[error("the certificate cannot be built: {0}")]
    Build(#[from] BuildFault),
    /// This service has no such CA.
    #[error("this service has no CA {0}")]
    NoCa(String),
    /// By this profile nothing is issued now.
    #[error("the profile {0} is not in force")]
    NoProfile(String),
    /// The CA's key is kept offline.
    #[error("the key of {0} is kept offline: what it is to sign is carried there (semper keys request)")]
    KeyOffline(String),
    /// The key under which a repetition would be known belongs to another request.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// Too much waits.
    #[error("too many commits are waiting")]
    Busy,
    /// The service itself.
    #[error(transparent)]
    Fault(#[from] ServiceFault),
}

impl From<Refused> for CredentialFault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Self::Busy,
            Refused::KeyReused { .. } => Self::KeyReused,
            refused => Self::Fault(refused.into()),
        }
    }
}

impl From<Repetition> for CredentialFault {
    fn from(repetition: Repetition) -> Self {
        match repetition {
            Repetition::KeyReused => Self::KeyReused,
            Repetition::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<semper_ledger::store::Fault> for CredentialFault {
    fn from(fault: semper_ledger::store::Fault) -> Self {
        Self::Fault(fault.into())
    }
}

/// Signed and decided, but not yet in the ledger.
pub(super) struct Prepared {
    pub(super) certificate: Certificate,
    pub(super) commit: Commit,
}

impl Service {
    /// Issues a certificate; blocks until it is in the ledger.
    ///
    /// # Errors
    /// [`CredentialFault`]. A refusal is recorded.
    pub fn issue(&self, wanted: &ToIssue) -> Result<IssuedCertificate, CredentialFault> {
        for _ in 0..ATTEMPTS_MAX {
            let Prepared { certificate, commit } = self.prepare_certificate(wanted)?;
            match self.ledger.append(commit) {
                Ok(appended) => return Ok(IssuedCertificate { certificate, index: appended.first }),
                Err(Refused::Stale { .. }) => {}
                Err(Refused::StepTaken { .. }) => return Err(CredentialRefusal::SerialTaken.into()),
                Err(refused) => return Err(refused.into()),
            }
        }
        Err(CredentialFault::Busy)
    }

    /// The same without waiting: `done` is called once, when the certificate is in the ledger or is not. What is signed is
    /// released by `done` alone.
    pub fn issue_then(
        &self,
        wanted: &ToIssue,
        done: impl FnOnce(Result<IssuedCertificate, CredentialFault>) + Send + 'static,
    ) {
        match self.prepare_certificate(wanted) {
            Err(fault) => done(Err(fault)),
            Ok(Prepared { certificate, commit }) => self.ledger.submit(commit, move |outcome| {
                done(match outcome {
                    Ok(Appended { first, .. }) => Ok(IssuedCertificate { certificate, index: first }),
                    Err(refused) => Err(refused.into()),
                });
            }),
        }
    }

    /// What the lint would say of a certificate, if it were issued now.
    pub(super) fn lint(&self, wanted: &ToIssue) -> Result<Lint, CredentialFault> {
        let held = self.authorities.get(wanted.ca).ok_or_else(|| CredentialFault::NoCa(wanted.ca.place()))?;
        let serial = CertificateSerial::from_random(wanted.serial.unwrap_or_default());
        let (template, _) = self.template(&held, wanted, serial, list_for(&held, &serial).partition, self.time.now());
        Ok(certificate::prepare(&template, &held.key.issuer)?.lint().clone())
    }

    /// Builds, lints, decides and signs.
    pub(super) fn prepare_certificate(&self, wanted: &ToIssue) -> Result<Prepared, CredentialFault> {
        let held = self.authorities.get(wanted.ca).ok_or_else(|| CredentialFault::NoCa(wanted.ca.place()))?;
        self.require_profile(wanted)?;
        let mut random = [0; 32];
        self.entropy.fill(&mut random).map_err(ServiceFault::from)?;
        let (drawn, salt) = random.split_at(16);
        let drawn: [u8; 16] = drawn.try_into().expect("half of 32");
        let serial = CertificateSerial::from_random(wanted.serial.unwrap_or(drawn));
        let (now, clock) = self.time.check();
        let list = list_for(&held, &serial);
        let (template, issuer_validity) = self.template(&held, wanted, serial, list.partition, now);
        let unsigned = certificate::prepare(&template, &held.key.issuer)?;
        let public_key = Digest::of(&wanted.spki_der);
        let grounds = Grounds {
            generation: list.ca.generation,
            partition: list.partition,
            profile: wanted.profile.digest(),
            lint_version: LINT_VERSION,
            findings: unsigned.lint().numbers(),
            registration: wanted.registration.clone(),
            request: wanted.request,
        };
        let aggregate = list.ca.certificate(serial.as_bytes());
        // One that was drawn now cannot have been given before; one that was drawn at an approval may have been.
        let state = match wanted.serial {
            None => CertificateState::None,
            Some(_) => self.certificate_state(&aggregate)?,
        };
        let event = CredentialEvent::Issue(Box::new(Issue {
            list,
            class: wanted.profile.code(),
            serial: serial.as_bytes().to_vec(),
            public_key,
            validity: template.validity,
            issuer_validity,
            to_be_signed: Digest::of(unsigned.message()),
            grounds,
            lint_stops: unsigned.lint().stops(),
            key_compromised: self.is_compromised(&public_key)?,
            issuer_revoked: held.is_revoked(),
            clock,
        }));
        let facts = match Credential::decide(&state, &event, now) {
            Ok((facts, _)) => facts,
            Err(refusal) => {
                if let CredentialRefusal::Issue(reason) = refusal {
                    tracing::warn!(profile = wanted.profile.name(), %refusal, lint = %unsigned.lint(), "not issued");
                    self.record_refusal(wanted, &event, reason, now)?;
                }
                return Err(refusal.into());
            }
        };
        let [fact] = facts.as_slice() else { unreachable!("an issue is one fact") };
        let signer = held.key.signer.as_ref().ok_or_else(|| CredentialFault::KeyOffline(wanted.ca.place()))?;
        let signature = signer.sign(unsigned.message());
        let signature = signature.map_err(|error| ServiceFault::Signing(error.to_string()))?;
        let certificate = unsigned.finish(&signature)?;
        let mut envelope = self.envelope_with(aggregate, 0, now, salt.try_into().expect("half of 32"));
        envelope.event_digest = event.digest();
        let fact = fact.clone().into_fact(&envelope);
        let tag = Tag::new(TagSpace::Certificate, certificate.digest().as_bytes(), 0);
        let draft = tagged(draft(&fact, Some(certificate.der().to_vec())), tag);
        Ok(Prepared { certificate, commit: Commit::one(now.millis(), draft) })
    }

    /// The profile is in force; for an application it is enough that it was when that came.
    fn require_profile(&self, wanted: &ToIssue) -> Result<(), CredentialFault> {
        self.require_policies()?;
        let (name, digest) = (wanted.profile.name(), wanted.profile.digest());
        let in_force = self.policies.profile(name).is_some_and(|profile| profile.digest() == digest);
        let known = || Ok::<_, ServiceFault>(!wanted.registration.is_empty() && self.profile(&digest)?.is_some());
        if in_force || known()? { Ok(()) } else { Err(CredentialFault::NoProfile(name.to_owned())) }
    }

    pub(super) fn template(
        &self,
        held: &Held,
        wanted: &ToIssue,
        serial: CertificateSerial,
        partition: u32,
        now: Timestamp,
    ) -> (Template, Period) {
        let profile = &wanted.profile;
        let not_before = now.whole_secs();
        // Both ends are included, so a life of a day ends a second before it is over.
        let end = |days: u32| not_before.plus_secs((u64::from(days) * DAY_SECS).saturating_sub(1));
        let issuer = held.key.issuer.validity().unwrap_or(Period { not_before, not_after: end(profile.life_days()) });
        let not_after = end(profile.life_days()).min(issuer.not_after);
        let key_period = profile.key_life_days().map(|days| Period { not_before, not_after: end(days).min(not_after) });
        let template = Template {
            profile: profile.clone(),
            subject: wanted.subject.clone(),
            alternative_names: wanted.alternative_names.clone(),
            spki_der: wanted.spki_der.clone(),
            serial,
            validity: Period { not_before, not_after },
            base_url: self.base_url.clone(),
            policies: match &self.test_policy {
                Some(test) if !profile.code().is_ca() => vec![test.clone()],
                _ => profile.policies().to_vec(),
            },
            key_period,
            partition,
        };
        (template, issuer)
    }

    /// What was not issued is a fact, too.
    fn record_refusal(
        &self,
        wanted: &ToIssue,
        event: &CredentialEvent,
        reason: IssueRefusal,
        now: Timestamp,
    ) -> Result<(), CredentialFault> {
        let CredentialEvent::Issue(issue) = event else { unreachable!("only an issue is refused so") };
        let fact = CaFact::IssueRefused {
            profile: wanted.profile.digest(),
            reason: reason.code(),
            lint_version: issue.grounds.lint_version,
            findings: issue.grounds.findings.clone(),
            registration: wanted.registration.clone(),
        };
        // By what would have been its serial number: each refusal is a history of its own.
        let aggregate = Aggregate::of("issue-refused", &issue.serial);
        let mut envelope = self.envelope(aggregate, 0, now, &[]).map_err(ServiceFault::from)?;
        envelope.event_digest = event.digest();
        self.ledger.append(Commit::one(now.millis(), draft(&fact.into_fact(&envelope), None)))?;
        Ok(())
    }

    /// Revokes a certificate; blocks until that is in the ledger, and OCSP says so from then on. Gives the revocation's entry. A
    /// repetition gets that of the first time.
    ///
    /// # Errors
    /// [`CredentialFault`].
    pub fn revoke(&self, wanted: &ToRevoke) -> Result<u64, CredentialFault> {
        let ToRevoke { ca, ref serial, reason, officer, idempotency } = *wanted;
        if let Some(first) = self.answered(idempotency)? {
            return Ok(first);
        }
        let aggregate = ca.certificate(serial);
        let _closing = self.close_units(ca, serial);
        for _ in 0..ATTEMPTS_MAX {
            let state = self.certificate_state(&aggregate)?;
            let der = self.reader().artefact_of_step(&aggregate.0, 0)?;
            let certificate = Digest::of(der.as_deref().unwrap_or_default());
            // A list that is made meanwhile waits: it names what was decided before it.
            let deciding = self.deciding.read().unwrap_or_else(PoisonError::into_inner);
            let (now, clock) = self.time.check();
            let event = CredentialEvent::Revoke(Revoke { reason, certificate, officer, clock });
            let (facts, _) = Credential::decide(&state, &event, now)?;
            let [fact @ CaFact::CertificateRevoked { list, .. }] = facts.as_slice() else {
                unreachable!("a revocation is one fact")
            };
            let mut envelope = self.envelope(aggregate, 1, now, &[]).map_err(ServiceFault::from)?;
            envelope.event_digest = event.digest();
            let fact = fact.clone().into_fact(&envelope);
            let tag = Tag::new(TagSpace::Certificate, certificate.as_bytes(), 1);
            let draft = tagged(draft(&fact, None), tag);
            draft.names.iter().for_each(|name| self.compromised.insert_name(name));
            let commit = Commit { idempotency, ..Commit::one(now.millis(), draft) };
            let appended = self.ledger.append(commit);
            drop(deciding);
            match appended {
                Ok(appended) => {
                    self.after_revocation(*list, serial);
                    if let Some(certificate) = der.and_then(|der| Certificate::from_der(&der).ok()) {
                        self.after_revocation_of(&certificate);
                        self.after_revocation_of_responder(&certificate);
                    }
                    return Ok(appended.first);
                }
                // Somebody was faster: decided anew, it says so.
                Err(Refused::Stale { .. } | Refused::StepTaken { .. } | Refused::TagSeen { .. }) => {}
                Err(refused) => return Err(refused.into()),
            }
        }
        Err(CredentialFault::Busy)
    }

    /// What is served forgets what it knew of the certificate.
    fn after_revocation(&self, list: ListId, serial: &[u8]) {
        self.responders.forget(list.ca, serial);
        if let Some(held) = self.authorities.get(list.ca) {
            if let Some(stale) = held.list(list.partition) {
                stale.mark_stale();
            }
            // That of all follows at its own pace.
            if let Some(behind) = held.list(0).filter(|_| list.partition > 0) {
                behind.mark_behind();
            }
            self.revoked.notify_one();
        }
        // A CA of ours signs no more from this moment on.
        if let Some(own) = self.authorities.all().iter().find(|held| held.is_certified_by(list.ca, serial)) {
            own.mark_revoked();
        }
    }

    /// The state of one certificate.
    pub(super) fn certificate_state(&self, aggregate: &Aggregate) -> Result<CertificateState, ServiceFault> {
        let mut state = self.state_of::<Credential>(aggregate)?.state;
        if let CertificateState::Issued(status) = &mut state
            && status.revoked.is_none()
        {
            status.revoked = self.lost_revocations.of(aggregate).map(|lost| lost.revocation);
        }
        Ok(state)
    }
}

/// The list that is written into a new certificate: one of the shards by its serial number, whose lowest bits are random.
pub(super) fn list_for(held: &Held, serial: &CertificateSerial) -> ListId {
    let low = u32::from_be_bytes(serial.as_bytes()[12..].try_into().expect("the last four of sixteen"));
    let partition = if held.key.shards == 0 { 0 } else { 1 + low % held.key.shards };
    ListId { ca: held.key.ca, partition }
}

pub(super) fn tagged(draft: Draft, tag: Tag) -> Draft {
    Draft { tags: Tags::new(vec![tag]).expect("one tag is not too many"), ..draft }
}
