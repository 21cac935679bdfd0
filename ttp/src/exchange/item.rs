//! Whether an item is what it was described as (exchange-and-disputes §1): MATCH, MISMATCH or NEEDS_HUMAN, for every description and every
//! item.
//!
//! Each member that a description has is a claim, and each claim is found true, found false, or cannot be told by a machine. One false
//! claim is MISMATCH. Otherwise one that cannot be told is NEEDS_HUMAN. Only where all are true, and one of them says *which* thing it is
//! (the hash, or a rule of the policy), is it MATCH: a length and a media type fit many things.
//!
//! | claim | true | cannot be told |
//! |---|---|---|
//! | `kind: bytes` | always | |
//! | `kind: contract` | where `sha256` says which text | else: whether a text binds to what was meant is for people |
//! | `kind: payment` | | always: octets are not money; whether it moved, a rail knows |
//! | `kind: credential` | | always: whether it is in force, no octets tell |
//! | `kind: physical`, `service` | | always |
//! | `sha256`, `len` | compared | |
//! | `media` | the depositor's own word for it is the same, in any case of letters | |
//! | `predicate` | the octets keep the rule, which the policy of the run names and this program knows | any other rule; no octets at hand |
//! | `amount`, `verifier` | | always: no machine here asks a rail, or whoever issued it |
//! | `recovery` | always: it says what can be done afterwards, not what the item is | |
//!
//! A predicate is the name of a rule with its version, never code. Two are built in, [`BuiltIn`]: both parties choose the description, so
//! "a JSON object" can be all that they ask for.
//!
//! **What an exchange is worth** ([`fairness`]). The rule of §1 says that strong fairness needs an item which the arbiter can make or annul.
//! That holds for protocols in which the items go from party to party. Inline the arbiter has both items before either leaves it, and one
//! decision lets both go: nobody is ever the only one to have given. So it is also strong where a machine can find that each deposit *is*
//! the item, without making or annulling anything. It is weak where what is deposited only stands for the item (goods, work, money, a
//! credential that may be revoked) and neither can be made or annulled: then the arbiter swaps two papers, both at once, and what they are
//! worth is for a dispute.

use crate::digest::Digest;
use crate::json;
use crate::statement::exchange::item::{Fairness, ItemDescriptor, ItemKind, MatchResult, Recovery, RuleName};

/// An item, as far as it is at hand.
#[derive(Clone, Copy, Debug)]
pub struct Item<'i> {
    /// SHA-256 of its octets.
    pub sha256: Digest,
    /// How many they are.
    pub len: u64,
    /// Their media type, as its depositor says.
    pub media: &'i str,
    /// The octets.
    pub octets: Option<&'i [u8]>,
}

impl<'i> Item<'i> {
    /// One that is at hand.
    #[must_use]
    pub fn of(octets: &'i [u8], media: &'i str) -> Self {
        Self { sha256: Digest::of(octets), len: octets.len() as u64, media, octets: Some(octets) }
    }
}

/// A rule for octets that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// `json-object/1`: one JSON object in UTF-8, no member twice, as deep as statements may be.
    JsonObject,
    /// `utf8-text/1`: text in UTF-8 that can be shown: no control characters but tabs and ends of lines, and not empty.
    Utf8Text,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::JsonObject, Self::Utf8Text];

    /// The name that descriptions and policies have for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JsonObject => "json-object/1",
            Self::Utf8Text => "utf8-text/1",
        }
    }

    fn named(name: &RuleName) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name.as_str())
    }

    fn is_kept_by(self, octets: &[u8]) -> bool {
        match self {
            Self::JsonObject => json::read_object(octets).is_ok(),
            Self::Utf8Text => std::str::from_utf8(octets).is_ok_and(|text| {
                !text.is_empty() && !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
            }),
        }
    }
}

/// Compares an item with its description. `rules` are those that the policy of the run names.
#[must_use]
pub fn matches(described: &ItemDescriptor, item: &Item<'_>, rules: &[RuleName]) -> MatchResult {
    compared(described, item, |name| {
        let rule = BuiltIn::named(name).filter(|_| rules.contains(name))?;
        item.octets.map(|octets| rule.is_kept_by(octets))
    })
}

/// The best that a comparison can have given, for whoever has the numbers and not the octets: a judge. A rule that this program does not
/// know a newer arbiter may have known, so that one is taken to be kept, too.
#[must_use]
pub fn at_best(described: &ItemDescriptor, item: &Item<'_>) -> MatchResult {
    compared(described, item, |_| Some(true))
}

