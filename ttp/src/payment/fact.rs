//! What was decided about the money of a run, and what rails told of it.

use crate::cbor::{self, Reader, Writer};
use crate::digest::Digest;
use crate::evidence::{FactError, Kind, PaymentKind, Recorded, codes, read_time};
use crate::id::PartyId;
use crate::money::{Amount, BPS_WHOLE, Currency, MINOR_MAX};
use crate::time::Timestamp;

use super::rail::{DeclineCode, RailClass, RailId, RailOp, rail_key};
use super::{Authority, Call, Order, Place, Purpose, Terms};

/// A fact of role 8. Each body is an array that begins `[x, at ms, …`; amounts are minor units of the hold's currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentFact {
    /// The run.
    pub x: Digest,
    /// When.
    pub at: Timestamp,
    /// What.
    pub change: Change,
}

/// What became of the money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A hold is to be asked for. `order, by, case / null, rail, class, payer, payee, amount, currency, fee bps, until ms`.
    HoldRequested {
        /// What is agreed.
        terms: Box<Terms>,
        /// By whose word.
        order: Order,
    },
    /// Something else is. `op, seq, amount, order, by, case / null`; the kind says what for.
    Requested {
        /// What.
        call: Call,
    },
    /// The rail holds it. `expires ms / null, evidence`.
    Held {
        /// When the hold ends by itself.
        expires_at: Option<Timestamp>,
        /// What the rail signed: the artefact.
        evidence: Digest,
    },
    /// The rail declined. `op, seq, code`.
    Declined {
        /// Of which operation.
        op: RailOp,
        /// Which call.
        seq: u32,
        /// Why.
        code: DeclineCode,
    },
    /// It is the payee's, less the fee. `seq, amount, place, evidence / null`.
    Captured {
        /// Which call.
        seq: u32,
        /// How much.
        amount: u64,
        /// Where it was.
        place: Place,
        /// What the rail signed; null where the service had the money and asked no rail.
        evidence: Option<Digest>,
    },
    /// It went back. `op, seq, amount, place, evidence`.
    Released {
        /// By which operation.
        op: RailOp,
        /// Which call.
        seq: u32,
        /// How much.
        amount: u64,
        /// Where it was.
        place: Place,
        /// What the rail signed.
        evidence: Digest,
    },
    /// So much went back of what was captured. `seq, amount, evidence`.
    Refunded {
        /// Which call.
        seq: u32,
        /// How much.
        amount: u64,
        /// What the rail signed.
        evidence: Digest,
    },
    /// The payer's bank took it back. `amount, ends the hold, evidence`.
    ChargedBack {
        /// How much.
        amount: u64,
        /// It was still held, all of it, and is gone; else the amount is in suspense.
        ends_hold: bool,
        /// What the rail signed.
        evidence: Digest,
    },
    /// The hold ended by itself. `[op, seq] / null, amount, told, place, evidence`.
    Expired {
        /// The call that was declined for it, where that told us.
        call: Option<(RailOp, u32)>,
        /// How much was held.
        amount: u64,
        /// How much the rail says that it gave back: what it is less or more stands in suspense.
        told: u64,
        /// Where.
        place: Place,
        /// What the rail signed.
        evidence: Digest,
    },
    /// A bank's hold became money that the service has. `seq, amount, evidence`.
    Escrowed {
        /// Which call.
        seq: u32,
        /// How much.
        amount: u64,
        /// What the rail signed.
        evidence: Digest,
    },
    /// A case stopped what the exchange decides. `case, needed until ms`.
    Frozen {
        /// Which.
        case: Digest,
        /// How long it may last.
        needed_until: Timestamp,
    },
    /// It is over. `case`.
    Thawed {
        /// Which.
        case: Digest,
    },
    /// The payee was paid out. `amount, evidence`.
    PaidOut {
        /// How much.
        amount: u64,
        /// What the rail signed.
        evidence: Digest,
    },
    /// The rail did what it had declined, or another amount than it was asked. `op, seq, told, amount, moved, evidence`.
    Contradicted {
        /// Of which operation.
        op: RailOp,
        /// Which call.
        seq: u32,
        /// What the rail says that it did.
        told: u64,
        /// By how much that is more or less than what the call counts with: all of it for a call that was declined.
        amount: u64,
        /// Which way it moved.
        moved: Moved,
        /// What the rail signed.
        evidence: Digest,
    },
    /// An amount in suspense found its bearer. `item, moved, amount, bearer, evidence / null, order / null, by / null, case / null`.
    Cleared {
        /// By what it got there.
        item: Digest,
        /// Which way it had moved.
        moved: Moved,
        /// How much.
        amount: u64,
        /// Who bears or gets it.
        bearer: Bearer,
        /// By whose word, or by which evidence of the rail.
        by: ClearedBy,
    },
}

