//! What lies before the court in a proof against an arbiter, each piece read once and by itself.
//!
//! **Whose key it is.** An arbiter's statement names its key, and anybody can write a statement that names a key of his own, and a first
//! statement that calls it the arbiter's. So a key is the accused's where its log has recorded something that the key has
//! signed, which nobody else can make it do; or where the verifier knows it (`arbiter.pem`), and the run names it beside the accused.
//!
//! **Which octets.** A statement is brought to normal form as it is read: anybody can write an ECDSA signature in two ways, and the arbiter
//! signs in one of them alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use semper_ledger::entry::Entry;

use super::judge::{Court, Doubt, unfounded};
use super::{Item, Stretch};
use crate::crypto::jose::{Key, Thumbprint};
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, Fact, Kind as EntryKind, OpsFact, OpsKind, Recorded as _};
use crate::exchange::Broken;
use crate::exchange::cd_r::Posted;
use crate::exchange::expiry::Outage;
use crate::exchange::policy::ExchangePolicy;
use crate::exchange::run::Run;
use crate::exchange::{kind_of_verdict, tag_of_verdict};
use crate::statement::exchange::asw_r::M1;
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::erds::ErdsEvidence;
use crate::statement::exchange::inline::{I1, Nrs};
use crate::statement::exchange::pg::GoodsOrder;
use crate::statement::exchange::pr::PaymentOffer;
use crate::statement::exchange::verdict::{Answer, Receipt, Status, Verdict};
use crate::statement::{Body, Jws, Statement, StatementFault};
use crate::time::Timestamp;
use crate::x509::Certificate;

/// What an arbiter says.
pub(super) enum Said {
    Verdict(Verdict),
    Answer(Answer),
    Status(Status),
    Receipt(Receipt),
    /// That it has a deposit.
    Nrs(Nrs),
    /// What became of a registered delivery.
    Evidence(Box<ErdsEvidence>),
}

/// Who signed a statement, as far as keys are shown. Found once: a file may pair each statement with each.
enum Signed {
    ByItsKey,
    ByNobody(StatementFault),
    KeyNotShown,
}

/// A statement of an arbiter's.
pub(super) struct Told {
    /// In normal form.
    pub(super) jws: Jws,
    pub(super) x: Digest,
    /// When it says that it was made: of a verdict, when the run was decided.
    pub(super) at_ms: u64,
    pub(super) said: Said,
    signed: Signed,
}

impl Told {
    fn read(jws: Jws) -> Result<Self, Doubt> {
        let of = |fault| unfounded(format!("a statement {} does not read: {fault}", jws.tag()));
        let (common, said) = match jws.tag() {
            Verdict::TAG => jws.payload_as().map(|Statement { common, body }| (common, Said::Verdict(body))),
            Answer::TAG => jws.payload_as().map(|Statement { common, body }| (common, Said::Answer(body))),
            Status::TAG => jws.payload_as().map(|Statement { common, body }| (common, Said::Status(body))),
            Receipt::TAG => jws.payload_as().map(|Statement { common, body }| (common, Said::Receipt(body))),
            Nrs::TAG => jws.payload_as().map(|Statement { common, body }| (common, Said::Nrs(body))),
            ErdsEvidence::TAG => {
                jws.payload_as().map(|Statement { common, body }| (common, Said::Evidence(Box::new(body))))
            }
            other => return unfounded(format!("a statement {other} is no exhibit against an arbiter")),
        }
        .or_else(of)?;
        let at_ms = match &said {
            Said::Verdict(verdict) => verdict.decided_ms.get(),
            Said::Answer(_) => common.iat.get(),
            Said::Status(status) => status.at_ms.get(),
            Said::Receipt(receipt) => receipt.received_ms.get(),
            Said::Nrs(nrs) => nrs.at_ms.get(),
            Said::Evidence(evidence) => evidence.at_ms.get(),
        };
        let x = common.x.map(|x| Digest(x.0)).unwrap_or_default();
        Ok(Self { jws: jws.normal(), x, at_ms, said, signed: Signed::KeyNotShown })
    }

