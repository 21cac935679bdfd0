//! A notary whose owner lies: what he signs with its key, or puts into its ledger, convicts him. And its keys are known from their
//! first use on, those that follow as well.

use std::fs;

use semper_ledger::entry::{Entry, Tags};
use semper_ledger::proof;
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_tests::http::{Connection, entries};
use semper_tests::notary::{Member, World, json, of};
use semper_tests::process::{Finished, run};
use semper_tests::witness::TestLog;
use semper_ttp::account::{Item, Proof};
use semper_ttp::asn1::pem;
use semper_ttp::b64u::B64u;
use semper_ttp::crypto::jose::{Algorithm, Key};
use semper_ttp::crypto::{Passphrase, Signer as _, SoftKey, open_key_pem};
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Kind, NotaryKind, OpsKind};
use semper_ttp::statement::act::ActRecorded;
use semper_ttp::statement::{Common, Jws, Salt, Unsigned};

/// A notarised document: the record, and the certificates beside it.
struct Notarised {
    record: Vec<u8>,
    certificates: Vec<Vec<u8>>,
}

fn notarised(world: &World, member: &Member, name: &str) -> Notarised {
    let document = world.file(name, name.as_bytes());
    let out = world.path(&format!("{name}.jws"));
    world.member(member, &["notary", "ask", &document, "--kind", "existence", "--send", "--out", &out]).expect(0);
    let certificates = fs::read_to_string(world.path(&format!("{name}.pem"))).expect("certificates");
    Notarised {
        record: fs::read(out).expect("the record"),
        certificates: pem::decode("CERTIFICATE", &certificates).expect("PEM"),
    }
}

/// The entry of some bytes, with its place in the log that everybody sees.
fn shown(world: &World, index: usize) -> TlogProof {
    let mut connection = Connection::open(world.server.http()).expect("the server listens");
    let answer = connection.get(&format!("/ledger/proof/inclusion?index={index}")).expect("a proof");
    TlogProof::parse(&answer.text()).expect("a tlog-proof")
}

fn place(all: &[Entry], bytes: &[u8]) -> usize {
    all.iter().position(|entry| entry.digest == Digest::of(bytes).0).expect("it is recorded")
}

/// The same record of another document, signed again by whoever has the key.
fn signed_again(record: &[u8], key: &SoftKey) -> Vec<u8> {
    let mut statement = Jws::parse(record).expect("a statement").payload_as::<ActRecorded>().expect("a record");
    statement.body.documents[0].sha256 = Digest::of(b"another document").into();
    statement.common = Common { salt: Salt(B64u([7; 16])), ..statement.common };
    let thumbprint = Key::from_spki_der(key.spki_der()).expect("a key").thumbprint();
    let unsigned = Unsigned::new(&statement, Algorithm::Es256, thumbprint).expect("a statement");
    let signature = key.sign_raw(unsigned.message()).expect("a signature");
    unsigned.finish(&signature).expect("a signature").bytes().to_vec()
}

fn judged(world: &World, name: &str, proof: &Proof, exit: i32) -> Finished {
    let (file, trust) = (world.file(name, proof.to_json().as_bytes()), world.path("trust"));
    let end = run(&["verify", &file, "--trust", &trust]);
    end.expect(exit);
    end
}

