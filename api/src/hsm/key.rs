//! One key in a token: found by its public half, judged by its attributes, made, used.
//!
//! Objects of the token that hold a public half, and what differs between tokens:
//!
//! | attribute | where | spelling |
//! |---|---|---|
//! | CKA_EC_POINT | public keys; some tokens: private, too | OCTET STRING in DER, by some raw |
//! | CKA_MODULUS, CKA_PUBLIC_EXPONENT | public and private keys | big-endian |
//!
//! A private key without any of them is compared by CKA_ID with a public key that is ours, and in the end by what it signs.

use cryptoki::{
    context::Function,
    error::RvError,
    mechanism::{
        Mechanism,
        eddsa::{EddsaParams, EddsaSignatureScheme},
    },
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, SessionState},
};
use semper_ttp::{
    asn1::der,
    crypto::{PublicKey, SignatureAlgorithm, Verifier as _, make_low_s, raw_to_der},
    digest::Digest,
};

use super::{HsmFault, KeyTrouble};

/// What a key signs to show which one it is. No artefact begins like this: all that we sign for others is DER, JSON or CBOR.
const CHALLENGE: &[u8] = b"semper-hsm-challenge-v1: only shows which key this is";

/// Our RSA keys, as soft ones: 3072 bits (ETSI TS 119 312), exponent 65537.
const RSA_BITS: u32 = 3072;
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// CKA_EC_PARAMS: the OBJECT IDENTIFIER prime256v1.
const P256: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
/// The same for id-Ed25519 (PKCS#11 v3.1 §6.3.5, RFC 8410).
const ED25519: [u8; 5] = [0x06, 0x03, 0x2B, 0x65, 0x70];
/// The curve by its name, a PrintableString, for tokens that know no OBJECT IDENTIFIER for it (PKCS#11 v3.0).
const ED25519_NAME: &[u8] = b"\x13\x0Cedwards25519";

/// Signs `message`: ECDSA as DER with s ≤ n/2.
pub(super) fn sign(
    session: &Session,
    key: ObjectHandle,
    algorithm: SignatureAlgorithm,
    message: &[u8],
) -> Result<Vec<u8>, HsmFault> {
    match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => {
            // Of the hash that is made here: several tokens have no mechanism that hashes, too.
            let raw = session.sign(&Mechanism::Ecdsa, key, Digest::of(message).as_bytes())?;
            let mut raw = <[u8; 64]>::try_from(raw)
                .map_err(|raw| HsmFault::Module { reason: format!("a P-256 signature of {} octets", raw.len()) })?;
            make_low_s(&mut raw);
            Ok(raw_to_der(&raw))
        }
        SignatureAlgorithm::RsaPkcs1Sha256 => Ok(session.sign(&Mechanism::Sha256RsaPkcs, key, message)?),
        SignatureAlgorithm::Ed25519 => {
            let pure = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
            Ok(session.sign(&pure, key, message)?)
        }
    }
}

