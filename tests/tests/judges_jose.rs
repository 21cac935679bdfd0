//! JOSE as programs of others see it (exchange-and-disputes §16.5): josekit, jwcrypto and joserfc verify our statements and open our
//! escrows, and what they sign and seal of the same payloads is read by us. In this process, without a server.
//!
//! Our own keys sign ES256 and EdDSA; in ES384 and PS256 parties sign with programs of theirs, so there libcrypto signs.

use std::process::Command;

use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer as Pen};
use semper_tests::pki::private_key;
use semper_tests::strangers::{folder, python, run_with, text, tool};
use semper_ttp::b64u::B64u;
use semper_ttp::crypto::jose::{Algorithm, Key};
use semper_ttp::crypto::jwe::{AgreementKey, AgreementPublic, Escrow, seal};
use semper_ttp::crypto::{KeyKind, OsEntropy, SecretKey, Signer as _, SoftKey};
use semper_ttp::digest::Digest;
use semper_ttp::statement::exchange::asw_r::M2;
use semper_ttp::statement::{Common, Jws, Millis, Salt, Statement, Unsigned};
use serde_json::{Value, json};

const KEYS: [(KeyKind, Algorithm); 4] = [
    (KeyKind::EcdsaP256, Algorithm::Es256),
    (KeyKind::EcdsaP384, Algorithm::Es384),
    (KeyKind::Ed25519, Algorithm::EdDsa),
    (KeyKind::Rsa3072, Algorithm::Ps256),
];

/// Statements and escrows with their keys, and the document that the judges get.
struct Case {
    statements: Vec<(Jws, Key)>,
    recipient: AgreementKey,
    sender: [u8; 32],
    context: [u8; 32],
    key: SecretKey,
    document: Value,
}

fn pems(key: &PKey<Private>) -> [String; 2] {
    let of = |pem: Vec<u8>| String::from_utf8(pem).expect("PEM");
    [of(key.private_key_to_pem_pkcs8().expect("a key")), of(key.public_key_to_pem().expect("a key"))]
}

fn public(key: &PKey<Private>) -> Vec<u8> {
    key.public_key_to_der().expect("a key")
}

fn signature(key: &PKey<Private>, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::Es256 | Algorithm::EdDsa => {
            let own = SoftKey::from_pkcs8_der(&key.private_key_to_pkcs8().expect("a key")).expect("a key of ours");
            own.sign_raw(message).expect("a signature")
        }
        Algorithm::Es384 => {
            let mut pen = Pen::new(MessageDigest::sha384(), key).expect("a signer");
            let der = pen.sign_oneshot_to_vec(message).expect("a signature");
            let signature = EcdsaSig::from_der(&der).expect("DER");
            [signature.r(), signature.s()].map(|number| number.to_vec_padded(48).expect("48 octets")).concat()
        }
        Algorithm::Ps256 => {
            let mut pen = Pen::new(MessageDigest::sha256(), key).expect("a signer");
            pen.set_rsa_padding(Padding::PKCS1_PSS).expect("PSS");
            pen.set_rsa_mgf1_md(MessageDigest::sha256()).expect("MGF1");
            pen.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).expect("a salt");
            pen.sign_oneshot_to_vec(message).expect("a signature")
        }
    }
}

fn statement(key: &PKey<Private>, algorithm: Algorithm) -> (Jws, Key) {
    let name = Key::from_spki_der(&public(key)).expect("a key that signs statements");
    let x = Some(Digest::of(b"the first message").into());
    let common =
        Common { salt: Salt(B64u([7; 16])), iat: Millis::new(1_772_366_400_000).expect("a moment"), x, shown: None };
    let body = M2 { m1: Digest::of(b"its octets").into(), c_r: Digest::of(b"a commitment").into() };
    let unsigned = Unsigned::new(&Statement { common, body }, algorithm, name.thumbprint()).expect("a statement");
    let signature = signature(key, algorithm, unsigned.message());
    (unsigned.finish(&signature).expect("a statement"), name)
}