#[test]
fn two_records_of_one_act_convict() {
    let world = World::new();
    let member = world.registered("clerk");
    let honest = notarised(&world, &member, "first");
    let next = notarised(&world, &member, "second");
    let dir = world.data.path();
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect(name);
    let passphrase = Passphrase::new(read("passphrase").trim_end().to_owned());
    let key = open_key_pem(&read("keys/notary-act.1.p8"), &passphrase).expect("the notary's key");
    let all = entries(world.server.http());
    let origin = world.data.log_key().name().to_owned();
    // Whoever judges has the key of the log, and nothing else.
    fs::create_dir(world.work.path().join("trust")).expect("a folder");
    fs::copy(world.server.trust().join("ledger.vkey"), world.work.path().join("trust/ledger.vkey")).expect("the key");

    // Released and not recorded.
    let lie = signed_again(&honest.record, &key);
    let genesis = shown(&world, 0);
    let first = (shown(&world, place(&all, &honest.record)), Item::Act(honest.record.clone()));
    let certificate = honest.certificates.iter().find(|der| {
        let named = Jws::parse(&honest.record).expect("a statement").payload_as::<ActRecorded>().expect("a record");
        Digest::of(der) == named.body.notary.certificate.into()
    });
    let certificate = certificate.expect("the notary's certificate lies beside the record");
    let accuse = |other: &[u8]| {
        Proof::signed_twice(&origin, genesis.clone(), first.clone(), certificate, Item::Act(other.to_vec()))
    };
    let out = judged(&world, "lie.pom.json", &accuse(&lie), 0).stdout;
    assert!(out.contains("\nClaim      equivocation: one question was decided twice"), "{out}");
    assert!(out.contains("PROVEN: the notary of ") && out.contains(" ended one act twice"), "{out}");
    // What an honest notary released says nothing against it.
    judged(&world, "honest.pom.json", &accuse(&next.record), 1);

    // Recorded, in a ledger that its owner wrote anew.
    let entry = Kind::Notary(NotaryKind::Act);
    let mut bytes: Vec<_> = all.iter().map(Entry::encode).collect();
    let time_ms = all.last().expect("entries").time_ms;
    let (role, kind, digest) = (entry.role().code(), entry.code(), Digest::of(&lie).0);
    bytes.push(Entry { role, kind, time_ms, digest, tags: Tags::default() }.encode());
    let World { data, server, work } = world;
    drop(server.stop());
    let owner = TestLog::of_owner(data.path(), &bytes);
    let size = bytes.len() as u64;
    let checkpoint = owner.sign(&owner.checkpoint(size));
    let placed = |index: usize| {
        let Ok(path) = proof::inclusion(&owner, index as u64, size);
        TlogProof { extra: Some(bytes[index].clone()), index: index as u64, path, checkpoint: checkpoint.clone() }
    };
    let at = place(&all, &honest.record);
    let both = [(placed(at), first.1), (placed(bytes.len() - 1), Item::Act(lie))];
    let proof = Proof::recorded_twice(&origin, placed(0), both);
    let file = work.path().join("recorded.pom.json");
    fs::write(&file, proof.to_json()).expect("written");
    let trust = work.path().join("trust");
    run(&["verify".as_ref(), file.as_os_str(), "--trust".as_ref(), trust.as_os_str()]).expect(0);
}

/// The first use of each key is an entry in front of what it signs, and an audit decides all of it again.
#[test]
fn keys_are_known_from_their_first_use() {
    let world = World::new();
    let member = world.registered("clerk");
    notarised(&world, &member, "first");
    let url = format!("https://{}", world.server.https());
    let operator = world.data.path().join("people/operator.p12").display().to_string();
    let keys = |args: &[&str]| {
        json(run(&[&["keys", "--json"], args, &["--url", &url, "--identity", &operator]].concat()).expect(0))
    };
    keys(&["rotate", "notary-act"]);
    notarised(&world, &member, "second");
    notarised(&world, &member, "third");
    let listed = keys(&["list"]);
    let used = |key: &str| {
        let all = listed["keys"].as_array().expect("a list");
        all.iter().find(|one| one["key"] == key).unwrap_or_else(|| panic!("no {key}"))["first_used"].is_string()
    };
    assert_eq!((used("notary-act.1"), used("notary-act.2"), used("notary-dvcs.1")), (true, true, false));
    let kinds: Vec<_> =
        entries(world.server.http()).iter().filter_map(|entry| Kind::from_codes(entry.role, entry.kind)).collect();
    let first_uses: Vec<_> =
        kinds.windows(2).filter(|two| two[0] == Kind::Ops(OpsKind::KeyFirstUse)).map(|two| two[1]).collect();
    assert_eq!(first_uses, [Kind::Notary(NotaryKind::Act); 2]);
    let World { data, server, .. } = world;
    drop(server.stop());
    let audited = json(run(&["audit", "--json", "--data", &data.path().display().to_string()]).expect(0));
    assert_eq!((of(&audited, "verdict"), &audited["different"]), ("same", &0.into()), "{audited}");
}
