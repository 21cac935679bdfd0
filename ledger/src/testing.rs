//! Keys and a small log for the tests of this crate.

#[cfg(feature = "store")]
pub(crate) mod world;

use std::sync::Arc;

use openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey, EcPoint, PointConversionForm},
    ecdsa::EcdsaSig,
    nid::Nid,
    pkey::{Id, PKey, Private},
    sign::{Signer as OpensslSigner, Verifier as OpensslVerifier},
};

use crate::{
    entry::{Entry, Tags},
    merkle::{Edge, Hash, Tile, TileId, leaf_hash, root_of, sha256},
    note::{NoteSigner, VerifierKey},
    port::{Algorithm, Signature, Signer, SigningFailed, Verifier},
    proof,
    receipt::{GroupHead, LogIdentity, Receipt, cose},
};

/// An Ed25519 key made from a number.
pub(crate) struct Ed25519(PKey<Private>);

impl Ed25519 {
    pub(crate) fn new(seed: u8) -> Self {
        Self(PKey::private_key_from_raw_bytes(&[seed; 32], Id::ED25519).unwrap())
    }

    pub(crate) fn note_signer(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::new(name, Arc::new(Self::new(seed))).unwrap()
    }
}

impl Signer for Ed25519 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    fn public_key(&self) -> Vec<u8> {
        self.0.raw_public_key().unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SigningFailed> {
        Ok(OpensslSigner::new_without_digest(&self.0)
            .unwrap()
            .sign_oneshot_to_vec(message)
            .unwrap()
            .try_into()
            .unwrap())
    }
}

fn p256() -> EcGroup {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()
}

/// A P-256 key made from a number.
pub(crate) struct Es256(EcKey<Private>);

impl Es256 {
    pub(crate) fn new(seed: u8) -> Self {
        let (group, mut context) = (p256(), BigNumContext::new().unwrap());
        let scalar = BigNum::from_slice(&[seed; 32]).unwrap();
        let mut point = EcPoint::new(&group).unwrap();
        point.mul_generator2(&group, &scalar, &mut context).unwrap();
        Self(EcKey::from_private_components(&group, &scalar, &point).unwrap())
    }
}

impl Signer for Es256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Es256
    }

    fn public_key(&self) -> Vec<u8> {
        let mut context = BigNumContext::new().unwrap();
        self.0.public_key().to_bytes(&p256(), PointConversionForm::UNCOMPRESSED, &mut context).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SigningFailed> {
        let signature = EcdsaSig::sign(&sha256(message), &self.0).unwrap();
        let (r, s) = (signature.r().to_vec_padded(32).unwrap(), signature.s().to_vec_padded(32).unwrap());
        Ok([r, s].concat().try_into().unwrap())
    }
}

/// Verifies with OpenSSL.
pub(crate) struct TestVerifier;

impl Verifier for TestVerifier {
    fn verify(&self, algorithm: Algorithm, public_key: &[u8], message: &[u8], signature: &Signature) -> bool {
        match algorithm {
            Algorithm::Ed25519 => PKey::public_key_from_raw_bytes(public_key, Id::ED25519)
                .and_then(|key| OpensslVerifier::new_without_digest(&key)?.verify_oneshot(signature, message))
                .unwrap_or(false),
            Algorithm::Es256 => {
                let verify = || {
                    let (group, mut context) = (p256(), BigNumContext::new()?);
                    let point = EcPoint::from_bytes(&group, public_key, &mut context)?;
                    let key = EcKey::from_public_key(&group, &point)?;
                    let (r, s) = (BigNum::from_slice(&signature[..32])?, BigNum::from_slice(&signature[32..])?);
                    EcdsaSig::from_private_components(r, s)?.verify(&sha256(message), &key)
                };
                verify().unwrap_or(false)
            }
        }
    }
}

/// A log of up to 256 entries, signed as a whole.
pub(crate) struct SmallLog {
    pub(crate) identity: LogIdentity,
    pub(crate) entries: Vec<Entry>,
    pub(crate) head: GroupHead,
}

impl SmallLog {
    pub(crate) fn new(size: u64) -> Self {
        Self::with_origin(size, "log")
    }

    pub(crate) fn with_origin(size: u64, origin: &str) -> Self {
        let (note, receipt) = (Ed25519::note_signer(origin, 1), Es256::new(2));
        let identity = LogIdentity {
            note_key: note.verifier_key().clone(),
            issuer: "https://t".to_owned(),
            receipt_key: receipt.public_key(),
        };
        let entry = |i| Entry { role: 1, kind: i, time_ms: 1000, digest: [i as u8; 32], tags: Tags::default() };
        let entries: Vec<Entry> = (0..size).map(entry).collect();
        let mut edge = Edge::default();
        entries.iter().for_each(|entry| edge.push(leaf_hash(&entry.encode()), |_, _| ()));
        let mut head = GroupHead {
            first: 0,
            size,
            root: edge.root(),
            time_ms: 1000,
            note_signature: [0; 64],
            receipt_signature: cose::sign(&identity, size, &edge.root(), &receipt).unwrap(),
        };
        head.note_signature = note.sign(&head.checkpoint(origin).text()).unwrap();
        Self { identity, entries, head }
    }

    pub(crate) fn keys(&self) -> [VerifierKey; 1] {
        [self.identity.note_key.clone()]
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        root_of(&self.leaves()[..size as usize])
    }

    pub(crate) fn receipt(&self, index: u64) -> Receipt {
        let Ok(path) = proof::inclusion(self, index, self.head.size);
        Receipt { index, entry: self.entries[index as usize].encode(), path, head: self.head.clone() }
    }

    pub(crate) fn consistency(&self, from: u64) -> Vec<Hash> {
        let Ok(path) = proof::consistency(self, from, self.head.size);
        path
    }

    fn leaves(&self) -> Vec<Hash> {
        self.entries.iter().map(|entry| leaf_hash(&entry.encode())).collect()
    }
}

impl proof::Tiles for SmallLog {
    type Error = std::convert::Infallible;

    fn tile(&self, _: TileId, _: usize) -> Result<Arc<Tile>, Self::Error> {
        Ok(Arc::new(Tile::new(&self.leaves())))
    }
}

/// A clock that stands still until it is set; waiting moves it.
#[cfg(feature = "store")]
pub(crate) struct ManualClock {
    now_ms: std::sync::atomic::AtomicU64,
    waited_ms: std::sync::atomic::AtomicU64,
}

#[cfg(feature = "store")]
impl ManualClock {
    pub(crate) fn at(now_ms: u64) -> Arc<Self> {
        Arc::new(Self { now_ms: now_ms.into(), waited_ms: 0.into() })
    }

    pub(crate) fn set(&self, now_ms: u64) {
        self.now_ms.store(now_ms, std::sync::atomic::Ordering::SeqCst);
    }

    pub(crate) fn waited(&self) -> u64 {
        self.waited_ms.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[cfg(feature = "store")]
impl crate::sequencer::Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn wait_ms(&self, ms: u64) {
        self.now_ms.fetch_add(ms, std::sync::atomic::Ordering::SeqCst);
        self.waited_ms.fetch_add(ms, std::sync::atomic::Ordering::SeqCst);
    }
}