codes! {
    /// Which way an amount moved that nobody had ordered.
    Moved {
        /// No money of the service's moved.
        Not = 0 "not",
        /// It came to the service.
        In = 1 "in",
        /// It left.
        Out = 2 "out",
    }
}

codes! {
    /// Who bears an amount that left, or gets one that came.
    Bearer {
        /// The rail, which made it good.
        Rail = 0 "rail",
        /// The payee.
        Payee = 1 "payee",
        /// The service.
        Service = 2 "service",
    }
}

/// How an amount in suspense was cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearedBy {
    /// By a verdict or a settlement.
    Order(Order),
    /// By the rail, which signed this.
    Rail(Digest),
}

impl PaymentFact {
    /// What the rail signed: the fact's artefact.
    #[must_use]
    pub fn evidence(&self) -> Option<Digest> {
        match &self.change {
            Change::Held { evidence, .. }
            | Change::Released { evidence, .. }
            | Change::Refunded { evidence, .. }
            | Change::ChargedBack { evidence, .. }
            | Change::Escrowed { evidence, .. }
            | Change::PaidOut { evidence, .. }
            | Change::Expired { evidence, .. }
            | Change::Contradicted { evidence, .. }
            | Change::Cleared { by: ClearedBy::Rail(evidence), .. } => Some(*evidence),
            Change::Captured { evidence, .. } => *evidence,
            Change::HoldRequested { .. }
            | Change::Requested { .. }
            | Change::Declined { .. }
            | Change::Frozen { .. }
            | Change::Thawed { .. }
            | Change::Cleared { .. } => None,
        }
    }

    /// The key of the call that is asked for here.
    #[must_use]
    pub fn asks(&self) -> Option<Digest> {
        match &self.change {
            Change::HoldRequested { .. } => Some(rail_key(&self.x, RailOp::Hold, 0)),
            Change::Requested { call } => Some(rail_key(&self.x, call.op, call.seq)),
            _ => None,
        }
    }

    /// The key of the call whose answer this is.
    #[must_use]
    pub fn answers(&self) -> Option<Digest> {
        let (op, seq) = match &self.change {
            Change::Held { .. } => (RailOp::Hold, 0),
            Change::Declined { op, seq, .. } | Change::Released { op, seq, .. } => (*op, *seq),
            Change::Captured { seq, .. } | Change::Escrowed { seq, .. } => (RailOp::Capture, *seq),
            Change::Refunded { seq, .. } => (RailOp::Refund, *seq),
            Change::Expired { call, .. } => (*call)?,
            Change::HoldRequested { .. }
            | Change::Requested { .. }
            | Change::ChargedBack { .. }
            | Change::Frozen { .. }
            | Change::Thawed { .. }
            | Change::PaidOut { .. }
            | Change::Contradicted { .. }
            | Change::Cleared { .. } => return None,
        };
        Some(rail_key(&self.x, op, seq))
    }
}

/// Parts of bodies, written.
trait Parts {
    fn digest(&mut self, digest: Option<&Digest>) -> &mut Self;
    fn moment(&mut self, at: Option<Timestamp>) -> &mut Self;
    fn call(&mut self, op: RailOp, seq: u32) -> &mut Self;
    fn order(&mut self, order: &Order) -> &mut Self;
}

