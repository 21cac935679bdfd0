//! Offline verification of an arbiter's verdict: what it rests on, who has signed that, and its receipt, against trust that the verifier
//! brings. All judging of the run is [`crate::exchange::judge`]'s; here its rules become checks with an outcome each.
//!
//! ```text
//! text + salt ──▶ terms ──▶ m1 ──x──▶ verdict ──signature──▶ arbiter's certificate ──chain──▶ root.pem
//!                  keys of both sides ──┘  │
//!                                       SHA-256 ──▶ entry with the run's tag ──inclusion──▶ checkpoint ──signature──▶ ledger.vkey
//! ```
//!
//! Keys are found in certificates that lie beside the verdict, by the thumbprints that the run names. Out of scope: how far the outages
//! that a verdict names moved the end of its run (a proof of misbehaviour shows them, [`crate::account`]), and revocations.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::receipt::{self, Artefact};
use super::report::{CheckResult, EntrySummary, Lines as _, moment};
use super::{Check, Outcome, Trust, Verdict};
use crate::crypto::jose::{Key, Thumbprint};
use crate::crypto::{Purpose, verify_chain};
use crate::digest::Digest;
use crate::evidence::Kind;
use crate::exchange::cd_r::message_hash;
use crate::exchange::judge::{Evidence, Filed, Finding, Judgement, delivery, inline, judge, paid};
use crate::exchange::paid::Opened;
use crate::exchange::run::{Keys, Run};
use crate::exchange::{Broken, kind_of_verdict, run_of, tag_of_verdict, terms_hash};
use crate::statement::exchange::asw_r::M1;
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::inline::{Deposit, I1, Nrs};
use crate::statement::exchange::item::{Fairness, ItemDescriptor};
use crate::statement::exchange::pg::{GoodsOrder, HandedOver};
use crate::statement::exchange::pr::PaymentOffer;
use crate::statement::exchange::verdict::{Answer, Verdict as Stated};
use crate::statement::exchange::{Outcome as Decided, Protocol};
use crate::statement::{Body as _, Jws, Statement};
use crate::time::Timestamp;
use crate::x509::Certificate;

/// A check, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum RunCheck {
    /// A statement `verdict` that embeds the first statement of its run.
    #[serde(rename = "verdict.form")]
    Form,
    /// The run is one for the arbiter of a ledger that is trusted.
    #[serde(rename = "verdict.service")]
    Service,
    /// The key that the run names for its arbiter has signed it.
    #[serde(rename = "verdict.signature")]
    Signature,
    /// The originator has signed the first statement.
    #[serde(rename = "run.offer")]
    Offer,
    /// The verdict follows from what it embeds.
    #[serde(rename = "verdict.basis")]
    Basis,
    /// It was decided on the right side of the run's end.
    #[serde(rename = "verdict.time")]
    Time,
    /// The certificates of the arbiter and of both sides chain to the trusted root at the moment of the decision.
    #[serde(rename = "certificate.chain")]
    Chain,
    /// None of them was revoked. Never looked at yet.
    #[serde(rename = "certificate.revocation")]
    Revocation,
    /// The answer is the arbiter's, to a side of this run, and names this verdict.
    #[serde(rename = "run.answer")]
    Answer,
    /// What else was given of the run is of it.
    #[serde(rename = "run.statements")]
    Statements,
    /// The document, with its salt, is the text of the run.
    #[serde(rename = "run.text")]
    Text,
    /// The proof reads.
    #[serde(rename = "proof.form")]
    ProofForm,
    /// The entry is of the verdict.
    #[serde(rename = "entry.digest")]
    EntryDigest,
    /// The entry says so, and bears the tag of the run.
    #[serde(rename = "entry.kind")]
    EntryKind,
    /// The checkpoint is signed by the run's ledger.
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

impl RunCheck {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 18] = [
        Self::Form,
        Self::Service,
        Self::Signature,
        Self::Offer,
        Self::Basis,
        Self::Time,
        Self::Chain,
        Self::Revocation,
        Self::Answer,
        Self::Statements,
        Self::Text,
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
pub struct RunEvidence<'a> {
    /// The verdict, a JWS.
    pub verdict: &'a [u8],
    /// Certificates that are at hand: the arbiter's, both sides', their issuers'. None of them is trusted for being here.
    pub certificates: &'a [Certificate],
    /// What else the parties signed: m1 to m4, the request to abort.
    pub statements: &'a [Vec<u8>],
    /// The answer to one side.
    pub answer: Option<&'a [u8]>,
    /// The text, and the 32 octets in front of it when it is hashed.
    pub text: Option<(&'a [u8; 32], &'a [u8])>,
    /// The receipt of the verdict: the text of a `.tlog-proof`, or a COSE Receipt.
    pub proof: Option<&'a [u8]>,
}

