//! Every rule of the profile with one refused example, and what nobody can take apart.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::act::ActRecorded;
use super::ceremony::CeremonyAttested;
use super::contract::ContractSigned;
use super::terms::TermsAccepted;
use super::withdrawn::RegistrationWithdrawn;
use super::*;
use crate::b64u::{self, B64u, B64u32};
use crate::crypto::jose::{Algorithm, Key, Thumbprint};
use crate::crypto::{SignatureAlgorithm, Signer, SoftKey, negate_s};
use crate::digest::Digest;
use crate::id::PartyId;
use crate::json::JsonFault;

const TYP: &str = "semper.terms.accepted+jws";
const KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn accepted(key: Thumbprint) -> Statement<TermsAccepted> {
    let common =
        Common { salt: Salt(B64u([7; 16])), iat: Millis::new(1_772_366_400_250).unwrap(), x: None, shown: None };
    let body = TermsAccepted {
        policy: Digest::of(b"terms").into(),
        service: Origin::new("ttp.example/log").unwrap(),
        party: PartyId::from([9; 16]),
        key,
    };
    Statement { common, body }
}

fn public(key: &SoftKey) -> Key {
    Key::from_spki_der(key.spki_der()).unwrap()
}

fn sign<B: Body>(statement: &Statement<B>, key: &SoftKey) -> Jws {
    let algorithm = Algorithm::of_signer(key.algorithm()).unwrap();
    let unsigned = Unsigned::new(statement, algorithm, public(key).thumbprint()).unwrap();
    let signature = key.sign_raw(unsigned.message()).unwrap();
    unsigned.finish(&signature).unwrap()
}

/// A JWS that nobody signed.
fn forged(header: &str, payload: &[u8]) -> Vec<u8> {
    [b64u::encode(header.as_bytes()), b64u::encode(payload), b64u::encode(&[1; 64])].join(".").into_bytes()
}

