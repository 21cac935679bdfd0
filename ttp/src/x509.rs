//! Reading X.509 certificates (RFC 5280) into a view that asks the questions which profiles ask.
//!
//! A certificate is accepted here only if encoding it again gives the same bytes (spec §3), so that what is judged is
//! what was signed. Whether its signature and path are good is [`crate::crypto::verify_chain`]'s affair.

pub mod act;
pub mod dvcs;
pub mod tsu;

use rasn::prelude::*;
use rasn_pkix::{
    AttributeTypeAndValue, BasicConstraints, DistributionPoint, DistributionPointName, ExtKeyUsageSyntax, Extension,
    GeneralName, IssuingDistributionPoint, Name, PolicyInformation, Time,
};

use crate::asn1::{self, PolicyId, oid};
use crate::digest::Digest;
use crate::time::Timestamp;

/// Why bytes are no certificate that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Not the DER of a certificate, or DER that has another spelling.
    #[error("not a certificate in strict DER")]
    Malformed,
    /// Not version 3.
    #[error("certificate is not of version 3")]
    NotVersion3,
    /// The algorithm inside and outside the signed part differ.
    #[error("signature algorithm differs inside and outside the signed part")]
    AlgorithmMismatch,
    /// An extension stands there twice.
    #[error("an extension is doubled")]
    DoubledExtension,
    /// A time before 1970 or after 9999.
    #[error("validity lies outside 1970 to 9999")]
    Time,
}

/// The bits of KeyUsage, bit n of the DER as 1 << n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage(pub u16);

impl KeyUsage {
    /// Bit 0.
    pub const DIGITAL_SIGNATURE: Self = Self(1);
    /// Bit 1, also called contentCommitment.
    pub const NON_REPUDIATION: Self = Self(1 << 1);
    /// Bit 2.
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 2);
    /// Bit 4.
    pub const KEY_AGREEMENT: Self = Self(1 << 4);
    /// Bit 5.
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);
    /// Bit 6.
    pub const CRL_SIGN: Self = Self(1 << 6);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if all bits of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// True if no bit outside `other` is set.
    #[must_use]
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// As a BIT STRING without trailing zero bits, which DER wants for named bits (X.690 §11.2.2) and rasn does not do.
    #[must_use]
    pub fn to_bits(self) -> BitString {
        let len = 16 - self.0.leading_zeros() as usize;
        (0..len).map(|bit| self.0 >> bit & 1 == 1).collect()
    }

    fn from_bits(bits: &BitString) -> Option<Self> {
        (bits.len() <= 16 && bits.last().is_none_or(|last| *last))
            .then(|| Self(bits.iter().enumerate().fold(0, |sum, (bit, set)| sum | u16::from(*set) << bit)))
    }
}

/// An extension's value with its criticality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked<T> {
    /// True if marked critical.
    pub critical: bool,
    /// The value.
    pub value: T,
}

/// From and to, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// First moment.
    pub not_before: Timestamp,
    /// Last moment, a whole second: it is included to its end.
    pub not_after: Timestamp,
}

impl Period {
    /// True if `at`, cut to whole seconds, lies in the period.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.not_before <= at && at.whole_secs() <= self.not_after
    }

    /// True if `inner` lies wholly in this period.
    #[must_use]
    pub fn covers(&self, inner: &Self) -> bool {
        self.not_before <= inner.not_before && inner.not_after <= self.not_after
    }
}

/// A certificate, decoded once.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Vec<u8>,
    decoded: rasn_pkix::Certificate,
    validity: Period,
}