impl Parts for Writer {
    fn digest(&mut self, digest: Option<&Digest>) -> &mut Self {
        match digest {
            Some(digest) => self.bytes(digest.as_bytes()),
            None => self.null(),
        }
    }

    fn moment(&mut self, at: Option<Timestamp>) -> &mut Self {
        match at {
            Some(at) => self.uint(at.millis()),
            None => self.null(),
        }
    }

    fn call(&mut self, op: RailOp, seq: u32) -> &mut Self {
        self.uint(op.code()).uint(seq.into())
    }

    fn order(&mut self, Order { id, by }: &Order) -> &mut Self {
        self.bytes(id.as_bytes()).uint(by.code()).digest(by.case().as_ref())
    }
}

impl Recorded for PaymentFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        Kind::Payment(match &self.change {
            Change::HoldRequested { .. } => PaymentKind::HoldRequested,
            Change::Requested { call } => match call.purpose {
                Purpose::Hold => PaymentKind::HoldRequested,
                Purpose::Capture => PaymentKind::CaptureRequested,
                Purpose::Release => PaymentKind::ReleaseRequested,
                Purpose::Refund => PaymentKind::RefundRequested,
                Purpose::Escrow => PaymentKind::EscrowRequested,
            },
            Change::Held { .. } => PaymentKind::Hold,
            Change::Declined { .. } => PaymentKind::Declined,
            Change::Captured { .. } => PaymentKind::Capture,
            Change::Released { .. } => PaymentKind::Release,
            Change::Refunded { .. } => PaymentKind::Refund,
            Change::ChargedBack { .. } => PaymentKind::Chargeback,
            Change::Expired { .. } => PaymentKind::Expired,
            Change::Escrowed { .. } => PaymentKind::Escrowed,
            Change::Frozen { .. } => PaymentKind::Frozen,
            Change::Thawed { .. } => PaymentKind::Thawed,
            Change::PaidOut { .. } => PaymentKind::Payout,
            Change::Contradicted { .. } => PaymentKind::Contradicted,
            Change::Cleared { .. } => PaymentKind::Cleared,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        w.array(2 + self.items()).bytes(self.x.as_bytes()).uint(self.at.millis());
        match &self.change {
            Change::HoldRequested { terms, order } => {
                // The run stands in front.
                let Terms { x: _, rail, class, payer, payee, amount, fee_bps, until } = &**terms;
                w.order(order).bytes(rail.as_str().as_bytes()).uint(class.code());
                w.bytes(payer.octets()).bytes(payee.octets());
                w.uint(amount.minor()).bytes(amount.currency().octets()).uint((*fee_bps).into()).uint(until.millis())
            }
            Change::Requested { call } => w.call(call.op, call.seq).uint(call.amount).order(&call.order),
            Change::Held { expires_at, evidence } => w.moment(*expires_at).digest(Some(evidence)),
            Change::Declined { op, seq, code } => w.call(*op, *seq).uint(code.code()),
            Change::Captured { seq, amount, place, evidence } => {
                w.uint((*seq).into()).uint(*amount).uint(place.code()).digest(evidence.as_ref())
            }
            Change::Released { op, seq, amount, place, evidence } => {
                w.call(*op, *seq).uint(*amount).uint(place.code()).digest(Some(evidence))
            }
            Change::Refunded { seq, amount, evidence } | Change::Escrowed { seq, amount, evidence } => {
                w.uint((*seq).into()).uint(*amount).digest(Some(evidence))
            }
            Change::ChargedBack { amount, ends_hold, evidence } => {
                w.uint(*amount).bool(*ends_hold).digest(Some(evidence))
            }
            Change::Expired { call, amount, told, place, evidence } => {
                match call {
                    Some((op, seq)) => w.array(2).call(*op, *seq),
                    None => w.null(),
                };
                w.uint(*amount).uint(*told).uint(place.code()).digest(Some(evidence))
            }
            Change::Frozen { case, needed_until } => w.digest(Some(case)).uint(needed_until.millis()),
            Change::Thawed { case } => w.digest(Some(case)),
            Change::PaidOut { amount, evidence } => w.uint(*amount).digest(Some(evidence)),
            Change::Contradicted { op, seq, told, amount, moved, evidence } => {
                w.call(*op, *seq).uint(*told).uint(*amount).uint(moved.code()).digest(Some(evidence))
            }
            Change::Cleared { item, moved, amount, bearer, by } => {
                w.digest(Some(item)).uint(moved.code()).uint(*amount).uint(bearer.code());
                match by {
                    ClearedBy::Order(order) => w.null().order(order),
                    ClearedBy::Rail(evidence) => w.digest(Some(evidence)).null().null().null(),
                }
            }
        };
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        let Kind::Payment(kind) = kind else { return Err(FactError::OtherKind { found: kind }) };
        r.array(2 + items_of(kind) as u64)?;
        let (x, at) = (Digest(r.fixed()?), read_time(r)?);
        let change = match kind {
            PaymentKind::HoldRequested => read_hold(x, r)?,
            PaymentKind::CaptureRequested => read_requested(Purpose::Capture, r)?,
            PaymentKind::ReleaseRequested => read_requested(Purpose::Release, r)?,
            PaymentKind::RefundRequested => read_requested(Purpose::Refund, r)?,
            PaymentKind::EscrowRequested => read_requested(Purpose::Escrow, r)?,
            PaymentKind::Hold => Change::Held { expires_at: read_moment(r)?, evidence: Digest(r.fixed()?) },
            PaymentKind::Declined => {
                let (op, seq) = read_call(r)?;
                Change::Declined { op, seq, code: r.code(DeclineCode::from_code)? }
            }
            PaymentKind::Capture => Change::Captured {
                seq: read_seq(r)?,
                amount: read_minor(r)?,
                place: r.code(Place::from_code)?,
                evidence: read_digest(r)?,
            },
            PaymentKind::Release => {
                let (op, seq) = read_call(r)?;
                let (amount, place) = (read_minor(r)?, r.code(Place::from_code)?);
                Change::Released { op, seq, amount, place, evidence: Digest(r.fixed()?) }
            }
            PaymentKind::Refund => {
                Change::Refunded { seq: read_seq(r)?, amount: read_minor(r)?, evidence: Digest(r.fixed()?) }
            }
            PaymentKind::Escrowed => {
                Change::Escrowed { seq: read_seq(r)?, amount: read_minor(r)?, evidence: Digest(r.fixed()?) }
            }
            PaymentKind::Chargeback => {
                Change::ChargedBack { amount: read_minor(r)?, ends_hold: r.bool()?, evidence: Digest(r.fixed()?) }
            }
            PaymentKind::Expired => {
                let call = if r.null() {
                    None
                } else {
                    r.array(2)?;
                    Some(read_call(r)?)
                };
                let (amount, told, place) = (read_minor(r)?, read_minor(r)?, r.code(Place::from_code)?);
                Change::Expired { call, amount, told, place, evidence: Digest(r.fixed()?) }
            }
            PaymentKind::Frozen => Change::Frozen { case: Digest(r.fixed()?), needed_until: read_time(r)? },
            PaymentKind::Thawed => Change::Thawed { case: Digest(r.fixed()?) },
            PaymentKind::Payout => Change::PaidOut { amount: read_minor(r)?, evidence: Digest(r.fixed()?) },
            PaymentKind::Contradicted => {
                let (op, seq) = read_call(r)?;
                let (told, amount, moved) = (read_minor(r)?, read_minor(r)?, r.code(Moved::from_code)?);
                Change::Contradicted { op, seq, told, amount, moved, evidence: Digest(r.fixed()?) }
            }
            PaymentKind::Cleared => read_cleared(r)?,
        };
        Ok(Self { x, at, change })
    }
}

