//! Rails of outside providers: what they are asked and answer over HTTP, and what they tell unasked. Whatever is lost, slow, repeated or forged
//! on the way, the money moves once.

mod world;

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use semper_api::rails::WebhookRail;
use semper_ttp::{
    b64u,
    money::{Amount, RailId},
    payment::{
        callback::{Secret, sign},
        rail::{RailClass, RailOp},
        simulator::{Notice, Trick},
    },
    statement::exchange::pg::Received,
    time::Timestamp,
};
use serde_json::{Value, json};
use world::{
    START,
    http::{Answer, Asked, ask},
    notary::open,
    office::{Member, World},
    payment::{PRICE, Sale, T_EXP, T_SHIP, balanced, eur, money_facts, pass_and_look},
    provider::{Play, Provider},
    rail_secret,
};

async fn arbiter(world: World) -> (World, [Member; 3]) {
    let world = open(world);
    world.disk.rail.advance_to(START);
    let officer = world.staff("officer");
    let parties = [world.party(&officer).await, world.party(&officer).await, world.party(&officer).await];
    (world, parties)
}

fn stage(answer: &Value) -> (&str, &str) {
    (answer["stage"].as_str().unwrap(), answer["money"]["state"].as_str().unwrap())
}

/// A callback as a provider sends it.
struct Sent<'a> {
    rail: &'a str,
    secret: Secret,
    at: Timestamp,
}

