//! The steps, and what each of them proves.
//!
//! | step | proves |
//! |---|---|
//! | init, serve, stamp | a document is timestamped and logged |
//! | kill -9, serve again, prove | what was released was durable; the receipt is rebuilt byte for byte |
//! | verify, `openssl ts -verify`, with no server running | the evidence needs nobody's word, and no program of ours |
//! | a party's steps, and those at notary and arbiter | [`super::party`], [`super::notary`], [`super::exchange`] |
//! | fsck | the whole data folder is sound after the crash |
//! | one byte changed, verify | a changed document is refused |

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Teller;
use super::exchange::Exchange;
use super::house::{House, Said, Server, Trouble};
use super::notary::Notary;
use super::party::Party;
use crate::cli::with_ending;
use crate::config::TEST_POLICY;

/// Everything that the steps share. All paths but `folder` are relative to it: the commands run there.
pub(super) struct Story<'a> {
    house: &'a House,
    folder: &'a Path,
    document: PathBuf,
    data: PathBuf,
    trust: PathBuf,
    evidence: PathBuf,
    token: PathBuf,
    proof: PathBuf,
}

impl<'a> Story<'a> {
    /// With all files below `folder`, where the document lies already, at `document` from there.
    pub(super) fn new(house: &'a House, folder: &'a Path, document: &Path) -> Self {
        let evidence = PathBuf::from("evidence");
        let base = evidence.join(document.file_name().unwrap_or_default());
        Self {
            house,
            folder,
            document: document.to_owned(),
            data: "data".into(),
            trust: "data/trust".into(),
            token: with_ending(&base, "tst"),
            proof: with_ending(&base, "tlog-proof"),
            evidence,
        }
    }

    /// All steps, in order, to the first that fails.
    pub(super) fn tell(&self, teller: &mut Teller) -> Result<(), Trouble> {
        self.found(teller)?;
        let server = self.start(teller, "Start the server.")?;
        self.stamp(teller, &server)?;
        self.crash(teller, server)?;
        let server = self.start(teller, "Start it again on the same data: it recovers by itself.")?;
        self.prove_again(teller, &server)?;
        let mut party = Party::new(self.house, self.folder);
        party.live(teller, &server)?;
        let notary = Notary::new(self.house, self.folder);
        notary.live(teller, server.https()?)?;
        let exchange = Exchange::new(self.house, self.folder);
        exchange.live(teller, server.https()?)?;
        self.stop(teller, server)?;
        self.verify(teller)?;
        self.stranger(teller)?;
        party.prove_offline(teller)?;
        notary.verify(teller)?;
        exchange.verify(teller)?;
        self.fsck(teller)?;
        self.alter(teller)
    }

