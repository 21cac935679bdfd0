//! Acts in the words of a terminal.

use serde_json::Value;

use crate::commands::remote::text;

/// One line for an act, or for a line of the journal.
pub(super) fn line_of(act: &Value) -> String {
    let reason = act["reason"].as_str().map(|reason| format!(" ({})", reason.replace('_', " ")));
    let signers = act["waiting_on"]["signers"].as_array().map(|signers| {
        let names: Vec<_> = signers.iter().filter_map(Value::as_str).collect();
        format!(", waits for the signature of {}", names.join(", "))
    });
    let officer = act["waiting_on"].get("officer").map(|officer| match officer.as_str() {
        Some(certificate) => {
            let until =
                act["waiting_on"]["kept_until"].as_str().map_or(String::new(), |until| format!(" until {until}"));
            format!(", taken by the officer {}…{until}", certificate.get(..12).unwrap_or(certificate))
        }
        None => ", waits for an officer".to_owned(),
    });
    let due = act["due_by"].as_str().map(|due| format!("; open until {due}"));
    let at = act["completed_at"].as_str().or(act["opened_at"].as_str()).unwrap_or("-");
    format!(
        "No. {}  {}  {at}  {}  {}{}{}{}{}",
        act["journal_no"],
        text(act, "act"),
        text(act, "kind"),
        state_of(act),
        reason.unwrap_or_default(),
        signers.unwrap_or_default(),
        officer.unwrap_or_default(),
        due.unwrap_or_default(),
    )
}

/// As what its state is known to people: of a data validation certificate whether what was asked holds.
fn state_of(act: &Value) -> &str {
    match act["granted"].as_bool() {
        Some(true) => "granted",
        Some(false) => "not granted",
        None => text(act, "state"),
    }
}

