//! Statements of our own profile ([`crate::statement`]): the certificate is the caller's to give, since the header names a key only.

use std::sync::Arc;

use super::chain::{Evaluation, algorithm, evaluate};
use super::constraint;
use super::context::{Context, Role};
use super::indication::SubIndication;
use super::judge::{Proof, settle};
use super::report::{Answers, Coverage, Kind, SignatureReport};
use crate::crypto::jose::{Algorithm, Key};
use crate::crypto::{Hash, SignatureScheme};
use crate::digest::Digest;
use crate::path::Certificate;
use crate::statement::Jws;
use crate::time::Timestamp;

/// Judges the statement.
pub(super) fn signatures(
    context: &mut Context<'_>,
    bytes: &[u8],
    tokens: &[Vec<u8>],
) -> Result<Vec<SignatureReport>, String> {
    let jws = Jws::parse(bytes).map_err(|fault| fault.to_string())?;
    let value = Digest::of(bytes);
    let mut reports =
        super::outer_timestamps(context, bytes, tokens, |context, at, by| context.proofs.add(value, at, by));
    let name = jws.key_id().to_string();
    let mut report = SignatureReport::new(name, Kind::Signature, context.now);
    report.coverage = vec![Coverage::Payload { digest: jws.x() }];
    report.claimed_time = Some(Timestamp::from_millis(jws.common().iat.get()));
    report.best_time = context.proofs.of(value);

    let (mut answers, mut subs) = (Answers::default(), Vec::new());
    let found = signer(context, &jws);
    let lacks = || format!("no certificate of the key {} is at hand", jws.key_id());
    if !answers.note(constraint::CERTIFICATE, None, found.as_ref().map(drop).ok_or_else(lacks)) {
        subs.push(SubIndication::NoSigningCertificateFound);
    }
    if let Some((certificate, key)) = &found {
        report.signer = Some((&**certificate).into());
        if !answers.note(constraint::VALUE, None, jws.verify(key).map_err(|fault| fault.to_string())) {
            subs.push(SubIndication::SigCryptoFailure { certificate: (&**certificate).into() });
        }
    } else {
        answers.skip(constraint::VALUE, None, "the signing certificate is not at hand");
    }
    let own_tokens: Vec<Digest> = reports.iter().filter_map(|report| report.token).collect();
    let proof = Proof { signed_after: None, binds_certificate: false, own_tokens: &own_tokens };
    let scheme = scheme(jws.algorithm());
    settle(context, &mut report, answers, subs, &proof, &mut |context, moment| {
        let Some((certificate, _)) = &found else { return Evaluation::default() };
        let mut evaluation = evaluate(context, certificate, Role::Signer, moment);
        let refusals = match certificate.key() {
            Ok(key) => context.policy.algorithms.judge_signature(scheme, key.kind(), moment.at),
            Err(_) => Vec::new(),
        };
        for refusal in &refusals {
            evaluation.answers.note(constraint::ALGORITHMS, None, Err(refusal.to_string()));
            let material = format!("the signature: {}", refusal.matter);
            evaluation.subs.push(algorithm(material, refusal.until, moment.signed_after));
        }
        if refusals.is_empty() {
            evaluation.answers.note(constraint::ALGORITHMS, None, Ok(()));
        }
        evaluation
    });
    reports.push(report);
    Ok(reports)
}

/// The certificate at hand whose key has the name in the header; of several, the one that ends last.
fn signer(context: &Context<'_>, jws: &Jws) -> Option<(Arc<Certificate>, Key)> {
    let certificates = context.material.certificates().iter();
    let of_key = certificates.filter_map(|certificate| {
        let key = Key::from_spki_der(certificate.spki()).ok()?;
        (key.thumbprint() == jws.key_id()).then(|| (certificate.clone(), key))
    });
    of_key.max_by_key(|(certificate, _)| (certificate.validity().not_after, certificate.digest()))
}

/// How the policy names what JOSE names otherwise.
const fn scheme(algorithm: Algorithm) -> SignatureScheme {
    match algorithm {
        Algorithm::Es256 => SignatureScheme::Ecdsa(Hash::Sha256),
        Algorithm::Es384 => SignatureScheme::Ecdsa(Hash::Sha384),
        Algorithm::EdDsa => SignatureScheme::Ed25519,
        Algorithm::Ps256 => SignatureScheme::RsaPss { hash: Hash::Sha256, mask_hash: Hash::Sha256, salt_bytes: 32 },
    }
}
