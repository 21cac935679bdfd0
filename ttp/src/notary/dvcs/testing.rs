//! A notary's key, and requests, for the tests of this folder and of the verifier.

use std::sync::LazyLock;

use super::request::{Accepted, Asked, Request, build, parse};
use super::response::{Answer, Dvc, DvcContent, DvcSerial, Finding, Grant, prepare};
use super::signer::DvcSigner;
use super::status::{FailInfo, StatusInfo};
use super::types::PolicyInformation;
use crate::asn1::Imprint;
use crate::ca::Authority;
use crate::ca::certificate::Issuer;
use crate::cms::Prepared;
use crate::crypto::{SignatureAlgorithm, Signer, SoftKey};
use crate::digest::{Digest, ImprintAlgorithm};
use crate::evidence::{KeyId, KeyPurpose};
use crate::testing::{GEN_TIME, PKI, issue, template};

pub(crate) const DOCUMENT: &[u8] = b"a contract";

pub(crate) struct Notary {
    pub(crate) key: SoftKey,
    pub(crate) signer: DvcSigner,
}

pub(crate) static NOTARY: LazyLock<Notary> = LazyLock::new(|| {
    let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let issuer = Issuer::new(Authority::Party, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
    let certificate = issue(&template("notary-dvcs", "Notary", &key, 3), &issuer, &PKI.ca_key);
    let id = KeyId::new(KeyPurpose::NotaryDvcs, 1);
    let chain = [PKI.ca.der().to_vec()];
    let signer =
        DvcSigner::load(id, key.algorithm(), key.spki_der(), certificate.der(), &chain, PKI.root.der()).unwrap();
    Notary { key, signer }
});

pub(crate) fn accepted() -> Accepted {
    Accepted { bytes_max: 1 << 20, hashes: ImprintAlgorithm::ALL.to_vec(), targets_max: 4, own_names: Some(Vec::new()) }
}

/// One of each service.
pub(crate) fn asked() -> [Asked; 4] {
    [
        Asked::Claim(Imprint::new(ImprintAlgorithm::Sha256, &Digest::of(DOCUMENT).0).unwrap()),
        Asked::Possession(DOCUMENT.to_vec()),
        Asked::SignedDocument(DOCUMENT.to_vec()),
        Asked::certificates(&[PKI.ca.der(), NOTARY.signer.certificate().der()]),
    ]
}

pub(crate) fn request(asked: &Asked) -> Request {
    parse(&build(asked, Some(&[0x85; 8])), &accepted()).unwrap()
}

pub(crate) fn grant() -> Grant {
    Grant {
        serial: DvcSerial::new(7, [0xAB; 16]).unwrap(),
        now: GEN_TIME,
        time_token: None,
        hash: ImprintAlgorithm::Sha256,
        policy: PolicyInformation::new("1.3.6.1.4.1.99999.3".parse().unwrap()),
        nonce: None,
        extensions: Vec::new(),
    }
}

/// A finding for a request: of the last target or certificate a bad one where `bad`.
pub(crate) fn finding(asked: &Asked, bad: bool) -> Finding {
    let one = |granted: bool| Answer {
        status: if granted {
            StatusInfo::granted()
        } else {
            StatusInfo::rejected(Some(FailInfo::BadCertId), "INDETERMINATE/REVOKED_NO_POE")
        },
        evidence: Vec::new(),
    };
    let status = one(!bad).status;
    match asked {
        Asked::Claim(_) | Asked::Possession(_) => Finding::Received,
        Asked::SignedDocument(_) => {
            Finding::Signatures { status, certificates: vec![(PKI.ca.der().to_vec(), one(!bad))] }
        }
        Asked::Certificates { targets, .. } => {
            let last = targets.len() - 1;
            Finding::Certificates { status, answers: (0..targets.len()).map(|i| one(!bad || i < last)).collect() }
        }
    }
}

pub(crate) fn sign(content: DvcContent) -> Dvc {
    let unsigned = prepare(&NOTARY.signer, content);
    let signature = NOTARY.key.sign(unsigned.message()).unwrap();
    unsigned.finish(signature)
}

/// A DVC with any content.
pub(crate) fn sign_any(content: Vec<u8>) -> Vec<u8> {
    let prepared = Prepared::new(NOTARY.signer.template.clone(), content, GEN_TIME);
    let signature = NOTARY.key.sign(prepared.message()).unwrap();
    let mut out = Vec::new();
    prepared.put(&mut out, &signature, true, &[]);
    out
}

/// A DVC for the request, all well.
pub(crate) fn dvc(request: &Request) -> Dvc {
    sign(DvcContent::new(request, &finding(&request.asked, false), &grant()).unwrap())
}
