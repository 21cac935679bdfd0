//! Certificate revocation lists of strangers (RFC 5280 §5), read once; their entries stay octets, since the longest have
//! hundreds of thousands and few are asked for.

use std::fmt;
use std::ops::Range;

use super::ObjectId;
use super::certificate::{ReadFault, extensions, name, outer};
use super::extensions::{AuthorityKey, Extensions, PlaceName, ReasonMask, authority_key, id};
use super::fields::{BOOLEAN, ENUMERATED, boolean, count, moment, need, only, time};
use super::name::{GeneralName, Name};
use super::signed::{Signed, range};
use crate::asn1::der;
use crate::asn1::read::Reader;
use crate::digest::Digest;
use crate::time::Timestamp;

/// The longest list that is read, in octets: the largest public ones have 10 MB, and [`Reader`] ends at 16 MiB.
pub const CRL_BYTES_MAX: usize = (16 << 20) - 1;

/// Critical extensions of entries that are told, if they are not processed here.
const UNKNOWN_MAX: usize = 8;

/// A list. Nothing in it is verified.
pub struct Crl {
    signed: Signed,
    issuer: Name,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    entries: Range<usize>,
    extensions: Extensions,
    number: Option<Vec<u8>>,
    base: Option<Vec<u8>>,
    point: Option<IssuingPoint>,
    authority_key: AuthorityKey,
    has_freshest: bool,
    expired_since: Option<Timestamp>,
    unknown_critical: Vec<ObjectId>,
    malformed: Vec<ObjectId>,
}

/// issuingDistributionPoint (§5.2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuingPoint {
    /// distributionPoint.
    pub place: Option<PlaceName>,
    /// onlyContainsUserCerts.
    pub only_users: bool,
    /// onlyContainsCACerts.
    pub only_cas: bool,
    /// onlySomeReasons.
    pub only_reasons: Option<ReasonMask>,
    /// indirectCRL.
    pub indirect: bool,
    /// onlyContainsAttributeCerts.
    pub only_attributes: bool,
}

/// What a list says of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlEntry {
    /// revocationDate.
    pub revoked_at: Timestamp,
    /// reasonCode (§5.3.1); 0, unspecified, if absent.
    pub reason: u8,
    /// invalidityDate (§5.3.2).
    pub invalid_since: Option<Timestamp>,
}

/// An entry while the list is walked through.
struct Row<'a> {
    serial: &'a [u8],
    entry: CrlEntry,
    certificate_issuer: Option<Name>,
    unknown_critical: Vec<ObjectId>,
}

impl Crl {
    /// Reads one list of version 1 or 2.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub fn from_der(bytes: &[u8]) -> Result<Self, ReadFault> {
        let malformed = |what| ReadFault::Malformed { what };
        let mut parts = outer(bytes, CRL_BYTES_MAX, "certificateList")?;
        let tbs = need(&mut parts, der::SEQUENCE, "tbsCertList")?;
        let mut fields = Reader::new(tbs.content);
        if let Some(version) = fields.take(der::INTEGER) {
            match count(version.content).ok_or(malformed("version"))? {
                0 | 1 => {}
                other => return Err(ReadFault::Version { version: other.saturating_add(1) }),
            }
        }
        let inside = need(&mut fields, der::SEQUENCE, "signature")?;
        let issuer = name(&mut fields, "issuer")?;
        let this_update = time(&mut fields).ok_or(malformed("thisUpdate"))?;
        let next_update = match fields.next_is(0x17) || fields.next_is(der::GENERALIZED_TIME) {
            true => Some(time(&mut fields).ok_or(malformed("nextUpdate"))?),
            false => None,
        };
        let entries = fields.take(der::SEQUENCE).map_or(0..0, |list| range(bytes, list.content));
        let extensions = extensions(fields.take(der::CONTEXT_0))?;
        let signed = Signed::read(&mut parts, bytes, tbs.der, Some(inside.der))?;
        if !fields.is_at_end() || !parts.is_at_end() {
            return Err(malformed("something stands behind the last field"));
        }

