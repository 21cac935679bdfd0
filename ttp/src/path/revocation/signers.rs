//! Who signed a list or a response, and whether they may.

use std::sync::Arc;

use super::{Doubt, Inquiry, Missing, Question, Verdict};
use crate::crypto::{SignatureScheme, StrangerKey};
use crate::path::build::{Path, build};
use crate::path::certificate::Certificate;
use crate::path::checks::Checked;
use crate::path::crl::Crl;
use crate::path::name::GeneralName;
use crate::path::signed::Signed;
use crate::path::validate::validate;
use crate::time::Timestamp;
use crate::x509::KeyUsage;

/// Certificates of one name that are tried as the signer's.
const CANDIDATES_MAX: usize = 16;

/// How it says that it is signed.
///
/// # Errors
/// In two ways, or in one that is not verified here.
pub(super) fn scheme_of(signed: &Signed) -> Result<SignatureScheme, Doubt> {
    if !signed.algorithms_agree() {
        return Err(Doubt::AlgorithmMismatch);
    }
    signed.scheme().ok_or_else(|| Doubt::UnknownAlgorithm { algorithm: signed.algorithm() })
}

/// Who signed it.
pub(super) struct Signer {
    pub(super) key: Arc<StrangerKey>,
    /// The way to it, if it is not the issuer's.
    pub(super) path: Option<Path>,
    /// Why its signature counts for nothing.
    pub(super) doubts: Vec<Doubt>,
    /// What would be needed to know more about it.
    pub(super) missing: Vec<Missing>,
}

impl Signer {
    pub(super) const fn new(key: Arc<StrangerKey>) -> Self {
        Self { key, path: None, doubts: Vec::new(), missing: Vec::new() }
    }
}

