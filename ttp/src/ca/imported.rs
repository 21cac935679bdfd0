//! An existing CA that is taken over: what is judged before a byte of it stands in the ledger.
//!
//! ```text
//! its certificate ─▶ Predecessor::judge ──┬─ last_list(CRL) ──▶ what is revoked, and under which number the lists go on
//!                                        └─ issued(certificate), listed(serial) ──▶ credential::Import ── decide ──▶ fact
//! ```
//!
//! From then on its key signs lists and OCSP responses, and no certificate more: it stands under a root that none of our verifiers
//! trusts, and its certificates were never judged by a profile of ours. Whoever held one applies for a new one.
//!
//! Out of scope: whether the other CA was stopped. A certificate that it issues after its last list was made is unknown here.

use rasn_pkix::{CertificateList, CrlReason, Extension, IssuingDistributionPoint, RevokedCertificate};

use super::certificate::{Issuer, IssuerFault};
use super::credential::{Import, Revocation};
use super::crl::{self, Listed, Reason};
use super::{Authority, CaFact, CaId};
use crate::asn1::{self, oid};
use crate::crypto::{ChainFault, PublicKey, Verifier, verify_crl, verify_issued};
use crate::digest::Digest;
use crate::evidence::Aggregate;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;
use crate::x509::{Certificate, Period, from_time, is_partial};

/// Longest serial number, octets (RFC 5280 §4.1.2.2).
const SERIAL_MAX: usize = 20;

/// A CA that is taken over.
#[derive(Clone, Debug)]
pub struct Predecessor {
    ca: CaId,
    certificate: Certificate,
}

/// The last list that was made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastList {
    /// It.
    pub der: Vec<u8>,
    /// What [`super::CrlEvent::Import`] is decided by.
    pub listed: Listed,
    /// What it says of each certificate that it names: content octets of the serial number, when and why.
    pub revoked: Vec<(Vec<u8>, Revocation)>,
}

/// Why something is not taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportFault {
    /// It is no CA, or may not sign lists.
    #[error("it is not the certificate of a CA that may sign lists: {0}")]
    Issuer(#[from] IssuerFault),
    /// Its key does not sign as ours do.
    #[error("its key is none of RSA, P-256 and Ed25519, which this program signs with")]
    Key,
    /// Signed by somebody else.
    #[error("it is not by this CA: {0}")]
    Other(#[from] ChainFault),
    /// Zero, negative or too long.
    #[error("the serial number {serial} is not positive with 20 octets at most")]
    Serial {
        /// Its content octets, hexadecimal.
        serial: String,
    },
    /// What is no whole list.
    #[error("it is no complete CRL in DER with a cRLNumber below 2^64 and a nextUpdate")]
    List,
    /// It was made for a part of the certificates, or tells changes only.
    #[error("the list is limited to some certificates, or is a delta CRL: the list of all is wanted")]
    Partial,
    /// An entry means something that no list of ours can say.
    #[error(
        "the list's entry {serial} {what}: let the other CA revoke it for good or release it, and make its last list again"
    )]
    Entry {
        /// Serial number, hexadecimal.
        serial: String,
        /// What it says.
        what: &'static str,
    },
}

impl Predecessor {
    /// Judges the certificate of a CA.
    ///
    /// # Errors
    /// [`ImportFault::Issuer`], [`ImportFault::Key`].
    pub fn judge(certificate: Certificate, generation: u32) -> Result<Self, ImportFault> {
        let ca = CaId { authority: Authority::Imported, generation };
        let key = PublicKey::from_spki_der(&certificate.spki_der()).map_err(|_| ImportFault::Key)?;
        Issuer::new(ca.authority, &certificate, key.algorithm())?;
        Ok(Self { ca, certificate })
    }

    /// Which one it is here.
    #[must_use]
    pub const fn ca(&self) -> CaId {
        self.ca
    }

    /// Its certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The fact by which it is known from then on.
    #[must_use]
    pub fn fact(&self) -> CaFact {
        let Period { not_before, not_after } = self.certificate.validity();
        CaFact::AuthorityImported {
            ca: self.ca,
            public_key: Digest::of(&self.certificate.spki_der()),
            not_before,
            not_after,
        }
    }

    /// The history that this fact begins.
    #[must_use]
    pub fn history(&self) -> Aggregate {
        Self::history_of(self.ca.generation)
    }

    /// The same of any of them.
    #[must_use]
    pub fn history_of(generation: u32) -> Aggregate {
        Aggregate::of("imported-ca", &generation.to_be_bytes())
    }

