//! An applicant takes its application back: by a statement that one of its keys signs.

use super::{ApplicationDocument, ProofFault, WishFault, applicant::sign};
use crate::ca::request::CertificationRequest;
use crate::crypto::Signer;
use crate::crypto::jose::Key;
use crate::id::RegistrationId;
use crate::statement::withdrawn::RegistrationWithdrawn;
use crate::statement::{Jws, Origin};
use crate::time::Timestamp;

/// The statement, signed by `key`.
///
/// # Errors
/// [`WishFault`].
pub fn withdraw(
    registration: RegistrationId,
    service: &str,
    key: &dyn Signer,
    now: Timestamp,
    salt: [u8; 16],
) -> Result<Jws, WishFault> {
    let thumbprint = Key::from_spki_der(key.spki_der())?.thumbprint();
    let service = Origin::new(service).ok_or(WishFault::Origin)?;
    let body = RegistrationWithdrawn { registration, service, key: thumbprint };
    sign(body, thumbprint, key, now, salt)
}

impl ApplicationDocument {
    /// Verifies that a statement takes this application of this service back, signed by one of its keys.
    ///
    /// # Errors
    /// [`ProofFault::Withdrawal`].
    pub fn prove_withdrawal(
        &self,
        statement: &[u8],
        registration: RegistrationId,
        service: &str,
    ) -> Result<(), ProofFault> {
        let fault = |why: &dyn std::fmt::Display| ProofFault::Withdrawal(why.to_string());
        let jws = Jws::parse(statement).map_err(|why| fault(&why))?;
        let body = jws.payload_as::<RegistrationWithdrawn>().map_err(|why| fault(&why))?.body;
        if body.registration != registration || body.service.as_str() != service {
            return Err(fault(&"it is about another application, or one of another service"));
        }
        let keys = self.requests.iter().filter_map(|asked| CertificationRequest::from_der(&asked.der()?).ok());
        let mut keys = keys.filter_map(|request| Key::from_spki_der(request.spki_der()).ok());
        let key = keys.find(|key| key.thumbprint() == jws.key_id());
        let key = key.ok_or_else(|| fault(&"it is signed with none of the application's keys"))?;
        jws.verify(&key).map_err(|why| fault(&why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::name::{Attribute, DistinguishedName};
    use crate::crypto::{SignatureAlgorithm, SoftKey};
    use crate::digest::Digest;
    use crate::registration::document::{Offer, Wish};

    #[test]
    fn a_key_of_the_application_takes_it_back() {
        let [first, second, other] = [(); 3].map(|()| SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap());
        let now = Timestamp::from_millis(1);
        let wish = Wish {
            keys: [&first, &second].map(|key| ("party-legal".to_owned(), key as &dyn Signer)).into(),
            subject: DistinguishedName([(Attribute::CommonName, "Example".to_owned())].into()),
            alternative_names: None,
            contact: None,
            party: [9; 16].into(),
            now,
            salts: [[1; 16], [2; 16]],
        };
        let document =
            ApplicationDocument::of(&wish, Offer { service: "log.example", terms: Digest([7; 32]) }).unwrap();
        let (id, others) = (RegistrationId::from([3; 16]), RegistrationId::from([4; 16]));
        let by = |id, service, key: &SoftKey| withdraw(id, service, key, now, [5; 16]).unwrap().bytes().to_vec();
        let proves = |statement: &[u8]| document.prove_withdrawal(statement, id, "log.example");
        for key in [&first, &second] {
            assert_eq!(proves(&by(id, "log.example", key)), Ok(()));
        }
        let good = by(id, "log.example", &first);
        for bad in [
            by(others, "log.example", &first),
            by(id, "log.example/other", &first),
            by(id, "log.example", &other),
            [&good[..good.len() - 6], b"AAAAAA"].concat(),
            document.terms.clone().into_bytes(),
            b"{}".to_vec(),
        ] {
            assert!(matches!(proves(&bad), Err(ProofFault::Withdrawal(_))), "{}", bad.escape_ascii());
        }
    }
}
