//! `semper exchange accuse`: looks through what somebody holds of runs for what convicts their arbiter, and writes each proof into a file that
//! anybody can judge. Asks nobody.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use semper_ledger::disk;
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_ttp::account::{Anchors, Held, Item, Kind, Proof};
use semper_ttp::asn1::pem;
use semper_ttp::crypto::jose::Key;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::policy::ExchangePolicy;
use semper_ttp::statement::exchange::asw_r::M1;
use semper_ttp::statement::exchange::cd_r::D1;
use semper_ttp::statement::exchange::erds::ErdsEvidence;
use semper_ttp::statement::exchange::inline::{I1, Nrs};
use semper_ttp::statement::exchange::pg::GoodsOrder;
use semper_ttp::statement::exchange::pr::PaymentOffer;
use semper_ttp::statement::exchange::verdict::{Answer, Receipt, Status, Verdict};
use semper_ttp::statement::{Body as _, Jws, STATEMENT_BYTES_MAX};
use semper_ttp::x509::Certificate;
use serde_json::json;

use crate::cli;
use crate::commands::atomic;
use crate::commands::running::Failed;
use crate::commands::say;
use crate::commands::verify::files::read_trust;
use crate::exit::Exit;

/// The longest file that is looked at, octets: a verdict with all that it embeds.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Files of one folder that are looked at.
const FILES_MAX: usize = 4_096;

pub(super) fn accuse(args: &cli::ExchangeAccuse, as_json: bool) -> Result<Exit, Failed> {
    let mut held = Material::default();
    for path in &args.paths {
        held.read(path)?;
    }
    let (trust, _) = read_trust(&args.trust).map_err(|fault| Failed::usage(&format!("--trust: {fault}")))?;
    let origin = trust.log_keys().first().map(|key| key.name().to_owned());
    let origin = origin.ok_or_else(|| Failed::usage(&"--trust: it holds no key of a ledger"))?;
    let anchors = Anchors { log_keys: trust.log_keys(), trust: Some(&trust) };
    let found = Held { against: &origin, items: &held.exhibits() }.proofs(&anchors);
    let written = found.iter().map(|proof| write(&args.out, proof)).collect::<Result<Vec<_>, _>>()?;
    tell(&held, &origin, &found, &written, as_json);
    Ok(if found.is_empty() { Exit::Falsified } else { Exit::Ok })
}

fn write(folder: &Path, proof: &Proof) -> Result<PathBuf, Failed> {
    let text = proof.to_json();
    let name = format!("{}-{}.pom.json", proof.kind.name(), &Digest::of(text.as_bytes()).to_string()[..16]);
    let path = folder.join(name);
    if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(path); // found before
    }
    fs::create_dir_all(folder).map_err(|error| Failed::usage(&format!("{}: {error}", folder.display())))?;
    atomic::write_new(&path, text.as_bytes())
        .map_err(|error| Failed::usage(&format!("{}: {error}", path.display())))?;
    Ok(path)
}

fn tell(held: &Material, origin: &str, found: &[Proof], written: &[PathBuf], as_json: bool) {
    if as_json {
        let proofs = found.iter().zip(written);
        let proofs = proofs.map(|(proof, path)| json!({ "kind": proof.kind.name(), "file": path.to_string_lossy() }));
        say::json(&json!({
            "against": origin,
            "statements": held.statements,
            "proofs": proofs.collect::<Vec<_>>(),
            "found": !found.is_empty(),
        }));
        return;
    }
    say::out(format!("Against     the arbiter of {origin}"));
    say::out(format!("Looked at   {} statements of arbiter and parties, with what lies beside them", held.statements));
    for (proof, path) in found.iter().zip(written) {
        say::out(format!("{:<12}{}", kind_in_words(proof.kind), path.display()));
    }
    say::out(match found.len() {
        0 => "\nNOTHING FOUND: nothing that is here convicts the arbiter.".to_owned(),
        1 => "\nFOUND: one proof. Anybody can judge it with semper verify; send it to /v1/accountability/proofs."
            .to_owned(),
        many => format!(
            "\nFOUND: {many} proofs. Anybody can judge them with semper verify; send them to /v1/accountability/proofs."
        ),
    });
}

