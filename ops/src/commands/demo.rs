//! `semper demo`: the main job from beginning to end, told step by step.
//!
//! Everything is done by this very executable, started anew for each step as a user would start it ([`house`]), and by
//! `openssl` as the stranger where it is installed. What each step proves is in [`story`]. Whatever happens, also a signal
//! or a panic, no process that was started outlives this one (only SIGKILL of this process itself leaves the server to
//! its operator). There is no waiting by the clock but for the end of one second ([`party`]): the server says `listening`, the others end.
//!
//! The folder is kept, so that every command that was shown can be repeated by hand.

mod exchange;
mod house;
mod notary;
mod party;
mod story;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use semper_ttp::crypto::{Entropy, OsEntropy};
use serde_json::json;

use self::house::House;
use self::story::Story;
use super::say;
use crate::cli::Demo;
use crate::exit::Exit;

/// Runs the command.
pub(crate) fn run(args: Demo, json: bool) -> Exit {
    let prepared = prepare(&args);
    let (folder, document) = match prepared {
        Ok(prepared) => prepared,
        Err((exit, why)) => {
            say::trouble(json, why);
            return exit;
        }
    };
    let mut teller = Teller { json, steps: Vec::new() };
    teller.opening(&folder);
    let told = House::new(&folder).and_then(|house| Story::new(&house, &folder, &document).tell(&mut teller));
    match told {
        Ok(()) => {
            teller.closing(&folder, None);
            Exit::Ok
        }
        Err(why) => {
            teller.closing(&folder, Some(&why.to_string()));
            Exit::Fault
        }
    }
}

/// Makes the folder and puts the document into it: what the user brought is copied, never touched. Gives the folder,
/// absolute, and the document's place in it.
fn prepare(args: &Demo) -> Result<(PathBuf, PathBuf), (Exit, String)> {
    let usage = |path: &Path, error: io::Error| (Exit::Usage, format!("{}: {error}", path.display()));
    let name = match &args.document {
        Some(path) if !path.is_file() => return Err((Exit::Usage, format!("{} is not a file", path.display()))),
        // A file has a name.
        Some(path) => path.file_name().unwrap_or_default().to_owned(),
        None => "contract.txt".into(),
    };
    let folder = match &args.out {
        Some(folder) => {
            let taken = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
            if taken {
                return Err((Exit::Usage, format!("{} is not empty", folder.display())));
            }
            folder.clone()
        }
        None => temporary_folder().map_err(|why| (Exit::Fault, why))?,
    };
    let documents = folder.join("documents");
    fs::create_dir_all(&documents).map_err(|error| usage(&documents, error))?;
    // Absolute, so that the commands shown can be repeated from anywhere.
    let folder = folder.canonicalize().map_err(|error| usage(&folder, error))?;
    let document = Path::new("documents").join(name);
    let place = folder.join(&document);
    match &args.document {
        Some(source) => fs::copy(source, &place).map(drop),
        None => fs::write(&place, CONTRACT),
    }
    .map_err(|error| usage(&place, error))?;
    Ok((folder, document))
}

/// The document when none is brought.
const CONTRACT: &str = "\
CONTRACT OF SALE

The seller sells and the buyer buys one bicycle, blue, for EUR 450.00,
to be handed over within seven days of payment.

(Written by `semper demo`; nobody is bound by it.)
";

