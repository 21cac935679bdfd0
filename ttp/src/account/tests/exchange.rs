//! An arbiter that does each wrong, beside everything that looks like it and convicts nobody. What convicts is found among the files of
//! whoever suffers it, by [`Held`].

use super::arbiter::*;
use super::*;
use crate::b64u::B64u;
use crate::crypto::jose::Thumbprint;
use crate::evidence::{ExchangeKind, Kind as EntryKind};
use crate::exchange::tag_of_verdict;
use crate::exchange::testing::{PEOPLE, Person, Script, arbiter, twin};
use crate::statement::exchange::asw_r::{Abort, M1};
use crate::statement::exchange::verdict::Verdict as Decided;
use crate::statement::exchange::{Arbiter, Outcome, Side};
use crate::statement::{Jws, Origin};

pub(super) fn files(parts: &[&[Item]]) -> Vec<Item> {
    parts.concat()
}

/// The proofs of one kind that are in somebody's files.
#[track_caller]
fn found(kind: Kind, items: &[Item]) -> Vec<Proof> {
    let trust = trust();
    let anchors = Anchors { log_keys: trust.log_keys(), trust: Some(&trust) };
    let held = Held { against: ORIGIN, items };
    let found = held.of_kind(kind, &anchors);
    assert!(found.iter().all(|proof| held.proofs(&anchors).contains(proof)));
    found
}

/// The files convict, offline and over the file; nothing of the proof can be missing.
#[track_caller]
pub(super) fn convicts(kind: Kind, items: &[Item], words: &str) -> Proof {
    let found = found(kind, items);
    let proof = found.first().unwrap_or_else(|| panic!("no proof of {}: {}", kind.name(), verdict(kind, items).1));
    let reason = proven(proof);
    assert!(reason.contains(words), "{reason}");
    for at in 0..proof.items.len() {
        let mut less = proof.clone();
        less.items.remove(at);
        assert_ne!(judged(&less).0, Verdict::Proven, "item {at} is not needed");
    }
    proof.clone()
}

/// All items at once, in the order in which a file has them.
fn verdict(kind: Kind, items: &[Item]) -> (Verdict, String) {
    let mut items = items.to_vec();
    items.sort_by_key(|item| !matches!(item, Item::Entry(proof) if proof.index == 0));
    judged(&Proof::of_arbiter(kind, ORIGIN, items))
}

/// Nothing in the files convicts, in no way.
#[track_caller]
pub(super) fn acquits(kind: Kind, items: &[Item], expected: Verdict, words: &str) {
    assert_eq!(found(kind, items), [], "{kind:?}");
    let (verdict, reason) = verdict(kind, items);
    assert_eq!(verdict, expected, "{reason}");
    assert!(reason.contains(words), "{reason}");
}

/// PoM-1a, GJM'99's silent conversion: one side gets ABORTED and the other RESOLVED.
#[test]
fn two_verdicts() {
    let (script, mut t) = (script(None), T::new());
    let aborted = t.verdict(&script, Outcome::Aborted, T0 + 10, &[]);
    let resolved = t.verdict(&script, Outcome::Resolved, T0 + 20, &[]);
    let (first, known) = (t.record_verdict(&aborted, T0 + 10), t.known());
    let context = context(&script);
    let both = [statement(&aborted), statement(&resolved)];
    let reason = "decided the run";
    // One of them recorded; none of them, but another one by the key; both.
    let proof = convicts(Kind::Equivocation, &files(&[&context, &both, &t.entries([first])]), reason);
    assert_eq!(proof.items.len(), 5, "genesis, entry, key, both");
    convicts(Kind::Equivocation, &files(&[&context, &both, &known, &t.entries([])]), "twice: ");
    let second = t.record_verdict(&resolved, T0 + 20);
    convicts(Kind::Equivocation, &files(&[&context, &both, &t.entries([first, second])]), "ABORTED of ");
    // The ledger alone convicts of that: one tag twice.
    let trust = trust();
    let anchors = Anchors { log_keys: trust.log_keys(), trust: Some(&trust) };
    let of_the_log = Held { against: ORIGIN, items: &t.entries([first, second]) }.proofs(&anchors);
    assert_eq!(of_the_log.len(), 1);
    assert!(proven(&of_the_log[0]).contains("bear the same tag"));

    // Nobody knows whose the key is.
    acquits(Kind::Equivocation, &files(&[&context, &both]), Verdict::Open, "nothing shows that the key");
    let without_key: Vec<_> = context[1..].to_vec();
    acquits(Kind::Equivocation, &files(&[&without_key, &both, &t.entries([first])]), Verdict::Open, "is not shown");
    // One decision in two spellings, however it is shown.
    for copy in [statement(&aborted), statement(&twin(&aborted))] {
        let twice = [statement(&aborted), copy];
        acquits(
            Kind::Equivocation,
            &files(&[&context, &twice, &t.entries([first])]),
            Verdict::Unfounded,
            "shown twice",
        );
    }
    // Two runs.
    let other = Script::of(offer(None, 2));
    let of_other = statement(&t.verdict(&other, Outcome::Resolved, T0 + 30, &[]));
    let each = [statement(&aborted), of_other];
    acquits(
        Kind::Equivocation,
        &files(&[&context, &each, &t.entries([first])]),
        Verdict::Unfounded,
        "are not the items",
    );
}

