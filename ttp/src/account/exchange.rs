//! Proofs against an arbiter (exchange-and-disputes §9): what it has signed, held against itself, its ledger and its rules.
//!
//! | kind | what convicts |
//! |---|---|
//! | equivocation | two verdicts of one run with different payloads; a status "none as of size n" and a verdict whose entry is before n; a status with another outcome than the verdict; an answer or a status that names another verdict; evidence of a delivery (`account/delivery.rs`) |
//! | omission | a verdict, an answer, the receipt of a deposit or evidence of a delivery, and every entry of the time in which the ledger had promised it |
//! | broken rule | a verdict that does not follow from what it embeds; an answer to a key that has no part in the run; RETURNED, and receipts of deposits for which it had to release, or not to follow a cancel; evidence that does not follow from what it rests on |
//! | time | a verdict after the end of its run, or EXPIRED before it; one that was decided during an outage; a request that was answered before it was received; evidence on the wrong side of the moment that it tells of; an entry outside of the time that was promised |
//! | no answer | the receipt of a request, and a status after its time that tells of no decision; or a witness's cosignature after that time: open, until the arbiter shows its answer |
//!
//! **Two answers alone do not convict.** Each names its verdict by the hash of the exact octets, and one decision can be written with more
//! than one signature: with (r, n − s) in the place of (r, s), or signed again. So two hashes need not be two decisions. With one verdict
//! at hand, an answer convicts that names neither of its two forms: an arbiter signs each verdict once and keeps to those octets. Two
//! verdicts convict by their payloads, whatever their signatures look like.
//!
//! **What a key that is not shown would say** is nobody's guess: whoever leaves out a party's key cannot make the arbiter's check of it fail.
//! And what a newer program may know (algorithms, versions, longer statements) leaves a claim open.
//!
//! A receipt and a status get no entry, so their absence from the ledger says nothing. A foreign timestamp over a verdict is not taken
//! here: whoever trusts its authority lays it before a court by itself.

use super::exhibits::{Exhibits, Said, Told};
use super::judge::{Court, Doubt, Found, unfounded};
use super::{Item, Kind, Stretch};
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::exchange::Broken;
use crate::exchange::asw_r::Offered;
use crate::exchange::cd_r::Posted;
use crate::exchange::expiry::{Outage, end};
use crate::exchange::inline::ground::{Ungrounded, ground, is_refuted, receipt};
use crate::exchange::judge::Fault;
use crate::exchange::judge::paid::followed;
use crate::exchange::paid::Opened;
use crate::exchange::run::Keys;
use crate::statement::Body as _;
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::inline::I1;
use crate::statement::exchange::pg::GoodsOrder;
use crate::statement::exchange::pr::PaymentOffer;
use crate::statement::exchange::verdict::{Answer, Receipt, Status, Verdict};
use crate::statement::exchange::{Outcome, Protocol};
use crate::statement::{Count, Jws, StatementFault};
use crate::time::Timestamp;

impl Court<'_> {
    /// Judges exhibits of exchanges. They are looked at in every way that their kind allows, since each of these convicts by itself.
    pub(super) fn exchange(&self, kind: Kind, items: &[Item]) -> Found {
        let hearing = Hearing { court: self, shown: Exhibits::read(self, items)? };
        let told = &hearing.shown.told;
        let each = |find: &dyn Fn(&Told) -> Found| best(told.iter().map(find), kind);
        let pairs = |find: &dyn Fn(&Told, &Told) -> Option<Found>| {
            let pairs =
                told.iter().enumerate().flat_map(|(at, one)| told[at + 1..].iter().map(move |other| (one, other)));
            best(pairs.filter(|(one, other)| one.x == other.x).filter_map(|(one, other)| find(one, other)), kind)
        };
        match kind {
            Kind::Equivocation => pairs(&|one, other| Some(hearing.equivocation(one, other))),
            Kind::Omission => each(&|told| hearing.omission(told)),
            Kind::BrokenRule => each(&|told| hearing.broken_rule(told)),
            Kind::Time => {
                let of_one = each(&|told| hearing.out_of_time(told));
                let of_two = || pairs(&|one, other| hearing.before_it_came(one, other));
                of_one.or_else(|doubt| of_two().map_err(|_| doubt))
            }
            Kind::NoAnswer => each(&|told| hearing.no_answer(told)),
            Kind::SplitView | Kind::Rollback => none(kind),
        }
    }
}

