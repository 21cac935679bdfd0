//! Issue the next list (spec §11).

use super::super::crl::CrlContent;
use super::super::state::{CrlState, LastCrl};
use super::super::{Authority, CaFact, Crl, CrlEffect, CrlRefusal};
use crate::role::Decided;
use crate::time::Timestamp;

/// nextUpdate of an issuing CA's list lies at most 10 days on (BR 4.9.7).
const LIFE_SECS_MAX: u32 = 10 * 24 * 3600;

/// That of the root's list (ARL) at most 12 months on.
const ROOT_LIFE_SECS_MAX: u32 = 365 * 24 * 3600;

pub(super) fn issue_crl(
    state: &CrlState,
    authority: Authority,
    life_secs: u32,
    force: bool,
    now: Timestamp,
) -> Result<Decided<Crl>, CrlRefusal> {
    let max = if authority == Authority::Root { ROOT_LIFE_SECS_MAX } else { LIFE_SECS_MAX };
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
    let fact = CaFact::CrlIssued { authority, number, this_update, next_update, entries: 0 };
    let content = CrlContent { number, this_update, next_update, revoked: Vec::new() };
    let wake_at = this_update.plus_millis(u64::from(life_secs) * 500);
    Ok((vec![fact], vec![CrlEffect::Sign(content), CrlEffect::WakeAt(wake_at)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor;
    use crate::digest::Digest;
    use crate::evidence::{Envelope, Fact, Recorded};
    use crate::role::{Folded, Snapshot, decode_snapshot, encode_snapshot, fold_snapshot, step};

    const DAY: u32 = 24 * 3600;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
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
            let decided = issue_crl(&state, authority, life, force, at(now));
            match (decided, expected) {
                (Ok((facts, effects)), Ok(number)) => {
                    let (this, next) = (at(now), at(now + u64::from(life)));
                    let fact =
                        CaFact::CrlIssued { authority, number, this_update: this, next_update: next, entries: 0 };
                    assert_eq!(facts, [fact], "{what}");
                    let content = CrlContent { number, this_update: this, next_update: next, revoked: Vec::new() };
                    assert_eq!(effects[0], CrlEffect::Sign(content), "{what}");
                    assert_eq!(effects[1], CrlEffect::WakeAt(this.plus_millis(u64::from(life) * 500)), "{what}");
                }
                (decided, expected) => assert_eq!(decided.map(|_| 0).err(), expected.err(), "{what}"),
            }
        }
    }

    #[test]
    fn numbers_rise_for_ever_and_facts_fold_to_the_snapshot() {
        let mut state = CrlState::default();
        let mut facts: Vec<Fact> = Vec::new();
        let mut number = 0;
        for secs in [100, 100, 100, 104, 90_000] {
            let event = crate::ca::CrlEvent::Issue { authority: Authority::Tsu, life_secs: DAY, force: true };
            let (new, _) = step::<Crl>(&mut state, &event, at(secs)).unwrap();
            let issued = state.last.unwrap().number;
            assert!(issued > number && issued >= secs);
            number = issued;
            for fact in new {
                let seq = facts.len() as u64;
                facts.push(fact.into_fact(&Envelope {
                    aggregate: Authority::Tsu.crl_aggregate(),
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
