//! What travels between the two sides: one JSON document for each message, whatever carries it, a file or a connection.
//!
//! ```text
//! {"t":"exchange-message","v":1,"protocol":"asw-r","x":"<43 characters>","statement":"<JWS>",
//!  "certificates":["<the sender's, DER in base64url>","<of its CA>",…],
//!  "contract":{"salt":"<43 characters>","text":"<octets in base64url>"}}        with the first message of a contract or payment alone
//!  "content":"<octets in base64url>"}                                           with the first message of a delivery alone
//! ```
//!
//! It is an envelope and signed by nobody: what counts is the statement. The certificates are helpers, worth what their chain to a root
//! makes of them, and a contract's text or a delivery's sealed content is worth what its hash in the first statement says. Schema:
//! `schemas/exchange/message.json`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::b64u::{self, B64u, B64u32};
use crate::digest::Digest;
use crate::exchange::cd_r::CONTENT_OVERHEAD;
use crate::exchange::run::PARTY_STATEMENT_BYTES_MAX;
use crate::json::{self, JsonFault};
use crate::statement::exchange::Protocol;
use crate::statement::{Jws, StatementFault};

/// The longest text of a contract, or message of a delivery, that is sent along, octets.
pub const CONTRACT_BYTES_MAX: usize = 4 << 20;

/// The longest sealed content of a delivery, octets.
pub const CONTENT_BYTES_MAX: usize = CONTRACT_BYTES_MAX + CONTENT_OVERHEAD;

/// The longest message, octets: such a text in base64url, and everything beside it.
pub const MESSAGE_BYTES_MAX: usize = 6 << 20;

/// The sender's certificate and those above it.
pub const CERTIFICATES_MAX: usize = 4;

/// The longest of them, octets.
const CERTIFICATE_BYTES_MAX: usize = 16 << 10;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// By which rules the run goes.
    pub protocol: Protocol,
    /// What its sender states.
    pub statement: Jws,
    /// The sender's certificate and those above it, DER.
    pub certificates: Vec<Vec<u8>>,
    /// What the first message is about; with that one alone.
    pub beside: Option<Beside>,
}

/// What the first statement names by a hash.
#[derive(Clone, PartialEq, Eq)]
pub enum Beside {
    /// What is to be signed.
    Contract(Contract),
    /// What is delivered, sealed (C).
    Content(Vec<u8>),
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract(contract) => contract.fmt(f),
            Self::Content(content) => write!(f, "Content({} octets)", content.len()),
        }
    }
}

/// The text that the first statement names by [`crate::exchange::terms_hash`].
#[derive(Clone, PartialEq, Eq)]
pub struct Contract {
    /// 32 random octets that keep it from being guessed.
    pub salt: [u8; 32],
    /// Its octets.
    pub text: Vec<u8>,
}

impl fmt::Debug for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contract({} octets)", self.text.len())
    }
}

