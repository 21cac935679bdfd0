//! A turn of the journal: its jobs are decided in their order on one state with one `now`, what they leave is signed or sealed, and the
//! sequencer gets all of it as one commit.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
    thread,
};

use semper_ledger::{
    entry::{Tag, Tags},
    sequencer::{Commit, Draft, Refused, RoleRow},
};
use semper_ttp::{
    digest::{Digest, ImprintAlgorithm},
    evidence::{KeyPurpose, Recorded, names},
    id::ActId,
    notary::{
        Clocked, Journal, JournalEffect, JournalEvent, JournalFact, JournalState, KeepPersonal, NotaryRefusal,
        dvc_serial,
        dvcs::{self, DvcContent, Grant},
    },
    policy::person::Person,
    role::{Role, Snapshot, encode_snapshot},
    time::Timestamp,
    timestamp::ClockVerdict,
    vault::key_of,
};

use super::{
    super::{Sealed, Service, ServiceFault, act::ATTEMPTS_MAX, desk::RoleKey, draft, load},
    NotaryFault,
    journal::{Asked, DvcParts, Entered, Job, Making, Outcome},
    keep::personal_object,
};

/// From how many artefacts on a turn signs on more than one thread: starting one costs half a signature.
const PARALLEL_MIN: usize = 8;

/// The keys that sign in one turn, whatever follows them meanwhile.
struct TurnKeys {
    act: Option<Arc<RoleKey>>,
    dvcs: Option<Arc<RoleKey>>,
}

impl TurnKeys {
    /// By which of them the artefact that an effect asks for is signed.
    fn signer_of(&self, effect: JournalEffect) -> Option<&Arc<RoleKey>> {
        match effect {
            JournalEffect::SignRecord => self.act.as_ref(),
            JournalEffect::SignDvc => self.dvcs.as_ref(),
            JournalEffect::Keep | JournalEffect::KeepReport | JournalEffect::Seal => None,
        }
    }
}

/// A job that was decided, with its drafts to come.
struct Decided {
    asked: Asked,
    facts: Vec<JournalFact>,
    effects: Vec<JournalEffect>,
    /// Of each fact, the digest of the event that led to it.
    events: Vec<Digest>,
    /// What opens commitments, sealed; with a key of its own for the first of a person.
    personal: Option<SealedPersonal>,
}

/// An artefact that is made in this turn.
type Made = Result<Option<Vec<u8>>, NotaryFault>;

impl Service {
    /// All that was asked, in as many turns as one act is asked about: what a record tells of the act is in the ledger by then.
    pub(super) fn turns(&self, folded: &mut Option<Snapshot<JournalState>>, asked: Vec<Asked>) {
        let mut turns: Vec<(HashSet<ActId>, HashSet<Person>, Vec<Asked>)> = Vec::new();
        for asked in asked {
            let act = asked.job.event.act();
            let person = asked.job.personal.as_ref().map(|(event, _)| event.of.person);
            // Not before what was asked earlier about the same act, nor with what makes a person's key.
            let place = turns.iter().rposition(|(acts, persons, _)| {
                acts.contains(&act) || person.is_some_and(|person| persons.contains(&person))
            });
            let place = place.map_or(0, |place| place + 1);
            if place == turns.len() {
                turns.push(Default::default());
            }
            let (acts, persons, jobs) = &mut turns[place];
            acts.insert(act);
            persons.extend(person);
            jobs.push(asked);
        }
        turns.into_iter().for_each(|(_, _, asked)| self.turn(folded, asked));
    }

    fn turn(&self, folded: &mut Option<Snapshot<JournalState>>, mut asked: Vec<Asked>) {
        for _ in 0..ATTEMPTS_MAX {
            asked = match self.try_turn(folded, asked) {
                Ok(()) => return,
                Err(again) => again,
            };
        }
        for Asked { answer, .. } in asked {
            let _ = answer.send(Err(NotaryFault::Busy)); // the client may be gone
        }
    }

