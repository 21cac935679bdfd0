//! What parties do.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_ttp::b64u::{B64u, B64u32};
use semper_ttp::crypto::Signer as _;
use semper_ttp::crypto::jose::{Algorithm, Key};
use semper_ttp::digest::Digest;
use semper_ttp::id::ActId;
use semper_ttp::notary::personal::{Opening, Personal};
use semper_ttp::notary::request::{ActRequest, RequestedDocument, Tag, Version};
use semper_ttp::statement::act::{DocumentRole, commitment};
use semper_ttp::statement::contract::ContractSigned;
use semper_ttp::statement::{Common, Origin, Salt, Statement, Unsigned};
use serde_json::{Map, Value, json};

use super::certify::{imprint_of, index_of};
use super::evidence::{Evidence, proof_of};
use super::journal::own_act;
use super::known::KnownNotary;
use super::words::details;
use super::{place, post, remote, told};
use crate::cli;
use crate::clock::now;
use crate::commands::remote::{Remote, json_of, text};
use crate::commands::running::{Failed, random};
use crate::commands::verify::files;
use crate::commands::{atomic, identity, say};
use crate::exit::Exit;

/// The .p12 by which a party logs in, in a folder of `semper party`.
pub(super) const PARTY: &str = "party-auth";

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failed> {
    std::fs::read(path).map_err(|error| Failed::usage(&format!("{}: {error}", path.display())))
}

pub(super) fn ask(args: &cli::NotaryAsk, as_json: bool) -> Result<Exit, Failed> {
    let contents: Vec<_> = args.files.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
    if args.titles.len() > args.files.len() {
        return Err(Failed::usage(&"there are more titles than documents"));
    }
    let personal = Personal {
        name: args.name.as_deref().map(opening).transpose()?,
        address: args.address.as_deref().map(opening).transpose()?,
        titles: args.titles.iter().map(|title| opening(title).map(Some)).collect::<Result<_, _>>()?,
    };
    let document = |(place, octets): (usize, &Vec<u8>)| -> Result<_, Failed> {
        Ok(RequestedDocument {
            sha256: B64u32::from(Digest::of(octets)),
            role: if place == 0 { DocumentRole::Original } else { DocumentRole::Attachment },
            title: committed(personal.titles.get(place).and_then(Option::as_ref))?,
            media_type: args.media_type.clone().filter(|_| place == 0),
        })
    };
    let request = ActRequest {
        t: Tag::Request,
        v: Version,
        salt: Salt(B64u(random()?)),
        kind: args.kind,
        documents: contents.iter().enumerate().map(document).collect::<Result<_, _>>()?,
        signers: args.signers.clone(),
        name: committed(personal.name.as_ref())?,
        address: committed(personal.address.as_ref())?,
        dvc: args.dvc.as_deref().map(|file| read(file).map(|dvc| Digest::of(&dvc).into())).transpose()?,
        correction_of: args.correction_of,
    };
    let mut body = Map::new();
    body.insert("act".to_owned(), serde_json::to_value(&request).map_err(|error| Failed::fault(&error))?);
    let opens = args.name.is_some() || args.address.is_some() || !args.titles.is_empty();
    if opens {
        body.insert("personal".to_owned(), serde_json::to_value(&personal).map_err(|error| Failed::fault(&error))?);
    }
    if args.send {
        let contents: Vec<_> = contents.iter().map(|octets| BASE64_STANDARD.encode(octets)).collect();
        body.insert("contents".to_owned(), contents.into());
    }
    let remote = remote(&args.of, PARTY)?;
    if args.send {
        let all = contents.iter().map(|octets| octets.len() as u64).sum();
        KnownNotary::of(&remote)?.require_room("the documents", all)?;
    }
    // Before there is an act whose record would not be written.
    args.out.as_deref().map(Evidence::require_new).transpose()?;
    // The member's octets within the body.
    let asked = body["act"].to_string().into_bytes();
    let opened = body.get("personal").map(|personal| personal.to_string().into_bytes());
    let act = post(&remote, "/v1/notary/acts", &Value::Object(body))?;
    if args.out.is_none() && act["record"].is_string() && !as_json {
        say::out(
            "  nothing of it is kept here: --out FILE writes its record, and the request, which nobody else keeps",
        );
    }
    if let (Some(out), Some(_), Some(name)) = (&args.out, act["record"].as_str(), act["act"].as_str()) {
        let evidence = Evidence::fetch(&remote, &format!("/v1/notary/acts/{name}"), out, false)?;
        evidence.with_request(out, asked, opened).keep()?;
    }
    Ok(told(&act, as_json))
}

/// A field under a salt of its own.
fn opening(value: &str) -> Result<Opening, Failed> {
    Ok(Opening { salt: Salt(B64u(random()?)), value: value.to_owned() })
}

fn committed(opening: Option<&Opening>) -> Result<Option<B64u32>, Failed> {
    let made = opening.map(|Opening { salt, value }| commitment(salt, value));
    made.transpose().map_err(|fault| Failed::fault(&fault))
}

fn get(remote: &Remote, act: ActId) -> Result<Value, Failed> {
    json_of(remote.call(async |client| client.get_json(&place(act, "")).await))
}

