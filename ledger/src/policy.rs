//! Trust policies (c2sp.org/tlog-policy): which logs are accepted, which witnesses are known, and how many of them must
//! have cosigned a checkpoint before it is believed.
//!
//! ```text
//! log <vkey> [<url>]                      accepted; the key's name is the origin
//! witness <name> <vkey> [<url>]           known under this name in this file; the URL is its submission prefix
//! group <name> all|any|<k> <member>…      has witnessed what k of its members have
//! quorum <name>|none                      exactly once
//! ```
//!
//! A line may name what the lines above it define, and no member twice, so each witness counts once and nothing is
//! circular. The policy is the verifier's own: it never comes with the evidence that it judges.

use std::collections::{HashMap, HashSet};

use crate::{
    checkpoint::{BadCheckpoint, Checkpoint},
    cosignature,
    note::{BadKey, Note, TYPE_COSIGNATURE_V1, TYPE_ED25519, VerifierKey},
    port::Verifier,
};

/// The longest policy that is read, bytes.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// A log that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Its key; the name is its origin.
    pub key: VerifierKey,
    /// Where it is.
    pub url: Option<String>,
}

/// A witness that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name in the policy, which may be another than its key's.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// Its submission prefix.
    pub url: Option<String>,
}

/// One of the things that a quorum or a group counts, by its place in the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// A policy as read. [`Policy::parse`] alone makes one, so its groups name only what stands before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<Member>,
}

/// What is wrong in which line; lines are counted from 1, and 0 is the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadPolicy {
    /// The line.
    pub line: usize,
    /// What is wrong.
    pub why: BadLine,
}

/// What is wrong in a line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// More than [`POLICY_BYTES_MAX`].
    #[error("the file is longer than {POLICY_BYTES_MAX} bytes")]
    TooLong,
    /// A control character.
    #[error("a control character other than tab and newline")]
    Control,
    /// Not one of the four kinds of lines.
    #[error("a line begins with log, witness, group or quorum")]
    Keyword,
    /// Too few or too many words.
    #[error("this kind of line has the form: {0}")]
    Form(&'static str),
    /// Not a key.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// A witness's key for a log, or the other way round.
    #[error("a log's key has type 0x01 and a witness's 0x04, this one {0:#04x}")]
    KeyUse(u8),
    /// The same public key twice.
    #[error("this public key stands in the policy already")]
    KeyTwice,
    /// A name twice, or `none`.
    #[error("the name {0} is taken")]
    NameTaken(String),
    /// A name that no line above defines.
    #[error("no line above defines {0}")]
    Unknown(String),
    /// A member of two groups, or twice of one.
    #[error("{0} is a member already, and may be one only once")]
    MemberTwice(String),
    /// A threshold that is no number from 1 to the number of members.
    #[error("the threshold must be all, any, or a number from 1 to the number of members")]
    Threshold,
    /// A second quorum.
    #[error("there is a quorum already")]
    QuorumTwice,
    /// No quorum at all.
    #[error("there is no quorum line; a policy without witnesses says quorum none")]
    QuorumMissing,
}

