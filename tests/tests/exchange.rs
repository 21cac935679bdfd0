//! The arbiter of a running server: what a side gets with its own key and any HTTP client, what is left after a kill, and a revocation
//! that comes too late to cheat anybody.

use std::fs;
use std::sync::Arc;

use openssl::base64::encode_block;
use semper_ledger::entry::Entry;
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_tests::arbiter::{Party, arbiter, known, post, text};
use semper_tests::http::{Connection, get};
use semper_tests::notary::World;
use semper_tests::process::run;
use semper_tests::server::Server;
use semper_tests::tls::TlsClient;
use semper_ttp::account::{Item, Kind, Proof};
use semper_ttp::asn1::pem;
use semper_ttp::b64u;
use semper_ttp::crypto::jose::Thumbprint;
use semper_ttp::crypto::{LogVerifier, Passphrase, open_key_pem};
use semper_ttp::digest::Digest;
use semper_ttp::exchange::asw_r::{commitment_o, commitment_r};
use semper_ttp::exchange::judge::{Evidence, Filed, judge};
use semper_ttp::exchange::{tag_of_verdict, terms_hash};
use semper_ttp::statement::Jws;
use semper_ttp::statement::exchange::asw_r::{M1, M2, Resolve};
use semper_ttp::statement::exchange::verdict::Verdict;
use semper_ttp::statement::exchange::{Assurance, Line, Outcome, Side};
use serde_json::{Value, json};

/// A run in which the responder has answered.
fn begun(server: &Server, o: &Party, r: &Party) -> (Jws, Jws) {
    let known = known(server);
    let policy = known["exchange"]["policy"].as_str().expect("a policy");
    let m1 = M1 {
        deal: None,
        policy: policy.parse().expect("its digest"),
        o: o.participant(),
        r: r.participant(),
        ttp: arbiter(&known).0,
        terms: terms_hash(&[3; 32], b"I sell, you buy.").into(),
        terms_media: Line::new("text/plain").unwrap(),
        t_exp: None,
        c_o: commitment_o(&[1; 32]).into(),
        assurance: Assurance::NonQualified,
    };
    let m1 = o.sign(None, m1);
    let c_r = commitment_r(&m1.x(), &[2; 32]).into();
    let m2 = r.sign(Some(m1.x()), M2 { m1: m1.digest().into(), c_r });
    (m1, m2)
}

fn resolve(by: &Party, side: Side, (m1, m2): (&Jws, &Jws)) -> Value {
    let request = by.sign(Some(m1.x()), Resolve { side, m2: m2.digest().into() });
    json!({ "m1": text(m1), "m2": text(m2), "request": text(&request) })
}

/// Asks over TLS without any certificate.
fn ask(server: &Server, x: &Digest, body: &Value) -> (u16, Value) {
    post(server, &format!("/v1/exchanges/{}/requests", b64u::encode(x.as_bytes())), body)
}

/// What a court is shown: m1 and the verdict with its proof, judged with the keys of sides and arbiter.
fn judged(server: &Server, sides: [&Party; 2], m1: &Jws, answer: &Value) -> semper_ttp::exchange::judge::Judgement {
    let known = known(server);
    let verdict = Jws::parse(answer["verdict"].as_str().expect("a verdict").as_bytes()).expect("a statement");
    let proof = TlogProof::parse(answer["proofs"][0].as_str().expect("a proof")).expect("a proof");
    let vkey = semper_ledger::note::VerifierKey::parse(known["ledger"]["vkey"].as_str().unwrap()).expect("a key");
    proof.verify(&[vkey], &LogVerifier).expect("it is in the log");
    let entry = Entry::decode(proof.extra.as_deref().expect("the entry")).expect("an entry");
    let is_logged = Digest(entry.digest) == verdict.digest() && entry.tags.as_slice() == [tag_of_verdict(&m1.x())];
    let evidence =
        Evidence { first: m1.clone(), statements: vec![], verdicts: vec![Filed { jws: verdict, is_logged }] };
    let keys = |name: &Thumbprint| {
        let all = [sides[0].public(), sides[1].public(), arbiter(&known).1];
        all.into_iter().find(|key| key.thumbprint() == *name).map(Arc::new)
    };
    judge(&evidence, &keys).expect("a run")
}