/// What the verdict says; worth what the checks are worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// The run.
    pub x: Digest,
    /// The origin of the arbiter's service.
    pub service: String,
    /// What was decided.
    pub outcome: Decided,
    /// RFC 3339.
    pub decided_at: Timestamp,
    /// Whether there is a contract, by the verdict or by all four messages of the parties.
    pub contract: bool,
    /// Whether there is a receipt for a delivery, by the verdict or by the recipient.
    pub receipt: bool,
    /// Who has a contract with whom since when, or why the verdict makes none.
    pub says: String,
    /// What it does not say, and whom the statements convict.
    pub further: Vec<String>,
}

/// All checks with their results, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// Whether the verdict counts.
    pub verdict: Verdict,
    /// One for each [`RunCheck`].
    pub checks: Vec<CheckResult<RunCheck>>,
    /// What the verdict says, if it reads.
    pub run: Option<RunSummary>,
    /// What the proof says.
    pub entry: Option<EntrySummary>,
    /// Whether the verifier's policy asks for witnesses.
    pub asked_for_witnesses: bool,
    /// Whether a text was given.
    pub asked_for_text: bool,
}

impl RunReport {
    /// What came out of `check`.
    #[must_use]
    pub fn outcome(&self, check: RunCheck) -> Option<&Outcome> {
        self.checks.iter().find(|result| result.check == check).map(|result| &result.outcome)
    }

    /// True if `result` is a check that was not made and whose answer the verdict needs.
    #[must_use]
    pub fn leaves_open(&self, result: &CheckResult<RunCheck>) -> bool {
        matches!(result.outcome, Outcome::NotChecked(_))
            && match result.check {
                RunCheck::Revocation | RunCheck::Answer | RunCheck::Statements => false,
                RunCheck::Text => self.asked_for_text,
                RunCheck::ProofWitnesses => self.asked_for_witnesses,
                _ => true,
            }
    }
}

/// A verdict that reads.
struct Read {
    jws: Jws,
    x: Digest,
    stated: Stated,
    first: Jws,
    run: Run,
    /// `None` where things are exchanged.
    text: Option<Promised>,
}

/// The text that a run is about.
struct Promised {
    /// By its hash, with 32 octets in front.
    hash: Digest,
    hashed: fn(&[u8; 32], &[u8]) -> Digest,
    /// What it is called.
    kind: String,
}

/// Makes every check that can be made.
#[must_use]
pub fn verify_run(evidence: &RunEvidence<'_>, trust: &Trust) -> RunReport {
    let mut report = RunReport {
        asked_for_witnesses: trust.needs_witnesses(),
        asked_for_text: evidence.text.is_some(),
        ..RunReport::default()
    };
    let read = read(evidence.verdict);
    match &read {
        Ok(read) => {
            report.checks.put(RunCheck::Form, Outcome::Ok);
            report.run = Some(of_run(evidence, read, trust, &mut report.checks));
        }
        Err(why) => {
            report.checks.put(RunCheck::Form, Outcome::Failed(why.clone()));
            let rest = RunCheck::ALL.into_iter().filter(|check| *check > RunCheck::Form && !check.is_of_ledger());
            rest.for_each(|check| report.checks.skip(check, "the verdict does not read"));
        }
    }
    let read = read.ok();
    let artefact = Artefact {
        noun: "verdict",
        time: "decided_ms",
        digest: read.as_ref().map_or_else(|| Digest::of(evidence.verdict), |read| read.jws.digest()),
        made: read.as_ref().map(|read| Timestamp::from_millis(read.stated.decided_ms.get())),
        kind: read.as_ref().map(|read| Kind::Exchange(kind_of_verdict(read.run.protocol, read.stated.outcome))),
        tags: read.as_ref().map(|read| vec![tag_of_verdict(&read.x)]),
    };
    // Of several ledgers that are trusted, the verdict stands in that of the service which the run names.
    let mut its_own = trust.clone();
    if let Some(read) = &read {
        its_own.log_keys.retain(|key| key.name() == read.run.ttp.id.as_str());
    }
    let (outcomes, entry) = receipt::check(&artefact, evidence.proof, &its_own);
    for (check, outcome) in outcomes {
        report.checks.put(RunCheck::of_receipt(check), outcome);
    }
    report.entry = entry;
    report.verdict = Verdict::of(&report.checks, |result| report.leaves_open(result));
    report
}