    /// What is imported of a certificate that it issued, expired or not.
    ///
    /// # Errors
    /// [`ImportFault::Other`].
    pub fn issued(
        &self,
        certificate: &Certificate,
        revoked: Option<Revocation>,
        clock: ClockVerdict,
    ) -> Result<Import, ImportFault> {
        verify_issued(certificate.der(), self.certificate.der())?;
        require_serial(&certificate.serial())?;
        Ok(self.import(certificate, revoked, clock))
    }

    /// The same of one whose signature was verified.
    #[must_use]
    pub fn import(&self, certificate: &Certificate, revoked: Option<Revocation>, clock: ClockVerdict) -> Import {
        Import {
            ca: self.ca,
            serial: certificate.serial(),
            public_key: Digest::of(&certificate.spki_der()),
            validity: certificate.validity(),
            certificate: Some(certificate.digest()),
            revoked,
            clock,
        }
    }

    /// What is imported of a certificate that its list names and nobody has. It stays in the lists for as long as the CA lives: when it
    /// would have expired, nobody knows.
    #[must_use]
    pub fn listed(&self, serial: &[u8], revoked: Revocation, clock: ClockVerdict) -> Import {
        Import {
            ca: self.ca,
            serial: serial.to_vec(),
            public_key: Digest::of(b""),
            validity: self.certificate.validity(),
            certificate: None,
            revoked: Some(revoked),
            clock,
        }
    }

    /// Reads and judges its last list.
    ///
    /// # Errors
    /// [`ImportFault`].
    pub fn last_list(&self, der: &[u8]) -> Result<LastList, ImportFault> {
        let list: CertificateList = asn1::decode_strict(der).ok_or(ImportFault::List)?;
        verify_crl(der, self.certificate.der())?;
        if list.tbs_cert_list.crl_extensions.iter().flat_map(|all| all.iter()).any(limits) {
            return Err(ImportFault::Partial);
        }
        let listed = crl::listed(der, &list).ok_or(ImportFault::List)?;
        let revoked = list.tbs_cert_list.revoked_certificates.iter().zip(&listed.serials);
        let revoked = revoked.map(|(entry, serial)| Ok((serial.clone(), revocation(entry, serial)?)));
        let revoked = revoked.collect::<Result<_, ImportFault>>()?;
        Ok(LastList { der: der.to_vec(), listed, revoked })
    }
}

/// Whether an extension says that the list is not of all certificates. Where it is served does not say so, nor that CAs are not among
/// them.
fn limits(extension: &Extension) -> bool {
    if *extension.extn_id == *oid::ISSUING_DISTRIBUTION_POINT {
        let point = asn1::decode_strict::<IssuingDistributionPoint>(&extension.extn_value);
        return point.is_none_or(|point| is_partial(&point));
    }
    *extension.extn_id == *oid::DELTA_CRL_INDICATOR
}

/// RFC 5280 §4.1.2.2: lists of ours could not name another.
fn require_serial(serial: &[u8]) -> Result<(), ImportFault> {
    let is_positive = serial.first().is_some_and(|first| *first < 0x80) && serial != [0];
    if is_positive && serial.len() <= SERIAL_MAX {
        return Ok(());
    }
    Err(ImportFault::Serial { serial: hex::encode(serial) })
}

fn revocation(entry: &RevokedCertificate, serial: &[u8]) -> Result<Revocation, ImportFault> {
    require_serial(serial)?;
    let fault = |what| ImportFault::Entry { serial: hex::encode(serial), what };
    let at = from_time(&entry.revocation_date).map(Timestamp::whole_secs).ok_or_else(|| fault("has no date"))?;
    let mut reason = Reason::Unspecified;
    for extension in entry.crl_entry_extensions.iter().flat_map(|all| all.iter()) {
        if *extension.extn_id == *oid::CRL_REASON {
            let code: CrlReason = asn1::decode_strict(&extension.extn_value).ok_or_else(|| fault("has no reason"))?;
            reason = match code {
                CrlReason::CertificateHold => return Err(fault("is on hold")),
                CrlReason::RemoveFromCRL => return Err(fault("is said to be released")),
                other => Reason::from_code(other as u64).ok_or_else(|| fault("has a reason that ours have not"))?,
            };
        } else if extension.critical {
            return Err(fault("has a critical extension, as those of other CAs have"));
        }
    }
    Ok(Revocation { at, reason })
}

