//! A digest with its algorithm: MessageImprint of RFC 3161, DigestInfo of RFC 3029, the same octets.

use super::der;
use super::read::{Reader, Value};
use crate::digest::ImprintAlgorithm;

/// The digest of a document, as a request gave it and as the answer repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imprint {
    /// How it was made.
    pub algorithm: ImprintAlgorithm,
    /// True if the algorithm came with NULL parameters, false if with none; the answer repeats either.
    pub null_parameters: bool,
    /// As long as the algorithm's output.
    pub digest: Vec<u8>,
}

/// Why a value is no imprint that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImprintFault {
    /// Not an algorithm and an octet string.
    Malformed,
    /// The hash algorithm is not known.
    Algorithm,
    /// It has parameters other than NULL.
    Parameters,
    /// The digest has another length than the algorithm's output.
    Length {
        /// What the algorithm gives, octets.
        expected: usize,
        /// What there is, octets.
        found: usize,
    },
}

impl Imprint {
    /// An imprint without parameters; `None` if `digest` has another length than the algorithm's output.
    #[must_use]
    pub fn new(algorithm: ImprintAlgorithm, digest: &[u8]) -> Option<Self> {
        (digest.len() == algorithm.output_bytes()).then(|| Self {
            algorithm,
            null_parameters: false,
            digest: digest.to_vec(),
        })
    }

    /// Reads a value in DER.
    ///
    /// # Errors
    /// [`ImprintFault`], the first in the order of the variants.
    pub fn read(value: &Value<'_>) -> Result<Self, ImprintFault> {
        let parts = || {
            let mut both = Reader::new(value.content);
            let mut algorithm = Reader::new(both.take(der::SEQUENCE)?.content);
            let oid = algorithm.take(der::OID)?.content;
            let parameters = if algorithm.is_at_end() { None } else { Some(algorithm.value()?.der) };
            let digest = both.take(der::OCTET_STRING)?.content;
            (value.tag == der::SEQUENCE && both.is_at_end() && algorithm.is_at_end())
                .then_some((oid, parameters, digest))
        };
        let (oid, parameters, digest) = parts().ok_or(ImprintFault::Malformed)?;
        let algorithm = ImprintAlgorithm::from_oid(oid).ok_or(ImprintFault::Algorithm)?;
        let null_parameters = match parameters {
            None => false,
            Some([0x05, 0x00]) => true,
            Some(_) => return Err(ImprintFault::Parameters),
        };
        if digest.len() != algorithm.output_bytes() {
            return Err(ImprintFault::Length { expected: algorithm.output_bytes(), found: digest.len() });
        }
        Ok(Self { algorithm, null_parameters, digest: digest.to_vec() })
    }

    /// Octets of its DER.
    pub(crate) fn der_bytes(&self) -> usize {
        // The algorithm is below 128 octets and so is the whole: 11 or 13, then at most 66.
        let algorithm = 2 + 11 + if self.null_parameters { 2 } else { 0 };
        2 + algorithm + 2 + self.digest.len()
    }

    /// Appends its DER.
    pub(crate) fn put_der(&self, out: &mut Vec<u8>) {
        let parameters: &[u8] = if self.null_parameters { &[0x05, 0x00] } else { &[] };
        der::put_head(out, der::SEQUENCE, self.der_bytes() - 2);
        der::put_head(out, der::SEQUENCE, 11 + parameters.len());
        der::put_head(out, der::OID, 9);
        out.extend_from_slice(self.algorithm.oid());
        out.extend_from_slice(parameters);
        der::put_head(out, der::OCTET_STRING, self.digest.len());
        out.extend_from_slice(&self.digest);
    }
}
