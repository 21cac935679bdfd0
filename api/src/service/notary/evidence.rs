//! The certificates that a record names, for whoever verifies it elsewhere.

use semper_ttp::{
    ca::Authority,
    statement::{
        Jws,
        act::{ActRecorded, PrincipalRole},
    },
    x509::Certificate,
};

use super::super::{Service, ServiceFault};

impl Service {
    /// The notary's certificate that a record names, then those of the signers and of the officer who decided, each with its issuer's and
    /// once. `None` if the record was erased; a certificate that the ledger no longer has is left out.
    pub(crate) fn certificates_of_record(&self, index: u64) -> Result<Option<Vec<Certificate>>, ServiceFault> {
        let Some(bytes) = self.reader().artefact(index)? else { return Ok(None) };
        let record = Jws::parse(&bytes).and_then(|jws| jws.payload_as::<ActRecorded>());
        let record = record.map_err(|fault| ServiceFault::Facts(format!("the record of entry {index}: {fault}")))?.body;
        let signers = record.principals.iter().filter(|principal| principal.role == PrincipalRole::Signer);
        let signers = signers.map(|signer| signer.certificate);
        let named = std::iter::once(record.notary.certificate).chain(signers).chain(record.officer);
        let mut found: Vec<Certificate> = Vec::new();
        for digest in named {
            let Some(certificate) = self.logged_certificate(&digest.into())? else { continue };
            let issuer = self.issuer_of(Authority::Party, &certificate);
            let issuer = issuer.and_then(|held| held.certificate.clone());
            for one in std::iter::once(certificate).chain(issuer) {
                if !found.iter().any(|known| known.der() == one.der()) {
                    found.push(one);
                }
            }
        }
        Ok(Some(found))
    }
}