const fn kind_in_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Equivocation => "Two words",
        Kind::Omission => "Not logged",
        Kind::SplitView => "Two views",
        Kind::BrokenRule => "Rule broken",
        Kind::Time => "False time",
        Kind::NoAnswer => "No answer",
        Kind::Rollback => "Rolled back",
    }
}

/// What somebody holds, each thing once.
#[derive(Default)]
struct Material {
    items: Vec<Item>,
    seen: BTreeSet<Digest>,
    statements: usize,
}

impl Material {
    fn read(&mut self, path: &Path) -> Result<(), Failed> {
        let io = |error: std::io::Error| Failed::usage(&format!("{}: {error}", path.display()));
        if !path.is_dir() {
            return self.read_file(path);
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(io)? {
            let file = entry.map_err(io)?.path();
            if file.is_file() {
                files.push(file);
            }
            if files.len() > FILES_MAX {
                return Err(Failed::usage(&format!("{}: more than {FILES_MAX} files", path.display())));
            }
        }
        files.sort();
        files.iter().try_for_each(|file| self.read_file(file))
    }

    /// What is laid before the judge: entries, and absences that they tell of, only with the first entry of the log, without which nobody
    /// knows what its entries mean.
    fn exhibits(&self) -> Vec<Item> {
        let is_genesis = |item: &Item| matches!(item, Item::Entry(proof) if proof.index == 0);
        let has_genesis = self.items.iter().any(is_genesis);
        let means_something = |item: &&Item| has_genesis || !matches!(item, Item::Entry(_) | Item::Fact(_));
        let mut items: Vec<_> = self.items.iter().filter(means_something).cloned().collect();
        items.sort_by_key(|item| !is_genesis(item));
        items
    }

    /// A file that is none of these things is passed over: beside evidence lies much else.
    fn read_file(&mut self, path: &Path) -> Result<(), Failed> {
        let bytes = disk::read_at_most(path, FILE_BYTES_MAX).map_err(|error| Failed::usage(&error))?;
        let Some(bytes) = bytes.filter(|bytes| bytes.len() <= FILE_BYTES_MAX) else { return Ok(()) };
        if !self.seen.insert(Digest::of(&bytes)) {
            return Ok(());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".fact") {
            self.items.push(Item::Fact(bytes));
        } else if let Some(jws) = statement(&bytes) {
            self.statements += 1;
            self.items.push(Item::Statement(jws.bytes().to_vec()));
        } else if let Some(proof) = std::str::from_utf8(&bytes).ok().and_then(|text| TlogProof::parse(text).ok()) {
            self.items.push(Item::Entry(proof));
        } else if ExchangePolicy::parse(&bytes).is_ok() {
            self.items.push(Item::Policy(bytes));
        } else if let Some(blocks) = std::str::from_utf8(&bytes).ok().and_then(|text| pem::decode("CERTIFICATE", text))
        {
            for der in blocks {
                // One of a key that signs no statements is nobody's here.
                let signs = Certificate::from_der(&der).is_ok_and(|of| Key::from_spki_der(&of.spki_der()).is_ok());
                if signs && self.seen.insert(Digest::of(&der)) {
                    self.items.push(Item::Certificate(der));
                }
            }
        }
        Ok(())
    }
}

/// A statement of the arbiter's, or the first of a run: no other is an exhibit against it.
fn statement(bytes: &[u8]) -> Option<Jws> {
    const EXHIBITS: [&str; 11] = [
        Verdict::TAG,
        Answer::TAG,
        Status::TAG,
        Receipt::TAG,
        Nrs::TAG,
        ErdsEvidence::TAG,
        M1::TAG,
        D1::TAG,
        I1::TAG,
        GoodsOrder::TAG,
        PaymentOffer::TAG,
    ];
    let text = bytes.trim_ascii();
    let jws = Jws::parse(text).ok().filter(|_| text.len() <= STATEMENT_BYTES_MAX);
    jws.filter(|jws| EXHIBITS.contains(&jws.tag()))
}
