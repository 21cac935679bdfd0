//! An inline exchange with all its messages, for the tests of this crate.

use crate::crypto::SeededEntropy;
use crate::crypto::jwe::seal;
use crate::digest::Digest;
use crate::exchange::item::fairness;
use crate::exchange::policy::InlinePolicy;
use crate::exchange::testing::{ESCROW, IAT, PEOPLE, Person, delivery, keys, offer, secret};
use crate::statement::exchange::asw_r::M1;
use crate::statement::exchange::cd_r::EscrowText;
use crate::statement::exchange::inline::{
    Cancel, Collect, Deposit, DepositMode, I1, I2, Nrs, Registered, SealedItem, Waive,
};
use crate::statement::exchange::item::{ItemDescriptor, ItemKind, MatchResult, Recovery, RuleName};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Line, Outcome, Protocol, Side};
use crate::statement::{Count, Jws, Millis};

use super::sealed::{escrow_context, key_hash, seal_item};
use super::{Agreed, Deposited, Proposed};

/// The items, the originator's first.
pub(crate) const ITEMS: [&[u8]; 2] = [b"the plans of the house", br#"{"licence":7}"#];

pub(crate) const MEDIA: [&str; 2] = ["text/plain", "application/json"];

pub(crate) const T_DEP: u64 = IAT + 100;
pub(crate) const T_EXP: u64 = IAT + 200;
pub(crate) const DELTA: u64 = 10;
pub(crate) const RETENTION: u64 = 1_000;
pub(crate) const OPEN_MAX: u64 = 2_000_000;

pub(crate) const SIDES: [Side; 2] = [Side::Originator, Side::Responder];

pub(crate) fn policy() -> InlinePolicy {
    let predicates = ["json-object/1", "utf8-text/1"].into_iter().filter_map(RuleName::new).collect();
    InlinePolicy { retention_ms: RETENTION, open_max_ms: OPEN_MAX, predicates }
}

pub(crate) fn millis(millis: u64) -> Millis {
    Millis::new(millis).unwrap()
}

pub(crate) fn text(jws: &Jws) -> String {
    String::from_utf8(jws.bytes().to_vec()).unwrap()
}

pub(crate) const fn at(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

pub(crate) fn person(side: Side) -> &'static Person {
    match side {
        Side::Originator => &PEOPLE.o,
        Side::Responder => &PEOPLE.r,
    }
}

/// A file that is named by its hash.
pub(crate) fn file(octets: &[u8], media: &str) -> ItemDescriptor {
    ItemDescriptor {
        kind: ItemKind::Bytes,
        sha256: Some(Digest::of(octets).into()),
        len: Count::new(octets.len() as u64),
        media: Line::new(media),
        amount: None,
        predicate: None,
        verifier: None,
        recovery: Recovery::None,
    }
}

/// Goods: of their papers a machine knows nothing.
pub(crate) fn goods() -> ItemDescriptor {
    ItemDescriptor { kind: ItemKind::Physical, sha256: None, len: None, media: None, ..file(b"", "a") }
}

/// Plans for a licence, each named by its hash.
pub(crate) fn proposal(mode: DepositMode) -> I1 {
    let M1 { policy, o, r, assurance, .. } = offer(None);
    I1 {
        deal: None,
        policy,
        o,
        r,
        ttp: delivery(None).0.ttp,
        o_item: file(ITEMS[0], MEDIA[0]),
        r_item: file(ITEMS[1], MEDIA[1]),
        mode,
        fairness: crate::statement::exchange::item::Fairness::Strong,
        t_dep: millis(T_DEP),
        t_exp: millis(T_EXP),
        retention_ms: None,
        assurance,
    }
}

/// The same with the fairness that its descriptions have.
pub(crate) fn honest(proposal: I1) -> I1 {
    let told = fairness(&proposal.o_item, &proposal.r_item, &policy().predicates);
    I1 { fairness: told, ..proposal }
}

/// A run with all its messages.
pub(crate) struct Script {
    pub(crate) proposed: Proposed,
    pub(crate) agreed: Agreed,
    pub(crate) deposits: [Deposited; 2],
    /// What comes beside the deposits.
    pub(crate) beside: [Vec<u8>; 2],
    pub(crate) cancels: [Jws; 2],
    pub(crate) waivers: [Jws; 2],
    pub(crate) collects: [Jws; 2],
}

impl Script {
    pub(crate) fn new(mode: DepositMode) -> Self {
        Self::of(proposal(mode))
    }

    /// One in which only people can tell what the originator's item is.
    pub(crate) fn of_goods() -> Self {
        Self::of(honest(I1 { o_item: goods(), ..proposal(DepositMode::Content) }))
    }

    pub(crate) fn of(proposal: I1) -> Self {
        let proposed = Proposed::read(PEOPLE.o.sign(None, proposal), &keys).unwrap();
        let x = Some(proposed.run.x);
        let m1 = proposed.jws.digest().into();
        let agreed = proposed.agreed(PEOPLE.r.sign(x, I2 { m1 }), &keys).unwrap();
        let deposited = SIDES.map(|side| deposit(&proposed, side, ITEMS[at(side)]));
        let [(o, of_o), (r, of_r)] = deposited;
        let deposits = [o, r].map(|deposit| {
            let jws = person(deposit.side).sign(x, deposit);
            proposed.deposited(jws, &keys).unwrap()
        });
        let [o_item, r_item] = ITEMS.map(|item| Digest::of(item).into());
        Self {
            agreed,
            deposits,
            beside: [of_o, of_r],
            cancels: SIDES.map(|side| person(side).sign(x, Cancel {})),
            waivers: SIDES.map(|side| person(side).sign(x, Waive { o_item, r_item })),
            collects: SIDES.map(|side| person(side).sign(x, Collect {})),
            proposed,
        }
    }

    pub(crate) fn x(&self) -> Digest {
        self.proposed.run.x
    }

    /// All that a RELEASED without waivers rests on.
    pub(crate) fn basis(&self) -> Vec<&Jws> {
        let [o, r] = &self.deposits;
        vec![&self.proposed.jws, &self.agreed.jws, &o.jws, &r.jws]
    }

    /// A verdict of the arbiter.
    pub(crate) fn verdict(&self, outcome: Outcome, at_ms: u64, basis: &[&Jws]) -> Jws {
        self.verdict_after(&[], outcome, at_ms, basis)
    }

    /// The same where outages have moved the end.
    pub(crate) fn verdict_after(&self, outages: &[u64], outcome: Outcome, at_ms: u64, basis: &[&Jws]) -> Jws {
        let body = Verdict {
            proto: Protocol::Inline,
            outcome,
            basis: basis.iter().map(|jws| text(jws)).collect(),
            decided_ms: millis(at_ms),
            policy: self.proposed.proposal.policy,
            outages: outages.iter().filter_map(|index| Count::new(*index)).collect(),
            assurance: self.proposed.proposal.assurance,
        };
        PEOPLE.t.sign_at(millis(at_ms), Some(self.x()), body)
    }

    /// The arbiter's word that it has a side's item.
    pub(crate) fn nrs(&self, side: Side, result: MatchResult, at_ms: u64) -> Jws {
        let deposit = text(&self.deposits[at(side)].jws);
        let body = Nrs { deposit, result, at_ms: millis(at_ms) };
        PEOPLE.t.sign_at(millis(at_ms), Some(self.x()), body)
    }

    /// The arbiter's word that it has the agreement.
    pub(crate) fn registered(&self, at_ms: u64) -> Jws {
        let basis = [&self.proposed.jws, &self.agreed.jws].map(text).into();
        PEOPLE.t.sign_at(millis(at_ms), Some(self.x()), Registered { basis, at_ms: millis(at_ms) })
    }
}

/// What a side deposits, and what comes beside it.
pub(crate) fn deposit(proposed: &Proposed, side: Side, item: &[u8]) -> (Deposit, Vec<u8>) {
    let (sealed, beside) = match proposed.proposal.mode {
        DepositMode::Content => (None, item.to_vec()),
        DepositMode::Sealed => {
            let (sealed, beside) = sealed_item(proposed, side, item, 9);
            (Some(sealed), beside)
        }
    };
    let deposit = Deposit {
        side,
        item_sha256: Digest::of(item).into(),
        size: Count::new(item.len() as u64).unwrap(),
        media: Line::new(MEDIA[at(side)]).unwrap(),
        result: MatchResult::Match,
        sealed,
    };
    (deposit, beside)
}

/// An item sealed with a key of one octet, and its escrow.
pub(crate) fn sealed_item(proposed: &Proposed, side: Side, item: &[u8], octet: u8) -> (SealedItem, Vec<u8>) {
    let (key, x) = (secret(octet), proposed.run.x);
    let content = seal_item(&key, &x, side, item, &SeededEntropy::new(3)).unwrap();
    let (c_sha256, hk) = (Digest::of(&content), key_hash(&key));
    let [arbiter, ephemeral] = &*ESCROW;
    let context = escrow_context(&x, side, &c_sha256, &Digest::of(item), &hk).0;
    let apu = &person(side).name().0.0;
    let esc = seal(&key, arbiter.public(), apu, &context, ephemeral, &SeededEntropy::new(8)).unwrap();
    let esc = EscrowText::new(&esc).unwrap();
    let c_len = Count::new(content.len() as u64).unwrap();
    (SealedItem { c_sha256: c_sha256.into(), c_len, hk: hk.into(), esc }, content)
}
