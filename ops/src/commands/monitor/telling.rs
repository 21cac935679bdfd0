//! What a monitor says: a line for each round with news, for people; one JSON document for each, for machines.

use std::cell::Cell;
use std::path::PathBuf;

use semper_api::monitor::notice::{Noted, Notice, Over};
use semper_api::monitor::{Older, Round};
use semper_ledger::note::VerifierKey;
use semper_ttp::account::{Anchors, Judgement, Proof, Verdict, judge};
use semper_ttp::time::Timestamp;
use semper_ttp::verify::Trust;
use serde_json::{Value, json};

use super::expected::{Counts, Expectations};
use super::folder::StateFolder;
use crate::clock::wall_ms;
use crate::commands::running::Failed;
use crate::commands::say;

/// Where a monitor's news go.
pub(super) struct Teller {
    json: bool,
    /// One round only, which is told whatever it brings.
    once: bool,
    origin: String,
    key: VerifierKey,
    folder: StateFolder,
    /// Of the service whose timestamps are expected.
    trust: Option<(Trust, PathBuf)>,
    /// Something was told that is held against the log and does not convict it. The log shows it round after round.
    doubted: Cell<bool>,
    /// How it stood with expected timestamps when that was looked at last.
    counted: Cell<Option<Counts>>,
}

/// Evidence as it was kept.
struct Kept<'a> {
    proof: &'a Proof,
    file: String,
    judgement: Judgement,
}

impl Teller {
    pub(super) fn new(
        json: bool,
        once: bool,
        key: &VerifierKey,
        folder: StateFolder,
        trust: Option<(Trust, PathBuf)>,
    ) -> Self {
        Self {
            json,
            once,
            origin: key.name().to_owned(),
            key: key.clone(),
            folder,
            trust,
            doubted: Cell::new(false),
            counted: Cell::new(None),
        }
    }

    /// By what expected timestamps are judged.
    pub(super) fn trust(&self) -> Option<&Trust> {
        self.trust.as_ref().map(|(trust, _)| trust)
    }

    /// Judges as anybody else will.
    pub(super) fn judge(&self, proof: &Proof) -> Judgement {
        judge(proof, &Anchors { log_keys: std::slice::from_ref(&self.key), trust: self.trust() })
    }

    /// The log was found: what is done from now on. People only.
    pub(super) fn begins(&self, log: &str, verified: u64, interval_secs: u32) {
        if !self.json && !self.once {
            let so_far = match verified {
                0 => "all of it is read first".to_owned(),
                verified => format!("{verified} entries were verified before"),
            };
            say::out(format!(
                "{}  following {} at {log}: {so_far}; then a look every {interval_secs} s, and a line when there is news",
                Timestamp::from_millis(wall_ms()),
                self.origin
            ));
        }
    }

    /// Tokens that are not looked for.
    pub(super) fn passed_over(&self, expected: &mut Expectations) {
        if !self.json {
            for passed in expected.newly_passed_over() {
                say::trouble(false, format_args!("monitor: {} is passed over: {}", passed.file.display(), passed.why));
            }
        }
    }

    /// Keeps the evidence, then tells. Gives the verdict on what is held against the log.
    pub(super) fn round(&self, round: &Round, expected: &Expectations) -> Result<Option<Verdict>, Failed> {
        let held = round.misbehaviour.as_ref().or_else(|| round.older.as_ref()?.rollback.as_ref());
        let kept = held.map(|proof| self.keep(proof, round)).transpose()?;
        let verdict = kept.as_ref().map(|kept| kept.judgement.verdict);
        let doubted = round.misbehaviour.is_some() && verdict != Some(Verdict::Proven);
        if self.doubted.replace(doubted) && doubted && !self.once {
            return Ok(verdict);
        }
        let waits = round.older.is_some() && kept.is_none();
        let begins_to_wait = round.older.as_ref().is_some_and(|older| older.begins);
        let counts = expected.counts();
        let news = self.counted.replace(counts) != counts
            || round.new > 0
            || round.recovered
            || !round.notices.is_empty()
            || !round.over.is_empty()
            || kept.is_some();
        // A single round has one document, at its end; people want to know why it takes a minute.
        let told = match waits {
            true => begins_to_wait && !(self.json && self.once),
            false => self.once || news,
        };
        match (told, self.json) {
            (false, _) => {}
            (true, true) => say::json(&self.as_json(round, expected, kept.as_ref())),
            (true, false) => say::out(self.as_text(round, expected, kept.as_ref())),
        }
        Ok(verdict)
    }

