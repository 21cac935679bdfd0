//! The audit: every fact folded, and what can be decided again decided again (DESIGN §2).
//!
//! Who asks: an auditor who has the store of a third party before him, and trusts nobody. What is promised: whatever was
//! decided from what is still there is decided once more by the same rules, with the state folded so far, and compared
//! octet for octet; whatever is not decided again is counted under its reason, and never called good.
//!
//! ```text
//! entries with facts and artefacts, in order ─▶ Auditor::entry ─▶ Report
//!                                                │        ▲
//!                                                ▼        │
//!                                     SignatureCheck ─▶ holds?      on as many threads as the shell likes
//! ```
//!
//! | of each entry | |
//! |---|---|
//! | frame | it is one; times do not fall; its fact reads, fits its role and kind, and was decided at most mmd before; its digest is that of artefact or fact; the fact takes the next step of its aggregate; no tag stands elsewhere |
//! | token | the unit's template, filled with what fact and token say, gives the token to the octet; the request is made again from it (`request`), and `decide` gives this fact and this content; the signature; the unit's period; no counter drawn twice; no second in which the clock was stopped |
//! | CRL | everything revoked is named, and nothing else; decided again from the state folded so far, built, compared to the octet; the signature |
//! | certificate | the fact is made again from it; profile, path, tag |
//! | run of an exchange | decided again from what its facts tell; its end, moved by the outages that were told; verdict and answer hold what their facts say and what the outcome needs; their signatures; the tag |
//! | exchange through the arbiter | decided again from what its facts tell, with the ends of the run as above; what was signed about it embeds what the facts in front of it tell of; what came beside a deposit is believed |
//! | money of an exchange | decided again from what its facts tell; the book kept once more, and its invariants; the rail's evidence is the artefact |
//! | a new anchor | its fact is made again, and it stands where it says |
//! | policy | its document, in the history of its name; what comes after it is judged by it: profiles, trusted roles |
//! | genesis, keys | made again from the document of genesis, from the ledger, from the unit's certificate |
//! | clock, start, end | frame only: what led to them lay outside |
//!
//! Like [`crate::verify`] and [`crate::account`] this sees all roles and decides nothing itself. Everything is judged by
//! the certificates in the ledger, nothing by files. Memory: the state of each aggregate, and one bit for each token and
//! for each second with a token in it.
//!
//! What it does not do: tell whether the entries are those of the signed tree (the shell hashes them), and see a lie that
//! is told in the same way everywhere: the clock's verdict, the draw of a serial. Around a leap second no genTime is judged,
//! since POSIX time reads it twice.

mod account;
mod act;
mod bulk;
mod ca;
mod certificates;
mod dual_control;
mod erds;
mod exchange;
mod imported;
mod inline;
mod keys;
mod marks;
mod notary;
mod officer;
mod paid;
mod party;
mod payment;
mod policy;
mod report;
mod request;
mod service;
#[cfg(test)]
mod tests;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use semper_ledger::entry::{Entry, Tag};

pub use certificates::{CertificateList, ListedCertificate, StatedCertificate};
pub use report::{About, Count, DIFFERENCES_MAX, Difference, Lead, Reason, Report};

use self::keys::Keys;
use self::marks::Marks;
use self::officer::Certified;
use self::policy::PoliciesInForce;
use self::report::Outcome;
use crate::ca::bulk::BulkState;
use crate::ca::credential::CertificateState;
use crate::ca::dual_control::DualControlState;
use crate::ca::{Crl, CrlState, ListId};
use crate::crypto::{PublicKey, Verifier};
use crate::digest::Digest;
use crate::evidence::{
    Aggregate, ArchiveKind, CaKind, ExchangeKind, Fact, FactError, Genesis, KeyId, KeyPurpose, Kind, LedgerKind,
    NotaryKind, OpsKind, PartyKind, Recorded, TimestampKind,
};
use crate::notary::Journal;
use crate::party::PartyState;
use crate::policy::roles::TrustedRoles;
use crate::registration::RegistrationState;
use crate::role::{Snapshot, encode_snapshot};
use crate::time::Timestamp;
use crate::timestamp::Settings;
use crate::verify::MMD_MILLIS;
use crate::x509::Certificate;

/// One row of the store.
#[derive(Clone, Copy, Debug)]
pub enum Stored<'a> {
    /// It is there.
    Kept(&'a [u8]),
    /// There is none.
    Absent,
    /// There is one, and it does not read.
    Unreadable,
    /// There is none, and the store says so: it was completed from a public copy.
    Lost,
}