/// The private key of `public`, which has signed the challenge and is kept as it must be.
pub(super) fn find(session: &Session, public: &PublicKey, allow_imported: bool) -> Result<ObjectHandle, HsmFault> {
    let algorithm = public.algorithm();
    let ids = ids_of(session, public)?;
    let mut candidates = Vec::new();
    let keys = session.find_objects(&of_kind(ObjectClass::PRIVATE_KEY, algorithm))?;
    for key in &keys {
        let likeness = match spki_of(session, *key, algorithm)? {
            Some(spki) if spki == public.spki_der() => Likeness::SamePublicHalf,
            Some(_) => continue,
            None if id_of(session, *key)?.is_some_and(|id| ids.contains(&id)) => Likeness::SameId,
            None => Likeness::Unknown,
        };
        candidates.push((likeness, *key));
    }
    // Stable: of keys that are alike the token's order decides.
    candidates.sort_by_key(|(likeness, _)| *likeness);

    let mut refusal = None;
    for (likeness, key) in candidates {
        let traits = Traits::of(session, key)?;
        // Without a signature only the likeness tells whether it is the one that is wanted.
        let shown = match traits.cannot_be_tried() {
            Some(trouble) => Err(HsmFault::KeyRefused { spki: Digest::of(public.spki_der()), trouble }),
            None => sign(session, key, algorithm, CHALLENGE),
        };
        match shown {
            Ok(signature) if public.verify(CHALLENGE, &signature) => {
                return match traits.trouble(allow_imported) {
                    Some(trouble) => Err(HsmFault::KeyRefused { spki: Digest::of(public.spki_der()), trouble }),
                    None => Ok(key),
                };
            }
            Ok(_) => {}
            // A key of somebody else's may refuse in its own way; the session itself must be sound.
            Err(_) if likeness == Likeness::Unknown => still_logged_in(session)?,
            Err(lost @ HsmFault::Lost(_)) => return Err(lost),
            Err(fault) => drop(refusal.get_or_insert(fault)),
        }
    }
    // Who is not logged in sees no private keys, and no error either.
    still_logged_in(session)?;
    Err(refusal.unwrap_or(HsmFault::KeyNotFound { spki: Digest::of(public.spki_der()), keys: keys.len() }))
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    SamePublicHalf,
    SameId,
    Unknown,
}

/// Whether the login is there.
fn still_logged_in(session: &Session) -> Result<(), HsmFault> {
    match session.get_session_info()?.session_state() {
        SessionState::RoUser | SessionState::RwUser => Ok(()),
        _ => Err(HsmFault::lost(Function::GetSessionInfo, RvError::UserNotLoggedIn)),
    }
}

/// What the token says of a private key. Of what it does not say, the worst is assumed.
struct Traits {
    sensitive: bool,
    extractable: bool,
    local: bool,
    never_extractable: bool,
    sign: bool,
    always_authenticate: bool,
}

impl Traits {
    fn of(session: &Session, key: ObjectHandle) -> Result<Self, HsmFault> {
        let wanted = [
            AttributeType::Sensitive,
            AttributeType::Extractable,
            AttributeType::Local,
            AttributeType::NeverExtractable,
            AttributeType::Sign,
            AttributeType::AlwaysAuthenticate,
        ];
        let mut traits = Self {
            sensitive: false,
            extractable: true,
            local: false,
            never_extractable: false,
            sign: false,
            // Newer than the others, and false by default (PKCS#11 v2.40 §4.9).
            always_authenticate: false,
        };
        for attribute in session.get_attributes(key, &wanted)? {
            match attribute {
                Attribute::Sensitive(value) => traits.sensitive = value,
                Attribute::Extractable(value) => traits.extractable = value,
                Attribute::Local(value) => traits.local = value,
                Attribute::NeverExtractable(value) => traits.never_extractable = value,
                Attribute::Sign(value) => traits.sign = value,
                Attribute::AlwaysAuthenticate(value) => traits.always_authenticate = value,
                _ => {}
            }
        }
        Ok(traits)
    }

    fn cannot_be_tried(&self) -> Option<KeyTrouble> {
        match self {
            Self { sign: false, .. } => Some(KeyTrouble::NotForSigning),
            Self { always_authenticate: true, .. } => Some(KeyTrouble::AlwaysAuthenticate),
            _ => None,
        }
    }

    fn trouble(&self, allow_imported: bool) -> Option<KeyTrouble> {
        match self {
            Self { extractable: true, .. } => Some(KeyTrouble::Extractable),
            Self { sensitive: false, .. } => Some(KeyTrouble::NotSensitive),
            Self { local: true, never_extractable: true, .. } => None,
            _ if allow_imported => None,
            _ => Some(KeyTrouble::Imported),
        }
    }
}

