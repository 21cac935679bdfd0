//! Items through the arbiter, by the program itself: two who swap, one who withholds, a command that was killed, what only people can judge.

use std::fs;
use std::path::{Path, PathBuf};

use semper_tests::exchange::{Stage, go_on, sent, shown, state};
use semper_tests::notary::json;
use semper_tests::process::{Finished, run};
use semper_ttp::time::Timestamp;
use serde_json::{Value, json};

const PLANS: &[u8] = b"The plans of the house.\n";
const LICENCE: &[u8] = br#"{"licence":7}"#;

/// So many seconds from now.
fn in_secs(secs: u64) -> String {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(since_1970.as_millis() as u64).plus_secs(secs).to_string()
}

/// The seller proposes the plans for a licence in the folder `place`; gives the message.
fn proposed(stage: &Stage, place: &str, ends: &str, more: &[&str]) -> (String, PathBuf) {
    let (file, to, place) = (stage.world.file("plans.txt", PLANS), stage.to_buyer(), stage.path(place));
    let swap = ["swap", &file, "--media-type", "text/plain", "--to", &to, "--ends", ends, "--run", &place];
    let done = stage.signer(&stage.seller, &[&swap, more].concat());
    (place, sent(&done))
}

/// The buyer joins in the folder `place`; gives the message.
fn joined(stage: &Stage, message: &Path, place: &str, more: &[&str]) -> (String, PathBuf) {
    let (file, place) = (stage.world.file("licence.json", LICENCE), stage.path(place));
    let join = ["join", shown(message), "--give", &file, "--yes", "--run", &place];
    let done = stage.signer(&stage.buyer, &[&join, more].concat());
    (place, sent(&done))
}

const WANTS: [&str; 2] = ["--want-rule", "json-object/1"];

/// Both folders, once both know that both have agreed.
fn agreed(stage: &Stage, ends: &str, more: &[&str]) -> (String, String) {
    let (seller, m1) = proposed(stage, "seller.run", ends, &[&WANTS, more].concat());
    let (buyer, m2) = joined(stage, &m1, "buyer.run", &[]);
    go_on(&["take", shown(&m2)], &seller).expect(0);
    (seller, buyer)
}

