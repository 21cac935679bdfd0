//! The notary's journal: its facts say all that their decisions rested on, so each is decided again, and each record and DVC is held
//! against its fact.

use std::mem;

use super::ca::envelope_of;
use super::{Auditor, Case, Given, Lead, Outcome, Reason as NotAgain, difference_of, recorded};
use crate::cms::SignedData;
use crate::digest::Digest;
use crate::evidence::{Envelope, ExchangeKind, Fact, KeyPurpose, Kind, NotaryKind, Recorded};
use crate::id::ActId;
use crate::notary::request::ActRequest;
use crate::notary::{
    Approve, Certify, Clocked, Expire, Journal, JournalEvent, JournalFact, JournalState, Keep, KeepPersonal, Open,
    Reason, RecordedAct, Refuse, Release, Sign, Take, Validate, Withdraw,
};
use crate::policy::person::{Officer, Person};
use crate::policy::roles::TrustedRole;
use crate::role::{Role, Snapshot};
use crate::statement::Jws;
use crate::statement::act::{ActRecorded, PrincipalRole};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;
use crate::vault::key_of;
use crate::x509::Certificate;

/// The journal as folded so far.
#[derive(Debug, Default)]
pub(super) struct AuditedJournal {
    pub(super) snapshot: Snapshot<JournalState>,
    /// What must come next, with the digest of the event that led to it: of two facts of one event the second one.
    expected: Option<(JournalFact, Digest)>,
    /// The request whose act was given a number last, while what came with it may follow.
    request: Option<Request>,
}

impl Auditor {
    pub(super) fn judge_journal(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<JournalFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        if fact.aggregate != Journal::aggregate() {
            return case.ends("its fact lies in another history than the journal's");
        }
        if given.entry.tags.as_slice() != stated.tag().as_slice() {
            case.differs("its entry does not bear the tag of its decision, and no other");
        }
        self.judge_acting(&stated, fact, case);
        if let Some(why) = self.journal.kept(&stated, given.artefact().ok()) {
            case.differs(why);
        }
        self.journal.judge(fact, &stated, case);
        let purpose = signed_by(fact.kind);
        match stated {
            JournalFact::Recorded(recorded) => match given.artefact() {
                Ok(bytes) => {
                    let read = read_record(bytes).and_then(|record| {
                        self.journal.documents_are(recorded.id, &record);
                        self.judge_revocations(&record, &recorded)?;
                        judge_record(&record, &recorded)
                    });
                    if let Err(fault) = read {
                        case.differs(format!("its record is not what was decided: {fault}"));
                    }
                    read.map_or(Outcome::Same, |certificate| self.judge_signer(&certificate, purpose, case))
                }
                Err(outcome) => outcome,
            },
            JournalFact::Validated { .. } => match given.artefact() {
                Ok(bytes) => match certificate_of_dvc(bytes) {
                    Some(certificate) => self.judge_signer(&certificate, purpose, case),
                    None => case.ends("its artefact is no data validation certificate with that of its signer"),
                },
                Err(outcome) => outcome,
            },
            JournalFact::Signed { signature, .. } if signature != Digest(given.entry.digest) => {
                case.differs("it names another signature than the one that its entry is of");
                Outcome::Same
            }
            JournalFact::Opened { request, .. } if request != Digest(given.entry.digest) => {
                case.differs("it names another request than the one that its entry is of");
                Outcome::Same
            }
            JournalFact::Reported { report, .. } if report != Digest(given.entry.digest) => {
                case.differs("it names another report than the one that its entry is of");
                Outcome::Same
            }
            JournalFact::Opened { .. }
            | JournalFact::Signed { .. }
            | JournalFact::Assigned { .. }
            | JournalFact::Reported { .. }
            | JournalFact::Kept { .. }
            | JournalFact::Personal { .. } => Outcome::Same,
        }
    }

    /// By the notary's key for it, whose first use is told: else the end of the audit says so, once for each key.
    fn judge_signer(&mut self, certificate: &Digest, purpose: Option<KeyPurpose>, case: &mut Case) -> Outcome {
        match self.keys.role_signed(certificate, case.index) {
            None => Outcome::Not(NotAgain::NoCertificate),
            Some(key) if Some(key.purpose) == purpose => Outcome::Same,
            Some(key) => case.ends(format!("it is signed by {key}, which is for something else")),
        }
    }

