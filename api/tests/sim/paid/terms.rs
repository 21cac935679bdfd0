//! What a payment is about, where its goods are, and how its rail goes wrong.

use std::collections::BTreeMap;

use semper_ttp::{
    client::pay::Deal,
    money::RailId,
    payment::{
        rail::{DeclineCode, PaymentRail as _, RailOp},
        simulator::Trick,
    },
    statement::{Count, Millis},
};

use crate::{draw::Draw, stage::Stage, world::payment::Sale};

/// What is bought, or paid for.
pub(super) const TEXT: &[u8] = b"One bicycle, blue.";
pub(super) const TEXT_SALT: [u8; 32] = [3; 32];

/// What both sides agree on, as far as users look at it.
pub(super) struct Terms {
    pub(super) is_receipt: bool,
    pub(super) has_carrier: bool,
    pub(super) t_hold: u64,
    pub(super) t_ship: u64,
    pub(super) t_accept: u64,
    pub(super) t_exp: u64,
    /// Which of the stage's.
    pub(super) rail: usize,
}

impl Terms {
    pub(super) fn drawn(draw: &mut Draw, now: u64) -> Self {
        let is_receipt = draw.percent(35);
        let t_hold = now + draw.one_of(&[30_000, 120_000, 600_000]);
        let t_ship = t_hold + draw.one_of(&[90_000, 300_000]);
        let t_exp = t_ship + draw.one_of(&[90_000, 600_000]);
        let t_accept = draw.one_of(&[60_000, 120_000]);
        let t_exp = if is_receipt { t_hold } else { t_exp };
        Self { is_receipt, has_carrier: draw.percent(70), t_hold, t_ship, t_accept, t_exp, rail: draw.place(2) }
    }

    pub(super) fn deal(&self, stage: &Stage) -> Deal {
        let [payer, payee, carrier] = [0, 1, 2].map(|place| stage.party(place));
        let millis = |at| Millis::new(at).expect("a moment");
        let rail: &RailId = stage.rails[self.rail].id();
        if self.is_receipt {
            let mut offer = Sale::offer(stage.world(), payer, payee);
            (offer.t_exp, offer.rail) = (millis(self.t_exp), rail.clone());
            offer.receipt = semper_ttp::exchange::terms_hash(&TEXT_SALT, TEXT).into();
            return Deal::Receipt(Box::new(offer));
        }
        let mut order = Sale::order(stage.world(), payer, payee, self.has_carrier.then_some(carrier), true);
        (order.t_hold, order.t_exp, order.rail) = (millis(self.t_hold), millis(self.t_exp), rail.clone());
        (order.t_ship, order.t_accept) = (Some(millis(self.t_ship)), Count::new(self.t_accept));
        order.terms = semper_ttp::exchange::terms_hash(&TEXT_SALT, TEXT).into();
        Deal::Goods(Box::new(order))
    }
}

/// Where the goods are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Seller,
    Carrier,
    /// Somebody brings them who says nothing.
    OnItsWay,
    Buyer,
}

/// The longest until a capture is charged back, or a hold ends by itself.
pub(super) const CHARGED_BACK_MS_MAX: u64 = 60_000;

/// How the rail of a run goes wrong, call by call.
pub(super) fn tricks(draw: &mut Draw) -> BTreeMap<RailOp, Vec<Trick>> {
    let mut tricks = BTreeMap::new();
    let often = draw.one_of(&[0, 20, 60]);
    for op in [RailOp::Hold, RailOp::Capture, RailOp::Release] {
        let mut of = Vec::new();
        if draw.percent(often) {
            let after_millis = draw.one_of(&[1_000, CHARGED_BACK_MS_MAX]);
            let code = draw.one_of(&[DeclineCode::Funds, DeclineCode::Refused]);
            let mut may = vec![
                Trick::Decline(code),
                Trick::TimeoutThenDone,
                Trick::TimeoutThenDone,
                Trick::TimeoutThenNothing,
                Trick::TimeoutThenNothing,
                Trick::DuplicateWebhook,
                Trick::DeclineThenDone,
            ];
            match op {
                RailOp::Hold => may.push(Trick::Expire { after_millis }),
                RailOp::Capture => may.push(Trick::LateChargeback { after_millis }),
                RailOp::Release | RailOp::Refund => {}
            }
            let trick = draw.one_of(&may);
            // Now and then for good.
            let times = if matches!(trick, Trick::Decline(_)) && draw.percent(30) { 8 } else { 1 };
            of.extend(std::iter::repeat_n(trick, times));
        }
        tricks.insert(op, of);
    }
    tricks
}

pub(super) fn named(trick: Trick) -> &'static str {
    match trick {
        Trick::Decline(_) => "rail declines",
        Trick::TimeoutThenDone => "rail's answer lost",
        Trick::TimeoutThenNothing => "rail's question lost",
        Trick::DuplicateWebhook => "callback twice",
        Trick::LateChargeback { .. } => "charged back",
        Trick::Expire { .. } => "hold ends by itself",
        Trick::DeclineThenDone => "rail declines, and does it",
    }
}