impl PaymentFact {
    /// How many items its body has after run and moment.
    fn items(&self) -> usize {
        match self.kind() {
            Kind::Payment(kind) => items_of(kind),
            // Facts of this type have kinds of this role.
            _ => 0,
        }
    }
}

const fn items_of(kind: PaymentKind) -> usize {
    match kind {
        PaymentKind::HoldRequested => 11,
        PaymentKind::CaptureRequested
        | PaymentKind::ReleaseRequested
        | PaymentKind::RefundRequested
        | PaymentKind::EscrowRequested => 6,
        PaymentKind::Hold | PaymentKind::Frozen | PaymentKind::Payout => 2,
        PaymentKind::Declined | PaymentKind::Refund | PaymentKind::Escrowed | PaymentKind::Chargeback => 3,
        PaymentKind::Capture => 4,
        PaymentKind::Release | PaymentKind::Expired => 5,
        PaymentKind::Contradicted => 6,
        PaymentKind::Thawed => 1,
        PaymentKind::Cleared => 8,
    }
}

fn read_digest(r: &mut Reader<'_>) -> Result<Option<Digest>, cbor::Error> {
    if r.null() { Ok(None) } else { Ok(Some(Digest(r.fixed()?))) }
}

fn read_moment(r: &mut Reader<'_>) -> Result<Option<Timestamp>, cbor::Error> {
    if r.null() { Ok(None) } else { read_time(r).map(Some) }
}

