//! Names in certificates: distinguished names as ETSI EN 319 412-2 (natural persons) and -3 (legal persons) want them, and
//! alternative names of servers.
//!
//! A name is checked when it is made, attribute by attribute; which attributes a certificate must or may have is its
//! profile's affair ([`super::profile`]).

mod hidden;

use std::collections::BTreeMap;

use rasn::prelude::*;
use rasn_pkix::{AttributeTypeAndValue, GeneralName, Name, RelativeDistinguishedName};
use serde::{Deserialize, Serialize};

pub(crate) use self::hidden::is_hidden;
use crate::asn1::oid;
use crate::x509::encode;

/// An attribute of a distinguished name. Their order here is that in a name: from the country down to the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// ISO 3166 alpha-2 code.
    Country,
    /// State or province.
    StateOrProvince,
    /// Town.
    Locality,
    /// Full registered name of an organisation.
    Organization,
    /// For example `VATFR-12345678901` or `NTRFR-123456789` (EN 319 412-1 §5.1.4).
    OrganizationIdentifier,
    /// A part of an organisation.
    OrganizationalUnit,
    /// A person's identifier, for example `PASFR-0123` (EN 319 412-1 §5.1.3).
    SerialNumber,
    /// A position.
    Title,
    /// Given names.
    GivenName,
    /// Family name.
    Surname,
    /// Instead of given name and surname (EN 319 412-2 §4.2.4).
    Pseudonym,
    /// The name by which the holder is commonly shown.
    CommonName,
}

impl Attribute {
    /// All of them, in order.
    pub const ALL: [Self; 12] = [
        Self::Country,
        Self::StateOrProvince,
        Self::Locality,
        Self::Organization,
        Self::OrganizationIdentifier,
        Self::OrganizationalUnit,
        Self::SerialNumber,
        Self::Title,
        Self::GivenName,
        Self::Surname,
        Self::Pseudonym,
        Self::CommonName,
    ];

    /// Its type.
    #[must_use]
    pub const fn oid(self) -> &'static Oid {
        match self {
            Self::Country => oid::COUNTRY,
            Self::StateOrProvince => oid::STATE_OR_PROVINCE,
            Self::Locality => oid::LOCALITY,
            Self::Organization => oid::ORGANIZATION,
            Self::OrganizationIdentifier => oid::ORGANIZATION_IDENTIFIER,
            Self::OrganizationalUnit => oid::ORGANIZATIONAL_UNIT,
            Self::SerialNumber => oid::SERIAL_NUMBER,
            Self::Title => oid::TITLE,
            Self::GivenName => oid::GIVEN_NAME,
            Self::Surname => oid::SURNAME,
            Self::Pseudonym => oid::PSEUDONYM,
            Self::CommonName => oid::COMMON_NAME,
        }
    }

    /// The one of this type.
    #[must_use]
    pub fn from_oid(id: &Oid) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.oid() == id)
    }

    /// The name as users write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::StateOrProvince => "state or province",
            Self::Locality => "locality",
            Self::Organization => "organization",
            Self::OrganizationIdentifier => "organization identifier",
            Self::OrganizationalUnit => "organizational unit",
            Self::SerialNumber => "serial number",
            Self::Title => "title",
            Self::GivenName => "given name",
            Self::Surname => "surname",
            Self::Pseudonym => "pseudonym",
            Self::CommonName => "common name",
        }
    }

    /// Longest value, characters: the upper bounds of RFC 5280 appendix A.1, and for parts of a person's name 64 rather than
    /// its 32,768, which no client shows.
    #[must_use]
    pub const fn chars_max(self) -> usize {
        match self {
            Self::StateOrProvince | Self::Locality | Self::Pseudonym => 128,
            _ => 64,
        }
    }

    /// Encoded as PrintableString, as RFC 5280 appendix A.1 and X.520 demand; all others are UTF8String.
    const fn is_printable(self) -> bool {
        matches!(self, Self::Country | Self::SerialNumber)
    }
}