#[test]
fn a_side_resolves_and_the_other_gets_the_same_octets_after_a_kill() {
    let world = World::with(&[("exchange.enabled", "true")]);
    let (o, r) = (Party::new(&world.registered("seller")), Party::new(&world.registered("buyer")));
    let (m1, m2) = begun(&world.server, &o, &r);
    let request = resolve(&o, Side::Originator, (&m1, &m2));
    let (status, first) = ask(&world.server, &m1.x(), &request);
    assert_eq!((status, &first["outcome"]), (200, &json!("RESOLVED")), "{first}");
    let judgement = judged(&world.server, [&o, &r], &m1, &first);
    assert!(judgement.contract.is_some_and(|contract| contract.replacement), "{judgement:?}");
    assert!(judgement.findings.is_empty() && judgement.rejected.is_empty(), "{judgement:?}");

    // It vanishes with everything in memory; both get the same octets from the next process.
    let World { server, work, .. } = world;
    let data = server.kill9();
    let server = data.serve();
    assert_eq!(ask(&server, &m1.x(), &request), (200, first.clone()));
    let (status, second) = ask(&server, &m1.x(), &resolve(&r, Side::Responder, (&m1, &m2)));
    assert_eq!((status, &second["verdict"]), (200, &first["verdict"]));
    assert_eq!(judged(&server, [&o, &r], &m1, &second), judgement);
    let data = server.stop();
    data.fsck().expect(0);
    data.audit().expect(0);
    drop(work);
}