    /// What is held against the log, in a file whose name says what it is worth: if it does not hold, the fault is ours, and
    /// nothing is hidden.
    fn keep<'p>(&self, proof: &'p Proof, round: &Round) -> Result<Kept<'p>, Failed> {
        let judgement = self.judge(proof);
        let file = match (&round.older, judgement.verdict) {
            (Some(older), _) => self.folder.keep_rollback(proof, round.size, older.size),
            (None, Verdict::Proven) => self.folder.keep(proof, round.size),
            (None, Verdict::Open | Verdict::Unfounded) => self.folder.keep_unproven(proof, round.size),
        };
        Ok(Kept { proof, file: file?.display().to_string(), judgement })
    }

    fn as_text(&self, round: &Round, expected: &Expectations, kept: Option<&Kept<'_>>) -> String {
        let now = Timestamp::from_millis(wall_ms());
        let (origin, root) = (&self.origin, hex::encode(&round.root[..8]));
        let mut lines = Vec::new();
        if let Some(Older { size, begins: true, .. }) = &round.older {
            lines.push(format!(
                "{now}  {origin} shows {size} entries, and {} were verified before: a cache may do that for a while; waiting",
                round.size
            ));
        }
        if round.recovered {
            lines.push(format!("{now}  {origin} shows again what it signed; it is followed on"));
        }
        if round.older.is_none() && (self.once || round.new > 0) {
            lines.push(format!(
                "{now}  {origin}: {} entries verified, {} of them new, root {root}…",
                round.size, round.new
            ));
        }
        if let (Some(Counts { recorded, waiting, undecided }), None) = (expected.counts(), &round.older) {
            let undecided = match undecided {
                0 => String::new(),
                count => format!(", {count} of which it cannot be told"),
            };
            let passed_over = match expected.passed_over().len() {
                0 => String::new(),
                count => format!(", {count} passed over"),
            };
            lines.push(format!(
                "{now}  expected timestamps: {recorded} recorded, {waiting} not there yet{undecided}{passed_over}"
            ));
        }
        lines.extend(round.over.iter().map(|over| format!("{now}  {}", over_sentence(over))));
        lines
            .extend(round.notices.iter().map(|notice| format!("{now}  ALERT {}: {}", notice.kind(), sentence(notice))));
        if let Some(kept) = kept {
            let word = match kept.judgement.verdict {
                Verdict::Proven => "CONVICTED",
                Verdict::Open => "ALARM",
                Verdict::Unfounded => "OUR FAULT, THIS DOES NOT CONVICT",
            };
            let what = match &round.older {
                Some(older) => format!(
                    "the log is ROLLED BACK, or shows it: {} entries, and it showed {} before. {}",
                    older.size, round.size, kept.judgement.reason
                ),
                None => kept.judgement.reason.clone(),
            };
            lines.push(format!("\n{now}  {word}: {what}."));
            lines.push(format!("Evidence   {}", kept.file));
            let trust = self.trust.as_ref().map_or_else(|| self.folder.trust(), |(_, folder)| folder.clone());
            lines.push(format!("Judge it   semper verify {} --trust {}", kept.file, trust.display()));
            lines.push(format!("Now        {}", self.what_now(kept)));
        }
        lines.join("\n")
    }

    fn what_now(&self, kept: &Kept<'_>) -> &'static str {
        match kept.judgement.verdict {
            Verdict::Proven => {
                "copy the evidence away and show it to others who rely on this log; nothing more is read of it, and this folder \
                 stays as it is"
            }
            Verdict::Open if self.once => "ask the log past its caches; if it stays so, ask others what they have seen",
            Verdict::Open => {
                "ask the log past its caches, and others what they have seen; this goes on when the log is in order again"
            }
            Verdict::Unfounded => "tell the makers of this program, with the file",
        }
    }

    fn as_json(&self, round: &Round, expected: &Expectations, kept: Option<&Kept<'_>>) -> Value {
        let passed_over: Vec<_> = expected
            .passed_over()
            .iter()
            .map(|passed| json!({ "file": passed.file.to_string_lossy(), "why": passed.why }))
            .collect();
        json!({
            "origin": self.origin,
            "size": round.size,
            "new": round.new,
            "root": hex::encode(round.root),
            "older": round.older.as_ref().map(|older| older.size),
            "recovered": round.recovered,
            "expected": expected.counts().map(|Counts { recorded, waiting, undecided }| json!({
                "recorded": recorded, "waiting": waiting, "undecided": undecided, "passed_over": passed_over,
            })),
            "over": round.over.iter().map(over_json).collect::<Vec<_>>(),
            "notices": round.notices.iter().map(notice_json).collect::<Vec<_>>(),
            "misbehaviour": kept.map(|kept| json!({
                "kind": kept.proof.kind.name(),
                "file": kept.file,
                "verdict": kept.judgement.verdict.name(),
                "reason": kept.judgement.reason,
            })),
        })
    }
}

