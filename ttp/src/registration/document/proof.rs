//! What an applicant shows by itself: that it has the private keys, and that it accepts the terms (EN 319 411-1 REG-6.3.1, 6.3.4).

use super::ApplicationDocument;
use crate::ca::request::{CertificationRequest, RequestFault};
use crate::crypto::jose::{Key, KeyFault, Thumbprint};
use crate::digest::Digest;
use crate::id::PartyId;
use crate::statement::terms::TermsAccepted;
use crate::statement::{Jws, StatementFault};

/// What is to be accepted.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'o> {
    /// The origin of this service.
    pub service: &'o str,
    /// SHA-256 of the terms in force.
    pub terms: Digest,
}

/// What was shown.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The certification requests, whose signatures are good.
    pub requests: Vec<CertificationRequest>,
    /// The names of their keys, in the same order.
    pub thumbprints: Vec<Thumbprint>,
    /// Under which name the terms were accepted. For a first application the applicant draws it, 128 random bits.
    pub party: PartyId,
    /// The key that accepted them: one of those that are to be certified.
    pub accepted_by: Thumbprint,
}

/// Why an application is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// A certification request.
    #[error("request {place}: {fault}")]
    Request {
        /// Which, counted from 0.
        place: usize,
        /// What is wrong with it.
        fault: RequestFault,
    },
    /// A key that can sign no statements.
    #[error("request {place}: {fault}")]
    Key {
        /// Which, counted from 0.
        place: usize,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// The acceptance of the terms is no such statement, or its signature is wrong.
    #[error("terms: {0}")]
    Terms(StatementFault),
    /// It was signed with a key that nobody asks to certify.
    #[error("terms: signed with the key {key}, which is none of those that are to be certified")]
    TermsKey {
        /// Which.
        key: Thumbprint,
    },
    /// Other terms.
    #[error("terms: {found} were accepted; in force are {due}")]
    OtherTerms {
        /// SHA-256 of what was accepted.
        found: Digest,
        /// SHA-256 of what is in force.
        due: Digest,
    },
    /// The terms of another service.
    #[error("terms: they are of the service {found}; this is {due}")]
    OtherService {
        /// Of which.
        found: String,
        /// This one.
        due: String,
    },
    /// What should take the application back does not.
    #[error("withdrawal: {0}")]
    Withdrawal(String),
}

