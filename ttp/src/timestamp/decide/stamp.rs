//! Stamp a digest: the end of the decision table of spec §5, policy and state.

use super::super::{Endpoint, Refusal, Stamp, TimestampAuthority, TimestampEffect, TimestampFact, TokenContent};
use crate::digest::Digest;
use crate::role::Decided;
use crate::time::Timestamp;

pub(crate) fn stamp(
    endpoint: &Endpoint,
    event: &Stamp,
    now: Timestamp,
) -> Result<Decided<TimestampAuthority>, Refusal> {
    let settings = &endpoint.settings;
    let request = &event.request;
    let policy = match &request.policy {
        None => &settings.default_policy,
        Some(asked) if settings.accepted_policies.contains(asked) => asked,
        Some(_) => return Err(Refusal::Policy),
    };
    if !event.clock.may_issue() {
        return Err(Refusal::Clock { verdict: event.clock });
    }
    let period = endpoint.tsu.key_period();
    if !period.contains(now) {
        return Err(Refusal::KeyPeriod { not_after: period.not_after });
    }

    let fact = TimestampFact::TokenIssued {
        serial: event.serial,
        algorithm: request.imprint.algorithm,
        imprint: Digest::of(&request.imprint.digest),
        policy: policy.clone(),
        clock: event.clock,
        key: endpoint.tsu.key(),
        accuracy_micros: settings.accuracy.micros(),
    };
    let content = TokenContent {
        policy: policy.clone(),
        imprint: request.imprint.clone(),
        serial: event.serial,
        gen_time: now,
        accuracy: settings.accuracy,
        nonce: request.nonce.clone(),
        cert_req: request.cert_req,
        qualified: settings.qualified,
    };
    Ok((vec![fact], vec![TimestampEffect::Sign(content)]))
}

#[cfg(test)]
mod tests {
    use super::super::super::{ClockVerdict, SettingsFault};
    use super::*;
    use crate::asn1::PolicyId;
    use crate::evidence::{Fact, KeyId, KeyPurpose, Recorded};
    use crate::role::{Role, step};
    use crate::testing::{self, GEN_TIME};

    fn policy(text: &str) -> PolicyId {
        text.parse().unwrap()
    }

    #[test]
    fn decides() {
        let unit = testing::ec();
        let endpoint = unit.endpoint();
        let period = endpoint.tsu.key_period();
        let (first, last) = (period.not_before, period.not_after);
        let early = first.minus_millis(1);
        let late = last.plus_secs(1);
        let key_period = Some(Refusal::KeyPeriod { not_after: last });
        let clock = |verdict| Some(Refusal::Clock { verdict });
        let (synced, stopped) = (ClockVerdict::Synced, ClockVerdict::Stopped);
        let table = [
            (None, synced, GEN_TIME, None),
            (Some("1.3.6.1.4.1.99999.1"), synced, GEN_TIME, None),
            (Some("1.3.6.1.4.1.99999.2"), synced, GEN_TIME, None),
            (Some("1.3.6.1.4.1.99999.3"), synced, GEN_TIME, Some(Refusal::Policy)),
            (None, ClockVerdict::Suspect, GEN_TIME, None),
            (None, ClockVerdict::Assumed, GEN_TIME, None),
            (None, ClockVerdict::Unsynced, GEN_TIME, clock(ClockVerdict::Unsynced)),
            (None, stopped, GEN_TIME, clock(stopped)),
            (None, ClockVerdict::LeapSecond, GEN_TIME, clock(ClockVerdict::LeapSecond)),
            // The privateKeyUsagePeriod, both ends inclusive to the second.
            (None, synced, first, None),
            (None, synced, early, key_period.clone()),
            (None, synced, last.plus_millis(999), None),
            (None, synced, late, key_period),
            // The order: policy, clock, key.
            (Some("1.2.3"), stopped, late, Some(Refusal::Policy)),
            (None, stopped, late, clock(stopped)),
        ];
        for (asked, clock, now, expected) in table {
            let mut event = testing::event(1);
            event.request.policy = asked.map(policy);
            event.clock = clock;
            let decided = TimestampAuthority::decide(&endpoint, &event, now);
            assert_eq!(decided.as_ref().err(), expected.as_ref(), "{asked:?} {clock:?} {now}");
            if let Ok((facts, effects)) = decided {
                let served = policy(asked.unwrap_or("1.3.6.1.4.1.99999.1"));
                let fact = TimestampFact::TokenIssued {
                    serial: event.serial,
                    algorithm: event.request.imprint.algorithm,
                    imprint: Digest::of(&event.request.imprint.digest),
                    policy: served.clone(),
                    clock,
                    key: KeyId::new(KeyPurpose::TsuEc, 1),
                    accuracy_micros: 500_000,
                };
                assert_eq!(facts, [fact]);
                let [TimestampEffect::Sign(content)] = effects.as_slice() else { panic!("one effect") };
                assert_eq!((content.gen_time, &content.policy), (now, &served));
                assert_eq!((&content.nonce, content.cert_req), (&event.request.nonce, event.request.cert_req));
            }
        }
    }

    #[test]
    fn the_fact_is_stored_in_about_200_octets_and_read_again() {
        let mut endpoint = testing::ec().endpoint();
        let event = testing::event(7);
        let (mut facts, _) = step::<TimestampAuthority>(&mut endpoint, &event, GEN_TIME).unwrap();
        let fact = facts.remove(0);
        let stored = fact.clone().into_fact(&endpoint.envelope(&event, GEN_TIME));
        assert_eq!(stored.seq, 7);
        let bytes = stored.encode();
        assert!(bytes.len() < 230, "{} octets", bytes.len());
        let read = Fact::decode(&bytes).unwrap();
        assert_eq!(TimestampFact::from_fact(&read), Ok(fact));
    }

    #[test]
    fn settings_that_promise_too_much_make_no_endpoint() {
        let unit = testing::ec();
        let settings = unit.endpoint().settings;
        let with = |change: fn(&mut super::super::super::Settings)| {
            let mut settings = settings.clone();
            change(&mut settings);
            Endpoint::new(settings, unit.tsu.clone()).err()
        };
        assert_eq!(with(|_| {}), None);
        assert_eq!(with(|s| s.hashes.clear()), Some(SettingsFault::NoHash));
        let fault = SettingsFault::Accuracy { accuracy_micros: 500_000, clock_bound_micros: 499_001 };
        assert_eq!(with(|s| s.clock_bound_micros = 499_001), Some(fault));
        assert_eq!(with(|s| s.clock_bound_micros = 499_000), None);
    }
}
