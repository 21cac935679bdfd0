//! The journal: read, searched, exported, extracts of it certified.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::Path;

use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::id::PartyId;
use semper_ttp::time::Timestamp;
use serde_json::{Value, json};

use super::evidence::Evidence;
use super::officer::OFFICER;
use super::party::PARTY;
use super::words::line_of;
use super::{place, post, remote, told};
use crate::cli::{self, with_ending};
use crate::commands::keys::require_new;
use crate::commands::remote::{Remote, json_of, text};
use crate::commands::running::Failed;
use crate::commands::{atomic, hashing, say};
use crate::exit::Exit;

/// All pages up to the last number.
pub(super) fn journal(args: &cli::NotaryJournal, as_json: bool) -> Result<Exit, Failed> {
    let remote = remote(&args.of, OFFICER)?;
    let search = Search { party: args.party, ..Search::of(&args.search)? };
    let mut export = args.out.as_deref().map(Export::begin).transpose()?;
    let (mut lines, to) = (Vec::new(), args.to);
    search.pages(&remote, "journal", args.from..=to.unwrap_or(u64::MAX), |line| {
        match &mut export {
            Some(export) => export.add(&remote, line)?,
            None if as_json => lines.push(line.clone()),
            None => say::out(line_of(line)),
        }
        Ok(())
    })?;
    match export {
        Some(export) => export.end(as_json)?,
        None if as_json => say::json(&json!({ "journal": lines })),
        None => {}
    }
    Ok(Exit::Ok)
}

/// A party's own acts, each as it stands now.
pub(super) fn acts(args: &cli::NotaryActs, as_json: bool) -> Result<Exit, Failed> {
    let remote = remote(&args.of, PARTY)?;
    // Of an act that was open and has ended, the end comes last.
    let mut acts = BTreeMap::new();
    Search::of(&args.search)?.pages(&remote, "acts", 1..=u64::MAX, |line| {
        acts.insert(line["journal_no"].as_u64(), line.clone());
        Ok(())
    })?;
    let mut acts: Vec<_> = acts.into_values().collect();
    // The journal says that they were opened: what they wait for, they say themselves.
    for act in acts.iter_mut().filter(|act| text(act, "state") == "opened") {
        let path = format!("/v1/notary/acts/{}", text(act, "act"));
        *act = json_of(remote.call(async |client| client.get_json(&path).await))?;
    }
    if as_json {
        say::json(&json!({ "acts": acts }));
    } else {
        acts.iter().for_each(|act| say::out(line_of(act)));
        if acts.is_empty() {
            say::out("no such act of yours");
        }
    }
    Ok(Exit::Ok)
}

/// The caller's own act that an entry of the ledger is of, where `imprint` is the SHA-256 of what it is about, if that is known.
pub(super) fn own_act(remote: &Remote, imprint: Option<Digest>, entry: u64) -> Result<Option<Value>, Failed> {
    let search = Search { document: imprint.map(|imprint| imprint.to_string()), ..Search::default() };
    let mut found = None;
    search.pages(remote, "acts", 1..=u64::MAX, |line| {
        found = found.take().or_else(|| (line["entry"].as_u64() == Some(entry)).then(|| line.clone()));
        Ok(())
    })?;
    Ok(found)
}

/// What is looked for.
#[derive(Default)]
struct Search {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    document: Option<String>,
    party: Option<PartyId>,
}

impl Search {
    fn of(args: &cli::JournalSearch) -> Result<Self, Failed> {
        let document = args.document.as_deref().map(sha256).transpose()?;
        Ok(Self { since: args.since, until: args.until, document, party: None })
    }

    /// Page after page of what is `listed`, of these numbers.
    fn pages(
        &self,
        remote: &Remote,
        listed: &str,
        numbers: RangeInclusive<u64>,
        mut each: impl FnMut(&Value) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let members = [
            ("since", time(self.since)),
            ("until", time(self.until)),
            ("document", self.document.clone()),
            ("party", self.party.map(|party| party.to_string())),
        ];
        let members = members.into_iter().filter_map(|(name, value)| Some(format!("&{name}={}", value?)));
        let search: String = members.collect();
        let mut next = Some(*numbers.start());
        while let Some(from) = next.filter(|from| numbers.contains(from)) {
            let path = format!("/v1/notary/{listed}?from={from}{search}");
            let page = json_of(remote.call(async |client| client.get_json(&path).await))?;
            for line in page[listed].as_array().into_iter().flatten() {
                if line["journal_no"].as_u64().is_some_and(|number| numbers.contains(&number)) {
                    each(line)?;
                }
            }
            next = page["next"].as_u64();
        }
        Ok(())
    }
}

