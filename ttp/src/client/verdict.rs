//! What the arbiter's answer is worth to the side that asked: it is taken for one that ends the run only if all of it holds.
//!
//! 1. the verdict is of this run, and signed by the key that the first statement names;
//! 2. its entry is in the log that the first statement names, and bears the tag (decision, x, 0) and no other;
//! 3. it rests on what its outcome needs, and fits the end of the run, as far as entries of outages have moved that;
//! 4. the answer is to this very request, names this verdict, and its entry is in the log, too;
//! 5. to the recipient of a delivery that was released, the content's key comes with it.
//!
//! What fails is kept by whoever asked: by the arbiter's own signature it may convict it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use semper_ledger::note::VerifierKey;
use semper_ledger::receipt::tlog_proof::{BadProof, Proven, TlogProof};

use super::course::Course;
use crate::b64u;
use crate::crypto::LogVerifier;
use crate::crypto::jose::Key;
use crate::crypto::jwe::{AgreementKey, AgreementPublic};
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, Fact, Kind, OpsFact, OpsKind, Recorded as _};
use crate::exchange::cd_r::key_hash;
use crate::exchange::expiry::{self, Outage};
use crate::exchange::judge::{Evidence, Filed, Finding, delivery, judge};
use crate::exchange::run::Keys;
use crate::exchange::{Broken, tag_of_verdict};
use crate::json::{self, JsonFault};
use crate::statement::exchange::cd_r::ContentKey;
use crate::statement::exchange::verdict::{Answer, Receipt, Verdict};
use crate::statement::exchange::{Outcome, Side};
use crate::statement::{Body as _, Jws, Statement, StatementFault};
use crate::time::Timestamp;

/// The longest answer, octets: two statements with proofs, and outages.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What the arbiter answers to a request, as it was received.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The verdict.
    pub verdict: Jws,
    /// The proof of its entry (tlog-proof).
    pub verdict_proof: String,
    /// The answer to this request.
    pub answer: Jws,
    /// The proof of its entry.
    pub answer_proof: String,
    /// Facts of outages that moved the end of the run, with the proofs of their entries.
    pub outages: Vec<(Vec<u8>, String)>,
    /// The content's key, for the recipient of a delivery that was released.
    pub k: Option<ContentKey>,
}

/// Why an answer ends nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenFault {
    /// It does not read.
    #[error("the arbiter's answer: {0}")]
    Json(#[from] JsonFault),
    /// A member is missing or no text.
    #[error("the arbiter's answer lacks {0}, or it does not read")]
    Lacks(&'static str),
    /// A statement in it.
    #[error("the arbiter's {of}: {fault}")]
    Statement {
        /// Which.
        of: &'static str,
        /// Why not.
        fault: StatementFault,
    },
    /// The verdict is not one of this run by its arbiter.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A proof.
    #[error("the proof of the {of} does not hold: {why}")]
    Proof {
        /// Of what.
        of: &'static str,
        /// Why not.
        why: String,
    },
    /// The verdict breaks the arbiter's own rules: its signature convicts it.
    #[error("the verdict breaks the arbiter's own rules ({0}): keep it, it convicts the arbiter")]
    Rules(&'static str),
    /// The key of a delivery.
    #[error(
        "the delivery was released, and the key that the arbiter hands out is missing, or is not the one that was promised"
    )]
    Key,
    /// The answer is another one.
    #[error("the answer is not to this request: {0}")]
    OtherAnswer(&'static str),
}

#[derive(Deserialize)]
struct Members {
    verdict: String,
    answer: String,
    proofs: Vec<String>,
    #[serde(default)]
    outages: Vec<OutageMembers>,
    #[serde(default)]
    k: Option<ContentKey>,
}

#[derive(Deserialize)]
struct OutageMembers {
    fact: String,
    proof: String,
}

/// What the verdict is held against.
pub struct Held<'a> {
    /// The run.
    pub course: &'a Course,
    /// Which side asked.
    pub side: Side,
    /// The own request.
    pub request: &'a Jws,
    /// What the originator of a delivery shows against a verdict that calls its escrow rubbish: its ephemeral key, and the arbiter's.
    pub opening: Option<(AgreementKey, AgreementPublic)>,
    /// δ of the run's policy, milliseconds.
    pub delta_ms: u64,
    /// The keys of both sides and of the arbiter.
    pub keys: Keys<'a>,
    /// The key of the log that the run names.
    pub log: &'a VerifierKey,
}

/// The longest time that an arbiter takes for an answer which it promises, milliseconds: an hour.
const PROMISED_MS_MAX: u64 = 3_600_000;

/// What the arbiter gives to a request that it answers later (202).
#[derive(Clone, Debug, PartialEq)]
pub struct Promised {
    /// The arbiter's receipt. Kept, it is half of a proof against an arbiter that never answers (PoM-6).
    pub receipt: Jws,
    /// Until when the request is answered.
    pub answer_by: Timestamp,
}

