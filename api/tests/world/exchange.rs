//! A run of ASW-R between two parties of a world, and how its arbiter is asked.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use semper_ttp::{
    asn1::pem,
    b64u::{self, B64u},
    crypto::{
        Signer, SoftKey,
        jose::{Algorithm, Key, Thumbprint},
    },
    digest::Digest,
    exchange::{
        asw_r::{commitment_o, commitment_r},
        terms_hash,
    },
    statement::{
        Body, Common, Jws, Millis, Origin, Salt, Statement, Unsigned,
        exchange::{
            Arbiter, Assurance, Line, Participant, Scheme, Side,
            asw_r::{Abort, M1, M2, Resolve},
        },
    },
    time::Timestamp,
    x509::Certificate,
};
use serde_json::{Value, json};

use super::{
    START,
    http::{Answer, Asked, ask},
    notary::open,
    office::{Member, ORIGIN, World, exchange_policy, random},
};

pub(crate) const N_R: [u8; 32] = [2; 32];

/// A world with an arbiter and two parties.
pub(crate) async fn arbiter() -> (World, Member, Member) {
    let world = open(World::new());
    let officer = world.staff("officer");
    let (o, r) = (world.party(&officer).await, world.party(&officer).await);
    (world, o, r)
}

pub(crate) fn jws(value: &Value) -> Jws {
    Jws::parse(value.as_str().expect("a statement").as_bytes()).unwrap()
}

pub(crate) fn name_of(key: &SoftKey) -> Thumbprint {
    Key::from_spki_der(key.spki_der()).unwrap().thumbprint()
}

/// A statement by a key, `x` in front of its body where it follows.
pub(crate) fn sign<B: Body>(key: &SoftKey, x: Option<Digest>, body: B) -> Jws {
    sign_at(key, START.into(), x, body)
}

/// The same at another moment.
pub(crate) fn sign_at<B: Body>(key: &SoftKey, iat: Millis, x: Option<Digest>, body: B) -> Jws {
    let common = Common { salt: Salt(B64u(random())), iat, x: x.map(Into::into), shown: None };
    let unsigned = Unsigned::new(&Statement { common, body }, Algorithm::Es256, name_of(key)).unwrap();
    let signature = key.sign_raw(unsigned.message()).unwrap();
    unsigned.finish(&signature).unwrap()
}

fn participant(member: &Member) -> Participant {
    Participant { id: member.id, scheme: Scheme::Semper, key: name_of(&member.sign) }
}

/// What the originator offers.
pub(crate) fn offer(world: &World, o: &Member, r: &Member, t_exp: Option<u64>) -> M1 {
    M1 {
        deal: None,
        policy: Digest::of(&exchange_policy().to_bytes()).into(),
        o: participant(o),
        r: participant(r),
        ttp: Arbiter {
            id: Origin::new(ORIGIN).unwrap(),
            key: Key::from_spki_der(&world.disk.arbiter_spki()).unwrap().thumbprint(),
            url: Line::new("https://ttp.example").unwrap(),
            log: Line::new(&world.service.reader().vkey().to_string()).unwrap(),
        },
        terms: terms_hash(&[3; 32], b"I sell, you buy.").into(),
        terms_media: Line::new("text/plain").unwrap(),
        t_exp: t_exp.map(|millis| Millis::new(millis).unwrap()),
        c_o: commitment_o(&[random(), random()].concat().try_into().unwrap()).into(),
        assurance: Assurance::NonQualified,
    }
}

/// A run as far as the arbiter hears of it.
pub(crate) struct Run<'w> {
    pub(crate) o: &'w Member,
    pub(crate) r: &'w Member,
    pub(crate) m1: Jws,
    pub(crate) m2: Jws,
}

impl<'w> Run<'w> {
    pub(crate) fn new(world: &World, o: &'w Member, r: &'w Member, t_exp: Option<u64>) -> Self {
        Self::of(offer(world, o, r, t_exp), o, r)
    }

    pub(crate) fn of(offer: M1, o: &'w Member, r: &'w Member) -> Self {
        let m1 = sign(&o.sign, None, offer);
        let c_r = commitment_r(&m1.x(), &N_R).into();
        let m2 = sign(&r.sign, Some(m1.x()), M2 { m1: m1.digest().into(), c_r });
        Self { o, r, m1, m2 }
    }

    pub(crate) fn x(&self) -> Digest {
        self.m1.x()
    }

    pub(crate) fn path(&self, what: &str) -> String {
        format!("/v1/exchanges/{}{what}", b64u::encode(self.x().as_bytes()))
    }

    pub(crate) fn abort(&self) -> Value {
        let request = sign(&self.o.sign, Some(self.x()), Abort {});
        json!({ "m1": text(&self.m1), "request": text(&request) })
    }

    pub(crate) fn resolve(&self, side: Side) -> Value {
        let by = if side == Side::Originator { &self.o.sign } else { &self.r.sign };
        let request = sign(by, Some(self.x()), Resolve { side, m2: self.m2.digest().into() });
        json!({ "m1": text(&self.m1), "m2": text(&self.m2), "request": text(&request) })
    }

    /// Asks without any certificate in the handshake: the request says who asks.
    pub(crate) async fn ask(&self, world: &World, body: &Value) -> (u16, Value) {
        ask_at(world, &self.path("/requests"), body).await
    }
}

pub(crate) async fn ask_at(world: &World, path: &str, body: &Value) -> (u16, Value) {
    let asked = Asked::secure("POST", path).with("content-type", "application/json");
    let Answer { status, body, .. } = ask(&world.service, asked.octets(body.to_string().into_bytes())).await;
    (status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}

/// What the service says of itself.
pub(crate) async fn known(world: &World) -> Value {
    let Answer { body, .. } = ask(&world.service, Asked::secure("GET", "/.well-known/semper")).await;
    serde_json::from_slice(&body).expect("JSON")
}

/// The arbiter's certificate, as the service names it.
pub(crate) async fn arbiter_of(world: &World) -> Certificate {
    let named = known(world).await;
    let chain = named["exchange"]["certificate"].as_str().expect("it is named");
    Certificate::from_der(&pem::decode("CERTIFICATE", chain).unwrap()[0]).unwrap()
}

/// Time passes, and the arbiter is there all the while.
pub(crate) fn pass_to(world: &World, time: Timestamp) {
    world.now.at(time);
    world.service.recall_arbiter(Some(time.millis())).unwrap();
}

/// A request with a token over one of its statements.
pub(crate) fn with_tokens(mut body: Value, tokens: &[Vec<u8>]) -> Value {
    body["tokens"] = tokens.iter().map(|token| json!(BASE64_STANDARD.encode(token))).collect();
    body
}

pub(crate) fn text(jws: &Jws) -> String {
    String::from_utf8(jws.bytes().to_vec()).unwrap()
}
