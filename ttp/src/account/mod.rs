//! Proofs of misbehaviour: bytes that convict a third party before an outsider (DESIGN §1, promise 4).
//!
//! Who makes them: whoever compares, such as a monitor, an auditor, a witness, or a party that holds an artefact. Who
//! checks them: anybody, offline, from the third party's public keys alone ([`judge`]). What convicts is signed by the
//! accused; everything else in a proof is arithmetic, so it does not matter who made it.
//!
//! **Whom it binds.** What entries mean, and that their tags and times are promises, a log of ours says by its genesis
//! entry: without it, nothing that a log holds convicts it, for a stranger's may hold whatever it likes. A timestamp is
//! owed an entry by the ledger that its unit belongs to, which is the one that recorded the issue of the unit's certificate:
//! one verifier may trust the keys of several. A record of an act is a notary's by its entry, which nobody else can make:
//! parties sign by certificates of the same form ([`crate::x509::act`]). By that entry its key is the notary's, too, and binds it
//! to what it left out of the ledger. Two records convict whoever held the key; that it was stolen is for him to show.
//!
//! | kind | what is shown | result |
//! |---|---|---|
//! | equivocation (PoM-1) | genesis, and two entries with one and the same tag: one question decided twice | proven |
//! | the same, of a notary | genesis, and two records of acts or data validation certificates with one number of the journal, or of one act, and different contents: each recorded, or one of them recorded and both signed by its key | proven |
//! | omission (PoM-2) | genesis, the issue of a unit's certificate, a genuine token of that unit, and every entry of the time within which the ledger had promised it | proven, or open if an entry might hide behind another encoding |
//! | split view (PoM-3) | two signed checkpoints that cannot be of one history, or two entries at one place | proven |
//! | broken rule (PoM-4, so far one form) | genesis, and an entry that is none | proven |
//! | time (PoM-5) | genesis, and a later entry with an earlier time; or genesis, the issue of a unit's certificate, a genuine token of that unit, and its entry that is too late or too early | proven |
//! | against an arbiter (PoM-1, 2, 4, 5, 6) | what it has signed about runs of exchanges, and of registered deliveries, held against itself, its ledger and its rules (`account/exchange.rs`, `account/delivery.rs`) | proven, or open until it answers |
//! | rollback | an older checkpoint that was shown after a newer one | open: nothing signed says when it was shown |
//!
//! The file is JSON, `{"t":"pom","v":1,"kind":…,"against":…,"items":[{"media":…,"data":…}]}` with the items in base64url
//! without padding (exchange-and-disputes §9). Whoever holds the files of a run finds all that is in them by [`Held`]. Out of scope:
//! cheating by a party, which [`crate::exchange::judge`] finds, and sending a proof anywhere.

mod delivery;
mod exchange;
mod exhibits;
mod fact;
mod file;
mod held;
mod judge;
mod released;
mod statement;

pub use fact::AccountFact;
pub use file::{NotAProof, POM_BYTES_MAX};
pub use held::Held;
pub use judge::{Anchors, Judgement, Owed, Verdict, judge, owed};
pub use statement::{BadStatement, Prefix, Stretch};

use semper_ledger::receipt::tlog_proof::TlogProof;

/// What is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// PoM-1: decided twice.
    Equivocation,
    /// PoM-2: released and not logged.
    Omission,
    /// PoM-3: two histories.
    SplitView,
    /// PoM-4: against the rules.
    BrokenRule,
    /// PoM-5: times that cannot be true.
    Time,
    /// PoM-6: a request that was taken, and not answered.
    NoAnswer,
    /// An older state was shown after a newer one: the word of whoever saw it.
    Rollback,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Equivocation,
        Self::Omission,
        Self::SplitView,
        Self::BrokenRule,
        Self::Time,
        Self::NoAnswer,
        Self::Rollback,
    ];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equivocation => "equivocation",
            Self::Omission => "omission",
            Self::SplitView => "split-view",
            Self::BrokenRule => "broken-rule",
            Self::Time => "time",
            Self::NoAnswer => "no-answer",
            Self::Rollback => "rollback",
        }
    }

    /// The stable number, as facts have it: numbers are added, never reused.
    #[must_use]
    pub const fn code(self) -> u64 {
        match self {
            Self::Equivocation => 0,
            Self::Omission => 1,
            Self::SplitView => 2,
            Self::BrokenRule => 3,
            Self::Time => 4,
            Self::NoAnswer => 5,
            Self::Rollback => 6,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One exhibit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A signed checkpoint, verbatim.
    Checkpoint(String),
    /// An entry with its place, a tlog-proof with the entry's bytes in `extra`.
    Entry(TlogProof),
    /// That one tree begins with another.
    Prefix(Prefix),
    /// Consecutive entries, all of them, with their place.
    Stretch(Stretch),
    /// A timestamp token, ContentInfo in DER.
    Token(Vec<u8>),
    /// The record of a notarial act, a JWS.
    Act(Vec<u8>),
    /// A data validation certificate, ContentInfo in DER.
    Dvc(Vec<u8>),
    /// A certificate, DER.
    Certificate(Vec<u8>),
    /// A statement of an exchange, a JWS: of the arbiter, or the first of a run.
    Statement(Vec<u8>),
    /// A public key, JWK.
    Key(Vec<u8>),
    /// A fact, to the octet.
    Fact(Vec<u8>),
    /// A policy for exchanges, to the octet.
    Policy(Vec<u8>),
}

/// A proof as read or made: nothing in it is believed before [`judge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What is claimed.
    pub kind: Kind,
    /// Of which log: its origin.
    pub against: String,
    /// By what.
    pub items: Vec<Item>,
}