    fn semper(&self, teller: &mut Teller, args: &[&OsStr], code: i32) -> Result<Said, Trouble> {
        teller.command(self.house.shown(args));
        self.house.semper(args, code)
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Trouble> {
        fs::read(self.folder.join(path)).map_err(Trouble::io(path.display()))
    }

    fn found(&self, teller: &mut Teller) -> Result<(), Trouble> {
        teller.step("Make a new service: keys, certificates, an empty ledger, trust anchors.");
        self.semper(teller, &words(&["init", "--demo", "--data"], &[&self.data], &[]), 0)?;
        self.be_notary_and_arbiter(teller)?;
        teller.result(format!("trust anchors for everybody: {}", self.trust.display()));
        Ok(())
    }

    /// The two settings that the story needs besides.
    fn be_notary_and_arbiter(&self, teller: &mut Teller) -> Result<(), Trouble> {
        let path = self.data.join("semper.toml");
        teller.command(format!(
            "printf '\\n[notary]\\nenabled = true\\n\\n[exchange]\\nenabled = true\\n' >> {}",
            path.display()
        ));
        let path = self.folder.join(path);
        let text = fs::read_to_string(&path).map_err(Trouble::io(path.display()))?;
        fs::write(&path, text + "\n[notary]\nenabled = true\n\n[exchange]\nenabled = true\n")
            .map_err(Trouble::io(path.display()))
    }

    fn start(&self, teller: &mut Teller, title: &str) -> Result<Server, Trouble> {
        teller.step(title);
        let free = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let args = words(&["serve", "--data"], &[&self.data], &free);
        teller.command(self.house.shown(&args));
        let server = self.house.serve(&args)?;
        teller.result(format!("process {} listens at {}", server.id(), server.url));
        Ok(server)
    }

    fn stamp(&self, teller: &mut Teller, server: &Server) -> Result<(), Trouble> {
        teller.step("Timestamp the document. Only its digest goes to the server.");
        let mut args = words(&["stamp", "--json", "--url", &server.url, "--out"], &[&self.evidence], &[]);
        args.push(self.document.as_os_str());
        let said = self.semper(teller, &args, 0)?;
        teller.result(stamped(&said.out)?);
        for file in [&self.token, &self.proof] {
            let bytes = fs::metadata(self.folder.join(file)).map_err(Trouble::io(file.display()))?.len();
            teller.result(format!("{} ({bytes} bytes)", file.display()));
        }
        Ok(())
    }

    fn crash(&self, teller: &mut Teller, server: Server) -> Result<(), Trouble> {
        teller.step("Kill the server: it gets no chance to save anything.");
        teller.command(format!("kill -9 {}", server.id()));
        server.kill()?;
        teller.result("it is gone".to_owned());
        Ok(())
    }

    fn prove_again(&self, teller: &mut Teller, server: &Server) -> Result<(), Trouble> {
        teller.step("Fetch the proof once more: what was released before the crash is still there.");
        let again = with_ending(&self.proof, "again");
        let mut args = words(&["prove", "--url", &server.url, "--token"], &[&self.token], &["--out"]);
        args.push(again.as_os_str());
        self.semper(teller, &args, 0)?;
        teller.command(format!("cmp {} {}", shown(&self.proof), shown(&again)));
        let [first, second] = [&self.proof, &again].map(|path| self.read(path));
        if first? != second? {
            return Err(Trouble::Wrong("the proof after the crash is another one than before".to_owned()));
        }
        teller.result("the same, byte for byte".to_owned());
        Ok(())
    }

    fn stop(&self, teller: &mut Teller, server: Server) -> Result<(), Trouble> {
        teller.step("Stop the server. What follows needs nobody.");
        teller.command(format!("kill {}", server.id()));
        server.stop()?;
        teller.result("it ended in good order".to_owned());
        Ok(())
    }

    /// The command that verifies `document` with the one token and proof.
    fn verify_args<'b>(&'b self, document: &'b Path) -> Vec<&'b OsStr> {
        let mut args: Vec<&OsStr> = vec!["verify".as_ref(), document.as_os_str()];
        for (option, path) in [("--token", &self.token), ("--proof", &self.proof), ("--trust", &self.trust)] {
            args.extend([option.as_ref(), path.as_os_str()]);
        }
        // A demonstration's timestamps prove nothing, so they are judged only when they are asked for.
        args.extend(["--policy", TEST_POLICY].map(OsStr::new));
        args
    }

    fn verify(&self, teller: &mut Teller) -> Result<(), Trouble> {
        teller.step("Verify offline, with the document, its evidence and the trust anchors alone.");
        let said = self.semper(teller, &self.verify_args(&self.document), 0)?;
        teller.result(verdict(&said.out)?);
        Ok(())
    }

    fn stranger(&self, teller: &mut Teller) -> Result<(), Trouble> {
        teller.step("Let a stranger's program judge the same token.");
        let root = self.trust.join("root.pem");
        let paths = [("-data", &self.document), ("-in", &self.token), ("-CAfile", &root)];
        let mut args: Vec<&OsStr> = vec!["ts".as_ref(), "-verify".as_ref(), "-token_in".as_ref()];
        args.extend(paths.iter().flat_map(|(option, path)| [OsStr::new(option), path.as_os_str()]));
        match self.house.openssl(teller, &args)? {
            None => {}
            Some(said) if said.out.contains("Verification: OK") || said.err.contains("Verification: OK") => {
                teller.result("Verification: OK".to_owned());
            }
            Some(said) => return Err(Trouble::Wrong(format!("openssl did not say OK: {}", said.out.trim()))),
        }
        Ok(())
    }

    fn fsck(&self, teller: &mut Teller) -> Result<(), Trouble> {
        teller.step("Check every row of the data folder, from the entries up.");
        let said = self.semper(teller, &words(&["fsck", "--full", "--data"], &[&self.data], &[]), 0)?;
        teller.result(said.out.trim().lines().last().unwrap_or("sound").to_owned());
        Ok(())
    }

    fn alter(&self, teller: &mut Teller) -> Result<(), Trouble> {
        teller.step("Change one bit of a copy of the document: the evidence refuses it.");
        let mut name = std::ffi::OsString::from("altered-");
        name.push(self.document.file_name().unwrap_or_default());
        let altered = self.document.with_file_name(name);
        let mut bytes = self.read(&self.document)?;
        let at = alter(&mut bytes);
        fs::write(self.folder.join(&altered), &bytes).map_err(Trouble::io(altered.display()))?;
        teller.result(format!("byte {at} differs in {}", altered.display()));
        let said = self.semper(teller, &self.verify_args(&altered), 1)?;
        teller.result(format!("{} (exit code 1)", verdict(&said.out)?));
        Ok(())
    }
}

/// Words, paths, words: most command lines have this shape.
fn words<'a>(before: &[&'a str], paths: &[&'a Path], after: &[&'a str]) -> Vec<&'a OsStr> {
    let word = |word: &&'a str| OsStr::new(*word);
    before.iter().map(word).chain(paths.iter().map(|path| path.as_os_str())).chain(after.iter().map(word)).collect()
}

