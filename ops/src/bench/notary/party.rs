//! A party that is registered by the program itself, as its users do it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use semper_api::tls::ClientIdentity;
use semper_ttp::crypto::Passphrase;
use serde_json::Value;

use super::Failed;

/// Registers a party at the service of a data folder, with a key for each profile; gives the one by which it logs in, which is the profile
/// `party-auth`. `dir` is for what it keeps.
///
/// # Errors
/// What a command said.
pub(in crate::bench) fn registered(
    data: &Path,
    https: SocketAddr,
    dir: &Path,
    profiles: &[&str],
) -> Result<ClientIdentity, Failed> {
    let (url, place) = (format!("https://{https}"), dir.display().to_string());
    let (trust, officer) = (data.join("trust"), data.join("people/officer.p12"));
    let (trust, officer) = (trust.display().to_string(), officer.display().to_string());
    let stranger = |args: &[&str]| semper(&[&["party"], args, &["--url", &url, "--trust", &trust]].concat());
    let by_officer = |args: &[&str]| semper(&[&["party"], args, &["--url", &url, "--identity", &officer]].concat());
    let terms = stranger(&["terms"])?;
    let mut apply = vec!["apply", "--dir", &place, "--accept-terms", of(&terms, "sha256")?];
    profiles.iter().for_each(|profile| apply.extend(["--profile", profile]));
    for attribute in
        ["country=FR", "organization=Bench", "organization_identifier=NTRFR-123456789", "common_name=Bench"]
    {
        apply.extend(["--subject", attribute]);
    }
    let applied = stranger(&apply)?;
    let id = of(&applied, "id")?;
    by_officer(&["identify", id, "--method", "register_extract", "--document", "register_extract,FR"])?;
    by_officer(&["approve", id])?;
    stranger(&["status", "--dir", &place])?;
    let passphrase = Passphrase::new(fs::read_to_string(dir.join("party-auth.passphrase"))?.trim_end().to_owned());
    Ok(ClientIdentity::from_p12(&fs::read(dir.join("party-auth.p12"))?, &passphrase)?)
}

fn semper(args: &[&str]) -> Result<Value, Failed> {
    let output = Command::new(std::env::current_exe()?).args(args).arg("--json").output()?;
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout)?);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failed(format!("semper {}: {}", args.join(" "), said.trim())))
}

fn of<'v>(told: &'v Value, name: &str) -> Result<&'v str, Failed> {
    told[name].as_str().ok_or_else(|| Failed(format!("no {name} in {told}")))
}
