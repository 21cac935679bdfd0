//! COSE Receipts (RFC 9942) with the claims of RFC 9943, verifiable data structure RFC9162_SHA256.
//!
//! ```text
//! 18([ protected  { 1: -7, 4: kid, 15: {1: issuer, 2: origin}, 395: 1, -70962: tree size },
//!      unprotected { 396: { -1: [ << [tree_size, leaf_index, [+ hash]] >> ] } }      (-2 for consistency)
//!      payload     nil for inclusion, the newer root for consistency,
//!      signature   ES256 over the root ])
//! ```
//!
//! The protected header is equal for all entries of a commit group, so one signature serves every receipt of it. RFC 9942
//! leaves tree size and index unprotected, and a root commits to neither; our private label puts the size under the
//! signature, and [`verify_inclusion`] demands that both agree, which fixes the index too.

use ciborium::Value;
use coset::{
    CborSerializable, CoseSign1, CoseSign1Builder, Header, HeaderBuilder, Label, ProtectedHeader, SignatureContext,
    TaggedCborSerializable, iana, sig_structure_data,
};

use super::{GroupHead, LogIdentity};
use crate::{
    merkle::{Hash, sha256},
    port::{Algorithm, Signature, Signer, SigningFailed, Verifier},
    proof::{self, Unproven, inclusion_length},
    receipt::tlog_proof::PATH_MAX,
};

/// Media type of a receipt on its own.
pub const MEDIA_TYPE: &str = "application/scitt-receipt+cose";

const CWT_CLAIMS: i64 = 15;
const VDS: i64 = 395;
const VDS_RFC9162_SHA256: i64 = 1;
const VDP: i64 = 396;
const INCLUSION: i64 = -1;
const CONSISTENCY: i64 = -2;
/// Ours, from the range for private use (below -65536); away from its first numbers, which others have taken.
const TREE_SIZE: i64 = -70_962;

/// The longest receipt that is read, in bytes: a full path, headers and names of sensible length.
const RECEIPT_BYTES_MAX: usize = 16 << 10;

/// RFC 9679 thumbprint of a P-256 key: SHA-256 of its deterministic COSE_Key with the required members alone.
///
/// # Panics
/// If `point` is not an uncompressed P-256 point (65 bytes): keys are checked when they are loaded.
pub fn key_id(point: &[u8]) -> Hash {
    let (x, y) = coordinates(point);
    let mut key = vec![0xa4, 0x01, 0x02, 0x20, 0x01, 0x21, 0x58, 0x20]; // {1: 2, -1: 1, -2: x
    key.extend_from_slice(x);
    key.extend_from_slice(&[0x22, 0x58, 0x20]); // -3: y}
    key.extend_from_slice(y);
    sha256(&key)
}

fn coordinates(point: &[u8]) -> (&[u8], &[u8]) {
    assert!(point.len() == 65 && point[0] == 4, "an uncompressed P-256 point");
    point[1..].split_at(32)
}

fn protected(identity: &LogIdentity, size: u64) -> Header {
    let claims = Value::Map(vec![
        (Value::from(1), Value::from(identity.issuer.as_str())),
        (Value::from(2), Value::from(identity.origin())),
    ]);
    HeaderBuilder::new()
        .algorithm(iana::Algorithm::ES256)
        .key_id(key_id(&identity.receipt_key).to_vec())
        .value(CWT_CLAIMS, claims)
        .value(VDS, Value::from(VDS_RFC9162_SHA256))
        .value(TREE_SIZE, Value::from(size))
        .build()
}

/// What [`sign`] signs for a tree of `size` leaves with this root.
fn to_be_signed(identity: &LogIdentity, size: u64, root: &Hash) -> Vec<u8> {
    let header = ProtectedHeader { original_data: None, header: protected(identity, size) };
    sig_structure_data(SignatureContext::CoseSign1, header, None, &[], root)
}

/// Signs the root of a group for all its receipts.
pub fn sign(identity: &LogIdentity, size: u64, root: &Hash, signer: &dyn Signer) -> Result<Signature, SigningFailed> {
    signer.sign(&to_be_signed(identity, size, root))
}