/// That no private key has this CKA_ID.
pub(super) fn id_is_free(session: &Session, id: &[u8]) -> Result<(), HsmFault> {
    let template = [Attribute::Token(true), Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id.to_vec())];
    let taken = !session.find_objects(&template)?.is_empty();
    still_logged_in(session)?;
    if taken { Err(HsmFault::IdTaken { id: id.to_vec() }) } else { Ok(()) }
}

/// Makes a key pair and gives its SubjectPublicKeyInfo.
pub(super) fn generate(
    session: &Session,
    algorithm: SignatureAlgorithm,
    label: &str,
    id: &[u8],
) -> Result<Vec<u8>, HsmFault> {
    let (public, private) = generate_pair(session, algorithm, label, id).map_err(|f| f.or_unsupported(algorithm))?;
    // What was ordered is not yet what there is: tokens ignore attributes, too.
    let judged = spki_of(session, public, algorithm).and_then(|spki| {
        let spki = spki.ok_or(HsmFault::Module { reason: "a new public key that cannot be read".to_owned() })?;
        find(session, &PublicKey::from_spki_der(&spki)?, false)?;
        Ok(spki)
    });
    if judged.is_err() {
        for object in [private, public] {
            if let Err(error) = session.destroy_object(object) {
                tracing::error!("a key pair labelled {label:?} that is no good stays in the token: {error}");
            }
        }
    }
    judged
}

fn generate_pair(
    session: &Session,
    algorithm: SignatureAlgorithm,
    label: &str,
    id: &[u8],
) -> Result<(ObjectHandle, ObjectHandle), HsmFault> {
    let hints = [Attribute::Token(true), Attribute::Label(label.into()), Attribute::Id(id.to_vec())];
    let mut private = hints.to_vec();
    private.extend([
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ]);
    let mut public = hints.to_vec();
    public.extend([Attribute::Private(false), Attribute::Verify(true)]);
    let pair = |mechanism: Mechanism<'_>, public: &[Attribute], private: &[Attribute]| {
        session.generate_key_pair(&mechanism, public, private).map_err(HsmFault::from)
    };
    match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => {
            public.push(Attribute::EcParams(P256.to_vec()));
            // A key has one use; what is not said, tokens may allow.
            private.push(Attribute::Derive(false));
            pair(Mechanism::EccKeyPairGen, &public, &private)
        }
        SignatureAlgorithm::RsaPkcs1Sha256 => {
            public.extend([
                Attribute::ModulusBits(cryptoki::types::Ulong::from(u64::from(RSA_BITS))),
                Attribute::PublicExponent(RSA_EXPONENT.to_vec()),
                Attribute::Encrypt(false),
                Attribute::Wrap(false),
            ]);
            private.extend([Attribute::Decrypt(false), Attribute::Unwrap(false)]);
            pair(Mechanism::RsaPkcsKeyPairGen, &public, &private)
        }
        SignatureAlgorithm::Ed25519 => {
            private.push(Attribute::Derive(false));
            let with = |curve: &[u8]| [&public[..], &[Attribute::EcParams(curve.to_vec())]].concat();
            pair(Mechanism::EccEdwardsKeyPairGen, &with(&ED25519), &private).or_else(|fault| match fault {
                HsmFault::Refused(_) => pair(Mechanism::EccEdwardsKeyPairGen, &with(ED25519_NAME), &private),
                other => Err(other),
            })
        }
    }
}

/// Destroys every object with this CKA_ID; gives how many there were.
pub(super) fn destroy(session: &Session, id: &[u8]) -> Result<usize, HsmFault> {
    let objects = session.find_objects(&[Attribute::Token(true), Attribute::Id(id.to_vec())])?;
    // Who is not logged in sees no private keys, and no error either.
    still_logged_in(session)?;
    for object in &objects {
        session.destroy_object(*object)?;
    }
    Ok(objects.len())
}

