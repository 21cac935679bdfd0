//! Distinguished names and general names, read once into a form in which equal names have equal octets.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::ObjectId;
use super::fields::object_id;
use super::text::{characters, prepared};
use crate::asn1::der;
use crate::asn1::read::Reader;

/// The longest name that is read, in octets: prepared for comparison (NFKC), one letter may become eighteen.
const NAME_BYTES_MAX: usize = 16 << 10;
/// General names in one field: a certificate of the greatest length has no room for more.
const GENERAL_NAMES_MAX: usize = 32_768;

/// A distinguished name. Two are equal as RFC 5280 §7.1 compares them.
#[derive(Clone)]
pub struct Name {
    der: Vec<u8>,
    /// Each RDN with its length in front, so that a name begins with another one's octets exactly if it lies below it.
    key: Vec<u8>,
}

impl Name {
    /// Reads an RDNSequence in DER of at most 16 KiB; `None` for anything else.
    #[must_use]
    pub fn from_der(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > NAME_BYTES_MAX {
            return None;
        }
        let mut outer = Reader::new(bytes);
        let mut rdns = Reader::new(outer.take(der::SEQUENCE)?.content);
        let mut key = Vec::with_capacity(bytes.len());
        while !rdns.is_at_end() {
            put_rdn(&mut key, rdns.take(der::SET)?.content)?;
        }
        outer.is_at_end().then(|| Self { der: bytes.to_vec(), key })
    }

    /// As it was received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// True for a name without attributes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.key.is_empty()
    }

    /// True if this name is `above` or lies in the subtree below it (RFC 5280 §4.2.1.10).
    #[must_use]
    pub fn is_below(&self, above: &Self) -> bool {
        self.key.starts_with(&above.key)
    }

    /// The name with one more RDN, whose attributes are the content of its SET (§4.2.1.13, nameRelativeToCRLIssuer).
    #[must_use]
    pub fn with(&self, rdn: &[u8]) -> Option<Self> {
        let content = Reader::new(&self.der).take(der::SEQUENCE)?.content;
        Self::from_der(&der::sequence(&[content, &der::tlv(der::SET, rdn)]))
    }

    /// The attributes of type emailAddress, to which constraints on mail addresses apply (§4.2.1.10); `None` for one that
    /// is no text.
    pub(super) fn emails(&self) -> Vec<Option<String>> {
        // 1.2.840.113549.1.9.1
        let id = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x01];
        let all = self.attributes().into_iter().flatten();
        all.filter(|(found, ..)| *found == id).map(|(_, tag, content)| characters(tag, content)).collect()
    }

    /// RDN by RDN: type, tag and content.
    fn attributes(&self) -> Vec<Vec<Attribute<'_>>> {
        let mut all = Vec::new();
        let Some(outer) = Reader::new(&self.der).take(der::SEQUENCE) else { return all };
        let mut rdns = Reader::new(outer.content);
        while let Some(rdn) = rdns.take(der::SET) {
            let mut attributes = Reader::new(rdn.content);
            let mut found = Vec::new();
            while let Some((id, tag, content)) = attribute(&mut attributes) {
                found.push((id, tag, content));
            }
            all.push(found);
        }
        all
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// As RFC 4514 writes it, the most particular attribute first; what shows nothing is escaped.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("(empty name)");
        }
        for (i, rdn) in self.attributes().iter().rev().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            for (j, (id, tag, content)) in rdn.iter().enumerate() {
                f.write_str(if j == 0 { "" } else { "+" })?;
                match (short(id), object_id(id)) {
                    (Some(name), _) => f.write_str(name)?,
                    (None, Some(id)) => write!(f, "{id}")?,
                    (None, None) => f.write_str("?")?,
                }
                match characters(*tag, content) {
                    Some(text) => write!(f, "={}", Escaped(&text))?,
                    None => write!(f, "=#{}", hex::encode(content))?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// Text of strangers for people: RFC 4514 §2.4, and neither controls nor anything that turns the line around.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => write!(f, "\\{c}"),
            c if c.is_control() || c.is_whitespace() && c != ' ' || hidden(c) => write!(f, "{}", c.escape_unicode()),
            c => write!(f, "{c}"),
        })
    }
}

/// Directions and joiners, by which a name shows as another one.
fn hidden(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Short names of attribute types (RFC 4514 §3, and what people know).
fn short(id: &[u8]) -> Option<&'static str> {
    Some(match id {
        [0x55, 0x04, 3] => "CN",
        [0x55, 0x04, 4] => "SN",
        [0x55, 0x04, 5] => "serialNumber",
        [0x55, 0x04, 6] => "C",
        [0x55, 0x04, 7] => "L",
        [0x55, 0x04, 8] => "ST",
        [0x55, 0x04, 10] => "O",
        [0x55, 0x04, 11] => "OU",
        [0x55, 0x04, 12] => "title",
        [0x55, 0x04, 42] => "GN",
        [0x55, 0x04, 65] => "pseudonym",
        [0x55, 0x04, 97] => "organizationIdentifier",
        [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x01] => "emailAddress",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 1] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 25] => "DC",
        _ => return None,
    })
}

/// Type, and the value's tag and content.
type Attribute<'a> = (&'a [u8], u8, &'a [u8]);

