//! The extensions of certificates and lists, each decoded once (RFC 5280 §4.2, §5.2). One that is malformed or doubled is a
//! fault of its certificate, told with all others, and no reason not to read the rest.

use super::ObjectId;
use super::constraints::NameConstraints;
use super::fields::{boolean, count, named_bits, object_id, only};
use super::name::{GeneralName, Name};
use crate::asn1::der;
use crate::asn1::read::Reader;
use crate::x509::KeyUsage;

/// Extensions of one certificate, list or response: real ones have a dozen.
const EXTENSIONS_MAX: usize = 128;

/// One extension, as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Which.
    pub id: ObjectId,
    /// True if marked critical.
    pub critical: bool,
    /// Content of extnValue.
    pub value: Vec<u8>,
}

/// A set of extensions.
#[derive(Clone, Debug, Default)]
pub struct Extensions(Vec<Extension>);

impl Extensions {
    /// The content of an Extensions SEQUENCE of at most 128.
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(content);
        let mut list = Vec::new();
        while !reader.is_at_end() {
            let mut fields = Reader::new(reader.take(der::SEQUENCE)?.content);
            let id = object_id(fields.take(der::OID)?.content)?;
            let critical = match fields.take(super::fields::BOOLEAN) {
                Some(value) => boolean(value.content)?,
                None => false,
            };
            let value = fields.take(der::OCTET_STRING)?.content.to_vec();
            if !fields.is_at_end() || list.len() >= EXTENSIONS_MAX {
                return None;
            }
            list.push(Extension { id, critical, value });
        }
        Some(Self(list))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Extension> {
        self.0.iter()
    }

    /// The first with these content octets as its identifier.
    #[must_use]
    pub fn find(&self, id: &[u8]) -> Option<&Extension> {
        self.0.iter().find(|extension| extension.id.content() == id)
    }

    /// Those that stand there more than once.
    #[must_use]
    pub fn doubled(&self) -> Vec<ObjectId> {
        let mut ids: Vec<_> = self.0.iter().map(|extension| &extension.id).collect();
        ids.sort_unstable();
        let mut doubled: Vec<_> =
            ids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
        doubled.dedup();
        doubled
    }

    /// The critical ones whose identifiers are not among `known`.
    #[must_use]
    pub fn unknown_critical(&self, known: &[&[u8]]) -> Vec<ObjectId> {
        let unknown = |extension: &&Extension| extension.critical && !known.contains(&extension.id.content());
        self.0.iter().filter(unknown).map(|extension| extension.id.clone()).collect()
    }
}

