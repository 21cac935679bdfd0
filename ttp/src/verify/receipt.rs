//! The checks of a receipt, tlog-proof or COSE: that an artefact is logged, where, and when.
//!
//! A COSE Receipt does not carry its entry, and a tlog-proof need not. Everything in a token's entry is known then but its
//! time, which lies within the ledger's promise after genTime: the entry that stands in the proven place is found by
//! trying each millisecond of it.

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::{Entry, NotAnEntry, Tag, Tags};
use semper_ledger::merkle::{Hash, leaf_hash};
use semper_ledger::proof::verify_inclusion;
use semper_ledger::receipt::LogIdentity;
use semper_ledger::receipt::cose::{self, BadReceipt};
use semper_ledger::receipt::tlog_proof::TlogProof;

use super::Trust;
use super::report::{Check, EntrySummary, Outcome};
use crate::crypto::LogVerifier;
use crate::digest::Digest;
use crate::evidence::Kind;
use crate::time::Timestamp;

/// What is said of an entry that neither form carries.
const NO_ENTRY: &str = "the proof carries no entry";

/// The first octet of a COSE Receipt: tag 18. No text begins with it.
const COSE_SIGN1: u8 = 0xd2;

/// What the proof is to be of.
pub(super) struct Artefact {
    /// `token`…, as the reasons call it.
    pub(super) noun: &'static str,
    /// `genTime`…, as the reasons call when it was made.
    pub(super) time: &'static str,
    /// SHA-256 of its bytes.
    pub(super) digest: Digest,
    /// When it says that it was made; `None` if it does not read.
    pub(super) made: Option<Timestamp>,
    /// As what the ledger knows it; `None` if only reading could tell.
    pub(super) kind: Option<Kind>,
    /// The tags that its entry must have, and no others; `None` if only reading could tell.
    pub(super) tags: Option<Vec<Tag>>,
}

/// Makes all checks of the proof, [`Check::ProofForm`] to [`Check::EntryTime`], in their order.
pub(super) fn check(
    artefact: &Artefact,
    proof: Option<&[u8]>,
    trust: &Trust,
) -> (Vec<(Check, Outcome)>, Option<EntrySummary>) {
    let skipped = |checks: Vec<Check>, why: &str| -> Vec<_> {
        checks.into_iter().map(|check| (check, Outcome::not_checked(why))).collect()
    };
    let after_form: Vec<_> = Check::ProofForm.following(Check::EntryTime).collect();
    let Some(proof) = proof else {
        return (skipped([vec![Check::ProofForm], after_form].concat(), "no proof was given"), None);
    };
    let judged = Judge { artefact, trust };
    let read = match proof.first() {
        Some(&COSE_SIGN1) => judged.cose(proof),
        _ => judged.tlog(proof),
    };
    match read {
        Ok(read) => {
            let (told, entry) = read.tell();
            ([vec![(Check::ProofForm, Outcome::Ok)], told].concat(), entry)
        }
        Err(reason) => {
            let form = vec![(Check::ProofForm, Outcome::Failed(reason))];
            ([form, skipped(after_form, "the proof does not read")].concat(), None)
        }
    }
}

/// What came out of a check.
enum Told {
    Is(Result<(), String>),
    NotChecked(&'static str),
}

impl From<Result<(), String>> for Told {
    fn from(outcome: Result<(), String>) -> Self {
        Self::Is(outcome)
    }
}

/// The checks behind the form, in their order.
struct Read {
    digest: Told,
    kind: Told,
    checkpoint: Told,
    witnesses: Told,
    inclusion: Told,
    time: Told,
    entry: Option<EntrySummary>,
}

impl Read {
    fn tell(self) -> (Vec<(Check, Outcome)>, Option<EntrySummary>) {
        let checks = [
            (Check::EntryDigest, self.digest),
            (Check::EntryKind, self.kind),
            (Check::ProofCheckpoint, self.checkpoint),
            (Check::ProofWitnesses, self.witnesses),
            (Check::ProofInclusion, self.inclusion),
            (Check::EntryTime, self.time),
        ];
        let outcome = |told| match told {
            Told::Is(outcome) => Outcome::of(outcome),
            Told::NotChecked(why) => Outcome::not_checked(why),
        };
        (checks.into_iter().map(|(check, told)| (check, outcome(told))).collect(), self.entry)
    }