fn attribute<'a>(reader: &mut Reader<'a>) -> Option<Attribute<'a>> {
    let mut fields = Reader::new(reader.take(der::SEQUENCE)?.content);
    let id = fields.take(der::OID)?.content;
    let value = fields.value()?;
    fields.is_at_end().then_some((id, value.tag, value.content))
}

/// The attributes of an RDN, prepared and sorted: it is a set.
fn put_rdn(key: &mut Vec<u8>, content: &[u8]) -> Option<()> {
    let mut attributes = Reader::new(content);
    let mut prepared_ones = Vec::new();
    while !attributes.is_at_end() {
        let (id, tag, content) = attribute(&mut attributes)?;
        let mut one = Vec::new();
        put_part(&mut one, id);
        match characters(tag, content) {
            // Whatever string type it was in.
            Some(text) => put_part(&mut one, &[&[der::UTF8_STRING], prepared(&text).as_bytes()].concat()),
            None => put_part(&mut one, &[&[tag], content].concat()),
        }
        prepared_ones.push(one);
    }
    // RFC 5280 §4.1.2.4: a set of at least one.
    if prepared_ones.is_empty() {
        return None;
    }
    prepared_ones.sort_unstable();
    put_part(key, &prepared_ones.concat());
    Some(())
}

fn put_part(out: &mut Vec<u8>, part: &[u8]) {
    // Shorter than the DER that it came from, and NFKC makes nothing 20 times as long: it fits in four octets.
    out.extend_from_slice(&(part.len() as u32).to_be_bytes());
    out.extend_from_slice(part);
}

/// GeneralName (RFC 5280 §4.2.1.6), as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeneralName {
    /// otherName: its type, and its value in DER.
    Other(ObjectId, Vec<u8>),
    /// rfc822Name.
    Email(String),
    /// dNSName.
    Dns(String),
    /// directoryName.
    Directory(Name),
    /// uniformResourceIdentifier.
    Uri(String),
    /// iPAddress: 4 or 16 octets, with a mask in name constraints twice as many.
    Ip(Vec<u8>),
    /// registeredID.
    RegisteredId(ObjectId),
    /// A form that nothing here compares, or one that does not read: number of its tag, and its octets.
    Unread(u8, Vec<u8>),
}

impl GeneralName {
    /// The number of its form: the context tag.
    #[must_use]
    pub const fn form(&self) -> u8 {
        match self {
            Self::Other(..) => 0,
            Self::Email(_) => 1,
            Self::Dns(_) => 2,
            Self::Directory(_) => 4,
            Self::Uri(_) => 6,
            Self::Ip(_) => 7,
            Self::RegisteredId(_) => 8,
            Self::Unread(form, _) => *form,
        }
    }

    /// The next value of `reader`; `None` for what has no context tag.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let value = reader.value()?;
        let form = value.tag & 0x1F;
        if value.tag & 0xC0 != 0x80 {
            return None;
        }
        let ascii = || value.content.is_ascii().then(|| String::from_utf8_lossy(value.content).into_owned());
        let read = match value.tag {
            0xA0 => other(value.content),
            0x81 => ascii().map(Self::Email),
            0x82 => ascii().map(Self::Dns),
            // Explicit, since a Name is a CHOICE.
            0xA4 => Name::from_der(value.content).map(Self::Directory),
            0x86 => ascii().map(Self::Uri),
            0x87 => Some(Self::Ip(value.content.to_vec())),
            0x88 => object_id(value.content).map(Self::RegisteredId),
            _ => None,
        };
        Some(read.unwrap_or_else(|| Self::Unread(form, value.content.to_vec())))
    }

    /// The content of a GeneralNames: at least one, and not too many.
    pub(super) fn read_all(content: &[u8]) -> Option<Vec<Self>> {
        let mut reader = Reader::new(content);
        let mut names = Vec::new();
        while !reader.is_at_end() {
            names.push(Self::read(&mut reader)?);
            if names.len() > GENERAL_NAMES_MAX {
                return None;
            }
        }
        (!names.is_empty()).then_some(names)
    }
}

fn other(content: &[u8]) -> Option<GeneralName> {
    let mut fields = Reader::new(content);
    let id = object_id(fields.take(der::OID)?.content)?;
    let value = fields.take(der::CONTEXT_0)?.content.to_vec();
    fields.is_at_end().then_some(GeneralName::Other(id, value))
}

impl fmt::Display for GeneralName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(id, _) => write!(f, "otherName:{id}"),
            Self::Email(text) => write!(f, "email:{}", Escaped(text)),
            Self::Dns(text) => write!(f, "dns:{}", Escaped(text)),
            Self::Directory(name) => write!(f, "directory:{name}"),
            Self::Uri(text) => write!(f, "uri:{}", Escaped(text)),
            Self::Ip(octets) => match (<[u8; 4]>::try_from(&octets[..]), <[u8; 16]>::try_from(&octets[..])) {
                (Ok(v4), _) => write!(f, "ip:{}", core::net::Ipv4Addr::from(v4)),
                (_, Ok(v6)) => write!(f, "ip:{}", core::net::Ipv6Addr::from(v6)),
                _ => write!(f, "ip:{}", hex::encode(octets)),
            },
            Self::RegisteredId(id) => write!(f, "id:{id}"),
            Self::Unread(form, octets) => write!(f, "form {form}:{}", hex::encode(octets)),
        }
    }
}