fn compared(described: &ItemDescriptor, item: &Item<'_>, keeps: impl Fn(&RuleName) -> Option<bool>) -> MatchResult {
    let ItemDescriptor { kind: _, sha256, len, media, amount, predicate, verifier, recovery: _ } = described;
    let named = sha256.map(|sha256| Digest(sha256.0) == item.sha256);
    let ruled = predicate.as_ref().map(keeps);
    // Each `None` in here cannot be told.
    let claims = [
        is_of_kind(described),
        named.or(Some(true)),
        len.map(|len| len.get() == item.len).or(Some(true)),
        media.as_ref().map(|media| media.as_str().eq_ignore_ascii_case(item.media)).or(Some(true)),
        ruled.unwrap_or(Some(true)),
        if amount.is_some() || verifier.is_some() { None } else { Some(true) },
    ];
    let says_which = named.is_some() || ruled.is_some();
    if claims.contains(&Some(false)) {
        MatchResult::Mismatch
    } else if claims.contains(&None) || !says_which {
        MatchResult::NeedsHuman
    } else {
        MatchResult::Match
    }
}

/// Whether octets are a thing of this kind; `None` where they cannot show it.
fn is_of_kind(described: &ItemDescriptor) -> Option<bool> {
    match described.kind {
        ItemKind::Bytes => Some(true),
        ItemKind::Contract => described.sha256.map(|_| true),
        ItemKind::Payment | ItemKind::Credential | ItemKind::Physical | ItemKind::Service => None,
    }
}

/// Whether a machine can find that some octets are the item.
#[must_use]
pub fn is_decidable(described: &ItemDescriptor, rules: &[RuleName]) -> bool {
    let ItemDescriptor { kind: _, sha256, len: _, media: _, amount, predicate, verifier, recovery: _ } = described;
    let is_known = |name: &RuleName| BuiltIn::named(name).is_some() && rules.contains(name);
    is_of_kind(described).is_some()
        && amount.is_none()
        && verifier.is_none()
        && predicate.as_ref().is_none_or(is_known)
        && (sha256.is_some() || predicate.is_some())
}

/// What an inline exchange of these two items is worth.
#[must_use]
pub fn fairness(o_item: &ItemDescriptor, r_item: &ItemDescriptor, rules: &[RuleName]) -> Fairness {
    let both = [o_item, r_item];
    let is_mendable = both.iter().any(|item| item.recovery != Recovery::None);
    let are_decidable = both.iter().all(|item| is_decidable(item, rules));
    if is_mendable || are_decidable { Fairness::Strong } else { Fairness::Weak }
}

