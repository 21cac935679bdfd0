use openssl::ec::{EcGroup, EcKey};
use openssl::pkey::Private;
use openssl::sign::Signer;

use super::*;
use crate::b64u;
use crate::crypto::{PublicKey, SoftKey, negate_s};

/// RFC 7515 A.3.1.
const EC_JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const EC_MESSAGE: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const EC_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
/// RFC 8037 A.2 and A.4.
const ED_JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const ED_MESSAGE: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
const ED_SIGNATURE: &str = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
/// RFC 7638 §3.1.
const RSA_JWK: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;

fn jwk(text: &str) -> Result<Key, KeyFault> {
    Key::from_jwk_json(text.as_bytes())
}

fn decode(text: &str) -> Vec<u8> {
    b64u::decode(text.as_bytes()).unwrap()
}

fn ec(curve: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
}

fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

fn public(key: &PKey<Private>) -> Key {
    Key::from_spki_der(&key.public_key_to_der().unwrap()).unwrap()
}

/// r ‖ s by libcrypto itself.
fn ecdsa_raw(key: &PKey<Private>, digest: &[u8], width: i32) -> Vec<u8> {
    let signature = EcdsaSig::sign(digest, &key.ec_key().unwrap()).unwrap();
    [signature.r(), signature.s()].map(|number| number.to_vec_padded(width).unwrap()).concat()
}

fn pss_raw(key: &PKey<Private>, digest: MessageDigest, salt: i32) -> Vec<u8> {
    let mut signer = Signer::new(digest, key).unwrap();
    signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
    signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt)).unwrap();
    signer.sign_oneshot_to_vec(b"message").unwrap()
}

#[test]
fn signatures_of_the_rfcs_verify() {
    let key = jwk(EC_JWK).unwrap();
    assert!(key.verify(Algorithm::Es256, EC_MESSAGE.as_bytes(), &decode(EC_SIGNATURE)));
    assert!(!key.verify(Algorithm::Es256, &EC_MESSAGE.as_bytes()[1..], &decode(EC_SIGNATURE)));
    let key = jwk(ED_JWK).unwrap();
    assert!(key.verify(Algorithm::EdDsa, ED_MESSAGE.as_bytes(), &decode(ED_SIGNATURE)));
    assert!(!key.verify(Algorithm::EdDsa, &ED_MESSAGE.as_bytes()[1..], &decode(ED_SIGNATURE)));
}

