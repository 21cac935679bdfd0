//! What is asked of a notary.

use http::StatusCode;
use semper_ttp::{
    asn1::Imprint,
    cms::SignedData,
    crypto::{
        Signer, SoftKey,
        jose::{Algorithm, Key},
    },
    digest::{Digest, ImprintAlgorithm},
    notary::dvcs::{
        Asked as Question,
        types::{CertInfo, Response},
    },
    statement::{Common, Origin, Salt, Statement, Unsigned, contract::ContractSigned},
};
use serde_json::{Value, json};

use super::{
    START,
    http::{Asked, ask},
    office::{Member, ORIGIN, World, random},
};

pub(crate) const CONTRACT: &[u8] = b"The seller sells, and the buyer buys.";

pub(crate) async fn asked(world: &World, who: &Member, kind: &str, signers: &[&Member]) -> Value {
    let (status, answer) = world.post(&who.login, "/v1/notary/acts", &json!({ "act": request(kind, signers) })).await;
    assert_eq!(status, 201, "{answer}");
    answer
}

/// The statement by which a party signs for an act.
pub(crate) fn signed(act: &Value, document: &[u8], member: &Member, key: &SoftKey) -> Vec<u8> {
    let thumbprint = Key::from_spki_der(key.spki_der()).unwrap().thumbprint();
    let body = ContractSigned {
        act: act["act"].as_str().unwrap().parse().unwrap(),
        document: Digest::of(document).into(),
        service: Origin::new(ORIGIN).unwrap(),
        party: member.id,
        key: thumbprint,
    };
    let common = Common { salt: Salt(semper_ttp::b64u::B64u(random())), iat: START.into(), x: None, shown: None };
    let unsigned = Unsigned::new(&Statement { common, body }, Algorithm::Es256, thumbprint).unwrap();
    let signature = key.sign_raw(unsigned.message()).unwrap();
    unsigned.finish(&signature).unwrap().bytes().to_vec()
}

pub(crate) fn place(act: &Value, what: &str) -> String {
    format!("/v1/notary/acts/{}{what}", act["act"].as_str().unwrap())
}

pub(crate) fn request(kind: &str, signers: &[&Member]) -> Value {
    let document = json!({ "sha256": semper_ttp::b64u::B64u(Digest::of(CONTRACT).0), "role": "original" });
    let mut request = json!({
        "t": "notary/request", "v": 1, "salt": semper_ttp::b64u::B64u(random()), "kind": kind, "documents": [document],
    });
    if !signers.is_empty() {
        request["signers"] = signers.iter().map(|member| json!(member.id)).collect();
    }
    request
}

/// A world whose notary is open.
pub(crate) fn open(world: World) -> World {
    let world = ready(world);
    world.service.begin_journal().unwrap();
    world
}

/// With its keys; whatever is asked of the journal waits.
pub(crate) fn ready(world: World) -> World {
    world.service.record_wrapping_key().unwrap();
    world.service.certify_role_keys().unwrap();
    world.service.arbiter_is_alive().unwrap();
    world
}

pub(crate) async fn dvcs(world: &World, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
    let answer =
        ask(&world.service, Asked::secure("POST", "/dvcs").with("content-type", "application/dvcs").octets(body)).await;
    assert_eq!(answer.header("content-type"), "application/dvcs");
    (answer.status, answer.body)
}

pub(crate) fn claim() -> Question {
    let digest = Digest::of(CONTRACT).0.to_vec();
    Question::Claim(Imprint { algorithm: ImprintAlgorithm::Sha256, null_parameters: false, digest })
}

/// What a data validation certificate says.
pub(crate) fn information(dvc: &[u8]) -> CertInfo {
    match Response::parse(SignedData::from_der(dvc).unwrap().attached().unwrap()).unwrap() {
        Response::CertInfo(information) => *information,
        other => panic!("{other:?}"),
    }
}
