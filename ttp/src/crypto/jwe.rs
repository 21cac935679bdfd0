//! The escrow of a key: a JWE (RFC 7516) that an arbiter opens if a delivery goes wrong (exchange-and-disputes §7).
//!
//! ```text
//! b64u(header) . b64u(wrapped, 40) . b64u(iv, 12) . b64u(sealed, 32) . b64u(tag, 16)
//! header = {"alg":"ECDH-ES+A256KW","enc":"A256GCM","kid":<arbiter's key>,"epk":{"kty":"EC","crv":"P-256","x":…,"y":…},
//!           "apu":<sender's key>,"apv":<what it is for>}
//! Z = ECDH(epk, kid)   KEK = SHA-256(00000001 ‖ Z ‖ alg ‖ apu ‖ apv ‖ 256), each with its length   (RFC 7518 §4.6.2)
//! wrapped = AES-KW(KEK, CEK)   sealed = AES-256-GCM(CEK, iv, key, associated = b64u(header))
//! ```
//!
//! JWE and not HPKE (RFC 9180), which OpenSSL 3.0 lacks: josekit, jwcrypto and joserfc open these. One narrow profile, as for signed
//! statements: these six header members and no other, 32 octets inside. Whoever has the ephemeral key opens it, too: so a sender shows
//! what it had sealed.

use std::fmt;

use openssl::bn::{BigNum, BigNumContext};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::{CipherCtx, CipherCtxFlags};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::jose::{Key, Thumbprint};
use super::{CryptoFault, Entropy, GCM_NONCE_BYTES, GCM_TAG_BYTES, SecretKey, SoftKey, gcm_open, gcm_seal, p256_point};
use crate::b64u::{self, B64u, B64u32};
use crate::digest::Digest;
use crate::json;

/// The longest that is read, characters; ours have 578.
pub const ESCROW_CHARS_MAX: usize = 640;

const ALG: &str = "ECDH-ES+A256KW";
const ENC: &str = "A256GCM";
/// Octets of a wrapped key (RFC 3394): eight more than the key.
const WRAPPED_BYTES: usize = 40;

/// A key on P-256 that agrees on secrets and signs nothing; wiped when dropped.
pub struct AgreementKey {
    key: PKey<Private>,
    public: AgreementPublic,
}

/// Its public half, a point of the curve.
#[derive(Clone)]
pub struct AgreementPublic {
    key: PKey<Public>,
    x: B64u32,
    y: B64u32,
    thumbprint: Thumbprint,
}

impl AgreementKey {
    /// A new one, by libcrypto's generator.
    ///
    /// # Errors
    /// libcrypto.
    pub fn generate() -> Result<Self, CryptoFault> {
        let generated = p256().and_then(|group| EcKey::generate(&group)).and_then(PKey::from_ec_key);
        Self::of(generated.map_err(of_agreement)?)
    }

    /// The key of a key file.
    ///
    /// # Errors
    /// It is not on P-256.
    pub fn from_soft(key: &SoftKey) -> Result<Self, CryptoFault> {
        Self::of(key.pkey().clone())
    }

    /// The key of these bits, as [`AgreementKey::to_bits`] gives them.
    ///
    /// # Errors
    /// They are no key's.
    pub fn from_bits(bits: &[u8; 32]) -> Result<Self, CryptoFault> {
        let read = || -> Result<_, ErrorStack> {
            let group = p256()?;
            let secret = BigNum::from_slice(bits)?;
            let mut point = openssl::ec::EcPoint::new(&group)?;
            point.mul_generator2(&group, &secret, &mut *BigNumContext::new()?)?;
            let key = EcKey::from_private_components(&group, &secret, &point)?;
            key.check_key()?;
            PKey::from_ec_key(key)
        };
        Self::of(read().map_err(of_agreement)?)
    }

