//! A running notary that validates, read by strangers: BouncyCastle asks and reads, openssl verifies what is signed.

use std::fs;
use std::process::Command;

use semper_tests::bouncy::Bouncy;
use semper_tests::notary::{World, json, of};
use semper_tests::process::run;
use semper_tests::strangers::{run as judge, text};
use semper_ttp::asn1::{PolicyId, TEST_POLICY, TEST_POLICY_WITH_TOKEN, der};
use semper_ttp::cms::SignedData;
use semper_ttp::notary::dvcs::types::{DvcsTime, REQUEST_DATA, Response};

const CONTRACT: &[u8] = b"The seller sells, and the buyer buys.";

fn cms_verify(world: &World, dvc: &[u8]) {
    let (it, root) = (world.file("it.dvc", dvc), world.server.trust().join("root.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["cms", "-verify", "-purpose", "any", "-inform", "DER", "-in", &it, "-out", "/dev/null"]);
    let output = judge(openssl.arg("-CAfile").arg(root));
    assert!(output.status.success(), "{}", text(&output));
}

/// All services over HTTPS, asked by BouncyCastle in a party's name, before and after its certificate was revoked.
#[test]
fn what_is_validated_is_read_by_strangers() {
    let world = World::new();
    let party = world.registered("buyer");
    let holder = party.holder();
    let bouncy = Bouncy::new(CONTRACT, &holder, None);
    let ask = |service: &str, signed: bool| {
        let request = bouncy.request(service, signed);
        (world.dvcs(&request), request)
    };
    let asked = [("cpd", "1", None), ("vsd", "2", Some("0")), ("vpkc", "3", Some("0")), ("ccpd", "4", None)];
    for signed in [true, false] {
        // A deposit is taken from those who are known.
        let asked = &asked[usize::from(!signed)..];
        let pairs: Vec<_> = asked.iter().map(|(service, ..)| ask(service, signed)).collect();
        for (found, (_, service, status)) in bouncy.check(&pairs).iter().zip(asked) {
            for (name, value) in [("validate", "true"), ("signature", "true"), ("service", service)] {
                assert_eq!(found.get(name), Some(value), "{name}: {found:?}");
            }
            assert_eq!(found.get("status"), *status, "{found:?}");
        }
        pairs.iter().for_each(|(dvc, _)| cms_verify(&world, dvc));
    }
    let (first, again) = (ask("vsd", true).0, ask("vsd", true).0);
    assert_eq!(first, again, "a signed request that is repeated gets its answer again");
    // What was deposited is there for whoever did.
    let lines = json(world.officer(&["notary", "journal"]).expect(0));
    let deposit =
        lines["journal"].as_array().expect("lines").iter().find(|act| of(act, "kind") == "cpd").expect("a deposit");
    let kept = world.path("deposit");
    let fetched = world.member(&party, &["notary", "document", of(deposit, "act"), "--out", &kept]);
    fetched.expect(0);
    assert_eq!(fs::read(kept).expect("a document"), CONTRACT);

    let serial = hex::encode(holder.certificate.serial());
    world.officer(&["party", "revoke", "--serial", &serial, "--reason", "keyCompromise"]).expect(0);
    let pairs = [ask("vsd", false), ask("vpkc", false)];
    for found in bouncy.check(&pairs) {
        assert!(
            found.get("status").is_some_and(|said| said.starts_with("2 ") && said.contains("REVOKED")),
            "{found:?}"
        );
    }
    let notice = ask("vsd", true).0;
    assert!(bouncy.check(&[(notice, Vec::new())])[0].get("notice").is_some(), "its signer is good no more");
    // The audit finds nothing to contradict.
    let World { data, server, work: _work } = world;
    drop(server.stop());
    data.fsck().expect(0);
    data.audit().expect(0);
}

/// Under the policy for it a token tells the time, and a document may be longer than other bodies.
#[test]
fn a_token_tells_the_time_of_a_long_document() {
    let world = World::new();
    let request = |policy: &str, document: &[u8]| {
        let policy: PolicyId = policy.parse().expect("a policy");
        let policy = der::tlv(der::CONTEXT_1, &der::tlv(der::OID, policy.content()));
        let information = der::sequence(&[&[der::ENUMERATED, 1, 2], &policy]);
        let body = der::sequence(&[&information, &der::tlv(der::OCTET_STRING, document)]);
        der::sequence(&[&der::tlv(der::OID, &REQUEST_DATA), &der::tlv(der::CONTEXT_0, &body)])
    };
    // A PDF of 4 MiB without a signature.
    let document = [b"%PDF-1.7\n".to_vec(), vec![b'%'; 4 << 20], b"\n%%EOF\n".to_vec()].concat();
    let dvc = world.dvcs(&request(TEST_POLICY_WITH_TOKEN, &document));
    cms_verify(&world, &dvc);
    let content = SignedData::from_der(&dvc).expect("SignedData").attached().expect("content").to_vec();
    let Ok(Response::CertInfo(said)) = Response::parse(&content) else { panic!("no answer") };
    assert!(
        said.status.as_ref().is_some_and(|status| status.text().starts_with("TOTAL-FAILED/FORMAT_FAILURE")),
        "{said:?}"
    );
    let DvcsTime::Token(token) = &said.time else { panic!("{:?}", said.time) };
    let (token, root) = (world.file("time.tst", token), world.server.trust().join("root.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["ts", "-verify", "-token_in", "-in", &token, "-digest", &hex::encode(&said.imprint.digest)]);
    openssl.arg("-CAfile").arg(&root).arg("-untrusted").arg(world.server.trust().join("tsa-chain.pem"));
    let output = judge(&mut openssl);
    assert!(output.status.success(), "{}", text(&output));
    // Of the token alone an act certifies nothing: a timestamp is nobody's signature.
    let party = world.registered("buyer");
    let ask = ["notary", "ask", &token, "--kind", "signature-validation", "--send"];
    let act = json(world.member(&party, &ask).expect(1));
    assert_eq!((of(&act, "state"), of(&act, "reason")), ("refused", "signature_missing"));
    let (it, document) = (world.file("it.dvc", &dvc), world.file("document.pdf", &document));
    let trust = world.server.trust().display().to_string();
    let verify = ["verify", &it, "--document", &document, "--trust", &trust, "--json"];
    let policies = ["--policy", TEST_POLICY, "--policy", TEST_POLICY_WITH_TOKEN];
    // Genuine, and undecided only for the ledger's proof, which was not given.
    let judged = json(run(&[&verify[..], &policies].concat()).expect(2));
    let checks = judged["report"]["checks"].as_array().expect("checks");
    let time = checks.iter().find(|check| check["check"] == "dvc.time-token").expect("the token's check");
    assert_eq!(of(time, "outcome"), "ok", "{judged}");
}
