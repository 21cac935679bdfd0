//! What the arbiter's answers about an exchange through it are worth: nothing moves a side but what the arbiter has signed about this very
//! run, with the proof that it is in the log which the proposal names. What it only says, such as how far the exchange has come, is shown
//! and never acted upon.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use semper_ledger::note::VerifierKey;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::verdict::{GivenFault, bad, proven, read_outage, require_entry};
use super::Decided;
use crate::b64u;
use crate::crypto::SecretKey;
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, Kind};
use crate::exchange::inline::ground::{Ground, ground};
use crate::exchange::inline::sealed::open_item;
use crate::exchange::inline::{Beside, Deposited, Proposed};
use crate::exchange::judge::{Filed, inline};
use crate::exchange::run::Keys;
use crate::exchange::{Broken, expiry, tag_of_verdict};
use crate::json;
use crate::statement::exchange::cd_r::ContentKey;
use crate::statement::exchange::inline::{DepositFault, Nrs, Refused, Registered};
use crate::statement::exchange::item::{MatchResult, RuleName};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Outcome, Side};
use crate::statement::{Body, Jws, Statement};

/// The longest answer without an item, octets: two statements with proofs, and outages.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The longest answer with one: the longest item that a service of ours may be set to take, in base64.
pub const ITEM_ANSWER_BYTES_MAX: usize = ANSWER_BYTES_MAX + ((256 << 20) / 3 + 1) * 4;

/// A statement of the arbiter's, with the proof of its entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed {
    /// The statement.
    pub jws: Jws,
    /// tlog-proof.
    pub proof: String,
}

/// What the arbiter answers, as it was received.
pub struct Given {
    /// How far the exchange has come, as it says: for people.
    pub phase: String,
    /// What it signed about the very statement that it was shown.
    pub statement: Option<Signed>,
    /// The verdict.
    pub verdict: Option<Signed>,
    /// Facts of outages that moved an end, with the proofs of their entries.
    pub outages: Vec<(Vec<u8>, String)>,
    /// What was collected: the item, or its ciphertext and key.
    pub item: Option<(Zeroizing<Vec<u8>>, Option<ContentKey>)>,
}

#[derive(Deserialize)]
struct Members {
    phase: String,
    statement: Option<SignedMembers>,
    verdict: Option<SignedMembers>,
    #[serde(default)]
    outages: Vec<OutageMembers>,
    #[serde(default)]
    item: Option<ItemMembers>,
}

#[derive(Deserialize)]
struct SignedMembers {
    jws: String,
    proof: String,
}

#[derive(Deserialize)]
struct OutageMembers {
    fact: String,
    proof: String,
}

#[derive(Deserialize)]
struct ItemMembers {
    octets: String,
    #[serde(default)]
    k: Option<ContentKey>,
}

impl Given {
    /// Reads the JSON of `/v1/exchanges` and what lies below a run there. Members that a later arbiter may add are passed over.
    ///
    /// # Errors
    /// [`GivenFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, GivenFault> {
        if bytes.len() > ITEM_ANSWER_BYTES_MAX {
            return Err(GivenFault::Lacks("an end"));
        }
        let members = json::read_object(bytes)?;
        let Members { phase, statement, verdict, outages, item } =
            serde_json::from_value(Value::Object(members)).map_err(|_| GivenFault::Lacks("a member"))?;
        let signed = |of: &'static str, members: Option<SignedMembers>| {
            let read = |members: SignedMembers| {
                let jws = Jws::parse(members.jws.as_bytes()).map_err(|fault| GivenFault::Statement { of, fault })?;
                Ok::<_, GivenFault>(Signed { jws, proof: members.proof })
            };
            members.map(read).transpose()
        };
        let outage = |one: OutageMembers| {
            let fact = b64u::decode(one.fact.as_bytes()).ok_or(GivenFault::Lacks("the fact of an outage"))?;
            Ok((fact, one.proof))
        };
        let read_item = |item: ItemMembers| {
            let octets = STANDARD.decode(item.octets).map_err(|_| GivenFault::Lacks("the octets of an item"))?;
            Ok::<_, GivenFault>((Zeroizing::new(octets), item.k))
        };
        Ok(Self {
            phase,
            statement: signed("statement", statement)?,
            verdict: signed("verdict", verdict)?,
            outages: outages.into_iter().map(outage).collect::<Result<_, GivenFault>>()?,
            item: item.map(read_item).transpose()?,
        })
    }
}

