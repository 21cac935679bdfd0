//! The judgement of a proof: what its exhibits show, from the verifier's own keys alone.

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::{Entry, NotAnEntry};
use semper_ledger::merkle::{Hash, leaf_hash};
use semper_ledger::note::VerifierKey;
use semper_ledger::proof::{Unproven, range_root, verify_consistency, verify_inclusion};
use semper_ledger::receipt::tlog_proof::TlogProof;

use super::released::Released;
use super::{Item, Kind, Prefix, Proof, Stretch};
use crate::crypto::LogVerifier;
use crate::digest::Digest;
use crate::evidence::{CaKind, Kind as EntryKind, LedgerKind, TimestampKind};
use crate::time::Timestamp;
use crate::verify::{Check, Document, Evidence, Outcome, Report, TokenReading, Trust, released, verify_timestamp};
use crate::x509::Certificate;

/// What the verifier trusts.
#[derive(Clone, Copy, Debug)]
pub struct Anchors<'a> {
    /// Keys of logs.
    pub log_keys: &'a [VerifierKey],
    /// For proofs with a timestamp token in: its root, and what the ledger promised.
    pub trust: Option<&'a Trust>,
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is misbehaviour. Exit code 0 of `semper verify`.
    Proven,
    /// Something is missing that would decide it. Exit code 2.
    Open,
    /// What is claimed does not follow. Exit code 1.
    Unfounded,
}

impl Verdict {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Open => "open",
            Self::Unfounded => "unfounded",
        }
    }
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What came out.
    pub verdict: Verdict,
    /// What was done, what is missing, or what is wrong, as the rest of a sentence.
    pub reason: String,
    /// True for an open one that nothing but an answer of the accused can still clear: whoever judges it again later may hold it against
    /// it.
    pub is_rebuttable: bool,
}

/// Why a claim does not convict.
pub(super) enum Doubt {
    Unfounded(String),
    Open(String),
    /// It does, unless the accused shows that it did what it owed.
    Rebuttable(String),
}

pub(super) fn unfounded<T>(why: impl Into<String>) -> Result<T, Doubt> {
    Err(Doubt::Unfounded(why.into()))
}

/// Judges a proof.
#[must_use]
pub fn judge(proof: &Proof, anchors: &Anchors<'_>) -> Judgement {
    let court = Court { anchors, against: &proof.against };
    // What an arbiter has signed is judged by all that lies beside it, in whatever order.
    if proof.items.iter().any(|item| matches!(item, Item::Statement(_))) {
        return judgement_of(court.exchange(proof.kind, &proof.items));
    }
    let found = match (proof.kind, proof.items.as_slice()) {
        (Kind::Equivocation, [Item::Entry(genesis), Item::Entry(one), Item::Entry(other)]) => {
            court.is_ours(genesis).and_then(|()| court.equivocation(one, other))
        }
        (Kind::Equivocation, [Item::Entry(genesis), Item::Entry(first), one, Item::Entry(second), other]) => {
            court.is_ours(genesis).and_then(|()| court.recorded_twice((first, one), (second, other)))
        }
        (
            Kind::Equivocation,
            [Item::Entry(genesis), Item::Entry(first), one, Item::Certificate(certificate), other],
        ) => court.is_ours(genesis).and_then(|()| court.signed_twice((first, one), certificate, other)),
        (Kind::Omission, [Item::Entry(genesis), Item::Entry(issue), Item::Token(token), Item::Stretch(stretch)]) => {
            court.is_ours(genesis).and_then(|()| court.omission(issue, token, stretch))
        }
        (Kind::SplitView, [Item::Checkpoint(one), Item::Checkpoint(other)]) => court.two_roots(one, other),
        (Kind::SplitView, [Item::Checkpoint(older), Item::Checkpoint(newer), Item::Prefix(prefix)]) => {
            court.fork(older, newer, prefix)
        }
        (Kind::SplitView, [Item::Entry(one), Item::Entry(other)]) => court.one_place(one, other),
        (Kind::BrokenRule, [Item::Entry(genesis), Item::Entry(entry)]) => {
            court.is_ours(genesis).and_then(|()| court.no_entry(entry))
        }
        (Kind::Time, [Item::Entry(genesis), Item::Entry(one), Item::Entry(other)]) => {
            court.is_ours(genesis).and_then(|()| court.times_fall(one, other))
        }
        (Kind::Time, [Item::Entry(genesis), Item::Entry(issue), Item::Token(token), Item::Entry(entry)]) => {
            court.is_ours(genesis).and_then(|()| court.out_of_time(issue, token, entry))
        }
        (Kind::Rollback, [Item::Checkpoint(first), Item::Checkpoint(then)]) => court.rollback(first, then),
        (kind, _) => unfounded(format!("these are not the items of a proof of {}", kind.name())),
    };
    judgement_of(found)
}

