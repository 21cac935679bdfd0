//! qcStatements (RFC 3739 §3.2.6, ETSI EN 319 412-5): what a certificate claims of itself by law.

use serde::Deserialize;

use crate::asn1::der;

/// id-pe-qcStatements' statement for semantics, id-qcs-pkixQCSyntax-v2: 1.3.6.1.5.5.7.11.2.
const SYNTAX_V2: &[u8] = &[0x2B, 6, 1, 5, 5, 7, 0x0B, 2];

/// Arcs of EN 319 412-5, 0.4.0.1862.1.n.
const fn etsi(n: u8) -> [u8; 6] {
    // 1862 = 14 × 128 + 70
    [0x04, 0x00, 0x8E, 0x46, 0x01, n]
}

/// The statements of one profile. All of them are legal claims but for `semantics`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QcStatements {
    /// QcCompliance: an EU qualified certificate, or one of `legislation`.
    pub compliance: bool,
    /// QcType: exactly one.
    pub r#type: Option<QcType>,
    /// QcSSCD: the key is in a qualified device.
    pub sscd: bool,
    /// QcRetentionPeriod: years after expiry for which material is kept.
    pub retention_years: Option<u16>,
    /// QcLimitValue: the transaction value up to which it may be relied on.
    pub limit: Option<Limit>,
    /// QcPDS: where the disclosure statements are, English among them.
    pub disclosure: Vec<Disclosure>,
    /// QcCClegislation: countries outside the EU by whose law it is qualified.
    pub legislation: Vec<String>,
    /// How the identifier in the subject is to be read.
    pub semantics: Option<Semantics>,
}

/// QcType.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QcType {
    /// Electronic signatures, by natural persons.
    Esign,
    /// Electronic seals, by legal persons.
    Eseal,
    /// Web sites.
    Web,
}

/// QcLimitValue: amount × 10^exponent of a currency.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// ISO 4217, three letters.
    pub currency: String,
    /// At least 0.
    pub amount: u32,
    /// At least 0.
    pub exponent: u8,
}

/// One disclosure statement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosure {
    /// https.
    pub url: String,
    /// ISO 639-1.
    pub language: String,
}

/// Semantics identifiers of EN 319 412-1 §5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Semantics {
    /// id-etsi-qcs-semanticsId-Natural.
    Natural,
    /// id-etsi-qcs-semanticsId-Legal.
    Legal,
}

