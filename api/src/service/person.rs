//! Who acts by a certificate, and whether it is good at the moment that counts.

use semper_ttp::{
    ca::{CaFact, credential::Status, profile::ProfileCode},
    digest::Digest,
    evidence::{Fact, Recorded},
    policy::{
        person::{Officer, Person},
        roles::TrustedRole,
    },
    x509::Certificate,
};

use super::{Service, ServiceFault};

impl Service {
    /// The certificate with this digest, if this service issued it.
    fn own_certificate(&self, digest: &Digest) -> Result<Option<(Status, Certificate)>, ServiceFault> {
        let Some(index) = self.reader().find_digest(digest.as_bytes())? else { return Ok(None) };
        let der = self.reader().artefact(index)?.unwrap_or_default();
        let Ok(certificate) = Certificate::from_der(&der) else { return Ok(None) };
        let known = self.find_certificate(&certificate.serial())?.filter(|known| known.issued_at == index);
        let status = known.and_then(|known| known.state.issued().cloned());
        Ok(status.map(|status| (status, certificate)))
    }

    /// The certificate with this digest and its class, if this service issued it, has revoked neither it nor its CA, nor suspended whose
    /// it is, and it is valid now.
    pub(super) fn good_certificate(&self, digest: &Digest) -> Result<Option<(ProfileCode, Certificate)>, ServiceFault> {
        let mut good = self.own_certificate(digest)?.filter(|(status, _)| !self.is_withdrawn(status));
        if let Some((_, certificate)) = &good
            && self.is_of_suspended(certificate)?
        {
            good = None;
        }
        let good = good.filter(|(_, certificate)| certificate.validity().contains(self.now()));
        Ok(good.map(|(status, certificate)| (status.class, certificate)))
    }

    /// Whether the certificate of somebody who acts is good now: asked within an act, after its moment was read, since a revocation
    /// may have come between the first octet of a request and the last.
    pub(super) fn is_good(&self, certificate: &Digest) -> Result<bool, ServiceFault> {
        Ok(self.good_certificate(certificate)?.is_some())
    }

    /// Whether a certificate was revoked, or its CA, whatever its age.
    pub(super) fn is_revoked(&self, certificate: &Digest) -> Result<bool, ServiceFault> {
        Ok(self.own_certificate(certificate)?.is_none_or(|(status, _)| self.is_withdrawn(&status)))
    }

    fn is_withdrawn(&self, status: &Status) -> bool {
        status.revoked.is_some() || self.is_revoked_ca(status.list.ca)
    }

    /// Whether the party is suspended whose certificate this is: then it does nothing, as an officer no more than as a party.
    pub(crate) fn is_of_suspended(&self, certificate: &Certificate) -> Result<bool, ServiceFault> {
        match self.officer(certificate.digest())?.person {
            Person::Party(party) => self.is_suspended(party),
            Person::Certificate(_) => Ok(false),
        }
    }

    /// Who is behind a certificate. Whoever applied for it with another one is the person of that.
    pub(super) fn officer(&self, certificate: Digest) -> Result<Officer, ServiceFault> {
        let itself = Officer::itself(certificate);
        let Some(index) = self.reader().find_digest(certificate.as_bytes())? else { return Ok(itself) };
        let fact = self.reader().fact(index)?.unwrap_or_default();
        let fact = Fact::decode(&fact).and_then(|fact| CaFact::from_fact(&fact));
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
