//! The notary of a running server, as its users meet it: parties and an officer with the program, BouncyCastle and openssl at `/dvcs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::pkcs12::Pkcs12;
use semper_tests::bouncy::Bouncy;
use semper_tests::pki::{Holder, Names, Pki, PkiSettings, private_key, subject};
use semper_tests::process::{Finished, run};
use semper_tests::server::{Data, Server};
use semper_tests::strangers::{run as judge, text};
use semper_ttp::asn1::{PolicyId, TEST_POLICY, TEST_POLICY_WITH_TOKEN, der};
use semper_ttp::ca::Authority;
use semper_ttp::ca::profile::Profile;
use semper_ttp::cms::SignedData;
use semper_ttp::crypto::KeyKind;
use semper_ttp::notary::dvcs::types::{DvcsTime, REQUEST_DATA, Response};
use semper_ttp::statement::Jws;
use semper_ttp::statement::act::ActRecorded;
use semper_ttp::x509::Certificate;
use serde_json::Value;

const CONTRACT: &[u8] = b"The seller sells, and the buyer buys.";

struct World {
    data: Data,
    server: Server,
    work: tempfile::TempDir,
}

/// Whoever was registered, with a folder of its own.
struct Member {
    dir: PathBuf,
    id: String,
}

impl Member {
    fn p12(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.p12"))
    }
}

fn json(done: &Finished) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

fn of<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

impl World {
    fn new() -> Self {
        let data = Data::own();
        data.set("notary.enabled", "true").set("notary.officer_decides", "[\"copy\"]");
        Self { server: data.serve(), data, work: tempfile::tempdir().expect("a temporary folder") }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.work.path().join(name);
        fs::write(&path, bytes).expect("written");
        path.display().to_string()
    }

    fn run(&self, args: &[&str], who: &Path) -> Finished {
        let (url, who) = (format!("https://{}", self.server.https()), who.display().to_string());
        run(&[args, &["--url", &url, "--identity", &who, "--json"]].concat())
    }

    fn officer(&self, args: &[&str]) -> Finished {
        self.run(args, &self.data.path().join("people/officer.p12"))
    }

    fn member(&self, member: &Member, args: &[&str]) -> Finished {
        self.run(args, &member.p12("party-auth"))
    }

    fn registered(&self, name: &str) -> Member {
        let dir = self.work.path().join(name);
        let (url, trust) = (format!("https://{}", self.server.https()), self.server.trust().display().to_string());
        let stranger = |args: &[&str]| run(&[&["party"], args, &["--url", &url, "--trust", &trust, "--json"]].concat());
        let terms = of(&json(stranger(&["terms"]).expect(0)), "sha256").to_owned();
        let place = dir.display().to_string();
        let mut apply = vec!["apply", "--dir", &place, "--accept-terms", &terms];
        apply.extend(["--profile", "party-legal", "--profile", "party-auth"]);
        let common_name = format!("common_name={name}");
        for attribute in ["country=FR", "organization=Étude", "organization_identifier=NTRFR-123456789", &common_name]
        {
            apply.extend(["--subject", attribute]);
        }
        let id = of(&json(stranger(&apply).expect(0)), "id").to_owned();
        let identify =
            ["party", "identify", &id, "--method", "register_extract", "--document", "register_extract,FR,1"];
        self.officer(&identify).expect(0);
        self.officer(&["party", "approve", &id]).expect(0);
        let collected = json(stranger(&["status", "--dir", &place]).expect(0));
        Member { dir, id: of(&collected, "party").to_owned() }
    }

    /// The record of an act, as its file has it.
    fn record(&self, member: &Member, act: &str) -> ActRecorded {
        let out = self.work.path().join(format!("{act}.jws"));
        self.member(member, &["notary", "record", act, "--out", &out.display().to_string()]).expect(0);
        let jws = Jws::parse(&fs::read(out).expect("the record")).expect("a statement");
        jws.payload_as::<ActRecorded>().expect("a record").body
    }

    fn dvcs(&self, request: &[u8]) -> Vec<u8> {
        let (asked, answer) = (self.file("request", request), self.work.path().join("answer"));
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "--cacert"]).arg(self.server.trust().join("root.pem"));
        curl.args(["-H", "content-type: application/dvcs", "--data-binary", &format!("@{asked}"), "-o"]).arg(&answer);
        let output = judge(curl.arg(format!("https://{}/dvcs", self.server.https())));
        assert!(output.status.success(), "{}", text(&output));
        fs::read(answer).expect("an answer")
    }
}

