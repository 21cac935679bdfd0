//! `semper verify` of what a notary made, and of signatures that others made: offline, with the files that their owners have.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use semper_tests::notary::{Member, World, json, of};
use semper_tests::process::{Finished, run};
use semper_tests::strangers::{folder, judge, python};
use semper_ttp::asn1::{TEST_POLICY, pem};
use serde_json::Value;

const CONTRACT: &[u8] = b"The seller sells, and the buyer buys.";

/// Names of the checks with this outcome.
fn checks(judged: &Value, outcome: &str) -> Vec<String> {
    let all = judged["report"]["checks"].as_array().expect("checks");
    let some = all.iter().filter(|check| check["outcome"] == outcome);
    some.map(|check| of(check, "check").to_owned()).collect()
}

impl Notarised {
    fn verify(&self, more: &[&str], exit: i32) -> Value {
        let args = [&["verify", &self.act, "--trust", &self.trust, "--policy", TEST_POLICY, "--json"], more].concat();
        json(run(&args).expect(exit))
    }
}

/// An act whose files lie side by side.
struct Notarised {
    act: String,
    trust: String,
}

fn fetched(world: &World, member: &Member, act: &str, name: &str, more: &[&str]) -> Notarised {
    let out = world.path(&format!("{name}.jws"));
    let record = ["notary", "record", act, "--out", &out];
    world.member(member, &[&record[..], more].concat()).expect(0);
    // What is there already is the same.
    world.member(member, &[&record[..], more].concat()).expect(0);
    Notarised { act: out, trust: world.trust() }
}

fn certificates(path: &str) -> usize {
    pem::decode("CERTIFICATE", &fs::read_to_string(path).expect("certificates")).expect("PEM").len()
}

/// What needs nobody: certified at once, and all that a verifier needs lies beside the record.
#[test]
fn what_a_clerk_asked_for_is_verified_with_one_command() {
    let world = World::new();
    let clerk = world.registered("clerk");
    let (deed, annex) = (world.file("deed.txt", CONTRACT), world.file("annex.txt", b"Annex 1"));
    let act = Notarised { act: world.path("deed.jws"), trust: world.trust() };
    let ask = ["notary", "ask", &deed, &annex, "--kind", "existence", "--send", "--out", &act.act];
    world.member(&clerk, &ask).expect(0);
    let request = world.path("deed.request.json");
    let judged = act.verify(&["--document", &deed, "--document", &annex, "--request", &request], 0);
    assert_eq!(checks(&judged, "failed"), Vec::<String>::new());
    let skipped = [
        "certificate.revocation",
        "act.dvc",
        "act.report",
        "act.personal",
        "act.signatures",
        "signers.certificates",
        "proof.witnesses",
    ];
    assert_eq!(checks(&judged, "not-checked"), skipped);
    let sentence = of(&judged, "sentence");
    assert!(
        sentence.starts_with(
            "VERIFIED AS A TEST, which proves nothing: deed.jws is the record of act No. 1 in the journal of"
        ),
        "{sentence}"
    );
    assert!(sentence.contains("existed in exactly this form, and the notary was shown it."), "{sentence}");
    assert!(sentence.contains("the service checked what it can by itself; nobody checked who"), "{sentence}");
    // In words, to the same end.
    let trust = ["--document", &deed, "--trust", &act.trust];
    let told = run(&[&["verify", &act.act, "--policy", TEST_POLICY], &trust[..]].concat());
    assert_eq!(told.expect(0).stdout.lines().last(), Some(sentence), "{told:?}");
    // What a test service made proves nothing, as its timestamps do: whoever wants it judged says so.
    let unasked = run(&[&["verify", &act.act], &trust[..]].concat());
    assert!(unasked.expect(2).stdout.contains("(for a trial: --policy 1.3.6.1.5.5.7.13.1)"), "{unasked:?}");
    // A renamed record is known by what it is; what is missing then is not checked.
    let renamed = world.path("renamed");
    fs::copy(&act.act, &renamed).expect("a copy");
    run(&[&["verify", &renamed, "--policy", TEST_POLICY], &trust[..]].concat()).expect(2);
    let (chain, proof) = (world.path("deed.pem"), world.path("deed.tlog-proof"));
    let named = ["--material", &chain, "--proof", &proof];
    run(&[&["verify", &renamed, "--policy", TEST_POLICY], &trust[..], &named[..]].concat()).expect(0);
    // Nobody else is shown any of it, and only its own request is there to be fetched by whoever asked.
    let other = world.registered("other");
    let name = of(&judged["report"]["act"], "act");
    let stranger = world.member(&other, &["notary", "record", name, "--out", &world.path("stolen.jws")]);
    assert!(stranger.expect(64).stdout.contains("no such act"), "{stranger:?}");
    let again = fetched(&world, &clerk, name, "again", &["--all"]);
    assert!(!Path::new(&world.path("again.request.json")).exists());
    again.verify(&["--document", &deed], 0);
    // Other documents than those it is about.
    for document in [world.file("other.txt", b"Another text."), world.file("empty.txt", b"")] {
        let judged = act.verify(&["--document", &deed, "--document", &document], 1);
        assert_eq!(checks(&judged, "failed"), ["act.document"]);
    }
    let judged = act.verify(&["--document", &annex], 2);
    assert!(of(&judged, "sentence").contains("but the document was not given; its SHA-256 is"), "{judged}");
}