fn read(bytes: &[u8]) -> Result<Read, String> {
    let jws = Jws::parse(bytes).map_err(|fault| fault.to_string())?;
    let Statement { common, body: stated } = jws.payload_as::<Stated>().map_err(|fault| fault.to_string())?;
    let x = common.x.map(|x| Digest(x.0)).unwrap_or_default();
    let first = stated.basis.first().ok_or("it rests on nothing")?;
    let of_first = |fault| format!("the first statement of its run: {fault}");
    let first = Jws::parse(first.as_bytes()).map_err(of_first)?;
    if first.x() != x {
        return Err("it embeds the first statement of another run".to_owned());
    }
    let run = Run::claimed(&first).map_err(of_first)?;
    let text = match run.protocol {
        Protocol::AswR => {
            let M1 { terms, terms_media, .. } = first.payload_as().map_err(of_first)?.body;
            Some(Promised { hash: Digest(terms.0), hashed: terms_hash, kind: terms_media.as_str().to_owned() })
        }
        Protocol::CdR => {
            let D1 { hm, subject, .. } = first.payload_as().map_err(of_first)?.body;
            Some(Promised { hash: Digest(hm.0), hashed: message_hash, kind: subject.class.as_str().to_owned() })
        }
        Protocol::Inline => None,
        Protocol::Pg => {
            let GoodsOrder { terms, terms_media, .. } = first.payload_as().map_err(of_first)?.body;
            Some(Promised { hash: Digest(terms.0), hashed: terms_hash, kind: terms_media.as_str().to_owned() })
        }
        Protocol::Pr => {
            let PaymentOffer { receipt, receipt_media, .. } = first.payload_as().map_err(of_first)?.body;
            Some(Promised { hash: Digest(receipt.0), hashed: terms_hash, kind: receipt_media.as_str().to_owned() })
        }
    };
    // Whoever turned its signature around has the verdict all the same, which the ledger knows in its normal form.
    Ok(Read { jws: jws.normal(), x, stated, first, run, text })
}

type Lines = Vec<CheckResult<RunCheck>>;

