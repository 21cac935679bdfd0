//! Certification paths (RFC 5280 §6) and CRLs, judged by libcrypto's strict verifier.

use std::sync::LazyLock;

use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509Crl, X509PurposeId, X509StoreContext, X509VerifyResult};
use quick_cache::sync::Cache;

use super::CryptoFault;
use crate::time::Timestamp;

/// What the end certificate is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Timestamp tokens: critical sole EKU timeStamping.
    Timestamping,
    /// TLS client authentication.
    Client,
    /// TLS server authentication.
    Server,
    /// None in particular: only the path is judged.
    Any,
}

/// Why a path does not lead to the root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// A certificate does not read.
    #[error("a certificate does not read")]
    Malformed,
    /// The verifier's judgement, and on which certificate, counted from the end certificate.
    #[error("{reason} (certificate {depth} of the path)")]
    Refused {
        /// libcrypto's words.
        reason: &'static str,
        /// 0 for the end certificate.
        depth: u32,
    },
    /// libcrypto failed for another reason.
    #[error("{0}")]
    Crypto(#[from] CryptoFault),
}

/// Certificates of issuers as they were read: libcrypto 3 spends twice as long on reading one as on verifying with its key, and each path of a
/// house leads over the same few. It is by all their octets that they are found again.
static ISSUERS: LazyLock<Cache<Vec<u8>, X509>> = LazyLock::new(|| Cache::new(ISSUERS_MAX));

/// How many are kept, and how long one may be, octets: half a megabyte at most.
const ISSUERS_MAX: usize = 64;
const ISSUER_BYTES_MAX: usize = 8 << 10;

fn issuer(der: &[u8]) -> Result<X509, ChainFault> {
    let read = || X509::from_der(der).map_err(|_| ChainFault::Malformed);
    if der.len() > ISSUER_BYTES_MAX {
        return read();
    }
    if let Some(found) = ISSUERS.get(der) {
        return Ok(found);
    }
    let read = read()?;
    ISSUERS.insert(der.to_vec(), read.clone());
    Ok(read)
}

/// Verifies that `end` chains over some of `intermediates` to `root` at the moment `at`, for `purpose`, by the strict
/// rules of RFC 5280. All in DER. Nothing but `root` is trusted; revocation is not looked at.
///
/// # Errors
/// [`ChainFault`].
pub fn verify_chain(
    end: &[u8],
    intermediates: &[Vec<u8>],
    root: &[u8],
    at: Timestamp,
    purpose: Purpose,
) -> Result<(), ChainFault> {
    let read = |der: &[u8]| X509::from_der(der).map_err(|_| ChainFault::Malformed);
    let end = read(end)?;
    let root = issuer(root)?;
    let middle = intermediates.iter().map(|der| issuer(der)).collect::<Result<Vec<_>, _>>()?;
    let verdict = (|| {
        let store = store_for(root, at, purpose)?;
        let mut chain = Stack::new()?;
        for certificate in middle {
            chain.push(certificate)?;
        }
        let mut context = X509StoreContext::new()?;
        context.init(&store, &end, &chain, |c| {
            c.verify_cert()?;
            Ok((c.error(), c.error_depth()))
        })
    })();
    match verdict.map_err(CryptoFault::from_stack("verifying a certification path"))? {
        (X509VerifyResult::OK, _) => Ok(()),
        (result, depth) => Err(ChainFault::Refused { reason: result.error_string(), depth }),
    }
}

/// Verifies that `certificate` is signed by the key of `issuer` and names it, and nothing else. Both in DER.
///
/// # Errors
/// [`ChainFault`].
pub fn verify_issued(certificate: &[u8], issuer: &[u8]) -> Result<(), ChainFault> {
    let certificate = X509::from_der(certificate).map_err(|_| ChainFault::Malformed)?;
    let issuer = self::issuer(issuer)?;
    let checked = (|| {
        let same_name = certificate.issuer_name().try_cmp(issuer.subject_name())?.is_eq();
        Ok((same_name, certificate.verify(&*issuer.public_key()?)?))
    })();
    match checked.map_err(CryptoFault::from_stack("verifying a certificate"))? {
        (false, _) => Err(ChainFault::Refused { reason: "the certificate names another issuer", depth: 0 }),
        (true, false) => Err(ChainFault::Refused { reason: "certificate signature failure", depth: 0 }),
        (true, true) => Ok(()),
    }
}

/// Verifies that `crl` is signed by the key of `issuer` and names it. Both in DER.
///
/// # Errors
/// [`ChainFault`].
pub fn verify_crl(crl: &[u8], issuer: &[u8]) -> Result<(), ChainFault> {
    let crl = X509Crl::from_der(crl).map_err(|_| ChainFault::Malformed)?;
    let issuer = self::issuer(issuer)?;
    let checked = (|| {
        let same_name = crl.issuer_name().try_cmp(issuer.subject_name())?.is_eq();
        Ok((same_name, crl.verify(&*issuer.public_key()?)?))
    })();
    match checked.map_err(CryptoFault::from_stack("verifying a CRL"))? {
        (false, _) => Err(ChainFault::Refused { reason: "the CRL names another issuer", depth: 0 }),
        (true, false) => Err(ChainFault::Refused { reason: "CRL signature failure", depth: 0 }),
        (true, true) => Ok(()),
    }
}

pub(super) fn store_for(root: X509, at: Timestamp, purpose: Purpose) -> Result<X509Store, openssl::error::ErrorStack> {
    let mut param = X509VerifyParam::new()?;
    // A time that does not fit cannot occur: Timestamp ends in the year 9999.
    param.set_time(at.secs() as i64);
    param.set_flags(X509VerifyFlags::X509_STRICT)?;
    param.set_purpose(match purpose {
        Purpose::Timestamping => X509PurposeId::TIMESTAMP_SIGN,
        Purpose::Client => X509PurposeId::SSL_CLIENT,
        Purpose::Server => X509PurposeId::SSL_SERVER,
        Purpose::Any => X509PurposeId::ANY,
    })?;
    let mut builder = X509StoreBuilder::new()?;
    builder.add_cert(root)?;
    builder.set_param(&param)?;
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{OCSP, PKI, start};

    /// The CA's certificate with another signature at its end.
    fn forged(number: usize) -> Vec<u8> {
        let mut der = PKI.ca.der().to_vec();
        let end = der.len() - 2;
        der[end] ^= 1 + u8::try_from(number % 200).unwrap();
        der
    }

    #[test]
    fn issuers_are_known_again_by_all_their_octets_and_not_too_many_are_kept() {
        let (end, root, at) = (OCSP.1.der(), PKI.root.der(), start().plus_secs(60));
        let by = |ca: Vec<u8>| verify_chain(end, &[ca], root, at, Purpose::Any);
        for _ in 0..2 {
            assert_eq!(by(PKI.ca.der().to_vec()), Ok(()));
            assert!(matches!(by(forged(0)), Err(ChainFault::Refused { .. })));
            assert_eq!(by(b"none".to_vec()), Err(ChainFault::Malformed));
        }
        for number in 0..ISSUERS_MAX * 2 {
            assert_eq!(issuer(&forged(number)).unwrap().to_der().unwrap(), forged(number));
        }
        assert!(ISSUERS.len() <= ISSUERS_MAX, "{}", ISSUERS.len());
    }
}
