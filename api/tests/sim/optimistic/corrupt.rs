//! A corrupt side: it signs whatever it likes with its own key, in any order, and may be silent from any moment on. What it may do at all
//! it draws once for each run, so that among many runs there is one that does just the one wrong thing.

use semper_ttp::{
    b64u::{self, B64u},
    client::message::{Beside, Contract, Message},
    crypto::{
        OsEntropy, SecretKey,
        jwe::{AgreementKey, AgreementPublic, seal},
    },
    digest::Digest,
    exchange::{
        asw_r::{commitment_o, commitment_r},
        cd_r::{escrow_context, key_hash, message_hash, seal_content},
    },
    statement::{
        Body as _, Count, Jws,
        exchange::{
            Line, Protocol, Side,
            asw_r::{Abort, M1, M2, M3, M4, Resolve},
            cd_r::{AbortDelivery, ContentKey, D1, D2, D3, D4, EscrowText, Mode, ResolveO, ResolveR, Reveal, Subject},
        },
    },
};
use serde_json::{Value, json};

use crate::{
    draw::Draw,
    draw::random32,
    stage::Stage,
    world::{
        delivery::MESSAGE,
        exchange::{name_of, sign, text},
        office::Member,
    },
};

/// What it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// The first message, or the same once more.
    Offer,
    /// The second, with the first or the second of two commitments.
    Answer(usize),
    /// The third, for any answer.
    Open,
    /// The third with something else in it.
    OpenWrongly,
    /// The fourth, for either commitment.
    Close(usize),
    Abort,
    Resolve(usize),
    /// Whatever the arbiter has to refuse.
    AskBadly,
}

const OF_O: [Move; 6] = [Move::Offer, Move::Open, Move::OpenWrongly, Move::Abort, Move::Resolve(0), Move::AskBadly];
const OF_R: [Move; 7] = [
    Move::Answer(0),
    Move::Answer(1),
    Move::Close(0),
    Move::Close(1),
    Move::Resolve(0),
    Move::Resolve(1),
    Move::AskBadly,
];

/// What is wrong with a delivery of a corrupt originator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rot {
    Nothing,
    /// Another key lies in the escrow.
    OtherKey,
    /// The escrow is one of another delivery.
    OtherContext,
    /// The content is not what was promised.
    OtherMessage,
}

/// What a corrupt side does next.
pub(crate) enum Deed {
    Send(Vec<u8>),
    Ask(String, Value),
}

/// The first message of a corrupt originator, with what is behind it.
struct First {
    jws: Jws,
    beside: Beside,
    nonce: [u8; 32],
    key: SecretKey,
}

pub(crate) struct Corrupt {
    pub(crate) side: Side,
    protocol: Protocol,
    weights: Vec<(Move, u64)>,
    /// How often it acts before it is silent.
    pub(crate) left: u64,
    first: Option<First>,
    nonces: [[u8; 32]; 2],
    /// Its two answers, once there is something to answer.
    answers: Vec<Jws>,
    /// Whether it spells its signatures the other way.
    twins: bool,
    rot: Rot,
}

/// The same statement with the other signature that verifies, which anybody can make.
pub(crate) fn twin(jws: &Jws) -> Jws {
    let Some(signature) = jws.algorithm().twin(jws.signature()) else { return jws.clone() };
    let octets = [jws.signing_input(), b".", b64u::encode(&signature).as_bytes()].concat();
    Jws::parse(&octets).expect("as before")
}

impl Corrupt {
    pub(crate) fn new(side: Side, protocol: Protocol, draw: &mut Draw) -> Self {
        let moves: &[Move] = if side == Side::Originator { &OF_O } else { &OF_R };
        let mut weights: Vec<_> = moves.iter().map(|one| (*one, draw.one_of(&[0, 1, 1, 3]))).collect();
        // Without a beginning there is no run.
        weights[0].1 = 3;
        let rot = match draw.percent(60) {
            true => draw.one_of(&[Rot::OtherKey, Rot::OtherContext, Rot::OtherMessage]),
            false => Rot::Nothing,
        };
        Self {
            side,
            protocol,
            weights,
            left: 1 + draw.below(12),
            first: None,
            nonces: [random32(), random32()],
            answers: Vec::new(),
            twins: draw.percent(15),
            rot,
        }
    }

