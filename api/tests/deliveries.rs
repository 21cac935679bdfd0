//! Registered deliveries over `/v1`: evidence of each step, of what did not happen as well, the same for whoever asks again, and nothing that
//! the run's own history does not bear.

mod world;

use semper_ttp::{
    client::message::Message,
    crypto::{SecretKey, jose::Thumbprint},
    evidence::{ExchangeKind, Kind, RoleCode},
    statement::{
        Jws, Millis,
        exchange::{
            Side,
            cd_r::{ContentKey, D1, D3},
            erds::{ErdsEvent, ErdsEvidence, ErdsStage, Refuse, Submit},
        },
    },
    time::Timestamp,
};
use serde_json::{Value, json};
use world::{
    START,
    audit::differences,
    delivery::Delivery,
    exchange::{Run, arbiter, ask_at, known, name_of, pass_to, sign, text},
    notary::open,
    office::{DELTA_MS, Member, World},
    registered::events,
};

const T_EXP: u64 = START.millis() + 100 * DELTA_MS;
const DAY_MS: u64 = 86_400_000;
/// When the key is not awaited to be collected any more, whenever it was left before `T_EXP`.
const RETAINED: u64 = T_EXP + 31 * DAY_MS;

/// How many events are in the ledger.
fn recorded(world: &World) -> usize {
    world.kinds().into_iter().filter(|kind| *kind == Kind::Exchange(ExchangeKind::DeliveryEvent)).count()
}

async fn mail(world: &World, of: &Member) -> Vec<Value> {
    world.get(&of.login, "/v1/mailbox").await.1["messages"].as_array().unwrap().clone()
}

/// What happens to a delivery.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Submit,
    SubmitQuietly,
    D2,
    D4,
    Refuse,
    /// The recipient asks the arbiter for the key.
    Take,
    /// The originator leaves it there.
    Leave,
    Abort,
    /// Time passes until this moment.
    At(u64),
    /// The timer.
    Look,
    /// The process is killed, and another one starts.
    Kill,
}
use Step::{Abort, At, D2 as ShowD2, D4 as ShowD4, Kill, Leave, Look, Submit as Submitted, SubmitQuietly, Take};

