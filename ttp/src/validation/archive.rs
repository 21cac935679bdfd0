//! archive-time-stamp-v3 with ats-hash-index-v3 (ETSI EN 319 122-1 §5.5.2, 5.5.3): a timestamp over a CAdES signature, its
//! content, and the certificates, revocation data and unsigned attributes that its index names.

use std::collections::BTreeSet;

use super::constraint;
use super::context::Context;
use super::indication::SubIndication;
use super::judge::{Datum, each_of_attribute};
use super::report::Answers;
use super::signer::Signed;
use super::token::TstInfo;
use crate::asn1::ber::Reader;
use crate::asn1::der;
use crate::cms::{Algorithm, SignedData, oids, other_revocation};
use crate::crypto::Hash;
use crate::digest::Digest;
use crate::time::Timestamp;

/// ATSHashIndexV3.
struct Index<'a> {
    hash: Hash,
    certificates: BTreeSet<&'a [u8]>,
    crls: BTreeSet<&'a [u8]>,
    attributes: BTreeSet<&'a [u8]>,
    whole: &'a [u8],
}

impl<'a> Index<'a> {
    /// Out of the unsigned attributes of the token.
    fn of(token: &SignedData<'a>) -> Result<Self, String> {
        let signer = token.signers.first().ok_or("the token has no signer")?;
        let value = signer.unsigned.only(oids::ATS_HASH_INDEX_V3)?.ok_or("the token has no ats-hash-index-v3")?;
        Self::parse(value).ok_or_else(|| "ats-hash-index-v3 does not read".to_owned())
    }

    fn parse(whole: &'a [u8]) -> Option<Self> {
        let mut fields = Reader::new(whole).take(der::SEQUENCE)?.inside();
        let hash = Hash::from_oid(Algorithm::take(&mut fields)?.oid)?;
        let mut list = || {
            let mut values = fields.take(der::SEQUENCE)?.inside();
            let mut hashes = BTreeSet::new();
            while !values.is_at_end() {
                hashes.insert(values.take(der::OCTET_STRING)?.content);
            }
            Some(hashes)
        };
        let (certificates, crls, attributes) = (list()?, list()?, list()?);
        fields.is_at_end().then_some(Self { hash, certificates, crls, attributes, whole })
    }

    /// The hash of an attribute's value: its type, then the value, both as they stand.
    fn attribute(&self, oid: &[u8], value: &[u8]) -> Vec<u8> {
        self.hash.of(&[&der::tlv(der::OID, oid)[..], value].concat())
    }

    /// Every hash of the index must be of something that is there (§5.5.2): else it was taken away, which the timestamp was
    /// to prevent.
    fn is_of(&self, signed: &Signed<'_, '_>) -> Result<(), String> {
        let hashes = |members: &[&[u8]]| members.iter().map(|member| self.hash.of(member)).collect::<BTreeSet<_>>();
        let attributes = signed.signer.unsigned.iter();
        let attributes = attributes.flat_map(|attribute| attribute.values.iter().map(|value| (attribute.oid, *value)));
        let attributes: BTreeSet<_> = attributes.map(|(oid, value)| self.attribute(oid, value)).collect();
        for (what, named, there) in [
            ("a certificate", &self.certificates, hashes(&signed.data.certificate_members)),
            ("revocation data", &self.crls, hashes(&signed.data.crl_members)),
            ("an unsigned attribute", &self.attributes, attributes),
        ] {
            if named.iter().any(|hash| !there.contains(*hash)) {
                return Err(format!("its index names {what} that is not there"));
            }
        }
        Ok(())
    }
}

/// Whether the token is over this signature.
pub(super) fn check(
    tst: &TstInfo<'_>,
    signed: &Signed<'_, '_>,
    token: &SignedData<'_>,
    answers: &mut Answers,
    subs: &mut Vec<SubIndication>,
) -> Result<(), String> {
    let index = match Index::of(token) {
        Ok(index) => index,
        Err(why) => {
            answers.note(constraint::INDEX, None, Err(why.clone()));
            subs.push(SubIndication::FormatFailure { why: why.clone() });
            return Err(why);
        }
    };
    if !answers.note(constraint::INDEX, None, index.is_of(signed)) {
        subs.push(SubIndication::HashFailure { element: "what the index of the archive timestamp names".to_owned() });
    }
    let content = signed.content.as_deref().ok_or("the signed content is not at hand")?;
    let hash = tst.hash.ok_or("the hash of its imprint is not known")?;
    let digest = hash.of(content);
    let mut message = vec![signed.data.content_type_value, &digest];
    message.extend(&signed.signer.fields);
    message.push(index.whole);
    if tst.is_over(&message.concat()) { Ok(()) } else { Err("the archive timestamp is for something else".to_owned()) }
}

/// Notes what a token that passed proves to have existed: the signature, and what its index names.
pub(super) fn prove(context: &mut Context<'_>, signed: &Signed<'_, '_>, token: &[u8], passed: (Timestamp, Digest)) {
    let (at, by) = passed;
    let Ok(data) = SignedData::from_ber(token) else { return };
    let Ok(index) = Index::of(&data) else { return };
    context.proofs.add(Digest::of(&signed.signer.signature), at, by);
    for member in &signed.data.certificate_members {
        if index.certificates.contains(index.hash.of(member).as_slice()) {
            context.proofs.add(Digest::of(member), at, by);
        }
    }
    for member in &signed.data.crl_members {
        if index.crls.contains(index.hash.of(member).as_slice()) {
            context.proofs.add(Digest::of(member), at, by);
            if let Some(response) = other_revocation(member) {
                context.proofs.add(Digest::of(&response), at, by);
            }
        }
    }
    for attribute in signed.signer.unsigned.iter() {
        for value in &attribute.values {
            if index.attributes.contains(index.attribute(attribute.oid, value).as_slice()) {
                each_of_attribute(attribute.oid, value, 0, &mut |datum| {
                    let (Datum::Certificate(octets)
                    | Datum::Crl(octets)
                    | Datum::Ocsp(octets)
                    | Datum::Signature(octets)) = datum;
                    context.proofs.add(Digest::of(octets), at, by);
                });
            }
        }
    }
}
