//! Lists of logs (c2sp.org/tlog-list): whose checkpoints a witness cosigns.
//!
//! ```text
//! logs/v0
//!
//! vkey <verifier key>
//! [origin <origin>]        only where it is not the key's name
//! qpd <requests a day>
//! contact <for people>
//! ```
//!
//! Empty lines and lines that begin with `#` are passed over, blanks at either end of a line, too.

use std::{collections::HashSet, fmt};

use super::WitnessedLog;
use crate::{
    note::{BadKey, TYPE_ED25519, VerifierKey},
    tile::decimal,
};

/// The longest list that is read, bytes.
pub const LIST_BYTES_MAX: usize = 16 << 20;

const HEADER: &str = "logs/v0";

/// A log with what its operator and the witness agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLog {
    /// Its key.
    pub key: VerifierKey,
    /// The first line of its checkpoints.
    pub origin: String,
    /// Requests that it may make in a day.
    pub requests_per_day: u32,
    /// How its operator is reached.
    pub contact: String,
}

/// What is wrong in which line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadList {
    /// The line.
    pub line: usize,
    /// What is wrong.
    pub why: BadLine,
}

/// What is wrong in a line of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// Too long, or no UTF-8.
    #[error("the list is longer than {LIST_BYTES_MAX} bytes, or not UTF-8")]
    Unreadable,
    /// The first line is another.
    #[error("a list of logs begins with the line {HEADER}")]
    Header,
    /// Another line was due.
    #[error("here a line must begin with {0}")]
    Due(&'static str),
    /// Not a key.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// A witness's key.
    #[error("a log's key has type 0x01, this one {0:#04x}")]
    KeyUse(u8),
    /// Not a number from 1 to 2^31 - 1.
    #[error("qpd must be a number from 1 to 2147483647, without leading zeros")]
    Number,
    /// Two logs with one origin.
    #[error("the origin {0} stands in the list already")]
    OriginTwice(String),
}

impl ListedLog {
    /// A log whose key is all that is known of it.
    pub fn of_key(key: VerifierKey) -> Self {
        let origin = key.name().to_owned();
        Self { key, origin, requests_per_day: 86_400, contact: "unknown".to_owned() }
    }

    /// As the witness judges by it.
    pub fn witnessed(&self) -> WitnessedLog {
        WitnessedLog { origin: self.origin.clone(), keys: vec![self.key.clone()] }
    }
}

impl fmt::Display for ListedLog {
    /// Its lines in a list.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "vkey {}", self.key)?;
        if self.origin != self.key.name() {
            writeln!(f, "origin {}", self.origin)?;
        }
        writeln!(f, "qpd {}\ncontact {}", self.requests_per_day, self.contact)
    }
}

/// The text of a list.
pub fn write(logs: &[ListedLog]) -> String {
    let logs: String = logs.iter().map(|log| format!("\n{log}")).collect();
    format!("{HEADER}\n{logs}")
}

/// Reads a list.
///
/// # Errors
/// [`BadList`]: the first line that is wrong.
pub fn parse(text: &[u8]) -> Result<Vec<ListedLog>, BadList> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LIST_BYTES_MAX);
    let text = text.ok_or(BadList { line: 0, why: BadLine::Unreadable })?;
    let end = text.split('\n').count();
    let lines = text.split('\n').zip(1..).map(|(line, at)| (line.trim_matches([' ', '\t']), at));
    let mut lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')).peekable();
    match lines.next() {
        Some((HEADER, _)) => {}
        other => return Err(BadList { line: other.map_or(end, |(_, at)| at), why: BadLine::Header }),
    }
    let (mut logs, mut origins) = (Vec::new(), HashSet::new());
    while lines.peek().is_some() {
        let mut due = |name: &'static str| match lines.next_if(|(line, _)| word(line, name).is_some()) {
            Some((line, at)) => Ok((word(line, name).unwrap_or_default(), at)),
            None => Err(BadList { line: lines.peek().map_or(end, |(_, at)| *at), why: BadLine::Due(name) }),
        };
        let (key, at) = due("vkey")?;
        let bad = |why| BadList { line: at, why };
        let key = VerifierKey::parse(key).map_err(|fault| bad(fault.into()))?;
        if key.kind() != TYPE_ED25519 {
            return Err(bad(BadLine::KeyUse(key.kind())));
        }
        let origin = due("origin").map_or(key.name(), |(origin, _)| origin).to_owned();
        let (number, at_number) = due("qpd")?;
        let number = decimal(number).and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| (1..1 << 31).contains(number));
        let requests_per_day = number.ok_or(BadList { line: at_number, why: BadLine::Number })?;
        let contact = due("contact")?.0.to_owned();
        if !origins.insert(origin.clone()) {
            return Err(bad(BadLine::OriginTwice(origin)));
        }
        logs.push(ListedLog { key, origin, requests_per_day, contact });
    }
    Ok(logs)
}

