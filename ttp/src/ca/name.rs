//! Distinguished names as ETSI EN 319 412-2 and -3 want them.

use rasn::prelude::*;
use rasn_pkix::{AttributeTypeAndValue, Name, RelativeDistinguishedName};

use crate::asn1::oid;
use crate::x509::encode;

/// The subject of a certificate.
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
    /// Empty, above 64 characters (RFC 5280 appendix A.1), or with control characters.
    #[error("{attribute} is empty, longer than 64 characters, or has control characters")]
    Text {
        /// Which.
        attribute: &'static str,
    },
    /// The identifier is not a scheme (three letters, or two and a colon), a country, a hyphen and a reference.
    #[error("organization identifier is not like VATFR-12345678901")]
    OrganizationIdentifier,
    /// EN 319 412-3 §4.2.1 wants them to differ.
    #[error("organization and organization identifier are the same")]
    Same,
}

impl Subject {
    /// The same organisation under another common name.
    #[must_use]
    pub fn with_common_name(&self, common_name: &str) -> Self {
        Self { common_name: common_name.to_owned(), ..self.clone() }
    }

    /// The name, after its parts were checked. Country is a PrintableString, all else UTF8String; one attribute in each
    /// relative name, in the order C, O, organizationIdentifier, CN.
    ///
    /// # Errors
    /// [`SubjectFault`].
    pub fn to_name(&self) -> Result<Name, SubjectFault> {
        if self.country.len() != 2 || !self.country.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(SubjectFault::Country);
        }
        for (attribute, text) in [
            ("organization", &self.organization),
            ("organization identifier", &self.organization_identifier),
            ("common name", &self.common_name),
        ] {
            let length = text.chars().count();
            if length == 0 || length > 64 || text.chars().any(char::is_control) {
                return Err(SubjectFault::Text { attribute });
            }
        }
        let identifier = self.organization_identifier.as_bytes();
        // EN 319 412-1 §5.1.4: a national scheme has a colon in the third place.
        let capitals = |(place, byte): (usize, &u8)| byte.is_ascii_uppercase() || (place == 2 && *byte == b':');
        let shaped = identifier.len() > 6 && identifier[..5].iter().enumerate().all(capitals) && identifier[5] == b'-';
        if !shaped {
            return Err(SubjectFault::OrganizationIdentifier);
        }
        if self.organization == self.organization_identifier {
            return Err(SubjectFault::Same);
        }
        let country = PrintableString::try_from(self.country.as_str()).expect("two letters are printable");
        Ok(Name::RdnSequence(vec![
            relative(oid::COUNTRY, encode(&country)),
            relative(oid::ORGANIZATION, utf8(&self.organization)),
            relative(oid::ORGANIZATION_IDENTIFIER, utf8(&self.organization_identifier)),
            relative(oid::COMMON_NAME, utf8(&self.common_name)),
        ]))
    }
}

fn utf8(text: &str) -> Vec<u8> {
    encode(&Utf8String::from(text))
}

fn relative(attribute: &Oid, value: Vec<u8>) -> RelativeDistinguishedName {
    let attribute = AttributeTypeAndValue { r#type: attribute.into(), value: Any::new(value) };
    SetOf::from_vec(vec![attribute]).into()
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
        let text = |attribute| Some(SubjectFault::Text { attribute });
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
            (Subject { organization: "NTRFR-123456789".into(), ..good }, Some(SubjectFault::Same)),
        ];
        for (subject, fault) in table {
            assert_eq!(subject.to_name().err(), fault, "{subject:?}");
        }
    }
}
