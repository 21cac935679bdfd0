//! An act as it is shown: how it stands, what it is about, who has a part in it, and what the caller may do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use semper_ttp::digest::Digest;
use semper_ttp::id::ActId;
use semper_ttp::notary::{JournalFact, OpenAct, Stage};
use semper_ttp::party::PartyState;
use semper_ttp::policy::person::{Officer, Person};
use semper_ttp::policy::roles::TrustedRole::NotaryOfficer;
use serde_json::{Map, Value, json};

use super::super::principal::Principal;
use super::super::problem::{Code, Problem};
use super::reads_all;
use crate::router::App;
use crate::service::journal_line::{object, of_fact, of_recorded, person};
use crate::service::{KnownAct, Service, ServiceFault};

/// An act as it stands now, with what may be done and who is waited for.
pub(super) fn described(
    app: &App,
    id: ActId,
    known: &KnownAct,
    principal: &Principal,
    by: &Officer,
) -> Result<Value, Problem> {
    // Whoever has a part in an act reads it as one who has, and leaves no line of the access log.
    let to_office = reads_all(principal) && !known.is_of(by);
    let fault = |fault| Problem::fault(&fault);
    let (mut members, left) = if let Some((entry, recorded)) = known.recorded() {
        let mut members = of_recorded(recorded);
        members.insert("entry".to_owned(), entry.into());
        (members, "record")
    } else if let Some((entry, fact)) = known.validated() {
        (object(of_fact(*entry, fact)), "dvc")
    } else {
        let journal = app.service.journal().map_err(fault)?;
        // Its end is written and not published yet.
        let deciding = || Problem::new(Code::ServerUnavailable, "the act is being decided at this moment");
        let open = journal.open.get(&id).ok_or_else(deciding)?;
        let members = of_open(&app.service, (id, open), known, (by, principal.has(NotaryOfficer)), to_office);
        return members.map(Value::Object).map_err(fault);
    };
    members.insert("allowed_actions".to_owned(), json!([]));
    members.insert(left.to_owned(), format!("/v1/notary/acts/{id}/{left}").into());
    insert_known(&mut members, &app.service, (id, known), by, to_office).map_err(fault)?;
    Ok(Value::Object(members))
}

/// What is known of an act beside its fact or its state: what is kept of it, and who has a part in it.
fn insert_known(
    members: &mut Map<String, Value>,
    service: &Service,
    (id, known): (ActId, &KnownAct),
    by: &Officer,
    to_office: bool,
) -> Result<(), ServiceFault> {
    insert_kept(members, id, known, to_office || known.is_by(by));
    insert_people(members, service, known, to_office)
}

/// Who signed and when, whether the certificate was revoked since, and what those are called who have a part in it: the common names of
/// their certificates. Others than the office know them by what they have signed, as the record's certificates tell them, and by nothing else.
fn insert_people(
    members: &mut Map<String, Value>,
    service: &Service,
    known: &KnownAct,
    to_office: bool,
) -> Result<(), ServiceFault> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut name = |officer: &Officer| -> Result<(), ServiceFault> {
        let key = match officer.person {
            Person::Party(party) => party.to_string(),
            Person::Certificate(_) => officer.certificate.to_string(),
        };
        if let Some(name) = service.common_name(&officer.certificate)? {
            names.entry(key).or_insert(name);
        }
        Ok(())
    };
    known.requester().filter(|_| to_office).map(&mut name).transpose()?;
    let mut signed = Vec::new();
    for (_, fact) in &known.facts {
        let JournalFact::Signed { at, signer, certificate, .. } = fact else { continue };
        name(&Officer { certificate: *certificate, person: Person::Party(*signer) })?;
        signed.push(json!({
            "party": signer,
            "certificate": certificate.to_string(),
            "signed_at": at.to_string(),
            "revoked_at": service.revoked_since(certificate)?.map(|at| at.to_string()),
        }));
    }
    let mut suspended = Vec::new();
    let requester = known.requester().and_then(|requester| match requester.person {
        Person::Party(party) => Some(party),
        Person::Certificate(_) => None,
    });
    let parties: BTreeSet<_> = requester.into_iter().chain(known.signers()).filter(|_| to_office).collect();
    for party in parties {
        let Some(found) = service.find_party(party)? else { continue };
        if matches!(found.state, PartyState::Suspended(..)) {
            suspended.push(party);
        }
        if let Some(key) = found.state.party().and_then(|party| party.keys.values().next()) {
            name(&Officer { certificate: key.certificate, person: Person::Party(party) })?;
        }
    }
    if !suspended.is_empty() {
        members.insert("suspended".to_owned(), json!(suspended));
    }
    if !signed.is_empty() {
        members.insert("signed".to_owned(), signed.into());
    }
    if !names.is_empty() {
        members.insert("names".to_owned(), json!(names));
    }
    Ok(())
}