fn sha256(path: &Path) -> Result<String, Failed> {
    let refused = |error| Failed::usage(&format!("{}: {error}", path.display()));
    hashing::imprint_of_file(path, ImprintAlgorithm::Sha256).map(hex::encode).map_err(refused)
}

/// A folder that takes lines and what they are about.
struct Export<'p> {
    folder: &'p Path,
    lines: fs::File,
    lines_count: usize,
    documents: usize,
    /// What is not there, and why.
    left_out: Vec<String>,
}

impl<'p> Export<'p> {
    fn begin(folder: &'p Path) -> Result<Self, Failed> {
        fs::create_dir(folder).map_err(|error| in_file(folder, &error))?;
        let path = folder.join("journal.jsonl");
        let lines = fs::File::create_new(&path).map_err(|error| in_file(&path, &error))?;
        Ok(Self { folder, lines, lines_count: 0, documents: 0, left_out: Vec::new() })
    }

    /// Notes a line, and fetches what its act has left.
    fn add(&mut self, remote: &Remote, line: &Value) -> Result<(), Failed> {
        writeln!(self.lines, "{line}").map_err(|error| in_file(self.folder, &error))?;
        self.lines_count += 1;
        // An act that was open stands here twice; what it left belongs to its end.
        if text(line, "state") == "opened" {
            return Ok(());
        }
        let act =
            text(line, "act").parse().map_err(|_| Failed::fault(&"the server names an act by what is no name"))?;
        let number = line["journal_no"].as_u64().unwrap_or_default();
        let shown = json_of(remote.call(async |client| client.get_json(&place(act, "")).await))?;
        let out = |ending: &str| self.folder.join(format!("{number}.{ending}"));
        let evidence = match shown["dvc"].as_str() {
            Some(dvc) => Evidence::of_dvc(remote, dvc, &out("dvc"))?,
            None => Evidence::fetch(remote, &place(act, ""), &out("jws"), false)?,
        };
        // That of a validation may have come with its record.
        let report = shown["report"].as_str().filter(|_| !evidence.tells_of("report"));
        let evidence = evidence.with_report(remote, report, &out("report.json"))?;
        self.documents += evidence.keep()?;
        self.left_out.extend(evidence.left_out().map(|(what, why)| format!("No. {number}: {what}: {why}")));
        Ok(())
    }

    fn end(self, as_json: bool) -> Result<(), Failed> {
        self.lines.sync_all().map_err(|error| in_file(self.folder, &error))?;
        let (folder, lines, documents) = (self.folder.display(), self.lines_count, self.documents);
        if as_json {
            say::json(&json!({
                "folder": folder.to_string(), "lines": lines, "documents": documents, "left_out": self.left_out,
            }));
        } else {
            say::out(format!("{lines} lines and {documents} documents are in {folder}"));
            self.left_out.iter().for_each(|what| say::out(format!("not there: {what}")));
        }
        Ok(())
    }
}

fn in_file(path: &Path, error: &std::io::Error) -> Failed {
    Failed::usage(&format!("{}: {error}", path.display()))
}

/// A certified extract, and its record beside it.
pub(super) fn extract(args: &cli::NotaryExtract, as_json: bool) -> Result<Exit, Failed> {
    let remote = remote(&args.of, OFFICER)?;
    let record = with_ending(&args.out, "jws");
    require_new(&args.out)?; // before there is an act that it is to tell of
    Evidence::require_new(&record)?;
    let act = post(&remote, "/v1/notary/journal/extracts", &json!({ "from": args.from, "to": args.to }))?;
    let path = act["report"].as_str().ok_or_else(|| Failed::fault(&"the server names no extract"))?;
    let extract = remote.call(async |client| client.get_of_type(path, "application/json").await)?;
    let evidence = Evidence::fetch(&remote, &format!("/v1/notary/acts/{}", text(&act, "act")), &record, false)?;
    atomic::write_new(&args.out, &extract)
        .map_err(|error| Failed::usage(&format!("{}: {error}", args.out.display())))?;
    evidence.keep()?;
    if !as_json {
        say::out(format!("{:<13}{}", "extract", args.out.display()));
        evidence.tell(false);
    }
    Ok(told(&act, as_json))
}
