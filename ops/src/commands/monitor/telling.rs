//! What a monitor says: a line for each round with news, for people; one JSON document for each, for machines.

use std::path::PathBuf;

use semper_api::monitor::Round;
use semper_api::monitor::notice::{Noted, Notice};
use semper_ledger::note::VerifierKey;
use semper_ttp::account::{Anchors, Judgement, Proof, Verdict, judge};
use semper_ttp::time::Timestamp;
use semper_ttp::verify::Trust;
use serde_json::{Value, json};

use super::folder::StateFolder;
use crate::clock::wall_ms;
use crate::commands::running::Failed;
use crate::commands::say;

/// Where a monitor's news go.
pub(super) struct Teller {
    json: bool,
    /// Also when there are none.
    always: bool,
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
        always: bool,
        key: &VerifierKey,
        folder: StateFolder,
        trust: Option<(Trust, PathBuf)>,
    ) -> Self {
        Self { json, always, origin: key.name().to_owned(), key: key.clone(), folder, trust }
    }

    /// Keeps the evidence, then tells.
    pub(super) fn round(&self, round: &Round, owed: Option<(usize, usize)>) -> Result<(), Failed> {
        let kept = round.misbehaviour.as_ref().map(|proof| self.keep(proof, round.size)).transpose()?;
        if !(self.always || round.new > 0 || !round.notices.is_empty() || kept.is_some()) {
            return Ok(());
        }
        if self.json {
            say::json(&self.as_json(round, owed, kept.as_ref()))
        } else {
            say::out(self.as_text(round, owed, kept.as_ref()))
        }
        Ok(())
    }

    fn keep<'p>(&self, proof: &'p Proof, size: u64) -> Result<Kept<'p>, Failed> {
        let file = self.folder.keep(proof, size)?.display().to_string();
        // Judged as anybody else will: if it does not hold, the fault is ours, and nothing is hidden.
        let trust = self.trust.as_ref().map(|(trust, _)| trust);
        let judgement = judge(proof, &Anchors { log_keys: std::slice::from_ref(&self.key), trust });
        Ok(Kept { proof, file, judgement })
    }

    fn as_text(&self, round: &Round, owed: Option<(usize, usize)>, kept: Option<&Kept<'_>>) -> String {
        let now = Timestamp::from_millis(wall_ms());
        let root = hex::encode(&round.root[..8]);
        let mut lines = Vec::new();
        if round.older {
            lines.push(format!("{now}  {} shows an older checkpoint than before; waiting", self.origin));
        } else if self.always || round.new > 0 {
            lines.push(format!(
                "{now}  {}: {} entries verified, {} of them new, root {root}…",
                self.origin, round.size, round.new
            ));
        }
        if let Some((recorded, waiting)) = owed {
            lines.push(format!("{now}  expected timestamps: {recorded} recorded, {waiting} not there yet"));
        }
        lines
            .extend(round.notices.iter().map(|notice| format!("{now}  ALERT {}: {}", notice.kind(), sentence(notice))));
        if let Some(kept) = kept {
            let word = match kept.judgement.verdict {
                Verdict::Proven => "CONVICTED",
                Verdict::Open => "MISBEHAVIOUR",
                Verdict::Unfounded => "OUR FAULT, THIS DOES NOT CONVICT",
            };
            lines.push(format!("\n{word}: {}.", kept.judgement.reason));
            lines.push(format!("Evidence   {}", kept.file));
            let trust = self.trust.as_ref().map_or_else(|| self.folder.trust(), |(_, folder)| folder.clone());
            lines.push(format!("Judge it   semper verify {} --trust {}", kept.file, trust.display()));
        }
        lines.join("\n")
    }

    fn as_json(&self, round: &Round, owed: Option<(usize, usize)>, kept: Option<&Kept<'_>>) -> Value {
        json!({
            "origin": self.origin,
            "size": round.size,
            "new": round.new,
            "root": hex::encode(round.root),
            "older": round.older,
            "expected": owed.map(|(recorded, waiting)| json!({ "recorded": recorded, "waiting": waiting })),
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
        Notice::Unknown(noted) => format!("{} is not in the list of known ones", entry(noted)),
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
        Notice::Unknown(entry) => json!({ "entry": noted(entry) }),
        Notice::Ahead { ahead_ms } => json!({ "ahead_ms": ahead_ms }),
        Notice::Unwitnessed { size } => json!({ "size": size }),
    };
    value["alert"] = notice.kind().into();
    value["sentence"] = sentence(notice).into();
    value
}
