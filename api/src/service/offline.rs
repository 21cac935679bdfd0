//! A root whose key is kept offline: what is asked of it, and what comes back.
//!
//! The only act of a service that another machine does, and so in two commits: the request is an entry before it is carried away, what
//! was signed is one when it comes back. In between a new CA's key waits, over any number of starts.

use std::sync::Arc;

use semper_ledger::{
    entry::{Tag, TagSpace},
    sequencer::{Commit, Idempotency, RoleRow},
};
use semper_ttp::{
    ca::{
        Authority, CaFact, CaId, Crl, CrlEvent, Grounds, ListId,
        certificate::{self, CertificateSerial},
        credential::{CertificateState, Credential, CredentialEvent, Issue},
        crl,
        lint::{self, LINT_VERSION},
        offline::{ACT_ASKED_OF_ROOT, Entry, RootRequest, Wanted, to_be_signed_of},
        profile::{Profile, ProfileCode},
    },
    crypto::{Purpose, Signer, verify_chain, verify_crl},
    digest::Digest,
    evidence::{Aggregate, Fact, KeyId, KeyPurpose, OpsFact, Recorded},
    role::{Role, encode_snapshot},
    time::Timestamp,
    x509::Certificate,
};

use super::{
    CredentialFault, Service, ServiceFault,
    act::ATTEMPTS_MAX,
    credential::{list_for, tagged},
    draft,
    keys::{Keyring, Kind, RotationCause, RotationFault},
    load,
};
use crate::authorities::{Held, NewestCrl};

/// How long before its end an offline root's list is told of: time to go there and back.
const ARL_NOTICE_SECS: u64 = 30 * 24 * 3600;

/// What came back from an offline root.
#[derive(Clone, Debug)]
pub enum Imported {
    /// A certificate: another CA issues from now on.
    Authority {
        /// Its key.
        key: KeyId,
        /// Its certificate.
        certificate: Box<Certificate>,
        /// The entry of its issue.
        entry: u64,
    },
    /// A list.
    List {
        /// cRLNumber.
        number: u64,
        /// Until when it is good.
        next_update: Timestamp,
        /// Its entry.
        entry: u64,
    },
}

impl Service {
    /// Asks for a certificate of another CA of this line, or, of `ca-root`, for its list. The request is in the ledger when it is
    /// given, and the same is given for the same idempotency key. Blocks.
    ///
    /// # Errors
    /// [`RotationFault`].
    pub fn ask_of_root(&self, purpose: KeyPurpose, cause: RotationCause<'_>) -> Result<Vec<u8>, RotationFault> {
        let keyring = self.keys.as_ref().ok_or(RotationFault::NoStore)?;
        let _turn = keyring.take_turn()?;
        if let Some(first) = self.answered(cause.idempotency)? {
            return self.request_at(first);
        }
        match Kind::of(purpose) {
            Some(Kind::Authority(_)) => self.ask_for_authority(keyring, purpose, cause),
            _ if purpose == KeyPurpose::CaRoot => self.ask_for_list(cause),
            _ => Err(RotationFault::NotRotated(purpose)),
        }
    }

    fn root(&self) -> Result<(Arc<Held>, Certificate), RotationFault> {
        let held = self.authorities.newest(Authority::Root).ok_or(RotationFault::NotInUse(KeyPurpose::CaRoot))?;
        let certificate = held.certificate.clone().ok_or(RotationFault::NotInUse(KeyPurpose::CaRoot))?;
        Ok((held, certificate))
    }

