//! The forms in which a unit may have released a token: what an entry's digest can be of.
//!
//! A token that verifies can still be another file than the one that was released: whoever holds it may take the
//! certificates out or put them in, since no signature covers them. All else of it has one form (strict DER of the profile,
//! low-s signatures, nothing unsigned). So there are two candidates: without certificates, and with those of the unit and
//! its chain.

use rasn::types::{Any, SetOf};
use rasn_cms::{CertificateChoices, ContentInfo, SignedData};

use super::Trust;
use super::token::{Token, find_signer};
use crate::asn1::decode_strict;
use crate::crypto::{PublicKey, SignatureAlgorithm, Verifier as _};
use crate::digest::Digest;
use crate::x509::{Certificate, encode};

/// A token as its unit may have released it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// Of the DER of the unit's certificate.
    pub unit: Digest,
    /// Of both forms of the token.
    pub forms: [Digest; 2],
}

/// The forms of a token that verifies under `trust`; `None` if the certificates of its unit are not all known, or more of them
/// than can be, so that the second form cannot be made.
#[must_use]
pub fn released(token: &[u8], trust: &Trust) -> Option<Released> {
    let read = Token::parse(token).ok()?;
    let (_, signer) = find_signer(&read, trust).ok()?;
    // A CA that was rolled over has several certificates under one name: the one that signed. Of one key that was certified twice
    // nobody can tell which certificate the unit sent along.
    let issuer_of = |certificate: &Certificate| {
        let helpers = trust.chain.iter().chain(&read.certificates);
        let mut found: Vec<&Certificate> = helpers.filter(|helper| is_issued_by(certificate, helper)).collect();
        found.sort_by_key(|helper| helper.der());
        found.dedup_by_key(|helper| helper.der());
        <[&Certificate; 1]>::try_from(found).ok().map(|[only]| only)
    };
    let mut set = vec![signer];
    let mut last = signer;
    while last.issuer() != trust.root.subject() {
        last = issuer_of(last).filter(|_| set.len() < CHAIN_MAX)?;
        set.push(last);
    }
    let forms = [Digest::of(&rebuild(token, &[])?), Digest::of(&rebuild(token, &set)?)];
    Some(Released { unit: signer.digest(), forms })
}

/// Certificates between a unit and the root, the unit included; a loop of issuers ends here.
const CHAIN_MAX: usize = 8;

/// By name and signature.
fn is_issued_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    let signed = certificate.decoded();
    issuer.is_ca()
        && issuer.subject() == certificate.issuer()
        && PublicKey::from_spki_der(&issuer.spki_der()).is_ok_and(|key| {
            SignatureAlgorithm::from_identifier_der(&encode(&signed.signature_algorithm)) == Some(key.algorithm())
                && key.verify(&encode(&signed.tbs_certificate), signed.signature_value.as_raw_slice())
        })
}

/// The same token with these certificates.
fn rebuild(token: &[u8], certificates: &[&Certificate]) -> Option<Vec<u8>> {
    let mut content_info: ContentInfo = decode_strict(token)?;
    let mut signed: SignedData = decode_strict(content_info.content.as_bytes())?;
    let choice = |certificate: &&Certificate| CertificateChoices::Certificate(Box::new(certificate.decoded().clone()));
    signed.certificates = match certificates {
        [] => None,
        some => Some(SetOf::from_vec(some.iter().map(choice).collect())),
    };
    content_info.content = Any::new(encode(&signed));
    Some(encode(&content_info))
}