#[test]
fn thumbprints_of_the_rfcs() {
    let of = |text| jwk(text).unwrap().thumbprint().to_string();
    assert_eq!(of(RSA_JWK), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(of(ED_JWK), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_key_is_the_same_from_both_forms() {
    let rsa_2048 = rsa(2048);
    for key in [ec(Nid::X9_62_PRIME256V1), ec(Nid::SECP384R1), PKey::generate_ed25519().unwrap(), rsa_2048] {
        let der = key.public_key_to_der().unwrap();
        let key = public(&key);
        assert_eq!(key.spki_der(), der);
        let again = jwk(key.to_jwk_json()).unwrap();
        assert_eq!((again.thumbprint(), again.spki_der()), (key.thumbprint(), &der[..]));
        assert_eq!(again.algorithm(), key.algorithm());
        assert_eq!(again.to_jwk_json(), key.to_jwk_json());
        assert_eq!(key.thumbprint().to_string().parse(), Ok(key.thumbprint()));
    }
}

#[test]
fn each_algorithm_verifies_with_its_own_key_only() {
    let (p256, p384, rsa) = (ec(Nid::X9_62_PRIME256V1), ec(Nid::SECP384R1), rsa(2048));
    let ed = PKey::generate_ed25519().unwrap();
    let signed = [
        (Algorithm::Es256, public(&p256), ecdsa_raw(&p256, &openssl::sha::sha256(b"message"), 32)),
        (Algorithm::Es384, public(&p384), ecdsa_raw(&p384, &openssl::sha::sha384(b"message"), 48)),
        (
            Algorithm::EdDsa,
            public(&ed),
            Signer::new_without_digest(&ed).unwrap().sign_oneshot_to_vec(b"message").unwrap(),
        ),
        (Algorithm::Ps256, public(&rsa), pss_raw(&rsa, MessageDigest::sha256(), 32)),
    ];
    for (algorithm, key, signature) in &signed {
        assert!(key.verify(*algorithm, b"message", signature), "{algorithm:?}");
        assert!(algorithm.signature_bytes().contains(&signature.len()));
        assert!(!key.verify(*algorithm, b"massage", signature), "{algorithm:?}");
        for other in Algorithm::ALL {
            assert_eq!(key.verify(other, b"message", signature), other == *algorithm, "{other:?} by {key:?}");
        }
        for (_, other, _) in signed.iter().filter(|(other, ..)| other != algorithm) {
            assert!(!other.verify(*algorithm, b"message", signature));
        }
        let (shorter, longer) = (&signature[1..], [&[0][..], signature].concat());
        assert!(!key.verify(*algorithm, b"message", shorter) && !key.verify(*algorithm, b"message", &longer));
        assert!(!key.verify(*algorithm, b"message", &[signature, &[0][..]].concat()));
        assert!(!key.verify(*algorithm, b"message", b""));
        assert!(!key.verify(*algorithm, b"message", &vec![0; signature.len()]));
        assert!(!key.verify(*algorithm, b"message", &vec![0xFF; signature.len()]));
    }
    // DER is not what a JWS carries.
    let der = EcdsaSig::sign(&openssl::sha::sha256(b"message"), &p256.ec_key().unwrap()).unwrap().to_der().unwrap();
    assert!(!public(&p256).verify(Algorithm::Es256, b"message", &der));
    for (digest, salt) in [(MessageDigest::sha256(), 20), (MessageDigest::sha256(), 0), (MessageDigest::sha384(), 32)] {
        assert!(!public(&rsa).verify(Algorithm::Ps256, b"message", &pss_raw(&rsa, digest, salt)), "salt of {salt}");
    }
    let pkcs1 = Signer::new(MessageDigest::sha256(), &rsa).unwrap().sign_oneshot_to_vec(b"message").unwrap();
    assert!(!public(&rsa).verify(Algorithm::Ps256, b"message", &pkcs1));
}

/// Both signatures hold; our own artefacts accept the low one only.
#[test]
fn a_high_s_is_accepted_and_can_be_made_low() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let low = SoftKey::from_pkcs8_der(&key.private_key_to_pkcs8().unwrap()).unwrap();
    let low: [u8; 64] = crate::crypto::Signer::sign_raw(&low, b"message").unwrap().try_into().unwrap();
    let mut high = low;
    negate_s(&mut high);
    let ours = PublicKey::from_spki_der(public(&key).spki_der()).unwrap();
    for (raw, by_us) in [(low, true), (high, false)] {
        assert!(public(&key).verify(Algorithm::Es256, b"message", &raw));
        let der = crate::crypto::raw_to_der(&raw);
        assert_eq!(crate::crypto::Verifier::verify(&ours, b"message", &der), by_us);
        let mut lowered = raw;
        Algorithm::Es256.make_low_s(&mut lowered);
        assert_eq!(lowered, low);
    }
    let key = ec(Nid::SECP384R1);
    for _ in 0..8 {
        let mut raw = ecdsa_raw(&key, &openssl::sha::sha384(b"message"), 48);
        Algorithm::Es384.make_low_s(&mut raw);
        assert!(raw[48] <= 0x7F && public(&key).verify(Algorithm::Es384, b"message", &raw));
    }
}

#[test]
fn other_keys_are_refused() {
    let fault = |der: Vec<u8>| Key::from_spki_der(&der).err();
    let spki = |key: PKey<Private>| key.public_key_to_der().unwrap();
    let edited = |mut der: Vec<u8>, at: usize, octet: u8| {
        der[at] = octet;
        der
    };
    let compressed = |der: &[u8]| {
        let head = [&[0x30, 0x39], &der[2..23], &[0x03, 0x22, 0x00, 2 | der[90] & 1]].concat();
        [&head[..], &der[27..59]].concat()
    };
    let p256 = spki(ec(Nid::X9_62_PRIME256V1));
    let rsa_2048 = spki(rsa(2048));
    let table = [
        ("nothing", vec![], KeyFault::NotDer),
        ("long", vec![0x30; KEY_BYTES_MAX + 1], KeyFault::TooLong),
        ("a point off the curve", edited(p256.clone(), 90, p256[90] ^ 1), KeyFault::NotOnCurve),
        ("a hybrid point", edited(p256.clone(), 26, 6 | p256[90] & 1), KeyFault::Unsupported),
        ("octets behind an EC key", [&p256[..], &[0]].concat(), KeyFault::Unsupported),
        ("octets behind an RSA key", [&rsa_2048[..], &[0]].concat(), KeyFault::NotDer),
        ("RSA of 1024 bits", spki(rsa(1024)), KeyFault::RsaBits { bits: 1024 }),
        ("RSA of 2040 bits", spki(rsa(2040)), KeyFault::RsaBits { bits: 2040 }),
        ("P-521", spki(ec(Nid::SECP521R1)), KeyFault::Unsupported),
        ("secp256k1", spki(ec(Nid::SECP256K1)), KeyFault::Unsupported),
        ("X25519", spki(PKey::generate_x25519().unwrap()), KeyFault::Unsupported),
        ("Ed448", spki(PKey::generate_ed448().unwrap()), KeyFault::Unsupported),
        ("a compressed point", compressed(&p256), KeyFault::Unsupported),
    ];
    for (what, der, expected) in table {
        assert_eq!(fault(der), Some(expected), "{what}");
    }
}

#[test]
fn other_jwks_are_refused() {
    let ec = |from: &str, to: &str| EC_JWK.replace(from, to);
    let ed = |from: &str, to: &str| ED_JWK.replace(from, to);
    let rsa = |n: &[u8], e: &[u8]| format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, b64u::encode(n), b64u::encode(e));
    let n = |octets: usize| [vec![0x80], vec![0; octets - 2], vec![1]].concat();
    let x = r#""x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#;
    let twice = JsonFault::Duplicate("x".to_owned());
    let table = [
        ("no JSON", "jwk".to_owned(), None),
        ("a member twice", ec(x, &[x, x].concat()), Some(KeyFault::Json(twice))),
        ("no type", ec(r#""kty":"EC","#, ""), Some(KeyFault::Member("kty"))),
        ("no x", ec(x, ""), Some(KeyFault::Member("x"))),
        ("x of 33 octets", ec("HvRVEU", "HvRVEUAA"), Some(KeyFault::Member("x"))),
        ("x with trailing bits", ec("VEU", "VEV"), Some(KeyFault::Member("x"))),
        ("x with padding", ec("VEU", "VEU="), Some(KeyFault::Member("x"))),
        (
            "y as a number",
            ec(r#""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#, r#""y":1"#),
            Some(KeyFault::Member("y")),
        ),
        ("off the curve", ec("I5a0", "I5a4"), Some(KeyFault::NotOnCurve)),
        ("another curve", ec("P-256", "P-521"), Some(KeyFault::Unsupported)),
        ("the wrong curve", ec("P-256", "P-384"), Some(KeyFault::Member("x"))),
        ("a private key", ec(x, &format!(r#"{x}"d":"AA","#)), Some(KeyFault::Private)),
        ("a secret", r#"{"kty":"oct","k":"AA"}"#.to_owned(), Some(KeyFault::Private)),
        ("oct", r#"{"kty":"oct"}"#.to_owned(), Some(KeyFault::Unsupported)),
        ("for encryption", ec(x, &format!(r#"{x}"use":"enc","#)), Some(KeyFault::NotForSignatures)),
        ("Ed448", ed("Ed25519", "Ed448"), Some(KeyFault::Unsupported)),
        ("X25519", ed("Ed25519", "X25519"), Some(KeyFault::Unsupported)),
        ("Ed25519 in EC", ed("OKP", "EC"), Some(KeyFault::Unsupported)),
        ("long", format!(r#"{{"kty":"EC"{}}}"#, " ".repeat(KEY_BYTES_MAX)), Some(KeyFault::TooLong)),
        ("RSA with a leading zero", rsa(&[vec![0], n(256)].concat(), &[1, 0, 1]), Some(KeyFault::Member("n"))),
        ("RSA with a leading zero in e", rsa(&n(256), &[0, 1, 0, 1]), Some(KeyFault::Member("e"))),
        ("RSA of 8200 bits", rsa(&n(1025), &[1, 0, 1]), Some(KeyFault::RsaBits { bits: 8200 })),
        ("RSA of 0 bits", rsa(&[], &[1, 0, 1]), Some(KeyFault::RsaBits { bits: 0 })),
        ("e = 1", rsa(&n(256), &[1]), Some(KeyFault::RsaNumbers)),
        ("e = 2", rsa(&n(256), &[2]), Some(KeyFault::RsaNumbers)),
        ("no e", rsa(&n(256), &[]), Some(KeyFault::RsaNumbers)),
        ("e of 65 bits", rsa(&n(256), &[1, 0, 0, 0, 0, 0, 0, 0, 1]), Some(KeyFault::RsaNumbers)),
        ("n even", rsa(&[&n(255)[..], &[2]].concat(), &[1, 0, 1]), Some(KeyFault::RsaNumbers)),
    ];
    for (what, text, expected) in table {
        match expected {
            Some(expected) => assert_eq!(jwk(&text).err(), Some(expected), "{what}"),
            None => assert!(matches!(jwk(&text), Err(KeyFault::Json(JsonFault::Syntax(_)))), "{what}"),
        }
    }
    assert!(jwk(&rsa(&n(1024), &[3])).is_ok() && jwk(&rsa(&n(256), &[1, 0, 1])).is_ok());
}

/// Why such a key is refused: this signature, which nobody had to compute, holds for every message.
#[test]
fn ed25519_keys_of_small_order_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let signature = [identity, [0; 32]].concat();
    let lib = PKey::public_key_from_raw_bytes(&identity, Id::ED25519).unwrap();
    let verified = Verifier::new_without_digest(&lib).unwrap().verify_oneshot(&signature, b"whatever").unwrap();
    assert!(verified, "libcrypto has begun to refuse it by itself");
    for first in 0xED..=0xFF_u8 {
        let mut second = [0xFF; 32];
        (second[0], second[31]) = (first, 0x7F);
        assert!(jwk::is_weak(&second));
    }
    let mut largest = [0xFF; 32];
    (largest[0], largest[31]) = (0xEB, 0x7F);
    assert!(!jwk::is_weak(&largest));
    for small in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ] {
        let x = b64u::encode(&hex::decode(small).unwrap());
        let text = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
        assert_eq!(Key::from_jwk_json(text.as_bytes()).err(), Some(KeyFault::WeakPoint), "{small}");
    }
}

#[test]
fn algorithms_have_their_names() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
    }
    assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
    for other in ["none", "HS256", "RS256", "ES256K", "ES512", "Ed448", "es256", ""] {
        assert_eq!(Algorithm::from_name(other), None, "{other}");
    }
    assert_eq!(Algorithm::of_signer(SignatureAlgorithm::RsaPkcs1Sha256), None);
}
