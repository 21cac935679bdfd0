//! The status of certificates, signed: one responder for each issuing CA, whose certificate renews itself, and a cache of responses
//! that hold for everybody who asks without a nonce.
//!
//! A response follows from the ledger and is no entry. A cached one is forgotten at the moment at which its certificate's revocation
//! is durable, before whoever revoked is answered.

mod kept;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use semper_ledger::sequencer::Commit;
use semper_ttp::{
    ca::{
        Authority, CaId,
        credential::CertificateState,
        name::{AlternativeNames, Subject},
        ocsp::{CertId, ErrorStatus, IssuerHashes, OcspRequest, Responder, Single, Status},
        profile::{Profile, ProfileCode},
    },
    crypto::Signer,
    digest::Digest,
    evidence::{Aggregate, KeyId, OpsFact, Recorded, names},
    time::Timestamp,
    x509::Certificate,
};

pub(crate) use self::kept::Answer;
use self::kept::Kept;
use super::{Service, ServiceFault, ToIssue, draft};
use crate::authorities::{Authorities, Held};

/// From thisUpdate to nextUpdate, seconds: 8 hours to 7 days are allowed (spec §10).
pub const OCSP_LIFE_SECS: u64 = 24 * 3600;

/// The key of one responder.
pub struct ResponderKey {
    /// For whose certificates: all CAs of the line.
    pub authority: Authority,
    /// Its name.
    pub key: KeyId,
    /// The key.
    pub signer: Arc<dyn Signer>,
}

/// The responders of all CAs, and what they have answered.
pub(crate) struct Responders {
    /// By the numbers under which their answers are kept: one is added or replaced, none ever goes.
    of: ArcSwap<Vec<Arc<OfCa>>>,
    pub(super) subject: Subject,
    kept: Kept,
    /// Whether they were looked at since the start: before, none has a certificate.
    looked_at: AtomicBool,
}

struct OfCa {
    ca: CaId,
    /// The CA's certificate.
    certificate: Certificate,
    issuer: IssuerHashes,
    key: KeyId,
    signer: Arc<dyn Signer>,
    /// None until its certificate is in the ledger; the CA itself where that was taken over.
    responder: ArcSwapOption<Responder>,
}

/// What a request gets.
#[derive(Debug)]
pub(crate) enum Answered {
    /// For everybody.
    Cached(Arc<Answer>),
    /// For this request alone: it has a nonce, or asks about more than one certificate, or about one that does not exist.
    Once(Vec<u8>),
    /// An error, unsigned.
    Error(ErrorStatus),
}

impl Responders {
    /// A CA whose line has no key has no responder.
    pub(crate) fn new(authorities: &Authorities, keys: Vec<ResponderKey>, subject: Subject) -> Self {
        let of_all = authorities.all();
        let of = of_all.iter().filter_map(|held| {
            let (key, signer) = match held.key.ca.authority {
                // It certifies nobody any more, so it answers itself.
                Authority::Imported => (held.key.ca.key(), held.key.signer.clone()?),
                line => keys.iter().find(|key| key.authority == line).map(|of| (of.key, of.signer.clone()))?,
            };
            OfCa::new(held, key, signer).map(Arc::new)
        });
        Self {
            of: ArcSwap::from_pointee(of.collect()),
            subject,
            kept: Kept::default(),
            looked_at: AtomicBool::new(false),
        }
    }

    /// Who answers for the issuer that a request names, and under which number.
    fn find(&self, id: &CertId) -> Option<(u16, Arc<OfCa>)> {
        let all = self.of.load();
        let at = all.iter().position(|of| of.issuer.matches(id))?;
        Some((at as u16, all[at].clone()))
    }

    /// The key that answers for a line now.
    pub(super) fn key_of(&self, authority: Authority) -> Option<(KeyId, Arc<dyn Signer>)> {
        let all = self.of.load();
        all.iter().find(|of| of.ca.authority == authority).map(|of| (of.key, of.signer.clone()))
    }

    /// Until when each CA's responses can be signed.
    pub(super) fn ends(&self) -> Vec<(CaId, Option<Timestamp>)> {
        let end = |of: &Arc<OfCa>| {
            let responder = of.responder.load();
            (of.ca, responder.as_ref().map(|responder| responder.certificate().validity().not_after))
        };
        self.of.load().iter().map(end).collect()
    }