fn none<T>(kind: Kind) -> Result<T, Doubt> {
    unfounded(format!("these are not the items of a proof of {}", kind.name()))
}

/// The first that is proven, else the doubt that leaves most open.
fn best(found: impl Iterator<Item = Found>, kind: Kind) -> Found {
    let mut kept = None;
    for one in found {
        match (one, &kept) {
            (Ok(proven), _) => return Ok(proven),
            (Err(doubt), None) => kept = Some(doubt),
            (Err(doubt @ Doubt::Open(_)), Some(Doubt::Unfounded(_))) => kept = Some(doubt),
            (Err(doubt @ Doubt::Rebuttable(_)), Some(_)) => kept = Some(doubt),
            (Err(_), _) => {}
        }
    }
    kept.map_or_else(|| none(kind), Err)
}

pub(super) struct Hearing<'c, 'p> {
    pub(super) court: &'c Court<'c>,
    pub(super) shown: Exhibits<'p>,
}

impl Hearing<'_, '_> {
    pub(super) fn is_the_arbiters(&self, told: &Told) -> Result<(), Doubt> {
        self.shown.is_the_arbiters(self.court, told)
    }

    /// Whom the reasons name.
    pub(super) fn arbiter(&self) -> String {
        format!("the arbiter of {}", self.court.against)
    }

    fn equivocation(&self, one: &Told, other: &Told) -> Found {
        self.is_the_arbiters(one)?;
        self.is_the_arbiters(other)?;
        if one.jws.key_id() != other.jws.key_id() {
            return Err(Doubt::Open(
                "the two statements are of different keys; whether one follows the other is not known here".to_owned(),
            ));
        }
        let (arbiter, run) = (self.arbiter(), short(&one.x));
        match (&one.said, &other.said) {
            (Said::Verdict(first), Said::Verdict(second)) => {
                if one.jws.x() == other.jws.x() {
                    return unfounded(
                        "one verdict is shown twice: a decision is its payload, whatever the signature looks like",
                    );
                }
                Ok(format!("{arbiter} decided the run {run} twice: {} and {}", decision(first), decision(second)))
            }
            (Said::Verdict(verdict), Said::Status(status)) => self.against_status(one, verdict, other, status),
            (Said::Status(status), Said::Verdict(verdict)) => self.against_status(other, verdict, one, status),
            (Said::Verdict(verdict), Said::Answer(_)) => self.names_another(one, verdict, other),
            (Said::Answer(_), Said::Verdict(verdict)) => self.names_another(other, verdict, one),
            (Said::Verdict(verdict), Said::Evidence(evidence)) => self.against_evidence(one, verdict, other, evidence),
            (Said::Evidence(evidence), Said::Verdict(verdict)) => self.against_evidence(other, verdict, one, evidence),
            (Said::Evidence(first), Said::Evidence(second)) => self.two_pieces((one, first), (other, second)),
            (Said::Evidence(evidence), Said::Status(status)) => {
                self.against_what_it_says((one, evidence), (other, status))
            }
            (Said::Status(status), Said::Evidence(evidence)) => {
                self.against_what_it_says((other, evidence), (one, status))
            }
            (Said::Status(Status { outcome: Some(first), .. }), Said::Status(Status { outcome: Some(second), .. }))
                if first != second =>
            {
                Ok(format!(
                    "{arbiter} says that it decided the run {run} as {} and that it decided it as {}",
                    first.name(),
                    second.name()
                ))
            }
            _ => name_two(one, other),
        }
    }

