//! The officers' commands.

use std::time::Duration;

use semper_ttp::b64u::B64u;
use semper_ttp::ca::bulk::Filter;
use semper_ttp::registration::document::{IdentityRecord, SeenDocument};
use semper_ttp::statement::Salt;
use serde_json::{Value, json};

use super::line_of;
use crate::cli;
use crate::clock;
use crate::commands::remote::{as_person, json_of, text};
use crate::commands::running::{Failed, random};
use crate::commands::say;
use crate::exit::Exit;

/// How often it is asked what became of an order.
const ASK_AGAIN: Duration = Duration::from_millis(200);

const OFFICER: &str = "officer";

fn get(of: &cli::OfService, path: &str) -> Result<Value, Failed> {
    json_of(as_person(of, OFFICER)?.call(async |client| client.get_json(path).await))
}

fn post(of: &cli::OfService, path: &str, body: &Value) -> Result<Value, Failed> {
    let key = hex::encode(random()?);
    json_of(
        as_person(of, OFFICER)?.call(async |client| client.post_json(path, &key, body.to_string().into_bytes()).await),
    )
}

fn told(answer: &Value, as_json: bool, line: impl Fn(&Value) -> String) -> Result<Exit, Failed> {
    if as_json {
        say::json(answer);
    } else {
        say::out(line(answer));
    }
    Ok(Exit::Ok)
}

/// All pages of a list.
fn all(of: &cli::OfService, path: &str, name: &str) -> Result<Vec<Value>, Failed> {
    let (remote, mut found, mut after) = (as_person(of, OFFICER)?, Vec::new(), None::<String>);
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = after.map_or_else(|| path.to_owned(), |after| format!("{path}{separator}after={after}"));
        let answer = json_of(remote.call(async |client| client.get_json(&page).await))?;
        found.extend(answer[name].as_array().cloned().unwrap_or_default());
        match answer["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(found),
        }
    }
}

pub(super) fn pending(args: &cli::PartyPending, as_json: bool) -> Result<Exit, Failed> {
    let found = all(&args.of, "/v1/registrations", "registrations")?;
    if as_json {
        say::json(&json!({ "registrations": found }));
    } else {
        found.iter().for_each(|registration| say::out(line_of(registration)));
    }
    Ok(Exit::Ok)
}

/// For people line by line; with `--json` as it was received, so that its digest is the one in the ledger.
pub(super) fn read(args: &cli::PartyRead, as_json: bool) -> Result<Exit, Failed> {
    let what = if args.record { "identity" } else { "application" };
    let path = format!("/v1/registrations/{}/{what}", args.id);
    let document = as_person(&args.of, OFFICER)?.call(async |client| client.get_json(&path).await);
    let document = document?;
    let shown: Value = if as_json { Value::Null } else { serde_json::from_slice(&document).unwrap_or_default() };
    match serde_json::to_string_pretty(&shown) {
        Ok(text) if shown.is_object() => say::out(text),
        _ => say::bytes(&document),
    }
    Ok(Exit::Ok)
}

pub(super) fn identify(args: &cli::PartyIdentify, as_json: bool) -> Result<Exit, Failed> {
    let documents = args.documents.iter().cloned().map(|seen| {
        let cli::Document { kind, country, number, expires } = seen;
        SeenDocument { kind, number, country, expires, sha256: None }
    });
    let record = IdentityRecord {
        salt: Salt(B64u(random()?)),
        method: args.method,
        documents: documents.collect(),
        checked_at: clock::now().into(),
        notes: args.notes.clone(),
    };
    record.require_valid_documents().map_err(|fault| Failed::usage(&fault))?;
    let bytes = record.write().map_err(|fault| Failed::usage(&fault))?;
    let body: Value = serde_json::from_slice(&bytes).map_err(|error| Failed::fault(&error))?;
    told(&post(&args.of, &format!("/v1/registrations/{}/identity", args.id), &body)?, as_json, line_of)
}

pub(super) fn approve(args: &cli::PartyApprove, as_json: bool) -> Result<Exit, Failed> {
    told(&post(&args.of, &format!("/v1/registrations/{}/approve", args.id), &json!({}))?, as_json, line_of)
}

pub(super) fn refuse(args: &cli::PartyRefuse, as_json: bool) -> Result<Exit, Failed> {
    let body = json!({ "reason": args.reason.name() });
    told(&post(&args.of, &format!("/v1/registrations/{}/refuse", args.id), &body)?, as_json, line_of)
}

