//! A rail that is none: it holds imaginary money, for demonstrations and tests, and plays every failure of real ones on demand.
//!
//! Tricks come from a script, one for each new call of an operation, or are drawn from a seed by the call's key, so that the same run fails
//! in the same way each time whatever else happens in between. Time is what the caller says. Whatever it does it signs, and notes in a
//! statement of accounts of its own, which a book can be held against.
//!
//! ```text
//! evidence = base64url(record as JSON) "." base64url(signature of those characters in front of the full stop)
//! ```
//!
//! It tells what happens by callbacks, too ([`Simulator::take_notices`]): unsigned bodies as in [`super::callback`], which the caller signs,
//! loses, doubles or reorders.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::b64u::{self, B64u32};
use crate::crypto::{Signer, Verifier};
use crate::digest::Digest;
use crate::money::{Amount, Currency};
use crate::time::Timestamp;

use super::rail::{DeclineCode, Done, Ended, Evidence, PaymentRail, RailAnswer, RailClass, RailId, RailOp};

/// How long this rail's bank holds money: 120 hours, as GOV.UK Pay's does (govuk-pay/pay-tech-docs#363).
pub const AUTH_MILLIS: u64 = 120 * 3_600_000;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// It is declined.
    Decline(DeclineCode),
    /// The answer is lost, and it is done.
    TimeoutThenDone,
    /// The question is lost: nothing is done, and nobody knows of it.
    TimeoutThenNothing,
    /// It is told twice under one id, and once more under another.
    DuplicateWebhook,
    /// Of what came in by this call, all is taken back so many milliseconds later.
    LateChargeback {
        /// How much later.
        after_millis: u64,
    },
    /// A hold ends so many milliseconds later, whatever was asked.
    Expire {
        /// How much later.
        after_millis: u64,
    },
    /// It is declined, and done all the same.
    DeclineThenDone,
}

/// A callback without its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its id.
    pub id: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// What the simulator signs about something that it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name.
    pub rail: String,
    /// What happened: an operation, or `expired`, `charged-back`, `paid-out`, `made-good`.
    pub what: String,
    /// The run.
    pub x: B64u32,
    /// The key of the call, or of the one that it follows from.
    pub key: B64u32,
    /// How much.
    pub amount: Amount,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// Which record of this rail.
    pub serial: u64,
}

/// Reads evidence of a simulator, if it is signed by this key.
#[must_use]
pub fn read_evidence(evidence: &Evidence, key: &dyn Verifier) -> Option<Record> {
    let text = std::str::from_utf8(evidence.octets()).ok()?;
    let (payload, signature) = text.split_once('.')?;
    let is_signed = key.verify(payload.as_bytes(), &b64u::decode(signature.as_bytes())?);
    let record = is_signed.then(|| b64u::decode(payload.as_bytes())).flatten()?;
    serde_json::from_slice(&record).ok()
}

/// A line of the rail's statement of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// When.
    pub at: Timestamp,
    /// For which run.
    pub x: Digest,
    /// What happened.
    pub what: &'static str,
    /// What the rail keeps for the service because of it, more or less.
    pub minor: i128,
}

/// The rail.
pub struct Simulator {
    id: RailId,
    class: RailClass,
    signer: Arc<dyn Signer>,
    seed: [u8; 32],
    /// Out of a thousand calls, how many go wrong by the seed.
    per_mille: u16,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    now: Timestamp,
    script: BTreeMap<RailOp, VecDeque<Trick>>,
    calls: BTreeMap<Digest, Kept>,
    /// Keys whose first question was lost.
    lost: Vec<Digest>,
    holds: BTreeMap<Digest, Held>,
    captures: BTreeMap<Digest, Taken>,
    /// Chargebacks to come: when, and of which call.
    due: Vec<(Timestamp, Digest)>,
    lines: Vec<StatementLine>,
    kept: BTreeMap<Currency, i128>,
    notices: Vec<Notice>,
    serial: u64,
    ids: u64,
}

/// A call that is known.
#[derive(Clone, Debug)]
struct Kept {
    op: RailOp,
    on: Option<Digest>,
    amount: Option<Amount>,
    answer: RailAnswer,
}