impl Case {
    fn new() -> Self {
        let mut statements = Vec::new();
        let mut signed = Vec::new();
        for (kind, algorithm) in KEYS {
            let key = private_key(kind);
            let (jws, name) = statement(&key, algorithm);
            let [private, public] = pems(&key);
            let header: Value = header_of(std::str::from_utf8(jws.bytes()).expect("ASCII"));
            signed.push(json!({
                "alg": header["alg"],
                "private": private,
                "public": public,
                "jws": String::from_utf8(jws.bytes().to_vec()).expect("ASCII"),
                "payload": hex::encode(jws.payload()),
                "header": header,
            }));
            statements.push((jws, name));
        }
        let pair = private_key(KeyKind::EcdsaP256);
        let own = SoftKey::from_pkcs8_der(&pair.private_key_to_pkcs8().expect("a key")).expect("a key of ours");
        let recipient = AgreementKey::from_soft(&own).expect("on P-256");
        let arbiter = AgreementPublic::from_spki_der(&public(&pair)).expect("on P-256");
        let key = SecretKey::generate(&OsEntropy).expect("a key");
        let (sender, context) = (Digest::of(b"who sends").0, Digest::of(b"what for").0);
        let ephemeral = AgreementKey::generate().expect("a key");
        let jwe = seal(&key, &arbiter, &sender, &context, &ephemeral, &OsEntropy).expect("an escrow");
        let mut header = header_of(&jwe);
        header.as_object_mut().expect("an object").remove("epk");
        let [private, public] = pems(&pair);
        let sealed = json!([{
            "private": private, "public": public, "jwe": jwe, "key": hex::encode(key.expose()), "header": header,
        }]);
        Self { statements, recipient, sender, context, key, document: json!({ "signed": signed, "sealed": sealed }) }
    }

    /// What a judge finds of ours, and we of what it has made.
    fn judged_by(&self, judge: &mut Command, libraries: &[&str]) {
        let output = run_with(judge, self.document.to_string().as_bytes());
        assert!(output.status.success(), "{judge:?} ended with {}:\n{}", output.status, text(&output));
        let made: Value = serde_json::from_slice(&output.stdout).expect("what it has made");
        assert_eq!(made.as_object().expect("an object").keys().collect::<Vec<_>>(), libraries);
        for library in libraries {
            let [signed, sealed] = ["signed", "sealed"].map(|what| made[library][what].as_array().expect("a list"));
            assert_eq!((signed.len(), sealed.len()), (KEYS.len(), 1), "{library}");
            for (theirs, (ours, key)) in signed.iter().zip(&self.statements) {
                self.read(library, theirs.as_str().expect("a text"), ours, key);
            }
            let escrow = sealed[0].as_str().expect("a text");
            let escrow = Escrow::parse(escrow).unwrap_or_else(|fault| panic!("{library}: {fault}: {escrow}"));
            assert_eq!((escrow.sender(), escrow.context()), (&self.sender, &self.context), "{library}");
            assert_eq!(escrow.recipient(), self.recipient.public().thumbprint(), "{library}");
            let opened = escrow.open(&self.recipient).unwrap_or_else(|| panic!("{library}: it does not open"));
            assert_eq!(opened.expose(), self.key.expose(), "{library}");
            assert!(escrow.open(&AgreementKey::generate().expect("a key")).is_none(), "{library}: opened by anybody");
        }
    }

    fn read(&self, library: &str, theirs: &str, ours: &Jws, key: &Key) {
        let read = Jws::parse(theirs.as_bytes()).unwrap_or_else(|fault| panic!("{library}: {fault}: {theirs}"));
        read.verify(key).unwrap_or_else(|fault| panic!("{library}: {fault}: {theirs}"));
        assert_eq!((read.payload(), read.x()), (ours.payload(), ours.x()), "{library}: one payload is one statement");
        assert_eq!(read.payload_as::<M2>().expect("m2"), ours.payload_as::<M2>().expect("m2"), "{library}");
        let others = self.statements.iter().filter(|(_, other)| other.thumbprint() != key.thumbprint());
        for (_, other) in others {
            assert!(read.verify(other).is_err(), "{library}: by another key");
        }
    }
}

fn header_of(compact: &str) -> Value {
    let header = compact.split('.').next().expect("a part");
    serde_json::from_slice(&semper_ttp::b64u::decode(header.as_bytes()).expect("base64url")).expect("JSON")
}

#[test]
fn jwcrypto_and_joserfc_read_ours_and_we_theirs() {
    Case::new().judged_by(python().arg(folder().join("jose.py")), &["joserfc", "jwcrypto"]);
}

#[test]
fn josekit_reads_ours_and_we_its() {
    Case::new().judged_by(&mut tool("semper-josekit"), &["josekit"]);
}