    /// What a record tells of a signer's certificate is what became of it until the act ended. Where its CA was revoked, that is told.
    fn judge_revocations(&self, record: &ActRecorded, fact: &RecordedAct) -> Result<(), &'static str> {
        for signer in record.principals.iter().filter(|principal| principal.role == PrincipalRole::Signer) {
            let revoked = self.revoked_at(&signer.certificate.into());
            let told = signer.revoked_at.map(|at| Timestamp::from_millis(at.get()));
            match (revoked, told) {
                // What was decided at the same moments may stand in either order.
                (Some(revoked), None) if !self.is_about(revoked, fact.at) && revoked < fact.at => {
                    return Err("it leaves out that a signer's certificate was revoked");
                }
                (Some(revoked), Some(told)) if revoked != told => {
                    return Err("it tells another time at which a signer's certificate was revoked");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whoever acted is who the certificate says, and officers held the role.
    fn judge_acting(&self, stated: &JournalFact, fact: &Fact, case: &mut Case) {
        let (requester, officer) = match stated {
            JournalFact::Validated { requester, .. } => (requester.as_ref(), None),
            JournalFact::Opened { requester, .. } => (Some(requester), None),
            JournalFact::Recorded(recorded) => (Some(&recorded.requester), recorded.officer.as_ref()),
            JournalFact::Assigned { officer, .. } => (None, officer.as_ref()),
            JournalFact::Personal { of, .. } => (Some(of), None),
            JournalFact::Signed { at, signer, certificate, .. } => {
                let signer = Officer { certificate: *certificate, person: Person::Party(*signer) };
                self.judge_person(&signer, case);
                if self.was_revoked(certificate, *at) {
                    case.differs("the certificate of who signed had been revoked");
                }
                (None, None)
            }
            JournalFact::Reported { .. } | JournalFact::Kept { .. } => (None, None),
        };
        requester.into_iter().chain(officer).for_each(|person| self.judge_person(person, case));
        if let Some(officer) = officer {
            self.judge_role(&officer.certificate, TrustedRole::NotaryOfficer, fact.now, case);
        }
    }
}

impl AuditedJournal {
    /// Decides again, and folds what is stored, whatever is found to be wrong with it.
    fn judge(&mut self, fact: &Fact, stated: &JournalFact, case: &mut Case) {
        let (expected, event_digest) = match self.expected.take() {
            Some((expected, digest)) => (Ok(expected), digest),
            None => {
                let event = event_of(&self.snapshot.state, stated);
                let digest = event.digest();
                let clocked = Clocked { event, clock: ClockVerdict::Synced };
                let decided = Journal::decide(&self.snapshot.state, &clocked, fact.now).map(|(facts, _)| {
                    let mut facts = facts.into_iter();
                    let first = facts.next();
                    self.expected = facts.next().map(|next| (next, digest));
                    first
                });
                match decided {
                    Ok(Some(first)) => (Ok(first), digest),
                    Ok(None) => return,
                    Err(refusal) => (Err(refusal), digest),
                }
            }
        };
        match expected {
            Err(refusal) => case.differs(format!("decided again, it is refused: {refusal}")),
            Ok(expected) => {
                let due = expected.number();
                let again = expected.into_fact(&Envelope { event_digest, ..envelope_of(fact) });
                if let Some(what) = difference_of(fact, &again) {
                    case.differs(what);
                }
                // Numbers have no gaps, so any up to the last was given.
                if let Some(number) = stated.number().filter(|number| Some(*number) != due)
                    && (1..=self.snapshot.state.last).contains(&number)
                {
                    case.differs_with(
                        format!("the journal gave its number {number} before"),
                        Lead::NumberTwice { number },
                    );
                }
            }
        }
        Journal::apply(&mut self.snapshot.state, stated);
        self.snapshot.next_seq = fact.seq.saturating_add(1);
    }
}

/// A request, and what of that which came with it was kept so far.
#[derive(Debug)]
struct Request {
    id: ActId,
    at: Timestamp,
    requester: Option<Officer>,
    documents: Documents,
    /// The first document that may still follow.
    place: u64,
    has_personal: bool,
}

/// What is known of a request's documents.
#[derive(Debug)]
enum Documents {
    /// SHA-256 and octets of each.
    All(Vec<(Digest, Option<u64>)>),
    /// SHA-256 of the first.
    First(Digest),
    /// Of one, SHA-256 of its SHA-256.
    Imprint(Digest),
}

impl Documents {
    fn has(&self, place: u64, document: Digest, size: u64) -> bool {
        match self {
            Self::All(documents) => usize::try_from(place)
                .ok()
                .and_then(|place| documents.get(place))
                .is_some_and(|(known, octets)| *known == document && octets.is_none_or(|octets| octets == size)),
            Self::First(first) => place > 0 || *first == document,
            Self::Imprint(imprint) => place == 0 && *imprint == Digest::of(document.as_bytes()),
        }
    }
}

impl AuditedJournal {
    /// What is wrong with what is kept: it comes with a request, right behind the fact that gave it its number, and is sealed.
    fn kept(&mut self, stated: &JournalFact, artefact: Option<&[u8]>) -> Option<&'static str> {
        let request = |id: &ActId, at: &Timestamp, requester, documents| {
            Some(Request { id: *id, at: *at, requester, documents, place: 0, has_personal: false })
        };
        match stated {
            JournalFact::Validated { id, at, requester, subject, .. } => {
                self.request = request(id, at, *requester, Documents::Imprint(*subject));
            }
            JournalFact::Opened { id, at, requester, subject, .. } => {
                let asked = artefact.and_then(|bytes| ActRequest::parse(bytes).ok());
                let all = asked.map(|asked| asked.documents.iter().map(|one| (one.sha256.into(), None)).collect());
                let documents = all.map_or(Documents::First(*subject), Documents::All);
                self.request = request(id, at, Some(*requester), documents);
            }
            JournalFact::Recorded(recorded) if !self.snapshot.state.open.contains_key(&recorded.id) => {
                let documents = Documents::First(recorded.subject);
                self.request = request(&recorded.id, &recorded.at, Some(recorded.requester), documents);
            }
            JournalFact::Kept { id, at, place, document, size } => {
                let Some(request) = self.request.as_mut().filter(|one| one.id == *id && one.at == *at) else {
                    return Some("it is kept with no request");
                };
                if request.has_personal || *place < request.place || !request.documents.has(*place, *document, *size) {
                    return Some("it is none of the documents of its act, or not in their order");
                }
                request.place = place.saturating_add(1);
                return is_unsealed(artefact);
            }
            JournalFact::Personal { id, at, of } => {
                let Some(request) = self.request.as_mut().filter(|one| one.id == *id && one.at == *at) else {
                    return Some("it is kept with no request");
                };
                if request.requester != Some(*of) || mem::replace(&mut request.has_personal, true) {
                    return Some("it is not about whoever asked, or there are two of it");
                }
                return is_unsealed(artefact);
            }
            // It rests on the same request.
            JournalFact::Reported { .. } => {}
            JournalFact::Recorded(_) | JournalFact::Signed { .. } | JournalFact::Assigned { .. } => self.request = None,
        }
        None
    }

    /// Of an act that was certified at once the record tells which documents it has.
    fn documents_are(&mut self, act: ActId, record: &ActRecorded) {
        if let Some(request) = self.request.as_mut().filter(|request| request.id == act) {
            request.documents =
                Documents::All(record.documents.iter().map(|one| (one.sha256.into(), one.size)).collect());
        }
    }
}

fn is_unsealed(artefact: Option<&[u8]>) -> Option<&'static str> {
    let is_sealed = artefact.is_none_or(|bytes| key_of(bytes).is_some());
    (!is_sealed).then_some("what is kept is not sealed")
}

/// What was asked, as far as it is decided by.
fn event_of(state: &JournalState, stated: &JournalFact) -> JournalEvent {
    match stated {
        JournalFact::Validated { id, service, request, requester, subject, serial, granted, report, .. } => {
            JournalEvent::Validate(Box::new(Validate {
                id: *id,
                service: *service,
                request: *request,
                requester: *requester,
                subject: *subject,
                serial: *serial,
                granted: *granted,
                report: *report,
            }))
        }
        JournalFact::Opened {
            id,
            at,
            act,
            request,
            requester,
            subject,
            held,
            signers,
            needs_person,
            expires_at,
            report,
            ..
        } => JournalEvent::Open(Box::new(Open {
            id: *id,
            act: *act,
            request: *request,
            requester: *requester,
            subject: *subject,
            held: *held,
            signers: signers.clone(),
            needs_person: *needs_person,
            life_secs: expires_at.millis().saturating_sub(at.millis()) / 1_000,
            report: *report,
        })),
        JournalFact::Signed { id, signer, certificate, signature, .. } => {
            JournalEvent::Sign(Sign { id: *id, signer: *signer, certificate: *certificate, signature: *signature })
        }
        JournalFact::Assigned { id, officer: Some(officer), .. } => {
            JournalEvent::Take(Take { id: *id, officer: *officer, officer_good: true })
        }
        JournalFact::Assigned { id, officer: None, .. } => {
            let taken = state.open.get(id).and_then(|act| act.taken).map(|(officer, _)| officer);
            // Of nobody's act, which is refused in so many words.
            let officer = taken.unwrap_or(Officer::itself(Digest::default()));
            JournalEvent::Release(Release { id: *id, officer })
        }
        JournalFact::Recorded(recorded) => event_of_record(state, recorded),
        JournalFact::Kept { id, place, document, size, .. } => {
            JournalEvent::Keep(Keep { id: *id, place: *place, document: *document, size: *size })
        }
        JournalFact::Personal { id, of, .. } => JournalEvent::KeepPersonal(KeepPersonal { id: *id, of: *of }),
        // It stands behind another fact of the same decision, and nowhere else: of nothing, which is refused.
        JournalFact::Reported { id, .. } => JournalEvent::Expire(Expire { id: *id }),
    }
}

fn event_of_record(state: &JournalState, recorded: &RecordedAct) -> JournalEvent {
    let RecordedAct { id, act, request, requester, subject, reason, officer, checks, report, .. } = *recorded;
    if !state.open.contains_key(&id) {
        let failed = reason;
        return JournalEvent::Certify(Box::new(Certify { id, act, request, requester, subject, failed, report }));
    }
    match (officer, reason) {
        (Some(officer), None) => JournalEvent::Approve(Approve { id, officer, officer_good: true, checks }),
        (Some(officer), Some(reason)) => JournalEvent::Refuse(Refuse { id, officer, officer_good: true, reason }),
        (None, Some(Reason::Expired)) => JournalEvent::Expire(Expire { id }),
        (None, _) => JournalEvent::Withdraw(Withdraw { id, by: requester }),
    }
}

/// By a key of which purpose an artefact of this kind is signed.
pub(super) const fn signed_by(kind: Kind) -> Option<KeyPurpose> {
    match kind {
        Kind::Notary(kind) => match kind {
            NotaryKind::Act => Some(KeyPurpose::NotaryAct),
            NotaryKind::Ccpd | NotaryKind::Cpd | NotaryKind::Vsd | NotaryKind::Vpkc => Some(KeyPurpose::NotaryDvcs),
            NotaryKind::ActOpened
            | NotaryKind::ActSigned
            | NotaryKind::ActAssigned
            | NotaryKind::ActReport
            | NotaryKind::ActDocument
            | NotaryKind::ActPersonal => None,
        },
        Kind::Exchange(
            ExchangeKind::Aborted
            | ExchangeKind::Resolved
            | ExchangeKind::Expired
            | ExchangeKind::Released
            | ExchangeKind::Void
            | ExchangeKind::Answer
            | ExchangeKind::Registered
            | ExchangeKind::Submitted
            | ExchangeKind::SubmissionRefused
            | ExchangeKind::InlineReleased
            | ExchangeKind::Returned
            | ExchangeKind::DeliveryEvent
            | ExchangeKind::PaidDecided,
        ) => Some(KeyPurpose::ArbiterVerdict),
        _ => None,
    }
}

/// SHA-256 of the certificate that a data validation certificate says it is signed by.
fn certificate_of_dvc(bytes: &[u8]) -> Option<Digest> {
    let signed = SignedData::from_der(bytes)?;
    let signer = signed.signers.first()?;
    let certificates = signed.certificates().filter_map(|der| Certificate::from_der(der).ok());
    certificates.into_iter().find(|one| signer.sid.names(one)).map(|one| one.digest())
}

fn read_record(bytes: &[u8]) -> Result<ActRecorded, &'static str> {
    let jws = Jws::parse(bytes).map_err(|_| "it is no statement")?;
    Ok(jws.payload_as::<ActRecorded>().map_err(|_| "it is no record of an act")?.body)
}

