//! The journal: read, searched, exported, extracts of it certified.

use std::fs;
use std::path::Path;

use semper_ttp::digest::ImprintAlgorithm;
use serde_json::{Value, json};

use super::officer::OFFICER;
use super::{line_of, place, post, remote, told};
use crate::cli::{self, with_ending};
use crate::commands::keys::require_new;
use crate::commands::remote::{Remote, json_of, text};
use crate::commands::running::Failed;
use crate::commands::{atomic, hashing, say};
use crate::exit::Exit;

/// All pages up to the last number.
pub(super) fn journal(args: &cli::NotaryJournal, as_json: bool) -> Result<Exit, Failed> {
    let remote = remote(&args.of, OFFICER)?;
    let search = search(args)?;
    let is_wanted =
        |line: &Value| args.to.is_none_or(|to| line["journal_no"].as_u64().is_some_and(|number| number <= to));
    let mut export = args.out.as_deref().map(Export::begin).transpose()?;
    let (mut lines, mut next) = (Vec::new(), Some(args.from));
    while let Some(from) = next.filter(|from| args.to.is_none_or(|to| *from <= to)) {
        let path = format!("/v1/notary/journal?from={from}{search}");
        let page = json_of(remote.call(async |client| client.get_json(&path).await))?;
        for line in page["journal"].as_array().into_iter().flatten().filter(|line| is_wanted(line)) {
            match &mut export {
                Some(export) => export.add(&remote, line)?,
                None if as_json => lines.push(line.clone()),
                None => say::out(line_of(line)),
            }
        }
        next = page["next"].as_u64();
    }
    match export {
        Some(export) => export.end(as_json)?,
        None if as_json => say::json(&json!({ "journal": lines })),
        None => {}
    }
    Ok(Exit::Ok)
}

/// The rest of the query.
fn search(args: &cli::NotaryJournal) -> Result<String, Failed> {
    let document = args.document.as_deref().map(sha256).transpose()?;
    let party = args.party.map(|party| party.to_string());
    let members = [("since", &args.since), ("until", &args.until), ("document", &document), ("party", &party)];
    // Moments have a plus sign where they are not UTC.
    let one = |(name, value): (&str, &Option<String>)| {
        value.as_ref().map(|value| format!("&{name}={}", value.replace('+', "%2B")))
    };
    Ok(members.into_iter().filter_map(one).collect())
}

fn sha256(path: &Path) -> Result<String, Failed> {
    let refused = |error| Failed::usage(&format!("{}: {error}", path.display()));
    hashing::imprint_of_file(path, ImprintAlgorithm::Sha256).map(hex::encode).map_err(refused)
}

/// A folder that takes lines and what they are about.
struct Export<'p> {
    folder: &'p Path,
    lines: String,
    count: usize,
}

impl<'p> Export<'p> {
    fn begin(folder: &'p Path) -> Result<Self, Failed> {
        fs::create_dir(folder).map_err(|error| Failed::usage(&format!("{}: {error}", folder.display())))?;
        Ok(Self { folder, lines: String::new(), count: 0 })
    }

    /// Notes a line, and fetches what its act has left.
    fn add(&mut self, remote: &Remote, line: &Value) -> Result<(), Failed> {
        self.lines.push_str(&line.to_string());
        self.lines.push('\n');
        // An act that was open stands here twice; what it left belongs to its end.
        if text(line, "state") == "opened" {
            return Ok(());
        }
        let act =
            text(line, "act").parse().map_err(|_| Failed::fault(&"the server names an act by what is no name"))?;
        let shown = json_of(remote.call(async |client| client.get_json(&place(act, "")).await))?;
        let number = line["journal_no"].as_u64().unwrap_or_default();
        for (member, media_type, ending) in [
            ("record", "application/jose", "jws"),
            ("dvc", "application/dvcs", "dvc"),
            ("report", "application/json", "report.json"),
        ] {
            let Some(path) = shown[member].as_str() else { continue };
            let bytes = remote.call(async |client| client.get_of_type(path, media_type).await)?;
            self.write(&format!("{number}.{ending}"), &bytes)?;
            self.count += 1;
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        let path = self.folder.join(name);
        atomic::write_new(&path, bytes).map_err(|error| Failed::usage(&format!("{}: {error}", path.display())))
    }

    fn end(self, as_json: bool) -> Result<(), Failed> {
        self.write("journal.jsonl", self.lines.as_bytes())?;
        let (lines, documents) = (self.lines.lines().count(), self.count);
        if as_json {
            say::json(&json!({ "folder": self.folder.display().to_string(), "lines": lines, "documents": documents }));
        } else {
            say::out(format!("{lines} lines and {documents} documents are in {}", self.folder.display()));
        }
        Ok(())
    }
}

/// A certified extract, and its record beside it.
pub(super) fn extract(args: &cli::NotaryExtract, as_json: bool) -> Result<Exit, Failed> {
    let remote = remote(&args.of, OFFICER)?;
    let record = with_ending(&args.out, "jws");
    for file in [&args.out, &record] {
        require_new(file)?; // before there is an act that it is to tell of
    }
    let act = post(&remote, "/v1/notary/journal/extracts", &json!({ "from": args.from, "to": args.to }))?;
    for (member, media_type, out) in
        [("report", "application/json", &args.out), ("record", "application/jose", &record)]
    {
        let path = act[member].as_str().ok_or_else(|| Failed::fault(&"the server names no extract"))?;
        let bytes = remote.call(async |client| client.get_of_type(path, media_type).await)?;
        atomic::write_new(out, &bytes).map_err(|error| Failed::usage(&format!("{}: {error}", out.display())))?;
    }
    Ok(told(&act, as_json))
}