/// A key that its verifier knows binds without any entry, in a run that names it beside the accused.
#[test]
fn an_arbiter_that_records_nothing() {
    let (script, mut t) = (script(None), T::new());
    let both = [Outcome::Aborted, Outcome::Resolved].map(|outcome| statement(&t.verdict(&script, outcome, T0, &[])));
    let items = files(&[&context(&script), &both]);
    let judged = |known: Thumbprint, against: &str| {
        let trust = trust().with_arbiter_keys(vec![known]);
        let proof = Proof::of_arbiter(Kind::Equivocation, against, items.clone());
        judge(&proof, &Anchors { log_keys: trust.log_keys(), trust: Some(&trust) })
    };
    assert_eq!(judged(PEOPLE.t.name(), ORIGIN).verdict, Verdict::Proven);
    assert_eq!(judged(PEOPLE.o.name(), ORIGIN).verdict, Verdict::Open);
    assert_eq!(judged(PEOPLE.t.name(), "log.example/2").verdict, Verdict::Open, "the run names another service");
}

/// Whoever writes a first statement can call any key the arbiter's.
#[test]
fn a_key_of_somebody_elses() {
    let ttp = Arbiter { id: Origin::new(ORIGIN).unwrap(), key: PEOPLE.stranger.name(), ..arbiter() };
    let forged = Script::of(M1 { ttp, ..offer(None, 3) });
    let mut stranger = T { by: &PEOPLE.stranger, ..T::new() };
    let lies = [Outcome::Aborted, Outcome::Resolved].map(|outcome| stranger.verdict(&forged, outcome, T0, &[]));
    let receipt = stranger.receipt(forged.x(), Digest([1; 32]), T0, T0 + 1);
    let status = stranger.status(forged.x(), T0 + 9, 2, None);
    let mut t = T::new();
    let known = t.known();
    // What strangers hand in is recorded, too: under other kinds, and by no name of the arbiter's.
    let as_anomaly = t.record(EntryKind::Exchange(ExchangeKind::Anomaly), T0, lies[0].digest(), None);
    t.later(T0 + 9_000);
    let mut items = files(&[&context(&forged), &known, &t.entries([as_anomaly]), &lies.each_ref().map(statement)]);
    items.extend([key(&PEOPLE.stranger), statement(&receipt), statement(&status), t.whole()]);
    for kind in [Kind::Equivocation, Kind::Omission, Kind::Time, Kind::NoAnswer] {
        acquits(kind, &items, Verdict::Open, "nothing shows that the key");
    }
    acquits(Kind::BrokenRule, &items, Verdict::Open, "");
}

/// PoM-1b: a status that denies what had an entry by then.
#[test]
fn a_status_that_denies_a_verdict() {
    let (script, mut t) = (script(None), T::new());
    let verdict = t.verdict(&script, Outcome::Aborted, T0 + 10, &[]);
    let index = t.record_verdict(&verdict, T0 + 10);
    let context = context(&script);
    let with =
        |status: &Jws, entries: Vec<Item>| files(&[&context, &[statement(&verdict), statement(status)], &entries]);
    let denied = t.status(script.x(), T0 + 20, index + 1, None);
    let proof = convicts(Kind::Equivocation, &with(&denied, t.entries([index])), "says that it had not decided");
    assert_eq!(proof.items.len(), 5);
    convicts(Kind::Equivocation, &with(&denied, t.entries([index])), "entry 2 is its verdict");
    // As of a size that does not hold it.
    let before = t.status(script.x(), T0 + 20, index, None);
    acquits(Kind::Equivocation, &with(&before, t.entries([index])), Verdict::Unfounded, "do not hold");
    // No inclusion: the key is known by another run's.
    let known = t.known();
    let bare = files(&[&with(&denied, t.entries([])), &known]);
    acquits(Kind::Equivocation, &bare, Verdict::Open, "entry of the verdict is not shown");
    // Another run's status; a stranger's.
    let of_other = t.status(Digest([9; 32]), T0 + 20, index + 1, None);
    acquits(Kind::Equivocation, &with(&of_other, t.entries([index])), Verdict::Unfounded, "are not the items");
    let mut stranger = T { by: &PEOPLE.stranger, ..T::new() };
    let forged = stranger.status(script.x(), T0 + 20, index + 1, None);
    let forged = files(&[&with(&forged, t.entries([index])), &[key(&PEOPLE.stranger)]]);
    acquits(Kind::Equivocation, &forged, Verdict::Open, "nothing shows that the key");
    // One that tells of the verdict, in the only spelling that the arbiter writes, and of another.
    let honest = t.status(script.x(), T0 + 20, index + 1, Some((Outcome::Aborted, verdict.digest())));
    acquits(
        Kind::Equivocation,
        &with(&honest, t.entries([index])),
        Verdict::Unfounded,
        "names the verdict that is shown",
    );
    for lie in [(Outcome::Resolved, verdict.digest()), (Outcome::Aborted, Digest([7; 32]))] {
        let lie = t.status(script.x(), T0 + 20, index + 1, Some(lie));
        convicts(Kind::Equivocation, &with(&lie, t.entries([index])), "");
    }
    let says =
        |t: &mut T, outcome| statement(&t.status(script.x(), T0 + 20, index + 1, Some((outcome, verdict.digest()))));
    let both = [says(&mut t, Outcome::Resolved), says(&mut t, Outcome::Expired)];
    convicts(Kind::Equivocation, &files(&[&context, &both, &known, &t.entries([])]), "says that it decided the run");
}

