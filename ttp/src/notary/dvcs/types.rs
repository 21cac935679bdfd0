//! The structures of RFC 3029 (appendix E, IMPLICIT TAGS), read from DER without a second spelling, and written.
//!
//! ```text
//! DVCSRequest            ::= SEQUENCE { requestInformation, data Data, transactionIdentifier GeneralName? }
//! DVCSRequestInformation ::= SEQUENCE { version INTEGER DEFAULT 1, service ENUMERATED, nonce INTEGER?, requestTime DVCSTime?,
//!                              requester [0] GeneralNames?, requestPolicy [1] PolicyInformation?, dvcs [2] GeneralNames?,
//!                              dataLocations [3] GeneralNames?, extensions [4] Extensions? }
//! Data                   ::= CHOICE { message OCTET STRING, messageImprint DigestInfo, certs [0] SEQUENCE OF TargetEtcChain }
//! DVCSCertInfo           ::= SEQUENCE { version INTEGER DEFAULT 1, dvReqInfo, messageImprint DigestInfo, serialNumber INTEGER,
//!                              responseTime DVCSTime, dvStatus [0] PKIStatusInfo?, policy [1] PolicyInformation?,
//!                              reqSignature [2] SignerInfos?, certs [3] SEQUENCE OF TargetEtcChain?, extensions? }
//! DVCSErrorNotice        ::= SEQUENCE { transactionStatus PKIStatusInfo, transactionIdentifier GeneralName? }
//! DVCSTime               ::= CHOICE { genTime GeneralizedTime, timeStampToken ContentInfo }
//! ```
//!
//! Read by hand and not by rasn: the request's own octets are hashed (`certs`) and repeated (`requestInformation`) in what is signed,
//! at the rate of signatures, and two choices of the module cannot be told apart by tags (spec §3.5). The tests read the same octets by
//! rasn.
//!
//! The appendix leaves `Data.certs` and the booleans of PathProcInput without tags, and the first then collides with DigestInfo. The
//! tags above, which BouncyCastle writes, are written; both are read, an untagged SEQUENCE by what is in it. (Errata 6443 and 6444 are
//! about this module; their texts were not at hand.)

use rasn_pkix::GeneralName;

use super::token::TargetEtcChain;
use crate::asn1::read::{Reader, Value, generalized_time, is_integer, is_oid};
use crate::asn1::{Imprint, ImprintFault, PolicyId, decode_strict, der};
use crate::time::Timestamp;

/// id-ct-DVCSRequestData, 1.2.840.113549.1.9.16.1.7, content octets.
pub const REQUEST_DATA: [u8; 11] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x10, 0x01, 0x07];
/// id-ct-DVCSResponseData, 1.2.840.113549.1.9.16.1.8, content octets.
pub const RESPONSE_DATA: [u8; 11] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x10, 0x01, 0x08];

/// The longest nonce, octets: a bound against abuse, above anything seen.
pub const NONCE_BYTES_MAX: usize = 128;
/// Names in one list, at most.
const NAMES_MAX: usize = 16;
/// Extensions, at most.
const EXTENSIONS_MAX: usize = 32;
/// Targets in one message, at most; a service takes fewer.
pub(super) const TARGETS_MAX: usize = 256;

/// What is asked for (§2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ServiceType {
    /// Certification of possession of data.
    Cpd = 1,
    /// Validation of a digitally signed document.
    Vsd = 2,
    /// Validation of public key certificates; the module spells it cpkc.
    Vpkc = 3,
    /// Certification of claim of possession of data.
    Ccpd = 4,
}

impl ServiceType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cpd, Self::Vsd, Self::Vpkc, Self::Ccpd];

    /// As the RFC calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpd => "cpd",
            Self::Vsd => "vsd",
            Self::Vpkc => "vpkc",
            Self::Ccpd => "ccpd",
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|service| *service as u8 == number)
    }
}