/// Compares what one side promises with what the other expects, before anybody signs: MATCH if everything expected is promised in the same
/// words, MISMATCH if something is promised otherwise, NEEDS_HUMAN if the promise is silent about something expected.
#[must_use]
pub fn promises(promise: &ItemDescriptor, expectation: &ItemDescriptor) -> MatchResult {
    fn held<T: PartialEq>(promised: Option<&T>, expected: Option<&T>) -> MatchResult {
        match (promised, expected) {
            (_, None) => MatchResult::Match,
            (None, Some(_)) => MatchResult::NeedsHuman,
            (Some(promised), Some(expected)) if promised == expected => MatchResult::Match,
            (Some(_), Some(_)) => MatchResult::Mismatch,
        }
    }
    let ItemDescriptor { kind, sha256, len, media: _, amount, predicate, verifier, recovery } = promise;
    // Who expects nothing to be done about it is content with more.
    let expected = (expectation.recovery != Recovery::None).then_some(&expectation.recovery);
    let media_of = |item: &ItemDescriptor| item.media.as_ref().map(|media| media.as_str().to_ascii_lowercase());
    [
        held(Some(kind), Some(&expectation.kind)),
        held(sha256.as_ref(), expectation.sha256.as_ref()),
        held(len.as_ref(), expectation.len.as_ref()),
        held(media_of(promise).as_ref(), media_of(expectation).as_ref()),
        held(amount.as_ref(), expectation.amount.as_ref()),
        held(predicate.as_ref(), expectation.predicate.as_ref()),
        held(verifier.as_ref(), expectation.verifier.as_ref()),
        held(Some(recovery), expected),
    ]
    .into_iter()
    .max()
    .unwrap_or(MatchResult::Match)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::jose::Thumbprint;
    use crate::money::{Amount, Currency};
    use crate::statement::Count;
    use crate::statement::exchange::Line;
    use proptest::prelude::*;

    const OCTETS: &[u8] = br#"{"a":1}"#;

    fn bare(kind: ItemKind) -> ItemDescriptor {
        ItemDescriptor {
            kind,
            sha256: None,
            len: None,
            media: None,
            amount: None,
            predicate: None,
            verifier: None,
            recovery: Recovery::None,
        }
    }

    fn named(kind: ItemKind) -> ItemDescriptor {
        ItemDescriptor { sha256: Some(Digest::of(OCTETS).into()), ..bare(kind) }
    }

    fn ruled(name: &str) -> ItemDescriptor {
        ItemDescriptor { predicate: RuleName::new(name), ..bare(ItemKind::Bytes) }
    }

    fn rules() -> Vec<RuleName> {
        ["json-object/1", "utf8-text/1", "unheard-of/1"].into_iter().filter_map(RuleName::new).collect()
    }

    #[track_caller]
    fn check(described: &ItemDescriptor, expected: MatchResult) {
        let item = Item::of(OCTETS, "application/json");
        assert_eq!(matches(described, &item, &rules()), expected, "{described:?}");
    }

    #[test]
    fn each_kind_has_checked_what_a_machine_can_check() {
        use ItemKind::{Bytes, Contract, Credential, Payment, Physical, Service};
        use MatchResult::{Match, Mismatch, NeedsHuman};
        for (kind, with_hash) in [
            (Bytes, Match),
            (Contract, Match),
            (Payment, NeedsHuman),
            (Credential, NeedsHuman),
            (Physical, NeedsHuman),
            (Service, NeedsHuman),
        ] {
            check(&bare(kind), NeedsHuman);
            check(&named(kind), with_hash);
            // Whatever else it may be, these are not the octets.
            check(&ItemDescriptor { sha256: Some(Digest::of(b"other").into()), ..bare(kind) }, Mismatch);
        }
        let media = |text: &str| Line::new(text);
        check(&ItemDescriptor { len: Count::new(7), media: media("application/JSON"), ..named(Bytes) }, Match);
        check(&ItemDescriptor { len: Count::new(7), media: media("application/json"), ..bare(Bytes) }, NeedsHuman);
        check(&ItemDescriptor { len: Count::new(8), ..named(Bytes) }, Mismatch);
        check(&ItemDescriptor { media: media("text/plain"), ..named(Bytes) }, Mismatch);
        check(&ItemDescriptor { verifier: Some(Thumbprint(Digest([1; 32]).into())), ..named(Bytes) }, NeedsHuman);
        let amount = Currency::new("EUR").and_then(|euro| Amount::new(1250, euro));
        check(&ItemDescriptor { amount, ..named(Bytes) }, NeedsHuman);
        check(&ItemDescriptor { amount, ..bare(Payment) }, NeedsHuman);
        check(&ruled("json-object/1"), Match);
        check(&ruled("utf8-text/1"), Match);
        // Named by the policy and unheard of here; known here and not named by the policy; of another version.
        check(&ruled("unheard-of/1"), NeedsHuman);
        let item = Item::of(OCTETS, "application/json");
        assert_eq!(matches(&ruled("json-object/1"), &item, &[]), NeedsHuman);
        check(&ruled("json-object/2"), NeedsHuman);
        check(&ItemDescriptor { predicate: RuleName::new("json-object/2"), ..named(Bytes) }, NeedsHuman);
        let text = Item::of(b"\x00", "text/plain");
        assert_eq!(matches(&ruled("json-object/1"), &text, &rules()), Mismatch);
        assert_eq!(matches(&ruled("utf8-text/1"), &text, &rules()), Mismatch);
        let twice = Item::of(br#"{"a":1,"a":2}"#, "application/json");
        assert_eq!(matches(&ruled("json-object/1"), &twice, &rules()), Mismatch);
    }

    #[test]
    fn without_the_octets_a_rule_cannot_be_told_and_a_hash_can() {
        let unseen = Item { octets: None, ..Item::of(OCTETS, "application/json") };
        assert_eq!(matches(&named(ItemKind::Bytes), &unseen, &rules()), MatchResult::Match);
        assert_eq!(matches(&ruled("json-object/1"), &unseen, &rules()), MatchResult::NeedsHuman);
        assert_eq!(at_best(&ruled("json-object/1"), &unseen), MatchResult::Match);
        assert_eq!(at_best(&ruled("unheard-of/1"), &unseen), MatchResult::Match);
        let other = ItemDescriptor { len: Count::new(8), ..ruled("json-object/1") };
        assert_eq!(at_best(&other, &unseen), MatchResult::Mismatch);
    }

    #[test]
    fn an_exchange_is_weak_where_papers_are_swapped_for_things_that_nobody_can_annul() {
        use ItemKind::{Bytes, Contract, Credential, Payment, Physical};
        let of = |o: &ItemDescriptor, r: &ItemDescriptor| fairness(o, r, &rules());
        let file = named(Bytes);
        assert_eq!(of(&file, &named(Contract)), Fairness::Strong);
        assert_eq!(of(&file, &bare(Physical)), Fairness::Weak);
        assert_eq!(of(&file, &bare(Bytes)), Fairness::Weak);
        assert_eq!(of(&named(Credential), &bare(Payment)), Fairness::Weak);
        let revocable = ItemDescriptor { recovery: Recovery::Revocable, ..bare(Payment) };
        assert_eq!(of(&revocable, &bare(Physical)), Fairness::Strong);
        assert_eq!(of(&bare(Physical), &revocable), Fairness::Strong);
        assert_eq!(of(&file, &ruled("json-object/1")), Fairness::Strong);
        assert_eq!(fairness(&file, &ruled("json-object/1"), &[]), Fairness::Weak);
    }

    #[test]
    fn a_promise_is_held_against_what_is_expected() {
        use MatchResult::{Match, Mismatch, NeedsHuman};
        let file = ItemDescriptor { media: Line::new("Text/Plain"), ..named(ItemKind::Bytes) };
        assert_eq!(promises(&file, &file), Match);
        assert_eq!(promises(&file, &bare(ItemKind::Bytes)), Match);
        assert_eq!(promises(&bare(ItemKind::Bytes), &file), NeedsHuman);
        assert_eq!(promises(&file, &bare(ItemKind::Contract)), Mismatch);
        assert_eq!(promises(&file, &ItemDescriptor { media: Line::new("text/plain"), ..file.clone() }), Match);
        assert_eq!(promises(&file, &ItemDescriptor { media: Line::new("text/html"), ..file.clone() }), Mismatch);
        let mendable = ItemDescriptor { recovery: Recovery::Revocable, ..file.clone() };
        assert_eq!((promises(&mendable, &file), promises(&file, &mendable)), (Match, Mismatch));
    }

    prop_compose! {
        fn descriptions()(
            kind in prop::sample::select(ItemKind::ALL), sha256 in prop::option::of(any::<bool>()),
            len in prop::option::of(0..3u64), media in prop::option::of("[ab]"), predicate in prop::option::of(0..4usize),
            verifier in any::<bool>(), recovery in prop::sample::select(Recovery::ALL),
        ) -> ItemDescriptor {
            let names = ["json-object/1", "utf8-text/1", "unheard-of/1", "json-object/2"];
            ItemDescriptor {
                kind,
                sha256: sha256.map(|right| Digest::of(if right { b"ab" } else { b"zz" }).into()),
                len: len.and_then(Count::new),
                media: media.and_then(|text| Line::new(&text)),
                amount: None,
                predicate: predicate.and_then(|at| RuleName::new(names[at])),
                verifier: verifier.then(|| Thumbprint(Digest([1; 32]).into())),
                recovery,
            }
        }
    }

    proptest! {
        /// It is total, what nobody at hand can tell is never better than what is seen, and what can be decided is decided.
        #[test]
        fn a_comparison_never_knows_more_than_it_sees(described in descriptions()) {
            let seen = Item::of(b"ab", "a");
            let unseen = Item { octets: None, ..seen };
            let [with, without] = [seen, unseen].map(|item| matches(&described, &item, &rules()));
            prop_assert!(without >= with || with == MatchResult::Mismatch);
            prop_assert!(at_best(&described, &seen) <= with);
            prop_assert!(without != MatchResult::Match || with == MatchResult::Match);
            prop_assert!(is_decidable(&described, &rules()) || with != MatchResult::Match);
            prop_assert!(!is_decidable(&described, &rules()) || with != MatchResult::NeedsHuman);
            prop_assert_eq!(promises(&described, &described), MatchResult::Match);
        }
    }
}