fn header() -> String {
    format!(r#"{{"alg":"EdDSA","kid":"{KID}","typ":"{TYP}"}}"#)
}

fn payload() -> Value {
    let payload = accepted(KID.parse().unwrap()).write().unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[test]
fn what_is_made_is_read_and_verified() {
    for algorithm in [SignatureAlgorithm::EcdsaP256Sha256, SignatureAlgorithm::Ed25519] {
        let [key, other] = [(); 2].map(|()| SoftKey::generate(algorithm).unwrap());
        let statement = accepted(public(&key).thumbprint());
        let made = sign(&statement, &key);
        let read = Jws::parse(made.bytes()).unwrap();
        assert_eq!(read, made);
        assert_eq!((read.tag(), read.common()), ("terms/accepted", &statement.common));
        assert_eq!(read.payload_as(), Ok(statement));
        assert_eq!((read.x(), read.digest()), (Digest::of(read.payload()), Digest::of(read.bytes())));
        assert_eq!(read.verify(&public(&key)), Ok(()));
        let claimed = public(&key).thumbprint();
        assert_eq!(read.key_id(), claimed);
        assert_eq!(read.verify(&public(&other)), Err(StatementFault::OtherKey { claimed }));
        // Signed by another key in the name of this one.
        let unsigned = Unsigned::new(&accepted(claimed), Algorithm::of_signer(algorithm).unwrap(), claimed).unwrap();
        let signature = other.sign_raw(unsigned.message()).unwrap();
        assert_eq!(unsigned.finish(&signature).unwrap().verify(&public(&key)), Err(StatementFault::Signature));
    }
}

#[test]
fn each_rule_of_the_container_refuses() {
    let head = |from: &str, to: &str| forged(&header().replace(from, to), payload().to_string().as_bytes());
    let with = |members: &str| head("{", &format!("{{{members},"));
    let raw = |text: &[u8]| forged(&header(), text);
    let pay = |name: &str, value: Value| {
        let mut payload = payload();
        payload[name] = value;
        raw(payload.to_string().as_bytes())
    };
    let without = |name: &str| {
        let mut payload = payload();
        payload.as_object_mut().unwrap().remove(name);
        raw(payload.to_string().as_bytes())
    };
    let good = String::from_utf8(head("", "")).unwrap();
    let [h, p, s] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let of = |parts: &[&str]| parts.join(".").into_bytes();
    let text = payload().to_string();
    let salt = payload()["salt"].clone();

    use StatementFault as F;
    let header_member = |name: &str| Some(F::HeaderMember(name.to_owned()));
    let algorithm = |name: &str| Some(F::Algorithm(name.to_owned()));
    let json = |part, fault| Some(F::Json(part, fault));
    let twice = |name: &str| JsonFault::Duplicate(name.to_owned());
    let length = |algorithm, octets| Some(F::SignatureLength { algorithm, octets });
    let typ = || Some(F::Type { expected: TYP.to_owned() });
    // `None`: a member, in serde's words.
    let table: Vec<(&str, Vec<u8>, Option<StatementFault>)> = vec![
        ("65,537 bytes", vec![b'A'; STATEMENT_BYTES_MAX + 1], Some(F::TooLong)),
        ("nothing", vec![], Some(F::NotCompact)),
        ("two parts", of(&[h, p]), Some(F::NotCompact)),
        ("four parts", of(&[h, p, s, ""]), Some(F::NotCompact)),
        ("JSON serialisation", br#"{"payload":"","signature":""}"#.to_vec(), Some(F::NotCompact)),
        ("padding", of(&[h, p, &format!("{s}==")]), Some(F::Base64(Part::Signature))),
        ("trailing bits", of(&[h, p, &format!("{}B", &s[..s.len() - 1])]), Some(F::Base64(Part::Signature))),
        ("a line end", of(&[h, p, &format!("{s}\n")]), Some(F::Base64(Part::Signature))),
        ("a space", of(&[&format!(" {h}"), p, s]), Some(F::Base64(Part::Header))),
        ("base64 with +", of(&[h, &format!("+{}", &p[1..]), s]), Some(F::Base64(Part::Payload))),
        ("not ASCII", of(&[h, &format!("é{p}"), s]), Some(F::Base64(Part::Payload))),
        ("empty header", of(&["", p, s]), json(Part::Header, JsonFault::Syntax(String::new()))),
        ("header as array", forged("[]", text.as_bytes()), json(Part::Header, JsonFault::NotAnObject)),
        ("alg twice", with(r#""alg":"EdDSA""#), json(Part::Header, twice("alg"))),
        ("alg none", head("EdDSA", "none"), algorithm("none")),
        ("HS256", head("EdDSA", "HS256"), algorithm("HS256")),
        ("RS256", head("EdDSA", "RS256"), algorithm("RS256")),
        ("Ed448", head("EdDSA", "Ed448"), algorithm("Ed448")),
        ("alg as number", head(r#""EdDSA""#, "1"), Some(F::HeaderLacks("alg"))),
        ("no alg", head(r#""alg":"EdDSA","#, ""), Some(F::HeaderLacks("alg"))),
        ("no kid", head(&format!(r#""kid":"{KID}","#), ""), Some(F::HeaderLacks("kid"))),
        ("no typ", head(&format!(r#","typ":"{TYP}""#), ""), Some(F::HeaderLacks("typ"))),
        ("jwk", with(r#""jwk":{}"#), header_member("jwk")),
        ("jku", with(r#""jku":"https://a.example""#), header_member("jku")),
        ("x5u", with(r#""x5u":"https://a.example""#), header_member("x5u")),
        ("x5c", with(r#""x5c":[]"#), header_member("x5c")),
        ("x5t#S256", with(r#""x5t#S256":"""#), header_member("x5t#S256")),
        ("crit", with(r#""crit":["exp"]"#), header_member("crit")),
        ("b64", with(r#""b64":false"#), header_member("b64")),
        ("cty", with(r#""cty":"json""#), header_member("cty")),
        ("a private member", with(r#""note":null"#), header_member("note")),
        ("a short kid", head(KID, &KID[1..]), Some(F::KeyId)),
        ("a kid with trailing bits", head("S4k", "S4l"), Some(F::KeyId)),
        ("a kid in hex", head(KID, &"0".repeat(64)), Some(F::KeyId)),
        ("ES384 of 64 octets", head("EdDSA", "ES384"), length(Algorithm::Es384, 64)),
        ("PS256 of 64 octets", head("EdDSA", "PS256"), length(Algorithm::Ps256, 64)),
        ("no signature", of(&[h, p, ""]), length(Algorithm::EdDsa, 0)),
        (
            "a byte order mark",
            raw(&[b"\xEF\xBB\xBF", text.as_bytes()].concat()),
            json(Part::Payload, JsonFault::ByteOrderMark),
        ),
        ("Latin-1", raw(b"{\"t\":\"\xE9\"}"), json(Part::Payload, JsonFault::NotUtf8)),
        ("no JSON", raw(b"terms"), json(Part::Payload, JsonFault::Syntax(String::new()))),
        ("an empty payload", raw(b""), json(Part::Payload, JsonFault::Syntax(String::new()))),
        ("a payload as string", raw(b"\"t\""), json(Part::Payload, JsonFault::NotAnObject)),
        (
            "a second value",
            raw(format!("{text}{{}}").as_bytes()),
            json(Part::Payload, JsonFault::Syntax(String::new())),
        ),
        (
            "salt twice",
            raw(text.replacen('{', &format!("{{\"salt\":{salt},"), 1).as_bytes()),
            json(Part::Payload, twice("salt")),
        ),
        ("twice inside", raw(br#"{"a":{"b":{"c":1,"c":1}}}"#), json(Part::Payload, twice("c"))),
        ("17 deep", pay("a", deep(16)), json(Part::Payload, JsonFault::Depth)),
        ("iat with a fraction", pay("iat", json!(1.5)), json(Part::Payload, JsonFault::Number)),
        ("iat of 2^53", pay("iat", json!(1_u64 << 53)), json(Part::Payload, JsonFault::Number)),
        ("no t", without("t"), Some(F::Tag)),
        ("t as number", pay("t", json!(1)), Some(F::Tag)),
        ("t with a dot, of the same typ", pay("t", json!("terms.accepted")), Some(F::Tag)),
        ("t in capitals", pay("t", json!("Terms/accepted")), Some(F::Tag)),
        ("t with an empty word", pay("t", json!("terms//accepted")), Some(F::Tag)),
        ("t of 65", pay("t", json!("t".repeat(65))), Some(F::Tag)),
        ("no v", without("v"), Some(F::Version)),
        ("v 2", pay("v", json!(2)), Some(F::Version)),
        ("v as string", pay("v", json!("1")), Some(F::Version)),
        ("another typ", head(TYP, "semper.terms.refused+jws"), typ()),
        ("typ with a slash", head(TYP, "semper.terms/accepted+jws"), typ()),
        ("typ as media type", head(TYP, &format!("application/{TYP}")), typ()),
        ("typ JWT", head(TYP, "JWT"), typ()),
        ("no salt", without("salt"), None),
        ("a short salt", pay("salt", json!("AAAA")), None),
        ("a salt of 32", pay("salt", json!(KID)), None),
        ("no iat", without("iat"), None),
        ("iat before 1970", pay("iat", json!(-1)), None),
        ("iat as string", pay("iat", json!("1")), None),
        ("x null", pay("x", Value::Null), None),
        ("x of 16 octets", pay("x", salt.clone()), None),
        ("shown null", pay("shown", Value::Null), None),
        ("shown with more", pay("shown", json!({"display": KID, "ui": KID, "docs": [], "more": 1})), None),
        ("shown in a fourth way", pay("shown", shown("heard")), None),
    ];
    for (what, bytes, expected) in table {
        match (Jws::parse(&bytes).unwrap_err(), expected) {
            (F::Member(_), None) => {}
            (F::Json(part, JsonFault::Syntax(_)), Some(F::Json(wanted, JsonFault::Syntax(_)))) => {
                assert_eq!(part, wanted)
            }
            (fault, expected) => assert_eq!(Some(fault), expected, "{what}"),
        }
    }
    assert!(Jws::parse(good.as_bytes()).is_ok());
    assert!(Jws::parse(&pay("shown", shown("not-shown"))).is_ok());
    assert!(Jws::parse(&pay("a", deep(15))).is_ok(), "unknown members are the kind's to refuse");
}

fn deep(levels: usize) -> Value {
    (0..levels - 1).fold(json!([]), |inner, _| json!([inner]))
}

fn shown(mode: &str) -> Value {
    json!({"display": KID, "ui": KID, "docs": [{"sha256": KID, "mode": mode, "pages_seen": 0, "pages": 2}]})
}

#[test]
fn each_rule_of_a_kind_refuses() {
    let refused = |edit: fn(&mut Value)| {
        let mut payload = payload();
        edit(&mut payload);
        let bytes = forged(&header(), payload.to_string().as_bytes());
        Jws::parse(&bytes).unwrap().payload_as::<TermsAccepted>().unwrap_err()
    };
    let members: [fn(&mut Value); 9] = [
        |p| p["extra"] = json!(1),
        |p| drop(p.as_object_mut().unwrap().remove("policy")),
        |p| p["policy"] = json!("AA"),
        |p| p["policy"] = json!(Digest::of(b"in hex").to_string()),
        |p| p["service"] = json!(""),
        |p| p["service"] = json!("a\nb"),
        |p| p["service"] = json!("s".repeat(256)),
        |p| p["party"] = json!(KID),
        |p| p["key"] = json!(1),
    ];
    for edit in members {
        assert!(matches!(refused(edit), StatementFault::Member(_)));
    }
    assert_eq!(refused(|p| p["x"] = json!(KID)), StatementFault::Follows);
    let named = Thumbprint(B64u([0; 32]));
    let other = |p: &mut Value| p["key"] = json!("A".repeat(43));
    assert_eq!(refused(other), StatementFault::Signer { named });
    let bytes = forged(&header(), payload().to_string().as_bytes());
    let found = "terms/accepted".to_owned();
    let expected = StatementFault::Kind { expected: "test/follows", found };
    assert_eq!(Jws::parse(&bytes).unwrap().payload_as::<Careless>(), Err(expected));
}

/// A kind whose author forgot to refuse unknown members.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Careless {
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    deal: Option<B64u32>,
}

impl Body for Careless {
    const TAG: &'static str = "test/follows";
    const FOLLOWS: bool = true;
}

#[test]
fn members_that_a_type_passes_over_are_refused_all_the_same() {
    let head = header().replace(TYP, "semper.test.follows+jws");
    let read = |members: &str| {
        let salt = "AAAAAAAAAAAAAAAAAAAAAA";
        let text = format!(r#"{{"t":"test/follows","v":1,"salt":"{salt}","iat":0{members}}}"#);
        Jws::parse(&forged(&head, text.as_bytes())).unwrap().payload_as::<Careless>().map(|read| read.body)
    };
    let x = format!(r#","x":"{KID}""#);
    let body = |note: Option<&str>| Ok(Careless { note: note.map(str::to_owned), deal: None });
    assert_eq!(read(&format!(r#"{x},"deal":null"#)), body(None));
    assert_eq!(read(&format!(r#"{x},"deal":null,"note":"n""#)), body(Some("n")));
    for bad in [r#","deal":null,"extra":1"#, r#","deal":null,"note":null"#, ""] {
        assert!(matches!(read(&format!("{x}{bad}")), Err(StatementFault::Member(_))), "{bad}");
    }
    assert_eq!(read(r#","deal":null"#), Err(StatementFault::Follows));
}

#[test]
fn nothing_is_signed_that_nobody_could_read() {
    let key = Thumbprint(B64u([1; 32]));
    let make = |statement: &Statement<_>, key| Unsigned::new(statement, Algorithm::EdDsa, key).map(drop);
    assert_eq!(make(&accepted(key), key), Ok(()));
    let other = Thumbprint(B64u([2; 32]));
    assert_eq!(make(&accepted(key), other), Err(StatementFault::Signer { named: key }));
    let mut follows = accepted(key);
    follows.common.x = Some(B64u([3; 32]));
    assert_eq!(make(&follows, key), Err(StatementFault::Follows));
    let hash = B64u([4; 32]);
    let document = ShownDocument { sha256: hash, mode: ShownMode::Text, pages_seen: 1, pages: 1 };
    let mut long = accepted(key);
    let mut show = |documents| {
        long.common.shown = Some(Shown { display: hash, ui: hash, docs: vec![document.clone(); documents] });
        Unsigned::new(&long, Algorithm::EdDsa, key)
    };
    let fitting = (0..1000).take_while(|documents| show(*documents).is_ok()).count();
    assert!(fitting > 400, "{fitting}");
    assert_eq!(show(fitting).unwrap_err(), StatementFault::TooLong);
    let largest = show(fitting - 1).unwrap().finish(&[0; 64]).unwrap();
    assert!(Jws::parse(largest.bytes()).is_ok());
    let octets = 63;
    let fault = StatementFault::SignatureLength { algorithm: Algorithm::EdDsa, octets };
    assert_eq!(show(0).unwrap().finish(&[0; 63]), Err(fault));
}

/// Anyone can make the second from the first: one statement, two JWS.
#[test]
fn a_second_signature_changes_the_digest_and_not_the_statement() {
    let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let statement = accepted(public(&key).thumbprint());
    let low = sign(&statement, &key);
    let text = std::str::from_utf8(low.bytes()).unwrap();
    let (message, signature) = text.rsplit_once('.').unwrap();
    let mut raw: [u8; 64] = b64u::decode(signature.as_bytes()).unwrap().try_into().unwrap();
    negate_s(&mut raw);
    let high = Jws::parse(format!("{message}.{}", b64u::encode(&raw)).as_bytes()).unwrap();
    assert_eq!(high.verify(&public(&key)), Ok(()));
    assert_eq!((high.x(), high.payload_as()), (low.x(), Ok(statement.clone())));
    assert_ne!(high.digest(), low.digest());
    assert!(high.bytes().ends_with(b64u::encode(&raw).as_bytes()), "kept as received");
    // Ours is made low, whoever signs for us.
    let unsigned = Unsigned::new(&statement, Algorithm::Es256, low.key_id()).unwrap();
    assert_eq!(unsigned.finish(&raw).unwrap(), low);
}

/// Their signatures verify at the primitive level (`crypto/jose/tests.rs`), and the profile refuses their headers.
#[test]
fn examples_of_the_rfcs_are_not_statements() {
    let a3 = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let a4 = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    for rfc in [a3, a4] {
        assert_eq!(Jws::parse(rfc.as_bytes()), Err(StatementFault::HeaderLacks("kid")));
    }
    // RFC 7515 A.5, unsecured.
    let a5 = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    assert!(Jws::parse(a5.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Jws::parse(&bytes);
    }

    #[test]
    fn parsing_parts_never_panics(
        header in r#"\{("(alg|kid|typ|jwk)":"?[A-Za-z0-9+. ]{0,50}"?,?){0,4}\}"#,
        payload in r#"[{}\[\]:,"tvsaltix0-9.e\\u-]{0,60}"#,
        signature in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let parts = [header.as_bytes(), payload.as_bytes(), &signature].map(b64u::encode);
        let _ = Jws::parse(parts.join(".").as_bytes());
        let _ = Jws::parse(&forged(&self::header(), payload.as_bytes()));
    }

    /// One octet changed in a good one: refused, or a statement whose signature does not verify.
    #[test]
    fn no_octet_can_be_changed(at: usize, octet: u8) {
        let (good, key) = &*GOOD;
        let mut bytes = good.bytes().to_vec();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != octet);
        bytes[at] = octet;
        if let Ok(read) = Jws::parse(&bytes) {
            prop_assert!(read.verify(key).is_err());
        }
    }
}

static GOOD: LazyLock<(Jws, Key)> = LazyLock::new(|| {
    let key = SoftKey::from_pkcs8_der(&terms_key()).unwrap();
    (sign(&accepted(public(&key).thumbprint()), &key), public(&key))
});

// ---- schemas/ -----------------------------------------------------------------------------------------------------------

/// The key of RFC 8037 A.1 as PKCS#8 (RFC 8410 §7).
fn terms_key() -> Vec<u8> {
    let head = "302e020100300506032b657004220420";
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    hex::decode([head, seed].concat()).unwrap()
}

#[test]
fn the_vectors_are_read_and_the_first_is_made() {
    let vectors: Value = serde_json::from_str(include_str!("../../../schemas/vectors/statements.json")).unwrap();
    let mut algorithms = Vec::new();
    for vector in vectors["statements"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let read = Jws::parse(text("jws").as_bytes()).unwrap();
        let key = Key::from_jwk(vector["jwk"].as_object().unwrap()).unwrap();
        assert_eq!(read.verify(&key), Ok(()), "{}", text("alg"));
        assert_eq!(read.payload(), text("payload").as_bytes());
        let header = b64u::encode(text("header").as_bytes());
        assert_eq!(text("jws").split('.').next(), Some(header.as_str()));
        assert_eq!(
            (read.x().to_string(), read.digest().to_string()),
            (text("x").to_owned(), text("digest").to_owned())
        );
        let statement = read.payload_as::<TermsAccepted>().unwrap();
        assert_eq!(statement.body.policy, Digest::of(b"The terms.\n").into());
        assert_eq!(statement.body.service.as_str(), "vectors.semper.example/log");
        if algorithms.is_empty() {
            // Ed25519 signatures are the same whoever makes them.
            assert_eq!(sign(&statement, &SoftKey::from_pkcs8_der(&terms_key()).unwrap()), read);
        }
        algorithms.push(text("alg"));
    }
    assert_eq!(algorithms, ["EdDSA", "ES256", "ES384", "PS256", "Ed25519"]);
}

/// The kinds that came later, by the key of RFC 8037 A.1: made anew, and read.
#[test]
fn the_vectors_of_other_kinds_are_made() {
    let vectors: Value = serde_json::from_str(include_str!("../../../schemas/vectors/statements.json")).unwrap();
    let key = SoftKey::from_pkcs8_der(&terms_key()).unwrap();
    let common = |salt| {
        let iat = Millis::new(1_772_366_400_255).unwrap();
        Common { salt: Salt(B64u([salt; 16])), iat, x: None, shown: None }
    };
    let service = Origin::new("vectors.semper.example/log").unwrap();
    let kid = public(&key).thumbprint();
    let withdrawn = RegistrationWithdrawn { registration: [8; 16].into(), service: service.clone(), key: kid };
    let attested = CeremonyAttested {
        transcript: Digest::of(b"The transcript.\n").into(),
        service: service.clone(),
        certificate: Digest::of(b"A certificate.\n").into(),
        key: kid,
    };
    let document = Digest::of(b"The contract.\n").into();
    let signed = ContractSigned { act: [8; 16].into(), document, service, party: [6; 16].into(), key: kid };
    let made = [
        (RegistrationWithdrawn::TAG, sign(&Statement { common: common(1), body: withdrawn }, &key)),
        (CeremonyAttested::TAG, sign(&Statement { common: common(2), body: attested }, &key)),
        (ContractSigned::TAG, sign(&Statement { common: common(3), body: signed }, &key)),
        (ActRecorded::TAG, sign(&Statement { common: common(4), body: super::act::tests::full(kid) }, &key)),
    ];
    let made = made.map(|(kind, jws)| {
        json!({
            "kind": kind,
            "payload": String::from_utf8_lossy(jws.payload()),
            "x": jws.x().to_string(),
            "digest": jws.digest().to_string(),
            "jws": String::from_utf8_lossy(jws.bytes()),
        })
    });
    assert_eq!(vectors["others"], Value::from(made.to_vec()), "{}", Value::from(made.to_vec()));
}

/// The schema names the members that the code writes.
#[test]
fn the_schema_has_the_members_of_the_code() {
    let schema: Value = serde_json::from_str(include_str!("../../../schemas/statements/terms.accepted.json")).unwrap();
    let mut statement = accepted(KID.parse().unwrap());
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let written = |statement: &Statement<_>| -> Value { serde_json::from_slice(&statement.write().unwrap()).unwrap() };
    let mut required: Vec<_> = schema["required"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    required.sort_unstable();
    assert_eq!(names(&written(&statement)), required);
    statement.common.shown = serde_json::from_value(shown("text")).unwrap();
    let all = written(&statement);
    assert_eq!(names(&all), names(&schema["properties"]));
    let shown = &schema["$defs"]["shown"]["properties"];
    assert_eq!(names(&all["shown"]), names(shown));
    assert_eq!(names(&all["shown"]["docs"][0]), names(&shown["docs"]["items"]["properties"]));
    assert_eq!(schema["properties"]["t"]["const"], TermsAccepted::TAG);
    assert_eq!(schema["$defs"]["millis"]["maximum"], crate::json::INTEGER_MAX);
    assert_eq!(schema["properties"]["service"]["maxLength"], Origin::CHARS_MAX);
}
