//! Offline verification of a piece of evidence of a registered delivery: who has signed it, whether its event may be said to have occurred,
//! and its receipt, against trust that the verifier brings. All judging is [`crate::exchange::judge::erds`]'s; here its rules become checks
//! with an outcome each.
//!
//! ```text
//! policy ──▶ d1 ──x──▶ evidence ──signature──▶ arbiter's certificate ──chain──▶ root.pem
//!                          │ ╰──▶ the statement of a party that it rests on, the verdict that it names
//!                       SHA-256 ──▶ entry ──inclusion──▶ checkpoint ──signature──▶ ledger.vkey
//! ```
//!
//! Keys are found in certificates that lie beside it. Out of scope: whether another event of the same stage was recorded before, which whoever
//! has all evidence of the delivery judges; how far the outages that it names moved an end; revocations.

use std::sync::Arc;

use serde::Serialize;

use super::receipt::{self, Artefact};
use super::report::{CheckResult, EntrySummary, Lines as _, moment};
use super::{Check, Outcome, Trust, Verdict};
use crate::crypto::jose::{Key, Thumbprint};
use crate::crypto::{Purpose, verify_chain};
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, Kind};
use crate::exchange::judge::erds::{Evidence, Judgement, judge};
use crate::exchange::judge::{Filed, Finding};
use crate::exchange::policy::{DeliveryPolicy, ExchangePolicy};
use crate::statement::exchange::Participant;
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::erds::{ErdsEvent, ErdsEvidence};
use crate::statement::{Jws, Statement};
use crate::time::Timestamp;
use crate::x509::Certificate;

/// A check, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ErdsCheck {
    /// A statement `erds/evidence`.
    #[serde(rename = "evidence.form")]
    Form,
    /// Its service is one whose ledger is trusted.
    #[serde(rename = "evidence.service")]
    Service,
    /// The key that it names for its service has signed it.
    #[serde(rename = "evidence.signature")]
    Signature,
    /// It is of the delivery whose first statement was given, with its sides, content and worth, and by the key that this names.
    #[serde(rename = "evidence.delivery")]
    Delivery,
    /// What it rests on leads to its event.
    #[serde(rename = "evidence.grounds")]
    Grounds,
    /// Its event occurred on the right side of what was awaited.
    #[serde(rename = "evidence.time")]
    Time,
    /// The verdict that was given with it is of its delivery, and counts.
    #[serde(rename = "evidence.verdict")]
    Verdict,
    /// The certificates of the service, of the sender, and of whoever signed what it rests on chain to the trusted root when it was recorded.
    #[serde(rename = "certificate.chain")]
    Chain,
    /// None of them was revoked. Never looked at yet.
    #[serde(rename = "certificate.revocation")]
    Revocation,
    /// The proof reads.
    #[serde(rename = "proof.form")]
    ProofForm,
    /// The entry is of the evidence.
    #[serde(rename = "entry.digest")]
    EntryDigest,
    /// The entry says so, and bears no tag.
    #[serde(rename = "entry.kind")]
    EntryKind,
    /// The checkpoint is signed by the service's ledger.
    #[serde(rename = "proof.checkpoint")]
    ProofCheckpoint,
    /// Enough witnesses have cosigned it.
    #[serde(rename = "proof.witnesses")]
    ProofWitnesses,
    /// The entry stands in the tree of that checkpoint.
    #[serde(rename = "proof.inclusion")]
    ProofInclusion,
    /// The entry was made in time.
    #[serde(rename = "entry.time")]
    EntryTime,
}