/// Each course leaves these events, the same for both sides, also after another start; the audit decides all of it again, and the judge finds
/// nothing wrong.
#[tokio::test]
async fn every_course_leaves_its_evidence() {
    let courses: &[(&str, &[Step], &[&str])] = &[
        ("taken", &[Submitted, ShowD2, Take, Look], &["A.1", "C.1", "C.3", "D.1", "E.1"]),
        ("without a notice", &[SubmitQuietly, ShowD2, Take, Look], &["A.1", "C.3", "D.1", "E.1"]),
        ("d2 stands in the verdict", &[Submitted, Take, Look], &["A.1", "C.1", "C.3", "D.1", "E.1"]),
        ("between the two", &[Submitted, ShowD4, Look], &["A.1", "C.1", "E.1"]),
        ("between the two, all of it", &[Submitted, ShowD2, ShowD4], &["A.1", "C.1", "C.3", "E.1"]),
        ("left, and collected", &[Submitted, Leave, Look, Take, Look], &["A.1", "C.1", "C.3", "D.1", "E.1"]),
        (
            "left, and not collected",
            &[Submitted, Leave, Look, At(RETAINED), Look],
            &["A.1", "C.1", "C.3", "D.1", "E.2 not-collected"],
        ),
        (
            "collected too late",
            &[Submitted, Leave, Look, At(RETAINED), Look, Take, Look],
            &["A.1", "C.1", "C.3", "D.1", "E.2 not-collected", "E.1 after-negative"],
        ),
        (
            "refused",
            &[Submitted, Step::Refuse, At(T_EXP + 1), Look],
            &["A.1", "C.1", "C.4 not-wanted", "D.2 refused-before"],
        ),
        (
            "refused, and taken all the same",
            &[Submitted, Step::Refuse, Take, Look],
            &["A.1", "C.1", "C.4 not-wanted", "C.3 after-negative", "D.1", "E.1"],
        ),
        ("no answer", &[Submitted, At(T_EXP + 1), Look], &["A.1", "C.1", "C.5 no-answer"]),
        ("no answer, and nobody looks", &[Submitted, At(T_EXP + 1)], &["A.1", "C.1", "C.5 no-answer"]),
        ("d2 too late", &[Submitted, At(T_EXP + 1), ShowD2], &["A.1", "C.1", "C.5 no-answer", "C.3 after-negative"]),
        ("never consigned", &[Submitted, ShowD2, At(T_EXP + 1), Look], &["A.1", "C.1", "C.3", "D.2 not-consigned"]),
        ("decided too late", &[Submitted, At(T_EXP + 1), Take, Look], &["A.1", "C.1", "C.5 no-answer"]),
        ("taken back", &[Submitted, Abort, Look], &["A.1", "C.1", "D.2 taken-back"]),
        ("taken back behind d2", &[Submitted, ShowD2, Abort, Look], &["A.1", "C.1", "C.3", "D.2 taken-back"]),
        ("submitted behind the verdict", &[Take, SubmitQuietly], &["A.1", "C.3", "D.1", "E.1"]),
        ("submitted behind an abort", &[Abort, SubmitQuietly], &["A.1", "D.2 taken-back"]),
        ("submitted too late", &[At(T_EXP + 1), Submitted], &["A.2 expired"]),
        ("submitted too late, and decided", &[At(T_EXP + 1), Submitted, Take, Look], &["A.2 expired"]),
        // A process that is killed behind the verdict has told nothing of it: the next one finds it, and in time.
        ("killed behind the verdict", &[Submitted, Take, Kill, Look], &["A.1", "C.1", "C.3", "D.1", "E.1"]),
        (
            "killed behind the verdict, and away over the end",
            &[Submitted, Take, Kill, At(T_EXP + 1), Look],
            &["A.1", "C.1", "C.3", "D.1", "E.1"],
        ),
        ("killed behind an abort", &[Submitted, Abort, At(T_EXP + 1), Kill, Look], &["A.1", "C.1", "D.2 taken-back"]),
        ("killed before the end", &[Submitted, Kill, At(T_EXP + 1), Look], &["A.1", "C.1", "C.5 no-answer"]),
        (
            "killed before retention ends",
            &[Submitted, Leave, Look, Kill, At(RETAINED), Look],
            &["A.1", "C.1", "C.3", "D.1", "E.2 not-collected"],
        ),
        (
            "killed between collecting and looking",
            &[Submitted, Leave, Look, Take, Kill, At(RETAINED), Look],
            &["A.1", "C.1", "C.3", "D.1", "E.1"],
        ),
    ];
    for (what, steps, expected) in courses {
        let (mut world, o, r) = arbiter().await;
        let run = Delivery::new(&world, &o, &r, Some(T_EXP));
        let mut verdicts = Vec::new();
        for step in *steps {
            let say =
                |(status, answer): (u16, Value)| assert!([200, 201].contains(&status), "{what}, {step:?}: {answer}");
            match step {
                Submitted => say(run.submit(&world, true).await),
                SubmitQuietly => say(run.submit(&world, false).await),
                ShowD2 => say(run.say(&world, &run.d2).await),
                ShowD4 => say(run.say(&world, &run.d4()).await),
                Step::Refuse => say(run.say(&world, &run.refusal()).await),
                Take | Leave | Abort => {
                    let request = match step {
                        Take => run.resolve(Side::Responder),
                        Leave => run.resolve(Side::Originator),
                        _ => run.abort(),
                    };
                    let (status, answer) = run.ask(&world, &request).await;
                    assert_eq!(status, 200, "{what}, {step:?}: {answer}");
                    verdicts = vec![answer["verdict"].clone()];
                }
                At(millis) => pass_to(&world, Timestamp::from_millis(*millis)),
                Look => drop(world.service.look_at_deliveries().unwrap()),
                Kill => {
                    let now = world.now.as_ref();
                    let at = semper_api::TimeSource::now(now);
                    world = world.restart(false);
                    world.service.recall_arbiter(Some(at.millis())).unwrap();
                    world = open(world);
                }
            }
        }
        let before = recorded(&world);
        let (status, shown) = run.evidence(&world, &o).await;
        assert_eq!(
            (status, events(&shown)),
            (200, expected.iter().map(|event| (*event).to_owned()).collect()),
            "{what}"
        );
        if steps.last() == Some(&Look) {
            assert_eq!(before, expected.len(), "{what}: nobody had to ask");
        }
        assert_eq!(recorded(&world), expected.len(), "{what}: each once");
        assert_eq!(run.evidence(&world, &r).await, (200, shown.clone()), "{what}: the same for both");
        run.judged(&world, &shown, &verdicts.iter().collect::<Vec<_>>());
        let now = semper_api::TimeSource::now(world.now.as_ref());
        let world = world.restart(false);
        world.service.recall_arbiter(Some(now.millis())).unwrap();
        let world = open(world);
        world.service.look_at_deliveries().unwrap();
        assert_eq!(run.evidence(&world, &o).await, (200, shown), "{what}: after another start");
        assert_eq!(differences(&world, RoleCode::Exchange), [""; 0], "{what}");
    }
}