        let mut crl = Self {
            signed,
            issuer,
            this_update,
            next_update,
            entries,
            number: None,
            base: None,
            point: None,
            authority_key: AuthorityKey::default(),
            has_freshest: false,
            expired_since: None,
            unknown_critical: Vec::new(),
            malformed: extensions.doubled(),
            extensions,
        };
        crl.take_extensions();
        crl.check_entries()?;
        Ok(crl)
    }

    fn take_extensions(&mut self) {
        const KNOWN: &[&[u8]] = &[
            id::AUTHORITY_KEY,
            id::ISSUER_ALT_NAME,
            id::CRL_NUMBER,
            id::DELTA_INDICATOR,
            id::ISSUING_POINT,
            id::FRESHEST,
            id::AUTHORITY_INFO,
            id::EXPIRED_ON_CRL,
        ];
        let extensions = std::mem::take(&mut self.extensions);
        for extension in extensions.iter() {
            if self.take_extension(extension.id.content(), &extension.value).is_none() {
                self.malformed.push(extension.id.clone());
            }
        }
        self.unknown_critical = extensions.unknown_critical(KNOWN);
        self.extensions = extensions;
    }

    fn take_extension(&mut self, id: &[u8], value: &[u8]) -> Option<()> {
        let number = || Some(der::minimal_signed(only(value, der::INTEGER)?.content).to_vec());
        match id {
            id::CRL_NUMBER => self.number = Some(number()?),
            id::DELTA_INDICATOR => self.base = Some(number()?),
            id::ISSUING_POINT => self.point = Some(issuing_point(value)?),
            id::AUTHORITY_KEY => self.authority_key = authority_key(value)?,
            id::FRESHEST => self.has_freshest = true,
            id::EXPIRED_ON_CRL => {
                let mut reader = Reader::new(value);
                self.expired_since = Some(time(&mut reader).filter(|_| reader.is_at_end())?);
            }
            _ => {}
        }
        Some(())
    }

    /// §5.3: a list with a critical entry extension that is not processed must not be used for any certificate, so all entries
    /// are looked at once.
    fn check_entries(&mut self) -> Result<(), ReadFault> {
        let mut unknown = Vec::new();
        let mut rows = Reader::new(&self.der()[self.entries.clone()]);
        while !rows.is_at_end() {
            let row = row(&mut rows).ok_or(ReadFault::Malformed { what: "revokedCertificates" })?;
            // One of each is told.
            for id in row.unknown_critical {
                if unknown.len() < UNKNOWN_MAX && !unknown.contains(&id) {
                    unknown.push(id);
                }
            }
        }
        self.unknown_critical.extend(unknown);
        Ok(())
    }

    /// The entry about the certificate with this serial number (shortest content octets) of this issuer. An entry without
    /// certificateIssuer has the issuer of the entry before it, the first the list's own (§5.3.3).
    #[must_use]
    pub fn find(&self, issuer: &Name, serial: &[u8]) -> Option<CrlEntry> {
        let indirect = self.point.as_ref().is_some_and(|point| point.indirect);
        let mut current = None;
        let mut rows = Reader::new(&self.der()[self.entries.clone()]);
        let mut found = None;
        while let Some(row) = row(&mut rows) {
            if indirect && row.certificate_issuer.is_some() {
                current = row.certificate_issuer;
            }
            // The last one counts, if there are several: removeFromCRL follows what it removes.
            if row.serial == serial && current.as_ref().unwrap_or(&self.issuer) == issuer {
                found = Some(row.entry);
            }
        }
        found
    }

    /// As it was received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        self.signed.der()
    }

    /// SHA-256 of its octets.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.signed.digest()
    }

    /// Its octets, and what is signed of them how.
    #[must_use]
    pub const fn signed(&self) -> &Signed {
        &self.signed
    }

    /// Who issued it, as it says.
    #[must_use]
    pub const fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// thisUpdate.
    #[must_use]
    pub const fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// nextUpdate.
    #[must_use]
    pub const fn next_update(&self) -> Option<Timestamp> {
        self.next_update
    }

    /// All extensions as received.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// cRLNumber, shortest content octets.
    #[must_use]
    pub fn number(&self) -> Option<&[u8]> {
        self.number.as_deref()
    }

    /// The number of the base of a delta list (deltaCRLIndicator); `None` for a complete list.
    #[must_use]
    pub fn base_number(&self) -> Option<&[u8]> {
        self.base.as_deref()
    }

    /// issuingDistributionPoint.
    #[must_use]
    pub const fn issuing_point(&self) -> Option<&IssuingPoint> {
        self.point.as_ref()
    }

    /// authorityKeyIdentifier.
    #[must_use]
    pub const fn authority_key(&self) -> &AuthorityKey {
        &self.authority_key
    }

    /// True if it says where delta lists are (freshestCRL).
    #[must_use]
    pub const fn has_freshest(&self) -> bool {
        self.has_freshest
    }

    /// expiredCertsOnCRL (ITU-T X.509): certificates that expired at or after this moment are still listed.
    #[must_use]
    pub const fn expired_since(&self) -> Option<Timestamp> {
        self.expired_since
    }

    /// Critical extensions, of the list or of an entry, that are not processed here.
    #[must_use]
    pub fn unknown_critical(&self) -> &[ObjectId] {
        &self.unknown_critical
    }

    /// Extensions that are doubled, or are known and did not read.
    #[must_use]
    pub fn malformed_extensions(&self) -> &[ObjectId] {
        &self.malformed
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crl({}, of {})", self.issuer, self.this_update)
    }
}