/// A distinguished name with one value for each attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DistinguishedName(pub BTreeMap<Attribute, String>);

/// The subject of a certificate of our own: an organisation and what it calls its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// ISO 3166 alpha-2 code of the country where the organisation is established.
    pub country: String,
    /// Full registered name.
    pub organization: String,
    /// For example `VATFR-12345678901` or `NTRFR-123456789` (EN 319 412-1 §5.1.4).
    pub organization_identifier: String,
    /// Unique for each certificate's holder.
    pub common_name: String,
}

/// Why a subject cannot stand in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectFault {
    /// Not two upper-case letters.
    #[error("country is not a two-letter ISO 3166 code")]
    Country,
    /// Empty, too long, with controls or other characters that show nothing, or with spaces at an end.
    #[error(
        "{attribute} is empty, longer than {max} characters, has control or invisible characters or begins or ends with a \
         space"
    )]
    Text {
        /// Which.
        attribute: &'static str,
        /// Most characters.
        max: usize,
    },
    /// A character that PrintableString has not.
    #[error("{attribute} has a character besides letters, digits, space and '()+,-./:=?")]
    Printable {
        /// Which.
        attribute: &'static str,
    },
    /// The identifier is not a scheme (three letters, or two and a colon), a country, a hyphen and a reference.
    #[error("organization identifier is not like VATFR-12345678901")]
    OrganizationIdentifier,
    /// The identifier of a natural person has not that form either.
    #[error("serial number is not like PASFR-12345 (EN 319 412-1, 5.1.3)")]
    SerialNumber,
    /// EN 319 412-3 §4.2.1 wants them to differ.
    #[error("organization and organization identifier are the same")]
    Same,
    /// EN 319 412-2 §4.2.4.
    #[error("a pseudonym stands instead of given name and surname, not beside them")]
    PseudonymAndName,
}

impl DistinguishedName {
    /// One attribute's value.
    #[must_use]
    pub fn get(&self, attribute: Attribute) -> Option<&str> {
        self.0.get(&attribute).map(String::as_str)
    }

    /// Judges every value.
    ///
    /// # Errors
    /// The first [`SubjectFault`], in the order of the attributes.
    pub fn check(&self) -> Result<(), SubjectFault> {
        for (attribute, value) in &self.0 {
            let (name, max) = (attribute.name(), attribute.chars_max());
            if *attribute == Attribute::Country {
                if value.len() != 2 || !value.bytes().all(|b| b.is_ascii_uppercase()) {
                    return Err(SubjectFault::Country);
                }
                continue;
            }
            let length = value.chars().count();
            if length == 0 || length > max || value.chars().any(is_hidden) || value.trim() != value {
                return Err(SubjectFault::Text { attribute: name, max });
            }
            if attribute.is_printable() && !value.bytes().all(is_printable) {
                return Err(SubjectFault::Printable { attribute: name });
            }
        }
        if self.get(Attribute::OrganizationIdentifier).is_some_and(|text| !is_semantic(text)) {
            return Err(SubjectFault::OrganizationIdentifier);
        }
        if self.get(Attribute::SerialNumber).is_some_and(|text| !is_semantic(text)) {
            return Err(SubjectFault::SerialNumber);
        }
        let organization = self.get(Attribute::Organization);
        if organization.is_some() && organization == self.get(Attribute::OrganizationIdentifier) {
            return Err(SubjectFault::Same);
        }
        let named = self.0.contains_key(&Attribute::GivenName) || self.0.contains_key(&Attribute::Surname);
        if named && self.0.contains_key(&Attribute::Pseudonym) {
            return Err(SubjectFault::PseudonymAndName);
        }
        Ok(())
    }

    /// The name, after its parts were checked; one attribute in each relative name.
    ///
    /// # Errors
    /// [`SubjectFault`].
    pub fn to_name(&self) -> Result<Name, SubjectFault> {
        self.check()?;
        Ok(Name::RdnSequence(self.0.iter().map(|(attribute, value)| relative(*attribute, value)).collect()))
    }
}

