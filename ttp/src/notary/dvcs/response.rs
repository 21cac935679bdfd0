//! Data validation certificates (RFC 3029 §9.1), in two steps around the signature.
//!
//! ```text
//! DvcContent::new(request, finding, grant) ─▶ prepare(signer, content) ─▶ message ── sign (pool) ──▶ finish ─▶ Dvc
//!                                                            Dvc ── a token over its signature ──▶ with_time_stamp
//! ```
//!
//! dvReqInfo is the request's own octets, unchanged, or with a longer nonce where the caller wants one. A negative finding is a DVC
//! as well, with dvStatus rejection; an error notice ([`super::refusal::notice`]) only says that a request was not taken up.
//!
//! The responseTime is a moment, or a token where the request's policy wants one. What such a token has to be of, the RFC does not
//! say (§7.3); ours is of messageImprint, which is known before the DVC is made. The signature's own time stamp is an unsigned attribute.

use super::request::{Asked, Request};
use super::signer::DvcSigner;
use super::status::{Status, StatusInfo};
use super::token::{CertEtcToken, TargetEtcChain};
use super::types::{DvcsTime, Extension, PolicyInformation, ServiceType};
use crate::asn1::{Imprint, der};
use crate::cms::Prepared;
use crate::digest::{Digest, ImprintAlgorithm};
use crate::time::Timestamp;

/// A DVC's serial number: 31 bits of counter, then 128 random bits. The counter rises, as §4 wants of serial numbers, and keeps them
/// apart over restarts; the random part keeps them apart over a restored backup, and a DVC's hash from being guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DvcSerial([u8; 20]);

impl DvcSerial {
    /// From the shell's counter and 16 random octets; `None` if the counter does not fit in 31 bits or is 0.
    #[must_use]
    pub fn new(counter: u32, random: [u8; 16]) -> Option<Self> {
        if counter == 0 || counter >> 31 != 0 {
            return None;
        }
        let mut serial = [0; 20];
        serial[..4].copy_from_slice(&counter.to_be_bytes());
        serial[4..].copy_from_slice(&random);
        Some(Self(serial))
    }

    /// The content octets of the INTEGER.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        der::integer_content(&self.0)
    }
}

/// What is said of one target of vpkc, or of one signature's certificate of vsd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Valid or not.
    pub status: StatusInfo,
    /// What that rests on: certificates, revocation lists, OCSP responses.
    pub evidence: Vec<CertEtcToken>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// ccpd and cpd: the claim, or the octets, were received. Nothing more is said.
    Received,
    /// vsd: whether the document's signatures hold, and for each certificate that was judged what was found.
    Signatures {
        /// The collective result.
        status: StatusInfo,
        /// Certificate in DER, and what is said of it.
        certificates: Vec<(Vec<u8>, Answer)>,
    },
    /// vpkc: one answer for each target, in the order of the request.
    Certificates {
        /// The collective result: granted exactly if every target is.
        status: StatusInfo,
        /// One for each.
        answers: Vec<Answer>,
    },
}

impl Finding {
    /// Whether what was asked holds; of what was merely received, nothing was asked.
    #[must_use]
    pub fn is_granted(&self) -> bool {
        match self {
            Self::Received => true,
            Self::Signatures { status, .. } | Self::Certificates { status, .. } => status.is_granted(),
        }
    }
}

/// What the server adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Unique.
    pub serial: DvcSerial,
    /// The `now` of the decision; also signingTime.
    pub now: Timestamp,
    /// A token over messageImprint, for responseTime in place of `now`.
    pub time_token: Option<Vec<u8>>,
    /// How messageImprint is made, except of ccpd.
    pub hash: ImprintAlgorithm,
    /// Under which policy.
    pub policy: PolicyInformation,
    /// What to put at the end of the nonce, if anything.
    pub nonce: Option<Vec<u8>>,
    /// Extensions, each once.
    pub extensions: Vec<Extension>,
}

/// Why no DVC can say this: the caller's mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentFault {
    /// The finding is of another service than the request.
    #[error("the finding is not of the service {}", .0.name())]
    Service(ServiceType),
    /// vpkc has one answer for each target.
    #[error("{targets} certificates were asked about, and {answers} answered")]
    Answers {
        /// Asked.
        targets: usize,
        /// Answered.
        answers: usize,
    },
    /// The collective status and those of the targets contradict each other, or one is neither granted nor a rejection.
    #[error("the collective status does not follow from the single ones")]
    Status,
    /// More evidence than an answer takes.
    #[error("the evidence has {octets} octets, more than {EVIDENCE_BYTES_MAX}")]
    Evidence {
        /// How many it has.
        octets: usize,
    },
}

/// The most octets of certificates, lists and responses in one DVC: above any that is real, and below what [`der::put_head`] can write.
pub const EVIDENCE_BYTES_MAX: usize = 8 << 20;

/// What a DVC certifies: DVCSCertInfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DvcContent {
    der: Vec<u8>,
    now: Timestamp,
}

