//! Which policies hold for a whole path (RFC 5280 §6.1.2 to 6.1.5), with the graph of RFC 9618 §5 instead of the tree, which
//! a few hostile certificates make grow beyond every bound.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ObjectId;
use super::certificate::Certificate;
use super::extensions::id;
use super::problem::Flaw;
use super::settings::InitialPolicies;

/// A policy at one depth.
#[derive(Debug, Default)]
struct Node {
    /// Under which policies of the next certificate it goes on.
    expected: BTreeSet<ObjectId>,
    /// From which policies of the depth above it comes.
    parents: BTreeSet<ObjectId>,
}

type Level = BTreeMap<ObjectId, Node>;

/// The state of §6.1.2 about policies.
#[derive(Debug)]
pub(super) struct Policies<'s> {
    initial: &'s InitialPolicies,
    /// Depth by depth; the last one empty stands for a graph that is NULL.
    levels: Vec<Level>,
    explicit: u64,
    mapping: u64,
    any: u64,
    /// Told once.
    failed: bool,
}

/// authority-constrained and user-constrained policies.
pub(super) type Constrained = (BTreeSet<ObjectId>, BTreeSet<ObjectId>);

fn any_policy() -> ObjectId {
    ObjectId::from_content(id::ANY_POLICY).expect("an identifier that is written right")
}

fn is_any(policy: &ObjectId) -> bool {
    policy.content() == id::ANY_POLICY
}

impl<'s> Policies<'s> {
    /// §6.1.2 for a path of `len` certificates.
    pub(super) fn new(initial: &'s InitialPolicies, len: usize) -> Self {
        let counter = |at_once: bool| if at_once { 0 } else { len as u64 + 1 };
        let root = Node { expected: BTreeSet::from([any_policy()]), parents: BTreeSet::new() };
        Self {
            initial,
            levels: vec![BTreeMap::from([(any_policy(), root)])],
            explicit: counter(initial.require_explicit),
            mapping: counter(initial.inhibit_mapping),
            any: counter(initial.inhibit_any),
            failed: false,
        }
    }

    fn is_null(&self) -> bool {
        self.levels.last().is_none_or(Level::is_empty)
    }

    /// §6.1.3 (d) to (f).
    pub(super) fn enter(&mut self, certificate: &Certificate, is_last: bool) -> Option<Flaw> {
        let next = match certificate.policies() {
            Some(policies) if !self.is_null() => {
                self.next_level(policies, self.any > 0 || !is_last && certificate.is_self_issued())
            }
            _ => Level::new(),
        };
        self.levels.push(next);
        self.check()
    }

    fn next_level(&self, policies: &[ObjectId], any_counts: bool) -> Level {
        let above = self.levels.last().expect("there is a root");
        let mut expecting: HashMap<&ObjectId, BTreeSet<ObjectId>> = HashMap::new();
        for (policy, node) in above {
            for expected in &node.expected {
                expecting.entry(expected).or_default().insert(policy.clone());
            }
        }
        let mut level = Level::new();
        let mut put = |policy: &ObjectId, parents: BTreeSet<ObjectId>| {
            let expected = BTreeSet::from([policy.clone()]);
            level.entry(policy.clone()).or_insert(Node { expected, parents });
        };
        // (d)(1)
        for policy in policies.iter().filter(|policy| !is_any(policy)) {
            if let Some(parents) = expecting.get(policy) {
                put(policy, parents.clone());
            } else if above.contains_key(&any_policy()) {
                put(policy, BTreeSet::from([any_policy()]));
            }
        }
        // (d)(2)
        if any_counts && policies.iter().any(is_any) {
            for (policy, parents) in expecting {
                put(policy, parents);
            }
        }
        level
    }

    /// (f), and told once: what follows would only repeat it.
    fn check(&mut self) -> Option<Flaw> {
        let fails = self.explicit == 0 && self.is_null() && !self.failed;
        self.failed |= fails;
        fails.then_some(Flaw::NoPolicy)
    }

    /// §6.1.4 (a), (b), (h) to (j).
    pub(super) fn leave(&mut self, certificate: &Certificate) -> Option<Flaw> {
        let mappings = certificate.policy_mappings();
        let maps_any = mappings.iter().any(|(from, to)| is_any(from) || is_any(to));
        self.map(mappings);
        if !certificate.is_self_issued() {
            for counter in [&mut self.explicit, &mut self.mapping, &mut self.any] {
                *counter = counter.saturating_sub(1);
            }
        }
        let constraints = certificate.policy_constraints();
        self.explicit = self.explicit.min(constraints.require_explicit.unwrap_or(u64::MAX));
        self.mapping = self.mapping.min(constraints.inhibit_mapping.unwrap_or(u64::MAX));
        self.any = self.any.min(certificate.inhibit_any_policy().unwrap_or(u64::MAX));
        maps_any.then_some(Flaw::MapsAnyPolicy)
    }

    /// (b). Mappings from or to anyPolicy map nothing: they are told as a fault.
    fn map(&mut self, mappings: &[(ObjectId, ObjectId)]) {
        let mut mapped: BTreeMap<&ObjectId, BTreeSet<ObjectId>> = BTreeMap::new();
        for (from, to) in mappings.iter().filter(|(from, to)| !is_any(from) && !is_any(to)) {
            mapped.entry(from).or_default().insert(to.clone());
        }
        let permitted = self.mapping > 0;
        let Some(level) = self.levels.last_mut() else { return };
        for (from, to) in mapped {
            if !permitted {
                level.remove(from);
            } else if let Some(node) = level.get_mut(from) {
                node.expected = to;
            } else if level.contains_key(&any_policy()) {
                level.insert(from.clone(), Node { expected: to, parents: BTreeSet::from([any_policy()]) });
            }
        }
    }

    /// §6.1.5 (a), (b), (g), the last as RFC 9618 §5.6 has it.
    pub(super) fn finish(&mut self, target: &Certificate) -> (Constrained, Option<Flaw>) {
        self.explicit = self.explicit.saturating_sub(1);
        if target.policy_constraints().require_explicit == Some(0) {
            self.explicit = 0;
        }
        let authority = self.authority();
        let acceptable = &self.initial.acceptable;
        let user: BTreeSet<_> = if acceptable.is_empty() || acceptable.iter().any(is_any) {
            authority.clone()
        } else if authority.iter().any(is_any) {
            acceptable.clone()
        } else {
            authority.intersection(acceptable).cloned().collect()
        };
        let fails = self.explicit == 0 && user.is_empty() && !self.failed;
        ((authority, user), fails.then_some(Flaw::NoPolicy))
    }

    /// authority_constrained_policy_set: as the first issuer names them, those that reach the target.
    fn authority(&self) -> BTreeSet<ObjectId> {
        let mut found = BTreeSet::new();
        let Some(last) = self.levels.last() else { return found };
        if last.contains_key(&any_policy()) {
            found.insert(any_policy());
        }
        let mut reaching: BTreeSet<ObjectId> = last.keys().cloned().collect();
        for level in self.levels[1..].iter().rev() {
            let mut above = BTreeSet::new();
            for (policy, node) in level.iter().filter(|(policy, _)| reaching.contains(*policy)) {
                if !is_any(policy) && node.parents.len() == 1 && node.parents.iter().all(is_any) {
                    found.insert(policy.clone());
                }
                above.extend(node.parents.iter().cloned());
            }
            reaching = above;
        }
        found
    }
}