impl From<&Subject> for DistinguishedName {
    fn from(subject: &Subject) -> Self {
        Self(BTreeMap::from([
            (Attribute::Country, subject.country.clone()),
            (Attribute::Organization, subject.organization.clone()),
            (Attribute::OrganizationIdentifier, subject.organization_identifier.clone()),
            (Attribute::CommonName, subject.common_name.clone()),
        ]))
    }
}

impl Subject {
    /// As a [`DistinguishedName`].
    ///
    /// # Errors
    /// [`SubjectFault`].
    pub fn to_name(&self) -> Result<Name, SubjectFault> {
        DistinguishedName::from(self).to_name()
    }
}

/// EN 319 412-1 §5.1.3 and §5.1.4: three letters of a scheme (or two and a colon, for a national one), a country, a hyphen,
/// a reference.
fn is_semantic(text: &str) -> bool {
    let bytes = text.as_bytes();
    let capitals = |(place, byte): (usize, &u8)| byte.is_ascii_uppercase() || (place == 2 && *byte == b':');
    bytes.len() > 6 && bytes[..5].iter().enumerate().all(capitals) && bytes[5] == b'-'
}

/// X.680 §41.4.
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

fn relative(attribute: Attribute, value: &str) -> RelativeDistinguishedName {
    let value = if attribute.is_printable() {
        encode(&PrintableString::try_from(value).expect("checked to be printable"))
    } else {
        encode(&Utf8String::from(value))
    };
    let attribute = AttributeTypeAndValue { r#type: attribute.oid().into(), value: Any::new(value) };
    SetOf::from_vec(vec![attribute]).into()
}

/// subjectAltName (RFC 5280 §4.2.1.6): what a certificate names besides its subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlternativeNames {
    /// DNS names, the first label may be `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// IP addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip: Vec<core::net::IpAddr>,
    /// Mail addresses (rfc822Name).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub email: Vec<String>,
}

/// Most alternative names of one certificate: what every client reads, and a certificate that stays small.
pub const ALTERNATIVE_NAMES_MAX: usize = 100;

/// Why alternative names cannot stand in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlternativeNameFault {
    /// Not a host name.
    #[error("{0:?} is not a DNS name in lower case: labels of letters, digits and hyphens, only the first may be *")]
    Dns(String),
    /// Not a mail address.
    #[error("{0:?} is not a mail address in ASCII")]
    Email(String),
    /// Named twice.
    #[error("{0:?} is named twice")]
    Twice(String),
    /// More than [`ALTERNATIVE_NAMES_MAX`].
    #[error("{found} alternative names, at most {ALTERNATIVE_NAMES_MAX} stand in a certificate")]
    TooMany {
        /// How many.
        found: usize,
    },
}

impl AlternativeNames {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dns.len() + self.ip.len() + self.email.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Judges every name.
    ///
    /// # Errors
    /// The first [`AlternativeNameFault`].
    pub fn check(&self) -> Result<(), AlternativeNameFault> {
        if self.len() > ALTERNATIVE_NAMES_MAX {
            return Err(AlternativeNameFault::TooMany { found: self.len() });
        }
        if let Some(bad) = self.dns.iter().find(|name| !is_dns_name(name)) {
            return Err(AlternativeNameFault::Dns(bad.clone()));
        }
        if let Some(bad) = self.email.iter().find(|address| !is_mail_address(address)) {
            return Err(AlternativeNameFault::Email(bad.clone()));
        }
        let mut seen = std::collections::BTreeSet::new();
        let all = self.dns.iter().chain(&self.email).cloned().chain(self.ip.iter().map(ToString::to_string));
        match all.into_iter().find(|name| !seen.insert(name.clone())) {
            Some(twice) => Err(AlternativeNameFault::Twice(twice)),
            None => Ok(()),
        }
    }

