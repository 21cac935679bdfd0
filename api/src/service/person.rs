//! Who acts by a certificate, and whether it is good at the moment that counts.

use semper_ttp::{
    asn1::oid,
    ca::{CaFact, credential::Status, profile::ProfileCode},
    digest::Digest,
    policy::{
        person::{Officer, Person},
        roles::TrustedRole,
    },
    time::Timestamp,
    x509::Certificate,
};

use super::{Service, ServiceFault, act::read_fact};

/// Why nobody acts by a certificate, said to who shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotGood {
    #[error("your certificate is not one that this service issued")]
    Unknown,
    #[error("your certificate was never issued")]
    NeverIssued,
    #[error("your certificate was revoked at {0}")]
    Revoked(Timestamp),
    #[error("the CA that issued your certificate was revoked")]
    OfRevokedCa,
    #[error("your certificate is not valid now")]
    NotValidNow,
    #[error("the party whose certificate this is is suspended")]
    Suspended,
}

impl Service {
    /// Whether somebody may act by a certificate now, and what the ledger says of it.
    pub(crate) fn standing(&self, certificate: &Certificate) -> Result<Result<Status, NotGood>, ServiceFault> {
        let Some(known) = self.find_certificate(&certificate.serial())? else { return Ok(Err(NotGood::Unknown)) };
        // Of several CAs of one name the serial number alone would not tell.
        if self.reader().artefact(known.issued_at)?.as_deref() != Some(certificate.der()) {
            return Ok(Err(NotGood::Unknown));
        }
        let Some(status) = known.state.issued().cloned() else { return Ok(Err(NotGood::NeverIssued)) };
        if let Some(revoked) = status.revoked {
            return Ok(Err(NotGood::Revoked(revoked.at)));
        }
        // Whoever has that CA's key may have made another certificate of this name.
        if self.is_revoked_ca(known.ca) {
            return Ok(Err(NotGood::OfRevokedCa));
        }
        if !certificate.validity().contains(self.now()) {
            return Ok(Err(NotGood::NotValidNow));
        }
        if self.is_of_suspended(certificate)? {
            return Ok(Err(NotGood::Suspended));
        }
        Ok(Ok(status))
    }

    /// Roles that were granted to certificates by which nobody can act, and why.
    #[must_use]
    pub fn idle_grants(&self) -> Vec<(TrustedRole, Digest, String)> {
        let idle = |(digest, role): (&Digest, TrustedRole)| {
            let why = self.why_idle(digest, role).unwrap_or_else(|fault| Some(fault.to_string()))?;
            Some((role, *digest, why))
        };
        self.policies().roles().grants_all().filter_map(idle).collect()
    }

    fn why_idle(&self, certificate: &Digest, role: TrustedRole) -> Result<Option<String>, ServiceFault> {
        let Some(certificate) = self.logged_certificate(certificate)? else {
            return Ok(Some("no certificate has this SHA-256".to_owned()));
        };
        Ok(match self.standing(&certificate)? {
            Ok(status) if role.fits(status.class) => None,
            Ok(_) => Some("its class does not permit the role".to_owned()),
            Err(why) => Some(why.to_string().replace("your certificate", "the certificate")),
        })
    }

    /// The certificate with this digest, if an entry has it.
    pub(super) fn logged_certificate(&self, digest: &Digest) -> Result<Option<Certificate>, ServiceFault> {
        let Some(index) = self.reader().find_digest(digest.as_bytes())? else { return Ok(None) };
        let der = self.reader().artefact(index)?.unwrap_or_default();
        Ok(Certificate::from_der(&der).ok())
    }

    /// The certificate with this digest and its class, if somebody may act by it now.
    pub(super) fn good_certificate(&self, digest: &Digest) -> Result<Option<(ProfileCode, Certificate)>, ServiceFault> {
        let Some(certificate) = self.logged_certificate(digest)? else { return Ok(None) };
        Ok(self.standing(&certificate)?.ok().map(|status| (status.class, certificate)))
    }

