//! Signatures and certificates judged by the rules in force, with what this service itself knows of certificates.
//!
//! Whatever chains to our root, or to an anchor of the operator's, is believed. Of our own certificates the status is that of our own
//! OCSP responders, as anybody would get it; of those of others, what came along.

use std::{fmt, sync::Arc};

use semper_ttp::{
    ca::{
        Authority,
        ocsp::{HashAlgorithm, IssuerHashes, OcspRequest},
    },
    digest::Digest,
    evidence::KeyPurpose,
    notary::Reason,
    path::{Anchor, Certificate, Crl, Material},
    statement::{Jws, Salt},
    time::Timestamp,
    validation::{Indication, Inputs, Report, Rules, StatusSource, Subject, validate_with_material},
};

use super::{
    super::{OcspAnswered as Answered, Service, ServiceFault},
    NotaryFault,
};
use crate::body::Held;

/// What a validation gave.
pub(crate) struct Judged {
    /// The report.
    pub(crate) report: Report,
    /// The same as it is kept and served.
    pub(crate) bytes: Vec<u8>,
    /// Everything that was at hand.
    pub(crate) material: Material,
}

impl Judged {
    /// Why an act does not certify it.
    pub(crate) fn failed(&self) -> Option<Reason> {
        match self.report.conclusion.indication {
            // A timestamp is nobody's signature.
            _ if !self.report.is_signed() => Some(Reason::SignatureMissing),
            Indication::TotalPassed => None,
            Indication::Indeterminate => Some(Reason::SignatureUndetermined),
            Indication::TotalFailed => Some(Reason::SignatureNotValid),
        }
    }

    /// SHA-256 of the report as it is kept.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// Our own responders, asked within this process.
struct OwnStatus<'s>(&'s Service);

impl fmt::Debug for OwnStatus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnStatus")
    }
}

impl StatusSource for OwnStatus<'_> {
    fn responses(&self, certificate: &Certificate) -> Vec<Vec<u8>> {
        let issuers = self.0.authorities.all();
        // Several generations of a CA have one name; the hash of the key in the answer says whose it is.
        let named = issuers.iter().filter(|held| {
            let read = Certificate::from_der(&held.key.certificate);
            read.is_ok_and(|issuer| issuer.subject() == certificate.issuer())
        });
        let named = named.filter_map(|held| held.certificate.as_ref());
        let asked = named.filter_map(|issuer| {
            IssuerHashes::of(issuer).cert_id(HashAlgorithm::Sha256, certificate.serial()).map(OcspRequest::about)
        });
        asked
            .filter_map(|request| match self.0.ocsp(&request, || true) {
                Answered::Cached(answer) => Some(answer.der.to_vec()),
                Answered::Once(der) => Some(der),
                Answered::Error(_) => None,
            })
            .collect()
    }
}

impl Service {
    /// Runs `work`, which judges, where it holds up nobody: as many at once as there are cores.
    pub(super) async fn judging<T: Send + 'static>(
        self: &Arc<Self>,
        held: Held,
        work: impl FnOnce(&Self, &Rules) -> Result<T, ServiceFault> + Send + 'static,
    ) -> Result<T, NotaryFault> {
        let notary = self.notary.as_ref().ok_or(NotaryFault::NoNotary)?;
        let permit = notary.judging.clone().acquire_owned().await.map_err(|_| NotaryFault::Busy)?; // never closed
        let (service, rules) = (self.clone(), self.policies().validation().clone());
        // Whoever asked may go away; what was begun ends, and has its place and its room until then.
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&service, &rules);
            drop((permit, held));
            done
        })
        .await;
        // It panicked, which was printed.
        Ok(done.map_err(|_| ServiceFault::Facts("a validation did not end".to_owned()))??)
    }

    /// Judges a subject for the moment `at`, or for now; `others` is what came along with it. Blocks on the store, and computes.
    pub(crate) fn judge(
        &self,
        rules: &Rules,
        subject: Subject<'_>,
        at: Option<Timestamp>,
        others: &Material,
    ) -> Result<Judged, ServiceFault> {
        // Read once: of a moment that is past already, proof would be wanted that the signature was there.
        let now = self.now();
        let at = at.unwrap_or(now);
        // Ours comes first: no stranger's keeps it out.
        let mut material = Material::new();
        let root = self.add_own(&mut material);
        if let Subject::Jws(bytes) = subject {
            self.add_signer_of_statement(bytes, &mut material)?;
        }
        let with_root = |anchors: &[Arc<Anchor>]| anchors.iter().chain(&root).cloned().collect::<Vec<_>>();
        for anchor in rules.signers.iter().chain(&rules.timestamps) {
            anchor.certificate().map(|certificate| material.add_certificate(certificate)).transpose().ok();
        }
        if let Err(full) = material.add_all(others) {
            tracing::debug!(%full, "not all that came along with a request is looked at");
        }
        let (mut report, material) = validate_with_material(&Inputs {
            subject,
            signer_anchors: &with_root(&rules.signers),
            timestamp_anchors: &with_root(&rules.timestamps),
            material: &material,
            timestamps: &[],
            at,
            now: now.max(at),
            source: Some(&OwnStatus(self)),
            policy: &rules.policy,
        });
        report.salt = Some(Salt(semper_ttp::b64u::B64u(self.random()?)));
        self.metrics.notary().validated(report.conclusion.indication);
        let bytes = report.to_json().into_bytes();
        Ok(Judged { report, bytes, material })
    }

    /// The certificates of our CAs and the lists of our root; gives the root as an anchor.
    fn add_own(&self, material: &mut Material) -> Option<Arc<Anchor>> {
        let mut root = None;
        for held in self.authorities.all().iter() {
            let Ok(certificate) = Certificate::from_der(&held.key.certificate).map(Arc::new) else { continue };
            // There is room for all of ours, which come first.
            let _ = material.add_certificate(&certificate);
            if held.key.ca.authority == Authority::Root {
                root = Anchor::from_certificate(certificate).ok().map(Arc::new);
                for list in held.lists().iter().filter_map(|list| list.newest.load_full()) {
                    let _ = Crl::from_der(&list.der).map(|crl| material.add_crl(&Arc::new(crl)));
                }
            }
        }
        root
    }

    /// A statement names its signer's key; whose that is, the register of parties knows.
    fn add_signer_of_statement(&self, bytes: &[u8], material: &mut Material) -> Result<(), ServiceFault> {
        let Ok(jws) = Jws::parse(bytes) else { return Ok(()) };
        let key = jws.key_id();
        let of_party = self.party_of_key(key)?;
        let bound = of_party.and_then(|party| Some(party.state.party()?.keys.get(&key)?.certificate));
        let der = match bound {
            Some(digest) => self.logged_certificate(&digest)?.map(|certificate| certificate.der().to_vec()),
            None => [KeyPurpose::NotaryAct, KeyPurpose::ArbiterVerdict]
                .into_iter()
                .find_map(|purpose| self.desks.named(purpose, &key))
                .map(|own| own.certificate.der().to_vec()),
        };
        if let Some(certificate) = der.and_then(|der| Certificate::from_der(&der).ok()) {
            let _ = material.add_certificate(&Arc::new(certificate));
        }
        Ok(())
    }
}
