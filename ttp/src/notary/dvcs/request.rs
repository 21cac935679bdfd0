//! A request for data validation (RFC 3029 §8), bare or signed, read into a type that cannot be wrong.
//!
//! ```text
//! ContentInfo { id-ct-DVCSRequestData, DVCSRequest }
//! ContentInfo { id-signedData, SignedData { eContentType id-ct-DVCSRequestData, eContent DVCSRequest, … } }
//! ```
//!
//! The envelope may be BER, as BouncyCastle writes it; the DVCSRequest in it is DER, since its octets are repeated in what is signed.
//!
//! - `requestTime` counts for vsd and vpkc alone; the others ignore it (§7.6).
//! - `dataLocations` is for the applications: the server has no use for it and repeats it (§7.6).
//! - `dvcs` that does not name this server is wrongAuthority.
//! - If a request with `requester` is signed, that must be the subject or an alternative name of the signer's certificate (§7.6).
//! - Which policy is served, how far `requestTime` may be off, and who may ask at all, is decided by the role.
//!
//! The sections are cited from memory: the RFC's text was not at hand but for what BouncyCastle quotes of it (§9.1).

use rasn_pkix::GeneralName;

use super::refusal::{Refusal, Refused};
use super::token::TargetEtcChain;
use super::types::{
    Data, FormFault, Names, REQUEST_DATA, RequestInformation, ServiceType, TARGETS_MAX, bare_content, general_name,
};
use crate::asn1::read::Reader;
use crate::asn1::{Imprint, ImprintFault, PolicyId, ber, der, oid};
use crate::cms::{SIGNED_DATA, SignatureFault, SignedData};
use crate::crypto::{ForeignFault, imprint_of};
use crate::digest::ImprintAlgorithm;
use crate::x509::{Certificate, encode};

/// What the service takes.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The longest request, octets.
    pub bytes_max: usize,
    /// Hash algorithms of imprints.
    pub hashes: Vec<ImprintAlgorithm>,
    /// Certificates to validate in one request.
    pub targets_max: usize,
    /// This server's own names, GeneralNames in DER: a request whose `dvcs` has none of them is for others. `None` for who is no server.
    pub own_names: Option<Vec<Vec<u8>>>,
}

impl Accepted {
    /// Everything that can be read, for whoever compares an answer with its request.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            bytes_max: usize::MAX,
            hashes: ImprintAlgorithm::ALL.to_vec(),
            targets_max: TARGETS_MAX,
            own_names: None,
        }
    }
}

/// A request that passed every test for which neither state nor time is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it says of itself, with its own octets.
    pub information: RequestInformation,
    /// What is to be certified; it belongs to the service.
    pub asked: Asked,
    /// transactionIdentifier in DER, which an error notice repeats.
    pub transaction: Option<Vec<u8>>,
    /// Who signed it.
    pub signature: Option<RequestSignature>,
}

/// What is to be certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// ccpd: that somebody claims to have data with this imprint.
    Claim(Imprint),
    /// cpd: that these octets were shown.
    Possession(Vec<u8>),
    /// vsd: whether the signatures of this document hold.
    SignedDocument(Vec<u8>),
    /// vpkc: whether these certificates are valid.
    Certificates {
        /// The whole value `certs` as it came.
        der: Vec<u8>,
        /// One to [`Accepted::targets_max`].
        targets: Vec<TargetEtcChain>,
    },
}

impl Asked {
    /// The service.
    #[must_use]
    pub const fn service(&self) -> ServiceType {
        match self {
            Self::Claim(_) => ServiceType::Ccpd,
            Self::Possession(_) => ServiceType::Cpd,
            Self::SignedDocument(_) => ServiceType::Vsd,
            Self::Certificates { .. } => ServiceType::Vpkc,
        }
    }

    /// To validate these certificates, each in DER.
    #[must_use]
    pub fn certificates(certificates: &[&[u8]]) -> Self {
        let targets: Vec<_> = certificates.iter().map(|der| TargetEtcChain::of_certificate(der)).collect();
        let mut content = Vec::new();
        targets.iter().for_each(|target| target.put(&mut content));
        Self::Certificates { der: der::tlv(der::CONTEXT_0, &content), targets }
    }

    /// messageImprint of the answer (§9.1): that of ccpd as it was given; of cpd and vsd over the octets without tag and length;
    /// of vpkc over the value `certs` in DER, tag and length included. `algorithm` is the server's choice.
    #[must_use]
    pub fn imprint(&self, algorithm: ImprintAlgorithm) -> Imprint {
        let octets = match self {
            Self::Claim(imprint) => return imprint.clone(),
            Self::Possession(octets) | Self::SignedDocument(octets) | Self::Certificates { der: octets, .. } => octets,
        };
        Imprint { algorithm, null_parameters: false, digest: imprint_of(algorithm, octets) }
    }
}

/// A client's request, bare. `nonce` is random octets, read as a non-negative number.
///
/// # Panics
/// Of data of 16 MiB and more; no server takes it.
#[must_use]
pub fn build(asked: &Asked, nonce: Option<&[u8]>) -> Vec<u8> {
    build_under(asked, nonce, None)
}