/// One entry with what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Its place in the log.
    pub index: u64,
    /// Its bytes.
    pub entry: &'a [u8],
    /// Its fact.
    pub fact: Stored<'a>,
    /// Its artefact.
    pub artefact: Stored<'a>,
}

/// By what decisions are made again.
#[derive(Clone, Debug)]
pub struct Rules {
    /// SHA-256 of the policy that the settings are.
    pub policy_hash: Digest,
    /// Which key signs at which endpoint, and its settings.
    pub endpoints: Vec<(KeyPurpose, Settings)>,
    /// How long a clock that was lost is stopped at the least, milliseconds: the good samples that it takes.
    pub stop_millis_min: u64,
}

/// What the ledger's indexes say.
pub trait Index {
    /// Another entry than `index` that bears this tag.
    fn other_with_tag(&self, tag: &Tag, index: u64) -> Option<u64>;
}

/// A signature that is still to be checked: the one costly part, so the shell spreads it over threads.
#[derive(Clone, Debug)]
pub struct SignatureCheck {
    index: u64,
    kind: Kind,
    key: Arc<PublicKey>,
    message: Vec<u8>,
    signature: Vec<u8>,
    /// How the entry was counted.
    counted: Option<Outcome>,
}

impl SignatureCheck {
    /// Whether the signature is good.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.key.verify(&self.message, &self.signature)
    }
}

/// Audits one ledger, entry by entry.
#[derive(Debug)]
pub struct Auditor {
    rules: Rules,
    report: Report,
    genesis: Option<Genesis>,
    mmd_millis: u64,
    keys: Keys,
    /// The step that comes next in each history.
    steps: BTreeMap<Aggregate, u64>,
    crls: BTreeMap<ListId, Snapshot<CrlState>>,
    /// Certificates, by what their histories are called.
    credentials: BTreeMap<Aggregate, CertificateState>,
    orders: BTreeMap<Aggregate, BulkState>,
    asked: BTreeMap<Aggregate, DualControlState>,
    /// Certificates by which somebody may act, by their SHA-256.
    certified: BTreeMap<Digest, Certified>,
    /// Applications, by what their histories are called.
    registrations: BTreeMap<Aggregate, RegistrationState>,
    /// The same for parties.
    parties: BTreeMap<Aggregate, PartyState>,
    journal: notary::AuditedJournal,
    exchanges: exchange::AuditedExchanges,
    inline: inline::AuditedInline,
    deliveries: erds::AuditedDeliveries,
    paid: paid::AuditedPaid,
    payments: payment::AuditedPayments,
    /// The names of all revocations, which are in the order of lists.
    revoked: BTreeSet<Vec<u8>>,
    /// Which certificates will be revoked, by the entries that do.
    revoked_at: BTreeMap<u64, Aggregate>,
    /// True if something was revoked, and nobody can tell what.
    has_unknown_revocations: bool,
    policies: PoliciesInForce,
    /// Who holds which trusted role; `None` until the ledger has a policy that says so.
    roles: Option<TrustedRoles>,
    serial_counters: Marks,
    seconds_with_tokens: Marks,
    /// The entry before: its index and time.
    before: Option<(u64, u64)>,
    token_before: TokenBefore,
    /// Snapshot rows that were compared.
    compared: Vec<Aggregate>,
}

/// Whether the entry before is a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TokenBefore {
    #[default]
    No,
    /// By this key, at this moment.
    By(KeyId, Timestamp),
    /// Its fact does not read.
    Unread,
}

/// One entry under audit.
struct Case {
    index: u64,
    kind: Option<Kind>,
    differences: Vec<(String, Option<Lead>)>,
    check: Option<SignatureCheck>,
}

impl Case {
    fn differs(&mut self, what: impl Into<String>) {
        self.differences.push((what.into(), None));
    }

    fn differs_with(&mut self, what: impl Into<String>, lead: Lead) {
        self.differences.push((what.into(), Some(lead)));
    }

    /// For whatever ends the judgement of an entry: how it is counted then no longer matters.
    fn ends(&mut self, what: impl Into<String>) -> Outcome {
        self.differs(what);
        Outcome::Same
    }
}

/// A fact with all that its judgement needs.
struct Given<'a> {
    entry: &'a Entry,
    fact: &'a Fact,
    artefact: Stored<'a>,
}