    /// One turn. What it gives back is to be decided anew.
    fn try_turn(&self, folded: &mut Option<Snapshot<JournalState>>, asked: Vec<Asked>) -> Result<(), Vec<Asked>> {
        let before = match mem::take(folded).map_or_else(|| load::<Journal>(self.reader(), &Journal::aggregate()), Ok) {
            Ok(before) => before,
            Err(fault) => return refuse_all(asked, &fault),
        };
        let asked = self.without_repetitions(asked);
        let (now, clock) = self.time.check();
        let mut after = before.clone();
        let mut decided = Vec::new();
        for mut asked in asked {
            match self.decide(&after.state, &mut asked.job, clock, now) {
                Ok(((facts, effects, events), personal)) => {
                    facts.iter().for_each(|fact| Journal::apply(&mut after.state, fact));
                    after.next_seq += facts.len() as u64;
                    decided.push(Decided { asked, facts, effects, events, personal });
                }
                Err(fault) => drop(asked.answer.send(Err(fault))), // the client may be gone
            }
        }
        let key = |purpose| self.desks.certified(purpose);
        let keys = TurnKeys { act: key(KeyPurpose::NotaryAct), dvcs: key(KeyPurpose::NotaryDvcs) };
        let made = self.make_all(&decided, &keys, now);
        // Without its artefact a job is not done, and the numbers behind it move up: the turn is decided again without it.
        if made.iter().any(|artefacts| artefacts.iter().any(Result::is_err)) {
            *folded = Some(before);
            let mut again = Vec::new();
            for (Decided { asked, .. }, artefacts) in decided.into_iter().zip(made) {
                match artefacts.into_iter().find_map(Result::err) {
                    Some(fault) => drop(asked.answer.send(Err(fault))),
                    None => again.push(asked),
                }
            }
            return if again.is_empty() { Ok(()) } else { Err(again) };
        }
        let artefacts: Vec<Vec<_>> =
            made.into_iter().map(|all| all.into_iter().map(|one| one.ok().flatten()).collect()).collect();
        if decided.is_empty() {
            *folded = Some(before);
            return Ok(());
        }
        let commit = match self.commit_of(&decided, &artefacts, &before, &after, &keys, now) {
            Ok(commit) => commit,
            Err(fault) => {
                *folded = Some(before);
                return refuse_all(decided.into_iter().map(|decided| decided.asked).collect(), &fault);
            }
        };
        let ahead = commit.drafts.len() as u64 - (after.next_seq - before.next_seq);
        match self.ledger.append(commit) {
            Ok(appended) => {
                *folded = Some(after);
                let mut index = appended.first + ahead;
                for (Decided { asked, facts, .. }, artefacts) in decided.into_iter().zip(artefacts) {
                    facts.iter().for_each(|fact| self.metrics.notary().entered(fact, &before.state));
                    let (first, artefact) = (index, artefacts.into_iter().next().flatten());
                    index += facts.len() as u64;
                    let _ = asked.answer.send(Ok(Entered { index: first, facts, artefact })); // the client may be gone
                }
                Ok(())
            }
            // Decided too early, or somebody else wrote: the ledger says how things stand.
            Err(Refused::Stale { .. } | Refused::StepTaken { .. } | Refused::KeyReused { .. }) => {
                Err(decided.into_iter().map(|decided| decided.asked).collect())
            }
            Err(refused) => {
                for Decided { asked, .. } in decided {
                    let _ = asked.answer.send(Err(refused.clone().into()));
                }
                Ok(())
            }
        }
    }

    /// Answers the jobs that were done before, and those that another one of this turn repeats.
    fn without_repetitions(&self, asked: Vec<Asked>) -> Vec<Asked> {
        let mut seen = HashMap::new();
        let mut left = Vec::with_capacity(asked.len());
        for one in asked {
            let Some(idempotency) = one.job.idempotency else {
                left.push(one);
                continue;
            };
            let outcome = match self.answered(Some(idempotency)) {
                Ok(Some(index)) => self.entered_before(index),
                Ok(None) => match seen.insert(idempotency.key, idempotency.request) {
                    None => {
                        left.push(one);
                        continue;
                    }
                    Some(request) if request != idempotency.request => Err(NotaryFault::KeyReused),
                    // The first of the two is not done yet: whoever asks a moment later gets its answer.
                    Some(_) => Err(NotaryFault::Busy),
                },
                Err(repetition) => Err(repetition.into()),
            };
            let _ = one.answer.send(outcome);
        }
        left
    }

    fn entered_before(&self, index: u64) -> Outcome {
        let artefact = self.reader().artefact(index)?;
        Ok(Entered { index, facts: Vec::new(), artefact })
    }

    fn decide(
        &self,
        state: &JournalState,
        job: &mut Job,
        clock: ClockVerdict,
        now: Timestamp,
    ) -> Result<(AllDecided, Option<SealedPersonal>), NotaryFault> {
        self.ask_standing(&mut job.event)?;
        // Before it is decided, so that what cannot be sealed takes no number.
        let personal = self.seal_personal(job)?;
        Ok((decide_all(state, job, clock, now)?, personal))
    }