/// Waits until the order is carried out, which goes on without the caller.
pub(super) fn revoke(args: &cli::PartyRevoke, as_json: bool) -> Result<Exit, Failed> {
    let filter = Filter {
        issuer: args.issuer.clone(),
        profile_sha256: args.profile.clone(),
        registration: args.registration,
        public_key_sha256: args.key.clone(),
        issued_from: args.issued_from.clone(),
        issued_before: args.issued_before.clone(),
        serials: Some(args.serials.clone()).filter(|serials| !serials.is_empty()),
    };
    let filter = serde_json::to_value(filter).map_err(|error| Failed::fault(&error))?;
    if args.preview {
        let answer = post(&args.of, "/v1/revocations/preview", &json!({ "filter": filter }))?;
        return told(&answer, as_json, preview);
    }
    // What the order will count as revoked was in part before.
    let before = post(&args.of, "/v1/revocations/preview", &json!({ "filter": filter }))?;
    let mut answer = post(&args.of, "/v1/revocations", &json!({ "reason": args.reason.name(), "filter": filter }))?;
    let path = format!("/v1/revocations/{}", text(&answer, "id"));
    let remote = as_person(&args.of, OFFICER)?;
    while text(&answer, "state") != "done" {
        std::thread::sleep(ASK_AGAIN);
        answer = match json_of(remote.call(async |client| client.get_json(&path).await)) {
            Ok(answer) => answer,
            // The order is an entry, and may have been for the caller's own certificate.
            Err(Failed(_, why)) => {
                return told(&answer, as_json, |answer| {
                    format!(
                        "order {} is accepted and carried out; what became of it cannot be asked: {why}",
                        text(answer, "id")
                    )
                });
            }
        };
    }
    let none = answer["revoked"] == 0;
    let told = told(&answer, as_json, |answer| match none {
        true => format!("order {}: NOTHING is revoked; {}", text(answer, "id"), left_out(&before)),
        false => format!(
            "order {}: {} certificates are revoked, {} of them were before and keep their reason; {}",
            text(answer, "id"),
            answer["revoked"],
            before["revoked"],
            left_out(&before)
        ),
    });
    // A mistyped serial number must not look like success.
    if none { Ok(Exit::Falsified) } else { told }
}

pub(super) fn expiring(args: &cli::PartyExpiring, as_json: bool) -> Result<Exit, Failed> {
    // A plus sign in an offset from UTC would be read as a space.
    let before = args.before.replace('+', "%2B");
    let found = all(&args.of, &format!("/v1/certificates?expires_before={before}"), "certificates")?;
    if as_json {
        say::json(&json!({ "certificates": found }));
        return Ok(Exit::Ok);
    }
    found.iter().for_each(|certificate| say::out(line_of_certificate(certificate)));
    Ok(Exit::Ok)
}

fn line_of_certificate(certificate: &Value) -> String {
    let revoked = if certificate["revoked"] == true { "  revoked" } else { "" };
    let registration = certificate["registration"].as_str().map(|id| format!("  for {id}"));
    format!(
        "{}  {}  {}{}{revoked}",
        text(certificate, "not_after"),
        text(certificate, "serial"),
        text(certificate, "profile"),
        registration.unwrap_or_default(),
    )
}

/// Whom an order for many does not reach.
fn left_out(preview: &Value) -> String {
    match preview["left_out"].as_u64().unwrap_or_default() {
        0 => "no other certificate is like that".to_owned(),
        count => format!(
            "{count} more of CAs, officers, operators or the service's own keys are like that and left out, unless --serial, --key or \
             --registration singles them out"
        ),
    }
}

/// What an order would do: how many, then the first of them.
fn preview(answer: &Value) -> String {
    let first = answer["first"].as_array().map_or(&[][..], Vec::as_slice);
    let count = answer["certificates"].as_u64().unwrap_or_default();
    let already = &answer["revoked"];
    let mut lines = vec![format!("{count} certificates would be revoked; {already} are already; {}", left_out(answer))];
    lines.extend(first.iter().map(line_of_certificate));
    let left = count.saturating_sub(first.len() as u64);
    lines.extend((left > 0).then(|| format!("and {left} more")));
    lines.join("\n")
}

pub(super) fn show(args: &cli::PartyShow, as_json: bool) -> Result<Exit, Failed> {
    let Some(id) = args.id else {
        let found = all(&args.of, "/v1/parties", "parties")?;
        if as_json {
            say::json(&json!({ "parties": found }));
        } else {
            found.iter().for_each(|party| say::out(line_of_party(party)));
        }
        return Ok(Exit::Ok);
    };
    let party = get(&args.of, &format!("/v1/parties/{id}"))?;
    told(&party, as_json, |party| {
        let keys = party["keys"].as_array().into_iter().flatten().map(|key| {
            let end = match key["unbound"]["reason"].as_str() {
                Some(reason) => format!("{reason} {}", text(&key["unbound"], "at")),
                None => format!("until {}", text(key, "not_after")),
            };
            format!("\n  key {}  since {}  {end}", text(key, "thumbprint"), text(key, "bound_at"))
        });
        line_of_party(party) + &keys.collect::<String>()
    })
}

pub(super) fn suspend(args: &cli::PartySuspend, as_json: bool) -> Result<Exit, Failed> {
    let body = json!({ "reason": args.reason.name() });
    told(&post(&args.of, &format!("/v1/parties/{}/suspend", args.id), &body)?, as_json, line_of_party)
}

pub(super) fn reinstate(args: &cli::PartyReinstate, as_json: bool) -> Result<Exit, Failed> {
    let body = json!({ "reason": args.reason.name() });
    told(&post(&args.of, &format!("/v1/parties/{}/reinstate", args.id), &body)?, as_json, line_of_party)
}

fn line_of_party(party: &Value) -> String {
    let keys = party["keys"].as_array().map_or(0, Vec::len);
    let why = party["suspended"]["reason"].as_str().map(|reason| format!(" ({reason})"));
    let since = text(party, "registered_at");
    format!(
        "{}  {}{}  registered {since}, {keys} keys",
        text(party, "id"),
        text(party, "state"),
        why.unwrap_or_default()
    )
}
