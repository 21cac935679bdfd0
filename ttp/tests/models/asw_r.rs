//! ASW-R in every order of events. `abuse_` is not claimed, and a test shows that it does not hold.

use semper_ttp::client::automaton::{Act, Message};
use semper_ttp::digest::Digest;
use semper_ttp::exchange::{Decision, Demand};
use semper_ttp::statement::exchange::{Outcome, Protocol, Side};
use stateright::Model as _;

use super::run::{Action, Read, Symbols, Weak, strong, weak};

type Run = super::run::Run<Sent>;
type World = super::run::World<Sent>;

/// Nonces of the responder.
const NONCES: [u8; 2] = [1, 2];

/// A statement, by what it binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sent {
    M1,
    M2(u8),
    M3(u8),
    M4(u8),
    Abort,
    Resolve(Side, u8),
}

impl Symbols for Sent {
    const PROTOCOL: Protocol = Protocol::AswR;

    fn all() -> Vec<Self> {
        let of_nonce = NONCES.into_iter().flat_map(|nonce| {
            let resolve = [Side::Originator, Side::Responder].map(|side| Self::Resolve(side, nonce));
            [Self::M2(nonce), Self::M3(nonce), Self::M4(nonce)].into_iter().chain(resolve)
        });
        [Self::M1, Self::Abort].into_iter().chain(of_nonce).collect()
    }

    fn can_be_forged(self, run: &Run, world: &World) -> bool {
        let opened = world.sent.iter().any(|sent| matches!(sent, Self::M3(_)));
        match (run.corrupt, self) {
            (Some(Side::Originator), Self::M1 | Self::M3(_) | Self::Abort | Self::Resolve(Side::Originator, _)) => true,
            (Some(Side::Responder), Self::M2(_) | Self::M4(_) | Self::Resolve(Side::Responder, _)) => true,
            // A nonce that is known opens whatever it is said to open.
            (_, Self::M3(_)) => run.weak == Weak::UnsignedOpening && opened,
            _ => false,
        }
    }

    fn read(self, world: &World, side: Side) -> Option<Read> {
        match (side, self) {
            (Side::Responder, Self::M1) => Some(Read::First),
            // An honest responder answers with its first nonce and no other.
            (Side::Responder, Self::M3(nonce)) if nonce == NONCES[0] => Some(Read::Message(Message::Opening, None)),
            (Side::Originator, Self::M2(nonce)) => Some(Read::Message(Message::Answer, Some(nonce))),
            (Side::Originator, Self::M4(nonce)) if world.taken == Some(nonce) => {
                Some(Read::Message(Message::Closing, None))
            }
            _ => None,
        }
    }

    fn of(act: Act, side: Side, world: &World) -> Vec<Self> {
        match act {
            Act::SendOffer => vec![Self::M1],
            Act::SendAnswer => vec![Self::M2(NONCES[0])],
            Act::SendOpening => world.taken.map(Self::M3).into_iter().collect(),
            Act::SendClosing => vec![Self::M4(NONCES[0])],
            Act::AskAbort => vec![Self::Abort],
            Act::AskResolve => vec![Self::Resolve(side, world.taken.unwrap_or(NONCES[0]))],
        }
    }

    fn in_hand(self) -> Vec<Self> {
        match self {
            Self::Resolve(_, nonce) => vec![Self::M2(nonce)],
            _ => vec![],
        }
    }

    fn asks(self, _: &Run, world: &World) -> Option<(Side, Demand, u8)> {
        let is_signed = |sent| world.sent.contains(&sent);
        match self {
            Self::Abort if is_signed(self) => Some((Side::Originator, Demand::Abort, 0)),
            Self::Resolve(side, nonce) if is_signed(self) && is_signed(Self::M2(nonce)) => {
                Some((side, Demand::Resolve { c_r: Digest([nonce; 32]) }, nonce))
            }
            _ => None,
        }
    }

    fn is_fair(run: &Run, world: &World) -> bool {
        let honest = [Side::Originator, Side::Responder].into_iter().filter(|side| run.is_honest(*side));
        honest.into_iter().all(|side| Run::ended(world, side) != Some(false) || !is_provable(run, world))
    }