/// Why octets do not have the form of a structure; who reads a request says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    /// Not in DER, or not this structure.
    #[error("{structure} is not well formed")]
    Malformed {
        /// Its name.
        structure: &'static str,
    },
    /// A version other than 1.
    #[error("{structure} is not of version 1")]
    Version {
        /// Its name.
        structure: &'static str,
    },
    /// A number that names no service.
    #[error("the service is unknown")]
    Service,
    /// The imprint is none that is accepted.
    #[error("the imprint is not accepted")]
    Imprint(ImprintFault),
    /// The nonce is too long.
    #[error("the nonce has {octets} octets")]
    Nonce {
        /// Its octets.
        octets: usize,
    },
    /// More of something than is read.
    #[error("{structure} has too many elements")]
    TooMany {
        /// Its name.
        structure: &'static str,
    },
}

pub(super) const fn malformed(structure: &'static str) -> FormFault {
    FormFault::Malformed { structure }
}

/// The elements of a SEQUENCE OF, one at least and at most `max`.
pub(super) fn elements<'a, T>(
    content: &'a [u8],
    structure: &'static str,
    max: usize,
    mut read: impl FnMut(Value<'a>) -> Result<T, FormFault>,
) -> Result<Vec<T>, FormFault> {
    let mut reader = Reader::new(content);
    let mut found = Vec::new();
    while !reader.is_at_end() {
        if found.len() == max {
            return Err(FormFault::TooMany { structure });
        }
        found.push(read(reader.value().ok_or(malformed(structure))?)?);
    }
    if found.is_empty() { Err(malformed(structure)) } else { Ok(found) }
}

/// When (§7.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DvcsTime {
    /// genTime.
    Moment(Timestamp),
    /// A time-stamp token, in DER.
    Token(Vec<u8>),
}

impl DvcsTime {
    fn read(value: &Value<'_>) -> Option<Self> {
        match value.tag {
            der::GENERALIZED_TIME => generalized_time(value.content).map(Self::Moment),
            der::SEQUENCE => Some(Self::Token(value.der.to_vec())),
            _ => None,
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Moment(time) => {
                let at = out.len();
                der::put_head(out, der::GENERALIZED_TIME, 0);
                der::put_generalized_time(out, *time);
                // 15 to 19 octets, so the length is one octet.
                out[at + 1] = (out.len() - at - 2) as u8;
            }
            Self::Token(token) => out.extend_from_slice(token),
        }
    }
}

/// An extension, undecoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The content octets of its identifier.
    pub id: Vec<u8>,
    /// True if marked critical.
    pub critical: bool,
    /// In DER, the whole.
    pub der: Vec<u8>,
}

impl Extension {
    pub(super) fn read(value: &Value<'_>) -> Result<Self, FormFault> {
        let read = || {
            let mut inside = Reader::new(value.content);
            let id = inside.take(der::OID)?.content;
            let critical = match inside.take(der::BOOLEAN) {
                None => false,
                Some(value) if value.content == [0xFF] => true,
                // FALSE is the DEFAULT, which DER leaves out.
                Some(_) => return None,
            };
            inside.take(der::OCTET_STRING)?;
            let good = value.tag == der::SEQUENCE && inside.is_at_end() && is_oid(id);
            good.then(|| Self { id: id.to_vec(), critical, der: value.der.to_vec() })
        };
        read().ok_or(malformed("an extension"))
    }

    fn read_all(content: &[u8]) -> Result<Vec<Self>, FormFault> {
        let all = elements(content, "extensions", EXTENSIONS_MAX, |value| Self::read(&value))?;
        let doubled = all.iter().enumerate().any(|(i, one)| all[..i].iter().any(|earlier| earlier.id == one.id));
        if doubled { Err(malformed("extensions")) } else { Ok(all) }
    }
}

/// A policy with its qualifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInformation {
    /// Which.
    pub id: PolicyId,
    /// The content of the whole SEQUENCE.
    content: Vec<u8>,
}

impl PolicyInformation {
    /// Without qualifiers.
    #[must_use]
    pub fn new(id: PolicyId) -> Self {
        let content = der::tlv(der::OID, id.content());
        Self { id, content }
    }

    pub(super) fn read(content: &[u8]) -> Result<Self, FormFault> {
        let read = || {
            let mut inside = Reader::new(content);
            let id = PolicyId::from_content(inside.take(der::OID)?.content)?;
            inside.take(der::SEQUENCE);
            inside.is_at_end().then(|| Self { id, content: content.to_vec() })
        };
        read().ok_or(malformed("a policy"))
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }
}