    fn against_status(&self, told: &Told, verdict: &Verdict, of_status: &Told, status: &Status) -> Found {
        let (arbiter, run) = (self.arbiter(), short(&told.x));
        let Some(outcome) = status.outcome else {
            let Some((index, _)) = self.shown.entry_of(told) else {
                return Err(Doubt::Open("the entry of the verdict is not shown".to_owned()));
            };
            let size = status.size.get();
            if *index >= size {
                return unfounded(format!("the verdict is entry {index}, which the first {size} entries do not hold"));
            }
            return Ok(format!(
                "{arbiter} says that it had not decided the run {run} when its log had {size} entries, and entry {index} is its verdict, {}",
                decision(verdict)
            ));
        };
        if outcome != verdict.outcome {
            return Ok(format!(
                "{arbiter} says that it decided the run {run} as {}, and its verdict is {}",
                outcome.name(),
                decision(verdict)
            ));
        }
        self.names_another(told, verdict, of_status)
    }

    pub(super) fn names_another(&self, told: &Told, verdict: &Verdict, naming: &Told) -> Found {
        match naming.names() {
            Some(named) if !told.is_named_by(&named) => Ok(format!(
                "{} names another verdict of the run {} in its {} than {}",
                self.arbiter(),
                short(&told.x),
                naming.name(),
                decision(verdict)
            )),
            _ => unfounded(format!("the {} names the verdict that is shown", naming.name())),
        }
    }

    /// Within what time an entry was promised: by the policy of the run, and by the ledger if that promised more.
    fn promised_ms(&self, policy: Digest) -> Result<u64, Doubt> {
        let by_policy = self.shown.policy(policy)?.mmd_ms;
        let by_ledger = self.court.anchors.trust.and_then(|trust| trust.promised_millis(self.court.against));
        Ok(by_policy.max(by_ledger.unwrap_or_default()))
    }

    fn omission(&self, told: &Told) -> Found {
        if matches!(told.said, Said::Status(_) | Said::Receipt(_)) {
            return unfounded(format!("a {} gets no entry", told.name()));
        }
        self.is_the_arbiters(told)?;
        let policy = self.shown.run_of(self.court, told)?.policy;
        let promised_ms = self.promised_ms(policy)?;
        let window = (told.at_ms, told.at_ms.saturating_add(promised_ms));
        let left_out = |stretch: &&Stretch| {
            let entries = self.court.left_out(stretch, window, told.name(), |entry| told.is_recorded_by(entry))?;
            Ok(format!(
                "{} released the {} of {} in the run {}, and it is not recorded: {entries} entries from {} on are all that its ledger \
                 has of the {promised_ms} ms within which it had promised one",
                self.arbiter(),
                told.name(),
                Timestamp::from_millis(told.at_ms),
                short(&told.x),
                stretch.first
            ))
        };
        best(self.shown.stretches.iter().map(left_out), Kind::Omission)
    }

    fn broken_rule(&self, told: &Told) -> Found {
        self.is_the_arbiters(told)?;
        match &told.said {
            Said::Verdict(verdict) => {
                let broken = self.does_not_follow(told, verdict)?;
                Ok(format!(
                    "{} decided the run {} as {} against its rules: {broken}",
                    self.arbiter(),
                    short(&told.x),
                    decision(verdict)
                ))
            }
            Said::Answer(Answer { to, .. }) => {
                let first = self.shown.run_of(self.court, told)?;
                if [first.o.key, first.r.key].contains(to) {
                    return unfounded("the answer is for a side of the run");
                }
                Ok(format!(
                    "{} answered the key {to} about the run {}, which names it on no side",
                    self.arbiter(),
                    short(&told.x)
                ))
            }
            Said::Evidence(evidence) => self.evidence_against_the_rules(told, evidence),
            Said::Status(_) | Said::Receipt(_) | Said::Nrs(_) => {
                unfounded(format!("a {} rests on nothing", told.name()))
            }
        }
    }

