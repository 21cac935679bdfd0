//! A corrupt side of an exchange through the arbiter: it signs whatever it likes with its own key, in any order, leaves what it likes, and may
//! be silent from any moment on. What it may do at all it draws once for each run.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use semper_ttp::{
    client::message::Message,
    crypto::{OsEntropy, SecretKey},
    digest::Digest,
    statement::{
        Jws,
        exchange::{
            Protocol, Side,
            inline::{Cancel, Collect, Deposit, DepositMode, I1, Waive},
            item::MatchResult,
        },
    },
};
use serde_json::{Value, json};

use super::{Bargain, honest::Asked, honest::other_item};
use crate::{
    draw::Draw,
    optimistic::corrupt::twin,
    stage::{Stage, index},
    world::{
        exchange::{sign, text},
        inline::Exchange,
    },
};

/// What it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// The proposal, or the word that it agrees: each time signed anew.
    Send,
    Register,
    /// What was promised, each time under another signature.
    Deposit,
    /// Another item, which it calls what was described.
    OtherItem,
    /// What was promised, and something else beside it.
    LieBeside,
    /// In the other side's name.
    AsOther,
    /// For another run.
    OfOther,
    Cancel,
    Waive,
    /// Of other items.
    WaiveWrongly,
    Collect,
    /// What has no form at all.
    Garbage,
}

const MOVES: [Move; 12] = [
    Move::Send,
    Move::Register,
    Move::Deposit,
    Move::OtherItem,
    Move::LieBeside,
    Move::AsOther,
    Move::OfOther,
    Move::Cancel,
    Move::Waive,
    Move::WaiveWrongly,
    Move::Collect,
    Move::Garbage,
];

/// What a corrupt side does next.
pub(super) enum Deed {
    Send(Vec<u8>),
    Ask(Asked),
}

pub(super) struct Corrupt {
    side: Side,
    weights: Vec<(Move, u64)>,
    /// How often it acts before it is silent.
    pub(super) left: u64,
    /// Whether it spells its signatures the other way.
    twins: bool,
    /// Whether another key lies in the escrow of what it seals.
    seals_badly: bool,
    proposal: Option<Jws>,
    agreement: Option<Jws>,
}

impl Corrupt {
    pub(super) fn new(side: Side, draw: &mut Draw) -> Self {
        let mut weights: Vec<_> = MOVES.iter().map(|one| (*one, draw.one_of(&[0, 1, 1, 3]))).collect();
        // Without a beginning there is no run.
        weights[0].1 = 3;
        weights[1].1 = draw.one_of(&[1, 3]);
        Self {
            side,
            weights,
            left: 2 + draw.below(14),
            twins: draw.percent(15),
            seals_badly: draw.percent(20),
            proposal: None,
            agreement: None,
        }
    }

    /// Makes its proposal, which it then may send.
    pub(super) fn propose(&mut self, stage: &Stage, bargain: &Bargain, described: bool) -> Jws {
        let members = [Side::Originator, Side::Responder].map(|side| stage.member(side));
        let exchange = Exchange::with(stage.world(), (members[0], members[1]), |proposal| {
            proposal.mode = bargain.mode;
            proposal.o_item = bargain.described[0].clone();
            proposal.r_item = bargain.described[1].clone();
            if !described {
                proposal.o_item.sha256 = None;
            }
            (proposal.t_dep, proposal.t_exp) = (bargain.t_dep, bargain.t_exp);
        });
        self.proposal = Some(exchange.i1.clone());
        exchange.i1
    }

    /// The next thing that it does, if it can do anything. `said` is what went over the network in this run.
    pub(super) fn act(&mut self, stage: &Stage, bargain: &Bargain, said: &[Jws], draw: &mut Draw) -> Option<Deed> {
        self.left = self.left.checked_sub(1)?;
        let one = draw.weighed(&self.weights)?;
        self.deed(stage, bargain, said, one, draw)
    }

    /// What it can still fetch when all is over.
    pub(super) fn fetches(&mut self, stage: &Stage, said: &[Jws]) -> Option<Asked> {
        let exchange = self.exchange(stage, said)?;
        Some(self.state(&exchange, &exchange.collect(self.side)))
    }