#[cfg(test)]
mod tests {
    use rasn::types::{ObjectIdentifier, OctetString};

    use super::*;
    use crate::ca::crl::Revoked;
    use crate::crypto::{SignatureAlgorithm, oracle};
    use crate::testing::{OLD_CA, OldCa, PKI, ec, start};
    use crate::x509::encode;

    fn predecessor() -> Predecessor {
        Predecessor::judge(OLD_CA.certificate.clone(), 1).unwrap()
    }

    fn extension(id: &rasn::types::Oid, critical: bool, value: &[u8]) -> Extension {
        Extension { extn_id: ObjectIdentifier::from(id), critical, extn_value: OctetString::from(value.to_vec()) }
    }

    #[test]
    fn a_ca_that_may_sign_lists_and_nothing_else() {
        let predecessor = predecessor();
        assert_eq!(predecessor.ca().place(), "ca-imported");
        assert_eq!(predecessor.ca().key().to_string(), "ca-imported.1");
        let unit = ec().tsu.certificate().clone();
        assert!(matches!(Predecessor::judge(unit, 1), Err(ImportFault::Issuer(_))));
        let second = Predecessor::judge(OLD_CA.certificate.clone(), 2).unwrap();
        assert_eq!(second.ca().place(), "ca-imported.2");
        assert_ne!(second.history(), predecessor.history());
        let CaFact::AuthorityImported { ca, not_after, .. } = second.fact() else { panic!("another fact") };
        assert_eq!((ca, not_after), (second.ca(), OLD_CA.certificate.validity().not_after));
    }

    #[test]
    fn certificates_of_its_own_alone() {
        let (predecessor, [ada, _]) = (predecessor(), &OLD_CA.issued);
        let superseded = Revocation { at: start(), reason: Reason::Superseded };
        let revoked = Some(superseded);
        let import = predecessor.issued(ada, revoked, ClockVerdict::Synced).unwrap();
        assert_eq!((import.ca, &import.serial, import.revoked), (predecessor.ca(), &ada.serial(), revoked));
        assert_eq!((import.certificate, import.public_key), (Some(ada.digest()), Digest::of(&ada.spki_der())));
        assert_eq!(import.validity, ada.validity());
        let others = [PKI.ca.clone(), OLD_CA.certificate.clone()];
        for other in others {
            assert!(matches!(predecessor.issued(&other, None, ClockVerdict::Synced), Err(ImportFault::Other(_))));
        }
        let mut der = ada.der().to_vec();
        *der.last_mut().unwrap() ^= 1;
        let changed = Certificate::from_der(&der).unwrap();
        assert!(matches!(predecessor.issued(&changed, None, ClockVerdict::Synced), Err(ImportFault::Other(_))));
        let listed = predecessor.listed(&[7], superseded, ClockVerdict::Synced);
        assert_eq!((listed.certificate, listed.public_key), (None, Digest::of(b"")));
        assert_eq!(listed.validity, OLD_CA.certificate.validity());
    }

    /// What strangers read of the list is what is taken of it.
    #[test]
    fn its_last_list_is_read_whole() {
        let [ada, grace] = &OLD_CA.issued;
        let lost = Revoked { serial: vec![7], ..OldCa::revoked(ada, Reason::Unspecified) };
        let revoked = vec![OldCa::revoked(ada, Reason::KeyCompromise), lost];
        let der = OLD_CA.list(revoked.clone(), |_| {});
        assert_eq!(oracle::read_crl(&der, ada.der()), (2, true, true));
        assert_eq!(oracle::read_crl(&der, grace.der()), (2, true, false));
        let last = predecessor().last_list(&der).unwrap();
        let due: Vec<_> = revoked
            .into_iter()
            .map(|Revoked { serial, at, reason, .. }| (serial, Revocation { at: at.whole_secs(), reason }))
            .collect();
        assert_eq!((last.der, last.revoked, last.listed.number), (der.clone(), due, 5));
        // Where it is served, and that CAs are not in it, does not make it partial.
        let point = [0x30, 0x03, 0x81, 0x01, 0xFF];
        let with_point = OLD_CA.list(Vec::new(), |tbs| {
            let extensions = tbs.crl_extensions.get_or_insert_with(|| Vec::new().into());
            extensions.push(extension(oid::ISSUING_DISTRIBUTION_POINT, true, &point));
        });
        assert_eq!(predecessor().last_list(&with_point).unwrap().revoked, []);

        assert_eq!(predecessor().last_list(&der[1..]), Err(ImportFault::List));
        let other = Predecessor::judge(PKI.ca.clone(), 1).unwrap();
        assert!(matches!(other.last_list(&der), Err(ImportFault::Other(_))));
        let no_number = OLD_CA.list(Vec::new(), |tbs| tbs.crl_extensions = None);
        assert_eq!(predecessor().last_list(&no_number), Err(ImportFault::List));
        let no_end = OLD_CA.list(Vec::new(), |tbs| tbs.next_update = None);
        assert_eq!(predecessor().last_list(&no_end), Err(ImportFault::List));
    }