    /// Which rule a verdict breaks, if any (exchange-and-disputes §5): the arbiter's own checks, on the statements that it embeds.
    fn does_not_follow(&self, told: &Told, verdict: &Verdict) -> Found {
        let mut basis = Vec::new();
        for text in &verdict.basis {
            match Jws::parse(text.as_bytes()) {
                Ok(jws) => basis.push(jws),
                Err(fault) => return broken(Broken::Statement { of: "that it embeds", fault }),
            }
        }
        let Some((first, rest)) = basis.split_first() else { return Ok("it rests on nothing".to_owned()) };
        if first.x() != told.x {
            return Ok("it rests on the first statement of another run".to_owned());
        }
        let keys = |name: &Thumbprint| self.shown.key_of(name);
        self.shown.run_of(self.court, told)?;
        if first.tag() == I1::TAG {
            return self.inline_does_not_follow(told, verdict, &basis);
        }
        if [GoodsOrder::TAG, PaymentOffer::TAG].contains(&first.tag()) {
            return does_not_follow_of_payment(first, verdict, &keys);
        }
        let read = match first.tag() {
            D1::TAG => Posted::read(first.clone(), &keys).map(|posted| {
                let kept = match (verdict.outcome, rest) {
                    // Whether an escrow held its key, only who has a key of it can tell.
                    (Outcome::Released | Outcome::Void, [d2]) => Some(posted.agreed(d2.clone(), &keys).map(drop)),
                    (Outcome::Aborted, [abort]) => Some(posted.abort(abort.clone(), &keys).map(drop)),
                    (Outcome::Expired, []) => Some(Ok(())),
                    _ => None,
                };
                (posted.run, kept)
            }),
            _ => Offered::read(first.clone(), &keys).map(|offered| {
                let kept = match (verdict.outcome, rest) {
                    (Outcome::Resolved, [m2]) => Some(offered.answered(m2.clone(), &keys).map(drop)),
                    (Outcome::Aborted, [abort]) => Some(offered.abort(abort.clone(), &keys).map(drop)),
                    (Outcome::Expired, []) => Some(Ok(())),
                    _ => None,
                };
                (offered.run, kept)
            }),
        };
        let (run, kept) = match read {
            Ok(read) => read,
            Err(fault) => return broken(fault),
        };
        match kept {
            Some(Ok(())) => {}
            Some(Err(fault)) => return broken(fault),
            None => {
                let outcome = verdict.outcome.name();
                return Ok(format!("{outcome} does not rest on {} further statements", rest.len()));
            }
        }
        if verdict.proto != run.protocol {
            return Ok("it names other rules than its run does".to_owned());
        }
        if Digest(verdict.policy.0) != run.policy || verdict.assurance != run.assurance {
            return Ok("it names another policy, or another worth, than its run does".to_owned());
        }
        unfounded("the verdict follows from what it embeds")
    }

    /// The same of an inline exchange: what it embeds, and what the arbiter has signed about deposits besides.
    fn inline_does_not_follow(&self, told: &Told, verdict: &Verdict, basis: &[Jws]) -> Found {
        let keys = |name: &Thumbprint| self.shown.key_of(name);
        let ground = match ground(&told.x, verdict.outcome, basis, &keys) {
            Ok(ground) => ground,
            Err(Ungrounded::Broken(fault)) => return broken(fault),
            Err(Ungrounded::Rule(why)) => return Ok(why.to_owned()),
        };
        let run = &ground.proposed.run;
        if verdict.proto != run.protocol {
            return Ok("it names other rules than its run does".to_owned());
        }
        if Digest(verdict.policy.0) != run.policy || verdict.assurance != run.assurance {
            return Ok("it names another policy, or another worth, than its run does".to_owned());
        }
        let is_of_run = |other: &&Told| other.x == told.x && matches!(other.said, Said::Nrs(_));
        let receipts = self.shown.told.iter().filter(is_of_run);
        let receipts: Vec<_> =
            receipts.filter_map(|nrs| receipt(&nrs.jws, &told.x, &told.jws.key_id(), &keys).ok()).collect();
        match is_refuted(&ground, verdict, &receipts, &keys) {
            true => Ok("it had taken the deposits by which it was to decide otherwise, as it says itself".to_owned()),
            false => unfounded("the verdict follows from what it embeds"),
        }
    }

    fn out_of_time(&self, told: &Told) -> Found {
        if matches!(told.said, Said::Status(_) | Said::Receipt(_)) {
            return unfounded(format!("the {} convicts by nothing that it says of time", told.name()));
        }
        self.is_the_arbiters(told)?;
        let of_end = match &told.said {
            Said::Verdict(verdict) => Some(self.against_the_end(told, verdict)),
            Said::Evidence(evidence) => Some(self.evidence_out_of_time(told, evidence)),
            Said::Answer(_) | Said::Status(_) | Said::Receipt(_) | Said::Nrs(_) => None,
        };
        let while_away = self.shown.outages.iter().map(|outage| self.while_away(told, outage));
        best(of_end.into_iter().chain([self.not_when_promised(told)]).chain(while_away), Kind::Time)
    }

