//! Names in a certificate, read back by type as a stranger would.

use core::net::IpAddr;

use rasn::prelude::*;
use rasn_pkix::{GeneralName, Name};

use crate::asn1::{decode_strict, oid};
use crate::ca::name::{AlternativeNames, Attribute, DistinguishedName};
use crate::ca::profile::Semantics;
use crate::x509::Certificate;

/// A distinguished name whose relative names have one known attribute each, none twice, in the string type that it must
/// have; `None` for any other.
pub(super) fn read(name: &Name) -> Option<DistinguishedName> {
    let Name::RdnSequence(relative) = name;
    let mut read = DistinguishedName::default();
    for relative in relative {
        let one = relative.to_vec();
        let [only] = one.as_slice() else { return None };
        let attribute = Attribute::from_oid(&only.r#type)?;
        let der = only.value.as_bytes();
        let text = match attribute {
            Attribute::Country | Attribute::SerialNumber => {
                String::from_utf8(decode_strict::<PrintableString>(der)?.as_bytes().to_vec()).ok()?
            }
            _ => decode_strict::<Utf8String>(der)?,
        };
        if read.0.insert(attribute, text).is_some() {
            return None;
        }
    }
    (!read.0.is_empty()).then_some(read)
}

/// The alternative names; `None` if the extension does not read or has a kind that no profile knows.
pub(super) fn alternative(certificate: &Certificate) -> Option<AlternativeNames> {
    let mut read = AlternativeNames::default();
    if certificate.extension(oid::SUBJECT_ALT_NAME).is_none() {
        return Some(read);
    }
    let names = certificate.decode::<Vec<GeneralName>>(oid::SUBJECT_ALT_NAME)?.value;
    for name in &names {
        let text = |text: &Ia5String| String::from_utf8(text.as_iso646_bytes().to_vec()).ok();
        match name {
            GeneralName::DnsName(name) => read.dns.push(text(name)?),
            GeneralName::Rfc822Name(name) => read.email.push(text(name)?),
            GeneralName::IpAddress(octets) => {
                let address = match octets.len() {
                    4 => IpAddr::from(<[u8; 4]>::try_from(&octets[..]).ok()?),
                    16 => IpAddr::from(<[u8; 16]>::try_from(&octets[..]).ok()?),
                    _ => return None,
                };
                read.ip.push(address);
            }
            _ => return None,
        }
    }
    // An extension without a name says nothing (RFC 5280 §4.2.1.6).
    (!names.is_empty()).then_some(read)
}

/// Whether this DNS name, or address, is among the alternative names.
pub(super) fn has_dns(certificate: &Certificate, name: &str) -> bool {
    alternative(certificate).is_some_and(|names| {
        names.dns.iter().any(|dns| dns == name) || names.ip.iter().any(|ip| ip.to_string() == name)
    })
}

/// Whether an identifier has a scheme of EN 319 412-1 §5.1.3 or §5.1.4 and a country. A country's own scheme (two letters and a
/// colon) would need its registration authority in qcStatements, which no profile can state.
pub(super) fn is_identifier(text: &str, semantics: Semantics) -> bool {
    let Some((scheme, country)) = text.get(..3).zip(text.get(3..5)) else { return false };
    let somewhere = is_country(country) || UNIONS.contains(&country);
    match (semantics, scheme) {
        (Semantics::Natural, "PAS" | "IDC" | "PNO" | "TIN") | (Semantics::Legal, "NTR" | "PSD") => somewhere,
        (Semantics::Legal, "VAT") => somewhere || TAX_TERRITORIES.contains(&country),
        (Semantics::Legal, "LEI") => country == "XG",
        _ => false,
    }
}

/// Whether it is a code of ISO 3166-1, or XK, which stands for Kosovo until that has one.
pub(super) fn is_country(code: &str) -> bool {
    code.len() == 2 && COUNTRIES.iter().any(|line| line.split(' ').any(|one| one == code))
}

/// Reserved by ISO 3166-1 for what is no one country: the European Union, the euro area, the United Nations.
const UNIONS: [&str; 3] = ["EU", "EZ", "UN"];

/// Greece and Northern Ireland, as numbers for value-added tax name them.
const TAX_TERRITORIES: [&str; 2] = ["EL", "XI"];

#[rustfmt::skip]
const COUNTRIES: [&str; 7] = [
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ",
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO",
    "FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE",
    "JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO",
    "MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW",
    "PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM",
    "TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW",
];