/// What the arbiter's statements are held against.
pub struct Held<'a> {
    /// The run.
    pub proposed: &'a Proposed,
    /// Which side this is.
    pub side: Side,
    /// The keys of both sides and of the arbiter.
    pub keys: Keys<'a>,
    /// The key of the log that the run names.
    pub log: &'a VerifierKey,
    /// δ of the run's policy, milliseconds.
    pub delta_ms: u64,
    /// The rules that it names.
    pub rules: &'a [RuleName],
}

impl Signed {
    /// Judges `inline/registered`: both statements of this run, in the log.
    ///
    /// # Errors
    /// [`GivenFault`].
    pub fn judge_registered(&self, held: &Held<'_>) -> Result<(), GivenFault> {
        let body = self.of_run::<Registered>(held)?.body;
        self.require_logged(held, ExchangeKind::Registered)?;
        let other = || GivenFault::OtherAnswer("it was registered with other statements");
        let [first, second] = <[String; 2]>::try_from(body.basis).map_err(|_| other())?;
        let read = |text: &str| Jws::parse(text.as_bytes()).map_err(|_| other());
        if read(&first)?.x() != held.proposed.run.x {
            return Err(other());
        }
        held.proposed.agreed(read(&second)?, held.keys)?;
        Ok(())
    }

    /// Judges `inline/nrs`: the arbiter has what this deposit names.
    ///
    /// # Errors
    /// [`GivenFault`].
    pub fn judge_nrs(&self, held: &Held<'_>, deposit: &Jws) -> Result<MatchResult, GivenFault> {
        let body = self.of_run::<Nrs>(held)?.body;
        self.require_logged(held, ExchangeKind::Submitted)?;
        match Jws::parse(body.deposit.as_bytes()).is_ok_and(|taken| taken.x() == deposit.x()) {
            true => Ok(body.result),
            false => Err(GivenFault::OtherAnswer("it is about another deposit")),
        }
    }

    /// Judges `inline/refused`: the arbiter does not take this deposit; gives why.
    ///
    /// # Errors
    /// [`GivenFault`].
    pub fn judge_refused(&self, held: &Held<'_>, deposit: &Jws) -> Result<DepositFault, GivenFault> {
        let body = self.of_run::<Refused>(held)?.body;
        self.require_logged(held, ExchangeKind::SubmissionRefused)?;
        match body.side == held.side && Digest(body.req.0) == deposit.x() {
            true => Ok(body.reason),
            false => Err(GivenFault::OtherAnswer("it is about another deposit")),
        }
    }

    /// Judges a verdict with all that it rests on, beside what the arbiter has signed to this side about its deposit, and the outages that
    /// moved an end; gives what it rests on, too.
    ///
    /// # Errors
    /// [`GivenFault`].
    pub fn judge_verdict(
        &self,
        held: &Held<'_>,
        nrs: Option<&Jws>,
        outages: &[(Vec<u8>, String)],
    ) -> Result<(Decided, Ground), GivenFault> {
        let of = "verdict";
        let verdict = self.of_run::<Verdict>(held)?.body;
        let (kind, decided) = match verdict.outcome {
            Outcome::Released => (ExchangeKind::InlineReleased, Decided::Released),
            Outcome::Returned => (ExchangeKind::Returned, Decided::Returned),
            _ => return Err(GivenFault::Rules("an exchange through the arbiter is released or returned")),
        };
        let proven = proven(&self.proof, of, held.log)?;
        require_entry(&proven, of, Kind::Exchange(kind), &self.jws.digest())?;
        if proven.entry.tags.as_slice() != [tag_of_verdict(&held.proposed.run.x)] {
            return Err(bad(of, "its entry lacks the tag of the run"));
        }
        let evidence = inline::Evidence {
            first: held.proposed.jws.clone(),
            statements: Vec::new(),
            receipts: nrs.into_iter().cloned().collect(),
            verdicts: vec![Filed { jws: self.jws.clone(), is_logged: true }],
            items: [None, None],
            rules: held.rules,
        };
        let judged = inline::judge(&evidence, held.keys)?;
        if let Some((_, broken)) = judged.rejected.into_iter().next() {
            return Err(broken.into());
        }
        if !judged.findings.is_empty() {
            return Err(GivenFault::Rules("it does not follow from what it rests on, or came out of time"));
        }
        let basis = verdict.basis.iter().map(|text| Jws::parse(text.as_bytes()));
        let basis = basis.collect::<Result<Vec<_>, _>>().map_err(|fault| GivenFault::Statement { of, fault })?;
        let rests_on = ground(&held.proposed.run.x, verdict.outcome, &basis, held.keys);
        let rests_on = rests_on.map_err(|_| GivenFault::Rules("it does not follow from what it rests on"))?;
        judge_time(held, &verdict, &rests_on, outages)?;
        Ok((decided, rests_on))
    }

