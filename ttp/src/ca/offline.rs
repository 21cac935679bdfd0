//! What is asked of a root whose key is kept offline, as a file that is carried by hand; and the judgement of it beside that key.
//!
//! ```text
//! server: request ──file──▶ offline machine: judge, show to people, sign ──file (PEM)──▶ server: import
//! ```
//!
//! The offline machine has the root's certificate and key and nothing else: no ledger, no server. It signs a certificate that it has
//! read, linted and found to be an issuing CA below its own root, and nothing that it could not read; a list it builds itself. What
//! comes back is a plain certificate or list: the server knows its request again by what was signed.

use serde::{Deserialize, Serialize};

use super::certificate::{Issuer, signed};
use super::crl::{self, CrlContent, CrlFault, Reason, Revoked};
use super::lint::{self, Lint};
use super::profile::{self, Profile, ProfileCode, ProfileFault};
use crate::digest::Digest;
use crate::time::Timestamp;
use crate::x509::{Certificate, CertificateFault};

/// The number of an operator's act, as it stands in facts: a key was carried away. The subject is SHA-256 of its public half.
pub const ACT_KEY_CARRIED_AWAY: u64 = 1;

/// Another: something was asked of an offline root. The subject is SHA-256 of what is to be signed, of a list that of the request.
pub const ACT_ASKED_OF_ROOT: u64 = 2;

/// A request to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootRequest {
    /// [`RootRequest::TYPE`].
    pub r#type: String,
    /// [`RootRequest::VERSION`].
    pub version: u32,
    /// SHA-256 of the root's certificate.
    pub root: Digest,
    /// What is to be signed.
    pub wanted: Wanted,
}

/// What the root is to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub enum Wanted {
    /// A certificate of an issuing CA.
    IssuingCa {
        /// The name of its key, for people.
        key: String,
        /// TBSCertificate, DER in hexadecimal.
        to_be_signed: String,
    },
    /// The list of revoked issuing CAs.
    Arl {
        /// The least number that it may have.
        number: u64,
        /// What it names.
        revoked: Vec<Entry>,
    },
}

/// A revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Content octets of its serial number, hexadecimal.
    pub serial: String,
    /// When it was revoked, seconds since 1970.
    pub at: u64,
    /// Why, by the name of RFC 5280.
    pub reason: String,
    /// When it would have expired, seconds since 1970.
    pub not_after: u64,
}