    /// Forgets what was answered about a certificate.
    pub(super) fn forget(&self, ca: CaId, serial: &[u8]) {
        let Some(at) = self.of.load().iter().position(|of| of.ca == ca) else { return };
        self.kept.forget(&(at as u16, serial.to_vec()));
    }
}

impl OfCa {
    fn new(held: &Held, key: KeyId, signer: Arc<dyn Signer>) -> Option<Self> {
        let certificate = held.certificate.clone()?;
        let issuer = IssuerHashes::of(&certificate);
        Some(Self { ca: held.key.ca, certificate, issuer, key, signer, responder: ArcSwapOption::empty() })
    }

    /// Who may answer now: whoever has a certificate that is valid and was not revoked.
    fn responder(&self, now: Timestamp) -> Option<Arc<Responder>> {
        self.responder.load_full().filter(|responder| responder.certificate().validity().contains(now))
    }

    /// From now on the answers are signed under this certificate, or under the CA's own.
    fn answers_as(&self, delegated: Option<&Certificate>) -> Result<(), ServiceFault> {
        let responder = Responder::new(&self.certificate, delegated, self.signer.algorithm());
        self.responder.store(Some(Arc::new(responder.map_err(|fault| ServiceFault::Responder(fault.to_string()))?)));
        Ok(())
    }

    fn with_key(&self, key: KeyId, signer: Arc<dyn Signer>) -> Self {
        let Self { ca, certificate, issuer, .. } = self;
        let responder = ArcSwapOption::empty();
        Self { ca: *ca, certificate: certificate.clone(), issuer: issuer.clone(), key, signer, responder }
    }
}

impl Service {
    /// Answers a request. `may_say_unknown` tells whether this client may have another signature about a certificate that does not
    /// exist. Blocks on the store and signs.
    pub(crate) fn ocsp(&self, request: &OcspRequest, may_say_unknown: impl FnOnce() -> bool) -> Answered {
        if self.is_halted() {
            return Answered::Error(ErrorStatus::InternalError);
        }
        let ids = request.cert_ids();
        let Some((at, of)) = ids.first().and_then(|id| self.responders.find(id)) else {
            return Answered::Error(ErrorStatus::Unauthorized);
        };
        // One signature is by one responder: all certificates must be of one CA.
        let of = &*of;
        if !ids.iter().all(|id| of.issuer.matches(id)) {
            return Answered::Error(ErrorStatus::Unauthorized);
        }
        let (now, clock) = self.time.check();
        if !clock.may_issue() {
            return Answered::Error(ErrorStatus::TryLater);
        }
        if let ([id], None) = (ids, request.nonce()) {
            return self.ocsp_for_everybody((at, of), id, now, may_say_unknown);
        }
        let statuses = ids.iter().map(|id| self.kept_status(of, at, id)).collect::<Result<Vec<_>, _>>();
        let statuses = match statuses {
            Ok(statuses) => statuses,
            Err(fault) => return failed(&fault),
        };
        if statuses.contains(&Status::Unknown) && !may_say_unknown() {
            return Answered::Error(ErrorStatus::Unauthorized);
        }
        let Some(responder) = of.responder(now) else { return Answered::Error(ErrorStatus::TryLater) };
        let (this_update, next_update) = times(&responder, now);
        let single = |(cert_id, status)| Single { cert_id, status, this_update, next_update };
        let singles: Vec<_> = ids.iter().zip(statuses).map(single).collect();
        let unsigned = responder.prepare(&singles, now, request.nonce());
        match of.signer.sign(unsigned.message()) {
            Ok(signature) => Answered::Once(unsigned.finish(&signature)),
            Err(error) => failed(&error),
        }
    }

    /// An answer as octets, to whoever is in this process.
    pub fn ocsp_response(&self, request: &OcspRequest) -> Vec<u8> {
        match self.ocsp(request, || true) {
            Answered::Cached(answer) => answer.der.to_vec(),
            Answered::Once(der) => der,
            Answered::Error(status) => status.der().to_vec(),
        }
    }