impl Promised {
    /// Reads the JSON of a 202, and judges whose receipt it is; `None` for any other answer.
    ///
    /// # Errors
    /// [`GivenFault`]: it promises nothing to this request.
    pub fn read(bytes: &[u8], held: &Held<'_>) -> Result<Option<Self>, GivenFault> {
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(GivenFault::Lacks("an end"));
        }
        let members = json::read_object(bytes)?;
        let Some(receipt) = members.get("receipt").filter(|_| !members.contains_key("verdict")) else {
            return Ok(None);
        };
        let of = Receipt::TAG;
        let wrong = |fault| GivenFault::Statement { of, fault };
        let receipt = Jws::parse(receipt.as_str().unwrap_or_default().as_bytes()).map_err(wrong)?;
        let Statement { common, body } = receipt.payload_as::<Receipt>().map_err(wrong)?;
        if common.x.map(Digest::from) != Some(held.course.run().x) {
            return Err(Broken::OtherRun { of }.into());
        }
        receipt.verify(&*arbiter_of(held)?).map_err(wrong)?;
        if Digest::from(body.req) != held.request.x() {
            return Err(GivenFault::OtherAnswer("the receipt names another request"));
        }
        // An answer that is promised for the far future is none, and nobody could ever be convicted of not giving it.
        let until_ms = body.answer_by_ms.get();
        if until_ms.saturating_sub(body.received_ms.get()) > PROMISED_MS_MAX
            || held.course.run().t_exp.is_some_and(|t_exp| until_ms >= t_exp)
        {
            return Err(GivenFault::OtherAnswer("the receipt promises an answer too late"));
        }
        Ok(Some(Self { receipt, answer_by: Timestamp::from_millis(body.answer_by_ms.get()) }))
    }
}

/// The key that is to sign for the run.
fn arbiter_of(held: &Held<'_>) -> Result<Arc<Key>, Broken> {
    let named = held.course.run().ttp.key;
    (held.keys)(&named).ok_or_else(|| Broken::UnknownKey { side: "arbiter", key: named.to_string() })
}