    /// Whether the certificate of somebody who acts is good now: asked within an act, after its moment was read, since a revocation
    /// may have come between the first octet of a request and the last.
    pub(super) fn is_good(&self, certificate: &Digest) -> Result<bool, ServiceFault> {
        Ok(self.good_certificate(certificate)?.is_some())
    }

    /// Whether a certificate was revoked, or its CA, whatever its age.
    pub(super) fn is_revoked(&self, certificate: &Digest) -> Result<bool, ServiceFault> {
        let Some(certificate) = self.logged_certificate(certificate)? else { return Ok(true) };
        let standing = self.standing(&certificate)?;
        Ok(matches!(
            standing,
            Err(NotGood::Unknown | NotGood::NeverIssued | NotGood::Revoked(_) | NotGood::OfRevokedCa)
        ))
    }

    /// When a certificate was revoked, or its CA, if either was.
    pub(crate) fn revoked_since(&self, certificate: &Digest) -> Result<Option<Timestamp>, ServiceFault> {
        let digest = certificate;
        if self.is_unrevoked(digest)? {
            return Ok(None);
        }
        let Some(certificate) = self.logged_certificate(digest)? else { return Ok(None) };
        let known = self.find_certificate(&certificate.serial())?;
        let history = known.as_ref().map(|known| (known.ca, known.ca.certificate(&certificate.serial())));
        let seen = history.map(|(ca, history)| Ok::<_, ServiceFault>((ca, self.seen(history)?))).transpose()?;
        match self.standing(&certificate)? {
            Err(NotGood::Revoked(at)) => Ok(Some(at)),
            Err(NotGood::OfRevokedCa) => {
                let issuer = known.and_then(|known| self.authorities.get(known.ca)?.certificate.clone());
                let known = issuer.map(|issuer| self.find_certificate(&issuer.serial())).transpose()?.flatten();
                Ok(known.and_then(|known| Some(known.state.issued()?.revoked?.at)))
            }
            Ok(_) | Err(NotGood::NotValidNow | NotGood::Suspended) => {
                if let Some((ca, seen)) = seen {
                    self.remember_unrevoked(*digest, ca, seen);
                }
                Ok(None)
            }
            Err(NotGood::Unknown | NotGood::NeverIssued) => Ok(None),
        }
    }

    /// The common name of a certificate of this service's.
    pub(crate) fn common_name(&self, certificate: &Digest) -> Result<Option<String>, ServiceFault> {
        Ok(self.logged_certificate(certificate)?.and_then(|found| found.subject_attribute(oid::COMMON_NAME)))
    }

    /// Whether the party is suspended whose certificate this is: then it does nothing, as an officer no more than as a party.
    fn is_of_suspended(&self, certificate: &Certificate) -> Result<bool, ServiceFault> {
        match self.officer(certificate.digest())?.person {
            Person::Party(party) => self.is_suspended(party),
            Person::Certificate(_) => Ok(false),
        }
    }

    /// Who is behind a certificate. Whoever applied for it with another one is the person of that.
    pub(super) fn officer(&self, certificate: Digest) -> Result<Officer, ServiceFault> {
        let itself = Officer::itself(certificate);
        let Some(index) = self.reader().find_digest(certificate.as_bytes())? else { return Ok(itself) };
        let fact = read_fact(&self.reader().fact(index)?.unwrap_or_default());
        let Ok(CaFact::CertificateIssued { grounds: Some(grounds), .. }) = fact else { return Ok(itself) };
        let Ok(registration) = <[u8; 16]>::try_from(grounds.registration.as_slice()) else { return Ok(itself) };
        let state = self.registration_state(registration.into())?;
        let person = match (state.application(), state.approval()) {
            (Some(application), Some(approval)) => {
                application.applied_by.map_or(Person::Party(approval.party), |by| by.person)
            }
            _ => return Err(ServiceFault::Facts(format!("nobody approved the certificate {certificate}"))),
        };
        Ok(Officer { certificate, person })
    }

    /// Whether a certificate was granted one of these roles, and its class permits it.
    pub(super) fn holds_any(&self, certificate: &Digest, class: ProfileCode, roles: &[TrustedRole]) -> bool {
        roles.iter().any(|role| self.policies().roles().allows(certificate, class, *role))
    }
}