    fn ask_for_authority(
        &self,
        keyring: &Keyring,
        purpose: KeyPurpose,
        RotationCause { request, idempotency }: RotationCause<'_>,
    ) -> Result<Vec<u8>, RotationFault> {
        let kind = Kind::of(purpose).ok_or(RotationFault::NotRotated(purpose))?;
        let (held, root) = self.root()?;
        let (key, signer, is_new) = self.waiting_key(keyring, purpose)?;
        let wanted = self.wanted(keyring, key, kind, &*signer)?.ok_or(RotationFault::NotRotated(purpose))?;
        let made = || -> Result<Vec<u8>, RotationFault> {
            for _ in 0..ATTEMPTS_MAX {
                let mut random = [0; 16];
                self.entropy.fill(&mut random)?;
                let serial = CertificateSerial::from_random(random);
                let now = self.ledger_now()?;
                let partition = list_for(&held, &serial).partition;
                let (template, _) = self.template(&held, &wanted, serial, partition, now);
                let unsigned = certificate::prepare(&template, &held.key.issuer).map_err(CredentialFault::from)?;
                if unsigned.lint().stops() {
                    return Err(RotationFault::Unfit { key, why: unsigned.lint().to_string() });
                }
                let to_be_signed = hex::encode(unsigned.message());
                let document = RootRequest::new(&root, Wanted::IssuingCa { key: key.to_string(), to_be_signed });
                let document = document.encode();
                let history = Aggregate::of_key(key);
                let mut drafts = Vec::new();
                if is_new {
                    let made = OpsFact::KeyMade { key, public_key: Digest::of(signer.spki_der()) };
                    drafts.push(draft(&made.into_fact(&self.envelope(history, 0, now, request)?), None));
                }
                let step = self.reader().last_step(&history.0)?.map_or(u64::from(is_new), |(step, _)| step + 1);
                let act = OpsFact::OperatorAct { act: ACT_ASKED_OF_ROOT, subject: Digest::of(unsigned.message()) };
                let fact = act.into_fact(&self.envelope(history, step, now, request)?);
                drafts.push(draft(&fact, Some(document.clone())));
                let commit = Commit { idempotency, now_ms: now.millis(), drafts, rows: Vec::new() };
                match self.ledger.append(commit) {
                    Ok(_) => return Ok(document),
                    Err(semper_ledger::sequencer::Refused::Stale { .. }) => {}
                    Err(refused) => return Err(ServiceFault::from(refused).into()),
                }
            }
            Err(CredentialFault::Busy.into())
        };
        made().inspect_err(|fault| {
            let unknown = matches!(fault, RotationFault::Fault(ServiceFault::Refused(_)));
            // A ledger that stopped may have it, and a start will know.
            if is_new
                && !unknown
                && let Err(fault) = keyring.store.discard(key)
            {
                tracing::warn!(%key, %fault, "a key that was not put to use is still there");
            }
        })
    }

    /// The key that waits for a certificate from the root already, or a new one; and whether it is new.
    fn waiting_key(
        &self,
        keyring: &Keyring,
        purpose: KeyPurpose,
    ) -> Result<(KeyId, Arc<dyn Signer>, bool), RotationFault> {
        for key in keyring.store.unfinished(purpose)?.into_iter().rev() {
            if self.reader().last_step(&Aggregate::of_key(key).0)?.is_some() {
                return Ok((key, keyring.store.open(key)?, false));
            }
            keyring.store.discard(key)?;
        }
        let (current, like) = self.in_use(keyring, purpose)?;
        let key = self.next_of(current)?;
        Ok((key, keyring.store.make(key, &*like)?, true))
    }

    fn ask_for_list(
        &self,
        RotationCause { request, idempotency }: RotationCause<'_>,
    ) -> Result<Vec<u8>, RotationFault> {
        let (held, root) = self.root()?;
        let list = ListId::first(Authority::Root);
        let last = load::<Crl>(self.reader(), &list.aggregate())?.state.last;
        let (revoked, _) = self.entries_of(&held, list)?;
        let number = last.map_or(0, |last| last.number + 1);
        let wanted = Wanted::Arl { number, revoked: revoked.iter().map(Entry::from).collect() };
        let document = RootRequest::new(&root, wanted).encode();
        let now = self.ledger_now()?;
        let act = OpsFact::OperatorAct { act: ACT_ASKED_OF_ROOT, subject: Digest::of(&document) };
        let fact = act.into_fact(&self.envelope(Aggregate::service(), now.millis(), now, request)?);
        let commit = Commit { idempotency, ..Commit::one(now.millis(), draft(&fact, Some(document.clone()))) };
        self.ledger.append(commit).map_err(ServiceFault::from)?;
        Ok(document)
    }

    /// The request that stands at this entry, or at the one behind it, where a key was made for it.
    fn request_at(&self, first: u64) -> Result<Vec<u8>, RotationFault> {
        for index in [first, first + 1] {
            let fact = self.reader().fact(index)?.and_then(|fact| Fact::decode(&fact).ok());
            let fact = fact.and_then(|fact| OpsFact::from_fact(&fact).ok());
            if let (Some(OpsFact::OperatorAct { act: ACT_ASKED_OF_ROOT, .. }), Some(document)) =
                (fact, self.reader().artefact(index)?)
            {
                return Ok(document);
            }
        }
        Err(ServiceFault::Facts(format!("entry {first} is of no request to the root")).into())
    }

