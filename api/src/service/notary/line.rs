//! A line of the journal as JSON: as `/v1` shows it, and as an extract certifies it.

use semper_ttp::{
    notary::{JournalFact, RecordedAct},
    policy::person::{Officer, Person},
};
use serde_json::{Map, Value, json};

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

pub(crate) fn person(officer: &Officer) -> Value {
    let party = match officer.person {
        Person::Party(party) => Some(party),
        Person::Certificate(_) => None,
    };
    json!({ "certificate": officer.certificate.to_string(), "party": party })
}

pub(crate) fn of_recorded(recorded: &RecordedAct) -> Map<String, Value> {
    object(json!({
        "act": recorded.id,
        "kind": recorded.act,
        "journal_no": recorded.number,
        "opened_at": recorded.opened_at.to_string(),
        "completed_at": recorded.at.to_string(),
        "requester": person(&recorded.requester),
        "request": recorded.request.to_string(),
        "subject": recorded.subject.to_string(),
        "state": recorded.outcome(),
        "reason": recorded.reason,
        "officer": recorded.officer.as_ref().map(person),
        "checked": recorded.checks.iter().collect::<Vec<_>>(),
    }))
}

/// A line of the journal.
pub(crate) fn of_fact(entry: u64, fact: &JournalFact) -> Value {
    let mut members = match fact {
        JournalFact::Recorded(recorded) => of_recorded(recorded),
        JournalFact::Validated { id, number, at, service, request, requester, subject, granted, .. } => object(json!({
            "act": id,
            "kind": service.name(),
            "journal_no": number,
            "opened_at": at.to_string(),
            "completed_at": at.to_string(),
            "requester": requester.as_ref().map(person),
            "request": request.to_string(),
            "subject": subject.to_string(),
            "state": "performed",
            "granted": granted,
        })),
        JournalFact::Opened { id, number, at, act, request, requester, subject, .. } => object(json!({
            "act": id,
            "kind": act,
            "journal_no": number,
            "opened_at": at.to_string(),
            "requester": person(requester),
            "request": request.to_string(),
            "subject": subject.to_string(),
            "state": "opened",
        })),
        JournalFact::Signed { .. }
        | JournalFact::Assigned { .. }
        | JournalFact::Reported { .. }
        | JournalFact::Kept { .. }
        | JournalFact::Personal { .. } => Map::new(),
    };
    members.insert("entry".to_owned(), entry.into());
    Value::Object(members)
}
