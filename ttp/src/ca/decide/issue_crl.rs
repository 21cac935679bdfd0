//! Issue the next list (spec §11).

use super::super::crl::CrlContent;
use super::super::state::{CrlState, LastCrl};
use super::super::{Authority, CaFact, Crl, CrlEffect, CrlEvent, CrlRefusal};
use crate::role::Decided;
use crate::time::Timestamp;

/// nextUpdate of an issuing CA's list lies at most 10 days on (BR 4.9.7).
const LIFE_SECS_MAX: u32 = 10 * 24 * 3600;

/// That of the root's list (ARL) at most 12 months on.
pub(super) const ROOT_LIFE_SECS_MAX: u32 = 365 * 24 * 3600;

pub(super) fn issue_crl(state: &CrlState, event: &CrlEvent, now: Timestamp) -> Result<Decided<Crl>, CrlRefusal> {
    let CrlEvent::Issue { list, life_secs, force, ref revoked, ref distribution_point } = *event else {
        unreachable!("decide gives each event to its own file")
    };
    let max = if list.ca.authority == Authority::Root { ROOT_LIFE_SECS_MAX } else { LIFE_SECS_MAX };
    if life_secs == 0 || life_secs > max {
        return Err(CrlRefusal::Life { life_secs, max });
    }
    let this_update = now.whole_secs();
    if let Some(LastCrl { this_update: last, .. }) = state.last
        && this_update < last
    {
        return Err(CrlRefusal::ClockBehind { this_update: last, now });
    }
    let due_at = state.due_at();
    if now < due_at && !force {
        return Err(CrlRefusal::NotDue { due_at });
    }

    let next_update = this_update.plus_secs(life_secs.into());
    // A restored backup knows an old number; the seconds of the clock are above every number that was ever published,
    // as long as fewer than one list a second is issued (spec §11).
    let number = state.last.map_or(0, |last| last.number.saturating_add(1)).max(now.secs());
    // An entry stays until a list was issued after its certificate expired (RFC 5280 §3.3).
    let is_over = |not_after: Timestamp| state.last.is_some_and(|last| not_after < last.this_update);
    let revoked: Vec<_> = revoked.iter().filter(|one| !is_over(one.not_after)).cloned().collect();
    let fact = CaFact::CrlIssued { list, number, this_update, next_update, entries: revoked.len() as u64 };
    let distribution_point = distribution_point.clone();
    let content = CrlContent { number, this_update, next_update, revoked, distribution_point };
    let wake_at = this_update.plus_millis(u64::from(life_secs) * 500);
    Ok((vec![fact], vec![CrlEffect::Sign(content), CrlEffect::WakeAt(wake_at)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::ListId;
    use crate::ca::crl::{Reason, Revoked};
    use crate::cbor;
    use crate::digest::Digest;
    use crate::evidence::{Envelope, Fact, Recorded};
    use crate::role::{Folded, Snapshot, decode_snapshot, encode_snapshot, fold_snapshot, step};

    const DAY: u32 = 24 * 3600;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn event(authority: Authority, life_secs: u32, force: bool) -> CrlEvent {
        let (list, revoked) = (ListId::first(authority), Vec::new());
        CrlEvent::Issue { list, life_secs, force, revoked, distribution_point: None }
    }

    fn last(number: u64, this_update: u64, next_update: u64) -> CrlState {
        CrlState { last: Some(LastCrl { number, this_update: at(this_update), next_update: at(next_update) }) }
    }

    #[test]
    fn decides() {
        let none = CrlState::default();
        let t = 1_772_366_400;
        let day = u64::from(DAY);
        // (what, state, authority, life, force, now) → number or refusal
        let table = [
            ("first list", none.clone(), Authority::Tsu, DAY, false, t, Ok(t)),
            (
                "fresh",
                last(t, t, t + day),
                Authority::Tsu,
                DAY,
                false,
                t + day / 2 - 1,
                Err(CrlRefusal::NotDue { due_at: at(t + day / 2) }),
            ),
            ("half way", last(t, t, t + day), Authority::Tsu, DAY, false, t + day / 2, Ok(t + day / 2)),
            ("forced in the same second", last(t, t, t + day), Authority::Tsu, DAY, true, t, Ok(t + 1)),
            ("number ahead of the clock", last(t + 9, t, t + day), Authority::Tsu, DAY, true, t + 3, Ok(t + 10)),
            (
                "clock behind",
                last(t, t, t + day),
                Authority::Tsu,
                DAY,
                true,
                t - 1,
                Err(CrlRefusal::ClockBehind { this_update: at(t), now: at(t - 1) }),
            ),
            (
                "no life",
                none.clone(),
                Authority::Tsu,
                0,
                true,
                t,
                Err(CrlRefusal::Life { life_secs: 0, max: 10 * DAY }),
            ),
            ("ten days", none.clone(), Authority::Tsu, 10 * DAY, true, t, Ok(t)),
            (
                "eleven days",
                none.clone(),
                Authority::Party,
                11 * DAY,
                true,
                t,
                Err(CrlRefusal::Life { life_secs: 11 * DAY, max: 10 * DAY }),
            ),
            ("the root may live longer", none, Authority::Root, 365 * DAY, true, t, Ok(t)),
        ];
        for (what, state, authority, life, force, now, expected) in table {
            let decided = issue_crl(&state, &event(authority, life, force), at(now));
            match (decided, expected) {
                (Ok((facts, effects)), Ok(number)) => {
                    let (this, next) = (at(now), at(now + u64::from(life)));
                    let list = ListId::first(authority);
                    let fact = CaFact::CrlIssued { list, number, this_update: this, next_update: next, entries: 0 };
                    assert_eq!(facts, [fact], "{what}");
                    let (this_update, next_update, revoked) = (this, next, Vec::new());
                    let content = CrlContent { number, this_update, next_update, revoked, distribution_point: None };
                    assert_eq!(effects[0], CrlEffect::Sign(content), "{what}");
                    assert_eq!(effects[1], CrlEffect::WakeAt(this.plus_millis(u64::from(life) * 500)), "{what}");
                }
                (decided, expected) => assert_eq!(decided.map(|_| 0).err(), expected.err(), "{what}"),
            }
        }
    }

    /// A certificate that has expired is named once more, and then no longer.
    #[test]
    fn entries_go_after_their_certificates_expired() {
        let revoked = |not_after| Revoked {
            serial: vec![0x41; 16],
            at: at(50),
            reason: Reason::Superseded,
            not_after: at(not_after),
        };
        let list = ListId { partition: 3, ..ListId::first(Authority::Party) };
        let revoked = vec![revoked(99), revoked(100), revoked(5_000)];
        let point = Some("http://a.example/crl/ca-party/3.crl".to_owned());
        let event = CrlEvent::Issue {
            list,
            life_secs: DAY,
            force: true,
            revoked: revoked.clone(),
            distribution_point: point.clone(),
        };
        let named = |state: &CrlState| {
            let (facts, effects) = issue_crl(state, &event, at(300)).unwrap();
            let CrlEffect::Sign(content) = &effects[0] else { panic!("a list is signed first") };
            let CaFact::CrlIssued { entries, .. } = facts[0] else { panic!("a list is one fact") };
            assert_eq!((content.revoked.len() as u64, &content.distribution_point), (entries, &point));
            content.revoked.clone()
        };
        assert_eq!(named(&CrlState::default()), revoked);
        assert_eq!(named(&last(1, 100, 200)), revoked[1..]);
        assert_eq!(named(&last(1, 250, 900)), revoked[2..]);
        // Other entries are another event.
        let revoked = revoked[..2].to_vec();
        let other = CrlEvent::Issue { list, life_secs: DAY, force: true, revoked, distribution_point: point };
        assert_ne!(other.encode(), event.encode());
        assert_eq!(hex::encode(self::event(Authority::Tsu, DAY, true).encode()), "83031a00015180f5");
    }

    #[test]
    fn numbers_rise_for_ever_and_facts_fold_to_the_snapshot() {
        let mut state = CrlState::default();
        let mut facts: Vec<Fact> = Vec::new();
        let mut number = 0;
        for secs in [100, 100, 100, 104, 90_000] {
            let event = event(Authority::Tsu, DAY, true);
            let (new, _) = step::<Crl>(&mut state, &event, at(secs)).unwrap();
            let issued = state.last.unwrap().number;
            assert!(issued > number && issued >= secs);
            number = issued;
            for fact in new {
                let seq = facts.len() as u64;
                facts.push(fact.into_fact(&Envelope {
                    aggregate: ListId::first(Authority::Tsu).aggregate(),
                    seq,
                    now: at(secs),
                    salt: [0; 16],
                    policy_hash: Digest::default(),
                    event_digest: Digest::of(&event.encode()),
                }));
            }
        }
        let row = encode_snapshot::<Crl>(&Snapshot { next_seq: 5, state: state.clone() });
        assert_eq!(fold_snapshot(&facts).unwrap(), Some(row.clone()));
        assert_eq!(decode_snapshot::<Crl>(&row).unwrap().state, state);
        assert_eq!(fold_snapshot(&[]).unwrap(), None);
    }

    #[test]
    fn an_empty_state_reads_as_written() {
        let mut writer = cbor::Writer::default();
        Crl::write_state(&CrlState::default(), &mut writer);
        let bytes = writer.finish();
        assert_eq!(bytes, [0x80]);
        assert_eq!(Crl::read_state(&mut cbor::Reader::new(&bytes)), Ok(CrlState::default()));
        assert!(Crl::read_state(&mut cbor::Reader::new(&[0x81, 0x01])).is_err());
    }
}