#[derive(Clone, Debug)]
struct Held {
    x: Digest,
    amount: Amount,
    rest: u64,
    expires_at: Option<Timestamp>,
    /// It ended by itself: what is told of that, always the same.
    ended: Option<Ended>,
}

#[derive(Clone, Debug)]
struct Taken {
    x: Digest,
    amount: Amount,
    rest: u64,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("id", &self.id).field("class", &self.class).finish_non_exhaustive()
    }
}

impl Simulator {
    /// A rail without money in it, at whose seed `per_mille` of a thousand calls go wrong.
    #[must_use]
    pub fn new(id: RailId, class: RailClass, signer: Arc<dyn Signer>, seed: [u8; 32], per_mille: u16) -> Self {
        Self { id, class, signer, seed, per_mille, inner: Mutex::default() }
    }

    /// The next new call of this operation goes wrong in this way.
    pub fn script(&self, op: RailOp, trick: Trick) {
        self.inner().script.entry(op).or_default().push_back(trick);
    }

    /// It is `now`: holds end, chargebacks come, in the order of time. Time does not go back.
    pub fn advance_to(&self, now: Timestamp) {
        let mut inner = self.inner();
        loop {
            let ends = inner.holds.iter().filter(|(_, held)| held.ended.is_none() && held.rest > 0);
            let ends = ends.filter_map(|(key, held)| Some((held.expires_at?, 0, *key)));
            let due = inner.due.iter().map(|(at, key)| (*at, 1, *key));
            let next = ends.chain(due).filter(|(at, ..)| *at <= now).min();
            let Some((at, which, key)) = next else { break };
            inner.now = inner.now.max(at);
            if which == 0 {
                self.expire(&mut inner, key);
            } else {
                inner.due.retain(|(_, due)| *due != key);
                self.charge_back(&mut inner, key);
            }
        }
        inner.now = inner.now.max(now);
    }