/// Checks the signature that [`sign`] gave for `head`.
pub fn verify_head(identity: &LogIdentity, head: &GroupHead, verifier: &dyn Verifier) -> bool {
    let signed = to_be_signed(identity, head.size, &head.root);
    verifier.verify(Algorithm::Es256, &identity.receipt_key, &signed, &head.receipt_signature)
}

/// The receipt of entry `index` under `head`.
///
/// # Panics
/// If `path` is empty: `[+ bstr]` has no encoding for a tree of one leaf.
pub fn inclusion(identity: &LogIdentity, head: &GroupHead, index: u64, path: &[Hash]) -> Vec<u8> {
    encode(identity, head, None, INCLUSION, [head.size, index], path)
}

/// The receipt that the tree of `from` leaves is a prefix of the tree under `head`.
///
/// # Panics
/// If `path` is empty: equal sizes, and size 0, have no such receipt.
pub fn consistency(identity: &LogIdentity, head: &GroupHead, from: u64, path: &[Hash]) -> Vec<u8> {
    encode(identity, head, Some(head.root.to_vec()), CONSISTENCY, [from, head.size], path)
}

fn encode(
    identity: &LogIdentity,
    head: &GroupHead,
    payload: Option<Vec<u8>>,
    kind: i64,
    numbers: [u64; 2],
    path: &[Hash],
) -> Vec<u8> {
    assert!(!path.is_empty(), "RFC 9942 has no encoding for an empty path");
    let path = path.iter().map(|hash| Value::from(&hash[..])).collect();
    let proof = Value::Array(vec![Value::from(numbers[0]), Value::from(numbers[1]), Value::Array(path)]);
    let proof = proof.to_vec().expect("CBOR of numbers and bytes");
    let proofs = Value::Map(vec![(Value::from(kind), Value::Array(vec![Value::from(proof)]))]);
    let mut builder = CoseSign1Builder::new()
        .protected(protected(identity, head.size))
        .unprotected(HeaderBuilder::new().value(VDP, proofs).build())
        .signature(head.receipt_signature.to_vec());
    if let Some(payload) = payload {
        builder = builder.payload(payload);
    }
    builder.build().to_tagged_vec().expect("CBOR of what was built here")
}

