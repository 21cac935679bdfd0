//! Formats that several modules read or write and that no crate of ours brings: a few lines of DER, read and written,
//! ESS SigningCertificateV2 (RFC 5035), and numbers that rasn would turn into big integers.
//!
//! Nothing here decides or signs, so both producers and [`crate::verify`] may use it.

pub mod ber;
pub mod der;
mod imprint;
pub mod oid;
pub mod pem;
mod policy;
pub mod read;

pub use imprint::{Imprint, ImprintFault};
pub use policy::{ParsePolicyError, PolicyId, TEST_POLICY, TEST_POLICY_WITH_TOKEN};

pub use rasn::types::ObjectIdentifier;

use rasn::prelude::*;
use rasn_pkix::{AlgorithmIdentifier, GeneralNames};

/// An INTEGER as its content octets, whatever its size; the nonce of a request is one.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
#[rasn(delegate, tag(universal, 2))]
pub struct RawInteger(pub OctetString);

/// An OBJECT IDENTIFIER as its content octets, so that arcs above 2^32 (2.25.…) are no error.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
#[rasn(delegate, tag(universal, 6))]
pub struct RawOid(pub OctetString);

impl RawOid {
    /// True for content octets that X.690 §8.19 permits: not empty, each arc complete and without leading zero bits.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        read::is_oid(&self.0)
    }
}

/// An AlgorithmIdentifier with its OID as content octets.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
pub struct RawAlgorithm {
    /// The algorithm.
    pub algorithm: RawOid,
    /// Its parameters, if any.
    pub parameters: Option<Any>,
}

/// SigningCertificateV2, RFC 5035 §3: binds a signature to its certificate.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct SigningCertificateV2 {
    /// The signer's certificate first; ours lists no other.
    pub certs: SequenceOf<EssCertIdV2>,
    /// Never used.
    pub policies: Option<SequenceOf<rasn_pkix::PolicyInformation>>,
}

/// ESSCertIDv2, RFC 5035 §4.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct EssCertIdV2 {
    /// Absent for SHA-256, the DEFAULT.
    pub hash_algorithm: Option<AlgorithmIdentifier>,
    /// Hash of the whole certificate.
    pub cert_hash: OctetString,
    /// Issuer and serial number of the certificate.
    pub issuer_serial: Option<IssuerSerial>,
}

/// IssuerSerial, RFC 5035 §5.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct IssuerSerial {
    /// The issuer as one directoryName.
    pub issuer: GeneralNames,
    /// The certificate's serial number.
    pub serial_number: RawInteger,
}

/// Decodes DER and demands that encoding it again gives the same bytes, so that there is one spelling only (spec §3).
/// `None` for anything else.
#[must_use]
pub fn decode_strict<T: Decode + Encode>(bytes: &[u8]) -> Option<T> {
    let value = rasn::der::decode::<T>(bytes).ok()?;
    (rasn::der::encode(&value).ok()? == bytes).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_types_keep_their_content() {
        let number: RawInteger = rasn::der::decode(&[0x02, 0x03, 0x00, 0x00, 0x05]).unwrap();
        assert_eq!(&number.0[..], [0, 0, 5]);
        assert_eq!(rasn::der::encode(&number).unwrap(), [0x02, 0x03, 0x00, 0x00, 0x05]);
        assert!(rasn::der::decode::<RawInteger>(&[0x04, 0x01, 0x00]).is_err());
        // 2.25 with an arc of 2^127: rasn's own type cannot hold it.
        let long = [&[0x06, 0x14, 0x69, 0x82][..], &[0x80; 17], &[0x00]].concat();
        let oid: RawOid = rasn::der::decode(&long).unwrap();
        assert!(oid.is_well_formed());
        for bad in [&[][..], &[0x80, 0x01], &[0x2A, 0x86], &[0x2A, 0x80, 0x01]] {
            assert!(!RawOid(OctetString::from(bad)).is_well_formed());
        }
    }

    #[test]
    fn strict_means_one_spelling() {
        assert_eq!(decode_strict::<Integer>(&[0x02, 0x01, 0x05]), Some(Integer::from(5)));
        assert_eq!(decode_strict::<Integer>(&[0x02, 0x02, 0x00, 0x05]), None);
        assert_eq!(decode_strict::<Integer>(&[0x02, 0x81, 0x01, 0x05]), None);
        assert_eq!(decode_strict::<Integer>(&[0x02, 0x01, 0x05, 0x00]), None);
    }
}