fn of_run(evidence: &RunEvidence<'_>, read: &Read, trust: &Trust, checks: &mut Lines) -> RunSummary {
    let Read { jws, x, stated, first, run, text: promised } = read;
    let found = |name: &Thumbprint| {
        let mut keys = evidence.certificates.iter().filter_map(|certificate| {
            let key = Key::from_spki_der(&certificate.spki_der()).ok().filter(|key| key.thumbprint() == *name)?;
            Some((certificate, Arc::new(key)))
        });
        keys.next()
    };
    let keys = |name: &Thumbprint| found(name).map(|(_, key)| key);
    let missing = |whose: &str, name: &Thumbprint| {
        found(name).is_none().then(|| format!("the certificate of the {whose}'s key {name} was not given"))
    };
    let sides = [("arbiter", &run.ttp.key), ("originator", &run.o.key), ("responder", &run.r.key)];
    let without = |names: &[usize]| names.iter().find_map(|at| missing(sides[*at].0, sides[*at].1));

    let origin = run.ttp.id.as_str();
    let is_trusted = trust.log_keys.iter().any(|key| key.name() == origin);
    let of_other = || format!("the run names the arbiter of {origin}, whose ledger you do not trust");
    checks.record(RunCheck::Service, is_trusted.then_some(()).ok_or_else(of_other));
    match (without(&[0]), keys(&run.ttp.key)) {
        (None, Some(key)) => {
            checks.record(RunCheck::Signature, jws.verify(&key).map_err(|fault| fault.to_string()));
        }
        (why, _) => checks.put(RunCheck::Signature, Outcome::NotChecked(why.unwrap_or_default())),
    }
    match without(&[1]) {
        None => {
            checks.record(RunCheck::Offer, run_of(first.clone(), &keys).map(drop).map_err(|fault| fault.to_string()))
        }
        Some(why) => checks.put(RunCheck::Offer, Outcome::NotChecked(why)),
    }
    let mut statements = Vec::new();
    let mut unread = None;
    for bytes in evidence.statements {
        match Jws::parse(bytes) {
            // The first statement is in the verdict; another copy of it says nothing more.
            Ok(jws) if jws.x() == *x => {}
            Ok(jws) => statements.push(jws),
            Err(fault) => unread = Some(fault.to_string()),
        }
    }
    // Whether it is logged is a check of its own.
    let filed = Filed { jws: jws.clone(), is_logged: true };
    // A key that was not given makes nobody's statement bad.
    let decided_on_both =
        matches!(stated.outcome, Decided::Resolved | Decided::Released | Decided::Void | Decided::Captured);
    // Of an order that came to nothing, the seller's acceptance.
    let is_answered = matches!(run.protocol, Protocol::Pg | Protocol::Pr) && stated.basis.len() > 1;
    let rests_on_both = decided_on_both || is_answered || run.protocol == Protocol::Inline;
    let needed: &[usize] = if rests_on_both || !statements.is_empty() { &[0, 1, 2] } else { &[0, 1] };
    // A carrier's word counts by the key that the order names for it.
    let is_handed_over = |text: &String| Jws::parse(text.as_bytes()).is_ok_and(|jws| jws.tag() == HandedOver::TAG);
    let carrier = Opened::claimed(first).ok().and_then(|opened| opened.carrier);
    let carrier = carrier.filter(|_| stated.basis.iter().any(is_handed_over));
    let judged = match without(needed).or_else(|| missing("carrier", &carrier?)) {
        Some(why) => Err(Outcome::NotChecked(why)),
        None => Judged::of(run.protocol, first.clone(), statements, filed, &keys)
            .map_err(|broken: Broken| Outcome::Failed(broken.to_string())),
    };
    let of = |judgement: &Judged| {
        judgement.rejected.iter().find(|(digest, _)| *digest == jws.digest()).map(|(_, why)| why.to_string())
    };
    match &judged {
        Ok(judgement) => {
            let found = |finding: Finding, why: &str| match of(judgement) {
                Some(why) => Err(why),
                None if judgement.findings.contains(&finding) => Err(why.to_owned()),
                None => Ok(()),
            };
            checks.record(
                RunCheck::Basis,
                found(Finding::AgainstTheRules, "the statements that it embeds do not make it"),
            );
            checks
                .record(RunCheck::Time, found(Finding::OutOfTime, "it was decided on the other side of the run's end"));
        }
        Err(outcome) => {
            checks.put(RunCheck::Basis, outcome.clone());
            checks.put(RunCheck::Time, outcome.clone());
        }
    }
    match without(&[0, 1, 2]) {
        Some(why) => checks.put(RunCheck::Chain, Outcome::NotChecked(why)),
        None => {
            let at = Timestamp::from_millis(stated.decided_ms.get());
            let helpers: Vec<Vec<u8>> =
                evidence.certificates.iter().chain(&trust.chain).map(|one| one.der().to_vec()).collect();
            let chains =
                sides.iter().filter_map(|(whose, name)| found(name).map(|(certificate, _)| (whose, certificate)));
            let mut bad = chains.filter_map(|(whose, certificate)| {
                let chain = verify_chain(certificate.der(), &helpers, trust.root.der(), at, Purpose::Any);
                chain.err().map(|fault| format!("the {whose}'s: {fault}"))
            });
            checks.record(RunCheck::Chain, bad.next().map_or(Ok(()), Err));
        }
    }
    checks.skip(RunCheck::Revocation, "revocations are not looked at");
    match evidence.answer {
        None => checks.skip(RunCheck::Answer, "no answer was given"),
        Some(answer) => match keys(&run.ttp.key) {
            None => checks.put(RunCheck::Answer, Outcome::NotChecked(without(&[0]).unwrap_or_default())),
            Some(key) => checks.record(RunCheck::Answer, answered(answer, read, &key)),
        },
    }
    let rejected = judged.as_ref().ok().map(|judgement| {
        let mut others = judgement.rejected.iter().filter(|(digest, _)| *digest != jws.digest());
        others.next().map(|(_, why)| why.to_string())
    });
    match (unread.or(rejected.clone().flatten()), evidence.statements.is_empty(), rejected.is_some()) {
        (_, true, _) => checks.skip(RunCheck::Statements, "none was given"),
        (Some(why), ..) => checks.put(RunCheck::Statements, Outcome::Failed(why)),
        (None, _, true) => checks.put(RunCheck::Statements, Outcome::Ok),
        (None, _, false) => checks.skip(RunCheck::Statements, "the run could not be judged"),
    }
    match (evidence.text, promised) {
        (None, _) => checks.skip(RunCheck::Text, "no text was given"),
        (Some(_), None) => checks.skip(RunCheck::Text, "items were to be exchanged, and no text"),
        (Some((salt, text)), Some(promised)) => {
            let is_it = (promised.hashed)(salt, text) == promised.hash;
            let other = || "the document, with this salt, is another text than the parties named".to_owned();
            checks.record(RunCheck::Text, is_it.then_some(()).ok_or_else(other));
        }
    }
    let names = [&run.o, &run.r].map(|side| {
        let name =
            found(&side.key).and_then(|(certificate, _)| certificate.subject_attribute(crate::asn1::oid::COMMON_NAME));
        name.map_or_else(|| format!("the party {}", side.id), |name| format!("{name} (the party {})", side.id))
    });
    summary(read, judged.as_ref().ok(), &names)
}