/// What follows `name` and blanks.
fn word<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let rest = line.strip_prefix(name)?;
    let value = rest.trim_start_matches([' ', '\t']);
    (value.len() < rest.len() && !value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Ed25519;

    fn key(name: &str, seed: u8) -> VerifierKey {
        Ed25519::note_signer(name, seed).verifier_key().clone()
    }

    #[test]
    fn a_list_as_published_networks_have_it() {
        let (one, two) = (key("tlog.example.org", 1), key("other.example/tlog", 2));
        let text = format!(
            "#\n# List:      10qps-100klogs\n#\nlogs/v0\n\n# 1st\nvkey {one}\nqpd 86400\ncontact https://tlog.example.org/\n\
             \n# 2nd\n  vkey\t{two}\norigin something-else\n\tqpd 24\n\tcontact sysadmin (at) other.example"
        );
        let logs = parse(text.as_bytes()).unwrap();
        let [first, second] = logs.as_slice() else { panic!("{logs:?}") };
        assert_eq!((&first.key, first.origin.as_str(), first.requests_per_day), (&one, "tlog.example.org", 86_400));
        assert_eq!(
            (second.origin.as_str(), second.contact.as_str()),
            ("something-else", "sysadmin (at) other.example")
        );
        assert_eq!(second.witnessed(), WitnessedLog { origin: "something-else".into(), keys: vec![two] });
        assert_eq!(parse(write(&logs).as_bytes()), Ok(logs));
        assert_eq!(parse(b"logs/v0"), Ok(vec![]));
        let plain = [ListedLog::of_key(one)];
        assert_eq!(parse(write(&plain).as_bytes()).unwrap(), plain);
    }

    #[test]
    fn lists_that_are_none() {
        let (log, twin) = (key("log", 1), key("log", 2));
        let witness = VerifierKey::cosignature_v1("w", log.key()).unwrap();
        let table = [
            (String::new(), 1, BadLine::Header),
            ("\n# x\nlogs/v1\n".into(), 3, BadLine::Header),
            (format!("logs/v0\nqpd 1\nvkey {log}\n"), 2, BadLine::Due("vkey")),
            (format!("logs/v0\nvkey {log}\ncontact x\nqpd 1\n"), 3, BadLine::Due("qpd")),
            (format!("logs/v0\nvkey {log}\nqpd 1"), 3, BadLine::Due("contact")),
            (format!("logs/v0\nvkey {log}\nqpd 1\ncontact"), 4, BadLine::Due("contact")),
            (format!("logs/v0\nvkey {log}\nqpd 1\norigin o\ncontact x"), 4, BadLine::Due("contact")),
            ("logs/v0\nvkey log\n".into(), 2, BadKey::Shape.into()),
            (format!("logs/v0\nvkey {witness}\n"), 2, BadLine::KeyUse(4)),
            (format!("logs/v0\nvkey {log}\nqpd 0\n"), 3, BadLine::Number),
            (format!("logs/v0\nvkey {log}\nqpd 2147483648\n"), 3, BadLine::Number),
            (format!("logs/v0\nvkey {log}\nqpd 07\n"), 3, BadLine::Number),
            (
                format!("logs/v0\nvkey {log}\nqpd 1\ncontact x\nvkey {twin}\nqpd 1\ncontact x\n"),
                5,
                BadLine::OriginTwice("log".into()),
            ),
        ];
        for (text, line, why) in table {
            assert_eq!(parse(text.as_bytes()), Err(BadList { line, why }), "{text}");
        }
        assert_eq!(parse(b"\xff"), Err(BadList { line: 0, why: BadLine::Unreadable }));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(logs/v0\n)?((vkey|origin|qpd|contact|#)?[ \t]?[a-z0-9+]{0,9}\n){0,8}") {
            let _ = parse(text.as_bytes());
        }
    }
}