/// What is known of an act besides: who asked, about what, who signed.
pub(super) fn details(act: &Value) -> Vec<String> {
    let named = |id: &str| act["names"][id].as_str().map(|name| format!("{name} "));
    let who = |party: &Value, certificate: &Value| match (party.as_str(), certificate.as_str()) {
        (Some(party), _) => format!("{}(party {party})", named(party).unwrap_or_default()),
        (None, Some(certificate)) => format!("{}(certificate {certificate})", named(certificate).unwrap_or_default()),
        (None, None) => "nobody who is known".to_owned(),
    };
    let requester = &act["requester"];
    let mut lines = vec![format!("asked by    {}", who(&requester["party"], &requester["certificate"]))];
    let asked_about = act["asked_about"].as_array().map(Vec::as_slice).unwrap_or_default();
    if asked_about.is_empty() {
        let of = if act["granted"].is_boolean() { "an imprint, whose own SHA-256 is" } else { "SHA-256" };
        lines.push(format!("about       {of} {}", text(act, "subject")));
    }
    for document in asked_about {
        let media_type = document["media_type"].as_str().map_or(String::new(), |kind| format!(", {kind}"));
        lines.push(format!(
            "about       SHA-256 {} ({}{media_type})",
            text(document, "sha256"),
            text(document, "role")
        ));
    }
    let signers = act["signers"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.extend(signers.iter().map(|party| format!("to sign     {}", who(party, &Value::Null))));
    for signed in act["signed"].as_array().into_iter().flatten() {
        let revoked =
            signed["revoked_at"].as_str().map_or(String::new(), |at| format!("; its certificate was REVOKED at {at}"));
        let signer = who(&signed["party"], &Value::Null);
        lines.push(format!("signed      {signer} at {}{revoked}", text(signed, "signed_at")));
    }
    for party in act["suspended"].as_array().into_iter().flatten() {
        lines.push(format!("SUSPENDED   {}", who(party, &Value::Null)));
    }
    for (what, name) in [("called", "name"), ("lives at", "address")] {
        if let Some(value) = act["opened"][name]["value"].as_str() {
            lines.push(format!("{what:<12}{}, as whoever asked says", value.escape_debug()));
        }
    }
    for title in act["opened"]["titles"].as_array().into_iter().flatten() {
        lines.extend(title["value"].as_str().map(|title| format!("title       {}", title.escape_debug())));
    }
    lines.extend(
        act["opened"]["error"].as_str().map(|why| format!("names       are kept, and could not be read: {why}")),
    );
    if let Some(officer) = act["officer"]["certificate"].as_str() {
        let checks: Vec<_> = act["checked"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let checked = if checks.is_empty() { "nothing".to_owned() } else { checks.join(", ") };
        lines.push(format!("decided by  (certificate {officer}), who has checked {checked}"));
    }
    if let Some(corrected) = act["correction_of"].as_str() {
        lines.push(format!("corrects    {corrected}"));
    }
    let kept = act["documents"].as_array().map_or(0, Vec::len);
    if kept > 0 {
        lines.push(format!("kept        {kept}, to be had by semper notary document {}", text(act, "act")));
    }
    lines.into_iter().map(|line| format!("  {line}")).collect()
}

/// What an open act waits for, as a command: of whoever asks, if it is that one's turn.
pub(super) fn next(act: &Value) -> Option<String> {
    let name = text(act, "act");
    let may = |action: &str| act["allowed_actions"].as_array().is_some_and(|all| all.iter().any(|one| one == action));
    let sign = format!("semper notary sign {name} FILE --with me/party-legal.p12 --identity me/party-auth.p12");
    let command = match text(act, "state") {
        "collecting" if may("sign") => format!("your signature: {sign}"),
        "collecting" => format!("the signers, who sign with: {sign}"),
        "waiting" if may("take") => format!("you: semper notary take {name}"),
        "taken" if may("approve") => {
            format!("your decision: semper notary approve {name} --checked …, or refuse, or release")
        }
        "waiting" | "taken" => format!("an officer; see semper notary show {name}, and at the end record {name}"),
        _ if act["record"].is_string() => format!("its record: semper notary record {name} --out act.jws"),
        _ => return None,
    };
    Some(format!("  next        {command}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_tells_what_is_waited_for() {
        let act = |more: Value| {
            let mut act = json!({
                "act": "AAECAwQFBgcICQoLDA0ODw", "kind": "contract", "journal_no": 7, "opened_at": "2026-03-01T12:00:00Z",
            });
            act.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            line_of(&act)
        };
        let head = "No. 7  AAECAwQFBgcICQoLDA0ODw  2026-03-01T12:00:00Z  contract  ";
        for (more, tail) in [
            (
                json!({ "state": "collecting", "waiting_on": { "signers": ["a", "b"] } }),
                "collecting, waits for the signature of a, b",
            ),
            (json!({ "state": "waiting", "waiting_on": { "officer": null } }), "waiting, waits for an officer"),
            (json!({ "state": "refused", "reason": "will_in_doubt" }), "refused (will in doubt)"),
            (json!({ "state": "performed", "granted": false }), "not granted"),
        ] {
            assert_eq!(act(more), format!("{head}{tail}"));
        }
    }

    #[test]
    fn details_name_who_has_a_part_in_it() {
        let act = json!({
            "act": "AAECAwQFBgcICQoLDA0ODw", "state": "taken", "subject": "ab", "allowed_actions": ["approve"],
            "requester": { "party": "PPPP", "certificate": "cc" }, "names": { "PPPP": "Ada Ltd" },
            "asked_about": [{ "sha256": "ab", "role": "original", "media_type": null }], "signers": ["PPPP", "QQQQ"],
            "opened": { "name": { "value": "Ada\u{1b}[31m" }, "titles": [null, { "value": "Deed" }] },
            "signed": [{ "party": "QQQQ", "signed_at": "2026-03-01T12:00:00Z", "revoked_at": "2026-03-02T12:00:00Z" }],
        });
        assert_eq!(
            details(&act).join("\n"),
            "  asked by    Ada Ltd (party PPPP)\n  about       SHA-256 ab (original)\n  to sign     Ada Ltd (party PPPP)\n  \
             to sign     (party QQQQ)\n  signed      (party QQQQ) at 2026-03-01T12:00:00Z; its certificate was REVOKED at \
             2026-03-02T12:00:00Z\n  called      Ada\\u{1b}[31m, as whoever asked says\n  title       Deed"
        );
        assert!(next(&act).unwrap().contains("semper notary approve AAECAwQFBgcICQoLDA0ODw"));
        assert_eq!(next(&json!({ "state": "performed" })), None);
        let ended = json!({ "act": "A", "state": "refused", "record": "/v1", "officer": { "certificate": "cc" } });
        assert_eq!(next(&ended).as_deref(), Some("  next        its record: semper notary record A --out act.jws"));
        assert!(details(&ended).join("\n").contains("decided by  (certificate cc), who has checked nothing"));
    }
}