/// The same under a policy.
///
/// # Panics
/// As [`build`].
#[must_use]
pub fn build_under(asked: &Asked, nonce: Option<&[u8]>, policy: Option<&PolicyId>) -> Vec<u8> {
    let mut information = vec![der::ENUMERATED, 1, asked.service() as u8];
    if let Some(nonce) = nonce {
        information.extend(der::tlv(der::INTEGER, &der::integer_content(nonce)));
    }
    if let Some(policy) = policy {
        information.extend(der::tlv(der::CONTEXT_1, &der::tlv(der::OID, policy.content())));
    }
    let mut body = der::tlv(der::SEQUENCE, &information);
    match asked {
        Asked::Claim(imprint) => imprint.put_der(&mut body),
        Asked::Possession(octets) | Asked::SignedDocument(octets) => body.extend(der::tlv(der::OCTET_STRING, octets)),
        Asked::Certificates { der, .. } => body.extend_from_slice(der),
    }
    let content = der::tlv(der::CONTEXT_0, &der::tlv(der::SEQUENCE, &body));
    der::sequence(&[&der::tlv(der::OID, &REQUEST_DATA), &content])
}

/// The signature of a request. It is right; whether the certificate is good, and who its holder is, is not judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSignature {
    /// The signer's certificate, DER.
    pub certificate: Vec<u8>,
    /// The other certificates that came along, DER.
    pub others: Vec<Vec<u8>>,
    /// The content of signerInfos, which reqSignature of the answer repeats.
    pub signer_infos: Vec<u8>,
}

/// Reads a request.
///
/// # Errors
/// The first refusal: length, envelope, signature, structure, data, policy of this server.
pub fn parse(bytes: &[u8], accepted: &Accepted) -> Result<Request, Refused> {
    let without_transaction = |refusal| Refused { refusal, transaction: None };
    if bytes.len() > accepted.bytes_max {
        return Err(without_transaction(Refusal::TooLong { bytes_max: accepted.bytes_max }));
    }
    let rewritten;
    let bytes = if ber::is_indefinite(bytes) {
        rewritten = ber::definite(bytes).ok_or(without_transaction(Refusal::NotARequest))?;
        &rewritten[..]
    } else {
        bytes
    };
    let (content, signed) = open(bytes).map_err(without_transaction)?;
    let parts = Parts::of(content).ok_or(without_transaction(Refusal::NotARequest))?;
    let for_others = |request: &Request| match (&accepted.own_names, &request.information.dvcs) {
        (Some(own), Some(names)) => !names.meet(own),
        _ => false,
    };
    let read = match read(&parts, signed.as_ref(), accepted) {
        Ok(request) if for_others(&request) => Err(Refusal::OtherServer),
        read => read,
    };
    read.map_err(|refusal| Refused { refusal, transaction: parts.transaction })
}

/// Takes the DVCSRequest out of its envelope.
fn open(bytes: &[u8]) -> Result<(&[u8], Option<SignedData<'_>>), Refusal> {
    /// id-envelopedData, 1.2.840.113549.1.7.3, content octets.
    const ENVELOPED_DATA: [u8; 9] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x03];
    if let Some(content) = bare_content(bytes, &REQUEST_DATA) {
        return Ok((content, None));
    }
    let content_type = Reader::new(bytes).take(der::SEQUENCE).and_then(|all| Reader::new(all.content).take(der::OID));
    match content_type {
        Some(value) if value.content == ENVELOPED_DATA => return Err(Refusal::Encrypted),
        Some(value) if value.der == SIGNED_DATA => {}
        _ => return Err(Refusal::NotARequest),
    }
    let signed = SignedData::from_der(bytes).filter(|signed| signed.content_type == REQUEST_DATA);
    let signed = signed.ok_or(Refusal::NotARequest)?;
    Ok((signed.attached().ok_or(Refusal::NotARequest)?, Some(signed)))
}

/// The three elements of a DVCSRequest.
struct Parts<'a> {
    information: crate::asn1::read::Value<'a>,
    data: crate::asn1::read::Value<'a>,
    transaction: Option<Vec<u8>>,
}

impl<'a> Parts<'a> {
    fn of(content: &'a [u8]) -> Option<Self> {
        let mut outer = Reader::new(content);
        let mut inside = Reader::new(outer.take(der::SEQUENCE)?.content);
        let (information, data) = (inside.value()?, inside.value()?);
        let transaction = match inside.value() {
            Some(name) => Some(general_name(&name).ok()?),
            None => None,
        };
        (outer.is_at_end() && inside.is_at_end()).then_some(Self { information, data, transaction })
    }
}

