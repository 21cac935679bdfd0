//! The double-entry book: what the facts of all runs say of money, in accounts whose balances follow from the entries.
//!
//! ```text
//!                                    debit                      credit
//! hold FUNDED                        rail/<r>/clearing          escrow/<x>
//! hold AUTH                          memo: auth/<x> up; its end: down
//! AUTH turned into escrow            rail/<r>/clearing          escrow/<x>                          memo down
//! capture FUNDED, escrowed           escrow/<x>                 payable/<payee>, fees
//! capture AUTH                       rail/<r>/clearing          payable/<payee>, fees               memo down
//! release, expiry                    escrow/<x>                 rail/<r>/clearing
//! expiry of less than was held       escrow/<x>                 rail/<r>/clearing, suspense/<r>; of more the other way round
//! refund, payout                     payable/<payee>            rail/<r>/clearing
//! chargeback of what is held         escrow/<x>                 rail/<r>/clearing
//! chargeback otherwise               suspense/<r>               rail/<r>/clearing
//! a declined call done after all,    rail/<r>/clearing          suspense/<r>, or the other way round
//! or with another amount
//! cleared                            payable | fees | clearing  suspense/<r>, or the other way round
//! ```
//!
//! A balance is credits less debits, so what the service owes is positive: escrow, payables, fees. `clearing` is then negative by what the
//! rail keeps for the service, and all accounts together are nothing, at any time. A payable may fall below nothing: a refund after a payout
//! is a claim on the payee. A bank's hold is nobody's money yet, so it stands in a memo account that is no part of the sum.
//!
//! [`entries`] is the one place where a fact becomes entries, and needs the terms of the hold and the fact alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::b64u::B64u;
use crate::digest::Digest;
use crate::id::PartyId;
use crate::money::Currency;

use super::rail::{RailClass, RailId};
use super::{Bearer, Change, Moved, PaymentFact, Place, Terms};

/// An account. Its text never changes, since reports name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What a rail keeps for the service: `rail/<r>/clearing`.
    Clearing(RailId),
    /// What is held for a run: `escrow/<x>`.
    Escrow(Digest),
    /// What a bank holds for a run, a memo: `auth/<x>`.
    Auth(Digest),
    /// What is owed to a payee: `payable/<party>`.
    Payable(PartyId),
    /// What the service keeps: `fees`.
    Fees,
    /// What moved at a rail and has no bearer yet: `suspense/<r>`.
    Suspense(RailId),
}

impl Account {
    /// True if it is no part of the sum of all accounts.
    #[must_use]
    pub const fn is_memo(&self) -> bool {
        matches!(self, Self::Auth(_))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clearing(rail) => write!(f, "rail/{rail}/clearing"),
            Self::Escrow(x) => write!(f, "escrow/{}", B64u(x.0)),
            Self::Auth(x) => write!(f, "auth/{}", B64u(x.0)),
            Self::Payable(payee) => write!(f, "payable/{payee}"),
            Self::Fees => f.write_str("fees"),
            Self::Suspense(rail) => write!(f, "suspense/{rail}"),
        }
    }
}

/// No account is called that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no account has this name")]
pub struct NoAccount;

impl FromStr for Account {
    type Err = NoAccount;

    fn from_str(text: &str) -> Result<Self, NoAccount> {
        let run = |text: &str| text.parse::<B64u<32>>().map(|x| Digest(x.0)).map_err(|_| NoAccount);
        let rail = |text: &str| RailId::new(text).ok_or(NoAccount);
        match text.split_once('/') {
            None if text == "fees" => Ok(Self::Fees),
            Some(("rail", rest)) => rail(rest.strip_suffix("/clearing").ok_or(NoAccount)?).map(Self::Clearing),
            Some(("escrow", x)) => run(x).map(Self::Escrow),
            Some(("auth", x)) => run(x).map(Self::Auth),
            Some(("payable", payee)) => payee.parse().map(Self::Payable).map_err(|_| NoAccount),
            Some(("suspense", name)) => rail(name).map(Self::Suspense),
            _ => Err(NoAccount),
        }
    }
}

