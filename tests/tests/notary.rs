//! The notary of a running server, as its users meet it: parties and an officer with the program, BouncyCastle and openssl at `/dvcs`.

use std::fs;
use std::process::Command;

use semper_tests::bouncy::Bouncy;
use semper_tests::notary::{Member, World, json, of};
use semper_tests::pki::{Names, Pki, PkiSettings, private_key, subject};
use semper_tests::process::run;
use semper_tests::strangers::{run as judge, text};
use semper_ttp::asn1::TEST_POLICY;
use semper_ttp::ca::Authority;
use semper_ttp::ca::profile::Profile;
use semper_ttp::crypto::KeyKind;
use semper_ttp::statement::Jws;
use semper_ttp::statement::act::ActRecorded;
use serde_json::Value;

const CONTRACT: &[u8] = b"The seller sells, and the buyer buys.";

/// The record of an act, as its file has it.
fn record(world: &World, member: &Member, act: &str) -> ActRecorded {
    let out = world.path(&format!("{act}.jws"));
    world.member(member, &["notary", "record", act, "--out", &out]).expect(0);
    let jws = Jws::parse(&fs::read(out).expect("the record")).expect("a statement");
    jws.payload_as::<ActRecorded>().expect("a record").body
}

/// The officer finds acts by their document, exports them, and certifies an extract.
fn finds_and_exports(world: &World, deed: &str, seller: &Member) {
    let lines = |args: &[&str]| {
        let found = json(world.officer(&[&["notary", "journal"], args].concat()).expect(0));
        found["journal"].as_array().expect("lines").len()
    };
    assert_eq!(lines(&["--document", deed]), 7);
    assert_eq!(lines(&["--document", deed, "--party", &seller.id]), 4, "a copy, and a contract that it signed");
    assert_eq!(lines(&["--until", "2020-01-01T00:00:00+01:00"]), 0);
    let folder = world.work.path().join("export");
    let place = folder.display().to_string();
    let export = json(world.officer(&["notary", "journal", "--from", "2", "--out", &place]).expect(0));
    assert_eq!((&export["lines"], &export["documents"]), (&6.into(), &9.into()));
    let text = fs::read_to_string(folder.join("journal.jsonl")).expect("lines");
    assert_eq!(text.lines().count(), 6);
    assert!(["2.jws", "3.jws", "4.jws"].iter().all(|name| folder.join(name).exists()));
    // Whoever has the folder and the trust anchors needs nothing else.
    let exported = folder.join("2.jws").display().to_string();
    let verify = ["verify", &exported, "--document", deed, "--trust", &world.trust(), "--policy", TEST_POLICY];
    run(&verify).expect(0);
    world.officer(&["notary", "journal", "--out", &place]).expect(64); // it is there
    let extract = world.work.path().join("extract.json").display().to_string();
    let act = json(world.officer(&["notary", "extract", "--from", "1", "--to", "3", "--out", &extract]).expect(0));
    assert_eq!(of(&act, "kind"), "journal-extract");
    // Where it is there, nothing is certified.
    let before = lines(&[]);
    world.officer(&["notary", "extract", "--from", "1", "--to", "3", "--out", &extract]).expect(64);
    assert_eq!(lines(&[]), before);
    let read: Value = serde_json::from_slice(&fs::read(&extract).expect("the extract")).expect("JSON");
    assert_eq!((read["lines"].as_array().map(Vec::len), &read["to"]), (Some(5), &3.into()));
    let record = Jws::parse(&fs::read(format!("{extract}.jws")).expect("its record")).expect("a statement");
    let record = record.payload_as::<ActRecorded>().expect("a record").body;
    assert_eq!(semper_ttp::digest::Digest::from(record.documents[0].sha256).to_string(), of(&act, "subject"));
}