fn read_seq(r: &mut Reader<'_>) -> Result<u32, cbor::Error> {
    r.code(|seq| u32::try_from(seq).ok())
}

fn read_call(r: &mut Reader<'_>) -> Result<(RailOp, u32), cbor::Error> {
    Ok((r.code(RailOp::from_code)?, read_seq(r)?))
}

fn read_minor(r: &mut Reader<'_>) -> Result<u64, cbor::Error> {
    r.code(|minor| Some(minor).filter(|minor| *minor <= MINOR_MAX))
}

fn read_order(r: &mut Reader<'_>) -> Result<Order, cbor::Error> {
    let (id, by) = (Digest(r.fixed()?), r.uint()?);
    let case = read_digest(r)?;
    // A pair that is none reads as a number that names nothing known.
    let by = Authority::from_parts(by, case).ok_or(cbor::Error::Range { at: 0 })?;
    Ok(Order { id, by })
}

fn read_requested(purpose: Purpose, r: &mut Reader<'_>) -> Result<Change, cbor::Error> {
    let (op, seq) = read_call(r)?;
    Ok(Change::Requested { call: Call { purpose, op, seq, amount: read_minor(r)?, order: read_order(r)? } })
}

fn read_hold(x: Digest, r: &mut Reader<'_>) -> Result<Change, cbor::Error> {
    let order = read_order(r)?;
    let none = cbor::Error::Range { at: 0 };
    let rail = std::str::from_utf8(r.bytes()?).ok().and_then(RailId::new).ok_or(none)?;
    let class = r.code(RailClass::from_code)?;
    let (payer, payee) = (PartyId::from(r.fixed()?), PartyId::from(r.fixed()?));
    let minor = read_minor(r)?;
    let currency = Currency::from_octets(r.fixed()?).ok_or(none)?;
    let amount = Amount::new(minor, currency).ok_or(none)?;
    let fee_bps = r.code(|bps| u16::try_from(bps).ok().filter(|bps| *bps <= BPS_WHOLE))?;
    let until = read_time(r)?;
    let terms = Terms { x, rail, class, payer, payee, amount, fee_bps, until };
    Ok(Change::HoldRequested { terms: Box::new(terms), order })
}

fn read_cleared(r: &mut Reader<'_>) -> Result<Change, cbor::Error> {
    let (item, moved, amount) = (Digest(r.fixed()?), r.code(Moved::from_code)?, read_minor(r)?);
    let bearer = r.code(Bearer::from_code)?;
    let by = match read_digest(r)? {
        None => ClearedBy::Order(read_order(r)?),
        Some(evidence) => {
            if !(r.null() && r.null() && r.null()) {
                return Err(cbor::Error::Range { at: 0 });
            }
            ClearedBy::Rail(evidence)
        }
    };
    Ok(Change::Cleared { item, moved, amount, bearer, by })
}
