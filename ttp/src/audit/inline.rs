//! Inline exchanges of the arbiter: each decision is made again from what its fact tells, with the ends of the run moved by the outages that
//! were told before; what the arbiter signed about it is held against the fact, and so is what it embeds. What came beside a deposit is not
//! in the ledger: what was found of it is believed, as far as its hash, length and media type do not contradict.

use std::collections::{BTreeMap, VecDeque};

use super::exchange::AuditedExchanges;
use super::service::made_again;
use super::{Auditor, Case, Given, Outcome, Reason, difference_of, recorded};
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::evidence::KeyPurpose;
use crate::exchange::inline::{
    Agreement, Clocked, Ends, Inline, InlineDecision, InlineEvent, InlineFact, InlineState, Moved,
};
use crate::exchange::item::{Item, at_best, fairness};
use crate::exchange::run::Run;
use crate::exchange::tag_of_verdict;
use crate::role::Role as _;
use crate::statement::exchange::inline::{Collect, Deposit, I1, I2, Nrs, Refused, Registered, Waive};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Outcome as Decided, Protocol, Side};
use crate::statement::{Body, Jws};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;
use crate::vault::{CONTENT_BYTES_MAX, key_of, sealed_bytes};

/// An inline exchange as folded so far.
#[derive(Debug, Default)]
pub(super) struct FoldedInline {
    state: InlineState,
    /// What the decision behind the fact before leaves besides: it comes next in this run.
    rest: VecDeque<InlineFact>,
    /// What was proposed, where the artefact that embeds it is kept.
    proposal: Option<I1>,
}

/// All of them.
pub(super) type AuditedInline = BTreeMap<Digest, FoldedInline>;

const SIDES: [Side; 2] = [Side::Originator, Side::Responder];

impl Auditor {
    pub(super) fn judge_inline(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<InlineFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let x = stated.x();
        let tag = matches!(stated, InlineFact::Decided(_)).then(|| tag_of_verdict(&x));
        if given.entry.tags.as_slice() != tag.as_slice() {
            case.differs("its entry does not bear the tag of its decision, and no other");
        }
        if stated.at() != fact.now {
            case.differs("it states another moment than the one at which it was decided");
        }
        self.exchanges.acted(stated.at());
        let run = self.inline.entry(x).or_default();
        if let Err(why) = decided_again(run, &stated, &self.exchanges) {
            case.differs(why);
        }
        let request = request_of(&run.state, &stated).unwrap_or(fact.event_digest);
        let again = made_again(fact, stated.clone(), Inline::aggregate(&x), run.state.steps, request);
        if let Some(what) = difference_of(fact, &again) {
            case.differs(what);
        }
        Inline::apply(&mut run.state, &stated);
        if matches!(stated, InlineFact::Erased { .. }) {
            return Outcome::Same; // nothing of it is kept but the fact
        }
        let artefact = match given.artefact() {
            Ok(artefact) => artefact,
            Err(outcome) => return outcome,
        };
        if let InlineFact::Kept { size, .. } = stated {
            if !is_sealed_of(artefact, size) {
                case.differs("what is kept is not sealed, or not as much as was deposited");
            }
            return Outcome::Same;
        }
        let Ok(jws) = Jws::parse(artefact) else { return case.ends("its artefact is no statement") };
        if jws.common().x != Some(x.into()) {
            case.differs("its artefact is of another run");
        }
        if let Err(why) = held(run, &stated, &jws, &self.exchanges) {
            case.differs(why);
        }
        // A party's own statement is for whoever judges the run.
        if matches!(stated, InlineFact::Waived { .. } | InlineFact::Collected { .. }) {
            return Outcome::Same;
        }
        match self.keys.arbiter_signed(&jws, case.index) {
            None => Outcome::Not(Reason::NoCertificate),
            Some(Ok(key)) if key.purpose == KeyPurpose::ArbiterVerdict => Outcome::Same,
            Some(_) => case.ends("its signature is not by the arbiter's key that it names"),
        }
    }
}