fn issuing_point(value: &[u8]) -> Option<IssuingPoint> {
    let mut fields = Reader::new(only(value, der::SEQUENCE)?.content);
    let place = match fields.take(0xA0) {
        Some(place) => Some(PlaceName::read(place.content)?),
        None => None,
    };
    let flag = |fields: &mut Reader<'_>, tag| match fields.take(tag) {
        Some(value) => boolean(value.content),
        None => Some(false),
    };
    let (only_users, only_cas) = (flag(&mut fields, 0x81)?, flag(&mut fields, 0x82)?);
    let only_reasons = match fields.take(0x83) {
        Some(reasons) => Some(ReasonMask::read(reasons.content)?),
        None => None,
    };
    let (indirect, only_attributes) = (flag(&mut fields, 0x84)?, flag(&mut fields, 0x85)?);
    let point = IssuingPoint { place, only_users, only_cas, only_reasons, indirect, only_attributes };
    fields.is_at_end().then_some(point)
}

/// The next entry.
fn row<'a>(rows: &mut Reader<'a>) -> Option<Row<'a>> {
    let mut fields = Reader::new(rows.take(der::SEQUENCE)?.content);
    let serial = der::minimal_signed(fields.take(der::INTEGER)?.content);
    let revoked_at = time(&mut fields)?;
    let mut row = Row {
        serial,
        entry: CrlEntry { revoked_at, reason: 0, invalid_since: None },
        certificate_issuer: None,
        unknown_critical: Vec::new(),
    };
    if let Some(list) = fields.take(der::SEQUENCE) {
        let mut extensions = Reader::new(list.content);
        while !extensions.is_at_end() {
            take_entry_extension(&mut row, extensions.take(der::SEQUENCE)?.content)?;
        }
    }
    fields.is_at_end().then_some(row)
}

