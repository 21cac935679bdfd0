//! What a payment rail is: somebody else's system that holds money and moves it when asked.
//!
//! A call bears a key that is made before it and is the same at every retry:
//!
//! ```text
//! key = SHA-256("semper/pay/1" 00 ‖ x ‖ op ‖ be32(seq))        op in ASCII: hold, capture, release, refund
//! ```
//!
//! The contract of a rail:
//!
//! 1. It does what a key asks at most once, however often it is asked; another demand under a known key is declined.
//! 2. `Done`, `Declined` and `Ended` are final. `Unknown` says nothing: not that it was done, not that it was not.
//! 3. `status` asks for nothing to be done. Of a key that the rail never saw it gives `Unknown`: the first call may still be under way, so
//!    the way out is the same call again, which contract 1 makes harmless.
//! 4. **Every report names its amount**, also that of a hold that ended by itself: nobody else knows how much of it was still there.
//! 5. Evidence is octets that the rail signs and anybody can check with its key. We keep them as they are and understand nothing of them.
//!
//! The trait is synchronous: the shell calls a rail on a thread that may block.

use std::fmt;

use crate::digest::Digest;
use crate::evidence::codes;
use crate::money::Amount;
use crate::time::Timestamp;

pub use crate::money::RailId;

/// The most octets of a rail's evidence.
pub const EVIDENCE_BYTES_MAX: usize = 64 * 1024;

codes! {
    /// Where the money is while it is held.
    RailClass {
        /// It sits with the service.
        Funded = 0 "funded",
        /// A bank holds it, for a time that the bank sets.
        Auth = 1 "auth",
    }
}

codes! {
    /// What a rail is asked for.
    RailOp {
        /// To hold money of the payer.
        Hold = 0 "hold",
        /// To take what is held.
        Capture = 1 "capture",
        /// To let go of it.
        Release = 2 "release",
        /// To give back what was taken.
        Refund = 3 "refund",
    }
}

codes! {
    /// Why a rail declined, as far as it matters here. What else the rail says of it stays with the rail.
    DeclineCode {
        /// It does not say, or for a reason of its own.
        Refused = 0 "refused",
        /// The payer has not enough.
        Funds = 1 "funds",
        /// The hold has ended. That alone ends none in the book: a rail that lets one end says [`RailAnswer::Ended`].
        Expired = 2 "expired",
        /// The rail cannot do that.
        Unsupported = 3 "unsupported",
        /// The key was used for something else: a fault of ours.
        KeyReused = 4 "key-reused",
        /// The payer must do something first, and did not.
        PayerAction = 5 "payer-action",
    }
}

/// The key of a call.
#[must_use]
pub fn rail_key(x: &Digest, op: RailOp, seq: u32) -> Digest {
    Digest::of(&[b"semper/pay/1\0", &x.as_bytes()[..], op.name().as_bytes(), &seq.to_be_bytes()].concat())
}

/// What a rail signed about something that it did: opaque octets, at most [`EVIDENCE_BYTES_MAX`].
#[derive(Clone, PartialEq, Eq)]
pub struct Evidence(Vec<u8>);

impl Evidence {
    /// `None` for nothing, and for too much.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Option<Self> {
        (1..=EVIDENCE_BYTES_MAX).contains(&octets.len()).then_some(Self(octets))
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Their SHA-256, which is all that facts hold.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// What a rail says may name people.
impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Evidence({} octets, {})", self.0.len(), self.sha256())
    }
}

/// How a call ended, or a question for its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RailAnswer {
    /// It is done.
    Done(Done),
    /// It will not be done under this key.
    Declined(DeclineCode),
    /// It will not be done under this key, since the hold had ended by itself.
    Ended(Ended),
    /// Nobody can tell yet.
    Unknown,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// With how much. Of a release: what was still held.
    pub amount: Amount,
    /// Of a hold: when it ends by itself, if it does.
    pub expires_at: Option<Timestamp>,
    /// What the rail signed about it.
    pub evidence: Evidence,
}

/// The end of a hold by itself, whether the rail tells it unasked or to whoever still wanted something of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How much went back.
    pub amount: Amount,
    /// What the rail signed about it: the same, however often it tells.
    pub evidence: Evidence,
}

/// A payment rail; see the module for its contract.
pub trait PaymentRail: Send + Sync + fmt::Debug {
    /// Its name.
    fn id(&self) -> &RailId;