    /// The extension's value: DNS names, addresses, mail addresses, in the order given.
    ///
    /// # Errors
    /// [`AlternativeNameFault`].
    pub fn to_general_names(&self) -> Result<Vec<GeneralName>, AlternativeNameFault> {
        self.check()?;
        let ascii = |text: &String| Ia5String::try_from(text.as_str()).expect("checked to be ASCII");
        let octets = |address: &core::net::IpAddr| match address {
            core::net::IpAddr::V4(address) => OctetString::from(address.octets().to_vec()),
            core::net::IpAddr::V6(address) => OctetString::from(address.octets().to_vec()),
        };
        let dns = self.dns.iter().map(|name| GeneralName::DnsName(ascii(name)));
        let ip = self.ip.iter().map(|address| GeneralName::IpAddress(octets(address)));
        let email = self.email.iter().map(|address| GeneralName::Rfc822Name(ascii(address)));
        Ok(dns.chain(ip).chain(email).collect())
    }
}

/// Preferred name syntax (RFC 1034 §3.5) in lower case with two labels or more; `*` alone as the first (RFC 9525 §6.3).
fn is_dns_name(name: &str) -> bool {
    let rest = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        let bytes = label.as_bytes();
        !bytes.is_empty()
            && bytes.len() <= 63
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
            && bytes[0] != b'-'
            && bytes[bytes.len() - 1] != b'-'
    };
    // The last label of a name is never all digits; that would be an address (RFC 1123 §2.1).
    let top = rest.rsplit('.').next().is_some_and(|top| !top.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && rest.contains('.') && top && rest.split('.').all(label)
}

