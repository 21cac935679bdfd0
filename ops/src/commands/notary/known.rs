//! What a notary says of itself in `/.well-known/semper`, asked before anything is done that it would refuse.

use std::fmt::Display;

use semper_ttp::asn1::PolicyId;
use serde_json::Value;

use crate::commands::remote::{Remote, json_of};
use crate::commands::running::Failed;

/// What is asked of it.
pub(super) struct KnownNotary {
    about: Value,
}

impl KnownNotary {
    /// What the server says.
    pub(super) fn of(remote: &Remote) -> Result<Self, Failed> {
        let mut service = json_of(remote.call(async |client| client.get_json("/.well-known/semper").await))?;
        match service["notary"].take() {
            Value::Null => {
                Err(Failed::usage(&"the service is no notary: [notary] enabled is not set in its semper.toml"))
            }
            about => Ok(Self { about }),
        }
    }

    /// A document that is too long is refused while it is sent, and the refusal may be lost then.
    pub(super) fn require_room(&self, what: impl Display, octets: u64) -> Result<(), Failed> {
        match self.about["document_bytes_max"].as_u64() {
            Some(max) if octets > max => Err(Failed::usage(&format!(
                "{what}: {octets} octets, and this notary takes at most {max} in one request"
            ))),
            _ => Ok(()),
        }
    }

    /// A token tells the time under one policy alone.
    pub(super) fn require_token(&self, policy: Option<&PolicyId>) -> Result<(), Failed> {
        let with_token = self.about["data_validation"]["policy_with_token"].as_str();
        match (with_token, policy) {
            (Some(with_token), Some(policy)) if policy.to_string() == with_token => Ok(()),
            (Some(with_token), _) => {
                Err(Failed::usage(&format!("no token tells the time under that policy: ask for --policy {with_token}")))
            }
            (None, _) => Err(Failed::usage(&"no token tells the time: this notary has no policy with one")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_it_would_refuse_is_known_before() {
        let known = KnownNotary {
            about: json!({ "document_bytes_max": 10, "data_validation": { "policy_with_token": "1.2.3" } }),
        };
        assert!(known.require_room("deed.pdf", 10).is_ok() && known.require_room("deed.pdf", 11).is_err());
        let policy = |text: &str| text.parse::<PolicyId>().unwrap();
        assert!(known.require_token(Some(&policy("1.2.3"))).is_ok());
        assert!(known.require_token(Some(&policy("1.2.4"))).is_err() && known.require_token(None).is_err());
    }
}
