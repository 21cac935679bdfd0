//! TargetEtcChain (RFC 3029 §7.5): certificates that are asked about, and what is said of them.
//!
//! ```text
//! TargetEtcChain ::= SEQUENCE { target CertEtcToken, chain SEQUENCE OF CertEtcToken?, pathProcInput [0] PathProcInput? }
//! CertEtcToken   ::= CHOICE { certificate [0], esscertid [1], pkistatus [2], assertion [3] ContentInfo, crl [4], ocspcertstatus [5],
//!                             oscpcertid [6], oscpresponse [7], capabilities [8], extension Extension }
//! PathProcInput  ::= SEQUENCE { acceptablePolicySet SEQUENCE OF PolicyInformation, inhibitPolicyMapping BOOLEAN DEFAULT FALSE,
//!                               explicitPolicyReqd [0] BOOLEAN DEFAULT FALSE, inhibitAnyPolicy [1] BOOLEAN DEFAULT FALSE }
//! ```
//!
//! The module is IMPLICIT, but BouncyCastle writes `[1]`, `[3]`, `[5]` and `[8]` EXPLICIT (`[5]` must be, it tags a choice). Both are
//! read, told apart by what is inside; ours are `[0]`, `[2]`, `[4]`, `[6]` and `[7]` alone, of which there is one coding.

use super::status::StatusInfo;
use super::types::{Extension, FormFault, PolicyInformation, elements, malformed};
use crate::asn1::der;
use crate::asn1::read::{Reader, Value};

/// Tokens of one chain, at most.
const CHAIN_MAX: usize = 64;
/// Policies of one target, at most.
const POLICIES_MAX: usize = 32;

/// A certificate, or something about one. What is in it, in DER with its own universal tag, is not looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertEtcToken {
    /// A certificate.
    Certificate(Vec<u8>),
    /// ESSCertID.
    EssCertId(Vec<u8>),
    /// A status.
    Status(StatusInfo),
    /// A ContentInfo, such as a token or another DVC.
    Assertion(Vec<u8>),
    /// A revocation list.
    Crl(Vec<u8>),
    /// CertStatus of OCSP.
    OcspCertStatus(Vec<u8>),
    /// CertID of OCSP.
    OcspCertId(Vec<u8>),
    /// An OCSP response.
    OcspResponse(Vec<u8>),
    /// SMIMECapabilities.
    Capabilities(Vec<u8>),
    /// Anything else.
    Extension(Extension),
}

impl CertEtcToken {
    fn read(value: &Value<'_>) -> Result<Self, FormFault> {
        // IMPLICIT over a SEQUENCE: the same content under its own tag.
        let sequence = || der::tlv(der::SEQUENCE, value.content);
        // `inner` is the tag that the content of the SEQUENCE begins with.
        let either = |inner: &[u8]| {
            let mut inside = Reader::new(value.content);
            match inside.value() {
                Some(first) if inner.contains(&first.tag) => Some(sequence()),
                Some(Value { tag: der::SEQUENCE, der, .. }) if inside.is_at_end() => Some(der.to_vec()),
                _ => None,
            }
        };
        let read = match value.tag {
            0xA0 => Some(Self::Certificate(sequence())),
            0xA1 => either(&[der::OCTET_STRING]).map(Self::EssCertId),
            0xA2 => Some(Self::Status(StatusInfo::read(value.content)?)),
            0xA3 => either(&[der::OID]).map(Self::Assertion),
            0xA4 => Some(Self::Crl(sequence())),
            0xA5 => {
                let mut inside = Reader::new(value.content);
                let status = inside.value().filter(|status| matches!(status.tag, 0x80 | 0xA1 | 0x82));
                status.filter(|_| inside.is_at_end()).map(|status| Self::OcspCertStatus(status.der.to_vec()))
            }
            0xA6 => Some(Self::OcspCertId(sequence())),
            0xA7 => Some(Self::OcspResponse(sequence())),
            0xA8 => capabilities(value.content).map(Self::Capabilities),
            der::SEQUENCE => Some(Self::Extension(Extension::read(value)?)),
            _ => None,
        };
        read.ok_or(malformed("CertEtcToken"))
    }

    /// Appends its DER: with the codings that have no second reading where there is one, else EXPLICIT as BouncyCastle has it.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let retagged = |out: &mut Vec<u8>, tag: u8, whole: &[u8]| {
            let content = Reader::new(whole).value().map_or(&[][..], |value| value.content);
            put(out, tag, content);
        };
        match self {
            Self::Certificate(certificate) => retagged(out, 0xA0, certificate),
            Self::EssCertId(id) => put(out, 0xA1, id),
            Self::Status(status) => put(out, 0xA2, &status.content()),
            Self::Assertion(assertion) => put(out, 0xA3, assertion),
            Self::Crl(list) => retagged(out, 0xA4, list),
            Self::OcspCertStatus(status) => put(out, 0xA5, status),
            Self::OcspCertId(id) => retagged(out, 0xA6, id),
            Self::OcspResponse(response) => retagged(out, 0xA7, response),
            Self::Capabilities(capabilities) => put(out, 0xA8, capabilities),
            Self::Extension(extension) => out.extend_from_slice(&extension.der),
        }
    }

    /// Octets of what is in it.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Certificate(der)
            | Self::EssCertId(der)
            | Self::Assertion(der)
            | Self::Crl(der)
            | Self::OcspCertStatus(der)
            | Self::OcspCertId(der)
            | Self::OcspResponse(der)
            | Self::Capabilities(der) => der.len(),
            Self::Status(status) => status.content().len(),
            Self::Extension(extension) => extension.der.len(),
        }
    }

    /// What may be asked about; the other choices belong into chains and answers (§7.5).
    #[must_use]
    pub const fn can_be_target(&self) -> bool {
        matches!(self, Self::Certificate(_) | Self::EssCertId(_) | Self::OcspCertId(_) | Self::Extension(_))
    }
}