impl Sent<'_> {
    fn now(world: &World) -> Sent<'static> {
        use semper_api::TimeSource as _;
        Sent { rail: "sim", secret: rail_secret(), at: Timestamp::from_secs(world.now.now().secs()) }
    }

    async fn send(&self, world: &World, notice: &Notice) -> (u16, Value) {
        let signature = sign(&self.secret, &notice.id, self.at, &notice.body).unwrap();
        self.send_signed(world, notice, &signature).await
    }

    async fn send_signed(&self, world: &World, notice: &Notice, signature: &str) -> (u16, Value) {
        let asked = Asked::secure("POST", &format!("/v1/rails/{}/callbacks", self.rail))
            .with("content-type", "application/json")
            .with("webhook-id", &notice.id)
            .with("webhook-timestamp", &self.at.secs().to_string())
            .with("webhook-signature", signature)
            .octets(notice.body.clone());
        let Answer { status, body, .. } = ask(&world.service, asked).await;
        (status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
    }
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_callback_tells_what_the_answer_did_not() {
    let (world, parties) = arbiter(World::new()).await;
    let [payer, payee, _] = &parties;
    world.disk.rail.script(RailOp::Hold, Trick::TimeoutThenDone);
    let sale = Sale::goods(&world, payer, payee, None, true, |_| ());
    sale.open(&world).await;
    assert_eq!(stage(&sale.said(&world, &sale.accept()).await), ("ACCEPTED", "REQUESTED"));
    let notices = world.disk.rail.take_notices();
    let [notice] = &notices[..] else { panic!("{notices:?}") };
    // By somebody else, of another time, changed on the way, to another rail, without a signature.
    let good = Sent::now(&world);
    let forged = Sent { secret: Secret::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap(), ..Sent::now(&world) };
    assert_eq!(code(&forged.send(&world, notice).await), (403, "callback.signature"));
    let old = Sent { at: START.plus_secs(0), ..Sent::now(&world) };
    let at = Timestamp::from_secs(old.at.secs() - 301);
    assert_eq!(code(&Sent { at, ..old }.send(&world, notice).await), (403, "callback.time"));
    let signature = sign(&good.secret, &notice.id, good.at, &notice.body).unwrap();
    let text = String::from_utf8(notice.body.clone()).unwrap();
    let more = Notice { id: notice.id.clone(), body: text.replace("10000", "99999").into_bytes() };
    assert_ne!(more.body, notice.body);
    assert_eq!(code(&good.send_signed(&world, &more, &signature).await), (403, "callback.signature"));
    let elsewhere = Sent { rail: "other", ..Sent::now(&world) };
    assert_eq!(code(&elsewhere.send(&world, notice).await), (404, "http.not_found"));
    assert_eq!(code(&good.send_signed(&world, notice, "").await), (400, "callback.form"));
    // Of a run that nobody has begun.
    let x = b64u::encode(sale.x().as_bytes());
    let unknown = Notice { id: "evt_1".to_owned(), body: text.replace(&x, &b64u::encode(&[9; 32])).into_bytes() };
    assert_eq!(code(&good.send(&world, &unknown).await), (404, "http.not_found"));
    assert_eq!(money_facts(&world).len(), 1, "nothing of it left a fact");

    assert_eq!(good.send(&world, notice).await, (200, json!({ "taken": true })));
    let size = world.service.reader().size();
    assert_eq!(good.send(&world, notice).await, (200, json!({ "taken": false })), "its answer was lost");
    let again = Notice { id: format!("{}_2", notice.id), ..notice.clone() };
    assert_eq!(good.send(&world, &again).await.0, 200, "the same under another id");
    assert_eq!(world.service.reader().size(), size);
    world.service.look_at_payments();
    assert_eq!(stage(&sale.shown(&world).await), ("HELD", "HELD"));
    // Ids are forgotten by a start; what they told is not told twice.
    let world = open(world.restart(false));
    let size = world.service.reader().size();
    assert_eq!(good.send(&world, notice).await.0, 200);
    assert_eq!(world.service.reader().size(), size);
    pass_and_look(&world, T_SHIP + 1);
    assert_eq!(balanced(&world), (0, 1));
}

/// What overtakes what must come first is refused, and its id is not used up.
#[tokio::test]
async fn what_comes_too_early_comes_again() {
    let (world, parties) = arbiter(World::new()).await;
    let [payer, payee, _] = &parties;
    world.disk.rail.script(RailOp::Hold, Trick::TimeoutThenNothing);
    let sale = Sale::goods(&world, payer, payee, None, true, |_| ());
    sale.open(&world).await;
    sale.said(&world, &sale.accept()).await;
    let amount = Amount::new(PRICE, eur()).unwrap();
    let data = json!({ "x": b64u::encode(sale.x().as_bytes()), "amount": amount, "evidence": b64u::encode(b"paid") });
    let body = json!({ "type": "payment.paid-out", "timestamp": START.to_string(), "data": data });
    let notice = Notice { id: "evt_early".to_owned(), body: body.to_string().into_bytes() };
    let sent = Sent::now(&world);
    for _ in 0..2 {
        assert_eq!(code(&sent.send(&world, &notice).await), (409, "callback.too_early"));
    }
    pass_and_look(&world, START.millis() + 1_000);
    sale.said(&world, &sale.by(payer, Received {})).await;
    assert!(world.disk.rail.pay_out(&sale.x(), Amount::new(100, eur()).unwrap()));
    for notice in world.disk.rail.take_notices() {
        let told = Sent::now(&world).send(&world, &notice).await;
        assert_eq!(told.0, 200, "{told:?}");
    }
    assert_eq!(balanced(&world), (1, 0));
    assert_eq!(sale.owed(&world).0, i128::from(PRICE - 250 - 100), "so much is still owed to the payee");
}

/// A hold that ends by itself: nobody has given a receipt yet, so nobody is bound.
#[tokio::test]
async fn a_hold_that_ends_by_itself_is_told() {
    let (world, parties) = arbiter(World::new()).await;
    let [payer, payee, _] = &parties;
    world.disk.rail.script(RailOp::Hold, Trick::Expire { after_millis: 5_000 });
    let sale = Sale::receipt(&world, payer, payee);
    assert_eq!(stage(&sale.open(&world).await), ("HELD", "HELD"));
    pass_and_look(&world, START.millis() + 5_000);
    for notice in world.disk.rail.take_notices() {
        assert_eq!(Sent::now(&world).send(&world, &notice).await.0, 200);
    }
    world.service.look_at_payments();
    let over = sale.shown(&world).await;
    assert_eq!((stage(&over), &over["decided"]["outcome"]), (("DECIDED", "EXPIRED"), &json!("VOID")));
    sale.judged(&world, &over, &[]);
    assert_eq!(balanced(&world), (0, 1));
}

/// Longer than any machine takes.
const PATIENT: Duration = Duration::from_secs(60);

/// A world whose rail is asked over HTTP, and waits so long for a whole answer.
fn at_provider(limit: Duration) -> (World, Provider) {
    let mut world = World::new();
    let provider = Provider::start(world.disk.rail.clone(), world.now.clone());
    let (id, runtime) = (RailId::new("sim").unwrap(), tokio::runtime::Handle::current());
    let time: Arc<dyn semper_api::TimeSource> = world.now.clone();
    let rail = WebhookRail::new(id, RailClass::Funded, &provider.url, vec![rail_secret()], time, runtime).unwrap();
    world.disk.provider = Some(Arc::new(rail.with_answer_limit(limit)));
    (world.restart(false), provider)
}

/// Looks on a thread that may block, as the background does.
async fn look(world: &World, millis: u64) {
    world::exchange::pass_to(world, Timestamp::from_millis(millis));
    world.disk.rail.advance_to(Timestamp::from_millis(millis));
    let service = world.service.clone();
    tokio::task::spawn_blocking(move || service.look_at_payments()).await.unwrap();
}

#[tokio::test]
async fn a_provider_is_asked_over_http() {
    let (world, provider) = at_provider(PATIENT);
    let (world, parties) = arbiter(world).await;
    let [payer, payee, _] = &parties;
    let sale = Sale::goods(&world, payer, payee, None, true, |_| ());
    sale.open(&world).await;
    assert_eq!(stage(&sale.said(&world, &sale.accept()).await), ("HELD", "HELD"));
    let paid = sale.said(&world, &sale.by(payer, Received {})).await;
    assert_eq!(stage(&paid), ("DECIDED", "CAPTURED"));
    let other = Sale::receipt(&world, payer, payee);
    other.open(&world).await;
    look(&world, T_EXP + 1).await;
    assert_eq!(stage(&other.shown(&world).await), ("DECIDED", "RELEASED"));
    assert_eq!(balanced(&world), (1, 1));
    // Each time it is first asked what became of it, as after a crash.
    let kinds: Vec<_> = provider.asked.lock().unwrap().iter().map(|(kind, _)| kind.clone()).collect();
    assert_eq!(kinds, ["payment.status", "payment.call"].repeat(4));
}

/// It is asked again until it is so: a machine that has much to do may miss the limit more than once.
async fn until(world: &World, sale: &Sale<'_>, expected: (&str, &str), play: Play) {
    for _ in 0..10 {
        use semper_api::TimeSource as _;
        look(world, world.now.now().millis() + 10_000).await;
        if stage(&sale.shown(world).await) == expected {
            return;
        }
    }
    panic!("{play:?}: {}", sale.shown(world).await);
}

/// Whatever happens to question and answer, nothing is believed that the provider has not signed, and the money moves once.
#[tokio::test]
async fn whatever_happens_on_the_way_the_money_moves_once() {
    use Play::{Accepted, Dropped, Endless, Forged, Lost, Old, Other, Refused, Slow};
    for play in [Lost, Dropped, Slow, Forged, Old, Other, Endless, Refused, Accepted] {
        // A machine that has much to do answers late as well: only where that is the play is it not waited for.
        let limit = if play == Slow { Duration::from_secs(1) } else { PATIENT };
        let (world, provider) = at_provider(limit);
        let (world, parties) = arbiter(world).await;
        let [payer, payee, _] = &parties;
        let sale = Sale::goods(&world, payer, payee, None, true, |_| ());
        sale.open(&world).await;
        // To the question for its status and to the call itself.
        provider.play(&[play, play]);
        assert_eq!(stage(&sale.said(&world, &sale.accept()).await), ("ACCEPTED", "REQUESTED"), "{play:?}");
        until(&world, &sale, ("HELD", "HELD"), play).await;
        provider.play(&[play, play]);
        let asked = sale.said(&world, &sale.by(payer, Received {})).await;
        assert_eq!(stage(&asked), ("DECIDED", "CAPTURING"), "{play:?}");
        until(&world, &sale, ("DECIDED", "CAPTURED"), play).await;
        assert_eq!(balanced(&world), (1, 0));
        let moves: Vec<_> = world.disk.rail.statement().iter().map(|line| line.what).collect();
        assert_eq!(moves, ["hold", "capture"], "{play:?}");
    }
}

/// A body that no rail could take.
#[tokio::test]
async fn callbacks_are_bounded() {
    let (world, _) = arbiter(World::new()).await;
    let notice = Notice { id: "evt".to_owned(), body: vec![b' '; 100 << 10] };
    let answer = Sent::now(&world).send(&world, &notice).await;
    assert_eq!(answer.0, StatusCode::PAYLOAD_TOO_LARGE.as_u16());
}
