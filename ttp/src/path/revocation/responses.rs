//! OCSP responses (RFC 6960 §3.2, §4.2.2).

use std::sync::Arc;

use super::signers::{Signer, scheme_of};
use super::{Answer, Doubt, EvidenceKind, Found, Inquiry, Looked, Question, Revocation, names_ocsp};
use crate::path::build::Path;
use crate::path::certificate::{Certificate, key_bits};
use crate::path::extensions::ReasonMask;
use crate::path::ocsp::{OcspResponse, Responder, SingleResponse, SingleStatus};
use crate::path::validate::validate;
use crate::time::Timestamp;

/// id-pkix-ocsp-nonce and id-pkix-ocsp-extended-revoke: whoever verifies later knows no nonce, and a "revoked" is one.
const KNOWN: [&[u8]; 2] =
    [&[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02], &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x09]];
/// Certificates that are tried as one responder's.
const CANDIDATES_MAX: usize = 16;

impl Inquiry<'_> {
    /// Looks at every response.
    pub(super) fn responses(&mut self, question: &Question<'_>, found: &mut Found) {
        for response in self.material.responses() {
            let mut looked = Looked {
                kind: EvidenceKind::Ocsp,
                digest: response.digest(),
                issuer: response.responder().to_string(),
                issued_at: response.produced_at(),
                next_update: None,
                produced_at: Some(response.produced_at()),
                signer: None,
                doubts: Vec::new(),
            };
            match single_about(question, response) {
                None => looked.doubts.push(Doubt::OtherCertificate),
                Some(single) => self.response(question, response, single, &mut looked, found),
            }
            found.looked_at.push(looked);
        }
    }

    fn response(
        &mut self,
        question: &Question<'_>,
        response: &OcspResponse,
        single: &SingleResponse,
        looked: &mut Looked,
        found: &mut Found,
    ) {
        looked.issued_at = single.this_update;
        looked.next_update = single.next_update;
        let critical = response.extensions().unknown_critical(&KNOWN);
        let unknown = critical.into_iter().chain(single.unknown_critical.iter().cloned());
        looked.doubts.extend(unknown.map(|id| Doubt::UnknownCritical { id }));
        // What it says was right at thisUpdate; it was signed at producedAt.
        let produced_at = response.produced_at();
        match self.responder(question, response, question.signer_at(produced_at)) {
            Err(doubt) => looked.doubts.push(doubt),
            Ok(signer) => {
                looked.doubts.extend(signer.doubts);
                looked.signer = signer.path;
                found.missing.extend(signer.missing);
            }
        }
        if produced_at > self.settings.now {
            looked.doubts.push(Doubt::FromTheFuture { issued_at: produced_at });
        }
        let revoked = match single.status {
            SingleStatus::Good => None,
            SingleStatus::Unknown => {
                looked.doubts.push(Doubt::Unknown);
                None
            }
            SingleStatus::Revoked { at, reason } => {
                Some(Revocation { at, reason, invalid_since: None, by: response.digest() })
            }
        };
        let (issued_at, next_update) = (single.this_update, single.next_update);
        let untimely = question.untimely(issued_at, next_update, single.archive_cutoff, self.settings);
        let fresh = untimely.is_none();
        // A revocation is for ever, so that who says so need not be fresh; but what is still to come is nothing.
        let for_ever = revoked.as_ref().is_some_and(|revoked| !revoked.is_hold());
        let counts = |doubt: &Doubt| !for_ever || matches!(doubt, Doubt::FromTheFuture { .. });
        looked.doubts.extend(untimely.filter(counts));
        if looked.was_used() {
            found.answers.push(Answer { revoked, reasons: ReasonMask::ALL, issued_at, fresh });
        }
    }

    /// §4.2.2.2: the CA that issued the certificate, by the key that signed it, or a responder whose certificate that key signed for
    /// the purpose.
    fn responder(&mut self, question: &Question<'_>, response: &OcspResponse, at: Timestamp) -> Result<Signer, Doubt> {
        let scheme = scheme_of(response.signed())?;
        let named = response.responder().to_string();
        let by_issuer = match response.responder() {
            Responder::Name(name) => name == question.issuer_name,
            Responder::KeySha1(hash) => crate::crypto::sha1(key_bits(question.issuer_spki)) == *hash,
        };
        let mut refused = Doubt::NoSigner;
        if let Some(key) = question.issuer_key.clone().filter(|_| by_issuer) {
            match self.verify(&key, scheme, response.signed(), &named) {
                Some(doubt) => refused = doubt,
                None => {
                    let mut signer = Signer::new(key);
                    signer.doubts = self.algorithms(scheme, &signer.key, at);
                    return Ok(signer);
                }
            }
        }
        for certificate in self.of_responder(response) {
            let Ok(key) = certificate.key() else { continue };
            if let Some(doubt) = self.verify(&key, scheme, response.signed(), &named) {
                refused = doubt;
                continue;
            }
            let mut signer = Signer::new(key);
            signer.doubts = self.algorithms(scheme, &signer.key, at);
            self.delegate(question, &certificate, at, &mut signer);
            return Ok(signer);
        }
        Err(refused)
    }

    /// Certificates with the responder's name or key: those that came with the response first.
    fn of_responder(&self, response: &OcspResponse) -> Vec<Arc<Certificate>> {
        let fits = |certificate: &&Arc<Certificate>| match response.responder() {
            Responder::Name(name) => certificate.subject() == name,
            Responder::KeySha1(hash) => certificate.key_sha1() == hash,
        };
        let elsewhere = self.material.certificates().iter();
        response.certificates().iter().chain(elsewhere).filter(fits).take(CANDIDATES_MAX).cloned().collect()
    }

    /// Whether the CA charged this certificate's holder with OCSP.
    fn delegate(
        &mut self,
        question: &Question<'_>,
        certificate: &Arc<Certificate>,
        at: Timestamp,
        signer: &mut Signer,
    ) {
        let name = || certificate.subject().to_string();
        let above = &question.path.certificates()[..question.index];
        let certificates = above.iter().chain([certificate]).cloned().collect();
        let charged = certificate.extended_key_usage().is_some_and(names_ocsp);
        let path = Path::new(question.path.anchor().clone(), certificates)
            .filter(|_| charged && certificate.issuer() == question.issuer_name);
        let Some(path) = path else {
            signer.doubts.push(Doubt::NotAuthorized { signer: name() });
            return;
        };
        // What is wrong above is told of the path in question.
        let own = |problem: &crate::path::Problem| problem.certificate == question.index;
        let judgement = validate(&path, at, self.settings, self.checks);
        let problems: Vec<_> = judgement.problems.into_iter().filter(own).collect();
        if !problems.is_empty() {
            signer.doubts.push(Doubt::SignerPath { signer: name(), problems });
        }
        self.revocation_of_signer(question, &path, at, signer);
        signer.path = Some(path);
    }
}

/// The newest answer about the certificate.
fn single_about<'r>(question: &Question<'_>, response: &'r OcspResponse) -> Option<&'r SingleResponse> {
    let key = key_bits(question.issuer_spki);
    let certificate = question.certificate;
    // The issuer's name as its certificate spells it, or as this one does.
    let about = |single: &&SingleResponse| {
        let names = [question.issuer_name.der(), certificate.issuer().der()];
        names.iter().any(|name| single.cert_id.is_of(name, key, certificate.serial()))
    };
    response.singles().iter().filter(about).max_by_key(|single| single.this_update)
}