/// The responder revokes its key after it has answered: what was stamped before stands (`asw_r_revoke_to_block`).
#[test]
fn asw_r_revoke_to_block() {
    let world = World::with(&[("exchange.enabled", "true")]);
    let (seller, buyer) = (world.registered("seller"), world.registered("buyer"));
    let (o, r) = (Party::new(&seller), Party::new(&buyer));
    let (m1, m2) = begun(&world.server, &o, &r);
    // The originator has its answer stamped before it opens its commitment.
    let path = world.file("m2.jws", m2.bytes());
    run(&["stamp", &path, "--url", world.server.url()]).expect(0);
    let token = fs::read(format!("{path}.tst")).expect("the token");
    let serial = hex::encode(buyer.holder().certificate.serial());
    world.officer(&["party", "revoke", "--serial", &serial, "--reason", "keyCompromise"]).expect(0);
    let mut request = resolve(&o, Side::Originator, (&m1, &m2));
    let (status, refused) = ask(&world.server, &m1.x(), &request);
    assert_eq!((status, &refused["code"]), (422, &json!("exchange.key")), "{refused}");
    request["tokens"] = json!([encode_block(&token)]);
    let (status, answer) = ask(&world.server, &m1.x(), &request);
    assert_eq!((status, &answer["outcome"]), (200, &json!("RESOLVED")), "{answer}");
    let verdict = Jws::parse(answer["verdict"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(verdict.payload_as::<Verdict>().unwrap().body.outcome, Outcome::Resolved);
    // Its own request is by a key that is good no more, whenever the statements were there.
    assert_eq!(ask(&world.server, &m1.x(), &resolve(&r, Side::Responder, (&m1, &m2))).0, 422);
}

/// What lies in the folder of a run judges itself offline; and an arbiter that signs a second verdict is convicted, before a court and
/// before itself.
#[test]
fn a_verdict_and_what_convicts_its_arbiter_are_judged_offline() {
    let world = World::with(&[("exchange.enabled", "true")]);
    let (seller, buyer) = (world.registered("seller"), world.registered("buyer"));
    let (o, r) = (Party::new(&seller), Party::new(&buyer));
    let (m1, m2) = begun(&world.server, &o, &r);
    let (status, answer) = ask(&world.server, &m1.x(), &resolve(&o, Side::Originator, (&m1, &m2)));
    assert_eq!(status, 200, "{answer}");
    let known = known(&world.server);
    let pem_of = |der: &[u8]| pem::encode("CERTIFICATE", der);
    let issuer = pem_of(&get(world.server.http(), "/ca/ca-party.cer").body);
    let arbiters = known["exchange"]["certificate"].as_str().expect("a certificate").to_owned();
    let of = |value: &Value| value.as_str().expect("a text").as_bytes().to_vec();
    let sides = [("o.pem", &seller), ("r.pem", &buyer)];
    for (name, member) in sides {
        let _ = world.file(name, (pem_of(member.holder().certificate.der()) + &issuer).as_bytes());
    }
    let _ = world.file("arbiter.pem", arbiters.as_bytes());
    let _ = world.file("verdict.jws.tlog-proof", &of(&answer["proofs"][0]));
    let _ = world.file("answer.jws", &of(&answer["answer"]));
    let (verdict, contract) =
        (world.file("verdict.jws", &of(&answer["verdict"])), world.file("contract.txt", b"I sell, you buy."));
    let (salt, trust) = (b64u::encode(&[3; 32]), world.trust());
    let judged =
        |file: &str, document: &str| run(&["verify", file, "--document", document, "--salt", &salt, "--trust", &trust]);
    let end = judged(&verdict, &contract);
    end.expect(0);
    assert!(end.stdout.contains("have a contract with each other since"), "{}", end.stdout);
    assert!(end.stdout.contains("contract.txt is that text."), "{}", end.stdout);
    let other = world.file("other.txt", b"I sell, you pay.");
    judged(&verdict, &other).expect(1);
    run(&["verify", &verdict, "--trust", &trust, "--proof", &contract]).expect(1);

    // Whoever holds its key signs what he likes.
    let data = world.data.path();
    let read = |name: &str| fs::read_to_string(data.join(name)).expect(name);
    let passphrase = Passphrase::new(read("passphrase").trim_end().to_owned());
    let key = open_key_pem(&read("keys/arbiter-verdict.1.p8"), &passphrase).expect("the arbiter's key");
    let corrupt = Party { id: o.id.clone(), key };
    let first =
        Jws::parse(&of(&answer["verdict"])).expect("a verdict").payload_as::<Verdict>().expect("a verdict").body;
    let second = Verdict { outcome: Outcome::Expired, basis: vec![text(&m1)], ..first };
    let second = corrupt.sign(Some(m1.x()), second);
    let origin = known["ledger"]["origin"].as_str().expect("an origin");
    let jwk = Item::Key(corrupt.public().to_jwk_json().as_bytes().to_vec());
    let proof = |other: Vec<u8>| {
        let items = vec![jwk.clone(), Item::Statement(of(&answer["verdict"])), Item::Statement(other)];
        Proof::of_arbiter(Kind::Equivocation, origin, items).to_json()
    };
    let (guilty, honest) = (proof(second.bytes().to_vec()), proof(of(&answer["answer"])));
    let files = [world.file("twice.pom.json", guilty.as_bytes()), world.file("once.pom.json", honest.as_bytes())];
    // The key is the arbiter's for whoever knows it.
    run(&["verify", &files[0], "--trust", &trust]).expect(2);
    fs::write(world.server.trust().join("arbiter.pem"), &arbiters).expect("an anchor");
    // Whoever holds both, and knows whose key it is, needs nothing else to convict it.
    let (other, certificate) = (world.file("second.jws", second.bytes()), world.path("arbiter.pem"));
    let accused = |held: &[&str]| {
        let out = world.path("proofs");
        run(&[&["exchange", "accuse"], held, &["--trust", &trust, "--out", &out, "--json"]].concat())
    };
    accused(&[&verdict, &certificate, &world.path("answer.jws")]).expect(1);
    let end = accused(&[&verdict, &certificate, &other, &world.path("verdict.jws.tlog-proof")]);
    let found: Value = serde_json::from_str(&end.expect(0).stdout).expect("JSON");
    assert_eq!((&found["statements"], &found["proofs"][0]["kind"]), (&json!(2), &json!("equivocation")), "{found}");
    let end = run(&["verify", found["proofs"][0]["file"].as_str().expect("a file"), "--trust", &trust]);
    assert!(end.expect(0).stdout.contains("twice: RESOLVED of "), "{}", end.stdout);
    let end = run(&["verify", &files[0], "--trust", &trust]);
    end.expect(0);
    assert!(
        end.stdout.contains("\nPROVEN: the arbiter of ") && end.stdout.contains("twice: RESOLVED of "),
        "{}",
        end.stdout
    );
    run(&["verify", &files[1], "--trust", &trust]).expect(1);
    // The service judges itself, and its ledger keeps what came out.
    let client = TlsClient::new(world.server.trust()).build();
    let mut connection = Connection::open_tls(world.server.https(), &client).expect("a connection");
    let mut accuse = |file: &str| {
        let headers = [("content-type", "application/json")];
        let answer = connection.request("POST", "/v1/accountability/proofs", &headers, file.as_bytes());
        answer.expect("an answer").status
    };
    assert_eq!((accuse(&guilty), accuse(&guilty), accuse(&honest)), (200, 200, 422));
    let listed: Value =
        serde_json::from_slice(&get(world.server.http(), "/v1/accountability/proofs").body).expect("JSON");
    assert_eq!(listed["proofs"].as_array().map(Vec::len), Some(1), "{listed}");
    let World { server, work, .. } = world;
    let data = server.stop();
    data.fsck().expect(0);
    data.audit().expect(0);
    drop(work);
}