    /// Whether the certificate of an officer, or of a signer, is good is asked at the turn, after its moment was read.
    fn ask_standing(&self, event: &mut JournalEvent) -> Result<(), NotaryFault> {
        match event {
            JournalEvent::Sign(event) if !self.is_good(&event.certificate)? => {
                return Err(NotaryFault::Signature("the certificate of its key is not good now".to_owned()));
            }
            JournalEvent::Take(event) => event.officer_good = self.is_good(&event.officer.certificate)?,
            JournalEvent::Approve(event) => event.officer_good = self.is_good(&event.officer.certificate)?,
            JournalEvent::Refuse(event) => event.officer_good = self.is_good(&event.officer.certificate)?,
            _ => {}
        }
        Ok(())
    }

    /// The artefacts of all facts, on as many threads as there are cores if there are many.
    fn make_all(&self, decided: &[Decided], keys: &TurnKeys, now: Timestamp) -> Vec<Vec<Made>> {
        let one = |decided: &Decided| self.make(decided, keys.act.as_deref(), keys.dvcs.as_deref(), now);
        if decided.len() < PARALLEL_MIN {
            return decided.iter().map(one).collect();
        }
        let threads = thread::available_parallelism().map_or(1, usize::from).min(decided.len());
        let mut made = Vec::with_capacity(decided.len());
        thread::scope(|scope| {
            let parts = decided.chunks(decided.len().div_ceil(threads));
            let running: Vec<_> =
                parts.map(|part| scope.spawn(move || part.iter().map(one).collect::<Vec<_>>())).collect();
            for thread in running {
                match thread.join() {
                    Ok(part) => made.extend(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        made
    }

    fn make(&self, decided: &Decided, act: Option<&RoleKey>, dvcs: Option<&RoleKey>, now: Timestamp) -> Vec<Made> {
        let both = decided.facts.iter().zip(&decided.effects);
        both.map(|(fact, effect)| match (effect, &decided.asked.job.making) {
            (JournalEffect::Keep, Making::Received(bytes)) => Ok(Some(bytes.clone())),
            (JournalEffect::Keep, _) => Ok(None),
            (JournalEffect::KeepReport, _) => Ok(decided.asked.job.report.clone()),
            // It was made before: the commit takes it from there.
            (JournalEffect::Seal, _) => Ok(None),
            (JournalEffect::SignDvc, Making::Dvc(parts)) => {
                sign_dvc(dvcs.ok_or(NotaryFault::NotReady)?, fact, parts, now).map(Some)
            }
            (JournalEffect::SignDvc, _) => unreachable!("a request of RFC 3029 brings its finding"),
            (JournalEffect::SignRecord, making) => {
                let key = act.ok_or(NotaryFault::NotReady)?;
                self.sign_record(key, fact, making, &decided.facts).map(Some)
            }
        })
        .collect()
    }

    /// Everything that the turn leaves, as one commit.
    fn commit_of(
        &self,
        decided: &[Decided],
        artefacts: &[Vec<Option<Vec<u8>>>],
        before: &Snapshot<JournalState>,
        after: &Snapshot<JournalState>,
        keys: &TurnKeys,
        now: Timestamp,
    ) -> Result<Commit, ServiceFault> {
        let mut salts = vec![0; 16 * (after.next_seq - before.next_seq) as usize];
        self.entropy.fill(&mut salts)?;
        let mut salts = salts.chunks_exact(16).map(|salt| <[u8; 16]>::try_from(salt).expect("chunks of 16"));
        let mut seq = before.next_seq;
        let effects = decided.iter().flat_map(|decided| decided.effects.iter().copied());
        let signers = effects.filter_map(|effect| keys.signer_of(effect));
        let (mut drafts, mut rows): (Vec<Draft>, Vec<_>) = (self.first_uses(signers, now)?, Vec::new());
        for (decided @ Decided { asked, facts, events, .. }, artefacts) in decided.iter().zip(artefacts) {
            if let Some(request) = asked.job.idempotency {
                rows.push(RoleRow::Answered { request, draft: drafts.len(), count: facts.len() });
            }
            for ((fact, artefact), event_digest) in facts.iter().zip(artefacts).zip(events) {
                let salt = salts.next().unwrap_or_default();
                let mut envelope = self.envelope_with(Journal::aggregate(), seq, now, salt);
                envelope.event_digest = *event_digest;
                let sealed = decided.sealed(fact);
                if let Some((_, Some(sealed))) = sealed {
                    rows.push(sealed.row(drafts.len()));
                }
                let artefact = sealed.map(|(artefact, _)| artefact.to_vec()).or_else(|| artefact.clone());
                let draft = draft(&fact.clone().into_fact(&envelope), artefact);
                drafts.push(Draft { tags: fact.tag().map(only).unwrap_or_default(), ..draft });
                seq += 1;
            }
        }
        let (aggregate, bytes) = (Journal::aggregate().0, encode_snapshot::<Journal>(after));
        rows.push(RoleRow::Snapshot { aggregate, bytes });
        Ok(Commit { idempotency: None, now_ms: now.millis(), drafts, rows })
    }
}

/// What opens the commitments of a request, sealed.
enum SealedPersonal {
    /// Under the key of the person.
    Under(Vec<u8>),
    /// With a new key, for the first of a person.
    New(Sealed),
}

impl Decided {
    /// The sealed octets of a fact that keeps some, with their key if that is new.
    fn sealed(&self, fact: &JournalFact) -> Option<(&[u8], Option<&Sealed>)> {
        match fact {
            JournalFact::Kept { place, .. } => {
                let document = self.asked.job.documents.iter().find(|document| document.event.place == *place)?;
                Some((&document.sealed.artefact, Some(&document.sealed)))
            }
            JournalFact::Personal { .. } => self.personal.as_ref().map(|personal| match personal {
                SealedPersonal::Under(artefact) => (&artefact[..], None),
                SealedPersonal::New(sealed) => (&sealed.artefact[..], Some(sealed)),
            }),
            _ => None,
        }
    }
}

/// The facts of a job with their effects, and the digest of the event that led to each.
type AllDecided = (Vec<JournalFact>, Vec<JournalEffect>, Vec<Digest>);

/// Decides all that a job asks, in its order, on one state.
fn decide_all(
    state: &JournalState,
    job: &Job,
    clock: ClockVerdict,
    now: Timestamp,
) -> Result<AllDecided, NotaryRefusal> {
    let kept = job.documents.iter().map(|document| JournalEvent::Keep(document.event));
    let personal = job.personal.iter().map(|(event, _)| JournalEvent::KeepPersonal(*event));
    let (mut facts, mut effects, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for event in std::iter::once(job.event.clone()).chain(kept).chain(personal) {
        let digest = event.digest();
        // What is kept changes no state, so all is decided on the one before.
        let (more, of_them) = Journal::decide(state, &Clocked { event, clock }, now)?;
        events.extend(more.iter().map(|_| digest));
        facts.extend(more);
        effects.extend(of_them);
    }
    Ok((facts, effects, events))
}

impl Service {
    /// Seals what opens the commitments of a request under the key of who asked: the one that is there, or a new one.
    fn seal_personal(&self, job: &Job) -> Result<Option<SealedPersonal>, NotaryFault> {
        let Some((KeepPersonal { id, of }, content)) = &job.personal else { return Ok(None) };
        let object = personal_object(*id);
        let known = self.reader().last_name(&names::personal(&of.person))?;
        let artefact = known.map(|(_, index)| self.reader().artefact(index)).transpose()?.flatten();
        // A key that was destroyed is followed by a new one.
        Ok(Some(match artefact.as_deref().and_then(key_of) {
            Some(key) if self.has_data_key(key)? => SealedPersonal::Under(self.seal_under(key, object, content)?),
            _ => SealedPersonal::New(self.seal(object, content)?),
        }))
    }
}

fn refuse_all(asked: Vec<Asked>, fault: &ServiceFault) -> Result<(), Vec<Asked>> {
    tracing::error!(%fault, "a turn of the journal failed");
    for Asked { answer, .. } in asked {
        let _ = answer.send(Err(NotaryFault::Fault(ServiceFault::Facts(fault.to_string()))));
    }
    Ok(())
}

fn only(tag: Tag) -> Tags {
    Tags::new(vec![tag]).expect("one tag is a set")
}

fn sign_dvc(
    key: &RoleKey,
    fact: &JournalFact,
    DvcParts { request, finding, policy, time_token }: &DvcParts,
    now: Timestamp,
) -> Result<Vec<u8>, NotaryFault> {
    let JournalFact::Validated { number, serial, .. } = fact else { unreachable!("a DVC is of a fact of its kind") };
    let full = || ServiceFault::Facts("a journal has at most 2^31 - 1 numbers".to_owned());
    let serial = dvc_serial(*number, *serial).ok_or_else(full)?;
    let hash = ImprintAlgorithm::Sha256;
    let (policy, time_token) = (policy.clone(), time_token.clone());
    let grant = Grant { serial, now, time_token, hash, policy, nonce: None, extensions: Vec::new() };
    let wrong = |fault: dvcs::ContentFault| ServiceFault::Facts(fault.to_string());
    let content = DvcContent::new(request, finding, &grant).map_err(wrong)?;
    let signer = key.dvcs.as_ref().ok_or(NotaryFault::NotReady)?;
    let unsigned = dvcs::prepare(signer, content);
    let signature = key.signer.sign(unsigned.message())?;
    Ok(unsigned.finish(signature).into_der())
}