    /// Takes a certificate that the root has signed: its CA issues from now on. Blocks.
    ///
    /// # Errors
    /// [`RotationFault`].
    pub fn import_certificate(&self, der: &[u8], idempotency: Option<Idempotency>) -> Result<Imported, RotationFault> {
        let keyring = self.keys.as_ref().ok_or(RotationFault::NoStore)?;
        let _turn = keyring.take_turn()?;
        if let Some(before) = self.imported_before(idempotency)? {
            return Ok(before);
        }
        let not_taken = |why: String| RotationFault::NotTaken(why);
        let certificate = Certificate::from_der(der).map_err(|fault| not_taken(fault.to_string()))?;
        let (held, root) = self.root()?;
        let (now, clock) = self.time.check();
        verify_chain(der, &[], root.der(), now, Purpose::Any).map_err(|fault| not_taken(fault.to_string()))?;
        let (key, signer, authority) = self.key_that_waits_for(keyring, &certificate)?;
        let to_be_signed = Digest::of(&to_be_signed_of(&certificate));
        if !self.was_asked_for(key, &to_be_signed)? {
            return Err(not_taken(format!("it is for {key}, and not what was asked for")));
        }
        let (profile, ca) = (Profile::named("issuing-ca"), held.key.ca);
        let lint = lint::judge(&certificate, &profile, &held.key.issuer);
        let (serial, public_key) = (certificate.serial(), Digest::of(signer.spki_der()));
        let aggregate = ca.certificate(&serial);
        let grounds = Grounds {
            generation: ca.generation,
            profile: profile.digest(),
            lint_version: LINT_VERSION,
            findings: lint.numbers(),
            request: Digest::of(b""),
            ..Grounds::default()
        };
        let validity = certificate.validity();
        let event = CredentialEvent::Issue(Box::new(Issue {
            list: ListId { ca, partition: 0 },
            class: ProfileCode::IssuingCa,
            serial: serial.clone(),
            public_key,
            validity,
            issuer_validity: root.validity(),
            to_be_signed,
            grounds,
            lint_stops: lint.stops(),
            key_compromised: self.is_compromised(&public_key)?,
            issuer_revoked: held.is_revoked(),
            clock,
        }));
        let (facts, _) = Credential::decide(&CertificateState::None, &event, now).map_err(CredentialFault::from)?;
        let [fact] = facts.as_slice() else { unreachable!("an issue is one fact") };
        let mut envelope = self.envelope(aggregate, 0, now, &[])?;
        envelope.event_digest = event.digest();
        let fact = fact.clone().into_fact(&envelope);
        let tag = Tag::new(TagSpace::Certificate, certificate.digest().as_bytes(), 0);
        let commit = Commit::one(now.millis(), tagged(draft(&fact, Some(der.to_vec())), tag));
        let appended = self.ledger.append(Commit { idempotency, ..commit }).map_err(ServiceFault::from)?;
        self.take_over(keyring, key, Kind::Authority(authority), signer, Some(&certificate))?;
        tracing::info!(%key, "a CA that the root has certified offline was taken over");
        Ok(Imported::Authority { key, certificate: Box::new(certificate), entry: appended.first })
    }

    /// What the same request was answered before.
    fn imported_before(&self, idempotency: Option<Idempotency>) -> Result<Option<Imported>, RotationFault> {
        let Some(entry) = self.answered(idempotency)? else { return Ok(None) };
        let facts = |why: &str| RotationFault::Fault(ServiceFault::Facts(format!("entry {entry} {why}")));
        let fact = self.reader().fact(entry)?.and_then(|fact| Fact::decode(&fact).ok());
        match fact.and_then(|fact| CaFact::from_fact(&fact).ok()) {
            Some(CaFact::CrlIssued { number, next_update, .. }) => {
                Ok(Some(Imported::List { number, next_update, entry }))
            }
            Some(CaFact::CertificateIssued { .. }) => {
                let der = self.reader().artefact(entry)?.unwrap_or_default();
                let all = self.authorities.all();
                let held =
                    all.iter().find(|held| held.key.certificate == der).ok_or_else(|| facts("is of no CA here"))?;
                let certificate = held.certificate.clone().ok_or_else(|| facts("has no certificate"))?;
                Ok(Some(Imported::Authority { key: held.key.ca.key(), certificate: Box::new(certificate), entry }))
            }
            _ => Err(facts("is of nothing that the root has signed")),
        }
    }

