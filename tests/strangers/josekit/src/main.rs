//! josekit beside our JOSE: reads what we signed and sealed, and makes the same for us; the same document in and out as `../jose.py`.

use std::io::{Read, Write};

use josekit::jwe::{self, ECDH_ES_A256KW, JweHeader};
use josekit::jwk::Jwk;
use josekit::jws::{self, ES256, ES384, EdDSA, JwsHeader, JwsSigner, JwsVerifier, PS256};
use josekit::{JoseError, Map, Value};
use openssl::base64::encode_block;
use openssl::bn::BigNumRef;
use openssl::rsa::Rsa;
use serde_json::json;

fn signer(alg: &str, pem: &str) -> Result<Box<dyn JwsSigner>, JoseError> {
    Ok(match alg {
        "ES256" => Box::new(ES256.signer_from_pem(pem)?),
        "ES384" => Box::new(ES384.signer_from_pem(pem)?),
        "EdDSA" => Box::new(EdDSA.signer_from_pem(pem)?),
        _ => {
            let key = Rsa::private_key_from_pem(pem.as_bytes()).expect("an RSA key");
            let part = |number: Option<&BigNumRef>| number.expect("a part of the key").to_vec();
            let parts = [("n", key.n().to_vec()), ("e", key.e().to_vec()), ("d", key.d().to_vec())];
            let others = [("p", key.p()), ("q", key.q()), ("dp", key.dmp1()), ("dq", key.dmq1()), ("qi", key.iqmp())];
            let mut jwk = Jwk::new("RSA");
            for (name, octets) in parts.into_iter().chain(others.map(|(name, number)| (name, part(number)))) {
                jwk.set_parameter(name, Some(json!(b64u(&octets))))?;
            }
            Box::new(PS256.signer_from_jwk(&jwk)?)
        }
    })
}

fn verifier(alg: &str, pem: &str) -> Result<Box<dyn JwsVerifier>, JoseError> {
    Ok(match alg {
        "ES256" => Box::new(ES256.verifier_from_pem(pem)?),
        "ES384" => Box::new(ES384.verifier_from_pem(pem)?),
        "EdDSA" => Box::new(EdDSA.verifier_from_pem(pem)?),
        _ => {
            let key = Rsa::public_key_from_pem(pem.as_bytes()).expect("an RSA key");
            Box::new(PS256.verifier_from_pem(key.public_key_to_pem_pkcs1().expect("PEM"))?)
        }
    })
}

fn b64u(octets: &[u8]) -> String {
    encode_block(octets).replace('+', "-").replace('/', "_").replace('=', "")
}

/// The same with another octet in its last part.
fn spoilt(text: &str) -> String {
    let (head, last) = text.rsplit_once('.').expect("parts");
    format!("{head}.{}{}", if last.starts_with('A') { 'B' } else { 'A' }, &last[1..])
}

fn text<'v>(one: &'v Value, name: &str) -> &'v str {
    one[name].as_str().expect("a text")
}

fn octets(one: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(one, name)).expect("hex")
}

fn header(one: &Value) -> Map<String, Value> {
    one["header"].as_object().expect("an object").clone()
}

fn main() -> Result<(), JoseError> {
    let mut given = String::new();
    std::io::stdin().read_to_string(&mut given).expect("a document");
    let given: Value = serde_json::from_str(&given).expect("JSON");
    let (mut signed, mut sealed, mut failed) = (Vec::new(), Vec::new(), 0);
    let mut that = |name: String, holds: bool| {
        failed += usize::from(!holds);
        eprintln!("{} {name}", if holds { "ok     " } else { "FAILED " });
    };
    for one in given["signed"].as_array().expect("a list") {
        let alg = text(one, "alg");
        let verifier = verifier(alg, text(one, "public"))?;
        let read = jws::deserialize_compact(text(one, "jws"), &*verifier);
        let is_same = |(payload, found): (Vec<u8>, JwsHeader)| {
            payload == octets(one, "payload") && found.claims_set() == &header(one)
        };
        that(format!("josekit verifies our {alg}"), read.is_ok_and(is_same));
        let other = jws::deserialize_compact(spoilt(text(one, "jws")), &*verifier);
        that(format!("josekit refuses another {alg}"), other.is_err());
        let signer = signer(alg, text(one, "private"))?;
        signed.push(jws::serialize_compact(&octets(one, "payload"), &JwsHeader::from_map(header(one))?, &*signer)?);
    }
    for one in given["sealed"].as_array().expect("a list") {
        let decrypter = ECDH_ES_A256KW.decrypter_from_pem(text(one, "private"))?;
        let read = jwe::deserialize_compact(text(one, "jwe"), &decrypter);
        that("josekit opens our escrow".to_owned(), read.is_ok_and(|(key, _)| key == octets(one, "key")));
        let other = jwe::deserialize_compact(&spoilt(text(one, "jwe")), &decrypter);
        that("josekit opens no other".to_owned(), other.is_err());
        let encrypter = ECDH_ES_A256KW.encrypter_from_pem(text(one, "public"))?;
        sealed.push(jwe::serialize_compact(&octets(one, "key"), &JweHeader::from_map(header(one))?, &encrypter)?);
    }
    let made = json!({ "josekit": { "signed": signed, "sealed": sealed } });
    std::io::stdout().write_all(made.to_string().as_bytes()).expect("standard output");
    std::process::exit(i32::from(failed > 0));
}