/// One line of an entry: minor units, positive for a credit, negative for a debit. Single amounts are below 2^50, so no sum of them that a
/// store could hold leaves 128 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which account.
    pub account: Account,
    /// How much.
    pub minor: i128,
}

/// An entry: its lines are together nothing, but for a memo, which has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The run that it is for.
    pub x: Digest,
    /// Its currency.
    pub currency: Currency,
    /// Its lines.
    pub lines: Vec<Line>,
}

impl Entry {
    /// What its lines are together, memos apart.
    #[must_use]
    pub fn sum(&self) -> i128 {
        self.lines.iter().filter(|line| !line.account.is_memo()).map(|line| line.minor).sum()
    }
}

/// The entries that follow from a fact about the hold with these terms, and from nothing else.
#[must_use]
pub fn entries(terms: &Terms, fact: &PaymentFact) -> Vec<Entry> {
    let x = terms.x;
    let clearing = || Account::Clearing(terms.rail.clone());
    let suspense = || Account::Suspense(terms.rail.clone());
    let (escrow, payable) = (|| Account::Escrow(x), || Account::Payable(terms.payee));
    let lines = |lines: Vec<(Account, i128)>| {
        let some = lines.into_iter().filter(|(_, minor)| *minor != 0);
        let lines: Vec<_> = some.map(|(account, minor)| Line { account, minor }).collect();
        (!lines.is_empty()).then_some(Entry { x, currency: terms.amount.currency(), lines })
    };
    let moves = |debit: Account, credit: Account, amount: u64| {
        lines(vec![(debit, -i128::from(amount)), (credit, i128::from(amount))])
    };
    let memo = |minor: i128| lines(vec![(Account::Auth(x), minor)]);
    // Back from where it was held.
    let back = |place: Place, amount: u64| match place {
        Place::Auth => memo(-i128::from(amount)),
        Place::Funded | Place::Escrowed => moves(escrow(), clearing(), amount),
    };
    let made: Vec<Option<Entry>> = match &fact.change {
        Change::Held { .. } => match terms.class {
            RailClass::Funded => vec![moves(clearing(), escrow(), terms.amount.minor())],
            RailClass::Auth => vec![memo(terms.amount.minor().into())],
        },
        Change::Escrowed { amount, .. } => {
            vec![memo(-i128::from(*amount)), moves(clearing(), escrow(), *amount)]
        }
        Change::Captured { amount, place, .. } => {
            let (payee, fee) = terms.parted(*amount);
            let from = if *place == Place::Auth { clearing() } else { escrow() };
            let taken =
                lines(vec![(from, -i128::from(*amount)), (payable(), payee.into()), (Account::Fees, fee.into())]);
            let ended = if *place == Place::Auth { memo(-i128::from(*amount)) } else { None };
            vec![ended, taken]
        }
        Change::Released { amount, place, .. } => vec![back(*place, *amount)],
        Change::Expired { amount, place: Place::Auth, .. } => vec![back(Place::Auth, *amount)],
        // Of what the rail kept it must still say why; of what it gave back beyond, too.
        Change::Expired { amount, told, .. } => vec![lines(vec![
            (escrow(), -i128::from(*amount)),
            (clearing(), (*told).into()),
            (suspense(), i128::from(*amount) - i128::from(*told)),
        ])],
        Change::Refunded { amount, .. } | Change::PaidOut { amount, .. } => {
            vec![moves(payable(), clearing(), *amount)]
        }
        Change::ChargedBack { amount, ends_hold: true, .. } => vec![moves(escrow(), clearing(), *amount)],
        Change::ChargedBack { amount, ends_hold: false, .. } => vec![moves(suspense(), clearing(), *amount)],
        Change::Contradicted { amount, moved, .. } => match moved {
            Moved::Not => vec![],
            Moved::In => vec![moves(clearing(), suspense(), *amount)],
            Moved::Out => vec![moves(suspense(), clearing(), *amount)],
        },
        Change::Cleared { amount, moved, bearer, .. } => {
            let bearer = match bearer {
                Bearer::Rail => clearing(),
                Bearer::Payee => payable(),
                Bearer::Service => Account::Fees,
            };
            match moved {
                Moved::Not => vec![],
                Moved::In => vec![moves(suspense(), bearer, *amount)],
                Moved::Out => vec![moves(bearer, suspense(), *amount)],
            }
        }
        Change::HoldRequested { .. }
        | Change::Requested { .. }
        | Change::Declined { .. }
        | Change::Frozen { .. }
        | Change::Thawed { .. } => vec![],
    };
    made.into_iter().flatten().collect()
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
    /// An entry whose lines are not nothing together.
    Unbalanced {
        /// Of which run.
        x: Digest,
    },
    /// A fact about a run whose hold was never asked for, or never held.
    NoHold {
        /// Which run.
        x: Digest,
    },
    /// What happens to a hold once happened twice.
    Twice {
        /// In which run.
        x: Digest,
        /// What.
        what: &'static str,
    },
    /// An account that is never negative is.
    Negative {
        /// Which.
        account: Account,
    },
    /// Nothing is held any more, and something is left.
    LeftOver {
        /// Where.
        account: Account,
    },
    /// More was captured and released than was held.
    MoreThanHeld {
        /// In which run.
        x: Digest,
    },
    /// More was refunded than was captured.
    MoreThanCaptured {
        /// In which run.
        x: Digest,
    },
    /// All accounts of a currency together are not nothing.
    Sum {
        /// Which.
        currency: Currency,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = |x: &Digest| B64u(x.0);
        match self {
            Self::Unbalanced { x } => write!(f, "an entry of run {} does not balance", run(x)),
            Self::NoHold { x } => write!(f, "money of run {} moves, where none is held", run(x)),
            Self::Twice { x, what } => write!(f, "the money of run {} was {what} twice", run(x)),
            Self::Negative { account } => write!(f, "the account {account} is negative"),
            Self::LeftOver { account } => write!(f, "the hold has ended, and the account {account} is not empty"),
            Self::MoreThanHeld { x } => write!(f, "more was captured and released in run {} than was held", run(x)),
            Self::MoreThanCaptured { x } => write!(f, "more was refunded in run {} than was captured", run(x)),
            Self::Sum { currency } => write!(f, "all accounts in {currency} together are not nothing"),
        }
    }
}