/// Content octets of the identifiers of what is read here; id-ce is 2.5.29, id-pe 1.3.6.1.5.5.7.1.
pub(super) mod id {
    pub(crate) const SUBJECT_KEY: &[u8] = &[0x55, 0x1D, 14];
    pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1D, 15];
    pub(crate) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 17];
    pub(crate) const ISSUER_ALT_NAME: &[u8] = &[0x55, 0x1D, 18];
    pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 19];
    pub(crate) const CRL_NUMBER: &[u8] = &[0x55, 0x1D, 20];
    pub(crate) const REASON: &[u8] = &[0x55, 0x1D, 21];
    pub(crate) const INVALIDITY_DATE: &[u8] = &[0x55, 0x1D, 24];
    pub(crate) const DELTA_INDICATOR: &[u8] = &[0x55, 0x1D, 27];
    pub(crate) const ISSUING_POINT: &[u8] = &[0x55, 0x1D, 28];
    pub(crate) const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1D, 29];
    pub(crate) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 30];
    pub(crate) const DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1D, 31];
    pub(crate) const POLICIES: &[u8] = &[0x55, 0x1D, 32];
    pub(crate) const POLICY_MAPPINGS: &[u8] = &[0x55, 0x1D, 33];
    pub(crate) const AUTHORITY_KEY: &[u8] = &[0x55, 0x1D, 35];
    pub(crate) const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 36];
    pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1D, 37];
    pub(crate) const FRESHEST: &[u8] = &[0x55, 0x1D, 46];
    pub(crate) const INHIBIT_ANY_POLICY: &[u8] = &[0x55, 0x1D, 54];
    /// noRevAvail, RFC 9608.
    pub(crate) const NO_REVOCATION: &[u8] = &[0x55, 0x1D, 56];
    /// expiredCertsOnCRL, ITU-T X.509 §9.5.2.8.
    pub(crate) const EXPIRED_ON_CRL: &[u8] = &[0x55, 0x1D, 60];
    pub(crate) const AUTHORITY_INFO: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
    /// id-pkix-ocsp-nocheck, RFC 6960 §4.2.2.2.1.
    pub(crate) const OCSP_NO_CHECK: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05];
    /// id-pkix-ocsp-archive-cutoff, RFC 6960 §4.4.4.
    pub(crate) const ARCHIVE_CUTOFF: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x06];
    /// ext-etsi-valassured-ST-certs, 0.4.0.194121.2.1: ETSI EN 319 412-1 §5.2.
    pub(crate) const SHORT_TERM: &[u8] = &[0x04, 0x00, 0x8B, 0xEC, 0x49, 0x02, 0x01];
    /// id-ad-ocsp and id-ad-caIssuers.
    pub(crate) const AD_OCSP: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
    pub(crate) const AD_CA_ISSUERS: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
    /// anyPolicy and anyExtendedKeyUsage.
    pub(crate) const ANY_POLICY: &[u8] = &[0x55, 0x1D, 32, 0];
    pub(crate) const ANY_PURPOSE: &[u8] = &[0x55, 0x1D, 37, 0];
    /// id-kp-OCSPSigning.
    pub(crate) const OCSP_SIGNING: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];

    /// What a certificate may mark critical and is processed, here or by who asks.
    pub(crate) const CERTIFICATE: &[&[u8]] = &[
        SUBJECT_KEY,
        KEY_USAGE,
        SUBJECT_ALT_NAME,
        ISSUER_ALT_NAME,
        BASIC_CONSTRAINTS,
        NAME_CONSTRAINTS,
        DISTRIBUTION_POINTS,
        POLICIES,
        POLICY_MAPPINGS,
        AUTHORITY_KEY,
        POLICY_CONSTRAINTS,
        EXTENDED_KEY_USAGE,
        FRESHEST,
        INHIBIT_ANY_POLICY,
        NO_REVOCATION,
        AUTHORITY_INFO,
        OCSP_NO_CHECK,
        SHORT_TERM,
    ];
}

/// basicConstraints (§4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    /// True for a CA.
    pub ca: bool,
    /// How many certificates of CAs that are not self-issued may follow.
    pub path_length: Option<u64>,
}

/// authorityKeyIdentifier (§4.2.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorityKey {
    /// Matches the issuer's subjectKeyIdentifier.
    pub key_id: Option<Vec<u8>>,
    /// Issuer of the issuer's certificate.
    pub issuer: Vec<GeneralName>,
    /// Serial number of the issuer's certificate, content octets.
    pub serial: Option<Vec<u8>>,
}

/// policyConstraints (§4.2.1.11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyConstraints {
    /// requireExplicitPolicy.
    pub require_explicit: Option<u64>,
    /// inhibitPolicyMapping.
    pub inhibit_mapping: Option<u64>,
}

/// Reasons for revocation, bit n of ReasonFlags as 1 << n (§4.2.1.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReasonMask(pub u16);

impl ReasonMask {
    /// Every reason: bits 1 to 8.
    pub const ALL: Self = Self(0x1FE);
    /// None.
    pub const NONE: Self = Self(0);

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those here that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True if no reason is left.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn read(bits: &[u8]) -> Option<Self> {
        Some(Self(named_bits(bits)?).and(Self::ALL))
    }
}

impl core::fmt::Display for ReasonMask {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        const NAMES: [&str; 8] = [
            "keyCompromise",
            "cACompromise",
            "affiliationChanged",
            "superseded",
            "cessationOfOperation",
            "certificateHold",
            "privilegeWithdrawn",
            "aACompromise",
        ];
        let set = NAMES.iter().enumerate().filter(|(i, _)| self.0 >> (i + 1) & 1 == 1).map(|(_, name)| *name);
        f.write_str(&set.collect::<Vec<_>>().join(", "))
    }
}

/// DistributionPointName (§4.2.1.13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceName {
    /// fullName.
    Full(Vec<GeneralName>),
    /// nameRelativeToCRLIssuer: the content of its RDN.
    Relative(Vec<u8>),
}