/// Whether these are so many octets, sealed.
fn is_sealed_of(artefact: &[u8], size: u64) -> bool {
    let size = usize::try_from(size).ok().filter(|size| *size <= CONTENT_BYTES_MAX);
    key_of(artefact).is_some() && size.is_some_and(|size| artefact.len() == sealed_bytes(size))
}

/// The statement by which a fact came about, where it was one.
fn request_of(state: &InlineState, stated: &InlineFact) -> Option<Digest> {
    match stated {
        InlineFact::Registered { agreement, .. } => Some(agreement.request),
        InlineFact::Submitted { moved, .. }
        | InlineFact::SubmissionRefused { moved, .. }
        | InlineFact::Collected { moved, .. } => Some(moved.request),
        InlineFact::Waived { request, .. } => Some(*request),
        InlineFact::Decided(decision) => decision.by.map(|(_, request)| request),
        InlineFact::Kept { side, .. } => state.deposit(*side).map(|held| held.moved.request),
        InlineFact::Erased { .. } => None,
    }
}

/// Makes the decision again from what its fact tells. A decision may leave more than one fact: the others are kept, and must follow.
fn decided_again(run: &mut FoldedInline, stated: &InlineFact, told: &AuditedExchanges) -> Result<(), &'static str> {
    if let Some(expected) = run.rest.pop_front() {
        return if expected == *stated { Ok(()) } else { Err("the decision in front of it left another fact") };
    }
    let agreement = match (stated, &run.state.agreement) {
        (InlineFact::Registered { agreement, .. }, None) => (**agreement).clone(),
        (_, Some((_, agreement))) => agreement.clone(),
        (_, None) => return Err("it is of an exchange that was not registered"),
    };
    let policy = told.policy_of(&agreement.policy).ok_or("its policy was never in force")?;
    // What is told later moved nothing yet.
    let ends = Ends::of(agreement.t_dep, agreement.t_exp, policy.delta_ms, told.outages());
    let event = event_of(&run.state, stated).ok_or("no event could have led to it")?;
    // That the clock was good, no fact tells: the ledger got a time.
    let event = Clocked { event, ends, clock: ClockVerdict::Synced };
    let Ok((facts, _)) = Inline::decide(&run.state, &event, stated.at()) else {
        return Err("decided again, it is refused");
    };
    let mut facts = VecDeque::from(facts);
    match facts.pop_front() {
        Some(first) if first == *stated => {
            run.rest = facts;
            Ok(())
        }
        _ => Err("decided again, it is another"),
    }
}

/// The event that led to a fact, as far as the fact tells it.
fn event_of(state: &InlineState, stated: &InlineFact) -> Option<InlineEvent> {
    Some(match stated {
        InlineFact::Registered { agreement, .. } => InlineEvent::Register(agreement.clone()),
        InlineFact::Submitted { moved, size, result, .. } => {
            InlineEvent::Deposit { moved: *moved, size: *size, found: Ok(*result) }
        }
        InlineFact::SubmissionRefused { moved, reason, .. } => {
            InlineEvent::Deposit { moved: *moved, size: 0, found: Err(*reason) }
        }
        // It stands behind its deposit, and nowhere else.
        InlineFact::Kept { .. } => return None,
        InlineFact::Waived { side, request, .. } => {
            let [o, r] = SIDES.map(|side| state.deposit(side).map(|held| held.moved.item));
            InlineEvent::Waive { side: *side, request: *request, items: [o?, r?] }
        }
        InlineFact::Decided(decision) => match (decision.outcome, decision.by) {
            (Decided::Returned, Some((side, request))) => InlineEvent::Cancel { side, request },
            (Decided::Returned, None) => InlineEvent::Wake,
            // A release stands behind the deposit or the waiver that led to it.
            _ => return None,
        },
        InlineFact::Collected { moved: Moved { side, request, .. }, .. } => {
            InlineEvent::Collect { side: *side, request: *request }
        }
        InlineFact::Erased { .. } => InlineEvent::Wake,
    })
}