impl Certificate {
    /// Reads one certificate.
    ///
    /// # Errors
    /// [`CertificateFault`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateFault> {
        let decoded: rasn_pkix::Certificate = asn1::decode_strict(der).ok_or(CertificateFault::Malformed)?;
        let tbs = &decoded.tbs_certificate;
        // Keys and signatures of every algorithm in use are whole octets; libcrypto would ignore the count of unused bits.
        let key_bits = &tbs.subject_public_key_info.subject_public_key;
        if [key_bits, &decoded.signature_value].into_iter().any(|bits| !bits.len().is_multiple_of(8)) {
            return Err(CertificateFault::Malformed);
        }
        if tbs.version != rasn_pkix::Version::V3 {
            return Err(CertificateFault::NotVersion3);
        }
        if tbs.signature != decoded.signature_algorithm {
            return Err(CertificateFault::AlgorithmMismatch);
        }
        let extensions: &[Extension] = tbs.extensions.as_ref().map_or(&[], |e| e.as_slice());
        for (i, extension) in extensions.iter().enumerate() {
            if extensions[..i].iter().any(|earlier| earlier.extn_id == extension.extn_id) {
                return Err(CertificateFault::DoubledExtension);
            }
        }
        let validity = Period {
            not_before: from_time(&tbs.validity.not_before).ok_or(CertificateFault::Time)?,
            not_after: from_time(&tbs.validity.not_after).ok_or(CertificateFault::Time)?,
        };
        Ok(Self { der: der.to_vec(), decoded, validity })
    }

    /// What was read of a to-be-signed certificate, with the signature over it: `der` is both.
    pub(crate) fn with_signature(mut self, signature: &[u8], der: Vec<u8>) -> Self {
        self.decoded.signature_value = BitString::from_slice(signature);
        self.der = der;
        self
    }

    /// The certificate's bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the certificate's bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// The decoded structure.
    #[must_use]
    pub fn decoded(&self) -> &rasn_pkix::Certificate {
        &self.decoded
    }

    /// The public key as SubjectPublicKeyInfo DER.
    #[must_use]
    pub fn spki_der(&self) -> Vec<u8> {
        encode(&self.decoded.tbs_certificate.subject_public_key_info)
    }

    /// The bits of the public key, as key identifiers are made from.
    #[must_use]
    pub fn key_bits(&self) -> &[u8] {
        self.decoded.tbs_certificate.subject_public_key_info.subject_public_key.as_raw_slice()
    }

    /// The subject.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.decoded.tbs_certificate.subject
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &Name {
        &self.decoded.tbs_certificate.issuer
    }

    /// The serial number's content octets.
    #[must_use]
    pub fn serial(&self) -> Vec<u8> {
        let der = encode(&self.decoded.tbs_certificate.serial_number);
        // tag, one octet of length (a serial of more than 127 octets was never seen and would only shift the cut), content
        der.get(2..).unwrap_or_default().to_vec()
    }

    /// From and to.
    #[must_use]
    pub fn validity(&self) -> Period {
        self.validity
    }

    /// The extension with this identifier, undecoded.
    #[must_use]
    pub fn extension(&self, id: &Oid) -> Option<Marked<&[u8]>> {
        let extensions = self.decoded.tbs_certificate.extensions.as_ref()?;
        let extension = extensions.iter().find(|e| *e.extn_id == *id)?;
        Some(Marked { critical: extension.critical, value: &extension.extn_value })
    }

    /// The extension with this identifier, decoded strictly; `None` if absent or malformed.
    #[must_use]
    pub fn decode<T: Decode + Encode>(&self, id: &Oid) -> Option<Marked<T>> {
        let Marked { critical, value } = self.extension(id)?;
        Some(Marked { critical, value: asn1::decode_strict(value)? })
    }

    /// basicConstraints.
    #[must_use]
    pub fn basic_constraints(&self) -> Option<Marked<BasicConstraints>> {
        self.decode(oid::BASIC_CONSTRAINTS)
    }

    /// True only for basicConstraints with cA TRUE.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.basic_constraints().is_some_and(|b| b.value.ca)
    }

    /// keyUsage.
    #[must_use]
    pub fn key_usage(&self) -> Option<Marked<KeyUsage>> {
        let Marked { critical, value } = self.decode::<BitString>(oid::KEY_USAGE)?;
        Some(Marked { critical, value: KeyUsage::from_bits(&value)? })
    }

    /// Whether its key commits to what it signs (nonRepudiation, which RFC 5280 §4.2.1.3 also calls contentCommitment), where others
    /// only log in.
    #[must_use]
    pub fn commits(&self) -> bool {
        self.key_usage().is_some_and(|usage| usage.value.has(KeyUsage::NON_REPUDIATION))
    }

    /// extKeyUsage.
    #[must_use]
    pub fn extended_key_usage(&self) -> Option<Marked<ExtKeyUsageSyntax>> {
        self.decode(oid::EXTENDED_KEY_USAGE)
    }

    /// privateKeyUsagePeriod with both ends; `None` if an end is missing.
    #[must_use]
    pub fn private_key_usage_period(&self) -> Option<Period> {
        let period = self.decode::<rasn_pkix::PrivateKeyUsagePeriod>(oid::PRIVATE_KEY_USAGE_PERIOD)?.value;
        Some(Period {
            not_before: Timestamp::from_chrono(&period.not_before?)?,
            not_after: Timestamp::from_chrono(&period.not_after?)?,
        })
    }

    /// True if it was issued under this certificate policy (RFC 5280 §4.2.1.4).
    #[must_use]
    pub fn has_policy(&self, policy: &PolicyId) -> bool {
        let policies = self.decode::<Vec<PolicyInformation>>(oid::CERTIFICATE_POLICIES);
        let wanted = policy.to_rasn();
        policies.is_some_and(|list| list.value.iter().any(|one| Some(&one.policy_identifier) == wanted.as_ref()))
    }

    /// True if it was issued under anyPolicy, which names none.
    #[must_use]
    pub fn has_any_policy(&self) -> bool {
        let policies = self.decode::<Vec<PolicyInformation>>(oid::CERTIFICATE_POLICIES);
        policies.is_some_and(|list| list.value.iter().any(|one| one.policy_identifier == *oid::ANY_POLICY))
    }

    /// True if it is of a test service: issued under one of the test policies.
    #[must_use]
    pub fn is_of_test(&self) -> bool {
        PolicyId::tests().any(|test| self.has_policy(&test))
    }

    /// subjectKeyIdentifier.
    #[must_use]
    pub fn subject_key_identifier(&self) -> Option<OctetString> {
        self.decode::<OctetString>(oid::SUBJECT_KEY_IDENTIFIER).map(|e| e.value)
    }

    /// keyid of authorityKeyIdentifier.
    #[must_use]
    pub fn authority_key_identifier(&self) -> Option<OctetString> {
        self.decode::<rasn_pkix::AuthorityKeyIdentifier>(oid::AUTHORITY_KEY_IDENTIFIER)?.value.key_identifier
    }

    /// The first URI of cRLDistributionPoints (§4.2.1.13): where the list is that would revoke it.
    #[must_use]
    pub fn crl_place(&self) -> Option<String> {
        let points = self.decode::<Vec<DistributionPoint>>(oid::CRL_DISTRIBUTION_POINTS)?.value;
        points.into_iter().find_map(|point| match point.distribution_point? {
            DistributionPointName::FullName(names) => names.into_iter().find_map(|name| match name {
                GeneralName::Uri(uri) => String::from_utf8(uri.as_iso646_bytes().to_vec()).ok(),
                _ => None,
            }),
            DistributionPointName::NameRelativeToCrlIssuer(_) => None,
        })
    }

    /// The text of the first attribute of this type in the subject.
    #[must_use]
    pub fn subject_attribute(&self, id: &Oid) -> Option<String> {
        let Name::RdnSequence(names) = self.subject();
        let attributes = names.iter().flat_map(|rdn| rdn.to_vec());
        attributes
            .into_iter()
            .find(|a: &&AttributeTypeAndValue| *a.r#type == *id)
            .and_then(|a| text(a.value.as_bytes()))
    }
}

