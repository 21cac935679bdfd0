//! The record of an act with what is needed to verify it elsewhere, as files side by side: `X.jws`, `X.pem`, `X.tlog-proof`, where
//! something was validated `X.report.json`, and of all that the record names `X.request.json`, `X.personal.json` and the signers'
//! statements, `X.1.jws`, `X.2.jws`…

use std::fs;
use std::path::{Path, PathBuf};

use semper_api::client::{ClientError, Form, Which};
use semper_ttp::asn1::pem;
use semper_ttp::digest::Digest;
use semper_ttp::notary::personal::{Committed, Personal};
use semper_ttp::statement::Jws;
use semper_ttp::statement::act::ActRecorded;
use semper_ttp::x509::Certificate;
use serde_json::{Value, json};

use crate::commands::keys::require_new;
use crate::commands::remote::Remote;
use crate::commands::running::Failed;
use crate::commands::verify::files;
use crate::commands::{atomic, prove, say};

/// What was fetched, in the order in which it is written: nothing before all of it is there.
pub(super) struct Evidence {
    files: Vec<(&'static str, PathBuf, Vec<u8>)>,
    /// What the record names and is not among them, and why.
    left_out: Vec<(&'static str, &'static str)>,
}

impl Evidence {
    /// Fetches the record of an act at `place` (`/v1/notary/acts/…`) for the file `out`, with the notary's certificate, the proof
    /// and the report of a validation; with `all` also the request, unless only whoever asked has it, what opens its commitments, the
    /// signers' statements, and their certificates. What the record names by its hash is compared with that.
    pub(super) fn fetch(remote: &Remote, place: &str, out: &Path, all: bool) -> Result<Self, Failed> {
        let get = |what: &str, media_type| {
            let path = format!("{place}/{what}");
            remote.call(async |client| client.get_of_type(&path, media_type).await).map(Vec::from)
        };
        let bytes = get("record", "application/jose")?;
        let other = |fault: &dyn std::fmt::Display| Failed::fault(&format!("the server's record: {fault}"));
        let jws = Jws::parse(&bytes).map_err(|fault| other(&fault))?;
        let record = jws.payload_as::<ActRecorded>().map_err(|fault| other(&fault))?.body;
        let proof = proof_of(remote, &bytes)?;
        let chain = get("certificates", "application/pem-certificate-chain")?;
        let chain = chain_of(&chain, all).ok_or_else(|| Failed::fault(&"the server's certificates do not read"))?;
        let mut files = vec![
            ("record", out.to_owned(), bytes),
            ("certificates", beside(out, "pem"), chain),
            ("proof", beside(out, "tlog-proof"), proof),
        ];
        let mut left_out = Vec::new();
        // What may lawfully be missing: erased, or `not_there` for this reason.
        let mut optional = |what: &'static str, not_there: Option<&'static str>| match get(what, "application/json") {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ClientError::Refused { status: 410, .. }) => {
                left_out.push((what, "it was erased"));
                Ok(None)
            }
            Err(ClientError::Refused { status: 404, .. }) if not_there.is_some() => {
                left_out.extend(not_there.map(|why| (what, why)));
                Ok(None)
            }
            Err(error) => Err(error),
        };
        if let Some(digest) = record.validation_report
            && let Some(report) = optional("report", None)?
        {
            files.push(("report", beside(out, REPORT), named(report, digest.into())?));
        }
        if all {
            let at_once =
                "the act was certified at once: whoever asked has it, if kept with ask --out, and nobody else";
            if let Some(request) = optional("request", Some(at_once))? {
                files.push(("request", beside(out, REQUEST), named(request, record.request.into())?));
            }
            let committed = Committed::from(&record);
            let personal = match committed.is_empty() {
                true => None,
                false => optional("personal", Some("it is not kept, or not for you"))?,
            };
            if let Some(personal) = personal {
                Personal::parse(&personal, &committed)
                    .map_err(|fault| Failed::fault(&format!("what the server keeps about people: {fault}")))?;
                files.push(("personal", beside(out, PERSONAL), personal));
            }
            let signed = record.principals.iter().filter_map(|principal| principal.signature);
            for (number, digest) in (1..).zip(signed) {
                let statement = named(get(&format!("signatures/{number}"), "application/jose")?, digest.into())?;
                files.push(("signature", beside(out, &format!("{number}.jws")), statement));
            }
        }
        Ok(Self { files, left_out })
    }

    /// Nothing is there yet that would be written beside the record `out`, whatever the act.
    pub(super) fn require_new(out: &Path) -> Result<(), Failed> {
        let names = ["pem", "tlog-proof", REQUEST, PERSONAL, REPORT].map(|ending| beside(out, ending));
        std::iter::once(out).chain(names.iter().map(PathBuf::as_path)).try_for_each(require_new)
    }

    /// Whether it has this, or says why not.
    pub(super) fn tells_of(&self, what: &str) -> bool {
        self.files.iter().any(|(found, ..)| *found == what) || self.left_out.iter().any(|(found, _)| *found == what)
    }

    /// What it should have, and why it has not.
    pub(super) fn left_out(&self) -> impl Iterator<Item = &(&'static str, &'static str)> {
        self.left_out.iter()
    }