    #[test]
    fn parts_of_a_list_are_refused() {
        // onlyContainsCACerts, indirectCRL, onlyContainsAttributeCerts, onlySomeReasons; what is none.
        let points: [&[u8]; 5] = [
            &[0x30, 0x03, 0x82, 0x01, 0xFF],
            &[0x30, 0x03, 0x84, 0x01, 0xFF],
            &[0x30, 0x03, 0x85, 0x01, 0xFF],
            &[0x30, 0x04, 0x83, 0x02, 0x06, 0x40],
            &[0x04, 0x00],
        ];
        let points = points.map(|point| extension(oid::ISSUING_DISTRIBUTION_POINT, true, point));
        for limit in points.into_iter().chain([extension(oid::DELTA_CRL_INDICATOR, true, &[2, 1, 4])]) {
            let der = OLD_CA.list(Vec::new(), |tbs| {
                tbs.crl_extensions.get_or_insert_with(|| Vec::new().into()).push(limit.clone());
            });
            assert_eq!(predecessor().last_list(&der), Err(ImportFault::Partial), "{limit:?}");
        }
    }

    #[test]
    fn entries_that_ours_cannot_say_are_refused() {
        let ada = &OLD_CA.issued[0];
        let reason = |code: u8| extension(oid::CRL_REASON, false, &[0x0A, 1, code]);
        let issuer = rasn::types::Oid::new(&[2, 5, 29, 29]).unwrap();
        let date = rasn::types::Oid::new(&[2, 5, 29, 24]).unwrap();
        let fault = |what| Err(ImportFault::Entry { serial: hex::encode(ada.serial()), what });
        let taken =
            |reason| Ok(vec![(ada.serial(), Revocation { at: start().minus_millis(90_000).whole_secs(), reason })]);
        let table = [
            (reason(6), fault("is on hold")),
            (reason(8), fault("is said to be released")),
            (reason(10), fault("has a reason that ours have not")),
            (reason(77), fault("has no reason")),
            (reason(3), taken(Reason::AffiliationChanged)),
            (extension(issuer, true, &[0x30, 0]), fault("has a critical extension, as those of other CAs have")),
            // When the key was probably lost: nobody here can say more than when it was revoked.
            (extension(date, false, b"\x18\x0f20260101000000Z"), taken(Reason::Unspecified)),
        ];
        for (extension, due) in table {
            let der = OLD_CA.list(vec![OldCa::revoked(ada, Reason::Unspecified)], |tbs| {
                tbs.revoked_certificates[0].crl_entry_extensions = Some(vec![extension.clone()].into());
            });
            assert_eq!(predecessor().last_list(&der).map(|last| last.revoked), due, "{extension:?}");
        }
        for serial in [vec![0], vec![0x80], vec![0x7F; 21]] {
            let der = OLD_CA.list(vec![OldCa::revoked(ada, Reason::Unspecified)], |tbs| {
                let octets = crate::asn1::der::tlv(crate::asn1::der::INTEGER, &serial);
                tbs.revoked_certificates[0].user_certificate = asn1::decode_strict(&octets).unwrap();
            });
            let due = ImportFault::Serial { serial: hex::encode(&serial) };
            assert_eq!(predecessor().last_list(&der), Err(due));
        }
    }

    /// A key of another kind than ours signs nothing here.
    #[test]
    fn a_key_that_does_not_sign_here_is_refused() {
        let mut tbs = OLD_CA.certificate.decoded().tbs_certificate.clone();
        tbs.subject_public_key_info.algorithm.algorithm = ObjectIdentifier::from(oid::CRL_NUMBER);
        let der = crate::ca::certificate::signed(&encode(&tbs), SignatureAlgorithm::EcdsaP256Sha256, &[0; 64]);
        let certificate = Certificate::from_der(&der).unwrap();
        assert_eq!(Predecessor::judge(certificate, 1).unwrap_err(), ImportFault::Key);
    }
}
