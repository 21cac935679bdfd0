//! A notary that validates: certificates and signed documents by RFC 3029, signatures by an act. What it finds is certified either way, with
//! the report of it.

mod world;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Method;
use semper_ttp::{
    asn1::{der, read::Reader},
    ca::crl::Reason,
    digest::Digest,
    evidence::{Kind, NotaryKind},
    notary::dvcs::{
        Asked as Question, StatusInfo,
        request::build,
        token::{CertEtcToken, TargetEtcChain},
        types::Response,
    },
    statement::Jws,
    statement::act::{ActRecorded, Principal},
};
use serde_json::{Value, json};
use world::{
    DAY_SECS, START,
    http::{Asked, ask},
    key,
    notary::{CONTRACT, asked, claim, dvcs, information, open, place, request, signed},
    office::{Member, Person, World},
};

/// With responders that answer, and lists.
fn ready() -> World {
    let world = open(World::new());
    world.service.renew_responders().unwrap();
    world.service.renew_crls().unwrap();
    world
}

fn text(status: &StatusInfo) -> String {
    if status.is_granted() { "granted".to_owned() } else { status.text() }
}

/// The collective status, that of each certificate, and what it rests on.
async fn validated(world: &World, asked: &Question) -> (String, Vec<(String, Vec<CertEtcToken>)>) {
    let (_, dvc) = dvcs(world, build(asked, Some(&[1]))).await;
    let said = information(&dvc);
    let of_one = |chain: &TargetEtcChain| (text(chain.status().unwrap()), chain.chain[1..].to_vec());
    (text(&said.status.unwrap()), said.certs.iter().map(of_one).collect())
}

/// The question about targets that bring something along.
fn with_chains(targets: Vec<TargetEtcChain>) -> Question {
    let mut content = Vec::new();
    for target in &targets {
        let CertEtcToken::Certificate(certificate) = &target.target else { panic!() };
        let tagged = |tag: u8, whole: &Vec<u8>| {
            let mut inside = Reader::new(whole);
            der::tlv(tag, inside.take(der::SEQUENCE).unwrap().content)
        };
        let chain = target.chain.iter().flat_map(|token| match token {
            CertEtcToken::OcspResponse(der) => tagged(0xA7, der),
            other => panic!("{other:?}"),
        });
        let chain: Vec<u8> = chain.collect();
        let chain = if chain.is_empty() { Vec::new() } else { der::tlv(der::SEQUENCE, &chain) };
        content.extend(der::sequence(&[&tagged(0xA0, certificate), &chain]));
    }
    Question::Certificates { der: der::tlv(der::CONTEXT_0, &content), targets }
}

#[tokio::test]
async fn certificates_are_judged_by_our_own_status() {
    let world = ready();
    let officer = world.staff("officer");
    let (good, bad) = (world.party(&officer).await, world.party(&officer).await);
    let question = Question::certificates(&[good.sign_certificate.der(), bad.sign_certificate.der()]);
    let (all, each) = validated(&world, &question).await;
    assert_eq!((all.as_str(), each[0].0.as_str(), each[1].0.as_str()), ("granted", "granted", "granted"));
    // The path above it, the responder's word, the root's list.
    let has = |wanted: fn(&CertEtcToken) -> bool| each[0].1.iter().any(wanted);
    assert!(has(|token| matches!(token, CertEtcToken::Certificate(_))));
    assert!(has(|token| matches!(token, CertEtcToken::OcspResponse(_))));
    assert!(has(|token| matches!(token, CertEtcToken::Crl(_))));

    let old = each[1].1.iter().find_map(|token| match token {
        CertEtcToken::OcspResponse(der) => Some(der.clone()),
        _ => None,
    });
    let old = old.expect("an answer about it");
    let before = world.service.reader().size();
    world.now.pass(60);
    world.revoke(&bad.sign_certificate, Reason::KeyCompromise);
    let (all, each) = validated(&world, &question).await;
    let revoked = "TOTAL-FAILED/REVOKED";
    assert_eq!((all.as_str(), each[0].0.as_str(), each[1].0.as_str()), (revoked, "granted", revoked));
    // An answer from before, which a request may bring along, changes nothing.
    let Question::Certificates { mut targets, .. } = question.clone() else { panic!() };
    targets[1].chain = vec![CertEtcToken::OcspResponse(old)];
    let (all, _) = validated(&world, &with_chains(targets)).await;
    assert_eq!(all, revoked);
    // The revocation, the certificate, its report.
    let kinds: Vec<_> = world.kinds()[before as usize..].to_vec();
    let notary: Vec<_> = kinds.iter().filter(|kind| matches!(kind, Kind::Notary(_))).collect();
    let pair = [&Kind::Notary(NotaryKind::Vpkc), &Kind::Notary(NotaryKind::ActReport)];
    assert_eq!(notary, [pair, pair].concat());
}