/// A receipt that cannot be read or does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReceipt {
    /// Not a COSE Receipt of the shape above, in deterministic encoding.
    #[error("not a COSE receipt of an RFC 9162 tree: {0}")]
    Shape(&'static str),
    /// Made by another key, log or service than the one expected.
    #[error("the receipt names another key, log or issuer")]
    Identity,
    /// The signature is wrong.
    #[error("the receipt's signature is wrong")]
    Signature,
    /// The proof is wrong.
    #[error(transparent)]
    Unproven(#[from] Unproven),
}

/// What a verified inclusion receipt proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// Position of the entry.
    pub index: u64,
    /// Size of the tree, as signed.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// Checks that `receipt` proves the entry whose leaf hash is `leaf` in the log `identity`.
pub fn verify_inclusion(
    receipt: &[u8],
    leaf: &Hash,
    identity: &LogIdentity,
    verifier: &dyn Verifier,
) -> Result<Included, BadReceipt> {
    let (sign1, size) = read(receipt)?;
    check_header(&sign1, size, identity)?;
    let (index, path) = read_inclusion(&sign1, size)?;
    let root = proof::inclusion_root(leaf, index, size, &path)?;
    check_signature(&sign1, &root, identity, verifier)?;
    debug_assert_eq!(path.len(), inclusion_length(index, size));
    Ok(Included { index, size, root })
}

/// What an inclusion receipt says of itself: size of the tree, position of the entry. Nothing is verified.
pub fn claimed_position(receipt: &[u8]) -> Result<(u64, u64), BadReceipt> {
    let (sign1, size) = read(receipt)?;
    let (index, _) = read_inclusion(&sign1, size)?;
    Ok((size, index))
}

/// Whom a receipt names as the service that issued it. Nothing is verified.
pub fn claimed_issuer(receipt: &[u8]) -> Result<String, BadReceipt> {
    let (sign1, _) = read(receipt)?;
    let claims = sign1.protected.header.rest.iter().find(|(label, _)| *label == Label::Int(CWT_CLAIMS));
    let claims = claims.and_then(|(_, claims)| claims.as_map());
    let issuer = claims.and_then(|claims| claims.iter().find(|(name, _)| *name == Value::from(1)));
    let issuer = issuer.and_then(|(_, issuer)| issuer.as_text());
    issuer.map(str::to_owned).ok_or(BadReceipt::Shape("no issuer"))
}

/// Checks that `receipt` proves the tree (`from`, `from_root`) to be a prefix of a newer one; gives size and root of that.
pub fn verify_consistency(
    receipt: &[u8],
    (from, from_root): (u64, &Hash),
    identity: &LogIdentity,
    verifier: &dyn Verifier,
) -> Result<(u64, Hash), BadReceipt> {
    let (sign1, size) = read(receipt)?;
    check_header(&sign1, size, identity)?;
    let root = sign1.payload.as_deref().and_then(|payload| Hash::try_from(payload).ok());
    let root = root.ok_or(BadReceipt::Shape("a consistency receipt carries the newer root"))?;
    let (numbers, path) = read_proof(&sign1, CONSISTENCY)?;
    if numbers != [from, size] {
        return Err(BadReceipt::Shape("the proof's sizes are not the ones asked for and signed"));
    }
    proof::verify_consistency((from, from_root), (size, &root), &path)?;
    check_signature(&sign1, &root, identity, verifier)?;
    Ok((size, root))
}

/// Reads the envelope and the size that it states.
fn read(receipt: &[u8]) -> Result<(CoseSign1, u64), BadReceipt> {
    if receipt.len() > RECEIPT_BYTES_MAX {
        return Err(BadReceipt::Shape("too large"));
    }
    let sign1 = CoseSign1::from_tagged_slice(receipt).map_err(|_| BadReceipt::Shape("not a tagged COSE_Sign1"))?;
    if sign1.clone().to_tagged_vec().ok().as_deref() != Some(receipt) {
        return Err(BadReceipt::Shape("not in deterministic encoding"));
    }
    let size = sign1.protected.header.rest.iter().find(|(label, _)| *label == Label::Int(TREE_SIZE));
    let size = size.and_then(|(_, size)| size.as_integer()).and_then(|size| u64::try_from(size).ok());
    let size = size.ok_or(BadReceipt::Shape("no signed tree size"))?;
    // Beside the proof, nothing: an algorithm, key or demand that nobody signed is none to be passed over in silence.
    if sign1.unprotected != (Header { rest: sign1.unprotected.rest.clone(), ..Header::default() }) {
        return Err(BadReceipt::Shape("more in the unprotected header than the proof"));
    }
    Ok((sign1, size))
}

/// The protected header must be byte for byte the one of this log at this size. That settles algorithm, kid, claims,
/// structure, and that nothing critical is added.
fn check_header(sign1: &CoseSign1, size: u64, identity: &LogIdentity) -> Result<(), BadReceipt> {
    let due = protected(identity, size);
    if sign1.protected.header != due {
        return Err(BadReceipt::Identity);
    }
    if sign1.protected.original_data != due.to_vec().ok() {
        return Err(BadReceipt::Shape("the protected header is not in deterministic encoding"));
    }
    Ok(())
}

/// The index that an inclusion receipt states, and its path.
fn read_inclusion(sign1: &CoseSign1, size: u64) -> Result<(u64, Vec<Hash>), BadReceipt> {
    if sign1.payload.is_some() {
        return Err(BadReceipt::Shape("an inclusion receipt carries no payload"));
    }
    let ([tree_size, index], path) = read_proof(sign1, INCLUSION)?;
    if tree_size != size {
        return Err(BadReceipt::Shape("the proof's tree size is not the one that was signed"));
    }
    Ok((index, path))
}

fn read_proof(sign1: &CoseSign1, kind: i64) -> Result<([u64; 2], Vec<Hash>), BadReceipt> {
    let bad = BadReceipt::Shape("no single proof of the kind asked for");
    let [(Label::Int(VDP), Value::Map(proofs))] = sign1.unprotected.rest.as_slice() else { return Err(bad) };
    let [(found, Value::Array(proofs))] = proofs.as_slice() else { return Err(bad) };
    let [Value::Bytes(bytes)] = proofs.as_slice() else { return Err(bad) };
    if *found != Value::from(kind) {
        return Err(bad);
    }
    let value = Value::from_slice(bytes).map_err(|_| bad)?;
    if value.clone().to_vec().ok().as_ref() != Some(bytes) {
        return Err(BadReceipt::Shape("the proof is not in deterministic encoding"));
    }
    let Value::Array(parts) = value else { return Err(bad) };
    let [Value::Integer(a), Value::Integer(b), Value::Array(path)] = parts.as_slice() else { return Err(bad) };
    let (Ok(a), Ok(b)) = (u64::try_from(*a), u64::try_from(*b)) else { return Err(bad) };
    if path.is_empty() || path.len() > PATH_MAX + 1 {
        return Err(BadReceipt::Shape("the path is empty or too long"));
    }
    let hash = |value: &Value| value.as_bytes().and_then(|bytes| Hash::try_from(bytes.as_slice()).ok());
    let path = path.iter().map(hash).collect::<Option<Vec<_>>>().ok_or(bad)?;
    Ok(([a, b], path))
}

fn check_signature(
    sign1: &CoseSign1,
    root: &Hash,
    identity: &LogIdentity,
    verifier: &dyn Verifier,
) -> Result<(), BadReceipt> {
    let signature = Signature::try_from(sign1.signature.as_slice()).map_err(|_| BadReceipt::Signature)?;
    let signed = sig_structure_data(SignatureContext::CoseSign1, sign1.protected.clone(), None, &[], root);
    let good = verifier.verify(Algorithm::Es256, &identity.receipt_key, &signed, &signature);
    if good { Ok(()) } else { Err(BadReceipt::Signature) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        merkle::leaf_hash,
        testing::{SmallLog, TestVerifier},
    };

    #[test]
    fn a_receipt_proves_its_entry_and_no_other() {
        let log = SmallLog::new(7);
        for index in 0..7u64 {
            let receipt = log.receipt(index).cose(&log.identity);
            for (i, entry) in log.entries.iter().enumerate() {
                let verified = verify_inclusion(&receipt, &leaf_hash(&entry.encode()), &log.identity, &TestVerifier);
                match i as u64 == index {
                    true => assert_eq!(verified, Ok(Included { index, size: 7, root: log.head.root })),
                    false => assert!(verified.is_err()),
                }
            }
        }
    }

    #[test]
    fn header_bytes_are_fixed() {
        let log = SmallLog::new(3);
        let receipt = log.receipt(0).cose(&log.identity);
        let kid = hex::encode(key_id(&log.identity.receipt_key));
        // 18([ <<{1: -7, 4: kid, 15: {1: "https://t", 2: "log"}, 395: 1, -70962: 3}>>, …
        let header =
            format!("a50126045820{kid}0fa2016968747470733a2f2f740263{}19018b013a0001153103", hex::encode("log"));
        let header = hex::decode(header).unwrap();
        assert_eq!(receipt[..3], [0xd2, 0x84, 0x58]);
        assert_eq!(receipt[4..4 + header.len()], header[..], "{}", hex::encode(&receipt));
    }

    #[test]
    fn consistency_between_two_sizes() {
        let log = SmallLog::new(7);
        for from in 1..7 {
            let receipt = consistency(&log.identity, &log.head, from, &log.consistency(from));
            let root = log.root(from);
            let verify = |from, root| verify_consistency(&receipt, (from, root), &log.identity, &TestVerifier);
            assert_eq!(verify(from, &root), Ok((7, log.head.root)));
            assert!(verify(from, &[9; 32]).is_err());
            assert!(verify(from + 1, &root).is_err());
        }
    }

    #[test]
    fn another_log_or_key_is_refused() {
        let (log, other) = (SmallLog::new(4), SmallLog::with_origin(4, "other"));
        let leaf = leaf_hash(&log.entries[1].encode());
        let receipt = log.receipt(1).cose(&log.identity);
        assert_eq!(verify_inclusion(&receipt, &leaf, &other.identity, &TestVerifier), Err(BadReceipt::Identity));
        let mut untagged = receipt.clone();
        untagged.remove(0);
        assert!(matches!(verify_inclusion(&untagged, &leaf, &log.identity, &TestVerifier), Err(BadReceipt::Shape(_))));
        let trailing = [&receipt[..], &[0]].concat();
        assert!(matches!(verify_inclusion(&trailing, &leaf, &log.identity, &TestVerifier), Err(BadReceipt::Shape(_))));
    }

    /// Other bytes under the same signature, or beside it: well-formed, and refused.
    #[test]
    fn one_receipt_has_one_spelling() {
        let log = SmallLog::new(6);
        let leaf = leaf_hash(&log.entries[4].encode());
        let good = CoseSign1::from_tagged_slice(&log.receipt(4).cose(&log.identity)).unwrap();
        let refusal = |change: &dyn Fn(&mut CoseSign1)| {
            let mut sign1 = good.clone();
            change(&mut sign1);
            let bytes = sign1.to_tagged_vec().unwrap();
            verify_inclusion(&bytes, &leaf, &log.identity, &TestVerifier).map(drop)
        };
        assert_eq!(refusal(&|_| ()), Ok(()));
        let shape = |refused: Result<(), BadReceipt>| matches!(refused, Err(BadReceipt::Shape(_)));
        assert!(shape(refusal(&|sign1| sign1.unprotected.alg = sign1.protected.header.alg.clone())));
        assert!(shape(refusal(&|sign1| sign1.unprotected.key_id = sign1.protected.header.key_id.clone())));
        let critical = coset::RegisteredLabelWithPrivate::Assigned(iana::HeaderParameter::Alg);
        assert!(shape(refusal(&|sign1| sign1.unprotected.crit = vec![critical.clone()])));
        assert!(shape(refusal(&|sign1| sign1.unprotected.content_type = Some(coset::ContentType::Text("x".into())))));
        // The map's head in two bytes instead of one: the same header to a parser.
        assert!(shape(refusal(&|sign1| {
            let bytes = sign1.protected.original_data.as_mut().unwrap();
            bytes.splice(0..1, [0xb8, bytes[0] & 0x1f]);
        })));
        // A path longer than any tree has, and none.
        for length in [0, PATH_MAX + 2] {
            let path = Value::Array(vec![Value::from(vec![0u8; 32]); length]);
            let proof = Value::Array(vec![Value::from(6), Value::from(4), path]).to_vec().unwrap();
            let proofs = Value::Map(vec![(Value::from(INCLUSION), Value::Array(vec![Value::from(proof)]))]);
            let refused = refusal(&|sign1| sign1.unprotected.rest = vec![(Label::Int(VDP), proofs.clone())]);
            assert_eq!(refused, Err(BadReceipt::Shape("the path is empty or too long")), "{length}");
        }
    }

    #[test]
    fn a_receipt_says_where_its_entry_stands() {
        let log = SmallLog::new(6);
        assert_eq!(claimed_position(&log.receipt(4).cose(&log.identity)), Ok((6, 4)));
        assert!(claimed_position(b"<html>").is_err());
        let consistent = consistency(&log.identity, &log.head, 4, &log.consistency(4));
        assert!(claimed_position(&consistent).is_err());
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(at: usize, bit in 0u8..8) {
            let log = SmallLog::new(6);
            let leaf = leaf_hash(&log.entries[4].encode());
            let mut receipt = log.receipt(4).cose(&log.identity);
            let at = at % receipt.len();
            receipt[at] ^= 1 << bit;
            prop_assert!(verify_inclusion(&receipt, &leaf, &log.identity, &TestVerifier).is_err());
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let log = SmallLog::new(2);
            prop_assert!(verify_inclusion(&bytes, &[0; 32], &log.identity, &TestVerifier).is_err());
        }
    }
}