#[test]
fn a_contract_is_verified_with_what_its_signers_said() {
    let world = World::new();
    let (buyer, seller) = (world.registered("buyer"), world.registered("seller"));
    let deed = world.file("deed.txt", CONTRACT);
    let ask = ["notary", "ask", &deed, "--kind", "contract", "--signer", &buyer.id, "--signer", &seller.id];
    let name = json(world.member(&buyer, &ask).expect(0));
    let name = of(&name, "act");
    // Nothing is there before its end.
    let early = world.member(&buyer, &["notary", "record", name, "--out", &world.path("early.jws"), "--all"]);
    assert!(early.expect(64).stdout.contains("not ended yet"), "{early:?}");
    for member in [&buyer, &seller] {
        let with = member.p12("party-legal").display().to_string();
        world.member(member, &["notary", "sign", name, &deed, "--with", &with]).expect(0);
    }
    let short = fetched(&world, &seller, name, "short", &[]);
    assert_eq!(certificates(&world.path("short.pem")), 2, "the notary's and its issuer's");
    short.verify(&["--document", &deed], 0);
    let act = fetched(&world, &seller, name, "contract", &["--all"]);
    assert_eq!(certificates(&world.path("contract.pem")), 4, "with the signers'");
    let [request, first, second] = ["request.json", "1.jws", "2.jws"].map(|end| world.path(&format!("contract.{end}")));
    assert!(!Path::new(&world.path("contract.3.jws")).exists());
    let all = ["--document", &deed, "--request", &request, "--signature", &first, "--signature", &second];
    let judged = act.verify(&all, 0);
    assert_eq!(
        checks(&judged, "not-checked"),
        ["certificate.revocation", "act.further-documents", "act.dvc", "act.report", "act.personal", "proof.witnesses"]
    );
    let sentence = of(&judged, "sentence");
    assert!(sentence.contains("was signed by buyer and seller."), "{sentence}");
    // Each input, changed where it is last and in its middle, and exchanged for another of its kind.
    let inputs = [
        (act.act.clone(), "act"),
        (world.path("contract.tlog-proof"), "proof"),
        (deed.clone(), "act.document"),
        (request.clone(), "act.request"),
        (first.clone(), "act.signatures"),
        (second.clone(), "act.signatures"),
    ];
    for (path, failing) in &inputs {
        let good = fs::read(path).expect("an input");
        for place in [good.len() / 2, good.len() - 2] {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(path, &bad).expect("written");
            let failed = checks(&act.verify(&all, 1), "failed");
            assert!(failed.iter().any(|check| check.starts_with(failing)), "{path} at {place}: {failed:?}");
        }
        fs::write(path, b"").expect("written");
        let judged = run(&[&["verify", &act.act, "--trust", &act.trust], &all[..]].concat());
        assert!(matches!(judged.code, Some(1 | 2)), "{path}: {judged:?}");
        fs::write(path, &good).expect("written");
    }
    act.verify(&all, 0);
    let judged = act.verify(&["--document", &deed, "--signature", &act.act], 1);
    assert_eq!(checks(&judged, "failed"), ["act.signatures"]);
    let judged = act.verify(&["--document", &deed, "--dvc", &deed], 1);
    assert_eq!(checks(&judged, "failed"), ["act.dvc"]);
    // Without its neighbours: not false, but nobody can tell.
    for (ending, open) in [("pem", "act.signer"), ("tlog-proof", "proof.form")] {
        let (there, away) = (world.path(&format!("contract.{ending}")), world.path("away"));
        fs::rename(&there, &away).expect("moved");
        let judged = act.verify(&["--document", &deed], 2);
        assert!(checks(&judged, "not-checked").iter().any(|check| check == open), "{judged}");
        fs::rename(&away, &there).expect("moved back");
    }
    // Another service's ledger and root are not those that were asked.
    let mallory = World::new();
    let foreign = Notarised { act: act.act.clone(), trust: mallory.trust() };
    let failed = checks(&foreign.verify(&all, 1), "failed");
    for check in ["act.service", "certificate.chain", "proof.checkpoint"] {
        assert!(failed.iter().any(|failed| failed == check), "{failed:?}");
    }
    // A signer's statement is no act; its signature is judged for itself.
    let statement = run(&["verify", &first, "--trust", &act.trust]);
    assert!(statement.expect(2).stderr.contains("is a statement contract/signed"), "{statement:?}");
    let policy = "name = \"without revocation\"\nchecks_off = [\"certificate.revocation\"]\n";
    let (policy, chain) = (world.file("policy.toml", policy.as_bytes()), world.path("contract.pem"));
    let signed = ["verify", &first, "--signatures", "--material", &chain, "--trust", &act.trust, "--json"];
    let judged = json(run(&signed).expect(2));
    assert_eq!(judged["report"]["conclusion"]["sub_indication"]["name"], "TRY_LATER");
    let judged = json(run(&[&signed[..], &["--validation-policy", &policy]].concat()).expect(0));
    assert!(of(&judged, "sentence").contains("was signed by CN=buyer"), "{judged}");
}