impl ErdsCheck {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 16] = [
        Self::Form,
        Self::Service,
        Self::Signature,
        Self::Delivery,
        Self::Grounds,
        Self::Time,
        Self::Verdict,
        Self::Chain,
        Self::Revocation,
        Self::ProofForm,
        Self::EntryDigest,
        Self::EntryKind,
        Self::ProofCheckpoint,
        Self::ProofWitnesses,
        Self::ProofInclusion,
        Self::EntryTime,
    ];

    /// The checks of the ledger, which come last.
    #[must_use]
    pub fn is_of_ledger(self) -> bool {
        self >= Self::ProofForm
    }

    const fn of_receipt(check: Check) -> Self {
        match check {
            Check::EntryDigest => Self::EntryDigest,
            Check::EntryKind => Self::EntryKind,
            Check::ProofCheckpoint => Self::ProofCheckpoint,
            Check::ProofWitnesses => Self::ProofWitnesses,
            Check::ProofInclusion => Self::ProofInclusion,
            Check::EntryTime => Self::EntryTime,
            // Receipts have no other checks than these.
            _ => Self::ProofForm,
        }
    }
}

/// What is to be verified.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryEvidence<'a> {
    /// The evidence, a JWS.
    pub evidence: &'a [u8],
    /// d1.
    pub first: Option<&'a [u8]>,
    /// The policy that d1 names.
    pub policy: Option<&'a [u8]>,
    /// The verdict about the delivery, where it has one.
    pub verdict: Option<&'a [u8]>,
    /// Certificates that are at hand: the service's, both sides', their issuers'. None of them is trusted for being here.
    pub certificates: &'a [Certificate],
    /// The receipt of the evidence: the text of a `.tlog-proof`, or a COSE Receipt.
    pub proof: Option<&'a [u8]>,
}

/// What the evidence says; worth what the checks are worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErdsSummary {
    /// The delivery.
    pub x: Digest,
    /// The origin of the service.
    pub service: String,
    /// The event's letter and number in the standard.
    pub letter: String,
    /// Its name there.
    pub event: String,
    /// When it happened, as it is claimed.
    pub event_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Why, in the words of the reasons' names.
    pub reasons: Vec<String>,
    /// What happened, in a sentence.
    pub says: String,
    /// What it does not say.
    pub further: Vec<String>,
}

/// All checks with their results, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErdsReport {
    /// Whether the evidence counts.
    pub verdict: Verdict,
    /// One for each [`ErdsCheck`].
    pub checks: Vec<CheckResult<ErdsCheck>>,
    /// What it says, if it reads.
    pub evidence: Option<ErdsSummary>,
    /// What the proof says.
    pub entry: Option<EntrySummary>,
    /// Whether the verifier's policy asks for witnesses.
    pub asked_for_witnesses: bool,
}

impl ErdsReport {
    /// What came out of `check`.
    #[must_use]
    pub fn outcome(&self, check: ErdsCheck) -> Option<&Outcome> {
        self.checks.iter().find(|result| result.check == check).map(|result| &result.outcome)
    }

    /// True if `result` is a check that was not made and whose answer the verdict needs.
    #[must_use]
    pub fn leaves_open(&self, result: &CheckResult<ErdsCheck>) -> bool {
        matches!(result.outcome, Outcome::NotChecked(_))
            && match result.check {
                // None was given: what the evidence says of its verdict is believed. Else what is missing is missing elsewhere, too.
                ErdsCheck::Revocation | ErdsCheck::Verdict => false,
                ErdsCheck::ProofWitnesses => self.asked_for_witnesses,
                _ => true,
            }
    }
}

/// Evidence that reads.
struct Read {
    jws: Jws,
    x: Digest,
    told: ErdsEvidence,
}

