//! Requests of RFC 3029: who asks, what is found, and the certificate that says so.

use std::sync::Arc;

use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    asn1::{Imprint, PolicyId, der, read::Reader},
    ca::profile::ProfileCode,
    digest::{Digest, ImprintAlgorithm},
    id::ActId,
    notary::{
        JournalEvent, Service as Asked, Validate,
        dvcs::{
            self, Accepted, Asked as Question, Finding, PolicyInformation, Refusal, Refused, Request, ServiceType,
            finding, types::DvcsTime,
        },
    },
    path::Material,
    policy::person::{Officer, Person},
    timestamp,
    validation::Subject,
    x509::Certificate,
};

use super::{super::Service, DvcParts, Job, Making, NotaryFault};
use crate::{body::Held, server::RequestId};

/// How far from now requestTime may be and mean now, ms.
const ASKED_NOW_MILLIS: u64 = 5 * 60 * 1_000;

/// How requests of RFC 3029 are answered.
#[derive(Clone, Debug)]
pub struct DvcsSettings {
    /// What is taken.
    pub accepted: Accepted,
    /// Under which policy.
    pub policy: PolicyId,
    /// Under which a timestamp token tells the time; none where no such answers are given.
    pub policy_with_token: Option<PolicyId>,
    /// Whether only signed requests are taken.
    pub signed_only: bool,
}

impl Service {
    /// Answers a request: the data validation certificate, which is in the ledger.
    ///
    /// # Errors
    /// [`Refused`], which is answered by an error notice.
    pub(crate) async fn validate_data(
        self: &Arc<Self>,
        bytes: &[u8],
        caller: Option<&Certificate>,
        id: RequestId,
        held: Held,
    ) -> Result<Vec<u8>, Refused> {
        let mut service = None;
        let answer = self.certify_data(bytes, caller, (id, held), &mut service).await;
        self.metrics.notary().dvcs(service, answer.as_ref().err().map(|refused| &refused.refusal));
        answer
    }

    /// The same; `asked` is told the service, once it is known.
    async fn certify_data(
        self: &Arc<Self>,
        bytes: &[u8],
        caller: Option<&Certificate>,
        (id, held): (RequestId, Held),
        asked: &mut Option<ServiceType>,
    ) -> Result<Vec<u8>, Refused> {
        let unavailable = || Refused { refusal: Refusal::Unavailable, transaction: None };
        let settings = &self.notary.as_ref().ok_or_else(unavailable)?.settings.dvcs;
        let request = dvcs::parse(bytes, &settings.accepted)?;
        *asked = Some(request.asked.service());
        let transaction = request.transaction.clone();
        let refused = |refusal| Refused { refusal, transaction: transaction.clone() };
        if settings.signed_only && request.signature.is_none() {
            return Err(refused(Refusal::NotSigned));
        }
        let policy = PolicyInformation::new(settings.policy.clone());
        let with_token = settings.policy_with_token.clone().map(PolicyInformation::new);
        let (policy, has_token) = match &request.information.policy {
            None => (policy, false),
            Some(asked) if *asked == policy => (policy, false),
            Some(asked) => (with_token.filter(|policy| policy == asked).ok_or_else(|| refused(Refusal::Policy))?, true),
        };
        let requester = self.requester_of(&request, caller).map_err(refused)?;
        // A client that got no answer sends the very same signed request again, and gets the very same certificate.
        let idempotency = request.signature.as_ref().filter(|_| request.information.nonce.is_some()).map(|signature| {
            let key = Digest::of(&[b"semper/dvcs/v1\0", &signature.certificate[..], bytes].concat());
            Idempotency { key: key.0, request: Digest::of(bytes).0 }
        });
        if let Some(index) = self.answered(idempotency).map_err(|_| refused(Refusal::Unavailable))? {
            let kept = self.reader().artefact(index).map_err(|_| refused(Refusal::Unavailable))?;
            return kept.ok_or_else(|| refused(Refusal::Unavailable));
        }
        let service = match request.asked.service() {
            ServiceType::Ccpd => Asked::Ccpd,
            ServiceType::Vsd => Asked::Vsd,
            ServiceType::Vpkc => Asked::Vpkc,
            // What is deposited is a party's, or strangers would fill the disk.
            ServiceType::Cpd if self.keeps_documents() && !is_party(requester.as_ref()) => {
                return Err(refused(Refusal::NotSigned));
            }
            ServiceType::Cpd if self.keeps_documents() => Asked::Cpd,
            service @ ServiceType::Cpd => return Err(refused(Refusal::NotOffered { service })),
        };
        let imprint = request.asked.imprint(ImprintAlgorithm::Sha256);
        let time_token = match has_token {
            true => Some(self.token_over(imprint.clone(), id).await.map_err(refused)?),
            false => None,
        };
        let (request, finding, report) = self.found(request, service, held.clone()).await.map_err(refused)?;
        let mut random = [0; 32];
        self.entropy.fill(&mut random).map_err(|_| unavailable())?;
        let (id, serial) = random.split_at(16);
        let id = ActId::from(<[u8; 16]>::try_from(id).unwrap_or_default());
        // Possession alone deposits: what is validated is not kept.
        let kept = match &request.asked {
            Question::Possession(octets) => vec![octets.clone()],
            _ => Vec::new(),
        };
        let documents = self.seal_documents(id, Arc::new(kept), held.clone()).await;
        let documents = documents.map_err(|_| refused(Refusal::Unavailable))?;
        let event = JournalEvent::Validate(Box::new(Validate {
            id,
            service,
            request: Digest::of(bytes),
            requester,
            subject: Digest::of(&imprint.digest),
            serial: serial.try_into().unwrap_or_default(),
            granted: finding.is_granted(),
            report: report.as_deref().map(Digest::of),
        }));
        let making = Making::Dvc(Box::new(DvcParts { request, finding, policy, time_token }));
        let job = Job { report, documents, _held: held, ..Job::new(event, idempotency, making) };
        match self.enter(job).await {
            Ok(entered) => entered.artefact.ok_or_else(|| refused(Refusal::Unavailable)),
            Err(fault) => {
                if let NotaryFault::Fault(fault) = &fault {
                    tracing::error!(%fault, "a data validation certificate was not made");
                }
                Err(refused(Refusal::Unavailable))
            }
        }
    }

