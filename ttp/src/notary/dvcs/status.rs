//! PKIStatusInfo of RFC 3029 §7.4 (from RFC 2510 §3.2.3), with the failure bits that this protocol has.

use super::types::{FormFault, malformed};
use crate::asn1::der;
use crate::asn1::read::Reader;

/// Texts of one status, at most.
const TEXTS_MAX: usize = 16;
/// Octets of one text, at most.
const TEXT_BYTES_MAX: usize = 1024;

/// PKIStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Status {
    /// As asked.
    Granted = 0,
    /// Something like what was asked; the requester must see what. Never written here: clients read it as success.
    GrantedWithMods = 1,
    /// No; what more there is to know is beside it.
    Rejection = 2,
    /// Not yet.
    Waiting = 3,
}

/// PKIFailureInfo of the RFC. Bits count from the most significant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum FailInfo {
    /// Unrecognised or unsupported algorithm.
    BadAlg = 0,
    /// An integrity check failed, such as a signature.
    BadMessageCheck = 1,
    /// The transaction is not permitted or not supported.
    BadRequest = 2,
    /// A time in the message is not close enough to the server's.
    BadTime = 3,
    /// No certificate matches the criteria.
    BadCertId = 4,
    /// The data has the wrong format.
    BadDataFormat = 5,
    /// The authority named in the request is not the one that answers.
    WrongAuthority = 6,
    /// The requester's data is incorrect.
    IncorrectData = 7,
    /// A time stamp is missing that the policy asks for.
    MissingTimeStamp = 8,
}

impl FailInfo {
    /// All of them, in the order of their bits.
    pub const ALL: [Self; 9] = [
        Self::BadAlg,
        Self::BadMessageCheck,
        Self::BadRequest,
        Self::BadTime,
        Self::BadCertId,
        Self::BadDataFormat,
        Self::WrongAuthority,
        Self::IncorrectData,
        Self::MissingTimeStamp,
    ];

    /// The name in the RFC; also a metric's label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadAlg => "badAlg",
            Self::BadMessageCheck => "badMessageCheck",
            Self::BadRequest => "badRequest",
            Self::BadTime => "badTime",
            Self::BadCertId => "badCertId",
            Self::BadDataFormat => "badDataFormat",
            Self::WrongAuthority => "wrongAuthority",
            Self::IncorrectData => "incorrectData",
            Self::MissingTimeStamp => "missingTimeStamp",
        }
    }

    /// The BIT STRING in DER: named bits, so no octet behind the last set bit, and its unused bits counted (X.690 §11.2.2).
    fn der(all: &[Self]) -> Vec<u8> {
        let bits = all.iter().fold(0_u16, |bits, info| bits | 0x8000 >> *info as u32);
        let octets = if bits & 0xFF == 0 { &bits.to_be_bytes()[..1] } else { &bits.to_be_bytes()[..] };
        let unused = octets.last().map_or(0, |last| last.trailing_zeros() as u8);
        der::tlv(der::BIT_STRING, &[&[unused], octets].concat())
    }

    /// The bits that the RFC names.
    fn read(content: &[u8]) -> Option<Vec<Self>> {
        let (unused, octets) = content.split_first()?;
        // No bit at all is no octet at all.
        let minimal = match octets.last() {
            Some(last) => last.trailing_zeros() == u32::from(*unused) && *last != 0,
            None => *unused == 0,
        };
        let set = |bit: usize| octets.get(bit / 8).is_some_and(|octet| octet << (bit % 8) & 0x80 != 0);
        (minimal && octets.len() <= 4).then(|| Self::ALL.into_iter().filter(|info| set(*info as usize)).collect())
    }
}

/// A status with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusInfo {
    /// Yes or no.
    pub status: Status,
    /// In words.
    pub texts: Vec<String>,
    /// In bits.
    pub fail_info: Vec<FailInfo>,
}

impl StatusInfo {
    /// Granted, and nothing to add.
    #[must_use]
    pub const fn granted() -> Self {
        Self { status: Status::Granted, texts: Vec::new(), fail_info: Vec::new() }
    }

