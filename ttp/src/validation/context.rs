//! What one validation knows: rules, anchors, everything found anywhere, what was verified so far.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::poe::Proofs;
use super::policy::Policy;
use super::report::{CertificateRef, MaterialUsed};
use super::{Inputs, StatusSource};
use crate::digest::Digest;
use crate::path::{Anchor, Certificate, Checks, Crl, InitialPolicies, Material, OcspResponse, Path, Settings, build};
use crate::time::Timestamp;

/// Whose certificate it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Somebody who signs.
    Signer,
    /// A timestamping unit.
    Timestamping,
    /// The holder of a certificate that is asked about for itself.
    Holder,
}

pub(super) struct Context<'a> {
    pub(super) policy: &'a Policy,
    /// The validation time.
    pub(super) at: Timestamp,
    /// The moment of judging.
    pub(super) now: Timestamp,
    pub(super) material: Material,
    pub(super) checks: Checks,
    pub(super) proofs: Proofs,
    anchors: [Cow<'a, [Arc<Anchor>]>; 3],
    /// Path processing as the asker wants it of the certificate that is judged ([`Role::Holder`]).
    pub(super) asked_policies: InitialPolicies,
    source: Option<&'a dyn StatusSource>,
    /// Certificates that the source was asked about.
    asked: HashSet<Digest>,
    paths: HashMap<(Role, Digest), Arc<[Path]>>,
    /// True if material was left out because there is too much.
    pub(super) is_cut: bool,
    /// What did not read.
    pub(super) unread: usize,
}

impl<'a> Context<'a> {
    pub(super) fn new(inputs: &Inputs<'a>) -> Self {
        let Inputs { policy, at, now, signer_anchors, timestamp_anchors, source, .. } = *inputs;
        let both: Vec<_> = signer_anchors.iter().chain(timestamp_anchors).cloned().collect();
        Self {
            policy,
            at,
            now,
            material: inputs.material.clone(),
            checks: Checks::default(),
            proofs: Proofs::new(now),
            anchors: [signer_anchors.into(), timestamp_anchors.into(), both.into()],
            asked_policies: InitialPolicies::default(),
            source,
            asked: HashSet::new(),
            paths: HashMap::new(),
            is_cut: false,
            unread: 0,
        }
    }

    /// Adds a certificate as it was found; what does not read is counted, since nothing can rest on it.
    pub(super) fn add_certificate(&mut self, der: &[u8]) {
        match Certificate::from_der(der) {
            Ok(certificate) => self.is_cut |= self.material.add_certificate(&Arc::new(certificate)).is_err(),
            Err(_) => self.unread += 1,
        }
    }

    /// Adds a CRL.
    pub(super) fn add_crl(&mut self, der: &[u8]) {
        match Crl::from_der(der) {
            Ok(crl) => self.is_cut |= self.material.add_crl(&Arc::new(crl)).is_err(),
            Err(_) => self.unread += 1,
        }
    }

    /// Adds an OCSP response, and the certificates in it.
    pub(super) fn add_response(&mut self, der: &[u8]) {
        match OcspResponse::from_der(der) {
            Ok(response) => {
                for certificate in response.certificates() {
                    self.is_cut |= self.material.add_certificate(certificate).is_err();
                }
                self.is_cut |= self.material.add_response(&Arc::new(response)).is_err();
            }
            Err(_) => self.unread += 1,
        }
    }

    /// Rules of path validation for a role; `at` is looked at as if nothing later existed only where the caller says so.
    pub(super) fn settings(&self, role: Role) -> Settings {
        let mut settings = Settings::new(self.now);
        settings.algorithms = self.policy.algorithms.clone();
        settings.freshness = self.policy.freshness;
        if role == Role::Signer && !self.policy.certificate_policies.is_empty() {
            settings.policies = InitialPolicies {
                acceptable: self.policy.certificate_policies.clone(),
                require_explicit: true,
                ..InitialPolicies::default()
            };
        }
        if role == Role::Holder {
            settings.policies = self.asked_policies.clone();
        }
        settings
    }

    /// Paths from `certificate` to the anchors of its role. All material must be there when this is first asked.
    pub(super) fn paths(&mut self, certificate: &Arc<Certificate>, role: Role) -> Arc<[Path]> {
        let key = (role, certificate.digest());
        if let Some(paths) = self.paths.get(&key) {
            return paths.clone();
        }
        let limits = self.settings(role).limits;
        let anchors = &self.anchors[role as usize];
        let paths: Arc<[Path]> = build(certificate, &self.material, anchors, &limits, &mut self.checks).into();
        self.ask_about(&paths);
        self.paths.insert(key, paths.clone());
        paths
    }

    /// Asks the source about every certificate of these paths, once.
    fn ask_about(&mut self, paths: &[Path]) {
        let Some(source) = self.source else { return };
        for certificate in paths.iter().flat_map(Path::certificates) {
            if self.asked.insert(certificate.digest()) {
                for der in source.responses(certificate) {
                    match OcspResponse::from_der(&der) {
                        Ok(response) => self.material.add_own_response(&Arc::new(response)),
                        Err(_) => self.unread += 1,
                    }
                }
            }
        }
    }

    /// Everything at hand, by digest.
    pub(super) fn material_used(&self) -> Vec<MaterialUsed> {
        let material = &self.material;
        let certificates = material.certificates().iter().map(|it| ("certificate", it.digest()));
        let crls = material.crls().iter().map(|it| ("crl", it.digest()));
        let responses = material.responses().iter().map(|it| ("ocsp", it.digest()));
        let mut used: Vec<_> =
            certificates.chain(crls).chain(responses).map(|(kind, digest)| MaterialUsed { kind, digest }).collect();
        used.sort_by_key(|it| (it.kind, it.digest));
        used
    }
}

impl From<&Certificate> for CertificateRef {
    fn from(certificate: &Certificate) -> Self {
        Self {
            digest: certificate.digest(),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: hex::encode(certificate.serial()),
            not_before: certificate.validity().not_before,
            not_after: certificate.validity().not_after,
        }
    }
}
