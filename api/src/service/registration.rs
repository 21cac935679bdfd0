//! Applications for certificates: taken in, decided by officers, and what follows from an approval.
//!
//! ```text
//! document → possession, terms, lint of what would be issued → Apply → …officers… → the last approval
//!   → each certificate in a history of its own → the party → its keys
//! ```
//!
//! What follows from an approval is several commits (`approved.rs`).

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    ca::{certificate::CertificateSerial, profile::Profile, request::CertificationRequest},
    digest::Digest,
    evidence::{Aggregate, names},
    id::{PartyId, RegistrationId},
    party::{PartyEvent, PartyRefusal, PartyRegistry, PartyState},
    registration::{
        Apply, Approve, Expire, RecordIdentity, RefusalReason, Refuse, Registration, RegistrationEvent,
        RegistrationFact, RegistrationRefusal, RegistrationState, RequestedKey, Withdraw,
        document::{ApplicationDocument, DocumentFault, IdentityRecord, Offer, ProofFault},
    },
    statement::{Jws, terms::TermsAccepted},
    timestamp::ClockVerdict,
    x509::Certificate,
};

use super::{
    CredentialFault, Policies, Service, ServiceFault, ToIssue,
    act::{ActFault, Acted, Given, read_fact},
};
use crate::{
    access::{Access, AccessLog},
    notices::WebhookFault,
};

/// What applications rest on.
#[derive(Debug)]
pub struct RegistrationParts {
    /// Where reads of documents that name people are written; without it nobody reads any.
    pub access: Option<AccessLog>,
    /// How long an application may be open, seconds.
    pub life_secs: u64,
    /// The most applications that are open at once.
    pub open_max: usize,
}

impl Default for RegistrationParts {
    /// More than officers decide in the life of one.
    fn default() -> Self {
        Self { access: None, life_secs: 0, open_max: 10_000 }
    }
}

/// All that is held for applications.
pub(crate) struct Register {
    pub(crate) terms: Bytes,
    pub(crate) terms_digest: Digest,
    pub(crate) life_secs: u64,
    access: Option<AccessLog>,
    open_max: usize,
    /// With whether it is a stranger's.
    open: Mutex<BTreeMap<RegistrationId, bool>>,
    /// Approved, but not all that follows is done.
    unfinished: Mutex<BTreeSet<RegistrationId>>,
    /// Held by whoever approves: of two applications for one key or one name only one may be approved.
    approving: Mutex<()>,
}