/// Why octets are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// Longer than [`MESSAGE_BYTES_MAX`].
    #[error("the message is longer than {MESSAGE_BYTES_MAX} octets")]
    TooLong,
    /// Not JSON as it is read here.
    #[error("the message: {0}")]
    Json(#[from] JsonFault),
    /// A member that is missing, unknown, or not what it should be.
    #[error("the message: {0}")]
    Member(String),
    /// Its statement.
    #[error("the message's statement: {0}")]
    Statement(#[from] StatementFault),
    /// It names another run than its statement.
    #[error("the message names another run than its statement")]
    OtherRun,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    t: String,
    v: u64,
    protocol: Protocol,
    x: B64u32,
    statement: String,
    certificates: Vec<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    contract: Option<WrittenContract>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenContract {
    salt: B64u32,
    text: String,
}

/// `null` is not the same as nothing.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Message {
    /// Its type.
    pub const TYPE: &'static str = "exchange-message";

    /// The run that it belongs to: that which its statement names, or begins.
    #[must_use]
    pub fn x(&self) -> Digest {
        self.statement.common().x.map_or_else(|| self.statement.x(), Digest::from)
    }

    /// The document.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let written = Written {
            t: Self::TYPE.to_owned(),
            v: 1,
            protocol: self.protocol,
            x: self.x().into(),
            statement: String::from_utf8_lossy(self.statement.bytes()).into_owned(),
            certificates: self.certificates.iter().map(|der| b64u::encode(der)).collect(),
            contract: match &self.beside {
                Some(Beside::Contract(Contract { salt, text })) => {
                    Some(WrittenContract { salt: B64u(*salt), text: b64u::encode(text) })
                }
                Some(Beside::Content(_)) | None => None,
            },
            content: match &self.beside {
                Some(Beside::Content(content)) => Some(b64u::encode(content)),
                Some(Beside::Contract(_)) | None => None,
            },
        };
        let mut bytes = serde_json::to_vec(&written).expect("texts and a number");
        bytes.push(b'\n');
        bytes
    }

    /// Reads one. Whether its statement keeps the rules of its run, and whose the certificates are, is for others to say.
    ///
    /// # Errors
    /// [`MessageFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageFault> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(MessageFault::TooLong);
        }
        let members = json::read_object(bytes)?;
        let wrong = |what: &str| MessageFault::Member(what.to_owned());
        let told = |error: serde_json::Error| MessageFault::Member(error.to_string().chars().take(200).collect());
        let Written { t, v, protocol, x, statement, certificates, contract, content } =
            serde_json::from_value(Value::Object(members)).map_err(told)?;
        if t != Self::TYPE || v != 1 {
            return Err(wrong("it is no exchange-message of version 1"));
        }
        if statement.len() > PARTY_STATEMENT_BYTES_MAX {
            return Err(StatementFault::TooLong.into());
        }
        let statement = Jws::parse(statement.as_bytes())?;
        if !(1..=CERTIFICATES_MAX).contains(&certificates.len()) {
            return Err(wrong("it comes with no certificate, or with more than four"));
        }
        let certificate = |text: &String| {
            let der = b64u::decode(text.as_bytes()).filter(|der| der.len() <= CERTIFICATE_BYTES_MAX);
            der.ok_or_else(|| wrong("a certificate is no base64url, or too long"))
        };
        let certificates = certificates.iter().map(certificate).collect::<Result<_, _>>()?;
        let octets = |text: &str, bytes_max| b64u::decode(text.as_bytes()).filter(|octets| octets.len() <= bytes_max);
        let beside = match (protocol, contract, content) {
            (_, None, None) => None,
            (Protocol::AswR | Protocol::Pg | Protocol::Pr, Some(WrittenContract { salt, text }), None) => {
                let text = octets(&text, CONTRACT_BYTES_MAX);
                let text = text.ok_or_else(|| wrong("the contract's text is no base64url, or too long"))?;
                Some(Beside::Contract(Contract { salt: salt.0, text }))
            }
            (Protocol::CdR, None, Some(content)) => {
                let content = octets(&content, CONTENT_BYTES_MAX);
                Some(Beside::Content(content.ok_or_else(|| wrong("the content is no base64url, or too long"))?))
            }
            _ => return Err(wrong("a contract or a payment comes with a text, a delivery with a sealed content")),
        };
        let message = Self { protocol, statement, certificates, beside };
        if message.x() != Digest::from(x) {
            return Err(MessageFault::OtherRun);
        }
        if message.beside.is_some() && message.statement.common().x.is_some() {
            return Err(wrong("a text or a content comes with the first message alone"));
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exchange::testing::Script;

    fn first() -> Message {
        let script = Script::new(None);
        Message {
            protocol: Protocol::AswR,
            statement: script.offered.jws,
            certificates: vec![vec![0x30, 0], vec![0x30, 1]],
            beside: Some(Beside::Contract(Contract { salt: [3; 32], text: b"I sell, you buy.".to_vec() })),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let first = first();
        assert_eq!(Message::parse(&first.to_bytes()), Ok(first.clone()));
        let script = Script::new(None);
        let third = Message { statement: script.m3.clone(), beside: None, ..first };
        assert_eq!(third.x(), script.x());
        assert_eq!(Message::parse(&third.to_bytes()), Ok(third));
        assert!(!format!("{:?}", super::tests::first().beside).contains("sell"));
    }

    #[test]
    fn a_delivery_comes_with_its_content() {
        let first = Message { protocol: Protocol::CdR, beside: Some(Beside::Content(vec![1; 70])), ..first() };
        assert_eq!(Message::parse(&first.to_bytes()), Ok(first.clone()));
        let refused = Message { protocol: Protocol::AswR, ..first.clone() };
        assert!(Message::parse(&refused.to_bytes()).is_err());
        let long = Message { beside: Some(Beside::Content(vec![1; CONTENT_BYTES_MAX + 1])), ..first };
        assert!(Message::parse(&long.to_bytes()).is_err());
    }

    #[test]
    fn anything_else_is_refused() {
        let check = |what: &str, change: &dyn Fn(&mut Value)| {
            let mut document: Value = serde_json::from_slice(&first().to_bytes()).unwrap();
            change(&mut document);
            assert!(Message::parse(document.to_string().as_bytes()).is_err(), "{what}");
        };
        check("an unknown member", &|d| d["extra"] = json!(1));
        check("another type", &|d| d["t"] = json!("message"));
        check("another version", &|d| d["v"] = json!(2));
        check("another protocol", &|d| d["protocol"] = json!("asw"));
        check("another run", &|d| d["x"] = json!("A".repeat(43)));
        check("no statement", &|d| d["statement"] = json!("a.b.c"));
        check("no certificates", &|d| d["certificates"] = json!([]));
        check("too many certificates", &|d| d["certificates"] = json!(["MAA", "MAA", "MAA", "MAA", "MAA"]));
        check("a certificate in other characters", &|d| d["certificates"] = json!(["MAA="]));
        check("a contract that is null", &|d| d["contract"] = Value::Null);
        check("a contract with more", &|d| d["contract"]["media"] = json!("text/plain"));
        check("a contract and a content", &|d| d["content"] = json!("AAAA"));
        check("a contract of a delivery", &|d| d["protocol"] = json!("cd-r"));
        check("a salt that is too short", &|d| d["contract"]["salt"] = json!("AAAA"));
        check("a contract with a later message", &|d| {
            let script = Script::new(None);
            d["statement"] = json!(String::from_utf8(script.m3.bytes().to_vec()).unwrap());
        });
        let text = String::from_utf8(first().to_bytes()).unwrap();
        let twice = text.replacen("\"v\":1", "\"v\":1,\"v\":1", 1);
        assert_eq!(Message::parse(twice.as_bytes()), Err(JsonFault::Duplicate("v".to_owned()).into()));
        assert_eq!(Message::parse(&vec![b' '; MESSAGE_BYTES_MAX + 1]), Err(MessageFault::TooLong));
        for cut in [0, 1, text.len() / 2, text.len() - 3] {
            assert!(Message::parse(&text.as_bytes()[..cut]).is_err());
        }
    }
}