impl Given {
    /// Reads the JSON of `POST /v1/exchanges/{x}/requests`. Members that a later arbiter may add are passed over.
    ///
    /// # Errors
    /// [`GivenFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, GivenFault> {
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(GivenFault::Lacks("an end"));
        }
        let members = json::read_object(bytes)?;
        let Members { verdict, answer, proofs, outages, k } =
            serde_json::from_value(Value::Object(members)).map_err(|_| GivenFault::Lacks("a member"))?;
        let read = |text: &str, of| Jws::parse(text.as_bytes()).map_err(|fault| GivenFault::Statement { of, fault });
        let [verdict_proof, answer_proof] =
            <[String; 2]>::try_from(proofs).map_err(|_| GivenFault::Lacks("its two proofs"))?;
        let outage = |one: OutageMembers| {
            let fact = b64u::decode(one.fact.as_bytes()).ok_or(GivenFault::Lacks("the fact of an outage"))?;
            Ok((fact, one.proof))
        };
        Ok(Self {
            verdict: read(&verdict, "verdict")?,
            verdict_proof,
            answer: read(&answer, "answer")?,
            answer_proof,
            outages: outages.into_iter().map(outage).collect::<Result<_, GivenFault>>()?,
            k,
        })
    }

    /// Judges all of it; gives what was decided.
    ///
    /// # Errors
    /// [`GivenFault`]: nothing of it counts.
    pub fn judge(&self, held: &Held<'_>) -> Result<Outcome, GivenFault> {
        let verdict = self.judge_verdict(held)?;
        self.judge_time(held, &verdict)?;
        self.judge_answer(held)?;
        if let (Course::Delivery { posted, .. }, Side::Responder, Outcome::Released) =
            (held.course, held.side, verdict.outcome)
        {
            let is_good = |k: &ContentKey| key_hash(&k.secret()) == Digest::from(posted.delivery.hk);
            self.k.as_ref().filter(|k| is_good(k)).ok_or(GivenFault::Key)?;
        }
        Ok(verdict.outcome)
    }

    fn judge_verdict(&self, held: &Held<'_>) -> Result<Verdict, GivenFault> {
        let of = "verdict";
        let Statement { body, .. } =
            self.verdict.payload_as::<Verdict>().map_err(|fault| GivenFault::Statement { of, fault })?;
        let proven = proven(&self.verdict_proof, of, held.log)?;
        let kind = match body.outcome {
            Outcome::Aborted => ExchangeKind::Aborted,
            Outcome::Resolved => ExchangeKind::Resolved,
            Outcome::Expired => ExchangeKind::Expired,
            Outcome::Released => ExchangeKind::Released,
            Outcome::Void => ExchangeKind::Void,
            // The last two are of other runs.
            Outcome::Returned => ExchangeKind::Returned,
            Outcome::Captured => ExchangeKind::PaidDecided,
        };
        require_entry(&proven, of, Kind::Exchange(kind), &self.verdict.digest())?;
        if proven.entry.tags.as_slice() != [tag_of_verdict(&held.course.run().x)] {
            return Err(bad(of, "its entry lacks the tag of the run"));
        }
        let filed = vec![Filed { jws: self.verdict.clone(), is_logged: true }];
        let (first, statements) = (held.course.first().clone(), Vec::new());
        let (rejected, findings) = match held.course {
            Course::Contract { .. } => {
                let judged = judge(&Evidence { first, statements, verdicts: filed }, held.keys)?;
                (judged.rejected, judged.findings)
            }
            Course::Delivery { .. } => {
                let opening = held.opening.as_ref().map(|(own, arbiter)| (own, arbiter));
                let (content, key) = (None, None);
                let evidence = delivery::Evidence { first, statements, verdicts: filed, content, key, opening };
                let judged = delivery::judge(&evidence, held.keys)?;
                (judged.rejected, judged.findings)
            }
        };
        if let Some((_, broken)) = rejected.into_iter().next() {
            return Err(broken.into());
        }
        match findings.contains(&Finding::AgainstTheRules) {
            true => Err(GivenFault::Rules("it does not follow from what it rests on")),
            false => Ok(body),
        }
    }

    /// EXPIRED only after the end, anything else only before it, where the entries of outages have moved it.
    fn judge_time(&self, held: &Held<'_>, verdict: &Verdict) -> Result<(), GivenFault> {
        let (decided_ms, is_expired) = (verdict.decided_ms.get(), verdict.outcome == Outcome::Expired);
        let Some(t_exp) = held.course.run().t_exp else {
            return match is_expired {
                true => Err(GivenFault::Rules("the run has no end")),
                false => Ok(()),
            };
        };
        let mut outages = self.outages.iter().map(|one| read_outage(one, held.log)).collect::<Result<Vec<_>, _>>()?;
        outages.sort_unstable();
        let end = expiry::end(t_exp, held.delta_ms, &outages);
        if !end.outages.iter().copied().eq(verdict.outages.iter().map(|index| index.get())) {
            return Err(GivenFault::Rules("the outages that it names are not those that move the end of the run"));
        }
        match (is_expired, decided_ms > end.at_ms) {
            (true, true) | (false, false) => Ok(()),
            (true, false) => Err(GivenFault::Rules("it calls the run ended before its end")),
            (false, true) => Err(GivenFault::Rules("it was decided after the end")),
        }
    }

    fn judge_answer(&self, held: &Held<'_>) -> Result<(), GivenFault> {
        let of = Answer::TAG;
        let wrong = |fault| GivenFault::Statement { of, fault };
        let Statement { common, body } = self.answer.payload_as::<Answer>().map_err(wrong)?;
        let run = held.course.run();
        if common.x.map(Digest::from) != Some(run.x) {
            return Err(Broken::OtherRun { of }.into());
        }
        self.answer.verify(&*arbiter_of(held)?).map_err(wrong)?;
        if body.to != held.request.key_id() {
            return Err(GivenFault::OtherAnswer("it is for another key"));
        }
        if Digest::from(body.req) != held.request.x() {
            return Err(GivenFault::OtherAnswer("it names another request"));
        }
        if Digest::from(body.verdict) != self.verdict.digest() {
            return Err(GivenFault::OtherAnswer("it names another verdict"));
        }
        // By this the responder shows that it was its own run that ended.
        let c_r = held.course.c_r().filter(|_| held.side == Side::Responder);
        if c_r.is_some() && body.c_r.map(Digest::from) != c_r {
            return Err(GivenFault::OtherAnswer("it names another commitment of the responder"));
        }
        let proven = proven(&self.answer_proof, of, held.log)?;
        require_entry(&proven, of, Kind::Exchange(ExchangeKind::Answer), &self.answer.digest())
    }
}

pub(super) fn bad(of: &'static str, why: impl std::fmt::Display) -> GivenFault {
    GivenFault::Proof { of, why: why.to_string() }
}

pub(super) fn proven(proof: &str, of: &'static str, log: &VerifierKey) -> Result<Proven, GivenFault> {
    let proof = TlogProof::parse(proof).and_then(|proof| proof.verify(std::slice::from_ref(log), &LogVerifier));
    proof.map_err(|why: BadProof| bad(of, why))
}

pub(super) fn require_entry(proven: &Proven, of: &'static str, kind: Kind, digest: &Digest) -> Result<(), GivenFault> {
    let entry = &proven.entry;
    if Kind::from_codes(entry.role, entry.kind) != Some(kind) || entry.digest != digest.0 {
        return Err(bad(of, "it is of another entry"));
    }
    Ok(())
}

/// An outage, by its entry: the entry names the fact by its hash.
pub(super) fn read_outage((fact, proof): &(Vec<u8>, String), log: &VerifierKey) -> Result<Outage, GivenFault> {
    let of = "outage";
    let proven = proven(proof, of, log)?;
    require_entry(&proven, of, Kind::Ops(OpsKind::Outage), &Digest::of(fact))?;
    let fact = Fact::decode(fact).ok().and_then(|fact| OpsFact::from_fact(&fact).ok());
    match fact {
        Some(OpsFact::Outage { from_millis, to_millis }) => Ok(Outage {
            from: Timestamp::from_millis(from_millis),
            to: Timestamp::from_millis(to_millis),
            index: proven.index,
        }),
        _ => Err(bad(of, "its fact does not read")),
    }
}