/// The totals of one run that the invariants are about, and not those of any decision: counted from the facts once more.
#[derive(Clone, Debug)]
struct Run {
    terms: Terms,
    held: u64,
    captured: u64,
    returned: u64,
    refunded: u64,
}

/// Accounts as folded from the facts of all runs.
#[derive(Clone, Debug, Default)]
pub struct Book {
    balances: BTreeMap<(Account, Currency), i128>,
    runs: BTreeMap<Digest, Run>,
    broken: BTreeSet<Broken>,
}

impl Book {
    /// Takes the next fact, of whatever run; gives the invariants that it breaks.
    pub fn post(&mut self, fact: &PaymentFact) -> Vec<Broken> {
        let mut broken = Vec::new();
        self.count(fact, &mut broken);
        if let Some(run) = self.runs.get(&fact.x) {
            for entry in entries(&run.terms, fact) {
                if entry.sum() != 0 {
                    broken.push(Broken::Unbalanced { x: fact.x });
                }
                for Line { account, minor } in entry.lines {
                    *self.balances.entry((account, entry.currency)).or_default() += minor;
                }
            }
            self.judge(run, &mut broken);
        }
        // What is broken already is told once.
        broken.retain(|one| self.broken.insert(one.clone()));
        broken
    }

    fn count(&mut self, fact: &PaymentFact, broken: &mut Vec<Broken>) {
        let x = fact.x;
        if let Change::HoldRequested { terms, .. } = &fact.change {
            let run = Run { terms: (**terms).clone(), held: 0, captured: 0, returned: 0, refunded: 0 };
            if self.runs.insert(x, run).is_some() {
                broken.push(Broken::Twice { x, what: "asked for" });
            }
            return;
        }
        let Some(run) = self.runs.get_mut(&x) else {
            broken.push(Broken::NoHold { x });
            return;
        };
        let mut once = |so_far: &mut u64, amount: u64, what: &'static str| {
            if *so_far > 0 {
                broken.push(Broken::Twice { x, what });
            }
            *so_far = so_far.saturating_add(amount);
        };
        match &fact.change {
            Change::Held { .. } => once(&mut run.held, run.terms.amount.minor(), "held"),
            Change::Captured { amount, .. } => once(&mut run.captured, *amount, "captured"),
            Change::Released { amount, .. }
            | Change::Expired { amount, .. }
            | Change::ChargedBack { amount, ends_hold: true, .. } => once(&mut run.returned, *amount, "released"),
            // In parts.
            Change::Refunded { amount, .. } => run.refunded = run.refunded.saturating_add(*amount),
            _ => {}
        }
    }

    fn judge(&self, run: &Run, broken: &mut Vec<Broken>) {
        let x = run.terms.x;
        let ended = run.captured.saturating_add(run.returned);
        if ended > run.held {
            broken.push(Broken::MoreThanHeld { x });
        }
        if run.refunded > run.captured {
            broken.push(Broken::MoreThanCaptured { x });
        }
        for account in [Account::Escrow(x), Account::Auth(x)] {
            let balance = self.balance(&account, run.terms.amount.currency());
            if balance < 0 {
                broken.push(Broken::Negative { account });
            } else if balance > 0 && ended >= run.held {
                broken.push(Broken::LeftOver { account });
            }
        }
    }

    /// Credits less debits.
    #[must_use]
    pub fn balance(&self, account: &Account, currency: Currency) -> i128 {
        self.balances.get(&(account.clone(), currency)).copied().unwrap_or_default()
    }

    /// Every account that ever moved, in order.
    pub fn balances(&self) -> impl Iterator<Item = (&Account, Currency, i128)> {
        self.balances.iter().map(|((account, currency), minor)| (account, *currency, *minor))
    }

    /// What this rail should say that it keeps for the service.
    #[must_use]
    pub fn kept_by(&self, rail: &RailId, currency: Currency) -> i128 {
        -self.balance(&Account::Clearing(rail.clone()), currency)
    }

    /// Every invariant that does not hold: those that a fact broke, and the sum of all accounts.
    #[must_use]
    pub fn check(&self) -> Vec<Broken> {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for (account, currency, minor) in self.balances() {
            if !account.is_memo() {
                *sums.entry(currency).or_default() += minor;
            }
        }
        let sums = sums.into_iter().filter(|(_, sum)| *sum != 0).map(|(currency, _)| Broken::Sum { currency });
        self.broken.iter().cloned().chain(sums).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::rail::RailOp;
    use super::super::testing::{EUR, fact, requested, terms};
    use super::super::{ClearedBy, Order};
    use super::*;

    const E: Digest = Digest([9; 32]);

    #[test]
    fn accounts_are_read_as_they_are_shown() {
        let (rail, x) = (RailId::new("sim").unwrap(), Digest([7; 32]));
        let payee = PartyId::from([7; 16]);
        let b64 = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
        for (account, text) in [
            (Account::Clearing(rail.clone()), "rail/sim/clearing".to_owned()),
            (Account::Escrow(x), format!("escrow/{b64}")),
            (Account::Auth(x), format!("auth/{b64}")),
            (Account::Payable(payee), "payable/BwcHBwcHBwcHBwcHBwcHBw".to_owned()),
            (Account::Fees, "fees".to_owned()),
            (Account::Suspense(rail), "suspense/sim".to_owned()),
        ] {
            assert_eq!(account.to_string(), text);
            assert_eq!(text.parse(), Ok(account));
        }
        for bad in ["", "fees/", "rail/sim", "rail//clearing", "rail/a/b/clearing", "escrow/x", "suspense/", "Fees"] {
            assert_eq!(bad.parse::<Account>(), Err(NoAccount), "{bad}");
        }
    }

    /// The table of exchange-and-disputes §8, line by line. Amounts are of 1000, with a fee of 2.5 %.
    #[test]
    fn each_fact_makes_the_entries_of_the_specification() {
        use super::super::{Bearer::*, Moved::*, Place::*};
        let (seq, evidence, amount) = (0, E, 1000);
        let order = Order { id: E, by: super::super::Authority::Verdict { case: E } };
        let cleared = |moved, bearer| Change::Cleared { item: E, moved, amount, bearer, by: ClearedBy::Order(order) };
        let captured = |place| Change::Captured { seq, amount, place, evidence: None };
        let released = |place| Change::Released { op: RailOp::Release, seq, amount, place, evidence };
        let expired = |place, told| Change::Expired { call: None, amount, told, place, evidence };
        let contradicted =
            |moved| Change::Contradicted { op: RailOp::Hold, seq, told: amount, amount, moved, evidence };
        for (class, change, expected) in [
            (RailClass::Funded, Change::Held { expires_at: None, evidence }, "clearing-1000 escrow+1000"),
            (RailClass::Auth, Change::Held { expires_at: None, evidence }, "auth+1000"),
            (RailClass::Auth, Change::Escrowed { seq, amount, evidence }, "auth-1000; clearing-1000 escrow+1000"),
            (RailClass::Funded, captured(Funded), "escrow-1000 payable+975 fees+25"),
            (RailClass::Auth, captured(Escrowed), "escrow-1000 payable+975 fees+25"),
            (RailClass::Auth, captured(Auth), "auth-1000; clearing-1000 payable+975 fees+25"),
            (RailClass::Funded, released(Funded), "escrow-1000 clearing+1000"),
            (RailClass::Auth, released(Escrowed), "escrow-1000 clearing+1000"),
            (RailClass::Auth, released(Auth), "auth-1000"),
            (RailClass::Funded, expired(Funded, 1000), "escrow-1000 clearing+1000"),
            (RailClass::Funded, expired(Funded, 600), "escrow-1000 clearing+600 suspense+400"),
            (RailClass::Funded, expired(Funded, 1001), "escrow-1000 clearing+1001 suspense-1"),
            (RailClass::Funded, expired(Funded, 0), "escrow-1000 suspense+1000"),
            (RailClass::Auth, expired(Auth, 1000), "auth-1000"),
            (RailClass::Auth, expired(Auth, 600), "auth-1000"),
            (RailClass::Auth, Change::Refunded { seq, amount, evidence }, "payable-1000 clearing+1000"),
            (RailClass::Auth, Change::PaidOut { amount, evidence }, "payable-1000 clearing+1000"),
            (
                RailClass::Auth,
                Change::ChargedBack { amount, ends_hold: false, evidence },
                "suspense-1000 clearing+1000",
            ),
            (RailClass::Funded, Change::ChargedBack { amount, ends_hold: true, evidence }, "escrow-1000 clearing+1000"),
            (RailClass::Auth, contradicted(In), "clearing-1000 suspense+1000"),
            (RailClass::Auth, contradicted(Out), "suspense-1000 clearing+1000"),
            (RailClass::Auth, contradicted(Not), ""),
            (RailClass::Auth, cleared(Out, Payee), "payable-1000 suspense+1000"),
            (RailClass::Auth, cleared(Out, Service), "fees-1000 suspense+1000"),
            (RailClass::Auth, cleared(Out, Rail), "clearing-1000 suspense+1000"),
            (RailClass::Auth, cleared(In, Payee), "suspense-1000 payable+1000"),
            (RailClass::Auth, cleared(In, Service), "suspense-1000 fees+1000"),
            (RailClass::Auth, cleared(In, Rail), "suspense-1000 clearing+1000"),
            (RailClass::Auth, Change::Frozen { case: E, needed_until: crate::time::Timestamp::MAX }, ""),
            (
                RailClass::Auth,
                Change::Declined { op: RailOp::Hold, seq, code: super::super::rail::DeclineCode::Funds },
                "",
            ),
        ] {
            let made = entries(&terms(class), &fact(change.clone()));
            assert!(made.iter().all(|entry| entry.sum() == 0 && entry.currency == EUR()), "{change:?}");
            let shown: Vec<_> = made.iter().map(shown).collect();
            assert_eq!(shown.join("; "), expected, "{class:?} {change:?}");
        }
    }

    fn shown(entry: &Entry) -> String {
        let name = |account: &Account| match account {
            Account::Clearing(_) => "clearing",
            Account::Escrow(_) => "escrow",
            Account::Auth(_) => "auth",
            Account::Payable(_) => "payable",
            Account::Fees => "fees",
            Account::Suspense(_) => "suspense",
        };
        let lines: Vec<_> = entry.lines.iter().map(|line| format!("{}{:+}", name(&line.account), line.minor)).collect();
        lines.join(" ")
    }

    /// Each invariant is broken by some history, and none by an honest one.
    #[test]
    fn the_invariants_can_fail() {
        let (seq, evidence, x) = (0, E, terms(RailClass::Funded).x);
        let place = Place::Funded;
        let ask = || requested(RailClass::Funded);
        let held = || fact(Change::Held { expires_at: None, evidence });
        let captured = |amount| fact(Change::Captured { seq, amount, place, evidence: Some(E) });
        let released = |amount| fact(Change::Released { op: RailOp::Release, seq, amount, place, evidence });
        let refunded = |amount| fact(Change::Refunded { seq, amount, evidence });
        let broken = |facts: Vec<PaymentFact>| {
            let mut book = Book::default();
            let told: Vec<_> = facts.iter().flat_map(|fact| book.post(fact)).collect();
            let mut checked = book.check();
            checked.sort();
            let mut sorted = told.clone();
            sorted.sort();
            assert_eq!(sorted, checked, "what a fact breaks is told when it is posted");
            checked
        };
        let escrow = Account::Escrow(x);
        assert_eq!(broken(vec![ask(), held(), captured(400), released(600), refunded(150), refunded(250)]), []);
        assert_eq!(broken(vec![held()]), [Broken::NoHold { x }]);
        assert_eq!(broken(vec![ask(), held(), ask()])[0], Broken::Twice { x, what: "asked for" });
        for (facts, what) in [
            (vec![ask(), held(), held()], "held"),
            (vec![ask(), held(), captured(400), captured(400)], "captured"),
            (vec![ask(), held(), released(400), released(400)], "released"),
        ] {
            assert!(broken(facts).contains(&Broken::Twice { x, what }), "{what}");
        }
        let both = broken(vec![ask(), held(), captured(1000), released(1000)]);
        assert_eq!(both, [Broken::Negative { account: escrow.clone() }, Broken::MoreThanHeld { x }]);
        let more = broken(vec![ask(), held(), captured(1000), refunded(600), refunded(600)]);
        assert_eq!(more, [Broken::MoreThanCaptured { x }]);
        // It was released from where it was not.
        let elsewhere = fact(Change::Released { op: RailOp::Release, seq, amount: 1000, place: Place::Auth, evidence });
        let left = broken(vec![ask(), held(), elsewhere]);
        assert_eq!(left, [Broken::Negative { account: Account::Auth(x) }, Broken::LeftOver { account: escrow }]);
    }
}