/// A new folder that only this user may enter: the demonstration's keys lie in it.
fn temporary_folder() -> Result<PathBuf, String> {
    use std::os::unix::fs::DirBuilderExt;
    let mut random = [0; 6];
    OsEntropy.fill(&mut random).map_err(|fault| fault.to_string())?;
    let folder = std::env::temp_dir().join(format!("semper-demo-{}", hex::encode(random)));
    // Fails if it exists, so nobody can have put something there.
    fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// Tells what happens: as it happens, or as one JSON document at the end.
#[derive(Debug)]
struct Teller {
    json: bool,
    steps: Vec<Step>,
}

/// A step of the story.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
struct Step {
    /// What is done, and why.
    title: String,
    /// The commands, as they can be repeated by hand.
    commands: Vec<String>,
    /// What came out.
    results: Vec<String>,
}

impl Teller {
    fn line(&self, line: impl AsRef<str>) {
        if !self.json {
            say::out(line);
        }
    }

    fn opening(&self, folder: &Path) {
        self.line("A document is timestamped, logged, and proved.\n");
        self.line(format!("   $ cd {}", quoted(&folder.to_string_lossy())));
    }

    fn step(&mut self, title: &str) {
        self.steps.push(Step { title: title.to_owned(), commands: Vec::new(), results: Vec::new() });
        self.line(format!("\n{}. {title}", self.steps.len()));
    }

    fn command(&mut self, command: String) {
        self.line(format!("   $ {command}"));
        if let Some(step) = self.steps.last_mut() {
            step.commands.push(command);
        }
    }

    fn result(&mut self, result: String) {
        for line in result.lines() {
            self.line(format!("     {line}"));
        }
        if let Some(step) = self.steps.last_mut() {
            step.results.push(result);
        }
    }

    fn closing(&self, folder: &Path, failure: Option<&str>) {
        if self.json {
            say::json(&self.document(folder, failure));
            return;
        }
        match failure {
            None => {
                self.line("\nDone: every step held, and all processes have ended.");
                self.line("The commands above can be repeated by hand. Kept in that folder:");
                for (name, what) in FILES {
                    self.line(format!("   {name:<11} {what}"));
                }
                self.line(format!("Remove them with: rm -r {}", quoted(&folder.to_string_lossy())));
            }
            Some(why) => {
                self.line(format!("\nFAILED in step {}: {why}", self.steps.len().max(1)));
                self.line(format!("What the commands said is in {}", folder.join("logs").display()));
            }
        }
    }

    fn document(&self, folder: &Path, failure: Option<&str>) -> serde_json::Value {
        json!({
            "ok": failure.is_none(),
            "error": failure,
            "folder": folder.to_string_lossy(),
            "steps": self.steps,
        })
    }
}

/// What the folder holds.
const FILES: [(&str, &str); 10] = [
    ("documents", "the document, the altered copy, and the contract, a PDF"),
    ("evidence", "token, proof, and the proof as fetched after the crash"),
    ("party", "a party: its key, its application, its certificate"),
    ("status", "what proves the certificate's status before it was revoked"),
    ("notary", "the notarial act with its evidence, the data validation certificate and its timestamp"),
    ("seller", "a party that signs the contract: its keys and certificates"),
    ("buyer", "the other one"),
    ("data/trust", "what a verifier needs: root, chain, ledger key"),
    ("data", "the service: ledger, keys, certificates"),
    ("logs", "what every command said"),
];

/// A word of a command line, as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        for word in ["contract.pdf", "my contract.pdf", "", "it's", "$HOME", "a\nb", "ä;rm -r /", "--x=1"] {
            let said = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(&format!("x{word}")))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), format!("x{word}"));
        }
        assert_eq!(quoted("a/b.pdf"), "a/b.pdf");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn the_document_is_copied_and_a_used_folder_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let source = root.path().join("my deed.pdf");
        fs::write(&source, b"deed").unwrap();
        let out = root.path().join("out");
        let args = |document: Option<&Path>| Demo { document: document.map(Into::into), out: Some(out.clone()) };
        let missing = root.path().join("missing");
        assert_eq!(prepare(&args(Some(&missing))).unwrap_err().0, Exit::Usage);
        assert!(!out.exists(), "nothing is made for a document that is not there");

        let (folder, document) = prepare(&args(Some(&source))).unwrap();
        assert!(folder.is_absolute());
        assert_eq!(document, Path::new("documents/my deed.pdf"));
        assert_eq!(fs::read(folder.join(&document)).unwrap(), b"deed");
        assert_eq!(prepare(&args(None)).unwrap_err().0, Exit::Usage, "not empty now");
    }

    #[test]
    fn a_temporary_folder_is_private_and_new() {
        use std::os::unix::fs::PermissionsExt;
        let [one, other] = [temporary_folder().unwrap(), temporary_folder().unwrap()];
        assert_ne!(one, other);
        for folder in [one, other] {
            assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
            fs::remove_dir(&folder).unwrap();
        }
    }

    #[test]
    fn the_json_document_has_the_steps() {
        let mut teller = Teller { json: true, steps: Vec::new() };
        teller.step("First");
        teller.command("semper init".into());
        teller.result("ok".into());
        teller.step("Second");
        let document = teller.document(Path::new("f"), Some("it broke"));
        assert_eq!(
            document,
            json!({
                "ok": false, "error": "it broke", "folder": "f",
                "steps": [
                    { "title": "First", "commands": ["semper init"], "results": ["ok"] },
                    { "title": "Second", "commands": [], "results": [] },
                ],
            })
        );
        assert_eq!(teller.document(Path::new("f"), None)["ok"], true);
    }
}