/// PoM-1c. Two answers alone may name one decision in two spellings; with a verdict at hand they may not.
#[test]
fn an_answer_that_names_another_verdict() {
    let (script, mut t) = (script(None), T::new());
    let (x, o) = (script.x(), PEOPLE.o.name());
    let verdict = t.verdict(&script, Outcome::Aborted, T0 + 10, &[]);
    let index = t.record_verdict(&verdict, T0 + 10);
    let context = context(&script);
    let mut answers = [verdict.digest(), Digest([7; 32]), twin(&verdict).digest()]
        .map(|named| t.answer(x, o, script.abort.x(), named, T0 + 10));
    let with =
        |verdict: &Jws, answer: &Jws| files(&[&context, &[statement(verdict), statement(answer)], &t.entries([index])]);
    convicts(Kind::Equivocation, &with(&verdict, &answers[1]), "names another verdict");
    convicts(Kind::Equivocation, &with(&twin(&verdict), &answers[1]), "names another verdict");
    for shown in [&verdict, &twin(&verdict)] {
        for answer in [&answers[0], &twin(&answers[0]), &answers[2]] {
            acquits(Kind::Equivocation, &with(shown, answer), Verdict::Unfounded, "names the verdict that is shown");
        }
    }
    let known = t.known();
    let genesis = t.entries([]);
    let both = |one: &Jws, other: &Jws| files(&[&context, &[statement(one), statement(other)], &known, &genesis]);
    acquits(Kind::Equivocation, &both(&answers[0], &answers[1]), Verdict::Open, "a verdict is needed");
    acquits(Kind::Equivocation, &both(&answers[0], &answers[2]), Verdict::Open, "a verdict is needed");
    answers[1] = t.answer(x, PEOPLE.r.name(), Digest([8; 32]), verdict.digest(), T0 + 30);
    acquits(Kind::Equivocation, &both(&answers[0], &answers[1]), Verdict::Unfounded, "do not contradict");
}

/// PoM-2: released, and not recorded.
#[test]
fn a_verdict_and_an_answer_that_were_not_recorded() {
    let (script, mut t) = (script(None), T::new());
    let known = t.known();
    let verdict = t.verdict(&script, Outcome::Aborted, T0 + 10, &[]);
    let answer = t.answer(script.x(), PEOPLE.o.name(), script.abort.x(), verdict.digest(), T0 + 10);
    t.later(T0 + 10);
    t.later(T0 + 10 + MMD);
    t.later(T0 + 11 + MMD);
    let context = context(&script);
    for told in [&verdict, &answer] {
        let items = |stretch: Stretch| {
            files(&[&context, &known, &[statement(told)], &t.entries([]), &[Item::Stretch(stretch)]])
        };
        let name = if told.tag() == "verdict" { "released the verdict" } else { "released the answer" };
        convicts(Kind::Omission, &items(t.log.stretch(0, 6)), name);
        convicts(Kind::Omission, &items(t.log.stretch(2, 4)), "it is not recorded");
        // What is missing at either end is not assumed, nor what is left out in between.
        acquits(Kind::Omission, &items(t.log.stretch(2, 3)), Verdict::Open, "is not shown to be over");
        acquits(Kind::Omission, &items(t.log.stretch(3, 3)), Verdict::Unfounded, "do not begin before");
        let mut gap = t.log.stretch(2, 4);
        gap.entries.remove(1);
        acquits(Kind::Omission, &items(gap), Verdict::Unfounded, "do not stand in the tree");
        // A newer program's entry may be its.
        let mut newer = T { log: t.log.clone(), ..T::new() };
        newer.log.0[3][1] = 2;
        acquits(Kind::Omission, &items(newer.log.stretch(2, 4)), Verdict::Open, "of a version");
        // Without the policy nobody knows what was promised.
        let missing: Vec<_> =
            items(t.log.stretch(2, 4)).into_iter().filter(|item| !matches!(item, Item::Policy(_))).collect();
        acquits(Kind::Omission, &missing, Verdict::Open, "policy for exchanges");
    }
    // An answer by itself does not say by which policy: the first statement does.
    let bare = files(&[&context[..4], &known, &[statement(&answer)], &t.entries([]), &[t.whole()]]);
    acquits(Kind::Omission, &bare, Verdict::Open, "first statement of the run");
    // A status and a receipt are owed nothing.
    let status = statement(&t.status(script.x(), T0 + 10, 2, None));
    let receipt = statement(&t.receipt(script.x(), script.abort.x(), T0 + 10, T0 + 11));
    for told in [status, receipt] {
        let items = files(&[&context, &known, &[told], &t.entries([]), &[t.whole()]]);
        let (verdict, reason) = self::verdict(Kind::Omission, &items);
        assert_eq!(verdict, Verdict::Unfounded, "{reason}");
    }
}