    /// The private number. With it anybody opens what was sealed with this key as the ephemeral one.
    ///
    /// # Errors
    /// libcrypto.
    pub fn to_bits(&self) -> Result<Zeroizing<[u8; 32]>, CryptoFault> {
        let read = || self.key.ec_key()?.private_key().to_vec_padded(32).map(Zeroizing::new);
        let octets = read().map_err(of_agreement)?;
        let mut bits = Zeroizing::new([0; 32]);
        bits.copy_from_slice(&octets);
        Ok(bits)
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &AgreementPublic {
        &self.public
    }

    fn of(key: PKey<Private>) -> Result<Self, CryptoFault> {
        let spki = key.public_key_to_der().map_err(of_agreement)?;
        let public = AgreementPublic::from_spki_der(&spki).ok_or(CryptoFault { action: NOT_P256 })?;
        Ok(Self { key, public })
    }

    fn agree(&self, with: &AgreementPublic) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        let mut deriver = Deriver::new(&self.key)?;
        deriver.set_peer(&with.key)?;
        deriver.derive_to_vec().map(Zeroizing::new)
    }
}

impl fmt::Debug for AgreementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgreementKey(public {})", self.public.thumbprint)
    }
}

const NOT_P256: &str = "agreeing by a key that is not on P-256";

fn of_agreement(stack: ErrorStack) -> CryptoFault {
    CryptoFault::from_stack("agreeing on a secret")(stack)
}

fn p256() -> Result<EcGroup, ErrorStack> {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
}

impl AgreementPublic {
    /// The key of a SubjectPublicKeyInfo; `None` unless it is on P-256.
    #[must_use]
    pub fn from_spki_der(der: &[u8]) -> Option<Self> {
        let point = p256_point(der)?;
        Self::from_point(point.get(1..33)?.try_into().ok()?, point.get(33..)?.try_into().ok()?)
    }

    /// The point of these coordinates; `None` unless it is on the curve.
    fn from_point(x: [u8; 32], y: [u8; 32]) -> Option<Self> {
        let read = || -> Result<_, ErrorStack> {
            let (group, x, y) = (p256()?, BigNum::from_slice(&x)?, BigNum::from_slice(&y)?);
            // Looks whether it is on the curve.
            let key = PKey::from_ec_key(EcKey::from_public_key_affine_coordinates(&group, &x, &y)?)?;
            let spki = key.public_key_to_der()?;
            Ok((key, spki))
        };
        let (key, spki) = read().ok()?;
        let thumbprint = Key::from_spki_der(&spki).ok()?.thumbprint();
        Some(Self { key, x: B64u(x), y: B64u(y), thumbprint })
    }

    /// Its name (RFC 7638).
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }
}

impl fmt::Debug for AgreementPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgreementPublic({})", self.thumbprint)
    }
}