    /// What is found of a request, with the report where something was validated.
    async fn found(
        self: &Arc<Self>,
        request: Request,
        service: Asked,
        held: Held,
    ) -> Result<(Request, Finding, Option<Vec<u8>>), Refusal> {
        if !service.validates() {
            return Ok((request, Finding::Received, None));
        }
        let now = self.now();
        let at = match &request.information.request_time {
            None => None,
            // Clients write the moment at which they ask, by their own clocks, in whole seconds.
            Some(DvcsTime::Moment(at)) if at.millis().abs_diff(now.millis()) <= ASKED_NOW_MILLIS => None,
            Some(DvcsTime::Moment(at)) if *at <= now => Some(*at),
            Some(DvcsTime::Moment(_)) => return Err(Refusal::Time),
            Some(DvcsTime::Token(_)) => return Err(Refusal::TimeForm),
        };
        let found = self.judging(held, move |service, rules| {
            let mut material = Material::new();
            let (finding, judged) = match &request.asked {
                Question::Certificates { targets, .. } => {
                    let asked = finding::targets(targets, &mut material);
                    let targets: Vec<_> = asked.iter().flatten().cloned().collect();
                    let judged = service.judge(rules, Subject::Certificates(&targets), at, &material)?;
                    (finding::of_certificates(&asked, &judged.report, &judged.material), judged)
                }
                Question::SignedDocument(octets) | Question::Possession(octets) => {
                    let judged = service.judge(rules, Subject::recognise(octets, None), at, &material)?;
                    (finding::of_signatures(&judged.report, &judged.material), judged)
                }
                Question::Claim(_) => return Ok((request, Finding::Received, None)),
            };
            Ok((request, finding, Some(judged.bytes)))
        });
        found.await.map_err(|fault| {
            tracing::error!(%fault, "nothing was validated");
            Refusal::Unavailable
        })
    }

    /// A token of this service's own over what is certified.
    async fn token_over(self: &Arc<Self>, imprint: Imprint, id: RequestId) -> Result<Vec<u8>, Refusal> {
        let request = timestamp::request::Request::new(imprint, None, None, true);
        if self.endpoints.is_empty() {
            return Err(Refusal::Unavailable);
        }
        let digest = Digest::of(&request.encode());
        let response = self.timestamp(0, request, digest, id).await;
        let response = response.map_err(|_| Refusal::Unavailable)?;
        // TimeStampResp ::= SEQUENCE { status, timeStampToken }
        let token = Reader::new(&response).take(der::SEQUENCE).and_then(|all| {
            let mut inside = Reader::new(all.content);
            inside.take(der::SEQUENCE)?;
            inside.value()
        });
        Ok(token.ok_or(Refusal::Unavailable)?.der.to_vec())
    }

    /// Whoever signed, else whom the TLS client certificate names: a certificate of this service that is good now. Nobody is no fault.
    fn requester_of(&self, request: &Request, caller: Option<&Certificate>) -> Result<Option<Officer>, Refusal> {
        let signer = request.signature.as_ref().map(|signature| Certificate::from_der(&signature.certificate));
        let signer = signer.transpose().map_err(|_| Refusal::SignerNotGood)?;
        let Some(certificate) = signer.as_ref().or(caller) else { return Ok(None) };
        let fault = |fault| {
            tracing::error!(%fault, "it cannot be told who asks");
            Refusal::Unavailable
        };
        match self.standing(certificate).map_err(fault)? {
            Ok(status) if is_of_somebody(status.class) => self.officer(certificate.digest()).map(Some).map_err(fault),
            _ => Err(Refusal::SignerNotGood),
        }
    }
}

/// Whether the holder of such a certificate asks in its own name.
const fn is_of_somebody(class: ProfileCode) -> bool {
    matches!(
        class,
        ProfileCode::Party | ProfileCode::Client | ProfileCode::Officer | ProfileCode::Operator | ProfileCode::Role
    )
}

fn is_party(requester: Option<&Officer>) -> bool {
    requester.is_some_and(|officer| matches!(officer.person, Person::Party(_)))
}
