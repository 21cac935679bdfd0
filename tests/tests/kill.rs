//! The first promise, tested with SIGKILL: nothing leaves before it is durable, so a crash at any instant loses no answer.
//!
//! Clients keep every token and proof that they were given while the server is killed at random moments, under load and
//! in the middle of its own recovery. Everything that was answered must then be provable, with the same bytes, and the
//! data folder must be clean. (`powercut_server.rs` does the same with the power.)

use std::time::{Duration, Instant};

use semper_tests::dice::Dice;
use semper_tests::http::{Connection, get};
use semper_tests::server::{Data, Server};
use semper_tests::stamp::{Crowd, Record, verify_all};

const KILLS: usize = 50;
const CLIENTS: usize = 4;
/// The kill comes after a random number of answers up to this, and a random span more.
const ANSWERS_MAX: u64 = 120;
const FURTHER_MICROS_MAX: u64 = 8_000;
/// Of the answers of earlier rounds, so many are verified again after each restart; all of them at the end.
const SAMPLE: usize = 20;

#[test]
#[allow(clippy::print_stderr, reason = "how much was really tested belongs beside the result")]
fn fifty_kills_under_load_lose_no_answer() {
    let mut dice = Dice::from_environment("kill");
    let data = Data::demo();
    let trust = data.trust();
    let begun = Instant::now();
    let (mut records, mut sizes, mut in_recovery) = (Vec::<Record>::new(), Vec::new(), 0);
    for round in 0..KILLS {
        // One in five also dies while it opens the data that the last kill left.
        if round % 5 == 4 && Server::start_and_kill(data.path(), Duration::from_millis(dice.below(250))) {
            in_recovery += 1;
        }
        let server = data.serve();
        let before = records.len();
        let again: Vec<Record> = sample(&records, &mut dice);
        verify_all(&again, server.http(), &trust);
        sizes.push(tree_size(&server));
        records.extend(kill_under_load(server, round, &mut dice));
        assert!(records.len() > before, "round {round} gave no answer at all");
    }
    data.fsck().expect(0);
    data.audit().expect(0);

    let server = data.serve();
    verify_all(&records, server.http(), &trust);
    let proofs = records.iter().filter(|record| record.proof.is_some()).count();
    let newest = tree_size(&server);
    assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "the tree never shrinks: {sizes:?}");
    assert!(newest as usize >= records.len());
    drop(server.stop());
    data.fsck().expect(0);
    data.audit().expect(0);
    eprintln!(
        "{KILLS} kills, {in_recovery} of recoveries: {} tokens and {proofs} proofs answered, {newest} entries, {:.0} s",
        records.len(),
        begun.elapsed().as_secs_f64()
    );
    assert!(proofs * 10 > records.len(), "proofs are read under load too");
}

/// Loads the server until the dice say, kills it, and gives every answer that arrived whole.
fn kill_under_load(server: Server, round: usize, dice: &mut Dice) -> Vec<Record> {
    let crowd = Crowd {
        name: &format!("kill {round}"),
        clients: CLIENTS,
        proof_every: 2,
        answers: 1 + dice.below(ANSWERS_MAX),
        further: Duration::from_micros(dice.below(FURTHER_MICROS_MAX)),
    };
    let (records, _) = crowd.disturbed(server, Server::kill9);
    records
}

fn sample(records: &[Record], dice: &mut Dice) -> Vec<Record> {
    // The newest matter most: they were written last.
    let newest = records.len().saturating_sub(SAMPLE);
    let mut sample = records[newest..].to_vec();
    for _ in 0..SAMPLE.min(newest) {
        sample.push(records[dice.below(newest as u64) as usize].clone());
    }
    sample
}

fn tree_size(server: &Server) -> u64 {
    let checkpoint = get(server.http(), "/ledger/checkpoint");
    assert_eq!(checkpoint.status, 200, "{}", checkpoint.text());
    checkpoint.text().lines().nth(1).and_then(|line| line.parse().ok()).expect("the size is the second line")
}

/// The oldest checkpoint that anyone saw stays a prefix: the consistency proof is verified with the code of verifiers.
#[test]
fn a_checkpoint_seen_before_a_kill_is_a_prefix_after_it() {
    use semper_ledger::checkpoint::Checkpoint;
    use semper_ledger::proof::verify_consistency;
    use semper_tests::stamp::{QUERY, query};
    use semper_ttp::crypto::LogVerifier;

    let data = Data::demo();
    let keys = [data.log_key()];
    let mut seen: Vec<Checkpoint> = Vec::new();
    for round in 0..4 {
        let server = data.serve();
        let mut connection = Connection::open(server.http()).expect("the server listens");
        for number in 0..300 {
            let body = query(format!("prefix {round} {number}").as_bytes());
            connection.request("POST", "/tsa", &[("Content-Type", QUERY)], &body).expect("an answer");
        }
        let note = connection.get("/ledger/checkpoint").expect("the checkpoint").text();
        let newest = Checkpoint::verify(&note, &keys, &LogVerifier).expect("signed by the log");
        for old in &seen {
            let path = format!("/ledger/proof/consistency?from={}&to={}", old.size, newest.size);
            let answer = connection.request("GET", &path, &[("Accept", "text/plain")], &[]).expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            let hashes = hashes_of(&answer.text());
            verify_consistency((old.size, &old.root), (newest.size, &newest.root), &hashes).expect("a prefix");
        }
        seen.push(newest);
        server.kill9();
    }
}

/// The lines of a proof that are hashes in base64.
fn hashes_of(text: &str) -> Vec<[u8; 32]> {
    let decode = |line: &str| openssl::base64::decode_block(line).ok().and_then(|hash| hash.try_into().ok());
    text.lines().filter_map(decode).collect()
}
