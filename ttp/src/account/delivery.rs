//! Proofs against an arbiter by the evidence that it has signed of a registered delivery (exchange-and-disputes §9, §13). What an event must
//! rest on, and which events exclude each other, [`crate::exchange::judge::erds`] says; here it is held against what the accused has signed.
//!
//! | kind | what convicts |
//! |---|---|
//! | equivocation | two pieces that exclude each other; a piece that says that the run was decided otherwise than the verdict or a status, or names another verdict |
//! | omission | a piece that is not in the ledger, or another one in its place: as of verdicts |
//! | broken rule | a piece that says something else of the delivery than d1, that does not follow from the statement that it embeds, or from the verdict that it names |
//! | time | a piece on the wrong side of the moment that it tells of; one of a moment at which the arbiter was away; an entry outside of the time that was promised |
//!
//! **No answer (PoM-6) and the status "none as of size n" (PoM-1b) are not of evidence**: no receipt is given for what is shown of a
//! delivery, since whatever is awaited has a moment behind which the negative event is recorded; and a status tells of verdicts. §9 has no
//! class for a key that signs behind the end of its certificate: that, [`crate::verify::erds`] finds in the chain. A piece by another key of the
//! arbiter's than d1 names leaves it open whether that key follows the one, as of verdicts.
//!
//! **What convicts nobody**: that something came in vain is no lie for a verdict that came too, since both have histories of their own and what
//! was recorded first stands; d4, which tells of no verdict, beside ABORTED; a positive event behind the negative one that says so. d1 is
//! shown by whoever accuses, so what is wrong with it convicts nobody; what a piece embeds, the arbiter has signed.

use super::exchange::{Hearing, broken, decision, name_two, short};
use super::exhibits::{Said, Told};
use super::judge::{Doubt, Found, unfounded};
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::exchange::judge::Fault;
use crate::exchange::judge::erds::{OTHER_THAN_D1, contradiction, followed, is_of};
use crate::statement::exchange::erds::ErdsEvidence;
use crate::statement::exchange::verdict::{Status, Verdict};

impl Hearing<'_, '_> {
    pub(super) fn two_pieces(
        &self,
        (one, first): (&Told, &ErdsEvidence),
        (other, second): (&Told, &ErdsEvidence),
    ) -> Found {
        match contradiction(first, second) {
            Some(why) => Ok(format!(
                "{} signed two pieces of evidence of the delivery {} that exclude each other, {} and {}: {why}",
                self.arbiter(),
                short(&one.x),
                event(first),
                event(second)
            )),
            None => name_two(one, other),
        }
    }

    pub(super) fn against_evidence(
        &self,
        told: &Told,
        verdict: &Verdict,
        of_evidence: &Told,
        evidence: &ErdsEvidence,
    ) -> Found {
        match evidence.outcome() {
            None => unfounded(format!("evidence {} tells of no verdict", event(evidence))),
            Some(outcome) if outcome != verdict.outcome => Ok(format!(
                "{} says in its evidence {} that it decided the run {} as {}, and its verdict is {}",
                self.arbiter(),
                event(evidence),
                short(&told.x),
                outcome.name(),
                decision(verdict)
            )),
            Some(_) if evidence.verdict.is_none() => {
                unfounded(format!("evidence {} and the verdict agree", event(evidence)))
            }
            Some(_) => self.names_another(told, verdict, of_evidence),
        }
    }

    pub(super) fn against_what_it_says(
        &self,
        (one, evidence): (&Told, &ErdsEvidence),
        (other, status): (&Told, &Status),
    ) -> Found {
        match (evidence.outcome(), status.outcome) {
            (Some(first), Some(second)) if first != second => Ok(format!(
                "{} says in its evidence {} that it decided the run {} as {}, and in a status that it decided it as {}",
                self.arbiter(),
                event(evidence),
                short(&one.x),
                first.name(),
                second.name()
            )),
            _ => name_two(one, other),
        }
    }

    pub(super) fn evidence_against_the_rules(&self, told: &Told, evidence: &ErdsEvidence) -> Found {
        let why = match self.fault_of(told, evidence)? {
            Some(Fault::Rule(why)) => why.to_owned(),
            Some(Fault::Statement(fault)) => broken(fault)?,
            None | Some(Fault::Time(_)) => return unfounded("the evidence follows from what it rests on"),
        };
        Ok(self.signed(told, evidence, "against its rules", &why))
    }

    pub(super) fn evidence_out_of_time(&self, told: &Told, evidence: &ErdsEvidence) -> Found {
        match self.fault_of(told, evidence)? {
            Some(Fault::Time(why)) => Ok(self.signed(told, evidence, "at a time that cannot be true", why)),
            None | Some(Fault::Rule(_) | Fault::Statement(_)) => {
                unfounded("the evidence is on the right side of what it tells of")
            }
        }
    }

    fn signed(&self, told: &Told, evidence: &ErdsEvidence, how: &str, why: &str) -> String {
        format!(
            "{} signed evidence {} of the delivery {} {how}: {why}",
            self.arbiter(),
            event(evidence),
            short(&told.x)
        )
    }

    /// What a piece breaks, if anything.
    fn fault_of(&self, told: &Told, evidence: &ErdsEvidence) -> Result<Option<Fault>, Doubt> {
        let posted = self.shown.delivery_of(self.court, told)?;
        if !is_of(&posted, &told.jws.common().iat, evidence) {
            return Ok(Some(Fault::Rule(OTHER_THAN_D1)));
        }
        let policy = self.shown.policy(posted.run.policy)?;
        let Some(rules) = policy.delivery else {
            return unfounded("by the policy of the run no deliveries are registered");
        };
        let keys = |name: &Thumbprint| self.shown.key_of(name);
        let verdicts = self.verdicts_for(told, evidence);
        let fault = |end| followed(&posted, evidence, &verdicts, rules, end, &keys).err();
        match (fault(None), posted.run.t_exp) {
            // Outages move the end in one direction alone, and how far does not matter to what fails wherever it is.
            (None, Some(t_exp)) if !evidence.outages.is_empty() => {
                Ok(fault(Some(self.end_moved_by(t_exp, posted.run.policy, &evidence.outages)?)))
            }
            (fault, _) => Ok(fault),
        }
    }

    /// The verdict that a piece names, by the hash by which it does; for one that names none, those of its run. That there is another one is
    /// equivocation.
    fn verdicts_for(&self, told: &Told, evidence: &ErdsEvidence) -> Vec<(Digest, Verdict)> {
        let of_run = self.shown.told.iter().filter(|other| {
            other.x == told.x && other.jws.key_id() == told.jws.key_id() && self.is_the_arbiters(other).is_ok()
        });
        let named = |other: &Told| match evidence.verdict.map(|named| Digest(named.0)) {
            Some(named) => other.is_named_by(&named).then_some(named),
            None => Some(other.jws.digest()),
        };
        of_run
            .filter_map(|other| match &other.said {
                Said::Verdict(verdict) => Some((named(other)?, verdict.clone())),
                _ => None,
            })
            .collect()
    }
}

/// An event, as people name it.
fn event(evidence: &ErdsEvidence) -> String {
    format!("{} ({})", evidence.event.letter(), evidence.event.name())
}