impl Inquiry<'_> {
    /// Whether this key signed it; `Some` doubt if not.
    pub(super) fn verify(
        &mut self,
        key: &StrangerKey,
        scheme: SignatureScheme,
        signed: &Signed,
        signer: &dyn ToString,
    ) -> Option<Doubt> {
        match self.checks.check(key, scheme, signed) {
            Checked::Good => None,
            Checked::Bad => Some(Doubt::Signature { signer: signer.to_string() }),
            Checked::TooMany => Some(Doubt::TooManyChecks { max: self.checks.max() }),
        }
    }

    /// The algorithms of a signature that were not acceptable.
    pub(super) fn algorithms(&self, scheme: SignatureScheme, key: &StrangerKey, at: Timestamp) -> Vec<Doubt> {
        let refused = self.settings.algorithms.judge_signature(scheme, key.kind(), at);
        refused.into_iter().map(Doubt::Algorithm).collect()
    }

    /// Who signed a list (RFC 5280 §6.3.3 (f), (g)): the certificate's issuer with the key that signed the certificate, the
    /// anchor, or anybody of the list's issuer name who has a path to the anchor. The best of those whose key fits.
    ///
    /// # Errors
    /// Nobody's key fits.
    pub(super) fn list_signer(
        &mut self,
        question: &Question<'_>,
        crl: &Crl,
        scheme: SignatureScheme,
    ) -> Result<Signer, Doubt> {
        let mut refused = Doubt::NoSigner;
        let at = question.signer_at(crl.this_update());
        let anchor = question.path.anchor();
        let near = [
            (question.issuer_name, question.issuer_key.clone(), question.issuer_certificate),
            (anchor.name(), Some(anchor.key().clone()), anchor.certificate()),
        ];
        for (name, key, certificate) in near {
            let Some(key) = key.filter(|_| name == crl.issuer()) else { continue };
            match self.verify(&key, scheme, crl.signed(), name) {
                Some(doubt) => refused = doubt,
                None => {
                    let mut signer = Signer::new(key);
                    signer.doubts.extend(certificate.and_then(may_not_sign));
                    return Ok(signer);
                }
            }
        }
        let mut best: Option<Signer> = None;
        for certificate in self.of_name(question, crl) {
            let Ok(key) = certificate.key() else { continue };
            if let Some(doubt) = self.verify(&key, scheme, crl.signed(), certificate.subject()) {
                refused = doubt;
                continue;
            }
            let mut signer = Signer::new(key);
            signer.doubts.extend(may_not_sign(&certificate));
            self.path_of_signer(question, &certificate, at, &mut signer);
            if best.as_ref().is_none_or(|best| signer.doubts.len() < best.doubts.len()) {
                best = Some(signer);
            }
            if best.as_ref().is_some_and(|best| best.doubts.is_empty()) {
                break;
            }
        }
        best.ok_or(refused)
    }

    /// Certificates of the list's issuer, those with the key that it names first.
    fn of_name(&self, question: &Question<'_>, crl: &Crl) -> Vec<Arc<Certificate>> {
        let on_path = question.path.certificates().iter().filter(|certificate| certificate.subject() == crl.issuer());
        let mut found: Vec<_> = on_path.chain(self.material.of_subject(crl.issuer())).cloned().collect();
        let wanted = crl.authority_key().key_id.as_deref();
        found
            .sort_by_key(|certificate| (wanted.is_some() && certificate.subject_key() != wanted, certificate.digest()));
        found.dedup();
        found.truncate(CANDIDATES_MAX);
        found
    }

    /// Finds a path for a signer that is not the issuer, and asks whether anybody on it was revoked.
    fn path_of_signer(
        &mut self,
        question: &Question<'_>,
        certificate: &Arc<Certificate>,
        at: Timestamp,
        signer: &mut Signer,
    ) {
        let anchors = [question.path.anchor().clone()];
        let paths = build(certificate, self.material, &anchors, &self.settings.limits, self.checks);
        let mut problems = Vec::new();
        for path in paths {
            let judgement = validate(&path, at, self.settings, self.checks);
            if judgement.is_valid() {
                self.revocation_of_signer(question, &path, at, signer);
                signer.path = Some(path);
                return;
            }
            if problems.is_empty() {
                problems = judgement.problems;
                signer.path = Some(path);
            }
        }
        signer.doubts.push(Doubt::SignerPath { signer: certificate.subject().to_string(), problems });
    }

    /// Certificates above the one in question are asked about by whoever asks about it.
    pub(super) fn revocation_of_signer(
        &mut self,
        question: &Question<'_>,
        path: &Path,
        at: Timestamp,
        signer: &mut Signer,
    ) {
        let above = &question.path.certificates()[..question.index];
        for (index, certificate) in path.certificates().iter().enumerate() {
            if above.contains(certificate) {
                continue;
            }
            let name = || certificate.subject().to_string();
            if certificate == question.certificate && lists_itself(certificate) {
                continue;
            }
            // Else, who vouches for their own status vouches for nothing.
            let circle = self.asking.contains(&certificate.digest());
            if circle || self.asking.len() > self.settings.limits.evidence_depth || self.signers_left == 0 {
                signer.doubts.push(Doubt::SignerUndetermined { signer: name() });
                continue;
            }
            self.signers_left -= 1;
            let status = self.status(path, index, at);
            match status.verdict {
                Verdict::Good { .. } | Verdict::NotAsked(_) => {}
                Verdict::Revoked(revoked) => {
                    signer.doubts.push(Doubt::SignerRevoked { signer: name(), at: revoked.at });
                }
                Verdict::Undetermined => {
                    signer.doubts.push(Doubt::SignerUndetermined { signer: name() });
                    signer.missing.extend(status.missing);
                }
            }
        }
    }
}

/// Whether the CA says in so many words that the holder issues the lists about this very certificate (cRLIssuer, PKITS 4.14.30). No
/// other list about it will ever be there.
fn lists_itself(certificate: &Certificate) -> bool {
    let holder = GeneralName::Directory(certificate.subject().clone());
    certificate.distribution_points().iter().any(|point| point.crl_issuer.contains(&holder))
}

/// §6.3.3 (f): cRLSign, if there is a keyUsage.
fn may_not_sign(certificate: &Arc<Certificate>) -> Option<Doubt> {
    let signer = || certificate.subject().to_string();
    (!certificate.may(KeyUsage::CRL_SIGN)).then(|| Doubt::MayNotSignLists { signer: signer() })
}