/// Not the escrow of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the escrow is no JWE of a key: {0}")]
pub struct NotAnEscrow(&'static str);

/// An escrow as read: nothing of it is believed before it was opened.
#[derive(Clone, Debug)]
pub struct Escrow {
    /// The header as it was received.
    associated: String,
    kid: Thumbprint,
    epk: AgreementPublic,
    apu: [u8; 32],
    apv: [u8; 32],
    wrapped: [u8; WRAPPED_BYTES],
    iv: [u8; GCM_NONCE_BYTES],
    sealed: [u8; 32],
    tag: [u8; GCM_TAG_BYTES],
}

impl Escrow {
    /// Reads one; the ephemeral key was found to lie on the curve.
    ///
    /// # Errors
    /// [`NotAnEscrow`].
    pub fn parse(text: &str) -> Result<Self, NotAnEscrow> {
        if text.len() > ESCROW_CHARS_MAX {
            return Err(NotAnEscrow("it is too long"));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, wrapped, iv, sealed, tag] = parts[..] else { return Err(NotAnEscrow("it has not five parts")) };
        let octets = b64u::decode(header.as_bytes()).ok_or(NotAnEscrow("its header is not base64url"))?;
        let members = json::read_object(&octets).map_err(|_| NotAnEscrow("its header is not strict JSON"))?;
        let (kid, epk, apu, apv) = read_header(members)?;
        Ok(Self {
            associated: header.to_owned(),
            kid: Thumbprint(kid),
            epk,
            apu: apu.0,
            apv: apv.0,
            wrapped: part(wrapped)?,
            iv: part(iv)?,
            sealed: part(sealed)?,
            tag: part(tag)?,
        })
    }

    /// For whom it was sealed.
    #[must_use]
    pub const fn recipient(&self) -> Thumbprint {
        self.kid
    }

    /// Who says that it sealed it: `apu`.
    #[must_use]
    pub const fn sender(&self) -> &[u8; 32] {
        &self.apu
    }

    /// What it was sealed for: `apv`.
    #[must_use]
    pub const fn context(&self) -> &[u8; 32] {
        &self.apv
    }

    /// What is inside, for whom it was sealed; `None` if it does not open.
    #[must_use]
    pub fn open(&self, key: &AgreementKey) -> Option<SecretKey> {
        self.open_by(&key.agree(&self.epk).ok()?)
    }

    /// The same for whoever has the ephemeral key: what a sender shows to prove what it had sealed.
    #[must_use]
    pub fn open_as_sender(&self, ephemeral: &AgreementKey, recipient: &AgreementPublic) -> Option<SecretKey> {
        let is_its = ephemeral.public().thumbprint() == self.epk.thumbprint() && recipient.thumbprint() == self.kid;
        self.open_by(&is_its.then(|| ephemeral.agree(recipient).ok()).flatten()?)
    }

    fn open_by(&self, z: &[u8]) -> Option<SecretKey> {
        let kek = concat_kdf(z, &self.apu, &self.apv);
        let cek = unwrap_key(&kek, &self.wrapped)?;
        let mut key = Zeroizing::new(self.sealed);
        gcm_open(&cek, &self.iv, self.associated.as_bytes(), &mut *key, &self.tag).then(|| SecretKey::new(key))
    }
}

fn read_header(mut members: Map<String, Value>) -> Result<(B64u32, AgreementPublic, B64u32, B64u32), NotAnEscrow> {
    const MEMBER: NotAnEscrow = NotAnEscrow("a member of its header is missing or malformed");
    fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Result<&'m str, NotAnEscrow> {
        members.get(name).and_then(Value::as_str).ok_or(MEMBER)
    }
    let octets = |members: &_, name| text(members, name)?.parse::<B64u32>().map_err(|_| MEMBER);
    let Some(Value::Object(epk)) = members.remove("epk") else { return Err(MEMBER) };
    if text(&members, "alg")? != ALG || text(&members, "enc")? != ENC {
        return Err(NotAnEscrow("its algorithms are not ECDH-ES+A256KW and A256GCM"));
    }
    if text(&epk, "kty")? != "EC" || text(&epk, "crv")? != "P-256" {
        return Err(NotAnEscrow("its ephemeral key is not on P-256"));
    }
    let point = AgreementPublic::from_point(octets(&epk, "x")?.0, octets(&epk, "y")?.0);
    let point = point.ok_or(NotAnEscrow("its ephemeral key is not a point of the curve"))?;
    let read = (octets(&members, "kid")?, point, octets(&members, "apu")?, octets(&members, "apv")?);
    match (members.len(), epk.len()) {
        (5, 4) => Ok(read),
        _ => Err(NotAnEscrow("its header has a member that is not known")),
    }
}

fn part<const N: usize>(text: &str) -> Result<[u8; N], NotAnEscrow> {
    let octets = b64u::decode(text.as_bytes()).and_then(|octets| octets.try_into().ok());
    octets.ok_or(NotAnEscrow("a part of it has not its length"))
}

/// Seals a key for a recipient, with an ephemeral key that its owner uses once and keeps until nobody can doubt what was sealed.
///
/// # Errors
/// libcrypto, no randomness.
pub fn seal(
    key: &SecretKey,
    recipient: &AgreementPublic,
    sender: &[u8; 32],
    context: &[u8; 32],
    ephemeral: &AgreementKey,
    entropy: &dyn Entropy,
) -> Result<String, CryptoFault> {
    let no_entropy = |_| CryptoFault { action: "drawing a key" };
    let cek = SecretKey::generate(entropy).map_err(no_entropy)?;
    let mut iv = [0; GCM_NONCE_BYTES];
    entropy.fill(&mut iv).map_err(no_entropy)?;
    let AgreementPublic { x, y, .. } = ephemeral.public();
    let header = format!(
        r#"{{"alg":"{ALG}","enc":"{ENC}","kid":"{}","epk":{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}},"apu":"{}","apv":"{}"}}"#,
        recipient.thumbprint(),
        B64u(*sender),
        B64u(*context)
    );
    let associated = b64u::encode(header.as_bytes());
    let z = ephemeral.agree(recipient).map_err(of_agreement)?;
    let wrapped = wrap_key(&concat_kdf(&z, sender, context), cek.expose()).map_err(of_agreement)?;
    let mut sealed = Zeroizing::new(*key.expose());
    let tag = gcm_seal(cek.expose(), &iv, associated.as_bytes(), &mut *sealed)?;
    let parts = [&wrapped[..], &iv, &sealed[..], &tag].map(b64u::encode);
    Ok(std::iter::once(associated).chain(parts).collect::<Vec<_>>().join("."))
}