pub(super) fn show(args: &cli::NotaryShow, as_json: bool) -> Result<Exit, Failed> {
    let remote = remote(&args.of, PARTY)?;
    let mut act = get(&remote, args.act)?;
    // Whoever may read it decides by it. It may have been erased meanwhile.
    if let Some(path) = act["personal"].as_str().map(str::to_owned) {
        match json_of(remote.call(async |client| client.get_json(&path).await)) {
            Ok(personal) => act["opened"] = personal,
            Err(Failed(_, why)) => act["opened"] = json!({ "error": why }),
        }
    }
    let exit = told(&act, as_json);
    if !as_json {
        details(&act).into_iter().for_each(say::out);
    }
    Ok(exit)
}

pub(super) fn record(args: &cli::NotaryRecord, as_json: bool) -> Result<Exit, Failed> {
    let remote = remote(&args.of, PARTY)?;
    let act = get(&remote, args.act)?;
    // What it left is a certificate, if that is what it made.
    let evidence = match act["dvc"].as_str() {
        Some(dvc) => {
            let report = files::beside(&args.out, "dvc", "report.json");
            Evidence::of_dvc(&remote, dvc, &args.out)?.with_report(&remote, act["report"].as_str(), &report)?
        }
        None => Evidence::fetch(&remote, &place(args.act, ""), &args.out, args.all)?,
    };
    evidence.keep()?;
    evidence.tell(as_json);
    Ok(Exit::Ok)
}

pub(super) fn document(args: &cli::NotaryDocument, as_json: bool) -> Result<Exit, Failed> {
    let remote = remote(&args.of, PARTY)?;
    let act = match (args.act, &args.dvc) {
        (Some(act), _) => act,
        (None, Some(dvc)) => act_of_dvc(&remote, dvc)?,
        (None, None) => return Err(Failed::usage(&"name the act, or with --dvc the certificate")),
    };
    let path = place(act, &format!("/documents/{}", args.number));
    let octets =
        remote.call(async |client| client.get_of_type(&path, "application/octet-stream").await.map(Vec::from))?;
    let file = args.out.display().to_string();
    atomic::write_new_closed(&args.out, &octets).map_err(|error| Failed::usage(&format!("{file}: {error}")))?;
    let sha256 = Digest::of(&octets).to_string();
    if as_json {
        say::json(&json!({ "document": file, "octets": octets.len(), "sha256": sha256 }));
    } else {
        say::out(format!("{file}: {} octets, SHA-256 {sha256}", octets.len()));
    }
    Ok(Exit::Ok)
}

/// The caller's act that a data validation certificate in a file is of.
fn act_of_dvc(remote: &Remote, path: &Path) -> Result<ActId, Failed> {
    let bytes = read(path)?;
    let (proof, imprint) = (proof_of(remote, &bytes)?, imprint_of(&bytes));
    let act = own_act(remote, imprint, index_of(&proof)?)?;
    let act = act.and_then(|act| text(&act, "act").parse().ok());
    act.ok_or_else(|| Failed::usage(&format!("{}: it is of no act of yours", path.display())))
}

pub(super) fn withdraw(args: &cli::NotaryWithdraw, as_json: bool) -> Result<Exit, Failed> {
    // It was meant to end so.
    let _ = told(&post(&remote(&args.of, PARTY)?, &place(args.act, "/withdraw"), &json!({}))?, as_json);
    Ok(Exit::Ok)
}

/// The server's word about the document is not enough to sign it: the hash of the caller's file is what is signed.
pub(super) fn sign(args: &cli::NotarySign, as_json: bool) -> Result<Exit, Failed> {
    let document = read(&args.file)?;
    let (key, certificate) = identity::signer(&args.with, args.with_passphrase_file.as_deref(), "party-legal")?;
    if !certificate.commits() {
        let why =
            "this key logs in, and commits to nothing that it signs: name one that signs, such as party-legal.p12";
        return Err(Failed::usage(&format!("{}: {why}", args.with.display())));
    }
    let remote = remote(&args.of, PARTY)?;
    let service = json_of(remote.call(async |client| client.get_json("/.well-known/semper").await))?;
    let origin = Origin::new(service["ledger"]["origin"].as_str().unwrap_or_default());
    let origin = origin.ok_or_else(|| Failed::fault(&"the server names no origin"))?;
    let me = json_of(remote.call(async |client| client.get_json("/v1/me").await))?;
    let party = me["party"].as_str().and_then(|party| party.parse().ok());
    let party = party.ok_or_else(|| Failed::usage(&"the certificate of --identity is no party's"))?;
    let usage = |fault: &dyn std::fmt::Display| Failed::usage(&format!("{}: {fault}", args.with.display()));
    let thumbprint = Key::from_spki_der(key.spki_der()).map_err(|fault| usage(&fault))?.thumbprint();
    let algorithm = Algorithm::of_signer(key.algorithm()).ok_or_else(|| usage(&"signs no statements"))?;
    let body = ContractSigned {
        act: args.act,
        document: Digest::of(&document).into(),
        service: origin,
        party,
        key: thumbprint,
    };
    let common = Common { salt: Salt(B64u(random()?)), iat: now().into(), x: None, shown: None };
    let unsigned = Unsigned::new(&Statement { common, body }, algorithm, thumbprint).map_err(|fault| usage(&fault))?;
    let signature = key.sign_raw(unsigned.message()).map_err(|fault| Failed::fault(&fault))?;
    let statement = unsigned.finish(&signature).map_err(|fault| Failed::fault(&fault))?.bytes().to_vec();
    let (path, once) = (place(args.act, "/signatures"), hex::encode(random()?));
    let act = json_of(remote.call(async |client| client.post_jose(&path, &once, statement).await))?;
    Ok(told(&act, as_json))
}