/// What was asked of an act that waits: documents, and what it corrects. Nothing where the request was erased.
fn insert_asked(members: &mut Map<String, Value>, service: &Service, known: &KnownAct) -> Result<(), ServiceFault> {
    let Some(request) = service.request_of(known)? else { return Ok(()) };
    let documents = request.documents.iter().map(|document| {
        json!({
            "sha256": Digest::from(document.sha256).to_string(),
            "role": document.role,
            "media_type": document.media_type,
        })
    });
    members.insert("asked_about".to_owned(), documents.collect());
    if let Some(corrected) = request.correction_of {
        members.insert("correction_of".to_owned(), json!(corrected));
    }
    Ok(())
}

/// Where that is found of an act which is kept beside its record; what names people only for whoever may open it.
fn insert_kept(members: &mut Map<String, Value>, id: ActId, known: &KnownAct, opens: bool) {
    let place = |what: &dyn Display| Value::from(format!("/v1/notary/acts/{id}/{what}"));
    let has = |is_it: fn(&JournalFact) -> bool| known.facts.iter().any(|(_, fact)| is_it(fact));
    if known.report().is_some() {
        members.insert("report".to_owned(), place(&"report"));
    }
    if opens && has(|fact| matches!(fact, JournalFact::Personal { .. })) {
        members.insert("personal".to_owned(), place(&"personal"));
    }
    let documents = known.facts.iter().filter_map(|(_, fact)| match fact {
        JournalFact::Kept { place: number, .. } => Some(place(&format_args!("documents/{}", number + 1))),
        _ => None,
    });
    let documents: Vec<_> = documents.collect();
    if !documents.is_empty() {
        members.insert("documents".to_owned(), documents.into());
    }
}

/// What the caller may do with an act that is open.
fn allowed(act: &OpenAct, by: &Officer, is_notary: bool) -> Vec<&'static str> {
    let signs = matches!(by.person, Person::Party(party) if act.missing.contains(&party));
    let decides = is_notary && act.needs_person && !act.concerns(by);
    let mut allowed = Vec::new();
    match act.stage() {
        Stage::Collecting if signs => allowed.push("sign"),
        Stage::Waiting if decides => allowed.push("take"),
        Stage::Taken if decides && act.taken.is_some_and(|(taken, _)| taken.is(by)) => {
            allowed.extend(["approve", "refuse", "release"]);
        }
        Stage::Collecting | Stage::Waiting | Stage::Taken => {}
    }
    if act.requester.is(by) {
        allowed.push("withdraw");
    }
    allowed
}

/// An act that waits, for whoever `by` is and may decide as a notary officer; `to_office` if that one reads the journal.
pub(super) fn of_open(
    service: &Service,
    (id, act): (ActId, &OpenAct),
    known: &KnownAct,
    (by, is_notary): (&Officer, bool),
    to_office: bool,
) -> Result<Map<String, Value>, ServiceFault> {
    let waiting_on = match act.stage() {
        Stage::Collecting => json!({ "signers": act.missing }),
        Stage::Waiting => json!({ "officer": null }),
        Stage::Taken => json!({
            "officer": act.taken.map(|(officer, _)| officer.certificate.to_string()),
            "kept_until": act.taken_until().map(|until| until.to_string()),
        }),
    };
    let mut members = object(json!({
        "act": id,
        "kind": act.act,
        "journal_no": act.number,
        "opened_at": act.at.to_string(),
        "requester": person(&act.requester),
        "request": act.request.to_string(),
        "subject": act.subject.to_string(),
        "signers": act.signers,
        "state": act.stage().name(),
        "waiting_on": waiting_on,
        "due_by": act.expires_at.to_string(),
        "allowed_actions": allowed(act, by, is_notary),
    }));
    insert_known(&mut members, service, (id, known), by, to_office)?;
    insert_asked(&mut members, service, known)?;
    Ok(members)
}