#[test]
fn what_certifies_nothing_says_so() {
    let world = World::new();
    let (clerk, other) = (world.registered("clerk"), world.registered("other"));
    let deed = world.file("deed.txt", CONTRACT);
    let asked = |kind: &[&str]| {
        let act = json(world.member(&clerk, &[&["notary", "ask", &deed, "--kind"], kind].concat()).expect(0));
        of(&act, "act").to_owned()
    };
    let (approved, refused, withdrawn) =
        (asked(&["copy"]), asked(&["copy"]), asked(&["contract", "--signer", &other.id]));
    for act in [&approved, &refused] {
        world.officer(&["notary", "take", act]).expect(0);
    }
    let approve = ["notary", "approve", &approved, "--checked", "compared-with-original,identity"];
    world.officer(&approve).expect(0);
    world.officer(&["notary", "refuse", &refused, "--reason", "will_in_doubt"]).expect(0);
    world.member(&clerk, &["notary", "withdraw", &withdrawn]).expect(0);
    for (act, name, expected) in [
        (
            &approved,
            "approved",
            "says to have checked who the persons are, beyond their certificates and the copy against",
        ),
        (&refused, "refused", "It certifies NOTHING: on "),
        (&refused, "again", "that somebody may not act of its own will, or not understand."),
        (&withdrawn, "withdrawn", "It certifies NOTHING: on "),
    ] {
        let act = fetched(&world, &clerk, act, name, &["--all"]);
        let request = world.path(&format!("{name}.request.json"));
        let judged = act.verify(&["--document", &deed, "--request", &request], 0);
        let sentence = of(&judged, "sentence");
        assert!(
            sentence.starts_with("VERIFIED AS A TEST, which proves nothing: ") && sentence.contains(expected),
            "{sentence}"
        );
        assert_eq!(checks(&judged, "failed"), Vec::<String>::new());
    }
}