/// Destroys both halves of a key.
pub(super) fn destroy_key(session: &Session, public: &PublicKey, allow_imported: bool) -> Result<(), HsmFault> {
    session.destroy_object(find(session, public, allow_imported)?)?;
    for object in session.find_objects(&of_kind(ObjectClass::PUBLIC_KEY, public.algorithm()))? {
        if spki_of(session, object, public.algorithm())?.is_some_and(|spki| spki == public.spki_der()) {
            session.destroy_object(object)?;
        }
    }
    Ok(())
}

/// Keys of this class that stay in the token.
fn of_kind(class: ObjectClass, algorithm: SignatureAlgorithm) -> [Attribute; 3] {
    let kind = match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => KeyType::EC,
        SignatureAlgorithm::RsaPkcs1Sha256 => KeyType::RSA,
        SignatureAlgorithm::Ed25519 => KeyType::EC_EDWARDS,
    };
    [Attribute::Token(true), Attribute::Class(class), Attribute::KeyType(kind)]
}

/// CKA_ID of every public key in the token that is this one.
fn ids_of(session: &Session, public: &PublicKey) -> Result<Vec<Vec<u8>>, HsmFault> {
    let mut ids = Vec::new();
    for object in session.find_objects(&of_kind(ObjectClass::PUBLIC_KEY, public.algorithm()))? {
        if spki_of(session, object, public.algorithm())?.is_some_and(|spki| spki == public.spki_der()) {
            ids.extend(id_of(session, object)?);
        }
    }
    Ok(ids)
}

fn id_of(session: &Session, object: ObjectHandle) -> Result<Option<Vec<u8>>, HsmFault> {
    let attributes = session.get_attributes(object, &[AttributeType::Id])?;
    Ok(attributes.into_iter().find_map(|attribute| match attribute {
        Attribute::Id(id) if !id.is_empty() => Some(id),
        _ => None,
    }))
}

/// The SubjectPublicKeyInfo of a public or private key; `None` where the token does not show the public half, or one of another
/// curve.
fn spki_of(
    session: &Session,
    object: ObjectHandle,
    algorithm: SignatureAlgorithm,
) -> Result<Option<Vec<u8>>, HsmFault> {
    let wanted: &[_] = match algorithm {
        SignatureAlgorithm::RsaPkcs1Sha256 => &[AttributeType::Modulus, AttributeType::PublicExponent],
        SignatureAlgorithm::EcdsaP256Sha256 | SignatureAlgorithm::Ed25519 => &[AttributeType::EcPoint],
    };
    let found = session.get_attributes(object, wanted)?;
    Ok(match (algorithm, &found[..]) {
        (SignatureAlgorithm::RsaPkcs1Sha256, [Attribute::Modulus(modulus), Attribute::PublicExponent(exponent)])
            if !modulus.is_empty() && !exponent.is_empty() =>
        {
            Some(rsa_spki(modulus, exponent))
        }
        (SignatureAlgorithm::EcdsaP256Sha256, [Attribute::EcPoint(point)]) => p256_spki(point),
        (SignatureAlgorithm::Ed25519, [Attribute::EcPoint(point)]) => ed25519_spki(point),
        _ => None,
    })
}

fn p256_spki(point: &[u8]) -> Option<Vec<u8>> {
    // By length: 0x04 begins a point as well as an OCTET STRING, and its x may go on like a length.
    let point = if point.len() == 67 { point.strip_prefix(&[der::OCTET_STRING, 65])? } else { point };
    PublicKey::from_p256_point(point).ok().map(|key| key.spki_der().to_vec())
}

fn ed25519_spki(point: &[u8]) -> Option<Vec<u8>> {
    let point = if point.len() == 34 { point.strip_prefix(&[der::OCTET_STRING, 32])? } else { point };
    PublicKey::from_ed25519(point.try_into().ok()?).ok().map(|key| key.spki_der().to_vec())
}