/// RFC 7518 §4.6.2, one round of SHA-256.
fn concat_kdf(z: &[u8], apu: &[u8; 32], apv: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let length = |octets: &[u8]| (octets.len() as u32).to_be_bytes();
    let other = [&length(ALG.as_bytes())[..], ALG.as_bytes(), &length(apu), apu, &length(apv), apv].concat();
    let input = Zeroizing::new([&1_u32.to_be_bytes()[..], z, &other, &256_u32.to_be_bytes()].concat());
    Zeroizing::new(Digest::of(&input).0)
}

/// RFC 3394 with a key of 256 bits.
fn wrap_key(kek: &[u8; 32], key: &[u8; 32]) -> Result<Vec<u8>, ErrorStack> {
    let mut context = wrapping(kek, Way::Wrap)?;
    let mut wrapped = Vec::with_capacity(WRAPPED_BYTES);
    context.cipher_update_vec(key, &mut wrapped)?;
    context.cipher_final_vec(&mut wrapped)?;
    Ok(wrapped)
}

/// `None` if what was wrapped is not what was unwrapped (RFC 3394 §2.2.3).
fn unwrap_key(kek: &[u8; 32], wrapped: &[u8; WRAPPED_BYTES]) -> Option<Zeroizing<[u8; 32]>> {
    let unwrap = || -> Result<_, ErrorStack> {
        let mut context = wrapping(kek, Way::Unwrap)?;
        let mut key = Vec::with_capacity(WRAPPED_BYTES);
        context.cipher_update_vec(wrapped, &mut key)?;
        context.cipher_final_vec(&mut key)?;
        Ok(Zeroizing::new(key))
    };
    let key = unwrap().ok()?;
    let mut fixed = Zeroizing::new([0; 32]);
    (key.len() == fixed.len()).then(|| fixed.copy_from_slice(&key))?;
    Some(fixed)
}

enum Way {
    Wrap,
    Unwrap,
}