/// An entry in words.
fn entry(noted: &Noted) -> String {
    let says = noted.says.map_or_else(String::new, |(kind, time)| format!(" ({kind} of {time})"));
    format!("entry {}{says} with digest {}", noted.index, hex::encode(noted.digest))
}

fn sentence(notice: &Notice) -> String {
    match notice {
        Notice::Watched { entry: noted, name } if name.is_empty() => format!("{} is in your list", entry(noted)),
        Notice::Watched { entry: noted, name } => format!("{} is in your list: {name}", entry(noted)),
        Notice::WatchedMore { count } => format!("{count} more entries are in your list"),
        Notice::Unknown(noted) => format!("{} is not in the list of known ones", entry(noted)),
        Notice::UnknownMore { count } => format!("{count} more entries are not in the list of known ones"),
        Notice::Newer { first, count, version } => format!(
            "{count} entries, the first at {first}, are of a version that this program does not know (version {version}): they stand \
             in the tree, and what they say was not judged. Take a newer semper, and a new folder for it"
        ),
        Notice::Stuffed { name, entries } => format!(
            "the expected timestamp {name} is not recorded in time, and the log put so many entries between ({entries} so far) that no \
             proof can hold them: it can be shown to nobody, and an honest log hardly does so. Ask its operator for the \
             timestamp's receipt"
        ),
        Notice::Unclear { name, why } => format!("of the expected timestamp {name} it cannot be told: {why}"),
        Notice::Ahead { ahead_ms } => {
            format!("the newest entry is {} s ahead of this machine's clock", ahead_ms / 1000)
        }
        Notice::Unwitnessed { size } => {
            format!("the checkpoint of {size} entries does not meet the quorum of witnesses")
        }
    }
}

fn over_sentence(over: &Over) -> String {
    let of = over.entry.as_ref().map_or_else(String::new, |noted| format!(": {}", entry(noted)));
    format!("no longer {}{of}", over.kind)
}

fn over_json(over: &Over) -> Value {
    json!({ "alert": over.kind, "entry": over.entry.as_ref().map(noted_json), "sentence": over_sentence(over) })
}

fn noted_json(noted: &Noted) -> Value {
    json!({
        "index": noted.index,
        "digest": hex::encode(noted.digest),
        "kind": noted.says.map(|(kind, _)| kind.to_string()),
        "time": noted.says.map(|(_, time)| time.to_string()),
    })
}

fn notice_json(notice: &Notice) -> Value {
    let mut value = match notice {
        Notice::Watched { entry, name } => json!({ "entry": noted_json(entry), "name": name }),
        Notice::WatchedMore { count } | Notice::UnknownMore { count } => json!({ "count": count }),
        Notice::Unknown(entry) => json!({ "entry": noted_json(entry) }),
        Notice::Newer { first, count, version } => json!({ "first": first, "count": count, "version": version }),
        Notice::Stuffed { name, entries } => json!({ "name": name, "entries": entries }),
        Notice::Unclear { name, why } => json!({ "name": name, "why": why }),
        Notice::Ahead { ahead_ms } => json!({ "ahead_ms": ahead_ms }),
        Notice::Unwitnessed { size } => json!({ "size": size }),
    };
    value["alert"] = notice.kind().into();
    value["sentence"] = sentence(notice).into();
    value
}