    /// What it has told since it was last asked, in its order.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.inner().notices)
    }

    /// Pays the payee of a run out. `false` if it does not keep so much.
    pub fn pay_out(&self, x: &Digest, amount: Amount) -> bool {
        let mut inner = self.inner();
        let kept = inner.kept.get(&amount.currency()).copied().unwrap_or_default();
        if kept < i128::from(amount.minor()) {
            return false;
        }
        let Some(evidence) = self.sign(&mut inner, "paid-out", x, x, amount) else { return false };
        inner.moves("paid-out", x, -i128::from(amount.minor()), amount.currency());
        let data = json!({ "x": B64u32::from(*x), "amount": amount, "evidence": octets(&evidence) });
        self.tell(&mut inner, "payment.paid-out", data, 1);
        true
    }

    /// Takes back what it did without having been asked, or what a bank took: the evidence says which, `moved` which way it went then.
    pub fn make_good(&self, x: &Digest, item: &Digest, amount: Amount, came_in: bool) -> bool {
        let mut inner = self.inner();
        let Some(evidence) = self.sign(&mut inner, "made-good", x, item, amount) else { return false };
        let minor = i128::from(amount.minor());
        inner.moves("made-good", x, if came_in { -minor } else { minor }, amount.currency());
        let data = json!({ "x": B64u32::from(*x), "item": B64u32::from(*item), "evidence": octets(&evidence) });
        self.tell(&mut inner, "payment.made-good", data, 1);
        true
    }

    /// What it keeps for the service.
    #[must_use]
    pub fn kept(&self, currency: Currency) -> i128 {
        self.inner().kept.get(&currency).copied().unwrap_or_default()
    }

    /// What a bank holds for a run.
    #[must_use]
    pub fn held_for(&self, x: &Digest) -> u64 {
        let inner = self.inner();
        inner.holds.values().filter(|held| held.x == *x && held.ended.is_none()).map(|held| held.rest).sum()
    }

    /// Its statement of accounts.
    #[must_use]
    pub fn statement(&self) -> Vec<StatementLine> {
        self.inner().lines.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked with it left imaginary money as it was between two statements.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call, as the contract of rails has it: known keys first, then the trick, then the deed.
    fn call(&self, op: RailOp, key: &Digest, x: &Digest, on: Option<Digest>, amount: Option<Amount>) -> RailAnswer {
        let mut inner = self.inner();
        if let Some(kept) = inner.calls.get(key) {
            let same = (kept.op, kept.on, kept.amount) == (op, on, amount);
            return if same { kept.answer.clone() } else { RailAnswer::Declined(DeclineCode::KeyReused) };
        }
        let is_new = !inner.lost.contains(key);
        let scripted = inner.script.get_mut(&op).filter(|_| is_new).and_then(VecDeque::pop_front);
        let trick = scripted.or_else(|| self.drawn(op, key).filter(|_| is_new));
        let run = on.as_ref().and_then(|on| inner.run_of(on)).unwrap_or(*x);
        let keep = |inner: &mut Inner, answer: &RailAnswer| {
            inner.calls.insert(*key, Kept { op, on, amount, answer: answer.clone() });
        };
        match trick {
            Some(Trick::TimeoutThenNothing) => {
                inner.lost.push(*key);
                return RailAnswer::Unknown;
            }
            Some(Trick::Decline(code)) => {
                let answer = RailAnswer::Declined(code);
                keep(&mut inner, &answer);
                self.tell_outcome(&mut inner, &run, key, &answer, 1);
                return answer;
            }
            _ => {}
        }
        let answer = self.perform(&mut inner, op, key, &run, on.as_ref(), amount, trick);
        keep(&mut inner, &answer);
        let times = if trick == Some(Trick::DuplicateWebhook) { 3 } else { 1 };
        self.tell_outcome(&mut inner, &run, key, &answer, times);
        match trick {
            Some(Trick::TimeoutThenDone) => RailAnswer::Unknown,
            // Its own records say done; it answered no.
            Some(Trick::DeclineThenDone) => RailAnswer::Declined(DeclineCode::Refused),
            _ => answer,
        }
    }

    /// What the seed says of this call.
    fn drawn(&self, op: RailOp, key: &Digest) -> Option<Trick> {
        let drawn = Digest::of(&[&self.seed[..], key.as_bytes()].concat()).0;
        if u16::from_be_bytes([drawn[0], drawn[1]]) % 1000 >= self.per_mille {
            return None;
        }
        let after_millis = u64::from(drawn[2]) * 3_600_000;
        Some(match (drawn[3] % 6, op) {
            (0, _) => Trick::Decline(DeclineCode::Refused),
            (1, _) => Trick::TimeoutThenDone,
            (2, _) => Trick::TimeoutThenNothing,
            (4, RailOp::Capture) => Trick::LateChargeback { after_millis },
            (4, RailOp::Hold) => Trick::Expire { after_millis },
            (5, _) => Trick::DeclineThenDone,
            _ => Trick::DuplicateWebhook,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one call with all that belongs to it")]
    fn perform(
        &self,
        inner: &mut Inner,
        op: RailOp,
        key: &Digest,
        x: &Digest,
        on: Option<&Digest>,
        amount: Option<Amount>,
        trick: Option<Trick>,
    ) -> RailAnswer {
        let amount = match inner.possible(op, on, amount) {
            Ok(amount) => amount,
            Err(no) => return no,
        };
        // What cannot be signed is not done, and nobody knows whether it will be.
        let Some(evidence) = self.sign(inner, op.name(), x, key, amount) else { return RailAnswer::Unknown };
        let (minor, now) = (i128::from(amount.minor()), inner.now);
        let mut expires_at = None;
        let moved = match op {
            RailOp::Hold => {
                expires_at = (self.class == RailClass::Auth).then(|| now.plus_millis(AUTH_MILLIS));
                if let Some(Trick::Expire { after_millis }) = trick {
                    expires_at = Some(now.plus_millis(after_millis));
                }
                let held = Held { x: *x, amount, rest: amount.minor(), expires_at, ended: None };
                inner.holds.insert(*key, held);
                if self.class == RailClass::Funded { minor } else { 0 }
            }
            RailOp::Capture => {
                inner.take(on, amount.minor());
                inner.captures.insert(*key, Taken { x: *x, amount, rest: amount.minor() });
                if self.class == RailClass::Auth { minor } else { 0 }
            }
            RailOp::Release => {
                inner.take(on, amount.minor());
                if self.class == RailClass::Funded { -minor } else { 0 }
            }
            RailOp::Refund => {
                if let Some(taken) = on.and_then(|on| inner.captures.get_mut(on)) {
                    taken.rest -= amount.minor();
                }
                -minor
            }
        };
        if let (Some(Trick::LateChargeback { after_millis }), RailOp::Capture) = (trick, op) {
            inner.due.push((now.plus_millis(after_millis), *key));
        }
        inner.moves(op.name(), x, moved, amount.currency());
        RailAnswer::Done(Done { amount, expires_at, evidence })
    }

    fn expire(&self, inner: &mut Inner, key: Digest) {
        let Some(held) = inner.holds.get_mut(&key) else { return };
        // What cannot be told does not happen again and again.
        held.expires_at = None;
        let (x, rest, currency) = (held.x, held.rest, held.amount.currency());
        let amount = Amount::new(rest, currency).unwrap_or_else(|| Amount::zero(currency));
        let Some(evidence) = self.sign(inner, "expired", &x, &key, amount) else { return };
        if let Some(held) = inner.holds.get_mut(&key) {
            (held.rest, held.ended) = (0, Some(Ended { amount, evidence: evidence.clone() }));
        }
        let moved = if self.class == RailClass::Funded { -i128::from(rest) } else { 0 };
        inner.moves("expired", &x, moved, currency);
        let data = json!({ "x": B64u32::from(x), "amount": amount, "evidence": octets(&evidence) });
        self.tell(inner, "payment.expired", data, 1);
    }

    fn charge_back(&self, inner: &mut Inner, key: Digest) {
        let Some(Taken { x, amount, .. }) = inner.captures.get(&key).cloned() else { return };
        let Some(evidence) = self.sign(inner, "charged-back", &x, &key, amount) else { return };
        inner.moves("charged-back", &x, -i128::from(amount.minor()), amount.currency());
        let data = json!({ "x": B64u32::from(x), "amount": amount, "evidence": octets(&evidence) });
        self.tell(inner, "payment.charged-back", data, 1);
    }

    fn sign(&self, inner: &mut Inner, what: &str, x: &Digest, key: &Digest, amount: Amount) -> Option<Evidence> {
        let serial = inner.serial + 1;
        let record = Record {
            rail: self.id.to_string(),
            what: what.to_owned(),
            x: (*x).into(),
            key: (*key).into(),
            amount,
            at_ms: inner.now.millis(),
            serial,
        };
        let payload = b64u::encode(&serde_json::to_vec(&record).ok()?);
        let signature = self.signer.sign(payload.as_bytes()).ok()?;
        inner.serial = serial;
        Evidence::new(format!("{payload}.{}", b64u::encode(&signature)).into_bytes())
    }

    fn tell_outcome(&self, inner: &mut Inner, x: &Digest, key: &Digest, answer: &RailAnswer, times: usize) {
        let (x, key) = (B64u32::from(*x), B64u32::from(*key));
        let data = match answer {
            RailAnswer::Unknown => return,
            RailAnswer::Declined(code) => json!({ "x": x, "key": key, "result": "declined", "code": code.name() }),
            RailAnswer::Ended(Ended { amount, evidence }) => {
                json!({ "x": x, "key": key, "result": "ended", "amount": amount, "evidence": octets(evidence) })
            }
            RailAnswer::Done(Done { amount, expires_at, evidence }) => json!({
                "x": x,
                "key": key,
                "result": "done",
                "amount": amount,
                "expires_at": expires_at,
                "evidence": octets(evidence),
            }),
        };
        self.tell(inner, "payment.outcome", data, times);
    }

    fn tell(&self, inner: &mut Inner, kind: &str, data: serde_json::Value, times: usize) {
        let body = json!({ "type": kind, "timestamp": inner.now.to_string(), "data": data }).to_string().into_bytes();
        for time in 0..times {
            // Of three, the first two are one notice.
            if time != 1 {
                inner.ids += 1;
            }
            let id = Digest::of(&[&self.seed[..], self.id.as_str().as_bytes(), &inner.ids.to_be_bytes()].concat());
            inner.notices.push(Notice { id: format!("sim_{}", hex::encode(&id.0[..16])), body: body.clone() });
        }
    }
}

/// As callbacks have it.
fn octets(evidence: &Evidence) -> String {
    b64u::encode(evidence.octets())
}

impl Inner {
    fn run_of(&self, on: &Digest) -> Option<Digest> {
        let hold = self.holds.get(on).map(|held| held.x);
        hold.or_else(|| self.captures.get(on).map(|taken| taken.x))
    }

    /// With how much a call can be done, or how it is answered if it cannot.
    fn possible(&self, op: RailOp, on: Option<&Digest>, amount: Option<Amount>) -> Result<Amount, RailAnswer> {
        let refused = RailAnswer::Declined(DeclineCode::Refused);
        let within = |most: u64, currency: Currency| {
            let fits = |amount: &Amount| amount.currency() == currency && !amount.is_zero() && amount.minor() <= most;
            amount.filter(fits).ok_or(refused.clone())
        };
        let held = || {
            let held = on.and_then(|on| self.holds.get(on)).ok_or(refused.clone())?;
            held.ended.clone().map_or(Ok(held), |ended| Err(RailAnswer::Ended(ended)))
        };
        match op {
            RailOp::Hold => amount.filter(|amount| !amount.is_zero()).ok_or(refused.clone()),
            RailOp::Capture => held().and_then(|held| within(held.rest, held.amount.currency())),
            RailOp::Release => {
                let held = held()?;
                Amount::new(held.rest, held.amount.currency()).filter(|rest| !rest.is_zero()).ok_or(refused.clone())
            }
            RailOp::Refund => {
                let taken = on.and_then(|on| self.captures.get(on)).ok_or(refused.clone())?;
                within(taken.rest, taken.amount.currency())
            }
        }
    }

    fn take(&mut self, hold: Option<&Digest>, minor: u64) {
        if let Some(held) = hold.and_then(|hold| self.holds.get_mut(hold)) {
            held.rest -= minor;
        }
    }

    fn moves(&mut self, what: &'static str, x: &Digest, minor: i128, currency: Currency) {
        self.lines.push(StatementLine { at: self.now, x: *x, what, minor });
        *self.kept.entry(currency).or_default() += minor;
    }
}

impl PaymentRail for Simulator {
    fn id(&self) -> &RailId {
        &self.id
    }

    fn class(&self) -> RailClass {
        self.class
    }

    fn hold(&self, key: &Digest, x: &Digest, amount: Amount, _until: Timestamp) -> RailAnswer {
        self.call(RailOp::Hold, key, x, None, Some(amount))
    }

    fn capture(&self, key: &Digest, hold: &Digest, amount: Amount) -> RailAnswer {
        self.call(RailOp::Capture, key, hold, Some(*hold), Some(amount))
    }

    fn release(&self, key: &Digest, hold: &Digest) -> RailAnswer {
        self.call(RailOp::Release, key, hold, Some(*hold), None)
    }

    fn refund(&self, key: &Digest, capture: &Digest, amount: Amount) -> RailAnswer {
        self.call(RailOp::Refund, key, capture, Some(*capture), Some(amount))
    }

    fn status(&self, key: &Digest) -> RailAnswer {
        self.inner().calls.get(key).map_or(RailAnswer::Unknown, |kept| kept.answer.clone())
    }

    fn evidence(&self, key: &Digest) -> Option<Evidence> {
        match &self.inner().calls.get(key)?.answer {
            RailAnswer::Done(done) => Some(done.evidence.clone()),
            RailAnswer::Ended(ended) => Some(ended.evidence.clone()),
            RailAnswer::Declined(_) | RailAnswer::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests;
