//! Statements and tokens of our own, judged; what a report says, and that its schema knows all of it. Signatures of strangers are judged
//! beside pyHanko and openssl (`tests/tests/judges_signatures.rs`).

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::b64u::B64u;
use crate::ca::Authority;
use crate::ca::certificate::Issuer;
use crate::crypto::jose::{Algorithm, Key};
use crate::crypto::{SignatureAlgorithm, Signer, SoftKey, negate_s};
use crate::digest::ImprintAlgorithm;
use crate::path::Certificate;
use crate::role::Role;
use crate::statement::terms::TermsAccepted;
use crate::statement::{Common, Jws, Millis, Origin, Salt, Statement, Unsigned};
use crate::testing::{GEN_TIME, PKI, YEAR_SECS, ec, event, issue, template};
use crate::timestamp::request::Imprint;
use crate::timestamp::{TimestampAuthority, TimestampEffect};

const WITHOUT_REVOCATION: &str = "name = \"test\"\nchecks_off = [\"certificate.revocation\"]\n";

/// Who states things: a key, and a certificate of one year.
struct World {
    key: SoftKey,
    certificate: Vec<u8>,
    anchors: Vec<Arc<Anchor>>,
}

impl World {
    fn new() -> Self {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let issuer = Issuer::new(Authority::Tsu, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        let certificate = issue(&template("tsu", "Signer", &key, 1), &issuer, &PKI.ca_key).der().to_vec();
        Self { key, certificate, anchors: vec![anchor(PKI.root.der())] }
    }

    fn statement(&self) -> Vec<u8> {
        let key = Key::from_spki_der(self.key.spki_der()).unwrap();
        let iat = Millis::new(GEN_TIME.millis()).unwrap();
        let common = Common { salt: Salt(B64u([7; 16])), iat, x: None, shown: None };
        let body = TermsAccepted {
            policy: Digest::of(b"terms").into(),
            service: Origin::new("ttp.example/log").unwrap(),
            party: crate::id::PartyId::from([9; 16]),
            key: key.thumbprint(),
        };
        let unsigned = Unsigned::new(&Statement { common, body }, Algorithm::Es256, key.thumbprint()).unwrap();
        let signature = self.key.sign_raw(unsigned.message()).unwrap();
        unsigned.finish(&signature).unwrap().bytes().to_vec()
    }

    fn material(&self) -> Material {
        let mut material = Material::new();
        for der in [&self.certificate[..], PKI.ca.der()] {
            material.add_certificate(&Arc::new(Certificate::from_der(der).unwrap())).unwrap();
        }
        material
    }

    fn judge(&self, subject: Subject<'_>, change: impl FnOnce(&mut Case)) -> Report {
        let mut case = Case {
            material: self.material(),
            anchors: self.anchors.clone(),
            timestamps: Vec::new(),
            at: GEN_TIME.plus_secs(60),
            now: None,
            policy: WITHOUT_REVOCATION.to_owned(),
        };
        change(&mut case);
        let inputs = Inputs {
            subject,
            signer_anchors: &case.anchors,
            timestamp_anchors: &self.anchors,
            material: &case.material,
            timestamps: &case.timestamps,
            at: case.at,
            now: case.now.unwrap_or(case.at),
            source: None,
            policy: &Policy::parse(case.policy.as_bytes()).unwrap(),
        };
        let report = validate(&inputs);
        assert_eq!(report, validate(&inputs));
        schema::check(&report);
        report
    }
}

/// What a test changes.
struct Case {
    material: Material,
    anchors: Vec<Arc<Anchor>>,
    timestamps: Vec<Vec<u8>>,
    at: Timestamp,
    /// When it is judged; `at` if absent.
    now: Option<Timestamp>,
    policy: String,
}

fn anchor(der: &[u8]) -> Arc<Anchor> {
    Arc::new(Anchor::from_certificate(Arc::new(Certificate::from_der(der).unwrap())).unwrap())
}

/// A token of our own unit over `document`.
fn token(document: &[u8], at: Timestamp) -> Vec<u8> {
    let mut event = event(5);
    event.request.cert_req = true;
    event.request.imprint = Imprint::new(ImprintAlgorithm::Sha256, &Digest::of(document).0).unwrap();
    let (_, mut effects) = TimestampAuthority::decide(&ec().endpoint(), &event, at).unwrap();
    let TimestampEffect::Sign(content) = effects.remove(0);
    let tbs = crate::timestamp::token::prepare(&ec().tsu, &content);
    let signature = ec().key.sign(tbs.message()).unwrap();
    tbs.finish(&signature).token().to_vec()
}

/// The conclusion's sub-indication, or `OK`.
fn said(report: &Report) -> &str {
    report.conclusion.sub_indication.as_ref().map_or("OK", SubIndication::name)
}

#[test]
fn statements() {
    let world = World::new();
    let bytes = world.statement();
    let jws = Subject::Jws(&bytes);
    let check = |change: fn(&mut Case), expected: &str| {
        let report = world.judge(jws, change);
        assert_eq!(said(&report), expected, "{report}");
        report
    };
    let report = check(|_| {}, "OK");
    let signature = &report.signatures[0];
    assert_eq!((signature.process, signature.claimed_time), (Process::Basic, Some(GEN_TIME)));
    assert_eq!(report.policy.checks_off, ["certificate.revocation"]);
    assert_eq!(signature.signer.as_ref().unwrap().digest, Digest::of(&world.certificate));

    check(|case| case.material = Material::new(), "NO_SIGNING_CERTIFICATE_FOUND");
    check(|case| case.anchors = vec![], "NO_CERTIFICATE_CHAIN_FOUND");
    check(|case| case.at = GEN_TIME.plus_secs(2 * YEAR_SECS), "OUT_OF_BOUNDS_NO_POE");
    check(|case| case.at = GEN_TIME.minus_millis(YEAR_SECS * 1000), "OUT_OF_BOUNDS_NO_POE");
    check(|case| case.policy.push_str("[signer]\npurposes = [\"1.2.3\"]\n"), "CHAIN_CONSTRAINTS_FAILURE");
    // The certificates are for any policy, so also for this one.
    check(|case| case.policy.push_str("[signer]\npolicies = [\"1.2.3\"]\n"), "OK");
    check(|case| case.policy.push_str("[[algorithms]]\nname = \"sha256\"\n"), "CRYPTO_CONSTRAINTS_FAILURE");

    // Nothing tells whether anybody was revoked: that is said of each certificate, with the time.
    let report = check(|case| case.policy = "name = \"test\"".to_owned(), "TRY_LATER");
    let missing = &report.signatures[0].missing;
    assert_eq!(missing.len(), 2, "{missing:?}");
    assert!(missing.iter().all(|it| it.what == "revocation status" && it.for_time == Some(GEN_TIME.plus_secs(60))));

    // The high s of the same signature is as good; any other bit is not.
    let mut parts: Vec<String> = String::from_utf8(bytes.clone()).unwrap().split('.').map(str::to_owned).collect();
    let value = crate::b64u::decode(parts[2].as_bytes()).unwrap();
    let mut raw: [u8; 64] = value.try_into().unwrap();
    negate_s(&mut raw);
    parts[2] = crate::b64u::encode(&raw);
    assert_eq!(said(&world.judge(Subject::Jws(parts.join(".").as_bytes()), |_| {})), "OK");
    parts[2] = crate::b64u::encode(&[&raw[..63], &[raw[63] ^ 1]].concat());
    let report = world.judge(Subject::Jws(parts.join(".").as_bytes()), |_| {});
    assert_eq!(said(&report), "SIG_CRYPTO_FAILURE");
    assert_eq!(said(&world.judge(Subject::Jws(b"a.b"), |_| {})), "FORMAT_FAILURE");
    assert!(Jws::parse(&bytes).is_ok());
}

/// A timestamp kept beside the statement proves that it is older than its certificate's end.
#[test]
fn timestamps_beside_the_document() {
    let world = World::new();
    let bytes = world.statement();
    let later = GEN_TIME.plus_secs(2 * YEAR_SECS);
    let judge = |token: Vec<u8>| {
        world.judge(Subject::Jws(&bytes), |case| {
            case.at = later;
            case.timestamps = vec![token];
        })
    };
    let report = judge(token(&bytes, GEN_TIME));
    assert_eq!(said(&report), "OK", "{report}");
    let signature = report.signatures.iter().find(|it| it.kind == Kind::Signature).unwrap();
    assert_eq!((signature.process, signature.judged_at), (Process::WithTime, GEN_TIME));
    assert_eq!(signature.best_time.by, report.signatures[0].token);
    assert_eq!(signature.basic.as_ref().unwrap().sub_indication.as_ref().unwrap().name(), "OUT_OF_BOUNDS_NO_POE");
    // One for something else proves nothing, and one that does not read neither.
    let report = judge(token(b"else", GEN_TIME));
    let statement = report.signatures.iter().find(|it| it.kind == Kind::Signature).unwrap();
    assert_eq!((said(&report), statement.best_time.by), ("HASH_FAILURE", None));
    assert_eq!(said(&judge(vec![0x30, 0])), "FORMAT_FAILURE");
}

#[test]
fn tokens_by_themselves() {
    let world = World::new();
    let token = token(b"document", GEN_TIME);
    let judge = |detached: &[u8]| {
        let report = world.judge(Subject::Cms { bytes: &token, detached: Some(detached) }, |_| {});
        (said(&report).to_owned(), report.signatures[0].claimed_time)
    };
    assert_eq!(judge(b"document"), ("OK".to_owned(), Some(GEN_TIME)));
    assert_eq!(judge(b"another"), ("HASH_FAILURE".to_owned(), Some(GEN_TIME)));
    let cut = &token[..token.len() - 1];
    assert_eq!(said(&world.judge(Subject::Cms { bytes: cut, detached: None }, |_| {})), "FORMAT_FAILURE");
    let behind = [&token[..], &[0]].concat();
    assert_eq!(said(&world.judge(Subject::Cms { bytes: &behind, detached: None }, |_| {})), "FORMAT_FAILURE");
    assert_eq!(said(&world.judge(Subject::Pdf(&token), |_| {})), "FORMAT_FAILURE");
}

#[test]
fn encrypted_documents_are_not_judged() {
    let world = World::new();
    let pdf = b"%PDF-1.7\nxref\n0 0\ntrailer\n<< /Root 1 0 R /Encrypt 2 0 R >>\nstartxref\n9\n%%EOF\n";
    let report = world.judge(Subject::Pdf(pdf), |_| {});
    assert_eq!(report.conclusion.indication, Indication::Indeterminate);
    assert!(report.to_string().contains("the document is encrypted"), "{report}");
}

/// EN 319 102-1 §5.1: more validation data changes only what was INDETERMINATE.
/// Of a moment in the past it is asked whether the signature was good then: it was, and nothing proves that it was there.
#[test]
fn a_past_moment_is_asked_about_later() {
    let world = World::new();
    let statement = world.statement();
    let (then, now) = (GEN_TIME.plus_secs(60), GEN_TIME.plus_secs(3 * YEAR_SECS));
    let report = world.judge(Subject::Jws(&statement), |case| (case.at, case.now) = (then, Some(now)));
    let sub = report.conclusion.sub_indication.as_ref().map(SubIndication::name);
    assert_eq!((report.conclusion.indication, sub), (Indication::Indeterminate, Some("NO_POE")));
    assert!(report.signatures[0].missing.iter().any(|it| it.for_time == Some(then)), "{:?}", report.signatures);
    // A timestamp from before proves it.
    let timestamp = token(&statement, GEN_TIME);
    let proved = world.judge(Subject::Jws(&statement), |case| {
        (case.at, case.now) = (then, Some(then.plus_secs(60)));
        case.timestamps = vec![timestamp];
    });
    assert_eq!(proved.conclusion, Conclusion::PASSED, "{proved}");
    assert_eq!((report.validation_time, report.judged_on, report.signatures[0].judged_at), (then, now, then));
    let report = world.judge(Subject::Jws(&statement), |case| (case.at, case.now) = (now, Some(now)));
    assert_eq!(report.conclusion.indication, Indication::Indeterminate);
}

/// What is given beside a signature that has its content must be that content.
#[test]
fn content_given_beside_an_attached_one_counts() {
    use crate::notary::dvcs::testing::{asked, dvc, request};
    let world = World::new();
    let signed = dvc(&request(&asked()[0])).into_der();
    let own = crate::cms::SignedData::from_der(&signed).unwrap().attached().unwrap().to_vec();
    let judged = |detached: Option<&[u8]>| world.judge(Subject::Cms { bytes: &signed, detached }, |_| ()).conclusion;
    assert_eq!(judged(None), Conclusion::PASSED);
    assert_eq!(judged(Some(&own)), Conclusion::PASSED);
    let other = judged(Some(b"something else"));
    assert_eq!(other.sub_indication.map(|sub| sub.name()), Some("HASH_FAILURE"));
}

#[test]
fn subjects_are_known_by_their_octets() {
    let recognised = |bytes: &[u8]| match Subject::recognise(bytes, None) {
        Subject::Pdf(_) => "pdf",
        Subject::Jws(_) => "jws",
        Subject::Cms { .. } => "cms",
        Subject::Certificates(_) => "certificates",
    };
    let late = [vec![b' '; 1_019], b"%PDF-".to_vec()].concat();
    let too_late = [vec![b' '; 1_020], b"%PDF-".to_vec()].concat();
    for (bytes, expected) in [
        (&b"%PDF-1.7"[..], "pdf"),
        (&late, "pdf"),
        (&too_late, "cms"),
        (b"eyJ.eyJ.sig-_", "jws"),
        (b"eyJ.eyJ", "cms"),
        (b"a.b.c.d", "cms"),
        (b"\x30\x80", "cms"),
        (b"", "cms"),
    ] {
        assert_eq!(recognised(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn unrelated_material_changes_nothing() {
    let world = World::new();
    let bytes = world.statement();
    let other = World::new();
    for policy in [WITHOUT_REVOCATION, "name = \"test\""] {
        let plain = world.judge(Subject::Jws(&bytes), |case| case.policy = policy.to_owned());
        let more = world.judge(Subject::Jws(&bytes), |case| {
            case.policy = policy.to_owned();
            case.material.add_all(&other.material()).unwrap();
        });
        assert_eq!(plain.conclusion, more.conclusion);
    }
}

/// The report's JSON beside `schemas/validation-report.json`.
mod schema {
    use super::*;
    use std::sync::LazyLock;

    static SCHEMA: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(include_str!("../../../schemas/validation-report.json")).unwrap());

    /// Every member is known, every required one there, every constant one of those listed.
    pub(super) fn check(report: &Report) {
        let value: Value = serde_json::from_str(&report.to_json()).unwrap();
        fits(&value, &SCHEMA, "").unwrap();
        assert!(!report.to_string().is_empty());
    }

    fn fits(value: &Value, schema: &Value, place: &str) -> Result<(), String> {
        let schema = match schema["$ref"].as_str() {
            Some(name) => SCHEMA.pointer(name.trim_start_matches('#')).expect("a definition"),
            None => schema,
        };
        if let Some(choices) = schema["oneOf"].as_array() {
            let fitting = choices.iter().filter(|choice| fits(value, choice, place).is_ok()).count();
            return (fitting == 1).then_some(()).ok_or_else(|| format!("{place}: {value} fits {fitting} of {schema}"));
        }
        let complaint = || Err(format!("{place}: {value} is not {schema}"));
        if schema["const"] != Value::Null && schema["const"] != *value {
            return complaint();
        }
        if schema["enum"].as_array().is_some_and(|list| !list.contains(value)) {
            return complaint();
        }
        let kind = match value {
            Value::Null => "null",
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Bool(_) | Value::Number(_) => "other",
        };
        if schema["type"].as_str().is_some_and(|wanted| wanted != kind) {
            return complaint();
        }
        if let Value::Array(items) = value {
            return items.iter().try_for_each(|item| fits(item, &schema["items"], place));
        }
        let Value::Object(members) = value else { return Ok(()) };
        for required in schema["required"].as_array().into_iter().flatten() {
            if !members.contains_key(required.as_str().unwrap()) {
                return Err(format!("{place} lacks {required}"));
            }
        }
        for (name, member) in members {
            match &schema["properties"][name] {
                Value::Null if schema["additionalProperties"] == false => return Err(format!("{place} has {name}")),
                Value::Null => {}
                known => fits(member, known, &format!("{place}/{name}"))?,
            }
        }
        Ok(())
    }

    #[test]
    fn it_knows_all_names() {
        let listed = |name: &str| -> Vec<String> {
            let list = SCHEMA.pointer(name).unwrap_or_else(|| panic!("{name}")).as_array().unwrap();
            list.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(listed("/$defs/constraint_name/enum"), constraint::ALL);
        let all = super::every_sub_indication();
        let names: Vec<&str> = all.iter().map(SubIndication::name).collect();
        assert_eq!(listed("/$defs/sub_indication/properties/name/enum"), names);
        for sub in all {
            // The name in JSON is the one that the standard writes, and each is told in words.
            assert_eq!(serde_json::to_value(&sub).unwrap()["name"], sub.name());
            let conclusion = Conclusion::from(sub);
            assert!(!conclusion.to_string().ends_with(": "), "{conclusion}");
        }
        assert!(
            fits(
                &serde_json::json!({ "indication": "MAYBE", "sub_indication": null }),
                &SCHEMA["properties"]["conclusion"],
                ""
            )
            .is_err()
        );
        assert!(
            fits(&serde_json::json!({ "indication": "TOTAL-PASSED" }), &SCHEMA["properties"]["conclusion"], "")
                .is_err()
        );
    }
}

/// One of each, in the order of the standard's tables.
fn every_sub_indication() -> Vec<SubIndication> {
    use SubIndication as S;
    let certificate = CertificateRef {
        digest: Digest::of(b"certificate"),
        subject: "CN=Alice".to_owned(),
        issuer: "CN=CA".to_owned(),
        serial: "01".to_owned(),
        not_before: GEN_TIME,
        not_after: GEN_TIME.plus_secs(1),
    };
    let named = || certificate.clone();
    let (why, constraints, material) =
        (|| "why".to_owned(), || vec![constraint::FORMAT], || "the signature: sha1".to_owned());
    let (at, reason) = (GEN_TIME, Some("keyCompromise"));
    vec![
        S::FormatFailure { why: why() },
        S::HashFailure { element: why() },
        S::SigCryptoFailure { certificate: named() },
        S::Revoked { certificate: named(), revoked_at: at, reason, signed_after: at },
        S::Expired { certificate: named(), signed_after: at },
        S::NotYetValid { certificate: named(), existed_at: at },
        S::SigConstraintsFailure { constraints: constraints() },
        S::ChainConstraintsFailure { constraints: constraints() },
        S::CertificateChainGeneralFailure { why: why() },
        S::CryptoConstraintsFailure { material: material(), accepted_until: None },
        S::PolicyProcessingError { why: why() },
        S::SignaturePolicyNotAvailable { policy: why() },
        S::TimestampOrderFailure { tokens: vec![Digest::of(b"token")] },
        S::NoSigningCertificateFound,
        S::NoCertificateChainFound { why: why() },
        S::NoCertificateChainFoundNoPoe,
        S::RevokedNoPoe { certificate: named(), revoked_at: at, reason },
        S::RevokedCaNoPoe { certificate: named(), revoked_at: at },
        S::OutOfBoundsNotRevoked { certificate: named() },
        S::OutOfBoundsNoPoe { certificate: named() },
        S::RevocationOutOfBoundsNoPoe { certificate: named() },
        S::CryptoConstraintsFailureNoPoe { material: material(), accepted_until: Some(at) },
        S::NoPoe { objects: vec![why()] },
        S::TryLater { certificate: named(), at: None },
        S::SignedDataNotFound { identifier: why() },
        S::Custom { diagnostic: why() },
    ]
}