    /// Makes its offer, which it then may send.
    pub(crate) fn offer(&mut self, stage: &Stage, t_exp: Option<u64>) -> Jws {
        let first = match self.protocol {
            Protocol::CdR => self.parcel(stage, t_exp),
            _ => {
                let nonce = random32();
                let body = M1 { c_o: commitment_o(&nonce).into(), ..stage.offer(t_exp) };
                let beside = Beside::Contract(Contract { salt: [3; 32], text: b"I sell, you buy.".to_vec() });
                let key = SecretKey::generate(&OsEntropy).unwrap();
                First { jws: sign(&stage.member(self.side).sign, None, body), beside, nonce, key }
            }
        };
        let jws = first.jws.clone();
        self.first = Some(first);
        jws
    }

    fn parcel(&self, stage: &Stage, t_exp: Option<u64>) -> First {
        let M1 { policy, o, r, t_exp, assurance, .. } = stage.offer(t_exp);
        let (key, [n, salt]) = (SecretKey::generate(&OsEntropy).unwrap(), [random32(), random32()]);
        let content = seal_content(&key, &n, &salt, MESSAGE, &OsEntropy).unwrap();
        let promised: &[u8] = if self.rot == Rot::OtherMessage { b"Something better." } else { MESSAGE };
        let mut d1 = D1 {
            deal: None,
            policy,
            o,
            r,
            ttp: stage.escrow_arbiter(),
            n: B64u(n),
            c_sha256: Digest::of(&content).into(),
            c_len: Count::new(content.len() as u64).unwrap(),
            hm: message_hash(&salt, promised).into(),
            hk: key_hash(&key).into(),
            esc: EscrowText::new("none").unwrap(),
            subject: Subject { class: Line::new("letter").unwrap(), sha256: None },
            mode: Mode::Basic,
            reveal: Reveal::Named,
            t_exp,
            pay: None,
            assurance,
        };
        let context = match self.rot {
            Rot::OtherContext => Digest::of(b"another delivery"),
            _ => escrow_context(&d1),
        };
        let inside = if self.rot == Rot::OtherKey { SecretKey::generate(&OsEntropy).unwrap() } else { key.clone() };
        let arbiter = AgreementPublic::from_spki_der(&stage.world().disk.escrow_spki()).unwrap();
        let ephemeral = AgreementKey::generate().unwrap();
        let sealed = seal(&inside, &arbiter, &d1.o.key.0.0, context.as_bytes(), &ephemeral, &OsEntropy).unwrap();
        d1.esc = EscrowText::new(&sealed).unwrap();
        let jws = sign(&stage.member(self.side).sign, None, d1);
        First { jws, beside: Beside::Content(content), nonce: n, key }
    }

    /// The next thing that it does, if it can do anything. `said` is what went over the network in this run.
    pub(crate) fn act(&mut self, stage: &Stage, said: &[Jws], draw: &mut Draw) -> Option<Deed> {
        self.left = self.left.checked_sub(1)?;
        let one = draw.weighed(&self.weights)?;
        self.deed(stage, one, said, draw)
    }