    /// Rejected for this reason. Only the first [`TEXT_BYTES_MAX`] octets of the text are told.
    #[must_use]
    pub fn rejected(fail_info: Option<FailInfo>, text: &str) -> Self {
        let end = (0..=text.len().min(TEXT_BYTES_MAX)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let texts = if end == 0 { Vec::new() } else { vec![text[..end].to_owned()] };
        Self { status: Status::Rejection, texts, fail_info: fail_info.into_iter().collect() }
    }

    /// True for [`Status::Granted`]. grantedWithMods is no success here: whoever cannot see the modifications must not rely on it.
    #[must_use]
    pub fn is_granted(&self) -> bool {
        self.status == Status::Granted
    }

    pub(super) fn read(content: &[u8]) -> Result<Self, FormFault> {
        Self::read_parts(content).ok_or(malformed("PKIStatusInfo"))
    }

    fn read_parts(content: &[u8]) -> Option<Self> {
        let mut inside = Reader::new(content);
        let status = match inside.take(der::INTEGER)?.content {
            [0] => Status::Granted,
            [1] => Status::GrantedWithMods,
            [2] => Status::Rejection,
            [3] => Status::Waiting,
            _ => return None,
        };
        let mut texts = Vec::new();
        if let Some(list) = inside.take(der::SEQUENCE) {
            let mut list = Reader::new(list.content);
            while !list.is_at_end() {
                let text = list.take(der::UTF8_STRING)?.content;
                if texts.len() == TEXTS_MAX || text.len() > TEXT_BYTES_MAX {
                    return None;
                }
                texts.push(std::str::from_utf8(text).ok()?.to_owned());
            }
        }
        let fail_info = inside.take(der::BIT_STRING).map_or(Some(Vec::new()), |bits| FailInfo::read(bits.content))?;
        inside.is_at_end().then_some(Self { status, texts, fail_info })
    }

    /// The content of the SEQUENCE.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        let mut out = vec![der::INTEGER, 1, self.status as u8];
        if !self.texts.is_empty() {
            let texts: Vec<u8> =
                self.texts.iter().flat_map(|text| der::tlv(der::UTF8_STRING, text.as_bytes())).collect();
            out.extend(der::tlv(der::SEQUENCE, &texts));
        }
        if !self.fail_info.is_empty() {
            out.extend(FailInfo::der(&self.fail_info));
        }
        out
    }

    /// The texts as one line.
    #[must_use]
    pub fn text(&self) -> String {
        self.texts.join("; ").replace(char::is_control, " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fail_info_bit_by_bit() {
        let table = [
            (FailInfo::BadAlg, "03020780"),
            (FailInfo::BadMessageCheck, "03020640"),
            (FailInfo::BadRequest, "03020520"),
            (FailInfo::BadTime, "03020410"),
            (FailInfo::BadCertId, "03020308"),
            (FailInfo::BadDataFormat, "03020204"),
            (FailInfo::WrongAuthority, "03020102"),
            (FailInfo::IncorrectData, "03020001"),
            (FailInfo::MissingTimeStamp, "0303070080"),
        ];
        assert_eq!(table.map(|(info, _)| info), FailInfo::ALL);
        for (info, der) in table {
            assert_eq!(hex::encode(FailInfo::der(&[info])), der, "{}", info.name());
            assert_eq!(FailInfo::read(&hex::decode(der).unwrap()[2..]), Some(vec![info]));
        }
        let several = [FailInfo::BadAlg, FailInfo::MissingTimeStamp];
        assert_eq!(hex::encode(FailInfo::der(&several)), "0303078080");
        assert_eq!(FailInfo::read(&[7, 0x80, 0x80]), Some(several.to_vec()));
        // Without a bit; and bits that nobody named, as RFC 3161 has them.
        assert_eq!(FailInfo::read(&[0]), Some(vec![]));
        assert_eq!(FailInfo::read(&[6, 0, 0, 0, 0x40]), Some(vec![]));
        // Trailing zero bits, a wrong count, too long, nothing.
        for bad in ["0080", "0620", "08", "07", "070000", "0000000000 01", ""] {
            assert_eq!(FailInfo::read(&hex::decode(bad.replace(' ', "")).unwrap()), None, "{bad}");
        }
    }

    #[test]
    fn a_status_byte_by_byte() {
        let check = |info: &StatusInfo, expected: &str| {
            assert_eq!(hex::encode(info.content()), expected.replace(' ', ""));
            assert_eq!(StatusInfo::read(&info.content()).as_ref(), Ok(info));
        };
        check(&StatusInfo::granted(), "020100");
        check(&StatusInfo::rejected(None, ""), "020102");
        check(&StatusInfo::rejected(Some(FailInfo::BadTime), "no"), "020102 3004 0c026e6f 03020410");
        let long = StatusInfo::rejected(None, &"é".repeat(TEXT_BYTES_MAX));
        assert_eq!(long.texts[0].len(), TEXT_BYTES_MAX);
        assert_eq!(StatusInfo::read(&long.content()), Ok(long));
        let modified = StatusInfo { status: Status::GrantedWithMods, ..StatusInfo::granted() };
        check(&modified, "020101");
        assert!(!modified.is_granted());
        for bad in
            ["", "020104", "02020002", "020100 0c00", "020102 3003 160161", "020102 3003 0c01ff", "020102 03020720 00"]
        {
            assert!(StatusInfo::read(&hex::decode(bad.replace(' ', "")).unwrap()).is_err(), "{bad}");
        }
        let many = StatusInfo { texts: vec![String::new(); TEXTS_MAX + 1], ..StatusInfo::granted() };
        assert!(StatusInfo::read(&many.content()).is_err());
    }
}
