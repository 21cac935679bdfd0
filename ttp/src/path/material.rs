//! Everything that was found anywhere and may serve as evidence: in a signature, in a document, given by the caller. Nothing in
//! it is trusted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::certificate::Certificate;
use super::crl::Crl;
use super::name::Name;
use super::ocsp::OcspResponse;
use crate::digest::Digest;

/// Certificates that are kept: a document of many signatures has dozens.
const CERTIFICATES_MAX: usize = 4_096;
/// Lists that are kept.
const CRLS_MAX: usize = 1_024;
/// Responses that are kept.
const RESPONSES_MAX: usize = 1_024;
/// Octets of all of them.
const BYTES_MAX: usize = 64 << 20;

/// A bounded set of certificates, lists and responses, each once.
#[derive(Clone, Debug, Default)]
pub struct Material {
    certificates: Vec<Arc<Certificate>>,
    by_subject: HashMap<Name, Vec<usize>>,
    crls: Vec<Arc<Crl>>,
    responses: Vec<Arc<OcspResponse>>,
    seen: HashSet<Digest>,
    bytes: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more {what} than are looked at: {max}")]
pub struct MaterialFull {
    /// Of what.
    pub what: &'static str,
    /// The most.
    pub max: usize,
}

impl Material {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a certificate, if it is not there.
    ///
    /// # Errors
    /// [`MaterialFull`].
    pub fn add_certificate(&mut self, certificate: &Arc<Certificate>) -> Result<(), MaterialFull> {
        let (len, digest) = (certificate.der().len(), certificate.digest());
        if self.admit(digest, len, self.certificates.len(), CERTIFICATES_MAX, "certificates")? {
            self.by_subject.entry(certificate.subject().clone()).or_default().push(self.certificates.len());
            self.certificates.push(certificate.clone());
        }
        Ok(())
    }

    /// Adds a list, if it is not there.
    ///
    /// # Errors
    /// [`MaterialFull`].
    pub fn add_crl(&mut self, crl: &Arc<Crl>) -> Result<(), MaterialFull> {
        if self.admit(crl.digest(), crl.der().len(), self.crls.len(), CRLS_MAX, "revocation lists")? {
            self.crls.push(crl.clone());
        }
        Ok(())
    }

    /// Adds a response, if it is not there. The certificates in it serve to verify it alone.
    ///
    /// # Errors
    /// [`MaterialFull`].
    pub fn add_response(&mut self, response: &Arc<OcspResponse>) -> Result<(), MaterialFull> {
        let (len, digest) = (response.der().len(), response.digest());
        if self.admit(digest, len, self.responses.len(), RESPONSES_MAX, "OCSP responses")? {
            self.responses.push(response.clone());
        }
        Ok(())
    }

    /// Adds a response that is looked at before all others, whether there is room or not: the caller's own word, which no stranger's
    /// material keeps out. How many there are is the caller's affair.
    pub fn add_own_response(&mut self, response: &Arc<OcspResponse>) {
        for certificate in response.certificates() {
            if self.seen.insert(certificate.digest()) {
                self.by_subject.entry(certificate.subject().clone()).or_default().push(self.certificates.len());
                self.certificates.push(certificate.clone());
            }
        }
        self.seen.insert(response.digest());
        self.responses.retain(|known| known.digest() != response.digest());
        self.responses.insert(0, response.clone());
    }

    /// Adds all of `other`.
    ///
    /// # Errors
    /// [`MaterialFull`], after what there was room for.
    pub fn add_all(&mut self, other: &Self) -> Result<(), MaterialFull> {
        other.certificates.iter().try_for_each(|certificate| self.add_certificate(certificate))?;
        other.crls.iter().try_for_each(|crl| self.add_crl(crl))?;
        other.responses.iter().try_for_each(|response| self.add_response(response))
    }

    fn admit(
        &mut self,
        digest: Digest,
        len: usize,
        held: usize,
        max: usize,
        what: &'static str,
    ) -> Result<bool, MaterialFull> {
        if self.seen.contains(&digest) {
            return Ok(false);
        }
        if held >= max {
            return Err(MaterialFull { what, max });
        }
        if self.bytes + len > BYTES_MAX {
            return Err(MaterialFull { what: "octets", max: BYTES_MAX });
        }
        self.bytes += len;
        self.seen.insert(digest);
        Ok(true)
    }

    /// All certificates, in the order in which they came.
    #[must_use]
    pub fn certificates(&self) -> &[Arc<Certificate>] {
        &self.certificates
    }

    /// The certificates of this subject.
    pub fn of_subject(&self, subject: &Name) -> impl Iterator<Item = &Arc<Certificate>> {
        self.by_subject.get(subject).into_iter().flatten().map(|at| &self.certificates[*at])
    }

    /// All lists.
    #[must_use]
    pub fn crls(&self) -> &[Arc<Crl>] {
        &self.crls
    }

    /// All OCSP responses.
    #[must_use]
    pub fn responses(&self) -> &[Arc<OcspResponse>] {
        &self.responses
    }
}