impl ApplicationDocument {
    /// Verifies every signature of the applicant's.
    ///
    /// # Errors
    /// [`ProofFault`], the first that is found.
    pub fn prove(&self, offer: Offer<'_>) -> Result<Proof, ProofFault> {
        let (mut requests, mut keys) = (Vec::new(), Vec::new());
        for (place, asked) in self.requests.iter().enumerate() {
            let request = |fault| ProofFault::Request { place, fault };
            let der = asked.der().ok_or(request(RequestFault::Malformed))?;
            let read = CertificationRequest::from_der(&der).map_err(request)?;
            keys.push(Key::from_spki_der(read.spki_der()).map_err(|fault| ProofFault::Key { place, fault })?);
            requests.push(read);
        }
        let jws = Jws::parse(self.terms.as_bytes()).map_err(ProofFault::Terms)?;
        let signed_by = jws.key_id();
        let key = keys.iter().find(|key| key.thumbprint() == signed_by);
        jws.verify(key.ok_or(ProofFault::TermsKey { key: signed_by })?).map_err(ProofFault::Terms)?;
        let accepted = jws.payload_as::<TermsAccepted>().map_err(ProofFault::Terms)?.body;
        let found = Digest::from(accepted.policy);
        if found != offer.terms {
            return Err(ProofFault::OtherTerms { found, due: offer.terms });
        }
        if accepted.service.as_str() != offer.service {
            let (found, due) = (accepted.service.as_str().to_owned(), offer.service.to_owned());
            return Err(ProofFault::OtherService { found, due });
        }
        let thumbprints = keys.iter().map(Key::thumbprint).collect();
        Ok(Proof { requests, thumbprints, party: accepted.party, accepted_by: signed_by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::pem;
    use crate::ca::name::{Attribute, DistinguishedName};
    use crate::crypto::{SignatureAlgorithm, Signer, SoftKey};
    use crate::registration::document::{Wish, accept_terms};
    use crate::time::Timestamp;

    const OFFER: Offer<'_> = Offer { service: "log.example/semper", terms: Digest([7; 32]) };

    fn key() -> SoftKey {
        SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap()
    }

    fn thumbprint(key: &SoftKey) -> Thumbprint {
        Key::from_spki_der(key.spki_der()).unwrap().thumbprint()
    }

    fn accepted(key: &SoftKey, service: &str, terms: Digest) -> String {
        let offer = Offer { service, terms };
        let jws = accept_terms(offer, [9; 16].into(), key, Timestamp::from_millis(1), [1; 16]).unwrap();
        String::from_utf8(jws.bytes().to_vec()).unwrap()
    }

    fn document(keys: &[&SoftKey], terms: String) -> ApplicationDocument {
        let wish = Wish {
            keys: keys.iter().map(|key| ("party-legal".to_owned(), *key as &dyn Signer)).collect(),
            subject: DistinguishedName([(Attribute::CommonName, "Example".to_owned())].into()),
            alternative_names: None,
            contact: None,
            party: [9; 16].into(),
            now: Timestamp::from_millis(1),
            salts: [[1; 16], [2; 16]],
        };
        ApplicationDocument { terms, ..ApplicationDocument::of(&wish, OFFER).unwrap() }
    }

    #[test]
    fn the_applicant_shows_possession_and_consent() {
        let (first, second) = (key(), key());
        let terms = accepted(&second, OFFER.service, OFFER.terms);
        let proof = document(&[&first, &second], terms).prove(OFFER).unwrap();
        assert_eq!(proof.party, [9; 16].into());
        assert_eq!(proof.thumbprints, [thumbprint(&first), thumbprint(&second)]);
        assert_eq!(proof.accepted_by, thumbprint(&second));
        assert_eq!(proof.requests[0].spki_der(), first.spki_der());
    }

    #[test]
    fn what_is_not_shown_is_refused() {
        let (key, other) = (key(), key());
        let refused = |document: ApplicationDocument| document.prove(OFFER).unwrap_err();
        let good = accepted(&key, OFFER.service, OFFER.terms);

        // Of somebody whose key is not to be certified.
        let theirs = accepted(&other, OFFER.service, OFFER.terms);
        assert_eq!(refused(document(&[&key], theirs)), ProofFault::TermsKey { key: thumbprint(&other) });
        let (found, due) = (Digest([8; 32]), OFFER.terms);
        let of_others = accepted(&key, OFFER.service, found);
        assert_eq!(refused(document(&[&key], of_others)), ProofFault::OtherTerms { found, due });
        let elsewhere = accepted(&key, "log.example/other", OFFER.terms);
        assert!(matches!(refused(document(&[&key], elsewhere)), ProofFault::OtherService { .. }));

        // Signed by the right key, but not this.
        let parts: Vec<_> = good.split('.').collect();
        let of_another = accepted(&key, "log.example/other", OFFER.terms);
        let mixed = format!("{}.{}.{}", parts[0], parts[1], of_another.split('.').nth(2).unwrap());
        assert_eq!(refused(document(&[&key], mixed)), ProofFault::Terms(StatementFault::Signature));

        // A request that somebody else has signed.
        let mut stolen = document(&[&key, &other], good);
        let (der, theirs) = (stolen.requests[1].der().unwrap(), stolen.requests[0].der().unwrap());
        let mut der = der.clone();
        let end = der.len();
        der[end - 4..].copy_from_slice(&theirs[theirs.len() - 4..]);
        stolen.requests[1].csr = pem::encode("CERTIFICATE REQUEST", &der);
        let due = ProofFault::Request { place: 1, fault: RequestFault::Possession };
        assert_eq!(refused(stolen), due);
    }
}
