//! What each statement of a paid run must hold, for the arbiter, for both sides and for whoever judges afterwards.

use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::money::RailId;
use crate::statement::exchange::cd_r::{D1, D4};
use crate::statement::exchange::pg::{Accept, Cancel, Goods, GoodsOrder, HandedOver, Received, Rejected, Shipped};
use crate::statement::exchange::pr::{PaymentOffer, PaymentReceipt};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Outcome, Participant, Side};
use crate::statement::{Body, Jws, StatementFault};

use super::super::Broken;
use super::super::cd_r::Posted;
use super::super::judge::{Filed, counted, delivery};
use super::super::run::{Keys, Run, names};
use super::{Show, Shown, Terms, Thing};

/// The longest statement of a party in a paid run, and in a delivery that is paid, octets: the verdict of such a delivery, with both its
/// statements, still fits the verdict about its payment.
pub const PAID_STATEMENT_BYTES_MAX: usize = 8 << 10;

/// The longest verdict about a delivery that a verdict about its payment embeds: two statements, each by a third longer in it.
pub const DELIVERY_VERDICT_BYTES_MAX: usize = 24 << 10;

/// The first statement of a paid run, signed by the key that it names for the payer.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// What it fixes, as for any run.
    pub run: Run,
    /// What it fixes about money and time.
    pub terms: Terms,
    /// Whose word counts for shipping and handing over.
    pub carrier: Option<Thumbprint>,
    /// Hash of the text that it is about.
    pub text: Digest,
    /// What digital goods hash to, where the order says so.
    hm: Option<Digest>,
    /// As it was received.
    pub jws: Jws,
}

