//! Names in a certificate, read back by type as a stranger would.

use core::net::IpAddr;

use rasn::prelude::*;
use rasn_pkix::{GeneralName, Name};

use crate::asn1::{decode_strict, oid};
use crate::ca::name::{AlternativeNames, Attribute, DistinguishedName};
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