/// The answer is the arbiter's, to a side of this run, and names the verdict in the form in which that was signed.
fn answered(answer: &[u8], read: &Read, key: &Key) -> Result<(), String> {
    let jws = Jws::parse(answer).map_err(|fault| fault.to_string())?;
    let Statement { common, body } = jws.payload_as::<Answer>().map_err(|fault| fault.to_string())?;
    jws.verify(key).map_err(|fault| fault.to_string())?;
    if common.x != Some(read.x.into()) {
        return Err("it is of another run".to_owned());
    }
    if ![read.run.o.key, read.run.r.key].contains(&body.to) {
        return Err("it is for a key that has no part in the run".to_owned());
    }
    match body.verdict == read.jws.digest().into() {
        true => Ok(()),
        false => Err("it names another verdict".to_owned()),
    }
}

/// What either judge says.
struct Judged {
    /// Since when there is a contract, or a receipt, by what the parties alone have signed.
    standard_ms: Option<u64>,
    /// Whether there is one.
    stands: bool,
    findings: BTreeSet<Finding>,
    rejected: Vec<(Digest, Broken)>,
}

impl Judged {
    fn of(
        protocol: Protocol,
        first: Jws,
        statements: Vec<Jws>,
        verdict: Filed,
        keys: Keys<'_>,
    ) -> Result<Self, Broken> {
        let verdicts = vec![verdict];
        Ok(match protocol {
            Protocol::AswR => {
                let Judgement { contract, findings, rejected, .. } =
                    judge(&Evidence { first, statements, verdicts }, keys)?;
                let standard_ms = contract.filter(|contract| contract.standard).map(|contract| contract.at_ms);
                Self { standard_ms, stands: contract.is_some(), findings, rejected }
            }
            Protocol::Inline => {
                let (receipts, statements) = statements.into_iter().partition(|jws| jws.tag() == Nrs::TAG);
                let (items, rules) = ([None, None], &[][..]);
                let evidence = inline::Evidence { first, statements, receipts, verdicts, items, rules };
                let inline::Judgement { released, findings, rejected, .. } = inline::judge(&evidence, keys)?;
                Self { standard_ms: None, stands: released.is_some(), findings, rejected }
            }
            Protocol::CdR => {
                let evidence =
                    delivery::Evidence { first, statements, verdicts, content: None, key: None, opening: None };
                let delivery::Judgement { receipt, findings, rejected, .. } = delivery::judge(&evidence, keys)?;
                let standard_ms = receipt.filter(|receipt| receipt.standard).map(|receipt| receipt.at_ms);
                Self { standard_ms, stands: receipt.is_some(), findings, rejected }
            }
            Protocol::Pg | Protocol::Pr => {
                let paid::Judgement { receipt, findings, rejected, .. } =
                    paid::judge(&paid::Evidence { first, statements, verdicts }, keys)?;
                // By themselves the parties prove no payment.
                Self { standard_ms: None, stands: receipt, findings, rejected }
            }
        })
    }
}

