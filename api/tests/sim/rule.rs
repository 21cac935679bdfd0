//! What is broken on purpose in a run, so that what the simulation checks is known to bite.

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Contracts and deliveries, where the arbiter is asked on failure alone.
    Optimistic,
    /// Exchanges through the arbiter.
    Inline,
    /// Payments for goods and receipts.
    Paid,
}

/// What somebody does not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Everybody keeps all of them.
    All,
    /// After an abort never the third message.
    NoOpeningAfterAbort,
    /// δ.
    Delta,
    /// The responder closes only what was opened.
    NoClosingBeforeOpening,
    /// The new state is on the disk before a message leaves.
    StoreFirst,
    /// The arbiter loses no request that it has given a receipt for.
    PromisesKept,
    /// A proposal to which nobody agrees is given up when its time is over.
    GivesUp,
    /// Who has deposited waits for the arbiter's verdict, whatever it wants.
    OverByVerdictAlone,
    /// No item goes any other way than through the arbiter.
    ThroughTheArbiter,
    /// A seller ships what the money is held for.
    HeldBeforeShipped,
    /// A buyer says that it has received what it has.
    ReceivedMeansReceived,
    /// Whatever a rail is asked again has the same key.
    OneKey,
}

impl Rule {
    /// In which runs it counts; `None` for all.
    pub(crate) const fn family(self) -> Option<Family> {
        match self {
            Self::All => None,
            Self::NoOpeningAfterAbort
            | Self::Delta
            | Self::NoClosingBeforeOpening
            | Self::StoreFirst
            | Self::PromisesKept => Some(Family::Optimistic),
            Self::GivesUp | Self::OverByVerdictAlone | Self::ThroughTheArbiter => Some(Family::Inline),
            Self::HeldBeforeShipped | Self::ReceivedMeansReceived | Self::OneKey => Some(Family::Paid),
        }
    }
}
