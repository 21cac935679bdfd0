//! What the statements of a certified delivery prove (exchange-and-disputes §7).
//!
//! - A receipt is {d1, d4}, or a verdict RELEASED: the key was there for the recipient from `decided_ms` on, read or not.
//! - d2 alone is no receipt: it says that the recipient will take the key, not that it could.
//! - {d1, key, content} proves that the originator sent the message, also against ABORTED.
//! - VOID binds nobody. It says that the escrow held no key, until the originator shows by its ephemeral key that it did (PoM-4).
//! - If content and key are those of d1 and yet are not the promised message, the originator cheated (PC-4), and RELEASED proves no
//!   delivery of it. A recipient that signed d4 has said itself that it got the message.

use std::collections::BTreeSet;

use super::super::Broken;
use super::super::cd_r::{BadContent, Posted};
use super::super::run::Keys;
use super::{Filed, Finding, basis_of, counted, is_in_time};
use crate::crypto::SecretKey;
use crate::crypto::jwe::{AgreementKey, AgreementPublic};
use crate::digest::Digest;
use crate::statement::exchange::Outcome;
use crate::statement::exchange::cd_r::{AbortDelivery, D2, D4, ResolveO};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::{Body as _, Jws};

/// What was filed of a delivery.
#[derive(Debug)]
pub struct Evidence<'e> {
    /// d1.
    pub first: Jws,
    /// Everything else that the parties signed.
    pub statements: Vec<Jws>,
    /// Verdicts of the arbiter.
    pub verdicts: Vec<Filed>,
    /// The sealed content, C.
    pub content: Option<&'e [u8]>,
    /// Its key, from whoever has it: d1 tells whether it is.
    pub key: Option<SecretKey>,
    /// The originator's ephemeral key, with the arbiter's escrow key: what it shows against VOID.
    pub opening: Option<(&'e AgreementKey, &'e AgreementPublic)>,
}

/// What it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The run.
    pub x: Digest,
    /// The receipt, if there is one.
    pub receipt: Option<Receipt>,
    /// Whether content and key open to the message that was promised; `None` where one of them was not filed.
    pub message: Option<Result<(), BadContent>>,
    /// What the arbiter has decided, by verdicts that count.
    pub outcomes: BTreeSet<Outcome>,
    /// Who has cheated, by its own signatures.
    pub findings: BTreeSet<Finding>,
    /// What was filed and counts for nothing, by its digest.
    pub rejected: Vec<(Digest, Broken)>,
}

/// What proves that the message was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The recipient has said so.
    pub standard: bool,
    /// The arbiter has its key for the recipient.
    pub replacement: bool,
    /// Since when, as the arbiter says or, without a verdict, as the recipient claimed in d4.
    pub at_ms: u64,
}