impl<'a> Given<'a> {
    /// The artefact, or why it cannot be judged.
    fn artefact(&self) -> Result<&'a [u8], Outcome> {
        match self.artefact {
            Stored::Kept(bytes) => Ok(bytes),
            Stored::Absent => Err(Outcome::Not(Reason::NoArtefact)),
            Stored::Unreadable => Err(Outcome::Not(Reason::Unreadable)),
            Stored::Lost => Err(Outcome::Not(Reason::Lost)),
        }
    }

    /// The certificate that the artefact is.
    fn certificate(&self, case: &mut Case) -> Result<Certificate, Outcome> {
        let certificate = Certificate::from_der(self.artefact()?);
        certificate.map_err(|fault| case.ends(format!("its artefact is no certificate: {fault}")))
    }
}

impl Auditor {
    /// Before the first entry.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            report: Report::default(),
            genesis: None,
            mmd_millis: MMD_MILLIS,
            keys: Keys::default(),
            steps: BTreeMap::new(),
            crls: BTreeMap::new(),
            credentials: BTreeMap::new(),
            orders: BTreeMap::new(),
            asked: BTreeMap::new(),
            certified: BTreeMap::new(),
            registrations: BTreeMap::new(),
            parties: BTreeMap::new(),
            journal: notary::AuditedJournal::default(),
            exchanges: exchange::AuditedExchanges::default(),
            inline: inline::AuditedInline::default(),
            deliveries: erds::AuditedDeliveries::default(),
            paid: paid::AuditedPaid::default(),
            payments: payment::AuditedPayments::default(),
            revoked: BTreeSet::new(),
            revoked_at: BTreeMap::new(),
            has_unknown_revocations: false,
            policies: PoliciesInForce::default(),
            roles: None,
            serial_counters: Marks::default(),
            seconds_with_tokens: Marks::default(),
            before: None,
            token_before: TokenBefore::No,
            compared: Vec::new(),
        }
    }

    /// The next entry. A signature that comes back is to be checked, and [`Auditor::signature`] told how that ended.
    pub fn entry(&mut self, row: &Row<'_>, ledger: &dyn Index) -> Option<SignatureCheck> {
        let mut case = Case { index: row.index, kind: None, differences: Vec::new(), check: None };
        let outcome = self.judge(row, ledger, &mut case);
        self.report.entries += 1;
        let differs = !case.differences.is_empty();
        self.report.count(case.kind, outcome, differs);
        let about = About::Entry { index: case.index, kind: case.kind };
        for (what, lead) in case.differences {
            self.report.differs(Difference { about, what, lead });
        }
        case.check.map(|check| SignatureCheck { counted: (!differs).then_some(outcome), ..check })
    }

    /// How a signature's check ended.
    pub fn signature(&mut self, check: &SignatureCheck, holds: bool) {
        if holds {
            return;
        }
        if let Some(was) = check.counted {
            self.report.recount(Some(check.kind), was);
        }
        let about = About::Entry { index: check.index, kind: Some(check.kind) };
        let what = "the signature is not by the key of its unit".to_owned();
        self.report.differs(Difference { about, what, lead: None });
    }

    /// A snapshot row, after the last entry.
    pub fn snapshot(&mut self, aggregate: Aggregate, row: Stored<'_>) {
        self.compared.push(aggregate);
        let folded = self.folded(aggregate);
        let what = match (row, folded) {
            (Stored::Kept(row), Some(folded)) if row == folded => return,
            (Stored::Kept(_), Some(_)) => "the snapshot is not the fold of the facts",
            (Stored::Kept(_), None) => "there is a snapshot, and its facts leave no state",
            (Stored::Absent | Stored::Lost, Some(_)) => "the snapshot is missing",
            (Stored::Absent | Stored::Lost, None) => return,
            (Stored::Unreadable, _) => "the snapshot does not read (semper fsck says more)",
        };
        self.report.differs(Difference { about: About::State(aggregate), what: what.to_owned(), lead: None });
    }

    fn folded(&self, aggregate: Aggregate) -> Option<Vec<u8>> {
        if aggregate == Journal::aggregate() {
            let snapshot = &self.journal.snapshot;
            return (snapshot.next_seq > 0).then(|| encode_snapshot::<Journal>(snapshot));
        }
        let (_, snapshot) = self.crls.iter().find(|(list, _)| list.aggregate() == aggregate)?;
        Some(encode_snapshot::<Crl>(snapshot))
    }

    /// After the last entry, signature and snapshot row.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let lists: Vec<_> = self.crls.keys().map(|list| list.aggregate()).collect();
        for aggregate in lists.into_iter().chain([Journal::aggregate()]) {
            if !self.compared.contains(&aggregate) {
                self.snapshot(aggregate, Stored::Absent);
            }
        }
        for (key, what) in self.keys.gaps(self.genesis.as_ref()) {
            self.report.differs(Difference { about: About::Key(key), what, lead: None });
        }
        self.report.trust = self.genesis.as_ref().and_then(|genesis| self.keys.trust(genesis));
        self.report
    }

    /// The frame of an entry, in order: what it is, times, tags, fact, digest, step; then what its kind asks.
    fn judge(&mut self, row: &Row<'_>, ledger: &dyn Index, case: &mut Case) -> Outcome {
        let token_before = std::mem::take(&mut self.token_before);
        let entry = match Entry::decode(row.entry) {
            Ok(entry) => entry,
            Err(fault) => {
                case.differs_with(fault.to_string(), Lead::NoEntry);
                return Outcome::Not(Reason::Unknown);
            }
        };
        if let Some((other, time_ms)) = self.before.replace((row.index, entry.time_ms))
            && entry.time_ms < time_ms
        {
            let (now, then) = (Timestamp::from_millis(entry.time_ms), Timestamp::from_millis(time_ms));
            let what = format!("its time {now} is before that of the entry in front of it, {then}");
            case.differs_with(what, Lead::TimeFell { other });
        }
        for tag in entry.tags.as_slice() {
            if let Some(other) = ledger.other_with_tag(tag, row.index) {
                let what = format!("it bears the tag {}… of entry {other}", hex::encode(&tag.0[..8]));
                case.differs_with(what, Lead::SameTag { other });
            }
        }
        case.kind = Kind::from_codes(entry.role, entry.kind);
        let Some(kind) = case.kind else { return Outcome::Not(Reason::Unknown) };
        if kind == Kind::Timestamp(TimestampKind::Token) {
            self.token_before = TokenBefore::Unread;
        }
        if let (Some(purpose), false) = (notary::signed_by(kind), matches!(row.fact, Stored::Kept(_))) {
            self.keys.role_may_have_signed(purpose);
        }
        let fact_bytes = match row.fact {
            Stored::Kept(bytes) => bytes,
            Stored::Absent => return case.ends("its fact is missing"),
            Stored::Unreadable => return Outcome::Not(Reason::Unreadable),
            Stored::Lost => {
                if kind == Kind::Ca(CaKind::CertificateRevoked) {
                    self.judge_lost_revocation(&entry, row.index);
                }
                return Outcome::Not(Reason::Lost);
            }
        };
        let fact = match Fact::decode(fact_bytes) {
            Ok(fact) => fact,
            Err(FactError::Version { .. }) => return Outcome::Not(Reason::Unknown),
            Err(fault) => return case.ends(format!("its fact does not read: {fault}")),
        };
        if fact.kind != kind {
            return case.ends(format!("its fact is of kind {}", fact.kind));
        }
        let given = Given { entry: &entry, fact: &fact, artefact: row.artefact };
        if (kind == Kind::Ledger(LedgerKind::Genesis)) != (row.index == 0) {
            return case.ends(if row.index == 0 {
                "the ledger does not begin with genesis"
            } else {
                "a second genesis"
            });
        }
        if let (0, Stored::Kept(document)) = (row.index, row.artefact) {
            self.genesis = Genesis::decode(document).ok();
            self.mmd_millis = self.genesis.as_ref().map_or(MMD_MILLIS, |genesis| genesis.mmd_ms);
        }
        if let Some(Err(why)) = notary::signed_by(kind).map(|purpose| self.keys.role_signs(purpose, fact.now)) {
            case.differs(why);
        }
        self.judge_time(&given, case);
        judge_digest(&given, fact_bytes, case);
        self.judge_step(&fact, case);
        match kind {
            Kind::Ledger(LedgerKind::Genesis) => self.judge_genesis(&given, case),
            Kind::Ledger(LedgerKind::AnchorRemade) => service::judge_anchor(&given, row.index, case),
            Kind::Ops(kind) => self.judge_ops(kind, &given, token_before, case),
            Kind::Timestamp(TimestampKind::Token) => self.judge_token(&given, case),
            Kind::Ca(CaKind::CertificateIssued) => self.judge_certificate(&given, ledger, case),
            Kind::Ca(CaKind::CrlIssued) => self.judge_crl(&given, case),
            Kind::Ca(CaKind::CertificateRevoked) => self.judge_revocation(&given, case),
            Kind::Ca(CaKind::IssueRefused) => self.judge_refusal(&given, case),
            Kind::Ca(CaKind::BulkOrdered | CaKind::BulkDone) => self.judge_bulk(&given, case),
            Kind::Ca(CaKind::RevocationAsked) => self.judge_revocation_asked(&given, case),
            Kind::Ca(CaKind::AuthorityImported) => self.judge_predecessor(&given, case),
            Kind::Ca(CaKind::CertificateImported) => self.judge_import(&given, ledger, case),
            Kind::Notary(_) => self.judge_journal(&given, case),
            Kind::Exchange(kind) if kind.is_inline() => self.judge_inline(&given, case),
            Kind::Exchange(kind) if kind.is_delivery() => self.judge_delivery(&given, case),
            Kind::Exchange(
                ExchangeKind::PaidOpened
                | ExchangeKind::PaidShown
                | ExchangeKind::PaidMoney
                | ExchangeKind::PaidFrozen
                | ExchangeKind::PaidThawed
                | ExchangeKind::PaidDecided,
            ) => self.judge_paid(&given, case),
            Kind::Exchange(_) => self.judge_exchange(&given, case),
            Kind::Payment(_) => self.judge_payment(&given, case),
            Kind::Archive(ArchiveKind::Erased) => Outcome::Not(Reason::Unknown),
            Kind::Account(_) => account::judge_proof(&given, case),
            Kind::Party(
                PartyKind::RegistrationApplied
                | PartyKind::IdentityRecorded
                | PartyKind::RegistrationApproved
                | PartyKind::RegistrationRefused,
            ) => self.judge_registration(&given, case),
            Kind::Party(
                PartyKind::Registered
                | PartyKind::KeyBound
                | PartyKind::KeyUnbound
                | PartyKind::TermsAccepted
                | PartyKind::Suspended
                | PartyKind::Reinstated,
            ) => self.judge_party(&given, case),
        }
    }

    /// entry − mmd ≤ now ≤ entry (DESIGN §4).
    fn judge_time(&self, given: &Given<'_>, case: &mut Case) {
        let (now, time_ms) = (given.fact.now, given.entry.time_ms);
        let decided = format!("it was decided at {now}, and its entry is of {}", Timestamp::from_millis(time_ms));
        let what = if now.millis() > time_ms {
            format!("{decided}, before it")
        } else if time_ms - now.millis() > self.mmd_millis {
            format!("{decided}, more than {} ms later", self.mmd_millis)
        } else {
            return;
        };
        match case.kind {
            Some(Kind::Timestamp(TimestampKind::Token)) => case.differs_with(what, Lead::OutOfTime),
            _ => case.differs(what),
        }
    }

    /// A step is taken once, and none is left out.
    fn judge_step(&mut self, fact: &Fact, case: &mut Case) {
        let Some((aggregate, seq)) = fact.step() else { return };
        let next = self.steps.entry(aggregate).or_default();
        if seq != *next {
            case.differs(format!("its fact is step {seq} of its aggregate, where step {next} comes next"));
        }
        *next = seq.saturating_add(1);
    }
}