    fn deed(&mut self, stage: &Stage, one: Move, said: &[Jws], draw: &mut Draw) -> Option<Deed> {
        let first = self.first_of(said)?;
        let x = Some(first.x());
        let me = stage.member(self.side);
        self.answer(stage, &first);
        let is_delivery = self.protocol == Protocol::CdR;
        match one {
            Move::Offer => {
                let beside = self.first.as_ref().map(|first| first.beside.clone());
                Some(self.send(stage, first, beside))
            }
            Move::Answer(which) => {
                let answer = self.answers[which].clone();
                Some(self.send(stage, answer, None))
            }
            Move::Open => {
                let third = self.thirds(stage, said).pop()?;
                Some(self.send(stage, third, None))
            }
            Move::OpenWrongly => {
                let third = match is_delivery {
                    true => sign(&me.sign, x, D3 { k: ContentKey::from(&SecretKey::generate(&OsEntropy).unwrap()) }),
                    false => sign(&me.sign, x, M3 { n_o: B64u(random32()), c_r: B64u(random32()) }),
                };
                Some(self.send(stage, third, None))
            }
            Move::Close(which) => {
                let fourth = self.fourth(me, &first, which);
                Some(self.send(stage, fourth, None))
            }
            Move::Abort => Some(ask(&first, None, &self.spelt(self.abort(me, x)))),
            Move::Resolve(which) => {
                let second = match self.side {
                    Side::Originator => answers_in(said).pop()?,
                    Side::Responder => self.answers[which].clone(),
                };
                let (first, second) = (self.spelt(first), self.spelt(second));
                Some(ask(&first, Some(&second), &self.resolve(me, x, &second)))
            }
            Move::AskBadly => self.ask_badly(stage, &first, said, draw),
        }
    }

    fn first_of(&self, said: &[Jws]) -> Option<Jws> {
        let own = self.first.as_ref().map(|first| first.jws.clone());
        own.or_else(|| said.iter().find(|jws| [M1::TAG, D1::TAG].contains(&jws.tag())).cloned())
    }

    /// Whatever is wrong with it, it is signed.
    fn ask_badly(&self, stage: &Stage, first: &Jws, said: &[Jws], draw: &mut Draw) -> Option<Deed> {
        let me = stage.member(self.side);
        let x = Some(first.x());
        let old = stage.old.iter().find(|old| old.protocol == self.protocol)?;
        let answer = answers_in(said).pop().unwrap_or_else(|| old.said[1].clone());
        let abort = self.abort(me, x);
        Some(match draw.below(8) {
            0 => ask(first, None, &sign(&me.sign, Some(old.x), Abort {})),
            1 => ask(first, Some(&old.said[1]), &self.resolve(me, x, &old.said[1])),
            // Its own request under another run's name.
            2 => match ask(first, None, &abort) {
                Deed::Ask(_, body) => Deed::Ask(old.path.clone(), body),
                deed @ Deed::Send(_) => deed,
            },
            3 => match ask(first, Some(&answer), &self.resolve(me, x, &answer)) {
                Deed::Ask(path, mut body) => {
                    body["request"] = old.asked[draw.place(old.asked.len())]["request"].clone();
                    Deed::Ask(path, body)
                }
                deed @ Deed::Send(_) => deed,
            },
            // An arbiter that is none.
            4 => {
                let other = sign(&me.sign, None, {
                    let mut body = stage.offer(None);
                    if self.side == Side::Responder {
                        std::mem::swap(&mut body.o, &mut body.r);
                    }
                    body.ttp.key = name_of(&crate::world::key());
                    body
                });
                ask(&other, None, &sign(&me.sign, Some(other.x()), Abort {}))
            }
            // One statement in the place of another.
            5 => ask(&answer, Some(first), &self.resolve(me, x, first)),
            6 => ask(first, Some(&answer), &answer),
            _ => {
                let Deed::Ask(path, mut body) = ask(first, None, &abort) else { return None };
                body["request"] = json!(body["request"].as_str()?.get(..40)?);
                Deed::Ask(path, body)
            }
        })
    }

    fn send(&self, stage: &Stage, statement: Jws, beside: Option<Beside>) -> Deed {
        let (statement, certificates) = (self.spelt(statement), stage.chain(self.side));
        Deed::Send(Message { protocol: self.protocol, statement, certificates, beside }.to_bytes())
    }