    fn exchange<'s>(&mut self, stage: &'s Stage, said: &[Jws]) -> Option<Exchange<'s>> {
        let proposed =
            self.proposal.clone().or_else(|| said.iter().find(|jws| jws.payload_as::<I1>().is_ok()).cloned())?;
        let members = [Side::Originator, Side::Responder].map(|side| stage.member(side));
        let mut exchange = Exchange::proposed(stage.world(), (members[0], members[1]), proposed);
        match self.side {
            // What the other side has said, if anything: nobody else can say it.
            Side::Originator => {
                let agreed = said.iter().find(|jws| jws.tag() == exchange.i2.tag());
                if let Some(agreed) = agreed {
                    exchange.i2 = agreed.clone();
                }
            }
            Side::Responder => exchange.i2 = self.agreement.get_or_insert_with(|| exchange.i2.clone()).clone(),
        }
        Some(exchange)
    }

    fn deed(&mut self, stage: &Stage, bargain: &Bargain, said: &[Jws], one: Move, draw: &mut Draw) -> Option<Deed> {
        let exchange = self.exchange(stage, said)?;
        let has_agreed = self.side == Side::Responder || said.iter().any(|jws| jws.tag() == exchange.i2.tag());
        let item = &bargain.items[index(self.side)];
        let deed = match one {
            Move::Send => {
                let statement = if self.side == Side::Originator { &exchange.i1 } else { &exchange.i2 };
                let (statement, certificates) = (self.spelt(statement.clone()), stage.chain(self.side));
                let message = Message { protocol: Protocol::Inline, statement, certificates, beside: None };
                return Some(Deed::Send(message.to_bytes()));
            }
            // In the other's name it can say nothing.
            Move::Register if !has_agreed => return None,
            Move::Register => {
                let [i1, i2] = [&exchange.i1, &exchange.i2].map(|jws| text(&self.spelt(jws.clone())));
                Asked { path: "/v1/exchanges".to_owned(), body: json!({ "i1": i1, "i2": i2 }), logs_in: false }
            }
            Move::Deposit => self.leave(&exchange, self.deposit(&exchange, item)),
            Move::OtherItem => {
                let (deposit, beside) = self.deposit(&exchange, b"Worth nothing.");
                self.leave(&exchange, (Deposit { result: MatchResult::Match, ..deposit }, beside))
            }
            Move::LieBeside => {
                let (deposit, _) = self.deposit(&exchange, item);
                self.leave(&exchange, (deposit, b"Worth nothing.".to_vec()))
            }
            Move::AsOther => {
                let (deposit, beside) = self.deposit(&exchange, item);
                self.leave(&exchange, (Deposit { side: self.side.other(), ..deposit }, beside))
            }
            Move::OfOther => {
                let other = Digest(crate::draw::random32());
                let (deposit, beside) = self.deposit(&exchange, item);
                let jws = sign(&stage.member(self.side).sign, Some(other), deposit);
                self.left_with(&exchange, &jws, &beside)
            }
            Move::Cancel => self.state_by(stage, &exchange, Cancel {}),
            Move::Collect => self.state_by(stage, &exchange, Collect {}),
            Move::Waive => {
                let [o_item, r_item] = bargain.items.each_ref().map(|item| Digest::of(item).into());
                self.state_by(stage, &exchange, Waive { o_item, r_item })
            }
            Move::WaiveWrongly => {
                let mut items = bargain.items.each_ref().map(|item| Digest::of(item).into());
                items[if draw.percent(50) { index(self.side) } else { other_item(self.side) }] =
                    Digest::of(b"other").into();
                let [o_item, r_item] = items;
                self.state_by(stage, &exchange, Waive { o_item, r_item })
            }
            Move::Garbage => {
                let mut asked = self.leave(&exchange, self.deposit(&exchange, item));
                let name = draw.one_of(&["deposit", "item"]);
                asked.body[name] = json!(asked.body[name].as_str()?.get(..41)?);
                asked
            }
        };
        Some(Deed::Ask(deed))
    }

    fn deposit(&self, exchange: &Exchange<'_>, item: &[u8]) -> (Deposit, Vec<u8>) {
        let (mut deposit, mut beside) = exchange.deposit_of(self.side, item);
        if exchange.proposal.mode == DepositMode::Sealed && self.seals_badly {
            let [key, other] = [(); 2].map(|()| SecretKey::generate(&OsEntropy).unwrap());
            let (sealed, content) = exchange.sealed(self.side, item, &key, &other);
            (deposit.sealed, beside) = (Some(sealed), content);
        }
        (deposit, beside)
    }

    fn leave(&self, exchange: &Exchange<'_>, (deposit, beside): (Deposit, Vec<u8>)) -> Asked {
        let jws = sign(&exchange.member(self.side).sign, Some(exchange.x()), deposit);
        self.left_with(exchange, &jws, &beside)
    }

    fn left_with(&self, exchange: &Exchange<'_>, deposit: &Jws, beside: &[u8]) -> Asked {
        let deposit = text(&self.spelt(deposit.clone()));
        let body = json!({ "deposit": deposit, "item": BASE64_STANDARD.encode(beside) });
        Asked { path: exchange.path("/deposits"), body, logs_in: true }
    }

    fn state_by<B: semper_ttp::statement::Body>(&self, stage: &Stage, exchange: &Exchange<'_>, body: B) -> Asked {
        let jws = self.spelt(sign(&stage.member(self.side).sign, Some(exchange.x()), body));
        self.state(exchange, &json!({ "statement": text(&jws) }))
    }

    fn state(&self, exchange: &Exchange<'_>, body: &Value) -> Asked {
        Asked { path: exchange.path("/statements"), body: body.clone(), logs_in: false }
    }

    fn spelt(&self, jws: Jws) -> Jws {
        if self.twins { twin(&jws) } else { jws }
    }
}