/// What was signed says what its fact does.
fn held(run: &mut FoldedInline, stated: &InlineFact, jws: &Jws, told: &AuditedExchanges) -> Result<(), &'static str> {
    if let InlineFact::Registered { at, agreement } = stated {
        run.proposal = Some(judge_registered(jws, *at, agreement, told)?);
        return Ok(());
    }
    let (_, agreement) = run.state.agreement.as_ref().ok_or("it is of an exchange that was not registered")?;
    let is_by = |jws: &Jws, side: Side| {
        let key = if side == Side::Originator { agreement.o } else { agreement.r };
        jws.key_id() == key && jws.common().x == Some(agreement.x.into())
    };
    let says = |is_so: bool, why| if is_so { Ok(()) } else { Err(why) };
    match stated {
        InlineFact::Submitted { at, moved, size, result, .. } => {
            let nrs: Nrs = body_of(jws, *at)?;
            let deposited = Jws::parse(nrs.deposit.as_bytes()).map_err(|_| "its receipt embeds no statement")?;
            let deposit: Deposit = deposited.payload_as().map_err(|_| "its receipt embeds no deposit")?.body;
            let same = deposited.x() == moved.request
                && is_by(&deposited, moved.side)
                && (deposit.side, Digest(deposit.item_sha256.0)) == (moved.side, moved.item)
                && (deposit.size.get(), nrs.result, nrs.at_ms.get()) == (*size, *result, at.millis());
            says(same, "its receipt says something else than its fact")?;
            let Some(proposal) = &run.proposal else { return Ok(()) };
            let described = if moved.side == Side::Originator { &proposal.o_item } else { &proposal.r_item };
            let item = Item { sha256: moved.item, len: *size, media: deposit.media.as_str(), octets: None };
            let at_best = at_best(described, &item).max(deposit.result);
            says(at_best <= *result, "its deposit is told to be more of what was described than it can be")
        }
        InlineFact::SubmissionRefused { at, moved, reason, .. } => {
            let Refused { side, req, reason: told, at_ms } = body_of(jws, *at)?;
            let same = (side, Digest(req.0), told, at_ms.get()) == (moved.side, moved.request, *reason, at.millis());
            says(same, "its artefact says something else than its fact")
        }
        InlineFact::Waived { side, request, .. } => {
            let waive = jws.payload_as::<Waive>().map_err(|_| "its artefact is no waiver")?.body;
            let named = [waive.o_item, waive.r_item].map(|item| Digest(item.0));
            let items = SIDES.map(|side| run.state.deposit(side).map(|held| held.moved.item));
            let same = jws.x() == *request && is_by(jws, *side) && items == named.map(Some);
            says(same, "its waiver is of another side, or of other items")
        }
        InlineFact::Decided(decision) => judge_verdict(&run.state, agreement, decision, jws),
        InlineFact::Collected { moved, .. } => {
            jws.payload_as::<Collect>().map_err(|_| "its artefact is no request to collect")?;
            says(jws.x() == moved.request && is_by(jws, moved.side), "its request is of another side")
        }
        // Judged above; no statements; without artefact.
        InlineFact::Registered { .. } | InlineFact::Kept { .. } | InlineFact::Erased { .. } => Ok(()),
    }
}

fn body_of<B: Body>(jws: &Jws, at: Timestamp) -> Result<B, &'static str> {
    let statement = jws.payload_as::<B>().map_err(|_| "its artefact is another statement than its kind has")?;
    if statement.common.iat == at.into() { Ok(statement.body) } else { Err("its artefact is of another moment") }
}