    fn key_that_waits_for(
        &self,
        keyring: &Keyring,
        certificate: &Certificate,
    ) -> Result<(KeyId, Arc<dyn Signer>, Authority), RotationFault> {
        let spki = certificate.spki_der();
        for authority in Authority::ISSUING {
            for key in keyring.store.unfinished(authority.key_purpose())? {
                let signer = keyring.store.open(key)?;
                if signer.spki_der() == spki {
                    return Ok((key, signer, authority));
                }
            }
        }
        Err(RotationFault::NotTaken(
            "no key here waits for this certificate: it was imported before, or another one of its line has followed"
                .to_owned(),
        ))
    }

    /// Whether this very thing was asked of the root for this key.
    fn was_asked_for(&self, key: KeyId, to_be_signed: &Digest) -> Result<bool, RotationFault> {
        let facts = self.reader().facts_of(&Aggregate::of_key(key).0, 0)?;
        Ok(facts.iter().any(|fact| {
            let fact = Fact::decode(fact).and_then(|fact| OpsFact::from_fact(&fact));
            matches!(fact, Ok(OpsFact::OperatorAct { act: ACT_ASKED_OF_ROOT, subject }) if subject == *to_be_signed)
        }))
    }

    /// Takes a list that the root has signed. Blocks.
    ///
    /// # Errors
    /// [`RotationFault`].
    pub fn import_list(&self, der: &[u8], idempotency: Option<Idempotency>) -> Result<Imported, RotationFault> {
        let keyring = self.keys.as_ref().ok_or(RotationFault::NoStore)?;
        let _turn = keyring.take_turn()?;
        if let Some(before) = self.imported_before(idempotency)? {
            return Ok(before);
        }
        let not_taken = |why: &dyn std::fmt::Display| RotationFault::NotTaken(why.to_string());
        let (held, root) = self.root()?;
        if held.key.signer.is_some() {
            return Err(not_taken(&"the root's key is here, and signs its lists itself"));
        }
        let list = ListId { ca: CaId::first(Authority::Root), partition: 0 };
        let listed = crl::read(der).ok_or_else(|| not_taken(&"it is no list of a whole CA, in strict DER"))?;
        verify_crl(der, root.der()).map_err(|fault| not_taken(&fault))?;
        let now = self.ledger_now()?;
        let mut snapshot = load::<Crl>(self.reader(), &list.aggregate())?;
        let (revoked, _) = self.entries_of(&held, list)?;
        let event = CrlEvent::Import { list, listed, revoked };
        let shown = held.list(0);
        let stale = shown.as_ref().is_some_and(|list| list.take_stale());
        let mut committed = || -> Result<_, RotationFault> {
            let (facts, _) = Crl::decide(&snapshot.state, &event, now).map_err(|refusal| not_taken(&refusal))?;
            let [fact] = facts.as_slice() else { unreachable!("a list is one fact") };
            let envelope = self.envelope(list.aggregate(), snapshot.next_seq, now, &event.encode())?;
            Crl::apply(&mut snapshot.state, fact);
            snapshot.next_seq += 1;
            let mut commit = Commit::one(now.millis(), draft(&fact.clone().into_fact(&envelope), Some(der.to_vec())));
            commit.idempotency = idempotency;
            let (aggregate, bytes) = (list.aggregate().0, encode_snapshot::<Crl>(&snapshot));
            commit.rows.push(RoleRow::Snapshot { aggregate, bytes });
            let appended = self.ledger.append(commit).map_err(ServiceFault::from)?;
            Ok((appended.first, snapshot.state.last.expect("a list was just taken")))
        };
        let (entry, last) = committed().inspect_err(|_| {
            if let Some(shown) = shown.as_ref().filter(|_| stale) {
                shown.mark_stale();
            }
        })?;
        if let Some(shown) = shown {
            shown.newest.store(Some(Arc::new(NewestCrl::new(der.to_vec(), last))));
        }
        tracing::info!(number = last.number, "took a list that the root has signed offline");
        Ok(Imported::List { number: last.number, next_update: last.next_update, entry })
    }

    /// What will stand in the way if nobody acts: an offline root's list that ends soon, or does not name what is revoked.
    pub fn soon_unready(&self) -> Vec<String> {
        let Some(root) = self.authorities.newest(Authority::Root).filter(|root| root.key.signer.is_none()) else {
            return Vec::new();
        };
        let soon = self.now().plus_secs(ARL_NOTICE_SECS);
        let mut told = Vec::new();
        for list in root.lists() {
            if list.is_stale() {
                told.push("crl: the list of the offline root does not name a CA that was revoked".to_owned());
            }
            if let Some(end) = list.next_update().filter(|end| *end < soon) {
                told.push(format!("crl: the list of the offline root is good until {end}"));
            }
        }
        told
    }
}
