//! Timestamp tokens.

use super::{
    Auditor, Case, Given, Outcome, Reason, SignatureCheck, TokenBefore, body_of, difference_of, keys::Unit, request,
};
use crate::digest::Digest;
use crate::evidence::{Fact, Recorded};
use crate::role::Role;
use crate::timestamp::token::{TokenContent, prepare};
use crate::timestamp::{
    Accuracy, Stamp, TimestampAuthority, TimestampEffect, TimestampFact, TokenSerial, request::Imprint,
};
use crate::verify::TokenReading;

impl Auditor {
    /// In order: what the fact alone shows, what the token shows beside it, and the decision.
    pub(super) fn judge_token(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let stated = match body_of::<TimestampFact>(given.fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let TimestampFact::TokenIssued { serial, clock, key, .. } = &stated;
        let now = given.fact.now;
        self.token_before = TokenBefore::By(*key, now);
        self.keys.signed(*key, case.index);
        self.seconds_with_tokens.set(now.secs());
        if serial.counter() != given.fact.seq {
            case.differs(format!(
                "its serial number was drawn as {}, its fact says {}",
                serial.counter(),
                given.fact.seq
            ));
        }
        if !self.serial_counters.set(serial.counter()) {
            case.differs(format!("the serial number {} was drawn before", serial.counter()));
        }
        if !clock.may_issue() {
            case.differs(format!("it was issued while the clock was {}", clock.name()));
        }
        if let Some(ended) = self.keys.history(*key).ended.filter(|ended| *ended < now) {
            case.differs(format!("its key was ended at {ended}"));
        }
        let Some(unit) = self.keys.unit(*key) else { return Outcome::Not(Reason::NoCertificate) };
        for (what, period) in [("key", unit.tsu.key_period()), ("certificate", unit.tsu.certificate().validity())] {
            if !period.contains(now) {
                let (from, to) = (period.not_before, period.not_after);
                case.differs(format!("its time {now} lies outside the period of its unit's {what}, {from} to {to}"));
            }
        }
        if let Some(revoked) = unit.revoked.filter(|revoked| *revoked < now) {
            case.differs(format!("the certificate of its unit was revoked at {revoked}"));
        }
        let artefact = match given.artefact() {
            Ok(artefact) => artefact,
            Err(outcome) => return outcome,
        };
        let reading = match TokenReading::of(artefact) {
            Ok(reading) => reading,
            Err(why) => return case.ends(format!("its artefact is no token: {why}")),
        };
        let known = case.differences.len();
        compare_claims(given.fact, &stated, &reading, case);
        let (Some(signature), true) = (&reading.signature, case.differences.len() == known) else {
            // What the token says of itself is not what the fact says: there is nothing to build it from.
            return Outcome::Same;
        };
        let Some((content, message)) = rebuild(unit, given.fact, &stated, &reading, artefact) else {
            let other = self.keys.units().find(|unit| rebuild(unit, given.fact, &stated, &reading, artefact).is_some());
            return case.ends(match other {
                Some(other) => format!("it is a token of the unit {}, its fact says {key}", other.tsu.key()),
                None => format!("the unit {key} makes another token of what fact and token say"),
            });
        };
        case.check = Some(SignatureCheck {
            index: case.index,
            kind: given.fact.kind,
            key: unit.key.clone(),
            message,
            signature: signature.clone(),
            counted: None,
        });
        self.decide_again(unit, given.fact, &stated, &reading, &content, case)
    }

    fn decide_again(
        &self,
        unit: &Unit,
        fact: &Fact,
        stated: &TimestampFact,
        reading: &TokenReading,
        content: &TokenContent,
        case: &mut Case,
    ) -> Outcome {
        if fact.rules != TimestampFact::RULES {
            return Outcome::Not(Reason::OtherRules(fact.rules));
        }
        if fact.policy_hash != self.rules.policy_hash {
            return Outcome::Not(Reason::OtherPolicy(fact.policy_hash));
        }
        let Some(endpoint) = &unit.endpoint else { return Outcome::Not(Reason::NoEndpoint) };
        let policies = &endpoint.settings().accepted_policies;
        let Some(request) = request::find(reading, policies, &fact.event_digest) else {
            return Outcome::Not(Reason::Request);
        };
        let TimestampFact::TokenIssued { serial, clock, .. } = stated;
        let (serial, salt, clock) = (*serial, fact.salt, *clock);
        let event = Stamp { request, request_digest: fact.event_digest, serial, salt, clock };
        match TimestampAuthority::decide(endpoint, &event, fact.now) {
            Err(refusal) => case.differs(format!("decided again, it is refused ({})", refusal.code())),
            Ok((facts, effects)) => {
                let envelope = endpoint.envelope(&event, fact.now);
                let again = facts.into_iter().next().map(|again| again.into_fact(&envelope));
                match again.as_ref().map(|again| difference_of(fact, again)) {
                    Some(None) => {}
                    Some(Some(what)) => case.differs(what),
                    None => case.differs("decided again, there is no fact"),
                }
                let [TimestampEffect::Sign(again)] = effects.as_slice() else {
                    case.differs("decided again, nothing is signed");
                    return Outcome::Same;
                };
                if let Some(what) = difference_of_content(content, again) {
                    case.differs(what);
                }
            }
        }
        Outcome::Same
    }
}

/// What fact and token both say.
fn compare_claims(fact: &Fact, stated: &TimestampFact, reading: &TokenReading, case: &mut Case) {
    let TimestampFact::TokenIssued { serial, algorithm, imprint, policy, .. } = stated;
    let claims = [
        ("serial number", reading.serial == serial.content()),
        ("time", reading.gen_time == fact.now),
        ("hash algorithm", reading.algorithm == *algorithm),
        ("imprint", Digest::of(&reading.imprint) == *imprint),
        ("policy", reading.policy == *policy),
    ];
    for (claim, same) in claims {
        if !same {
            case.differs(format!("the token has another {claim} than its fact"));
        }
    }
    if reading.signature.is_none() {
        case.differs("the token has not exactly one signature");
    }
}

/// The content by which this unit's template, with the token's signature put in, is the token to the octet, and what was
/// signed then. Whether the token is stated to be qualified, it alone says.
fn rebuild(
    unit: &Unit,
    fact: &Fact,
    stated: &TimestampFact,
    reading: &TokenReading,
    artefact: &[u8],
) -> Option<(TokenContent, Vec<u8>)> {
    let TimestampFact::TokenIssued { serial, accuracy_micros, .. } = stated;
    let accuracy = Accuracy::from_micros(*accuracy_micros)?;
    let signature = reading.signature.as_ref()?;
    [false, true].into_iter().find_map(|qualified| {
        let content = content_of(*serial, fact, accuracy, reading, qualified);
        let to_be_signed = prepare(&unit.tsu, &content);
        let message = to_be_signed.message().to_vec();
        (to_be_signed.finish(signature).token() == artefact).then_some((content, message))
    })
}

fn content_of(
    serial: TokenSerial,
    fact: &Fact,
    accuracy: Accuracy,
    reading: &TokenReading,
    qualified: bool,
) -> TokenContent {
    TokenContent {
        policy: reading.policy.clone(),
        imprint: Imprint {
            algorithm: reading.algorithm,
            null_parameters: reading.null_parameters,
            digest: reading.imprint.clone(),
        },
        serial,
        gen_time: fact.now,
        accuracy,
        nonce: reading.nonce.clone(),
        cert_req: reading.certificates > 0,
        qualified,
    }
}

fn difference_of_content(token: &TokenContent, again: &TokenContent) -> Option<String> {
    let parts = [
        ("policy", token.policy == again.policy),
        ("imprint", token.imprint == again.imprint),
        ("nonce", token.nonce == again.nonce),
        ("accuracy", token.accuracy == again.accuracy),
        ("choice of certificates", token.cert_req == again.cert_req),
        ("statement of being qualified", token.qualified == again.qualified),
        ("serial number", token.serial == again.serial),
        ("time", token.gen_time == again.gen_time),
    ];
    let other: Vec<_> = parts.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect();
    (!other.is_empty()).then(|| format!("decided again, its token has another {}", other.join(", another ")))
}
