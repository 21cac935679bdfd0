//! What the two sides must sign for a registered delivery, and what the arbiter signs of it.

use crate::exchange::Broken;
use crate::exchange::cd_r::Posted;
use crate::exchange::policy::DeliveryPolicy;
use crate::exchange::run::Keys;
use crate::statement::exchange::Side;
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::erds::{
    ErdsEvidence, EventReason, EvidenceVersion, Issuer, Refuse, RefuseReason, Submit, UserContent, evidence_id,
};
use crate::statement::{Count, Jws, Millis};
use crate::time::Timestamp;

use super::{Posting, Recording, Signed};

impl From<&Jws> for Signed {
    fn from(jws: &Jws) -> Self {
        Self { request: jws.x(), claimed_ms: jws.common().iat.get() }
    }
}

/// A delivery that its originator submits.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    /// What is decided on.
    pub posting: Posting,
    /// As it was received.
    pub jws: Jws,
}

impl Submitted {
    /// Reads `cd-r/submit`: only the originator submits.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn read(posted: &Posted, jws: Jws, rules: DeliveryPolicy, keys: Keys<'_>) -> Result<Self, Broken> {
        let Submit { notice } = posted.run.follows(&jws, Side::Originator, keys)?;
        let run = &posted.run;
        let posting = Posting {
            x: run.x,
            request: jws.x(),
            policy: run.policy,
            assurance: run.assurance,
            o: run.o.key,
            r: run.r.key,
            t_exp: run.t_exp,
            notice,
            rules,
        };
        Ok(Self { posting, jws })
    }
}

/// A recipient's refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Why.
    pub reason: Option<RefuseReason>,
    /// As it was received.
    pub jws: Jws,
}

impl Refused {
    /// Reads `cd-r/refuse`: only the recipient refuses.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn read(posted: &Posted, jws: Jws, keys: Keys<'_>) -> Result<Self, Broken> {
        let Refuse { reason } = posted.run.follows(&jws, Side::Responder, keys)?;
        Ok(Self { reason, jws })
    }
}

/// The body of the evidence of an event. `basis` is the statement that it rests on, as it was received, where it rests on one.
#[must_use]
pub fn evidence_of(delivery: &D1, submitted_at: Timestamp, recording: &Recording, basis: Option<&Jws>) -> ErdsEvidence {
    let Recording { x, at, event, event_ms, reason, statement: _, verdict, outages } = recording;
    ErdsEvidence {
        version: EvidenceVersion::One,
        id: evidence_id(x, *event).into(),
        event: *event,
        // A moment that a party claims is below 2^53, and so is one that has passed.
        event_ms: Millis::new(*event_ms).unwrap_or((*at).into()),
        at_ms: (*at).into(),
        issuer: Issuer { id: delivery.ttp.id.clone(), key: delivery.ttp.key },
        sender: delivery.o,
        recipient: delivery.r,
        submitted_ms: submitted_at.into(),
        content: content_of(delivery),
        reasons: reason.map(EventReason::from).into_iter().collect(),
        basis: basis.map(|jws| String::from_utf8_lossy(jws.bytes()).into_owned()).into_iter().collect(),
        verdict: verdict.map(Into::into),
        outages: outages.iter().filter_map(|index| Count::new(*index)).collect(),
        policy: delivery.policy,
        assurance: delivery.assurance,
    }
}

/// What is delivered, as its evidence has it.
pub(in crate::exchange) fn content_of(delivery: &D1) -> UserContent {
    UserContent { c_sha256: delivery.c_sha256, c_len: delivery.c_len, hm: delivery.hm }
}
