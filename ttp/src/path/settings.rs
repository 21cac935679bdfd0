//! What a caller decides before anything is judged.

use std::collections::BTreeSet;

use super::ObjectId;
use super::algorithms::AlgorithmTable;
use super::constraints::NameConstraints;
use crate::time::Timestamp;

/// Everything that a judgement depends on besides the material and the moment asked about.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The moment of judging. Evidence dated later cannot exist and is not believed; who allows for clocks that disagree adds so much.
    pub now: Timestamp,
    /// The inputs of RFC 5280 §6.1.1 about policies.
    pub policies: InitialPolicies,
    /// initial-permitted-subtrees and initial-excluded-subtrees (§6.1.1 (h), (i)); empty for no constraint.
    pub names: NameConstraints,
    /// A purpose that the target's extended key usage must permit, if it has one; `None` to leave that to the caller.
    pub purpose: Option<ObjectId>,
    /// Which algorithms are accepted until when.
    pub algorithms: AlgorithmTable,
    /// How fresh evidence of revocation must be.
    pub freshness: Freshness,
    /// Bounds against hostile material.
    pub limits: Limits,
}

impl Settings {
    /// Without constraints of the caller's own: any policy, every name, the built-in table of algorithms, evidence fresh until
    /// its nextUpdate.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            policies: InitialPolicies::default(),
            names: NameConstraints::default(),
            purpose: None,
            algorithms: AlgorithmTable::builtin(),
            freshness: Freshness::NextUpdate,
            limits: Limits::default(),
        }
    }
}

/// user-initial-policy-set and the three initial indicators (RFC 5280 §6.1.1 (c), (e), (f), (g)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitialPolicies {
    /// The policies that are acceptable; empty for any-policy.
    pub acceptable: BTreeSet<ObjectId>,
    /// initial-policy-mapping-inhibit.
    pub inhibit_mapping: bool,
    /// initial-explicit-policy.
    pub require_explicit: bool,
    /// initial-any-policy-inhibit.
    pub inhibit_any: bool,
}

/// How fresh evidence must be that was issued at or before the moment asked about. What was issued later is fresh by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The moment asked about lies at or before nextUpdate; without one, evidence is never fresh.
    NextUpdate,
    /// Issued at most so many seconds before the moment asked about, whatever nextUpdate says (EN 319 102-1 §5.2.5).
    Within {
        /// Seconds.
        secs: u64,
    },
    /// Issued at or after the moment asked about: a revocation before it would be seen.
    IssuedAfter,
}

/// Bounds, so that hostile material costs little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Paths that [`super::build`] gives back.
    pub paths: usize,
    /// Certificates in a path, without the anchor.
    pub certificates: usize,
    /// Certificates that are tried as issuers of issuers, in all.
    pub candidates: usize,
    /// How often a signer of evidence may need evidence about itself, in turn.
    pub evidence_depth: usize,
}

impl Default for Limits {
    /// 8 paths of at most 12 certificates: public hierarchies have 2 to 5.
    fn default() -> Self {
        Self { paths: 8, certificates: 12, candidates: 1_000, evidence_depth: 3 }
    }
}
