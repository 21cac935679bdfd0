//! CD-R in every order of events: the recipient has the key or the originator has no receipt, and the other way round.
//!
//! Whether the content is what was promised, the arbiter cannot know, so it is no part of this: fairness is weak on that point.

use semper_ttp::client::automaton::{Act, Message};
use semper_ttp::exchange::{Decision, Demand};
use semper_ttp::statement::exchange::{Outcome, Protocol, Side};

use super::run::{Read, Symbols, Weak, strong, weak};

type Run = super::run::Run<Sent>;
type World = super::run::World<Sent>;

/// A statement, by what it binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sent {
    /// d1, and whether its escrow holds the key: nobody sees that but the arbiter.
    D1 {
        opens: bool,
    },
    D2,
    D3,
    D4,
    Abort,
    /// resolve-r, and whether the escrow that comes with it is the one of d1.
    Take {
        swapped: bool,
    },
    Leave,
}

impl Sent {
    const GOOD: Self = Self::D1 { opens: true };
    const BAD: Self = Self::D1 { opens: false };
}

impl Symbols for Sent {
    const PROTOCOL: Protocol = Protocol::CdR;

    fn all() -> Vec<Self> {
        let takes = [false, true].map(|swapped| Self::Take { swapped });
        [Self::GOOD, Self::BAD, Self::D2, Self::D3, Self::D4, Self::Abort, Self::Leave]
            .into_iter()
            .chain(takes)
            .collect()
    }

    fn can_be_forged(self, run: &Run, world: &World) -> bool {
        let began = world.sent.contains(&Self::GOOD) || world.sent.contains(&Self::BAD);
        match (run.corrupt, self) {
            // One run: its first statement is one or the other.
            (Some(Side::Originator), Self::D1 { .. }) => !began,
            (Some(Side::Originator), Self::D3 | Self::Abort | Self::Leave) => true,
            // Everything that follows bears x, the hash of the first.
            (Some(Side::Responder), Self::D2 | Self::D4) => began,
            (Some(Side::Responder), Self::Take { swapped }) => began && (!swapped || run.weak == Weak::EscrowBeside),
            _ => false,
        }
    }

    fn read(self, _: &World, side: Side) -> Option<Read> {
        match (side, self) {
            (Side::Responder, Self::D1 { .. }) => Some(Read::First),
            (Side::Responder, Self::D3) => Some(Read::Message(Message::Opening, None)),
            (Side::Originator, Self::D2) => Some(Read::Message(Message::Answer, Some(0))),
            (Side::Originator, Self::D4) => Some(Read::Message(Message::Closing, None)),
            _ => None,
        }
    }

    fn of(act: Act, side: Side, _: &World) -> Vec<Self> {
        vec![match act {
            Act::SendOffer => Self::GOOD,
            Act::SendAnswer => Self::D2,
            Act::SendOpening => Self::D3,
            Act::SendClosing => Self::D4,
            Act::AskAbort => Self::Abort,
            Act::AskResolve if side == Side::Originator => Self::Leave,
            Act::AskResolve => Self::Take { swapped: false },
        }]
    }

    fn in_hand(self) -> Vec<Self> {
        match self {
            Self::Leave | Self::Take { .. } => vec![Self::D2],
            _ => vec![],
        }
    }

    fn asks(self, _: &Run, world: &World) -> Option<(Side, Demand, u8)> {
        let is_signed = |sent| world.sent.contains(&sent);
        if !is_signed(self) {
            return None;
        }
        match self {
            Self::Abort => Some((Side::Originator, Demand::Abort, 0)),
            Self::Take { swapped } if is_signed(Self::D2) => {
                let opens = is_signed(Self::GOOD) && !swapped;
                Some((Side::Responder, Demand::Take { opens }, 1 + u8::from(swapped)))
            }
            Self::Leave if is_signed(Self::D2) => Some((Side::Originator, Demand::Deposit, 3)),
            _ => None,
        }
    }

    fn is_fair(run: &Run, world: &World) -> bool {
        let has = |sent: Self| world.sent.contains(&sent) || sent.can_be_forged(run, world);
        let released = Run::was_decided(world, Outcome::Released);
        let o_is_fair = !run.is_honest(Side::Originator)
            || Run::ended(world, Side::Originator) != Some(false)
            // Without a receipt, the recipient has no key.
            || !(world.sent.contains(&Self::D3) || released);
        let r_is_fair = !run.is_honest(Side::Responder)
            || Run::ended(world, Side::Responder) != Some(false)
            // Without the key, nobody has a receipt.
            || !(has(Self::D4) || released);
        o_is_fair && r_is_fair
    }

    fn is_undeniable(run: &Run, world: &World) -> bool {
        // An honest originator has not both shown its key and taken it back; an honest recipient has signed a receipt only with the key.
        let both = world.sent.contains(&Self::D3) && world.sent.contains(&Self::Abort);
        let bare = world.sent.contains(&Self::D4) && !world.sent.contains(&Self::D3);
        !(run.is_honest(Side::Originator) && both || run.is_honest(Side::Responder) && bare)
    }

    fn has_grounds(decision: &Decision, world: &World) -> bool {
        let is_signed = |sent| world.sent.contains(&sent);
        match (decision.outcome, decision.side) {
            (Outcome::Aborted, _) => is_signed(Self::Abort),
            (Outcome::Released, Side::Responder) => is_signed(Self::GOOD) && is_signed(Self::D2),
            (Outcome::Released, Side::Originator) => is_signed(Self::Leave) && is_signed(Self::D2),
            (Outcome::Void, _) => !is_signed(Self::GOOD) && is_signed(Self::D2),
            (Outcome::Resolved | Outcome::Expired | Outcome::Returned | Outcome::Captured, _) => false,
        }
    }
}

#[test]
fn cd_r_is_fair_timely_and_accountable() {
    for corrupt in [None, Some(Side::Originator), Some(Side::Responder)] {
        strong::<Sent>(corrupt, false, 0);
        strong::<Sent>(corrupt, true, 0);
    }
}

#[test]
fn cdr_outage_at_expiry() {
    for corrupt in [Some(Side::Originator), Some(Side::Responder)] {
        strong::<Sent>(corrupt, true, 1);
    }
    weak(Run::new(Some(Side::Responder), true, 1, Weak::NoOutageRule), "strong_fair_");
}

/// A receipt that comes after t_exp − δ, when nobody can be asked in time any more: then there is no d3.
#[test]
fn cdr_late_d2() {
    weak(Run::new(Some(Side::Responder), true, 0, Weak::NoDelta), "strong_fair_");
}

/// The recipient has the key, and shows the arbiter another escrow.
#[test]
fn cdr_escrow_swap() {
    for expires in [false, true] {
        weak(Run::new(Some(Side::Responder), expires, 0, Weak::EscrowBeside), "strong_fair_");
    }
}

/// The originator escrows rubbish, and leaves the right key when the recipient has gone.
#[test]
fn cdr_void_then_resolve_o() {
    weak(Run::new(Some(Side::Originator), false, 0, Weak::VoidIsForgotten), "strong_fair_");
    weak(Run::new(Some(Side::Originator), false, 0, Weak::VoidIsForgotten), "decided once");
}

#[test]
fn an_originator_that_opens_after_it_has_asked_to_abort_is_cheated() {
    weak(Run::new(Some(Side::Responder), false, 0, Weak::OpensAfterAbort), "strong_fair_");
}

#[test]
fn a_delivery_is_known_by_x_and_not_by_a_copy() {
    weak(Run::new(Some(Side::Originator), false, 0, Weak::ByCopy), "decided once");
}