/// RFC 5321 Mailbox as far as anybody uses it: a dot-atom of at most 64 octets and a DNS name.
fn is_mail_address(address: &str) -> bool {
    let Some((local, host)) = address.split_once('@') else { return false };
    let atom = |atom: &str| {
        !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    local.len() <= 64 && local.split('.').all(atom) && !host.starts_with('*') && is_dns_name(host)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn subject(common_name: &str) -> Subject {
        Subject {
            country: "FR".to_owned(),
            organization: "Étude Semper".to_owned(),
            organization_identifier: "NTRFR-123456789".to_owned(),
            common_name: common_name.to_owned(),
        }
    }

    #[test]
    fn a_name_byte_by_byte() {
        let name = Subject { organization: "O".to_owned(), ..subject("C") }.to_name().unwrap();
        let expected = [
            "303f",
            "310b3009060355040613024652",
            "310a3008060355040a0c014f",
            "311830160603550461 0c0f4e545246522d313233343536373839",
            "310a30080603550403 0c0143",
        ]
        .concat()
        .replace(' ', "");
        assert_eq!(hex::encode(encode(&name)), expected);
    }

    #[test]
    fn bad_parts_are_named() {
        let good = subject("TSU 1");
        let text = |attribute| Some(SubjectFault::Text { attribute, max: 64 });
        let table = [
            (good.clone(), None),
            (Subject { country: "fr".into(), ..good.clone() }, Some(SubjectFault::Country)),
            (Subject { country: "FRA".into(), ..good.clone() }, Some(SubjectFault::Country)),
            (Subject { organization: String::new(), ..good.clone() }, text("organization")),
            (Subject { common_name: "x".repeat(65), ..good.clone() }, text("common name")),
            (Subject { common_name: "é".repeat(64), ..good.clone() }, None),
            (Subject { common_name: "a\nb".into(), ..good.clone() }, text("common name")),
            (
                Subject { organization_identifier: "123".into(), ..good.clone() },
                Some(SubjectFault::OrganizationIdentifier),
            ),
            (
                Subject { organization_identifier: "NTRFR-".into(), ..good.clone() },
                Some(SubjectFault::OrganizationIdentifier),
            ),
            (Subject { organization: "NTRFR-123456789".into(), ..good.clone() }, Some(SubjectFault::Same)),
            (Subject { organization_identifier: "VA:FR-1".into(), ..good.clone() }, None),
            (Subject { common_name: "bank\u{202E}live".into(), ..good.clone() }, text("common name")),
            (Subject { organization: "O\u{200B}".into(), ..good.clone() }, text("organization")),
            (Subject { common_name: " a".into(), ..good }, text("common name")),
        ];
        for (subject, fault) in table {
            assert_eq!(subject.to_name().err(), fault, "{subject:?}");
        }
    }

    #[test]
    fn a_person_is_named_by_name_or_pseudonym() {
        let person = |parts: &[(Attribute, &str)]| {
            DistinguishedName(parts.iter().map(|(attribute, text)| (*attribute, (*text).to_owned())).collect())
        };
        let base = [(Attribute::Country, "FR"), (Attribute::CommonName, "Anne Exemple")];
        let with = |more: &[(Attribute, &str)]| person(&[&base[..], more].concat()).check().err();
        assert_eq!(with(&[(Attribute::GivenName, "Anne"), (Attribute::Surname, "Exemple")]), None);
        assert_eq!(with(&[(Attribute::SerialNumber, "PASFR-12AB")]), None);
        assert_eq!(with(&[(Attribute::SerialNumber, "12AB")]), Some(SubjectFault::SerialNumber));
        let underscore = Some(SubjectFault::Printable { attribute: "serial number" });
        assert_eq!(with(&[(Attribute::SerialNumber, "PASFR-12_B")]), underscore);
        let both = with(&[(Attribute::Pseudonym, "A"), (Attribute::Surname, "Exemple")]);
        assert_eq!(both, Some(SubjectFault::PseudonymAndName));
        // PrintableString for the serial number, and the order is ours, not that of the input.
        let name = person(&[(Attribute::CommonName, "C"), (Attribute::SerialNumber, "PASFR-1")]).to_name().unwrap();
        let expected = "301e3110300e0603550405130750415346522d31310a3008060355040 30c0143".replace(' ', "");
        let found = hex::encode(encode(&name));
        assert_eq!(found, expected);
    }

    #[test]
    fn alternative_names_are_judged() {
        let dns = |name: &str| AlternativeNames { dns: vec![name.to_owned()], ..AlternativeNames::default() };
        for good in ["shop.example", "*.shop.example", "a-1.b.example", "xn--bcher-kva.example"] {
            assert_eq!(dns(good).check(), Ok(()), "{good}");
        }
        for bad in [
            "",
            "shop",
            "Shop.example",
            "a..example",
            "-a.example",
            "a-.example",
            "a.*.example",
            "*a.example",
            "*.*.example",
            "1.2.3.4",
            "a_b.example",
            "a.example.",
            "b\u{fc}cher.example",
        ] {
            assert_eq!(dns(bad).check(), Err(AlternativeNameFault::Dns(bad.to_owned())));
        }
        let email = |address: &str| AlternativeNames { email: vec![address.to_owned()], ..AlternativeNames::default() };
        for good in ["anne@shop.example", "a.b+c@shop.example"] {
            assert_eq!(email(good).check(), Ok(()), "{good}");
        }
        for bad in ["anne", "@shop.example", "a@b@shop.example", "a..b@shop.example", "a@*.example", "a b@shop.example"]
        {
            assert_eq!(email(bad).check(), Err(AlternativeNameFault::Email(bad.to_owned())));
        }
        let twice = AlternativeNames { dns: vec!["a.example".into(); 2], ..AlternativeNames::default() };
        assert_eq!(twice.check(), Err(AlternativeNameFault::Twice("a.example".into())));
        let many = AlternativeNames { dns: (0..101).map(|i| format!("a{i}.example")).collect(), ..Default::default() };
        assert_eq!(many.check(), Err(AlternativeNameFault::TooMany { found: 101 }));
        let all = AlternativeNames {
            dns: vec!["a.example".into()],
            ip: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            email: vec!["a@b.example".into()],
        };
        let der = hex::encode(encode(&all.to_general_names().unwrap()));
        let expected =
            "30308209612e6578616d706c658704c0000201871020010db8000000000000000000000001810b6140622e6578616d706c65";
        assert_eq!(der, expected);
    }
}
