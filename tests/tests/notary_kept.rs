//! What a notary keeps, from a party's side: sent, fetched again, opened against the record, and there after a kill and a restore.

use std::fs;

use semper_tests::notary::{Member, World, json, of};
use semper_tests::process::run;
use semper_tests::vault::{Vault, anchor_of};
use semper_ttp::asn1::TEST_POLICY;

const DEED: &[u8] = b"The seller sells, and the buyer buys.";

fn fetched(world: &World, who: &Member, act: &str, number: &str) -> Vec<u8> {
    let out = world.path("fetched");
    world.member(who, &["notary", "document", act, "--number", number, "--out", &out]).expect(0);
    let octets = fs::read(&out).expect("a document");
    fs::remove_file(out).expect("removed");
    octets
}

#[test]
fn what_was_sent_is_there_for_whoever_sent_it() {
    let world = World::new();
    let [buyer, other] = ["buyer", "other"].map(|name| world.registered(name));
    let (deed, annex, out) =
        (world.file("deed.txt", DEED), world.file("annex.txt", &[7; 100_000]), world.path("act.jws"));
    let ask = ["notary", "ask", &deed, &annex, "--kind", "possession", "--send", "--out", &out];
    let names = ["--name", "Ada Lovelace", "--title", "Deed of sale"];
    let act = json(world.member(&buyer, &[&ask[..], &names].concat()).expect(0));
    let act = of(&act, "act");
    assert_eq!(fetched(&world, &buyer, act, "1"), DEED);
    assert_eq!(fetched(&world, &buyer, act, "2"), [7; 100_000]);
    let none = world.path("none");
    world.member(&buyer, &["notary", "document", act, "--number", "3", "--out", &none]).expect(64);
    world.member(&other, &["notary", "document", act, "--out", &none]).expect(64);
    assert!(!fs::exists(&none).expect("a folder"));
    world.officer(&["notary", "document", act, "--out", &none]).expect(0);

    // Whoever is shown the names holds them against the record; a changed one opens nothing.
    let (personal, trust) = (world.path("act.personal.json"), world.trust());
    let verify = |personal: &str| {
        let verify = ["verify", &out, "--document", &deed, "--document", &annex, "--trust", &trust, "--json"];
        run(&[&verify[..], &["--personal", personal, "--policy", TEST_POLICY]].concat())
    };
    let judged = json(verify(&personal).expect(0));
    let opened = &judged["opened"];
    assert_eq!((of(&opened["name"], "value"), of(&opened["titles"][0], "value")), ("Ada Lovelace", "Deed of sale"));
    let changed = fs::read_to_string(&personal).expect("names").replace("Ada", "Eve");
    let refuted = verify(&world.file("changed.json", changed.as_bytes())).expect(1).stdout.clone();
    assert!(!refuted.contains("Lovelace"), "{refuted}");
    // Whoever may read them is shown them.
    let shown = json(world.member(&buyer, &["notary", "show", act]).expect(0));
    assert_eq!(of(&shown["opened"]["name"], "value"), "Ada Lovelace");
    // Fetched later it is the same.
    let later = world.path("later.jws");
    world.member(&buyer, &["notary", "record", act, "--all", "--out", &later]).expect(0);
    assert_eq!(fs::read(world.path("later.personal.json")).expect("names"), fs::read(&personal).expect("names"));

    // Deposited (RFC 3029 cpd), also without a word about the rest.
    let dvc = world.path("deed.dvc");
    let certify = ["notary", "certify", &deed, "--service", "cpd", "--out", &dvc];
    let made = json(world.member(&buyer, &certify).expect(0));
    // The act that it is, by which the notary gives the document back.
    let mine = json(world.member(&buyer, &["notary", "acts"]).expect(0));
    let last = mine["acts"].as_array().and_then(|acts| acts.last()).expect("acts");
    assert_eq!((&last["act"], &last["journal_no"], of(last, "kind")), (&made["act"], &made["journal_no"], "cpd"));
    let (by_act, by_dvc) = (world.path("by-act"), world.path("by-dvc"));
    world.member(&buyer, &["notary", "document", of(&made, "act"), "--out", &by_act]).expect(0);
    world.member(&buyer, &["notary", "document", "--dvc", &dvc, "--out", &by_dvc]).expect(0);
    assert_eq!(
        (fs::read(by_act).expect("a document"), fs::read(by_dvc).expect("a document")),
        (DEED.into(), DEED.into())
    );
    let stranger = world.member(&other, &["notary", "document", "--dvc", &dvc, "--out", &none]);
    assert!(stranger.expect(64).stdout.contains("of no act of yours"), "{stranger:?}");
    // A certificate that was lost is there, by the act that it is.
    let again = world.path("again.dvc");
    world.member(&buyer, &["notary", "record", of(&made, "act"), "--out", &again]).expect(0);
    assert_eq!(fs::read(&again).expect("a certificate"), fs::read(&dvc).expect("a certificate"));
    // What is refused in the end is not begun: no file is overwritten, and none is missing of a set; too long a document, no
    // certificate, nothing that is signed.
    let (taken, _) = (world.path("taken.jws"), world.file("taken.pem", b"something else"));
    let refused = world.member(&buyer, &["notary", "ask", &deed, "--kind", "existence", "--out", &taken]);
    assert!(refused.expect(64).stdout.contains("taken.pem"), "{refused:?}");
    let long = world.path("long");
    fs::File::create(&long).and_then(|file| file.set_len((8 << 20) + 1)).expect("a long file");
    for (file, service, why) in
        [(&long, "cpd", "at most"), (&deed, "vpkc", "no certificate"), (&deed, "vsd", "no signed document")]
    {
        let refused =
            world.member(&buyer, &["notary", "certify", file, "--service", service, "--out", &world.path("nothing")]);
        assert!(refused.expect(64).stdout.contains(why), "{refused:?}");
    }
    // The bound is for all that comes at once.
    let half = world.path("half");
    fs::File::create(&half).and_then(|file| file.set_len(5 << 20)).expect("a file");
    for files in [&[&long[..]][..], &[&half, &half]] {
        let refused = world.member(&buyer, &[&["notary", "ask", "--kind", "existence", "--send"], files].concat());
        assert!(refused.expect(64).stdout.contains("at most"), "{refused:?}");
    }
    let number = json(world.member(&buyer, &["notary", "acts"]).expect(0));
    assert_eq!(number["acts"].as_array().map(Vec::len), mine["acts"].as_array().map(Vec::len));
    let verified = run(&["verify", &dvc, "--document", &deed, "--trust", &trust, "--policy", TEST_POLICY]);
    verified.expect(0);

    // Killed, backed up and restored, it is there.
    let World { data, server, work } = world;
    drop(server.kill9());
    let world = World { server: data.serve(), data, work };
    assert_eq!(fetched(&world, &buyer, act, "2"), [7; 100_000]);
    let World { data, server, work } = world;
    drop(server.stop());
    data.fsck().expect(0);
    data.audit().expect(0);
    let vault = Vault::new();
    vault.backup_at_rest(&data);
    vault.restore(&data, "new", &["--anchor", &anchor_of(&data)]).expect(0);
    let data = vault.restored(&data, "new");
    data.fsck().expect(0);
    let world = World { server: data.serve(), data, work };
    assert_eq!(fetched(&world, &buyer, act, "1"), DEED);
}
