//! The policy by which runs are decided: a document that both sides name in their first statement, and that stays theirs to the end.

use serde::{Deserialize, Serialize};

use crate::json;
use crate::statement::exchange::item::RuleName;

/// What the document says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangePolicy {
    /// `exchange-policy`.
    pub t: String,
    /// 1.
    pub v: u64,
    /// δ: what a side is to leave for clocks that differ, for the network and for the arbiter's answer, milliseconds.
    pub delta_ms: u64,
    /// Answers that one side gets in one run, each to another request.
    pub answers_max: u64,
    /// How much later than the moment it states an entry may be, milliseconds.
    pub mmd_ms: u64,
    /// How items are exchanged through the arbiter; where it is left out, they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<InlinePolicy>,
    /// How certified deliveries are registered, with evidence of each step; where it is left out, they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryPolicy>,
}

/// How certified deliveries are registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryPolicy {
    /// For how long the recipient's collecting the key is awaited after RELEASED, milliseconds.
    pub retention_ms: u64,
    /// How far ahead a delivery may end when it is submitted, milliseconds.
    pub open_max_ms: u64,
    /// In how much time a notice is left that was asked for, milliseconds.
    pub notice_ms: u64,
    /// Whether a positive event counts that was recorded after the negative one of its stage. It is recorded in either case.
    pub late_counts: bool,
}

/// How items are exchanged through the arbiter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InlinePolicy {
    /// For how long items can be collected after the decision, unless the parties agree on less, milliseconds.
    pub retention_ms: u64,
    /// How far ahead an exchange may end when it is registered, milliseconds: so long at most an item lies with the arbiter undecided.
    pub open_max_ms: u64,
    /// Rules that descriptions of items may name.
    pub predicates: Vec<RuleName>,
}

/// Not such a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a policy for exchanges of version 1")]
pub struct NotAPolicy;

impl ExchangePolicy {
    /// Its type.
    pub const TYPE: &'static str = "exchange-policy";

    /// A policy with this δ.
    #[must_use]
    pub fn new(delta_ms: u64, mmd_ms: u64) -> Self {
        let answers_max = super::ANSWERS_MAX as u64;
        Self { t: Self::TYPE.to_owned(), v: 1, delta_ms, answers_max, mmd_ms, inline: None, delivery: None }
    }

    /// The document.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("numbers and a word");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`NotAPolicy`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAPolicy> {
        json::read_object(bytes).map_err(|_| NotAPolicy)?;
        let read: Self = serde_json::from_slice(bytes).map_err(|_| NotAPolicy)?;
        if read.t == Self::TYPE && read.v == 1 { Ok(read) } else { Err(NotAPolicy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        let policy = ExchangePolicy::new(86_400_000, 5_000);
        assert_eq!(ExchangePolicy::parse(&policy.to_bytes()), Ok(policy.clone()));
        for other in [ExchangePolicy { v: 2, ..policy.clone() }, ExchangePolicy { t: String::new(), ..policy.clone() }]
        {
            assert_eq!(ExchangePolicy::parse(&other.to_bytes()), Err(NotAPolicy));
        }
        let predicates = RuleName::new("json-object/1").into_iter().collect();
        let inline = ExchangePolicy {
            inline: Some(InlinePolicy { retention_ms: 7, open_max_ms: 8, predicates }),
            ..policy.clone()
        };
        assert_eq!(ExchangePolicy::parse(&inline.to_bytes()), Ok(inline));
        let rules = DeliveryPolicy { retention_ms: 7, open_max_ms: 8, notice_ms: 9, late_counts: true };
        let registered = ExchangePolicy { delivery: Some(rules), ..policy.clone() };
        assert_eq!(ExchangePolicy::parse(&registered.to_bytes()), Ok(registered));
        let bare = String::from_utf8(policy.to_bytes()).unwrap();
        assert!(!bare.contains("inline") && !bare.contains("delivery"), "as before");
        assert_eq!(ExchangePolicy::parse(b"{\"t\":\"exchange-policy\",\"v\":1}"), Err(NotAPolicy));
    }
}
