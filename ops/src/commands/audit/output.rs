//! What came out of an audit, for people and for programs.

use std::collections::BTreeMap;

use semper_ttp::audit::{About, Difference, Reason};
use semper_ttp::evidence::Kind;
use serde_json::{Value, json};

use super::Audited;
use crate::exit::Exit;

fn name_of(kind: Option<Kind>) -> String {
    kind.map_or("unknown".to_owned(), |kind| kind.to_string())
}

/// The first differences in the order of the ledger; those of signatures come in when they are checked.
fn in_order(audited: &Audited) -> Vec<&Difference> {
    let mut all: Vec<_> = audited.report.differences.iter().collect();
    all.sort_by_key(|difference| match difference.about {
        About::Entry { index, .. } => index,
        About::State(_) | About::Key(_) | About::Ledger => u64::MAX,
    });
    all
}

pub(super) fn as_text(audited: &Audited, seconds: f64) -> String {
    let Audited { origin, root, policy, report, evidence, read_only } = audited;
    let mark = read_only.as_ref().map(|mark| format!("READ-ONLY: {mark}\n")).unwrap_or_default();
    let mut text = format!(
        "{mark}{origin}: {} entries, root {}\naudited in {seconds:.1} s under the policy {policy}\n\n",
        report.entries,
        hex::encode(root)
    );
    text.push_str(&format!("{:<28}{:>14}{:>12}{:>18}\n", "", "decided again", "different", "not re-decided"));
    for (kind, count) in &report.kinds {
        let not: u64 = count.not.values().sum();
        text.push_str(&format!("{:<28}{:>14}{:>12}{:>18}\n", name_of(*kind), count.same, count.different, not));
    }
    let reasons: BTreeMap<(Option<Kind>, Reason), u64> = report
        .kinds
        .iter()
        .flat_map(|(kind, count)| count.not.iter().map(|(reason, number)| ((*kind, *reason), *number)))
        .collect();
    if !reasons.is_empty() {
        text.push_str("\nnot re-decided, so neither right nor wrong:\n");
    }
    for ((kind, reason), number) in reasons {
        text.push_str(&format!("  {number} × {}: {reason}\n", name_of(kind)));
    }
    if report.differences_in_all > 0 {
        text.push_str("\ndifferent:\n");
    }
    for difference in in_order(audited) {
        text.push_str(&format!("  {difference}\n"));
    }
    let hidden = report.differences_in_all - report.differences.len() as u64;
    if hidden > 0 {
        text.push_str(&format!("  … and {hidden} more\n"));
    }
    for written in evidence {
        text.push_str(&format!("\nproof: {}\n  {}\n", written.path.display(), written.reason));
    }
    text.push_str(&match audited.exit() {
        Exit::Ok => format!("\nnothing differs: {} of {} entries were decided again", report.same(), report.entries),
        Exit::Undecided => {
            "\nnothing differs, but what is missing or does not read could not be decided again: could not tell"
                .to_owned()
        }
        _ => format!("\nDIFFERENT: {}. Keep the folder as it is.", plural(report.differences_in_all)),
    });
    text
}

fn plural(differences: u64) -> String {
    if differences == 1 { "1 difference".to_owned() } else { format!("{differences} differences") }
}

pub(super) fn as_json(audited: &Audited, seconds: f64) -> Value {
    let Audited { origin, root, policy, report, evidence, read_only } = audited;
    let verdict = match audited.exit() {
        Exit::Ok => "same",
        Exit::Falsified => "different",
        _ => "unknown",
    };
    let kinds = report.kinds.iter().map(|(kind, count)| {
        let not = count.not.iter().map(|(reason, number)| reason_json(*reason, *number)).collect::<Vec<_>>();
        json!({ "kind": name_of(*kind), "same": count.same, "different": count.different, "not_redecided": not })
    });
    let differences = in_order(audited).into_iter().map(difference_json).collect::<Vec<_>>();
    let evidence = evidence.iter().map(|written| json!({ "file": written.path, "proves": written.reason }));
    json!({
        "verdict": verdict,
        "origin": origin,
        "size": report.entries,
        "root": hex::encode(root),
        "policy": policy.to_string(),
        "seconds": seconds,
        "same": report.same(),
        "not_redecided": report.not_decided().values().sum::<u64>(),
        "different": report.differences_in_all,
        "kinds": kinds.collect::<Vec<_>>(),
        "differences": differences,
        "evidence": evidence.collect::<Vec<_>>(),
        "read_only": read_only,
    })
}

fn reason_json(reason: Reason, number: u64) -> Value {
    json!({ "reason": reason.name(), "what": reason.to_string(), "count": number })
}

fn difference_json(difference: &Difference) -> Value {
    let about = difference.about.to_string();
    let (index, kind) = match difference.about {
        About::Entry { index, kind } => (Some(index), kind.map(|kind| kind.to_string())),
        About::State(_) | About::Key(_) | About::Ledger => (None, None),
    };
    json!({ "index": index, "kind": kind, "about": about, "what": difference.what })
}