    fn spelt(&self, jws: Jws) -> Jws {
        if self.twins { twin(&jws) } else { jws }
    }

    fn abort(&self, me: &Member, x: Option<Digest>) -> Jws {
        match self.protocol {
            Protocol::CdR => sign(&me.sign, x, AbortDelivery {}),
            _ => sign(&me.sign, x, Abort {}),
        }
    }

    fn resolve(&self, me: &Member, x: Option<Digest>, second: &Jws) -> Jws {
        match (self.protocol, self.side, &self.first) {
            (Protocol::CdR, Side::Originator, Some(first)) => {
                sign(&me.sign, x, ResolveO { k: ContentKey::from(&first.key) })
            }
            (Protocol::CdR, ..) => sign(&me.sign, x, ResolveR {}),
            _ => sign(&me.sign, x, Resolve { side: self.side, m2: second.digest().into() }),
        }
    }

    /// Makes both its answers to an offer, of which it may send any.
    fn answer(&mut self, stage: &Stage, first: &Jws) {
        if self.side == Side::Originator || !self.answers.is_empty() {
            return;
        }
        let (key, x) = (&stage.member(self.side).sign, first.x());
        let contract =
            |nonce| sign(key, Some(x), M2 { m1: first.digest().into(), c_r: commitment_r(&x, nonce).into() });
        self.answers = match self.protocol {
            Protocol::CdR => [(); 2].map(|()| sign(key, Some(x), D2 {})).into(),
            _ => self.nonces.iter().map(contract).collect(),
        };
    }

    fn fourth(&self, me: &Member, first: &Jws, which: usize) -> Jws {
        let x = Some(first.x());
        match self.protocol {
            Protocol::CdR => sign(&me.sign, x, D4 { hm: first.payload_as::<D1>().expect("d1").body.hm }),
            _ => {
                let c_o = first.payload_as::<M1>().expect("m1").body.c_o;
                sign(&me.sign, x, M4 { n_r: B64u(self.nonces[which]), c_o })
            }
        }
    }

    /// A third message for every answer that it has seen.
    fn thirds(&self, stage: &Stage, said: &[Jws]) -> Vec<Jws> {
        let (me, Some(first)) = (stage.member(self.side), &self.first) else { return Vec::new() };
        let x = Some(first.jws.x());
        if self.protocol == Protocol::CdR {
            return vec![sign(&me.sign, x, D3 { k: ContentKey::from(&first.key) })];
        }
        let answers = answers_in(said).into_iter().filter_map(|jws| jws.payload_as::<M2>().ok());
        let opened = answers.map(|m2| sign(&me.sign, x, M3 { n_o: B64u(first.nonce), c_r: m2.body.c_r }));
        opened.collect()
    }

    /// All that it could ever show of itself.
    pub(crate) fn everything(&mut self, stage: &Stage, said: &[Jws]) -> Vec<Jws> {
        let Some(first) = self.first_of(said) else { return Vec::new() };
        self.answer(stage, &first);
        let me = stage.member(self.side);
        match self.side {
            Side::Originator => self.thirds(stage, said),
            Side::Responder => {
                let fourths = [0, 1].map(|which| self.fourth(me, &first, which));
                self.answers.iter().cloned().chain(fourths).collect()
            }
        }
    }
}

fn answers_in(said: &[Jws]) -> Vec<Jws> {
    said.iter().filter(|jws| [M2::TAG, D2::TAG].contains(&jws.tag())).cloned().collect()
}

/// A request, as it goes to the arbiter.
fn ask(first: &Jws, second: Option<&Jws>, request: &Jws) -> Deed {
    let mut body = json!({ "m1": text(first), "request": text(request) });
    if let Some(second) = second {
        body["m2"] = json!(text(second));
    }
    Deed::Ask(format!("/v1/exchanges/{}/requests", b64u::encode(first.x().as_bytes())), body)
}