/// Makes every check that can be made.
#[must_use]
pub fn verify_delivery(evidence: &DeliveryEvidence<'_>, trust: &Trust) -> ErdsReport {
    let mut report = ErdsReport { asked_for_witnesses: trust.needs_witnesses(), ..ErdsReport::default() };
    let read = read(evidence.evidence);
    match &read {
        Ok(read) => {
            report.checks.put(ErdsCheck::Form, Outcome::Ok);
            report.evidence = Some(of_evidence(evidence, read, trust, &mut report.checks));
        }
        Err(why) => {
            report.checks.put(ErdsCheck::Form, Outcome::Failed(why.clone()));
            let rest = ErdsCheck::ALL.into_iter().filter(|check| *check > ErdsCheck::Form && !check.is_of_ledger());
            rest.for_each(|check| report.checks.skip(check, "the evidence does not read"));
        }
    }
    let read = read.ok();
    let artefact = Artefact {
        noun: "evidence",
        time: "at_ms",
        digest: read.as_ref().map_or_else(|| Digest::of(evidence.evidence), |read| read.jws.digest()),
        made: read.as_ref().map(|read| Timestamp::from_millis(read.told.at_ms.get())),
        kind: Some(Kind::Exchange(ExchangeKind::DeliveryEvent)),
        tags: Some(Vec::new()),
    };
    // Of several ledgers that are trusted, the evidence stands in that of the service which it names.
    let mut its_own = trust.clone();
    if let Some(read) = &read {
        its_own.log_keys.retain(|key| key.name() == read.told.issuer.id.as_str());
    }
    let (outcomes, entry) = receipt::check(&artefact, evidence.proof, &its_own);
    for (check, outcome) in outcomes {
        report.checks.put(ErdsCheck::of_receipt(check), outcome);
    }
    report.entry = entry;
    report.verdict = Verdict::of(&report.checks, |result| report.leaves_open(result));
    report
}

fn read(bytes: &[u8]) -> Result<Read, String> {
    let jws = Jws::parse(bytes).map_err(|fault| fault.to_string())?;
    let Statement { common, body: told } = jws.payload_as::<ErdsEvidence>().map_err(|fault| fault.to_string())?;
    let x = common.x.map(|x| Digest(x.0)).unwrap_or_default();
    // Whoever turned its signature around has the evidence all the same, which the ledger knows in its normal form.
    Ok(Read { jws: jws.normal(), x, told })
}

/// Whoever turned its signature around has the verdict all the same.
fn read_verdict(bytes: &[u8]) -> Result<Jws, String> {
    let jws = Jws::parse(bytes).map_err(|fault| fault.to_string())?;
    jws.payload_as::<crate::statement::exchange::verdict::Verdict>().map_err(|fault| fault.to_string())?;
    Ok(jws.normal())
}

type Lines = Vec<CheckResult<ErdsCheck>>;

