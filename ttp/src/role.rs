//! The shape of every role, and the fold of its facts into state.
//!
//! ```text
//! decide(&state, event, now) → facts + effects | refusal      may say no, changes nothing
//! apply(&mut state, fact)                                     changes the state, cannot say no
//! ```
//!
//! The facts are the truth. The state is their fold and nothing else, so its snapshot row is a cache: it carries
//! [`Folded::STATE_VERSION`], and a row of another version, or one that does not read, is rebuilt from the facts.

use crate::cbor::{self, Reader, Writer};
use crate::evidence::{CaKind, Fact, FactError, Kind, Recorded};
use crate::time::Timestamp;

/// What a decision leaves: facts, and what the shell must now do.
pub type Decided<R> = (Vec<<R as Role>::Fact>, Vec<<R as Role>::Effect>);

/// A role decides; it never reads a clock, a disk, a socket or a random source.
pub trait Role {
    /// Folded from facts; for a role without facts of its own to fold, its settings.
    type State;
    /// Parsed, authenticated, carrying its serials, nonces and salts.
    type Event;
    /// In the past tense; goes to the private store, its digest to the ledger.
    type Fact;
    /// What the shell must now do: sign, notify, arm a timer.
    type Effect;
    /// An expected "no", with a stable code.
    type Refusal;

    /// Decides one event.
    ///
    /// # Errors
    /// The refusal.
    fn decide(state: &Self::State, event: &Self::Event, now: Timestamp) -> Result<Decided<Self>, Self::Refusal>;

    /// Folds one fact into the state.
    fn apply(state: &mut Self::State, fact: &Self::Fact);
}

/// Decides, then applies every fact: (state, event, now) → (new state, effects). Tests and the simulator drive this.
///
/// # Errors
/// The refusal; the state is then as before.
pub fn step<R: Role>(state: &mut R::State, event: &R::Event, now: Timestamp) -> Result<Decided<R>, R::Refusal> {
    let (facts, effects) = R::decide(state, event, now)?;
    for fact in &facts {
        R::apply(state, fact);
    }
    Ok((facts, effects))
}

/// A role whose state is folded from stored facts and cached in a snapshot row.
pub trait Folded: Role<State: Default, Fact: Recorded> {
    /// Raised whenever the state's encoding or its meaning changes.
    const STATE_VERSION: u64;

    /// The state as one CBOR item, equal for equal states.
    fn write_state(state: &Self::State, writer: &mut Writer);

    /// Reads what [`Folded::write_state`] wrote.
    ///
    /// # Errors
    /// Any CBOR error; the caller then folds the facts anew.
    fn read_state(reader: &mut Reader<'_>) -> Result<Self::State, cbor::Error>;
}

/// State as folded so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot<S> {
    /// The `seq` that the next fact must have: the number of facts folded.
    pub next_seq: u64,
    /// Their fold.
    pub state: S,
}

impl<S: Default> Default for Snapshot<S> {
    fn default() -> Self {
        Self { next_seq: 0, state: S::default() }
    }
}

/// The snapshot row: `[STATE_VERSION, next_seq, state]`.
#[must_use]
pub fn encode_snapshot<R: Folded>(snapshot: &Snapshot<R::State>) -> Vec<u8> {
    let mut writer = Writer::with_capacity(64);
    writer.array(3).uint(R::STATE_VERSION).uint(snapshot.next_seq);
    R::write_state(&snapshot.state, &mut writer);
    writer.finish()
}

/// Reads a snapshot row; `None` means "fold the facts": another version, or bytes that do not read.
#[must_use]
pub fn decode_snapshot<R: Folded>(row: &[u8]) -> Option<Snapshot<R::State>> {
    let mut reader = Reader::new(row);
    reader.array(3).ok()?;
    if reader.uint().ok()? != R::STATE_VERSION {
        return None;
    }
    let next_seq = reader.uint().ok()?;
    let state = R::read_state(&mut reader).ok()?;
    reader.end().ok()?;
    Some(Snapshot { next_seq, state })
}

/// Why facts do not fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// A fact does not read.
    #[error("{0}")]
    Fact(#[from] FactError),
    /// A fact is missing, doubled or out of order.
    #[error("fact with seq {found} where {expected} was expected")]
    Seq {
        /// The place that comes next.
        expected: u64,
        /// The `seq` of the fact.
        found: u64,
    },
}