/// The record says what its fact does; gives the certificate that it says to be signed by.
fn judge_record(record: &ActRecorded, fact: &RecordedAct) -> Result<Digest, &'static str> {
    let not_checked = crate::notary::OfficerCheck::ALL
        .iter()
        .copied()
        .filter(|check| !fact.checks.has(crate::notary::Checks::none().with(*check)));
    let rules = [
        (record.act == fact.id && record.kind == fact.act, "it is of another act"),
        (record.journal_no == fact.number, "it has another number"),
        (record.opened_at == fact.opened_at.into() && record.completed_at == fact.at.into(), "it has other times"),
        (record.outcome == fact.outcome() && record.reason == fact.reason, "it tells another outcome"),
        (record.officer == fact.officer.map(|officer| officer.certificate.into()), "it names another officer"),
        (record.checked.iter().copied().eq(fact.checks.iter()), "it tells other checks"),
        (record.not_checked.iter().copied().eq(not_checked), "it leaves out what was not checked"),
        (record.request == fact.request.into(), "it is of another request"),
        (
            record.validation_report == fact.report.filter(|_| fact.act.validates()).map(Into::into),
            "it names another validation report",
        ),
        (record.documents.iter().any(|document| document.sha256 == fact.subject.into()), "it is of another document"),
        (record.principals.iter().any(|one| one.certificate == fact.requester.certificate.into()), "it is for another"),
    ];
    rules.iter().find(|(holds, _)| !holds).map_or(Ok(record.notary.certificate.into()), |(_, what)| Err(*what))
}