impl PlaceName {
    /// The content of the field that holds it: the CHOICE is tagged explicitly.
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(content);
        let value = reader.value()?;
        let name = match value.tag {
            0xA0 => Self::Full(GeneralName::read_all(value.content)?),
            0xA1 => Self::Relative(value.content.to_vec()),
            _ => return None,
        };
        reader.is_at_end().then_some(name)
    }

    /// All names that it stands for, a relative one below `issuer`.
    #[must_use]
    pub fn names(&self, issuer: &Name) -> Vec<GeneralName> {
        match self {
            Self::Full(names) => names.clone(),
            Self::Relative(rdn) => issuer.with(rdn).map(GeneralName::Directory).into_iter().collect(),
        }
    }
}

/// One of cRLDistributionPoints (§4.2.1.13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionPoint {
    /// Where.
    pub place: Option<PlaceName>,
    /// The reasons for which lists there revoke.
    pub reasons: ReasonMask,
    /// Who issues them, if not the certificate's issuer.
    pub crl_issuer: Vec<GeneralName>,
}

/// What the extensions of a certificate say.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Option<Vec<ObjectId>>,
    pub(super) subject_key: Option<Vec<u8>>,
    pub(super) authority_key: AuthorityKey,
    pub(super) alternative_names: Vec<GeneralName>,
    pub(super) name_constraints: Option<NameConstraints>,
    pub(super) policies: Option<Vec<ObjectId>>,
    pub(super) policy_mappings: Vec<(ObjectId, ObjectId)>,
    pub(super) policy_constraints: PolicyConstraints,
    pub(super) inhibit_any: Option<u64>,
    pub(super) distribution_points: Vec<DistributionPoint>,
    pub(super) freshest: Vec<DistributionPoint>,
    pub(super) ocsp_places: Vec<String>,
    pub(super) issuer_places: Vec<String>,
    /// Those that are known and did not read.
    pub(super) malformed: Vec<ObjectId>,
}

impl Known {
    /// Decodes what is known, the first of each.
    pub(super) fn read(extensions: &Extensions) -> Self {
        let mut known = Self::default();
        for (i, extension) in extensions.0.iter().enumerate() {
            // Of a doubled one the first counts; that it is doubled is told apart.
            let again = extensions.0[..i].iter().any(|earlier| earlier.id == extension.id);
            if !again && known.take(extension.id.content(), &extension.value).is_none() {
                known.malformed.push(extension.id.clone());
            }
        }
        known
    }

    fn take(&mut self, extension: &[u8], value: &[u8]) -> Option<()> {
        match extension {
            id::BASIC_CONSTRAINTS => self.basic_constraints = Some(basic_constraints(value)?),
            id::KEY_USAGE => self.key_usage = Some(KeyUsage(named_bits(only(value, der::BIT_STRING)?.content)?)),
            id::EXTENDED_KEY_USAGE => self.extended_key_usage = Some(object_ids(value)?),
            id::SUBJECT_KEY => self.subject_key = Some(only(value, der::OCTET_STRING)?.content.to_vec()),
            id::AUTHORITY_KEY => self.authority_key = authority_key(value)?,
            id::SUBJECT_ALT_NAME => {
                self.alternative_names = GeneralName::read_all(only(value, der::SEQUENCE)?.content)?;
            }
            id::NAME_CONSTRAINTS => self.name_constraints = Some(NameConstraints::from_der(value)?),
            id::POLICIES => self.policies = Some(policies(value)?),
            id::POLICY_MAPPINGS => self.policy_mappings = policy_mappings(value)?,
            id::POLICY_CONSTRAINTS => self.policy_constraints = policy_constraints(value)?,
            id::INHIBIT_ANY_POLICY => self.inhibit_any = Some(count(only(value, der::INTEGER)?.content)?),
            id::DISTRIBUTION_POINTS => self.distribution_points = distribution_points(value)?,
            id::FRESHEST => self.freshest = distribution_points(value)?,
            id::AUTHORITY_INFO => self.authority_info(value)?,
            _ => {}
        }
        Some(())
    }

