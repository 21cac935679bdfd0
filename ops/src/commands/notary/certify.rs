//! A data validation certificate, asked for as RFC 3029 has it.

use std::path::Path;

use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_ttp::asn1::Imprint;
use semper_ttp::cms::SignedData;
use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::notary::dvcs::request::build_under;
use semper_ttp::notary::dvcs::types::{CertInfo, DvcsTime, Response};
use semper_ttp::notary::dvcs::{Asked, ServiceType};
use semper_ttp::path::Certificate;
use serde_json::json;

use super::evidence::proof_of;
use super::journal::own_act;
use super::known::KnownNotary;
use super::party::{PARTY, read};
use super::remote;
use crate::cli;
use crate::commands::keys::require_new;
use crate::commands::running::{Failed, random};
use crate::commands::verify::files::beside;
use crate::commands::verify::signatures::may_carry_some;
use crate::commands::{atomic, hashing, pem_file, say};
use crate::exit::Exit;

const MEDIA_TYPE: &str = "application/dvcs";

pub(super) fn certify(args: &cli::NotaryCertify, as_json: bool) -> Result<Exit, Failed> {
    // Before there is an act that they are to tell of.
    let files = ["tlog-proof", "dvcs"].map(|ending| beside(&args.out, "dvc", ending));
    files.iter().chain([&args.out]).chain(&args.token_out).try_for_each(|file| require_new(file))?;
    let token_proof = args.token_out.as_ref().map(|token| token.with_extension("tlog-proof"));
    if let (Some(token), Some(proof)) = (&args.token_out, &token_proof) {
        if *token == args.out || files.contains(proof) {
            return Err(Failed::usage(&"--token-out: the token needs a name of its own, as its proof lies beside it"));
        }
        require_new(proof)?;
    }
    let remote = remote(&args.of, PARTY)?;
    let known = KnownNotary::of(&remote)?;
    if args.token_out.is_some() {
        known.require_token(args.policy.as_ref())?;
    }
    let request = build_under(&asked(args, &known)?, Some(&random()?), args.policy.as_ref());
    let body = request.clone();
    let answer = remote.call(async |client| client.post_of_type("/dvcs", MEDIA_TYPE, body).await.map(Vec::from))?;
    if let Some(Response::ErrorNote { status, .. }) = Response::bare(&answer) {
        return Err(Failed::usage(&format!("the notary did not take it up: {}", status.text())));
    }
    let unreadable = || Failed::fault(&"the server's answer is no data validation certificate");
    let said = information(&answer).ok_or_else(unreadable)?;

    let proof = proof_of(&remote, &answer)?;
    write(&args.out, &answer)?;
    write(&beside(&args.out, "dvc", "tlog-proof"), &proof)?;
    write(&beside(&args.out, "dvc", "dvcs"), &request)?;
    match (&args.token_out, &said.time) {
        (Some(out), DvcsTime::Token(token)) => {
            write(out, token)?;
            token_proof.iter().try_for_each(|path| write(path, &proof_of(&remote, token)?))?;
        }
        (Some(_), DvcsTime::Moment(_)) => {
            return Err(Failed::usage(&"no token tells the time: ask for another --policy"));
        }
        (None, _) => {}
    }
    let refusal = said.status.as_ref().filter(|status| !status.is_granted()).map(|status| status.text());
    // It is there, and in the ledger; that nobody tells its act's name is no reason to say anything else.
    let act = own_act(&remote, imprint_in(&said), index_of(&proof)?).ok().flatten().unwrap_or_default();
    let (service, file) = (args.service.name(), args.out.display().to_string());
    if as_json {
        say::json(&json!({
            "dvc": file, "service": service, "granted": refusal.is_none(), "why": refusal,
            "act": act["act"], "journal_no": act["journal_no"],
        }));
    } else {
        let outcome = refusal.as_ref().map_or_else(|| "granted".to_owned(), |why| format!("NOT GRANTED: {why}"));
        say::out(format!("{file}: {service}, {outcome}"));
        if let (Some(name), Some(number)) = (act["act"].as_str(), act["journal_no"].as_u64()) {
            say::out(format!("  it is the act {name}, No. {number}"));
        }
    }
    Ok(if refusal.is_none() { Exit::Ok } else { Exit::Falsified })
}

/// SHA-256 of what a data validation certificate is about, if it has that.
fn imprint_in(said: &CertInfo) -> Option<Digest> {
    let is_sha256 = said.imprint.algorithm == ImprintAlgorithm::Sha256;
    <[u8; 32]>::try_from(said.imprint.digest.as_slice()).ok().filter(|_| is_sha256).map(Digest)
}

/// The same of one in a file.
pub(super) fn imprint_of(dvc: &[u8]) -> Option<Digest> {
    imprint_in(&information(dvc)?)
}

/// What a data validation certificate says; a notice is none.
fn information(dvc: &[u8]) -> Option<CertInfo> {
    match Response::parse(SignedData::from_der(dvc)?.attached()?).ok()? {
        Response::CertInfo(said) => Some(*said),
        Response::ErrorNote { .. } => None,
    }
}

/// The entry that a proof is of.
pub(super) fn index_of(proof: &[u8]) -> Result<u64, Failed> {
    let unreadable = || Failed::fault(&"the server's proof does not read");
    let text = std::str::from_utf8(proof).map_err(|_| unreadable())?;
    TlogProof::parse(text).map(|proof| proof.index).map_err(|_| unreadable())
}

fn asked(args: &cli::NotaryCertify, known: &KnownNotary) -> Result<Asked, Failed> {
    let refused = |why: &dyn std::fmt::Display| Failed::usage(&format!("{}: {why}", args.file.display()));
    Ok(match args.service {
        ServiceType::Ccpd => {
            let digest =
                hashing::imprint_of_file(&args.file, ImprintAlgorithm::Sha256).map_err(|error| refused(&error))?;
            Asked::Claim(Imprint { algorithm: ImprintAlgorithm::Sha256, null_parameters: false, digest })
        }
        ServiceType::Vpkc => {
            let certificates = pem_file::certificates_of(&args.file)?;
            for der in &certificates {
                Certificate::from_der(der).map_err(|fault| refused(&format!("no certificate: {fault}")))?;
            }
            Asked::certificates(&certificates.iter().map(Vec::as_slice).collect::<Vec<_>>())
        }
        service @ (ServiceType::Cpd | ServiceType::Vsd) => {
            let length = std::fs::metadata(&args.file).map_err(|error| refused(&error))?.len();
            known.require_room(args.file.display(), length)?;
            if service == ServiceType::Vsd && !may_carry_some(&args.file) {
                return Err(refused(&"no signed document: neither PDF, CMS nor JWS"));
            }
            let octets = read(&args.file)?;
            if service == ServiceType::Cpd { Asked::Possession(octets) } else { Asked::SignedDocument(octets) }
        }
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    atomic::write_new(path, bytes).map_err(|error| Failed::usage(&format!("{}: {error}", path.display())))
}
