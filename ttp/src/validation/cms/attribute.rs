//! Attributes of a SignerInfo.

use std::borrow::Cow;

use super::super::oids;
use super::{ATTRIBUTES_BYTES_MAX, Algorithm, Fault};
use crate::asn1::ber::{Reader, Value};
use crate::asn1::der;
use crate::time::Timestamp;

/// How many attributes a set may have, and values one of them.
const ATTRIBUTES_MAX: usize = 64;

/// Tag of UTCTime.
const UTC_TIME: u8 = 0x17;

/// A SET OF Attribute.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Attributes<'a> {
    list: Vec<Attribute<'a>>,
    /// The octets between the tag and the end.
    content: &'a [u8],
}

/// One attribute.
#[derive(Clone, Debug)]
pub(in super::super) struct Attribute<'a> {
    /// Content octets of its type.
    pub(in super::super) oid: &'a [u8],
    /// Its values, as received.
    pub(in super::super) values: Vec<&'a [u8]>,
    /// All of it.
    pub(in super::super) whole: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(super) fn parse(set: Value<'a>) -> Result<Self, Fault> {
        if set.content.len() > ATTRIBUTES_BYTES_MAX {
            return Err(format!("more than {ATTRIBUTES_BYTES_MAX} octets"));
        }
        let mut list = Vec::new();
        let mut reader = set.inside();
        while !reader.is_at_end() {
            if list.len() == ATTRIBUTES_MAX {
                return Err(format!("more than {ATTRIBUTES_MAX}"));
            }
            let attribute = reader.take(der::SEQUENCE).and_then(Attribute::parse);
            list.push(attribute.ok_or("one of them does not read")?);
        }
        Ok(Self { list, content: set.content })
    }

    /// All of them, in the order received.
    pub(in super::super) fn iter(&self) -> impl Iterator<Item = &Attribute<'a>> {
        self.list.iter()
    }

    /// Those of one type.
    pub(in super::super) fn of(&self, oid: &'static [u8]) -> impl Iterator<Item = &Attribute<'a>> {
        self.list.iter().filter(move |attribute| attribute.oid == oid)
    }

    /// The values of all attributes of one type.
    pub(in super::super) fn values(&self, oid: &'static [u8]) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.of(oid).flat_map(|attribute| attribute.values.iter().copied())
    }

    /// The one value of an attribute that must be there once with one value (RFC 5652 §11).
    pub(in super::super) fn only(&self, oid: &'static [u8]) -> Result<Option<&'a [u8]>, Fault> {
        let mut found = self.of(oid);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(attribute), None) => match attribute.values[..] {
                [value] => Ok(Some(value)),
                _ => Err(format!("{} has not exactly one value", oids::name(oid))),
            },
            _ => Err(format!("{} is there twice", oids::name(oid))),
        }
    }

    /// What a signature over them is over: the SET OF as received, and its DER where that is another (RFC 5652 §5.4 asks
    /// for the DER; programs that do not sort on writing do not sort on signing either).
    pub(in super::super) fn signed_forms(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let received = der::tlv(der::SET, self.content);
        let mut sorted: Vec<Cow<'_, [u8]>> = self.list.iter().map(Attribute::sorted).collect();
        sorted.sort();
        let sorted = der::tlv(der::SET, &sorted.concat());
        let other = (sorted != received).then_some(sorted);
        (received, other)
    }
}

impl<'a> Attribute<'a> {
    fn parse(value: Value<'a>) -> Option<Self> {
        let mut fields = value.inside();
        let oid = fields.take(der::OID)?.content;
        let mut set = fields.take(der::SET)?.inside();
        let mut values = Vec::new();
        while !set.is_at_end() {
            if values.len() == ATTRIBUTES_MAX {
                return None;
            }
            values.push(set.value()?.whole);
        }
        fields.is_at_end().then_some(Self { oid, values, whole: value.whole })
    }

    /// It with its values in the order of DER.
    fn sorted(&self) -> Cow<'a, [u8]> {
        if self.values.is_sorted() {
            return Cow::Borrowed(self.whole);
        }
        let mut values = self.values.clone();
        values.sort_unstable();
        let set = der::tlv(der::SET, &values.concat());
        Cow::Owned(der::tlv(der::SEQUENCE, &[der::tlv(der::OID, self.oid), set].concat()))
    }
}

/// The first ESSCertID or ESSCertIDv2: that of the signing certificate (RFC 5035 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct EssCert<'a> {
    /// Content octets of the hash algorithm.
    pub(in super::super) hash: &'a [u8],
    /// Hash of the certificate.
    pub(in super::super) digest: &'a [u8],
    /// Issuer's name and serial number as received, if told.
    pub(in super::super) issuer_serial: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> EssCert<'a> {
    /// Out of a value of signing-certificate (RFC 2634 §5.4) or signing-certificate-v2.
    pub(in super::super) fn parse(value: &'a [u8], v2: bool) -> Option<Self> {
        let certs = Reader::new(value).take(der::SEQUENCE)?.inside().take(der::SEQUENCE)?;
        let mut fields = certs.inside().take(der::SEQUENCE)?.inside();
        let hash = match (v2, fields.next_is(der::SEQUENCE)) {
            (true, true) => Algorithm::take(&mut fields)?.oid,
            (true, false) => oids::SHA256,
            (false, _) => oids::SHA1,
        };
        let digest = fields.take(der::OCTET_STRING)?.content;
        let issuer_serial = match fields.take(der::SEQUENCE) {
            None => None,
            Some(named) => {
                let mut named = named.inside();
                // GeneralNames with one directoryName [4], which is EXPLICIT since Name is a CHOICE.
                let issuer = named.take(der::SEQUENCE)?.inside().take(0xA4)?.content;
                Some((issuer, named.take(der::INTEGER)?.content))
            }
        };
        Some(Self { hash, digest, issuer_serial })
    }
}

/// UTCTime or GeneralizedTime of an attribute (RFC 5652 §11.3).
pub(in super::super) fn time(value: &[u8]) -> Option<Timestamp> {
    let value = Reader::new(value).value()?;
    let text = std::str::from_utf8(value.content).ok()?;
    let text = match value.tag {
        UTC_TIME => {
            let year: u32 = text.get(..2)?.parse().ok()?;
            format!("{}{text}", if year < 50 { "20" } else { "19" })
        }
        der::GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    generalized(&text)
}

/// `YYYYMMDDHHMMSS[.f…]Z`.
pub(in super::super) fn generalized(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, "0"), |(whole, fraction)| (whole, fraction));
    if whole.len() != 14 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let [year, month, day, hour, minute, second] =
        [(0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14)].map(|(from, to)| &whole[from..to]);
    Timestamp::from_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}.{fraction}Z"))
}
