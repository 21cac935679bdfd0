//! What certificates, lists and responses have in common: octets as they were received, of which a part is signed.

use std::ops::Range;

use super::ObjectId;
use super::certificate::ReadFault;
use super::fields::{need, only, whole_octets};
use crate::asn1::der;
use crate::asn1::read::Reader;
use crate::crypto::SignatureScheme;
use crate::digest::Digest;

/// The octets of something signed. Nothing is verified.
#[derive(Clone, Debug)]
pub struct Signed {
    der: Vec<u8>,
    digest: Digest,
    tbs: Range<usize>,
    identifier: Range<usize>,
    scheme: Option<SignatureScheme>,
    signature: Vec<u8>,
    agrees: bool,
}

impl Signed {
    /// Algorithm and signature, which follow `tbs`; all are slices of `whole`. `inside` is the algorithm that the signed part names, if
    /// it names one.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        whole: &[u8],
        tbs: &[u8],
        inside: Option<&[u8]>,
    ) -> Result<Self, ReadFault> {
        let identifier = need(reader, der::SEQUENCE, "signatureAlgorithm")?;
        let bits = need(reader, der::BIT_STRING, "signature")?;
        // Every scheme's signatures are whole octets. Of one that is not nothing is kept, and nothing verifies by no key: that it
        // is bad is told with all else.
        let signature = whole_octets(bits.content).unwrap_or_default().to_vec();
        Ok(Self {
            der: whole.to_vec(),
            digest: Digest::of(whole),
            tbs: range(whole, tbs),
            identifier: range(whole, identifier.der),
            scheme: SignatureScheme::from_identifier_der(identifier.der),
            signature,
            agrees: inside.is_none_or(|inside| same_algorithm(inside, identifier.der)),
        })
    }

    /// As it was received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of its octets.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// What is signed.
    #[must_use]
    pub fn tbs(&self) -> &[u8] {
        &self.der[self.tbs.clone()]
    }

    /// How it is signed; `None` for an algorithm that is not verified here.
    #[must_use]
    pub const fn scheme(&self) -> Option<SignatureScheme> {
        self.scheme
    }

    /// The identifier of the algorithm by which it is signed, dotted.
    #[must_use]
    pub fn algorithm(&self) -> String {
        let content = only(&self.der[self.identifier.clone()], der::SEQUENCE).map_or(&[][..], |value| value.content);
        let id = Reader::new(content).take(der::OID).and_then(|id| ObjectId::from_content(id.content));
        id.map_or_else(|| "malformed".to_owned(), |id| id.to_string())
    }

    /// False if the signed part names another signature algorithm; true where it names none.
    #[must_use]
    pub const fn algorithms_agree(&self) -> bool {
        self.agrees
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// Equal, or both known and the same: absent and NULL parameters are confused by many.
fn same_algorithm(a: &[u8], b: &[u8]) -> bool {
    let scheme = SignatureScheme::from_identifier_der;
    a == b || scheme(a).is_some_and(|known| scheme(b) == Some(known))
}

/// Where `part` lies in `whole`, of which it is a slice.
pub(super) fn range(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}
