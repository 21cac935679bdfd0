//! What a listener kept of an earlier run of the same two parties, and sends again.

use semper_ttp::{
    b64u::{B64u, B64u32},
    client::message::{Beside, Contract, Message},
    digest::Digest,
    exchange::asw_r::commitment_o,
    statement::{
        Jws,
        exchange::{
            Protocol, Side,
            asw_r::{M3, M4},
            cd_r::{ContentKey, D1, D3, D4},
        },
    },
};
use serde_json::Value;

use crate::{
    draw::random32,
    stage::Stage,
    world::{
        delivery::Delivery,
        exchange::{N_R, Run, sign},
    },
};

pub(crate) struct Old {
    pub(crate) protocol: Protocol,
    pub(crate) x: Digest,
    /// What its originator used once.
    pub(crate) once: Digest,
    pub(crate) path: String,
    /// Its four messages.
    pub(crate) said: Vec<Jws>,
    /// What its sides asked of the arbiter.
    pub(crate) asked: Vec<Value>,
    beside: Beside,
}

impl Old {
    /// A contract and a delivery. Nobody has asked about them yet.
    pub(crate) fn of(stage: &Stage) -> Vec<Self> {
        let (o, r) = (stage.member(Side::Originator), stage.member(Side::Responder));
        let nonce = random32();
        let mut offer = stage.offer(None);
        offer.c_o = commitment_o(&nonce).into();
        let c_o: B64u32 = offer.c_o;
        let run = Run::of(offer, o, r);
        let c_r = semper_ttp::exchange::asw_r::commitment_r(&run.x(), &N_R).into();
        let third = sign(&o.sign, Some(run.x()), M3 { n_o: B64u(nonce), c_r });
        let fourth = sign(&r.sign, Some(run.x()), M4 { n_r: B64u(N_R), c_o });
        let contract = Self {
            protocol: Protocol::AswR,
            x: run.x(),
            once: c_o.into(),
            path: run.path("/requests"),
            said: vec![run.m1.clone(), run.m2.clone(), third, fourth],
            asked: vec![run.abort(), run.resolve(Side::Originator), run.resolve(Side::Responder)],
            beside: Beside::Contract(Contract { salt: [3; 32], text: b"I sell, you buy.".to_vec() }),
        };
        let run = Delivery::new(stage.world(), o, r, None);
        let D1 { n, hm, .. } = run.d1.payload_as::<D1>().expect("d1").body;
        let third = sign(&o.sign, Some(run.x()), D3 { k: ContentKey::from(&run.key) });
        let fourth = sign(&r.sign, Some(run.x()), D4 { hm });
        let delivery = Self {
            protocol: Protocol::CdR,
            x: run.x(),
            once: n.into(),
            path: run.path("/requests"),
            said: vec![run.d1.clone(), run.d2.clone(), third, fourth],
            asked: vec![run.abort(), run.resolve(Side::Originator), run.resolve(Side::Responder)],
            beside: Beside::Content(run.content.clone()),
        };
        vec![contract, delivery]
    }

    /// One of its messages, as it was sent.
    pub(crate) fn letter(&self, stage: &Stage, place: usize) -> (Side, Vec<u8>) {
        let (from, to) = match place % 2 {
            0 => (Side::Originator, Side::Responder),
            _ => (Side::Responder, Side::Originator),
        };
        let beside = (place == 0).then(|| self.beside.clone());
        let (statement, certificates) = (self.said[place].clone(), stage.chain(from));
        (to, Message { protocol: self.protocol, statement, certificates, beside }.to_bytes())
    }
}