/// All goes well; whoever asks again gets the same octets, and what is awaited is told until it has come.
#[tokio::test]
async fn a_delivery_is_evidenced_from_submission_to_handover() {
    let (world, o, r) = arbiter().await;
    let run = Delivery::new(&world, &o, &r, Some(T_EXP));
    let submission = run.submission(true);
    let (status, submitted) = ask_at(&world, "/v1/deliveries", &submission).await;
    assert_eq!((status, events(&submitted)), (201, vec!["A.1".to_owned(), "C.1".to_owned()]), "{submitted}");
    let end = Timestamp::from_millis(T_EXP).to_string();
    assert_eq!(
        submitted["awaited"],
        json!([{ "until": end, "then": "AcceptanceRejectionExpiry", "reason": "no-answer" }])
    );
    assert_eq!(submitted["evidence"][0]["uri"], "http://uri.etsi.org/19522/Event/SubmissionAcceptance");
    assert_eq!(ask_at(&world, "/v1/deliveries", &submission).await, (200, submitted.clone()), "again: the same");
    // A second submission of the same delivery is none, whatever it asks for.
    assert_eq!(run.submit(&world, false).await, (200, submitted.clone()));

    // The notice says who delivers what, and is the evidence itself.
    let there = mail(&world, &r).await;
    assert_eq!(there.len(), 1, "{there:?}");
    assert!(there[0]["from"] != json!(o.id) && there[0]["from"] != json!(r.id), "no party has left it");
    let id = there[0]["id"].as_str().unwrap();
    let (_, octets) = world.call(&r.login, http::Method::GET, &format!("/v1/mailbox/{id}"), None).await;
    let notice = Message::parse(&octets).unwrap();
    assert_eq!(json!(text(&notice.statement)), submitted["evidence"][0]["statement"]);
    let told = notice.statement.payload_as::<ErdsEvidence>().unwrap().body;
    assert_eq!((told.event, told.sender.id, told.recipient.id), (ErdsEvent::SubmissionAcceptance, o.id, r.id));
    assert_eq!((notice.x(), notice.certificates.len()), (run.x(), 1));

    let (status, accepted) = run.say(&world, &run.d2).await;
    assert_eq!((status, events(&accepted)[2..].to_vec()), (200, vec!["C.3".to_owned()]), "{accepted}");
    for n in [0, 1] {
        assert_eq!(accepted["evidence"][n], submitted["evidence"][n], "what was signed stays");
    }
    assert_eq!(accepted["awaited"][0]["reason"], "not-consigned");
    assert_eq!(run.say(&world, &run.d2).await, (200, accepted));
    let (_, answer) = run.ask(&world, &run.resolve(Side::Responder)).await;
    assert_eq!(world.service.look_at_deliveries().unwrap(), 1);
    let (_, shown) = run.evidence(&world, &r).await;
    assert_eq!(events(&shown)[3..], ["D.1", "E.1"]);
    assert_eq!(
        (&shown["awaited"], world.service.look_at_deliveries().unwrap()),
        (&json!([]), 0),
        "nothing is left to do"
    );
    let judgement = run.judged(&world, &shown, &[&answer["verdict"]]);
    let stands: Vec<_> = ErdsStage::ALL
        .iter()
        .filter_map(|stage| judgement.stages.get(stage))
        .map(|proven| proven.event.letter())
        .collect();
    assert_eq!(stands, ["A.1", "C.1", "C.3", "D.1", "E.1"]);
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// A notice that cannot be left now is tried again, and left once; one for which there is no room is told to have failed.
#[tokio::test]
async fn a_notice_is_left_once_or_told_to_have_failed() {
    let (world, o, r) = arbiter().await;
    let [run, late] = [(); 2].map(|()| Delivery::new(&world, &o, &r, Some(T_EXP)));
    let folder = world.disk.mail_folder().to_owned();
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, b"no folder").unwrap();
    for run in [&run, &late] {
        let (status, submitted) = run.submit(&world, true).await;
        assert_eq!((status, events(&submitted)), (201, vec!["A.1".to_owned()]), "{submitted}");
        assert_eq!(submitted["awaited"][0]["reason"], "notice-late");
    }
    assert_eq!(world.service.look_at_deliveries().unwrap(), 0, "not yet");
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    // As after a crash between the evidence and the notice; the other was meanwhile accepted, so that nobody needs one.
    late.say(&world, &late.d2).await;
    let world = open(world.restart(false));
    assert_eq!(world.service.look_at_deliveries().unwrap(), 2);
    assert_eq!(events(&run.evidence(&world, &o).await.1), ["A.1", "C.1"]);
    assert_eq!(events(&late.evidence(&world, &o).await.1), ["A.1", "C.3"]);
    assert_eq!(mail(&world, &r).await.len(), 1);
    assert_eq!(world.service.look_at_deliveries().unwrap(), 0);

    // Its time is over while nothing can be left.
    let missed = Delivery::new(&world, &o, &r, Some(T_EXP));
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, b"no folder").unwrap();
    missed.submit(&world, true).await;
    pass_to(&world, Timestamp::from_millis(START.millis() + 10 * DELTA_MS + 1));
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(world.service.look_at_deliveries().unwrap(), 1);
    assert_eq!(events(&missed.evidence(&world, &o).await.1), ["A.1", "C.2 notice-late"]);

    // One originator fills what room there is for it, and for no other.
    let runs: Vec<_> =
        (0..semper_api::mailbox::MESSAGES_OF_SENDER_MAX).map(|_| Delivery::new(&world, &o, &r, Some(T_EXP))).collect();
    let mut failed = 0;
    for run in &runs {
        let (_, submitted) = run.submit(&world, true).await;
        failed += usize::from(events(&submitted) == ["A.1", "C.2 notice-failed"]);
    }
    assert_eq!(failed, 1, "one was there before");
    let other = world.party(&world.staff("officer")).await;
    let (_, submitted) = Delivery::new(&world, &other, &r, Some(T_EXP)).submit(&world, true).await;
    assert_eq!(events(&submitted), ["A.1", "C.1"]);
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// What the policy does not take is refused in writing, and nothing more becomes of it.
#[tokio::test]
async fn what_is_not_taken_is_told_in_writing() {
    let (world, o, r) = arbiter().await;
    let strange = name_of(&world::key());
    let with = |t_exp: Option<u64>, change: &dyn Fn(&mut D1)| {
        Delivery::with(&world, (&o, &r), t_exp, |_, key| key.clone(), change)
    };
    let far = START.millis() + 91 * DAY_MS;
    let table = [
        ("without end", with(None, &|_| ()), "A.2 no-end"),
        ("too far ahead", with(Some(far), &|_| ()), "A.2 end-too-far"),
        ("to nobody", with(Some(T_EXP), &|d1| d1.r.key = strange), "A.2 unknown-recipient"),
        (
            "to somebody with another's key",
            with(Some(T_EXP), &|d1| d1.r.id = semper_ttp::id::PartyId::from([1; 16])),
            "A.2 unknown-recipient",
        ),
    ];
    for (what, run, expected) in &table {
        let (status, submitted) = run.submit(&world, true).await;
        assert_eq!((status, events(&submitted)), (201, vec![(*expected).to_owned()]), "{what}: {submitted}");
        assert_eq!(submitted["awaited"], json!([]), "{what}");
        run.judged(&world, &submitted, &[]);
        let (status, problem) = run.say(&world, &run.refusal()).await;
        if name_of(&r.sign) == run.d1.payload_as::<D1>().unwrap().body.r.key {
            assert_eq!((status, &problem["code"]), (409, &json!("delivery.not_taken")), "{what}: {problem}");
        } else {
            assert_eq!((status, &problem["code"]), (403, &json!("exchange.not_allowed")), "{what}: {problem}");
        }
    }
    assert_eq!(mail(&world, &r).await, [Value::Null; 0]);
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// Rubbish in the escrow: nothing was consigned.
#[tokio::test]
async fn a_void_delivery_is_evidenced_as_failed() {
    let (world, o, r) = arbiter().await;
    let wrong = |_: &D1, _: &SecretKey| SecretKey::new([66; 32].into());
    let run = Delivery::with(&world, (&o, &r), Some(T_EXP), wrong, |_| ());
    run.submit(&world, false).await;
    let (_, answer) = run.ask(&world, &run.resolve(Side::Responder)).await;
    assert_eq!(answer["outcome"], "VOID");
    let (_, shown) = run.evidence(&world, &r).await;
    assert_eq!(events(&shown), ["A.1", "C.3", "D.2 escrow"]);
    run.judged(&world, &shown, &[&answer["verdict"]]);
    let (status, problem) = run.say(&world, &run.refusal()).await;
    assert_eq!((status, &problem["code"]), (409, &json!("delivery.accepted")), "{problem}");
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// The arbiter was away in the last δ: who waited for it has as long again, and the evidence names the absence.
#[tokio::test]
async fn erds_outage_at_the_end() {
    let (world, o, r) = arbiter().await;
    let [kept, missed] = [(); 2].map(|()| Delivery::new(&world, &o, &r, Some(T_EXP)));
    for run in [&kept, &missed] {
        run.submit(&world, false).await;
    }
    let back = T_EXP + 5 * DELTA_MS;
    world.now.at(Timestamp::from_millis(back));
    let world = world.restart(false);
    world.service.recall_arbiter(Some(T_EXP - 1_000)).unwrap();
    let world = open(world);
    assert_eq!(world.service.look_at_deliveries().unwrap(), 2, "looked at, and found open");
    pass_to(&world, Timestamp::from_millis(back + DELTA_MS));
    let (_, shown) = kept.say(&world, &kept.d2).await;
    assert_eq!(events(&shown), ["A.1", "C.3"]);
    pass_to(&world, Timestamp::from_millis(back + DELTA_MS + 1));
    assert_eq!(world.service.look_at_deliveries().unwrap(), 2);
    let (_, shown) = missed.evidence(&world, &r).await;
    assert_eq!(events(&shown), ["A.1", "C.5 no-answer"]);
    let jws = Jws::parse(shown["evidence"][1]["statement"].as_str().unwrap().as_bytes()).unwrap();
    let told = jws.payload_as::<ErdsEvidence>().unwrap().body;
    assert_eq!((told.outages.len(), told.event_ms.get()), (1, back + DELTA_MS));
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

#[tokio::test]
async fn what_breaks_a_rule_of_registered_deliveries_changes_nothing() {
    let (world, o, r) = arbiter().await;
    let stranger = world.party(&world.staff("officer")).await;
    let [run, another] = [(); 2].map(|()| Delivery::new(&world, &o, &r, Some(T_EXP)));
    let contract = Run::new(&world, &o, &r, None);
    let strange = name_of(&stranger.sign);
    let (x, here) = (Some(run.x()), "/v1/deliveries".to_owned());
    let good = run.submission(true);
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        (here.clone(), body)
    };
    let of = |change: &dyn Fn(&mut D1)| {
        (here.clone(), Delivery::with(&world, (&o, &r), Some(T_EXP), |_, key| key.clone(), change).submission(true))
    };
    let by = |member: &Member| json!(text(&sign(&member.sign, x, Submit { notice: true })));
    let said = |jws: &Jws| (run.registered("/statements"), json!({ "statement": text(jws) }));
    let escrow = |key: Thumbprint| of(&move |d1| d1.ttp.escrow_key = key);
    let before: Vec<(&str, (String, Value), u16, &str)> = vec![
        ("by the recipient", with("submit", by(&r)), 403, "exchange.not_allowed"),
        ("by a stranger", with("submit", by(&stranger)), 403, "exchange.not_allowed"),
        ("of another run", with("submit", another.submission(true)["submit"].clone()), 422, "exchange.other_run"),
        ("d2 as submission", with("submit", json!(text(&run.d2))), 400, "exchange.statement"),
        ("a contract", with("d1", json!(text(&contract.m1))), 400, "exchange.statement"),
        ("an unknown member", with("d2", json!(text(&run.d2))), 400, "http.malformed"),
        (
            "too long",
            with("submit", json!(format!("{}{}", good["submit"].as_str().unwrap(), "A".repeat(4_096)))),
            400,
            "exchange.statement",
        ),
        ("three tokens", with("tokens", json!(["AA==", "AA==", "AA=="])), 422, "exchange.request"),
        ("a token of nobody", with("tokens", json!(["AAAA"])), 422, "exchange.request"),
        ("no base64", with("tokens", json!(["*"])), 400, "http.malformed"),
        ("an arbiter's key of nobody", of(&|d1| d1.ttp.key = strange), 422, "exchange.other_arbiter"),
        ("an escrow key of nobody", escrow(strange), 422, "exchange.escrow_key"),
        (
            "an unknown policy",
            of(&|d1| d1.policy = semper_ttp::digest::Digest::of(b"none").into()),
            422,
            "exchange.policy",
        ),
        (
            "to itself",
            (here.clone(), Delivery::new(&world, &o, &o, Some(T_EXP)).submission(true)),
            422,
            "exchange.one_party",
        ),
        ("not submitted", said(&run.d2), 409, "delivery.not_submitted"),
        (
            "no run",
            ("/v1/deliveries/AQE/statements".to_owned(), json!({ "statement": text(&run.d2) })),
            404,
            "http.not_found",
        ),
    ];
    for (what, (path, body), status, code) in before {
        let (answered, problem) = ask_at(&world, &path, &body).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{what}: {problem}");
    }
    assert_eq!(recorded(&world), 0);
    assert_eq!(run.evidence(&world, &o).await.0, 404);

    let (_, submitted) = run.submit(&world, true).await;
    let d3 = sign(&o.sign, x, D3 { k: ContentKey::from(&run.key) });
    let behind: Vec<(&str, Jws, u16, &str)> = vec![
        ("a refusal by the originator", sign(&o.sign, x, Refuse { reason: None }), 403, "exchange.not_allowed"),
        ("a refusal by a stranger", sign(&stranger.sign, x, Refuse { reason: None }), 403, "exchange.not_allowed"),
        (
            "d4 by the originator",
            sign(&o.sign, x, run.d4().payload_as::<semper_ttp::statement::exchange::cd_r::D4>().unwrap().body),
            403,
            "exchange.not_allowed",
        ),
        (
            "d4 of something else",
            sign(&r.sign, x, semper_ttp::statement::exchange::cd_r::D4 { hm: run.x().into() }),
            400,
            "exchange.statement",
        ),
        ("another run's d2", another.d2.clone(), 422, "exchange.other_run"),
        ("d3", d3, 422, "exchange.request"),
        (
            "what the arbiter itself has signed",
            Jws::parse(submitted["evidence"][0]["statement"].as_str().unwrap().as_bytes()).unwrap(),
            422,
            "exchange.unknown_key",
        ),
        ("by nobody", sign(&world::key(), x, Refuse { reason: None }), 422, "exchange.unknown_key"),
    ];
    for (what, jws, status, code) in behind {
        let (answered, problem) = run.say(&world, &jws).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{what}: {problem}");
    }
    assert_eq!(run.evidence(&world, &stranger).await.0, 404, "a stranger sees no delivery");
    assert_eq!(run.evidence(&world, &r).await, (200, submitted));

    // After d2, and after the end, nothing is refused.
    another.submit(&world, false).await;
    run.say(&world, &run.d2).await;
    let (status, problem) = run.say(&world, &run.refusal()).await;
    assert_eq!((status, &problem["code"]), (409, &json!("delivery.accepted")), "{problem}");
    pass_to(&world, Timestamp::from_millis(T_EXP + 1));
    let (status, late) = another.say(&world, &another.refusal()).await;
    assert_eq!(
        (status, events(&late)),
        (200, vec!["A.1".to_owned(), "C.5 no-answer".to_owned()]),
        "who comes too late gets that"
    );
    let (status, problem) = another.say(&world, &another.refusal()).await;
    assert_eq!((status, &problem["code"]), (409, &json!("delivery.nothing_to_refuse")), "{problem}");

    // A key that was revoked says nothing more.
    world.revoke(&r.sign_certificate, semper_ttp::ca::crl::Reason::KeyCompromise);
    let (status, problem) = another.say(&world, &another.d4()).await;
    assert_eq!((status, &problem["code"]), (422, &json!("exchange.key")), "{problem}");
    world.revoke(&o.sign_certificate, semper_ttp::ca::crl::Reason::KeyCompromise);
    let late = Delivery::new(&world, &o, &stranger, Some(Millis::new(T_EXP + DAY_MS).unwrap().get()));
    let (status, problem) = late.submit(&world, false).await;
    assert_eq!((status, &problem["code"]), (422, &json!("exchange.key")), "{problem}");
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// Everybody at the same instant, again and again: each event once, and none that contradicts another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn erds_race() {
    let (world, o, r) = arbiter().await;
    for _ in 0..60 {
        let run = Delivery::new(&world, &o, &r, Some(T_EXP));
        let submission = run.submission(true);
        assert_eq!(ask_at(&world, "/v1/deliveries", &submission).await.0, 201);
        let (take, abort, refusal) = (run.resolve(Side::Responder), run.abort(), run.refusal());
        let answers = tokio::join!(
            run.say(&world, &run.d2),
            run.say(&world, &refusal),
            run.ask(&world, &take),
            run.ask(&world, &abort),
            ask_at(&world, "/v1/deliveries", &submission),
            run.evidence(&world, &o),
            async { (200, json!(world.service.look_at_deliveries().unwrap())) },
        );
        let statuses = [answers.0.0, answers.2.0, answers.3.0, answers.4.0, answers.5.0];
        assert_eq!(statuses, [200; 5], "{answers:?}");
        assert!(
            answers.1.0 == 200 || answers.1.1["code"].as_str().is_some_and(|code| code.starts_with("delivery.")),
            "{answers:?}"
        );
        let (_, shown) = run.evidence(&world, &r).await;
        run.judged(&world, &shown, &[&answers.2.1["verdict"]]);
        let has = |letter: &str| events(&shown).iter().any(|event| event.starts_with(letter));
        assert_eq!(has("D.1"), answers.2.1["outcome"] == "RELEASED", "{shown}");
        assert_eq!((has("D.1"), has("D.2")), (has("E.1"), !has("E.1")), "{shown}");
    }
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// What the service says of itself is enough to submit a delivery.
#[tokio::test]
async fn the_service_says_how_deliveries_are_registered() {
    let (world, ..) = arbiter().await;
    let registered = &known(&world).await["exchange"]["protocols"]["cd-r"]["registered"];
    assert_eq!((&registered["path"], &registered["notices"]), (&json!("/v1/deliveries"), &json!(true)));
    assert_eq!((&registered["notice_ms"], &registered["late_counts"]), (&json!(10 * DELTA_MS), &json!(false)));
}
