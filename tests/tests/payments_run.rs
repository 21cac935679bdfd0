//! Payments of a running server: by the simulated rail of its settings, through a kill between an order and its end, and audited.

use semper_tests::http::{Connection, get};
use semper_tests::notary::{Member, World};
use semper_tests::server::Server;
use semper_tests::tls::TlsClient;
use semper_ttp::asn1::pem;
use semper_ttp::b64u::B64u;
use semper_ttp::crypto::jose::{Algorithm, Key};
use semper_ttp::crypto::{Signer, SoftKey};
use semper_ttp::digest::Digest;
use semper_ttp::exchange::terms_hash;
use semper_ttp::money::{Amount, Currency, RailId};
use semper_ttp::statement::exchange::pg::{Accept, Goods, GoodsOrder, Received};
use semper_ttp::statement::exchange::pr::{PaymentOffer, PaymentReceipt};
use semper_ttp::statement::exchange::{Arbiter, Assurance, FeeBps, Line, Participant, Scheme};
use semper_ttp::statement::{Body, Common, Count, Jws, Millis, Origin, Salt, Statement, Unsigned};
use serde_json::{Value, json};

/// A side with the key that it signs with.
struct Party {
    id: String,
    key: SoftKey,
}

impl Party {
    fn new(member: &Member) -> Self {
        let key = member.holder().key.private_key_to_pkcs8().expect("PKCS #8");
        Self { id: member.id.clone(), key: SoftKey::from_pkcs8_der(&key).expect("a key") }
    }

    fn participant(&self) -> Participant {
        let key = Key::from_spki_der(self.key.spki_der()).expect("a public key").thumbprint();
        Participant { id: self.id.parse().expect("a party's name"), scheme: Scheme::Semper, key }
    }

    fn sign<B: Body>(&self, x: Option<Digest>, body: B) -> Jws {
        let common =
            Common { salt: Salt(B64u([5; 16])), iat: Millis::new(1).unwrap(), x: x.map(Into::into), shown: None };
        let unsigned = Unsigned::new(&Statement { common, body }, Algorithm::Es256, self.participant().key).unwrap();
        let signature = self.key.sign_raw(unsigned.message()).unwrap();
        unsigned.finish(&signature).unwrap()
    }
}

/// What the service says of itself.
fn known(server: &Server) -> Value {
    serde_json::from_slice(&get(server.http(), "/.well-known/semper").body).expect("JSON")
}

fn arbiter(known: &Value) -> Arbiter {
    let certificate = known["exchange"]["certificate"].as_str().expect("the arbiter's certificate");
    assert!(pem::decode("CERTIFICATE", certificate).is_some());
    let line = |value: &Value| Line::new(value.as_str().expect("a text")).expect("a line");
    Arbiter {
        id: Origin::new(known["ledger"]["origin"].as_str().expect("an origin")).expect("an origin"),
        key: known["exchange"]["thumbprint"].as_str().expect("its name").parse().expect("a thumbprint"),
        url: line(&known["service"]["public_url"]),
        log: line(&known["ledger"]["vkey"]),
    }
}

/// In an hour, and so many more.
fn in_hours(hours: u64) -> Millis {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Millis::new(since_1970.as_millis() as u64 + hours * 3_600_000).unwrap()
}

fn order(server: &Server, buyer: &Party, seller: &Party) -> Jws {
    let known = known(server);
    let order = GoodsOrder {
        deal: None,
        policy: known["exchange"]["policy"].as_str().expect("a policy").parse().expect("its digest"),
        buyer: buyer.participant(),
        seller: seller.participant(),
        carrier: None,
        ttp: arbiter(&known),
        terms: terms_hash(&[3; 32], b"One bicycle, blue.").into(),
        terms_media: Line::new("text/plain").unwrap(),
        goods: Goods::Physical {},
        amount: Amount::new(10_000, Currency::new("EUR").unwrap()).unwrap(),
        fee_bps: FeeBps::new(250).unwrap(),
        rail: RailId::new("sim").unwrap(),
        t_hold: in_hours(1),
        t_ship: Some(in_hours(2)),
        t_accept: Some(Count::new(3_600_000).unwrap()),
        t_exp: in_hours(10),
        assurance: Assurance::NonQualified,
    };
    buyer.sign(None, order)
}

