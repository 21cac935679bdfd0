//! What somebody holds of the runs of one arbiter, searched for proofs against it: the way from a folder of files to a file that convicts.
//!
//! Nothing here judges. Each proof that is found was judged as anybody will ([`judge`]), and is as small as it can be: what it does not need
//! to convict is left out.

use std::collections::BTreeSet;

use super::judge::{Anchors, Verdict, judge};
use super::{Item, Kind, Proof};
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::statement::exchange::asw_r::M1;
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::inline::I1;
use crate::statement::exchange::pg::GoodsOrder;
use crate::statement::exchange::pr::PaymentOffer;
use crate::statement::{Body as _, Jws};

/// Everything that is at hand about an arbiter: its verdicts, answers, statuses, receipts and evidence of deliveries; first statements of runs; keys
/// or certificates of the arbiter and the parties; policies; entries with their proofs, genesis among them; facts of outages; stretches of the log;
/// checkpoints.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    /// The origin of the arbiter's log.
    pub against: &'a str,
    /// In any order.
    pub items: &'a [Item],
}

/// A statement of the arbiter's among the items.
struct Told {
    at: usize,
    x: Option<Digest>,
    key: Thumbprint,
}

impl Held<'_> {
    /// Every proof that is in it: proven, or open until the arbiter answers.
    #[must_use]
    pub fn proofs(&self, anchors: &Anchors<'_>) -> Vec<Proof> {
        let mut found = Vec::new();
        for kind in [Kind::Equivocation, Kind::Omission, Kind::BrokenRule, Kind::Time, Kind::NoAnswer] {
            found.extend(self.of_kind(kind, anchors));
        }
        found.extend(self.of_the_log(anchors));
        found
    }

    /// Proofs of one kind that rest on what the arbiter has signed.
    #[must_use]
    pub fn of_kind(&self, kind: Kind, anchors: &Anchors<'_>) -> Vec<Proof> {
        let told = self.told();
        let mut found: Vec<Proof> = Vec::new();
        for (n, one) in told.iter().enumerate() {
            // Each statement by itself, and with each other of its run.
            let others = told[n + 1..].iter().filter(|other| other.x == one.x).map(Some);
            for other in std::iter::once(None).chain(others) {
                let of = [Some(one), other];
                let Some(proof) = self.candidate(kind, &of, &told, anchors) else { continue };
                if !found.contains(&proof) {
                    found.push(proof);
                }
            }
        }
        found
    }

    fn told(&self) -> Vec<Told> {
        let read = |(at, item): (usize, &Item)| {
            let Item::Statement(bytes) = item else { return None };
            let jws = Jws::parse(bytes)
                .ok()
                .filter(|jws| ![M1::TAG, D1::TAG, I1::TAG, GoodsOrder::TAG, PaymentOffer::TAG].contains(&jws.tag()))?;
            Some(Told { at, x: jws.common().x.map(|x| Digest(x.0)), key: jws.key_id() })
        };
        self.items.iter().enumerate().filter_map(read).collect()
    }

    /// These statements with all that might bear on them, and without what does not.
    fn candidate(&self, kind: Kind, of: &[Option<&Told>; 2], told: &[Told], anchors: &Anchors<'_>) -> Option<Proof> {
        let of: Vec<&Told> = of.iter().copied().flatten().collect();
        let convicts = |items: &[Item]| {
            let proof = Proof { kind, against: self.against.to_owned(), items: items.to_vec() };
            let judgement = judge(&proof, anchors);
            judgement.verdict == Verdict::Proven || judgement.is_rebuttable
        };
        // A statement of another run, or another of this one, may show whose the key is, by its entry.
        let by_its_key = told.iter().filter(|other| of.iter().any(|one| one.key == other.key && one.at != other.at));
        for binding in std::iter::once(None).chain(by_its_key.map(Some)) {
            let mut taken: BTreeSet<usize> = of.iter().copied().chain(binding).map(|told| told.at).collect();
            if kind == Kind::NoAnswer {
                // Whoever holds the answer does not claim that there is none.
                taken.extend(told.iter().map(|other| other.at));
            }
            let is_told = |at: usize| told.iter().any(|one| one.at == at);
            let places = (0..self.items.len()).filter(|at| taken.contains(at) || !is_told(*at));
            let mut items: Vec<Item> = places.map(|at| self.items[at].clone()).collect();
            // Genesis is the first of all.
            items.sort_by_key(|item| !matches!(item, Item::Entry(proof) if proof.index == 0));
            if convicts(&items) {
                return Some(self.least(kind, items, convicts));
            }
        }
        None
    }

    /// Without everything that it convicts without.
    fn least(&self, kind: Kind, mut items: Vec<Item>, convicts: impl Fn(&[Item]) -> bool) -> Proof {
        // What another item needs can be left out after that one: again, until nothing more can.
        loop {
            let before = items.len();
            for at in (0..items.len()).rev() {
                let left_out = items.remove(at);
                if !convicts(&items) {
                    items.insert(at, left_out);
                }
            }
            if items.len() == before {
                break;
            }
        }
        Proof { kind, against: self.against.to_owned(), items }
    }

    /// Proofs that rest on the ledger alone: entries and checkpoints that contradict each other.
    fn of_the_log(&self, anchors: &Anchors<'_>) -> Vec<Proof> {
        let entries =
            || self.items.iter().filter_map(|item| if let Item::Entry(proof) = item { Some(proof) } else { None });
        let mut notes: Vec<&str> = entries().map(|proof| proof.checkpoint.as_str()).collect();
        notes.extend(self.items.iter().filter_map(|item| match item {
            Item::Checkpoint(note) => Some(note.as_str()),
            Item::Stretch(stretch) => Some(stretch.checkpoint.as_str()),
            _ => None,
        }));
        let genesis = entries().find(|proof| proof.index == 0);
        let mut found = Vec::new();
        let mut keep = |proof: Proof| {
            if judge(&proof, anchors).verdict == Verdict::Proven && !found.contains(&proof) {
                found.push(proof);
            }
        };
        for (n, one) in notes.iter().enumerate() {
            notes[n + 1..].iter().for_each(|other| keep(Proof::two_roots(self.against, one, other)));
        }
        for (n, one) in entries().enumerate() {
            for other in entries().skip(n + 1) {
                keep(Proof::one_place(self.against, one.clone(), other.clone()));
                let Some(genesis) = genesis else { continue };
                for kind in [Kind::Equivocation, Kind::Time] {
                    keep(Proof::entries(kind, self.against, genesis.clone(), [one.clone(), other.clone()]));
                }
            }
        }
        found
    }
}