/// The entry's digest is that of the artefact which the fact releases or accepts, else of the fact.
fn judge_digest(given: &Given<'_>, fact: &[u8], case: &mut Case) {
    let digest = Digest(given.entry.digest);
    let has_artefact = has_artefact(given.fact.kind)
        || act::has_artefact(given.fact)
        || imported::has_artefact(given.fact)
        || payment::has_artefact(given.fact);
    match (has_artefact, given.artefact) {
        (true, Stored::Kept(artefact)) if Digest::of(artefact) != digest => {
            let what = "its digest is not that of its artefact";
            match given.fact.kind {
                Kind::Timestamp(TimestampKind::Token) => case.differs_with(what, Lead::Omitted),
                _ => case.differs(what),
            }
        }
        (true, _) => {}
        (false, _) if Digest::of(fact) != digest => case.differs("its digest is not that of its fact"),
        (false, Stored::Kept(_)) => case.differs("it has an artefact, which facts of its kind have not"),
        (false, _) => {}
    }
}

/// Which kinds of facts release or accept an artefact, whatever they say.
const fn has_artefact(kind: Kind) -> bool {
    match kind {
        Kind::Ledger(LedgerKind::Genesis)
        | Kind::Timestamp(TimestampKind::Token)
        | Kind::Ops(OpsKind::PolicyChanged)
        | Kind::Ca(CaKind::CertificateIssued | CaKind::CrlIssued | CaKind::BulkOrdered | CaKind::AuthorityImported)
        | Kind::Notary(
            NotaryKind::Ccpd
            | NotaryKind::Cpd
            | NotaryKind::Vsd
            | NotaryKind::Vpkc
            | NotaryKind::Act
            | NotaryKind::ActOpened
            | NotaryKind::ActSigned
            | NotaryKind::ActReport
            | NotaryKind::ActDocument
            | NotaryKind::ActPersonal,
        )
        | Kind::Exchange(
            ExchangeKind::Aborted
            | ExchangeKind::Resolved
            | ExchangeKind::Expired
            | ExchangeKind::Answer
            | ExchangeKind::Anomaly
            | ExchangeKind::Released
            | ExchangeKind::Void
            | ExchangeKind::KeyDeposited
            | ExchangeKind::Registered
            | ExchangeKind::Submitted
            | ExchangeKind::SubmissionRefused
            | ExchangeKind::Waived
            | ExchangeKind::ItemKept
            | ExchangeKind::DeliveryEvent
            | ExchangeKind::DeliverySubmitted
            | ExchangeKind::InlineReleased
            | ExchangeKind::Returned
            | ExchangeKind::ItemCollected
            | ExchangeKind::KeyCollected
            | ExchangeKind::PaidOpened
            | ExchangeKind::PaidShown
            | ExchangeKind::PaidDecided,
        )
        | Kind::Account(_)
        | Kind::Archive(ArchiveKind::Erased)
        | Kind::Party(PartyKind::RegistrationApplied | PartyKind::IdentityRecorded | PartyKind::TermsAccepted) => true,
        // Of these the fact tells it.
        Kind::Payment(_) => false,
        Kind::Ledger(LedgerKind::AnchorRemade)
        | Kind::Notary(NotaryKind::ActAssigned)
        | Kind::Exchange(
            ExchangeKind::ItemsErased | ExchangeKind::PaidMoney | ExchangeKind::PaidFrozen | ExchangeKind::PaidThawed,
        )
        | Kind::Ca(
            CaKind::CertificateRevoked
            | CaKind::IssueRefused
            | CaKind::BulkDone
            | CaKind::CertificateImported
            | CaKind::RevocationAsked,
        )
        | Kind::Ops(
            OpsKind::KeyMade
            | OpsKind::KeyFirstUse
            | OpsKind::KeyEnded
            | OpsKind::ClockSynchronised
            | OpsKind::ClockSuspect
            | OpsKind::ClockLost
            | OpsKind::LeapSecond
            | OpsKind::OperatorAct
            | OpsKind::Started
            | OpsKind::Stopped
            | OpsKind::Access
            | OpsKind::CallRefused
            | OpsKind::Outage,
        )
        | Kind::Party(
            PartyKind::RegistrationApproved
            | PartyKind::RegistrationRefused
            | PartyKind::Registered
            | PartyKind::KeyBound
            | PartyKind::KeyUnbound
            | PartyKind::Suspended
            | PartyKind::Reinstated,
        ) => false,
    }
}