/// A checkpoint that one of the policy's logs signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The tree head.
    pub checkpoint: Checkpoint,
    /// The witnesses that cosigned it, by their place in [`Policy::witnesses`], with the newest time that each states,
    /// seconds since 1970.
    pub cosigned: Vec<(usize, u64)>,
    /// Whether these are a quorum.
    pub quorum: bool,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`BadPolicy`]: the first line that is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, BadPolicy> {
        let whole = |why| BadPolicy { line: 0, why };
        if text.len() > POLICY_BYTES_MAX {
            return Err(whole(BadLine::TooLong));
        }
        let mut parser = Parser::default();
        let mut quorum = None;
        for (line, at) in text.split(|byte| *byte == b'\n').zip(1..) {
            parser.line(line, &mut quorum).map_err(|why| BadPolicy { line: at, why })?;
        }
        let quorum = quorum.ok_or_else(|| whole(BadLine::QuorumMissing))?;
        let Parser { logs, witnesses, groups, .. } = parser;
        Ok(Self { logs, witnesses, groups, quorum })
    }

    /// The logs, in their order.
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// The witnesses, in their order.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// True unless the quorum is `none`.
    pub fn needs_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Whether the witnesses for which `cosigned` is true, by their place, are a quorum.
    pub fn is_met(&self, cosigned: impl Fn(usize) -> bool) -> bool {
        // Each group after those it names, so one pass decides them all.
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let holds = |member: &Member, groups: &[bool]| match *member {
            Member::Witness(witness) => cosigned(witness),
            Member::Group(group) => groups[group],
        };
        for group in &self.groups {
            groups.push(group.members.iter().filter(|member| holds(member, &groups)).count() >= group.threshold);
        }
        self.quorum.is_none_or(|quorum| holds(&quorum, &groups))
    }

    /// Reads a checkpoint, which a log of this policy must have signed, and weighs its cosignatures. A cosignature by a
    /// known witness that does not verify rejects the whole.
    ///
    /// # Errors
    /// [`BadCheckpoint`]. Too few cosignatures are no error: see [`Judged::quorum`].
    pub fn judge(&self, note: &str, verifier: &dyn Verifier) -> Result<Judged, BadCheckpoint> {
        let logs: Vec<VerifierKey> = self.logs.iter().map(|log| log.key.clone()).collect();
        self.judge_of(&logs, note, verifier)
    }

    /// As [`Policy::judge`], for whoever knows the logs from elsewhere.
    ///
    /// # Errors
    /// [`BadCheckpoint`].
    pub fn judge_of(&self, logs: &[VerifierKey], note: &str, verifier: &dyn Verifier) -> Result<Judged, BadCheckpoint> {
        let witnesses = self.witnesses.iter().map(|witness| &witness.key);
        let keys: Vec<VerifierKey> = logs.iter().chain(witnesses).cloned().collect();
        let checkpoint = Checkpoint::verify(note, &keys, verifier)?;
        let note = Note::parse(note)?;
        // Every line by a known key was verified with the checkpoint.
        let newest = |witness: &Witness| {
            let own = note.signatures.iter().filter(|line| witness.key.made(line));
            own.filter_map(cosignature::seconds).max()
        };
        let cosigned: Vec<_> =
            self.witnesses.iter().enumerate().filter_map(|(place, witness)| Some((place, newest(witness)?))).collect();
        let quorum = self.is_met(|witness| cosigned.iter().any(|(place, _)| *place == witness));
        Ok(Judged { checkpoint, cosigned, quorum })
    }
}

#[derive(Default)]
struct Parser {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    names: HashMap<Vec<u8>, Member>,
    /// Names that are members of a group.
    members: HashSet<Vec<u8>>,
    log_keys: HashSet<Vec<u8>>,
    witness_keys: HashSet<Vec<u8>>,
}

/// Octets of a name for an error message.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

impl Parser {
    /// `quorum` is `Some(None)` once it is `none`.
    fn line(&mut self, line: &[u8], quorum: &mut Option<Option<Member>>) -> Result<(), BadLine> {
        if line.iter().any(|byte| matches!(byte, 0..=8 | 10..=0x1f | 0x7f)) {
            return Err(BadLine::Control);
        }
        let words: Vec<&[u8]> =
            line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
        let Some((keyword, rest)) = words.split_first().filter(|(keyword, _)| !keyword.starts_with(b"#")) else {
            return Ok(()); // empty, or a comment
        };
        match *keyword {
            b"log" => self.log(rest),
            b"witness" => self.witness(rest),
            b"group" => self.group(rest),
            b"quorum" => {
                let [name] = rest else { return Err(BadLine::Form("quorum <name>|none")) };
                let found = if *name == b"none" { None } else { Some(self.named(name)?) };
                if quorum.replace(found).is_some() { Err(BadLine::QuorumTwice) } else { Ok(()) }
            }
            _ => Err(BadLine::Keyword),
        }
    }

    fn log(&mut self, words: &[&[u8]]) -> Result<(), BadLine> {
        const FORM: BadLine = BadLine::Form("log <vkey> [<url>]");
        let (key, url) = match words {
            [key] => (key, None),
            [key, url] => (key, Some(text(url).ok_or(FORM)?)),
            _ => return Err(FORM),
        };
        let key = parse_key(key, TYPE_ED25519, &mut self.log_keys)?;
        self.logs.push(Log { key, url });
        Ok(())
    }

    fn witness(&mut self, words: &[&[u8]]) -> Result<(), BadLine> {
        const FORM: BadLine = BadLine::Form("witness <name> <vkey> [<url>]");
        let (name, key, url) = match words {
            [name, key] => (name, key, None),
            [name, key, url] => (name, key, Some(text(url).ok_or(FORM)?)),
            _ => return Err(FORM),
        };
        let key = parse_key(key, TYPE_COSIGNATURE_V1, &mut self.witness_keys)?;
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(Witness { name: shown(name), key, url });
        Ok(())
    }

    fn group(&mut self, words: &[&[u8]]) -> Result<(), BadLine> {
        let [name, threshold, names @ ..] = words else {
            return Err(BadLine::Form("group <name> all|any|<k> <member>…"));
        };
        let threshold = match *threshold {
            b"all" => names.len(),
            b"any" => 1,
            number => text(number).and_then(|number| crate::tile::decimal(&number)).unwrap_or(0) as usize,
        };
        if threshold == 0 || threshold > names.len() {
            return Err(BadLine::Threshold);
        }
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            members.push(self.named(name)?);
            if !self.members.insert(name.to_vec()) {
                return Err(BadLine::MemberTwice(shown(name)));
            }
        }
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members });
        Ok(())
    }

    fn named(&self, name: &[u8]) -> Result<Member, BadLine> {
        self.names.get(name).copied().ok_or_else(|| BadLine::Unknown(shown(name)))
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), BadLine> {
        if name == b"none" || self.names.insert(name.to_vec(), member).is_some() {
            return Err(BadLine::NameTaken(shown(name)));
        }
        Ok(())
    }
}