fn of_evidence(evidence: &DeliveryEvidence<'_>, read: &Read, trust: &Trust, checks: &mut Lines) -> ErdsSummary {
    let Read { jws, told, .. } = read;
    let found = |name: &Thumbprint| {
        let mut keys = evidence.certificates.iter().filter_map(|certificate| {
            let key = Key::from_spki_der(&certificate.spki_der()).ok().filter(|key| key.thumbprint() == *name)?;
            Some((certificate, Arc::new(key)))
        });
        keys.next()
    };
    let keys = |name: &Thumbprint| found(name).map(|(_, key)| key);
    let origin = told.issuer.id.as_str();
    let is_trusted = trust.log_keys.iter().any(|key| key.name() == origin);
    let of_other = || format!("it is of the service {origin}, whose ledger you do not trust");
    checks.record(ErdsCheck::Service, is_trusted.then_some(()).ok_or_else(of_other));

    // The recipient's certificate only where evidence rests on what it has signed.
    let basis = told.basis.iter().filter_map(|text| Jws::parse(text.as_bytes()).ok());
    let is_by_recipient = basis.map(|jws| jws.key_id()).any(|key| key == told.recipient.key);
    let mut named = vec![("service", &told.issuer.key), ("sender", &told.sender.key)];
    named.extend(is_by_recipient.then_some(("recipient", &told.recipient.key)));
    let missing = |names: &[(&str, &Thumbprint)]| {
        let lacking = names.iter().find(|(_, name)| found(name).is_none());
        lacking.map(|(whose, name)| format!("the certificate of the {whose}'s key {name} was not given"))
    };
    match (missing(&named[..1]), keys(&told.issuer.key)) {
        (None, Some(key)) => checks.record(
            ErdsCheck::Signature,
            match jws.key_id() == told.issuer.key {
                true => jws.verify(&key).map_err(|fault| fault.to_string()),
                false => Err("it is signed by another key than it names for its service".to_owned()),
            },
        ),
        (why, _) => checks.put(ErdsCheck::Signature, Outcome::NotChecked(why.unwrap_or_default())),
    }
    let verdict = evidence.verdict.map(read_verdict);
    let judged = match missing(&named) {
        Some(why) => Err(Outcome::NotChecked(why)),
        None => judged(evidence, read, verdict.as_ref().and_then(|verdict| verdict.as_ref().ok()), &keys),
    };
    let of_verdict = match (&verdict, &judged) {
        (None, _) => Outcome::not_checked("none was given"),
        (Some(Err(why)), _) => Outcome::Failed(why.clone()),
        (Some(Ok(_)), Err(_)) => Outcome::not_checked("the evidence could not be judged"),
        (Some(Ok(verdict)), Ok(judgement)) => {
            let digest = verdict.digest();
            let rejected = judgement.rejected.iter().find(|(other, _)| *other == digest);
            rejected.map_or(Outcome::Ok, |(_, why)| Outcome::Failed(why.to_string()))
        }
    };
    match judged {
        Ok(judgement) => {
            let digest = jws.digest();
            let rejected = judgement.rejected.iter().find(|(other, _)| *other == digest);
            checks.record(ErdsCheck::Delivery, rejected.map_or(Ok(()), |(_, why)| Err(why.to_string())));
            let kept = |finding: Finding, why: &str| match rejected {
                Some(_) => Outcome::not_checked("it is not evidence of that delivery"),
                None if judgement.findings.contains(&finding) => Outcome::Failed(why.to_owned()),
                None => Outcome::Ok,
            };
            let grounds = kept(Finding::AgainstTheRules, "what it rests on does not lead to its event");
            checks.put(ErdsCheck::Grounds, grounds);
            checks.put(ErdsCheck::Time, kept(Finding::OutOfTime, "what it says was awaited had not passed, or had"));
        }
        Err(outcome) => {
            for check in [ErdsCheck::Delivery, ErdsCheck::Grounds, ErdsCheck::Time] {
                checks.put(check, outcome.clone());
            }
        }
    }
    checks.put(ErdsCheck::Verdict, of_verdict);
    match missing(&named) {
        Some(why) => checks.put(ErdsCheck::Chain, Outcome::NotChecked(why)),
        None => {
            let at = Timestamp::from_millis(told.at_ms.get());
            let helpers: Vec<Vec<u8>> =
                evidence.certificates.iter().chain(&trust.chain).map(|one| one.der().to_vec()).collect();
            let mut bad = named.iter().filter_map(|(whose, name)| {
                let (certificate, _) = found(name)?;
                let chain = verify_chain(certificate.der(), &helpers, trust.root.der(), at, Purpose::Any);
                chain.err().map(|fault| format!("the {whose}'s: {fault}"))
            });
            checks.record(ErdsCheck::Chain, bad.next().map_or(Ok(()), Err));
        }
    }
    checks.skip(ErdsCheck::Revocation, "revocations are not looked at");
    let called = |side: &Participant| {
        let name =
            found(&side.key).and_then(|(certificate, _)| certificate.subject_attribute(crate::asn1::oid::COMMON_NAME));
        name.map_or_else(|| format!("the party {}", side.id), |name| format!("{name} (the party {})", side.id))
    };
    summary(read, &called(&told.sender), &called(&told.recipient))
}

/// What the judge of registered deliveries says of it.
fn judged(
    evidence: &DeliveryEvidence<'_>,
    read: &Read,
    verdict: Option<&Jws>,
    keys: crate::exchange::run::Keys<'_>,
) -> Result<Judgement, Outcome> {
    let not_given = |what: &str| Outcome::NotChecked(format!("{what} was not given"));
    let failed = |why: &dyn std::fmt::Display| Outcome::Failed(why.to_string());
    let first = evidence.first.ok_or_else(|| not_given("d1, with which the delivery began,"))?;
    let first = Jws::parse(first).map_err(|fault| failed(&fault))?;
    let delivery = first.payload_as::<D1>().map_err(|fault| failed(&fault))?.body;
    if first.x() != read.x {
        return Err(failed(&"it is of another delivery than d1"));
    }
    let policy = evidence.policy.ok_or_else(|| not_given("the policy that d1 names"))?;
    let rules = rules_of(policy, Digest(delivery.policy.0)).map_err(|why| failed(&why))?;
    let filed = |jws: Jws| Filed { jws, is_logged: true }; // whether it is, is a check of its own
    let verdicts = verdict.cloned().map(filed).into_iter().collect();
    let events = vec![filed(read.jws.clone())];
    judge(&Evidence { first, events, verdicts, rules }, keys).map_err(|broken| failed(&broken))
}