impl Opened {
    /// Reads `pg/order` or `pr/offer`.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn read(jws: Jws, keys: Keys<'_>) -> Result<Self, Broken> {
        require_length(&jws, "the first statement", PAID_STATEMENT_BYTES_MAX)?;
        let x = jws.x();
        if jws.tag() == PaymentOffer::TAG {
            let (run, offer) = Run::first(&jws, keys, |offer| Run::of_payment(x, offer))?;
            return Self::of_offer(run, &offer, jws);
        }
        let (run, order) = Run::first(&jws, keys, |order| Run::of_order(x, order))?;
        Self::of_order(run, &order, jws)
    }

    /// What the first statement says, whoever signed it: for whoever holds it against what others have signed.
    ///
    /// # Errors
    /// It is none, or contradicts itself.
    pub fn claimed(jws: &Jws) -> Result<Self, Broken> {
        let of = GoodsOrder::TAG;
        let broken = |fault| Broken::Statement { of, fault };
        if jws.tag() == PaymentOffer::TAG {
            let offer = jws.payload_as::<PaymentOffer>().map_err(broken)?.body;
            return Self::of_offer(Run::of_payment(jws.x(), &offer), &offer, jws.clone());
        }
        let order = jws.payload_as::<GoodsOrder>().map_err(broken)?.body;
        Self::of_order(Run::of_order(jws.x(), &order), &order, jws.clone())
    }

    fn of_order(run: Run, order: &GoodsOrder, jws: Jws) -> Result<Self, Broken> {
        let bad = |why: &str| Err(contradicts(GoodsOrder::TAG, why));
        let (thing, hm) = match order.goods {
            Goods::Digital { hm } => (Thing::Digital, hm.map(|hm| Digest(hm.0))),
            Goods::Physical {} => (Thing::Physical, None),
        };
        let (t_hold, t_exp) = (order.t_hold.get(), order.t_exp.get());
        let t_ship = order.t_ship.map(u64::from);
        match (thing, t_ship, order.t_accept, &order.carrier) {
            (Thing::Physical, Some(t_ship), Some(_), _) if t_hold <= t_ship && t_ship <= t_exp => {}
            (Thing::Digital, None, _, None) if t_hold <= t_exp => {}
            (Thing::Physical, ..) => {
                return bad(
                    "physical goods are ordered with t_hold, t_ship and t_exp in this order, and with t_accept",
                );
            }
            _ => return bad("digital goods are ordered without t_ship and carrier, and t_hold is not after t_exp"),
        }
        // A side that is its own carrier attests what it likes.
        let same = |other: &Participant| order.carrier.is_some_and(|one| one.key == other.key || one.id == other.id);
        if same(&order.buyer) || same(&order.seller) || order.carrier.is_some_and(|one| one.key == order.ttp.key) {
            return Err(Broken::OneParty);
        }
        let terms = Terms {
            t_hold,
            t_ship,
            t_accept: order.t_accept.map(u64::from),
            t_exp,
            ..terms_of(&run, thing, order.amount, order.fee_bps.get(), &order.rail)
        };
        let carrier = order.carrier.map(|carrier| carrier.key);
        Self { run, terms, carrier, text: Digest(order.terms.0), hm, jws }.checked()
    }

    fn of_offer(run: Run, offer: &PaymentOffer, jws: Jws) -> Result<Self, Broken> {
        let t_exp = offer.t_exp.get();
        let terms = Terms {
            t_hold: t_exp,
            t_exp,
            ..terms_of(&run, Thing::Receipt, offer.amount, offer.fee_bps.get(), &offer.rail)
        };
        Self { run, terms, carrier: None, text: Digest(offer.receipt.0), hm: None, jws }.checked()
    }

    fn checked(self) -> Result<Self, Broken> {
        if self.terms.amount.is_zero() {
            return Err(contradicts("the first statement", "an amount is more than nothing"));
        }
        if self.terms.last_ms().is_none() {
            return Err(contradicts("the first statement", "it may last beyond the year 9999"));
        }
        Ok(self)
    }

    /// Reads a later statement of a party or the carrier, whichever it is; of a delivery, [`Opened::posted`] and what follows it.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn shown(&self, jws: &Jws, keys: Keys<'_>) -> Result<Show, Broken> {
        require_length(jws, "the statement", PAID_STATEMENT_BYTES_MAX)?;
        let (payer, payee) = (Side::Originator, Side::Responder);
        if self.terms.thing == Thing::Receipt {
            let PaymentReceipt { offer, receipt } = self.run.follows(jws, payee, keys)?;
            self.require_copy(PaymentReceipt::TAG, &Digest(offer.0))?;
            if Digest(receipt.0) != self.text {
                return Err(Broken::OtherCommitment { of: PaymentReceipt::TAG });
            }
            return Ok(show(Shown::Receipt, jws, None));
        }
        let what = match jws.tag() {
            Shipped::TAG => {
                let Shipped {} = match &self.carrier {
                    Some(carrier) => self.run.follows_by(jws, carrier, "carrier", keys)?,
                    None => self.run.follows(jws, payee, keys)?,
                };
                Shown::Shipped
            }
            HandedOver::TAG => {
                let stranger = || Broken::NotAllowed { of: HandedOver::TAG, key: jws.key_id().to_string() };
                let carrier = self.carrier.as_ref().ok_or_else(stranger)?;
                let HandedOver {} = self.run.follows_by(jws, carrier, "carrier", keys)?;
                Shown::HandedOver
            }
            Received::TAG => {
                let Received {} = self.run.follows(jws, payer, keys)?;
                Shown::Received
            }
            Rejected::TAG => {
                let Rejected {} = self.run.follows(jws, payer, keys)?;
                Shown::Rejected
            }
            Cancel::TAG => {
                let side = self.run.side_of(&jws.key_id());
                let stranger = || Broken::NotAllowed { of: Cancel::TAG, key: jws.key_id().to_string() };
                let side = side.ok_or_else(stranger)?;
                let Cancel {} = self.run.follows(jws, side, keys)?;
                if side == payer { Shown::CancelledByPayer } else { Shown::CancelledByPayee }
            }
            // Whatever else it is, it is read as the seller's word, and the fault says what it is not.
            _ => {
                let Accept { order } = self.run.follows(jws, payee, keys)?;
                self.require_copy(Accept::TAG, &Digest(order.0))?;
                Shown::Accepted
            }
        };
        Ok(show(what, jws, None))
    }

    /// Reads the first statement of the delivery that brings the goods: by the seller to the buyer, before the same arbiter, for this payment.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn posted(&self, jws: Jws, keys: Keys<'_>) -> Result<(Show, Posted), Broken> {
        require_length(&jws, D1::TAG, PAID_STATEMENT_BYTES_MAX)?;
        let posted = Posted::read(jws, keys)?;
        let (run, delivery) = (&posted.run, &posted.delivery);
        if delivery.pay != Some(self.run.x.into()) || (run.o, run.r) != (self.run.r, self.run.o) {
            return Err(Broken::OtherRun { of: D1::TAG });
        }
        if run.ttp.key != self.run.ttp.key {
            return Err(Broken::OtherArbiter { key: run.ttp.key.to_string() });
        }
        if self.hm.is_some_and(|hm| hm != Digest(delivery.hm.0)) {
            return Err(Broken::OtherCommitment { of: D1::TAG });
        }
        Ok((show(Shown::Posted, &posted.jws, Some(posted.run.x)), posted))
    }

    /// Reads the buyer's receipt for that delivery.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn delivered(&self, posted: &Posted, jws: &Jws, keys: Keys<'_>) -> Result<Show, Broken> {
        require_length(jws, D4::TAG, PAID_STATEMENT_BYTES_MAX)?;
        posted.received(jws, keys)?;
        Ok(show(Shown::Delivered, jws, Some(posted.run.x)))
    }

    /// Reads the arbiter's verdict about that delivery, and holds it against what it embeds.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn delivery_decided(&self, jws: &Jws, keys: Keys<'_>) -> Result<Show, Broken> {
        let of = Verdict::TAG;
        require_length(jws, of, DELIVERY_VERDICT_BYTES_MAX)?;
        let broken = |fault| Broken::Statement { of, fault };
        let verdict = jws.payload_as::<Verdict>().map_err(broken)?.body;
        let first = verdict.basis.first().map_or(Err(contradicts(of, "it rests on nothing")), |first| {
            Jws::parse(first.as_bytes()).map_err(|fault| Broken::Statement { of: D1::TAG, fault })
        });
        let (_, posted) = self.posted(first?, keys)?;
        // That it is logged is seen to where it is shown to people; the arbiter knows its own.
        let verdict = counted(&posted.run, &Filed { jws: jws.clone(), is_logged: true }, keys)?;
        if !delivery::rests_on_its_basis(&posted, &verdict, keys) {
            return Err(contradicts(of, "it does not follow from what it embeds"));
        }
        let what = match verdict.outcome {
            Outcome::Released => Shown::Released,
            Outcome::Aborted | Outcome::Void | Outcome::Expired => Shown::Returned,
            Outcome::Resolved | Outcome::Returned | Outcome::Captured => {
                return Err(contradicts(of, "no delivery ends like that"));
            }
        };
        Ok(show(what, jws, Some(posted.run.x)))
    }

    /// Whether a hash names the first statement, or the other signature over its payload that anybody can make of it.
    fn require_copy(&self, of: &'static str, named: &Digest) -> Result<(), Broken> {
        let about = if self.terms.thing == Thing::Receipt { PaymentOffer::TAG } else { GoodsOrder::TAG };
        if names(named, &self.jws) { Ok(()) } else { Err(Broken::OtherCopy { of, about }) }
    }
}

fn show(what: Shown, jws: &Jws, delivery: Option<Digest>) -> Show {
    Show { what, statement: jws.x(), by: jws.key_id(), delivery }
}

fn terms_of(run: &Run, thing: Thing, amount: crate::money::Amount, fee_bps: u16, rail: &RailId) -> Terms {
    let of = |side: &Participant| (side.id, side.key);
    Terms {
        x: run.x,
        protocol: run.protocol,
        thing,
        policy: run.policy,
        assurance: run.assurance,
        payer: of(&run.o),
        payee: of(&run.r),
        amount,
        fee_bps,
        rail: rail.clone(),
        t_hold: 0,
        t_ship: None,
        t_accept: None,
        t_exp: 0,
    }
}

fn contradicts(of: &'static str, why: &str) -> Broken {
    Broken::Statement { of, fault: StatementFault::Member(why.to_owned()) }
}

fn require_length(jws: &Jws, of: &'static str, most: usize) -> Result<(), Broken> {
    match jws.bytes().len() <= most {
        true => Ok(()),
        false => Err(Broken::Statement { of, fault: StatementFault::TooLong }),
    }
}