fn wrapping(kek: &[u8; 32], way: Way) -> Result<CipherCtx, ErrorStack> {
    let mut context = CipherCtx::new()?;
    context.set_flags(CipherCtxFlags::FLAG_WRAP_ALLOW);
    match way {
        Way::Wrap => context.encrypt_init(Some(Cipher::aes_256_wrap()), Some(kek), None)?,
        Way::Unwrap => context.decrypt_init(Some(Cipher::aes_256_wrap()), Some(kek), None)?,
    }
    Ok(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SeededEntropy;

    const SENDER: [u8; 32] = [1; 32];
    const CONTEXT: [u8; 32] = [2; 32];

    fn secret() -> SecretKey {
        SecretKey::new(Zeroizing::new([7; 32]))
    }

    fn sealed(recipient: &AgreementKey, ephemeral: &AgreementKey) -> String {
        seal(&secret(), recipient.public(), &SENDER, &CONTEXT, ephemeral, &SeededEntropy::new(1)).unwrap()
    }

    #[test]
    fn arbiter_and_sender_open_it_and_nobody_else() {
        let [arbiter, ephemeral, other] = [(); 3].map(|()| AgreementKey::generate().unwrap());
        let text = sealed(&arbiter, &ephemeral);
        assert_eq!(text.len(), 578);
        let escrow = Escrow::parse(&text).unwrap();
        assert_eq!(escrow.recipient(), arbiter.public().thumbprint());
        assert_eq!((escrow.sender(), escrow.context()), (&SENDER, &CONTEXT));
        let bits = |opened: Option<SecretKey>| opened.map(|key| *key.expose());
        assert_eq!(bits(escrow.open(&arbiter)), Some([7; 32]));
        assert_eq!(bits(escrow.open_as_sender(&ephemeral, arbiter.public())), Some([7; 32]));
        assert_eq!(bits(escrow.open(&other)), None);
        assert_eq!(bits(escrow.open_as_sender(&other, arbiter.public())), None);
        assert_eq!(bits(escrow.open_as_sender(&ephemeral, other.public())), None);
        let kept = AgreementKey::from_bits(&ephemeral.to_bits().unwrap()).unwrap();
        assert_eq!(bits(escrow.open_as_sender(&kept, arbiter.public())), Some([7; 32]));
        assert!(AgreementKey::from_bits(&[0; 32]).is_err() && AgreementKey::from_bits(&[0xFF; 32]).is_err());
        assert!(!format!("{escrow:?} {kept:?} {arbiter:?}").contains(&hex::encode([7; 32])));
    }

    /// Every octet of it is bound: one that is changed anywhere no longer reads, or no longer opens.
    #[test]
    fn a_changed_character_opens_nothing() {
        let [arbiter, ephemeral] = [(); 2].map(|()| AgreementKey::generate().unwrap());
        let text = sealed(&arbiter, &ephemeral);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let opened = Escrow::parse(&changed).ok().and_then(|escrow| escrow.open(&arbiter));
            assert!(opened.is_none(), "{at}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let [arbiter, ephemeral] = [(); 2].map(|()| AgreementKey::generate().unwrap());
        let text = sealed(&arbiter, &ephemeral);
        let (header, rest) = text.split_once('.').unwrap();
        let header = String::from_utf8(b64u::decode(header.as_bytes()).unwrap()).unwrap();
        let with = |from: &str, to: &str| {
            assert!(header.contains(from), "{from}");
            let changed = header.replacen(from, to, 1);
            Escrow::parse(&format!("{}.{rest}", b64u::encode(changed.as_bytes()))).map(|_| ())
        };
        assert_eq!(with("EC\"", "EC\""), Ok(()));
        for (from, to) in [
            (ALG, "ECDH-ES"),
            (ENC, "A128GCM"),
            ("\"EC\"", "\"OKP\""),
            ("P-256", "P-384"),
            ("\"enc\"", "\"zip\":\"DEF\",\"enc\""),
            ("\"enc\"", "\"alg\":\"ECDH-ES+A256KW\",\"enc\""),
            ("\"crv\"", "\"d\":\"\",\"crv\""),
            ("\"apu\"", "\"apx\""),
            ("\"x\":\"", "\"x\":\"AA"),
        ] {
            assert!(with(from, to).is_err(), "{from} {to}");
        }
        // A point beside the curve gives away bits of the key that is asked.
        let AgreementPublic { y, .. } = ephemeral.public();
        let beside = format!("\"y\":\"{}\"", B64u([3; 32]));
        let fault = NotAnEscrow("its ephemeral key is not a point of the curve");
        assert_eq!(with(&format!("\"y\":\"{y}\""), &beside), Err(fault));
        for bad in ["", ".", "a.b.c.d.e", &format!("{text}."), &text[1..], &"A".repeat(641)] {
            assert!(Escrow::parse(bad).is_err(), "{bad}");
        }
    }

    /// RFC 3394 §4.6: 256 bits of key data with a 256-bit KEK.
    #[test]
    fn keys_are_wrapped_as_the_rfc_has_it() {
        let octets = |text: &str| hex::decode(text).unwrap();
        let kek: [u8; 32] =
            octets("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F").try_into().unwrap();
        let key: [u8; 32] =
            octets("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F").try_into().unwrap();
        let wrapped = octets("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21");
        assert_eq!(wrap_key(&kek, &key).unwrap(), wrapped);
        assert_eq!(unwrap_key(&kek, &wrapped.clone().try_into().unwrap()).as_deref(), Some(&key));
        let mut changed: [u8; WRAPPED_BYTES] = wrapped.try_into().unwrap();
        changed[39] ^= 1;
        assert_eq!(unwrap_key(&kek, &changed), None);
    }
}