fn rules_of(policy: &[u8], named: Digest) -> Result<DeliveryPolicy, &'static str> {
    if Digest::of(policy) != named {
        return Err("the policy that was given is not the one that d1 names");
    }
    let policy = ExchangePolicy::parse(policy).map_err(|_| "the policy that d1 names is none for exchanges")?;
    policy.delivery.ok_or("by the policy that d1 names no deliveries are registered")
}

fn summary(read: &Read, o: &str, r: &str) -> ErdsSummary {
    let Read { x, told, .. } = read;
    let (event_at, recorded_at) = (Timestamp::from_millis(told.event_ms.get()), told.at_ms.get());
    let recorded_at = Timestamp::from_millis(recorded_at);
    let (when, at) = (moment(event_at), moment(recorded_at));
    let says = match told.event {
        ErdsEvent::SubmissionAcceptance => format!("{o} submitted a delivery to {r}, which the service took on {at}."),
        ErdsEvent::SubmissionRejection => {
            format!("{o} submitted a delivery to {r}, which the service did not take on {at}.")
        }
        ErdsEvent::NotificationForAcceptance => {
            format!("On {when} the service left {r} a notice of a delivery by {o}, read or not.")
        }
        ErdsEvent::NotificationForAcceptanceFailure => {
            format!("The service left {r} no notice of a delivery by {o}, as it recorded on {at}.")
        }
        ErdsEvent::ConsignmentAcceptance => format!(
            "{r} holds what {o} has sealed for it and will take the key, as it signed on {when} by its own clock."
        ),
        ErdsEvent::ConsignmentRejection => {
            format!("{r} refused a delivery by {o}, as it signed on {when} by its own clock.")
        }
        ErdsEvent::AcceptanceRejectionExpiry => {
            format!("Until {when} {r} neither took nor refused a delivery by {o}.")
        }
        ErdsEvent::ContentConsignment => {
            format!("Since {when} the service has the key of a delivery by {o} for {r}, fetched or not.")
        }
        ErdsEvent::ContentConsignmentFailure => {
            format!("Of a delivery by {o} to {r} no key will be handed out, since {when}.")
        }
        ErdsEvent::ContentHandover if told.verdict.is_some() => {
            format!("On {when} {r} was given the key of a delivery by {o}.")
        }
        ErdsEvent::ContentHandover => {
            format!("{r} has confirmed that it received a delivery by {o}, on {when} by its own clock.")
        }
        ErdsEvent::ContentHandoverFailure => {
            format!("Until {when} {r} did not collect the key of a delivery by {o}.")
        }
    };
    let mut further = vec![
        "Another event of its stage may have been recorded before: all evidence of the delivery tells.".to_owned(),
    ];
    if told.verdict.is_some() {
        further.push("Whom it binds follows from the verdict that it names, and not from this.".to_owned());
    }
    if !told.outages.is_empty() {
        further.push(
            "It names outages of the service, which moved the end of the delivery; by how much was not looked at."
                .to_owned(),
        );
    }
    ErdsSummary {
        x: *x,
        service: told.issuer.id.as_str().to_owned(),
        letter: told.event.letter().to_owned(),
        event: told.event.name().to_owned(),
        event_at,
        recorded_at,
        reasons: told.codes().iter().map(|reason| reason.name().to_owned()).collect(),
        says,
        further,
    }
}

#[cfg(test)]
mod tests;