impl Proof {
    /// Two checkpoints of one size with different roots.
    #[must_use]
    pub fn two_roots(against: &str, one: &str, other: &str) -> Self {
        let items = vec![Item::Checkpoint(one.to_owned()), Item::Checkpoint(other.to_owned())];
        Self { kind: Kind::SplitView, against: against.to_owned(), items }
    }

    /// Two checkpoints, of which the newer's tree begins with another tree than the older's.
    #[must_use]
    pub fn fork(against: &str, older: &str, newer: &str, prefix: Prefix) -> Self {
        let mut proof = Self::two_roots(against, older, newer);
        proof.items.push(Item::Prefix(prefix));
        proof
    }

    /// A smaller checkpoint that was shown after a larger one.
    #[must_use]
    pub fn rollback(against: &str, first: &str, then: &str) -> Self {
        Self { kind: Kind::Rollback, ..Self::two_roots(against, first, then) }
    }

    /// Two entries at one place, which differ.
    #[must_use]
    pub fn one_place(against: &str, one: TlogProof, other: TlogProof) -> Self {
        Self { kind: Kind::SplitView, against: against.to_owned(), items: vec![Item::Entry(one), Item::Entry(other)] }
    }

    /// Entries of a log of ours, of which `genesis` is the first, that convict it by their tags, their times or their form.
    #[must_use]
    pub fn entries<const N: usize>(kind: Kind, against: &str, genesis: TlogProof, convicting: [TlogProof; N]) -> Self {
        let items = [genesis].into_iter().chain(convicting).map(Item::Entry).collect();
        Self { kind, against: against.to_owned(), items }
    }

    /// A token whose entry is not among those of the time in which it was promised.
    #[must_use]
    pub fn omission(against: &str, service: Service, token: &[u8], stretch: Stretch) -> Self {
        Self::of_token(Kind::Omission, against, service, token, Item::Stretch(stretch))
    }

    /// A token whose entry was made outside of that time.
    #[must_use]
    pub fn out_of_time(against: &str, service: Service, token: &[u8], entry: TlogProof) -> Self {
        Self::of_token(Kind::Time, against, service, token, Item::Entry(entry))
    }

    /// Two that a notary released, [`Item::Act`] or [`Item::Dvc`], and recorded, under one number or of one act.
    #[must_use]
    pub fn recorded_twice(against: &str, genesis: TlogProof, both: [(TlogProof, Item); 2]) -> Self {
        let both = both.into_iter().flat_map(|(entry, released)| [Item::Entry(entry), released]);
        let items = [Item::Entry(genesis)].into_iter().chain(both).collect();
        Self { kind: Kind::Equivocation, against: against.to_owned(), items }
    }

    /// The same where the second is not recorded, and signed by the key of the first, of which `certificate` is.
    #[must_use]
    pub fn signed_twice(
        against: &str,
        genesis: TlogProof,
        (entry, released): (TlogProof, Item),
        certificate: &[u8],
        other: Item,
    ) -> Self {
        let certificate = Item::Certificate(certificate.to_vec());
        let items = vec![Item::Entry(genesis), Item::Entry(entry), released, certificate, other];
        Self { kind: Kind::Equivocation, against: against.to_owned(), items }
    }

    /// What an arbiter has signed, with all that is needed to hold it against it, in any order but for the genesis entry, which comes
    /// first where there is any entry: [`Held`] puts it together.
    #[must_use]
    pub fn of_arbiter(kind: Kind, against: &str, items: Vec<Item>) -> Self {
        Self { kind, against: against.to_owned(), items }
    }

    fn of_token(kind: Kind, against: &str, service: Service, token: &[u8], shown: Item) -> Self {
        let Service { genesis, issue } = service;
        let items = vec![Item::Entry(genesis), Item::Entry(issue), Item::Token(token.to_vec()), shown];
        Self { kind, against: against.to_owned(), items }
    }
}

/// Two entries of the accused that show that a timestamping unit is its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Entry 0.
    pub genesis: TlogProof,
    /// The issue of the unit's certificate.
    pub issue: TlogProof,
}

#[cfg(test)]
mod tests;