/// Names as they were sent: each a GeneralName in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<Vec<u8>>);

impl Names {
    fn read(content: &[u8]) -> Result<Self, FormFault> {
        elements(content, "a list of names", NAMES_MAX, |value| general_name(&value)).map(Self)
    }

    /// Each in DER.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// Whether one of them is among `others`, to the octet.
    #[must_use]
    pub fn meet(&self, others: &[Vec<u8>]) -> bool {
        self.0.iter().any(|name| others.contains(name))
    }
}

pub(super) fn general_name(value: &Value<'_>) -> Result<Vec<u8>, FormFault> {
    // The longest that is read: rasn takes it apart.
    const NAME_BYTES_MAX: usize = 4096;
    let good = value.der.len() <= NAME_BYTES_MAX && decode_strict::<GeneralName>(value.der).is_some();
    good.then(|| value.der.to_vec()).ok_or(malformed("a name"))
}

/// What a request says of itself (§7.6), with its own octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInformation {
    /// As it was sent; dvReqInfo of the answer.
    pub der: Vec<u8>,
    /// What is asked for.
    pub service: ServiceType,
    /// The nonce's content octets.
    pub nonce: Option<Vec<u8>>,
    /// The moment about which vsd and vpkc are asked; the others ignore it.
    pub request_time: Option<DvcsTime>,
    /// Who asks.
    pub requester: Option<Names>,
    /// Under which policy it shall be answered.
    pub policy: Option<PolicyInformation>,
    /// Which servers shall answer.
    pub dvcs: Option<Names>,
    /// Where the data can be had, for the applications; the server has no use for it.
    pub data_locations: Option<Names>,
    /// Extensions; the RFC defines none.
    pub extensions: Vec<Extension>,
    /// Where the nonce stands in [`Self::der`], or would.
    nonce_at: usize,
}

impl RequestInformation {
    /// Reads the value.
    ///
    /// # Errors
    /// [`FormFault`], the first in the order of the octets.
    pub fn read(value: &Value<'_>) -> Result<Self, FormFault> {
        const NAME: &str = "requestInformation";
        if value.tag != der::SEQUENCE {
            return Err(malformed(NAME));
        }
        let mut inside = Reader::new(value.content);
        version(&mut inside, NAME)?;
        let service = match inside.take(der::ENUMERATED).ok_or(malformed(NAME))?.content {
            [number] => ServiceType::from_number(*number).ok_or(FormFault::Service)?,
            number if is_integer(number) => return Err(FormFault::Service),
            _ => return Err(malformed(NAME)),
        };
        let nonce_at = value.der.len() - inside.rest().len();
        let nonce = match inside.take(der::INTEGER).map(|value| value.content) {
            Some(nonce) if nonce.len() > NONCE_BYTES_MAX => return Err(FormFault::Nonce { octets: nonce.len() }),
            Some(nonce) if !is_integer(nonce) => return Err(malformed("the nonce")),
            nonce => nonce.map(<[u8]>::to_vec),
        };
        let request_time = match inside.take(der::GENERALIZED_TIME).or_else(|| inside.take(der::SEQUENCE)) {
            Some(value) => Some(DvcsTime::read(&value).ok_or(malformed("requestTime"))?),
            None => None,
        };
        let read = Self {
            der: value.der.to_vec(),
            service,
            nonce,
            request_time,
            requester: inside.take(der::CONTEXT_0).map(|names| Names::read(names.content)).transpose()?,
            policy: inside.take(der::CONTEXT_1).map(|policy| PolicyInformation::read(policy.content)).transpose()?,
            dvcs: inside.take(der::CONTEXT_2).map(|names| Names::read(names.content)).transpose()?,
            data_locations: inside.take(der::CONTEXT_3).map(|names| Names::read(names.content)).transpose()?,
            extensions: inside.take(der::CONTEXT_4).map_or(Ok(Vec::new()), |all| Extension::read_all(all.content))?,
            nonce_at,
        };
        if inside.is_at_end() { Ok(read) } else { Err(malformed(NAME)) }
    }