/// Without [`Extensions`], which would allocate for each of a hundred thousand entries.
fn take_entry_extension(row: &mut Row<'_>, content: &[u8]) -> Option<()> {
    let mut fields = Reader::new(content);
    let found = fields.take(der::OID)?.content;
    let critical = match fields.take(BOOLEAN) {
        Some(value) => boolean(value.content)?,
        None => false,
    };
    let value = fields.take(der::OCTET_STRING)?.content;
    match found {
        id::REASON => {
            let [reason] = only(value, ENUMERATED)?.content else { return None };
            row.entry.reason = *reason;
        }
        id::INVALIDITY_DATE => {
            let time = only(value, der::GENERALIZED_TIME)?;
            row.entry.invalid_since = Some(moment(time.tag, time.content)?);
        }
        id::CERTIFICATE_ISSUER => {
            let names = GeneralName::read_all(only(value, der::SEQUENCE)?.content)?;
            let directory = |name: GeneralName| if let GeneralName::Directory(name) = name { Some(name) } else { None };
            row.certificate_issuer = Some(names.into_iter().find_map(directory)?);
        }
        // A few are enough to tell.
        _ if critical && row.unknown_critical.len() < UNKNOWN_MAX => {
            row.unknown_critical.push(ObjectId::from_content(found)?);
        }
        _ => {}
    }
    fields.is_at_end().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::der::{sequence, tlv};
    use crate::crypto::{Signer as _, SoftKey};
    use crate::path::testing::{KEYS, NOON, days, extension, list, name, name_der, signed, time};

    fn key() -> &'static SoftKey {
        &KEYS[0]
    }

    /// A list whose entries and extensions are given in DER.
    fn read(entries: &[Vec<u8>], extensions: &[Vec<u8>]) -> Result<Crl, ReadFault> {
        let tbs = sequence(&[
            &tlv(der::INTEGER, &[1]),
            key().algorithm().identifier_der(),
            &name_der("CA"),
            &time(NOON),
            &sequence(&[&entries.concat()]),
            &tlv(0xA0, &sequence(&[&extensions.concat()])),
        ]);
        Crl::from_der(&signed(&tbs, key(), &[]))
    }

    fn entry(serial: u8, extensions: &[Vec<u8>]) -> Vec<u8> {
        sequence(&[&tlv(der::INTEGER, &[serial]), &time(NOON), &sequence(&[&extensions.concat()])])
    }

    fn issuer(common_name: &str) -> Vec<u8> {
        extension(id::CERTIFICATE_ISSUER, true, &sequence(&[&tlv(0xA4, &name_der(common_name))]))
    }

    /// §5.3.3: an issuer holds for the entries behind it.
    #[test]
    fn entries_of_several_issuers() {
        let indirect = extension(id::ISSUING_POINT, true, &sequence(&[&tlv(0x84, &[0xFF])]));
        let entries = [entry(1, &[]), entry(2, &[issuer("A")]), entry(3, &[]), entry(1, &[issuer("B")])];
        let all = read(&entries, &[indirect]).unwrap();
        let has = |issuer: &str, serial| all.find(&name(issuer), &[serial]).is_some();
        assert!(has("CA", 1) && has("A", 2) && has("A", 3) && has("B", 1));
        assert!(!has("A", 1) && !has("CA", 2) && !has("CA", 3) && !has("B", 3));
        // In a list that is not indirect the entries are the list's issuer's.
        let direct = read(&entries, &[extension(id::CRL_NUMBER, false, &[2, 1, 7])]).unwrap();
        assert!(direct.find(&name("CA"), &[3]).is_some() && direct.find(&name("A"), &[2]).is_none());
        assert_eq!(direct.number(), Some(&[7][..]));
    }

    #[test]
    fn what_entries_say() {
        let reason = |code| extension(id::REASON, false, &tlv(ENUMERATED, &[code]));
        let invalid = extension(id::INVALIDITY_DATE, false, &time(days(-3)));
        let none = [extension(id::CRL_NUMBER, false, &[2, 1, 1])];
        let all =
            read(&[entry(1, &[reason(1), invalid]), entry(2, &[reason(6)]), entry(2, &[reason(8)])], &none).unwrap();
        let first = all.find(&name("ca"), &[1]).unwrap();
        assert_eq!((first.revoked_at, first.reason, first.invalid_since), (NOON, 1, Some(days(-3))));
        assert_eq!(all.find(&name("CA"), &[2]).unwrap().reason, 8, "the last one");
        let unknown = read(&[entry(1, &[extension(&[0x2A, 3], true, &[])])], &none).unwrap();
        assert_eq!(unknown.unknown_critical().len(), 1);
        for bad in [entry(1, &[extension(id::REASON, false, &[])]), sequence(&[]), tlv(4, &[])] {
            assert_eq!(read(&[bad], &none).unwrap_err(), ReadFault::Malformed { what: "revokedCertificates" });
        }
        let twice =
            read(&[], &[none[0].clone(), none[0].clone(), extension(id::ISSUING_POINT, true, &[4, 0])]).unwrap();
        assert_eq!(twice.malformed_extensions().len(), 2);
    }

    #[test]
    fn a_long_list() {
        let serials: Vec<_> = (0..20_000_u32).map(|n| der::integer_content(&n.to_be_bytes())).collect();
        let entries: Vec<_> = serials.iter().map(|serial| (&serial[..], NOON, 4)).collect();
        let all = list("CA", key(), NOON, Some(days(1)), &entries, &[]);
        assert!(all.find(&name("CA"), &[0x4E, 0x1F]).is_some() && all.find(&name("CA"), &[0x4E, 0x20]).is_none());
    }
}