fn post(server: &Server, path: &str, statement: &Jws) -> Value {
    let client = TlsClient::new(server.trust()).build();
    let mut connection = Connection::open_tls(server.https(), &client).expect("a connection");
    let body = json!({ "statement": String::from_utf8(statement.bytes().to_vec()).unwrap() }).to_string();
    let answer = connection.request("POST", path, &[("content-type", "application/json")], body.as_bytes());
    let answer = answer.expect("an answer");
    let shown = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(answer.status, 200, "{shown}");
    shown
}

fn say(server: &Server, first: &Jws, statement: &Jws) -> Value {
    let x = semper_ttp::b64u::encode(first.x().as_bytes());
    post(server, &format!("/v1/payments/{x}/statements"), statement)
}

fn standing(shown: &Value) -> (&str, &str, &str) {
    (
        shown["stage"].as_str().unwrap(),
        shown["money"]["state"].as_str().unwrap(),
        shown["decided"]["outcome"].as_str().unwrap_or_default(),
    )
}

#[test]
fn money_is_held_over_a_kill_and_captured_once_and_the_audit_finds_nothing() {
    let world = World::with(&[
        ("exchange.enabled", "true"),
        ("exchange.rail", r#"[{ name = "sim", kind = "simulator", class = "funded" }]"#),
    ]);
    let (buyer, seller) = (Party::new(&world.registered("buyer")), Party::new(&world.registered("seller")));
    let rails = known(&world.server)["payments"]["rails"].clone();
    assert_eq!(rails, json!([{ "name": "sim", "class": "funded", "real_money": false }]));
    assert!(world.server.stderr().contains("THIS RAIL IS SIMULATED"), "it says so at the start");
    let first = order(&world.server, &buyer, &seller);
    let x = Some(first.x());
    assert_eq!(standing(&post(&world.server, "/v1/payments", &first)), ("ORDERED", "NONE", ""));
    let accept = seller.sign(x, Accept { order: first.digest().into() });
    assert_eq!(standing(&say(&world.server, &first, &accept)), ("HELD", "HELD", ""));

    // It vanishes with everything in memory, the simulated money too.
    let World { server, work, .. } = world;
    let data = server.kill9();
    let server = data.serve();
    let paid = say(&server, &first, &buyer.sign(x, Received {}));
    assert_eq!(standing(&paid), ("DECIDED", "CAPTURED", "CAPTURED"));
    // And a receipt.
    let GoodsOrder { policy, buyer: payer, seller: payee, ttp, amount, fee_bps, rail, assurance, .. } =
        first.payload_as::<GoodsOrder>().unwrap().body;
    let receipt = terms_hash(&[3; 32], b"Paid for March.").into();
    let receipt_media = Line::new("text/plain").unwrap();
    let t_exp = in_hours(5);
    let offer = PaymentOffer {
        deal: None,
        policy,
        payer,
        payee,
        ttp,
        receipt,
        receipt_media,
        amount,
        fee_bps,
        rail,
        t_exp,
        assurance,
    };
    let offer = buyer.sign(None, offer);
    assert_eq!(standing(&post(&server, "/v1/payments", &offer)), ("HELD", "HELD", ""));
    let receipt = seller.sign(Some(offer.x()), PaymentReceipt { offer: offer.digest().into(), receipt });
    assert_eq!(standing(&say(&server, &offer, &receipt)), ("DECIDED", "CAPTURED", "CAPTURED"));

    let data = server.stop();
    data.fsck().expect(0);
    data.audit().expect(0);
    drop(work);
}