    /// The same octets with a nonce that has `more` at its right end, or, where there was none, with `more` as a positive number: the one
    /// change of a nonce that an answer may bring (§9.1).
    #[must_use]
    pub fn with_longer_nonce(&self, more: &[u8]) -> Vec<u8> {
        let nonce = match &self.nonce {
            Some(nonce) => [nonce, more].concat(),
            None => der::integer_content(more),
        };
        let (before, rest) = self.der.split_at(self.nonce_at);
        let old = self.nonce.as_ref().map_or(0, |nonce| der::total_bytes(nonce.len()));
        let head = self.der.len() - Reader::new(&self.der).value().map_or(0, |value| value.content.len());
        der::sequence(&[&before[head..], &der::tlv(der::INTEGER, &nonce), &rest[old..]])
    }

    /// Whether `answer`, the dvReqInfo of a response, is this request's but for what a server may change: `dvcs`, `requester`,
    /// `dataLocations`, and a nonce that was added or made longer at the right (§9.1).
    ///
    /// # Errors
    /// The field that differs.
    pub fn matches(&self, answer: &Self) -> Result<(), &'static str> {
        let nonce_is_good = match (&self.nonce, &answer.nonce) {
            (None, _) => true,
            (Some(asked), Some(answered)) => answered.starts_with(asked),
            (Some(_), None) => false,
        };
        for (same, field) in [
            (self.service == answer.service, "service"),
            (nonce_is_good, "nonce"),
            (self.request_time == answer.request_time, "requestTime"),
            (self.policy == answer.policy, "requestPolicy"),
            (self.extensions == answer.extensions, "extensions"),
        ] {
            if !same {
                return Err(field);
            }
        }
        Ok(())
    }
}

/// version INTEGER DEFAULT 1: DER leaves it out, some write it. A nonce has the same tag and comes behind the service.
fn version(inside: &mut Reader<'_>, structure: &'static str) -> Result<(), FormFault> {
    match inside.take(der::INTEGER).map(|value| value.content) {
        None | Some([1]) => Ok(()),
        Some(number) if is_integer(number) => Err(FormFault::Version { structure }),
        Some(_) => Err(malformed(structure)),
    }
}

/// What is to be certified (§8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// The octets, without tag and length.
    Message(&'a [u8]),
    /// An imprint, in DER as it came.
    Imprint(Imprint),
    /// Certificates to validate.
    Certs {
        /// The whole value as it came, tag and length included: what the imprint of the answer is over.
        der: &'a [u8],
        /// The same, read.
        targets: Vec<TargetEtcChain>,
    },
}

impl<'a> Data<'a> {
    /// Reads the value.
    ///
    /// # Errors
    /// [`FormFault`].
    pub fn read(value: &Value<'a>) -> Result<Self, FormFault> {
        let certs = || {
            let read = |value| TargetEtcChain::read(&value);
            let targets = elements(value.content, "certs", TARGETS_MAX, read)?;
            Ok(Self::Certs { der: value.der, targets })
        };
        match value.tag {
            der::OCTET_STRING => Ok(Self::Message(value.content)),
            der::CONTEXT_0 => certs(),
            der::SEQUENCE if is_digest_info(value.content) => {
                Imprint::read(value).map(Self::Imprint).map_err(FormFault::Imprint)
            }
            der::SEQUENCE => certs(),
            _ => Err(malformed("data")),
        }
    }
}

/// DigestInfo begins with an algorithm, whose first element is an OID; TargetEtcChain with a choice of which none is one.
fn is_digest_info(content: &[u8]) -> bool {
    Reader::new(content).take(der::SEQUENCE).is_some_and(|first| Reader::new(first.content).next_is(der::OID))
}

/// The content of a bare ContentInfo of this type: what stands there, or the octets of the OCTET STRING that stands there.
pub(super) fn bare_content<'a>(bytes: &'a [u8], content_type: &[u8]) -> Option<&'a [u8]> {
    let mut outer = Reader::new(bytes);
    let mut inside = Reader::new(outer.take(der::SEQUENCE)?.content);
    let same = inside.take(der::OID)?.content == content_type;
    let mut explicit = Reader::new(inside.take(der::CONTEXT_0)?.content);
    let value = explicit.value()?;
    let ended = [outer, inside, explicit].iter().all(Reader::is_at_end);
    (same && ended).then_some(if value.tag == der::OCTET_STRING { value.content } else { value.der })
}