fn read(parts: &Parts<'_>, signed: Option<&SignedData<'_>>, accepted: &Accepted) -> Result<Request, Refusal> {
    let information = RequestInformation::read(&parts.information).map_err(refusal_of)?;
    let data = Data::read(&parts.data).map_err(|fault| data_refusal(fault, information.service, accepted))?;
    let asked = asked(information.service, data, accepted)?;
    if information.extensions.iter().any(|extension| extension.critical) {
        return Err(Refusal::CriticalExtension);
    }
    let signature = signed.map(|signed| check_signature(signed, information.requester.as_ref())).transpose()?;
    Ok(Request { information, asked, transaction: parts.transaction.clone(), signature })
}

fn refusal_of(fault: FormFault) -> Refusal {
    match fault {
        FormFault::Malformed { .. } | FormFault::TooMany { .. } => Refusal::NotARequest,
        FormFault::Version { .. } => Refusal::Version,
        FormFault::Service => Refusal::UnknownService,
        FormFault::Nonce { octets } => Refusal::NonceLength { octets },
        FormFault::Imprint(fault) => match fault {
            ImprintFault::Malformed => Refusal::NotARequest,
            ImprintFault::Algorithm => Refusal::HashAlgorithm,
            ImprintFault::Parameters => Refusal::HashParameters,
            ImprintFault::Length { expected, found } => Refusal::ImprintLength { expected, found },
        },
    }
}

/// What is wrong with the data of this service.
fn data_refusal(fault: FormFault, service: ServiceType, accepted: &Accepted) -> Refusal {
    match (fault, service) {
        (FormFault::Imprint(_), service) if service != ServiceType::Ccpd => Refusal::DataChoice { service },
        (FormFault::Malformed { structure: "certs" }, ServiceType::Vpkc) => Refusal::Empty,
        (FormFault::TooMany { structure: "certs" }, _) => Refusal::TooManyTargets { max: accepted.targets_max },
        (fault, _) => refusal_of(fault),
    }
}

fn asked(service: ServiceType, data: Data<'_>, accepted: &Accepted) -> Result<Asked, Refusal> {
    match (service, data) {
        (ServiceType::Ccpd, Data::Imprint(imprint)) => {
            let known = accepted.hashes.contains(&imprint.algorithm);
            known.then_some(Asked::Claim(imprint)).ok_or(Refusal::HashAlgorithm)
        }
        (ServiceType::Cpd | ServiceType::Vsd, Data::Message([])) => Err(Refusal::Empty),
        (ServiceType::Cpd, Data::Message(octets)) => Ok(Asked::Possession(octets.to_vec())),
        (ServiceType::Vsd, Data::Message(octets)) => Ok(Asked::SignedDocument(octets.to_vec())),
        (ServiceType::Vpkc, Data::Certs { der, targets }) => {
            if targets.len() > accepted.targets_max.min(TARGETS_MAX) {
                return Err(Refusal::TooManyTargets { max: accepted.targets_max });
            }
            let kinds_are_good = targets.iter().all(|target| target.target.can_be_target());
            kinds_are_good.then(|| Asked::Certificates { der: der.to_vec(), targets }).ok_or(Refusal::TargetKind)
        }
        (service, _) => Err(Refusal::DataChoice { service }),
    }
}

fn check_signature(signed: &SignedData<'_>, requester: Option<&Names>) -> Result<RequestSignature, Refusal> {
    let [info] = signed.signers.as_slice() else { return Err(Refusal::Signers) };
    let read = signed.certificates().filter_map(|der| Certificate::from_der(der).ok());
    let signer = read.into_iter().find(|one| info.sid.names(one)).ok_or(Refusal::NoSignerCertificate)?;
    let content = signed.attached().unwrap_or_default();
    info.verify(signed.content_type, content, &signer.spki_der()).map_err(|fault| match fault {
        SignatureFault::Algorithm(ForeignFault::Digest | ForeignFault::Algorithm) => Refusal::SignatureAlgorithm,
        SignatureFault::NoAttributes
        | SignatureFault::ContentType
        | SignatureFault::MessageDigest
        | SignatureFault::Wrong => Refusal::Signature,
    })?;
    if requester.is_some_and(|names| !names.iter().all(|name| is_named(&signer, name))) {
        return Err(Refusal::Requester);
    }
    let others = signed.certificates().filter(|der| *der != signer.der());
    Ok(RequestSignature {
        certificate: signer.der().to_vec(),
        others: others.map(|der| der.to_vec()).collect(),
        signer_infos: signed.signer_infos.to_vec(),
    })
}

/// Whether a GeneralName in DER is the certificate's subject or one of its alternative names, to the octet.
#[must_use]
pub fn is_named(certificate: &Certificate, name: &[u8]) -> bool {
    let subject = encode(&GeneralName::DirectoryName(certificate.subject().clone()));
    let alternatives = certificate.extension(oid::SUBJECT_ALT_NAME).map_or(&[][..], |extension| extension.value);
    let mut inside = Reader::new(Reader::new(alternatives).take(der::SEQUENCE).map_or(&[][..], |names| names.content));
    let mut found = subject == name;
    while let (false, Some(alternative)) = (found, inside.value()) {
        found = alternative.der == name;
    }
    found
}

#[cfg(test)]
mod tests;
