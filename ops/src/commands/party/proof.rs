//! `semper party proof`: what a certificate's status was at a moment, with everything that proves it, kept in a folder and judged
//! from there as anybody would who has the folder and the trust anchors.
//!
//! ```text
//! DIR/ certificate.cer, issuer.cer         DER
//!      issued.tlog-proof                   the entry of its issue
//!      list-before.crl, .tlog-proof        the newest list that was made until then, with its entry
//!      list-after.crl, .tlog-proof         the first one after it: it tells
//!      revoked.tlog-proof                  the entry of its revocation, if it was revoked by then
//! ```

use std::path::Path;
use std::time::{Duration, Instant};

use semper_api::client::{Form, Which};
use semper_ttp::time::Timestamp;
use semper_ttp::verify::{Logged, StatusDoubt, StatusEvidence, StatusThen, Trust, status_at};
use semper_ttp::x509::Certificate;
use serde_json::{Value, json};

use super::applicant::remote;
use crate::cli;
use crate::clock::now;
use crate::commands::atomic;
use crate::commands::pem_file::{certificates_of, read_certificate};
use crate::commands::remote::{Remote, json_of, text};
use crate::commands::running::Failed;
use crate::commands::say;
use crate::commands::verify::files::{read as read_file, read_trust};
use crate::data::make_folder;
use crate::exit::Exit;

/// How often it is asked whether there is a list that tells.
const ASK_AGAIN: Duration = Duration::from_millis(500);

const CERTIFICATE: &str = "certificate.cer";
const ISSUER: &str = "issuer.cer";
const ISSUED: &str = "issued.tlog-proof";
const REVOKED: &str = "revoked.tlog-proof";
/// The member of the server's answer, and the name of the files.
const LISTS: [(&str, &str); 2] = [("before", "list-before"), ("after", "list-after")];

pub(super) fn proof(args: &cli::PartyProof, as_json: bool) -> Result<Exit, Failed> {
    let trust = read_trust(&args.of.trust).map_err(|fault| Failed::usage(&fault))?.0;
    if !args.dir.is_dir() {
        make_folder(&args.dir, 0o755).map_err(|error| Failed::usage(&error))?;
    }
    let at = moment(args.at.as_deref())?;
    let until = Instant::now() + Duration::from_secs(args.wait_secs);
    let judged = loop {
        if !args.offline {
            fetch(args, at)?;
        }
        let judged = judge(&args.dir, at, &trust)?;
        let is_over = args.offline || Instant::now() + ASK_AGAIN >= until;
        if judged != Err(StatusDoubt::NoList) || is_over {
            break judged;
        }
        std::thread::sleep(ASK_AGAIN);
    };
    let (status, exit, words) = in_words(&judged, at);
    if as_json {
        let (since, reason) = match &judged {
            Ok(StatusThen::Revoked { at, reason }) => (Some(*at), reason.as_ref().map(|reason| format!("{reason:?}"))),
            _ => (None, None),
        };
        say::json(
            &json!({ "at": at, "status": status, "since": since, "reason": reason, "said": words, "dir": args.dir }),
        );
    } else {
        say::out(words);
    }
    Ok(exit)
}

fn in_words(judged: &Result<StatusThen, StatusDoubt>, at: Timestamp) -> (&'static str, Exit, String) {
    match judged {
        Ok(StatusThen::Good) => ("good", Exit::Ok, format!("PROVEN: at {at} the certificate was good")),
        Ok(StatusThen::NotYetValid) => {
            ("not_yet_valid", Exit::Ok, format!("PROVEN: at {at} the certificate was not valid yet"))
        }
        Ok(StatusThen::Expired) => ("expired", Exit::Ok, format!("PROVEN: at {at} the certificate had expired")),
        Ok(StatusThen::Revoked { at: since, .. }) => {
            ("revoked", Exit::Ok, format!("PROVEN: at {at} the certificate was revoked, since {since}"))
        }
        Err(doubt) => ("undecided", Exit::Undecided, format!("NOT PROVEN: {doubt}")),
    }
}