/// Anybody can turn s into n − s: whoever does so with an honest verdict convicts nobody, in no kind.
#[test]
fn pom2_flipped_s() {
    let (script, mut t) = (script(None), T::new());
    let verdict = t.verdict(&script, Outcome::Aborted, T0 + 10, &[]);
    let answer = t.answer(script.x(), PEOPLE.o.name(), script.abort.x(), verdict.digest(), T0 + 10);
    let (first, second) = (t.record_verdict(&verdict, T0 + 12), t.record_answer(&answer, T0 + 12));
    t.later(T0 + 11 + MMD);
    let whole = [t.whole()];
    for flipped in [twin(&verdict), twin(&answer)] {
        // The hash of these octets is in no entry at all.
        assert!(!t.log.0.iter().any(|entry| entry.windows(32).any(|window| window == flipped.digest().as_bytes())));
        let items = files(&[&context(&script), &[statement(&flipped)], &t.entries([first, second]), &whole]);
        acquits(Kind::Omission, &items, Verdict::Unfounded, "is recorded");
        let all = files(&[&items, &[statement(&verdict), statement(&answer)]]);
        for kind in Kind::ALL {
            assert_eq!(found(kind, &all), []);
            assert_ne!(self::verdict(kind, &all).0, Verdict::Proven, "{kind:?}");
        }
    }
    // The rule bites: over the octets as they are, the flipped one would be missing.
    assert_eq!(twin(&verdict).normal().digest(), verdict.digest());
    assert_ne!(twin(&verdict).digest(), verdict.digest());
}

/// An entry under another kind, or without the tag of the run, is not the one that was owed.
#[test]
fn an_entry_that_is_not_the_verdicts() {
    for (kind, tagged) in [(ExchangeKind::Resolved, true), (ExchangeKind::Aborted, false)] {
        let (script, mut t) = (script(None), T::new());
        let known = t.known();
        let verdict = t.verdict(&script, Outcome::Aborted, T0 + 10, &[]);
        let tag = tagged.then(|| tag_of_verdict(&script.x()));
        t.record(EntryKind::Exchange(kind), T0 + 12, verdict.digest(), tag);
        t.later(T0 + 11 + MMD);
        let items = files(&[&context(&script), &known, &[statement(&verdict)], &t.entries([]), &[t.whole()]]);
        convicts(Kind::Omission, &items, "it is not recorded");
    }
}