    /// Its entry was made before it, or after the time that was promised.
    fn not_when_promised(&self, told: &Told) -> Found {
        let Some((index, entry)) = self.shown.entry_of(told) else { return unfounded("its entry is not shown") };
        let logged = |than: &str| {
            Ok(format!(
                "{} released the {} of {} in the run {}, and its entry {index} is of {}, {than}",
                self.arbiter(),
                told.name(),
                Timestamp::from_millis(told.at_ms),
                short(&told.x),
                Timestamp::from_millis(entry.time_ms)
            ))
        };
        if entry.time_ms < told.at_ms {
            return logged("which is before it");
        }
        let promised_ms = self.promised_ms(self.shown.run_of(self.court, told)?.policy)?;
        match entry.time_ms - told.at_ms > promised_ms {
            true => logged(&format!("more than the {promised_ms} ms later that were promised")),
            false => unfounded(format!("its entry was made in time, within {promised_ms} ms")),
        }
    }

    /// While it was away it can have decided nothing: an outage moves the ends of runs, so one that was none is a lie.
    fn while_away(&self, told: &Told, outage: &Outage) -> Found {
        self.shown.run_of(self.court, told)?;
        let at = Timestamp::from_millis(told.at_ms);
        if at <= outage.from || at >= outage.to {
            return unfounded("it was not made during the outage");
        }
        Ok(format!(
            "{} says in entry {} that it took no requests from {} to {}, and its {} in the run {} is of {at}",
            self.arbiter(),
            outage.index,
            outage.from,
            outage.to,
            told.name(),
            short(&told.x)
        ))
    }

    /// EXPIRED only after the end, anything else only before it; the end is where the outages have moved it that the verdict names.
    fn against_the_end(&self, told: &Told, verdict: &Verdict) -> Found {
        let first = self.shown.run_of(self.court, told)?;
        if matches!(first.protocol, Protocol::Pg | Protocol::Pr) {
            return self.before_its_moment(told, verdict);
        }
        let convicts = |end: &str| {
            Ok(format!("{} decided the run {} as {}, and {end}", self.arbiter(), short(&told.x), decision(verdict)))
        };
        let (is_expired, t_exp) = match first.protocol {
            Protocol::Inline => self.end_of_inline(told, verdict)?,
            // The last two were told above.
            Protocol::AswR | Protocol::CdR | Protocol::Pg | Protocol::Pr => {
                (verdict.outcome == Outcome::Expired, first.t_exp)
            }
        };
        let Some(t_exp) = t_exp else {
            return if is_expired { convicts("the run has no end") } else { unfounded("the run has no end") };
        };
        let decided = verdict.decided_ms.get();
        let of = |at_ms: u64| format!("the run ended with {}", Timestamp::from_millis(at_ms));
        // Outages move the end in one direction alone.
        if is_expired && decided <= t_exp {
            return convicts(&of(t_exp));
        }
        if !is_expired && decided <= t_exp {
            return unfounded("it was decided before the end");
        }
        if verdict.outages.is_empty() {
            return if is_expired { unfounded("it was decided after the end") } else { convicts(&of(t_exp)) };
        }
        let moved = self.end_moved_by(t_exp, first.policy, &verdict.outages)?;
        match (is_expired, decided > moved) {
            (true, false) | (false, true) => convicts(&format!("{}, with the outages that it names", of(moved))),
            (true, true) => unfounded("it was decided after the end, which outages have moved"),
            (false, false) => unfounded("it was decided before the end, which outages have moved"),
        }
    }

    /// Where outages have moved an end that a statement names.
    pub(super) fn end_moved_by(&self, t_exp: u64, policy: Digest, outages: &[Count]) -> Result<u64, Doubt> {
        let delta_ms = self.shown.policy(policy)?.delta_ms;
        let mut named = Vec::new();
        for index in outages.iter().copied().map(u64::from) {
            let missing =
                || Doubt::Open(format!("the outage that entry {index} tells of, which it names, is not shown"));
            named.push(*self.shown.outages.iter().find(|outage| outage.index == index).ok_or_else(missing)?);
        }
        named.sort_unstable();
        Ok(end(t_exp, delta_ms, &named).at_ms)
    }

