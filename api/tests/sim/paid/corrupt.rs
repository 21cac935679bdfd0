//! A corrupt side of a payment: it signs whatever it likes with its own key, at any time, also what is not its to say, and may be silent from
//! any moment on. What it may do at all it draws once for each run.

use semper_ttp::{
    b64u,
    client::{
        message::{Beside, Contract, Message},
        pay::{Deal, Part},
    },
    digest::Digest,
    statement::{
        Body, Jws,
        exchange::{
            pg::{Accept, Cancel, HandedOver, Received, Rejected, Shipped},
            pr::{PaymentOffer, PaymentReceipt},
        },
    },
};
use serde_json::{Value, json};

use super::{TEXT, TEXT_SALT, honest::index};
use crate::{
    draw::Draw,
    optimistic::corrupt::twin,
    stage::Stage,
    world::exchange::{sign, text},
};

/// What it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// The order to the others.
    Send,
    Open,
    Accept,
    Shipped,
    HandedOver,
    Received,
    Rejected,
    Cancel,
    Receipt,
    /// For another text.
    WrongReceipt,
    /// For another order.
    WrongAccept,
    /// Of another run.
    OfOther,
    Garbage,
    /// The goods, whatever they are worth.
    Ship,
}

const MOVES: [Move; 14] = [
    Move::Send,
    Move::Open,
    Move::Accept,
    Move::Shipped,
    Move::HandedOver,
    Move::Received,
    Move::Rejected,
    Move::Cancel,
    Move::Receipt,
    Move::WrongReceipt,
    Move::WrongAccept,
    Move::OfOther,
    Move::Garbage,
    Move::Ship,
];

/// What a corrupt side does next.
pub(super) enum Deed {
    Send(Vec<u8>),
    Ask(String, Value),
    Ship,
}

pub(super) struct Corrupt {
    part: Part,
    weights: Vec<(Move, u64)>,
    /// How often it acts before it is silent.
    pub(super) left: u64,
    /// Whether it spells its signatures the other way.
    twins: bool,
}

impl Corrupt {
    pub(super) fn new(part: Part, draw: &mut Draw) -> Self {
        let mut weights: Vec<_> = MOVES.iter().map(|one| (*one, draw.one_of(&[0, 0, 1, 2]))).collect();
        // Without a beginning there is no run.
        let first: &[usize] = if part == Part::Payer { &[0, 1] } else { &[2, 8, 13] };
        for place in first {
            weights[*place].1 = draw.one_of(&[1, 4]);
        }
        Self { part, weights, left: 2 + draw.below(14), twins: draw.percent(15) }
    }

    /// Signs its order.
    pub(super) fn begin(&self, stage: &Stage, deal: Deal) -> Jws {
        let key = &stage.party(index(self.part)).sign;
        match deal {
            Deal::Goods(order) => sign(key, None, *order),
            Deal::Receipt(offer) => sign(key, None, *offer),
        }
    }

    /// The next thing that it does, if it can do anything.
    pub(super) fn act(&mut self, stage: &Stage, first: &Jws, draw: &mut Draw) -> Option<Deed> {
        self.left = self.left.checked_sub(1)?;
        let one = draw.weighed(&self.weights)?;
        let order = first.digest().into();
        let receipt = first.payload_as::<PaymentOffer>().ok().map(|offer| offer.body.receipt);
        let receipt_for = |receipt| PaymentReceipt { offer: order, receipt };
        let jws = match one {
            Move::Send => {
                let statement = self.spelt(first.clone());
                let protocol = if receipt.is_some() { "pr" } else { "pg" };
                let protocol = serde_json::from_value(json!(protocol)).expect("a protocol");
                let beside = Some(Beside::Contract(Contract { salt: TEXT_SALT, text: TEXT.to_vec() }));
                let certificates = stage.everybody().swap_remove(0);
                return Some(Deed::Send(Message { protocol, statement, certificates, beside }.to_bytes()));
            }
            Move::Open => {
                let statement = text(&self.spelt(first.clone()));
                return Some(Deed::Ask("/v1/payments".to_owned(), json!({ "statement": statement })));
            }
            Move::Ship => return Some(Deed::Ship).filter(|_| self.part == Part::Payee),
            Move::Accept => self.by(stage, first, Accept { order }),
            Move::Shipped => self.by(stage, first, Shipped {}),
            Move::HandedOver => self.by(stage, first, HandedOver {}),
            Move::Received => self.by(stage, first, Received {}),
            Move::Rejected => self.by(stage, first, Rejected {}),
            Move::Cancel => self.by(stage, first, Cancel {}),
            Move::Receipt => self.by(stage, first, receipt_for(receipt?)),
            Move::WrongReceipt => self.by(stage, first, receipt_for(Digest::of(b"another").into())),
            Move::WrongAccept => self.by(stage, first, Accept { order: Digest::of(b"another").into() }),
            Move::OfOther => {
                sign(&stage.party(index(self.part)).sign, Some(Digest(crate::draw::random32())), Cancel {})
            }
            Move::Garbage => {
                let statement = text(&self.by(stage, first, Cancel {}));
                return Some(ask(first, json!({ "statement": statement.get(..50)? })));
            }
        };
        Some(ask(first, json!({ "statement": text(&self.spelt(jws)) })))
    }

    fn by<B: Body>(&self, stage: &Stage, first: &Jws, body: B) -> Jws {
        sign(&stage.party(index(self.part)).sign, Some(first.x()), body)
    }

    fn spelt(&self, jws: Jws) -> Jws {
        if self.twins { twin(&jws) } else { jws }
    }
}

fn ask(first: &Jws, body: Value) -> Deed {
    Deed::Ask(format!("/v1/payments/{}/statements", b64u::encode(first.x().as_bytes())), body)
}