/// Folds the facts of one aggregate, oldest first, on top of `snapshot`.
///
/// # Errors
/// [`FoldError`]; a caller that trusted the rows has then lost certainty about what is on disk.
pub fn fold<'a, R: Role<State: Default, Fact: Recorded>>(
    mut snapshot: Snapshot<R::State>,
    facts: impl IntoIterator<Item = &'a Fact>,
) -> Result<Snapshot<R::State>, FoldError> {
    for fact in facts {
        if fact.seq != snapshot.next_seq {
            return Err(FoldError::Seq { expected: snapshot.next_seq, found: fact.seq });
        }
        R::apply(&mut snapshot.state, &R::Fact::from_fact(fact)?);
        snapshot.next_seq += 1;
    }
    Ok(snapshot)
}

/// The snapshot row that the facts of one aggregate, oldest first, must have left; `None` for an aggregate that has no
/// snapshot (tokens, keys, certificates, applications, parties). `fsck --full` compares it with the row in the store.
///
/// # Errors
/// [`FoldError`], as [`fold`].
pub fn fold_snapshot(facts: &[Fact]) -> Result<Option<Vec<u8>>, FoldError> {
    // All facts of an aggregate belong to one role; a stranger among them fails in `from_fact`.
    match facts.first().map(|fact| fact.kind) {
        Some(Kind::Ca(CaKind::CrlIssued)) => folded_row::<crate::ca::Crl>(facts).map(Some),
        Some(Kind::Notary(_)) => folded_row::<crate::notary::Journal>(facts).map(Some),
        Some(
            Kind::Ledger(_)
            | Kind::Ops(_)
            | Kind::Timestamp(_)
            | Kind::Exchange(_)
            | Kind::Archive(_)
            | Kind::Payment(_)
            | Kind::Party(_)
            | Kind::Account(_)
            | Kind::Ca(
                CaKind::CertificateIssued
                | CaKind::CertificateRevoked
                | CaKind::IssueRefused
                | CaKind::BulkOrdered
                | CaKind::BulkDone
                | CaKind::RevocationAsked
                | CaKind::AuthorityImported
                | CaKind::CertificateImported,
            ),
        )
        | None => Ok(None),
    }
}

fn folded_row<R: Folded>(facts: &[Fact]) -> Result<Vec<u8>, FoldError> {
    Ok(encode_snapshot::<R>(&fold::<R>(Snapshot::default(), facts)?))
}