/// Reads a role's own fact: a body that does not read is a difference, rules of another number a reason.
fn recorded<R: Recorded>(fact: &Fact, case: &mut Case) -> Result<R, Outcome> {
    let read = body_of(fact, case)?;
    if fact.rules == R::RULES { Ok(read) } else { Err(Outcome::Not(Reason::OtherRules(fact.rules))) }
}

/// The same under whatever rules: the form of a body never changes.
fn body_of<R: Recorded>(fact: &Fact, case: &mut Case) -> Result<R, Outcome> {
    R::from_fact(fact).map_err(|fault| case.ends(format!("its fact does not read: {fault}")))
}

/// How a fact that was decided again differs from the one in the store.
fn difference_of(stored: &Fact, again: &Fact) -> Option<String> {
    let parts = [
        ("aggregate", stored.aggregate == again.aggregate),
        ("step", stored.seq == again.seq),
        ("time", stored.now == again.now),
        ("policy", stored.policy_hash == again.policy_hash),
        ("event", stored.event_digest == again.event_digest),
        ("body", stored.body == again.body),
        ("kind", stored.kind == again.kind && stored.rules == again.rules),
    ];
    let other: Vec<_> = parts.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect();
    (!other.is_empty()).then(|| format!("decided again, its fact has another {}", other.join(", another ")))
}