fn judge_registered(
    jws: &Jws,
    at: Timestamp,
    agreement: &Agreement,
    told: &AuditedExchanges,
) -> Result<I1, &'static str> {
    let Registered { basis, at_ms } = body_of(jws, at)?;
    let basis: Vec<Jws> = basis.iter().filter_map(|text| Jws::parse(text.as_bytes()).ok()).collect();
    let [first, second] = &basis[..] else { return Err("its artefact embeds other than two statements") };
    let proposal: I1 = first.payload_as().map_err(|_| "its artefact embeds no proposal")?.body;
    let run = Run::claimed(first).map_err(|_| "its artefact embeds no proposal")?;
    let policy = told.policy_of(&run.policy).ok_or("its policy was never in force")?;
    let inline = policy.inline.as_ref().ok_or("its policy knows no inline exchange")?;
    let retention_ms = proposal.retention_ms.map_or(inline.retention_ms, u64::from);
    let Agreement { x, request, policy, assurance, mode, o, r, t_dep, t_exp, retention_ms: kept_ms } = agreement;
    let is_agreed = second.payload_as::<I2>().is_ok()
        && second.common().x == Some((*x).into())
        && second.x() == *request
        && second.key_id() == *r;
    let same = at_ms.get() == at.millis()
        && (run.x, run.policy, run.assurance, run.o.key, run.r.key) == (*x, *policy, *assurance, *o, *r)
        && (proposal.mode, proposal.t_dep.get(), proposal.t_exp.get()) == (*mode, *t_dep, *t_exp)
        && retention_ms == *kept_ms;
    if !is_agreed || !same || first.key_id() != *o {
        return Err("what both sides have agreed on is something else than its fact says");
    }
    if run.ttp.key != jws.key_id() {
        return Err("it is signed by another key than its run names");
    }
    if retention_ms > inline.retention_ms
        || *t_exp > at.millis().saturating_add(inline.open_max_ms)
        || fairness(&proposal.o_item, &proposal.r_item, &inline.predicates) != proposal.fairness
    {
        return Err("it does not keep to its policy: its worth, or how long items are held");
    }
    Ok(proposal)
}

/// A verdict says what its fact does, and embeds what the facts in front of it tell of: nothing else, and in that order.
fn judge_verdict(
    state: &InlineState,
    agreement: &Agreement,
    decision: &InlineDecision,
    jws: &Jws,
) -> Result<(), &'static str> {
    let Verdict { proto, outcome, basis, decided_ms, policy, outages, assurance } = body_of(jws, decision.at)?;
    let moved: Vec<u64> = outages.into_iter().map(u64::from).collect();
    let same = (proto, outcome, Digest(policy.0)) == (Protocol::Inline, decision.outcome, decision.policy)
        && u64::from(decided_ms) == decision.at.millis()
        && moved == decision.end.outages
        && assurance == decision.assurance;
    if !same {
        return Err("its verdict says something else than its fact");
    }
    let mut expected: Vec<(Digest, Thumbprint)> = vec![(agreement.x, agreement.o), (agreement.request, agreement.r)];
    let key_of = |side| if side == Side::Originator { agreement.o } else { agreement.r };
    expected.extend(SIDES.iter().filter_map(|side| Some((state.deposit(*side)?.moved.request, key_of(*side)))));
    match (decision.outcome, decision.by) {
        // Where one waiver alone came it led to nothing.
        (Decided::Released, _) => {
            let waivers = SIDES.iter().zip(state.waived);
            expected.extend(waivers.filter_map(|(side, waived)| Some((waived?.0, key_of(*side)))));
        }
        (_, by) => expected.extend(by.map(|(side, request)| (request, key_of(side)))),
    }
    let embedded = basis.iter().map(|text| Jws::parse(text.as_bytes()).map(|jws| (jws.x(), jws.key_id())));
    match embedded.collect::<Result<Vec<_>, _>>() {
        Ok(embedded) if embedded == expected => Ok(()),
        _ => Err("its verdict does not embed what its outcome needs"),
    }
}
