//! What commands print: results on standard output, trouble on standard error.
//!
//! A closed pipe is the reader's choice and no reason to fail. A result that cannot be written for any other reason, such as
//! a full disk, is remembered, and the command ends as a failure ([`lost`]).

use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

use serde_json::Value;

/// Why the first result was lost.
static LOST: OnceLock<String> = OnceLock::new();

/// A line of the result.
pub(crate) fn out(line: impl AsRef<str>) {
    bytes(format!("{}\n", line.as_ref()).as_bytes());
}

/// The result as it is.
pub(crate) fn bytes(bytes: &[u8]) {
    let mut out = std::io::stdout();
    if let Err(error) = out.write_all(bytes).and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| error.to_string());
    }
}

/// Why a result could not be written, if one could not.
pub(crate) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
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