impl DvcContent {
    /// Says `finding` of `request`.
    ///
    /// # Errors
    /// [`ContentFault`].
    pub fn new(request: &Request, finding: &Finding, grant: &Grant) -> Result<Self, ContentFault> {
        let (status, certs) = certified(request, finding)?;
        let tokens = certs.iter().flat_map(|chain| [&chain.target].into_iter().chain(&chain.chain));
        let octets = tokens.map(CertEtcToken::octets).sum();
        if octets > EVIDENCE_BYTES_MAX {
            return Err(ContentFault::Evidence { octets });
        }
        let mut body = Vec::with_capacity(512);
        match &grant.nonce {
            None => body.extend_from_slice(&request.information.der),
            Some(more) => body.extend(request.information.with_longer_nonce(more)),
        }
        imprint_of(request, grant.hash).put_der(&mut body);
        put(&mut body, der::INTEGER, &grant.serial.content());
        match &grant.time_token {
            Some(token) => body.extend_from_slice(token),
            None => DvcsTime::Moment(grant.now).put(&mut body),
        }
        if let Some(status) = status {
            put(&mut body, der::CONTEXT_0, &status.content());
        }
        put(&mut body, der::CONTEXT_1, grant.policy.content());
        if let Some(signature) = &request.signature {
            put(&mut body, der::CONTEXT_2, &signature.signer_infos);
        }
        if !certs.is_empty() {
            let mut all = Vec::new();
            certs.iter().for_each(|chain| chain.put(&mut all));
            put(&mut body, der::CONTEXT_3, &all);
        }
        if !grant.extensions.is_empty() {
            let all: Vec<u8> = grant.extensions.iter().flat_map(|extension| extension.der.clone()).collect();
            put(&mut body, der::SEQUENCE, &all);
        }
        Ok(Self { der: der::tlv(der::SEQUENCE, &body), now: grant.now })
    }

    /// DVCSCertInfo in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// messageImprint of the answer; a token for responseTime is over it.
#[must_use]
pub fn imprint_of(request: &Request, hash: ImprintAlgorithm) -> Imprint {
    request.asked.imprint(hash)
}

/// dvStatus and certs.
fn certified(request: &Request, finding: &Finding) -> Result<(Option<StatusInfo>, Vec<TargetEtcChain>), ContentFault> {
    match (&request.asked, finding) {
        (Asked::Claim(_) | Asked::Possession(_), Finding::Received) => Ok((None, Vec::new())),
        (Asked::SignedDocument(_), Finding::Signatures { status, certificates }) => {
            let answered = |(certificate, answer): &(Vec<u8>, Answer)| {
                answered(CertEtcToken::Certificate(certificate.clone()), answer)
            };
            let certs: Vec<_> = certificates.iter().map(answered).collect();
            // The document may fail although each certificate is good, but not the other way round.
            let all_granted = certificates.iter().all(|(_, answer)| answer.status.is_granted());
            check_status(status, certificates.iter().map(|(_, answer)| answer), !status.is_granted() || all_granted)?;
            Ok((Some(status.clone()), certs))
        }
        (Asked::Certificates { targets, .. }, Finding::Certificates { status, answers }) => {
            if targets.len() != answers.len() {
                return Err(ContentFault::Answers { targets: targets.len(), answers: answers.len() });
            }
            let all_granted = answers.iter().all(|answer| answer.status.is_granted());
            check_status(status, answers.iter(), status.is_granted() == all_granted)?;
            let both = targets.iter().zip(answers);
            Ok((Some(status.clone()), both.map(|(target, answer)| answered(target.target.clone(), answer)).collect()))
        }
        (asked, _) => Err(ContentFault::Service(asked.service())),
    }
}

fn check_status<'a>(
    status: &StatusInfo,
    mut answers: impl Iterator<Item = &'a Answer>,
    agree: bool,
) -> Result<(), ContentFault> {
    // Clients read grantedWithMods as success, and nobody comes back to one that waits.
    let plain = |status: &StatusInfo| matches!(status.status, Status::Granted | Status::Rejection);
    let good = agree && plain(status) && answers.all(|answer| plain(&answer.status));
    good.then_some(()).ok_or(ContentFault::Status)
}

fn answered(target: CertEtcToken, answer: &Answer) -> TargetEtcChain {
    let status = CertEtcToken::Status(answer.status.clone());
    let chain = [status].into_iter().chain(answer.evidence.iter().cloned()).collect();
    TargetEtcChain { target, chain, path_input: None }
}

fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    der::put_head(out, tag, content.len());
    out.extend_from_slice(content);
}

/// A DVC that lacks its signature.
#[derive(Clone, Debug)]
pub struct ToBeSigned(Prepared);

/// Builds everything but the signature.
#[must_use]
pub fn prepare(signer: &DvcSigner, content: DvcContent) -> ToBeSigned {
    ToBeSigned(Prepared::new(signer.template.clone(), content.der, content.now))
}

impl ToBeSigned {
    /// The message for the key's [`crate::crypto::Signer`].
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.0.message()
    }

    /// The DVC. `signature` is what the signer gave for [`ToBeSigned::message`].
    #[must_use]
    pub fn finish(self, signature: Vec<u8>) -> Dvc {
        let mut der = Vec::new();
        self.0.put(&mut der, &signature, true, &[]);
        Dvc { prepared: self.0, signature, der }
    }
}

/// A signed data validation certificate.
#[derive(Clone, Debug)]
pub struct Dvc {
    prepared: Prepared,
    signature: Vec<u8>,
    der: Vec<u8>,
}

impl Dvc {
    /// The ContentInfo in DER: the artefact.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The same, without a copy.
    #[must_use]
    pub fn into_der(self) -> Vec<u8> {
        self.der
    }

    /// SHA-256 of the artefact.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// The octets that a signature time stamp is over.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The same DVC with a token over [`Dvc::signature`] among its unsigned attributes (RFC 3161 appendix A).
    #[must_use]
    pub fn with_time_stamp(mut self, token: &[u8]) -> Self {
        /// id-aa-timeStampToken, 1.2.840.113549.1.9.16.2.14, in DER.
        const TIME_STAMP_TOKEN: [u8; 13] =
            [0x06, 0x0B, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x10, 0x02, 0x0E];
        let unsigned = der::sequence(&[&TIME_STAMP_TOKEN, &der::tlv(der::SET, token)]);
        self.der = Vec::new();
        self.prepared.put(&mut self.der, &self.signature, true, &unsigned);
        self
    }
}

#[cfg(test)]
mod tests;