/// PoM-4: verdicts that do not follow from what they embed.
#[test]
fn verdicts_against_the_rules() {
    let script = script(None);
    let other = Script::of(offer(None, 2));
    let (m1, m2, a1) = (&script.offered.jws, &script.answered.jws, &script.abort);
    let forged = |jws: &Jws| {
        let mut bytes = jws.bytes().to_vec();
        let last = bytes.len() - 40;
        bytes[last] = if bytes[last] == b'A' { b'B' } else { b'A' };
        Jws::parse(&bytes).unwrap()
    };
    let by_r = PEOPLE.r.sign(Some(script.x()), Abort {});
    let forged = [m1, m2, a1].map(forged);
    let bad: [(Outcome, Vec<&Jws>, &str); 12] = [
        (Outcome::Aborted, vec![m1], "does not rest on 0"),
        (Outcome::Aborted, vec![m1, &other.abort], "belongs to another run"),
        (Outcome::Aborted, vec![m1, m2], "of the kind \"asw-r/m2\""),
        (Outcome::Aborted, vec![m1, &forged[2]], "signature does not verify"),
        (Outcome::Aborted, vec![m1, &by_r], "who may not make it"),
        (Outcome::Resolved, vec![m1], "does not rest on 0"),
        (Outcome::Resolved, vec![&other.offered.jws, m2], "first statement of another run"),
        (Outcome::Resolved, vec![m1, &other.answered.jws], "belongs to another run"),
        (Outcome::Resolved, vec![m1, &forged[1]], "signature does not verify"),
        (Outcome::Resolved, vec![&forged[0], m2], "signature does not verify"),
        (Outcome::Expired, vec![m1, m2], "does not rest on 1"),
        (Outcome::Aborted, vec![], "rests on nothing"),
    ];
    for (outcome, basis, words) in bad {
        let mut t = T::new();
        let verdict = t.verdict_on(&script, outcome, &basis, T0 + 5, &[]);
        let index = t.record_verdict(&verdict, T0 + 6);
        let items = files(&[&context(&script), &[statement(&verdict)], &t.entries([index])]);
        convicts(Kind::BrokenRule, &items, words);
    }
    // Whose key is not shown, his signature is not called bad.
    let mut t = T::new();
    let good = t.verdict(&script, Outcome::Resolved, T0 + 5, &[]);
    let index = t.record_verdict(&good, T0 + 6);
    for missing in [PEOPLE.o.name(), PEOPLE.r.name()] {
        let keys = context(&script).into_iter().filter(|item| {
            !matches!(item, Item::Key(jwk) if crate::crypto::jose::Key::from_jwk_json(jwk).unwrap().thumbprint() == missing)
        });
        let items = files(&[&keys.collect::<Vec<_>>(), &[statement(&good)], &t.entries([index])]);
        acquits(Kind::BrokenRule, &items, Verdict::Open, "is not shown");
    }
    // Good ones, also on a copy of m1 or m2 whose s was turned around.
    let copies = [twin(m1), twin(a1)];
    for (outcome, basis) in [
        (Outcome::Resolved, vec![m1, m2]),
        (Outcome::Resolved, vec![&copies[0], m2]),
        (Outcome::Aborted, vec![m1, a1]),
        (Outcome::Aborted, vec![&copies[0], &copies[1]]),
    ] {
        let mut t = T::new();
        let verdict = t.verdict_on(&script, outcome, &basis, T0 + 5, &[]);
        let index = t.record_verdict(&verdict, T0 + 6);
        let items = files(&[&context(&script), &[statement(&verdict)], &t.entries([index])]);
        acquits(Kind::BrokenRule, &items, Verdict::Unfounded, "follows from what it embeds");
    }
    // Another policy than the run's.
    let mut t = T::new();
    let body = Decided { policy: B64u([9; 32]), ..good.payload_as::<Decided>().unwrap().body };
    let verdict = t.sign(script.x(), T0 + 5, body);
    let index = t.record_verdict(&verdict, T0 + 6);
    let items = files(&[&context(&script), &[statement(&verdict)], &t.entries([index])]);
    convicts(Kind::BrokenRule, &items, "names another policy");
}