    fn is_undeniable(run: &Run, world: &World) -> bool {
        // What an honest originator is shown to have opened is what it took, and it has not taken it back as well.
        let openings = world.sent.iter().filter_map(|sent| match sent {
            Self::M3(nonce) => Some(*nonce),
            _ => None,
        });
        let mut openings = openings.peekable();
        !run.is_honest(Side::Originator)
            || openings.peek().is_none()
            || (!world.sent.contains(&Self::Abort) && openings.all(|nonce| world.taken == Some(nonce)))
    }

    fn has_grounds(decision: &Decision, world: &World) -> bool {
        match decision.outcome {
            Outcome::Aborted => world.sent.contains(&Self::Abort),
            Outcome::Resolved => NONCES
                .iter()
                .any(|nonce| decision.c_r == Some(Digest([*nonce; 32])) && world.sent.contains(&Self::M2(*nonce))),
            Outcome::Expired | Outcome::Released | Outcome::Void | Outcome::Returned | Outcome::Captured => false,
        }
    }
}

/// Whether somebody outside would be convinced that there is a contract: by the arbiter's verdict, or by both openings, where a corrupt
/// side makes what is its own.
fn is_provable(run: &Run, world: &World) -> bool {
    let has = |sent: Sent| world.sent.contains(&sent) || sent.can_be_forged(run, world);
    Run::was_decided(world, Outcome::Resolved)
        || NONCES
            .iter()
            .any(|nonce| has(Sent::M1) && has(Sent::M2(*nonce)) && has(Sent::M3(*nonce)) && has(Sent::M4(*nonce)))
}

#[test]
fn asw_r_is_fair_timely_and_accountable() {
    for corrupt in [None, Some(Side::Originator), Some(Side::Responder)] {
        strong::<Sent>(corrupt, false, 0);
        strong::<Sent>(corrupt, true, 0);
    }
}

#[test]
fn asw_r_outage_at_expiry() {
    for corrupt in [Some(Side::Originator), Some(Side::Responder)] {
        strong::<Sent>(corrupt, true, 1);
    }
    weak(Run::new(Some(Side::Responder), true, 1, Weak::NoOutageRule), "strong_fair_");
}

#[test]
fn asw_r_expiry_without_delta() {
    weak(Run::new(Some(Side::Responder), true, 0, Weak::NoDelta), "strong_fair_");
}

#[test]
fn a_run_is_known_by_x_and_not_by_a_copy() {
    for corrupt in [Side::Originator, Side::Responder] {
        weak(Run::new(Some(corrupt), false, 0, Weak::ByCopy), "strong_fair_");
        weak(Run::new(Some(corrupt), false, 0, Weak::ByCopy), "decided once");
    }
}

#[test]
fn an_unsigned_opening_splits_the_run() {
    weak(Run::new(Some(Side::Responder), false, 0, Weak::UnsignedOpening), "nonrepud_");
}

#[test]
fn an_originator_that_opens_after_it_has_asked_to_abort_is_cheated() {
    weak(Run::new(Some(Side::Responder), false, 0, Weak::OpensAfterAbort), "strong_fair_");
}

/// Not claimed: with m2 in hand and nothing sent, a corrupt originator can show that it alone decides.
#[test]
fn abuse_is_not_ruled_out() {
    let run = Run::new(Some(Side::Originator), false, 0, Weak::Nothing);
    let mut world = run.init_states().remove(0);
    for action in
        [Action::Forge(Sent::M1), Action::Deliver(Side::Responder, Sent::M1), Action::Perform(Side::Responder)]
    {
        world = run.next_state(&world, action).unwrap();
    }
    assert!(world.sent.contains(&Sent::M2(NONCES[0])), "which an outsider can verify");
    let after = |request: Sent| {
        let world = run.next_state(&world, Action::Forge(request)).unwrap();
        Run::verdict(&run.next_state(&world, Action::Decide(request, 0)).unwrap())
    };
    assert_eq!(after(Sent::Abort), Some(Outcome::Aborted));
    assert_eq!(after(Sent::Resolve(Side::Originator, NONCES[0])), Some(Outcome::Resolved));
}