    /// Whether a verdict about an inline exchange says that an end has passed, and which of the two it was to keep to.
    fn end_of_inline(&self, told: &Told, verdict: &Verdict) -> Result<(bool, Option<u64>), Doubt> {
        let basis: Option<Vec<Jws>> = verdict.basis.iter().map(|text| Jws::parse(text.as_bytes()).ok()).collect();
        let keys = |name: &Thumbprint| self.shown.key_of(name);
        let ground = ground(&told.x, verdict.outcome, &basis.unwrap_or_default(), &keys);
        let ground = ground.or_else(|why| match why {
            Ungrounded::Broken(Broken::UnknownKey { side, key }) => {
                Err(Doubt::Open(format!("the key {key} of the {side} is not shown")))
            }
            // That is another proof.
            why => unfounded(format!("by which end it was to be decided is not known: {why}")),
        })?;
        Ok((ground.is_by_deadline(verdict.outcome), Some(ground.end_ms())))
    }

    /// A payment is decided as late as a case about it lasts, and never before the moment on which its decision rests.
    fn before_its_moment(&self, told: &Told, verdict: &Verdict) -> Found {
        let first = verdict.basis.first().and_then(|first| Jws::parse(first.as_bytes()).ok());
        let Some(first) = first.filter(|first| first.x() == told.x) else {
            return unfounded("it embeds no first statement of its run, which is another fault");
        };
        let keys = |name: &Thumbprint| self.shown.key_of(name);
        match Opened::read(first, &keys).map(|opened| followed(&opened, verdict, &keys)) {
            Ok(Err(Fault::Time(why))) => Ok(format!(
                "{} decided the run {} as {}, when {why}",
                self.arbiter(),
                short(&told.x),
                decision(verdict)
            )),
            Ok(Ok(_) | Err(Fault::Rule(_) | Fault::Statement(_))) | Err(_) => {
                unfounded("it does not come before the moment on which it rests")
            }
        }
    }

    /// A request that was answered before it was received. Only what came of this very request counts: the run may have been decided
    /// before, on another one. A request that has its answer gets that again, and no receipt.
    fn before_it_came(&self, one: &Told, other: &Told) -> Option<Found> {
        let (receipt, came, told) = match (&one.said, &other.said) {
            (Said::Receipt(receipt), _) => (receipt, one, other),
            (_, Said::Receipt(receipt)) => (receipt, other, one),
            _ => return None,
        };
        let is_about = match &told.said {
            Said::Answer(answer) => answer.req == receipt.req,
            Said::Verdict(verdict) => rests_on(verdict, receipt),
            // What an event rests on is shown to another history than that which gives receipts.
            Said::Status(_) | Said::Receipt(_) | Said::Nrs(_) | Said::Evidence(_) => return None,
        };
        Some(self.is_the_arbiters(came).and_then(|()| self.is_the_arbiters(told)).and_then(|()| {
            if !is_about || told.at_ms >= receipt.received_ms.get() {
                return unfounded(format!("the {} is not of the request, or not before it", told.name()));
            }
            Ok(format!(
                "{} says that a request in the run {} came at {}, and its {} to it is of {}",
                self.arbiter(),
                short(&told.x),
                Timestamp::from_millis(receipt.received_ms.get()),
                told.name(),
                Timestamp::from_millis(told.at_ms)
            ))
        }))
    }