impl World {
    /// The officer finds acts by their document, exports them, and certifies an extract.
    fn finds_and_exports(&self, deed: &str, seller: &Member) {
        let lines = |args: &[&str]| {
            let found = json(self.officer(&[&["notary", "journal"], args].concat()).expect(0));
            found["journal"].as_array().expect("lines").len()
        };
        assert_eq!(lines(&["--document", deed]), 7);
        assert_eq!(lines(&["--document", deed, "--party", &seller.id]), 2, "one copy, opened and ended");
        assert_eq!(lines(&["--until", "2020-01-01T00:00:00+01:00"]), 0);
        let folder = self.work.path().join("export");
        let place = folder.display().to_string();
        let export = json(self.officer(&["notary", "journal", "--from", "2", "--out", &place]).expect(0));
        assert_eq!((&export["lines"], &export["documents"]), (&6.into(), &3.into()));
        let text = fs::read_to_string(folder.join("journal.jsonl")).expect("lines");
        assert_eq!(text.lines().count(), 6);
        assert!(["2.jws", "3.jws", "4.jws"].iter().all(|name| folder.join(name).exists()));
        self.officer(&["notary", "journal", "--out", &place]).expect(64); // it is there
        let extract = self.work.path().join("extract.json").display().to_string();
        let act = json(self.officer(&["notary", "extract", "--from", "1", "--to", "3", "--out", &extract]).expect(0));
        assert_eq!(of(&act, "kind"), "journal-extract");
        let read: Value = serde_json::from_slice(&fs::read(&extract).expect("the extract")).expect("JSON");
        assert_eq!((read["lines"].as_array().map(Vec::len), &read["to"]), (Some(5), &3.into()));
        let record = Jws::parse(&fs::read(format!("{extract}.jws")).expect("its record")).expect("a statement");
        let record = record.payload_as::<ActRecorded>().expect("a record").body;
        assert_eq!(semper_ttp::digest::Digest::from(record.documents[0].sha256).to_string(), of(&act, "subject"));
    }

    /// A party's key and certificate, for programs of others.
    fn holder(&self, member: &Member) -> Holder {
        let p12 = fs::read(member.p12("party-legal")).expect("a .p12");
        let passphrase = fs::read_to_string(member.dir.join("party-legal.passphrase")).expect("its passphrase");
        let parsed =
            Pkcs12::from_der(&p12).and_then(|p12| p12.parse2(passphrase.trim_end())).expect("a .p12 that opens");
        let certificate = parsed.cert.expect("a certificate").to_der().expect("DER");
        let certificate = Certificate::from_der(&certificate).expect("a certificate that reads");
        Holder { key: parsed.pkey.expect("a key"), certificate }
    }

    fn cms_verify(&self, dvc: &[u8]) {
        let (it, root) = (self.file("it.dvc", dvc), self.server.trust().join("root.pem"));
        let mut openssl = Command::new("openssl");
        openssl.args(["cms", "-verify", "-purpose", "any", "-inform", "DER", "-in", &it, "-out", "/dev/null"]);
        let output = judge(openssl.arg("-CAfile").arg(root));
        assert!(output.status.success(), "{}", text(&output));
    }
}

/// All services over HTTPS, asked by BouncyCastle in a party's name, before and after its certificate was revoked.
#[test]
fn what_is_validated_is_read_by_strangers() {
    let world = World::new();
    let party = world.registered("buyer");
    let holder = world.holder(&party);
    let bouncy = Bouncy::new(CONTRACT, &holder);
    let ask = |service: &str, signed: bool| {
        let request = bouncy.request(service, signed);
        (world.dvcs(&request), request)
    };
    let pairs = [ask("vsd", false), ask("vpkc", false), ask("vsd", true), ask("vpkc", true)];
    for (found, service) in bouncy.check(&pairs).iter().zip(["2", "3", "2", "3"]) {
        for (name, value) in [("validate", "true"), ("signature", "true"), ("service", service), ("status", "0")] {
            assert_eq!(found.get(name), Some(value), "{name}: {found:?}");
        }
    }
    pairs.iter().for_each(|(dvc, _)| world.cms_verify(dvc));
    let again = world.dvcs(&pairs[2].1);
    assert_eq!(again, pairs[2].0, "a signed request that is repeated gets its answer again");

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
    world.cms_verify(&dvc);
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
    assert!(world.record(&buyer, of(&act, "act")).documents[0].held);
    // By both.
    let ask = ["notary", "ask", &deed, "--kind", "contract", "--signer", &buyer.id, "--signer", &seller.id];
    let contract = json(world.member(&buyer, &ask).expect(0));
    let contract = of(&contract, "act");
    let other = world.file("other.txt", b"Another text.");
    let signs = |member: &Member, file: &str, exit: i32| {
        let with = member.p12("party-legal").display().to_string();
        json(world.member(member, &["notary", "sign", contract, file, "--with", &with]).expect(exit))
    };
    assert!(signs(&buyer, &other, 64)["error"].as_str().is_some_and(|why| why.contains("another document")));
    assert_eq!(of(&signs(&buyer, &deed, 0), "state"), "collecting");
    assert_eq!(of(&signs(&seller, &deed, 0), "state"), "performed");
    assert_eq!(world.record(&seller, contract).principals.len(), 3);
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
    assert_eq!(world.record(&seller, copy).fee.expect("a fee").amount, "1200");
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
    world.finds_and_exports(&deed, &seller);
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
    let bouncy = Bouncy::new(CONTRACT, &stranger);
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
