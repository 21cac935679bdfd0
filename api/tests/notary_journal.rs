//! The journal of a notary, read: by number, by period, by document, by party; and certified extracts of it.

mod world;

use http::Method;
use semper_ttp::{
    digest::Digest,
    notary::{ActType, dvcs::request::build},
    statement::{Jws, act::ActRecorded},
};
use serde_json::{Value, json};
use world::{
    DAY_SECS, START,
    http::metrics,
    notary::{CONTRACT, asked, claim, dvcs, open, place, signed},
    office::{Person, World},
};

async fn numbers(world: &World, who: &Person, query: &str) -> (Vec<u64>, Value) {
    let (status, page) = world.get(who, &format!("/v1/notary/{query}")).await;
    assert_eq!(status, 200, "{page}");
    let lines = page["journal"].as_array().or(page["acts"].as_array()).unwrap();
    (lines.iter().map(|line| line["journal_no"].as_u64().unwrap()).collect(), page["next"].clone())
}

#[tokio::test]
async fn the_journal_is_searched() {
    let world = open(World::new());
    let (officer, other) = (world.staff("officer"), world.staff("officer"));
    let (ada, bob) = (world.party(&officer).await, world.party(&other).await);
    // Two days with two acts each: 1 and 2, 3 and 4; then a claim of possession, 5, whose subject is an imprint.
    for _ in 0..2 {
        asked(&world, &ada, "existence", &[]).await;
        asked(&world, &bob, "copy", &[]).await;
        world.now.pass(DAY_SECS);
    }
    dvcs(&world, build(&claim(), None)).await;
    let moment = |days: u64| START.plus_secs(days * u64::from(DAY_SECS)).to_string();
    let of_contract = Digest::of(CONTRACT).to_string();
    let of_nothing = Digest::of(b"nothing").to_string();
    let (first, last) = (moment(1), moment(2));
    for (query, expected) in [
        ("journal".to_owned(), vec![1, 2, 3, 4, 5]),
        (format!("journal?since={first}"), vec![3, 4, 5]),
        (format!("journal?until={first}"), vec![1, 2]),
        (format!("journal?since={first}&until={last}"), vec![3, 4]),
        (format!("journal?since={}", moment(9)), vec![]),
        (format!("journal?party={}", bob.id), vec![2, 4]),
        (format!("journal?party={}&since={first}", ada.id), vec![3]),
        (format!("journal?document={of_contract}"), vec![1, 2, 3, 4, 5]),
        (format!("journal?document={of_contract}&party={}&from=2", ada.id), vec![3]),
        (format!("journal?document={of_nothing}"), vec![]),
    ] {
        assert_eq!(numbers(&world, &officer, &query).await, (expected, Value::Null), "{query}");
    }
    // Page by page, whatever is looked for.
    let paged = format!("journal?document={of_contract}&limit=2");
    assert_eq!(numbers(&world, &officer, &paged).await, (vec![1, 2], json!(3)));
    assert_eq!(numbers(&world, &officer, &format!("{paged}&from=5")).await, (vec![5], Value::Null));
    let of_bob = format!("journal?party={}&limit=1", bob.id);
    assert_eq!(numbers(&world, &officer, &of_bob).await, (vec![2], json!(4)));
    // Who is to sign is found like who asked, from when the act was opened to its end.
    let contract = asked(&world, &ada, "contract", &[&bob]).await;
    let statement = signed(&contract, CONTRACT, &bob, &bob.sign);
    assert_eq!(world.post_bytes(&bob.login, &place(&contract, "/signatures"), statement).await.0, 200);
    for query in
        [format!("journal?party={}&from=5", bob.id), format!("journal?party={}&document={of_contract}&from=5", bob.id)]
    {
        assert_eq!(numbers(&world, &officer, &query).await, (vec![6, 6], Value::Null), "{query}");
    }
    assert_eq!(numbers(&world, &bob.login, "acts?from=5").await.0, [6, 6]);
    assert_eq!(numbers(&world, &ada.login, "acts?from=5").await.0, [6, 6]);
    // A party finds its own, and nobody else's.
    assert_eq!(numbers(&world, &ada.login, "acts").await.0, [1, 3, 6, 6]);
    let foreign = format!("acts?party={}", bob.id);
    assert_eq!(numbers(&world, &ada.login, &foreign).await.0, [1, 3, 6, 6], "whoever asks is who is looked for");
    assert_eq!(world.get(&ada.login, "/v1/notary/journal").await.0, 403);
    for wrong in ["since=yesterday", "until=2026", "document=abc", "party=x", "what=ever"] {
        assert_eq!(world.get(&officer, &format!("/v1/notary/journal?{wrong}")).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn an_extract_is_an_act_of_its_own() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let party = world.party(&officer).await;
    for _ in 0..3 {
        asked(&world, &party, "existence", &[]).await;
    }
    let extract = async |from: u64, to: u64| {
        world.post(&officer, "/v1/notary/journal/extracts", &json!({ "from": from, "to": to })).await
    };
    let (status, act) = extract(2, 3).await;
    assert_eq!((status, &act["kind"], &act["journal_no"]), (201, &json!("journal-extract"), &json!(4)), "{act}");
    let bytes = world.call(&officer, Method::GET, &place(&act, "/report"), None).await.1;
    let read: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&read["from"], &read["to"], &read["last"]), (&json!(2), &json!(3), &json!(3)));
    let (_, journal) = world.get(&officer, "/v1/notary/journal?from=2&limit=2").await;
    assert_eq!(read["lines"], journal["journal"]);
    let record = world.call(&officer, Method::GET, &place(&act, "/record"), None).await.1;
    let record = Jws::parse(&record).unwrap().payload_as::<ActRecorded>().unwrap().body;
    assert_eq!((record.kind, record.validation_report), (ActType::JournalExtract, None));
    assert_eq!(Digest::from(record.documents[0].sha256), Digest::of(&bytes));
    assert!(record.documents[0].held);
    // Only what was given is certified, and officers alone certify it.
    for (from, to) in [(0, 1), (3, 2), (2, 5), (1, 2_000)] {
        let (status, answer) = extract(from, to).await;
        assert_eq!((status, &answer["code"]), (422, &json!("notary.request")), "{from} to {to}");
    }
    let body = json!({ "from": 1, "to": 1 });
    assert_eq!(world.post(&party.login, "/v1/notary/journal/extracts", &body).await.0, 403);
    // The very request again is the very act.
    let bytes = body.to_string().into_bytes();
    let once = world.repeat(&officer, "/v1/notary/journal/extracts", "key", bytes.clone()).await.1;
    let again = world.repeat(&officer, "/v1/notary/journal/extracts", "key", bytes).await.1;
    assert_eq!(once["act"], again["act"]);
}