fn judgement_of(found: Found) -> Judgement {
    found.map_or_else(Judgement::from, |reason| Judgement { verdict: Verdict::Proven, reason, is_rebuttable: false })
}

impl From<Doubt> for Judgement {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Unfounded(reason) => Self { verdict: Verdict::Unfounded, reason, is_rebuttable: false },
            Doubt::Open(reason) => Self { verdict: Verdict::Open, reason, is_rebuttable: false },
            Doubt::Rebuttable(reason) => Self { verdict: Verdict::Open, reason, is_rebuttable: true },
        }
    }
}

/// What a ledger owes to whoever holds a timestamp: an entry with one of these digests and a time within these bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The time of the timestamp, milliseconds since 1970.
    pub from_ms: u64,
    /// When the ledger's time to record it is over.
    pub until_ms: u64,
    /// The certificate of its unit, SHA-256 of its DER: the ledger that recorded its issue owes the entry.
    pub unit: Hash,
    /// What the entry may be of: the forms in which the token may have been released.
    pub digests: [Hash; 2],
}

impl Owed {
    /// The entry is what is owed, whenever it was made: one of another kind, which anybody may have had made, pays nothing.
    #[must_use]
    pub fn is_recorded_by(&self, entry: &Entry) -> bool {
        let token = Some(EntryKind::Timestamp(TimestampKind::Token));
        self.digests.contains(&entry.digest) && EntryKind::from_codes(entry.role, entry.kind) == token
    }
}

/// What is owed to a token that was genuinely issued.
///
/// # Errors
/// It was not, or a certificate is missing to tell.
pub fn owed(token: &[u8], trust: &Trust) -> Result<Owed, Judgement> {
    let anchors = Anchors { log_keys: trust.log_keys(), trust: Some(trust) };
    // Whichever log it is: whether the promise is that log's is for the judge of a proof.
    let (_, owed) = Court { anchors: &anchors, against: "" }.owed(token, trust.mmd_millis())?;
    Ok(owed)
}

pub(super) struct Court<'a> {
    pub(super) anchors: &'a Anchors<'a>,
    pub(super) against: &'a str,
}

/// Bytes with their place in a tree that the accused signed.
struct Placed<'p> {
    bytes: &'p [u8],
    index: u64,
}

/// What is proven, or why nothing is.
pub(super) type Found = Result<String, Doubt>;