/// Who has what: the verdict embeds the deposits, which name the items.
fn says_of_items(read: &Read, _: Option<u64>, [o, r]: &[String; 2]) -> String {
    let Read { stated, first, .. } = read;
    let decided_at = moment(Timestamp::from_millis(stated.decided_ms.get()));
    if stated.outcome != Decided::Released {
        return format!(
            "The exchange of {o} with {r} did not come about, as the arbiter decided on {decided_at}: nobody gets the other's item."
        );
    }
    let deposits =
        stated.basis.iter().filter_map(|text| Jws::parse(text.as_bytes()).ok()?.payload_as::<Deposit>().ok());
    let mut items =
        deposits.map(|deposit| format!("{} ({})", Digest(deposit.body.item_sha256.0), deposit.body.media.as_str()));
    let (of_o, of_r) = (items.next().unwrap_or_default(), items.next().unwrap_or_default());
    let told = first.payload_as::<I1>().ok().map(|first| (first.body.fairness, first.body.o_item, first.body.r_item));
    let worth = match told {
        Some((Fairness::Weak, ItemDescriptor { kind: one, .. }, ItemDescriptor { kind: other, .. })) => format!(
            " What was let go only stands for what was to be exchanged ({} for {}), and both knew that.",
            one.name(),
            other.name()
        ),
        _ => String::new(),
    };
    format!(
        "{o} and {r} exchanged two items: since {decided_at} the arbiter has {of_r} for {o}, and {of_o} for {r}, fetched or not.{worth}"
    )
}

fn says_of_delivery(read: &Read, standard: Option<u64>, [o, r]: &[String; 2]) -> String {
    let Read { stated, text, .. } = read;
    let decided_at = moment(Timestamp::from_millis(stated.decided_ms.get()));
    let message = text.as_ref().map(|text| format!("The message ({}) is what hashes to {}", text.kind, text.hash));
    let message = message.unwrap_or_default();
    match (stated.outcome, standard) {
        (Decided::Released, _) => format!(
            "{o} delivered a message to {r}: since {decided_at} the arbiter has its key for {r}, read or not. {message}."
        ),
        (_, Some(at_ms)) => format!(
            "{r} has confirmed to {o} that it received the message, on {} as it says: that stands, whatever the arbiter decided. \
             {message}.",
            moment(Timestamp::from_millis(at_ms))
        ),
        (Decided::Void, None) => format!(
            "What {o} left in escrow for {r} did not hold the key of the message, as the arbiter found on {decided_at}: nobody is bound."
        ),
        (Decided::Aborted, None) => {
            format!(
                "{o} took back its delivery to {r}, and on {decided_at} the arbiter decided that it will release no key."
            )
        }
        (Decided::Expired | Decided::Resolved | Decided::Returned | Decided::Captured, None) => format!(
            "The delivery of {o} to {r} had ended before anybody asked, and on {decided_at} the arbiter decided that it will release no key."
        ),
    }
}

/// How much, whose it is, and what it was for.
fn says_of_payment(read: &Read, _: Option<u64>, [payer, payee]: &[String; 2]) -> String {
    let Read { stated, text, run, first, .. } = read;
    let decided_at = moment(Timestamp::from_millis(stated.decided_ms.get()));
    let is_receipt = run.protocol == Protocol::Pr;
    let amount =
        Opened::claimed(first).map_or_else(|_| "The money".to_owned(), |opened| opened.terms.amount.to_string());
    let what = if is_receipt { "The receipt is" } else { "What was ordered is" };
    let text = text.as_ref().map(|text| format!("{what} the text that hashes to {} ({})", text.hash, text.kind));
    let text = text.unwrap_or_default();
    match (stated.outcome, is_receipt) {
        (Decided::Captured, true) => {
            format!(
                "{payer} has paid {amount} to {payee}, as the arbiter found on {decided_at}, and has its receipt. {text}."
            )
        }
        (Decided::Captured, false) => format!(
            "{amount} of {payer} are {payee}'s for what was ordered: so the arbiter decided on {decided_at}, by what was shown to it. {text}."
        ),
        (Decided::Released, _) => {
            format!("{amount} that were held for {payee} go back to {payer}, since {decided_at}. {text}.")
        }
        (Decided::Void, _) => format!(
            "Of the payment of {amount} by {payer} to {payee} nothing came, and nobody is bound, since {decided_at}."
        ),
        (Decided::Expired | Decided::Aborted | Decided::Resolved | Decided::Returned, _) => format!(
            "The payment of {amount} by {payer} to {payee} had ended before the money was held, and on {decided_at} the arbiter decided that \
             nobody is bound."
        ),
    }
}