/// requestTime (RFC 3029 §7.6): the moment that is asked about.
#[tokio::test]
async fn the_past_may_be_asked_about_and_not_the_future() {
    let world = ready();
    let officer = world.staff("officer");
    let party = world.party(&officer).await;
    world.now.pass(DAY_SECS);
    world.revoke(&party.sign_certificate, Reason::Superseded);
    let question = Question::certificates(&[party.sign_certificate.der()]);
    let at = async |moment: &str| {
        let Question::Certificates { der: certs, .. } = &question else { panic!() };
        let time = der::tlv(der::GENERALIZED_TIME, moment.as_bytes());
        let information = der::sequence(&[&[der::ENUMERATED, 1, 3], &time]);
        let body = der::sequence(&[&information, certs]);
        let id = der::tlv(der::OID, &semper_ttp::notary::dvcs::types::REQUEST_DATA);
        dvcs(&world, der::sequence(&[&id, &der::tlv(der::CONTEXT_0, &body)])).await.1
    };
    let moment = |secs: u64| {
        let text = START.plus_secs(secs).to_string();
        format!("{}Z", text[..19].replace(['-', ':', 'T'], ""))
    };
    let said = information(&at(&moment(3_600)).await);
    assert_eq!(text(&said.status.unwrap()), "granted", "it was revoked later");
    let said = information(&at(&moment(u64::from(DAY_SECS))).await);
    assert_eq!(text(&said.status.unwrap()), "TOTAL-FAILED/REVOKED");
    let notice = at(&moment(u64::from(2 * DAY_SECS))).await;
    let Some(Response::ErrorNote { status, .. }) = Response::bare(&notice) else { panic!("{notice:?}") };
    assert!(status.text().contains("lies in the future"), "{}", status.text());
}

#[tokio::test]
async fn signed_documents_are_judged_whatever_they_are() {
    let world = ready();
    let officer = world.staff("officer");
    let party = world.party(&officer).await;
    // A data validation certificate of our own, and a statement of a party.
    let (_, own) = dvcs(&world, build(&claim(), None)).await;
    let act = asked(&world, &party, "contract", &[&party]).await;
    let statement = signed(&act, CONTRACT, &party, &party.sign);
    // Whatever time passes meanwhile, it is asked about one moment.
    world.now.go();
    for document in [own.clone(), statement.clone()] {
        let (all, each) = validated(&world, &Question::SignedDocument(document)).await;
        assert_eq!((all.as_str(), each.len()), ("granted", 1), "{each:?}");
    }
    // What was changed is certified as changed; what is nothing as nothing.
    let mut changed = own;
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let (all, _) = validated(&world, &Question::SignedDocument(changed)).await;
    assert_eq!(all, "TOTAL-FAILED/SIG_CRYPTO_FAILURE");
    for nothing in [b"no signature".to_vec(), b"%PDF-1.7\n%%EOF".to_vec(), vec![0x30, 0x80]] {
        let (all, each) = validated(&world, &Question::SignedDocument(nothing)).await;
        assert_eq!((all.as_str(), each.len()), ("TOTAL-FAILED/FORMAT_FAILURE", 0));
    }
    world.revoke(&party.sign_certificate, Reason::KeyCompromise);
    let (all, _) = validated(&world, &Question::SignedDocument(statement)).await;
    assert_eq!(all, "INDETERMINATE/REVOKED_NO_POE");
}

async fn ask_to_validate(world: &World, who: &Member, documents: &[&[u8]]) -> (u16, Value) {
    let mut request = request("signature-validation", &[]);
    let hashed = |octets: &&[u8]| json!({ "sha256": semper_ttp::b64u::B64u(Digest::of(octets).0), "role": "original" });
    request["documents"] = documents.iter().map(hashed).collect();
    let contents: Vec<_> = documents.iter().map(|octets| BASE64_STANDARD.encode(octets)).collect();
    world.post(&who.login, "/v1/notary/acts", &json!({ "act": request, "contents": contents })).await
}

async fn fetched(world: &World, who: &Person, act: &Value, what: &str) -> Vec<u8> {
    let (status, bytes) = world.call(who, Method::GET, &place(act, what), None).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    bytes
}