    /// Where it keeps the money.
    fn class(&self) -> RailClass;

    /// Holds `amount` of the payer of run `x`, until `until` at the least if it can.
    fn hold(&self, key: &Digest, x: &Digest, amount: Amount, until: Timestamp) -> RailAnswer;

    /// Takes `amount` of what the call `hold` holds.
    fn capture(&self, key: &Digest, hold: &Digest, amount: Amount) -> RailAnswer;

    /// Lets go of what the call `hold` still holds.
    fn release(&self, key: &Digest, hold: &Digest) -> RailAnswer;

    /// Gives back `amount` of what the call `capture` took.
    fn refund(&self, key: &Digest, capture: &Digest, amount: Amount) -> RailAnswer;

    /// How the call with this key ended.
    fn status(&self, key: &Digest) -> RailAnswer;

    /// What the rail signed about it, if it is done.
    fn evidence(&self, key: &Digest) -> Option<Evidence>;
}

/// A call with all that a rail needs; it follows from the state, and is the same however often it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RailCall {
    /// By which rail.
    pub rail: RailId,
    /// Its key.
    pub key: Digest,
    /// What for.
    pub op: RailOp,
    /// The run.
    pub x: Digest,
    /// The key of the call that it builds on: of a capture or a release the hold, of a refund the capture.
    pub on: Option<Digest>,
    /// How much.
    pub amount: Amount,
    /// Until when a hold is wanted.
    pub until: Timestamp,
}

impl RailCall {
    /// Makes the call.
    #[must_use]
    pub fn make(&self, rail: &dyn PaymentRail) -> RailAnswer {
        match (self.op, &self.on) {
            (RailOp::Hold, _) => rail.hold(&self.key, &self.x, self.amount, self.until),
            (RailOp::Capture, Some(hold)) => rail.capture(&self.key, hold, self.amount),
            (RailOp::Release, Some(hold)) => rail.release(&self.key, hold),
            (RailOp::Refund, Some(capture)) => rail.refund(&self.key, capture, self.amount),
            // No state makes such a call: it builds on nothing.
            (RailOp::Capture | RailOp::Release | RailOp::Refund, None) => RailAnswer::Declined(DeclineCode::Refused),
        }
    }

    /// After a timeout or a crash: asks how the call ended, and makes the same call again if nobody can tell.
    #[must_use]
    pub fn settle(&self, rail: &dyn PaymentRail) -> RailAnswer {
        match rail.status(&self.key) {
            RailAnswer::Unknown => self.make(rail),
            known => known,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Rails know calls by these keys, so they never change.
    #[test]
    fn a_key_follows_from_run_op_and_number() {
        let x = Digest([7; 32]);
        let input = [b"semper/pay/1\0".to_vec(), vec![7; 32], b"capture".to_vec(), vec![0, 0, 0, 2]].concat();
        assert_eq!(rail_key(&x, RailOp::Capture, 2), Digest::of(&input));
        let frozen = "9a8ccb677c3adefd1ee0b5f71e97546efb751493f64ec91f06afce69b3e5c7a2";
        assert_eq!(rail_key(&x, RailOp::Capture, 2).to_string(), frozen);
        let mut keys = BTreeSet::new();
        for x in [7, 8] {
            for op in RailOp::ALL {
                keys.extend([0, 1, u32::MAX].map(|seq| rail_key(&Digest([x; 32]), *op, seq)));
            }
        }
        assert_eq!(keys.len(), 24);
    }

    #[test]
    fn a_rail_has_a_short_name() {
        for good in ["simulator", "a", "sepa-inst-2", "0123456789abcdef"] {
            assert_eq!(RailId::new(good).as_ref().map(RailId::as_str), Some(good));
        }
        for bad in ["", "A", "a/b", "a b", "ä", "0123456789abcdefg"] {
            assert_eq!(RailId::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn evidence_is_bounded_and_not_shown() {
        assert_eq!(Evidence::new(Vec::new()), None);
        assert_eq!(Evidence::new(vec![0; EVIDENCE_BYTES_MAX + 1]), None);
        let evidence = Evidence::new(b"Ms Example paid".to_vec()).unwrap();
        assert!(!format!("{evidence:?}").contains("Example"));
        assert_eq!(evidence.sha256(), Digest::of(b"Ms Example paid"));
    }
}