impl QcStatements {
    /// What is wrong with them, in words.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let language = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_lowercase());
        let url =
            |text: &str| text.starts_with("https://") && text.len() > 8 && text.bytes().all(|b| b.is_ascii_graphic());
        let capitals = |text: &str, n| text.len() == n && text.bytes().all(|b| b.is_ascii_uppercase());
        if self.disclosure.iter().any(|one| !url(&one.url) || !language(&one.language)) {
            return Some("disclosure: an https URL and a two-letter language are needed");
        }
        if !self.disclosure.is_empty() && !self.disclosure.iter().any(|one| one.language == "en") {
            return Some("disclosure: one must be in English (EN 319 412-5, 4.3.4)");
        }
        if self.limit.as_ref().is_some_and(|limit| !capitals(&limit.currency, 3)) {
            return Some("limit: the currency is three capital letters (ISO 4217)");
        }
        if self.legislation.iter().any(|country| !capitals(country, 2)) {
            return Some("legislation: countries are two capital letters (ISO 3166)");
        }
        if self.retention_years == Some(0) {
            return Some("retention_years: at least 1");
        }
        if self.compliance && (self.disclosure.is_empty() || self.r#type.is_none()) {
            return Some("compliance: a type and a disclosure statement are needed (EN 319 412-5, 4.2)");
        }
        if self.sscd && self.r#type == Some(QcType::Web) {
            return Some("sscd: not in certificates for web sites");
        }
        None
    }

    /// The extension's value.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let oid = |content: &[u8]| der::tlv(der::OID, content);
        let text = |tag: u8, text: &str| der::tlv(tag, text.as_bytes());
        let number = |n: u64| der::tlv(der::INTEGER, &der::integer_content(&n.to_be_bytes()));
        const PRINTABLE_STRING: u8 = 0x13;
        const IA5_STRING: u8 = 0x16;
        let mut statements = Vec::new();
        if let Some(semantics) = self.semantics {
            // 0.4.0.194121.1.{1, 2}: 194121 = 11 × 16384 + 108 × 128 + 73
            let id = [0x04, 0x00, 0x8B, 0xEC, 0x49, 0x01, if semantics == Semantics::Natural { 1 } else { 2 }];
            statements.push(der::sequence(&[&oid(SYNTAX_V2), &der::sequence(&[&oid(&id)])]));
        }
        if self.compliance {
            statements.push(der::sequence(&[&oid(&etsi(1))]));
        }
        if let Some(Limit { currency, amount, exponent }) = &self.limit {
            let value = der::sequence(&[
                &text(PRINTABLE_STRING, currency),
                &number((*amount).into()),
                &number((*exponent).into()),
            ]);
            statements.push(der::sequence(&[&oid(&etsi(2)), &value]));
        }
        if let Some(years) = self.retention_years {
            statements.push(der::sequence(&[&oid(&etsi(3)), &number(years.into())]));
        }
        if self.sscd {
            statements.push(der::sequence(&[&oid(&etsi(4))]));
        }
        if !self.disclosure.is_empty() {
            let places: Vec<u8> = self
                .disclosure
                .iter()
                .flat_map(|one| der::sequence(&[&text(IA5_STRING, &one.url), &text(PRINTABLE_STRING, &one.language)]))
                .collect();
            statements.push(der::sequence(&[&oid(&etsi(5)), &der::sequence(&[&places])]));
        }
        if let Some(kind) = self.r#type {
            let n = match kind {
                QcType::Esign => 1,
                QcType::Eseal => 2,
                QcType::Web => 3,
            };
            let kind = [&etsi(6)[..], &[n]].concat();
            statements.push(der::sequence(&[&oid(&etsi(6)), &der::sequence(&[&oid(&kind)])]));
        }
        if !self.legislation.is_empty() {
            let countries: Vec<u8> = self.legislation.iter().flat_map(|c| text(PRINTABLE_STRING, c)).collect();
            statements.push(der::sequence(&[&oid(&etsi(7)), &der::sequence(&[&countries])]));
        }
        der::sequence(&statements.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_byte_by_byte() {
        let natural = QcStatements { semantics: Some(Semantics::Natural), ..QcStatements::default() };
        let expected = "3017301506082b06010505070b0230090607040 08bec490101".replace(' ', "");
        assert_eq!(hex::encode(natural.to_der()), expected);
        let all = QcStatements {
            compliance: true,
            r#type: Some(QcType::Esign),
            sscd: true,
            retention_years: Some(10),
            limit: Some(Limit { currency: "EUR".into(), amount: 500, exponent: 2 }),
            disclosure: vec![Disclosure { url: "https://a.example/pds".into(), language: "en".into() }],
            legislation: vec!["CH".into()],
            semantics: None,
        };
        assert_eq!(all.fault(), None);
        let statements = [
            "30080606 04008e460101",
            "3016 0606 04008e460102 300c 1303455552 020201f4 020102",
            "300b 0606 04008e460103 02010a",
            "3008 0606 04008e460104",
        ];
        let der = hex::encode(all.to_der());
        for statement in &statements {
            assert!(der.contains(&statement.replace(' ', "")), "{statement} in {der}");
        }
        assert!(der.contains("30130606 04008e460106 3009 0607 04008e46010601".replace(' ', "").as_str()));
        assert!(der.contains("300e0606 04008e460107 3004 13024348".replace(' ', "").as_str()));
    }

    #[test]
    fn faults_are_named() {
        let good = QcStatements::default();
        assert_eq!(good.fault(), None);
        let table = [
            QcStatements { compliance: true, ..good.clone() },
            QcStatements { retention_years: Some(0), ..good.clone() },
            QcStatements { legislation: vec!["ch".into()], ..good.clone() },
            QcStatements { sscd: true, r#type: Some(QcType::Web), ..good.clone() },
            QcStatements {
                disclosure: vec![Disclosure { url: "https://a".into(), language: "fr".into() }],
                ..good.clone()
            },
            QcStatements {
                disclosure: vec![Disclosure { url: "http://a".into(), language: "en".into() }],
                ..good.clone()
            },
            QcStatements { limit: Some(Limit { currency: "EURO".into(), amount: 1, exponent: 0 }), ..good },
        ];
        for bad in table {
            assert!(bad.fault().is_some(), "{bad:?}");
        }
    }
}