fn text(word: &[u8]) -> Option<String> {
    String::from_utf8(word.to_vec()).ok()
}

/// A key of the type that its use needs and that `seen` does not hold yet, under whatever name.
fn parse_key(word: &[u8], kind: u8, seen: &mut HashSet<Vec<u8>>) -> Result<VerifierKey, BadLine> {
    let key = VerifierKey::parse(&text(word).ok_or(BadKey::Shape)?)?;
    match key.kind() {
        found if found != kind => Err(BadLine::KeyUse(found)),
        _ if !seen.insert(key.key().to_vec()) => Err(BadLine::KeyTwice),
        _ => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        cosignature::Cosigner,
        note::BadNote,
        testing::{Ed25519, SmallLog, TestVerifier},
    };

    fn cosigner(n: u8) -> Cosigner {
        Cosigner::new(&format!("w{n}.example"), Arc::new(Ed25519::new(10 + n))).unwrap()
    }

    fn vkey(n: u8) -> String {
        cosigner(n).verifier_key().to_string()
    }

    fn log_key(n: u8) -> String {
        Ed25519::note_signer("log", n).verifier_key().to_string()
    }

    /// Two of three, and one of two.
    fn two_levels() -> String {
        let witnesses: String = (1..=5).map(|n| format!("witness W{n} {} http://127.0.0.1:{n}/\n", vkey(n))).collect();
        format!(
            "# a comment\n\n  log {}\thttps://log.example/ \n{witnesses}group X 2 W1 W2 W3\n\
             group Y any W4 W5\n \tgroup both all X Y\nquorum both",
            log_key(1)
        )
    }

    #[test]
    fn quorums_count_groups() {
        let policy = Policy::parse(two_levels().as_bytes()).unwrap();
        assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 5));
        assert_eq!(policy.logs()[0].url.as_deref(), Some("https://log.example/"));
        assert_eq!(policy.witnesses()[3].url.as_deref(), Some("http://127.0.0.1:4/"));
        // All 32 sets of five witnesses.
        for set in 0..32_u32 {
            let has = |n: usize| set & (1 << n) != 0;
            let expected = (0..3).filter(|n| has(*n)).count() >= 2 && (has(3) || has(4));
            assert_eq!(policy.is_met(has), expected, "{set:05b}");
        }
        assert!(policy.needs_witnesses());
    }

    #[test]
    fn one_witness_or_none_is_a_quorum_too() {
        let one = Policy::parse(format!("witness W {}\nquorum W\n", vkey(1)).as_bytes()).unwrap();
        assert!(one.is_met(|_| true) && !one.is_met(|_| false));
        let none = Policy::parse(b"quorum none\n").unwrap();
        assert!(none.is_met(|_| false) && !none.needs_witnesses() && none.logs().is_empty());
    }

    #[test]
    fn lines_that_are_wrong() {
        let (w1, w2, log) = (vkey(1), vkey(2), log_key(1));
        let renamed = Cosigner::new("other", Arc::new(Ed25519::new(11))).unwrap().verifier_key().to_string();
        let form = |form| BadLine::Form(form);
        let table: Vec<(String, usize, BadLine)> = vec![
            (String::new(), 0, BadLine::QuorumMissing),
            ("quorum none\nquorum none\n".into(), 2, BadLine::QuorumTwice),
            ("quorum\n".into(), 1, form("quorum <name>|none")),
            ("quorum W\n".into(), 1, BadLine::Unknown("W".into())),
            ("bogus\nquorum none\n".into(), 1, BadLine::Keyword),
            ("quorum none # not a comment\n".into(), 1, form("quorum <name>|none")),
            ("quorum none\r\n".into(), 1, BadLine::Control),
            ("quorum none\n\x7f".into(), 2, BadLine::Control),
            ("log\n".into(), 1, form("log <vkey> [<url>]")),
            (format!("log {log} u x\n"), 1, form("log <vkey> [<url>]")),
            ("log log+00000000+AAAA\n".into(), 1, BadLine::Key(BadKey::Type(0))),
            (format!("log {w1}\n"), 1, BadLine::KeyUse(TYPE_COSIGNATURE_V1)),
            (format!("witness W {log}\n"), 1, BadLine::KeyUse(TYPE_ED25519)),
            (format!("log {log}\nlog {log}\n"), 2, BadLine::KeyTwice),
            (format!("witness W {w1}\nwitness V {renamed}\n"), 2, BadLine::KeyTwice),
            (format!("witness W {w1}\nwitness W {w2}\n"), 2, BadLine::NameTaken("W".into())),
            (format!("witness none {w1}\n"), 1, BadLine::NameTaken("none".into())),
            (format!("witness W {w1}\ngroup W all W\n"), 2, BadLine::NameTaken("W".into())),
            ("witness W\n".into(), 1, form("witness <name> <vkey> [<url>]")),
            (format!("witness W {w1}\ngroup G\n"), 2, form("group <name> all|any|<k> <member>…")),
            (format!("witness W {w1}\ngroup G any\n"), 2, BadLine::Threshold),
            (format!("witness W {w1}\ngroup G all\n"), 2, BadLine::Threshold),
            (format!("witness W {w1}\ngroup G 0 W\n"), 2, BadLine::Threshold),
            (format!("witness W {w1}\ngroup G 2 W\n"), 2, BadLine::Threshold),
            (format!("witness W {w1}\ngroup G 01 W\n"), 2, BadLine::Threshold),
            (format!("witness W {w1}\ngroup G 1 none\n"), 2, BadLine::Unknown("none".into())),
            (format!("witness W {w1}\ngroup G 1 G\n"), 2, BadLine::Unknown("G".into())),
            (format!("witness W {w1}\ngroup G 1 W W\n"), 2, BadLine::MemberTwice("W".into())),
            (format!("witness W {w1}\ngroup G 1 W\ngroup H 1 W\n"), 3, BadLine::MemberTwice("W".into())),
            (format!("group G 1 W\nwitness W {w1}\n"), 1, BadLine::Unknown("W".into())),
        ];
        for (text, line, why) in table {
            assert_eq!(Policy::parse(text.as_bytes()), Err(BadPolicy { line, why }), "{text}");
        }
        let long = vec![b' '; POLICY_BYTES_MAX + 1];
        assert_eq!(Policy::parse(&long), Err(BadPolicy { line: 0, why: BadLine::TooLong }));
    }

    /// Names are octets: K is not the Kelvin sign, and what is no UTF-8 is a name all the same.
    #[test]
    fn names_are_octets() {
        let lines = [format!("witness K {}\nwitness \u{212a} {}\nwitness ", vkey(1), vkey(2)).into_bytes()];
        let rest = format!(" {}\nquorum ", vkey(3)).into_bytes();
        let text = [&lines[0][..], b"\xff\xfe", &rest, b"\xff\xfe\n"].concat();
        let policy = Policy::parse(&text).unwrap();
        assert!(policy.is_met(|place| place == 2) && !policy.is_met(|place| place == 1));
    }

    #[test]
    fn a_checkpoint_is_weighed() {
        let log = SmallLog::new(7);
        let text = format!(
            "log {}\nwitness A {}\nwitness B {}\ngroup G all A B\nquorum G\n",
            log.identity.note_key,
            vkey(1),
            vkey(2)
        );
        let policy = Policy::parse(text.as_bytes()).unwrap();
        let mut note = log.head.note(&log.identity);
        let judged = |note: &Note| policy.judge(&note.to_string(), &TestVerifier);
        let bare = judged(&note).unwrap();
        assert_eq!((bare.checkpoint.size, bare.cosigned.as_slice(), bare.quorum), (7, &[][..], false));
        note.signatures.push(cosigner(2).cosign(&note.text, 2_000).unwrap());
        note.signatures.push(cosigner(9).cosign(&note.text, 2_000).unwrap());
        assert!(!judged(&note).unwrap().quorum, "one of two, and a stranger");
        note.signatures.push(cosigner(1).cosign(&note.text, 3_000).unwrap());
        note.signatures.push(cosigner(1).cosign(&note.text, 2_500).unwrap());
        let all = judged(&note).unwrap();
        assert_eq!((all.cosigned.as_slice(), all.quorum), (&[(0, 3_000), (1, 2_000)][..], true));
        // A known witness whose signature is wrong rejects the note, however many others are good.
        note.signatures[1].signature[20] ^= 1;
        assert_eq!(judged(&note), Err(BadCheckpoint::Note(BadNote::BadSignature)));
        // A note that the log did not sign is none of its checkpoints, whoever cosigned.
        note.signatures.drain(..2);
        assert_eq!(judged(&note), Err(BadCheckpoint::Origin));
    }

    proptest! {
        #[test]
        fn any_octets_are_answered(text in "((log|witness|group|quorum|none|all|any|[0-9]|A|B|C)[ \t\n]){0,30}",
                                   junk in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Policy::parse(&[text.as_bytes(), &junk].concat());
            if let Ok(policy) = Policy::parse(text.as_bytes()) {
                prop_assert!(policy.is_met(|_| true));
            }
        }
    }
}