    fn no_answer(&self, told: &Told) -> Found {
        let Said::Receipt(receipt) = &told.said else { return none(Kind::NoAnswer) };
        self.is_the_arbiters(told)?;
        let by_ms = receipt.answer_by_ms.get();
        let owed = format!(
            "{} took a request in the run {} at {} and was to answer it by {}",
            self.arbiter(),
            short(&told.x),
            Timestamp::from_millis(receipt.received_ms.get()),
            Timestamp::from_millis(by_ms)
        );
        for other in self.shown.told.iter().filter(|other| other.x == told.x) {
            let Said::Status(Status { outcome: None, .. }) = &other.said else { continue };
            if other.at_ms > by_ms && other.jws.key_id() == told.jws.key_id() {
                self.is_the_arbiters(other)?;
                return Ok(format!(
                    "{owed}; at {} it says that it has decided nothing",
                    Timestamp::from_millis(other.at_ms)
                ));
            }
        }
        let answers = self.shown.told.iter().filter(|other| other.x == told.x);
        let mut answers =
            answers.filter(|other| matches!(&other.said, Said::Answer(answer) if answer.req == receipt.req));
        let is_in_time = |answer: &Told| {
            let entry = self.shown.entry_of(answer).map(|(_, entry)| entry.time_ms);
            entry.is_some_and(|time_ms| time_ms <= by_ms) && self.is_the_arbiters(answer).is_ok()
        };
        if answers.any(is_in_time) {
            return unfounded("the request was answered in time");
        }
        let missing = || {
            Doubt::Open(format!("{owed}; that this time is over, neither a status nor a witness whom you know says"))
        };
        let seen = self.shown.checkpoints.iter().filter_map(|note| {
            self.court.checkpoint(note).ok()?;
            self.court.anchors.trust?.cosigned_at(note)
        });
        let seen = seen.max().filter(|seconds| seconds.saturating_mul(1000) > by_ms).ok_or_else(missing)?;
        Err(Doubt::Rebuttable(format!(
            "{owed}; a witness saw its log at {}, and only an answer with an entry in time can still clear it",
            Timestamp::from_millis(seen.saturating_mul(1000))
        )))
    }
}

/// Two hashes of verdicts need not be of two decisions.
pub(super) fn name_two(one: &Told, other: &Told) -> Found {
    match (one.names(), other.names()) {
        (Some(first), Some(second)) if first != second => Err(Doubt::Open(
            "two statements name two verdicts of one run, which may be one decision with two signatures: a verdict is needed".to_owned(),
        )),
        _ => unfounded(format!("the {} and the {} do not contradict each other", one.name(), other.name())),
    }
}

/// Whether a verdict embeds the very request.
fn rests_on(verdict: &Verdict, receipt: &Receipt) -> bool {
    let embedded = verdict.basis.get(1).and_then(|text| Jws::parse(text.as_bytes()).ok());
    verdict.outcome == Outcome::Aborted && embedded.is_some_and(|request| request.x() == Digest(receipt.req.0))
}

/// The same of a payment.
fn does_not_follow_of_payment(first: &Jws, verdict: &Verdict, keys: Keys<'_>) -> Found {
    let opened = match Opened::read(first.clone(), keys) {
        Ok(opened) => opened,
        Err(fault) => return broken(fault),
    };
    if verdict.proto != opened.run.protocol || verdict.assurance != opened.run.assurance {
        return Ok("it names other rules, or another worth, than its run does".to_owned());
    }
    match followed(&opened, verdict, keys) {
        Err(Fault::Statement(fault)) => broken(fault),
        Err(Fault::Rule(why)) => Ok(why.to_owned()),
        Ok(_) | Err(Fault::Time(_)) => unfounded("the verdict follows from what it embeds"),
    }
}

/// What a statement breaks convicts whoever took it for good, unless what is missing here, or what a newer program may know, would mend it.
pub(super) fn broken(fault: Broken) -> Found {
    match &fault {
        Broken::UnknownKey { side, key } => Err(Doubt::Open(format!("the key {key} of the {side} is not shown"))),
        Broken::Statement {
            fault: StatementFault::Algorithm(_) | StatementFault::Version | StatementFault::TooLong,
            ..
        } => Err(Doubt::Open(format!("{fault}, which a newer program may read"))),
        _ => Ok(fault.to_string()),
    }
}

/// A decision, as people say it.
pub(super) fn decision(verdict: &Verdict) -> String {
    format!("{} of {}", verdict.outcome.name(), Timestamp::from_millis(verdict.decided_ms.get()))
}

/// The beginning of a run's name, as people compare them.
pub(super) fn short(x: &Digest) -> String {
    format!("{}…", &crate::b64u::encode(x.as_bytes())[..11])
}