fn read(place: &str, name: &str) -> Vec<u8> {
    let path = Path::new(place).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn verified(stage: &Stage, place: &str) -> Finished {
    run(&["verify", &format!("{place}/verdict.jws"), "--trust", &stage.world.trust(), "--json"])
}

/// The state on the disk, as a command that was killed has left it.
fn killed_at(place: &str, at: Value, not_yet: &[&str]) {
    let path = Path::new(place).join("state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).expect("a state")).expect("JSON");
    state["at"] = at;
    for piece in not_yet {
        for of in ["statements", "proofs"] {
            state[of].as_object_mut().expect("an object").remove(*piece);
        }
    }
    fs::write(path, state.to_string()).expect("a state");
}

#[test]
fn two_swap_by_files_whatever_command_was_killed() {
    let stage = Stage::new();
    let (seller, m1) = proposed(&stage, "seller.run", &in_secs(3_600), &[&WANTS[..], &["--sealed"]].concat());
    // It is seen what is to be given for what before anything is signed.
    let told = json(stage.signer(&stage.buyer, &["join", shown(&m1)]).expect(0));
    assert_eq!((&told["signed"], &told["proposal"]["fairness"]), (&json!(false), &json!("strong")), "{told}");
    let no_json = stage.world.file("no.json", b"no JSON");
    let refused = |words: &[&str], code: i32, why: &str| {
        let run = stage.path("buyer.run");
        let done = stage.signer(&stage.buyer, &[&["join", shown(&m1), "--yes", "--run", &run], words].concat());
        assert!(done.expect(code).stdout.contains(why), "{done:?}");
        assert!(!Path::new(&run).exists());
    };
    let licence = stage.world.file("licence.json", LICENCE);
    refused(&["--give", &no_json], 64, "not what the description promises");
    let zero = "0".repeat(64);
    refused(&["--give", &licence, "--want-sha256", &zero], 1, "not what you expect (MISMATCH)");
    refused(&["--give", &licence, "--want-rule", "utf8-text/1"], 1, "not what you expect (NEEDS_HUMAN)");

    // At a place that is taken nothing is signed, and the proposal can still be answered.
    let taken = stage.path("taken.run");
    fs::create_dir(&taken).expect("a folder");
    let done = stage.signer(&stage.buyer, &["join", shown(&m1), "--give", &licence, "--yes", "--run", &taken]);
    assert!(done.expect(64).stdout.contains("it is there already"), "{done:?}");

    let (buyer, m2) = joined(&stage, &m1, "buyer.run", &["--want-media", "text/plain"]);
    let again = ["join", shown(&m1), "--give", &licence, "--yes", "--run", &stage.path("other.run")];
    assert!(stage.signer(&stage.buyer, &again).expect(64).stdout.contains("was answered before"));
    go_on(&["deposit"], &seller).expect(64);
    assert_eq!(state(go_on(&["take", shown(&m2)], &seller).expect(0)), "agreed");
    go_on(&["take", shown(&m2)], &seller).expect(0);

    // Killed with the deposit at the arbiter's and its word not on the disk: the same deposit, the same word.
    assert_eq!(state(go_on(&["deposit"], &seller).expect(0)), "deposited");
    let (deposit, nrs) = (read(&seller, "deposit.jws"), read(&seller, "nrs.jws"));
    assert!(!read(&seller, "given").windows(PLANS.len()).any(|window| window == PLANS), "sealed");
    killed_at(&seller, json!("depositing"), &["nrs"]);
    fs::remove_file(Path::new(&seller).join("nrs.jws")).expect("a file");
    assert_eq!(state(go_on(&["deposit"], &seller).expect(0)), "deposited");
    assert_eq!((read(&seller, "deposit.jws"), read(&seller, "nrs.jws")), (deposit, nrs));
    assert_eq!(state(go_on(&["collect"], &seller).expect(75)), "deposited");
    let told = json(go_on(&["status", "--ask"], &seller).expect(0));
    assert_eq!((&told["arbiter"]["phase"], &told["arbiter"]["waiting_on"]), (&json!("half"), &json!(["r"])), "{told}");

    assert_eq!(state(go_on(&["deposit"], &buyer).expect(0)), "released");
    for (place, item) in [(&seller, LICENCE), (&buyer, PLANS)] {
        assert_eq!(state(go_on(&["collect"], place).expect(0)), "swapped");
        assert_eq!(read(place, "received"), item);
        // Killed before the state said so.
        killed_at(place, json!({ "collecting": "released" }), &[]);
        let told = json(go_on(&["collect"], place).expect(0));
        assert_eq!(told["collected"], json!(format!("{place}/received")), "{told}");
        verified(&stage, place).expect(0);
    }
    assert_eq!(read(&seller, "verdict.jws"), read(&buyer, "verdict.jws"));
    for command in ["deposit", "cancel", "waive"] {
        let done = go_on(&[command], &seller);
        assert!([0, 64].contains(&done.code.unwrap_or(-1)), "{done:?}");
        assert_eq!(state(go_on(&["status"], &seller).expect(0)), "swapped");
    }
}

#[test]
fn who_withholds_gets_nothing_and_the_deadline_returns_the_item() {
    let stage = Stage::new();
    let (seller, buyer) = agreed(&stage, &in_secs(20), &[]);
    go_on(&["deposit"], &seller).expect(0);
    let done = go_on(&["run", "--mailbox"], &seller);
    assert_eq!(state(done.expect(1)), "returned");
    assert_eq!(read(&seller, "returned"), PLANS);
    assert_eq!(state(go_on(&["deposit"], &buyer).expect(1)), "returned");
    assert!(!Path::new(&buyer).join("deposit.jws").exists() && !Path::new(&buyer).join("received").exists());
    verified(&stage, &seller).expect(0);
}

#[test]
fn a_swap_is_cancelled_by_who_alone_has_deposited() {
    let stage = Stage::new();
    let (seller, buyer) = agreed(&stage, &in_secs(3_600), &[]);
    go_on(&["deposit"], &seller).expect(0);
    // The other side cannot take it from under it, and deposits no more.
    let late = go_on(&["cancel"], &buyer);
    assert!(late.expect(64).stdout.contains("the other side has deposited"), "{late:?}");
    go_on(&["deposit"], &buyer).expect(64);
    assert_eq!(state(go_on(&["cancel"], &seller).expect(0)), "returning");
    assert_eq!(state(go_on(&["collect"], &seller).expect(1)), "returned");
    assert_eq!(read(&seller, "returned"), PLANS);
    assert_eq!(state(go_on(&["cancel"], &buyer).expect(0)), "returned");
}

#[test]
fn what_no_machine_can_judge_both_have_to_take_as_it_is() {
    let stage = Stage::new();
    let goods = stage.world.file("goods.json", br#"{"kind":"physical","recovery":"none"}"#);
    let (file, to) = (stage.world.file("plans.txt", PLANS), stage.to_buyer());
    let ends = in_secs(3_600);
    let weak = stage.signer(&stage.seller, &["swap", &file, "--want", &goods, "--to", &to, "--ends", &ends]);
    assert!(weak.expect(64).stdout.contains("fairness: weak"), "{weak:?}");
    let (seller, m1) = proposed(&stage, "seller.run", &ends, &["--want", &goods, "--weak"]);
    let (buyer, m2) = joined(&stage, &m1, "buyer.run", &["--weak"]);
    go_on(&["take", shown(&m2)], &seller).expect(0);
    go_on(&["deposit"], &seller).expect(0);
    go_on(&["waive"], &seller).expect(75);
    go_on(&["deposit"], &buyer).expect(0);
    for (place, expected) in [(&seller, "waiving"), (&buyer, "released")] {
        let told = json(go_on(&["waive"], place).expect(0));
        assert_eq!(told["signed"], false, "{told}");
        let item = told["item"]["sha256"].as_str().expect("a hash").to_owned();
        assert_eq!(state(go_on(&["waive", "--item", &item], place).expect(0)), expected);
    }
    assert_eq!(state(go_on(&["collect"], &seller).expect(0)), "swapped");
    assert_eq!(state(go_on(&["collect"], &buyer).expect(0)), "swapped");
    assert_eq!((read(&seller, "received"), read(&buyer, "received")), (LICENCE.to_vec(), PLANS.to_vec()));
}

#[test]
fn whoever_listens_to_its_mailbox_swaps_and_signs_and_may_be_killed() {
    let stage = Stage::new();
    let start = || {
        let runs = stage.path("buyer");
        fs::create_dir_all(&runs).expect("a folder");
        let words = ["listen", "--mailbox", "--runs", &runs, "--accept-from", &stage.seller.id, "--yes"];
        semper_tests::exchange::Mailed::start(&stage.signer_args(&stage.buyer, &words))
    };
    let mut buyer = start();
    // A contract, which it signs by itself.
    let (contract, _) = stage.offered("contract.run");
    assert_eq!(state(go_on(&["run", "--mailbox"], &contract).expect(0)), "fulfilled");
    // A swap: which item is given, a person says.
    let (seller, _) = proposed(&stage, "seller.run", &in_secs(3_600), &WANTS);
    go_on(&["send"], &seller).expect(0);
    buyer.wait_for("a swap was proposed");
    drop(buyer);
    let offer = fs::read_dir(stage.path("buyer")).expect("a folder").filter_map(Result::ok);
    let offer = offer.map(|entry| entry.path()).find(|path| shown(path).contains("/offer-")).expect("an offer");
    let name = offer.file_stem().and_then(|name| name.to_str()).expect("a name").replace("offer-", "");
    let (place, _) = joined(&stage, &offer, &format!("buyer/{name}.exchange"), &[]);
    go_on(&["send"], &place).expect(0);
    let mut buyer = start();
    assert_eq!(state(go_on(&["run", "--mailbox"], &seller).expect(0)), "swapped");
    buyer.wait_for("SWAPPED: you have");
    assert_eq!((read(&seller, "received"), read(&place, "received")), (LICENCE.to_vec(), PLANS.to_vec()));
    buyer.stop();
}
