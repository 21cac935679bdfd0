//! A data validation certificate, asked for as RFC 3029 has it.

use std::path::Path;

use semper_api::client::{Form, Which};
use semper_ttp::asn1::Imprint;
use semper_ttp::cms::SignedData;
use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::notary::dvcs::request::build_under;
use semper_ttp::notary::dvcs::types::{DvcsTime, Response};
use semper_ttp::notary::dvcs::{Asked, ServiceType};
use serde_json::json;

use super::party::{PARTY, read};
use super::{DOCUMENT_BYTES_MAX, remote};
use crate::cli;
use crate::commands::keys::require_new;
use crate::commands::running::{Failed, random};
use crate::commands::verify::files::beside;
use crate::commands::{atomic, hashing, pem_file, prove, say};
use crate::exit::Exit;

const MEDIA_TYPE: &str = "application/dvcs";

pub(super) fn certify(args: &cli::NotaryCertify, as_json: bool) -> Result<Exit, Failed> {
    for file in [Some(&args.out), args.token_out.as_ref()].into_iter().flatten() {
        require_new(file)?; // before there is an act that it is to tell of
    }
    let request = build_under(&asked(args)?, Some(&random()?), args.policy.as_ref());
    let remote = remote(&args.of, PARTY)?;
    let body = request.clone();
    let answer = remote.call(async |client| client.post_of_type("/dvcs", MEDIA_TYPE, body).await.map(Vec::from))?;
    if let Some(Response::ErrorNote { status, .. }) = Response::bare(&answer) {
        return Err(Failed::usage(&format!("the notary did not take it up: {}", status.text())));
    }
    let unreadable = || Failed::fault(&"the server's answer is no data validation certificate");
    let content = SignedData::from_der(&answer).and_then(|data| data.attached().map(<[u8]>::to_vec));
    let said = content.as_deref().map(Response::parse).and_then(Result::ok).ok_or_else(unreadable)?;
    let Response::CertInfo(said) = said else { return Err(unreadable()) };

    let which = Which::Digest(Digest::of(&answer));
    let proof = remote.call(async |client| client.inclusion(which, Form::TlogProof).await.map(Vec::from))?;
    prove::check(&proof, which, false).map_err(|why| Failed::fault(&format!("the server's proof: {why}")))?;
    write(&args.out, &answer)?;
    write(&beside(&args.out, "dvc", "tlog-proof"), &proof)?;
    write(&beside(&args.out, "dvc", "dvcs"), &request)?;
    match (&args.token_out, &said.time) {
        (Some(out), DvcsTime::Token(token)) => write(out, token)?,
        (Some(_), DvcsTime::Moment(_)) => {
            return Err(Failed::usage(&"no token tells the time: ask for another --policy"));
        }
        (None, _) => {}
    }
    let refusal = said.status.filter(|status| !status.is_granted()).map(|status| status.text());
    let (service, file) = (args.service.name(), args.out.display().to_string());
    if as_json {
        say::json(&json!({ "dvc": file, "service": service, "granted": refusal.is_none(), "why": refusal }));
    } else {
        let outcome = refusal.as_ref().map_or_else(|| "granted".to_owned(), |why| format!("NOT GRANTED: {why}"));
        say::out(format!("{file}: {service}, {outcome}"));
    }
    Ok(if refusal.is_none() { Exit::Ok } else { Exit::Falsified })
}

fn asked(args: &cli::NotaryCertify) -> Result<Asked, Failed> {
    let refused = |error: std::io::Error| Failed::usage(&format!("{}: {error}", args.file.display()));
    Ok(match args.service {
        ServiceType::Ccpd => {
            let digest = hashing::imprint_of_file(&args.file, ImprintAlgorithm::Sha256).map_err(refused)?;
            Asked::Claim(Imprint { algorithm: ImprintAlgorithm::Sha256, null_parameters: false, digest })
        }
        ServiceType::Vpkc => {
            let certificates = pem_file::certificates_of(&args.file)?;
            Asked::certificates(&certificates.iter().map(Vec::as_slice).collect::<Vec<_>>())
        }
        service @ (ServiceType::Cpd | ServiceType::Vsd) => {
            let length = std::fs::metadata(&args.file).map_err(refused)?.len();
            if length > DOCUMENT_BYTES_MAX as u64 {
                return Err(Failed::usage(&format!("{}: no server takes more than 15 MiB", args.file.display())));
            }
            let octets = read(&args.file)?;
            if service == ServiceType::Cpd { Asked::Possession(octets) } else { Asked::SignedDocument(octets) }
        }
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    atomic::write_new(path, bytes).map_err(|error| Failed::usage(&format!("{}: {error}", path.display())))
}