/// Signatures that pyHanko and openssl made, by the command line: what the library says of them, `judges_signatures` compares with what
/// they say.
#[test]
fn the_signatures_of_a_document_are_judged() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| work.path().join(name).display().to_string();
    judge(python().arg(folder().join("signatures.py")).arg("--work").arg(work.path()));
    let table = fs::read(path("table.json")).expect("the table");
    let table: Vec<Value> = serde_json::from_slice(&table).expect("a table");
    let rows: BTreeMap<_, _> = table.iter().map(|row| (of(row, "name"), row)).collect();
    // Trusted is the root of the signers; that of the timestamps is named besides.
    fs::create_dir(path("trust")).expect("a folder");
    let root = fs::read(path("root.der")).expect("the root");
    fs::write(path("trust/root.pem"), pem::encode("CERTIFICATE", &root)).expect("written");
    let judged = |name: &str, file: Option<&str>, more: &[&str]| -> Finished {
        let row = rows.get(name).unwrap_or_else(|| panic!("no {name}"));
        let file = path(file.unwrap_or_else(|| of(row, "file")));
        let (at, trust) = (of(row, "at"), path("trust"));
        let mut args = vec!["verify", &file, "--signatures", "--at", at, "--trust", &trust];
        let (ca, units) = (path("ca.der"), path("tsa-root.der"));
        args.extend(["--material", &ca, "--timestamp-anchor", &units]);
        let crls: Vec<_> = row["crls"].as_array().expect("lists").iter().filter_map(Value::as_str).map(path).collect();
        crls.iter().for_each(|crl| args.extend(["--material", crl]));
        let content = row["detached"].as_str().map(path);
        content.iter().for_each(|content| args.extend(["--content", content]));
        args.extend(more);
        run(&args)
    };
    for (name, exit, words) in [
        ("pdf-good", 0, "TOTAL-PASSED: "),
        ("pdf-timestamped", 0, "as a timestamp proves"),
        ("pdf-two-signers", 0, "; and by "),
        ("pdf-lta", 0, "document timestamp"),
        ("cms-detached", 0, "TOTAL-PASSED: "),
        ("cms-attached", 0, "at a time that nothing proves"),
        ("cms-openssl-streamed", 0, "(CMS)"),
        ("pdf-tampered", 1, "HASH_FAILURE"),
        ("pdf-tampered-signature", 1, "SIG_CRYPTO_FAILURE"),
        ("cms-wrong-content", 1, "FAILED content.digest"),
        ("cms-cut", 1, "FORMAT_FAILURE"),
        ("pdf-expired", 2, "COULD NOT TELL"),
        ("pdf-revoked", 2, "REVOKED_NO_POE"),
        ("pdf-no-revocation-data", 2, "missing revocation status for 20"),
        ("pdf-page-overwritten", 2, "SIG_CONSTRAINTS_FAILURE"),
        ("cms-unknown-root", 2, "missing issuer's certificate for 20"),
    ] {
        let said = judged(name, None, &[]);
        assert!(said.expect(exit).stdout.contains(words), "{name}: {said:?}");
        let as_json = json(judged(name, None, &["--json"]).expect(exit));
        assert_eq!(as_json["report"]["schema"], "semper.validation/1", "{as_json}");
        assert_eq!(said.stdout.lines().last(), as_json["sentence"].as_str());
    }
    // As text; without what was signed; with a root that is another one.
    let cms = fs::read(path(of(rows["cms-detached"], "file"))).expect("a signature");
    fs::write(path("armoured.pem"), pem::encode("CMS", &cms)).expect("written");
    judged("cms-detached", Some("armoured.pem"), &[]).expect(0);
    let (file, trust) = (path(of(rows["cms-detached"], "file")), path("trust"));
    let without = run(&["verify", &file, "--signatures", "--trust", &trust]);
    assert!(without.expect(2).stdout.contains("SIGNED_DATA_NOT_FOUND"), "{without:?}");
    fs::write(path("trust/root.pem"), pem::encode("CERTIFICATE", &fs::read(path("tsa-root.der")).expect("a root")))
        .expect("written");
    judged("pdf-good", None, &[]).expect(2);
    let anchor = path("root.der");
    judged("pdf-good", None, &["--anchor", &anchor]).expect(0);
    // A PDF that nobody signed, as qpdf and people make them.
    let unsigned = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n\
                     xref\n0 3\n0000000000 65535 f \n0000000009 00000 n \n0000000058 00000 n \ntrailer\n<< /Root 1 0 R /Size 3 >>\n\
                     startxref\n110\n%%EOF\n";
    fs::write(path("unsigned.pdf"), unsigned).expect("written");
    let said = judged("pdf-good", Some("unsigned.pdf"), &[]);
    assert!(said.expect(2).stdout.contains("no field of the document holds a signature"), "{said:?}");
    // Without the option a timestamp is looked for, and where there is none the option is named.
    let hint = |name: &str| run(&["verify", &path(name), "--trust", &trust]).expect(2).stderr.contains("--signatures");
    fs::write(path("trust/ledger.vkey"), "").expect("written");
    fs::write(path("text.txt"), "a text").expect("written");
    assert!(hint(of(rows["pdf-good"], "file")) && hint(of(rows["cms-detached"], "file")) && !hint("text.txt"));
}