/// SMIMECapabilities is a SEQUENCE OF SEQUENCE { OID, … }: EXPLICIT has one SEQUENCE more.
fn capabilities(content: &[u8]) -> Option<Vec<u8>> {
    let mut inside = Reader::new(content);
    let first = inside.take(der::SEQUENCE)?;
    let explicit = inside.is_at_end() && !Reader::new(first.content).next_is(der::OID);
    Some(if explicit { first.der.to_vec() } else { der::tlv(der::SEQUENCE, content) })
}

fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    der::put_head(out, tag, content.len());
    out.extend_from_slice(content);
}

/// How a path shall be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathProcInput {
    /// Under these policies.
    pub policies: Vec<PolicyInformation>,
    /// Without mapped policies.
    pub inhibit_policy_mapping: bool,
    /// Only with a policy.
    pub explicit_policy_required: bool,
    /// Without anyPolicy.
    pub inhibit_any_policy: bool,
}

impl PathProcInput {
    fn read(content: &[u8]) -> Option<Self> {
        let mut inside = Reader::new(content);
        let read = |value: Value<'_>| match value.tag {
            der::SEQUENCE => PolicyInformation::read(value.content),
            _ => Err(malformed("PathProcInput")),
        };
        let policies = elements(inside.take(der::SEQUENCE)?.content, "PathProcInput", POLICIES_MAX, read).ok()?;
        let mut flags = [false; 3];
        // Without tags, as the appendix has them, the place tells which is meant, and those before it must be written.
        for flag in &mut flags {
            if let Some(value) = inside.take(der::BOOLEAN) {
                *flag = boolean(&value)?;
            }
        }
        for (flag, tag) in [(1, 0x80), (2, 0x81)] {
            if let Some(value) = inside.take(tag) {
                flags[flag] = boolean(&value)?;
            }
        }
        let [inhibit_policy_mapping, explicit_policy_required, inhibit_any_policy] = flags;
        inside.is_at_end().then_some(Self {
            policies,
            inhibit_policy_mapping,
            explicit_policy_required,
            inhibit_any_policy,
        })
    }

    fn content(&self) -> Vec<u8> {
        let policies: Vec<u8> =
            self.policies.iter().flat_map(|policy| der::tlv(der::SEQUENCE, policy.content())).collect();
        let mut out = der::tlv(der::SEQUENCE, &policies);
        for (set, tag) in [
            (self.inhibit_policy_mapping, der::BOOLEAN),
            (self.explicit_policy_required, 0x80),
            (self.inhibit_any_policy, 0x81),
        ] {
            if set {
                out.extend_from_slice(&[tag, 1, 0xFF]);
            }
        }
        out
    }
}

fn boolean(value: &Value<'_>) -> Option<bool> {
    match value.content {
        [0] => Some(false),
        [0xFF] => Some(true),
        _ => None,
    }
}

/// A target, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetEtcChain {
    /// What it is about.
    pub target: CertEtcToken,
    /// In a request certificates that may help; in an answer the status first, then what it rests on.
    pub chain: Vec<CertEtcToken>,
    /// How the path shall be judged.
    pub path_input: Option<PathProcInput>,
}

impl TargetEtcChain {
    pub(super) fn read(value: &Value<'_>) -> Result<Self, FormFault> {
        const NAME: &str = "TargetEtcChain";
        if value.tag != der::SEQUENCE {
            return Err(malformed(NAME));
        }
        let mut inside = Reader::new(value.content);
        let target = CertEtcToken::read(&inside.value().ok_or(malformed(NAME))?)?;
        let chain = match inside.take(der::SEQUENCE) {
            Some(chain) => elements(chain.content, "chain", CHAIN_MAX, |value| CertEtcToken::read(&value))?,
            None => Vec::new(),
        };
        let path_input = match inside.take(der::CONTEXT_0) {
            Some(input) => Some(PathProcInput::read(input.content).ok_or(malformed("PathProcInput"))?),
            None => None,
        };
        if inside.is_at_end() { Ok(Self { target, chain, path_input }) } else { Err(malformed(NAME)) }
    }

    /// Appends its DER.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        self.target.put(&mut body);
        if !self.chain.is_empty() {
            let mut chain = Vec::new();
            self.chain.iter().for_each(|token| token.put(&mut chain));
            put(&mut body, der::SEQUENCE, &chain);
        }
        if let Some(input) = &self.path_input {
            put(&mut body, der::CONTEXT_0, &input.content());
        }
        put(out, der::SEQUENCE, &body);
    }

    /// A certificate in DER, and nothing else.
    #[must_use]
    pub fn of_certificate(certificate: &[u8]) -> Self {
        Self { target: CertEtcToken::Certificate(certificate.to_vec()), chain: Vec::new(), path_input: None }
    }

    /// The status in an answer: the first token of the chain.
    #[must_use]
    pub fn status(&self) -> Option<&StatusInfo> {
        match self.chain.first() {
            Some(CertEtcToken::Status(status)) => Some(status),
            _ => None,
        }
    }
}
