//! The record of an act, made of its request and of what became of it, and signed.

use semper_ttp::{
    b64u::{B64u, B64u32},
    digest::Digest,
    id::ActId,
    notary::{Checks, JournalFact, OfficerCheck, Outcome, Reason, RecordedAct, request::ActRequest},
    policy::person::{Officer, Person},
    statement::{
        Common, Origin, Salt, Statement, Unsigned,
        act::{
            ActDocument, ActEvent, ActRecorded, Assurance, EventType, Fee, Identified, IdentityMethod, NotaryNamed,
            Principal, PrincipalRole, Recording,
        },
    },
    time::Timestamp,
};

use super::{
    super::{Service, ServiceFault, act::read_fact, desk::RoleKey},
    Making, NotaryFault,
};

/// What a record has besides its fact.
#[derive(Clone, Debug)]
pub(crate) struct RecordParts {
    /// What was asked.
    pub(crate) request: ActRequest,
    /// How many octets each document has, where the service held them.
    pub(crate) sizes: Vec<Option<u64>>,
}

/// What the officer says besides.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfficersWord {
    /// What the notary was paid.
    pub(crate) fee: Option<Fee>,
    /// The recording of a session.
    pub(crate) recording: Option<Recording>,
}

impl Service {
    /// Signs the record of an act that ended; what became of it before is read from the ledger, and from the facts of this very event.
    pub(super) fn sign_record(
        &self,
        key: &RoleKey,
        fact: &JournalFact,
        making: &Making,
        facts: &[JournalFact],
    ) -> Result<Vec<u8>, NotaryFault> {
        let JournalFact::Recorded(recorded) = fact else { unreachable!("a record is of a fact of its kind") };
        let (parts, history) = match making {
            Making::Record(parts) => (RecordParts::clone(parts), Vec::new()),
            Making::Fact | Making::Received(_) | Making::Approval(_) | Making::Dvc(_) => self.opened(recorded.id)?,
        };
        let word = match making {
            Making::Approval(word) => OfficersWord::clone(word),
            Making::Fact | Making::Received(_) | Making::Record(_) | Making::Dvc(_) => OfficersWord::default(),
        };
        let history: Vec<_> = history.iter().chain(facts.iter().filter(|other| *other != fact)).collect();
        let body = self.act_record(key, recorded, &parts, word, &history)?;
        let common = Common { salt: Salt(B64u(self.random()?)), iat: recorded.at.into(), x: None, shown: None };
        let unsigned = Unsigned::new(&Statement { common, body }, key.algorithm, key.thumbprint)?;
        let signature = key.signer.sign_raw(unsigned.message())?;
        Ok(unsigned.finish(&signature)?.bytes().to_vec())
    }

    /// The request of an open act, and what became of it.
    fn opened(&self, act: ActId) -> Result<(RecordParts, Vec<JournalFact>), NotaryFault> {
        let mut history = Vec::new();
        let mut request = None;
        for index in self.indexes_of_act(act)? {
            let fact: JournalFact = read_fact(&self.reader().fact(index)?.unwrap_or_default())?;
            if matches!(fact, JournalFact::Opened { .. }) {
                request = self.reader().artefact(index)?;
            }
            history.push(fact);
        }
        let gone = || ServiceFault::Facts(format!("the request of the act {act} is not there"));
        let request = ActRequest::parse(&request.ok_or_else(gone)?);
        let request = request.map_err(|fault| ServiceFault::Facts(format!("the request of the act {act}: {fault}")))?;
        // What was sent was kept, and its size noted.
        let size_of = |wanted| {
            history.iter().find_map(|fact| match fact {
                JournalFact::Kept { place, size, .. } if *place == wanted => Some(*size),
                _ => None,
            })
        };
        let sizes = (0..).zip(&request.documents).map(|(place, _)| size_of(place)).collect();
        Ok((RecordParts { request, sizes }, history))
    }