impl Register {
    pub(super) fn new(parts: RegistrationParts, policies: &Policies) -> Self {
        let RegistrationParts { access, life_secs, open_max } = parts;
        let terms = Bytes::copy_from_slice(policies.terms().unwrap_or_default());
        let terms_digest = Digest::of(&terms);
        let (open, unfinished, approving) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { terms, terms_digest, life_secs, access, open_max, open, unfinished, approving }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<RegistrationId, bool>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn unfinished(&self) -> MutexGuard<'_, BTreeSet<RegistrationId>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Strangers, of whom anybody can play many, fill four fifths at most: the rest is for those who come with a certificate.
    fn has_room(&self, for_stranger: bool) -> Result<(), RegistrationFault> {
        let open = self.open();
        let strangers = || open.values().filter(|is_strangers| **is_strangers).count();
        let full = open.len() >= self.open_max || for_stranger && strangers() >= self.open_max / 5 * 4;
        if full { Err(RegistrationFault::Full { open: open.len() }) } else { Ok(()) }
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationFault {
    /// What was sent is no such document.
    #[error(transparent)]
    Document(#[from] DocumentFault),
    /// The applicant does not show what it has to.
    #[error(transparent)]
    Proof(#[from] ProofFault),
    /// No such profile, or not one to apply for.
    #[error("there is no profile {0} that anybody applies for; /.well-known/semper lists those that there are")]
    Profile(String),
    /// The webhook that it names.
    #[error("contact: the webhook is not called: {0}")]
    Webhook(#[from] WebhookFault),
    /// The terms were accepted by another party than the one that applies.
    #[error("the terms were accepted by the party {accepted}, and {applicant} applies")]
    OtherParty {
        /// By whom.
        accepted: PartyId,
        /// Who applies.
        applicant: PartyId,
    },
    /// The certificate that would follow.
    #[error("certificate {place} ({profile}): {why}")]
    Lint {
        /// Of which request, counted from 0.
        place: usize,
        /// By which profile.
        profile: String,
        /// What the lint says.
        why: String,
    },
    /// As many are open as may be, or as many of strangers.
    #[error("{open} applications are open; officers have to decide some first")]
    Full {
        /// How many.
        open: usize,
    },
    /// The document is kept no more.
    #[error("the document was erased")]
    Erased,
    /// The rules, or the service itself.
    #[error(transparent)]
    Act(#[from] ActFault<RegistrationRefusal>),
}

impl From<ServiceFault> for RegistrationFault {
    fn from(fault: ServiceFault) -> Self {
        Self::Act(fault.into())
    }
}

impl From<semper_ledger::store::Fault> for RegistrationFault {
    fn from(fault: semper_ledger::store::Fault) -> Self {
        Self::Act(fault.into())
    }
}

/// An application as the ledger knows it.
#[derive(Clone, Debug)]
pub struct KnownApplication {
    /// Its state.
    pub state: RegistrationState,
    /// The entry of its arrival.
    pub applied_at: u64,
    /// The certificates that were issued for it.
    pub certificates: Vec<Certificate>,
}

impl Service {
    /// Takes an application in, of a registered party or not, and by a certificate or none. A repetition gets the name that the first
    /// one got.
    ///
    /// # Errors
    /// [`RegistrationFault`].
    pub fn apply(
        &self,
        bytes: &[u8],
        applicant: Option<PartyId>,
        by: Option<Digest>,
        idempotency: impl FnOnce(&ApplicationDocument) -> Idempotency,
    ) -> Result<RegistrationId, RegistrationFault> {
        self.require_policies()?;
        let document = ApplicationDocument::parse(bytes)?;
        let idempotency = Some(idempotency(&document));
        if let Some(index) = self.answered(idempotency).map_err(ActFault::from)? {
            return Ok(self.application_of_entry(index)?);
        }
        self.judge_webhook(&document)?;
        let offer = Offer { service: self.reader().identity().origin(), terms: self.register.terms_digest };
        let proof = document.prove(offer)?;
        if let Some(applicant) = applicant.filter(|applicant| *applicant != proof.party) {
            return Err(RegistrationFault::OtherParty { accepted: proof.party, applicant });
        }
        let mut keys = Vec::new();
        let mut officers_needed = 1;
        for (place, (asked, request)) in document.requests.iter().zip(&proof.requests).enumerate() {
            let profile = self.policies.applied_for().find(|profile| profile.name() == asked.profile);
            let profile = profile.ok_or_else(|| RegistrationFault::Profile(asked.profile.clone()))?;
            self.try_out(place, &document, profile, request)?;
            officers_needed = officers_needed.max(profile.officers());
            keys.push(RequestedKey {
                profile: profile.digest(),
                class: profile.code().code(),
                request: request.digest(),
                public_key: Digest::of(request.spki_der()),
            });
        }
        self.register.has_room(by.is_none())?;
        let id: RegistrationId = self.random()?.into();
        let apply = Apply {
            id,
            key_compromised: self.any(&keys, names::compromised)?,
            key_taken: self.is_key_taken(&keys)?,
            keys,
            subject: Digest::of(bytes),
            applicant,
            terms: document.terms_digest(),
            officers_needed,
            applied_by: by.map(|certificate| self.officer(certificate)).transpose()?,
            party_taken: self.is_taken(applicant, proof.party)?,
            clock: ClockVerdict::Unsynced,
        };
        let given = Given { idempotency, artefact: Some(bytes) };
        let event = |_: &_, clock| Ok(RegistrationEvent::Apply(Box::new(Apply { clock, ..apply.clone() })));
        let Acted { index, .. } = self.act_on(id, given, event)?;
        // Of two requests with one key at the same moment, the ledger took one.
        let taken = self.application_of_entry(index)?;
        if taken == id {
            self.register.open().insert(id, by.is_none());
        }
        Ok(taken)
    }

    /// Whether a certificate by this profile could be issued.
    fn try_out(
        &self,
        place: usize,
        document: &ApplicationDocument,
        profile: &Arc<Profile>,
        request: &CertificationRequest,
    ) -> Result<(), RegistrationFault> {
        let fault = |why: String| RegistrationFault::Lint { place, profile: profile.name().to_owned(), why };
        let wanted = self.certificate_wanted(document, profile, request, &[], None)?;
        match self.lint(&wanted) {
            Ok(lint) if lint.stops() => {
                let misfit = profile.misfit(&document.subject).map(|misfit| format!("{misfit}; "));
                Err(fault(format!("{}{lint}", misfit.unwrap_or_default())))
            }
            Ok(_) => Ok(()),
            Err(CredentialFault::Build(error)) => Err(fault(error.to_string())),
            Err(CredentialFault::Fault(error)) => Err(error.into()),
            Err(error) => Err(ServiceFault::Facts(error.to_string()).into()),
        }
    }

    pub(super) fn certificate_wanted(
        &self,
        document: &ApplicationDocument,
        profile: &Arc<Profile>,
        request: &CertificationRequest,
        registration: &[u8],
        serial: Option<[u8; 16]>,
    ) -> Result<ToIssue, ServiceFault> {
        // Of what may be applied for, each profile that comes with the program has one issuer.
        let issuer = profile.issuers().iter().find_map(|authority| self.authorities.newest(*authority));
        let issuer = issuer.ok_or_else(|| ServiceFault::Facts(format!("no CA issues {}", profile.name())))?;
        Ok(ToIssue {
            ca: issuer.key.ca,
            profile: profile.clone(),
            subject: document.subject.clone(),
            alternative_names: document.alternative_names.clone().unwrap_or_default(),
            spki_der: request.spki_der().to_vec(),
            serial,
            registration: registration.to_vec(),
            request: request.digest(),
        })
    }

    /// An officer records how the applicant's identity was proven.
    ///
    /// # Errors
    /// [`RegistrationFault`].
    pub fn record_identity(
        &self,
        id: RegistrationId,
        bytes: &[u8],
        officer: Digest,
        idempotency: Option<Idempotency>,
    ) -> Result<(), RegistrationFault> {
        IdentityRecord::parse(bytes)?.require_valid_documents()?;
        let (record, certificate) = (Digest::of(bytes), officer);
        let officer = self.officer(certificate)?;
        let given = Given { idempotency, artefact: Some(bytes) };
        let event = |_: &_, clock| {
            let officer_good = self.is_good(&certificate)?;
            Ok(RegistrationEvent::RecordIdentity(RecordIdentity { record, officer, officer_good, clock }))
        };
        self.act_on(id, given, event)?;
        Ok(())
    }

    /// An officer approves; after the last approval what follows from it is done before this returns.
    ///
    /// # Errors
    /// [`RegistrationFault`].
    pub fn approve(
        &self,
        id: RegistrationId,
        officer: Digest,
        idempotency: Option<Idempotency>,
    ) -> Result<(), RegistrationFault> {
        let _one_at_a_time = self.register.approving.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, document) = self.application_document(id)?;
        let (party, certificate) = (party_of(&document)?, officer);
        let officer = self.officer(certificate)?;
        let event = |state: &RegistrationState, clock| {
            let (keys, applicant) =
                state.application().map_or((&[][..], None), |asked| (&asked.keys[..], asked.applicant));
            let serial = |_: &_| Ok(*CertificateSerial::from_random(self.random()?).as_bytes());
            Ok(RegistrationEvent::Approve(Box::new(Approve {
                officer,
                officer_good: self.is_good(&certificate)?,
                first_revoked: match state {
                    RegistrationState::ApprovedByOne { officer: first, .. } => self.is_revoked(&first.certificate)?,
                    _ => false,
                },
                serials: keys.iter().map(serial).collect::<Result<_, ServiceFault>>()?,
                party,
                key_taken: self.is_key_taken(keys)?,
                party_taken: self.is_taken(applicant, party)?,
                applicant_suspended: applicant.map_or(Ok(false), |party| self.is_suspended(party))?,
                clock,
            })))
        };
        let acted = self.act_on(id, Given { idempotency, artefact: None }, event)?;
        if acted.state.approval().is_some() {
            self.register.open().remove(&id);
            // That it was approved stands; what does not follow now, follows later.
            self.finish_or_keep(id);
        }
        Ok(())
    }

    /// An officer refuses.
    ///
    /// # Errors
    /// [`RegistrationFault`].
    pub fn refuse(
        &self,
        id: RegistrationId,
        reason: RefusalReason,
        officer: Digest,
        idempotency: Option<Idempotency>,
    ) -> Result<(), RegistrationFault> {
        let event = |_: &_, clock| {
            let officer_good = self.is_good(&officer)?;
            Ok(RegistrationEvent::Refuse(Refuse { officer, officer_good, reason, clock }))
        };
        self.end(id, idempotency, event)
    }

    /// Verifies the statement by which an applicant who has no certificate withdraws.
    ///
    /// # Errors
    /// [`RegistrationFault`].
    pub fn prove_withdrawal(&self, id: RegistrationId, statement: &[u8]) -> Result<(), RegistrationFault> {
        let (_, document) = self.application_document(id)?;
        Ok(document.prove_withdrawal(statement, id, self.reader().identity().origin())?)
    }

    /// The applicant withdraws.
    ///
    /// # Errors
    /// [`RegistrationFault`].
    pub fn withdraw(&self, id: RegistrationId, idempotency: Option<Idempotency>) -> Result<(), RegistrationFault> {
        self.end(id, idempotency, |_: &_, clock| Ok(RegistrationEvent::Withdraw(Withdraw { clock })))
    }

    fn end(
        &self,
        id: RegistrationId,
        idempotency: Option<Idempotency>,
        event: impl Fn(&RegistrationState, ClockVerdict) -> Result<RegistrationEvent, ServiceFault>,
    ) -> Result<(), RegistrationFault> {
        self.act_on(id, Given { idempotency, artefact: None }, event)?;
        self.register.open().remove(&id);
        Ok(())
    }

    /// Ends applications that were open too long. Blocks on the disk.
    ///
    /// # Errors
    /// The ledger, the clock.
    pub fn expire_applications(&self) -> Result<(), ServiceFault> {
        let open: Vec<_> = self.register.open().keys().copied().collect();
        let life_secs = self.register.life_secs;
        for id in open {
            let event = |_: &_, clock| Ok(RegistrationEvent::Expire(Expire { life_secs, clock }));
            match self.end(id, None, event) {
                Ok(()) => tracing::info!(registration = %id, "the application was open too long"),
                Err(RegistrationFault::Act(ActFault::Refused(RegistrationRefusal::NotExpired { .. }))) => {}
                Err(RegistrationFault::Act(ActFault::Fault(fault))) => return Err(fault),
                // Decided meanwhile, or none at all.
                Err(RegistrationFault::Act(ActFault::Refused(
                    RegistrationRefusal::NotApplied
                    | RegistrationRefusal::Approved { .. }
                    | RegistrationRefusal::Refused { .. },
                ))) => {
                    self.register.open().remove(&id);
                }
                // Another time.
                Err(fault) => tracing::debug!(registration = %id, %fault, "not ended"),
            }
        }
        Ok(())
    }

    /// An application, if there is one.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn find_application(&self, id: RegistrationId) -> Result<Option<KnownApplication>, ServiceFault> {
        let state = self.registration_state(id)?;
        let Some(applied_at) = self.reader().step_index(&id.aggregate().0, 0)? else { return Ok(None) };
        let mut certificates = Vec::new();
        for index in self.issued_for(id)? {
            let der = self.reader().artefact(index)?.unwrap_or_default();
            certificates.extend(Certificate::from_der(&der));
        }
        Ok(Some(KnownApplication { state, applied_at, certificates }))
    }

    /// The names of open applications behind `after`, in their order, at most `most`.
    #[must_use]
    pub fn open_applications(&self, after: Option<RegistrationId>, most: usize) -> Vec<RegistrationId> {
        let open = self.register.open();
        match after {
            None => open.keys().take(most).copied().collect(),
            Some(after) => open.range(after..).map(|(id, _)| *id).filter(|id| *id != after).take(most).collect(),
        }
    }

    /// The application document, as it was received. The read is in the access log before this returns.
    ///
    /// # Errors
    /// [`RegistrationFault`].
    pub fn read_application(&self, id: RegistrationId, reader: Digest) -> Result<Vec<u8>, RegistrationFault> {
        let (bytes, _) = self.application_document(id)?;
        self.log_access(&format!("registration/{id}/application"), reader, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// The newest record of identity, as it was received. The read is in the access log before this returns.
    ///
    /// # Errors
    /// [`RegistrationFault`].
    pub fn read_identity(&self, id: RegistrationId, reader: Digest) -> Result<Vec<u8>, RegistrationFault> {
        let facts = self.reader().facts_of(&id.aggregate().0, 0)?;
        let mut newest = None;
        for (step, bytes) in (0..).zip(&facts) {
            if let RegistrationFact::IdentityRecorded { .. } = read_fact::<RegistrationFact>(bytes)? {
                newest = Some(step);
            }
        }
        let refusal = if facts.is_empty() { RegistrationRefusal::NotApplied } else { RegistrationRefusal::NoIdentity };
        let step = newest.ok_or(ActFault::Refused(refusal))?;
        let bytes = self.reader().artefact_of_step(&id.aggregate().0, step)?;
        let bytes = bytes.ok_or(RegistrationFault::Erased)?;
        self.log_access(&format!("registration/{id}/identity"), reader, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// Writes down that somebody reads a document; it is on the disk when this returns.
    pub(super) fn log_access(&self, of: &str, reader: Digest, document: Digest) -> Result<(), ServiceFault> {
        let (at, salt) = (self.now(), self.random()?);
        let Some(log) = &self.register.access else {
            return Err(ServiceFault::Access("this service has no access log, so nobody reads".to_owned()));
        };
        log.append(&Access { at, salt, reader, document, of }).map_err(|error| ServiceFault::Access(error.to_string()))
    }

    /// Gives the segments of the access log that are complete their entries. Blocks on the disk.
    ///
    /// # Errors
    /// The disk, the ledger, the clock.
    pub fn record_accesses(&self) -> Result<(), ServiceFault> {
        let Some(log) = &self.register.access else { return Ok(()) };
        let fault = |error: std::io::Error| ServiceFault::Access(error.to_string());
        for from in log.pending(self.now()) {
            if self.reader().last_step(&Aggregate::of_access(from).0)?.is_none() {
                self.record_access(from, log.tree(from).map_err(fault)?)?;
            }
            log.recorded(from);
        }
        Ok(())
    }

    pub(super) fn application_document(
        &self,
        id: RegistrationId,
    ) -> Result<(Vec<u8>, ApplicationDocument), RegistrationFault> {
        let Some(index) = self.reader().step_index(&id.aggregate().0, 0)? else {
            return Err(ActFault::Refused(RegistrationRefusal::NotApplied).into());
        };
        let bytes = self.reader().artefact(index)?.ok_or(RegistrationFault::Erased)?;
        let document = ApplicationDocument::parse(&bytes).map_err(|fault| ServiceFault::Facts(fault.to_string()))?;
        Ok((bytes, document))
    }

    pub(super) fn registration_state(&self, id: RegistrationId) -> Result<RegistrationState, ServiceFault> {
        Ok(self.state_of::<Registration>(&id.aggregate())?.state)
    }

    fn act_on(
        &self,
        id: RegistrationId,
        given: Given<'_>,
        event: impl Fn(&RegistrationState, ClockVerdict) -> Result<RegistrationEvent, ServiceFault>,
    ) -> Result<Acted<Registration>, ActFault<RegistrationRefusal>> {
        self.act::<Registration>(id.aggregate(), given, RegistrationEvent::digest, event)
    }

    pub(super) fn act_on_party(
        &self,
        party: PartyId,
        given: Given<'_>,
        event: impl Fn(&PartyState, ClockVerdict) -> Result<PartyEvent, ServiceFault>,
    ) -> Result<Acted<PartyRegistry>, ActFault<PartyRefusal>> {
        self.act::<PartyRegistry>(party.aggregate(), given, PartyEvent::digest, event)
    }

    /// At a start: applications that were not decided.
    pub(super) fn load_open_applications(&self) -> Result<(), ServiceFault> {
        let mut open = BTreeSet::new();
        self.reader().names::<ServiceFault>(&names::APPLICATIONS, |name, _| {
            open.extend(names::read_applied(name));
            Ok(ControlFlow::Continue(()))
        })?;
        self.reader().names::<ServiceFault>(&names::DECIDED_APPLICATIONS, |name, _| {
            if let Some(decided) = names::read_decided(name) {
                open.remove(&decided);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        // A fact that does not read is for the audit to tell of; here it is a stranger's.
        let strangers = |id: &RegistrationId| {
            let state = self.registration_state(*id);
            state.is_ok_and(|state| state.application().is_none_or(|asked| asked.applied_by.is_none()))
        };
        *self.register.open() = open.into_iter().map(|id| (id, strangers(&id))).collect();
        Ok(())
    }

    /// The entries of the certificates that were issued for an application.
    pub(super) fn issued_for(&self, id: RegistrationId) -> Result<Vec<u64>, ServiceFault> {
        Ok(self.reader().indexes(&names::issued_for(id))?)
    }

    fn any(&self, keys: &[RequestedKey], name: fn(&Digest) -> Vec<u8>) -> Result<bool, ServiceFault> {
        for key in keys {
            if self.reader().last_name(&name(&key.public_key))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether one of the keys has a certificate, or will have one that was approved.
    fn is_key_taken(&self, keys: &[RequestedKey]) -> Result<bool, ServiceFault> {
        Ok(self.any(keys, names::key)? || self.any(keys, names::approved_key)?)
    }

    pub(super) fn is_suspended(&self, party: PartyId) -> Result<bool, ServiceFault> {
        Ok(matches!(self.party_state(party)?, PartyState::Suspended(..)))
    }

    /// Whether a first applicant has named itself as somebody else is named.
    fn is_taken(&self, applicant: Option<PartyId>, party: PartyId) -> Result<bool, ServiceFault> {
        Ok(applicant.is_none() && self.reader().last_step(&party.aggregate().0)?.is_some())
    }

    fn application_of_entry(&self, index: u64) -> Result<RegistrationId, ServiceFault> {
        let fact = self.reader().fact(index)?.unwrap_or_default();
        Ok(read_fact::<RegistrationFact>(&fact)?.id())
    }

    pub(super) fn random(&self) -> Result<[u8; 16], ServiceFault> {
        let mut random = [0; 16];
        self.entropy.fill(&mut random)?;
        Ok(random)
    }
}

/// Under which name the terms were accepted.
fn party_of(document: &ApplicationDocument) -> Result<PartyId, ServiceFault> {
    let jws = Jws::parse(document.terms.as_bytes()).and_then(|jws| jws.payload_as::<TermsAccepted>());
    jws.map(|statement| statement.body.party).map_err(|fault| ServiceFault::Facts(fault.to_string()))
}