    /// As people name it.
    pub(super) const fn name(&self) -> &'static str {
        match self.said {
            Said::Verdict(_) => "verdict",
            Said::Answer(_) => "answer",
            Said::Status(_) => "status",
            Said::Receipt(_) => "receipt of a request",
            Said::Nrs(_) => "receipt of a deposit",
            Said::Evidence(_) => "evidence",
        }
    }

    pub(super) const fn verdict(&self) -> Option<&Verdict> {
        match &self.said {
            Said::Verdict(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// The verdict that it names, by its hash.
    pub(super) fn names(&self) -> Option<Digest> {
        match &self.said {
            Said::Answer(answer) => Some(Digest(answer.verdict.0)),
            Said::Status(status) => status.verdict.map(|verdict| Digest(verdict.0)),
            Said::Evidence(evidence) => evidence.verdict.map(|verdict| Digest(verdict.0)),
            Said::Verdict(_) | Said::Receipt(_) | Said::Nrs(_) => None,
        }
    }

    /// Whether a hash is of this very statement: the arbiter hashes what it has signed, in the one form in which it signs, so no hand on the
    /// way can change what it names.
    pub(super) fn is_named_by(&self, named: &Digest) -> bool {
        *named == self.jws.digest() || self.jws.twin().as_ref() == Some(named)
    }

    /// Whether this is its entry: by kind, digest and tags. Of what gets no entry none is.
    pub(super) fn is_recorded_by(&self, entry: &Entry) -> bool {
        let (kind, tag) = match &self.said {
            Said::Verdict(verdict) => {
                let kind = kind_of_verdict(verdict.proto, verdict.outcome);
                (kind, Some(tag_of_verdict(&self.x)))
            }
            Said::Answer(_) => (ExchangeKind::Answer, None),
            Said::Nrs(_) => (ExchangeKind::Submitted, None),
            Said::Evidence(_) => (ExchangeKind::DeliveryEvent, None),
            Said::Status(_) | Said::Receipt(_) => return false,
        };
        EntryKind::from_codes(entry.role, entry.kind) == Some(EntryKind::Exchange(kind))
            && entry.digest == self.jws.digest().0
            && entry.tags.as_slice() == tag.as_slice()
    }
}

/// All of them.
pub(super) struct Exhibits<'p> {
    /// Of the arbiter.
    pub(super) told: Vec<Told>,
    /// First statements of runs, by their runs.
    firsts: BTreeMap<Digest, Run>,
    /// First statements of deliveries, as they were shown: one of them may bear a signature that is none.
    posts: Vec<Jws>,
    keys: BTreeMap<Thumbprint, Arc<Key>>,
    policies: BTreeMap<Digest, &'p [u8]>,
    /// Outages with the entries that tell of them.
    pub(super) outages: Vec<Outage>,
    /// With their places; genesis among them.
    entries: Vec<(u64, Entry)>,
    pub(super) stretches: Vec<&'p Stretch>,
    pub(super) checkpoints: Vec<&'p str>,
}

impl<'p> Exhibits<'p> {
    /// Reads all items. Entries mean something in a log of ours only, so where there are any, its genesis comes first.
    pub(super) fn read(court: &Court<'_>, items: &'p [Item]) -> Result<Self, Doubt> {
        let mut read = Self {
            told: Vec::new(),
            firsts: BTreeMap::new(),
            posts: Vec::new(),
            keys: BTreeMap::new(),
            policies: BTreeMap::new(),
            outages: Vec::new(),
            entries: Vec::new(),
            stretches: Vec::new(),
            checkpoints: Vec::new(),
        };
        let mut facts = Vec::new();
        for item in items {
            match item {
                Item::Entry(proof) => read.entries.push(court.entry(proof)?),
                Item::Stretch(stretch) => read.stretches.push(stretch),
                Item::Checkpoint(note) => read.checkpoints.push(note),
                Item::Statement(bytes) => read.statement(bytes)?,
                Item::Key(jwk) => {
                    let key = Key::from_jwk_json(jwk);
                    read.key(key.or_else(|fault| unfounded(format!("a key does not read: {fault}")))?);
                }
                Item::Certificate(der) => {
                    let none = "a certificate does not read, or is of a key that signs no statements";
                    let key = Certificate::from_der(der).ok();
                    let key = key.and_then(|certificate| Key::from_spki_der(&certificate.spki_der()).ok());
                    read.key(key.map_or_else(|| unfounded(none), Ok)?);
                }
                Item::Fact(fact) => facts.push(fact),
                Item::Policy(document) => {
                    read.policies.insert(Digest::of(document), document);
                }
                Item::Prefix(_) | Item::Token(_) | Item::Act(_) | Item::Dvc(_) => {
                    return unfounded("a proof against an arbiter has no such items");
                }
            }
        }
        if !read.entries.is_empty() || !read.stretches.is_empty() {
            match items.first() {
                Some(Item::Entry(genesis)) => court.is_ours(genesis)?,
                _ => return unfounded("the first item must be the genesis entry of the log"),
            }
        }
        for fact in facts {
            let outage = read.outage(fact)?;
            read.outages.push(outage);
        }
        read.outages.sort_unstable();
        read.find_signers();
        Ok(read)
    }

    /// Whose statements these are, and the first statements of runs that genuine verdicts embed.
    fn find_signers(&mut self) {
        for told in &mut self.told {
            let Some(key) = self.keys.get(&told.jws.key_id()) else { continue };
            told.signed = told.jws.verify(key).map_or_else(Signed::ByNobody, |()| Signed::ByItsKey);
            if !matches!(told.signed, Signed::ByItsKey) || self.firsts.contains_key(&told.x) {
                continue;
            }
            let embedded = told.verdict().and_then(|verdict| Jws::parse(verdict.basis.first()?.as_bytes()).ok());
            let embedded = embedded.filter(|first| first.x() == told.x);
            let first = embedded.as_ref().and_then(|first| Run::claimed(first).ok());
            self.firsts.extend(first.map(|first| (told.x, first)));
            self.posts.extend(embedded.filter(|first| first.tag() == D1::TAG));
        }
    }

    fn statement(&mut self, bytes: &[u8]) -> Result<(), Doubt> {
        let jws = Jws::parse(bytes).or_else(|fault| unfounded(format!("a statement does not read: {fault}")))?;
        if [M1::TAG, D1::TAG, I1::TAG, GoodsOrder::TAG, PaymentOffer::TAG].contains(&jws.tag()) {
            let first = Run::claimed(&jws);
            let first = first.or_else(|fault| unfounded(format!("a first statement does not read: {fault}")))?;
            self.firsts.insert(jws.x(), first);
            self.posts.extend((jws.tag() == D1::TAG).then_some(jws));
            return Ok(());
        }
        self.told.push(Told::read(jws)?);
        Ok(())
    }

    fn key(&mut self, key: Key) {
        self.keys.insert(key.thumbprint(), Arc::new(key));
    }

    /// An outage, with the entry of its fact.
    fn outage(&self, bytes: &[u8]) -> Result<Outage, Doubt> {
        let stated = Fact::decode(bytes).and_then(|fact| OpsFact::from_fact(&fact));
        let Ok(OpsFact::Outage { from_millis, to_millis }) = stated else {
            return unfounded("a fact is not that of an outage");
        };
        let digest = Digest::of(bytes).0;
        let is_its = |entry: &Entry| {
            EntryKind::from_codes(entry.role, entry.kind) == Some(EntryKind::Ops(OpsKind::Outage))
                && entry.digest == digest
        };
        match self.entries.iter().find(|(_, entry)| is_its(entry)) {
            Some((index, _)) => Ok(Outage {
                from: Timestamp::from_millis(from_millis),
                to: Timestamp::from_millis(to_millis),
                index: *index,
            }),
            None => unfounded("an outage is not shown with its entry"),
        }
    }

    /// Finds a key by its name.
    pub(super) fn key_of(&self, name: &Thumbprint) -> Option<Arc<Key>> {
        self.keys.get(name).cloned()
    }

    /// The entry of a statement.
    pub(super) fn entry_of(&self, told: &Told) -> Option<&(u64, Entry)> {
        self.entries.iter().find(|(_, entry)| told.is_recorded_by(entry))
    }

    fn is_signed(told: &Told) -> Result<(), Doubt> {
        match &told.signed {
            Signed::ByItsKey => Ok(()),
            Signed::ByNobody(fault) => unfounded(format!("the {} is nobody's: {fault}", told.name())),
            Signed::KeyNotShown => {
                let name = told.jws.key_id();
                let of = told.name();
                Err(Doubt::Open(format!("the key {name}, which is to have signed the {of}, is not shown")))
            }
        }
    }

    /// Checks that a statement is signed, and by a key of the accused's.
    pub(super) fn is_the_arbiters(&self, court: &Court<'_>, told: &Told) -> Result<(), Doubt> {
        Self::is_signed(told)?;
        let name = told.jws.key_id();
        let mut by_it = self.told.iter().filter(|other| other.jws.key_id() == name && Self::is_signed(other).is_ok());
        if by_it.any(|other| self.entry_of(other).is_some()) {
            return Ok(());
        }
        let is_known = court.anchors.trust.is_some_and(|trust| trust.is_arbiter(&name));
        if is_known && self.run_of(court, told).is_ok() {
            return Ok(());
        }
        Err(Doubt::Open(format!(
            "nothing shows that the key {name} is that of the arbiter of {}: its log has recorded nothing that is shown here and that \
             the key has signed, and neither do you know it (arbiter.pem) nor does the run name it",
            court.against
        )))
    }

    /// The first statement of its run, as shown or as a verdict embeds it, if it names this key as that of the arbiter of the accused
    /// service. That it is the one, its hash says, which the arbiter has signed.
    pub(super) fn run_of(&self, court: &Court<'_>, told: &Told) -> Result<&Run, Doubt> {
        let missing = || Doubt::Open(format!("the first statement of the run of the {} is not shown", told.name()));
        let first = self.firsts.get(&told.x).ok_or_else(missing)?;
        if first.ttp.id.as_str() != court.against {
            return unfounded(format!("the run is one for the arbiter of {}", first.ttp.id.as_str()));
        }
        if first.ttp.key != told.jws.key_id() {
            return Err(Doubt::Open(format!(
                "the run names another key for its arbiter, {}; whether that of the {} follows it is not known here",
                first.ttp.key,
                told.name()
            )));
        }
        Ok(first)
    }

    /// The delivery that evidence is of. What was shown of it is not the arbiter's: what is wrong with that convicts nobody.
    pub(super) fn delivery_of(&self, court: &Court<'_>, told: &Told) -> Result<Posted, Doubt> {
        self.run_of(court, told)?;
        let keys = |name: &Thumbprint| self.key_of(name);
        let mut doubt = unfounded("the run begins with no delivery");
        for first in self.posts.iter().filter(|first| first.x() == told.x) {
            match Posted::read(first.clone(), &keys) {
                Ok(posted) => return Ok(posted),
                Err(Broken::UnknownKey { side, key }) => {
                    doubt = Err(Doubt::Open(format!("the key {key} of the {side} is not shown")));
                }
                Err(fault) => doubt = unfounded(format!("the delivery that is shown is none: {fault}")),
            }
        }
        doubt
    }

    /// A policy that the arbiter has accepted, by its hash.
    pub(super) fn policy(&self, hash: Digest) -> Result<ExchangePolicy, Doubt> {
        let missing = || Doubt::Open(format!("the policy for exchanges with the hash {hash} is not shown"));
        let document = self.policies.get(&hash).ok_or_else(missing)?;
        let other = |_| Doubt::Open("the run's policy is none that this program knows".to_owned());
        ExchangePolicy::parse(document).map_err(other)
    }
}