fn shown(path: &Path) -> String {
    super::quoted(&path.to_string_lossy())
}

/// Changes one bit in the middle; an empty document gets a byte. Says where.
fn alter(bytes: &mut Vec<u8>) -> usize {
    let at = bytes.len() / 2;
    match bytes.get_mut(at) {
        Some(byte) => *byte ^= 1,
        None => bytes.push(b' '),
    }
    at
}

/// The story's words for the JSON of `semper stamp`.
fn stamped(json: &str) -> Result<String, Trouble> {
    let wrong = || Trouble::Wrong("`semper stamp --json` said something else than one stamped file".to_owned());
    let document: Value = serde_json::from_str(json).map_err(|_| wrong())?;
    let file = match document["files"].as_array().map(Vec::as_slice) {
        Some([file]) if file["outcome"] == "stamped" => file,
        _ => return Err(wrong()),
    };
    let (Some(time), Some(index)) = (file["time"].as_str(), file["index"].as_u64()) else { return Err(wrong()) };
    Ok(format!("stamped at {time}, entry {index} of the ledger"))
}

/// The sentence at the end of what `semper verify` says.
fn verdict(text: &str) -> Result<String, Trouble> {
    let last = text.trim_end().lines().last().filter(|line| !line.is_empty());
    last.map(str::to_owned).ok_or_else(|| Trouble::Wrong("`semper verify` said nothing".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn any_document_can_be_altered() {
        for bytes in [&b""[..], b"x", b"contract"] {
            let mut altered = bytes.to_vec();
            let at = alter(&mut altered);
            assert_ne!(altered, bytes);
            assert!(at < altered.len());
            let differ = altered.iter().zip(bytes).filter(|(a, b)| a != b).count();
            assert!(differ == 1 || bytes.is_empty());
        }
    }

    #[test]
    fn only_one_newly_stamped_file_is_a_success() {
        let file = json!({"outcome": "stamped", "time": "2026-11-21T05:14:13Z", "index": 9});
        let said = |files: Value| stamped(&json!({ "files": files }).to_string());
        assert_eq!(said(json!([file])).unwrap(), "stamped at 2026-11-21T05:14:13Z, entry 9 of the ledger");
        for files in [json!([]), json!([file, file]), json!([{"outcome": "already", "time": "", "index": 9}]), json!(1)]
        {
            assert!(said(files).is_err());
        }
        assert!(stamped("nonsense").is_err());
    }

    #[test]
    fn the_verdict_is_the_last_line() {
        assert_eq!(verdict("checks\n\nVERIFIED: it is.\n").unwrap(), "VERIFIED: it is.");
        assert!(verdict("\n").is_err());
    }

    /// The command lines of the story are ones that the parser takes.
    #[test]
    fn the_commands_parse() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::with_program(folder.path(), "/bin/true".into(), "semper".into()).unwrap();
        let document = PathBuf::from("documents/contract.txt");
        let story = Story::new(&house, folder.path(), &document);
        let mut args = story.verify_args(&document);
        args.insert(0, "semper".as_ref());
        let Command::Verify(verify) = Cli::parse_or_exit(args).unwrap().command else { panic!() };
        assert_eq!((verify.file, verify.token), (document.clone(), Some(story.token.clone())));
        assert_eq!(story.token, Path::new("evidence/contract.txt.tst"));
        let free = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        for mut args in [
            words(&["init", "--demo", "--data"], &[&story.data], &[]),
            words(&["serve", "--data"], &[&story.data], &free),
            words(&["stamp", "--json", "--url", "u", "--out"], &[&story.evidence, &document], &[]),
            words(&["prove", "--url", "u", "--token"], &[&story.token], &["--out", "o"]),
            words(&["fsck", "--full", "--data"], &[&story.data], &[]),
        ] {
            args.insert(0, "semper".as_ref());
            assert!(Cli::parse_or_exit(&args).is_ok(), "{args:?}");
        }
    }
}