/// UTF8String or PrintableString, the two forms that names of ours have.
fn text(der: &[u8]) -> Option<String> {
    rasn::der::decode::<Utf8String>(der)
        .ok()
        .or_else(|| String::from_utf8(rasn::der::decode::<PrintableString>(der).ok()?.as_bytes().to_vec()).ok())
}

/// The moment of a Time; `None` outside the years 1970 to 9999.
#[must_use]
pub fn from_time(time: &Time) -> Option<Timestamp> {
    match time {
        Time::Utc(t) => Timestamp::from_chrono(t),
        Time::General(t) => Timestamp::from_chrono(t),
    }
}

/// A Time in whole seconds: UTCTime to 2049, then GeneralizedTime (RFC 5280 §4.1.2.5).
#[must_use]
pub fn to_time(time: Timestamp) -> Time {
    use chrono::Datelike;
    let whole = time.whole_secs().to_chrono();
    if whole.year() < 2050 { Time::Utc(whole) } else { Time::General(whole.into()) }
}

/// Whether a list with this extension leaves out revoked end-entity certificates for what they are, or mixes issuers (RFC 5280 §5.2.5).
pub(crate) fn is_partial(point: &IssuingDistributionPoint) -> bool {
    point.only_contains_ca_certs
        || point.only_some_reasons.is_some()
        || point.indirect_crl
        || point.only_contains_attribute_certs
}

/// DER of a value that this crate built or decoded itself.
pub(crate) fn encode<T: Encode>(value: &T) -> Vec<u8> {
    // rasn's DER encoder fails only on values that break a type's constraints; ours are decoded or built from checked
    // parts, so a failure is a bug here and must stop the process.
    rasn::der::encode(value).expect("a checked value encodes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_usage_is_trimmed() {
        // spec §12, byte by byte
        let table = [
            (KeyUsage::DIGITAL_SIGNATURE, "03020780"),
            (KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION), "030206c0"),
            (KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN), "03020106"),
            (KeyUsage(1 << 8), "0303070080"),
        ];
        for (usage, der) in table {
            assert_eq!(hex::encode(encode(&usage.to_bits())), der);
            assert_eq!(KeyUsage::from_bits(&usage.to_bits()), Some(usage));
        }
        // Untrimmed, as rasn writes nine bits with bit 0 set.
        let untrimmed: BitString = (0..9).map(|bit| bit == 0).collect();
        assert_eq!(KeyUsage::from_bits(&untrimmed), None);
    }

    #[test]
    fn times_change_form_in_2050() {
        let secs = |text: &str| Timestamp::from_chrono(&chrono::DateTime::parse_from_rfc3339(text).unwrap()).unwrap();
        let last = to_time(secs("2049-12-31T23:59:59.9Z"));
        assert_eq!(hex::encode(encode(&last)), format!("170d{}", hex::encode("491231235959Z")));
        let first = to_time(secs("2050-01-01T00:00:00Z"));
        assert_eq!(hex::encode(encode(&first)), format!("180f{}", hex::encode("20500101000000Z")));
        assert_eq!(from_time(&first), Some(secs("2050-01-01T00:00:00Z")));
    }

    #[test]
    fn a_period_includes_both_ends() {
        let period = Period { not_before: Timestamp::from_millis(1_000), not_after: Timestamp::from_millis(2_000) };
        for (millis, inside) in [(999, false), (1_000, true), (2_000, true), (2_999, true), (3_000, false)] {
            assert_eq!(period.contains(Timestamp::from_millis(millis)), inside, "{millis}");
        }
    }
}