    fn authority_info(&mut self, value: &[u8]) -> Option<()> {
        each(value, |content| {
            let mut fields = Reader::new(content);
            let method = fields.take(der::OID)?.content;
            if let GeneralName::Uri(uri) = GeneralName::read(&mut fields)? {
                match method {
                    id::AD_OCSP => self.ocsp_places.push(uri),
                    id::AD_CA_ISSUERS => self.issuer_places.push(uri),
                    _ => {}
                }
            }
            fields.is_at_end().then_some(())
        })?;
        Some(())
    }
}

/// Reads a SEQUENCE OF SEQUENCE, at least one, each by its content.
fn each<T>(value: &[u8], mut read: impl FnMut(&[u8]) -> Option<T>) -> Option<Vec<T>> {
    let mut reader = Reader::new(only(value, der::SEQUENCE)?.content);
    let mut all = Vec::new();
    while !reader.is_at_end() {
        all.push(read(reader.take(der::SEQUENCE)?.content)?);
    }
    (!all.is_empty()).then_some(all)
}

fn basic_constraints(value: &[u8]) -> Option<BasicConstraints> {
    let mut fields = Reader::new(only(value, der::SEQUENCE)?.content);
    let ca = match fields.take(super::fields::BOOLEAN) {
        Some(value) => boolean(value.content)?,
        None => false,
    };
    let path_length = match fields.take(der::INTEGER) {
        Some(value) => Some(count(value.content)?),
        None => None,
    };
    fields.is_at_end().then_some(BasicConstraints { ca, path_length })
}

fn object_ids(value: &[u8]) -> Option<Vec<ObjectId>> {
    let mut reader = Reader::new(only(value, der::SEQUENCE)?.content);
    let mut all = Vec::new();
    while !reader.is_at_end() {
        all.push(object_id(reader.take(der::OID)?.content)?);
    }
    (!all.is_empty()).then_some(all)
}

pub(super) fn authority_key(value: &[u8]) -> Option<AuthorityKey> {
    let mut fields = Reader::new(only(value, der::SEQUENCE)?.content);
    let key_id = fields.take(0x80).map(|id| id.content.to_vec());
    let issuer = match fields.take(0xA1) {
        Some(names) => GeneralName::read_all(names.content)?,
        None => Vec::new(),
    };
    let serial = fields.take(0x82).map(|serial| der::minimal_signed(serial.content).to_vec());
    fields.is_at_end().then_some(AuthorityKey { key_id, issuer, serial })
}

/// The identifiers; qualifiers are for people.
fn policies(value: &[u8]) -> Option<Vec<ObjectId>> {
    let all = each(value, |content| object_id(Reader::new(content).take(der::OID)?.content))?;
    // §4.2.1.4: none more than once.
    let mut sorted = all.clone();
    sorted.sort_unstable();
    sorted.dedup();
    (sorted.len() == all.len()).then_some(all)
}

fn policy_mappings(value: &[u8]) -> Option<Vec<(ObjectId, ObjectId)>> {
    each(value, |content| {
        let mut fields = Reader::new(content);
        let (from, to) = (fields.take(der::OID)?.content, fields.take(der::OID)?.content);
        Some((object_id(from)?, object_id(to)?)).filter(|_| fields.is_at_end())
    })
}

fn policy_constraints(value: &[u8]) -> Option<PolicyConstraints> {
    let mut fields = Reader::new(only(value, der::SEQUENCE)?.content);
    let mut field = |tag| match fields.take(tag) {
        Some(value) => count(value.content).map(Some),
        None => Some(None),
    };
    let constraints = PolicyConstraints { require_explicit: field(0x80)?, inhibit_mapping: field(0x81)? };
    (fields.is_at_end() && constraints != PolicyConstraints::default()).then_some(constraints)
}

fn distribution_points(value: &[u8]) -> Option<Vec<DistributionPoint>> {
    each(value, |content| {
        let mut fields = Reader::new(content);
        let place = match fields.take(0xA0) {
            Some(place) => Some(PlaceName::read(place.content)?),
            None => None,
        };
        let reasons = match fields.take(0x81) {
            Some(reasons) => ReasonMask::read(reasons.content)?,
            None => ReasonMask::ALL,
        };
        let crl_issuer = match fields.take(0xA2) {
            Some(names) => GeneralName::read_all(names.content)?,
            None => Vec::new(),
        };
        fields.is_at_end().then_some(DistributionPoint { place, reasons, crl_issuer })
    })
}
