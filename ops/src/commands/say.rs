//! What commands print: results on standard output, trouble on standard error. A closed pipe is no reason to fail.

use std::io::Write;

use serde_json::Value;

/// A line of the result.
pub(crate) fn out(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", line.as_ref());
}

/// The one JSON document of `--json`.
pub(crate) fn json(document: &Value) {
    out(document.to_string());
}

/// Trouble: with `--json` as `{"error": …}` on standard output, else as a line on standard error.
pub(crate) fn trouble(as_json: bool, text: impl std::fmt::Display) {
    if as_json {
        json(&serde_json::json!({ "error": text.to_string() }));
    } else {
        let _ = writeln!(std::io::stderr(), "semper: {text}");
    }
}