fn says_of_contract(read: &Read, standard: Option<u64>, [o, r]: &[String; 2]) -> String {
    let Read { stated, text, .. } = read;
    let decided_at = Timestamp::from_millis(stated.decided_ms.get());
    let text = text.as_ref().map(|text| format!("The text is what {} hashes to, {}", text.kind, text.hash));
    let text = text.unwrap_or_default();
    match (stated.outcome, standard) {
        (Decided::Resolved, _) => {
            format!("{o} and {r} have a contract with each other since {}. {text}.", moment(decided_at))
        }
        (_, Some(at_ms)) => format!(
            "{o} and {r} have a contract with each other, by the messages that both have signed, since {} as the first says: it stands, \
             whatever the arbiter decided. {text}.",
            moment(Timestamp::from_millis(at_ms))
        ),
        (Decided::Aborted, None) => {
            format!(
                "{o} took back its offer to {r}, and on {} the arbiter decided that it will make no contract of it.",
                moment(decided_at)
            )
        }
        (Decided::Expired | Decided::Released | Decided::Void | Decided::Returned | Decided::Captured, None) => {
            format!(
                "The offer of {o} to {r} had ended before anybody asked, and on {} the arbiter decided that it will make no contract of it.",
                moment(decided_at)
            )
        }
    }
}

fn summary(read: &Read, judgement: Option<&Judged>, names: &[String; 2]) -> RunSummary {
    let Read { x, stated, run, .. } = read;
    let decided_at = Timestamp::from_millis(stated.decided_ms.get());
    let standard = judgement.and_then(|judgement| judgement.standard_ms);
    let is_contract = run.protocol == Protocol::AswR;
    let says = match run.protocol {
        Protocol::AswR => says_of_contract,
        Protocol::CdR => says_of_delivery,
        Protocol::Inline => says_of_items,
        Protocol::Pg | Protocol::Pr => says_of_payment,
    };
    let says = says(read, standard, names);
    let [o, r] = names;
    let mut further = Vec::new();
    if is_contract && stated.outcome != Decided::Resolved && standard.is_none() {
        further.push(
            "If both have signed all four messages there is a contract all the same: this verdict does not undo it."
                .to_owned(),
        );
    }
    if run.protocol == Protocol::Pg && stated.outcome == Decided::Captured {
        further.push("Whether the rail has moved the money since then, the ledger's entries about it tell.".to_owned());
    }
    if !stated.outages.is_empty() {
        further.push(
            "It names outages of the arbiter, which moved the end of the run; by how much was not looked at."
                .to_owned(),
        );
    }
    for finding in judgement.iter().flat_map(|judgement| &judgement.findings) {
        further.push(match finding {
            Finding::AbortedAndOpened => {
                format!("{o} took the offer back and opened its commitment as well: that is cheating.")
            }
            Finding::EscrowedRubbish => format!("{o} can refute that by the key that it used once to seal the escrow."),
            Finding::SentOtherContent => format!("{o} has sent something else than it promised: that is cheating."),
            Finding::AnsweredTwice => format!("{r} gave one offer two answers: that is cheating."),
            Finding::DecidedTwice | Finding::AgainstTheRules | Finding::OutOfTime => {
                "The arbiter has broken its rules: a proof of misbehaviour can be made of it.".to_owned()
            }
        });
    }
    let stands = judgement.is_some_and(|judgement| judgement.stands);
    RunSummary {
        x: *x,
        service: run.ttp.id.as_str().to_owned(),
        outcome: stated.outcome,
        decided_at,
        contract: is_contract && stands,
        receipt: matches!(run.protocol, Protocol::CdR | Protocol::Pr) && stands,
        says,
        further,
    }
}

#[cfg(test)]
mod tests;
