//! Attributes of a SignerInfo.

use std::borrow::Cow;

use super::oids;
use super::signed_data::{Algorithm, Fault};
use crate::asn1::ber::{Reader, Value};
use crate::asn1::der;
use crate::time::Timestamp;

/// The longest set of attributes, octets: room for revocation data.
pub(super) const ATTRIBUTES_BYTES_MAX: usize = 4 << 20;
/// How many attributes a set may have, and values one of them.
pub(super) const ATTRIBUTES_MAX: usize = 64;

/// Tag of UTCTime.
const UTC_TIME: u8 = 0x17;

/// A SET OF Attribute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes<'a> {
    list: Vec<Attribute<'a>>,
    /// The octets between the tag and the end.
    content: &'a [u8],
}

/// One attribute.
#[derive(Clone, Debug)]
pub(crate) struct Attribute<'a> {
    /// Content octets of its type.
    pub(crate) oid: &'a [u8],
    /// Its values, as received.
    pub(crate) values: Vec<&'a [u8]>,
    /// All of it.
    pub(crate) whole: &'a [u8],
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
        if list.is_empty() && set.is_strict() {
            return Err("there are none".to_owned());
        }
        Ok(Self { list, content: set.content })
    }

    /// All of them, in the order received.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Attribute<'a>> {
        self.list.iter()
    }

    /// Those of one type.
    pub(crate) fn of(&self, oid: &[u8]) -> impl Iterator<Item = &Attribute<'a>> {
        self.list.iter().filter(move |attribute| attribute.oid == oid)
    }

    /// The values of all attributes of one type.
    pub(crate) fn values(&self, oid: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        self.of(oid).flat_map(|attribute| attribute.values.iter().copied())
    }

    /// The one value of an attribute that must be there once with one value (RFC 5652 §11).
    pub(crate) fn only(&self, oid: &[u8]) -> Result<Option<&'a [u8]>, Fault> {
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

    /// The octets between the tag and the end, as received.
    pub(crate) const fn content(&self) -> &'a [u8] {
        self.content
    }

    /// The SET OF as received: signed as such, carried under another tag (RFC 5652 §5.4).
    pub(super) fn as_received(&self) -> Vec<u8> {
        der::tlv(der::SET, self.content)
    }

    /// What a signature over them is over: the SET OF as received, and its DER where that is another (RFC 5652 §5.4 asks
    /// for the DER; programs that do not sort on writing do not sort on signing either).
    pub(crate) fn signed_forms(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let received = self.as_received();
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
        let values = match read_values(fields.take(der::SET)?.content) {
            // Nobody who asks for DER need look at an attribute that others wrote for others: it has no value that reads.
            None if value.is_strict() => Vec::new(),
            values => values?,
        };
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

/// The values of an attribute; they may be BER where the attribute is not. `None` for too many.
fn read_values(set: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut reader, mut values) = (Reader::new(set), Vec::new());
    while !reader.is_at_end() {
        if values.len() == ATTRIBUTES_MAX {
            return None;
        }
        values.push(reader.value()?.whole);
    }
    Some(values)
}

/// The first ESSCertID or ESSCertIDv2: that of the signing certificate (RFC 5035 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EssCert<'a> {
    /// Content octets of the hash algorithm.
    pub(crate) hash: &'a [u8],
    /// Hash of the certificate.
    pub(crate) digest: &'a [u8],
    /// Issuer's name and serial number as received, if told.
    pub(crate) issuer_serial: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> EssCert<'a> {
    /// Out of a value of signing-certificate (RFC 2634 §5.4) or signing-certificate-v2.
    pub(crate) fn parse(value: &'a [u8], v2: bool) -> Option<Self> {
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
pub(crate) fn time(value: &[u8]) -> Option<Timestamp> {
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
pub(crate) fn generalized(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, "0"), |(whole, fraction)| (whole, fraction));
    if whole.len() != 14 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let [year, month, day, hour, minute, second] =
        [(0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14)].map(|(from, to)| &whole[from..to]);
    Timestamp::from_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}.{fraction}Z"))
}
