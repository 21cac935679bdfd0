//! What a monitor says: a line for each round with news, for people; one JSON document for each, for machines.

use std::path::PathBuf;

use semper_api::monitor::notice::{Noted, Notice};
use semper_api::monitor::{Older, Round};
use semper_ledger::note::VerifierKey;
use semper_ttp::account::{Anchors, Judgement, Proof, Verdict, judge};
use semper_ttp::time::Timestamp;
use semper_ttp::verify::Trust;
use serde_json::{Value, json};

use super::expected::Expectations;
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
        Self { json, once, origin: key.name().to_owned(), key: key.clone(), folder, trust }
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
    pub(super) fn passed_over(&self, expected: &Expectations) {
        if !self.json {
            for passed in expected.passed_over() {
                say::trouble(false, format_args!("monitor: {} is passed over: {}", passed.file.display(), passed.why));
            }
        }
    }

    /// Keeps the evidence, then tells.
    pub(super) fn round(&self, round: &Round, expected: &Expectations) -> Result<(), Failed> {
        let kept = match (&round.misbehaviour, &round.older) {
            (Some(proof), _) => Some(self.judged(proof, self.folder.keep(proof, round.size)?)),
            (None, Some(Older { size, rollback: Some(proof), .. })) => {
                Some(self.judged(proof, self.folder.keep_rollback(proof, round.size, *size)?))
            }
            (None, _) => None,
        };
        let waits = round.older.is_some() && kept.is_none();
        let begins_to_wait = round.older.as_ref().is_some_and(|older| older.begins);
        let news = round.new > 0 || round.recovered || !round.notices.is_empty() || kept.is_some();
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
        Ok(())
    }

    fn judged<'p>(&self, proof: &'p Proof, file: PathBuf) -> Kept<'p> {
        let file = file.display().to_string();
        // Judged as anybody else will: if it does not hold, the fault is ours, and nothing is hidden.
        let trust = self.trust.as_ref().map(|(trust, _)| trust);
        let judgement = judge(proof, &Anchors { log_keys: std::slice::from_ref(&self.key), trust });
        Kept { proof, file, judgement }
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
        if let (Some((recorded, waiting)), None) = (expected.counts(), &round.older) {
            let passed_over = match expected.passed_over().len() {
                0 => String::new(),
                count => format!(", {count} passed over"),
            };
            lines
                .push(format!("{now}  expected timestamps: {recorded} recorded, {waiting} not there yet{passed_over}"));
        }
        lines
            .extend(round.notices.iter().map(|notice| format!("{now}  ALERT {}: {}", notice.kind(), sentence(notice))));
        if let Some(kept) = kept {
            let word = match kept.judgement.verdict {
                Verdict::Proven => "CONVICTED",
                Verdict::Open => "ALARM",
                Verdict::Unfounded => "OUR FAULT, THIS DOES NOT CONVICT",
            };
            lines.push(format!("\n{word}: {}.", kept.judgement.reason));
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
            "expected": expected.counts().map(|(recorded, waiting)| json!({
                "recorded": recorded, "waiting": waiting, "passed_over": passed_over,
            })),
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
        Notice::Ahead { ahead_ms } => {
            format!("the newest entry is {} s ahead of this machine's clock", ahead_ms / 1000)
        }
        Notice::Unwitnessed { size } => {
            format!("the checkpoint of {size} entries does not meet the quorum of witnesses")
        }
    }
}

fn notice_json(notice: &Notice) -> Value {
    let noted = |noted: &Noted| {
        json!({
            "index": noted.index,
            "digest": hex::encode(noted.digest),
            "kind": noted.says.map(|(kind, _)| kind.to_string()),
            "time": noted.says.map(|(_, time)| time.to_string()),
        })
    };
    let mut value = match notice {
        Notice::Watched { entry, name } => json!({ "entry": noted(entry), "name": name }),
        Notice::WatchedMore { count } | Notice::UnknownMore { count } => json!({ "count": count }),
        Notice::Unknown(entry) => json!({ "entry": noted(entry) }),
        Notice::Newer { first, count, version } => json!({ "first": first, "count": count, "version": version }),
        Notice::Ahead { ahead_ms } => json!({ "ahead_ms": ahead_ms }),
        Notice::Unwitnessed { size } => json!({ "size": size }),
    };
    value["alert"] = notice.kind().into();
    value["sentence"] = sentence(notice).into();
    value
}