    fn ocsp_for_everybody(
        &self,
        (at, of): (u16, &OfCa),
        id: &CertId,
        now: Timestamp,
        may_say_unknown: impl FnOnce() -> bool,
    ) -> Answered {
        let (kept, key) = (&self.responders.kept, (at, id.serial().to_vec()));
        // Half of its life is left at the least (spec §10), unless it ends with its responder.
        let is_fresh = |answer: &Answer| {
            now < answer.this_update.plus_secs(OCSP_LIFE_SECS / 2) && now.whole_secs() < answer.next_update
        };
        if let Some(answer) = kept.answer(&key, id).filter(|answer| is_fresh(answer)) {
            return Answered::Cached(answer);
        }
        let before = kept.before(&key);
        let status = match self.ocsp_status(of, id) {
            Ok(status) => status,
            Err(fault) => return failed(&fault),
        };
        if status == Status::Unknown && !may_say_unknown() {
            return Answered::Error(ErrorStatus::Unauthorized);
        }
        let Some(responder) = of.responder(now) else { return Answered::Error(ErrorStatus::TryLater) };
        let (this_update, next_update) = times(&responder, now);
        let unsigned = responder.prepare(&[Single { cert_id: id, status, this_update, next_update }], now, None);
        let der = match of.signer.sign(unsigned.message()) {
            Ok(signature) => unsigned.finish(&signature),
            Err(error) => return failed(&error),
        };
        // Serial numbers that do not exist are without number: they would drive out those that do.
        if status == Status::Unknown {
            return Answered::Once(der);
        }
        let etag = format!("\"{}\"", Digest::of(&der));
        let answer = Arc::new(Answer { der: der.into(), this_update, next_update, etag });
        kept.keep(&key, before, |known| known.put(id, answer.clone()));
        Answered::Cached(answer)
    }

    /// The status for one who is to have a signature of its own: what the ledger said is kept, too.
    fn kept_status(&self, of: &OfCa, at: u16, id: &CertId) -> Result<Status, ServiceFault> {
        let (kept, key) = (&self.responders.kept, (at, id.serial().to_vec()));
        if let Some(status) = kept.status(&key) {
            return Ok(status);
        }
        let before = kept.before(&key);
        let status = self.ocsp_status(of, id)?;
        if status != Status::Unknown {
            kept.keep(&key, before, |known| known.set(status));
        }
        Ok(status)
    }

    /// Whether every responder's key signs so fast that it needs no thread of its own.
    pub(crate) fn ocsp_is_quick(&self) -> bool {
        self.responders.of.load().iter().all(|of| of.signer.is_quick())
    }

    /// Whether this address may have one more signature about a certificate that does not exist.
    pub(crate) fn may_say_unknown(&self, peer: IpAddr) -> bool {
        self.unknown_quota.take(peer, Instant::now()).is_ok()
    }

    fn ocsp_status(&self, of: &OfCa, id: &CertId) -> Result<Status, ServiceFault> {
        let state = self.certificate_state(&of.ca.certificate(id.serial()))?;
        Ok(match state {
            // Never "good" for what was not issued (EN 319 411-1 OVR-6.6.3-02).
            CertificateState::None => Status::Unknown,
            CertificateState::Issued(status) => match status.revoked {
                None => Status::Good,
                Some(revoked) => Status::Revoked { at: revoked.at, reason: revoked.reason },
            },
        })
    }