impl Court<'_> {
    pub(super) fn checkpoint(&self, note: &str) -> Result<Checkpoint, Doubt> {
        let read = Checkpoint::verify(note, self.anchors.log_keys, &LogVerifier);
        let read =
            read.or_else(|fault| unfounded(format!("a checkpoint is not one of a log that you trust: {fault}")))?;
        if read.origin == self.against {
            Ok(read)
        } else {
            unfounded(format!("a checkpoint is of the log {}, and accused is {}", read.origin, self.against))
        }
    }

    fn place<'p>(&self, proof: &'p TlogProof) -> Result<Placed<'p>, Doubt> {
        let checkpoint = self.checkpoint(&proof.checkpoint)?;
        let Some(bytes) = &proof.extra else { return unfounded("an entry's proof does not carry the entry") };
        let (leaf, index) = (leaf_hash(bytes), proof.index);
        let stands = verify_inclusion(&leaf, index, checkpoint.size, &checkpoint.root, &proof.path);
        stands.or_else(|fault| unfounded(format!("an entry does not stand in its tree: {fault}")))?;
        Ok(Placed { bytes, index })
    }

    pub(super) fn entry(&self, proof: &TlogProof) -> Result<(u64, Entry), Doubt> {
        let placed = self.place(proof)?;
        let entry = Entry::decode(placed.bytes);
        let entry = entry.or_else(|fault| unfounded(format!("what stands at {} is {fault}", placed.index)))?;
        Ok((placed.index, entry))
    }

    fn equivocation(&self, one: &TlogProof, other: &TlogProof) -> Found {
        let ((i, one), (j, other)) = (self.entry(one)?, self.entry(other)?);
        if i == j {
            return unfounded("both entries stand at one place: if they differ, that is a split view");
        }
        let tag = one.tags.as_slice().iter().find(|tag| other.tags.as_slice().contains(tag));
        let Some(tag) = tag else { return unfounded("the two entries have no tag in common") };
        let tag = hex::encode(&tag.0[..8]);
        Ok(format!(
            "the log {} recorded one thing twice: its entries {i} and {j} bear the same tag {tag}…",
            self.against
        ))
    }

    /// What a notary of the accused service released.
    fn released<'p>(&self, item: &'p Item) -> Result<Released<'p>, Doubt> {
        let released = match item {
            Item::Act(bytes) => Released::act(bytes),
            Item::Dvc(bytes) => Released::dvc(bytes),
            _ => Err("this is neither the record of an act nor a data validation certificate".to_owned()),
        };
        let released = released.or_else(unfounded)?;
        if released.service().is_some_and(|service| service != self.against) {
            return unfounded(format!("{} is of another service", released.name()));
        }
        Ok(released)
    }

    /// The same with its entry.
    fn recorded<'p>(&self, entry: &TlogProof, item: &'p Item) -> Result<(u64, Released<'p>), Doubt> {
        let (index, entry) = self.entry(entry)?;
        let released = self.released(item)?;
        if !released.is_of(EntryKind::from_codes(entry.role, entry.kind), Digest(entry.digest)) {
            return unfounded(format!("entry {index} is not of {}", released.name()));
        }
        Ok((index, released))
    }

    fn recorded_twice(&self, one: (&TlogProof, &Item), other: (&TlogProof, &Item)) -> Found {
        let ((first, one), (second, other)) = (self.recorded(one.0, one.1)?, self.recorded(other.0, other.1)?);
        let what = contradiction(&one, &other)?;
        Ok(format!("the notary of {} {what}, its entries {first} and {second}", self.against))
    }

    fn signed_twice(&self, (entry, one): (&TlogProof, &Item), certificate: &[u8], other: &Item) -> Found {
        let ((index, one), other) = (self.recorded(entry, one)?, self.released(other)?);
        let what = contradiction(&one, &other)?;
        let certificate = Certificate::from_der(certificate);
        let certificate = certificate.or_else(|fault| unfounded(format!("the certificate is none: {fault}")))?;
        for released in [&one, &other] {
            let signed = released.is_signed_by(&certificate);
            signed.or_else(|why| {
                unfounded(format!("{} is not signed by the certificate's key: {why}", released.name()))
            })?;
        }
        Ok(format!("the notary of {} {what}; the first is its entry {index}, and one key signed both", self.against))
    }

    fn two_roots(&self, one: &str, other: &str) -> Found {
        let (one, other) = (self.checkpoint(one)?, self.checkpoint(other)?);
        if one.size != other.size {
            return unfounded("the two checkpoints are of different sizes, and nothing says that they contradict");
        }
        if one.root == other.root {
            return unfounded("the two checkpoints say the same");
        }
        let size = one.size;
        Ok(format!(
            "the log {} signed two histories: {} and {} for its first {size} entries",
            self.against,
            short(&one.root),
            short(&other.root)
        ))
    }

    fn fork(&self, older: &str, newer: &str, prefix: &Prefix) -> Found {
        let (older, newer) = (self.checkpoint(older)?, self.checkpoint(newer)?);
        if (prefix.from, prefix.to) != (older.size, newer.size) {
            return unfounded("the statement about the trees is not of the sizes of the checkpoints");
        }
        if older.size == 0 || older.size >= newer.size {
            return unfounded("the older checkpoint must be the smaller one, and not of an empty tree");
        }
        // Sizes come from signed checkpoints alone, so the shape of both trees is known, and the newer root binds every
        // hash of the proof.
        let begins = verify_consistency((prefix.from, &prefix.root), (prefix.to, &newer.root), &prefix.path);
        begins.or_else(|fault| unfounded(format!("the newer tree is not shown to begin as is said: {fault}")))?;
        if prefix.root == older.root {
            return unfounded("the newer checkpoint continues the older one");
        }
        Ok(format!(
            "the log {} signed two histories: {} for its first {} entries, and a tree of {} entries that begins with {}",
            self.against,
            short(&older.root),
            older.size,
            newer.size,
            short(&prefix.root)
        ))
    }

    fn one_place(&self, one: &TlogProof, other: &TlogProof) -> Found {
        let (one, other) = (self.place(one)?, self.place(other)?);
        if one.index != other.index {
            return unfounded("the two entries stand at different places");
        }
        if one.bytes == other.bytes {
            return unfounded("the two entries are the same");
        }
        Ok(format!("the log {} signed two histories: its entry {} is not the same in both", self.against, one.index))
    }

    /// Only a log of ours promises entries, their times and their tags: it begins with a genesis entry.
    pub(super) fn is_ours(&self, genesis: &TlogProof) -> Result<(), Doubt> {
        let genesis = self.entry(genesis)?;
        let first = Some(EntryKind::Ledger(LedgerKind::Genesis));
        if genesis.0 != 0 || EntryKind::from_codes(genesis.1.role, genesis.1.kind) != first {
            return unfounded("the log is not shown to begin with a genesis entry, so it may hold whatever it likes");
        }
        Ok(())
    }

    /// The unit is the accused's own: `issue` is its entry about the unit's certificate.
    fn is_its_unit(&self, issue: &TlogProof, unit: &Hash) -> Result<(), Doubt> {
        let (index, entry) = self.entry(issue)?;
        let issued = Some(EntryKind::Ca(CaKind::CertificateIssued));
        if EntryKind::from_codes(entry.role, entry.kind) == issued && entry.digest == *unit {
            return Ok(());
        }
        unfounded(format!("entry {index} is not the issue of the certificate by whose key the timestamp is signed"))
    }

    fn no_entry(&self, entry: &TlogProof) -> Found {
        let placed = self.place(entry)?;
        match Entry::decode(placed.bytes) {
            Ok(_) => unfounded("the entry is one"),
            Err(fault @ NotAnEntry::Version(_)) => {
                Err(Doubt::Open(format!("at place {}, {fault} to this program: a newer one may know it", placed.index)))
            }
            Err(fault) => {
                Ok(format!("what the log {} holds at place {} is no entry: {fault}", self.against, placed.index))
            }
        }
    }

    fn times_fall(&self, one: &TlogProof, other: &TlogProof) -> Found {
        let (one, other) = (self.entry(one)?, self.entry(other)?);
        let (first, then) = if one.0 <= other.0 { (one, other) } else { (other, one) };
        if first.0 == then.0 || first.1.time_ms <= then.1.time_ms {
            return unfounded("the later entry does not have the earlier time");
        }
        Ok(format!(
            "the log {} let time run backwards: entry {} is of {} and the later entry {} of {}",
            self.against,
            first.0,
            Timestamp::from_millis(first.1.time_ms),
            then.0,
            Timestamp::from_millis(then.1.time_ms)
        ))
    }

    fn rollback(&self, first: &str, then: &str) -> Found {
        let (first, then) = (self.checkpoint(first)?, self.checkpoint(then)?);
        if then.size >= first.size {
            return unfounded("the checkpoint that is said to have come later is not the smaller one");
        }
        Err(Doubt::Open(format!(
            "the log {} signed both {} and {} entries; that it showed the smaller state after the larger is the word of \
             whoever made this file",
            self.against, first.size, then.size
        )))
    }

    fn trust(&self) -> Result<&Trust, Doubt> {
        let missing = "the proof holds a timestamp, and the trust folder holds no root.pem to judge it by";
        self.anchors.trust.ok_or_else(|| Doubt::Open(missing.to_owned()))
    }

    /// The checks of a token that was genuinely issued, with those of its entry if there is one.
    fn genuine(&self, token: &[u8], entry: Option<&TlogProof>) -> Result<(TokenReading, Report), Doubt> {
        let trust = self.trust()?;
        let reading =
            TokenReading::of(token).or_else(|why| unfounded(format!("the timestamp does not read: {why}")))?;
        let proof = entry.map(ToString::to_string);
        let document = Document::Imprint { algorithm: reading.algorithm, digest: &reading.imprint };
        let evidence = Evidence { document, token, proof: proof.as_deref().map(str::as_bytes) };
        let report = verify_timestamp(&evidence, trust);
        for result in report.checks.iter().filter(|result| result.check <= Check::CertificateKeyPeriod) {
            if result.outcome != Outcome::Ok {
                return unfounded(format!(
                    "the timestamp is not one of the service that you trust: {:?}",
                    result.outcome
                ));
            }
        }
        Ok((reading, report))
    }

    /// The ledger's own promise: what is usual convicts nobody.
    fn promised_ms(&self) -> Result<u64, Doubt> {
        let unknown = || {
            Doubt::Open(format!(
                "the trust folder holds no ledger.json of the log {}, which says within what time it promised an entry",
                self.against
            ))
        };
        self.trust()?.promised_millis(self.against).ok_or_else(unknown)
    }

    fn owed(&self, token: &[u8], promised_ms: u64) -> Result<(TokenReading, Owed), Doubt> {
        let (reading, _) = self.genuine(token, None)?;
        let trust = self.trust()?;
        let unknown = || Doubt::Open("the certificates that the token was issued with are not all known".to_owned());
        let released = released(token, trust).ok_or_else(unknown)?;
        let from_ms = reading.gen_time.millis();
        let until_ms = from_ms.saturating_add(promised_ms);
        let (unit, digests) = (released.unit.0, released.forms.map(|digest| digest.0));
        Ok((reading, Owed { from_ms, until_ms, unit, digests }))
    }

    fn omission(&self, issue: &TlogProof, token: &[u8], stretch: &Stretch) -> Found {
        let (reading, owed) = self.owed(token, self.promised_ms()?)?;
        self.is_its_unit(issue, &owed.unit)?;
        let window = (owed.from_ms, owed.until_ms);
        let entries = self.left_out(stretch, window, "timestamp", |entry| owed.is_recorded_by(entry))?;
        Ok(format!(
            "the timestamp of {} with serial number {} was released and is not recorded in the ledger {}: {} entries from {} \
             on are all that it has of the {} ms within which it had promised one",
            reading.gen_time,
            hex::encode(&reading.serial),
            self.against,
            entries,
            stretch.first,
            owed.until_ms - owed.from_ms
        ))
    }

    /// Checks that these are all entries of a time, with one before it and one behind, and that none is what was owed; gives their number.
    pub(super) fn left_out(
        &self,
        stretch: &Stretch,
        (from_ms, until_ms): (u64, u64),
        what: &str,
        is_owed: impl Fn(&Entry) -> bool,
    ) -> Result<usize, Doubt> {
        self.stands(stretch)?;
        let recorded = || unfounded(format!("the {what} is recorded"));
        let entries: Vec<_> = stretch.entries.iter().map(|bytes| Entry::decode(bytes)).collect();
        let newer = entries.iter().position(|entry| matches!(entry, Err(NotAnEntry::Version(_))));
        if let Some(at) = newer {
            if entries.iter().flatten().any(is_owed) {
                return recorded();
            }
            return Err(Doubt::Open(format!(
                "entry {} is of a version that this program does not know: a newer one may see that it records the {what}",
                stretch.first + at as u64
            )));
        }
        let entries = entries.into_iter().collect::<Result<Vec<_>, _>>();
        let entries = entries.or_else(|fault| unfounded(format!("one of the entries is none: {fault}")))?;

        // Times never fall along a log.
        let reaches_back = stretch.first == 0 || entries.first().is_some_and(|entry| entry.time_ms < from_ms);
        if !reaches_back {
            return unfounded(format!("the entries do not begin before the time of the {what}"));
        }
        if entries.last().is_none_or(|entry| entry.time_ms <= until_ms) {
            return Err(Doubt::Open(format!("the ledger's time to record the {what} is not shown to be over")));
        }
        if entries.iter().any(is_owed) {
            return recorded();
        }
        Ok(entries.len())
    }

    /// The entries stand side by side in a tree that the accused signed.
    pub(super) fn stands(&self, stretch: &Stretch) -> Result<(), Doubt> {
        let checkpoint = self.checkpoint(&stretch.checkpoint)?;
        let leaves: Vec<Hash> = stretch.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let stands = range_root(stretch.first, &leaves, checkpoint.size, &stretch.path);
        let stands = stands.and_then(|root| if root == checkpoint.root { Ok(()) } else { Err(Unproven::Root) });
        stands.or_else(|fault| unfounded(format!("the entries do not stand in the tree: {fault}")))
    }

    fn out_of_time(&self, issue: &TlogProof, token: &[u8], entry: &TlogProof) -> Found {
        let (reading, report) = self.genuine(token, Some(entry))?;
        let (_, owed) = self.owed(token, self.promised_ms()?)?;
        self.is_its_unit(issue, &owed.unit)?;
        let (index, placed) = self.entry(entry)?;
        for check in [Check::EntryDigest, Check::EntryKind, Check::ProofCheckpoint, Check::ProofInclusion] {
            if report.outcome(check) != Some(&Outcome::Ok) {
                return unfounded(format!("the entry is not of the timestamp: {:?}", report.outcome(check)));
            }
        }
        match report.outcome(Check::EntryTime) {
            Some(Outcome::Failed(_)) => Ok(format!(
                "the timestamp of {} stands in the ledger {} as entry {index} of {}, outside of the {} ms that were promised",
                reading.gen_time,
                self.against,
                Timestamp::from_millis(placed.time_ms),
                owed.until_ms - owed.from_ms
            )),
            _ => unfounded(format!("the entry was made in time, within {} ms", owed.until_ms - owed.from_ms)),
        }
    }
}

/// What two that a notary released say against each other.
fn contradiction(one: &Released<'_>, other: &Released<'_>) -> Result<String, Doubt> {
    let (first, second) = (one.name(), other.name());
    if one.content() == other.content() {
        return unfounded(format!("{first} is shown twice, with one and the same content"));
    }
    if one.ends().is_some() && one.ends() == other.ends() {
        return Ok(format!("ended one act twice, with different contents of {first}"));
    }
    match one.number() {
        Some(number) if other.number() == Some(number) => {
            Ok(format!("gave the number {number} of its journal twice, to {first} and to {second}"))
        }
        _ => unfounded(format!("{first} and {second} have different numbers")),
    }
}

/// The beginning of a root, as people compare them.
fn short(root: &Hash) -> String {
    format!("{}…", hex::encode(&root[..8]))
}