/// What an answer certifies (§9.1), as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertInfo {
    /// dvReqInfo.
    pub request: RequestInformation,
    /// messageImprint.
    pub imprint: Imprint,
    /// The content octets of the serial number.
    pub serial: Vec<u8>,
    /// responseTime.
    pub time: DvcsTime,
    /// dvStatus.
    pub status: Option<super::status::StatusInfo>,
    /// policy.
    pub policy: Option<PolicyInformation>,
    /// The content of reqSignature.
    pub request_signature: Option<Vec<u8>>,
    /// certs.
    pub certs: Vec<TargetEtcChain>,
    /// extensions.
    pub extensions: Vec<Extension>,
}

/// A response (§9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// dvCertInfo.
    CertInfo(Box<CertInfo>),
    /// dvErrorNote: the request was not taken up.
    ErrorNote {
        /// transactionStatus.
        status: super::status::StatusInfo,
        /// transactionIdentifier, in DER.
        transaction: Option<Vec<u8>>,
    },
}

impl Response {
    /// Reads a bare ContentInfo with a DVCSResponse in it, as error notices come; in an OCTET STRING or not.
    #[must_use]
    pub fn bare(bytes: &[u8]) -> Option<Self> {
        let content = bare_content(bytes, &RESPONSE_DATA)?;
        Self::parse(content).ok()
    }

    /// Reads a DVCSResponse in DER.
    ///
    /// # Errors
    /// [`FormFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FormFault> {
        const NAME: &str = "DVCSResponse";
        let mut outer = Reader::new(bytes);
        let value = outer.value().filter(|_| outer.is_at_end()).ok_or(malformed(NAME))?;
        match value.tag {
            der::SEQUENCE => CertInfo::read(value.content).map(|info| Self::CertInfo(Box::new(info))),
            der::CONTEXT_0 => {
                let mut inside = Reader::new(value.content);
                let status = inside.take(der::SEQUENCE).ok_or(malformed(NAME))?;
                let status = super::status::StatusInfo::read(status.content)?;
                let transaction = inside.value().map(|name| general_name(&name)).transpose()?;
                if inside.is_at_end() { Ok(Self::ErrorNote { status, transaction }) } else { Err(malformed(NAME)) }
            }
            _ => Err(malformed(NAME)),
        }
    }
}

impl CertInfo {
    fn read(content: &[u8]) -> Result<Self, FormFault> {
        const NAME: &str = "DVCSCertInfo";
        let fault = malformed(NAME);
        let mut inside = Reader::new(content);
        version(&mut inside, NAME)?;
        let request = RequestInformation::read(&inside.value().ok_or(fault)?)?;
        let imprint = Imprint::read(&inside.value().ok_or(fault)?).map_err(FormFault::Imprint)?;
        let serial = inside.take(der::INTEGER).filter(|value| is_integer(value.content)).ok_or(fault)?;
        let time = inside.value().and_then(|value| DvcsTime::read(&value)).ok_or(malformed("responseTime"))?;
        let read_target = |value| TargetEtcChain::read(&value);
        let read = Self {
            request,
            imprint,
            serial: serial.content.to_vec(),
            time,
            status: inside
                .take(der::CONTEXT_0)
                .map(|info| super::status::StatusInfo::read(info.content))
                .transpose()?,
            policy: inside.take(der::CONTEXT_1).map(|policy| PolicyInformation::read(policy.content)).transpose()?,
            request_signature: inside.take(der::CONTEXT_2).map(|infos| infos.content.to_vec()),
            certs: inside
                .take(der::CONTEXT_3)
                .map_or(Ok(Vec::new()), |all| elements(all.content, "certs", TARGETS_MAX, read_target))?,
            extensions: inside.take(der::SEQUENCE).map_or(Ok(Vec::new()), |all| Extension::read_all(all.content))?,
        };
        if inside.is_at_end() { Ok(read) } else { Err(fault) }
    }
}