fn moment(text: Option<&str>) -> Result<Timestamp, Failed> {
    match text {
        None => Ok(now()),
        Some(text) => Timestamp::from_rfc3339(text)
            .ok_or_else(|| Failed::usage(&"--at is a time such as 2026-03-01T12:00:00Z (RFC 3339)")),
    }
}

/// Asks for everything, and keeps it. Nothing is believed here.
fn fetch(args: &cli::PartyProof, at: Timestamp) -> Result<(), Failed> {
    let path = args.certificate.as_ref().ok_or_else(|| Failed::usage(&"--certificate is needed to ask about it"))?;
    let certificate = first_certificate(path)?;
    let remote = remote(&args.of)?;
    let serial = hex::encode(certificate.serial());
    let issuer = args.issuer.as_ref().map(|issuer| format!("&issuer={issuer}")).unwrap_or_default();
    let query = format!("/v1/certificates/{serial}/status?at={at}{issuer}");
    let status = json_of(remote.call(async |client| client.get_json(&query).await))?;
    let keep = |name: &str, bytes: &[u8]| {
        let path = args.dir.join(name);
        // A later question gets later proofs of the same.
        atomic::replace(&path, bytes).map_err(|error| Failed::usage(&format!("{}: {error}", path.display())))
    };
    let kept = args.dir.join(CERTIFICATE);
    if std::fs::read(&kept).is_ok_and(|kept| kept != certificate.der()) {
        let why = "holds the proof of another certificate, which stays: name another --dir";
        return Err(Failed::usage(&format!("{}: {why}", args.dir.display())));
    }
    keep(CERTIFICATE, certificate.der())?;
    let issuer = remote.call(async |client| client.get(&format!("/ca/{}.cer", text(&status, "issuer"))).await);
    keep(ISSUER, &issuer?)?;
    keep(ISSUED, &proof_of(&remote, &status["issued"])?)?;
    for (member, name) in LISTS {
        let list = &status["lists"][member];
        let Some(place) = list["crl"].as_str() else { continue };
        let crl = remote.call(async |client| client.get(place).await)?;
        keep(&format!("{name}.crl"), &crl)?;
        keep(&format!("{name}.tlog-proof"), &proof_of(&remote, &list["entry"])?)?;
    }
    if status["revoked"].is_object() {
        keep(REVOKED, &proof_of(&remote, &status["revoked"]["entry"])?)?;
    }
    Ok(())
}

fn proof_of(remote: &Remote, entry: &Value) -> Result<Vec<u8>, Failed> {
    let index = entry["index"].as_u64().ok_or_else(|| Failed::fault(&"the server's answer names no entry"))?;
    let proof = remote.call(async |client| client.inclusion(Which::Index(index), Form::TlogProof).await);
    Ok(proof?.into())
}

/// The first of a file, which may hold its chain, too.
fn first_certificate(path: &Path) -> Result<Certificate, Failed> {
    let der = certificates_of(path)?.into_iter().next().unwrap_or_default();
    read_certificate(path, &der)
}

/// What the files prove.
fn judge(dir: &Path, at: Timestamp, trust: &Trust) -> Result<Result<StatusThen, StatusDoubt>, Failed> {
    let read = |name: &str| read_file(&dir.join(name)).map_err(|fault| Failed::usage(&fault));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (certificate, issuer, issued) = (read(CERTIFICATE)?, read(ISSUER)?, text(read(ISSUED)?));
    let mut kept = Vec::new();
    for (_, name) in LISTS {
        if dir.join(format!("{name}.crl")).exists() {
            kept.push((read(&format!("{name}.crl"))?, text(read(&format!("{name}.tlog-proof"))?)));
        }
    }
    let revoked = if dir.join(REVOKED).exists() { Some(text(read(REVOKED)?)) } else { None };
    let evidence = StatusEvidence {
        certificate: Logged { bytes: &certificate, proof: &issued },
        issuer: &issuer,
        lists: kept.iter().map(|(bytes, proof)| Logged { bytes, proof }).collect(),
        revoked: revoked.as_deref(),
    };
    Ok(status_at(&evidence, at, trust))
}