/// RFC 3279 §2.3.1.
fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    // rsaEncryption, 1.2.840.113549.1.1.1, with NULL.
    let identifier =
        [0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00].as_slice();
    let integer = |digits| der::tlv(der::INTEGER, &der::integer_content(digits));
    let key = der::sequence(&[&integer(modulus), &integer(exponent)]);
    der::sequence(&[identifier, &der::tlv(der::BIT_STRING, &[&[0], &key[..]].concat())])
}

#[cfg(test)]
mod tests {
    use std::iter;

    use semper_ttp::crypto::{Signer as _, SoftKey};

    use super::*;

    fn spki(algorithm: SignatureAlgorithm) -> Vec<u8> {
        SoftKey::generate(algorithm).unwrap().spki_der().to_vec()
    }

    #[test]
    fn points_are_read_in_both_spellings() {
        let p256 = spki(SignatureAlgorithm::EcdsaP256Sha256);
        let point = &p256[26..];
        assert_eq!(p256_spki(point), Some(p256.clone()));
        assert_eq!(p256_spki(&der::tlv(der::OCTET_STRING, point)), Some(p256.clone()));
        let like_a_string =
            iter::repeat_with(|| spki(SignatureAlgorithm::EcdsaP256Sha256)).find(|spki| spki[27] == 65).unwrap();
        assert_eq!(p256_spki(&like_a_string[26..]), Some(like_a_string.clone()));
        // Off the curve, too short, nothing.
        assert_eq!(p256_spki(&[&point[..64], &[point[64] ^ 1]].concat()), None);
        assert_eq!((p256_spki(&point[..64]), p256_spki(&[])), (None, None));

        let ed25519 = spki(SignatureAlgorithm::Ed25519);
        let point = &ed25519[12..];
        assert_eq!(ed25519_spki(point), Some(ed25519.clone()));
        assert_eq!(ed25519_spki(&der::tlv(der::OCTET_STRING, point)), Some(ed25519.clone()));
        assert_eq!((ed25519_spki(&point[..31]), ed25519_spki(&[])), (None, None));
    }

    #[test]
    fn rsa_numbers_become_what_libcrypto_writes() {
        let spki = spki(SignatureAlgorithm::RsaPkcs1Sha256);
        // 30 82 xx xx, the identifier, 03 82 xx xx 00, 30 82 xx xx, 02 82 01 81 00, and then 384 octets.
        let at = 4 + 15 + 5 + 4 + 5;
        let modulus = &spki[at..at + 384];
        assert_eq!(rsa_spki(modulus, &RSA_EXPONENT), spki);
        assert_eq!(rsa_spki(&[&[0], modulus].concat(), &[0, 1, 0, 1]), spki, "leading zeros");
    }

    #[test]
    fn a_key_is_judged_by_the_worst_of_its_attributes() {
        let good = || Traits {
            sensitive: true,
            extractable: false,
            local: true,
            never_extractable: true,
            sign: true,
            always_authenticate: false,
        };
        assert_eq!((good().cannot_be_tried(), good().trouble(false)), (None, None));
        for (traits, trouble) in [
            (Traits { extractable: true, local: false, ..good() }, KeyTrouble::Extractable),
            (Traits { sensitive: false, ..good() }, KeyTrouble::NotSensitive),
        ] {
            assert_eq!([traits.trouble(false), traits.trouble(true)], [Some(trouble); 2]);
        }
        for traits in [Traits { local: false, ..good() }, Traits { never_extractable: false, ..good() }] {
            assert_eq!([traits.trouble(false), traits.trouble(true)], [Some(KeyTrouble::Imported), None]);
        }
        assert_eq!(Traits { sign: false, ..good() }.cannot_be_tried(), Some(KeyTrouble::NotForSigning));
        let asks = Traits { always_authenticate: true, ..good() };
        assert_eq!(asks.cannot_be_tried(), Some(KeyTrouble::AlwaysAuthenticate));
    }
}