    /// With a report at this place, of which nothing says what its hash should be.
    pub(super) fn with_report(mut self, remote: &Remote, place: Option<&str>, out: &Path) -> Result<Self, Failed> {
        let Some(place) = place else { return Ok(self) };
        match remote.call(async |client| client.get_of_type(place, "application/json").await) {
            Ok(report) => self.files.push(("report", out.to_owned(), report.into())),
            Err(ClientError::Refused { status: 410, .. }) => self.left_out.push(("report", "it was erased")),
            Err(error) => return Err(error.into()),
        }
        Ok(self)
    }

    /// Fetches a data validation certificate at `place` for the file `out`, with its proof.
    pub(super) fn of_dvc(remote: &Remote, place: &str, out: &Path) -> Result<Self, Failed> {
        let bytes = remote.call(async |client| client.get_of_type(place, "application/dvcs").await).map(Vec::from)?;
        let proof = proof_of(remote, &bytes)?;
        let files =
            vec![("certificate", out.to_owned(), bytes), ("proof", files::beside(out, "dvc", "tlog-proof"), proof)];
        Ok(Self { files, left_out: Vec::new() })
    }

    /// The request as it was sent, which nobody else has of an act that is certified at once, and what opens its commitments.
    pub(super) fn with_request(mut self, out: &Path, request: Vec<u8>, personal: Option<Vec<u8>>) -> Self {
        self.files.push(("request", beside(out, REQUEST), request));
        self.files.extend(personal.map(|personal| ("personal", beside(out, PERSONAL), personal)));
        self
    }

    /// Writes all of it, over nothing that is there and differs; gives how many files that are.
    pub(super) fn keep(&self) -> Result<usize, Failed> {
        // All of it or nothing: half a set would look like one.
        for (_, path, bytes) in &self.files {
            if fs::read(path).is_ok_and(|there| there != *bytes) {
                return Err(Failed::usage(&format!(
                    "{}: it is there, and differs: name another --out",
                    path.display()
                )));
            }
        }
        for (what, path, bytes) in &self.files {
            let names_people = matches!(*what, "personal" | "report");
            let write = if names_people { atomic::write_new_closed } else { atomic::write_new };
            write(path, bytes).map_err(|error| Failed::usage(&format!("{}: {error}", path.display())))?;
        }
        Ok(self.files.len())
    }

    /// Tells what was written.
    pub(super) fn tell(&self, as_json: bool) {
        if !as_json {
            self.files.iter().for_each(|(what, path, _)| say::out(format!("{what:<13}{}", path.display())));
            self.left_out.iter().for_each(|(what, why)| say::out(format!("{what:<13}not there: {why}")));
            return;
        }
        let mut told = json!({});
        for (what, path, _) in &self.files {
            let path = Value::from(path.display().to_string());
            match *what {
                "signature" => match told["signatures"].as_array_mut() {
                    Some(paths) => paths.push(path),
                    None => told["signatures"] = json!([path]),
                },
                what => told[what] = path,
            }
        }
        for (what, why) in &self.left_out {
            told["left_out"][*what] = Value::from(*why);
        }
        say::json(&told);
    }
}

/// The proof that the ledger has it.
pub(super) fn proof_of(remote: &Remote, artefact: &[u8]) -> Result<Vec<u8>, Failed> {
    let which = Which::Digest(Digest::of(artefact));
    let proof = remote.call(async |client| client.inclusion(which, Form::TlogProof).await.map(Vec::from))?;
    prove::check(&proof, which, false).map_err(|why| Failed::fault(&format!("the server's proof: {why}")))?;
    Ok(proof)
}

const REQUEST: &str = "request.json";
const REPORT: &str = "report.json";
const PERSONAL: &str = "personal.json";

/// `X.ending` for `X.jws`, where `semper verify` looks for it.
fn beside(out: &Path, ending: &str) -> PathBuf {
    files::beside(out, "jws", ending)
}

/// The certificates that a server sent; of them the notary's and its issuer's, unless `all` are wanted.
fn chain_of(text: &[u8], all: bool) -> Option<Vec<u8>> {
    let blocks = pem::decode("CERTIFICATE", std::str::from_utf8(text).ok()?)?;
    let certificates = blocks.iter().map(|der| Certificate::from_der(der).ok()).collect::<Option<Vec<_>>>()?;
    let (notary, others) = certificates.split_first()?;
    let is_wanted = |one: &&Certificate| all || one.subject() == notary.issuer();
    let wanted = std::iter::once(notary).chain(others.iter().filter(is_wanted));
    Some(wanted.map(|one| pem::encode("CERTIFICATE", one.der())).collect::<String>().into_bytes())
}

fn named(bytes: Vec<u8>, digest: Digest) -> Result<Vec<u8>, Failed> {
    let same = Digest::of(&bytes) == digest;
    same.then_some(bytes).ok_or_else(|| Failed::fault(&"the server sent something else than the record names"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_side_by_side() {
        for (out, ending, expected) in [
            ("a/deed.jws", "pem", "a/deed.pem"),
            ("a/deed.act.jws", "tlog-proof", "a/deed.act.tlog-proof"),
            ("deed.jws", "1.jws", "deed.1.jws"),
            ("a/deed", REQUEST, "a/deed.request.json"),
        ] {
            assert_eq!(beside(Path::new(out), ending), Path::new(expected));
        }
    }

    #[test]
    fn what_is_not_what_the_record_names_is_not_kept() {
        assert!(named(b"a".to_vec(), Digest::of(b"a")).is_ok() && named(b"a".to_vec(), Digest::of(b"b")).is_err());
        assert_eq!(chain_of(b"", true), None);
        assert_eq!(chain_of(pem::encode("CERTIFICATE", b"no certificate").as_bytes(), true), None);
    }
}
