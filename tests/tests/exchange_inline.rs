//! Exchanges through a running arbiter: what is left after a kill, what is erased, and what the audit says of it.

use openssl::base64::{decode_block, encode_block};
use semper_tests::arbiter::{Party, arbiter, known, post, post_as, text};
use semper_tests::notary::{Member, World};
use semper_tests::server::Server;
use semper_ttp::b64u;
use semper_ttp::crypto::jose::Thumbprint;
use semper_ttp::digest::Digest;
use semper_ttp::statement::exchange::cd_r::EscrowArbiter;
use semper_ttp::statement::exchange::inline::{Cancel, Collect, Deposit, DepositMode, I1, I2};
use semper_ttp::statement::exchange::item::{Fairness, ItemDescriptor, ItemKind, MatchResult, Recovery};
use semper_ttp::statement::exchange::{Arbiter, Assurance, Line, Side};
use semper_ttp::statement::{Count, Millis};
use semper_ttp::time::Timestamp;
use serde_json::{Value, json};

const PLANS: &[u8] = b"The plans of the house.";
const LICENCE: &[u8] = b"The licence to build it.";

fn file(octets: &[u8]) -> ItemDescriptor {
    ItemDescriptor {
        kind: ItemKind::Bytes,
        sha256: Some(Digest::of(octets).into()),
        len: Count::new(octets.len() as u64),
        media: Line::new("text/plain"),
        amount: None,
        predicate: None,
        verifier: None,
        recovery: Recovery::None,
    }
}

/// Both sides, and the path of an exchange that they have agreed on and shown.
struct Agreed<'w> {
    o: (&'w Member, Party),
    r: (&'w Member, Party),
    x: Digest,
}

impl<'w> Agreed<'w> {
    fn new(server: &Server, o: &'w Member, r: &'w Member) -> Self {
        let known = known(server);
        let about = &known["exchange"];
        let (o, r) = ((o, Party::new(o)), (r, Party::new(r)));
        let Arbiter { id, key, url, log } = arbiter(&known).0;
        let escrow: Thumbprint = about["escrow"]["thumbprint"].as_str().expect("a key").parse().expect("its name");
        let now = Timestamp::from_millis(
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis() as u64,
        );
        let day = |days: u64| Millis::new(now.plus_secs(days * 86_400).millis()).expect("a moment");
        let i1 = I1 {
            deal: None,
            policy: about["policy"].as_str().expect("a policy").parse().expect("its digest"),
            o: o.1.participant(),
            r: r.1.participant(),
            ttp: EscrowArbiter { id, key, escrow_key: escrow, url, log },
            o_item: file(PLANS),
            r_item: file(LICENCE),
            mode: DepositMode::Content,
            fairness: Fairness::Strong,
            t_dep: day(1),
            t_exp: day(2),
            retention_ms: None,
            assurance: Assurance::NonQualified,
        };
        let i1 = o.1.sign(None, i1);
        let i2 = r.1.sign(Some(i1.x()), I2 { m1: i1.digest().into() });
        let (status, answer) = post(server, "/v1/exchanges", &json!({ "i1": text(&i1), "i2": text(&i2) }));
        assert_eq!((status, &answer["phase"]), (201, &json!("agreed")), "{answer}");
        Self { o, r, x: i1.x() }
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/exchanges/{}{what}", b64u::encode(self.x.as_bytes()))
    }

    fn side(&self, side: Side) -> &(&'w Member, Party) {
        if side == Side::Originator { &self.o } else { &self.r }
    }

    fn deposit(&self, side: Side, item: &[u8]) -> Value {
        let deposit = Deposit {
            side,
            item_sha256: Digest::of(item).into(),
            size: Count::new(item.len() as u64).expect("a length"),
            media: Line::new("text/plain").expect("a line"),
            result: MatchResult::Match,
            sealed: None,
        };
        let deposit = self.side(side).1.sign(Some(self.x), deposit);
        json!({ "deposit": text(&deposit), "item": encode_block(item) })
    }

    fn leave(&self, server: &Server, side: Side, body: &Value) -> Value {
        let (status, answer) = post_as(server, self.side(side).0, &self.path("/deposits"), body);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    fn collect(&self, server: &Server, side: Side) -> (u16, Value) {
        let collect = self.side(side).1.sign(Some(self.x), Collect {});
        post(server, &self.path("/statements"), &json!({ "statement": text(&collect) }))
    }
}

fn item(answer: &Value) -> Vec<u8> {
    decode_block(answer["item"]["octets"].as_str().expect("an item")).expect("base64")
}

#[test]
fn both_items_or_none_whatever_is_killed() {
    let world = World::with(&[("exchange.enabled", "true")]);
    let (seller, buyer) = (world.registered("seller"), world.registered("buyer"));
    let World { server, work, .. } = world;
    let (released, returned) = (Agreed::new(&server, &seller, &buyer), Agreed::new(&server, &seller, &buyer));
    let plans = released.deposit(Side::Originator, PLANS);
    let first = released.leave(&server, Side::Originator, &plans);
    assert_eq!(first["phase"], "half", "{first}");
    let plans_again = returned.deposit(Side::Originator, PLANS);
    assert_eq!(returned.leave(&server, Side::Originator, &plans_again)["phase"], "half");

    let server = server.kill9().serve();
    assert_eq!(released.leave(&server, Side::Originator, &plans), first, "the same receipt");
    let second = released.leave(&server, Side::Responder, &released.deposit(Side::Responder, LICENCE));
    assert_eq!(second["phase"], "released", "{second}");
    let cancel = returned.o.1.sign(Some(returned.x), Cancel {});
    let (status, cancelled) = post(&server, &returned.path("/statements"), &json!({ "statement": text(&cancel) }));
    assert_eq!((status, &cancelled["phase"]), (200, &json!("returned")), "{cancelled}");

    let server = server.kill9().serve();
    for (side, other) in [(Side::Originator, LICENCE), (Side::Responder, PLANS)] {
        let (status, got) = released.collect(&server, side);
        assert_eq!((status, item(&got).as_slice(), &got["verdict"]), (200, other, &second["verdict"]), "{got}");
    }
    assert_eq!(item(&returned.collect(&server, Side::Originator).1), PLANS, "its own");

    // What is back with its owner is erased at the next look, which a start takes before it listens.
    let server = server.kill9().serve();
    let (status, gone) = returned.collect(&server, Side::Originator);
    assert_eq!((status, &gone["code"]), (410, &json!("exchange.nothing_to_collect")), "{gone}");
    assert_eq!(released.collect(&server, Side::Originator).0, 200, "kept for those who may have lost it");
    let data = server.stop();
    data.fsck().expect(0);
    data.audit().expect(0);
    drop(work);
}
