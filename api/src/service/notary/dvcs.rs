//! Requests of RFC 3029: who asks, what is found, and the certificate that says so.

use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    asn1::PolicyId,
    ca::profile::ProfileCode,
    digest::{Digest, ImprintAlgorithm},
    id::ActId,
    notary::{
        JournalEvent, Service as Asked, Validate,
        dvcs::{self, Accepted, Finding, PolicyInformation, Refusal, Refused, Request, ServiceType},
    },
    policy::person::Officer,
    x509::Certificate,
};

use super::{super::Service, Job, Making, NotaryFault};

/// How requests of RFC 3029 are answered.
#[derive(Clone, Debug)]
pub struct DvcsSettings {
    /// What is taken.
    pub accepted: Accepted,
    /// Under which policy.
    pub policy: PolicyId,
    /// Whether only signed requests are taken.
    pub signed_only: bool,
}

impl Service {
    /// Answers a request: the data validation certificate, which is in the ledger.
    ///
    /// # Errors
    /// [`Refused`], which is answered by an error notice.
    pub(crate) async fn validate_data(&self, bytes: &[u8], caller: Option<&Certificate>) -> Result<Vec<u8>, Refused> {
        let unavailable = || Refused { refusal: Refusal::Unavailable, transaction: None };
        let settings = &self.notary.as_ref().ok_or_else(unavailable)?.settings.dvcs;
        let request = dvcs::parse(bytes, &settings.accepted)?;
        let transaction = request.transaction.clone();
        let refused = |refusal| Refused { refusal, transaction: transaction.clone() };
        if settings.signed_only && request.signature.is_none() {
            return Err(refused(Refusal::NotSigned));
        }
        let own = PolicyInformation::new(settings.policy.clone());
        if request.information.policy.as_ref().is_some_and(|policy| *policy != own) {
            return Err(refused(Refusal::Policy));
        }
        let requester = self.requester_of(&request, caller).map_err(refused)?;
        // A client that got no answer sends the very same signed request again, and gets the very same certificate.
        let idempotency = request.signature.as_ref().filter(|_| request.information.nonce.is_some()).map(|signature| {
            let key = Digest::of(&[b"semper/dvcs/v1\0", &signature.certificate[..], bytes].concat());
            Idempotency { key: key.0, request: Digest::of(bytes).0 }
        });
        let service = match request.asked.service() {
            ServiceType::Ccpd => Asked::Ccpd,
            service => return Err(refused(Refusal::NotOffered { service })),
        };
        let finding = Finding::Received;
        let imprint = request.asked.imprint(ImprintAlgorithm::Sha256);
        let mut random = [0; 32];
        self.entropy.fill(&mut random).map_err(|_| unavailable())?;
        let (id, serial) = random.split_at(16);
        let event = JournalEvent::Validate(Box::new(Validate {
            id: ActId::from(<[u8; 16]>::try_from(id).unwrap_or_default()),
            service,
            request: Digest::of(bytes),
            requester,
            subject: Digest::of(&imprint.digest),
            serial: serial.try_into().unwrap_or_default(),
            granted: true,
        }));
        let making = Making::Dvc(Box::new((request, finding, own)));
        match self.enter(Job { event, idempotency, making }).await {
            Ok(entered) => entered.artefact.ok_or_else(|| refused(Refusal::Unavailable)),
            Err(fault) => {
                if let NotaryFault::Fault(fault) = &fault {
                    tracing::error!(%fault, "a data validation certificate was not made");
                }
                Err(refused(Refusal::Unavailable))
            }
        }
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