#[test]
fn parties_sign_and_an_officer_decides() {
    let world = World::new();
    let (buyer, seller) = (world.registered("buyer"), world.registered("seller"));
    let deed = world.file("deed.txt", CONTRACT);
    // At once.
    let out = world.work.path().join("existence.jws").display().to_string();
    let ask = ["notary", "ask", &deed, "--kind", "existence", "--send", "--out", &out];
    let act = json(world.member(&buyer, &ask).expect(0));
    assert_eq!((of(&act, "state"), &act["journal_no"]), ("performed", &1.into()));
    assert!(record(&world, &buyer, of(&act, "act")).documents[0].held);
    // By both.
    let ask = ["notary", "ask", &deed, "--kind", "contract", "--signer", &buyer.id, "--signer", &seller.id];
    let contract = json(world.member(&buyer, &ask).expect(0));
    let contract = of(&contract, "act");
    let other = world.file("other.txt", b"Another text.");
    let signs = |member: &Member, file: &str, exit: i32| {
        let with = member.p12("party-legal").display().to_string();
        json(world.member(member, &["notary", "sign", contract, file, "--with", &with]).expect(exit))
    };
    let login = buyer.p12("party-auth").display().to_string();
    world.member(&buyer, &["notary", "sign", contract, &deed, "--with", &login]).expect(64);
    assert!(signs(&buyer, &other, 64)["error"].as_str().is_some_and(|why| why.contains("another document")));
    assert_eq!(of(&signs(&buyer, &deed, 0), "state"), "collecting");
    assert_eq!(of(&signs(&seller, &deed, 0), "state"), "performed");
    assert_eq!(record(&world, &seller, contract).principals.len(), 3);
    // With an officer, whom nobody disturbs.
    let copy = json(world.member(&seller, &["notary", "ask", &deed, "--kind", "copy"]).expect(0));
    let copy = of(&copy, "act");
    let list = json(world.officer(&["notary", "worklist"]).expect(0));
    assert_eq!(of(&list["acts"][0], "act"), copy);
    world.officer(&["notary", "approve", copy, "--checked", "compared-with-original"]).expect(64);
    world.officer(&["notary", "take", copy]).expect(0);
    world.officer(&["notary", "approve", copy, "--checked", "identity"]).expect(64);
    let approve = ["notary", "approve", copy, "--checked", "compared-with-original,identity", "--fee", "1200,EUR"];
    assert_eq!(of(&json(world.officer(&approve).expect(0)), "state"), "performed");
    assert_eq!(record(&world, &seller, copy).fee.expect("a fee").amount, "1200");
    // Killed and started again, the journal goes on, and nothing contradicts.
    let World { data, server, work } = world;
    drop(server.kill9());
    let world = World { server: data.serve(), data, work };
    let refused = json(world.member(&buyer, &["notary", "ask", &deed, "--kind", "copy"]).expect(0));
    let refused = of(&refused, "act");
    world.officer(&["notary", "take", refused]).expect(0);
    world.officer(&["notary", "refuse", refused, "--reason", "evidence_insufficient"]).expect(0);
    world.member(&buyer, &["notary", "show", refused]).expect(1);
    let journal = json(world.officer(&["notary", "journal"]).expect(0));
    let lines = journal["journal"].as_array().expect("lines");
    let numbers: Vec<_> = lines.iter().filter_map(|line| line["journal_no"].as_u64()).collect();
    assert_eq!(numbers, [1, 2, 2, 3, 3, 4, 4]);
    world.member(&seller, &["notary", "journal"]).expect(64);
    finds_and_exports(&world, &deed, &seller);
    let World { data, server, work: _work } = world;
    drop(server.stop());
    data.fsck().expect(0);
    data.audit().expect(0);
}

#[test]
fn bouncy_castle_claims_and_openssl_verifies() {
    let world = World::new();
    let pki = Pki::new(&PkiSettings::default());
    let profile = Profile::named("party-legal");
    let stranger = pki.issue(Authority::Party, &profile, private_key(KeyKind::EcdsaP256), Names::from(&subject("R")));
    let bouncy = Bouncy::new(CONTRACT, &stranger, None);
    let request = bouncy.request("ccpd", false);
    let (dvc, again) = (world.dvcs(&request), world.dvcs(&request));
    assert_ne!(dvc, again, "an unsigned request is no repetition");
    let notice = world.dvcs(&bouncy.request("ccpd", true));
    let found = bouncy.check(&[(dvc.clone(), request.clone()), (notice, Vec::new())]);
    for (name, value) in [("validate", "true"), ("signature", "true"), ("re-encoded", "true"), ("service", "4")] {
        assert_eq!(found[0].get(name), Some(value), "{name}: {found:?}");
    }
    // Signed by somebody whom the service does not know.
    assert!(
        found[1].get("notice").is_some_and(|notice| notice.contains("not one that this service issued")),
        "{found:?}"
    );
    let (it, root) = (world.file("it.dvc", &dvc), world.server.trust().join("root.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["cms", "-verify", "-purpose", "any", "-inform", "DER", "-in", &it, "-out", "/dev/null", "-CAfile"]);
    let output = judge(openssl.arg(root));
    assert!(output.status.success(), "{}", text(&output));
    // With its receipt.
    let (document, asked) = (world.file("document", CONTRACT), world.file("asked", &request));
    let trust = world.server.trust().display().to_string();
    let proof = world.work.path().join("it.tlog-proof").display().to_string();
    run(&["prove", "--token", &it, "--url", world.server.url(), "--out", &proof]).expect(0);
    let verify = ["verify", &it, "--document", &document, "--request", &asked, "--proof", &proof, "--trust", &trust];
    let judged = json(run(&[&verify[..], &["--json", "--policy", "1.3.6.1.5.5.7.13.1"]].concat()).expect(0));
    assert_eq!(of(&judged["report"], "verdict"), "verified");
}