/// An act certifies signatures that pass, and is refused for those that do not: with the report either way.
#[tokio::test]
async fn signatures_are_validated_by_an_act() {
    let world = ready();
    let (officer, other) = (world.staff("officer"), world.staff("officer"));
    let party = world.party(&officer).await;
    let contract = asked(&world, &party, "contract", &[&party]).await;
    let good = signed(&contract, CONTRACT, &party, &party.sign);
    // By a key that nobody knows, and with its last octet changed.
    let (unknown, mut changed) = (signed(&contract, CONTRACT, &party, &key()), good.clone());
    let last = changed.len() - 3;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    for (document, state, indication, reason) in [
        (good.as_slice(), "performed", "TOTAL-PASSED", None),
        (b"no signature", "refused", "TOTAL-FAILED", Some("signature_missing")),
        (&unknown, "refused", "INDETERMINATE", Some("signature_undetermined")),
        (&changed, "refused", "TOTAL-FAILED", Some("signature_not_valid")),
    ] {
        let (status, act) = ask_to_validate(&world, &party, &[document]).await;
        assert_eq!((status, act["state"].as_str()), (201, Some(state)), "{act}");
        let bytes = fetched(&world, &party.login, &act, "/report").await;
        let report: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(report["conclusion"]["indication"], indication);
        assert_eq!(report["document"], Digest::of(document).to_string());
        assert_eq!(report["salt"].as_str().unwrap().len(), 22, "nobody guesses what it says from its hash");
        let record = fetched(&world, &party.login, &act, "/record").await;
        let record = Jws::parse(&record).unwrap().payload_as::<ActRecorded>().unwrap().body;
        assert_eq!(record.validation_report, Some(Digest::of(&bytes).into()));
        assert_eq!(record.reason.map(|reason| reason.name()), reason);
        assert!(record.documents[0].held);
        let who: Vec<&Principal> = record.principals.iter().collect();
        assert_eq!(who.len(), 1);
        // Others than who asked have no part in it; officers have.
        let stranger = world.party(&other).await;
        assert_eq!(world.call(&stranger.login, Method::GET, &place(&act, "/report"), None).await.0, 404);
        assert_eq!(fetched(&world, &officer, &act, "/report").await, bytes);
    }
    let body = json!({ "act": request("signature-validation", &[]) });
    let (status, refused) = world.post(&party.login, "/v1/notary/acts", &body).await;
    assert_eq!((status, &refused["code"]), (422, &json!("notary.request")), "without octets there is nothing to judge");
    // What validated nothing has no report.
    assert_eq!(world.get(&party.login, &place(&contract, "/report")).await.0, 404);
}

/// What the requester of a validation finds again: certificate and report, by the act that the journal names.
#[tokio::test]
async fn a_validation_is_found_again_by_who_asked() {
    let world = ready();
    let officer = world.staff("officer");
    let party = world.party(&officer).await;
    let question = build(&Question::certificates(&[party.sign_certificate.der()]), None);
    let login = party.login.certificate.as_ref().unwrap();
    let asking = Asked::secure("POST", "/dvcs").with("content-type", "application/dvcs").octets(question).by(login);
    let dvc = ask(&world.service, asking).await.body;
    let (_, journal) = world.get(&officer, "/v1/notary/journal").await;
    let act = &journal["journal"][0];
    assert_eq!((&act["kind"], &act["granted"]), (&json!("vpkc"), &json!(true)));
    assert_eq!(fetched(&world, &party.login, act, "/dvc").await, dvc);
    let shown = world.get(&party.login, &place(act, "")).await.1;
    assert_eq!((&shown["kind"], &shown["state"]), (&json!("vpkc"), &json!("performed")));
    let report: Value = serde_json::from_slice(&fetched(&world, &party.login, act, "/report").await).unwrap();
    assert_eq!(report["format"], "certificates");
}

/// An act may name a data validation certificate, and only one of ours about the very document.
#[tokio::test]
async fn an_act_names_a_certificate_about_its_document() {
    let world = ready();
    let party = world.party(&world.staff("officer")).await;
    let (_, dvc) = dvcs(&world, build(&claim(), None)).await;
    let other = Digest::of(b"other").0.to_vec();
    let other = Question::Claim(semper_ttp::asn1::Imprint {
        algorithm: semper_ttp::digest::ImprintAlgorithm::Sha256,
        null_parameters: false,
        digest: other,
    });
    let (_, of_other) = dvcs(&world, build(&other, None)).await;
    let named = async |dvc: &[u8]| {
        let mut request = request("existence", &[]);
        request["dvc"] = json!(semper_ttp::b64u::B64u(Digest::of(dvc).0));
        let (status, answer) = world.post(&party.login, "/v1/notary/acts", &json!({ "act": request })).await;
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(named(&dvc).await, (201, String::new()));
    assert_eq!(named(&of_other).await, (422, "notary.request".to_owned()));
    assert_eq!(named(b"nothing").await, (422, "notary.request".to_owned()));
}