    /// Sees to it that every responder has a certificate with half its life left; blocks on the disk.
    ///
    /// # Errors
    /// What failed first, after every other had its turn.
    pub fn renew_responders(&self) -> Result<(), ServiceFault> {
        self.responders.looked_at.store(true, Ordering::Relaxed);
        let mut failed = None;
        for of in self.responders.of.load_full().iter() {
            if let Err(fault) = self.renew_responder(of) {
                if !fault.is_of_time() {
                    tracing::error!(ca = of.ca.place(), %fault, "an OCSP responder's certificate was not renewed");
                }
                failed.get_or_insert(fault);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The CAs for which nobody can answer, although somebody may ask.
    pub(super) fn without_responder(&self) -> Vec<CaId> {
        let (all, now) = (self.responders.of.load_full(), self.time.now());
        let looked_at = self.responders.looked_at.load(Ordering::Relaxed);
        let asked = |ca: CaId| self.authorities.get(ca).is_some_and(|held| !held.is_revoked() && !held.has_ended(now));
        let missing = all.iter().filter(|of| looked_at && of.responder(now).is_none() && asked(of.ca));
        missing.map(|of| of.ca).collect()
    }

    fn is_compromised_signer(&self, signer: &dyn Signer) -> Result<bool, ServiceFault> {
        self.is_compromised(&Digest::of(signer.spki_der()))
    }

    /// The keys of responders that were compromised: another has to follow each.
    pub(super) fn compromised_responders(&self) -> Result<Vec<KeyId>, ServiceFault> {
        let mut keys = Vec::new();
        for of in self.responders.of.load().iter().filter(|of| of.ca.authority != Authority::Imported) {
            if !keys.contains(&of.key) && self.is_compromised_signer(&*of.signer)? {
                keys.push(of.key);
            }
        }
        Ok(keys)
    }

    /// A responder whose certificate was revoked says nothing more, and nobody is shown what it said. It gets another certificate at
    /// once, or another key at the next look at keys, if this one was compromised.
    pub(super) fn after_revocation_of_responder(&self, certificate: &Certificate) {
        let (all, digest) = (self.responders.of.load_full(), certificate.digest());
        let signs = |of: &OfCa| of.responder.load().as_ref().is_some_and(|one| one.certificate().digest() == digest);
        let Some(of) = all.iter().find(|of| of.ca.authority != Authority::Imported && signs(of)) else { return };
        // Of a compromised key no certificate is worth anything; what cannot be told counts as compromised.
        let is_compromised = self.is_compromised_signer(&*of.signer).unwrap_or(true);
        for one in all.iter().filter(|one| one.ca == of.ca || is_compromised && one.key == of.key) {
            one.responder.store(None);
        }
        self.responders.kept.forget_all();
        if let Err(fault) = self.renew_responder(of) {
            tracing::error!(ca = of.ca.place(), %fault, "an OCSP responder was revoked, and nobody answers in its place yet");
            self.keys_due.notify_one();
        }
    }

    fn renew_responder(&self, of: &OfCa) -> Result<(), ServiceFault> {
        if of.ca.authority == Authority::Imported {
            if of.responder.load().is_none() {
                of.answers_as(None)?;
            }
            return Ok(());
        }
        let now = self.ledger_now()?;
        // Neither issues anything any more, and every refusal would be an entry: who answers for it does so for as long as he may.
        let issues = self.authorities.get(of.ca).is_none_or(|held| !held.is_revoked() && !held.has_ended(now));
        let is_enough = |certificate: &Certificate| !issues || has_half(certificate, now);
        if of.responder.load().as_ref().is_some_and(|responder| is_enough(responder.certificate())) {
            return Ok(());
        }
        if self.is_compromised_signer(&*of.signer)? {
            let why = format!("{} was compromised: another key has to follow it (semper keys rotate)", of.key);
            return Err(ServiceFault::Responder(why));
        }
        self.record_key_made(of.key, Digest::of(of.signer.spki_der()), now)?;
        let certificate = match self.newest_responder_certificate(of)? {
            Some(certificate) if is_enough(&certificate) => certificate,
            _ if issues => self.issue_responder_certificate(of)?,
            _ => return Ok(()),
        };
        of.answers_as(Some(&certificate))?;
        self.responders.kept.forget_all();
        Ok(())
    }

    /// From now on another key answers for a line. It has a certificate by each of the line's CAs before it does, so that nobody
    /// waits. One rotation at a time.
    pub(super) fn replace_responder_key(
        &self,
        authority: Authority,
        key: KeyId,
        signer: &Arc<dyn Signer>,
    ) -> Result<(), ServiceFault> {
        let mut all = Vec::clone(&self.responders.of.load());
        for of in all.iter_mut().filter(|of| of.ca.authority == authority) {
            let next = of.with_key(key, signer.clone());
            self.renew_responder(&next)?;
            *of = Arc::new(next);
        }
        self.responders.of.store(Arc::new(all));
        self.responders.kept.forget_all();
        Ok(())
    }

    /// A CA that was just made gets the responder of its line. One rotation at a time.
    pub(super) fn add_responder(&self, held: &Held) -> Result<(), ServiceFault> {
        let Some((key, signer)) = self.responders.key_of(held.key.ca.authority) else { return Ok(()) };
        if self.responders.of.load().iter().any(|of| of.ca == held.key.ca) {
            return Ok(());
        }
        let Some(of) = OfCa::new(held, key, signer) else { return Ok(()) };
        self.renew_responder(&of)?;
        self.responders.of.store(Arc::new([&self.responders.of.load()[..], &[Arc::new(of)]].concat()));
        Ok(())
    }

    fn issue_responder_certificate(&self, of: &OfCa) -> Result<Certificate, ServiceFault> {
        let name = format!("OCSP responder of {}", of.ca.place());
        let wanted = ToIssue {
            ca: of.ca,
            profile: Profile::named("ocsp-responder"),
            subject: (&Subject { common_name: name, ..self.responders.subject.clone() }).into(),
            alternative_names: AlternativeNames::default(),
            spki_der: of.signer.spki_der().to_vec(),
            serial: None,
            registration: Vec::new(),
            request: Digest::of(b""),
        };
        let issued = self.issue(&wanted).map_err(|fault| match fault {
            super::CredentialFault::Fault(fault) => fault,
            fault => ServiceFault::Responder(fault.to_string()),
        })?;
        tracing::info!(ca = of.ca.place(), not_after = %issued.certificate.validity().not_after, "a new OCSP certificate");
        Ok(issued.certificate)
    }

    /// The certificate of this key by this CA that is valid longest, as the ledger has it.
    fn newest_responder_certificate(&self, of: &OfCa) -> Result<Option<Certificate>, ServiceFault> {
        let prefix = names::key(&Digest::of(of.signer.spki_der()));
        let mut newest: Option<Certificate> = None;
        for index in self.reader().indexes(&prefix)? {
            let Some(der) = self.reader().artefact(index)? else { continue };
            let Ok(certificate) = Certificate::from_der(&der) else { continue };
            let state = self.certificate_state(&of.ca.certificate(&certificate.serial()))?;
            // By this very CA, for this purpose, and not revoked.
            let is_ours = state.issued().is_some_and(|status| {
                status.class == ProfileCode::OcspResponder && status.revoked.is_none() && status.list.ca == of.ca
            });
            let end = |certificate: &Certificate| certificate.validity().not_after;
            if is_ours && newest.as_ref().is_none_or(|newest| end(newest) < end(&certificate)) {
                newest = Some(certificate);
            }
        }
        Ok(newest)
    }

    /// The entry of a key that was made after `semper init`.
    pub(super) fn record_key_made(&self, key: KeyId, public_key: Digest, now: Timestamp) -> Result<(), ServiceFault> {
        let history = Aggregate::of_key(key);
        if self.reader().last_step(&history.0)?.is_some() {
            return Ok(());
        }
        let made = OpsFact::KeyMade { key, public_key };
        let envelope = self.envelope(history, 0, now, &[])?;
        self.ledger.append(Commit::one(now.millis(), draft(&made.into_fact(&envelope), None)))?;
        Ok(())
    }
}

/// thisUpdate and nextUpdate of a response made now: it does not outlive who signs it.
fn times(responder: &Responder, now: Timestamp) -> (Timestamp, Timestamp) {
    let this_update = now.whole_secs();
    (this_update, this_update.plus_secs(OCSP_LIFE_SECS).min(responder.certificate().validity().not_after))
}

/// Whether half of a certificate's life is left.
fn has_half(certificate: &Certificate, now: Timestamp) -> bool {
    let life = certificate.validity();
    let half = life.not_after.secs().saturating_sub(life.not_before.secs()) / 2;
    life.contains(now) && now.secs() < life.not_before.secs() + half
}

fn failed(error: &dyn std::fmt::Display) -> Answered {
    tracing::error!(%error, "a status cannot be told");
    Answered::Error(ErrorStatus::InternalError)
}