/// What an operator sees of the journal: what waits for whom and since when, how acts end, and what is answered.
#[tokio::test]
async fn what_waits_is_shown() {
    let world = open(World::new());
    let (officer, other) = (world.staff("officer"), world.staff("officer"));
    let (ada, bob) = (world.party(&officer).await, world.party(&other).await);
    let shows = async |lines: &[&str]| {
        let all = metrics(&world.service).await;
        for line in lines {
            assert!(all.iter().any(|found| found.strip_prefix("semper_notary_") == Some(*line)), "{line}: {all:#?}");
        }
    };
    shows(&["acts_open{stage=\"waiting\"} 0", "waiting_age_seconds NaN", "waiting_end_timestamp_seconds 0"]).await;
    let copy = asked(&world, &ada, "copy", &[]).await;
    asked(&world, &ada, "contract", &[&bob]).await;
    world.now.pass(100);
    let ends = START.plus_secs(30 * u64::from(DAY_SECS)).secs();
    shows(&[
        "acts_open{stage=\"waiting\"} 1",
        "acts_open{stage=\"collecting\"} 1",
        "waiting_age_seconds 100",
        &format!("waiting_end_timestamp_seconds {ends}"),
    ])
    .await;
    // A contract that waits for its signers only keeps no officer busy.
    world.post(&ada.login, &place(&copy, "/withdraw"), &json!({})).await;
    shows(&["acts_open{stage=\"waiting\"} 0", "waiting_age_seconds NaN"]).await;
    dvcs(&world, build(&claim(), None)).await;
    dvcs(&world, b"no request".to_vec()).await;
    shows(&[
        "acts_total{kind=\"copy\",outcome=\"withdrawn\"} 1",
        "acts_total{kind=\"ccpd\",outcome=\"granted\"} 1",
        "dvcs_total{answer=\"certified\",service=\"ccpd\"} 1",
        "dvcs_total{answer=\"dvcs.not_a_request\",service=\"unread\"} 1",
        "room_bytes{room=\"plain\",state=\"taken\"} 0",
    ])
    .await;
}