/// Why nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfflineFault {
    /// Not a request, or of a later version.
    #[error("it is no request to a root of version {}", RootRequest::VERSION)]
    Request,
    /// For another root.
    #[error("it is for the root whose certificate has SHA-256 {wanted}, and this one has {found}")]
    OtherRoot {
        /// In the request.
        wanted: Digest,
        /// That of the certificate here.
        found: Digest,
    },
    /// Octets that are no hexadecimal digits, or a reason that there is not.
    #[error("an entry of the list does not read")]
    Entry,
    /// What is to be signed is no certificate.
    #[error("what is to be signed is no certificate: {0}")]
    Certificate(#[from] CertificateFault),
    /// It is by somebody else.
    #[error("what is to be signed names another issuer than this root")]
    Issuer,
    /// It is no issuing CA.
    #[error("what is to be signed is no issuing CA: {0}")]
    Profile(#[from] ProfileFault),
    /// The lint has an error.
    #[error("the lint stops it: {0}")]
    Lint(Lint),
    /// It would outlive the root.
    #[error("it is not valid now, or not inside the validity of the root")]
    Validity,
    /// It is not built.
    #[error(transparent)]
    List(#[from] CrlFault),
}

impl RootRequest {
    /// The member `type`.
    pub const TYPE: &str = "semper-root-request";
    /// The member `version`.
    pub const VERSION: u32 = 1;

    /// To this root.
    #[must_use]
    pub fn new(root: &Certificate, wanted: Wanted) -> Self {
        Self { r#type: Self::TYPE.to_owned(), version: Self::VERSION, root: root.digest(), wanted }
    }

    /// Reads a file, strictly.
    ///
    /// # Errors
    /// [`OfflineFault::Request`].
    pub fn read(bytes: &[u8]) -> Result<Self, OfflineFault> {
        let request: Self = serde_json::from_slice(bytes).map_err(|_| OfflineFault::Request)?;
        let known = request.r#type == Self::TYPE && request.version == Self::VERSION;
        if known { Ok(request) } else { Err(OfflineFault::Request) }
    }

    /// The file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("strings and numbers")
    }

    /// That it is for this root.
    ///
    /// # Errors
    /// [`OfflineFault::OtherRoot`].
    pub fn check(&self, root: &Certificate) -> Result<(), OfflineFault> {
        let (wanted, found) = (self.root, root.digest());
        if wanted == found { Ok(()) } else { Err(OfflineFault::OtherRoot { wanted, found }) }
    }
}

impl From<&Revoked> for Entry {
    fn from(Revoked { serial, at, reason, not_after }: &Revoked) -> Self {
        Self {
            serial: hex::encode(serial),
            at: at.secs(),
            reason: reason.name().to_owned(),
            not_after: not_after.secs(),
        }
    }
}

impl TryFrom<&Entry> for Revoked {
    type Error = OfflineFault;

    fn try_from(entry: &Entry) -> Result<Self, OfflineFault> {
        Ok(Self {
            serial: hex::decode(&entry.serial).map_err(|_| OfflineFault::Entry)?,
            at: Timestamp::from_secs(entry.at),
            reason: Reason::from_name(&entry.reason).ok_or(OfflineFault::Entry)?,
            not_after: Timestamp::from_secs(entry.not_after),
        })
    }
}

/// A certificate that the root may sign.
#[derive(Clone, Debug)]
pub struct CaToSign {
    to_be_signed: Vec<u8>,
    issuer: Issuer,
    /// As it will be, under a signature that is none: to be shown to people.
    pub preview: Certificate,
}

/// Reads and judges what the root is to sign as a certificate.
///
/// # Errors
/// [`OfflineFault`].
pub fn judge_ca(to_be_signed: &[u8], issuer: &Issuer, now: Timestamp) -> Result<CaToSign, OfflineFault> {
    // Strict DER, so what was read is to the octet what will be signed.
    let preview = Certificate::from_der(&signed(to_be_signed, issuer.algorithm(), &[0; 64]))?;
    if preview.issuer() != issuer.name() {
        return Err(OfflineFault::Issuer);
    }
    profile::check(&preview, ProfileCode::IssuingCa)?;
    let validity = preview.validity();
    if !validity.contains(now) || issuer.validity().is_none_or(|outer| !outer.covers(&validity)) {
        return Err(OfflineFault::Validity);
    }
    let lint = lint::judge(&preview, &Profile::named("issuing-ca"), issuer);
    if lint.stops() {
        return Err(OfflineFault::Lint(lint));
    }
    Ok(CaToSign { to_be_signed: to_be_signed.to_vec(), issuer: issuer.clone(), preview })
}

impl CaToSign {
    /// The message to sign.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// The certificate.
    ///
    /// # Errors
    /// [`OfflineFault::Certificate`].
    pub fn finish(&self, signature: &[u8]) -> Result<Certificate, OfflineFault> {
        Ok(Certificate::from_der(&signed(&self.to_be_signed, self.issuer.algorithm(), signature))?)
    }
}

/// The list that was asked for, as it is now to be signed.
///
/// # Errors
/// [`OfflineFault::Entry`], [`OfflineFault::List`].
pub fn list(
    number: u64,
    revoked: &[Entry],
    life_secs: u64,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<crl::UnsignedCrl, OfflineFault> {
    let this_update = now.whole_secs();
    let content = CrlContent {
        number: number.max(now.secs()),
        this_update,
        next_update: this_update.plus_secs(life_secs),
        revoked: revoked.iter().map(Revoked::try_from).collect::<Result<_, _>>()?,
        distribution_point: None,
    };
    Ok(crl::prepare(&content, issuer)?)
}

/// What was signed of a certificate: by its digest a request is known again.
#[must_use]
pub fn to_be_signed_of(certificate: &Certificate) -> Vec<u8> {
    crate::x509::encode(&certificate.decoded().tbs_certificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::Authority;
    use crate::crypto::{Purpose, Signer, verify_chain, verify_crl};
    use crate::testing::{PKI, start};

    fn root() -> Issuer {
        Issuer::new(Authority::Root, &PKI.root, PKI.root_key.algorithm()).unwrap()
    }

    #[test]
    fn an_issuing_ca_is_judged_and_signed() {
        let tbs = to_be_signed_of(&PKI.ca);
        let judged = judge_ca(&tbs, &root(), start()).unwrap();
        assert_eq!((judged.message(), judged.preview.serial()), (&tbs[..], PKI.ca.serial()));
        let certificate = judged.finish(&PKI.root_key.sign(judged.message()).unwrap()).unwrap();
        assert_eq!(verify_chain(certificate.der(), &[], PKI.root.der(), start(), Purpose::Any), Ok(()));

        // A unit, the root itself, octets; a moment outside; another root.
        let unit = to_be_signed_of(crate::testing::ec().tsu.certificate());
        assert_eq!(judge_ca(&unit, &root(), start()).unwrap_err(), OfflineFault::Issuer);
        assert!(matches!(judge_ca(&to_be_signed_of(&PKI.root), &root(), start()), Err(OfflineFault::Profile(_))));
        assert!(matches!(judge_ca(&tbs[1..], &root(), start()), Err(OfflineFault::Certificate(_))));
        assert_eq!(judge_ca(&tbs, &root(), Timestamp::from_secs(7)).unwrap_err(), OfflineFault::Validity);
        let other = Issuer::new(Authority::Tsu, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        assert_eq!(judge_ca(&tbs, &other, start()).unwrap_err(), OfflineFault::Issuer);
    }

    #[test]
    fn a_list_is_built_and_signed() {
        let (serial, at, reason) = (PKI.ca.serial(), start(), Reason::CaCompromise);
        let revoked = Revoked { serial: serial.clone(), at, reason, not_after: at.plus_secs(9) };
        let entries = [Entry::from(&revoked)];
        assert_eq!(Revoked::try_from(&entries[0]), Ok(revoked));
        for (number, expected) in [(0, start().secs()), (u64::MAX - 1, u64::MAX - 1)] {
            let unsigned = list(number, &entries, 86_400, &root(), start()).unwrap();
            let der = unsigned.finish(&PKI.root_key.sign(unsigned.message()).unwrap()).unwrap();
            assert_eq!(verify_crl(&der, PKI.root.der()), Ok(()));
            let listed = crl::read(&der).unwrap();
            assert_eq!((listed.number, listed.serials), (expected, vec![serial.clone()]));
        }
        let bad = Entry { reason: "boredom".to_owned(), ..entries[0].clone() };
        assert_eq!(list(0, &[bad], 1, &root(), start()).unwrap_err(), OfflineFault::Entry);
    }

    #[test]
    fn requests_read_as_written_and_nothing_else() {
        let entry = Entry { serial: "41".to_owned(), at: 1, reason: "superseded".to_owned(), not_after: 2 };
        for wanted in [
            Wanted::IssuingCa { key: "ca-tsu.2".to_owned(), to_be_signed: "3000".to_owned() },
            Wanted::Arl { number: 7, revoked: vec![entry] },
        ] {
            let request = RootRequest::new(&PKI.root, wanted);
            assert_eq!(RootRequest::read(&request.encode()), Ok(request.clone()));
            assert_eq!(request.check(&PKI.root), Ok(()));
            assert!(matches!(request.check(&PKI.ca), Err(OfflineFault::OtherRoot { .. })));
            let text = String::from_utf8(request.encode()).unwrap();
            for (what, with) in
                [("\"version\": 1", "\"version\": 2"), ("root-request", "root"), ("\"root\"", "\"x\": 1, \"root\"")]
            {
                assert_eq!(
                    RootRequest::read(text.replacen(what, with, 1).as_bytes()),
                    Err(OfflineFault::Request),
                    "{what}"
                );
            }
        }
        assert_eq!(RootRequest::read(b"[]"), Err(OfflineFault::Request));
    }
}