/// What a newer program may know convicts nobody today.
#[test]
fn a_statement_that_only_a_newer_program_reads() {
    let script = script(None);
    let m1 = &script.offered.jws;
    let payload = String::from_utf8(m1.payload().to_vec()).unwrap();
    let jws = |header: String, payload: &str, signature: usize| {
        let parts = [header.as_bytes(), payload.as_bytes(), &vec![1; signature]].map(crate::b64u::encode);
        parts.join(".")
    };
    let header = |alg: &str| format!(r#"{{"alg":"{alg}","kid":"{}","typ":"semper.asw-r.m1+jws"}}"#, PEOPLE.o.name());
    for text in [jws(header("ES512"), &payload, 132), jws(header("ES256"), &payload.replace("\"v\":1", "\"v\":2"), 64)]
    {
        let mut t = T::new();
        let body = Decided {
            basis: vec![text],
            ..t.verdict(&script, Outcome::Expired, T0 + 5, &[]).payload_as::<Decided>().unwrap().body
        };
        let verdict = t.sign(script.x(), T0 + 5, body);
        let index = t.record_verdict(&verdict, T0 + 6);
        let items = files(&[&context(&script), &[statement(&verdict)], &t.entries([index])]);
        acquits(Kind::BrokenRule, &items, Verdict::Open, "which a newer program may read");
    }
}

#[test]
fn an_answer_to_a_stranger() {
    let (script, mut t) = (script(None), T::new());
    let context = context(&script);
    let to = |t: &mut T, person: &Person| t.answer(script.x(), person.name(), Digest([1; 32]), Digest([2; 32]), T0 + 5);
    let stranger = to(&mut t, &PEOPLE.stranger);
    let index = t.record_answer(&stranger, T0 + 6);
    let items = files(&[&context, &[statement(&stranger)], &t.entries([index])]);
    convicts(Kind::BrokenRule, &items, "names it on no side");
    for person in [&PEOPLE.o, &PEOPLE.r] {
        let answer = to(&mut t, person);
        let index = t.record_answer(&answer, T0 + 6);
        let items = files(&[&context, &[statement(&answer)], &t.entries([index])]);
        acquits(Kind::BrokenRule, &items, Verdict::Unfounded, "is for a side");
    }
}

/// PoM-5, the end of a run: what is decided after it, and EXPIRED before it.
#[test]
fn verdicts_on_the_wrong_side_of_the_end() {
    const END: u64 = T0 + 10_000;
    use Outcome::{Aborted, Expired, Resolved};
    // An outage within the last δ moves the end to its own end and δ.
    const MOVED: u64 = END + 500 + DELTA;
    let table: [(Option<u64>, Outcome, u64, bool, bool); 15] = [
        (Some(END), Resolved, END, false, true),
        (Some(END), Resolved, END + 1, false, false),
        (Some(END), Aborted, END + 1, false, false),
        (Some(END), Expired, END + 1, false, true),
        (Some(END), Expired, END, false, false),
        (None, Expired, END, false, false),
        (None, Resolved, END, false, true),
        (Some(END), Resolved, END + 501, true, true),
        (Some(END), Resolved, MOVED, true, true),
        (Some(END), Aborted, MOVED, true, true),
        (Some(END), Resolved, MOVED + 1, true, false),
        (Some(END), Aborted, MOVED + 1, true, false),
        (Some(END), Expired, MOVED, true, false),
        (Some(END), Expired, END, true, false),
        (Some(END), Expired, MOVED + 1, true, true),
    ];
    for (t_exp, outcome, at_ms, is_moved, is_honest) in table {
        let (script, mut t) = (script(t_exp), T::new());
        let outage = is_moved.then(|| t.outage(END - 100, END + 500));
        let named: Vec<u64> = outage.iter().map(|(_, index)| *index).collect();
        let verdict = t.verdict(&script, outcome, at_ms, &named);
        let index = t.record_verdict(&verdict, at_ms);
        let context = context(&script);
        let shown = match outage {
            Some((fact, outage)) => files(&[&context, &[statement(&verdict), fact], &t.entries([outage, index])]),
            None => files(&[&context, &[statement(&verdict)], &t.entries([index])]),
        };
        let bare = files(&[&context, &[statement(&verdict)], &t.entries([index])]);
        match is_honest {
            true => acquits(Kind::Time, &shown, Verdict::Unfounded, ""),
            false => drop(convicts(Kind::Time, &shown, "the run ")),
        }
        // Without the outage nobody knows how far it moved the end, but where that does not matter.
        let matters = is_moved && !(outcome == Expired && at_ms <= END);
        if matters {
            acquits(Kind::Time, &bare, Verdict::Open, "which it names, is not shown");
            let without_delta: Vec<_> = shown.iter().filter(|item| !matches!(item, Item::Policy(_))).cloned().collect();
            acquits(Kind::Time, &without_delta, Verdict::Open, "policy for exchanges");
        }
    }
    // A fact that is none of the log's moves nothing and convicts nobody.
    let (script, mut t) = (script(Some(END)), T::new());
    let (fact, _) = T::new().outage(END - 100, END + 501);
    let (_, outage) = t.outage(END - 100, END + 500);
    let verdict = t.verdict(&script, Resolved, MOVED, &[outage]);
    let index = t.record_verdict(&verdict, MOVED);
    let items = files(&[&context(&script), &[statement(&verdict), fact], &t.entries([outage, index])]);
    acquits(Kind::Time, &items, Verdict::Unfounded, "is not shown with its entry");
}

/// PoM-5: an outage that was none, told so as to move an end.
#[test]
fn a_decision_during_an_outage() {
    let (script, mut t) = (script(None), T::new());
    let verdict = t.verdict(&script, Outcome::Resolved, T0 + 500, &[]);
    let answer = t.answer(script.x(), PEOPLE.o.name(), Digest([1; 32]), verdict.digest(), T0 + 500);
    let (first, second) = (t.record_verdict(&verdict, T0 + 510), t.record_answer(&answer, T0 + 510));
    let context = context(&script);
    for (from, to, is_lie) in
        [(400, 600, true), (500, 600, false), (400, 500, false), (505, 600, false), (499, 501, true)]
    {
        let mut t = T { log: t.log.clone(), ..T::new() };
        let (fact, outage) = t.outage(T0 + from, T0 + to);
        for (told, index) in [(&verdict, first), (&answer, second)] {
            let items = files(&[&context, &[statement(told), fact.clone()], &t.entries([outage, index])]);
            match is_lie {
                true => drop(convicts(Kind::Time, &items, "took no requests from")),
                false => acquits(Kind::Time, &items, Verdict::Unfounded, ""),
            }
        }
    }
}

/// PoM-5: a request that was answered before it came. That the run had been decided before, on another request, says nothing.
#[test]
fn an_answer_before_its_request() {
    let (script, mut t) = (script(None), T::new());
    let (x, o, r) = (script.x(), PEOPLE.o.name(), PEOPLE.r.name());
    let request = script.resolve(Side::Responder).x();
    let verdict = t.verdict(&script, Outcome::Aborted, T0 + 500, &[]);
    let index = t.record_verdict(&verdict, T0 + 500);
    let of_o = t.answer(x, o, script.abort.x(), verdict.digest(), T0 + 500);
    let of_r = t.answer(x, r, request, verdict.digest(), T0 + 900);
    let receipts = [(script.abort.x(), 400), (script.abort.x(), 501), (request, 800), (request, 901)]
        .map(|(req, at)| t.receipt(x, req, T0 + at, T0 + 5_000));
    let with = |told: &Jws, receipt: &Jws| {
        let mut items = files(&[&context(&script), &[statement(told), statement(receipt)], &t.entries([index])]);
        if told != &verdict {
            items.push(statement(&verdict));
        }
        items
    };
    for (told, receipt, is_lie) in [
        (&verdict, &receipts[0], false),
        (&verdict, &receipts[1], true),
        (&of_o, &receipts[0], false),
        (&of_o, &receipts[1], true),
        // The run was decided before the other side's request.
        (&verdict, &receipts[2], false),
        (&of_r, &receipts[2], false),
        (&of_r, &receipts[3], true),
    ] {
        let items = with(told, receipt);
        match is_lie {
            true => drop(convicts(Kind::Time, &items, "says that a request")),
            false => acquits(Kind::Time, &items, Verdict::Unfounded, ""),
        }
    }
}

/// PoM-5: an entry before its statement, or later than was promised.
#[test]
fn an_entry_at_the_wrong_time() {
    for (later_ms, is_wrong) in [(0, false), (MMD, false), (MMD + 1, true)] {
        let (script, mut t) = (script(None), T::new());
        let verdict = t.verdict(&script, Outcome::Resolved, T0 + 10, &[]);
        let answer = t.answer(script.x(), PEOPLE.o.name(), Digest([1; 32]), verdict.digest(), T0 + 10);
        let indices = [t.record_verdict(&verdict, T0 + 10 + later_ms), t.record_answer(&answer, T0 + 10 + later_ms)];
        for (told, index) in [&verdict, &answer].into_iter().zip(indices) {
            let items = files(&[&context(&script), &[statement(told)], &t.entries([index])]);
            match is_wrong {
                true => drop(convicts(Kind::Time, &items, "more than the 5000 ms later")),
                false => acquits(Kind::Time, &items, Verdict::Unfounded, ""),
            }
        }
    }
    let (script, mut t) = (script(None), T::new());
    let verdict = t.verdict(&script, Outcome::Resolved, T0 + 10, &[]);
    let index = t.record_verdict(&verdict, T0 + 9);
    let items = files(&[&context(&script), &[statement(&verdict)], &t.entries([index])]);
    convicts(Kind::Time, &items, "which is before it");
}

/// PoM-6a: the arbiter's own word that it has not answered.
#[test]
fn a_request_that_was_not_answered() {
    let (script, mut t) = (script(None), T::new());
    let known = t.known();
    let (x, req) = (script.x(), script.abort.x());
    let receipt = t.receipt(x, req, T0 + 100, T0 + 200);
    let context = context(&script);
    let with = |status: &Jws| files(&[&context, &known, &[statement(&receipt), statement(status)], &t.entries([])]);
    let [late, timely] = [T0 + 201, T0 + 200].map(|at_ms| T::new().status(x, at_ms, 3, None));
    convicts(Kind::NoAnswer, &with(&late), "says that it has decided nothing");
    acquits(Kind::NoAnswer, &with(&timely), Verdict::Open, "that this time is over");
    let decided = T::new().status(x, T0 + 201, 3, Some((Outcome::Aborted, Digest([1; 32]))));
    acquits(Kind::NoAnswer, &with(&decided), Verdict::Open, "that this time is over");
    let of_other = T::new().status(Digest([4; 32]), T0 + 201, 3, None);
    acquits(Kind::NoAnswer, &with(&of_other), Verdict::Open, "that this time is over");
    let by_stranger = T { by: &PEOPLE.stranger, ..T::new() }.status(x, T0 + 201, 3, None);
    let items = files(&[&with(&by_stranger), &[key(&PEOPLE.stranger)]]);
    acquits(Kind::NoAnswer, &items, Verdict::Open, "that this time is over");
}

/// PoM-6b: a witness says that the time is over; open until the arbiter shows its answer.
#[test]
fn a_witness_saw_the_time_pass() {
    use semper_ledger::cosignature::Cosigner;

    let (script, mut t) = (script(None), T::new());
    let known = t.known();
    let (x, req) = (script.x(), script.abort.x());
    let by_secs = T0 / 1000 + 5;
    let receipt = t.receipt(x, req, T0 + 100, by_secs * 1000);
    let verdict = t.verdict(&script, Outcome::Aborted, T0 + 300, &[]);
    let answer = t.answer(x, PEOPLE.o.name(), req, verdict.digest(), T0 + 300);
    let in_time = t.record_answer(&answer, T0 + 300);
    let late = t.record_answer(&answer, T0 + 9_000);
    let witness = || LogSigner::new(Arc::new(SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap())).unwrap();
    let [ours, other] =
        ["witness.example/1", "witness.example/2"].map(|name| Cosigner::new(name, Arc::new(witness())).unwrap());
    let cosigned = |by: &Cosigner, seconds: u64| {
        let mut note = Note::parse(&t.log.checkpoint(t.log.size())).unwrap();
        note.signatures.push(by.cosign(&note.text, seconds).unwrap());
        Item::Checkpoint(note.to_string())
    };
    let known_witness = format!("witness w {}\nquorum w\n", ours.verifier_key());
    let trusted = trust().with_witnesses(known_witness.as_bytes()).unwrap();
    let judged = |more: &[Item], trust: &crate::verify::Trust| {
        let items = files(&[&t.entries([]), &context(&script), &known, &[statement(&receipt)], more]);
        let proof = Proof::parse(Proof::of_arbiter(Kind::NoAnswer, ORIGIN, items).to_json().as_bytes()).unwrap();
        let anchors = Anchors { log_keys: trust.log_keys(), trust: Some(trust) };
        let judgement = judge(&proof, &anchors);
        assert_eq!(
            Held { against: ORIGIN, items: &proof.items }.of_kind(Kind::NoAnswer, &anchors).len(),
            usize::from(judgement.is_rebuttable)
        );
        (judgement.verdict, judgement.is_rebuttable)
    };
    assert_eq!(judged(&[cosigned(&ours, by_secs + 1)], &trusted), (Verdict::Open, true));
    for (seen, trust) in [
        (cosigned(&ours, by_secs), &trusted),
        (cosigned(&other, by_secs + 1), &trusted),
        (cosigned(&ours, by_secs + 1), &trust()),
        (Item::Checkpoint(t.log.checkpoint(2)), &trusted),
    ] {
        assert_eq!(judged(&[seen], trust), (Verdict::Open, false));
    }
    // The answer clears it, if its entry was made in time.
    let rebutted = |index| [cosigned(&ours, by_secs + 1), statement(&answer), Item::Entry(t.log.entry(index))];
    assert_eq!(judged(&rebutted(in_time), &trusted), (Verdict::Unfounded, false));
    assert_eq!(judged(&rebutted(late), &trusted), (Verdict::Open, true));
    assert_eq!(judged(&rebutted(in_time)[..2], &trusted), (Verdict::Open, true));
}

/// PoM-3 needs nothing of exchanges: their entries are entries.
#[test]
fn a_split_view_of_decisions() {
    let script = script(None);
    let log = |outcome| {
        let mut t = T::new();
        let verdict = t.verdict(&script, outcome, T0 + 10, &[]);
        t.record_verdict(&verdict, T0 + 10);
        t.log
    };
    let (one, other) = (log(Outcome::Aborted), log(Outcome::Resolved));
    let roots = [&one, &other].map(|log| Item::Checkpoint(log.checkpoint(3)));
    let entries = [&one, &other].map(|log| Item::Entry(log.entry(2)));
    let trust = trust();
    let anchors = Anchors { log_keys: trust.log_keys(), trust: Some(&trust) };
    for items in [&roots[..], &entries, &[Item::Stretch(one.stretch(0, 2)), entries[1].clone()]] {
        let found = Held { against: ORIGIN, items }.proofs(&anchors);
        assert!(!found.is_empty() && found.iter().all(|proof| proof.kind == Kind::SplitView), "{found:?}");
        found.iter().for_each(|proof| assert!(proven(proof).contains("signed two histories")));
    }
    assert!(Held { against: ORIGIN, items: &[roots[0].clone(), roots[0].clone()] }.proofs(&anchors).is_empty());
}

/// A log of strangers may hold whatever it likes, and what is no exhibit is refused.
#[test]
fn what_is_no_proof_against_an_arbiter() {
    let (script, mut t) = (script(None), T::new());
    let both = [Outcome::Aborted, Outcome::Resolved].map(|outcome| t.verdict(&script, outcome, T0 + 10, &[]));
    let index = t.record_verdict(&both[0], T0 + 10);
    let good = files(&[&t.entries([index]), &context(&script), &both.each_ref().map(statement)]);
    proven(&Proof::of_arbiter(Kind::Equivocation, ORIGIN, good.clone()));
    let refuse = |items: Vec<Item>| unfounded(&Proof::of_arbiter(Kind::Equivocation, ORIGIN, items));
    assert!(refuse(good[1..].to_vec()).contains("begin with a genesis entry"));
    assert!(
        refuse(vec![good[2].clone(), good[0].clone(), good[1].clone()].into_iter().chain(good[3..].to_vec()).collect())
            .contains("first item")
    );
    let mut foreign = T { log: t.log.clone(), ..T::new() };
    foreign.log.0[0] = b"first".to_vec();
    refuse(files(&[&foreign.entries([index]), &good[2..]]));
    for bad in [
        Item::Statement(b"a.b.c".to_vec()),
        statement(&script.m3),
        statement(&PEOPLE.t.sign(Some(script.x()), Abort {})),
        Item::Key(b"{}".to_vec()),
        Item::Certificate(vec![0x30, 0]),
        Item::Fact(vec![0x80]),
        Item::Token(Vec::new()),
    ] {
        refuse(files(&[&good, &[bad]]));
    }
    for kind in [Kind::SplitView, Kind::Rollback] {
        unfounded(&Proof::of_arbiter(kind, ORIGIN, good.clone()));
    }
}