/// The manual: a role on one screen. A ticket machine gives each visitor the next number until it runs out.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::evidence::{Aggregate, Envelope, OpsKind};

    /// A real role has these in `state.rs`, `event.rs`, `fact.rs`, `refusal.rs`.
    #[derive(Debug, Default, Clone, PartialEq, Eq)]
    struct TicketMachine {
        given: u64,
    }

    /// Imperative: what is asked. Whatever is random was drawn by the shell.
    enum Event {
        GiveTicket { colour: u64 },
    }

    /// Past tense: what was decided.
    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Given {
        Ticket { number: u64, colour: u64 },
    }

    #[derive(Debug, PartialEq, Eq)]
    enum Effect {
        Print { number: u64 },
    }

    /// Carries the numbers that explain it.
    #[derive(Debug, PartialEq, Eq)]
    enum Refusal {
        SoldOut { given: u64 },
        Closed { opens_at: Timestamp },
    }

    const OPENS_AT: Timestamp = Timestamp::from_millis(1_000);
    const TICKETS_MAX: u64 = 2;

    struct Tickets;

    impl Role for Tickets {
        type State = TicketMachine;
        type Event = Event;
        type Fact = Given;
        type Effect = Effect;
        type Refusal = Refusal;

        fn decide(state: &TicketMachine, event: &Event, now: Timestamp) -> Result<Decided<Self>, Refusal> {
            let Event::GiveTicket { colour } = *event;
            if now < OPENS_AT {
                return Err(Refusal::Closed { opens_at: OPENS_AT });
            }
            if state.given == TICKETS_MAX {
                return Err(Refusal::SoldOut { given: state.given });
            }
            let number = state.given + 1;
            Ok((vec![Given::Ticket { number, colour }], vec![Effect::Print { number }]))
        }

        fn apply(state: &mut TicketMachine, fact: &Given) {
            let Given::Ticket { number, .. } = fact;
            state.given = *number;
        }
    }

    impl Recorded for Given {
        const RULES: u64 = 1;

        fn kind(&self) -> Kind {
            // A real role has its own number in `evidence.rs`; the toy borrows one.
            Kind::Ops(OpsKind::OperatorAct)
        }

        fn write_body(&self, writer: &mut Writer) {
            let Self::Ticket { number, colour } = self;
            writer.array(2).uint(*number).uint(*colour);
        }

        fn read_body(kind: Kind, reader: &mut Reader<'_>) -> Result<Self, FactError> {
            if kind != Kind::Ops(OpsKind::OperatorAct) {
                return Err(FactError::OtherKind { found: kind });
            }
            reader.array(2)?;
            Ok(Self::Ticket { number: reader.uint()?, colour: reader.uint()? })
        }
    }

    impl Folded for Tickets {
        const STATE_VERSION: u64 = 7;

        fn write_state(state: &TicketMachine, writer: &mut Writer) {
            writer.uint(state.given);
        }

        fn read_state(reader: &mut Reader<'_>) -> Result<TicketMachine, cbor::Error> {
            Ok(TicketMachine { given: reader.uint()? })
        }
    }

    /// The table over (state, event, now): each row has the exact facts or the exact refusal.
    #[test]
    fn decides() {
        let late = Timestamp::from_millis(1_000);
        let early = Timestamp::from_millis(999);
        let ticket = |number| Ok(vec![Given::Ticket { number, colour: 4 }]);
        let table = [
            (0, early, Err(Refusal::Closed { opens_at: OPENS_AT })),
            (0, late, ticket(1)),
            (1, late, ticket(2)),
            (2, late, Err(Refusal::SoldOut { given: 2 })),
            (2, early, Err(Refusal::Closed { opens_at: OPENS_AT })),
        ];
        for (given, now, expected) in table {
            let decided = Tickets::decide(&TicketMachine { given }, &Event::GiveTicket { colour: 4 }, now);
            assert_eq!(decided.map(|(facts, _)| facts), expected, "given {given} at {now}");
        }
    }

    fn history() -> (TicketMachine, Vec<Fact>) {
        let mut state = TicketMachine::default();
        let mut stored = Vec::new();
        for colour in [5, 6] {
            let (facts, effects) = step::<Tickets>(&mut state, &Event::GiveTicket { colour }, OPENS_AT).unwrap();
            assert_eq!(effects, [Effect::Print { number: state.given }]);
            for fact in facts {
                stored.push(fact.into_fact(&Envelope {
                    aggregate: Aggregate::of("tickets", b"hall"),
                    seq: stored.len() as u64,
                    now: OPENS_AT,
                    salt: [0; 16],
                    policy_hash: Digest::default(),
                    event_digest: Digest::default(),
                }));
            }
        }
        (state, stored)
    }

    #[test]
    fn folding_the_facts_gives_the_state() {
        let (state, stored) = history();
        let snapshot = fold::<Tickets>(Snapshot::default(), &stored).unwrap();
        assert_eq!(snapshot, Snapshot { next_seq: 2, state });
        // From a snapshot in the middle, too.
        let half = fold::<Tickets>(Snapshot::default(), &stored[..1]).unwrap();
        assert_eq!(fold::<Tickets>(half, &stored[1..]).unwrap(), snapshot);
        // A hole in the history is an error, not another state.
        assert_eq!(fold::<Tickets>(Snapshot::default(), &stored[1..]), Err(FoldError::Seq { expected: 0, found: 1 }));
    }

    #[test]
    fn a_snapshot_is_a_cache() {
        let (state, _) = history();
        let snapshot = Snapshot { next_seq: 2, state };
        let row = encode_snapshot::<Tickets>(&snapshot);
        assert_eq!(hex::encode(&row), "83070202");
        assert_eq!(decode_snapshot::<Tickets>(&row), Some(snapshot));
        for other in ["83080202", "830702", "8307020200", "84070202", ""] {
            assert_eq!(decode_snapshot::<Tickets>(&hex::decode(other).unwrap()), None, "{other}");
        }
    }
}