    fn of_run<B: Body>(&self, held: &Held<'_>) -> Result<Statement<B>, GivenFault> {
        let of = B::TAG;
        let wrong = |fault| GivenFault::Statement { of, fault };
        let statement = self.jws.payload_as::<B>().map_err(wrong)?;
        let run = &held.proposed.run;
        if statement.common.x.map(Digest::from) != Some(run.x) {
            return Err(Broken::OtherRun { of }.into());
        }
        if self.jws.key_id() != run.ttp.key {
            return Err(Broken::OtherArbiter { key: self.jws.key_id().to_string() }.into());
        }
        let key = (held.keys)(&run.ttp.key)
            .ok_or_else(|| Broken::UnknownKey { side: "arbiter", key: run.ttp.key.to_string() })?;
        self.jws.verify(&key).map_err(wrong)?;
        Ok(statement)
    }

    fn require_logged(&self, held: &Held<'_>, kind: ExchangeKind) -> Result<(), GivenFault> {
        let of = "statement";
        require_entry(&proven(&self.proof, of, held.log)?, of, Kind::Exchange(kind), &self.jws.digest())
    }
}

/// By a deadline only after the end that counts, anything else only before it, where the entries of outages have moved it.
fn judge_time(
    held: &Held<'_>,
    verdict: &Verdict,
    rests_on: &Ground,
    outages: &[(Vec<u8>, String)],
) -> Result<(), GivenFault> {
    let mut outages = outages.iter().map(|one| read_outage(one, held.log)).collect::<Result<Vec<_>, _>>()?;
    outages.sort_unstable();
    let end = expiry::end(rests_on.end_ms(), held.delta_ms, &outages);
    if !end.outages.iter().copied().eq(verdict.outages.iter().map(|index| index.get())) {
        return Err(GivenFault::Rules("the outages that it names are not those that move the end of the run"));
    }
    match (rests_on.is_by_deadline(verdict.outcome), verdict.decided_ms.get() > end.at_ms) {
        (true, true) | (false, false) => Ok(()),
        (true, false) => Err(GivenFault::Rules("it calls the run ended before its end")),
        (false, true) => Err(GivenFault::Rules("it was decided after the end")),
    }
}

/// Looks at what was collected: gives the item's octets if they are what the verdict's deposit names and what was described, and what a
/// machine makes of them.
///
/// # Errors
/// Why they are not. [`DepositFault::Mismatch`] alone tells of the item that was deposited: the arbiter should not have let it go.
pub fn look_at(
    held: &Held<'_>,
    deposited: &Deposited,
    (octets, k): &(Zeroizing<Vec<u8>>, Option<ContentKey>),
) -> Result<(Zeroizing<Vec<u8>>, MatchResult), DepositFault> {
    let key: Option<SecretKey> = k.as_ref().map(ContentKey::secret);
    let is_sealed = deposited.deposit.sealed.is_some();
    let beside = match is_sealed {
        true => Beside::Sealed { content: octets, key: key.as_ref() },
        false => Beside::Item(octets),
    };
    let found = held.proposed.looked_at(deposited, &beside, held.rules)?;
    let item = match (is_sealed, &key) {
        (false, _) => octets.clone(),
        (true, Some(key)) => {
            let opened = open_item(key, &held.proposed.run.x, deposited.deposit.side, octets);
            opened.ok_or(DepositFault::Sealed)?
        }
        (true, None) => return Err(DepositFault::Escrow),
    };
    Ok((item, found))
}