/// Judges what was filed of a delivery.
///
/// # Errors
/// The first statement itself counts for nothing: then there is no run.
pub fn judge(evidence: &Evidence<'_>, keys: Keys<'_>) -> Result<Judgement, Broken> {
    let posted = Posted::read(evidence.first.clone(), keys)?;
    let mut judgement = Judgement {
        x: posted.run.x,
        receipt: None,
        message: None,
        outcomes: BTreeSet::new(),
        findings: BTreeSet::new(),
        rejected: Vec::new(),
    };
    let mut sorted = Sorted::default();
    for jws in &evidence.statements {
        if let Err(broken) = sorted.take(&posted, jws, keys) {
            judgement.rejected.push((jws.digest(), broken));
        }
    }
    let mut verdicts = Vec::new();
    for filed in &evidence.verdicts {
        match counted(&posted.run, filed, keys) {
            Ok(verdict) => {
                let rests = rests_on_its_basis(&posted, &verdict, keys);
                judgement.findings.extend((!rests).then_some(Finding::AgainstTheRules));
                judgement.findings.extend((!is_in_time(&posted.run, &verdict)).then_some(Finding::OutOfTime));
                judgement.outcomes.insert(verdict.outcome);
                verdicts.push((filed.jws.x(), verdict, rests));
            }
            Err(broken) => judgement.rejected.push((filed.jws.digest(), broken)),
        }
    }
    if verdicts.iter().map(|(payload, ..)| payload).collect::<BTreeSet<_>>().len() > 1 {
        judgement.findings.insert(Finding::DecidedTwice);
    }
    let decided = |outcome| verdicts.iter().find(|(_, verdict, rests)| *rests && verdict.outcome == outcome);
    let took_back = sorted.is_aborted || decided(Outcome::Aborted).is_some();
    judgement.findings.extend((took_back && sorted.is_opened).then_some(Finding::AbortedAndOpened));
    if decided(Outcome::Void).is_some() {
        judgement.findings.insert(match evidence.opening.map(|(key, arbiter)| posted.escrowed_by(key, arbiter)) {
            Some(Some(_)) => Finding::AgainstTheRules,
            Some(None) | None => Finding::EscrowedRubbish,
        });
    }
    let key = evidence.key.as_ref().or(sorted.key.as_ref());
    judgement.message = key.zip(evidence.content).map(|(key, content)| posted.open(content, key).map(|_| ()));
    let is_cheated = matches!(judgement.message, Some(Err(bad)) if bad.is_cheating());
    judgement.findings.extend(is_cheated.then_some(Finding::SentOtherContent));
    let released = decided(Outcome::Released).filter(|_| !is_cheated).map(|(_, verdict, _)| verdict.decided_ms.get());
    judgement.receipt = match (sorted.received_ms, released) {
        (None, None) => None,
        (standard, replacement) => Some(Receipt {
            standard: standard.is_some(),
            replacement: replacement.is_some(),
            at_ms: replacement.or(standard).unwrap_or_default(),
        }),
    };
    Ok(judgement)
}

/// What the parties' statements say.
#[derive(Default)]
struct Sorted {
    is_aborted: bool,
    /// The originator has shown its key.
    is_opened: bool,
    key: Option<SecretKey>,
    /// When the recipient claims to have signed d4, the earliest.
    received_ms: Option<u64>,
}

impl Sorted {
    fn take(&mut self, posted: &Posted, jws: &Jws, keys: Keys<'_>) -> Result<(), Broken> {
        match jws.tag() {
            D2::TAG => posted.agreed(jws.clone(), keys).map(|_| ()),
            D4::TAG => {
                posted.received(jws, keys)?;
                let signed = jws.common().iat.get();
                self.received_ms = Some(self.received_ms.map_or(signed, |earlier| earlier.min(signed)));
                Ok(())
            }
            AbortDelivery::TAG => {
                posted.abort(jws.clone(), keys)?;
                self.is_aborted = true;
                Ok(())
            }
            ResolveO::TAG => {
                let (_, key) = posted.resolve_o(jws.clone(), keys)?;
                self.key = Some(key);
                Ok(())
            }
            // Whatever else it is, it is read as the key, and the fault says what it is not.
            _ => {
                let key = posted.opened(jws, keys)?;
                (self.is_opened, self.key) = (true, Some(key));
                Ok(())
            }
        }
    }
}

/// The rules that the arbiter keeps, on the statements that the verdict embeds (PoM-4).
pub(in super::super) fn rests_on_its_basis(posted: &Posted, verdict: &Verdict, keys: Keys<'_>) -> bool {
    let Some(basis) = basis_of(verdict) else { return false };
    let first = basis.first().and_then(|d1| Posted::read(d1.clone(), keys).ok());
    let Some(first) = first.filter(|embedded| embedded.run.x == posted.run.x) else { return false };
    let keeps = match (verdict.outcome, &basis[1..]) {
        (Outcome::Released | Outcome::Void, [d2]) => first.agreed(d2.clone(), keys).is_ok(),
        (Outcome::Aborted, [abort]) => first.abort(abort.clone(), keys).is_ok(),
        (Outcome::Expired, []) => true,
        _ => false,
    };
    keeps && verdict.policy.0 == posted.run.policy.0
}