    fn act_record(
        &self,
        key: &RoleKey,
        recorded: &RecordedAct,
        parts: &RecordParts,
        OfficersWord { fee, recording }: OfficersWord,
        history: &[&JournalFact],
    ) -> Result<ActRecorded, ServiceFault> {
        let RecordParts { request, sizes } = parts;
        let origin = self.reader().identity().origin();
        let service = Origin::new(origin).ok_or_else(|| ServiceFault::Facts(format!("the origin {origin}")))?;
        let held = history.iter().any(|fact| matches!(fact, JournalFact::Opened { held: true, .. }));
        let documents = request.documents.iter().zip(sizes).map(|(document, size)| ActDocument {
            title: document.title,
            media_type: document.media_type.clone(),
            size: *size,
            sha256: document.sha256,
            role: document.role,
            held: held || size.is_some(),
        });
        let requester = Principal {
            name: request.name,
            address: request.address,
            ..principal(PrincipalRole::Requester, &recorded.requester, recorded.opened_at)
        };
        let signers = history.iter().filter_map(|fact| match fact {
            JournalFact::Signed { at, signer, certificate, signature, .. } => {
                let signer = Officer { certificate: *certificate, person: Person::Party(*signer) };
                let signature = Some(B64u32::from(*signature));
                let named = principal(PrincipalRole::Signer, &signer, *at);
                Some(self.revoked_since(certificate).map(|revoked| Principal {
                    signature,
                    signed_at: Some((*at).into()),
                    // Not what came after the moment of the decision.
                    revoked_at: revoked.filter(|revoked| *revoked <= recorded.at).map(Into::into),
                    ..named
                }))
            }
            _ => None,
        });
        let signers = signers.collect::<Result<Vec<_>, _>>()?;
        Ok(ActRecorded {
            act: recorded.id,
            kind: recorded.act,
            journal_no: recorded.number,
            notary: NotaryNamed {
                service,
                key: key.thumbprint,
                certificate: key.digest.into(),
                policy: self.policy_hash.into(),
            },
            opened_at: recorded.opened_at.into(),
            completed_at: recorded.at.into(),
            principals: std::iter::once(requester).chain(signers).collect(),
            documents: documents.collect(),
            request: recorded.request.into(),
            dvc: request.dvc,
            validation_report: recorded.report.filter(|_| recorded.act.validates()).map(Into::into),
            events: events(recorded, history),
            outcome: recorded.outcome(),
            reason: recorded.reason,
            officer: recorded.officer.map(|officer| officer.certificate.into()),
            checked: recorded.checks.iter().collect(),
            not_checked: not_checked(recorded.checks),
            fee,
            recording,
            assurance: Assurance::NonQualified,
            correction_of: request.correction_of,
        })
    }
}

/// Somebody who takes part by a certificate of this service, which was good at that moment.
fn principal(role: PrincipalRole, who: &Officer, at: Timestamp) -> Principal {
    let party = match who.person {
        Person::Party(party) => Some(party),
        Person::Certificate(_) => None,
    };
    let by_certificate = Identified { method: IdentityMethod::Certificate, checked_at: at.into(), evidence: None };
    let certificate = who.certificate.into();
    let (name, address, signature, signed_at, revoked_at) = (None, None, None, None, None);
    Principal {
        role,
        party,
        certificate,
        name,
        address,
        identity: vec![by_certificate],
        signature,
        signed_at,
        revoked_at,
    }
}

fn not_checked(checks: Checks) -> Vec<OfficerCheck> {
    OfficerCheck::ALL.iter().copied().filter(|check| !checks.has(Checks::none().with(*check))).collect()
}

/// What happened, oldest first.
fn events(recorded: &RecordedAct, history: &[&JournalFact]) -> Vec<ActEvent> {
    let event = |at: Timestamp, kind, actor: Option<&Digest>| {
        let actor = actor.copied().map(Into::into);
        ActEvent { at: at.into(), kind, actor }
    };
    let requester = &recorded.requester.certificate;
    let mut events = vec![event(recorded.opened_at, EventType::Requested, Some(requester))];
    let mut taken = None;
    for fact in history {
        match fact {
            JournalFact::Signed { at, certificate, .. } => {
                events.push(event(*at, EventType::Signed, Some(certificate)))
            }
            JournalFact::Assigned { at, officer: Some(officer), .. } => {
                taken = Some(officer.certificate);
                events.push(event(*at, EventType::Taken, Some(&officer.certificate)));
            }
            JournalFact::Assigned { at, officer: None, .. } => {
                events.push(event(*at, EventType::Released, taken.take().as_ref()));
            }
            JournalFact::Opened { .. }
            | JournalFact::Validated { .. }
            | JournalFact::Recorded(_)
            | JournalFact::Reported { .. }
            | JournalFact::Kept { .. }
            | JournalFact::Personal { .. } => {}
        }
    }
    let officer = recorded.officer.as_ref().map(|officer| &officer.certificate);
    let (kind, actor) = match (recorded.outcome(), recorded.reason, officer) {
        (Outcome::Performed, _, Some(officer)) => (EventType::Approved, Some(officer)),
        (Outcome::Performed, _, None) => (EventType::Certified, None),
        (Outcome::Aborted, Some(Reason::Withdrawn), _) => (EventType::Withdrawn, Some(requester)),
        (Outcome::Aborted, ..) => (EventType::Expired, None),
        (Outcome::Refused, _, officer) => (EventType::Refused, officer),
    };
    events.push(event(recorded.at, kind, actor));
    events
}