    /// Nothing could be said of the entry but what `inclusion` and `checkpoint` say.
    fn without_entry(checkpoint: Told, witnesses: Told, inclusion: Told) -> Self {
        let none = || Told::NotChecked(NO_ENTRY);
        Self { digest: none(), kind: none(), checkpoint, witnesses, inclusion, time: none(), entry: None }
    }
}

struct Judge<'a> {
    artefact: &'a Artefact,
    trust: &'a Trust,
}

impl Judge<'_> {
    fn tlog(&self, proof: &[u8]) -> Result<Read, String> {
        let text = std::str::from_utf8(proof).map_err(|_| "the proof is not UTF-8")?;
        let proof = TlogProof::parse(text).map_err(|fault| fault.to_string())?;
        if proof.to_string() != text {
            return Err("the proof is not in its one spelling".to_owned());
        }
        let carried = proof.extra.as_deref().map(|bytes| Ok((leaf_hash(bytes), Entry::decode(bytes)?))).transpose();
        let carried = carried.map_err(|fault: NotAnEntry| fault.to_string())?;
        // Size and root are taken from a checkpoint whose signature is good, from nowhere else.
        let checkpoint = match Checkpoint::verify(&proof.checkpoint, &self.trust.log_keys, &LogVerifier) {
            Ok(checkpoint) => checkpoint,
            Err(fault) => {
                let untrusted = || Told::NotChecked("the checkpoint is not trusted");
                let (digest, kind) = match &carried {
                    Some((_, entry)) => (self.check_digest(entry).into(), self.check_kind(entry)),
                    None => (Told::NotChecked(NO_ENTRY), Told::NotChecked(NO_ENTRY)),
                };
                let checkpoint = Told::Is(Err(fault.to_string()));
                let (witnesses, inclusion, time) = (untrusted(), untrusted(), untrusted());
                return Ok(Read { digest, kind, checkpoint, witnesses, inclusion, time, entry: None });
            }
        };
        let witnesses = self.check_witnesses(&proof.checkpoint);
        let stands = |leaf: &Hash| verify_inclusion(leaf, proof.index, checkpoint.size, &checkpoint.root, &proof.path);
        let (entry, included) = match carried {
            Some((leaf, entry)) => (entry, stands(&leaf).map_err(|fault| fault.to_string())),
            None => match self.rebuild(|leaf| stands(leaf).is_ok()) {
                Ok(entry) => (entry, Ok(())),
                Err(not_found) => return Ok(Read::without_entry(Ok(()).into(), witnesses, not_found)),
            },
        };
        Ok(self.judged(&entry, included, witnesses, checkpoint.origin, proof.index, checkpoint.size))
    }

    fn cose(&self, receipt: &[u8]) -> Result<Read, String> {
        let no_witnesses = || Told::NotChecked("a COSE Receipt carries no cosignatures");
        let (size, index) = cose::claimed_position(receipt).map_err(|fault| fault.to_string())?;
        let (Some(receipt_key), [note_key, ..]) = (&self.trust.receipt_key, self.trust.log_keys.as_slice()) else {
            let no_key = || Told::NotChecked("the trust anchors hold no receipt.pem");
            return Ok(Read::without_entry(no_key(), no_witnesses(), no_key()));
        };
        // Whom the receipt names as its issuer is signed with it; trusted is the key.
        let issuer = cose::claimed_issuer(receipt).map_err(|fault| fault.to_string())?;
        let identity = LogIdentity { note_key: note_key.clone(), issuer, receipt_key: receipt_key.to_vec() };
        let verify = |leaf: &Hash| cose::verify_inclusion(receipt, leaf, &identity, &LogVerifier);
        if let Err(fault @ BadReceipt::Identity) = verify(&Hash::default()) {
            let checkpoint = Told::Is(Err(fault.to_string()));
            let not_ours = Told::NotChecked("the receipt is not of the trusted ledger");
            return Ok(Read::without_entry(checkpoint, no_witnesses(), not_ours));
        }
        // The root is what the path leads to, so signature and place hold together or not at all.
        match self.rebuild(|leaf| verify(leaf).is_ok()) {
            Ok(entry) => Ok(self.judged(&entry, Ok(()), no_witnesses(), identity.origin().to_owned(), index, size)),
            Err(not_found) => {
                let unknown = Told::NotChecked("it is signed with the place of an entry, and none was found");
                Ok(Read::without_entry(unknown, no_witnesses(), not_found))
            }
        }
    }

    /// Under a signature that is good.
    fn judged(
        &self,
        entry: &Entry,
        included: Result<(), String>,
        witnesses: Told,
        origin: String,
        index: u64,
        tree_size: u64,
    ) -> Read {
        let time = Timestamp::from_millis(entry.time_ms);
        // An entry that does not stand in this tree has no place in it to tell of.
        let summary = included.is_ok().then_some(EntrySummary { origin, index, tree_size, time });
        Read {
            digest: self.check_digest(entry).into(),
            kind: self.check_kind(entry),
            checkpoint: Ok(()).into(),
            witnesses,
            inclusion: included.into(),
            time: match self.artefact.made {
                None => self.unread(),
                Some(made) => self.check_time(made, entry).into(),
            },
            entry: summary,
        }
    }

    /// The checkpoint's signature is good; its cosignatures are weighed by the verifier's own policy.
    fn check_witnesses(&self, checkpoint: &str) -> Told {
        let Some(policy) = &self.trust.witnesses else { return Told::NotChecked("you ask for no witnesses") };
        match policy.judge_of(&self.trust.log_keys, checkpoint, &LogVerifier) {
            Ok(judged) if judged.quorum => Told::Is(Ok(())),
            Ok(_) => Told::NotChecked("too few of the witnesses that you ask for have cosigned it"),
            Err(fault) => Told::Is(Err(fault.to_string())),
        }
    }

    /// The artefact's entry, made within the promise after its time, of which `stands` is true.
    fn rebuild(&self, stands: impl Fn(&Hash) -> bool) -> Result<Entry, Told> {
        let (Some(made), Some(kind)) = (self.artefact.made, self.artefact.kind) else { return Err(self.unread()) };
        let (made, mmd) = (made.millis(), self.trust.mmd_millis().min(REBUILD_MILLIS_MAX));
        let entry_at = |time_ms| Entry {
            role: kind.role().code(),
            kind: kind.code(),
            time_ms,
            digest: self.artefact.digest.0,
            tags: Tags::default(),
        };
        let mut entries = (made..=made.saturating_add(mmd)).map(entry_at);
        let noun = self.artefact.noun;
        entries.find(|entry| stands(&leaf_hash(&entry.encode()))).ok_or_else(|| {
            Told::Is(Err(format!("no entry for this {noun}, made within {mmd} ms of it, stands at that place")))
        })
    }

    const fn unread(&self) -> Told {
        Told::NotChecked("what the proof is of does not read")
    }

    fn check_digest(&self, entry: &Entry) -> Result<(), String> {
        let same = entry.digest == self.artefact.digest.0;
        same.then_some(()).ok_or_else(|| "the entry is of another artefact".to_owned())
    }

    fn check_kind(&self, entry: &Entry) -> Told {
        let Some(expected) = self.artefact.kind else { return self.unread() };
        let Some(tags) = &self.artefact.tags else { return self.unread() };
        let tagged = entry.tags.as_slice() == tags.as_slice();
        Told::Is(match Kind::from_codes(entry.role, entry.kind) {
            Some(kind) if kind == expected && tagged => Ok(()),
            Some(kind) if kind == expected && tags.is_empty() => {
                Err(format!("a {}'s entry has no tags", self.artefact.noun))
            }
            Some(kind) if kind == expected => {
                Err(format!("the entry does not bear the tag of this {}", self.artefact.noun))
            }
            Some(kind) => Err(format!("the entry is of kind {kind}")),
            None => Err(format!("the entry is of unknown role {} and kind {}", entry.role, entry.kind)),
        })
    }

    fn check_time(&self, made: Timestamp, entry: &Entry) -> Result<(), String> {
        let (name, mmd_millis) = (self.artefact.time, self.trust.mmd_millis());
        let (made, logged) = (made.millis(), entry.time_ms);
        if made > logged {
            return Err(format!("{name} is {} ms after the entry's time", made - logged));
        }
        if logged - made > mmd_millis {
            return Err(format!("the entry was made {} ms after {name}, above {mmd_millis} ms", logged - made));
        }
        Ok(())
    }
}

/// The most milliseconds that are tried for an entry that no proof carries: what a promise allows that [`super::MMD_MILLIS`]
/// binds, and so a bound on the work for a stranger's bytes.
const REBUILD_MILLIS_MAX: u64 = super::MMD_MILLIS;
